//! Do bins that follow the weights repair what fixed bins break?
//!
//! A linear network 3-3-3 loses nothing: its first weights are W₁ = Q/3 with a random orthogonal Q, its second W₂ = 9·W₁ᵀ, so that W₂W₁ = 1.
//! Standard binning puts the same `edges` over the input's range (a margin of 1 on both sides) on every layer. The hidden activations are three
//! times smaller, fall into few bins, and the layer *seems* to lose more than a bit, which the next layer *seems* to win back: the
//! data-processing inequality is violated by the way of measuring.
//!
//! Weighted binning pushes the edges through the layers, as points that have the same value on all inputs, sorts them per neuron and pads them with
//! ±∞. An edge e becomes s·e on a neuron whose incoming weights sum to s. Where all rows of Q sum to at least 0.3 in magnitude, the hidden layer's
//! entropy comes out within 0.15 bits of the input's.
//!
//! Where it fails, and why: if a row of Q sums to nearly 0, all edges of that neuron fall together near 0, though its activations do not. All of
//! them then lie in the two outermost bins and the neuron shows its sign alone. The remedy carries the edges along one direction, (1, 1, 1), and
//! a neuron that is nearly orthogonal to that direction is binned by the scale of a direction that it does not look at. For the same reason the
//! entropy can come out too large: bins of a row that sums to s are s times as wide as the input's while its activations spread as far, so
//! for s < 1 they are finer. A thousand examples hardly tell, as most of them have a bin of their own; ten thousand do.

use super::answer::{Answer, Axis, Chart, Column, Series};
use super::histogram::{entropy, range};
use crate::math::rng::{Purpose, Stream};

/// Units of every layer.
const UNITS: usize = 3;
/// Least magnitude of a row's sum for which weighted binning is expected to hold.
const LEAST_SUM: f64 = 0.3;

/// How far from the input's entropy a hidden layer's may be, in bits.
const TOLERANCE: f64 = 0.15;

/// A matrix, row by row.
type Matrix = [[f64; UNITS]; UNITS];
/// Activations of a layer, or edges of its bins, neuron by neuron.
type Rows = [Vec<f64>; UNITS];

/// Sizes of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Standard normal inputs, ≥ 1.
    pub samples: usize,
    /// Edges of the input's bins, ≥ 2.
    pub edges: usize,
    /// Random rotations, ≥ 1.
    pub rotations: usize,
}

impl Default for Sizes {
    /// 1,000 inputs, 50 edges, 200 rotations.
    fn default() -> Self {
        Self { samples: 1000, edges: 50, rotations: 200 }
    }
}

/// One rotation: the least magnitude of a row's sum, and entropies in bits.
#[derive(Clone, Copy, Debug)]
struct Row {
    least_sum: f64,
    input: f64,
    hidden: f64,
    output: f64,
    hidden_weighted: f64,
    output_weighted: f64,
}

/// Runs the study.
#[must_use]
pub fn study(seed: u64, sizes: Sizes) -> Answer {
    let rows: Vec<Row> = (0..sizes.rotations as u64).map(|rotation| one(seed, rotation, sizes)).collect();
    let column = |name, value: fn(&Row) -> f64| Column::number(name, rows.iter().map(value));
    let marks =
        |name: &str, value: fn(&Row) -> f64| Series::marks(name, rows.iter().map(|row| (row.least_sum, value(row))).collect());
    let chart = |title: &str, series| Chart {
        title: title.to_owned(),
        x: Axis::linear("least |sum of a row| of the rotation"),
        y: Axis::linear("entropy minus the input's, bits"),
        series,
    };
    Answer {
        title: "Standard and weighted binning of a network that loses nothing".to_owned(),
        columns: vec![
            Column::count("rotation", (0..rows.len() as i64).collect()),
            column("least_row_sum", |row| row.least_sum),
            column("h_input", |row| row.input),
            column("h_hidden_standard", |row| row.hidden),
            column("h_output_standard", |row| row.output),
            column("h_hidden_weighted", |row| row.hidden_weighted),
            column("h_output_weighted", |row| row.output_weighted),
        ],
        charts: vec![
            chart(
                "hidden layer",
                vec![
                    marks("standard bins", |row| row.hidden - row.input),
                    marks("weighted bins", |row| row.hidden_weighted - row.input),
                ],
            ),
            chart(
                "output layer",
                vec![
                    marks("standard bins", |row| row.output - row.input),
                    marks("weighted bins", |row| row.output_weighted - row.input),
                ],
            ),
        ],
        findings: findings(&rows),
    }
}

/// One rotation, with inputs of its own.
fn one(seed: u64, rotation: u64, sizes: Sizes) -> Row {
    let mut stream = Stream::new(seed, Purpose::Study, 1 << 32 | rotation);
    let q = orthogonal(&mut stream);
    let w1 = q.map(|row| row.map(|w| w / 3.0));
    // 9·W₁ᵀ, the inverse of W₁.
    let w2: Matrix = std::array::from_fn(|i| std::array::from_fn(|j| 9.0 * w1[j][i]));
    let input: Rows = std::array::from_fn(|_| (0..sizes.samples).map(|_| stream.normal()).collect());
    let (low, high) = range(input.iter().flatten().copied());
    let step = (high - low + 2.0) / (sizes.edges - 1) as f64;
    let edges: Rows = std::array::from_fn(|_| (0..sizes.edges).map(|i| low - 1.0 + step * i as f64).collect());
    let (hidden, hidden_edges) = (through(&w1, &input), through(&w1, &edges));
    let (output, output_edges) = (through(&w2, &hidden), through(&w2, &hidden_edges));
    Row {
        least_sum: q.iter().map(|row| row.iter().sum::<f64>().abs()).fold(f64::INFINITY, f64::min),
        input: binned_entropy(&input, &edges),
        hidden: binned_entropy(&hidden, &edges),
        output: binned_entropy(&output, &edges),
        hidden_weighted: binned_entropy(&hidden, &hidden_edges),
        output_weighted: binned_entropy(&output, &output_edges),
    }
}

/// A uniformly distributed orthogonal matrix: orthonormalised standard normal rows (Gram & Schmidt, twice for exactness).
fn orthogonal(stream: &mut Stream) -> Matrix {
    let mut q: Matrix = std::array::from_fn(|_| std::array::from_fn(|_| stream.normal()));
    for row in 0..UNITS {
        for _ in 0..2 {
            for before in 0..row {
                let along: f64 = q[row].iter().zip(&q[before]).map(|(a, b)| a * b).sum();
                let other = q[before];
                q[row].iter_mut().zip(other).for_each(|(w, o)| *w -= along * o);
            }
        }
        let norm = q[row].iter().map(|w| w * w).sum::<f64>().sqrt();
        q[row].iter_mut().for_each(|w| *w /= norm);
    }
    q
}

/// A linear layer on points.
fn through(weights: &Matrix, points: &Rows) -> Rows {
    std::array::from_fn(|unit| {
        let row = &weights[unit];
        (0..points[0].len()).map(|p| (0..UNITS).map(|i| row[i] * points[i][p]).sum()).collect()
    })
}

/// Plug-in entropy of the joint bins of all neurons; below the first and above the last edge is a bin, too.
fn binned_entropy(values: &Rows, edges: &Rows) -> f64 {
    let edges = edges.clone().map(|mut edges| {
        edges.sort_by(f64::total_cmp);
        edges
    });
    let bin = |unit: usize, example: usize| edges[unit].partition_point(|&edge| edge <= values[unit][example]);
    let mut places: Vec<[usize; UNITS]> =
        (0..values[0].len()).map(|example| std::array::from_fn(|unit| bin(unit, example))).collect();
    places.sort_unstable();
    entropy(places.chunk_by(|a, b| a == b).map(|same| same.len() as u32))
}

fn findings(rows: &[Row]) -> Vec<String> {
    let (good, poor): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.least_sum >= LEAST_SUM);
    let spread = |rows: &[&Row], value: fn(&Row) -> f64| {
        let (least, most) = range(rows.iter().map(|row| value(row)));
        format!("{least:+.2} to {most:+.2}")
    };
    let mut findings = Vec::new();
    for (which, part) in [("all rows sum to at least", &good), ("a row sums to less than", &poor)] {
        if part.is_empty() {
            findings.push(format!("There is no rotation of which {which} {LEAST_SUM} in magnitude."));
            continue;
        }
        findings.push(format!(
            "{} of {} rotations, of which {which} {LEAST_SUM} in magnitude: the hidden layer's entropy minus the input's is {} bits with standard bins, \
             {} bits with weighted bins.",
            part.len(),
            rows.len(),
            spread(part, |row| row.hidden - row.input),
            spread(part, |row| row.hidden_weighted - row.input),
        ));
    }
    let failing = |sign: f64| rows.iter().filter(move |row| sign * (row.hidden_weighted - row.input) > TOLERANCE);
    let (less, more) = (failing(-1.0).count(), failing(1.0).count());
    let greatest = |sign: f64| failing(sign).map(|row| row.least_sum).fold(0.0, f64::max);
    findings.push(format!(
        "Weighted binning shows more than {TOLERANCE} bits too little for {less} of {} rotations{}: the edges of a neuron with a small row sum fall \
         together, its activations lie outside of them, and it shows its sign alone.",
        rows.len(),
        if less > 0 { format!(", with least row sums of up to {:.2}", greatest(-1.0)) } else { String::new() },
    ));
    if more > 0 {
        findings.push(format!(
            "It shows more than {TOLERANCE} bits too much for {more} of {} rotations, with least row sums of up to {:.2}: where a row sums to less \
             than 1 in magnitude its bins are finer than the input's, and with enough examples finer bins have more entropy.",
            rows.len(),
            greatest(1.0)
        ));
    }
    let (least, most) = range(rows.iter().map(|row| row.output - row.hidden));
    findings.push(format!(
        "With standard bins the output layer has {least:.2} to {most:.2} bits more than the hidden layer that it is computed from: a violation of the \
         data-processing inequality by the measurement."
    ));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_orthogonal() {
        let mut stream = Stream::new(3, Purpose::Study, 0);
        for _ in 0..50 {
            let q = orthogonal(&mut stream);
            for i in 0..UNITS {
                for j in 0..UNITS {
                    let product: f64 = (0..UNITS).map(|k| q[i][k] * q[j][k]).sum();
                    assert!((product - f64::from(i == j)).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn weighted_bins_hold_where_no_row_sum_is_small() {
        for seed in 0..3 {
            let rows: Vec<Row> = (0..200).map(|rotation| one(seed, rotation, Sizes::default())).collect();
            let good: Vec<&Row> = rows.iter().filter(|row| row.least_sum >= LEAST_SUM).collect();
            assert!(good.len() > 20);
            for row in good {
                assert!((row.hidden_weighted - row.input).abs() < 0.15, "{row:?}");
                assert!(row.input - row.hidden > 1.0, "{row:?}");
                // W₂W₁ = 1: up to rounding at an edge, the output is binned as the input.
                assert!((row.output - row.input).abs() < 0.02, "{row:?}");
            }
            let worst = rows.iter().min_by(|a, b| a.least_sum.total_cmp(&b.least_sum)).unwrap();
            assert!(worst.input - worst.hidden_weighted > 0.3, "{worst:?}");
        }
    }
}

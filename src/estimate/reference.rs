//! Slow twins of the estimators: the formulas in f64 as one would write them on paper. Compiled for tests only.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::Information;
use super::bins::{Bins, Range};

/// Plug-in entropy in bits of counts that add up to `n`.
fn entropy<'a>(counts: impl Iterator<Item = &'a usize>, n: usize) -> f64 {
    counts.map(|&c| c as f64 / n as f64).map(|p| -p * libm::log2(p)).sum()
}

/// The labels that occur, with the examples that have them.
fn groups(labels: &[u32]) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<u32, Vec<usize>>::new();
    for (example, &label) in labels.iter().enumerate() {
        groups.entry(label).or_default().push(example);
    }
    groups.into_values().collect()
}

/// H over all examples minus the mean of H over each class.
fn informations(n: usize, labels: &[u32], entropy_of: impl Fn(&[usize]) -> f64) -> Information {
    let all: Vec<usize> = (0..n).collect();
    let h = entropy_of(&all);
    let within: f64 = groups(labels).iter().map(|group| group.len() as f64 / n as f64 * entropy_of(group)).sum();
    Information::both(h, h - within)
}

/// Binning of activations units × examples; the division is in f32 by definition, everything else plain.
pub fn binning(values: ArrayView2<'_, f32>, labels: &[u32], bin_width: f64) -> Information {
    informations(values.ncols(), labels, |examples| {
        let mut states = BTreeMap::<Vec<String>, usize>::new();
        for &example in examples {
            // Text tells any two floats apart, infinities too; adding 0 joins −0 and 0.
            let row = values.column(example).iter().map(|t| ((t / bin_width as f32).floor() + 0.0).to_string()).collect();
            *states.entry(row).or_default() += 1;
        }
        entropy(states.values(), examples.len())
    })
}

/// Binning by number of activations units × examples: every value is compared with every edge.
pub fn bins(values: ArrayView2<'_, f32>, labels: &[u32], spec: Bins) -> Information {
    let (n, count) = (values.ncols(), spec.bins as usize);
    let span = |low: f64, high: f64| -> Vec<f64> {
        let step = (high - low) / count as f64;
        (1..count).map(|k| low + k as f64 * step).collect()
    };
    let layer =
        || values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v.into()), high.max(v.into())));
    let edges = |unit: usize| match spec.range {
        Range::Fixed => span(spec.low, spec.high),
        Range::Epoch | Range::Run => span(layer().0, layer().1),
        Range::EqualCount => {
            let mut sorted: Vec<f64> = values.row(unit).iter().copied().map(f64::from).collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let mut edges: Vec<f64> = (1..count).map(|k| sorted[k * n / count]).collect();
            // Two equal edges count together whatever is above them.
            edges.dedup();
            edges
        }
    };
    let edges: Vec<Vec<f64>> = (0..values.nrows()).map(edges).collect();
    informations(n, labels, |examples| {
        let mut states = BTreeMap::<Vec<usize>, usize>::new();
        for &example in examples {
            let bin = |(unit, edges): (usize, &Vec<f64>)| edges.partition_point(|&e| e <= f64::from(values[(unit, example)]));
            *states.entry(edges.iter().enumerate().map(bin).collect()).or_default() += 1;
        }
        entropy(states.values(), examples.len())
    })
}

/// The bound with exponents ‖t_i − t_j‖²/(scale·σ²): scale 2 is the upper, 8 the lower one.
pub fn bound(values: ArrayView2<'_, f32>, labels: &[u32], scale: f64, noise_variance: f64) -> Information {
    bound_double(values.mapv(f64::from).view(), labels, scale, noise_variance)
}

/// The same of activations in double precision.
pub fn bound_double(values: ArrayView2<'_, f64>, labels: &[u32], scale: f64, noise_variance: f64) -> Information {
    let kernel = |i: usize, j: usize| {
        let squared: f64 = (0..values.nrows()).map(|u| values[(u, i)] - values[(u, j)]).map(|d| d * d).sum();
        libm::exp(-squared / (scale * noise_variance))
    };
    informations(values.ncols(), labels, |examples| {
        let mean = |i: usize| examples.iter().map(|&j| kernel(i, j)).sum::<f64>() / examples.len() as f64;
        -examples.iter().map(|&i| libm::log2(mean(i))).sum::<f64>() / examples.len() as f64
    })
}

//! How much entropy does an activation function take away by itself, and how much does a structure imposed on what is left?
//!
//! 4,096 uniform values in [−1, 1] stand for the pre-activations of a unit. Their entropy in `bins` equal bins is compared with that of their
//! activations, in bins over the activations' own range. A function that maps an interval to one value (relu, relu6) loses the entropy of that
//! interval; smooth ones lose little on [−1, 1], where they are nearly linear.
//!
//! Then structure is imposed: `rounds` times, every second nonzero activation takes the value of the one before it, and they are shuffled. That
//! makes the representation simpler without touching the zeros, as a bound on the weights does. The further loss is measured in the same bins. It
//! stays below what relu alone has taken: relu compresses at once, before any training.

use super::ACTIVATIONS;
use super::answer::{Answer, Axis, Chart, Column, Series};
use super::histogram::{counts, entropy, entropy_in_own_range, range};
use crate::math::rng::{Purpose, Stream};
use crate::train::activation::exact;

/// Sizes of the study.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Values drawn, ≥ 1.
    pub samples: usize,
    /// Bins, ≥ 1.
    pub bins: usize,
    /// How often neighbours are copied.
    pub rounds: usize,
}

impl Default for Sizes {
    /// 4,096 values, 50 bins, 200 rounds.
    fn default() -> Self {
        Self { samples: 4096, bins: 50, rounds: 200 }
    }
}

struct Row {
    name: &'static str,
    entropy: f64,
    structured: f64,
}

/// Runs the study.
#[must_use]
pub fn study(seed: u64, sizes: Sizes) -> Answer {
    let mut stream = Stream::new(seed, Purpose::Study, 1);
    let inputs: Vec<f64> = (0..sizes.samples).map(|_| 2.0 * stream.uniform() - 1.0).collect();
    let before = entropy_in_own_range(&inputs, sizes.bins);
    let mut rows = Vec::new();
    for activation in ACTIVATIONS {
        let values: Vec<f64> = inputs.iter().map(|&x| exact(activation, x)).collect();
        let own = range(values.iter().copied());
        let simpler = impose(&values, sizes.rounds, &mut stream);
        rows.push(Row {
            name: activation.name(),
            entropy: entropy(counts(&values, sizes.bins, own)),
            structured: entropy(counts(&simpler, sizes.bins, own)),
        });
    }
    // By what is left at the end, as the figure reads.
    rows.sort_by(|a, b| a.structured.total_cmp(&b.structured));
    let names: Vec<String> = rows.iter().map(|row| row.name.to_owned()).collect();
    let column = |name, value: &dyn Fn(&Row) -> f64| Column::number(name, rows.iter().map(value));
    let mark = |row: &Row| Series::marks(row.name, vec![(before - row.entropy, row.entropy - row.structured)]);
    let chart = Chart {
        title: String::new(),
        x: Axis::linear("bits lost by the activation function"),
        y: Axis::linear("further bits lost by imposed structure"),
        series: rows.iter().map(mark).collect(),
    };
    Answer {
        title: "Entropy taken by the activation function".to_owned(),
        columns: vec![
            Column::text("activation_fn", names),
            column("entropy_before", &|_| before),
            column("entropy", &|row| row.entropy),
            column("lost", &|row| before - row.entropy),
            column("entropy_structured", &|row| row.structured),
            column("lost_further", &|row| row.entropy - row.structured),
        ],
        charts: vec![chart],
        findings: findings(&rows, before),
    }
}

/// `rounds` times: every second nonzero value becomes that before it, then they are shuffled. Zeros stay zeros.
fn impose(values: &[f64], rounds: usize, stream: &mut Stream) -> Vec<f64> {
    let mut nonzero: Vec<f64> = values.iter().copied().filter(|&value| value != 0.0).collect();
    for _ in 0..rounds {
        for pair in nonzero.chunks_exact_mut(2) {
            pair[1] = pair[0];
        }
        stream.shuffle(&mut nonzero);
    }
    nonzero.resize(values.len(), 0.0);
    nonzero
}

fn findings(rows: &[Row], before: f64) -> Vec<String> {
    let mut findings = vec![format!("The uniform input has {before:.2} bits.")];
    findings.extend(rows.iter().map(|row| {
        format!(
            "{}: {:.2} bits, {:.2} lost; {:.2} more by imposed structure.",
            row.name,
            row.entropy,
            before - row.entropy,
            row.entropy - row.structured
        )
    }));
    let lowest = rows.iter().min_by(|a, b| a.entropy.total_cmp(&b.entropy));
    findings.extend(lowest.map(|row| format!("{} loses most by itself: {:.2} bits.", row.name, before - row.entropy)));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::answer::Values;
    use super::*;

    fn number(answer: &Answer, activation: &str, column: usize) -> f64 {
        let Values::Text(names) = &answer.columns[0].values else { panic!("names first") };
        let Values::Number(values) = &answer.columns[column].values else { panic!("numbers behind") };
        values[names.iter().position(|name| name == activation).unwrap()].unwrap()
    }

    #[test]
    fn relu_loses_the_half_that_it_clips() {
        for seed in 0..4 {
            let answer = study(seed, Sizes::default());
            let before = number(&answer, "relu", 1);
            assert!((5.62..5.644).contains(&before), "{before}");
            // H = 1 bit for "clipped or not", and the half that is left spreads over all bins.
            assert!((number(&answer, "relu", 2) - (1.0 + 0.5 * libm::log2(50.0))).abs() < 0.15);
            assert!(number(&answer, "linear", 3).abs() < 1e-12);
            assert!(number(&answer, "relu", 3) > number(&answer, "relu", 5));
            for smooth in ["tanh", "sigmoid", "softsign", "elu"] {
                assert!(number(&answer, smooth, 3) < 0.3, "{smooth}");
            }
        }
    }

    #[test]
    fn structure_leaves_zeros_and_takes_values_away() {
        let mut stream = Stream::new(1, Purpose::Study, 9);
        let values: Vec<f64> = (0..101).map(|i| if i % 3 == 0 { 0.0 } else { f64::from(i) }).collect();
        let simpler = impose(&values, 5, &mut stream);
        assert_eq!(simpler.len(), values.len());
        assert_eq!(simpler.iter().filter(|&&v| v == 0.0).count(), 34);
        let mut distinct = simpler.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        assert!(distinct.len() < 20 && distinct.iter().all(|v| values.contains(v)));
    }
}

//! Binning violates the data-processing inequality: where a layer is narrower than the one before it, it can be found to know more of the input.
//!
//! A layer is a function of the one before it, so it cannot know more of the input: I(X;T₂) ≤ I(X;T₁). That binned entropies break it is a fault of the
//! measuring: bins of one width are coarse for a layer of small activations and fine for one of large ones. Counted are steps from a layer to a
//! narrower one in a single run at an epoch, for every estimator; the verdict is about binning.

use super::{Cell, Cohort, Finding, How, Verdict};

/// Rounding, in bits.
const TOLERANCE: f64 = 1e-9;
/// A largest violation below this is none.
const LEAST: f64 = 0.01;
/// Columns of the counts.
const COLUMNS: &[&str] = &[
    "measured",
    "steps",
    "violated",
    "share",
    "epochs of runs",
    "of them violated",
    "largest",
    "from layer",
    "at epoch",
    "experiment",
];

/// One layer at one epoch of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// Place of the experiment.
    pub experiment: usize,
    /// Which repeat.
    pub run: i64,
    /// How it was measured.
    pub how: &'a How,
    /// The epoch.
    pub epoch: i64,
    /// The layer, from 0.
    pub layer: i64,
    /// I(X;T) in bits.
    pub i_xt: f64,
}

/// What was counted of layers and the layers before them.
#[derive(Clone, Debug, Default)]
pub struct Processing {
    counts: Vec<Count>,
    /// The row before, and what was counted of its epoch.
    before: Option<Before>,
}

#[derive(Clone, Debug)]
struct Before {
    count: usize,
    experiment: usize,
    run: i64,
    epoch: i64,
    layer: i64,
    i_xt: f64,
    has_step: bool,
    was_violated: bool,
}

/// What was counted for one way of measuring.
#[derive(Clone, Debug, Default)]
struct Count {
    how: How,
    steps: i64,
    violated: i64,
    epochs: i64,
    epochs_violated: i64,
    largest: f64,
    /// Experiment, layer and epoch of the largest.
    at: (usize, i64, i64),
}

impl Processing {
    /// Takes in a row; rows come in the order of `measures`. `widths` are the units of the experiment's layers.
    pub fn add(&mut self, row: &Step<'_>, widths: &[u32]) {
        let known = self.before.as_ref().map(|before| before.count).filter(|&count| self.counts[count].how == *row.how);
        let count = known.or_else(|| self.counts.iter().position(|count| count.how == *row.how)).unwrap_or_else(|| {
            self.counts.push(Count { how: row.how.clone(), ..Count::default() });
            self.counts.len() - 1
        });
        let before = self.before.take().filter(|before| {
            (before.count, before.experiment, before.run, before.epoch) == (count, row.experiment, row.run, row.epoch)
        });
        let counted = &mut self.counts[count];
        let (mut has_step, mut was_violated) = before.as_ref().map_or((false, false), |b| (b.has_step, b.was_violated));
        if let Some(before) = before.filter(|before| before.layer + 1 == row.layer && narrows(widths, row.layer)) {
            counted.steps += 1;
            // A network that nowhere narrows cannot break it.
            counted.epochs += i64::from(!has_step);
            has_step = true;
            let excess = row.i_xt - before.i_xt;
            if excess > TOLERANCE {
                counted.violated += 1;
                counted.epochs_violated += i64::from(!was_violated);
                was_violated = true;
                if excess > counted.largest {
                    (counted.largest, counted.at) = (excess, (row.experiment, before.layer, row.epoch));
                }
            }
        }
        let Step { experiment, run, epoch, layer, i_xt, .. } = *row;
        self.before = Some(Before { count, experiment, run, epoch, layer, i_xt, has_step, was_violated });
    }
}

/// Whether a layer has fewer units than the one before it.
fn narrows(widths: &[u32], layer: i64) -> bool {
    let width = |layer: i64| usize::try_from(layer).ok().and_then(|layer| widths.get(layer));
    matches!((width(layer - 1), width(layer)), (Some(before), Some(width)) if width < before)
}

/// What a cohort that bins says.
pub(super) fn finding(cohort: &Cohort) -> Option<Finding> {
    let counts = &cohort.processing.counts;
    let binned: Vec<&Count> = counts.iter().filter(|count| count.how.estimator == "binning" && count.steps > 0).collect();
    let worst = binned.iter().max_by(|a, b| a.largest.total_cmp(&b.largest))?;
    let sum = |of: fn(&Count) -> i64| binned.iter().map(|count| of(count)).sum::<i64>();
    let (steps, violated) = (sum(|count| count.steps), sum(|count| count.violated));
    let (epochs, epochs_violated) = (sum(|count| count.epochs), sum(|count| count.epochs_violated));
    let percent = |part: i64, all: i64| 100.0 * part as f64 / (all.max(1)) as f64;
    let mut sentence = format!(
        "Binned, a layer is found to know more of the input than the wider one before it in {violated} of {steps} steps ({:.1} %), in {epochs_violated} of {epochs} \
         measurements of a run at an epoch ({:.1} %).",
        percent(violated, steps),
        percent(epochs_violated, epochs)
    );
    if let Some(note) = &cohort.rows_left_out {
        sentence.push_str(&format!(" {note}"));
    }
    if violated > 0 {
        let (experiment, layer, epoch) = worst.at;
        let label = cohort.experiments.get(experiment).map_or("", |experiment| &experiment.label);
        sentence.push_str(&format!(
            " The largest violation is {:.2} bits, from layer {} to layer {} at epoch {epoch} ({label}; {}).",
            worst.largest,
            layer + 1,
            layer + 2,
            worst.how.text()
        ));
    }
    let row = |count: &Count| {
        let label = cohort.experiments.get(count.at.0).map_or_else(String::new, |experiment| experiment.label.clone());
        vec![
            Cell::Text(count.how.text()),
            Cell::Count(count.steps),
            Cell::Count(count.violated),
            Cell::Number(percent(count.violated, count.steps) / 100.0),
            Cell::Count(count.epochs),
            Cell::Count(count.epochs_violated),
            Cell::Number(count.largest),
            Cell::Count(count.at.1 + 1),
            Cell::Count(count.at.2),
            Cell::Text(label),
        ]
    };
    Some(Finding {
        claim: "Binning violates the data-processing inequality from wide to narrow layers",
        cohort: cohort.name.clone(),
        verdict: if worst.largest >= LEAST { Verdict::Reproduced } else { Verdict::NotReproduced },
        sentence,
        columns: COLUMNS,
        rows: counts.iter().filter(|count| count.steps > 0).map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cohort, experiment, how};
    use super::*;

    /// Counts runs of epochs with these bits of layers 10-3-3-2, and of a network that never narrows.
    fn counted(estimator: &str, epochs: &[[f64; 4]]) -> Option<Finding> {
        let (mut processing, how) = (Processing::default(), how(estimator));
        for (epoch, bits) in epochs.iter().enumerate() {
            for (layer, &i_xt) in bits.iter().enumerate() {
                let step = Step { experiment: 1, run: 0, how: &how, epoch: epoch as i64, layer: layer as i64, i_xt };
                processing.add(&step, &[3, 3, 3, 3]);
            }
        }
        for run in 0..2 {
            for (epoch, bits) in epochs.iter().enumerate() {
                for (layer, &i_xt) in bits.iter().enumerate() {
                    let step = Step { experiment: 0, run, how: &how, epoch: epoch as i64, layer: layer as i64, i_xt };
                    processing.add(&step, &[10, 3, 3, 2]);
                }
            }
        }
        finding(&Cohort { processing, ..cohort("a", vec![experiment(&[("activation_fn", "relu")])], vec![]) })
    }

    #[test]
    fn steps_to_narrower_layers_are_counted() {
        let good = [5.0, 4.0, 4.5, 1.0];
        let found = counted("binning", &[good, [5.0, 5.5, 4.0, 4.25], good]).unwrap();
        assert_eq!(found.verdict, Verdict::Reproduced);
        // Two steps narrow (10→3, 3→2), three epochs, two runs.
        assert!(
            found.sentence.contains("in 4 of 12 steps (33.3 %), in 2 of 6 measurements of a run at an epoch"),
            "{}",
            found.sentence
        );
        assert!(
            found.sentence.contains("0.50 bits, from layer 1 to layer 2 at epoch 1 (activation_fn=relu"),
            "{}",
            found.sentence
        );
        assert_eq!(counted("binning", &[good]).unwrap().verdict, Verdict::NotReproduced);
        assert_eq!(counted("upper", &[good]), None);
    }
}

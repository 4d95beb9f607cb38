//! `infoplane plan A --against B`: exactly which experiments, runs, trainings and measurements an edit adds and removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::load::Loaded;
use crate::grid::ids::Id;

/// Experiments listed one by one.
const MOST: usize = 60;

/// What some cohorts ask for.
#[derive(Default)]
struct Content {
    /// Labels by meaning.
    experiments: BTreeMap<Id, String>,
    /// Meaning and seed.
    runs: BTreeSet<(Id, u64)>,
    trainings: BTreeSet<Id>,
    measurements: BTreeSet<Id>,
}

impl Content {
    fn of(cohorts: &[Loaded]) -> Self {
        let mut content = Self::default();
        for Loaded { grid, .. } in cohorts {
            let meanings: Vec<Id> = grid.experiments.iter().map(|experiment| Id::meaning(&experiment.settings)).collect();
            for (experiment, meaning) in grid.experiments.iter().zip(&meanings) {
                content.experiments.entry(*meaning).or_insert_with(|| experiment.label.clone());
            }
            for run in grid.runs() {
                let settings = &grid.experiments[run.experiment].settings;
                content.runs.insert((meanings[run.experiment], run.seed));
                content.trainings.insert(run.training);
                for estimator in &settings.estimators {
                    content
                        .measurements
                        .extend(settings.splits.iter().map(|split| Id::measurement(run.training, estimator, *split)));
                }
            }
        }
        content
    }
}

/// What two sets have alone and in common.
struct Difference {
    what: &'static str,
    added: usize,
    removed: usize,
    shared: usize,
}

impl Difference {
    fn of<T: Ord>(what: &'static str, new: &BTreeSet<T>, old: &BTreeSet<T>) -> Self {
        let shared = new.intersection(old).count();
        Self { what, added: new.len() - shared, removed: old.len() - shared, shared }
    }
}

/// What the cohorts `new` ask for, compared with `old`.
pub struct Comparison {
    differences: Vec<Difference>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl Comparison {
    /// Compares; the same meaning is the same experiment, whatever its label or cohort.
    pub fn of(new: &[Loaded], old: &[Loaded]) -> Self {
        let (new, old) = (Content::of(new), Content::of(old));
        let keys = |content: &Content| content.experiments.keys().copied().collect::<BTreeSet<_>>();
        let alone = |one: &Content, other: &Content| {
            let mut labels: Vec<_> = one
                .experiments
                .iter()
                .filter(|(id, _)| !other.experiments.contains_key(id))
                .map(|(_, label)| label.clone())
                .collect();
            labels.sort();
            labels
        };
        let differences = vec![
            Difference::of("experiments", &keys(&new), &keys(&old)),
            Difference::of("runs", &new.runs, &old.runs),
            Difference::of("trainings", &new.trainings, &old.trainings),
            Difference::of("measurements", &new.measurements, &old.measurements),
        ];
        Self { differences, added: alone(&new, &old), removed: alone(&old, &new) }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut value = json!({ "added_experiments": self.added, "removed_experiments": self.removed });
        for Difference { what, added, removed, shared } in &self.differences {
            value[what] = json!({ "added": added, "removed": removed, "shared": shared });
        }
        value
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{:14}{:>10}{:>10}{:>10}\n", "", "added", "removed", "shared");
        // Writing to a string cannot fail.
        for Difference { what, added, removed, shared } in &self.differences {
            let _ = writeln!(text, "{what:14}{added:>10}{removed:>10}{shared:>10}");
        }
        for (sign, labels) in [('+', &self.added), ('-', &self.removed)] {
            labels.iter().take(MOST).for_each(|label| text.extend([sign.to_string().as_str(), " ", label, "\n"]));
            if labels.len() > MOST {
                let _ = writeln!(text, "{sign} … and {} more", labels.len() - MOST);
            }
        }
        text
    }
}

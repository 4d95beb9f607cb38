//! `infoplane plan A --against B`: exactly which experiments, runs, trainings and measurements an edit adds and removes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::load::Loaded;
use crate::cohort::settings::Settings;
use crate::grid::ids::Id;
use crate::query::facts;

/// Experiments listed one by one.
const MOST: usize = 60;

/// What some cohorts ask for.
#[derive(Default)]
struct Content<'a> {
    /// Label and settings by meaning.
    experiments: BTreeMap<Id, (&'a str, &'a Settings)>,
    /// Meaning and seed.
    runs: BTreeSet<(Id, u64)>,
    trainings: BTreeSet<Id>,
    measurements: BTreeSet<Id>,
}

impl<'a> Content<'a> {
    fn of(cohorts: &'a [Loaded]) -> Self {
        let mut content = Self::default();
        for Loaded { grid, .. } in cohorts {
            let meanings: Vec<Id> = grid.experiments.iter().map(|experiment| Id::meaning(&experiment.settings)).collect();
            for (experiment, meaning) in grid.experiments.iter().zip(&meanings) {
                content.experiments.entry(*meaning).or_insert((&experiment.label, &experiment.settings));
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

/// An experiment that means something else under the label it had.
struct Change {
    label: String,
    /// Setting, value before, value now; nothing where only the data is another.
    keys: Vec<(&'static str, String, String)>,
}

impl Change {
    fn of(label: &str, old: &Settings, new: &Settings) -> Self {
        let keys = facts::differing(&[old.columns(), new.columns()]);
        let texts = keys.iter().map(|(key, values)| (*key, facts::text(&values[0]), facts::text(&values[1])));
        Self { label: label.to_owned(), keys: texts.collect() }
    }

    fn text(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(key, old, new)| format!("{key} {old} → {new}")).collect();
        format!("{}: {}", self.label, if keys.is_empty() { "other data".to_owned() } else { keys.join(", ") })
    }

    fn json(&self) -> Value {
        let keys = self.keys.iter().map(|(key, old, new)| ((*key).to_owned(), json!({ "old": old, "new": new })));
        json!({ "experiment": self.label, "keys": keys.collect::<Map<_, _>>() })
    }
}

/// What the cohorts `new` ask for, compared with `old`.
pub struct Comparison {
    differences: Vec<Difference>,
    added: Vec<String>,
    removed: Vec<String>,
    /// Those of them that have a label in common.
    changed: Vec<Change>,
}

impl Comparison {
    /// Compares; the same meaning is the same experiment, whatever its label or cohort.
    pub fn of(new: &[Loaded], old: &[Loaded]) -> Self {
        let (new, old) = (Content::of(new), Content::of(old));
        let keys = |content: &Content| content.experiments.keys().copied().collect::<BTreeSet<_>>();
        fn alone<'a>(one: &Content<'a>, other: &Content<'_>) -> Vec<(&'a str, &'a Settings)> {
            let alone = one.experiments.iter().filter(|(id, _)| !other.experiments.contains_key(id));
            let mut experiments: Vec<_> = alone.map(|(_, experiment)| *experiment).collect();
            experiments.sort_by_key(|(label, _)| *label);
            experiments
        }
        let (added, removed) = (alone(&new, &old), alone(&old, &new));
        let before: BTreeMap<&str, &Settings> = removed.iter().copied().collect();
        let changed = added.iter().filter_map(|(label, now)| Some(Change::of(label, before.get(label)?, now))).collect();
        let labels = |experiments: Vec<(&str, _)>| experiments.into_iter().map(|(label, _)| label.to_owned()).collect();
        let differences = vec![
            Difference::of("experiments", &keys(&new), &keys(&old)),
            Difference::of("runs", &new.runs, &old.runs),
            Difference::of("trainings", &new.trainings, &old.trainings),
            Difference::of("measurements", &new.measurements, &old.measurements),
        ];
        Self { differences, changed, added: labels(added), removed: labels(removed) }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let changed: Vec<Value> = self.changed.iter().map(Change::json).collect();
        let mut value =
            json!({ "added_experiments": self.added, "removed_experiments": self.removed, "changed_experiments": changed });
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
        let known: BTreeSet<&str> = self.changed.iter().map(|change| change.label.as_str()).collect();
        let others = |labels: &[String]| labels.iter().filter(|label| !known.contains(label.as_str())).cloned().collect();
        let changed = self.changed.iter().map(Change::text).collect::<Vec<_>>();
        for (sign, lines) in [('~', changed), ('+', others(&self.added)), ('-', others(&self.removed))] {
            lines.iter().take(MOST).for_each(|line| text.extend([sign.to_string().as_str(), " ", line, "\n"]));
            if lines.len() > MOST {
                let _ = writeln!(text, "{sign} … and {} more", lines.len() - MOST);
            }
        }
        text
    }
}

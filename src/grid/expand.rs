//! Cohort → grid: every point with its label, each meaning once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use thiserror::Error;

use super::ids::Id;
use super::{Experiment, Grid};
use crate::cohort::Cohort;
use crate::cohort::points::{Origin, Point};
use crate::cohort::setting::Setting;

/// Why a checked cohort has no grid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpandError {
    /// Two experiments that mean different things would have one label in the tables.
    #[error("cohort {cohort}: two different experiments are both labelled \"{label}\"; give one of them another `label`")]
    SameLabel {
        /// The cohort's name.
        cohort: String,
        /// The label.
        label: String,
    },
}

/// Expands a cohort: its points in their order, labelled; of points that mean the same the first is kept.
///
/// # Errors
/// If two experiments would have one label, which takes labels that look like settings.
pub fn expand(cohort: &Cohort) -> Result<Grid, ExpandError> {
    let names = axis_names(cohort);
    let mut varies = Varies { names: &names, first: None, differs: vec![false; names.len()] };
    let mut first_of = HashMap::new();
    // For each point: the experiment that it is, and whether it is the first to mean that.
    let mut fates = Vec::new();
    let mut experiments = Vec::new();
    for point in cohort.points() {
        varies.see(&point);
        match first_of.entry(Id::meaning(&point.settings)) {
            Entry::Occupied(kept) => fates.push((*kept.get(), false)),
            Entry::Vacant(slot) => {
                fates.push((*slot.insert(experiments.len()), true));
                experiments.push(Experiment { label: String::new(), settings: point.settings });
            }
        }
    }
    drop(first_of);
    let single = experiments.len() == 1;
    let mut duplicates = Vec::new();
    for (point, (experiment, is_first)) in cohort.points().zip(fates) {
        let explicit = match &point.origin {
            Origin::Include(include) => include.label.clone(),
            Origin::Grid(_) => None,
        };
        let slot: &mut Experiment = &mut experiments[experiment];
        if !is_first {
            let label = explicit.unwrap_or_else(|| label_or(varies.label(&point, false), || varies.label(&point, true)));
            duplicates.push((slot.label.clone(), label));
        } else if single {
            slot.label = explicit.unwrap_or_else(|| cohort.name.clone());
        } else {
            slot.label = explicit.unwrap_or_else(|| label_or(varies.label(&point, false), || cohort.name.clone()));
        }
    }
    let grid = Grid {
        cohort: cohort.name.clone(),
        n_runs: cohort.n_runs,
        seed: cohort.seed,
        experiments,
        duplicates,
        enough: Vec::new(),
    };
    match repeated_label(&grid) {
        Some(label) => Err(ExpandError::SameLabel { cohort: grid.cohort.clone(), label: label.to_owned() }),
        None => Ok(grid),
    }
}

/// A label, or another where it is empty.
fn label_or(label: String, other: impl FnOnce() -> String) -> String {
    if label.is_empty() { other() } else { label }
}

/// A label that stands twice.
fn repeated_label(grid: &Grid) -> Option<&str> {
    let mut labels: Vec<&str> = grid.experiments.iter().map(|experiment| experiment.label.as_str()).collect();
    labels.sort_unstable();
    labels.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The keys that points may differ in, in the order of the axes; those of unlabelled includes last.
fn axis_names(cohort: &Cohort) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut add = |name| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    let dimensions = cohort.grids.iter().flatten().chain(&cohort.zips);
    dimensions.flat_map(|dimension| &dimension.axes).for_each(|axis| add(axis.name.as_str()));
    let unlabelled = cohort.includes.iter().filter(|include| include.label.is_none());
    unlabelled.flat_map(|include| &include.set).for_each(|setting| add(setting.key()));
    names
}

/// Which keys differ between the points that have no label of their own.
struct Varies<'a> {
    names: &'a [&'a str],
    /// What the first point shows for each name.
    first: Option<Vec<Option<String>>>,
    differs: Vec<bool>,
}

impl Varies<'_> {
    /// Takes note of one more point.
    fn see(&mut self, point: &Point<'_>) {
        if matches!(&point.origin, Origin::Include(include) if include.label.is_some()) {
            return;
        }
        let Some(first) = &self.first else {
            self.first = Some(self.names.iter().map(|name| shown(name, point, str::to_owned)).collect());
            return;
        };
        for ((name, first), differs) in self.names.iter().zip(first).zip(&mut self.differs) {
            let is_same = shown(name, point, |text| first.as_deref() == Some(text)).unwrap_or(first.is_none());
            *differs |= !is_same;
        }
    }

    /// `key=value` of the differing keys, or of all axes, joined by ", ".
    fn label(&self, point: &Point<'_>, all: bool) -> String {
        let mut label = String::new();
        for (name, _) in self.names.iter().zip(&self.differs).filter(|(_, differs)| all || **differs) {
            shown(name, point, |text| {
                let comma = if label.is_empty() { "" } else { ", " };
                label.extend([comma, name, "=", text]);
            });
        }
        label
    }
}

/// Passes on what a point shows for a name: the text of its value on that axis, or else its setting of that key; nothing for an
/// axis of another grid that has a name of its own.
fn shown<T>(name: &str, point: &Point<'_>, with: impl FnOnce(&str) -> T) -> Option<T> {
    if let Origin::Grid(choices) = &point.origin
        && let Some((_, value)) = choices.iter().find(|(axis, _)| axis.name == name)
    {
        return Some(with(&value.text));
    }
    Setting::of(name, &point.settings).map(|setting| with(&setting.text()))
}

//! Cohort → grid: every point with its label, each meaning once.

use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use thiserror::Error;

use super::ids::{Id, IdMap};
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
    let places = cohort.places();
    let varies = Varies::new(&names, cohort.points().find(is_unlabelled).as_ref());
    let mut first_of: IdMap<usize> = IdMap::default();
    // For each point: the experiment that it is, and whether it is the first to mean that.
    let mut fates = Vec::new();
    let mut experiments = Vec::new();
    for block in blocks(places.len()) {
        let mean = |place: usize| {
            let point = places.point(place)?;
            varies.see(&point);
            Some((Id::meaning(&point.settings), point.settings))
        };
        let found: Vec<_> = block.into_par_iter().filter_map(mean).collect();
        for (meaning, settings) in found {
            match first_of.entry(meaning) {
                Entry::Occupied(kept) => fates.push((*kept.get() as u32, false)),
                Entry::Vacant(slot) => {
                    // A cohort has far fewer points.
                    fates.push((*slot.insert(experiments.len()) as u32, true));
                    experiments.push(Experiment { label: String::new(), settings });
                }
            }
        }
    }
    drop(first_of);
    experiments.shrink_to_fit();
    let single = experiments.len() == 1;
    let mut duplicates = Vec::new();
    let mut fates = fates.into_iter();
    for block in blocks(places.len()) {
        let label = |place: usize| places.point(place).map(|point| Labels::of(&point, &varies));
        let labels: Vec<_> = block.into_par_iter().filter_map(label).collect();
        for (labels, (experiment, is_first)) in labels.into_iter().zip(fates.by_ref()) {
            let slot: &mut Experiment = &mut experiments[experiment as usize];
            if !is_first {
                let label = labels.explicit.unwrap_or_else(|| label_or(labels.differing, || labels.all));
                duplicates.push((slot.label.clone(), label));
            } else if single {
                slot.label = labels.explicit.unwrap_or_else(|| cohort.name.clone());
            } else {
                slot.label = labels.explicit.unwrap_or_else(|| label_or(labels.differing, || cohort.name.clone()));
            }
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

/// Points that are looked at side by side; more would only fill the memory.
const BLOCK: usize = 1 << 14;

/// Places from 0 on, block by block.
fn blocks(length: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(BLOCK).map(move |start| start..length.min(start + BLOCK))
}

/// What a point may be called.
struct Labels {
    /// What the file calls it.
    explicit: Option<String>,
    /// What differs between the points.
    differing: String,
    /// All its axes, where nothing differs.
    all: String,
}

impl Labels {
    fn of(point: &Point<'_>, varies: &Varies<'_>) -> Self {
        let explicit = match &point.origin {
            Origin::Include(include) => include.label.clone(),
            Origin::Grid(_) => None,
        };
        let differing = if explicit.is_some() { String::new() } else { varies.label(point, false) };
        let all = if explicit.is_some() || !differing.is_empty() { String::new() } else { varies.label(point, true) };
        Self { explicit, differing, all }
    }
}

/// A label, or another where it is empty.
fn label_or(label: String, other: impl FnOnce() -> String) -> String {
    if label.is_empty() { other() } else { label }
}

/// A label that stands twice.
fn repeated_label(grid: &Grid) -> Option<&str> {
    let mut labels: Vec<&str> = grid.experiments.iter().map(|experiment| experiment.label.as_str()).collect();
    labels.par_sort_unstable();
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

/// Whether the file gives a point no label.
fn is_unlabelled(point: &Point<'_>) -> bool {
    !matches!(&point.origin, Origin::Include(include) if include.label.is_some())
}

/// Which keys differ between the points that have no label of their own.
struct Varies<'a> {
    names: &'a [&'a str],
    /// What the first of those points shows for each name.
    first: Vec<Option<String>>,
    /// Only ever set, so that the order in which points are seen makes no difference.
    differs: Vec<AtomicBool>,
}

impl<'a> Varies<'a> {
    fn new(names: &'a [&'a str], first: Option<&Point<'_>>) -> Self {
        let text = |name: &&str| first.and_then(|point| shown(name, point, str::to_owned));
        let differs = names.iter().map(|_| AtomicBool::new(false)).collect();
        Self { names, first: names.iter().map(text).collect(), differs }
    }

    /// Takes note of one more point.
    fn see(&self, point: &Point<'_>) {
        if !is_unlabelled(point) {
            return;
        }
        let unknown = |(.., differs): &(_, _, &AtomicBool)| !differs.load(Ordering::Relaxed);
        let all = self.names.iter().zip(&self.first).zip(&self.differs).map(|((name, first), differs)| (name, first, differs));
        for (name, first, differs) in all.filter(unknown) {
            let is_same = shown(name, point, |text| first.as_deref() == Some(text)).unwrap_or(first.is_none());
            if !is_same {
                differs.store(true, Ordering::Relaxed);
            }
        }
    }

    /// `key=value` of the differing keys, or of all axes, joined by ", ".
    fn label(&self, point: &Point<'_>, all: bool) -> String {
        let mut label = String::new();
        for (name, _) in self.names.iter().zip(&self.differs).filter(|(_, differs)| all || differs.load(Ordering::Relaxed)) {
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

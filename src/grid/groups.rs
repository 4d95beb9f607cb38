//! Which experiments share their trainings: those that differ only in how they measure. Sorted out once for all repeats.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::Grid;
use super::ids::{Id, IdMap, MeasurementIds, TrainingIds};
use super::plan::Measure;
use crate::cohort::settings::Settings;
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::Split;

/// Lists of measurements compared one by one before one is taken for new: most grids have few.
const RECENT: usize = 32;

/// The experiments of a grid by what they train, in the order of the grid.
#[derive(Debug, Default)]
pub struct Groups {
    /// One for each distinct training, seeds apart.
    pub groups: Vec<Group>,
    /// What groups and experiments measure, each list once.
    lists: Vec<List>,
    /// Every distinct measurement, with the means to name it.
    measures: Vec<(Measure, MeasurementIds)>,
    /// Of groups with several experiments: each with its list.
    shared: HashMap<u32, Vec<Member>>,
}

/// Experiments of one training.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The first of them.
    pub experiment: u32,
    /// All that they measure, each once, in the order of the experiments that ask for it.
    pub list: ListId,
    /// The training of repeat 0: hashing is most of the work, and many grids have no other.
    pub first: Id,
}

/// An experiment in a group with others.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its place in the grid.
    pub experiment: u32,
    /// What it measures.
    pub list: ListId,
}

/// Number of a list of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListId(u32);

/// Some measurements, as places in [`Groups::measures`] and ready for a task.
#[derive(Debug)]
struct List {
    places: Arc<[u32]>,
    ready: Arc<[Measure]>,
}

impl Groups {
    /// Sorts out a grid, by what the first repeat of each experiment trains.
    #[must_use]
    pub fn of(grid: &Grid) -> Self {
        let firsts: Vec<Id> = grid
            .experiments
            .par_iter()
            .map(|experiment| {
                let settings = &experiment.settings;
                TrainingIds::new(&settings.training).of(grid.run_seed(settings, 0))
            })
            .collect();
        let mut sorter = Sorter::default();
        for (place, (experiment, first)) in grid.experiments.iter().zip(firsts).enumerate() {
            // A cohort has far fewer points.
            sorter.add(place as u32, &experiment.settings, first);
        }
        sorter.finish()
    }

    /// The measurements of a list, as a task holds them.
    #[must_use]
    pub fn ready(&self, list: ListId) -> &Arc<[Measure]> {
        &self.lists[list.0 as usize].ready
    }

    /// The measurements of a list by their places, for [`Groups::measure`].
    #[must_use]
    pub fn places(&self, list: ListId) -> &Arc<[u32]> {
        &self.lists[list.0 as usize].places
    }

    /// A measurement, and what names it.
    #[must_use]
    pub fn measure(&self, place: u32) -> &(Measure, MeasurementIds) {
        &self.measures[place as usize]
    }

    /// The experiments of a group, in the order of the grid, if there are several.
    #[must_use]
    pub fn members(&self, group: usize) -> Option<&[Member]> {
        self.shared.get(&u32::try_from(group).ok()?).map(Vec::as_slice)
    }
}

/// Groups in the making.
#[derive(Default)]
struct Sorter {
    groups: Groups,
    by_training: IdMap<u32>,
    by_measure: HashMap<String, u32>,
    by_places: HashMap<Arc<[u32]>, ListId>,
    /// What asked for the lists found last, and those lists.
    recent: Vec<(Vec<EstimatorSpec>, Vec<Split>, ListId)>,
}

impl Sorter {
    fn add(&mut self, experiment: u32, settings: &Settings, first: Id) {
        let list = self.list_of(settings);
        // No more groups than experiments.
        let new = self.groups.groups.len() as u32;
        let group = *self.by_training.entry(first).or_insert(new);
        if group == new {
            self.groups.groups.push(Group { experiment, list, first });
            return;
        }
        let Group { experiment: other, list: all, .. } = self.groups.groups[group as usize];
        let members = self.groups.shared.entry(group).or_insert_with(|| vec![Member { experiment: other, list: all }]);
        members.push(Member { experiment, list });
    }

    /// Puts together what the experiments of each group measure.
    fn finish(mut self) -> Groups {
        for (group, members) in std::mem::take(&mut self.groups.shared) {
            let mut seen = HashSet::new();
            let all = members.iter().flat_map(|member| self.groups.places(member.list).iter().copied());
            let places = all.filter(|place| seen.insert(*place)).collect();
            self.groups.groups[group as usize].list = self.intern(places);
            self.groups.shared.insert(group, members);
        }
        self.groups
    }

    /// The list of what an experiment measures.
    fn list_of(&mut self, settings: &Settings) -> ListId {
        let Settings { estimators, splits, .. } = settings;
        if let Some((.., list)) = self.recent.iter().rev().find(|(e, s, _)| e == estimators && s == splits) {
            return *list;
        }
        let asked = estimators.iter().flat_map(|e| splits.iter().map(move |split| (e, *split)));
        let mut places = Vec::with_capacity(estimators.len() * splits.len());
        for (estimator, split) in asked {
            let ids = MeasurementIds::new(estimator, split);
            // No more than a cohort has points, times a few.
            let new = self.groups.measures.len() as u32;
            let place = *self.by_measure.entry(ids.text().to_owned()).or_insert(new);
            if place == new {
                self.groups.measures.push((Measure { estimator: *estimator, split }, ids));
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let list = self.intern(places);
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push((estimators.clone(), splits.clone(), list));
        list
    }

    fn intern(&mut self, places: Vec<u32>) -> ListId {
        let Groups { lists, measures, .. } = &mut self.groups;
        if let Some(list) = self.by_places.get(places.as_slice()) {
            return *list;
        }
        let places: Arc<[u32]> = places.into();
        let ready = places.iter().map(|&place| measures[place as usize].0.clone()).collect();
        // No more lists than experiments and groups.
        let list = ListId(lists.len() as u32);
        lists.push(List { places: Arc::clone(&places), ready });
        self.by_places.insert(places, list);
        list
    }
}

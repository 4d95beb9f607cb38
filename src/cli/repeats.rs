//! Which tasks are still needed while a cohort runs that says when repeats are enough.

use std::collections::BTreeSet;

use super::exit::Failure;
use super::load::Loaded;
use crate::aggregate::Enough;
use crate::grid::ids::{Id, IdMap};
use crate::grid::plan::Task;
use crate::store::{Index, Store};

/// Follows the repeats of a cohort through the store, as their tasks end.
pub struct Repeats<'a> {
    enough: Enough<'a>,
    index: Index,
    /// The runs of each training: experiment and repeat.
    runs: IdMap<Vec<(usize, u32)>>,
    /// Experiments of which a repeat has ended since the last look.
    news: BTreeSet<usize>,
}

impl<'a> Repeats<'a> {
    /// For the trainings of some tasks; `None` for a cohort whose repeats are all needed.
    pub fn of(loaded: &'a Loaded, store: &Store, tasks: &[Task]) -> Result<Option<Self>, Failure> {
        let Some(rule) = &loaded.cohort.stop_when else { return Ok(None) };
        let mut runs: IdMap<Vec<(usize, u32)>> = tasks.iter().map(|task| (task.training, Vec::new())).collect();
        for run in loaded.grid.runs() {
            if let Some(of_it) = runs.get_mut(&run.training) {
                of_it.push((run.experiment, run.repeat));
            }
        }
        let (mut enough, index) = (Enough::new(&loaded.grid, rule), store.index()?);
        enough.look(&index)?;
        Ok(Some(Self { enough, index, runs, news: BTreeSet::new() }))
    }

    /// A task on this training ended, well or for good.
    pub fn ended(&mut self, training: Id) {
        self.news.extend(self.runs.get(&training).into_iter().flatten().map(|(experiment, _)| *experiment));
    }

    /// Whether some experiment needs this training.
    pub fn need(&mut self, training: Id) -> bool {
        self.look();
        let runs = self.runs.get(&training).map_or(&[][..], Vec::as_slice);
        runs.iter().any(|(experiment, repeat)| !self.enough.is_enough(*experiment, *repeat))
    }

    /// Looks at what ended. What cannot be read now is needed, as far as is known: at the end it is looked at again.
    fn look(&mut self) {
        if self.news.is_empty() {
            return;
        }
        if let Err(error) = self.index.refresh() {
            tracing::debug!("cannot look whether repeats are enough: {error}");
            return;
        }
        for experiment in std::mem::take(&mut self.news) {
            if let Err(error) = self.enough.look_at(experiment, &self.index) {
                tracing::debug!("cannot look whether repeats are enough: {error}");
            }
        }
    }
}

//! Other coordinators at work on the same store: they share the work by their notices, so that each task is mostly done once.
//!
//! Notices tell who is alive, by locks that end with their process, and what is under way, at most a second late. So nothing here may decide
//! what is right, and need not: a task that two do counts once. Where a file system has no locks there are no notices, and all is done twice.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::grid::ids::Id;
use crate::grid::plan::Task;
use crate::launch::drive::Turn;
use crate::query::running::{self, Notice};
use crate::query::status::under_way;
use crate::store::{Index, Store};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// What is known of the others.
pub struct Others {
    store: Store,
    root: PathBuf,
    cohort: String,
    me: (String, u32),
    looked: Option<Instant>,
    /// Coordinators of this cohort, and which of them we are.
    share: (u64, u64),
    under_way: HashSet<Id>,
    /// Opened when there is somebody.
    index: Option<Index>,
}

impl Others {
    /// To be asked by the coordinator that gives this notice of itself.
    pub fn new(store: &Store, notice: &Notice) -> Self {
        Self {
            store: store.clone(),
            root: store.root().to_owned(),
            cohort: notice.cohort.clone(),
            me: (notice.host.clone(), notice.pid),
            looked: None,
            share: (1, 0),
            under_way: HashSet::new(),
            index: None,
        }
    }

    /// Whether to start a task whose turn it is; `again` if it was put off before.
    pub fn turn(&mut self, task: &Task, again: bool) -> Turn {
        if self.looked.is_none_or(|looked| looked.elapsed() >= EVERY) {
            self.look();
            self.looked = Some(Instant::now());
        }
        let Some(index) = &self.index else { return Turn::Now };
        let is_there = |id: Id| index.contains(id);
        if is_there(task.training) && task.measure.iter().all(|measure| is_there(measure.id(task.training))) {
            return Turn::Never;
        }
        // Ids are hashes, so that their bits deal the tasks out. What is left to others comes last, and then from its end.
        let (of, mine) = self.share;
        let is_theirs = !again && task.training.first_bits() % of != mine;
        if is_theirs || self.under_way.contains(&task.training) { Turn::Later } else { Turn::Now }
    }

    fn look(&mut self) {
        let is_me = |notice: &Notice| (&notice.host, notice.pid) == (&self.me.0, self.me.1);
        let (mine, others): (Vec<Notice>, Vec<Notice>) = running::live(&self.root).into_iter().partition(is_me);
        self.under_way = under_way(&others);
        if others.is_empty() && self.index.is_none() {
            return;
        }
        // In an order that all see alike. One whose own notice cannot be read counts itself in.
        let mut all: Vec<(String, u32)> =
            mine.into_iter().chain(others).filter(|n| n.cohort == self.cohort).map(|n| (n.host, n.pid)).collect();
        if !all.contains(&self.me) {
            all.push(self.me.clone());
        }
        all.sort();
        let place = all.iter().position(|one| *one == self.me).unwrap_or(0);
        self.share = (all.len() as u64, place as u64);
        // What cannot be read now is looked at in a second.
        let looked = match &mut self.index {
            Some(index) => index.refresh().map(drop),
            none => self.store.index().map(|index| *none = Some(index)),
        };
        if let Err(error) = looked {
            tracing::debug!("cannot look what others have done: {error}");
        }
    }
}

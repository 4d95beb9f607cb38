//! A launcher that runs nothing: every task meets the fate that a test wrote down for it. Tests only.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::wire::Outcome;
use super::{Event, LaunchError, Launcher};
use crate::grid::ids::Id;
use crate::grid::plan::Task;
use crate::train::spec::TrainingSpec;

/// What happens to one attempt at a task.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is done.
    Ok,
    /// It fails.
    Failed,
    /// Its worker dies.
    Lost,
    /// Its worker lives and cannot keep the results.
    Unkept,
    /// It is done, and the launcher says so twice, then that it was lost.
    Twice,
}

/// The fake.
pub struct Fake {
    places: usize,
    fates: HashMap<u64, VecDeque<Fate>>,
    running: Vec<(u64, Fate)>,
    random: u64,
    /// Tries of each task, by seed.
    pub submissions: HashMap<u64, u32>,
    /// Whether [`Launcher::cancel`] was called.
    pub cancelled: bool,
}

/// A task that is told by its seed.
pub fn task(seed: u64) -> Task {
    Task { training: Id([seed as u8; 16]), spec: TrainingSpec::default(), seed, train: true, measure: vec![] }
}

impl Fake {
    /// A fake with that many places; attempts beyond the fates written down end well.
    pub fn new(places: usize, fates: Vec<(u64, Vec<Fate>)>) -> Self {
        let fates = fates.into_iter().map(|(task, fates)| (task, fates.into())).collect();
        Self { places, fates, running: vec![], random: 0, submissions: HashMap::new(), cancelled: false }
    }

    /// The same, with tasks ending in an order that `seed` decides.
    pub fn shuffled(self, seed: u64) -> Self {
        Self { random: seed | 1, ..self }
    }
}

impl Launcher for Fake {
    fn free(&self) -> usize {
        self.places - self.running.len()
    }

    fn submit(&mut self, ticket: u64, _: u32, task: &Task) -> Result<(), LaunchError> {
        assert!(self.free() > 0);
        *self.submissions.entry(task.seed).or_insert(0) += 1;
        let fate = self.fates.get_mut(&task.seed).and_then(VecDeque::pop_front).unwrap_or(Fate::Ok);
        self.running.push((ticket, fate));
        Ok(())
    }

    fn poll(&mut self, _: Duration) -> Result<Vec<Event>, LaunchError> {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.random & 1);
        let (ticket, fate) = self.running.remove((self.random >> 33) as usize % self.running.len());
        let done = Event::Finished { ticket, outcome: Outcome::Ok };
        let lost = Event::Lost { ticket, reason: "gone".into() };
        Ok(match fate {
            Fate::Ok => vec![Event::Progress { ticket, share: 0.5 }, done],
            Fate::Failed => vec![Event::Finished { ticket, outcome: Outcome::Failed { error: "broken".into() } }],
            Fate::Lost => vec![lost],
            Fate::Unkept => vec![Event::Finished { ticket, outcome: Outcome::Lost { error: "full".into() } }],
            Fate::Twice => vec![done.clone(), done, lost],
        })
    }

    fn cancel(&mut self) {
        self.cancelled = true;
        self.running.clear();
    }
}

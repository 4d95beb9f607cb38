//! Drives a launcher through a list of tasks: keeps its places filled, takes up lost tasks again, stops when asked or when nothing works.
//!
//! Order and policy are decided here, for every launcher alike; what a launcher says are hints, the store is the truth.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::wire::Outcome;
use super::{Event, LaunchError, Launcher};
use crate::grid::plan::Task;

/// How often a task is tried within one call when its workers keep dying: one that kills them must not go round for ever.
const TRIES: u32 = 3;
/// Losses in a row, without a task finished between them, after which the machine is at fault and not a task.
const GIVE_UP: u32 = 8;
/// How long one poll may wait; bounds the time until a request to stop is noticed.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the person at the terminal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Go on.
    Run,
    /// Finish what is under way, start nothing.
    Drain,
    /// Stop at once.
    Stop,
}

/// What happened to a task.
#[derive(Debug)]
pub enum News<'a> {
    /// It was handed over, as attempt number `attempt`.
    Started {
        /// Number of the attempt over the store's life.
        attempt: u32,
    },
    /// Share of its work that is done.
    Progress(f32),
    /// It is done and committed.
    Done,
    /// It failed, for good.
    Failed(&'a str),
    /// Its worker is gone.
    Lost {
        /// Number of the attempt over the store's life.
        attempt: u32,
        /// What is known.
        reason: &'a str,
        /// Whether it will be tried again now.
        again: bool,
    },
}

/// Who is told, and who is asked.
pub trait Observer {
    /// Something happened to task `task` (its place in the list).
    fn news(&mut self, task: usize, news: &News<'_>);
    /// Called between polls.
    fn tick(&mut self) -> Wish;
    /// Attempts at this task that the store already knows.
    fn attempts_before(&mut self, task: usize) -> u32;
}

/// What became of the tasks, as places in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Done and committed.
    pub done: Vec<usize>,
    /// Failed for good.
    pub failed: Vec<usize>,
    /// Lost as often as it was tried.
    pub lost: Vec<usize>,
    /// Not started or not finished because of a request to stop.
    pub left: usize,
}

/// Tasks under way and waiting.
struct Driver<'a> {
    tasks: &'a [Task],
    waiting: VecDeque<usize>,
    /// Ticket → (task, number of the attempt).
    running: HashMap<u64, (usize, u32)>,
    /// Tries of each task in this call.
    tries: HashMap<usize, u32>,
    next_ticket: u64,
    losses: u32,
    outcomes: Outcomes,
}

/// Runs all tasks, first to last, on the launcher's free places.
///
/// # Errors
/// [`LaunchError`] if the launcher cannot go on, or if nothing but losses come from it.
pub fn drive(tasks: &[Task], launcher: &mut dyn Launcher, observer: &mut dyn Observer) -> Result<Outcomes, LaunchError> {
    let mut driver = Driver {
        tasks,
        waiting: (0..tasks.len()).collect(),
        running: HashMap::new(),
        tries: HashMap::new(),
        next_ticket: 0,
        losses: 0,
        outcomes: Outcomes::default(),
    };
    loop {
        let wish = observer.tick();
        if wish == Wish::Stop {
            launcher.cancel();
            break;
        }
        if wish == Wish::Run {
            driver.fill(launcher, observer)?;
        }
        if driver.running.is_empty() {
            break;
        }
        for event in launcher.poll(PATIENCE)? {
            driver.take(event, observer)?;
        }
    }
    driver.outcomes.left = driver.waiting.len() + driver.running.len();
    Ok(driver.outcomes)
}

impl Driver<'_> {
    fn fill(&mut self, launcher: &mut dyn Launcher, observer: &mut dyn Observer) -> Result<(), LaunchError> {
        while launcher.free() > 0 {
            let Some(task) = self.waiting.pop_front() else { break };
            let tries = self.tries.entry(task).or_insert(0);
            *tries += 1;
            let attempt = observer.attempts_before(task) + *tries;
            launcher.submit(self.next_ticket, attempt, &self.tasks[task])?;
            self.running.insert(self.next_ticket, (task, attempt));
            self.next_ticket += 1;
            observer.news(task, &News::Started { attempt });
        }
        Ok(())
    }

    fn take(&mut self, event: Event, observer: &mut dyn Observer) -> Result<(), LaunchError> {
        match event {
            Event::Progress { ticket, share } => {
                if let Some(&(task, _)) = self.running.get(&ticket) {
                    observer.news(task, &News::Progress(share));
                }
            }
            Event::Finished { ticket, outcome: Outcome::Lost { error } } => {
                self.lost(ticket, &error, observer, |losses, reason| LaunchError::NothingKept { losses, reason })?;
            }
            Event::Lost { ticket, reason } => {
                self.lost(ticket, &reason, observer, |losses, reason| LaunchError::NothingWorks { losses, reason })?;
            }
            Event::Finished { ticket, outcome } => {
                // A ticket that is not running was settled before: a launcher may say a thing twice.
                let Some((task, _)) = self.running.remove(&ticket) else { return Ok(()) };
                self.losses = 0;
                match outcome {
                    Outcome::Failed { error } => {
                        self.outcomes.failed.push(task);
                        observer.news(task, &News::Failed(&error));
                    }
                    Outcome::Ok | Outcome::Lost { .. } => {
                        self.outcomes.done.push(task);
                        observer.news(task, &News::Done);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in a loss; `give_up` makes the error for one too many, from their number and the last reason.
    fn lost(
        &mut self,
        ticket: u64,
        reason: &str,
        observer: &mut dyn Observer,
        give_up: fn(u32, String) -> LaunchError,
    ) -> Result<(), LaunchError> {
        let Some((task, attempt)) = self.running.remove(&ticket) else { return Ok(()) };
        let again = self.tries.get(&task).is_none_or(|&tries| tries < TRIES);
        observer.news(task, &News::Lost { attempt, reason, again });
        if again {
            // At the end: a task that kills its workers must not hold up the others.
            self.waiting.push_back(task);
        } else {
            self.outcomes.lost.push(task);
        }
        self.losses += 1;
        if self.losses >= GIVE_UP {
            return Err(give_up(self.losses, reason.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fake::{Fake, Fate, task};
    use super::*;

    #[derive(Default)]
    struct Notes {
        lines: Vec<String>,
        ticks: usize,
        stop_at: Option<(usize, Wish)>,
    }

    impl Observer for Notes {
        fn news(&mut self, task: usize, news: &News<'_>) {
            if !matches!(news, News::Progress(_)) {
                self.lines.push(format!("{task} {news:?}"));
            }
        }
        fn tick(&mut self) -> Wish {
            self.ticks += 1;
            self.stop_at.filter(|(at, _)| self.ticks >= *at).map_or(Wish::Run, |(_, wish)| wish)
        }
        fn attempts_before(&mut self, _: usize) -> u32 {
            2
        }
    }

    fn tasks(n: usize) -> Vec<Task> {
        (0..n as u64).map(task).collect()
    }

    #[test]
    fn tasks_are_started_in_order_and_a_lost_one_is_tried_again() {
        let mut launcher = Fake::new(1, vec![(0, vec![Fate::Ok]), (1, vec![Fate::Lost, Fate::Ok]), (2, vec![Fate::Failed])]);
        let mut notes = Notes::default();
        let outcomes = drive(&tasks(3), &mut launcher, &mut notes).unwrap();
        assert_eq!(outcomes, Outcomes { done: vec![0, 1], failed: vec![2], lost: vec![], left: 0 });
        assert_eq!(
            notes.lines,
            [
                "0 Started { attempt: 3 }",
                "0 Done",
                "1 Started { attempt: 3 }",
                "1 Lost { attempt: 3, reason: \"gone\", again: true }",
                "2 Started { attempt: 3 }",
                "2 Failed(\"broken\")",
                "1 Started { attempt: 4 }",
                "1 Done",
            ]
        );
    }

    #[test]
    fn a_task_that_kills_its_workers_is_given_up_and_the_others_finish() {
        let mut launcher = Fake::new(2, vec![(1, vec![Fate::Lost; 9])]);
        let outcomes = drive(&tasks(4), &mut launcher, &mut Notes::default()).unwrap();
        assert_eq!((outcomes.done.len(), outcomes.lost), (3, vec![1]));
    }

    #[test]
    fn nothing_but_losses_is_the_machines_fault() {
        let mut launcher = Fake::new(2, (0..20).map(|t| (t, vec![Fate::Lost; 9])).collect());
        let error = drive(&tasks(20), &mut launcher, &mut Notes::default()).unwrap_err();
        assert!(error.to_string().contains("8 workers in a row"), "{error}");
    }

    #[test]
    fn results_that_nobody_can_keep_are_the_stores_fault() {
        let mut launcher = Fake::new(2, (0..20).map(|t| (t, vec![Fate::Unkept; 9])).collect());
        let error = drive(&tasks(20), &mut launcher, &mut Notes::default()).unwrap_err();
        assert!(matches!(error, LaunchError::NothingKept { losses: GIVE_UP, .. }), "{error}");
        let mut launcher = Fake::new(1, vec![(0, vec![Fate::Unkept, Fate::Ok])]);
        assert_eq!(drive(&tasks(1), &mut launcher, &mut Notes::default()).unwrap().done, [0]);
    }

    #[test]
    fn draining_finishes_what_runs_and_stopping_does_not() {
        let mut notes = Notes { stop_at: Some((3, Wish::Drain)), ..Notes::default() };
        let outcomes = drive(&tasks(9), &mut Fake::new(2, vec![]), &mut notes).unwrap();
        assert!(outcomes.left > 0 && outcomes.done.len() + outcomes.left == 9);
        let mut launcher = Fake::new(2, vec![]);
        let mut notes = Notes { stop_at: Some((2, Wish::Stop)), ..Notes::default() };
        let outcomes = drive(&tasks(9), &mut launcher, &mut notes).unwrap();
        assert!(launcher.cancelled && outcomes.done.len() + outcomes.left == 9 && outcomes.left > 0);
    }

    proptest! {
        /// Whatever the fates, places and order of events: every task ends in exactly one list, tries are bounded.
        #[test]
        fn every_task_ends_once(
            places in 1usize..5, seed in any::<u64>(),
            fates in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![Fate::Ok, Fate::Ok, Fate::Ok, Fate::Lost, Fate::Failed, Fate::Twice]), 0..4), 0..30),
        ) {
            let n = fates.len();
            let fates = fates.into_iter().enumerate().map(|(t, f)| (t as u64, f)).collect();
            let mut launcher = Fake::new(places, fates).shuffled(seed);
            match drive(&tasks(n), &mut launcher, &mut Notes::default()) {
                Ok(outcomes) => {
                    let mut all = [outcomes.done, outcomes.failed, outcomes.lost].concat();
                    all.sort_unstable();
                    prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
                    prop_assert_eq!(outcomes.left, 0);
                }
                Err(LaunchError::NothingWorks { losses, .. }) => prop_assert_eq!(losses, GIVE_UP),
                Err(other) => panic!("{other}"),
            }
            prop_assert!(launcher.submissions.values().all(|&tries| tries <= TRIES));
        }
    }
}

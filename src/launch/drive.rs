//! Drives a launcher through a list of tasks: keeps its places filled, takes up lost tasks again, stops when asked or when nothing works.
//!
//! Order and policy are decided here, for every launcher alike; what a launcher says are hints, the store is the truth.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::wire::Outcome;
use super::{Blame, Event, LaunchError, Launcher, Load};
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
    /// Work on it has begun, as attempt number `attempt`.
    Started {
        /// Number of the attempt over the store's life.
        attempt: u32,
    },
    /// Its training goes on from a checkpoint of this epoch.
    Continued(i64),
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
    /// Whether to start this task, which is next; `again` if it was put off before.
    fn turn(&mut self, _task: usize, _again: bool) -> Turn {
        Turn::Now
    }
}

/// What becomes of a task whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It starts.
    Now,
    /// It is put off until nothing else waits: somebody else has it, or may take it.
    Later,
    /// It is passed over: nobody needs it any more, or somebody else has done it.
    Never,
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
    /// Passed over when it was their turn.
    pub passed: usize,
    /// Not started or not finished because of a request to stop.
    pub left: usize,
}

/// Tasks under way and waiting.
struct Driver<'a> {
    tasks: &'a [Task],
    waiting: VecDeque<usize>,
    /// Put off until nothing waits.
    later: Vec<usize>,
    /// All that were ever put off.
    put_off: HashSet<usize>,
    /// Ticket → (task, number of the attempt): handed over, begun or not.
    running: HashMap<u64, (usize, u32)>,
    /// How often each task was lost in this call; most never are.
    lost: HashMap<usize, u32>,
    next_ticket: u64,
    /// Workers lost in a row.
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
        later: Vec::new(),
        put_off: HashSet::new(),
        running: HashMap::new(),
        lost: HashMap::new(),
        next_ticket: 0,
        losses: 0,
        outcomes: Outcomes::default(),
    };
    loop {
        let wish = observer.tick();
        match wish {
            Wish::Run => driver.fill(launcher, observer)?,
            Wish::Drain => launcher.recall(),
            Wish::Stop => {
                launcher.cancel();
                break;
            }
        }
        if driver.running.is_empty() && (wish != Wish::Run || driver.later.is_empty()) {
            break;
        }
        for event in launcher.poll(PATIENCE)? {
            driver.take(event, observer)?;
        }
    }
    driver.outcomes.left = driver.waiting.len() + driver.later.len() + driver.running.len();
    Ok(driver.outcomes)
}

impl Driver<'_> {
    fn fill(&mut self, launcher: &mut dyn Launcher, observer: &mut dyn Observer) -> Result<(), LaunchError> {
        if self.waiting.is_empty() {
            // From the end: whoever else does these began at the front.
            self.waiting.extend(self.later.drain(..).rev());
        }
        while let Some(&task) = self.waiting.front() {
            match observer.turn(task, self.put_off.contains(&task)) {
                Turn::Now => {}
                Turn::Later => {
                    self.waiting.pop_front();
                    self.put_off.insert(task);
                    self.later.push(task);
                    continue;
                }
                Turn::Never => {
                    self.waiting.pop_front();
                    self.outcomes.passed += 1;
                    continue;
                }
            }
            let lost = self.lost.get(&task).copied().unwrap_or(0);
            let load = if lost > 0 { Load::Alone } else { Load::of(&self.tasks[task]) };
            if !launcher.has_room(load) {
                return Ok(());
            }
            self.waiting.pop_front();
            let attempt = observer.attempts_before(task) + lost + 1;
            launcher.submit(self.next_ticket, attempt, &self.tasks[task], load)?;
            self.running.insert(self.next_ticket, (task, attempt));
            self.next_ticket += 1;
        }
        // Nothing waits here, but something may wait at one place while another idles.
        launcher.balance();
        Ok(())
    }

    fn take(&mut self, event: Event, observer: &mut dyn Observer) -> Result<(), LaunchError> {
        match event {
            Event::Started { ticket } => {
                if let Some(&(task, attempt)) = self.running.get(&ticket) {
                    observer.news(task, &News::Started { attempt });
                }
            }
            Event::Progress { ticket, share } => {
                if let Some(&(task, _)) = self.running.get(&ticket) {
                    observer.news(task, &News::Progress(share));
                }
            }
            Event::Continued { ticket, epoch } => {
                if let Some(&(task, _)) = self.running.get(&ticket) {
                    observer.news(task, &News::Continued(epoch));
                }
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
                    Outcome::Ok => {
                        self.outcomes.done.push(task);
                        observer.news(task, &News::Done);
                    }
                }
            }
            Event::Returned { mut tickets } => {
                // To the front, in their order: they were next.
                tickets.sort_unstable();
                let running = &mut self.running;
                let tasks = tickets.iter().rev().filter_map(|ticket| running.remove(ticket));
                tasks.for_each(|(task, _)| self.waiting.push_front(task));
            }
            Event::Lost { tickets, reason, blame } => self.lost(&tickets, reason, blame, observer)?,
        }
        Ok(())
    }

    /// Takes in that one worker is gone with these tasks.
    fn lost(&mut self, tickets: &[u64], reason: String, blame: Blame, observer: &mut dyn Observer) -> Result<(), LaunchError> {
        let mut any = false;
        for ticket in tickets {
            let Some((task, attempt)) = self.running.remove(ticket) else { continue };
            any = true;
            let lost = self.lost.entry(task).or_insert(0);
            *lost += 1;
            let again = *lost < TRIES;
            observer.news(task, &News::Lost { attempt, reason: &reason, again });
            if again {
                // At the end, and then alone: a task that kills its workers must neither hold up others nor take them along.
                self.waiting.push_back(task);
            } else {
                self.outcomes.lost.push(task);
            }
        }
        self.losses += u32::from(any);
        match (self.losses, blame) {
            (0..GIVE_UP, _) => Ok(()),
            (losses, Blame::Worker) => Err(LaunchError::NothingWorks { losses, reason }),
            (losses, Blame::Store) => Err(LaunchError::NothingKept { losses, reason }),
        }
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
        assert_eq!(outcomes, Outcomes { done: vec![0, 1], failed: vec![2], lost: vec![], passed: 0, left: 0 });
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

    /// Puts tasks off as often as it says, and passes over some.
    struct Turns {
        off: Vec<u32>,
        passes: fn(usize) -> bool,
        started: Vec<usize>,
    }

    impl Observer for Turns {
        fn news(&mut self, task: usize, news: &News<'_>) {
            if matches!(news, News::Started { .. }) {
                self.started.push(task);
            }
        }
        fn tick(&mut self) -> Wish {
            Wish::Run
        }
        fn attempts_before(&mut self, _: usize) -> u32 {
            0
        }
        fn turn(&mut self, task: usize, again: bool) -> Turn {
            match &mut self.off[task] {
                _ if (self.passes)(task) => Turn::Never,
                0 => Turn::Now,
                times => {
                    assert!(again || *times == 2);
                    *times -= 1;
                    Turn::Later
                }
            }
        }
    }

    #[test]
    fn tasks_put_off_come_last_from_their_end_and_none_is_forgotten() {
        let off = (0..9).map(|task| if task < 4 { 2 } else { 0 }).collect();
        let mut turns = Turns { off, passes: |task| task == 5, started: vec![] };
        let outcomes = drive(&tasks(9), &mut Fake::new(1, vec![]), &mut turns).unwrap();
        assert_eq!((outcomes.done.len(), outcomes.passed, outcomes.left), (8, 1, 0));
        // Put off twice, so turned around twice.
        assert_eq!(turns.started, [4, 6, 7, 8, 0, 1, 2, 3]);
        // Nothing but tasks that are put off, at first.
        let mut turns = Turns { off: vec![2; 3], passes: |_| false, started: vec![] };
        let outcomes = drive(&tasks(3), &mut Fake::new(2, vec![]), &mut turns).unwrap();
        assert_eq!((outcomes.done.len(), outcomes.left), (3, 0));
        let mut turns = Turns { off: vec![0; 3], passes: |_| true, started: vec![] };
        assert_eq!(drive(&tasks(3), &mut Fake::new(2, vec![]), &mut turns).unwrap().passed, 3);
    }

    #[test]
    fn a_dead_worker_costs_what_it_had_begun_and_nothing_more() {
        // Five tasks at one place: the first ends, the second kills it, the others have not begun.
        let mut launcher = Fake::new(1, vec![(1, vec![Fate::Lost])]).holding(5).shuffled(6);
        let mut notes = Notes::default();
        let outcomes = drive(&tasks(5), &mut launcher, &mut notes).unwrap();
        assert_eq!(outcomes.done.len(), 5);
        let lost: Vec<_> = notes.lines.iter().filter(|line| line.contains("Lost")).collect();
        assert!(lost.len() <= 2 && lost.iter().all(|line| line.starts_with(['0', '1'])), "{lost:?}");
        // What came back was begun once, as the first attempt.
        for task in 2..5 {
            assert_eq!(launcher.begun[&task], 1);
            assert!(notes.lines.contains(&format!("{task} Started {{ attempt: 3 }}")));
        }
        assert!(launcher.returned >= 3);
    }

    #[test]
    fn what_waits_at_a_busy_place_goes_to_an_idle_one() {
        let mut launcher = Fake::new(2, vec![]).holding(8);
        let outcomes = drive(&tasks(8), &mut launcher, &mut Notes::default()).unwrap();
        // Unshuffled, only the first busy place acts: without balance the second would be left with its half to the end.
        assert_eq!(outcomes.done.len(), 8);
        assert!(launcher.returned > 0 && launcher.begun.values().all(|&n| n == 1));
    }

    #[test]
    fn draining_takes_back_what_is_not_begun() {
        let mut launcher = Fake::new(2, vec![]).holding(20);
        let mut notes = Notes { stop_at: Some((3, Wish::Drain)), ..Notes::default() };
        let outcomes = drive(&tasks(30), &mut launcher, &mut notes).unwrap();
        assert_eq!(outcomes.done.len(), launcher.begun.len());
        assert!(outcomes.left >= 25, "{outcomes:?}");
    }

    proptest! {
        /// Whatever the fates, places and order of events: every task ends in exactly one list, tries are bounded.
        #[test]
        fn every_task_ends_once(
            places in 1usize..5, holds in 1usize..9, seed in any::<u64>(),
            fates in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![Fate::Ok, Fate::Ok, Fate::Ok, Fate::Lost, Fate::Failed, Fate::Twice]), 0..4), 0..30),
        ) {
            let n = fates.len();
            let fates = fates.into_iter().enumerate().map(|(t, f)| (t as u64, f)).collect();
            let mut launcher = Fake::new(places, fates).holding(holds).shuffled(seed);
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
            prop_assert!(launcher.begun.values().all(|&tries| tries <= TRIES));
        }
    }
}

//! What the one who executes a task asks at every pass boundary: go on, leave a checkpoint, stop. And what it tells on the way.
//!
//! A launcher's worker joins this to its clock ([`Pace`]), to signals and leases ([`Brake`]), and to whom it reports to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// A checkpoint must not take more than this part of the time, however slow the disk.
const SHARE: u32 = 50;

/// What to do at a pass boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next pass.
    GoOn,
    /// Leave a checkpoint, then the next pass.
    Checkpoint,
    /// Leave a checkpoint and stop.
    CheckpointAndStop,
    /// Stop, and leave nothing: the task is no longer ours.
    Stop,
}

/// Who watches over a task while it is executed. Called on the thread that executes, between passes and between measured epochs, so an
/// answer must be cheap.
pub trait Control {
    /// What to do now. Where there is nothing to keep, `Checkpoint` is `GoOn`.
    fn at_pass(&mut self) -> Step {
        Step::GoOn
    }

    /// A checkpoint was left, or could not be; it took so long.
    fn saved(&mut self, _took: Duration) {}

    /// The training continues from the checkpoint that was left behind this epoch.
    fn continued(&mut self, _epoch: i64) {}

    /// This share of the work is done, 0 to 1.
    fn progress(&mut self, _share: f64) {}
}

/// Nobody watches: to the end, without a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Undisturbed;

impl Control for Undisturbed {}

/// When the next checkpoint is due.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    every: Duration,
    due: Instant,
}

impl Pace {
    /// One after `every`, counted from now.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, due: Instant::now() + every }
    }

    /// Whether it is time.
    #[must_use]
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Counts anew after a checkpoint that took so long.
    pub fn saved(&mut self, took: Duration) {
        self.due = Instant::now() + self.every.max(took * SHARE);
    }
}

/// What others ask of the one who executes: set by signal handlers, by the loss of a lease, by a store that takes nothing more.
#[derive(Clone, Debug, Default)]
pub struct Brake(Arc<AtomicU8>);

impl Brake {
    const EASE: u8 = 1;
    const PULL: u8 = 2;

    /// Asks to leave a checkpoint and stop.
    pub fn ease(&self) {
        self.0.fetch_max(Self::EASE, Ordering::Relaxed);
    }

    /// Asks to stop at once.
    pub fn pull(&self) {
        self.0.fetch_max(Self::PULL, Ordering::Relaxed);
    }

    /// Asks nothing any more.
    pub fn release(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What is asked: [`Step::CheckpointAndStop`] or [`Step::Stop`], if anything.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            Self::EASE => Some(Step::CheckpointAndStop),
            _ => Some(Step::Stop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_due_in_time_and_slow_ones_are_rare() {
        let mut pace = Pace::new(Duration::ZERO);
        assert!(pace.is_due());
        pace.saved(Duration::from_secs(3));
        assert!(!pace.is_due() && pace.due > Instant::now() + Duration::from_secs(140));
        assert!(!Pace::new(Duration::from_secs(60)).is_due());
    }

    #[test]
    fn the_stronger_wish_counts() {
        let brake = Brake::default();
        assert_eq!(brake.step(), None);
        let other = brake.clone();
        other.pull();
        brake.ease();
        assert_eq!(brake.step(), Some(Step::Stop));
        brake.release();
        other.ease();
        assert_eq!(brake.step(), Some(Step::CheckpointAndStop));
    }
}

//! At which epochs a network is recorded.
//!
//! Epoch e means: after pass e, passes counted from 0. Epoch −1 is the untrained network. The last epoch is always recorded.

use serde::{Deserialize, Serialize};

/// Snapshots of a training are kept up to this size, in bytes, unless a cohort says otherwise.
pub const KEEP_SNAPSHOTS: u64 = 16 << 20;

/// What is recorded of a training, and how much of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Also record the untrained network, as epoch −1.
    pub record_initial: bool,
    /// Which epochs.
    pub epochs: Recorded,
    /// Snapshots are kept up to this size, in bytes; beyond that a later measurement trains again. No part of what a training means.
    pub keep_snapshots: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { record_initial: false, epochs: Recorded::Standard, keep_snapshots: KEEP_SNAPSHOTS }
    }
}

/// Which epochs are recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Recorded {
    /// The published study's: every epoch below 50, every 2nd below 100, every 20th below 2,000, every 100th after.
    #[default]
    Standard,
    /// Those of any of these ranges.
    Ranges(Vec<Range>),
    /// So many a decade, evenly spaced on a logarithmic scale: 0 and round(10^(k/n)) for k = 0, 1, 2, …
    Log(u32),
}

/// Epochs from `from` up to and without `to` that are multiples of `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// The first.
    pub from: u32,
    /// The first that is not one of them.
    pub to: u32,
    /// The stride, at least 1.
    pub every: u32,
}

impl Range {
    /// The end of a range that has none.
    pub const OPEN: u32 = u32::MAX;

    /// One epoch.
    #[must_use]
    pub const fn one(epoch: u32) -> Self {
        Self { from: epoch, to: epoch + 1, every: 1 }
    }

    fn has(self, epoch: u32) -> bool {
        (self.from..self.to).contains(&epoch) && epoch.is_multiple_of(self.every)
    }

    /// The epochs below `end`.
    fn below(self, end: u32) -> impl Iterator<Item = u32> {
        (self.from.next_multiple_of(self.every)..self.to.min(end)).step_by(self.every as usize)
    }
}

impl Recorded {
    fn has(&self, epoch: u32) -> bool {
        match self {
            Self::Standard => epoch.is_multiple_of(stride(epoch)),
            Self::Ranges(ranges) => ranges.iter().any(|range| range.has(epoch)),
            Self::Log(per_decade) => {
                // Rounding may move the power to a neighbour, so those are looked at, too.
                let near = (f64::from(*per_decade) * libm::log10(f64::from(epoch.max(1)))) as u32;
                epoch == 0 || (near.saturating_sub(1)..=near + 1).any(|k| spaced(*per_decade, k) == epoch)
            }
        }
    }

    /// The epochs below `end`, ascending.
    fn below(&self, end: u32) -> Vec<u32> {
        match self {
            Self::Standard => (0..end).filter(|&epoch| self.has(epoch)).collect(),
            Self::Ranges(ranges) => {
                let mut all: Vec<u32> = ranges.iter().flat_map(|range| range.below(end)).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            Self::Log(per_decade) => {
                let mut all: Vec<u32> =
                    [0].into_iter().chain((0..).map(|k| spaced(*per_decade, k))).take_while(|&e| e < end).collect();
                all.dedup();
                all
            }
        }
    }

    /// As ids and tables have it; the default is `standard`.
    #[must_use]
    pub fn text(&self) -> String {
        let range = |range: &Range| match *range {
            Range { from, to, every: 1 } if from + 1 == to => from.to_string(),
            Range { from, to: Range::OPEN, every } => format!("{from}..:{every}"),
            Range { from, to, every } => format!("{from}..{to}:{every}"),
        };
        match self {
            Self::Standard => "standard".to_owned(),
            Self::Ranges(ranges) => format!("[{}]", ranges.iter().map(range).collect::<Vec<_>>().join(",")),
            Self::Log(per_decade) => format!("log:{per_decade}"),
        }
    }
}

/// The stride of the standard schedule.
const fn stride(epoch: u32) -> u32 {
    match epoch {
        0..50 => 1,
        50..100 => 2,
        100..2000 => 20,
        _ => 100,
    }
}

/// round(10^(k/n)), at most what an epoch may be.
fn spaced(per_decade: u32, k: u32) -> u32 {
    libm::round(libm::pow(10.0, f64::from(k) / f64::from(per_decade))) as u32
}

impl Schedule {
    /// Whether epoch `epoch` of a training of `epochs` passes is recorded.
    #[must_use]
    pub fn records(&self, epoch: i64, epochs: u32) -> bool {
        match u32::try_from(epoch) {
            Ok(epoch) => epoch < epochs && (epoch == epochs - 1 || self.epochs.has(epoch)),
            Err(_) => epoch == -1 && self.record_initial,
        }
    }

    /// All recorded epochs of a training of `epochs` passes, ascending.
    #[must_use]
    pub fn recorded(&self, epochs: u32) -> Vec<i64> {
        let mut all: Vec<i64> = if self.record_initial { vec![-1] } else { vec![] };
        all.extend(self.epochs.below(epochs).into_iter().map(i64::from));
        let last = i64::from(epochs) - 1;
        if epochs > 0 && all.last() != Some(&last) {
            all.push(last);
        }
        all
    }

    /// How many epochs of a training of `epochs` passes are recorded. For the standard schedule without walking through them: that is asked
    /// for by the million.
    #[must_use]
    pub fn count(&self, epochs: u32) -> usize {
        if self.epochs != Recorded::Standard {
            return self.recorded(epochs).len();
        }
        // Multiples of a stride below `end`.
        const fn multiples(stride: u32, end: u32) -> u32 {
            end.div_ceil(stride)
        }
        const fn least(a: u32, b: u32) -> u32 {
            if a < b { a } else { b }
        }
        let (first, second, third) = (least(epochs, 50), least(epochs, 100), least(epochs, 2000));
        let strided = first + multiples(2, second) - multiples(2, first) + multiples(20, third) - multiples(20, second)
            + multiples(100, epochs)
            - multiples(100, third);
        let last = epochs > 0 && !self.epochs.has(epochs - 1);
        strided as usize + usize::from(last) + usize::from(self.record_initial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(epochs: Recorded) -> Schedule {
        Schedule { epochs, ..Schedule::default() }
    }

    #[test]
    fn counts_match_the_published_study() {
        let schedule = Schedule::default();
        for (epochs, count) in [(8000, 231), (300, 86), (1500, 146), (2000, 171), (1, 1), (0, 0)] {
            assert_eq!(schedule.recorded(epochs).len(), count, "{epochs} epochs");
        }
        assert_eq!(schedule.recorded(8000).last(), Some(&7999));
    }

    #[test]
    fn ranges_and_logarithms_say_what_is_recorded() {
        let ranges = vec![Range { from: 0, to: 10, every: 4 }, Range { from: 5, to: Range::OPEN, every: 10 }, Range::one(7)];
        let some = schedule(Recorded::Ranges(ranges));
        assert_eq!(some.recorded(33), [0, 4, 7, 8, 10, 20, 30, 32]);
        assert_eq!(some.epochs.text(), "[0..10:4,5..:10,7]");
        let log = schedule(Recorded::Log(3));
        assert_eq!(log.recorded(150), [0, 1, 2, 5, 10, 22, 46, 100, 149]);
        assert_eq!(schedule(Recorded::Ranges(vec![])).recorded(5), [4]);
    }

    #[test]
    fn asking_counting_and_walking_agree() {
        let kinds = [
            Recorded::Standard,
            Recorded::Ranges(vec![Range { from: 3, to: 200, every: 7 }, Range { from: 100, to: 2200, every: 1 }]),
            Recorded::Log(1),
            Recorded::Log(20),
            Recorded::Log(1000),
        ];
        for epochs in kinds {
            for record_initial in [false, true] {
                let schedule = Schedule { record_initial, epochs: epochs.clone(), ..Schedule::default() };
                for end in (0..260).chain((1900..2260).step_by(13)) {
                    let asked: Vec<i64> = (-1..i64::from(end)).filter(|&epoch| schedule.records(epoch, end)).collect();
                    assert_eq!(schedule.recorded(end), asked, "{schedule:?} {end}");
                    assert_eq!(schedule.count(end), asked.len(), "{schedule:?} {end}");
                }
            }
        }
    }

    #[test]
    fn the_untrained_network_is_epoch_minus_one() {
        let schedule = Schedule { record_initial: true, ..Schedule::default() };
        assert_eq!(schedule.recorded(2), vec![-1, 0, 1]);
        assert_eq!(schedule.recorded(0), vec![-1]);
    }
}

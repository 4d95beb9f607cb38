//! At which epochs a network is recorded.
//!
//! Epoch e means: after pass e, passes counted from 0. Epoch −1 is the untrained network.

use serde::{Deserialize, Serialize};

/// The recording schedule: the study's strides, with or without the untrained network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Also record the untrained network, as epoch −1.
    pub record_initial: bool,
}

impl Schedule {
    /// Whether epoch `epoch` of a training of `epochs` passes is recorded: every epoch below 50, every 2nd below 100, every 20th below
    /// 2,000, every 100th after (epoch mod stride = 0), and always the last.
    #[must_use]
    pub fn records(&self, epoch: i64, epochs: u32) -> bool {
        let last = i64::from(epochs) - 1;
        if epoch < 0 {
            return epoch == -1 && self.record_initial;
        }
        let stride = match epoch {
            0..50 => 1,
            50..100 => 2,
            100..2000 => 20,
            _ => 100,
        };
        epoch <= last && (epoch % stride == 0 || epoch == last)
    }

    /// All recorded epochs of a training of `epochs` passes, ascending.
    #[must_use]
    pub fn recorded(&self, epochs: u32) -> Vec<i64> {
        (-1..i64::from(epochs)).filter(|&e| self.records(e, epochs)).collect()
    }

    /// How many epochs of a training of `epochs` passes are recorded, without walking through them.
    #[must_use]
    pub fn count(&self, epochs: u32) -> usize {
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
        let last = epochs > 0 && !self.records(i64::from(epochs) - 1, u32::MAX);
        strided as usize + usize::from(last) + usize::from(self.record_initial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_match_the_published_study() {
        let schedule = Schedule::default();
        for (epochs, count) in [(8000, 231), (300, 86), (1500, 146), (2000, 171), (1, 1), (0, 0)] {
            assert_eq!(schedule.recorded(epochs).len(), count, "{epochs} epochs");
        }
        assert_eq!(schedule.recorded(8000).last(), Some(&7999));
    }

    #[test]
    fn counting_agrees_with_walking() {
        for record_initial in [false, true] {
            let schedule = Schedule { record_initial };
            for epochs in (0..260).chain(1900..2260) {
                assert_eq!(schedule.count(epochs), schedule.recorded(epochs).len(), "{epochs} epochs");
            }
        }
    }

    #[test]
    fn the_untrained_network_is_epoch_minus_one() {
        let schedule = Schedule { record_initial: true };
        assert_eq!(schedule.recorded(2), vec![-1, 0, 1]);
        assert_eq!(schedule.recorded(0), vec![-1]);
    }
}

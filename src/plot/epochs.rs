//! The colour scale of epochs: where an epoch lies between the first and the last, and which ones are named beside the colour bar.

use super::ticks::Step;

/// Above this last epoch the scale is logarithmic: most of a training's change is early.
const LINEAR_UNTIL: i64 = 100;

/// How epochs are spread over the scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EpochSpread {
    /// Logarithmic for long trainings.
    #[default]
    Auto,
    /// Evenly.
    Linear,
    /// Logarithmically: early epochs get more room.
    Log,
}

/// Maps epochs to 0 … 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochScale {
    first: i64,
    last: i64,
    spread: EpochSpread,
}

/// A mark beside the colour bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochTick {
    /// The epoch.
    pub epoch: i64,
    /// Its position on the bar, 0 to 1.
    pub position: f64,
    /// Whether it is named, or a mere stroke.
    pub labelled: bool,
}

impl EpochScale {
    /// The scale over these epochs; `None` without any. No epoch is before the untrained network's, −1.
    pub fn over(epochs: impl IntoIterator<Item = i64>) -> Option<Self> {
        let ends = |ends: Option<(i64, i64)>, e: i64| Some(ends.map_or((e, e), |(a, b)| (a.min(e), b.max(e))));
        epochs.into_iter().map(|e| e.max(-1)).fold(None, ends).map(|(first, last)| Self {
            first,
            last,
            spread: EpochSpread::Auto,
        })
    }

    /// The same scale, spread as asked for.
    pub fn spread(self, spread: EpochSpread) -> Self {
        Self { spread, ..self }
    }

    /// Position of an epoch on the scale, 0 to 1; ½ if there is one epoch only.
    pub fn position(self, epoch: i64) -> f64 {
        let (first, last) = (self.transformed(self.first), self.transformed(self.last));
        if self.is_single() { 0.5 } else { (self.transformed(epoch) - first) / (last - first) }
    }

    /// Whether there is one epoch only.
    pub fn is_single(self) -> bool {
        self.first == self.last
    }

    fn is_log(self) -> bool {
        match self.spread {
            EpochSpread::Auto => self.last > LINEAR_UNTIL,
            EpochSpread::Linear => false,
            EpochSpread::Log => true,
        }
    }

    /// log(epoch + 1), or log(epoch + 2) where the untrained network is epoch −1; the epoch itself on a linear scale.
    fn transformed(self, epoch: i64) -> f64 {
        let shift = 1 - self.first.min(0);
        if self.is_log() { libm::log2(epoch.max(self.first).saturating_add(shift) as f64) } else { epoch as f64 }
    }

    /// Ticks, ascending: the first and the last epoch always, between them powers of ten (or round steps, on a linear scale); of these the ones
    /// that keep at least `gap` (a part of the bar's length) from the named ones are named.
    pub fn ticks(self, gap: f64) -> Vec<EpochTick> {
        let tick = |epoch: i64, labelled: bool| EpochTick { epoch, position: self.position(epoch), labelled };
        if self.is_single() {
            return vec![tick(self.first, true)];
        }
        let mut ticks = vec![tick(self.first, true)];
        let mut below = 0.0;
        for (epoch, round) in self.inner() {
            let candidate = tick(epoch, false);
            let labelled = round && candidate.position - below >= gap && 1.0 - candidate.position >= gap;
            if labelled {
                below = candidate.position;
            }
            ticks.push(EpochTick { labelled, ..candidate });
        }
        ticks.push(tick(self.last, true));
        ticks
    }

    /// Epochs between the ends that deserve a stroke, and whether they deserve a name.
    fn inner(self) -> Vec<(i64, bool)> {
        let inside = |epoch: &i64| (self.first + 1..self.last).contains(epoch);
        if self.is_log() {
            let decades = std::iter::successors(Some(1i64), |p| p.checked_mul(10)).take_while(|&p| p < self.last);
            let all = decades.flat_map(|p| (1..10).map(move |m| (p.saturating_mul(m), m == 1)));
            return all.filter(|(epoch, _)| inside(epoch)).collect();
        }
        let range = (self.last - self.first) as f64;
        let step =
            Step::for_range(range, 6, |step| if step.times(1.0) < 1.0 { usize::MAX } else { (range / step.times(1.0)) as usize });
        let step = step.times(1.0) as i64;
        (self.first.div_euclid(step)..=self.last.div_euclid(step))
            .map(|i| i * step)
            .filter(inside)
            .map(|epoch| (epoch, true))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(first: i64, last: i64, gap: f64) -> Vec<i64> {
        let scale = EpochScale::over([first, last]).unwrap();
        scale.ticks(gap).iter().filter(|t| t.labelled).map(|t| t.epoch).collect()
    }

    #[test]
    fn named_epochs_are_the_ends_and_round_numbers() {
        assert_eq!(labels(0, 1999, 0.05), [0, 1, 10, 100, 1000, 1999]);
        assert_eq!(labels(0, 1999, 0.1), [0, 10, 100, 1999]);
        assert_eq!(labels(-1, 7999, 0.05), [-1, 1, 10, 100, 1000, 7999]);
        assert_eq!(labels(0, 99, 0.05), [0, 20, 40, 60, 80, 99]);
        assert_eq!(labels(0, 1, 0.05), [0, 1]);
        assert_eq!(labels(7, 7, 0.05), [7]);
        assert_eq!(labels(0, i64::MAX, 0.04).len(), 20);
    }

    #[test]
    fn ticks_ascend_within_the_bar() {
        for (first, last) in [(0, 1999), (-1, 300), (5, 20_000), (0, 100), (0, 2), (-1, 0), (50, 60)] {
            let ticks = EpochScale::over([first, last]).unwrap().ticks(0.06);
            assert!(ticks.windows(2).all(|w| w[0].epoch < w[1].epoch && w[0].position < w[1].position), "{ticks:?}");
            assert_eq!((ticks[0].position, ticks[ticks.len() - 1].position), (0.0, 1.0));
            let named: Vec<_> = ticks.iter().filter(|t| t.labelled).collect();
            assert!(named.windows(2).all(|w| w[1].position - w[0].position >= 0.06), "{named:?}");
        }
    }

    #[test]
    fn the_scale_is_logarithmic_only_for_long_trainings() {
        let long = EpochScale::over(0..2000).unwrap();
        assert!((long.position(44) - 0.5).abs() < 0.01);
        let short = EpochScale::over(0..=100).unwrap();
        assert_eq!(short.position(50), 0.5);
        assert_eq!(EpochScale::over([3]).unwrap().position(3), 0.5);
        assert!(EpochScale::over([]).is_none());
    }
}

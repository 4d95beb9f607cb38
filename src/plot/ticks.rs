//! Linear axes: limits and ticks at round numbers.

/// At most this many ticks on an axis.
pub const MAX_TICKS: usize = 8;
/// Values smaller than this are rounding errors of an estimate that is 0.
const NOTHING: f64 = 1e-9;

/// An axis from its first to its last tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Tick values, ascending, evenly spaced; at least two.
    pub ticks: Vec<f64>,
    /// Decimals that tell the ticks apart.
    decimals: usize,
}

impl Axis {
    /// The axis that starts or ends at 0, or holds it, and covers `low` to `high`, both finite.
    pub fn covering(low: f64, high: f64) -> Self {
        let low = if low < -NOTHING { low } else { 0.0 };
        let high = if high > NOTHING { high } else { 0.0 };
        let high = if low == high { 1.0 } else { high };
        let step = Step::for_range(high - low, MAX_TICKS, |step| step.spans(low, high));
        let (first, last) = step.span(low, high);
        let count = (last - first) as usize + 1;
        Self { ticks: (0..count).map(|i| step.times(first + i as f64)).collect(), decimals: step.decimals() }
    }

    /// The first tick's value.
    pub fn low(&self) -> f64 {
        self.ticks.first().copied().unwrap_or(0.0)
    }

    /// The last tick's value.
    pub fn high(&self) -> f64 {
        self.ticks.last().copied().unwrap_or(1.0)
    }

    /// The text at a tick.
    pub fn label(&self, tick: f64) -> String {
        // Far from 1 every digit of a plain number would be a zero.
        if self.decimals > 5 || self.high().max(-self.low()) >= 1e7 {
            format!("{tick:e}")
        } else {
            format!("{tick:.*}", self.decimals)
        }
    }

    /// The ticks that get a label when only `max` labels fit: every k-th from zero or the first, k as small as possible.
    pub fn labelled(&self, max: usize) -> Vec<f64> {
        let intervals = self.ticks.len() - 1;
        let every = (1..=intervals).find(|k| intervals / k < max).unwrap_or(intervals);
        let zero = self.ticks.iter().position(|&t| t == 0.0).unwrap_or(0);
        self.ticks.iter().enumerate().filter(|(i, _)| i % every == zero % every).map(|(_, &t)| t).collect()
    }
}

/// A round step: 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    mantissa: f64,
    exponent: i32,
}

impl Step {
    /// The smallest round step for which `count` is at most `max`, for a range > 0.
    pub fn for_range(range: f64, max: usize, count: impl Fn(Self) -> usize) -> Self {
        let start = libm::floor(libm::log10(range)) as i32 - 2;
        (start..)
            .flat_map(|exponent| [1.0, 2.0, 5.0].map(|mantissa| Self { mantissa, exponent }))
            .find(|&step| count(step) <= max)
            .unwrap_or(Self { mantissa: 1.0, exponent: start + 4 })
    }

    /// `n` steps, correctly rounded: 3 steps of 0.1 are 0.3.
    pub fn times(self, n: f64) -> f64 {
        let power = (0..self.exponent.abs()).fold(1.0, |p, _| p * 10.0);
        // `+ 0.0` turns −0 into 0.
        if self.exponent < 0 { n * self.mantissa / power + 0.0 } else { n * self.mantissa * power + 0.0 }
    }

    /// First and last multiple of the step such that the two enclose `low` to `high`, up to rounding errors of the values.
    fn span(self, low: f64, high: f64) -> (f64, f64) {
        let unit = self.times(1.0);
        ((low / unit + 1e-6).floor(), (high / unit - 1e-6).ceil())
    }

    /// Ticks of an axis with this step.
    fn spans(self, low: f64, high: f64) -> usize {
        let (first, last) = self.span(low, high);
        (last - first) as usize + 1
    }

    fn decimals(self) -> usize {
        usize::try_from(-self.exponent).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn typical_axes() {
        let ticks = |low, high| Axis::covering(low, high).ticks;
        assert_eq!(ticks(0.0, 11.97), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(ticks(0.0, 12.000000000000002), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(ticks(0.0, 0.9987), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-1e-16, -0.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-0.3, 1.0), [-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        let axis = Axis::covering(0.0, 0.9987);
        assert_eq!(axis.ticks.iter().map(|&t| axis.label(t)).collect::<Vec<_>>(), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(Axis::covering(0.0, 3e-7).label(1e-7), "1e-7");
    }

    #[test]
    fn labels_thin_out_evenly() {
        let axis = Axis::covering(0.0, 12.0);
        assert_eq!(axis.labelled(7), axis.ticks);
        assert_eq!(axis.labelled(4), [0.0, 4.0, 8.0, 12.0]);
        assert_eq!(axis.labelled(3), [0.0, 6.0, 12.0]);
        assert_eq!(axis.labelled(2), [0.0, 8.0]);
        assert_eq!(axis.labelled(0), [0.0, 12.0]);
    }

    proptest! {
        #[test]
        fn ticks_cover_the_range_in_few_round_steps(low in -1e4..1e4f64, high in -1e4..1e4f64, scale in -6..6i32) {
            let scale = libm::exp10(f64::from(scale));
            let (low, high) = (low.min(high) * scale, low.max(high) * scale);
            let axis = Axis::covering(low, high);
            let n = axis.ticks.len();
            prop_assert!((2..=MAX_TICKS).contains(&n), "{:?}", axis.ticks);
            let step = axis.ticks[1] - axis.ticks[0];
            prop_assert!(axis.low() <= low + step * 1e-5 + NOTHING && high <= axis.high() + step * 1e-5 + NOTHING);
            prop_assert!(axis.ticks.contains(&0.0));
            let mantissa = step / libm::exp10(libm::floor(libm::log10(step) + 1e-9));
            prop_assert!([1.0, 2.0, 5.0].iter().any(|m| (mantissa - m).abs() < 1e-6), "step {step}");
            let labels: std::collections::BTreeSet<_> = axis.ticks.iter().map(|&t| axis.label(t)).collect();
            prop_assert_eq!(labels.len(), n);
        }

        #[test]
        fn labels_are_as_few_as_asked(high in 1e-3..1e4f64, max in 2..9usize) {
            let labelled = Axis::covering(0.0, high).labelled(max);
            prop_assert!((2..=max).contains(&labelled.len()));
        }
    }
}

//! Axes: limits, ticks at round numbers, and where a value lies between the limits; linear, logarithmic, and of epochs.

use super::epochs::EpochScale;

/// At most this many ticks on an axis.
pub const MAX_TICKS: usize = 8;
/// Values smaller than this are rounding errors of an estimate that is 0.
const NOTHING: f64 = 1e-9;
/// Decades of a logarithmic axis at most: what lies deeper is drawn at the edge of nothing.
const MOST_DECADES: i32 = 16;

/// Larger than anything that is measured: such a value is an overflow and would leave nothing to see of the others.
const ABSURD: f64 = 1e12;

/// Whether a value can be drawn among others.
pub fn is_sensible(value: f64) -> bool {
    // NaN compares as false.
    value.abs() < ABSURD
}

/// An axis between two limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Tick values within the limits, ascending; at least two.
    pub ticks: Vec<f64>,
    /// Strokes without a name between them.
    pub minor: Vec<f64>,
    limits: (f64, f64),
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Ticks evenly spaced, told apart by that many decimals.
    Linear(usize),
    /// Ticks at powers of ten.
    Log,
    /// Logarithmic, too, but hardly longer than a decade: ticks at 1, 2 and 5 times a power of ten, written out.
    ShortLog,
    /// The epochs of a training.
    Epochs(EpochScale),
    /// Rows of a table: as many as there are units between the limits.
    Places,
}

impl Axis {
    /// The axis that starts or ends at 0, or holds it, and covers `low` to `high`, both finite.
    pub fn covering(low: f64, high: f64) -> Self {
        Self::round(low, high, i32::MIN)
    }

    /// [`Axis::covering`] for all of these values, each finite.
    pub fn covering_all(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((0.0, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
        Self::covering(low, high)
    }

    /// [`Axis::covering`] for whole numbers: no tick stands between two of them.
    pub fn covering_whole(low: f64, high: f64) -> Self {
        Self::round(low, high, 0)
    }

    /// An axis with 0 whose limits are ticks, none finer than the power of ten of this exponent.
    fn round(low: f64, high: f64, finest: i32) -> Self {
        let low = if low < -NOTHING { low } else { 0.0 };
        let high = if high > NOTHING { high } else { 0.0 };
        let high = if low == high { 1.0 } else { high };
        let spans = |step: Step| if step.exponent < finest { usize::MAX } else { step.spans(low, high) };
        let step = Step::for_range(high - low, MAX_TICKS, spans);
        let (first, last) = step.span(low, high);
        let count = (last - first) as usize + 1;
        let ticks: Vec<f64> = (0..count).map(|i| step.times(first + i as f64)).collect();
        let limits = (ticks[0], ticks[count - 1]);
        Self { ticks, minor: Vec::new(), limits, kind: Kind::Linear(step.decimals()) }
    }

    /// The axis from `low` to `high` exactly, whatever lies outside; `None` unless both are finite and `low` is the lesser by enough for ticks.
    pub fn between(low: f64, high: f64) -> Option<Self> {
        let range = high - low;
        if !(range.is_finite() && range > 0.0 && range > 1e-9 * low.abs().max(high.abs())) {
            return None;
        }
        let within = |step: Step| {
            let unit = step.times(1.0);
            ((low / unit - 1e-6).ceil(), (high / unit + 1e-6).floor())
        };
        let count = |(first, last): (f64, f64)| if last < first { 0 } else { (last - first) as usize + 1 };
        let step = Step::for_range(range, MAX_TICKS, |step| count(within(step)));
        let span = within(step);
        let ticks: Vec<f64> = (0..count(span)).map(|i| step.times(span.0 + i as f64)).collect();
        (ticks.len() >= 2).then_some(Self { ticks, minor: Vec::new(), limits: (low, high), kind: Kind::Linear(step.decimals()) })
    }

    /// The logarithmic axis of whole decades that covers the values > 0; 0.1 to 1 without any. What reaches over hardly more than a decade gets no
    /// more than it needs.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let ends = |(a, b): (f64, f64), v: f64| (a.min(v), b.max(v));
        let (low, high) = values.into_iter().filter(|v| v.is_finite() && *v > 0.0).fold((f64::MAX, 0.0), ends);
        let (low, high) = if low > high { (0.1, 1.0) } else { (low, high) };
        if let Some(short) = Self::short_log(low, high) {
            return short;
        }
        let last = libm::ceil(libm::log10(high) - 1e-9) as i32;
        let first = (libm::floor(libm::log10(low) + 1e-9) as i32).min(last - 1).max(last - MOST_DECADES);
        let ticks: Vec<f64> = (first..=last).map(power_of_ten).collect();
        // Within few decades the numbers between are worth a stroke.
        let within = |decade: f64| (2..10).map(move |m| decade * f64::from(m));
        let minor = if last - first > 6 { Vec::new() } else { (first..last).map(power_of_ten).flat_map(within).collect() };
        Self { limits: (ticks[0], ticks[ticks.len() - 1]), ticks, minor, kind: Kind::Log }
    }

    /// The logarithmic axis between numbers 1, 2 or 5 times a power of ten, where values near 1 reach over little more than a decade.
    fn short_log(low: f64, high: f64) -> Option<Self> {
        let decades = libm::log10(high / low);
        if !(1e-3..=1.2).contains(&decades) || low < 1e-3 || high > 1e4 {
            return None;
        }
        let times = |factors: &[f64]| -> Vec<f64> {
            (-3..=4)
                .flat_map(|e| factors.iter().map(move |m| if e < 0 { m / power_of_ten(-e) } else { m * power_of_ten(e) }))
                .collect()
        };
        let named = times(&[1.0, 2.0, 5.0]);
        let first = named.iter().rposition(|&tick| tick <= low * (1.0 + 1e-9))?;
        let last = named.iter().position(|&tick| tick >= high * (1.0 - 1e-9))?;
        let ticks = named.get(first..=last).filter(|ticks| ticks.len() >= 2)?.to_vec();
        let limits = (ticks[0], ticks[ticks.len() - 1]);
        let minor = times(&[3.0, 4.0, 6.0, 7.0, 8.0, 9.0]).into_iter().filter(|m| (limits.0..limits.1).contains(m)).collect();
        Some(Self { ticks, minor, limits, kind: Kind::ShortLog })
    }

    /// The axis of a training's epochs.
    pub fn epochs(scale: EpochScale) -> Self {
        let (named, minor): (Vec<_>, Vec<_>) = scale.ticks(0.0).into_iter().partition(|tick| tick.labelled);
        let values = |ticks: Vec<super::epochs::EpochTick>| ticks.into_iter().map(|tick| tick.epoch as f64).collect::<Vec<_>>();
        let (ticks, minor) = (values(named), values(minor));
        Self { limits: (ticks[0], ticks[ticks.len() - 1]), ticks, minor, kind: Kind::Epochs(scale) }
    }

    /// The axis of `count` rows or columns of a table, numbered from 0; a tick stands in the middle of each.
    pub fn places(count: usize) -> Self {
        let ticks = (0..count.max(1)).map(|i| i as f64).collect();
        Self { ticks, minor: Vec::new(), limits: (-0.5, count.max(1) as f64 - 0.5), kind: Kind::Places }
    }

    /// The lower limit.
    pub fn low(&self) -> f64 {
        self.limits.0
    }

    /// The upper limit.
    pub fn high(&self) -> f64 {
        self.limits.1
    }

    /// Whether a value lies within the limits, up to rounding errors.
    pub fn holds(&self, value: f64) -> bool {
        let position = self.position(value);
        (-1e-6..=1.0 + 1e-6).contains(&position)
    }

    /// Where a value lies: 0 at the lower limit, 1 at the upper. On a logarithmic axis what is not above 0 lies far below.
    pub fn position(&self, value: f64) -> f64 {
        let (low, high) = self.limits;
        match self.kind {
            Kind::Linear(_) | Kind::Places => (value - low) / (high - low),
            Kind::Log | Kind::ShortLog if value > 0.0 => libm::log10(value / low) / libm::log10(high / low),
            Kind::Log | Kind::ShortLog => -1.0,
            Kind::Epochs(scale) => scale.position(value as i64),
        }
    }

    /// The text at a tick.
    pub fn label(&self, tick: f64) -> String {
        match self.kind {
            Kind::Log => format!("10{}", superscript(libm::round(libm::log10(tick)) as i32)),
            Kind::Epochs(_) => (tick as i64).to_string().replace('-', "\u{2212}"),
            Kind::Places | Kind::ShortLog => format!("{tick}"),
            // Far from 1 every digit of a plain number would be a zero.
            Kind::Linear(decimals) if decimals > 5 || self.high().max(-self.low()) >= 1e7 => format!("{tick:e}"),
            Kind::Linear(decimals) => format!("{tick:.decimals$}").replace('-', "\u{2212}"),
        }
    }

    /// The ticks that get a label when only `max` labels fit: every k-th from zero or the first, k as small as possible, or a little larger
    /// if both ends get one then; of epochs the ends and powers of ten.
    pub fn labelled(&self, max: usize) -> Vec<f64> {
        if let Kind::Epochs(scale) = self.kind {
            let ticks = scale.ticks(1.0 / max.max(2) as f64);
            return ticks.iter().filter(|tick| tick.labelled).map(|tick| tick.epoch as f64).collect();
        }
        let intervals = self.ticks.len() - 1;
        let least = (1..=intervals).find(|k| intervals / k < max).unwrap_or(intervals.max(1));
        let zero = self.ticks.iter().position(|&t| t == 0.0).unwrap_or(0);
        let meets_ends = |k: &usize| intervals.is_multiple_of(*k) && zero.is_multiple_of(*k);
        let every = (least..2 * least).find(meets_ends).unwrap_or(least);
        self.ticks.iter().enumerate().filter(|(i, _)| i % every == zero % every).map(|(_, &t)| t).collect()
    }
}

fn power_of_ten(exponent: i32) -> f64 {
    let power = (0..exponent.abs()).fold(1.0, |p, _| p * 10.0);
    if exponent < 0 { 1.0 / power } else { power }
}

/// A whole number in raised digits.
fn superscript(number: i32) -> String {
    let raised = |c: char| match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
    };
    number.to_string().chars().map(raised).collect()
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
    fn whole_numbers_have_whole_ticks_and_signs_are_no_hyphens() {
        assert_eq!(Axis::covering_whole(0.0, 3.0).ticks, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Axis::covering_whole(-1.0, 20.0).ticks, [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(Axis::covering_whole(0.0, 0.0).ticks, [0.0, 1.0]);
        assert_eq!(Axis::covering(-0.3, 1.0).label(-0.4), "\u{2212}0.4");
    }

    #[test]
    fn limits_that_are_given_are_kept() {
        let axis = Axis::between(0.0, 3.5).unwrap();
        assert_eq!((axis.low(), axis.high()), (0.0, 3.5));
        assert_eq!(axis.ticks, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
        assert_eq!(Axis::between(0.3, 1.05).unwrap().ticks[0], 0.3);
        assert!(axis.holds(0.0) && axis.holds(3.5) && !axis.holds(3.6));
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (1e9, 1e9 + 1e-3)] {
            assert_eq!(Axis::between(low, high), None, "{low} {high}");
        }
    }

    #[test]
    fn logarithmic_axes_have_whole_decades() {
        let axis = Axis::log([0.03, 7.0, 0.0, -1.0, f64::NAN]);
        assert_eq!(axis.ticks.iter().map(|&t| axis.label(t)).collect::<Vec<_>>(), ["10⁻²", "10⁻¹", "10⁰", "10¹"]);
        assert!((axis.position(1.0) - 2.0 / 3.0).abs() < 1e-12 && axis.position(0.0) < 0.0);
        assert_eq!(Axis::log([]).ticks, [0.1, 0.2, 0.5, 1.0]);
        assert_eq!(Axis::log([1.0]).ticks, [0.1, 1.0]);
        assert_eq!(Axis::log([1e-300, 1e300]).ticks.len(), 17);
        let short = Axis::log([1.4, 4.9]);
        assert_eq!(short.ticks.iter().map(|&t| short.label(t)).collect::<Vec<_>>(), ["1", "2", "5"]);
        assert_eq!((short.minor.clone(), short.position(1.0), short.position(5.0)), (vec![3.0, 4.0], 0.0, 1.0));
        assert_eq!(Axis::log([0.003, 0.02]).ticks, [0.002, 0.005, 0.01, 0.02]);
        assert_eq!(Axis::log([1e-5, 3e-5]).ticks.len(), 2);
    }

    #[test]
    fn labels_thin_out_evenly() {
        let axis = Axis::covering(0.0, 12.0);
        assert_eq!(axis.labelled(7), axis.ticks);
        assert_eq!(axis.labelled(4), [0.0, 4.0, 8.0, 12.0]);
        assert_eq!(axis.labelled(3), [0.0, 6.0, 12.0]);
        assert_eq!(axis.labelled(2), [0.0, 12.0]);
        assert_eq!(Axis::covering(0.0, 1.0).labelled(2), [0.0, 1.0]);
        assert_eq!(Axis::covering(-0.3, 1.0).labelled(2), [0.0, 0.8]);
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

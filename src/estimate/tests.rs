//! Every estimator against its slow twin and against what must hold for any sample.

use ndarray::{Array2, ArrayView2, Axis};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::bins::{Bins, Range};
use super::{Classes, Estimator, EstimatorSpec, Information, Sample, Scratch, reference};
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;

/// What the activations of a sample look like.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// Spread over (−2, 2).
    Smooth,
    /// Saturated at ±1, as a learnt tanh layer, zeros of both signs.
    Saturated,
    /// A few values, so that rows repeat.
    Coarse,
    /// Magnitudes from 1e-20 to 1e20.
    Wild,
    /// Every second unit is constant.
    HalfConstant,
}

/// A sample to be made: the recipe is what a failure prints.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    examples: usize,
    units: usize,
    classes: u32,
    style: Style,
    seed: u64,
}

impl Recipe {
    fn make(&self) -> (Array2<f32>, Vec<u32>) {
        let mut stream = Stream::new(self.seed, Purpose::Init, 0);
        let mut values = Array2::from_shape_simple_fn((self.units, self.examples), || {
            let uniform = stream.uniform() * 4.0 - 2.0;
            (match self.style {
                Style::Smooth | Style::HalfConstant => uniform,
                Style::Saturated if uniform.abs() < 0.5 => 0.0_f64.copysign(uniform),
                Style::Saturated => uniform.clamp(-1.0, 1.0),
                Style::Coarse => uniform.floor() * 0.07,
                Style::Wild => uniform * libm::exp10(f64::from(stream.below(41)) - 20.0),
            }) as f32
        });
        if matches!(self.style, Style::HalfConstant) {
            values.axis_iter_mut(Axis(0)).step_by(2).for_each(|mut unit| unit.fill(0.3));
        }
        let labels = (0..self.examples).map(|_| 3 * stream.below(self.classes)).collect();
        (values, labels)
    }
}

fn recipes(examples: usize, units: usize) -> impl Strategy<Value = Recipe> {
    let styles = prop::sample::select(vec![Style::Smooth, Style::Saturated, Style::Coarse, Style::Wild, Style::HalfConstant]);
    // Few units are the common case, and the one in which rows repeat.
    let units = prop_oneof![0..=units.min(6), 0..=units];
    (1..=examples, units, 1..=10u32, styles, 0..1000u64).prop_map(|(examples, units, classes, style, seed)| Recipe {
        examples,
        units,
        classes,
        style,
        seed,
    })
}

fn estimate(spec: EstimatorSpec, values: ArrayView2<'_, f32>, labels: &[u32], exec: Exec) -> Information {
    let classes = Classes::new(labels);
    let sample = Sample::new(values, &classes).unwrap();
    spec.information(&sample, exec, &mut Scratch::default()).unwrap()
}

fn twin(spec: EstimatorSpec, values: ArrayView2<'_, f32>, labels: &[u32]) -> Information {
    match spec {
        EstimatorSpec::Binning { bin_width } => reference::binning(values, labels, bin_width),
        EstimatorSpec::Upper { noise_variance } => reference::bound(values, labels, 2.0, noise_variance),
        EstimatorSpec::Lower { noise_variance } => reference::bound(values, labels, 8.0, noise_variance),
        EstimatorSpec::Bins(bins) => reference::bins(values, labels, bins),
        other => panic!("{} has its twin elsewhere", other.name()),
    }
}

fn close(a: Information, b: Information, tolerance: f64) -> Result<(), TestCaseError> {
    let near = |a: f64, b: f64| (a - b).abs() <= tolerance;
    prop_assert!(near(a.xt(), b.xt()) && near(a.ty(), b.ty()), "{a:?} against {b:?}");
    Ok(())
}

/// Both informations of a method that gives both.
trait Both {
    fn xt(&self) -> f64;
    fn ty(&self) -> f64;
}

impl Both for Information {
    fn xt(&self) -> f64 {
        self.i_xt.unwrap()
    }
    fn ty(&self) -> f64 {
        self.i_ty.unwrap()
    }
}

fn same_bits(a: Information, b: Information) -> bool {
    [a.xt(), a.ty()].map(f64::to_bits) == [b.xt(), b.ty()].map(f64::to_bits)
}

/// All estimators with one parameter, small or large.
fn specs(parameter: f64) -> [EstimatorSpec; 3] {
    [
        EstimatorSpec::Binning { bin_width: parameter },
        EstimatorSpec::Upper { noise_variance: parameter },
        EstimatorSpec::Lower { noise_variance: parameter },
    ]
}

/// Binning by number over each of its ranges.
fn by_number(bins: u32) -> [EstimatorSpec; 4] {
    [Range::Fixed, Range::Epoch, Range::Run, Range::EqualCount]
        .map(|range| EstimatorSpec::Bins(Bins { bins, range, ..Bins::default() }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn binning_by_number_is_exact_and_keeps_its_bounds(recipe in recipes(300, 40), bins in prop_oneof![1..=40u32, 1..=70_000u32]) {
        let (values, labels) = recipe.make();
        let (all, class) = (libm::log2(labels.len() as f64), Classes::new(&labels).entropy());
        for spec in by_number(bins) {
            let got = estimate(spec, values.view(), &labels, Exec::serial());
            close(got, twin(spec, values.view(), &labels), 1e-12)?;
            prop_assert!((0.0..=all + 1e-12).contains(&got.xt()) && (0.0..=class.min(got.xt()) + 1e-12).contains(&got.ty()), "{got:?}");
        }
    }

    #[test]
    fn agree_with_their_twins(recipe in recipes(300, 130), exponent in -4.0..1.0f64) {
        let (values, labels) = recipe.make();
        for spec in specs(libm::exp10(exponent)) {
            let tolerance = if matches!(spec, EstimatorSpec::Binning { .. }) { 1e-12 } else { 1e-5 };
            close(estimate(spec, values.view(), &labels, Exec::serial()), twin(spec, values.view(), &labels), tolerance)?;
        }
    }

    #[test]
    fn binning_is_exact_at_any_width(recipe in recipes(300, 40), exponent in -30.0..30.0f64) {
        let (values, labels) = recipe.make();
        let spec = EstimatorSpec::Binning { bin_width: libm::exp10(exponent) };
        close(estimate(spec, values.view(), &labels, Exec::serial()), twin(spec, values.view(), &labels), 1e-12)?;
    }

    #[test]
    fn bounds_that_must_hold(recipe in recipes(200, 20), exponent in -4.0..1.0f64) {
        let (values, labels) = recipe.make();
        let [binning, upper, lower] =
            specs(libm::exp10(exponent)).map(|spec| estimate(spec, values.view(), &labels, Exec::serial()));
        let (all, class) = (libm::log2(labels.len() as f64), Classes::new(&labels).entropy());
        for information in [binning, upper, lower] {
            prop_assert!((0.0..=all + 1e-12).contains(&information.xt()), "{information:?}, log2 N = {all}");
            prop_assert!(information.ty() <= class + 1e-12, "{information:?}, H(Y) = {class}");
            let constant = recipe.units == usize::from(matches!(recipe.style, Style::HalfConstant)) || recipe.examples == 1;
            prop_assert!(!(constant || recipe.units == 0) || information == Information::both(0.0, 0.0), "{information:?}");
        }
        prop_assert!(lower.xt() <= upper.xt() + 1e-6, "{lower:?}, {upper:?}");
        prop_assert!((0.0..=binning.xt() + 1e-12).contains(&binning.ty()), "{binning:?}");
    }

    #[test]
    fn the_order_of_examples_and_units_is_no_matter(recipe in recipes(200, 20), exponent in -4.0..1.0f64) {
        let (values, labels) = recipe.make();
        let (mut examples, mut units): (Vec<_>, Vec<_>) = ((0..recipe.examples).collect(), (0..recipe.units).collect());
        let mut stream = Stream::new(recipe.seed, Purpose::Shuffle, 0);
        stream.shuffle(&mut examples);
        stream.shuffle(&mut units);
        let shuffled = Array2::from_shape_fn(values.dim(), |(unit, example)| values[(units[unit], examples[example])]);
        let relabelled: Vec<u32> = examples.iter().map(|&example| labels[example]).collect();
        for spec in specs(libm::exp10(exponent)) {
            let (plain, shuffled) = (
                estimate(spec, values.view(), &labels, Exec::serial()),
                estimate(spec, shuffled.view(), &relabelled, Exec::serial()),
            );
            match spec {
                EstimatorSpec::Binning { .. } => prop_assert!(same_bits(plain, shuffled), "{plain:?}, {shuffled:?}"),
                _ => close(plain, shuffled, 3e-6)?,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn instruction_set_threads_and_scratch_change_no_bit(recipe in recipes(300, 12), exponent in -3.0..0.0f64) {
        let (values, labels) = recipe.make();
        let classes = Classes::new(&labels);
        let sample = Sample::new(values.view(), &classes).unwrap();
        let mut used = Scratch::default();
        for spec in specs(libm::exp10(exponent)) {
            let expected = spec.information(&sample, Exec::serial(), &mut Scratch::default()).unwrap();
            for isa in Isa::available() {
                for parallel in [false, true] {
                    let got = spec.information(&sample, Exec { isa, parallel }, &mut used).unwrap();
                    prop_assert!(same_bits(got, expected), "{} {parallel} {spec:?}: {got:?}, {expected:?}", isa.name());
                }
            }
        }
    }
}

/// Odd and even numbers of panels, more panels than strips, and classes from one to one an example.
#[test]
fn large_samples_agree_with_the_twin_and_between_threads() {
    for (examples, classes) in [(1100, 3), (1500, 1), (2048, 700), (4300, 5), (530, u32::MAX / 3)] {
        let recipe = Recipe { examples, units: 2, classes, style: Style::Smooth, seed: 5 };
        let (values, labels) = recipe.make();
        let spec = EstimatorSpec::Upper { noise_variance: 1e-3 };
        let serial = estimate(spec, values.view(), &labels, Exec::serial());
        let parallel = estimate(spec, values.view(), &labels, Exec { parallel: true, ..Exec::serial() });
        assert!(same_bits(serial, parallel), "{recipe:?}");
        close(serial, twin(spec, values.view(), &labels), 1e-6).unwrap();
    }
}

#[test]
fn a_scratch_serves_samples_of_any_size_in_turn() {
    let mut scratch = Scratch::default();
    for (examples, units) in [(200, 9), (3, 2), (300, 1), (1, 40), (17, 0), (200, 9)] {
        let recipe = Recipe { examples, units, classes: 2, style: Style::Coarse, seed: 2 };
        let (values, labels) = recipe.make();
        let classes = Classes::new(&labels);
        let sample = Sample::new(values.view(), &classes).unwrap();
        for spec in specs(0.05) {
            let got = spec.information(&sample, Exec::serial(), &mut scratch).unwrap();
            assert!(same_bits(got, estimate(spec, values.view(), &labels, Exec::serial())), "{recipe:?} {spec:?}");
        }
    }
}

/// The module's page says that I(T;Y) of the bounds may be negative: one class spread over the axes around a heap of the other.
#[test]
fn information_about_the_class_can_be_negative_for_the_bounds_and_is_not_hidden() {
    let n = 40;
    let values = Array2::from_shape_fn((n, 2 * n), |(unit, example)| if unit == example { 1.0 } else { 0.0 });
    let labels: Vec<u32> = (0..2 * n).map(|example| u32::from(example >= n)).collect();
    let spec = EstimatorSpec::Upper { noise_variance: 0.25 };
    let got = estimate(spec, values.view(), &labels, Exec::serial());
    close(got, twin(spec, values.view(), &labels), 1e-6).unwrap();
    assert!(got.ty() < -0.1, "{got:?}");
}

#[test]
fn parameters_out_of_range_are_errors() {
    let values = Array2::zeros((1, 2));
    let classes = Classes::new(&[0, 1]);
    let sample = Sample::new(values.view(), &classes).unwrap();
    for spec in [0.0, 1e-31, f64::NAN].into_iter().flat_map(specs) {
        assert!(spec.information(&sample, Exec::serial(), &mut Scratch::default()).is_err(), "{spec:?}");
    }
}

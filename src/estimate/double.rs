//! Binning and the bounds of activations in double precision, as files have them: nothing is rounded to single precision first.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::bins::Layer;
use super::bounds::Bound;
use super::error::in_domain;
use super::{Classes, EstimateError, Estimator, EstimatorSpec, Information, Sample, Scratch, binning};
use crate::math::exec::Exec;

/// A layer as a file has it: units × examples.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// In single precision; a unit's examples lie side by side.
    Single(ArrayView2<'a, f32>),
    /// In double precision, in any layout.
    Double(ArrayView2<'a, f64>),
}

/// Whole numbers up to here are exact in single precision, and so are their differences.
const EXACT: f64 = 4_194_304.0;

impl EstimatorSpec {
    /// Both informations of a layer in whichever precision.
    ///
    /// # Errors
    /// As [`Sample::new`] and [`Estimator::information`]; [`EstimateError::NotOfLayers`] where the method needs two measured sides.
    pub fn of_layer(
        &self,
        values: Values<'_>,
        classes: &Classes,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let values = match values {
            Values::Single(values) => return self.information(&Sample::new(values, classes)?, exec, scratch),
            Values::Double(values) => values,
        };
        let (activations, labels) = (values.ncols(), classes.examples());
        if activations != labels {
            return Err(EstimateError::LengthMismatch { activations, labels });
        }
        if activations == 0 {
            return Err(EstimateError::Empty);
        }
        if let Some(((unit, example), &value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(EstimateError::NotFinite { unit, example, value });
        }
        match *self {
            Self::Binning { bin_width } => {
                let indices = indices(values, in_domain("bin_width", bin_width)?);
                let view = ArrayView2::from_shape((indices.len() / activations, activations), &indices);
                let sample = Sample::new(view.map_err(|_| EstimateError::NotContiguous)?, classes)?;
                binning::plug_in(&sample, 1.0, exec, scratch)
            }
            Self::Bins(bins) => {
                let extent = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
                let unit = |unit: usize, to: &mut Vec<f64>| to.extend(values.row(unit));
                bins.informations(Layer { units: values.nrows(), extent, unit }, classes, exec, scratch)
            }
            Self::Upper { noise_variance } => Bound::upper(noise_variance)?.of_double(values, classes, exec),
            Self::Lower { noise_variance } => Bound::lower(noise_variance)?.of_double(values, classes, exec),
            _ => Err(EstimateError::NotOfLayers { estimator: self.name() }),
        }
    }
}

/// Bin indices ⌊t/w⌋, unit by unit, divided in double precision as NumPy does on float64. Where they are too large for single precision,
/// the ranks of those that occur stand for them, in two digits.
fn indices(values: ArrayView2<'_, f64>, width: f64) -> Vec<f32> {
    let mut all = Vec::with_capacity(values.len());
    for unit in values.rows() {
        // Adding 0 joins −0 and 0.
        let index = |t: &f64| (t / width).floor() + 0.0;
        if unit.iter().all(|t| index(t).abs() <= EXACT) {
            all.extend(unit.iter().map(|t| index(t) as f32));
            continue;
        }
        let mut ranks: BTreeMap<u64, u32> = unit.iter().map(|t| (index(t).to_bits(), 0)).collect();
        (0..).zip(ranks.values_mut()).for_each(|(next, rank)| *rank = next);
        let rank = |t: &f64| ranks.get(&index(t).to_bits()).copied().unwrap_or_default();
        all.extend(unit.iter().map(|t| (rank(t) >> 12) as f32));
        all.extend(unit.iter().map(|t| (rank(t) & 4095) as f32));
    }
    all
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::estimate::reference;
    use crate::math::rng::{Purpose, Stream};

    fn of(spec: EstimatorSpec, values: &Array2<f64>, labels: &[u32]) -> [f64; 2] {
        let classes = Classes::new(labels);
        let one = spec.of_layer(Values::Double(values.view()), &classes, Exec::serial(), &mut Scratch::default()).unwrap();
        [one.i_xt.unwrap(), one.i_ty.unwrap()]
    }

    #[test]
    fn values_that_single_precision_joins_stay_apart() {
        let values = array![[1.0, 1.0 + 1e-12, 2.0, 2.0]];
        let spec = EstimatorSpec::Binning { bin_width: 1e-13 };
        assert_eq!(of(spec, &values, &[0, 1, 0, 0])[0], 1.5);
        assert_eq!(of(EstimatorSpec::Binning { bin_width: 0.5 }, &values, &[0; 4])[0], 1.0);
        // 0.3/0.1 is below 3 in double precision and 3 in single.
        let edge = array![[0.3, 0.31]];
        assert_eq!(of(EstimatorSpec::Binning { bin_width: 0.1 }, &edge, &[0; 2])[0], 1.0);
    }

    #[test]
    fn agrees_with_the_twins_to_twelve_digits() {
        let mut stream = Stream::new(8, Purpose::Init, 0);
        for (units, examples, classes) in [(1, 1, 1), (3, 57, 3), (10, 301, 2), (2, 64, 60)] {
            let values = Array2::from_shape_simple_fn((units, examples), || stream.normal());
            let labels: Vec<u32> = (0..examples).map(|_| stream.below(classes)).collect();
            for noise_variance in [1e-3, 0.1, 3.0] {
                for (spec, scale) in
                    [(EstimatorSpec::Upper { noise_variance }, 2.0), (EstimatorSpec::Lower { noise_variance }, 8.0)]
                {
                    let expected = reference::bound_double(values.view(), &labels, scale, noise_variance);
                    for (got, expected) in
                        of(spec, &values, &labels).into_iter().zip([expected.i_xt.unwrap(), expected.i_ty.unwrap()])
                    {
                        assert!((got - expected).abs() <= 1e-12, "{spec:?}: {got}, {expected}");
                    }
                }
            }
        }
    }

    /// What must hold of any sample, to 1e-12.
    #[test]
    fn order_is_no_matter_and_bounds_hold() {
        for seed in 0..40 {
            let mut stream = Stream::new(seed, Purpose::Init, 1);
            let (units, examples) = (stream.below(6) as usize, 1 + stream.below(120) as usize);
            let scale = libm::exp10(f64::from(stream.below(6)) - 3.0);
            let mut values = Array2::from_shape_simple_fn((units, examples), || (stream.normal() * 4.0).round() * scale);
            if units > 1 {
                values.row_mut(0).fill(0.3);
            }
            let labels: Vec<u32> = (0..examples).map(|_| stream.below(3)).collect();
            let (mut order, mut of_units): (Vec<usize>, Vec<usize>) = ((0..examples).collect(), (0..units).collect());
            stream.shuffle(&mut order);
            stream.shuffle(&mut of_units);
            let shuffled = values.select(ndarray::Axis(1), &order).select(ndarray::Axis(0), &of_units);
            let relabelled: Vec<u32> = order.iter().map(|&example| labels[example]).collect();
            let (most, class) = (libm::log2(examples as f64), Classes::new(&labels).entropy());
            let specs = ["binning", "upper", "lower"].map(|name| EstimatorSpec::by_name(name).unwrap());
            let [binning, upper, lower] = specs.map(|spec| {
                let (one, other) = (of(spec, &values, &labels), of(spec, &shuffled, &relabelled));
                assert!(one.iter().zip(other).all(|(a, b)| (a - b).abs() <= 1e-12), "{spec:?} {seed}: {one:?}, {other:?}");
                assert!((0.0..=most + 1e-12).contains(&one[0]) && one[1] <= class + 1e-12, "{spec:?} {seed}: {one:?}");
                assert!(examples > 1 && units > 0 || one == [0.0, 0.0], "{spec:?} {seed}: {one:?}");
                one
            });
            assert!(lower[0] <= upper[0] + 1e-12 && binning[1] <= binning[0] + 1e-12 && binning[1] >= 0.0, "{seed}");
        }
    }

    #[test]
    fn threads_and_instruction_sets_change_no_bit() {
        let mut stream = Stream::new(9, Purpose::Init, 0);
        let values = Array2::from_shape_simple_fn((5, 203), || stream.normal());
        let classes = Classes::new(&(0..203).map(|_| stream.below(4)).collect::<Vec<_>>());
        let spec = EstimatorSpec::Upper { noise_variance: 0.2 };
        let of = |exec| spec.of_layer(Values::Double(values.view()), &classes, exec, &mut Scratch::default()).unwrap();
        let expected = of(Exec::serial());
        for isa in crate::math::simd::Isa::available() {
            for parallel in [false, true] {
                assert_eq!(of(Exec { isa, parallel }), expected, "{}", isa.name());
            }
        }
    }
}

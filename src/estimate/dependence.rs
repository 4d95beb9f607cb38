//! How the layers of one network depend on each other: all pairs of layers, or of units of a layer, at once.
//!
//! dcor and svcca compare layers, bspline and adaptive the units of a layer. The values are those of the methods' own pages, up to rounding;
//! what pairs have in common (distances within a layer, covariances, splines, ranks) is computed once.

use rayon::prelude::*;

use super::spec::EstimatorSpec;
use super::{EstimateError, Sample};
use crate::math::exec::Exec;

/// The dependence of two layers, or of two units of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dependence {
    /// Places of the layers among those that were given, the first not behind the second.
    pub layers: (usize, usize),
    /// The units, where they are what is compared; the first not behind the second.
    pub units: Option<(u32, u32)>,
    /// A correlation, or bits.
    pub value: f64,
}

/// What a dependence measure compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compares {
    /// Every two layers.
    Layers,
    /// Every two units of each layer.
    Units {
        /// Also each unit with itself.
        itself: bool,
    },
}

impl Compares {
    /// Pairs within a layer, in the order of their values.
    fn pairs(self, units: usize) -> impl Iterator<Item = (usize, usize)> {
        let apart = usize::from(self != Self::Units { itself: true });
        (0..units).flat_map(move |a| (a + apart..units).map(move |b| (a, b)))
    }

    /// Values that layers of so many units give.
    #[must_use]
    pub fn values(self, units: impl Iterator<Item = u64>) -> u64 {
        let pairs = |n: u64| n * n.saturating_sub(1) / 2;
        match self {
            Self::Layers => pairs(units.count() as u64),
            Self::Units { itself } => units.map(|n| pairs(n) + if itself { n } else { 0 }).sum(),
        }
    }
}

impl EstimatorSpec {
    /// What this method compares, if it is a dependence measure; nothing of an estimator of I(X;T) and I(T;Y).
    #[must_use]
    pub const fn compares(&self) -> Option<Compares> {
        match self {
            Self::Dcor(_) | Self::Svcca(_) => Some(Compares::Layers),
            // A unit with itself: what is in it, as far as the bins show it.
            Self::Bspline(_) => Some(Compares::Units { itself: true }),
            Self::Adaptive(_) => Some(Compares::Units { itself: false }),
            Self::Binning { .. } | Self::Upper { .. } | Self::Lower { .. } | Self::Bins(_) | Self::WeightedBinning(_) => None,
            Self::Edge(_) | Self::Ksg1(_) | Self::Ksg2(_) | Self::MixedKsg(_) | Self::Kde(_) => None,
        }
    }

    /// A cohort measures every so many recorded epochs, and the last.
    #[must_use]
    pub const fn every(&self) -> usize {
        let every = match self {
            Self::Dcor(dcor) => dcor.every,
            Self::Svcca(svcca) => svcca.every,
            Self::Bspline(bspline) => bspline.every,
            Self::Adaptive(adaptive) => adaptive.every,
            _ => None,
        };
        match every {
            Some(every) => every as usize,
            None => 1,
        }
    }

    /// Whether a cohort measures at the recorded epoch of this number, from 0.
    #[must_use]
    pub const fn measures_at(&self, place: usize, is_last: bool) -> bool {
        is_last || place.is_multiple_of(self.every())
    }

    /// How many of so many recorded epochs a cohort measures.
    #[must_use]
    pub const fn measured_of(&self, recorded: usize) -> usize {
        let every = self.every();
        let stepped = recorded.div_ceil(every);
        if recorded > 0 && !(recorded - 1).is_multiple_of(every) { stepped + 1 } else { stepped }
    }

    /// The dependences of some layers, all of the same examples, in the order of layers and units.
    ///
    /// # Errors
    /// [`EstimateError::NotOfPairs`] where this is no dependence measure; what the method itself refuses.
    pub fn dependences(&self, layers: &[Sample<'_>], exec: Exec) -> Result<Vec<Dependence>, EstimateError> {
        let compares = self.compares().ok_or(EstimateError::NotOfPairs { estimator: self.name() })?;
        let of_layers = |values: Vec<f64>| {
            let pairs = Compares::Layers.pairs(layers.len()).zip(values);
            pairs.map(|(layers, value)| Dependence { layers, units: None, value }).collect()
        };
        Ok(match self {
            Self::Dcor(dcor) => {
                let wide: Vec<_> = layers.iter().map(Sample::wide).collect();
                let sides: Vec<_> = wide.iter().map(|layer| layer.t()).collect();
                of_layers(dcor.values(&sides, exec)?)
            }
            Self::Svcca(svcca) => of_layers(svcca.of_layers(layers, exec)),
            Self::Bspline(bspline) => {
                let bits = |a: &Vec<_>, b: &Vec<_>| bspline.bits_of(a, b);
                of_units(layers, compares, |column| bspline.weights(column.into()), bits, exec)
            }
            Self::Adaptive(adaptive) => {
                let bits = |a: &_, b: &_| adaptive.bits_of(a, b);
                of_units(layers, compares, |column| super::adaptive::Ranks::of(column.into()), bits, exec)
            }
            _ => Vec::new(),
        })
    }
}

/// Of every layer the values of `of` for all pairs of its units, each made ready by `prepare`.
fn of_units<P: Send + Sync>(
    layers: &[Sample<'_>],
    compares: Compares,
    prepare: impl Fn(&[f64]) -> P + Sync,
    of: impl Fn(&P, &P) -> f64 + Sync,
    exec: Exec,
) -> Vec<Dependence> {
    let mut all = Vec::new();
    for (layer, sample) in layers.iter().enumerate() {
        let wide = sample.wide();
        let column = |unit: usize| prepare(wide.row(unit).as_slice().unwrap_or_default());
        let pairs: Vec<_> = compares.pairs(sample.units()).collect();
        let one = |units: &[P], (a, b): (usize, usize)| {
            // Fewer units than 2^32: each has a column in memory.
            Dependence { layers: (layer, layer), units: Some((a as u32, b as u32)), value: of(&units[a], &units[b]) }
        };
        if exec.parallel {
            let units: Vec<P> = (0..sample.units()).into_par_iter().map(column).collect();
            all.par_extend(pairs.into_par_iter().map(|pair| one(&units, pair)));
        } else {
            let units: Vec<P> = (0..sample.units()).map(column).collect();
            all.extend(pairs.into_iter().map(|pair| one(&units, pair)));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::super::{Classes, Pair, PairEstimator, Scratch, Side};
    use super::*;
    use crate::estimate::params::Value;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::Isa;

    /// Layers that follow from each other, of 5, 3, 1 and 1 units; the last one constant.
    fn layers() -> Vec<Array2<f32>> {
        let mut stream = Stream::new(3, Purpose::Init, 0);
        let first = Array2::from_shape_simple_fn((5, 211), || stream.normal() as f32);
        let second = Array2::from_shape_fn((3, 211), |(u, e)| libm::tanhf(first[(u, e)] - first[(u + 1, e)]));
        let third = second.slice(s![..1, ..]).mapv(|v| v * v);
        vec![first, second, third, Array2::from_elem((1, 211), 0.1)]
    }

    fn spec(name: &str, parameters: &[(&'static str, Value)]) -> EstimatorSpec {
        EstimatorSpec::by_name(name).unwrap().with(parameters).unwrap()
    }

    #[test]
    fn all_at_once_are_the_methods_one_by_one() {
        let (layers, classes) = (layers(), Classes::new(&[0; 211]));
        let samples: Vec<_> = layers.iter().map(|values| Sample::new(values.view(), &classes).unwrap()).collect();
        let wide: Vec<Array2<f64>> = samples.iter().map(|sample| sample.wide().reversed_axes()).collect();
        for spec in [
            spec("dcor", &[]),
            spec("dcor", &[("unbiased", Value::Switch(true))]),
            spec("svcca", &[]),
            spec("svcca", &[("variance", Value::Number(0.8))]),
            spec("bspline", &[("bins", Value::Integer(5)), ("order", Value::Integer(2))]),
            spec("adaptive", &[]),
        ] {
            let got = spec.dependences(&samples, Exec::serial()).unwrap();
            let units = layers.iter().map(|layer| layer.nrows() as u64);
            assert_eq!(got.len() as u64, spec.compares().unwrap().values(units), "{}", spec.name());
            assert!(got.is_sorted_by_key(|d| (d.layers, d.units)), "{}", spec.name());
            for Dependence { layers: (a, b), units, value } in &got {
                let (x, y) = match units {
                    None => (wide[*a].view(), wide[*b].view()),
                    Some((u, v)) => {
                        let column = |layer: usize, unit: u32| wide[layer].slice(s![.., unit as usize..=unit as usize]);
                        (column(*a, *u), column(*b, *v))
                    }
                };
                let pair = Pair::new(x, Side::Values(y)).unwrap();
                let alone = spec.estimate(&pair, Exec::serial(), &mut Scratch::default()).unwrap().value;
                assert!((alone - value).abs() < 1e-10, "{} {a} {b} {units:?}: {value}, alone {alone}", spec.name());
            }
            for isa in Isa::available() {
                for parallel in [false, true] {
                    assert_eq!(
                        spec.dependences(&samples, Exec { isa, parallel }).unwrap(),
                        got,
                        "{} {}",
                        spec.name(),
                        isa.name()
                    );
                }
            }
        }
        let refused = spec("upper", &[]).dependences(&samples, Exec::serial());
        assert_eq!(refused, Err(EstimateError::NotOfPairs { estimator: "upper" }));
        assert!(spec("svcca", &[]).dependences(&[], Exec::serial()).unwrap().is_empty());
    }

    #[test]
    fn the_epochs_are_every_so_many_and_the_last() {
        for every in 1..6 {
            let spec = spec("dcor", &[("every", Value::Integer(every))]);
            for recorded in 0..13 {
                let measured = (0..recorded).filter(|place| spec.measures_at(*place, place + 1 == recorded)).count();
                assert_eq!(spec.measured_of(recorded), measured, "{every} {recorded}");
            }
        }
        assert_eq!((spec("upper", &[]).every(), spec("upper", &[]).measured_of(7)), (1, 7));
    }
}

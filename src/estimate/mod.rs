//! Estimators of mutual information, one idea a file. Pure: no I/O, no clock, no environment, no logging.
//!
//! Everything here answers one question for one layer: how many bits of the input X, and how many of the class Y, does the
//! activation T carry? T is a function of X, so I(X;T) is an entropy of T, and I(T;Y) = H(T) − Σ_y p(y) H(T|y).
//!
//! Reading order:
//!
//! * [`sample`]: a layer's activations with their classes, checked once; [`pair`]: samples of two measured sides, and answers about them,
//! * [`spec`]: which estimator, with which parameters, with the help of [`params`],
//! * [`binning`], [`bins`] and [`weighted`] on top of `rows` (which rows of bins are equal), with [`correction`] of their bias,
//! * [`bounds`] (upper and lower) on top of `pairs` (the sums over all pairs, cut into work) and `tile` (their innermost loops),
//! * `double`: binning and bounds of double precision, on top of `pairs_double`,
//! * [`edge`] on top of `buckets` (hashing),
//! * [`ksg`] and [`mixed_ksg`] on top of `neighbours` (what lies around each example),
//! * [`kde`] on top of `pairs`,
//! * of two columns: [`bspline`] and [`adaptive`],
//! * dependence beside information: distance correlation, [`dcor`], and the likeness of layers, [`svcca`]; [`dependence`] of all layers
//!   of a network at once,
//! * [`resample`]: standard errors, intervals and null distributions of any of them.
//!
//! Each method's page tells formula, source, assumptions, cost, pitfalls and defaults. `reference` holds slow, plain twins, compiled for
//! tests only.
//!
//! ```
//! use infoplane::estimate::{Classes, Estimator, EstimatorSpec, Sample, Scratch};
//! use infoplane::math::exec::Exec;
//! use ndarray::array;
//!
//! let activations = array![[0.1_f32, 0.1, 0.9, 0.9], [0.5, 0.5, 0.5, 0.5]]; // units × examples
//! let classes = Classes::new(&[0, 0, 1, 1]);
//! let sample = Sample::new(activations.view(), &classes)?;
//! let spec = EstimatorSpec::Binning { bin_width: 0.07 };
//! let information = spec.information(&sample, Exec::serial(), &mut Scratch::default())?;
//! assert_eq!((information.i_xt, information.i_ty), (Some(1.0), Some(1.0)));
//! # Ok::<(), infoplane::estimate::EstimateError>(())
//! ```

pub mod adaptive;
pub mod binning;
pub mod bins;
pub mod bounds;
pub mod bspline;
mod buckets;
pub mod correction;
pub mod dcor;
pub mod dependence;
mod double;
pub mod edge;
mod error;
pub mod kde;
pub mod ksg;
pub mod mixed_ksg;
mod neighbours;
pub mod pair;
mod pairs;
mod pairs_double;
pub mod params;
#[cfg(test)]
mod reference;
pub mod resample;
mod rows;
pub mod sample;
pub mod spec;
pub mod svcca;
#[cfg(test)]
mod tests;
mod tile;
pub mod weighted;

pub use correction::Correction;
pub use dependence::Dependence;
pub use double::Values;
pub use error::EstimateError;
pub use pair::{Estimate, Pair, Side, Unit, Warning};
pub use pairs::Packed;
pub use pairs_double::PackedDouble;
pub use sample::{Classes, Sample};
pub use spec::EstimatorSpec;

use crate::math::exec::Exec;
use crate::math::pool::Pool;

/// What a layer's activation tells, in bits; nothing where the method does not give that one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Information {
    /// I(X;T): about the input.
    pub i_xt: Option<f64>,
    /// I(T;Y): about the class.
    pub i_ty: Option<f64>,
}

impl Information {
    /// Both.
    #[must_use]
    pub const fn both(i_xt: f64, i_ty: f64) -> Self {
        Self { i_xt: Some(i_xt), i_ty: Some(i_ty) }
    }
}

/// A method of estimating information.
///
/// The value depends on the sample alone: not on the instruction set, the number of threads or what the scratch space held before.
pub trait Estimator {
    /// Both informations of `sample`.
    ///
    /// # Errors
    /// If a parameter of the estimator lies outside its domain, [`EstimateError::Parameter`].
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError>;
}

/// A method of estimating the dependence of two sides of a sample on each other.
///
/// The value depends on the sample alone: not on the instruction set, the number of threads or what the scratch space held before.
pub trait PairEstimator {
    /// How much the two sides tell of each other.
    ///
    /// # Errors
    /// Where the method is not for such a sample.
    fn estimate(&self, sample: &Pair<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, EstimateError>;
}

/// Memory that estimators use again from call to call: after the first call of a size, none of it is allocated.
#[derive(Debug, Default)]
pub struct Scratch {
    binning: binning::Buffers,
    bins: bins::Buffers,
    pairs: pairs::Buffers,
    neighbours: neighbours::Buffers,
    edge: Pool<buckets::Space>,
    svcca: Pool<svcca::Space>,
}

impl Estimator for EstimatorSpec {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        match *self {
            Self::Binning { bin_width } => binning::Binning::new(bin_width)?.information(sample, exec, scratch),
            Self::Upper { noise_variance } => bounds::Bound::upper(noise_variance)?.information(sample, exec, scratch),
            Self::Lower { noise_variance } => bounds::Bound::lower(noise_variance)?.information(sample, exec, scratch),
            Self::Bins(bins) => bins.information(sample, exec, scratch),
            Self::Edge(edge) => edge.information(sample, exec, scratch),
            Self::WeightedBinning(weighted) => weighted.information(sample, exec, scratch),
            Self::Ksg1(ksg) => ksg.information(ksg::Algorithm::First, sample, exec, scratch),
            Self::Ksg2(ksg) => ksg.information(ksg::Algorithm::Second, sample, exec, scratch),
            Self::MixedKsg(ksg) => ksg.information(sample, exec, scratch),
            Self::Kde(kde) => kde.information(sample, exec, scratch),
            Self::Dcor(_) | Self::Svcca(_) | Self::Bspline(_) | Self::Adaptive(_) => {
                Err(EstimateError::NotOfLayers { estimator: self.name() })
            }
        }
    }
}

impl PairEstimator for EstimatorSpec {
    fn estimate(&self, sample: &Pair<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, EstimateError> {
        match *self {
            Self::Edge(edge) => edge.estimate(sample, exec, scratch),
            Self::Binning { .. } | Self::Upper { .. } | Self::Lower { .. } | Self::Bins(_) | Self::WeightedBinning(_) => {
                Err(EstimateError::NotOfPairs { estimator: self.name() })
            }
            Self::Ksg1(ksg) => ksg.estimate(ksg::Algorithm::First, sample, self.params(), exec, scratch),
            Self::Ksg2(ksg) => ksg.estimate(ksg::Algorithm::Second, sample, self.params(), exec, scratch),
            Self::MixedKsg(ksg) => ksg.estimate(sample, self.params(), exec, scratch),
            Self::Dcor(dcor) => dcor.estimate(sample, self.params(), exec),
            Self::Kde(kde) => kde.estimate(sample, self.params(), exec),
            Self::Svcca(svcca) => Ok(svcca.estimate(sample, self.params(), exec, &scratch.svcca)),
            Self::Bspline(bspline) => bspline.estimate(sample, self.params()),
            Self::Adaptive(adaptive) => adaptive.estimate(sample, self.params()),
        }
    }
}

//! Upper and lower: bounds on the information of a layer with Gaussian noise added to every unit.
//!
//! # Formula
//! With noise N(0, σ²) in every unit, T is a mixture of N Gaussians around the activations t_i. With the kernel
//! K_ij = exp(−‖t_i − t_j‖²/c) and its sums S_i = Σ_j K_ij and S_i^y = Σ_{j of i's class} K_ij, self terms included, in bits
//!
//! > I(X;T) = −(1/N) Σ_i log₂(S_i/N)
//! >
//! > I(T;Y) = H(T) − Σ_y (N_y/N) H(T|y) = (1/N) Σ_i log₂((S_i^y/N_y) / (S_i/N))
//!
//! c = 2σ² gives the upper bound (distances between components by Kullback & Leibler), c = 8σ² the lower one (Bhattacharyya). The
//! entropy of the noise, D/2·log₂(2πeσ²), is part of H(T) and of every H(T|y) and cancels in both.
//!
//! # Source
//! A. Kolchinsky & B. Tracey, *Estimating mixture entropy with pairwise distances*, Entropy 19 (2017) 361; for layers:
//! A. Kolchinsky, B. Tracey & D. Wolpert, *Nonlinear information bottleneck*, Entropy 21 (2019) 1181.
//!
//! # Assumptions
//! The noise is the analyst's: the network itself is deterministic. The examples are the whole distribution of X, equally likely.
//!
//! # Cost
//! 2D + 13 vector instructions for 16 of the N²/2 pairs, O(N·D) memory; see the source of `pairs`. Distances are direct
//! differences in single precision (never x² + y² − 2xy, which cancels), sums in double: both informations come out within 1e-6 bits.
//! Activations in double precision (`infoplane estimate` on such files) are compared and summed in double: 1e-12, at a quarter of the speed.
//!
//! # Pitfalls
//! * I(X;T) saturates at log₂N when σ is small beside the distances between activations, and says little there.
//! * The two are bounds on I(X;T). I(T;Y) is a difference of two upper (or of two lower) bounds: an estimate, not a bound. It never
//!   exceeds H(Y), but can be below 0 when classes interleave in many dimensions; such a value is returned as it is.
//! * σ² is absolute: compare layers or epochs of different ranges with care.
//!
//! # Parameters
//! `noise_variance` σ², 1e-3 by default: σ ≈ 0.03, half a bin of [`binning`](super::binning), so that the two see alike.

use super::error::in_domain;
use super::pairs::{Packed, Sums};
use super::pairs_double::PackedDouble;
use super::params::{POSITIVE, parameters};
use super::{Classes, EstimateError, Estimator, EstimatorSpec, Information, Sample, Scratch};
use crate::math::exec::Exec;
use ndarray::ArrayView2;

parameters! {
    /// Parameters of both bounds.
    Noise {
        /// variance of the Gaussian noise in every unit
        noise_variance: f64 = 1e-3, POSITIVE;
    }
}

/// One of the two bounds; see the module for the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// log₂e / c: the kernel is 2^(−rate·‖t_i − t_j‖²).
    rate: f64,
}

impl Bound {
    /// The upper bound, with c = 2σ².
    ///
    /// # Errors
    /// If `noise_variance`, σ², is not between 1e-30 and 1e30.
    pub fn upper(noise_variance: f64) -> Result<Self, EstimateError> {
        Self::with_scale(2.0, noise_variance)
    }

    /// The lower bound, with c = 8σ².
    ///
    /// # Errors
    /// If `noise_variance`, σ², is not between 1e-30 and 1e30.
    pub fn lower(noise_variance: f64) -> Result<Self, EstimateError> {
        Self::with_scale(8.0, noise_variance)
    }

    fn with_scale(scale: f64, noise_variance: f64) -> Result<Self, EstimateError> {
        let variance = in_domain("noise_variance", noise_variance)?;
        Ok(Self { rate: std::f64::consts::LOG2_E / (scale * variance) })
    }
}

impl Estimator for Bound {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        Ok(Self::of_layer(&[*self], sample, exec, scratch)[0])
    }
}

impl Bound {
    /// The bound that an estimator is, if it is one.
    #[must_use]
    pub fn of(spec: &EstimatorSpec) -> Option<Result<Self, EstimateError>> {
        match *spec {
            EstimatorSpec::Upper { noise_variance } => Some(Self::upper(noise_variance)),
            EstimatorSpec::Lower { noise_variance } => Some(Self::lower(noise_variance)),
            _ => None,
        }
    }

    /// What each of some bounds says of one layer, to the bit as alone. Two at a time share the distances of all pairs, which saves up to
    /// a fifth of the time.
    pub fn of_layer(bounds: &[Self], sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Vec<Information> {
        if sample.units() == 0 {
            return vec![Information::both(0.0, 0.0); bounds.len()];
        }
        let mut all = Vec::with_capacity(bounds.len());
        let (pairs, rest) = bounds.as_chunks::<2>();
        for pair in pairs {
            let sums = scratch.pairs.sums(sample, pair.map(|bound| bound.rate), exec);
            all.extend([0, 1].map(|k| information(sums.iter().map(|at| &at[k]), sample.classes())));
        }
        for bound in rest {
            let sums = scratch.pairs.sums(sample, [bound.rate], exec);
            all.push(information(sums.as_flattened().iter(), sample.classes()));
        }
        all
    }

    /// Both informations of a layer that lies as the sums want it.
    ///
    /// # Errors
    /// With another number of labels than examples.
    pub fn of_packed(
        &self,
        packed: &Packed,
        classes: &Classes,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let (activations, labels) = (packed.examples(), classes.examples());
        if activations != labels {
            return Err(EstimateError::LengthMismatch { activations, labels });
        }
        if activations == 0 {
            return Err(EstimateError::Empty);
        }
        if packed.units() == 0 {
            return Ok(Information::both(0.0, 0.0));
        }
        Ok(information(scratch.pairs.sums_of(packed, self.rate, exec).as_flattened().iter(), classes))
    }

    /// The same in double precision.
    ///
    /// # Errors
    /// With another number of labels than examples.
    pub fn of_packed_double(&self, packed: &PackedDouble, classes: &Classes, exec: Exec) -> Result<Information, EstimateError> {
        let (activations, labels) = (packed.examples(), classes.examples());
        if activations != labels {
            return Err(EstimateError::LengthMismatch { activations, labels });
        }
        if activations == 0 {
            return Err(EstimateError::Empty);
        }
        if packed.units() == 0 {
            return Ok(Information::both(0.0, 0.0));
        }
        Ok(information(packed.sums(self.rate, exec).iter(), classes))
    }

    /// Both informations of activations units × examples in double precision.
    pub(super) fn of_double(
        &self,
        values: ArrayView2<'_, f64>,
        classes: &Classes,
        exec: Exec,
    ) -> Result<Information, EstimateError> {
        let mut packed = PackedDouble::new(values.nrows(), classes);
        for (example, column) in values.columns().into_iter().enumerate() {
            packed.set(example, column.iter().copied())?;
        }
        self.of_packed_double(&packed, classes, exec)
    }
}

/// Both informations from the sums of the kernel at every example, examples class by class.
///
/// Each logarithm is of a quotient that is exactly 1 where the layer is constant, so that such a layer tells exactly nothing.
fn information<'a>(sums: impl ExactSizeIterator<Item = &'a Sums> + Clone, classes: &Classes) -> Information {
    let n = sums.len() as f64;
    let about_input = sum_log2(sums.clone().map(|at| (at.same + at.other) / n));
    let mut about_class = 0.0;
    let mut rest = sums;
    for members in classes.members() {
        let size = members.len() as f64;
        about_class += sum_log2(rest.by_ref().take(members.len()).map(|at| (at.same * n) / ((at.same + at.other) * size)));
    }
    // Subtracting from and adding to 0 leaves no −0.
    Information::both(0.0 - about_input / n, 0.0 + about_class / n)
}

/// Σ log₂ of numbers between 1/N and N. Products of sixteen of them stay far from overflow and underflow: one logarithm for all.
pub(super) fn sum_log2(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut product, mut factors) = (0.0, 1.0, 0);
    for number in numbers {
        product *= number;
        factors += 1;
        if factors == 16 {
            sum += libm::log2(product);
            (product, factors) = (1.0, 0);
        }
    }
    sum + libm::log2(product)
}

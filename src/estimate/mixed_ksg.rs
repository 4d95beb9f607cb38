//! mixed_ksg: mutual information where variables are continuous, discrete, or a mixture of both. The one for I(T;Y) with classes.
//!
//! # Formula
//! With max-norm distances as in [`ksg`](super::ksg) and ρ_i the distance of example i to its k-th neighbour in the joint space, in nats
//!
//! > I(X;Y) = ⟨ψ(k̃_i) + ln N − ψ(n_x,i) − ψ(n_y,i)⟩
//!
//! Where ρ_i > 0, k̃ = k, and n_x, n_y count the examples strictly within ρ_i in x and in y. Where ρ_i = 0, k̃ counts the examples that
//! equal i, n_x and n_y those that equal it in x and in y. All of these counts include i itself.
//!
//! # Source
//! W. Gao, S. Kannan, S. Oh & P. Viswanath, *Estimating mutual information for discrete-continuous mixtures*, NeurIPS 2017, as their
//! program computes it. The paper's own formula has logarithms in place of ψ for n_x and n_y, which is badly biased at k = 5.
//!
//! # Assumptions
//! Independent examples; the joint distribution may have point masses, densities and both at once. Of a layer, y is the class's number:
//! classes are as far apart as their numbers, which only matters where ρ exceeds that.
//!
//! # Cost
//! As [`ksg`](super::ksg).
//!
//! # Pitfalls
//! * The max-norm compares units: activations on a scale far above the distance of class numbers (1) make neighbours of different
//!   classes, and information about the class fades. Divide by the activations' spread then.
//! * Saturates near ln N − ψ(k) for continuous variables. I(X;T) is not given for layers: see [`ksg`](super::ksg).
//! * The program of the authors subtracts 1e-15 from ρ; here ρ itself is excluded, which is the same for distances above 1e-15 that
//!   are not within 1e-15 of each other.
//!
//! # Parameters
//! `k`, 5 by default as in the authors' program.

use ndarray::ArrayView2;

use super::ksg::{NEIGHBOURS, class_numbers, layer_values, warn};
use super::neighbours::{Buffers, Rule, mean_digamma};
use super::pair::side_values;
use super::params::parameters;
use super::{Estimate, EstimateError, Information, Pair, Sample, Scratch, Unit};
use crate::math::exec::Exec;

parameters! {
    /// Parameters of the estimator for mixtures.
    MixedKsg {
        /// which neighbour decides what is near
        k: u32 = 5, NEIGHBOURS;
    }
}

impl MixedKsg {
    /// The dependence of two sides.
    pub(super) fn estimate(
        &self,
        sample: &Pair<'_>,
        params: String,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Estimate, EstimateError> {
        let y = side_values(sample.y());
        let (nats, ties) = nats(self.k, sample.x(), y.view(), exec, &mut scratch.neighbours)?;
        let mut estimate = Estimate::new(nats * std::f64::consts::LOG2_E, Unit::Bits, sample, params);
        // Ties are what this method is for: told, not warned of.
        estimate.ties = Some(ties);
        warn(&mut estimate, self.k);
        Ok(estimate)
    }

    /// I(T;Y) of a layer.
    pub(super) fn information(
        &self,
        sample: &Sample<'_>,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let (x, y) = (layer_values(sample), class_numbers(sample));
        let (nats, _) = nats(self.k, x.view(), y.view(), exec, &mut scratch.neighbours)?;
        Ok(Information { i_xt: None, i_ty: Some(nats * std::f64::consts::LOG2_E) })
    }
}

/// The estimate in nats, and how many examples have ties.
fn nats(
    k: u32,
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    exec: Exec,
    buffers: &mut Buffers,
) -> Result<(f64, u64), EstimateError> {
    let Some(around) = buffers.around(x, y, k as usize, Rule::BallOrTies, exec)? else { return Ok((0.0, 0)) };
    let ties = around.iter().filter(|around| around.tied).count() as u64;
    let joint = mean_digamma(around.iter().map(|a| a.neighbours));
    let sides = mean_digamma(around.iter().map(|a| a.x + 1)) + mean_digamma(around.iter().map(|a| a.y + 1));
    Ok((joint + libm::log(around.len() as f64) - sides, ties))
}

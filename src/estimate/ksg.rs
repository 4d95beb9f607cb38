//! ksg1 and ksg2: mutual information of continuous variables from distances to nearest neighbours.
//!
//! # Formula
//! Distances are max-norms: in x, in y, and, as the larger of the two, in the joint space. ρ_i is the distance of example i to its
//! k-th neighbour in the joint space. In nats, with the digamma function ψ,
//!
//! > ksg1: I(X;Y) = ψ(k) + ψ(N) − ⟨ψ(n_x + 1) + ψ(n_y + 1)⟩, n_x and n_y counting the other examples strictly within ρ_i
//! >
//! > ksg2: I(X;Y) = ψ(k) − 1/k + ψ(N) − ⟨ψ(n_x) + ψ(n_y)⟩, n_x counting those whose distance in x is at most the largest
//! > distance in x of the k neighbours, n_y the same in y
//!
//! Of a layer the answer is I(T;Y) with the class's number as y. I(X;T) is not given: T is a function of X, so it is infinite for
//! continuous T, and an estimate would be a function of N alone.
//!
//! # Source
//! A. Kraskov, H. Stögbauer & P. Grassberger, *Estimating mutual information*, Physical Review E 69 (2004) 066138, equations 8 and 9.
//!
//! # Assumptions
//! Independent examples of a continuous density that is about constant within the neighbourhoods.
//!
//! # Cost
//! O(N log N) in few dimensions (trees and bisection), O(N²·D/16) vector instructions else (all pairs in single precision); where
//! one way begins to win is measured, see the source of `neighbours`. O(N) memory. Counts are exact in f64 either way: they equal
//! those of the plain double loop to the last one.
//!
//! # Pitfalls
//! * Discrete or repeated values break the formula: neighbours at distance 0, several at the k-th place. How many examples are
//!   concerned is told as ties. Use [`mixed_ksg`](super::mixed_ksg), or `noise` where the repetition is rounding.
//! * Values near ψ(N) − ψ(k) mean "at least so much": N examples cannot show more.
//! * In many dimensions neighbourhoods are wide, and strong dependence is underestimated.
//! * The max-norm compares units: of variables of different scale the larger alone decides who is near. `standardise` helps.
//! * The value can be below 0 by its standard error; it is returned as it is.
//!
//! # Parameters
//! `k`, 3 by default as its authors recommend 2 to 4 (larger: less variance, more bias); `standardise`, off by default, scales every
//! column to unit variance (N − 1 in the denominator); `noise`, off by default, adds normal noise of that share of each column's
//! standard deviation, the same on every call, to break ties (1e-10 is usual).

use ndarray::{Array2, ArrayView2};

use super::neighbours::{Buffers, Rule, mean_digamma};
use super::pair::side_values;
use super::params::{Domain, parameters};
use super::{Estimate, EstimateError, Information, Pair, Sample, Scratch, Unit, Warning};
use crate::math::digamma::digamma;
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};

/// Neighbours that may be asked for.
pub(super) const NEIGHBOURS: Domain = Domain::Integer { min: 1, max: 1000 };

parameters! {
    /// Parameters of Kraskov's estimators.
    Ksg {
        /// which neighbour decides what is near
        k: u32 = 3, NEIGHBOURS;
        /// whether columns are scaled to unit variance
        standardise: bool = false, Domain::Switch;
        /// normal noise against ties, as a share of each column's standard deviation
        noise: Option<f64> = None, Domain::Number { min: 1e-15, max: 1.0 };
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// ksg1: one radius for both sides.
    First,
    /// ksg2: a radius a side.
    Second,
}

impl Ksg {
    /// The dependence of two sides.
    pub(super) fn estimate(
        &self,
        algorithm: Algorithm,
        sample: &Pair<'_>,
        params: String,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Estimate, EstimateError> {
        let y = side_values(sample.y());
        let (nats, ties) = self.nats(algorithm, sample.x(), y.view(), exec, &mut scratch.neighbours)?;
        let mut estimate = Estimate::new(nats * std::f64::consts::LOG2_E, Unit::Bits, sample, params);
        estimate.ties = Some(ties);
        if ties > 0 {
            estimate.warnings.push(Warning::Ties { examples: ties });
        }
        if let Some(noise) = self.noise {
            estimate.warnings.push(Warning::Other(format!("noise of {noise:e} standard deviations was added to every column")));
        }
        let most = warn(&mut estimate, self.k);
        // Without ties no value is larger; where most examples have them, one that comes near is theirs as well.
        let n = estimate.examples as u64;
        let near = estimate.warnings.iter().any(|warning| matches!(warning, Warning::Saturated { .. }));
        if near && (estimate.value > most * (1.0 + 1e-9) || 2 * ties > n) {
            estimate.warnings.retain(|warning| !matches!(warning, Warning::Saturated { .. }));
            estimate.warnings.push(Warning::TiesDecide { most });
        }
        Ok(estimate)
    }

    /// I(T;Y) of a layer.
    pub(super) fn information(
        &self,
        algorithm: Algorithm,
        sample: &Sample<'_>,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let (x, y) = (layer_values(sample), class_numbers(sample));
        let (nats, _) = self.nats(algorithm, x.view(), y.view(), exec, &mut scratch.neighbours)?;
        Ok(Information { i_xt: None, i_ty: Some(nats * std::f64::consts::LOG2_E) })
    }

    fn nats(
        &self,
        algorithm: Algorithm,
        x: ArrayView2<'_, f64>,
        y: ArrayView2<'_, f64>,
        exec: Exec,
        buffers: &mut Buffers,
    ) -> Result<(f64, u64), EstimateError> {
        if self.standardise || self.noise.is_some() {
            let [x, y] = [(x, 0), (y, 1)].map(|(side, number)| self.prepared(side, number));
            return nats(algorithm, self.k, x.view(), y.view(), exec, buffers);
        }
        nats(algorithm, self.k, x, y, exec, buffers)
    }

    /// A side standardised and with noise, as asked for.
    fn prepared(&self, side: ArrayView2<'_, f64>, number: u64) -> Array2<f64> {
        let mut side = side.to_owned();
        let n = side.nrows() as f64;
        for (unit, mut column) in (0..).zip(side.columns_mut()) {
            // Halves cannot overflow when they are subtracted.
            let mean = column.iter().map(|v| v / n).sum::<f64>();
            let scale = column.iter().fold(0.0f64, |m, v| m.max((0.5 * v - 0.5 * mean).abs()));
            if scale == 0.0 {
                continue;
            }
            let centred = |v: f64| (0.5 * v - 0.5 * mean) / scale;
            let deviation = (column.iter().map(|&v| centred(v) * centred(v)).sum::<f64>() / (n - 1.0)).sqrt();
            if self.standardise {
                column.mapv_inplace(|v| centred(v) / deviation);
            }
            if let Some(noise) = self.noise {
                let amplitude = noise * if self.standardise { 1.0 } else { 2.0 * deviation * scale };
                let mut stream = Stream::new(number, Purpose::Noise, unit);
                column.mapv_inplace(|v| v + amplitude * stream.normal());
            }
        }
        side
    }
}

/// The estimate in nats, and how many examples have ties.
fn nats(
    algorithm: Algorithm,
    k: u32,
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    exec: Exec,
    buffers: &mut Buffers,
) -> Result<(f64, u64), EstimateError> {
    let rule = match algorithm {
        Algorithm::First => Rule::Ball,
        Algorithm::Second => Rule::Extents,
    };
    let Some(around) = buffers.around(x, y, k as usize, rule, exec)? else { return Ok((0.0, 0)) };
    let ties = around.iter().filter(|around| around.tied).count() as u64;
    let (mean_x, mean_y, correction) = match algorithm {
        Algorithm::First => (mean_digamma(around.iter().map(|a| a.x + 1)), mean_digamma(around.iter().map(|a| a.y + 1)), 0.0),
        Algorithm::Second => {
            (mean_digamma(around.iter().map(|a| a.x)), mean_digamma(around.iter().map(|a| a.y)), 1.0 / f64::from(k))
        }
    };
    // Equal parts first: where one side tells nothing they cancel exactly.
    Ok(((digamma(around.len() as u32) - mean_x) + (digamma(k) - correction - mean_y), ties))
}

/// Says where an estimate by `k` neighbours lies outside what they can tell, and gives the most that they can, in bits.
pub(super) fn warn(estimate: &mut Estimate, k: u32) -> f64 {
    /// Share of the most that can be shown from which on the estimate is a lower bound at best.
    const NEAR: f64 = 0.8;
    let n = estimate.examples as u64;
    let least = (25 * (estimate.dims.0 + estimate.dims.1) as u64).max(20 * u64::from(k)).max(50);
    estimate.warn_below(least);
    let most = (digamma(n as u32) - digamma(k)) * std::f64::consts::LOG2_E;
    if estimate.value >= NEAR * most && n > u64::from(k) + 1 {
        estimate.warnings.push(Warning::Saturated { most });
    }
    most
}

/// A layer's activations as examples × units.
pub(super) fn layer_values(sample: &Sample<'_>) -> Array2<f64> {
    let mut values = Array2::zeros((sample.examples(), sample.units()));
    for (unit, mut column) in values.columns_mut().into_iter().enumerate() {
        column.iter_mut().zip(sample.unit(unit)).for_each(|(to, &value)| *to = value.into());
    }
    values
}

/// The number of each example's class, as one column.
pub(super) fn class_numbers(sample: &Sample<'_>) -> Array2<f64> {
    let of = sample.classes().of();
    Array2::from_shape_fn((of.len(), 1), |(example, _)| of[example].into())
}

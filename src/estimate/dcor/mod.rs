//! dcor: distance correlation, which is 0 only for independent variables, of any two dimensions.
//!
//! # Formula
//! a_ij = ‖x_i − x_j‖ and b_ij = ‖y_i − y_j‖ are Euclidean; a_i. and a.. are sums over one and both indices. With
//!
//! > V²(x,y) = Σ_ij a_ij b_ij/N² + a.. b../N⁴ − 2 Σ_i a_i. b_i./N³
//!
//! (the mean of the product of the doubly centred matrices) the answer is R = √(V²(x,y)/√(V²(x,x) V²(y,y))), between 0 and 1, and 0
//! where a side is constant. With `unbiased` it is the bias-corrected R² instead, from
//!
//! > U²(x,y) = (Σ_ij a_ij b_ij − 2 Σ_i a_i. b_i./(N−2) + a.. b../((N−1)(N−2)))/(N(N−3)),
//!
//! an unbiased estimate whose expectation is 0 for independent variables, and which can be negative.
//!
//! # Source
//! G. Székely, M. Rizzo & N. Bakirov, *Measuring and testing dependence by correlation of distances*, Annals of Statistics 35 (2007)
//! 2769; unbiased: G. Székely & M. Rizzo, *Partial distance correlation with methods for dissimilarities*, Annals of Statistics 42
//! (2014) 2382. In one dimension: X. Huo & G. Székely, *Fast computing for distance covariance*, Technometrics 58 (2016) 435.
//!
//! # Assumptions
//! Independent examples with finite first moments.
//!
//! # Cost
//! One column a side: O(N log N), two sorts and a merge (`line`). Else N²/2 pairs in f64, each once, eight at a time (`pairs`): a
//! subtraction and a multiply-add a unit, a square root a side. O(N) memory, never a matrix. Several threads share the pairs; sums are
//! added in an order that depends on N alone. Of several layers at once every distance is computed once, and each pair of layers adds
//! a multiply-add.
//!
//! # Pitfalls
//! * R is biased upwards for small N and many dimensions: independent samples of 100 examples in 10 dimensions give 0.4 or so.
//!   Use `unbiased`, or compare with permutations.
//! * Scales between the columns of one side matter, between the sides not.
//! * Classes are taken as numbers.
//!
//! # Parameters
//! `unbiased`, off by default.

mod line;
mod pairs;

use ndarray::ArrayView2;

use super::pair::side_values;
use super::params::{Domain, EVERY, parameters};
use super::{Estimate, EstimateError, Pair, Unit};
use crate::math::exec::Exec;
use crate::math::power::reciprocal_power;

parameters! {
    /// Parameters of distance correlation.
    Dcor {
        /// whether to give the bias-corrected square
        unbiased: bool = false, Domain::Switch;
        /// in cohorts: measure every so many recorded epochs, and the last; all if not given
        every: Option<u32> = None, EVERY;
    }
}

/// Fewer examples than this say little, or than ten a dimension.
const FEW: u64 = 50;
/// Examples that the unbiased form needs.
const LEAST_UNBIASED: usize = 4;

/// What the formulas are made of.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    /// Σ_ij a_ij b_ij of every two sides: the first with the second, the first with the third, …, the second with the third, …
    products: Vec<f64>,
    /// Of every side, a_i. of every example.
    rows: Vec<Vec<f64>>,
}

impl Dcor {
    /// The dependence of two sides.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String, exec: Exec) -> Result<Estimate, EstimateError> {
        let value = self.value(sample.x(), side_values(sample.y()).view(), exec)?;
        let mut estimate = Estimate::new(value, Unit::Plain, sample, params);
        let widest = estimate.dims.0.max(estimate.dims.1) as u64;
        estimate.warn_below(FEW.max(10 * widest));
        Ok(estimate)
    }

    /// Of two sides, examples × dimensions, of as many examples and with finite values.
    ///
    /// # Errors
    /// If `unbiased` is asked of fewer than 4 examples.
    pub fn value(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec) -> Result<f64, EstimateError> {
        Ok(self.values(&[x, y], exec)?[0])
    }

    /// Of every two of some sides: the first with the second, the first with the third, …, the second with the third, …
    ///
    /// # Errors
    /// If `unbiased` is asked of fewer than 4 examples.
    pub fn values(&self, sides: &[ArrayView2<'_, f64>], exec: Exec) -> Result<Vec<f64>, EstimateError> {
        let examples = sides.first().map_or(0, ArrayView2::nrows);
        if self.unbiased && examples < LEAST_UNBIASED {
            return Err(EstimateError::FewerThan { examples, least: LEAST_UNBIASED });
        }
        let units: Vec<usize> = sides.iter().map(ArrayView2::ncols).collect();
        let sides: Vec<Vec<f64>> = sides.iter().map(|side| scaled(*side)).collect();
        let sums = match units[..] {
            [1, 1] => line::sums(&sides[0], &sides[1]),
            _ => pairs::sums(&sides, &units, examples, exec),
        };
        let own = |(place, rows): (usize, &Vec<f64>)| self.covariance(rows, rows, squares(&sides[place], units[place]));
        let variances: Vec<f64> = sums.rows.iter().enumerate().map(own).collect();
        let pairs = (0..sides.len()).flat_map(|a| (a + 1..sides.len()).map(move |b| (a, b)));
        let value = |((a, b), product): ((usize, usize), &f64)| {
            if variances[a] <= 0.0 || variances[b] <= 0.0 {
                return 0.0;
            }
            let ratio = self.covariance(&sums.rows[a], &sums.rows[b], *product) / (variances[a].sqrt() * variances[b].sqrt());
            // The bounds hold exactly; clamping removes the rounding.
            if self.unbiased { ratio.clamp(-1.0, 1.0) } else { ratio.clamp(0.0, 1.0).sqrt() }
        };
        Ok(pairs.zip(&sums.products).map(value).collect())
    }

    /// The squared covariance of two sides from their row sums and Σ a_ij b_ij.
    fn covariance(&self, a: &[f64], b: &[f64], product: f64) -> f64 {
        let n = a.len() as f64;
        let (mut all, mut dot) = ((0.0, 0.0), 0.0);
        for (a, b) in a.iter().zip(b) {
            all = (all.0 + a, all.1 + b);
            dot += a * b;
        }
        if self.unbiased {
            (product - 2.0 * dot / (n - 2.0) + all.0 * all.1 / ((n - 1.0) * (n - 2.0))) / (n * (n - 3.0))
        } else {
            product / (n * n) + (all.0 / n / n) * (all.1 / n / n) - 2.0 * dot / (n * n * n)
        }
    }
}

/// A side, example by example, each column shifted to its mean and all scaled into [−1, 1] by a power of two: distances of one side may
/// be scaled at will, and then neither squares nor products leave the range of f64.
fn scaled(side: ArrayView2<'_, f64>) -> Vec<f64> {
    let n = side.nrows() as f64;
    let means: Vec<f64> = side.columns().into_iter().map(|column| column.iter().map(|v| v / n).sum()).collect();
    // Quarters cannot overflow where they are subtracted.
    let quarter = |unit: usize, value: f64| 0.25 * value - 0.25 * means[unit];
    let largest = side.indexed_iter().fold(0.0f64, |m, ((_, unit), v)| m.max(quarter(unit, *v).abs()));
    let scale = reciprocal_power(largest);
    side.indexed_iter().map(|((_, unit), v)| quarter(unit, *v) * scale).collect()
}

/// Σ_ij of squared distances: 2N times the squares about the mean.
fn squares(side: &[f64], units: usize) -> f64 {
    let n = side.len() / units.max(1);
    let column = |unit: usize| side.iter().skip(unit).step_by(units);
    let about_mean = |unit: usize| {
        // The mean is near 0, but only near.
        let mean = column(unit).sum::<f64>() / n as f64;
        column(unit).map(|v| (v - mean) * (v - mean)).sum::<f64>()
    };
    2.0 * n as f64 * (0..units).map(about_mean).sum::<f64>()
}

#[cfg(test)]
mod tests;

//! bspline: mutual information of two columns from bins with soft edges.
//!
//! # Formula
//! A column is stretched onto [0, M − o + 1], M `bins`, o `order`; an example belongs to bin m with the weight B_m of the B-spline of
//! order o (degree o − 1) on clamped uniform knots there: weights are ≥ 0 and add up to 1. With p(m) the mean weight of bin m in x,
//! q(n) that in y, and p(m,n) the mean product, in bits
//!
//! > I(X;Y) = Σ_mn p(m,n) log₂(p(m,n)/(p(m) q(n)))
//!
//! Order 1 is the histogram of M equal bins.
//!
//! # Source
//! C. Daub, R. Steuer, J. Selbig & S. Kloska, *Estimating mutual information using B-spline functions*, BMC Bioinformatics 5 (2004) 118.
//!
//! # Assumptions
//! Two continuous columns whose range is known from the sample: the least value is where bins begin, the largest where they end.
//!
//! # Cost
//! O(N·o² + M²).
//!
//! # Pitfalls
//! * More bins raise the value, higher orders lower it: compare values of the same setting only. Even independent columns give
//!   about (M − 1)²/(2N) nats at order 1.
//! * One outlier squeezes all other examples into few bins.
//! * A constant column tells nothing: 0.
//!
//! # Parameters
//! `bins`, 10 by default, and `order`, 3 by default: the paper's setting for some hundreds of examples; orders above 3 change little.

use ndarray::ArrayView1;

use super::pair::side_values;
use super::params::{Conflict, Domain, EVERY, parameters};
use super::{Estimate, EstimateError, Pair, Unit, Warning};

parameters! {
    /// Parameters of B-spline binning.
    Bspline {
        /// bins of a column
        bins: u32 = 10, Domain::Integer { min: 1, max: 4096 };
        /// order of the splines: bins that an example belongs to at once
        order: u32 = 3, Domain::Integer { min: 1, max: 10 };
        /// in cohorts: measure every so many recorded epochs, and the last; all if not given
        every: Option<u32> = None, EVERY;
    }
    check |all| if all.order > all.bins {
        Err(Conflict { name: "order", expected: format!("at most `bins`, {}", all.bins) })
    } else {
        Ok(())
    }
}

/// Most orders that a buffer of weights is made for.
const MOST_ORDERS: usize = 10;
/// The first of the bins that an example belongs to, and its weights in them.
pub(super) type Weights = (usize, [f64; MOST_ORDERS]);

impl Bspline {
    /// The dependence of two columns.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String) -> Result<Estimate, EstimateError> {
        let (x, y) = (sample.x(), side_values(sample.y()));
        for columns in [x.ncols(), y.ncols()] {
            if columns != 1 {
                return Err(EstimateError::NotOneColumn { columns });
            }
        }
        let mut estimate = Estimate::new(self.bits(x.column(0), y.column(0)), Unit::Bits, sample, params);
        let least = u64::from(self.bins) * u64::from(self.bins);
        if (estimate.examples as u64) < least {
            estimate.warnings.push(Warning::FewExamples { least });
        }
        Ok(estimate)
    }

    /// In bits, of two columns of as many examples, at least one, and with finite values.
    #[must_use]
    pub fn bits(&self, x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
        self.bits_of(&self.weights(x), &self.weights(y))
    }

    /// The same of two columns' weights.
    pub(super) fn bits_of(&self, x: &[Weights], y: &[Weights]) -> f64 {
        let (bins, order) = (self.bins as usize, self.order as usize);
        let n = x.len() as f64;
        let (mut joint, mut marginals) = (vec![0.0; bins * bins], [vec![0.0; bins], vec![0.0; bins]]);
        for ((first_x, weights_x), (first_y, weights_y)) in x.iter().zip(y) {
            let each = weights_x.iter().zip(weights_y).take(order);
            for (i, (wx, own)) in each.enumerate() {
                marginals[0][first_x + i] += wx;
                marginals[1][first_y + i] += own;
                for (j, wy) in weights_y[..order].iter().enumerate() {
                    joint[(first_x + i) * bins + first_y + j] += wx * wy;
                }
            }
        }
        let mut sum = 0.0;
        for (px, row) in marginals[0].iter().zip(joint.chunks(bins)) {
            for (py, p) in marginals[1].iter().zip(row) {
                // Not the product of the marginals: that could underflow where the joint weight does not.
                if *p > 0.0 {
                    sum += p * libm::log2(p / px * (n / py));
                }
            }
        }
        // It is a divergence; clamping removes the rounding.
        (sum / n).max(0.0)
    }

    /// For each example the first of its `order` bins, and its weights in them.
    pub(super) fn weights(&self, column: ArrayView1<'_, f64>) -> Vec<Weights> {
        let (low, high) = column.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let spans = f64::from(self.bins - self.order + 1);
        // Halves cannot overflow where they are subtracted.
        let extent = 0.5 * high - 0.5 * low;
        column
            .iter()
            .map(|&value| {
                let place = if extent > 0.0 { (0.5 * value - 0.5 * low) / extent * spans } else { 0.0 };
                // The last span is closed on the right.
                let span = place.min(spans - 1.0).floor();
                (span as usize, self.splines(place, span))
            })
            .collect()
    }

    /// The splines that are not 0 in `span`, at `place` within or at the end of it: Cox & de Boor's recurrence, upwards in order.
    fn splines(&self, place: f64, span: f64) -> [f64; MOST_ORDERS] {
        let end = f64::from(self.bins - self.order + 1);
        // Knots 0, 0, …, 0, 1, 2, …, end, …, end: the i-th to the right or left of the span.
        let right = |i: usize| (span + 1.0 + i as f64).min(end) - place;
        let left = |i: usize| place - (span - i as f64).max(0.0);
        let mut weights = [0.0; MOST_ORDERS];
        weights[0] = 1.0;
        for order in 1..self.order as usize {
            let mut carried = 0.0;
            for (i, weight) in weights[..order].iter_mut().enumerate() {
                let (right, left) = (right(i), left(order - 1 - i));
                let part = *weight / (right + left);
                *weight = carried + right * part;
                carried = left * part;
            }
            weights[order] = carried;
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};

    /// Cox & de Boor's recurrence as it is written, over the whole vector of knots.
    fn plain(knots: &[f64], bin: usize, order: usize, z: f64) -> f64 {
        if order == 1 {
            let (from, to) = (knots[bin], knots[bin + 1]);
            let last = to == knots[knots.len() - 1] && z == to;
            return if from < to && (last || (from..to).contains(&z)) { 1.0 } else { 0.0 };
        }
        let part = |numerator: f64, denominator: f64| if denominator == 0.0 { 0.0 } else { numerator / denominator };
        part(z - knots[bin], knots[bin + order - 1] - knots[bin]) * plain(knots, bin, order - 1, z)
            + part(knots[bin + order] - z, knots[bin + order] - knots[bin + 1]) * plain(knots, bin + 1, order - 1, z)
    }

    fn column(n: usize, seed: u64) -> Array1<f64> {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        Array1::from_shape_simple_fn(n, || stream.normal())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn weights_are_those_of_the_recurrence(bins in 1..14u32, order in 1..6u32, seed in 0..1000u64) {
            prop_assume!(order <= bins);
            let spec = Bspline { bins, order, every: None };
            let spans = bins - order + 1;
            let knots: Vec<f64> = (0..bins + order).map(|k| f64::from(k.saturating_sub(order - 1).min(spans))).collect();
            let values = column(40, seed);
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            for (value, (first, weights)) in values.iter().zip(spec.weights(values.view())) {
                let z = (value - low) / (high - low) * f64::from(spans);
                prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                for bin in 0..bins as usize {
                    let got = if (first..first + order as usize).contains(&bin) { weights[bin - first] } else { 0.0 };
                    prop_assert!((got - plain(&knots, bin, order as usize, z)).abs() < 1e-12, "bin {bin} at {z}: {got}");
                }
            }
        }

        #[test]
        fn symmetric_and_blind_to_order_and_scale(n in 2..80usize, seed in 0..1000u64) {
            let (x, y) = (column(n, seed), column(n, seed + 1));
            let spec = Bspline::default();
            let value = spec.bits(x.view(), y.view());
            let reversed = |v: &Array1<f64>| Array1::from_iter(v.iter().rev().copied());
            prop_assert!((value - spec.bits(y.view(), x.view())).abs() < 1e-12);
            prop_assert!((value - spec.bits(reversed(&x).view(), reversed(&y).view())).abs() < 1e-12);
            prop_assert!((value - spec.bits(x.mapv(|v| 3.0 * v - 1.0).view(), y.view())).abs() < 1e-9);
        }
    }

    #[test]
    fn order_one_is_the_histogram() {
        let (x, y) = (array![0.0, 0.2, 0.7, 1.0], array![5.0, 5.0, 9.0, 9.0]);
        assert!((Bspline { bins: 2, order: 1, every: None }.bits(x.view(), y.view()) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn extremes() {
        let constant = Array1::from_elem(9, 2.0);
        for order in 1..=3 {
            let spec = Bspline { bins: 3, order, every: None };
            assert_eq!(spec.bits(constant.view(), column(9, 1).view()), 0.0);
            assert!(spec.bits(array![-1e308, 0.0, 1e308].view(), array![1.0, 2.0, 3.0].view()).is_finite());
            assert_eq!(spec.bits(array![1.0].view(), array![1.0].view()), 0.0);
        }
    }
}

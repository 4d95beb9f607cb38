//! svcca: how alike two layers are, up to a linear map, by the correlations of their main directions.
//!
//! # Formula
//! Each side is centred and reduced to its first principal directions, as few as hold the share `variance` of its variance: d₁ and d₂ of
//! them. The canonical correlations ρ_1 ≥ ρ_2 ≥ … between the two subspaces are the singular values of
//! Λ₁^(−1/2) U₁ᵀ C_xy U₂ Λ₂^(−1/2), with U and Λ the directions and their variances, and C_xy the covariance of the sides. The answer is
//! their mean over min(d₁, d₂), between 0 and 1; 0 where a side is constant.
//!
//! # Source
//! M. Raghu, J. Gilmer, J. Yosinski & J. Sohl-Dickstein, *SVCCA: Singular vector canonical correlation analysis for deep learning
//! dynamics and interpretability*, NeurIPS 2017. The share is of variance (squared singular values).
//!
//! # Assumptions
//! What is to be compared is linear: two layers that are rotations of each other are the same.
//!
//! # Cost
//! O(N·D²) multiply-adds in f64, eight at a time, for the covariances of all units of both sides, and O(D³) for their decompositions
//! (crate `nalgebra`). A decomposition of the N × D arrays is not needed: a kept direction has at least (1 − share)/D of the variance,
//! so its square root is accurate to 13 digits. One pass over the examples; O(D²) memory.
//!
//! # Pitfalls
//! * With N near D correlations are high whatever the data; have ten times as many examples as units.
//! * The value is the same after rotation, shift and scaling of a side. After any other invertible map the first principal directions
//!   are others. Where they are all kept before and after, as always with `variance = 1`, the value is the same then, too; else the
//!   map decides what is dropped: a column times 1,000 is the only direction left of the default 99 %.
//! * Directions with less than 1e-12 of the largest variance count as constant.
//!
//! # Parameters
//! `variance`, 0.99 by default as in the paper.

mod covariances;

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::ArrayView2;

use self::covariances::Covariances;
pub(super) use self::covariances::Space;
use super::pair::side_values;
use super::params::{Domain, EVERY, parameters};
use super::{Estimate, Pair, Sample, Unit, Warning};
use crate::math::exec::Exec;
use crate::math::pool::Pool;

parameters! {
    /// Parameters of SVCCA.
    Svcca {
        /// share of the variance that the kept directions hold
        variance: f64 = 0.99, Domain::Number { min: 0.01, max: 1.0 };
        /// in cohorts: measure every so many recorded epochs, and the last; all if not given
        every: Option<u32> = None, EVERY;
    }
}

/// Variance of a direction, as a share of the largest, below which it is rounding.
const ROUNDING: f64 = 1e-12;

impl Svcca {
    /// The likeness of two sides.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String, exec: Exec, spaces: &Pool<Space>) -> Estimate {
        let value = mean(&self.between(sample.x(), side_values(sample.y()).view(), exec, spaces));
        let mut estimate = Estimate::new(value, Unit::Plain, sample, params);
        let least = 10 * estimate.dims.0.max(estimate.dims.1) as u64;
        if (estimate.examples as u64) < least {
            estimate.warnings.push(Warning::FewExamples { least });
        }
        estimate
    }

    /// The mean of the correlations; 0 where there are none.
    #[must_use]
    pub fn value(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec) -> f64 {
        mean(&self.correlations(x, y, exec))
    }

    /// The canonical correlations of two sides, examples × dimensions, of as many examples and with finite values, in descending order.
    #[must_use]
    pub fn correlations(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec) -> Vec<f64> {
        self.between(x, y, exec, &Pool::default())
    }

    /// As [`Svcca::correlations`], in spaces that are kept.
    fn between(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec, spaces: &Pool<Space>) -> Vec<f64> {
        let covariances = Covariances::of(&[x, y], x.nrows(), exec, spaces);
        let whiten = |side: usize| self.whitening(covariances.between(side, side));
        let (left, right) = exec.join(|| whiten(0), || whiten(1));
        correlations(&left, &covariances.between(0, 1), &right)
    }

    /// The mean of the correlations of every two of some layers: the first with the second, the first with the third, …, the second with
    /// the third, … Covariances and directions of a layer are found once.
    #[must_use]
    pub fn of_layers(&self, layers: &[Sample<'_>], exec: Exec) -> Vec<f64> {
        let examples = layers.first().map_or(0, Sample::examples);
        let covariances = Covariances::of(layers, examples, exec, &Pool::default());
        let directions = exec.map(layers.len(), |layer| self.whitening(covariances.between(layer, layer)));
        let pairs: Vec<_> = (0..layers.len()).flat_map(|a| (a + 1..layers.len()).map(move |b| (a, b))).collect();
        let value = |(a, b): (usize, usize)| mean(&correlations(&directions[a], &covariances.between(a, b), &directions[b]));
        exec.map(pairs.len(), |pair| value(pairs[pair]))
    }

    /// The kept directions of a covariance as columns, each divided by its standard deviation.
    fn whitening(&self, covariance: DMatrix<f64>) -> DMatrix<f64> {
        let units = covariance.nrows();
        if units == 0 {
            return DMatrix::zeros(0, 0);
        }
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
        let largest = eigenvalues[order[0]];
        order.retain(|&place| largest > 0.0 && eigenvalues[place] > ROUNDING * largest);
        let total: f64 = order.iter().map(|&place| eigenvalues[place]).sum();
        let mut held = 0.0;
        let kept = order.iter().take_while(|&&place| {
            let wanted = held < self.variance * total;
            held += eigenvalues[place];
            wanted
        });
        let kept: Vec<usize> = kept.copied().collect();
        DMatrix::from_fn(units, kept.len(), |unit, place| eigenvectors[(unit, kept[place])] / eigenvalues[kept[place]].sqrt())
    }
}

/// The mean of correlations; 0 where there are none.
fn mean(correlations: &[f64]) -> f64 {
    // Adding to 0 leaves no −0 where there are none.
    (0.0 + correlations.iter().sum::<f64>()) / correlations.len().max(1) as f64
}

/// The correlations of two sides between their whitened directions, in descending order.
fn correlations(left: &DMatrix<f64>, between: &DMatrix<f64>, right: &DMatrix<f64>) -> Vec<f64> {
    if left.ncols() == 0 || right.ncols() == 0 {
        return Vec::new();
    }
    let core = left.transpose() * between * right;
    let mut correlations: Vec<f64> = core.singular_values().iter().map(|c| c.clamp(0.0, 1.0)).collect();
    correlations.sort_by(|a, b| b.total_cmp(a));
    correlations
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::Isa;

    fn sample(examples: usize, units: usize, seed: u64) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        Array2::from_shape_simple_fn((examples, units), || stream.normal())
    }

    /// Correlations by the definition: whitened by singular value decompositions of the arrays themselves.
    fn plain(x: &Array2<f64>, y: &Array2<f64>, share: f64) -> Vec<f64> {
        let directions = |side: &Array2<f64>| {
            let mean = side.mean_axis(ndarray::Axis(0)).unwrap();
            let centred = DMatrix::from_fn(side.nrows(), side.ncols(), |i, u| side[(i, u)] - mean[u]);
            // Of the triangle: of long arrays as they are, this crate's decomposition is good to 9 digits only.
            let qr = centred.qr();
            let svd = qr.r().svd(true, false);
            let (u, s) = (qr.q() * svd.u.unwrap(), svd.singular_values);
            let mut order: Vec<usize> = (0..s.len()).collect();
            order.sort_by(|&a, &b| s[b].total_cmp(&s[a]));
            let total: f64 = s.iter().map(|v| v * v).sum();
            let needed = (1..=s.len())
                .find(|&k| order[..k].iter().map(|&place| s[place] * s[place]).sum::<f64>() >= share * total * (1.0 - 1e-15))
                .unwrap();
            DMatrix::from_fn(side.nrows(), needed, |i, k| u[(i, order[k])])
        };
        let mut values: Vec<f64> = (directions(x).transpose() * directions(y)).singular_values().iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn equals_its_definition(examples in 12..700usize, units in (1..7usize, 1..7usize), seed in 0..1000u64, share in 0.5..0.999f64) {
            let (x, mut y) = (sample(examples, units.0, seed), sample(examples, units.1, seed + 1));
            let shared = units.0.min(units.1);
            let sum = &y.slice(s![.., ..shared]) + &(2.0 * &x.slice(s![.., ..shared]));
            y.slice_mut(s![.., ..shared]).assign(&sum);
            let (got, expected) = (Svcca { variance: share, ..Svcca::default() }.correlations(x.view(), y.view(), Exec::serial()), plain(&x, &y, share));
            prop_assert_eq!(got.len(), expected.len());
            for (a, b) in got.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-10, "{got:?}, expected {expected:?}");
            }
            let back = Svcca { variance: share, ..Svcca::default() }.value(y.view(), x.view(), Exec::serial());
            prop_assert!((back - got.iter().sum::<f64>() / got.len() as f64).abs() < 1e-12, "not symmetric");
        }

        #[test]
        fn invertible_maps_do_not_matter(examples in 20..60usize, units in 1..5usize, seed in 0..1000u64) {
            let (x, y) = (sample(examples, units, seed), sample(examples, 3, seed + 1));
            // Diagonally dominant, so invertible, and far from orthogonal.
            let mut map = sample(units, units, seed + 2);
            for unit in 0..units {
                map[(unit, unit)] = 6.0 + map.row(unit).iter().map(|v| v.abs()).sum::<f64>();
            }
            let moved = x.dot(&map) + 7.0;
            let all = Svcca { variance: 1.0, ..Svcca::default() };
            let (before, after) = (all.value(x.view(), y.view(), Exec::serial()), all.value(moved.view(), y.view(), Exec::serial()));
            prop_assert!((before - after).abs() < 1e-9, "{before}, {after}");
            // On both sides at once, and for any share, as long as that drops nothing.
            let shared = &y + &x.slice(s![.., ..1]);
            let other = shared.dot(&(sample(3, 3, seed + 3) * 0.2 + Array2::<f64>::eye(3) * 3.0)) * 1e-3 - 2.0;
            for share in [0.9, 0.99, 1.0] {
                let some = Svcca { variance: share, ..Svcca::default() };
                let [before, after] = [(&x, &shared), (&moved, &other)]
                    .map(|(x, y)| some.correlations(x.view(), y.view(), Exec::serial()));
                let kept = |x: &Array2<f64>, y: &Array2<f64>| {
                    let with_itself = |side: &Array2<f64>| some.correlations(side.view(), side.view(), Exec::serial()).len();
                    (with_itself(x), with_itself(y)) == (units, 3)
                };
                if kept(&x, &shared) && kept(&moved, &other) {
                    prop_assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-9), "{share}: {before:?}, {after:?}");
                }
                prop_assert!(share < 1.0 || kept(&moved, &other));
            }
            // Similar maps, for any share: here a turn of two columns, a scale and a shift.
            let turned = Array2::from_shape_fn(x.dim(), |(i, u)| match (u, units > 1) {
                (0, true) => 0.6 * x[(i, 0)] - 0.8 * x[(i, 1)],
                (1, true) => 0.8 * x[(i, 0)] + 0.6 * x[(i, 1)],
                _ => x[(i, u)],
            } * 1e5 - 3.0);
            let some = Svcca::default();
            let (before, after) = (some.value(x.view(), y.view(), Exec::serial()), some.value(turned.view(), y.view(), Exec::serial()));
            prop_assert!((before - after).abs() < 1e-9, "{before}, {after}");
        }
    }

    #[test]
    fn what_is_dropped_depends_on_scales() {
        let x = sample(400, 3, 5);
        let mut stretched = x.clone();
        stretched.column_mut(0).mapv_inplace(|v| v * 1000.0);
        let with_x = |variance| {
            let spec = Svcca { variance, ..Svcca::default() };
            spec.correlations(x.view(), stretched.view(), Exec::serial()).len()
        };
        assert_eq!((with_x(0.99), with_x(1.0)), (1, 3));
    }

    #[test]
    fn instruction_set_and_threads_change_no_bit() {
        let (x, y) = (sample(301, 6, 1), sample(301, 3, 2));
        let of = |exec| Svcca::default().correlations(x.view(), y.view(), exec).into_iter().map(f64::to_bits).collect::<Vec<_>>();
        for isa in Isa::available() {
            for parallel in [false, true] {
                assert_eq!(of(Exec { isa, parallel }), of(Exec::serial()), "{} {parallel}", isa.name());
            }
        }
    }

    #[test]
    fn means_may_drift_and_leap() {
        // Far from zero, climbing, with a leap in the middle of a range: what the ranges' means add must not blur the rest.
        let noise = sample(2100, 4, 8);
        let x =
            Array2::from_shape_fn((2100, 3), |(e, u)| noise[(e, u)] + 1e4 + e as f64 * 0.01 + if e > 1000 { 300.0 } else { 0.0 });
        let y = Array2::from_shape_fn((2100, 2), |(e, u)| noise[(e, u + 2)] + noise[(e, 0)] - e as f64 * 0.02);
        let all = Svcca { variance: 1.0, ..Svcca::default() };
        let (got, expected) = (all.correlations(x.view(), y.view(), Exec::serial()), plain(&x, &y, 1.0));
        assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?}, expected {expected:?}");
        // The layout is no matter.
        let turned = x.t().as_standard_layout().into_owned();
        assert_eq!(all.correlations(turned.t(), y.view(), Exec::serial()), got);
    }

    #[test]
    fn extremes() {
        let x = sample(50, 4, 1);
        let value = |y: Array2<f64>| Svcca::default().value(x.view(), y.view(), Exec::serial());
        assert!((value(x.clone()) - 1.0).abs() < 1e-12 && (value(x.mapv(|v| v * 1e300)) - 1.0).abs() < 1e-12);
        assert_eq!((value(Array2::from_elem((50, 3), 0.1)), value(Array2::zeros((50, 0)))), (0.0, 0.0));
        let one = Array2::zeros((1, 2));
        assert_eq!(Svcca::default().value(one.view(), one.view(), Exec::serial()), 0.0);
        // A constant unit and a copy of a unit add no direction.
        let padded = Array2::from_shape_fn((50, 6), |(i, u)| if u == 5 { 3.0 } else { x[(i, u.min(3))] });
        assert!((Svcca { variance: 1.0, ..Svcca::default() }.value(padded.view(), x.view(), Exec::serial()) - 1.0).abs() < 1e-9);
    }
}

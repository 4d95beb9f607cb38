//! Batch normalisation, unit by unit: by the batch in training, by moving averages in inference.
//!
//! Rows are units, `nb` blocks each. Padding lanes count for nothing: `weight` is 1/batch on examples and 0 on padding. A row is one
//! kernel's work, so no result depends on threads.

use crate::math::simd::{Block, Isa, Kernel, Simd};

/// Added to the variance before its root (Keras' default).
pub const EPSILON: f64 = 1e-3;
/// Share of a moving average that is kept at each step (Keras' default).
pub const MOMENTUM: f64 = 0.99;

/// What normalises a layer: learned scales and shifts, means and (biased) variances, one a unit.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    /// γ
    pub scale: &'a [f32],
    /// β
    pub shift: &'a [f32],
    /// Means.
    pub mean: &'a [f32],
    /// Variances.
    pub variance: &'a [f32],
}

impl Units<'_> {
    /// One unit alone.
    #[must_use]
    pub fn unit(&self, u: usize) -> Self {
        Self { scale: &self.scale[u..=u], shift: &self.shift[u..=u], mean: &self.mean[u..=u], variance: &self.variance[u..=u] }
    }
}

/// γ/√(variance + ε)
fn factor(scale: f32, variance: f32) -> f32 {
    scale / (variance + EPSILON as f32).sqrt()
}

/// y = γ·(a − mean)/√(variance + ε) + β.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn apply(isa: Isa, units: Units<'_>, a: &[Block], y: &mut [Block], nb: usize) {
    assert!([units.shift.len(), units.mean.len(), units.variance.len()] == [units.scale.len(); 3]);
    assert!(a.len() == units.scale.len() * nb && y.len() == a.len());
    isa.dispatch(Apply { units, a, y, nb });
}

/// Mean and biased variance of every row of a over the batch.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn moments(isa: Isa, a: &[Block], weight: &[Block], nb: usize, mean: &mut [f32], variance: &mut [f32]) {
    assert!(mean.len() == variance.len() && a.len() == mean.len() * nb && weight.len() >= nb);
    isa.dispatch(Moments { a, weight: &weight[..nb], mean, variance });
}

/// Turns δ by y into δ by a, with the batch's own moments in `units`, and gives the derivatives by γ and β. Lanes of δ beyond the batch
/// are 0 before and after.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn backward(
    isa: Isa,
    units: Units<'_>,
    a: &[Block],
    weight: &[Block],
    delta: &mut [Block],
    scale_gradient: &mut [f32],
    shift_gradient: &mut [f32],
) {
    assert!(a.len() == delta.len() && scale_gradient.len() == units.scale.len() && shift_gradient.len() == units.scale.len());
    isa.dispatch(Backward { units, a, weight, delta, scale_gradient, shift_gradient });
}

/// Moves the averages towards the moments of a batch.
pub fn follow(average: &mut [f32], batch: &[f32]) {
    for (average, batch) in average.iter_mut().zip(batch) {
        *average = (f64::from(*average) * MOMENTUM + f64::from(*batch) * (1.0 - MOMENTUM)) as f32;
    }
}

struct Apply<'a> {
    units: Units<'a>,
    a: &'a [Block],
    y: &'a mut [Block],
    nb: usize,
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.a.chunks(self.nb).zip(self.y.chunks_mut(self.nb));
        for (u, (a, y)) in rows.enumerate() {
            let factor = s.splat(factor(self.units.scale[u], self.units.variance[u]));
            let (mean, shift) = (s.splat(self.units.mean[u]), s.splat(self.units.shift[u]));
            for (a, y) in a.iter().zip(y) {
                s.store(y, s.mul_add(s.sub(s.load(a), mean), factor, shift));
            }
        }
    }
}

struct Moments<'a> {
    a: &'a [Block],
    weight: &'a [Block],
    mean: &'a mut [f32],
    variance: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.a.chunks(self.weight.len()).zip(self.mean).zip(self.variance);
        for ((a, mean), variance) in rows {
            let mut sum = s.zero();
            for (a, w) in a.iter().zip(self.weight) {
                sum = s.mul_add(s.load(a), s.load(w), sum);
            }
            *mean = s.sum(sum);
            let (centre, mut sum) = (s.splat(*mean), s.zero());
            for (a, w) in a.iter().zip(self.weight) {
                let away = s.sub(s.load(a), centre);
                sum = s.mul_add(s.mul(away, away), s.load(w), sum);
            }
            *variance = s.sum(sum);
        }
    }
}

struct Backward<'a> {
    units: Units<'a>,
    a: &'a [Block],
    weight: &'a [Block],
    delta: &'a mut [Block],
    scale_gradient: &'a mut [f32],
    shift_gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let nb = self.a.len().checked_div(self.units.scale.len()).unwrap_or(0);
        // An empty batch has no blocks, a batch at least one example in its first lane.
        let Some(one) = self.weight.first().map(|w| w.0[0]) else { return };
        for (u, (a, delta)) in self.a.chunks(nb).zip(self.delta.chunks_mut(nb)).enumerate() {
            let inverse = factor(1.0, self.units.variance[u]);
            let (mean, inverse_v) = (s.splat(self.units.mean[u]), s.splat(inverse));
            let (mut sum, mut along) = (s.zero(), s.zero());
            for (a, d) in a.iter().zip(&*delta) {
                let (a, d) = (s.load(a), s.load(d));
                sum = s.add(sum, d);
                along = s.mul_add(d, s.mul(s.sub(a, mean), inverse_v), along);
            }
            let (sum, along) = (s.sum(sum), s.sum(along));
            (self.shift_gradient[u], self.scale_gradient[u]) = (sum, along);
            let factor = s.splat(self.units.scale[u] * inverse);
            let (level, slope) = (s.splat(-sum * one), s.splat(-along * one * inverse));
            for ((a, d), w) in a.iter().zip(delta).zip(self.weight) {
                let away = s.sub(s.load(a), mean);
                let v = s.mul(s.mul_add(away, slope, s.add(s.load(d), level)), factor);
                s.store(d, s.select_gt(s.load(w), s.zero(), v, s.zero()));
            }
        }
    }
}

//! PReLU: z above 0, else a learned slope times z, one slope a unit.
//!
//! Rows are units, `nb` blocks each. The derivative needs z itself, since a slope may be 0 or negative. At 0 it is the slope.

use crate::math::simd::{Block, Isa, Kernel, Simd};

/// a from z.
///
/// # Panics
/// If the slices are not of `slopes.len()` rows of `nb` blocks.
pub fn forward(isa: Isa, slopes: &[f32], z: &[Block], a: &mut [Block], nb: usize) {
    assert!(z.len() == slopes.len() * nb && a.len() == z.len());
    isa.dispatch(Forward { slopes, z, a, nb });
}

/// Turns δ by a into δ by z, and gives the derivative by each slope.
///
/// # Panics
/// As [`forward`].
pub fn backward(isa: Isa, slopes: &[f32], z: &[Block], delta: &mut [Block], nb: usize, gradient: &mut [f32]) {
    assert!(z.len() == slopes.len() * nb && delta.len() == z.len() && gradient.len() == slopes.len());
    isa.dispatch(Backward { slopes, z, delta, nb, gradient });
}

struct Forward<'a> {
    slopes: &'a [f32],
    z: &'a [Block],
    a: &'a mut [Block],
    nb: usize,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.z.chunks(self.nb).zip(self.a.chunks_mut(self.nb));
        for ((z, a), &slope) in rows.zip(self.slopes) {
            let slope = s.splat(slope);
            for (z, a) in z.iter().zip(a) {
                let z = s.load(z);
                s.store(a, s.select_gt(z, s.zero(), z, s.mul(z, slope)));
            }
        }
    }
}

struct Backward<'a> {
    slopes: &'a [f32],
    z: &'a [Block],
    delta: &'a mut [Block],
    nb: usize,
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.z.chunks(self.nb).zip(self.delta.chunks_mut(self.nb));
        for (((z, delta), &slope), gradient) in rows.zip(self.slopes).zip(self.gradient) {
            let (slope, mut sum) = (s.splat(slope), s.zero());
            for (z, delta) in z.iter().zip(delta) {
                let (z, d) = (s.load(z), s.load(delta));
                sum = s.mul_add(d, s.min(s.zero(), z), sum);
                s.store(delta, s.select_gt(z, s.zero(), d, s.mul(d, slope)));
            }
            *gradient = s.sum(sum);
        }
    }
}

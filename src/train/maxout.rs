//! Maxout: the largest of several linear pieces; the gradient goes to the first piece that is largest.
//!
//! Rows of z are pieces, the pieces of a unit together; rows of a are units; `nb` blocks each.

use crate::math::simd::{Block, Isa, Kernel, Simd};

/// a from z.
///
/// # Panics
/// If z has no whole number of pieces a unit.
pub fn forward(isa: Isa, z: &[Block], a: &mut [Block], nb: usize) {
    assert!(nb > 0 && !a.is_empty() && z.len().is_multiple_of(a.len()) && a.len().is_multiple_of(nb));
    isa.dispatch(Forward { pieces: z.len() / a.len(), z, a, nb });
}

/// δ by z from δ by a.
///
/// # Panics
/// As [`forward`].
pub fn backward(isa: Isa, z: &[Block], delta: &[Block], to: &mut [Block], nb: usize) {
    assert!(nb > 0 && !delta.is_empty() && z.len().is_multiple_of(delta.len()) && to.len() == z.len());
    isa.dispatch(Backward { pieces: z.len() / delta.len(), z, delta, to, nb });
}

struct Forward<'a> {
    pieces: usize,
    z: &'a [Block],
    a: &'a mut [Block],
    nb: usize,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let units = self.z.chunks(self.pieces * self.nb).zip(self.a.chunks_mut(self.nb));
        for (z, a) in units {
            for (b, a) in a.iter_mut().enumerate() {
                let (mut top, mut zeros) = (s.splat(f32::NEG_INFINITY), s.zero());
                for piece in z.chunks(self.nb) {
                    let z = s.load(&piece[b]);
                    top = s.max(top, z);
                    // A maximum may lose NaN; this sum does not.
                    zeros = s.mul_add(z, s.zero(), zeros);
                }
                s.store(a, s.add(top, zeros));
            }
        }
    }
}

struct Backward<'a> {
    pieces: usize,
    z: &'a [Block],
    delta: &'a [Block],
    to: &'a mut [Block],
    nb: usize,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let unit = self.pieces * self.nb;
        let units = self.z.chunks(unit).zip(self.to.chunks_mut(unit)).zip(self.delta.chunks(self.nb));
        for ((z, to), delta) in units {
            for (b, delta) in delta.iter().enumerate() {
                let mut top = s.splat(f32::NEG_INFINITY);
                for piece in z.chunks(self.nb) {
                    top = s.max(top, s.load(&piece[b]));
                }
                let mut rest = s.load(delta);
                for (piece, to) in z.chunks(self.nb).zip(to.chunks_mut(self.nb)) {
                    let z = s.load(&piece[b]);
                    s.store(&mut to[b], s.select_gt(top, z, s.zero(), rest));
                    rest = s.select_gt(top, z, rest, s.zero());
                }
            }
        }
    }
}

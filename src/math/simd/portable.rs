//! The lanes without any special instructions: the meaning of all the others.

use super::{Block, LANES, Simd};

/// Sixteen lanes in an array; what runs where there is no AVX2, and the meaning of the other two.
#[derive(Clone, Copy, Debug)]
pub struct Portable(pub(super) ());

impl Portable {
    #[inline(always)]
    fn map2(a: Block, b: Block, f: impl Fn(f32, f32) -> f32) -> Block {
        Block(std::array::from_fn(|l| f(a.0[l], b.0[l])))
    }

    #[inline(always)]
    fn map(a: Block, f: impl Fn(f32) -> f32) -> Block {
        Block(a.0.map(f))
    }
}

impl Simd for Portable {
    type V = Block;
    const WIDE: bool = false;

    #[inline(always)]
    fn load(self, from: &Block) -> Block {
        *from
    }
    #[inline(always)]
    fn store(self, to: &mut Block, v: Block) {
        *to = v;
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Block {
        Block([x; LANES])
    }
    #[inline(always)]
    fn add(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Block, b: Block, c: Block) -> Block {
        Block(std::array::from_fn(|l| a.0[l].mul_add(b.0[l], c.0[l])))
    }
    #[inline(always)]
    fn max(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: Block) -> Block {
        Self::map(a, f32::sqrt)
    }
    #[inline(always)]
    fn floor(self, a: Block) -> Block {
        Self::map(a, f32::floor)
    }
    #[inline(always)]
    fn round(self, a: Block) -> Block {
        Self::map(a, f32::round_ties_even)
    }
    #[inline(always)]
    fn abs(self, a: Block) -> Block {
        Self::map(a, f32::abs)
    }
    #[inline(always)]
    fn copysign(self, a: Block, s: Block) -> Block {
        Self::map2(a, s, f32::copysign)
    }
    #[inline(always)]
    fn select_gt(self, a: Block, b: Block, x: Block, y: Block) -> Block {
        Block(std::array::from_fn(|l| if a.0[l] > b.0[l] { x.0[l] } else { y.0[l] }))
    }
    #[inline(always)]
    fn less(self, a: Block, b: Block) -> u16 {
        (0..LANES).fold(0, |mask, l| mask | u16::from(a.0[l] < b.0[l]) << l)
    }
    #[inline(always)]
    fn pow2(self, n: Block) -> Block {
        // Whole numbers −126 ..= 127 by contract; the exponent field is n + 127.
        Self::map(n, |n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn scale_pow2(self, a: Block, shifted: Block) -> Block {
        // The low 9 bits of 1.5·2^23 are 0: the shift leaves n alone, in the place of the exponent.
        Self::map2(a, shifted, |a, n| f32::from_bits(a.to_bits().wrapping_add(n.to_bits() << 23)))
    }
    #[inline(always)]
    fn add_bits(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| f32::from_bits(a.to_bits().wrapping_add(b.to_bits())))
    }
    #[inline(always)]
    fn xor_turn<const L: i32, const R: i32>(self, a: Block, b: Block) -> Block {
        Self::map2(a, b, |a, b| f32::from_bits((a.to_bits() ^ b.to_bits()).rotate_left(L as u32)))
    }
    #[inline(always)]
    fn select_below(self, a: Block, b: Block, x: Block, y: Block) -> Block {
        Block(std::array::from_fn(|l| if a.0[l].to_bits() < b.0[l].to_bits() { x.0[l] } else { y.0[l] }))
    }
    #[inline(always)]
    fn sum(self, a: Block) -> f32 {
        let mut lanes = a.0;
        for half in [8, 4, 2, 1] {
            for l in 0..half {
                lanes[l] += lanes[l + half];
            }
        }
        lanes[0]
    }
}

//! Sixteen virtual lanes of f32: one program, three instruction sets, the same bits.
//!
//! A kernel is written once against [`Simd`] and run through [`Isa::dispatch`]. AVX-512 holds a vector in one register, AVX2 in two, the
//! portable path in an array; every operation is defined lane by lane (IEEE-754, fused multiply-add), and the one operation that
//! crosses lanes, [`Simd::sum`], adds by halves in a fixed order. So the three paths agree to the bit.
//!
//! The tokens `Avx512` and `Avx2` exist only where the processor was asked and has the instructions; that makes every method safe to call.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

use serde::{Deserialize, Serialize};

/// Lanes of a vector.
pub const LANES: usize = 16;

/// Sixteen consecutive f32, aligned to a cache line: the unit in which kernels store their data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Block(pub [f32; LANES]);

/// Blocks needed for `n` values.
#[must_use]
pub const fn blocks(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// The values of `blocks` as one flat slice.
#[must_use]
pub const fn flat(blocks: &[Block]) -> &[f32] {
    // SAFETY: Block is repr(C) over [f32; 16] with size 64 and no padding, so n blocks are 16 n consecutive f32.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * LANES) }
}

/// The values of `blocks` as one flat mutable slice.
#[must_use]
pub const fn flat_mut(blocks: &mut [Block]) -> &mut [f32] {
    // SAFETY: as in `flat`; the borrow is unique.
    unsafe { std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * LANES) }
}

/// A program over lanes, generic in the instruction set. `run` must be `#[inline(always)]`, or it is compiled without the instructions.
pub trait Kernel {
    /// What the program returns.
    type Output;
    /// Runs on one instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Operations on vectors of sixteen f32. Each is IEEE-754 on every lane; comparisons with NaN are false.
pub trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Whether a vector is one register and 32 registers are there, so that larger register tiles pay.
    const WIDE: bool;

    /// Reads a block.
    fn load(self, from: &Block) -> Self::V;
    /// Writes a block.
    fn store(self, to: &mut Block, v: Self::V);
    /// The same value in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; b where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; b where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Square root, correctly rounded.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// Largest integer not above.
    fn floor(self, a: Self::V) -> Self::V;
    /// Nearest integer, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// |a|
    fn abs(self, a: Self::V) -> Self::V;
    /// |a| with the sign of s
    fn copysign(self, a: Self::V, s: Self::V) -> Self::V;
    /// x where a > b, else y
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// The larger of |a| and |b|; neither may be NaN.
    #[inline(always)]
    fn max_abs(self, a: Self::V, b: Self::V) -> Self::V {
        self.max(self.abs(a), self.abs(b))
    }
    /// `count` with 1 added where a < b.
    #[inline(always)]
    fn count_less(self, count: Self::V, a: Self::V, b: Self::V) -> Self::V {
        self.add(count, self.select_gt(b, a, self.splat(1.0), self.zero()))
    }
    /// Bit l is set where a < b in lane l.
    fn less(self, a: Self::V, b: Self::V) -> u16;
    /// 2^n for a vector of whole numbers in −126 ..= 127
    fn pow2(self, n: Self::V) -> Self::V;
    /// a · 2^n, where `shifted` = n + 1.5·2^23 for a whole number n, and a and the result are normal numbers.
    ///
    /// A sum with 1.5·2^23 is how a value is rounded to a whole number by one addition; n then stands in the sum's low bits.
    fn scale_pow2(self, a: Self::V, shifted: Self::V) -> Self::V;
    /// a + b of the lanes' bits as whole numbers, modulo 2^32
    fn add_bits(self, a: Self::V, b: Self::V) -> Self::V;
    /// The bits of a, each turned over where that of b is set, then all moved round to the left by `L` places; `R` is 32 − `L`.
    fn xor_turn<const L: i32, const R: i32>(self, a: Self::V, b: Self::V) -> Self::V;
    /// x where the bits of a are, as a whole number, below those of b; else y
    fn select_below(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// Sum over the lanes in the fixed order ((l, l+8), (l, l+4), (l, l+2), (l, l+1)).
    fn sum(self, a: Self::V) -> f32;
    /// Eight sums at once, each to the bit as [`Simd::sum`] adds it.
    #[inline(always)]
    fn sums(self, a: [Self::V; 8]) -> [f32; 8] {
        let mut sums = [0.0; 8];
        for (to, v) in sums.iter_mut().zip(a) {
            *to = self.sum(v);
        }
        sums
    }
    /// Reads up to 16 values; the other lanes are 0.
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> Self::V {
        let mut block = Block::default();
        for (to, value) in block.0.iter_mut().zip(from) {
            *to = *value;
        }
        self.load(&block)
    }
    /// Writes the first lanes, as many as `to` has places, at most 16.
    #[inline(always)]
    fn store_part(self, to: &mut [f32], v: Self::V) {
        let mut block = Block::default();
        self.store(&mut block, v);
        for (to, value) in to.iter_mut().zip(block.0) {
            *to = value;
        }
    }
    /// The 16 × 16 transpose of sixteen blocks: lane l of result r is lane r of input l.
    #[inline(always)]
    fn transpose(self, from: [&Block; LANES]) -> [Self::V; LANES] {
        let mut rows = [Block::default(); LANES];
        for (l, block) in from.into_iter().enumerate() {
            for (row, value) in rows.iter_mut().zip(block.0) {
                row.0[l] = value;
            }
        }
        let mut out = [self.zero(); LANES];
        for (to, row) in out.iter_mut().zip(&rows) {
            *to = self.load(row);
        }
        out
    }
    /// 0 in every lane.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub enum Isa {
    /// No special instructions.
    Portable(Portable),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 F and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// Names that [`Isa::by_name`] knows, slowest first.
    pub const NAMES: &'static [&'static str] = &["portable", "avx2", "avx512"];

    /// Every instruction set that this processor has, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::Portable(Portable(()))];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx2::detect().map(Self::Avx2));
            all.extend(Avx512::detect().map(Self::Avx512));
        }
        all
    }

    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable(Portable(())))
    }

    /// The instruction set of that name, if it exists and this processor has it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Its name, as in `INFOPLANE_ISA` and in the table `provenance`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
        }
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable(token) => kernel.run(token),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(kernel),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every operation once, results side by side.
    struct Everything(Block, Block, Block);

    impl Kernel for Everything {
        type Output = Vec<u32>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<u32> {
            let (a, b, c) = (s.load(&self.0), s.load(&self.1), s.load(&self.2));
            let small = s.round(s.max(s.min(a, s.splat(127.0)), s.splat(-126.0)));
            let vectors = [
                s.add(a, b),
                s.sub(a, b),
                s.mul(a, b),
                s.div(a, b),
                s.mul_add(a, b, c),
                s.max(a, b),
                s.min(a, b),
                s.sqrt(s.abs(a)),
                s.floor(a),
                s.round(a),
                s.abs(a),
                s.copysign(a, b),
                s.select_gt(a, b, c, a),
                s.max_abs(a, b),
                s.count_less(c, a, b),
                s.pow2(small),
                s.scale_pow2(s.splat(0.75), s.add(small, s.splat(12_582_912.0))),
                s.add_bits(a, b),
                s.xor_turn::<12, 20>(a, b),
                s.select_below(a, b, c, a),
            ];
            let mut out = vec![s.sum(a).to_bits(), s.less(a, b).into()];
            let eight = [a, b, c, s.add(a, b), s.mul(a, c), s.sub(c, b), s.mul(b, b), s.abs(c)];
            out.extend(s.sums(eight).map(f32::to_bits));
            assert_eq!(s.sums(eight).map(f32::to_bits), eight.map(|v| s.sum(v).to_bits()));
            for v in vectors {
                let mut block = Block::default();
                s.store(&mut block, v);
                out.extend(block.0.map(f32::to_bits));
            }
            for n in 0..=LANES {
                let mut part = [7.0; LANES + 1];
                s.store_part(&mut part[..n], s.load_part(&self.0.0[..n]));
                out.extend(part.map(f32::to_bits));
                let mut whole = Block::default();
                s.store(&mut whole, s.load_part(&self.0.0[..n]));
                assert!(whole.0[..n] == self.0.0[..n] && whole.0[n..].iter().all(|v| *v == 0.0));
                assert!(part[..n] == self.0.0[..n] && part[n..].iter().all(|v| *v == 7.0));
            }
            out
        }
    }

    proptest! {
        #[test]
        fn all_instruction_sets_agree_to_the_bit(
            a in prop::array::uniform16(-1e3f32..1e3), b in prop::array::uniform16(-2f32..2.0), c in prop::array::uniform16(-1f32..1.0),
        ) {
            let (a, b, c) = (Block(a), Block(b), Block(c));
            let reference = Isa::by_name("portable").unwrap().dispatch(Everything(a, b, c));
            for isa in Isa::available() {
                prop_assert_eq!(&isa.dispatch(Everything(a, b, c)), &reference, "{}", isa.name());
            }
        }
    }

    struct Transpose<'a>(&'a [Block; LANES]);

    impl Kernel for Transpose<'_> {
        type Output = Vec<[f32; LANES]>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<[f32; LANES]> {
            let columns = s.transpose(self.0.each_ref());
            let mut out = vec![Block::default(); LANES];
            for (to, v) in out.iter_mut().zip(columns) {
                s.store(to, v);
            }
            out.into_iter().map(|b| b.0).collect()
        }
    }

    #[test]
    fn transpose_swaps_rows_and_columns() {
        let rows: [Block; LANES] = std::array::from_fn(|r| Block(std::array::from_fn(|c| (100 * r + c) as f32)));
        for isa in Isa::available() {
            for (c, column) in isa.dispatch(Transpose(&rows)).into_iter().enumerate() {
                assert_eq!(column, std::array::from_fn(|r| (100 * r + c) as f32), "{} column {c}", isa.name());
            }
        }
    }

    #[test]
    fn names_are_known() {
        for isa in Isa::available() {
            assert!(Isa::NAMES.contains(&isa.name()));
            assert_eq!(Isa::by_name(isa.name()).map(Isa::name), Some(isa.name()));
        }
        assert!(Isa::by_name("mmx").is_none());
    }
}

//! Sixteen virtual lanes of f32: one program, three instruction sets, the same bits.
//!
//! A kernel is written once against [`Simd`] and run through [`Isa::dispatch`]. AVX-512 holds a vector in one register, AVX2 in two, the
//! portable path in an array; every operation is defined lane by lane (IEEE-754, fused multiply-add), and the one operation that
//! crosses lanes, [`Simd::sum`], adds by halves in a fixed order. So the three paths agree to the bit.
//!
//! The tokens `Avx512` and `Avx2` exist only where the processor was asked and has the instructions; that makes every method safe to call.

/// Lanes of a vector.
pub const LANES: usize = 16;

/// Sixteen consecutive f32, aligned to a cache line: the unit in which kernels store their data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// 2^n for a vector of whole numbers in −126 ..= 127
    fn pow2(self, n: Self::V) -> Self::V;
    /// a · 2^n, where `shifted` = n + 1.5·2^23 for a whole number n, and a and the result are normal numbers.
    ///
    /// A sum with 1.5·2^23 is how a value is rounded to a whole number by one addition; n then stands in the sum's low bits.
    fn scale_pow2(self, a: Self::V, shifted: Self::V) -> Self::V;
    /// Sum over the lanes in the fixed order ((l, l+8), (l, l+4), (l, l+2), (l, l+1)).
    fn sum(self, a: Self::V) -> f32;
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

/// Sixteen lanes in an array; what runs where there is no AVX2, and the meaning of the other two.
#[derive(Clone, Copy, Debug)]
pub struct Portable(());

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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, Kernel, Simd};

    /// Proof that AVX2 and FMA are there.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx2(());

    /// Proof that AVX-512 F and DQ are there.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx512(());

    impl Avx2 {
        /// The token, where the processor has the instructions.
        #[must_use]
        pub fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
        }

        pub(super) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx,avx2,fma")]
            fn inner<K: Kernel>(token: Avx2, kernel: K) -> K::Output {
                kernel.run(token)
            }
            // SAFETY: the token exists, so the processor has AVX2 and FMA.
            unsafe { inner(self, kernel) }
        }
    }

    impl Avx512 {
        /// The token, where the processor has the instructions.
        #[must_use]
        pub fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && Avx2::detect().is_some())
                .then_some(Self(()))
        }

        pub(super) fn vectorize<K: Kernel>(self, kernel: K) -> K::Output {
            #[target_feature(enable = "avx,avx2,fma,avx512f,avx512dq")]
            fn inner<K: Kernel>(token: Avx512, kernel: K) -> K::Output {
                kernel.run(token)
            }
            // SAFETY: the token exists, so the processor has AVX-512 F and DQ.
            unsafe { inner(self, kernel) }
        }
    }

    /// Two AVX registers: lanes 0–7 and 8–15.
    type Pair = (__m256, __m256);

    // One SAFETY reason holds for every block below: the token in `self` proves that the processor has the instructions, and loads
    // and stores go through references to aligned blocks of exactly the vector's size.
    macro_rules! token_op {
        ($e:expr) => {
            // SAFETY: the token proves that the instructions are there; memory is reached through references only.
            unsafe { $e }
        };
    }

    impl Simd for Avx2 {
        type V = Pair;
        const WIDE: bool = false;

        #[inline(always)]
        fn load(self, from: &Block) -> Pair {
            let p = from.0.as_ptr();
            token_op!((_mm256_load_ps(p), _mm256_load_ps(p.add(8))))
        }
        #[inline(always)]
        fn store(self, to: &mut Block, v: Pair) {
            let p = to.0.as_mut_ptr();
            token_op!({
                _mm256_store_ps(p, v.0);
                _mm256_store_ps(p.add(8), v.1);
            });
        }
        #[inline(always)]
        fn splat(self, x: f32) -> Pair {
            token_op!((_mm256_set1_ps(x), _mm256_set1_ps(x)))
        }
        #[inline(always)]
        fn add(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn sub(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn mul(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn div(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
            token_op!((_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)))
        }
        #[inline(always)]
        fn max(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn min(self, a: Pair, b: Pair) -> Pair {
            token_op!((_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)))
        }
        #[inline(always)]
        fn sqrt(self, a: Pair) -> Pair {
            token_op!((_mm256_sqrt_ps(a.0), _mm256_sqrt_ps(a.1)))
        }
        #[inline(always)]
        fn floor(self, a: Pair) -> Pair {
            token_op!((_mm256_floor_ps(a.0), _mm256_floor_ps(a.1)))
        }
        #[inline(always)]
        fn round(self, a: Pair) -> Pair {
            const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
            token_op!((_mm256_round_ps::<NEAREST>(a.0), _mm256_round_ps::<NEAREST>(a.1)))
        }
        #[inline(always)]
        fn abs(self, a: Pair) -> Pair {
            token_op!({
                let sign = _mm256_set1_ps(-0.0);
                (_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
            })
        }
        #[inline(always)]
        fn copysign(self, a: Pair, s: Pair) -> Pair {
            token_op!({
                let sign = _mm256_set1_ps(-0.0);
                (
                    _mm256_or_ps(_mm256_andnot_ps(sign, a.0), _mm256_and_ps(sign, s.0)),
                    _mm256_or_ps(_mm256_andnot_ps(sign, a.1), _mm256_and_ps(sign, s.1)),
                )
            })
        }
        #[inline(always)]
        fn select_gt(self, a: Pair, b: Pair, x: Pair, y: Pair) -> Pair {
            token_op!((
                _mm256_blendv_ps(y.0, x.0, _mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0)),
                _mm256_blendv_ps(y.1, x.1, _mm256_cmp_ps::<_CMP_GT_OQ>(a.1, b.1)),
            ))
        }
        #[inline(always)]
        fn pow2(self, n: Pair) -> Pair {
            token_op!({
                let bias = _mm256_set1_epi32(127);
                let half = |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), bias)));
                (half(n.0), half(n.1))
            })
        }
        #[inline(always)]
        fn scale_pow2(self, a: Pair, shifted: Pair) -> Pair {
            token_op!({
                let half = |a, n| {
                    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32::<23>(_mm256_castps_si256(n))))
                };
                (half(a.0, shifted.0), half(a.1, shifted.1))
            })
        }
        #[inline(always)]
        fn sum(self, a: Pair) -> f32 {
            token_op!(sum8(_mm256_add_ps(a.0, a.1)))
        }
    }

    /// Sum of eight lanes by halves.
    #[inline]
    #[target_feature(enable = "avx")]
    fn sum8(v: __m256) -> f32 {
        let quad = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
        _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair)))
    }

    /// Transpose in four rounds of 16 shuffles: pairs, quads, then the 128-bit quarters.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn transpose16(a: [__m512; 16]) -> [__m512; 16] {
        let mut b = a;
        for i in (0..16).step_by(2) {
            b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
            b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
        }
        let pd = |v| _mm512_castps_pd(v);
        let mut c = b;
        for i in (0..16).step_by(4) {
            for h in 0..2 {
                c[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(b[i + h]), pd(b[i + 2 + h])));
                c[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(b[i + h]), pd(b[i + 2 + h])));
            }
        }
        // c[4g + q]: quarter k holds column 4k + q of rows 4g .. 4g + 4.
        let mut d = a;
        for q in 0..4 {
            let low01 = _mm512_shuffle_f32x4::<0b01_00_01_00>(c[q], c[4 + q]);
            let high01 = _mm512_shuffle_f32x4::<0b11_10_11_10>(c[q], c[4 + q]);
            let low23 = _mm512_shuffle_f32x4::<0b01_00_01_00>(c[8 + q], c[12 + q]);
            let high23 = _mm512_shuffle_f32x4::<0b11_10_11_10>(c[8 + q], c[12 + q]);
            d[q] = _mm512_shuffle_f32x4::<0b10_00_10_00>(low01, low23);
            d[4 + q] = _mm512_shuffle_f32x4::<0b11_01_11_01>(low01, low23);
            d[8 + q] = _mm512_shuffle_f32x4::<0b10_00_10_00>(high01, high23);
            d[12 + q] = _mm512_shuffle_f32x4::<0b11_01_11_01>(high01, high23);
        }
        d
    }

    impl Simd for Avx512 {
        type V = __m512;
        const WIDE: bool = true;

        #[inline(always)]
        fn load(self, from: &Block) -> __m512 {
            token_op!(_mm512_load_ps(from.0.as_ptr()))
        }
        #[inline(always)]
        fn store(self, to: &mut Block, v: __m512) {
            token_op!(_mm512_store_ps(to.0.as_mut_ptr(), v));
        }
        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            token_op!(_mm512_set1_ps(x))
        }
        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_add_ps(a, b))
        }
        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_sub_ps(a, b))
        }
        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_mul_ps(a, b))
        }
        #[inline(always)]
        fn div(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_div_ps(a, b))
        }
        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            token_op!(_mm512_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn max(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_max_ps(a, b))
        }
        #[inline(always)]
        fn min(self, a: __m512, b: __m512) -> __m512 {
            token_op!(_mm512_min_ps(a, b))
        }
        #[inline(always)]
        fn sqrt(self, a: __m512) -> __m512 {
            token_op!(_mm512_sqrt_ps(a))
        }
        #[inline(always)]
        fn floor(self, a: __m512) -> __m512 {
            token_op!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a))
        }
        #[inline(always)]
        fn round(self, a: __m512) -> __m512 {
            token_op!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
        }
        #[inline(always)]
        fn abs(self, a: __m512) -> __m512 {
            token_op!(_mm512_abs_ps(a))
        }
        #[inline(always)]
        fn copysign(self, a: __m512, s: __m512) -> __m512 {
            token_op!({
                let sign = _mm512_set1_ps(-0.0);
                _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, s))
            })
        }
        #[inline(always)]
        fn select_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
            token_op!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x))
        }
        #[inline(always)]
        fn pow2(self, n: __m512) -> __m512 {
            token_op!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
                _mm512_cvtps_epi32(n),
                _mm512_set1_epi32(127)
            ))))
        }
        #[inline(always)]
        fn scale_pow2(self, a: __m512, shifted: __m512) -> __m512 {
            token_op!(_mm512_castsi512_ps(_mm512_add_epi32(
                _mm512_castps_si512(a),
                _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted))
            )))
        }
        #[inline(always)]
        fn transpose(self, from: [&Block; 16]) -> [__m512; 16] {
            let mut a = [self.zero(); 16];
            for (to, block) in a.iter_mut().zip(from) {
                *to = self.load(block);
            }
            token_op!(transpose16(a))
        }
        #[inline(always)]
        fn sum(self, a: __m512) -> f32 {
            token_op!(sum8(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a))))
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

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
                s.pow2(small),
                s.scale_pow2(s.splat(0.75), s.add(small, s.splat(12_582_912.0))),
            ];
            let mut out = vec![s.sum(a).to_bits()];
            for v in vectors {
                let mut block = Block::default();
                s.store(&mut block, v);
                out.extend(block.0.map(f32::to_bits));
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

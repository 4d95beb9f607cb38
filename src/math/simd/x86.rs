//! The lanes on x86-64: two AVX registers, or one of AVX-512. The only `unsafe` of the kernels' arithmetic is here.

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
    fn less(self, a: Pair, b: Pair) -> u16 {
        token_op!({
            let half = |a, b| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) as u16;
            half(a.0, b.0) | half(a.1, b.1) << 8
        })
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
    fn add_bits(self, a: Pair, b: Pair) -> Pair {
        token_op!({
            let half = |a, b| _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
            (half(a.0, b.0), half(a.1, b.1))
        })
    }
    #[inline(always)]
    fn xor_turn<const L: i32, const R: i32>(self, a: Pair, b: Pair) -> Pair {
        token_op!({
            let half = |a, b| {
                let bits = _mm256_castps_si256(_mm256_xor_ps(a, b));
                _mm256_castsi256_ps(_mm256_or_si256(_mm256_slli_epi32::<L>(bits), _mm256_srli_epi32::<R>(bits)))
            };
            (half(a.0, b.0), half(a.1, b.1))
        })
    }
    #[inline(always)]
    fn select_below(self, a: Pair, b: Pair, x: Pair, y: Pair) -> Pair {
        token_op!({
            // There is only a comparison with signs: the topmost bit turned over, the order is that without.
            let top = _mm256_set1_epi32(i32::MIN);
            let signed = |v| _mm256_xor_si256(_mm256_castps_si256(v), top);
            let half = |a, b, x, y| _mm256_blendv_ps(y, x, _mm256_castsi256_ps(_mm256_cmpgt_epi32(signed(b), signed(a))));
            (half(a.0, b.0, x.0, y.0), half(a.1, b.1, x.1, y.1))
        })
    }
    #[inline(always)]
    fn sum(self, a: Pair) -> f32 {
        token_op!(sum8(_mm256_add_ps(a.0, a.1)))
    }
    #[inline(always)]
    fn sums(self, a: [Pair; 8]) -> [f32; 8] {
        token_op!({
            let mut halves = [_mm256_setzero_ps(); 8];
            for (to, v) in halves.iter_mut().zip(a) {
                *to = _mm256_add_ps(v.0, v.1);
            }
            sums8(halves)
        })
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

/// A mask of the first `n` lanes, of all for 16 and more.
const fn first_lanes(n: usize) -> __mmask16 {
    if n >= 16 { __mmask16::MAX } else { (1 << n) - 1 }
}

/// Eight sums of eight lanes by halves: the additions of `sum8`, two vectors a shuffle.
#[inline]
#[target_feature(enable = "avx")]
fn sums8(v: [__m256; 8]) -> [f32; 8] {
    // Lanes l and l + 4 of two vectors, side by side.
    let halves = |a, b| _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
    // Lanes l and l + 2, then l and l + 1, within each half.
    let quarters = |a, b| _mm256_add_ps(_mm256_shuffle_ps::<0b01_00_01_00>(a, b), _mm256_shuffle_ps::<0b11_10_11_10>(a, b));
    let eighths = |a, b| _mm256_add_ps(_mm256_shuffle_ps::<0b10_00_10_00>(a, b), _mm256_shuffle_ps::<0b11_01_11_01>(a, b));
    // The low half ends with vectors 0 to 3, the high one with 4 to 7.
    let first = quarters(halves(v[0], v[4]), halves(v[1], v[5]));
    let second = quarters(halves(v[2], v[6]), halves(v[3], v[7]));
    let mut sums = [0.0; 8];
    // SAFETY: the array holds eight values.
    unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), eighths(first, second)) };
    sums
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
    fn max_abs(self, a: __m512, b: __m512) -> __m512 {
        /// The larger magnitude, its sign cleared.
        const LARGER_MAGNITUDE: i32 = 0b1011;
        token_op!(_mm512_range_ps::<LARGER_MAGNITUDE>(a, b))
    }
    #[inline(always)]
    fn count_less(self, count: __m512, a: __m512, b: __m512) -> __m512 {
        token_op!(_mm512_mask_add_ps(count, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), count, _mm512_set1_ps(1.0)))
    }
    #[inline(always)]
    fn less(self, a: __m512, b: __m512) -> u16 {
        token_op!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b))
    }
    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        token_op!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)))))
    }
    #[inline(always)]
    fn scale_pow2(self, a: __m512, shifted: __m512) -> __m512 {
        token_op!(_mm512_castsi512_ps(_mm512_add_epi32(
            _mm512_castps_si512(a),
            _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted))
        )))
    }
    #[inline(always)]
    fn add_bits(self, a: __m512, b: __m512) -> __m512 {
        token_op!(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b))))
    }
    #[inline(always)]
    fn xor_turn<const L: i32, const R: i32>(self, a: __m512, b: __m512) -> __m512 {
        token_op!(_mm512_castsi512_ps(_mm512_rol_epi32::<L>(_mm512_castps_si512(_mm512_xor_ps(a, b)))))
    }
    #[inline(always)]
    fn select_below(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        token_op!(_mm512_mask_blend_ps(_mm512_cmplt_epu32_mask(_mm512_castps_si512(a), _mm512_castps_si512(b)), y, x))
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
    #[inline(always)]
    fn sums(self, a: [__m512; 8]) -> [f32; 8] {
        token_op!({
            let mut halves = [_mm256_setzero_ps(); 8];
            for (to, v) in halves.iter_mut().zip(a) {
                *to = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            }
            sums8(halves)
        })
    }
    #[inline(always)]
    fn load_part(self, from: &[f32]) -> __m512 {
        // SAFETY: the token proves the instructions; the mask leaves out every lane beyond the slice.
        unsafe { _mm512_maskz_loadu_ps(first_lanes(from.len()), from.as_ptr()) }
    }
    #[inline(always)]
    fn store_part(self, to: &mut [f32], v: __m512) {
        // SAFETY: as in `load_part`.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), first_lanes(to.len()), v) }
    }
}

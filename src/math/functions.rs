//! exp2, exp, e^x − 1, ln(1 + e^x), 1/(1 + e^−x) and tanh on sixteen lanes, from polynomials and fused multiply-adds only: the same bits on
//! every instruction set.
//!
//! Polynomials are those of the Cephes library (S. Moshier) for single precision. Errors are measured in the tests against f64. What
//! stops being finite stays so: NaN gives NaN, except in `exp2`, whose arguments are distances.

use super::simd::Simd;

/// 2^x for x in [−126, 126]; smaller arguments give 2^−126, larger 2^126. Error below 1.5 ulp.
#[inline(always)]
pub fn exp2<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.min(x, s.splat(126.0)), s.splat(-126.0));
    let n = s.round(x);
    let f = s.sub(x, n);
    let mut p = s.splat(1.535_336_2e-4);
    p = s.mul_add(p, f, s.splat(1.339_887_4e-3));
    p = s.mul_add(p, f, s.splat(9.618_437e-3));
    p = s.mul_add(p, f, s.splat(5.550_332_5e-2));
    p = s.mul_add(p, f, s.splat(2.402_264_8e-1));
    p = s.mul_add(p, f, s.splat(6.931_472e-1));
    s.mul(s.mul_add(p, f, s.splat(1.0)), s.pow2(n))
}

/// Below this, e^x is no normal number: functions that fall to 0 are 0 there.
const LEAST: f32 = -87.0;

/// (e^r − 1, 2^n) with x = r + n·ln 2 and |r| ≤ ln 2 / 2, for x clamped to [−87, 87].
#[inline(always)]
fn reduced<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    /// ln 2 in two parts, the first exact in few bits, so that x − n·ln 2 keeps its accuracy (Cody & Waite).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // The argument comes second: of a comparison with NaN the second value is taken.
    let x = s.max(s.splat(LEAST), s.min(s.splat(-LEAST), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN2_LOW), r);
    let mut p = s.splat(1.987_569_1e-4);
    p = s.mul_add(p, r, s.splat(1.398_2e-3));
    p = s.mul_add(p, r, s.splat(8.333_452e-3));
    p = s.mul_add(p, r, s.splat(4.166_579_6e-2));
    p = s.mul_add(p, r, s.splat(1.666_666_5e-1));
    p = s.mul_add(p, r, s.splat(0.5));
    (s.mul_add(s.mul(r, r), p, r), s.pow2(n))
}

/// e^x for x in [−87, 87]; arguments outside are clamped to it. Error below 1.5 ulp.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let (part, scale) = reduced(s, x);
    s.mul(s.add(part, s.splat(1.0)), scale)
}

/// e^x − 1 for x up to 87, −1 where x is far below 0. Error below 2 ulp, near 0, too.
#[inline(always)]
pub fn exp_m1<S: Simd>(s: S, x: S::V) -> S::V {
    let (part, scale) = reduced(s, x);
    s.mul_add(part, scale, s.sub(scale, s.splat(1.0)))
}

/// 1/(1 + e^−x): the logistic function. Reaches exactly 0 (below −87) and 1. Error below 2.5 ulp.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let y = s.div(s.splat(1.0), s.add(s.splat(1.0), exp(s, s.sub(s.zero(), x))));
    s.select_gt(s.splat(LEAST), x, s.zero(), y)
}

/// ln(1 + e^x); x itself above 17, exactly 0 below −87. Error below 2 ulp.
#[inline(always)]
pub fn softplus<S: Simd>(s: S, x: S::V) -> S::V {
    let y = s.add(s.max(s.zero(), x), ln_1p(s, exp(s, s.sub(s.zero(), s.abs(x)))));
    s.select_gt(s.splat(LEAST), x, s.zero(), y)
}

/// ln(1 + u) for u in [0, 1].
#[inline(always)]
fn ln_1p<S: Simd>(s: S, u: S::V) -> S::V {
    // 1 + u above √2 is halved, so that 1 + f lies in [√½, √2]; u keeps its low bits below.
    let limit = s.splat(std::f32::consts::SQRT_2 - 1.0);
    let half = s.mul(s.sub(u, s.splat(1.0)), s.splat(0.5));
    let f = s.select_gt(u, limit, half, u);
    let ln2 = s.select_gt(u, limit, s.splat(std::f32::consts::LN_2), s.zero());
    let mut p = s.splat(7.037_683_6e-2);
    p = s.mul_add(p, f, s.splat(-1.151_461e-1));
    p = s.mul_add(p, f, s.splat(1.167_699_9e-1));
    p = s.mul_add(p, f, s.splat(-1.242_014_1e-1));
    p = s.mul_add(p, f, s.splat(1.424_932_3e-1));
    p = s.mul_add(p, f, s.splat(-1.666_805_8e-1));
    p = s.mul_add(p, f, s.splat(2.000_071_5e-1));
    p = s.mul_add(p, f, s.splat(-2.499_999_4e-1));
    p = s.mul_add(p, f, s.splat(3.333_333e-1));
    let square = s.mul(f, f);
    let y = s.mul_add(s.mul(square, f), p, s.mul(square, s.splat(-0.5)));
    s.add(s.add(f, y), ln2)
}

/// tanh x; saturates at exactly ±1, as binned information needs. Error below 2 ulp.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let a = s.abs(x);
    let z = s.mul(x, x);
    let mut p = s.splat(-5.704_988_7e-3);
    p = s.mul_add(p, z, s.splat(2.063_908_8e-2));
    p = s.mul_add(p, z, s.splat(-5.373_971_6e-2));
    p = s.mul_add(p, z, s.splat(1.333_144_2e-1));
    p = s.mul_add(p, z, s.splat(-0.333_332_8));
    let small = s.mul_add(s.mul(p, z), x, x);
    let e = exp(s, s.add(a, a));
    let large = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.select_gt(a, s.splat(0.625), s.copysign(large, x), small)
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Block, Isa, Kernel, LANES, Simd};

    #[derive(Clone, Copy)]
    enum Function {
        Exp2,
        Exp,
        ExpM1,
        Sigmoid,
        Softplus,
        Tanh,
    }

    struct Apply(Function, Block);

    impl Kernel for Apply {
        type Output = Block;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Block {
            let x = s.load(&self.1);
            let y = match self.0 {
                Function::Exp2 => super::exp2(s, x),
                Function::Exp => super::exp(s, x),
                Function::ExpM1 => super::exp_m1(s, x),
                Function::Sigmoid => super::sigmoid(s, x),
                Function::Softplus => super::softplus(s, x),
                Function::Tanh => super::tanh(s, x),
            };
            let mut out = Block::default();
            s.store(&mut out, y);
            out
        }
    }

    /// Largest error in units of the last place of the true value, over a dense sweep; also holds every path to the portable bits.
    fn worst_ulp(function: Function, low: f32, high: f32, truth: fn(f64) -> f64) -> f64 {
        let mut worst = 0.0f64;
        let steps = 40_000;
        for step in 0..steps {
            let block = Block(std::array::from_fn(|l| low + (high - low) * ((step * LANES + l) as f32 / (steps * LANES) as f32)));
            let got = Isa::best().dispatch(Apply(function, block));
            if step % 16 == 0 {
                for isa in Isa::available() {
                    assert_eq!(
                        isa.dispatch(Apply(function, block)).0.map(f32::to_bits),
                        got.0.map(f32::to_bits),
                        "{}",
                        isa.name()
                    );
                }
            }
            for (x, y) in block.0.into_iter().zip(got.0) {
                let t = truth(f64::from(x));
                let near = (t as f32).abs().max(f32::MIN_POSITIVE);
                let ulp = f64::from(f32::from_bits(near.to_bits() + 1) - near);
                worst = worst.max((f64::from(y) - t).abs() / ulp);
            }
        }
        worst
    }

    #[test]
    fn accuracy_in_ulp() {
        assert!(worst_ulp(Function::Exp2, -120.0, 120.0, libm::exp2) < 1.5);
        assert!(worst_ulp(Function::Exp, -80.0, 80.0, libm::exp) < 1.5);
        assert!(worst_ulp(Function::ExpM1, -30.0, 80.0, libm::expm1) < 2.0);
        assert!(worst_ulp(Function::ExpM1, -0.5, 0.5, libm::expm1) < 2.0);
        assert!(worst_ulp(Function::Sigmoid, -86.0, 86.0, |x| 1.0 / (1.0 + libm::exp(-x))) < 2.5);
        assert!(worst_ulp(Function::Sigmoid, -4.0, 4.0, |x| 1.0 / (1.0 + libm::exp(-x))) < 2.5);
        assert!(worst_ulp(Function::Softplus, -86.0, 86.0, softplus) < 2.0);
        assert!(worst_ulp(Function::Softplus, -4.0, 4.0, softplus) < 2.0);
        assert!(worst_ulp(Function::Tanh, -12.0, 12.0, libm::tanh) < 2.0);
        assert!(worst_ulp(Function::Tanh, -1e-3, 1e-3, libm::tanh) < 1.0);
    }

    fn softplus(x: f64) -> f64 {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
    }

    #[test]
    fn extremes_are_reached_and_nan_is_kept() {
        let x =
            Block([f32::NAN, -1e30, -88.0, 1e30, 20.0, 0.0, f32::INFINITY, f32::NEG_INFINITY, 1., 1., 1., 1., 1., 1., 1., 1.]);
        for isa in Isa::available() {
            let of = |function| isa.dispatch(Apply(function, x)).0;
            for function in [Function::Exp, Function::ExpM1, Function::Sigmoid, Function::Softplus, Function::Tanh] {
                assert!(of(function)[0].is_nan(), "{}", isa.name());
            }
            assert_eq!(of(Function::Sigmoid)[1..8], [0.0, 0.0, 1.0, 1.0, 0.5, 1.0, 0.0]);
            assert_eq!(of(Function::Softplus)[1..5], [0.0, 0.0, 1e30, 20.0]);
            assert_eq!(of(Function::ExpM1)[1..3], [-1.0, -1.0]);
            assert_eq!((of(Function::ExpM1)[5], of(Function::ExpM1)[7]), (0.0, -1.0));
        }
    }

    #[test]
    fn tanh_saturates_at_one_and_extremes_stay_finite() {
        let x = Block([0.0, -0.0, 9.5, -9.5, 40.0, -40.0, 1e30, -1e30, 88.0, -88.0, 200.0, -200.0, 1e-30, -1e-30, 0.625, -0.625]);
        let t = Isa::best().dispatch(Apply(Function::Tanh, x)).0;
        assert_eq!(t[..8], [0.0, 0.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
        assert!(Isa::best().dispatch(Apply(Function::Exp, x)).0.iter().all(|v| v.is_finite() && *v > 0.0));
        assert!(Isa::best().dispatch(Apply(Function::Exp2, x)).0.iter().all(|v| v.is_finite() && *v > 0.0));
    }
}

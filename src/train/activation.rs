//! Activation functions over a layer, value by value, and their derivatives from the activation's own value.
//!
//! Errors in ulp of the true value: softsign 1.5, sigmoid 2.5, softplus, tanh, elu 2, selu 3.5; the others are rounded once or exact,
//! `hard_sigmoid` in units of its values near 1. Functions that saturate reach their extremes: tanh and softsign ±1, sigmoid and
//! hard_sigmoid 0 and 1, elu −1, selu −λα, softplus 0. NaN gives NaN. Where a derivative jumps, it is TensorFlow's: that of ReLU is 0 at 0.
//! PReLU and maxout are no functions of one value, and live in `prelu` and `maxout`.

use super::spec::Activation;
use crate::math::exec::Exec;
use crate::math::functions;
use crate::math::simd::{Block, Kernel, Simd};

/// Slope of leaky ReLU below 0.
pub const LEAK: f64 = 0.2;
/// λ of SELU.
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// α of SELU.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// Replaces every z by its activation; those that are no functions of one value leave it.
pub fn activate(exec: Exec, activation: Activation, z: &mut [Block]) {
    fn map(exec: Exec, function: impl Function, z: &mut [Block]) {
        exec.walk(z, |z| exec.isa.dispatch(Map(function, z)));
    }
    match activation {
        Activation::Tanh => map(exec, Tanh, z),
        Activation::Relu => map(exec, Relu, z),
        Activation::Sigmoid => map(exec, Sigmoid, z),
        Activation::Softsign => map(exec, Softsign, z),
        Activation::Softplus => map(exec, Softplus, z),
        Activation::LeakyRelu => map(exec, LeakyRelu, z),
        Activation::HardSigmoid => map(exec, HardSigmoid, z),
        Activation::Selu => map(exec, SELU, z),
        Activation::Relu6 => map(exec, Relu6, z),
        Activation::Elu => map(exec, ELU, z),
        Activation::Step => map(exec, Step, z),
        Activation::Linear | Activation::Prelu | Activation::Maxout => {}
    }
}

/// Multiplies every δ by the activation's derivative, computed from the activation a itself: 1 − a² for tanh, 1 where a > 0 for ReLU.
///
/// # Panics
/// If the slices differ in length.
pub fn chain(exec: Exec, activation: Activation, a: &[Block], delta: &mut [Block]) {
    fn along(exec: Exec, function: impl Function, a: &[Block], delta: &mut [Block]) {
        exec.walk_beside(a, delta, |a, delta| exec.isa.dispatch(Chain(function, a, delta)));
    }
    match activation {
        Activation::Tanh => along(exec, Tanh, a, delta),
        Activation::Relu => along(exec, Relu, a, delta),
        Activation::Sigmoid => along(exec, Sigmoid, a, delta),
        Activation::Softsign => along(exec, Softsign, a, delta),
        Activation::Softplus => along(exec, Softplus, a, delta),
        Activation::LeakyRelu => along(exec, LeakyRelu, a, delta),
        Activation::HardSigmoid => along(exec, HardSigmoid, a, delta),
        Activation::Selu => along(exec, SELU, a, delta),
        Activation::Relu6 => along(exec, Relu6, a, delta),
        Activation::Elu => along(exec, ELU, a, delta),
        Activation::Step => along(exec, Step, a, delta),
        Activation::Linear | Activation::Prelu | Activation::Maxout => {}
    }
}

/// A function of one value.
trait Function: Copy + Send + Sync {
    /// a(z)
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V;
    /// δ · a′, from a.
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V;
}

struct Map<'a, F>(F, &'a mut [Block]);

impl<F: Function> Kernel for Map<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for block in self.1 {
            let a = self.0.value(s, s.load(block));
            s.store(block, a);
        }
    }
}

struct Chain<'a, F>(F, &'a [Block], &'a mut [Block]);

impl<F: Function> Kernel for Chain<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (a, delta) in self.1.iter().zip(self.2) {
            let d = self.0.chain(s, s.load(a), s.load(delta));
            s.store(delta, d);
        }
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        functions::tanh(s, z)
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        s.mul(delta, s.mul_add(s.sub(s.zero(), a), a, s.splat(1.0)))
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        // Written as a comparison with the value second, so that NaN stays NaN and a diverged run is noticed.
        s.select_gt(s.zero(), z, s.zero(), z)
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        s.select_gt(a, s.zero(), delta, s.zero())
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        functions::sigmoid(s, z)
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        s.mul(delta, s.mul(a, s.sub(s.splat(1.0), a)))
    }
}

#[derive(Clone, Copy)]
struct Softsign;

impl Function for Softsign {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        s.div(z, s.add(s.splat(1.0), s.abs(z)))
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        let rest = s.sub(s.splat(1.0), s.abs(a));
        s.mul(delta, s.mul(rest, rest))
    }
}

#[derive(Clone, Copy)]
struct Softplus;

impl Function for Softplus {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        functions::softplus(s, z)
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        // 1/(1 + e^−z) = 1 − e^−a.
        s.mul(delta, s.sub(s.zero(), functions::exp_m1(s, s.sub(s.zero(), a))))
    }
}

#[derive(Clone, Copy)]
struct LeakyRelu;

impl Function for LeakyRelu {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        s.select_gt(z, s.zero(), z, s.mul(z, s.splat(LEAK as f32)))
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        s.select_gt(a, s.zero(), delta, s.mul(delta, s.splat(LEAK as f32)))
    }
}

#[derive(Clone, Copy)]
struct HardSigmoid;

impl Function for HardSigmoid {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        s.min(s.splat(1.0), s.max(s.zero(), s.mul_add(z, s.splat(0.2), s.splat(0.5))))
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        let below = s.select_gt(s.splat(1.0), a, s.mul(delta, s.splat(0.2)), s.zero());
        s.select_gt(a, s.zero(), below, s.zero())
    }
}

/// `scale` · z above 0, `bottom` · (e^z − 1) else.
#[derive(Clone, Copy)]
struct Exponential {
    scale: f32,
    bottom: f32,
}

const ELU: Exponential = Exponential { scale: 1.0, bottom: 1.0 };
const SELU: Exponential = Exponential { scale: SELU_SCALE as f32, bottom: (SELU_SCALE * SELU_ALPHA) as f32 };

impl Function for Exponential {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        let below = s.mul(functions::exp_m1(s, z), s.splat(self.bottom));
        s.select_gt(z, s.zero(), s.mul(z, s.splat(self.scale)), below)
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        let slope = s.select_gt(s.zero(), a, s.add(a, s.splat(self.bottom)), s.splat(self.scale));
        s.mul(delta, slope)
    }
}

#[derive(Clone, Copy)]
struct Relu6;

impl Function for Relu6 {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        s.min(s.splat(6.0), s.max(s.zero(), z))
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, a: S::V, delta: S::V) -> S::V {
        s.select_gt(a, s.zero(), s.select_gt(s.splat(6.0), a, delta, s.zero()), s.zero())
    }
}

#[derive(Clone, Copy)]
struct Step;

impl Function for Step {
    #[inline(always)]
    fn value<S: Simd>(self, s: S, z: S::V) -> S::V {
        s.select_gt(z, s.zero(), s.splat(1.0), s.max(s.zero(), z))
    }
    #[inline(always)]
    fn chain<S: Simd>(self, s: S, _: S::V, _: S::V) -> S::V {
        s.zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::Isa;
    use crate::train::reference;

    fn on(isa: Isa) -> Exec {
        Exec { isa, parallel: false }
    }

    /// Activations of one value, with the error that the module's text states, in ulp.
    const ULP: &[(Activation, f64)] = &[
        (Activation::Tanh, 2.0),
        (Activation::Relu, 0.0),
        (Activation::Linear, 0.0),
        (Activation::Sigmoid, 2.5),
        (Activation::Softsign, 1.5),
        (Activation::Softplus, 2.0),
        (Activation::LeakyRelu, 1.0),
        (Activation::Selu, 3.5),
        (Activation::Relu6, 0.0),
        (Activation::Elu, 2.0),
        (Activation::Step, 0.0),
    ];

    #[test]
    fn accuracy_in_ulp() {
        for &(activation, limit) in ULP {
            let mut worst = 0.0f64;
            for scale in [0.01, 1.0, 20.0, 80.0] {
                let grid: Vec<f32> = (-8000..8000).map(|i| scale * i as f32 / 8000.0).collect();
                for chunk in grid.chunks(16) {
                    let z = Block(chunk.try_into().unwrap());
                    let mut a = [z];
                    activate(Exec::serial(), activation, &mut a);
                    for l in 0..16 {
                        let (value, _) = reference::activation(activation, f64::from(z.0[l]));
                        let near = (value as f32).abs().max(f32::MIN_POSITIVE);
                        let ulp = f64::from(f32::from_bits(near.to_bits() + 1) - near);
                        worst = worst.max((f64::from(a[0].0[l]) - value).abs() / ulp);
                    }
                }
            }
            assert!(worst <= limit, "{activation:?}: {worst}");
        }
    }

    #[test]
    fn values_and_derivatives_equal_the_reference_on_every_path() {
        let grid: Vec<f32> = (-4000..4000).map(|i| i as f32 / 500.0).collect();
        for &activation in Activation::ALL {
            for chunk in grid.chunks(16) {
                let z = Block(chunk.try_into().unwrap());
                let mut first = None;
                for isa in Isa::available() {
                    let mut a = [z];
                    activate(on(isa), activation, &mut a);
                    let mut delta = [Block([2.0; 16])];
                    chain(on(isa), activation, &a, &mut delta);
                    let got = (a[0].0.map(f32::to_bits), delta[0].0.map(f32::to_bits));
                    assert_eq!(*first.get_or_insert(got), got, "{activation:?} {}", isa.name());
                    if matches!(activation, Activation::Prelu | Activation::Maxout) {
                        assert_eq!((a[0], delta[0].0), (z, [2.0; 16]));
                        continue;
                    }
                    for l in 0..16 {
                        let (value, slope) = reference::activation(activation, f64::from(z.0[l]));
                        assert!((f64::from(a[0].0[l]) - value).abs() < 2e-7 * value.abs().max(0.3), "{activation:?} {}", z.0[l]);
                        assert!((f64::from(delta[0].0[l]) - 2.0 * slope).abs() < 5e-7, "{activation:?}' {}", z.0[l]);
                    }
                }
            }
        }
    }

    #[test]
    fn extremes_are_reached_and_nan_is_kept() {
        use Activation::{Elu, HardSigmoid, Selu, Sigmoid, Softplus, Softsign, Tanh};
        let floor = -(SELU_SCALE * SELU_ALPHA) as f32;
        let ends = [(Tanh, -1.0, 1.0), (Softsign, -1.0, 1.0), (Sigmoid, 0.0, 1.0), (HardSigmoid, 0.0, 1.0)];
        let ends = ends.into_iter().chain([(Elu, -1.0, 1e9), (Selu, floor, SELU_SCALE as f32 * 1e9), (Softplus, 0.0, 1e9)]);
        for isa in Isa::available() {
            for (activation, low, high) in ends.clone() {
                let mut a = [Block([-1e9; 16]), Block([1e9; 16])];
                activate(on(isa), activation, &mut a);
                assert_eq!((a[0].0, a[1].0), ([low; 16], [high; 16]), "{activation:?}");
            }
            for &activation in Activation::ALL {
                let mut a = [Block([f32::NAN; 16])];
                activate(on(isa), activation, &mut a);
                assert!(a[0].0.iter().all(|v| v.is_nan()), "{activation:?}");
            }
        }
    }

    #[test]
    fn kinks_have_the_slope_of_tensorflow() {
        use Activation::{Elu, LeakyRelu, Relu, Relu6, Selu};
        let kinks = [(Relu, 0.0, 0.0), (Relu6, 0.0, 0.0), (Relu6, 6.0, 0.0), (LeakyRelu, 0.0, LEAK), (Elu, 0.0, 1.0)];
        for (activation, at, slope) in kinks.into_iter().chain([(Selu, 0.0, SELU_SCALE)]) {
            for isa in Isa::available() {
                let mut delta = [Block([1.0; 16])];
                chain(on(isa), activation, &[Block([at; 16])], &mut delta);
                assert_eq!(delta[0].0, [slope as f32; 16], "{activation:?}");
            }
        }
    }
}

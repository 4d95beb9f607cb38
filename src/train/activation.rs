//! Activation functions over a layer, and their derivatives from the activation's own value.

use super::spec::Activation;
use crate::math::functions;
use crate::math::simd::{Block, Isa, Kernel, Simd};

/// Replaces every z by its activation.
pub fn activate(isa: Isa, activation: Activation, z: &mut [Block]) {
    match activation {
        Activation::Tanh => isa.dispatch(Tanh(z)),
        Activation::Relu => isa.dispatch(Relu(z)),
        Activation::Linear => {}
    }
}

/// Multiplies every δ by the activation's derivative, computed from the activation a itself: 1 − a² for tanh, 1 where a > 0 for ReLU.
///
/// # Panics
/// If the slices differ in length.
pub fn chain(isa: Isa, activation: Activation, a: &[Block], delta: &mut [Block]) {
    assert_eq!(a.len(), delta.len());
    match activation {
        Activation::Tanh => isa.dispatch(TanhChain(a, delta)),
        Activation::Relu => isa.dispatch(ReluChain(a, delta)),
        Activation::Linear => {}
    }
}

struct Tanh<'a>(&'a mut [Block]);

impl Kernel for Tanh<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for block in self.0 {
            let y = functions::tanh(s, s.load(block));
            s.store(block, y);
        }
    }
}

struct Relu<'a>(&'a mut [Block]);

impl Kernel for Relu<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for block in self.0 {
            // Written as a comparison with the value second, so that NaN stays NaN and a diverged run is noticed.
            let z = s.load(block);
            s.store(block, s.select_gt(s.zero(), z, s.zero(), z));
        }
    }
}

struct TanhChain<'a>(&'a [Block], &'a mut [Block]);

impl Kernel for TanhChain<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (a, delta) in self.0.iter().zip(self.1) {
            let a = s.load(a);
            let slope = s.mul_add(s.sub(s.zero(), a), a, s.splat(1.0));
            let d = s.mul(s.load(delta), slope);
            s.store(delta, d);
        }
    }
}

struct ReluChain<'a>(&'a [Block], &'a mut [Block]);

impl Kernel for ReluChain<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (a, delta) in self.0.iter().zip(self.1) {
            let d = s.select_gt(s.load(a), s.zero(), s.load(delta), s.zero());
            s.store(delta, d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::reference;

    #[test]
    fn values_and_derivatives_equal_the_reference() {
        let grid: Vec<f32> = (-4000..4000).map(|i| i as f32 / 500.0).collect();
        for &activation in Activation::ALL {
            for isa in Isa::available() {
                for chunk in grid.chunks(16) {
                    let z = Block(chunk.try_into().unwrap());
                    let mut a = [z];
                    activate(isa, activation, &mut a);
                    let mut delta = [Block([2.0; 16])];
                    chain(isa, activation, &a, &mut delta);
                    for l in 0..16 {
                        let (value, slope) = reference::activation(activation, f64::from(z.0[l]));
                        assert!((f64::from(a[0].0[l]) - value).abs() < 2e-7 * value.abs().max(1e-3), "{activation:?} {}", z.0[l]);
                        assert!((f64::from(delta[0].0[l]) - 2.0 * slope).abs() < 5e-7, "{activation:?}' {}", z.0[l]);
                    }
                }
            }
        }
    }

    #[test]
    fn relu_keeps_nan_and_has_no_slope_at_zero() {
        for isa in Isa::available() {
            let mut a = [Block([f32::NAN; 16])];
            activate(isa, Activation::Relu, &mut a);
            assert!(a[0].0.iter().all(|v| v.is_nan()));
            let mut delta = [Block([1.0; 16])];
            chain(isa, Activation::Relu, &[Block([0.0; 16])], &mut delta);
            assert_eq!(delta[0].0, [0.0; 16]);
        }
    }
}

//! Optimizers: from a gradient to new parameters, over one flat vector.

use serde::{Deserialize, Serialize};

use super::spec::Optimizer;
use crate::math::simd::{Block, Isa, Kernel, Simd};

/// Decay of Adam's first moment.
pub const BETA1: f64 = 0.9;
/// Decay of Adam's second moment.
pub const BETA2: f64 = 0.999;
/// Adam's ε, added outside the bias correction (TensorFlow's form).
pub const EPSILON: f64 = 1e-8;

/// An optimizer's state for one parameter vector. Checkpoints hold it as it is: append variants at the end, and see [`super::checkpoint`]
/// before changing the fields of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum State {
    /// SGD has none.
    Sgd,
    /// Adam's moments, and β₁ᵗ and β₂ᵗ by repeated multiplication.
    Adam {
        /// First moment.
        m: Vec<Block>,
        /// Second moment.
        v: Vec<Block>,
        /// (β₁ᵗ, β₂ᵗ)
        powers: (f64, f64),
    },
}

impl State {
    /// The state before the first step, for a vector of `n` blocks.
    #[must_use]
    pub fn new(optimizer: Optimizer, n: usize) -> Self {
        match optimizer {
            Optimizer::Sgd => Self::Sgd,
            Optimizer::Adam => Self::Adam { m: vec![Block::default(); n], v: vec![Block::default(); n], powers: (1.0, 1.0) },
        }
    }

    /// Whether this is a state of `optimizer` for a vector of `n` blocks.
    #[must_use]
    pub fn fits(&self, optimizer: Optimizer, n: usize) -> bool {
        match self {
            Self::Sgd => optimizer == Optimizer::Sgd,
            Self::Adam { m, v, powers: _ } => optimizer == Optimizer::Adam && m.len() == n && v.len() == n,
        }
    }

    /// One step with that gradient. Returns whether all new parameters are finite.
    pub fn step(&mut self, isa: Isa, learning_rate: f64, parameters: &mut [Block], gradient: &[Block]) -> bool {
        match self {
            Self::Sgd => isa.dispatch(SgdStep { rate: learning_rate as f32, parameters, gradient }),
            Self::Adam { m, v, powers } => {
                *powers = (powers.0 * BETA1, powers.1 * BETA2);
                let rate = learning_rate * (1.0 - powers.1).sqrt() / (1.0 - powers.0);
                isa.dispatch(AdamStep { rate: rate as f32, parameters, gradient, m, v })
            }
        }
    }
}

/// Whether a sum of p·0 over all parameters stayed 0: it is NaN as soon as one of them is infinite or NaN.
fn all_finite<S: Simd>(s: S, zeros: S::V) -> bool {
    s.sum(zeros) == 0.0
}

struct SgdStep<'a> {
    rate: f32,
    parameters: &'a mut [Block],
    gradient: &'a [Block],
}

impl Kernel for SgdStep<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let rate = s.splat(-self.rate);
        let mut zeros = s.zero();
        for (p, g) in self.parameters.iter_mut().zip(self.gradient) {
            let new = s.mul_add(rate, s.load(g), s.load(p));
            zeros = s.mul_add(new, s.zero(), zeros);
            s.store(p, new);
        }
        all_finite(s, zeros)
    }
}

struct AdamStep<'a> {
    rate: f32,
    parameters: &'a mut [Block],
    gradient: &'a [Block],
    m: &'a mut [Block],
    v: &'a mut [Block],
}

impl Kernel for AdamStep<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let (rate, epsilon) = (s.splat(-self.rate), s.splat(EPSILON as f32));
        let (take1, take2) = (s.splat((1.0 - BETA1) as f32), s.splat((1.0 - BETA2) as f32));
        let mut zeros = s.zero();
        let state = self.m.iter_mut().zip(self.v);
        for ((p, g), (m, v)) in self.parameters.iter_mut().zip(self.gradient).zip(state) {
            let (g, old_m, old_v) = (s.load(g), s.load(m), s.load(v));
            // m + (1 − β)(g − m): one rounding less than β·m + (1 − β)·g, and exact at a fixed point.
            let new_m = s.mul_add(take1, s.sub(g, old_m), old_m);
            let new_v = s.mul_add(take2, s.sub(s.mul(g, g), old_v), old_v);
            let step = s.div(new_m, s.add(s.sqrt(new_v), epsilon));
            let new = s.mul_add(rate, step, s.load(p));
            zeros = s.mul_add(new, s.zero(), zeros);
            s.store(m, new_m);
            s.store(v, new_v);
            s.store(p, new);
        }
        all_finite(s, zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::{blocks, flat, flat_mut};
    use crate::train::reference;

    #[test]
    fn single_steps_equal_the_reference_and_each_other() {
        for &optimizer in Optimizer::ALL {
            for n in 1..130 {
                let mut stream = Stream::new(n as u64, Purpose::Init, 0);
                let mut draw = |n: usize| (0..n).map(|_| stream.normal()).collect::<Vec<f64>>();
                let (start, gradients) = (draw(n), [draw(n), draw(n)]);
                let mut plain = reference::OptimizerState::new(optimizer, start.clone());
                gradients.iter().for_each(|g| plain.step(0.01, g));
                let mut outcomes = Isa::available().into_iter().map(|isa| {
                    let block = |values: &[f64]| {
                        let mut data = vec![Block::default(); blocks(n)];
                        flat_mut(&mut data)[..n].iter_mut().zip(values).for_each(|(to, v)| *to = *v as f32);
                        data
                    };
                    let (mut state, mut parameters) = (State::new(optimizer, blocks(n)), block(&start));
                    for gradient in &gradients {
                        assert!(state.step(isa, 0.01, &mut parameters, &block(gradient)));
                    }
                    flat(&parameters)[..n].to_vec()
                });
                let first = outcomes.next().unwrap();
                for (got, want) in first.iter().zip(&plain.parameters) {
                    assert!((f64::from(*got) - want).abs() < 1e-6 * want.abs().max(0.1), "{optimizer:?}: {got} {want}");
                }
                assert!(outcomes.all(|other| other == first));
            }
        }
    }

    #[test]
    fn a_parameter_that_is_not_finite_is_noticed() {
        for &optimizer in Optimizer::ALL {
            for isa in Isa::available() {
                for bad in [f32::NAN, f32::INFINITY] {
                    let mut gradient = [Block::default(); 3];
                    gradient[2].0[15] = bad;
                    let mut parameters = [Block([1.0; 16]); 3];
                    assert!(!State::new(optimizer, 3).step(isa, 0.1, &mut parameters, &gradient), "{optimizer:?} {bad}");
                }
            }
        }
    }
}

//! Optimizers: from a gradient to new parameters, over one flat vector.

use serde::{Deserialize, Serialize};

use super::spec::Optimizer;
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, Simd};

/// An optimizer's state for one parameter vector. Checkpoints hold it as it is: see [`super::checkpoint`] before changing its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    optimizer: Optimizer,
    /// First moment of Adam and AdamW, velocity of SGD; empty where there is none.
    first: Vec<Block>,
    /// Second moment of Adam and AdamW, mean square of RMSprop; empty where there is none.
    second: Vec<Block>,
    /// (β₁ᵗ, β₂ᵗ) of Adam and AdamW, by repeated multiplication.
    powers: (f64, f64),
}

impl State {
    /// The state before the first step, for a vector of `n` blocks.
    #[must_use]
    pub fn new(optimizer: Optimizer, n: usize) -> Self {
        let (first, second) = match optimizer {
            Optimizer::Sgd { momentum, .. } => (momentum != 0.0, false),
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => (true, true),
            Optimizer::Rmsprop { .. } => (false, true),
        };
        let space = |there: bool| vec![Block::default(); if there { n } else { 0 }];
        Self { optimizer, first: space(first), second: space(second), powers: (1.0, 1.0) }
    }

    /// Whether this is a state of `optimizer` for a vector of `n` blocks.
    #[must_use]
    pub fn fits(&self, optimizer: Optimizer, n: usize) -> bool {
        let new = Self::new(optimizer, n);
        self.optimizer == optimizer && self.first.len() == new.first.len() && self.second.len() == new.second.len()
    }

    /// First and second moments, each empty where there is none.
    #[cfg(test)]
    pub fn moments(&self) -> (&[f32], &[f32]) {
        (crate::math::simd::flat(&self.first), crate::math::simd::flat(&self.second))
    }

    /// One step with that gradient. Returns whether all new parameters are finite.
    ///
    /// # Panics
    /// If the vectors are not of the length that the state was made for.
    pub fn step(&mut self, exec: Exec, learning_rate: f64, parameters: &mut [Block], gradient: &[Block]) -> bool {
        let (p, g) = (parameters, gradient);
        let (first, second) = (&mut self.first[..], &mut self.second[..]);
        match self.optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => update(exec, Descent { rate: learning_rate as f32 }, p, g, first, second),
            Optimizer::Sgd { momentum, nesterov } => {
                let rule = Momentum { rate: learning_rate as f32, momentum: momentum as f32, nesterov };
                update(exec, rule, p, g, first, second)
            }
            Optimizer::Rmsprop { rho, epsilon } => {
                let rule = MeanSquare { rate: learning_rate as f32, take: (1.0 - rho) as f32, epsilon: epsilon as f32 };
                update(exec, rule, p, g, first, second)
            }
            Optimizer::Adam { beta_1, beta_2, epsilon } => {
                let rate = corrected(&mut self.powers, beta_1, beta_2, learning_rate);
                update(exec, Adam::new(rate, beta_1, beta_2, epsilon), p, g, first, second)
            }
            Optimizer::Adamw { beta_1, beta_2, epsilon, weight_decay } => {
                let rate = corrected(&mut self.powers, beta_1, beta_2, learning_rate);
                let rule =
                    Decayed { shrink: (learning_rate * weight_decay) as f32, adam: Adam::new(rate, beta_1, beta_2, epsilon) };
                update(exec, rule, p, g, first, second)
            }
        }
    }
}

/// Adam's step size with both bias corrections; moves the powers of the decays on by a step.
fn corrected(powers: &mut (f64, f64), beta_1: f64, beta_2: f64, learning_rate: f64) -> f64 {
    *powers = (powers.0 * beta_1, powers.1 * beta_2);
    learning_rate * (1.0 - powers.1).sqrt() / (1.0 - powers.0)
}

/// A rule on sixteen parameters: new parameters from old ones, gradient and state, which it moves on.
trait Rule: Copy + Sync {
    /// Whether there is a first and a second vector of state.
    const STATE: (bool, bool);
    /// One step.
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, first: &mut S::V, second: &mut S::V) -> S::V;
}

/// One step of a rule over whole vectors, in parts where that pays; whether all new parameters are finite.
fn update<R: Rule>(
    exec: Exec,
    rule: R,
    parameters: &mut [Block],
    gradient: &[Block],
    first: &mut [Block],
    second: &mut [Block],
) -> bool {
    use rayon::prelude::*;
    let n = parameters.len();
    let (f, s) = (usize::from(R::STATE.0), usize::from(R::STATE.1));
    assert!(gradient.len() == n && first.len() == f * n && second.len() == s * n);
    let Some(part) = exec.part(n) else {
        return exec.isa.dispatch(Update { rule, parameters, gradient, first, second });
    };
    let parts = parameters.par_chunks_mut(part).zip(gradient.par_chunks(part));
    let run = |parameters, gradient, first, second| exec.isa.dispatch(Update { rule, parameters, gradient, first, second });
    // An empty vector has no parts to walk beside.
    match R::STATE {
        (false, false) => parts.map(|(p, g)| run(p, g, &mut [], &mut [])).reduce(|| true, |a, b| a && b),
        (true, false) => {
            parts.zip(first.par_chunks_mut(part)).map(|((p, g), f)| run(p, g, f, &mut [])).reduce(|| true, |a, b| a && b)
        }
        (false, true) => {
            parts.zip(second.par_chunks_mut(part)).map(|((p, g), s)| run(p, g, &mut [], s)).reduce(|| true, |a, b| a && b)
        }
        (true, true) => parts
            .zip(first.par_chunks_mut(part).zip(second.par_chunks_mut(part)))
            .map(|((p, g), (f, s))| run(p, g, f, s))
            .reduce(|| true, |a, b| a && b),
    }
}

/// One thread's part of a step.
struct Update<'a, R> {
    rule: R,
    parameters: &'a mut [Block],
    gradient: &'a [Block],
    first: &'a mut [Block],
    second: &'a mut [Block],
}

impl<R: Rule> Kernel for Update<'_, R> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        // A sum of p·0 over all parameters stays 0 until one of them is infinite or NaN.
        let mut zeros = s.zero();
        for (index, (p, g)) in self.parameters.iter_mut().zip(self.gradient).enumerate() {
            let mut first = if R::STATE.0 { s.load(&self.first[index]) } else { s.zero() };
            let mut second = if R::STATE.1 { s.load(&self.second[index]) } else { s.zero() };
            let new = self.rule.step(s, s.load(p), s.load(g), &mut first, &mut second);
            zeros = s.mul_add(new, s.zero(), zeros);
            s.store(p, new);
            if R::STATE.0 {
                s.store(&mut self.first[index], first);
            }
            if R::STATE.1 {
                s.store(&mut self.second[index], second);
            }
        }
        s.sum(zeros) == 0.0
    }
}

#[derive(Clone, Copy)]
struct Descent {
    rate: f32,
}

impl Rule for Descent {
    const STATE: (bool, bool) = (false, false);
    #[inline(always)]
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, _: &mut S::V, _: &mut S::V) -> S::V {
        s.mul_add(s.splat(-self.rate), g, p)
    }
}

#[derive(Clone, Copy)]
struct Momentum {
    rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl Rule for Momentum {
    const STATE: (bool, bool) = (true, false);
    #[inline(always)]
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, velocity: &mut S::V, _: &mut S::V) -> S::V {
        let (rate, momentum) = (s.splat(-self.rate), s.splat(self.momentum));
        *velocity = s.mul_add(momentum, *velocity, s.mul(rate, g));
        if self.nesterov { s.add(p, s.mul_add(momentum, *velocity, s.mul(rate, g))) } else { s.add(p, *velocity) }
    }
}

#[derive(Clone, Copy)]
struct MeanSquare {
    rate: f32,
    take: f32,
    epsilon: f32,
}

impl Rule for MeanSquare {
    const STATE: (bool, bool) = (false, true);
    #[inline(always)]
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, _: &mut S::V, square: &mut S::V) -> S::V {
        *square = s.mul_add(s.splat(self.take), s.sub(s.mul(g, g), *square), *square);
        let step = s.div(g, s.add(s.sqrt(*square), s.splat(self.epsilon)));
        s.mul_add(s.splat(-self.rate), step, p)
    }
}

/// Adam with the step size of one step.
#[derive(Clone, Copy)]
struct Adam {
    rate: f32,
    take: (f32, f32),
    epsilon: f32,
}

impl Adam {
    fn new(rate: f64, beta_1: f64, beta_2: f64, epsilon: f64) -> Self {
        Self { rate: rate as f32, take: ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32), epsilon: epsilon as f32 }
    }
}

impl Rule for Adam {
    const STATE: (bool, bool) = (true, true);
    #[inline(always)]
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, m: &mut S::V, v: &mut S::V) -> S::V {
        // m + (1 − β)(g − m): one rounding less than β·m + (1 − β)·g, and exact at a fixed point.
        *m = s.mul_add(s.splat(self.take.0), s.sub(g, *m), *m);
        *v = s.mul_add(s.splat(self.take.1), s.sub(s.mul(g, g), *v), *v);
        let step = s.div(*m, s.add(s.sqrt(*v), s.splat(self.epsilon)));
        s.mul_add(s.splat(-self.rate), step, p)
    }
}

/// AdamW: parameters shrink before Adam's step.
#[derive(Clone, Copy)]
struct Decayed {
    /// Share by which a parameter shrinks.
    shrink: f32,
    adam: Adam,
}

impl Rule for Decayed {
    const STATE: (bool, bool) = (true, true);
    #[inline(always)]
    fn step<S: Simd>(self, s: S, p: S::V, g: S::V, m: &mut S::V, v: &mut S::V) -> S::V {
        self.adam.step(s, s.mul_add(s.splat(-self.shrink), p, p), g, m, v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::{Isa, blocks, flat, flat_mut};
    use crate::train::reference;

    /// Every optimizer, and the forms that a parameter switches on.
    fn all() -> Vec<Optimizer> {
        let momentum = |nesterov| Optimizer::Sgd { momentum: 0.9, nesterov };
        Optimizer::ALL.iter().copied().chain([momentum(false), momentum(true)]).collect()
    }

    #[test]
    fn single_steps_equal_the_reference_and_each_other() {
        for optimizer in all() {
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
                    let exec = Exec { isa, parallel: false };
                    for gradient in &gradients {
                        assert!(state.step(exec, 0.01, &mut parameters, &block(gradient)));
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
    fn threads_do_not_change_a_step() {
        let n = 3 * 4096 + 5;
        let mut stream = Stream::new(1, Purpose::Init, 0);
        let mut draw = || {
            let mut data = vec![Block::default(); n];
            flat_mut(&mut data).fill_with(|| stream.uniform() as f32);
            data
        };
        let (start, gradient) = (draw(), draw());
        for optimizer in all() {
            let run = |parallel| {
                let (mut parameters, mut state) = (start.clone(), State::new(optimizer, n));
                let exec = Exec { isa: Isa::best(), parallel };
                (0..2).for_each(|_| assert!(state.step(exec, 0.1, &mut parameters, &gradient)));
                parameters
            };
            assert_eq!(run(false), run(true), "{optimizer:?}");
        }
    }

    #[test]
    fn a_parameter_that_is_not_finite_is_noticed() {
        for optimizer in all() {
            for isa in Isa::available() {
                for bad in [f32::NAN, f32::INFINITY] {
                    for n in [3, 9000] {
                        let mut gradient = vec![Block::default(); n];
                        gradient[n - 1].0[15] = bad;
                        let mut parameters = vec![Block([1.0; 16]); n];
                        let (mut state, exec) = (State::new(optimizer, n), Exec { isa, parallel: n > 3 });
                        assert!(!state.step(exec, 0.1, &mut parameters, &gradient), "{optimizer:?} {bad}");
                    }
                }
            }
        }
    }
}

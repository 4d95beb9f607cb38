//! Steps in f64: optimizers, penalties, largest norms, moving averages.

use super::network::Plain;
use crate::train::network::{Layer, Network};
use crate::train::normalise::MOMENTUM;
use crate::train::spec::{Optimizer, TrainingSpec};

/// An optimizer in f64.
pub struct OptimizerState {
    optimizer: Optimizer,
    /// The parameters after the steps so far.
    pub parameters: Vec<f64>,
    m: Vec<f64>,
    v: Vec<f64>,
    t: f64,
}

impl OptimizerState {
    /// Before the first step.
    pub fn new(optimizer: Optimizer, parameters: Vec<f64>) -> Self {
        let zeros = vec![0.0; parameters.len()];
        Self { optimizer, parameters, m: zeros.clone(), v: zeros, t: 0.0 }
    }

    /// After that many steps, with the moments of [`State::moments`](crate::train::optimizer::State::moments).
    pub fn resume(optimizer: Optimizer, parameters: Vec<f64>, first: &[f32], second: &[f32], steps: u32) -> Self {
        let mut new = Self { t: f64::from(steps), ..Self::new(optimizer, parameters) };
        new.m.iter_mut().zip(first).for_each(|(to, m)| *to = f64::from(*m));
        new.v.iter_mut().zip(second).for_each(|(to, v)| *to = f64::from(*v));
        new
    }

    /// One step; parameters beyond the gradient stay.
    pub fn step(&mut self, rate: f64, gradient: &[f64]) {
        self.t += 1.0;
        for (i, &g) in gradient.iter().enumerate() {
            let (p, m, v) = (&mut self.parameters[i], &mut self.m[i], &mut self.v[i]);
            let mut adam = |p: &mut f64, beta_1: f64, beta_2: f64, epsilon: f64| {
                *m = beta_1 * *m + (1.0 - beta_1) * g;
                *v = beta_2 * *v + (1.0 - beta_2) * g * g;
                let rate = rate * (1.0 - libm::pow(beta_2, self.t)).sqrt() / (1.0 - libm::pow(beta_1, self.t));
                *p -= rate * *m / (v.sqrt() + epsilon);
            };
            match self.optimizer {
                Optimizer::Sgd { momentum, nesterov } => {
                    *m = momentum * *m - rate * g;
                    *p += if nesterov { momentum * *m - rate * g } else { *m };
                }
                Optimizer::Adam { beta_1, beta_2, epsilon } => adam(p, beta_1, beta_2, epsilon),
                Optimizer::Adamw { beta_1, beta_2, epsilon, weight_decay } => {
                    *p -= rate * weight_decay * *p;
                    adam(p, beta_1, beta_2, epsilon);
                }
                Optimizer::Rmsprop { rho, epsilon } => {
                    *v = rho * *v + (1.0 - rho) * g * g;
                    *p -= rate * g / (v.sqrt() + epsilon);
                }
            }
        }
    }
}

/// A training in f64, a step at a time.
pub struct Training<'a> {
    pub network: &'a Network,
    pub spec: &'a TrainingSpec,
    pub state: OptimizerState,
}

impl<'a> Training<'a> {
    /// From these parameters on.
    pub fn new(spec: &'a TrainingSpec, network: &'a Network, parameters: Vec<f64>) -> Self {
        Self { network, spec, state: OptimizerState::new(spec.optimizer, parameters) }
    }

    /// One step on a batch.
    pub fn step(&mut self, rate: f64, x: &[Vec<f64>], labels: &[u32], masks: &[Vec<Vec<f64>>]) {
        let plain = Plain { network: self.network, parameters: &self.state.parameters, masks, training: true };
        let (mut gradient, values) = (plain.gradient(x, labels), plain.forward(x));
        let regularization = self.spec.regularization;
        for weight in self.network.layers.iter().flat_map(Layer::kernel_range) {
            let w = self.state.parameters[weight];
            let sign = if w == 0.0 { 0.0 } else { w.signum() };
            gradient[weight] += regularization.l1 * sign + 2.0 * regularization.l2 * w;
        }
        self.state.step(rate, &gradient);
        let p = &mut self.state.parameters;
        let hidden = self.network.layers.len() - 1;
        for (layer, values) in self.network.layers[..hidden].iter().zip(values) {
            if let Some(limit) = self.spec.max_norm_weights {
                for row in p[layer.kernel_range()].chunks_mut(layer.n_in) {
                    let norm = row.iter().map(|w| w * w).sum::<f64>().sqrt();
                    row.iter_mut().filter(|_| norm > limit).for_each(|w| *w *= limit / norm);
                }
            }
            if let Some(mean) = layer.mean_range() {
                for u in 0..layer.n_out {
                    p[mean.start + u] = MOMENTUM * p[mean.start + u] + (1.0 - MOMENTUM) * values.mean[u];
                    p[mean.end + u] = MOMENTUM * p[mean.end + u] + (1.0 - MOMENTUM) * values.variance[u];
                }
            }
        }
    }
}

//! The slow, plain network in f64 that the kernels are compared with. Tests only.

use super::data::Examples;
use super::network::Network;
use super::optimizer::{BETA1, BETA2, EPSILON};
use super::spec::{Activation, Optimizer};
use crate::math::simd::{LANES, blocks};

/// An activation and its derivative at z.
pub fn activation(activation: Activation, z: f64) -> (f64, f64) {
    match activation {
        Activation::Tanh => {
            let t = libm::tanh(z);
            (t, 1.0 - t * t)
        }
        Activation::Relu => (z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }),
        Activation::Linear => (z, 1.0),
    }
}

/// Inputs of one example.
fn inputs(examples: &Examples, member: u32) -> Vec<f64> {
    let row = member as usize * blocks(examples.inputs);
    (0..examples.inputs).map(|i| f64::from(examples.rows[row + i / LANES].0[i % LANES])).collect()
}

/// Values of all layers on one example, the readout's as probabilities, and the derivatives of the hidden ones.
fn forward(network: &Network, parameters: &[f64], x: Vec<f64>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let (mut values, mut slopes) = (vec![x], Vec::new());
    let mut offset = 0;
    for (index, layer) in network.layers.iter().enumerate() {
        let before = &values[index];
        let (kernel, bias) = parameters[offset..].split_at(layer.n_in * layer.n_out);
        let z = |o: usize| (0..layer.n_in).map(|i| kernel[o * layer.n_in + i] * before[i]).sum::<f64>() + bias[o];
        let z: Vec<f64> = (0..layer.n_out).map(z).collect();
        offset += (layer.n_in + 1) * layer.n_out;
        if index + 1 == network.layers.len() {
            let top = z.iter().copied().fold(f64::MIN, f64::max);
            let e: Vec<f64> = z.iter().map(|z| libm::exp(z - top)).collect();
            let sum: f64 = e.iter().sum();
            values.push(e.into_iter().map(|e| e / sum).collect());
        } else {
            let (a, d): (Vec<f64>, Vec<f64>) = z.iter().map(|&z| activation(network.activation, z)).unzip();
            values.push(a);
            slopes.push(d);
        }
    }
    (values, slopes)
}

/// Mean cross-entropy over the members, in nats.
pub fn loss(network: &Network, parameters: &[f64], examples: &Examples, members: &[u32]) -> f64 {
    let one = |&m: &u32| {
        let (values, _) = forward(network, parameters, inputs(examples, m));
        -libm::log(values.last().unwrap()[examples.labels[m as usize] as usize])
    };
    members.iter().map(one).sum::<f64>() / members.len() as f64
}

/// Gradient of [`loss`] by backpropagation, one example after the other.
pub fn gradient(network: &Network, parameters: &[f32], examples: &Examples, members: &[u32]) -> Vec<f64> {
    let parameters: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    gradient_f64(network, &parameters, examples, members)
}

/// The same for parameters in f64.
pub fn gradient_f64(network: &Network, parameters: &[f64], examples: &Examples, members: &[u32]) -> Vec<f64> {
    let mut gradient = vec![0.0; parameters.len()];
    for &member in members {
        let (values, slopes) = forward(network, parameters, inputs(examples, member));
        let mut delta: Vec<f64> = values.last().unwrap().clone();
        delta[examples.labels[member as usize] as usize] -= 1.0;
        delta.iter_mut().for_each(|d| *d /= members.len() as f64);
        let mut end = parameters.len();
        for (index, layer) in network.layers.iter().enumerate().rev() {
            let start = end - (layer.n_in + 1) * layer.n_out;
            for o in 0..layer.n_out {
                for i in 0..layer.n_in {
                    gradient[start + o * layer.n_in + i] += delta[o] * values[index][i];
                }
                gradient[start + layer.n_in * layer.n_out + o] += delta[o];
            }
            if index > 0 {
                let back = |i: usize| (0..layer.n_out).map(|o| parameters[start + o * layer.n_in + i] * delta[o]).sum::<f64>();
                delta = (0..layer.n_in).map(|i| back(i) * slopes[index - 1][i]).collect();
            }
            end = start;
        }
    }
    gradient
}

/// An optimizer in f64.
pub struct OptimizerState {
    optimizer: Optimizer,
    /// The parameters after the steps so far.
    pub parameters: Vec<f64>,
    m: Vec<f64>,
    v: Vec<f64>,
    t: i32,
}

impl OptimizerState {
    /// Before the first step.
    pub fn new(optimizer: Optimizer, parameters: Vec<f64>) -> Self {
        let zeros = vec![0.0; parameters.len()];
        Self { optimizer, parameters, m: zeros.clone(), v: zeros, t: 0 }
    }

    /// One step.
    pub fn step(&mut self, rate: f64, gradient: &[f64]) {
        self.t += 1;
        let rate_t = rate * (1.0 - libm::pow(BETA2, self.t.into())).sqrt() / (1.0 - libm::pow(BETA1, self.t.into()));
        for (i, &g) in gradient.iter().enumerate() {
            match self.optimizer {
                Optimizer::Sgd => self.parameters[i] -= rate * g,
                Optimizer::Adam => {
                    self.m[i] = BETA1 * self.m[i] + (1.0 - BETA1) * g;
                    self.v[i] = BETA2 * self.v[i] + (1.0 - BETA2) * g * g;
                    self.parameters[i] -= rate_t * self.m[i] / (self.v[i].sqrt() + EPSILON);
                }
            }
        }
    }
}

mod tests {
    use super::*;
    use crate::train::data::Dataset;
    use crate::train::spec::{DatasetName, Split, TrainingSpec};

    #[test]
    fn the_gradient_equals_central_differences() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let examples = data.examples(Split::Test);
        let members: Vec<u32> = (0..23).collect();
        for &activation in Activation::ALL {
            let spec = TrainingSpec { architecture: vec![5, 4], activation, initial_bias: 0.05, ..TrainingSpec::default() };
            let network = Network::new(&spec, examples.inputs, data.n_classes);
            let start: Vec<f64> = network.initial_parameters(11, spec.initial_bias).into_iter().map(f64::from).collect();
            let gradient = gradient_f64(&network, &start, examples, &members);
            for i in 0..start.len() {
                let at = |step: f64| {
                    let mut p = start.clone();
                    p[i] += step;
                    loss(&network, &p, examples, &members)
                };
                let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((difference - gradient[i]).abs() < 1e-8, "{activation:?} parameter {i}: {difference} {}", gradient[i]);
            }
        }
    }
}

//! A batch through the network, forward and back, one number at a time.

use crate::math::simd::{Block, Isa, LANES, blocks};
use crate::train::activation::{LEAK, SELU_ALPHA, SELU_SCALE};
use crate::train::data::Examples;
use crate::train::dropout::{self, Place};
use crate::train::network::{Layer, Network};
use crate::train::normalise::EPSILON;
use crate::train::spec::{Activation, Loss};

/// An activation of one value and its derivative at z.
pub fn activation(activation: Activation, z: f64) -> (f64, f64) {
    let above = |value: f64, slope: f64| if z > 0.0 { (z, 1.0) } else { (value, slope) };
    match activation {
        Activation::Tanh => (libm::tanh(z), 1.0 - libm::tanh(z) * libm::tanh(z)),
        Activation::Relu => above(0.0, 0.0),
        Activation::Sigmoid => {
            let a = 1.0 / (1.0 + libm::exp(-z));
            (a, a * (1.0 - a))
        }
        Activation::Softsign => (z / (1.0 + z.abs()), 1.0 / ((1.0 + z.abs()) * (1.0 + z.abs()))),
        Activation::Softplus => (z.max(0.0) + libm::log1p(libm::exp(-z.abs())), 1.0 / (1.0 + libm::exp(-z))),
        Activation::LeakyRelu => above(LEAK * z, LEAK),
        Activation::HardSigmoid => ((0.2 * z + 0.5).clamp(0.0, 1.0), if z.abs() < 2.5 { 0.2 } else { 0.0 }),
        Activation::Selu if z >= 0.0 => (SELU_SCALE * z, SELU_SCALE),
        Activation::Selu => (SELU_SCALE * SELU_ALPHA * libm::expm1(z), SELU_SCALE * SELU_ALPHA * libm::exp(z)),
        Activation::Relu6 => (z.clamp(0.0, 6.0), if z > 0.0 && z < 6.0 { 1.0 } else { 0.0 }),
        Activation::Elu => above(libm::expm1(z), libm::exp(z)),
        Activation::Step => (f64::from(u8::from(z > 0.0)), 0.0),
        // No functions of one value: the network below has them.
        Activation::Linear | Activation::Prelu | Activation::Maxout => (z, 1.0),
    }
}

/// Inputs of some examples.
pub fn inputs(examples: &Examples, members: &[u32]) -> Vec<Vec<f64>> {
    let row = blocks(examples.inputs);
    let value = |m: u32, i: usize| f64::from(examples.rows[m as usize * row + i / LANES].0[i % LANES]);
    members.iter().map(|&m| (0..examples.inputs).map(|i| value(m, i)).collect()).collect()
}

/// Labels of some examples.
pub fn labels(examples: &Examples, members: &[u32]) -> Vec<u32> {
    members.iter().map(|&m| examples.labels[m as usize]).collect()
}

/// What dropout multiplies by at a step: [layer][example][unit]; nothing without dropout.
pub fn masks(network: &Network, share: f64, place: Place, batch: usize) -> Vec<Vec<Vec<f64>>> {
    let nb = blocks(batch);
    let hidden = network.layers.iter().take(if share > 0.0 { network.layers.len() - 1 } else { 0 });
    let one = |(index, layer): (usize, &Layer)| {
        let mut mask = vec![Block::default(); layer.n_out * nb];
        dropout::fill(Isa::best(), place, index, share, &mut mask);
        let at = |e: usize, u: usize| f64::from(mask[u * nb + e / LANES].0[e % LANES]);
        (0..batch).map(|e| (0..layer.n_out).map(|u| at(e, u)).collect()).collect()
    };
    hidden.enumerate().map(one).collect()
}

/// A network with parameters in f64.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    pub network: &'a Network,
    pub parameters: &'a [f64],
    /// [layer][example][unit], or nothing.
    pub masks: &'a [Vec<Vec<f64>>],
    /// Whether normalisations use the batch, as in training, or the moving averages.
    pub training: bool,
}

/// Values of one layer, [example][…].
pub struct Values {
    pub x: Vec<Vec<f64>>,
    z: Vec<Vec<f64>>,
    /// Activations; of the readout probabilities or plain outputs.
    pub a: Vec<Vec<f64>>,
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}

impl Plain<'_> {
    /// Values of all layers.
    pub fn forward(&self, x: &[Vec<f64>]) -> Vec<Values> {
        let (mut all, mut x) = (Vec::new(), x.to_vec());
        for (index, layer) in self.network.layers.iter().enumerate() {
            let (values, next) = self.layer(index, layer, x);
            all.push(values);
            x = next;
        }
        all
    }

    /// Values of one layer, and what the next one reads.
    fn layer(&self, index: usize, layer: &Layer, x: Vec<Vec<f64>>) -> (Values, Vec<Vec<f64>>) {
        let p = self.parameters;
        let (kernel, bias) = (&p[layer.kernel_range()], layer.kernel_range().end);
        let dot = |r: usize, x: &[f64]| (0..layer.n_in).map(|i| kernel[r * layer.n_in + i] * x[i]).sum::<f64>() + p[bias + r];
        let z: Vec<Vec<f64>> = x.iter().map(|x| (0..layer.rows).map(|r| dot(r, x)).collect()).collect();
        if index + 1 == self.network.layers.len() {
            let a = z.iter().map(|z| if self.network.loss == Loss::MeanSquaredError { z.clone() } else { softmax(z) }).collect();
            return (Values { x, z, a, mean: vec![], variance: vec![] }, vec![]);
        }
        let slopes = &p[layer.slope_range()];
        let pieces = layer.rows / layer.n_out;
        let unit = |z: &[f64], u: usize| match self.network.activation {
            Activation::Prelu => {
                if z[u] > 0.0 {
                    z[u]
                } else {
                    slopes[u] * z[u]
                }
            }
            Activation::Maxout => z[u * pieces..(u + 1) * pieces].iter().copied().fold(f64::MIN, f64::max),
            other => activation(other, z[u]).0,
        };
        let a: Vec<Vec<f64>> = z.iter().map(|z| (0..layer.n_out).map(|u| unit(z, u)).collect()).collect();
        let mut next = a.clone();
        let (mut mean, mut variance) = (vec![], vec![]);
        if let (Some(scale), Some(averages)) = (layer.scale_range(), layer.mean_range()) {
            let n = a.len() as f64;
            for u in 0..layer.n_out {
                let (m, v) = if self.training {
                    let m = a.iter().map(|a| a[u]).sum::<f64>() / n;
                    (m, a.iter().map(|a| (a[u] - m) * (a[u] - m)).sum::<f64>() / n)
                } else {
                    (p[averages.start + u], p[averages.end + u])
                };
                let (gamma, beta) = (p[scale.start + u], p[scale.end + u]);
                next.iter_mut().for_each(|y| y[u] = gamma * (y[u] - m) / (v + EPSILON).sqrt() + beta);
                mean.push(m);
                variance.push(v);
            }
        }
        if let Some(mask) = self.masks.get(index) {
            next.iter_mut().zip(mask).for_each(|(y, mask)| y.iter_mut().zip(mask).for_each(|(y, m)| *y *= m));
        }
        (Values { x, z, a, mean, variance }, next)
    }

    /// Mean loss over a batch.
    pub fn loss(&self, x: &[Vec<f64>], labels: &[u32]) -> f64 {
        let all = self.forward(x);
        let outputs = &all.last().unwrap().a;
        let one = |(o, &label): (&Vec<f64>, &u32)| match self.network.loss {
            Loss::CategoricalCrossentropy => -libm::log(o[label as usize]),
            Loss::MeanSquaredError => (o[0] - f64::from(label)) * (o[0] - f64::from(label)),
        };
        outputs.iter().zip(labels).map(one).sum::<f64>() / x.len() as f64
    }

    /// Gradient of [`Plain::loss`] by all trained parameters.
    pub fn gradient(&self, x: &[Vec<f64>], labels: &[u32]) -> Vec<f64> {
        let (all, n) = (self.forward(x), x.len() as f64);
        let mut gradient = vec![0.0; self.network.n_trained()];
        let mut delta: Vec<Vec<f64>> = all.last().unwrap().a.clone();
        let regression = self.network.loss == Loss::MeanSquaredError;
        let scale = if regression { 2.0 } else { 1.0 };
        for (d, &label) in delta.iter_mut().zip(labels) {
            if regression {
                d[0] -= f64::from(label);
            } else {
                d[label as usize] -= 1.0;
            }
            d.iter_mut().for_each(|d| *d *= scale / n);
        }
        for (index, layer) in self.network.layers.iter().enumerate().rev() {
            let kernel = layer.kernel_range();
            for (d, x) in delta.iter().zip(&all[index].x) {
                for r in 0..layer.rows {
                    for i in 0..layer.n_in {
                        gradient[kernel.start + r * layer.n_in + i] += d[r] * x[i];
                    }
                    gradient[kernel.end + r] += d[r];
                }
            }
            if index > 0 {
                let weight = |r: usize, i: usize| self.parameters[kernel.start + r * layer.n_in + i];
                let back = |d: &[f64], i: usize| (0..layer.rows).map(|r| weight(r, i) * d[r]).sum::<f64>();
                delta = delta.iter().map(|d| (0..layer.n_in).map(|i| back(d, i)).collect()).collect();
                delta = self.through(index - 1, &all[index - 1], delta, &mut gradient);
            }
        }
        gradient
    }

    /// δ by z of a hidden layer from δ by what the next layer reads.
    fn through(&self, index: usize, values: &Values, mut delta: Vec<Vec<f64>>, gradient: &mut [f64]) -> Vec<Vec<f64>> {
        let (layer, p) = (&self.network.layers[index], self.parameters);
        if let Some(mask) = self.masks.get(index) {
            delta.iter_mut().zip(mask).for_each(|(d, mask)| d.iter_mut().zip(mask).for_each(|(d, m)| *d *= m));
        }
        if let Some(scale) = layer.scale_range() {
            let n = delta.len() as f64;
            for u in 0..layer.n_out {
                let root = (values.variance[u] + EPSILON).sqrt();
                let away = |e: usize| (values.a[e][u] - values.mean[u]) / root;
                let sum: f64 = delta.iter().map(|d| d[u]).sum();
                let along: f64 = delta.iter().enumerate().map(|(e, d)| d[u] * away(e)).sum();
                gradient[scale.start + u] += along;
                gradient[scale.end + u] += sum;
                for (e, d) in delta.iter_mut().enumerate() {
                    d[u] = p[scale.start + u] / root * (d[u] - sum / n - away(e) * along / n);
                }
            }
        }
        let (slopes, pieces) = (layer.slope_range(), layer.rows / layer.n_out);
        let mut back = Vec::new();
        for (d, z) in delta.iter().zip(&values.z) {
            let mut to = vec![0.0; layer.rows];
            for u in 0..layer.n_out {
                match self.network.activation {
                    Activation::Prelu if z[u] > 0.0 => to[u] = d[u],
                    Activation::Prelu => {
                        gradient[slopes.start + u] += d[u] * z[u];
                        to[u] = d[u] * p[slopes.start + u];
                    }
                    Activation::Maxout => {
                        let mine = &z[u * pieces..(u + 1) * pieces];
                        let first = (0..pieces).reduce(|best, j| if mine[j] > mine[best] { j } else { best }).unwrap();
                        to[u * pieces + first] = d[u];
                    }
                    other => to[u] = d[u] * activation(other, z[u]).1,
                }
            }
            back.push(to);
        }
        back
    }
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = z.iter().map(|z| libm::exp(z - top)).collect();
    let sum: f64 = e.iter().sum();
    e.into_iter().map(|e| e / sum).collect()
}

/// Gradient over some examples, without dropout.
pub fn gradient(network: &Network, parameters: &[f32], examples: &Examples, members: &[u32]) -> Vec<f64> {
    let parameters: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let plain = Plain { network, parameters: &parameters, masks: &[], training: true };
    plain.gradient(&inputs(examples, members), &labels(examples, members))
}

/// Mean loss over some examples in inference mode.
pub fn loss(network: &Network, parameters: &[f64], examples: &Examples, members: &[u32]) -> f64 {
    Plain { network, parameters, masks: &[], training: false }.loss(&inputs(examples, members), &labels(examples, members))
}

//! A training: passes over the shuffled examples, and what is recorded of the network between them.

use serde::{Deserialize, Serialize};

use super::data::Dataset;
use super::network::{Activations, Network};
use super::optimizer::State;
use super::spec::{Split, TrainingSpec};
use super::step::Workspace;
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, blocks, flat, flat_mut};

/// A training whose numbers stopped being finite. It is a result, not an accident: the same settings and seed give it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("diverged at epoch {epoch}{}: the {what} of layer {layer} is not finite; a smaller learning_rate may help",
    .batch.map_or_else(String::new, |b| format!(", batch {b}")))]
pub struct Diverged {
    /// Epoch (pass, from 0; −1 is the untrained network).
    pub epoch: i64,
    /// Batch within the pass, from 0, where it happened in training.
    pub batch: Option<usize>,
    /// Layer: 0 is the first hidden one, the last the readout.
    pub layer: usize,
    /// Which quantity.
    pub what: String,
}

/// Loss and accuracy on one split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// Share of examples classified as labelled.
    pub accuracy: f64,
}

/// Gradient statistics of one layer's kernel over the batches of a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientStatistics {
    /// Norm of the mean of the batch gradients.
    pub mean: f64,
    /// Norm of their standard deviation (ddof 0).
    pub std: f64,
    /// mean / std; none where std is 0.
    pub snr: Option<f64>,
    /// Frobenius norm of the kernel.
    pub weight_norm: f64,
}

/// A network in training.
#[derive(Debug)]
pub struct Trainer<'a> {
    spec: &'a TrainingSpec,
    data: &'a Dataset,
    exec: Exec,
    seed: u64,
    network: Network,
    parameters: Vec<Block>,
    gradient: Vec<Block>,
    state: State,
    workspace: Workspace,
    inference: Activations,
    order: Vec<u32>,
    /// Welford's running mean and sum of squared deviations, one a parameter.
    moments: (Vec<f64>, Vec<f64>),
    passes: u32,
}

impl<'a> Trainer<'a> {
    /// The untrained network of repeat `seed`.
    #[must_use]
    pub fn new(spec: &'a TrainingSpec, data: &'a Dataset, seed: u64, exec: Exec) -> Self {
        let network = Network::new(spec, data.inputs(), data.n_classes);
        let n = network.n_parameters();
        let mut parameters = vec![Block::default(); blocks(n)];
        flat_mut(&mut parameters)[..n].copy_from_slice(&network.initial_parameters(seed, spec.initial_bias));
        let batch = (spec.batch_size as usize).min(data.examples(Split::Train).n.max(data.examples(Split::Test).n));
        Self {
            gradient: vec![Block::default(); parameters.len()],
            state: State::new(spec.optimizer, parameters.len()),
            workspace: Workspace::new(&network, batch),
            inference: Activations::default(),
            order: Vec::with_capacity(data.examples(Split::Train).n.max(data.examples(Split::Test).n)),
            moments: (vec![0.0; n], vec![0.0; n]),
            passes: 0,
            spec,
            data,
            exec,
            seed,
            network,
            parameters,
        }
    }

    /// The network's architecture.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The parameters now, in the network's layout.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &flat(&self.parameters)[..self.network.n_parameters()]
    }

    /// Epoch of the last pass; −1 before the first.
    #[must_use]
    pub const fn epoch(&self) -> i64 {
        self.passes as i64 - 1
    }

    /// One pass over the training examples in a fresh order, a step a batch. The order is a function of (seed, pass).
    ///
    /// # Errors
    /// [`Diverged`] as soon as a parameter is not finite after a step.
    pub fn pass(&mut self) -> Result<(), Diverged> {
        let examples = self.data.examples(Split::Train);
        self.order.clear();
        self.order.extend(0..examples.n as u32);
        Stream::new(self.seed, Purpose::Shuffle, self.passes.into()).shuffle(&mut self.order);
        let n = self.network.n_parameters();
        for (batch, members) in self.order.chunks(self.spec.batch_size as usize).enumerate() {
            let (parameters, gradient) = (&flat(&self.parameters)[..n], &mut flat_mut(&mut self.gradient)[..n]);
            self.workspace.gradient(self.exec, &self.network, parameters, examples, members, gradient);
            if !self.state.step(self.exec.isa, self.spec.learning_rate, &mut self.parameters, &self.gradient) {
                let layer = self.network.first_not_finite(self.parameters()).unwrap_or(0);
                let (epoch, batch) = (self.epoch() + 1, Some(batch));
                return Err(Diverged { epoch, batch, layer, what: "kernel or bias".into() });
            }
        }
        self.passes += 1;
        Ok(())
    }

    /// Loss and accuracy on a split, in inference mode.
    ///
    /// # Errors
    /// [`Diverged`] if the loss is not finite.
    pub fn metrics(&mut self, split: Split) -> Result<Metrics, Diverged> {
        let (examples, n) = (self.data.examples(split), self.network.n_parameters());
        let score = self.network.score(self.exec, &flat(&self.parameters)[..n], examples, &mut self.inference);
        let total = examples.n as f64;
        let metrics = Metrics { loss: score.loss / total, accuracy: score.correct as f64 / total };
        if metrics.loss.is_finite() { Ok(metrics) } else { Err(self.diverged(self.network.layers.len() - 1, "loss")) }
    }

    /// Statistics of each layer's kernel gradient over the batches of a split, in the order of the data, with the weights held.
    ///
    /// # Errors
    /// [`Diverged`] if a gradient is not finite.
    pub fn gradient_statistics(&mut self, split: Split) -> Result<Vec<GradientStatistics>, Diverged> {
        let (examples, n) = (self.data.examples(split), self.network.n_parameters());
        self.order.clear();
        self.order.extend(0..examples.n as u32);
        let (mean, squares) = &mut self.moments;
        mean.fill(0.0);
        squares.fill(0.0);
        let mut count = 0.0;
        for members in self.order.chunks(self.spec.batch_size as usize) {
            let (parameters, gradient) = (&flat(&self.parameters)[..n], &mut flat_mut(&mut self.gradient)[..n]);
            self.workspace.gradient(self.exec, &self.network, parameters, examples, members, gradient);
            count += 1.0;
            for ((mean, squares), &g) in mean.iter_mut().zip(squares.iter_mut()).zip(&*gradient) {
                let away = f64::from(g) - *mean;
                *mean += away / count;
                *squares += away * (f64::from(g) - *mean);
            }
        }
        let layers: Vec<_> = (0..self.network.layers.len()).map(|layer| self.layer_statistics(layer, count)).collect();
        layers
            .iter()
            .position(|s| !(s.mean.is_finite() && s.std.is_finite() && s.weight_norm.is_finite()))
            .map_or(Ok(layers), |layer| Err(self.diverged(layer, "gradient")))
    }

    fn layer_statistics(&self, layer: usize, batches: f64) -> GradientStatistics {
        let start: usize = self.network.layers[..layer].iter().map(|l| (l.n_in + 1) * l.n_out).sum();
        let layer = &self.network.layers[layer];
        let kernel = start..start + layer.n_in * layer.n_out;
        let mean = self.moments.0[kernel.clone()].iter().map(|m| m * m).sum::<f64>().sqrt();
        let std = (self.moments.1[kernel].iter().sum::<f64>() / batches).sqrt();
        let weight_norm = layer.kernel(self.parameters()).iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
        GradientStatistics { mean, std, snr: (std > 0.0).then(|| mean / std).filter(|snr| snr.is_finite()), weight_norm }
    }

    fn diverged(&self, layer: usize, what: &str) -> Diverged {
        Diverged { epoch: self.epoch(), batch: None, layer, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::Isa;
    use crate::train::reference;
    use crate::train::spec::{DatasetName, Optimizer};

    fn spec() -> TrainingSpec {
        TrainingSpec { batch_size: 100, learning_rate: 0.003, ..TrainingSpec::default() }
    }

    #[test]
    fn all_instruction_sets_and_threads_train_the_same_network() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        for &optimizer in Optimizer::ALL {
            let spec = TrainingSpec { optimizer, ..spec() };
            let mut weights = Vec::new();
            for isa in Isa::available() {
                for parallel in [false, true] {
                    let mut trainer = Trainer::new(&spec, &data, 5, Exec { isa, parallel });
                    (0..3).for_each(|_| trainer.pass().unwrap());
                    weights.push(trainer.parameters().to_vec());
                }
            }
            assert!(weights.windows(2).all(|w| w[0] == w[1]));
        }
    }

    #[test]
    fn a_pass_equals_the_reference() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        for &optimizer in Optimizer::ALL {
            let spec = TrainingSpec { optimizer, learning_rate: 0.001, ..spec() };
            let mut trainer = Trainer::new(&spec, &data, 9, Exec::serial());
            let start = trainer.parameters().iter().map(|&p| f64::from(p)).collect();
            let mut plain = reference::OptimizerState::new(optimizer, start);
            trainer.pass().unwrap();
            let examples = data.examples(Split::Train);
            let mut order: Vec<u32> = (0..examples.n as u32).collect();
            Stream::new(9, Purpose::Shuffle, 0).shuffle(&mut order);
            for members in order.chunks(spec.batch_size as usize) {
                let gradient = reference::gradient_f64(trainer.network(), &plain.parameters, examples, members);
                plain.step(spec.learning_rate, &gradient);
            }
            for (got, want) in trainer.parameters().iter().zip(&plain.parameters) {
                assert!((f64::from(*got) - want).abs() < 2e-4, "{optimizer:?}: {got} {want}");
            }
            let members: Vec<u32> = (0..examples.n as u32).collect();
            let loss = reference::loss(trainer.network(), &plain.parameters, examples, &members);
            assert!((trainer.metrics(Split::Train).unwrap().loss - loss).abs() < 1e-4);
        }
    }

    #[test]
    fn gradient_statistics_equal_the_plain_formulas() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let spec = spec();
        let mut trainer = Trainer::new(&spec, &data, 2, Exec::serial());
        trainer.pass().unwrap();
        let got = trainer.gradient_statistics(Split::Test).unwrap();
        let examples = data.examples(Split::Test);
        let order: Vec<u32> = (0..examples.n as u32).collect();
        let gradients: Vec<Vec<f64>> =
            order.chunks(100).map(|m| reference::gradient(trainer.network(), trainer.parameters(), examples, m)).collect();
        let (mut offset, batches) = (0, gradients.len() as f64);
        for (layer, got) in trainer.network().layers.iter().zip(got) {
            let (mut mean2, mut var) = (0.0, 0.0);
            for w in offset..offset + layer.n_in * layer.n_out {
                let mean = gradients.iter().map(|g| g[w]).sum::<f64>() / batches;
                mean2 += mean * mean;
                var += gradients.iter().map(|g| (g[w] - mean) * (g[w] - mean)).sum::<f64>() / batches;
            }
            assert!((got.mean - mean2.sqrt()).abs() < 1e-6 && (got.std - var.sqrt()).abs() < 1e-6);
            assert!((got.snr.unwrap() - (mean2 / var).sqrt()).abs() < 1e-3);
            offset += (layer.n_in + 1) * layer.n_out;
        }
    }

    #[test]
    fn a_diverging_training_says_where() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let spec = TrainingSpec { optimizer: Optimizer::Sgd, learning_rate: 1e30, ..TrainingSpec::default() };
        let spec = TrainingSpec { activation: crate::train::spec::Activation::Linear, ..spec };
        let mut trainer = Trainer::new(&spec, &data, 0, Exec::serial());
        let error = (0..10).find_map(|_| trainer.pass().err()).expect("diverges");
        assert!(error.to_string().contains("epoch 0, batch"), "{error}");
        assert!(error.layer < 6);
    }
}

//! A training: passes over the shuffled examples, and what is recorded of the network between them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::data::Dataset;
use super::dropout::Place;
use super::inference::Activations;
use super::network::{Layer, Network};
use super::optimizer::State;
use super::penalty::{Penalty, limit_norms};
use super::spec::{Split, TrainingSpec};
use super::step::{Batch, Workspace};
use super::stopping::Watch;
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, LANES, blocks, flat, flat_mut};

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
    /// Mean loss (cross-entropy in nats, or squared error), penalties included.
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
    penalty: Penalty,
    workspace: Workspace,
    inference: Activations,
    order: Vec<u32>,
    /// Welford's running mean and sum of squared deviations, one a parameter.
    moments: (Vec<f64>, Vec<f64>),
    passes: u32,
    /// What early stopping remembers.
    watch: Watch,
}

impl<'a> Trainer<'a> {
    /// The untrained network of repeat `seed`.
    #[must_use]
    pub fn new(spec: &'a TrainingSpec, data: &'a Dataset, seed: u64, exec: Exec) -> Self {
        let network = Network::new(spec, data.inputs(), data.n_classes);
        let (n, trained) = (network.n_parameters(), network.n_trained());
        let mut parameters = vec![Block::default(); blocks(n)];
        flat_mut(&mut parameters)[..n].copy_from_slice(&network.initial_parameters(seed, spec.initial_bias));
        let batch = (spec.batch_size as usize).min(data.examples(Split::Train).n.max(data.examples(Split::Test).n));
        Self {
            gradient: vec![Block::default(); blocks(trained)],
            state: State::new(spec.optimizer, blocks(trained)),
            penalty: Penalty::new(&network, spec.regularization),
            workspace: Workspace::new(&network, spec.regularization.dropout, batch),
            inference: Activations::default(),
            order: Vec::with_capacity(data.examples(Split::Train).n.max(data.examples(Split::Test).n)),
            moments: (vec![0.0; trained], vec![0.0; trained]),
            passes: 0,
            watch: Watch::default(),
            spec,
            data,
            exec,
            seed,
            network,
            parameters,
        }
    }

    /// All that a training between two passes is and that settings, seed and data do not tell.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        // Every field is either kept or made anew from the settings; whoever adds one must say here which.
        let Self {
            spec: _,
            data: _,
            exec: _,
            seed: _,
            network: _,
            gradient: _,
            penalty: _,
            workspace: _,
            inference: _,
            order: _,
            moments: _,
            parameters,
            state,
            passes,
            watch,
        } = self;
        Checkpoint { passes: *passes, parameters: parameters.clone(), state: state.clone(), watch: *watch }
    }

    /// The training that [`Trainer::checkpoint`] was taken of: it goes on to the bit as if it had never stopped. `None` if the checkpoint
    /// is none of these settings.
    #[must_use]
    pub fn restore(spec: &'a TrainingSpec, data: &'a Dataset, seed: u64, exec: Exec, checkpoint: Checkpoint) -> Option<Self> {
        let Checkpoint { passes, parameters, state, watch } = checkpoint;
        let new = Self::new(spec, data, seed, exec);
        let fits =
            passes <= spec.epochs && parameters.len() == new.parameters.len() && state.fits(spec.optimizer, new.gradient.len());
        fits.then_some(Self { parameters, state, passes, watch, ..new })
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

    /// One pass over the training examples in a fresh order, a step a batch, or as many steps on examples drawn with replacement as the
    /// settings tell. What is drawn is a function of (seed, pass).
    ///
    /// # Errors
    /// [`Diverged`] as soon as a parameter is not finite after a step.
    pub fn pass(&mut self) -> Result<(), Diverged> {
        let n = self.data.examples(Split::Train).n as u32;
        let batch = self.spec.batch_size.min(n) as usize;
        let rate = self.spec.learning_rate * self.spec.learning_rate_schedule.factor(self.passes, self.spec.epochs);
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let outcome = if let Some(steps) = self.spec.steps_per_epoch {
            let mut stream = Stream::new(self.seed, Purpose::Sample, self.passes.into());
            (0..steps as usize).try_for_each(|number| {
                order.clear();
                order.extend((0..batch).map(|_| stream.below(n)));
                self.step(rate, &order, number)
            })
        } else {
            order.extend(0..n);
            Stream::new(self.seed, Purpose::Shuffle, self.passes.into()).shuffle(&mut order);
            order.chunks(batch).enumerate().try_for_each(|(number, members)| self.step(rate, members, number))
        };
        self.order = order;
        outcome?;
        self.passes += 1;
        Ok(())
    }

    /// One step on the training examples `members`, batch `number` of the pass.
    fn step(&mut self, rate: f64, members: &[u32], number: usize) -> Result<(), Diverged> {
        self.gradient(Split::Train, members, number);
        let trained = self.gradient.len();
        let finite = self.state.step(self.exec, rate, &mut self.parameters[..trained], &self.gradient);
        if let Some(limit) = self.spec.max_norm_weights {
            limit_norms(self.exec.isa, &self.network, limit, flat_mut(&mut self.parameters));
        }
        self.workspace.update_averages(&self.network, flat_mut(&mut self.parameters));
        if finite {
            return Ok(());
        }
        let (layer, what) = self.network.first_not_finite(self.parameters()).unwrap_or((0, "kernel"));
        Err(Diverged { epoch: self.epoch() + 1, batch: Some(number), layer, what: what.into() })
    }

    /// The gradient of the loss with its penalties over a batch, as the pass at hand has it for batch `number`.
    fn gradient(&mut self, split: Split, members: &[u32], number: usize) {
        let examples = self.data.examples(split);
        let place = Place { seed: self.seed, pass: self.passes, batch: number };
        let (parameters, gradient) = (flat(&self.parameters), flat_mut(&mut self.gradient));
        let batch = Batch { examples, members, class_values: &self.data.class_values, place };
        self.workspace.gradient(self.exec, &self.network, parameters, &batch, gradient);
        self.penalty.add(self.exec.isa, &self.parameters, &mut self.gradient);
    }

    /// Whether early stopping ends the training here. To be asked once after every pass, since it counts them.
    ///
    /// # Errors
    /// [`Diverged`] if the loss is not finite.
    pub fn stops(&mut self) -> Result<bool, Diverged> {
        let Some(rule) = &self.spec.early_stopping else { return Ok(false) };
        let metrics = self.metrics(rule.monitor.split())?;
        Ok(self.watch.stops(rule, rule.monitor.of(metrics.loss, metrics.accuracy)))
    }

    /// Loss and accuracy on a split, in inference mode.
    ///
    /// # Errors
    /// [`Diverged`] if the loss is not finite.
    pub fn metrics(&mut self, split: Split) -> Result<Metrics, Diverged> {
        let (examples, n) = (self.data.examples(split), self.network.n_parameters());
        let (parameters, values) = (&flat(&self.parameters)[..n], &self.data.class_values);
        let score = self.network.score(self.exec, parameters, examples, values, &mut self.inference);
        let total = examples.n as f64;
        let penalty = self.penalty.loss(&self.network, self.parameters());
        let metrics = Metrics { loss: score.loss / total + penalty, accuracy: score.correct as f64 / total };
        if metrics.loss.is_finite() { Ok(metrics) } else { Err(self.diverged(self.network.layers.len() - 1, "loss")) }
    }

    /// Statistics of each layer's kernel gradient over the batches of a split, in the order of the data, with the weights held. They are
    /// the gradients that the next pass would see: penalties included, normalised by the batch, with dropout.
    ///
    /// # Errors
    /// [`Diverged`] if a gradient is not finite.
    pub fn gradient_statistics(&mut self, split: Split) -> Result<Vec<GradientStatistics>, Diverged> {
        let n = self.data.examples(split).n as u32;
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(0..n);
        self.moments.0.fill(0.0);
        self.moments.1.fill(0.0);
        let mut count = 0.0;
        for (number, members) in order.chunks(self.spec.batch_size as usize).enumerate() {
            self.gradient(split, members, number);
            count += 1.0;
            self.take_moments(count);
        }
        self.order = order;
        let layers: Vec<_> = self.network.layers.iter().map(|layer| self.layer_statistics(layer, count)).collect();
        layers
            .iter()
            .position(|s| !(s.mean.is_finite() && s.std.is_finite() && s.weight_norm.is_finite()))
            .map_or(Ok(layers), |layer| Err(self.diverged(layer, "gradient")))
    }

    /// Takes the gradient of batch number `count`, from 1, into the running moments.
    fn take_moments(&mut self, count: f64) {
        let (mean, squares) = &mut self.moments;
        let gradient = flat(&self.gradient);
        let take = |((mean, squares), gradient): ((&mut [f64], &mut [f64]), &[f32])| {
            for ((mean, squares), &g) in mean.iter_mut().zip(squares).zip(gradient) {
                let away = f64::from(g) - *mean;
                *mean += away / count;
                *squares += away * (f64::from(g) - *mean);
            }
        };
        match self.exec.part(self.gradient.len()) {
            Some(part) => {
                let part = part * LANES;
                mean.par_chunks_mut(part).zip(squares.par_chunks_mut(part)).zip(gradient.par_chunks(part)).for_each(take);
            }
            None => take(((mean, squares), gradient)),
        }
    }

    fn layer_statistics(&self, layer: &Layer, batches: f64) -> GradientStatistics {
        let kernel = layer.kernel_range();
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
            let start: Vec<f64> = trainer.parameters().iter().map(|&p| f64::from(p)).collect();
            let network = trainer.network().clone();
            let mut plain = reference::Training::new(&spec, &network, start);
            trainer.pass().unwrap();
            let examples = data.examples(Split::Train);
            let mut order: Vec<u32> = (0..examples.n as u32).collect();
            Stream::new(9, Purpose::Shuffle, 0).shuffle(&mut order);
            for members in order.chunks(spec.batch_size as usize) {
                let (x, y) = (reference::inputs(examples, members), reference::labels(examples, members));
                plain.step(spec.learning_rate, &x, &y, &[]);
            }
            let plain = plain.state;
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
        let spec = TrainingSpec { optimizer: Optimizer::SGD, learning_rate: 1e30, ..TrainingSpec::default() };
        let spec = TrainingSpec { activation: crate::train::spec::Activation::Linear, ..spec };
        let mut trainer = Trainer::new(&spec, &data, 0, Exec::serial());
        let error = (0..10).find_map(|_| trainer.pass().err()).expect("diverges");
        assert!(error.to_string().contains("epoch 0, batch"), "{error}");
        assert!(error.layer < 6);
    }
}

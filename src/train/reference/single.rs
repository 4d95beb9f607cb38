//! Single steps of the kernels against steps in f64 from the same parameters and the same state: every activation, model and loss with every
//! optimizer, with and without penalties, largest norms and dropout; and threads and instruction sets, which change nothing.
//!
//! What is compared is the change that a step makes, layer by layer, in the Euclidean norm: to 1e-5 of itself, and what rounding the new
//! parameters to f32 adds.

use super::{OptimizerState, Training, inputs, kinds, labels, masks};
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;
use crate::train::data::Dataset;
use crate::train::dropout::Place;
use crate::train::network::Network;
use crate::train::spec::{Activation, DatasetName, Loss, Model, Optimizer, Regularization, Split, TrainingSpec};
use crate::train::trainer::Trainer;

const SEED: u64 = 3;
const BATCH: usize = 70;
/// Steps of each training: the second and third have state.
const STEPS: u32 = 3;

/// Every optimizer with the size of its step. Their ε is such that noise in a gradient that is 0 in exact arithmetic is no step: the bias of
/// a linear layer before its normalisation has one.
fn optimizers() -> Vec<(Optimizer, f64)> {
    let epsilon = 1e-3;
    vec![
        (Optimizer::SGD, 0.5),
        (Optimizer::Sgd { momentum: 0.9, nesterov: false }, 0.2),
        (Optimizer::Sgd { momentum: 0.9, nesterov: true }, 0.2),
        (Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon }, 0.02),
        (Optimizer::Rmsprop { rho: 0.9, epsilon }, 0.02),
        (Optimizer::Adamw { beta_1: 0.9, beta_2: 0.999, epsilon, weight_decay: 0.1 }, 0.02),
    ]
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Trains by single steps and compares each with the step in f64 from where it began.
fn check(spec: &TrainingSpec, data: &Dataset) {
    let examples = data.examples(Split::Train);
    let mut trainer = Trainer::new(spec, data, SEED, Exec::serial());
    let network = trainer.network().clone();
    for pass in 0..STEPS {
        let start: Vec<f64> = trainer.parameters().iter().map(|&p| f64::from(p)).collect();
        let before = trainer.checkpoint().state;
        let (first, second) = before.moments();
        let state = OptimizerState::resume(spec.optimizer, start.clone(), first, second, pass);
        let mut plain = Training { network: &network, spec, state };
        let mut stream = Stream::new(SEED, Purpose::Sample, pass.into());
        let members: Vec<u32> = (0..BATCH).map(|_| stream.below(examples.n as u32)).collect();
        let place = Place { seed: SEED, pass, batch: 0 };
        let masks = masks(&network, spec.regularization.dropout, place, BATCH);
        plain.step(spec.learning_rate, &inputs(examples, &members), &labels(examples, &members), &masks);
        trainer.pass().unwrap();
        for range in layers(&network) {
            let (got, want) = (&trainer.parameters()[range.clone()], &plain.state.parameters[range.clone()]);
            let error = norm(got.iter().zip(want).map(|(got, want)| f64::from(*got) - want));
            let change = norm(want.iter().zip(&start[range.clone()]).map(|(want, start)| want - start));
            let rounding = 6e-8 * norm(want.iter().copied());
            assert!(error <= 1e-5 * change + rounding, "{spec:?}, step {pass}, parameters {range:?}: {error} of {change}");
        }
    }
}

/// The trained parameters of every layer, and the moving averages.
fn layers(network: &Network) -> Vec<std::ops::Range<usize>> {
    let starts = network.layers.iter().map(|layer| layer.kernel_range().start);
    let ends = starts.clone().skip(1).chain([network.n_trained()]);
    let averages = network.layers.iter().filter_map(|layer| layer.mean_range().map(|mean| mean.start..mean.end + layer.n_out));
    starts.zip(ends).map(|(start, end)| start..end).chain(averages).collect()
}

fn spec((activation, model, loss): (Activation, Model, Loss)) -> TrainingSpec {
    TrainingSpec {
        activation,
        model,
        loss,
        maxout_pieces: 3,
        initial_bias: 0.05,
        steps_per_epoch: Some(1),
        batch_size: BATCH as u32,
        ..TrainingSpec::default()
    }
}

#[test]
fn single_steps_change_the_network_as_the_plain_ones_do() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let heavy = Regularization { l1: 1e-3, l2: 1e-2, dropout: 0.25 };
    let extras = [(None, Regularization::default()), (Some(0.7), heavy)];
    for kind in kinds() {
        for (optimizer, learning_rate) in optimizers() {
            for (max_norm_weights, regularization) in extras {
                let architecture = vec![9, 4];
                let spec =
                    TrainingSpec { architecture, max_norm_weights, regularization, optimizer, learning_rate, ..spec(kind) };
                check(&spec, &data);
            }
        }
    }
}

#[test]
fn single_steps_of_large_layers_do_so_too() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    for kind in kinds() {
        // The second layer takes the forms for large layers in all three products.
        let (optimizer, learning_rate) = (Optimizer::SGD, 0.1);
        check(&TrainingSpec { optimizer, learning_rate, architecture: vec![110, 100], ..spec(kind) }, &data);
    }
}

#[test]
fn instruction_sets_and_threads_train_the_same_network_whatever_it_is_made_of() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let regularization = Regularization { l1: 1e-4, l2: 1e-3, dropout: 0.25 };
    for kind in kinds() {
        let architecture = vec![140, 70];
        let spec = TrainingSpec { regularization, max_norm_weights: Some(0.8), architecture, batch_size: 256, ..spec(kind) };
        let mut first: Option<(Vec<f32>, _)> = None;
        for isa in Isa::available() {
            for parallel in [false, true] {
                let mut trainer = Trainer::new(&spec, &data, 5, Exec { isa, parallel });
                trainer.pass().unwrap();
                let got = (trainer.parameters().to_vec(), trainer.gradient_statistics(Split::Test).unwrap());
                assert!(*first.get_or_insert_with(|| got.clone()) == got, "{} {parallel} {spec:?}", isa.name());
            }
        }
    }
}

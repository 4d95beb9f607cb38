//! Single steps of the kernels against the plain training: every activation, model and loss with every optimizer, with and without penalties,
//! largest norms and dropout; and threads, which change nothing.

use super::{Training, inputs, kinds, labels, masks};
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;
use crate::train::data::Dataset;
use crate::train::dropout::Place;
use crate::train::spec::{DatasetName, Optimizer, RateSchedule, Regularization, Split, TrainingSpec};
use crate::train::trainer::Trainer;

#[test]
fn single_steps_equal_the_plain_training_to_1e_5() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let examples = data.examples(Split::Train);
    let momentum = |nesterov| Optimizer::Sgd { momentum: 0.9, nesterov };
    let optimizers: Vec<_> = Optimizer::ALL.iter().copied().chain([momentum(false), momentum(true)]).collect();
    let heavy = Regularization { l1: 1e-3, l2: 1e-2, dropout: 0.25 };
    let extras = [(None, Regularization::default()), (Some(0.7), heavy)];
    for (activation, model, loss) in kinds() {
        for &optimizer in &optimizers {
            for (max_norm_weights, regularization) in extras {
                let spec = TrainingSpec {
                    activation,
                    model,
                    loss,
                    optimizer,
                    max_norm_weights,
                    regularization,
                    architecture: vec![9, 4],
                    learning_rate: 2e-4,
                    learning_rate_schedule: RateSchedule::Step { every: 1, factor: 0.5 },
                    steps_per_epoch: Some(1),
                    batch_size: 70,
                    ..TrainingSpec::default()
                };
                let mut trainer = Trainer::new(&spec, &data, 3, Exec::serial());
                let network = trainer.network().clone();
                for pass in 0..2 {
                    let start = trainer.parameters().iter().map(|&p| f64::from(p)).collect();
                    let mut plain = Training::new(&spec, &network, start);
                    if pass > 0 && optimizer != Optimizer::SGD {
                        // The plain optimizer begins anew at each step, which only plain descent does not notice.
                        break;
                    }
                    let mut stream = Stream::new(3, Purpose::Sample, pass);
                    let members: Vec<u32> = (0..70).map(|_| stream.below(examples.n as u32)).collect();
                    let place = Place { seed: 3, pass: pass as u32, batch: 0 };
                    let masks = masks(&network, regularization.dropout, place, members.len());
                    let rate = if pass == 0 { 2e-4 } else { 1e-4 };
                    plain.step(rate, &inputs(examples, &members), &labels(examples, &members), &masks);
                    trainer.pass().unwrap();
                    for (i, (got, want)) in trainer.parameters().iter().zip(&plain.state.parameters).enumerate() {
                        let error = (f64::from(*got) - want).abs();
                        assert!(error < 1e-5 * want.abs().max(1.0), "{spec:?} parameter {i}: {got} {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn instruction_sets_and_threads_train_the_same_network_whatever_it_is_made_of() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let regularization = Regularization { l1: 1e-4, l2: 1e-3, dropout: 0.25 };
    for (activation, model, loss) in kinds() {
        let spec = TrainingSpec {
            activation,
            model,
            loss,
            regularization,
            max_norm_weights: Some(0.8),
            architecture: vec![300, 20],
            steps_per_epoch: Some(2),
            ..TrainingSpec::default()
        };
        let mut first: Option<Vec<f32>> = None;
        for isa in Isa::available() {
            for parallel in [false, true] {
                let mut trainer = Trainer::new(&spec, &data, 5, Exec { isa, parallel });
                trainer.pass().unwrap();
                let got = trainer.parameters();
                assert_eq!(first.get_or_insert_with(|| got.to_vec()), got, "{} {parallel} {spec:?}", isa.name());
            }
        }
    }
}

//! A training between two passes, as plain data: what settings, seed and data do not tell of it.
//!
//! Random streams are keyed by the pass, so the number of passes is the position in all of them. The bytes are `postcard` of these fields.

use serde::{Deserialize, Serialize};

use super::optimizer::State;
use super::stopping::Watch;
use crate::math::simd::Block;

/// Version of the layout below and of all that it holds. Raise it when the bytes of the same training change: a checkpoint of another
/// layout is not used.
pub const LAYOUT: u32 = 2;

/// What [`super::trainer::Trainer::checkpoint`] takes and [`super::trainer::Trainer::restore`] goes on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Passes done.
    pub(super) passes: u32,
    /// The parameters, padding included.
    pub(super) parameters: Vec<Block>,
    /// The optimizer's state.
    pub(super) state: State,
    /// What early stopping remembers.
    pub(super) watch: Watch,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::math::exec::Exec;
    use crate::train::data::Dataset;
    use crate::train::spec::{Activation, DatasetName, Model, Optimizer, RateSchedule, Regularization, TrainingSpec};
    use crate::train::trainer::Trainer;

    fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
        postcard::to_stdvec(checkpoint).expect("plain data")
    }

    #[test]
    fn a_training_taken_up_again_ends_with_the_same_bits() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let plain = TrainingSpec { architecture: vec![17, 3], batch_size: 100, epochs: 6, ..TrainingSpec::default() };
        let optimizers = Optimizer::ALL.iter().copied().chain([Optimizer::Sgd { momentum: 0.9, nesterov: true }]);
        let mut specs: Vec<_> = optimizers.map(|optimizer| TrainingSpec { optimizer, ..plain.clone() }).collect();
        // Everything at once that a training remembers or draws.
        specs.push(TrainingSpec {
            activation: Activation::Prelu,
            model: Model::FeedforwardBatchnorm,
            max_norm_weights: Some(0.8),
            regularization: Regularization { l1: 1e-4, l2: 1e-3, dropout: 0.3 },
            learning_rate_schedule: RateSchedule::Cosine { over: 0, floor: 0.1 },
            steps_per_epoch: Some(7),
            ..plain
        });
        for spec in &specs {
            let mut whole = Trainer::new(spec, &data, 5, Exec::serial());
            (0..6).for_each(|_| whole.pass().unwrap());
            for stop in 0..=6 {
                let mut first = Trainer::new(spec, &data, 5, Exec::serial());
                (0..stop).for_each(|_| first.pass().unwrap());
                // What is measured between passes leaves nothing behind.
                first.gradient_statistics(crate::train::spec::Split::Test).unwrap();
                let carried = postcard::from_bytes(&bytes(&first.checkpoint())).unwrap();
                let mut second = Trainer::restore(spec, &data, 5, Exec::serial(), carried).unwrap();
                assert_eq!(second.epoch(), stop - 1);
                (stop..6).for_each(|_| second.pass().unwrap());
                assert_eq!(second.checkpoint(), whole.checkpoint(), "{spec:?} stopped after {stop}");
            }
        }
    }

    #[test]
    fn a_checkpoint_of_other_settings_is_refused() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let spec = TrainingSpec { epochs: 2, ..TrainingSpec::default() };
        let mut trainer = Trainer::new(&spec, &data, 5, Exec::serial());
        (0..2).for_each(|_| trainer.pass().unwrap());
        let taken = trainer.checkpoint();
        let refused = |spec: &TrainingSpec| Trainer::restore(spec, &data, 5, Exec::serial(), taken.clone()).is_none();
        assert!(!refused(&spec));
        assert!(refused(&TrainingSpec { optimizer: Optimizer::SGD, ..spec.clone() }));
        assert!(refused(&TrainingSpec { architecture: vec![99], ..spec.clone() }));
        assert!(refused(&TrainingSpec { epochs: 1, ..spec.clone() }));
    }

    #[test]
    fn the_layout_is_pinned() {
        // Other bytes: raise LAYOUT, or checkpoints of the program before would be read as something else.
        let block = |x: f32| vec![Block([x; 16])];
        let numbers = |x: f32| [vec![1], x.to_le_bytes().repeat(16)].concat();
        let bytes = |state| bytes(&Checkpoint { passes: 300, parameters: block(3.0), state, watch: Watch::default() });
        // 300 takes two bytes; a list begins with its length, a choice with its number. At the end: nothing best yet, no pass waited.
        let (start, end) = ([vec![0xAC, 2], numbers(3.0)].concat(), vec![0, 0]);
        // The optimizer with its parameters, two vectors, the powers of Adam's decays.
        let doubles = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let sgd = [vec![0], doubles(&[0.0]), vec![0], vec![0], vec![0], doubles(&[1.0, 1.0])].concat();
        assert_eq!(bytes(State::new(Optimizer::SGD, 1)), [&start[..], &sgd, &end].concat());
        let zeros = numbers(0.0);
        let adam = [vec![1], doubles(&[0.9, 0.999, 1e-8]), zeros.clone(), zeros, doubles(&[1.0, 1.0])].concat();
        assert_eq!(bytes(State::new(Optimizer::ADAM, 1)), [&start[..], &adam, &end].concat());
        assert_eq!(LAYOUT, 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_checkpoint_or_none(bytes: Vec<u8>) {
            let _ = postcard::from_bytes::<Checkpoint>(&bytes);
        }
    }
}

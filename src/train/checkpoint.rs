//! A training between two passes, as plain data: what settings, seed and data do not tell of it.
//!
//! Random streams are keyed by the pass, so the number of passes is the position in all of them. The bytes are `postcard` of these fields.

use serde::{Deserialize, Serialize};

use super::optimizer::State;
use super::stopping::Watch;
use crate::math::simd::Block;

/// Version of the layout below and of all that it holds. Raise it when the bytes of the same training change: a checkpoint of another
/// layout is not used.
pub const LAYOUT: u32 = 1;

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
    use crate::train::spec::{DatasetName, Optimizer, TrainingSpec};
    use crate::train::trainer::Trainer;

    fn bytes(checkpoint: &Checkpoint) -> Vec<u8> {
        postcard::to_stdvec(checkpoint).expect("plain data")
    }

    #[test]
    fn a_training_taken_up_again_ends_with_the_same_bits() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        for &optimizer in Optimizer::ALL {
            let spec =
                TrainingSpec { optimizer, architecture: vec![17, 3], batch_size: 100, epochs: 6, ..TrainingSpec::default() };
            let mut whole = Trainer::new(&spec, &data, 5, Exec::serial());
            (0..6).for_each(|_| whole.pass().unwrap());
            for stop in 0..=6 {
                let mut first = Trainer::new(&spec, &data, 5, Exec::serial());
                (0..stop).for_each(|_| first.pass().unwrap());
                // What is measured between passes leaves nothing behind.
                first.gradient_statistics(crate::train::spec::Split::Test).unwrap();
                let carried = postcard::from_bytes(&bytes(&first.checkpoint())).unwrap();
                let mut second = Trainer::restore(&spec, &data, 5, Exec::serial(), carried).unwrap();
                assert_eq!(second.epoch(), stop - 1);
                (stop..6).for_each(|_| second.pass().unwrap());
                assert_eq!(second.checkpoint(), whole.checkpoint(), "{optimizer:?} stopped after {stop}");
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
        assert!(refused(&TrainingSpec { optimizer: Optimizer::Sgd, ..spec.clone() }));
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
        assert_eq!(bytes(State::Sgd), [&start[..], &[0], &end].concat());
        let adam = State::Adam { m: block(1.0), v: block(2.0), powers: (0.5, 0.25) };
        let powers = [0.5_f64.to_le_bytes(), 0.25_f64.to_le_bytes()].concat();
        assert_eq!(bytes(adam), [&start[..], &[1], &numbers(1.0), &numbers(2.0), &powers, &end].concat());
        assert_eq!(LAYOUT, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_checkpoint_or_none(bytes: Vec<u8>) {
            let _ = postcard::from_bytes::<Checkpoint>(&bytes);
        }
    }
}

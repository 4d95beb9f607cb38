//! A data set in memory, split into train and test, in the two layouts that the kernels read.

use ndarray::Array2;

use super::harmonics;
use super::spec::{DatasetName, Split};
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, LANES, blocks};

/// Share of the examples that is trained on.
const TRAIN_SHARE: f64 = 0.8;

/// Examples with class labels, divided into train and test.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Number of classes; labels are 0..n_classes.
    pub n_classes: usize,
    train: Examples,
    test: Examples,
    full: Examples,
}

/// The examples of one split, row by row for batches and column by column for whole-split passes.
#[derive(Clone, Debug)]
pub struct Examples {
    /// Number of examples.
    pub n: usize,
    /// Number of inputs.
    pub inputs: usize,
    /// Class of each example.
    pub labels: Vec<u32>,
    /// Example-major: `blocks(inputs)` blocks an example, padded with zeros.
    pub rows: Vec<Block>,
    /// Feature-major: `blocks(n)` blocks an input, padded with zeros.
    pub columns: Vec<Block>,
}

impl Examples {
    fn new(values: &Array2<f32>, labels: &[u32], members: &[u32]) -> Self {
        let (n, inputs) = (members.len(), values.ncols());
        let (row, column) = (blocks(inputs), blocks(n));
        let mut examples = Self {
            n,
            inputs,
            labels: members.iter().map(|&m| labels[m as usize]).collect(),
            rows: vec![Block::default(); n * row],
            columns: vec![Block::default(); inputs * column],
        };
        for (e, &member) in members.iter().enumerate() {
            for (i, &value) in values.row(member as usize).iter().enumerate() {
                examples.rows[e * row + i / LANES].0[i % LANES] = value;
                examples.columns[i * column + e / LANES].0[e % LANES] = value;
            }
        }
        examples
    }
}

impl Dataset {
    /// Generates or takes the data of that name and splits it by `split_seed`: a seeded shuffle, 80 % train (rounded to nearest), the
    /// same for all repeats of an experiment. Within a split the examples keep the order of the data set.
    #[must_use]
    pub fn load(name: DatasetName, split_seed: u64) -> Self {
        match name {
            DatasetName::Harmonics => {
                let shape = (harmonics::EXAMPLES, harmonics::INPUTS);
                let values = Array2::from_shape_fn(shape, |(example, vertex)| harmonics::input(example, vertex));
                Self::split(&values, &harmonics::labels(), 2, split_seed)
            }
        }
    }

    /// Splits examples (rows of `values`) with their labels.
    fn split(values: &Array2<f32>, labels: &[u32], n_classes: usize, split_seed: u64) -> Self {
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        Stream::new(split_seed, Purpose::Split, 0).shuffle(&mut order);
        let n_train = (labels.len() as f64 * TRAIN_SHARE).round() as usize;
        let (train, test) = order.split_at_mut(n_train);
        train.sort_unstable();
        test.sort_unstable();
        let all: Vec<u32> = (0..labels.len() as u32).collect();
        Self {
            n_classes,
            train: Examples::new(values, labels, train),
            test: Examples::new(values, labels, test),
            full: Examples::new(values, labels, &all),
        }
    }

    /// The examples of a split.
    #[must_use]
    pub const fn examples(&self, split: Split) -> &Examples {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
            Split::Full => &self.full,
        }
    }

    /// Number of inputs of an example.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.full.inputs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn harmonics_splits_into_3277_and_819() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let (train, test, full) = (data.examples(Split::Train), data.examples(Split::Test), data.examples(Split::Full));
        assert_eq!((train.n, test.n, full.n), (3277, 819, 4096));
        assert_eq!(full.labels.iter().sum::<u32>(), 2118);
        let key = |e: &Examples, i: usize| e.rows[i].0.map(f32::to_bits);
        let train_set: BTreeSet<_> = (0..train.n).map(|i| key(train, i)).collect();
        let test_set: BTreeSet<_> = (0..test.n).map(|i| key(test, i)).collect();
        assert_eq!((train_set.len(), test_set.len()), (3277, 819));
        assert!(train_set.is_disjoint(&test_set));
    }

    #[test]
    fn both_layouts_hold_the_same_values() {
        let data = Dataset::load(DatasetName::Harmonics, 3);
        let test = data.examples(Split::Test);
        for e in 0..test.n {
            for i in 0..test.inputs {
                let column = test.columns[i * blocks(test.n) + e / LANES].0[e % LANES];
                assert_eq!(test.rows[e].0[i], column);
            }
        }
    }

    #[test]
    fn the_split_depends_on_its_seed_only() {
        let labels = |seed| Dataset::load(DatasetName::Harmonics, seed).examples(Split::Test).rows.clone();
        assert_eq!(labels(0), labels(0));
        assert_ne!(labels(0), labels(1));
    }
}

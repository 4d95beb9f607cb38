//! A data set in memory: examples as they come, and their division into train and test in the two layouts that the kernels read.

use std::sync::OnceLock;

use super::harmonics;
use super::source::TRAIN_SHARE;
use super::spec::{DatasetName, Split};
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, LANES, blocks, flat};

/// Examples are kept column by column, too, up to this size in bytes: for larger ones that would double the memory, and whole-split passes
/// gather what they need.
const COLUMNS_KEPT: usize = 8 << 20;
/// Bytes that are hashed at a time.
const HASHED: usize = 1 << 16;

/// Labelled examples in the order of the data set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Inputs of an example.
    pub inputs: usize,
    /// Example-major: `blocks(inputs)` blocks an example, padded with zeros.
    pub rows: Vec<Block>,
    /// Class of each example, from 0.
    pub labels: Vec<u32>,
    /// The label as the data has it of each class, ascending.
    pub class_values: Vec<f64>,
    /// What the classes are called, where the labels are words.
    pub class_names: Vec<String>,
    /// p(y = 1 | x) of each example, where the data has it.
    pub soft: Option<Vec<f64>>,
    /// How many are trained on, the first ones, where the data says so.
    pub train: Option<usize>,
}

impl Sheet {
    /// The examples of a generated set.
    #[must_use]
    pub fn generate(name: DatasetName) -> Self {
        let shift = if name == DatasetName::HarmonicsZeroMean { 0.5 } else { 0.0 };
        let row = |example| {
            let mut block = Block::default();
            (0..harmonics::INPUTS).for_each(|vertex| block.0[vertex] = harmonics::input(example, vertex) - shift);
            block
        };
        Self {
            inputs: harmonics::INPUTS,
            rows: (0..harmonics::EXAMPLES).map(row).collect(),
            labels: harmonics::labels(),
            class_values: vec![0.0, 1.0],
            class_names: Vec::new(),
            soft: (name == DatasetName::HarmonicsSoft).then(|| harmonics::probabilities(harmonics::GAMMA)),
            train: None,
        }
    }

    /// Number of examples.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.labels.len()
    }

    /// The inputs of an example.
    #[must_use]
    pub fn example(&self, example: usize) -> &[f32] {
        let row = blocks(self.inputs);
        &flat(&self.rows[example * row..(example + 1) * row])[..self.inputs]
    }

    /// How many examples are trained on, if the data does not say so: that share, rounded to nearest; each part has at least one
    /// example where there are two.
    #[must_use]
    pub fn n_train(&self, fraction: Option<f64>) -> usize {
        let n = self.n();
        let share =
            || ((n as f64 * fraction.unwrap_or(TRAIN_SHARE)).round() as usize).clamp(1.min(n), n.saturating_sub(1).max(1));
        self.train.unwrap_or_else(share).min(n)
    }

    /// The fingerprint of the content, for the ids of trainings on it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for value in [self.n(), self.inputs, self.class_values.len()] {
            hasher.update(&(value as u64).to_le_bytes());
        }
        let mut buffer = Vec::with_capacity(HASHED);
        for values in flat(&self.rows).chunks(HASHED / 4) {
            buffer.clear();
            values.iter().for_each(|value| buffer.extend(value.to_le_bytes()));
            hasher.update(&buffer);
        }
        for labels in self.labels.chunks(HASHED / 4) {
            buffer.clear();
            labels.iter().for_each(|label| buffer.extend(label.to_le_bytes()));
            hasher.update(&buffer);
        }
        // What most sets do not have is told by a word each, so that none is taken for another.
        if self.class_values.iter().enumerate().any(|(class, value)| *value != class as f64) {
            hasher.update(b"class values");
            self.class_values.iter().for_each(|value| _ = hasher.update(&value.to_le_bytes()));
        }
        if let Some(soft) = &self.soft {
            hasher.update(b"soft labels");
            soft.iter().for_each(|p| _ = hasher.update(&p.to_le_bytes()));
        }
        if let Some(train) = self.train {
            hasher.update(b"trained on").update(&(train as u64).to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Examples with class labels, divided into train and test.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Number of classes; labels are 0..n_classes.
    pub n_classes: usize,
    /// The label as the data has it of each class: what a regression aims at.
    pub class_values: Vec<f64>,
    train: Examples,
    test: Examples,
    /// Places in the data set of the examples trained on, ascending.
    members: Vec<u32>,
    /// Made when it is first asked for: it is as large as both parts together.
    full: OnceLock<Examples>,
}

/// The examples of one split, row by row for batches and, unless they are many, column by column for whole-split passes.
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
    /// Feature-major: `blocks(n)` blocks an input, padded with zeros; empty where the examples are many.
    pub columns: Vec<Block>,
}

impl Examples {
    /// From rows of `blocks(inputs)` blocks.
    fn new(inputs: usize, rows: Vec<Block>, labels: Vec<u32>) -> Self {
        let (n, row) = (labels.len(), blocks(inputs));
        let column = blocks(n);
        if size_of_val(&rows[..]) > COLUMNS_KEPT {
            return Self { n, inputs, labels, rows, columns: Vec::new() };
        }
        let mut columns = vec![Block::default(); inputs * column];
        // Sixteen examples at a time, so that the lines written to stay in the cache.
        for first in (0..n).step_by(LANES) {
            for part in 0..row {
                for e in first..n.min(first + LANES) {
                    let values = &rows[e * row + part].0;
                    for (i, &value) in values.iter().enumerate().take((inputs - part * LANES).min(LANES)) {
                        columns[(part * LANES + i) * column + e / LANES].0[e % LANES] = value;
                    }
                }
            }
        }
        Self { n, inputs, labels, rows, columns }
    }
}

impl Dataset {
    /// Generates the data of that name and divides it, see [`Self::new`].
    #[must_use]
    pub fn load(name: DatasetName, split_seed: u64) -> Self {
        Self::new(Sheet::generate(name), None, split_seed)
    }

    /// Divides examples into train and test: as the data says, or by a seeded shuffle of which the first share, rounded to nearest, is
    /// trained on (80 % if not given), the same for all repeats of an experiment. Within a part the examples keep their order.
    #[must_use]
    pub fn new(sheet: Sheet, train_fraction: Option<f64>, split_seed: u64) -> Self {
        let n_train = sheet.n_train(train_fraction);
        let Sheet { inputs, mut rows, mut labels, class_values, train, .. } = sheet;
        let mut members: Vec<u32> = (0..labels.len() as u32).collect();
        let row = blocks(inputs);
        let test = if train.is_some() {
            members.truncate(n_train);
            (rows.split_off(n_train * row), labels.split_off(n_train))
        } else {
            Stream::new(split_seed, Purpose::Split, 0).shuffle(&mut members);
            members.truncate(n_train);
            members.sort_unstable();
            take_others(&members, row, &mut rows, &mut labels)
        };
        Self {
            n_classes: class_values.len(),
            class_values,
            train: Examples::new(inputs, rows, labels),
            test: Examples::new(inputs, test.0, test.1),
            members,
            full: OnceLock::new(),
        }
    }

    /// The examples of a split.
    #[must_use]
    pub fn examples(&self, split: Split) -> &Examples {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
            Split::Full => self.full.get_or_init(|| self.together()),
        }
    }

    /// Number of inputs of an example.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.train.inputs
    }

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |e: &Examples| size_of_val(&e.rows[..]) + size_of_val(&e.columns[..]) + size_of_val(&e.labels[..]);
        of(&self.train) + of(&self.test) + self.full.get().map_or(0, of)
    }

    /// Both parts, in the order of the data set.
    fn together(&self) -> Examples {
        let (row, n) = (blocks(self.train.inputs), self.train.n + self.test.n);
        let (mut rows, mut labels) = (Vec::with_capacity(n * row), Vec::with_capacity(n));
        let (mut from_train, mut from_test) = (0, 0);
        for place in 0..n as u32 {
            let is_train = self.members.get(from_train) == Some(&place);
            let (part, next) = if is_train { (&self.train, &mut from_train) } else { (&self.test, &mut from_test) };
            rows.extend_from_slice(&part.rows[*next * row..(*next + 1) * row]);
            labels.push(part.labels[*next]);
            *next += 1;
        }
        Examples::new(self.train.inputs, rows, labels)
    }
}

/// Takes the examples that are not `members` (ascending) out of rows and labels: what stays moves up, so that no second copy is made.
fn take_others(members: &[u32], row: usize, rows: &mut Vec<Block>, labels: &mut Vec<u32>) -> (Vec<Block>, Vec<u32>) {
    let others = labels.len() - members.len();
    let (mut other_rows, mut other_labels) = (Vec::with_capacity(others * row), Vec::with_capacity(others));
    let mut kept = 0;
    for place in 0..labels.len() {
        if members.get(kept) == Some(&(place as u32)) {
            rows.copy_within(place * row..(place + 1) * row, kept * row);
            labels[kept] = labels[place];
            kept += 1;
        } else {
            other_rows.extend_from_slice(&rows[place * row..(place + 1) * row]);
            other_labels.push(labels[place]);
        }
    }
    rows.truncate(kept * row);
    labels.truncate(kept);
    (other_rows, other_labels)
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
    fn generated_sets_have_the_fingerprints_that_stand_in_ids() {
        let found: Vec<_> = DatasetName::ALL.iter().map(|name| Sheet::generate(*name).fingerprint()).collect();
        assert_eq!(found, DatasetName::ALL.iter().map(|name| name.fingerprint()).collect::<Vec<_>>());
    }

    #[test]
    fn zero_mean_is_shifted_and_soft_is_most_likely_what_it_is() {
        let plain = Sheet::generate(DatasetName::Harmonics);
        let shifted = Sheet::generate(DatasetName::HarmonicsZeroMean);
        let soft = Sheet::generate(DatasetName::HarmonicsSoft);
        for e in 0..plain.n() {
            assert!(plain.example(e).iter().zip(shifted.example(e)).all(|(a, b)| a - 0.5 == *b));
            assert_eq!(soft.soft.as_ref().unwrap()[e] > 0.5, soft.labels[e] == 1);
        }
        assert_eq!((&plain.rows, &plain.labels), (&soft.rows, &soft.labels));
    }

    #[test]
    fn the_data_may_say_what_is_trained_on_and_full_is_in_its_order() {
        let sheet = |train| Sheet {
            inputs: 1,
            rows: (0..10).map(|e| Block([e as f32; LANES])).collect(),
            labels: (0..10).map(|e| e % 3).collect(),
            class_values: vec![0.0, 1.0, 2.0],
            class_names: Vec::new(),
            soft: None,
            train,
        };
        let given = Dataset::new(sheet(Some(7)), None, 5);
        assert_eq!((given.examples(Split::Train).n, given.examples(Split::Test).labels.clone()), (7, vec![1, 2, 0]));
        let shared = Dataset::new(sheet(None), Some(0.25), 5);
        assert_eq!(shared.examples(Split::Train).n, 3);
        for data in [&given, &shared] {
            let full = data.examples(Split::Full);
            assert_eq!(full.labels, sheet(None).labels);
            assert!((0..10).all(|e| full.rows[e].0[0] == e as f32 && full.columns[e / LANES].0[e % LANES] == e as f32));
        }
        // Neither part is empty, however small the share.
        let counts = |n: usize, share| {
            let mut sheet = sheet(None);
            sheet.labels.truncate(n);
            sheet.n_train(Some(share))
        };
        assert_eq!([counts(10, 0.01), counts(10, 0.999), counts(2, 0.1), counts(1, 0.1), counts(0, 0.5)], [1, 9, 1, 1, 0]);
    }

    #[test]
    fn the_split_depends_on_its_seed_only() {
        let labels = |seed| Dataset::load(DatasetName::Harmonics, seed).examples(Split::Test).rows.clone();
        assert_eq!(labels(0), labels(0));
        assert_ne!(labels(0), labels(1));
    }
}

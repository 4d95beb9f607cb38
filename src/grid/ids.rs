//! A name is a hash of what it means: ids of trainings and measurements, and the seeds of repeats.
//!
//! Canonical text: `key=value` lines in key order; settings at their default are left out, so that a setting added later
//! leaves older ids as they are. Changing a default therefore changes meaning and takes a new `TRAINING_VERSION`.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::cohort::settings::Settings;
use crate::estimate::spec::EstimatorSpec;
use crate::train::schedule::Schedule;
use crate::train::source::TRAIN_SHARE;
use crate::train::spec::{Activation, Regularization, Split, TRAINING_VERSION, TrainingSpec};

/// Id of a training or a measurement: the first 128 bits of a BLAKE3 hash, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(pub [u8; 16]);

/// A map by ids. They are hashes already, so that none is hashed again: there are millions of them.
pub type IdMap<V> = HashMap<Id, V, BuildHasherDefault<FirstBits>>;
/// A set of ids, see [`IdMap`].
pub type IdSet = HashSet<Id, BuildHasherDefault<FirstBits>>;

/// Takes the first bits of an id for its hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstBits(u64);

impl Hasher for FirstBits {
    fn write(&mut self, bytes: &[u8]) {
        // Nothing but ids comes here, and those as a number.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.first_bits());
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

impl Id {
    /// The first 64 bits as a number: in the order of the ids.
    #[must_use]
    pub fn first_bits(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The hexadecimal digits.
    fn digits(&self) -> [u8; 32] {
        std::array::from_fn(|n| {
            let byte = self.0[n / 2];
            b"0123456789abcdef"[usize::from(if n % 2 == 0 { byte >> 4 } else { byte & 15 })]
        })
    }

    /// Hash of a canonical text within a domain, so that equal texts of different kinds have different ids.
    fn of(domain: &str, text: &str) -> Self {
        Self::of_text(format!("{domain}\0{text}").as_bytes())
    }

    /// Hash of a domain and a canonical text, with a zero between them.
    fn of_text(text: &[u8]) -> Self {
        let hash = blake3::hash(text);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        Self(id)
    }

    /// The id that is printed so: 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = (text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)?;
        u128::from_str_radix(digits, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    /// Id of something that means nothing but itself, from a text that never comes again.
    #[must_use]
    pub fn fresh(text: &str) -> Self {
        Self::of("infoplane fresh", text)
    }

    /// Id of a training: its settings, its seed, the content of its data and the version of the training semantics.
    #[must_use]
    pub fn training(spec: &TrainingSpec, seed: u64) -> Self {
        TrainingIds::new(spec).of(seed)
    }

    /// Id of a measurement: one estimator with its parameters and version, on one split of one training.
    #[must_use]
    pub fn measurement(training: Self, estimator: &EstimatorSpec, split: Split) -> Self {
        MeasurementIds::new(estimator, split).of(training)
    }

    /// What an experiment means, whatever the order in which its splits and estimators are written. Two points of a grid with one
    /// meaning are one experiment. Never stored.
    #[must_use]
    pub fn meaning(settings: &Settings) -> Self {
        let Settings { training, splits, estimators, tensorboard: _, data_dir, seed_offset } = settings;
        let mut measures: Vec<_> = estimators.iter().map(|e| format!("estimator={} {}\n", e.name(), e.params())).collect();
        measures.sort_unstable();
        let mut text = canonical(training);
        let _ = write!(
            text,
            "dataset={}\ndata_dir={data_dir}\nseed_offset={seed_offset}\n{}",
            training.dataset.source.text(),
            measures.concat()
        );
        let mut splits = splits.clone();
        splits.sort_unstable();
        splits.iter().for_each(|split| text.extend(["split=", split.name(), "\n"]));
        Self::of("infoplane experiment", &text)
    }
}

/// Ids of trainings that differ in their seed alone: what they share is written once. Ids are asked for by the million.
#[derive(Clone, Debug)]
pub struct TrainingIds {
    before: String,
}

impl TrainingIds {
    /// For these settings, on data that is found.
    #[must_use]
    pub fn new(spec: &TrainingSpec) -> Self {
        Self { before: format!("infoplane training\0{}data={}\nseed=", canonical(spec), spec.dataset.fingerprint()) }
    }

    /// [`Id::training`] with this seed.
    #[must_use]
    pub fn of(&self, seed: u64) -> Id {
        let mut text = String::with_capacity(self.before.len() + 40);
        text.push_str(&self.before);
        // Writing to a string cannot fail.
        let _ = write!(text, "{seed}\nversion={TRAINING_VERSION}\n");
        Id::of_text(text.as_bytes())
    }
}

/// Ids of one measurement on many trainings: what they share is written once.
#[derive(Clone, Debug)]
pub struct MeasurementIds {
    after: String,
}

impl MeasurementIds {
    /// For this estimator on this split.
    #[must_use]
    pub fn new(estimator: &EstimatorSpec, split: Split) -> Self {
        let (name, params, split, version) = (estimator.name(), estimator.params(), split.name(), estimator.version());
        Self { after: format!("\nestimator={name}\nparams={params}\nsplit={split}\nversion={version}\n") }
    }

    /// [`Id::measurement`] on this training.
    #[must_use]
    pub fn of(&self, training: Id) -> Id {
        const BEFORE: &[u8] = b"infoplane measurement\0training=";
        let mut text = Vec::with_capacity(BEFORE.len() + 32 + self.after.len());
        text.extend_from_slice(BEFORE);
        text.extend_from_slice(&training.digits());
        text.extend_from_slice(self.after.as_bytes());
        Id::of_text(&text)
    }

    /// What tells the measurement from all others.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.after
    }
}

/// Canonical text of the settings that influence the weights, data set apart (its content stands for it).
fn canonical(spec: &TrainingSpec) -> String {
    let default = TrainingSpec::default();
    // Taken apart, so that a new setting cannot be forgotten here.
    let TrainingSpec {
        dataset,
        split_seed,
        architecture,
        activation,
        maxout_pieces,
        model,
        kernel_initializer,
        initial_bias,
        max_norm_weights,
        regularization: Regularization { l1, l2, dropout },
        loss,
        optimizer,
        learning_rate,
        learning_rate_schedule,
        batch_size,
        steps_per_epoch,
        epochs,
        schedule: Schedule { record_initial, epochs: recorded, keep_snapshots: _ },
        early_stopping,
    } = spec;
    // Of no meaning without maxout.
    let pieces = if *activation == Activation::Maxout { *maxout_pieces } else { default.maxout_pieces };
    let mut text = String::new();
    let mut put = |key: &str, value: &dyn fmt::Display, is_default: bool| {
        if !is_default {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}={value}");
        }
    };
    put("activation_fn", &activation.name(), *activation == default.activation);
    put("architecture", &format_args!("{architecture:?}"), *architecture == default.architecture);
    put("batch_size", batch_size, *batch_size == default.batch_size);
    put("dropout", dropout, *dropout == 0.0);
    let stopping = early_stopping.map(|rule| rule.text()).unwrap_or_default();
    put("early_stopping", &stopping, early_stopping.is_none());
    put("epochs", epochs, *epochs == default.epochs);
    // −0 equals 0 and is left out, too; the engine computes the same with both.
    put("initial_bias", initial_bias, *initial_bias == default.initial_bias);
    put("kernel_initializer", &kernel_initializer.name(), *kernel_initializer == default.kernel_initializer);
    put("l1", l1, *l1 == 0.0);
    put("l2", l2, *l2 == 0.0);
    put("learning_rate", learning_rate, *learning_rate == default.learning_rate);
    let is_default = *learning_rate_schedule == default.learning_rate_schedule;
    put("learning_rate_schedule", &learning_rate_schedule.text(), is_default);
    put("loss", &loss.name(), *loss == default.loss);
    put("max_norm_weights", &max_norm_weights.unwrap_or_default(), max_norm_weights.is_none());
    put("maxout_pieces", &pieces, pieces == default.maxout_pieces);
    put("model", &model.name(), *model == default.model);
    put("optimizer", &optimizer.text(), *optimizer == default.optimizer);
    put("record_initial", record_initial, *record_initial == default.schedule.record_initial);
    put("recorded_epochs", &recorded.text(), *recorded == default.schedule.epochs);
    put("split_seed", split_seed, *split_seed == default.split_seed);
    put("steps_per_epoch", &steps_per_epoch.unwrap_or_default(), steps_per_epoch.is_none());
    // Given test files are part of the content, and no share of it.
    let share = dataset.train_fraction().unwrap_or(TRAIN_SHARE);
    put("train_fraction", &share, share == TRAIN_SHARE);
    text
}

/// Seed of repeat `repeat`: a hash of the cohort's seed (offset included) and the repeat, below 2^53 so that every reader of the
/// tables holds it exactly. The same for every experiment, so that experiments are compared on equal initialisations.
#[must_use]
pub fn run_seed(seed: u64, repeat: u32) -> u64 {
    let id = Id::of("infoplane seed", &format!("seed={seed}\nrepeat={repeat}\n"));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.0[..8]);
    u64::from_le_bytes(bytes) >> 11
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::train::source::{DataSpec, Files, Format, Found, Size, Source};
    use crate::train::spec::{DatasetName, Initializer, Loss, Model, Optimizer, RateSchedule};

    /// Data of a content that is called "data".
    fn data() -> DataSpec {
        let files = Files { format: Format::Mushroom, fields: BTreeMap::new(), train_fraction: None, dir: String::new() };
        let size = Size { examples: 10, train: 8, inputs: 12, classes: 2 };
        let found = Some(Arc::new(Found { files: files.clone(), fingerprint: "data".into(), size }));
        DataSpec { source: Source::Files(Arc::new(files)), found }
    }

    fn on_data() -> TrainingSpec {
        TrainingSpec { dataset: data(), ..TrainingSpec::default() }
    }

    /// A training that is at no default.
    fn nowhere_default() -> TrainingSpec {
        TrainingSpec {
            dataset: data(),
            split_seed: 3,
            architecture: vec![4, 2],
            activation: Activation::Relu,
            initial_bias: -0.25,
            optimizer: Optimizer::SGD,
            learning_rate: 1e-3,
            batch_size: 16,
            epochs: 300,
            schedule: Schedule { record_initial: true, ..Schedule::default() },
            ..TrainingSpec::default()
        }
    }

    /// The default with one of the settings that came later off its default, each in turn.
    fn later_settings() -> Vec<TrainingSpec> {
        let regularization = |l1, l2, dropout| Regularization { l1, l2, dropout };
        let mut specs = Vec::new();
        let mut with = |change: &dyn Fn(&mut TrainingSpec)| {
            let mut spec = TrainingSpec::default();
            change(&mut spec);
            specs.push(spec);
        };
        with(&|spec| (spec.activation, spec.maxout_pieces) = (Activation::Maxout, 2));
        with(&|spec| (spec.activation, spec.maxout_pieces) = (Activation::Maxout, 3));
        with(&|spec| spec.model = Model::FeedforwardBatchnorm);
        with(&|spec| spec.kernel_initializer = Initializer::Orthogonal);
        with(&|spec| spec.max_norm_weights = Some(0.8));
        with(&|spec| spec.regularization = regularization(0.5, 0.0, 0.0));
        with(&|spec| spec.regularization = regularization(0.0, 0.5, 0.0));
        with(&|spec| spec.regularization = regularization(0.0, 0.0, 0.5));
        with(&|spec| spec.loss = Loss::MeanSquaredError);
        with(&|spec| spec.optimizer = Optimizer::Adam { beta_1: 0.8, beta_2: 0.999, epsilon: 1e-8 });
        with(&|spec| spec.optimizer = Optimizer::SGD);
        with(&|spec| spec.optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false });
        with(&|spec| spec.optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true });
        with(&|spec| spec.learning_rate_schedule = RateSchedule::Step { every: 1000, factor: 0.5 });
        with(&|spec| spec.learning_rate_schedule = RateSchedule::Step { every: 1001, factor: 0.5 });
        with(&|spec| spec.steps_per_epoch = Some(1));
        specs
    }

    #[test]
    fn every_setting_counts() {
        let ids: std::collections::BTreeSet<_> = later_settings().iter().map(|spec| Id::training(spec, 7)).collect();
        assert_eq!(ids.len(), later_settings().len());
        assert!(!ids.contains(&Id::training(&TrainingSpec::default(), 7)));
        // Pieces mean nothing to other activations.
        let pieces = TrainingSpec { maxout_pieces: 5, ..TrainingSpec::default() };
        assert_eq!(Id::training(&pieces, 7), Id::training(&TrainingSpec::default(), 7));
    }

    #[test]
    fn ids_are_stable() {
        // Pinned: a change here makes every store in the field train again.
        let id = Id::training(&on_data(), 7);
        assert_eq!(id.to_string(), "5b685df6b12fc9a7d866b921db5f0ec7");
        let upper = EstimatorSpec::Upper { noise_variance: 1e-3 };
        assert_eq!(Id::measurement(id, &upper, Split::Full).to_string(), "7ebcf12e853ea236032c96e3d8dbd94e");
        assert_eq!(Id::training(&nowhere_default(), 7).to_string(), "ea75750802650b772c9afbd9ceccb8cb");
        assert_eq!(run_seed(0, 0), 661_571_414_399_924);
        assert_eq!(id, Id::training(&TrainingSpec { initial_bias: -0.0, ..on_data() }, 7));
        assert_ne!(id, Id::training(&on_data(), 8));
        assert_ne!(id, Id::training(&TrainingSpec::default(), 7));
        assert_ne!(id, Id::training(&TrainingSpec { epochs: 7999, ..on_data() }, 7));
        let harmonics = |name: DatasetName| TrainingSpec { dataset: name.into(), ..TrainingSpec::default() };
        let ids = DatasetName::ALL.iter().map(|name| Id::training(&harmonics(*name), 7).to_string());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["d6e46d6323f5df87fbceeac846eaa272", "994a07a8b3da7b4b4d5cef1ff7b7d442", "c58b5b1e7e7a9dca39e804a68586c096"]
        );
    }

    #[test]
    fn a_share_is_part_of_the_name_and_the_place_is_not() {
        let id = |change: &dyn Fn(&mut Found)| {
            let mut found = data().found.as_deref().cloned().unwrap();
            change(&mut found);
            let dataset = DataSpec { source: Source::Generated(DatasetName::Harmonics), found: Some(Arc::new(found)) };
            Id::training(&TrainingSpec { dataset, ..TrainingSpec::default() }, 7)
        };
        let plain = id(&|_| ());
        assert_eq!(plain, Id::training(&on_data(), 7));
        assert_eq!(plain, id(&|found| found.files.dir = "elsewhere".into()));
        assert_eq!(plain, id(&|found| found.files.train_fraction = Some(0.8)));
        assert_ne!(plain, id(&|found| found.files.train_fraction = Some(0.7)));
    }

    #[test]
    fn ids_read_as_they_print() {
        let id = Id::fresh("a");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        let printed = id.to_string();
        for bad in ["", &printed[1..], &format!("{printed}0"), &printed.replace(&printed[..1], "+"), &"é".repeat(16)] {
            assert_eq!(Id::parse(bad), None);
        }
    }

    #[test]
    fn seeds_fit_a_double() {
        for repeat in 0..100 {
            assert!(run_seed(3, repeat) < 1 << 53);
            assert_ne!(run_seed(3, repeat), run_seed(4, repeat));
        }
    }
}

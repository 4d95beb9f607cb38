//! The table of settings: key, what may stand there, default, meaning. Parsing, suggestions and the schema all read it.

use super::recording::{SCHEDULE_TAKES, STOPPING_TAKES};
use super::rules::{self, Form};
use super::setting::Setting;
use crate::estimate::spec::EstimatorSpec;
use crate::train::rule::Param;
use crate::train::source::{Format, Source};
use crate::train::spec::{Activation, Initializer, Loss, Model, Optimizer, RateSchedule, Regularization};

/// Seeds stay below 2^53, so that every reader of the tables holds them exactly.
pub const MAX_SEED: u64 = (1 << 53) - 1;
/// Worker processes, and threads of each, at most.
pub const MAX_PROCESSES: u64 = 65_536;
/// Hidden layers at most.
pub const MAX_LAYERS: usize = 64;
/// Units of a layer at most.
pub const MAX_UNITS: u64 = 65_536;
/// Magnitude of a real number at most. It fits the engine's f32, as does the least positive one.
pub const MAX_NUMBER: f64 = 1e30;
/// Passes over the training examples at most.
pub const MAX_EPOCHS: u64 = 10_000_000;
/// The least value of a number that must be positive.
pub const MIN_POSITIVE: f64 = 1e-30;

/// What may stand as a value, and the setting that it makes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// One of some names.
    Name {
        /// The names, in the order of the documentation.
        names: fn() -> Vec<&'static str>,
        /// The setting of a name, if it is one of them.
        make: fn(&str) -> Option<Setting>,
    },
    /// A whole number.
    Integer {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
        /// The setting, if the value fits it.
        make: fn(u64) -> Option<Setting>,
    },
    /// A finite real number; an integer is one, too.
    Number {
        /// Whether it must be above zero.
        positive: bool,
        /// The setting.
        make: fn(f64) -> Setting,
    },
    /// `true` or `false`.
    Switch {
        /// The setting.
        make: fn(bool) -> Setting,
    },
    /// A number above zero, a real or a whole one, or `false`.
    OrOff {
        /// Whether it is a real number.
        number: bool,
        /// The greatest whole number.
        max: u64,
        /// The setting, if the value fits it.
        make: fn(Option<f64>) -> Option<Setting>,
    },
    /// A name, or a table of a name with parameters.
    Rule {
        /// The names and parameters, in the order of the documentation.
        forms: fn() -> Vec<Form>,
        /// The setting of a name and its values.
        make: fn(&str, &[f64]) -> Option<Setting>,
    },
    /// A table of parameters, or `false`.
    Params {
        /// The parameters, in the order of the documentation.
        params: fn() -> Vec<Param>,
        /// The setting of their values.
        make: fn(&[f64]) -> Setting,
    },
    /// Any text.
    Text {
        /// The setting.
        make: fn(&str) -> Setting,
    },
    /// A number of bytes, or a size as text.
    Bytes {
        /// The setting.
        make: fn(u64) -> Setting,
    },
    /// Which epochs are recorded.
    Recorded,
    /// When a training stops early.
    Stopping,
    /// A data set, by name or as a table of files.
    Dataset,
    /// Units of the hidden layers.
    Layers,
    /// One split or a list of splits.
    Splits,
    /// A list of estimators, by name or as tables of parameters.
    Estimators,
}

impl Kind {
    /// What is expected, as in "expected …".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Name { names, .. } => one_of(&names()),
            Self::Integer { min, max, .. } => format!("an integer from {min} to {max}"),
            Self::Number { positive: true, .. } => format!("a number above 0, from {MIN_POSITIVE:e} to {MAX_NUMBER:e}"),
            Self::Number { positive: false, .. } => format!("a finite number from -{MAX_NUMBER:e} to {MAX_NUMBER:e}"),
            Self::Switch { .. } => "true or false".to_owned(),
            Self::OrOff { number: true, .. } => format!("false, or a number above 0, from {MIN_POSITIVE:e} to {MAX_NUMBER:e}"),
            Self::OrOff { number: false, max, .. } => format!("false, or an integer from 1 to {max}"),
            Self::Rule { forms, .. } => rules::describe(&forms()),
            Self::Params { params, .. } => {
                let keys: Vec<_> = params().iter().map(|param| param.key).collect();
                format!("false, or a table of {}", keys.join(", "))
            }
            Self::Text { .. } => "a string".to_owned(),
            Self::Dataset => dataset_forms(),
            Self::Bytes { .. } => "a number of bytes, or a size as in \"64 MiB\"".to_owned(),
            Self::Recorded => SCHEDULE_TAKES.to_owned(),
            Self::Stopping => STOPPING_TAKES.to_owned(),
            Self::Layers => format!("a list of at most {MAX_LAYERS} integers from 1 to {MAX_UNITS}, as in [10, 7, 5]"),
            Self::Splits => "\"train\", \"test\", \"full\" or a list of them".to_owned(),
            Self::Estimators => {
                "a list of estimators, as in [\"binning\", { upper = { noise_variance = 1e-3 } }]; [] measures nothing".to_owned()
            }
        }
    }
}

/// One row of the table of settings.
#[derive(Clone, Copy)]
pub struct Definition {
    /// The key in cohort files.
    pub key: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// The default, as TOML.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What may stand as a data set.
fn dataset_forms() -> String {
    let names: Vec<_> = Source::names().collect();
    let formats: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
    format!(
        "{}, or a table as in {{ idx = {{ images = \"…\", labels = \"…\" }} }}; formats: {}",
        one_of(&names),
        formats.join(", ")
    )
}

/// The definition of a key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.key == key)
}

/// All keys of the table.
pub fn keys() -> impl Iterator<Item = &'static str> {
    DEFINITIONS.iter().map(|definition| definition.key)
}

/// "one of "a", "b"", or the one name.
#[must_use]
pub fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
}

/// Every setting of an experiment, in the order of the documentation.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        key: "dataset",
        kind: Kind::Dataset,
        default: "\"harmonics\"",
        meaning: "the data: by name, or as files, their paths relative to the cohort file",
    },
    Definition {
        key: "data_dir",
        kind: Kind::Text { make: |text| Setting::DataDir(text.to_owned()) },
        default: "\"\"",
        meaning: "directory of the data sets known by name, relative to where the program is called; if empty, $INFOPLANE_DATA, else `data`",
    },
    Definition {
        key: "split_seed",
        kind: Kind::Integer { min: 0, max: MAX_SEED, make: |v| Some(Setting::SplitSeed(v)) },
        default: "0",
        meaning: "seed of the split into train and test; the same for all repeats",
    },
    Definition {
        key: "architecture",
        kind: Kind::Layers,
        default: "[10, 7, 5, 4, 3]",
        meaning: "units of each hidden layer, first to last; the softmax readout is added",
    },
    Definition {
        key: "activation_fn",
        kind: Kind::Name {
            names: || Activation::ALL.iter().map(|v| v.name()).collect(),
            make: |name| Activation::ALL.iter().find(|v| v.name() == name).map(|v| Setting::ActivationFn(*v)),
        },
        default: "\"tanh\"",
        meaning: "activation of every hidden layer",
    },
    Definition {
        key: "maxout_pieces",
        kind: Kind::Integer { min: 2, max: 64, make: |v| u32::try_from(v).ok().map(Setting::MaxoutPieces) },
        default: "2",
        meaning: "linear pieces of a unit of activation maxout",
    },
    Definition {
        key: "model",
        kind: Kind::Name {
            names: || Model::ALL.iter().map(|v| v.name()).collect(),
            make: |name| Model::ALL.iter().find(|v| v.name() == name).map(|v| Setting::Model(*v)),
        },
        default: "\"feedforward\"",
        meaning: "dense layers, without or with batch normalisation after each activation",
    },
    Definition {
        key: "kernel_initializer",
        kind: Kind::Name {
            names: || Initializer::ALL.iter().map(|v| v.name()).collect(),
            make: |name| Initializer::by_name(name).map(Setting::KernelInitializer),
        },
        default: "\"truncated_normal\"",
        meaning: "where the weights of hidden layers start; the default is the published study's",
    },
    Definition {
        key: "initial_bias",
        // `+ 0.0` makes −0 and 0 one value.
        kind: Kind::Number { positive: false, make: |v| Setting::InitialBias(v + 0.0) },
        default: "0.0",
        meaning: "initial value of every hidden bias",
    },
    Definition {
        key: "max_norm_weights",
        kind: Kind::OrOff { number: true, max: 0, make: |v| Some(Setting::MaxNormWeights(v)) },
        default: "false",
        meaning: "after each step, the incoming weights of every hidden unit are scaled to at most this norm",
    },
    Definition {
        key: "regularization",
        kind: Kind::Params {
            params: || Regularization::default().params(),
            make: |values| Setting::Regularization(Regularization::of(values)),
        },
        default: "false",
        meaning: "penalties l1 and l2 on all weights but biases, and the share of hidden outputs that dropout leaves out",
    },
    Definition {
        key: "loss",
        kind: Kind::Name {
            names: || Loss::ALL.iter().map(|v| v.name()).collect(),
            make: |name| Loss::ALL.iter().find(|v| v.name() == name).map(|v| Setting::Loss(*v)),
        },
        default: "\"categorical_crossentropy\"",
        meaning: "what is minimised, and so the readout: softmax, or for mean_squared_error one linear output that aims at the label itself",
    },
    Definition {
        key: "optimizer",
        kind: Kind::Rule {
            forms: || Optimizer::ALL.iter().map(|v| (v.name(), v.params())).collect(),
            make: |name, values| Optimizer::by_name(name).map(|v| Setting::Optimizer(v.with(values))),
        },
        default: "\"adam\"",
        meaning: "rule that turns gradients into new weights",
    },
    Definition {
        key: "learning_rate",
        kind: Kind::Number { positive: true, make: Setting::LearningRate },
        default: "0.0004",
        meaning: "step size",
    },
    Definition {
        key: "learning_rate_schedule",
        kind: Kind::Rule {
            forms: || RateSchedule::ALL.iter().map(|v| (v.name(), v.params())).collect(),
            make: |name, values| RateSchedule::by_name(name).map(|v| Setting::LearningRateSchedule(v.with(values))),
        },
        default: "\"constant\"",
        meaning: "how the step size changes from epoch to epoch; cosine falls over all epochs unless told",
    },
    Definition {
        key: "batch_size",
        kind: Kind::Integer { min: 1, max: u32::MAX as u64, make: |v| u32::try_from(v).ok().map(Setting::BatchSize) },
        default: "256",
        meaning: "examples a step; the last batch of a pass may be smaller",
    },
    Definition {
        key: "steps_per_epoch",
        kind: Kind::OrOff { number: false, max: 10_000_000, make: |v| Some(Setting::StepsPerEpoch(v.map(|v| v as u32))) },
        default: "false",
        meaning: "steps of an epoch, each on examples drawn with replacement; false: every example once",
    },
    Definition {
        key: "epochs",
        kind: Kind::Integer { min: 0, max: MAX_EPOCHS, make: |v| u32::try_from(v).ok().map(Setting::Epochs) },
        default: "8000",
        meaning: "passes over the training examples",
    },
    Definition {
        key: "record_initial",
        kind: Kind::Switch { make: Setting::RecordInitial },
        default: "false",
        meaning: "also record the untrained network, as epoch -1",
    },
    Definition {
        key: "recorded_epochs",
        kind: Kind::Recorded,
        default: "\"standard\"",
        meaning: "epochs at which is recorded; standard: every one below 50, every 2nd below 100, every 20th below 2000, then every 100th; always the last",
    },
    Definition {
        key: "keep_snapshots",
        kind: Kind::Bytes { make: Setting::KeepSnapshots },
        default: "\"16 MiB\"",
        meaning: "weights of recorded epochs are kept up to this size a training; beyond that a later measurement trains again",
    },
    Definition {
        key: "early_stopping",
        kind: Kind::Stopping,
        default: "false",
        meaning: "end of the training before its last epoch: true is val_acc above 0.94; patience is in passes",
    },
    Definition {
        key: "tensorboard",
        kind: Kind::Switch { make: Setting::TensorBoard },
        default: "false",
        meaning: "also write curves and activities for TensorBoard when the cohort is run",
    },
    Definition {
        key: "calculate_mi_for",
        kind: Kind::Splits,
        default: "[\"train\", \"test\"]",
        meaning: "splits on which information is measured; full_dataset is another name of full",
    },
    Definition {
        key: "estimators",
        kind: Kind::Estimators,
        default: "[\"binning\"]",
        meaning: "estimators that measure, each with its parameters",
    },
    Definition {
        key: "estimator",
        kind: Kind::Name {
            names: EstimatorSpec::cohort_names,
            make: |name| EstimatorSpec::by_name(name).map(Setting::Estimator),
        },
        default: "\"binning\"",
        meaning: "one estimator, the old form of estimators",
    },
    Definition {
        key: "discretization_range",
        kind: Kind::Number { positive: true, make: Setting::DiscretizationRange },
        default: "0.07",
        meaning: "parameter of estimator: bin_width of binning (default 0.07), noise_variance of upper and lower (default 0.001); others have none",
    },
    Definition {
        key: "seed_offset",
        kind: Kind::Integer { min: 0, max: MAX_SEED, make: |v| Some(Setting::SeedOffset(v)) },
        default: "0",
        meaning: "added to the cohort's seed before the seeds of the repeats are derived",
    },
];

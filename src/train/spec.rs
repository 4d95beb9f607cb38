//! What is trained: the settings that influence the weights, as checked values.
//!
//! Here live the types that the cohort file is parsed into and that the training engine takes; nothing here reads text or files.
//! Every value is within its domain by construction of the caller (`cohort`), so the engine never validates again.

use serde::{Deserialize, Serialize};

use super::rule::{Domain, Param};
pub use super::rule::{Optimizer, RateSchedule};
use super::schedule::Schedule;
use super::source::DataSpec;
use super::stopping::EarlyStopping;

/// Version of the training semantics. Part of every training's id: raise it when the same settings would give other weights.
pub const TRAINING_VERSION: u32 = 1;

/// A data set that is generated, by name. Those that lie in files are in `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DatasetName {
    /// 4096 subsets of the icosahedron's vertices, labelled by a rotation-invariant energy (12 inputs, 2 classes).
    Harmonics,
    /// The same with 0.5 subtracted from every input.
    HarmonicsZeroMean,
    /// As `harmonics`, with the probability of class 1 beside the more likely class.
    HarmonicsSoft,
}

impl DatasetName {
    /// Every generated data set, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Harmonics, Self::HarmonicsZeroMean, Self::HarmonicsSoft];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Harmonics => "harmonics",
            Self::HarmonicsZeroMean => "harmonics_zero_mean",
            Self::HarmonicsSoft => "harmonics_soft",
        }
    }

    /// Hash of the content, see [`Sheet::fingerprint`](super::data::Sheet::fingerprint). Written down: it stands in every id.
    #[must_use]
    pub const fn fingerprint(self) -> &'static str {
        match self {
            Self::Harmonics => "fc8766a9a2b8052da166ccbf3f6a90d3a746b81c2c205a91b18310e86467d66b",
            Self::HarmonicsZeroMean => "80e7369ea6455b9a44eb9702158c739c38299b8fe803f2982af80a1ffc9e9d23",
            Self::HarmonicsSoft => "2ac1dc8acdf1a39237963d320a3e5bb3e141d88d4df9a1690d333d969a63ec53",
        }
    }
}

/// Activation function of the hidden layers. New ones go to the end: records number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Activation {
    /// tanh(z)
    Tanh,
    /// max(0, z), with derivative 0 at 0
    Relu,
    /// z
    Linear,
    /// 1/(1 + e^−z)
    Sigmoid,
    /// z/(1 + |z|)
    Softsign,
    /// ln(1 + e^z)
    Softplus,
    /// z above 0, else 0.2 z
    LeakyRelu,
    /// 0.2 z + 0.5, clipped to [0, 1]
    HardSigmoid,
    /// λ z above 0, else λ α (e^z − 1), with the λ and α that keep mean 0 and variance 1
    Selu,
    /// min(max(0, z), 6)
    Relu6,
    /// z above 0, else e^z − 1
    Elu,
    /// z above 0, else a learned slope, one a unit, times z
    Prelu,
    /// the largest of several linear pieces, see [`TrainingSpec::maxout_pieces`]
    Maxout,
    /// 1 above 0, else 0: has no derivative, so that nothing can be trained through it
    Step,
}

impl Activation {
    /// Every activation, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Tanh,
        Self::Relu,
        Self::Sigmoid,
        Self::Softsign,
        Self::Softplus,
        Self::LeakyRelu,
        Self::HardSigmoid,
        Self::Selu,
        Self::Relu6,
        Self::Elu,
        Self::Linear,
        Self::Prelu,
        Self::Maxout,
        Self::Step,
    ];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Linear => "linear",
            Self::Sigmoid => "sigmoid",
            Self::Softsign => "softsign",
            Self::Softplus => "softplus",
            Self::LeakyRelu => "leaky_relu",
            Self::HardSigmoid => "hard_sigmoid",
            Self::Selu => "selu",
            Self::Relu6 => "relu6",
            Self::Elu => "elu",
            Self::Prelu => "prelu",
            Self::Maxout => "maxout",
            Self::Step => "step",
        }
    }
}

/// What stands between the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Model {
    /// Dense layers only.
    Feedforward,
    /// Batch normalisation after the activation of every hidden layer.
    FeedforwardBatchnorm,
}

impl Model {
    /// Every model, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Feedforward, Self::FeedforwardBatchnorm];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feedforward => "feedforward",
            Self::FeedforwardBatchnorm => "feedforward_batchnorm",
        }
    }
}

/// Where the kernels of the hidden layers start; the readout's is always Glorot uniform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Initializer {
    /// Normal with σ = 1/√units of the layer, truncated at ±2σ (σ before truncation): the published study's.
    TruncatedNormal,
    /// Uniform within ±√(6/(inputs + units)).
    GlorotUniform,
    /// Truncated normal of variance 2/(inputs + units), that of the truncated numbers.
    GlorotNormal,
    /// Uniform within ±√(6/inputs).
    HeUniform,
    /// Truncated normal of variance 2/inputs.
    HeNormal,
    /// Uniform within ±√(3/inputs).
    LecunUniform,
    /// Truncated normal of variance 1/inputs.
    LecunNormal,
    /// Orthonormal rows or columns, whichever are fewer, uniformly distributed.
    Orthogonal,
}

impl Initializer {
    /// Every initialiser, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::TruncatedNormal,
        Self::GlorotUniform,
        Self::GlorotNormal,
        Self::HeUniform,
        Self::HeNormal,
        Self::LecunUniform,
        Self::LecunNormal,
        Self::Orthogonal,
    ];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruncatedNormal => "truncated_normal",
            Self::GlorotUniform => "glorot_uniform",
            Self::GlorotNormal => "glorot_normal",
            Self::HeUniform => "he_uniform",
            Self::HeNormal => "he_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal => "orthogonal",
        }
    }

    /// The initialiser of that name; the family alone (`glorot`, `he`, `lecun`) stands for the form that is usual in it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "glorot" => Some(Self::GlorotUniform),
            "he" => Some(Self::HeNormal),
            "lecun" => Some(Self::LecunNormal),
            _ => Self::ALL.iter().copied().find(|initializer| initializer.name() == name),
        }
    }
}

/// What is minimised, with the readout that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Loss {
    /// Softmax readout, −ln p(label).
    CategoricalCrossentropy,
    /// Regression: one linear output, (output − label)² with the label as the data has it.
    MeanSquaredError,
}

impl Loss {
    /// Every loss, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::CategoricalCrossentropy, Self::MeanSquaredError];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CategoricalCrossentropy => "categorical_crossentropy",
            Self::MeanSquaredError => "mean_squared_error",
        }
    }
}

/// What keeps weights small or units independent, off where 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regularization {
    /// λ of the penalty λ Σ|w| over all kernels.
    pub l1: f64,
    /// λ of the penalty λ Σw² over all kernels.
    pub l2: f64,
    /// Share of the outputs of every hidden layer that are dropped in training, below 1; those kept are scaled by 1/(1 − share).
    pub dropout: f64,
}

impl Regularization {
    /// The parameters, in the order of the documentation.
    #[must_use]
    pub fn params(self) -> Vec<Param> {
        vec![
            Param { key: "l1", value: self.l1, domain: Domain::Weight },
            Param { key: "l2", value: self.l2, domain: Domain::Weight },
            Param { key: "dropout", value: self.dropout, domain: Domain::Share },
        ]
    }

    /// With these values of its parameters, in the order of [`Regularization::params`]; a missing one is off.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let value = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Self { l1: value(0), l2: value(1), dropout: value(2) }
    }

    /// Whether weights are penalised, so that a loss is more than what the readout's errors come to.
    #[must_use]
    pub fn penalises(self) -> bool {
        self.l1 != 0.0 || self.l2 != 0.0
    }

    /// What is on, as in `l2=0.001,dropout=0.2`; `false` where nothing is.
    #[must_use]
    pub fn text(self) -> String {
        let on: Vec<_> = self.params().iter().filter(|param| param.value != 0.0).map(Param::text).collect();
        if on.is_empty() { "false".to_owned() } else { on.join(",") }
    }
}

/// A part of the data set on which information and metrics are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Split {
    /// The examples that the network is trained on.
    Train,
    /// The examples held out.
    Test,
    /// Both together, in the order of the data set.
    Full,
}

impl Split {
    /// Every split, in the order of the tables.
    pub const ALL: &'static [Self] = &[Self::Train, Self::Test, Self::Full];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Full => "full",
        }
    }
}

/// All settings that influence the weights of one network, the seed apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSpec {
    /// The data.
    pub dataset: DataSpec,
    /// Seed of the split into train and test; the same for all repeats.
    pub split_seed: u64,
    /// Units of each hidden layer, first to last; may be empty. The readout is added by the engine.
    pub architecture: Vec<u32>,
    /// Activation of every hidden layer.
    pub activation: Activation,
    /// Linear pieces of a maxout unit, ≥ 2; of no meaning elsewhere.
    pub maxout_pieces: u32,
    /// What stands between the layers.
    pub model: Model,
    /// Where hidden kernels start.
    pub kernel_initializer: Initializer,
    /// Initial value of every hidden bias.
    pub initial_bias: f64,
    /// After each update, the incoming weights of every hidden unit, bias excluded, are scaled to at most this norm.
    pub max_norm_weights: Option<f64>,
    /// Penalties and dropout.
    pub regularization: Regularization,
    /// What is minimised.
    pub loss: Loss,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Step size, > 0.
    pub learning_rate: f64,
    /// How the step size changes from pass to pass.
    pub learning_rate_schedule: RateSchedule,
    /// Examples a step, ≥ 1; the last batch of a pass may be smaller.
    pub batch_size: u32,
    /// Steps of a pass, ≥ 1, each on examples drawn with replacement; `None`: a pass takes every example once.
    pub steps_per_epoch: Option<u32>,
    /// Passes over the training examples.
    pub epochs: u32,
    /// At which epochs the network is recorded.
    pub schedule: Schedule,
    /// When it ends before the last pass.
    pub early_stopping: Option<EarlyStopping>,
}

impl Default for TrainingSpec {
    /// The published study's network: harmonics, 12-10-7-5-4-3-2, tanh, Adam.
    fn default() -> Self {
        Self {
            dataset: DatasetName::Harmonics.into(),
            split_seed: 0,
            architecture: vec![10, 7, 5, 4, 3],
            activation: Activation::Tanh,
            maxout_pieces: 2,
            model: Model::Feedforward,
            kernel_initializer: Initializer::TruncatedNormal,
            initial_bias: 0.0,
            max_norm_weights: None,
            regularization: Regularization::default(),
            loss: Loss::CategoricalCrossentropy,
            optimizer: Optimizer::ADAM,
            learning_rate: 0.0004,
            learning_rate_schedule: RateSchedule::Constant,
            batch_size: 256,
            steps_per_epoch: None,
            epochs: 8000,
            schedule: Schedule::default(),
            early_stopping: None,
        }
    }
}

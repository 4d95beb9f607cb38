//! What is trained: the settings that influence the weights, as checked values.
//!
//! Here live the types that the cohort file is parsed into and that the training engine takes; nothing here reads text or files.
//! Every value is within its domain by construction of the caller (`cohort`), so the engine never validates again.

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::source::DataSpec;

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

/// Activation function of the hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Activation {
    /// tanh(z)
    Tanh,
    /// max(0, z), with derivative 0 at 0
    Relu,
    /// z
    Linear,
}

impl Activation {
    /// Every activation, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Tanh, Self::Relu, Self::Linear];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Linear => "linear",
        }
    }
}

/// The rule that turns gradients into new weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Optimizer {
    /// Plain stochastic gradient descent: w − lr·g.
    Sgd,
    /// Adam with β = (0.9, 0.999) and ε = 1e-8 outside the bias correction (TensorFlow's form).
    Adam,
}

impl Optimizer {
    /// Every optimizer, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Sgd, Self::Adam];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
        }
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
    /// Units of each hidden layer, first to last; may be empty. The softmax readout is added by the engine.
    pub architecture: Vec<u32>,
    /// Activation of every hidden layer.
    pub activation: Activation,
    /// Initial value of every hidden bias.
    pub initial_bias: f64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Step size, > 0.
    pub learning_rate: f64,
    /// Examples a step, ≥ 1; the last batch of a pass may be smaller.
    pub batch_size: u32,
    /// Passes over the training examples.
    pub epochs: u32,
    /// At which epochs the network is recorded.
    pub schedule: Schedule,
}

impl Default for TrainingSpec {
    /// The published study's network: harmonics, 12-10-7-5-4-3-2, tanh, Adam.
    fn default() -> Self {
        Self {
            dataset: DatasetName::Harmonics.into(),
            split_seed: 0,
            architecture: vec![10, 7, 5, 4, 3],
            activation: Activation::Tanh,
            initial_bias: 0.0,
            optimizer: Optimizer::Adam,
            learning_rate: 0.0004,
            batch_size: 256,
            epochs: 8000,
            schedule: Schedule::default(),
        }
    }
}

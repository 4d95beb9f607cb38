//! One setting with its checked value: what a line of a cohort file sets, an axis varies and an exclude matches.

use std::fmt::Write as _;
use std::sync::Arc;

use super::settings::Settings;
use crate::estimate::params::Value;
use crate::estimate::spec::EstimatorSpec;
use crate::train::schedule::Recorded;
use crate::train::source::Source;
use crate::train::spec::{Activation, Initializer, Loss, Model, Optimizer, RateSchedule, Regularization, Split};
use crate::train::stopping::EarlyStopping;

/// A setting and its value, within its domain.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `dataset`
    Dataset(Source),
    /// `data_dir`; empty: what the environment says.
    DataDir(String),
    /// `split_seed`
    SplitSeed(u64),
    /// `architecture`
    Architecture(Vec<u32>),
    /// `activation_fn`
    ActivationFn(Activation),
    /// `maxout_pieces`
    MaxoutPieces(u32),
    /// `model`
    Model(Model),
    /// `kernel_initializer`
    KernelInitializer(Initializer),
    /// `max_norm_weights`
    MaxNormWeights(Option<f64>),
    /// `regularization`
    Regularization(Regularization),
    /// `loss`
    Loss(Loss),
    /// `initial_bias`
    InitialBias(f64),
    /// `optimizer`
    Optimizer(Optimizer),
    /// `learning_rate`
    LearningRate(f64),
    /// `learning_rate_schedule`
    LearningRateSchedule(RateSchedule),
    /// `steps_per_epoch`
    StepsPerEpoch(Option<u32>),
    /// `batch_size`
    BatchSize(u32),
    /// `epochs`
    Epochs(u32),
    /// `record_initial`
    RecordInitial(bool),
    /// `recorded_epochs`
    RecordedEpochs(Recorded),
    /// `keep_snapshots`, in bytes
    KeepSnapshots(u64),
    /// `early_stopping`
    EarlyStopping(Option<EarlyStopping>),
    /// `tensorboard`
    TensorBoard(bool),
    /// `calculate_mi_for`, in the order of [`Split::ALL`]
    CalculateMiFor(Vec<Split>),
    /// `estimators`
    Estimators(Vec<EstimatorSpec>),
    /// `estimator`, the old form: one estimator, with its default parameter.
    Estimator(EstimatorSpec),
    /// `discretization_range`, the old form: the parameter of that estimator; of no meaning for one that has no such parameter.
    DiscretizationRange(f64),
    /// `seed_offset`
    SeedOffset(u64),
}

impl Setting {
    /// The key in cohort files.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Dataset(_) => "dataset",
            Self::DataDir(_) => "data_dir",
            Self::SplitSeed(_) => "split_seed",
            Self::Architecture(_) => "architecture",
            Self::ActivationFn(_) => "activation_fn",
            Self::MaxoutPieces(_) => "maxout_pieces",
            Self::Model(_) => "model",
            Self::KernelInitializer(_) => "kernel_initializer",
            Self::MaxNormWeights(_) => "max_norm_weights",
            Self::Regularization(_) => "regularization",
            Self::Loss(_) => "loss",
            Self::LearningRateSchedule(_) => "learning_rate_schedule",
            Self::StepsPerEpoch(_) => "steps_per_epoch",
            Self::InitialBias(_) => "initial_bias",
            Self::Optimizer(_) => "optimizer",
            Self::LearningRate(_) => "learning_rate",
            Self::BatchSize(_) => "batch_size",
            Self::Epochs(_) => "epochs",
            Self::RecordInitial(_) => "record_initial",
            Self::RecordedEpochs(_) => "recorded_epochs",
            Self::KeepSnapshots(_) => "keep_snapshots",
            Self::EarlyStopping(_) => "early_stopping",
            Self::TensorBoard(_) => "tensorboard",
            Self::CalculateMiFor(_) => "calculate_mi_for",
            Self::Estimators(_) => "estimators",
            Self::Estimator(_) => "estimator",
            Self::DiscretizationRange(_) => "discretization_range",
            Self::SeedOffset(_) => "seed_offset",
        }
    }

    /// The value as labels show it: names bare, lists compact, a list of one split as that split.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Dataset(v) => v.text(),
            Self::DataDir(v) => v.clone(),
            Self::ActivationFn(v) => v.name().to_owned(),
            Self::Optimizer(v) => v.text(),
            Self::LearningRateSchedule(v) => v.text(),
            Self::Regularization(v) => v.text(),
            Self::Model(v) => v.name().to_owned(),
            Self::KernelInitializer(v) => v.name().to_owned(),
            Self::Loss(v) => v.name().to_owned(),
            Self::MaxNormWeights(v) => v.map_or_else(|| "false".to_owned(), |v| format!("{v:?}")),
            Self::StepsPerEpoch(v) => v.map_or_else(|| "false".to_owned(), |v| v.to_string()),
            Self::SplitSeed(v) | Self::SeedOffset(v) => v.to_string(),
            Self::BatchSize(v) | Self::Epochs(v) | Self::MaxoutPieces(v) => v.to_string(),
            Self::InitialBias(v) | Self::LearningRate(v) | Self::DiscretizationRange(v) => format!("{v:?}"),
            Self::RecordInitial(v) | Self::TensorBoard(v) => v.to_string(),
            Self::RecordedEpochs(v) => v.text(),
            Self::KeepSnapshots(v) => v.to_string(),
            Self::EarlyStopping(v) => v.map_or_else(|| "false".to_owned(), |rule| rule.text()),
            Self::Architecture(v) => list(v.iter().map(u32::to_string)),
            Self::CalculateMiFor(v) => match v.as_slice() {
                [one] => one.name().to_owned(),
                several => list(several.iter().map(|split| split.name().to_owned())),
            },
            Self::Estimators(v) => list(v.iter().map(estimator_text)),
            Self::Estimator(v) => v.name().to_owned(),
        }
    }

    /// Whether an experiment of these settings has this value.
    #[must_use]
    pub fn matches(&self, settings: &Settings) -> bool {
        let training = &settings.training;
        match self {
            Self::Dataset(v) => *v == training.dataset.source,
            Self::DataDir(v) => *v == settings.data_dir,
            Self::SplitSeed(v) => *v == training.split_seed,
            Self::Architecture(v) => *v == training.architecture,
            Self::ActivationFn(v) => *v == training.activation,
            Self::MaxoutPieces(v) => *v == training.maxout_pieces,
            Self::Model(v) => *v == training.model,
            Self::KernelInitializer(v) => *v == training.kernel_initializer,
            Self::MaxNormWeights(v) => *v == training.max_norm_weights,
            Self::Regularization(v) => *v == training.regularization,
            Self::Loss(v) => *v == training.loss,
            Self::LearningRateSchedule(v) => *v == training.learning_rate_schedule,
            Self::StepsPerEpoch(v) => *v == training.steps_per_epoch,
            Self::InitialBias(v) => *v == training.initial_bias,
            Self::Optimizer(v) => *v == training.optimizer,
            Self::LearningRate(v) => *v == training.learning_rate,
            Self::BatchSize(v) => *v == training.batch_size,
            Self::Epochs(v) => *v == training.epochs,
            Self::RecordInitial(v) => *v == training.schedule.record_initial,
            Self::RecordedEpochs(v) => *v == training.schedule.epochs,
            Self::KeepSnapshots(v) => *v == training.schedule.keep_snapshots,
            Self::EarlyStopping(v) => *v == training.early_stopping,
            Self::TensorBoard(v) => *v == settings.tensorboard,
            Self::CalculateMiFor(v) => *v == settings.splits,
            Self::Estimators(v) => *v == settings.estimators,
            Self::Estimator(v) => only(settings).is_some_and(|e| e.name() == v.name()),
            Self::DiscretizationRange(v) => only(settings).is_some_and(|e| e.range() == Some(*v)),
            Self::SeedOffset(v) => *v == settings.seed_offset,
        }
    }

    /// The setting of that key that an experiment has; nothing for an unknown key, and for the old single form where an experiment
    /// has not exactly one estimator.
    #[must_use]
    pub fn of(key: &str, settings: &Settings) -> Option<Self> {
        let training = &settings.training;
        Some(match key {
            "dataset" => Self::Dataset(training.dataset.source.clone()),
            "data_dir" => Self::DataDir(settings.data_dir.clone()),
            "split_seed" => Self::SplitSeed(training.split_seed),
            "architecture" => Self::Architecture(training.architecture.clone()),
            "activation_fn" => Self::ActivationFn(training.activation),
            "maxout_pieces" => Self::MaxoutPieces(training.maxout_pieces),
            "model" => Self::Model(training.model),
            "kernel_initializer" => Self::KernelInitializer(training.kernel_initializer),
            "max_norm_weights" => Self::MaxNormWeights(training.max_norm_weights),
            "regularization" => Self::Regularization(training.regularization),
            "loss" => Self::Loss(training.loss),
            "learning_rate_schedule" => Self::LearningRateSchedule(training.learning_rate_schedule),
            "steps_per_epoch" => Self::StepsPerEpoch(training.steps_per_epoch),
            "initial_bias" => Self::InitialBias(training.initial_bias),
            "optimizer" => Self::Optimizer(training.optimizer),
            "learning_rate" => Self::LearningRate(training.learning_rate),
            "batch_size" => Self::BatchSize(training.batch_size),
            "epochs" => Self::Epochs(training.epochs),
            "record_initial" => Self::RecordInitial(training.schedule.record_initial),
            "recorded_epochs" => Self::RecordedEpochs(training.schedule.epochs.clone()),
            "keep_snapshots" => Self::KeepSnapshots(training.schedule.keep_snapshots),
            "early_stopping" => Self::EarlyStopping(training.early_stopping),
            "tensorboard" => Self::TensorBoard(settings.tensorboard),
            "calculate_mi_for" => Self::CalculateMiFor(settings.splits.clone()),
            "estimators" => Self::Estimators(settings.estimators.clone()),
            "estimator" => Self::Estimator(EstimatorSpec::by_name(only(settings)?.name())?),
            "discretization_range" => Self::DiscretizationRange(only(settings)?.range()?),
            "seed_offset" => Self::SeedOffset(settings.seed_offset),
            _ => return None,
        })
    }
}

/// Settings under construction: the old single form is two settings that make one estimator, known only when all are applied.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    settings: Settings,
    estimator: Option<EstimatorSpec>,
    range: Option<f64>,
}

impl Draft {
    /// Sets one value.
    pub fn apply(&mut self, setting: &Setting) {
        let training = Arc::make_mut(&mut self.settings.training);
        match setting {
            Setting::Dataset(v) => training.dataset = v.clone().into(),
            Setting::DataDir(v) => self.settings.data_dir.clone_from(v),
            Setting::SplitSeed(v) => training.split_seed = *v,
            Setting::Architecture(v) => training.architecture.clone_from(v),
            Setting::ActivationFn(v) => training.activation = *v,
            Setting::MaxoutPieces(v) => training.maxout_pieces = *v,
            Setting::Model(v) => training.model = *v,
            Setting::KernelInitializer(v) => training.kernel_initializer = *v,
            Setting::MaxNormWeights(v) => training.max_norm_weights = *v,
            Setting::Regularization(v) => training.regularization = *v,
            Setting::Loss(v) => training.loss = *v,
            Setting::LearningRateSchedule(v) => training.learning_rate_schedule = *v,
            Setting::StepsPerEpoch(v) => training.steps_per_epoch = *v,
            Setting::InitialBias(v) => training.initial_bias = *v,
            Setting::Optimizer(v) => training.optimizer = *v,
            Setting::LearningRate(v) => training.learning_rate = *v,
            Setting::BatchSize(v) => training.batch_size = *v,
            Setting::Epochs(v) => training.epochs = *v,
            Setting::RecordInitial(v) => training.schedule.record_initial = *v,
            Setting::RecordedEpochs(v) => training.schedule.epochs.clone_from(v),
            Setting::KeepSnapshots(v) => training.schedule.keep_snapshots = *v,
            Setting::EarlyStopping(v) => training.early_stopping = *v,
            Setting::TensorBoard(v) => self.settings.tensorboard = *v,
            Setting::CalculateMiFor(v) => self.settings.splits.clone_from(v),
            Setting::Estimators(v) => self.settings.estimators.clone_from(v),
            Setting::Estimator(v) => self.estimator = Some(*v),
            Setting::DiscretizationRange(v) => self.range = Some(*v),
            Setting::SeedOffset(v) => self.settings.seed_offset = *v,
        }
    }

    /// The settings, complete.
    #[must_use]
    pub fn finish(mut self) -> Settings {
        if self.estimator.is_some() || self.range.is_some() {
            let default = EstimatorSpec::Binning { bin_width: EstimatorSpec::DEFAULT_BIN_WIDTH };
            let estimator = self.estimator.unwrap_or(default);
            self.settings.estimators = vec![self.range.map_or(estimator, |range| estimator.with_range(range))];
        }
        self.settings
    }
}

/// The estimator of an experiment that has exactly one.
fn only(settings: &Settings) -> Option<EstimatorSpec> {
    match settings.estimators.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// An estimator as labels show it: its name, and its parameters where they are not the default; the one of the old form without its key.
fn estimator_text(estimator: &EstimatorSpec) -> String {
    let name = estimator.name();
    let range = EstimatorSpec::method(name).and_then(|method| method.range);
    let differing = estimator.differing();
    let item = |&(key, value): &(&str, Value)| match Some(key) == range && differing.len() == 1 {
        true => value.text(),
        false => format!("{key}={}", value.text()),
    };
    match differing.as_slice() {
        [] => name.to_owned(),
        values => format!("{name}({})", values.iter().map(item).collect::<Vec<_>>().join(",")),
    }
}

/// Items in brackets, without spaces.
fn list(items: impl Iterator<Item = String>) -> String {
    let mut text = String::from("[");
    for (index, item) in items.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{item}");
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compact() {
        let upper = EstimatorSpec::Upper { noise_variance: 0.01 };
        let cases = [
            (Setting::Architecture(vec![10, 7]), "[10,7]"),
            (Setting::Architecture(vec![]), "[]"),
            (Setting::RecordInitial(false), "false"),
            (Setting::LearningRate(0.0004), "0.0004"),
            (Setting::CalculateMiFor(vec![Split::Full]), "full"),
            (Setting::CalculateMiFor(vec![Split::Train, Split::Test]), "[train,test]"),
            (Setting::Estimators(vec![EstimatorSpec::by_name("binning").unwrap(), upper]), "[binning,upper(0.01)]"),
        ];
        for (setting, text) in cases {
            assert_eq!(setting.text(), text);
        }
    }

    #[test]
    fn the_old_form_makes_one_estimator() {
        let mut draft = Draft::default();
        draft.apply(&Setting::DiscretizationRange(0.5));
        draft.apply(&Setting::Estimator(EstimatorSpec::by_name("lower").unwrap()));
        let settings = draft.finish();
        assert_eq!(settings.estimators, [EstimatorSpec::Lower { noise_variance: 0.5 }]);
        assert!(Setting::DiscretizationRange(0.5).matches(&settings));
        assert_eq!(Setting::of("estimator", &settings).map(|s| s.text()).as_deref(), Some("lower"));
        assert!(!Setting::Estimator(EstimatorSpec::by_name("upper").unwrap()).matches(&settings));
    }
}

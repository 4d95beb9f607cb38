//! The settings of one experiment, all fixed and checked: what a point of the grid means.
//!
//! Nothing here reads text; `cohort`'s parser builds these values.

use std::sync::Arc;

use super::setting::Setting;
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::{Split, TrainingSpec};

/// Settings of one experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is trained; shared with the tasks that train it.
    pub training: Arc<TrainingSpec>,
    /// On which splits information is measured, in the order of [`Split::ALL`], without repetition.
    pub splits: Vec<Split>,
    /// Which estimators measure, in the order of the cohort file, without repetition; may be empty.
    pub estimators: Vec<EstimatorSpec>,
    /// Whether curves and activities are written for TensorBoard when the cohort is run. No part of what an experiment means.
    pub tensorboard: bool,
    /// Directory of the published data sets; empty: what the environment says. No part of what an experiment means: its data's content is.
    pub data_dir: String,
    /// Added to the cohort's seed before the seeds of the repeats are derived.
    pub seed_offset: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            training: Arc::default(),
            splits: vec![Split::Train, Split::Test],
            estimators: vec![EstimatorSpec::Binning { bin_width: EstimatorSpec::DEFAULT_BIN_WIDTH }],
            tensorboard: false,
            data_dir: String::new(),
            seed_offset: 0,
        }
    }
}

/// One setting's value as a table shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValue {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A switch.
    Bool(bool),
    /// A name, or a list as compact JSON.
    Text(String),
}

impl Settings {
    /// Every setting with its value, in the order of the table `runs`: the same keys, in the same order and of the same type, for
    /// every experiment.
    #[must_use]
    pub fn columns(&self) -> Vec<(&'static str, ColumnValue)> {
        let t = &self.training;
        let text = |s: &str| ColumnValue::Text(s.to_owned());
        let int = |v: u64| ColumnValue::Int(i64::try_from(v).unwrap_or(i64::MAX));
        let list = |items: Vec<String>| ColumnValue::Text(format!("[{}]", items.join(",")));
        vec![
            ("dataset", ColumnValue::Text(t.dataset.json())),
            ("split_seed", int(t.split_seed)),
            ("architecture", list(t.architecture.iter().map(u32::to_string).collect())),
            ("activation_fn", text(t.activation.name())),
            ("maxout_pieces", int(t.maxout_pieces.into())),
            ("model", text(t.model.name())),
            ("kernel_initializer", text(t.kernel_initializer.name())),
            ("initial_bias", ColumnValue::Float(t.initial_bias)),
            ("max_norm_weights", text(&Setting::MaxNormWeights(t.max_norm_weights).text())),
            ("regularization", text(&t.regularization.text())),
            ("loss", text(t.loss.name())),
            ("optimizer", text(&t.optimizer.text())),
            ("learning_rate", ColumnValue::Float(t.learning_rate)),
            ("learning_rate_schedule", text(&t.learning_rate_schedule.text())),
            ("batch_size", int(t.batch_size.into())),
            ("steps_per_epoch", text(&Setting::StepsPerEpoch(t.steps_per_epoch).text())),
            ("epochs", int(t.epochs.into())),
            ("record_initial", ColumnValue::Bool(t.schedule.record_initial)),
            ("recorded_epochs", ColumnValue::Text(t.schedule.epochs.text())),
            ("early_stopping", ColumnValue::Text(t.early_stopping.map_or_else(|| "false".to_owned(), |rule| rule.text()))),
            ("calculate_mi_for", list(self.splits.iter().map(|s| format!("\"{}\"", s.name())).collect())),
            ("estimators", list(self.estimators.iter().map(|e| format!("{{\"{}\":{}}}", e.name(), e.params())).collect())),
            ("seed_offset", int(self.seed_offset)),
        ]
    }
}

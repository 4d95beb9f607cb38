//! `stop_when`: how precisely a quantity is to be known before an experiment is repeated no more.
//!
//! ```toml
//! stop_when = { quantity = "i_ty", ci95 = 0.02 }      # at the last recorded epoch, in the last hidden layer
//! ```

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::definitions::{MAX_EPOCHS, MAX_LAYERS, one_of};
use super::document::{Reader, unknown_in};
use super::errors::nearest;
use super::model::{Cohort, MAX_RUNS};
use super::settings::Settings;
use super::syntax::{Node, entries};
use super::values::{read_estimator, read_integer, read_number};
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::Split;

/// Keys of the table.
pub(super) const KEYS: [&str; 7] = ["quantity", "ci95", "min_runs", "split", "epoch", "layer", "estimator"];
/// Repeats before which no experiment stops, if the cohort does not say.
pub const DEFAULT_MIN_RUNS: u32 = 3;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// I(X;T).
    Ixt,
    /// I(T;Y).
    Ity,
    /// The accuracy.
    Accuracy,
    /// The loss.
    Loss,
}

impl Quantity {
    /// Every quantity, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Ixt, Self::Ity, Self::Accuracy, Self::Loss];

    /// The name, as in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ixt => "i_xt",
            Self::Ity => "i_ty",
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
        }
    }

    /// Whether an estimator measures it, in a layer.
    #[must_use]
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Ixt | Self::Ity)
    }
}

/// Which of an experiment's estimators.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    /// The first.
    First,
    /// The first of that name.
    Named(&'static str),
    /// The one with these parameters.
    Exactly(EstimatorSpec),
}

/// When an experiment has repeats enough.
#[derive(Clone, Debug, PartialEq)]
pub struct StopWhen {
    /// What is watched.
    pub quantity: Quantity,
    /// The half-width of its 95 % confidence interval must be below this.
    pub ci95: f64,
    /// Repeats before which no experiment stops, ≥ 2.
    pub min_runs: u32,
    /// Where it is looked at; the test split if that is measured.
    pub split: Option<Split>,
    /// When; the last recorded epoch of each run.
    pub epoch: Option<i64>,
    /// The layer; the last hidden one.
    pub layer: Option<u32>,
    /// The estimator.
    pub estimator: Which,
}

/// What is watched of one experiment, all fixed.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The quantity.
    pub quantity: Quantity,
    /// The examples.
    pub split: Split,
    /// The epoch; the last that a run recorded if there is none.
    pub epoch: Option<i64>,
    /// For what is measured: the estimator and the layer.
    pub measure: Option<(EstimatorSpec, u32)>,
}

impl StopWhen {
    /// What is watched of an experiment of these settings; or the key that does not fit it, and what would.
    ///
    /// # Errors
    /// The key and what was expected.
    pub fn on(&self, settings: &Settings) -> Result<Watched, (&'static str, String)> {
        let spec = &settings.training;
        if let Some(epoch) = self.epoch.filter(|epoch| !spec.schedule.records(*epoch, spec.epochs)) {
            return Err(("epoch", format!("an epoch that is recorded; {epoch} is not in {} epochs", spec.epochs)));
        }
        let measure =
            if self.quantity.is_measured() { Some((self.estimator_of(settings)?, self.layer_of(settings)?)) } else { None };
        // Metrics are recorded on these two whatever is measured.
        let splits = if measure.is_some() { &settings.splits[..] } else { &[Split::Train, Split::Test] };
        let wanted = self.split.or_else(|| [Split::Test, Split::Full].into_iter().find(|split| splits.contains(split)));
        let split = wanted.or_else(|| splits.first().copied());
        let split = split.filter(|split| splits.contains(split)).ok_or_else(|| {
            let names: Vec<_> = splits.iter().map(|split| split.name()).collect();
            ("split", format!("a split on which it is measured: {}", one_of(&names)))
        })?;
        Ok(Watched { quantity: self.quantity, split, epoch: self.epoch, measure })
    }

    fn estimator_of(&self, settings: &Settings) -> Result<EstimatorSpec, (&'static str, String)> {
        let is_it = |estimator: &&EstimatorSpec| match &self.estimator {
            Which::First => true,
            Which::Named(name) => estimator.name() == *name,
            Which::Exactly(exactly) => *estimator == exactly,
        };
        // Dependence measures have no information to watch.
        let informs = |estimator: &&EstimatorSpec| estimator.compares().is_none();
        settings.estimators.iter().filter(informs).find(is_it).copied().ok_or_else(|| {
            let names: Vec<_> =
                settings.estimators.iter().filter(informs).map(|e| format!("{} {}", e.name(), e.params())).collect();
            let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            ("estimator", format!("an estimator of every experiment; this one has {listed}"))
        })
    }

    fn layer_of(&self, settings: &Settings) -> Result<u32, (&'static str, String)> {
        // At most MAX_LAYERS; the readout stands behind the hidden ones.
        let hidden = settings.training.architecture.len() as u32;
        let layer = self.layer.unwrap_or_else(|| hidden.saturating_sub(1));
        if layer <= hidden {
            Ok(layer)
        } else {
            Err(("layer", format!("a layer of every experiment; this one has 0 to {hidden}")))
        }
    }
}

impl fmt::Display for StopWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the 95 % confidence interval of {} is ±{} at most", self.quantity.name(), self.ci95)
    }
}

/// Reads the table; `None` if it is not understood.
pub(super) fn read(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> Option<StopWhen> {
    let DeValue::Table(table) = node.get_ref() else {
        reader.mismatch(node, "stop_when", "stop_when", "a table, as in { quantity = \"i_ty\", ci95 = 0.02 }");
        return None;
    };
    let before = reader.reporter.count();
    let stop = read_table(node, table, reader);
    if let Some(stop) = &stop {
        fits(stop, table, reader);
    }
    stop.filter(|_| reader.reporter.count() == before)
}

fn read_table(node: &Node<'_>, table: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> Option<StopWhen> {
    let (mut quantity, mut ci95) = (None, None);
    let mut stop = StopWhen {
        quantity: Quantity::Ity,
        ci95: 0.0,
        min_runs: DEFAULT_MIN_RUNS,
        split: None,
        epoch: None,
        layer: None,
        estimator: Which::First,
    };
    for (key, span, node) in entries(table) {
        let (path, reporter) = (format!("stop_when.{key}"), &mut *reader.reporter);
        match key {
            "quantity" => quantity = read_name(node, reader, &path, key, Quantity::ALL, Quantity::name),
            "ci95" => ci95 = read_number(reporter, node, &path, key, true),
            "min_runs" => {
                let runs = read_integer(reporter, node, &path, key, (2, MAX_RUNS)).and_then(|runs| u32::try_from(runs).ok());
                stop.min_runs = runs.unwrap_or(DEFAULT_MIN_RUNS);
            }
            "split" => stop.split = read_name(node, reader, &path, key, Split::ALL, Split::name),
            "epoch" => stop.epoch = read_epoch(node, reader, &path),
            "layer" => {
                let layer = read_integer(reporter, node, &path, key, (0, MAX_LAYERS as u64));
                stop.layer = layer.and_then(|layer| u32::try_from(layer).ok());
            }
            "estimator" => {
                let named = matches!(node.get_ref(), DeValue::String(_));
                if let Some(estimator) = read_estimator(reporter, node, &path) {
                    stop.estimator = if named { Which::Named(estimator.name()) } else { Which::Exactly(estimator) };
                }
            }
            _ => unknown_in(reader, &span, "stop_when", key, &KEYS),
        }
    }
    for (key, missing) in [("quantity", quantity.is_none()), ("ci95", ci95.is_none())] {
        if missing && !table.contains_key(key) {
            reader.reporter.report(&node.span(), "stop_when", format!("`stop_when` has no `{key}`")).expected =
                Some("what is watched and how precisely, as in { quantity = \"i_ty\", ci95 = 0.02 }".to_owned());
        }
    }
    Some(StopWhen { quantity: quantity?, ci95: ci95?, ..stop })
}

/// Keys that the quantity does not take.
fn fits(stop: &StopWhen, table: &DeTable<'_>, reader: &mut Reader<'_, '_>) {
    if stop.quantity.is_measured() {
        return;
    }
    let name = stop.quantity.name();
    for (key, span, _) in entries(table).into_iter().filter(|(key, ..)| ["layer", "estimator"].contains(key)) {
        reader.reporter.report(&span, format!("stop_when.{key}"), format!("{name} has no {key}")).expected =
            Some("`layer` and `estimator` with i_xt or i_ty alone".to_owned());
    }
}

/// One of some names.
fn read_name<T: Copy>(
    node: &Node<'_>,
    reader: &mut Reader<'_, '_>,
    path: &str,
    key: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
    let DeValue::String(text) = node.get_ref() else {
        reader.mismatch(node, path, key, &one_of(&names));
        return None;
    };
    let found = all.iter().find(|one| name(**one) == text.as_ref()).copied();
    if found.is_none() {
        let entry = reader.reporter.report(&node.span(), path, format!("unknown {key} {text:?}"));
        entry.expected = Some(one_of(&names));
        entry.suggestion = nearest(text, names).map(|near| format!("\"{near}\""));
    }
    found
}

/// A recorded epoch; −1 is the untrained network.
fn read_epoch(node: &Node<'_>, reader: &mut Reader<'_, '_>, path: &str) -> Option<i64> {
    if matches!(node.get_ref(), DeValue::Integer(number) if number.to_string() == "-1") {
        return Some(-1);
    }
    read_integer(reader.reporter, node, path, "epoch", (0, MAX_EPOCHS)).and_then(|epoch| i64::try_from(epoch).ok())
}

/// Every point has what is watched.
pub(super) fn check(cohort: &Cohort, tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) {
    let Some(stop) = &cohort.stop_when else { return };
    let Some((key, expected)) = cohort.points().find_map(|point| stop.on(&point.settings).err()) else { return };
    let Some(node) = tree.get("stop_when") else { return };
    // Where it can be mended: the key, or, where that is a default, the table.
    let keys = node.get_ref().as_table().and_then(|table| table.get_key_value(key));
    let span: Range<usize> = keys.map_or_else(|| node.span(), |(key, _)| key.span());
    let message = format!("not every experiment has what `stop_when` watches: its `{key}`");
    reader.reporter.report(&span, format!("stop_when.{key}"), message).expected = Some(expected);
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn stop(text: &str) -> Result<StopWhen, String> {
        let cohort = parse("f", &format!("name = 'n'\n{text}")).map_err(|errors| errors.to_string())?;
        cohort.stop_when.ok_or_else(|| "nothing".to_owned())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let found = stop("stop_when = { quantity = 'i_xt', ci95 = 1 }").unwrap();
        assert_eq!((found.ci95, found.min_runs), (1.0, DEFAULT_MIN_RUNS));
        let watched = found.on(&Settings::default()).unwrap();
        assert_eq!((watched.split, watched.epoch), (Split::Test, None));
        assert_eq!(watched.measure, Some((Settings::default().estimators[0], 4)));
        let none = Settings {
            training: crate::train::spec::TrainingSpec { architecture: vec![], ..Default::default() }.into(),
            ..Default::default()
        };
        assert_eq!(found.on(&none).unwrap().measure.map(|(_, layer)| layer), Some(0), "the readout");
        let text = "stop_when = { quantity = 'loss', ci95 = 0.1, split = 'train', epoch = -1, min_runs = 2 }\n[experiment]\nrecord_initial = true";
        let found = stop(text).unwrap();
        assert_eq!((found.split, found.epoch, found.min_runs), (Some(Split::Train), Some(-1), 2));
    }

    #[test]
    fn what_an_experiment_has_not_is_named() {
        for (text, expected) in [
            ("stop_when = 3", "a table"),
            ("stop_when = {}", "no `quantity`"),
            ("stop_when = { quantity = 'i_ty' }", "no `ci95`"),
            ("stop_when = { quantity = 'i_yt', ci95 = 0.1 }", "did you mean `\"i_"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0 }", "above 0"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, min_runs = 1 }", "an integer from 2"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, layers = 2 }", "did you mean `layer`"),
            ("stop_when = { quantity = 'loss', ci95 = 0.1, layer = 2 }", "loss has no layer"),
            ("stop_when = { quantity = 'loss', ci95 = 0.1, split = 'full' }", "\"train\", \"test\""),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, layer = 6 }", "this one has 0 to 5"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, epoch = 51 }", "51 is not in 8000 epochs"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, estimator = 'upper' }", "this one has binning"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1 }\n[grid]\nestimators = [['binning'], []]", "this one has none"),
            ("stop_when = { quantity = 'i_ty', ci95 = 0.1, split = 'full' }", "on which it is measured"),
        ] {
            let error = stop(text).unwrap_err();
            assert!(error.contains(expected) && error.contains("f:2:"), "{text}: {error}");
        }
    }
}

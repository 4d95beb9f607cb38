//! What only the whole file tells: forms that exclude each other, axes in conflict, size, excludes that match nothing.
//!
//! A check is left out where it depends on a part that was not understood, so that one mistake is one error.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::axes::{LocatedAxis, LocatedExclude};
use super::document::Reader;
use super::errors::nearest;
use super::model::{Axis, Cohort, Condition, Dimension, MAX_ALL_RUNS, MAX_POINTS};
use super::setting::Setting;
use super::settings::Settings;
use super::syntax::{Node, entries};
use crate::estimate::dependence::Compares;
use crate::estimate::spec::{EstimatorSpec, METHODS, Method};
use crate::train::spec::{Activation, TrainingSpec};

/// The two forms of naming estimators do not mix.
pub(super) fn forms(reader: &mut Reader<'_, '_>) {
    reader.forms.sort_by_key(|(span, _)| span.start);
    let Some((_, first)) = reader.forms.first().cloned() else { return };
    let is_list = first == "estimators";
    if let Some((span, key)) = reader.forms.iter().find(|(_, key)| (*key == "estimators") != is_list) {
        let message = format!("`{key}` stands beside `{first}`");
        reader.reporter.report(span, *key, message).expected =
            Some("either `estimators`, or `estimator` with `discretization_range`".to_owned());
    }
}

/// Within a product, every key is set by one axis.
pub(super) fn conflicts(grids: &[Vec<LocatedAxis>], zips: &[Vec<LocatedAxis>], reader: &mut Reader<'_, '_>) {
    let zipped: Vec<&LocatedAxis> = zips.iter().flatten().collect();
    let mut reported = BTreeSet::new();
    let no_grid = [Vec::new()];
    for grid in if grids.is_empty() { &no_grid } else { grids } {
        let axes: Vec<&LocatedAxis> = grid.iter().chain(zipped.iter().copied()).collect();
        for (index, one) in axes.iter().enumerate() {
            for other in &axes[..index] {
                let (earlier, later) = if one.span.start < other.span.start { (one, other) } else { (other, one) };
                let Some(key) = shared_key(&earlier.axis, &later.axis).filter(|_| reported.insert(later.span.start)) else {
                    continue;
                };
                let (first, name) = (&earlier.axis.name, &later.axis.name);
                let message = match first == name {
                    true => format!("axis `{name}` is named twice"),
                    false => format!("axes `{first}` and `{name}` both set `{key}`"),
                };
                reader.reporter.report(&later.span, name.clone(), message).expected =
                    Some("every key on one axis, in [grid] or in one [[zip]]".to_owned());
                reader.tainted.extend([first.clone(), name.clone(), key]);
            }
        }
    }
}

/// A key that two axes both set, or their common name.
fn shared_key(one: &Axis, other: &Axis) -> Option<String> {
    let keys = claims(one);
    claims(other).into_iter().find(|key| keys.contains(key)).map(str::to_owned)
}

/// The name of an axis and the keys that its values set.
fn claims(axis: &Axis) -> BTreeSet<&str> {
    let mut keys = BTreeSet::from([axis.name.as_str()]);
    for setting in axis.values.iter().flat_map(|value| &value.set) {
        keys.insert(setting.key());
    }
    keys
}

/// Whether the cohort is of a size that can be planned.
pub(super) fn size(cohort: &Cohort, tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> bool {
    let product = |dimensions: &[Dimension]| dimensions.iter().fold(1_u128, |size, d| size.saturating_mul(d.len() as u128));
    let zipped = product(&cohort.zips);
    let points = cohort.grids.iter().fold(0_u128, |sum, grid| sum.saturating_add(product(grid).saturating_mul(zipped)));
    let points = points.saturating_add(cohort.includes.len() as u128);
    let runs = points.saturating_mul(cohort.n_runs.into());
    if points <= MAX_POINTS && runs <= MAX_ALL_RUNS {
        return true;
    }
    // Where it can be mended: the grid, or else the number of repeats.
    let key = if points > MAX_POINTS && tree.contains_key("grid") { "grid" } else { "n_runs" };
    let span = tree.get_key_value(key).map_or_else(|| reader.reporter.top(), |(key, _)| key.span());
    reader.reporter.report(&span, key, format!("the cohort has {points} points and {runs} runs")).expected =
        Some(format!("at most {MAX_POINTS} points and {MAX_ALL_RUNS} runs; split it into several cohorts"));
    false
}

/// Every exclude leaves out a point, and something is left. Puts the excludes into the cohort.
pub(super) fn excludes(cohort: &mut Cohort, excludes: &[LocatedExclude], reader: &mut Reader<'_, '_>) {
    for exclude in excludes {
        let keys = || exclude.conditions.iter().map(|(key, _)| key.as_str());
        let known = |key: &str| !group(key).iter().any(|key| reader.tainted.contains(*key));
        if reader.lost || !keys().all(known) {
            continue;
        }
        let conditions = &exclude.exclude.conditions;
        let absent = conditions.iter().position(|condition| !is_met(cohort, std::slice::from_ref(condition)));
        if let Some((condition, (key, span))) = absent.map(|at| (&conditions[at], &exclude.conditions[at])) {
            let texts = texts_of(cohort, key);
            let entry =
                reader.reporter.report(span, format!("exclude.{key}"), format!("no point has {key} = {}", text_of(condition)));
            entry.expected = Some(format!("a value that `{key}` takes: {}", some_of(&texts)));
            // Numbers are near to many others.
            let name = Some(text_of(condition)).filter(|text| text.starts_with(char::is_alphabetic));
            entry.suggestion =
                name.and_then(|name| nearest(&name, texts.iter().map(String::as_str)).map(|near| format!("\"{near}\"")));
        } else if !is_met(cohort, conditions) {
            reader.reporter.report(&exclude.header, "exclude", "this exclude matches no point").expected =
                Some("conditions that some point of the grid meets together".to_owned());
        }
    }
    cohort.excludes = excludes.iter().map(|exclude| exclude.exclude.clone()).collect();
    if let Some(last) = excludes.last().filter(|_| reader.reporter.count() == 0)
        && cohort.points().next().is_none()
    {
        reader.reporter.report(&last.header, "exclude", "the excludes leave no point").expected =
            Some("a point that is kept".to_owned());
    }
}

/// What has no derivative is not trained.
pub(super) fn trainable(cohort: &Cohort, tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) {
    if reader.lost || reader.reporter.count() > 0 {
        return;
    }
    let Some(span) = span_of(tree, &["activation_fn"], &[Activation::Step.name()]) else { return };
    let untrainable = |training: &TrainingSpec| training.activation == Activation::Step && training.epochs > 0;
    if cohort.points().any(|point| untrainable(&point.settings.training)) {
        let message = "activation_fn \"step\" has no derivative to train with";
        reader.reporter.report(&span, "activation_fn", message).expected =
            Some("epochs = 0 and record_initial = true wherever it is used, or another activation_fn".to_owned());
    }
}

/// Values of a measurement at most: what compares units of wide layers at many epochs has more than a record holds.
const MAX_VALUES: u64 = 1 << 25;

/// What compares units must have a number of them that can be kept.
pub(super) fn pairs_of_units(cohort: &Cohort, tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) {
    if reader.lost || reader.reporter.count() > 0 {
        return;
    }
    let of_units = |method: &&Method| matches!(method.default.compares(), Some(Compares::Units { .. }));
    let names: Vec<&str> = METHODS.iter().filter(of_units).map(|method| method.name).collect();
    let Some(span) = span_of(tree, &["estimators", "estimator"], &names) else { return };
    let values = |settings: &Settings| {
        let spec = &settings.training;
        let units = || spec.architecture.iter().map(|units| u64::from(*units));
        let one = |estimator: &EstimatorSpec| match estimator.compares() {
            Some(compares @ Compares::Units { .. }) => {
                compares.values(units()) * estimator.measured_of(spec.schedule.count(spec.epochs)) as u64
            }
            _ => 0,
        };
        settings.estimators.iter().map(one).max().unwrap_or(0)
    };
    let most = cohort.points().map(|point| values(&point.settings)).max().unwrap_or(0);
    if most > MAX_VALUES {
        let message = format!("{most} values of pairs of units on every split of a training");
        reader.reporter.report(&span, "estimators", message).expected =
            Some(format!("at most {MAX_VALUES}: narrower layers, or fewer epochs by the parameter `every`"));
    }
}

/// Where the file first has one of some names within the value of one of some keys, as a text or as a key.
fn span_of(tree: &DeTable<'_>, keys: &[&str], names: &[&str]) -> Option<Range<usize>> {
    fn within(node: &Node<'_>, named: bool, keys: &[&str], names: &[&str]) -> Option<Range<usize>> {
        match node.get_ref() {
            DeValue::String(text) => (named && names.contains(&text.as_ref())).then(|| node.span()),
            DeValue::Array(items) => items.iter().find_map(|item| within(item, named, keys, names)),
            DeValue::Table(table) => entries(table).into_iter().find_map(|(key, span, node)| {
                if named && names.contains(&key) { Some(span) } else { within(node, keys.contains(&key), keys, names) }
            }),
            _ => None,
        }
    }
    entries(tree).into_iter().find_map(|(key, _, node)| within(node, keys.contains(&key), keys, names))
}

/// The keys that decide a key's value: the three that name estimators go together.
const fn group(key: &str) -> [&str; 3] {
    match key.as_bytes() {
        b"estimators" | b"estimator" | b"discretization_range" => ["estimators", "estimator", "discretization_range"],
        _ => [key, key, key],
    }
}

/// Whether a point of some grid meets the conditions. Only the axes that they concern are counted through.
fn is_met(cohort: &Cohort, conditions: &[Condition]) -> bool {
    let keys: BTreeSet<&str> = conditions.iter().flat_map(|condition| group(key_of(condition))).collect();
    let concerns = |d: &&Dimension| d.axes.iter().any(|axis| claims(axis).iter().any(|key| keys.contains(key)));
    cohort.grids.iter().any(|grid| {
        let dimensions = grid.iter().chain(&cohort.zips).filter(concerns).collect();
        cohort.product(dimensions).any(|point| conditions.iter().all(|condition| condition.matches(&point)))
    })
}

/// The key that a condition is about.
fn key_of(condition: &Condition) -> &str {
    match condition {
        Condition::Has(setting) => setting.key(),
        Condition::Labelled { axis, .. } => axis,
    }
}

/// The value that a condition asks for.
fn text_of(condition: &Condition) -> String {
    match condition {
        Condition::Has(setting) => setting.text(),
        Condition::Labelled { label, .. } => label.clone(),
    }
}

/// The values that a key takes, each once: those of its axes, or else that of the base.
fn texts_of(cohort: &Cohort, key: &str) -> Vec<String> {
    let axes = cohort.grids.iter().flatten().chain(&cohort.zips).flat_map(|dimension| &dimension.axes);
    let mut texts: Vec<String> = Vec::new();
    for value in axes.flat_map(|axis| axis.values.iter().map(move |value| (axis, value))) {
        let text = match value {
            (axis, value) if axis.name == key => Some(value.text.clone()),
            (_, value) => value.set.iter().find(|setting| setting.key() == key).map(Setting::text),
        };
        texts.extend(text.filter(|text| !texts.contains(text)));
    }
    if texts.is_empty() {
        texts.extend(Setting::of(key, &cohort.draft().finish()).map(|setting| setting.text()));
    }
    texts
}

/// The first of many texts.
fn some_of(texts: &[String]) -> String {
    let shown = texts.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if texts.len() > 8 { format!("{shown}, …") } else { shown }
}

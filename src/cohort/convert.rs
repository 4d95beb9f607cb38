//! Old configurations (one JSON file an experiment) → cohort files. What has no counterpart is told in a comment and to the caller, never
//! dropped in silence.
//!
//! The table of settings decides what has a counterpart: a key and value that a cohort takes are taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::callbacks::{self, Callback};
use super::definitions::{DEFINITIONS, find};
use super::flatten::quoted;
use super::{parse, safe_name};
use crate::estimate::spec::EstimatorSpec;

/// Keys in which the files of one cohort may differ; beyond that each file is a cohort of its own.
const FEW: usize = 4;
/// What the old names of modules begin with.
const PREFIXES: [&str; 3] = ["datasets.", "models.", "mi_estimator."];

/// One old configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Old {
    /// The file, as comments name it.
    pub file: String,
    /// A name for a cohort of this file alone.
    pub stem: String,
    /// Its keys and values.
    keys: Map<String, Value>,
}

/// A cohort file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The cohort's name.
    pub name: String,
    /// The text of its file.
    pub text: String,
    /// What has no counterpart, file by file.
    pub notes: Vec<String>,
}

impl Old {
    /// Reads a configuration; `file` stands in errors and comments.
    ///
    /// # Errors
    /// What is wrong, with its position.
    pub fn read(file: &str, stem: &str, text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|e| format!("{file}:{}:{}: not valid JSON: {e}", e.line(), e.column()))?;
        let Value::Object(keys) = value else { return Err(format!("{file}:1:1: no configuration: expected a JSON object")) };
        Ok(Self { file: file.to_owned(), stem: stem.to_owned(), keys })
    }
}

/// Converts the configurations of one directory: into one cohort of this name if they differ in few settings, else one each.
#[must_use]
pub fn convert(name: &str, olds: &[Old]) -> Vec<Converted> {
    let translated: Vec<_> = olds.iter().map(translate).collect();
    let Some(first) = translated.first() else { return Vec::new() };
    let together = translated.iter().all(|other| other.top == first.top) && differing(&translated).len() <= FEW;
    if together {
        return vec![cohort(if olds.len() == 1 { &olds[0].stem } else { name }, &translated)];
    }
    olds.iter().zip(translated.chunks(1)).map(|(old, alone)| cohort(&old.stem, alone)).collect()
}

/// A configuration in the words of today: keys with TOML values.
struct Translated {
    file: String,
    /// `n_runs`, `seed`, `plot_median`.
    top: BTreeMap<&'static str, String>,
    settings: BTreeMap<&'static str, String>,
    notes: Vec<String>,
}

impl Translated {
    fn callback(&mut self, callback: &Value) {
        match callbacks::translate(callback) {
            Callback::Setting(key, value) if parse("", &format!("name = 'n'\n[experiment]\n{key} = {value}\n")).is_ok() => {
                self.settings.insert(key, value);
            }
            Callback::Always => {}
            Callback::Setting(..) | Callback::Unknown => {
                self.notes.push(printable(&note("callbacks", callback)));
            }
        }
    }
}

fn translate(old: &Old) -> Translated {
    let mut result = Translated { file: old.file.clone(), top: BTreeMap::new(), settings: BTreeMap::new(), notes: Vec::new() };
    for (key, value) in &old.keys {
        if let ("callbacks", Value::Array(callbacks)) = (key.as_str(), value) {
            callbacks.iter().for_each(|callback| result.callback(callback));
            continue;
        }
        let definition = find(key);
        let text = toml(value);
        if let Some(key) = ["n_runs", "seed", "plot_median"].into_iter().find(|top| top == key)
            && parse("", &format!("name = 'n'\n{key} = {text}\n")).is_ok()
        {
            result.top.insert(key, text);
        } else if let Some(definition) = definition
            && parse("", &format!("name = 'n'\n[experiment]\n{key} = {text}\n")).is_ok()
        {
            result.settings.insert(definition.key, text);
        } else if !means_nothing(value) {
            result.notes.push(printable(&note(key, value)));
        }
    }
    if result.settings.contains_key("estimators") {
        for key in ["estimator", "discretization_range"] {
            let dropped =
                result.settings.remove(key).map(|value| format!("{key:?} = {value} stands beside estimators and is left out"));
            result.notes.extend(dropped);
        }
    }
    complete_estimator(&mut result.settings);
    result
}

/// Whether a value without counterpart asks for nothing: no value, a switch that is off, an empty list.
fn means_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Array(items) => items.is_empty(),
        Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    }
}

/// What is said about a key without counterpart.
fn note(key: &str, value: &Value) -> String {
    let what = format!("{key:?} = {value}");
    match key {
        "plotters" => format!("{what}: figures are no part of a cohort; `infoplane plot` draws them"),
        _ if find(key).is_some() => {
            let instead = find(key).map_or("", |definition| definition.default);
            format!("{what} has no counterpart in this version: NOT AS BEFORE, runs with {instead}")
        }
        "callbacks" => {
            format!("{what} has no counterpart in this version: NOT AS BEFORE, runs without it")
        }
        _ => format!("{what} has no counterpart and is left out"),
    }
}

/// A text without control characters, which no comment may hold.
fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// The old form of an estimator, both of its keys or none: a range means nothing without its estimator.
fn complete_estimator(settings: &mut BTreeMap<&'static str, String>) {
    if !settings.contains_key("estimator") && !settings.contains_key("discretization_range") {
        return;
    }
    let estimator = settings.entry("estimator").or_insert_with(|| quoted("binning")).clone();
    if let Some(default) = EstimatorSpec::by_name(estimator.trim_matches('"')).and_then(|e| e.range()) {
        settings.entry("discretization_range").or_insert_with(|| toml(&default.into()));
    }
}

/// A JSON value as TOML, names of modules without their prefix.
fn toml(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(switch) => switch.to_string(),
        Value::Number(number) => match number.as_f64() {
            // Python writes some counts as 256.0.
            Some(v) if v.fract() == 0.0 && v.abs() < 1e15 => format!("{v:.0}"),
            Some(v) => format!("{v:?}"),
            None => number.to_string(),
        },
        Value::String(text) => quoted(PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{} = {}", quoted(key), toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

/// The settings in which configurations differ, in the order of the table.
fn differing(all: &[Translated]) -> Vec<&'static str> {
    let keys = DEFINITIONS.iter().map(|definition| definition.key);
    keys.filter(|key| all.iter().any(|one| value_of(one, key) != value_of(&all[0], key))).collect()
}

/// The value of a setting, given or by default.
fn value_of<'a>(one: &'a Translated, key: &str) -> &'a str {
    let default = || find(key).map_or("", |definition| definition.default);
    one.settings.get(key).map_or_else(default, String::as_str)
}

/// One cohort: what all have in common as its base, the rest as a grid if it is a whole product, else as axes that advance together.
fn cohort(name: &str, all: &[Translated]) -> Converted {
    let (name, varying) = (safe_name(name), differing(all));
    let mut points: Vec<Vec<&str>> = Vec::new();
    for one in all {
        let point: Vec<_> = varying.iter().map(|key| value_of(one, key)).collect();
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let mut text = String::from("# Converted from");
    // Writing to a string cannot fail.
    all.iter().for_each(|one| text.push_str(&format!("\n#   {:?}", one.file)));
    let notes: BTreeSet<_> = all.iter().flat_map(|one| one.notes.iter().map(|note| format!("{:?}: {note}", one.file))).collect();
    notes.iter().for_each(|note| text.push_str(&format!("\n# {note}")));
    let _ = writeln!(text, "\nname = {}", quoted(&name));
    all[0].top.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
    text.push_str("\n[experiment]\n");
    for key in DEFINITIONS.iter().map(|definition| definition.key).filter(|key| !varying.contains(key)) {
        if let Some(value) = all.iter().find_map(|one| one.settings.get(key)) {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    let axes: Vec<Vec<&str>> = (0..varying.len()).map(|axis| distinct(points.iter().map(|point| point[axis]))).collect();
    let product: usize = axes.iter().map(Vec::len).product();
    if !varying.is_empty() {
        let is_product = product == points.len();
        text.push_str(if is_product { "\n[grid]\n" } else { "\n[[zip]]\n" });
        for (axis, key) in varying.iter().enumerate() {
            let values = if is_product { axes[axis].clone() } else { points.iter().map(|point| point[axis]).collect() };
            let _ = writeln!(text, "{key} = [{}]", values.join(", "));
        }
    }
    Converted { name, text, notes: notes.into_iter().collect() }
}

/// Values without repetition, in the order in which they come.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    values.for_each(|value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
    });
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::Cohort;
    use proptest::prelude::*;

    /// The configuration that the old documentation shows.
    const OLD: &str = r#"{"activation_fn": "relu", "architecture": [10, 7, 5, 4, 3], "batch_size": 256.0, "calculate_mi_for": "full_dataset",
        "callbacks": [], "dataset": "datasets.harmonics", "discretization_range": 0.07, "epochs": 1500, "estimator": "mi_estimator.binning",
        "learning_rate": 0.0004, "model": "models.feedforward", "n_runs": 3, "optimizer": "adam", "regularization": false,
        "plotters": [["plotter.informationplane", []], ["plotter.snr", []]], "seed": 42}"#;

    /// The configuration with other values.
    fn old(stem: &str, changes: &[(&str, Value)]) -> Old {
        let mut old = Old::read(&format!("{stem}.json"), stem, OLD).unwrap();
        old.keys.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        old
    }

    fn parsed(converted: &Converted) -> Cohort {
        let cohort = parse("f", &converted.text).unwrap_or_else(|errors| panic!("{errors}\n{}", converted.text));
        assert_eq!(cohort.name, converted.name);
        cohort
    }

    #[test]
    fn a_file_becomes_a_cohort_of_one_point() {
        let [one] = convert("dir", &[old("basic", &[])]).try_into().unwrap();
        let cohort = parsed(&one);
        assert_eq!((cohort.name.as_str(), cohort.n_runs, cohort.seed), ("basic", 3, 42));
        let settings = cohort.points().next().unwrap().settings;
        let columns = settings.columns().into_iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join(" ");
        for part in ["activation_fn=Text(\"relu\")", "epochs=Int(1500)", "batch_size=Int(256)", "full", "binning"] {
            assert!(columns.contains(part), "{part}: {columns}");
        }
        // The plotters alone have no counterpart: the rest asks for nothing.
        assert_eq!(one.notes.len(), 1);
        assert!(one.notes[0].contains("plotters") && one.text.contains(&one.notes[0]));
    }

    #[test]
    fn what_has_no_counterpart_is_told_twice() {
        let [one] =
            convert("d", &[old("a b/c", &[("dataset", "datasets.no\n_such".into()), ("zz", 7.into())])]).try_into().unwrap();
        parsed(&one);
        assert_eq!(one.name, "a_b_c");
        assert!(one.text.contains("no\\n_such") && one.text.contains("NOT AS BEFORE, runs with \"harmonics\""), "{}", one.text);
        assert!(one.notes.iter().any(|note| note.contains("\"zz\" = 7")), "{:?}", one.notes);
    }

    #[test]
    fn a_directory_becomes_a_grid_or_a_zip_or_several() {
        let values = |activation: &str, batch: u32| {
            let changes = [("activation_fn", activation.into()), ("batch_size", batch.into())];
            old(&format!("{activation}{batch}"), &changes)
        };
        let mut olds = vec![values("tanh", 1), values("tanh", 2), values("relu", 1), values("relu", 2)];
        let [grid] = convert("cohort_5", &olds).try_into().unwrap();
        assert_eq!((parsed(&grid).name.as_str(), parsed(&grid).points().count()), ("cohort_5", 4));
        assert!(grid.text.contains("[grid]"), "{}", grid.text);
        olds.pop();
        let [zip] = convert("cohort_5", &olds).try_into().unwrap();
        assert_eq!(parsed(&zip).points().count(), 3);
        assert!(zip.text.contains("[[zip]]"), "{}", zip.text);
        olds.push(old("other", &[("seed", 1.into())]));
        let names: Vec<_> = convert("cohort_5", &olds).iter().map(|c| parsed(c).name).collect();
        assert_eq!(names, ["tanh1", "tanh2", "relu1", "other"]);
    }

    #[test]
    fn medians_stay_medians() {
        let median = |value: Value| convert("d", &[old("m", &[("plot_median", value)])]).pop().unwrap();
        assert!(parsed(&median(true.into())).plot_median && !parsed(&median(false.into())).plot_median);
        // What is no switch is told.
        assert!(median(3.into()).notes.iter().any(|note| note.contains("\"plot_median\" = 3")));
    }

    #[test]
    fn a_range_stays_with_its_estimator() {
        let mut upper = old("u", &[("estimator", "mi_estimator.upper".into())]);
        upper.keys.remove("discretization_range");
        let [both] = convert("d", &[old("b", &[]), upper]).try_into().unwrap();
        let estimators: Vec<_> = parsed(&both).points().flat_map(|point| point.settings.estimators).collect();
        let expected = [EstimatorSpec::Binning { bin_width: 0.07 }, EstimatorSpec::Upper { noise_variance: 1e-3 }];
        assert_eq!(estimators, expected);
    }

    #[test]
    fn what_is_no_configuration_is_located() {
        assert!(Old::read("a.json", "a", "{\n\"epochs\": }").unwrap_err().starts_with("a.json:2:11: not valid JSON"));
        assert!(Old::read("a.json", "a", "[1]").unwrap_err().contains("expected a JSON object"));
    }

    /// Any JSON value, not too deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            prop_oneof![list, proptest::collection::btree_map(".*", inner, 0..3).prop_map(|m| m.into_iter().collect())]
        })
    }

    proptest! {
        /// Whatever stands in a configuration, the output parses, and a value is taken over or told.
        #[test]
        fn the_output_always_parses(key in "[a-z_]{1,12}|epochs|dataset|batch_size|calculate_mi_for|.*", value in any_json(), stem in ".*") {
            let old = old(&stem, &[(&key, value.clone())]);
            for converted in convert("d", &[old]) {
                let cohort = parse("f", &converted.text);
                prop_assert!(cohort.is_ok(), "{}\n{}", cohort.unwrap_err(), converted.text);
                let told = converted.notes.iter().any(|note| note.contains(&format!("{key:?}")));
                let taken = converted.text.lines().any(|line| line.starts_with(&format!("{key} =")));
                prop_assert!(told || taken || means_nothing(&value), "{}", converted.text);
            }
        }
    }
}

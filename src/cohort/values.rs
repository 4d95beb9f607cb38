//! A TOML value → a setting of the kind that its definition asks for, or located errors.

use std::ops::Range;

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::definitions::{Definition, Kind, MAX_LAYERS, MAX_NUMBER, MAX_UNITS, MIN_POSITIVE, one_of};
use super::errors::{Reporter, nearest};
use super::rules::{read_form, read_table};
use super::setting::Setting;
use super::syntax::{Node, entries};
use super::{dataset, recording};
use crate::estimate::params::{Domain, Parameter, Value};
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::Split;

/// The value as an error names it: "the string "ten"", "an array".
pub(super) fn found(node: &Node<'_>) -> String {
    match node.get_ref() {
        DeValue::String(text) => format!("the string {:?}", shorten(text)),
        DeValue::Integer(value) => format!("the integer {}", shorten(&value.to_string())),
        DeValue::Float(value) => format!("the number {}", shorten(value.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The first characters of a text that may be long.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(39).chain(['…']).collect() }
}

/// Notes that a value is not what its key takes.
pub(super) fn mismatch(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str, key: &str, expected: String) {
    reporter.report(&node.span(), path, format!("`{key}` is {}", found(node))).expected = Some(expected);
}

/// A whole number that fits 64 bits, saturated beyond: no range of ours reaches that far.
fn integer(value: &DeInteger<'_>) -> i128 {
    let overflow = if value.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(value.as_str(), value.radix()).unwrap_or(overflow)
}

/// Reads an integer in a range. A float such as 5.0 is none: the error suggests the integer.
pub(super) fn read_integer(
    reporter: &mut Reporter<'_>,
    node: &Node<'_>,
    path: &str,
    key: &str,
    range: (u64, u64),
) -> Option<u64> {
    let expected = format!("an integer from {} to {}", range.0, range.1);
    let suggestion = match node.get_ref() {
        DeValue::Integer(value) => {
            let value = u64::try_from(integer(value)).ok().filter(|v| (range.0..=range.1).contains(v));
            if value.is_none() {
                mismatch(reporter, node, path, key, expected);
            }
            return value;
        }
        DeValue::Float(value) => value.as_str().parse().ok().filter(|v: &f64| v.fract() == 0.0 && v.abs() < 1e15),
        DeValue::String(text) => text.trim().parse::<u64>().ok().map(|v| v as f64),
        _ => None,
    };
    let fits = |v: &f64| *v >= range.0 as f64 && *v <= range.1 as f64;
    let entry = reporter.report(&node.span(), path, format!("`{key}` is {}", found(node)));
    entry.expected = Some(expected);
    entry.suggestion = suggestion.filter(fits).map(|v| v.to_string());
    None
}

/// Reads a finite number, written as a float or as an integer.
pub(super) fn read_number(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str, key: &str, positive: bool) -> Option<f64> {
    let kind = Kind::Number { positive, make: Setting::LearningRate };
    let fits = |v: &f64| if positive { (MIN_POSITIVE..=MAX_NUMBER).contains(v) } else { v.abs() <= MAX_NUMBER };
    let value = match node.get_ref() {
        DeValue::Float(value) => value.as_str().parse().ok(),
        DeValue::Integer(value) => Some(integer(value) as f64),
        DeValue::String(text) => {
            let suggestion = text.trim().parse::<f64>().ok().filter(fits).map(|_| text.trim().to_owned());
            let entry = reporter.report(&node.span(), path, format!("`{key}` is {}", found(node)));
            (entry.expected, entry.suggestion) = (Some(kind.describe()), suggestion);
            return None;
        }
        _ => None,
    };
    let value = value.filter(fits);
    if value.is_none() {
        mismatch(reporter, node, path, key, kind.describe());
    }
    value
}

/// Reads a string.
pub(super) fn read_text<'t>(reporter: &mut Reporter<'_>, node: &'t Node<'_>, path: &str, key: &str) -> Option<&'t str> {
    let text = node.get_ref().as_str();
    if text.is_none() {
        mismatch(reporter, node, path, key, "a string".to_owned());
    }
    text
}

/// Reads a switch.
pub(super) fn read_switch(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str, key: &str) -> Option<bool> {
    let value = node.get_ref().as_bool();
    if value.is_none() {
        mismatch(reporter, node, path, key, "true or false".to_owned());
    }
    value
}

/// Notes that a name is none of those known; `aliases` are suggested, but not listed.
pub(super) fn unknown_name(
    reporter: &mut Reporter<'_>,
    place: (&Range<usize>, &str),
    what: &str,
    name: &str,
    names: &[&str],
    aliases: &[&str],
) {
    let (span, path) = place;
    let entry = reporter.report(span, path, format!("unknown {what} {:?}", shorten(name)));
    entry.expected = Some(one_of(names));
    entry.suggestion = nearest(name, names.iter().chain(aliases).copied()).map(|n| format!("\"{n}\""));
}

impl Definition {
    /// Reads the value of this setting; `path` is the key with its table.
    pub(super) fn read(&self, reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Setting> {
        match (self.kind, node.get_ref()) {
            (Kind::Name { names, make }, DeValue::String(text)) => {
                let setting = make(text);
                if setting.is_none() {
                    unknown_name(reporter, (&node.span(), path), self.key, text, &names(), &[]);
                }
                setting
            }
            (Kind::Integer { min, max, make }, _) => read_integer(reporter, node, path, self.key, (min, max)).and_then(make),
            (Kind::Number { positive, make }, _) => read_number(reporter, node, path, self.key, positive).map(make),
            (Kind::Switch { make }, DeValue::Boolean(value)) => Some(make(*value)),
            (Kind::OrOff { make, .. }, DeValue::Boolean(false)) => make(None),
            (Kind::OrOff { number: true, make, .. }, DeValue::Float(_) | DeValue::Integer(_)) => {
                read_number(reporter, node, path, self.key, true).and_then(|v| make(Some(v)))
            }
            (Kind::OrOff { number: false, max, make }, DeValue::Float(_) | DeValue::Integer(_)) => {
                read_integer(reporter, node, path, self.key, (1, max)).and_then(|v| make(Some(v as f64)))
            }
            (Kind::Rule { forms, make }, _) => {
                read_form(reporter, node, path, self.key, &forms()).and_then(|(name, values)| make(name, &values))
            }
            (Kind::Params { make, .. }, DeValue::Boolean(false)) => Some(make(&[])),
            (Kind::Params { params, make }, DeValue::Table(given)) => {
                read_table(reporter, given, path, self.key, &params()).map(|values| make(&values))
            }
            (Kind::Text { make }, DeValue::String(text)) => Some(make(text)),
            (Kind::Bytes { make }, _) => recording::read_bytes(reporter, node, path, self.key).map(make),
            (Kind::Recorded, _) => recording::read_schedule(reporter, node, path).map(Setting::RecordedEpochs),
            (Kind::Stopping, _) => recording::read_stopping(reporter, node, path).map(Setting::EarlyStopping),
            (Kind::Dataset, _) => dataset::read(reporter, node, path).map(Setting::Dataset),
            (Kind::Layers, DeValue::Array(items)) => self.read_layers(reporter, node, items, path),
            (Kind::Splits, DeValue::String(_)) => {
                read_split(reporter, node, path).map(|split| Setting::CalculateMiFor(vec![split]))
            }
            (Kind::Splits, DeValue::Array(items)) => self.read_splits(reporter, node, items, path),
            (Kind::Estimators, DeValue::Array(items)) => read_estimators(reporter, items, path),
            _ => {
                let entry = reporter.report(&node.span(), path, format!("`{}` is {}", self.key, found(node)));
                entry.expected = Some(self.kind.describe());
                entry.suggestion = self.repaired(node);
                None
            }
        }
    }

    /// What a value of the wrong type was probably meant to be: a list of one, or a switch without quotes.
    fn repaired(&self, node: &Node<'_>) -> Option<String> {
        let text = node.get_ref().as_str();
        match (self.kind, node.get_ref()) {
            (Kind::Estimators, _) => text.filter(|t| EstimatorSpec::cohort_names().contains(t)).map(|t| format!("[\"{t}\"]")),
            (Kind::Switch { .. }, _) => text.map(str::to_lowercase).filter(|t| t == "true" || t == "false"),
            (Kind::Layers, DeValue::Integer(value)) => Some(format!("[{value}]")),
            (Kind::OrOff { .. } | Kind::Params { .. }, _) => text.map(str::to_lowercase).filter(|t| t == "false"),
            _ => None,
        }
    }

    /// Units of the hidden layers.
    fn read_layers(&self, reporter: &mut Reporter<'_>, node: &Node<'_>, items: &DeArray<'_>, path: &str) -> Option<Setting> {
        if items.len() > MAX_LAYERS {
            let message = format!("`{}` has {} layers", self.key, items.len());
            reporter.report(&node.span(), path, message).expected = Some(self.kind.describe());
            return None;
        }
        let layers: Vec<_> = (items.iter().enumerate())
            .map(|(layer, item)| {
                read_integer(reporter, item, path, &format!("{}[{layer}]", self.key), (1, MAX_UNITS))
                    .and_then(|v| u32::try_from(v).ok())
            })
            .collect();
        layers.into_iter().collect::<Option<_>>().map(Setting::Architecture)
    }

    /// A list of splits, put in the order of the tables.
    fn read_splits(&self, reporter: &mut Reporter<'_>, node: &Node<'_>, items: &DeArray<'_>, path: &str) -> Option<Setting> {
        if items.is_empty() {
            let entry = reporter.report(&node.span(), path, format!("`{}` is empty", self.key));
            entry.expected =
                Some("at least one of \"train\", \"test\", \"full\"; to measure nothing, write estimators = []".to_owned());
            return None;
        }
        let before = reporter.count();
        let mut splits = Vec::new();
        for item in items {
            match read_split(reporter, item, path) {
                Some(split) if splits.contains(&split) => {
                    let message = format!("split \"{}\" is listed twice", split.name());
                    reporter.report(&item.span(), path, message).expected = Some("every split once".to_owned());
                }
                Some(split) => splits.push(split),
                None => {}
            }
        }
        splits.sort_unstable();
        (reporter.count() == before).then_some(Setting::CalculateMiFor(splits))
    }
}

/// One split, by its name or its old name.
fn read_split(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Split> {
    let DeValue::String(name) = node.get_ref() else {
        mismatch(reporter, node, path, "calculate_mi_for", "\"train\", \"test\" or \"full\"".to_owned());
        return None;
    };
    let plain = if name == "full_dataset" { "full" } else { name };
    let split = Split::ALL.iter().find(|split| split.name() == plain).copied();
    if split.is_none() {
        let names: Vec<_> = Split::ALL.iter().map(|split| split.name()).collect();
        unknown_name(reporter, (&node.span(), path), "split", name, &names, &["full_dataset"]);
    }
    split
}

/// A list of estimators, each once.
fn read_estimators(reporter: &mut Reporter<'_>, items: &DeArray<'_>, path: &str) -> Option<Setting> {
    let before = reporter.count();
    let mut estimators = Vec::new();
    for item in items {
        match read_estimator(reporter, item, path) {
            Some(estimator) if estimators.contains(&estimator) => {
                let message = format!("estimator {} {} is listed twice", estimator.name(), estimator.params());
                reporter.report(&item.span(), path, message).expected =
                    Some("every estimator with its parameters once".to_owned());
            }
            Some(estimator) => estimators.push(estimator),
            None => {}
        }
    }
    (reporter.count() == before).then_some(Setting::Estimators(estimators))
}

/// One estimator: its name, or a table `{ name = { parameter = value } }`.
pub(super) fn read_estimator(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<EstimatorSpec> {
    match node.get_ref() {
        DeValue::String(name) => named_estimator(reporter, &node.span(), path, name),
        DeValue::Table(table) if table.len() == 1 => {
            let (name, span, params) = entries(table).into_iter().next()?;
            let estimator = named_estimator(reporter, &span, path, name)?;
            let DeValue::Table(params) = params.get_ref() else {
                mismatch(reporter, params, path, name, format!("a table of parameters, as in {}", estimator_example(&estimator)));
                return None;
            };
            read_params(reporter, estimator, params, path)
        }
        _ => {
            let expected = "an estimator's name, or a table as in { upper = { noise_variance = 1e-3 } }".to_owned();
            let what = match node.get_ref() {
                DeValue::Table(table) => format!("a table of {} keys", table.len()),
                _ => found(node),
            };
            reporter.report(&node.span(), path, format!("an item of `estimators` is {what}")).expected = Some(expected);
            None
        }
    }
}

/// The estimator of a name, with its default parameters.
fn named_estimator(reporter: &mut Reporter<'_>, span: &Range<usize>, path: &str, name: &str) -> Option<EstimatorSpec> {
    let estimator = EstimatorSpec::by_name(name);
    if estimator.is_none() {
        unknown_name(reporter, (span, path), "estimator", name, &EstimatorSpec::cohort_names(), &[]);
    }
    estimator
}

/// The estimator with the parameters of a table.
fn read_params(reporter: &mut Reporter<'_>, estimator: EstimatorSpec, params: &DeTable<'_>, path: &str) -> Option<EstimatorSpec> {
    let before = reporter.count();
    let table = estimator.parameters();
    let (mut given, mut places) = (Vec::new(), Vec::new());
    for (key, span, node) in entries(params) {
        let path = format!("{path}.{key}");
        let Some(parameter) = table.iter().find(|parameter| parameter.name == key) else {
            let entry = reporter.report(&span, path, format!("unknown parameter `{key}` of estimator {}", estimator.name()));
            let names: Vec<_> = table.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
            entry.expected = Some(match names.as_slice() {
                [] => "none: it has no parameters".to_owned(),
                [one] => one.clone(),
                several => format!("one of {}", several.join(", ")),
            });
            entry.suggestion = nearest(key, table.iter().map(|parameter| parameter.name)).map(str::to_owned);
            continue;
        };
        if let Some(value) = read_parameter(reporter, parameter, node, &path) {
            given.push((parameter.name, value));
            places.push((span, path));
        }
    }
    if reporter.count() > before {
        return None;
    }
    match estimator.with(&given) {
        Ok(estimator) => Some(estimator),
        Err(conflict) => {
            let at = given.iter().position(|(name, _)| *name == conflict.name).or_else(|| given.len().checked_sub(1))?;
            let (span, path) = &places[at];
            let message = format!("`{}` does not go with the other parameters of {}", conflict.name, estimator.name());
            reporter.report(span, path.clone(), message).expected = Some(conflict.expected);
            None
        }
    }
}

/// The value of one parameter.
pub(super) fn read_parameter(reporter: &mut Reporter<'_>, parameter: &Parameter, node: &Node<'_>, path: &str) -> Option<Value> {
    let domain = parameter.domain;
    let value = match node.get_ref() {
        DeValue::Float(value) => value.as_str().parse().ok().and_then(|v| domain.number(v)),
        DeValue::Integer(value) => domain.integer(integer(value)),
        DeValue::Boolean(value) => domain.switch(*value),
        DeValue::String(text) => domain.name(text),
        _ => None,
    };
    if value.is_some() {
        return value;
    }
    let entry = reporter.report(&node.span(), path, format!("`{}` is {}", parameter.name, found(node)));
    entry.expected = Some(domain.describe());
    entry.suggestion = match (domain, node.get_ref()) {
        (Domain::Name(names), DeValue::String(text)) => nearest(text, names.iter().copied()).map(|name| format!("\"{name}\"")),
        (_, DeValue::String(text)) => domain.parse(text.trim()).map(|_| text.trim().to_owned()),
        (_, DeValue::Float(value)) => {
            let whole = value.as_str().parse().ok().filter(|v: &f64| v.fract() == 0.0 && v.abs() < 1e15);
            whole.and_then(|v| domain.integer(v as i128)).map(Value::text)
        }
        _ => None,
    };
    None
}

/// How the parameters of an estimator are written.
fn estimator_example(estimator: &EstimatorSpec) -> String {
    let toml = |value: Value| match value {
        Value::Number(number) => number.to_string(),
        other => other.json().to_string(),
    };
    let values: Vec<_> = estimator.values().into_iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
    format!("{{ {} = {{ {} }} }}", estimator.name(), values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::definitions::{DEFINITIONS, find};
    use super::super::settings::Settings;
    use super::*;

    fn read(key: &str, text: &str) -> Result<Setting, String> {
        let node = DeValue::parse(text).unwrap();
        let mut reporter = Reporter::new(text, &[]);
        let setting = find(key).unwrap().read(&mut reporter, &node, key);
        reporter.finish().map_or_else(|| Ok(setting.unwrap()), |errors| Err(errors.errors[0].message.clone()))
    }

    #[test]
    fn the_table_states_the_defaults() {
        for definition in DEFINITIONS {
            let setting = read(definition.key, definition.default).unwrap();
            assert_eq!(Setting::of(definition.key, &Settings::default()), Some(setting.clone()), "{}", definition.key);
            assert_eq!(setting.key(), definition.key);
        }
    }

    #[test]
    fn ranges_hold_at_their_ends() {
        let max = (1_u64 << 53) - 1;
        for (key, good, bad) in [
            ("epochs", "0", "-1"),
            ("epochs", "10_000_000", "10000001"),
            ("batch_size", "1", "0"),
            ("batch_size", "0x10", "4294967296"),
            ("split_seed", &max.to_string(), "9007199254740992"),
            ("learning_rate", "1", "0.0"),
            ("learning_rate", "1e-30", "nan"),
            ("initial_bias", "-3", "inf"),
            ("initial_bias", "-0.0", "1e999"),
            ("architecture", "[]", "[0]"),
            ("architecture", "[65536]", "[65537]"),
            ("seed_offset", "0", "99999999999999999999999999999999999999999999"),
            ("epochs", "5", "5.0"),
            ("discretization_range", "0.1", "-0.1"),
        ] {
            assert!(read(key, good).is_ok(), "{key} = {good}");
            assert!(read(key, bad).is_err(), "{key} = {bad}");
        }
        assert!(read("architecture", &format!("{:?}", vec![1; 64])).is_ok());
        assert!(read("architecture", &format!("{:?}", vec![1; 65])).is_err());
    }

    #[test]
    fn lists_have_one_form() {
        assert_eq!(
            read("calculate_mi_for", "['full_dataset', 'train']"),
            Ok(Setting::CalculateMiFor(vec![Split::Train, Split::Full]))
        );
        assert_eq!(read("calculate_mi_for", "'full'"), read("calculate_mi_for", "['full_dataset']"));
        assert!(read("calculate_mi_for", "['full', 'full_dataset']").unwrap_err().contains("twice"));
        assert_eq!(read("estimators", "['upper']"), read("estimators", "[{ upper = { noise_variance = 0.001 } }]"));
        assert!(read("estimators", "['upper', { upper = {} }]").unwrap_err().contains("twice"));
        assert!(read("estimators", "[{ upper = 3 }]").is_err());
        assert!(read("estimators", "[{}]").is_err());
        assert_eq!(read("estimators", "[]"), Ok(Setting::Estimators(vec![])));
    }
}

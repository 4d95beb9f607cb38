//! Settings that are a name with parameters (`"adam"`, `{ adam = { beta_1 = 0.8 } }`), a table of parameters, or a value that may be off
//! (`false`): reading them, and their JSON Schema.

use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::definitions::{MAX_NUMBER, MIN_POSITIVE, one_of};
use super::errors::{Reporter, nearest};
use super::syntax::{Node, entries};
use super::values::{found, read_parameter};
use crate::estimate::params::{Domain, Parameter, Value};
use crate::train::rule::{Domain as RuleDomain, Param};

/// A name and the parameters that it takes, at their defaults.
pub type Form = (&'static str, Vec<Param>);

/// A share below 1 at most.
const MAX_SHARE: f64 = 0.999_999;
/// A weight of a penalty at most.
const MAX_WEIGHT: f64 = 1e5;
/// Passes at most.
const MAX_PASSES: u64 = 10_000_000;

/// What may stand as a parameter of a rule.
const fn domain(param: &Param) -> Domain {
    match param.domain {
        RuleDomain::Share => Domain::Number { min: 0.0, max: MAX_SHARE },
        RuleDomain::Fraction => Domain::Number { min: 0.0, max: 1.0 },
        RuleDomain::Positive => Domain::Number { min: MIN_POSITIVE, max: MAX_NUMBER },
        RuleDomain::Weight => Domain::Number { min: 0.0, max: MAX_WEIGHT },
        RuleDomain::Count => Domain::Integer { min: 1, max: MAX_PASSES },
        RuleDomain::Passes => Domain::Integer { min: 0, max: MAX_PASSES },
        RuleDomain::Switch => Domain::Switch,
    }
}

/// The value of a parameter as TOML and JSON have it.
fn typed(param: &Param) -> Value {
    match param.domain {
        RuleDomain::Switch => Value::Switch(param.value != 0.0),
        RuleDomain::Count | RuleDomain::Passes => Value::Integer(param.value as u64),
        _ => Value::Number(param.value),
    }
}

/// What is expected of a name with parameters.
pub(super) fn describe(forms: &[Form]) -> String {
    let names: Vec<_> = forms.iter().map(|(name, _)| *name).collect();
    let example = forms.iter().rfind(|(_, params)| !params.is_empty());
    match example.and_then(|(name, params)| params.first().map(|param| (name, param))) {
        Some((name, param)) => {
            format!("{}, or a table as in {{ {name} = {{ {} = {} }} }}", one_of(&names), param.key, typed(param).text())
        }
        None => one_of(&names),
    }
}

/// Reads a name, or a table of one name with parameters: the name's place and its values.
pub(super) fn read_form(
    reporter: &mut Reporter<'_>,
    node: &Node<'_>,
    path: &str,
    key: &str,
    forms: &[Form],
) -> Option<(&'static str, Vec<f64>)> {
    let (name, span, params) = match node.get_ref() {
        DeValue::String(name) => (name.as_ref(), node.span(), None),
        DeValue::Table(table) if table.len() == 1 => {
            let (name, span, node) = entries(table).into_iter().next()?;
            (name, span, Some(node))
        }
        _ => {
            reporter.report(&node.span(), path, format!("`{key}` is {}", found(node))).expected = Some(describe(forms));
            return None;
        }
    };
    let Some((name, table)) = forms.iter().find(|(known, _)| *known == name) else {
        let entry = reporter.report(&span, path, format!("unknown {key} {name:?}"));
        entry.expected = Some(describe(forms));
        entry.suggestion = nearest(name, forms.iter().map(|(known, _)| *known)).map(|known| format!("\"{known}\""));
        return None;
    };
    let path = format!("{path}.{name}");
    let values = match params.map(|node| (node, node.get_ref())) {
        None => table.iter().map(|param| param.value).collect(),
        Some((_, DeValue::Table(given))) => read_table(reporter, given, &path, name, table)?,
        Some((node, _)) => {
            reporter.report(&node.span(), path, format!("`{name}` is {}", found(node))).expected =
                Some("a table of parameters".to_owned());
            return None;
        }
    };
    Some((name, values))
}

/// Reads a table of parameters; those that are missing are at their defaults.
pub(super) fn read_table(
    reporter: &mut Reporter<'_>,
    given: &DeTable<'_>,
    path: &str,
    of: &str,
    table: &[Param],
) -> Option<Vec<f64>> {
    let before = reporter.count();
    let mut values: Vec<f64> = table.iter().map(|param| param.value).collect();
    for (key, span, node) in entries(given) {
        let path = format!("{path}.{key}");
        let Some(at) = table.iter().position(|param| param.key == key) else {
            let entry = reporter.report(&span, path, format!("unknown parameter `{key}` of {of}"));
            let names: Vec<_> = table.iter().map(|param| format!("`{}`", param.key)).collect();
            entry.expected = Some(if names.is_empty() { "none: it has no parameters".to_owned() } else { names.join(", ") });
            entry.suggestion = nearest(key, table.iter().map(|param| param.key)).map(str::to_owned);
            continue;
        };
        let parameter = Parameter { name: table[at].key, domain: domain(&table[at]), meaning: "" };
        match read_parameter(reporter, &parameter, node, &path) {
            Some(Value::Number(v)) => values[at] = v,
            Some(Value::Integer(v)) => values[at] = v as f64,
            Some(Value::Switch(v)) => values[at] = f64::from(u8::from(v)),
            Some(Value::Name(_)) | None => {}
        }
    }
    (reporter.count() == before).then_some(values)
}

/// JSON Schema of a name with parameters.
pub(super) fn form_schema(forms: &[Form]) -> Json {
    let names: Vec<_> = forms.iter().map(|(name, _)| *name).collect();
    let table = |(name, params): &Form| {
        let params = table_schema(params);
        json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": { *name: params } })
    };
    let any: Vec<Json> = [json!({ "enum": names })].into_iter().chain(forms.iter().map(table)).collect();
    json!({ "anyOf": any })
}

/// JSON Schema of a table of parameters.
pub(super) fn table_schema(params: &[Param]) -> Json {
    let param = |param: &Param| {
        let mut schema = super::schema::domain(domain(param));
        schema["default"] = typed(param).json();
        (param.key.to_owned(), schema)
    };
    let params: Map<String, Json> = params.iter().map(param).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": params })
}

/// JSON Schema of a value that may be off.
pub(super) fn or_off(schema: Json) -> Json {
    json!({ "anyOf": [{ "enum": [false] }, schema] })
}

#[cfg(test)]
mod tests {
    use crate::cohort::parse;
    use crate::train::spec::{Activation, Initializer, Optimizer, RateSchedule, Regularization, TrainingSpec};

    fn trainings(text: &str) -> Vec<TrainingSpec> {
        let cohort = parse("f", &format!("name = 'n'\n{text}")).unwrap_or_else(|errors| panic!("{errors}"));
        cohort.points().map(|point| TrainingSpec::clone(&point.settings.training)).collect()
    }

    #[test]
    fn rules_are_read_with_their_parameters() {
        let one = |line: &str| trainings(&format!("[experiment]\n{line}")).remove(0);
        assert_eq!(one("optimizer = 'rmsprop'").optimizer, Optimizer::RMSPROP);
        assert_eq!(one("optimizer = { adam = {} }").optimizer, Optimizer::ADAM);
        let nesterov = one("optimizer = { sgd = { momentum = 0.9, nesterov = true } }").optimizer;
        assert_eq!(
            (nesterov, nesterov.text()),
            (Optimizer::Sgd { momentum: 0.9, nesterov: true }, "sgd(momentum=0.9,nesterov=true)".into())
        );
        let schedule = one("learning_rate_schedule = { step = { every = 10 } }").learning_rate_schedule;
        assert_eq!((schedule, schedule.text()), (RateSchedule::Step { every: 10, factor: 0.5 }, "step(every=10)".into()));
        let regularization = one("regularization = { l2 = 1, dropout = 0.25 }").regularization;
        assert_eq!(regularization, Regularization { l1: 0.0, l2: 1.0, dropout: 0.25 });
        assert_eq!(regularization.text(), "l2=1.0,dropout=0.25");
        assert_eq!(one("regularization = false"), TrainingSpec::default());
        assert_eq!(one("max_norm_weights = 1").max_norm_weights, Some(1.0));
        assert_eq!(one("steps_per_epoch = 12").steps_per_epoch, Some(12));
        assert_eq!(one("kernel_initializer = 'he'").kernel_initializer, Initializer::HeNormal);
    }

    #[test]
    fn rules_are_axes_and_excludes() {
        let text = "[grid]\noptimizer = ['adam', { adam = { beta_1 = 0.8 } }, 'sgd']\nmax_norm_weights = [false, 0.8]
            [[exclude]]\noptimizer = { adam = { beta_1 = 0.8 } }\nmax_norm_weights = false";
        let points: Vec<_> = trainings(text).into_iter().map(|t| (t.optimizer.text(), t.max_norm_weights)).collect();
        assert_eq!(points.len(), 5);
        assert_eq!(points[2], ("adam(beta_1=0.8)".to_owned(), Some(0.8)));
    }

    #[test]
    fn a_step_function_is_not_trained() {
        let untrained =
            "[grid]\nactivation_fn = ['tanh', 'step']\nepochs = [0, 10]\n[[exclude]]\nactivation_fn = 'step'\nepochs = 10";
        assert!(trainings(untrained).iter().any(|t| t.activation == Activation::Step));
        let errors = parse("f", "name = 'n'\n[experiment]\nactivation_fn = 'step'").unwrap_err();
        assert_eq!((errors.errors.len(), errors.errors[0].line), (1, 3));
        assert!(errors.errors[0].message.contains("no derivative"), "{errors}");
    }
}

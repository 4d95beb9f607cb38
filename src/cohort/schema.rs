//! Every key of a cohort file with its type, default and meaning: as rows, and as JSON Schema for editors. Both come from the table of
//! settings, so they are never out of step with what is read.

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::definitions::{
    DEFINITIONS, Definition, Kind, MAX_EPOCHS, MAX_LAYERS, MAX_NUMBER, MAX_PROCESSES, MAX_SEED, MAX_UNITS, MIN_POSITIVE, one_of,
};
use super::model::MAX_RUNS;
use super::rules::{form_schema, or_off, table_schema};
use super::setting::Setting;
use super::stop::Quantity;
use super::syntax::Node;
use super::{name, sge};
use crate::estimate::params::{Domain, Parameter};
use crate::estimate::spec::{EstimatorSpec, METHODS, Method};
use crate::train::source::{Field, FieldKind, Format, Source, TRAIN_SHARE};
use crate::train::spec::Split;
use crate::train::stopping::Monitor;

/// One key of a cohort file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The section that it stands in, as its header; empty at the top of the file.
    pub section: &'static str,
    /// The key.
    pub key: &'static str,
    /// What may stand there, as in "expected …".
    pub takes: String,
    /// The default, as TOML; `None` where there is none.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// Every key, section by section.
#[must_use]
pub fn rows() -> Vec<Row> {
    let row = |section, key, takes: String, default, meaning| Row { section, key, takes, default, meaning };
    let top = |key, takes: &str, default, meaning| row("", key, takes.to_owned(), default, meaning);
    let mut rows = vec![
        top(
            "name",
            &format!("a string of {}", name::TAKES),
            None,
            "name of the cohort and of its directory in the store; must be given",
        ),
        top("description", "a string", Some("\"\""), "free text"),
        top(
            "extends",
            "the path of a cohort file, relative to this one",
            None,
            "takes that file as the base: what is missing here is as there",
        ),
        top("n_runs", &format!("an integer from 1 to {MAX_RUNS}"), Some("1"), "repeats of every experiment"),
        top("seed", &format!("an integer from 0 to {MAX_SEED}"), Some("0"), "what the seeds of the repeats are derived from"),
        top("plot_median", "true or false", Some("false"), "whether figures show the median over repeats instead of the mean"),
    ];
    rows.extend(stop_when_rows());
    rows.extend(DEFINITIONS.iter().map(|d| row("[experiment]", d.key, d.kind.describe(), Some(d.default), d.meaning)));
    let axis = "a list of values of a setting, or of tables { label = \"…\", set = { key = value } }".to_owned();
    rows.extend([
        row("[grid]", "KEY", axis.clone(), None, "an axis: the points are the product of all; several [[grid]] are a union"),
        row(
            "[[zip]]",
            "KEY",
            axis,
            None,
            "an axis that advances together with the others of its [[zip]], multiplied with the grid",
        ),
        row(
            "[[exclude]]",
            "KEY",
            "a value of that setting, or a label".to_owned(),
            None,
            "leaves out the points that match all keys",
        ),
        row("[[include]]", "KEY", "a value of that setting".to_owned(), None, "adds one point: the base settings with these"),
        row("[[include]]", "label", "a string".to_owned(), None, "label of that point in the tables"),
    ]);
    let process = format!("an integer from 1 to {MAX_PROCESSES}");
    rows.extend([
        row(
            "[launcher.local]",
            "workers",
            process.clone(),
            None,
            "worker processes; chosen by the size of the tasks if not given",
        ),
        row("[launcher.local]", "threads", process, None, "threads of each worker; the cores shared out if not given"),
    ]);
    rows.extend(sge::KEYS.iter().map(|k| row("[launcher.sge]", k.key, k.takes.describe(), k.default, k.meaning)));
    rows
}

/// The keys of `stop_when`, in the order in which they are looked up in its schema.
fn stop_when_rows() -> Vec<Row> {
    let row = |key, takes: String, default, meaning| Row { section: "[stop_when]", key, takes, default, meaning };
    vec![
        row(
            "quantity",
            one_of(&Quantity::ALL.iter().map(|q| q.name()).collect::<Vec<_>>()),
            None,
            "no further repeats of an experiment once the confidence interval of this is narrow enough",
        ),
        row(
            "ci95",
            Kind::Number { positive: true, make: Setting::LearningRate }.describe(),
            None,
            "its half-width must be below this",
        ),
        row(
            "min_runs",
            format!("an integer from 2 to {MAX_RUNS}"),
            None,
            "repeats before which no experiment stops; 3 if not given",
        ),
        row(
            "split",
            one_of(&Split::ALL.iter().map(|split| split.name()).collect::<Vec<_>>()),
            None,
            "where it is looked at; test if it is measured there",
        ),
        row("epoch", format!("an integer from -1 to {MAX_EPOCHS}"), None, "when; the last recorded epoch if not given"),
        row("layer", format!("an integer from 0 to {MAX_LAYERS}"), None, "of i_xt and i_ty; the last hidden layer if not given"),
        row(
            "estimator",
            "an estimator's name, or a table as in { upper = { noise_variance = 1e-3 } }".to_owned(),
            None,
            "of i_xt and i_ty; the first of the experiment if not given",
        ),
    ]
}

/// The schema of `stop_when`.
fn stop_when() -> Value {
    let types = [
        json!({ "enum": Quantity::ALL.iter().map(|q| q.name()).collect::<Vec<_>>() }),
        positive(),
        json!({ "type": "integer", "minimum": 2, "maximum": MAX_RUNS, "default": 3 }),
        json!({ "enum": Split::ALL.iter().map(|split| split.name()).collect::<Vec<_>>() }),
        json!({ "type": "integer", "minimum": -1, "maximum": MAX_EPOCHS }),
        json!({ "type": "integer", "minimum": 0, "maximum": MAX_LAYERS }),
        json!({ "anyOf": estimators() }),
    ];
    let property = |(row, mut schema): (Row, Value)| {
        schema["description"] = json!(row.meaning);
        (row.key.to_owned(), schema)
    };
    let properties: Map<String, Value> = stop_when_rows().into_iter().zip(types).map(property).collect();
    let mut schema = object(properties.into());
    schema["required"] = json!(["quantity", "ci95"]);
    schema
}

/// JSON Schema (draft 7, which editors of TOML know) of a cohort file. It holds what one part of the file can tell: names, types, ranges.
/// What takes the whole, as an exclude that matches nothing, only reading the file tells.
#[must_use]
pub fn json_schema() -> Value {
    let meaning = |key: &str| rows().into_iter().find(|row| row.section.is_empty() && row.key == key).map(|row| row.meaning);
    let about = |key: &str, mut schema: Value| {
        schema["description"] = json!(meaning(key));
        schema
    };
    let process = json!({ "type": "integer", "minimum": 1, "maximum": MAX_PROCESSES });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "infoplane cohort",
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {
            "name": about("name", name::schema()),
            "description": about("description", json!({ "type": "string", "default": "" })),
            "extends": about("extends", json!({ "type": "string" })),
            "n_runs": about("n_runs", json!({ "type": "integer", "minimum": 1, "maximum": MAX_RUNS, "default": 1 })),
            "seed": about("seed", json!({ "type": "integer", "minimum": 0, "maximum": MAX_SEED, "default": 0 })),
            "plot_median": about("plot_median", json!({ "type": "boolean", "default": false })),
            "stop_when": stop_when(),
            "experiment": settings(),
            "grid": one_or_several("axes"),
            "zip": one_or_several("axes"),
            "exclude": one_or_several("conditions"),
            "include": one_or_several("point"),
            "launcher": object(json!({
                "local": object(json!({ "workers": process, "threads": process })),
                "sge": object(sge_keys().into()),
            })),
        },
        "definitions": {
            "settings": settings(),
            "label": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": "\\S" },
            "labelled": {
                "type": "object",
                "additionalProperties": false,
                "required": ["label", "set"],
                "properties": { "label": { "$ref": "#/definitions/label" }, "set": { "$ref": "#/definitions/settings" } },
            },
            "axes": axes(),
            "conditions": conditions(),
            "point": point(),
        },
    })
}

/// A table of nothing but these keys.
fn object(properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// A section that may be given several times.
fn one_or_several(definition: &str) -> Value {
    let one = json!({ "$ref": format!("#/definitions/{definition}") });
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// A property for each key of `[launcher.sge]`.
fn sge_keys() -> Map<String, Value> {
    let property = |key: &sge::Key| {
        let mut schema = key.takes.schema();
        schema["description"] = json!(key.meaning);
        if let Some(Ok(default)) = key.default.map(DeValue::parse) {
            schema["default"] = plain(&default);
        }
        (key.key.to_owned(), schema)
    };
    sge::KEYS.iter().map(property).collect()
}

/// A property for each setting.
fn each(make: impl Fn(&Definition) -> Value) -> Map<String, Value> {
    DEFINITIONS.iter().map(|definition| (definition.key.to_owned(), make(definition))).collect()
}

/// One setting with its default and meaning.
fn setting(definition: &Definition) -> Value {
    let mut schema = value(definition);
    schema["description"] = json!(definition.meaning);
    if let Ok(default) = DeValue::parse(definition.default) {
        schema["default"] = plain(&default);
    }
    schema
}

/// A table of settings: the two forms of naming estimators do not mix.
fn settings() -> Value {
    let mut schema = object(each(setting).into());
    let old = json!([{ "required": ["estimator"] }, { "required": ["discretization_range"] }]);
    schema["not"] = json!({ "required": ["estimators"], "anyOf": old });
    schema
}

/// The axes of a grid or zip: an axis that is no setting has labelled values only.
fn axes() -> Value {
    let labelled = json!({ "$ref": "#/definitions/labelled" });
    let axis = |items: Value| json!({ "type": "array", "minItems": 1, "items": items });
    let mut properties = each(|definition| axis(json!({ "anyOf": [value(definition), labelled] })));
    // The same for the whole cohort, so no axes.
    for key in ["extends", "name", "description", "n_runs", "seed", "plot_median", "stop_when"] {
        properties.insert(key.to_owned(), json!(false));
    }
    json!({ "type": "object", "minProperties": 1, "properties": properties, "additionalProperties": axis(labelled) })
}

/// The conditions of an exclude: values, or labels of an axis.
fn conditions() -> Value {
    let properties = each(|definition| json!({ "anyOf": [value(definition), { "$ref": "#/definitions/label" }] }));
    json!({ "type": "object", "minProperties": 1, "properties": properties, "additionalProperties": { "$ref": "#/definitions/label" } })
}

/// An included point.
fn point() -> Value {
    let mut schema = settings();
    schema["properties"]["label"] = json!({ "$ref": "#/definitions/label" });
    schema["minProperties"] = json!(1);
    schema
}

/// What may stand as the value of a setting.
fn value(definition: &Definition) -> Value {
    match definition.kind {
        Kind::Name { names, .. } => json!({ "enum": names() }),
        Kind::Integer { min, max, .. } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { positive: true, .. } => positive(),
        Kind::Number { positive: false, .. } => json!({ "type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER }),
        Kind::Switch { .. } => json!({ "type": "boolean" }),
        Kind::OrOff { number: true, .. } => or_off(positive()),
        Kind::OrOff { number: false, max, .. } => or_off(json!({ "type": "integer", "minimum": 1, "maximum": max })),
        Kind::Rule { forms, .. } => form_schema(&forms()),
        Kind::Params { params, .. } => or_off(table_schema(&params())),
        Kind::Bytes { .. } => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "minLength": 2 }] }),
        Kind::Recorded => {
            let epoch = json!({ "type": "integer", "minimum": 0, "maximum": MAX_EPOCHS });
            let range = object(json!({ "from": epoch, "to": epoch, "every": epoch }));
            let item = json!({ "anyOf": [epoch, range] });
            let log = object(json!({ "log": { "type": "integer", "minimum": 1 } }));
            json!({ "anyOf": [{ "enum": ["standard"] }, { "type": "array", "minItems": 1, "items": item }, log] })
        }
        Kind::Stopping => {
            let number = json!({ "type": "number" });
            let names: Vec<_> = Monitor::ALL.iter().map(|monitor| monitor.name()).chain(["val_accuracy", "accuracy"]).collect();
            let passes = json!({ "type": "integer", "minimum": 1, "maximum": MAX_EPOCHS });
            let rule = json!({ "monitor": { "enum": names }, "value": number, "patience": passes, "min_delta": number });
            json!({ "anyOf": [{ "type": "boolean" }, object(rule)] })
        }
        Kind::Text { .. } => json!({ "type": "string" }),
        Kind::Dataset => {
            let names: Vec<_> = Source::names().collect();
            let forms: Vec<_> = [json!({ "enum": names })].into_iter().chain(Format::ALL.iter().map(|f| files(*f))).collect();
            json!({ "anyOf": forms })
        }
        Kind::Layers => {
            json!({ "type": "array", "maxItems": MAX_LAYERS, "items": { "type": "integer", "minimum": 1, "maximum": MAX_UNITS } })
        }
        Kind::Splits => {
            let names: Vec<_> = Split::ALL.iter().map(|split| split.name()).chain(["full_dataset"]).collect();
            json!({ "anyOf": [{ "enum": names }, { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "enum": names } }] })
        }
        Kind::Estimators => json!({ "type": "array", "uniqueItems": true, "items": { "anyOf": estimators() } }),
    }
}

/// The table of one file format.
fn files(format: Format) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let one = |field: &Field| match field.kind {
        FieldKind::Path | FieldKind::Name => text.clone(),
        FieldKind::Column => json!({ "anyOf": [text, { "type": "integer", "minimum": 0 }] }),
        FieldKind::Paths => json!({ "anyOf": [text, { "type": "array", "minItems": 1, "items": text }] }),
    };
    let mut fields: Map<String, Value> = format.fields().iter().map(|field| (field.key.to_owned(), one(field))).collect();
    let fraction = json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": TRAIN_SHARE });
    fields.insert("train_fraction".to_owned(), fraction);
    let mut table = object(fields.into());
    table["required"] = format.fields().iter().filter(|field| field.required).map(|field| field.key).collect();
    let mut outer = object(json!({ format.name(): table }));
    outer["required"] = json!([format.name()]);
    outer
}

fn positive() -> Value {
    json!({ "type": "number", "minimum": MIN_POSITIVE, "maximum": MAX_NUMBER })
}

/// The forms of one item of `estimators`: a name, or a table of parameters for each name.
fn estimators() -> Vec<Value> {
    let names = EstimatorSpec::cohort_names();
    let params = |method: &Method| {
        let defaults = method.default.values();
        let param = |parameter: &Parameter| {
            let mut schema = domain(parameter.domain);
            schema["description"] = json!(parameter.meaning);
            if let Some((_, default)) = defaults.iter().find(|(name, _)| *name == parameter.name) {
                schema["default"] = default.json();
            }
            (parameter.name.to_owned(), schema)
        };
        let params: Map<String, Value> = method.default.parameters().into_iter().map(param).collect();
        let name = method.name;
        json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": { name: object(params.into()) } })
    };
    [json!({ "enum": names })].into_iter().chain(METHODS.iter().map(params)).collect()
}

/// What may stand as a parameter.
pub(super) fn domain(domain: Domain) -> Value {
    match domain {
        Domain::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Domain::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Domain::Switch => json!({ "type": "boolean" }),
        Domain::Name(names) => json!({ "enum": names }),
    }
}

/// A TOML value as JSON.
fn plain(node: &Node<'_>) -> Value {
    match node.get_ref() {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.to_string().parse::<i64>().ok()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().ok()),
        DeValue::Boolean(switch) => json!(switch),
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(items) => items.iter().map(plain).collect(),
        DeValue::Table(table) => {
            Value::Object(table.iter().map(|(key, node)| (key.get_ref().to_string(), plain(node))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn every_key_parses_with_its_default_and_changes_nothing() {
        let alone = parse("f", "name = 'n'\n").unwrap();
        let points = |cohort: &super::super::Cohort| cohort.points().map(|point| point.settings).collect::<Vec<_>>();
        let mut keys = 0;
        for row in rows() {
            let Some(default) = row.default else { continue };
            let cohort = parse("f", &format!("name = 'n'\n{}\n{} = {default}\n", row.section, row.key)).unwrap();
            assert_eq!(points(&cohort), points(&alone), "{row:?}");
            assert_eq!((&cohort.description, cohort.n_runs, cohort.seed), (&alone.description, alone.n_runs, alone.seed));
            keys += 1;
        }
        let launchers = sge::KEYS.iter().filter(|key| key.default.is_some()).count();
        assert_eq!(keys, DEFINITIONS.len() + launchers + 4);
    }

    #[test]
    fn the_schema_states_every_default() {
        let schema = json_schema();
        for definition in DEFINITIONS {
            let property = &schema["properties"]["experiment"]["properties"][definition.key];
            assert!(!property["default"].is_null() && property["description"] == definition.meaning, "{}", definition.key);
        }
        assert_eq!(schema["properties"]["experiment"]["properties"]["architecture"]["default"], json!([10, 7, 5, 4, 3]));
    }
}

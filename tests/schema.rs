//! The JSON Schema agrees with what is read: good cohorts pass, and what is wrong in form does not.

mod common;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use common::Lab;
use serde_json::Value;

/// Broken cohorts of the corpus that are well formed: what is wrong takes the whole file to tell.
const WELL_FORMED: &[&str] = &[
    // Their names break a pattern, which `mistakes` leaves to full validators.
    "bad-name",
    "path-as-name",
    "quotes-in-name",
    // To JSON Schema 5.0 is an integer.
    "float-where-integer",
    "axes-in-conflict",
    "axis-twice",
    "both-estimator-forms",
    "estimators-twice",
    "exclude-leaves-nothing",
    "exclude-matches-nothing",
    "labels-twice",
    "step-trained",
    "units-too-many",
    "too-many-points",
    // What a layer is depends on the architecture.
    "stop-when-unfit",
    "unequal-zip",
    "zip-single-table",
];

/// The schema as the program prints it.
fn schema() -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&Lab::new().call(&["schema", "--json"]).expect(0).stdout)?)
}

/// What of a value does not meet a schema, by the keywords of JSON Schema that ours uses; any other keyword is a mistake, too.
fn mistakes(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &Value::Bool(true) { vec![] } else { vec![format!("{path}: may not be there")] };
    };
    let fits = |schema: &Value| mistakes(root, schema, value, path).is_empty();
    let (items, fields, number) = (value.as_array(), value.as_object(), value.as_f64());
    let mut found = Vec::new();
    for (keyword, rule) in keywords {
        let limit = rule.as_f64().unwrap_or(f64::NAN);
        let good = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "definitions" | "pattern" | "additionalProperties" => true,
            "$ref" => fits(root.pointer(rule.as_str().unwrap_or_default().trim_start_matches('#')).unwrap_or(&Value::Null)),
            "type" => match rule.as_str().unwrap_or_default() {
                "object" => fields.is_some(),
                "array" => items.is_some(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => number.is_some_and(|n| n.fract() == 0.0),
                "number" => number.is_some(),
                _ => false,
            },
            "enum" => rule.as_array().is_some_and(|allowed| allowed.contains(value)),
            "anyOf" => rule.as_array().is_some_and(|schemas| schemas.iter().any(fits)),
            "not" => !fits(rule),
            "minimum" => number.is_none_or(|n| n >= limit),
            "maximum" => number.is_none_or(|n| n <= limit),
            "exclusiveMinimum" => number.is_none_or(|n| n > limit),
            "exclusiveMaximum" => number.is_none_or(|n| n < limit),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 >= limit),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 <= limit),
            "minItems" => items.is_none_or(|items| items.len() as f64 >= limit),
            "maxItems" => items.is_none_or(|items| items.len() as f64 <= limit),
            "minProperties" => fields.is_none_or(|fields| fields.len() as f64 >= limit),
            "uniqueItems" => {
                items.is_none_or(|items| items.iter().map(Value::to_string).collect::<BTreeSet<_>>().len() == items.len())
            }
            "required" => rule.as_array().is_some_and(|keys| {
                keys.iter().all(|key| fields.is_none_or(|fields| fields.contains_key(key.as_str().unwrap_or_default())))
            }),
            "items" => {
                items.into_iter().flatten().for_each(|item| found.extend(mistakes(root, rule, item, path)));
                true
            }
            "properties" => {
                for (key, field) in fields.into_iter().flatten() {
                    let known = rule.get(key).or_else(|| keywords.get("additionalProperties")).unwrap_or(&Value::Bool(true));
                    found.extend(mistakes(root, known, field, &format!("{path}.{key}")));
                }
                true
            }
            _ => false,
        };
        if !good {
            found.push(format!("{path}: {keyword} {rule}"));
        }
    }
    found
}

/// Every cohort file below a directory of the project.
fn cohorts(dir: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    let mut files = Vec::new();
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    Ok(files)
}

#[test]
fn every_sweep_passes() -> Result<(), Box<dyn Error>> {
    let (schema, sweeps) = (schema()?, cohorts("sweeps")?);
    assert!(!sweeps.is_empty());
    for path in sweeps {
        let cohort: Value = toml::from_str(&fs::read_to_string(&path)?)?;
        let found = mistakes(&schema, &schema, &cohort, "");
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
    Ok(())
}

#[test]
fn what_is_wrong_in_form_does_not_pass() -> Result<(), Box<dyn Error>> {
    let schema = schema()?;
    let mut wrong = 0;
    for path in cohorts("tests/broken")? {
        // What is no TOML is told before any schema.
        let Ok(cohort) = toml::from_str::<Value>(&fs::read_to_string(&path)?) else { continue };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let passes = mistakes(&schema, &schema, &cohort, "").is_empty();
        assert_eq!(passes, WELL_FORMED.contains(&name.as_str()), "{name}");
        wrong += usize::from(!WELL_FORMED.contains(&name.as_str()));
    }
    assert!(wrong >= 15, "{wrong}");
    Ok(())
}

#[test]
fn every_form_of_the_language_passes() -> Result<(), Box<dyn Error>> {
    let text = r#"
        name = "..every"
        extends = "other.toml"
        [experiment]
        architecture = []
        calculate_mi_for = "full_dataset"
        estimators = ["binning", { upper = { noise_variance = 1e-2 } }, { lower = {} }]
        [[grid]]
        activation_fn = ["tanh", { label = "deep", set = { architecture = [4, 4], activation_fn = "relu" } }]
        size = [{ label = "small", set = { architecture = [4] } }]
        [[grid]]
        calculate_mi_for = ["train", ["train", "test"]]
        [zip]
        initial_bias = [0, 0.5]
        [[exclude]]
        size = "small"
        activation_fn = "deep"
        [[include]]
        label = "alone"
        learning_rate = 1
        [launcher.local]
        workers = 2
    "#;
    let cohort: Value = toml::from_str(text)?;
    let schema = schema()?;
    let found = mistakes(&schema, &schema, &cohort, "");
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

#[test]
fn the_table_has_every_key() {
    let table = Lab::new().call(&["schema"]).expect(0).stdout;
    for words in
        [&["n_runs", "1", "repeats"][..], &["epochs", "8000", "passes"], &["workers", "-", "processes"], &["[[include]]"]]
    {
        let found = table.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in no line of\n{table}");
    }
}

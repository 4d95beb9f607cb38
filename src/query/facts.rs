//! What can be asked of a run besides its results: its settings and its place, as values, texts and JSON.

use serde_json::Value;

use super::study::RunRef;
use crate::cohort::settings::{ColumnValue, Settings};

/// Keys of a run's place in its cohort; the keys of its settings come on top.
pub const PLACE: [&str; 5] = ["cohort", "experiment", "run", "seed", "training_id"];

/// The keys of settings, each with a value that shows its type.
#[must_use]
pub fn settings_keys() -> Vec<(&'static str, ColumnValue)> {
    Settings::default().columns()
}

/// The place of a run in its cohort: the keys of [`PLACE`], in that order.
#[must_use]
pub fn place(run: &RunRef<'_>) -> Vec<(&'static str, ColumnValue)> {
    let int = |v: u64| ColumnValue::Int(i64::try_from(v).unwrap_or(i64::MAX));
    let values = [
        ColumnValue::Text(run.study.grid.cohort.clone()),
        ColumnValue::Text(run.experiment().label.clone()),
        int(run.run.repeat.into()),
        int(run.run.seed),
        ColumnValue::Text(run.run.training.to_string()),
    ];
    PLACE.into_iter().zip(values).collect()
}

/// A value as a table shows it.
#[must_use]
pub fn text(value: &ColumnValue) -> String {
    match value {
        ColumnValue::Int(v) => v.to_string(),
        // As cohort files write it: 1e30, not a one with thirty zeros.
        ColumnValue::Float(v) => format!("{v:?}"),
        ColumnValue::Bool(v) => v.to_string(),
        ColumnValue::Text(v) => v.clone(),
    }
}

/// A value as JSON; a list, which tables hold as text, is one.
#[must_use]
pub fn json(value: &ColumnValue) -> Value {
    match value {
        ColumnValue::Int(v) => Value::from(*v),
        ColumnValue::Float(v) => Value::from(*v),
        ColumnValue::Bool(v) => Value::from(*v),
        ColumnValue::Text(v) if v.starts_with('[') => serde_json::from_str(v).unwrap_or_else(|_| Value::from(v.as_str())),
        ColumnValue::Text(v) => Value::from(v.as_str()),
    }
}

/// The keys in which rows differ, each with the value of every row. All rows have the same keys in the same order.
#[must_use]
pub fn differing(rows: &[Vec<(&'static str, ColumnValue)>]) -> Vec<(&'static str, Vec<ColumnValue>)> {
    let Some(first) = rows.first() else { return Vec::new() };
    let column = |place: usize| -> Vec<ColumnValue> { rows.iter().map(|row| row[place].1.clone()).collect() };
    let keys = first.iter().enumerate().filter(|(place, (_, value))| rows.iter().any(|row| row[*place].1 != *value));
    keys.map(|(place, (key, _))| (*key, column(place))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::study::{Study, samples};
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let grid = samples::grid();
        let study = Study { grid: &grid, text: "" };
        let rows: Vec<_> = study.runs().step_by(2).map(|run| run.experiment().settings.columns()).collect();
        let keys: Vec<_> =
            differing(&rows).into_iter().map(|(key, values)| (key, values.iter().map(text).collect::<Vec<_>>())).collect();
        assert_eq!(keys[0], ("activation_fn", vec!["tanh".into(), "relu".into(), "relu".into()]));
        assert_eq!(keys.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["activation_fn", "epochs", "estimators"]);
        assert!(differing(&rows[..1]).is_empty() && differing(&[]).is_empty());
    }

    #[test]
    fn lists_are_lists_in_json() {
        let architecture = ColumnValue::Text("[10,7]".into());
        assert_eq!((text(&architecture), json(&architecture)), ("[10,7]".into(), serde_json::json!([10, 7])));
        assert_eq!(json(&ColumnValue::Text("[odd".into())), "[odd");
    }
}

//! Which experiments, estimators and examples a figure shows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::exit::{Exit, Failure};
use crate::grid::{Experiment, Grid};
use crate::plot::SheetWidth;
use crate::query::facts;
use crate::train::spec::Split;

/// What is wanted of a cohort's tables.
pub struct Wanted {
    /// The cohort's name.
    pub cohort: String,
    /// The directory of its tables.
    pub dir: PathBuf,
    /// The width of sheets.
    pub width: SheetWidth,
    /// The examples; `None`: all that there are.
    pub split: Option<Split>,
    /// Labels of the experiments; `None`: all.
    labels: Option<BTreeSet<String>>,
    /// Estimators, as people call them; none: all.
    estimators: Vec<String>,
}

impl Wanted {
    /// All of a cohort.
    pub fn all(cohort: &str, dir: &Path) -> Self {
        Self {
            cohort: cohort.to_owned(),
            dir: dir.to_owned(),
            width: SheetWidth::Auto,
            split: None,
            labels: None,
            estimators: Vec::new(),
        }
    }

    /// Takes only the experiments that meet all `conditions`, each KEY=VALUE.
    pub fn only(mut self, conditions: &[String], grid: &Grid) -> Result<Self, Failure> {
        if !conditions.is_empty() {
            self.labels = Some(meeting(conditions, grid)?.into_iter().map(|i| grid.experiments[i].label.clone()).collect());
        }
        Ok(self)
    }

    /// Takes only this split.
    pub fn on(self, split: Option<Split>) -> Self {
        Self { split, ..self }
    }

    /// Draws sheets of this width.
    pub fn wide(self, width: SheetWidth) -> Self {
        Self { width, ..self }
    }

    /// Takes only these estimators.
    pub fn by(self, estimators: Vec<String>) -> Self {
        Self { estimators, ..self }
    }

    /// Whether an experiment is wanted.
    pub fn takes(&self, label: &str) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.contains(label))
    }

    /// Whether a split is wanted.
    pub fn takes_split(&self, split: Split) -> bool {
        self.split.is_none_or(|wanted| wanted == split)
    }

    /// Whether an estimator is wanted: by its name, or its name with its parameters in either way of writing them.
    pub fn takes_estimator(&self, name: &str, params: &str) -> bool {
        let called = |wanted: &String| {
            *wanted == name || *wanted == format!("{name}{params}") || *wanted == format!("{name} {}", super::parameters(params))
        };
        self.estimators.is_empty() || self.estimators.iter().any(called)
    }

    /// What to say when nothing was left to draw: what there is of `found`, each once.
    pub fn nothing(&self, what: &str, found: &BTreeSet<String>) -> Failure {
        let there = match found.len() {
            0 => format!("its tables have no {what}"),
            _ => format!("there are: {}", found.iter().take(20).cloned().collect::<Vec<_>>().join("; ")),
        };
        Failure::new(Exit::Invalid, format!("`{}` has no {what} to draw as asked for; {there}", self.cohort))
    }
}

/// Places of the experiments of a grid that meet all conditions, each KEY=VALUE; at least one.
pub fn meeting(conditions: &[String], grid: &Grid) -> Result<Vec<usize>, Failure> {
    let invalid = |text: String| Failure::new(Exit::Invalid, text);
    let mut kept: Vec<usize> = (0..grid.experiments.len()).collect();
    for condition in conditions {
        let (key, value) = condition.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("`{condition}` is no condition: expected KEY=VALUE, as in activation_fn=tanh"))
        })?;
        let keys: Vec<&str> = std::iter::once("experiment").chain(facts::settings_keys().iter().map(|(key, _)| *key)).collect();
        if !keys.contains(&key) {
            return Err(invalid(format!("no key `{key}`, expected one of {}", keys.join(", "))));
        }
        let all: BTreeSet<String> = grid.experiments.iter().map(|experiment| text(experiment, key)).collect();
        kept.retain(|&i| is(&text(&grid.experiments[i], key), value));
        if kept.is_empty() {
            let there: Vec<&str> = all.iter().take(20).map(String::as_str).collect();
            return Err(invalid(format!(
                "no experiment of `{}` has {condition}; values of {key} are {}",
                grid.cohort,
                there.join("; ")
            )));
        }
    }
    Ok(kept)
}

/// A value of an experiment as tables show it.
fn text(experiment: &Experiment, key: &str) -> String {
    if key == "experiment" {
        return experiment.label.clone();
    }
    let columns = experiment.settings.columns();
    columns.iter().find(|(name, _)| *name == key).map_or_else(String::new, |(_, value)| facts::text(value))
}

/// Whether a value is the one asked for: the same number, or the same text but for blanks and quotes.
fn is(value: &str, wanted: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '"').collect::<String>();
    match (value.parse::<f64>(), wanted.trim().parse::<f64>()) {
        (Ok(value), Ok(wanted)) => value == wanted,
        _ => plain(value) == plain(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::settings::Settings;
    use crate::train::spec::{Activation, TrainingSpec};

    fn grid() -> Grid {
        let experiment = |activation: Activation, learning_rate: f64| Experiment {
            label: format!("{} {learning_rate}", activation.name()),
            settings: Settings {
                training: TrainingSpec { activation, learning_rate, ..TrainingSpec::default() }.into(),
                ..Settings::default()
            },
        };
        let experiments =
            vec![experiment(Activation::Tanh, 4e-4), experiment(Activation::Relu, 4e-4), experiment(Activation::Relu, 1e-3)];
        Grid { cohort: "c".into(), n_runs: 1, enough: Vec::new(), seed: 0, experiments, duplicates: Vec::new() }
    }

    #[test]
    fn conditions_select_by_value_however_it_is_written() {
        let take = |conditions: &[&str]| {
            let conditions: Vec<String> = conditions.iter().map(|&c| c.to_owned()).collect();
            meeting(&conditions, &grid()).map_err(|e| e.report())
        };
        assert_eq!(take(&[]).unwrap(), [0, 1, 2]);
        assert_eq!(take(&["activation_fn=relu"]).unwrap(), [1, 2]);
        assert_eq!(take(&["activation_fn=relu", "learning_rate=4e-4"]).unwrap(), [1]);
        assert_eq!(take(&["architecture=[10, 7, 5, 4, 3]", "experiment=tanh 0.0004"]).unwrap(), [0]);
        for (bad, said) in [("tanh", "KEY=VALUE"), ("colour=red", "activation_fn"), ("activation_fn=rel", "relu; tanh")] {
            let error = take(&[bad]).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn estimators_are_called_by_name_or_in_full() {
        let takes = |wanted: &str, name: &str, params: &str| {
            Wanted::all("c", Path::new("")).by(vec![wanted.to_owned()]).takes_estimator(name, params)
        };
        let params = r#"{"noise_variance":0.001}"#;
        assert!(takes("upper", "upper", params) && takes("upper noise_variance 0.001", "upper", params));
        assert!(takes(r#"upper{"noise_variance":0.001}"#, "upper", params) && !takes("lower", "upper", params));
        assert!(Wanted::all("c", Path::new("")).takes_estimator("upper", params));
    }
}

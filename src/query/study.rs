//! The cohorts of a store, their runs, and the names by which people and programs ask for them.

use rayon::prelude::*;
use thiserror::Error;

use crate::estimate::spec::EstimatorSpec;
use crate::grid::ids::Id;
use crate::grid::{Experiment, Grid, Run};
use crate::train::spec::Split;

/// Digits of an id that a prefix needs at least: fewer are more likely a slip.
const SHORTEST_PREFIX: usize = 4;

/// A cohort that a store knows, expanded.
#[derive(Clone, Copy, Debug)]
pub struct Study<'a> {
    /// Its experiments.
    pub grid: &'a Grid,
    /// The text of its file.
    pub text: &'a str,
}

/// One run of one study.
#[derive(Clone, Copy, Debug)]
pub struct RunRef<'a> {
    /// The cohort.
    pub study: Study<'a>,
    /// The run.
    pub run: Run,
}

impl<'a> RunRef<'a> {
    /// The run's experiment.
    #[must_use]
    pub fn experiment(&self) -> &'a Experiment {
        &self.study.grid.experiments[self.run.experiment]
    }

    /// COHORT:LABEL:REPEAT, unique in a store.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}:{}", self.study.grid.cohort, self.experiment().label, self.run.repeat)
    }

    /// The measurements that the run asks for: estimator, split, id.
    pub fn measurements(&self) -> impl Iterator<Item = (EstimatorSpec, Split, Id)> + use<'a> {
        let settings = &self.experiment().settings;
        let training = self.run.training;
        let on = move |estimator: EstimatorSpec, split: Split| (estimator, split, Id::measurement(training, &estimator, split));
        settings.estimators.iter().flat_map(move |estimator| settings.splits.iter().map(move |split| on(*estimator, *split)))
    }
}

impl<'a> Study<'a> {
    /// Its runs, in the order of the tables.
    pub fn runs(self) -> impl Iterator<Item = RunRef<'a>> {
        self.grid.runs().map(move |run| RunRef { study: self, run })
    }

    /// The runs for which `keep` holds, in the order of the tables; looked at by several threads.
    pub fn runs_where(self, keep: impl Fn(&RunRef<'_>) -> bool + Sync) -> Vec<RunRef<'a>> {
        let of = |experiment: usize| {
            (0..self.grid.repeats(experiment)).into_par_iter().filter_map({
                let keep = &keep;
                move |repeat| {
                    let run = RunRef { study: self, run: self.grid.run(experiment, repeat) };
                    keep(&run).then_some(run)
                }
            })
        };
        (0..self.grid.experiments.len()).into_par_iter().flat_map(of).collect()
    }
}

/// What a person called a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunName {
    /// COHORT:LABEL:REPEAT.
    Full {
        /// The cohort.
        cohort: String,
        /// Label of the experiment; may hold colons.
        label: String,
        /// Which repeat, from 0.
        repeat: u32,
    },
    /// The first digits of a training's id, in lower case.
    Training(String),
}

/// A name that is none, or names nothing, or too much.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Neither form.
    #[error(
        "`{0}` is no run: expected COHORT:LABEL:REPEAT, as in \"quickstart:activation_fn=tanh:0\", or the first digits (at least {SHORTEST_PREFIX}) of a \
         training's id"
    )]
    Form(String),
    /// No run of that name.
    #[error("no run `{name}` in this store; {hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        hint: String,
    },
    /// Several trainings begin with these digits.
    #[error("`{prefix}` is the beginning of several ids: {ids}; give more digits")]
    Ambiguous {
        /// The digits.
        prefix: String,
        /// Some of the ids.
        ids: String,
    },
}

impl RunName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError::Form`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let form = || NameError::Form(text.to_owned());
        if is_prefix(text) {
            return Ok(Self::Training(text.to_ascii_lowercase()));
        }
        let (cohort, rest) = text.split_once(':').ok_or_else(form)?;
        let (label, repeat) = rest.rsplit_once(':').ok_or_else(form)?;
        let repeat = repeat.parse().map_err(|_| form())?;
        Ok(Self::Full { cohort: cohort.to_owned(), label: label.to_owned(), repeat })
    }
}

/// Whether a word can be the beginning of an id.
#[must_use]
pub fn is_prefix(word: &str) -> bool {
    (SHORTEST_PREFIX..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The runs that a name stands for, in the order of the tables: one for a full name, all that share the training for an id.
///
/// # Errors
/// [`NameError`].
pub fn resolve<'a>(studies: &[Study<'a>], text: &str) -> Result<Vec<RunRef<'a>>, NameError> {
    match RunName::parse(text)? {
        RunName::Full { cohort, label, repeat } => named(studies, text, &cohort, &label, repeat).map(|run| vec![run]),
        RunName::Training(prefix) => {
            let begins = |run: &RunRef<'_>| run.run.training.to_string().starts_with(&prefix);
            let found: Vec<_> = studies.iter().flat_map(|study| study.runs_where(begins)).collect();
            let mut ids: Vec<String> = found.iter().map(|run| run.run.training.to_string()).collect();
            ids.sort_unstable();
            ids.dedup();
            match ids.len() {
                0 => {
                    let hint = "no cohort of it asks for a training whose id begins so".to_owned();
                    Err(NameError::Unknown { name: text.to_owned(), hint })
                }
                1 => Ok(found),
                _ => {
                    ids.truncate(4);
                    Err(NameError::Ambiguous { prefix, ids: ids.join(", ") })
                }
            }
        }
    }
}

/// The run of a full name.
fn named<'a>(studies: &[Study<'a>], name: &str, cohort: &str, label: &str, repeat: u32) -> Result<RunRef<'a>, NameError> {
    let unknown = |hint: String| NameError::Unknown { name: name.to_owned(), hint };
    let Some(study) = studies.iter().find(|study| study.grid.cohort == cohort) else {
        let names: Vec<&str> = studies.iter().map(|study| study.grid.cohort.as_str()).collect();
        return Err(unknown(format!("its cohorts are: {}", names.join(", "))));
    };
    let experiments = &study.grid.experiments;
    let Some(experiment) = experiments.iter().position(|experiment| experiment.label == label) else {
        let mut labels: Vec<&str> = experiments.iter().take(8).map(|experiment| experiment.label.as_str()).collect();
        if experiments.len() > labels.len() {
            labels.push("…");
        }
        return Err(unknown(format!("labels of `{cohort}` are: {}", labels.join(" | "))));
    };
    if repeat >= study.grid.n_runs {
        return Err(unknown(format!("repeats of `{cohort}` are 0 to {}", study.grid.n_runs.saturating_sub(1))));
    }
    Ok(RunRef { study: *study, run: study.grid.run(experiment, repeat) })
}

#[cfg(test)]
pub mod samples {
    //! A small cohort for this room's tests.

    use super::*;
    use crate::cohort::settings::Settings;
    use crate::train::spec::{Activation, TrainingSpec};

    /// Two trainings' worth of settings, three experiments: the third measures the second's trainings in another way. Two repeats.
    pub fn grid() -> Grid {
        let binning = EstimatorSpec::Binning { bin_width: 0.07 };
        let upper = EstimatorSpec::Upper { noise_variance: 1e-3 };
        let relu = TrainingSpec { activation: Activation::Relu, epochs: 300, ..TrainingSpec::default() };
        let settings = |training: &TrainingSpec, estimator| Settings {
            training: training.clone().into(),
            estimators: vec![estimator],
            splits: vec![Split::Train, Split::Test],
            tensorboard: false,
            data_dir: String::new(),
            seed_offset: 0,
        };
        let experiment = |label: &str, settings| Experiment { label: label.into(), settings };
        let experiments = vec![
            experiment("tanh", settings(&TrainingSpec::default(), binning)),
            experiment("relu: binned", settings(&relu, binning)),
            experiment("relu: upper", settings(&relu, upper)),
        ];
        Grid { cohort: "c".into(), n_runs: 2, seed: 7, experiments, duplicates: Vec::new(), enough: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_labels_may_hold_colons() {
        assert_eq!(RunName::parse("ABCD12").unwrap(), RunName::Training("abcd12".into()));
        let full = RunName::Full { cohort: "c".into(), label: "a: b".into(), repeat: 3 };
        assert_eq!(RunName::parse("c:a: b:3").unwrap(), full);
        for bad in ["", "abc", "c:a", "c:a:x", "c:a:-1", "nothex!"] {
            assert!(matches!(RunName::parse(bad), Err(NameError::Form(_))), "{bad}");
        }
    }

    #[test]
    fn every_run_is_found_by_its_name_and_by_its_training() {
        let grid = samples::grid();
        let studies = [Study { grid: &grid, text: "" }];
        let runs: Vec<_> = studies[0].runs().collect();
        assert_eq!(runs.len(), 6);
        for run in &runs {
            let found = resolve(&studies, &run.name()).unwrap();
            assert_eq!((found.len(), found[0].run), (1, run.run));
            let id = run.run.training.to_string();
            let sharing = if run.run.experiment == 0 { 1 } else { 2 };
            assert_eq!(resolve(&studies, &id[..12]).unwrap().len(), sharing);
        }
        assert_eq!(
            studies[0].runs_where(|_| true).iter().map(RunRef::name).collect::<Vec<_>>(),
            runs.iter().map(RunRef::name).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let grid = samples::grid();
        let studies = [Study { grid: &grid, text: "" }];
        for (name, hint) in [
            ("d:tanh:0", "its cohorts are: c"),
            ("c:sigmoid:0", "tanh | relu: binned | relu: upper"),
            ("c:tanh:2", "0 to 1"),
            ("00000000000000000000000000000000", "no cohort"),
        ] {
            let error = resolve(&studies, name).unwrap_err().to_string();
            assert!(error.contains(hint) && error.contains(name), "{error}");
        }
        assert_eq!(RunName::parse("12").unwrap_err(), NameError::Form("12".into()));
    }
}

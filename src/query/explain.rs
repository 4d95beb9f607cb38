//! All that is known of one training: what is committed of it, every attempt at it, and what it waits for.

use serde::Serialize;

use super::running::Notice;
use super::status::{Standing, standing, under_way};
use super::study::RunRef;
use crate::aggregate::RunStatus;
use crate::grid::ids::Id;
use crate::store::records::{Attempt, AttemptStatus};
use crate::store::{Index, StoreError};

/// What is known of the runs that share one training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The training.
    pub training_id: String,
    /// Its seed.
    pub seed: u64,
    /// The runs asked for, each with its status.
    pub runs: Vec<ExplainedRun>,
    /// What is committed of the training; none if it is not there.
    pub training: Option<TrainingFacts>,
    /// The measurements that the runs ask for, each once.
    pub measurements: Vec<MeasurementFacts>,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptFacts>,
    /// In words: done, under way, why it waits or failed, what to do.
    pub verdict: String,
}

/// A run and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedRun {
    /// COHORT:LABEL:REPEAT.
    pub run: String,
    /// ok, failed, lost, oom, missing, running or not needed.
    pub status: &'static str,
}

/// A committed training in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrainingFacts {
    /// Recorded epochs.
    pub epochs: usize,
    /// The last of them.
    pub last_epoch: Option<i64>,
    /// Whether its weights were kept: then a further measurement takes no training.
    pub snapshots: bool,
}

/// A measurement that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeasurementFacts {
    /// The estimator.
    pub estimator: &'static str,
    /// Its parameters, canonical.
    pub estimator_params: String,
    /// The examples.
    pub split: &'static str,
    /// Its id.
    pub id: String,
    /// Whether it is there, and whole.
    pub committed: bool,
}

/// An attempt, as the table `provenance` tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptFacts {
    /// 1 for the first.
    pub attempt: u32,
    /// ok, failed, lost or oom.
    pub status: &'static str,
    /// Why it did not end well.
    pub error: Option<String>,
    /// Where.
    pub host: String,
    /// By which launcher.
    pub launcher: String,
    /// When, in seconds since 1970.
    pub started: f64,
    /// How long.
    pub seconds: f64,
    /// Version of the program.
    pub version: String,
    /// Commit that it was built from.
    pub commit: String,
    /// Instruction set of the kernels.
    pub isa: String,
}

impl From<Attempt> for AttemptFacts {
    fn from(a: Attempt) -> Self {
        let (attempt, status) = (a.number, a.status.name());
        let Attempt { error, host, launcher, started, seconds, version, commit, isa, .. } = a;
        Self { attempt, status, error, host, launcher, started, seconds, version, commit, isa }
    }
}

/// Explains runs, at least one, that share one training; `None` for none.
///
/// # Errors
/// [`StoreError::Io`].
pub fn explain(runs: &[RunRef<'_>], index: &Index, live: &[Notice]) -> Result<Option<Explanation>, StoreError> {
    let Some(first) = runs.first() else { return Ok(None) };
    let id = first.run.training;
    // Read, not only looked up, so that damage is known before the statuses are told.
    let training = index.training(id)?.map(|t| TrainingFacts {
        epochs: t.epochs.len(),
        last_epoch: t.epochs.last().copied(),
        snapshots: t.snapshots.is_some(),
    });
    let mut measurements: Vec<MeasurementFacts> = Vec::new();
    for (estimator, split, id) in runs.iter().flat_map(RunRef::measurements) {
        let id_text = id.to_string();
        if measurements.iter().all(|known| known.id != id_text) {
            let (estimator_params, committed) = (estimator.params(), index.verify(id)?);
            let (estimator, split) = (estimator.name(), split.name());
            measurements.push(MeasurementFacts { estimator, estimator_params, split, id: id_text, committed });
        }
    }
    let under_way = under_way(live);
    let mut explained = Vec::new();
    let mut worst = Standing::Status(RunStatus::Ok);
    for run in runs {
        let found = standing(index, &under_way, run)?;
        if worst == Standing::Status(RunStatus::Ok) || !matches!(found, Standing::Status(RunStatus::Ok) | Standing::NotNeeded) {
            worst = found;
        }
        explained.push(ExplainedRun { run: run.name(), status: found.name() });
    }
    let attempts = index.attempts(id)?;
    let verdict = verdict(worst, first, &attempts, live);
    Ok(Some(Explanation {
        training_id: id.to_string(),
        seed: first.run.seed,
        runs: explained,
        training,
        measurements,
        attempts: attempts.into_iter().map(AttemptFacts::from).collect(),
        verdict,
    }))
}

/// What to make of it, in words.
fn verdict(standing: Standing, run: &RunRef<'_>, attempts: &[Attempt], live: &[Notice]) -> String {
    let cohort = &run.study.grid.cohort;
    let lost = attempts.iter().filter(|a| a.status == AttemptStatus::Lost).count();
    let at_work = live.iter().find(|notice| notice.cohort == *cohort);
    let next = match at_work {
        Some(notice) => format!("process {} on {} is at work on this cohort", notice.pid, notice.host),
        None => format!("nobody is at work on this cohort; `infoplane resume {cohort}` takes it up"),
    };
    match standing {
        Standing::Running => {
            let whose = live.iter().find(|notice| notice.running.iter().any(|id| Id::parse(id) == Some(run.run.training)));
            whose.map_or_else(|| "under way".to_owned(), |n| format!("under way, by process {} on {}", n.pid, n.host))
        }
        Standing::NotNeeded => {
            let enough = run.study.grid.repeats(run.run.experiment);
            format!("not needed: {enough} repeats of its experiment are enough (`stop_when`); the tables leave it out")
        }
        Standing::Status(RunStatus::Ok) => "done: all that it asks for is committed".to_owned(),
        Standing::Status(RunStatus::Failed) => {
            format!("failed, and would again: `run` passes it over; `infoplane resume {cohort} --only failed` tries anyway")
        }
        Standing::Status(RunStatus::Lost) => format!("its worker died ({lost} time{}); {next}", if lost == 1 { "" } else { "s" }),
        Standing::Status(RunStatus::Oom) => format!("out of memory: give a worker more, or fewer threads; {next}"),
        Standing::Status(RunStatus::Missing) if attempts.is_empty() => {
            format!("not attempted yet: it waits for its turn; {next}")
        }
        Standing::Status(RunStatus::Missing) => {
            format!(
                "an attempt ended well, but not all that is asked for now is there: damaged since, or asked for later; {next}"
            )
        }
    }
}

//! Where a cohort stands: runs by status, what went wrong and why, how fast it goes on.

use std::collections::{HashMap, HashSet};
use std::mem;

use rayon::prelude::*;
use serde::Serialize;

use super::running::Notice;
use super::study::{RunRef, Study};
use crate::aggregate::{RunStatus, run_status};
use crate::grid::ids::{Id, IdSet, MeasurementIds, TrainingIds, run_seed};
use crate::grid::{Grid, Run};
use crate::store::records::AttemptStatus;
use crate::store::{Index, StoreError};

/// Runs by status. A run that is under way counts as that alone, whatever became of earlier attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All is committed.
    pub ok: u64,
    /// The last attempt failed.
    pub failed: u64,
    /// The last attempt was lost.
    pub lost: u64,
    /// The last attempt ran out of memory.
    pub oom: u64,
    /// Not attempted, or its records are gone.
    pub missing: u64,
    /// A live coordinator has it under way.
    pub running: u64,
}

impl Counts {
    /// All runs.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.ok + self.failed + self.lost + self.oom + self.missing + self.running
    }

    const fn add(&mut self, standing: Standing) {
        match standing {
            Standing::Running => self.running += 1,
            Standing::Status(RunStatus::Ok) => self.ok += 1,
            Standing::Status(RunStatus::Failed) => self.failed += 1,
            Standing::Status(RunStatus::Lost) => self.lost += 1,
            Standing::Status(RunStatus::Oom) => self.oom += 1,
            Standing::Status(RunStatus::Missing) => self.missing += 1,
            Standing::NotNeeded => {}
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            ok: self.ok + other.ok,
            failed: self.failed + other.failed,
            lost: self.lost + other.lost,
            oom: self.oom + other.oom,
            missing: self.missing + other.missing,
            running: self.running + other.running,
        }
    }
}

/// How a run stands: its status, or under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A live coordinator has it under way.
    Running,
    /// Nobody has.
    Status(RunStatus),
    /// Its experiment has repeats enough before it.
    NotNeeded,
}

impl Standing {
    /// That of a run on this training.
    fn of(status: RunStatus, under_way: &HashSet<Id>, training: Id) -> Self {
        let running = status != RunStatus::Ok && under_way.contains(&training);
        if running { Self::Running } else { Self::Status(status) }
    }

    /// The name, as in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Status(status) => status.name(),
            Self::NotNeeded => "not needed",
        }
    }
}

/// A run that did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRun {
    /// COHORT:LABEL:REPEAT.
    pub run: String,
    /// failed, lost or oom.
    pub class: &'static str,
    /// What is known of the reason.
    pub error: String,
}

/// An experiment's runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExperimentStatus {
    /// Its label.
    pub experiment: String,
    /// Its runs by status.
    pub runs: Counts,
}

/// Where a cohort stands. The names of the fields are a contract: `status --json` prints them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CohortStatus {
    /// Its name.
    pub cohort: String,
    /// Its runs by status.
    pub runs: Counts,
    /// Runs that end in a second, lately; none where nobody is at work.
    pub rate_per_second: Option<f64>,
    /// Time left at the pace so far; none where nobody is at work, or has only begun.
    pub eta_seconds: Option<f64>,
    /// The runs that did not end well, in the order of the tables.
    pub failures: Vec<FailedRun>,
    /// Attempts that were lost with their worker, over the store's life.
    pub lost_attempts: u64,
    /// Runs that nobody will start, since their experiments have repeats enough (`stop_when`); not among the runs above.
    pub not_needed: u64,
    /// Its experiments, in the order of the tables.
    pub experiments: Vec<ExperimentStatus>,
    /// Who is at work on it.
    pub coordinators: Vec<Notice>,
}

/// The trainings that live coordinators have under way.
#[must_use]
pub fn under_way(live: &[Notice]) -> HashSet<Id> {
    live.iter().flat_map(|notice| &notice.running).filter_map(|id| Id::parse(id)).collect()
}

/// How one run stands.
///
/// # Errors
/// [`StoreError::Io`].
pub fn standing(index: &Index, under_way: &HashSet<Id>, run: &RunRef<'_>) -> Result<Standing, StoreError> {
    let training = run.run.training;
    if run.run.repeat >= run.study.grid.repeats(run.run.experiment) {
        return Ok(Standing::NotNeeded);
    }
    let status = run_status(index, training, run.measurements().map(|(.., id)| id))?;
    Ok(Standing::of(status, under_way, training))
}

/// Seeds of the repeats, by offset: most cohorts have one, and then every experiment the same seeds.
struct Seeds(HashMap<u64, Vec<u64>>);

impl Seeds {
    fn of(grid: &Grid) -> Self {
        let mut seeds = HashMap::new();
        for experiment in &grid.experiments {
            let offset = experiment.settings.seed_offset;
            seeds.entry(offset).or_insert_with(|| {
                // Both are below 2^53, so the sum cannot overflow.
                (0..grid.n_runs).into_par_iter().map(|repeat| run_seed(grid.seed + offset, repeat)).collect()
            });
        }
        Self(seeds)
    }
}

/// What the runs of an experiment are found by, prepared once.
struct ExperimentIds<'a> {
    study: Study<'a>,
    experiment: usize,
    offset: u64,
    training: TrainingIds,
    measurements: Vec<MeasurementIds>,
}

impl<'a> ExperimentIds<'a> {
    fn new(study: Study<'a>, experiment: usize) -> Self {
        let settings = &study.grid.experiments[experiment].settings;
        let on = |estimator| settings.splits.iter().map(move |split| MeasurementIds::new(estimator, *split));
        let measurements = settings.estimators.iter().flat_map(on).collect();
        let training = TrainingIds::new(&settings.training);
        Self { study, experiment, offset: settings.seed_offset, training, measurements }
    }

    /// As [`Grid::run`].
    fn run(&self, seeds: &Seeds, repeat: u32) -> RunRef<'a> {
        let seed = seeds.0[&self.offset][repeat as usize];
        let run = Run { experiment: self.experiment, repeat, seed, training: self.training.of(seed) };
        RunRef { study: self.study, run }
    }
}

/// What is found out of some runs of one experiment.
#[derive(Default)]
struct Found {
    counts: Counts,
    failures: Vec<FailedRun>,
    lost_attempts: u64,
}

impl Found {
    fn plus(mut self, other: Self) -> Self {
        self.counts = self.counts.plus(other.counts);
        self.failures.extend(other.failures);
        self.lost_attempts += other.lost_attempts;
        self
    }

    fn add(
        &mut self,
        (index, retried): (&Index, &IdSet),
        run: &RunRef<'_>,
        standing: Standing,
        is_told: bool,
    ) -> Result<(), StoreError> {
        self.counts.add(standing);
        let training = run.run.training;
        let went_wrong = matches!(standing, Standing::Status(RunStatus::Failed | RunStatus::Lost | RunStatus::Oom));
        // A run that went well at once has one attempt, which tells nothing new: a million of them need not be read.
        if !went_wrong && !retried.contains(&training) {
            return Ok(());
        }
        let attempts = index.attempts(training)?;
        if !is_told {
            self.lost_attempts += attempts.iter().filter(|a| a.status == AttemptStatus::Lost).count() as u64;
        }
        if went_wrong {
            let error = attempts.into_iter().next_back().and_then(|a| a.error).unwrap_or_default();
            self.failures.push(FailedRun { run: run.name(), class: standing.name(), error });
        }
        Ok(())
    }
}

/// Where a cohort stands, by what is committed and by what live coordinators say.
///
/// # Errors
/// [`StoreError::Io`].
pub fn status(study: Study<'_>, index: &Index, live: &[Notice]) -> Result<CohortStatus, StoreError> {
    let grid = study.grid;
    let under_way = under_way(live);
    let seeds = Seeds::of(grid);
    let retried = index.retried();
    // Experiments that differ only in how they measure share their trainings, all or none. Lost attempts are counted once, but one experiment may
    // need more repeats than those before it.
    let repeats = grid.n_runs.min(1);
    let first_of =
        |experiment| (0..repeats).map(|repeat| ExperimentIds::new(study, experiment).run(&seeds, repeat).run.training).next();
    let trainings: Vec<Option<Id>> = (0..grid.experiments.len()).into_par_iter().map(first_of).collect();
    let mut most: HashMap<Option<Id>, u32> = HashMap::with_capacity(trainings.len());
    let told_before = |(experiment, training)| {
        let most = most.entry(training).or_default();
        mem::replace(most, grid.repeats(experiment).max(*most))
    };
    let told: Vec<u32> = trainings.into_iter().enumerate().map(told_before).collect();
    let of = |experiment: usize| {
        let ids = ExperimentIds::new(study, experiment);
        let add = |found: Result<Found, StoreError>, repeat| {
            let run = ids.run(&seeds, repeat);
            let status = run_status(index, run.run.training, ids.measurements.iter().map(|ids| ids.of(run.run.training)))?;
            let mut found = found?;
            found.add((index, &retried), &run, Standing::of(status, &under_way, run.run.training), repeat < told[experiment])?;
            Ok(found)
        };
        let parts = (0..grid.repeats(experiment)).into_par_iter().fold(|| Ok(Found::default()), add);
        parts.reduce(|| Ok(Found::default()), |one, other| Ok(one?.plus(other?)))
    };
    let found: Vec<Found> = (0..grid.experiments.len()).into_par_iter().map(of).collect::<Result<_, _>>()?;

    let coordinators: Vec<Notice> = live.iter().filter(|notice| notice.cohort == grid.cohort).cloned().collect();
    let mut status = CohortStatus {
        cohort: grid.cohort.clone(),
        runs: Counts::default(),
        rate_per_second: None,
        eta_seconds: None,
        failures: Vec::new(),
        lost_attempts: 0,
        not_needed: grid.not_needed(),
        experiments: Vec::with_capacity(found.len()),
        coordinators,
    };
    for (experiment, found) in grid.experiments.iter().zip(found) {
        status.runs = status.runs.plus(found.counts);
        status.failures.extend(found.failures);
        status.lost_attempts += found.lost_attempts;
        status.experiments.push(ExperimentStatus { experiment: experiment.label.clone(), runs: found.counts });
    }
    let trainings: u64 = most.values().map(|repeats| u64::from(*repeats)).sum();
    status.take_pace(grid.n_needed() as f64 / trainings.max(1) as f64);
    Ok(status)
}

impl CohortStatus {
    /// Takes over what the coordinators say of their pace. They count tasks, each of which ends `runs_per_task` runs on average.
    fn take_pace(&mut self, runs_per_task: f64) {
        if self.coordinators.is_empty() {
            return;
        }
        let tasks: f64 = self.coordinators.iter().filter_map(|notice| notice.tasks_per_second).sum();
        self.rate_per_second = Some(tasks * runs_per_task);
        self.eta_seconds = self.coordinators.iter().filter_map(|notice| notice.eta_seconds).reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use super::super::study::samples;
    use super::*;
    use crate::store::Store;
    use crate::store::records::{Attempt, Measurement, Record, Training};

    fn attempt(training: Id, n: u8, number: u32, status: AttemptStatus) -> Record {
        let words = || "w".to_owned();
        let error = (status != AttemptStatus::Ok).then(|| format!("{} {number}", status.name()));
        let (host, launcher, version, commit, isa, gemm) = (words(), words(), words(), words(), words(), words());
        let (id, started, seconds) = (Id([n; 16]), 1e9, 2.0);
        Record::Attempt(Attempt {
            id,
            training,
            number,
            status,
            error,
            host,
            launcher,
            started,
            seconds,
            version,
            commit,
            isa,
            gemm,
            threads: None,
        })
    }

    fn done(run: &RunRef<'_>) -> Vec<Record> {
        let (id, seed) = (run.run.training, run.run.seed);
        let (epochs, metrics, gradients) = (vec![], vec![], vec![]);
        let training = Training { id, seed, epochs, metrics, gradients, snapshots: None };
        let measured = run.measurements().map(|(.., id)| Measurement { id, training: run.run.training, rows: vec![] });
        [Record::Training(training)].into_iter().chain(measured.map(Record::Measurement)).collect()
    }

    #[test]
    fn every_run_counts_once_and_failures_have_their_reasons() {
        let dir = tempfile::tempdir().unwrap();
        let grid = samples::grid();
        let study = Study { grid: &grid, text: "" };
        let runs: Vec<_> = study.runs().collect();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        let mut records = done(&runs[0]);
        records.extend([
            attempt(runs[0].run.training, 1, 1, AttemptStatus::Lost),
            attempt(runs[0].run.training, 2, 2, AttemptStatus::Ok),
        ]);
        records.push(attempt(runs[1].run.training, 3, 1, AttemptStatus::Failed));
        // Two experiments share this one.
        records.push(attempt(runs[2].run.training, 4, 1, AttemptStatus::Oom));
        for record in &records {
            writer.append(record).unwrap();
        }
        drop(writer);
        let index = store.index().unwrap();
        let found = status(study, &index, &[]).unwrap();
        assert_eq!(found.runs, Counts { ok: 1, failed: 1, oom: 2, missing: 2, ..Counts::default() });
        assert_eq!((found.lost_attempts, found.rate_per_second, found.eta_seconds), (1, None, None));
        let told: Vec<_> = found.failures.iter().map(|f| (f.run.as_str(), f.class, f.error.as_str())).collect();
        let relu = [("c:relu: binned:0", "oom", "oom 1"), ("c:relu: upper:0", "oom", "oom 1")];
        assert_eq!(told, [("c:tanh:1", "failed", "failed 1"), relu[0], relu[1]]);
        assert_eq!(found.experiments[0].runs, Counts { ok: 1, failed: 1, ..Counts::default() });

        let notice = |cohort: &str, running: Vec<String>| Notice {
            cohort: cohort.into(),
            host: "h".into(),
            pid: 1,
            launcher: "local".into(),
            workers: 2,
            tasks: 9,
            ended: 3,
            lost: 0,
            tasks_per_second: Some(2.0),
            eta_seconds: Some(7.0),
            running,
        };
        // A coordinator of another cohort may work on a training of this one; the pace is only its own cohort's.
        let live = [notice("other", vec![runs[3].run.training.to_string()]), notice("c", vec![runs[0].run.training.to_string()])];
        let found = status(study, &index, &live).unwrap();
        assert_eq!(found.runs, Counts { ok: 1, failed: 1, oom: 2, running: 2, ..Counts::default() });
        assert_eq!((found.rate_per_second, found.eta_seconds), (Some(3.0), Some(7.0)));
        assert_eq!(found.coordinators.len(), 1);
    }

    #[test]
    fn lost_attempts_of_shared_trainings_are_counted_of_every_repeat_that_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let mut grid = samples::grid();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        for (n, run) in (Study { grid: &grid, text: "" }).runs().take(4).enumerate() {
            writer.append(&attempt(run.run.training, n as u8, 1, AttemptStatus::Lost)).unwrap();
            writer.append(&attempt(run.run.training, 100 + n as u8, 2, AttemptStatus::Lost)).unwrap();
        }
        drop(writer);
        let index = store.index().unwrap();
        // The second and the third experiment share their trainings.
        for (enough, expected) in [(vec![], 8), (vec![2, 1, 2], 8), (vec![2, 2, 1], 8), (vec![1, 1, 1], 4)] {
            grid.enough = enough;
            let found = status(Study { grid: &grid, text: "" }, &index, &[]).unwrap();
            assert_eq!(found.lost_attempts, expected, "{:?}", grid.enough);
        }
    }

    /// A million with `RUNS=1000000 cargo test --release --lib many_runs -- --nocapture`, which tells the times.
    #[test]
    fn many_runs_are_counted_at_once() {
        use std::time::Instant;

        let runs = std::env::var("RUNS").ok().map_or(20_000_u32, |text| text.parse().expect("a number"));
        let dir = tempfile::tempdir().unwrap();
        let mut grid = samples::grid();
        grid.experiments.truncate(1);
        grid.n_runs = runs;
        grid.experiments[0].settings.splits.truncate(1);
        let study = Study { grid: &grid, text: "" };
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        for (n, run) in study.runs().enumerate() {
            done(&run).iter().for_each(|record| assert!(writer.append(record).is_ok()));
            let Record::Attempt(mut note) = attempt(run.run.training, 0, 1, AttemptStatus::Ok) else { unreachable!() };
            note.id = Id::fresh(&format!("{n}"));
            writer.append(&Record::Attempt(note)).unwrap();
            if n % 10_000 == 0 {
                writer.flush().unwrap();
            }
        }
        drop(writer);
        let start = Instant::now();
        let index = store.index().unwrap();
        let opened = start.elapsed();
        let found = status(study, &index, &[]).unwrap();
        println!("{runs} runs: index {opened:?}, status {:?}", start.elapsed() - opened);
        assert_eq!(found.runs, Counts { ok: runs.into(), ..Counts::default() });
    }
}

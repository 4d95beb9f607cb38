//! What a plan will cost: the model learns from this store's past, and measures for a second what the past does not tell.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Failure;
use super::load::{self, Loaded};
use super::machine::{self, LauncherArguments};
use super::progress::duration;
use crate::grid::Grid;
use crate::grid::plan::{Task, plan as plan_of};
use crate::grid::predict::{Kinds, Model, Seconds, wall_seconds};
use crate::math::exec::Exec;
use crate::store::Index;
use crate::store::records::AttemptStatus;
use crate::worker::calibrate::task_seconds;

/// Repeats of an experiment, and experiments of a cohort, that are looked at in the past.
const PAST: (u32, usize) = (8, 512);
/// Kinds of tasks measured at most: those with the largest share of the work.
const MEASURED: usize = 6;
/// Time for all measuring.
const BUDGET: Duration = Duration::from_millis(1000);

/// What a plan will cost.
pub struct Cost {
    /// CPU time.
    pub cpu: Seconds,
    /// Time until the last worker is done.
    wall: f64,
    workers: u32,
    threads: u32,
    /// Kinds of tasks known from the past, and measured; the rest is scaled from the rough cost.
    kinds: (usize, usize, usize),
}

/// Predicts the cost of tasks of `loaded` under the launcher's workers. Nothing is measured if `measure` is off.
pub fn predict(
    loaded: &Loaded,
    tasks: &[Task],
    store: Option<(&Index, &Path)>,
    launcher: &LauncherArguments,
    measure: bool,
) -> Result<Cost, Failure> {
    let kinds = Kinds::of(tasks);
    let step = kinds.samples.iter().map(|(task, _)| task.step_work()).max().unwrap_or(0);
    let (workers, threads) = launcher.spread(&loaded.cohort.launcher.local, tasks.len(), step);
    let (model, sources) = learned(loaded, &kinds, store, workers, measure)?;
    let by_kind: Vec<f64> = kinds.samples.iter().map(|(task, _)| model.task(task).mean * share_of_time(task, threads)).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let wall = wall_seconds(kinds.of.iter().map(|&kind| by_kind[kind as usize]), (workers as usize).min(cores));
    Ok(Cost { cpu: model.all(&kinds), wall, workers, threads, kinds: sources })
}

/// CPU seconds that each task is expected to take.
pub fn of_each(loaded: &Loaded, tasks: &[Task], index: &Index, out: &Path) -> Result<Vec<f64>, Failure> {
    let kinds = Kinds::of(tasks);
    let (model, _) = learned(loaded, &kinds, Some((index, out)), 1, true)?;
    let by_kind: Vec<f64> = kinds.samples.iter().map(|(task, _)| model.task(task).mean).collect();
    Ok(kinds.of.iter().map(|&kind| by_kind[kind as usize]).collect())
}

/// What is known of these kinds: from the past, measured, and how many of them from where.
fn learned(
    loaded: &Loaded,
    kinds: &Kinds<'_>,
    store: Option<(&Index, &Path)>,
    workers: u32,
    measure: bool,
) -> Result<(Model, (usize, usize, usize)), Failure> {
    let mut model = Model::default();
    if let Some((index, out)) = store.filter(|_| !kinds.samples.is_empty()) {
        model.learn(&past(&loaded.grid, index)?);
        if !unknown(kinds, &model).is_empty() {
            // What cannot be read any more tells nothing about cost, either.
            let others = load::names(out).into_iter().filter(|name| *name != loaded.cohort.name);
            for other in others.filter_map(|name| load::by_name(out, &name).ok()) {
                model.learn(&past(&other.grid, index)?);
            }
        }
    }
    let mut samples = unknown(kinds, &model);
    let new = samples.len();
    samples.truncate(if measure { MEASURED } else { 0 });
    model.learn(&measured(&samples, workers)?);
    let sources = (kinds.samples.len() - new, samples.len(), new - samples.len());
    Ok((model, sources))
}

/// The time that a task takes on so many threads, as a share of its CPU time: measurements are shared out over a worker's threads, steps of
/// small networks are not.
fn share_of_time(task: &Task, threads: u32) -> f64 {
    let serial = task.training_cost() / task.cost().max(1.0);
    serial + (1.0 - serial) / f64::from(threads.max(1))
}

/// Finished tasks of a grid with their seconds of CPU time: those that one attempt did whole.
fn past(grid: &Grid, index: &Index) -> Result<Vec<(Task, f64)>, Failure> {
    let (repeats, experiments) = PAST;
    let experiments = grid.experiments.iter().take(experiments).cloned().collect();
    let n_runs = grid.n_runs.min(repeats);
    let part = Grid { n_runs, experiments, duplicates: vec![], cohort: String::new(), seed: grid.seed, enough: vec![] };
    let mut finished = Vec::new();
    for task in plan_of(&part, |_| false).tasks {
        if !index.contains(task.training) || !task.measure.iter().all(|measure| index.contains(measure.id(task.training))) {
            continue;
        }
        if let [attempt] = index.attempts(task.training)?.as_slice()
            && attempt.status == AttemptStatus::Ok
        {
            // Of attempts before threads were told, most had one.
            let seconds = attempt.seconds / share_of_time(&task, attempt.threads.unwrap_or(1));
            finished.push((task, seconds));
        }
    }
    Ok(finished)
}

/// One task of each kind that the model does not know, the kind with the largest share of the work first.
fn unknown<'t>(kinds: &Kinds<'t>, model: &Model) -> Vec<&'t Task> {
    let unknown = kinds.samples.iter().filter(|(task, _)| !model.knows(task));
    let mut unknown: Vec<_> = unknown.map(|(task, count)| (task.cost() * *count as f64, *task)).collect();
    unknown.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    unknown.into_iter().map(|(_, task)| task).collect()
}

/// Measures some tasks, on as many cores at once as there will be workers: cores that share a unit or a memory slow each other down. A task
/// whose numbers stop being finite is left out.
fn measured(samples: &[&Task], workers: u32) -> Result<Vec<(Task, f64)>, Failure> {
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let exec = Exec { isa: machine::isa()?, parallel: false };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(workers as usize).max(1);
    let budget = BUDGET / u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let all = || samples.iter().map(|task| task_seconds(task, exec, budget).ok()).collect::<Vec<_>>();
    let by_core: Vec<Vec<Option<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(all)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mean = |place: usize| {
        let found: Vec<f64> = by_core.iter().filter_map(|one| one[place]).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    };
    Ok(samples.iter().enumerate().filter_map(|(place, task)| mean(place).map(|seconds| ((*task).clone(), seconds))).collect())
}

impl Cost {
    /// The keys of a plan's JSON.
    pub fn add_to(&self, value: &mut Value) {
        let Seconds { low, mean, high } = self.cpu;
        let (past, measured, scaled) = self.kinds;
        value["predicted_cpu_seconds"] = json!({ "low": low, "mean": mean, "high": high });
        value["predicted_wall_seconds"] = json!(self.wall);
        value["workers"] = json!(self.workers);
        value["threads"] = json!(self.threads);
        value["predicted_from"] = json!({ "past": past, "measured": measured, "scaled": scaled });
    }

    /// One line for people; nothing where there is nothing to do.
    pub fn line(&self) -> Option<String> {
        let of = |seconds: f64| duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let (past, measured, scaled) = self.kinds;
        let sources = [(past, "this store's past"), (measured, "measuring just now"), (scaled, "a rough scale")];
        let sources: Vec<_> = sources.iter().filter(|(kinds, _)| *kinds > 0).map(|(_, source)| *source).collect();
        let plural = |n: u32| if n == 1 { "" } else { "s" };
        (!sources.is_empty()).then(|| {
            format!(
                "about {} of CPU time ({} to {}), {} with {} worker{} of {} thread{}; told from {}",
                of(self.cpu.mean),
                of(self.cpu.low),
                of(self.cpu.high),
                of(self.wall),
                self.workers,
                plural(self.workers),
                self.threads,
                plural(self.threads),
                sources.join(" and ")
            )
        })
    }
}

//! What a plan will cost: the model learns from this store's past, and measures for a second what the past does not tell.

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Failure;
use super::load::{self, Loaded};
use super::machine::{self, LauncherArguments};
use super::progress::{duration, duration_of};
use crate::grid::Grid;
use crate::grid::plan::{Task, plan as plan_of};
use crate::grid::predict::{Kinds, Like, Model, Seconds, wall_seconds};
use crate::math::exec::Exec;
use crate::store::Index;
use crate::store::records::AttemptStatus;
use crate::worker::calibrate::task_seconds;

/// Repeats of an experiment, and experiments of a cohort, that are looked at in the past.
const PAST: (u32, usize) = (8, 512);
/// Kinds of tasks of a cohort measured at most: those with the largest share of the work.
const MEASURED: usize = 24;
/// Time for measuring a kind, and for all measuring of a cohort.
const BUDGET: Duration = Duration::from_millis(300);
const MOST_BUDGET: Duration = Duration::from_millis(1500);

/// What a plan will cost.
#[derive(Clone, Copy)]
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

/// Tells the cost of cohort after cohort. What is known of one serves the next: kinds of tasks that they share are looked up and measured once.
pub struct Teller<'a> {
    launcher: &'a LauncherArguments,
    known: Known<'a>,
}

/// What is known of kinds of tasks.
struct Known<'a> {
    store: Option<(&'a Index, &'a Path)>,
    /// Whether to measure what the past does not tell.
    measure: bool,
    model: Model,
    /// Names of cohorts whose past is in the model.
    asked: HashSet<String>,
    /// Kinds that were measured just now.
    measured: HashSet<Like>,
}

impl<'a> Teller<'a> {
    /// With the store's past, if there is a store, and with measuring, if that is wanted.
    pub fn new(store: Option<(&'a Index, &'a Path)>, launcher: &'a LauncherArguments, measure: bool) -> Self {
        Self { launcher, known: Known::new(store, measure) }
    }

    /// The cost of tasks of `loaded`.
    pub fn tell(&mut self, loaded: &Loaded, tasks: &[Task]) -> Result<Cost, Failure> {
        let kinds = Kinds::of(tasks);
        let step = kinds.samples.iter().map(|(task, _)| task.step_work()).max().unwrap_or(0);
        let (workers, threads) = self.launcher.spread(&loaded.cohort.launcher.local, tasks.len(), step);
        self.known.learn(loaded, &kinds, workers)?;
        let model = &self.known.model;
        let by_kind: Vec<f64> =
            kinds.samples.iter().map(|(task, _)| model.task(task).mean * share_of_time(task, threads)).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let wall = wall_seconds(kinds.of.iter().map(|&kind| by_kind[kind as usize]), (workers as usize).min(cores));
        let count = |is: &dyn Fn(&Task) -> bool| kinds.samples.iter().filter(|(task, _)| is(task)).count();
        let measured = count(&|task| self.known.measured.contains(&Like::of(task)));
        let known = count(&|task| model.knows(task));
        let sources = (known - measured, measured, kinds.samples.len() - known);
        Ok(Cost { cpu: model.all(&kinds), wall, workers, threads, kinds: sources })
    }
}

impl<'a> Known<'a> {
    fn new(store: Option<(&'a Index, &'a Path)>, measure: bool) -> Self {
        Self { store, measure, model: Model::default(), asked: HashSet::new(), measured: HashSet::new() }
    }

    /// Learns what is known of these kinds, and measures what is not.
    fn learn(&mut self, loaded: &Loaded, kinds: &Kinds<'_>, workers: u32) -> Result<(), Failure> {
        if let Some((index, out)) = self.store.filter(|_| !kinds.samples.is_empty()) {
            if self.asked.insert(loaded.cohort.name.clone()) {
                self.model.learn(&past(&loaded.grid, index)?);
            }
            if !unknown(kinds, &self.model).is_empty() {
                // What cannot be read any more tells nothing about cost, either.
                let others = load::names(out).into_iter().filter(|name| self.asked.insert(name.clone()));
                for other in others.filter_map(|name| load::by_name(out, &name).ok()) {
                    self.model.learn(&past(&other.grid, index)?);
                }
            }
        }
        let mut samples = unknown(kinds, &self.model);
        samples.truncate(if self.measure { MEASURED } else { 0 });
        let found = measured(&samples, workers)?;
        self.measured.extend(found.iter().map(|(task, _)| Like::of(task)));
        self.model.learn(&found);
        Ok(())
    }
}

impl Cost {
    /// That of one cohort after another.
    pub fn plus(self, next: Self) -> Self {
        let Seconds { low, mean, high } = next.cpu;
        let cpu = Seconds { low: self.cpu.low + low, mean: self.cpu.mean + mean, high: self.cpu.high + high };
        let kinds = (self.kinds.0 + next.kinds.0, self.kinds.1 + next.kinds.1, self.kinds.2 + next.kinds.2);
        // How most of it will be spread: a cohort of few tasks has few workers of many threads.
        let (workers, threads) = (self.workers, self.threads).max((next.workers, next.threads));
        Self { cpu, wall: self.wall + next.wall, kinds, workers, threads }
    }
}

/// CPU seconds that each task is expected to take.
pub fn of_each(loaded: &Loaded, tasks: &[Task], store: Option<(&Index, &Path)>) -> Result<Vec<f64>, Failure> {
    let kinds = Kinds::of(tasks);
    let mut known = Known::new(store, true);
    known.learn(loaded, &kinds, 1)?;
    let by_kind: Vec<f64> = kinds.samples.iter().map(|(task, _)| known.model.task(task).mean).collect();
    Ok(kinds.of.iter().map(|&kind| by_kind[kind as usize]).collect())
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
    let budget = BUDGET.min(MOST_BUDGET / u32::try_from(samples.len()).unwrap_or(u32::MAX));
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
        let of = |seconds: f64| duration_of(seconds).map_or_else(|| "more than a thousand years".to_owned(), duration);
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

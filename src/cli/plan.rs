//! `infoplane plan`: what a cohort is and what of it is missing. Writes nothing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::StoreArguments;
use super::compare::Comparison;
use super::cost::{Cost, Teller};
use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::machine::LauncherArguments;
use super::plans::Together;
use super::print::{print, print_reports};
use crate::cohort::settings::ColumnValue;
use crate::grid::plan::{Plan, plan as plan_of, plan_all};
use crate::store::records::AttemptStatus;
use crate::store::{Store, StoreError};

/// Experiments listed one by one.
const MOST: usize = 60;

/// Show a cohort's grid, and what of it is done and missing; runs and writes nothing
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane plan sweeps/quickstart.toml --json
  infoplane plan sweeps/study                         each cohort by itself, then all together: what they share runs once
  infoplane plan edited.toml --against before.toml    what the edit adds and removes
  infoplane plan edited.toml --out results            what of it the store has not yet

The predicted cost is told from the attempts in the store at tasks of the same kind; what it has never run is measured, for a second or two a \
cohort (not with --no-measure). Of several cohorts --json lists the plans; the key `total`, the same in each, is that of all together.")]
pub struct PlanArguments {
    /// Cohort files, or directories of them
    #[arg(required = true, value_name = "COHORT.toml|DIR")]
    cohorts: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    launcher: LauncherArguments,
    /// Compare with another cohort file or directory instead of with the store
    #[arg(long, value_name = "COHORT.toml|DIR")]
    against: Option<PathBuf>,
    /// Do not measure what this store's past does not tell
    #[arg(long)]
    no_measure: bool,
    /// Print the plans as JSON
    #[arg(long)]
    json: bool,
}

pub fn plan(arguments: &PlanArguments) -> Result<Exit, Failure> {
    let cohorts = load::load_all(&arguments.cohorts)?;
    if let Some(against) = &arguments.against {
        let comparison = Comparison::of(&cohorts, &load::load_all(std::slice::from_ref(against))?);
        let text = if arguments.json { format!("{:#}\n", comparison.json()) } else { comparison.text() };
        return print(text.as_bytes());
    }
    let ask = Ask { json: arguments.json, measure: !arguments.no_measure };
    show(&cohorts, &arguments.store.out, &arguments.launcher, ask)
}

/// How to show plans.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// As JSON.
    pub json: bool,
    /// Whether to measure what the past does not tell.
    pub measure: bool,
}

/// Shows the plans of cohorts against the store at `out`, which need not exist.
pub fn show(cohorts: &[Loaded], out: &Path, launcher: &LauncherArguments, ask: Ask) -> Result<Exit, Failure> {
    let as_json = ask.json;
    let index = match Store::open_existing(out) {
        Ok(store) => Some(store.index()?),
        Err(StoreError::Missing { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let mut values = Vec::new();
    let store = index.as_ref().map(|index| (index, out));
    let mut teller = Teller::new(store, launcher, ask.measure);
    let mut together = Together::default();
    for loaded in cohorts {
        let settled = match &index {
            Some(index) => loaded.settled(index)?,
            None => loaded.without_store(),
        };
        let loaded = &*settled;
        let plan = match &index {
            Some(index) => plan_of(&loaded.grid, |id| index.contains(*id)),
            None => plan_all(&loaded.grid),
        };
        let mut unfinished: BTreeMap<&str, usize> = BTreeMap::new();
        let trainings = plan.tasks.par_iter().map(|task| task.training);
        let attempts = index.as_ref().map_or(Ok(vec![]), |index| index.last_attempts(trainings))?;
        for last in attempts {
            match last.map(|a| a.status) {
                Some(AttemptStatus::Failed) => *unfinished.entry("failed").or_default() += 1,
                Some(AttemptStatus::Lost | AttemptStatus::Oom) => *unfinished.entry("lost").or_default() += 1,
                Some(AttemptStatus::Ok) | None => {}
            }
        }
        let of = |status: &str| unfinished.get(status).copied().unwrap_or(0);
        let done = if index.is_some() { &plan.done[..] } else { &[] };
        let cost = teller.tell(loaded, &plan.tasks)?;
        if as_json {
            values.push(value(loaded, &plan, &cost, done, (of("failed"), of("lost"))));
        } else {
            print(text(loaded, &plan, &cost, done, (of("failed"), of("lost"))).as_bytes())?;
        }
        if cohorts.len() > 1 {
            together.add(loaded, &plan, index.as_ref(), &mut teller)?;
        }
    }
    if as_json {
        if cohorts.len() > 1 {
            let total = together.value();
            values.iter_mut().for_each(|value| value["total"] = total.clone());
        }
        print_reports(values)?;
    } else if cohorts.len() > 1 {
        print(together.text().as_bytes())?;
    }
    Ok(Exit::Done)
}

fn value(loaded: &Loaded, plan: &Plan, cost: &Cost, done: &[u32], (failed, lost): (usize, usize)) -> Value {
    let counts = &plan.counts;
    let mut value = json!({
        "cohort": loaded.cohort.name,
        "experiments": counts.experiments,
        "runs": counts.runs,
        "trainings": counts.trainings,
        "measurements": counts.measurements,
        "done": counts.done,
        "missing": counts.missing,
        "not_needed": loaded.grid.not_needed(),
        "failed": failed,
        "lost": lost,
        "tasks": {
            "train": plan.tasks.iter().filter(|t| t.train).count(),
            "measure_only": plan.tasks.iter().filter(|t| !t.train).count(),
            "measurements": plan.tasks.iter().map(|t| t.measure.len()).sum::<usize>(),
        },
        "duplicates": loaded.grid.duplicates,
        "labels": loaded.grid.experiments.iter().map(|e| e.label.as_str()).collect::<Vec<_>>(),
    });
    if !done.is_empty() {
        value["done_by_experiment"] = json!(done);
    }
    cost.add_to(&mut value);
    value
}

fn text(loaded: &Loaded, plan: &Plan, cost: &Cost, done: &[u32], (failed, lost): (usize, usize)) -> String {
    let counts = &plan.counts;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}: {} experiments × {} = {} runs",
        loaded.cohort.name, counts.experiments, loaded.grid.n_runs, counts.runs
    );
    let _ = writeln!(text, "  {} trainings, {} measurements", counts.trainings, counts.measurements);
    let _ = writeln!(text, "  done {}, missing {}{}{}", counts.done, counts.missing, more(failed, "failed"), more(lost, "lost"));
    if let Some(rule) = &loaded.cohort.stop_when {
        let _ =
            writeln!(text, "  repeats of an experiment end once {rule}: {} runs are not needed so far", loaded.grid.not_needed());
    }
    let train = plan.tasks.iter().filter(|t| t.train).count();
    let measure: usize = plan.tasks.iter().map(|t| t.measure.len()).sum();
    let _ = writeln!(text, "  to do: {train} trainings, {measure} measurements, in {} tasks", plan.tasks.len());
    if let Some(line) = cost.line() {
        let _ = writeln!(text, "  {line}");
    }
    for (kept, other) in &loaded.grid.duplicates {
        let _ = writeln!(text, "  `{other}` means the same as `{kept}` and runs once");
    }
    text.push_str(&table(loaded, done));
    text
}

fn more(n: usize, what: &str) -> String {
    if n == 0 { String::new() } else { format!(" ({n} {what})") }
}

/// The experiments with the settings in which they differ, and how many of their runs are done.
fn table(loaded: &Loaded, done: &[u32]) -> String {
    let experiments = &loaded.grid.experiments;
    let rows: Vec<Vec<(&str, ColumnValue)>> = experiments.iter().take(MOST).map(|e| e.settings.columns()).collect();
    let Some(first) = rows.first() else { return String::new() };
    let differing: Vec<usize> = (0..first.len()).filter(|&c| rows.iter().any(|row| row[c].1 != first[c].1)).collect();
    if differing.is_empty() {
        return String::new();
    }
    let mut lines = vec![differing.iter().map(|&c| first[c].0.to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| differing.iter().map(|&c| cell(&row[c].1)).collect()));
    if !done.is_empty() {
        lines[0].push("done".to_owned());
        let of = |experiment: usize| loaded.grid.repeats(experiment);
        let lines = lines[1..].iter_mut().zip(done).enumerate();
        lines.for_each(|(n, (line, done))| line.push(format!("{done}/{}", of(n))));
    }
    let widths: Vec<usize> = (0..lines[0].len()).map(|c| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::from("\n");
    for line in &lines {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    if experiments.len() > MOST {
        let _ = writeln!(text, "  … and {} more", experiments.len() - MOST);
    }
    text
}

fn cell(value: &ColumnValue) -> String {
    match value {
        ColumnValue::Int(v) => v.to_string(),
        ColumnValue::Float(v) => v.to_string(),
        ColumnValue::Bool(v) => v.to_string(),
        ColumnValue::Text(v) => v.clone(),
    }
}

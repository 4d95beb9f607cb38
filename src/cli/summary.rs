//! What a call says at its end: to people, to programs, and to its own next call.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::conducted::Conducted;
use super::load::Loaded;
use super::print::shell_word;
use super::progress::duration;
use crate::aggregate::{ExperimentSummary, RunStatus, StatusCounts, Summary};
use crate::query::status::{CohortStatus, Counts, ExperimentStatus};
use crate::store::{self, Index, Store};

/// Failures and experiments told one by one; the tables have the rest.
const MOST: usize = 12;

/// The summary for people.
pub fn text(loaded: &Loaded, conducted: &Conducted, out: &Path) -> String {
    let counts = &conducted.counts;
    let name = &loaded.cohort.name;
    let dir = out.join(name);
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(args);
        text.push('\n');
    };
    for (kept, other) in &loaded.grid.duplicates {
        line(format_args!("note     `{other}` means the same as `{kept}` and runs once"));
    }
    let Some(summary) = &conducted.summary else {
        let left = conducted.outcomes.left;
        line(format_args!(
            "{name}: stopped after {}; {left} tasks left, all that is finished is kept",
            duration(conducted.elapsed)
        ));
        line(format_args!("next     infoplane run COHORT.toml --out {} goes on", shell_word(&out.display().to_string())));
        return text.trim_end().to_owned();
    };
    let ok = summary.runs.of(RunStatus::Ok);
    let ran = conducted.outcomes.done.len() + conducted.outcomes.failed.len() + conducted.outcomes.lost.len();
    let did = match (ran, conducted.spread) {
        (0, _) | (_, None) => "nothing to do".to_owned(),
        (_, Some((workers, threads))) => {
            let by = format!("{workers} worker{} of {threads} thread{}", plural(workers as usize), plural(threads as usize));
            format!("{ran} task{} in {} by {by}", plural(ran), duration(conducted.elapsed))
        }
    };
    line(format_args!(
        "{name}: {ok} of {} runs done ({} experiment{} × {}); {} training{}, {} measurement{}; {did}",
        summary.runs.total(),
        counts.experiments,
        plural(counts.experiments),
        loaded.grid.n_runs,
        counts.trainings,
        plural(counts.trainings),
        counts.measurements,
        plural(counts.measurements),
    ));
    if conducted.not_needed > 0 {
        line(format_args!("note     {} more runs are not needed: `stop_when` is met", conducted.not_needed));
    }
    let width = summary.experiments.iter().take(MOST).map(|e| e.label.chars().count()).max().unwrap_or(0);
    for experiment in summary.experiments.iter().take(MOST) {
        let none = if experiment.runs.of(RunStatus::Ok) == 0 { "no finished run" } else { "nothing recorded" };
        let accuracy = experiment.test_accuracy.map_or_else(|| none.to_owned(), |a| format!("test accuracy {a:.4}"));
        line(format_args!("         {:width$}  {accuracy}{}", experiment.label, not_ok(&experiment.runs)));
    }
    if summary.experiments.len() > MOST {
        line(format_args!("         … and {} more experiments", summary.experiments.len() - MOST));
    }
    for (training, error) in conducted.errors.iter().take(MOST) {
        line(format_args!("failed   {}: {error}", run_name(loaded, training)));
    }
    if conducted.passed_over > 0 {
        let n = conducted.passed_over;
        line(format_args!(
            "note     {n} task{} failed before and would again; `infoplane resume {name}` tries anyway",
            plural(n)
        ));
    }
    let dependence = if dir.join("dependence.parquet").exists() { ",dependence" } else { "" };
    let names = "runs,measures,metrics,gradients,aggregate,provenance";
    line(format_args!("tables   {}/{{{names}{dependence}}}.parquet", dir.display()));
    for figure in &conducted.figures {
        line(format_args!("figure   {}", figure.display()));
    }
    line(format_args!("next     {}", look_at(&dir.join("aggregate.parquet"))));
    text.trim_end().to_owned()
}

/// A command that shows a table. People paste it, so a path that a shell or Python would read otherwise stands apart from the code, quoted.
fn look_at(table: &Path) -> String {
    let path = table.display().to_string();
    let word = shell_word(&path);
    if word == path {
        format!("python3 -c \"import pandas; print(pandas.read_parquet('{path}'))\"")
    } else {
        format!("python3 -c \"import pandas, sys; print(pandas.read_parquet(sys.argv[1]))\" {word}")
    }
}

/// The first run that needs a training, as a person knows it.
fn run_name(loaded: &Loaded, training: &str) -> String {
    let run = loaded.grid.runs().find(|run| run.training.to_string() == training);
    run.map_or_else(
        || training.to_owned(),
        |run| format!("{}, run {}", loaded.grid.experiments[run.experiment].label, run.repeat),
    )
}

const fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The runs that are not ok, in words.
fn not_ok(runs: &StatusCounts) -> String {
    let parts: Vec<_> = RunStatus::ALL.iter().filter(|&&s| s != RunStatus::Ok && runs.of(s) > 0).collect();
    if parts.is_empty() {
        return format!("  ({} runs)", runs.total());
    }
    let words: Vec<_> = parts.iter().map(|&&s| format!("{} {}", runs.of(s), s.name())).collect();
    format!("  ({} ok, {})", runs.of(RunStatus::Ok), words.join(", "))
}

/// The summary for programs.
pub fn json(loaded: &Loaded, conducted: &Conducted) -> Value {
    let counts = &conducted.counts;
    json!({
        "cohort": loaded.cohort.name,
        "experiments": counts.experiments,
        "trainings": counts.trainings,
        "measurements": counts.measurements,
        "runs": conducted.summary.as_ref().map(|s| by_status(&s.runs)),
        "not_needed": conducted.not_needed,
        "tasks": {
            "done": conducted.outcomes.done.len(),
            "failed": conducted.outcomes.failed.len(),
            "lost": conducted.outcomes.lost.len(),
            "left": conducted.outcomes.left,
        },
        "failures": conducted.errors.iter().map(|(training, error)| json!({ "training_id": training, "error": error })).collect::<Vec<_>>(),
        "tables": conducted.summary.as_ref().map(|s| &s.tables),
        "figures": conducted.figures,
        "seconds": conducted.elapsed.as_secs_f64(),
    })
}

/// Counts of runs, keyed by status.
fn by_status(runs: &StatusCounts) -> Value {
    RunStatus::ALL.iter().map(|&s| (s.name().to_owned(), json!(runs.of(s)))).collect::<serde_json::Map<_, _>>().into()
}

/// What the next call need not compute again while the cohort's text stays and every run is ok.
#[derive(Serialize, Deserialize)]
struct State {
    version: String,
    cohort: String,
    runs: u64,
    experiments: Vec<(String, u64, Option<f64>)>,
    /// All runs, and what else `status` tells.
    total: u64,
    lost_attempts: u64,
    #[serde(default)]
    not_needed: u64,
    /// The segments that were read, as they looked then.
    extent: BTreeMap<String, (u64, i64)>,
    /// The tables, as they looked when they were made.
    tables: Vec<(PathBuf, (u64, i64))>,
    figures: Vec<PathBuf>,
}

impl State {
    /// The state file at `path`, if it is of this program's version and of this cohort's text.
    fn read(path: &Path, cohort_text: &str) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let same = kept.version == env!("CARGO_PKG_VERSION") && kept.cohort == blake3::hash(cohort_text.as_bytes()).to_string();
        same.then_some(kept)
    }
}

/// Where a cohort stands whose runs were all ok when its tables were made, if the store has all that it had then: without a look into the
/// store's index, which takes its time with millions of records.
pub fn finished(state: &Path, name: &str, cohort_text: &str, store: &Store) -> Option<CohortStatus> {
    let kept = State::read(state, cohort_text).filter(|kept| kept.runs == kept.total && store.still_has(&kept.extent))?;
    let ok = |ok| Counts { ok, ..Counts::default() };
    let experiments = kept.experiments.into_iter().map(|(experiment, n, _)| ExperimentStatus { experiment, runs: ok(n) });
    Some(CohortStatus {
        cohort: name.to_owned(),
        runs: ok(kept.runs),
        rate_per_second: None,
        eta_seconds: None,
        failures: Vec::new(),
        lost_attempts: kept.lost_attempts,
        not_needed: kept.not_needed,
        experiments: experiments.collect(),
        coordinators: Vec::new(),
    })
}

/// The state file of a finished cohort.
pub fn remember(summary: &Summary, figures: &[PathBuf], cohort_text: &str, status: &CohortStatus, index: &Index) -> String {
    let experiments = summary.experiments.iter().map(|e| (e.label.clone(), e.runs.of(RunStatus::Ok), e.test_accuracy)).collect();
    let state = State {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cohort: blake3::hash(cohort_text.as_bytes()).to_string(),
        runs: summary.runs.of(RunStatus::Ok),
        experiments,
        total: summary.runs.total(),
        lost_attempts: status.lost_attempts,
        not_needed: status.not_needed,
        extent: index.extent(),
        tables: summary.tables.iter().filter_map(|path| Some((path.file_name()?.into(), store::look(path)?))).collect(),
        figures: file_names(figures),
    };
    serde_json::to_string_pretty(&state).unwrap_or_default()
}

/// Names without their directory: a store may be moved.
fn file_names(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().filter_map(|p| p.file_name().map(PathBuf::from)).collect()
}

/// Summary and figures as the state file tells them, if it is of this program's version and of this cohort's text, and all `runs` were ok.
pub fn recall(state: &Path, cohort_text: &str, runs: u64) -> Option<(Summary, Vec<PathBuf>)> {
    let kept = State::read(state, cohort_text).filter(|kept| kept.runs == runs)?;
    let dir = state.parent()?;
    // A table that somebody has changed is made again.
    if kept.tables.iter().any(|(name, before)| store::look(&dir.join(name)) != Some(*before)) {
        return None;
    }
    let counts = |n: u64| StatusCounts::all_ok(n);
    let summary = Summary {
        runs: counts(kept.runs),
        experiments: kept
            .experiments
            .into_iter()
            .map(|(label, n, test_accuracy)| ExperimentSummary { label, runs: counts(n), test_accuracy })
            .collect(),
        tables: kept.tables.iter().map(|(name, _)| dir.join(name)).collect(),
    };
    let figures: Vec<PathBuf> = kept.figures.iter().map(|f| dir.join("figures").join(f)).collect();
    summary.tables.iter().chain(&figures).all(|path| path.is_file()).then_some((summary, figures))
}

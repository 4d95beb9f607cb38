//! `infoplane logs`: what pilots said, all of a cohort's or what concerns a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::print::print;
use super::studies::Open;
use super::{StoreArguments, load};
use crate::grid::ids::Id;
use crate::launch::sge::sweep::SweepDir;
use crate::query::study::resolve;

/// Show what the pilots of a batch system said: of a cohort, or of a run
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane logs quickstart                         the last lines of every pilot of its latest sweep
  infoplane logs quickstart --lines 1000 --all      all lines of all its sweeps
  infoplane logs \"quickstart:activation_fn=tanh:0\"  the attempts at a run, and what was said of them

A log is a file below STORE/.infoplane/sweeps/SWEEP/logs/, one for each pilot, kept below a megabyte.")]
pub struct LogsArguments {
    /// A cohort's name, or a run: COHORT:LABEL:REPEAT, or the first digits of a training's id
    #[arg(value_name = "COHORT-NAME|RUN")]
    run: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Lines of each log at most
    #[arg(long, default_value_t = 20)]
    lines: usize,
    /// Every sweep of the cohort, not only the latest
    #[arg(long)]
    all: bool,
}

pub fn logs(arguments: &LogsArguments) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let open = Open::at(out)?;
    let root = open.store.root();
    if load::names(out).contains(&arguments.run) {
        let logs = of_cohort(root, &arguments.run, arguments.all, arguments.lines);
        if logs.is_empty() {
            tell!("no logs of {}: logs are kept of what a batch system runs", arguments.run);
        }
        return print(logs.iter().map(shown).collect::<String>().as_bytes());
    }
    let studies = open.studies();
    let runs = resolve(&studies, &arguments.run)?;
    let mut text = String::new();
    let mut trainings: Vec<_> = runs.iter().map(|run| run.run.training).collect();
    trainings.sort_unstable();
    trainings.dedup();
    for training in trainings {
        for attempt in open.index.attempts(training)? {
            let error = attempt.error.map_or_else(String::new, |error| format!(": {error}"));
            text += &format!(
                "attempt {}, {} on {} ({}), {:.1} s{error}\n",
                attempt.number,
                attempt.status.name(),
                attempt.host,
                attempt.launcher,
                attempt.seconds
            );
        }
        of_training(root, training, arguments.lines).iter().for_each(|log| text += &shown(log));
    }
    if text.is_empty() {
        tell!("no attempt at {} yet", arguments.run);
    }
    print(text.as_bytes())
}

/// The last lines of a log, under its path.
pub struct Log {
    /// Its file.
    pub path: PathBuf,
    /// The lines; at least one.
    pub lines: Vec<String>,
}

/// The last lines of each pilot of a cohort, of its latest sweep or of all.
pub fn of_cohort(root: &Path, cohort: &str, all: bool, most: usize) -> Vec<Log> {
    let files = files(root, Some(cohort));
    let latest = files.keys().filter_map(|path| Some((path.metadata().and_then(|m| m.modified()).ok()?, path.parent()?))).max();
    let wanted = files.iter().filter(|(path, _)| all || latest.is_some_and(|(_, dir)| path.parent() == Some(dir)));
    wanted.filter_map(|(path, said)| last(path, said.lines(), most)).collect()
}

/// The last lines of each log that name a training.
pub fn of_training(root: &Path, training: Id, most: usize) -> Vec<Log> {
    let id = training.to_string();
    files(root, None).iter().filter_map(|(path, said)| last(path, said.lines().filter(|line| line.contains(&id)), most)).collect()
}

/// The last of some lines; nothing of none.
fn last<'l>(path: &Path, lines: impl Iterator<Item = &'l str>, most: usize) -> Option<Log> {
    let lines: Vec<&str> = lines.collect();
    let lines: Vec<String> = lines[lines.len().saturating_sub(most)..].iter().map(|&line| line.to_owned()).collect();
    (!lines.is_empty()).then(|| Log { path: path.to_owned(), lines })
}

/// A log as text: its lines under its path.
fn shown(log: &Log) -> String {
    let lines: Vec<String> = log.lines.iter().map(|line| format!("  {line}")).collect();
    format!("{}\n{}\n", log.path.display(), lines.join("\n"))
}

/// The logs of a store, of one cohort or of all, by path. What cannot be read is left out.
fn files(root: &Path, cohort: Option<&str>) -> BTreeMap<PathBuf, String> {
    let of_it =
        |dir: &SweepDir| cohort.is_none_or(|cohort| dir.read().ok().flatten().is_some_and(|sweep| sweep.cohort == cohort));
    let sweeps = SweepDir::all(root).into_iter().filter(of_it);
    let paths = sweeps.flat_map(|dir| fs::read_dir(dir.logs()).into_iter().flatten().flatten().map(|entry| entry.path()));
    paths.filter_map(|path| Some((path.clone(), String::from_utf8_lossy(&fs::read(&path).ok()?).into_owned()))).collect()
}

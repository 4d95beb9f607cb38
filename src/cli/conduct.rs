//! Runs what is missing of one cohort and leaves its tables and figures: the middle of `run` and `resume`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::Value;

use super::conducted::Conducted;
use super::exit::{Exit, Failure};
use super::interrupt::{Interrupt, WARNINGS};
use super::load::{COPY, Loaded};
use super::machine::{self, LauncherArguments, LauncherName};
use super::others::Others;
use super::print::print_reports;
use super::progress::Progress;
use super::repeats::Repeats;
use super::{figures, report, submit, summary, tensorboard};
use crate::aggregate::{Summary, materialise};
use crate::grid::plan::{Task, plan};
use crate::launch::Launcher;
use crate::launch::drive::{News, Observer, Turn, Wish, drive};
use crate::launch::local::Local;
use crate::query::running::{Notice, Presence};
use crate::query::status::status;
use crate::store::records::{AttemptStatus, Record};
use crate::store::tables::write_csv;
use crate::store::{Damage, Index, OsDisk, Store, Writer, compact, replace_file};
use crate::worker::provenance;
use crate::worker::serve::chain;

/// What a cohort's tables were made from, so that a call that finds nothing to do need not make them again.
pub const STATE: &str = "state.json";

/// Which tasks to take up, by the last attempt at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Missing and lost ones: what failed would fail again.
    Unfinished,
    /// All that is not ok.
    All,
    /// Those whose last attempt ended so; `None`: never attempted.
    Only(Option<AttemptStatus>),
}

impl Select {
    fn takes(self, last: Option<AttemptStatus>) -> bool {
        match self {
            Self::Unfinished => last != Some(AttemptStatus::Failed),
            Self::All => true,
            Self::Only(wanted) => last == wanted || (wanted.is_none() && last == Some(AttemptStatus::Ok)),
        }
    }
}

/// How much to tell, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    /// Nothing but errors on stderr.
    pub quiet: bool,
    /// A summary as JSON on stdout.
    pub json: bool,
}

/// Conducts cohort after cohort, tells of each, and gives the exit code of all: the first interruption ends it.
pub fn conduct_all(
    cohorts: &[Loaded],
    out: &Path,
    arguments: &LauncherArguments,
    select: Select,
    voice: Voice,
) -> Result<Exit, Failure> {
    let is_batch_job = arguments.crew.is_some();
    let interrupt = Interrupt::listen(if is_batch_job { &WARNINGS } else { &[] })?;
    let (mut exit, mut reports) = (Exit::Done, Vec::new());
    for loaded in cohorts {
        let (ended, report) = match arguments.launcher {
            LauncherName::Local | LauncherName::Mpi => conduct_here(loaded, out, arguments, select, &interrupt, voice)?,
            LauncherName::Sge => submit::submit(loaded, out, arguments, select, &interrupt, voice)?,
        };
        reports.push(report);
        match ended {
            Exit::Done => {}
            Exit::Interrupted => {
                exit = Exit::Interrupted;
                break;
            }
            other => exit = other,
        }
    }
    if cohorts.len() > 1 && exit != Exit::Interrupted {
        let overview = report::write_all(cohorts, out)?;
        if !voice.quiet {
            tell!("overview {}", overview.display());
        }
    }
    if voice.json {
        print_reports(reports)?;
    }
    Ok(exit)
}

/// As [`conduct`], and tells of it; the exit code and the report.
pub fn conduct_here(
    loaded: &Loaded,
    out: &Path,
    arguments: &LauncherArguments,
    select: Select,
    interrupt: &Interrupt,
    voice: Voice,
) -> Result<(Exit, Value), Failure> {
    let conducted = conduct(loaded, out, arguments, select, interrupt, voice.quiet)?;
    if !voice.quiet {
        tell!("{}", summary::text(loaded, &conducted, out));
    }
    Ok((conducted.exit(), summary::json(loaded, &conducted)))
}

/// Runs the tasks of `loaded` that are missing in the store at `out` and that `select` takes, then makes tables and figures. A record
/// found damaged on the way counts as missing, so there is a second round for it.
fn conduct(
    loaded: &Loaded,
    out: &Path,
    arguments: &LauncherArguments,
    select: Select,
    interrupt: &Interrupt,
    quiet: bool,
) -> Result<Conducted, Failure> {
    let start = Instant::now();
    let store = Store::open(out)?;
    let mut index = store.index()?;
    let dir = store.cohort_dir(&loaded.cohort.name);
    fs::create_dir_all(&dir).map_err(|e| cannot("make", &dir, &e))?;
    keep_copy(&dir, &loaded.text)?;
    let mut conducted = Conducted::default();
    let mut damaged = usize::MAX;
    loop {
        let settled = loaded.settled(&index)?;
        let plan = plan(&settled.grid, |id| index.contains(*id));
        (conducted.counts, conducted.not_needed) = (plan.counts, settled.grid.not_needed());
        let batch = Batch::select(&plan.tasks, &index, select)?;
        conducted.passed_over = plan.tasks.len() - batch.tasks.len();
        let mut found = Vec::new();
        if !batch.tasks.is_empty() {
            let driven = batch.run(loaded, &store, arguments, interrupt, quiet, &mut conducted);
            if driven.is_ok() && conducted.outcomes.left == 0 {
                found = tidy(&store);
            }
            index.refresh()?;
            driven?;
            if loaded.cohort.stop_when.is_some() {
                // Only now it is known how many repeats are enough.
                let settled = loaded.settled(&index)?;
                conducted.counts = self::plan(&settled.grid, |id| index.contains(*id)).counts;
                conducted.not_needed = settled.grid.not_needed();
            }
        }
        if conducted.outcomes.left > 0 {
            break;
        }
        let kept =
            if plan.tasks.is_empty() { summary::recall(&dir.join(STATE), &loaded.text, plan.counts.runs as u64) } else { None };
        let (summary, figures) = kept.map_or_else(|| tables_and_figures(loaded, &index, &dir), Ok)?;
        (conducted.summary, conducted.figures) = (Some(summary), figures);
        // Payloads are checked as they are read: only now damage in them is known.
        found.extend(index.damage());
        if found.len() == damaged || found.is_empty() {
            break;
        }
        damaged = found.len();
        found.iter().for_each(|damage| tracing::warn!("{damage}; what it held is computed again"));
    }
    conducted.elapsed = start.elapsed();
    Ok(conducted)
}

/// Merges what the workers left, so that the store has few files and opens fast; the damage found on the way, which is set aside. All is
/// committed, so a failure is no failure of the run.
pub fn tidy(store: &Store) -> Vec<Damage> {
    let young = compact::Request { extent: compact::Extent::Young, wants: None, dry_run: false };
    store.compact(&young).map_or_else(
        |error| {
            tracing::warn!("segments are not merged: {}", chain(&error));
            Vec::new()
        },
        |done| done.damage,
    )
}

/// The tasks that a round takes up, with the number of the last attempt at each.
pub struct Batch {
    /// The tasks, in the order in which they should start.
    pub tasks: Vec<Task>,
    /// Number of the last attempt at each.
    pub attempts: Vec<u32>,
}

impl Batch {
    /// What of `missing` is to be taken up.
    pub fn select(missing: &[Task], index: &Index, select: Select) -> Result<Self, Failure> {
        let mut batch = Self { tasks: vec![], attempts: vec![] };
        let attempts = index.last_attempts(missing.par_iter().map(|task| task.training))?;
        for (task, last) in missing.iter().zip(attempts) {
            let last = last.map(|a| (a.number, a.status));
            if select.takes(last.map(|(_, status)| status)) {
                batch.tasks.push(task.clone());
                batch.attempts.push(last.map_or(0, |(number, _)| number));
            }
        }
        Ok(batch)
    }

    /// Runs the tasks to their end, or to the person's.
    fn run(
        &self,
        loaded: &Loaded,
        store: &Store,
        arguments: &LauncherArguments,
        interrupt: &Interrupt,
        quiet: bool,
        conducted: &mut Conducted,
    ) -> Result<(), Failure> {
        let isa = machine::isa()?;
        let step = self.tasks.iter().map(Task::step_work).max().unwrap_or(0);
        let (workers, threads) = arguments.spread(&loaded.cohort.launcher.local, self.tasks.len(), step);
        conducted.spread = Some((workers, threads));
        let program = std::env::current_exe().map_err(|e| Failure::from_error(Exit::Launcher, &e))?;
        let mut launcher: Box<dyn Launcher> = match &arguments.crew {
            Some(crew) => Box::new(crew.launcher()),
            None => Box::new(Local::new(program, worker_arguments(store.root(), threads, arguments), workers as usize)),
        };
        let notice = Notice {
            cohort: loaded.cohort.name.clone(),
            host: provenance::host(),
            pid: std::process::id(),
            launcher: arguments.launcher.name().to_owned(),
            workers,
            tasks: self.tasks.len() as u64,
            ..Notice::default()
        };
        let mut desk = Desk {
            progress: Progress::new(&loaded.cohort.name, &self.tasks, quiet),
            presence: Presence::announce(store.root(), notice.clone()),
            writer: store.writer(|_| ())?,
            repeats: Repeats::of(loaded, store, &self.tasks)?,
            others: Others::new(store, &notice),
            interrupt,
            tasks: &self.tasks,
            attempts: &self.attempts,
            launcher: arguments.launcher.name(),
            isa: isa.name(),
            started: BTreeMap::new(),
            errors: &mut conducted.errors,
        };
        let driven = drive(&self.tasks, &mut *launcher, &mut desk);
        desk.progress.finish();
        let noted = desk.writer.flush();
        let outcomes = driven?;
        conducted.outcomes.done.extend(outcomes.done);
        conducted.outcomes.failed.extend(outcomes.failed);
        conducted.outcomes.lost.extend(outcomes.lost);
        conducted.outcomes.left = outcomes.left;
        Ok(noted?)
    }
}

/// Arguments of a worker process. Values are joined to their flags, so that none can be taken for a flag itself.
fn worker_arguments(out: &Path, threads: u32, arguments: &LauncherArguments) -> Vec<OsString> {
    let mut store = OsString::from("--out=");
    store.push(out);
    let launcher = arguments.launcher.name();
    let checkpoints = format!("--checkpoint-every={}", arguments.checkpoint_every.as_secs_f64());
    vec![
        "worker".into(),
        store,
        format!("--threads={threads}").into(),
        format!("--launcher={launcher}").into(),
        checkpoints.into(),
    ]
}

/// Makes the tables and figures from what is committed.
pub fn tables_and_figures(loaded: &Loaded, index: &Index, dir: &Path) -> Result<(Summary, Vec<PathBuf>), Failure> {
    let loaded = &loaded.settled(index)?;
    let summary = materialise(&loaded.grid, index, dir)?;
    // CSV that somebody asked for stays in step.
    let with_csv = summary.tables.iter().filter(|table| table.with_extension("csv").is_file()).cloned();
    write_csv(&OsDisk, &with_csv.collect::<Vec<_>>())?;
    let figures = figures::draw(loaded, dir)?;
    tensorboard::write(loaded, index, dir, tensorboard::REPEATS, |experiment| experiment.settings.tensorboard)?;
    let state = dir.join(STATE);
    let status = status(loaded.study(), index, &[])?;
    let text = summary::remember(&summary, &figures, &loaded.text, &status, index);
    replace_file(&state, text.as_bytes()).map_err(|e| cannot("write", &state, &e))?;
    Ok((summary, figures))
}

/// Keeps the cohort's text beside its tables.
pub fn keep_copy(dir: &Path, text: &str) -> Result<(), Failure> {
    let copy = dir.join(COPY);
    if fs::read(&copy).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    replace_file(&copy, text.as_bytes()).map_err(|e| cannot("write", &copy, &e))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Store, format!("cannot {what} {}: {error}", path.display()))
}

/// The coordinator's desk: hears what happens, tells the person, writes down what no worker can: that it is gone.
struct Desk<'a> {
    progress: Progress,
    /// Tells `status`, in whatever process, what is under way.
    presence: Presence,
    writer: Writer,
    /// Follows which repeats are needed, where the cohort says when they are enough.
    repeats: Option<Repeats<'a>>,
    /// Who else is at work.
    others: Others,
    interrupt: &'a Interrupt,
    tasks: &'a [Task],
    attempts: &'a [u32],
    launcher: &'static str,
    isa: &'static str,
    /// When the attempt under way at a task began.
    started: BTreeMap<usize, provenance::Began>,
    errors: &'a mut BTreeMap<String, String>,
}

impl Observer for Desk<'_> {
    fn news(&mut self, task: usize, news: &News<'_>) {
        self.progress.news(task, news);
        let training = self.tasks[task].training;
        match *news {
            News::Started { .. } => {
                self.presence.started(training);
                self.started.insert(task, provenance::now());
            }
            News::Failed(error) => {
                self.presence.ended(training);
                self.started.remove(&task);
                self.errors.insert(training.to_string(), error.to_owned());
                self.repeats.iter_mut().for_each(|repeats| repeats.ended(training));
            }
            News::Lost { attempt, reason, again } => {
                self.presence.lost(training, again);
                let started = self.started.get(&task).copied().unwrap_or_else(provenance::now);
                let error = Some(reason.to_owned());
                let note = provenance::attempt(training, attempt, started, self.launcher, self.isa, AttemptStatus::Lost, error);
                // A note about a loss; if it cannot be kept, `flush` at the end says why.
                let _ = self.writer.append(&Record::Attempt(note));
                if !again {
                    self.errors.insert(training.to_string(), reason.to_owned());
                }
            }
            News::Done => {
                self.presence.ended(training);
                self.started.remove(&task);
                self.repeats.iter_mut().for_each(|repeats| repeats.ended(training));
            }
            News::Progress(_) | News::Continued(_) => {}
        }
    }

    fn tick(&mut self) -> Wish {
        let wish = self.interrupt.wish();
        self.progress.tick(wish);
        self.presence.tick(|| self.progress.share());
        wish
    }

    fn attempts_before(&mut self, task: usize) -> u32 {
        self.attempts[task]
    }

    fn turn(&mut self, task: usize, again: bool) -> Turn {
        let is_needed = self.repeats.as_mut().is_none_or(|repeats| repeats.need(self.tasks[task].training));
        let turn = if is_needed { self.others.turn(&self.tasks[task], again) } else { Turn::Never };
        if turn == Turn::Never {
            self.progress.drop_task(task);
        }
        turn
    }
}

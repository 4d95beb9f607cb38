//! `infoplane status`: where cohorts stand, what went wrong, how fast it goes on. Reads only.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::StoreArguments;
use super::columns::aligned;
use super::conduct::STATE;
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::print::print;
use super::progress::{duration, duration_of};
use super::studies::Open;
use super::sweeps::{self, Found};
use super::{load, summary};
use crate::launch::drive::Wish;
use crate::query::running::{self, Notice};
use crate::query::status::{CohortStatus, Counts, status as status_of};
use crate::store::Store;

/// Experiments listed one by one.
const MOST: usize = 60;
/// Reasons told one by one; `--json` has every run.
const MOST_REASONS: usize = 12;
/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// Time between two looks whether Ctrl-C was pressed.
const NAP: Duration = Duration::from_millis(50);

/// Show where cohorts stand: runs by status, pace, failures with their reasons
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane status                      every cohort in the store
  infoplane status quickstart --watch   until it is done, or Ctrl-C
  infoplane status quickstart --json | jq '.failures[].run'

What is under way, the rate and the time left come from the processes that are at work now, on whatever host; the rest from what is \
committed. With --json one cohort is one object, several are a list; with --watch as well, one line each time.")]
pub struct StatusArguments {
    /// The cohort's name [default: every cohort in the store]
    #[arg(value_name = "COHORT-NAME")]
    cohort: Option<String>,
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look again every two seconds, until nothing is left to do
    #[arg(long)]
    watch: bool,
}

pub fn status(arguments: &StatusArguments) -> Result<Exit, Failure> {
    let mut looker = Looker::new(&arguments.store.out, arguments.cohort.as_deref())?;
    if !arguments.watch {
        return print(shown(arguments, &looker.look()?, false)?.as_bytes());
    }
    let interrupt = Interrupt::listen(&[])?;
    let mut last = String::new();
    loop {
        let start = Instant::now();
        let statuses = looker.look()?;
        let text = shown(arguments, &statuses, true)?;
        show_again(&text, &last)?;
        last = text;
        let busy = |s: &CohortStatus| !s.coordinators.is_empty() || s.runs.missing + s.runs.running + s.runs.lost > 0;
        if !statuses.iter().any(busy) {
            return Ok(Exit::Done);
        }
        // A large store is looked at less often, so that looking costs little.
        let pause = EVERY.max(start.elapsed() * 4);
        while start.elapsed() < pause {
            if interrupt.wish() != Wish::Run {
                return Ok(Exit::Done);
            }
            thread::sleep(NAP);
        }
    }
}

/// Looks at cohorts, again and again; opens the store's index only for those that are not known to be finished.
struct Looker<'a> {
    store: Store,
    out: &'a Path,
    names: Vec<String>,
    open: Option<(Vec<String>, Open)>,
}

impl<'a> Looker<'a> {
    fn new(out: &'a Path, cohort: Option<&str>) -> Result<Self, Failure> {
        let store = Store::open_existing(out)?;
        let mut names = load::names(out);
        match cohort {
            // What is not there is said by whoever loads it.
            Some(name) => names = vec![name.to_owned()],
            None if names.is_empty() => {
                let text = format!("no cohort in {}; start one with `infoplane run`", out.display());
                return Err(Failure::new(Exit::Invalid, text));
            }
            None => {}
        }
        Ok(Self { store, out, names, open: None })
    }

    fn look(&mut self) -> Result<Vec<CohortStatus>, Failure> {
        let live = running::live(self.store.root());
        let known = load::names(self.out);
        let finished: Vec<Option<CohortStatus>> = self.names.iter().map(|name| self.finished(name, &known, &live)).collect();
        let asked = self.names.iter().zip(&finished).filter(|(_, finished)| finished.is_none());
        let asked: Vec<String> = asked.map(|(name, _)| name.clone()).collect();
        let mut found = if asked.is_empty() { vec![] } else { self.ask(asked, &live)? }.into_iter();
        // One that was asked about for each that is not finished, in their order.
        Ok(finished.into_iter().filter_map(|status| status.or_else(|| found.next())).collect())
    }

    /// Where a cohort stands that is finished and on which nobody is at work.
    fn finished(&self, name: &str, known: &[String], live: &[Notice]) -> Option<CohortStatus> {
        if live.iter().any(|notice| notice.cohort == name) || !known.iter().any(|known| known == name) {
            return None;
        }
        let dir = self.store.cohort_dir(name);
        let text = fs::read_to_string(dir.join(load::COPY)).ok()?;
        summary::finished(&dir.join(STATE), name, &text, &self.store)
    }

    /// Where these cohorts stand, by the index.
    fn ask(&mut self, names: Vec<String>, live: &[Notice]) -> Result<Vec<CohortStatus>, Failure> {
        let open = match self.open.take() {
            Some((opened, mut open)) if opened == names => {
                open.refresh()?;
                open
            }
            _ => Open::with(self.out, &names)?,
        };
        let statuses = open.studies().into_iter().map(|study| status_of(study, &open.index, live)).collect::<Result<_, _>>()?;
        self.open = Some((names, open));
        Ok(statuses)
    }
}

/// On a terminal in place of the last text; elsewhere below it, if something changed.
fn show_again(text: &str, last: &str) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() {
        print(format!("\x1b[H\x1b[2J{text}").as_bytes())?;
    } else if text != last {
        print(text.as_bytes())?;
    }
    Ok(())
}

fn shown(arguments: &StatusArguments, statuses: &[CohortStatus], one_line: bool) -> Result<String, Failure> {
    let internal = |e: serde_json::Error| Failure::from_error(Exit::Internal, &e);
    let (mut words, mut values) = (Vec::new(), Vec::new());
    for status in statuses {
        let under_way = sweeps::look(&arguments.store.out, &status.cohort, &status.coordinators);
        words.push(text(status) + &under_way.iter().map(Found::text).collect::<String>());
        let mut value = serde_json::to_value(status).map_err(internal)?;
        if !under_way.is_empty() {
            value["sweeps"] = under_way.iter().map(Found::json).collect();
        }
        values.push(value);
    }
    if !arguments.json {
        return Ok(words.join("\n"));
    }
    let all = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
    let json = if one_line { serde_json::to_string(&all) } else { serde_json::to_string_pretty(&all) };
    Ok(json.map_err(internal)? + "\n")
}

/// Counts by name, in the order of summaries.
const fn by_name(runs: &Counts) -> [(&'static str, u64); 6] {
    [
        ("ok", runs.ok),
        ("failed", runs.failed),
        ("lost", runs.lost),
        ("oom", runs.oom),
        ("missing", runs.missing),
        ("running", runs.running),
    ]
}

fn text(status: &CohortStatus) -> String {
    let mut text = format!("{}: {} of {} runs done", status.cohort, status.runs.ok, status.runs.total());
    // Writing to a string cannot fail.
    for (name, count) in by_name(&status.runs).into_iter().skip(1).filter(|(_, count)| *count > 0) {
        let _ = write!(text, ", {count} {name}");
    }
    if status.not_needed > 0 {
        let _ = write!(text, "; {} more are not needed", status.not_needed);
    }
    text.push('\n');
    for notice in &status.coordinators {
        let _ = write!(
            text,
            "  at work: process {} on {}, {} workers ({}), {} of {} tasks ended",
            notice.pid, notice.host, notice.workers, notice.launcher, notice.ended, notice.tasks
        );
        if notice.lost > 0 {
            let _ = write!(text, ", {} lost on the way", notice.lost);
        }
        text.push('\n');
    }
    if let Some(rate) = status.rate_per_second.filter(|rate| *rate > 0.0) {
        let left = status.eta_seconds.and_then(duration_of).map(|left| format!(", about {} left", duration(left)));
        let _ = writeln!(text, "  {} runs/s{}", rounded(rate), left.unwrap_or_default());
    }
    if status.lost_attempts > 0 {
        let _ = writeln!(text, "  attempts lost with their workers so far: {}", status.lost_attempts);
    }
    if status.experiments.len() > 1 {
        text.push_str(&table(status));
    }
    text.push_str(&reasons(status));
    text
}

/// A rate with three digits that matter.
fn rounded(rate: f64) -> String {
    let digits = (2.0 - libm::log10(rate).floor()).clamp(0.0, 6.0) as usize;
    format!("{rate:.digits$}")
}

/// A row an experiment, a column a status that occurs.
fn table(status: &CohortStatus) -> String {
    let occurring: Vec<usize> =
        by_name(&status.runs).iter().enumerate().filter(|(n, (_, c))| *n == 0 || *c > 0).map(|(n, _)| n).collect();
    let names = by_name(&status.runs);
    let mut rows = vec![[vec!["experiment".to_owned()], occurring.iter().map(|&n| names[n].0.to_owned()).collect()].concat()];
    for experiment in status.experiments.iter().take(MOST) {
        let counts = by_name(&experiment.runs);
        rows.push([vec![experiment.experiment.clone()], occurring.iter().map(|&n| counts[n].1.to_string()).collect()].concat());
    }
    let mut text = aligned(&rows, "  ");
    if status.experiments.len() > MOST {
        let _ = writeln!(text, "  … and {} more experiments", status.experiments.len() - MOST);
    }
    text
}

/// What went wrong, equal reasons together.
fn reasons(status: &CohortStatus) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for failure in &status.failures {
        groups.entry((failure.class, &failure.error)).or_default().push(&failure.run);
    }
    let mut text = String::new();
    for ((class, error), runs) in groups.iter().take(MOST_REASONS) {
        let more = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
        let _ = writeln!(text, "  {class}: {}{more}: {error}", runs[0]);
    }
    if groups.len() > MOST_REASONS {
        let _ = writeln!(text, "  … and {} more reasons; --json has all", groups.len() - MOST_REASONS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn rates_have_three_digits() {
        assert_eq!([20_123.4, 12.34, 3.0, 0.01234].map(rounded), ["20123", "12.3", "3.00", "0.0123"]);
    }
}

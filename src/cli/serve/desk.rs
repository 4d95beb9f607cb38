//! The desk behind the dashboard: knows the store, and makes the page or finds the file that is asked for.
//!
//! What is read of the store is kept between requests and renewed by each: its records as far as they are new, its cohorts where their
//! files changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::json;

use super::super::exit::{Exit, Failure};
use super::super::load::{self, COPY, Settled};
use super::super::logs;
use super::super::progress::{duration, duration_of};
use super::super::report::{self, files};
use super::http::{Answer, Body, Request};
use super::results::listings;
use crate::query::explain::explain;
use crate::query::find::find;
use crate::query::running::{Notice, live};
use crate::query::status::{CohortStatus, status};
use crate::query::study::resolve;
use crate::query::terms::{Selection, Term};
use crate::query::{Study, facts};
use crate::report::{
    Board, BoardRow, Found, RunPage, board_page, cohort_board, cohort_page, problem_page, run_page, search_page,
};
use crate::store::{Index, Store};

/// Logs on a page at most, and lines of each.
const MOST_LOGS: usize = 50;
const LOG_LINES: usize = 100;
/// Runs that a search shows.
const MOST_FOUND: usize = 500;
/// Name of a report below `/report/COHORT`, as if it were a file there.
const REPORT: &str = "report.html";
/// Kinds of files that are served, with their types.
const KINDS: [(&str, &str); 6] = [
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("mp4", "video/mp4"),
    ("parquet", "application/octet-stream"),
    ("csv", "text/csv; charset=utf-8"),
    ("toml", "text/plain; charset=utf-8"),
];

/// A store and what is known of it.
pub struct Desk {
    store: Store,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    index: Option<Index>,
    cohorts: BTreeMap<String, (Option<SystemTime>, Settled<'static>)>,
}

impl Known {
    /// Takes in what is new.
    fn renew(&mut self, store: &Store) -> Result<(), Failure> {
        let index = match self.index.take() {
            Some(mut index) => {
                index.refresh()?;
                index
            }
            None => store.index()?,
        };
        let index = &*self.index.insert(index);
        let names = load::names(store.root());
        self.cohorts.retain(|name, _| names.contains(name));
        for name in names {
            let changed = fs::metadata(store.cohort_dir(&name).join(COPY)).and_then(|data| data.modified()).ok();
            if self.cohorts.get(&name).is_none_or(|(known, _)| *known != changed || changed.is_none()) {
                // A cohort that cannot be read must not hide the others.
                match load::by_name(store.root(), &name) {
                    Ok(loaded) => drop(self.cohorts.insert(name, (changed, loaded.into_settled(index)?))),
                    Err(failure) => tracing::warn!("{}", failure.report()),
                }
            } else if let Some((_, cohort)) = self.cohorts.get_mut(&name) {
                cohort.renew(index)?;
            }
        }
        Ok(())
    }

    fn studies(&self) -> Vec<Study<'_>> {
        self.cohorts.values().map(|(_, loaded)| loaded.study()).collect()
    }
}

impl Desk {
    pub fn new(store: Store) -> Self {
        Self { store, known: Mutex::new(Known::default()) }
    }

    /// The answer to a request.
    pub fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        // Files need nothing of the store but their names.
        match path[..] {
            ["files", cohort, file] => return Ok(self.file(cohort, &["parquet", "csv", "toml"], file, "")),
            // A report's links lead to the files beside it.
            ["report", cohort, file] if file != REPORT => return Ok(self.file(cohort, &["parquet", "csv"], file, "")),
            ["report" | "files", cohort, "figures", file] => {
                return Ok(self.file(cohort, &["png", "svg", "mp4"], file, "figures"));
            }
            _ => {}
        }
        // A request that panicked left nothing half done: what is known is read anew by each.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.renew(&self.store)?;
        let (Some(index), live) = (&known.index, live(self.store.root())) else { return Ok(missing()) };
        match path[..] {
            [] => {
                let rows = known.studies().iter().map(|&study| row(study, index, &live)).collect::<Result<Vec<_>, _>>()?;
                Ok(page(board_page(&self.store.root().display().to_string(), &rows)))
            }
            ["api", "status"] => {
                let rows = known.studies().iter().map(|&study| row(study, index, &live)).collect::<Result<Vec<_>, _>>()?;
                let rows: Vec<_> =
                    rows.iter().map(|row| json!({ "cohort": row.cohort, "runs": row.runs, "progress": row.progress })).collect();
                Ok(Answer::ok("application/json", json!(rows).to_string().into_bytes()))
            }
            ["cohort", name] => match known.cohorts.get(name) {
                Some((_, loaded)) => self.cohort(loaded, index, &live),
                None => Ok(missing()),
            },
            ["report", name, REPORT] => match known.cohorts.get(name) {
                Some((_, loaded)) => {
                    let dir = self.store.cohort_dir(name);
                    if !dir.join("aggregate.parquet").is_file() {
                        return Ok(Answer::page((404, "Not Found"), problem_page(name, "There are no tables yet.")));
                    }
                    let told = report::gather(loaded, index, &live, &dir)?;
                    Ok(page(cohort_page(&told).map_err(|e| Failure::from_error(Exit::Internal, &e))?))
                }
                None => Ok(missing()),
            },
            ["run"] => run(&known.studies(), index, &live, &self.store, request.value("id").unwrap_or_default()),
            ["search"] => search(&known.studies(), index, &live, request.value("q").unwrap_or_default()),
            _ => Ok(missing()),
        }
    }

    fn cohort(&self, loaded: &Settled<'_>, index: &Index, live: &[Notice]) -> Result<Answer, Failure> {
        let status = status(loaded.study(), index, live)?;
        let dir = self.store.cohort_dir(&loaded.cohort.name);
        let tables = files(&dir, &["parquet", "csv", "toml"]);
        Ok(page(cohort_board(&Board {
            row: row_of(&status, &loaded.cohort.description),
            failures: status.failures.iter().map(|f| [f.run.clone(), f.class.to_owned(), f.error.clone()]).collect(),
            figures: files(&dir.join("figures"), &["png", "svg", "mp4"]),
            report: tables.iter().any(|table| table == "aggregate.parquet"),
            tables,
            logs: told(logs::of_cohort(self.store.root(), &loaded.cohort.name, false, LOG_LINES)),
        })))
    }

    /// A file of a cohort: only one that a listing of its directory names, so that no path leads anywhere else.
    fn file(&self, cohort: &str, kinds: &[&str], name: &str, below: &str) -> Answer {
        if !load::names(self.store.root()).iter().any(|known| known == cohort) {
            return missing();
        }
        let dir = self.store.cohort_dir(cohort).join(below);
        if !files(&dir, kinds).iter().any(|known| known == name) {
            return missing();
        }
        let kind = KINDS.iter().find(|(extension, _)| Path::new(name).extension().is_some_and(|e| e == *extension));
        let open = || -> std::io::Result<(File, u64)> {
            let path = dir.join(name);
            // Not through a link: it could lead out of the store.
            if !fs::symlink_metadata(&path)?.is_file() {
                return Err(std::io::ErrorKind::NotFound.into());
            }
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        match (open(), kind) {
            (Ok((file, length)), Some((_, kind))) => {
                Answer { status: (200, "OK"), kind, fields: Vec::new(), body: Body::File(file, length) }
            }
            _ => missing(),
        }
    }
}

fn page(html: String) -> Answer {
    Answer::page((200, "OK"), html)
}

fn missing() -> Answer {
    Answer::page((404, "Not Found"), problem_page("Not here", "There is no such page."))
}

fn row(study: Study<'_>, index: &Index, live: &[Notice]) -> Result<BoardRow, Failure> {
    Ok(row_of(&status(study, index, live)?, ""))
}

fn row_of(status: &CohortStatus, description: &str) -> BoardRow {
    let mut progress: Vec<String> = Vec::new();
    for notice in &status.coordinators {
        let at = format!(
            "{} worker{} of {} on {}",
            notice.workers,
            if notice.workers == 1 { "" } else { "s" },
            notice.launcher,
            notice.host
        );
        progress.push(format!("{} of {} tasks ended, {at}", notice.ended, notice.tasks));
    }
    progress.extend(status.rate_per_second.map(|rate| format!("{rate:.2} runs a second")));
    progress.extend(status.eta_seconds.and_then(duration_of).map(|left| format!("about {} left", duration(left))));
    BoardRow {
        cohort: status.cohort.clone(),
        description: description.to_owned(),
        runs: report::counts(status),
        progress: progress.join("; "),
    }
}

/// A run, by any of its names.
fn run(studies: &[Study<'_>], index: &Index, live: &[Notice], store: &Store, name: &str) -> Result<Answer, Failure> {
    let runs = match resolve(studies, name) {
        Ok(runs) => runs,
        Err(error) => return Ok(Answer::page((404, "Not Found"), problem_page("No such run", &error.to_string()))),
    };
    let Some(explanation) = explain(&runs, index, live)? else { return Ok(missing()) };
    let settings = runs.first().map(|run| [facts::place(run), run.experiment().settings.columns()].concat()).unwrap_or_default();
    let columns = ["attempt", "status", "error", "host", "launcher", "seconds", "version", "commit", "instruction set"];
    let attempts = explanation.attempts.iter().map(|a| {
        let seconds = format!("{:.1}", a.seconds);
        let error = a.error.clone().unwrap_or_default();
        [&a.attempt.to_string(), a.status, &error, &a.host, &a.launcher, &seconds, &a.version, &a.commit, &a.isa]
            .map(str::to_owned)
            .to_vec()
    });
    Ok(page(run_page(&RunPage {
        names: explanation.runs.iter().map(|run| format!("{} ({})", run.run, run.status)).collect(),
        verdict: explanation.verdict.clone(),
        settings: settings.iter().map(|(key, value)| ((*key).to_owned(), facts::text(value))).collect(),
        attempts: (columns.map(str::to_owned).into(), attempts.collect()),
        results: listings(&runs, index)?,
        logs: runs.first().map_or_else(Vec::new, |run| told(logs::of_training(store.root(), run.run.training, LOG_LINES))),
    })))
}

/// Logs as a page shows them: the last of many, each by the names of its sweep and its file.
fn told(logs: Vec<logs::Log>) -> Vec<(String, String)> {
    let name = |log: &logs::Log| {
        let parts: Vec<_> = log.path.iter().rev().take(3).map(|part| part.to_string_lossy()).collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/")
    };
    let first = logs.len().saturating_sub(MOST_LOGS);
    logs[first..].iter().map(|log| (name(log), log.lines.join("\n"))).collect()
}

/// What a search finds, in the language of `find`.
fn search(studies: &[Study<'_>], index: &Index, live: &[Notice], question: &str) -> Result<Answer, Failure> {
    let found = |answer: String, runs| Ok(page(search_page(&Found { question: question.to_owned(), answer, runs })));
    if question.trim().is_empty() {
        return found(String::new(), Vec::new());
    }
    let terms = match words(question).iter().map(|word| Term::parse(word)).collect::<Result<Vec<_>, _>>() {
        Ok(terms) => terms,
        Err(error) => return found(error, Vec::new()),
    };
    let selection = Selection::new(&terms, None);
    if let Some(name) = selection.cohorts().iter().find(|name| studies.iter().all(|study| study.grid.cohort != **name)) {
        return found(format!("no cohort `{name}` in this store"), Vec::new());
    }
    let hits = find(studies, &selection, index, live)?;
    let shown = hits.iter().take(MOST_FOUND).map(|hit| (hit.run.name(), hit.standing.name().to_owned())).collect();
    let first = if hits.len() > MOST_FOUND { format!("; the first {MOST_FOUND} are shown") } else { String::new() };
    found(format!("{} run{} found{first}", hits.len(), if hits.len() == 1 { "" } else { "s" }), shown)
}

/// Words parted by blanks; quotes of either kind keep what is between them together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (c, quote) {
            ('"' | '\'', None) => (quote, begun) = (Some(c), true),
            (_, Some(open)) if c == open => quote = None,
            (_, None) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_people_expect() {
        assert_eq!(
            words(" a  status=failed 'c:label with blanks:0' \"it's\" "),
            ["a", "status=failed", "c:label with blanks:0", "it's"]
        );
        assert_eq!(words("architecture=^\\[10, '"), ["architecture=^\\[10,", ""]);
        assert!(words("  ").is_empty());
    }
}

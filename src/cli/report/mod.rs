//! `infoplane report`: a cohort as one HTML file; and the overview of several.

mod dependence;
mod findings;
mod gather;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::figures::write_file;
use super::load::{Loaded, Settled};
use super::print::print;
use super::{StoreArguments, load};
use crate::findings::Finding;
use crate::query::running;
use crate::report::{Card, cohort_page, overview_page};
use crate::store::{Index, Store};
use findings::Most;

pub use gather::{counts, gather};

/// Write a cohort as one HTML file, with the plane to walk through
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane report quickstart             writes results/quickstart/report.html
  infoplane report tanh relu --out study  and an overview of both, study/index.html, with what they show of the published claims
  infoplane report tanh relu --json       these findings as JSON: claim, cohort, verdict, a sentence, the numbers

The file needs nothing but itself; its links to tables and figures lead to the files beside it.")]
pub struct ReportArguments {
    /// Names of cohorts
    #[arg(value_name = "COHORT-NAME", required = true)]
    cohorts: Vec<String>,
    #[command(flatten)]
    store: StoreArguments,
    /// Print what the cohorts show of the published claims as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub fn report(arguments: &ReportArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    let loaded: Vec<Loaded> = arguments.cohorts.iter().map(|name| load::by_name(out, name)).collect::<Result<_, _>>()?;
    let index = store.index()?;
    let loaded = settled(&loaded, &index)?;
    let mut written = Vec::new();
    for one in &loaded {
        let name = &one.cohort.name;
        if !has_tables(one, &store) {
            let text = format!("`{name}` has no tables yet; `infoplane aggregate {name}` makes them of what is committed");
            return Err(Failure::new(Exit::Invalid, text));
        }
        written.push(write(one, &index, &store)?);
    }
    let found = if loaded.len() > 1 || arguments.json { found(&loaded, &store)? } else { Vec::new() };
    if loaded.len() > 1 {
        written.push(overview(&loaded, &found, &index, &store)?);
    }
    if !quiet {
        written.iter().for_each(|path| tell!("wrote {}", path.display()));
    }
    if arguments.json { print(format!("{:#}\n", findings::as_json(&found)).as_bytes()) } else { Ok(Exit::Done) }
}

/// Writes the report of every cohort that has tables (one that was handed to a scheduler has none yet), and the overview; gives its file.
pub fn write_all(cohorts: &[Loaded], out: &Path) -> Result<PathBuf, Failure> {
    let store = Store::open(out)?;
    let index = store.index()?;
    let cohorts = &settled(cohorts, &index)?[..];
    for loaded in cohorts.iter().filter(|loaded| has_tables(loaded, &store)) {
        write(loaded, &index, &store)?;
    }
    overview(cohorts, &found(cohorts, &store)?, &index, &store)
}

/// The cohorts with the repeats that are enough.
fn settled<'a>(cohorts: &'a [Loaded], index: &Index) -> Result<Vec<Settled<'a>>, Failure> {
    cohorts.iter().map(|loaded| loaded.settled(index)).collect()
}

/// What those of the cohorts that have tables show of the published claims.
fn found(cohorts: &[Settled<'_>], store: &Store) -> Result<Vec<Finding>, Failure> {
    let with_tables = cohorts.iter().filter(|loaded| has_tables(loaded, store));
    let read = |loaded: &Settled<'_>| findings::read(loaded, &store.cohort_dir(&loaded.cohort.name), Most::default());
    Ok(crate::findings::all(&with_tables.map(read).collect::<Result<Vec<_>, _>>()?))
}

/// Whether a cohort's tables are there.
fn has_tables(loaded: &Loaded, store: &Store) -> bool {
    let dir = store.cohort_dir(&loaded.cohort.name);
    ["aggregate", "measures", "metrics"].iter().all(|table| dir.join(format!("{table}.parquet")).is_file())
}

/// Writes the report of a cohort whose tables are there; gives the file.
fn write(loaded: &Settled<'_>, index: &Index, store: &Store) -> Result<PathBuf, Failure> {
    let dir = store.cohort_dir(&loaded.cohort.name);
    let report = gather(loaded, index, &running::live(store.root()), &dir)?;
    let page = cohort_page(&report).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    let path = dir.join("report.html");
    write_file(&path, page.as_bytes())?;
    Ok(path)
}

/// Writes the overview of these cohorts, `index.html`; gives the file.
fn overview(cohorts: &[Settled<'_>], found: &[Finding], index: &Index, store: &Store) -> Result<PathBuf, Failure> {
    let card = |loaded: &Settled<'_>| -> Result<Card, Failure> {
        let name = &loaded.cohort.name;
        let dir = store.cohort_dir(name);
        let status = crate::query::status::status(loaded.study(), index, &[])?;
        let runs = status.runs;
        let mut facts =
            vec![format!("{} of {} runs done, {} experiments.", runs.ok, runs.total(), loaded.grid.experiments.len())];
        if !status.failures.is_empty() {
            facts.push(format!("{} runs did not end well.", status.failures.len()));
        }
        Ok(Card {
            name: name.clone(),
            description: loaded.cohort.description.clone(),
            facts,
            figures: files(&dir.join("figures"), &["png", "svg"]),
            report: dir.join("report.html").is_file(),
        })
    };
    let cards = cohorts.iter().map(card).collect::<Result<Vec<_>, _>>()?;
    let path = store.root().join("index.html");
    write_file(&path, overview_page("Overview", found, &cards).as_bytes())?;
    Ok(path)
}

/// Names of the files in a directory with one of these extensions, sorted; none where there is no directory.
pub fn files(dir: &Path, extensions: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let has = |name: &String| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        !name.starts_with('.') && extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let mut names: Vec<String> = names.filter(has).collect();
    names.sort();
    names
}

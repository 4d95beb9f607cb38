//! `infoplane gc`: what killed processes left, and, if asked, the records of trainings that no cohort asks for.

use std::collections::HashSet;

use clap::Args;
use serde_json::json;

use super::compact::{json_of, name_damage, size};
use super::exit::{Exit, Failure};
use super::gc_sweeps::sweep_up;
use super::print::print;
use super::{StoreArguments, load};
use crate::grid::ids::Id;
use crate::store::Store;
use crate::store::compact::{Extent, Request};

/// Remove what killed processes and ended sweeps left, and what no cohort asks for
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane gc --dry-run
  infoplane gc --trainings --dry-run    what the cohorts in the store no longer ask for
  infoplane gc --trainings

A training is asked for if it belongs to a cohort whose directory is in the store, in the version of its file that ran last. Without \
--trainings no record goes.

Of what was submitted to a cluster and has ended, or whose jobs are gone, the task files and logs go, and jobs that still wait for it are \
deleted.")]
pub struct GcArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Also remove trainings, with measurements and attempts, that no cohort in the store asks for
    #[arg(long)]
    trainings: bool,
    /// Say what would go, remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what went as JSON
    #[arg(long)]
    json: bool,
}

pub fn gc(arguments: &GcArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    // First of all, so that a cohort that cannot be read stops it before anything is removed.
    let wanted = if arguments.trainings { Some(wanted(out)?) } else { None };
    let files = store.tidy(arguments.dry_run);
    let index = store.index()?;
    let settled = |id: Id| {
        let unwanted = wanted.as_ref().is_some_and(|wanted| !wanted.contains(&id));
        if index.contains(id) { Some("its training is committed") } else { unwanted.then_some("no cohort asks for its training") }
    };
    let checkpoints = store.checkpoints().stale(settled, arguments.dry_run);
    let go = if arguments.dry_run { "would be removed" } else { "removed" };
    let bytes = files.iter().map(|(_, bytes)| bytes).sum::<u64>();
    if !quiet {
        files.iter().for_each(|(path, bytes)| tell!("{} ({}) {go}", path.display(), size(*bytes)));
        tell!("{} unfinished files ({}) {go}", files.len(), size(bytes));
        checkpoints.iter().for_each(|c| tell!("{} ({}) {go}: {}", c.path.display(), size(c.bytes), c.why));
    }
    let swept = sweep_up(&store, arguments.dry_run)?;
    if !quiet {
        swept.dirs.iter().for_each(|(path, bytes, why)| tell!("{} ({}) {go}: {why}", path.display(), size(*bytes)));
        swept.jobs.iter().for_each(|job| tell!("job {job} of a sweep that has ended {go}"));
        swept.notes.iter().for_each(|note| tell!("note: {note}"));
    }
    let mut report = json!({
        "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        "bytes": bytes,
        "checkpoints": checkpoints.iter().map(|checkpoint| &checkpoint.path).collect::<Vec<_>>(),
        "sweeps": swept.dirs.iter().map(|(path, ..)| path).collect::<Vec<_>>(),
        "jobs": swept.jobs,
        "dry_run": arguments.dry_run,
    });
    if let Some(wanted) = wanted {
        let wants = |id: Id| wanted.contains(&id);
        let request = Request { extent: Extent::All, wants: Some(&wants), dry_run: true };
        // Looked at first: a store in which nothing goes need not be written anew.
        let mut done = store.compact(&request)?;
        if done.dropped > 0 && !arguments.dry_run {
            done = store.compact(&Request { dry_run: false, ..request })?;
        }
        name_damage(&done);
        if !quiet {
            tell!("{} records of trainings that no cohort asks for {go}; {} stay", done.dropped, done.records);
            if done.held > 0 {
                tell!("{} segments were left alone: a process writes to them, or the file system has no locks", done.held);
            }
        }
        report["records"] = json_of(&done);
    }
    if arguments.json {
        print(format!("{report:#}\n").as_bytes())?;
    }
    Ok(Exit::Done)
}

/// The trainings of all cohorts in the store, by whatever name their directories go now.
fn wanted(out: &std::path::Path) -> Result<HashSet<Id>, Failure> {
    let mut wanted = HashSet::new();
    for loaded in load::in_all_directories(out)? {
        wanted.extend(loaded.grid.runs().map(|run| run.training));
    }
    Ok(wanted)
}

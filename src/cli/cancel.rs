//! `infoplane cancel`: ends what was given to a batch system, and is not finished.

use clap::Args;

use super::attend::{open_sweeps, tasks_of};
use super::exit::{Exit, Failure};
use super::{StoreArguments, load};
use crate::launch::sge::journal::Line;
use crate::launch::sge::scheduler::{Programs, Scheduler, SchedulerError};
use crate::store::Store;

/// Cancel what was submitted to a cluster and has not ended; all that is committed stays
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane cancel                      every cohort in the store
  infoplane cancel quickstart

Pilots learn of it from the store as well, so that they end even where Grid Engine does not answer. `infoplane run` takes up what is left.")]
pub struct CancelArguments {
    /// The cohort's name [default: every cohort in the store]
    #[arg(value_name = "COHORT-NAME")]
    cohort: Option<String>,
    #[command(flatten)]
    store: StoreArguments,
}

pub fn cancel(arguments: &CancelArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    if let Some(name) = &arguments.cohort {
        // What is not there is said.
        load::by_name(out, name)?;
    }
    let say = |text: String| {
        if !quiet {
            tell!("{text}");
        }
    };
    let open = open_sweeps(store.root(), arguments.cohort.as_deref());
    if open.is_empty() {
        say("nothing to cancel: no sweep is under way".to_owned());
        return Ok(Exit::Done);
    }
    // In the store first: a pilot that starts this moment must not begin.
    for (dir, sweep) in &open {
        dir.note(&Line::Cancelled)
            .map_err(|e| Failure::new(Exit::Store, format!("cannot cancel {}: {e}", dir.path().display())))?;
        dir.drop_leases();
        say(format!("{}: sweep {} is cancelled; pilots end within seconds", sweep.cohort, dir.id()));
    }
    let mut scheduler = Programs;
    let known = scheduler.tasks();
    let mut refused: Option<SchedulerError> = None;
    for (dir, sweep) in &open {
        let mut jobs = dir.journal().map(|journal| journal.jobs()).unwrap_or_default();
        // Jobs whose numbers were never written down are found by their names.
        if let Ok(known) = &known {
            let alive: Vec<u64> = tasks_of(dir, known).iter().map(|task| task.job).collect();
            // Those that have ended need not be deleted.
            jobs.retain(|job| alive.contains(job));
            jobs.extend(alive);
        }
        jobs.sort_unstable();
        jobs.dedup();
        for job in jobs {
            match scheduler.delete(job) {
                Ok(()) => say(format!("{}: job {job} is deleted", sweep.cohort)),
                Err(error) => refused = Some(error),
            }
        }
    }
    match known.err().or(refused) {
        None => Ok(Exit::Done),
        Some(error) => Err(Failure::from_error(Exit::Launcher, &error)),
    }
}

//! What sweeps left: their files once they have ended, and jobs that nobody waits for any more.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::attend::{close, is_known};
use super::exit::Failure;
use crate::launch::sge::qstat::JobTasks;
use crate::launch::sge::scheduler::{Programs, Scheduler};
use crate::launch::sge::sweep::{SweepDir, id_of_job};
use crate::query::running;
use crate::store::Store;

/// A directory that long without a sweep in it was left by a call that died while it wrote it.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// What was found.
#[derive(Default)]
pub struct Swept {
    /// Directories that go, with their sizes and the reason.
    pub dirs: Vec<(PathBuf, u64, &'static str)>,
    /// Jobs that go.
    pub jobs: Vec<u64>,
    /// What could not be found out.
    pub notes: Vec<String>,
}

/// Finds what sweeps of the store left, and removes it unless it is a `dry_run`.
pub fn sweep_up(store: &Store, dry_run: bool) -> Result<Swept, Failure> {
    let (mut found, root) = (Swept::default(), store.root());
    let all = SweepDir::all(root);
    if all.is_empty() {
        return Ok(found);
    }
    let live = running::live(root);
    // Asked only for what has not ended: on a machine without Grid Engine that is seldom.
    let mut known: Option<Result<Vec<JobTasks>, String>> = None;
    let mut ask = || known.get_or_insert_with(|| Programs.tasks().map_err(|error| error.to_string())).clone();
    for dir in &all {
        let ended = dir.journal().is_ok_and(|journal| journal.end().is_some());
        let why = match dir.read() {
            Ok(_) if ended => Some("it has ended"),
            Ok(None) => is_old(dir).then_some("it was never submitted"),
            Ok(Some(sweep)) => match ask() {
                Ok(known) if is_known(dir, &known) => None,
                Ok(_) => (!live.iter().any(|notice| notice.cohort == sweep.cohort && notice.launcher == "sge"))
                    .then_some("its jobs are gone"),
                Err(error) => {
                    found.notes.push(format!("whether sweep {} is under way is not known: {error}", dir.id()));
                    None
                }
            },
            Err(error) => {
                found.notes.push(error.to_string());
                None
            }
        };
        let Some(why) = why else { continue };
        // A job that waits for a sweep that has ended finds nothing to do; one that will never start stays in the queue.
        if ended && let Ok(known) = ask() {
            found.jobs.extend(known.iter().filter(|task| id_of_job(&task.name) == Some(dir.id())).map(|task| task.job));
        }
        found.dirs.push((dir.path().to_owned(), dir.size(), why));
        if !dry_run {
            if !ended {
                close(dir)?;
            }
            if let Err(error) = dir.remove() {
                found.notes.push(format!("cannot remove {}: {error}", dir.path().display()));
            }
        }
    }
    found.jobs.sort_unstable();
    found.jobs.dedup();
    for &job in found.jobs.iter().filter(|_| !dry_run) {
        if let Err(error) = Programs.delete(job) {
            found.notes.push(format!("job {job}: {error}"));
        }
    }
    Ok(found)
}

fn is_old(dir: &SweepDir) -> bool {
    let modified = fs::metadata(dir.path()).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age >= UNFINISHED)
}

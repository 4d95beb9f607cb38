//! Who is at work: a small file for each live coordinator, locked as long as it lives.
//!
//! ```text
//! STORE/.infoplane/running/RANDOM.json    one coordinator each: one line of JSON, written anew about once a second
//! ```
//! The lock (`flock`) tells a live coordinator from one that was killed: the kernel drops it with the process, on a network file system the
//! server does. The content is a courtesy to `status` and never decides anything; so no failure here stops a run, and where a file system
//! has no locks no file is left and `status` shows what is committed.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::grid::ids::Id;

/// Time between two writes.
const EVERY: Duration = Duration::from_secs(1);
/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(30);
/// Tasks that must have ended within the window; else the rate is that of the whole call.
const ENOUGH: u64 = 10;
/// Share of the work from which an estimate of the time left means anything.
const LEAST_SHARE: f64 = 0.005;

/// What a coordinator says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The cohort that it runs.
    pub cohort: String,
    /// Name of its host.
    pub host: String,
    /// Id of its process.
    pub pid: u32,
    /// Name of the launcher.
    pub launcher: String,
    /// Workers that it has, dead ones replaced.
    pub workers: u32,
    /// Tasks of this call.
    pub tasks: u64,
    /// Those of them that ended.
    pub ended: u64,
    /// How often a task of this call was lost with its worker.
    pub lost: u64,
    /// Tasks that end in a second, lately.
    pub tasks_per_second: Option<f64>,
    /// Time left at the pace so far.
    pub eta_seconds: Option<f64>,
    /// Ids of the trainings under way.
    pub running: Vec<String>,
}

/// A coordinator's own notice; it goes when this is dropped.
#[derive(Debug)]
pub struct Presence {
    notice: Notice,
    /// Trainings under way, with how many tasks of each.
    under_way: BTreeMap<Id, u32>,
    /// `None` where there are no locks or nothing can be written.
    file: Option<(PathBuf, File)>,
    start: Instant,
    /// Times with the tasks that had ended by then.
    samples: VecDeque<(Instant, u64)>,
    written: Option<Instant>,
}

impl Presence {
    /// Says that this process is at work on the store at `root`, and tidies up after those that were killed.
    #[must_use]
    pub fn announce(root: &Path, notice: Notice) -> Self {
        let dir = dir(root);
        tidy(&dir);
        let file = match create(&dir) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::debug!("`status` will not see this run: {}: {error}", dir.display());
                None
            }
        };
        let start = Instant::now();
        let mut presence = Self { notice, under_way: BTreeMap::new(), file, start, samples: VecDeque::new(), written: None };
        presence.tick(|| 0.0);
        presence
    }

    /// Work on this training began.
    pub fn started(&mut self, training: Id) {
        *self.under_way.entry(training).or_default() += 1;
    }

    /// A task on this training ended, well or badly.
    pub fn ended(&mut self, training: Id) {
        self.notice.ended += 1;
        self.stopped(training);
    }

    /// A task on this training was lost with its worker; it waits again, or (`again` false) is given up.
    pub fn lost(&mut self, training: Id, again: bool) {
        self.notice.lost += 1;
        self.notice.ended += u64::from(!again);
        self.stopped(training);
    }

    fn stopped(&mut self, training: Id) {
        if let Some(count) = self.under_way.get_mut(&training) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&training);
            }
        }
    }

    /// Writes the notice anew if the last one is old; only then asks which `share` of the call's work is done, 0 to 1.
    pub fn tick(&mut self, share: impl FnOnce() -> f64) {
        let now = Instant::now();
        if self.written.is_some_and(|written| now - written < EVERY) {
            return;
        }
        let share = share();
        self.written = Some(now);
        self.samples.push_back((now, self.notice.ended));
        while self.samples.len() > 2 && now - self.samples[0].0 > WINDOW {
            self.samples.pop_front();
        }
        let elapsed = (now - self.start).as_secs_f64();
        self.notice.tasks_per_second = self.rate(now, elapsed);
        self.notice.eta_seconds = (share >= LEAST_SHARE && elapsed > 0.5).then(|| elapsed * (1.0 - share).max(0.0) / share);
        self.notice.running = self.under_way.keys().map(Id::to_string).collect();
        if let Some((path, file)) = &self.file
            && let Err(error) = write(file, &self.notice)
        {
            tracing::debug!("cannot write {}: {error}", path.display());
        }
    }

    fn rate(&self, now: Instant, elapsed: f64) -> Option<f64> {
        let &(then, before) = self.samples.front()?;
        let (ended, seconds) = (self.notice.ended - before, (now - then).as_secs_f64());
        if ended >= ENOUGH && seconds > 0.0 {
            return Some(ended as f64 / seconds);
        }
        (self.notice.ended > 0 && elapsed > 0.0).then(|| self.notice.ended as f64 / elapsed)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.file {
            // If it stays, its lock is gone, and the next coordinator removes it.
            let _ = fs::remove_file(path);
        }
    }
}

/// The live coordinators of the store at `root`, by cohort, host and process. What cannot be read is left out.
#[must_use]
pub fn live(root: &Path) -> Vec<Notice> {
    let paths = fs::read_dir(dir(root)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut notices: Vec<Notice> = paths.filter_map(|path| read(&path)).collect();
    notices.sort_by(|a, b| (&a.cohort, &a.host, a.pid).cmp(&(&b.cohort, &b.host, b.pid)));
    notices
}

fn dir(root: &Path) -> PathBuf {
    root.join(".infoplane").join("running")
}

/// A new, locked file of a name that no other process has.
fn create(dir: &Path) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(dir)?;
    let id = Id::fresh(&format!("{} {:?} {:?}", std::process::id(), std::time::SystemTime::now(), fs::read_to_string(BOOT).ok()));
    let path = dir.join(format!("{id}.json"));
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    // Waits for a reader that looks at the file just now, which takes it no time.
    if let Err(error) = file.lock() {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok((path, file))
}

/// Differs from host to host.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// In place, so that the lock stays with the file. A reader may see half of it, and then looks again.
fn write(file: &File, notice: &Notice) -> io::Result<()> {
    let mut line = serde_json::to_vec(notice)?;
    line.push(b'\n');
    file.write_all_at(&line, 0)?;
    file.set_len(line.len() as u64)
}

/// The notice in a file, if its coordinator lives.
fn read(path: &Path) -> Option<Notice> {
    let file = File::open(path).ok()?;
    for _ in 0..5 {
        // Whoever gets the lock knows that nobody holds it.
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        if let Some(notice) = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Some(notice);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// Removes the files that nobody holds.
fn tidy(dir: &Path) {
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if let Ok(file) = File::open(&path)
            // One that was made this moment and is not locked yet is empty.
            && file.metadata().is_ok_and(|m| m.len() > 0)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(cohort: &str) -> Notice {
        Notice { cohort: cohort.into(), ..Notice::default() }
    }

    #[test]
    fn a_live_coordinator_is_seen_and_a_dead_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert!(live(root.path()).is_empty());
        let mut presence = Presence::announce(root.path(), notice("b"));
        let other = Presence::announce(root.path(), notice("a"));
        assert_eq!(live(root.path()).iter().map(|n| n.cohort.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        drop(other);

        let (one, two) = (Id([1; 16]), Id([2; 16]));
        presence.started(one);
        presence.started(two);
        presence.ended(one);
        presence.written = None;
        presence.tick(|| 0.5);
        let seen = live(root.path());
        assert_eq!((seen[0].running.clone(), seen[0].ended), (vec![two.to_string()], 1));

        // Killed: the file stays, the lock goes.
        let path = presence.file.as_ref().unwrap().0.clone();
        let kept = fs::read(&path).unwrap();
        drop(presence);
        assert!(!path.exists());
        fs::write(&path, kept).unwrap();
        assert!(live(root.path()).is_empty());
        let next = Presence::announce(root.path(), notice("c"));
        assert!(!path.exists(), "tidied up");
        assert_eq!(live(root.path()).len(), 1);
        drop(next);
        assert_eq!(fs::read_dir(dir(root.path())).unwrap().count(), 0);
    }

    #[test]
    fn a_store_that_cannot_be_written_stops_nobody() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(".infoplane"), "a file").unwrap();
        let mut presence = Presence::announce(root.path(), notice("a"));
        presence.started(Id([1; 16]));
        presence.tick(|| 0.1);
        assert!(live(root.path()).is_empty());
    }
}

//! `infoplane worker --pilot`: an array task of a batch system. Takes batches of a sweep under leases and drives worker processes through
//! them; the last one makes the tables and figures.
//!
//! What it decides is in `launch::sge::pilot`; here is what that means for files, processes and clocks. It reports to its log (stderr) and,
//! as every coordinator, to the store.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::conduct;
use super::exit::{Exit, Failure};
use super::load;
use super::pilot_batch::{self, Crew, Says};
use super::warning::Warning;
use crate::launch::sge::journal::Line;
use crate::launch::sge::pilot::{Leave, Place, Step, Work};
use crate::launch::sge::sweep::{Assignment, Sweep, SweepDir};
use crate::store::lease::{self, Board, FileBoard, Kept, Lease, State, Watch};
use crate::store::{Index, Store};
use crate::worker::provenance;
use crate::worker::serve::chain;

/// Bytes of a log at most, and what is kept of a longer one.
const LOG: (u64, u64) = (1 << 20, 1 << 18);
/// Looks at the leases, a lease taken among them, that may fail in a row.
const PATIENCE: u32 = 8;
/// Time between two looks whether a signal has come.
const NAP: Duration = Duration::from_millis(50);

/// Which pilot this is.
pub struct Ticket<'a> {
    /// The store.
    pub root: &'a Path,
    /// Id of the sweep.
    pub sweep: &'a str,
    /// Name of its array job within the sweep.
    pub array: &'a str,
}

/// Works on a sweep until nothing is left to do, or the pilot has to go.
pub fn pilot(ticket: &Ticket<'_>) -> Result<Exit, Failure> {
    let start = Instant::now();
    let warning = Warning::listen()?;
    let dir = SweepDir::of(ticket.root, ticket.sweep)
        .ok_or_else(|| Failure::new(Exit::Invalid, format!("{:?} is no sweep's id", ticket.sweep)))?;
    let Some(sweep) = dir.read().map_err(cannot)? else {
        tell!("the sweep {} is gone: nothing to do", ticket.sweep);
        return Ok(Exit::Done);
    };
    let array = sweep.arrays.iter().find(|array| array.name == ticket.array);
    let class = array.map_or(0, |array| array.class);
    let number = task_number();
    let name = format!("pilot {}-{number} on {}, process {}", ticket.array, provenance::host(), std::process::id());
    tell!("{name}: job {}, sweep {} of {}", variable("JOB_ID"), sweep.id, sweep.cohort);
    let store = Store::open(ticket.root)?;
    let crew = Crew {
        program: std::env::current_exe().map_err(|e| Failure::from_error(Exit::Launcher, &e))?,
        arguments: worker_arguments(ticket.root, &sweep),
        name,
        start,
        warning,
    };
    let end = Pilot {
        board: Arc::new(FileBoard::existing(dir.leases())),
        watch: Watch::new(Duration::from_secs(sweep.deadline.into())),
        place: (class, number.saturating_sub(1)),
        index: store.index()?,
        store,
        dir,
        sweep,
        crew,
    }
    .work();
    match &end {
        Ok(exit) => tell!("ends after {:.1} s: {exit:?}", start.elapsed().as_secs_f64()),
        Err(failure) => tell!("ends after {:.1} s: {}", start.elapsed().as_secs_f64(), failure.report()),
    }
    end
}

struct Pilot {
    dir: SweepDir,
    sweep: Sweep,
    store: Store,
    index: Index,
    board: Arc<dyn Board>,
    watch: Watch,
    /// Class of its memory, and the batch that it takes first.
    place: (u32, usize),
    crew: Crew,
}

/// What a pilot does next.
enum Next {
    /// The sweep has ended, or is gone.
    Over(String),
    /// The pilot's time is over.
    MustGo,
    /// Keep watch under this lease.
    Watch(Kept),
    /// Make the tables under this lease.
    Tables(Kept),
    /// Do a batch.
    Batch(Taken),
    /// Look again, after a heartbeat or at once.
    Wait,
    Again,
    Leave(Leave),
}

/// A batch that was taken.
struct Taken {
    number: usize,
    kept: Kept,
    assignments: Vec<Assignment>,
    /// What its silent holder said last.
    silent: Option<String>,
}

impl Pilot {
    fn work(&mut self) -> Result<Exit, Failure> {
        let mut watching: Option<Kept> = None;
        let mut failures = 0;
        loop {
            bound_log();
            let next = match self.next(watching.is_some()) {
                Ok(next) => next,
                Err(_) if self.crew.must_go(&self.sweep) => Next::MustGo,
                Err(error) if failures < PATIENCE => {
                    // A file server that is busy or restarts; or the sweep was cancelled this moment, which the next look tells.
                    failures += 1;
                    tell!("cannot look at the leases or take one: {error}");
                    self.nap(self.interval() * failures);
                    continue;
                }
                Err(error) => return Err(cannot(error)),
            };
            failures = 0;
            match next {
                Next::Over(why) => {
                    tell!("the sweep is over: {why}");
                    return Ok(Exit::Done);
                }
                Next::MustGo => return Ok(Exit::Requeue),
                Next::Again => {}
                Next::Watch(kept) => watching = Some(kept),
                Next::Tables(kept) => return self.tables(kept),
                Next::Batch(taken) => {
                    watching.take().into_iter().for_each(|watch| settle(watch, State::Free));
                    if let Some(exit) = self.batch(taken)? {
                        return Ok(exit);
                    }
                }
                Next::Wait => {
                    if watching.as_ref().is_some_and(|watch| !watch.is_held()) {
                        watching = None;
                    }
                    self.nap(self.interval());
                }
                Next::Leave(leave) => {
                    tell!(
                        "{}",
                        match leave {
                            Leave::AllDone => "all is done",
                            Leave::NotNeeded => "others do what is left",
                        }
                    );
                    return Ok(Exit::Done);
                }
            }
        }
    }

    /// Looks what is to be done, and takes it. An error is of the file system: it may pass.
    fn next(&mut self, watching: bool) -> io::Result<Next> {
        if let Some(end) = self.dir.journal()?.end() {
            return Ok(Next::Over(format!("{end:?}")));
        }
        if self.crew.must_go(&self.sweep) {
            return Ok(Next::MustGo);
        }
        let found = self.look_and_take(watching);
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound && self.dir.read().is_ok_and(|it| it.is_none());
        if found.as_ref().is_err_and(is_gone) { Ok(Next::Over("its files are gone".to_owned())) } else { found }
    }

    fn look_and_take(&mut self, watching: bool) -> io::Result<Next> {
        let (work, after, silent) = match self.step(watching)? {
            Step::Take { work, after, silent } => (work, after, silent),
            Step::Wait => return Ok(Next::Wait),
            Step::Leave(leave) => return Ok(Next::Leave(leave)),
        };
        let Some(kept) = self.take(work, after)? else { return Ok(Next::Again) };
        let number = match work {
            Work::Watch(..) => return Ok(Next::Watch(kept)),
            Work::Tables => return Ok(Next::Tables(kept)),
            Work::Batch(number) => number,
        };
        match self.dir.batch(&self.sweep.batches[number]) {
            Ok(assignments) => Ok(Next::Batch(Taken { number, kept, assignments, silent })),
            Err(error) => {
                settle(kept, State::Free);
                Err(error)
            }
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.sweep.heartbeat.into())
    }

    /// Sleeps, unless a signal comes.
    fn nap(&self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time && !self.crew.warning.is_given() {
            thread::sleep(NAP);
        }
    }

    fn step(&mut self, watching: bool) -> io::Result<Step> {
        let (class, first) = self.place;
        let place = Place { batches: &self.sweep.batches, class, first };
        if let Some(step) = place.untouched(&lease::newest(&*self.board)?) {
            return Ok(step);
        }
        let view = self.watch.look(&*self.board, self.crew.start.elapsed())?;
        Ok(place.next(&view, watching))
    }

    fn take(&self, work: Work, after: u64) -> io::Result<Option<Kept>> {
        let says = Says { pilot: self.crew.name.clone(), running: vec![] }.line();
        let Some(lease) = Lease::take(&self.board, &work.name(), after, &says)? else { return Ok(None) };
        let deadline = Duration::from_secs(self.sweep.deadline.into());
        Kept::keep(lease, self.interval(), deadline, says).map(Some)
    }

    /// Does a batch; an exit code if that was the last thing to do here.
    fn batch(&mut self, taken: Taken) -> Result<Option<Exit>, Failure> {
        let Taken { number, kept, assignments, silent } = taken;
        let silent = silent.as_deref();
        tell!("batch {number}, fence {}: {} tasks", kept.fence(), assignments.len());
        if let Some(silent) = silent {
            tell!("  taken over from one that is silent: {silent}");
        }
        let job = pilot_batch::Job { store: &self.store, sweep: &self.sweep, assignments: &assignments, lease: &kept, silent };
        let done = job.run(&mut self.index, &mut self.crew);
        if !kept.is_held() {
            // Another has taken it over, or the sweep was cancelled: the journal tells.
            tell!("  the lease is lost: another pilot has it");
            return done.map(|_| None);
        }
        let (state, exit) = match done {
            Ok(pilot_batch::End::Settled) => (State::Done, Ok(None)),
            Ok(pilot_batch::End::MustGo) => (State::Free, Ok(Some(Exit::Requeue))),
            Err(failure) => (State::Free, Err(failure)),
        };
        settle(kept, state);
        exit
    }

    /// Makes the tables and figures of the cohort as its directory has it now, and ends the sweep.
    fn tables(&mut self, kept: Kept) -> Result<Exit, Failure> {
        tell!("makes the tables of {}", self.sweep.cohort);
        let loaded = load::by_name(self.store.root(), &self.sweep.cohort)?;
        let damage = conduct::tidy(&self.store);
        damage.iter().for_each(|damage| tracing::warn!("{damage}; `infoplane run` computes it again"));
        self.index.refresh()?;
        let dir = self.store.cohort_dir(&self.sweep.cohort);
        let (summary, figures) = conduct::tables_and_figures(&loaded, &self.index, &dir)?;
        tell!("  {} tables, {} figures", summary.tables.len(), figures.len());
        if kept.is_held() {
            self.dir.note(&Line::Ended).map_err(cannot)?;
            settle(kept, State::Done);
            self.dir.drop_leases();
        }
        Ok(Exit::Done)
    }
}

/// Gives a lease back. Where that fails it is silent soon and taken over, by whoever then finds what is left to do: a word in the log is all
/// that it takes, and what happened under the lease must not be forgotten for it.
fn settle(kept: Kept, state: State) {
    if let Err(error) = kept.settle(state) {
        tell!("cannot give a lease back, others wait for it now: {error}");
    }
}

/// The array task's number, from 1.
fn task_number() -> usize {
    std::env::var("SGE_TASK_ID").ok().and_then(|id| id.parse().ok()).unwrap_or(1)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "none".to_owned())
}

fn cannot(error: io::Error) -> Failure {
    Failure::new(Exit::Store, format!("the sweep's files cannot be used: {}", chain(&error)))
}

fn worker_arguments(root: &Path, sweep: &Sweep) -> Vec<OsString> {
    let mut store = OsString::from("--out=");
    store.push(root);
    let (threads, checkpoints) =
        (format!("--threads={}", sweep.threads), format!("--checkpoint-every={}", sweep.checkpoint_every));
    vec!["worker".into(), store, threads.into(), "--launcher=sge".into(), checkpoints.into()]
}

/// Cuts a log that has grown long: its last part stays. The log is this process's stderr, appended to.
fn bound_log() {
    let (most, kept) = LOG;
    let log = PathBuf::from("/proc/self/fd/2");
    // Whatever cannot be done here only leaves the log longer.
    let Ok(length) = fs::metadata(&log).map(|metadata| if metadata.is_file() { metadata.len() } else { 0 }) else { return };
    if length <= most {
        return;
    }
    let cut = || -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let path = fs::read_link(&log)?;
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        let mut tail = vec![0; usize::try_from(kept).unwrap_or(0)];
        file.read_exact_at(&mut tail, length - kept)?;
        let start = tail.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(0)?;
        let text = [&b"(the log was cut here)\n"[..], &tail[start..]].concat();
        file.write_all_at(&text, 0)
    };
    let _ = cut();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::launch::sge::sweep::VERSION;

    /// A board on which no lease can be taken for a while.
    struct Flaky(FileBoard, AtomicU32);

    impl Board for Flaky {
        fn names(&self) -> io::Result<Vec<(String, u64)>> {
            self.0.names()
        }
        fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>> {
            self.0.read(what, fence)
        }
        fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            if self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                return Err(io::Error::other("the file server restarts"));
            }
            self.0.create(what, fence, content)
        }
        fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            self.0.write(what, fence, content)
        }
        fn exists(&self, what: &str, fence: u64) -> io::Result<bool> {
            self.0.exists(what, fence)
        }
        fn remove(&self, what: &str, fence: u64) -> io::Result<()> {
            self.0.remove(what, fence)
        }
    }

    /// How a pilot ends of which so many attempts to take the lease of the tables fail.
    fn end(failing: u32, gone: bool) -> Result<Exit, Failure> {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let dir = SweepDir::create(root.path()).unwrap();
        let mut sweep = Sweep {
            version: VERSION,
            id: dir.id().to_owned(),
            cohort: "none".into(),
            tasks: 0,
            heartbeat: 0,
            deadline: 60,
            h_rt: None,
            workers: 1,
            threads: 1,
            checkpoint_every: 60.0,
            arrays: vec![],
            batches: vec![],
        };
        dir.write(&mut sweep, &[]).unwrap();
        fs::create_dir_all(dir.leases()).unwrap();
        let board = FileBoard::existing(dir.leases());
        if gone {
            dir.remove().unwrap();
        }
        let crew = Crew {
            program: "none".into(),
            arguments: vec![],
            name: "a test".into(),
            start: Instant::now(),
            warning: Warning::listen()?,
        };
        let (index, watch) = (store.index()?, Watch::new(Duration::from_secs(60)));
        let board = Arc::new(Flaky(board, AtomicU32::new(failing)));
        Pilot { dir, sweep, store, index, board, watch, place: (0, 0), crew }.work()
    }

    #[test]
    fn a_lease_that_cannot_be_taken_for_a_while_ends_no_pilot() {
        // Without batches it goes for the tables, of a cohort that is not there.
        assert_eq!(end(PATIENCE, false).unwrap_err().exit(), Exit::Invalid);
        let ended = end(PATIENCE + 1, false).unwrap_err();
        assert!(ended.exit() == Exit::Store && ended.report().contains("the file server restarts"), "{}", ended.report());
        // Cancelled between two looks, and cleared away.
        assert_eq!(end(0, true).unwrap(), Exit::Done);
    }
}

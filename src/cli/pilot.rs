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
use crate::launch::sge::sweep::{Sweep, SweepDir};
use crate::store::lease::{self, Board, FileBoard, Kept, Lease, State, Watch};
use crate::store::{Index, Store};
use crate::worker::provenance;
use crate::worker::serve::chain;

/// Bytes of a log at most, and what is kept of a longer one.
const LOG: (u64, u64) = (1 << 20, 1 << 18);
/// Looks at the leases that may fail in a row.
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

impl Pilot {
    fn work(&mut self) -> Result<Exit, Failure> {
        let mut watching: Option<Kept> = None;
        let mut failures = 0;
        loop {
            bound_log();
            if let Some(end) = self.dir.journal().map_err(cannot)?.end() {
                tell!("the sweep is over: {end:?}");
                return Ok(Exit::Done);
            }
            if self.crew.must_go(&self.sweep) {
                return Ok(Exit::Requeue);
            }
            let step = match self.step(watching.is_some()) {
                Ok(step) => step,
                Err(error) if failures < PATIENCE => {
                    // A file server that is busy or restarts; or the sweep was cancelled this moment, which the journal tells.
                    failures += 1;
                    tell!("cannot look at the leases: {error}");
                    self.nap(self.interval() * failures);
                    continue;
                }
                Err(error) => return Err(cannot(error)),
            };
            failures = 0;
            match step {
                Step::Take { work, after, silent } => {
                    let Some(kept) = self.take(work, after).map_err(cannot)? else { continue };
                    match work {
                        Work::Watch(..) => watching = Some(kept),
                        Work::Tables => return self.tables(kept),
                        Work::Batch(batch) => {
                            if let Some(watch) = watching.take() {
                                watch.settle(State::Free).map_err(cannot)?;
                            }
                            if let Some(exit) = self.batch(batch, kept, silent.as_deref())? {
                                return Ok(exit);
                            }
                        }
                    }
                }
                Step::Wait => {
                    if watching.as_ref().is_some_and(|watch| !watch.is_held()) {
                        watching = None;
                    }
                    self.nap(self.interval());
                }
                Step::Leave(leave) => {
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
    fn batch(&mut self, batch: usize, kept: Kept, silent: Option<&str>) -> Result<Option<Exit>, Failure> {
        let assignments = self.dir.batch(&self.sweep.batches[batch]).map_err(cannot)?;
        tell!("batch {batch}, fence {}: {} tasks", kept.fence(), assignments.len());
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
        match done {
            Ok(pilot_batch::End::Settled) => {
                kept.settle(State::Done).map_err(cannot)?;
                Ok(None)
            }
            Ok(pilot_batch::End::MustGo) => {
                kept.settle(State::Free).map_err(cannot)?;
                Ok(Some(Exit::Requeue))
            }
            Err(failure) => {
                kept.settle(State::Free).map_err(cannot)?;
                Err(failure)
            }
        }
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
            kept.settle(State::Done).map_err(cannot)?;
            self.dir.drop_leases();
        }
        Ok(Exit::Done)
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

//! One batch in a pilot: what is left of it, the workers that do it, the attempts that end badly.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::exit::Failure;
use super::machine;
use super::warning::Warning;
use crate::grid::ids::Id;
use crate::grid::plan::Task;
use crate::launch::drive::{News, Observer, Wish, drive};
use crate::launch::local::Local;
use crate::launch::sge::sweep::{Assignment, Sweep};
use crate::launch::{Event, LaunchError, Launcher, Load};
use crate::query::running::{Notice, Presence};
use crate::store::lease::Kept;
use crate::store::records::{AttemptStatus, Record};
use crate::store::{Index, Store, StoreError, Writer};
use crate::worker::provenance;

/// How often a task may be lost within a sweep: one that kills its pilots must not go round for ever.
const TRIES: usize = 3;
/// Tasks that are expected to take that long are told of at once: if the pilot dies of one, its successor knows.
const LONG_SECONDS: f64 = 5.0;
/// Time that a pilot keeps for itself before its end, in parts of its time and in seconds at most.
const MARGIN: (u32, u64) = (20, 60);
/// For how long workers may write checkpoints when the pilot has to go: shorter than what a queue gives between warning and end.
const GRACE: Duration = Duration::from_secs(20);

/// What a pilot says of itself in its lease.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Says {
    /// Which pilot it is.
    pub pilot: String,
    /// Trainings under way, with the number of the attempt.
    pub running: Vec<(String, u32)>,
}

impl Says {
    /// As a line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a pilot works with.
pub struct Crew {
    /// The program, for workers.
    pub program: PathBuf,
    /// Arguments of a worker.
    pub arguments: Vec<OsString>,
    /// Which pilot this is.
    pub name: String,
    /// When it began.
    pub start: Instant,
    /// Signals that announce its end.
    pub warning: Warning,
}

impl Crew {
    /// Time left, less a margin; `None` without a limit.
    fn time_left(&self, sweep: &Sweep) -> Option<Duration> {
        let h_rt = Duration::from_secs(sweep.h_rt?.into());
        let margin = (h_rt / MARGIN.0).min(Duration::from_secs(MARGIN.1));
        Some((h_rt - margin).saturating_sub(self.start.elapsed()))
    }

    /// Whether it must go now.
    pub fn must_go(&self, sweep: &Sweep) -> bool {
        self.warning.is_given() || self.time_left(sweep).is_some_and(|left| left.is_zero())
    }
}

/// How a batch was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every task is done, or has failed as often as it is tried.
    Settled,
    /// Something is left, and the pilot has to go, or has lost the batch.
    MustGo,
}

/// A batch to do.
pub struct Job<'a> {
    /// The store.
    pub store: &'a Store,
    /// The sweep.
    pub sweep: &'a Sweep,
    /// Its tasks.
    pub assignments: &'a [Assignment],
    /// The lease on it.
    pub lease: &'a Kept,
    /// What a silent predecessor said last.
    pub silent: Option<&'a str>,
}

impl Job<'_> {
    /// Does what is left of it.
    pub fn run(&self, index: &mut Index, crew: &mut Crew) -> Result<End, Failure> {
        let start = Instant::now();
        index.refresh()?;
        let writer = self.store.writer(|_| ())?;
        self.note_losses(index, &writer)?;
        let (mut tasks, mut attempts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for assignment in self.assignments {
            if let Some(last) = left(assignment, index)? {
                tasks.push(assignment.task.clone());
                attempts.push(last);
                seconds.push(assignment.seconds);
            }
        }
        if tasks.is_empty() {
            tell!("  nothing is left of it");
            return Ok(End::Settled);
        }
        let local = Local::new(crew.program.clone(), crew.arguments.clone(), self.sweep.workers as usize);
        let mut launcher = Fitting {
            inner: local.in_this_group().under(self.lease.fence()),
            seconds_per_load: seconds.iter().sum::<f64>()
                / tasks.iter().map(|task| Load::of(task).nanoseconds()).sum::<f64>().max(1.0),
            longest: seconds.iter().copied().fold(0.0, f64::max),
            crew,
            sweep: self.sweep,
            lease: self.lease,
            // A task that fits no pilot is tried by one that has just begun: predictions may be wrong.
            is_fresh: crew
                .time_left(self.sweep)
                .is_none_or(|left| left * 10 >= Duration::from_secs(self.sweep.h_rt.unwrap_or(0).into()) * 9),
        };
        let notice = Notice {
            cohort: self.sweep.cohort.clone(),
            host: provenance::host(),
            pid: std::process::id(),
            launcher: "sge".to_owned(),
            workers: self.sweep.workers,
            tasks: tasks.len() as u64,
            ..Notice::default()
        };
        let mut desk = Desk {
            job: self,
            crew,
            tasks: &tasks,
            seconds: &seconds,
            attempts: &attempts,
            writer: &writer,
            presence: Presence::announce(self.store.root(), notice),
            started: BTreeMap::new(),
            lost: HashMap::new(),
            ooms: oom_kills(),
            counts: [0; 3],
        };
        let driven = drive(&tasks, &mut launcher, &mut desk);
        let [done, failed, lost] = desk.counts;
        desk.note_what_no_time_was_enough_for();
        drop(desk);
        writer.flush()?;
        let took = start.elapsed().as_secs_f64();
        let outcomes = driven?;
        tell!("  {done} done, {failed} failed, {lost} lost, {} left, in {took:.1} s", outcomes.left);
        Ok(if outcomes.left == 0 { End::Settled } else { End::MustGo })
    }

    /// Writes down what died with a silent predecessor: nobody else can.
    fn note_losses(&self, index: &Index, writer: &Writer) -> Result<(), StoreError> {
        let Some(says) = self.silent.and_then(|says| serde_json::from_str::<Says>(says).ok()) else { return Ok(()) };
        let ours: HashMap<Id, &Assignment> = self.assignments.iter().map(|a| (a.task.training, a)).collect();
        for (training, number) in says.running {
            let Some(assignment) = Id::parse(&training).and_then(|id| ours.get(&id)) else { continue };
            let known = index.attempts(assignment.task.training)?.iter().any(|attempt| attempt.number >= number);
            if !known && !is_done(&assignment.task, index) {
                let error = format!("no heartbeat for {} s from {}", self.sweep.deadline, says.pilot);
                self.note(writer, assignment.task.training, number, AttemptStatus::Lost, error)?;
            }
        }
        Ok(())
    }

    fn note(&self, writer: &Writer, training: Id, number: u32, status: AttemptStatus, error: String) -> Result<(), StoreError> {
        let isa = machine::isa().map_or("unknown", crate::math::simd::Isa::name);
        let note = provenance::attempt(training, number, provenance::now(), "sge", isa, status, Some(error));
        writer.append_under(self.lease.fence(), &Record::Attempt(note)).map(|_| ())
    }
}

fn is_done(task: &Task, index: &Index) -> bool {
    index.contains(task.training) && task.measure.iter().all(|measure| index.contains(measure.id(task.training)))
}

/// The number of the last attempt at a task that is still to be done in this sweep.
fn left(assignment: &Assignment, index: &Index) -> Result<Option<u32>, StoreError> {
    if is_done(&assignment.task, index) {
        return Ok(None);
    }
    let attempts = index.attempts(assignment.task.training)?;
    let mut of_sweep = attempts.iter().filter(|attempt| attempt.number > assignment.attempts);
    // What failed would fail again, and what ran out of memory needs more, which another sweep gives.
    if of_sweep.clone().any(|attempt| matches!(attempt.status, AttemptStatus::Failed | AttemptStatus::Oom))
        || of_sweep.by_ref().filter(|attempt| attempt.status == AttemptStatus::Lost).count() >= TRIES
    {
        return Ok(None);
    }
    Ok(Some(attempts.last().map_or(0, |attempt| attempt.number).max(assignment.attempts)))
}

/// A launcher that has no room for a task which is not expected to end in time.
struct Fitting<'a> {
    inner: Local,
    seconds_per_load: f64,
    longest: f64,
    crew: &'a Crew,
    sweep: &'a Sweep,
    lease: &'a Kept,
    is_fresh: bool,
}

impl Launcher for Fitting<'_> {
    fn has_room(&self, load: Load) -> bool {
        let seconds = match load {
            Load::Nanoseconds(n) => (n * self.seconds_per_load).min(self.longest.max(1.0)),
            Load::Alone => self.longest,
        };
        let fits = self.crew.time_left(self.sweep).is_none_or(|left| seconds <= left.as_secs_f64());
        (fits || self.is_fresh) && self.inner.has_room(load)
    }

    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task, load: Load) -> Result<(), LaunchError> {
        self.is_fresh &= load.nanoseconds() * self.seconds_per_load < 1.0;
        self.inner.submit(ticket, attempt, task, load)
    }

    fn balance(&mut self) {
        self.inner.balance();
    }

    fn recall(&mut self) {
        self.inner.recall();
    }

    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError> {
        self.inner.poll(timeout)
    }

    fn cancel(&mut self) {
        // Who has lost the batch has nothing to keep; who only has to go leaves checkpoints for the next.
        if self.lease.is_held() {
            self.inner.ease(GRACE);
        }
        self.inner.cancel();
    }
}

/// Hears what happens to the tasks.
struct Desk<'a> {
    job: &'a Job<'a>,
    crew: &'a Crew,
    tasks: &'a [Task],
    seconds: &'a [f64],
    attempts: &'a [u32],
    writer: &'a Writer,
    presence: Presence,
    /// Number of the attempt under way at each task.
    started: BTreeMap<usize, u32>,
    /// How often each was lost here.
    lost: HashMap<usize, u32>,
    /// The kernel's count of processes that it ended for want of memory.
    ooms: Option<u64>,
    /// Done, failed, lost.
    counts: [u32; 3],
}

impl Desk<'_> {
    fn says(&self) -> String {
        let running = self.started.iter().map(|(&task, &attempt)| (self.tasks[task].training.to_string(), attempt)).collect();
        Says { pilot: self.crew.name.clone(), running }.line()
    }

    /// A task that had its pilot's whole time and left no checkpoint would have the next one's for nothing, too: that counts as lost, so that
    /// it does not go round for ever.
    fn note_what_no_time_was_enough_for(&mut self) {
        if self.crew.warning.is_given() || !self.crew.must_go(self.job.sweep) || !self.job.lease.is_held() {
            return;
        }
        for (task, attempt) in std::mem::take(&mut self.started) {
            let training = self.tasks[task].training;
            if self.job.store.checkpoints().is_there(training) {
                continue;
            }
            let error =
                format!("not done when the time of {} was over (h_rt {} s)", self.crew.name, self.job.sweep.h_rt.unwrap_or(0));
            let _ = self.job.note(self.writer, training, attempt, AttemptStatus::Lost, error);
        }
    }

    /// What a loss was: a worker that found no memory says so in our log; one that the kernel ended for that is in its count.
    fn class(&mut self, reason: &str) -> AttemptStatus {
        let now = oom_kills();
        let killed = reason.ends_with("signal 9") && now > self.ooms;
        self.ooms = now;
        let refused = reason.ends_with("signal 6") && log_tail().is_some_and(|tail| tail.contains("memory allocation of"));
        if killed || refused { AttemptStatus::Oom } else { AttemptStatus::Lost }
    }
}

impl Observer for Desk<'_> {
    fn news(&mut self, task: usize, news: &News<'_>) {
        let training = self.tasks[task].training;
        match *news {
            News::Started { attempt } => {
                self.presence.started(training);
                self.started.insert(task, attempt);
                let says = self.says();
                if self.seconds[task] >= LONG_SECONDS || self.attempts[task] > 0 || self.lost.contains_key(&task) {
                    // If it cannot be written, a heartbeat will say it, or the deadline passes.
                    let _ = self.job.lease.say_now(says);
                } else {
                    self.job.lease.say(says);
                }
            }
            News::Done => {
                self.presence.ended(training);
                self.started.remove(&task);
                self.job.lease.say(self.says());
                self.counts[0] += 1;
            }
            News::Failed(error) => {
                self.presence.ended(training);
                self.started.remove(&task);
                self.job.lease.say(self.says());
                self.counts[1] += 1;
                tell!("  training {training} failed: {error}");
            }
            News::Lost { attempt, reason, again } => {
                self.presence.lost(training, again);
                self.started.remove(&task);
                *self.lost.entry(task).or_default() += 1;
                let class = self.class(reason);
                self.counts[2] += u32::from(!again);
                tell!("  training {training}, attempt {attempt}: {}: {reason}", class.name());
                let reason = format!("{reason}, at {}", self.crew.name);
                // A note about a loss; if it cannot be kept, `flush` at the end says why.
                let _ = self.job.note(self.writer, training, attempt, class, reason);
            }
            News::Continued(epoch) => tell!("  training {training}: continued from epoch {epoch}"),
            News::Progress(_) => {}
        }
    }

    fn tick(&mut self) -> Wish {
        self.presence.tick(|| 0.0);
        if self.job.lease.is_held() && !self.crew.must_go(self.job.sweep) { Wish::Run } else { Wish::Stop }
    }

    fn attempts_before(&mut self, task: usize) -> u32 {
        self.attempts[task]
    }
}

/// How many processes the kernel has ended on this host for want of memory.
fn oom_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// The end of this process's log, where workers say their last words.
fn log_tail() -> Option<String> {
    const TAIL: u64 = 2048;
    let mut file = fs::File::open("/proc/self/fd/2").ok()?;
    let length = file.metadata().ok().filter(fs::Metadata::is_file)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    Some(String::from_utf8_lossy(&tail).into_owned())
}

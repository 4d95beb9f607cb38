//! A worker: takes orders from its coordinator, executes them, reports. Over a pipe it is a process of its own, which ends when the pipe
//! does, whatever became of the coordinator; in an MPI job it is a thread of a rank, over whatever carries the letters there.
//!
//! Three threads: one listens, one executes, one commits (the store's). The executing one hands records over and goes on; a task is told
//! as finished by the committing one, once its records are committed, so that one sync serves all tasks that ended meanwhile.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::control::{Brake, Control, Pace, Step};
use super::data::Library;
use super::execute::{Executor, TaskError};
use super::fenced::Fenced;
use super::orders::Orders;
use super::provenance::{self, attempt};
use crate::launch::wire::{self, Order, Outcome, Report, Request};
use crate::math::exec::Exec;
use crate::store::records::{Attempt, AttemptStatus, Record};
use crate::store::{Store, StoreError, WriteError};

/// Shortest time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// How this worker computes and what it says of itself.
pub struct Identity<'a> {
    /// Instruction set and threads.
    pub exec: Exec,
    /// Name of the launcher that started it.
    pub launcher: &'a str,
    /// Time between two checkpoints of a training.
    pub checkpoint_every: Duration,
}

/// The way to a coordinator and back.
pub struct Line {
    /// The next request; waits for one. `None`: the coordinator is gone or has no more work.
    pub requests: Box<dyn FnMut() -> Option<Request> + Send>,
    /// Tells the coordinator. What is said after its end is lost.
    pub reports: Box<dyn FnMut(Vec<Report>) + Send>,
    /// Called when nothing that is under way is worth anything any more: the coordinator is gone, or the store takes no more records. Ends
    /// the process, where it is the worker's own.
    pub end: fn(),
}

impl Line {
    /// A pipe; the process ends with it.
    pub fn pipe(mut input: impl Read + Send + 'static, mut output: impl Write + Send + 'static) -> Self {
        Self {
            requests: Box::new(move || wire::receive(&mut input).ok().flatten()),
            reports: Box::new(move |reports| drop(wire::send(&mut output, &reports))),
            end: || std::process::exit(0),
        }
    }
}

/// Serves orders on the store at `root` until it is asked to end, or after a failure to read or write the store, which the coordinator was
/// told of: a fresh worker starts a fresh segment. What is executed is committed when this returns.
///
/// # Errors
/// [`StoreError`] if the store cannot be opened.
pub fn serve(root: &Path, identity: &Identity<'_>, line: Line) -> Result<(), StoreError> {
    let Line { mut requests, reports, end } = line;
    let store = Store::open(root)?;
    let reporter = Arc::new(Reporter { output: Mutex::new(reports), pending: Mutex::default(), end });
    let told = Arc::clone(&reporter);
    let writer = store.writer(move |result| told.committed(result))?;
    let fenced = Fenced::new(&writer);
    let mut executor = Executor {
        exec: identity.exec,
        store: &store,
        index: None,
        writer: &fenced,
        checkpoints: Some(store.checkpoints()),
        data: Library::default(),
    };
    let orders = Arc::new(Orders::default());
    let (waiting, told) = (Arc::clone(&orders), Arc::clone(&reporter));
    let brake = Brake::default();
    let eased = brake.clone();
    thread::spawn(move || {
        while let Some(request) = requests() {
            let asked = matches!(request, Request::GiveBack(_));
            let back = match request {
                Request::Do(orders) => waiting.add(orders),
                Request::GiveBack(most) => waiting.give_back(most as usize),
                Request::Ease => {
                    eased.ease();
                    waiting.close()
                }
            };
            told.give_back(back, asked);
        }
        // What is committed is safe and the rest will be done again, so a task under way is worth nothing: end at once.
        end();
    });
    let panics = remember_panics();
    while let Some(order) = orders.next() {
        reporter.begin(order.ticket);
        fenced.under(order.fence);
        match one(&mut executor, &fenced, identity, &order, (&reporter, &panics, &brake)) {
            Ok(Ended::Done) => continue,
            // Whatever was executed before is committed first; if the writer has failed, that has been told with all tasks.
            Ok(Ended::Stopped) => {
                let _ = writer.flush();
                reporter.give_back(vec![order.ticket], false);
            }
            Err(error) => {
                let _ = writer.flush();
                reporter.send(vec![Report::Lost { tickets: vec![order.ticket], error }]);
            }
        }
        break;
    }
    // From now on orders that are still on their way are refused.
    reporter.give_back(orders.close(), false);
    Ok(())
}

/// What became of an order that the store did not stand against.
enum Ended {
    /// Executed, well or not.
    Done,
    /// Stopped on request, with a checkpoint.
    Stopped,
}

/// Executes one order and hands its records over, that of the attempt last; the reason if the store cannot be read or written.
fn one(
    executor: &mut Executor<'_>,
    writer: &Fenced<'_>,
    identity: &Identity<'_>,
    order: &Order,
    (reporter, panics, brake): (&Reporter, &Panics, &Brake),
) -> Result<Ended, String> {
    let started = provenance::now();
    let mut watch =
        Watch { reporter, ticket: order.ticket, pace: Pace::new(identity.checkpoint_every), brake, reported: Instant::now() };
    let result = catch_unwind(AssertUnwindSafe(|| executor.execute(&order.task, &mut watch)));
    let (status, error) = match result {
        Ok(Ok(())) => (AttemptStatus::Ok, None),
        Ok(Err(TaskError::Stopped { .. })) => return Ok(Ended::Stopped),
        Ok(Err(error)) if error.is_of_the_store() => return Err(chain(&error)),
        Ok(Err(error)) => (AttemptStatus::Failed, Some(chain(&error))),
        Err(payload) => (AttemptStatus::Failed, Some(panics.take(&*payload))),
    };
    if status == AttemptStatus::Failed {
        executor.forget(&order.task);
    }
    let note =
        attempt(order.task.training, order.attempt, started, identity.launcher, identity.exec.isa.name(), status, error.clone());
    let threads = if identity.exec.parallel { u32::try_from(rayon::current_num_threads()).ok() } else { Some(1) };
    let note = Attempt { threads, ..note };
    let outcome = error.map_or(Outcome::Ok, |error| Outcome::Failed { error });
    reporter.end(writer, &Record::Attempt(note), order.ticket, outcome).map_err(|error| chain(&error))?;
    Ok(Ended::Done)
}

/// Watches over one task: tells how far it is, and when it is time for a checkpoint.
struct Watch<'a> {
    reporter: &'a Reporter,
    ticket: u64,
    pace: Pace,
    /// What the coordinator asks.
    brake: &'a Brake,
    reported: Instant,
}

impl Control for Watch<'_> {
    fn at_pass(&mut self) -> Step {
        self.brake.step().unwrap_or(if self.pace.is_due() { Step::Checkpoint } else { Step::GoOn })
    }

    fn saved(&mut self, took: Duration) {
        self.pace.saved(took);
    }

    fn continued(&mut self, epoch: i64) {
        self.reporter.send(vec![Report::Continued { ticket: self.ticket, epoch }]);
    }

    fn progress(&mut self, share: f64) {
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            self.reporter.send(vec![Report::Progress { ticket: self.ticket, share: share as f32 }]);
        }
    }
}

/// Tells the coordinator. What it says after the coordinator's end is lost: the input's end will tell.
struct Reporter {
    output: Mutex<Box<dyn FnMut(Vec<Report>) + Send>>,
    pending: Mutex<Pending>,
    end: fn(),
}

/// Tasks begun and not told as finished.
#[derive(Default)]
struct Pending {
    /// Being executed.
    current: Option<u64>,
    /// Executed: sequence number of the last record, ticket, outcome; in order.
    ended: VecDeque<(u64, u64, Outcome)>,
}

impl Reporter {
    fn send(&self, reports: Vec<Report>) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output(reports);
    }

    /// Gives orders back that are not done; where it was `asked` to, it answers even with none.
    fn give_back(&self, tickets: Vec<u64>, asked: bool) {
        if asked || !tickets.is_empty() {
            self.send(vec![Report::GivenBack { tickets }]);
        }
    }

    fn begin(&self, ticket: u64) {
        self.pending().current = Some(ticket);
        self.send(vec![Report::Started { ticket }]);
    }

    /// Hands over the last record of a task and notes what to tell when it is committed.
    fn end(&self, writer: &Fenced<'_>, record: &Record, ticket: u64, outcome: Outcome) -> Result<(), StoreError> {
        // Held across both, or the commit could be told before the task is noted.
        let mut pending = self.pending();
        let sequence = writer.append_numbered(record)?;
        pending.current = None;
        pending.ended.push_back((sequence, ticket, outcome));
        Ok(())
    }

    /// Called by the committing thread.
    fn committed(&self, result: Result<u64, WriteError>) {
        match result {
            Ok(upto) => {
                let mut pending = self.pending();
                let n = pending.ended.iter().take_while(|(sequence, ..)| *sequence <= upto).count();
                let ended = pending.ended.drain(..n);
                let reports: Vec<Report> = ended.map(|(_, ticket, outcome)| Report::Finished { ticket, outcome }).collect();
                drop(pending);
                if !reports.is_empty() {
                    self.send(reports);
                }
            }
            Err(error) => {
                let mut pending = self.pending();
                let mut tickets: Vec<u64> = pending.ended.drain(..).map(|(_, ticket, _)| ticket).collect();
                tickets.extend(pending.current);
                self.send(vec![Report::Lost { tickets, error: chain(&error) }]);
                // The writer takes nothing more, so whatever is under way cannot be kept.
                (self.end)();
            }
        }
    }

    /// Each change of it leaves it whole, so a panic elsewhere while it was locked does no harm.
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Where the last panic happened.
struct Panics(Arc<Mutex<Option<String>>>);

/// Keeps the place of a panic of this thread and its pool, so that a failed task tells it. Those of others are told as ever.
fn remember_panics() -> Panics {
    let place = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&place);
    let (before, executing) = (std::panic::take_hook(), thread::current().id());
    std::panic::set_hook(Box::new(move |info| {
        if thread::current().id() != executing && rayon::current_thread_index().is_none() {
            return before(info);
        }
        let at = info.location().map(ToString::to_string);
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }));
    Panics(place)
}

impl Panics {
    fn take(&self, payload: &(dyn Any + Send)) -> String {
        let what = payload.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        format!("panicked at {}: {}", place.as_deref().unwrap_or("an unknown place"), what.as_deref().unwrap_or("no message"))
    }
}

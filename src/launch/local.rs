//! Worker processes of our own binary on this machine: a crash of one costs its task, never the coordinator.
//!
//! Workers are started when there is work for them. They leave the terminal's process group, so that Ctrl-C reaches the coordinator alone,
//! and they end by themselves when the coordinator's end of their pipe closes, however it died.

use std::ffi::OsString;
use std::io::{self, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::wire::{self, Order, Outcome, Report};
use super::{Event, LaunchError, Launcher};
use crate::grid::plan::Task;

/// Local worker processes.
pub struct Local {
    program: PathBuf,
    arguments: Vec<OsString>,
    slots: Vec<Option<Worker>>,
    /// Generation of the next worker: tells a report of a dead worker from one of its successor.
    next: u64,
    reports: (Sender<Message>, Receiver<Message>),
}

/// A report of worker `generation`, or `None` when its pipe has closed.
struct Message {
    generation: u64,
    report: Option<Report>,
}

struct Worker {
    generation: u64,
    child: Child,
    orders: ChildStdin,
    ticket: Option<u64>,
}

impl Local {
    /// A launcher of up to `workers` processes `program arguments…`; none is started yet.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>, workers: usize) -> Self {
        let slots = (0..workers).map(|_| None).collect();
        Self { program, arguments, slots, next: 0, reports: channel() }
    }

    fn start(&mut self) -> Result<Worker, LaunchError> {
        let spawn_error = |source| LaunchError::Spawn { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(spawn_error)?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(spawn_error(io::ErrorKind::BrokenPipe.into()));
        };
        let (generation, sender) = (self.next, self.reports.0.clone());
        self.next += 1;
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            // A stream that is not ours ends the worker like one that closed.
            while let Ok(Some(report)) = wire::receive(&mut output) {
                if sender.send(Message { generation, report: Some(report) }).is_err() {
                    return;
                }
            }
            let _ = sender.send(Message { generation, report: None });
        });
        Ok(Worker { generation, child, orders, ticket: None })
    }

    /// What a message means now, if anything.
    fn event(&mut self, message: Message) -> Option<Event> {
        let slot = self.slots.iter_mut().find(|s| s.as_ref().is_some_and(|w| w.generation == message.generation))?;
        match message.report {
            Some(Report::Progress { ticket, share }) => Some(Event::Progress { ticket, share }),
            Some(Report::Finished { ticket, outcome }) => {
                slot.as_mut()?.ticket = None;
                // Such a worker takes no further order: the next task needs a fresh one.
                if matches!(outcome, Outcome::Lost { .. }) {
                    let _ = end(slot.take()?);
                }
                Some(Event::Finished { ticket, outcome })
            }
            None => {
                let worker = slot.take()?;
                let ticket = worker.ticket;
                // The pipe is closed, so the process has ended or is of no use.
                let reason = end(worker).map_or_else(|e| format!("a worker is gone: {e}"), describe);
                ticket.map(|ticket| Event::Lost { ticket, reason })
            }
        }
    }
}

/// Ends a worker that is of no use any more.
fn end(mut worker: Worker) -> io::Result<ExitStatus> {
    let _ = worker.child.kill();
    worker.child.wait()
}

/// How a worker process ended, in words.
fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("its worker was killed by signal {signal}"),
        (None, Some(code)) => format!("its worker exited with code {code}"),
        (None, None) => "its worker ended".to_owned(),
    }
}

impl Launcher for Local {
    fn free(&self) -> usize {
        self.slots.iter().filter(|slot| slot.as_ref().is_none_or(|w| w.ticket.is_none())).count()
    }

    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task) -> Result<(), LaunchError> {
        let idle = |slot: &Option<Worker>| slot.as_ref().is_some_and(|w| w.ticket.is_none());
        let place = self.slots.iter().position(idle).or_else(|| self.slots.iter().position(Option::is_none));
        let place = place.ok_or(LaunchError::NoPlace)?;
        let mut worker = match self.slots[place].take() {
            Some(worker) => worker,
            None => self.start()?,
        };
        worker.ticket = Some(ticket);
        // If the worker died meanwhile, its closed pipe reports the task as lost.
        let _ = wire::send(&mut worker.orders, &Order { ticket, attempt, task: task.clone() });
        self.slots[place] = Some(worker);
        Ok(())
    }

    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError> {
        let mut messages = match self.reports.1.recv_timeout(timeout) {
            Ok(message) => vec![message],
            // We hold a sender ourselves, so the channel cannot be disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Vec::new(),
        };
        messages.extend(self.reports.1.try_iter());
        Ok(messages.into_iter().filter_map(|message| self.event(message)).collect())
    }

    fn cancel(&mut self) {
        for worker in self.slots.iter_mut().filter_map(Option::as_mut) {
            let _ = worker.child.kill();
        }
        for mut worker in self.slots.iter_mut().filter_map(Option::take) {
            let _ = worker.child.wait();
        }
    }
}

impl Drop for Local {
    /// Closes the pipes, on which idle workers end, and waits for them; a worker that is busy is ended.
    fn drop(&mut self) {
        for mut worker in self.slots.iter_mut().filter_map(Option::take) {
            if worker.ticket.is_some() {
                let _ = worker.child.kill();
            }
            drop(worker.orders);
            let _ = worker.child.wait();
        }
    }
}

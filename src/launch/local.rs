//! Worker processes of our own binary on this machine: a crash of one costs its task, never the coordinator.
//!
//! Workers are started when there is work for them. They leave the terminal's process group, so that Ctrl-C reaches the coordinator alone,
//! and they end by themselves when the coordinator's end of their pipe closes, however it died.
//! What each holds is a [`Place`].

use std::ffi::OsString;
use std::io::BufReader;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::place::{Place, choose};
use super::wire::{self, Order, Report, Request};
use super::{Event, LaunchError, Launcher, Load};
use crate::grid::plan::Task;

/// Reports that follow each other faster are collected for this long: thousands of short tasks a second must not wake us for each.
const COLLECT: Duration = Duration::from_millis(1);

/// Local worker processes.
pub struct Local {
    program: PathBuf,
    arguments: Vec<OsString>,
    slots: Vec<Option<Worker>>,
    /// Whether workers stay in this process's group: whoever signals that then reaches them.
    in_group: bool,
    /// Fencing number of the lease under which tasks are done; 0 without one.
    fence: u64,
    /// Generation of the next worker: tells a report of a dead worker from one of its successor.
    next: u64,
    reports: (Sender<Message>, Receiver<Message>),
}

/// Reports of worker `generation`; `None` when its pipe has closed.
struct Message {
    generation: u64,
    reports: Option<Vec<Report>>,
}

struct Worker {
    generation: u64,
    child: Child,
    orders: ChildStdin,
    place: Place,
}

impl Worker {
    /// Says something. If the worker died meanwhile, its closed pipe tells what becomes of its tasks.
    fn say(&mut self, request: Option<Request>) {
        if let Some(request) = request {
            let _ = wire::send(&mut self.orders, &request);
        }
    }

    fn ask_back(&mut self, of: usize) {
        for request in self.place.ask_back(of) {
            self.say(Some(request));
        }
    }

    /// What its end means for the tasks that it held.
    fn end(mut self) -> [Event; 2] {
        // The pipe is closed, so the process has ended or is of no use.
        let _ = self.child.kill();
        let reason = self.child.wait().map_or_else(|e| format!("a worker is gone: {e}"), describe);
        self.place.end(reason, true)
    }
}

impl Local {
    /// A launcher of up to `workers` processes `program arguments…`; none is started yet.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>, workers: usize) -> Self {
        let slots = (0..workers).map(|_| None).collect();
        Self { program, arguments, slots, in_group: false, fence: 0, next: 0, reports: channel() }
    }

    /// The same with workers in this process's group, for a process that is not at a terminal: a batch system that stops or ends a job then
    /// stops or ends them, too.
    #[must_use]
    pub const fn in_this_group(mut self) -> Self {
        self.in_group = true;
        self
    }

    /// The same with tasks done under the lease of this fencing number.
    #[must_use]
    pub const fn under(mut self, fence: u64) -> Self {
        self.fence = fence;
        self
    }

    fn start(&mut self) -> Result<Worker, LaunchError> {
        let spawn_error = |source| LaunchError::Spawn { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        if !self.in_group {
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(spawn_error)?;
        let (Some(orders), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(spawn_error(std::io::ErrorKind::BrokenPipe.into()));
        };
        let (generation, sender) = (self.next, self.reports.0.clone());
        self.next += 1;
        thread::spawn(move || listen(output, generation, &sender));
        Ok(Worker { generation, child, orders, place: Place::default() })
    }

    /// What a message means now.
    fn events(&mut self, message: Message, events: &mut Vec<Event>) {
        let of_it = |slot: &&mut Option<Worker>| slot.as_ref().is_some_and(|worker| worker.generation == message.generation);
        let Some(slot) = self.slots.iter_mut().find(of_it) else { return };
        match (message.reports, slot.as_mut()) {
            (Some(reports), Some(worker)) => events.extend(reports.into_iter().map(|report| worker.place.event(report))),
            _ => events.extend(slot.take().into_iter().flat_map(Worker::end)),
        }
    }

    /// Asks every worker to leave a checkpoint of its task and to end, and waits for that as long as `grace`; whoever is slower is ended by
    /// [`Launcher::cancel`].
    pub fn ease(&mut self, grace: Duration) {
        for worker in self.workers() {
            worker.place.withhold();
            let _ = wire::send(&mut worker.orders, &Request::Ease);
        }
        let start = Instant::now();
        // One that has nothing to do has nothing to keep, and would wait for ever.
        let busy = |worker: &mut Worker| worker.place.has_begun() && matches!(worker.child.try_wait(), Ok(None));
        while start.elapsed() < grace && self.workers().any(busy) {
            thread::sleep(COLLECT);
        }
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.slots.iter_mut().filter_map(Option::as_mut)
    }
}

/// Passes on what a worker says until its pipe closes.
fn listen(output: ChildStdout, generation: u64, sender: &Sender<Message>) {
    let mut output = BufReader::with_capacity(1 << 16, output);
    let mut last: Option<Instant> = None;
    loop {
        let mut reports = Vec::new();
        // A stream that is not ours ends the worker like one that closed.
        let goes_on = matches!(wire::receive_some(&mut output, &mut reports), Ok(true));
        if sender.send(Message { generation, reports: Some(reports) }).is_err() {
            return;
        }
        if !goes_on {
            let _ = sender.send(Message { generation, reports: None });
            return;
        }
        if last.is_some_and(|last| last.elapsed() < 2 * COLLECT) {
            thread::sleep(COLLECT);
        }
        last = Some(Instant::now());
    }
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
    fn has_room(&self, load: Load) -> bool {
        self.slots.iter().any(|slot| slot.as_ref().is_none_or(|worker| worker.place.has_room(load)))
    }

    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task, load: Load) -> Result<(), LaunchError> {
        // An idle worker, or a new one, or the one that has least to do.
        let places = self.slots.iter().map(|slot| slot.as_ref().map(|worker| &worker.place));
        let place = choose(places, load).ok_or(LaunchError::NoPlace)?;
        let mut worker = match self.slots[place].take() {
            Some(worker) => worker,
            None => self.start()?,
        };
        worker.place.take(Order { ticket, attempt, task: task.clone(), fence: self.fence }, load);
        self.slots[place] = Some(worker);
        Ok(())
    }

    fn balance(&mut self) {
        if self.slots.iter().any(|slot| slot.as_ref().is_none_or(|worker| worker.place.is_idle())) {
            self.workers().for_each(|worker| worker.ask_back(2));
        }
    }

    fn recall(&mut self) {
        self.workers().for_each(|worker| worker.ask_back(1));
    }

    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError> {
        for worker in self.workers() {
            let unsent = worker.place.unsent();
            worker.say(unsent);
        }
        let mut messages = match self.reports.1.recv_timeout(timeout) {
            Ok(message) => vec![message],
            // We hold a sender ourselves, so the channel cannot be disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Vec::new(),
        };
        messages.extend(self.reports.1.try_iter());
        let mut events = Vec::new();
        messages.into_iter().for_each(|message| self.events(message, &mut events));
        Ok(events)
    }

    fn cancel(&mut self) {
        self.workers().for_each(|worker| drop(worker.child.kill()));
        for mut worker in self.slots.iter_mut().filter_map(Option::take) {
            let _ = worker.child.wait();
        }
    }
}

impl Drop for Local {
    /// Closes the pipes, on which idle workers end, and waits for them; a worker that is busy is ended.
    fn drop(&mut self) {
        for mut worker in self.slots.iter_mut().filter_map(Option::take) {
            if !worker.place.is_empty() {
                let _ = worker.child.kill();
            }
            drop(worker.orders);
            let _ = worker.child.wait();
        }
    }
}

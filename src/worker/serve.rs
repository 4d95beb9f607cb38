//! The worker process: takes orders from a pipe, executes them, reports. It ends when the pipe does, whatever became of the coordinator.

use std::any::Any;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::execute::{Executor, Keep, TaskError};
use super::provenance::{self, attempt};
use crate::launch::wire::{self, Order, Outcome, Report};
use crate::math::exec::Exec;
use crate::store::records::{AttemptStatus, Record};
use crate::store::{Store, StoreError};

/// Shortest time between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// How this worker computes and what it says of itself.
pub struct Identity<'a> {
    /// Instruction set and threads.
    pub exec: Exec,
    /// Name of the launcher that started it.
    pub launcher: &'a str,
}

/// Serves orders from `input` on the store at `root` until the stream ends; then the process must end. Reports go to `output`.
///
/// # Errors
/// [`StoreError`] if the store cannot be opened.
pub fn serve(
    root: &Path,
    identity: &Identity<'_>,
    mut input: impl Read + Send + 'static,
    mut output: impl Write,
) -> Result<(), StoreError> {
    let store = Store::open(root)?;
    let writer = store.writer(|_| ())?;
    let mut executor = Executor { exec: identity.exec, index: store.index()?, writer: &writer, data: HashMap::new() };
    let (sender, orders) = channel::<Order>();
    thread::spawn(move || {
        while let Ok(Some(order)) = wire::receive(&mut input) {
            if sender.send(order).is_err() {
                return;
            }
        }
        // The coordinator is gone or has no more work. What is committed is safe and the rest will be done again, so a task under
        // way is worth nothing: end at once.
        std::process::exit(0);
    });
    let panics = remember_panics();
    for order in orders {
        let outcome = one(&mut executor, identity, &order, &mut output, &panics);
        let ended = matches!(outcome, Outcome::Lost { .. });
        let told = wire::send(&mut output, &Report::Finished { ticket: order.ticket, outcome });
        // After a lost write the writer takes nothing more: a fresh worker starts a fresh segment.
        if ended || told.is_err() {
            break;
        }
    }
    Ok(())
}

/// Executes one order and commits the record of the attempt.
fn one(executor: &mut Executor<'_>, identity: &Identity<'_>, order: &Order, output: &mut impl Write, panics: &Panics) -> Outcome {
    let (started, mut last) = (provenance::now(), Instant::now());
    let mut progress = |share: f64| {
        if last.elapsed() >= REPORT_EVERY {
            last = Instant::now();
            // If nobody listens, the input's end will tell.
            let _ = wire::send(output, &Report::Progress { ticket: order.ticket, share: share as f32 });
        }
    };
    let result = catch_unwind(AssertUnwindSafe(|| executor.execute(&order.task, &mut progress)));
    let (status, error) = match result {
        Ok(Ok(())) => (AttemptStatus::Ok, None),
        Ok(Err(error @ TaskError::Store(_))) => (AttemptStatus::Lost, Some(chain(&error))),
        Ok(Err(error)) => (AttemptStatus::Failed, Some(chain(&error))),
        Err(payload) => (AttemptStatus::Failed, Some(panics.take(&*payload))),
    };
    let note =
        attempt(order.task.training, order.attempt, started, identity.launcher, identity.exec.isa.name(), status, error.clone());
    let noted = commit(executor.writer, note);
    match (status, error) {
        (AttemptStatus::Lost | AttemptStatus::Oom, error) => Outcome::Lost { error: error.unwrap_or_default() },
        (AttemptStatus::Failed, error) => Outcome::Failed { error: error.unwrap_or_default() },
        (AttemptStatus::Ok, _) => noted.map_or_else(|e| Outcome::Lost { error: chain(&e) }, |()| Outcome::Ok),
    }
}

fn commit(writer: &dyn Keep, note: crate::store::records::Attempt) -> Result<(), StoreError> {
    writer.append(&Record::Attempt(note))?;
    writer.flush()
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

/// Keeps the place of a panic, so that a failed task tells it.
fn remember_panics() -> Panics {
    let place = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&place);
    std::panic::set_hook(Box::new(move |info| {
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

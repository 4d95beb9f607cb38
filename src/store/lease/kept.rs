//! A lease with a heartbeat.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Lease, State};

/// A lease with a thread that keeps it alive.
#[derive(Debug)]
pub struct Kept {
    shared: Arc<Shared>,
    interval: Duration,
    deadline: Duration,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    lease: Mutex<(Lease, String, Known)>,
    fence: u64,
}

/// What was known of a lease when it was looked at last.
#[derive(Clone, Copy, Debug)]
struct Known {
    held: bool,
    /// When that was known for certain.
    at: Instant,
}

impl Shared {
    /// Each change of it is whole between two statements.
    fn lock(&self) -> MutexGuard<'_, (Lease, String, Known)> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a lease alive with a heartbeat at every `interval`. `deadline` is what others wait for it.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn keep(lease: Lease, interval: Duration, deadline: Duration, says: String) -> io::Result<Self> {
        let fence = lease.fence;
        let known = Known { held: true, at: Instant::now() };
        let shared = Arc::new(Shared { lease: Mutex::new((lease, says, known)), fence });
        let (stop, stopped) = channel();
        let heart = Arc::clone(&shared);
        let thread = thread::Builder::new().name("lease".into()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let mut locked = heart.lock();
                let (lease, says, known) = &mut *locked;
                // A failure to write says nothing; the deadline will.
                if let Ok(held) = lease.beat(says) {
                    *known = Known { held: known.held && held, at: Instant::now() };
                }
                if !known.held {
                    return;
                }
            }
        })?;
        Ok(Self { shared, interval, deadline, stop, thread: Some(thread) })
    }

    /// The fencing number.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.shared.fence
    }

    /// Whether it is still ours: as it was known within the last interval, or as the file system says now. Cheap enough to be asked at every
    /// pass: a process that was stopped and goes on finds its knowledge old, and looks.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let mut locked = self.shared.lock();
        let (lease, _, known) = &mut *locked;
        if !known.held || known.at.elapsed() <= self.interval {
            return known.held;
        }
        match lease.is_held() {
            Ok(held) => *known = Known { held, at: Instant::now() },
            // Nothing is known for so long that others may have taken it over.
            Err(_) if known.at.elapsed() > self.deadline => known.held = false,
            Err(_) => {}
        }
        known.held
    }

    /// What the holder says of itself, from the next heartbeat on.
    pub fn say(&self, says: String) {
        self.shared.lock().1 = says;
    }

    /// As [`Kept::say`], at once; whether the lease is still ours.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn say_now(&self, says: String) -> io::Result<bool> {
        let mut locked = self.shared.lock();
        let (lease, kept, known) = &mut *locked;
        *kept = says;
        let held = lease.beat(kept)?;
        *known = Known { held: known.held && held, at: Instant::now() };
        Ok(known.held)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn settle(mut self, state: State) -> io::Result<()> {
        self.still();
        let locked = self.shared.lock();
        if locked.2.held { locked.0.settle(state, &locked.1) } else { Ok(()) }
    }

    fn still(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Kept {
    /// The heartbeat ends; others take over after the deadline.
    fn drop(&mut self) {
        self.still();
    }
}

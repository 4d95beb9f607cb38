//! Ctrl-C and its relatives: the first asks to finish what is under way, the second to stop at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use crate::launch::drive::Wish;

/// How a batch system announces the end of a job: SIGUSR1 and SIGUSR2 (`qsub -notify`, and `s_rt`), SIGXCPU (`s_cpu`).
pub const WARNINGS: [i32; 3] = [SIGUSR1, SIGUSR2, SIGXCPU];

/// What the person wants, as far as signals tell.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Listens from now on. SIGTERM and SIGHUP, which are followed by worse, stop at once; in a batch job so do `warnings`.
    pub fn listen(warnings: &[i32]) -> Result<Self, Failure> {
        let level = Arc::new(AtomicU8::new(0));
        let all = [SIGINT, SIGTERM, SIGHUP].iter().chain(warnings);
        let mut signals = Signals::new(all).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        let shared = Arc::clone(&level);
        thread::spawn(move || {
            for signal in signals.forever() {
                shared.fetch_add(if signal == SIGINT { 1 } else { 2 }, Ordering::Relaxed);
            }
        });
        Ok(Self(level))
    }

    /// The wish now.
    pub fn wish(&self) -> Wish {
        match self.0.load(Ordering::Relaxed) {
            0 => Wish::Run,
            1 => Wish::Drain,
            _ => Wish::Stop,
        }
    }
}

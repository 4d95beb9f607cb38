//! Signals that announce the end of a batch job: the pilot leaves what it has and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};

/// Whether a warning has come.
#[derive(Clone, Debug)]
pub struct Warning(Arc<AtomicBool>);

impl Warning {
    /// Listens from now on: SIGUSR1 and SIGUSR2 (`qsub -notify`, and `s_rt`), SIGXCPU (`s_cpu`), SIGTERM and SIGINT.
    pub fn listen() -> Result<Self, Failure> {
        let mut signals =
            Signals::new([SIGUSR1, SIGUSR2, SIGXCPU, SIGTERM, SIGINT]).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        let given = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&given);
        thread::spawn(move || {
            for signal in signals.forever() {
                if !shared.swap(true, Ordering::Relaxed) {
                    tell!("signal {signal}: leaves what is done and goes");
                }
            }
        });
        Ok(Self(given))
    }

    /// Whether one has come.
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

//! `infoplane worker`: what launchers start.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use rayon::ThreadPoolBuilder;

use super::exit::{Exit, Failure};
use super::interrupt::WARNINGS;
use super::pilot::{Ticket, pilot};
use super::{StoreArguments, machine};
use crate::math::exec::Exec;
use crate::worker::serve::{Identity, Line, serve};

/// Execute tasks that a launcher sends to stdin
#[derive(Args, Debug)]
#[command(hide = true)]
pub struct WorkerArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Name of the launcher
    #[arg(long, default_value = "local")]
    launcher: String,
    /// Seconds between two checkpoints of a training
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = machine::seconds)]
    checkpoint_every: Duration,
    /// Work on this sweep as a pilot: take batches of it until nothing is left
    #[arg(long, value_name = "SWEEP")]
    pilot: Option<String>,
    /// Of a pilot: name of its array job within the sweep
    #[arg(long, default_value = "a0", requires = "pilot")]
    array: String,
}

pub fn worker(arguments: &WorkerArguments) -> Result<Exit, Failure> {
    if let Some(sweep) = &arguments.pilot {
        return pilot(&Ticket { root: &arguments.store.out, sweep, array: &arguments.array });
    }
    // A batch system warns all processes of a job; what to do is for the pilot to say.
    ignore_warnings()?;
    let pool = ThreadPoolBuilder::new().num_threads(arguments.threads).build_global();
    pool.map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    let exec = Exec { isa: machine::isa()?, parallel: arguments.threads > 1 };
    let identity = Identity { exec, launcher: &arguments.launcher, checkpoint_every: arguments.checkpoint_every };
    // Without a buffer in between: every message is one write.
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    serve(&arguments.store.out, &identity, Line::pipe(io::stdin(), File::from(output)))?;
    Ok(Exit::Done)
}

/// Takes away the deadly effect of the signals that announce the end of a batch job.
fn ignore_warnings() -> Result<(), Failure> {
    for signal in WARNINGS {
        let heard = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal, heard).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    }
    Ok(())
}

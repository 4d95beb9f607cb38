//! `infoplane worker`: what launchers start.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use clap::Args;
use rayon::ThreadPoolBuilder;

use super::exit::{Exit, Failure};
use super::{StoreArguments, machine};
use crate::math::exec::Exec;
use crate::worker::serve::{Identity, serve};

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
}

pub fn worker(arguments: &WorkerArguments) -> Result<Exit, Failure> {
    let pool = ThreadPoolBuilder::new().num_threads(arguments.threads).build_global();
    pool.map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    let exec = Exec { isa: machine::isa()?, parallel: arguments.threads > 1 };
    let identity = Identity { exec, launcher: &arguments.launcher, checkpoint_every: arguments.checkpoint_every };
    // Without a buffer in between: every message is one write.
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    serve(&arguments.store.out, &identity, io::stdin(), File::from(output))?;
    Ok(Exit::Done)
}

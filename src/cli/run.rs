//! `infoplane run`: what is missing of one or more cohorts.

use std::path::PathBuf;

use clap::Args;

use super::conduct::{Select, Voice, conduct_all};
use super::exit::{Exit, Failure};
use super::machine::{LauncherArguments, LauncherName};
use super::{StoreArguments, load, plan, ranks, submit};

/// Run what is missing of cohorts, and leave tables and figures
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane run sweeps/quickstart.toml
  infoplane run sweeps --out /scratch/study --workers 8
  infoplane run my.toml --dry-run
  infoplane run my.toml --launcher sge              on a cluster, detached; `status` shows how far it is
  infoplane run my.toml --launcher sge --dry-run    the qsub lines and the script
  mpirun -n 32 infoplane run my.toml --launcher mpi

Run it again at any time: it takes up what is missing and lost, and is done at once if nothing is. Ctrl-C finishes what is under way, a \
second Ctrl-C stops at once; both leave a store that `run` goes on from.")]
pub struct RunArguments {
    /// Cohort files, or directories of them
    #[arg(required = true, value_name = "COHORT.toml|DIR")]
    cohorts: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    launcher: LauncherArguments,
    /// Show what would run, run nothing, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a summary as JSON on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &RunArguments, quiet: bool) -> Result<Exit, Failure> {
    if arguments.launcher.launcher == LauncherName::Mpi {
        return ranks::on_all(&arguments.store.out, &arguments.launcher, |launcher| run_on(launcher, arguments, quiet));
    }
    run_on(&arguments.launcher, arguments, quiet)
}

fn run_on(launcher: &LauncherArguments, arguments: &RunArguments, quiet: bool) -> Result<Exit, Failure> {
    let cohorts = load::load_all(&arguments.cohorts)?;
    let out = &arguments.store.out;
    if arguments.dry_run && launcher.launcher == LauncherName::Sge && !arguments.json {
        for loaded in &cohorts {
            submit::show(loaded, out, launcher)?;
        }
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        return plan::show(&cohorts, out, launcher, plan::Ask { json: arguments.json, measure: true });
    }
    conduct_all(&cohorts, out, launcher, Select::Unfinished, Voice { quiet, json: arguments.json })
}

//! `infoplane resume`: what is not ok of a cohort that the store knows, failed runs included.

use clap::{Args, ValueEnum};

use super::conduct::{Select, Voice, conduct_all};
use super::exit::{Exit, Failure};
use super::machine::{LauncherArguments, LauncherName};
use super::{StoreArguments, load, ranks};
use crate::store::records::AttemptStatus;

/// Run again whatever is not ok of a cohort in the store, failed runs included
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane resume                      every cohort in the store
  infoplane resume quickstart --only failed")]
pub struct ResumeArguments {
    /// The cohort's name [default: every cohort in the store]
    #[arg(value_name = "COHORT-NAME")]
    cohort: Option<String>,
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    launcher: LauncherArguments,
    /// Only runs whose last attempt ended so
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Print a summary as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Only {
    /// A panic, numbers that are not finite, bad input
    Failed,
    /// A worker that died
    Lost,
    /// Out of memory
    Oom,
    /// Never attempted
    Missing,
}

pub fn resume(arguments: &ResumeArguments, quiet: bool) -> Result<Exit, Failure> {
    if arguments.launcher.launcher == LauncherName::Mpi {
        return ranks::on_all(&arguments.store.out, &arguments.launcher, |launcher| resume_on(launcher, arguments, quiet));
    }
    resume_on(&arguments.launcher, arguments, quiet)
}

fn resume_on(launcher: &LauncherArguments, arguments: &ResumeArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let names = match &arguments.cohort {
        Some(name) => vec![name.clone()],
        None => load::names(out),
    };
    if names.is_empty() {
        return Err(Failure::new(Exit::Invalid, format!("no cohort in {}; start one with `infoplane run`", out.display())));
    }
    let select = match arguments.only {
        None => Select::All,
        Some(Only::Failed) => Select::Only(Some(AttemptStatus::Failed)),
        Some(Only::Lost) => Select::Only(Some(AttemptStatus::Lost)),
        Some(Only::Oom) => Select::Only(Some(AttemptStatus::Oom)),
        Some(Only::Missing) => Select::Only(None),
    };
    let cohorts = names.iter().map(|name| load::by_name(out, name)).collect::<Result<Vec<_>, _>>()?;
    conduct_all(&cohorts, out, launcher, select, Voice { quiet, json: arguments.json })
}

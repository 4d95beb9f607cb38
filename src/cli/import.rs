//! `infoplane import`: an archive merged into a store.

use std::path::PathBuf;

use clap::Args;

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::load::COPY;
use super::print::{print, shell_word};
use crate::query::transfer::{ImportError, import as import_archive};
use crate::store::Store;

/// Merge a file that `export` wrote into a store
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane import quickstart.infoplane --out results
  infoplane aggregate quickstart --out results      makes its tables there

What the store has already stays as it is, so that an import done twice changes nothing and an interrupted one is done again. `run` there has \
nothing to do for what was imported. A file that is not whole is refused before anything is written.")]
pub struct ImportArguments {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    /// Merge the records, leave the store's cohorts as they are
    #[arg(long)]
    records_only: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub fn import(arguments: &ImportArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open(out)?;
    let imported = import_archive(&arguments.file, &store, COPY, arguments.records_only)?;
    if !quiet {
        let (added, present) = (&imported.added, &imported.present);
        tell!(
            "{}: {} trainings, {} measurements, {} attempts added; {} records were there already",
            out.display(),
            added.trainings,
            added.measurements,
            added.attempts,
            present.total()
        );
        for name in &imported.cohorts {
            let out = shell_word(&out.display().to_string());
            tell!("new cohort {name}; `infoplane aggregate {name} --out {out}` makes its tables and figures");
        }
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&imported).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        print(format!("{json}\n").as_bytes())?;
    }
    Ok(Exit::Done)
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Archive(inner) => inner.into(),
            ImportError::Store(inner) => inner.into(),
            ImportError::OtherCohort { .. } | ImportError::BadCohort { .. } => Self::from_error(Exit::Invalid, &error),
            ImportError::Write { .. } | ImportError::Read { .. } => Self::from_error(Exit::Store, &error),
        }
    }
}

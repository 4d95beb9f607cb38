//! `infoplane export`: a selection of runs as one file.

use std::path::PathBuf;

use clap::Args;

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::find::{SelectionArguments, TERMS};
use super::print::print;
use super::studies::Open;
use crate::query::RunRef;
use crate::query::transfer::export as export_runs;
use crate::store::archive::ArchiveError;

/// Write a selection of runs, with all that is committed of them, into one file
#[derive(Args, Debug)]
#[command(after_help = format!("Examples:
  infoplane export quickstart --to quickstart.infoplane
  infoplane export status=ok 'activation_fn=^relu$' --to relu.infoplane
  infoplane export --to everything.infoplane

The file has trainings, weights, measurements and attempts, and the files of the cohorts; `infoplane import` merges it into another store. {TERMS}"))]
pub struct ExportArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// The file; an older one is replaced
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

pub fn export(arguments: &ExportArguments, quiet: bool) -> Result<Exit, Failure> {
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let runs: Vec<RunRef<'_>> = arguments.selection.find(&open, &studies)?.iter().map(|hit| hit.run).collect();
    if runs.is_empty() {
        return Err(Failure::new(Exit::Invalid, "no run is selected; `infoplane find` shows which there are"));
    }
    let exported = export_runs(&runs, &open.index, &arguments.to)?;
    for damage in open.index.damage() {
        tracing::warn!("{damage}; it is not in the archive");
    }
    if !quiet {
        let records = &exported.records;
        tell!(
            "wrote {}: {} runs of {}; {} trainings, {} measurements, {} attempts; {} bytes",
            arguments.to.display(),
            runs.len(),
            exported.cohorts.join(", "),
            records.trainings,
            records.measurements,
            records.attempts,
            exported.bytes
        );
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&exported).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        print(format!("{json}\n").as_bytes())?;
    }
    Ok(Exit::Done)
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let exit = match error {
            ArchiveError::Store(_) => Exit::Store,
            ArchiveError::Io { .. }
            | ArchiveError::Foreign { .. }
            | ArchiveError::Newer { .. }
            | ArchiveError::Damaged { .. } => Exit::Invalid,
        };
        Self::from_error(exit, &error)
    }
}

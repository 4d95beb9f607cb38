//! `infoplane aggregate`: the tables and figures of a cohort, made again from what is committed.

use clap::{Args, ValueEnum};

use super::conduct::tables_and_figures;
use super::exit::{Exit, Failure};
use super::{StoreArguments, load};
use crate::store::tables::write_csv;
use crate::store::{OsDisk, Store};

/// Make a cohort's tables and figures again from what is committed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane aggregate quickstart
  infoplane aggregate quickstart --format csv    the same tables as CSV, too")]
pub struct AggregateArguments {
    /// The cohort's name
    #[arg(value_name = "COHORT-NAME")]
    cohort: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Form of the tables; CSV stands beside Parquet
    #[arg(long, value_enum, default_value_t = Format::Parquet)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Apache Parquet
    Parquet,
    /// RFC 4180, beside Parquet
    Csv,
}

pub fn aggregate(arguments: &AggregateArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    let loaded = load::by_name(out, &arguments.cohort)?;
    let index = store.index()?;
    let dir = store.cohort_dir(&loaded.cohort.name);
    let (summary, figures) = tables_and_figures(&loaded, &index, &dir)?;
    let csv = if arguments.format == Format::Csv { write_csv(&OsDisk, &summary.tables)? } else { Vec::new() };
    for damage in index.damage() {
        tracing::warn!("{damage}; until `infoplane run` has done so its run counts as missing");
    }
    if !quiet {
        for path in summary.tables.iter().chain(&csv).chain(&figures) {
            tell!("wrote {}", path.display());
        }
    }
    Ok(Exit::Done)
}

//! `infoplane aggregate`: the tables and figures of a cohort, made again from what is committed.

use clap::Args;

use super::conduct::tables_and_figures;
use super::exit::{Exit, Failure};
use super::{StoreArguments, load};
use crate::store::Store;

/// Make a cohort's tables and figures again from what is committed
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane aggregate quickstart")]
pub struct AggregateArguments {
    /// The cohort's name
    #[arg(value_name = "COHORT-NAME")]
    cohort: String,
    #[command(flatten)]
    store: StoreArguments,
}

pub fn aggregate(arguments: &AggregateArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    let loaded = load::by_name(out, &arguments.cohort)?;
    let index = store.index()?;
    let dir = store.cohort_dir(&loaded.cohort.name);
    let (summary, figures) = tables_and_figures(&loaded, &index, &dir)?;
    for damage in index.damage() {
        tracing::warn!("{damage}; until `infoplane run` has done so its run counts as missing");
    }
    if !quiet {
        for path in summary.tables.iter().chain(&figures) {
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(Exit::Done)
}

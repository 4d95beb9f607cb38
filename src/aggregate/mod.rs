//! From records to tables: statistics over runs, missing runs counted.
//!
//! Here live the statistics, the status of a run, and the walk over a cohort that fills its tables. What may not live here: bytes of
//! segments and of Parquet (`store`), figures (`plot`), decisions about what to run (`grid`).
//!
//! Reading order: `statistics`, `status`, `stop` (when repeats are enough), `gather` (values over runs, in bounded memory), `materialise`;
//! and back from the tables, `over_runs` (mean accuracy and loss).

mod gather;
mod materialise;
mod over_runs;
mod statistics;
mod status;
mod stop;

use thiserror::Error;

use crate::store::StoreError;
use crate::store::tables::TableError;

pub use materialise::{ExperimentSummary, Summary, materialise};
pub use over_runs::{EpochMeans, OverRuns, metrics_over_runs};
pub use statistics::{statistics, t_975};
pub use status::{RunStatus, StatusCounts, run_status};
pub use stop::Enough;

/// The tables of a cohort could not be made.
#[derive(Debug, Error)]
pub enum AggregateError {
    /// Its records could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table could not be written.
    #[error(transparent)]
    Table(#[from] TableError),
}

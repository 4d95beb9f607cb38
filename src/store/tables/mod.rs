//! Result tables as Parquet: their columns, their writer, and readers for those that figures need.
//!
//! Tables are what people read: names, order and types of the columns are a contract. They hold nothing that the records do not.
//! Bytes depend on the rows alone. Nulls stand where there is no value, NaN nowhere.
//!
//! Reading order: `rows` (which columns), `write`, `read`, `csv`; `columns` (numbers on their way that outgrow the memory); `numbers` reads
//! anybody's Parquet.

mod columns;
mod csv;
mod numbers;
mod read;
mod rows;
mod write;

use std::io;
use std::path::PathBuf;

use parquet::errors::ParquetError;
use thiserror::Error;

pub use columns::Columns;
pub use csv::write_csv;
pub use numbers::{Numbers, RowSink};
pub use read::{
    AggregateRow, DependenceRow, GradientsRow, MeasuresRow, MetricsRow, Rows, read_aggregate, read_dependence, read_gradients,
    read_measures, read_metrics,
};
pub use rows::{RunKey, Statistics, Table, aggregate, dependence, gradients, measures, metrics, provenance, runs};
pub use write::{ClosedTable, TableWriter, publish};

/// Version of the tables' columns, in the key-value metadata of every table under [`VERSION_KEY`]. Columns may be added at the end within a
/// version; a new one says that a column changed its meaning.
pub const SCHEMA_VERSION: u32 = 1;
/// Where a table's version stands in its metadata.
pub const VERSION_KEY: &str = "infoplane.schema_version";

/// Type of a column, with its counterpart in Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text, dictionary-encoded.
    Text,
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Boolean.
    Bool,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// Whether a row may have no value.
    pub nullable: bool,
}

/// A value on its way into a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A real number; NaN is refused.
    Float(f64),
    /// A switch.
    Bool(bool),
    /// No value.
    Null,
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Float)
    }
}

/// A table could not be written or read.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as "cannot …".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The Parquet library refused.
    #[error("cannot {action} table {}", path.display())]
    Parquet {
        /// What was tried, as "cannot …".
        action: &'static str,
        /// Which table.
        path: PathBuf,
        /// The reason.
        source: ParquetError,
    },
    /// A value is NaN: a run that went wrong was taken for finished.
    #[error("NaN in column {column} of table {table}, row {row} (from 0): expected a number or no value")]
    Nan {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Number of the row.
        row: u64,
    },
    /// A value does not fit its column.
    #[error("value {value} does not fit column {column} of table {table}, row {row} (from 0): expected {expected}")]
    Misfit {
        /// Name of the table.
        table: &'static str,
        /// Name of the column.
        column: &'static str,
        /// Number of the row.
        row: u64,
        /// The value.
        value: String,
        /// What the column takes.
        expected: String,
    },
    /// A file is not the table that was expected.
    #[error("{} is not a table of this program: expected {expected}; write it again with `infoplane aggregate`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        expected: String,
    },
}

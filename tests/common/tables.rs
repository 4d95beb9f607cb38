//! Tables as a reader that knows only Parquet sees them.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A table: names of its columns, and its rows as text, floats exact and nulls as `null`.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Contents {
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let batches = builder.build().expect("a reader").map(|batch| batch.expect("a batch"));
        let rows = batches.flat_map(|batch| (0..batch.num_rows()).map(|row| cells(&batch, row)).collect::<Vec<_>>()).collect();
        Self { columns, rows }
    }

    /// Values of a column.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let place = self.columns.iter().position(|column| column == name).unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|row| row[place].as_str()).collect()
    }

    /// The rows whose column `name` is `value`.
    pub fn rows_where(&self, name: &str, value: &str) -> Vec<&Vec<String>> {
        let column = self.column(name);
        self.rows.iter().zip(column).filter(|(_, found)| *found == value).map(|(row, _)| row).collect()
    }
}

fn cells(batch: &RecordBatch, row: usize) -> Vec<String> {
    let cell = |column: &dyn Array| {
        if column.is_null(row) {
            return "null".to_owned();
        }
        let text = column.as_string_opt::<i32>().map(|c| c.value(row).to_owned());
        let int = || column.as_primitive_opt::<Int64Type>().map(|c| c.value(row).to_string());
        // `{:?}` of a float reads back as the same float.
        let float = || column.as_primitive_opt::<Float64Type>().map(|c| format!("{:?}", c.value(row)));
        let switch = || column.as_boolean_opt().map(|c| c.value(row).to_string());
        text.or_else(int).or_else(float).or_else(switch).unwrap_or_else(|| panic!("a column of type {}", column.data_type()))
    };
    batch.columns().iter().map(|column| cell(column)).collect()
}

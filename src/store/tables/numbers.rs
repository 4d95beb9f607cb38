//! Columns of numbers from anybody's Parquet file, read batch by batch.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::TableError;

/// Rows of a batch.
const BATCH: usize = 1024;

/// Takes number and values of a row; an error ends the reading.
pub type RowSink<'a> = dyn FnMut(usize, &[f64]) -> Result<(), String> + 'a;

/// A Parquet file as a table of numbers.
#[derive(Clone, Debug)]
pub struct Numbers {
    path: PathBuf,
    rows: usize,
    names: Vec<String>,
    types: Vec<DataType>,
}

impl Numbers {
    /// Reads names and types of the columns; none is looked into yet.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Parquet`].
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let builder = builder(path)?;
        let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let fields = builder.schema().fields();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        let types = fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Self { path: path.to_path_buf(), rows, names, types })
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a column is in single precision.
    #[must_use]
    pub fn is_single(&self, column: usize) -> bool {
        self.types.get(column) == Some(&DataType::Float32)
    }

    /// Gives the `columns` of every row to `sink`, with the number of the row; an error of its ends the reading.
    ///
    /// # Errors
    /// What the file, a column that is no number, a null, or `sink` says.
    pub fn read(&self, columns: &[usize], sink: &mut RowSink<'_>) -> Result<(), String> {
        let mut wanted: Vec<usize> = columns.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        for &column in &wanted {
            let (name, kind) = (&self.names[column], &self.types[column]);
            if !kind.is_numeric() && *kind != DataType::Boolean {
                return Err(format!("column `{name}` is of type {kind}; expected numbers"));
            }
        }
        let failed = |error: &dyn std::fmt::Display| format!("damaged Parquet: {error}");
        let builder = builder(&self.path).map_err(|e| failed(&e))?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|e| failed(&e))?;
        // A batch holds each wanted column once, in the order of the file.
        let places: Vec<usize> = columns.iter().map(|column| wanted.partition_point(|w| w < column)).collect();
        let (mut row, mut next) = (vec![0.0; columns.len()], 0);
        for batch in batches {
            let batch = batch.map_err(|e| failed(&e))?;
            let numbers = |(array, &column): (&ArrayRef, &usize)| {
                let name = &self.names[column];
                if let Some(at) = (0..array.len()).find(|&at| array.is_null(at)) {
                    return Err(format!("column `{name}`, row {} is null; expected a number", next + at));
                }
                numbers(array).ok_or_else(|| format!("column `{name}` is of type {}; expected numbers", array.data_type()))
            };
            let arrays: Vec<Vec<f64>> = batch.columns().iter().zip(&wanted).map(numbers).collect::<Result<_, _>>()?;
            (0..batch.num_rows()).try_for_each(|at| {
                row.iter_mut().zip(&places).for_each(|(value, &place)| *value = arrays[place][at]);
                next += 1;
                sink(next - 1, &row)
            })?;
        }
        Ok(())
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, TableError> {
    let path = path.to_path_buf();
    let file = File::open(&path).map_err(|source| TableError::Io { action: "open table", path: path.clone(), source })?;
    let failed = |source: ParquetError| TableError::Parquet { action: "read", path, source };
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)
}

/// The values of an array, if they are numbers.
fn numbers(array: &ArrayRef) -> Option<Vec<f64>> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef, number: fn(T::Native) -> f64) -> Option<Vec<f64>> {
        Some(array.as_primitive_opt::<T>()?.values().iter().map(|&value| number(value)).collect())
    }
    match array.data_type() {
        DataType::Float32 => of::<Float32Type>(array, f64::from),
        DataType::Float64 => of::<Float64Type>(array, |v| v),
        DataType::Int8 => of::<Int8Type>(array, f64::from),
        DataType::Int16 => of::<Int16Type>(array, f64::from),
        DataType::Int32 => of::<Int32Type>(array, f64::from),
        DataType::Int64 => of::<Int64Type>(array, |v| v as f64),
        DataType::UInt8 => of::<UInt8Type>(array, f64::from),
        DataType::UInt16 => of::<UInt16Type>(array, f64::from),
        DataType::UInt32 => of::<UInt32Type>(array, f64::from),
        DataType::UInt64 => of::<UInt64Type>(array, |v| v as f64),
        DataType::Boolean => {
            let values = array.as_boolean_opt()?;
            Some((0..values.len()).map(|at| f64::from(u8::from(values.value(at)))).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float32Array, Int32Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn columns_come_as_asked_for_and_others_are_not_looked_at() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let columns: [(&str, ArrayRef); 3] = [
            ("a", Arc::new(Float32Array::from(vec![Some(0.5), Some(1.5), None]))),
            ("text", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
            ("n", Arc::new(Int32Array::from(vec![-3, 4, 5]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let numbers = Numbers::open(file.path()).unwrap();
        assert_eq!((numbers.rows(), numbers.names().len()), (3, 3));
        assert!(numbers.is_single(0) && !numbers.is_single(2));
        let read = |columns: &[usize]| {
            let mut rows = Vec::new();
            let mut sink = |row, values: &[f64]| {
                rows.push((row, values.to_vec()));
                Ok(())
            };
            numbers.read(columns, &mut sink).map(|()| rows)
        };
        assert_eq!(read(&[2]).unwrap(), [(0, vec![-3.0]), (1, vec![4.0]), (2, vec![5.0])]);
        assert!(read(&[2, 0, 2]).unwrap_err().contains("column `a`, row 2 is null"));
        assert!(read(&[1]).unwrap_err().contains("column `text` is of type Utf8"));
        assert!(Numbers::open(Path::new("/no/such/file")).is_err());
    }
}

//! Columns of numbers from anybody's Parquet file, read batch by batch.

use std::path::{Path, PathBuf};

use arrow_schema::DataType;

use super::super::foreign::{Foreign, first_null, is_numbers, is_single, values};
use crate::data::Unreadable;
use crate::data::columns::Column;

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
    /// [`Unreadable`] if it is no Parquet file.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = Foreign::open(path)?;
        let (names, types) = file.columns().map(|(name, kind)| (name.clone(), kind.clone())).unzip();
        Ok(Self { path: path.to_path_buf(), rows: file.rows(), names, types })
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
        self.types.get(column).is_some_and(is_single)
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
            if !is_numbers(kind) {
                return Err(format!("column `{name}` is of type {kind}; expected numbers"));
            }
        }
        let file = Foreign::open(&self.path).map_err(|e| e.to_string())?;
        if file.rows() != self.rows || !file.columns().map(|(name, _)| name).eq(&self.names) {
            return Err("the file has changed since it was opened".to_owned());
        }
        // A batch holds each wanted column once, in the order of the file.
        let places: Vec<usize> = columns.iter().map(|column| wanted.partition_point(|w| w < column)).collect();
        let (mut row, mut next) = (vec![0.0; columns.len()], 0);
        let read = file.each_batch(Some(&wanted), BATCH, |batch| {
            let mut arrays = Vec::with_capacity(wanted.len());
            for (array, &column) in batch.columns().iter().zip(&wanted) {
                let name = &self.names[column];
                if let Some(at) = first_null(array.as_ref())? {
                    return Err(Stop(format!("column `{name}`, row {} is null; expected a number", next + at)));
                }
                let Some(Column::Numbers(numbers)) = values(array.as_ref())? else {
                    return Err(Stop(format!("column `{name}` is of type {}; expected numbers", array.data_type())));
                };
                arrays.push(numbers);
            }
            (0..batch.num_rows()).try_for_each(|at| {
                row.iter_mut().zip(&places).for_each(|(value, &place)| *value = arrays[place][at]);
                next += 1;
                sink(next - 1, &row).map_err(Stop)
            })
        });
        read.map_err(|Stop(why)| why)
    }
}

/// Why reading ends.
struct Stop(String);

impl From<Unreadable> for Stop {
    fn from(error: Unreadable) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Float16Type, Int8Type};
    use arrow_array::{
        ArrayRef, ArrowPrimitiveType, DictionaryArray, Float32Array, Int32Array, PrimitiveArray, RecordBatch, StringArray,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn columns_come_as_asked_for_and_others_are_not_looked_at() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32;
        let halves = PrimitiveArray::<Float16Type>::from_iter_values([0.5, -2.0, 0.25].map(half));
        let keys = PrimitiveArray::<Int8Type>::from_iter_values([1, 0, 1]);
        let kinds = DictionaryArray::new(keys, Arc::new(Float32Array::from(vec![0.5, 1.5])) as ArrayRef);
        let columns: [(&str, ArrayRef); 5] = [
            ("a", Arc::new(Float32Array::from(vec![Some(0.5), Some(1.5), None]))),
            ("text", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
            ("n", Arc::new(Int32Array::from(vec![-3, 4, 5]))),
            ("half", Arc::new(halves)),
            ("kind", Arc::new(kinds)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let numbers = Numbers::open(file.path()).unwrap();
        assert_eq!((numbers.rows(), numbers.names().len()), (3, 5));
        assert!(numbers.is_single(0) && !numbers.is_single(2) && numbers.is_single(3) && numbers.is_single(4));
        let read = |columns: &[usize]| {
            let mut rows = Vec::new();
            let mut sink = |row, values: &[f64]| {
                rows.push((row, values.to_vec()));
                Ok(())
            };
            numbers.read(columns, &mut sink).map(|()| rows)
        };
        assert_eq!(read(&[2]).unwrap(), [(0, vec![-3.0]), (1, vec![4.0]), (2, vec![5.0])]);
        assert_eq!(read(&[4, 3]).unwrap(), [(0, vec![1.5, 0.5]), (1, vec![0.5, -2.0]), (2, vec![1.5, 0.25])]);
        assert!(read(&[2, 0, 2]).unwrap_err().contains("column `a`, row 2 is null"));
        assert!(read(&[1]).unwrap_err().contains("column `text` is of type Utf8"));
        assert!(Numbers::open(Path::new("/no/such/file")).is_err());
    }
}

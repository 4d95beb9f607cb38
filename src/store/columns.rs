//! The columns of a Parquet file that a person has: numbers and words, in memory. Tables of our own are read elsewhere.

use std::path::Path;

use super::foreign::{Foreign, first_null, values};
use crate::data::columns::{Column, Columns};
use crate::data::{Limit, Unreadable};

/// Rows of a batch.
const BATCH: usize = 1024;

/// Reads a file.
///
/// # Errors
/// [`Unreadable`] if it is no Parquet file, has nulls or columns of other types, or is too large.
pub fn read(path: &Path, limit: Limit) -> Result<Columns, Unreadable> {
    let file = Foreign::open(path)?;
    let names: Vec<String> = file.columns().map(|(name, _)| name.clone()).collect();
    let rows = file.rows();
    if !limit.holds(rows, size_of::<f64>() * names.len().max(1)) {
        return Err(Unreadable::new(format!("{rows} rows of {} columns", names.len()), format!("{} bytes in all", limit.0)));
    }
    let mut columns: Vec<Option<Column>> = vec![None; names.len()];
    file.each_batch(None, BATCH, |batch| {
        for ((column, array), name) in columns.iter_mut().zip(batch.columns()).zip(&names) {
            if first_null(array.as_ref())?.is_some() {
                return Err(Unreadable::new(format!("nulls in column `{name}`"), "a value in every row"));
            }
            let Some(more) = values(array.as_ref())? else {
                let found = format!("column `{name}` of type {}", array.data_type());
                return Err(Unreadable::new(found, "columns of numbers, booleans or text"));
            };
            match (column, more) {
                (Some(Column::Numbers(all)), Column::Numbers(more)) => all.extend(more),
                (Some(Column::Words(all)), Column::Words(more)) => all.extend(more),
                (column, more) => *column = Some(more),
            }
        }
        Ok::<(), Unreadable>(())
    })?;
    Ok(Columns { names, columns: columns.into_iter().map(|column| column.unwrap_or(Column::Numbers(Vec::new()))).collect() })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::Arc;

    use arrow_array::types::Float16Type;
    use arrow_array::{
        ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Int8Array, Int64Array,
        PrimitiveArray, RecordBatch, StringArray, StringViewArray,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn columns_as_other_tools_write_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32;
        let halves = PrimitiveArray::<Float16Type>::from_iter_values([0.5, -2.0, 0.25].map(half));
        let prices = Decimal128Array::from(vec![125, -5, 0]).with_precision_and_scale(10, 2).unwrap();
        let keys = Int8Array::from(vec![1, 0, 1]);
        let kinds = DictionaryArray::new(keys.clone(), Arc::new(Int64Array::from(vec![30, 10])) as ArrayRef);
        let words = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef);
        write(
            &path,
            vec![
                ("half", Arc::new(halves) as ArrayRef),
                ("price", Arc::new(prices)),
                ("kind", Arc::new(kinds)),
                ("word", Arc::new(words)),
                ("view", Arc::new(StringViewArray::from(vec!["a longer word than twelve letters", "b", "c"]))),
            ],
        );
        let columns = read(&path, Limit::default()).unwrap().columns;
        let word = |words: [&str; 3]| Column::Words(words.map(str::to_owned).to_vec());
        assert_eq!(columns[0], Column::Numbers(vec![0.5, -2.0, 0.25]));
        assert_eq!(columns[1], Column::Numbers(vec![1.25, -0.05, 0.0]));
        assert_eq!(columns[2], Column::Numbers(vec![10.0, 30.0, 10.0]));
        assert_eq!(columns[3], word(["b", "a", "b"]));
        assert_eq!(columns[4], word(["a longer word than twelve letters", "b", "c"]));
    }

    #[test]
    fn columns_of_every_usual_type() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        write(
            &path,
            vec![
                ("a", Arc::new(Float32Array::from(vec![0.5, 1.0])) as ArrayRef),
                ("b", Arc::new(Int64Array::from(vec![-3, 4]))),
                ("c", Arc::new(BooleanArray::from(vec![true, false]))),
                ("kind", Arc::new(StringArray::from(vec!["x", "w"]))),
            ],
        );
        let columns = read(&path, Limit::default()).unwrap();
        let part = columns.examples("kind", Limit::default()).unwrap();
        assert_eq!((part.inputs, part.rows[0].0[..3].to_vec()), (3, vec![0.5, -3.0, 1.0]));
        assert!(read(&path, Limit(10)).unwrap_err().to_string().contains("2 rows of 4 columns"));
        write(&path, vec![("a", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)]);
        assert!(read(&path, Limit::default()).unwrap_err().to_string().contains("nulls in column `a`"));
        fs::write(&path, "hello").unwrap();
        assert!(read(&path, Limit::default()).unwrap_err().to_string().ends_with("expected a Parquet file"));
    }
}

//! The columns of a Parquet file that a person has: numbers and words, in memory. Tables of our own are read elsewhere.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use crate::data::columns::{Column, Columns};
use crate::data::{Limit, Unreadable};

/// Reads a file.
///
/// # Errors
/// [`Unreadable`] if it is no Parquet file, has nulls or columns of other types, or is too large.
pub fn read(path: &Path, limit: Limit) -> Result<Columns, Unreadable> {
    guarded(|| read_unguarded(path, limit))
}

/// Calls the library, which panics at some damage (a negative offset, for one): that is a damaged file, and nothing to print.
fn guarded<T>(read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    // What happens at a panic is settled for the whole process: one reader at a time.
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    panic::set_hook(hook);
    drop(turn);
    result.unwrap_or_else(|_| Err(Unreadable::new("damaged columns", "a Parquet file")))
}

fn read_unguarded(path: &Path, limit: Limit) -> Result<Columns, Unreadable> {
    let wrong = |e: &dyn std::fmt::Display| Unreadable::new(e.to_string(), "a Parquet file");
    let file = File::open(path).map_err(|e| wrong(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(&e))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    if let Some(packing) = foreign_packing(builder.metadata()) {
        return Err(Unreadable::new(
            format!("columns packed by {packing}"),
            "snappy, zstd or no packing: write it again with one of these",
        ));
    }
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    if !limit.holds(rows, size_of::<f64>() * names.len().max(1)) {
        return Err(Unreadable::new(format!("{rows} rows of {} columns", names.len()), format!("{} bytes in all", limit.0)));
    }
    let mut columns: Vec<Option<Column>> = vec![None; names.len()];
    for batch in builder.build().map_err(|e| wrong(&e))? {
        let batch = batch.map_err(|e| wrong(&e))?;
        for ((column, array), name) in columns.iter_mut().zip(batch.columns()).zip(&names) {
            if array.null_count() > 0 {
                return Err(Unreadable::new(format!("nulls in column `{name}`"), "a value in every row"));
            }
            let Some(more) = values(array.as_ref()) else {
                let found = format!("column `{name}` of type {}", array.data_type());
                return Err(Unreadable::new(found, "columns of numbers, booleans or text"));
            };
            match (column, more) {
                (Some(Column::Numbers(all)), Column::Numbers(more)) => all.extend(more),
                (Some(Column::Words(all)), Column::Words(more)) => all.extend(more),
                (column, more) => *column = Some(more),
            }
        }
    }
    Ok(Columns { names, columns: columns.into_iter().map(|column| column.unwrap_or(Column::Numbers(Vec::new()))).collect() })
}

/// The first packing that nothing here unpacks.
fn foreign_packing(metadata: &ParquetMetaData) -> Option<String> {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let known = |packing| matches!(packing, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_));
    let packing = columns.map(ColumnChunkMetaData::compression).find(|packing| !known(*packing))?;
    // `GZIP(GzipLevel(6))`, without the level.
    let name = format!("{packing:?}").to_lowercase();
    Some(name.split('(').next().unwrap_or_default().replace("_raw", ""))
}

/// The values of an array.
fn values(array: &dyn Array) -> Option<Column> {
    macro_rules! numbers {
        ($($kind:pat => $ty:ty),+) => {
            match array.data_type() {
                $($kind => Some(Column::Numbers(array.as_primitive::<$ty>().values().iter().map(|&v| v as f64).collect())),)+
                DataType::Boolean => {
                    Some(Column::Numbers((0..array.len()).map(|row| f64::from(u8::from(array.as_boolean().value(row)))).collect()))
                }
                DataType::Float16 => {
                    Some(Column::Numbers(array.as_primitive::<Float16Type>().values().iter().map(|&v| f64::from(v)).collect()))
                }
                DataType::Decimal128(_, scale) => {
                    let unit = (0..scale.unsigned_abs()).fold(1.0, |unit, _| unit * 10.0);
                    let number = |v: &i128| if *scale < 0 { *v as f64 * unit } else { *v as f64 / unit };
                    Some(Column::Numbers(array.as_primitive::<Decimal128Type>().values().iter().map(number).collect()))
                }
                DataType::Utf8View => Some(Column::Words(array.as_string_view().iter().flatten().map(str::to_owned).collect())),
                DataType::Utf8 => Some(Column::Words(array.as_string::<i32>().iter().flatten().map(str::to_owned).collect())),
                DataType::LargeUtf8 => Some(Column::Words(array.as_string::<i64>().iter().flatten().map(str::to_owned).collect())),
                DataType::Dictionary(_, _) => {
                    let dictionary = array.as_any_dictionary_opt()?;
                    let keys = dictionary.normalized_keys().into_iter();
                    match values(dictionary.values().as_ref())? {
                        Column::Words(words) => keys.map(|key| words.get(key).cloned()).collect::<Option<_>>().map(Column::Words),
                        Column::Numbers(numbers) => {
                            keys.map(|key| numbers.get(key).copied()).collect::<Option<_>>().map(Column::Numbers)
                        }
                    }
                }
                _ => None,
            }
        };
    }
    numbers!(
        DataType::Float64 => Float64Type, DataType::Float32 => Float32Type, DataType::Int64 => Int64Type, DataType::Int32 => Int32Type,
        DataType::Int16 => Int16Type, DataType::Int8 => Int8Type, DataType::UInt64 => UInt64Type, DataType::UInt32 => UInt32Type,
        DataType::UInt16 => UInt16Type, DataType::UInt8 => UInt8Type
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

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

//! Anybody's Parquet file: opened and read batch by batch under one guard, its arrays as numbers or words by one map. Who reads it decides
//! what is kept.

use std::cell::Cell;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;

use crate::data::Unreadable;
use crate::data::columns::Column;

thread_local! {
    /// Whether a panic of this thread is damage that somebody tells of.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the library, which panics at some damage (a negative offset, for one): that is a damaged file, and nothing to print.
fn guarded<T>(read: impl FnOnce() -> Result<T, Unreadable>) -> Result<T, Unreadable> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    result.unwrap_or_else(|_| Err(Unreadable::new("damaged columns", "a Parquet file")))
}

fn wrong(error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable::new(error.to_string(), "a Parquet file")
}

/// A file whose columns are known, and none looked into.
pub(super) struct Foreign {
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl Foreign {
    /// Reads names and types of the columns.
    pub(super) fn open(path: &Path) -> Result<Self, Unreadable> {
        let file = File::open(path).map_err(|e| wrong(&e))?;
        guarded(|| ParquetRecordBatchReaderBuilder::try_new(file).map(|builder| Self { builder }).map_err(|e| wrong(&e)))
    }

    /// Number of rows, as the file announces them.
    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.builder.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Names of the columns, and their types.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&String, &DataType)> {
        self.builder.schema().fields().iter().map(|field| (field.name(), field.data_type()))
    }

    /// Gives the columns of these places, ascending, or all, batch by batch; an error of `each` ends it, and so do more or fewer rows than
    /// are announced.
    pub(super) fn each_batch<E: From<Unreadable>>(
        self,
        places: Option<&[usize]>,
        batch: usize,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let announced = self.rows();
        let mut batches = guarded(|| self.batches(places, batch))?;
        let mut rows = 0;
        while let Some(batch) = guarded(|| batches.next().transpose().map_err(|e| wrong(&e)))? {
            rows += batch.num_rows();
            if rows > announced {
                break;
            }
            each(&batch)?;
        }
        if rows == announced {
            return Ok(());
        }
        let more = if rows > announced { "more" } else { "fewer" };
        Err(Unreadable::new(format!("{more} rows than its footer says"), announced.to_string()).into())
    }

    fn batches(self, places: Option<&[usize]>, batch: usize) -> Result<ParquetRecordBatchReader, Unreadable> {
        let schema = self.builder.parquet_schema();
        let mask = places.map_or_else(ProjectionMask::all, |places| ProjectionMask::roots(schema, places.iter().copied()));
        if let Some(packing) = self.foreign_packing(&mask) {
            return Err(Unreadable::new(
                format!("columns packed by {packing}"),
                "snappy, zstd or no packing: write it again with one of these",
            ));
        }
        self.builder.with_projection(mask).with_batch_size(batch).build().map_err(|e| wrong(&e))
    }

    /// The first packing of these columns that nothing here unpacks.
    fn foreign_packing(&self, mask: &ProjectionMask) -> Option<String> {
        let known = |packing| matches!(packing, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_));
        let groups = self.builder.metadata().row_groups().iter();
        let leaves = groups.flat_map(|group| group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf)));
        let packing = leaves.map(|(_, column)| column.compression()).find(|packing| !known(*packing))?;
        // `GZIP(GzipLevel(6))`, without the level.
        let name = format!("{packing:?}").to_lowercase();
        Some(name.split('(').next().unwrap_or_default().replace("_raw", ""))
    }
}

/// The first row of an array that has no value, of an array or of the dictionary behind it.
pub(super) fn first_null(array: &dyn Array) -> Result<Option<usize>, Unreadable> {
    guarded(|| Ok(array.logical_nulls().and_then(|nulls| (0..nulls.len()).find(|&row| nulls.is_null(row)))))
}

/// Whether arrays of a type are numbers.
pub(super) fn is_numbers(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_numbers(values),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal256(..) => false,
        kind => kind.is_numeric() || *kind == DataType::Boolean,
    }
}

/// Whether no number of a type has more digits than single precision holds.
pub(super) fn is_single(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_single(values),
        kind => matches!(kind, DataType::Float16 | DataType::Float32),
    }
}

/// The values of an array; `None` if they are neither numbers nor words.
pub(super) fn values(array: &dyn Array) -> Result<Option<Column>, Unreadable> {
    guarded(|| Ok(values_of(array)))
}

fn values_of(array: &dyn Array) -> Option<Column> {
    // Where a dictionary holds a null that no row has, it is some word.
    let owned = |word: Option<&str>| word.unwrap_or_default().to_owned();
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
                DataType::Utf8View => Some(Column::Words(array.as_string_view().iter().map(owned).collect())),
                DataType::Utf8 => Some(Column::Words(array.as_string::<i32>().iter().map(owned).collect())),
                DataType::LargeUtf8 => Some(Column::Words(array.as_string::<i64>().iter().map(owned).collect())),
                DataType::Dictionary(_, _) => {
                    let dictionary = array.as_any_dictionary_opt()?;
                    let keys = dictionary.normalized_keys().into_iter();
                    match values_of(dictionary.values().as_ref())? {
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

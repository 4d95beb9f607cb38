//! Writes a table row by row in bounded memory, and lets it appear as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{Cell, Column, ColumnType, SCHEMA_VERSION, Table, TableError, VERSION_KEY};
use crate::store::disk::{Disk, DiskFile, TEMPORARY, create_held, make_directories, remove_abandoned};

/// Rows handed to the encoder at once.
const BATCH: usize = 8192;
/// Rows of a row group: what the encoder holds, compressed, until it is written.
const ROW_GROUP: usize = 1 << 17;

/// A table being written, under a temporary name. Dropped before it is published, it leaves nothing.
#[derive(Debug)]
pub struct TableWriter {
    table: Table,
    file: Temporary,
    encoder: ArrowWriter<Box<dyn DiskFile>>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: u64,
}

/// A whole, durable table that still has its temporary name.
#[derive(Debug)]
pub struct ClosedTable {
    file: Temporary,
    /// Keeps the file held until it is renamed.
    handle: Box<dyn DiskFile>,
    rows: u64,
}

impl TableWriter {
    /// Begins a table in `dir`, which is made if it is missing; unfinished tables of killed processes are removed.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Parquet`].
    pub fn create(disk: &dyn Disk, dir: &Path, table: Table) -> Result<Self, TableError> {
        make_directories(disk, dir).map_err(|source| TableError::Io {
            action: "make directory",
            path: dir.to_path_buf(),
            source,
        })?;
        let name = format!("{}.parquet", table.name);
        remove_abandoned(dir);
        let (file, handle) = Temporary::create(disk, dir, &name)?;
        let schema = Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()));
        // Without Arrow's copy of the schema: readers take the Parquet types, and nothing depends on its encoding.
        let options = ArrowWriterOptions::new().with_properties(properties()).with_skip_arrow_metadata(true);
        let encoder = ArrowWriter::try_new_with_options(handle, Arc::clone(&schema), options)
            .map_err(|source| TableError::Parquet { action: "begin", path: file.target.clone(), source })?;
        let builders = table.columns.iter().map(|column| Builder::new(column.kind)).collect();
        Ok(Self { table, file, encoder, schema, builders, rows: 0 })
    }

    /// Adds a row: one cell a column, in their order.
    ///
    /// # Errors
    /// [`TableError::Nan`], [`TableError::Misfit`]; [`TableError::Parquet`] when a batch is full and cannot be written.
    pub fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), TableError> {
        let table = self.table.name;
        let row = self.rows;
        if cells.len() != self.table.columns.len() {
            let (value, expected) = (format!("row of {} cells", cells.len()), format!("{} cells", self.table.columns.len()));
            return Err(TableError::Misfit { table, column: "(all)", row, value, expected });
        }
        // Checked before any builder takes a value, so that a refused row leaves no trace.
        for (column, cell) in self.table.columns.iter().zip(cells) {
            check(table, column, row, cell)?;
        }
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            builder.push(cell);
        }
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH as u64) { self.write_batch() } else { Ok(()) }
    }

    /// Writes what is left and makes the file durable.
    ///
    /// # Errors
    /// [`TableError::Io`], [`TableError::Parquet`].
    pub fn close(mut self) -> Result<ClosedTable, TableError> {
        self.write_batch()?;
        let Self { file, encoder, rows, .. } = self;
        let handle =
            encoder.into_inner().map_err(|source| TableError::Parquet { action: "finish", path: file.target.clone(), source })?;
        handle.sync_all().map_err(|source| TableError::Io { action: "sync", path: file.path.clone(), source })?;
        Ok(ClosedTable { file, handle, rows })
    }

    fn write_batch(&mut self) -> Result<(), TableError> {
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        if columns.first().is_none_or(|column| column.is_empty()) {
            return Ok(());
        }
        let failed = |source| TableError::Parquet { action: "write", path: self.file.target.clone(), source };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| failed(ParquetError::from(error)))?;
        self.encoder.write(&batch).map_err(failed)
    }
}

impl ClosedTable {
    /// A table that was written by other means, and synced.
    pub(super) fn new(file: Temporary, handle: Box<dyn DiskFile>, rows: u64) -> Self {
        Self { file, handle, rows }
    }

    /// Rows of the table.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

/// Gives closed tables of one directory their names, at the last moment and together, and makes that durable. Their paths, in order.
///
/// # Errors
/// [`TableError::Io`]; tables renamed before it stay, each whole.
pub fn publish(disk: &dyn Disk, dir: &Path, tables: Vec<ClosedTable>) -> Result<Vec<PathBuf>, TableError> {
    let mut paths = Vec::with_capacity(tables.len());
    for ClosedTable { mut file, handle, .. } in tables {
        disk.rename(&file.path, &file.target).map_err(|source| TableError::Io {
            action: "rename an unfinished table to",
            path: file.target.clone(),
            source,
        })?;
        drop(handle);
        file.renamed = true;
        paths.push(file.target.clone());
    }
    disk.sync_dir(dir).map_err(|source| TableError::Io { action: "sync directory", path: dir.to_path_buf(), source })?;
    Ok(paths)
}

/// A file that is removed unless it gets its name.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    target: PathBuf,
    renamed: bool,
}

impl Temporary {
    pub(super) fn create(disk: &dyn Disk, dir: &Path, name: &str) -> Result<(Self, Box<dyn DiskFile>), TableError> {
        let failed = |source| TableError::Io { action: "create a table in", path: dir.to_path_buf(), source };
        let (path, handle) = create_held(disk, dir, &format!(".{name}."), TEMPORARY).map_err(failed)?;
        Ok((Self { path, target: dir.join(name), renamed: false }, handle))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // What cannot be removed is tidied up by the next writer.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Everything that shapes the bytes, besides the rows.
fn properties() -> WriterProperties {
    let version = KeyValue::new(VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string());
    // `created_by` stays the library's name and version: readers look there for known faults of writers. It holds no time and no host.
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(true)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_key_value_metadata(Some(vec![version]))
        .build()
}

fn field(column: &Column) -> Field {
    let kind = match column.kind {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
    };
    Field::new(column.name, kind, column.nullable)
}

fn check(table: &'static str, column: &Column, row: u64, cell: &Cell<'_>) -> Result<(), TableError> {
    let fits = match (cell, column.kind) {
        (Cell::Float(value), ColumnType::Float) if value.is_nan() => {
            return Err(TableError::Nan { table, column: column.name, row });
        }
        (Cell::Text(_), ColumnType::Text)
        | (Cell::Int(_), ColumnType::Int)
        | (Cell::Float(_), ColumnType::Float)
        | (Cell::Bool(_), ColumnType::Bool) => true,
        (Cell::Null, _) => column.nullable,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let expected = format!("{:?}{}", column.kind, if column.nullable { " or no value" } else { "" });
    Err(TableError::Misfit { table, column: column.name, row, value: format!("{cell:?}"), expected })
}

/// The values of a column that wait for their batch.
#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
        }
    }

    /// Takes a cell that has passed [`check`]; any other counts as no value.
    fn push(&mut self, cell: &Cell<'_>) {
        match self {
            Self::Text(builder) => builder.append_option(if let Cell::Text(value) = cell { Some(value) } else { None }),
            Self::Int(builder) => builder.append_option(if let Cell::Int(value) = cell { Some(*value) } else { None }),
            Self::Float(builder) => builder.append_option(if let Cell::Float(value) = cell { Some(*value) } else { None }),
            Self::Bool(builder) => builder.append_option(if let Cell::Bool(value) = cell { Some(*value) } else { None }),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::store::disk::OsDisk;
    use crate::store::disk::faulty::FaultyDisk;

    fn table() -> Table {
        let column = |name, kind, nullable| Column { name, kind, nullable };
        let columns = vec![
            column("name", ColumnType::Text, false),
            column("count", ColumnType::Int, false),
            column("value", ColumnType::Float, true),
            column("switch", ColumnType::Bool, false),
        ];
        Table { name: "sample", columns }
    }

    fn row(n: u64) -> [Cell<'static>; 4] {
        let name = ["a", "b", "ü"][n as usize % 3];
        [
            Cell::Text(name),
            Cell::Int(n as i64),
            n.is_multiple_of(2).then_some(n as f64 / 3.0).into(),
            Cell::Bool(n.is_multiple_of(5)),
        ]
    }

    fn write(disk: &dyn Disk, dir: &Path, rows: u64) -> Result<PathBuf, TableError> {
        let mut writer = TableWriter::create(disk, dir, table())?;
        for n in 0..rows {
            writer.push(&row(n))?;
        }
        let closed = writer.close()?;
        assert_eq!(closed.rows(), rows);
        Ok(publish(disk, dir, vec![closed])?.remove(0))
    }

    #[test]
    fn columns_types_and_metadata_are_as_declared() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(&OsDisk, dir.path(), 20_000).unwrap();
        assert_eq!(path, dir.path().join("sample.parquet"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
        let fields: Vec<_> =
            reader.schema().fields().iter().map(|f| (f.name().clone(), f.data_type().clone(), f.is_nullable())).collect();
        let expected: Vec<_> =
            table().columns.iter().map(field).map(|f| (f.name().clone(), f.data_type().clone(), f.is_nullable())).collect();
        assert_eq!(fields, expected);
        let metadata = reader.metadata();
        let pairs = metadata.file_metadata().key_value_metadata().unwrap();
        assert_eq!(pairs.iter().map(|p| (p.key.as_str(), p.value.as_deref())).collect::<Vec<_>>(), [(VERSION_KEY, Some("1"))]);
        assert_eq!(metadata.file_metadata().num_rows(), 20_000);
        for column in metadata.row_group(0).columns() {
            assert!(matches!(column.compression(), Compression::ZSTD(_)));
        }
        assert!(metadata.row_group(0).column(0).dictionary_page_offset().is_some());
        let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, 20_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn equal_rows_give_equal_bytes(rows in 0..20_000_u64) {
            let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let [first, second] = dirs.map(|dir| fs::read(write(&OsDisk, dir.path(), rows).unwrap()).unwrap());
            prop_assert!(first == second);
        }
    }

    #[test]
    fn nan_and_values_that_do_not_fit_are_refused_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::create(&OsDisk, dir.path(), table()).unwrap();
        writer.push(&row(0)).unwrap();
        let mut nan = row(1);
        nan[2] = Cell::Float(f64::NAN);
        let error = writer.push(&nan).unwrap_err();
        assert!(matches!(error, TableError::Nan { table: "sample", column: "value", row: 1 }), "{error}");
        for (column, cell) in [(0, Cell::Int(1)), (1, Cell::Null), (2, Cell::Bool(true)), (3, Cell::Float(f64::NAN))] {
            let mut cells = row(1);
            cells[column] = cell;
            assert!(matches!(writer.push(&cells), Err(TableError::Misfit { .. })));
        }
        assert!(matches!(writer.push(&row(1)[..3]), Err(TableError::Misfit { .. })));
        assert_eq!(writer.close().unwrap().rows(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "an unpublished table leaves nothing");
    }

    #[test]
    fn a_failing_disk_leaves_the_old_table_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let old = fs::read(write(&OsDisk, dir.path(), 10).unwrap()).unwrap();
        let new = fs::read(write(&OsDisk, tempfile::tempdir().unwrap().path(), 99).unwrap()).unwrap();
        for fail_at in 0.. {
            write(&OsDisk, dir.path(), 10).unwrap();
            let result = write(&FaultyDisk::new(fail_at), dir.path(), 99);
            let now = fs::read(dir.path().join("sample.parquet")).unwrap();
            assert!(now == old || now == new, "operation {fail_at}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            if result.is_ok() {
                assert!(now == new && fail_at >= 5, "create, write, sync, rename, sync: {fail_at}");
                break;
            }
        }
    }

    #[test]
    fn what_a_killed_process_left_is_tidied_up() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".sample.parquet.0123456789abcdef0123456789abcdef.tmp");
        fs::write(&left, "half a table").unwrap();
        let other = TableWriter::create(&OsDisk, dir.path(), table()).unwrap();
        write(&OsDisk, dir.path(), 1).unwrap();
        assert!(!left.exists());
        publish(&OsDisk, dir.path(), vec![other.close().unwrap()]).unwrap();
    }
}

//! Tables as CSV (RFC 4180) beside the Parquet ones, read back from them: the same columns, the same rows.
//!
//! Lines end in CRLF; the first has the names of the columns. A field with a comma, a quote or a line end stands in quotes, and so does an
//! empty text: no value is an empty field. Numbers are the shortest that read back as the same.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::write::{ClosedTable, Temporary, publish};
use super::{SCHEMA_VERSION, TableError, VERSION_KEY};
use crate::store::disk::{Disk, DiskFile};

/// Writes NAME.csv beside each of `tables`, NAME.parquet; they get their names together, at the last moment. Their paths, in order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`]; [`TableError::Foreign`] if a file is not a table of this program. CSV files that were
/// there stay then.
pub fn write_csv(disk: &dyn Disk, tables: &[PathBuf]) -> Result<Vec<PathBuf>, TableError> {
    let Some(dir) = tables.first().and_then(|table| table.parent()) else { return Ok(Vec::new()) };
    let closed = tables.iter().map(|table| write_one(disk, table)).collect::<Result<_, _>>()?;
    publish(disk, dir, closed)
}

/// Writes one table under a temporary name.
fn write_one(disk: &dyn Disk, table: &Path) -> Result<ClosedTable, TableError> {
    let path = || table.to_path_buf();
    let failed = |source| TableError::Parquet { action: "read", path: path(), source };
    let file = File::open(table).map_err(|source| TableError::Io { action: "open", path: path(), source })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let version = pairs.into_iter().flatten().find(|pair| pair.key == VERSION_KEY).and_then(|pair| pair.value.clone());
    if version != Some(SCHEMA_VERSION.to_string()) {
        return Err(TableError::Foreign { path: path(), expected: format!("{VERSION_KEY} {SCHEMA_VERSION}") });
    }
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let target = table.with_extension("csv");
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (temporary, handle) = Temporary::create(disk, table.parent().unwrap_or(Path::new("")), &name)?;
    let refused = |source| TableError::Io { action: "write", path: target.clone(), source };
    let mut out = BufWriter::with_capacity(1 << 16, handle);
    let mut line = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",") + "\r\n";
    out.write_all(line.as_bytes()).map_err(refused)?;
    let mut rows = 0;
    for batch in builder.build().map_err(failed)? {
        let batch = batch.map_err(|error| failed(ParquetError::from(error)))?;
        for row in 0..batch.num_rows() {
            line.clear();
            put_row(&mut line, &batch, row);
            out.write_all(line.as_bytes()).map_err(refused)?;
        }
        rows += batch.num_rows() as u64;
    }
    let handle: Box<dyn DiskFile> = out.into_inner().map_err(|error| refused(error.into_error()))?;
    handle.sync_all().map_err(refused)?;
    Ok(ClosedTable::new(temporary, handle, rows))
}

/// One row with its line end.
fn put_row(line: &mut String, batch: &RecordBatch, row: usize) {
    for (place, column) in batch.columns().iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        if column.is_valid(row) {
            line.push_str(&field(column, row));
        }
    }
    line.push_str("\r\n");
}

/// A value of one of the types that tables have; there are no others.
fn field(column: &ArrayRef, row: usize) -> String {
    if let Some(column) = column.as_string_opt::<i32>() {
        quoted(column.value(row))
    } else if let Some(column) = column.as_primitive_opt::<Int64Type>() {
        column.value(row).to_string()
    } else if let Some(column) = column.as_primitive_opt::<Float64Type>() {
        format!("{:?}", column.value(row))
    } else {
        column.as_boolean_opt().map_or_else(String::new, |column| column.value(row).to_string())
    }
}

/// A text, in quotes where it needs them.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column, ColumnType, Table, TableWriter};
    use super::*;
    use crate::store::disk::OsDisk;
    use proptest::prelude::*;

    fn table() -> Table {
        let column = |name, kind| Column { name, kind, nullable: true };
        let columns = vec![
            column("text", ColumnType::Text),
            column("int", ColumnType::Int),
            column("a, float", ColumnType::Float),
            column("bool", ColumnType::Bool),
        ];
        Table { name: "t", columns }
    }

    /// The CSV of some rows.
    fn csv(rows: &[[Cell<'_>; 4]]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::create(&OsDisk, dir.path(), table()).unwrap();
        rows.iter().for_each(|row| writer.push(row).unwrap());
        let parquet = publish(&OsDisk, dir.path(), vec![writer.close().unwrap()]).unwrap();
        let paths = write_csv(&OsDisk, &parquet).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing temporary stays");
        std::fs::read_to_string(&paths[0]).unwrap()
    }

    /// Reads CSV the slow way: fields with `None` for an empty one without quotes.
    fn read(text: &str) -> Vec<Vec<Option<String>>> {
        let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), None::<String>);
        let (mut chars, mut quotes) = (text.chars().peekable(), false);
        while let Some(c) = chars.next() {
            match c {
                '"' if quotes && chars.peek() == Some(&'"') => field.get_or_insert_default().extend(chars.next()),
                '"' => {
                    quotes = !quotes;
                    field.get_or_insert_default();
                }
                ',' if !quotes => row.push(field.take()),
                '\r' if !quotes => {
                    assert_eq!(chars.next(), Some('\n'));
                    row.push(field.take());
                    rows.push(std::mem::take(&mut row));
                }
                c => field.get_or_insert_default().push(c),
            }
        }
        assert!(row.is_empty() && field.is_none() && !quotes);
        rows
    }

    #[test]
    fn fields_are_quoted_where_they_need_it() {
        let rows = [
            [Cell::Text("a=1, b=\"x\""), Cell::Int(-7), Cell::Float(1e-5), Cell::Bool(true)],
            [Cell::Text(""), Cell::Null, Cell::Null, Cell::Null],
            [Cell::Null, Cell::Int(0), Cell::Float(f64::INFINITY), Cell::Bool(false)],
        ];
        let expected = "text,int,\"a, float\",bool\r\n\"a=1, b=\"\"x\"\"\",-7,1e-5,true\r\n\"\",,,\r\n,0,inf,false\r\n";
        assert_eq!(csv(&rows), expected);
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.parquet");
        std::fs::write(&path, "no table").unwrap();
        assert!(write_csv(&OsDisk, std::slice::from_ref(&path)).is_err());
        assert!(!path.with_extension("csv").exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rows_read_back(rows in proptest::collection::vec((proptest::option::of("[a,\"\\r\\n é]*"), any::<i64>(), -1e300..1e300_f64), 0..20)) {
            let cells: Vec<_> = rows.iter().map(|(text, int, float)| {
                [text.as_deref().map_or(Cell::Null, Cell::Text), Cell::Int(*int), Cell::Float(*float), Cell::Null]
            }).collect();
            let found = read(&csv(&cells));
            prop_assert_eq!(found.len(), rows.len() + 1);
            for ((text, int, float), row) in rows.into_iter().zip(&found[1..]) {
                prop_assert_eq!(&row[0], &text);
                prop_assert_eq!(row[1].as_deref().map(str::parse), Some(Ok(int)));
                prop_assert_eq!(row[2].as_deref().map(str::parse), Some(Ok(float)));
                prop_assert_eq!(&row[3], &None);
            }
        }
    }
}

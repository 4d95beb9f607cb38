//! Numbers from files that people have: `.npy`, `.npz`, CSV, Parquet, told by content. A file is read row by row, as often as wanted, so
//! that its reader decides what is held in memory; a pipe is held in memory as a whole.

mod columns;
mod csv;
mod npy;
mod source;

use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use self::columns::{places, some_of};
use self::source::{Input, Source};
use super::exit::{Exit, Failure};
use crate::data::npz::{Content, Directory};
use crate::store::tables::Numbers;
pub use crate::store::tables::RowSink as Sink;

/// Bytes unpacked at once.
const BUFFER: usize = 1 << 18;

/// A file of numbers.
pub struct SampleFile {
    source: Source,
    kind: Kind,
}

enum Kind {
    /// Named arrays: their names without `.npy`.
    Npz(Vec<String>),
    /// One table.
    Table(Format),
}

/// How a table is written.
#[derive(Clone)]
enum Format {
    Npy(npy::Array),
    /// An array of an `.npz`, by name.
    Member(npy::Array, String),
    Csv(csv::Layout),
    Parquet(Numbers),
}

/// Columns of a table that somebody asked for.
pub struct Selection {
    source: Source,
    /// The array that they are of, in an `.npz`.
    array: Option<String>,
    format: Format,
    /// Examples.
    pub rows: usize,
    columns: Vec<usize>,
    names: Option<Vec<String>>,
}

impl SampleFile {
    /// Looks what a file is.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let invalid = |what: String| Failure::new(Exit::Invalid, format!("{}: {what}", path.display()));
        let source = Source::find(path).map_err(|e| invalid(format!("cannot read: {e}")))?;
        let mut file = open(&source).map_err(invalid)?;
        let mut start = Vec::new();
        file.by_ref().take(6).read_to_end(&mut start).map_err(|e| invalid(format!("cannot read: {e}")))?;
        file.rewind().map_err(|e| invalid(format!("cannot read: {e}")))?;
        let kind = if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            let directory = Directory::read(&mut file).map_err(|e| invalid(e.to_string()))?;
            Kind::Npz(directory.names().map(str::to_owned).collect())
        } else if start.starts_with(b"\x93NUMPY") {
            Kind::Table(Format::Npy(array(&mut file).map_err(invalid)?))
        } else if start.starts_with(b"PAR1") {
            if matches!(source, Source::Pipe(_)) {
                return Err(invalid("Parquet, which is not read from a pipe; expected the file itself".to_owned()));
            }
            Kind::Table(Format::Parquet(Numbers::open(path).map_err(|e| invalid(e.to_string()))?))
        } else {
            Kind::Table(Format::Csv(csv::Layout::find(file).map_err(invalid)?))
        };
        Ok(Self { source, kind })
    }

    /// The array or columns that `what` names. In an `.npz`: the name of an array, optionally with columns in brackets, `layer[0..3]`;
    /// `None` takes `otherwise`. Elsewhere: columns by number or name; `None` takes all but those of `but`.
    pub fn select(&self, what: Option<&str>, otherwise: &str, but: Option<&Selection>) -> Result<Selection, String> {
        let (format, array, columns) = match &self.kind {
            Kind::Table(format) => (format.clone(), None, what),
            Kind::Npz(names) => {
                let wanted = what.unwrap_or(otherwise);
                let (name, columns) = match wanted.strip_suffix(']').and_then(|w| w.split_once('[')) {
                    Some((name, columns)) if !names.iter().any(|n| n == wanted) => (name, Some(columns)),
                    _ => (wanted, None),
                };
                let name = name.strip_suffix(".npy").unwrap_or(name);
                if !names.iter().any(|n| n == name) {
                    return Err(format!("no array `{name}`; there are {}", some_of(names)));
                }
                let array = member(&self.source, name, in_member).map_err(|e| format!("array `{name}`: {e}"))?;
                (Format::Member(array, name.to_owned()), Some(name.to_owned()), columns)
            }
        };
        let in_array = |e: String| array.as_ref().map_or(e.clone(), |name| format!("array `{name}`: {e}"));
        let (rows, width, names) = match &format {
            Format::Npy(array) | Format::Member(array, _) => {
                let (rows, columns) = array.rows_and_columns().map_err(in_array)?;
                (rows, columns, None)
            }
            Format::Csv(layout) => (layout.rows, layout.columns, layout.names.clone()),
            Format::Parquet(numbers) => (numbers.rows(), numbers.names().len(), Some(numbers.names().to_vec())),
        };
        let columns = match (columns, but) {
            (Some(text), _) => places(width, names.as_deref(), text).map_err(in_array)?,
            (None, Some(but)) if array.is_none() => (0..width).filter(|column| !but.columns.contains(column)).collect(),
            (None, _) => (0..width).collect(),
        };
        Ok(Selection { source: self.source.clone(), array, format, rows, columns, names })
    }
}

impl Selection {
    /// Numbers of a row.
    pub const fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether all numbers are in single precision.
    pub fn is_single(&self) -> bool {
        match &self.format {
            Format::Npy(array) | Format::Member(array, _) => array.is_single(),
            Format::Csv(_) => false,
            Format::Parquet(numbers) => self.columns.iter().all(|&column| numbers.is_single(column)),
        }
    }

    /// Gives every row to `sink`; all its numbers are finite.
    pub fn rows(&self, sink: &mut Sink<'_>) -> Result<(), String> {
        let mut checked = |row: usize, values: &[f64]| -> Result<(), String> {
            match values.iter().position(|value| !value.is_finite()) {
                None => sink(row, values),
                Some(at) => {
                    let column = column_name(self.names.as_deref(), self.columns[at]);
                    Err(format!("row {row}, column {column} is {}; expected a finite number", values[at]))
                }
            }
        };
        let read = match &self.format {
            Format::Npy(known) => {
                let mut file = open(&self.source)?;
                array(&mut file)?;
                known.rows(&mut file, &self.columns, &mut checked)
            }
            Format::Member(known, name) => member(&self.source, name, |from| {
                in_member(from)?;
                let mut from = BufReader::with_capacity(BUFFER, from);
                known.rows(&mut from, &self.columns, &mut checked)?;
                // The checksum is looked at where the content ends.
                io::copy(&mut from, &mut io::sink()).map(drop).map_err(|e| e.to_string())
            }),
            Format::Csv(layout) => layout.rows(open(&self.source)?, &self.columns, &mut checked),
            Format::Parquet(numbers) => numbers.read(&self.columns, &mut checked),
        };
        read.map_err(|e| self.array.as_ref().map_or(e.clone(), |name| format!("array `{name}`: {e}")))
    }
}

/// A column as messages name it: by its name, or its number from 0.
fn column_name(names: Option<&[String]>, column: usize) -> String {
    names
        .and_then(|names| names.get(column))
        .filter(|name| !name.is_empty())
        .map_or_else(|| column.to_string(), |name| format!("`{name}`"))
}

fn open(source: &Source) -> Result<BufReader<Input>, String> {
    source.open().map_err(|e| format!("cannot read: {e}"))
}

/// The array that a file is.
fn array(file: &mut BufReader<Input>) -> Result<npy::Array, String> {
    let there = file.get_ref().length().map_err(|e| format!("cannot read: {e}"))?;
    npy::Array::read(file, there)
}

/// The array that a member of an `.npz` is.
fn in_member(from: &mut Content<&mut BufReader<Input>>) -> Result<npy::Array, String> {
    let there = from.left();
    npy::Array::read(from, there)
}

/// Reads in an array of an `.npz`; whoever asks names it in errors.
fn member<T>(
    source: &Source,
    name: &str,
    read: impl FnOnce(&mut Content<&mut BufReader<Input>>) -> Result<T, String>,
) -> Result<T, String> {
    let mut file = open(source)?;
    let directory = Directory::read(&mut file).map_err(|e| e.to_string())?;
    let mut member = directory.open(&mut file, name).map_err(|e| e.to_string())?;
    read(&mut member)
}

//! CSV: an example a line, numbers by commas, semicolons or tabs, one column the label. Whether the first line names the columns
//! is decided in `header`; lines that begin with # are comments.

use ::csv::{ByteRecord, ReaderBuilder};

use super::columns::place;
use super::header::{self, First};
use super::part::{Labels, MOST_INPUTS, Part};
use super::{Limit, Read, Unreadable, gzip};
use crate::math::simd::{LANES, blocks};

/// Labels while lines are read.
enum Growing {
    Numbers(Vec<f64>),
    Words(Vec<String>),
}

/// Examples with the label of that column, told by its name or its number from 0. Labels may be words.
///
/// # Errors
/// [`Unreadable`], with the line.
pub fn read(bytes: &[u8], label: &str, limit: Limit) -> Read<Part> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    check_text(bytes)?;
    let first =
        bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty() && line[0] != b'#').unwrap_or_default();
    // The one that the first line has most of; of equals the last, so the comma stands there.
    let count = |delimiter: &u8| first.iter().filter(|byte| *byte == delimiter).count();
    let delimiter = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).comment(Some(b'#')).trim(::csv::Trim::All);
    let mut second = ByteRecord::new();
    let mut ahead = builder.from_reader(bytes);
    for _ in 0..2 {
        // What is wrong there is told when it is read in turn.
        if !ahead.read_byte_record(&mut second).unwrap_or_default() {
            second.clear();
        }
    }
    let mut reader = builder.from_reader(bytes);
    let (mut record, mut table, mut last) = (ByteRecord::new(), None::<Table>, (0, false));
    while reader.read_byte_record(&mut record).map_err(|e| Unreadable::new(e.to_string(), "CSV"))? {
        let line = record.position().map_or(0, ::csv::Position::line);
        last = (line, record.iter().any(|field| field.contains(&b'\n')));
        match &mut table {
            Some(table) => table.add(&record, line, limit)?,
            None => table = Some(Table::begin(&record, &second, line, label, limit)?),
        }
    }
    // A quote that does not end takes all lines behind it into one field.
    if last.1 && bytes.iter().filter(|&&byte| byte == b'"').count() % 2 == 1 {
        return Err(Unreadable::new(
            format!("line {}: a quote that does not end", last.0),
            "quotes around a field, doubled within",
        ));
    }
    table.ok_or_else(|| Unreadable::new("no line", "an example a line"))?.finish(limit)
}

/// Refuses what is no text, by its first bytes.
fn check_text(bytes: &[u8]) -> Read<()> {
    let first = &bytes[..bytes.len().min(4096)];
    let found = match first {
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file",
        _ if gzip::is_packed(first) => "a file packed by gzip",
        _ if first.contains(&0) => "bytes that are no text (UTF-16, perhaps)",
        _ => return Ok(()),
    };
    Err(Unreadable::new(found, "CSV: plain text in UTF-8"))
}

/// What is read so far.
struct Table {
    names: Vec<String>,
    label: usize,
    values: Vec<f32>,
    labels: Growing,
}

/// The number in a field.
fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The beginning of a field, for messages.
fn shown(field: &[u8]) -> String {
    String::from_utf8_lossy(&field[..field.len().min(40)]).into_owned()
}

impl Table {
    /// From the first line: a header, or an example already, which the second helps to tell.
    fn begin(record: &ByteRecord, second: &ByteRecord, line: u64, label: &str, limit: Limit) -> Read<Self> {
        if record.len() > MOST_INPUTS || !limit.holds(record.len(), 64) {
            return Err(Unreadable::new(format!("{} columns", record.len()), "fewer"));
        }
        let fields: Vec<String> = record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
        let texts: Vec<&str> = fields.iter().map(String::as_str).collect();
        let is_number: Vec<bool> = record.iter().map(|field| number(field).is_some()).collect();
        // A label that is told by its number may be a word in a file without header.
        let by_number = label.parse::<usize>().ok().filter(|&at| at < fields.len() && !is_number[at]);
        let others_are_numbers = (0..fields.len()).all(|at| Some(at) == by_number || is_number[at]);
        // A word above a word is no name, then.
        let is_above_word = |at: usize| second.get(at).is_some_and(|field| number(field).is_none());
        let is_labelled = others_are_numbers && by_number.is_some_and(is_above_word);
        let counts_above_reals = || second.iter().any(|field| str::from_utf8(field).is_ok_and(header::is_written_as_real));
        let is_header = match header::first(&texts) {
            First::Names => !is_labelled,
            First::Unclear => counts_above_reals(),
            First::Example => false,
        };
        if !is_header && let Some(at) = is_number.iter().position(|is_number| !is_number).filter(|&at| Some(at) != by_number) {
            let field = if fields[at].is_empty() { "nothing".to_owned() } else { format!("`{}`", shown(&record[at])) };
            let found = format!("line {line}, column `column {at}`: {field}");
            return Err(Unreadable::new(found, "a number, or names alone if this is the header"));
        }
        let names = if is_header { fields } else { (0..fields.len()).map(|at| format!("column {at}")).collect() };
        let at = place(&names, label)?;
        let mut table = Self { names, label: at, values: Vec::new(), labels: Growing::Numbers(Vec::new()) };
        if !is_header {
            table.add(record, line, limit)?;
        }
        Ok(table)
    }

    fn add(&mut self, record: &ByteRecord, line: u64, limit: Limit) -> Read<()> {
        if record.len() != self.names.len() {
            return Err(Unreadable::new(format!("line {line} of {} fields", record.len()), self.names.len().to_string()));
        }
        for (at, field) in record.iter().enumerate() {
            if at == self.label && !field.is_empty() {
                self.labels.add(field);
                continue;
            }
            let Some(value) = number(field) else {
                let shown = if field.is_empty() { "nothing".to_owned() } else { format!("`{}`", shown(field)) };
                let found = format!("line {line}, column `{}`: {shown}", self.names[at]);
                if at == self.label {
                    return Err(Unreadable::new(found, "a label"));
                }
                return Err(Unreadable::new(found, "a number; words may stand in the column of the labels alone"));
            };
            self.values.push(value as f32);
        }
        let row = 4 * LANES * blocks(self.names.len() - 1);
        // Half, since a growing list may be twice as large as what it holds.
        if !limit.holds(self.labels.len(), row.max(2 * self.labels.width())) {
            return Err(Unreadable::new(
                format!("more than {} examples", self.labels.len()),
                format!("{} bytes in all", limit.0),
            ));
        }
        Ok(())
    }

    fn finish(self, limit: Limit) -> Read<Part> {
        let inputs = self.names.len() - 1;
        let labels = match self.labels {
            Growing::Numbers(values) => Labels::Numbers(values),
            Growing::Words(words) => Labels::of_words(words.iter().map(String::as_str))?,
        };
        let values = self.values;
        Part::new(labels.len(), inputs, labels, limit, |e, row| {
            row.copy_from_slice(&values[e * inputs..(e + 1) * inputs]);
            Ok(())
        })
    }
}

impl Growing {
    /// Adds one. The first word makes words of all before it.
    fn add(&mut self, field: &[u8]) {
        let word = || String::from_utf8_lossy(field).into_owned();
        match self {
            Self::Numbers(values) => match number(field) {
                Some(value) => values.push(value),
                None => *self = Self::Words(values.iter().map(f64::to_string).chain([word()]).collect()),
            },
            Self::Words(words) => words.push(word()),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Words(words) => words.len(),
        }
    }

    /// Bytes that one takes.
    const fn width(&self) -> usize {
        match self {
            Self::Numbers(_) => 8,
            // A word of its own on the heap.
            Self::Words(_) => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, label: &str) -> Read<Part> {
        read(text.as_bytes(), label, Limit(1 << 12))
    }

    #[test]
    fn with_and_without_header_by_name_and_number() {
        let named = of("a,b,kind\n1,2,\"x, y\"\n# no example\n3,4,w\n\n", "kind").unwrap();
        assert_eq!((named.inputs, named.rows[1].0[..2].to_vec()), (2, vec![3.0, 4.0]));
        assert_eq!(named.clone().into_sheet(None).unwrap().class_names, ["w", "x, y"]);
        assert_eq!(of("1;2;x, y\r\n3;4;w\r\n", "2").unwrap(), named);
        assert_eq!(of("\u{feff}kind\ta\tb\nx, y\t1\t2\nw\t3\t4", "0").unwrap(), named);
        let numbers = of("7,0.5\n-1,1e-3\n", "0").unwrap();
        assert_eq!((numbers.rows[1].0[0], &numbers.labels), (1e-3, &Labels::Numbers(vec![7.0, -1.0])));
        // Columns that are numbered, as pandas does.
        for text in ["0,1,2\n7.0,5.0,0\n8.0,6.0,1\n", "0,1,kind\n7,5,0\n8,6,1\n"] {
            let part = of(text, "2").unwrap();
            assert_eq!((part.rows.len(), part.rows[0].0[..2].to_vec()), (2, vec![7.0, 5.0]), "{text}");
        }
        for text in ["1,2,cat\n3,4,dog\n", "0,1,cat\n3,4,dog\n"] {
            assert_eq!(of(text, "2").unwrap().rows.len(), 2, "{text}");
        }
        // As few as that may be an example.
        assert_eq!(of("0,1,2\n7,5,0\n8,6,1\n", "2").unwrap().rows.len(), 3);
        // A number among words is a word.
        assert_eq!(of("5,1\n0,a\n", "1").unwrap().into_sheet(None).unwrap().class_names, ["1", "a"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, label, message) in [
            ("a,b\n1,2\n3\n", "b", "line 3 of 1 fields; expected 2"),
            ("a,b\n1,2\nx,3\n", "b", "line 3, column `a`: `x`; expected a number"),
            ("a,b\n1,2\n", "c", "no column `c`; expected one of a, b, or a number below 2"),
            ("0.5,,1\n0.25,3,0\n", "2", "line 1, column `column 1`: nothing; expected a number"),
            ("NA,1,0\n0.25,3,0\n", "y", "line 1, column `column 0`: `NA`; expected a number"),
            ("0.5,,cat\n0.25,3,dog\n", "2", "line 1, column `column 1`: nothing; expected a number"),
            ("a,b\n1,2\n,3\n", "b", "line 3, column `a`: nothing; expected a number"),
            ("a,b\n1,x\n1,\n", "b", "line 3, column `b`: nothing; expected a label"),
            ("a,b\n1,x\n2,\"y\n3,x\n4,y\n", "b", "line 3: a quote that does not end"),
            ("PAR1\u{15}\u{4}", "b", "a Parquet file; expected CSV"),
            ("a\0,\0b\0\n\0", "b", "no text"),
            ("1,2\n", "2", "no column `2`"),
            ("1,nan\n", "0", "NaN as input 0 of example 0"),
            ("a,b\n", "b", "no example"),
            ("b\n1\n", "b", "1 examples of 0 inputs"),
            ("", "b", "no line"),
            (&"1,2\n".repeat(100), "1", "more than 65 examples"),
        ] {
            let error = of(text, label).map_or_else(|e| e.to_string(), |part| part.into_sheet(None).unwrap_err().to_string());
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}

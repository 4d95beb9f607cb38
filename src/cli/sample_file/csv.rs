//! Numbers in text: commas, semicolons, tabs or blanks between them; lines that start with # or % are comments. Whether the first line is a
//! header is decided as for the data of cohorts, in `data::header`.

use std::io::BufRead;

use super::Sink;
use super::columns::some_of;
use crate::data::header::{self, First};

/// What the first pass over a file tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    pub names: Option<Vec<String>>,
    /// What stands between fields; nothing: blanks.
    delimiter: Option<char>,
}

impl Layout {
    /// Counts rows, finds delimiter and header.
    pub fn find(from: impl BufRead) -> Result<Self, String> {
        let mut layout: Option<Self> = None;
        let mut undecided = false;
        lines(from, |number, line| {
            let Some(layout) = &mut layout else {
                if is_json(line) {
                    return Err(format!(
                        "line {number} is JSON, perhaps; expected .npy, .npz, Parquet, or numbers in text (CSV)"
                    ));
                }
                // The one that the line has most of; of equals the last, since numbers by semicolons may have decimal commas.
                let count = |delimiter: &char| line.matches(*delimiter).count();
                let delimiter = [',', ';', '\t'].into_iter().filter(|d| count(d) > 0).max_by_key(count);
                let mut first = Self { rows: 0, columns: 0, names: None, delimiter };
                let fields: Vec<&str> = first.fields(line).collect();
                let kind = header::first(&fields);
                let names = (kind != First::Example).then(|| fields.iter().map(|&field| field.to_owned()).collect());
                (first.columns, undecided) = (fields.len(), kind == First::Unclear);
                first.rows = usize::from(names.is_none());
                first.names = names;
                layout = Some(first);
                return Ok(());
            };
            layout.rows += 1;
            if std::mem::take(&mut undecided) && !layout.fields(line).any(header::is_written_as_real) {
                layout.take_header_back();
            }
            Ok(())
        })?;
        let mut layout = layout.ok_or("no numbers")?;
        if undecided {
            layout.take_header_back();
        }
        match &layout.names {
            Some(names) if layout.rows == 0 => Err(format!("a header ({}) and no examples", some_of(names))),
            _ => Ok(layout),
        }
    }

    /// What was taken for a header is an example.
    fn take_header_back(&mut self) {
        self.names = None;
        self.rows += 1;
    }

    fn fields<'t>(&self, line: &'t str) -> Box<dyn Iterator<Item = &'t str> + 't> {
        match self.delimiter {
            Some(delimiter) => Box::new(line.split(delimiter).map(|field| field.trim().trim_matches('"'))),
            None => Box::new(line.split_whitespace()),
        }
    }

    /// Gives the `columns` of every row to `sink`.
    pub fn rows(&self, from: impl BufRead, columns: &[usize], sink: &mut Sink<'_>) -> Result<(), String> {
        let mut row = vec![0.0; columns.len()];
        // Where each column goes; a column may be asked for twice.
        let mut places = vec![Vec::new(); self.columns];
        columns.iter().enumerate().for_each(|(place, &column)| places[column].push(place));
        let mut next = 0;
        let mut header = self.names.is_some();
        lines(from, |number, line| {
            if std::mem::take(&mut header) {
                return Ok(());
            }
            let mut count = 0;
            for field in self.fields(line) {
                for &place in places.get(count).into_iter().flatten() {
                    row[place] = field.parse().map_err(|_| {
                        let column = super::column_name(self.names.as_deref(), count);
                        let first = self.names.is_none() && next == 0;
                        format!("line {number}, column {column}: {}", no_number(field, first))
                    })?;
                }
                count += 1;
            }
            if count != self.columns {
                return Err(format!("line {number}: {count} fields, expected {}", self.columns));
            }
            next += 1;
            sink(next - 1, &row)
        })
    }
}

/// What is wrong with a field that is no number.
fn no_number(field: &str, in_first_line: bool) -> String {
    let shown = some_of_text(field);
    let found =
        if field.is_empty() { "an empty field, expected a number".to_owned() } else { format!("`{shown}` is not a number") };
    let why = match (header::is_several_numbers(field), in_first_line) {
        (true, _) => "; expected decimal points, and one delimiter between fields",
        (false, true) => "; a first line with numbers is an example, a header has names alone",
        (false, false) => "",
    };
    format!("{found}{why}")
}

/// The beginning of a long text.
fn some_of_text(text: &str) -> String {
    if text.chars().count() > 40 { format!("{}…", text.chars().take(40).collect::<String>()) } else { text.to_owned() }
}

/// Whether a first line looks like the beginning of JSON.
fn is_json(line: &str) -> bool {
    let begins = |rest: &str| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit() || "-[{\"".contains(c));
    line.starts_with('{') || line.strip_prefix('[').is_some_and(|rest| begins(rest.trim_start()))
}

/// Calls `each` with number and text of every line that is neither empty nor a comment.
fn lines(mut from: impl BufRead, mut each: impl FnMut(usize, &str) -> Result<(), String>) -> Result<(), String> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if from.read_until(b'\n', &mut bytes).map_err(|e| format!("line {number}: {e}"))? == 0 {
            break;
        }
        let line = str::from_utf8(&bytes).map_err(|_| match number {
            1 => "neither .npy, .npz, Parquet nor text".to_owned(),
            _ => format!("line {number} is not text (UTF-8)"),
        })?;
        // A mark of byte order may stand before the first field.
        let line = line.trim_start_matches('\u{feff}').trim();
        if !line.is_empty() && !line.starts_with(['#', '%']) {
            each(number, line)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, columns: &[usize]) -> Result<Vec<Vec<f64>>, String> {
        let layout = Layout::find(text.as_bytes())?;
        let mut rows = Vec::new();
        layout.rows(text.as_bytes(), columns, &mut |_, row| {
            rows.push(row.to_vec());
            Ok(())
        })?;
        assert_eq!(rows.len(), layout.rows);
        Ok(rows)
    }

    #[test]
    fn with_and_without_a_header() {
        for text in [
            "a,b,y\n1,2,0\n3,4,1\n",
            "0,1,2\n1.0,2.0,0\n3.0,4.0,1\n",
            "0,1,y\n1,2,0\n3,4,1\n",
            "% comment\n1 2 0\n\n3  4 1",
            "1;2;0\r\n3;4;1\r\n",
            "\u{feff}\"a\"\tb\ty\n1\t2\t0\n3\t4\t1",
        ] {
            assert_eq!(read(text, &[0, 2, 0]).unwrap(), [[1.0, 0.0, 1.0], [3.0, 1.0, 3.0]], "{text}");
        }
        assert_eq!(Layout::find(&b"a,b\n1,2"[..]).unwrap().names.unwrap(), ["a", "b"]);
        // Few columns: a header of pandas if numbers with a fraction stand below, else an example.
        assert_eq!(read("0,1\n1,0\n", &[1]).unwrap(), [[1.0], [0.0]]);
        assert_eq!(read("0\n0.25\n1.0\n", &[0]).unwrap(), [[0.25], [1.0]]);
        assert_eq!(read("0\n1\n0\n", &[0]).unwrap(), [[0.0], [1.0], [0.0]]);
        assert_eq!(read("0\n", &[0]).unwrap(), [[0.0]]);
    }

    #[test]
    fn bad_text_says_where() {
        assert!(read("1,2\n3\n", &[0]).unwrap_err().contains("line 2: 1 fields, expected 2"));
        assert!(read("a,b\n3,x\n", &[1]).unwrap_err().contains("line 2, column `b`: `x` is not a number"));
        for (text, part) in [
            ("0.1257,,1\n0.5,0.25,1\n", "line 1, column 1: an empty field"),
            ("NA,1,0\n0.5,0.25,1\n", "line 1, column 0: `NA` is not a number; a first line with numbers is an example"),
            ("1,2,0,\n3,4,1,\n", "line 1, column 3: an empty field"),
            ("1.5;2,5\n", "line 1, column 1: `2,5` is not a number; expected decimal points"),
            ("1,5;2,5\n", "line 1, column 1: `5;2` is not a number; expected decimal points"),
            ("a;b\n1,5;2\n", "line 2, column `a`: `1,5` is not a number; expected decimal points"),
            ("{\"a\":[1,2]}", "JSON"),
            ("[[1,2],[3,4]]", "JSON"),
            ("a,b\n", "a header (a, b) and no examples"),
        ] {
            let read = |layout: Layout| {
                let all: Vec<usize> = (0..layout.columns).collect();
                layout.rows(text.as_bytes(), &all, &mut |_, _| Ok(()))
            };
            let error = Layout::find(text.as_bytes()).and_then(read).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        assert!(read("# nothing\n", &[]).unwrap_err().contains("no numbers"));
        assert!(Layout::find(&b"\xff\xfe\n"[..]).unwrap_err().contains("neither"));
        // A column that is not asked for may hold anything.
        assert_eq!(read("a,b\n3,x\n", &[0]).unwrap(), [[3.0]]);
    }
}

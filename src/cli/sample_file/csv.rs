//! Numbers in text: commas, semicolons, tabs or blanks between them; lines that start with # or % are comments; a first line that is not
//! all numbers is a header.

use std::io::BufRead;

use super::Sink;

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
        lines(from, |_, line| {
            let Some(layout) = &mut layout else {
                let delimiter = [',', ';', '\t'].into_iter().find(|&d| line.contains(d));
                let mut first = Self { rows: 0, columns: 0, names: None, delimiter };
                let fields: Vec<String> = first.fields(line).map(str::to_owned).collect();
                first.columns = fields.len();
                let header = fields.iter().any(|field| field.parse::<f64>().is_err());
                first.rows = usize::from(!header);
                first.names = header.then_some(fields);
                layout = Some(first);
                return Ok(());
            };
            layout.rows += 1;
            Ok(())
        })?;
        layout.ok_or_else(|| "no numbers".to_owned())
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
                        format!(
                            "line {number}, column {}: `{field}` is not a number",
                            super::column_name(self.names.as_deref(), count)
                        )
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
        for text in
            ["a,b,y\n1,2,0\n3,4,1\n", "% comment\n1 2 0\n\n3  4 1", "1;2;0\r\n3;4;1\r\n", "\u{feff}\"a\"\tb\ty\n1\t2\t0\n3\t4\t1"]
        {
            assert_eq!(read(text, &[0, 2, 0]).unwrap(), [[1.0, 0.0, 1.0], [3.0, 1.0, 3.0]], "{text}");
        }
        assert_eq!(Layout::find(&b"a,b\n1,2"[..]).unwrap().names.unwrap(), ["a", "b"]);
    }

    #[test]
    fn bad_text_says_where() {
        assert!(read("1,2\n3\n", &[0]).unwrap_err().contains("line 2: 1 fields, expected 2"));
        assert!(read("a,b\n3,x\n", &[1]).unwrap_err().contains("line 2, column `b`: `x` is not a number"));
        assert!(read("# nothing\n", &[]).unwrap_err().contains("no numbers"));
        assert!(Layout::find(&b"\xff\xfe\n"[..]).unwrap_err().contains("neither"));
        // A column that is not asked for may hold anything.
        assert_eq!(read("a,b\n3,x\n", &[0]).unwrap(), [[3.0]]);
    }
}

//! Arrays of numbers from files that people have: `.npy`, `.npz`, CSV. The format is told from the content.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use ndarray::{Array2, ArrayD, Axis, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement};

use super::exit::{Exit, Failure};

/// A file of numbers, in memory.
pub enum SampleFile {
    /// Named arrays.
    Npz(NpzReader<Cursor<Vec<u8>>>),
    /// One table, examples × columns, with the names of its columns where it has a header.
    Table {
        /// The numbers.
        values: Array2<f64>,
        /// The header.
        names: Option<Vec<String>>,
    },
}

/// An element type that NumPy users have.
trait Element: ReadableElement {
    fn number(self) -> f64;
}

macro_rules! element {
    ($($ty:ty => $number:expr),+) => {
        $(impl Element for $ty {
            fn number(self) -> f64 {
                let number: fn($ty) -> f64 = $number;
                number(self)
            }
        })+
    };
}

element!(f32 => f64::from, f64 => |v| v, i64 => |v| v as f64, u64 => |v| v as f64, i32 => f64::from, u32 => f64::from,
    i16 => f64::from, u16 => f64::from, i8 => f64::from, u8 => f64::from, bool => f64::from);

/// Something that holds an array of a type yet unknown.
trait Source {
    /// The array, if it is of type `T`.
    fn read<T: Element>(&mut self) -> Result<ArrayD<T>, ReadNpzError>;

    /// The array as numbers, whichever of the usual types it is of.
    fn numbers(&mut self) -> Result<ArrayD<f64>, ReadNpzError> {
        macro_rules! attempt {
            ($($ty:ty),+) => {
                $(match self.read::<$ty>() {
                    Ok(array) => return Ok(array.mapv(Element::number)),
                    Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => {}
                    Err(error) => return Err(error),
                })+
            };
        }
        attempt!(f32, i64, i32, u8, i8, i16, u16, u32, u64, bool);
        self.read::<f64>()
    }
}

/// The bytes of an `.npy` file.
struct Npy<'a>(&'a [u8]);

impl Source for Npy<'_> {
    fn read<T: Element>(&mut self) -> Result<ArrayD<T>, ReadNpzError> {
        ArrayD::<T>::read_npy(self.0).map_err(ReadNpzError::Npy)
    }
}

/// An array of an `.npz` archive.
struct Member<'a>(&'a mut NpzReader<Cursor<Vec<u8>>>, &'a str);

impl Source for Member<'_> {
    fn read<T: Element>(&mut self) -> Result<ArrayD<T>, ReadNpzError> {
        self.0.by_name::<OwnedRepr<T>, IxDyn>(self.1)
    }
}

/// Reads a file.
pub fn open(path: &Path) -> Result<SampleFile, Failure> {
    let invalid = |what: String| Failure::new(Exit::Invalid, format!("{}: {what}", path.display()));
    let bytes = fs::read(path).map_err(|e| invalid(format!("cannot read: {e}")))?;
    if bytes.starts_with(b"PK\x03\x04") {
        return NpzReader::new(Cursor::new(bytes)).map(SampleFile::Npz).map_err(|e| invalid(format!("not a readable .npz: {e}")));
    }
    if bytes.starts_with(b"\x93NUMPY") {
        let array = Npy(&bytes).numbers().map_err(|e| invalid(format!("not a readable .npy: {e}")))?;
        return Ok(SampleFile::Table { values: two_dimensional(array).map_err(invalid)?, names: None });
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("neither .npy, .npz nor text".into()))?;
    csv(&text).map_err(invalid)
}

/// One column for a vector; more than two dimensions are flattened, example by example.
fn two_dimensional(array: ArrayD<f64>) -> Result<Array2<f64>, String> {
    let shape = array.shape().to_vec();
    let (rows, columns) = match shape[..] {
        [] => return Err("a single number, expected examples × columns".into()),
        [rows] => (rows, 1),
        [rows, ref rest @ ..] => (rows, rest.iter().product()),
    };
    let values: Vec<f64> = array.iter().copied().collect();
    Array2::from_shape_vec((rows, columns), values).map_err(|e| e.to_string())
}

/// Numbers separated by commas, semicolons, tabs or blanks; lines that start with # or % are comments; a first line that is not all numbers
/// is a header.
fn csv(text: &str) -> Result<SampleFile, String> {
    let lines = || text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with(['#', '%']));
    let Some((_, first)) = lines().next() else { return Err("no numbers".into()) };
    let split = |line: &str| -> Vec<String> {
        match [',', ';', '\t'].into_iter().find(|&d| first.contains(d)) {
            Some(delimiter) => line.split(delimiter).map(|f| f.trim().trim_matches('"').to_owned()).collect(),
            None => line.split_whitespace().map(str::to_owned).collect(),
        }
    };
    let header = split(first);
    let names = header.iter().any(|f| f.parse::<f64>().is_err()).then(|| header.clone());
    let (mut values, mut rows) = (Vec::new(), 0);
    for (number, line) in lines().skip(usize::from(names.is_some())) {
        let fields = split(line);
        if fields.len() != header.len() {
            return Err(format!("line {}: {} fields, expected {}", number + 1, fields.len(), header.len()));
        }
        for field in fields {
            values.push(field.parse::<f64>().map_err(|_| format!("line {}: `{field}` is not a number", number + 1))?);
        }
        rows += 1;
    }
    let values = Array2::from_shape_vec((rows, header.len()), values).map_err(|e| e.to_string())?;
    Ok(SampleFile::Table { values, names })
}

impl SampleFile {
    /// The array or columns that `what` names, examples × columns. In an `.npz`: the name of an array, optionally with columns in
    /// brackets, `layer[0..3]`. In a table: columns by number or name, `0..3`, `0,2`, `a,b`; `None` takes `otherwise`.
    pub fn select(&mut self, what: Option<&str>, otherwise: &str) -> Result<Array2<f64>, String> {
        match self {
            Self::Npz(reader) => {
                let wanted = what.unwrap_or(otherwise);
                let (name, columns) = match wanted.strip_suffix(']').and_then(|w| w.split_once('[')) {
                    Some((name, columns)) => (name, Some(columns)),
                    None => (wanted, None),
                };
                let names = reader.names().map_err(|e| e.to_string())?;
                let Some(full) = names.iter().find(|n| n.as_str() == name || n.strip_suffix(".npy") == Some(name)).cloned()
                else {
                    return Err(format!("no array `{name}`; there are {}", names.join(", ")));
                };
                let values = two_dimensional(Member(reader, &full).numbers().map_err(|e| format!("array `{name}`: {e}"))?)?;
                columns.map_or(Ok(values.clone()), |c| pick(&values, None, c))
            }
            Self::Table { values, names } => match what {
                Some(columns) => pick(values, names.as_deref(), columns),
                None => Ok(values.clone()),
            },
        }
    }
}

/// Columns by number, half-open range or name.
fn pick(values: &Array2<f64>, names: Option<&[String]>, columns: &str) -> Result<Array2<f64>, String> {
    Ok(values.select(Axis(1), &places(values.ncols(), names, columns)?))
}

/// All columns but those that `columns` names.
pub fn others(values: &Array2<f64>, names: Option<&[String]>, columns: &str) -> Result<Vec<usize>, String> {
    let named = places(values.ncols(), names, columns)?;
    Ok((0..values.ncols()).filter(|c| !named.contains(c)).collect())
}

/// Places of the columns that `columns` names, out of `n`.
fn places(n: usize, names: Option<&[String]>, columns: &str) -> Result<Vec<usize>, String> {
    let mut picked = Vec::new();
    for part in columns.split(',').map(str::trim) {
        if let Some(at) = names.and_then(|names| names.iter().position(|name| name == part)) {
            picked.push(at);
        } else if let Some((from, to)) = part.split_once("..") {
            let bound = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
            match (bound(from, 0), bound(to, n)) {
                (Some(from), Some(to)) if from <= to && to <= n => picked.extend(from..to),
                _ => return Err(format!("columns `{part}`: expected a half-open range within 0..{n}")),
            }
        } else {
            let known = names.map_or_else(String::new, |names| format!(" or one of {}", names.join(", ")));
            let number = part.parse().ok().filter(|&c: &usize| c < n);
            picked.push(number.ok_or_else(|| format!("no column `{part}`; expected a number below {n}, a range{known}"))?);
        }
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn table(text: &str) -> Result<SampleFile, String> {
        csv(text)
    }

    #[test]
    fn csv_with_and_without_a_header() {
        let mut file = table("a,b,y\n1,2,0\n3,4,1\n").unwrap();
        assert_eq!(file.select(Some("a,b"), "x").unwrap(), array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(file.select(Some("y"), "y").unwrap(), array![[0.0], [1.0]]);
        let mut file = table("% comment\n1 2 0\n\n3 4 1\n").unwrap();
        assert_eq!(file.select(Some("0..2"), "x").unwrap(), array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(file.select(Some("2"), "y").unwrap(), array![[0.0], [1.0]]);
        assert!(file.select(Some("3"), "y").unwrap_err().contains("no column `3`"));
        assert!(file.select(Some("1..9"), "y").unwrap_err().contains("within 0..3"));
    }

    #[test]
    fn bad_csv_says_where() {
        assert!(table("1,2\n3\n").err().unwrap().contains("line 2: 1 fields, expected 2"));
        assert!(table("1,2\n3,x\n").err().unwrap().contains("line 2: `x` is not a number"));
        assert!(table("# nothing\n").err().unwrap().contains("no numbers"));
    }
}

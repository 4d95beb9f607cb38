//! MATLAB files of version 5 (`save -v6` and `-v7`): full numeric matrices by name. What is packed is unpacked one matrix at a time, and no
//! further than allowed; libraries for this format unpack without end.

use std::borrow::Cow;

use super::numbers::{Element, Numbers, examples};
use super::{Limit, Part, Read, Unreadable, gzip};

/// Bytes of the file's header.
const HEADER: usize = 128;
/// Type of an element that holds a packed one.
const PACKED: u32 = 15;
/// Type of an element that holds a matrix.
const MATRIX: u32 = 14;
/// Dimensions of a matrix at most.
const MOST_DIMENSIONS: usize = 32;
/// Names that an error lists.
const SHOWN: usize = 20;

/// Examples from two matrices: one with an example a row, one with a label for each.
///
/// # Errors
/// [`Unreadable`].
pub fn read(bytes: &[u8], inputs: &str, labels: &str, limit: Limit) -> Read<Part> {
    let big_endian = match bytes.get(..HEADER) {
        Some(header) if header.starts_with(b"MATLAB 7.3") => {
            return Err(Unreadable::new("a MATLAB file of version 7.3", "version 5: save with -v7"));
        }
        Some([.., 0, 1, b'I', b'M']) => false,
        Some([.., 1, 0, b'M', b'I']) => true,
        _ => return Err(Unreadable::new("another header", "a MATLAB file of version 5")),
    };
    let mut left = limit.0;
    let (mut found_inputs, mut found_labels, mut names) = (None, None, Vec::new());
    let mut rest = Bytes { rest: &bytes[HEADER..], big_endian };
    while !rest.rest.is_empty() {
        let (kind, content) = rest.element()?;
        let content = match kind {
            PACKED => {
                let unpacked = gzip::zlib(content, left)?;
                let mut inner = Bytes { rest: &unpacked, big_endian };
                let (kind, content) = inner.element()?;
                (kind == MATRIX).then(|| Cow::Owned(content.to_vec()))
            }
            MATRIX => Some(Cow::Borrowed(content)),
            _ => None,
        };
        let Some(content) = content else { continue };
        let (name, matrix) = match matrix(content, big_endian)? {
            Matrix::Full(name, numbers) => (name, numbers),
            Matrix::Other(name, what) if name == inputs || name == labels => {
                return Err(Unreadable::new(format!("matrix `{name}`, {what}"), "a full matrix of real numbers"));
            }
            Matrix::Other(..) => continue,
        };
        let slot = match &name {
            name if name == inputs => &mut found_inputs,
            name if name == labels => &mut found_labels,
            _ => {
                names.push(name);
                continue;
            }
        };
        // What is kept counts; what is not is gone before the next is unpacked.
        left = left.saturating_sub(matrix.bytes());
        *slot = Some(matrix);
    }
    let missing = |name: &str, mut names: Vec<String>| {
        names.truncate(SHOWN);
        Unreadable::new(format!("no matrix `{name}`"), format!("one of {}", names.join(", ")))
    };
    match (found_inputs, found_labels) {
        (Some(inputs), Some(labels)) => examples(&inputs, &labels, limit),
        (None, found) => {
            names.extend(found.map(|_| labels.to_owned()));
            Err(missing(inputs, names))
        }
        (_, None) => {
            names.push(inputs.to_owned());
            Err(missing(labels, names))
        }
    }
}

/// What a file has under a name.
enum Matrix<'a> {
    /// Numbers.
    Full(String, Numbers<'a>),
    /// Something else, in words.
    Other(String, &'static str),
}

/// Reads a matrix.
fn matrix(content: Cow<'_, [u8]>, big_endian: bool) -> Read<Matrix<'_>> {
    let mut parts = Bytes { rest: &content, big_endian };
    let (_, flags) = parts.element()?;
    let [flags, ..] = parts.words(flags)[..] else { return Err(damaged("a matrix without flags")) };
    // Doubles to 64-bit integers; text, cells, structures and sparse ones have other numbers. Complex ones have a flag.
    let (class, is_complex) = (flags & 0xff, flags & 0x800 != 0);
    let other = match class {
        1 => Some("a cell array"),
        2 => Some("a structure"),
        4 => Some("text"),
        5 => Some("a sparse matrix"),
        6..=15 => is_complex.then_some("of complex numbers"),
        // Objects and the like do not even have a name in this place.
        _ => return Ok(Matrix::Other(String::new(), "an object")),
    };
    let (_, sizes) = parts.element()?;
    let shape: Vec<usize> = parts.words(sizes).into_iter().map(|size| size as usize).collect();
    if shape.len() > MOST_DIMENSIONS {
        return Err(damaged("a matrix of too many dimensions"));
    }
    let (_, name) = parts.element()?;
    let name = String::from_utf8_lossy(name).into_owned();
    if let Some(what) = other {
        return Ok(Matrix::Other(name, what));
    }
    let (kind, values) = parts.element()?;
    let element = match kind {
        1 => Element::Signed(1),
        2 => Element::Unsigned(1),
        3 => Element::Signed(2),
        4 => Element::Unsigned(2),
        5 => Element::Signed(4),
        6 => Element::Unsigned(4),
        7 => Element::Real(4),
        9 => Element::Real(8),
        12 => Element::Signed(8),
        13 => Element::Unsigned(8),
        _ => return Err(damaged(&format!("matrix `{name}` with numbers of type {kind}"))),
    };
    // Where the values stand in the content: taken from there, so that nothing is copied.
    let at = values.as_ptr() as usize - content.as_ptr() as usize;
    let range = at..at + values.len();
    let values = match content {
        Cow::Borrowed(content) => Cow::Borrowed(&content[range]),
        Cow::Owned(mut content) => {
            content.truncate(range.end);
            content.drain(..range.start);
            Cow::Owned(content)
        }
    };
    let numbers = Numbers::new(shape, true, element, big_endian, values);
    numbers.map(|numbers| Matrix::Full(name.clone(), numbers)).map_err(|e| damaged(&format!("matrix `{name}`: {e}")))
}

fn damaged(found: &str) -> Unreadable {
    Unreadable::new(found, "a whole MATLAB file")
}

/// Elements, one behind the other.
struct Bytes<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Bytes<'a> {
    fn word(&self, bytes: &[u8]) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[..4]);
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }

    /// All words of an element's content.
    fn words(&self, bytes: &[u8]) -> Vec<u32> {
        bytes.chunks_exact(4).take(MOST_DIMENSIONS + 1).map(|word| self.word(word)).collect()
    }

    /// Type and content of the next element, which begins with a word for each; small ones have both in one word.
    fn element(&mut self) -> Read<(u32, &'a [u8])> {
        let cut = || damaged("an element that is cut off");
        let rest = self.rest;
        if rest.len() < 8 {
            return Err(cut());
        }
        let (first, length) = (self.word(rest), self.word(&rest[4..]) as usize);
        if first >> 16 != 0 {
            let length = (first >> 16) as usize;
            let content = rest.get(4..4 + length).filter(|_| length <= 4).ok_or_else(cut)?;
            self.rest = &rest[8..];
            return Ok((first & 0xffff, content));
        }
        let content = rest[8..].get(..length).ok_or_else(cut)?;
        // Padded to whole 8 bytes, unless packed; the last may lack that.
        let padded = if first == PACKED { length } else { length.next_multiple_of(8) };
        self.rest = &rest[8..][padded.min(rest.len() - 8)..];
        Ok((first, content))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::part::Labels;
    use super::*;

    /// An element of little-endian bytes.
    fn element(kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn matrix_of(name: &str, shape: &[u32], kind: u32, values: &[u8]) -> Vec<u8> {
        let sizes: Vec<u8> = shape.iter().flat_map(|size| size.to_le_bytes()).collect();
        let flags = [6_u32.to_le_bytes(), [0; 4]].concat();
        // A name of at most four letters is a small element.
        let mut short = ((name.len() as u32) << 16 | 1).to_le_bytes().to_vec();
        short.extend(name.bytes().chain([0; 4]).take(4));
        element(14, &[element(6, &flags), element(5, &sizes), short, element(kind, values)].concat())
    }

    fn packed(element: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(element).unwrap();
        let content = encoder.finish().unwrap();
        [&15_u32.to_le_bytes(), &(content.len() as u32).to_le_bytes(), &content[..]].concat()
    }

    fn file(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend([0, 1, b'I', b'M']);
        bytes.extend(elements.concat());
        bytes
    }

    #[test]
    fn matrices_are_found_by_name_packed_or_not() {
        let (x, y) = (matrix_of("F", &[2, 3], 2, &[1, 2, 3, 4, 5, 6]), matrix_of("y", &[1, 2], 1, &[255, 7]));
        let plain = read(&file(&[x.clone(), y.clone()]), "F", "y", Limit::default()).unwrap();
        assert_eq!(
            (plain.rows[0].0[..3].to_vec(), plain.labels.clone()),
            (vec![1.0, 3.0, 5.0], Labels::Numbers(vec![-1.0, 7.0]))
        );
        assert_eq!(read(&file(&[packed(&y), packed(&x)]), "F", "y", Limit(1000)).unwrap(), plain);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (x, y) = (matrix_of("F", &[2, 3], 2, &[1; 6]), matrix_of("y", &[1, 2], 1, &[0, 1]));
        let bomb = packed(&matrix_of("F", &[2, 5000], 2, &[1; 10_000]));
        let mut cell = x.clone();
        cell[16] = 1;
        let mut cut = file(&[x.clone(), y.clone()]);
        cut.truncate(cut.len() - 9);
        for (bytes, name, text) in [
            (file(&[x.clone(), y.clone()]), "x", "no matrix `x`; expected one of F, y"),
            (file(&[x.clone(), x.clone()]), "F", "no matrix `y`; expected one of F"),
            (file(&[bomb, y.clone()]), "F", "packed data of more than 1000 bytes"),
            (file(&[matrix_of("F", &[u32::MAX, u32::MAX], 2, &[1; 6]), y.clone()]), "F", "6 bytes for an array"),
            (file(&[matrix_of("F", &[2, 3], 17, &[1; 6]), y.clone()]), "F", "numbers of type 17"),
            (file(&[cell, y]), "F", "matrix `F`, a cell array; expected a full matrix of real numbers"),
            (cut, "F", "cut off"),
            (b"hello".to_vec(), "F", "another header"),
        ] {
            let error = read(&bytes, name, "y", Limit(1000)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}

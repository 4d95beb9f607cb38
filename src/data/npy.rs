//! `.npy`, NumPy's format of one array. Read by hand: the sizes in the header must be held against the bytes that are there.

use std::borrow::Cow;
use std::io;

use super::numbers::{Element, Numbers};
use super::{Read, Unreadable};

/// Dimensions of an array at most, as in NumPy.
const MOST_DIMENSIONS: usize = 32;
/// Bytes of a header at most: NumPy's are below 200.
const MOST_HEADER: u32 = 1 << 20;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Lengths along the axes; the first counts the examples.
    pub shape: Vec<usize>,
    /// Whether the first index varies fastest.
    pub column_major: bool,
    /// The type of an element.
    pub element: Element,
    /// Whether its bytes come most significant first.
    pub big_endian: bool,
}

/// The array in the bytes of a file.
///
/// # Errors
/// [`Unreadable`].
pub fn array(bytes: Cow<'_, [u8]>) -> Read<Numbers<'_>> {
    let mut rest = &bytes[..];
    let Header { shape, column_major, element, big_endian } = Header::read(&mut rest)?;
    let at = bytes.len() - rest.len();
    let values = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[at..]),
        Cow::Owned(mut bytes) => {
            bytes.drain(..at);
            Cow::Owned(bytes)
        }
    };
    Numbers::new(shape, column_major, element, big_endian, values)
}

impl Header {
    /// Reads a header, up to where the values begin.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(from: &mut impl io::Read) -> Read<Self> {
        let wrong = |found: &str| Unreadable::new(found, "an .npy file, which begins with \\x93NUMPY and its version");
        let cut_off = |_| wrong("a header that is cut off");
        let mut start = [0; 8];
        let read = from.read_exact(&mut start);
        if !start.starts_with(b"\x93NUMPY") {
            return Err(wrong("another beginning"));
        }
        read.map_err(cut_off)?;
        // Version 1 has a length of two bytes, later ones of four.
        let width = match start[6] {
            1 => 2,
            2 | 3 => 4,
            _ => return Err(wrong("an unknown version")),
        };
        let mut length = [0; 4];
        from.read_exact(&mut length[..width]).map_err(cut_off)?;
        let length = u32::from_le_bytes(length);
        if length > MOST_HEADER {
            return Err(wrong("a header that is too long"));
        }
        let mut text = vec![0; length as usize];
        from.read_exact(&mut text).map_err(cut_off)?;
        // Latin-1 or UTF-8: what we look for is ASCII in both.
        parse(&String::from_utf8_lossy(&text))
    }
}

/// Reads a header, the text of a Python dictionary: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(text: &str) -> Read<Header> {
    let wrong =
        || Unreadable::new(format!("the header {:?}", text.chars().take(100).collect::<String>()), "descr, fortran_order, shape");
    let after = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = after("descr").ok_or_else(wrong)?;
    let quoted = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let Some((element, big_endian)) = quoted.and_then(element) else {
        let found = quoted.unwrap_or("a record").chars().take(40).collect::<String>();
        return Err(Unreadable::new(
            format!("elements of type {found:?}"),
            "whole or real numbers, or booleans, of at most 8 bytes",
        ));
    };
    let order = after("fortran_order").ok_or_else(wrong)?;
    let column_major = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(wrong()),
    };
    let sizes = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(wrong)?.0;
    let mut shape = Vec::new();
    for size in sizes.split(',').map(str::trim).filter(|size| !size.is_empty()) {
        shape.push(size.trim_end_matches('L').parse().map_err(|_| wrong())?);
        if shape.len() > MOST_DIMENSIONS {
            return Err(wrong());
        }
    }
    Ok(Header { shape, column_major, element, big_endian })
}

/// The type that NumPy writes so, and whether the most significant byte comes first.
fn element(descr: &str) -> Option<(Element, bool)> {
    let mut letters = descr.chars();
    let big_endian = match letters.next()? {
        '<' | '|' | '=' => false,
        '>' => true,
        _ => return None,
    };
    let kind = letters.next()?;
    let element = match (kind, letters.as_str()) {
        ('b', "1") => Element::Unsigned(1),
        ('i', "1") => Element::Signed(1),
        ('i', "2") => Element::Signed(2),
        ('i', "4") => Element::Signed(4),
        ('i', "8") => Element::Signed(8),
        ('u', "1") => Element::Unsigned(1),
        ('u', "2") => Element::Unsigned(2),
        ('u', "4") => Element::Unsigned(4),
        ('u', "8") => Element::Unsigned(8),
        ('f', "2") => Element::Real(2),
        ('f', "4") => Element::Real(4),
        ('f', "8") => Element::Real(8),
        _ => return None,
    };
    Some((element, big_endian))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, array as values};
    use ndarray_npy::WriteNpyExt;

    use super::super::Limit;
    use super::super::numbers::examples;
    use super::*;

    #[test]
    fn what_ndarray_writes_is_read() {
        let mut inputs = Vec::new();
        values![[1.5_f32, -2.0], [3.0, 4.0], [5.0, 6.0]].write_npy(&mut inputs).unwrap();
        let mut by_column = Vec::new();
        let transposed = values![[1.5_f64, 3.0, 5.0], [-2.0, 4.0, 6.0]].reversed_axes();
        transposed.write_npy(&mut by_column).unwrap();
        let mut labels = Vec::new();
        Array::from_vec(vec![3_i64, -1, 3]).write_npy(&mut labels).unwrap();
        let part = |inputs: &[u8]| {
            let (inputs, labels) = (array(Cow::Borrowed(inputs)).unwrap(), array(Cow::Owned(labels.clone())).unwrap());
            examples(&inputs, &labels, Limit::default()).unwrap()
        };
        assert_eq!(part(&inputs), part(&by_column));
        assert!(String::from_utf8_lossy(&by_column).contains("'fortran_order': True"));
        assert_eq!(part(&inputs).into_sheet(None).unwrap().class_values, [-1.0, 3.0]);
    }

    #[test]
    fn headers_of_every_form() {
        let good = "{'descr': '>i2', 'fortran_order': False, 'shape': (3, 4L), }";
        let header = parse(good).unwrap();
        assert_eq!((header.shape, header.element, header.big_endian), (vec![3, 4], Element::Signed(2), true));
        assert_eq!(parse("{'shape':(), 'fortran_order':True,'descr':'|b1'}").unwrap().shape, [0_usize; 0]);
        for (bad, text) in [
            ("{}", "descr, fortran_order, shape"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}", "a record"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "type \"<c8\""),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "the header"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "the header"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", "the header"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3", "the header"),
        ] {
            assert!(parse(bad).unwrap_err().to_string().contains(text), "{bad}");
        }
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        assert!(array(Cow::Borrowed(&bytes)).unwrap_err().to_string().contains("cut off"));
        bytes.extend([200, 0]);
        assert!(array(Cow::Borrowed(&bytes)).unwrap_err().to_string().contains("cut off"));
        bytes[6] = 9;
        assert!(array(Cow::Borrowed(&bytes)).unwrap_err().to_string().contains("an unknown version"));
        assert!(array(Cow::Borrowed(b"hello")).unwrap_err().to_string().contains("another beginning"));
    }
}

//! `.npy` arrays, read number by number: nothing of the array is held but a small buffer.

use std::io::Read;

use super::Sink;

/// What the header of an array says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Lengths along its axes.
    pub shape: Vec<usize>,
    /// Type of an element.
    element: Element,
    /// Whether bytes come most significant first.
    big_endian: bool,
    /// Whether the first axis varies fastest.
    fortran: bool,
}

/// An element type that NumPy users have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    Float(u8),
    Int(u8),
    Unsigned(u8),
    Bool,
}

impl Element {
    const fn size(self) -> usize {
        match self {
            Self::Float(size) | Self::Int(size) | Self::Unsigned(size) => size as usize,
            Self::Bool => 1,
        }
    }
}

impl Header {
    /// Reads the header.
    pub fn read(from: &mut impl Read) -> Result<Self, String> {
        let cut = |_| "ends within its header".to_owned();
        let mut start = [0; 8];
        from.read_exact(&mut start).map_err(cut)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err("no NumPy array".to_owned());
        }
        // Version 1 has a length of two bytes, later ones of four.
        let mut length = [0; 4];
        from.read_exact(&mut length[..if start[6] == 1 { 2 } else { 4 }]).map_err(cut)?;
        let length = u32::from_le_bytes(length);
        if length > 1 << 20 {
            return Err(format!("a header of {length} bytes"));
        }
        let mut text = vec![0; length as usize];
        from.read_exact(&mut text).map_err(cut)?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// From the literal `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str) -> Result<Self, String> {
        let after = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        let odd = || format!("the header {} is not understood", text.trim());
        let descr = after("descr").ok_or_else(odd)?;
        let kind = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(kind, _)| kind);
        let unknown = || {
            let shown = kind.unwrap_or(descr.split(']').next().unwrap_or_default());
            format!("elements of type {shown}; expected floats, integers or booleans")
        };
        let (order, letter, size) = kind
            .filter(|kind| kind.is_ascii() && kind.len() >= 3)
            .map(|kind| (kind.as_bytes()[0], kind.as_bytes()[1], &kind[2..]))
            .ok_or_else(unknown)?;
        let element = match (letter, size) {
            (b'f', "2") => Element::Float(2),
            (b'f', "4") => Element::Float(4),
            (b'f', "8") => Element::Float(8),
            (b'i', "1" | "2" | "4" | "8") => Element::Int(size.as_bytes()[0] - b'0'),
            (b'u', "1" | "2" | "4" | "8") => Element::Unsigned(size.as_bytes()[0] - b'0'),
            (b'b', "1") => Element::Bool,
            _ => return Err(unknown()),
        };
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(odd)?.0;
        let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
        let shape = lengths.map(|length| length.parse::<usize>().map_err(|_| odd())).collect::<Result<Vec<_>, _>>()?;
        shape.iter().try_fold(element.size(), |all, &length| all.checked_mul(length)).ok_or_else(odd)?;
        let fortran = after("fortran_order").ok_or_else(odd)?.starts_with("True");
        Ok(Self { shape, element, big_endian: order == b'>', fortran })
    }

    /// Examples and numbers an example: one for a vector; more than two axes are flattened, example by example.
    pub fn rows_and_columns(&self) -> Result<(usize, usize), String> {
        match self.shape[..] {
            [] => Err("a single number; expected examples × columns".into()),
            [rows, ref rest @ ..] => Ok((rows, rest.iter().product())),
        }
    }

    /// Whether elements are in single precision (half precision is taken for it).
    pub const fn is_single(&self) -> bool {
        matches!(self.element, Element::Float(2 | 4))
    }

    /// Reads the elements behind the header and gives the `columns` of every example to `sink`.
    pub fn rows(&self, from: &mut impl Read, columns: &[usize], sink: &mut Sink<'_>) -> Result<(), String> {
        let (rows, width) = self.rows_and_columns()?;
        let mut row = vec![0.0; columns.len()];
        if self.fortran && self.shape.len() > 1 {
            // Examples lie across the whole array, which must be held therefore.
            let all = self.numbers(from, rows * width)?;
            let strides = self.strides();
            for example in 0..rows {
                for (value, &column) in row.iter_mut().zip(columns) {
                    *value = all[example + self.offset(column, &strides)];
                }
                sink(example, &row)?;
            }
            return Ok(());
        }
        let mut bytes = vec![0; width * self.element.size()];
        for example in 0..rows {
            from.read_exact(&mut bytes).map_err(|e| format!("ends at example {example} of {rows} ({e})"))?;
            for (value, &column) in row.iter_mut().zip(columns) {
                *value = self.number(&bytes[column * self.element.size()..][..self.element.size()]);
            }
            sink(example, &row)?;
        }
        Ok(())
    }

    /// Distance between neighbours along each axis, the first axis fastest.
    fn strides(&self) -> Vec<usize> {
        let mut stride = 1;
        self.shape
            .iter()
            .map(|length| {
                let own = stride;
                stride *= length;
                own
            })
            .collect()
    }

    /// Where a column of example 0 lies in an array with the first axis fastest; columns count with the last axis fastest.
    fn offset(&self, column: usize, strides: &[usize]) -> usize {
        let mut rest = column;
        let mut offset = 0;
        for (length, stride) in self.shape.iter().zip(strides).skip(1).rev() {
            offset += rest % length * stride;
            rest /= length;
        }
        offset
    }

    /// All elements.
    fn numbers(&self, from: &mut impl Read, count: usize) -> Result<Vec<f64>, String> {
        let mut bytes = vec![0; self.element.size()];
        let mut numbers = Vec::new();
        for at in 0..count {
            from.read_exact(&mut bytes).map_err(|e| format!("ends at element {at} of {count} ({e})"))?;
            numbers.push(self.number(&bytes));
        }
        Ok(numbers)
    }

    /// The element of these bytes.
    fn number(&self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        let size = bytes.len();
        word[..size].copy_from_slice(bytes);
        if self.big_endian {
            word[..size].reverse();
        }
        let bits = u64::from_le_bytes(word);
        match self.element {
            Element::Float(2) => half(bits as u16),
            Element::Float(4) => f32::from_bits(bits as u32).into(),
            Element::Float(_) => f64::from_bits(bits),
            // Shifting up and down again repeats the sign.
            Element::Int(size) => ((bits << (64 - 8 * u32::from(size))) as i64 >> (64 - 8 * u32::from(size))) as f64,
            Element::Unsigned(_) => bits as f64,
            Element::Bool => f64::from(u8::from(bits != 0)),
        }
    }
}

/// A number of half precision: sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => libm::ldexp(fraction, -24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => libm::ldexp(1024.0 + fraction, exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8], columns: &[usize]) -> Result<Vec<Vec<f64>>, String> {
        let mut from = bytes;
        let header = Header::read(&mut from)?;
        let mut rows = Vec::new();
        header.rows(&mut from, columns, &mut |_, row| {
            rows.push(row.to_vec());
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn every_type_and_both_orders_of_bytes() {
        let one = |descr: &str, data: &[u8]| {
            read(&file(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}"), data), &[0])
        };
        for (descr, data, expected) in [
            ("<f4", &(-2.5_f32).to_le_bytes()[..], -2.5),
            (">f8", &1.25_f64.to_be_bytes(), 1.25),
            ("<i2", &(-3_i16).to_le_bytes(), -3.0),
            (">i4", &(-70_000_i32).to_be_bytes(), -70_000.0),
            ("<i8", &(-5_i64).to_le_bytes(), -5.0),
            ("|i1", &[0xff], -1.0),
            ("|u1", &[0xff], 255.0),
            ("<u4", &u32::MAX.to_le_bytes(), 4_294_967_295.0),
            ("|b1", &[1], 1.0),
            ("<f2", &0x3555_u16.to_le_bytes(), 0.333_251_953_125),
            ("<f2", &0xc000_u16.to_le_bytes(), -2.0),
            ("<f2", &0x0001_u16.to_le_bytes(), 5.960_464_477_539_063e-8),
        ] {
            assert_eq!(one(descr, data), Ok(vec![vec![expected]]), "{descr}");
        }
        assert!(one("<U3", &[0; 12]).unwrap_err().contains("elements of type <U3"));
        assert!(one("<f4", &[0; 3]).unwrap_err().contains("ends at example 0"));
    }

    #[test]
    fn order_and_shape_make_no_difference() {
        let header = |fortran, shape| format!("{{'descr': '|u1', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        let rows = read(&file(&header("False", "(2, 3)"), &[1, 2, 3, 4, 5, 6]), &[0, 2]).unwrap();
        assert_eq!(rows, [[1.0, 3.0], [4.0, 6.0]]);
        assert_eq!(read(&file(&header("True", "(2, 3)"), &[1, 4, 2, 5, 3, 6]), &[0, 2]).unwrap(), rows);
        let cube = read(&file(&header("False", "(2, 2, 2)"), &[0, 1, 2, 3, 4, 5, 6, 7]), &[0, 1, 2, 3]).unwrap();
        assert_eq!(read(&file(&header("True", "(2, 2, 2)"), &[0, 4, 2, 6, 1, 5, 3, 7]), &[0, 1, 2, 3]).unwrap(), cube);
        for bad in ["(3, 99999999999999999999)", "(18446744073709551615, 2)", "()", "x"] {
            assert!(read(&file(&header("False", bad), &[]), &[]).is_err(), "{bad}");
        }
        assert!(read(b"\x93NUMPY\x01", &[]).is_err() && read(&file("{}", &[]), &[]).is_err());
    }
}

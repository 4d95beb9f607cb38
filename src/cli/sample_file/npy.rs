//! `.npy` arrays, read number by number: nothing of the array is held but a small buffer.

use std::io::Read;

use super::Sink;
use crate::data::checked_elements;
use crate::data::npy::Header;
use crate::data::numbers::Element;

/// An array whose numbers are yet to be read.
#[derive(Clone, Debug)]
pub struct Array(Header);

impl Array {
    /// Reads the header of an array, of which so many bytes are there.
    pub fn read(from: &mut impl Read, there: u64) -> Result<Self, String> {
        let header = Header::read(from).map_err(|e| e.to_string())?;
        let elements = checked_elements(&header.shape);
        match elements.and_then(|elements| elements.checked_mul(header.element.width())) {
            Some(0) => Err(format!("no examples: its header announces {:?} numbers", header.shape)),
            Some(size) if size as u64 <= there => Ok(Self(header)),
            _ => {
                let Header { shape, element, .. } = header;
                Err(format!(
                    "cut off: its header announces {shape:?} numbers of {} bytes, there are {there} bytes",
                    element.width()
                ))
            }
        }
    }

    /// Examples and numbers an example: one for a vector; more than two axes are flattened, example by example.
    pub fn rows_and_columns(&self) -> Result<(usize, usize), String> {
        match self.0.shape[..] {
            [] => Err("a single number; expected examples × columns".into()),
            [rows, ref rest @ ..] => match checked_elements(rest) {
                Some(columns) => Ok((rows, columns)),
                None => Err(format!("an array of {:?} numbers", self.0.shape)),
            },
        }
    }

    /// Whether elements are in single precision (half precision is taken for it).
    pub const fn is_single(&self) -> bool {
        matches!(self.0.element, Element::Real(2 | 4))
    }

    /// Reads the elements behind the header and gives the `columns` of every example to `sink`.
    pub fn rows(&self, from: &mut impl Read, columns: &[usize], sink: &mut Sink<'_>) -> Result<(), String> {
        let (rows, width) = self.rows_and_columns()?;
        let mut row = vec![0.0; columns.len()];
        if self.0.column_major && self.0.shape.len() > 1 {
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
        let mut bytes = vec![0; width * self.0.element.width()];
        for example in 0..rows {
            from.read_exact(&mut bytes).map_err(|e| format!("ends at example {example} of {rows} ({e})"))?;
            for (value, &column) in row.iter_mut().zip(columns) {
                *value = self.number(&bytes[column * self.0.element.width()..][..self.0.element.width()]);
            }
            sink(example, &row)?;
        }
        Ok(())
    }

    /// Distance between neighbours along each axis, the first axis fastest.
    fn strides(&self) -> Vec<usize> {
        let mut stride = 1;
        self.0
            .shape
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
        for (length, stride) in self.0.shape.iter().zip(strides).skip(1).rev() {
            offset += rest % length * stride;
            rest /= length;
        }
        offset
    }

    /// All elements.
    fn numbers(&self, from: &mut impl Read, count: usize) -> Result<Vec<f64>, String> {
        let mut bytes = vec![0; self.0.element.width()];
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
        if self.0.big_endian {
            word[..size].reverse();
        }
        self.0.element.number(word)
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
        let array = Array::read(&mut from, bytes.len() as u64)?;
        let mut rows = Vec::new();
        array.rows(&mut from, columns, &mut |_, row| {
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
        assert!(one("<U3", &[0; 12]).unwrap_err().contains("elements of type \"<U3\""));
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
        for bad in ["(3, 99999999999999999999)", "(18446744073709551615, 2)", "(0, 18446744073709551615, 2)", "()", "x"] {
            assert!(read(&file(&header("False", bad), &[]), &[]).is_err(), "{bad}");
        }
        for empty in ["(0, 2305843009213693952)", "(0,)", "(3, 0)"] {
            assert!(read(&file(&header("False", empty), &[]), &[]).unwrap_err().starts_with("no examples: "), "{empty}");
        }
        assert!(
            read(&file(&header("False", "(2, 99999999)"), &[1, 2]), &[0])
                .unwrap_err()
                .contains("cut off: its header announces [2, 99999999] numbers of 1 bytes")
        );
        assert!(read(b"\x93NUMPY\x01", &[]).is_err() && read(&file("{}", &[]), &[]).is_err());
    }
}

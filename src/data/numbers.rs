//! Arrays of numbers as they lie in the bytes of a file: a view that converts an element when it is asked for.

use std::borrow::Cow;

use super::part::{Labels, Part};
use super::{Limit, Read, Unreadable, checked_elements};

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Signed whole numbers of 1, 2, 4 or 8 bytes.
    Signed(u8),
    /// Unsigned ones.
    Unsigned(u8),
    /// Real numbers of 2, 4 or 8 bytes.
    Real(u8),
}

impl Element {
    /// Bytes of one.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Signed(width) | Self::Unsigned(width) | Self::Real(width) => width as usize,
        }
    }

    /// The number in so many bytes, of which the least significant comes first.
    #[must_use]
    pub fn number(self, bytes: [u8; 8]) -> f64 {
        let raw = u64::from_le_bytes(bytes);
        match self {
            Self::Unsigned(_) => raw as f64,
            // Moved to the top and back, so that the sign is taken along.
            Self::Signed(width) => {
                let shift = 64 - 8 * u32::from(width);
                ((raw << shift).cast_signed() >> shift) as f64
            }
            Self::Real(2) => half(raw as u16),
            Self::Real(4) => f64::from(f32::from_bits(raw as u32)),
            Self::Real(_) => f64::from_bits(raw),
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

/// An array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers<'a> {
    /// Its sizes; the first counts the examples.
    shape: Vec<usize>,
    /// Whether the first index varies fastest.
    column_major: bool,
    element: Element,
    big_endian: bool,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Numbers<'a> {
    /// An array over bytes.
    ///
    /// # Errors
    /// If there are more or fewer bytes than the shape takes.
    pub fn new(shape: Vec<usize>, column_major: bool, element: Element, big_endian: bool, bytes: Cow<'a, [u8]>) -> Read<Self> {
        let length = checked_elements(&shape).and_then(|elements| elements.checked_mul(element.width()));
        if length != Some(bytes.len()) {
            let length = length.map_or_else(|| "more than any file".to_owned(), |length| length.to_string());
            let found = format!("{} bytes for an array of {shape:?} numbers of {} bytes", bytes.len(), element.width());
            return Err(Unreadable::new(found, length));
        }
        Ok(Self { shape, column_major, element, big_endian, bytes })
    }

    /// The number at a place of the bytes, counted in elements.
    fn at(&self, place: usize) -> f64 {
        let width = self.element.width();
        let mut bytes = [0; 8];
        let own = &self.bytes[place * width..(place + 1) * width];
        bytes[..width].copy_from_slice(own);
        if self.big_endian {
            bytes[..width].reverse();
        }
        self.element.number(bytes)
    }

    /// Bytes of all elements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Number of elements.
    fn len(&self) -> usize {
        self.bytes.len() / self.element.width()
    }

    /// Elements from an example to the next, and the place of each of its inputs within an example, the last index fastest.
    fn places(&self, inputs: usize) -> (usize, Vec<usize>) {
        if !self.column_major {
            return (inputs, (0..inputs).collect());
        }
        let sizes = &self.shape[1..];
        let place = |input: usize| {
            let (mut rest, mut indices) = (input, vec![0; sizes.len()]);
            for (index, size) in indices.iter_mut().zip(sizes).rev() {
                (*index, rest) = (rest % size, rest / size);
            }
            let (mut stride, mut place) = (self.shape[0], 0);
            for (index, size) in indices.iter().zip(sizes) {
                place += index * stride;
                stride *= size;
            }
            place
        };
        (1, (0..inputs).map(place).collect())
    }
}

/// Examples from an array of inputs (examples × …) and one of labels (one number an example).
///
/// # Errors
/// [`Unreadable`] if they do not fit together.
pub fn examples(inputs: &Numbers<'_>, labels: &Numbers<'_>, limit: Limit) -> Read<Part> {
    let [n, ref rest @ ..] = inputs.shape[..] else {
        return Err(Unreadable::new("a single number as inputs", "an array of examples × inputs"));
    };
    let Some(width) = checked_elements(rest).filter(|_| n > 0) else {
        return Err(Unreadable::new(format!("an array of {:?} inputs", inputs.shape), "at least one example"));
    };
    // n × 1 and 1 × n are lists of n.
    if labels.shape.iter().filter(|&&size| size != 1).count() > 1 || !limit.holds(labels.len(), size_of::<f64>()) {
        return Err(Unreadable::new(
            format!("an array of {:?} labels", labels.shape),
            format!("one number for each of {n} examples"),
        ));
    }
    if !limit.holds(width, size_of::<usize>()) || labels.len() != n {
        let found = format!("{:?} inputs and {:?} labels", inputs.shape, labels.shape);
        return Err(Unreadable::new(found, "examples × inputs, and a label for every example"));
    }
    let (step, places) = inputs.places(width);
    let labels = Labels::Numbers((0..n).map(|e| labels.at(e)).collect());
    Part::new(n, width, labels, limit, |e, row| {
        row.iter_mut().zip(&places).for_each(|(to, place)| *to = inputs.at(e * step + place) as f32);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_type() {
        let of = |element, big_endian, bytes: &[u8]| {
            Numbers::new(vec![1], false, element, big_endian, Cow::Borrowed(bytes)).unwrap().at(0)
        };
        assert_eq!(of(Element::Signed(1), false, &[0xff]), -1.0);
        assert_eq!(of(Element::Unsigned(1), false, &[0xff]), 255.0);
        assert_eq!(of(Element::Signed(2), true, &(-2_i16).to_be_bytes()), -2.0);
        assert_eq!(of(Element::Signed(8), false, &i64::MIN.to_le_bytes()), i64::MIN as f64);
        assert_eq!(of(Element::Unsigned(4), true, &7_u32.to_be_bytes()), 7.0);
        for (bits, value) in [(0x3555_u16, 0.333_251_953_125), (0xc000, -2.0), (0x0001, 5.960_464_477_539_063e-8)] {
            assert_eq!(of(Element::Real(2), false, &bits.to_le_bytes()), value);
        }
        assert_eq!(of(Element::Real(4), true, &0.5_f32.to_be_bytes()), 0.5);
        assert_eq!(of(Element::Real(8), false, &(-0.1_f64).to_le_bytes()), -0.1);
    }

    #[test]
    fn orders_of_indices_give_the_same_rows() {
        // Example e, place (i, j) of 2 × 3.
        let value = |e: usize, i: usize, j: usize| (100 * e + 10 * i + j) as u8;
        let (mut by_row, mut by_column) = (vec![], vec![]);
        (0..4).for_each(|e| (0..2).for_each(|i| (0..3).for_each(|j| by_row.push(value(e % 2, i, j)))));
        (0..3).for_each(|j| (0..2).for_each(|i| (0..4).for_each(|e| by_column.push(value(e % 2, i, j)))));
        let of = |column_major, bytes: &[u8]| {
            let inputs =
                Numbers::new(vec![4, 2, 3], column_major, Element::Unsigned(1), false, Cow::Owned(bytes.to_vec())).unwrap();
            let labels = Numbers::new(vec![1, 4], true, Element::Unsigned(1), false, Cow::Borrowed(&[5, 6, 7, 8])).unwrap();
            examples(&inputs, &labels, Limit::default()).unwrap()
        };
        let part = of(false, &by_row);
        assert_eq!(part, of(true, &by_column));
        assert_eq!(
            (part.rows[1].0[..6].to_vec(), part.labels),
            (vec![100.0, 101.0, 102.0, 110.0, 111.0, 112.0], Labels::Numbers(vec![5.0, 6.0, 7.0, 8.0]))
        );
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let bytes = |shape: &[usize]| Cow::Owned(vec![0_u8; shape.iter().product()]);
        let of = |shape: &[usize]| Numbers::new(shape.to_vec(), false, Element::Unsigned(1), false, bytes(shape)).unwrap();
        let error = |inputs: &[usize], labels: &[usize]| examples(&of(inputs), &of(labels), Limit(1000)).unwrap_err().to_string();
        assert!(error(&[], &[1]).contains("a single number"));
        assert!(error(&[2, 3], &[2, 3]).contains("an array of [2, 3] labels"));
        assert!(error(&[2, 3], &[3]).contains("a label for every example"));
        assert!(error(&[20, 3], &[20]).contains("1000 bytes in all"));
        assert!(error(&[2, 0], &[2]).contains("2 examples of 0 inputs"));
        assert!(error(&[0, 3], &[0]).contains("an array of [0, 3] inputs; expected at least one example"));
        let huge = Numbers::new(vec![0, usize::MAX, 2], false, Element::Real(8), false, Cow::Borrowed(&[]));
        assert!(huge.unwrap_err().to_string().contains("more than any file"));
        let short = Numbers::new(vec![usize::MAX, 9], false, Element::Real(8), false, Cow::Borrowed(&[0]));
        assert!(short.unwrap_err().to_string().contains("more than any file"));
    }
}

//! CIFAR-10 in its binary version: records of one label byte and 3 × 32 × 32 bytes, colour by colour.

use super::idx::scaled;
use super::part::{Labels, Part};
use super::{Limit, Read, Unreadable};

/// Bytes of a picture.
const PIXELS: usize = 3 * 32 * 32;
/// Bytes of a record.
const RECORD: usize = 1 + PIXELS;
/// Classes.
const CLASSES: u8 = 10;

/// Pictures with their labels; inputs are scaled from 0…255 to −1…1.
///
/// # Errors
/// [`Unreadable`].
pub fn read(bytes: &[u8], limit: Limit) -> Read<Part> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let expected = format!("a multiple of {RECORD}: the binary version of CIFAR-10");
        return Err(Unreadable::new(format!("{} bytes", bytes.len()), expected));
    }
    let records = || bytes.chunks_exact(RECORD);
    if let Some((e, record)) = records().enumerate().find(|(_, record)| record[0] >= CLASSES) {
        return Err(Unreadable::new(format!("label {} of picture {e}", record[0]), "0 to 9: the binary version of CIFAR-10"));
    }
    let labels = Labels::Numbers(records().map(|record| f64::from(record[0])).collect());
    Part::new(bytes.len() / RECORD, PIXELS, labels, limit, |e, row| {
        let pixels = &bytes[e * RECORD + 1..(e + 1) * RECORD];
        row.iter_mut().zip(pixels).for_each(|(to, &byte)| *to = scaled(byte));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_others_refused() {
        let mut bytes = vec![255; 2 * RECORD];
        (bytes[0], bytes[1], bytes[RECORD]) = (3, 0, 9);
        let part = read(&bytes, Limit::default()).unwrap();
        assert_eq!((part.inputs, part.rows[0].0[0], part.rows[0].0[1]), (PIXELS, -1.0, 1.0));
        assert_eq!(part.labels, Labels::Numbers(vec![3.0, 9.0]));
        bytes[RECORD] = 10;
        assert!(read(&bytes, Limit::default()).unwrap_err().to_string().contains("label 10 of picture 1"));
        bytes.pop();
        assert!(read(&bytes, Limit::default()).unwrap_err().to_string().contains("6145 bytes; expected a multiple of 3073"));
        assert!(read(&[], Limit::default()).is_err());
    }
}

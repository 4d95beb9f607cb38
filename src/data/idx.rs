//! IDX, the format of MNIST: a magic number with the type and the number of dimensions, the sizes, the values; unsigned bytes only, as all
//! published files are. Packed by gzip or not.

use std::borrow::Cow;

use super::gzip;
use super::part::{Labels, Part};
use super::{Limit, Read, Unreadable, checked_elements};

/// Dimensions of an array at most.
const MOST_DIMENSIONS: usize = 8;

/// An array of bytes.
struct Array<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [u8]>,
    offset: usize,
}

impl Array<'_> {
    fn values(&self) -> &[u8] {
        &self.values[self.offset..]
    }
}

/// Pictures with their labels; inputs are scaled from 0…255 to −1…1.
///
/// # Errors
/// [`Unreadable`], with the file that it is about.
pub fn read(images: &[u8], labels: &[u8], limit: Limit) -> Result<Part, (Place, Unreadable)> {
    let of_images = |error| (Place::Images, error);
    let array = |bytes, width| array(bytes, width, limit);
    let labels = array(labels, size_of::<f64>()).map_err(|error| (Place::Labels, error))?;
    let images = array(images, 1).map_err(of_images)?;
    let [n, ref pixels @ ..] = images.shape[..] else {
        return Err(of_images(Unreadable::new("an IDX file of no dimension", "pictures × height × width")));
    };
    if pixels.is_empty() {
        return Err(of_images(Unreadable::new(
            "an IDX file of 1 dimension",
            "pictures × height × width; is this a file of labels?",
        )));
    }
    if labels.shape.len() != 1 {
        let found = format!("an IDX file of {} dimensions", labels.shape.len());
        return Err((Place::Labels, Unreadable::new(found, "1 dimension; is this a file of pictures?")));
    }
    let Some(inputs) = checked_elements(pixels).filter(|_| n > 0) else {
        return Err(of_images(Unreadable::new(format!("{:?} pictures", images.shape), "at least one example")));
    };
    let values = images.values();
    let numbers = Labels::Numbers(labels.values().iter().map(|&label| f64::from(label)).collect());
    let fill = |e: usize, row: &mut [f32]| {
        row.iter_mut().zip(&values[e * inputs..]).for_each(|(to, &byte)| *to = scaled(byte));
        Ok(())
    };
    Part::new(n, inputs, numbers, limit, fill).map_err(of_images)
}

/// Which of two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// That of the pictures.
    Images,
    /// That of the labels.
    Labels,
}

/// A byte on the scale of the inputs, −1 to 1.
#[must_use]
pub fn scaled(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// Reads an array the values of which will take `width` bytes each: first as much as its header takes, then as much as that announces.
fn array(bytes: &[u8], width: usize, limit: Limit) -> Read<Array<'_>> {
    let header = gzip::first(bytes, 4 + 4 * MOST_DIMENSIONS)?;
    let [0, 0, kind, dimensions, ref sizes @ ..] = header[..] else {
        if header.is_empty() {
            return Err(Unreadable::new("an empty file", "an IDX file"));
        }
        let start: Vec<String> = header.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let expected = "an IDX file, which begins with 00 00 08 and the number of its dimensions";
        return Err(Unreadable::new(format!("a file that begins with {}", start.join(" ")), expected));
    };
    let dimensions = usize::from(dimensions);
    if kind != 8 {
        return Err(Unreadable::new(format!("an IDX file of type {kind:#04x}"), "unsigned bytes, type 0x08"));
    }
    if dimensions > MOST_DIMENSIONS || sizes.len() < 4 * dimensions {
        return Err(Unreadable::new(
            format!("an IDX header of {dimensions} dimensions"),
            format!("1 to {MOST_DIMENSIONS}, whole"),
        ));
    }
    let shape: Vec<usize> =
        sizes.chunks_exact(4).take(dimensions).map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]]) as usize).collect();
    let offset = 4 + 4 * dimensions;
    let length = checked_elements(&shape).filter(|&length| limit.holds(length, width));
    let Some(length) = length else {
        return Err(Unreadable::new(format!("an IDX file of {shape:?} bytes"), format!("at most {} bytes", limit.0)));
    };
    // One more than it should be, to tell whether it is.
    let values = gzip::first(bytes, offset + length + 1)?;
    let found = values.len() - offset.min(values.len());
    if found != length {
        let more = if found > length { "more" } else { "fewer" };
        return Err(Unreadable::new(
            format!("an IDX file with {more} values than its header says"),
            format!("{shape:?} = {length}"),
        ));
    }
    Ok(Array { shape, values, offset })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
        let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).chain(values.iter().copied()).collect()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packed_or_not_it_is_the_same() {
        let (images, labels) = (idx(&[2, 2, 2], &[0, 255, 51, 204, 1, 2, 3, 4]), idx(&[2], &[9, 3]));
        let part = read(&images, &labels, Limit::default()).unwrap();
        assert_eq!((part.inputs, &part.labels), (4, &Labels::Numbers(vec![9.0, 3.0])));
        assert_eq!(&part.rows[0].0[..5], &[-1.0, 1.0, -0.6, 0.6, 0.0]);
        assert_eq!(read(&packed(&images), &packed(&labels), Limit::default()).unwrap(), part);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let labels = idx(&[2], &[0, 1]);
        let good = idx(&[2, 1, 1], &[0, 1]);
        let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[0]);
        let none = idx(&[0, u32::MAX, u32::MAX, u32::MAX], &[]);
        let bomb = packed(&idx(&[2, 1, 1], &vec![0; 1 << 20]));
        let mut cut = packed(&good);
        cut.truncate(cut.len() - 9);
        let mut of_floats = good.clone();
        of_floats[2] = 0x0d;
        for (images, labels, place, text) in [
            (&b"hello"[..], &labels[..], Place::Images, "begins with 68 65 6c 6c"),
            (&[], &labels, Place::Images, "an empty file"),
            (&good[..good.len() - 1], &labels, Place::Images, "fewer values than its header says; expected [2, 1, 1] = 2"),
            (&idx(&[1, 1, 1], &[0, 1]), &labels, Place::Images, "more values"),
            (&labels, &labels, Place::Images, "is this a file of labels?"),
            (&good, &good, Place::Labels, "is this a file of pictures?"),
            (&huge, &labels, Place::Images, "at most"),
            (&none, &labels, Place::Images, "at most"),
            (&idx(&[0, 2, 2], &[]), &labels, Place::Images, "[0, 2, 2] pictures; expected at least one example"),
            (&bomb, &labels, Place::Images, "more values"),
            (&cut, &labels, Place::Images, "damaged gzip data"),
            (&of_floats, &labels, Place::Images, "type 0x0d; expected unsigned bytes"),
            (&good, &idx(&[3], &[0, 1, 2]), Place::Images, "2 examples and 3 labels"),
            (&good, &b"\0\0\x08\x01\0"[..], Place::Labels, "header of 1 dimensions"),
        ] {
            let (at, error) = read(images, labels, Limit(1 << 20)).unwrap_err();
            assert!(at == place && error.to_string().contains(text), "{at:?} {error}");
        }
    }
}

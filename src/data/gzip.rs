//! Bytes that may be packed by gzip, unpacked no further than allowed.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{Read, Unreadable};

/// Whether bytes are packed by gzip.
#[must_use]
pub fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The first `most` bytes of what is packed, or of the bytes themselves where they are not packed.
///
/// # Errors
/// If what is packed is damaged.
pub fn first(bytes: &[u8], most: usize) -> Read<Cow<'_, [u8]>> {
    if !is_packed(bytes) {
        return Ok(Cow::Borrowed(&bytes[..most.min(bytes.len())]));
    }
    unpack(MultiGzDecoder::new(bytes), most, "gzip").map(Cow::Owned)
}

/// At most `most` bytes of what is packed by zlib; an error if there are more.
///
/// # Errors
/// If it is damaged or larger.
pub fn zlib(bytes: &[u8], most: usize) -> Read<Vec<u8>> {
    let unpacked = unpack(ZlibDecoder::new(bytes), most.saturating_add(1), "zlib")?;
    if unpacked.len() > most {
        return Err(Unreadable::new(format!("packed data of more than {most} bytes"), "less"));
    }
    Ok(unpacked)
}

fn unpack(decoder: impl std::io::Read, most: usize, format: &str) -> Read<Vec<u8>> {
    let mut unpacked = Vec::new();
    let read = decoder.take(most as u64).read_to_end(&mut unpacked);
    read.map_err(|e| Unreadable::new(format!("damaged {format} data: {e}"), "a whole file"))?;
    Ok(unpacked)
}

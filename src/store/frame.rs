//! The bytes of a segment: its header, and the frame around each record. Pure; nothing here touches a file.
//!
//! All numbers are little-endian; a checksum is the first 8 bytes of a BLAKE3 hash.
//! ```text
//! segment header, 24 bytes: magic[8]  format u32  reserved u32  checksum of the 16 bytes before u64
//! frame header,   56 bytes: magic[4]  kind u8  reserved u8  schema u16  id[16]  fence u64  payload length u64
//!                           checksum of the payload u64  checksum of the 48 bytes before u64
//! ```
//! The header's checksum makes the length trustworthy, so that a damaged payload can be skipped; its magic lets a reader find the next
//! frame behind a damaged header.

use crate::grid::ids::Id;

/// Version of the segment format. A reader refuses segments of a later one.
pub const FORMAT: u32 = 1;
/// Bytes of a segment's header, and of an archive's.
pub const SEGMENT_HEADER: usize = 24;
/// Bytes of a frame's header.
pub const FRAME_HEADER: usize = 56;
/// Largest payload, in bytes: bounds what a reader allocates for one record.
pub const MAX_PAYLOAD: u64 = 1 << 30;
/// First bytes of every frame: no text and no common number begins so.
pub const FRAME_MAGIC: [u8; 4] = [0xF7, b'i', b'p', 0x8E];

/// First bytes of every segment; the line end shows a file that was carried through a text filter.
const SEGMENT_MAGIC: [u8; 8] = *b"\x8Einfop\r\n";

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Which record the payload is, see [`super::records::Kind`].
    pub kind: u8,
    /// Version of that record's schema.
    pub schema: u16,
    /// The record's id.
    pub id: Id,
    /// Fencing number of the lease under which it was written; 0 without one.
    pub fence: u64,
    /// Bytes of the payload.
    pub length: u64,
    /// Checksum of the payload.
    pub payload_checksum: u64,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentHeader {
    /// A segment of this version of the format.
    Valid,
    /// A segment of a later version.
    Newer(u32),
    /// Not a valid header.
    Invalid,
}

/// Checksum of a payload or a header.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    number(&blake3::hash(bytes).as_bytes()[..8])
}

/// As [`checksum`], by all threads.
#[must_use]
pub fn checksum_of_many(bytes: &[u8]) -> u64 {
    number(&blake3::Hasher::new().update_rayon(bytes).finalize().as_bytes()[..8])
}

/// The header of a new segment.
#[must_use]
pub fn segment_header() -> [u8; SEGMENT_HEADER] {
    file_header(SEGMENT_MAGIC, FORMAT)
}

/// The header of a file that begins with `magic`.
#[must_use]
pub fn file_header(magic: [u8; 8], format: u32) -> [u8; SEGMENT_HEADER] {
    let mut bytes = [0; SEGMENT_HEADER];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&format.to_le_bytes());
    let check = checksum(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// Reads the first [`SEGMENT_HEADER`] bytes of a segment.
#[must_use]
pub fn parse_segment_header(bytes: &[u8]) -> SegmentHeader {
    match parse_file_header(SEGMENT_MAGIC, bytes) {
        None => SegmentHeader::Invalid,
        Some(FORMAT) => SegmentHeader::Valid,
        Some(format) => SegmentHeader::Newer(format),
    }
}

/// The format of a file that should begin with `magic`, from its first [`SEGMENT_HEADER`] bytes; `None` if these are no such header.
#[must_use]
pub fn parse_file_header(magic: [u8; 8], bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.get(..SEGMENT_HEADER)?;
    let format = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    (bytes == file_header(magic, format)).then_some(format)
}

/// The header of a frame, for a payload of at most [`MAX_PAYLOAD`] bytes that was not written under a lease.
#[must_use]
pub fn frame_header(kind: u8, schema: u16, id: Id, payload: &[u8]) -> [u8; FRAME_HEADER] {
    fenced_frame_header(kind, schema, id, 0, payload)
}

/// As [`frame_header`], for a record that was written under the lease with this fencing number.
#[must_use]
pub fn fenced_frame_header(kind: u8, schema: u16, id: Id, fence: u64, payload: &[u8]) -> [u8; FRAME_HEADER] {
    let mut bytes = [0; FRAME_HEADER];
    bytes[..4].copy_from_slice(&FRAME_MAGIC);
    bytes[4] = kind;
    bytes[6..8].copy_from_slice(&schema.to_le_bytes());
    bytes[8..24].copy_from_slice(&id.0);
    bytes[24..32].copy_from_slice(&fence.to_le_bytes());
    bytes[32..40].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes[40..48].copy_from_slice(&checksum(payload).to_le_bytes());
    let check = checksum(&bytes[..48]);
    bytes[48..].copy_from_slice(&check.to_le_bytes());
    bytes
}

/// Reads a frame's header; `None` if these bytes are not a whole, undamaged one.
#[must_use]
pub fn parse_frame_header(bytes: &[u8]) -> Option<FrameHeader> {
    let bytes = bytes.get(..FRAME_HEADER)?;
    if bytes[..4] != FRAME_MAGIC || number(&bytes[48..56]) != checksum(&bytes[..48]) {
        return None;
    }
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[8..24]);
    let header = FrameHeader {
        kind: bytes[4],
        schema: u16::from_le_bytes([bytes[6], bytes[7]]),
        id: Id(id),
        fence: number(&bytes[24..32]),
        length: number(&bytes[32..40]),
        payload_checksum: number(&bytes[40..48]),
    };
    (header.length <= MAX_PAYLOAD).then_some(header)
}

/// Eight little-endian bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_round_trip(kind: u8, schema: u16, id: [u8; 16], fence: u64, payload: Vec<u8>) {
            let bytes = fenced_frame_header(kind, schema, Id(id), fence, &payload);
            let expected = FrameHeader {
                kind, schema, id: Id(id), fence, length: payload.len() as u64, payload_checksum: checksum(&payload),
            };
            prop_assert_eq!(parse_frame_header(&bytes), Some(expected));
        }

        #[test]
        fn a_flipped_bit_or_a_missing_byte_is_no_header(payload: Vec<u8>, bit in 0..FRAME_HEADER * 8, length in 0..FRAME_HEADER) {
            let mut bytes = frame_header(1, 1, Id([7; 16]), &payload);
            prop_assert_eq!(parse_frame_header(&bytes[..length]), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(parse_frame_header(&bytes), None);
        }
    }

    #[test]
    fn the_format_is_pinned() {
        // A change here makes every store in the field unreadable: raise FORMAT and keep reading the old one.
        let header = frame_header(2, 1, Id([3; 16]), b"payload");
        let hex: String = header.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "f769708e020001000303030303030303030303030303030300000000000000000700000000000000ec90915fa26ab01218bb0fd1f3b2b3b4"
        );
        assert_eq!(parse_segment_header(&segment_header()), SegmentHeader::Valid);
    }

    #[test]
    fn segment_headers_tell_newer_from_damaged() {
        assert_eq!(parse_segment_header(&file_header(SEGMENT_MAGIC, 2)), SegmentHeader::Newer(2));
        for byte in 0..SEGMENT_HEADER {
            let mut bytes = segment_header();
            bytes[byte] ^= 1;
            assert_eq!(parse_segment_header(&bytes), SegmentHeader::Invalid, "byte {byte}");
            assert_eq!(parse_segment_header(&bytes[..byte]), SegmentHeader::Invalid);
        }
    }
}

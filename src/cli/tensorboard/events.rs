//! Event files of TensorBoard: curves as bytes. A file is a row of records, each framed by its length and two checksums (CRC-32C, masked);
//! a record is an `Event` of Protocol Buffers, of which we write the few fields that curves need.

/// One point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Which curve; slashes make groups.
    pub tag: String,
    /// Where on it, as an epoch.
    pub step: i64,
    /// Its value.
    pub value: f64,
}

/// The content of an event file; `seconds` since 1970 stands with every event.
#[must_use]
pub fn file(seconds: f64, scalars: &[Scalar]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut version = Message::default();
    version.double(1, seconds);
    version.bytes(3, b"brain.Event:2");
    record(&mut bytes, &version.0);
    for scalar in scalars {
        let (mut value, mut summary, mut event) = (Message::default(), Message::default(), Message::default());
        value.bytes(1, scalar.tag.as_bytes());
        value.float(2, scalar.value as f32);
        summary.bytes(1, &value.0);
        event.double(1, seconds);
        event.number(2, scalar.step.cast_unsigned());
        event.bytes(5, &summary.0);
        record(&mut bytes, &event.0);
    }
    bytes
}

/// Adds a framed record.
fn record(to: &mut Vec<u8>, content: &[u8]) {
    let length = (content.len() as u64).to_le_bytes();
    to.extend(length);
    to.extend(masked(crc32c(&length)).to_le_bytes());
    to.extend(content);
    to.extend(masked(crc32c(content)).to_le_bytes());
}

/// A checksum, changed so that a file which holds checksums has none by chance.
const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 of Castagnoli.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

/// A message of Protocol Buffers under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn an_event_has_the_bytes_that_protocol_buffers_say() {
        let bytes = file(0.0, &[Scalar { tag: "a".into(), step: 300, value: 0.5 }]);
        // Length 24, its checksum, then the version.
        assert_eq!(&bytes[..8], &24_u64.to_le_bytes());
        assert_eq!(&bytes[12..21], &[9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[21..36], b"\x1a\x0dbrain.Event:2");
        let second = &bytes[40..];
        let event = [&[9][..], &[0; 8], &[0x10, 0xac, 2, 0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0x3f]].concat();
        assert_eq!(&second[..8], &(event.len() as u64).to_le_bytes());
        assert_eq!(&second[12..12 + event.len()], event);
        assert_eq!(second.len(), 16 + event.len());
        let negative = file(0.0, &[Scalar { tag: String::new(), step: -1, value: 0.0 }]);
        assert!(negative.windows(11).any(|w| w == [0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]));
    }
}

//! The index at the end of a sealed segment: where every record stands, so that opening a store of millions reads no header of theirs.
//!
//! It is the payload of a frame of its own kind, the last of the segment, so a walk over frames steps over it, and a reader that finds it
//! missing or damaged walks. Numbers are little-endian.
//! ```text
//! records:  id[16]        offset u64  length u32  reserved u32     sorted by id
//! attempts: training[16]  offset u64  length u32  reserved u32     sorted by training, then offset
//! tail:     number of records u64  of attempts u64  offset of the footer's frame u64  magic[8]
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::frame::{FRAME_HEADER, MAX_PAYLOAD, checksum_of_many, frame_header, parse_frame_header};
use crate::grid::ids::Id;

/// Kind of the frame that holds a footer; records have the numbers of [`super::records::Kind`].
pub const FOOTER_KIND: u8 = 4;
/// Version of the footer's layout, in the place of a record's schema.
pub const FOOTER_SCHEMA: u16 = 1;

const MAGIC: [u8; 8] = *b"\x8Esealed\n";
const ENTRY: usize = 32;
const TAIL: usize = 32;
/// Ids are hashes, so their first bits share them out evenly.
const BUCKET_BITS: u32 = 16;
/// Bytes of a large footer that are read at once.
const PART: usize = 4 << 20;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The record's id.
    pub id: Id,
    /// Of its frame.
    pub offset: u64,
    /// Of its payload.
    pub length: u32,
    /// Of an attempt: the training that was attempted.
    pub attempted: Option<Id>,
}

/// The footer's frame for these records, to be written at byte `offset`; `None` if they are too many for one frame.
#[must_use]
pub fn footer(mut entries: Vec<Entry>, offset: u64) -> Option<Vec<u8>> {
    let n_attempts = entries.iter().filter(|entry| entry.attempted.is_some()).count();
    let length = (entries.len() + n_attempts) * ENTRY + TAIL;
    if length as u64 > MAX_PAYLOAD {
        return None;
    }
    let mut payload = Vec::with_capacity(length);
    let mut put = |key: Id, entry: &Entry| {
        payload.extend(key.0);
        payload.extend(entry.offset.to_le_bytes());
        payload.extend(entry.length.to_le_bytes());
        payload.extend([0; 4]);
    };
    entries.sort_unstable();
    entries.iter().for_each(|entry| put(entry.id, entry));
    let mut attempts: Vec<(Id, &Entry)> = entries.iter().filter_map(|entry| Some((entry.attempted?, entry))).collect();
    attempts.sort_unstable_by_key(|(training, entry)| (*training, entry.offset));
    attempts.iter().for_each(|(training, entry)| put(*training, entry));
    for number in [entries.len() as u64, n_attempts as u64, offset] {
        payload.extend(number.to_le_bytes());
    }
    payload.extend(MAGIC);
    let header = frame_header(FOOTER_KIND, FOOTER_SCHEMA, Id([0; 16]), &payload);
    Some([&header[..], &payload].concat())
}

/// What the end of a segment says.
#[derive(Debug)]
pub enum Found {
    /// It is not sealed.
    Nothing,
    /// It was sealed, and its footer does not check; where that begins, as far as it tells.
    Damaged(u64),
    /// It is sealed.
    Whole(Footer),
}

/// The footer of a sealed segment, in memory as it is on disk.
#[derive(Debug)]
pub struct Footer {
    bytes: Vec<u8>,
    records: usize,
    attempts: usize,
    /// First record of every bucket, and the end of the last.
    buckets: Vec<u32>,
}

impl Footer {
    /// Looks for a footer at the end of a segment.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(file: &File) -> io::Result<Found> {
        let end = file.metadata()?.len();
        let mut tail = [0; TAIL];
        if end < (FRAME_HEADER + TAIL) as u64 {
            return Ok(Found::Nothing);
        }
        file.read_exact_at(&mut tail, end - TAIL as u64)?;
        if tail[24..] != MAGIC {
            return Ok(Found::Nothing);
        }
        let [records, attempts, offset] = [0, 8, 16].map(|at| number(&tail[at..at + 8]));
        let length =
            records.checked_add(attempts).and_then(|n| n.checked_mul(ENTRY as u64)).map(|n| n.saturating_add(TAIL as u64));
        let fits = |length: u64| length <= MAX_PAYLOAD && offset.checked_add(FRAME_HEADER as u64 + length) == Some(end);
        let Some(length) = length.filter(|&length| fits(length)) else { return Ok(Found::Damaged(end - TAIL as u64)) };
        let mut header = [0; FRAME_HEADER];
        file.read_exact_at(&mut header, offset)?;
        // No more than MAX_PAYLOAD.
        let mut bytes = vec![0; length as usize];
        let parts = bytes.par_chunks_mut(PART).enumerate();
        parts.map(|(n, part)| file.read_exact_at(part, offset + (FRAME_HEADER + n * PART) as u64)).collect::<io::Result<()>>()?;
        let whole = parse_frame_header(&header).is_some_and(|header| {
            (header.kind, header.schema, header.length) == (FOOTER_KIND, FOOTER_SCHEMA, length)
                && header.payload_checksum == checksum_of_many(&bytes)
        });
        if !whole {
            return Ok(Found::Damaged(offset));
        }
        let mut footer = Self { bytes, records: records as usize, attempts: attempts as usize, buckets: Vec::new() };
        footer.buckets = footer.fill_buckets();
        Ok(Found::Whole(footer))
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records
    }

    /// Offset and length of a record's frame.
    #[must_use]
    pub fn find(&self, id: Id) -> Option<(u64, u32)> {
        let bucket = bucket(&id.0);
        let (low, high) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        // Within a bucket, too, ids lie evenly: what is looked for stands near its share of the way. Each step is a miss of the cache.
        let share = id.first_bits() << BUCKET_BITS >> 32;
        let mut at = low + (((high - low) as u64 * share) >> 32) as usize;
        while at > low && self.key(at - 1) >= &id.0[..] {
            at -= 1;
        }
        while at < high && self.key(at) < &id.0[..] {
            at += 1;
        }
        (at < high && self.key(at) == &id.0[..]).then(|| self.place(at))
    }

    /// The training of every attempt, in their order.
    pub fn attempted(&self) -> impl Iterator<Item = Id> {
        (self.records..self.records + self.attempts).map(|n| {
            let mut id = Id([0; 16]);
            id.0.copy_from_slice(self.key(n));
            id
        })
    }

    /// Offsets and lengths of the attempts at a training.
    pub fn attempts(&self, training: Id) -> impl Iterator<Item = (u64, u32)> {
        let (mut low, mut high) = (self.records, self.records + self.attempts);
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < &training.0[..] { low = middle + 1 } else { high = middle }
        }
        let is_its = move |&n: &usize| self.key(n) == &training.0[..];
        (low..self.records + self.attempts).take_while(is_its).map(|n| self.place(n))
    }

    fn key(&self, n: usize) -> &[u8] {
        &self.bytes[n * ENTRY..n * ENTRY + 16]
    }

    fn place(&self, n: usize) -> (u64, u32) {
        let entry = &self.bytes[n * ENTRY..(n + 1) * ENTRY];
        // Four bytes are below 2^32.
        (number(&entry[16..24]), number(&entry[24..28]) as u32)
    }

    fn fill_buckets(&self) -> Vec<u32> {
        let mut starts = Vec::with_capacity((1 << BUCKET_BITS) + 1);
        for n in 0..self.records {
            // At most MAX_PAYLOAD / ENTRY records.
            starts.resize(starts.len().max(bucket(self.key(n)) + 1), n as u32);
        }
        starts.resize((1 << BUCKET_BITS) + 1, self.records as u32);
        starts
    }
}

fn bucket(key: &[u8]) -> usize {
    usize::from(key[0]) << 8 | usize::from(key[1])
}

/// Little-endian bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn footer_of(entries: &[Entry], before: &[u8]) -> (tempfile::NamedTempFile, Vec<u8>) {
        let bytes = [before, &footer(entries.to_vec(), before.len() as u64).unwrap()].concat();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    proptest! {
        #[test]
        fn every_record_and_attempt_is_found_and_no_other(
            ids in proptest::collection::btree_map(any::<[u8; 2]>(), (any::<u64>(), any::<u32>(), proptest::option::of(0..3_u8)), 0..60),
            absent: [u8; 2],
        ) {
            let id = |key: &[u8; 2]| Id(std::array::from_fn(|n| key[n % 2]));
            let entries: Vec<Entry> = ids.iter()
                .map(|(key, &(offset, length, of))| Entry { id: id(key), offset, length, attempted: of.map(|n| Id([n; 16])) })
                .collect();
            let (file, _) = footer_of(&entries, b"before");
            let Found::Whole(footer) = Footer::read(file.as_file()).unwrap() else { panic!("a footer") };
            prop_assert_eq!(footer.len(), entries.len());
            for entry in &entries {
                prop_assert_eq!(footer.find(entry.id), Some((entry.offset, entry.length)));
            }
            prop_assert_eq!(footer.find(id(&absent)).is_some(), ids.contains_key(&absent));
            let mut by_training: BTreeMap<u8, Vec<(u64, u32)>> = (0..4).map(|n| (n, vec![])).collect();
            for &(offset, length, of) in ids.values() {
                of.into_iter().for_each(|n| by_training.get_mut(&n).unwrap().push((offset, length)));
            }
            for (n, mut expected) in by_training {
                let mut found: Vec<_> = footer.attempts(Id([n; 16])).collect();
                expected.sort_unstable();
                found.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_never_a_footer_and_a_cut_is_none() {
        let entries = [1, 2].map(|n| Entry { id: Id([n; 16]), offset: 24, length: 7, attempted: None });
        let (file, bytes) = footer_of(&entries, &[9; 30]);
        assert!(matches!(Footer::read(file.as_file()).unwrap(), Found::Whole(_)));
        for byte in 30..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 1 << (byte % 8);
            std::fs::write(file.path(), &flipped).unwrap();
            assert!(!matches!(Footer::read(file.as_file()).unwrap(), Found::Whole(_)), "byte {byte}");
            std::fs::write(file.path(), &bytes[..byte]).unwrap();
            assert!(matches!(Footer::read(file.as_file()).unwrap(), Found::Nothing), "cut at {byte}");
        }
    }
}

//! `.npz`, NumPy's archive of arrays: a ZIP file, its members stored or deflated. Read by hand: libraries for ZIP make room for as many
//! members as a damaged directory announces.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::numbers::{Numbers, examples};
use super::{Limit, Part, Read, Unreadable, npy};

/// Members of an archive at most.
const MOST_MEMBERS: usize = 10_000;
/// Names that an error lists.
const SHOWN: usize = 20;

/// An archive, to be read from.
pub struct Archive<'a> {
    bytes: &'a [u8],
    members: Vec<Member>,
    /// Bytes that may still be unpacked.
    left: usize,
    limit: Limit,
}

/// A member, as the directory has it.
struct Member {
    name: String,
    /// 0 is stored, 8 deflated.
    method: u16,
    checksum: u32,
    /// Bytes when unpacked.
    size: usize,
    /// Where its content lies in the archive.
    content: Range<usize>,
}

fn damaged(found: &str) -> Unreadable {
    Unreadable::new(found, "an .npz archive, as numpy.savez writes")
}

/// Two bytes as a number.
fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes as a number.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Archive<'a> {
    /// Opens an archive in memory.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none.
    pub fn open(bytes: &'a [u8], limit: Limit) -> Read<Self> {
        // The end of the directory stands at the end, behind it at most a comment of 64 KiB.
        let from = bytes.len().saturating_sub(22 + usize::from(u16::MAX));
        let end = bytes[from..].windows(4).rposition(|window| window == b"PK\x05\x06").map(|at| from + at);
        let end = end.ok_or_else(|| damaged("no directory at the end"))?;
        let counted = short(bytes, end + 10).zip(long(bytes, end + 16));
        let (count, mut at) =
            counted.map(|(n, at)| (usize::from(n), at as usize)).ok_or_else(|| damaged("a directory that is cut off"))?;
        if at == u32::MAX as usize || count > MOST_MEMBERS {
            return Err(Unreadable::new("a large archive", format!("at most {MOST_MEMBERS} arrays and 4 GiB")));
        }
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, next) = member(bytes, at).ok_or_else(|| damaged("a directory that is damaged"))?;
            members.push(member);
            at = next;
        }
        Ok(Self { bytes, members, left: limit.0, limit })
    }

    /// The array of a name, with or without `.npy`.
    fn array(&mut self, name: &str) -> Read<Numbers<'a>> {
        let full = format!("{name}.npy");
        let Some(member) = self.members.iter().find(|member| member.name == full || member.name == name) else {
            let mut names: Vec<&str> = self.members.iter().map(|member| member.name.trim_end_matches(".npy")).collect();
            names.sort_unstable();
            names.truncate(SHOWN);
            return Err(Unreadable::new(format!("no array `{name}`"), format!("one of {}", names.join(", "))));
        };
        let content = &self.bytes[member.content.clone()];
        let of_array = |error: Unreadable| Unreadable::new(format!("array `{name}`: {}", error.found), error.expected);
        let values = match member.method {
            0 => Cow::Borrowed(content),
            8 if member.size > self.left => {
                return Err(of_array(Unreadable::new(format!("{} bytes", member.size), format!("at most {}", self.left))));
            }
            8 => {
                let mut values = Vec::new();
                let read = DeflateDecoder::new(content).take(member.size as u64 + 1).read_to_end(&mut values);
                read.map_err(|e| of_array(damaged(&e.to_string())))?;
                self.left -= member.size;
                Cow::Owned(values)
            }
            method => return Err(of_array(damaged(&format!("packed by method {method}")))),
        };
        let mut checksum = Crc::new();
        checksum.update(&values);
        if values.len() != member.size || checksum.sum() != member.checksum {
            return Err(of_array(damaged("another size or checksum than the directory says")));
        }
        npy::array(values).map_err(of_array)
    }

    /// Examples from two arrays of it.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn examples(&mut self, inputs: &str, labels: &str) -> Read<Part> {
        let (inputs, labels) = (self.array(inputs)?, self.array(labels)?);
        examples(&inputs, &labels, self.limit)
    }
}

/// The member whose entry in the directory stands there, and where the next begins.
fn member(bytes: &[u8], at: usize) -> Option<(Member, usize)> {
    let entry = bytes.get(at..)?;
    let is_encrypted = short(entry, 8)? & 1 == 1;
    let (packed, size) = (long(entry, 20)? as usize, long(entry, 24)? as usize);
    let lengths = [short(entry, 28)?, short(entry, 30)?, short(entry, 32)?].map(usize::from);
    let name = String::from_utf8_lossy(entry.get(46..46 + lengths[0])?).into_owned();
    // The member has a header of its own, whose name and extra fields may be of other lengths.
    let own = long(entry, 42)? as usize;
    let header = bytes.get(own..)?;
    let start = own + 30 + usize::from(short(header, 26)?) + usize::from(short(header, 28)?);
    let content = start..start.checked_add(packed)?;
    let is_whole = entry.starts_with(b"PK\x01\x02") && header.starts_with(b"PK\x03\x04") && bytes.get(content.clone()).is_some();
    let member = Member { name, method: short(entry, 10)?, checksum: long(entry, 16)?, size, content };
    (is_whole && !is_encrypted).then_some((member, at + 46 + lengths.iter().sum::<usize>()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ndarray::{Array1, Array2, array};
    use ndarray_npy::NpzWriter;

    use super::*;

    fn archive(packed: bool) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = if packed { NpzWriter::new_compressed(&mut bytes) } else { NpzWriter::new(&mut bytes) };
        writer.add_array("x", &array![[1.0_f32, 2.0], [3.0, 4.0]]).unwrap();
        writer.add_array("y", &array![4_i32, 2]).unwrap();
        writer.add_array("zeros", &Array2::<f64>::zeros((1000, 100))).unwrap();
        writer.add_array("many", &Array1::<u8>::zeros(1000)).unwrap();
        writer.finish().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn arrays_are_found_by_name() {
        let read = |bytes: &[u8]| Archive::open(bytes, Limit(1 << 16))?.examples("x", "y");
        assert_eq!(read(&archive(false)).unwrap(), read(&archive(true)).unwrap());
        assert_eq!(read(&archive(true)).unwrap().into_sheet(None).unwrap().labels, [1, 0]);
        let with_comment = [archive(true), b"PK".to_vec()].concat();
        assert_eq!(read(&with_comment).unwrap(), read(&archive(true)).unwrap());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let bytes = archive(true);
        assert!(bytes.len() < 10_000);
        let error = |x: &str, y: &str| Archive::open(&bytes, Limit(1 << 16)).unwrap().examples(x, y).unwrap_err().to_string();
        assert!(error("a", "y").contains("no array `a`; expected one of many, x, y, zeros"));
        assert!(
            error("zeros", "many").contains("array `zeros`: 800128 bytes; expected at most 65536"),
            "{}",
            error("zeros", "many")
        );
        assert!(error("x", "many").contains("a label for every example"));
        let of = |bytes: &[u8]| {
            Archive::open(bytes, Limit(1 << 16)).and_then(|mut archive| archive.examples("x", "y")).unwrap_err().to_string()
        };
        assert!(of(b"PK\x03\x04").contains("no directory"));
        assert!(of(&bytes[10..]).contains("damaged"));
        let mut flipped = archive(false);
        let place = flipped.windows(4).position(|four| four == 2.0_f32.to_le_bytes()).unwrap();
        flipped[place] ^= 1;
        assert!(of(&flipped).contains("array `x`: another size or checksum"));
    }
}

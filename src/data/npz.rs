//! `.npz`, NumPy's archive of arrays: a ZIP file, its members stored or deflated. Read by hand: libraries for ZIP make room for as many
//! members as a damaged directory announces.

use std::borrow::Cow;
use std::io::{self, BufReader, Cursor, Read as _, Seek, SeekFrom, Take};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::numbers::{Numbers, examples};
use super::{Limit, Part, Read, Unreadable, npy};

/// Members of an archive at most.
const MOST_MEMBERS: u64 = 10_000;
/// Names that an error lists.
const SHOWN: usize = 20;
/// What stands at the end of an archive, and behind it a comment; before it, in a large archive, where the large directory's end is.
const END: u64 = 22 + u16::MAX as u64 + LOCATOR as u64;
const LOCATOR: usize = 20;
/// A byte becomes no more than so many when it is unpacked.
const MOST_UNPACKED: u64 = 1040;

/// The members of an archive, which is read where it lies: a file, or bytes in memory.
pub struct Directory {
    members: Vec<Member>,
}

/// A member, as the directory has it.
struct Member {
    name: String,
    /// 0 is stored, 8 deflated.
    method: u16,
    checksum: u32,
    /// Bytes in the archive.
    packed: u64,
    /// Bytes when unpacked.
    size: u64,
    /// Where its own header stands.
    header: u64,
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

/// Eight bytes as a number.
fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// So many bytes from a place on; nothing where there are fewer.
fn bytes_at(file: &mut (impl io::Read + Seek), at: u64, count: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut bytes = Vec::new();
    file.by_ref().take(count).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == count).then_some(bytes)
}

impl Directory {
    /// Reads the directory of an archive, and holds no more than that.
    ///
    /// # Errors
    /// [`Unreadable`] if it has none.
    pub fn read(file: &mut (impl io::Read + Seek)) -> Read<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(|e| damaged(&e.to_string()))?;
        let from = length.saturating_sub(END);
        let tail = bytes_at(file, from, length - from).ok_or_else(|| damaged("an end that cannot be read"))?;
        let end =
            tail.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or_else(|| damaged("no directory at the end"))?;
        let (count, at) = place(file, &tail, end).ok_or_else(|| damaged("a directory that is cut off"))?;
        if count > MOST_MEMBERS {
            return Err(Unreadable::new(format!("{count} arrays"), format!("at most {MOST_MEMBERS}")));
        }
        let wrong = || damaged("a directory that is damaged");
        file.seek(SeekFrom::Start(at)).map_err(|_| wrong())?;
        let mut entries = BufReader::new(file.take(length.saturating_sub(at)));
        let members = (0..count).map(|_| member(&mut entries).ok_or_else(wrong)).collect::<Read<_>>()?;
        Ok(Self { members })
    }

    /// Names of the arrays, without `.npy`, in the order of the archive.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|member| member.name.strip_suffix(".npy"))
    }

    /// The member of a name, with or without `.npy`.
    fn find(&self, name: &str) -> Read<&Member> {
        let is_it = |member: &&Member| member.name == name || member.name.strip_suffix(".npy") == Some(name);
        self.members.iter().find(is_it).ok_or_else(|| {
            let mut names: Vec<&str> = self.members.iter().map(|member| member.name.trim_end_matches(".npy")).collect();
            names.sort_unstable();
            names.truncate(SHOWN);
            Unreadable::new(format!("no array `{name}`"), format!("one of {}", names.join(", ")))
        })
    }

    /// The content of the member of a name, to be read in order. Its last bytes are followed by an error if they are not what the
    /// directory says.
    ///
    /// # Errors
    /// [`Unreadable`] if there is none, or it cannot be unpacked.
    pub fn open<'f, F: io::Read + Seek>(&self, file: &'f mut F, name: &str) -> Read<Content<&'f mut F>> {
        let member = self.find(name)?;
        let start = member.start(file).ok_or_else(|| damaged("a member that is damaged"))?;
        file.seek(SeekFrom::Start(start)).map_err(|e| damaged(&e.to_string()))?;
        let packed = file.take(member.packed);
        let from = match member.method {
            0 => Unpack::Stored(packed),
            8 if member.size <= member.packed.saturating_mul(MOST_UNPACKED) => Unpack::Deflated(DeflateDecoder::new(packed)),
            8 => return Err(damaged(&format!("{} bytes packed into {}", member.size, member.packed))),
            method => return Err(damaged(&format!("packed by method {method}"))),
        };
        Ok(Content { from, left: member.size, checksum: Crc::new(), expected: member.checksum })
    }
}

impl Member {
    /// Where the content begins: behind a header of its own, whose name and extra fields may be of other lengths.
    fn start(&self, file: &mut (impl io::Read + Seek)) -> Option<u64> {
        let header = bytes_at(file, self.header, 30)?;
        let lengths = u64::from(short(&header, 26)?) + u64::from(short(&header, 28)?);
        header.starts_with(b"PK\x03\x04").then_some(self.header + 30 + lengths)
    }
}

/// Number of entries and place of the directory, which the end tells, or the large end for which a small one has no room.
fn place(file: &mut (impl io::Read + Seek), tail: &[u8], end: usize) -> Option<(u64, u64)> {
    let (count, at) = (short(tail, end + 10)?, long(tail, end + 16)?);
    if count != u16::MAX && at != u32::MAX {
        return Some((count.into(), at.into()));
    }
    let locator = tail.get(end.checked_sub(LOCATOR)?..end)?;
    let large = bytes_at(file, wide(locator, 8)?, 56)?;
    let is_large = locator.starts_with(b"PK\x06\x07") && large.starts_with(b"PK\x06\x06");
    is_large.then_some((wide(&large, 32)?, wide(&large, 48)?))
}

/// The member of the next entry of a directory.
fn member(entries: &mut impl io::Read) -> Option<Member> {
    let mut entry = [0; 46];
    entries.read_exact(&mut entry).ok()?;
    let lengths = [short(&entry, 28)?, short(&entry, 30)?, short(&entry, 32)?].map(usize::from);
    let mut rest = vec![0; lengths.iter().sum()];
    entries.read_exact(&mut rest).ok()?;
    let (name, extra) = rest[..lengths[0] + lengths[1]].split_at(lengths[0]);
    // Numbers that do not fit stand among the extra fields, in this order.
    let mut large = large_numbers(extra).chunks_exact(8).filter_map(|number| wide(number, 0));
    let mut number = |at| match long(&entry, at)? {
        u32::MAX => large.next(),
        number => Some(number.into()),
    };
    let (size, packed, header) = (number(24)?, number(20)?, number(42)?);
    let is_encrypted = short(&entry, 8)? & 1 == 1;
    let member = Member {
        name: String::from_utf8_lossy(name).into_owned(),
        method: short(&entry, 10)?,
        checksum: long(&entry, 16)?,
        packed,
        size,
        header,
    };
    (entry.starts_with(b"PK\x01\x02") && !is_encrypted).then_some(member)
}

/// What the extra field of large numbers holds; nothing where there is none.
fn large_numbers(mut extra: &[u8]) -> &[u8] {
    while let (Some(kind), Some(length)) = (short(extra, 0), short(extra, 2)) {
        let (field, rest) = extra[4..].split_at_checked(length.into()).unwrap_or_default();
        if kind == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// The content of a member, unpacked while it is read.
pub struct Content<F> {
    from: Unpack<Take<F>>,
    left: u64,
    checksum: Crc,
    expected: u32,
}

enum Unpack<R> {
    Stored(R),
    Deflated(DeflateDecoder<R>),
}

impl<F> Content<F> {
    /// Bytes that are yet to be read.
    pub const fn left(&self) -> u64 {
        self.left
    }
}

impl<F: io::Read> io::Read for Content<F> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.from {
            Unpack::Stored(from) => from.read(to)?,
            Unpack::Deflated(from) => from.read(to)?,
        };
        self.checksum.update(&to[..count]);
        let left = self.left.checked_sub(count as u64);
        let is_end = count == 0 && !to.is_empty();
        match left.filter(|left| !is_end || (*left == 0 && self.checksum.sum() == self.expected)) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("another size or checksum than the directory says")),
        }
        Ok(count)
    }
}

/// An archive in memory.
pub struct Archive<'a> {
    bytes: &'a [u8],
    directory: Directory,
    /// Bytes that may still be unpacked.
    left: usize,
    limit: Limit,
}

impl<'a> Archive<'a> {
    /// Opens an archive in memory.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none.
    pub fn open(bytes: &'a [u8], limit: Limit) -> Read<Self> {
        Ok(Self { bytes, directory: Directory::read(&mut Cursor::new(bytes))?, left: limit.0, limit })
    }

    /// The array of a name, with or without `.npy`.
    fn array(&mut self, name: &str) -> Read<Numbers<'a>> {
        let of_array = |error: Unreadable| Unreadable::new(format!("array `{name}`: {}", error.found), error.expected);
        let member = self.directory.find(name)?;
        let mut file = Cursor::new(self.bytes);
        let mut content = self.directory.open(&mut file, name).map_err(of_array)?;
        let size = usize::try_from(member.size).unwrap_or(usize::MAX);
        let is_packed = member.method != 0;
        if is_packed && size > self.left {
            return Err(of_array(Unreadable::new(format!("{size} bytes"), format!("at most {}", self.left))));
        }
        let mut values = Vec::new();
        // What is stored is read through for its checksum, and then taken where it lies.
        let read = if is_packed { content.read_to_end(&mut values) } else { io::copy(&mut content, &mut io::sink()).map(|_| 0) };
        drop(content);
        read.map_err(|e| of_array(damaged(&e.to_string())))?;
        if is_packed {
            self.left -= size;
            return npy::array(Cow::Owned(values)).map_err(of_array);
        }
        let end = file.position() as usize;
        npy::array(Cow::Borrowed(&self.bytes[end - size..end])).map_err(of_array)
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

    /// An archive of one stored member, written as if it were too large for numbers of four bytes.
    fn large(name: &str, content: &[u8]) -> Vec<u8> {
        let mut checksum = Crc::new();
        checksum.update(content);
        let start = |signature: &[u8]| [b"PK", signature, &[45, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        let sum = checksum.sum().to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        let (none, large) = ([0xff; 4], (content.len() as u64).to_le_bytes());
        let own = [&start(&[3, 4])[..], &sum, &none, &none, &length, &[0, 0], name.as_bytes()].concat();
        let mut bytes = [&own[..], content].concat();
        let directory = (bytes.len() as u64).to_le_bytes();
        // Sizes and place among the extra fields, behind another field.
        let extra = [&[9, 9, 2, 0, 7, 7, 1, 0, 24, 0][..], &large, &large, &[0; 8]].concat();
        let entry = [&[b'P', b'K', 1, 2, 45, 0][..], &start(&[3, 4])[4..]].concat();
        bytes.extend([&entry[..], &sum, &none, &none, &length, &(extra.len() as u16).to_le_bytes(), &[0; 10], &none].concat());
        bytes.extend([name.as_bytes(), &extra].concat());
        let end = (bytes.len() as u64).to_le_bytes();
        let one = 1_u64.to_le_bytes();
        bytes.extend(
            [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[45, 0, 45, 0], &[0; 8], &one, &one, &[0; 8], &directory].concat(),
        );
        bytes.extend([b"PK\x06\x07", &[0; 4][..], &end, &[1, 0, 0, 0]].concat());
        bytes.extend([b"PK\x05\x06", &[0; 4][..], &[0xff; 12], &[0; 2]].concat());
        bytes
    }

    #[test]
    fn large_archives_have_large_numbers() {
        let bytes = large("x.npy", b"some bytes");
        let mut file = Cursor::new(&bytes);
        let directory = Directory::read(&mut file).unwrap();
        assert_eq!(directory.names().collect::<Vec<_>>(), ["x"]);
        let mut content = String::new();
        directory.open(&mut file, "x").unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "some bytes");
        let without_locator = [&bytes[..bytes.len() - 42], &bytes[bytes.len() - 22..]].concat();
        assert!(Directory::read(&mut Cursor::new(without_locator)).is_err());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let mut bytes = archive(true);
        let entry = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[entry + 24..entry + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        let mut file = Cursor::new(&bytes);
        let directory = Directory::read(&mut file).unwrap();
        let error = directory.open(&mut file, "x").err().unwrap().to_string();
        assert!(error.contains("2147483647 bytes packed into"), "{error}");
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

//! An archive: records and cohort files in one file, to be carried to another store.
//!
//! ```text
//! header, 24 bytes: magic[8]  format u32  reserved u32  checksum of the 16 bytes before u64
//! frames, as in a segment: records, and cohort files (kind 0xC0, postcard of name and text)
//! last frame: kind 0xCE, the number of frames before it as u64
//! ```
//! Unlike a segment an archive is whole or it is refused: whoever carries a file can carry it again.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::disk::{Disk, DiskFile, OsDisk, TEMPORARY, create_held};
use super::error::StoreError;
use super::frame::{FRAME_HEADER, SEGMENT_HEADER, checksum, file_header, frame_header, parse_file_header, parse_frame_header};
use super::records::{Kind, Record};
use crate::grid::ids::Id;

/// Version of the archive's format.
const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"\x8Einfoa\r\n";
const COHORT: u8 = 0xC0;
const END: u8 = 0xCE;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A cohort's file.
    Cohort {
        /// The cohort's name.
        name: String,
        /// The text of its file.
        text: String,
    },
    /// A record.
    Record(Record),
}

/// An archive could not be written or read.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as "cannot …".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not an archive of infoplane: expected a file that `infoplane export` wrote", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is of a later version of the program.
    #[error("{} was written by a newer infoplane ({what} {found}, this one knows up to {supported}): import it with that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What has the version.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version that is known here.
        supported: u32,
    },
    /// A part does not check.
    #[error("{} is damaged at byte {offset}: {what}; carry it over again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// A record could not be read from a store or kept in one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes an archive: it appears under its name when it is whole.
#[derive(Debug)]
pub struct ArchiveWriter {
    path: PathBuf,
    temporary: PathBuf,
    disk: Box<dyn Disk>,
    file: BufWriter<Box<dyn DiskFile>>,
    bytes: u64,
    frames: u64,
}

impl ArchiveWriter {
    /// Begins an archive at `path`; an older file there stays until [`ArchiveWriter::finish`].
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn create(path: &Path) -> Result<Self, ArchiveError> {
        Self::create_on(Box::new(OsDisk), path)
    }

    /// As [`ArchiveWriter::create`], on a given disk.
    fn create_on(disk: Box<dyn Disk>, path: &Path) -> Result<Self, ArchiveError> {
        // Held for as long as it is open, so that `gc` leaves it alone where there are locks.
        let (temporary, file) = create_held(&*disk, dir_of(path), ".", TEMPORARY).map_err(|source| ArchiveError::Io {
            action: "create",
            path: path.to_owned(),
            source,
        })?;
        let file = BufWriter::new(file);
        let mut archive = Self { path: path.to_owned(), temporary, disk, file, bytes: 0, frames: 0 };
        archive.put(&file_header(MAGIC, FORMAT))?;
        Ok(archive)
    }

    /// Adds a cohort's file.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn cohort(&mut self, name: &str, text: &str) -> Result<(), ArchiveError> {
        let id = Id::fresh(name);
        let payload = postcard::to_stdvec(&(name, text)).map_err(|source| StoreError::Encode { id, source })?;
        self.frame(COHORT, 1, id, &payload)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; [`ArchiveError::Store`] if the record cannot be encoded.
    pub fn record(&mut self, record: &Record) -> Result<(), ArchiveError> {
        let payload = record.encode()?;
        self.frame(record.kind().code(), record.kind().schema(), record.id(), &payload)
    }

    /// Ends the archive and gives it its name; its size in bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; what stood under the name stays.
    pub fn finish(mut self) -> Result<u64, ArchiveError> {
        let frames = self.frames;
        self.frame(END, 1, Id([0; 16]), &frames.to_le_bytes())?;
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(|source| self.failed("write", source))?;
        let named = self.disk.rename(&self.temporary, &self.path);
        named.map_err(|source| self.failed("rename a temporary file to", source))?;
        self.disk.sync_dir(dir_of(&self.path)).map_err(|source| self.failed("make durable the name of", source))?;
        Ok(self.bytes)
    }

    fn frame(&mut self, kind: u8, schema: u16, id: Id, payload: &[u8]) -> Result<(), ArchiveError> {
        self.put(&frame_header(kind, schema, id, payload))?;
        self.put(payload)?;
        self.frames += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| self.failed("write", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> ArchiveError {
        ArchiveError::Io { action, path: self.path.clone(), source }
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        // Gone after `finish`; else it is only room.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// The directory of a file.
fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."))
}

/// Gives every entry of the archive at `path` to `each`, in order. Whether the archive is whole is known at its end only: walk it once for
/// that before anything is kept.
///
/// # Errors
/// [`ArchiveError`], and what `each` returns.
pub fn read_archive<E: From<ArchiveError>>(path: &Path, mut each: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
    let mut reader = Reader::open(path)?;
    let mut frames = 0_u64;
    while let Some((kind, schema, payload)) = reader.frame(frames)? {
        each(reader.entry(kind, schema, &payload)?)?;
        frames += 1;
    }
    Ok(())
}

struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    /// Of the frame read last.
    offset: u64,
    next: u64,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, ArchiveError> {
        let path = path.to_owned();
        let file = File::open(&path).map_err(|source| ArchiveError::Io { action: "open", path: path.clone(), source })?;
        let mut reader = Self { path, file: BufReader::new(file), offset: 0, next: 0 };
        let bytes = reader.take(SEGMENT_HEADER)?;
        match bytes.and_then(|bytes| parse_file_header(MAGIC, &bytes)) {
            None => Err(reader.foreign()),
            Some(FORMAT) => Ok(reader),
            Some(found) => Err(ArchiveError::Newer { path: reader.path, what: "format", found, supported: FORMAT }),
        }
    }

    /// The next so many bytes, or `None` if there are fewer.
    fn take(&mut self, wanted: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(wanted as u64).read_to_end(&mut bytes);
        read.map_err(|source| ArchiveError::Io { action: "read", path: self.path.clone(), source })?;
        self.next += bytes.len() as u64;
        Ok((bytes.len() == wanted).then_some(bytes))
    }

    /// Kind and payload of the next frame; `None` at the end, which must come after so many `frames`.
    fn frame(&mut self, frames: u64) -> Result<Option<(u8, u16, Vec<u8>)>, ArchiveError> {
        self.offset = self.next;
        let Some(bytes) = self.take(FRAME_HEADER)? else { return Err(self.damaged("it ends early")) };
        let Some(header) = parse_frame_header(&bytes) else { return Err(self.damaged("no frame begins here")) };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(payload) = self.take(length)? else { return Err(self.damaged("it ends early")) };
        if checksum(&payload) != header.payload_checksum {
            return Err(self.damaged("the checksum does not fit"));
        }
        let supported = match (header.kind, Kind::of_code(header.kind)) {
            (COHORT | END, _) => 1,
            (_, Some(kind)) => kind.schema(),
            (code, None) => {
                let (path, supported) = (self.path.clone(), Kind::NEWEST.code().into());
                return Err(ArchiveError::Newer { path, what: "record kind", found: code.into(), supported });
            }
        };
        if header.schema > supported {
            let (found, supported) = (header.schema.into(), supported.into());
            return Err(ArchiveError::Newer { path: self.path.clone(), what: "record schema", found, supported });
        }
        if header.kind != END {
            return Ok(Some((header.kind, header.schema, payload)));
        }
        if payload != frames.to_le_bytes() {
            return Err(self.damaged("frames are missing"));
        }
        if self.take(1)?.is_some() {
            return Err(self.damaged("bytes behind its end"));
        }
        Ok(None)
    }

    fn entry(&self, kind: u8, schema: u16, payload: &[u8]) -> Result<Entry, ArchiveError> {
        let undecoded = |_| self.damaged("a frame that cannot be decoded");
        if let Some(kind) = Kind::of_code(kind) {
            return Record::decode(kind, schema, payload).map(Entry::Record).map_err(undecoded);
        }
        let (name, text) = postcard::from_bytes(payload).map_err(undecoded)?;
        Ok(Entry::Cohort { name, text })
    }

    fn damaged(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), offset: self.offset, what }
    }

    fn foreign(&self) -> ArchiveError {
        ArchiveError::Foreign { path: self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::records::samples::{record, small};
    use super::*;

    fn write(path: &Path, records: &[Record]) {
        let mut archive = ArchiveWriter::create(path).unwrap();
        archive.cohort("c", "name = \"c\"\n").unwrap();
        records.iter().for_each(|record| archive.record(record).unwrap());
        let size = archive.finish().unwrap();
        assert_eq!(size, fs::metadata(path).unwrap().len());
    }

    fn read(path: &Path) -> Result<Vec<Entry>, ArchiveError> {
        let mut entries = Vec::new();
        read_archive(path, |entry| {
            entries.push(entry);
            Ok(())
        })
        .map(|()| entries)
    }

    proptest! {
        #[test]
        fn archives_round_trip(records in proptest::collection::vec(record(), 0..5)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a");
            write(&path, &records);
            let cohort = Entry::Cohort { name: "c".into(), text: "name = \"c\"\n".into() };
            let expected: Vec<Entry> = [cohort].into_iter().chain(records.into_iter().map(Entry::Record)).collect();
            prop_assert_eq!(read(&path).unwrap(), expected);
            prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_cut_or_a_flipped_bit_anywhere_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, &[small(1), small(3)]);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(read(&path).is_err(), "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, ArchiveError::Damaged { .. } | ArchiveError::Foreign { .. }), "byte {at}: {error}");
        }
        fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("behind its end"));
    }

    #[test]
    fn what_is_newer_or_something_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, file_header(MAGIC, 2)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("newer infoplane (format 2"));
        let frame = frame_header(9, 1, Id([1; 16]), b"");
        fs::write(&path, [&file_header(MAGIC, 1)[..], &frame].concat()).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("record kind 9"));
        fs::write(&path, "experiment,run\n").unwrap();
        assert!(matches!(read(&path), Err(ArchiveError::Foreign { .. })));
        assert!(matches!(read(&dir.path().join("b")), Err(ArchiveError::Io { .. })));
    }

    #[test]
    fn whatever_fails_the_old_file_or_the_new_is_there_and_success_is_durable() {
        use super::super::disk::faulty::FaultyDisk;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for fail_at in 0..=5 {
            fs::write(&path, "old").unwrap();
            let archive = ArchiveWriter::create_on(Box::new(FaultyDisk::once(fail_at)), &path);
            let finished = archive.and_then(|mut archive| {
                archive.record(&small(1))?;
                archive.finish()
            });
            // Create, write, sync, rename, sync of the directory.
            assert_eq!(finished.is_ok(), fail_at == 5, "operation {fail_at}");
            assert_eq!(fs::read(&path).unwrap() == b"old", fail_at < 4, "operation {fail_at}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn an_archive_that_is_not_finished_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        let mut archive = ArchiveWriter::create(&path).unwrap();
        archive.record(&small(1)).unwrap();
        drop(archive);
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(dir.path()).unwrap().count()), (b"old".to_vec(), 1));
    }
}

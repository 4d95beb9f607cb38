//! Merges segments that nobody writes to into one sealed segment, and leaves out records that nobody wants.
//!
//! In this order, so that a crash, a full disk or a reader at any moment finds every record at least once (twice counts once):
//! 1. Sources are locked; one that a live writer holds is passed over. While we hold it nobody else takes it for abandoned.
//! 2. Whole records whose payload checks are copied, byte for byte, to a file with a temporary name, the footer behind them; it is synced.
//! 3. It gets its name, and the directory is synced: from now on the records are there twice.
//! 4. Only then the sources go: each gets another name, and is removed if it has not grown since it was looked at. Where locks do not reach
//!    from host to host a live writer's segment may be among them. That writer looks, after each sync, whether its segment still has its
//!    name: what it told to be committed was therefore there before, so the file has grown, and gets its name back. One in which damage was
//!    found is set aside instead, for people to look at.
//!
//! Whatever fails before 4 leaves the sources as they were. What a compaction killed in 4 leaves gets its name back in the next.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, TEMPORARY, create_held, remove_abandoned, unique_path};
use super::error::{Damage, DamageKind, StoreError};
use super::footer::{Entry, Footer, Found, footer};
use super::frame::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, checksum, parse_segment_header, segment_header};
use super::index::list_segments;
use super::records::{Kind, peek};
use super::scan::{ScanError, Window, scan};
use crate::grid::ids::Id;

/// Sealed segments above this size, in bytes, are left alone by a [`Extent::Young`] compaction: to copy them after every run would cost
/// more than it gains.
const LARGE: u64 = 256 << 20;
/// Segments from which even large ones are merged, so that files stay few.
const MANY: usize = 64;
/// Records of a merged segment from which it takes in no further source: a footer must fit its frame.
const FULL: usize = 8 << 20;
/// How the name of a segment ends that was set aside.
const SET_ASIDE: &str = "damaged";
/// How the name of a segment ends that is about to go.
const LEAVING: &str = "leaving";

/// How much a compaction merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything that no writer holds.
    All,
    /// What is not sealed yet, each record once, and small sealed segments with it.
    Young,
}

/// What a compaction did, or would do.
#[derive(Debug, Default)]
pub struct Compaction {
    /// Segments merged.
    pub merged: usize,
    /// Segments left alone because a writer holds them, or because the file system has no locks to tell.
    pub held: usize,
    /// Records in the new segment.
    pub records: u64,
    /// Records left out because another copy is there.
    pub copies: u64,
    /// Records left out because nobody wants them.
    pub dropped: u64,
    /// Bytes of the merged segments.
    pub bytes_before: u64,
    /// Bytes of the new segment.
    pub bytes_after: u64,
    /// What was found damaged; the segments are set aside.
    pub damage: Vec<Damage>,
    /// Segments set aside, by their new names.
    pub set_aside: Vec<PathBuf>,
}

/// A compaction to be made.
pub struct Request<'a> {
    /// Which segments.
    pub extent: Extent,
    /// Whether to keep the records of a training; `None` keeps all.
    pub wants: Option<&'a dyn Fn(Id) -> bool>,
    /// Look, and change nothing.
    pub dry_run: bool,
}

/// Compacts the segments of `dir`.
pub fn compact(disk: &dyn Disk, dir: &Path, request: &Request<'_>) -> Result<Compaction, StoreError> {
    let mut done = Compaction::default();
    if !request.dry_run {
        // What a killed compaction left.
        return_leaving(disk, dir)?;
    }
    let sources = sources(dir, request, &mut done)?;
    if sources.is_empty() {
        return Ok(done);
    }
    if !request.dry_run {
        remove_abandoned(dir);
    }
    let mut merge = Merge { request, done, seen: HashSet::new(), entries: Vec::new(), out: None };
    if !request.dry_run {
        merge.out = Some(Out::create(disk, dir)?);
    }
    let mut taken = Vec::new();
    for source in sources {
        if merge.entries.len() >= FULL {
            break;
        }
        let damaged = merge.take(&source)?;
        taken.push((source, damaged));
    }
    let Merge { mut done, entries, out, .. } = merge;
    done.merged = taken.len();
    done.records = entries.len() as u64;
    let Some(out) = out else { return Ok(done) };
    // Nothing to keep, nothing to seal: the unfinished file goes when it is dropped.
    if !entries.is_empty() {
        done.bytes_after = out.publish(disk, dir, entries)?;
    }
    remove(disk, dir, taken, &mut done)?;
    Ok(done)
}

/// Gives segments their names back that a killed compaction was about to remove.
fn return_leaving(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { action: "give back its name to a segment in", path: dir.to_path_buf(), source };
    for path in fs::read_dir(dir).map_err(failed)?.map(|entry| entry.map(|entry| entry.path())) {
        let path = path.map_err(failed)?;
        // Locked by a compaction that lives: that goes on with it.
        let is_left =
            path.extension().is_some_and(|e| e == LEAVING) && File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_left {
            disk.rename(&path, &path.with_extension("seg")).map_err(failed)?;
        }
    }
    Ok(())
}

/// A segment that nobody writes to, locked as long as this lives.
struct Source {
    path: PathBuf,
    file: File,
    length: u64,
    sealed: bool,
}

/// The segments to merge; none if there is nothing to gain.
fn sources(dir: &Path, request: &Request<'_>, done: &mut Compaction) -> Result<Vec<Source>, StoreError> {
    let mut sources = Vec::new();
    for path in list_segments(dir)? {
        let failed = |source| StoreError::Io { action: "open for compaction segment", path: path.clone(), source };
        // Some network file systems lock only what is open for writing.
        let file = match OpenOptions::new().read(true).write(!request.dry_run).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(failed)?,
        };
        if file.try_lock().is_err() {
            done.held += 1;
            continue;
        }
        let metadata = file.metadata().map_err(failed)?;
        // Another compaction may have removed it before we had the lock.
        if metadata.nlink() > 0 && !is_foreign(&file).map_err(failed)? {
            let sealed = matches!(Footer::read(&file).map_err(failed)?, Found::Whole(_));
            sources.push(Source { length: metadata.len(), path, file, sealed });
        }
    }
    if request.extent == Extent::Young && sources.len() < MANY {
        sources.retain(|source| !source.sealed || source.length <= LARGE);
    }
    if request.wants.is_none() && sources.len() <= 1 && sources.iter().all(|source| source.sealed) {
        sources.clear();
    }
    Ok(sources)
}

/// Whether a file is none of ours: not ours to remove.
fn is_foreign(file: &File) -> io::Result<bool> {
    let mut start = [0; SEGMENT_HEADER];
    let is_whole = match file.read_exact_at(&mut start, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        result => result.map(|()| parse_segment_header(&start) != SegmentHeader::Invalid)?,
    };
    if is_whole {
        return Ok(false);
    }
    match scan(file, 0, |_, _, _| Ok(())) {
        Ok(scan) => Ok(matches!(scan.tail, Some((_, DamageKind::Foreign)))),
        Err(ScanError::Io(error)) => Err(error),
        Err(ScanError::Newer { .. }) => Ok(false),
    }
}

/// A merge under way.
struct Merge<'a> {
    request: &'a Request<'a>,
    done: Compaction,
    seen: HashSet<Id>,
    entries: Vec<Entry>,
    out: Option<Out>,
}

impl Merge<'_> {
    /// Takes in a segment; whether damage was found in it.
    fn take(&mut self, source: &Source) -> Result<bool, StoreError> {
        let failed = |source_error| StoreError::Io { action: "merge segment", path: source.path.clone(), source: source_error };
        let mut bad = Vec::new();
        let walked = scan(&source.file, 0, |header, offset, window| {
            if !self.record(header, offset, window)? {
                bad.push((offset, DamageKind::Record { id: header.id }));
            }
            Ok(())
        });
        let found = walked.map_err(|error| match error {
            ScanError::Io(error) => failed(error),
            ScanError::Newer { offset, what, found, supported } => {
                StoreError::Newer { path: source.path.clone(), offset, what, found, supported }
            }
        })?;
        if found.end < source.length && found.tail.is_none() {
            // As a crash leaves it, or whoever cut a file: no damage, but what stood there is gone.
            let segment = source.path.display();
            tracing::warn!("segment {segment} breaks off at byte {}; what stood there is computed again", found.end);
        }
        bad.extend(found.damage.into_iter().chain(found.tail));
        self.done.bytes_before += source.length;
        let is_damaged = !bad.is_empty();
        self.done.damage.extend(bad.into_iter().map(|(offset, kind)| Damage { segment: source.path.clone(), offset, kind }));
        Ok(is_damaged)
    }

    /// Copies a record, unless it is there already or nobody wants it; `false` if it is damaged.
    fn record(&mut self, header: &FrameHeader, offset: u64, window: &mut Window<'_>) -> io::Result<bool> {
        // A payload is at most as long as a frame may be, which fits.
        let length = header.length as usize;
        let frame = window.at(offset, FRAME_HEADER + length)?;
        let payload = frame.get(FRAME_HEADER..).unwrap_or_default();
        if payload.len() != length || checksum(payload) != header.payload_checksum {
            return Ok(false);
        }
        let Ok((training, attempted)) = training_of(header, payload) else { return Ok(false) };
        if self.request.wants.is_some_and(|wants| !wants(training)) {
            self.done.dropped += 1;
            return Ok(true);
        }
        if !self.seen.insert(header.id) {
            self.done.copies += 1;
            return Ok(true);
        }
        let offset = match &mut self.out {
            Some(out) => out.put(frame)?,
            None => 0,
        };
        let attempted = attempted.then_some(training);
        self.entries.push(Entry { id: header.id, offset, length: u32::try_from(length).unwrap_or(u32::MAX), attempted });
        Ok(true)
    }
}

/// The training that a record is about, and whether it is an attempt at it.
fn training_of(header: &FrameHeader, payload: &[u8]) -> Result<(Id, bool), postcard::Error> {
    let kind = Kind::of_code(header.kind).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    // A training is its own, and large.
    if kind == Kind::Training {
        return Ok((header.id, false));
    }
    let (_, training) = peek(payload).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    Ok((training, kind == Kind::Attempt))
}

/// The new segment under its temporary name; dropped before it is published, it leaves nothing.
struct Out {
    path: PathBuf,
    file: BufWriter<Box<dyn DiskFile>>,
    at: u64,
    published: bool,
}

impl Out {
    fn create(disk: &dyn Disk, dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { action: "begin a merged segment in", path: dir.to_path_buf(), source };
        let (path, file) = create_held(disk, dir, ".", TEMPORARY).map_err(failed)?;
        let mut out = Self { path, file: BufWriter::with_capacity(1 << 20, file), at: 0, published: false };
        out.put(&segment_header()).map_err(failed)?;
        Ok(out)
    }

    /// Appends bytes; where they begin.
    fn put(&mut self, bytes: &[u8]) -> io::Result<u64> {
        self.file.write_all(bytes)?;
        let at = self.at;
        self.at += bytes.len() as u64;
        Ok(at)
    }

    /// Seals the segment, makes it durable and gives it its name; its length.
    fn publish(mut self, disk: &dyn Disk, dir: &Path, entries: Vec<Entry>) -> Result<u64, StoreError> {
        let temporary = self.path.clone();
        let failed = |action, source| StoreError::Io { action, path: temporary.clone(), source };
        if let Some(footer) = footer(entries, self.at) {
            self.put(&footer).map_err(|error| failed("write merged segment", error))?;
        }
        self.file.flush().map_err(|error| failed("write merged segment", error))?;
        self.file.get_ref().sync_all().map_err(|error| failed("sync merged segment", error))?;
        let path = unique_path(dir, "", ".seg").and_then(|path| disk.rename(&self.path, &path).map(|()| path));
        let path = path.map_err(|error| failed("name merged segment", error))?;
        self.published = true;
        disk.sync_dir(dir).map_err(|source| StoreError::Io { action: "sync the directory of merged segment", path, source })?;
        Ok(self.at)
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed is tidied up by the next compaction.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the sources away, now that their records stand elsewhere.
fn remove(disk: &dyn Disk, dir: &Path, taken: Vec<(Source, bool)>, done: &mut Compaction) -> Result<(), StoreError> {
    for (source, is_damaged) in taken {
        let path = source.path.clone();
        let failed = |source| StoreError::Io { action: "remove merged segment", path: path.clone(), source };
        let other = path.with_extension(if is_damaged { SET_ASIDE } else { LEAVING });
        disk.rename(&path, &other).map_err(failed)?;
        // Opened anew: on a network file system only that asks the server for the length.
        let length = File::open(&other).and_then(|file| file.metadata()).map_err(failed)?.len();
        if length != source.length {
            disk.rename(&other, &path).map_err(failed)?;
        } else if is_damaged {
            done.set_aside.push(other);
        } else {
            disk.remove(&other).map_err(failed)?;
        }
        drop(source);
    }
    disk.sync_dir(dir).map_err(|source| StoreError::Io {
        action: "sync the directory of segments",
        path: dir.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests;

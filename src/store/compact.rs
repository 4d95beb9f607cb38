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
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::disk::faulty::FaultyDisk;
    use super::super::records::Record;
    use super::super::records::samples::{record, small};
    use super::super::{OsDisk, Store};
    use super::*;

    const ALL: Request<'static> = Request { extent: Extent::All, wants: None, dry_run: false };

    /// Three abandoned segments with records 0 to 29; 8, 9 and 18, 19 stand twice.
    fn three(dir: &Path) -> Store {
        let store = Store::open(dir).unwrap();
        for third in 0..3_u8 {
            let writer = store.writer(|_| ()).unwrap();
            (third * 10..(third * 10 + 12).min(30)).for_each(|n| assert!(writer.append(&small(n)).is_ok()));
        }
        store
    }

    fn files(store: &Store) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(store.segments()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_has_all(store: &Store) {
        let index = store.index().unwrap();
        for n in 0..30 {
            assert!(index.contains(small(n).id()));
            assert_eq!(index.read(small(n).id()).unwrap(), Some(small(n)), "record {n}");
        }
        assert!(!index.contains(small(30).id()));
        assert!(index.damage().is_empty(), "{:?}", index.damage());
    }

    #[test]
    fn abandoned_segments_become_one_and_a_second_time_nothing_happens() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let dry = store.compact(&Request { dry_run: true, ..ALL }).unwrap();
        assert_eq!((dry.merged, dry.records, dry.copies, files(&store).len()), (3, 30, 4, 3));
        let done = store.compact(&ALL).unwrap();
        assert_eq!((done.merged, done.records, done.copies, done.held), (3, 30, 4, 0));
        let after = files(&store);
        assert_eq!(after.len(), 1);
        assert_has_all(&store);
        assert_eq!((store.compact(&ALL).unwrap().merged, files(&store)), (0, after));
    }

    #[test]
    fn what_a_writer_adds_meanwhile_stays_where_locks_do_not_reach() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        let commit = |n| writer.append(&small(n)).and_then(|_| writer.flush());
        commit(1).unwrap();
        let path = list_segments(&store.segments()).unwrap().remove(0);
        // As another host sees it: no lock in the way.
        let source = |file: File| Source { path: path.clone(), length: file.metadata().unwrap().len(), file, sealed: false };
        let looked_at = source(File::open(&path).unwrap());
        commit(2).unwrap();
        remove(&OsDisk, &store.segments(), vec![(looked_at, false)], &mut Compaction::default()).unwrap();
        assert_eq!(list_segments(&store.segments()).unwrap(), std::slice::from_ref(&path), "it had grown");
        commit(3).unwrap();
        assert!([1, 2, 3].iter().all(|n| store.index().unwrap().contains(small(*n).id())));
        // Once it is gone the writer tells of nothing more.
        let looked_at = source(File::open(&path).unwrap());
        remove(&OsDisk, &store.segments(), vec![(looked_at, false)], &mut Compaction::default()).unwrap();
        assert!(commit(4).is_err() && list_segments(&store.segments()).unwrap().is_empty());
    }

    #[test]
    fn a_segment_that_was_about_to_go_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let one = list_segments(&store.segments()).unwrap().remove(0);
        fs::rename(&one, one.with_extension(LEAVING)).unwrap();
        assert_eq!(store.compact(&ALL).unwrap().merged, 3);
        assert_eq!(files(&store).len(), 1);
        assert_has_all(&store);
    }

    #[test]
    fn a_segment_that_is_written_stays_and_goes_later() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let writer = store.writer(|_| ()).unwrap();
        writer.append(&small(40)).unwrap();
        writer.flush().unwrap();
        let done = store.compact(&ALL).unwrap();
        assert_eq!((done.merged, done.held, files(&store).len()), (3, 1, 2));
        writer.append(&small(41)).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(store.compact(&ALL).unwrap().merged, 2);
        let index = store.index().unwrap();
        assert!(index.contains(small(40).id()) && index.contains(small(41).id()) && files(&store).len() == 1);
    }

    #[test]
    fn a_segment_taken_away_from_its_writer_ends_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        writer.append(&small(1)).unwrap();
        writer.flush().unwrap();
        for name in files(&store) {
            fs::remove_file(store.segments().join(name)).unwrap();
        }
        writer.append(&small(2)).unwrap();
        assert!(writer.flush().is_err() && writer.append(&small(3)).is_err());
    }

    #[test]
    fn a_reader_with_an_older_index_still_finds_every_record() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let (old, mut refreshed) = (store.index().unwrap(), store.index().unwrap());
        store.compact(&ALL).unwrap();
        for n in 0..30 {
            assert_eq!(old.read(small(n).id()).unwrap(), Some(small(n)));
            assert!(old.contains(small(n).id()) && old.verify(small(n).id()).unwrap());
        }
        assert_eq!(refreshed.refresh().unwrap(), 0);
        assert!((0..30).all(|n| refreshed.contains(small(n).id())) && !refreshed.contains(small(30).id()));
    }

    #[test]
    fn readers_and_writers_beside_compactions_miss_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        std::thread::scope(|scope| {
            let work: Vec<_> = (0..2_u8)
                .map(|half| {
                    let store = &store;
                    scope.spawn(move || {
                        for n in 0..40 {
                            // A writer each: many segments come and go.
                            let writer = store.writer(|_| ()).unwrap();
                            writer.append(&small(100 + half * 40 + n)).unwrap();
                            writer.flush().unwrap();
                        }
                    })
                })
                .collect();
            while !work.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                store.compact(&ALL).unwrap();
                assert_has_all(&store);
            }
        });
        store.compact(&ALL).unwrap();
        let index = store.index().unwrap();
        assert!((100..180).all(|n| index.read(small(n).id()).unwrap() == Some(small(n))) && files(&store).len() == 1);
    }

    #[test]
    fn every_failing_operation_leaves_every_record() {
        for make in [FaultyDisk::new, FaultyDisk::once] {
            let mut fail_at = 0;
            loop {
                let dir = tempfile::tempdir().unwrap();
                let store = three(dir.path());
                let disk = make(fail_at);
                let faulty = Store::open_on(Arc::new(disk.clone()), dir.path()).unwrap();
                let result = faulty.compact(&ALL);
                assert_has_all(&store);
                if !disk.has_failed() {
                    result.unwrap();
                    break;
                }
                assert!(result.is_err(), "operation {fail_at}");
                // On a disk that works again nothing stays of it.
                store.compact(&ALL).unwrap();
                assert_has_all(&store);
                assert!(
                    files(&store).len() == 1 && !files(&store)[0].starts_with('.'),
                    "operation {fail_at}: {:?}",
                    files(&store)
                );
                fail_at += 1;
            }
            // Create, write, sync, rename, sync of the directory, three renames and removals, sync.
            assert_eq!(fail_at, 12);
        }
    }

    #[test]
    fn files_of_others_and_torn_beginnings() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let foreign = store.segments().join("notes.seg");
        fs::write(&foreign, "experiment,run\n".repeat(50)).unwrap();
        for (name, bytes) in [("a.seg", &b""[..]), ("b.seg", &segment_header()[..9]), ("c.seg", &[0; 300])] {
            fs::write(store.segments().join(name), bytes).unwrap();
        }
        let done = store.compact(&ALL).unwrap();
        assert_eq!((done.merged, done.records, done.damage.len()), (6, 30, 0));
        assert!(foreign.is_file() && files(&store).len() == 2);
        assert_eq!(store.compact(&ALL).unwrap().merged, 0);
    }

    #[test]
    fn damage_is_named_set_aside_and_never_copied() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        // The last byte of the first segment is in the payload of record 11, which stands in the second, too.
        for name in files(&store) {
            let path = store.segments().join(&name);
            let mut bytes = fs::read(&path).unwrap();
            if bytes[SEGMENT_HEADER + 8] == 0 {
                *bytes.last_mut().unwrap() ^= 1;
                bytes[SEGMENT_HEADER + FRAME_HEADER + 3] ^= 1;
                fs::write(&path, bytes).unwrap();
            }
        }
        let done = store.compact(&ALL).unwrap();
        assert_eq!((done.damage.len(), done.set_aside.len(), done.records), (2, 1, 29), "{done:?}");
        assert!(done.set_aside[0].is_file());
        let index = store.index().unwrap();
        assert!(index.damage().is_empty() && !index.contains(small(0).id()));
        assert!((1..30).all(|n| index.read(small(n).id()).unwrap() == Some(small(n))));
    }

    #[test]
    fn a_sealed_segment_with_a_flipped_bit_anywhere_costs_one_record_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        store.compact(&ALL).unwrap();
        let path = store.segments().join(&files(&store)[0]);
        let bytes = fs::read(&path).unwrap();
        for byte in (0..bytes.len()).step_by(3) {
            let mut flipped = bytes.clone();
            flipped[byte] ^= 1 << (byte % 8);
            fs::write(&path, &flipped).unwrap();
            let index = store.index().unwrap();
            let read: Vec<bool> = (0..30)
                .map(|n| {
                    let found = index.read(small(n).id()).unwrap();
                    assert!(found.is_none() || found == Some(small(n)), "byte {byte}: a wrong record");
                    found.is_some()
                })
                .collect();
            assert!(read.iter().filter(|&&found| !found).count() <= 1, "byte {byte}: {read:?}");
            // A header of the segment that the footer makes needless is not read.
            assert!(!index.damage().is_empty() || byte < SEGMENT_HEADER || read.iter().all(|&found| found), "byte {byte}");
        }
        // A cut one is walked like any other.
        for cut in (0..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..cut]).unwrap();
            let index = store.index().unwrap();
            (0..30).for_each(|n| assert!(index.read(small(n).id()).unwrap().is_none_or(|found| found == small(n))));
        }
    }

    #[test]
    fn what_nobody_wants_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = three(dir.path());
        let none = |_: Id| false;
        let training = Id([0xAA; 16]);
        let all = |id: Id| id == training;
        let keep = store.compact(&Request { wants: Some(&all), ..ALL }).unwrap();
        assert_eq!((keep.records, keep.dropped), (30, 0));
        let dry = store.compact(&Request { wants: Some(&none), dry_run: true, ..ALL }).unwrap();
        assert_eq!((dry.dropped, dry.records), (30, 0));
        assert_has_all(&store);
        store.compact(&Request { wants: Some(&none), ..ALL }).unwrap();
        assert!(files(&store).is_empty() && store.index().unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn merged_records_are_the_records(records in proptest::collection::vec(record(), 1..12), cut in 0..12_usize) {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open_on(Arc::new(OsDisk), dir.path()).unwrap();
            let (first, second) = records.split_at(cut.min(records.len()));
            for part in [first, second] {
                let writer = store.writer(|_| ()).unwrap();
                part.iter().for_each(|record| assert!(writer.append(record).is_ok()));
            }
            let before = store.index().unwrap();
            let attempts = |index: &super::super::Index| -> Vec<_> {
                records.iter().map(|r| if let Record::Attempt(a) = r { index.attempts(a.training).unwrap() } else { vec![] }).collect()
            };
            let expected = attempts(&before);
            store.compact(&ALL).unwrap();
            let after = store.index().unwrap();
            for record in &records {
                prop_assert_eq!(after.read(record.id()).unwrap(), before.read(record.id()).unwrap());
            }
            prop_assert_eq!(attempts(&after), expected);
        }
    }
}

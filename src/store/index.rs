//! What is committed: positions of all records, from the footers of sealed segments and by walking the headers of the others. Payloads
//! stay on disk.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::error::{Damage, DamageKind, StoreError};
use super::footer::{self, Footer};
use super::frame::{
    FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, checksum, parse_frame_header, parse_segment_header,
};
use super::records::{Attempt, Dependence, Kind, Measurement, Record, Training, peek};
use super::scan::{Scan, ScanError, Window, scan};
use crate::grid::ids::{Id, IdMap, IdSet};

/// What is said when a segment cannot be read.
const READ: &str = "read segment";
/// Looks at a directory that changes under our eyes.
const PATIENCE: usize = 100;

/// The committed records of a store, as of the last [`Index::refresh`].
///
/// A record that is committed twice counts once. Payloads are checked when they are read: one that does not check is reported by
/// [`Index::damage`] and, unless another copy is whole, counts as absent from then on.
#[derive(Debug)]
pub struct Index {
    dir: PathBuf,
    segments: Vec<Segment>,
    /// Of segments without a footer, as is what follows.
    positions: IdMap<Position>,
    /// Further copies of a record: rare.
    copies: IdMap<Vec<Position>>,
    attempts: IdMap<Vec<Id>>,
    damage: Vec<Damage>,
    seen: Mutex<Seen>,
    /// Whether `seen` knows of damage or of a successor; never taken back.
    seen_any: AtomicBool,
}

/// A segment and how far it was walked.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    end: u64,
    tail: Option<Damage>,
    /// Of a sealed segment: it never changes.
    footer: Option<Footer>,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    segment: u32,
    /// Bytes of the payload; [`super::frame::MAX_PAYLOAD`] fits.
    length: u32,
    /// Of the header.
    offset: u64,
}

/// What reading has shown since the index was built.
#[derive(Debug, Default)]
struct Seen {
    damaged: BTreeMap<Position, Id>,
    /// The file read last: the records of one run mostly stand in one segment.
    file: Option<(u32, Arc<File>)>,
    /// Built when a segment was found to be gone: a compaction has moved its records. It answers from then on.
    successor: Option<Arc<Index>>,
}

/// What a walk found.
enum Walked {
    /// Nothing new: it is sealed.
    Known,
    /// It is sealed.
    Sealed(Footer),
    /// It is not.
    Open(Vec<Found>, Scan),
}

/// A frame found by a walk, before it is merged.
struct Found {
    id: Id,
    position: Position,
    /// Of an attempt: the training that was attempted.
    attempted: Option<Id>,
}

impl Index {
    /// Builds the index of a directory of segments.
    pub(super) fn open(dir: PathBuf) -> Result<Self, StoreError> {
        let mut index = Self::empty(dir);
        index.refresh()?;
        Ok(index)
    }

    fn empty(dir: PathBuf) -> Self {
        Self {
            dir,
            segments: Vec::new(),
            positions: IdMap::default(),
            copies: IdMap::default(),
            attempts: IdMap::default(),
            damage: Vec::new(),
            seen: Mutex::default(),
            seen_any: AtomicBool::new(false),
        }
    }

    /// Takes in new segments and what was appended to known ones; how many more records are known.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Newer`] if a segment or a record is of a later version.
    pub fn refresh(&mut self) -> Result<usize, StoreError> {
        let before = self.len();
        for _ in 0..PATIENCE {
            if self.take_in()? {
                return Ok(self.len().saturating_sub(before));
            }
            // A compaction has moved records while we looked. To open anew is cheap: they are in a sealed segment now.
            *self = Self::empty(std::mem::take(&mut self.dir));
        }
        let source = io::Error::other("they change faster than they can be read");
        Err(StoreError::Io { action: "read the segments in", path: self.dir.clone(), source })
    }

    /// How many records are known; one that stands in several segments may count more than once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len() + self.footers().map(|(_, footer)| footer.len()).sum::<usize>()
    }

    /// Whether nothing is committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in what is there; `false` if a segment has gone meanwhile.
    fn take_in(&mut self) -> Result<bool, StoreError> {
        let listed = list_segments(&self.dir)?;
        if self.seen().successor.is_some() || self.segments.iter().any(|segment| listed.binary_search(&segment.path).is_err()) {
            return Ok(false);
        }
        let known: HashSet<PathBuf> = self.segments.iter().map(|segment| segment.path.clone()).collect();
        let new = listed.into_iter().filter(|path| !known.contains(path));
        self.segments.extend(new.map(|path| Segment { path, end: 0, tail: None, footer: None }));
        // Segments are read side by side and taken in one after the other, so that the index depends on their order alone.
        let walked: Vec<_> = (0..self.segments.len()).into_par_iter().map(|number| self.walk(number)).collect();
        for (number, walked) in walked.into_iter().enumerate() {
            match walked {
                Err(error) if is_gone(&error) => return Ok(false),
                walked => self.take(number, walked?),
            }
        }
        Ok(true)
    }

    /// Whether a record with this id is committed and not known to be damaged. Does not touch the disk.
    #[must_use]
    pub fn contains(&self, id: Id) -> bool {
        if !self.seen_any.load(Ordering::Acquire) {
            // Asked by many threads, a million times: the lock would be most of the work.
            return self.positions.contains_key(&id) || self.footers().any(|(_, footer)| footer.find(id).is_some());
        }
        let seen = self.seen();
        if let Some(successor) = &seen.successor {
            return successor.contains(id);
        }
        self.copies_of(id).any(|position| !seen.damaged.contains_key(&position))
    }

    /// Whether a record with this id is committed and its payload is whole: reads and checks it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn verify(&self, id: Id) -> Result<bool, StoreError> {
        self.or_successor(|| Ok(self.payload(id)?.is_some()), |next| next.verify(id))
    }

    /// The record with this id; `None` if it is not committed, or damaged in every copy.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read(&self, id: Id) -> Result<Option<Record>, StoreError> {
        self.or_successor(|| self.read_here(id), |next| next.read(id))
    }

    fn read_here(&self, id: Id) -> Result<Option<Record>, StoreError> {
        while let Some((position, (kind, schema), payload)) = self.payload(id)? {
            match Record::decode(kind, schema, &payload) {
                Ok(record) if record.id() == id => return Ok(Some(record)),
                _ => self.note(position, id),
            }
        }
        Ok(None)
    }

    /// The training with this id, see [`Index::read`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn training(&self, id: Id) -> Result<Option<Training>, StoreError> {
        Ok(self.read(id)?.and_then(|record| if let Record::Training(training) = record { Some(training) } else { None }))
    }

    /// The measurement with this id, see [`Index::read`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn measurement(&self, id: Id) -> Result<Option<Measurement>, StoreError> {
        Ok(self.read(id)?.and_then(|record| if let Record::Measurement(measurement) = record { Some(measurement) } else { None }))
    }

    /// The dependence measurement with this id, see [`Index::read`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn dependence(&self, id: Id) -> Result<Option<Dependence>, StoreError> {
        Ok(self.read(id)?.and_then(|record| if let Record::Dependence(dependence) = record { Some(dependence) } else { None }))
    }

    /// What the segments that were read look like from outside: by name, length in bytes and time of the last change. As long as
    /// [`super::Store::still_has`] them, what this index knows is there.
    #[must_use]
    pub fn extent(&self) -> BTreeMap<String, (u64, i64)> {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.segments.iter().filter_map(|segment| Some((name(&segment.path), look(&segment.path)?))).collect()
    }

    /// The trainings that were attempted more than once; one whose attempt stands in several segments may be among them. Does not touch the
    /// disk.
    #[must_use]
    pub fn retried(&self) -> IdSet {
        let mut attempted = self.attempted();
        // One sealed segment is in order already, which the sort notices.
        attempted.par_sort_unstable();
        attempted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
    }

    /// The training of every attempt.
    fn attempted(&self) -> Vec<Id> {
        if let Some(successor) = &self.seen().successor {
            return successor.attempted();
        }
        let walked = self.attempts.iter().flat_map(|(training, ids)| ids.iter().map(|_| *training));
        self.footers().flat_map(|(_, footer)| footer.attempted()).chain(walked).collect()
    }

    /// How the last attempt at each training ended, for those that were attempted. Many are asked for at once: most of a large plan never was.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn last_attempts(&self, trainings: impl IndexedParallelIterator<Item = Id>) -> Result<Vec<Option<Attempt>>, StoreError> {
        let known: IdSet = self.attempted().into_iter().collect();
        trainings.map(|id| if known.contains(&id) { Ok(self.attempts(id)?.pop()) } else { Ok(None) }).collect()
    }

    /// The attempts at a training, in order: the last decides about the next.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn attempts(&self, training: Id) -> Result<Vec<Attempt>, StoreError> {
        self.or_successor(|| self.attempts_here(training), |next| next.attempts(training))
    }

    fn attempts_here(&self, training: Id) -> Result<Vec<Attempt>, StoreError> {
        let mut attempts = Vec::new();
        for &id in self.attempts.get(&training).map_or(&[][..], Vec::as_slice) {
            if let Some(Record::Attempt(attempt)) = self.read_here(id)? {
                attempts.push(attempt);
            }
        }
        for (segment, footer) in self.footers() {
            for (offset, length) in footer.attempts(training) {
                let position = Position { segment, length, offset };
                attempts.extend(self.attempt_at(position)?.filter(|attempt| attempt.training == training));
            }
        }
        // Two coordinators may give one number twice, and clocks jump: the id settles it.
        attempts.sort_by(|a, b| a.number.cmp(&b.number).then(a.started.total_cmp(&b.started)).then(a.id.cmp(&b.id)));
        // It may stand in a sealed segment and in another.
        attempts.dedup_by_key(|attempt| attempt.id);
        Ok(attempts)
    }

    fn attempt_at(&self, position: Position) -> Result<Option<Attempt>, StoreError> {
        if self.seen().damaged.contains_key(&position) {
            return Ok(None);
        }
        let frame = self.frame(position)?;
        let id = parse_frame_header(&frame).map_or(Id([0; 16]), |header| header.id);
        let record = whole_frame(&frame, id).and_then(|((kind, schema), payload)| Record::decode(kind, schema, payload).ok());
        Ok(match record {
            Some(Record::Attempt(attempt)) if attempt.id == id => Some(attempt),
            _ => {
                self.note(position, id);
                None
            }
        })
    }

    /// All that was found damaged so far, by segment and place.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        let seen = self.seen();
        if let Some(successor) = &seen.successor {
            return successor.damage();
        }
        let read = seen.damaged.iter().map(|(position, &id)| Damage {
            segment: self.segments[position.segment as usize].path.clone(),
            offset: position.offset,
            kind: DamageKind::Record { id },
        });
        let tails = self.segments.iter().filter_map(|segment| segment.tail.clone());
        let mut all: Vec<Damage> = self.damage.iter().cloned().chain(read).chain(tails).collect();
        all.sort_by(|a, b| (&a.segment, a.offset).cmp(&(&b.segment, b.offset)));
        all
    }

    /// The footers of the sealed segments, with the numbers of those.
    fn footers(&self) -> impl Iterator<Item = (u32, &Footer)> {
        // More segments than u32 counts do not fit a directory.
        self.segments.iter().enumerate().filter_map(|(n, segment)| Some((n as u32, segment.footer.as_ref()?)))
    }

    /// What `here` finds, or, once a compaction has moved what stood here, what a newly built index does.
    fn or_successor<T>(
        &self,
        here: impl FnOnce() -> Result<T, StoreError>,
        there: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let successor = self.seen().successor.clone();
        if let Some(successor) = successor {
            return there(&successor);
        }
        match here() {
            Err(error) if is_gone(&error) => {
                let successor = Arc::new(Self::open(self.dir.clone())?);
                self.seen().successor = Some(Arc::clone(&successor));
                self.seen_any.store(true, Ordering::Release);
                there(&successor)
            }
            result => result,
        }
    }

    /// Walks what is new in a segment. Opens the file even if it seems unchanged: on a network file system only `open` asks the server for
    /// the length, `stat` may answer from a cache.
    fn walk(&self, number: usize) -> Result<Walked, StoreError> {
        let Segment { path, end, footer, .. } = &self.segments[number];
        if footer.is_some() {
            return Ok(Walked::Known);
        }
        let failed = |source| StoreError::Io { action: READ, path: path.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let mut found = Vec::new();
        let mut bad = Vec::new();
        // A header that is damaged, or of a later version, is told by the walk; the index at the end would pass over it.
        if *end == 0 && has_own_header(&file).map_err(failed)? {
            match Footer::read(&file).map_err(failed)? {
                footer::Found::Whole(footer) => return Ok(Walked::Sealed(footer)),
                footer::Found::Damaged(offset) => bad.push((offset, DamageKind::Footer)),
                footer::Found::Nothing => {}
            }
        }
        // More segments than u32 counts do not fit a directory.
        let segment = u32::try_from(number).unwrap_or(u32::MAX);
        let walked = scan(&file, *end, |header, offset, window| {
            let position = Position { segment, length: u32::try_from(header.length).unwrap_or(u32::MAX), offset };
            match attempted(header, offset, window)? {
                Attempted::Damaged => bad.push((offset, DamageKind::Record { id: header.id })),
                Attempted::Training(id) => found.push(Found { id: header.id, position, attempted: Some(id) }),
                Attempted::NotAnAttempt => found.push(Found { id: header.id, position, attempted: None }),
            }
            Ok(())
        });
        let mut scan = walked.map_err(|error| match error {
            ScanError::Io(source) => failed(source),
            ScanError::Newer { offset, what, found, supported } => {
                StoreError::Newer { path: path.clone(), offset, what, found, supported }
            }
        })?;
        scan.damage.extend(bad);
        Ok(Walked::Open(found, scan))
    }

    /// Takes in what a walk found.
    fn take(&mut self, number: usize, walked: Walked) {
        let segment = &mut self.segments[number];
        match walked {
            Walked::Known => {}
            Walked::Sealed(footer) => segment.footer = Some(footer),
            Walked::Open(found, Scan { end, damage, tail }) => {
                let named = |(offset, kind)| Damage { segment: segment.path.clone(), offset, kind };
                self.damage.extend(damage.into_iter().map(named));
                let tail = tail.map(named);
                (segment.end, segment.tail) = (end, tail);
                self.merge(found);
            }
        }
    }

    fn merge(&mut self, found: Vec<Found>) {
        self.positions.reserve(found.len());
        for Found { id, position, attempted } in found {
            if self.positions.contains_key(&id) {
                self.copies.entry(id).or_default().push(position);
                continue;
            }
            self.positions.insert(id, position);
            if let Some(training) = attempted {
                self.attempts.entry(training).or_default().push(id);
            }
        }
    }

    fn copies_of(&self, id: Id) -> impl Iterator<Item = Position> {
        let further = self.copies.get(&id).map_or(&[][..], Vec::as_slice);
        let sealed = self.footers().filter_map(move |(segment, footer)| {
            let (offset, length) = footer.find(id)?;
            Some(Position { segment, length, offset })
        });
        self.positions.get(&id).into_iter().chain(further).copied().chain(sealed)
    }

    /// The first whole copy of a record: where it stands, its kind and its payload.
    fn payload(&self, id: Id) -> Result<Option<(Position, Form, Vec<u8>)>, StoreError> {
        for position in self.copies_of(id) {
            if self.seen().damaged.contains_key(&position) {
                continue;
            }
            let frame = self.frame(position)?;
            match whole_frame(&frame, id) {
                Some((form, payload)) => return Ok(Some((position, form, payload.to_vec()))),
                None => self.note(position, id),
            }
        }
        Ok(None)
    }

    /// The bytes of a frame; fewer if the file was cut since it was walked.
    fn frame(&self, position: Position) -> Result<Vec<u8>, StoreError> {
        let path = &self.segments[position.segment as usize].path;
        let failed = |source| StoreError::Io { action: READ, path: path.clone(), source };
        let file = self.open_segment(position.segment, path).map_err(failed)?;
        let mut bytes = vec![0; FRAME_HEADER + position.length as usize];
        match file.read_exact_at(&mut bytes, position.offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => bytes.clear(),
            result => result.map_err(failed)?,
        }
        Ok(bytes)
    }

    fn open_segment(&self, segment: u32, path: &Path) -> io::Result<Arc<File>> {
        if let Some((number, file)) = &self.seen().file
            && *number == segment
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(path)?);
        self.seen().file = Some((segment, Arc::clone(&file)));
        Ok(file)
    }

    fn note(&self, position: Position, id: Id) {
        self.seen().damaged.insert(position, id);
        self.seen_any.store(true, Ordering::Release);
    }

    /// Each change of it is one statement, so a panic elsewhere while it was locked does no harm.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a segment begins as one of this version does.
fn has_own_header(file: &File) -> io::Result<bool> {
    let mut start = [0; SEGMENT_HEADER];
    match file.read_exact_at(&mut start, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        result => result.map(|()| parse_segment_header(&start) == SegmentHeader::Valid),
    }
}

/// Length of a file in bytes, and the time of its last change in nanoseconds since 1970; `None` if it is not there.
pub fn look(path: &Path) -> Option<(u64, i64)> {
    let now = fs::metadata(path).ok()?;
    Some((now.len(), now.mtime().wrapping_mul(1_000_000_000).wrapping_add(now.mtime_nsec())))
}

/// Whether a segment is not there any more; on a network file system an open file may say so, too.
fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { action: READ, source, .. } if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle))
}

/// The segments of a directory, by name. Listed until two lists agree: one alone, made while a compaction renames, may miss both the old
/// segments and the new.
pub(super) fn list_segments(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::Io { action: "list the segments in", path: dir.to_path_buf(), source };
    let list = || -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    };
    let mut last = list()?;
    loop {
        let next = list()?;
        if next == last {
            return Ok(next);
        }
        last = next;
    }
}

/// What a frame says about attempts.
enum Attempted {
    NotAnAttempt,
    Training(Id),
    Damaged,
}

/// Attempts are found by their training, which only the payload names; they are small, so they are read and checked in the walk.
fn attempted(header: &FrameHeader, offset: u64, window: &mut Window<'_>) -> io::Result<Attempted> {
    if header.kind != Kind::Attempt.code() {
        return Ok(Attempted::NotAnAttempt);
    }
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let payload = window.at(offset + FRAME_HEADER as u64, length)?;
    if checksum(payload) != header.payload_checksum {
        return Ok(Attempted::Damaged);
    }
    // There may be millions: no more of it is decoded than is needed.
    Ok(match peek(payload) {
        Some((id, training)) if id == header.id => Attempted::Training(training),
        _ => Attempted::Damaged,
    })
}

/// Kind and schema of a record.
type Form = (Kind, u16);

/// Form and payload of a frame that is whole and has this id.
fn whole_frame(frame: &[u8], id: Id) -> Option<(Form, &[u8])> {
    let header = parse_frame_header(frame)?;
    let payload = &frame[FRAME_HEADER..];
    let whole = header.id == id && header.length == payload.len() as u64 && header.payload_checksum == checksum(payload);
    if whole { Some(((Kind::of_code(header.kind)?, header.schema), payload)) } else { None }
}

#[cfg(test)]
mod tests;

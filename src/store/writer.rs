//! Appends records to this process's segment, and commits all that wait with one write and one sync (group commit).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::disk::{Disk, DiskFile, create_held};
use super::error::{StoreError, WriteError};
use super::frame::{fenced_frame_header, segment_header};
use super::records::Record;

/// Told after every group: committed up to this sequence number, or why never again.
pub type OnCommit = Box<dyn FnMut(Result<u64, WriteError>) + Send>;

/// Appends records to a segment of its own. May be shared between threads; dropping it commits what waits.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(disk: Arc<dyn Disk>, dir: PathBuf, on_commit: OnCommit) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let committer = Committer { shared: Arc::clone(&shared), disk, dir: dir.clone(), segment: None, on_commit };
        let thread = std::thread::Builder::new()
            .name("store-commit".into())
            .spawn(move || committer.run())
            .map_err(|source| StoreError::Io { action: "start the thread that commits to", path: dir, source })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands a record over and returns its sequence number, from 1. Never waits for the disk; the record counts once the callback has
    /// named this number or a later one.
    ///
    /// # Errors
    /// [`StoreError::Write`] once the writer has failed; [`StoreError::TooLarge`] and [`StoreError::Encode`] for this record alone.
    pub fn append(&self, record: &Record) -> Result<u64, StoreError> {
        self.append_under(0, record)
    }

    /// As [`Writer::append`], for a record of what is done under the lease with this fencing number.
    ///
    /// # Errors
    /// Those of [`Writer::append`].
    pub fn append_under(&self, fence: u64, record: &Record) -> Result<u64, StoreError> {
        let payload = record.encode()?;
        let kind = record.kind();
        let header = fenced_frame_header(kind.code(), kind.schema(), record.id(), fence, &payload);
        let mut state = self.shared.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone().into());
        }
        state.waiting.extend_from_slice(&header);
        state.waiting.extend_from_slice(&payload);
        state.appended += 1;
        let sequence = state.appended;
        drop(state);
        self.shared.changed.notify_all();
        Ok(sequence)
    }

    /// Waits until all records appended before are committed and the callback was told.
    ///
    /// # Errors
    /// [`StoreError::Write`] if the writer failed before that.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.shared.lock();
        let target = state.appended;
        while state.committed < target {
            if let Some(error) = &state.failed {
                return Err(error.clone().into());
            }
            state = self.shared.wait(state);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in the callback has been reported on its own thread.
            let _ = thread.join();
        }
    }
}

/// What appending threads and the committing thread share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Frames that wait, back to back.
    waiting: Vec<u8>,
    /// Sequence number of the last record handed over.
    appended: u64,
    /// Sequence number up to which all is safe.
    committed: u64,
    /// Why nothing more is taken.
    failed: Option<WriteError>,
    closing: bool,
}

impl Shared {
    /// The state is valid between any two statements, so a panic elsewhere while it was locked does no harm.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for records; all that wait, and the number of the last. `None` when the writer is closed and nothing waits.
    fn next_group(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closing {
                return None;
            }
            state = self.wait(state);
        }
        Some((std::mem::take(&mut state.waiting), state.appended))
    }

    fn set_committed(&self, sequence: u64) {
        self.lock().committed = sequence;
        self.changed.notify_all();
    }

    /// Poisons the writer and returns the error as it is told.
    fn fail(&self, action: &'static str, path: PathBuf, source: io::Error) -> WriteError {
        let mut state = self.lock();
        let error = WriteError { action, path, committed: state.committed, source: Arc::new(source) };
        state.failed = Some(error.clone());
        state.waiting = Vec::new();
        drop(state);
        self.changed.notify_all();
        error
    }
}

/// The committing thread.
struct Committer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Made with the first group, so that a process without results leaves no file.
    segment: Option<Segment>,
    on_commit: OnCommit,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl Committer {
    fn run(mut self) {
        while let Some((frames, last)) = self.shared.next_group() {
            match self.commit(&frames) {
                Ok(()) => {
                    (self.on_commit)(Ok(last));
                    self.shared.set_committed(last);
                }
                Err((action, source)) => {
                    let path = self.segment.as_ref().map_or(&self.dir, |segment| &segment.path).clone();
                    let error = self.shared.fail(action, path, source);
                    (self.on_commit)(Err(error));
                    return;
                }
            }
        }
    }

    /// Writes a group and makes it durable; the order is the commit protocol of the room's docs. An error says what was tried.
    fn commit(&mut self, frames: &[u8]) -> Result<(), (&'static str, io::Error)> {
        if let Some(Segment { path, file }) = &mut self.segment {
            file.write_all(frames).map_err(|error| ("append to", error))?;
            file.sync_data().map_err(|error| ("sync", error))?;
            return still_there(path, &**file);
        }
        // Held until the process ends: compaction leaves it alone.
        let (path, mut file) = create_held(&*self.disk, &self.dir, "", ".seg").map_err(|error| ("create a segment in", error))?;
        file.write_all(&[&segment_header(), frames].concat())
            .map_err(|error| ("write the first records to a segment in", error))?;
        file.sync_all().map_err(|error| ("sync a new segment in", error))?;
        self.disk.sync_dir(&self.dir).map_err(|error| ("sync", error))?;
        let Segment { path, file } = self.segment.insert(Segment { path, file });
        still_there(path, &**file)
    }
}

/// An error if a segment has lost its name: where locks do not reach from host to host, another host took it for abandoned.
fn still_there(path: &Path, file: &dyn DiskFile) -> Result<(), (&'static str, io::Error)> {
    // It is opened: on a network file system only that asks the server.
    let is_named = || match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        opened => opened.map(|_| true),
    };
    match file.hold().and_then(|held| Ok(held && is_named()?)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(("go on with", io::Error::other("the segment was removed while it was written"))),
        Err(error) => Err(("look at", error)),
    }
}

impl Drop for Committer {
    /// A panic in the callback must not leave `flush` waiting for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(
                "go on after a panic of the commit callback with",
                self.dir.clone(),
                io::Error::other("panic in callback"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::disk::faulty::FaultyDisk;
    use super::super::records::samples::small;
    use super::super::{OsDisk, Store};
    use super::*;

    #[test]
    fn two_writers_share_a_store_and_tell_what_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let told: [Arc<AtomicU64>; 2] = Default::default();
        std::thread::scope(|scope| {
            for (half, told) in told.iter().enumerate() {
                let (store, told) = (&store, Arc::clone(told));
                scope.spawn(move || {
                    let sink = Arc::clone(&told);
                    let writer = store.writer(move |upto| assert!(sink.swap(upto.unwrap(), Ordering::SeqCst) < 100)).unwrap();
                    for n in 0..100 {
                        // The halves overlap: records 50 to 99 are committed twice and count once.
                        assert_eq!(writer.append(&small(half as u8 * 50 + n)).unwrap(), u64::from(n) + 1);
                    }
                    writer.flush().unwrap();
                    assert_eq!(told.load(Ordering::SeqCst), 100);
                });
            }
        });
        let index = store.index().unwrap();
        for n in 0..150 {
            assert_eq!(index.read(small(n).id()).unwrap(), Some(small(n)), "record {n}");
        }
        assert!(!index.contains(small(150).id()));
        assert!(index.damage().is_empty());
        assert_eq!(std::fs::read_dir(store.segments()).unwrap().count(), 2);
    }

    #[test]
    fn a_writer_without_records_leaves_no_file_and_dropping_commits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(store.segments()).unwrap().count(), 0);
        let writer = store.writer(|_| ()).unwrap();
        writer.append(&small(1)).unwrap();
        drop(writer);
        assert!(store.index().unwrap().contains(small(1).id()));
    }

    #[test]
    fn every_failing_operation_poisons_the_writer_and_loses_nothing_committed() {
        // Operations of three separate groups: create, write, sync file, sync directory; then write and sync, twice.
        // A disk that recovers makes no difference: the writer takes nothing more.
        for (fail_at, make) in (0..=8).flat_map(|n| [(n, FaultyDisk::new as fn(usize) -> FaultyDisk), (n, FaultyDisk::once)]) {
            let dir = tempfile::tempdir().unwrap();
            drop(Store::open(dir.path()).unwrap());
            let store = Store::open_on(Arc::new(make(fail_at)), dir.path()).unwrap();
            let told = Arc::new(AtomicU64::new(0));
            let sink = Arc::clone(&told);
            let writer = store.writer(move |upto| sink.store(upto.unwrap_or(99), Ordering::SeqCst)).unwrap();
            let mut safe = 0;
            for n in 1..=3_u8 {
                match writer.append(&small(n)).and_then(|_| writer.flush()) {
                    Ok(()) => safe = n,
                    Err(StoreError::Write(error)) => assert_eq!(error.committed, u64::from(safe)),
                    Err(error) => panic!("{error}"),
                }
            }
            let expected = [0, 0, 0, 0, 1, 1, 2, 2, 3][fail_at];
            assert_eq!(safe, expected, "operation {fail_at} fails");
            if expected < 3 {
                assert!(writer.append(&small(9)).is_err() && writer.append(&small(9)).is_err());
            }
            drop(writer);
            assert_eq!(told.load(Ordering::SeqCst), if expected < 3 { 99 } else { 3 });

            let index = Store::open_existing(dir.path()).unwrap().index().unwrap();
            for n in 1..=3 {
                // A record that was not told may be there or not, but never in part.
                let read = index.read(small(n).id()).unwrap();
                assert!(read == Some(small(n)) || (read.is_none() && n > safe));
            }
            assert!(index.damage().is_empty(), "a torn write is no damage: {:?}", index.damage());
        }
    }

    #[test]
    fn a_panic_in_the_callback_ends_the_writer_with_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_on(Arc::new(OsDisk), dir.path()).unwrap();
        let writer = store.writer(|_| std::panic::resume_unwind(Box::new("callback"))).unwrap();
        writer.append(&small(1)).unwrap();
        assert!(matches!(writer.flush(), Err(StoreError::Write(_))));
        assert!(writer.append(&small(2)).is_err());
    }
}

//! The store: committed records on a local or shared file system, many writers on many hosts, no server.
//!
//! Here live the byte format of segments, the commit protocol, the index of what is committed, the records, and the result tables (the
//! only place that knows Parquet). What may not live here: kernels, statistics, decisions about what to run.
//!
//! ```text
//! STORE/.infoplane/segments/NAME.seg    one writing process each: header, then frames, appended only
//! STORE/.infoplane/checkpoints/        what trainings under way left, see [`checkpoints`]; may be deleted at any time
//! STORE/.infoplane/leases/GROUP/…       who works on what, under a launcher without a coordinator
//! STORE/COHORT-NAME/*.parquet           tables, materialised from records; may be deleted at any time
//! ```
//!
//! # The commit protocol, and the failure each step guards against
//!
//! 1. *A segment a process, created with `O_EXCL` under a random name.* Two writers, on any hosts, never share a file, so no lock is
//!    needed and no append can interleave with another. A process that restarts never appends behind its own torn tail.
//! 2. *A record is one frame*: a header with its own checksum (kind, version, id, length, checksum of the payload), then the payload.
//!    A torn write leaves a header that does not check or a payload beyond the end of the file: a reader sees the frame as absent.
//!    A flipped bit in a payload is found by its checksum, the record is named and skipped by its length; a flipped bit in a header
//!    is named and the reader looks for the next header that checks.
//! 3. *All records that wait are written with one write and one `fdatasync`* as soon as the disk is idle (group commit: a record waits
//!    for the write under way, never for a timer). Only after that the writer tells that they are committed; a crash before loses
//!    records that nobody was told of.
//! 4. *A new segment's file and directory are synced before its first record counts.* Otherwise a power loss could drop the directory's
//!    entry, and with it records that were told to be committed. The directories above are synced when they are made.
//! 5. *The first failed write or sync poisons the writer*: every later append fails. After a failed `fsync` the kernel may have dropped
//!    the dirty pages, so trying again could report success for lost data; and after a short write (full disk) the tail is torn. A new
//!    writer starts a new segment.
//! 6. *Readers trust only what checks.* A frame may be seen before its `fdatasync` has returned. That is harmless: ids are hashes of what
//!    the records mean, so if a crash takes the frame away the record is simply missing and is computed again, to the same bytes. The same
//!    holds for a network file system that shows a file late: what is not seen is computed again, and counts once.
//! 7. *A segment is locked by its writer for as long as that lives*, and compaction passes over what it cannot lock. Where locks do not reach
//!    from host to host a live writer's segment could be taken for abandoned: after each sync the writer looks whether its file still has a
//!    name, and gives up if not. Where there are no locks at all nothing is compacted.
//! 8. *Compaction writes the merged segment whole, under its name, durably, before it takes a source away* (see [`compact`]): a crash leaves
//!    records twice, and twice counts once. A reader lists the directory until two lists agree, starts over if a segment has gone while it
//!    walks, and builds its index anew if one has gone when it reads.
//! 9. *Tables appear by temporary name, sync of the file, rename, sync of the directory*: a reader of a table sees the old or the new one.
//!
//! Who may work on what, where nobody coordinates, is decided by leases (see [`lease`], which has its own protocol). The frame's header has
//! the fencing number of the lease under which a record was written, 0 without one. Payloads are verified when they are read, not when the index is built:
//! trainings hold their snapshots, so verifying all would read gigabytes at every start. [`Index::verify`] does it for chosen ids.
//!
//! # Versions
//! A segment of a newer format, or a record of a newer schema, is an error that names it: using the rest could hide finished work. To change
//! a record's fields, add a version in `records`, keep decoding the older ones, and leave written segments as they are.
//!
//! # Size
//! A sealed segment ends with an index of its records, so opening a store reads 32 bytes a record (64 for an attempt) and not a header each.
//! Only what was written since the last compaction is walked.
//!
//! Reading order: `records`, `frame`, `scan`, `disk`, `writer`, `footer`, `index`, `compact`, `tables`, `checkpoints`, `archive`, `lease`.

pub mod archive;
pub mod checkpoints;
pub mod columns;
pub mod compact;
mod disk;
mod error;
mod footer;
mod foreign;
mod frame;
mod index;
pub mod lease;
pub mod records;
mod scan;
pub mod tables;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::{Disk, DiskFile, OsDisk, replace_file};
pub use error::{Damage, DamageKind, StoreError, WriteError};
pub use index::{Index, look};
pub use writer::Writer;

/// A results directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Store {
    /// Opens the store at `root`, making what is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a directory cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(OsDisk), root)
    }

    /// As [`Store::open`], on a given disk: the seam for tests that fail chosen writes.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a directory cannot be made.
    pub fn open_on(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: root.into(), disk };
        let segments = store.segments();
        disk::make_directories(&*store.disk, &segments).map_err(|source| StoreError::Io {
            action: "make the store's directory",
            path: segments,
            source,
        })?;
        Ok(store)
    }

    /// Opens the store at `root` without writing anything.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none.
    pub fn open_existing(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: root.into(), disk: Arc::new(OsDisk) };
        if store.segments().is_dir() { Ok(store) } else { Err(StoreError::Missing { path: store.root }) }
    }

    /// The directory that was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the tables and figures of a cohort stand. Not made here.
    #[must_use]
    pub fn cohort_dir(&self, cohort: &str) -> PathBuf {
        self.root.join(cohort)
    }

    /// What is committed in this store now.
    ///
    /// # Errors
    /// See [`Index::refresh`].
    pub fn index(&self) -> Result<Index, StoreError> {
        Index::open(self.segments())
    }

    /// Whether all segments of an [`Index::extent`] are there, and none was changed since. Costs a look at each file from outside, so that
    /// who knew the answer to a question then need not ask a large index again.
    #[must_use]
    pub fn still_has(&self, extent: &BTreeMap<String, (u64, i64)>) -> bool {
        let dir = self.segments();
        extent.iter().all(|(name, before)| look(&dir.join(name)) == Some(*before))
    }

    /// A writer with a segment of its own. `on_commit` is called on the writer's thread after every group: with the sequence number up to
    /// which all is committed, or with the error that ended the writer. It must not call the writer.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the writer's thread cannot be started.
    pub fn writer(&self, on_commit: impl FnMut(Result<u64, WriteError>) + Send + 'static) -> Result<Writer, StoreError> {
        Writer::start(Arc::clone(&self.disk), self.segments(), Box::new(on_commit))
    }

    /// The board of the leases of a group, whose name is a plain word that never comes again.
    ///
    /// # Errors
    /// [`StoreError::Io`] if its directory cannot be made.
    pub fn leases(&self, group: &str) -> Result<lease::FileBoard, StoreError> {
        let dir = lease::group_dir(&self.root, group);
        lease::FileBoard::open(dir.clone()).map_err(|source| StoreError::Io { action: "make the leases in", path: dir, source })
    }

    /// Merges segments into a sealed one, see [`compact`].
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Newer`]; every record stays.
    pub fn compact(&self, request: &compact::Request<'_>) -> Result<compact::Compaction, StoreError> {
        compact::compact(&*self.disk, &self.segments(), request)
    }

    /// The unfinished files that killed processes left in the store, with their sizes; removed, unless it is a `dry_run`.
    #[must_use]
    pub fn tidy(&self, dry_run: bool) -> Vec<(PathBuf, u64)> {
        let (mut found, mut dirs) = (Vec::new(), vec![(self.root.clone(), 0)]);
        while let Some((dir, depth)) = dirs.pop() {
            disk::for_abandoned(&dir, |path| {
                let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
                if dry_run || self.disk.remove(path).is_ok() {
                    found.push((path.to_path_buf(), bytes));
                }
            });
            // Tables stand one level down, figures and segments two.
            if depth < 2 {
                let below = std::fs::read_dir(&dir).into_iter().flatten().flatten();
                dirs.extend(below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| (e.path(), depth + 1)));
            }
        }
        found.sort();
        found
    }

    /// What trainings under way left in this store.
    #[must_use]
    pub fn checkpoints(&self) -> checkpoints::Checkpoints {
        checkpoints::Checkpoints::new(self.root.join(".infoplane").join("checkpoints"), Arc::clone(&self.disk))
    }

    fn segments(&self) -> PathBuf {
        self.root.join(".infoplane").join("segments")
    }
}

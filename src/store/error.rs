//! What can go wrong in the store: errors, and damage that is named and worked around.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::grid::ids::Id;

/// An operation on the store failed.
#[derive(Debug, Error)]
pub enum StoreError {
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
    /// There is no store.
    #[error("no store at {}: expected a directory with .infoplane/segments; run a cohort first, or name the store with --out", path.display())]
    Missing {
        /// The directory that was named.
        path: PathBuf,
    },
    /// A segment or a record was written by a later version of the program.
    #[error("{} has {what} version {found} at byte {offset}, this program knows up to {supported}: use the newer infoplane for this store", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What has the version: the segment's format, or a record's schema.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version that is known here.
        supported: u32,
    },
    /// A record cannot be brought into bytes.
    #[error("cannot encode record {id}")]
    Encode {
        /// The record.
        id: Id,
        /// The reason.
        source: postcard::Error,
    },
    /// A record is larger than a frame may be.
    #[error("record {id} has {bytes} bytes, a record may have at most {limit}: keep fewer snapshots")]
    TooLarge {
        /// The record.
        id: Id,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },
    /// The writer has failed, now or before.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A write to a segment failed; the writer takes no further record.
#[derive(Clone, Debug, Error)]
#[error("cannot {action} {}: no record was committed after the first {committed} of this process; free space or repair the disk, then run again", path.display())]
pub struct WriteError {
    /// What was tried, as "cannot …".
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Records that are safe: those up to this sequence number.
    pub committed: u64,
    /// The reason.
    pub source: Arc<io::Error>,
}

/// A place in the store that does not check: named, left out, to be computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What was found there.
    pub kind: DamageKind,
}

/// How a place is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The segment's own header does not check; its records are used if they check.
    SegmentHeader,
    /// The index of a sealed segment does not check; its records are found by walking.
    Footer,
    /// No part of the file is of this program.
    Foreign,
    /// So many bytes hold no valid frame.
    Unreadable {
        /// Length of the place.
        bytes: u64,
    },
    /// The payload of this record does not check or cannot be decoded.
    Record {
        /// The record.
        id: Id,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segment = self.segment.display();
        let offset = self.offset;
        match self.kind {
            DamageKind::SegmentHeader => write!(f, "{segment}: damaged segment header; records that check are used"),
            DamageKind::Footer => write!(f, "{segment}: damaged index at byte {offset}; records are found without it"),
            DamageKind::Foreign => write!(f, "{segment}: not a segment of infoplane; ignored, move it out of the store"),
            DamageKind::Unreadable { bytes } => {
                write!(f, "{segment}: {bytes} damaged bytes at byte {offset}; the records there are computed again")
            }
            DamageKind::Record { id } => write!(f, "{segment}: record {id} at byte {offset} is damaged; it is computed again"),
        }
    }
}

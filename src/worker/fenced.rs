//! Records under the fence of the lease that the task at hand is done under.

use std::cell::Cell;

use super::execute::Keep;
use crate::store::records::Record;
use crate::store::{StoreError, Writer};

/// A writer, and the fencing number that its records get.
#[derive(Debug)]
pub struct Fenced<'a> {
    writer: &'a Writer,
    fence: Cell<u64>,
}

impl<'a> Fenced<'a> {
    /// Without a lease, first.
    #[must_use]
    pub const fn new(writer: &'a Writer) -> Self {
        Self { writer, fence: Cell::new(0) }
    }

    /// What is appended from now on is done under this number.
    pub fn under(&self, fence: u64) {
        self.fence.set(fence);
    }

    /// As [`Writer::append`].
    ///
    /// # Errors
    /// Those of [`Writer::append`].
    pub fn append_numbered(&self, record: &Record) -> Result<u64, StoreError> {
        self.writer.append_under(self.fence.get(), record)
    }
}

impl Keep for Fenced<'_> {
    fn append(&self, record: &Record) -> Result<(), StoreError> {
        self.append_numbered(record).map(drop)
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.writer.flush()
    }
}

//! Bytes of files → labelled examples: one reader a format. Bytes come in whole, or (`npz`, headers of `npy`) from a reader, from whoever may
//! open files; nothing here opens any.
//!
//! Every reader holds to this, whatever the bytes:
//! * it ends with examples or with an [`Unreadable`] that says what was found and what was expected, and never panics;
//! * sizes that a header announces are checked against the bytes that are there before anything of that size is allocated;
//! * what is packed is unpacked only up to the size that its own header announces, and no further than the [`Limit`] given;
//! * so it never holds more than [`Limit::bound`] bytes.
//!
//! Reading order: `part` (examples under construction), `numbers` (arrays as they lie in bytes), then a file a format: `idx`, `cifar`,
//! `npy`, `npz`, `mat`, `csv` (`header`: what its first line is), `mushroom`; `columns` for tables that others have read; `gzip` unpacks; `published` knows the files of the
//! sets that have a name.

pub mod cifar;
pub mod columns;
pub mod csv;
pub mod gzip;
pub mod header;
pub mod idx;
pub mod mat;
pub mod mushroom;
pub mod npy;
pub mod npz;
pub mod numbers;
pub mod part;
pub mod published;

use std::fmt;

pub use part::Part;

/// Bytes that unpacked data and examples may take at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub usize);

impl Default for Limit {
    fn default() -> Self {
        Self(4 << 30)
    }
}

impl Limit {
    /// Whether so many things of so many bytes are within the limit.
    #[must_use]
    pub const fn holds(self, things: usize, bytes: usize) -> bool {
        matches!(things.checked_mul(bytes), Some(all) if all <= self.0)
    }

    /// Bytes that a reader holds at most, its input apart: the examples, their labels, what is unpacked, each within the limit; as much
    /// again while the first of them grows, and a little besides.
    #[must_use]
    pub const fn bound(self) -> usize {
        4 * self.0 + (1 << 20)
    }
}

/// Elements of an array of this shape, if that is a number. So is every product of some of its sizes then, also where another is 0.
#[must_use]
pub fn checked_elements(shape: &[usize]) -> Option<usize> {
    let of_others = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { of_others })
}

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unreadable {
    /// What was found.
    pub found: String,
    /// What belongs there.
    pub expected: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; expected {}", self.found, self.expected)
    }
}

impl Unreadable {
    /// What was found, and what belongs there.
    pub fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }
}

/// What a reader gives.
pub type Read<T> = Result<T, Unreadable>;

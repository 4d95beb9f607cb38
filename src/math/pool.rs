//! Scratch spaces for work that is shared over threads: whoever works borrows one, and the next call finds what this one allocated.
//!
//! Which thread gets which space is chance, so nothing that is in one may ever matter.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Spaces that nobody uses now; at most as many as threads ever worked at once.
#[derive(Debug, Default)]
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// One that nobody uses now.
    pub fn take(&self) -> Lent<'_, T> {
        let space = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { space: space.unwrap_or_default(), pool: self }
    }
}

/// A borrowed scratch space.
#[derive(Debug)]
pub struct Lent<'a, T: Default> {
    space: T,
    pool: &'a Pool<T>,
}

impl<T: Default> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.space
    }
}

impl<T: Default> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.space
    }
}

impl<T: Default> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let space = std::mem::take(&mut self.space);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}

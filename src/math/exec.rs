//! How a kernel is executed: on which instruction set, and whether it may use the threads of the caller's pool.
//!
//! Passed down as an argument; no kernel asks the environment. Results never depend on it.

use rayon::prelude::*;

use super::simd::{Block, Isa};

/// Blocks below which a walk over values is not split: waking threads costs more than it saves.
const PARALLEL_BLOCKS: usize = 4096;

/// Instruction set and parallelism of a call.
#[derive(Clone, Copy, Debug)]
pub struct Exec {
    /// The instruction set.
    pub isa: Isa,
    /// Whether to split work over the threads of the rayon pool that the call is made in.
    pub parallel: bool,
}

impl Exec {
    /// One thread on the fastest instruction set.
    #[must_use]
    pub fn serial() -> Self {
        Self { isa: Isa::best(), parallel: false }
    }

    /// Blocks of a part where a walk over `n` blocks, value by value, is worth splitting over the threads.
    #[must_use]
    pub fn part(&self, n: usize) -> Option<usize> {
        (self.parallel && n >= PARALLEL_BLOCKS).then(|| n.div_ceil(4 * rayon::current_num_threads()))
    }

    /// Does both, side by side where threads may be used.
    pub fn join<A: Send, B: Send>(&self, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
        if self.parallel { rayon::join(a, b) } else { (a(), b()) }
    }

    /// What `of` makes of 0, 1, … `count` − 1, in this order, shared over the threads.
    pub fn map<T: Send>(&self, count: usize, of: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        self.map_with(count, || (), |(), index| of(index))
    }

    /// As [`Exec::map`], with something to work with that one call leaves to the next.
    pub fn map_with<W, T: Send>(
        &self,
        count: usize,
        with: impl Fn() -> W + Send + Sync,
        of: impl Fn(&mut W, usize) -> T + Send + Sync,
    ) -> Vec<T> {
        if self.parallel {
            return (0..count).into_par_iter().map_init(with, of).collect();
        }
        let mut with = with();
        (0..count).map(|index| of(&mut with, index)).collect()
    }

    /// Does `work` on `values`, cut into pieces of `piece` that are numbered from 0, with something that one call leaves to the next.
    pub fn pieces<W, T: Send>(
        &self,
        values: &mut [T],
        piece: usize,
        with: impl Fn() -> W + Send + Sync,
        work: impl Fn(&mut W, usize, &mut [T]) + Send + Sync,
    ) {
        if self.parallel {
            return values
                .par_chunks_mut(piece)
                .enumerate()
                .for_each_init(with, |with, (place, values)| work(with, place, values));
        }
        let mut with = with();
        values.chunks_mut(piece).enumerate().for_each(|(place, values)| work(&mut with, place, values));
    }

    /// Runs `work` on all values, in parts where that pays.
    pub fn walk(&self, values: &mut [Block], work: impl Fn(&mut [Block]) + Send + Sync) {
        match self.part(values.len()) {
            Some(part) => values.par_chunks_mut(part).for_each(work),
            None => work(values),
        }
    }

    /// Runs `work` on all values and those beside them, in parts where that pays.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn walk_beside(&self, beside: &[Block], values: &mut [Block], work: impl Fn(&[Block], &mut [Block]) + Send + Sync) {
        assert_eq!(beside.len(), values.len());
        match self.part(values.len()) {
            Some(part) => beside.par_chunks(part).zip(values.par_chunks_mut(part)).for_each(|(b, v)| work(b, v)),
            None => work(beside, values),
        }
    }
}

//! How a kernel is executed: on which instruction set, and whether it may use the threads of the caller's pool.
//!
//! Passed down as an argument; no kernel asks the environment. Results never depend on it.

use super::simd::Isa;

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
}

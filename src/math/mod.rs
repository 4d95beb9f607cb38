//! SIMD lanes, vector functions and random streams: the ground that kernels stand on.
//!
//! Nothing of ours is imported here, and nothing here does I/O or reads a clock or the environment. Reading order: `simd` (16 virtual
//! lanes, one program for three instruction sets), `functions` (exponentials, logistic function, tanh on lanes), `digamma`, `power`, `moments`, `rng`
//! (counter-based streams), `chacha` (the same words, sixteen blocks at a time), `exec` (instruction set and threads, handed down as one argument),
//! `pool` (scratch spaces for those threads).

pub mod chacha;
pub mod digamma;
pub mod exec;
pub mod functions;
pub mod moments;
pub mod pool;
pub mod power;
pub mod rng;
pub mod simd;

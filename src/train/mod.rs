//! Data sets, networks, optimizers and the training step. Pure: no I/O, no clock, no environment, no logging; data, seed, instruction
//! set and threads are arguments.
//!
//! Reading order: `spec` and `schedule` (what is trained, what is recorded), `source`, `harmonics` and `data` (on what), `network` (layout, initial
//! weights, inference), `dense`, `activation`, `readout` (the kernels), `step` (one batch), `optimizer`, `trainer` (a training).

pub mod activation;
pub mod data;
pub mod dense;
pub mod harmonics;
pub mod network;
pub mod optimizer;
pub mod readout;
#[cfg(test)]
mod reference;
pub mod schedule;
pub mod source;
pub mod spec;
pub mod step;
pub mod trainer;

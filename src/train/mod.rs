//! Data sets, networks, optimizers and the training step. Pure: no I/O, no clock, no environment, no logging; data, seed, instruction
//! set and threads are arguments.
//!
//! Reading order: `spec`, `rule`, `schedule` and `stopping` (what is trained, how weights change, what is recorded, when it ends), `source`,
//! `harmonics` and `data` (on what), `network` and `init` (layout, initial weights), `dense`, `gradients`, `activation`, `prelu`, `maxout`, `normalise`,
//! `dropout`, `readout` (the kernels), `hidden` and `step` (one layer, one batch), `inference` (a whole split), `optimizer` and `penalty` (from
//! gradients to weights), `trainer` (a training).

pub mod activation;
pub mod checkpoint;
pub mod data;
pub mod dense;
pub mod dropout;
pub mod gradients;
pub mod harmonics;
pub mod hidden;
pub mod inference;
pub mod init;
pub mod maxout;
pub mod network;
pub mod normalise;
pub mod optimizer;
pub mod penalty;
pub mod prelu;
pub mod readout;
#[cfg(test)]
mod reference;
pub mod rule;
pub mod schedule;
pub mod source;
pub mod spec;
pub mod step;
pub mod stopping;
pub mod trainer;

//! Executes tasks: joins kernels to the store. The same code under every launcher.
//!
//! Reading order: `serve` (the process that a launcher starts), `orders` (what waits in it), `execute` (one task: train, commit, measure, commit), `measure`
//! (information of all layers at one epoch), `look` (where activations of a stored training lie), `provenance` (who ran it, where, with what).

pub mod calibrate;
pub mod execute;
pub mod look;
pub mod measure;
pub mod orders;
pub mod provenance;
pub mod serve;

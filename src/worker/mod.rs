//! Executes tasks: joins kernels to the store. The same code under every launcher.
//!
//! Reading order: `serve` (the process that a launcher starts), `orders` (what waits in it), `data` (files → data sets), `execute` (one task: train, commit, measure, commit), `fenced` (records under
//! a lease), `measure` (information of all layers at one epoch), `provenance` (who ran it, where, with what).

pub mod calibrate;
pub mod data;
pub mod execute;
pub mod fenced;
pub mod measure;
pub mod orders;
pub mod provenance;
pub mod serve;

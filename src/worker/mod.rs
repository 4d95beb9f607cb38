//! Executes tasks: joins kernels to the store. The same code under every launcher.
//!
//! Reading order: `serve` (the process that a launcher starts), `orders` (what waits in it), `data` (files → data sets), `execute` (one
//! task: train, commit, measure, commit), `course` (a training under way, and its checkpoint), `control` (who may stop it), `fenced`
//! (records under a lease), `measure` (information of all layers at one epoch), `activity` (activations to look at), `look` (where those
//! of a stored training lie), `calibrate` (what tasks of a kind cost on this machine), `provenance` (who ran it, where, with what).

pub mod activity;
pub mod calibrate;
pub mod control;
pub mod course;
pub mod data;
pub mod execute;
pub mod fenced;
pub mod look;
pub mod measure;
pub mod orders;
pub mod provenance;
pub mod serve;

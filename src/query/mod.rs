//! Questions to a store: where things stand, what is known of a run, which runs there are, how they differ; and parts of a store as a file.
//!
//! Here live the answers, as plain values. What may not live here: anything that computes results (`worker`), decides what to run (`grid`,
//! `launch`), or formats for people (`cli`). Nothing here writes into a store, but `running` (a coordinator says that it is there) and
//! `transfer` (an archive is merged).
//!
//! Reading order: `study` (cohorts of a store, their runs, names of runs), `running` (who is at work), `status`, `explain`, `facts`, `terms`
//! and `find` (which runs), `show`, `compare` (two records to the bit), `transfer` (archives).

pub mod compare;
pub mod explain;
pub mod facts;
pub mod find;
pub mod running;
pub mod show;
pub mod status;
pub mod study;
pub mod terms;
pub mod transfer;

pub use study::{NameError, RunRef, Study};

//! Grid Engine: array jobs of pilots that share out a sweep by themselves.
//!
//! ```text
//! run ─ sweep (tasks in batches, a file in the store) ─ journal: intent ─ qsub ─ journal: job
//! pilot (an array task; `infoplane worker --pilot`): takes a batch under a lease ─ executes ─ commits ─ next; the last makes the tables
//! ```
//!
//! Nobody coordinates. Records and leases in the store say what is done and who is alive; what the scheduler says is a hint for people
//! (it loses and delays), and is asked only to tell what to do about a sweep that stands still.
//!
//! ```text
//! STORE/.infoplane/sweeps/SWEEP/sweep.json      what was submitted: cohort, times, where each batch stands
//!                               tasks.bin       the batches
//!                               journal.jsonl   intents, job ids, cancellations, the end; appended only
//!                               job-ARRAY.sh    the script as it was given to qsub, one an array job
//!                               logs/…          one file for each pilot, bounded
//! STORE/.infoplane/leases/SWEEP/batch-N@FENCE   who works on a batch
//!                               watch-CLASS-PLACE@FENCE
//!                                               idle pilots that stay to take over from the dead; two at most of each class of memory
//!                               tables@FENCE    who makes the tables
//! ```
//!
//! An intent is journalled before `qsub`, under a job name that holds the sweep's random id, and the job's id behind it: after a crash
//! between the two `cancel` and `gc` find the job by its name.
//!
//! Reading order: `sweep` and `journal` (what is on disk), `partition` (tasks → batches), `pilot` (what a pilot does next; pure), `command`,
//! `script` and `quote` (what is given to `qsub`), `scheduler` (asking it), `qstat` and `qacct` (what it answers), `advice` (what a person
//! must do).

pub mod advice;
pub mod command;
pub mod journal;
pub mod partition;
pub mod pilot;
pub mod qacct;
pub mod qstat;
pub mod quote;
pub mod scheduler;
pub mod script;
#[cfg(test)]
mod simulation;
pub mod sweep;

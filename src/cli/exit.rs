//! How the program ends: exit codes, one an outcome, and the failures behind them.

use std::error::Error;
use std::process::ExitCode;

use crate::cohort::CohortErrors;
use crate::launch::LaunchError;
use crate::store::StoreError;
use crate::worker::serve::chain;

/// Exit codes. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// A defect or an accident of the program itself.
    Internal = 1,
    /// Wrong usage; most of it is told by the parser of arguments.
    Usage = 2,
    /// An invalid cohort, configuration or input file; nothing ran.
    Invalid = 3,
    /// Finished, but some runs failed.
    SomeFailed = 4,
    /// Interrupted; `run` again goes on.
    Interrupted = 5,
    /// The store is damaged, incompatible or cannot be used.
    Store = 6,
    /// A launcher is not available, or nothing works on it.
    Launcher = 7,
    /// Of a pilot alone: what a batch system takes as the wish to be started again.
    Requeue = 99,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The help's section on exit codes.
pub const HELP: &str = "\
Exit codes: 0 done; 1 internal error; 2 wrong usage; 3 invalid cohort, configuration or input file; 4 finished, but some \
runs failed; 5 interrupted, run again to go on; 6 store damaged, incompatible or not usable; 7 launcher not available";

/// Why a command ended early: an exit code and what to tell.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// A failure with its own words.
    #[must_use]
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// A failure from an error, its causes kept.
    #[must_use]
    pub fn from_error(exit: Exit, error: &dyn Error) -> Self {
        Self { exit, text: chain(error) }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// What to print. Errors of a cohort bring their own form; the rest is one line that starts with `error:`.
    #[must_use]
    pub fn report(&self) -> String {
        if self.text.starts_with("error:") { self.text.clone() } else { format!("error: {}", self.text) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from_error(Exit::Store, &error)
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let exit = match error {
            LaunchError::NothingKept { .. } => Exit::Store,
            LaunchError::Spawn { .. }
            | LaunchError::NothingWorks { .. }
            | LaunchError::Deserted { .. }
            | LaunchError::NoPlace => Exit::Launcher,
        };
        Self::from_error(exit, &error)
    }
}

impl From<CohortErrors> for Failure {
    fn from(errors: CohortErrors) -> Self {
        Self::new(Exit::Invalid, errors.to_string())
    }
}

impl From<crate::aggregate::AggregateError> for Failure {
    fn from(error: crate::aggregate::AggregateError) -> Self {
        Self::from_error(Exit::Store, &error)
    }
}

impl From<crate::store::tables::TableError> for Failure {
    fn from(error: crate::store::tables::TableError) -> Self {
        Self::from_error(Exit::Store, &error)
    }
}

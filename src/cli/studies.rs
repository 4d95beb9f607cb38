//! A store with the cohorts that it knows, for the commands that ask questions.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::load::{self, Settled};
use crate::query::running::{self, Notice};
use crate::query::{NameError, Study};
use crate::store::{Index, Store};

/// A store, opened for reading.
pub struct Open {
    /// The store.
    pub store: Store,
    /// What is committed.
    pub index: Index,
    /// Its cohorts, by name.
    cohorts: Vec<Settled<'static>>,
}

impl Open {
    /// Opens the store at `out` with all its cohorts.
    pub fn at(out: &Path) -> Result<Self, Failure> {
        Self::with(out, &load::names(out))
    }

    /// Opens the store at `out` with these cohorts of it.
    pub fn with(out: &Path, names: &[String]) -> Result<Self, Failure> {
        let store = Store::open_existing(out)?;
        let cohorts = names.iter().map(|name| load::by_name(out, name)).collect::<Result<Vec<_>, _>>()?;
        let index = store.index()?;
        let cohorts = cohorts.into_iter().map(|loaded| loaded.into_settled(&index)).collect::<Result<_, _>>()?;
        Ok(Self { store, index, cohorts })
    }

    /// Takes in what was committed since.
    pub fn refresh(&mut self) -> Result<(), Failure> {
        self.index.refresh()?;
        self.cohorts.iter_mut().try_for_each(|cohort| cohort.renew(&self.index))
    }

    /// The cohorts, as questions take them.
    pub fn studies(&self) -> Vec<Study<'_>> {
        self.cohorts.iter().map(Settled::study).collect()
    }

    /// Who is at work on the store now.
    pub fn live(&self) -> Vec<Notice> {
        running::live(self.store.root())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::from_error(Exit::Invalid, &error)
    }
}

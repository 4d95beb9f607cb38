//! A selection of runs as one file, and such a file merged into another store.
//!
//! Records are content-addressed, so merging is adding what is not there: an import done twice changes nothing, and one that was
//! interrupted is done again. Cohort files come last, so that a store never knows a cohort whose records are still on their way.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::study::RunRef;
use crate::cohort;
use crate::grid::ids::Id;
use crate::store::archive::{ArchiveError, ArchiveWriter, Entry, read_archive};
use crate::store::records::{Kind, Record};
use crate::store::{Index, Store, StoreError, replace_file};

/// Records handed to the writer before it is waited for: bounds the memory.
const GROUP: u64 = 256;

/// Records by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Trainings.
    pub trainings: u64,
    /// Measurements.
    pub measurements: u64,
    /// Attempts.
    pub attempts: u64,
}

impl Amounts {
    const fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Training => self.trainings += 1,
            Kind::Measurement | Kind::Dependence => self.measurements += 1,
            Kind::Attempt => self.attempts += 1,
        }
    }

    /// All records.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.trainings + self.measurements + self.attempts
    }
}

/// What an archive got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Names of the cohorts whose files it has.
    pub cohorts: Vec<String>,
    /// Its records.
    pub records: Amounts,
    /// Its size.
    pub bytes: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Names of the cohorts that the store did not know.
    pub cohorts: Vec<String>,
    /// Records added.
    pub added: Amounts,
    /// Records that were there already.
    pub present: Amounts,
}

/// An archive could not be merged.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has another cohort of that name.
    #[error("the store has another cohort `{name}` ({}): import into another --out, or with --records-only, which leaves its file as it is", path.display())]
    OtherCohort {
        /// The name.
        name: String,
        /// The store's file.
        path: PathBuf,
    },
    /// The file of a cohort in the archive is none.
    #[error("the archive's cohort `{name}` is none that this program can read: {reason}")]
    BadCohort {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The store's file of a cohort could not be read, so that nobody knows whether it is the same.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A cohort's file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes an archive of the committed records of `runs`, with the files of their cohorts.
///
/// # Errors
/// [`ArchiveError`].
pub fn export(runs: &[RunRef<'_>], index: &Index, path: &Path) -> Result<Exported, ArchiveError> {
    let mut archive = ArchiveWriter::create(path)?;
    let cohorts: BTreeMap<&str, &str> = runs.iter().map(|run| (run.study.grid.cohort.as_str(), run.study.text)).collect();
    for (name, text) in &cohorts {
        archive.cohort(name, text)?;
    }
    let (mut records, mut seen) = (Amounts::default(), HashSet::new());
    let mut put = |record: &Record| {
        records.add(record.kind());
        archive.record(record)
    };
    for run in runs {
        let training = run.run.training;
        if seen.insert(training) {
            index.read(training)?.as_ref().map_or(Ok(()), &mut put)?;
            for attempt in index.attempts(training)? {
                put(&Record::Attempt(attempt))?;
            }
        }
        for (.., id) in run.measurements() {
            if seen.insert(id) {
                index.read(id)?.as_ref().map_or(Ok(()), &mut put)?;
            }
        }
    }
    let bytes = archive.finish()?;
    Ok(Exported { cohorts: cohorts.into_keys().map(str::to_owned).collect(), records, bytes })
}

/// Merges an archive into a store; `copy` is the name of a cohort's file in the cohort's directory. The archive is checked whole before
/// anything is written.
///
/// # Errors
/// [`ImportError`]; what was committed before stays, and the same import again goes on.
pub fn import(path: &Path, store: &Store, copy: &str, records_only: bool) -> Result<Imported, ImportError> {
    let mut cohorts: BTreeMap<String, String> = BTreeMap::new();
    read_archive(path, |entry| {
        if let Entry::Cohort { name, text } = entry
            && !records_only
        {
            cohorts.insert(name, text);
        }
        Ok::<(), ImportError>(())
    })?;
    let mut new = Vec::new();
    for (name, text) in cohorts {
        // Also keeps a name from leading out of the store.
        let parsed = cohort::parse(&format!("{}:{name}", path.display()), &text);
        let checked = parsed.map_err(|error| error.to_string()).and_then(|parsed| {
            if parsed.name == name { Ok(()) } else { Err(format!("its file has the name `{}`", parsed.name)) }
        });
        checked.map_err(|reason| ImportError::BadCohort { name: name.clone(), reason })?;
        let file = store.cohort_dir(&name).join(copy);
        match fs::read(&file) {
            Ok(kept) if kept == text.as_bytes() => {}
            Ok(_) => return Err(ImportError::OtherCohort { name, path: file }),
            Err(error) if error.kind() == ErrorKind::NotFound => new.push((name, file, text)),
            Err(source) => return Err(ImportError::Read { path: file, source }),
        }
    }
    let mut imported = merge(path, store)?;
    for (name, file, text) in new {
        let failed = |source| ImportError::Write { path: file.clone(), source };
        fs::create_dir_all(store.cohort_dir(&name)).and_then(|()| replace_file(&file, text.as_bytes())).map_err(failed)?;
        imported.cohorts.push(name);
    }
    Ok(imported)
}

/// Adds the records that the store does not have, or has damaged.
fn merge(path: &Path, store: &Store) -> Result<Imported, ImportError> {
    let index = store.index()?;
    let writer = store.writer(|_| ())?;
    let (mut imported, mut seen) = (Imported::default(), HashSet::<Id>::new());
    read_archive(path, |entry| {
        let Entry::Record(record) = entry else { return Ok(()) };
        if index.verify(record.id())? || !seen.insert(record.id()) {
            imported.present.add(record.kind());
            return Ok(());
        }
        writer.append(&record)?;
        imported.added.add(record.kind());
        if imported.added.total().is_multiple_of(GROUP) {
            writer.flush()?;
        }
        Ok::<(), ImportError>(())
    })?;
    writer.flush()?;
    Ok(imported)
}

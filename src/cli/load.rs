//! Cohorts from files, directories or a store, parsed, checked and expanded before anything runs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::datasets;
use super::exit::{Exit, Failure};
use crate::aggregate::Enough;
use crate::cohort::{self, Cohort, Parsed, Source};
use crate::grid::Grid;
use crate::grid::expand::expand;
use crate::query::Study;
use crate::store::Index;
use crate::train::source::Source as DatasetSource;

/// Name of the copy of a cohort's file beside its tables: `resume`, `aggregate` and `plot` know the cohort by it.
pub const COPY: &str = "cohort.toml";

/// A cohort, ready to be planned.
#[derive(Clone)]
pub struct Loaded {
    /// The text of its file, with all that it extends and what its data was found to be.
    pub text: String,
    /// The checked cohort.
    pub cohort: Cohort,
    /// Its experiments, their data found.
    pub grid: Grid,
}

/// A cohort whose numbers of repeats are those that a store says are enough: what questions to a store are about. Made of a [`Loaded`] alone, so that
/// nobody asks about repeats that no one will run.
#[derive(Clone)]
pub struct Settled<'a>(Cow<'a, Loaded>);

impl Loaded {
    /// The cohort with the numbers of repeats that are enough by what is committed, if it says when they are.
    pub fn settled(&self, index: &Index) -> Result<Settled<'_>, Failure> {
        let Some(enough) = self.enough(index)? else { return Ok(self.without_store()) };
        let mut settled = self.clone();
        settled.grid.enough = enough;
        Ok(Settled(Cow::Owned(settled)))
    }

    /// The same, of a cohort that is read for this alone.
    pub fn into_settled(self, index: &Index) -> Result<Settled<'static>, Failure> {
        let mut settled = Settled(Cow::Owned(self));
        settled.renew(index)?;
        Ok(settled)
    }

    /// The cohort where nothing is committed: all its repeats are needed.
    pub const fn without_store(&self) -> Settled<'_> {
        Settled(Cow::Borrowed(self))
    }

    fn enough(&self, index: &Index) -> Result<Option<Vec<u32>>, Failure> {
        let Some(rule) = &self.cohort.stop_when else { return Ok(None) };
        let mut enough = Enough::new(&self.grid, rule);
        enough.look(index)?;
        Ok(Some(enough.numbers()))
    }
}

impl Settled<'_> {
    /// Takes in what was committed since.
    pub fn renew(&mut self, index: &Index) -> Result<(), Failure> {
        if let Some(enough) = self.enough(index)? {
            self.0.to_mut().grid.enough = enough;
        }
        Ok(())
    }

    /// As questions to a store take it.
    pub fn study(&self) -> Study<'_> {
        Study { grid: &self.grid, text: &self.text }
    }
}

impl Deref for Settled<'_> {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        &self.0
    }
}

/// Loads every file, and every `.toml` file below every directory. All mistakes of all files are reported at once.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Loaded>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, &mut files)?;
        if files.len() == before {
            return Err(Failure::new(Exit::Invalid, format!("{}: no cohort file (*.toml) in this directory", path.display())));
        }
    }
    let (mut loaded, mut reports) = (Vec::new(), Vec::new());
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        match load(&file) {
            Ok(one) => {
                if let Some(other) = names.insert(one.cohort.name.clone(), file.clone()) {
                    let name = &one.cohort.name;
                    let text =
                        format!("{}: the cohort `{name}` is also in {}; names must differ", file.display(), other.display());
                    reports.push(Failure::new(Exit::Invalid, text).report());
                }
                loaded.push(one);
            }
            Err(failure) => reports.push(failure.report()),
        }
    }
    if reports.is_empty() { Ok(loaded) } else { Err(Failure::new(Exit::Invalid, reports.join("\n\n"))) }
}

/// The files that a path stands for, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |e| Failure::new(Exit::Invalid, format!("{}: cannot read: {e}", path.display()));
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries =
        fs::read_dir(path).map_err(failed)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "toml") {
            files.push(entry);
        }
    }
    Ok(())
}

/// Loads one cohort file, and what it extends.
fn load(path: &Path) -> Result<Loaded, Failure> {
    let source = read(path).map_err(|text| Failure::new(Exit::Invalid, text))?;
    // A chain of files is followed one by one: a path is relative to the file before it.
    let mut last = path.to_owned();
    let Parsed { cohort, text, datasets } = cohort::parse_files(source, &mut |extends| {
        last = last.parent().unwrap_or(Path::new("")).join(extends);
        read(&last)
    })?;
    let mut grid = expand(&cohort).map_err(|e| Failure::from_error(Exit::Invalid, &e))?;
    let place = |source: &DatasetSource| {
        let noted = datasets.iter().find(|(noted, _)| noted == source);
        noted.map_or_else(|| path.display().to_string(), |(_, place)| place.clone())
    };
    let text = datasets::find_all(&mut grid, &text, place).map_err(|error| Failure::new(Exit::Invalid, error))?;
    Ok(Loaded { text, cohort, grid })
}

/// Reads one file; or says why it cannot.
fn read(path: &Path) -> Result<Source, String> {
    let cannot = |e| format!("{}: cannot read: {e}", path.display());
    let bytes = fs::read(path).map_err(cannot)?;
    let identity = fs::canonicalize(path).map_err(cannot)?.display().to_string();
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1;
        format!("{}:{line}: not UTF-8 text; a cohort is a TOML file", path.display())
    })?;
    Ok(Source { name: path.display().to_string(), identity, text })
}

/// The cohort of that name in a store, from the copy that its last run left.
pub fn by_name(dir: &Path, name: &str) -> Result<Loaded, Failure> {
    let copy = dir.join(name).join(COPY);
    if cohort::is_name(name) && copy.is_file() {
        let loaded = load(&copy)?;
        if loaded.cohort.name != name {
            let text = format!(
                "{}: the cohort in this directory has the name `{}`; expected `{name}`, as the directory, which may be a copy",
                copy.display(),
                loaded.cohort.name
            );
            return Err(Failure::new(Exit::Invalid, text));
        }
        return Ok(loaded);
    }
    let known = names(dir);
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are: {}", known.join(", ")) };
    Err(Failure::new(Exit::Invalid, format!("no cohort `{name}` in {}; {known}", dir.display())))
}

/// Names of the cohorts in a store: of the directories with the file of a cohort of that name. A copy that somebody made of such a
/// directory is none; one whose file gives no name is, so that whoever loads it says what is wrong.
pub fn names(dir: &Path) -> Vec<String> {
    let is_cohort = |name: &String, copy: &Path| {
        let own = fs::read_to_string(copy).ok().and_then(|text| cohort::name_in(&text));
        cohort::is_name(name) && own.is_none_or(|own| own == *name)
    };
    let named = copies(dir).into_iter().map(|(name, copy)| (name.to_string_lossy().into_owned(), copy));
    let mut names: Vec<String> = named.filter(|(name, copy)| is_cohort(name, copy)).map(|(name, _)| name).collect();
    names.sort();
    names
}

/// The cohorts of all directories of a store, also of those that were copied or renamed: what any of them asks for is of use.
pub fn in_all_directories(dir: &Path) -> Result<Vec<Loaded>, Failure> {
    copies(dir).iter().map(|(_, copy)| load(copy)).collect()
}

/// The directories of a store with the file of a cohort, and those files.
fn copies(dir: &Path) -> Vec<(OsString, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| (e.file_name(), e.path().join(COPY))).filter(|(_, copy)| copy.is_file()).collect()
}

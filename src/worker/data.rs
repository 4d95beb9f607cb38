//! Files → data sets: where they lie, what they hold, and whether that is still what was planned.
//!
//! Who plans finds the data once and writes down its absolute paths and its fingerprint; who computes, on whatever host, reads those paths
//! and refuses a content that has changed.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::data::idx::Place;
use crate::data::published::Set;
use crate::data::{Limit, Part, Unreadable, cifar, csv, idx, mat, mushroom, npy, npz, numbers};
use crate::store;
use crate::train::data::{Dataset, Sheet};
use crate::train::source::{DataSpec, FieldKind, Files, Format, Found, Published, Size, Source};

/// Data sets that a worker does not use at the moment are kept up to this size, in bytes.
const KEPT: usize = 256 << 20;

/// A data set that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A published set is not there.
    #[error(
        "data set `{name}`: no {file} in {dirs}\n  get it with:  infoplane data fetch {name}{to}\n  or put its files into {place}; `data_dir` in a cohort or $INFOPLANE_DATA names another directory"
    )]
    Missing {
        /// The set.
        name: &'static str,
        /// The first file that is missing.
        file: String,
        /// Where it was looked for.
        dirs: String,
        /// What `fetch` needs to put it there.
        to: String,
        /// Where it belongs.
        place: String,
    },
    /// A file of a table is not there.
    #[error("data set {set}: no file {} (paths are relative to the cohort file)", path.display())]
    NoFile {
        /// The set.
        set: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        what: Unreadable,
    },
    /// The files hold something else than when the task was planned.
    #[error("data set {set}: the content has changed since this was planned ({files}); run the cohort again")]
    Changed {
        /// The set.
        set: String,
        /// Its files.
        files: String,
    },
    /// Nobody looked for it.
    #[error("data set {0}: not found yet")]
    NotFound(String),
}

/// The directory of the published sets: as a cohort says, else `$INFOPLANE_DATA`, else `data`.
#[must_use]
pub fn data_dir(given: &str) -> PathBuf {
    let of_environment = || env::var_os("INFOPLANE_DATA").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    if given.is_empty() { of_environment().unwrap_or_else(|| "data".into()) } else { given.into() }
}

/// Finds data: its files by absolute paths, its size and its fingerprint. `dir` is that of the published sets.
///
/// # Errors
/// [`DataError`].
pub fn find(source: &Source, dir: &Path) -> Result<DataSpec, DataError> {
    let files = match source {
        Source::Generated(name) => return Ok((*name).into()),
        Source::Published(published) => locate_published(*published, dir)?,
        Source::Files(files) => locate(files)?,
    };
    let sheet = read(&files)?;
    let found = Found { fingerprint: sheet.fingerprint(), size: size(&sheet, files.train_fraction), files };
    Ok(DataSpec { source: source.clone(), found: Some(Arc::new(found)) })
}

/// The size of a data set.
#[must_use]
pub fn size(sheet: &Sheet, train_fraction: Option<f64>) -> Size {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Size {
        examples: count(sheet.n()),
        train: count(sheet.n_train(train_fraction)),
        inputs: count(sheet.inputs),
        classes: count(sheet.class_values.len()),
    }
}

/// A path that is the same wherever it is used.
fn absolute(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.display().to_string()
}

/// The files of a published set: the first directory that has all of them.
///
/// # Errors
/// [`DataError::Missing`], which names what the likeliest directory lacks.
pub fn locate_published(published: Published, dir: &Path) -> Result<Files, DataError> {
    let set = Set::of(published);
    let mut missing = Vec::new();
    for below in set.dirs {
        let place = dir.join(below);
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let lacks = set.files.iter().find(|file| {
            let found = file.names.iter().map(|name| place.join(name)).find(|path| path.is_file());
            let is_missing = found.is_none();
            fields.entry(file.field.to_owned()).or_default().extend(found.map(|path| absolute(&path)));
            is_missing
        });
        match lacks {
            None => return Ok(Files { format: set.format, fields, train_fraction: None, dir: String::new() }),
            Some(file) => missing.push((file, place)),
        }
    }
    // The directory that has some of the files tells most.
    let most = missing.iter().max_by_key(|(file, _)| set.files.iter().position(|other| std::ptr::eq(*file, other)));
    let dirs = missing.iter().map(|(_, place)| place.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(DataError::Missing {
        name: published.name(),
        file: most.map_or(String::new(), |(file, _)| file.names[0].to_owned()),
        dirs,
        to: if dir == Path::new("data") { String::new() } else { format!(" --to {}", dir.display()) },
        place: dir.join(set.dirs[0]).display().to_string(),
    })
}

/// The files of a table, by absolute paths: relative to the cohort file, or else to the current directory.
fn locate(files: &Files) -> Result<Files, DataError> {
    let mut found = Files { dir: String::new(), ..files.clone() };
    for field in files.format.fields().iter().filter(|field| matches!(field.kind, FieldKind::Path | FieldKind::Paths)) {
        for path in found.fields.get_mut(field.key).into_iter().flatten() {
            let beside = Path::new(&files.dir).join(&*path);
            let place = if !beside.exists() && Path::new(path).exists() { PathBuf::from(&*path) } else { beside };
            if !place.is_file() {
                return Err(DataError::NoFile { set: files.text(), path: place });
            }
            *path = absolute(&place);
        }
    }
    Ok(found)
}

/// The bytes of a file that is no larger than a data set may be.
fn bytes(path: &str) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > Limit::default().0 as u64 {
        let what = Unreadable::new(format!("{size} bytes"), format!("at most {}", Limit::default().0));
        return Err(DataError::Unreadable { path: path.into(), what });
    }
    fs::read(path).map_err(failed)
}

/// Reads the files of a set.
///
/// # Errors
/// [`DataError`], which names the file.
pub fn read(files: &Files) -> Result<Sheet, DataError> {
    let (mut all, first) = part(files, "")?;
    let mut train = None;
    if files.has_test_files() {
        train = Some(all.labels.len());
        let (test, path) = part(files, "test_")?;
        // Of two files, the empty one is named.
        for (part, path) in [(&all, &first), (&test, &path)] {
            if part.labels.is_empty() {
                let what = Unreadable::new("no example", "at least one to train on and one to test on");
                return Err(DataError::Unreadable { path: path.into(), what });
            }
        }
        all.append(test).map_err(|what| DataError::Unreadable { path: path.into(), what })?;
    }
    all.into_sheet(train).map_err(|what| DataError::Unreadable { path: first.into(), what })
}

/// Reads one part, and names a file of it: fields of the test examples have a prefix.
fn part(files: &Files, prefix: &str) -> Result<(Part, String), DataError> {
    let limit = Limit::default();
    // What a file of test examples does not have of its own is as in the other.
    let value = |key: &str| {
        let own = format!("{prefix}{key}");
        files.value(if files.fields.contains_key(&own) { &own } else { key }).to_owned()
    };
    let path = value("path");
    let of = |path: &str, what| DataError::Unreadable { path: path.into(), what };
    let read = match files.format {
        Format::Idx => {
            let (images, labels) = (value("images"), value("labels"));
            let read = idx::read(&bytes(&images)?, &bytes(&labels)?, limit);
            let part = read.map_err(|(place, what)| of(if place == Place::Images { &images } else { &labels }, what))?;
            return Ok((part, images));
        }
        Format::Npy => {
            let (inputs, labels) = (value("inputs"), value("labels"));
            let (input_bytes, label_bytes) = (bytes(&inputs)?, bytes(&labels)?);
            let input_array = npy::array(input_bytes.into()).map_err(|what| of(&inputs, what))?;
            let label_array = npy::array(label_bytes.into()).map_err(|what| of(&labels, what))?;
            let part = numbers::examples(&input_array, &label_array, limit).map_err(|what| of(&inputs, what))?;
            return Ok((part, inputs));
        }
        Format::Cifar => {
            let mut all: Option<Part> = None;
            for path in files.values(&format!("{prefix}path")) {
                let more = cifar::read(&bytes(path)?, limit).map_err(|what| of(path, what))?;
                match &mut all {
                    Some(all) => all.append(more).map_err(|what| of(path, what))?,
                    None => all = Some(more),
                }
            }
            all.ok_or_else(|| Unreadable::new("no file", "at least one"))
        }
        Format::Npz => {
            let bytes = bytes(&path)?;
            npz::Archive::open(&bytes, limit).and_then(|mut archive| archive.examples(&value("inputs"), &value("labels")))
        }
        Format::Mat => mat::read(&bytes(&path)?, &value("inputs"), &value("labels"), limit),
        Format::Csv => csv::read(&bytes(&path)?, &value("label"), limit),
        Format::Parquet => {
            store::columns::read(Path::new(&path), limit).and_then(|columns| columns.examples(&value("label"), limit))
        }
        Format::Mushroom => mushroom::read(&bytes(&path)?, limit),
    };
    read.map(|part| (part, path.clone())).map_err(|what| of(&path, what))
}

/// Loads the data of a task.
///
/// # Errors
/// [`DataError`], also if the content is not that of the plan.
pub fn load(spec: &DataSpec, split_seed: u64) -> Result<Dataset, DataError> {
    let sheet = match (&spec.source, &spec.found) {
        (_, Some(found)) => {
            let sheet = read(&found.files)?;
            if sheet.fingerprint() != found.fingerprint {
                let files: Vec<&str> = found.files.fields.values().flatten().map(String::as_str).collect();
                return Err(DataError::Changed { set: spec.source.text(), files: files.join(", ") });
            }
            sheet
        }
        (Source::Generated(name), None) => Sheet::generate(*name),
        (source, None) => return Err(DataError::NotFound(source.text())),
    };
    Ok(Dataset::new(sheet, spec.train_fraction(), split_seed))
}

/// The data sets of a worker, which stay loaded between tasks.
#[derive(Default)]
pub struct Library {
    /// By fingerprint, share and split seed; the one used last is the last.
    loaded: Vec<(Key, Rc<Dataset>)>,
}

/// What tells data sets apart.
type Key = (String, Option<u64>, u64);

impl Library {
    /// The data of a task, loaded if need be. What was not used last gives way where it takes much memory.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn get(&mut self, spec: &DataSpec, split_seed: u64) -> Result<Rc<Dataset>, DataError> {
        let key = (spec.fingerprint().to_owned(), spec.train_fraction().map(f64::to_bits), split_seed);
        let held = self.loaded.iter().position(|(held, _)| *held == key).map(|place| self.loaded.remove(place));
        let entry = match held {
            Some(entry) => entry,
            None => {
                let bytes = || self.loaded.iter().map(|(_, data)| data.bytes()).sum::<usize>();
                let room = bytes() + spec.size().examples as usize * spec.size().inputs as usize * 8;
                if room > KEPT {
                    self.loaded.clear();
                }
                (key, Rc::new(load(spec, split_seed)?))
            }
        };
        let data = Rc::clone(&entry.1);
        self.loaded.push(entry);
        Ok(data)
    }
}

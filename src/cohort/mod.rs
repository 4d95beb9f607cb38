//! TOML → checked [`Cohort`]; the only room that knows TOML, and the only one that decides what a valid value is.
//!
//! Reading order: `settings` (what an experiment's settings are), `setting` and `definitions` (one setting, and the table of all),
//! `model` (a checked cohort), `stop` (when an experiment has repeats enough), `points` (which points it has); then how a file becomes one:
//! `syntax` (text → tree), `values` and `rules` (value → setting), `dataset` (the tables of files), `recording` (schedules, rules for stopping),
//! `document` and `axes` (tree → cohort), `sge` (what a pilot asks of Grid Engine), `checks` (what only the whole file tells), `extends` and
//! `flatten` (several
//! files as one), `errors`; `schema` tells people and editors what may stand where;
//! `name` (what a cohort may be called);
//! `convert` (with `callbacks`) makes cohort files from the configurations of the system before.
//!
//! The language, beyond what the names say:
//! * Integers are written as integers: `epochs = 5.0` is an error that suggests `5`. An integer is a fine real number.
//! * Without `[grid]` and `[[zip]]` there is one point, the base settings. An `[[include]]` adds to that, too.
//! * Axes vary in this order, the first slowest: the grid's in the order of the file, then those of each `[[zip]]`.
//! * An axis whose values are all tables `{ label, set }` may have a name of its own; `[[exclude]]` matches it by label.
//! * Two axes of one product must not set the same key.
//! * A file uses `estimators` or the old form (`estimator`, `discretization_range`), not both.
//! * `extends = "other.toml"`, a path relative to the file, takes that file as the base: its keys hold where this file has none. In
//!   `[experiment]` and `[launcher.…]` they are replaced one by one, all else section by section: a `[grid]` here replaces that of the
//!   base, `exclude = []` drops the base's excludes. The name is given here. A base may extend a further file.

pub mod convert;
pub mod definitions;
pub mod errors;
pub mod model;
pub mod points;
pub mod schema;
pub mod setting;
pub mod settings;
pub mod stop;

mod axes;
mod callbacks;
mod checks;
mod dataset;
mod document;
mod extends;
mod flatten;
mod name;
mod recording;
mod rules;
mod sge;
mod syntax;
mod values;

pub use errors::{CohortError, CohortErrors};
pub use extends::{Loader, Source};
pub use model::Cohort;
pub use name::{is_name, name_in, safe_name};

use crate::train::source::Source as DatasetSource;

/// A cohort that was read from one or more files.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The checked cohort.
    pub cohort: Cohort,
    /// The text of one file that means the same: the file's own, unless it extends another.
    pub text: String,
    /// The data sets that it names and where they stand, `FILE:LINE:COLUMN`, for errors that only their files tell.
    pub datasets: Vec<(DatasetSource, String)>,
}

/// Parses and checks a cohort file that extends no other; `source_name` stands in the errors.
///
/// # Errors
/// All mistakes of the text at once, in the order of the file, each with its position.
pub fn parse(source_name: &str, text: &str) -> Result<Cohort, CohortErrors> {
    let source = Source { name: source_name.to_owned(), identity: String::new(), text: text.to_owned() };
    parse_files(source, &mut |path| Err(format!("this cohort stands alone, {path:?} is not at hand"))).map(|parsed| parsed.cohort)
}

/// Parses and checks a cohort file together with the files that it extends, which `loader` gives.
///
/// # Errors
/// All mistakes of all files at once, each with its file and position.
pub fn parse_files(source: Source, loader: &mut Loader<'_>) -> Result<Parsed, CohortErrors> {
    let chain = extends::Chain::follow(source, loader);
    let mut reporter = errors::Reporter::new(&chain.text, &chain.files);
    let (cohort, flat) = document::read(&chain, &mut reporter);
    let datasets = reporter.take_datasets();
    match reporter.finish() {
        Some(errors) => Err(errors),
        None => Ok(Parsed { cohort, text: flat.unwrap_or(chain.text), datasets }),
    }
}

/// Parses and checks a site's file: the sections `[launcher.…]`, with the keys that they have in a cohort.
///
/// # Errors
/// All mistakes of the text at once, in its order, each with its position.
pub fn parse_site(source_name: &str, text: &str) -> Result<model::LauncherSettings, CohortErrors> {
    let files = [(0, source_name.to_owned())];
    let mut reporter = errors::Reporter::new(text, &files);
    let settings = document::read_site(text, &mut reporter);
    reporter.finish().map_or(Ok(settings), Err)
}

#[cfg(test)]
mod tests;

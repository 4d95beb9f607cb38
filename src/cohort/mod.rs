//! TOML → checked [`Cohort`]; the only room that knows TOML, and the only one that decides what a valid value is.
//!
//! Reading order: `settings` (what an experiment's settings are), `setting` and `definitions` (one setting, and the table of all),
//! `model` (a checked cohort), `points` (which points it has); then how a file becomes one: `syntax` (text → tree), `values`
//! (value → setting), `document` and `axes` (tree → cohort), `checks` (what only the whole file tells), `errors`.
//!
//! The language, beyond what the names say:
//! * Integers are written as integers: `epochs = 5.0` is an error that suggests `5`. An integer is a fine real number.
//! * Without `[grid]` and `[[zip]]` there is one point, the base settings. An `[[include]]` adds to that, too.
//! * Axes vary in this order, the first slowest: the grid's in the order of the file, then those of each `[[zip]]`.
//! * An axis whose values are all tables `{ label, set }` may have a name of its own; `[[exclude]]` matches it by label.
//! * Two axes of one product must not set the same key.
//! * A file uses `estimators` or the old form (`estimator`, `discretization_range`), not both.

pub mod definitions;
pub mod errors;
pub mod model;
pub mod points;
pub mod setting;
pub mod settings;

mod axes;
mod checks;
mod document;
mod syntax;
mod values;

pub use errors::{CohortError, CohortErrors};
pub use model::Cohort;

/// Parses and checks a cohort file; `source_name` stands in the errors.
///
/// # Errors
/// All mistakes of the text at once, in the order of the file, each with its position.
pub fn parse(source_name: &str, text: &str) -> Result<Cohort, CohortErrors> {
    let mut reporter = errors::Reporter::new(text);
    let blanked = syntax::blank_broken(text, &mut reporter);
    let cohort = document::read(text, blanked.as_ref(), &mut reporter);
    match reporter.finish(source_name) {
        Some(errors) => Err(errors),
        None => Ok(cohort),
    }
}

#[cfg(test)]
mod tests;

//! The data of a cohort's experiments: each set is found once, before anything is planned; the copy of a cohort in a store says what was
//! found, so that questions about it need no data, wherever it is now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grid::Grid;
use crate::train::source::{DataSpec, Found, Source};
use crate::worker::data::{data_dir, find};
use crate::worker::serve::chain;

/// What a line begins with that says what a data set was found to be.
const LINE: &str = "# found data: ";

/// What tells the data of experiments apart: the source as written, and the directory of published sets.
type Key = (String, String);

/// Such a line.
#[derive(Serialize, Deserialize)]
struct Line {
    dataset: String,
    data_dir: String,
    found: Found,
}

/// Finds the data of all experiments, and gives the cohort's text with what was found. What the text says already is believed.
///
/// # Errors
/// What is missing or unreadable, all of it, each behind where `place` says that the cohort names it.
pub fn find_all(grid: &mut Grid, text: &str, place: impl Fn(&Source) -> String) -> Result<String, String> {
    let (own, known) = split(text);
    let mut found: BTreeMap<Key, Result<DataSpec, String>> = BTreeMap::new();
    for experiment in &mut grid.experiments {
        let spec = &experiment.settings.training.dataset;
        let given = experiment.settings.data_dir.as_str();
        if matches!(spec.source, Source::Generated(_)) {
            continue;
        }
        let key = (spec.source.text(), given.to_owned());
        let known = known.get(&key).map(|known| DataSpec { source: spec.source.clone(), found: Some(Arc::clone(known)) });
        let failed = |e| format!("{}: {}", place(&spec.source), chain(&e));
        let look = || known.map_or_else(|| find(&spec.source, &data_dir(given)).map_err(failed), Ok);
        if let Ok(whole) = found.entry(key).or_insert_with(look) {
            Arc::make_mut(&mut experiment.settings.training).dataset = whole.clone();
        }
    }
    let mut whole = own;
    let mut errors = Vec::new();
    for ((dataset, data_dir), result) in found {
        match result {
            Ok(DataSpec { found: Some(found), .. }) => {
                let line = Line { dataset, data_dir, found: Found::clone(&found) };
                let json = serde_json::to_string(&line).map_err(|e| e.to_string())?;
                // Writing to a string cannot fail.
                let _ = writeln!(whole, "{LINE}{json}");
            }
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(whole) } else { Err(errors.join("\n")) }
}

/// A text without the lines that say what was found, and what they say. A line that cannot be read says nothing.
fn split(text: &str) -> (String, BTreeMap<Key, Arc<Found>>) {
    let (mut own, mut known) = (String::new(), BTreeMap::new());
    for line in text.split_inclusive('\n') {
        match line.strip_prefix(LINE) {
            Some(json) => {
                if let Ok(Line { dataset, data_dir, found }) = serde_json::from_str(json) {
                    known.insert((dataset, data_dir), Arc::new(found));
                }
            }
            None => own.push_str(line),
        }
    }
    if !own.is_empty() && !own.ends_with('\n') && !known.is_empty() {
        own.push('\n');
    }
    (own, known)
}

//! What is wrong with a cohort file, where, and what to write instead.
//!
//! Positions count lines and characters from 1. Errors are collected while the file is read and put in file order at the end.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::train::source::Source as DatasetSource;

/// Characters of a source line that an error shows at most.
const SHOWN: usize = 120;

/// One mistake in a cohort file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortError {
    /// Name of the file it is in, as the caller gave it.
    pub source_name: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key concerned with its table, as in `grid.epochs`; empty where there is none.
    pub key: String,
    /// What was found.
    pub message: String,
    /// What belongs there.
    pub expected: Option<String>,
    /// The nearest valid text, where one is near.
    pub suggestion: Option<String>,
    /// The source line, cut around the mistake where it is long; control characters replaced.
    pub excerpt: String,
    /// Where in `excerpt` the mistake starts, and how many characters it covers.
    pub underline: (usize, usize),
}

/// All mistakes of one cohort file and of those that it extends, in file order, the outermost base first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortErrors {
    /// Name of the file, as the caller gave it.
    pub source_name: String,
    /// The mistakes.
    pub errors: Vec<CohortError>,
}

impl std::error::Error for CohortErrors {}

impl fmt::Display for CohortErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.errors {
            writeln!(f, "error: {}:{}:{}: {}", error.source_name, error.line, error.column, error.message)?;
            let (start, width) = error.underline;
            // Tabs stay tabs, so that the caret stands below its text at any tab width.
            let pad: String = error.excerpt.chars().take(start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            writeln!(f, "  {}\n  {pad}{}", error.excerpt, "^".repeat(width.max(1)))?;
            if let Some(expected) = &error.expected {
                writeln!(f, "  expected {expected}")?;
            }
            if let Some(suggestion) = &error.suggestion {
                writeln!(f, "  did you mean `{suggestion}`?")?;
            }
        }
        let count = self.errors.len();
        write!(f, "{count} error{} in {}; nothing was run", if count == 1 { "" } else { "s" }, self.source_name)
    }
}

/// Collects the mistakes of one text, or of several laid one behind the other.
pub(super) struct Reporter<'a> {
    text: &'a str,
    /// Where each file starts, and its name, in the order of the text; never empty.
    files: &'a [(usize, String)],
    errors: Vec<(usize, CohortError)>,
    /// Data sets that were read without a mistake, and where they stand.
    datasets: Vec<(DatasetSource, String)>,
}

impl<'a> Reporter<'a> {
    /// A collector without mistakes.
    pub(super) const fn new(text: &'a str, files: &'a [(usize, String)]) -> Self {
        Self { text, files, errors: Vec::new(), datasets: Vec::new() }
    }

    /// The start of the file itself, for what is missing there.
    pub(super) fn top(&self) -> Range<usize> {
        self.files.last().map_or(0..0, |&(start, _)| start..start)
    }

    /// Notes a mistake at a byte range of the text; the caller may add `expected` and `suggestion` to what is returned.
    pub(super) fn report(&mut self, span: &Range<usize>, key: impl Into<String>, message: impl Into<String>) -> &mut CohortError {
        let error = self.error(span, key.into(), message.into());
        let slot = self.errors.len();
        self.errors.push((span.start, error));
        &mut self.errors[slot].1
    }

    /// A mistake at a byte range, with the file that it lies in.
    fn error(&self, span: &Range<usize>, key: String, message: String) -> CohortError {
        let of = self.files.partition_point(|(start, _)| *start <= span.start).saturating_sub(1);
        let (start, name) = self.files.get(of).map_or((0, ""), |(start, name)| (*start, name.as_str()));
        let end = self.files.get(of + 1).map_or(self.text.len(), |(next, _)| next - 1);
        let within = span.start.saturating_sub(start)..span.end.saturating_sub(start);
        let mut error = locate(&self.text[start..end], &within, key, message);
        name.clone_into(&mut error.source_name);
        error
    }

    /// Notes where a data set stands: whether it can be had is found out when the whole file has been read.
    pub(super) fn note_dataset(&mut self, span: &Range<usize>, source: &DatasetSource) {
        let CohortError { source_name, line, column, .. } = self.error(span, String::new(), String::new());
        self.datasets.push((source.clone(), format!("{source_name}:{line}:{column}")));
    }

    /// The data sets noted, in the order in which they were read.
    pub(super) fn take_datasets(&mut self) -> Vec<(DatasetSource, String)> {
        std::mem::take(&mut self.datasets)
    }

    /// The directory of the file that a byte range lies in, as its name has it.
    pub(super) fn directory(&self, span: &Range<usize>) -> String {
        let of = self.files.partition_point(|(start, _)| *start <= span.start).saturating_sub(1);
        let name = self.files.get(of).map_or("", |(_, name)| name.as_str());
        Path::new(name).parent().map_or_else(String::new, |dir| dir.display().to_string())
    }

    /// Number of mistakes so far.
    pub(super) const fn count(&self) -> usize {
        self.errors.len()
    }

    /// The mistakes in file order, or nothing.
    pub(super) fn finish(mut self) -> Option<CohortErrors> {
        let source_name = self.files.last().map_or_else(String::new, |(_, name)| name.clone());
        self.errors.sort_by_key(|(start, _)| *start);
        let errors: Vec<_> = self.errors.into_iter().map(|(_, error)| error).collect();
        (!errors.is_empty()).then_some(CohortErrors { source_name, errors })
    }
}

/// The error at a byte range, with its position and its part of the source line.
fn locate(text: &str, span: &Range<usize>, key: String, message: String) -> CohortError {
    let start = floor_boundary(text, span.start);
    let end = floor_boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let before = text[line_start..start].trim_start_matches('\u{feff}').chars().count();
    let width = text[start..end.min(line_end)].trim_end().chars().count();
    let shown = text[line_start..line_end].trim_start_matches('\u{feff}').trim_end();
    let first = (before + width.min(SHOWN / 2)).saturating_sub(SHOWN - 10);
    let clean = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let excerpt: String = shown.chars().skip(first).take(SHOWN).map(clean).collect();
    let room = excerpt.chars().count().saturating_sub(before - first);
    CohortError {
        source_name: String::new(),
        line: text[..start].matches('\n').count() + 1,
        column: before + 1,
        key,
        message,
        expected: None,
        suggestion: None,
        excerpt,
        underline: (before - first, width.min(room)),
    }
}

/// The nearest character boundary at or before a byte position.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The candidate that a wrong name most likely meant: few letters differ, or one is the start of the other.
#[must_use]
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |s: &str| s.to_lowercase().replace(['-', ' '], "_");
    let name = plain(name);
    let score = |candidate: &str| {
        let candidate = plain(candidate);
        let letters = candidate.chars().count();
        let distance = strsim::damerau_levenshtein(&name, &candidate);
        let starts = |long: &str, short: &str| short.chars().count() >= 4 && long.starts_with(short);
        let starts = starts(&candidate, &name) || starts(&name, &candidate);
        (distance <= (letters / 3).max(1) && distance < letters || starts).then_some(distance)
    };
    // A name of many characters is no slip of the pen; comparing it would be slow, too.
    if name.chars().count() > 64 {
        return None;
    }
    candidates.into_iter().filter_map(|c| score(c).map(|s| (s, c))).min_by_key(|(s, _)| *s).map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let error = locate("x = 1\nnäme = \"µ\"\r\n", &(14..18), String::new(), String::new());
        assert_eq!((error.line, error.column), (2, 8));
        assert_eq!(error.excerpt, "näme = \"µ\"");
        assert_eq!(error.underline, (7, 3));
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let text = format!("a = [{}7]", "1, ".repeat(1000));
        let at = text.len() - 2;
        let error = locate(&text, &(at..at + 1), String::new(), String::new());
        assert_eq!(error.column, at + 1);
        assert!(error.excerpt.chars().count() <= SHOWN);
        assert_eq!(error.excerpt.chars().nth(error.underline.0), Some('7'));
    }

    #[test]
    fn positions_past_the_end_are_the_end() {
        let error = locate("ab", &(7..9), String::new(), String::new());
        assert_eq!((error.line, error.column), (1, 3));
        assert_eq!(locate("", &(0..0), String::new(), String::new()).column, 1);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["epochs", "activation_fn", "seed", "batch_size", "learning_rate"];
        assert_eq!(nearest("epohcs", names), Some("epochs"));
        assert_eq!(nearest("activation", names), Some("activation_fn"));
        assert_eq!(nearest("Batch-Size", names), Some("batch_size"));
        assert_eq!(nearest("epochs_total", names), Some("epochs"));
        assert_eq!(nearest("dropout", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("", names), None);
    }
}

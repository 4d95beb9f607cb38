//! A data set as a cohort file has it: a name, or one table `{ format = { field = "…" } }`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::definitions::one_of;
use super::errors::{Reporter, nearest};
use super::syntax::{Node, entries};
use super::values::{found, mismatch, read_text, unknown_name};
use crate::train::source::{Field, FieldKind, Files, Format, Source, TRAIN_SHARE};

/// Files of a field at most.
const MAX_FILES: usize = 1000;

/// Reads a data set, and notes where it stands.
pub(super) fn read(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Source> {
    let source = read_source(reporter, node, path)?;
    reporter.note_dataset(&node.span(), &source);
    Some(source)
}

fn read_source(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Source> {
    match node.get_ref() {
        DeValue::String(name) => {
            let source = Source::by_name(name);
            if source.is_none() {
                let names: Vec<_> = Source::names().collect();
                unknown_name(reporter, (&node.span(), path), "dataset", name, &names, &[]);
            }
            source
        }
        DeValue::Table(table) if table.len() == 1 => {
            let (name, span, fields) = entries(table).into_iter().next()?;
            let names: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
            let Some(format) = Format::ALL.iter().copied().find(|format| format.name() == name) else {
                unknown_name(reporter, (&span, path), "format", name, &names, &[]);
                return None;
            };
            let DeValue::Table(fields) = fields.get_ref() else {
                mismatch(reporter, fields, path, name, format!("a table, as in {}", example(format)));
                return None;
            };
            read_files(reporter, format, fields, &span, &format!("{path}.{name}")).map(|files| Source::Files(Arc::new(files)))
        }
        _ => {
            let what = match node.get_ref() {
                DeValue::Table(table) => format!("a table of {} keys", table.len()),
                _ => found(node),
            };
            let expected = format!("a name, or a table of one format, as in {}", example(Format::Idx));
            reporter.report(&node.span(), path, format!("`dataset` is {what}")).expected = Some(expected);
            None
        }
    }
}

/// The table of a format with the fields that it needs.
fn example(format: Format) -> String {
    let fields = format.fields().iter().filter(|field| field.required).map(|field| format!("{} = \"…\"", field.key));
    format!("{{ {} = {{ {} }} }}", format.name(), fields.collect::<Vec<_>>().join(", "))
}

/// Reads the fields of a format.
fn read_files(
    reporter: &mut Reporter<'_>,
    format: Format,
    table: &DeTable<'_>,
    header: &Range<usize>,
    path: &str,
) -> Option<Files> {
    let before = reporter.count();
    let mut files = Files { format, fields: BTreeMap::new(), train_fraction: None, dir: reporter.directory(header) };
    let mut fraction_at = None;
    for (key, span, node) in entries(table) {
        let path = format!("{path}.{key}");
        if key == "train_fraction" {
            files.train_fraction = read_fraction(reporter, node, &path);
            fraction_at = Some(span);
        } else if let Some(field) = format.fields().iter().find(|field| field.key == key) {
            files.fields.insert(key.to_owned(), read_field(reporter, field, node, &path));
        } else {
            let known: Vec<_> = format.fields().iter().map(|field| field.key).chain(["train_fraction"]).collect();
            let entry = reporter.report(&span, path, format!("unknown key `{key}` of format {}", format.name()));
            (entry.expected, entry.suggestion) = (Some(one_of(&known)), nearest(key, known).map(str::to_owned));
        }
    }
    // With a mistake in the table, what is missing may be what was misspelt.
    if reporter.count() > before {
        return None;
    }
    if let Some(field) = format.fields().iter().find(|field| field.required && !files.fields.contains_key(field.key)) {
        let entry = reporter.report(header, path, format!("`{}` of format {} is missing", field.key, format.name()));
        entry.expected = Some(example(format));
        return None;
    }
    let missing = missing_test(&files);
    if let Some(missing) = missing {
        let entry = reporter.report(header, path, format!("test examples need `{missing}`, too"));
        entry.expected = Some("all keys that begin with `test_`, or none".to_owned());
    } else if let Some(span) = fraction_at.filter(|_| files.has_test_files()) {
        let entry = reporter.report(&span, format!("{path}.train_fraction"), "`train_fraction` stands beside test examples");
        entry.expected = Some("the one or the other: with test examples of their own, all others are trained on".to_owned());
    }
    (reporter.count() == before).then_some(files)
}

/// The share of the examples that is trained on.
fn read_fraction(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<f64> {
    let value = match node.get_ref() {
        DeValue::Float(value) => value.as_str().parse().ok(),
        _ => None,
    };
    let value = value.filter(|value| (f64::MIN_POSITIVE..1.0).contains(value));
    if value.is_none() {
        mismatch(reporter, node, path, "train_fraction", format!("a number above 0 and below 1, as in {TRAIN_SHARE}"));
    }
    value
}

/// The values of a field.
fn read_field(reporter: &mut Reporter<'_>, field: &Field, node: &Node<'_>, path: &str) -> Vec<String> {
    let one = |reporter: &mut Reporter<'_>, node: &Node<'_>| {
        let text = read_text(reporter, node, path, field.key).unwrap_or_default().to_owned();
        if node.get_ref().as_str() == Some("") {
            mismatch(reporter, node, path, field.key, "a string that is not empty".to_owned());
        }
        text
    };
    match node.get_ref() {
        DeValue::Array(items) if field.kind == FieldKind::Paths && (1..=MAX_FILES).contains(&items.len()) => {
            items.iter().map(|item| one(reporter, item)).collect()
        }
        DeValue::Array(_) if field.kind == FieldKind::Paths => {
            mismatch(reporter, node, path, field.key, format!("a path, or a list of 1 to {MAX_FILES}"));
            Vec::new()
        }
        // The number of a column, as it stands: no sign, no other base.
        DeValue::Integer(number) if field.kind == FieldKind::Column && number.as_str().bytes().all(|b| b.is_ascii_digit()) => {
            vec![number.as_str().to_owned()]
        }
        DeValue::String(_) => vec![one(reporter, node)],
        _ if field.kind == FieldKind::Column => {
            mismatch(reporter, node, path, field.key, "the name of a column, or its number, counted from 0".to_owned());
            Vec::new()
        }
        _ => vec![one(reporter, node)],
    }
}

/// The field that is missing where some of the test examples' are given.
fn missing_test(files: &Files) -> Option<&'static str> {
    let given = |key: &str| files.fields.contains_key(key);
    let needed: &[&str] = match files.format {
        Format::Npz if given("test_path") => &[],
        Format::Npz => &["test_inputs", "test_labels"],
        Format::Idx => &["test_images", "test_labels"],
        Format::Npy => &["test_inputs", "test_labels"],
        Format::Cifar | Format::Mat | Format::Csv | Format::Parquet | Format::Mushroom => &[],
    };
    files.has_test_files().then(|| needed.iter().copied().find(|key| !given(key))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text_of(text: &str) -> Result<Source, String> {
        let node = DeValue::parse(text).unwrap();
        let files = [(0, "some/where/c.toml".to_owned())];
        let mut reporter = Reporter::new(text, &files);
        let source = read(&mut reporter, &node, "experiment.dataset");
        reporter.finish().map_or_else(|| Ok(source.unwrap()), |errors| Err(errors.to_string()))
    }

    #[test]
    fn every_format_takes_its_example() {
        for format in Format::ALL {
            let Ok(Source::Files(files)) = read_text_of(&example(*format)) else { panic!("{}", example(*format)) };
            assert_eq!((files.format, files.dir.as_str(), files.train_fraction), (*format, "some/where", None));
            assert!(!files.has_test_files());
        }
        let by_number = |text: &str| read_text_of(text).unwrap().text();
        assert_eq!(by_number("{ csv = { path = 'a', label = 4 } }"), by_number("{ csv = { path = 'a', label = '4' } }"));
        let many = read_text_of("{ cifar = { path = ['a', 'b'], test_path = 'c' } }").unwrap();
        assert_eq!(many.text(), "cifar(a,b,c)");
        assert_eq!(read_text_of("'mnist'").unwrap().text(), "mnist");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        for (text, message, column) in [
            ("'minst'", "did you mean `\"mnist\"`?", 1),
            ("{ idx = { images = 'a' } }", "`labels` of format idx is missing", 3),
            ("{ ixd = { images = 'a' } }", "unknown format \"ixd\"", 3),
            ("{ idx = { images = 'a', label = 'b' } }", "did you mean `labels`?", 25),
            ("{ idx = 'a' }", "expected a table, as in { idx = { images", 9),
            ("{ csv = { path = 'a', label = -3 } }", "a column, or its number, counted from 0", 31),
            ("{ csv = { path = 'a', label = 1.5 } }", "a column, or its number, counted from 0", 31),
            ("{ csv = { path = 'a', label = 'y', train_fraction = 0 } }", "above 0 and below 1", 53),
            ("{ cifar = { path = [] } }", "a path, or a list of 1 to 1000", 20),
            ("{ csv = { path = '', label = 'y' } }", "not empty", 18),
            ("{ csv = { path = 'a', label = 'y', train_fraction = 1.0 } }", "below 1", 53),
            ("{ csv = { path = 'a', label = 'y', test_path = 'b', train_fraction = 0.5 } }", "beside test examples", 53),
            ("{ idx = { images = 'a', labels = 'b', test_images = 'c' } }", "test examples need `test_labels`, too", 3),
            ("{ npz = { path = 'a', test_labels = 'c' } }", "test examples need `test_inputs`, too", 3),
            ("{ csv = { path = ['a'], label = 'y' } }", "`path` is an array", 18),
            ("{}", "a table of 0 keys", 1),
            ("3", "`dataset` is the integer 3", 1),
        ] {
            let error = read_text_of(text).unwrap_err();
            assert!(error.contains(message) && error.contains(&format!(":1:{column}:")), "{text}\n{error}");
        }
    }
}

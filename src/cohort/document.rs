//! The top of a cohort file: name, repeats, base settings, launcher; and what all its parts share while it is read.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::definitions::{MAX_PROCESSES, MAX_SEED, find, keys};
use super::errors::{Reporter, nearest};
use super::extends::{self, Chain};
use super::model::{Cohort, LauncherSettings, LocalSettings, MAX_RUNS};
use super::setting::Setting;
use super::syntax::{self, Entry, Node, entries};
use super::values::{found, read_integer, read_switch, read_text};
use super::{axes, checks, flatten, name, sge, stop};

/// Keys at the top of the file.
const TOP: &[&str] = &[
    "extends",
    "name",
    "description",
    "n_runs",
    "seed",
    "plot_median",
    "stop_when",
    "experiment",
    "grid",
    "zip",
    "exclude",
    "include",
    "launcher",
];
/// Top keys that are values, and so no sections.
const TOP_VALUES: &[&str] = &["extends", "name", "description", "n_runs", "seed", "plot_median", "stop_when"];

/// Reads a cohort, or what is left of it, and the text of one file that means the same if there are several. What it returns is valid if
/// nothing was reported.
pub(super) fn read(chain: &Chain, reporter: &mut Reporter<'_>) -> (Cohort, Option<String>) {
    let (mut tainted, mut blanked) = (BTreeSet::new(), false);
    let mut lost = !chain.report(reporter);
    let mut texts = Vec::new();
    for text in chain.padded() {
        let Some(rest) = syntax::blank_broken(&text, reporter) else {
            texts.push(text);
            continue;
        };
        (blanked, lost) = (true, lost || rest.lost);
        tainted.extend(rest.keys);
        texts.push(rest.text.into());
    }
    let mut merged = DeTable::new();
    for text in &texts {
        let mut tree = syntax::tree(text, reporter);
        extends::take_extends(&mut tree, reporter);
        extends::merge(&mut merged, tree);
    }
    let mut reader = Reader { reporter, tainted, blanked, lost, forms: Vec::new() };
    let cohort = read_top(&merged, &mut reader);
    checks::forms(&mut reader);
    let names: Vec<_> = chain.files.iter().map(|(_, name)| name.as_str()).collect();
    let flat = (!chain.is_alone() && reporter.count() == 0).then(|| flatten::text(&merged, &names));
    (cohort, flat)
}

/// What the parts share while a file is read.
pub(super) struct Reader<'r, 'a> {
    /// Where mistakes go.
    pub(super) reporter: &'r mut Reporter<'a>,
    /// Keys of which a value was not understood: what depends on them is not checked, since one mistake is one error.
    pub(super) tainted: BTreeSet<String>,
    /// Whether statements were blanked: a table without entries may have had some.
    pub(super) blanked: bool,
    /// Whether a section was not understood: what is missing may stand there.
    pub(super) lost: bool,
    /// Every use of the keys that name estimators, to tell the two forms apart.
    pub(super) forms: Vec<(Range<usize>, &'static str)>,
}

/// In which part of the file a setting stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `[experiment]`
    Base,
    /// An axis, or what a value of an axis sets.
    Axis,
    /// A condition, or an included point: no other part depends on it.
    Point,
}

impl Reader<'_, '_> {
    /// Notes a value of the wrong type.
    pub(super) fn mismatch(&mut self, node: &Node<'_>, path: &str, what: &str, expected: &str) {
        self.reporter.report(&node.span(), path, format!("`{what}` is {}", found(node))).expected = Some(expected.to_owned());
    }

    /// Notes a key that no setting has, and where it belongs if it is one of another part of the file.
    pub(super) fn unknown(&mut self, span: &Range<usize>, table: &str, key: &str, more: &[&str], place: Place) {
        let path = format!("{table}.{key}");
        if TOP_VALUES.contains(&key) && !more.contains(&key) {
            let message = match place {
                Place::Base => format!("`{key}` is no setting of an experiment"),
                Place::Axis | Place::Point => format!("`{key}` is the same for the whole cohort: it cannot vary between points"),
            };
            let entry = self.reporter.report(span, path, message);
            entry.expected = Some(match (key, place) {
                ("seed", Place::Axis | Place::Point) => "`seed` at the top of the file; `seed_offset` may vary".to_owned(),
                _ => format!("`{key}` at the top of the file"),
            });
            return;
        }
        let mut known = more.to_vec();
        keys().for_each(|key| known.push(key));
        let suggestion = nearest(key, known).map(str::to_owned);
        if place != Place::Point {
            self.tainted.extend(suggestion.clone());
            self.tainted.insert(key.to_owned());
        }
        let entry = self.reporter.report(span, path, format!("unknown key `{key}` in {table}"));
        entry.expected = Some(match (suggestion.is_some(), more) {
            (true, _) => "a setting of an experiment".to_owned(),
            (false, []) => format!("one of {}", keys().collect::<Vec<_>>().join(", ")),
            (false, more) => format!("one of {}, {}", more.join(", "), keys().collect::<Vec<_>>().join(", ")),
        });
        entry.suggestion = suggestion;
    }

    /// Reads one setting of a table; `more` are the other keys that the table knows.
    pub(super) fn setting(
        &mut self,
        table: &str,
        (key, span, node): Entry<'_, '_>,
        more: &[&str],
        place: Place,
    ) -> Option<Setting> {
        let Some(definition) = find(key) else {
            self.unknown(&span, table, key, more, place);
            return None;
        };
        self.note_form(&span, definition.key);
        let setting = definition.read(self.reporter, node, &format!("{table}.{key}"));
        if setting.is_none() && place != Place::Point {
            self.tainted.insert(key.to_owned());
        }
        setting
    }

    /// Remembers the use of a key that names estimators.
    pub(super) fn note_form(&mut self, span: &Range<usize>, key: &'static str) {
        if matches!(key, "estimators" | "estimator" | "discretization_range") {
            self.forms.push((span.clone(), key));
        }
    }
}

/// Reads the whole tree.
fn read_top(tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> Cohort {
    let mut cohort = Cohort {
        name: String::new(),
        description: String::new(),
        n_runs: 1,
        seed: 0,
        base: Vec::new(),
        grids: Vec::new(),
        zips: Vec::new(),
        excludes: Vec::new(),
        includes: Vec::new(),
        plot_median: false,
        stop_when: None,
        launcher: LauncherSettings::default(),
    };
    if !tree.contains_key("name") && !reader.lost && !reader.tainted.contains("name") {
        missing_name(tree, reader);
    }
    for (key, span, node) in entries(tree) {
        match key {
            "name" => cohort.name = read_name(node, reader),
            "description" => {
                cohort.description = read_text(reader.reporter, node, key, key).unwrap_or_default().to_owned();
            }
            "n_runs" => cohort.n_runs = count(read_integer(reader.reporter, node, key, key, (1, MAX_RUNS))).unwrap_or(1),
            "seed" => cohort.seed = read_integer(reader.reporter, node, key, key, (0, MAX_SEED)).unwrap_or(0),
            "plot_median" => cohort.plot_median = read_switch(reader.reporter, node, key, key).unwrap_or(false),
            "stop_when" => cohort.stop_when = stop::read(node, reader),
            "experiment" => cohort.base = read_base(node, reader),
            "launcher" => cohort.launcher = read_launcher(node, reader),
            // The parts that refer to one another are read below, whatever their order in the file.
            "grid" | "zip" | "exclude" | "include" => {}
            _ => unknown_at_top(reader, &span, key, node),
        }
    }
    axes::read(tree, &mut cohort, reader);
    cohort
}

/// Notes that there is no name.
fn missing_name(tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) {
    // A misspelt `name` is one mistake, already reported.
    let misspelt = tree
        .keys()
        .any(|key| !TOP.contains(&key.get_ref().as_ref()) && nearest(key.get_ref(), TOP.iter().copied()) == Some("name"));
    if !misspelt {
        let top = reader.reporter.top();
        reader.reporter.report(&top, "name", "the cohort has no `name`").expected =
            Some("name = \"…\" at the top of the file".to_owned());
    }
}

/// Notes an unknown key or section at the top of the file.
fn unknown_at_top(reader: &mut Reader<'_, '_>, span: &Range<usize>, key: &str, node: &Node<'_>) {
    if find(key).is_some() {
        let entry = reader.reporter.report(span, key, format!("`{key}` stands outside of [experiment]"));
        entry.expected = Some(format!("`{key}` below [experiment]"));
        reader.tainted.insert(key.to_owned());
        return;
    }
    let suggestion = nearest(key, TOP.iter().copied()).map(str::to_owned);
    // A table may have been meant as a grid: without it, excludes have nothing to match.
    reader.lost |= matches!(node.get_ref(), DeValue::Table(_) | DeValue::Array(_));
    let entry = reader.reporter.report(span, key, format!("unknown key `{key}` at the top of the file"));
    entry.expected = Some(format!("one of {}", TOP.join(", ")));
    entry.suggestion = suggestion;
}

/// The cohort's name.
fn read_name(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> String {
    let Some(name) = read_text(reader.reporter, node, "name", "name") else { return String::new() };
    if !name::is_name(name) {
        reader.reporter.report(&node.span(), "name", "this `name` cannot be the name of a directory").expected =
            Some(name::TAKES.to_owned());
    }
    name.to_owned()
}

/// A count that was checked to fit.
fn count(value: Option<u64>) -> Option<u32> {
    value.and_then(|v| u32::try_from(v).ok())
}

/// The settings of `[experiment]`.
fn read_base(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> Vec<Setting> {
    let DeValue::Table(table) = node.get_ref() else {
        reader.mismatch(node, "experiment", "experiment", "a table: [experiment], settings below it");
        return Vec::new();
    };
    entries(table).into_iter().filter_map(|entry| reader.setting("experiment", entry, &[], Place::Base)).collect()
}

/// The sections `[launcher.…]`.
fn read_launcher(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> LauncherSettings {
    let mut settings = LauncherSettings::default();
    let DeValue::Table(launchers) = node.get_ref() else {
        reader.mismatch(node, "launcher", "launcher", "a table: [launcher.local]");
        return settings;
    };
    for (launcher, span, node) in entries(launchers) {
        match launcher {
            "local" => settings.local = read_local(node, reader),
            "sge" => settings.sge = sge::read(node, reader),
            _ => unknown_in(reader, &span, "launcher", launcher, &["local", "sge"]),
        }
    }
    settings
}

/// `[launcher.local]`
fn read_local(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> LocalSettings {
    let mut settings = LocalSettings::default();
    let DeValue::Table(table) = node.get_ref() else {
        reader.mismatch(node, "launcher.local", "local", "a table: [launcher.local]");
        return settings;
    };
    for (key, span, node) in entries(table) {
        let slot = match key {
            "workers" => &mut settings.workers,
            "threads" => &mut settings.threads,
            _ => {
                unknown_in(reader, &span, "launcher.local", key, &["workers", "threads"]);
                continue;
            }
        };
        *slot = count(read_integer(reader.reporter, node, &format!("launcher.local.{key}"), key, (1, MAX_PROCESSES)));
    }
    settings
}

/// Reads a site's file: the sections `[launcher.…]` and nothing else.
pub(super) fn read_site(text: &str, reporter: &mut Reporter<'_>) -> LauncherSettings {
    let blanked = syntax::blank_broken(text, reporter);
    let text = blanked.as_ref().map_or(text, |rest| &rest.text);
    let tree = syntax::tree(text, reporter);
    let mut reader = Reader { reporter, tainted: BTreeSet::new(), blanked: blanked.is_some(), lost: false, forms: Vec::new() };
    let mut settings = LauncherSettings::default();
    for (key, span, node) in entries(&tree) {
        if key == "launcher" {
            settings = read_launcher(node, &mut reader);
        } else {
            let entry = reader.reporter.report(&span, key, format!("unknown key `{key}` at the top of a site's file"));
            entry.expected = Some("[launcher.sge] or [launcher.local]".to_owned());
        }
    }
    settings
}

/// Notes a key that a table of few keys does not know.
pub(super) fn unknown_in(reader: &mut Reader<'_, '_>, span: &Range<usize>, table: &str, key: &str, known: &[&str]) {
    let entry = reader.reporter.report(span, format!("{table}.{key}"), format!("unknown key `{key}` in {table}"));
    entry.expected = Some(if known.len() > 2 { format!("one of {}", known.join(", ")) } else { known.join(" or ") });
    entry.suggestion = nearest(key, known.iter().copied()).map(str::to_owned);
}

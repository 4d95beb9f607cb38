//! The parts of a cohort file that make its points: `[grid]`, `[[zip]]`, `[[exclude]]`, `[[include]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::definitions::find;
use super::document::{Place, Reader};
use super::errors::nearest;
use super::model::{Axis, AxisValue, Cohort, Condition, Dimension, Exclude, Include};
use super::setting::Setting;
use super::syntax::{Entry, Node, entries};
use super::values::found;
use super::{checks, stop};

/// Characters of a label at most.
const MAX_LABEL: usize = 200;

/// An axis and where it stands.
pub(super) struct LocatedAxis {
    pub(super) axis: Axis,
    /// Position of its key.
    pub(super) span: Range<usize>,
    /// Number of values in the file, those not understood included.
    count: usize,
    /// Whether a value has a label.
    labelled: bool,
}

/// An exclude and where it stands: the position of its header, and of the key and value of each condition.
pub(super) struct LocatedExclude {
    pub(super) exclude: Exclude,
    pub(super) header: Range<usize>,
    pub(super) conditions: Vec<(String, Range<usize>)>,
}

/// Reads all parts that make points into the cohort, and checks how they fit together.
pub(super) fn read(tree: &DeTable<'_>, cohort: &mut Cohort, reader: &mut Reader<'_, '_>) {
    let mut grids = Vec::new();
    for (header, table) in tables(tree, "grid", reader) {
        grids.push(read_axes("grid", &header, table, reader));
    }
    let mut zips = Vec::new();
    for (header, table) in tables(tree, "zip", reader) {
        let axes = read_axes("zip", &header, table, reader);
        if check_zip(&axes, reader) {
            zips.push(axes);
        }
    }
    checks::conflicts(&grids, &zips, reader);
    let known: Vec<&LocatedAxis> = grids.iter().chain(&zips).flatten().collect();
    let mut excludes = Vec::new();
    for (header, table) in tables(tree, "exclude", reader) {
        excludes.extend(read_exclude(header, table, &known, reader));
    }
    cohort.includes = read_includes(tree, reader);
    let one = |axis: LocatedAxis| Dimension { axes: vec![axis.axis] };
    cohort.grids = grids.into_iter().map(|grid| grid.into_iter().map(one).collect()).collect();
    if cohort.grids.is_empty() {
        cohort.grids.push(Vec::new());
    }
    let together = |axes: Vec<LocatedAxis>| Dimension { axes: axes.into_iter().map(|axis| axis.axis).collect() };
    cohort.zips = zips.into_iter().map(together).collect();
    if checks::size(cohort, tree, reader) {
        checks::excludes(cohort, &excludes, reader);
        checks::trainable(cohort, tree, reader);
        checks::pairs_of_units(cohort, tree, reader);
        if reader.reporter.count() == 0 {
            stop::check(cohort, tree, reader);
        }
    }
}

/// The tables of a section that may be given several times: `[key]` or `[[key]]`, each with the position of its header.
fn tables<'t, 'a>(tree: &'t DeTable<'a>, key: &str, reader: &mut Reader<'_, '_>) -> Vec<(Range<usize>, &'t DeTable<'a>)> {
    let Some(node) = tree.get(key) else { return Vec::new() };
    let nodes: Vec<&'t Node<'a>> = match node.get_ref() {
        DeValue::Array(array) => array.iter().collect(),
        _ => vec![node],
    };
    let mut result = Vec::new();
    for node in nodes {
        if let DeValue::Table(table) = node.get_ref() {
            result.push((node.span(), table));
        } else {
            reader.lost = true;
            reader.mismatch(node, key, key, &format!("a table: [[{key}]], keys below it"));
        }
    }
    result
}

/// The axes of one `[grid]` or `[[zip]]`.
fn read_axes(section: &str, header: &Range<usize>, table: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> Vec<LocatedAxis> {
    if table.is_empty() && !reader.blanked {
        let entry = reader.reporter.report(header, section, format!("this {section} has no axis"));
        entry.expected = Some("axes below it, as in activation_fn = [\"tanh\", \"relu\"]".to_owned());
    }
    entries(table).into_iter().filter_map(|entry| read_axis(section, entry, reader)).collect()
}

/// One axis: a list of values of a setting, or of tables `{ label, set }`.
fn read_axis(section: &str, entry: Entry<'_, '_>, reader: &mut Reader<'_, '_>) -> Option<LocatedAxis> {
    let (name, span, node) = entry;
    let path = format!("{section}.{name}");
    let definition = find(name);
    let DeValue::Array(items) = node.get_ref() else {
        if definition.is_none() {
            reader.unknown(&span, section, name, &[], Place::Axis);
        } else {
            reader.tainted.insert(name.to_owned());
            reader.mismatch(node, &path, name, "an array: the values of the axis");
        }
        return None;
    };
    if items.is_empty() {
        reader.tainted.insert(name.to_owned());
        reader.reporter.report(&node.span(), &path, format!("axis `{name}` is empty")).expected =
            Some("at least one value".to_owned());
        return None;
    }
    if definition.is_none() && !items.iter().all(is_labelled)
        || matches!(name, "extends" | "name" | "description" | "n_runs" | "seed")
    {
        reader.unknown(&span, section, name, &[], Place::Axis);
        return None;
    }
    if let Some(definition) = definition {
        reader.note_form(&span, definition.key);
    } else {
        check_label(&span, &path, name, reader);
    }
    let values = read_values(&path, name, items, reader);
    let labelled = items.iter().any(is_labelled);
    Some(LocatedAxis { axis: Axis { name: name.to_owned(), values }, span, count: items.len(), labelled })
}

/// Whether a value of an axis is a table `{ label, set }`.
fn is_labelled(node: &Node<'_>) -> bool {
    node.get_ref().as_table().is_some_and(|table| table.contains_key("set") || table.contains_key("label"))
}

/// The values of an axis that are understood; a label must not repeat a label or a value.
fn read_values(path: &str, name: &str, items: &DeArray<'_>, reader: &mut Reader<'_, '_>) -> Vec<AxisValue> {
    let mut values = Vec::with_capacity(items.len());
    // The texts so far, and whether one of that text was a label.
    let mut texts: BTreeMap<String, bool> = BTreeMap::new();
    for item in items {
        let labelled = is_labelled(item);
        let value = match (item.get_ref(), find(name)) {
            (DeValue::Table(table), _) if labelled => read_labelled(path, item, table, reader),
            (_, Some(definition)) => definition.read(reader.reporter, item, path).map(|setting| value_of(vec![setting])),
            (_, None) => None,
        };
        let Some(value) = value else {
            reader.tainted.insert(name.to_owned());
            continue;
        };
        if texts.insert(value.text.clone(), labelled).is_some_and(|was| was || labelled) {
            reader
                .reporter
                .report(&item.span(), path, format!("label \"{}\" is given twice on this axis", value.text))
                .expected = Some("labels that differ".to_owned());
        }
        values.push(value);
    }
    values
}

/// A plain value: its own text is what labels show.
fn value_of(set: Vec<Setting>) -> AxisValue {
    AxisValue { text: set.iter().map(Setting::text).collect(), set }
}

/// A value `{ label = "…", set = { … } }`.
fn read_labelled(path: &str, node: &Node<'_>, table: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> Option<AxisValue> {
    let before = reader.reporter.count();
    let (mut label, mut set) = (None, None);
    for (key, span, value) in entries(table) {
        match key {
            "label" => label = read_label(value, &format!("{path}.label"), reader),
            "set" => set = read_set(value, &format!("{path}.set"), reader),
            _ => {
                let message = format!("unknown key `{key}` in a value of an axis");
                let entry = reader.reporter.report(&span, format!("{path}.{key}"), message);
                entry.expected = Some("{ label = \"…\", set = { key = value } }".to_owned());
                entry.suggestion = nearest(key, ["label", "set"]).map(str::to_owned);
            }
        }
    }
    for key in ["label", "set"] {
        // With another mistake in the table, the missing key may be the misspelt one.
        if !table.contains_key(key) && reader.reporter.count() == before {
            let entry = reader.reporter.report(&node.span(), path, format!("this value of an axis has no `{key}`"));
            entry.expected = Some("{ label = \"…\", set = { key = value } }".to_owned());
        }
    }
    (reader.reporter.count() == before).then_some(())?;
    Some(AxisValue { text: label?, set: set? })
}

/// The settings of a `set = { … }`.
fn read_set(node: &Node<'_>, path: &str, reader: &mut Reader<'_, '_>) -> Option<Vec<Setting>> {
    let DeValue::Table(table) = node.get_ref() else {
        reader.mismatch(node, path, "set", "a table of settings, as in { epochs = 300 }");
        return None;
    };
    let settings: Vec<_> = entries(table).into_iter().map(|entry| reader.setting(path, entry, &[], Place::Axis)).collect();
    settings.into_iter().collect()
}

/// A label: text that may stand in a table and on a terminal.
fn read_label(node: &Node<'_>, path: &str, reader: &mut Reader<'_, '_>) -> Option<String> {
    let DeValue::String(label) = node.get_ref() else {
        reader.mismatch(node, path, "label", "a string");
        return None;
    };
    check_label(&node.span(), path, label, reader).then(|| label.clone().into_owned())
}

/// Whether a text may be a label; notes if not.
fn check_label(span: &Range<usize>, path: &str, label: &str, reader: &mut Reader<'_, '_>) -> bool {
    let good = !label.trim().is_empty() && label.chars().count() <= MAX_LABEL && !label.contains(char::is_control);
    if !good {
        reader.reporter.report(span, path, "this text cannot be a label").expected =
            Some(format!("1 to {MAX_LABEL} printable characters"));
    }
    good
}

/// Whether the axes of a zip can advance together; if not, what depends on them is not checked.
fn check_zip(axes: &[LocatedAxis], reader: &mut Reader<'_, '_>) -> bool {
    let Some(first) = axes.first() else { return false };
    for axis in axes {
        if axis.count != first.count {
            let values = |n: usize| format!("{n} value{}", if n == 1 { "" } else { "s" });
            let message =
                format!("`{}` has {}, but `{}` has {}", axis.axis.name, values(axis.count), first.axis.name, values(first.count));
            reader.reporter.report(&axis.span, format!("zip.{}", axis.axis.name), message).expected =
                Some("axes of one length within a [[zip]]".to_owned());
            break;
        }
    }
    let complete = axes.iter().all(|axis| axis.axis.values.len() == first.count);
    if !complete {
        for axis in axes {
            reader.tainted.insert(axis.axis.name.clone());
            reader.tainted.extend(axis.axis.values.iter().flat_map(|value| &value.set).map(|setting| setting.key().to_owned()));
        }
    }
    complete
}

/// One `[[exclude]]`; nothing if a part of it was not understood.
fn read_exclude(
    header: Range<usize>,
    table: &DeTable<'_>,
    known: &[&LocatedAxis],
    reader: &mut Reader<'_, '_>,
) -> Option<LocatedExclude> {
    if table.is_empty() {
        if !reader.blanked {
            reader.reporter.report(&header, "exclude", "this exclude has no condition").expected =
                Some("settings below it, as in activation_fn = \"relu\"".to_owned());
        }
        return None;
    }
    let mut conditions = Vec::new();
    let mut places = Vec::new();
    for entry in entries(table) {
        places.push((entry.0.to_owned(), entry.2.span()));
        conditions.push(read_condition(entry, known, reader));
    }
    let conditions = conditions.into_iter().collect::<Option<Vec<_>>>()?;
    Some(LocatedExclude { exclude: Exclude { conditions }, header, conditions: places })
}

/// One condition: a label of an axis, or a setting's value.
fn read_condition(entry: Entry<'_, '_>, known: &[&LocatedAxis], reader: &mut Reader<'_, '_>) -> Option<Condition> {
    let (key, _, node) = &entry;
    let axes = || known.iter().filter(|axis| axis.axis.name == *key && axis.labelled);
    let labels = || axes().flat_map(|axis| &axis.axis.values).map(|value| value.text.as_str());
    if let Some(label) = node.get_ref().as_str().filter(|text| labels().any(|label| label == *text)) {
        return Some(Condition::Labelled { axis: (*key).to_owned(), label: label.to_owned() });
    }
    if find(key).is_none() && reader.tainted.contains(*key) {
        return None;
    }
    if find(key).is_none() && axes().next().is_some() {
        let entry = reader.reporter.report(&node.span(), format!("exclude.{key}"), format!("`{key}` is {}", found(node)));
        entry.expected = Some(format!("a label of axis `{key}`: {}", super::definitions::one_of(&labels().collect::<Vec<_>>())));
        entry.suggestion = node.get_ref().as_str().and_then(|text| nearest(text, labels())).map(|label| format!("\"{label}\""));
        return None;
    }
    let own: Vec<&str> = known.iter().map(|axis| axis.axis.name.as_str()).filter(|name| find(name).is_none()).collect();
    reader.setting("exclude", entry, &own, Place::Point).map(Condition::Has)
}

/// All `[[include]]`s; a label stands once.
fn read_includes(tree: &DeTable<'_>, reader: &mut Reader<'_, '_>) -> Vec<Include> {
    let mut includes: Vec<Include> = Vec::new();
    for (header, table) in tables(tree, "include", reader) {
        if table.is_empty() && !reader.blanked {
            reader.reporter.report(&header, "include", "this include sets nothing").expected =
                Some("settings below it, as in activation_fn = \"relu\"".to_owned());
        }
        let (mut label, mut set) = (None, Vec::new());
        for entry in entries(table) {
            if entry.0 != "label" {
                set.extend(reader.setting("include", entry, &["label"], Place::Point));
                continue;
            }
            label = read_label(entry.2, "include.label", reader);
            if label.is_some() && includes.iter().any(|include| include.label == label) {
                let message = format!("label \"{}\" is given twice", label.as_deref().unwrap_or_default());
                reader.reporter.report(&entry.2.span(), "include.label", message).expected =
                    Some("labels that differ".to_owned());
            }
        }
        includes.push(Include { label, set });
    }
    includes
}

//! Tree → TOML text: a chain of files as the one file that means the same, for the copy that a store keeps.

use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use super::syntax::{Node, entries};

/// The text of a checked tree: plain keys first, then a section each.
pub(super) fn text(tree: &DeTable<'_>, names: &[&str]) -> String {
    let mut text = String::from("# One file out of several:\n");
    // Writing to a string cannot fail.
    for name in names {
        let _ = writeln!(text, "#   {name:?}");
    }
    let is_section = |node: &Node<'_>| matches!(node.get_ref(), DeValue::Table(_)) || sections(node).is_some();
    for (key, _, node) in entries(tree).into_iter().filter(|(_, _, node)| !is_section(node)) {
        let _ = writeln!(text, "{} = {}", quoted_key(key), value(node));
    }
    for (key, _, node) in entries(tree) {
        let key = quoted_key(key);
        match (node.get_ref(), sections(node)) {
            (DeValue::Table(table), _) => section(&mut text, &format!("[{key}]"), table),
            (_, Some(tables)) => tables.into_iter().for_each(|table| section(&mut text, &format!("[[{key}]]"), table)),
            _ => {}
        }
    }
    text
}

/// The tables of an array of nothing but tables, at least one.
fn sections<'t, 'a>(node: &'t Node<'a>) -> Option<Vec<&'t DeTable<'a>>> {
    let items = node.get_ref().as_array()?;
    let tables: Vec<_> = items.iter().filter_map(|item| item.get_ref().as_table()).collect();
    (!tables.is_empty() && tables.len() == items.len()).then_some(tables)
}

/// A header and its entries, each on a line.
fn section(text: &mut String, header: &str, table: &DeTable<'_>) {
    let _ = writeln!(text, "\n{header}");
    for (key, _, node) in entries(table) {
        let _ = writeln!(text, "{} = {}", quoted_key(key), value(node));
    }
}

/// A value on one line.
fn value(node: &Node<'_>) -> String {
    match node.get_ref() {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", ")),
        DeValue::Table(table) => {
            let items: Vec<_> =
                entries(table).iter().map(|(key, _, node)| format!("{} = {}", quoted_key(key), value(node))).collect();
            format!("{{ {} }}", items.join(", "))
        }
    }
}

/// A key, in quotes where it needs them.
fn quoted_key(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if plain { key.to_owned() } else { quoted(key) }
}

/// A basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

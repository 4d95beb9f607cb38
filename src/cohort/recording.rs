//! When a network is recorded and when its training ends, as a cohort file has it.

use toml::de::{DeTable, DeValue};

use super::definitions::{MAX_EPOCHS, MAX_NUMBER, one_of};
use super::errors::{Reporter, nearest};
use super::syntax::{Node, entries};
use super::values::{found, mismatch, read_integer, read_number, read_text, unknown_name};
use crate::train::schedule::{Range, Recorded};
use crate::train::stopping::{EarlyStopping, Monitor};

/// Bytes at most, those of an address space.
const MAX_BYTES: u64 = 1 << 47;
/// Ranges of a schedule at most.
const MAX_RANGES: usize = 10_000;
/// Recorded epochs a decade at most.
const MAX_PER_DECADE: u64 = 10_000;
/// What may stand as a schedule.
pub(super) const SCHEDULE_TAKES: &str = "\"standard\", a list of epochs and of ranges as in [0, 10, { from = 50, to = 100, every = 2 }], or { log = 20 }: so many a decade";
/// What may stand as a rule for stopping.
pub(super) const STOPPING_TAKES: &str = "true, false, or a table as in { monitor = \"val_acc\", value = 0.94 } or { monitor = \"val_loss\", patience = 20, min_delta = 0.001 }";

/// Reads a size in bytes.
pub(super) fn read_bytes(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str, key: &str) -> Option<u64> {
    let DeValue::String(text) = node.get_ref() else {
        return read_integer(reporter, node, path, key, (0, MAX_BYTES));
    };
    let digits = text.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.trim()[digits.len()..].trim() {
        "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit)).filter(|bytes| *bytes <= MAX_BYTES);
    if bytes.is_none() {
        mismatch(reporter, node, path, key, "a number of bytes, or a size in B, KiB, MiB or GiB, as in \"64 MiB\"".to_owned());
    }
    bytes
}

/// Reads which epochs are recorded.
pub(super) fn read_schedule(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Recorded> {
    match node.get_ref() {
        DeValue::String(name) if name == "standard" => Some(Recorded::Standard),
        DeValue::Array(items) if (1..=MAX_RANGES).contains(&items.len()) => {
            let ranges: Vec<_> = items.iter().map(|item| read_range(reporter, item, path)).collect();
            let mut ranges = ranges.into_iter().collect::<Option<Vec<_>>>()?;
            // The order of the list means nothing.
            ranges.sort_unstable();
            ranges.dedup();
            Some(Recorded::Ranges(ranges))
        }
        DeValue::Table(table) if table.len() == 1 && table.contains_key("log") => {
            let per_decade = read_integer(reporter, table.get("log")?, &format!("{path}.log"), "log", (1, MAX_PER_DECADE))?;
            u32::try_from(per_decade).ok().map(Recorded::Log)
        }
        _ => {
            mismatch(reporter, node, path, "recorded_epochs", SCHEDULE_TAKES.to_owned());
            None
        }
    }
}

/// One item of a schedule: an epoch, or a range of them.
fn read_range(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Range> {
    let DeValue::Table(table) = node.get_ref() else {
        let epoch = read_integer(reporter, node, path, "recorded_epochs", (0, MAX_EPOCHS))?;
        return u32::try_from(epoch).ok().map(Range::one);
    };
    let before = reporter.count();
    let mut range = Range { from: 0, to: Range::OPEN, every: 1 };
    for (key, span, node) in entries(table) {
        let (slot, least) = match key {
            "from" => (&mut range.from, 0),
            "to" => (&mut range.to, 1),
            "every" => (&mut range.every, 1),
            _ => {
                unknown(reporter, (&span, path), "a range of epochs", key, &["from", "to", "every"]);
                continue;
            }
        };
        let value = read_integer(reporter, node, &format!("{path}.{key}"), key, (least, MAX_EPOCHS));
        *slot = value.and_then(|value| u32::try_from(value).ok()).unwrap_or(*slot);
    }
    if reporter.count() == before && range.from >= range.to {
        let message = format!("a range from {} to {} has no epoch", range.from, range.to);
        reporter.report(&node.span(), path, message).expected =
            Some("`to` above `from`: it is the first that is left out".to_owned());
    }
    (reporter.count() == before).then_some(range)
}

/// Reads whether and when a training stops early.
pub(super) fn read_stopping(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Option<EarlyStopping>> {
    match node.get_ref() {
        DeValue::Boolean(on) => Some(on.then(EarlyStopping::default)),
        DeValue::Table(table) => read_rule(reporter, node, table, path).map(Some),
        _ => {
            let entry = reporter.report(&node.span(), path, format!("`early_stopping` is {}", found(node)));
            entry.expected = Some(STOPPING_TAKES.to_owned());
            None
        }
    }
}

fn read_rule(reporter: &mut Reporter<'_>, node: &Node<'_>, table: &DeTable<'_>, path: &str) -> Option<EarlyStopping> {
    let before = reporter.count();
    let mut rule = EarlyStopping { value: None, ..EarlyStopping::default() };
    for (key, span, node) in entries(table) {
        let path = format!("{path}.{key}");
        match key {
            "monitor" => rule.monitor = read_monitor(reporter, node, &path).unwrap_or(rule.monitor),
            "value" => rule.value = read_number(reporter, node, &path, key, false),
            "min_delta" => {
                rule.min_delta = read_number(reporter, node, &path, key, false).unwrap_or_default() + 0.0;
                if rule.min_delta < 0.0 {
                    mismatch(reporter, node, &path, key, format!("a number from 0 to {MAX_NUMBER:e}"));
                }
            }
            "patience" => {
                let passes = read_integer(reporter, node, &path, key, (1, MAX_EPOCHS));
                rule.patience = passes.and_then(|passes| u32::try_from(passes).ok());
            }
            _ => unknown(reporter, (&span, &path), "early_stopping", key, &["monitor", "value", "patience", "min_delta"]),
        }
    }
    if reporter.count() > before {
        return None;
    }
    if rule.value.is_none() && rule.patience.is_none() {
        if !rule.monitor.wants_more() {
            let message = format!("this `early_stopping` does not say when {} is good enough", rule.monitor.name());
            reporter.report(&node.span(), path, message).expected = Some("`value`, `patience` or both".to_owned());
            return None;
        }
        rule.value = Some(EarlyStopping::DEFAULT_VALUE);
    }
    if rule.min_delta != 0.0 && rule.patience.is_none() {
        reporter.report(&node.span(), path, "`min_delta` without `patience` means nothing").expected = Some("both".to_owned());
        return None;
    }
    Some(rule)
}

fn read_monitor(reporter: &mut Reporter<'_>, node: &Node<'_>, path: &str) -> Option<Monitor> {
    let name = read_text(reporter, node, path, "monitor")?;
    // As later versions of Keras have it.
    let plain = name.replace("accuracy", "acc");
    let monitor = Monitor::ALL.iter().copied().find(|monitor| monitor.name() == plain);
    if monitor.is_none() {
        let names: Vec<_> = Monitor::ALL.iter().map(|monitor| monitor.name()).collect();
        unknown_name(reporter, (&node.span(), path), "monitor", name, &names, &[]);
    }
    monitor
}

fn unknown(reporter: &mut Reporter<'_>, place: (&std::ops::Range<usize>, &str), what: &str, key: &str, known: &[&str]) {
    let entry = reporter.report(place.0, place.1, format!("unknown key `{key}` in {what}"));
    (entry.expected, entry.suggestion) = (Some(one_of(known)), nearest(key, known.iter().copied()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with<T>(text: &str, read: impl Fn(&mut Reporter<'_>, &Node<'_>) -> Option<T>) -> Result<T, String> {
        let node = DeValue::parse(text).unwrap();
        let mut reporter = Reporter::new(text, &[]);
        let value = read(&mut reporter, &node);
        reporter.finish().map_or_else(|| Ok(value.unwrap()), |errors| Err(errors.to_string()))
    }

    #[test]
    fn schedules_of_every_form() {
        let of = |text: &str| read_with(text, |reporter, node| read_schedule(reporter, node, "recorded_epochs"));
        for (text, canonical) in [
            ("'standard'", "standard"),
            ("[10, 0, 10]", "[0,10]"),
            ("[{ every = 5 }]", "[0..:5]"),
            ("[{ from = 50, to = 100, every = 2 }, 7, { to = 50 }]", "[0..50:1,7,50..100:2]"),
            ("{ log = 20 }", "log:20"),
        ] {
            assert_eq!(of(text).map(|recorded| recorded.text()).as_deref(), Ok(canonical), "{text}");
        }
        for (text, message) in [
            ("'all'", "expected \"standard\", a list"),
            ("[]", "expected \"standard\", a list"),
            ("[1.5]", "expected an integer from 0"),
            ("[{ form = 3 }]", "did you mean `from`?"),
            ("[{ from = 9, to = 9 }]", "has no epoch"),
            ("[{ every = 0 }]", "expected an integer from 1"),
            ("{ log = 0 }", "expected an integer from 1"),
            ("{ log = 1, x = 2 }", "expected \"standard\", a list"),
        ] {
            assert!(of(text).unwrap_err().contains(message), "{text}: {:?}", of(text));
        }
    }

    #[test]
    fn sizes_of_every_form() {
        let of = |text: &str| read_with(text, |reporter, node| read_bytes(reporter, node, "k", "k"));
        for (text, bytes) in [("0", 0), ("7", 7), ("'16 MiB'", 16 << 20), ("'2GiB'", 2 << 30), ("'3 B'", 3), ("'1KiB'", 1024)] {
            assert_eq!(of(text), Ok(bytes), "{text}");
        }
        for text in ["'16'", "'MiB'", "'1 MB'", "-1", "1.5", "'-1 MiB'", "'99999999999 GiB'", "true"] {
            assert!(of(text).unwrap_err().contains("expected a"), "{text}");
        }
    }

    #[test]
    fn rules_of_every_form() {
        let of = |text: &str| read_with(text, |reporter, node| read_stopping(reporter, node, "early_stopping"));
        for (text, canonical) in [
            ("false", None),
            ("true", Some("val_acc>0.94")),
            ("{ value = 0.9 }", Some("val_acc>0.9")),
            ("{ monitor = 'acc' }", Some("acc>0.94")),
            ("{ monitor = 'val_accuracy', patience = 3 }", Some("val_acc patience=3")),
            ("{ monitor = 'loss', patience = 3, value = 0, min_delta = 0.1 }", Some("loss<0.0 patience=3 min_delta=0.1")),
        ] {
            assert_eq!(of(text).map(|rule| rule.map(|rule| rule.text())), Ok(canonical.map(str::to_owned)), "{text}");
        }
        for (text, message) in [
            ("1", "expected true, false, or a table"),
            ("{ monitor = 'val_los' }", "did you mean `\"val_loss\"`?"),
            ("{ monitor = 'val_loss' }", "expected `value`, `patience` or both"),
            ("{ patience = 0 }", "expected an integer from 1"),
            ("{ patients = 3 }", "did you mean `patience`?"),
            ("{ patience = 3, min_delta = -1 }", "a number from 0"),
            ("{ min_delta = 0.1 }", "without `patience`"),
        ] {
            assert!(of(text).unwrap_err().contains(message), "{text}: {:?}", of(text));
        }
    }
}

//! `[launcher.sge]`: what a pilot asks of Grid Engine, as a table of keys, read from a cohort or from the site's file.

use toml::de::DeValue;

use super::document::{Reader, unknown_in};
use super::model::SgeSettings;
use super::syntax::{Node, entries};
use super::values::{found, read_integer};

/// What may stand at a key, and where it goes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// A name of the site's: of a queue, a project, a resource.
    Name(fn(&mut SgeSettings) -> &mut Option<String>),
    /// An integer in a range.
    Count(u32, u32, fn(&mut SgeSettings) -> &mut Option<u32>),
    /// An amount of memory, kept in bytes.
    Memory(fn(&mut SgeSettings) -> &mut Option<u64>),
    /// A time, kept in seconds.
    Time(fn(&mut SgeSettings) -> &mut Option<u32>),
    /// A list of words.
    Words(fn(&mut SgeSettings) -> &mut Option<Vec<String>>),
}

impl Takes {
    /// As in "expected …".
    pub(super) fn describe(self) -> String {
        match self {
            Self::Name(_) => "a name without spaces, commas and control characters, not beginning with \"-\"".to_owned(),
            Self::Count(min, max, _) => format!("an integer from {min} to {max}"),
            Self::Memory(_) => "an amount of memory from \"1M\" on, as in \"500M\" or \"4G\"".to_owned(),
            Self::Time(_) => "a time of at least a second, in seconds or as in \"12:00:00\"".to_owned(),
            Self::Words(_) => "a list of strings without control characters, as in [\"gcc/12\"]".to_owned(),
        }
    }

    /// A pattern of JSON Schema for it.
    pub(super) fn schema(self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Name(_) => json!({ "type": "string", "pattern": "^[^-\\s,][^\\s,]*$", "maxLength": 200 }),
            Self::Count(min, max, _) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Self::Memory(_) => json!({ "type": "string", "pattern": "^[0-9]+[KMGTkmgt]?$" }),
            Self::Time(_) => json!({ "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": MAX_SECONDS },
                { "type": "string", "pattern": "^[0-9]+:[0-5][0-9]:[0-5][0-9]$" },
            ] }),
            Self::Words(_) => json!({ "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 1000 } }),
        }
    }
}

/// One key of `[launcher.sge]`.
pub(super) struct Key {
    /// The key.
    pub(super) key: &'static str,
    /// What may stand there.
    pub(super) takes: Takes,
    /// The default, as TOML.
    pub(super) default: Option<&'static str>,
    /// What it means.
    pub(super) meaning: &'static str,
}

/// A year.
const MAX_SECONDS: u32 = 365 * 24 * 3600;

/// Every key, in the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    Key { key: "queue", takes: Takes::Name(|s| &mut s.queue), default: None, meaning: "queues to use (-q)" },
    Key { key: "project", takes: Takes::Name(|s| &mut s.project), default: None, meaning: "project that is charged (-P)" },
    Key {
        key: "pe",
        takes: Takes::Name(|s| &mut s.pe),
        default: None,
        meaning: "parallel environment on one host (-pe), for slots > 1",
    },
    Key {
        key: "slots",
        takes: Takes::Count(1, 4096, |s| &mut s.slots),
        default: Some("1"),
        meaning: "slots of each pilot: its workers times their threads",
    },
    Key {
        key: "threads",
        takes: Takes::Count(1, 4096, |s| &mut s.threads),
        default: Some("1"),
        meaning: "threads of each worker of a pilot",
    },
    Key {
        key: "memory",
        takes: Takes::Memory(|s| &mut s.memory),
        default: None,
        meaning: "memory of each slot; doubled for tasks that ran out of it",
    },
    Key {
        key: "max_memory",
        takes: Takes::Memory(|s| &mut s.max_memory),
        default: None,
        meaning: "memory of each slot up to which such tasks are tried again; 8 times memory if not given",
    },
    Key {
        key: "memory_resource",
        takes: Takes::Name(|s| &mut s.memory_resource),
        default: Some("\"h_vmem\""),
        meaning: "name of the resource that limits memory (-l)",
    },
    Key {
        key: "h_rt",
        takes: Takes::Time(|s| &mut s.h_rt),
        default: None,
        meaning: "time that a pilot may take (-l h_rt); a task is started only if it is expected to fit",
    },
    Key {
        key: "modules",
        takes: Takes::Words(|s| &mut s.modules),
        default: Some("[]"),
        meaning: "environment modules that a pilot loads",
    },
    Key {
        key: "max_pilots",
        takes: Takes::Count(1, 1_000_000, |s| &mut s.max_pilots),
        default: Some("1000"),
        meaning: "pilots of a submission at most",
    },
    Key {
        key: "max_concurrent",
        takes: Takes::Count(1, 1_000_000, |s| &mut s.max_concurrent),
        default: None,
        meaning: "pilots at work at once (-tc)",
    },
    Key {
        key: "max_array",
        takes: Takes::Count(1, 1_000_000, |s| &mut s.max_array),
        default: Some("75000"),
        meaning: "pilots of one array job: the cluster's max_aj_tasks",
    },
    Key {
        key: "flags",
        takes: Takes::Words(|s| &mut s.flags),
        default: Some("[]"),
        meaning: "further words for qsub, as in [\"-l\", \"gpu=1\"]",
    },
    Key {
        key: "heartbeat",
        takes: Takes::Time(|s| &mut s.heartbeat),
        default: Some("10"),
        meaning: "time between two heartbeats of a pilot",
    },
    Key {
        key: "deadline",
        takes: Takes::Time(|s| &mut s.deadline),
        default: Some("120"),
        meaning: "time without a heartbeat after which a pilot's tasks go to another; at least four heartbeats",
    },
];

/// Reads the section.
pub(super) fn read(node: &Node<'_>, reader: &mut Reader<'_, '_>) -> SgeSettings {
    let mut settings = SgeSettings::default();
    let DeValue::Table(table) = node.get_ref() else {
        reader.mismatch(node, "launcher.sge", "sge", "a table: [launcher.sge]");
        return settings;
    };
    for (name, span, node) in entries(table) {
        let Some(key) = KEYS.iter().find(|key| key.key == name) else {
            unknown_in(reader, &span, "launcher.sge", name, &KEYS.iter().map(|key| key.key).collect::<Vec<_>>());
            continue;
        };
        read_key(key, node, &mut settings, reader);
    }
    settings
}

fn read_key(key: &Key, node: &Node<'_>, settings: &mut SgeSettings, reader: &mut Reader<'_, '_>) {
    let path = format!("launcher.sge.{}", key.key);
    let text = node.get_ref().as_str();
    let fits = match key.takes {
        Takes::Count(min, max, slot) => {
            let range = (u64::from(min), u64::from(max));
            // Says itself what is wrong.
            let value = read_integer(reader.reporter, node, &path, key.key, range);
            *slot(settings) = value.and_then(|v| u32::try_from(v).ok());
            true
        }
        Takes::Name(slot) => put(slot(settings), text.filter(|t| is_name(t)).map(str::to_owned)),
        Takes::Memory(slot) => put(slot(settings), text.and_then(memory)),
        Takes::Time(slot) => {
            let seconds = match node.get_ref() {
                DeValue::Integer(value) => u32::from_str_radix(value.as_str(), value.radix()).ok(),
                _ => text.and_then(clock),
            };
            put(slot(settings), seconds.filter(|seconds| (1..=MAX_SECONDS).contains(seconds)))
        }
        Takes::Words(slot) => put(slot(settings), words(node)),
    };
    if !fits {
        reader.reporter.report(&node.span(), path, format!("`{}` is {}", key.key, found(node))).expected =
            Some(key.takes.describe());
    }
}

/// Sets what could be read; whether it could.
fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != ',';
    (1..=200).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-')
}

/// Bytes of an amount such as `4G`, at least a mebibyte.
fn memory(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return None,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let bytes = is_number.then(|| digits.parse::<u64>().ok()).flatten()?.checked_mul(1 << unit)?;
    (1 << 20..=1 << 50).contains(&bytes).then_some(bytes)
}

/// Seconds of `H:MM:SS`.
fn clock(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten();
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    (minutes < 60 && seconds < 60).then(|| hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)).flatten()
}

fn words(node: &Node<'_>) -> Option<Vec<String>> {
    let word = |item: &Node<'_>| {
        let text = item.get_ref().as_str()?;
        let plain = (1..=1000).contains(&text.len()) && !text.chars().any(char::is_control);
        plain.then(|| text.to_owned())
    };
    node.get_ref().as_array()?.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::{parse, parse_site};

    #[test]
    fn amounts_and_times() {
        assert_eq!(
            [memory("4G"), memory("500M"), memory("1048576"), memory("2048k")],
            [4 << 30, 500 << 20, 1 << 20, 2 << 20].map(Some)
        );
        for text in ["", "G", "4GB", "-4G", "4.5G", "1K", "0", "99999999999T", "4 G", "+4G"] {
            assert_eq!(memory(text), None, "{text}");
        }
        assert_eq!([clock("0:00:01"), clock("12:00:00"), clock("100:59:59")], [1, 43200, 363_599].map(Some));
        for text in ["", "12", "1:60:00", "1:00", "a:00:00", "-1:00:00", "+1:00:00", "1:2:3:4", "99999999:00:00"] {
            assert_eq!(clock(text), None, "{text}");
        }
    }

    #[test]
    fn a_cohort_and_a_site_say_the_same_and_the_cohort_is_stronger() {
        let sections = "[launcher.sge]\nqueue = \"all.q@@group\"\nslots = 2\npe = 'smp'\nmemory = '4G'\nh_rt = '1:00:00'\n\
                        modules = ['gcc/12']\nflags = ['-l', 'gpu=1']\nheartbeat = 3\n";
        let cohort = parse("c", &format!("name = 'n'\n{sections}")).unwrap().launcher.sge;
        let site = parse_site("s", sections).unwrap().sge;
        assert_eq!(cohort, site);
        assert_eq!((cohort.slots, cohort.memory, cohort.h_rt, cohort.heartbeat), (Some(2), Some(4 << 30), Some(3600), Some(3)));
        assert_eq!(cohort.flags.as_deref(), Some(&["-l".to_owned(), "gpu=1".to_owned()][..]));
        let over = SgeSettings { queue: Some("long.q".into()), ..SgeSettings::default() }.over(&site);
        assert_eq!((over.queue.as_deref(), over.slots), (Some("long.q"), Some(2)));
    }

    #[test]
    fn every_mistake_of_a_site_is_located() {
        let text = "[launcher.sge]\nqeue = 'a'\nqueue = '-q'\nmemory = '4 GB'\nh_rt = 0\nslots = 0\nmodules = 'gcc'\nproject = \"a\\nb\"\n[other]\n";
        let errors = parse_site("site.toml", text).unwrap_err().errors;
        let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(errors[0].suggestion.as_deref(), Some("queue"));
        assert!(errors.iter().all(|error| error.expected.is_some() && error.source_name == "site.toml"));
    }
}

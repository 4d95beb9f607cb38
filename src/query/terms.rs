//! The little language that selects runs: cohorts, ids and names, `key=regex`, `key<number`. A run must meet every condition, and be one of the
//! named ones if any are named.

use regex_lite::Regex;

use super::facts::{PLACE, place, settings_keys, text};
use super::status::Standing;
use super::study::{NameError, RunName, RunRef, is_prefix};
use crate::cohort::settings::ColumnValue;

/// One word of a selection.
#[derive(Clone, Debug)]
pub enum Term {
    /// A run, or all runs of the trainings whose ids begin so.
    Named(RunName),
    /// All runs of a cohort.
    Cohort(String),
    /// A condition on a value.
    Condition(Condition),
}

/// A condition on the value of a key.
#[derive(Clone, Debug)]
pub struct Condition {
    key: &'static str,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// The regular expression matches somewhere, or (false) nowhere.
    Matches(Regex, bool),
    /// The number stands so to the value.
    Compares(Comparison, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// With their signs; a longer sign stands before its beginning.
    const ALL: [(&'static str, Self); 7] = [
        ("!=", Self::Unequal),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Equal => value == bound,
            Self::Unequal => value != bound,
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Greater => value > bound,
            Self::AtLeast => value >= bound,
        }
    }
}

/// What a key's values are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

/// Keys that can be asked for, with the type of their values.
fn keys() -> Vec<(&'static str, Kind)> {
    let place = PLACE.map(|key| (key, if matches!(key, "run" | "seed") { Kind::Number } else { Kind::Text }));
    let kind = |value: &ColumnValue| match value {
        ColumnValue::Int(_) | ColumnValue::Float(_) => Kind::Number,
        ColumnValue::Bool(_) | ColumnValue::Text(_) => Kind::Text,
    };
    let settings = settings_keys();
    let settings = settings.iter().map(|(key, value)| (*key, kind(value)));
    [("status", Kind::Text)].into_iter().chain(place).chain(settings).collect()
}

/// A regular expression, or what is wrong with it.
///
/// # Errors
/// In words.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))
}

impl Term {
    /// Reads a word of a selection.
    ///
    /// # Errors
    /// In words: what was expected.
    pub fn parse(word: &str) -> Result<Self, String> {
        let sign = word.find(['=', '<', '>', '!']);
        let key =
            sign.map(|at| &word[..at]).filter(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let (Some(key), Some(at)) = (key, sign) else {
            let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if plain && !is_prefix(word) {
                return Ok(Self::Cohort(word.to_owned()));
            }
            return RunName::parse(word).map(Self::Named).map_err(|error: NameError| {
                format!("{error}; or a condition, as in status=failed, activation_fn=^relu$ or learning_rate<0.001")
            });
        };
        let keys = keys();
        let Some(&(key, kind)) = keys.iter().find(|(known, _)| *known == key) else {
            let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            return Err(format!("no key `{key}`, expected one of {}", names.join(", ")));
        };
        let rest = &word[at..];
        let Some((sign, comparison)) = Comparison::ALL.into_iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return Err(format!("no comparison `{rest}`, expected one of = != < <= > >="));
        };
        let (value, equality) = (&rest[sign.len()..], matches!(comparison, Comparison::Equal | Comparison::Unequal));
        let test = match (kind, value.parse::<f64>()) {
            (Kind::Number, Ok(number)) => Test::Compares(comparison, number),
            _ if equality => Test::Matches(regex(value)?, comparison == Comparison::Equal),
            (Kind::Number, Err(_)) => return Err(format!("`{value}` is not a number, expected one behind {key}{sign}")),
            (Kind::Text, _) => return Err(format!("`{key}` is not a number: use {key}=REGEX or {key}!=REGEX")),
        };
        Ok(Self::Condition(Condition { key, test }))
    }
}

/// A parsed selection.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One of these, or of a cohort below, if there are any of either.
    named: Vec<RunName>,
    cohorts: Vec<String>,
    /// All of these: conditions on the experiment.
    experiment: Vec<Condition>,
    /// All of these: conditions on the run.
    run: Vec<Condition>,
    /// All of these: conditions on the status.
    status: Vec<Condition>,
    /// Matches COHORT:LABEL somewhere.
    name: Option<Regex>,
}

impl Selection {
    /// A selection from its words, and what COHORT:LABEL must match.
    #[must_use]
    pub fn new(terms: &[Term], name: Option<Regex>) -> Self {
        let mut selection = Self { name, ..Self::default() };
        for term in terms {
            match term {
                Term::Named(name) => selection.named.push(name.clone()),
                Term::Cohort(name) => selection.cohorts.push(name.clone()),
                Term::Condition(condition) => {
                    let list = match condition.key {
                        "status" => &mut selection.status,
                        "run" | "seed" | "training_id" => &mut selection.run,
                        _ => &mut selection.experiment,
                    };
                    list.push(condition.clone());
                }
            }
        }
        selection
    }

    /// The cohorts that were named, for a check that they are there.
    #[must_use]
    pub fn cohorts(&self) -> &[String] {
        &self.cohorts
    }

    /// Whether nothing is named.
    const fn takes_all(&self) -> bool {
        self.named.is_empty() && self.cohorts.is_empty()
    }

    /// Whether runs of this run's experiment can be selected: asked once an experiment.
    #[must_use]
    pub fn takes_experiment(&self, run: &RunRef<'_>) -> bool {
        let (cohort, label) = (&run.study.grid.cohort, &run.experiment().label);
        let named = |name: &RunName| match name {
            RunName::Full { cohort: c, label: l, .. } => c == cohort && l == label,
            RunName::Training(_) => true,
        };
        if !(self.takes_all() || self.cohorts.contains(cohort) || self.named.iter().any(named)) {
            return false;
        }
        if self.name.as_ref().is_some_and(|name| !name.is_match(&format!("{cohort}:{label}"))) {
            return false;
        }
        if self.experiment.is_empty() {
            return true;
        }
        let mut values = place(run);
        values.extend(run.experiment().settings.columns());
        self.experiment.iter().all(|condition| condition.holds_in(&values))
    }

    /// Whether a run of an experiment that can be selected is, its status apart.
    #[must_use]
    pub fn takes_run(&self, run: &RunRef<'_>) -> bool {
        let named = |name: &RunName| match name {
            RunName::Full { cohort, label, repeat } => {
                *repeat == run.run.repeat && *cohort == run.study.grid.cohort && *label == run.experiment().label
            }
            RunName::Training(prefix) => run.run.training.to_string().starts_with(prefix),
        };
        let is_named = self.takes_all() || self.cohorts.contains(&run.study.grid.cohort) || self.named.iter().any(named);
        is_named && (self.run.is_empty() || self.run.iter().all(|condition| condition.holds_in(&place(run))))
    }

    /// Whether a run of this status is selected, as far as that goes.
    #[must_use]
    pub fn takes_status(&self, standing: Standing) -> bool {
        self.status.iter().all(|condition| condition.holds(&ColumnValue::Text(standing.name().to_owned())))
    }
}

impl Condition {
    fn holds_in(&self, values: &[(&'static str, ColumnValue)]) -> bool {
        values.iter().find(|(key, _)| *key == self.key).is_some_and(|(_, value)| self.holds(value))
    }

    fn holds(&self, value: &ColumnValue) -> bool {
        match &self.test {
            Test::Matches(regex, wanted) => regex.is_match(&text(value)) == *wanted,
            Test::Compares(comparison, bound) => match value {
                // Seeds stay below 2^53, and other numbers far below.
                ColumnValue::Int(v) => comparison.holds(*v as f64, *bound),
                ColumnValue::Float(v) => comparison.holds(*v, *bound),
                ColumnValue::Bool(_) | ColumnValue::Text(_) => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::study::{Study, samples};
    use super::*;
    use crate::aggregate::RunStatus;

    fn selected(words: &[&str], name: Option<&str>) -> Vec<String> {
        let grid = samples::grid();
        let study = Study { grid: &grid, text: "" };
        let terms: Vec<_> = words.iter().map(|word| Term::parse(word).unwrap()).collect();
        let selection = Selection::new(&terms, name.map(|name| regex(name).unwrap()));
        study.runs().filter(|run| selection.takes_experiment(run) && selection.takes_run(run)).map(|run| run.name()).collect()
    }

    #[test]
    fn conditions_are_met_together_and_names_one_by_one() {
        assert_eq!(selected(&[], None).len(), 6);
        assert_eq!(selected(&["activation_fn=tanh"], None), ["c:tanh:0", "c:tanh:1"]);
        assert_eq!(selected(&["activation_fn!=tanh", "run=0"], None), ["c:relu: binned:0", "c:relu: upper:0"]);
        assert_eq!(selected(&["epochs>300"], None).len(), 2);
        assert_eq!(selected(&["epochs<=300", "run>0"], None).len(), 2);
        assert_eq!(selected(&["epochs=3"], None).len(), 0, "a number is compared as one");
        assert_eq!(selected(&["epochs=^3"], None).len(), 4);
        assert_eq!(selected(&["estimators=upper", "learning_rate<0.001"], None).len(), 2);
        assert_eq!(selected(&["c:tanh:1", "c:relu: upper:0"], None), ["c:tanh:1", "c:relu: upper:0"]);
        assert_eq!(selected(&["record_initial=false"], Some("^c:relu")).len(), 4);
        assert_eq!((selected(&["c"], None).len(), selected(&["d"], None).len()), (6, 0));
        assert_eq!(selected(&["d", "c:tanh:1"], None), ["c:tanh:1"]);
        let grid = samples::grid();
        let id = grid.run(1, 1).training.to_string();
        assert_eq!(selected(&[&id[..10]], None), ["c:relu: binned:1", "c:relu: upper:1"]);
        assert_eq!(selected(&[&id[..10], "experiment=upper"], None), ["c:relu: upper:1"]);
    }

    #[test]
    fn statuses_are_conditions_too() {
        let of = |word: &str| Selection::new(&[Term::parse(word).unwrap()], None);
        let failed = Standing::Status(RunStatus::Failed);
        assert!(of("status=failed").takes_status(failed) && !of("status=failed").takes_status(Standing::Running));
        assert!(of("status=failed|oom").takes_status(failed) && !of("status!=failed").takes_status(failed));
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        for (word, part) in [
            ("epoch=3", "no key `epoch`, expected one of status, cohort,"),
            ("dataset<3", "not a number: use dataset=REGEX"),
            ("epochs<many", "`many` is not a number"),
            ("dataset=(", "not a regular expression"),
            ("dataset!x", "no comparison"),
            ("a:b", "COHORT:LABEL:REPEAT"),
        ] {
            let error = Term::parse(word).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}

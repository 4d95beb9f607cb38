//! What the tables of cohorts show of the published claims: for each claim and each cohort that can tell, a sentence with numbers, the
//! comparisons behind it, and a verdict. Pure arithmetic over what was measured; nothing is known here of a certain study.
//!
//! | file | claim |
//! | --- | --- |
//! | [`compression`] | tanh compresses in the late layers, ReLU does not |
//! | [`norm`] | a bound on the weights makes ReLU compress, and more layers of tanh |
//! | [`bias`] | a negative or a large initial bias freezes ReLU |
//! | [`order`] | the lower bound is below the upper bound |
//! | [`processing`] | binning violates the data-processing inequality from wide to narrow layers |
//!
//! What may not live here: reading tables (`cli`), markup (`report`).

pub mod bias;
pub mod compression;
pub mod norm;
pub mod order;
pub mod processing;

use std::collections::BTreeMap;

/// A layer compresses if its I(X;T) ends at least this share below its greatest value.
const COMPRESSES: f64 = 0.1;
/// A loss below this many bits is none, whatever its share.
const LEAST_LOSS: f64 = 0.1;
/// Settings that change what is measured, not what is trained.
const MEASURING: [&str; 2] = ["calculate_mi_for", "estimators"];

/// What is known of a cohort.
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// Its name.
    pub name: String,
    /// What courses are over runs: mean or median.
    pub average: &'static str,
    /// Its experiments.
    pub experiments: Vec<Experiment>,
    /// I(X;T) of hidden layers over epochs, mean or median over runs.
    pub courses: Vec<Course>,
    /// Lower against upper bounds, run by run.
    pub order: order::Order,
    /// Layers against the layers before them, run by run.
    pub processing: processing::Processing,
    /// Experiments that are not among these, in a sentence.
    pub experiments_left_out: Option<String>,
    /// Rows of single runs that were not counted, in a sentence.
    pub rows_left_out: Option<String>,
}

/// One experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiment {
    /// Its label.
    pub label: String,
    /// Its settings, as tables show them, all experiments in the same order.
    pub settings: Vec<(&'static str, String)>,
    /// Units of its layers, the readout last.
    pub widths: Vec<u32>,
    /// Test accuracy over recorded epochs, mean over runs.
    pub accuracy: Vec<(i64, f64)>,
}

/// How something was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct How {
    /// Name of the estimator.
    pub estimator: String,
    /// Its parameters, as people read them.
    pub params: String,
    /// train, test or full.
    pub split: String,
}

/// I(X;T) of one hidden layer over epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Place of the experiment.
    pub experiment: usize,
    /// How it was measured.
    pub how: How,
    /// The layer, from 0.
    pub layer: usize,
    /// Runs in it.
    pub runs: i64,
    /// (epoch, bits), by epoch; never empty.
    pub points: Vec<(i64, f64)>,
}

/// Whether data bear a claim out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They do.
    Reproduced,
    /// They do in part, as the sentence says.
    Partly,
    /// They do not.
    NotReproduced,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Partly => "partly reproduced",
            Self::NotReproduced => "not reproduced",
        }
    }

    /// That of a claim that all, some or none of its parts bear out.
    const fn of(held: usize, all: usize) -> Self {
        match held {
            0 => Self::NotReproduced,
            _ if held < all => Self::Partly,
            _ => Self::Reproduced,
        }
    }
}

/// A number or a name in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A name.
    Text(String),
    /// A whole number.
    Count(i64),
    /// A real number, finite.
    Number(f64),
}

/// What one cohort says of one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The claim, the same for all cohorts.
    pub claim: &'static str,
    /// The cohort.
    pub cohort: String,
    /// Whether it bears the claim out.
    pub verdict: Verdict,
    /// What was found, with numbers.
    pub sentence: String,
    /// What the comparisons tell, column by column.
    pub columns: &'static [&'static str],
    /// The comparisons.
    pub rows: Vec<Vec<Cell>>,
}

/// All findings of these cohorts, claim by claim, in the order of the cohorts.
#[must_use]
pub fn all(cohorts: &[Cohort]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for activation in ["tanh", "relu"] {
        findings.extend(cohorts.iter().filter_map(|cohort| compression::finding(cohort, activation)));
    }
    findings.extend(cohorts.iter().filter_map(|cohort| norm::relu(cohort, cohorts)));
    findings.extend(cohorts.iter().filter_map(|cohort| norm::tanh(cohort, cohorts)));
    findings.extend(cohorts.iter().filter_map(bias::negative));
    findings.extend(cohorts.iter().filter_map(bias::large));
    findings.extend(cohorts.iter().filter_map(order::finding));
    findings.extend(cohorts.iter().filter_map(processing::finding));
    for finding in &mut findings {
        let cohort = cohorts.iter().find(|cohort| cohort.name == finding.cohort);
        if let Some(note) = cohort.and_then(|cohort| cohort.experiments_left_out.as_ref()) {
            finding.sentence.push_str(&format!(" {note}"));
        }
    }
    findings
}

impl Experiment {
    /// The value of a setting; empty if it has none of that name.
    #[must_use]
    pub fn setting(&self, key: &str) -> &str {
        self.settings.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    /// What it trains but for the setting `key`: equal for experiments that differ in it and in their measuring alone.
    fn but(&self, key: &str) -> Vec<&str> {
        let kept = self.settings.iter().filter(|(name, _)| *name != key && !MEASURING.contains(name));
        kept.map(|(_, value)| value.as_str()).collect()
    }

    /// Number of hidden layers.
    fn hidden(&self) -> usize {
        self.widths.len().saturating_sub(1)
    }
}

impl How {
    /// In words.
    fn text(&self) -> String {
        let parts = [&self.estimator, &self.params, &self.split];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Course {
    /// The first epoch with its value.
    fn first(&self) -> (i64, f64) {
        self.points.first().copied().unwrap_or_default()
    }

    /// The last epoch with its value.
    fn last(&self) -> (i64, f64) {
        self.points.last().copied().unwrap_or_default()
    }

    /// The greatest value, with the first epoch that has it.
    fn most(&self) -> (i64, f64) {
        self.points.iter().copied().fold(self.first(), |most, point| if point.1 > most.1 { point } else { most })
    }

    /// From the least to the greatest value.
    fn range(&self) -> f64 {
        self.most().1 - self.points.iter().map(|(_, bits)| *bits).fold(f64::INFINITY, f64::min)
    }

    /// How far it ends below its greatest value, in bits.
    fn loss(&self) -> f64 {
        self.most().1 - self.last().1
    }

    /// The same as a share of the greatest value.
    fn share(&self) -> f64 {
        if self.most().1 > 0.0 { self.loss() / self.most().1 } else { 0.0 }
    }

    /// Whether the layer compresses.
    fn compresses(&self) -> bool {
        self.loss() >= LEAST_LOSS && self.share() >= COMPRESSES
    }

    /// "7.97 bits at epoch 27, 3.28 at epoch 7999".
    fn text(&self) -> String {
        let ((at, most), (end, last)) = (self.most(), self.last());
        format!("{most:.2} bits at epoch {at}, {last:.2} at epoch {end}")
    }
}

impl Cohort {
    /// The courses of the last hidden layers.
    fn last_layers(&self) -> impl Iterator<Item = &Course> {
        self.courses.iter().filter(|course| course.layer + 1 == self.experiments[course.experiment].hidden())
    }

    /// Experiments by what they train but for one setting.
    fn groups(&self, key: &str) -> BTreeMap<Vec<&str>, Vec<usize>> {
        let mut groups: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
        for (place, experiment) in self.experiments.iter().enumerate() {
            groups.entry(experiment.but(key)).or_default().push(place);
        }
        groups
    }
}

/// "of 5 runs", "of 1 run".
fn runs(n: i64) -> String {
    format!("{n} run{}", if n == 1 { "" } else { "s" })
}

/// Some names in words.
fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Cohorts for the tests of claims.
#[cfg(test)]
mod samples {
    use super::*;

    /// An experiment of a network 12-10-3-2 with some settings.
    pub fn experiment(settings: &[(&'static str, &str)]) -> Experiment {
        let mut all = vec![
            ("activation_fn", "tanh".to_owned()),
            ("initial_bias", "0.0".to_owned()),
            ("max_norm_weights", "false".to_owned()),
            ("calculate_mi_for", "[\"train\"]".to_owned()),
            ("estimators", "[\"binning\"]".to_owned()),
        ];
        for (key, value) in settings {
            all.iter_mut().filter(|(name, _)| name == key).for_each(|(_, old)| *old = (*value).to_owned());
        }
        let label = settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ");
        Experiment { label, settings: all, widths: vec![10, 3, 2], accuracy: vec![(0, 0.5), (5, 0.7), (9, 0.9)] }
    }

    pub fn how(estimator: &str) -> How {
        How { estimator: estimator.to_owned(), params: String::new(), split: "train".to_owned() }
    }

    /// A course over epochs 0, 1, ….
    pub fn course(experiment: usize, layer: usize, bits: &[f64]) -> Course {
        let points = bits.iter().enumerate().map(|(epoch, bits)| (epoch as i64, *bits)).collect();
        Course { experiment, how: how("binning"), layer, runs: 5, points }
    }

    pub fn cohort(name: &str, experiments: Vec<Experiment>, courses: Vec<Course>) -> Cohort {
        Cohort { name: name.to_owned(), average: "mean", experiments, courses, ..Cohort::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{cohort, course, experiment};
    use super::*;

    #[test]
    fn a_course_knows_its_ends_and_its_greatest() {
        let falling = course(0, 1, &[1.0, 8.0, 8.0, 2.0]);
        assert_eq!((falling.first(), falling.most(), falling.last()), ((0, 1.0), (1, 8.0), (3, 2.0)));
        assert_eq!((falling.loss(), falling.share(), falling.range()), (6.0, 0.75, 7.0));
        assert!(falling.compresses());
        // A tenth of nearly nothing is nothing; so is a twentieth of much; a layer without information loses none.
        for still in [&[0.2, 0.15][..], &[8.0, 7.6], &[0.0, 0.0], &[1.0, 2.0]] {
            assert!(!course(0, 1, still).compresses(), "{still:?}");
        }
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let experiments = vec![experiment(&[]), experiment(&[("activation_fn", "relu")])];
        let courses = vec![course(0, 1, &[3.0, 1.0]), course(1, 1, &[3.0, 3.0])];
        let left_out = Some("Looked at are the first 2 of 9 experiments.".to_owned());
        let found = all(&[Cohort { experiments_left_out: left_out, ..cohort("large", experiments, courses) }]);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|finding| finding.sentence.ends_with("the first 2 of 9 experiments.")), "{found:?}");
    }

    #[test]
    fn cohorts_that_vary_nothing_of_it_say_nothing() {
        let alone = cohort("alone", vec![experiment(&[])], vec![course(0, 1, &[3.0, 1.0])]);
        assert!(all(&[alone, Cohort::default()]).is_empty());
    }
}

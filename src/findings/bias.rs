//! A negative or a large initial bias freezes ReLU: neither the accuracy nor the information of its layers moves.
//!
//! With a negative bias the units are silent for most inputs and get no gradient. With a large one they are active for all inputs, so that the
//! network is linear until training brings units back to their kink: its first layers pass on all that they get. Compared are experiments that train the same
//! but for `initial_bias`; what moves is told beside the bias that is nearest to 0.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cell, Cohort, Course, Experiment, Finding, How, Verdict, list};

/// The setting.
const KEY: &str = "initial_bias";
/// A layer whose I(X;T) moves by less than this many bits stands still.
const STILL: f64 = 0.5;
/// An accuracy that moves by no more than this stands still.
const STILL_ACCURACY: f64 = 0.02;
/// From here on a bias is large: beyond what the weighted inputs of a unit come to at first.
const LARGE: f64 = 1.0;
/// Columns of the comparisons.
const COLUMNS: &[&str] = &[
    "experiment",
    "measured",
    "bias",
    "accuracy first",
    "accuracy last",
    "halfway at epoch",
    "hidden layers",
    "of them still",
    "I(X;T) range of the last hidden layer",
];

/// One experiment, measured one way.
struct Look<'a> {
    experiment: &'a Experiment,
    bias: f64,
    how: String,
    layers: usize,
    still: usize,
    /// Range of the last hidden layer's I(X;T).
    last: f64,
}

/// What a cohort says of negative biases.
pub(super) fn negative(cohort: &Cohort) -> Option<Finding> {
    let looks = looks(cohort);
    let reference = reference(&looks)?;
    let negative: Vec<&Look<'_>> = looks.iter().filter(|look| look.bias < 0.0).collect();
    let frozen = negative.iter().filter(|look| look.is_frozen()).count();
    let mut biases: Vec<String> = negative.iter().map(|look| look.experiment.setting(KEY).to_owned()).collect();
    biases.dedup();
    let (most, least) = ranges(&negative)?;
    let sentence = format!(
        "With initial biases {} the test accuracy moves by at most {most:.3} and I(X;T) of the last hidden layer by at most {least:.2} bits; {frozen} of {} stand still. With \
         a bias of {} they move by {:.3} and {:.2} bits.",
        list(&biases),
        negative.len(),
        reference.experiment.setting(KEY),
        reference.moved(),
        reference.last
    );
    let verdict = if reference.is_frozen() { Verdict::NotReproduced } else { Verdict::of(frozen, negative.len()) };
    Some(Finding {
        claim: "A negative initial bias freezes ReLU",
        cohort: cohort.name.clone(),
        verdict,
        sentence,
        columns: COLUMNS,
        rows: rows(&looks, |bias| bias < 0.0),
    })
}

/// What a cohort says of large biases: reproduced if nothing moves, in part if more layers stand still than without a bias.
pub(super) fn large(cohort: &Cohort) -> Option<Finding> {
    let looks = looks(cohort);
    let reference = reference(&looks)?;
    let large: Vec<&Look<'_>> = looks.iter().filter(|look| look.bias >= LARGE).collect();
    let frozen = large.iter().filter(|look| look.is_frozen()).count();
    let stiller = large.iter().filter(|look| look.still > reference.still).count();
    let greatest = large.iter().max_by(|a, b| a.bias.total_cmp(&b.bias))?;
    let halfway = |look: &Look<'_>| {
        halfway(&look.experiment.accuracy).map_or_else(|| "never".to_owned(), |epoch| format!("at epoch {epoch}"))
    };
    let ends = |look: &Look<'_>| {
        (look.experiment.accuracy.first().map_or(0.0, |a| a.1), look.experiment.accuracy.last().map_or(0.0, |a| a.1))
    };
    let (first, last) = ends(greatest);
    let sentence = format!(
        "With an initial bias of {}, I(X;T) of {} of {} hidden layers moves by less than {STILL} bits over the whole training ({} of {} with a bias of {}); \
         the test accuracy goes from {first:.3} to {last:.3}, and is halfway {} ({}). Of {} large biases {stiller} hold more layers still, and {frozen} \
         hold the accuracy, too.",
        greatest.experiment.setting(KEY),
        greatest.still,
        greatest.layers,
        reference.still,
        reference.layers,
        reference.experiment.setting(KEY),
        halfway(greatest),
        halfway(reference),
        large.len()
    );
    let verdict = match Verdict::of(frozen, large.len()) {
        Verdict::NotReproduced if 2 * stiller > large.len() => Verdict::Partly,
        verdict => verdict,
    };
    Some(Finding {
        claim: "A large initial bias freezes ReLU",
        cohort: cohort.name.clone(),
        verdict,
        sentence,
        columns: COLUMNS,
        rows: rows(&looks, |bias| bias >= LARGE),
    })
}

impl Look<'_> {
    /// From the least to the greatest test accuracy.
    fn moved(&self) -> f64 {
        let of = |start: f64, take: fn(f64, f64) -> f64| self.experiment.accuracy.iter().map(|(_, a)| *a).fold(start, take);
        (of(f64::NEG_INFINITY, f64::max) - of(f64::INFINITY, f64::min)).max(0.0)
    }

    fn is_frozen(&self) -> bool {
        self.moved() <= STILL_ACCURACY && self.last < STILL
    }
}

/// The ReLU experiments that have others which differ in their bias alone, each in each way of measuring.
fn looks(cohort: &Cohort) -> Vec<Look<'_>> {
    let mut courses: BTreeMap<(usize, &How), Vec<&Course>> = BTreeMap::new();
    let hidden = cohort.courses.iter().filter(|course| course.layer < cohort.experiments[course.experiment].hidden());
    hidden.for_each(|course| courses.entry((course.experiment, &course.how)).or_default().push(course));
    let bias = |place: usize| cohort.experiments[place].setting(KEY);
    let groups = cohort.groups(KEY).into_values();
    let differing = groups.filter(|places| places.iter().any(|&place| bias(place) != bias(places[0])));
    let compared: BTreeSet<usize> = differing.flatten().collect();
    let look = |((place, how), layers): ((usize, &How), Vec<&Course>)| {
        let experiment = &cohort.experiments[place];
        let is_compared = compared.contains(&place) && experiment.setting("activation_fn") == "relu";
        let bias = bias(place).parse().ok().filter(|_| is_compared)?;
        let last = layers.iter().find(|course| course.layer + 1 == experiment.hidden())?.range();
        let still = layers.iter().filter(|course| course.range() < STILL).count();
        Some(Look { experiment, bias, how: how.text(), layers: layers.len(), still, last })
    };
    courses.into_iter().filter_map(look).collect()
}

/// The look at the bias nearest to 0.
fn reference<'l, 'a>(looks: &'l [Look<'a>]) -> Option<&'l Look<'a>> {
    looks.iter().min_by(|a, b| a.bias.abs().total_cmp(&b.bias.abs()))
}

/// The greatest range of accuracy and of information among looks; nothing without one.
fn ranges(looks: &[&Look<'_>]) -> Option<(f64, f64)> {
    let greatest = |value: &dyn Fn(&Look<'_>) -> f64| looks.iter().map(|look| value(look)).fold(0.0, f64::max);
    (!looks.is_empty()).then(|| (greatest(&|look| look.moved()), greatest(&|look| look.last)))
}

/// The first epoch whose accuracy is at least halfway from the first to the last.
fn halfway(accuracy: &[(i64, f64)]) -> Option<i64> {
    let (first, last) = (accuracy.first()?.1, accuracy.last()?.1);
    let middle = f64::midpoint(first, last);
    accuracy.iter().find(|(_, a)| if last >= first { *a >= middle } else { *a <= middle }).map(|(epoch, _)| *epoch)
}

/// The looks at biases that are wanted, and at those of small size beside them.
fn rows(looks: &[Look<'_>], wanted: impl Fn(f64) -> bool) -> Vec<Vec<Cell>> {
    let shown = looks.iter().filter(|look| wanted(look.bias) || (0.0..LARGE).contains(&look.bias));
    let row = |look: &Look<'_>| {
        let accuracy = &look.experiment.accuracy;
        let end = |point: Option<&(i64, f64)>| point.map_or_else(|| Cell::Text(String::new()), |(_, a)| Cell::Number(*a));
        vec![
            Cell::Text(look.experiment.label.clone()),
            Cell::Text(look.how.clone()),
            Cell::Number(look.bias),
            end(accuracy.first()),
            end(accuracy.last()),
            halfway(accuracy).map_or_else(|| Cell::Text(String::new()), Cell::Count),
            Cell::Count(look.layers as i64),
            Cell::Count(look.still as i64),
            Cell::Number(look.last),
        ]
    };
    shown.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cohort, course, experiment};
    use super::*;

    fn relu(bias: &str, accuracy: &[f64]) -> Experiment {
        let accuracy = accuracy.iter().enumerate().map(|(epoch, a)| (epoch as i64, *a)).collect();
        Experiment { accuracy, ..experiment(&[("activation_fn", "relu"), (KEY, bias)]) }
    }

    /// Biases −1, 0, 8: dead; learning; learning late with its first layer still.
    fn three() -> Cohort {
        let experiments = vec![relu("-1.0", &[0.5, 0.5, 0.5]), relu("0.0", &[0.5, 0.9, 0.9]), relu("8.0", &[0.5, 0.5, 0.9])];
        let bits: [&[f64]; 6] = [&[1.0, 1.0], &[0.0, 0.0], &[9.0, 8.0], &[1.0, 5.0], &[11.0, 11.0], &[8.0, 5.0]];
        let courses = bits.iter().enumerate().map(|(place, bits)| course(place / 2, place % 2, bits)).collect();
        cohort("biases", experiments, courses)
    }

    #[test]
    fn a_dead_network_stands_still_and_a_late_one_in_part() {
        let dead = negative(&three()).unwrap();
        assert_eq!((dead.verdict, dead.rows.len()), (Verdict::Reproduced, 2));
        assert!(dead.sentence.contains("biases -1.0") && dead.sentence.contains("1 of 1 stand still"), "{}", dead.sentence);
        let late = large(&three()).unwrap();
        assert_eq!(late.verdict, Verdict::Partly);
        assert!(
            late.sentence.contains("1 of 2 hidden layers") && late.sentence.contains("0 of 2 with a bias of 0.0"),
            "{}",
            late.sentence
        );
        assert!(late.sentence.contains("halfway at epoch 2 (at epoch 1)"), "{}", late.sentence);
    }

    #[test]
    fn what_moves_is_not_frozen() {
        let mut cohort = three();
        cohort.experiments[0].accuracy[2].1 = 0.6;
        assert_eq!(negative(&cohort).unwrap().verdict, Verdict::NotReproduced);
        cohort.courses[4] = course(2, 0, &[11.0, 9.0]);
        assert_eq!(large(&cohort).unwrap().verdict, Verdict::NotReproduced);
        for experiment in &mut cohort.experiments {
            experiment.settings[0].1 = "tanh".to_owned();
        }
        assert!(negative(&cohort).is_none() && large(&cohort).is_none());
    }
}

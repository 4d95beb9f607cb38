//! A strong bound on the weights makes ReLU compress, and more layers of tanh than without one.
//!
//! An experiment with `max_norm_weights` is compared with the one that trains the same without, measured the same way: in its own cohort, or else
//! in another of those looked at together.

use std::collections::HashMap;

use super::compression::row;
use super::{Cell, Cohort, Course, Finding, Verdict, list};

/// The setting.
const KEY: &str = "max_norm_weights";
/// Columns of the comparisons: two more than for compression alone.
const COLUMNS: &[&str] = &[
    "experiment",
    "measured",
    "runs",
    "layer",
    "most",
    "at epoch",
    "last",
    "lost",
    "lost share",
    "lost share without a bound",
    "compared with",
];
/// Columns of the count of layers.
const LAYERS: &[&str] = &["experiment", "measured", "runs", "layers", "compress", "compress without a bound", "compared with"];

/// A course under a bound beside that without one.
struct Pair<'a> {
    bound: &'a str,
    bounded: &'a Course,
    free_in: &'a Cohort,
    free: &'a Course,
}

/// What a cohort says of ReLU under bounds, in the last hidden layer.
pub(super) fn relu(cohort: &Cohort, all: &[Cohort]) -> Option<Finding> {
    let last = |course: &&'_ Course| course.layer + 1 == cohort.experiments[course.experiment].hidden();
    let pairs = pairs(cohort, all, "relu", last);
    let strongest = pairs.iter().max_by(|a, b| a.bounded.share().total_cmp(&b.bounded.share()))?;
    let holds = |pair: &&Pair<'_>| pair.bounded.compresses() && !pair.free.compresses();
    let (mut bounds, mut compressing) = (Vec::new(), Vec::new());
    for pair in &pairs {
        if !bounds.contains(&pair.bound.to_owned()) {
            bounds.push(pair.bound.to_owned());
        }
        if holds(&pair) && !compressing.contains(&pair.bound.to_owned()) {
            compressing.push(pair.bound.to_owned());
        }
    }
    let sentence = format!(
        "ReLU bounded by {}: I(X;T) of the last hidden layer is {} ({:.0} % lost); without a bound {} ({:.0} % lost). It compresses under {}, of \
         the bounds {}.",
        strongest.bound,
        strongest.bounded.text(),
        100.0 * strongest.bounded.share(),
        strongest.free.text(),
        100.0 * strongest.free.share(),
        list(&compressing),
        list(&bounds)
    );
    let rows = pairs.iter().map(|pair| {
        let mut cells = row(cohort, pair.bounded);
        cells.push(Cell::Number(pair.free.share()));
        cells.push(Cell::Text(pair.of()));
        cells
    });
    Some(Finding {
        claim: "A strong bound on the weights makes ReLU compress",
        cohort: cohort.name.clone(),
        verdict: if compressing.is_empty() { Verdict::NotReproduced } else { Verdict::Reproduced },
        sentence,
        columns: COLUMNS,
        rows: rows.collect(),
    })
}

/// What a cohort says of tanh under bounds: how many hidden layers compress.
pub(super) fn tanh(cohort: &Cohort, all: &[Cohort]) -> Option<Finding> {
    let pairs = pairs(cohort, all, "tanh", |_| true);
    // Layers of one experiment, measured one way, follow each other or not: they are collected.
    let mut counts: Vec<(&Pair<'_>, i64, i64, i64)> = Vec::new();
    for pair in &pairs {
        let same = |(other, ..): &&mut (&Pair<'_>, i64, i64, i64)| {
            other.bounded.experiment == pair.bounded.experiment && other.bounded.how == pair.bounded.how
        };
        let (bounded, free) = (i64::from(pair.bounded.compresses()), i64::from(pair.free.compresses()));
        match counts.iter_mut().find(same) {
            Some((_, layers, with, without)) => (*layers, *with, *without) = (*layers + 1, *with + bounded, *without + free),
            None => counts.push((pair, 1, bounded, free)),
        }
    }
    let (most, layers, with, without) = counts.iter().max_by_key(|(_, _, with, without)| (with - without, *with))?;
    let sentence = format!(
        "tanh bounded by {}: {with} of {layers} hidden layers compress; without a bound {without} ({}).",
        most.bound,
        most.bounded.how.text()
    );
    let rows = counts.iter().map(|(pair, layers, with, without)| {
        let label = cohort.experiments[pair.bounded.experiment].label.clone();
        let numbers = [pair.bounded.runs, *layers, *with, *without].map(Cell::Count);
        let mut cells = vec![Cell::Text(label), Cell::Text(pair.bounded.how.text())];
        cells.extend(numbers);
        cells.push(Cell::Text(pair.of()));
        cells
    });
    Some(Finding {
        claim: "A strong bound on the weights lets more layers of tanh compress",
        cohort: cohort.name.clone(),
        verdict: if with > without { Verdict::Reproduced } else { Verdict::NotReproduced },
        sentence,
        columns: LAYERS,
        rows: rows.collect(),
    })
}

impl Pair<'_> {
    /// What it is compared with.
    fn of(&self) -> String {
        format!("{}: {}", self.free_in.name, self.free_in.experiments[self.free.experiment].label)
    }
}

/// The courses of an activation function under bounds, each with its like without; those without a like are left out.
fn pairs<'a>(cohort: &'a Cohort, all: &'a [Cohort], activation: &str, wanted: impl Fn(&&'a Course) -> bool) -> Vec<Pair<'a>> {
    let mut free: HashMap<_, (&Cohort, &Course)> = HashMap::new();
    for other in std::iter::once(cohort).chain(all) {
        for course in &other.courses {
            let experiment = &other.experiments[course.experiment];
            if experiment.setting(KEY) == "false" && experiment.setting("activation_fn") == activation {
                free.entry((experiment.but(KEY), course.layer, &course.how)).or_insert((other, course));
            }
        }
    }
    let pair = |bounded: &'a Course| {
        let experiment = &cohort.experiments[bounded.experiment];
        let bound = experiment.setting(KEY);
        bound.parse::<f64>().ok()?;
        let &(free_in, free) = free.get(&(experiment.but(KEY), bounded.layer, &bounded.how))?;
        Some(Pair { bound, bounded, free_in, free })
    };
    cohort.courses.iter().filter(wanted).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cohort, course, experiment};
    use super::*;

    fn relu_with(bound: &str) -> super::super::Experiment {
        experiment(&[("activation_fn", "relu"), (KEY, bound)])
    }

    #[test]
    fn a_bound_is_compared_with_none_wherever_it_is() {
        let experiments = vec![relu_with("false"), relu_with("0.8"), relu_with("1.5")];
        let courses = vec![course(0, 1, &[1.0, 5.0]), course(1, 1, &[4.0, 3.0]), course(2, 1, &[4.0, 4.0])];
        let here = cohort("here", experiments, courses);
        let found = relu(&here, &[]).unwrap();
        assert_eq!((found.verdict, found.rows.len()), (Verdict::Reproduced, 2));
        assert!(
            found.sentence.contains("bounded by 0.8") && found.sentence.contains("under 0.8, of the bounds 0.8 and 1.5"),
            "{}",
            found.sentence
        );
        let bounded = cohort("bounded", vec![relu_with("0.8")], vec![course(0, 1, &[4.0, 3.0])]);
        assert_eq!(relu(&bounded, &[]), None);
        let all = [bounded, here];
        let found = relu(&all[0], &all).unwrap();
        assert_eq!(found.verdict, Verdict::Reproduced);
        assert_eq!(found.rows[0].last(), Some(&Cell::Text("here: activation_fn=relu, max_norm_weights=false".to_owned())));
        assert_eq!(tanh(&all[0], &all), None);
    }

    #[test]
    fn what_compresses_anyway_is_not_the_bounds_doing() {
        let courses = vec![course(0, 1, &[5.0, 1.0]), course(1, 1, &[4.0, 3.0])];
        let found = relu(&cohort("a", vec![relu_with("false"), relu_with("0.8")], courses), &[]).unwrap();
        assert_eq!(found.verdict, Verdict::NotReproduced);
        assert!(found.sentence.contains("under none"), "{}", found.sentence);
    }

    #[test]
    fn layers_of_tanh_are_counted() {
        let experiments = vec![experiment(&[]), experiment(&[(KEY, "0.6")])];
        let falling = &[5.0, 2.0];
        let courses = vec![course(0, 0, &[5.0, 5.0]), course(0, 1, falling), course(1, 0, falling), course(1, 1, falling)];
        let found = tanh(&cohort("a", experiments, courses), &[]).unwrap();
        assert_eq!(found.verdict, Verdict::Reproduced);
        assert!(found.sentence.contains("2 of 2 hidden layers compress; without a bound 1"), "{}", found.sentence);
    }
}

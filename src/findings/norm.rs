//! A strong bound on the weights makes ReLU compress, and more layers of tanh than without one.
//!
//! An experiment with `max_norm_weights` is compared with the one that trains the same without, measured the same way: in its own cohort, or else
//! in another of those looked at together. The verdict counts the bounds under which most measurements bear the claim out; the sentence tells one in the middle of those that
//! agree with the verdict.

use std::collections::HashMap;

use super::compression::row;
use super::{Cell, Cohort, Course, Finding, Verdict};

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

/// A bound, how many measurements under it bear a claim out, and how many there are.
type Bound<'a> = (&'a str, usize, usize);

/// What a cohort says of ReLU under bounds, in the last hidden layer.
pub(super) fn relu(cohort: &Cohort, all: &[Cohort]) -> Option<Finding> {
    let last = |course: &&'_ Course| course.layer + 1 == cohort.experiments[course.experiment].hidden();
    let pairs = pairs(cohort, all, "relu", last);
    let holds = |pair: &Pair<'_>| pair.bounded.compresses() && !pair.free.compresses();
    let bounds = by_bound(pairs.iter().map(|pair| (pair.bound, holds(pair))));
    let verdict = verdict(&bounds);
    let is_told = |pair: &&Pair<'_>| holds(pair) == (verdict != Verdict::NotReproduced);
    let mut told: Vec<&Pair<'_>> = pairs.iter().filter(is_told).collect();
    told.sort_by(|a, b| a.bounded.share().total_cmp(&b.bounded.share()));
    let middle = told.get(told.len() / 2)?;
    let sentence = format!(
        "ReLU bounded by {}: I(X;T) of the last hidden layer is {} ({:.0} % lost); without a bound {} ({:.0} % lost). It \
         compresses under a bound and not without in {}.",
        middle.bound,
        middle.bounded.text(),
        100.0 * middle.bounded.share(),
        middle.free.text(),
        100.0 * middle.free.share(),
        counted(&bounds)
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
        verdict,
        sentence,
        columns: COLUMNS,
        rows: rows.collect(),
    })
}

/// Hidden layers of one experiment under a bound, measured one way.
struct Layers<'a> {
    /// One of them.
    pair: &'a Pair<'a>,
    all: i64,
    /// Those that compress under the bound, and without.
    with: i64,
    without: i64,
}

/// What a cohort says of tanh under bounds: how many hidden layers compress.
pub(super) fn tanh(cohort: &Cohort, all: &[Cohort]) -> Option<Finding> {
    let pairs = pairs(cohort, all, "tanh", |_| true);
    // Layers of one experiment, measured one way, follow each other or not: they are collected.
    let mut counts: Vec<Layers<'_>> = Vec::new();
    for pair in &pairs {
        let same = |other: &&mut Layers<'_>| {
            other.pair.bounded.experiment == pair.bounded.experiment && other.pair.bounded.how == pair.bounded.how
        };
        let (bounded, free) = (i64::from(pair.bounded.compresses()), i64::from(pair.free.compresses()));
        match counts.iter_mut().find(same) {
            Some(layers) => {
                (layers.all, layers.with, layers.without) = (layers.all + 1, layers.with + bounded, layers.without + free);
            }
            None => counts.push(Layers { pair, all: 1, with: bounded, without: free }),
        }
    }
    let bounds = by_bound(counts.iter().map(|layers| (layers.pair.bound, layers.with > layers.without)));
    let verdict = verdict(&bounds);
    let is_told = |layers: &&Layers<'_>| (layers.with > layers.without) == (verdict != Verdict::NotReproduced);
    let mut told: Vec<&Layers<'_>> = counts.iter().filter(is_told).collect();
    told.sort_by_key(|layers| (layers.with - layers.without, layers.with));
    let middle = told.get(told.len() / 2)?;
    let sentence = format!(
        "tanh bounded by {}: {} of {} hidden layers compress; without a bound {} ({}). More layers compress under a bound \
         than without in {}.",
        middle.pair.bound,
        middle.with,
        middle.all,
        middle.without,
        middle.pair.bounded.how.text(),
        counted(&bounds)
    );
    let rows = counts.iter().map(|layers| {
        let bounded = layers.pair.bounded;
        let label = cohort.experiments[bounded.experiment].label.clone();
        let numbers = [bounded.runs, layers.all, layers.with, layers.without].map(Cell::Count);
        let mut cells = vec![Cell::Text(label), Cell::Text(bounded.how.text())];
        cells.extend(numbers);
        cells.push(Cell::Text(layers.pair.of()));
        cells
    });
    Some(Finding {
        claim: "A strong bound on the weights lets more layers of tanh compress",
        cohort: cohort.name.clone(),
        verdict,
        sentence,
        columns: LAYERS,
        rows: rows.collect(),
    })
}

/// Counts measurements by bound, the strongest first.
fn by_bound<'a>(measurements: impl Iterator<Item = (&'a str, bool)>) -> Vec<Bound<'a>> {
    let mut bounds: Vec<Bound<'a>> = Vec::new();
    for (bound, holds) in measurements {
        match bounds.iter_mut().find(|(other, ..)| *other == bound) {
            Some((_, held, all)) => (*held, *all) = (*held + usize::from(holds), *all + 1),
            None => bounds.push((bound, usize::from(holds), 1)),
        }
    }
    let size = |bound: &Bound<'_>| bound.0.parse().unwrap_or(f64::INFINITY);
    bounds.sort_by(|a, b| size(a).total_cmp(&size(b)));
    bounds
}

/// A bound bears a claim out if most measurements under it do; the claim is reproduced under all, some or none of the bounds.
fn verdict(bounds: &[Bound<'_>]) -> Verdict {
    Verdict::of(bounds.iter().filter(|(_, held, all)| 2 * held > *all).count(), bounds.len())
}

/// "3 of 4 measurements: 2 of 2 under 0.8, 1 of 2 under 1.5".
fn counted(bounds: &[Bound<'_>]) -> String {
    let (held, all) = bounds.iter().fold((0, 0), |sum, (_, held, all)| (sum.0 + held, sum.1 + all));
    let each = bounds.iter().map(|(bound, held, all)| format!("{held} of {all} under {bound}"));
    format!("{held} of {all} measurements: {}", each.collect::<Vec<_>>().join(", "))
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
        // One of two bounds.
        assert_eq!((found.verdict, found.rows.len()), (Verdict::Partly, 2));
        assert!(found.sentence.contains("bounded by 0.8: I(X;T)"), "{}", found.sentence);
        let counted = "under a bound and not without in 1 of 2 measurements: 1 of 1 under 0.8, 0 of 1 under 1.5.";
        assert!(found.sentence.ends_with(counted), "{}", found.sentence);
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
        assert!(
            found.sentence.contains("(80 % lost). It compresses under a bound and not without in 0 of 1 measurements"),
            "{}",
            found.sentence
        );
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

    #[test]
    fn most_measurements_decide_and_the_sentence_agrees_with_them() {
        let experiments = vec![relu_with("false"), relu_with("0.8")];
        // Of five measurements under the bound one compresses, and it loses most.
        let estimators = ["a", "b", "c", "d", "e"];
        let courses = |ends: [f64; 5]| -> Vec<Course> {
            let measured = estimators.iter().zip(ends).flat_map(|(name, end)| {
                let how = super::super::samples::how(name);
                [&[8.0, 8.0], &[8.0, end]]
                    .into_iter()
                    .enumerate()
                    .map(|(place, bits)| Course { how: how.clone(), ..course(place, 1, bits) })
                    .collect::<Vec<_>>()
            });
            measured.collect()
        };
        let found = relu(&cohort("a", experiments.clone(), courses([8.0, 7.9, 1.0, 7.8, 8.0])), &[]).unwrap();
        assert_eq!(found.verdict, Verdict::NotReproduced);
        assert!(found.sentence.contains("(1 % lost); without a bound"), "{}", found.sentence);
        assert!(found.sentence.contains("in 1 of 5 measurements"), "{}", found.sentence);
        // Of those that compress the middle one is told, not the best.
        let found = relu(&cohort("a", experiments, courses([8.0, 6.0, 1.0, 4.0, 8.0])), &[]).unwrap();
        assert_eq!(found.verdict, Verdict::Reproduced);
        assert!(
            found.sentence.contains("(50 % lost); without a bound") && found.sentence.contains("3 of 5"),
            "{}",
            found.sentence
        );
    }

    #[test]
    fn one_network_of_tanh_with_more_layers_is_not_most() {
        let experiments = vec![experiment(&[]), experiment(&[(KEY, "0.6")])];
        let mut courses = Vec::new();
        for (estimator, end) in [("a", 8.0), ("b", 8.0), ("c", 1.0)] {
            let how = super::super::samples::how(estimator);
            courses.push(Course { how: how.clone(), ..course(0, 1, &[8.0, 8.0]) });
            courses.push(Course { how, ..course(1, 1, &[8.0, end]) });
        }
        let found = tanh(&cohort("a", experiments, courses), &[]).unwrap();
        assert_eq!(found.verdict, Verdict::NotReproduced);
        assert!(found.sentence.starts_with("tanh bounded by 0.6: 0 of 1 hidden layers"), "{}", found.sentence);
        assert!(found.sentence.contains("than without in 1 of 3 measurements"), "{}", found.sentence);
    }
}

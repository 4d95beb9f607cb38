//! A negative or a large initial bias freezes ReLU: neither the accuracy nor the information of its layers moves.
//!
//! With a negative bias the units are silent for most inputs and get no gradient. With a large one they are active for all inputs, so that the
//! network is linear until training brings units back to their kink: its first layers pass on all that they get. Compared are experiments that train the same
//! but for `initial_bias`, in each way of measuring by itself: each with its own at the bias that is nearest to 0.

use std::collections::BTreeMap;

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

/// Experiments that train the same but for their bias, measured the same way, with the place of the one that they are compared with: that whose
/// bias is nearest to 0, and neither negative nor large itself.
struct Series<'a> {
    looks: Vec<Look<'a>>,
    reference: usize,
}

impl<'a> Series<'a> {
    /// Nothing if no bias is small.
    fn of(looks: Vec<Look<'a>>) -> Option<Self> {
        let small = (0..looks.len()).filter(|&place| (0.0..LARGE).contains(&looks[place].bias));
        let reference = small.min_by(|&a, &b| looks[a].bias.total_cmp(&looks[b].bias))?;
        Some(Self { looks, reference })
    }
}

/// A look, and the one of its series that it is compared with.
type Pair<'s, 'a> = (&'s Look<'a>, &'s Look<'a>);

/// What a cohort says of negative biases.
pub(super) fn negative(cohort: &Cohort) -> Option<Finding> {
    let series = all_series(cohort);
    let wanted = |bias: f64| bias < 0.0;
    let pairs = pairs(&series, wanted);
    let (looks, references): (Vec<&Look<'_>>, Vec<&Look<'_>>) = pairs.iter().copied().unzip();
    let (most, least) = (ranges(&looks, f64::max)?, ranges(&references, f64::min)?);
    let still = looks.iter().filter(|look| look.is_frozen()).count();
    let frozen = pairs.iter().filter(|pair| froze(pair)).count();
    let mut sentence = format!(
        "With initial biases {} the test accuracy moves by at most {:.3} and I(X;T) of the last hidden layer by at most {:.2} bits; {still} of {} measurements stand \
         still. With a bias of {} they move by at least {:.3} and {:.2} bits.",
        biases(&looks),
        most.0,
        most.1,
        pairs.len(),
        biases(&references),
        least.0,
        least.1
    );
    if frozen < still {
        sentence.push_str(&format!(" {} of these stand still with that bias, too.", still - frozen));
    }
    Some(Finding {
        claim: "A negative initial bias freezes ReLU",
        cohort: cohort.name.clone(),
        verdict: Verdict::of(frozen, pairs.len()),
        sentence,
        columns: COLUMNS,
        rows: rows(&series, wanted),
    })
}

/// What a cohort says of large biases: reproduced if nothing moves, in part if more layers stand still than without a bias.
pub(super) fn large(cohort: &Cohort) -> Option<Finding> {
    let series = all_series(cohort);
    let wanted = |bias: f64| bias >= LARGE;
    let pairs = pairs(&series, wanted);
    let frozen = pairs.iter().filter(|pair| froze(pair)).count();
    let stiller = pairs.iter().filter(|(look, reference)| look.still > reference.still).count();
    // Of the measurements at the greatest bias the one in the middle is told.
    let greatest = pairs.iter().map(|(look, _)| look.bias).max_by(f64::total_cmp)?;
    let mut told: Vec<&Pair<'_, '_>> = pairs.iter().filter(|(look, _)| look.bias == greatest).collect();
    told.sort_by(|(a, _), (b, _)| a.still.cmp(&b.still).then(b.last.total_cmp(&a.last)));
    let (look, reference) = told.get(told.len() / 2)?;
    let halfway = |look: &Look<'_>| {
        halfway(&look.experiment.accuracy).map_or_else(|| "never".to_owned(), |epoch| format!("at epoch {epoch}"))
    };
    let end = |point: Option<&(i64, f64)>| point.map_or(0.0, |(_, accuracy)| *accuracy);
    let mut sentence = format!(
        "With an initial bias of {}, I(X;T) of {} of {} hidden layers moves by less than {STILL} bits over the whole training ({} of {} with a bias of {}); \
         the test accuracy goes from {:.3} to {:.3}, and is halfway {} ({}).",
        look.experiment.setting(KEY),
        look.still,
        look.layers,
        reference.still,
        reference.layers,
        reference.experiment.setting(KEY),
        end(look.experiment.accuracy.first()),
        end(look.experiment.accuracy.last()),
        halfway(look),
        halfway(reference)
    );
    if told.len() > 1 {
        let (n, label) = (told.len(), &look.experiment.label);
        sentence.push_str(&format!(" Of {n} measurements with that bias this is the middle one ({label}; {}).", look.how));
    }
    sentence.push_str(&format!(
        " Of {} measurements with large biases {stiller} hold more layers still, and {frozen} hold the accuracy, too.",
        pairs.len()
    ));
    let verdict = match Verdict::of(frozen, pairs.len()) {
        Verdict::NotReproduced if 2 * stiller > pairs.len() => Verdict::Partly,
        verdict => verdict,
    };
    Some(Finding {
        claim: "A large initial bias freezes ReLU",
        cohort: cohort.name.clone(),
        verdict,
        sentence,
        columns: COLUMNS,
        rows: rows(&series, wanted),
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

/// Whether nothing moves that moves with the bias nearest to 0.
fn froze((look, reference): &Pair<'_, '_>) -> bool {
    look.is_frozen() && !reference.is_frozen()
}

/// The ReLU experiments by all but their bias, each in each way of measuring: nothing else is compared with each other.
fn all_series(cohort: &Cohort) -> Vec<Series<'_>> {
    let mut courses: BTreeMap<(usize, &How), Vec<&Course>> = BTreeMap::new();
    let hidden = cohort.courses.iter().filter(|course| course.layer < cohort.experiments[course.experiment].hidden());
    hidden.for_each(|course| courses.entry((course.experiment, &course.how)).or_default().push(course));
    let mut looks: BTreeMap<(Vec<&str>, &How), Vec<Look<'_>>> = BTreeMap::new();
    for ((place, how), layers) in courses {
        let experiment = &cohort.experiments[place];
        let last = layers.iter().find(|course| course.layer + 1 == experiment.hidden()).map(|course| course.range());
        let bias = experiment.setting(KEY).parse().ok().filter(|_| experiment.setting("activation_fn") == "relu");
        let Some((bias, last)) = bias.zip(last) else { continue };
        let still = layers.iter().filter(|course| course.range() < STILL).count();
        let look = Look { experiment, bias, how: how.text(), layers: layers.len(), still, last };
        looks.entry((experiment.but(KEY), how)).or_default().push(look);
    }
    looks.into_values().filter_map(Series::of).collect()
}

/// The looks at biases that are wanted, each with its reference.
fn pairs<'s, 'a>(series: &'s [Series<'a>], wanted: impl Fn(f64) -> bool) -> Vec<Pair<'s, 'a>> {
    let all = series.iter().flat_map(|series| series.looks.iter().map(|look| (look, &series.looks[series.reference])));
    all.filter(|(look, _)| wanted(look.bias)).collect()
}

/// The biases of looks in words, each once, from the least to the greatest.
fn biases(looks: &[&Look<'_>]) -> String {
    let mut looks = looks.to_vec();
    looks.sort_by(|a, b| a.bias.total_cmp(&b.bias));
    looks.dedup_by_key(|look| look.bias.to_bits());
    list(&looks.iter().map(|look| look.experiment.setting(KEY).to_owned()).collect::<Vec<_>>())
}

/// The greatest or the least range of accuracy, and that of information, among looks; nothing without one.
fn ranges(looks: &[&Look<'_>], take: fn(f64, f64) -> f64) -> Option<(f64, f64)> {
    looks.iter().map(|look| (look.moved(), look.last)).reduce(|a, b| (take(a.0, b.0), take(a.1, b.1)))
}

/// The first epoch whose accuracy is at least halfway from the first to the last.
fn halfway(accuracy: &[(i64, f64)]) -> Option<i64> {
    let (first, last) = (accuracy.first()?.1, accuracy.last()?.1);
    let middle = f64::midpoint(first, last);
    accuracy.iter().find(|(_, a)| if last >= first { *a >= middle } else { *a <= middle }).map(|(epoch, _)| *epoch)
}

/// The looks at biases that are wanted, and at those of small size beside them.
fn rows(series: &[Series<'_>], wanted: impl Fn(f64) -> bool) -> Vec<Vec<Cell>> {
    let compared = series.iter().filter(|series| series.looks.iter().any(|look| wanted(look.bias)));
    let shown = compared.flat_map(|s| &s.looks).filter(|look| wanted(look.bias) || (0.0..LARGE).contains(&look.bias));
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
    use super::super::samples::{cohort, course, experiment, how};
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
        assert!(
            dead.sentence.contains("biases -1.0") && dead.sentence.contains("1 of 1 measurements stand still"),
            "{}",
            dead.sentence
        );
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

    /// Two architectures, measured twice each, with biases −1, 0 and 8. The networks of three hidden layers have more layers still than those of
    /// two, whatever their bias; measured by "upper", nothing of them ever moves.
    fn of_two_architectures() -> Cohort {
        let (moving, still): (&[f64], &[f64]) = (&[1.0, 5.0], &[2.0, 2.0]);
        let (mut experiments, mut courses) = (Vec::new(), Vec::new());
        for (layers, widths) in [(2, vec![10, 3, 2]), (3, vec![10, 7, 3, 2])] {
            for bias in ["8.0", "-1.0", "0.0"] {
                let accuracy: &[f64] = if bias == "-1.0" || layers == 3 { &[0.5, 0.5] } else { &[0.5, 0.9] };
                let mut experiment = Experiment { widths: widths.clone(), ..relu(bias, accuracy) };
                experiment.settings.push(("architecture", format!("{widths:?}")));
                for estimator in ["binning", "upper"] {
                    for layer in 0..layers {
                        let moves = match (layers, bias) {
                            (2, "0.0") => true,
                            (2, "8.0") => layer > 0,
                            (3, "0.0" | "8.0") => estimator == "binning" && layer == 2,
                            _ => false,
                        };
                        let bits = if moves { moving } else { still };
                        courses.push(Course { how: how(estimator), ..course(experiments.len(), layer, bits) });
                    }
                }
                experiments.push(experiment);
            }
        }
        cohort("architectures", experiments, courses)
    }

    #[test]
    fn looks_are_compared_with_their_own_kind_alone() {
        let cohort = of_two_architectures();
        // Of four measurements without a bias one stands still by itself: that of three layers by "upper".
        let found = negative(&cohort).unwrap();
        assert_eq!((found.verdict, found.rows.len()), (Verdict::Partly, 8));
        assert!(found.sentence.contains("With initial biases -1.0 the"), "{}", found.sentence);
        assert!(found.sentence.contains("4 of 4 measurements stand still. With a bias of 0.0 they"), "{}", found.sentence);
        assert!(found.sentence.contains("1 of these stand still with that bias, too"), "{}", found.sentence);
        // Two layers: one more still by either estimator. Three layers: as many still as without a bias.
        let found = large(&cohort).unwrap();
        assert_eq!(found.verdict, Verdict::NotReproduced);
        assert!(found.sentence.contains("Of 4 measurements with large biases 2 hold more layers still"), "{}", found.sentence);
        assert!(found.sentence.contains("this is the middle one"), "{}", found.sentence);
    }

    #[test]
    fn without_a_small_bias_there_is_nothing_to_compare_with() {
        for others in [["-2.0", "-1.0"], ["1.0", "8.0"], ["-1.0", "8.0"]] {
            let experiments = others.map(|bias| relu(bias, &[0.5, 0.5])).to_vec();
            let courses = vec![course(0, 1, &[0.0, 0.0]), course(1, 1, &[0.0, 0.0])];
            let cohort = cohort("no small bias", experiments, courses);
            assert!(negative(&cohort).is_none() && large(&cohort).is_none(), "{others:?}");
        }
    }

    #[test]
    fn each_bias_is_named_once_in_order() {
        let biases = ["-1.0", "-2.0", "0.0", "-1.0"];
        let mut experiments = biases.map(|bias| relu(bias, &[0.5, 0.5])).to_vec();
        experiments[2] = relu("0.0", &[0.5, 0.9]);
        let courses = (0..4).map(|place| course(place, 1, if place == 2 { &[0.0, 4.0] } else { &[0.0, 0.0] })).collect();
        let found = negative(&cohort("biases", experiments, courses)).unwrap();
        assert!(found.sentence.contains("biases -2.0 and -1.0 the"), "{}", found.sentence);
        assert_eq!(found.verdict, Verdict::Reproduced);
    }
}

//! tanh compresses in the late layers, ReLU does not: I(X;T) of the last hidden layer at its greatest and at the end.
//!
//! Compared are experiments that train the same but for the activation function, without a bound on the weights (that is a claim of its own, in
//! [`norm`](super::norm)). A cohort with many estimators and parameters has many comparisons: the one in the middle, by the share that is lost, is the one that the
//! sentence tells, and the verdict is that of most.

use std::collections::BTreeSet;

use super::{Cell, Cohort, Course, Finding, Verdict, runs};

/// Columns of the comparisons.
const COLUMNS: &[&str] = &["experiment", "measured", "runs", "layer", "most", "at epoch", "last", "lost", "lost share"];

/// What a cohort says of an activation function, `tanh` or `relu`; nothing if it has not both to compare.
pub(super) fn finding(cohort: &Cohort, activation: &str) -> Option<Finding> {
    let compared = compared(cohort, activation);
    let mut courses: Vec<&Course> = cohort.last_layers().filter(|course| compared.contains(&course.experiment)).collect();
    courses.sort_by(|a, b| a.share().total_cmp(&b.share()));
    let middle = courses.get(courses.len() / 2)?;
    let compressing = courses.iter().filter(|course| course.compresses()).count();
    let is_tanh = activation == "tanh";
    let agreeing = if is_tanh { compressing } else { courses.len() - compressing };
    let verdict = if 2 * agreeing > courses.len() { Verdict::Reproduced } else { Verdict::NotReproduced };
    let name = if is_tanh { "tanh" } else { "ReLU" };
    let mut sentence = format!(
        "{name}: I(X;T) of the last hidden layer is {} ({:.0} % lost; {} of {}, {}).",
        middle.text(),
        100.0 * middle.share(),
        cohort.average,
        runs(middle.runs),
        middle.how.text()
    );
    if courses.len() > 1 {
        let ends = [courses.first(), courses.last()].map(|course| 100.0 * course.map_or(0.0, |course| course.share()));
        sentence.push_str(&format!(
            " Of {} measurements that is the middle one: {:.0} to {:.0} % are lost, in {compressing} of them a tenth or more.",
            courses.len(),
            ends[0],
            ends[1]
        ));
    }
    let claim =
        if is_tanh { "tanh compresses in the late layers" } else { "ReLU does not compress where its weights are free to grow" };
    let rows = courses.iter().map(|course| row(cohort, course)).collect();
    Some(Finding { claim, cohort: cohort.name.clone(), verdict, sentence, columns: COLUMNS, rows })
}

/// Experiments of this activation function, without a bound on the weights, that have one of the other function to compare with.
fn compared(cohort: &Cohort, activation: &str) -> BTreeSet<usize> {
    let is = |place: &usize, activation: &str| cohort.experiments[*place].setting("activation_fn") == activation;
    let groups = cohort.groups("activation_fn").into_values();
    let both = groups.filter(|group| ["tanh", "relu"].iter().all(|activation| group.iter().any(|place| is(place, activation))));
    both.flatten().filter(|p| is(p, activation) && cohort.experiments[*p].setting("max_norm_weights") == "false").collect()
}

/// A course as a row of a table.
pub(super) fn row(cohort: &Cohort, course: &Course) -> Vec<Cell> {
    let ((at, most), (_, last)) = (course.most(), course.last());
    vec![
        Cell::Text(cohort.experiments[course.experiment].label.clone()),
        Cell::Text(course.how.text()),
        Cell::Count(course.runs),
        Cell::Count(course.layer as i64 + 1),
        Cell::Number(most),
        Cell::Count(at),
        Cell::Number(last),
        Cell::Number(course.loss()),
        Cell::Number(course.share()),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cohort, course, experiment};
    use super::*;

    fn two(tanh: &[f64], relu: &[f64]) -> Cohort {
        let experiments = vec![experiment(&[("activation_fn", "tanh")]), experiment(&[("activation_fn", "relu")])];
        // The first layer and the readout do what they like.
        let courses = vec![
            course(0, 0, &[9.0, 1.0]),
            course(0, 1, tanh),
            course(1, 0, &[9.0, 1.0]),
            course(1, 1, relu),
            course(1, 2, &[9.0, 1.0]),
        ];
        cohort("two", experiments, courses)
    }

    #[test]
    fn the_verdict_follows_the_last_hidden_layer() {
        let published = two(&[5.0, 8.0, 3.0], &[1.0, 2.0, 7.0]);
        let tanh = finding(&published, "tanh").unwrap();
        assert_eq!((tanh.verdict, tanh.rows.len()), (Verdict::Reproduced, 1));
        assert!(tanh.sentence.contains("8.00 bits at epoch 1, 3.00 at epoch 2 (62 % lost; mean of 5 runs"), "{}", tanh.sentence);
        assert_eq!(
            tanh.rows[0][4..],
            [8.0, 1.0, 3.0, 5.0, 0.625].map(|v| if v == 1.0 { Cell::Count(1) } else { Cell::Number(v) })
        );
        assert_eq!(finding(&published, "relu").unwrap().verdict, Verdict::Reproduced);
        let other = two(&[1.0, 2.0, 7.0], &[5.0, 8.0, 3.0]);
        for activation in ["tanh", "relu"] {
            assert_eq!(finding(&other, activation).unwrap().verdict, Verdict::NotReproduced);
        }
    }

    #[test]
    fn most_measurements_decide_and_the_middle_one_is_told() {
        let mut cohort = two(&[8.0, 3.0], &[1.0, 2.0]);
        cohort.courses.push(course(0, 1, &[8.0, 7.0]));
        cohort.courses.push(course(0, 1, &[8.0, 8.0]));
        let tanh = finding(&cohort, "tanh").unwrap();
        assert_eq!(tanh.verdict, Verdict::Reproduced);
        assert!(tanh.sentence.contains("7.00 at epoch 1") && tanh.sentence.contains("0 to 62 %"), "{}", tanh.sentence);
        cohort.courses.push(course(0, 1, &[8.0, 8.0]));
        assert_eq!(finding(&cohort, "tanh").unwrap().verdict, Verdict::NotReproduced);
    }

    #[test]
    fn only_what_differs_in_the_activation_alone_is_compared() {
        let bounded = |activation| experiment(&[("activation_fn", activation), ("max_norm_weights", "0.7")]);
        let courses = vec![course(0, 1, &[8.0, 3.0]), course(1, 1, &[8.0, 3.0])];
        assert_eq!(finding(&cohort("bounded", vec![bounded("tanh"), bounded("relu")], courses.clone()), "tanh"), None);
        let biased = experiment(&[("activation_fn", "relu"), ("initial_bias", "1.0")]);
        assert_eq!(finding(&cohort("biased", vec![experiment(&[]), biased], courses), "tanh"), None);
    }
}

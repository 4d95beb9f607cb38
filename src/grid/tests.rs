//! The grid as a whole: counts against a naive enumerator, ids against rewritten files, plans against what is committed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Counts, ExpandError, Grid, Run, expand, plan};
use crate::cohort::{Cohort, parse};
use crate::grid::ids::Id;

/// The cohort of a text that has no mistakes.
fn cohort(text: &str) -> Cohort {
    parse("f.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The grid of a text, below a name.
fn grid(text: &str) -> Grid {
    expand(&cohort(&format!("name = 'c'\n{text}"))).unwrap()
}

fn labels(text: &str) -> Vec<String> {
    grid(text).experiments.into_iter().map(|experiment| experiment.label).collect()
}

#[test]
fn labels_name_what_differs() {
    assert_eq!(labels(""), ["c"]);
    assert_eq!(labels("[grid]\nepochs = [5]"), ["c"]);
    assert_eq!(labels("[grid]\nepochs = [5]\nactivation_fn = ['tanh', 'relu']"), ["activation_fn=tanh", "activation_fn=relu"]);
    assert_eq!(
        labels("[grid]\narchitecture = [[10, 7], []]\nrecord_initial = [false, true]"),
        [
            "architecture=[10,7], record_initial=false",
            "architecture=[10,7], record_initial=true",
            "architecture=[], record_initial=false",
            "architecture=[], record_initial=true"
        ]
    );
    assert_eq!(
        labels("[[include]]\nepochs = 3\nlabel = 'short'\n[[include]]\nbatch_size = 2"),
        ["batch_size=256", "short", "batch_size=2"]
    );
    assert_eq!(
        labels(
            "[[grid]]\nsize = [{ label = 's', set = { epochs = 1 } }]\n[[grid]]\nepochs = [2]\n[[zip]]\nbatch_size = [1, 2]\nsplit_seed = [3, 3]"
        ),
        ["size=s, epochs=1, batch_size=1", "size=s, epochs=1, batch_size=2", "epochs=2, batch_size=1", "epochs=2, batch_size=2"]
    );
    assert_eq!(
        labels(
            "[grid]\nestimators = [['binning'], ['upper', { lower = { noise_variance = 0.5 } }]]\ncalculate_mi_for = ['full', ['test', 'train']]"
        ),
        [
            "estimators=[binning], calculate_mi_for=full",
            "estimators=[binning], calculate_mi_for=[train,test]",
            "estimators=[upper,lower(0.5)], calculate_mi_for=full",
            "estimators=[upper,lower(0.5)], calculate_mi_for=[train,test]"
        ]
    );
}

#[test]
fn one_meaning_is_one_experiment() {
    let twice = grid("[grid]\nepochs = [5, 6, 5]\n[[include]]\nlabel = 'again'\nepochs = 6");
    assert_eq!(twice.experiments.len(), 2);
    assert_eq!(twice.duplicates, [("epochs=5".into(), "epochs=5".into()), ("epochs=6".into(), "again".into())]);
    let same = grid("[grid]\nestimators = [['binning', 'upper'], ['upper', 'binning']]");
    assert_eq!(same.duplicates, [("c".into(), "estimators=[upper,binning]".into())]);
    assert_eq!(grid("[grid]\ninitial_bias = [0, -0.0, 0.0]").duplicates.len(), 2);
}

#[test]
fn labels_are_unique() {
    let text = "name = 'c'\n[grid]\nepochs = [5, 6]\n[[include]]\nlabel = 'epochs=5'\nepochs = 7";
    let error = expand(&cohort(text)).unwrap_err();
    assert_eq!(error, ExpandError::SameLabel { cohort: "c".into(), label: "epochs=5".into() });
}

#[test]
fn runs_of_one_repeat_share_their_seed() {
    let grid = grid("n_runs = 3\n[grid]\nactivation_fn = ['tanh', 'relu']\nseed_offset = [0, 100]");
    let runs: Vec<Run> = grid.runs().collect();
    assert_eq!(runs.len(), 12);
    assert_eq!(runs.iter().map(|run| (run.experiment, run.repeat)).collect::<Vec<_>>()[..4], [(0, 0), (0, 1), (0, 2), (1, 0)]);
    assert!(runs[..3].iter().zip(&runs[6..9]).all(|(tanh, relu)| tanh.seed == relu.seed && tanh.training != relu.training));
    assert_eq!(runs.iter().map(|run| run.seed).collect::<BTreeSet<_>>().len(), 6);
}

#[test]
fn a_training_is_shared_by_the_runs_that_measure_it() {
    let grid = grid(
        "n_runs = 5\n[grid]\nactivation_fn = ['tanh', 'relu']\nestimator = ['binning', 'upper', 'lower']\ndiscretization_range = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]",
    );
    let all = plan(&grid, |_| false);
    let expected = Counts { experiments: 36, runs: 180, trainings: 10, measurements: 360, done: 0, missing: 180 };
    assert_eq!(all.counts, expected);
    assert_eq!(all.tasks.len(), 10);
    assert!(all.tasks.iter().all(|task| task.train && task.measure.len() == 36));
}

#[test]
fn only_what_is_missing_is_planned() {
    let grid = grid("n_runs = 2\n[experiment]\nepochs = 10\n[grid]\nestimators = [['binning'], ['binning', 'upper']]");
    let all = plan(&grid, |_| false);
    let first = &all.tasks[0];
    let mut committed: BTreeSet<Id> = {
        let binned = first.measure.iter().filter(|m| m.estimator.name() == "binning");
        binned.map(|m| m.id(first.training)).collect()
    };
    committed.insert(first.training);
    let rest = plan(&grid, |id| committed.contains(id));
    assert_eq!((rest.counts.done, rest.counts.missing), (1, 3));
    assert_eq!((rest.counts.trainings, rest.counts.measurements), (all.counts.trainings, all.counts.measurements));
    assert_eq!(rest.tasks.iter().map(|task| (task.train, task.measure.len())).collect::<Vec<_>>(), [(false, 2), (true, 4)]);
    // A measurement without its training is no finished run: the metrics are missing.
    let orphan = plan(&grid, |id| *id != first.training);
    assert_eq!((orphan.tasks.len(), orphan.tasks[0].train, orphan.tasks[0].measure.len()), (1, true, 0));
    assert_eq!(orphan.counts.done, 2);
    let none = plan(&grid, |_| true);
    assert!(none.tasks.is_empty() && none.counts.missing == 0);
}

#[test]
fn first_repeats_come_first_and_long_ones_before_short_ones() {
    let grid = grid("n_runs = 2\n[grid]\nepochs = [10, 1000, 100]");
    let order: Vec<u32> = plan(&grid, |_| false).tasks.iter().map(|task| task.spec.epochs).collect();
    assert_eq!(order, [1000, 100, 10, 1000, 100, 10]);
}

#[test]
fn no_op_runs_are_planned_too() {
    let grid = grid("n_runs = 3\n[experiment]\nepochs = 0\nestimators = []");
    let all = plan(&grid, |_| false);
    assert_eq!((all.tasks.len(), all.counts.measurements), (3, 0));
}

/// Keys of the random cohorts, with values that are all different.
const KEYS: [(&str, [&str; 4]); 5] = [
    ("activation_fn", ["'tanh'", "'relu'", "'linear'", "'tanh'"]),
    ("epochs", ["1", "2", "3", "8000"]),
    ("batch_size", ["16", "32", "64", "256"]),
    ("initial_bias", ["0.0", "0.25", "-1", "1e-3"]),
    ("seed_offset", ["0", "5", "6", "7"]),
];

/// A cohort before it is text: per key the number of its value, by part.
#[derive(Clone, Debug)]
struct Plain {
    base: BTreeMap<usize, usize>,
    grids: Vec<BTreeMap<usize, Vec<usize>>>,
    zip: BTreeMap<usize, Vec<usize>>,
    excludes: Vec<BTreeMap<usize, usize>>,
    includes: Vec<BTreeMap<usize, usize>>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let value = 0_usize..3;
    let point = || prop::collection::btree_map(0_usize..5, 0_usize..3, 1..4);
    let grid = prop::collection::btree_map(0_usize..3, prop::collection::btree_set(0_usize..3, 1..4), 1..4);
    let zip = (0_usize..3, 0_usize..3, 0_usize..3).prop_map(|(a, b, length)| {
        let column = |shift: usize| (0..length).map(|i| (i + shift) % 3).collect::<Vec<_>>();
        if length == 0 { BTreeMap::new() } else { BTreeMap::from([(3, column(a)), (4, column(b))]) }
    });
    let parts = (
        prop::collection::btree_map(0_usize..5, value, 0..5),
        prop::collection::vec(grid, 0..3),
        zip,
        prop::collection::vec(point(), 0..3),
        prop::collection::vec(point(), 0..3),
    );
    parts.prop_map(|(base, grids, zip, excludes, includes)| {
        let grids = grids.into_iter().map(|grid| grid.into_iter().map(|(k, v)| (k, v.into_iter().collect())).collect()).collect();
        Plain { base, grids, zip, excludes, includes }
    })
}

impl Plain {
    /// As a cohort file; `reverse` turns the order of the keys around.
    fn text(&self, reverse: bool) -> String {
        let scalar = |(k, v): (&usize, &usize)| format!("{} = {}\n", KEYS[*k].0, KEYS[*k].1[*v]);
        let axis = |(k, v): (&usize, &Vec<usize>)| {
            format!("{} = [{}]\n", KEYS[*k].0, v.iter().map(|v| KEYS[*k].1[*v]).collect::<Vec<_>>().join(", "))
        };
        let join = |mut lines: Vec<String>| {
            if reverse {
                lines.reverse();
            }
            lines.concat()
        };
        let mut text = format!("name = 'c'\n[experiment]\n{}", join(self.base.iter().map(scalar).collect()));
        for grid in &self.grids {
            text += &format!("[[grid]]\n{}", join(grid.iter().map(axis).collect()));
        }
        if !self.zip.is_empty() {
            text += &format!("[[zip]]\n{}", join(self.zip.iter().map(axis).collect()));
        }
        for (section, points) in [("exclude", &self.excludes), ("include", &self.includes)] {
            for point in points {
                text += &format!("[[{section}]]\n{}", join(point.iter().map(scalar).collect()));
            }
        }
        text
    }

    /// All points the slow way: every combination of all values of all keys, kept if a grid and the zip allow it.
    fn points(&self) -> Vec<[usize; 5]> {
        // A value of 3 is the default.
        let default = |k: usize| match k {
            0 | 3 | 4 => 0,
            _ => 3,
        };
        let base: [usize; 5] = std::array::from_fn(|k| self.base.get(&k).copied().unwrap_or_else(|| default(k)));
        let no_grid = [BTreeMap::new()];
        let grids = if self.grids.is_empty() { &no_grid[..] } else { &self.grids };
        let zip_length = self.zip.values().next().map_or(1, Vec::len);
        let mut points = Vec::new();
        for grid in grids {
            for code in 0..4_usize.pow(5) {
                let point: [usize; 5] = std::array::from_fn(|k| code / 4_usize.pow(4 - k as u32) % 4);
                for row in 0..zip_length {
                    let allowed = (0..5).all(|k| match (grid.get(&k), self.zip.get(&k)) {
                        (Some(values), _) => values.contains(&point[k]),
                        (_, Some(values)) => values[row] == point[k],
                        _ => point[k] == base[k],
                    });
                    if allowed {
                        points.push(point);
                    }
                }
            }
        }
        points.retain(|point| !self.excludes.iter().any(|exclude| exclude.iter().all(|(k, v)| point[*k] == *v)));
        for include in &self.includes {
            points.push(std::array::from_fn(|k| include.get(&k).copied().unwrap_or(base[k])));
        }
        points
    }
}

/// The tasks of a repeat, without their order: by training, whether that is missing, and which measurements are.
type Round = BTreeMap<Id, (bool, BTreeSet<Id>)>;

/// A plan the slow way: run by run, every id from its settings.
fn naive_plan(grid: &Grid, is_committed: impl Fn(&Id) -> bool) -> (Vec<Round>, Counts) {
    let mut counts = Counts { experiments: grid.experiments.len(), ..Counts::default() };
    let mut rounds = Vec::new();
    let (mut trainings, mut measurements) = (BTreeSet::new(), BTreeSet::new());
    for repeat in 0..grid.n_runs {
        let mut tasks = BTreeMap::new();
        for (place, experiment) in grid.experiments.iter().enumerate() {
            let training = grid.run(place, repeat).training;
            let settings = &experiment.settings;
            let on = |e| settings.splits.iter().map(move |split| Id::measurement(training, e, *split));
            let ids: BTreeSet<Id> = settings.estimators.iter().flat_map(on).collect();
            let missing: BTreeSet<Id> = ids.iter().copied().filter(|id| !is_committed(id)).collect();
            let train = !is_committed(&training);
            counts.runs += 1;
            counts.done += usize::from(!train && missing.is_empty());
            trainings.insert(training);
            measurements.extend(ids);
            let task = tasks.entry(training).or_insert((train, BTreeSet::new()));
            task.1.extend(missing);
        }
        tasks.retain(|_, (train, missing)| *train || !missing.is_empty());
        rounds.push(tasks);
    }
    (counts.trainings, counts.measurements) = (trainings.len(), measurements.len());
    counts.missing = counts.runs - counts.done;
    (rounds, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is shared and whatever is committed, the plan is that of a walk over all runs, long tasks first in each repeat.
    #[test]
    fn plans_agree_with_a_walk_over_all_runs(
        estimators in prop::collection::vec(prop::sample::subsequence(vec!["'binning'", "'upper'", "'lower'", "{ upper = { noise_variance = 0.1 } }"], 0..=4), 1..4),
        splits in prop::sample::subsequence(vec!["'train'", "'test'", "['full', 'test']"], 1..=3),
        epochs in prop::sample::subsequence(vec!["0", "3", "80"], 1..=3),
        offsets in prop::sample::subsequence(vec!["0", "1"], 1..=2),
        n_runs in 1_u32..4,
        committed in prop::sample::select(vec![0_u8, 100, 200, 255]),
    ) {
        let estimators: Vec<String> = estimators.iter().map(|list| format!("[{}]", list.join(", "))).collect();
        let text = format!(
            "n_runs = {n_runs}\n[grid]\nepochs = [{}]\nestimators = [{}]\ncalculate_mi_for = [{}]\nseed_offset = [{}]",
            epochs.join(", "), estimators.join(", "), splits.join(", "), offsets.join(", ")
        );
        let grid = grid(&text);
        let is_committed = |id: &Id| id.0[0] < committed;
        let found = plan(&grid, is_committed);
        let (rounds, counts) = naive_plan(&grid, is_committed);
        prop_assert_eq!(found.counts, counts);
        let mut tasks = found.tasks.iter();
        for round in rounds {
            let part: Vec<_> = tasks.by_ref().take(round.len()).collect();
            prop_assert!(part.windows(2).all(|pair| pair[0].cost() >= pair[1].cost() * (1.0 - 1e-12)));
            let found = part.iter().map(|task| {
                let missing: Vec<Id> = task.measure.iter().map(|measure| measure.id(task.training)).collect();
                assert_eq!(missing.iter().collect::<BTreeSet<_>>().len(), missing.len(), "each measurement once");
                assert_eq!(task.training, Id::training(&task.spec, task.seed));
                (task.training, (task.train, missing.into_iter().collect()))
            });
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), round);
        }
        prop_assert!(tasks.next().is_none());
    }
}

/// The meaning of every experiment, whatever their order.
fn trainings(grid: &Grid) -> BTreeSet<Id> {
    grid.runs().map(|run| run.training).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The number of points and of distinct meanings agrees with a naive enumerator; the order of keys changes no id.
    #[test]
    fn points_agree_with_a_naive_enumerator(plain in plain()) {
        let mut expected = plain.points();
        match parse("f.toml", &plain.text(false)) {
            Ok(cohort) => {
                prop_assert_eq!(cohort.points().count(), expected.len());
                let grid = expand(&cohort).unwrap();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(grid.experiments.len(), expected.len());
                prop_assert_eq!(grid.duplicates.len(), cohort.points().count() - expected.len());
                let labels: BTreeSet<_> = grid.experiments.iter().map(|e| e.label.as_str()).collect();
                prop_assert_eq!(labels.len(), expected.len());
                let turned = expand(&parse("g.toml", &plain.text(true)).unwrap()).unwrap();
                prop_assert_eq!(trainings(&turned), trainings(&grid));
            }
            // The only mistakes of these files: excludes without effect, and excludes that leave nothing.
            Err(errors) => {
                let all = Plain { excludes: vec![], includes: vec![], ..plain.clone() }.points();
                let idle = plain.excludes.iter().filter(|e| !all.iter().any(|p| e.iter().all(|(k, v)| p[*k] == *v))).count();
                let empty = usize::from(idle == 0 && expected.is_empty());
                prop_assert_eq!(errors.errors.len(), idle + empty, "{}", errors);
            }
        }
    }
}

#[test]
fn ids_depend_on_meaning_alone() {
    let plain = trainings(&grid("[experiment]\nepochs = 300\nlearning_rate = 0.001\n[grid]\nactivation_fn = ['relu', 'tanh']"));
    let rewritten = "
        seed = 0x0 # the default
        description = 'the same, at length'
        [launcher.local]
        threads = 7
        workers = 3
        [grid]
        'activation_fn' = [
          \"tanh\",
          { label = 'r', set = { activation_fn = 'relu' } },
        ]
        [experiment]
        learning_rate = 1e-3
        dataset = 'harmonics'
        initial_bias = 0
        architecture = [10, 7, 5, 4, 3,]
        batch_size = 2_56
        epochs = 300
        optimizer = 'adam'
        model = 'feedforward'
        estimator = 'upper'
        calculate_mi_for = 'full'
        seed_offset = 0
        split_seed = 0
        record_initial = false";
    assert_eq!(trainings(&grid(rewritten)), plain);
}

#[test]
fn every_change_of_meaning_changes_the_id() {
    let changes = [
        "",
        "split_seed = 1",
        "architecture = [10, 7, 5, 4]",
        "architecture = [107, 5, 4, 3]",
        "architecture = []",
        "activation_fn = 'relu'",
        "initial_bias = 0.1",
        "initial_bias = -0.1",
        "optimizer = 'sgd'",
        "learning_rate = 0.0005",
        "batch_size = 255",
        "epochs = 7999",
        "record_initial = true",
        "seed_offset = 1",
    ];
    let ids: BTreeSet<Id> = changes.iter().flat_map(|change| trainings(&grid(&format!("[experiment]\n{change}")))).collect();
    assert_eq!(ids.len(), changes.len());
    assert_ne!(trainings(&grid("seed = 1")), trainings(&grid("")));
    let measures = [
        "",
        "estimator = 'upper'",
        "discretization_range = 0.08",
        "estimator = 'lower'",
        "estimators = [{ upper = { noise_variance = 2e-3 } }]",
    ];
    let splits = ["'train'", "'test'", "'full'"];
    let ids: BTreeSet<Id> = (measures.iter())
        .flat_map(|measure| splits.map(|split| grid(&format!("[experiment]\ncalculate_mi_for = {split}\n{measure}"))))
        .flat_map(|grid| plan(&grid, |_| false).tasks)
        .flat_map(|task| task.measure.iter().map(|measure| measure.id(task.training)).collect::<Vec<_>>())
        .collect();
    assert_eq!(ids.len(), measures.len() * splits.len());
}

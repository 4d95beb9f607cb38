//! Whole files: what is read from good ones, and what is said about bad ones.

use super::model::{Axis, Condition};
use super::setting::Setting;
use super::settings::Settings;
use super::{Cohort, CohortErrors, parse};
use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::{Activation, Split};
use proptest::prelude::*;

/// The example of the house plan, without the settings of later versions.
const EXAMPLE: &str = r#"
name = "estimators"
description = "free text"
n_runs = 5
seed = 0

[experiment]
dataset = "harmonics"
architecture = [10, 7, 5, 4, 3]
activation_fn = "tanh"
model = "feedforward"
optimizer = "adam"
learning_rate = 0.0004
batch_size = 256
epochs = 8000
calculate_mi_for = ["train", "full_dataset"]
estimators = ["binning", { upper = { noise_variance = 1e-2 } }]

[grid]
activation_fn = ["tanh", "relu"]
record_initial = [false, true]
size = [{ label = "small", set = { architecture = [4], epochs = 300 } }, { label = "large", set = { architecture = [64, 64] } }]

[[zip]]
initial_bias = [0.0, 0.1]
seed_offset = [0, 100]

[[exclude]]
activation_fn = "relu"
size = "small"

[[include]]
activation_fn = "linear"
label = "linear alone"

[launcher.local]
workers = 4
threads = 2
"#;

/// The messages of a bad file, with their lines.
fn messages(text: &str) -> Vec<(usize, String)> {
    match parse("f.toml", text) {
        Ok(_) => Vec::new(),
        Err(CohortErrors { errors, .. }) => errors.into_iter().map(|error| (error.line, error.message)).collect(),
    }
}

/// A cohort of one experiment with these lines at the top.
fn named(text: &str) -> Cohort {
    parse("f.toml", &format!("name = 'c'\n{text}")).unwrap()
}

#[test]
fn the_example_is_read_whole() {
    let cohort = parse("f.toml", EXAMPLE).unwrap();
    assert_eq!((cohort.name.as_str(), cohort.n_runs, cohort.seed), ("estimators", 5, 0));
    assert_eq!((cohort.launcher.local.workers, cohort.launcher.local.threads), (Some(4), Some(2)));
    let [grid] = cohort.grids.as_slice() else { panic!("one grid") };
    let names: Vec<_> = grid.iter().map(|dimension| dimension.axes[0].name.as_str()).collect();
    assert_eq!(names, ["activation_fn", "record_initial", "size"]);
    let Axis { values, .. } = &grid[2].axes[0];
    assert_eq!(values[0].text, "small");
    assert_eq!(values[0].set, [Setting::Architecture(vec![4]), Setting::Epochs(300)]);
    assert_eq!(cohort.zips[0].axes.len(), 2);
    assert_eq!(cohort.excludes[0].conditions[1], Condition::Labelled { axis: "size".into(), label: "small".into() });
    // 2 × 2 × 2 × 2, without relu ∧ small (2 × 2), and one more.
    assert_eq!(cohort.points().count(), 16 - 4 + 1);
    let last = cohort.points().last().unwrap().settings;
    assert_eq!((last.training.activation, last.seed_offset), (Activation::Linear, 0));
    assert_eq!(last.splits, [Split::Train, Split::Full]);
    let binning = EstimatorSpec::Binning { bin_width: 0.07 };
    assert_eq!(last.estimators, [binning, EstimatorSpec::Upper { noise_variance: 0.01 }]);
}

#[test]
fn a_name_is_enough() {
    let cohort = named("");
    let points: Vec<_> = cohort.points().map(|point| point.settings).collect();
    assert_eq!(points, [Settings::default()]);
    assert_eq!((cohort.n_runs, cohort.seed), (1, 0));
}

#[test]
fn the_old_form_may_vary() {
    let cohort = named(
        "[grid]\nestimator = ['binning', 'upper', 'lower']\ndiscretization_range = [0.1, 1]\n[[exclude]]\nestimator = 'lower'",
    );
    let estimators: Vec<_> = cohort.points().flat_map(|point| point.settings.estimators).collect();
    let (binning, upper) =
        (|bin_width| EstimatorSpec::Binning { bin_width }, |noise_variance| EstimatorSpec::Upper { noise_variance });
    assert_eq!(estimators, [binning(0.1), binning(1.0), upper(0.1), upper(1.0)]);
    let alone = named("[experiment]\nestimator = 'upper'");
    assert_eq!(alone.points().next().unwrap().settings.estimators, [upper(1e-3)]);
}

#[test]
fn axes_of_a_union_are_its_own() {
    let cohort =
        named("[experiment]\nepochs = 7\n[[grid]]\nepochs = [1, 2]\n[[grid]]\nbatch_size = [3]\n[[zip]]\nsplit_seed = [4, 5]");
    let points: Vec<_> = cohort
        .points()
        .map(|p| (p.settings.training.epochs, p.settings.training.batch_size, p.settings.training.split_seed))
        .collect();
    assert_eq!(points, [(1, 256, 4), (1, 256, 5), (2, 256, 4), (2, 256, 5), (7, 3, 4), (7, 3, 5)]);
}

#[test]
fn names_are_safe_as_directories() {
    for good in ["a", "A-1_b.c", "...", &"x".repeat(64)] {
        assert!(parse("f", &format!("name = '{good}'")).is_ok(), "{good}");
    }
    for bad in ["", ".", "..", ".infoplane", "a/b", "ä", "a b", &"x".repeat(65)] {
        assert!(parse("f", &format!("name = '{bad}'")).is_err(), "{bad}");
    }
}

#[test]
fn one_mistake_is_one_error() {
    for (text, expected) in [
        ("nmae = 'c'", "unknown key `nmae` at the top of the file"),
        ("[experiment]\nepochs = 1", "the cohort has no `name`"),
        (
            "name = 'c'\n[gird]\nactivation_fn = ['tanh', 'relu']\n[[exclude]]\nactivation_fn = 'relu'",
            "unknown key `gird` at the top of the file",
        ),
        (
            "name = 'c'\n[grid]\nactivaton_fn = ['tanh', 'relu']\n[[exclude]]\nactivation_fn = 'relu'",
            "unknown key `activaton_fn` in grid",
        ),
        (
            "name = 'c'\n[grid]\nactivation_fn = ['tanh', 'rellu']\n[[exclude]]\nactivation_fn = 'relu'",
            "unknown activation_fn \"rellu\"",
        ),
        (
            "name = 'c'\n[[zip]]\nepochs = [1, 2]\nseed_offset = [1]\n[[exclude]]\nepochs = 2",
            "`seed_offset` has 1 value, but `epochs` has 2 values",
        ),
        ("name = 'c'\n[grid\nepochs = [1, 2]\n[[exclude]]\nepochs = 2", "not valid TOML: unclosed table"),
        ("name = 'c\n[experiment]\nepochs = 2", "not valid TOML: invalid literal string"),
        (
            "name = 'c'\n[grid]\nsize = [{ label = 'a', set = { epohcs = 1 } }]\n[[exclude]]\nsize = 'a'",
            "unknown key `epohcs` in grid.size.set",
        ),
        ("name = 'c'\n[grid]\nepochs = 5\n[[exclude]]\nepochs = 1", "`epochs` is the integer 5"),
        ("name = 'c'\n[grid]\nepochs = [5]\n[[exclude]]\nepochs = 1", "no point has epochs = 1"),
        ("name = 'c'\n[grid]\nepochs = [5]\n[[exclude]]\nepochs = 5", "the excludes leave no point"),
        (
            "name = 'c'\n[[grid]]\nepochs = [5]\n[[grid]]\nbatch_size = [7]\n[[exclude]]\nepochs = 5\nbatch_size = 7",
            "this exclude matches no point",
        ),
        (
            "name = 'c'\n[grid]\nepochs = [5]\nseed = [1, 2]",
            "`seed` is the same for the whole cohort: it cannot vary between points",
        ),
        ("name = 'c'\n[grid]\nepochs = [5, 6]\n[[zip]]\nepochs = [1, 2]", "axis `epochs` is named twice"),
        (
            "name = 'c'\n[grid]\nepochs = [5, 6]\nx = [{ label = 'a', set = { epochs = 1 } }]",
            "axes `epochs` and `x` both set `epochs`",
        ),
        ("name = 'c'\nn_runs = 0", "`n_runs` is the integer 0"),
        ("name = 'c'\nextends = 'd.toml'", "`extends`: this cohort stands alone, \"d.toml\" is not at hand"),
    ] {
        let found: Vec<String> = messages(text).into_iter().map(|(_, message)| message).collect();
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn a_grid_beyond_all_memory_is_refused_at_once() {
    let axis = |key: &str| format!("{key} = {:?}\n", (1..=5000).collect::<Vec<_>>());
    let text = format!("name = 'c'\n[grid]\n{}{}{}", axis("epochs"), axis("batch_size"), axis("seed_offset"));
    assert_eq!(messages(&text), [(2, "the cohort has 125000000000 points and 125000000000 runs".to_owned())]);
    assert_eq!(messages(&format!("name = 'c'\nn_runs = 1000000\n[grid]\n{}", axis("epochs"))).len(), 1);
}

#[test]
fn the_parts_may_come_in_any_order() {
    let text = "[[exclude]]\nepochs = 5\n[[include]]\nepochs = 9\n[grid]\nepochs = [5, 6]\n[experiment]\nbatch_size = 1\n";
    let epochs: Vec<_> = named(text).points().map(|point| point.settings.training.epochs).collect();
    assert_eq!(epochs, [6, 9]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Whatever happens to a file, it is read or refused with errors that lie within it.
    #[test]
    fn mutated_files_never_panic(
        edits in prop::collection::vec((0_usize..2000, 0_usize..24, "[\\[\\]{}='\"#,.\\n\\\\a-e0-9 _\t\r\u{0}é-]{0,6}"), 1..6)
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, remove, insert) in edits {
            let at = at % (text.len() + 1);
            let end = (at + remove).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse("f.toml", &text) {
            prop_assert!(!errors.errors.is_empty());
            let lines = text.matches('\n').count() + 1;
            prop_assert!(errors.errors.iter().all(|e| e.line <= lines && e.column >= 1));
            prop_assert!(errors.errors.is_sorted_by_key(|e| (e.line, e.column)));
            prop_assert!(errors.to_string().contains("nothing was run"));
        }
    }

    /// Text that is nowhere near a cohort.
    #[test]
    fn any_text_never_panics(text in "\\PC{0,60}|[\\[\\]{}='\"#,.\\n\\\\a-c0-9 ]{0,60}") {
        let _ = parse("f.toml", &text);
    }
}

//! A small cohort from its file to tables and figures, through the program: what is written, how much of it, and what a second call does.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use common::tables::Contents;
use common::{ATTEMPT, Lab, MEASUREMENT, TABLES, TRAINING, frames, tree};
use resvg::tiny_skia::Pixmap;
use serde_json::Value;

/// Two experiments of two runs, 60 epochs of which 56 are recorded (0 to 49, then 50, 52, 54, 56, 58, and the last), three layers.
const SMALL: &str = r#"
name = "small"
n_runs = 2

[experiment]
architecture = [4, 3]
epochs = 60
batch_size = 512
estimators = ["binning", "upper"]

[grid]
activation_fn = ["tanh", "relu"]
"#;
const EXPERIMENTS: usize = 2;
const RUNS: usize = 2;
const RECORDED: usize = 56;
const LAYERS: usize = 3;
const SPLITS: usize = 2;
const ESTIMATORS: usize = 2;

/// A laboratory in which `text` was run once, without a word on stdout.
fn lab_after(text: &str) -> Lab {
    let lab = Lab::new();
    lab.write("cohort.toml", text);
    let run = lab.call(&["run", "cohort.toml", "--out", "r"]).expect(0);
    assert_eq!(run.stdout, "");
    lab
}

/// Rows of every table of the cohort `small`.
fn row_counts(lab: &Lab) -> BTreeMap<&'static str, usize> {
    TABLES.iter().map(|&name| (name, Contents::read(&lab.table("r", "small", name)).rows.len())).collect()
}

/// Distinct values of a column.
fn values(contents: &Contents, column: &str) -> BTreeSet<String> {
    contents.column(column).into_iter().map(str::to_owned).collect()
}

/// The bytes of every record of the store, wherever it stands.
fn frame_bytes(lab: &Lab) -> BTreeSet<Vec<u8>> {
    let of_segment = |segment: PathBuf| {
        let bytes = fs::read(&segment).expect("a segment");
        let records = frames(&segment).into_iter().filter(|frame| frame.kind <= ATTEMPT);
        records.map(|frame| bytes[frame.offset..frame.offset + frame.length].to_vec()).collect::<Vec<_>>()
    };
    lab.segments("r").into_iter().flat_map(of_segment).collect()
}

#[test]
fn tables_have_a_row_for_everything_and_figures_decode() {
    let lab = lab_after(SMALL);
    let expected = BTreeMap::from([
        ("runs", EXPERIMENTS * RUNS),
        ("measures", EXPERIMENTS * RUNS * RECORDED * LAYERS * SPLITS * ESTIMATORS),
        ("metrics", EXPERIMENTS * RUNS * RECORDED * 2),
        ("gradients", EXPERIMENTS * RUNS * RECORDED * LAYERS * 2),
        ("aggregate", EXPERIMENTS * RECORDED * LAYERS * SPLITS * ESTIMATORS),
        ("provenance", EXPERIMENTS * RUNS),
    ]);
    assert_eq!(row_counts(&lab), expected);

    let measures = Contents::read(&lab.table("r", "small", "measures"));
    let keys: BTreeSet<_> = measures.rows.iter().map(|row| row[..8].to_vec()).collect();
    assert_eq!(keys.len(), measures.rows.len(), "every key once");
    let epochs: BTreeSet<String> = (0..50).chain([50, 52, 54, 56, 58, 59]).map(|epoch: u32| epoch.to_string()).collect();
    assert_eq!(values(&measures, "epoch"), epochs);
    assert_eq!(values(&measures, "layer"), ["0", "1", "2"].map(str::to_owned).into());
    assert_eq!(values(&measures, "split"), ["train", "test"].map(str::to_owned).into());
    assert_eq!(values(&measures, "experiment"), ["activation_fn=tanh", "activation_fn=relu"].map(str::to_owned).into());
    assert_eq!(
        values(&measures, "estimator_params"),
        [r#"{"bin_width":0.07}"#, r#"{"noise_variance":0.001}"#].map(str::to_owned).into()
    );
    // Of 3277 or 819 examples with two classes there is that much to know, and not less than nothing.
    for (column, most) in [("i_xt", libm::log2(3277.0)), ("i_ty", 1.0)] {
        let numbers = measures.column(column).into_iter().map(|text| text.parse::<f64>().expect("a number"));
        assert!(numbers.clone().all(|v| (-1e-9..=most + 1e-9).contains(&v)), "{column}");
        assert!(numbers.fold(0.0, f64::max) > 0.1, "{column}: nothing was learned");
    }
    let runs = Contents::read(&lab.table("r", "small", "runs"));
    assert_eq!((values(&runs, "status"), values(&runs, "training_id").len()), (["ok".to_owned()].into(), 4));
    let seeds = runs.column("seed");
    assert_eq!((&seeds[..2], seeds[0] == seeds[1]), (&seeds[2..], false), "the same repeats in every experiment");

    for split in ["train", "test"] {
        let figure = Pixmap::load_png(lab.path(&format!("r/small/figures/infoplane_{split}.png"))).expect("a PNG");
        assert!(figure.width() >= 800 && figure.height() >= 400, "{} × {}", figure.width(), figure.height());
        let colours: BTreeSet<[u8; 4]> = figure.pixels().iter().map(|p| [p.red(), p.green(), p.blue(), p.alpha()]).collect();
        assert!(colours.len() > 100, "a plane and a colour bar have many colours, found {}", colours.len());
    }
}

#[test]
fn a_second_run_has_nothing_to_do_and_changes_nothing() {
    let lab = lab_after(SMALL);
    let before = tree(&lab.path("r"));
    let again = lab.call(&["run", "cohort.toml", "--out", "r"]).expect(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(again.stdout, "");
    assert!(tree(&lab.path("r")) == before, "a run without work wrote something");

    for (arguments, keys) in [
        (&["run", "cohort.toml", "--out", "r", "--json"][..], ["cohort", "runs", "tasks"]),
        (&["plan", "cohort.toml", "--out", "r", "--json"], ["cohort", "done", "missing"]),
        (&["run", "cohort.toml", "--out", "r", "--dry-run", "--json"], ["cohort", "done", "missing"]),
    ] {
        let call = lab.call(arguments).expect(0);
        let value: Value = serde_json::from_str(&call.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", call.stdout));
        let object = if value.is_array() { &value[0] } else { &value };
        assert!(keys.iter().all(|key| !object[key].is_null()) && object["cohort"] == "small", "{arguments:?}: {value}");
    }
    assert!(tree(&lab.path("r")) == before, "plan wrote something");
    let quiet = lab.call(&["-q", "run", "cohort.toml", "--out", "r"]).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn plan_and_dry_run_write_nothing() {
    let lab = Lab::new();
    lab.write("cohort.toml", SMALL);
    for arguments in
        [&["plan", "cohort.toml", "--out", "r"][..], &["run", "cohort.toml", "--out", "r", "--dry-run"], &["plan", "cohort.toml"]]
    {
        let call = lab.call(arguments).expect(0);
        assert!(call.stdout.contains("to do: 4 trainings, 16 measurements, in 4 tasks"), "{}", call.stdout);
        assert_eq!(tree(&lab.path("")).len(), 1, "{arguments:?} wrote something");
    }
    let json: Value = serde_json::from_str(&lab.call(&["plan", "cohort.toml", "--json"]).expect(0).stdout).expect("JSON");
    for (key, expected) in [("experiments", 2), ("runs", 4), ("trainings", 4), ("measurements", 16), ("done", 0), ("missing", 4)]
    {
        assert_eq!(json[key], expected, "{key}");
    }
}

#[test]
fn another_estimator_is_measured_without_training() {
    let lab = lab_after(&SMALL.replace(r#"["binning", "upper"]"#, r#"["binning"]"#));
    let old = Contents::read(&lab.table("r", "small", "measures"));
    let before = frame_bytes(&lab);
    assert_eq!((lab.records("r", TRAINING), lab.records("r", MEASUREMENT)), (4, 8));

    lab.write("cohort.toml", SMALL);
    let plan = lab.call(&["plan", "cohort.toml", "--out", "r", "--json"]).expect(0);
    let tasks = &serde_json::from_str::<Value>(&plan.stdout).expect("JSON")["tasks"];
    assert_eq!((&tasks["train"], &tasks["measure_only"], &tasks["measurements"]), (&0.into(), &4.into(), &8.into()));
    lab.call(&["run", "cohort.toml", "--out", "r"]).expect(0);

    assert_eq!((lab.records("r", TRAINING), lab.records("r", MEASUREMENT)), (4, 16), "no training twice, no measurement twice");
    let new = Contents::read(&lab.table("r", "small", "measures"));
    assert!(new.rows_where("estimator", "binning") == old.rows.iter().collect::<Vec<_>>(), "old measures changed");
    assert_eq!(new.rows.len(), 2 * old.rows.len());
    let after = frame_bytes(&lab);
    assert!(before.iter().all(|frame| after.contains(frame)), "an old record changed");
    let provenance = Contents::read(&lab.table("r", "small", "provenance"));
    assert_eq!(provenance.column("attempt"), ["1", "2"].repeat(4));

    // The tables are those of a store that knew both estimators from the start.
    lab.call(&["run", "cohort.toml", "--out", "fresh"]).expect(0);
    common::assert_same_tables(
        &lab.result_tables("r", "small"),
        &lab.result_tables("fresh", "small"),
        "an estimator added later",
    );
}

#[test]
fn what_is_already_trained_for_another_cohort_is_shared() {
    let lab = lab_after(SMALL);
    lab.write("other.toml", &SMALL.replace("\"small\"", "\"other\"").replace("n_runs = 2", "n_runs = 3"));
    lab.call(&["run", "other.toml", "--out", "r"]).expect(0);
    assert_eq!(lab.records("r", TRAINING), 6, "one more run of two experiments");
    let (small, other) = (Contents::read(&lab.table("r", "small", "runs")), Contents::read(&lab.table("r", "other", "runs")));
    assert_eq!(other.column("training_id").iter().filter(|id| small.column("training_id").contains(id)).count(), 4);
}

#[test]
fn aggregate_and_plot_make_the_same_again() {
    let lab = lab_after(SMALL);
    let (tables, figure) = (lab.result_tables("r", "small"), lab.path("r/small/figures/infoplane_test.png"));
    let drawn = fs::read(&figure).expect("a figure");
    for name in TABLES {
        fs::remove_file(lab.table("r", "small", name)).expect("a table");
    }
    fs::remove_dir_all(lab.path("r/small/figures")).expect("figures");
    let call = lab.call(&["aggregate", "small", "--out", "r"]).expect(0);
    assert_eq!(call.stdout, "");
    common::assert_same_tables(&lab.result_tables("r", "small"), &tables, "aggregate");
    assert!(fs::read(&figure).expect("a figure") == drawn);
    lab.call(&["plot", "infoplane", "small", "--out", "r", "--split", "test", "--svg"]).expect(0);
    assert!(fs::read_to_string(lab.path("r/small/figures/infoplane_test.svg")).expect("a figure").contains("<svg"));
    // A table that is gone is made again by `run`, too.
    fs::remove_file(lab.table("r", "small", "measures")).expect("a table");
    lab.call(&["run", "cohort.toml", "--out", "r"]).expect(0);
    common::assert_same_tables(&lab.result_tables("r", "small"), &tables, "run");
}

#[test]
fn the_smallest_cohorts_work() {
    let base = "name = \"small\"\n[experiment]\n";
    // Settings, then rows of runs, measures, metrics, gradients, aggregate; then figures.
    for (settings, counts, figures) in [
        ("epochs = 3\narchitecture = [3]\nestimators = []", [1, 0, 6, 12, 0], 1),
        ("epochs = 0\narchitecture = [3]", [1, 0, 0, 0, 0], 0),
        ("epochs = 0\narchitecture = [3]\nrecord_initial = true", [1, 4, 2, 4, 4], 3),
        ("epochs = 3\narchitecture = []", [1, 6, 6, 6, 6], 3),
        ("epochs = 3\narchitecture = [3]\ncalculate_mi_for = \"full\"", [1, 6, 6, 12, 6], 2),
    ] {
        let lab = lab_after(&format!("{base}{settings}\n"));
        let found = row_counts(&lab);
        let found = ["runs", "measures", "metrics", "gradients", "aggregate"].map(|table| found[table]);
        assert_eq!(found, counts, "{settings}");
        let drawn = fs::read_dir(lab.path("r/small/figures")).map_or(0, Iterator::count);
        assert_eq!(drawn, figures, "{settings}");
        let again = lab.call(&["run", "cohort.toml", "--out", "r"]).expect(0);
        assert!(again.stderr.contains("nothing to do"), "{settings}: {}", again.stderr);
    }
}

#[test]
fn one_run_has_no_spread() {
    let lab = lab_after("name = \"small\"\n[experiment]\nepochs = 2\narchitecture = [3]\n");
    let aggregate = Contents::read(&lab.table("r", "small", "aggregate"));
    for (column, missing) in
        [("i_xt_mean", false), ("i_ty_median", false), ("i_xt_sd", true), ("i_xt_sem", true), ("i_ty_ci95", true)]
    {
        assert!(aggregate.column(column).iter().all(|value| (*value == "null") == missing), "{column}");
    }
    assert!(aggregate.column("n").iter().all(|n| *n == "1"));
}

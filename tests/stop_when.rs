//! `stop_when`: the repeats that the tables have depend on values alone, not on workers, interruptions or what ended first.

mod common;

use common::processes::{assert_no_orphans, signal, wait_for_end, wait_for_workers, workers};
use common::random::Random;
use common::tables::Contents;
use common::{Lab, assert_same_tables};
use serde_json::Value;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Accuracies of networks that have hardly begun to learn scatter, so the experiments need different numbers of repeats.
const COHORT: &str = r#"
name = "enough"
n_runs = 24
seed = 4

[experiment]
epochs = 60
batch_size = 512
calculate_mi_for = "test"
estimators = ["binning"]

[grid]
activation_fn = ["tanh", "relu"]
learning_rate = [0.002, 0.02]
"#;
const RUNS: usize = 24 * 4;

fn lab(stop: &str) -> Lab {
    let lab = Lab::new();
    lab.write("enough.toml", &COHORT.replace("seed = 4\n", &format!("seed = 4\n{stop}\n")));
    lab
}

/// Half-width of the 95 % confidence interval, with quantiles of Student's t from a book.
fn half_width(values: &[f64]) -> f64 {
    const QUANTILES: [f64; 23] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
        2.101, 2.093, 2.086, 2.080, 2.074, 2.069,
    ];
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    QUANTILES[values.len() - 2] * (variance / n).sqrt()
}

/// The value of every run at the last epoch, by experiment and repeat, from a store in which all have run.
fn values(lab: &Lab, table: &str, column: &str, keep: &[(&str, &str)]) -> Vec<(String, Vec<f64>)> {
    let contents = Contents::read(&lab.table("all", "enough", table));
    let place = |name: &str| contents.columns.iter().position(|c| c == name).expect("a column");
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    for row in contents.rows.iter().filter(|row| keep.iter().all(|(key, value)| row[place(key)] == *value)) {
        let (experiment, value) = (&row[place("experiment")], row[place(column)].parse().expect("a number"));
        match found.last_mut().filter(|(last, _)| last == experiment) {
            Some((_, values)) => values.push(value),
            None => found.push((experiment.clone(), vec![value])),
        }
    }
    found
}

/// The least number of repeats, from three, over which the interval is below the bound; all of them if there is none.
fn enough(values: &[f64], bound: f64) -> usize {
    (3..=values.len()).find(|&n| half_width(&values[..n]) < bound).unwrap_or(values.len())
}

/// Repeats of each experiment in the table `runs`.
fn repeats(lab: &Lab, store: &str) -> Vec<(String, usize)> {
    let runs = Contents::read(&lab.table(store, "enough", "runs"));
    let mut found: Vec<(String, usize)> = Vec::new();
    for (row, experiment) in runs.column("experiment").iter().enumerate() {
        if found.last().is_none_or(|(last, _)| last != experiment) {
            found.push(((*experiment).to_owned(), 0));
        }
        let last = found.last_mut().expect("an experiment");
        assert_eq!(runs.column("run")[row], last.1.to_string(), "repeats 0 to n − 1 in order");
        last.1 += 1;
    }
    found
}

#[test]
fn the_tables_have_the_smallest_prefix_that_is_enough() {
    let lab = lab("");
    lab.call(&["run", "enough.toml", "--out", "all"]).expect(0);
    let accuracy = values(&lab, "metrics", "accuracy", &[("split", "test"), ("epoch", "59")]);
    let information = values(&lab, "measures", "i_ty", &[("layer", "4"), ("epoch", "59")]);
    let early = values(&lab, "measures", "i_xt", &[("layer", "0"), ("epoch", "10")]);
    for (quantity, more, values) in [
        ("accuracy", "", &accuracy),
        ("i_ty", ", split = \"test\", estimator = \"binning\"", &information),
        ("i_xt", ", layer = 0, epoch = 10", &early),
    ] {
        // A bound that some experiments meet on the way: what one of them has after nine repeats.
        let bound = half_width(&values[0].1[..9]) * 1.0001;
        lab.write(
            "enough.toml",
            &COHORT
                .replace("seed = 4\n", &format!("seed = 4\nstop_when = {{ quantity = \"{quantity}\", ci95 = {bound}{more} }}\n")),
        );
        let expected: Vec<_> = values.iter().map(|(experiment, values)| (experiment.clone(), enough(values, bound))).collect();
        assert!(expected.iter().any(|(_, n)| *n < 24), "{quantity}: {expected:?}");
        // From a store in which all have run, and from none.
        lab.call(&["run", "enough.toml", "--out", "all"]).expect(0);
        lab.call(&["run", "enough.toml", "--out", quantity, "--workers", "1"]).expect(0);
        assert_eq!(repeats(&lab, "all"), expected, "{quantity}");
        assert_same_tables(&lab.result_tables(quantity, "enough"), &lab.result_tables("all", "enough"), quantity);
        let aggregate = Contents::read(&lab.table("all", "enough", "aggregate"));
        for (experiment, n) in &expected {
            let rows = aggregate.rows_where("experiment", experiment);
            let column = aggregate.columns.iter().position(|c| c == "n").expect("n");
            assert!(rows.iter().all(|row| row[column] == n.to_string()), "{experiment}");
        }
    }
}

#[test]
fn workers_kills_and_order_do_not_show() {
    let lab = lab("stop_when = { quantity = \"accuracy\", ci95 = 0.04, min_runs = 4 }");
    lab.call(&["run", "enough.toml", "--out", "one", "--workers", "1"]).expect(0);
    let base = lab.result_tables("one", "enough");
    let n: Vec<usize> = repeats(&lab, "one").into_iter().map(|(_, n)| n).collect();
    let runs: usize = n.iter().sum();
    assert!(n.iter().all(|n| *n >= 4) && runs < RUNS, "{n:?}");
    lab.call(&["run", "enough.toml", "--out", "three", "--workers", "3"]).expect(0);
    assert_same_tables(&lab.result_tables("three", "enough"), &base, "three workers");

    let (store, mut random) = (lab.path("killed"), Random(7));
    for _ in 0..4 {
        let mut command = lab.command(&["run", "enough.toml", "--workers", "2", "--out"]);
        command.arg(&store).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut call = command.spawn().expect("the program starts");
        wait_for_workers(&mut call, &store);
        thread::sleep(Duration::from_millis(random.below(60)));
        signal("KILL", &[workers(&store), vec![call.id()]].concat());
        wait_for_end(&mut call);
        assert_no_orphans(&store);
    }
    lab.call(&["run", "enough.toml", "--out", &store.display().to_string()]).expect(0);
    assert_same_tables(&lab.result_tables("killed", "enough"), &base, "after kills");

    // What the commands say of it.
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&lab.call(arguments).expect(0).stdout).expect("JSON") };
    let plan = json(&["plan", "enough.toml", "--out", "one", "--json"]);
    assert_eq!((&plan["runs"], &plan["done"], &plan["missing"]), (&runs.into(), &runs.into(), &0.into()), "{plan}");
    assert_eq!(plan["not_needed"], RUNS - runs);
    let said = lab.call(&["run", "enough.toml", "--out", "one"]).expect(0).stderr;
    assert!(said.contains("nothing to do") && said.contains("are not needed"), "{said}");
    for _ in 0..2 {
        let status = json(&["status", "enough", "--out", "one", "--json"]);
        assert_eq!((&status["runs"]["ok"], &status["not_needed"]), (&runs.into(), &(RUNS - runs).into()), "{status}");
        // Without what was remembered, from the store.
        let _ = std::fs::remove_file(lab.path("one/enough/state.json"));
    }
    // Pages know of it as well: what nobody will run is not missing.
    lab.call(&["report", "enough", "enough", "--out", "one"]).expect(0);
    let page = |file: &str| std::fs::read_to_string(lab.path(file)).expect("a page");
    let (report, overview) = (page("one/enough/report.html"), page("one/index.html"));
    assert!(report.contains(&format!("{} not needed", RUNS - runs)) && !report.contains(" missing</span>"));
    assert!(overview.contains(&format!("{runs} of {runs} runs done")), "{overview}");
    let (label, n) = repeats(&lab, "one").into_iter().find(|(_, n)| *n < 24).expect("an experiment that stopped");
    let explained = lab.call(&["explain", &format!("enough:{label}:{n}"), "--out", "one"]).expect(0).stdout;
    assert!(explained.contains("not needed") && explained.contains(&format!("{n} repeats")), "{explained}");

    // A tighter bound goes on from what is stored.
    lab.write("enough.toml", COHORT);
    lab.call(&["run", "enough.toml", "--out", "one"]).expect(0);
    assert_eq!(repeats(&lab, "one").iter().map(|(_, n)| n).sum::<usize>(), RUNS);
}

//! `infoplane plan`: what it will cost, and what an edit changes.

mod common;

use common::Lab;
use serde_json::Value;

const COHORT: &str =
    "name = 'a'\nn_runs = 3\n[experiment]\nepochs = 40\nestimators = ['binning']\n[grid]\nactivation_fn = ['tanh', 'relu']\n";

fn json(lab: &Lab, arguments: &[&str]) -> Value {
    serde_json::from_str(&lab.call(arguments).expect(0).stdout).expect("JSON")
}

/// The interval, checked to be one.
#[track_caller]
fn seconds(plan: &Value) -> f64 {
    let of = |key: &str| plan["predicted_cpu_seconds"][key].as_f64().expect("a number");
    let (low, mean, high) = (of("low"), of("mean"), of("high"));
    assert!(low <= mean && mean <= high && (mean == 0.0 || low < high), "{low} {mean} {high}");
    mean
}

#[test]
fn the_cost_is_told_from_measuring_then_from_the_past() {
    let lab = Lab::new();
    lab.write("a.toml", COHORT);
    let rough = json(&lab, &["plan", "a.toml", "--json", "--no-measure"]);
    assert!(seconds(&rough) > 0.0 && rough["predicted_from"]["scaled"] == 2, "{rough}");
    let measured = json(&lab, &["plan", "a.toml", "--json", "--workers", "1"]);
    assert!(seconds(&measured) > 0.0 && measured["predicted_from"]["measured"] == 2, "{measured}");
    assert_eq!((&measured["workers"], &measured["trainings"]), (&1.into(), &6.into()));
    assert!(!lab.path("results").exists(), "plan writes nothing");
    lab.call(&["run", "a.toml", "--workers", "1"]).expect(0);
    assert_eq!(seconds(&json(&lab, &["plan", "a.toml", "--json"])), 0.0);
    // Twice the repeats of what has been run: known from the past, and as much again.
    lab.write("a.toml", &COHORT.replace("n_runs = 3", "n_runs = 6"));
    let more = json(&lab, &["plan", "a.toml", "--json", "--workers", "1"]);
    assert!(seconds(&more) > 0.0 && more["predicted_from"]["past"] == 2 && more["predicted_from"]["measured"] == 0, "{more}");
    assert_eq!(more["done_by_experiment"], serde_json::json!([3, 3]));
    let said = lab.call(&["plan", "a.toml"]).expect(0).stdout;
    assert!(said.lines().any(|line| line.contains("tanh") && line.ends_with("3/6")), "{said}");
    assert!(said.contains("of CPU time") && said.contains("told from this store's past"), "{said}");
}

#[test]
fn an_edit_is_told_exactly() {
    let lab = Lab::new();
    lab.write("a.toml", COHORT);
    let with = |from: &str, to: &str| lab.write("b.toml", &COHORT.replace(from, to));
    let numbers =
        |value: &Value, what: &str| ["added", "removed", "shared"].map(|key| value[what][key].as_u64().expect("a count"));
    with("'relu'", "'linear'");
    let value = json(&lab, &["plan", "b.toml", "--against", "a.toml", "--json"]);
    assert_eq!(numbers(&value, "experiments"), [1, 1, 1]);
    assert_eq!(numbers(&value, "runs"), [3, 3, 3]);
    assert_eq!(value["added_experiments"], serde_json::json!(["activation_fn=linear"]));
    // A new estimator trains nothing. The experiments are others, the trainings are not.
    with("['binning']", "['binning', 'lower']");
    let value = json(&lab, &["plan", "b.toml", "--against", "a.toml", "--json"]);
    assert_eq!(numbers(&value, "trainings"), [0, 0, 6]);
    assert_eq!(numbers(&value, "measurements"), [12, 0, 12]);
    // What has changed below a label that stays is said with both values.
    let estimators = |old: &str, new: &str| serde_json::json!({ "estimators": { "old": old, "new": new } });
    let (one, two) = (r#"{"binning":{"bin_width":0.07}}"#, r#"{"lower":{"noise_variance":0.001}}"#);
    let keys = estimators(&format!("[{one}]"), &format!("[{one},{two}]"));
    assert_eq!(value["changed_experiments"][1], serde_json::json!({ "experiment": "activation_fn=tanh", "keys": keys }));
    let text = lab.call(&["plan", "b.toml", "--against", "a.toml"]).expect(0).stdout;
    let line = format!("~ activation_fn=relu: estimators [{one}] → [{one},{two}]");
    assert!(text.lines().any(|found| found == line) && !text.contains("\n+ ") && !text.contains("\n- "), "{text}");
    // What changes no meaning changes nothing.
    lab.write("b.toml", &format!("{COHORT}[launcher.local]\nworkers = 7\n").replace("name = 'a'", "name = 'b' # other"));
    let value = json(&lab, &["plan", "b.toml", "--against", "a.toml", "--json"]);
    for what in ["experiments", "runs", "trainings", "measurements"] {
        assert_eq!(numbers(&value, what)[..2], [0, 0], "{what}");
    }
    let text = lab.call(&["plan", "b.toml", "--against", "a.toml"]).expect(0).stdout;
    assert!(text.contains("measurements") && text.contains("shared"), "{text}");
}

#[test]
fn tables_come_as_csv_too() {
    let lab = Lab::new();
    lab.write("a.toml", COHORT);
    lab.call(&["run", "a.toml"]).expect(0);
    let csv = |name: &str| std::fs::read_to_string(lab.path("results/a").join(format!("{name}.csv")));
    assert!(csv("runs").is_err());
    lab.call(&["aggregate", "a", "--format", "csv"]).expect(0);
    let rows = |name: &str| csv(name).expect("a table").matches("\r\n").count();
    for name in common::TABLES {
        assert!(rows(name) > 1, "{name}");
    }
    let runs = csv("runs").expect("a table");
    assert!(runs.starts_with("experiment,run,seed,training_id,status,dataset,"), "{runs}");
    assert!(runs.contains("\r\nactivation_fn=tanh,0,") && runs.contains(",ok,harmonics,"), "{runs}");
    // Once asked for, they stay in step.
    let before = rows("runs");
    lab.write("a.toml", &COHORT.replace("n_runs = 3", "n_runs = 4"));
    lab.call(&["run", "a.toml"]).expect(0);
    assert_eq!(rows("runs"), before + 2);
}

#[test]
fn what_cohorts_share_is_planned_once() {
    let lab = Lab::new();
    lab.write("a.toml", COHORT);
    lab.write("b.toml", &COHORT.replace("name = 'a'", "name = 'b'").replace("['binning']", "['binning', 'upper']"));
    let plans = json(&lab, &["plan", "a.toml", "b.toml", "--json", "--no-measure"]);
    let total = |plans: &Value, keys: [&str; 4]| keys.map(|key| plans[0]["total"][key].as_u64().expect("a count"));
    assert_eq!((&plans[0]["total"], plans[1]["trainings"].as_u64()), (&plans[1]["total"], Some(6)));
    // Six trainings for twelve runs; binning and upper on two splits of each.
    assert_eq!(total(&plans, ["runs", "trainings", "measurements", "missing"]), [12, 6, 24, 12]);
    assert_eq!(plans[0]["total"]["to_do"], serde_json::json!({ "trainings": 6, "measurements": 24, "tasks": 12 }));
    assert!(json(&lab, &["plan", "a.toml", "--json", "--no-measure"]).get("total").is_none());
    lab.call(&["run", "a.toml"]).expect(0);
    let plans = json(&lab, &["plan", "a.toml", "b.toml", "--json", "--no-measure"]);
    assert_eq!(total(&plans, ["runs", "trainings", "measurements", "missing"]), [12, 6, 24, 6]);
    assert_eq!(plans[0]["total"]["to_do"], serde_json::json!({ "trainings": 0, "measurements": 12, "tasks": 6 }));
    let text = lab.call(&["plan", "a.toml", "b.toml", "--no-measure"]).expect(0).stdout;
    assert!(
        text.contains("all 2 cohorts: 4 experiments, 12 runs") && text.contains("to do: 0 trainings, 12 measurements"),
        "{text}"
    );
}

//! `infoplane convert` on a tree of old configurations.

mod common;

use std::fs;

use common::Lab;
use serde_json::Value;

const OLD: &str = r#"{"activation_fn": "ACTIVATION", "architecture": [10, 7, 5, 4, 3], "batch_size": 256, "callbacks": CALLBACKS,
    "dataset": "datasets.harmonics", "discretization_range": 0.07, "epochs": 20, "estimator": "mi_estimator.binning", "learning_rate": 0.0004,
    "model": "models.feedforward", "n_runs": 2, "optimizer": "adam", "regularization": false, "plotters": [], "seed": 0}"#;

fn lab() -> Lab {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("configs/cohort_7")).expect("a directory");
    let old = |activation: &str, callbacks: &str| OLD.replace("ACTIVATION", activation).replace("CALLBACKS", callbacks);
    lab.write("configs/basic.json", &old("tanh", r#"["callbacks.earlystopping_manual", "callbacks.mine"]"#));
    lab.write("configs/cohort_7/tanh.json", &old("tanh", "[]"));
    lab.write("configs/cohort_7/relu.json", &old("relu", "[]"));
    lab
}

#[test]
fn a_tree_becomes_cohorts_that_plan() {
    let lab = lab();
    let said = lab.call(&["convert", "configs", "--to", "sweeps"]).expect(0).stderr;
    assert!(said.contains("callbacks.mine") && !said.contains("earlystopping") && said.contains("NOT AS BEFORE"), "{said}");
    let basic = fs::read_to_string(lab.path("sweeps/basic.toml")).expect("a cohort");
    assert!(basic.contains("# ") && basic.contains("callbacks.mine") && basic.contains("early_stopping = true"), "{basic}");
    let plans: Value = serde_json::from_str(&lab.call(&["plan", "sweeps", "--json"]).expect(0).stdout).expect("JSON");
    let of = |n: usize, key: &str| plans[n][key].clone();
    assert_eq!((of(0, "cohort"), of(0, "experiments"), of(0, "runs")), ("basic".into(), 1.into(), 2.into()));
    assert_eq!((of(1, "cohort"), of(1, "experiments"), of(1, "runs")), ("cohort_7".into(), 2.into(), 4.into()));
    // Again is no harm; what somebody has changed since is left alone.
    lab.call(&["convert", "configs", "--to", "sweeps"]).expect(0);
    lab.write("sweeps/basic.toml", "name = 'mine'\n");
    let said = lab.call(&["convert", "configs", "--to", "sweeps"]).expect(3).stderr;
    assert!(said.contains("basic.toml: is there already"), "{said}");
}

#[test]
fn one_file_goes_to_stdout_and_mistakes_are_located() {
    let lab = lab();
    let text = lab.call(&["convert", "configs/cohort_7/relu.json"]).expect(0).stdout;
    assert!(text.contains("name = \"relu\"") && text.contains("activation_fn = \"relu\""), "{text}");
    let said = lab.call(&["convert", "configs"]).expect(3).stderr;
    assert!(said.contains("--to"), "{said}");
    lab.write("configs/cohort_7/bad.json", "{\n  \"epochs\": 7,\n}");
    let said = lab.call(&["convert", "configs", "--to", "sweeps"]).expect(3).stderr;
    assert!(said.contains("configs/cohort_7/bad.json:3:1: not valid JSON"), "{said}");
    assert!(!lab.path("sweeps").exists());
    lab.call(&["convert", "nowhere"]).expect(3);
}

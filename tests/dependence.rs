//! Dependence of layers and units in cohorts: a table of its own, made of records that are shared, kept, carried over and found again like
//! all others.

mod common;

use std::fs;

use common::{Lab, tables::Contents};

/// Two trainings of 12 epochs, all recorded: networks 12-4-3-2.
const COHORT: &str = r#"
name = "d"
n_runs = 2

[experiment]
architecture = [4, 3]
epochs = 12
batch_size = 1024
calculate_mi_for = "test"
estimators = ["binning", "svcca", { dcor = { every = 5 } }, { adaptive = { every = 12 } }]
"#;

/// A cohort with another name, and other estimators.
fn other(name: &str, estimators: &str) -> String {
    let text = COHORT.replace("name = \"d\"", &format!("name = \"{name}\""));
    let line = text.lines().find(|line| line.starts_with("estimators")).expect("a line of estimators").to_owned();
    text.replace(&line, estimators)
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("d.toml", COHORT);
    lab.call(&["run", "d.toml", "--out", "r"]).expect(0);
    lab
}

fn dependence(lab: &Lab, store: &str, cohort: &str) -> Vec<u8> {
    fs::read(lab.table(store, cohort, "dependence")).expect("a table of dependences")
}

#[test]
fn every_pair_is_there_at_the_epochs_asked_for() {
    let lab = lab();
    let table = Contents::read(&lab.table("r", "d", "dependence"));
    let place = |name: &str| table.columns.iter().position(|column| column == name).expect("a column");
    let [run, epoch, a, b, unit_a, unit_b] = ["run", "epoch", "layer_a", "layer_b", "unit_a", "unit_b"].map(place);
    let of = |measure: &str, of_run: &str| -> Vec<String> {
        let rows = table.rows_where("measure", measure).into_iter().filter(|row| row[run] == of_run);
        rows.map(|row| [epoch, a, b, unit_a, unit_b].map(|column| row[column].as_str()).join(" ")).collect()
    };
    let layers = |epochs: &[i64]| -> Vec<String> {
        let pairs = [(-1, 0), (-1, 1), (-1, 2), (0, 1), (0, 2), (1, 2)];
        epochs.iter().flat_map(|epoch| pairs.map(|(a, b)| format!("{epoch} {a} {b} null null"))).collect()
    };
    let units: Vec<String> = [0, 11]
        .into_iter()
        .flat_map(|epoch| [4, 3, 2].into_iter().enumerate().map(move |layer| (epoch, layer)))
        .flat_map(|(epoch, (layer, units))| {
            let pairs = (0..units).flat_map(move |a| (a + 1..units).map(move |b| (a, b)));
            pairs.map(move |(a, b)| format!("{epoch} {layer} {layer} {a} {b}"))
        })
        .collect();
    for run in ["0", "1"] {
        assert_eq!(of("svcca", run), layers(&(0..12).collect::<Vec<_>>()));
        assert_eq!(of("dcor", run), layers(&[0, 5, 10, 11]));
        assert_eq!(of("adaptive", run), units);
    }
    // Two outputs of a softmax tell all of each other: up to log2 of 819 examples.
    assert!(table.column("value").iter().all(|value| value.parse::<f64>().is_ok_and(|value| (0.0..=9.7).contains(&value))));
    // Information alone is in the other tables.
    let measures = Contents::read(&lab.table("r", "d", "measures"));
    assert!(measures.column("estimator").iter().all(|name| *name == "binning"));
    assert_eq!(lab.result_tables("r", "d").len(), 6);
}

#[test]
fn nothing_is_measured_twice_and_nothing_is_lost_on_the_way() {
    let lab = lab();
    let first = dependence(&lab, "r", "d");
    let plan = |file: &str| -> serde_json::Value {
        let plan = lab.call(&["plan", file, "--out", "r", "--json"]).expect(0);
        serde_json::from_str(&plan.stdout).expect("JSON")
    };
    assert_eq!((&plan("d.toml")["done"], &plan("d.toml")["missing"]), (&2.into(), &0.into()));
    // Another cohort shares trainings and measurements: bspline alone is new, and there are snapshots to measure.
    lab.write("more.toml", &other("more", "estimators = ['svcca', 'bspline']"));
    let more = plan("more.toml");
    assert_eq!((&more["trainings"], &more["measurements"]), (&2.into(), &4.into()));
    lab.call(&["run", "more.toml", "--out", "r"]).expect(0);
    lab.call(&["compact", "--out", "r"]).expect(0);
    lab.call(&["aggregate", "d", "--out", "r"]).expect(0);
    assert!(dependence(&lab, "r", "d") == first, "after another cohort and a compaction");
    let svcca = |store: &str, cohort: &str| -> Vec<Vec<String>> {
        let table = Contents::read(&lab.table(store, cohort, "dependence"));
        // All but the experiment's label, which is the cohort's name.
        table.rows_where("measure", "svcca").into_iter().map(|row| row[1..].to_vec()).collect()
    };
    assert_eq!(svcca("r", "more"), svcca("r", "d"));
    // Computed again, to the bit.
    assert!(lab.call(&["repro", "d:d:1", "--out", "r"]).expect(0).stdout.contains("dcor"));
    lab.call(&["export", "--name", "^d:", "--out", "r", "--to", "d.infoplane"]).expect(0);
    lab.call(&["import", "d.infoplane", "--out", "copy"]).expect(0);
    lab.call(&["run", "d.toml", "--out", "copy"]).expect(0);
    assert!(dependence(&lab, "copy", "d") == first, "carried over");
    // Measured on the way, where snapshots are not kept.
    lab.write("d.toml", &format!("{COHORT}keep_snapshots = 0\n"));
    lab.call(&["run", "d.toml", "--out", "small"]).expect(0);
    assert!(dependence(&lab, "small", "d") == first, "without snapshots");
    // Whoever asks no more has the table no more.
    lab.write("d.toml", &other("d", "estimators = ['binning']"));
    lab.call(&["run", "d.toml", "--out", "r"]).expect(0);
    assert!(!lab.table("r", "d", "dependence").exists());
}

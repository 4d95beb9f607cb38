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

/// What `table` says of the values of a run at the last epoch: measure, layers, units, value.
fn last_of_run_0(table: &Contents) -> Vec<[String; 6]> {
    let place = |name: &str| table.columns.iter().position(|column| column == name).expect("a column");
    let columns = ["measure", "layer_a", "layer_b", "unit_a", "unit_b", "value"].map(place);
    let is_last = |row: &&Vec<String>| row[place("run")] == "0" && row[place("epoch")] == "11";
    table.rows.iter().filter(is_last).map(|row| columns.map(|column| row[column].clone())).collect()
}

#[test]
fn values_stand_beside_those_of_information() {
    let lab = lab();
    let known = last_of_run_0(&Contents::read(&lab.table("r", "d", "dependence")));
    assert_eq!(known.len(), 6 + 6 + (6 + 3 + 1));
    // As JSON they are all there, to the bit; as text with four decimals.
    let shown = lab.call(&["show", "d:d:0", "--out", "r", "--json"]).expect(0).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let cell = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = shown["dependence"].as_array().expect("a list");
    let keys = ["measure", "layer_a", "layer_b", "unit_a", "unit_b", "value"];
    let told: Vec<[String; 6]> = rows.iter().map(|row| keys.map(|key| cell(&row[key]))).collect();
    assert_eq!(told, known);
    assert!(rows.iter().all(|row| row["epoch"] == 11 && row["split"] == "test"), "{rows:?}");
    let text = lab.call(&["show", "d:d:0", "--out", "r"]).expect(0).stdout;
    for [measure, a, b, unit_a, unit_b, value] in &known {
        let pair = match (a.as_str(), unit_a.as_str()) {
            ("-1", _) => format!("layers input and {b}"),
            (_, "null") => format!("layers {a} and {b}"),
            _ => format!("layer {a}, units {unit_a} and {unit_b}"),
        };
        let value = format!("{:.4}", value.parse::<f64>().expect("a number"));
        let is_it = |line: &&str| line.contains(measure) && line.contains(&pair) && line.ends_with(&value);
        assert!(text.lines().any(|line| is_it(&line)), "{measure} {pair} {value}: {text}");
    }
    // TensorBoard gets a curve a pair.
    lab.call(&["tensorboard", "d", "--out", "r"]).expect(0);
    let events = fs::read(lab.path("r/d/tensorboard/d/run0/test/events.out.tfevents.0.infoplane")).expect("curves");
    for tag in ["/layers input and 0", "/layers 1 and 2", "/layer 0, units 2 and 3"] {
        assert!(events.windows(tag.len()).any(|bytes| bytes == tag.as_bytes()), "{tag}");
    }
    // The report holds a map of every measure, over both runs.
    lab.call(&["report", "d", "--out", "r"]).expect(0);
    let page = fs::read_to_string(lab.path("r/d/report.html")).expect("a report");
    let begin = page.split_once("id=\"data\">").expect("data").1;
    let data: serde_json::Value = serde_json::from_str(begin.split_once("</script>").expect("an end").0).expect("JSON");
    let maps = data["experiments"][0]["maps"].as_array().expect("maps");
    let kinds: Vec<String> = maps.iter().map(|map| format!("{} {} {}", map["view"], map["layer"], map["size"])).collect();
    assert_eq!(kinds, ["0 null 4", "1 null 4", "2 0 4", "2 1 3", "2 2 2"]);
}

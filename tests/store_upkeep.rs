//! What becomes of a store's files: few after a run, fewer after `compact`, gone after `gc` only if nobody asks for them.

mod common;

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use common::processes::{assert_no_orphans, signal, wait_for_end, wait_for_workers};
use common::tables::Contents;
use common::{ATTEMPT, Lab, TRAINING, assert_same_tables, frames, tree};
use serde_json::Value;

const SMALL: &str = r#"
name = "small"
n_runs = 4

[experiment]
architecture = [4, 3]
epochs = 6
batch_size = 512

[grid]
activation_fn = ["tanh", "relu"]
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Numbers of trainings and of attempts in the store, each copy counted.
fn records(lab: &Lab, store: &str) -> (usize, usize) {
    let kinds: Vec<u8> = lab.segments(store).iter().flat_map(|segment| frames(segment)).map(|frame| frame.kind).collect();
    (kinds.iter().filter(|&&kind| kind == TRAINING).count(), kinds.iter().filter(|&&kind| kind == ATTEMPT).count())
}

#[test]
fn many_short_runs_leave_few_files_and_all_of_them_done() {
    let lab = Lab::new();
    lab.write("noop.toml", "name = \"noop\"\nn_runs = 20000\n[experiment]\nepochs = 0\nestimators = []\n");
    let start = Instant::now();
    lab.call(&["run", "noop.toml", "--out", "r", "--workers", "2"]).expect(0);
    println!("{:.0} runs a second", 20_000.0 / start.elapsed().as_secs_f64());
    let files = tree(&lab.path("r"))
        .iter()
        .filter(|(path, (content, _))| content.is_some() && !path.to_string_lossy().contains("figures"))
        .count();
    assert!(files <= 2 * 2 + 12, "{files} files");
    assert_eq!(lab.segments("r").len(), 1);
    assert_eq!(records(&lab, "r"), (20_000, 20_000));
    let runs = Contents::read(&lab.table("r", "noop", "runs"));
    assert!(runs.rows.len() == 20_000 && runs.column("status").iter().all(|status| *status == "ok"));
}

#[test]
fn a_sealed_segment_without_its_header_is_named_and_a_changed_table_is_made_again() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    let tables = lab.result_tables("r", "small");
    // What somebody wrote over a table does not stay, though nothing is to do.
    let table = lab.table("r", "small", "measures");
    fs::write(&table, "mine").expect("a table");
    assert!(lab.call(&["run", "small.toml", "--out", "r"]).expect(0).stderr.contains("nothing to do"));
    assert_same_tables(&lab.result_tables("r", "small"), &tables, "made again");
    let before = tree(&lab.path("r/small"));
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    assert!(before == tree(&lab.path("r/small")), "unchanged tables are left alone");
    // The index at the end of a segment does not hide what is wrong at its beginning.
    let segment = lab.segments("r").remove(0);
    let whole = fs::read(&segment).expect("a segment");
    for byte in [0, 8, 20] {
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        fs::write(&segment, bytes).expect("a segment");
        let said = lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
        let name = segment.file_name().expect("a name").to_string_lossy();
        assert!(said.stderr.contains(&format!("{name}: damaged segment header")), "{byte}: {}", said.stderr);
    }
    assert_same_tables(&lab.result_tables("r", "small"), &tables, "without a header");
}

#[test]
fn workers_that_die_among_many_short_tasks_cost_no_run() {
    let lab = Lab::new();
    lab.write("noop.toml", "name = \"noop\"\nn_runs = 15000\n[experiment]\nepochs = 1\narchitecture = [2]\nestimators = []\n");
    let store = lab.path("r").display().to_string();
    let mut call =
        lab.command(&["run", "noop.toml", "--out", &store, "--workers", "2"]).stderr(Stdio::null()).spawn().expect("a call");
    for _ in 0..3 {
        let pids = wait_for_workers(&mut call, &lab.path("r"));
        std::thread::sleep(std::time::Duration::from_millis(120));
        signal("KILL", &pids[..pids.len().min(1)]);
    }
    assert_eq!(wait_for_end(&mut call).code(), Some(0));
    assert_no_orphans(&lab.path("r"));
    let provenance = Contents::read(&lab.table("r", "noop", "provenance"));
    let lost = provenance.rows_where("status", "lost").len();
    // What a worker had begun and not committed, not what waited there: a group commit holds far fewer than all.
    // However slow the disk is, a worker has at most what was handed over to it: 20 ms of tasks that count for 80 µs each.
    assert!(lost < 3000, "{lost} of 15,000 attempts lost to three kills");
    let runs = Contents::read(&lab.table("r", "noop", "runs"));
    assert!(runs.column("status").iter().all(|status| *status == "ok"));
    lab.call(&["run", "noop.toml", "--out", "quiet"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "noop"), &lab.result_tables("quiet", "noop"), "after kills");
}

#[test]
fn compact_changes_no_table_and_says_what_it_did() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    lab.write("more.toml", &SMALL.replace("n_runs = 4", "n_runs = 6"));
    lab.call(&["run", "more.toml", "--out", "r"]).expect(0);
    let tables = lab.result_tables("r", "small");
    // Segments of a killed call: the same records once more.
    let segment = lab.segments("r").remove(0);
    fs::copy(&segment, lab.path("r/.infoplane/segments/left.seg")).expect("a copy");
    let before = tree(&lab.path("r"));
    let dry = json(&lab.call(&["compact", "--out", "r", "--dry-run", "--json"]).expect(0).stdout);
    assert!(tree(&lab.path("r")) == before, "a dry run changed something");
    let done = json(&lab.call(&["compact", "--out", "r", "--json"]).expect(0).stdout);
    assert_eq!((&dry["merged"], &dry["records"]), (&done["merged"], &done["records"]));
    assert_eq!((&done["records"], &done["held"], &done["damage"]), (&48.into(), &0.into(), &Value::Array(vec![])));
    assert!(done["copies"].as_u64() > Some(0) && lab.segments("r").len() == 1);
    lab.call(&["aggregate", "small", "--out", "r"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "small"), &tables, "compact");
    let again = lab.call(&["run", "more.toml", "--out", "r"]).expect(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    let said = lab.call(&["compact", "--out", "r"]).expect(0);
    assert!(said.stderr.contains("nothing to merge") && said.stdout.is_empty(), "{}", said.stderr);
    assert!(lab.call(&["compact", "--out", "none"]).expect(6).stderr.contains("no store"));
}

#[test]
fn compact_names_damage_and_the_next_run_repairs_it() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    let tables = lab.result_tables("r", "small");
    let segment = lab.segments("r").remove(0);
    let mut bytes = fs::read(&segment).expect("a segment");
    let training = frames(&segment).into_iter().find(|frame| frame.kind == TRAINING).expect("a training");
    bytes[training.offset + 70] ^= 1;
    fs::write(&segment, &bytes).expect("a segment");
    // A sealed segment alone is not read by `compact`; beside another it is.
    fs::copy(&segment, lab.path("r/.infoplane/segments/left.seg")).expect("a copy");
    let done = lab.call(&["compact", "--out", "r", "--json"]).expect(0);
    assert!(done.stderr.contains("is damaged") && done.stderr.contains("set aside"), "{}", done.stderr);
    assert_eq!(json(&done.stdout)["damage"].as_array().map(Vec::len), Some(2));
    assert!(segment.with_extension("damaged").is_file());
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "small"), &tables, "after repair");
}

#[test]
fn gc_removes_what_nobody_asks_for_and_nothing_else() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    lab.call(&["run", "small.toml", "--out", "r"]).expect(0);
    let tables = lab.result_tables("r", "small");
    lab.write("other.toml", &SMALL.replace("\"small\"", "\"other\"").replace("\"tanh\", \"relu\"", "\"tanh\", \"linear\""));
    lab.call(&["run", "other.toml", "--out", "r"]).expect(0);
    assert_eq!(records(&lab, "r").0, 12);
    let left = [
        lab.path("r/small/.runs.parquet.0123456789abcdef0123456789abcdef.tmp"),
        lab.path("r/.infoplane/segments/.0123456789abcdef0123456789abcdef.tmp"),
    ];
    left.iter().for_each(|path| fs::write(path, "left").expect("a file"));
    fs::write(lab.path("r/.notes.tmp"), "mine").expect("a file");

    let before = tree(&lab.path("r"));
    let dry = json(&lab.call(&["gc", "--trainings", "--dry-run", "--json", "--out", "r"]).expect(0).stdout);
    assert_eq!((dry["files"].as_array().map(Vec::len), &dry["records"]["dropped"]), (Some(2), &0.into()));
    // What a directory that was renamed asks for stays.
    fs::rename(lab.path("r/other"), lab.path("r/other, older")).expect("a cohort");
    let dry = json(&lab.call(&["gc", "--trainings", "--dry-run", "--json", "--out", "r"]).expect(0).stdout);
    assert_eq!(dry["records"]["dropped"], 0);
    fs::remove_dir_all(lab.path("r/other, older")).expect("a cohort");
    let dry = json(&lab.call(&["gc", "--trainings", "--dry-run", "--json", "--out", "r"]).expect(0).stdout);
    // Four trainings of `linear`, each with two measurements and an attempt.
    assert_eq!(dry["records"]["dropped"], 16);
    assert!(left.iter().all(|path| path.is_file()) && before.len() > tree(&lab.path("r")).len());

    let plain = lab.call(&["gc", "--out", "r"]).expect(0);
    assert!(plain.stderr.contains("2 unfinished files") && records(&lab, "r").0 == 12, "{}", plain.stderr);
    assert!(left.iter().all(|path| !path.exists()) && lab.path("r/.notes.tmp").is_file());
    let done = json(&lab.call(&["gc", "--trainings", "--json", "--out", "r"]).expect(0).stdout);
    assert_eq!((&done["records"]["dropped"], records(&lab, "r").0), (&16.into(), 8));
    lab.call(&["aggregate", "small", "--out", "r"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "small"), &tables, "gc");

    // A cohort that cannot be read could ask for anything: nothing goes.
    fs::write(lab.path("r/small/cohort.toml"), "name = ").expect("a file");
    lab.call(&["gc", "--trainings", "--out", "r"]).expect(3);
    assert_eq!(records(&lab, "r").0, 8);
}

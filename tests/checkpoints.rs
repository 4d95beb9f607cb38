//! A worker that is killed inside a long training: the next one goes on from the checkpoint, and no table shows it.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use common::processes::{self, assert_no_orphans, signal, wait_for, wait_for_end, workers};
use common::{Lab, assert_same_tables};

/// Two trainings of a few seconds: on a machine that is many times as fast, too, they are found under way.
const COHORT: &str = r#"
name = "long"

[experiment]
calculate_mi_for = "test"
estimators = ["binning"]

epochs = 20000

[grid]
optimizer = ["adam", "sgd"]
"#;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("long.toml", COHORT);
    lab
}

fn start(lab: &Lab, arguments: &[&str]) -> Child {
    let out = lab.path("r");
    let mut command = lab.command(&["run", "long.toml", "--workers", "2", "--threads", "1", "--out"]);
    command.arg(out).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn checkpoints(lab: &Lab) -> Vec<PathBuf> {
    processes::checkpoints(&lab.path("r"))
}

fn said(call: Child) -> String {
    String::from_utf8(call.wait_with_output().expect("an ended call").stderr).expect("UTF-8")
}

#[test]
fn killed_workers_go_on_from_their_checkpoints() {
    let undisturbed = lab();
    let whole = undisturbed.call(&["run", "long.toml", "--out", "r"]).expect(0);
    assert!(!whole.stderr.contains("continued"), "{}", whole.stderr);
    assert_eq!(checkpoints(&undisturbed), [""; 0].map(PathBuf::from), "committed trainings need none");

    let lab = lab();
    let mut call = start(&lab, &["--checkpoint-every", "0.05"]);
    // Twice each worker, after both have left something, and again something new.
    let (mut kills, mut before) = (0, BTreeMap::new());
    for _ in 0..2 {
        let over = wait_for("two new checkpoints", || {
            let now = processes::checkpointed(&lab.path("r"));
            let are_new = now.len() == 2 && now.iter().all(|(path, bytes)| before.get(path) != Some(bytes));
            before = if are_new { now } else { std::mem::take(&mut before) };
            let over = call.try_wait().expect("the state of a child").is_some();
            (are_new || over).then_some(over)
        });
        assert!(!over, "over before both were killed twice");
        let victims = workers(&lab.path("r"));
        kills += victims.len();
        signal("KILL", &victims);
        wait_for("their end", || workers(&lab.path("r")).iter().all(|pid| !victims.contains(pid)).then_some(()));
    }
    assert_eq!(wait_for_end(&mut call).code(), Some(0));
    let said = said(call);
    assert!(kills == 4 && said.matches("continued from epoch").count() == 4, "{kills} kills: {said}");
    assert_same_tables(&lab.result_tables("r", "long"), &undisturbed.result_tables("r", "long"), "killed and continued");
    assert_eq!(checkpoints(&lab), [""; 0].map(PathBuf::from));
    assert_no_orphans(&lab.path("r"));
}

#[test]
fn a_killed_coordinator_and_a_damaged_checkpoint() {
    let lab = lab();
    let mut call = start(&lab, &["--checkpoint-every", "0.05"]);
    wait_for("two checkpoints", || (checkpoints(&lab).len() == 2).then_some(()));
    let all = [workers(&lab.path("r")), vec![call.id()]].concat();
    signal("KILL", &all);
    wait_for_end(&mut call);
    assert_no_orphans(&lab.path("r"));
    let left = checkpoints(&lab);
    let mut bytes = fs::read(&left[0]).expect("a checkpoint");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&left[0], bytes).expect("a damaged checkpoint");
    // What nobody will take up goes; what may be taken up stays.
    let gc = lab.call(&["gc", "--out", "r", "--dry-run"]).expect(0).stderr;
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(gc.contains(&name(&left[0])) && gc.contains("damaged") && !gc.contains(&name(&left[1])), "{gc}");
    let mut call = start(&lab, &[]);
    assert_eq!(wait_for_end(&mut call).code(), Some(0));
    let said = said(call);
    assert!(said.contains("WARN") && said.contains(&name(&left[0])) && said.contains("from its beginning"), "{said}");
    assert_eq!(said.matches("continued from epoch").count(), 1, "{said}");
    let undisturbed = self::lab();
    undisturbed.call(&["run", "long.toml", "--out", "r"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "long"), &undisturbed.result_tables("r", "long"), "one of two continued");
}

//! A worker that is killed inside a long training: the next one goes on from the checkpoint, and no table shows it.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use common::processes::{assert_no_orphans, signal, wait_for, wait_for_end, workers};
use common::random::Random;
use common::{Lab, assert_same_tables};

/// Two trainings of a few seconds.
const COHORT: &str = r#"
name = "long"

[experiment]
calculate_mi_for = "test"
estimators = ["binning"]

epochs = 6000

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
    let entries = fs::read_dir(lab.path("r").join(".infoplane/checkpoints")).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "checkpoint")).collect();
    paths.sort();
    paths
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

    let (lab, mut random) = (lab(), Random(6));
    let mut call = start(&lab, &["--checkpoint-every", "0.05"]);
    // Twice each worker, a while after both have left something.
    let mut kills = 0;
    for _ in 0..2 {
        let found = wait_for("two checkpoints", || {
            let over = call.try_wait().expect("the state of a child").is_some();
            (checkpoints(&lab).len() == 2 || over).then_some(over)
        });
        if found {
            break;
        }
        thread::sleep(Duration::from_millis(random.below(200)));
        let victims = workers(&lab.path("r"));
        kills += victims.len();
        signal("KILL", &victims);
        wait_for("other workers", || workers(&lab.path("r")).iter().all(|pid| !victims.contains(pid)).then_some(()));
    }
    assert_eq!(wait_for_end(&mut call).code(), Some(0));
    let said = said(call);
    assert!(kills >= 2 && said.matches("continued from epoch").count() >= 2, "{kills} kills: {said}");
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

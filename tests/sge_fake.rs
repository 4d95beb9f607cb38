//! The whole program with a Grid Engine on the path that lies (`tests/fake_grid_engine`): what it says and does, without a cluster. The
//! thousands of schedules are `launch::sge::simulation`'s.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::processes::wait_for;
use common::{Finished, Lab, assert_same_tables, finish};
use serde_json::Value;

const COHORT: &str = r#"
name = "fake"
n_runs = 3

[experiment]
epochs = 300
calculate_mi_for = "test"
estimators = ["binning"]

[grid]
activation_fn = ["tanh", "relu"]

[launcher.sge]
heartbeat = 1
deadline = 4
max_pilots = 3
"#;

/// A laboratory with the fake on its path.
struct Fake {
    lab: Lab,
}

impl Fake {
    fn new() -> Self {
        let lab = Lab::new();
        lab.write("fake.toml", COHORT);
        Self { lab }
    }

    fn command(&self, lies: &str, arguments: &[&str]) -> Command {
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_grid_engine");
        let path = format!("{}:{}", fake.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = self.lab.command(arguments);
        command.env("PATH", path).env("FAKE_DIR", self.lab.path("state")).env("FAKE_LIES", lies);
        command.env("HOME", self.lab.path("")).env_remove("XDG_CONFIG_HOME").env_remove("INFOPLANE_SITE");
        command
    }

    fn call(&self, lies: &str, arguments: &[&str]) -> Finished {
        finish(self.command(lies, arguments))
    }

    fn run(&self, lies: &str, more: &[&str]) -> Finished {
        self.call(lies, &[&["run", "fake.toml", "--launcher", "sge", "--out", "r"], more].concat())
    }

    fn calls_of_qsub(&self) -> usize {
        fs::read_to_string(self.lab.path("state/calls")).map_or(0, |calls| calls.lines().count())
    }

    #[track_caller]
    fn assert_done(&self, case: &str) {
        assert_same_tables(&self.lab.result_tables("r", "fake"), &expected(), case);
    }

    fn sweeps(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.lab.path("r/.infoplane/sweeps")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Whatever a failed test left running: by the process groups that the fake wrote down.
        let entries = fs::read_dir(self.lab.path("state")).into_iter().flatten().flatten();
        for pids in entries.filter_map(|entry| fs::read_to_string(entry.path().join("pids")).ok()) {
            let groups: Vec<String> = pids.lines().map(|pid| format!("-{pid}")).collect();
            let _ = Command::new("sh").args(["-c", "kill -KILL -- \"$@\" 2>/dev/null", "kill"]).args(groups).status();
        }
    }
}

/// Tables of a local run.
fn expected() -> BTreeMap<String, Vec<u8>> {
    static ONCE: std::sync::OnceLock<BTreeMap<String, Vec<u8>>> = std::sync::OnceLock::new();
    let make = || {
        let lab = Lab::new();
        lab.write("fake.toml", COHORT);
        lab.call(&["run", "fake.toml", "--out", "r"]).expect(0);
        lab.result_tables("r", "fake")
    };
    ONCE.get_or_init(make).clone()
}

#[test]
fn lies_cost_time_and_nothing_else() {
    for lies in ["", "twice late", "kills"] {
        let fake = Fake::new();
        let done = fake.run(lies, &["--wait"]).expect(0);
        assert!(done.stderr.contains("6 of 6 runs done"), "{lies}: {}", done.stderr);
        fake.assert_done(lies);
        assert_eq!(fake.calls_of_qsub(), 1, "{lies}");
        assert!(fake.run("", &[]).expect(0).stderr.contains("nothing to do"));
        // What is left of the sweep goes with `gc`.
        assert_eq!(fake.sweeps().len(), 1);
        fake.call("", &["gc", "--out", "r"]).expect(0);
        assert!(fake.sweeps().is_empty());
        fake.assert_done("after gc");
    }
}

#[test]
fn an_answer_that_is_lost_leaves_no_second_job() {
    let fake = Fake::new();
    // The job was submitted, and we were told that it was not: its name finds it.
    fake.run("lost-answer", &["--wait"]).expect(0);
    assert_eq!(fake.calls_of_qsub(), 1);
    fake.assert_done("a lost answer");
}

#[test]
fn refusals_are_told_with_their_code() {
    let fake = Fake::new();
    let denied = fake.run("refuse", &[]).expect(7);
    assert!(denied.stderr.contains("Unable to run job: denied"), "{}", denied.stderr);
    let full = fake.run("full", &[]).expect(7);
    assert!(full.stderr.contains("max_u_jobs"), "{}", full.stderr);
    assert!(fake.sweeps().is_empty(), "nothing is left of what was refused");
    let mut missing = fake.command("", &["run", "fake.toml", "--launcher", "sge", "--out", "r"]);
    let missing = finish({
        missing.env("PATH", "/nowhere");
        missing
    });
    assert!(missing.expect(7).stderr.contains("Grid Engine is not here"));
    fake.run("", &["--wait"]).expect(0);
    fake.assert_done("after refusals");
}

#[test]
fn what_a_person_must_do_is_said_and_cancel_ends_it() {
    let fake = Fake::new();
    fake.run("eqw", &[]).expect(0);
    let status = fake.call("eqw", &["status", "fake", "--out", "r"]).expect(0).stdout;
    assert!(status.contains("3 pilots are in state Eqw") && status.contains("qmod -cj 1"), "{status}");
    let json: Value =
        serde_json::from_str(&fake.call("eqw", &["status", "fake", "--out", "r", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(json["sweeps"][0]["pilots"]["in error"], 3);
    assert!(fake.run("eqw", &[]).expect(0).stderr.contains("is under way already"));
    let garbage = fake.call("garbage", &["status", "fake", "--out", "r"]).expect(0).stdout;
    assert!(garbage.contains("asked in vain"), "{garbage}");
    fake.call("eqw", &["cancel", "--out", "r"]).expect(0);
    assert!(!fake.lab.path("state/job-1/task-1").exists(), "the job is deleted");
    // A scheduler that forgets: what it knows nothing of is taken up anew.
    fake.run("eqw", &[]).expect(0);
    fake.run("forgets", &[]).expect(0);
    assert_eq!(fake.calls_of_qsub(), 3);
    wait_for("the end of the second sweep", || fake.lab.path("r/fake/measures.parquet").exists().then_some(()));
    fake.call("", &["aggregate", "fake", "--out", "r"]).expect(0);
    fake.assert_done("taken up anew");
}

#[test]
fn logs_are_shown_and_a_site_with_mistakes_stops_it() {
    let fake = Fake::new();
    fake.run("", &["--wait"]).expect(0);
    let logs = fake.call("", &["logs", "fake", "--out", "r"]).expect(0).stdout;
    assert!(logs.contains("pilot a0-1 on ") && logs.contains("makes the tables"), "{logs}");
    let of_run = fake.call("", &["logs", "fake:activation_fn=tanh:0", "--out", "r"]).expect(0).stdout;
    assert!(of_run.contains("attempt 1, ok on "), "{of_run}");
    let site = fake.lab.write("site.toml", "[launcher.sge]\nqueu = 'x'\n");
    let mut command = fake.command("", &["run", "fake.toml", "--launcher", "sge", "--out", "other"]);
    command.env("INFOPLANE_SITE", site);
    let wrong = finish(command).expect(3);
    assert!(wrong.stderr.contains(":2:1: unknown key `queu`") && !fake.lab.path("other").exists(), "{}", wrong.stderr);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/site.toml");
    let mut command = fake.command("", &["run", "fake.toml", "--launcher", "sge", "--out", "other", "--dry-run"]);
    command.env("INFOPLANE_SITE", example);
    let shown = finish(command).expect(0).stdout;
    assert!(shown.contains("-q all.q") && shown.contains("-l h_rt=43200") && !fake.lab.path("other").exists(), "{shown}");
}

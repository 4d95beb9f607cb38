//! Questions to a store, as people and scripts ask them: status, explain, repro, find, show, diff, export, import.

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};

use common::processes::{signal, wait_for, wait_for_end, wait_for_workers};
use common::{Finished, Frame, Lab, TRAINING, assert_same_tables, frames, tree};
use serde_json::Value;

/// Two activations and two learning rates, of which one makes relu diverge; two repeats of 12 epochs.
const A: &str = r#"
name = "a"
n_runs = 2
[experiment]
epochs = 12
calculate_mi_for = "test"
[grid]
activation_fn = ["tanh", "relu"]
learning_rate = [0.0004, 1e30]
"#;

/// The trainings of `a`'s first experiment, measured in another way.
const B: &str = r#"
name = "b"
n_runs = 2
[experiment]
epochs = 12
calculate_mi_for = "full"
estimators = [{ binning = { bin_width = 0.5 } }]
"#;

const FAILED: &str = "a:activation_fn=relu, learning_rate=1e30:0";
const SHARED: &str = "a:activation_fn=tanh, learning_rate=0.0004:1";

/// A laboratory whose store `results` holds both cohorts.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("a.toml", A);
    lab.write("b.toml", B);
    lab.call(&["run", "a.toml", "b.toml", "--workers", "1", "--threads", "1"]).expect(4);
    lab
}

/// A call that ends with its test, however that ends.
struct Call(Child);

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {}", finished.stdout))
}

/// The names of the runs that `find` finds.
fn found(lab: &Lab, terms: &[&str]) -> Vec<String> {
    let found = json(&lab.call(&[&["find", "--json"], terms].concat()).expect(0));
    let runs = found.as_array().expect("a list").iter();
    runs.map(|run| run["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn status_counts_runs_and_gives_reasons() {
    let lab = lab();
    let before = tree(&lab.path("results"));
    let a = json(&lab.call(&["status", "a", "--json"]).expect(0));
    let expected: Value = serde_json::from_str(r#"{"ok":6,"failed":2,"lost":0,"oom":0,"missing":0,"running":0}"#).expect("JSON");
    assert_eq!((&a["cohort"], &a["runs"]), (&Value::from("a"), &expected));
    assert!(a["rate_per_second"].is_null() && a["eta_seconds"].is_null());
    let failures = a["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 2);
    assert_eq!((&failures[0]["run"], &failures[0]["class"]), (&Value::from(FAILED), &Value::from("failed")));
    assert!(failures[0]["error"].as_str().is_some_and(|error| error.contains("diverged")));
    assert_eq!(a["experiments"].as_array().expect("a list").len(), 4);
    assert_eq!(a["experiments"][3]["runs"]["failed"], 2);

    let all = json(&lab.call(&["status", "--json"]).expect(0));
    assert_eq!(all.as_array().expect("a list").iter().map(|c| c["cohort"].as_str()).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    let text = lab.call(&["status"]).expect(0).stdout;
    assert!(text.contains("a: 6 of 8 runs done, 2 failed") && text.contains("b: 2 of 2 runs done"), "{text}");
    assert!(text.contains(&format!("failed: {FAILED} and 1 more: diverged")), "{text}");
    // Nothing is left to do but what would fail again, so watching ends by itself.
    let watched = lab.call(&["status", "a", "--watch", "--json"]).expect(0).stdout;
    assert_eq!((watched.lines().count(), serde_json::from_str::<Value>(&watched).expect("one line")), (1, a));
    assert!(lab.call(&["status", "none"]).expect(3).stderr.contains("there are: a, b"));
    // A directory that was copied is no cohort, and keeps nobody from asking about the others.
    for copy in ["b copy", "c"] {
        let dir = lab.path("results").join(copy);
        fs::create_dir(&dir).and_then(|()| fs::copy(lab.path("results/b/cohort.toml"), dir.join("cohort.toml"))).expect("a copy");
        let all = json(&lab.call(&["status", "--json"]).expect(0));
        assert_eq!(all.as_array().map(Vec::len), Some(2), "{copy}");
        lab.call(&["find"]).expect(0);
        let said = lab.call(&["status", copy]).expect(3).stderr;
        let expected = if copy == "c" { "this directory has the name `b`; expected `c`" } else { "there are: a, b\n" };
        assert!(said.contains(expected), "{said}");
        fs::remove_dir_all(dir).expect("a copy");
    }
    assert!(lab.call(&["status", "--out", "nowhere"]).expect(6).stderr.contains("no store"));
    assert!(before == tree(&lab.path("results")), "status only reads");
}

#[test]
fn a_finished_cohort_is_known_without_its_records_as_long_as_they_are_as_they_were() {
    let lab = lab();
    let runs = |name: &str| json(&lab.call(&["status", name, "--json"]).expect(0))["runs"].clone();
    let remembered = runs("b");
    assert_eq!((&remembered["ok"], &remembered["missing"]), (&Value::from(2), &Value::from(0)));
    // Found in the records, too.
    fs::remove_file(lab.path("results/b/state.json")).expect("what is remembered");
    assert_eq!(runs("b"), remembered);
    lab.call(&["aggregate", "b"]).expect(0);
    // A flipped bit in the header of a frame: what is remembered no longer counts.
    for segment in lab.segments("results") {
        let mut bytes = fs::read(&segment).expect("a segment");
        for Frame { offset, .. } in frames(&segment) {
            bytes[offset + 9] ^= 1;
        }
        fs::write(&segment, bytes).expect("a segment");
    }
    assert_eq!(runs("b")["missing"], 2);
    lab.write("results/b/cohort.toml", &B.replace("n_runs = 2", "n_runs = 5"));
    assert_eq!(runs("b")["missing"], 5);
}

#[test]
fn what_is_under_way_is_seen_from_outside_and_a_killed_coordinator_is_not() {
    let lab = Lab::new();
    // Long enough to be looked at.
    lab.write("long.toml", "name = \"long\"\nn_runs = 3\n[experiment]\nepochs = 2000000\nestimators = []\n");
    let store = lab.path("results");
    let store_text = store.to_str().expect("UTF-8");
    let mut command = lab.command(&["run", "long.toml", "--workers", "1", "--threads", "1", "--out", store_text]);
    let mut call = Call(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"));
    let workers = wait_for_workers(&mut call.0, &store);
    let status = || json(&lab.call(&["status", "long", "--json"]).expect(0));
    let running = wait_for("a run under way", || Some(status()).filter(|status| status["runs"]["running"] == 1));
    assert_eq!(running["runs"]["missing"], 2);
    assert!(running["rate_per_second"].is_number());
    assert_eq!(running["coordinators"][0]["pid"], call.0.id());
    let text = lab.call(&["status", "long"]).expect(0).stdout;
    assert!(text.contains("1 running") && text.contains(&format!("process {}", call.0.id())), "{text}");
    let under_way = found(&lab, &["status=running"]);
    assert_eq!(under_way.len(), 1);
    let explained = lab.call(&["explain", &under_way[0]]).expect(0).stdout;
    assert!(explained.contains("under way, by process"), "{explained}");
    let waiting = lab.call(&["explain", &found(&lab, &["status=missing"])[0]]).expect(0).stdout;
    assert!(waiting.contains("waits for its turn") && waiting.contains("is at work on this cohort"), "{waiting}");

    call.0.kill().expect("a child");
    wait_for_end(&mut call.0);
    let killed = wait_for("the end of the notice", || Some(status()).filter(|status| status["runs"]["running"] == 0));
    assert!(killed["rate_per_second"].is_null() && killed["runs"]["missing"] == 3, "{killed}");
    signal("KILL", &workers);
    let waiting = lab.call(&["explain", &under_way[0]]).expect(0).stdout;
    assert!(waiting.contains("nobody is at work on this cohort; `infoplane resume long`"), "{waiting}");
}

#[test]
fn explain_tells_attempts_records_and_what_to_do() {
    let lab = lab();
    let failed = json(&lab.call(&["explain", FAILED, "--json"]).expect(0));
    assert_eq!((&failed["runs"][0]["status"], failed["training"].is_null()), (&Value::from("failed"), true));
    assert_eq!((&failed["attempts"][0]["attempt"], &failed["attempts"][0]["status"]), (&Value::from(1), &Value::from("failed")));
    assert!(failed["verdict"].as_str().is_some_and(|verdict| verdict.contains("resume a --only failed")));
    // By id: both cohorts share it, and it was attempted for each.
    let id = json(&lab.call(&["explain", SHARED, "--json"]).expect(0))["training_id"].as_str().expect("an id").to_owned();
    let shared = json(&lab.call(&["explain", &id[..9], "--json"]).expect(0));
    assert_eq!((shared["runs"].as_array().map(Vec::len), shared["measurements"].as_array().map(Vec::len)), (Some(2), Some(2)));
    assert_eq!((&shared["training"]["last_epoch"], &shared["training"]["snapshots"]), (&Value::from(11), &Value::from(true)));
    assert!(shared["measurements"].as_array().expect("a list").iter().all(|m| m["committed"] == true));
    let text = lab.call(&["explain", &id]).expect(0).stdout;
    assert!(text.contains(SHARED) && text.contains("b:b:1: ok") && text.contains("done: all"), "{text}");
    for (name, hint) in
        [("a:tanh:0", "labels of `a` are"), ("nonsense", "expected COHORT:LABEL:REPEAT"), ("0123abcd", "no cohort")]
    {
        assert!(lab.call(&["explain", name]).expect(3).stderr.contains(hint), "{name}");
    }
}

#[test]
fn repro_computes_the_same_bits_and_names_those_that_differ() {
    let lab = lab();
    let before = tree(&lab.path("results"));
    let same = json(&lab.call(&["repro", SHARED, "--json", "--threads", "2"]).expect(0));
    assert_eq!((&same["same"], same["compared"].as_array().map(Vec::len)), (&Value::from(true), Some(2)));
    assert!(lab.call(&["repro", FAILED]).expect(0).stdout.contains("outcome (diverged"), "fails in the same way");
    assert!(before == tree(&lab.path("results")), "repro only reads");

    // The last weight of every training, changed by one bit, with checksums that fit.
    for segment in lab.segments("results") {
        let mut bytes = fs::read(&segment).expect("a segment");
        for Frame { offset, length, .. } in frames(&segment).into_iter().filter(|frame| frame.kind == TRAINING) {
            let frame = &mut bytes[offset..offset + length];
            frame[length - 4] ^= 1;
            let payload = blake3::hash(&frame[56..]);
            frame[40..48].copy_from_slice(&payload.as_bytes()[..8]);
            let header = blake3::hash(&frame[..48]);
            frame[48..56].copy_from_slice(&header.as_bytes()[..8]);
        }
        fs::write(&segment, bytes).expect("a segment");
    }
    let differs = json(&lab.call(&["repro", SHARED, "--json"]).expect(4));
    let differences = differs["differences"].as_array().expect("a list");
    assert_eq!(differences.len(), 1, "{differs}");
    let one = &differences[0];
    assert_eq!((&one["record"], &one["column"]), (&Value::from("training"), &Value::from("parameters")));
    assert_eq!((&one["epoch"], &one["layer"]), (&Value::from(11), &Value::from(5)));
    let text = lab.call(&["repro", SHARED]).expect(4).stdout;
    assert!(text.contains("1 places differ") && text.contains("parameters") && text.contains("committed by"), "{text}");
}

#[test]
fn repro_of_what_is_not_there_says_so() {
    let lab = Lab::new();
    lab.write("b.toml", B);
    lab.call(&["run", "b.toml", "--workers", "1", "--threads", "1"]).expect(0);
    for segment in lab.segments("results") {
        fs::remove_file(segment).expect("a segment");
    }
    assert!(lab.call(&["repro", "b:b:0"]).expect(3).stderr.contains("nothing of b:b:0 is committed"));
}

#[test]
fn find_show_and_diff_know_runs_by_settings_names_and_ids() {
    let lab = lab();
    assert_eq!(found(&lab, &[]).len(), 10);
    assert_eq!(found(&lab, &["status=failed"]), [FAILED, &FAILED.replace(":0", ":1")]);
    assert_eq!(found(&lab, &["learning_rate<0.001", "run=1", "activation_fn=^t"]), [SHARED, "b:b:1"]);
    assert_eq!(found(&lab, &["a", "epochs>=12", "status!=ok"]).len(), 2);
    assert_eq!(found(&lab, &["--name", "^b:"]), ["b:b:0", "b:b:1"]);
    assert_eq!(found(&lab, &["epochs>12"]), [""; 0]);
    let first = json(&lab.call(&["find", "b:b:0", "--json"]).expect(0));
    let id = first[0]["training_id"].as_str().expect("an id").to_owned();
    assert_eq!(found(&lab, &[&id[..8], FAILED]), ["a:activation_fn=tanh, learning_rate=0.0004:0", FAILED, "b:b:0"]);
    let table = lab.call(&["find", "status=ok"]).expect(0);
    let header = table.stdout.lines().next().expect("a header");
    assert!(header.starts_with("run ") && header.contains("estimators") && !header.contains("epochs"), "{header}");
    assert!(table.stdout.contains(&id[..12]) && table.stderr.contains("8 runs found"));
    assert!(lab.call(&["find", "epoch=1"]).expect(2).stderr.contains("no key `epoch`"));
    assert!(lab.call(&["find", "--name", "("]).expect(2).stderr.contains("not a regular expression"));
    assert!(lab.call(&["find", "none"]).expect(3).stderr.contains("no cohort `none`"));

    let card = json(&lab.call(&["show", "b:b:0", "--json"]).expect(0));
    assert_eq!((&card["status"], &card["settings"]["epochs"]), (&Value::from("ok"), &Value::from(12)));
    assert_eq!(
        card["metrics"].as_array().map(|m| m.iter().map(|m| m["epoch"].as_i64()).collect()),
        Some(vec![Some(11), Some(11)])
    );
    let measures = card["measures"].as_array().expect("a list");
    assert!(measures.len() == 6 && measures.iter().all(|m| m["split"] == "full" && m["i_xt"].is_number()));
    assert!(card["figures"][1].as_str().is_some_and(|figure| figure.ends_with("infoplane_full.png")));
    assert_eq!(json(&lab.call(&["show", &id, "--json"]).expect(0)).as_array().map(Vec::len), Some(2));
    let text = lab.call(&["show", FAILED]).expect(0).stdout;
    assert!(text.contains("metrics: the training is not committed") && text.contains("1e30"), "{text}");

    let diff = json(&lab.call(&["diff", "b:b:0", FAILED, "--json"]).expect(0));
    let keys: Vec<&String> = diff["differing"].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["activation_fn", "calculate_mi_for", "estimators", "learning_rate", "training_id"]);
    assert_eq!(diff["differing"]["activation_fn"], Value::from(vec!["tanh", "relu"]));
    assert!(lab.call(&["diff", "b:b:0"]).code == Some(2), "two at least");
}

#[test]
fn an_archive_carries_runs_to_another_store_once() {
    let lab = lab();
    lab.call(&["export", "--to", "all.infoplane", "-q"]).expect(0);
    let first = json(&lab.call(&["import", "all.infoplane", "--out", "copy", "--json"]).expect(0));
    assert_eq!((&first["cohorts"][0], &first["added"]["trainings"]), (&Value::from("a"), &Value::from(6)));
    let before = tree(&lab.path("copy"));
    let second = json(&lab.call(&["import", "all.infoplane", "--out", "copy", "--json"]).expect(0));
    assert_eq!((&second["added"]["trainings"], &second["added"]["attempts"]), (&Value::from(0), &Value::from(0)));
    assert!(before == tree(&lab.path("copy")), "a second import changes nothing");
    let run = lab.call(&["run", "a.toml", "b.toml", "--out", "copy"]).expect(4);
    assert_eq!(run.stderr.matches("nothing to do").count(), 2, "{}", run.stderr);
    for cohort in ["a", "b"] {
        assert_same_tables(&lab.result_tables("copy", cohort), &lab.result_tables("results", cohort), cohort);
    }
}

#[test]
fn a_part_is_carried_over_and_conflicts_are_told_before_anything_is_written() {
    let lab = lab();
    lab.call(&["export", "activation_fn=tanh", "status=ok", "run=0", "--name", "^a:", "--to", "part"]).expect(0);
    lab.call(&["import", "part", "--out", "copy"]).expect(0);
    let runs = json(&lab.call(&["status", "--out", "copy", "--json"]).expect(0))["runs"].clone();
    assert_eq!((&runs["ok"], &runs["missing"]), (&Value::from(2), &Value::from(6)));
    assert!(lab.call(&["export", "status=lost", "--to", "none"]).expect(3).stderr.contains("no run is selected"));
    assert!(!lab.path("none").exists());

    // What cannot be read is not taken for what is not there: a link in a circle stands for a file server that fails.
    fs::create_dir_all(lab.path("ill/a")).expect("a directory");
    std::os::unix::fs::symlink("cohort.toml", lab.path("ill/a/cohort.toml")).expect("a link");
    let said = lab.call(&["import", "part", "--out", "ill"]).expect(6).stderr;
    assert!(said.contains("cannot read ill/a/cohort.toml"), "{said}");
    assert!(lab.path("ill/a/cohort.toml").is_symlink());

    lab.write("other.toml", &A.replace("n_runs = 2", "n_runs = 1"));
    lab.call(&["run", "other.toml", "--out", "other", "--workers", "1", "--threads", "1"]).expect(4);
    let before = tree(&lab.path("other"));
    assert!(lab.call(&["import", "part", "--out", "other"]).expect(3).stderr.contains("another cohort `a`"));
    let bytes = fs::read(lab.path("part")).expect("an archive");
    fs::write(lab.path("torn"), &bytes[..bytes.len() - 9]).expect("a file");
    assert!(lab.call(&["import", "torn", "--out", "other"]).expect(3).stderr.contains("damaged at byte"));
    assert!(lab.call(&["import", "a.toml", "--out", "other"]).expect(3).stderr.contains("not an archive"));
    assert!(before == tree(&lab.path("other")), "nothing was written");
    // All that the part has is there already.
    let only = json(&lab.call(&["import", "part", "--out", "other", "--records-only", "--json"]).expect(0));
    assert_eq!((&only["cohorts"], &only["added"]["trainings"]), (&Value::Array(vec![]), &Value::from(0)));
}

#[test]
fn every_verb_has_help_with_examples() {
    for verb in ["status", "explain", "repro", "find", "show", "diff", "export", "import"] {
        let mut command: Command = common::program();
        command.args([verb, "--help"]);
        let help = common::finish(command).expect(0).stdout;
        assert!(help.contains("Example") && help.contains("--json") && help.contains(&format!("infoplane {verb}")), "{help}");
    }
}

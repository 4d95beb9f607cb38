//! What the machine may do beside killing us: lock the directory, turn the clock.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use common::mounts::SmallDisk;
use common::tables::Contents;
use common::{Lab, assert_same_tables, finish, sweep, tree};
use serde_json::Value;

static COHORT: LazyLock<String> = LazyLock::new(|| sweep("here", 4, 600));

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("here.toml", &COHORT);
    lab
}

#[test]
fn work_goes_on_where_nobody_listens_any_more() {
    let lab = lab();
    for (out, arguments) in [("a", &["run", "here.toml", "--out", "a"][..]), ("b", &["-vv", "run", "here.toml", "--out", "b"])] {
        let mut command = lab.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().expect("an end").code(), Some(0));
        assert!(lab.table(out, "here", "measures").exists());
    }
    assert_same_tables(&lab.result_tables("a", "here"), &lab.result_tables("b", "here"), "unheard");
}

#[test]
fn a_read_only_directory_is_read_and_refused_for_writing() {
    let lab = lab();
    let Some(disk) = SmallDisk::mount(lab.path("r"), "size=32m") else {
        eprintln!("skipped: this process may not mount a small file system");
        return;
    };
    disk.remount("ro");
    let call = lab.call(&["run", "here.toml", "--out", "r"]).expect(6);
    assert!(call.stderr.contains("Read-only file system") && call.stderr.contains("r/"), "{}", call.stderr);
    disk.remount("rw");
    lab.call(&["run", "here.toml", "--out", "r"]).expect(0);
    let before = tree(&lab.path("r"));
    disk.remount("ro");
    // Whatever only asks goes on as ever.
    for arguments in [
        &["status", "--out", "r"][..],
        &["status", "here", "--json", "--out", "r"],
        &["plan", "here.toml", "--out", "r"],
        &["find", "status=ok", "--out", "r"],
        &["show", "here:activation_fn=tanh:0", "--out", "r"],
        &["explain", "here:activation_fn=relu:3", "--out", "r"],
        &["diff", "here:activation_fn=relu:3", "here:activation_fn=tanh:0", "--out", "r"],
        &["repro", "here:activation_fn=tanh:1", "--out", "r"],
        &["export", "here", "--to", "here.infoplane", "--out", "r"],
        &["compact", "--dry-run", "--out", "r"],
        &["gc", "--dry-run", "--out", "r"],
    ] {
        let call = lab.call(arguments);
        assert_eq!(call.code, Some(0), "{arguments:?}: {}", call.stderr);
    }
    // A cohort that is done is done here, too; one that is not says why it cannot be.
    lab.write("here.toml", &COHORT.replace("n_runs = 4", "n_runs = 5"));
    for arguments in [&["run", "here.toml", "--out", "r"][..], &["aggregate", "here", "--out", "r"]] {
        let call = lab.call(arguments).expect(6);
        assert!(call.stderr.starts_with("error: ") && call.stderr.contains("Read-only file system"), "{}", call.stderr);
    }
    assert!(before == tree(&lab.path("r")), "nothing was changed");
    disk.remount("rw");
    lab.call(&["run", "here.toml", "--out", "r"]).expect(0);
}

/// The library that turns a program's clock, where it is installed (`tests/run` does that).
fn turned_clock() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("INFOPLANE_TEST_FAKETIME") {
        return Some(path.into());
    }
    let dirs =
        fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    dirs.into_iter().find(|path| path.is_file())
}

#[test]
fn a_clock_that_jumps_shows_in_provenance_alone() {
    let Some(library) = turned_clock() else {
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let lab = lab();
    // Some seconds, so that the clock jumps within it on a fast machine, too.
    lab.write("here.toml", &COHORT.replace("epochs = 600", "epochs = 6000"));
    lab.call(&["run", "here.toml", "--out", "base"]).expect(0);
    let clock = lab.write("clock", "+0");
    let turn = |to: &str| {
        let new = lab.write("clock.new", &format!("{to}\n"));
        fs::rename(new, &clock).expect("the new time");
    };
    let turned = |arguments: &[&str]| {
        let mut command = lab.command(arguments);
        command.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &clock);
        // The clock on the wall alone: nobody can set the other.
        command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
        command
    };
    let mut run = turned(&["run", "here.toml", "--out", "r", "--workers", "2"]);
    run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut call = run.spawn().expect("the program starts");
    let mut statuses = 0;
    for to in ["+400d", "-9000d", "+0", "+20000d", "-3h"].into_iter().cycle() {
        if call.try_wait().expect("the state of a child").is_some() {
            break;
        }
        turn(to);
        let status = finish(turned(&["status", "here", "--json", "--out", "r"]));
        // Before the first record there is no cohort yet.
        if status.code == Some(0) {
            let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
            for key in ["rate_per_second", "eta_seconds"] {
                assert!(status[key].is_null() || (0.0..1e4).contains(&status[key].as_f64().expect("a number")), "{status}");
            }
            statuses += 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(call.wait().expect("an ended call").success() && statuses > 0);
    assert_same_tables(&lab.result_tables("r", "here"), &lab.result_tables("base", "here"), "a clock that jumps");
    let provenance = Contents::read(&lab.table("r", "here", "provenance"));
    let numbers = |name: &str| provenance.column(name).iter().map(|n| n.parse::<f64>().expect("a number")).collect::<Vec<_>>();
    let (started, seconds) = (numbers("started"), numbers("seconds"));
    assert!(started.iter().any(|t| (t - started[0]).abs() > 86_400.0), "the clock did jump: {started:?}");
    // No jump is shorter than three hours.
    assert!(seconds.iter().all(|s| *s > 0.0 && *s < 3600.0), "{seconds:?}");
    assert!(finish(turned(&["run", "here.toml", "--out", "r"])).expect(0).stderr.contains("nothing to do"));
}

//! Under a real Open MPI: tables equal to those of a local run to the byte, whatever happens to ranks and hosts, and every call ends.
//! Ranks are killed at moments that `INFOPLANE_TEST_SEED` decides, as often as `INFOPLANE_TEST_CASES` says.

#![cfg(feature = "mpi")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use common::cell::{Cell, script};
use common::processes::signal;
use common::random::Random;
use common::{Lab, TRAINING, assert_same_tables};

/// Twelve tasks of a second or less.
const COHORT: &str = r#"
name = "sweep"
n_runs = 6

[experiment]
epochs = 1000
calculate_mi_for = "test"
estimators = ["binning", "upper"]

[grid]
activation_fn = ["tanh", "relu"]
"#;
/// A silent rank is lost after so many seconds.
const TIMEOUT: &str = "3";
/// A call of `mpirun` that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// The tables of a local run.
static EXPECTED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let lab = Lab::new();
    lab.write("sweep.toml", COHORT);
    lab.call(&["run", "sweep.toml", "--out", "r"]).expect(0);
    lab.result_tables("r", "sweep")
});

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("sweep.toml", COHORT);
    lab
}

/// The environment of a call of `mpirun`; a test may run as root.
fn in_job(mut command: Command, lab: &Lab) -> Command {
    for name in ["INFOPLANE_ISA", "INFOPLANE_LOG", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"), ("INFOPLANE_MPI_TIMEOUT", TIMEOUT)]);
    let said = || fs::OpenOptions::new().append(true).create(true).open(lab.path("said")).expect("a file");
    command.current_dir(lab.path("")).stdin(Stdio::null()).stdout(said()).stderr(said());
    command
}

/// `mpirun FLAGS -n RANKS infoplane ARGUMENTS`, all on this host.
fn mpirun(lab: &Lab, flags: &[&str], ranks: usize, arguments: &[&str]) -> Child {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string()]).args(flags);
    command.arg(env!("CARGO_BIN_EXE_infoplane")).args(arguments);
    in_job(command, lab).spawn().expect("mpirun: install openmpi-bin")
}

const RUN: [&str; 6] = ["run", "sweep.toml", "--launcher", "mpi", "--out", "r"];

fn said(lab: &Lab) -> String {
    fs::read_to_string(lab.path("said")).unwrap_or_default()
}

/// Waits for the end of a call; its code.
#[track_caller]
fn end(call: &mut Child, lab: &Lab) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = call.try_wait().expect("the state of a child") {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            let _ = call.kill();
            panic!("mpirun did not end within {PATIENCE:?}:\n{}", said(lab));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ids of the ranks on the store of `lab`, in the order in which they were started; `mpirun` has them in its own line, and is none.
fn ranks(lab: &Lab) -> Vec<u32> {
    let here = lab.path("").canonicalize().expect("a laboratory");
    let mut pids: Vec<u32> =
        fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_ours = line.split(|&byte| byte == 0).next() == Some(env!("CARGO_BIN_EXE_infoplane").as_bytes());
        is_ours && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == here)
    });
    pids.sort_unstable();
    pids
}

/// Waits until some trainings are committed, or the call is over.
fn wait_for_trainings(call: &mut Child, lab: &Lab, count: usize) {
    let start = Instant::now();
    let committed = || Path::exists(&lab.path("r/.infoplane/segments")) && lab.records("r", TRAINING) >= count;
    while call.try_wait().expect("the state of a child").is_none() && !committed() {
        assert!(start.elapsed() < PATIENCE, "no training within {PATIENCE:?}:\n{}", said(lab));
        thread::sleep(Duration::from_millis(20));
    }
}

/// All is there after `resume`, and equal.
#[track_caller]
fn assert_whole(lab: &Lab, case: &str) {
    lab.call(&["resume", "sweep", "--out", "r", "-q"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, case);
}

#[test]
fn tables_are_those_of_a_local_run_for_any_number_of_ranks() {
    for count in [1, 2, 4, 7] {
        let lab = lab();
        let mut call = mpirun(&lab, &[], count, &RUN);
        assert_eq!(end(&mut call, &lab), Some(0), "{}", said(&lab));
        assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, &format!("{count} ranks"));
        let workers = format!(
            "12 tasks in {} by {count} worker",
            said(&lab).split(" in ").nth(1).map_or("", |t| t.split(" by").next().unwrap_or(""))
        );
        assert!(said(&lab).contains(&workers), "{}", said(&lab));
    }
}

#[test]
fn without_mpirun_it_is_a_job_of_one_rank() {
    let lab = lab();
    let mut command = Command::new(env!("CARGO_BIN_EXE_infoplane"));
    command.args(RUN);
    let mut call = in_job(command, &lab).spawn().expect("the program");
    assert_eq!(end(&mut call, &lab), Some(0), "{}", said(&lab));
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, "a job of its own");
}

#[test]
fn a_task_that_fails_is_a_result_and_no_abort() {
    let lab = lab();
    let text = COHORT
        .replace("[grid]", "[grid]\nlearning_rate = [0.0004, 1e30]\noptimizer = [\"sgd\"]")
        .replace("n_runs = 6", "n_runs = 2");
    lab.write("sweep.toml", &text.replace("epochs = 1000", "epochs = 60"));
    let mut call = mpirun(&lab, &[], 3, &RUN);
    assert_eq!(end(&mut call, &lab), Some(4), "{}", said(&lab));
    let status = lab.call(&["status", "sweep", "--out", "r", "--json"]).expect(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert!(status["runs"]["failed"].as_u64() >= Some(2) && status["runs"]["missing"] == 0, "{status}");
    assert!(said(&lab).contains("epoch"), "{}", said(&lab));
}

#[test]
fn a_wrong_cohort_ends_all_ranks_with_its_code() {
    let lab = lab();
    lab.write("sweep.toml", &COHORT.replace("epochs = 1000", "epochs = -1"));
    let mut call = mpirun(&lab, &[], 3, &RUN);
    assert_eq!(end(&mut call, &lab), Some(3), "{}", said(&lab));
    assert!(said(&lab).contains("sweep.toml:6:10"), "{}", said(&lab));
    assert!(!lab.path("r").join("sweep").exists());
}

#[test]
fn killed_ranks_cost_what_was_in_flight_and_nothing_hangs() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let seed = number("INFOPLANE_TEST_SEED", 20_261_124);
    let mut random = Random(seed);
    for case in 0..number("INFOPLANE_TEST_CASES", 40).div_ceil(4).max(10) {
        let lab = lab();
        let survives = random.below(2) == 1;
        let flags: &[&str] = if survives { &["--enable-recovery"] } else { &[] };
        let mut call = mpirun(&lab, flags, 4, &RUN);
        thread::sleep(Duration::from_millis(random.below(4_000)));
        let pids = ranks(&lab);
        let victim = random.below(4) as usize;
        let pids: Vec<u32> = pids.get(victim).copied().into_iter().collect();
        signal("KILL", &pids);
        let code = end(&mut call, &lab);
        let name = format!("seed {seed}, case {case}: rank {victim} killed, recovery {survives}, exit {code:?}");
        assert!(ranks(&lab).is_empty(), "{name}: ranks stay");
        if lab.path("r/sweep").exists() {
            assert_whole(&lab, &name);
        }
    }
}

#[test]
fn a_rank_that_stalls_is_missed_and_one_that_comes_back_is_welcome() {
    for comes_back in [false, true] {
        let lab = lab();
        let mut call = mpirun(&lab, &[], 3, &RUN);
        wait_for_trainings(&mut call, &lab, 1);
        let victim: Vec<u32> = ranks(&lab).last().copied().into_iter().collect();
        signal("STOP", &victim);
        if comes_back {
            thread::sleep(Duration::from_secs(4));
            signal("CONT", &victim);
        }
        let code = end(&mut call, &lab);
        assert!(!comes_back || code == Some(0), "{code:?}: {}", said(&lab));
        assert!(ranks(&lab).is_empty(), "ranks stay");
        // The others did all of it.
        assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, &format!("comes back: {comes_back}"));
    }
}

#[test]
fn a_warning_leaves_checkpoints_and_ends_with_the_code_of_an_interruption() {
    let lab = lab();
    lab.write("sweep.toml", &COHORT.replace("epochs = 1000", "epochs = 6000").replace("n_runs = 6", "n_runs = 2"));
    let mut call = mpirun(&lab, &[], 2, &RUN);
    let checkpoints = lab.path("r/.infoplane/checkpoints");
    while ranks(&lab).len() < 2 || !lab.path("r/sweep/cohort.toml").exists() {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(1_000));
    // As a batch system warns all processes of a job.
    signal("USR2", &ranks(&lab));
    assert_eq!(end(&mut call, &lab), Some(5), "{}", said(&lab));
    assert!(fs::read_dir(checkpoints).is_ok_and(|entries| entries.count() > 0), "{}", said(&lab));
    let resumed = lab.call(&["run", "sweep.toml", "--out", "r"]).expect(0).stderr;
    assert!(resumed.contains("continued from epoch"), "{resumed}");
    let undisturbed = lab.call(&["run", "sweep.toml", "--out", "u"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "sweep"), &lab.result_tables("u", "sweep"), &undisturbed.stderr);
}

/// `mpirun` over the two execution hosts of a cell, from its master.
fn across(cell: &Cell, lab: &Lab) -> Child {
    let agent = format!("{} agent", script().display());
    let mca = |name: &'static str, value: &str| ["--mca".to_owned(), name.to_owned(), value.to_owned()];
    let mut words: Vec<String> = ["mpirun", "--map-by", "node", "-H", "n1:2,n2:2", "-n", "4"].map(str::to_owned).into();
    words.extend(mca("plm_rsh_agent", &agent));
    words.extend(mca("btl", "tcp,self"));
    words.extend(["btl_tcp_if_include", "oob_tcp_if_include"].into_iter().flat_map(|name| mca(name, "eth0")));
    // So that mpirun itself misses a host soon, and before the ranks do.
    let keepalive = [("oob_tcp_keepalive_time", "2"), ("oob_tcp_keepalive_intvl", "1"), ("oob_tcp_keepalive_probes", "3")];
    words.extend(keepalive.into_iter().flat_map(|(name, value)| mca(name, value)));
    words.extend(["-x", "INFOPLANE_MPI_TIMEOUT"].map(str::to_owned));
    words.push(env!("CARGO_BIN_EXE_infoplane").to_owned());
    words.extend(RUN.map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = in_job(cell.command("qm", &words), lab);
    command.env("INFOPLANE_MPI_TIMEOUT", "15").spawn().expect("the script of the cell")
}

/// A job of Grid Engine in its parallel environment, by the script for that.
fn below_grid_engine(cell: &Cell) {
    let lab = lab();
    let template = script().with_file_name("sge").join("mpi.sh");
    let template = template.to_str().expect("a path in UTF-8");
    let settings = "OMPI_ALLOW_RUN_AS_ROOT=1,OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1,OMPI_MCA_btl_tcp_if_include=eth0,OMPI_MCA_oob_tcp_if_include=eth0";
    let mut words = vec!["qsub", "-cwd", "-j", "y", "-notify", "-r", "y", "-pe", "mpi", "4", "-v", settings, template];
    words.extend([env!("CARGO_BIN_EXE_infoplane"), "run", "sweep.toml", "--out", "r"]);
    assert_eq!(end(&mut in_job(cell.command("qm", &words), &lab).spawn().expect("qsub"), &lab), Some(0), "{}", said(&lab));
    cell.wait_for("the tables of a job below Grid Engine", PATIENCE, || {
        lab.path("r/sweep/figures/accuracy.png").exists().then_some(())
    });
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, "below Grid Engine");
    let hosts = common::tables::Contents::read(&lab.table("r", "sweep", "provenance"));
    assert!(hosts.column("host").contains(&"n1") && hosts.column("host").contains(&"n2"), "one host did it all");
    assert!(hosts.column("launcher").iter().all(|launcher| *launcher == "mpi"));
}

#[test]
fn two_hosts_do_as_one_and_a_lost_one_ends_the_job_in_time() {
    let Some(cell) = Cell::up() else { return };
    let both = lab();
    let mut call = across(&cell, &both);
    assert_eq!(end(&mut call, &both), Some(0), "{}", said(&both));
    assert_same_tables(&both.result_tables("r", "sweep"), &EXPECTED, "two hosts");
    let hosts = common::tables::Contents::read(&both.table("r", "sweep", "provenance"));
    let mut hosts = hosts.column("host");
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts, ["n1", "n2"]);
    below_grid_engine(&cell);

    for fate in ["kill", "lose"] {
        let lab = lab();
        let mut call = across(&cell, &lab);
        wait_for_trainings(&mut call, &lab, 2);
        cell.fate(&[fate, "n2"]);
        let code = end(&mut call, &lab);
        assert_ne!(code, None, "{}", said(&lab));
        assert_whole(&lab, &format!("{fate} n2"));
        cell.fate(&["restore", "n2"]);
    }
}

//! Under a real Open MPI: tables equal to those of a local run to the byte, whatever happens to ranks and hosts, and every call ends.
//! Ranks are killed at moments that `INFOPLANE_TEST_SEED` decides, as often as `INFOPLANE_TEST_CASES` says.

#![cfg(feature = "mpi")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use common::cell::{Cell, script};
use common::processes::{checkpointed, signal, wait_for};
use common::random::Random;
use common::{Lab, TRAINING, assert_same_tables, sweep};

/// Twelve tasks of a second or less.
static COHORT: LazyLock<String> = LazyLock::new(|| sweep("sweep", 6, 1000));
/// Three tasks of some seconds: what is done to a rank in the middle of one finds it there, on a machine that is many times as fast, too.
const LONG: &str = r#"
name = "sweep"
n_runs = 3

[experiment]
epochs = 20000
calculate_mi_for = "test"
estimators = ["binning", "upper"]
"#;
const LONG_TASKS: usize = 3;
/// A silent rank is lost after so many seconds, where a test needs one to be lost: no machine starves a rank that lives for so long.
const SOON: &str = "4";
/// Elsewhere nobody is.
const NEVER: &str = "120";
/// A call of `mpirun` that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The tables of a local run of `COHORT`, and of `LONG`.
static EXPECTED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| local_tables(&COHORT));
static EXPECTED_LONG: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| local_tables(LONG));

fn local_tables(cohort: &str) -> BTreeMap<String, Vec<u8>> {
    let lab = lab_with(cohort);
    lab.call(&["run", "sweep.toml", "--out", "r"]).expect(0);
    lab.result_tables("r", "sweep")
}

fn lab_with(cohort: &str) -> Lab {
    let lab = Lab::new();
    lab.write("sweep.toml", cohort);
    lab
}

fn lab() -> Lab {
    lab_with(&COHORT)
}

/// The environment of a call of `mpirun` that misses a rank after `timeout` seconds; a test may run as root.
fn in_job(mut command: Command, lab: &Lab, timeout: &str) -> Command {
    for name in ["INFOPLANE_ISA", "INFOPLANE_LOG", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"), ("INFOPLANE_MPI_TIMEOUT", timeout)]);
    let said = || fs::OpenOptions::new().append(true).create(true).open(lab.path("said")).expect("a file");
    command.current_dir(lab.path("")).stdin(Stdio::null()).stdout(said()).stderr(said());
    command
}

/// `mpirun FLAGS -n RANKS infoplane ARGUMENTS`, all on this host.
fn mpirun(lab: &Lab, timeout: &str, flags: &[&str], ranks: usize, arguments: &[&str]) -> Child {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string()]).args(flags);
    command.arg(env!("CARGO_BIN_EXE_infoplane")).args(arguments);
    in_job(command, lab, timeout).spawn().expect("mpirun: install openmpi-bin")
}

const RUN: [&str; 6] = ["run", "sweep.toml", "--launcher", "mpi", "--out", "r"];
/// So that it can be seen from outside who is in the middle of a training.
const RUN_WITH_CHECKPOINTS: [&str; 8] = ["run", "sweep.toml", "--launcher", "mpi", "--out", "r", "--checkpoint-every", "0.2"];

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

/// Ids of the ranks on the store of `lab`, by rank; `mpirun` has them in its own line, and is none.
fn ranks(lab: &Lab) -> BTreeMap<usize, u32> {
    let here = lab.path("").canonicalize().expect("a laboratory");
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_ours = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let is_ours = line.split(|&byte| byte == 0).next() == Some(env!("CARGO_BIN_EXE_infoplane").as_bytes());
        if !is_ours || fs::read_link(format!("/proc/{pid}/cwd")).ok()? != here {
            return None;
        }
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let rank = environment.split(|&byte| byte == 0).find_map(|v| v.strip_prefix(b"OMPI_COMM_WORLD_RANK="))?;
        Some((std::str::from_utf8(rank).ok()?.parse().ok()?, pid))
    };
    pids.filter_map(of_ours).collect()
}

/// Fails if a rank stays. The last of them may need a moment, killed as it is.
#[track_caller]
fn assert_no_ranks(lab: &Lab, case: &str) {
    wait_for(&format!("{case}: the end of all ranks"), || ranks(lab).is_empty().then_some(()));
}

/// Waits until something is so, or the call is over; whether it was so before.
#[track_caller]
fn wait_in(call: &mut Child, lab: &Lab, what: &str, mut so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if so() {
            return true;
        }
        if call.try_wait().expect("the state of a child").is_some() {
            return false;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}:\n{}", said(lab));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until some trainings are committed.
fn wait_for_trainings(call: &mut Child, lab: &Lab, count: usize) {
    let segments = lab.path("r/.infoplane/segments");
    wait_in(call, lab, "trainings", || segments.exists() && lab.records("r", TRAINING) >= count);
}

/// Waits until all tasks of `LONG` are under way, each on a rank of its own; their checkpoints.
#[track_caller]
fn wait_for_work(call: &mut Child, lab: &Lab, count: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let in_time = wait_in(call, lab, "trainings under way", || {
        found = checkpointed(&lab.path("r"));
        found.len() >= count
    });
    assert!(in_time, "over before {count} trainings were under way: {}", said(lab));
    found
}

/// All is there after `resume`, and equal.
#[track_caller]
fn assert_whole(lab: &Lab, expected: &BTreeMap<String, Vec<u8>>, case: &str) {
    lab.call(&["resume", "sweep", "--out", "r", "-q"]).expect(0);
    assert_same_tables(&lab.result_tables("r", "sweep"), expected, case);
}

#[test]
fn tables_are_those_of_a_local_run_for_any_number_of_ranks() {
    for count in [1, 2, 4, 7] {
        let lab = lab();
        let mut call = mpirun(&lab, NEVER, &[], count, &RUN);
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
    let mut call = in_job(command, &lab, NEVER).spawn().expect("the program");
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
    let mut call = mpirun(&lab, NEVER, &[], 3, &RUN);
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
    let mut call = mpirun(&lab, NEVER, &[], 3, &RUN);
    assert_eq!(end(&mut call, &lab), Some(3), "{}", said(&lab));
    assert!(said(&lab).contains("sweep.toml:6:10"), "{}", said(&lab));
    assert!(!lab.path("r").join("sweep").exists());
}

#[test]
fn killed_ranks_cost_what_was_in_flight_and_nothing_hangs() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let seed = number("INFOPLANE_TEST_SEED", 20_261_124);
    let mut random = Random(seed);
    let mut landed = 0;
    for case in 0..number("INFOPLANE_TEST_CASES", 40).div_ceil(4).max(10) {
        let lab = lab();
        let survives = random.below(2) == 1;
        let flags: &[&str] = if survives { &["--enable-recovery"] } else { &[] };
        let mut call = mpirun(&lab, SOON, flags, 4, &RUN);
        // Moments by what is done, so that they fall within the job on any machine; the first ones into its start.
        let (done, victim) = (random.below(11) as usize, random.below(4) as usize);
        wait_for_trainings(&mut call, &lab, done);
        thread::sleep(Duration::from_millis(random.below(if done == 0 { 400 } else { 40 })));
        let pids: Vec<u32> = ranks(&lab).get(&victim).copied().into_iter().collect();
        landed += usize::from(!pids.is_empty());
        signal("KILL", &pids);
        let code = end(&mut call, &lab);
        let name = format!("seed {seed}, case {case}: rank {victim} killed, recovery {survives}, exit {code:?}");
        assert_no_ranks(&lab, &name);
        if lab.path("r/sweep").exists() {
            assert_whole(&lab, &EXPECTED, &name);
        }
    }
    println!("{landed} ranks killed");
    assert!(landed > 0, "no kill came in time");
}

#[test]
fn a_rank_that_dies_at_its_start_leaves_nobody_waiting() {
    let lab = lab();
    // Without recovery Open MPI ends the job; with it the others would wait in MPI_Init for the dead.
    let mut call = mpirun(&lab, "1", &["--enable-recovery"], 3, &RUN);
    let mut victim = None;
    wait_in(&mut call, &lab, "a rank that starts", || {
        victim = ranks(&lab).get(&1).copied();
        victim.is_some()
    });
    signal("KILL", victim.as_slice());
    assert_ne!(end(&mut call, &lab), None, "{}", said(&lab));
    assert_no_ranks(&lab, "a rank that dies at its start");
}

/// A job of three ranks, each in the middle of a task of its own, of which the last has been stopped and is missed.
fn job_that_misses_a_rank(lab: &Lab) -> (Child, u32) {
    let mut call = mpirun(lab, SOON, &[], LONG_TASKS, &RUN_WITH_CHECKPOINTS);
    wait_for_work(&mut call, lab, LONG_TASKS);
    let victim = ranks(lab)[&2];
    signal("STOP", &[victim]);
    // It holds a task, so nothing can be over without it before it is missed.
    let missed = wait_in(&mut call, lab, "a rank that is missed", || said(lab).contains("rank 2 has not been heard"));
    assert!(missed, "over without the task of the stopped rank: {}", said(lab));
    (call, victim)
}

#[test]
fn a_rank_that_stalls_is_missed_and_the_others_do_its_work() {
    let lab = lab_with(LONG);
    let (mut call, _) = job_that_misses_a_rank(&lab);
    // Its code is that of a job with a rank that never said good-bye, and Open MPI's to choose.
    end(&mut call, &lab);
    assert_no_ranks(&lab, "a rank that stalls");
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED_LONG, "a rank that stalls");
}

#[test]
fn a_rank_that_stalls_and_comes_back_is_welcome() {
    let lab = lab_with(LONG);
    let (mut call, victim) = job_that_misses_a_rank(&lab);
    // Its task begins again only now and lasts for seconds; to be heard takes milliseconds.
    signal("CONT", &[victim]);
    let heard = wait_in(&mut call, &lab, "a rank that is heard again", || said(&lab).contains("rank 2 is heard again"));
    assert!(heard, "over before the rank was heard: {}", said(&lab));
    // All ranks are there to say good-bye to each other, so it ends as it should; unless the machine starved one for so long that it was
    // missed at the end.
    let code = end(&mut call, &lab);
    let times = |text: &str| said(&lab).matches(text).count();
    assert!(code == Some(0) || times("has not been heard") > times("is heard again"), "{code:?}: {}", said(&lab));
    assert_no_ranks(&lab, "a rank that came back");
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED_LONG, "a rank that came back");
}

#[test]
fn a_warning_leaves_checkpoints_and_ends_with_the_code_of_an_interruption() {
    let lab = lab_with(LONG);
    let mut call = mpirun(&lab, NEVER, &[], LONG_TASKS, &RUN_WITH_CHECKPOINTS);
    let before = wait_for_work(&mut call, &lab, LONG_TASKS);
    // As a batch system warns all processes of a job.
    signal("USR2", &ranks(&lab).into_values().collect::<Vec<_>>());
    assert_eq!(end(&mut call, &lab), Some(5), "{}", said(&lab));
    let left = checkpointed(&lab.path("r"));
    let goes_on = |(path, bytes): (&PathBuf, &Vec<u8>)| left.get(path).is_some_and(|now| now != bytes);
    assert!(before.iter().all(goes_on), "each is left where its training stopped: {}", said(&lab));
    let resumed = lab.call(&["run", "sweep.toml", "--out", "r"]).expect(0).stderr;
    assert_eq!(resumed.matches("continued from epoch").count(), LONG_TASKS, "{resumed}");
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED_LONG, "after a warning");
}

/// `mpirun` over the two execution hosts of a cell, from its master.
fn across(cell: &Cell, lab: &Lab, arguments: &[&str]) -> Child {
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
    words.extend(arguments.iter().map(|&word| word.to_owned()));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    in_job(cell.command("qm", &words), lab, "15").spawn().expect("the script of the cell")
}

/// A job of Grid Engine in its parallel environment, by the script for that.
fn below_grid_engine(cell: &Cell) {
    let lab = lab();
    let template = script().with_file_name("sge").join("mpi.sh");
    let template = template.to_str().expect("a path in UTF-8");
    let settings = "OMPI_ALLOW_RUN_AS_ROOT=1,OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1,OMPI_MCA_btl_tcp_if_include=eth0,OMPI_MCA_oob_tcp_if_include=eth0";
    let mut words = vec!["qsub", "-cwd", "-j", "y", "-notify", "-r", "y", "-pe", "mpi", "4", "-v", settings, template];
    words.extend([env!("CARGO_BIN_EXE_infoplane"), "run", "sweep.toml", "--out", "r"]);
    assert_eq!(end(&mut in_job(cell.command("qm", &words), &lab, NEVER).spawn().expect("qsub"), &lab), Some(0), "{}", said(&lab));
    cell.wait_for("the tables of a job below Grid Engine", PATIENCE, || {
        lab.path("r/sweep/figures/accuracy.png").exists().then_some(())
    });
    cell.wait_for("the end of that job", PATIENCE, || (!cell.ask(&["qstat", "-u", "*"]).contains("mpi.sh")).then_some(()));
    assert_same_tables(&lab.result_tables("r", "sweep"), &EXPECTED, "below Grid Engine");
    let hosts = common::tables::Contents::read(&lab.table("r", "sweep", "provenance"));
    assert!(hosts.column("host").contains(&"n1") && hosts.column("host").contains(&"n2"), "one host did it all");
    assert!(hosts.column("launcher").iter().all(|launcher| *launcher == "mpi"));
}

#[test]
fn two_hosts_do_as_one_and_a_lost_one_ends_the_job_in_time() {
    let Some(cell) = Cell::up() else { return };
    let both = lab();
    let mut call = across(&cell, &both, &RUN);
    assert_eq!(end(&mut call, &both), Some(0), "{}", said(&both));
    assert_same_tables(&both.result_tables("r", "sweep"), &EXPECTED, "two hosts");
    let hosts = common::tables::Contents::read(&both.table("r", "sweep", "provenance"));
    let mut hosts = hosts.column("host");
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts, ["n1", "n2"]);
    below_grid_engine(&cell);

    for fate in ["kill", "lose"] {
        let lab = lab_with(LONG);
        let mut call = across(&cell, &lab, &RUN_WITH_CHECKPOINTS);
        // Three of four ranks are at work: one of them is there.
        wait_for_work(&mut call, &lab, LONG_TASKS);
        cell.fate(&[fate, "n2"]);
        let code = end(&mut call, &lab);
        assert_ne!(code, None, "{}", said(&lab));
        assert_whole(&lab, &EXPECTED_LONG, &format!("{fate} n2"));
        cell.fate(&["restore", "n2"]);
    }
}

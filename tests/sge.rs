//! On a real Grid Engine (`cluster/testcell`): tables equal to those of a local run to the byte, whatever happens to pilots, hosts and the
//! master. One cell for all, and one test after the other in it: they take its hosts away.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use common::cell::Cell;
use common::processes::{checkpoints, signal};
use common::{Lab, assert_same_tables, sweep};
use serde_json::Value;

/// Twelve tasks of a second or so. What is to befall a pilot in the middle of them is done while its workers are held.
static COHORT: LazyLock<String> = LazyLock::new(|| sweep("sweep", 6, 3000) + "\n[launcher.sge]\nheartbeat = 1\ndeadline = 5\n");
/// What takes longer than this never happens: a machine may be slow, and others may work on it.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often pilots leave checkpoints where a test looks for them.
const CHECKPOINTS: [&str; 2] = ["--checkpoint-every", "0.1"];

/// A laboratory that the cell's hosts see, and the program in it.
struct Bench<'a> {
    cell: &'a Cell,
    lab: Lab,
    expected: &'a BTreeMap<String, Vec<u8>>,
}

fn local_tables(cohort: &str) -> BTreeMap<String, Vec<u8>> {
    let lab = Lab::new();
    lab.write("sweep.toml", cohort);
    lab.call(&["run", "sweep.toml", "--out", "r"]).expect(0);
    lab.result_tables("r", "sweep")
}

impl<'a> Bench<'a> {
    fn new(cell: &'a Cell, expected: &'a BTreeMap<String, Vec<u8>>, cohort: &str) -> Self {
        let lab = Lab::new();
        lab.write("sweep.toml", cohort);
        Self { cell, lab, expected }
    }

    /// Calls the program on the master's host; its stdout, or the code if that is not `code`.
    #[track_caller]
    fn call(&self, arguments: &[&str], code: i32) -> (String, String) {
        let program = env!("CARGO_BIN_EXE_infoplane");
        let mut command = self.cell.command("qm", &[&[program], arguments].concat());
        let output = command.current_dir(self.lab.path("")).env("HOME", self.lab.path("")).output().expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}\n{}", self.logs());
        (stdout, stderr)
    }

    /// Submits the cohort; the number of its job.
    #[track_caller]
    fn submit(&self, pilots: u32) -> u64 {
        let pilots = pilots.to_string();
        let arguments = ["run", "sweep.toml", "--launcher", "sge", "--out", "r", "--workers", &pilots, "--json"];
        let (stdout, _) = self.call(&[&arguments[..], &CHECKPOINTS].concat(), 0);
        let report: Value = serde_json::from_str(&stdout).expect("a report");
        report["jobs"][0].as_u64().expect("a job")
    }

    fn sweeps(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.lab.path("r/.infoplane/sweeps")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// All that pilots said.
    fn logs(&self) -> String {
        let mut text = String::new();
        for sweep in self.sweeps() {
            for log in fs::read_dir(sweep.join("logs")).into_iter().flatten().flatten() {
                text += &format!("== {}\n{}", log.path().display(), fs::read_to_string(log.path()).unwrap_or_default());
            }
        }
        text
    }

    fn has_ended(&self) -> bool {
        let journal = |sweep: PathBuf| fs::read_to_string(sweep.join("journal.jsonl")).unwrap_or_default();
        self.sweeps().into_iter().any(|sweep| journal(sweep).lines().any(|line| line == "\"ended\""))
    }

    /// Ids of the processes that lead pilots, on one host or on all.
    fn pilots(&self, host: Option<&str>) -> Vec<u32> {
        self.processes(true).into_iter().filter(|&pid| host.is_none_or(|host| hostname(pid).as_deref() == Some(host))).collect()
    }

    /// Ids of the processes of pilots: those that lead them, or their workers.
    fn processes(&self, lead: bool) -> Vec<u32> {
        let store = self.lab.path("r").canonicalize().unwrap_or_default();
        let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let of_ours = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<String> =
                line.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            let is_pilot = words.iter().any(|word| word.starts_with("--pilot="));
            let is_ours = words.iter().any(|word| *word == format!("--out={}", store.display()));
            is_pilot == lead && is_ours && words.get(1).is_some_and(|word| word == "worker")
        };
        pids.filter(of_ours).collect()
    }

    /// Waits until so many pilots are in the middle of a batch, each with a worker, and holds them there: the workers stand still, so that
    /// nothing ends before all is done that is to be done.
    #[track_caller]
    fn hold_pilots(&self, count: usize) -> Vec<u32> {
        self.cell.wait_for("pilots at work", PATIENCE, || {
            let (pilots, workers) = (self.processes(true), self.processes(false));
            signal("STOP", &workers);
            let has_worker = |pilot: &u32| workers.iter().any(|worker| parent(*worker) == Some(*pilot));
            (pilots.len() >= count && pilots.iter().all(has_worker)).then_some(pilots)
        })
    }

    /// Lets workers go on.
    fn go_on(&self, whose: impl Fn(u32) -> bool) {
        let workers: Vec<u32> = self.processes(false).into_iter().filter(|&worker| whose(worker)).collect();
        signal("CONT", &workers);
    }

    /// Waits until the sweep has ended by itself, and compares.
    #[track_caller]
    fn assert_completes(&self, case: &str) {
        let start = Instant::now();
        while !self.has_ended() {
            if start.elapsed() > PATIENCE {
                let jobs = self.cell.ask(&["qstat", "-f"]);
                panic!("{case}: the sweep has not ended\n{jobs}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_same_tables(&self.lab.result_tables("r", "sweep"), self.expected, case);
        // Nobody is left, and the leases are gone.
        self.cell.wait_for(&format!("{case}: the end of all pilots"), PATIENCE, || self.pilots(None).is_empty().then_some(()));
        assert_eq!(fs::read_dir(self.lab.path("r/.infoplane/leases")).expect("leases").count(), 0, "{case}");
    }
}

/// The host name that a process sees: those of a cell share a kernel.
fn hostname(pid: u32) -> Option<String> {
    let uts = format!("/proc/{pid}/ns/uts");
    let output = std::process::Command::new("nsenter").arg(format!("--uts={uts}")).arg("hostname").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The process that started a process.
fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// What is done to a sweep; its tables must be as they are here.
type Case = fn(&Cell, &BTreeMap<String, Vec<u8>>);

#[test]
fn a_real_grid_engine_and_what_can_befall_it() {
    let Some(cell) = Cell::up() else { return };
    let expected = local_tables(&COHORT);
    let start = Instant::now();
    let cases: [(&str, Case); 13] = [
        ("arrays of 3 and 8", arrays),
        ("names that a shell would read otherwise", names),
        ("a killed pilot and a deleted task", killed),
        ("a suspended job", suspended),
        ("a lost host that comes back", lost_host),
        ("a stopped execution daemon", stopped_execd),
        ("a restarted master", restarted_master),
        ("a warning", warned),
        ("too little memory", out_of_memory),
        ("a job over its time", over_time),
        ("a queue in error", queue_in_error),
        ("cancel, and an orphan", cancelled),
        ("a hundred thousand tasks", many_tasks),
    ];
    for (name, case) in cases {
        let began = Instant::now();
        case(&cell, &expected);
        println!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    }
    println!("all: {:.1} s", start.elapsed().as_secs_f64());
}

fn arrays(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    // Nobody is taken for dead here, so each task is done once, on a machine that hardly gets on, too.
    let cohort = COHORT.replace("deadline = 5", "deadline = 300");
    for pilots in [3, 8] {
        let bench = Bench::new(cell, expected, &cohort);
        // Detached: nobody logs in again.
        let job = bench.submit(pilots);
        bench.assert_completes(&format!("{pilots} pilots"));
        let words = ["qacct", "-j", &job.to_string()];
        let accounts =
            || cell.command("qm", &words).output().map(|o| String::from_utf8_lossy(&o.stdout).matches("taskid").count());
        // It is written with a delay.
        cell.wait_for("the record of every pilot", PATIENCE, || (accounts().ok()? == pilots as usize).then_some(()));
        assert!(bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "r"], 0).1.contains("nothing to do"));
        let records = |kind| bench.lab.records("r", kind);
        assert_eq!((records(common::TRAINING), records(common::ATTEMPT)), (12, 12), "{pilots} pilots: each once");
    }
    // Staying shows how far it is, and ends with the code of the runs.
    let bench = Bench::new(cell, expected, &COHORT);
    let (_, stderr) = bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "r", "--workers", "4", "--wait"], 0);
    assert!(stderr.contains("12 of 12 runs done; tables in"), "{stderr}");
    bench.assert_completes("--wait");
}

fn names(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let label = "it's \\\"q\\\" $(touch pwned) `id` ../..";
    let cohort = format!("{}[[include]]\nlabel = \"{label}\"\nepochs = 20\n", COHORT.replace("3000", "30"));
    let bench = Bench::new(cell, expected, &cohort);
    let nasty = "o'u \"t\" $(touch pwned)\n#$ -N evil\nend";
    fs::create_dir_all(bench.lab.path(nasty).join("x")).expect("a directory");
    let out = &format!("{nasty}/x/../s p");
    bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", out, "--wait"], 0);
    bench.call(&["run", "sweep.toml", "--out", "local"], 0);
    assert_same_tables(&bench.lab.result_tables(out, "sweep"), &bench.lab.result_tables("local", "sweep"), "names");
    let here: Vec<_> = common::tree(&bench.lab.path("")).into_keys().filter(|path| path.ends_with("pwned")).collect();
    assert!(here.is_empty() && !Path::new("/pwned").exists(), "a shell has read a name");
    let (stdout, _) = bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "o'u $(id)", "--dry-run"], 0);
    assert!(stdout.contains("-C ''") && !bench.lab.path("o'u $(id)").exists(), "{stdout}");
}

fn killed(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    let job = bench.submit(4);
    let pilots = bench.hold_pilots(4);
    signal("KILL", &pilots[..1]);
    cell.ask(&["qdel", &format!("{job}.2")]);
    bench.go_on(|_| true);
    bench.assert_completes("a killed pilot and a deleted task");
}

fn suspended(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    let job = bench.submit(3);
    let pilots = bench.hold_pilots(3);
    let is_second =
        |pid: &&u32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|e| e.split(|&b| b == 0).any(|v| v == b"SGE_TASK_ID=2"));
    let other = *pilots.iter().find(is_second).expect("the second pilot");
    // Stopped without a warning, with its workers: another takes its batch over, and when it goes on it finds its lease lost.
    let group = |signal: &str| {
        let status = std::process::Command::new("sh").args(["-c", &format!("kill -s {signal} -- -{other}")]).status();
        assert!(status.expect("a shell").success());
    };
    group("STOP");
    // Warned first (`-notify`), a pilot gives its batch back and asks to be started again.
    cell.ask(&["qmod", "-sj", &format!("{job}.1")]);
    bench.go_on(|worker| parent(worker) != Some(other));
    cell.wait_for("a batch that is taken over", PATIENCE, || {
        let ended = bench.has_ended();
        let taken = bench.logs().contains("taken over from one that is silent");
        assert!(taken || !ended, "ended without the stopped pilot's batch");
        taken.then_some(())
    });
    // Whoever has it now is held, so that the sweep is there when the other goes on.
    signal("STOP", &bench.processes(false));
    group("CONT");
    cell.wait_for("a lease that is lost", PATIENCE, || bench.logs().contains("the lease is lost").then_some(()));
    bench.go_on(|_| true);
    let _ = cell.command("qm", &["qmod", "-usj", &format!("{job}.1")]).output();
    bench.assert_completes("a suspended job");
    assert!(bench.logs().contains("leaves what is done and goes"), "{}", bench.logs());
}

fn lost_host(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    // More than one host has slots for.
    bench.submit(6);
    bench.hold_pilots(6);
    let [others, host] = ["n1", "n2"];
    assert!(!bench.pilots(Some(host)).is_empty() && !bench.pilots(Some(others)).is_empty(), "one host has them all");
    cell.fate(&["lose", host]);
    bench.go_on(|worker| hostname(worker).as_deref() == Some(others));
    cell.wait_for("the end of the sweep without the host", PATIENCE, || bench.has_ended().then_some(()));
    assert_same_tables(&bench.lab.result_tables("r", "sweep"), expected, "without the host");
    cell.fate(&["restore", host]);
    // Its pilots learn that they have lost their leases, and end; nothing changes.
    bench.assert_completes("a lost host that came back");
    bench.call(&["aggregate", "sweep", "--out", "r"], 0);
    assert_same_tables(&bench.lab.result_tables("r", "sweep"), expected, "after the host came back");
}

fn restarted_master(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    bench.submit(3);
    bench.hold_pilots(3);
    cell.fate(&["restart-master"]);
    bench.go_on(|_| true);
    bench.assert_completes("a restarted master");
}

fn stopped_execd(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    bench.submit(4);
    bench.hold_pilots(4);
    // Its jobs run on, unattended.
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_daemon = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sge_execd");
    let daemons: Vec<u32> = pids.filter(|pid| is_daemon(pid) && hostname(*pid).as_deref() == Some("n2")).collect();
    assert!(!daemons.is_empty(), "no daemon on n2");
    signal("KILL", &daemons);
    bench.go_on(|_| true);
    bench.assert_completes("a stopped execution daemon");
    let again = cell.command("n2", &["sge_execd"]).output().expect("the script");
    assert!(again.status.success(), "{again:?}");
    cell.wait_for("the daemon", PATIENCE, || (!cell.ask(&["qstat", "-f"]).contains("lx-amd64      au")).then_some(()));
}

fn warned(cell: &Cell, _: &BTreeMap<String, Vec<u8>>) {
    let cohort = COHORT.replace("3000", "20000").replace("n_runs = 6", "n_runs = 1");
    let expected = local_tables(&cohort);
    let bench = Bench::new(cell, &expected, &cohort);
    bench.submit(2);
    // In the middle of a training of seconds.
    cell.wait_for("a training under way", PATIENCE, || (!checkpoints(&bench.lab.path("r")).is_empty()).then_some(()));
    // As `-notify` and `s_rt` do. What a training has done is not lost: the job, started again, goes on from there.
    signal("USR2", &bench.pilots(None));
    bench.assert_completes("a warning");
    let logs = bench.logs();
    assert!(logs.contains("Requeue") && logs.contains("continued from epoch"), "{logs}");
}

fn out_of_memory(cell: &Cell, _: &BTreeMap<String, Vec<u8>>) {
    // A layer whose activations alone are more than the first pilots get; four times that is enough.
    let cohort = COHORT
        .replace("n_runs = 6", "n_runs = 1")
        .replace("epochs = 3000", "epochs = 1\narchitecture = [16000]")
        .replace("\"upper\"", "")
        .replace("[launcher.sge]\n", "[launcher.sge]\nmemory = \"400M\"\nmax_memory = \"6G\"\n");
    let expected = local_tables(&cohort);
    let bench = Bench::new(cell, &expected, &cohort);
    bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "r", "--wait", "--workers", "1"], 0);
    assert_same_tables(&bench.lab.result_tables("r", "sweep"), &expected, "too little memory");
    let provenance = common::tables::Contents::read(&bench.lab.table("r", "sweep", "provenance"));
    assert!(provenance.column("status").contains(&"oom"), "{provenance:?}\n{}", bench.logs());
}

fn over_time(cell: &Cell, _: &BTreeMap<String, Vec<u8>>) {
    // A pilot's share does not fit into the time: each does what it can, and is started again.
    let cohort = COHORT.replace("n_runs = 6", "n_runs = 10").replace("[launcher.sge]\n", "[launcher.sge]\nh_rt = 6\n");
    let expected = local_tables(&cohort);
    let bench = Bench::new(cell, &expected, &cohort);
    bench.submit(2);
    bench.assert_completes("a job over its time");
    let logs = bench.logs();
    let lives: Vec<f64> =
        logs.lines().filter_map(|line| line.strip_prefix("ends after ")?.split(' ').next()?.parse().ok()).collect();
    // On a machine that is several times as fast it does fit, and then nobody lived as long as he might.
    assert!(logs.contains("Requeue") || (!lives.is_empty() && lives.iter().all(|&seconds| seconds < 5.7)), "{logs}");
}

fn queue_in_error(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(cell, expected, &COHORT);
    // A job that cannot be started, as a site's prolog can see to, puts its queue into state E.
    cell.ask(&["qconf", "-mattr", "queue", "prolog", "/bin/false", "all.q"]);
    let job = bench.submit(2);
    cell.wait_for("trouble", PATIENCE, || {
        let states = cell.ask(&["qstat", "-f"]);
        (states.contains(" E\n") || states.contains("lx-amd64      E") || states.contains("Eqw")).then_some(())
    });
    let told = cell.wait_for("advice", PATIENCE, || {
        let (stdout, _) = bench.call(&["status", "sweep", "--out", "r"], 0);
        (stdout.contains("qmod -cq") || stdout.contains("qmod -cj")).then_some(stdout)
    });
    cell.ask(&["qconf", "-mattr", "queue", "prolog", "NONE", "all.q"]);
    cell.ask(&["qmod", "-cq", "all.q"]);
    let _ = cell.command("qm", &["qmod", "-cj", &job.to_string()]).stderr(Stdio::null()).stdout(Stdio::null()).status();
    bench.assert_completes(&told);
}

fn cancelled(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    // Of hours, so that nothing ends by itself.
    let bench = Bench::new(cell, expected, &COHORT.replace("3000", "10000000"));
    let job = bench.submit(3);
    bench.hold_pilots(3);
    bench.go_on(|_| true);
    // As after a crash between qsub and the journal: the job's number was never written down.
    for sweep in bench.sweeps() {
        let journal = fs::read_to_string(sweep.join("journal.jsonl")).expect("a journal");
        let kept: Vec<&str> = journal.lines().filter(|line| !line.contains("\"job\"")).collect();
        fs::write(sweep.join("journal.jsonl"), kept.join("\n") + "\n").expect("a journal");
    }
    let (_, again) = bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "r"], 0);
    assert!(again.contains("is under way already"), "{again}");
    bench.call(&["cancel", "sweep", "--out", "r"], 0);
    cell.wait_for("the end of the job", PATIENCE, || {
        let jobs = cell.ask(&["qstat", "-u", "*"]);
        (!jobs.lines().any(|line| line.trim_start().starts_with(&format!("{job} ")))).then_some(())
    });
    cell.wait_for("the end of all pilots", PATIENCE, || bench.pilots(None).is_empty().then_some(()));
    assert!(!bench.has_ended());
}

fn many_tasks(cell: &Cell, expected: &BTreeMap<String, Vec<u8>>) {
    let cohort = "name = \"sweep\"\nn_runs = 100000\n[experiment]\nepochs = 0\nestimators = []\n[launcher.sge]\nheartbeat = 1\ndeadline = 10\n";
    let bench = Bench::new(cell, expected, cohort);
    let start = Instant::now();
    let (stdout, _) = bench.call(&["run", "sweep.toml", "--launcher", "sge", "--out", "r", "--workers", "4", "--json"], 0);
    println!("  submitted in {:.1} s", start.elapsed().as_secs_f64());
    let report: Value = serde_json::from_str(&stdout).expect("a report");
    assert_eq!((report["tasks"].as_u64(), report["jobs"].as_array().map(Vec::len)), (Some(100_000), Some(1)));
    cell.wait_for("the end of the sweep", PATIENCE, || bench.has_ended().then_some(()));
    println!("  ended after {:.1} s", start.elapsed().as_secs_f64());
    let runs = common::tables::Contents::read(&bench.lab.table("r", "sweep", "runs"));
    assert_eq!(runs.rows_where("status", "ok").len(), 100_000);
}

//! Whatever is killed, torn, flipped or full: the store stays usable, and `run` ends with the tables of an undisturbed store, to the byte.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use common::mounts::SmallDisk;
use common::processes::{assert_no_orphans, checkpoints, signal, wait_for, wait_for_end, wait_for_workers, workers};
use common::random::Random;
use common::tables::Contents;
use common::{Lab, TABLES, TRAINING, assert_same_tables, finish, program, sweep};
use serde_json::Value;

/// Six tasks of a few tenths of a second, most of it training, with a measurement behind it.
static COHORT: LazyLock<String> = LazyLock::new(|| sweep("chaos", 3, 1000));
const TASKS: usize = 6;
/// A training that takes an hour: whatever waits for its end hangs.
const ENDLESS: &str = "name = \"chaos\"\nn_runs = 4\n[experiment]\nepochs = 10000000\nestimators = []\n";

/// An undisturbed store, and how long it took.
struct Undisturbed {
    tables: BTreeMap<String, Vec<u8>>,
    /// Every file by its path below the store.
    files: Vec<(PathBuf, Vec<u8>)>,
    took: Duration,
}

fn undisturbed() -> &'static Undisturbed {
    static ONCE: OnceLock<Undisturbed> = OnceLock::new();
    ONCE.get_or_init(|| {
        let lab = lab(&COHORT);
        let start = Instant::now();
        lab.call(&["run", "chaos.toml", "--out", "r"]).expect(0);
        let took = start.elapsed();
        let root = lab.path("r");
        let relative = |path: PathBuf| path.strip_prefix(&root).expect("below the store").to_owned();
        let files = common::tree(&root).into_iter().filter_map(|(path, (content, _))| Some((relative(path), content?))).collect();
        Undisturbed { tables: lab.result_tables("r", "chaos"), files, took }
    })
}

fn lab(cohort: &str) -> Lab {
    let lab = Lab::new();
    lab.write("chaos.toml", cohort);
    lab
}

/// A laboratory with a copy of the undisturbed store.
fn lab_with_store() -> Lab {
    let lab = lab(&COHORT);
    for (path, bytes) in &undisturbed().files {
        let path = lab.path("r").join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory of the store");
        fs::write(path, bytes).expect("a file of the store");
    }
    lab
}

/// The absolute path of the laboratory's store: workers are known by it.
fn store(lab: &Lab) -> PathBuf {
    lab.path("r")
}

/// Starts a run that goes on by itself, and leaves checkpoints so often that it can be seen who trains.
fn start(lab: &Lab, arguments: &[&str]) -> Child {
    let mut command = lab.command(&["run", "chaos.toml", "--checkpoint-every", "0.02", "--out"]);
    let stderr = fs::OpenOptions::new().create(true).append(true).open(lab.path("said")).expect("a file");
    command.arg(store(lab)).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    command.spawn().expect("the program starts")
}

/// What the calls that were started have said so far.
fn said(lab: &Lab) -> String {
    fs::read_to_string(lab.path("said")).unwrap_or_default()
}

/// Waits until so many trainings have been under way, whoever may have lost them since.
#[track_caller]
fn wait_for_trainings(lab: &Lab, count: usize) {
    wait_for("trainings under way", || (checkpoints(&store(lab)).len() >= count).then_some(()));
}

/// Runs to the end and compares; then there is nothing left to do, and nothing left over.
#[track_caller]
fn assert_recovers(lab: &Lab, case: &str) -> String {
    let out = store(lab).display().to_string();
    let run = lab.call(&["run", "chaos.toml", "--out", &out]).expect(0);
    assert_same_tables(&lab.result_tables("r", "chaos"), &undisturbed().tables, case);
    assert!(lab.call(&["run", "chaos.toml", "--out", &out]).expect(0).stderr.contains("nothing to do"), "{case}");
    assert_no_orphans(&store(lab));
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let mut expected: Vec<String> = TABLES.iter().map(|name| format!("{name}.parquet")).collect();
    expected.extend(["cohort.toml", "figures", "state.json"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(&store(lab).join("chaos")), expected, "{case}");
    run.stderr
}

/// A time after which a run of the cohort is mostly still under way: a part of an undisturbed one, but short if that was held up.
fn moment(random: &mut Random) -> Duration {
    let most = (undisturbed().took / 3).min(Duration::from_millis(400));
    Duration::from_millis(random.below(u64::try_from(most.as_millis()).expect("a short time").max(1)))
}

#[test]
fn coordinator_and_workers_killed_five_times() {
    for seed in [1, 2] {
        let (lab, mut random) = (lab(&COHORT), Random(seed));
        let mut landed = 0;
        for _ in 0..5 {
            let mut call = start(&lab, &["--workers", "2"]);
            thread::sleep(moment(&mut random));
            let victims = [workers(&store(&lab)), vec![call.id()]].concat();
            landed += usize::from(call.try_wait().expect("the state of a child").is_none());
            signal("KILL", &victims);
            wait_for_end(&mut call);
            assert_no_orphans(&store(&lab));
        }
        println!("seed {seed}: {landed} of five kills came in time");
        assert_recovers(&lab, &format!("killed {landed} times, seed {seed}"));
        assert_eq!(lab.trainings("r"), TASKS, "seed {seed}");
    }
}

#[test]
fn workers_of_a_killed_coordinator_end() {
    let lab = lab(ENDLESS);
    let mut call = start(&lab, &["--workers", "2"]);
    wait_for("two workers", || (workers(&store(&lab)).len() == 2).then_some(()));
    signal("KILL", &[call.id()]);
    wait_for_end(&mut call);
    assert_no_orphans(&store(&lab));
}

#[test]
fn killed_workers_cost_what_they_had_begun_and_no_more() {
    let (lab, mut random) = (lab(&COHORT), Random(3));
    let mut call = start(&lab, &["--workers", "2"]);
    let mut kills = 0;
    for _ in 0..3 {
        let Some(&victim) = wait_for_workers(&mut call, &store(&lab)).first() else { break };
        signal("KILL", &[victim]);
        kills += 1;
        thread::sleep(moment(&mut random));
    }
    assert_eq!(wait_for_end(&mut call).code(), Some(0), "{}", said(&lab));
    let provenance = Contents::read(&lab.table("r", "chaos", "provenance"));
    let lost = provenance.rows_where("status", "lost").len();
    // A worker that is killed before its first task, or between two, loses none.
    assert!(lost <= kills, "{kills} kills, {lost} attempts lost");
    assert_eq!(provenance.rows_where("status", "ok").len(), TASKS);
    assert_recovers(&lab, "workers killed");
}

#[test]
fn workers_killed_in_the_middle_of_their_tasks_are_told_and_counted() {
    let lab = lab(ENDLESS);
    let mut call = start(&lab, &["--workers", "2"]);
    for kills in 1..=3 {
        // Two are at work; each that is killed leaves a checkpoint, and whoever takes its place begins another task.
        wait_for_trainings(&lab, kills + 1);
        signal("KILL", &workers(&store(&lab))[..1]);
        let told = || said(&lab).matches("killed by signal 9; it will be tried again").count();
        wait_for("a loss that is told", || (told() >= kills).then_some(()));
        assert_eq!(told(), kills, "{}", said(&lab));
    }
    signal("TERM", &[call.id()]);
    assert_eq!(wait_for_end(&mut call).code(), Some(5));
    lab.call(&["aggregate", "chaos", "--out", "r"]).expect(0);
    let provenance = Contents::read(&lab.table("r", "chaos", "provenance"));
    let lost = provenance.rows_where("status", "lost");
    assert_eq!(lost.len(), 3, "{provenance:?}");
    assert!(lost.iter().all(|row| row.iter().any(|cell| cell.contains("signal 9"))), "{provenance:?}");
}

#[test]
fn one_interrupt_finishes_what_is_under_way() {
    let lab = lab(&COHORT);
    let mut call = start(&lab, &["--workers", "1"]);
    // In the middle of its first task, and there it stays until the interrupt is heard: what it may finish is what it has begun.
    wait_for_trainings(&lab, 1);
    let worker = workers(&store(&lab));
    signal("STOP", &worker);
    signal("INT", &[call.id()]);
    wait_for("an interrupt that is heard", || said(&lab).contains("finishing what is under way").then_some(()));
    signal("CONT", &worker);
    assert_eq!(wait_for_end(&mut call).code(), Some(5));
    assert!(said(&lab).contains("tasks left"), "{}", said(&lab));
    let trained = lab.records("r", TRAINING);
    assert!((1..TASKS).contains(&trained), "{trained} trainings");
    let plan = lab.call(&["plan", "chaos.toml", "--out", "r", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    assert_eq!((plan["done"].as_u64(), plan["missing"].as_u64()), (Some(trained as u64), Some((TASKS - trained) as u64)));
    assert_recovers(&lab, "drained");
    assert_eq!(lab.records("r", TRAINING), TASKS);
}

#[test]
fn a_second_interrupt_or_a_termination_stops_at_once() {
    for signals in [&["INT", "INT"][..], &["TERM"], &["HUP"]] {
        let lab = lab(ENDLESS);
        let mut call = start(&lab, &["--workers", "2"]);
        wait_for_trainings(&lab, 2);
        for (place, name) in signals.iter().enumerate() {
            assert_eq!(call.try_wait().expect("the state of a child"), None, "{signals:?}: over too early");
            signal(name, &[call.id()]);
            if place + 1 < signals.len() {
                // Two signals at once would count as one.
                wait_for("an interrupt that is heard", || said(&lab).contains("finishing what is under way").then_some(()));
            }
        }
        assert_eq!(wait_for_end(&mut call).code(), Some(5), "{signals:?}");
        assert_no_orphans(&store(&lab));
        // Resumable: the same store takes another cohort of that name.
        lab.write("chaos.toml", "name = \"chaos\"\n[experiment]\nepochs = 1\nestimators = []\n");
        lab.call(&["run", "chaos.toml", "--out", "r"]).expect(0);
    }
}

#[test]
fn a_cut_segment_costs_what_it_held() {
    let mut random = Random(4);
    for _ in 0..3 {
        let lab = lab_with_store();
        let segments = lab.segments("r");
        let segment = &segments[random.below(segments.len() as u64) as usize];
        let length = fs::metadata(segment).expect("a segment").len();
        // Behind this stands the record of the last attempt, which no result needs.
        let cut = random.below(length * 9 / 10);
        fs::File::options().write(true).open(segment).and_then(|file| file.set_len(cut)).expect("a cut");
        let plan: Value =
            serde_json::from_str(&lab.call(&["plan", "chaos.toml", "--out", "r", "--json"]).expect(0).stdout).expect("JSON");
        assert!(plan["missing"].as_u64() > Some(0), "cut at {cut} of {length}: {plan}");
        lab.call(&["aggregate", "chaos", "--out", "r"]);
        let said = assert_recovers(&lab, &format!("cut at {cut} of {length}"));
        assert!(cut < 24 || said.contains("breaks off at byte"), "cut at {cut} of {length}: {said}");
    }
}

#[test]
fn a_flipped_bit_is_named_and_what_it_hit_is_computed_again() {
    let mut random = Random(5);
    for _ in 0..4 {
        let lab = lab_with_store();
        let segments = lab.segments("r");
        let segment = &segments[random.below(segments.len() as u64) as usize];
        let mut bytes = fs::read(segment).expect("a segment");
        let bit = random.below(bytes.len() as u64 * 8);
        bytes[bit as usize / 8] ^= 1 << (bit % 8);
        fs::write(segment, bytes).expect("a damaged segment");
        // Without this the tables, made while all was whole, need no record.
        fs::remove_file(lab.table("r", "chaos", "measures")).expect("a table");
        let said = assert_recovers(&lab, &format!("bit {bit} flipped"));
        let name = segment.file_name().expect("a name").to_string_lossy();
        assert!(said.contains("WARN") && said.contains(&*name) && said.contains("damaged"), "bit {bit}: {said}");
    }
}

#[test]
fn damage_found_by_aggregate_is_told_and_repaired_by_run() {
    let lab = lab_with_store();
    let segment = lab.segments("r").remove(0);
    let frames = common::frames(&segment);
    let frame = frames.iter().find(|frame| frame.kind == TRAINING).expect("a training");
    let mut bytes = fs::read(&segment).expect("a segment");
    bytes[frame.offset + frame.length - 1] ^= 0x10;
    fs::write(&segment, bytes).expect("a damaged segment");
    let call = lab.call(&["aggregate", "chaos", "--out", "r"]);
    let id: String = frame.id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(call.stderr.contains("damaged") && call.stderr.contains(&id), "{}", call.stderr);
    let runs = Contents::read(&lab.table("r", "chaos", "runs"));
    assert_eq!(runs.rows_where("status", "missing").len(), 1);
    assert_recovers(&lab, "damage found by aggregate");
}

#[test]
fn files_of_others_among_the_segments_are_named_and_left_alone() {
    let lab = lab_with_store();
    let foreign = store(&lab).join(".infoplane/segments/notes.seg");
    fs::write(&foreign, "not a segment, but something that somebody may want to keep\n".repeat(9)).expect("a file");
    fs::remove_file(lab.table("r", "chaos", "runs")).expect("a table");
    let said = assert_recovers(&lab, "a foreign file");
    assert!(said.contains("notes.seg") && said.contains("not a segment"), "{said}");
    assert!(foreign.exists());
}

#[test]
fn two_coordinators_on_one_store() {
    let lab = lab(&COHORT);
    let mut calls = [start(&lab, &["--workers", "1"]), start(&lab, &["--workers", "1"])];
    for call in &mut calls {
        assert_eq!(wait_for_end(call).code(), Some(0), "{}", said(&lab));
    }
    assert_recovers(&lab, "two coordinators");
}

#[test]
fn a_store_that_cannot_be_is_refused() {
    let lab = lab(&COHORT);
    lab.write("file", "");
    for arguments in [&["run", "chaos.toml", "--out", "file/r"][..], &["run", "chaos.toml", "--out", "file"]] {
        let call = lab.call(arguments).expect(6);
        assert!(call.stderr.starts_with("error: cannot ") && call.stderr.contains("file"), "{}", call.stderr);
    }
}

#[test]
fn a_full_disk_stops_the_run_and_space_lets_it_go_on() {
    let lab = lab(&COHORT);
    let Some(disk) = SmallDisk::mount(store(&lab), "size=600k") else {
        eprintln!("skipped: this process may not mount a small file system");
        return;
    };
    let out = store(&lab).display().to_string();
    // One worker writes one segment, which is full when some trainings are in it.
    let full = lab.call(&["run", "chaos.toml", "--out", &out, "--workers", "1"]).expect(6);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    let kept = lab.records("r", TRAINING);
    assert!((1..TASKS).contains(&kept), "{kept} trainings fit");
    disk.remount("size=64m");
    assert_recovers(&lab, "after a full disk");
    assert_eq!(lab.records("r", TRAINING), TASKS, "what was committed is used");
}

#[test]
fn a_worker_alone_ends_with_its_orders() {
    let lab = lab(&COHORT);
    let mut command = program();
    command.current_dir(lab.path("")).args(["worker", "--out", "r"]);
    let worker = finish(command).expect(0);
    assert_eq!((worker.stdout.as_str(), worker.stderr.as_str()), ("", ""));
}

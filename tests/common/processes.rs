//! Processes of the program: found in `/proc`, signalled by their ids.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer than this never happens: a machine may be slow, and others may work on it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Time between two looks.
const NAP: Duration = Duration::from_millis(2);

/// Ids of the workers on the store at `store`, an absolute path that no other test uses. Zombies have no command line, so they do not count.
pub fn workers(store: &Path) -> Vec<u32> {
    let store = store.to_str().expect("a path in UTF-8").as_bytes();
    let pids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_ours = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
        words.get(1) == Some(&&b"worker"[..]) && words.iter().any(|word| word.strip_prefix(b"--out=") == Some(store))
    };
    pids.filter(of_ours).collect()
}

/// Sends `signal` to processes that may be gone by now.
pub fn signal(signal: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(u32::to_string);
    // The shell's own `kill`: not every machine has the program.
    let script = format!("kill -s {signal} \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "kill"]).args(pids).stderr(Stdio::null());
    command.status().expect("a shell");
}

/// Waits until `ready` gives something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(NAP);
    }
}

/// Waits until workers are at work on the store; no ids if the call is over before.
pub fn wait_for_workers(call: &mut Child, store: &Path) -> Vec<u32> {
    wait_for("workers at work", || {
        let pids = workers(store);
        let over = call.try_wait().expect("the state of a child").is_some();
        (!pids.is_empty() || over).then_some(pids)
    })
}

/// Waits for the end of a call.
#[track_caller]
pub fn wait_for_end(call: &mut Child) -> ExitStatus {
    wait_for("the end of a call", || call.try_wait().expect("the state of a child"))
}

/// Paths of the checkpoints of a store, by name: trainings that are under way, or were when their worker died.
pub fn checkpoints(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join(".infoplane/checkpoints")).into_iter().flatten().flatten();
    let mut paths: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "checkpoint")).collect();
    paths.sort();
    paths
}

/// The bytes of those checkpoints. One that is removed meanwhile is none.
pub fn checkpointed(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    checkpoints(store).into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect()
}

/// Fails if a worker stays on the store.
#[track_caller]
pub fn assert_no_orphans(store: &Path) {
    wait_for("the end of all workers", || workers(store).is_empty().then_some(()));
}

//! The private cluster of `cluster/testcell`: up for a test, down when that ends, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Which of ten cells: others may be up on the same machine.
const NUMBER: &str = "7";

/// A cell that is up, and the lock that keeps other tests from it: what they took down or lost would be missed here.
pub struct Cell {
    _alone: File,
}

/// The script.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/testcell")
}

fn testcell(arguments: &[&str]) -> Command {
    let mut command = Command::new(script());
    command.env("INFOPLANE_TESTCELL", NUMBER).args(arguments).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Cell {
    /// Brings a cell up; `None`, and says so, where that cannot be: not root, or no packages of Debian's. What an earlier test left of it
    /// is taken down first.
    pub fn up() -> Option<Self> {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        let has_apt = Command::new("apt-get").arg("--version").output().is_ok();
        if !is_root || !has_apt {
            eprintln!("skipped: a cell takes root and Debian's packages");
            return None;
        }
        let alone = File::create(std::env::temp_dir().join(format!("infoplane-testcell-{NUMBER}.lock"))).expect("a lock");
        alone.lock().expect("a lock");
        let down = testcell(&["down"]).output().expect("the script");
        assert!(down.status.success(), "{}", text(&down));
        let up = testcell(&["up"]).output().expect("the script");
        assert!(up.status.success(), "{}", text(&up));
        Some(Self { _alone: alone })
    }

    /// A command on a host.
    pub fn command(&self, host: &str, words: &[&str]) -> Command {
        testcell(&[&["exec", host], words].concat())
    }

    /// Runs a command on the master's host and gives what it printed.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.command("qm", words).output().expect("the script");
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        text(&output)
    }

    /// `lose`, `kill`, `restore` a host; `restart-master`.
    #[track_caller]
    pub fn fate(&self, words: &[&str]) {
        let output = testcell(words).output().expect("the script");
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = ready() {
                return found;
            }
            if start.elapsed() > patience {
                let jobs = self.command("qm", &["qstat", "-f"]).output().map(|output| text(&output)).unwrap_or_default();
                panic!("{what}: not within {patience:?}\n{jobs}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let _ = testcell(&["down"]).output();
    }
}

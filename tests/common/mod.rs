//! What whole-program tests share: a laboratory of their own, calls of the program, tables and trees of files to compare.

// Every test file is a program of its own and uses a part of this.
#![allow(dead_code)]

pub mod cell;
pub mod mounts;
pub mod processes;
pub mod random;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// The tables that must be equal to the byte, whatever happened on the way.
pub const RESULT_TABLES: [&str; 5] = ["runs", "measures", "metrics", "gradients", "aggregate"];
/// One more, of cohorts that ask for it.
const DEPENDENCE: &str = "dependence";
/// All tables.
pub const TABLES: [&str; 6] = ["runs", "measures", "metrics", "gradients", "aggregate", "provenance"];
/// A call that takes longer hangs: a machine may be slow, and others may work on it.
const PATIENCE: Duration = Duration::from_secs(600);

/// A directory for one test: cohort files and stores, gone at the end.
pub struct Lab {
    dir: TempDir,
}

/// How a call of the program ended.
pub struct Finished {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Itself, if the exit code is `code`; else shows what the program said.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "exit {:?}, expected {code}\nstdout: {}\nstderr: {}",
            self.code,
            self.stdout,
            self.stderr
        );
        self
    }
}

/// The program, with nothing of the caller's environment that changes what it says or does.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_infoplane"));
    for name in ["INFOPLANE_ISA", "INFOPLANE_LOG", "RUST_LOG", "RUST_BACKTRACE", "NO_COLOR", "COLUMNS", "RAYON_NUM_THREADS"] {
        command.env_remove(name);
    }
    command
}

/// Waits for a call.
pub fn finish(command: Command) -> Finished {
    let output = assert_cmd::Command::from_std(command).timeout(PATIENCE).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program speaks UTF-8");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Lab {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A path in the laboratory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the laboratory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file in the laboratory");
        path
    }

    /// A command `infoplane arguments…` in the laboratory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.dir.path()).args(arguments);
        command
    }

    /// Calls `infoplane arguments…` in the laboratory and waits.
    pub fn call(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    /// The tables of a cohort that must not depend on how they came about, by name.
    pub fn result_tables(&self, store: &str, cohort: &str) -> BTreeMap<String, Vec<u8>> {
        let read =
            |name: &str| fs::read(self.table(store, cohort, name)).unwrap_or_else(|e| panic!("{store}/{cohort}/{name}: {e}"));
        let dependence = Some(DEPENDENCE).filter(|name| self.table(store, cohort, name).exists());
        RESULT_TABLES.into_iter().chain(dependence).map(|name| (name.to_owned(), read(name))).collect()
    }

    /// Path of a table.
    pub fn table(&self, store: &str, cohort: &str, name: &str) -> PathBuf {
        self.path(store).join(cohort).join(format!("{name}.parquet"))
    }

    /// How many records of a kind a store has, each copy counted.
    pub fn records(&self, store: &str, kind: u8) -> usize {
        self.segments(store).iter().flat_map(|segment| frames(segment)).filter(|frame| frame.kind == kind).count()
    }

    /// How many trainings a store has, each once: a merge that was killed leaves some twice. None where no store was made.
    pub fn trainings(&self, store: &str) -> usize {
        if !self.path(store).join(".infoplane/segments").is_dir() {
            return 0;
        }
        let segments = self.segments(store).into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg"));
        let all = segments.flat_map(|path| frames(&path)).filter(|frame| frame.kind == TRAINING);
        all.map(|frame| frame.id).collect::<BTreeSet<_>>().len()
    }

    /// Segments of a store, by name.
    pub fn segments(&self, store: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(store).join(".infoplane/segments")).expect("a store");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    }
}

/// The cohort that most tests on processes and hosts run: two experiments of `n_runs` runs, each a training with two measurements behind it.
pub fn sweep(name: &str, n_runs: u32, epochs: u32) -> String {
    format!(
        r#"
name = "{name}"
n_runs = {n_runs}

[experiment]
epochs = {epochs}
calculate_mi_for = "test"
estimators = ["binning", "upper"]

[grid]
activation_fn = ["tanh", "relu"]
"#
    )
}

/// Every file below `dir` with its content and the time of its last change; a directory has no content.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, (Option<Vec<u8>>, SystemTime)> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("an entry").path();
            let modified = fs::metadata(&path).and_then(|m| m.modified()).expect("a time of change");
            if path.is_dir() {
                waiting.push(path.clone());
                files.insert(path, (None, modified));
            } else {
                let content = fs::read(&path).expect("a readable file");
                files.insert(path, (Some(content), modified));
            }
        }
    }
    files
}

/// Fails with the names of the tables that differ, not with their bytes.
#[track_caller]
pub fn assert_same_tables(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, case: &str) {
    let differing: Vec<_> =
        expected.iter().filter(|(name, bytes)| found.get(*name) != Some(bytes)).map(|(name, _)| name).collect();
    assert!(differing.is_empty() && found.len() == expected.len(), "{case}: other bytes in {differing:?}");
}

/// A record in a segment.
pub struct Frame {
    pub kind: u8,
    pub id: [u8; 16],
    pub offset: usize,
    pub length: usize,
}

/// The records of a segment, by the format that `store::frame` documents, told here a second time: files of today must stay readable.
pub fn frames(segment: &Path) -> Vec<Frame> {
    const SEGMENT_HEADER: usize = 24;
    const FRAME_HEADER: usize = 56;
    let bytes = fs::read(segment).expect("a segment");
    let (mut at, mut found) = (SEGMENT_HEADER, Vec::new());
    while let Some(header) = bytes.get(at..at + FRAME_HEADER) {
        assert_eq!(header[..4], [0xF7, b'i', b'p', 0x8E], "no frame at byte {at}");
        let number = |range: std::ops::Range<usize>| header[range].iter().rev().fold(0_usize, |n, &b| n << 8 | usize::from(b));
        let id = header[8..24].try_into().expect("16 bytes");
        let length = FRAME_HEADER + number(32..40);
        // A torn tail is no record.
        if at + length <= bytes.len() {
            found.push(Frame { kind: header[4], id, offset: at, length });
        }
        at += length;
    }
    found
}

/// Kind of a frame that holds a training.
pub const TRAINING: u8 = 1;
/// Kind of a frame that holds a measurement.
pub const MEASUREMENT: u8 = 2;
/// Kind of a frame that holds an attempt, the last of the records; a sealed segment ends with a frame of a later kind.
pub const ATTEMPT: u8 = 3;

//! A sweep on disk: what was submitted, in batches that pilots take one by one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::journal::{Journal, Line};
use crate::grid::plan::Task;
use crate::store::replace_file;

/// Version of the files; a pilot of another version of the program leaves.
pub const VERSION: u32 = 1;

/// A task, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: Task,
    /// Number of the last attempt at it when it was submitted; 0 if there was none.
    pub attempts: u32,
    /// Seconds that it is expected to take.
    pub seconds: f64,
}

/// Where a batch stands in the file of tasks, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its tasks.
    pub tasks: u32,
    /// How often its tasks ran out of memory so far: who takes it must have as much more.
    pub class: u32,
}

/// An array job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// Its name within the sweep.
    pub name: String,
    /// Its tasks: pilots.
    pub pilots: u32,
    /// The highest class of batches that its pilots take.
    pub class: u32,
    /// Memory of each slot in bytes, if that is limited.
    pub memory: Option<u64>,
}

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// [`VERSION`].
    pub version: u32,
    /// Random, 12 hexadecimal digits.
    pub id: String,
    /// The cohort.
    pub cohort: String,
    /// All tasks.
    pub tasks: u64,
    /// Seconds between heartbeats.
    pub heartbeat: u32,
    /// Seconds without a heartbeat until a pilot counts as dead.
    pub deadline: u32,
    /// Seconds that a pilot may take.
    pub h_rt: Option<u32>,
    /// Workers of each pilot.
    pub workers: u32,
    /// Threads of each worker.
    pub threads: u32,
    /// Seconds between two checkpoints of a training.
    pub checkpoint_every: f64,
    /// Its array jobs.
    pub arrays: Vec<Array>,
    /// Its batches, in the order in which they should start.
    pub batches: Vec<Batch>,
}

/// Where the sweeps of the store at `root` are.
#[must_use]
pub fn sweeps_dir(root: &Path) -> PathBuf {
    root.join(".infoplane").join("sweeps")
}

/// Whether a word is a sweep's id.
#[must_use]
pub fn is_id(word: &str) -> bool {
    word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A sweep's directory in a store.
#[derive(Clone, Debug)]
pub struct SweepDir {
    dir: PathBuf,
    root: PathBuf,
    id: String,
}

impl SweepDir {
    /// That of the sweep `id`, which is an id.
    #[must_use]
    pub fn of(root: &Path, id: &str) -> Option<Self> {
        is_id(id).then(|| Self { dir: sweeps_dir(root).join(id), root: root.to_owned(), id: id.to_owned() })
    }

    /// A new one, under an id that no other has.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(sweeps_dir(root))?;
        loop {
            let mut bytes = [0_u8; 6];
            File::open("/dev/urandom")?.read_exact(&mut bytes)?;
            let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let dir = sweeps_dir(root).join(&id);
            match fs::create_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made?;
                    fs::create_dir(dir.join("logs"))?;
                    return Ok(Self { dir, root: root.to_owned(), id });
                }
            }
        }
    }

    /// All of the store at `root`, by id.
    #[must_use]
    pub fn all(root: &Path) -> Vec<Self> {
        let entries = fs::read_dir(sweeps_dir(root)).into_iter().flatten().flatten();
        let mut found: Vec<Self> = entries.filter_map(|entry| Self::of(root, entry.file_name().to_str()?)).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    /// The sweep's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The store's path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its leases are.
    #[must_use]
    pub fn leases(&self) -> PathBuf {
        crate::store::lease::group_dir(&self.root, &self.id)
    }

    /// Where its pilots' logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The script that was given to `qsub`.
    #[must_use]
    pub fn script(&self, array: &str) -> PathBuf {
        self.dir.join(format!("job-{array}.sh"))
    }

    /// Writes tasks and sweep, the sweep last: as long as that is not there, the directory means nothing. The places of the batches are
    /// filled in.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, sweep: &mut Sweep, batches: &[(u32, &[Assignment])]) -> io::Result<()> {
        let mut bytes = Vec::new();
        sweep.batches.clear();
        for (class, assignments) in batches {
            let offset = bytes.len() as u64;
            let part = postcard::to_stdvec(assignments).map_err(io::Error::other)?;
            bytes.extend_from_slice(&blake3::hash(&part).as_bytes()[..8]);
            bytes.extend(part);
            let tasks = u32::try_from(assignments.len()).map_err(io::Error::other)?;
            sweep.batches.push(Batch { offset, bytes: bytes.len() as u64 - offset, tasks, class: *class });
        }
        replace_file(&self.dir.join("tasks.bin"), &bytes)?;
        replace_file(&self.dir.join("sweep.json"), &serde_json::to_vec(sweep)?)
    }

    /// Reads the sweep; `None` where it was never written, or is gone.
    ///
    /// # Errors
    /// Those of the file system; a file of another version, or none of ours.
    pub fn read(&self) -> io::Result<Option<Sweep>> {
        let path = self.dir.join("sweep.json");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let other = |what: String| io::Error::other(format!("{}: {what}", path.display()));
        let version: Version = serde_json::from_slice(&bytes).map_err(|error| other(error.to_string()))?;
        if version.version != VERSION {
            return Err(other(format!("version {} of a sweep, this program knows {VERSION}", version.version)));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| other(error.to_string()))
    }

    /// Reads a batch's tasks.
    ///
    /// # Errors
    /// Those of the file system; `InvalidData` where the file is not as it was written.
    pub fn batch(&self, batch: &Batch) -> io::Result<Vec<Assignment>> {
        let path = self.dir.join("tasks.bin");
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display()));
        let file = File::open(&path)?;
        let within = batch.offset.checked_add(batch.bytes).is_some_and(|end| file.metadata().is_ok_and(|m| end <= m.len()));
        let length = usize::try_from(batch.bytes).ok().filter(|&length| within && length >= 8).ok_or_else(damaged)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, batch.offset)?;
        let (check, part) = bytes.split_at(8);
        if blake3::hash(part).as_bytes()[..8] != *check {
            return Err(damaged());
        }
        postcard::from_bytes(part).map_err(|_| damaged())
    }

    /// The journal.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn journal(&self) -> io::Result<Journal> {
        Journal::read(&self.dir.join("journal.jsonl"))
    }

    /// Appends to the journal, durably.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn note(&self, line: &Line) -> io::Result<()> {
        Journal::append(&self.dir.join("journal.jsonl"), line)
    }

    /// Takes its leases away: who holds one has lost it, and who comes later finds nothing to do.
    pub fn drop_leases(&self) {
        // Whoever takes a lease at this moment makes it fail: once more.
        for _ in 0..3 {
            if fs::remove_dir_all(self.leases()).is_ok() {
                return;
            }
        }
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self) -> io::Result<()> {
        self.drop_leases();
        fs::remove_dir_all(&self.dir)
    }

    /// Bytes of all its files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let of = |dir: &Path| -> u64 {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.metadata().ok().filter(fs::Metadata::is_file)).map(|metadata| metadata.len()).sum()
        };
        of(&self.dir) + of(&self.logs())
    }
}

/// Name of an array's job: holds the sweep's id, by which it is found whatever else is lost.
#[must_use]
pub fn job_name(id: &str, array: &str, cohort: &str) -> String {
    format!("ip-{id}-{array}-{cohort}")
}

/// The id of the sweep that a job of that name belongs to.
#[must_use]
pub fn id_of_job(name: &str) -> Option<&str> {
    let id = name.strip_prefix("ip-")?.get(..12)?;
    is_id(id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::task;
    use super::*;

    fn sweep(id: &str) -> Sweep {
        Sweep {
            version: VERSION,
            id: id.to_owned(),
            cohort: "c".into(),
            tasks: 5,
            heartbeat: 1,
            deadline: 4,
            h_rt: Some(60),
            workers: 1,
            threads: 1,
            checkpoint_every: 60.0,
            arrays: vec![Array { name: "a0".into(), pilots: 2, class: 0, memory: None }],
            batches: vec![],
        }
    }

    #[test]
    fn batches_are_read_back_and_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let place = SweepDir::create(dir.path()).unwrap();
        assert!(place.read().unwrap().is_none(), "nothing is written yet");
        let tasks: Vec<Assignment> = (0..5).map(|n| Assignment { task: task(n), attempts: n as u32, seconds: 1.5 }).collect();
        let mut written = sweep(place.id());
        place.write(&mut written, &[(0, &tasks[..2]), (0, &tasks[2..]), (1, &[])]).unwrap();
        let read = SweepDir::of(dir.path(), place.id()).unwrap().read().unwrap().unwrap();
        assert_eq!(read, written);
        let parts: Vec<_> = read.batches.iter().map(|batch| place.batch(batch).unwrap()).collect();
        assert_eq!(parts, [tasks[..2].to_vec(), tasks[2..].to_vec(), vec![]]);
        let path = place.path().join("tasks.bin");
        let mut bytes = fs::read(&path).unwrap();
        let at = read.batches[1].offset as usize + 9;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(place.batch(&read.batches[0]).is_ok() && place.batch(&read.batches[1]).is_err());
        fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        assert!(place.batch(&read.batches[2]).is_err());
        fs::write(place.path().join("sweep.json"), "{\"version\": 2}").unwrap();
        assert!(place.read().unwrap_err().to_string().contains("version 2"));
        place.remove().unwrap();
        assert!(SweepDir::all(dir.path()).is_empty());
    }

    #[test]
    fn jobs_are_known_by_their_names() {
        let name = job_name("0123456789ab", "a0", "my.cohort-1");
        assert_eq!((name.as_str(), id_of_job(&name)), ("ip-0123456789ab-a0-my.cohort-1", Some("0123456789ab")));
        assert_eq!(["ip-", "ip-0123456789aB-a0", "x-0123456789ab", "ip-0123é56789ab"].map(id_of_job), [None; 4]);
        assert!(["../../etc/pw", "0123456789a", ""].map(is_id) == [false; 3] && SweepDir::of(Path::new("/"), "..").is_none());
    }
}

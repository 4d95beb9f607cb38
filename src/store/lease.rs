//! Leases: who may work on what, decided by files and by each observer's own clock.
//!
//! ```text
//! STORE/.infoplane/leases/GROUP/WHAT@FENCE    one file for each lease that was taken, of the newest fence for each WHAT at the end
//! held 17\n…                                  its content: state, heartbeat, and a line that the holder says of itself
//! ```
//!
//! # The protocol, and the failure each step guards against
//!
//! 1. *A lease is taken by creating, with `O_EXCL`, a name that holds the next fencing number.* Two that want it at once create one name,
//!    and the file system lets one of them; no lock, no server, no clock.
//! 2. *Whoever has created it looks at the directory again, and gives up if a higher number is there.* A process that slept between its
//!    look and its creation may have created a number that was taken, passed on and removed meanwhile.
//! 3. *The holder changes the file at an interval (heartbeat).* An observer remembers what it read and when, by its own monotonic clock: a
//!    file that has not changed for the deadline is silent, and may be taken over. Clocks of two hosts are never compared, and none that
//!    may be set is read, so that clocks which jump or differ do no harm.
//! 4. *An observer counts only the time in which it looked*, a quarter of the deadline between two looks at most: one that was itself
//!    suspended together with the holder does not wake up to find the holder silent.
//! 5. *Taken over means: a higher number exists, or the own file is gone* (whoever takes over removes its predecessor's). The holder looks
//!    for both before it goes on; one that comes back from the dead (a suspended job, a host that was cut off) so learns that it has lost.
//! 6. *Records are written with the fence of their lease.* Between its last look and its next step a holder may write what its successor
//!    writes too. Ids are hashes of what records mean, so it can add only the same again, which counts once.
//! 7. *Numbers are never used twice*: the newest file of each WHAT stays, as `free` or `done`, until the whole group goes, whose name is
//!    random. So a record's fence, and what a sleeper believes, stay true.
//! 8. *Nothing is synced.* A lease that a power loss takes away is, to its holder, lost; at worst work is done again.
//!
//! A network file system may show a heartbeat late, by the time for which it keeps attributes (60 s by default on NFS); the deadline
//! should be longer. If it is not, work is done twice, to the same bytes.
//!
//! There is one file for each thing that is leased, and the caller keeps their number to some for each worker.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a lease's file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody works on it; the number changes as long as that lives.
    Held(u64),
    /// Nobody has it: it was given back.
    Free,
    /// Nobody needs it any more.
    Done,
}

/// The name of a lease's file.
fn name_of(what: &str, fence: u64) -> String {
    format!("{what}@{fence}")
}

fn parse_name(name: &str) -> Option<(&str, u64)> {
    let (what, fence) = name.split_once('@')?;
    // `+1` and `01` would be second names of one number.
    let fence = fence.parse().ok().filter(|number: &u64| number.to_string() == fence)?;
    is_plain(what).then_some((what, fence))
}

/// What a lease's file says; what cannot be read is being written, so somebody holds it.
fn parse(content: &[u8]) -> (State, &str) {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let state = match first.split_once(' ') {
        Some(("held", beat)) => State::Held(beat.parse().unwrap_or(0)),
        None if first == "free" => State::Free,
        None if first == "done" => State::Done,
        _ => State::Held(0),
    };
    (state, rest.strip_suffix('\n').unwrap_or(rest))
}

/// What a lease's file should say.
fn content(state: State, says: &str) -> Vec<u8> {
    let first = match state {
        State::Held(beat) => format!("held {beat}"),
        State::Free => "free".to_owned(),
        State::Done => "done".to_owned(),
    };
    format!("{first}\n{}\n", says.replace('\n', " ")).into_bytes()
}

/// Whether a word can be a part of a file's name.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&word.len()) && word.bytes().all(plain)
}

/// The few operations that leases need of a directory: the seam for tests.
pub trait Board: Send + Sync {
    /// Every lease: what is leased, and the number.
    ///
    /// # Errors
    /// Those of the file system.
    fn names(&self) -> io::Result<Vec<(String, u64)>>;

    /// The content of a file that may be gone.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>>;

    /// Creates a file; `false` if there is one.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool>;

    /// Writes a file anew; `false` if there is none.
    ///
    /// # Errors
    /// Those of the file system.
    fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool>;

    /// Whether there is such a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn exists(&self, what: &str, fence: u64) -> io::Result<bool>;

    /// Removes a file that may be gone.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, what: &str, fence: u64) -> io::Result<()>;
}

/// A board that is a directory.
#[derive(Debug)]
pub struct FileBoard {
    dir: PathBuf,
}

impl FileBoard {
    /// The board in `dir`, which is made.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// The board in `dir`, which is not made: where it is gone, every operation fails.
    #[must_use]
    pub const fn existing(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, what: &str, fence: u64) -> PathBuf {
        self.dir.join(name_of(what, fence))
    }
}

/// `None` for what is not there; a network file system may say so of an open file, too.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle) => Ok(None),
        other => other.map(Some),
    }
}

impl Board for FileBoard {
    fn names(&self) -> io::Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            names.extend(name.to_str().and_then(parse_name).map(|(what, fence)| (what.to_owned(), fence)));
        }
        Ok(names)
    }

    fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>> {
        if_there(fs::read(self.path(what, fence)))
    }

    fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
        match OpenOptions::new().write(true).create_new(true).open(self.path(what, fence)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            file => file?.write_all(content).map(|()| true),
        }
    }

    fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
        // In place, so that a full disk does not silence the living; closed each time, so that a network file system tells the others.
        let Some(file) = if_there(OpenOptions::new().write(true).open(self.path(what, fence)))? else { return Ok(false) };
        file.write_all_at(content, 0)?;
        file.set_len(content.len() as u64)?;
        Ok(true)
    }

    fn exists(&self, what: &str, fence: u64) -> io::Result<bool> {
        // Opened and not only looked at: on a network file system only that asks the server.
        if_there(fs::File::open(self.path(what, fence))).map(|file| file.is_some())
    }

    fn remove(&self, what: &str, fence: u64) -> io::Result<()> {
        if_there(fs::remove_file(self.path(what, fence))).map(|_| ())
    }
}

/// How a lease stands, to one observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its heartbeat is new, or may yet come.
    Held,
    /// No heartbeat for the deadline: it may be taken over.
    Silent,
    /// It was given back.
    Free,
    /// Nobody needs it any more.
    Done,
}

/// The newest lease on something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its fencing number.
    pub fence: u64,
    /// How it stands.
    pub standing: Standing,
    /// Whether a heartbeat was seen to change: it lives, whatever a first look shows.
    pub moved: bool,
    /// What its holder says of itself.
    pub says: String,
}

/// The newest lease on each thing.
pub type View = BTreeMap<String, Entry>;

/// The newest number of each thing.
///
/// # Errors
/// Those of the file system.
pub fn newest(board: &dyn Board) -> io::Result<BTreeMap<String, u64>> {
    let mut newest = BTreeMap::new();
    for (what, fence) in board.names()? {
        newest.entry(what).and_modify(|known: &mut u64| *known = fence.max(*known)).or_insert(fence);
    }
    Ok(newest)
}

/// An observer's memory: what was read, and for how long it has not changed. It decides alone; times are those of the observer's monotonic
/// clock.
#[derive(Clone, Debug)]
pub struct Watch {
    deadline: Duration,
    seen: BTreeMap<String, Seen>,
    last: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Seen {
    fence: u64,
    content: Vec<u8>,
    /// Observed time without a change.
    still: Duration,
    moved: bool,
}

impl Watch {
    /// An observer that takes a holder for dead after `deadline` without a heartbeat.
    #[must_use]
    pub const fn new(deadline: Duration) -> Self {
        Self { deadline, seen: BTreeMap::new(), last: None }
    }

    /// Looks at every lease at the time `now`. What is done stays so and is not read again.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn look(&mut self, board: &dyn Board, now: Duration) -> io::Result<View> {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last)).min(self.deadline / 4);
        self.last = Some(now);
        let newest = newest(board)?;
        self.seen.retain(|what, _| newest.contains_key(what));
        let mut view = View::new();
        for (what, fence) in newest {
            let known = self.seen.get(&what).filter(|seen| seen.fence == fence && parse(&seen.content).0 == State::Done);
            let content = match known {
                Some(seen) => Some(seen.content.clone()),
                None => board.read(&what, fence)?,
            };
            // Gone since it was listed: whoever took over is seen at the next look; until then it is as it was.
            let content = content.or_else(|| self.seen.get(&what).map(|seen| seen.content.clone())).unwrap_or_default();
            let entry = self.judge(&what, fence, content, passed);
            view.insert(what, entry);
        }
        Ok(view)
    }

    fn judge(&mut self, what: &str, fence: u64, content: Vec<u8>, passed: Duration) -> Entry {
        let fresh = |moved| Seen { fence, content: content.clone(), still: Duration::ZERO, moved };
        let seen = self.seen.entry(what.to_owned()).or_insert_with(|| fresh(false));
        if seen.fence != fence || seen.content != content {
            // Changed or taken under our eyes: its holder lives.
            *seen = fresh(true);
        } else {
            seen.still += passed;
        }
        let (state, says) = parse(&content);
        let standing = match state {
            State::Held(_) if seen.still >= self.deadline => Standing::Silent,
            State::Held(_) => Standing::Held,
            State::Free => Standing::Free,
            State::Done => Standing::Done,
        };
        Entry { fence, standing, moved: seen.moved && standing == Standing::Held, says: says.to_owned() }
    }
}

/// A lease that this process has taken.
pub struct Lease {
    board: Arc<dyn Board>,
    what: String,
    fence: u64,
    beat: u64,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&name_of(&self.what, self.fence))
    }
}

impl Lease {
    /// Takes the lease on `what` with the number behind `after`, the highest that was seen (0: none); `None` if another was faster. The
    /// caller has found that nobody holds it.
    ///
    /// # Errors
    /// Those of the file system.
    ///
    /// # Panics
    /// If `what` is not 1 to 64 characters out of `a-z0-9-`.
    pub fn take(board: &Arc<dyn Board>, what: &str, after: u64, says: &str) -> io::Result<Option<Self>> {
        assert!(is_plain(what), "{what:?} cannot be leased");
        match Self::create(board, what, after, says)? {
            Some(lease) => lease.confirm(),
            None => Ok(None),
        }
    }

    fn create(board: &Arc<dyn Board>, what: &str, after: u64, says: &str) -> io::Result<Option<Self>> {
        let fence = after + 1;
        let created = board.create(what, fence, &content(State::Held(0), says))?;
        Ok(created.then(|| Self { board: Arc::clone(board), what: what.to_owned(), fence, beat: 0 }))
    }

    /// Steps 2 and 5 of the protocol.
    fn confirm(self) -> io::Result<Option<Self>> {
        let fences = self.board.names()?.into_iter().filter(|(what, _)| *what == self.what).map(|(_, fence)| fence);
        let (higher, lower): (Vec<u64>, Vec<u64>) = fences.filter(|&fence| fence != self.fence).partition(|&f| f > self.fence);
        if !higher.is_empty() {
            self.board.remove(&self.what, self.fence)?;
            return Ok(None);
        }
        for fence in lower {
            self.board.remove(&self.what, fence)?;
        }
        Ok(Some(self))
    }

    /// The fencing number.
    #[must_use]
    pub const fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether it is still ours, as the file system says now.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn is_held(&self) -> io::Result<bool> {
        Ok(self.board.exists(&self.what, self.fence)? && !self.board.exists(&self.what, self.fence + 1)?)
    }

    /// A heartbeat; `false` if the lease is lost.
    ///
    /// # Errors
    /// Those of the file system; whether it is lost is not known then.
    pub fn beat(&mut self, says: &str) -> io::Result<bool> {
        self.beat += 1;
        let written = self.board.write(&self.what, self.fence, &content(State::Held(self.beat), says))?;
        Ok(written && self.is_held()?)
    }

    /// Gives it back, `Free` or `Done`; harmless if it is lost.
    ///
    /// # Errors
    /// Those of the file system; then it is silent soon, and taken over.
    pub fn settle(&self, state: State, says: &str) -> io::Result<()> {
        self.board.write(&self.what, self.fence, &content(state, says)).map(|_| ())
    }
}

/// A lease with a thread that keeps it alive.
#[derive(Debug)]
pub struct Kept {
    shared: Arc<Shared>,
    interval: Duration,
    deadline: Duration,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    lease: Mutex<(Lease, String, Known)>,
    fence: u64,
}

/// What was known of a lease when it was looked at last.
#[derive(Clone, Copy, Debug)]
struct Known {
    held: bool,
    /// When that was known for certain.
    at: Instant,
}

impl Shared {
    /// Each change of it is whole between two statements.
    fn lock(&self) -> MutexGuard<'_, (Lease, String, Known)> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a lease alive with a heartbeat at every `interval`. `deadline` is what others wait for it.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn keep(lease: Lease, interval: Duration, deadline: Duration, says: String) -> io::Result<Self> {
        let fence = lease.fence;
        let known = Known { held: true, at: Instant::now() };
        let shared = Arc::new(Shared { lease: Mutex::new((lease, says, known)), fence });
        let (stop, stopped) = channel();
        let heart = Arc::clone(&shared);
        let thread = thread::Builder::new().name("lease".into()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let mut locked = heart.lock();
                let (lease, says, known) = &mut *locked;
                // A failure to write says nothing; the deadline will.
                if let Ok(held) = lease.beat(says) {
                    *known = Known { held: known.held && held, at: Instant::now() };
                }
                if !known.held {
                    return;
                }
            }
        })?;
        Ok(Self { shared, interval, deadline, stop, thread: Some(thread) })
    }

    /// The fencing number.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.shared.fence
    }

    /// Whether it is still ours: as it was known within the last interval, or as the file system says now. Cheap enough to be asked at every
    /// pass: a process that was stopped and goes on finds its knowledge old, and looks.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let mut locked = self.shared.lock();
        let (lease, _, known) = &mut *locked;
        if !known.held || known.at.elapsed() <= self.interval {
            return known.held;
        }
        match lease.is_held() {
            Ok(held) => *known = Known { held, at: Instant::now() },
            // Nothing is known for so long that others may have taken it over.
            Err(_) if known.at.elapsed() > self.deadline => known.held = false,
            Err(_) => {}
        }
        known.held
    }

    /// What the holder says of itself, from the next heartbeat on.
    pub fn say(&self, says: String) {
        self.shared.lock().1 = says;
    }

    /// As [`Kept::say`], at once; whether the lease is still ours.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn say_now(&self, says: String) -> io::Result<bool> {
        let mut locked = self.shared.lock();
        let (lease, kept, known) = &mut *locked;
        *kept = says;
        let held = lease.beat(kept)?;
        *known = Known { held: known.held && held, at: Instant::now() };
        Ok(known.held)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn settle(mut self, state: State) -> io::Result<()> {
        self.still();
        let locked = self.shared.lock();
        if locked.2.held { locked.0.settle(state, &locked.1) } else { Ok(()) }
    }

    fn still(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Kept {
    /// The heartbeat ends; others take over after the deadline.
    fn drop(&mut self) {
        self.still();
    }
}

/// Where the leases of a group stand in the store at `root`.
#[must_use]
pub fn group_dir(root: &Path, group: &str) -> PathBuf {
    root.join(".infoplane").join("leases").join(group)
}

#[cfg(test)]
pub mod memory {
    //! A board without a disk, for tests that live through years of leases.

    use super::*;

    /// Contents by WHAT and fence.
    type Files = BTreeMap<(String, u64), Vec<u8>>;

    /// A board in memory; clones are the same board.
    #[derive(Clone, Debug, Default)]
    pub struct MemoryBoard(Arc<Mutex<Files>>);

    impl MemoryBoard {
        fn files(&self) -> MutexGuard<'_, Files> {
            self.0.lock().unwrap()
        }
    }

    impl Board for MemoryBoard {
        fn names(&self) -> io::Result<Vec<(String, u64)>> {
            Ok(self.files().keys().cloned().collect())
        }

        fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>> {
            Ok(self.files().get(&(what.to_owned(), fence)).cloned())
        }

        fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            let (mut files, key) = (self.files(), (what.to_owned(), fence));
            if files.contains_key(&key) {
                return Ok(false);
            }
            files.insert(key, content.to_vec());
            Ok(true)
        }

        fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            Ok(self.files().get_mut(&(what.to_owned(), fence)).map(|old| *old = content.to_vec()).is_some())
        }

        fn exists(&self, what: &str, fence: u64) -> io::Result<bool> {
            Ok(self.files().contains_key(&(what.to_owned(), fence)))
        }

        fn remove(&self, what: &str, fence: u64) -> io::Result<()> {
            self.files().remove(&(what.to_owned(), fence));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::memory::MemoryBoard;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(8);

    fn file_board() -> (tempfile::TempDir, Arc<dyn Board>) {
        let dir = tempfile::tempdir().unwrap();
        let board = FileBoard::open(dir.path().join("leases")).unwrap();
        (dir, Arc::new(board))
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn standing(watch: &mut Watch, board: &Arc<dyn Board>, now: u64) -> (u64, Standing) {
        let view = watch.look(&**board, seconds(now)).unwrap();
        view.get("batch-1").map_or((0, Standing::Free), |entry| (entry.fence, entry.standing))
    }

    #[test]
    fn a_lease_is_taken_kept_lost_and_given_back() {
        let (dir, board) = file_board();
        let mut watch = Watch::new(DEADLINE);
        assert_eq!(standing(&mut watch, &board, 0), (0, Standing::Free));
        let mut first = Lease::take(&board, "batch-1", 0, "one\ntwo").unwrap().expect("nobody has it");
        assert!(Lease::take(&board, "batch-1", 0, "").unwrap().is_none(), "the name exists");
        assert_eq!(watch.look(&*board, seconds(1)).unwrap()["batch-1"].says, "one two");
        // As long as it beats it is held; looked at with pauses, however long.
        for now in 1..20 {
            assert!(first.beat("").unwrap());
            assert_eq!(standing(&mut watch, &board, 1 + now * 5), (1, Standing::Held));
        }
        // A long sleep of the observer counts for a quarter of the deadline.
        let mut silent = (1..=4).map(|now| standing(&mut watch, &board, 1000 * now).1);
        assert_eq!(silent.by_ref().take(3).collect::<Vec<_>>(), [Standing::Held; 3]);
        assert_eq!(silent.next(), Some(Standing::Silent));
        let second = Lease::take(&board, "batch-1", 1, "").unwrap().expect("it is silent");
        assert!(second.is_held().unwrap() && !first.is_held().unwrap() && !first.beat("").unwrap());
        assert_eq!(fs::read_dir(dir.path().join("leases")).unwrap().count(), 1, "the predecessor's file is gone");
        // Who lost it changes nothing.
        first.settle(State::Done, "").unwrap();
        assert_eq!(standing(&mut watch, &board, 5000), (2, Standing::Held));
        second.settle(State::Free, "").unwrap();
        assert_eq!(standing(&mut watch, &board, 5000), (2, Standing::Free));
        let third = Lease::take(&board, "batch-1", 2, "").unwrap().expect("it is free");
        third.settle(State::Done, "").unwrap();
        assert_eq!((third.fence(), standing(&mut watch, &board, 5001)), (3, (3, Standing::Done)));
    }

    #[test]
    fn a_number_from_the_past_is_given_up() {
        let (_dir, board) = file_board();
        for after in 0..3 {
            Lease::take(&board, "a", after, "").unwrap().expect("the next number");
        }
        assert!(Lease::take(&board, "a", 0, "").unwrap().is_none(), "1 was taken and passed on long ago");
        assert_eq!(board.names().unwrap(), [("a".to_owned(), 3)]);
    }

    #[test]
    fn foreign_and_torn_files_do_no_harm() {
        let (dir, board) = file_board();
        for name in ["a", "a@", "a@x", "a@+1", "a@01", "A@1", "@1", ".a@1", "a b@1", "a@1@2"] {
            fs::write(dir.path().join("leases").join(name), "done\n").unwrap();
        }
        assert_eq!(board.names().unwrap(), []);
        for content in ["", "he", "held", "held x\n", "done?", "\u{fffd}"] {
            fs::write(dir.path().join("leases/a@1"), content).unwrap();
            assert_eq!(Watch::new(DEADLINE).look(&*board, seconds(0)).unwrap()["a"].standing, Standing::Held, "{content:?}");
        }
    }

    #[test]
    fn a_kept_lease_lives_and_learns_of_its_loss() {
        let (_dir, board) = file_board();
        let (interval, deadline) = (Duration::from_millis(5), Duration::from_millis(1500));
        let lease = Lease::take(&board, "batch-1", 0, "").unwrap().unwrap();
        let kept = Kept::keep(lease, interval, deadline, "me".into()).unwrap();
        let mut watch = Watch::new(deadline);
        let start = Instant::now();
        while start.elapsed() < 2 * deadline {
            let entry = &watch.look(&*board, start.elapsed()).unwrap()["batch-1"];
            assert_eq!(entry.standing, Standing::Held);
            thread::sleep(Duration::from_millis(20));
        }
        assert!(kept.is_held() && kept.say_now("you".into()).unwrap());
        assert_eq!(watch.look(&*board, start.elapsed()).unwrap()["batch-1"].says, "you");
        let next = Lease::take(&board, "batch-1", kept.fence(), "").unwrap().unwrap();
        while kept.is_held() {
            assert!(start.elapsed() < Duration::from_secs(20), "it never learns");
            thread::sleep(interval);
        }
        kept.settle(State::Free).unwrap();
        assert!(next.is_held().unwrap());
    }

    #[test]
    fn threads_that_race_for_a_lease_hold_it_one_after_the_other() {
        let (_dir, board) = file_board();
        let taken = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let view = Watch::new(DEADLINE).look(&*board, Duration::ZERO).unwrap();
                        let entry = view.get("a");
                        if entry.is_none_or(|entry| entry.standing == Standing::Free)
                            && let Some(lease) = Lease::take(&board, "a", entry.map_or(0, |e| e.fence), "").unwrap()
                        {
                            assert!(lease.is_held().unwrap());
                            taken.lock().unwrap().push(lease.fence());
                            lease.settle(State::Free, "").unwrap();
                        }
                    }
                });
            }
        });
        let taken = taken.into_inner().unwrap();
        assert_eq!(taken, (1..=taken.len() as u64).collect::<Vec<_>>());
    }

    /// What one of several actors does next.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Look,
        Create,
        Confirm,
        Beat,
        Free,
        /// Forgets all, as a process that was killed and started again.
        Die,
    }

    #[derive(Default)]
    struct Actor {
        watch: Option<Watch>,
        /// The highest number seen, if the lease may be taken.
        may_take: Option<u64>,
        created: Option<Lease>,
        lease: Option<Lease>,
        last_beat: u64,
    }

    proptest! {
        /// Whatever the order of steps, and with steps of others within a taking: never two holders, never a number twice, and who beats
        /// in time is never robbed.
        #[test]
        fn one_holds_it_and_numbers_rise(
            steps in vec((0..4_usize, prop::sample::select(vec![
                Act::Look, Act::Look, Act::Create, Act::Confirm, Act::Beat, Act::Free, Act::Die,
            ]), 0..4_u64), 1..400),
        ) {
            let memory = MemoryBoard::default();
            let board: Arc<dyn Board> = Arc::new(memory);
            let mut actors: Vec<Actor> = (0..4).map(|_| Actor::default()).collect();
            let (mut now, mut highest) = (0, 0);
            let mut held = BTreeSet::new();
            for (who, act, pause) in steps {
                now += pause;
                let last_beats: Vec<(usize, u64)> = actors.iter().enumerate()
                    .filter(|(_, a)| a.lease.as_ref().is_some_and(|l| l.is_held().unwrap()))
                    .map(|(n, a)| (n, a.last_beat)).collect();
                let actor = &mut actors[who];
                match act {
                    Act::Look => {
                        let watch = actor.watch.get_or_insert_with(|| Watch::new(DEADLINE));
                        let view = watch.look(&*board, seconds(now)).unwrap();
                        actor.may_take = match view.get("a") {
                            None => Some(0),
                            Some(entry) if matches!(entry.standing, Standing::Silent | Standing::Free) => Some(entry.fence),
                            Some(_) => None,
                        };
                    }
                    Act::Create if actor.created.is_none() && actor.lease.is_none() => {
                        if let Some(after) = actor.may_take.take() {
                            actor.created = Lease::create(&board, "a", after, "").unwrap();
                        }
                    }
                    Act::Confirm => {
                        if let Some(created) = actor.created.take() {
                            actor.lease = created.confirm().unwrap();
                            actor.last_beat = now;
                            if let Some(lease) = &actor.lease {
                                prop_assert!(held.insert(lease.fence()) && lease.fence() > highest, "{lease:?} after {highest}");
                                highest = lease.fence();
                                for (robbed, beat) in last_beats {
                                    prop_assert!(now - beat >= DEADLINE.as_secs(), "{robbed} was robbed after {} s", now - beat);
                                }
                            }
                        }
                    }
                    Act::Beat => {
                        if let Some(lease) = &mut actor.lease && lease.beat("").unwrap() {
                            actor.last_beat = now;
                        }
                    }
                    Act::Free => {
                        if let Some(lease) = actor.lease.take() {
                            lease.settle(State::Free, "").unwrap();
                        }
                    }
                    Act::Die => *actor = Actor::default(),
                    Act::Create => {}
                }
                let holders = actors.iter().filter(|a| a.lease.as_ref().is_some_and(|l| l.is_held().unwrap())).count();
                prop_assert!(holders <= 1);
            }
        }
    }
}

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
//!
//! Reading order: here, a lease that is taken; `board`, where the files are; `watch`, what an observer makes of them; `kept`, the heartbeat.

mod board;
mod kept;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
pub use self::board::memory;
pub use self::board::{Board, FileBoard};
pub use self::kept::Kept;
pub use self::watch::{Entry, Standing, View, Watch, newest};

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

/// Where the leases of a group stand in the store at `root`.
#[must_use]
pub fn group_dir(root: &Path, group: &str) -> PathBuf {
    root.join(".infoplane").join("leases").join(group)
}

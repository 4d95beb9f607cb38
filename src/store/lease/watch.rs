//! What an observer makes of the leases that it sees, by its own clock: steps 3 and 4 of the protocol.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::{Board, State, parse};

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

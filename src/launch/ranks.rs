//! The ranks of one job: letters between them, and who is alive. Nothing here knows MPI, and nothing knows which task goes where.
//!
//! Every rank has one [`Carrier`] on the thread that may speak to the network; workers and the coordinator, on other threads, give it
//! letters and get letters from it. It never blocks in the network: between two looks it sleeps, longer and longer while nothing comes,
//! so that ranks that share cores do not take them from those who compute.
//!
//! A rank says that it is alive about once a second. Rank 0 takes one that was silent for too long for lost: what it had begun is tried
//! elsewhere. If it is heard again it gets work again; what it finishes of the old is in the store, where the same result counts once. The
//! others give up when rank 0 is silent. Only time counts in which the listener itself was awake: a job that is suspended as a whole and
//! goes on has lost nobody.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::wire::{Report, Request};

/// Letters that follow each other faster are collected for this long.
const COLLECT: Duration = Duration::from_millis(1);
/// Shortest and longest sleep between two looks.
const NAPS: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(2));
/// A gap in our own work beyond this does not count as silence of others.
const GAP: Duration = Duration::from_secs(1);

/// What one rank says to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Letter {
    /// To a worker.
    Request(Request),
    /// To the coordinator.
    Reports(Vec<Report>),
    /// To the coordinator: the sender's worker has ended, as it was asked to, and all that it did is committed.
    Ended,
    /// The sender lives.
    Alive,
    /// All is over; the exit code, and whether all ranks are there to say good-bye to each other.
    Over {
        /// The exit code.
        code: u8,
        /// Whether no rank was lost.
        whole: bool,
    },
}

/// A letter with its receiver.
pub type Outgoing = (usize, Letter);

/// What carries bytes between ranks. Neither call waits for another rank.
pub trait Network {
    /// Number of this rank.
    fn rank(&self) -> usize;
    /// Number of ranks.
    fn size(&self) -> usize;
    /// Sends bytes; they arrive in the order in which they were sent.
    fn send(&mut self, to: usize, bytes: Vec<u8>);
    /// The next bytes that arrived, with their sender.
    fn receive(&mut self) -> Option<(usize, Vec<u8>)>;
    /// How many bytes sent have not left yet, those to lost ranks apart; lets them.
    fn unsent(&mut self) -> usize;
    /// Forgets a rank that is lost.
    fn forget(&mut self, rank: usize);
}

/// What the coordinator hears.
#[derive(Debug)]
pub enum Mail {
    /// Reports of a rank.
    Reports(usize, Vec<Report>),
    /// The worker of a rank has ended as it was asked to.
    Ended(usize),
    /// A rank is lost, and why.
    Lost(usize, String),
    /// A lost rank is heard again.
    Found(usize),
}

/// How the work of a carrier ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The coordinator said so.
    Over {
        /// The exit code.
        code: u8,
        /// Whether no rank was lost.
        whole: bool,
    },
    /// Rank 0 has not been heard for too long.
    Alone,
}

/// Carries the letters of one rank.
pub struct Carrier<N> {
    network: N,
    outgoing: Receiver<Outgoing>,
    /// Gives a request to this rank's worker.
    worker: Box<dyn FnMut(Request)>,
    /// Gives mail to the coordinator, on rank 0.
    desk: Box<dyn FnMut(Mail)>,
    patience: Duration,
    /// Time that this rank was awake, and when it last looked.
    awake: Duration,
    looked: Instant,
    /// When, in that time, each rank was last heard; `None` once it is lost.
    heard: Vec<Option<Duration>>,
    beat: Duration,
    /// Letters that wait to be sent together.
    waiting: BTreeMap<usize, Vec<Letter>>,
    flushed: Instant,
    over: Option<Ending>,
}

impl<N: Network> Carrier<N> {
    /// A carrier that takes a rank for lost after `patience` of silence.
    pub fn new(
        network: N,
        outgoing: Receiver<Outgoing>,
        worker: impl FnMut(Request) + 'static,
        desk: impl FnMut(Mail) + 'static,
        patience: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            heard: vec![Some(Duration::ZERO); network.size()],
            network,
            outgoing,
            worker: Box::new(worker),
            desk: Box::new(desk),
            patience,
            awake: Duration::ZERO,
            looked: now,
            beat: Duration::ZERO,
            waiting: BTreeMap::new(),
            flushed: now,
            over: None,
        }
    }

    /// Carries letters until all is over; the network comes back for the farewell.
    pub fn carry(mut self) -> (Ending, N) {
        let mut nap = NAPS.0;
        loop {
            let now = Instant::now();
            self.awake += (now - self.looked).min(GAP);
            self.looked = now;
            let mut heard = false;
            while let Some((from, bytes)) = self.network.receive() {
                heard = true;
                self.open(from, &bytes);
            }
            self.count_the_living();
            if self.flushed.elapsed() >= COLLECT {
                self.flush();
            }
            self.network.unsent();
            if let Some(ending) = self.over {
                self.farewell();
                return (ending, self.network);
            }
            nap = if heard { NAPS.0 } else { (nap * 2).min(NAPS.1) };
            let wait = if self.waiting.is_empty() { nap } else { nap.min(COLLECT.saturating_sub(self.flushed.elapsed())) };
            match self.outgoing.recv_timeout(wait) {
                Ok((to, letter)) => {
                    self.put(to, letter);
                    while let Ok((to, letter)) = self.outgoing.try_recv() {
                        self.put(to, letter);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody is left who could say anything; what arrives still counts.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
            }
        }
    }

    /// Puts a letter to those that wait; reports to one receiver become one letter.
    fn put(&mut self, to: usize, letter: Letter) {
        let waiting = self.waiting.entry(to).or_default();
        match (waiting.last_mut(), letter) {
            (Some(Letter::Reports(before)), Letter::Reports(more)) => before.extend(more),
            (_, letter) => waiting.push(letter),
        }
    }

    fn flush(&mut self) {
        for (to, letters) in std::mem::take(&mut self.waiting) {
            self.flushed = Instant::now();
            for letter in letters {
                if to == self.network.rank() {
                    self.read(to, letter);
                } else if self.heard.get(to).is_some_and(Option::is_some) {
                    self.send(to, &letter);
                }
            }
        }
    }

    fn send(&mut self, to: usize, letter: &Letter) {
        match postcard::to_stdvec(letter) {
            Ok(bytes) => self.network.send(to, bytes),
            Err(error) => tracing::error!("a letter to rank {to} cannot be written: {error}"),
        }
    }

    fn open(&mut self, from: usize, bytes: &[u8]) {
        let Some(last) = self.heard.get_mut(from) else { return };
        if last.replace(self.awake).is_none() {
            (self.desk)(Mail::Found(from));
        }
        match postcard::from_bytes(bytes) {
            Ok(letter) => self.read(from, letter),
            Err(error) => tracing::error!("a letter of rank {from} cannot be read: {error}"),
        }
    }

    fn read(&mut self, from: usize, letter: Letter) {
        match letter {
            Letter::Request(request) => (self.worker)(request),
            Letter::Reports(reports) => (self.desk)(Mail::Reports(from, reports)),
            Letter::Ended => (self.desk)(Mail::Ended(from)),
            Letter::Alive => {}
            Letter::Over { code, whole } => {
                // The coordinator does not know who was lost; its carrier does.
                let whole = whole && self.heard.iter().all(Option::is_some);
                self.over = Some(Ending::Over { code, whole });
            }
        }
    }

    /// Says that this rank lives, and looks who does not.
    fn count_the_living(&mut self) {
        let every = (self.patience / 8).min(Duration::from_secs(1));
        if self.awake < self.beat {
            return;
        }
        self.beat = self.awake + every;
        let (me, size) = (self.network.rank(), self.network.size());
        if me > 0 {
            self.send(0, &Letter::Alive);
            if self.heard[0].is_some_and(|last| self.awake > last + self.patience) {
                self.over = Some(Ending::Alone);
            }
            return;
        }
        for rank in 1..size {
            let Some(last) = self.heard[rank] else { continue };
            if self.awake > last + self.patience {
                self.heard[rank] = None;
                self.network.forget(rank);
                let seconds = self.patience.as_secs_f64();
                (self.desk)(Mail::Lost(rank, format!("rank {rank} has not been heard for {seconds} s")));
            } else {
                self.send(rank, &Letter::Alive);
            }
        }
    }

    /// On rank 0, tells the others that it is over; waits a little until all has left.
    fn farewell(&mut self) {
        self.flush();
        if let (0, Some(Ending::Over { code, whole })) = (self.network.rank(), self.over) {
            for rank in (1..self.network.size()).filter(|&rank| self.heard[rank].is_some()).collect::<Vec<_>>() {
                self.send(rank, &Letter::Over { code, whole });
            }
        }
        let start = Instant::now();
        while self.network.unsent() > 0 && start.elapsed() < self.patience.min(Duration::from_secs(5)) {
            std::thread::sleep(NAPS.0);
        }
    }
}

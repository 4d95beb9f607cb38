//! What one worker holds, for launchers that hand tasks to workers over a stream of messages: who is told what, and what its end means.
//!
//! A worker holds several tasks: many short ones, or one beside a long one, so that it need not wait for its next. It says which it has
//! begun; the others come back when it dies, and when another worker has nothing to do.

use std::collections::BTreeMap;

use super::wire::{Order, Report, Request};
use super::{Blame, Event, Load};

/// Tasks that a worker may hold however long they are: one under way, one next.
const HOLDS: usize = 2;

/// A worker as its launcher sees it.
#[derive(Debug, Default)]
pub struct Place {
    /// What it holds, by ticket.
    held: BTreeMap<u64, Held>,
    /// Sum over `held`.
    load: f64,
    /// Orders that go with the next message.
    unsent: Vec<Order>,
    /// It was asked to give tasks back and has not answered yet.
    asked: bool,
    /// It takes nothing more and is about to end.
    retired: bool,
}

#[derive(Debug)]
struct Held {
    load: f64,
    begun: bool,
}

impl Place {
    /// Whether it takes a task of this load now.
    #[must_use]
    pub fn has_room(&self, load: Load) -> bool {
        let fits = match load {
            Load::Nanoseconds(n) => self.load + n <= Load::MOST || (self.held.len() < HOLDS && self.load.is_finite()),
            Load::Alone => false,
        };
        !self.retired && (self.held.is_empty() || fits)
    }

    /// Whether it has nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty() && !self.retired
    }

    /// Whether it takes nothing more, ever.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether it holds nothing, idle or not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a task is under way there.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.held.values().any(|held| held.begun)
    }

    /// Keeps back what has not been sent: the worker is about to end.
    pub fn withhold(&mut self) {
        self.unsent.clear();
    }

    /// What waits and runs there, in nanoseconds.
    #[must_use]
    pub const fn load(&self) -> f64 {
        self.load
    }

    /// Takes an order over, for the next message.
    pub fn take(&mut self, order: Order, load: Load) {
        let load = load.nanoseconds();
        self.load += load;
        self.held.insert(order.ticket, Held { load, begun: false });
        self.unsent.push(order);
    }

    fn release(&mut self, ticket: u64) {
        if let Some(held) = self.held.remove(&ticket) {
            // Where a task was alone, or rounding left something, nothing may stay.
            self.load = if self.held.is_empty() { 0.0 } else { self.load - held.load };
        }
    }

    /// The orders that wait to be sent.
    pub fn unsent(&mut self) -> Option<Request> {
        (!self.unsent.is_empty()).then(|| Request::Do(std::mem::take(&mut self.unsent)))
    }

    /// Asks for one in `of` of the tasks that are not begun, once; what waits to be sent goes before. One that has begun nothing is about
    /// to: it keeps its first, or that could go back and forth for ever.
    #[must_use]
    pub fn ask_back(&mut self, of: usize) -> Vec<Request> {
        let waiting = self.held.values().filter(|held| !held.begun).count();
        let spare = if waiting == self.held.len() { waiting.saturating_sub(1) } else { waiting };
        if spare == 0 || self.asked || self.retired {
            return Vec::new();
        }
        self.asked = true;
        let most = u32::try_from(spare.div_ceil(of)).unwrap_or(u32::MAX);
        self.unsent().into_iter().chain([Request::GiveBack(most)]).collect()
    }

    /// What a report means.
    pub fn event(&mut self, report: Report) -> Event {
        match report {
            Report::Started { ticket } => {
                if let Some(held) = self.held.get_mut(&ticket) {
                    held.begun = true;
                }
                Event::Started { ticket }
            }
            Report::Progress { ticket, share } => Event::Progress { ticket, share },
            Report::Continued { ticket, epoch } => Event::Continued { ticket, epoch },
            Report::Finished { ticket, outcome } => {
                self.release(ticket);
                Event::Finished { ticket, outcome }
            }
            Report::GivenBack { tickets } => {
                self.asked = false;
                tickets.iter().for_each(|&ticket| self.release(ticket));
                Event::Returned { tickets }
            }
            Report::Lost { tickets, error } => {
                self.retired = true;
                tickets.iter().for_each(|&ticket| self.release(ticket));
                Event::Lost { tickets, reason: error, blame: Blame::Store }
            }
        }
    }

    /// What its end means for the tasks that it held. Unless all that it said was `heard`, the next one may have been begun.
    #[must_use]
    pub fn end(self, reason: String, heard: bool) -> [Event; 2] {
        let (mut begun, mut returned): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for (ticket, held) in self.held {
            if held.begun { begun.push(ticket) } else { returned.push(ticket) }
        }
        // A worker that died before it began anything counts against the task it was started for: else it could go on for ever.
        if (begun.is_empty() || !heard) && !self.retired && !returned.is_empty() {
            begun.push(returned.remove(0));
        }
        [Event::Returned { tickets: returned }, Event::Lost { tickets: begun, reason, blame: Blame::Worker }]
    }
}

/// Index of the place for a task of this load: an idle one, or `None`s that could be filled, or the one that has least to do.
#[must_use]
pub fn choose<'p>(places: impl Iterator<Item = Option<&'p Place>>, load: Load) -> Option<usize> {
    let rank = |place: Option<&Place>| match place {
        Some(place) if place.is_idle() => Some(-2.0),
        None => Some(-1.0),
        Some(place) => place.has_room(load).then_some(place.load()),
    };
    let ranked = places.enumerate().filter_map(|(index, place)| Some((rank(place)?, index)));
    ranked.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, index)| index)
}

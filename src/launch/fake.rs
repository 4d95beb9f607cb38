//! A launcher that runs nothing: every task meets the fate that a test wrote down for it. Tests only.
//!
//! Like the real one it holds several tasks at a place, gives back what is not begun, and loses what is begun when a place dies.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::wire::Outcome;
use super::{Blame, Event, LaunchError, Launcher, Load};
use crate::grid::ids::Id;
use crate::grid::plan::Task;
use crate::train::spec::TrainingSpec;

/// What happens to one attempt at a task.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It is done.
    Ok,
    /// It fails.
    Failed,
    /// Its worker dies, and with it the tasks that were ended there and not committed.
    Lost,
    /// Its worker lives and cannot keep the results.
    Unkept,
    /// It is done, and the launcher says so twice, then that it was lost.
    Twice,
}

/// The fake.
pub struct Fake {
    places: Vec<Place>,
    /// Tasks that a place holds at most.
    holds: usize,
    fates: HashMap<u64, VecDeque<Fate>>,
    random: u64,
    /// Attempts begun at each task, by seed.
    pub begun: HashMap<u64, u32>,
    /// Tasks that came back untouched.
    pub returned: usize,
    /// Whether [`Launcher::cancel`] was called.
    pub cancelled: bool,
}

#[derive(Default)]
struct Place {
    /// Ended and not committed: tickets, with how they ended.
    ended: Vec<(u64, Outcome)>,
    /// Not begun: ticket, seed of the task, whether it must be alone.
    waiting: VecDeque<(u64, u64, bool)>,
    /// Asked to give back so many.
    asked: Option<usize>,
}

/// A task that is told by its seed.
pub fn task(seed: u64) -> Task {
    Task { training: Id([seed as u8; 16]), spec: TrainingSpec::default().into(), seed, train: true, measure: [].into() }
}

impl Fake {
    /// A fake with that many places for one task each; attempts beyond the fates written down end well.
    pub fn new(places: usize, fates: Vec<(u64, Vec<Fate>)>) -> Self {
        let fates = fates.into_iter().map(|(task, fates)| (task, fates.into())).collect();
        let places = (0..places).map(|_| Place::default()).collect();
        Self { places, holds: 1, fates, random: 0, begun: HashMap::new(), returned: 0, cancelled: false }
    }

    /// The same, with so many tasks at a place.
    pub fn holding(self, holds: usize) -> Self {
        Self { holds, ..self }
    }

    /// The same, with places acting in an order that `seed` decides.
    pub fn shuffled(self, seed: u64) -> Self {
        Self { random: seed | 1, ..self }
    }

    /// A number below `end`; 0 unless shuffled.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.random & 1);
        (self.random >> 33) as usize % end
    }

    fn place_for(&self, load: Load) -> Option<usize> {
        let has_room = |place: &Place| match place.held() {
            0 => true,
            held => load != Load::Alone && held < self.holds && place.waiting.iter().all(|&(.., alone)| !alone),
        };
        // The emptiest first, as the real one does.
        let free = self.places.iter().enumerate().filter(|(_, place)| has_room(place));
        free.min_by_key(|(_, place)| place.held()).map(|(n, _)| n)
    }

    /// One place commits what it has ended, gives back, or begins its next task.
    fn act(&mut self, place: usize) -> Vec<Event> {
        if let Some(most) = self.places[place].asked.take() {
            let waiting = &mut self.places[place].waiting;
            let kept = waiting.len().saturating_sub(most);
            let tickets: Vec<u64> = waiting.split_off(kept).iter().map(|&(ticket, ..)| ticket).collect();
            self.returned += tickets.len();
            return vec![Event::Returned { tickets }];
        }
        let commits = self.places[place].waiting.is_empty() || self.below(3) == 0;
        if commits && !self.places[place].ended.is_empty() {
            let ended = std::mem::take(&mut self.places[place].ended);
            return ended.into_iter().map(|(ticket, outcome)| Event::Finished { ticket, outcome }).collect();
        }
        let Some((ticket, seed, alone)) = self.places[place].waiting.pop_front() else { return vec![] };
        assert!(!alone || self.places[place].held() == 0, "a suspect is alone");
        *self.begun.entry(seed).or_insert(0) += 1;
        let started = Event::Started { ticket };
        let fate = self.fates.get_mut(&seed).and_then(VecDeque::pop_front).unwrap_or(Fate::Ok);
        let reason = || "gone".to_owned();
        match fate {
            Fate::Ok => {
                self.places[place].ended.push((ticket, Outcome::Ok));
                vec![started, Event::Progress { ticket, share: 0.5 }]
            }
            Fate::Failed => {
                self.places[place].ended.push((ticket, Outcome::Failed { error: "broken".into() }));
                vec![started]
            }
            Fate::Lost | Fate::Unkept => {
                let blame = if matches!(fate, Fate::Lost) { Blame::Worker } else { Blame::Store };
                let Place { ended, waiting, .. } = std::mem::take(&mut self.places[place]);
                self.returned += waiting.len();
                let returned = waiting.iter().map(|&(ticket, ..)| ticket).collect();
                let tickets = ended.iter().map(|&(ticket, _)| ticket).chain([ticket]).collect();
                vec![started, Event::Returned { tickets: returned }, Event::Lost { tickets, reason: reason(), blame }]
            }
            Fate::Twice => {
                let done = Event::Finished { ticket, outcome: Outcome::Ok };
                vec![started, done.clone(), done, Event::Lost { tickets: vec![ticket], reason: reason(), blame: Blame::Worker }]
            }
        }
    }
}

impl Place {
    fn held(&self) -> usize {
        self.ended.len() + self.waiting.len()
    }

    /// Asks for one task in `of`, but not for the only one of a place that has begun nothing.
    fn ask_back(&mut self, of: usize) {
        let spare = self.waiting.len().saturating_sub(usize::from(self.ended.is_empty()));
        self.asked = Some(spare.div_ceil(of)).filter(|&most| most > 0);
    }
}

impl Launcher for Fake {
    fn has_room(&self, load: Load) -> bool {
        self.place_for(load).is_some()
    }

    fn submit(&mut self, ticket: u64, _: u32, task: &Task, load: Load) -> Result<(), LaunchError> {
        let place = self.place_for(load).expect("room, as it was asked for");
        self.places[place].waiting.push_back((ticket, task.seed, load == Load::Alone));
        Ok(())
    }

    fn balance(&mut self) {
        if self.places.iter().any(|place| place.held() == 0) {
            self.places.iter_mut().for_each(|place| place.ask_back(2));
        }
    }

    fn recall(&mut self) {
        self.places.iter_mut().for_each(|place| place.ask_back(1));
    }

    fn poll(&mut self, _: Duration) -> Result<Vec<Event>, LaunchError> {
        let busy: Vec<usize> = (0..self.places.len()).filter(|&n| self.places[n].held() > 0).collect();
        // Nobody is busy where all that waits is put off.
        if busy.is_empty() {
            return Ok(vec![]);
        }
        let place = busy[self.below(busy.len())];
        Ok(self.act(place))
    }

    fn cancel(&mut self) {
        self.cancelled = true;
        self.places.iter_mut().for_each(|place| *place = Place::default());
    }
}

//! The launcher on the ranks of one job: the coordinator, on rank 0, hands tasks to the workers of all of them through its carrier
//! ([`super::ranks`]).

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::place::{Place, choose};
use super::ranks::{Letter, Mail, Outgoing};
use super::wire::{Order, Request};
use super::{Event, LaunchError, Launcher, Load};
use crate::grid::plan::Task;

/// The coordinator's end of the ranks, kept from launcher to launcher.
#[derive(Clone, Debug)]
pub struct Crew(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    outgoing: Sender<Outgoing>,
    mail: Receiver<Mail>,
    /// By rank, whether it computes.
    computes: Vec<bool>,
    /// By rank; `None` for those that compute nothing, or are lost.
    places: Vec<Option<Place>>,
    /// What became of the rank that was lost last.
    reason: String,
}

impl Crew {
    /// Ranks that compute, reached by `outgoing`; they answer by `mail`.
    #[must_use]
    pub fn new(outgoing: Sender<Outgoing>, mail: Receiver<Mail>, computes: &[bool]) -> Self {
        let places = computes.iter().map(|computes| computes.then(Place::default)).collect();
        let reason = "there is none".to_owned();
        Self(Arc::new(Mutex::new(Inner { outgoing, mail, computes: computes.to_vec(), places, reason })))
    }

    /// How many ranks compute.
    #[must_use]
    pub fn workers(&self) -> u32 {
        u32::try_from(self.lock().places.iter().flatten().count()).unwrap_or(u32::MAX)
    }

    /// A launcher on these ranks.
    #[must_use]
    pub fn launcher(&self) -> Ranks<'_> {
        Ranks(self.lock())
    }

    /// What is inside is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs tasks on ranks. When dropped, it asks their workers to end and waits for that, so that they hold nothing in the store any more; who
/// is in the middle of a task leaves a checkpoint.
pub struct Ranks<'a>(MutexGuard<'a, Inner>);

impl Inner {
    fn takers(&mut self) -> impl Iterator<Item = (usize, &mut Place)> {
        self.places.iter_mut().enumerate().filter_map(|(rank, place)| Some((rank, place.as_mut()?)))
    }

    fn say(&self, rank: usize, request: Request) {
        // If the carrier has gone, so will this process.
        let _ = self.outgoing.send((rank, Letter::Request(request)));
    }

    fn ask_back(&mut self, of: usize) {
        let asked: Vec<_> = self.takers().map(|(rank, place)| (rank, place.ask_back(of))).collect();
        asked.into_iter().for_each(|(rank, requests)| requests.into_iter().for_each(|request| self.say(rank, request)));
    }

    fn events(&mut self, mail: Mail, events: &mut Vec<Event>) {
        match mail {
            Mail::Reports(rank, reports) => {
                let Some(Some(place)) = self.places.get_mut(rank) else { return };
                for report in reports {
                    events.push(place.event(report));
                    if place.is_retired() {
                        // The worker ends and another takes its place there; what it had not begun comes back.
                        events.extend(std::mem::take(place).end(String::new(), true));
                    }
                }
            }
            // One that was warned of its job's end, and gave back what it had. It takes up work again if there is any.
            Mail::Ended(_) => {}
            Mail::Lost(rank, reason) => {
                tracing::warn!("{reason}; what it had begun is tried elsewhere");
                self.reason.clone_from(&reason);
                let place = self.places.get_mut(rank).and_then(Option::take);
                events.extend(place.into_iter().flat_map(|place| place.end(reason.clone(), false)));
            }
            Mail::Found(rank) => {
                tracing::warn!("rank {rank} is heard again");
                if let (Some(true), Some(place)) = (self.computes.get(rank), self.places.get_mut(rank)) {
                    place.get_or_insert_default();
                }
            }
        }
    }

    /// Ends the workers of all ranks that live.
    fn end_workers(&mut self) {
        let mut waiting: BTreeSet<usize> = self.takers().map(|(rank, _)| rank).collect();
        waiting.iter().for_each(|&rank| self.say(rank, Request::Ease));
        while !waiting.is_empty() {
            // Without a carrier this process is about to end.
            let Ok(mail) = self.mail.recv() else { return };
            if let Mail::Ended(rank) | Mail::Lost(rank, _) = mail {
                waiting.remove(&rank);
            }
            self.events(mail, &mut Vec::new());
        }
        self.takers().for_each(|(_, place)| *place = Place::default());
    }
}

impl Drop for Ranks<'_> {
    fn drop(&mut self) {
        self.0.end_workers();
    }
}

impl Launcher for Ranks<'_> {
    fn has_room(&self, load: Load) -> bool {
        self.0.places.iter().flatten().any(|place| place.has_room(load))
    }

    fn submit(&mut self, ticket: u64, attempt: u32, task: &Task, load: Load) -> Result<(), LaunchError> {
        let order = Order { ticket, attempt, task: task.clone(), fence: 0 };
        let mut living: Vec<&mut Place> = self.0.places.iter_mut().flatten().collect();
        let chosen = choose(living.iter().map(|place| Some(&**place)), load).ok_or(LaunchError::NoPlace)?;
        living[chosen].take(order, load);
        Ok(())
    }

    fn balance(&mut self) {
        if self.0.places.iter().flatten().any(Place::is_idle) {
            self.0.ask_back(2);
        }
    }

    fn recall(&mut self) {
        self.0.ask_back(1);
    }

    fn poll(&mut self, timeout: Duration) -> Result<Vec<Event>, LaunchError> {
        let unsent: Vec<_> = self.0.takers().filter_map(|(rank, place)| Some((rank, place.unsent()?))).collect();
        unsent.into_iter().for_each(|(rank, request)| self.0.say(rank, request));
        let mut mail: Vec<Mail> = self.0.mail.recv_timeout(timeout).into_iter().collect();
        mail.extend(self.0.mail.try_iter());
        let mut events = Vec::new();
        mail.into_iter().for_each(|mail| self.0.events(mail, &mut events));
        if events.is_empty() && self.0.places.iter().all(Option::is_none) {
            return Err(LaunchError::Deserted { reason: self.0.reason.clone() });
        }
        Ok(events)
    }

    /// The end of this launcher, which follows, ends all work.
    fn cancel(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    use super::super::drive::{News, Observer, Outcomes, Wish, drive};
    use super::super::fake::task;
    use super::super::ranks::{Carrier, Ending, Network};
    use super::super::wire::{Outcome, Report};
    use super::*;

    /// What has arrived at a rank, with senders.
    type Queue = Mutex<VecDeque<(usize, Vec<u8>)>>;

    /// Ranks of this process: a queue for each, and whether it is cut off.
    #[derive(Default)]
    struct Wires {
        queues: Vec<Queue>,
        cut: Vec<AtomicBool>,
    }

    struct Wire {
        rank: usize,
        wires: Arc<Wires>,
    }

    impl Wire {
        fn is_cut(&self) -> bool {
            self.wires.cut[self.rank].load(Ordering::SeqCst)
        }
    }

    impl Network for Wire {
        fn rank(&self) -> usize {
            self.rank
        }
        fn size(&self) -> usize {
            self.wires.queues.len()
        }
        fn send(&mut self, to: usize, bytes: Vec<u8>) {
            if !self.is_cut() {
                self.wires.queues[to].lock().unwrap().push_back((self.rank, bytes));
            }
        }
        fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
            if self.is_cut() { None } else { self.wires.queues[self.rank].lock().unwrap().pop_front() }
        }
        fn unsent(&mut self) -> usize {
            0
        }
        fn forget(&mut self, _: usize) {}
    }

    /// A worker that does everything at once; the rank `silent` never gets beyond the beginning of its first task.
    fn worker(rank: usize, silent: bool, outgoing: Sender<Outgoing>) -> impl FnMut(Request) + 'static {
        move |request| {
            let say = |letter| drop(outgoing.send((0, letter)));
            match request {
                Request::Do(orders) => {
                    for Order { ticket, .. } in orders {
                        assert!(ticket < 1_000, "rank {rank}");
                        say(Letter::Reports(vec![Report::Started { ticket }]));
                        if silent {
                            return;
                        }
                        say(Letter::Reports(vec![Report::Finished { ticket, outcome: Outcome::Ok }]));
                    }
                }
                Request::GiveBack(_) => say(Letter::Reports(vec![Report::GivenBack { tickets: vec![] }])),
                Request::Ease => say(Letter::Ended),
            }
        }
    }

    /// Notes losses; cuts a rank off once work has begun.
    struct Desk {
        wires: Arc<Wires>,
        cut: Option<usize>,
        lost: Vec<String>,
    }

    impl Observer for Desk {
        fn news(&mut self, _: usize, news: &News<'_>) {
            match news {
                News::Started { .. } => self.cut.iter().for_each(|&rank| self.wires.cut[rank].store(true, Ordering::SeqCst)),
                News::Lost { reason, .. } => self.lost.push((*reason).to_owned()),
                _ => {}
            }
        }
        fn tick(&mut self) -> Wish {
            Wish::Run
        }
        fn attempts_before(&mut self, _: usize) -> u32 {
            0
        }
    }

    /// Silence after which a rank is lost: where none is cut off, longer than any machine holds up a thread.
    const fn patience(cut: Option<usize>) -> Duration {
        Duration::from_secs(if cut.is_some() { 2 } else { 300 })
    }

    /// Drives `tasks` tasks over `size` ranks, of which one may be cut off; how it went, the reasons of losses, the endings by rank.
    fn play(size: usize, tasks: u64, cut: Option<usize>) -> (Result<Outcomes, LaunchError>, Vec<String>, Vec<Ending>) {
        let wires = Arc::new(Wires {
            queues: (0..size).map(|_| Mutex::default()).collect(),
            cut: (0..size).map(|_| AtomicBool::new(false)).collect(),
        });
        thread::scope(|scope| {
            let spawn = |rank: usize, mail: Option<Sender<Mail>>| {
                let (outgoing, letters) = channel();
                let sender = outgoing.clone();
                let network = Wire { rank, wires: Arc::clone(&wires) };
                let carry = move || {
                    let desk = move |letter| drop(mail.as_ref().map(|mail| mail.send(letter)));
                    Carrier::new(network, letters, worker(rank, cut == Some(rank), sender), desk, patience(cut)).carry().0
                };
                (outgoing, scope.spawn(carry))
            };
            let (mail, desk) = channel();
            let (outgoing, first) = spawn(0, Some(mail));
            let others: Vec<_> = (1..size).map(|rank| spawn(rank, None).1).collect();
            let crew = Crew::new(outgoing.clone(), desk, &vec![true; size]);
            assert_eq!(crew.workers() as usize, size);
            let mut observer = Desk { wires: Arc::clone(&wires), cut, lost: vec![] };
            let list: Vec<Task> = (0..tasks).map(task).collect();
            let mut launcher = crew.launcher();
            let driven = drive(&list, &mut launcher, &mut observer);
            drop(launcher);
            outgoing.send((0, Letter::Over { code: 4, whole: true })).unwrap();
            let endings = [first].into_iter().chain(others).map(|rank| rank.join().unwrap()).collect();
            (driven, observer.lost, endings)
        })
    }

    #[test]
    fn all_ranks_from_one_on_do_all_tasks_and_end_with_the_same_code() {
        for size in [1, 2, 5] {
            let (driven, lost, endings) = play(size, 300, None);
            assert_eq!((driven.unwrap().done.len(), lost), (300, vec![]));
            assert_eq!(endings, vec![Ending::Over { code: 4, whole: true }; size]);
        }
    }

    #[test]
    fn what_a_silent_rank_had_is_done_elsewhere_and_the_cut_off_one_gives_up() {
        let (driven, lost, endings) = play(3, 100, Some(2));
        assert_eq!(driven.unwrap().done.len(), 100);
        assert!(!lost.is_empty() && lost.iter().all(|reason| reason == "rank 2 has not been heard for 2 s"), "{lost:?}");
        assert_eq!(endings, [Ending::Over { code: 4, whole: false }, Ending::Over { code: 4, whole: false }, Ending::Alone]);
    }

    #[test]
    fn without_a_rank_that_works_the_launcher_says_so() {
        let wires = channel::<Outgoing>();
        let (mail, desk) = channel();
        let crew = Crew::new(wires.0, desk, &[false, true]);
        mail.send(Mail::Lost(1, "rank 1 has not been heard for 9 s".to_owned())).unwrap();
        let mut launcher = crew.launcher();
        assert!(launcher.has_room(Load::Alone));
        launcher.poll(Duration::from_secs(1)).unwrap();
        assert!(!launcher.has_room(Load::Alone));
        let error = launcher.poll(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "no rank is left that works: rank 1 has not been heard for 9 s; run again to go on");
        mail.send(Mail::Found(1)).unwrap();
        launcher.poll(Duration::from_secs(1)).unwrap();
        assert!(launcher.has_room(Load::Alone));
        drop(mail);
    }
}

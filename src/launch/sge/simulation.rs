//! A cluster that lies, in memory and with a clock of its own: thousands of schedules of pilots, leases and submissions, each a function of
//! a seed. Tests only.
//!
//! The pilots are the real decisions (`pilot`), on the real leases (`store::lease`); what is played is the world around them: a scheduler
//! that delays, forgets, starts twice, refuses and errs; hosts that hang and come back; pilots that die at any step; a person who looks now
//! and then and runs again. Time passes in ticks of a second. A pilot does one thing a tick, so that the steps of all interleave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::pilot::{Leave, Place, Step, Work};
use super::sweep::Batch;
use crate::store::lease::memory::MemoryBoard;
use crate::store::lease::{self, Board, Lease, State, Watch};

/// Seconds between heartbeats, and without one until a pilot counts as dead.
const HEARTBEAT: u64 = 2;
const DEADLINE: u64 = 12;
/// A schedule that takes longer hangs.
const HANGS: u64 = 20_000;
/// Time after which the world stops doing its worst: what is left must come to its end then.
const TROUBLE: u64 = 600;

/// SplitMix64: the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn happens(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// What a task comes to, whoever computes it.
const fn result(task: usize) -> u64 {
    (task as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5bd1_e995
}

/// The records that are committed: results, with the fences under which they were written.
#[derive(Default)]
struct Records {
    results: BTreeMap<usize, u64>,
    commits: u64,
    tables: u64,
    ended: bool,
}

/// Where a pilot is in its life.
enum Doing {
    /// Looks for work.
    Looking,
    /// A batch, with the passes that are left of the task at hand.
    Batch { lease: Lease, batch: usize, task: Option<(usize, u64)> },
    /// Makes the tables: ticks left.
    Tables { lease: Lease, left: u64 },
    /// Waits until then.
    Resting { until: u64 },
}

struct Pilot {
    sweep: usize,
    class: u32,
    first: usize,
    watch: Watch,
    watching: Option<Lease>,
    doing: Doing,
    beat: u64,
    /// It hangs until then: suspended, or its host is.
    frozen: u64,
    /// Time at which its h_rt ends.
    walltime: u64,
    host: u64,
}

/// A submission.
struct Sweep {
    board: MemoryBoard,
    batches: Vec<Batch>,
    /// Tasks of each batch.
    tasks: Vec<Vec<usize>>,
    closed: bool,
    /// Array tasks that wait, with the time from which they may start.
    queued: Vec<(u32, usize, u64)>,
}

struct World {
    random: Random,
    now: u64,
    costs: Vec<u64>,
    records: Records,
    sweeps: Vec<Sweep>,
    pilots: Vec<Pilot>,
    h_rt: u64,
    /// Held leases by sweep, name and fence: two holders of one are a defect.
    taken: BTreeSet<(usize, String, u64)>,
    submissions: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let tasks = 1 + random.below(30);
        let costs: Vec<u64> = (0..tasks).map(|_| 1 + random.below(25)).collect();
        let h_rt = 30 + random.below(200);
        Self {
            random,
            now: 0,
            costs,
            records: Records::default(),
            sweeps: vec![],
            pilots: vec![],
            h_rt,
            taken: BTreeSet::new(),
            submissions: 0,
        }
    }

    fn trouble(&mut self, one_in: u64) -> bool {
        self.now < TROUBLE && self.random.happens(one_in)
    }

    fn missing(&self) -> Vec<usize> {
        (0..self.costs.len()).filter(|task| !self.records.results.contains_key(task)).collect()
    }

    /// A person runs: what is missing becomes a sweep of its own, unless one is known to be under way.
    fn submit(&mut self) {
        self.submissions += 1;
        for sweep in &mut self.sweeps {
            // Its jobs seem to be gone. They may not be: the scheduler forgets.
            sweep.closed = true;
            for (what, fence) in sweep.board.names().unwrap() {
                sweep.board.remove(&what, fence).unwrap();
            }
        }
        let missing = self.missing();
        let per_batch = 1 + self.random.below(5) as usize;
        let tasks: Vec<Vec<usize>> = missing.chunks(per_batch).map(<[usize]>::to_vec).collect();
        let mut class = 0;
        let classes: Vec<u32> = tasks
            .iter()
            .map(|_| {
                class |= u32::from(self.random.happens(8));
                class
            })
            .collect();
        let batches =
            classes.iter().zip(&tasks).map(|(&class, tasks)| Batch { offset: 0, bytes: 0, tasks: tasks.len() as u32, class });
        let batches: Vec<Batch> = batches.collect();
        // Exit 25: fewer than wanted; a first submission of none is what the person sees, and tries again.
        let pilots = 1 + self.random.below(6) as usize;
        let mut queued = Vec::new();
        for number in 0..pilots {
            let class = if number == 0 { class } else { self.random.below(u64::from(class) + 1) as u32 };
            if self.trouble(10) && number > 0 {
                continue;
            }
            let delay = if self.trouble(4) { self.random.below(200) } else { self.random.below(4) };
            queued.push((class, number, self.now + delay));
            // Started twice: two processes that take themselves for the same array task.
            if self.trouble(8) {
                queued.push((class, number, self.now + delay + self.random.below(30)));
            }
        }
        // Eqw: they never start.
        if self.trouble(12) {
            queued.clear();
        }
        self.sweeps.push(Sweep { board: MemoryBoard::default(), batches, tasks, closed: false, queued });
    }

    /// A person looks now and then, and runs again where the scheduler knows of nothing.
    fn person(&mut self) {
        if self.records.ended || !self.now.is_multiple_of(60) {
            return;
        }
        let forgets = self.trouble(6);
        let known = self.sweeps.iter().any(|sweep| !sweep.closed && !sweep.queued.is_empty())
            || self.pilots.iter().any(|pilot| !self.sweeps[pilot.sweep].closed);
        if !known || forgets {
            self.submit();
        }
    }

    fn start_pilots(&mut self) {
        for sweep in 0..self.sweeps.len() {
            let queued = std::mem::take(&mut self.sweeps[sweep].queued);
            for (class, number, from) in queued {
                if from > self.now {
                    self.sweeps[sweep].queued.push((class, number, from));
                    continue;
                }
                let watch = Watch::new(Duration::from_secs(DEADLINE));
                let (walltime, host) = (self.now + self.h_rt, self.random.below(3));
                let (doing, now) = (Doing::Looking, self.now);
                self.pilots.push(Pilot {
                    sweep,
                    class,
                    first: number,
                    watch,
                    watching: None,
                    doing,
                    beat: now,
                    frozen: 0,
                    walltime,
                    host,
                });
            }
        }
    }

    /// What befalls pilots: killed, frozen (suspended, a host that hangs), a whole host lost and back.
    fn misfortune(&mut self) {
        if self.trouble(150) {
            let host = self.random.below(3);
            let until = self.now + self.random.below(120);
            self.pilots.iter_mut().filter(|pilot| pilot.host == host).for_each(|pilot| pilot.frozen = until);
        }
        let mut place = 0;
        while place < self.pilots.len() {
            if self.trouble(400) {
                let pilot = self.pilots.swap_remove(place);
                // Grid Engine starts it again where it learns of its death.
                if self.random.happens(2) {
                    self.requeue(&pilot);
                }
                continue;
            }
            if self.trouble(300) {
                self.pilots[place].frozen = self.now + self.random.below(60);
            }
            place += 1;
        }
    }

    fn requeue(&mut self, pilot: &Pilot) {
        let from = self.now + self.random.below(20);
        self.sweeps[pilot.sweep].queued.push((pilot.class, pilot.first, from));
    }

    /// One thing done by every pilot that can.
    fn pilots_act(&mut self) {
        let mut order: Vec<usize> = (0..self.pilots.len()).collect();
        // Who is first in this second is chance.
        for place in (1..order.len()).rev() {
            order.swap(place, self.random.below(place as u64 + 1) as usize);
        }
        let mut gone = Vec::new();
        for place in order {
            if self.pilots[place].frozen <= self.now && !self.act(place) {
                gone.push(place);
            }
        }
        gone.sort_unstable();
        for place in gone.into_iter().rev() {
            self.pilots.swap_remove(place);
        }
    }

    /// One thing; `false` if the pilot ends with it.
    fn act(&mut self, place: usize) -> bool {
        let mut pilot = std::mem::replace(
            &mut self.pilots[place],
            Pilot {
                sweep: 0,
                class: 0,
                first: 0,
                watch: Watch::new(Duration::ZERO),
                watching: None,
                doing: Doing::Looking,
                beat: 0,
                frozen: 0,
                walltime: 0,
                host: 0,
            },
        );
        let goes_on = self.act_of(&mut pilot);
        self.pilots[place] = pilot;
        goes_on
    }

    fn act_of(&mut self, pilot: &mut Pilot) -> bool {
        let board: Arc<dyn Board> = Arc::new(self.sweeps[pilot.sweep].board.clone());
        // The heartbeat thread.
        if self.now >= pilot.beat + HEARTBEAT {
            pilot.beat = self.now;
            if let Some(watch) = &mut pilot.watching
                && !watch.beat("").unwrap()
            {
                pilot.watching = None;
            }
            if let Doing::Batch { lease, .. } | Doing::Tables { lease, .. } = &mut pilot.doing {
                lease.beat("").unwrap();
            }
        }
        let must_go = self.now >= pilot.walltime;
        match std::mem::replace(&mut pilot.doing, Doing::Looking) {
            Doing::Resting { until } if self.now < until && !must_go => {
                pilot.doing = Doing::Resting { until };
                true
            }
            Doing::Resting { .. } | Doing::Looking => {
                if self.sweeps[pilot.sweep].closed || self.records.ended {
                    return false;
                }
                if must_go {
                    self.requeue(pilot);
                    return false;
                }
                self.look(pilot, &board)
            }
            Doing::Batch { lease, batch, task } => self.compute(pilot, lease, batch, task, must_go),
            Doing::Tables { lease, left: 0 } => {
                if lease.is_held().unwrap() {
                    assert!(self.missing().is_empty() || self.sweeps[pilot.sweep].closed, "tables of a sweep that is not done");
                    self.records.tables += 1;
                    self.records.ended = self.missing().is_empty();
                    lease.settle(State::Done, "").unwrap();
                    self.sweeps[pilot.sweep].closed = true;
                }
                false
            }
            Doing::Tables { lease, left } => {
                pilot.doing = Doing::Tables { lease, left: left - 1 };
                true
            }
        }
    }

    fn look(&mut self, pilot: &mut Pilot, board: &Arc<dyn Board>) -> bool {
        let sweep = &self.sweeps[pilot.sweep];
        let place = Place { batches: &sweep.batches, class: pilot.class, first: pilot.first };
        let step = place.untouched(&lease::newest(&**board).unwrap()).unwrap_or_else(|| {
            let view = pilot.watch.look(&**board, Duration::from_secs(self.now)).unwrap();
            place.next(&view, pilot.watching.is_some())
        });
        match step {
            Step::Take { work, after, .. } => {
                let Some(lease) = Lease::take(board, &work.name(), after, "").unwrap() else { return true };
                assert!(self.taken.insert((pilot.sweep, work.name(), lease.fence())), "{lease:?} was taken twice");
                match work {
                    Work::Watch(..) => pilot.watching = Some(lease),
                    Work::Tables => pilot.doing = Doing::Tables { lease, left: self.random.below(6) },
                    Work::Batch(batch) => {
                        if let Some(watch) = pilot.watching.take() {
                            watch.settle(State::Free, "").unwrap();
                        }
                        pilot.doing = Doing::Batch { lease, batch, task: None };
                    }
                }
                true
            }
            Step::Wait => {
                pilot.doing = Doing::Resting { until: self.now + HEARTBEAT };
                true
            }
            Step::Leave(Leave::AllDone | Leave::NotNeeded) => false,
        }
    }

    /// A pass of a batch's task.
    fn compute(&mut self, pilot: &mut Pilot, lease: Lease, batch: usize, task: Option<(usize, u64)>, must_go: bool) -> bool {
        // The look was before the last pass: whoever freezes behind it commits what another has done by then.
        let commits = matches!(task, Some((_, 0)));
        if !commits && !lease.is_held().unwrap() {
            // It has lost the batch: stops here, at its next pass.
            return true;
        }
        if must_go && !commits {
            lease.settle(State::Free, "").unwrap();
            self.requeue(pilot);
            return false;
        }
        match task {
            Some((task, 0)) => {
                let old = self.records.results.insert(task, result(task));
                assert!(old.is_none_or(|old| old == result(task)), "two results of task {task}");
                self.records.commits += 1;
                pilot.doing = Doing::Batch { lease, batch, task: None };
            }
            Some((task, left)) => pilot.doing = Doing::Batch { lease, batch, task: Some((task, left - 1)) },
            None => {
                let next = self.sweeps[pilot.sweep].tasks[batch].iter().find(|task| !self.records.results.contains_key(task));
                match next {
                    Some(&task) => pilot.doing = Doing::Batch { lease, batch, task: Some((task, self.costs[task])) },
                    None => lease.settle(State::Done, "").unwrap(),
                }
            }
        }
        true
    }

    /// Plays a schedule to its end; its time, and what was done twice.
    fn play(mut self) -> (u64, u64) {
        self.submit();
        while !(self.records.ended && self.pilots.is_empty()) {
            assert!(
                self.now < HANGS,
                "not done after {} s: {} of {} tasks missing, {} pilots, {} submissions",
                self.now,
                self.missing().len(),
                self.costs.len(),
                self.pilots.len(),
                self.submissions
            );
            self.person();
            self.start_pilots();
            self.misfortune();
            self.pilots_act();
            self.now += 1;
        }
        assert!(self.missing().is_empty() && self.records.tables > 0);
        (self.now, self.records.commits - self.costs.len() as u64)
    }
}

/// `INFOPLANE_TEST_CASES` schedules, or 10,000; `INFOPLANE_TEST_SEED` plays one again.
#[test]
fn no_run_is_lost_and_nothing_hangs_however_the_cluster_lies() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let play = |seed: u64| std::panic::catch_unwind(|| World::new(seed).play());
    if let Some(seed) = number("INFOPLANE_TEST_SEED") {
        let (time, twice) = World::new(seed).play();
        println!("seed {seed}: {time} s, {twice} tasks twice");
        return;
    }
    let cases = number("INFOPLANE_TEST_CASES").unwrap_or(10_000);
    let (mut longest, mut twice) = (0, 0);
    for seed in 0..cases {
        let Ok((time, again)) = play(seed) else {
            panic!("schedule {seed} fails; INFOPLANE_TEST_SEED={seed} plays it again");
        };
        (longest, twice) = (longest.max(time), twice + again);
    }
    println!("{cases} schedules: the longest took {longest} s of their time, {twice} tasks were done twice, to the same result");
    assert!(twice > 0, "no pilot ever came back from the dead: the schedules are too kind");
}

#[test]
fn a_schedule_is_a_function_of_its_seed() {
    for seed in [1, 77, 4242] {
        assert_eq!(World::new(seed).play(), World::new(seed).play());
    }
}

//! Tests of leases: who takes, keeps, loses and gives back a task, with many at it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

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
    let (interval, deadline) = (Duration::from_millis(5), Duration::from_secs(300));
    let lease = Lease::take(&board, "batch-1", 0, "").unwrap().unwrap();
    let kept = Kept::keep(lease, interval, deadline, "me".into()).unwrap();
    let mut watch = Watch::new(deadline);
    // Four deadlines of the observer's clock, which goes on with the heartbeats.
    let (mut clock, mut before) = (Duration::ZERO, None);
    for _ in 0..16 {
        let start = Instant::now();
        while board.read("batch-1", kept.fence()).unwrap() == before {
            assert!(start.elapsed() < deadline, "no heartbeat");
            thread::sleep(interval);
        }
        before = board.read("batch-1", kept.fence()).unwrap();
        clock += deadline / 4;
        let entry = &watch.look(&*board, clock).unwrap()["batch-1"];
        assert_eq!(entry.standing, Standing::Held);
    }
    assert!(kept.is_held() && kept.say_now("you".into()).unwrap());
    assert_eq!(watch.look(&*board, clock).unwrap()["batch-1"].says, "you");
    let next = Lease::take(&board, "batch-1", kept.fence(), "").unwrap().unwrap();
    let start = Instant::now();
    while kept.is_held() {
        assert!(start.elapsed() < deadline, "it never learns");
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

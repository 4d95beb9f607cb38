//! `kill -9` of any process at random instants, as often as `INFOPLANE_TEST_CASES` says: nothing committed is lost, and the tables are those
//! of an undisturbed store, to the byte. Moments and victims follow from `INFOPLANE_TEST_SEED`, which a failure names.

mod common;

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::processes::{assert_no_orphans, signal, wait_for_end, workers};
use common::random::Random;
use common::tables::Contents;
use common::{Lab, assert_same_tables};

/// Many short tasks behind a few long ones, so that kills fall into trainings, measurements, commits, merging and tables alike.
const COHORT: &str = r#"
name = "kills"
n_runs = 3

[experiment]
epochs = 400
calculate_mi_for = "test"
estimators = ["binning", "upper"]

[grid]
architecture = [[10, 7, 5, 4, 3], [6], []]
activation_fn = ["tanh", "relu"]
"#;
const TASKS: usize = 18;
/// Kills in a row on one store, before it is let to its end.
const ON_ONE_STORE: u64 = 12;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Err(_) => default,
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")),
    }
}

/// A store under attack.
struct Victim {
    lab: Lab,
    call: Child,
    /// Coordinators and workers killed.
    kills: [u64; 2],
    /// Trainings that were seen to be committed.
    kept: usize,
}

impl Victim {
    fn new() -> Self {
        let lab = Lab::new();
        lab.write("kills.toml", COHORT);
        let call = start(&lab);
        Self { lab, call, kills: [0; 2], kept: 0 }
    }

    /// Kills one process of those that live; `false` if the call is over, which leaves nothing to kill.
    fn strike(&mut self, random: &mut Random) -> bool {
        let store = self.lab.path("r");
        let workers = workers(&store);
        if self.call.try_wait().expect("the state of a child").is_some() {
            return false;
        }
        let of = random.below(workers.len() as u64 + 1) as usize;
        match workers.get(of) {
            Some(&worker) => {
                signal("KILL", &[worker]);
                self.kills[1] += 1;
            }
            None => {
                signal("KILL", &[self.call.id()]);
                wait_for_end(&mut self.call);
                self.kills[0] += 1;
                // The workers of a dead coordinator end by themselves; sometimes they meet the next.
                if random.below(2) == 0 {
                    assert_no_orphans(&store);
                    let kept = self.lab.trainings("r");
                    assert!(kept >= self.kept, "{kept} trainings, there were {}", self.kept);
                    self.kept = kept;
                }
                self.call = start(&self.lab);
            }
        }
        true
    }

    /// Lets it go on to its end, and compares.
    fn recover(mut self, expected: &BTreeMap<String, Vec<u8>>, case: &str) {
        wait_for_end(&mut self.call);
        assert_no_orphans(&self.lab.path("r"));
        // Tasks that were lost three times in one call are left to the next.
        self.lab.call(&["resume", "kills", "--out", "r"]).expect(0);
        assert_same_tables(&self.lab.result_tables("r", "kills"), expected, case);
        // The note of an attempt is written last: a task that is done may have none.
        let provenance = Contents::read(&self.lab.table("r", "kills", "provenance"));
        assert!(!provenance.rows_where("status", "ok").is_empty() && self.lab.trainings("r") == TASKS, "{case}");
        assert!(self.lab.call(&["run", "kills.toml", "--out", "r"]).expect(0).stderr.contains("nothing to do"), "{case}");
    }
}

/// A run that goes on by itself. Workers are told by the absolute path of the store.
fn start(lab: &Lab) -> Child {
    let mut command = lab.command(&["run", "kills.toml", "--workers", "2", "--out"]);
    command.arg(lab.path("r")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

#[test]
fn any_process_may_be_killed_at_any_instant() {
    let (cases, seed) = (number("INFOPLANE_TEST_CASES", 40), number("INFOPLANE_TEST_SEED", 20_261_124));
    let lab = Lab::new();
    lab.write("kills.toml", COHORT);
    let clock = Instant::now();
    lab.call(&["run", "kills.toml", "--out", "r", "--workers", "2"]).expect(0);
    // Moments in proportion to an undisturbed run, so that most fall within one, from its start to its tables.
    let span = u64::try_from(clock.elapsed().as_micros()).expect("a short time").clamp(100_000, 1_500_000);
    let expected = lab.result_tables("r", "kills");
    let mut random = Random(seed);
    let mut all = [0; 2];
    while all[0] + all[1] < cases {
        let mut victim = Victim::new();
        let most = ON_ONE_STORE.min(cases - all[0] - all[1]);
        while victim.kills[0] + victim.kills[1] < most {
            thread::sleep(Duration::from_micros(random.below(span)));
            if !victim.strike(&mut random) {
                break;
            }
        }
        all = [all[0] + victim.kills[0], all[1] + victim.kills[1]];
        victim.recover(&expected, &format!("INFOPLANE_TEST_SEED={seed}, after {} kills", all[0] + all[1]));
    }
    println!("INFOPLANE_TEST_SEED={seed}: {} coordinators and {} workers killed", all[0], all[1]);
    assert!(cases < 20 || (all[0] > 0 && all[1] > 0), "{all:?}");
}

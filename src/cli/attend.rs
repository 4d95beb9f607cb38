//! Sweeps that are under way without us: which there are, whether the scheduler knows them, waiting for one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::load::Loaded;
use crate::launch::drive::Wish;
use crate::launch::sge::advice::{self, Facts};
use crate::launch::sge::journal::{Journal, Line};
use crate::launch::sge::qstat::{JobTasks, TaskState};
use crate::launch::sge::scheduler::{Programs, Scheduler, SchedulerError};
use crate::launch::sge::sweep::{Sweep, SweepDir, id_of_job};
use crate::query::running;
use crate::query::status::{CohortStatus, status};
use crate::store::{Index, Store};

/// Time between two looks at the journal, and between two questions to the scheduler.
const LOOK: Duration = Duration::from_millis(500);
const ASK: Duration = Duration::from_secs(5);
/// For how long jobs that the scheduler does not know are waited for: it forgets, and it delays.
const GRACE: Duration = Duration::from_secs(30);
/// Shortest time between two lines about progress.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The sweeps of a store that have not ended, of one cohort or of all. What cannot be read is left out.
pub fn open_sweeps(root: &Path, cohort: Option<&str>) -> Vec<(SweepDir, Sweep)> {
    let open = |dir: SweepDir| {
        let sweep = dir.read().ok().flatten()?;
        let of_it = cohort.is_none_or(|cohort| cohort == sweep.cohort);
        (of_it && dir.journal().is_ok_and(|journal| journal.end().is_none())).then_some((dir, sweep))
    };
    SweepDir::all(root).into_iter().filter_map(open).collect()
}

/// The array tasks of a sweep among those that the scheduler knows: by the name, which holds the sweep's id, so that a job whose number was
/// never written down is found, too.
pub fn tasks_of(dir: &SweepDir, known: &[JobTasks]) -> Vec<JobTasks> {
    known.iter().filter(|task| id_of_job(&task.name) == Some(dir.id())).cloned().collect()
}

/// Whether the scheduler knows of a sweep.
pub fn is_known(dir: &SweepDir, known: &[JobTasks]) -> bool {
    !tasks_of(dir, known).is_empty()
}

/// Ends a sweep whose jobs are gone; a pilot that comes back from the dead finds its lease lost.
pub fn close(dir: &SweepDir) -> Result<(), Failure> {
    dir.note(&Line::Abandoned).map_err(|e| Failure::new(Exit::Store, format!("cannot close {}: {e}", dir.path().display())))?;
    dir.drop_leases();
    Ok(())
}

/// What is known of a sweep's pilots.
pub struct Known {
    /// States of the array tasks that the scheduler knows; why it was not asked, if it could not be.
    pub tasks: Result<Vec<JobTasks>, SchedulerError>,
    /// What a person should know or do.
    pub advice: Vec<String>,
}

/// Asks the scheduler about a sweep.
pub fn ask(dir: &SweepDir, sweep: &Sweep, alive: bool, scheduler: &mut dyn Scheduler) -> Known {
    let tasks = match scheduler.tasks() {
        Ok(known) => tasks_of(dir, &known),
        Err(error) => return Known { advice: vec![], tasks: Err(error) },
    };
    let jobs = dir.journal().map(|journal: Journal| journal.jobs()).unwrap_or_default();
    // A hint only: what has no record yet, or no longer, is not told.
    let accounts: Vec<_> = jobs.iter().filter_map(|&job| scheduler.accounts(job).ok()).flatten().collect();
    let waits = tasks.iter().all(|task| matches!(task.state, TaskState::Waiting | TaskState::Held));
    let queues = if waits && !alive { scheduler.troubled_queues().unwrap_or_default() } else { Vec::new() };
    let memory = sweep.arrays.iter().filter_map(|array| array.memory).max();
    let facts =
        Facts { jobs: &jobs, tasks: tasks.clone(), accounts: &accounts, queues: &queues, limits: (sweep.h_rt, memory), alive };
    Known { advice: advice::advice(&facts), tasks: Ok(tasks) }
}

/// How waiting ended.
pub enum Attended {
    /// The sweep has ended; the exit code that its runs deserve.
    Ended(Exit),
    /// Its jobs are gone, and not all is done.
    Gone,
    /// A person cancelled it.
    Cancelled,
    /// The person here does not want to wait any longer. The sweep goes on.
    Interrupted,
}

/// Waits until a sweep has ended, and tells how far it is.
pub fn attend(
    dir: &SweepDir,
    sweep: &Sweep,
    loaded: &Loaded,
    out: &Path,
    interrupt: &Interrupt,
    quiet: bool,
) -> Result<Attended, Failure> {
    let store = Store::open_existing(out)?;
    let mut index = store.index()?;
    let (mut scheduler, mut last_line, mut last_advice) = (Programs, String::new(), Vec::new());
    let (mut asked, mut told, mut gone): (Option<Instant>, Option<Instant>, Option<Instant>) = (None, None, None);
    let mut states = String::new();
    let say = |text: &str| {
        if !quiet {
            tell!("{text}");
        }
    };
    loop {
        if interrupt.wish() != Wish::Run {
            say(&format!("{}: not waited for any longer; the sweep goes on", loaded.cohort.name));
            return Ok(Attended::Interrupted);
        }
        match dir.journal().ok().as_ref().and_then(Journal::end) {
            Some(Line::Ended) => {
                let now = standing(&store, &mut index, loaded)?;
                say(&format!(
                    "{}: {} of {} runs done; tables in {}",
                    loaded.cohort.name,
                    now.runs.ok,
                    now.runs.total(),
                    store.cohort_dir(&loaded.cohort.name).display()
                ));
                for failure in now.failures.iter().take(12) {
                    say(&format!("{:8} {}: {}", failure.class, failure.run, failure.error));
                }
                return Ok(Attended::Ended(if now.runs.ok == now.runs.total() { Exit::Done } else { Exit::SomeFailed }));
            }
            Some(Line::Cancelled) => return Ok(Attended::Cancelled),
            Some(_) => return Ok(Attended::Gone),
            None => {}
        }
        if asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            asked = Some(Instant::now());
            let alive =
                running::live(store.root()).iter().any(|notice| notice.cohort == sweep.cohort && notice.launcher == "sge");
            let known = ask(dir, sweep, alive, &mut scheduler);
            // Silence of the scheduler's says nothing: its master may be restarting.
            if let Ok(tasks) = &known.tasks {
                states = advice::states(tasks);
                if tasks.is_empty() && !alive {
                    let since = *gone.get_or_insert_with(Instant::now);
                    if since.elapsed() >= GRACE {
                        known.advice.iter().for_each(|line| say(&format!("note     {line}")));
                        return Ok(Attended::Gone);
                    }
                } else {
                    gone = None;
                    known
                        .advice
                        .iter()
                        .filter(|line| !last_advice.contains(*line))
                        .for_each(|line| say(&format!("note     {line}")));
                    last_advice = known.advice;
                }
            }
        }
        if !quiet && told.is_none_or(|told| told.elapsed() >= LINE_EVERY) {
            let start = Instant::now();
            let now = standing(&store, &mut index, loaded)?;
            let line = format!(
                "{}: {} of {} runs done; pilots: {}",
                loaded.cohort.name,
                now.runs.ok,
                now.runs.total(),
                if states.is_empty() { "none known" } else { &states }
            );
            if line != last_line {
                tell!("{line}");
                last_line = line;
            }
            // A large store is looked at less often.
            told = Some(Instant::now() + start.elapsed() * 4);
        }
        thread::sleep(LOOK);
    }
}

fn standing(store: &Store, index: &mut Index, loaded: &Loaded) -> Result<CohortStatus, Failure> {
    index.refresh()?;
    Ok(status(loaded.settled(index)?.study(), index, &running::live(store.root()))?)
}

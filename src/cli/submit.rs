//! `--launcher sge`: shares out what is missing of a cohort as a sweep, submits pilots, and leaves or waits.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::attend::{self, Attended};
use super::conduct::{self, Batch, Select, Voice};
use super::cost;
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::load::Loaded;
use super::machine::LauncherArguments;
use super::print::{print, shell_word};
use super::site;
use crate::grid::plan::{Task, plan};
use crate::launch::sge::command::Site;
use crate::launch::sge::journal::Line;
use crate::launch::sge::partition::partition;
use crate::launch::sge::scheduler::{Programs, Scheduler, SchedulerError};
use crate::launch::sge::script::{Words, render};
use crate::launch::sge::sweep::{Array, Assignment, Sweep, SweepDir, VERSION, job_name};
use crate::store::records::AttemptStatus;
use crate::store::{Index, Store, replace_file};

/// Rounds of `--wait` at most: with more memory, or for what was lost.
const ROUNDS: u32 = 6;
/// Time before the second round for what was lost; doubled with each.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Submits what is missing of a cohort and tells of it; waits, if asked to. The exit code, and the report.
pub fn submit(
    loaded: &Loaded,
    out: &Path,
    arguments: &LauncherArguments,
    select: Select,
    interrupt: &Interrupt,
    voice: Voice,
) -> Result<(Exit, Value), Failure> {
    let (mut round, mut select, mut committed, mut pause) = (0, select, None, BACK_OFF);
    loop {
        let Submitted::Sweep(dir, mut report) = once(loaded, out, arguments, select)? else {
            // Nothing to compute: tables and figures are made here, as always.
            return conduct::conduct_here(loaded, out, arguments, select, interrupt, voice);
        };
        if !voice.quiet {
            tell!("{}", told(&report, loaded, out));
        }
        if !arguments.wait {
            return Ok((Exit::Done, report));
        }
        let Some(sweep) = dir.read().map_err(|e| cannot(&dir, &e))? else { continue };
        let attended = attend::attend(&dir, &sweep, loaded, out, interrupt, voice.quiet)?;
        round += 1;
        let exit = match attended {
            Attended::Ended(Exit::SomeFailed) if round < ROUNDS && has_more_memory(loaded, out, arguments)? => {
                select = Select::Unfinished;
                continue;
            }
            Attended::Ended(exit) => exit,
            Attended::Interrupted | Attended::Cancelled => Exit::Interrupted,
            Attended::Gone => {
                attend::close(&dir)?;
                let now = Store::open_existing(out)?.index()?.len();
                // Where not a single record came, the same again would end the same.
                if round >= ROUNDS || committed == Some(now) {
                    let text = format!(
                        "{}: the pilots of {round} submissions are gone and nothing works; `infoplane logs {}` shows their words",
                        loaded.cohort.name, loaded.cohort.name
                    );
                    return Err(Failure::new(Exit::Launcher, text));
                }
                (committed, select) = (Some(now), Select::Unfinished);
                std::thread::sleep(pause);
                pause *= 2;
                continue;
            }
        };
        report["exit"] = json!(exit as u8);
        return Ok((exit, report));
    }
}

/// What came of a submission.
enum Submitted {
    /// Nothing is missing.
    Nothing,
    /// This sweep does it, new or under way already; and what to tell.
    Sweep(SweepDir, Value),
}

fn once(loaded: &Loaded, out: &Path, arguments: &LauncherArguments, select: Select) -> Result<Submitted, Failure> {
    let site = site::of(loaded, arguments)?;
    // Where no node finds it, nothing must be written.
    let store = Store::open(out)?;
    let root = absolute(store.root())?;
    let mut scheduler = Programs;
    if let Some(dir) = under_way(&root, &loaded.cohort.name, &mut scheduler)? {
        let journal = dir.journal().map_err(|e| cannot(&dir, &e))?;
        let report = json!({ "cohort": loaded.cohort.name, "sweep": dir.id(), "jobs": journal.jobs(), "new": false });
        return Ok(Submitted::Sweep(dir, report));
    }
    let index = store.index()?;
    let cohort_dir = store.cohort_dir(&loaded.cohort.name);
    fs::create_dir_all(&cohort_dir)
        .map_err(|e| Failure::new(Exit::Store, format!("cannot make {}: {e}", cohort_dir.display())))?;
    conduct::keep_copy(&cohort_dir, &loaded.text)?;
    let Some(draft) = Draft::new(loaded, Some((&index, out)), select, &site)? else { return Ok(Submitted::Nothing) };
    let dir = SweepDir::create(&root).map_err(|e| cannot_in(&root, &e))?;
    let report = draft.submit(&dir, loaded, &site, arguments.checkpoint_every, &mut scheduler);
    if report.is_err() && dir.journal().is_ok_and(|journal| journal.jobs().is_empty() && journal.unsettled().is_empty()) {
        // Nothing was taken on, so nothing is left of it.
        let _ = dir.remove();
    }
    report.map(|report| Submitted::Sweep(dir, report))
}

/// Prints what `run` would submit: the lines of qsub and the script.
pub fn show(loaded: &Loaded, out: &Path, arguments: &LauncherArguments) -> Result<(), Failure> {
    let site = site::of(loaded, arguments)?;
    let root = absolute(out)?;
    let store = Store::open_existing(out).ok();
    let index = store.as_ref().map(Store::index).transpose()?;
    let Some(draft) = Draft::new(loaded, index.as_ref().map(|index| (index, out)), Select::Unfinished, &site)? else {
        return print(format!("# {}: nothing to submit\n", loaded.cohort.name).as_bytes()).map(|_| ());
    };
    let (sweep, mut text) = ("SWEEP-ID".to_owned(), String::new());
    for (array, class) in draft.arrays(&site) {
        let batches = draft.batches.iter().filter(|(own, _)| *own == class);
        let (batches, tasks) = batches.fold((0, 0), |(n, tasks), (_, assignments)| (n + 1, tasks + assignments.len()));
        let words = site.qsub_words(&job_name(&sweep, &array.name, &loaded.cohort.name), array.pilots, array.memory);
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        let script = root.join(".infoplane/sweeps").join(&sweep).join(format!("job-{}.sh", array.name));
        text += &format!(
            "# {tasks} tasks in {batches} batches\nqsub {} < {}\n\n",
            words.join(" "),
            shell_word(&script.display().to_string())
        );
        text += &draft.script(&root, &sweep, &array.name, &site)?;
        text.push('\n');
    }
    print(text.as_bytes()).map(|_| ())
}

/// A sweep before it has a place.
struct Draft {
    /// Class, and tasks.
    batches: Vec<(u32, Vec<Assignment>)>,
    /// Pilots worth starting of each class.
    pilots: Vec<(u32, u32)>,
}

impl Draft {
    /// What is missing of a cohort, as far as it is selected, shared out; `None` if that is nothing. Without a store everything is missing.
    fn new(loaded: &Loaded, store: Option<(&Index, &Path)>, select: Select, site: &Site) -> Result<Option<Self>, Failure> {
        let index = store.map(|(index, _)| index);
        let settled = index.map_or_else(|| Ok(loaded.without_store()), |index| loaded.settled(index))?;
        let plan = plan(&settled.grid, |id| index.is_some_and(|index| index.contains(*id)));
        let batch = match index {
            Some(index) => Batch::select(&plan.tasks, index, select)?,
            None => Batch { attempts: vec![0; plan.tasks.len()], tasks: plan.tasks },
        };
        if batch.tasks.is_empty() {
            return Ok(None);
        }
        let seconds = cost::of_each(loaded, &batch.tasks, store)?;
        let ooms = |task| index.map_or(Ok(0), |index| ooms(index, task));
        let ooms = batch.tasks.iter().map(ooms).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self::of(batch, seconds, &ooms, site)))
    }

    fn of(batch: Batch, seconds: Vec<f64>, ooms: &[u32], site: &Site) -> Self {
        let mut by_class: std::collections::BTreeMap<u32, Vec<Assignment>> = std::collections::BTreeMap::new();
        let threads = f64::from(site.threads_and_workers().0);
        for (((task, attempts), seconds), &ooms) in batch.tasks.into_iter().zip(batch.attempts).zip(seconds).zip(ooms) {
            // Beyond the bound no class has more memory than the last.
            let class = (0..=ooms).rev().find(|&class| site.has_more_memory(class)).unwrap_or(0);
            // Threads help, if not by as much as there are.
            let seconds = seconds / threads.sqrt();
            by_class.entry(class).or_default().push(Assignment { task, attempts, seconds });
        }
        let (asked, most) = site.pilots();
        let workers = site.threads_and_workers().1;
        let (mut batches, mut pilots) = (Vec::new(), Vec::new());
        for (class, mut assignments) in by_class {
            let seconds: Vec<f64> = assignments.iter().map(|a| a.seconds).collect();
            let parts = partition(&seconds, asked, most, workers);
            pilots.push((class, parts.pilots));
            for count in parts.batches {
                let rest = assignments.split_off(count);
                batches.push((class, std::mem::replace(&mut assignments, rest)));
            }
        }
        Self { batches, pilots }
    }

    fn tasks(&self) -> usize {
        self.batches.iter().map(|(_, assignments)| assignments.len()).sum()
    }

    /// The array jobs, with their numbers: as few as the cluster's limit allows.
    fn arrays(&self, site: &Site) -> Vec<(Array, u32)> {
        let mut arrays = Vec::new();
        for &(class, pilots) in &self.pilots {
            let mut left = pilots;
            while left > 0 {
                let pilots = left.min(site.max_array());
                let name = format!("a{}", arrays.len());
                arrays.push((Array { name, pilots, class, memory: site.memory(class) }, class));
                left -= pilots;
            }
        }
        arrays
    }

    fn script(&self, root: &Path, sweep: &str, array: &str, site: &Site) -> Result<String, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::from_error(Exit::Launcher, &e))?;
        let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        // Data sets are found from there, as they were when this was planned.
        let data = std::env::var_os("INFOPLANE_DATA").unwrap_or_default();
        let (directory, data) = (&*directory, &*data);
        Ok(render(&Words { store: root, sweep, program: &program, array, directory, data, modules: site.modules() }))
    }

    /// Writes the sweep, then journals and submits job after job.
    fn submit(
        &self,
        dir: &SweepDir,
        loaded: &Loaded,
        site: &Site,
        checkpoint_every: Duration,
        scheduler: &mut dyn Scheduler,
    ) -> Result<Value, Failure> {
        let (heartbeat, deadline) = site.heartbeat_and_deadline();
        let (threads, workers) = site.threads_and_workers();
        let arrays: Vec<Array> = self.arrays(site).into_iter().map(|(array, _)| array).collect();
        let mut sweep = Sweep {
            version: VERSION,
            id: dir.id().to_owned(),
            cohort: loaded.cohort.name.clone(),
            tasks: self.tasks() as u64,
            heartbeat,
            deadline,
            h_rt: site.h_rt(),
            workers,
            threads,
            checkpoint_every: checkpoint_every.as_secs_f64(),
            arrays: arrays.clone(),
            batches: vec![],
        };
        let batches: Vec<(u32, &[Assignment])> = self.batches.iter().map(|(class, part)| (*class, &part[..])).collect();
        let failed = |e: std::io::Error| cannot(dir, &e);
        dir.write(&mut sweep, &batches).map_err(failed)?;
        fs::create_dir_all(dir.leases()).map_err(failed)?;
        let root = dir.root().to_owned();
        let (mut jobs, mut pilots, mut fewer) = (Vec::new(), 0, None);
        for (place, array) in arrays.iter().enumerate() {
            let script = self.script(&root, dir.id(), &array.name, site)?;
            replace_file(&dir.script(&array.name), script.as_bytes()).map_err(failed)?;
            let name = job_name(dir.id(), &array.name, &loaded.cohort.name);
            dir.note(&Line::Intent { array: place, name: name.clone() }).map_err(failed)?;
            let submitted = scheduler.submit(&site.qsub_words(&name, array.pilots, array.memory), &script);
            match submitted.or_else(|error| by_name(scheduler, &name).ok_or(error)) {
                Ok(job) => {
                    dir.note(&Line::Job { array: place, job }).map_err(failed)?;
                    jobs.push(job);
                    pilots += array.pilots;
                }
                Err(error) => {
                    // Silent: it may have been submitted; then its name tells.
                    if !matches!(error, SchedulerError::Silent { .. }) {
                        dir.note(&Line::Refused { array: place, said: error.to_string() }).map_err(failed)?;
                    }
                    // Fewer pilots do the same, unless these alone had memory enough.
                    let needed = arrays[..place].iter().all(|earlier| earlier.class < array.class);
                    if needed && jobs.is_empty() {
                        return Err(Failure::from_error(Exit::Launcher, &error));
                    }
                    fewer = Some(error.to_string());
                    break;
                }
            }
        }
        Ok(json!({
            "cohort": loaded.cohort.name,
            "sweep": dir.id(),
            "jobs": jobs,
            "new": true,
            "tasks": sweep.tasks,
            "batches": sweep.batches.len(),
            "pilots": pilots,
            "fewer": fewer,
        }))
    }
}

/// A job of which the answer was lost: it may be there all the same.
fn by_name(scheduler: &mut dyn Scheduler, name: &str) -> Option<u64> {
    scheduler.tasks().ok()?.into_iter().find(|task| task.name == name).map(|task| task.job)
}

/// How often a task ran out of memory since it last ended otherwise.
fn ooms(index: &Index, task: &Task) -> Result<u32, Failure> {
    let attempts = index.attempts(task.training)?;
    let last = attempts.iter().rev().filter(|attempt| attempt.status != AttemptStatus::Lost);
    Ok(u32::try_from(last.take_while(|attempt| attempt.status == AttemptStatus::Oom).count()).unwrap_or(u32::MAX))
}

/// Whether some task that ran out of memory can be given more.
fn has_more_memory(loaded: &Loaded, out: &Path, arguments: &LauncherArguments) -> Result<bool, Failure> {
    let site = site::of(loaded, arguments)?;
    let index = Store::open_existing(out)?.index()?;
    let plan = plan(&loaded.settled(&index)?.grid, |id| index.contains(*id));
    for task in &plan.tasks {
        let ooms = ooms(&index, task)?;
        if ooms > 0 && site.has_more_memory(ooms) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The sweep of this cohort that is under way; those whose jobs are gone are closed.
fn under_way(root: &Path, cohort: &str, scheduler: &mut dyn Scheduler) -> Result<Option<SweepDir>, Failure> {
    let open = attend::open_sweeps(root, Some(cohort));
    if open.is_empty() {
        return Ok(None);
    }
    let known = scheduler.tasks().map_err(|e| Failure::from_error(Exit::Launcher, &e))?;
    let mut found = None;
    for (dir, _) in open {
        if attend::is_known(&dir, &known) {
            found = Some(dir);
        } else {
            attend::close(&dir)?;
        }
    }
    Ok(found)
}

/// What was submitted, for people.
fn told(report: &Value, loaded: &Loaded, out: &Path) -> String {
    let name = &loaded.cohort.name;
    let jobs: Vec<String> = report["jobs"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    let jobs = if jobs.is_empty() { "a job without a known number".to_owned() } else { format!("job {}", jobs.join(", ")) };
    let at =
        if out == Path::new("results") { String::new() } else { format!(" --out {}", shell_word(&out.display().to_string())) };
    let mut text = if report["new"] == json!(true) {
        let n = |key: &str| report[key].as_u64().unwrap_or(0);
        let s = |n: u64, of: &str| {
            format!(
                "{n} {of}{}",
                if n == 1 {
                    ""
                } else if of.ends_with("ch") {
                    "es"
                } else {
                    "s"
                }
            )
        };
        format!(
            "{name}: submitted {} in {} for {} as {jobs} (sweep {})",
            s(n("tasks"), "task"),
            s(n("batches"), "batch"),
            s(n("pilots"), "pilot"),
            report["sweep"].as_str().unwrap_or_default()
        )
    } else {
        format!("{name}: is under way already, as {jobs} (sweep {})", report["sweep"].as_str().unwrap_or_default())
    };
    if let Some(fewer) = report["fewer"].as_str() {
        text += &format!("\nnote     fewer pilots than planned; those that there are do all of it, later: {fewer}");
    }
    text + &format!("\nnext     infoplane status {name}{at}; infoplane logs {name}{at}; infoplane cancel {name}{at}")
}

/// The store's path as the nodes are told.
fn absolute(root: &Path) -> Result<PathBuf, Failure> {
    let absolute = fs::canonicalize(root).or_else(|_| std::path::absolute(root));
    absolute.map_err(|e| Failure::new(Exit::Store, format!("cannot tell where {} is: {e}", root.display())))
}

fn cannot(dir: &SweepDir, error: &std::io::Error) -> Failure {
    cannot_in(dir.path(), error)
}

fn cannot_in(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Store, format!("cannot keep the sweep in {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::load::load_all;
    use super::*;
    use crate::cohort::model::SgeSettings;
    use crate::store::records::Record;
    use crate::worker::provenance;

    #[test]
    fn what_failed_is_left_out_and_what_found_no_memory_gets_more() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("c.toml"), dir.path().join("r"));
        let text = "name = 'c'\n[experiment]\nestimators = []\narchitecture = [2]\n[grid]\nepochs = [1, 2, 3, 400]\n";
        fs::write(&file, text).unwrap();
        let loaded = load_all(&[file]).unwrap().remove(0);
        let store = Store::open(&out).unwrap();
        let tasks = plan(&loaded.without_store().grid, |_| false).tasks;
        let of_epochs = |epochs: u32| tasks.iter().find(|task| task.spec.epochs == epochs).unwrap().training;
        let writer = store.writer(|_| ()).unwrap();
        for (training, status) in [(of_epochs(1), AttemptStatus::Failed), (of_epochs(2), AttemptStatus::Oom)] {
            let attempt = provenance::attempt(training, 1, provenance::now(), "sge", "portable", status, Some("x".into()));
            writer.append(&Record::Attempt(attempt)).unwrap();
        }
        drop(writer);
        let site = Site::new(SgeSettings { memory: Some(1 << 30), ..SgeSettings::default() });
        let index = store.index().unwrap();
        let draft = Draft::new(&loaded, Some((&index, &out)), Select::Unfinished, &site).unwrap().unwrap();
        let found: BTreeMap<u32, (u32, f64)> = (draft.batches.iter())
            .flat_map(|(class, part)| part.iter().map(|a| (a.task.spec.epochs, (*class, a.seconds))))
            .collect();
        assert_eq!(found.iter().map(|(&epochs, &(class, _))| (epochs, class)).collect::<Vec<_>>(), [(2, 1), (3, 0), (400, 0)]);
        // Each has its own seconds, also behind what was left out.
        assert!(found[&400].1 > 5.0 * found[&3].1, "{found:?}");
        let memory: Vec<Option<u64>> = draft.arrays(&site).iter().map(|(array, _)| array.memory).collect();
        assert_eq!(memory, [Some(1 << 30), Some(2 << 30)]);
        let all = Draft::new(&loaded, None, Select::Unfinished, &site).unwrap().unwrap();
        assert_eq!(all.tasks(), 4);
    }
}

//! `infoplane repro`: a run computed again, in memory, and compared with what is committed, to the bit.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::Instant;

use clap::Args;
use rayon::ThreadPoolBuilder;
use serde::Serialize;

use super::StoreArguments;
use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::machine;
use super::print::{print, shell_word};
use super::progress::duration;
use super::studies::Open;
use crate::grid::plan::{Measure, Task};
use crate::math::exec::Exec;
use crate::query::RunRef;
use crate::query::compare::{Difference, dependences, measurements, trainings};
use crate::query::study::resolve;
use crate::store::records::{Attempt, AttemptStatus, Record};
use crate::store::{Index, StoreError};
use crate::train::network::Network;
use crate::worker::control::Undisturbed;
use crate::worker::data::Library;
use crate::worker::execute::{Executor, Keep, TaskError};
use crate::worker::serve::chain;

/// Differences told one by one; `--json` has all.
const MOST: usize = 40;

/// Compute a run again, in memory, and compare with what is committed, to the bit
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane repro \"quickstart:activation_fn=tanh:0\"
  infoplane repro 5b685df6 --threads 1 --json

RUN is COHORT:LABEL:REPEAT or the first digits of a training's id, with all measurements that any cohort asks for. The store is only read. A run \
that failed is the same if it fails again with the same message. Exit code 0: the same; 4: something differs.")]
pub struct ReproArguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Threads [default: the cores]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Serialize)]
struct Reproduced {
    training_id: String,
    same: bool,
    /// Records compared.
    compared: Vec<String>,
    /// Records that are not committed, so that there is nothing to compare with.
    not_committed: Vec<String>,
    differences: Vec<Difference>,
    isa: &'static str,
    version: &'static str,
    commit: &'static str,
    /// Who made what is committed.
    committed_by: Option<Origin>,
    seconds: f64,
}

/// Program and machine of the committed records.
#[derive(Serialize)]
struct Origin {
    host: String,
    isa: String,
    version: String,
    commit: String,
}

/// Keeps records in memory.
#[derive(Default)]
struct Memory(RefCell<Vec<Record>>);

impl Keep for Memory {
    fn append(&self, record: &Record) -> Result<(), StoreError> {
        self.0.borrow_mut().push(record.clone());
        Ok(())
    }

    fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub fn repro(arguments: &ReproArguments, quiet: bool) -> Result<Exit, Failure> {
    let threads = arguments.threads.unwrap_or(0) as usize;
    let pool = ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let runs = resolve(&studies, &arguments.run)?;
    let Some(first) = runs.first() else { return Ok(Exit::Done) };
    let attempts = open.index.attempts(first.run.training)?;
    let task = task(first, &runs);
    if !quiet {
        let what = format!("{} epochs, {} measurements", task.spec.epochs, task.measure.len());
        tell!("{}: computing again ({what}) …", first.name());
    }
    let exec = Exec { isa: machine::isa()?, parallel: rayon::current_num_threads() > 1 };
    let (start, memory) = (Instant::now(), Memory::default());
    let mut executor =
        Executor { exec, store: &open.store, index: None, writer: &memory, checkpoints: None, data: Library::default() };
    let computed = executor.execute(&task, &mut Undisturbed);
    let seconds = start.elapsed().as_secs_f64();
    let mut comparison = Comparison::default();
    match &computed {
        Ok(()) => comparison.records(&task, &open.index, &memory.0.into_inner())?,
        Err(TaskError::Store(error)) => return Err(Failure::from_error(Exit::Store, error)),
        Err(_) => {}
    }
    let last = attempts.into_iter().next_back();
    comparison.failures(computed.err().map(|error| chain(&error)), last.as_ref(), open.index.contains(task.training));
    if comparison.compared.is_empty() {
        let name = first.name();
        let text = format!(
            "nothing of {name} is committed, so there is nothing to compare with; `infoplane explain {}` tells why",
            shell_word(&name)
        );
        return Err(Failure::new(Exit::Invalid, text));
    }
    let reproduced = Reproduced {
        training_id: task.training.to_string(),
        same: comparison.differences.is_empty(),
        compared: comparison.compared,
        not_committed: comparison.not_committed,
        differences: comparison.differences,
        isa: exec.isa.name(),
        version: crate::worker::provenance::VERSION,
        commit: crate::worker::provenance::COMMIT,
        committed_by: last.map(|a| Origin { host: a.host, isa: a.isa, version: a.version, commit: a.commit }),
        seconds,
    };
    if arguments.json {
        let json = serde_json::to_string_pretty(&reproduced).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        print(format!("{json}\n").as_bytes())?;
    } else {
        print(text(&reproduced).as_bytes())?;
    }
    Ok(if reproduced.same { Exit::Done } else { Exit::SomeFailed })
}

/// The whole training with every measurement that the runs ask for.
fn task(first: &RunRef<'_>, runs: &[RunRef<'_>]) -> Task {
    let mut measure: Vec<Measure> = Vec::new();
    for (estimator, split, id) in runs.iter().flat_map(RunRef::measurements) {
        if measure.iter().all(|known| known.id(first.run.training) != id) {
            measure.push(Measure { estimator, split });
        }
    }
    let spec = first.experiment().settings.training.clone();
    Task { training: first.run.training, spec, seed: first.run.seed, train: true, measure: measure.into() }
}

/// What was compared, and how it went.
#[derive(Default)]
struct Comparison {
    compared: Vec<String>,
    not_committed: Vec<String>,
    differences: Vec<Difference>,
}

impl Comparison {
    /// Compares the records just computed with the committed ones.
    fn records(&mut self, task: &Task, index: &Index, computed: &[Record]) -> Result<(), StoreError> {
        let size = task.spec.dataset.size();
        let network = Network::new(&task.spec, size.inputs as usize, size.classes as usize);
        let layers = network.layer_ranges();
        for record in computed {
            let measure = task.measure.iter().find(|measure| measure.id(task.training) == record.id());
            let name = measure.map_or_else(
                || "training".to_owned(),
                |m| format!("{} {} on {}", m.estimator.name(), m.estimator.params(), m.split.name()),
            );
            let found = match (index.read(record.id())?, record, measure) {
                (Some(Record::Training(committed)), Record::Training(new), _) => trainings(&committed, new, &layers),
                (Some(Record::Measurement(committed)), Record::Measurement(new), Some(measure)) => {
                    measurements(name.clone(), measure.split, &committed, new)
                }
                (Some(Record::Dependence(committed)), Record::Dependence(new), Some(measure)) => {
                    dependences(name.clone(), measure.split, &committed, new)
                }
                _ => {
                    self.not_committed.push(name);
                    continue;
                }
            };
            self.compared.push(name);
            self.differences.extend(found);
        }
        Ok(())
    }

    /// Compares how it ended: with the failure that the last attempt, if it failed, wrote down.
    fn failures(&mut self, now: Option<String>, last: Option<&Attempt>, is_committed: bool) {
        let failed = last.filter(|attempt| attempt.status == AttemptStatus::Failed);
        let before = failed.map(|attempt| attempt.error.clone().unwrap_or_default());
        let committed = match (&before, is_committed) {
            (Some(error), _) => error.clone(),
            (None, true) => "finished".to_owned(),
            // Never ended, well or badly: whatever happens now, nothing says otherwise.
            (None, false) => return,
        };
        if now.is_none() && before.is_none() {
            return;
        }
        self.compared.push(match &now {
            Some(error) => format!("outcome ({error})"),
            None => "outcome".to_owned(),
        });
        if now != before {
            self.differences.push(Difference {
                record: "outcome".to_owned(),
                column: "error",
                epoch: None,
                split: None,
                layer: None,
                committed,
                computed: now.unwrap_or_else(|| "finished".to_owned()),
            });
        }
    }
}

fn text(r: &Reproduced) -> String {
    let took = duration(std::time::Duration::from_secs_f64(r.seconds));
    let mut text = String::new();
    // Writing to a string cannot fail.
    for name in &r.not_committed {
        let _ = writeln!(text, "not committed, not compared: {name}");
    }
    if r.same {
        let _ = writeln!(text, "the same, to the bit, in {took}: {}", r.compared.join("; "));
        return text;
    }
    let _ = writeln!(text, "{} places differ, after {took}:", r.differences.len());
    let mut rows = vec![["record", "column", "epoch", "split", "layer", "committed", "computed"].map(str::to_owned).to_vec()];
    rows.extend(r.differences.iter().take(MOST).map(|d| {
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        vec![
            d.record.clone(),
            d.column.to_owned(),
            number(d.epoch),
            d.split.unwrap_or("-").to_owned(),
            number(d.layer.map(i64::from)),
            d.committed.clone(),
            d.computed.clone(),
        ]
    }));
    text.push_str(&aligned(&rows, "  "));
    if r.differences.len() > MOST {
        let _ = writeln!(text, "  … and {} more; --json has all", r.differences.len() - MOST);
    }
    if let Some(by) = &r.committed_by {
        let _ = writeln!(text, "committed by {} ({}) with {} on {}", by.version, by.commit, by.isa, by.host);
        let _ = writeln!(text, "computed  by {} ({}) with {}", r.version, r.commit, r.isa);
    }
    text
}

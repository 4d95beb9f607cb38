//! The plans of several cohorts together: trainings and measurements that they share are counted, and paid, once.

use std::fmt::Write;

use serde_json::{Value, json};

use super::cost::{Cost, Teller};
use super::exit::Failure;
use super::load::Loaded;
use crate::grid::ids::IdSet;
use crate::grid::plan::{Plan, Task, plan};
use crate::store::Index;

/// What cohorts amount to, in the order in which they run.
#[derive(Default)]
pub struct Together {
    cohorts: usize,
    experiments: usize,
    runs: usize,
    done: usize,
    missing: usize,
    trainings: usize,
    measurements: usize,
    /// Trainings to do, measurements to do, tasks.
    to_do: (usize, usize, usize),
    cost: Option<Cost>,
    /// Trainings and measurements of the cohorts so far.
    known: IdSet,
}

impl Together {
    /// Adds a cohort with its plan; only what no cohort before it asks for costs something.
    pub fn add(&mut self, loaded: &Loaded, own: &Plan, index: Option<&Index>, teller: &mut Teller<'_>) -> Result<(), Failure> {
        self.cohorts += 1;
        self.experiments += own.counts.experiments;
        self.runs += own.counts.runs;
        self.done += own.counts.done;
        self.missing += own.counts.missing;
        let new = plan(&loaded.grid, |id| self.known.contains(id)).tasks;
        let left = match index {
            Some(index) => plan(&loaded.grid, |id| self.known.contains(id) || index.contains(*id)).tasks,
            None => new.clone(),
        };
        let (trainings, measurements) = counted(&new);
        self.trainings += trainings;
        self.measurements += measurements;
        let (trainings, measurements) = counted(&left);
        self.to_do = (self.to_do.0 + trainings, self.to_do.1 + measurements, self.to_do.2 + left.len());
        let cost = teller.tell(loaded, &left)?;
        self.cost = Some(self.cost.map_or(cost, |before| before.plus(cost)));
        for task in new {
            self.known.extend(task.measure.iter().map(|measure| measure.id(task.training)));
            self.known.insert(task.training);
        }
        Ok(())
    }

    /// As JSON, with the keys of a single plan.
    pub fn value(&self) -> Value {
        let (trainings, measurements, tasks) = self.to_do;
        let mut value = json!({
            "cohorts": self.cohorts,
            "experiments": self.experiments,
            "runs": self.runs,
            "trainings": self.trainings,
            "measurements": self.measurements,
            "done": self.done,
            "missing": self.missing,
            "to_do": { "trainings": trainings, "measurements": measurements, "tasks": tasks },
        });
        self.cost.iter().for_each(|cost| cost.add_to(&mut value));
        value
    }

    /// For people.
    pub fn text(&self) -> String {
        let (trainings, measurements, tasks) = self.to_do;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nall {} cohorts: {} experiments, {} runs", self.cohorts, self.experiments, self.runs);
        let _ = writeln!(
            text,
            "  {} trainings, {} measurements, each once whatever cohorts share it",
            self.trainings, self.measurements
        );
        let _ = writeln!(text, "  done {}, missing {}", self.done, self.missing);
        let _ = writeln!(text, "  to do: {trainings} trainings, {measurements} measurements, in {tasks} tasks");
        if let Some(line) = self.cost.as_ref().and_then(Cost::line) {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

/// Trainings and measurements in tasks.
fn counted(tasks: &[Task]) -> (usize, usize) {
    (tasks.iter().filter(|task| task.train).count(), tasks.iter().map(|task| task.measure.len()).sum())
}

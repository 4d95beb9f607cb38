//! A training under way and what was recorded of it so far: what a checkpoint holds, so that another worker goes on with the same bits.

use serde::{Deserialize, Serialize};

use crate::grid::ids::Id;
use crate::grid::plan::Task;
use crate::math::exec::Exec;
use crate::store::records::{GradientRow, MetricRow, Snapshots, Training};
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::data::Dataset;
use crate::train::spec::Split;
use crate::train::trainer::{Diverged, Trainer};
use crate::worker::measure::Measured;

/// Version of a checkpoint's bytes, for their header: this file's in the upper half, the training engine's in the lower. Raise the upper
/// when the fields of [`Recorder`] change.
pub const LAYOUT: u32 = 2 << 16 | checkpoint::LAYOUT;
/// Splits on which metrics and gradients are recorded.
const RECORDED_SPLITS: [Split; 2] = [Split::Train, Split::Test];

/// What was measured at one epoch, by measurement.
pub type Rows = Vec<Measured>;

/// What is recorded of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorder {
    metrics: Vec<MetricRow>,
    gradients: Vec<GradientRow>,
    /// Weights by recorded epoch, where they are kept.
    pub snapshots: Snapshots,
    /// Where they are not: what was measured instead, by recorded epoch.
    pub rows: Vec<Rows>,
    /// The measurements that `rows` are of.
    measures: Vec<Id>,
}

impl Recorder {
    /// Before the first epoch of `task`. Measures on the way unless snapshots are kept.
    #[must_use]
    pub fn new(task: &Task, keeps: bool) -> Self {
        Self { measures: measures(task, keeps), ..Self::default() }
    }

    /// Takes loss, accuracy and gradients at this epoch.
    ///
    /// # Errors
    /// [`Diverged`] if one of them is not finite.
    pub fn record(&mut self, trainer: &mut Trainer<'_>, epoch: i64) -> Result<(), Diverged> {
        for split in RECORDED_SPLITS {
            let metrics = trainer.metrics(split)?;
            self.metrics.push(MetricRow { epoch, split, loss: metrics.loss, accuracy: metrics.accuracy });
            for (layer, g) in trainer.gradient_statistics(split)?.into_iter().enumerate() {
                let layer = layer as u32;
                self.gradients.push(GradientRow {
                    epoch,
                    split,
                    layer,
                    mean: g.mean,
                    std: g.std,
                    snr: g.snr,
                    weight_norm: g.weight_norm,
                });
            }
        }
        Ok(())
    }

    /// The record of the finished training.
    #[must_use]
    pub fn finish(mut self, task: &Task, epochs: &[i64], keep: bool) -> Training {
        // By split, epoch, layer, as the record and its table want them; the sort keeps epochs and layers in order.
        self.gradients.sort_by_key(|g| g.split);
        let snapshots = keep.then_some(self.snapshots);
        Training {
            id: task.training,
            seed: task.seed,
            epochs: epochs.to_vec(),
            metrics: self.metrics,
            gradients: self.gradients,
            snapshots,
        }
    }

    /// Whether this is what is recorded of `task` when `epochs` of its recorded epochs are behind it.
    fn fits(&self, task: &Task, keeps: bool, epochs: usize) -> bool {
        let (kept, measured) = if keeps { (epochs, 0) } else { (0, epochs) };
        self.measures == measures(task, keeps)
            && self.metrics.len() == epochs * RECORDED_SPLITS.len()
            && self.snapshots.parameters.len() == kept
            && self.rows.len() == measured
    }
}

fn measures(task: &Task, keeps: bool) -> Vec<Id> {
    if keeps { Vec::new() } else { task.measure.iter().map(|measure| measure.id(task.training)).collect() }
}

/// The body of a checkpoint.
///
/// # Errors
/// What `postcard` has against it: nothing, as far as is known.
pub fn pack(trainer: &Trainer<'_>, recorder: &Recorder) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(&(trainer.checkpoint(), recorder))
}

/// The training that [`pack`] was told of; `None` if the bytes are not one of `task`.
#[must_use]
pub fn unpack<'a>(task: &'a Task, data: &'a Dataset, exec: Exec, keeps: bool, body: &[u8]) -> Option<(Trainer<'a>, Recorder)> {
    let (checkpoint, recorder): (Checkpoint, Recorder) = postcard::from_bytes(body).ok()?;
    let trainer = Trainer::restore(&task.spec, data, task.seed, exec, checkpoint)?;
    let epochs = (-1..=trainer.epoch()).filter(|&epoch| task.spec.schedule.records(epoch, task.spec.epochs)).count();
    recorder.fits(task, keeps, epochs).then_some((trainer, recorder))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use std::time::Duration;

    use super::*;
    use crate::estimate::spec::EstimatorSpec;
    use crate::grid::plan::Measure;
    use crate::store::checkpoints::Found;
    use crate::store::records::Record;
    use crate::store::{Store, StoreError};
    use crate::train::schedule::Schedule;
    use crate::train::spec::TrainingSpec;
    use crate::worker::control::{Control, Step, Undisturbed};
    use crate::worker::data::Library;
    use crate::worker::execute::{Executor, Keep, TaskError};

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

    /// Answers from a list, then goes on; notes what it hears.
    #[derive(Default)]
    struct Script {
        steps: Vec<Step>,
        asked: usize,
        saved: usize,
        continued: Vec<i64>,
    }

    impl Script {
        fn new(steps: &[Step]) -> Self {
            Self { steps: steps.to_vec(), ..Self::default() }
        }
    }

    impl Control for Script {
        fn at_pass(&mut self) -> Step {
            self.asked += 1;
            self.steps.get(self.asked - 1).copied().unwrap_or(Step::GoOn)
        }
        fn saved(&mut self, _: Duration) {
            self.saved += 1;
        }
        fn continued(&mut self, epoch: i64) {
            self.continued.push(epoch);
        }
    }

    fn measure(name: &str) -> Measure {
        Measure { estimator: EstimatorSpec::by_name(name).unwrap(), split: Split::Test }
    }

    fn task(keep_snapshots: u64) -> Task {
        let schedule = Schedule { keep_snapshots, ..Schedule::default() };
        let spec = TrainingSpec { architecture: vec![5, 3], epochs: 60, batch_size: 1000, schedule, ..TrainingSpec::default() };
        Task { training: Id([7; 16]), spec: spec.into(), seed: 3, train: true, measure: [measure("binning")].into() }
    }

    fn executor<'a>(store: &'a Store, memory: &'a Memory) -> Executor<'a> {
        let (checkpoints, data) = (Some(store.checkpoints()), Library::default());
        Executor { exec: Exec::serial(), store, index: None, writer: memory, checkpoints, data }
    }

    /// Executes in `store`, with that script; the records, and how it ended.
    fn execute(store: &Store, task: &Task, control: &mut dyn Control) -> (Vec<Record>, Result<(), TaskError>) {
        let memory = Memory::default();
        let ended = executor(store, &memory).execute(task, control);
        (memory.0.into_inner(), ended)
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    /// All snapshots are kept, or all is measured on the way.
    const KEEPS: [u64; 2] = [u64::MAX, 0];

    #[test]
    fn a_task_stopped_and_taken_up_again_leaves_the_same_records() {
        for keep in KEEPS {
            let task = task(keep);
            let (_dir, store) = store();
            let (expected, ended) = execute(&store, &task, &mut Undisturbed);
            assert!(ended.is_ok());
            let Some(Record::Training(training)) = expected.first() else { panic!("a training first") };
            assert_eq!(training.snapshots.is_some(), keep > 0);
            // Stopped with a checkpoint after 3 passes, then at once, an older checkpoint, then to the end.
            let mut first = Script::new(&[Step::GoOn, Step::GoOn, Step::GoOn, Step::CheckpointAndStop]);
            let (records, ended) = execute(&store, &task, &mut first);
            assert!(records.is_empty() && matches!(ended, Err(TaskError::Stopped { kept: Some(2) })), "{ended:?}");
            let mut second = Script::new(&[Step::GoOn, Step::Checkpoint, Step::Stop]);
            let (records, ended) = execute(&store, &task, &mut second);
            assert!(records.is_empty() && matches!(ended, Err(TaskError::Stopped { kept: Some(4) })), "{ended:?}");
            assert_eq!((second.continued, second.saved), (vec![2], 1));
            let mut third = Script::default();
            let (records, ended) = execute(&store, &task, &mut third);
            assert!(ended.is_ok());
            assert_eq!(third.continued, [4]);
            assert_eq!(records, expected);
            assert_eq!(store.checkpoints().find(task.training, LAYOUT), Found::Nothing);
        }
    }

    #[test]
    fn a_checkpoint_that_does_not_fit_is_not_used() {
        for keep in KEEPS {
            let task = &task(keep);
            let (_dir, store) = store();
            execute(&store, task, &mut Script::new(&[Step::GoOn, Step::CheckpointAndStop])).1.unwrap_err();
            let continued = |task: &Task| {
                let mut script = Script::new(&[Step::Stop]);
                execute(&store, task, &mut script).1.unwrap_err();
                !script.continued.is_empty()
            };
            assert!(continued(task));
            // Other settings would have another id; that they do not fit is noticed all the same.
            let spec = TrainingSpec { architecture: vec![9], ..(*task.spec).clone() };
            assert!(!continued(&Task { spec: spec.into(), ..task.clone() }));
            // Other measurements matter where they are taken on the way.
            let other = Task { measure: [measure("upper")].into(), ..task.clone() };
            assert_eq!(continued(&other), keep > 0);
            let Found::Whole(body) = store.checkpoints().find(task.training, LAYOUT) else { panic!("a checkpoint") };
            store.checkpoints().keep(task.training, LAYOUT, &body[..body.len() - 1]).unwrap();
            assert!(!continued(task));
            store.checkpoints().keep(task.training, LAYOUT + 1, &body).unwrap();
            assert!(!continued(task));
        }
    }

    #[test]
    fn a_training_that_failed_is_forgotten() {
        let (_dir, store) = store();
        let (task, memory) = (task(0), Memory::default());
        execute(&store, &task, &mut Script::new(&[Step::GoOn, Step::CheckpointAndStop])).1.unwrap_err();
        executor(&store, &memory).forget(&task);
        assert_eq!(store.checkpoints().find(task.training, LAYOUT), Found::Nothing);
    }
}

//! One task: train what is missing, commit it, measure what is missing, commit it.
//!
//! Training and measurement are separate records, so a crash between them costs the measurement alone, and a measurement that is asked
//! for later reads the snapshots. Where snapshots are too large to keep, the measurement trains again and measures on the way.

use rayon::prelude::*;

use super::data::{DataError, Library};
use super::measure::{MeasureError, Plan, Space};
use crate::grid::plan::Task;
use crate::math::exec::Exec;
use crate::store::records::{GradientRow, MeasureRow, Measurement, MetricRow, Record, Snapshots, Training};
use crate::store::{Index, Store, StoreError, Writer};
use crate::train::data::Dataset;
use crate::train::network::Network;
use crate::train::spec::Split;
use crate::train::trainer::{Diverged, Trainer};

/// Snapshots of a training are kept up to this size, in bytes.
const KEEP_SNAPSHOTS: usize = 16 << 20;
/// Splits on which metrics and gradients are recorded.
const RECORDED_SPLITS: [Split; 2] = [Split::Train, Split::Test];

/// A task that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The numbers stopped being finite.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// The data is not there, or not what it was.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An estimator refused its input.
    #[error("cannot measure")]
    Measure(#[from] MeasureError),
    /// The store could not be read or written: not the task's fault.
    #[error("cannot keep the results")]
    Store(#[from] StoreError),
}

impl TaskError {
    /// Whether the store is at fault; a record that is too large is the task's own.
    #[must_use]
    pub const fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Store(error) if !matches!(error, StoreError::TooLarge { .. } | StoreError::Encode { .. }))
    }
}

/// Where the records of a task go.
pub trait Keep {
    /// Takes a record over.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be kept.
    fn append(&self, record: &Record) -> Result<(), StoreError>;
}

impl Keep for Writer {
    fn append(&self, record: &Record) -> Result<(), StoreError> {
        Self::append(self, record).map(drop)
    }
}

/// What tasks are executed with; data sets stay loaded between tasks.
pub struct Executor<'a> {
    /// Instruction set, and whether there is more than one thread.
    pub exec: Exec,
    /// Where snapshots are read.
    pub store: &'a Store,
    /// What is committed there; opened by the first task that needs it.
    pub index: Option<Index>,
    /// Where results go.
    pub writer: &'a dyn Keep,
    /// Data sets.
    pub data: Library,
}

/// Snapshots by epoch, and the rows measured of each.
type Rows = Vec<Vec<MeasureRow>>;

impl Executor<'_> {
    /// Executes a task and hands its records to the writer. `progress` hears shares of the work between 0 and 1.
    ///
    /// # Errors
    /// [`TaskError`]; what was handed over before stays.
    pub fn execute(&mut self, task: &Task, progress: &mut dyn FnMut(f64)) -> Result<(), TaskError> {
        let data = self.data.get(&task.spec.dataset, task.spec.split_seed)?;
        let training_share = task.training_cost() / task.cost().max(1.0);
        let committed = if task.train { None } else { self.snapshots(task)? };
        let (epochs, snapshots) = match committed {
            Some(found) => found,
            None => {
                let trained = self.train(task, &data, &mut |share| progress(share * training_share))?;
                match trained {
                    Some(found) => found,
                    // Too large to keep: everything was measured on the way.
                    None => return Ok(()),
                }
            }
        };
        if !task.measure.is_empty() {
            let mut late = |share: f64| progress(training_share + share * (1.0 - training_share));
            let rows = self.measure(task, &data, &epochs, &snapshots, &mut late)?;
            self.commit_measurements(task, rows)?;
        }
        Ok(())
    }

    /// Recorded epochs and snapshots of a committed training; `None` if they were not kept or are damaged.
    fn snapshots(&mut self, task: &Task) -> Result<Option<(Vec<i64>, Snapshots)>, TaskError> {
        let index = match &mut self.index {
            Some(index) => index,
            none => none.insert(self.store.index()?),
        };
        if !index.contains(task.training) {
            index.refresh()?;
        }
        let training = index.training(task.training)?;
        Ok(training.and_then(|t| t.snapshots.map(|snapshots| (t.epochs, snapshots))))
    }

    /// Trains and commits the training. Gives its snapshots, or, where they are too large to keep, measures on the way, commits the
    /// measurements too, and gives none.
    fn train(
        &self,
        task: &Task,
        data: &Dataset,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Option<(Vec<i64>, Snapshots)>, TaskError> {
        let spec = &task.spec;
        let epochs = spec.schedule.recorded(spec.epochs);
        let mut trainer = Trainer::new(spec, data, task.seed, self.exec);
        let keep = size_of_val(trainer.parameters()) * epochs.len() <= KEEP_SNAPSHOTS;
        let network = trainer.network().clone();
        let plan = Plan::new(&network, data, if keep { &[] } else { &task.measure });
        let mut recorder = Recorder::default();
        let (mut space, mut rows): (Space, Vec<Rows>) = (Space::default(), Vec::new());
        for epoch in -1..i64::from(spec.epochs) {
            if epoch >= 0 {
                trainer.pass()?;
            }
            if spec.schedule.records(epoch, spec.epochs) {
                recorder.record(&mut trainer, epoch)?;
                if keep {
                    recorder.snapshots.parameters.push(trainer.parameters().to_vec());
                } else {
                    rows.push(plan.at(self.exec, epoch, trainer.parameters(), &mut space)?);
                }
                progress((epoch + 1) as f64 / f64::from(spec.epochs.max(1)));
            }
        }
        let snapshots = recorder.snapshots.clone();
        self.writer.append(&Record::Training(recorder.finish(task, &epochs, keep)))?;
        if keep {
            return Ok(Some((epochs, snapshots)));
        }
        self.commit_measurements(task, rows)?;
        Ok(None)
    }

    /// Measures every snapshot; epochs are shared out over the threads, and a value never depends on who computed it.
    fn measure(
        &self,
        task: &Task,
        data: &Dataset,
        epochs: &[i64],
        snapshots: &Snapshots,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Vec<Rows>, TaskError> {
        let network = Network::new(&task.spec, data.inputs(), data.n_classes);
        let plan = Plan::new(&network, data, &task.measure);
        let work: Vec<(i64, &Vec<f32>)> = epochs.iter().copied().zip(&snapshots.parameters).collect();
        // A few epochs a thread at a time, so that progress is told while the work goes on.
        let (serial, threads) = (Exec { parallel: false, ..self.exec }, rayon::current_num_threads());
        let group = if self.exec.parallel { 4 * threads } else { 1 };
        let (mut rows, mut space) = (Vec::with_capacity(work.len()), Space::default());
        for part in work.chunks(group) {
            if self.exec.parallel && part.len() >= threads {
                let measured = part
                    .par_iter()
                    .map_init(Space::default, |space, (epoch, parameters)| plan.at(serial, *epoch, parameters, space));
                rows.extend(measured.collect::<Result<Vec<_>, _>>()?);
            } else {
                for (epoch, parameters) in part {
                    rows.push(plan.at(self.exec, *epoch, parameters, &mut space)?);
                }
            }
            progress(rows.len() as f64 / work.len() as f64);
        }
        Ok(rows)
    }

    /// Appends one record a measurement from rows by epoch.
    fn commit_measurements(&self, task: &Task, by_epoch: Vec<Rows>) -> Result<(), TaskError> {
        let mut by_measure: Vec<Vec<MeasureRow>> = vec![Vec::new(); task.measure.len()];
        for epoch in by_epoch {
            by_measure.iter_mut().zip(epoch).for_each(|(all, rows)| all.extend(rows));
        }
        for (measure, rows) in task.measure.iter().zip(by_measure) {
            self.writer.append(&Record::Measurement(Measurement {
                id: measure.id(task.training),
                training: task.training,
                rows,
            }))?;
        }
        Ok(())
    }
}

/// Collects what is recorded of a training.
#[derive(Default)]
struct Recorder {
    metrics: Vec<MetricRow>,
    gradients: Vec<GradientRow>,
    snapshots: Snapshots,
}

impl Recorder {
    fn record(&mut self, trainer: &mut Trainer<'_>, epoch: i64) -> Result<(), Diverged> {
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

    fn finish(mut self, task: &Task, epochs: &[i64], keep: bool) -> Training {
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
}

//! One task: train what is missing, commit it, measure what is missing, commit it.
//!
//! Training and measurement are separate records, so a crash between them costs the measurement alone, and a measurement that is asked
//! for later reads the snapshots. Where snapshots are too large to keep, the measurement trains again and measures on the way.

use std::time::Instant;

use rayon::prelude::*;

use super::control::{Control, Step};
use super::course::{self, Recorder, Rows};
use super::data::{DataError, Library};
use super::measure::{MeasureError, Measured, Plan, Ranges, Space, When};
use super::serve::chain;
use crate::grid::plan::Task;
use crate::math::exec::Exec;
use crate::store::checkpoints::{Checkpoints, Found};
use crate::store::records::{Dependence, Measurement, Record, Snapshots};
use crate::store::{Index, Store, StoreError, Writer};
use crate::train::data::Dataset;
use crate::train::network::Network;
use crate::train::trainer::{Diverged, Trainer};

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
    /// It was stopped, as its [`Control`] asked: nobody's fault. What was handed over before stays.
    #[error("stopped{}", .kept.map_or_else(String::new, |epoch| format!("; a checkpoint of epoch {epoch} is kept")))]
    Stopped {
        /// Epoch of the checkpoint that the next attempt continues from.
        kept: Option<i64>,
    },
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

    /// Waits until all that was taken over is safe.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be kept.
    fn settle(&self) -> Result<(), StoreError>;
}

impl Keep for Writer {
    fn append(&self, record: &Record) -> Result<(), StoreError> {
        Self::append(self, record).map(drop)
    }

    fn settle(&self) -> Result<(), StoreError> {
        self.flush()
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
    /// Where checkpoints are left and taken up; `None`: every training is done from its beginning.
    pub checkpoints: Option<Checkpoints>,
    /// Data sets.
    pub data: Library,
}

impl Executor<'_> {
    /// Executes a task and hands its records to the writer, as `control` wants.
    ///
    /// # Errors
    /// [`TaskError`]; what was handed over before stays.
    pub fn execute(&mut self, task: &Task, control: &mut dyn Control) -> Result<(), TaskError> {
        let data = self.data.get(&task.spec.dataset, task.spec.split_seed)?;
        let training_share = task.training_cost() / task.cost().max(1.0);
        let committed = if task.train { None } else { self.snapshots(task)? };
        let (epochs, snapshots) = match committed {
            Some(found) => found,
            None => {
                match self.train(task, &data, training_share, control)? {
                    Some(found) => found,
                    // Too large to keep: everything was measured on the way.
                    None => return Ok(()),
                }
            }
        };
        if !task.measure.is_empty() {
            let rows = self.measure(task, &data, &epochs, &snapshots, training_share, control)?;
            self.commit_measurements(task, rows)?;
        }
        Ok(())
    }

    /// Takes away what a task that failed for good has left: the same again would fail again, or the checkpoint is to blame.
    pub fn forget(&self, task: &Task) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.remove(task.training);
        }
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
        share: f64,
        control: &mut dyn Control,
    ) -> Result<Option<(Vec<i64>, Snapshots)>, TaskError> {
        let spec = &task.spec;
        let (planned, last) = (spec.schedule.count(spec.epochs), i64::from(spec.epochs) - 1);
        let network = Network::new(spec, data.inputs(), data.n_classes);
        let limit = usize::try_from(spec.schedule.keep_snapshots).unwrap_or(usize::MAX);
        let keep = network.n_parameters() * size_of::<f32>() * planned <= limit;
        let plan = Plan::new(&network, data, if keep { &[] } else { &task.measure });
        // What spans all epochs must be known before the first is measured, so that such a training is passed through twice.
        let plan = if plan.wants_ranges() { self.with_ranges(plan, task, data)? } else { plan };
        let (mut space, mut epochs) = (Space::default(), Vec::with_capacity(planned));
        let (mut kept, mut trainer, mut recorder) = match self.continued(task, data, keep) {
            Some((trainer, recorder)) => (Some(trainer.epoch()), trainer, recorder),
            None => (None, Trainer::new(spec, data, task.seed, self.exec), Recorder::new(task, keep)),
        };
        if let Some(epoch) = kept {
            epochs.extend((-1..=epoch).filter(|&epoch| spec.schedule.records(epoch, spec.epochs)));
            control.continued(epoch);
        }
        for epoch in kept.map_or(-1, |epoch| epoch + 1)..=last {
            let mut stops = false;
            if epoch >= 0 {
                trainer.pass()?;
                stops = trainer.stops()?;
            }
            // Where it stops early is its last epoch.
            if stops || spec.schedule.records(epoch, spec.epochs) {
                epochs.push(epoch);
                recorder.record(&mut trainer, epoch)?;
                if keep {
                    recorder.snapshots.parameters.push(trainer.parameters().to_vec());
                } else {
                    let when = When { epoch, place: epochs.len() - 1, is_last: stops || epoch == last };
                    recorder.rows.push(plan.at(self.exec, when, trainer.parameters(), &mut space)?);
                }
                control.progress(share * (epoch + 1) as f64 / f64::from(spec.epochs.max(1)));
            }
            if stops {
                break;
            }
            // Behind the last pass there is nothing left to stop.
            if epoch < last {
                let step = control.at_pass();
                if matches!(step, Step::Checkpoint | Step::CheckpointAndStop) && self.save(task, &trainer, &recorder, control) {
                    kept = Some(epoch);
                }
                if matches!(step, Step::Stop | Step::CheckpointAndStop) {
                    return Err(TaskError::Stopped { kept });
                }
            }
        }
        let (snapshots, rows) = (recorder.snapshots.clone(), std::mem::take(&mut recorder.rows));
        self.writer.append(&Record::Training(recorder.finish(task, &epochs, keep)))?;
        if !keep {
            self.commit_measurements(task, rows)?;
        }
        if kept.is_some() {
            // Only once nothing can be lost any more.
            self.writer.settle()?;
            self.forget(task);
        }
        Ok(keep.then_some((epochs, snapshots)))
    }

    /// The training as its checkpoint has it, if there is one that can be used.
    fn continued<'t>(&self, task: &'t Task, data: &'t Dataset, keep: bool) -> Option<(Trainer<'t>, Recorder)> {
        let body = match self.checkpoints.as_ref()?.find(task.training, course::LAYOUT) {
            Found::Nothing => return None,
            Found::Whole(body) => body,
            Found::Unusable(why) => {
                tracing::warn!("{why}; the training starts from its beginning");
                return None;
            }
        };
        let found = course::unpack(task, data, self.exec, keep, &body);
        if found.is_none() {
            tracing::info!("the checkpoint of training {} is not of this task; it starts from its beginning", task.training);
        }
        found
    }

    /// Leaves a checkpoint; whether it is there. One that cannot be written costs nothing but time, some day.
    fn save(&self, task: &Task, trainer: &Trainer<'_>, recorder: &Recorder, control: &mut dyn Control) -> bool {
        let Some(checkpoints) = &self.checkpoints else { return false };
        let start = Instant::now();
        let body = course::pack(trainer, recorder).map_err(|source| StoreError::Encode { id: task.training, source });
        let saved = body.and_then(|body| checkpoints.keep(task.training, course::LAYOUT, &body));
        control.saved(start.elapsed());
        if let Err(error) = &saved {
            tracing::warn!("{}; the training goes on without", chain(error));
        }
        saved.is_ok()
    }

    /// The plan with the ranges of a training whose snapshots are not kept.
    fn with_ranges<'p>(&self, plan: Plan<'p>, task: &Task, data: &Dataset) -> Result<Plan<'p>, TaskError> {
        let spec = &task.spec;
        let mut trainer = Trainer::new(spec, data, task.seed, self.exec);
        let (mut space, mut ranges) = (Space::default(), Ranges::default());
        for epoch in -1..i64::from(spec.epochs) {
            let mut stops = false;
            if epoch >= 0 {
                trainer.pass()?;
                stops = trainer.stops()?;
            }
            if stops || spec.schedule.records(epoch, spec.epochs) {
                plan.widen(self.exec, epoch, trainer.parameters(), &mut space, &mut ranges)?;
            }
            if stops {
                break;
            }
        }
        Ok(plan.with_ranges(ranges))
    }

    /// Measures every snapshot; epochs are shared out over the threads, and a value never depends on who computed it.
    fn measure(
        &self,
        task: &Task,
        data: &Dataset,
        epochs: &[i64],
        snapshots: &Snapshots,
        trained: f64,
        control: &mut dyn Control,
    ) -> Result<Vec<Rows>, TaskError> {
        let network = Network::new(&task.spec, data.inputs(), data.n_classes);
        let mut plan = Plan::new(&network, data, &task.measure);
        if plan.wants_ranges() {
            let (mut space, mut ranges) = (Space::default(), Ranges::default());
            for (epoch, parameters) in epochs.iter().zip(&snapshots.parameters) {
                plan.widen(self.exec, *epoch, parameters, &mut space, &mut ranges)?;
            }
            plan = plan.with_ranges(ranges);
        }
        let when = |(place, &epoch): (usize, &i64)| When { epoch, place, is_last: place + 1 == epochs.len() };
        let work: Vec<(When, &Vec<f32>)> = epochs.iter().enumerate().map(when).zip(&snapshots.parameters).collect();
        // A few epochs a thread at a time, so that progress is told while the work goes on.
        let (serial, threads) = (Exec { parallel: false, ..self.exec }, rayon::current_num_threads());
        let group = if self.exec.parallel { 4 * threads } else { 1 };
        let (mut rows, mut space) = (Vec::with_capacity(work.len()), Space::default());
        for part in work.chunks(group) {
            if self.exec.parallel && part.len() >= threads {
                let measured = part
                    .par_iter()
                    .map_init(Space::default, |space, (when, parameters)| plan.at(serial, *when, parameters, space));
                rows.extend(measured.collect::<Result<Vec<_>, _>>()?);
            } else {
                for (when, parameters) in part {
                    rows.push(plan.at(self.exec, *when, parameters, &mut space)?);
                }
            }
            control.progress(trained + (1.0 - trained) * rows.len() as f64 / work.len() as f64);
            if rows.len() < work.len() && matches!(control.at_pass(), Step::Stop | Step::CheckpointAndStop) {
                return Err(TaskError::Stopped { kept: None });
            }
        }
        Ok(rows)
    }

    /// Appends one record a measurement from rows by epoch.
    fn commit_measurements(&self, task: &Task, by_epoch: Vec<Rows>) -> Result<(), TaskError> {
        let mut by_measure: Vec<Measured> = vec![Measured::default(); task.measure.len()];
        for epoch in by_epoch {
            for (all, Measured { information, dependence }) in by_measure.iter_mut().zip(epoch) {
                all.information.extend(information);
                all.dependence.extend(dependence);
            }
        }
        for (measure, Measured { information, dependence }) in task.measure.iter().zip(by_measure) {
            let (id, training) = (measure.id(task.training), task.training);
            self.writer.append(&match measure.estimator.compares() {
                None => Record::Measurement(Measurement { id, training, rows: information }),
                Some(_) => Record::Dependence(Dependence { id, training, rows: dependence }),
            })?;
        }
        Ok(())
    }
}

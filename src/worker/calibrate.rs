//! How long a task will take, from a part of it done for real, in memory: some passes, some records, some measurements.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use super::data;
use super::execute::TaskError;
use super::measure::{Plan, Space, When};
use crate::grid::plan::{Measure, Task};
use crate::math::exec::Exec;
use crate::train::spec::Split;
use crate::train::trainer::Trainer;

/// CPU seconds that `task` is likely to take, from doing parts of it for about `budget`; a single pass, record or measurement that takes
/// longer is waited for.
///
/// # Errors
/// [`TaskError`] if the network's numbers stop being finite already here.
pub fn task_seconds(task: &Task, exec: Exec, budget: Duration) -> Result<f64, TaskError> {
    let spec = &task.spec;
    let data = data::load(&spec.dataset, spec.split_seed)?;
    let mut trainer = Trainer::new(spec, &data, task.seed, exec);
    let network = trainer.network().clone();
    let recorded = spec.schedule.recorded(spec.epochs).len();
    let mut seconds = 0.0;
    if task.train && spec.epochs > 0 {
        seconds += f64::from(spec.epochs) * timed(budget.mul_f64(0.4), || Ok(trainer.pass()?))?;
    }
    if task.train && recorded > 0 {
        let one = timed(budget.mul_f64(0.2), || {
            for split in [Split::Train, Split::Test] {
                trainer.metrics(split)?;
                trainer.gradient_statistics(split)?;
            }
            Ok(())
        });
        seconds += recorded as f64 * one?;
    }
    if !task.measure.is_empty() && recorded > 0 {
        // What leaves epochs out is timed by itself.
        let mut by_every: BTreeMap<usize, Vec<Measure>> = BTreeMap::new();
        for measure in task.measure.iter() {
            by_every.entry(measure.estimator.measured_of(recorded)).or_default().push(measure.clone());
        }
        let budget = budget.mul_f64(0.4 / by_every.len() as f64);
        for (epochs, measures) in by_every {
            let (plan, mut space) = (Plan::new(&network, &data, &measures), Space::default());
            let when = When { epoch: 0, place: 0, is_last: true };
            let one = timed(budget, || Ok(plan.at(exec, when, trainer.parameters(), &mut space).map(drop)?));
            seconds += epochs as f64 * one?;
        }
    }
    Ok(seconds)
}

/// Mean CPU seconds of a call of `work`, repeated until `budget` has passed; a first call warms up.
fn timed(budget: Duration, mut work: impl FnMut() -> Result<(), TaskError>) -> Result<f64, TaskError> {
    let warm = Clock::start();
    work()?;
    // Work that long needs no warming up, and no repetition.
    if warm.start.elapsed() > budget {
        return Ok(warm.seconds());
    }
    let (clock, mut calls) = (Clock::start(), 0_u32);
    while calls == 0 || clock.start.elapsed() < budget {
        work()?;
        calls += 1;
    }
    Ok(clock.seconds() / f64::from(calls))
}

/// Time since a start, of the wall and of this thread's CPU.
struct Clock {
    start: Instant,
    cpu: Option<f64>,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: thread_seconds() }
    }

    /// CPU seconds so far: others on the same core do not count. Where the system does not tell, those of the wall.
    fn seconds(&self) -> f64 {
        let wall = self.start.elapsed().as_secs_f64();
        let spent = thread_seconds().zip(self.cpu).map_or(wall, |(now, before)| now - before);
        // The kernel counts in ticks: a window of a few tells nothing.
        if wall < 0.02 || spent <= 0.0 { wall } else { spent }
    }
}

/// CPU seconds of this thread so far, where the system tells.
fn thread_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<u64>().ok().map(|nanoseconds| nanoseconds as f64 * 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::spec::EstimatorSpec;
    use crate::grid::ids::Id;
    use crate::grid::plan::Measure;
    use crate::math::simd::Isa;
    use crate::train::spec::TrainingSpec;

    #[test]
    fn more_work_takes_longer() {
        let exec = Exec { isa: Isa::best(), parallel: false };
        let of = |epochs, names: &[&str], train| {
            let id = Id([0; 16]);
            let measure = |name: &&str| EstimatorSpec::by_name(name).map(|estimator| Measure { estimator, split: Split::Test });
            let spec = TrainingSpec { epochs, ..TrainingSpec::default() };
            let task =
                Task { training: id, spec: spec.into(), seed: 0, train, measure: names.iter().filter_map(measure).collect() };
            task_seconds(&task, exec, Duration::from_millis(60)).expect("finite numbers")
        };
        assert_eq!(of(0, &[], true), 0.0);
        let (short, long) = (of(10, &[], true), of(8000, &[], true));
        assert!(short > 0.0 && long > 20.0 * short, "{short} {long}");
        assert!(of(100, &["upper"], false) > 0.0);
    }
}

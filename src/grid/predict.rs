//! What tasks will cost, told from what tasks like them have cost: a model of seconds a task, with an interval. Pure arithmetic; where the
//! seconds come from (past attempts, a short measurement) is the caller's.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::plan::{Measure, Task};
use crate::train::spec::TrainingSpec;

/// Half-width of the interval, as a share, where the spread is not known.
const UNKNOWN_SPREAD: f64 = 0.25;
/// Least half-width as a share: machines differ from hour to hour.
const LEAST_SPREAD: f64 = 0.1;
/// Half-width where only the rough cost of `cost` is known.
const ROUGH_SPREAD: f64 = 0.5;
/// Half-width where not even the machine's speed is known.
const GUESSED_SPREAD: f64 = 0.75;

/// What tasks of equal cost have in common: all that the time depends on, values of weights apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Like(u64);

impl Like {
    /// The kind of a task.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        // Taken apart, so that a new setting cannot be forgotten here.
        let TrainingSpec {
            dataset,
            split_seed: _,
            architecture,
            activation,
            maxout_pieces,
            model,
            kernel_initializer: _,
            initial_bias: _,
            max_norm_weights,
            regularization,
            loss,
            optimizer,
            learning_rate: _,
            learning_rate_schedule: _,
            batch_size,
            steps_per_epoch,
            epochs,
            schedule,
            early_stopping,
        } = &*task.spec;
        let mut hasher = DefaultHasher::new();
        let data = dataset.size();
        (data.train, data.examples, data.inputs, data.classes).hash(&mut hasher);
        early_stopping.map(|rule| rule.text()).hash(&mut hasher);
        (architecture, activation, optimizer.name(), batch_size, epochs, schedule.count(*epochs), task.train).hash(&mut hasher);
        let extras = [max_norm_weights.is_some(), regularization.dropout > 0.0];
        (maxout_pieces, model, loss, steps_per_epoch, extras).hash(&mut hasher);
        let cost = |measure: &Measure| (measure.estimator.name(), measure.estimator.every(), measure.split);
        task.measure.iter().for_each(|measure| cost(measure).hash(&mut hasher));
        Self(hasher.finish())
    }
}

/// Seconds of CPU time, as an interval around the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// It may well be as little as this.
    pub low: f64,
    /// The best guess.
    pub mean: f64,
    /// It may well be as much as this.
    pub high: f64,
}

/// What tasks cost, by kind.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Seconds of a task and the half-width of their interval, as a share.
    known: HashMap<Like, (f64, f64)>,
    /// Seconds a unit of [`Task::cost`] of the known ones.
    scales: Vec<f64>,
}

impl Model {
    /// Learns from finished tasks and the seconds that they took; the median of a kind counts, so that a few attempts on a busy
    /// machine do no harm.
    pub fn learn(&mut self, finished: &[(Task, f64)]) {
        let mut by_kind: BTreeMap<Like, (&Task, Vec<f64>)> = BTreeMap::new();
        for (task, seconds) in finished.iter().filter(|(_, seconds)| seconds.is_finite() && *seconds > 0.0) {
            by_kind.entry(Like::of(task)).or_insert((task, Vec::new())).1.push(*seconds);
        }
        for (kind, (task, seconds)) in by_kind {
            let middle = median(seconds.clone());
            let deviation = median(seconds.iter().map(|s| (s - middle).abs()).collect());
            // 1.4826 makes the median deviation a standard deviation; two of them hold 95 %.
            let spread = if seconds.len() < 3 { UNKNOWN_SPREAD } else { 2.0 * 1.4826 * deviation / middle };
            self.known.insert(kind, (middle, spread.clamp(LEAST_SPREAD, ROUGH_SPREAD)));
            self.scales.push(middle / task.cost().max(1.0));
        }
    }

    /// Whether the cost of a task is known from its like.
    #[must_use]
    pub fn knows(&self, task: &Task) -> bool {
        self.known.contains_key(&Like::of(task))
    }

    /// Seconds of one task. What is not known is scaled from the rough cost, by the median of what is; without anything known the rough
    /// cost is taken as nanoseconds.
    #[must_use]
    pub fn task(&self, task: &Task) -> Seconds {
        let (mean, spread) = self.known.get(&Like::of(task)).copied().unwrap_or_else(|| match self.scales.is_empty() {
            true => (task.cost() * 1e-9, GUESSED_SPREAD),
            false => (task.cost() * median(self.scales.clone()), ROUGH_SPREAD),
        });
        Seconds { low: mean * (1.0 - spread), mean, high: mean * (1.0 + spread) }
    }

    /// Seconds of all tasks together: errors are taken to go the same way, as they do when a machine is slower than thought.
    #[must_use]
    pub fn all(&self, kinds: &Kinds<'_>) -> Seconds {
        kinds.samples.iter().fold(Seconds::default(), |sum, (sample, count)| {
            let (one, count) = (self.task(sample), *count as f64);
            Seconds { low: sum.low + count * one.low, mean: sum.mean + count * one.mean, high: sum.high + count * one.high }
        })
    }
}

/// Tasks by kind: there may be a million of them, of few kinds.
#[derive(Clone, Debug, Default)]
pub struct Kinds<'t> {
    /// The first task of each kind, and how many there are.
    pub samples: Vec<(&'t Task, usize)>,
    /// The kind of each task, in their order.
    pub of: Vec<u32>,
}

impl<'t> Kinds<'t> {
    /// Sorts out tasks.
    #[must_use]
    pub fn of(tasks: &'t [Task]) -> Self {
        let (mut kinds, mut places) = (Self::default(), HashMap::new());
        // Tasks that share what they do need not be looked at closely: most of a million do.
        let mut shared = HashMap::new();
        for task in tasks {
            let same = (Arc::as_ptr(&task.spec), Arc::as_ptr(&task.measure).cast::<()>(), task.measure.len(), task.train);
            let place = *shared.entry(same).or_insert_with(|| {
                *places.entry(Like::of(task)).or_insert_with(|| {
                    kinds.samples.push((task, 0));
                    kinds.samples.len() - 1
                })
            });
            kinds.samples[place].1 += 1;
            kinds.of.push(place as u32);
        }
        kinds
    }
}

/// The median; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// When the last of some tasks is done if each goes, in this order, to the worker that is free first.
#[must_use]
pub fn wall_seconds(tasks: impl ExactSizeIterator<Item = f64>, workers: usize) -> f64 {
    // Nanoseconds, negated: the heap gives the greatest first.
    let mut free: BinaryHeap<i128> = std::iter::repeat_n(0, workers.clamp(1, tasks.len().max(1))).collect();
    let mut last = 0;
    for seconds in tasks {
        let start = free.pop().unwrap_or(0);
        let end = start - (seconds * 1e9) as i128;
        last = last.min(end);
        free.push(end);
    }
    -last as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::spec::EstimatorSpec;
    use crate::grid::ids::Id;
    use crate::grid::plan::Measure;
    use crate::train::spec::{Activation, Split};
    use proptest::prelude::*;

    fn task(epochs: u32, activation: Activation, seed: u64) -> Task {
        let estimator = EstimatorSpec::Binning { bin_width: 0.07 };
        let measure = [Measure { estimator, split: Split::Full }].into();
        let spec = TrainingSpec { activation, epochs, ..TrainingSpec::default() }.into();
        Task { training: Id([1; 16]), spec, seed, train: true, measure }
    }

    #[test]
    fn a_kind_costs_its_median_and_others_are_scaled() {
        let mut model = Model::default();
        let known = task(100, Activation::Tanh, 1);
        assert!(!model.knows(&known));
        assert_eq!(model.task(&known).mean, known.cost() * 1e-9);
        let seconds = [2.0, 2.1, 1.9, 2.0, 50.0];
        model.learn(&seconds.map(|s| (task(100, Activation::Tanh, 7), s)));
        assert!(
            model.knows(&known) && !model.knows(&task(101, Activation::Tanh, 1)) && !model.knows(&task(100, Activation::Relu, 1))
        );
        let found = model.task(&known);
        assert!(found.mean == 2.0 && found.low > 1.6 && found.high < 2.4, "{found:?}");
        let longer = task(1000, Activation::Tanh, 1);
        let expected = longer.cost() / known.cost() * 2.0;
        assert!((model.task(&longer).mean - expected).abs() < 1e-9 * expected);
        let tasks = [known.clone(), longer, known];
        let kinds = Kinds::of(&tasks);
        assert_eq!((kinds.samples.len(), kinds.samples[0].1, &kinds.of), (2, 2, &vec![0, 1, 0]));
        assert!((model.all(&kinds).mean - expected - 4.0).abs() < 1e-9 * expected);
    }

    #[test]
    fn workers_share_the_tasks() {
        assert_eq!(wall_seconds([].into_iter(), 4), 0.0);
        assert!((wall_seconds([3.0, 2.0, 2.0].into_iter(), 2) - 4.0).abs() < 1e-6);
        assert!((wall_seconds([3.0, 2.0, 2.0].into_iter(), 100) - 3.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn no_schedule_beats_its_bounds(tasks in proptest::collection::vec(0.0..100.0_f64, 1..40), workers in 1_usize..9) {
            let (found, sum) = (wall_seconds(tasks.iter().copied(), workers), tasks.iter().sum::<f64>());
            let longest = tasks.iter().copied().fold(0.0, f64::max);
            prop_assert!(found >= (sum / workers as f64).max(longest) - 1e-6);
            prop_assert!(found <= sum / workers as f64 + longest + 1e-6);
        }
    }
}

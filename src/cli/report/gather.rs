//! What a report tells, from a cohort's tables and records; and how much of it fits on a page that loads at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::dependence;
use super::files;
use crate::aggregate::{EpochMeans, metrics_over_runs};
use crate::cli::exit::Failure;
use crate::cli::figures::planes::Average;
use crate::cli::figures::{loss_of, parameters};
use crate::cli::load::{Loaded, Settled};
use crate::cohort::settings::ColumnValue;
use crate::query::facts;
use crate::query::running::Notice;
use crate::query::status::{CohortStatus, status};
use crate::report::{CohortData, CohortReport, CurveData, ExperimentData, Packed, PlaneData, TrajectoryData, thinned};
use crate::store::Index;
use crate::store::tables::{Statistics, read_aggregate, read_measures, read_metrics};
use crate::train::spec::Split;

/// Numbers of the planes over all runs on a page at most; a page of ten million bytes still loads in a second.
const MOST_AVERAGES: usize = 6_000_000;
/// Numbers of single runs at most, on top.
const MOST_RUNS: usize = 3_000_000;
/// Epochs of a trajectory that are worth showing; with fewer it is left out.
const LEAST_EPOCHS: usize = 12;
/// Experiments on a page at most.
const MOST_EXPERIMENTS: usize = 20_000;
/// Trainings whose attempts are looked at for the provenance.
const MOST_TRAININGS: usize = 50_000;

/// Gathers the report of a cohort whose tables are in `dir`.
pub fn gather(loaded: &Settled<'_>, index: &Index, live: &[Notice], dir: &Path) -> Result<CohortReport, Failure> {
    let status = status(loaded.study(), index, live)?;
    let experiments = &loaded.grid.experiments[..loaded.grid.experiments.len().min(MOST_EXPERIMENTS)];
    let rows: Vec<Vec<(&'static str, ColumnValue)>> = experiments.iter().map(|e| e.settings.columns()).collect();
    let differing = facts::differing(&rows);
    let is_shared = |key: &str| differing.iter().all(|(differs, _)| *differs != key);
    let shared = rows.first().into_iter().flatten().filter(|(key, _)| is_shared(key));
    let (provenance, mut left_out) = provenance(loaded, index, MOST_TRAININGS)?;
    let mut report = CohortReport {
        name: loaded.cohort.name.clone(),
        description: loaded.cohort.description.clone(),
        runs: counts(&status),
        settings: shared.map(|(key, value)| ((*key).to_owned(), facts::text(value))).collect(),
        failures: status.failures.iter().map(|f| [f.run.clone(), f.class.to_owned(), f.error.clone()]).collect(),
        provenance,
        tables: files(dir, &["parquet", "csv"]),
        figures: files(&dir.join("figures"), &["png", "svg", "mp4"]),
        source: loaded.text.clone(),
        ..CohortReport::default()
    };
    if experiments.len() < loaded.grid.experiments.len() {
        left_out.push(format!("Shown are the first {} of {} experiments.", experiments.len(), loaded.grid.experiments.len()));
    }
    let place: HashMap<&str, usize> = experiments.iter().enumerate().map(|(i, e)| (e.label.as_str(), i)).collect();
    let mut page = Page { places: &place, epochs: Epochs::default(), views: Vec::new(), planes: BTreeMap::new() };
    let (average, value) = Average::of(&loaded.cohort).take();
    let thinned = page.read_averages(&dir.join("aggregate.parquet"), value)?;
    left_out.extend(thinned.then(|| "Epochs of the planes are thinned; `aggregate.parquet` has them all.".to_owned()));
    match page.read_runs(&dir.join("measures.parquet"), loaded.grid.n_runs as usize)? {
        Runs::All => {}
        Runs::Thinned => left_out.push("Epochs of single runs are thinned; `measures.parquet` has them all.".to_owned()),
        Runs::None => left_out.push("Single runs are left out; `measures.parquet` has them.".to_owned()),
    }
    let curves = curves(&dir.join("metrics.parquet"), &place, &mut page.epochs)?;
    let mut maps = dependence::gather(&dir.join("dependence.parquet"), &place, value, &mut page.epochs)?;
    left_out.extend(maps.left_out.take());
    report.left_out = left_out.join(" ");
    report.data = CohortData {
        average: average.to_owned(),
        loss: loss_of(experiments).to_owned(),
        keys: differing.iter().map(|(key, _)| (*key).to_owned()).collect(),
        experiments: experiments
            .iter()
            .zip(curves)
            .enumerate()
            .map(|(i, (experiment, (accuracy, curves)))| ExperimentData {
                label: experiment.label.clone(),
                values: differing.iter().map(|(_, values)| facts::text(&values[i])).collect(),
                runs: status.experiments.get(i).map_or([0, 0], |e| [e.runs.ok, e.runs.total()]),
                accuracy,
                planes: page.planes.remove(&i).unwrap_or_default(),
                curves,
                maps: maps.by_experiment.remove(&i).unwrap_or_default(),
            })
            .collect(),
        epochs: page.epochs.lists,
        map_views: maps.views,
        views: page.views,
    };
    Ok(report)
}

/// Runs by status, without those of which there are none.
pub fn counts(status: &CohortStatus) -> Vec<(String, u64)> {
    let runs = status.runs;
    let all = [
        ("ok", runs.ok),
        ("running", runs.running),
        ("missing", runs.missing),
        ("failed", runs.failed),
        ("lost", runs.lost),
        ("oom", runs.oom),
        ("not needed", status.not_needed),
    ];
    all.into_iter().filter(|(name, n)| *n > 0 || *name == "ok").map(|(name, n)| (name.to_owned(), n)).collect()
}

/// Lists of epochs, each kept once.
#[derive(Default)]
pub struct Epochs {
    lists: Vec<Vec<i64>>,
    places: HashMap<Vec<i64>, usize>,
}

impl Epochs {
    /// The place of a list.
    pub fn place(&mut self, list: Vec<i64>) -> usize {
        let next = self.lists.len();
        *self.places.entry(list).or_insert_with_key(|list| {
            self.lists.push(list.clone());
            next
        })
    }
}

/// What becomes of single runs.
enum Runs {
    All,
    Thinned,
    None,
}

/// Rows of one trajectory: epoch, layer, I(X;T), I(T;Y), by epoch, then by layer.
type Trajectory = Vec<(i64, usize, Option<f64>, Option<f64>)>;

/// The planes on their way onto the page.
struct Page<'a> {
    places: &'a HashMap<&'a str, usize>,
    epochs: Epochs,
    views: Vec<String>,
    planes: BTreeMap<usize, Vec<PlaneData>>,
}

impl Page<'_> {
    fn view(&mut self, estimator: &str, params: &str, split: Split) -> usize {
        let name = format!("{estimator} {} · {}", parameters(params), split.name());
        self.views.iter().position(|view| *view == name).unwrap_or_else(|| {
            self.views.push(name);
            self.views.len() - 1
        })
    }

    /// Reads what stands for all runs, `value` of them; whether epochs had to be left out.
    fn read_averages(&mut self, path: &Path, value: fn(&Statistics) -> Option<f64>) -> Result<bool, Failure> {
        let mut trajectories: BTreeMap<(usize, usize), Trajectory> = BTreeMap::new();
        for row in read_aggregate(path)? {
            let row = row?;
            let Some(&place) = self.places.get(row.experiment.as_str()) else { continue };
            let view = self.view(&row.estimator, &row.estimator_params, row.split);
            let layer = usize::try_from(row.layer).unwrap_or(0);
            trajectories.entry((place, view)).or_default().push((row.epoch, layer, value(&row.i_xt), value(&row.i_ty)));
        }
        let rows: usize = trajectories.values().map(Vec::len).sum();
        let share = (MOST_AVERAGES as f64 / (2.0 * rows.max(1) as f64)).min(1.0);
        for ((place, view), trajectory) in trajectories {
            let (layers, average) = self.pack(&trajectory, |epochs| ((epochs as f64 * share) as usize).max(LEAST_EPOCHS));
            self.planes.entry(place).or_default().push(PlaneData { view, layers, average, runs: Vec::new() });
        }
        Ok(share < 1.0)
    }

    /// Reads single runs into the planes that are there, as far as they fit.
    fn read_runs(&mut self, path: &Path, n_runs: usize) -> Result<Runs, Failure> {
        let packed = |planes: &PlaneData| planes.layers * self.epochs.lists[planes.average.epochs].len();
        let numbers = 2 * n_runs * self.planes.values().flatten().map(packed).sum::<usize>();
        let share = (MOST_RUNS as f64 / numbers.max(1) as f64).min(1.0);
        let longest = self.epochs.lists.iter().map(Vec::len).max().unwrap_or(0);
        if share < 1.0 && (longest as f64 * share) < LEAST_EPOCHS as f64 {
            return Ok(Runs::None);
        }
        let mut trajectories: BTreeMap<(usize, usize, i64), Trajectory> = BTreeMap::new();
        for row in read_measures(path)? {
            let row = row?;
            let Some(&place) = self.places.get(row.experiment.as_str()) else { continue };
            let view = self.view(&row.estimator, &row.estimator_params, row.split);
            let layer = usize::try_from(row.layer).unwrap_or(0);
            trajectories.entry((place, view, row.run)).or_default().push((row.epoch, layer, row.i_xt, row.i_ty));
        }
        for ((place, view, run), trajectory) in trajectories {
            let (_, trajectory) = self.pack(&trajectory, |epochs| (epochs as f64 * share).ceil() as usize);
            let planes = self.planes.entry(place).or_default();
            if let Some(plane) = planes.iter_mut().find(|plane| plane.view == view) {
                plane.runs.push((run, trajectory));
            }
        }
        Ok(if share < 1.0 { Runs::Thinned } else { Runs::All })
    }

    /// Layers of a trajectory, and the trajectory packed, with as many epochs as `most` allows.
    fn pack(&mut self, trajectory: &Trajectory, most: impl Fn(usize) -> usize) -> (usize, TrajectoryData) {
        let layers = trajectory.iter().map(|(_, layer, ..)| layer + 1).max().unwrap_or(0);
        let mut epochs: Vec<i64> = trajectory.iter().map(|(epoch, ..)| *epoch).collect();
        epochs.dedup();
        let kept: Vec<i64> = thinned(epochs.len(), most(epochs.len())).into_iter().map(|i| epochs[i]).collect();
        let (mut x, mut y) = (vec![None; kept.len() * layers], vec![None; kept.len() * layers]);
        for &(epoch, layer, i_xt, i_ty) in trajectory {
            if let Ok(place) = kept.binary_search(&epoch) {
                (x[place * layers + layer], y[place * layers + layer]) = (i_xt, i_ty);
            }
        }
        (layers, TrajectoryData { epochs: self.epochs.place(kept), x: Packed::new(&x), y: Packed::new(&y) })
    }
}

/// An experiment's mean accuracy at the end on the test examples, and its mean accuracy and loss over epochs.
type Curves = (Option<f64>, Vec<CurveData>);

/// The curves of every experiment.
fn curves(path: &Path, places: &HashMap<&str, usize>, epochs: &mut Epochs) -> Result<Vec<Curves>, Failure> {
    let mut curves = vec![(None, Vec::new()); places.len()];
    for ((label, split), runs) in metrics_over_runs(read_metrics(path)?, |label| places.contains_key(label))? {
        let (of_experiment, of_epoch) = (&mut curves[places[label.as_str()]], |of: fn(&EpochMeans) -> f64| {
            runs.epochs.iter().map(|means| Some(of(means))).collect::<Vec<_>>()
        });
        if split == Split::Test {
            of_experiment.0 = Some(runs.final_accuracy);
        }
        of_experiment.1.push(CurveData {
            split: split.name().to_owned(),
            epochs: epochs.place(runs.epochs.iter().map(|means| means.epoch).collect()),
            accuracy: Packed::new(&of_epoch(|means| means.accuracy)),
            loss: Packed::new(&of_epoch(|means| means.loss)),
        });
    }
    Ok(curves)
}

/// Facts, by what they are about; and what they leave out, in sentences.
type Facts = (Vec<(String, String)>, Vec<String>);

/// How the cohort's trainings were computed: where, by what, how long. The attempts of `most` trainings are looked at.
fn provenance(loaded: &Loaded, index: &Index, most: usize) -> Result<Facts, Failure> {
    let mut counted: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    let (mut seen, mut is_cut, mut attempts, mut seconds) = (HashSet::new(), false, 0u64, 0.0);
    for run in loaded.grid.runs() {
        if seen.contains(&run.training) {
            continue;
        }
        if seen.len() == most {
            is_cut = true;
            break;
        }
        seen.insert(run.training);
        for attempt in index.attempts(run.training)? {
            attempts += 1;
            seconds += attempt.seconds;
            let facts = [
                ("host", &attempt.host),
                ("launcher", &attempt.launcher),
                ("version", &attempt.version),
                ("commit", &attempt.commit),
                ("instruction set", &attempt.isa),
                ("matrix products", &attempt.gemm),
            ];
            for (what, value) in facts {
                *counted.entry(what).or_default().entry(value.clone()).or_default() += 1;
            }
            *counted.entry("attempts ended").or_default().entry(attempt.status.name().to_owned()).or_default() += 1;
        }
    }
    let mut facts = vec![
        (if is_cut { "trainings looked at" } else { "trainings" }.to_owned(), seen.len().to_string()),
        ("attempts".to_owned(), attempts.to_string()),
        ("seconds of all attempts".to_owned(), format!("{seconds:.1}")),
    ];
    let list = |values: BTreeMap<String, u64>| {
        values.into_iter().map(|(value, n)| format!("{value} ({n})")).collect::<Vec<_>>().join(", ")
    };
    facts.extend(counted.into_iter().map(|(what, values)| (what.to_owned(), list(values))));
    let note = format!("Where and how trainings were computed is told of the first {most}; `provenance.parquet` has all.");
    Ok((facts, is_cut.then_some(note).into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_all;
    use crate::store::Store;

    #[test]
    fn a_part_of_the_trainings_is_not_told_as_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("three.toml");
        std::fs::write(&file, "name = \"three\"\nn_runs = 3\n[experiment]\narchitecture = [4, 3]\n").unwrap();
        let loaded = load_all(&[file]).unwrap_or_else(|failure| panic!("{}", failure.report())).remove(0);
        let index = Store::open(dir.path().join("store")).unwrap().index().unwrap();
        for (most, name, notes) in [(2, "trainings looked at", 1), (3, "trainings", 0)] {
            let (facts, left_out) = provenance(&loaded, &index, most).unwrap_or_else(|failure| panic!("{}", failure.report()));
            assert_eq!(facts[0], (name.to_owned(), most.to_string()));
            assert_eq!(left_out.len(), notes, "{left_out:?}");
        }
    }
}

//! The movie of a cohort, from `aggregate`, `measures` and `metrics`.

use std::collections::{BTreeMap, BTreeSet};

use super::planes::Average;
use super::select::Wanted;
use super::{Drawing, Figure, cut, examples, layer_name, parameters};
use crate::aggregate::metrics_over_runs;
use crate::cli::exit::{Exit, Failure};
use crate::plot::{MovieEpoch, MovieFigure, MoviePanel, PANELS_PER_MOVIE, movie};
use crate::store::tables::{read_aggregate, read_measures, read_metrics};
use crate::train::spec::Split;

/// An experiment and estimator on a split: the split, then the place of its first row in the table.
type Place = (Split, usize);
/// Layers by epoch.
type Trajectory = BTreeMap<i64, Vec<Option<(f64, f64)>>>;

/// One panel, gathered.
#[derive(Default)]
struct Gathered {
    label: String,
    estimator: String,
    mean: Trajectory,
    runs: BTreeMap<i64, Trajectory>,
}

/// Makes a movie of every split that is wanted and there.
pub fn draw(wanted: &Wanted, average: Average) -> Result<Vec<Figure>, Failure> {
    let (_, value) = average.take();
    let mut places: BTreeMap<(Split, String, String, String), Place> = BTreeMap::new();
    let mut panels: BTreeMap<Place, Gathered> = BTreeMap::new();
    for row in read_aggregate(&wanted.dir.join("aggregate.parquet"))? {
        let row = row?;
        let (label, estimator, params) = (row.experiment, row.estimator, row.estimator_params);
        if !(wanted.takes(&label) && wanted.takes_split(row.split) && wanted.takes_estimator(&estimator, &params)) {
            continue;
        }
        // An estimator that gives one of the two alone has no place in the plane.
        let Some(point) = value(&row.i_xt).zip(value(&row.i_ty)) else { continue };
        let next = places.len();
        let place = *places.entry((row.split, label.clone(), estimator.clone(), params.clone())).or_insert((row.split, next));
        let panel = panels.entry(place).or_insert_with(|| {
            let estimator = format!("{estimator} {}", parameters(&params));
            Gathered { label, estimator, ..Gathered::default() }
        });
        put(&mut panel.mean, row.epoch, row.layer, Some(point));
    }
    for row in read_measures(&wanted.dir.join("measures.parquet"))? {
        let row = row?;
        let place = places.get(&(row.split, row.experiment, row.estimator, row.estimator_params));
        if let Some(panel) = place.and_then(|place| panels.get_mut(place)) {
            put(panel.runs.entry(row.run).or_default(), row.epoch, row.layer, row.i_xt.zip(row.i_ty));
        }
    }
    let accuracies = accuracies(wanted)?;
    let estimators: BTreeSet<&str> = panels.values().map(|panel| panel.estimator.as_str()).collect();
    let (several, only) = (estimators.len() > 1, estimators.iter().next().map_or_else(String::new, |&one| one.to_owned()));
    let mut figures = Vec::new();
    for &split in Split::ALL {
        let all = panels.iter().filter(|((of, _), _)| *of == split).map(|(_, panel)| panel_of(panel, several, &accuracies));
        let mut panels: Vec<MoviePanel> = all.collect();
        if panels.is_empty() {
            continue;
        }
        let by = if several { String::new() } else { format!(", {only}") };
        let title = cut(format!("{}, {}{by}", wanted.cohort, examples(split)), &mut panels, PANELS_PER_MOVIE, "panels");
        let bytes = movie(&MovieFigure { title, panels }).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        figures.push(Figure { name: format!("movie_{}", split.name()), drawing: Drawing::Film(bytes) });
    }
    Ok(figures)
}

fn put(trajectory: &mut Trajectory, epoch: i64, layer: i64, point: Option<(f64, f64)>) {
    let (layers, layer) = (trajectory.entry(epoch).or_default(), usize::try_from(layer).unwrap_or(0));
    if layers.len() <= layer {
        layers.resize(layer + 1, None);
    }
    layers[layer] = point;
}

type Accuracies = BTreeMap<String, Vec<(String, Vec<(i64, f64)>)>>;

fn panel_of(gathered: &Gathered, several: bool, accuracies: &Accuracies) -> MoviePanel {
    let trajectory = |trajectory: &Trajectory| {
        trajectory.iter().map(|(&epoch, layers)| MovieEpoch { epoch, layers: layers.clone() }).collect::<Vec<_>>()
    };
    let layers = gathered.mean.values().map(Vec::len).max().unwrap_or(0);
    let estimator = if several { format!(", {}", gathered.estimator) } else { String::new() };
    MoviePanel {
        title: format!("{}{estimator}", gathered.label),
        layers: (0..layers).map(|layer| layer_name(layer, layers)).collect(),
        mean: trajectory(&gathered.mean),
        // One run is its mean.
        runs: if gathered.runs.len() > 1 { gathered.runs.values().map(trajectory).collect() } else { Vec::new() },
        accuracy: accuracies.get(&gathered.label).cloned().unwrap_or_default(),
    }
}

/// Mean accuracy of each experiment by split and epoch.
fn accuracies(wanted: &Wanted) -> Result<Accuracies, Failure> {
    let rows = read_metrics(&wanted.dir.join("metrics.parquet"))?;
    let mut accuracies = Accuracies::new();
    for ((label, split), runs) in metrics_over_runs(rows, |label| wanted.takes(label))? {
        let points = runs.epochs.iter().map(|means| (means.epoch, means.accuracy)).collect();
        accuracies.entry(label).or_default().push((split.name().to_owned(), points));
    }
    Ok(accuracies)
}

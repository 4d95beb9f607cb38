//! Information planes from `aggregate` and `measures`.

use std::collections::{BTreeMap, BTreeSet};

use super::select::Wanted;
use super::{Figure, cut, examples, layer_name, parameters};
use crate::aggregate::metrics_over_runs;
use crate::cli::exit::Failure;
use crate::cohort::Cohort;
use crate::plot::{NOTE_SEPARATOR, PANELS_PER_SHEET, PlaneFigure, PlaneLayer, PlanePanel, PlanePoint, PlaneStyle, infoplane};
use crate::store::tables::{Statistics, read_aggregate, read_measures, read_metrics};
use crate::train::spec::Split;

/// What stands for all runs of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// The arithmetic mean.
    #[default]
    Mean,
    /// The median.
    Median,
}

/// What a figure of information planes shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlaneOptions {
    /// What stands for all runs.
    pub average: Average,
    /// A panel a run instead of one an experiment.
    pub runs: bool,
    /// 95 % confidence ellipses around the last epoch.
    pub ci: bool,
    /// How planes are drawn.
    pub style: PlaneStyle,
}

/// Panels of one split, with the places of those already begun.
#[derive(Default)]
struct Sheet {
    panels: Vec<PlanePanel>,
    places: BTreeMap<String, usize>,
}

impl Average {
    /// What a cohort asks for.
    pub const fn of(cohort: &Cohort) -> Self {
        if cohort.plot_median { Self::Median } else { Self::Mean }
    }

    /// Its name, and how to take it.
    pub fn take(self) -> (&'static str, fn(&Statistics) -> Option<f64>) {
        match self {
            Self::Mean => ("mean", |s| s.mean),
            Self::Median => ("median", |s| s.median),
        }
    }
}

impl Sheet {
    /// The panel of that key, begun with title and note if there is none yet.
    fn panel(&mut self, key: String, begin: impl FnOnce() -> (String, String)) -> &mut PlanePanel {
        let place = *self.places.entry(key).or_insert_with(|| {
            let (title, note) = begin();
            self.panels.push(PlanePanel { title, note, layers: vec![] });
            self.panels.len() - 1
        });
        &mut self.panels[place]
    }
}

/// Draws the planes of every split that is wanted and there, in the order of [`Split::ALL`]; none if there is nothing to draw.
pub fn draw(wanted: &Wanted, options: &PlaneOptions) -> Result<Vec<Figure>, Failure> {
    let mut sheets = if options.runs { of_runs(wanted)? } else { averaged(wanted, options)? };
    let mut figures = Vec::new();
    for split in Split::ALL {
        let Some(Sheet { mut panels, .. }) = sheets.remove(split) else { continue };
        for panel in &mut panels {
            if let Some(readout) = panel.layers.last_mut() {
                readout.name = "readout".to_owned();
            }
        }
        let title = format!("{}, {}", wanted.cohort, examples(*split));
        let title = cut(title, &mut panels, PANELS_PER_SHEET, "panels");
        let svg = infoplane(&PlaneFigure { title, panels, style: options.style });
        let runs = if options.runs { "_runs" } else { "" };
        figures.push(Figure::sheet(format!("infoplane{runs}_{}", split.name()), svg));
    }
    Ok(figures)
}

/// All experiment, estimator and split that the tables hold, in words: what to say when nothing is left of it.
pub fn there_is(wanted: &Wanted) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    for row in read_aggregate(&wanted.dir.join("aggregate.parquet"))? {
        let row = row?;
        found.insert(format!("{} {} on {}", row.estimator, parameters(&row.estimator_params), row.split.name()));
    }
    Ok(found)
}

/// A panel an experiment and estimator.
fn averaged(wanted: &Wanted, options: &PlaneOptions) -> Result<BTreeMap<Split, Sheet>, Failure> {
    let accuracies = accuracies(wanted)?;
    let (word, value) = options.average.take();
    let mut sheets: BTreeMap<Split, Sheet> = BTreeMap::new();
    for row in read_aggregate(&wanted.dir.join("aggregate.parquet"))? {
        let row = row?;
        let (label, estimator, params) = (&row.experiment, &row.estimator, &row.estimator_params);
        if !(wanted.takes(label) && wanted.takes_split(row.split) && wanted.takes_estimator(estimator, params)) {
            continue;
        }
        // An estimator that gives one of the two alone has no place in the plane.
        let Some((i_xt, i_ty)) = value(&row.i_xt).zip(value(&row.i_ty)) else { continue };
        let panel = sheets.entry(row.split).or_default().panel(format!("{label}\n{estimator}\n{params}"), || {
            // A label of these keys says it already.
            let is_said = label.contains("estimator=") && label.contains("discretization_range=");
            let mut notes: Vec<String> = (!is_said).then(|| format!("{estimator} {}", parameters(params))).into_iter().collect();
            notes.extend(accuracies.get(label).map(|a| format!("test accuracy {a:.3}")));
            notes.push(format!("{word} of {} run{}", row.n, if row.n == 1 { "" } else { "s" }));
            if options.ci && row.n > 1 {
                notes.push("ellipses: 95 % confidence".to_owned());
            }
            (label.clone(), notes.join(NOTE_SEPARATOR))
        });
        let spread = if options.ci { row.i_xt.ci95.zip(row.i_ty.ci95) } else { None };
        push(panel, row.layer, PlanePoint { epoch: row.epoch, i_xt, i_ty, spread });
    }
    Ok(sheets)
}

/// A panel a run and estimator.
fn of_runs(wanted: &Wanted) -> Result<BTreeMap<Split, Sheet>, Failure> {
    let mut sheets: BTreeMap<Split, Sheet> = BTreeMap::new();
    for row in read_measures(&wanted.dir.join("measures.parquet"))? {
        let row = row?;
        let (label, estimator, params) = (&row.experiment, &row.estimator, &row.estimator_params);
        if !(wanted.takes(label) && wanted.takes_split(row.split) && wanted.takes_estimator(estimator, params)) {
            continue;
        }
        let Some((i_xt, i_ty)) = row.i_xt.zip(row.i_ty) else { continue };
        let sheet = sheets.entry(row.split).or_default();
        let panel = sheet.panel(format!("{label}\n{estimator}\n{params}\n{}", row.run), || {
            (format!("{label}, run\u{a0}{}", row.run), format!("{estimator} {}", parameters(params)))
        });
        push(panel, row.layer, PlanePoint { epoch: row.epoch, i_xt, i_ty, spread: None });
    }
    Ok(sheets)
}

fn push(panel: &mut PlanePanel, layer: i64, point: PlanePoint) {
    let layer = usize::try_from(layer).unwrap_or(0);
    while panel.layers.len() <= layer {
        panel.layers.push(PlaneLayer { name: layer_name(panel.layers.len(), usize::MAX), points: vec![] });
    }
    panel.layers[layer].points.push(point);
}

/// Mean test accuracy of each experiment at the end of its runs.
fn accuracies(wanted: &Wanted) -> Result<BTreeMap<String, f64>, Failure> {
    let rows = read_metrics(&wanted.dir.join("metrics.parquet"))?;
    let tested =
        metrics_over_runs(rows, |label| wanted.takes(label))?.into_iter().filter(|((_, split), _)| *split == Split::Test);
    Ok(tested.map(|((label, _), runs)| (label, runs.final_accuracy)).collect())
}

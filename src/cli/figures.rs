//! Figures of a cohort from its tables: what to draw, and where it goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use crate::plot::{NOTE_SEPARATOR, PRINT_SCALE, PlaneFigure, PlaneLayer, PlanePanel, PlanePoint, infoplane, png};
use crate::store::replace_file;
use crate::store::tables::{read_aggregate, read_metrics};
use crate::train::spec::Split;

/// Panels of one figure at most; more than a page can show.
const MOST_PANELS: usize = 60;

/// File format of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pixels, 300 to the inch.
    Png,
    /// Vectors.
    Svg,
}

/// Draws the mean information plane of every split that was measured, `figures/infoplane_SPLIT.png`; gives the files.
pub fn draw(cohort: &str, dir: &Path, format: Format) -> Result<Vec<PathBuf>, Failure> {
    let mut drawn = Vec::new();
    let mut sheets = sheets(dir)?;
    for &split in Split::ALL {
        if let Some(panels) = sheets.remove(&split) {
            drawn.push(draw_one(cohort, dir, split, panels, format)?);
        }
    }
    Ok(drawn)
}

/// Draws one split; `None` if it was not measured.
pub fn draw_split(cohort: &str, dir: &Path, split: Split, format: Format) -> Result<Option<PathBuf>, Failure> {
    let panels = sheets(dir)?.remove(&split);
    panels.map(|panels| draw_one(cohort, dir, split, panels, format)).transpose()
}

/// The panels of every split, in the order of the table.
fn sheets(dir: &Path) -> Result<BTreeMap<Split, Vec<PlanePanel>>, Failure> {
    let accuracies = accuracies(dir)?;
    let mut sheets: BTreeMap<Split, Vec<PlanePanel>> = BTreeMap::new();
    let mut places: BTreeMap<(Split, String, String, String), usize> = BTreeMap::new();
    for row in read_aggregate(&dir.join("aggregate.parquet"))? {
        let row = row?;
        let panels = sheets.entry(row.split).or_default();
        let key = (row.split, row.experiment.clone(), row.estimator.clone(), row.estimator_params.clone());
        let place = *places.entry(key).or_insert_with(|| {
            let mut notes = vec![format!("{} {}", row.estimator, parameters(&row.estimator_params))];
            notes.extend(accuracies.get(&row.experiment).map(|a| format!("test accuracy {a:.3}")));
            notes.push(format!("mean of {} run{}", row.n, if row.n == 1 { "" } else { "s" }));
            panels.push(PlanePanel { title: row.experiment.clone(), note: notes.join(NOTE_SEPARATOR), layers: vec![] });
            panels.len() - 1
        });
        let layer = usize::try_from(row.layer).unwrap_or(0);
        let layers = &mut panels[place].layers;
        while layers.len() <= layer {
            layers.push(PlaneLayer { name: layers.len().to_string(), points: vec![] });
        }
        if let (Some(i_xt), Some(i_ty)) = (row.i_xt.mean, row.i_ty.mean) {
            layers[layer].points.push(PlanePoint { epoch: row.epoch, i_xt, i_ty });
        }
    }
    for panel in sheets.values_mut().flatten() {
        if let Some(readout) = panel.layers.last_mut() {
            readout.name = "readout".to_owned();
        }
    }
    Ok(sheets)
}

/// Mean test accuracy of each experiment at its last recorded epoch.
fn accuracies(dir: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    let mut last: BTreeMap<(String, i64), f64> = BTreeMap::new();
    for row in read_metrics(&dir.join("metrics.parquet"))? {
        let row = row?;
        if row.split == Split::Test {
            // Rows come by epoch, so the last one of a run stays.
            last.insert((row.experiment, row.run), row.accuracy);
        }
    }
    let mut means: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for ((experiment, _), accuracy) in last {
        let (sum, n) = means.entry(experiment).or_default();
        *sum += accuracy;
        *n += 1.0;
    }
    Ok(means.into_iter().map(|(experiment, (sum, n))| (experiment, sum / n)).collect())
}

/// Canonical parameters as a reader wants them: `{"bin_width":0.07}` is `bin_width 0.07`.
fn parameters(json: &str) -> String {
    json.trim_matches(['{', '}']).replace('"', "").replace(':', " ").replace(',', ", ")
}

fn draw_one(cohort: &str, dir: &Path, split: Split, mut panels: Vec<PlanePanel>, format: Format) -> Result<PathBuf, Failure> {
    let examples = match split {
        Split::Train => "training set",
        Split::Test => "test set",
        Split::Full => "all examples",
    };
    let mut title = format!("{cohort}, {examples}");
    if panels.len() > MOST_PANELS {
        title = format!("{title} (first {MOST_PANELS} of {} panels)", panels.len());
        panels.truncate(MOST_PANELS);
    }
    let svg = infoplane(&PlaneFigure { title, panels });
    let (extension, bytes) = match format {
        Format::Svg => ("svg", svg.into_bytes()),
        Format::Png => ("png", png(&svg, PRINT_SCALE).map_err(|e| Failure::from_error(Exit::Internal, &e))?),
    };
    let figures = dir.join("figures");
    let path = figures.join(format!("infoplane_{}.{extension}", split.name()));
    fs::create_dir_all(&figures)
        .and_then(|()| replace_file(&path, &bytes))
        .map_err(|e| Failure::new(Exit::Store, format!("cannot write {}: {e}", path.display())))?;
    Ok(path)
}

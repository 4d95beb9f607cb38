//! How alike the layers of a network are, a map of every layer with every layer, from `dependence`.

use std::collections::{BTreeMap, BTreeSet};

use super::planes::Average;
use super::select::Wanted;
use super::{Figure, cut, examples, parameters};
use crate::aggregate::statistics;
use crate::cli::exit::{Exit, Failure};
use crate::plot::{HeatFigure, HeatGroup, HeatMap, NOTE_SEPARATOR, PANELS_PER_SHEET, heat};
use crate::store::tables::{DependenceRow, read_dependence};
use crate::train::spec::Split;

/// The layers of one run at one epoch: by layers, −1 the input.
type Layers = BTreeMap<(i64, i64), f64>;

/// One panel in the making.
struct Panel {
    title: String,
    measure: String,
    params: String,
    /// By run: the epoch, and what was measured then.
    runs: BTreeMap<i64, (i64, Layers)>,
}

/// Draws a sheet for every split that is wanted and there: a panel an experiment and measure, `average` over runs, at `epoch` or else
/// the last one that was measured.
pub fn draw(wanted: &Wanted, epoch: Option<i64>, average: Average) -> Result<Vec<Figure>, Failure> {
    let mut sheets: BTreeMap<Split, Vec<Panel>> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for row in rows(wanted)? {
        let row = row?;
        if !is_wanted(wanted, &row) || epoch.is_some_and(|epoch| epoch != row.epoch) {
            continue;
        }
        let Some(value) = row.value else { continue };
        let panels = sheets.entry(row.split).or_default();
        let key = (row.split, row.experiment.clone(), row.measure.clone(), row.params.clone());
        let place = *places.entry(key).or_insert_with(|| {
            let (title, measure, params) = (row.experiment.clone(), row.measure.clone(), row.params.clone());
            panels.push(Panel { title, measure, params, runs: BTreeMap::new() });
            panels.len() - 1
        });
        let (at, layers) = panels[place].runs.entry(row.run).or_insert((row.epoch, Layers::new()));
        // The table has the epochs of a run in their order.
        if row.epoch != *at {
            (*at, *layers) = (row.epoch, Layers::new());
        }
        layers.insert((row.layer_a, row.layer_b), value);
    }
    let sheet = |(split, panels): (Split, Vec<Panel>)| {
        Figure::sheet(format!("compare_{}", split.name()), sheet(wanted, split, panels, average))
    };
    Ok(sheets.into_iter().map(sheet).collect())
}

/// All measures of layers, splits and epochs that the table holds, in words: what to say when nothing is left of it.
pub fn there_is(wanted: &Wanted) -> Result<BTreeSet<String>, Failure> {
    let mut found: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for row in rows(wanted)? {
        let row = row?;
        if row.units.is_none() {
            let name = format!("{} {} on {}", row.measure, parameters(&row.params), row.split.name());
            found.entry(name).or_default().insert(row.epoch);
        }
    }
    let some = |epochs: BTreeSet<i64>| {
        let shown: Vec<String> = epochs.iter().rev().take(8).map(i64::to_string).collect();
        format!("{}{}", shown.join(", "), if epochs.len() > shown.len() { ", …" } else { "" })
    };
    Ok(found.into_iter().map(|(name, epochs)| format!("{name} at epochs {}", some(epochs))).collect())
}

/// The rows of the table, if the cohort has it.
fn rows(wanted: &Wanted) -> Result<crate::store::tables::Rows<DependenceRow>, Failure> {
    let path = wanted.dir.join("dependence.parquet");
    if !path.exists() {
        let text = format!(
            "`{}` compares no layers: add \"svcca\" or \"dcor\" to its `estimators` and run it; what is trained stays",
            wanted.cohort
        );
        return Err(Failure::new(Exit::Invalid, text));
    }
    Ok(read_dependence(&path)?)
}

fn is_wanted(wanted: &Wanted, row: &DependenceRow) -> bool {
    row.units.is_none()
        && wanted.takes(&row.experiment)
        && wanted.takes_split(row.split)
        && wanted.takes_estimator(&row.measure, &row.params)
}

fn sheet(wanted: &Wanted, split: Split, mut panels: Vec<Panel>, average: Average) -> String {
    let measures: BTreeSet<&str> = panels.iter().map(|panel| panel.measure.as_str()).collect();
    let bar = match measures.into_iter().collect::<Vec<_>>()[..] {
        ["dcor"] => "distance correlation",
        ["svcca"] => "SVCCA correlation",
        _ => "correlation",
    }
    .to_owned();
    let title = format!("{}, {}", wanted.cohort, examples(split));
    let title = cut(title, &mut panels, PANELS_PER_SHEET, "panels");
    let label = "layer (0: input, last: readout)".to_owned();
    let groups = panels.iter().map(|panel| panel.group(average)).collect();
    heat(&HeatFigure { title, labels: (label.clone(), label), bar, root: false, groups, width: wanted.width })
}

impl Panel {
    fn group(&self, average: Average) -> HeatGroup {
        let epochs: BTreeSet<i64> = self.runs.values().map(|(epoch, _)| *epoch).collect();
        let epoch = match (epochs.first(), epochs.len()) {
            (Some(epoch), 1) => format!("epoch {epoch}"),
            _ => "the last epoch of each run".to_owned(),
        };
        let runs = self.runs.len();
        let note = [
            format!("{} {}", self.measure, parameters(&self.params)),
            epoch,
            format!("{} of {runs} run{}", average.take().0, if runs == 1 { "" } else { "s" }),
        ];
        let map = HeatMap { title: String::new(), epochs: Vec::new(), range: None, columns: self.columns(average) };
        HeatGroup { title: self.title.clone(), note: note.join(NOTE_SEPARATOR), maps: vec![map] }
    }

    /// What stands for all runs, layer by layer from the input, each with every layer.
    fn columns(&self, average: Average) -> Vec<Vec<f64>> {
        let layers = self.runs.values().flat_map(|(_, layers)| layers.keys()).map(|(_, b)| b + 2).max().unwrap_or(0);
        let over_runs = |a: i64, b: i64| {
            let values: Vec<f64> =
                self.runs.values().filter_map(|(_, layers)| layers.get(&(a.min(b), a.max(b)))).copied().collect();
            // Blank where nothing was measured.
            average.take().1(&statistics(&values)).unwrap_or(f64::NAN)
        };
        let column = |a: i64| {
            let mut column: Vec<f64> = (-1..layers - 1).map(|b| if a == b { 0.0 } else { over_runs(a, b) }).collect();
            // A layer is like itself, unless it is constant; then it is like nothing.
            let own = (a + 1) as usize;
            column[own] = if column.iter().any(|value| *value != 0.0) { 1.0 } else { f64::NAN };
            column
        };
        (-1..layers - 1).map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_symmetric_means_with_the_layer_itself_on_the_diagonal() {
        let run = |ab: f64, ac: f64| (7, Layers::from([((-1, 0), ab), ((-1, 1), ac), ((0, 1), 0.0)]));
        let panel = |runs: &[(i64, Layers)]| Panel {
            title: "t".into(),
            measure: "svcca".into(),
            params: r#"{"variance":0.99}"#.into(),
            runs: (0..).zip(runs.iter().cloned()).collect(),
        };
        let two = panel(&[run(0.5, 0.0), run(1.0, 0.0)]);
        let columns = two.columns(Average::Mean);
        assert_eq!(columns[..2], [vec![1.0, 0.75, 0.0], vec![0.75, 1.0, 0.0]]);
        // The last layer depends on nothing: it is constant.
        assert!(columns[2][..2] == [0.0, 0.0] && columns[2][2].is_nan());
        assert_eq!(two.group(Average::Mean).note, "svcca variance 0.99 · epoch 7 · mean of 2 runs");
        let apart = panel(&[run(0.5, 0.5), (9, run(0.5, 0.5).1)]);
        assert!(apart.group(Average::Mean).note.contains("the last epoch of each run"));
        let three = panel(&[run(0.5, 0.0), run(1.0, 0.0), run(0.875, 0.0)]);
        assert!(three.columns(Average::Median)[0][1] == 0.875 && three.group(Average::Median).note.ends_with("median of 3 runs"));
        assert!(panel(&[]).columns(Average::Mean).is_empty());
    }
}

//! What a report tells of how layers depend on each other, from the table `dependence`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::gather::Epochs;
use crate::aggregate::statistics;
use crate::cli::exit::Failure;
use crate::cli::figures::parameters;
use crate::report::{MapData, Packed, thinned};
use crate::store::tables::{DependenceRow, Statistics, read_dependence};

/// Rows of the table that are taken in at most.
const MOST_ROWS: usize = 3_000_000;
/// Numbers on a page at most.
const MOST_NUMBERS: usize = 1_500_000;
/// Units of a layer that are shown against each other at most.
const MOST_UNITS: i64 = 32;

/// The maps of a cohort.
#[derive(Default)]
pub struct Maps {
    /// Measure and examples.
    pub views: Vec<String>,
    /// By the place of the experiment.
    pub by_experiment: BTreeMap<usize, Vec<MapData>>,
    /// What is not there, in words.
    pub left_out: Option<String>,
}

/// Which map: place of the experiment, of the view, and the layer whose units these are.
type Key = (usize, usize, Option<i64>);
/// The values of all runs by epoch, then by pair, the input first.
type Cells = BTreeMap<i64, BTreeMap<(i64, i64), Vec<f64>>>;

/// How what stands for all runs is taken of their statistics.
type Average = fn(&Statistics) -> Option<f64>;

/// Gathers the maps, `average` over runs. A cohort that asks for none has none.
pub fn gather(path: &Path, places: &HashMap<&str, usize>, average: Average, epochs: &mut Epochs) -> Result<Maps, Failure> {
    if !path.is_file() {
        return Ok(Maps::default());
    }
    let (mut maps, mut cells, mut readouts) = (Maps::default(), BTreeMap::<Key, Cells>::new(), BTreeMap::<usize, i64>::new());
    let mut wide = false;
    for (n, row) in read_dependence(path)?.enumerate() {
        if n >= MOST_ROWS {
            let left_out = "The dependence of layers is left out; `dependence.parquet` has it.".to_owned();
            return Ok(Maps { left_out: Some(left_out), ..Maps::default() });
        }
        let row = row?;
        let (Some(&place), Some(value)) = (places.get(row.experiment.as_str()), row.value) else { continue };
        let readout = readouts.entry(place).or_default();
        *readout = row.layer_b.max(*readout);
        let pair = row.units.unwrap_or((row.layer_a + 1, row.layer_b + 1));
        if row.units.is_some() && pair.1 >= MOST_UNITS {
            wide = true;
            continue;
        }
        let key = (place, maps.view(&row), row.units.map(|_| row.layer_b));
        cells.entry(key).or_default().entry(row.epoch).or_default().entry(pair).or_default().push(value);
    }
    let numbers: usize = cells.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
    let share = (MOST_NUMBERS as f64 / numbers.max(1) as f64).min(1.0);
    for ((place, view, layer), cells) in cells {
        let readout = readouts.get(&place).copied().unwrap_or_default();
        let map = pack((view, layer, readout), cells, share, average, epochs);
        maps.by_experiment.entry(place).or_default().push(map);
    }
    let mut left_out = Vec::new();
    if share < 1.0 {
        left_out.push("Epochs of the dependence of layers are thinned; `dependence.parquet` has them all.".to_owned());
    }
    if wide {
        left_out.push(format!("Of wide layers the first {MOST_UNITS} units are compared; `dependence.parquet` has them all."));
    }
    maps.left_out = (!left_out.is_empty()).then(|| left_out.join(" "));
    Ok(maps)
}

impl Maps {
    fn view(&mut self, row: &DependenceRow) -> usize {
        let name = format!("{} {} · {}", row.measure, parameters(&row.params), row.split.name());
        self.views.iter().position(|view| *view == name).unwrap_or_else(|| {
            self.views.push(name);
            self.views.len() - 1
        })
    }
}

/// A map: of each epoch that is kept the upper triangle, row by row.
fn pack(what: (usize, Option<i64>, i64), cells: Cells, share: f64, average: Average, epochs: &mut Epochs) -> MapData {
    let (view, layer, readout) = what;
    let size = cells.values().flat_map(BTreeMap::keys).map(|(_, b)| b + 1).max().unwrap_or(0);
    let all: Vec<i64> = cells.keys().copied().collect();
    let kept: Vec<i64> = thinned(all.len(), (all.len() as f64 * share).ceil() as usize).into_iter().map(|i| all[i]).collect();
    let mut values = Vec::new();
    for epoch in &kept {
        let of_epoch = &cells[epoch];
        for a in 0..size {
            values.extend((a..size).map(|b| of_epoch.get(&(a, b)).and_then(|values| average(&statistics(values)))));
        }
    }
    let size = usize::try_from(size).unwrap_or(0);
    MapData { view, layer, readout, size, epochs: epochs.place(kept), values: Packed::new(&values) }
}

//! Curves over epochs from `measures`, `gradients` and `metrics`: mean over runs with a band of ± one standard deviation, single runs on
//! request. (Confidence bands of two or three runs would cover everything.)

use std::collections::BTreeMap;

use super::select::Wanted;
use super::{Figure, cut, examples, layer_name, parameters};
use crate::aggregate::statistics;
use crate::cli::exit::Failure;
use crate::plot::{Curve, CurveFigure, CurveGroup, CurvePoint, EpochSpread, NOTE_SEPARATOR, Quantity, curves, groups_per_sheet};
use crate::store::tables::{read_gradients, read_measures, read_metrics};
use crate::train::spec::Split;

/// Values of one curve by epoch, those of all runs together, each with its run.
type Series = BTreeMap<i64, Vec<(i64, f64)>>;

/// What is gathered of one sheet: groups in the order in which the table begins them.
#[derive(Default)]
struct Gathered {
    groups: Vec<Group>,
    places: BTreeMap<String, usize>,
}

struct Group {
    title: String,
    note: String,
    /// By quantity, then by number of the curve.
    series: Vec<BTreeMap<usize, Series>>,
}

impl Gathered {
    /// Takes the values of a row, one a quantity, for a curve of a run.
    fn take(&mut self, (title, note): (&str, &str), curve: usize, run: i64, epoch: i64, values: &[Option<f64>]) {
        let place = *self.places.entry(format!("{title}\n{note}")).or_insert_with(|| {
            let series = vec![BTreeMap::new(); values.len()];
            self.groups.push(Group { title: title.to_owned(), note: note.to_owned(), series });
            self.groups.len() - 1
        });
        for (curves, value) in self.groups[place].series.iter_mut().zip(values) {
            let series: &mut Series = curves.entry(curve).or_default();
            series.entry(epoch).or_default().extend(value.map(|value| (run, value)));
        }
    }

    /// The groups as they are drawn; `name` names a curve by its number and the number of curves.
    fn finish(self, runs: bool, name: impl Fn(usize, usize) -> String) -> Vec<CurveGroup> {
        let group = |group: Group| {
            let all = group.series.iter().filter_map(|curves| curves.keys().max()).max().map_or(0, |last| last + 1);
            let mut most = 0;
            let panels = group.series.into_iter().map(|curves| {
                let drawn = curves.into_iter().flat_map(|(number, series)| {
                    most = series.values().map(Vec::len).fold(most, usize::max);
                    drawn(&name(number, all), &series, runs)
                });
                drawn.collect()
            });
            let panels = panels.collect();
            let of = format!("mean of {most} run{}{}", if most == 1 { "" } else { "s" }, if most > 1 { " ± sd" } else { "" });
            let note = [group.note, of].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(NOTE_SEPARATOR);
            CurveGroup { title: group.title, note, panels }
        };
        self.groups.into_iter().map(group).collect()
    }
}

/// The mean, and the runs behind it.
fn drawn(name: &str, series: &Series, runs: bool) -> Vec<Curve> {
    let mut curves = Vec::new();
    let mean = series.iter().filter_map(|(&epoch, values)| {
        let values: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let statistics = statistics(&values);
        Some(CurvePoint { epoch, value: statistics.mean?, half: statistics.sd })
    });
    curves.push(Curve { name: name.to_owned(), faint: false, points: mean.collect() });
    if runs {
        let mut single: BTreeMap<i64, Vec<CurvePoint>> = BTreeMap::new();
        for (&epoch, values) in series {
            for &(run, value) in values {
                single.entry(run).or_default().push(CurvePoint { epoch, value, half: None });
            }
        }
        curves.extend(single.into_values().map(|points| Curve { name: name.to_owned(), faint: true, points }));
    }
    curves
}

/// Draws the sheets of the splits that have something.
fn sheets(
    wanted: &Wanted,
    kind: &str,
    quantities: &[Quantity],
    gathered: BTreeMap<Split, Gathered>,
    (runs, spread): (bool, EpochSpread),
) -> Vec<Figure> {
    let sheet = |(split, gathered): (Split, Gathered)| {
        let mut groups = gathered.finish(runs, layer_name);
        let title = format!("{}, {}", wanted.cohort, examples(split));
        let title = cut(title, &mut groups, groups_per_sheet(quantities.len()), "experiments");
        let figure =
            CurveFigure { title, word: "layer".to_owned(), quantities: quantities.to_vec(), groups, spread, width: wanted.width };
        let svg = curves(&figure);
        Figure::sheet(format!("{kind}_{}", split.name()), svg)
    };
    gathered.into_iter().map(sheet).collect()
}

/// A quantity that is never negative.
fn linear(name: &str, roof: Option<f64>) -> Quantity {
    Quantity { name: name.to_owned(), log: false, bounds: (Some(0.0), roof) }
}

/// I(X;T) and I(T;Y) of every layer.
pub fn mi_epochs(wanted: &Wanted, runs: bool) -> Result<Vec<Figure>, Failure> {
    let mut sheets_of: BTreeMap<Split, Gathered> = BTreeMap::new();
    for row in read_measures(&wanted.dir.join("measures.parquet"))? {
        let row = row?;
        let (estimator, params) = (&row.estimator, &row.estimator_params);
        if wanted.takes(&row.experiment) && wanted.takes_split(row.split) && wanted.takes_estimator(estimator, params) {
            let note = format!("{estimator} {}", parameters(params));
            let layer = usize::try_from(row.layer).unwrap_or(0);
            let gathered = sheets_of.entry(row.split).or_default();
            gathered.take((&row.experiment, &note), layer, row.run, row.epoch, &[row.i_xt, row.i_ty]);
        }
    }
    let quantities = ["I(X;T) in bits", "I(T;Y) in bits"].map(|name| linear(name, None));
    Ok(sheets(wanted, "mi-epochs", &quantities, sheets_of, (runs, EpochSpread::Auto)))
}

/// Gradients' mean, standard deviation and ratio, and the weights' norm, of every layer.
pub fn snr(wanted: &Wanted, runs: bool) -> Result<Vec<Figure>, Failure> {
    let mut sheets_of: BTreeMap<Split, Gathered> = BTreeMap::new();
    for row in read_gradients(&wanted.dir.join("gradients.parquet"))? {
        let row = row?;
        if wanted.takes(&row.experiment) && wanted.takes_split(row.split) {
            let layer = usize::try_from(row.layer).unwrap_or(0);
            let gathered = sheets_of.entry(row.split).or_default();
            let values = [row.mean, row.std, row.snr, row.weight_norm];
            gathered.take((&row.experiment, ""), layer, row.run, row.epoch, &values);
        }
    }
    let log = |name: &str| Quantity { name: name.to_owned(), log: true, bounds: (None, None) };
    let quantities = ["‖mean gradient‖", "‖sd of gradients‖", "mean / sd (SNR)", "‖W‖"].map(log);
    Ok(sheets(wanted, "snr", &quantities, sheets_of, (runs, EpochSpread::Log)))
}

/// Accuracy and loss of the splits that are wanted, in one sheet; none if there are no metrics. `loss` is what the loss is called.
pub fn accuracy(wanted: &Wanted, loss: &str, runs: bool) -> Result<Vec<Figure>, Failure> {
    let mut gathered = Gathered::default();
    for row in read_metrics(&wanted.dir.join("metrics.parquet"))? {
        let row = row?;
        if let Some(curve) = Split::ALL.iter().position(|split| *split == row.split)
            && wanted.takes(&row.experiment)
            && wanted.takes_split(row.split)
        {
            gathered.take((&row.experiment, ""), curve, row.run, row.epoch, &[Some(row.accuracy), Some(row.loss)]);
        }
    }
    if gathered.groups.is_empty() {
        return Ok(Vec::new());
    }
    let mut groups = gathered.finish(runs, |split, _| Split::ALL[split].name().to_owned());
    let title = cut(wanted.cohort.clone(), &mut groups, groups_per_sheet(2), "experiments");
    let quantities = vec![linear("accuracy", Some(1.0)), linear(loss, None)];
    let svg =
        curves(&CurveFigure { title, word: String::new(), quantities, groups, spread: EpochSpread::Auto, width: wanted.width });
    let name = wanted.split.map_or_else(|| "accuracy".to_owned(), |split| format!("accuracy_{}", split.name()));
    Ok(vec![Figure::sheet(name, svg)])
}

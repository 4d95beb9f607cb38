//! Which columns each table has, in order, and how a row fills them.

use super::{Cell, Column, ColumnType};
use crate::cohort::settings::ColumnValue;
use crate::estimate::spec::EstimatorSpec;
use crate::store::records::{Attempt, DependenceRow, GradientRow, MeasureRow, MetricRow};
use crate::train::spec::Split;

/// A table: its name (the file is `NAME.parquet`) and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The name.
    pub name: &'static str,
    /// The columns, in order.
    pub columns: Vec<Column>,
}

/// Which run a row is about: the first columns of most tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunKey<'a> {
    /// Label of the experiment.
    pub experiment: &'a str,
    /// Which repeat, from 0.
    pub run: u32,
    /// The seed of its training, below 2^53.
    pub seed: u64,
}

impl<'a> RunKey<'a> {
    fn cells(&self) -> [Cell<'a>; 3] {
        [Cell::Text(self.experiment), Cell::Int(self.run.into()), whole(self.seed)]
    }
}

/// A location and its spread over runs. `None` where too few runs have a value: all without any, `sd`, `sem` and `ci95` with only one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Median; of an even number the mean of the middle two.
    pub median: Option<f64>,
    /// Standard deviation with n − 1.
    pub sd: Option<f64>,
    /// Standard error of the mean.
    pub sem: Option<f64>,
    /// Half-width of the 95 % confidence interval of the mean, by Student's t.
    pub ci95: Option<f64>,
}

const fn required(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, nullable: false }
}

const fn optional(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, nullable: true }
}

const EXPERIMENT: Column = required("experiment", ColumnType::Text);
const RUN: Column = required("run", ColumnType::Int);
const SEED: Column = required("seed", ColumnType::Int);
const ESTIMATOR: Column = required("estimator", ColumnType::Text);
const PARAMS: Column = required("estimator_params", ColumnType::Text);
const SPLIT: Column = required("split", ColumnType::Text);
const EPOCH: Column = required("epoch", ColumnType::Int);
const LAYER: Column = required("layer", ColumnType::Int);
const TRAINING: Column = required("training_id", ColumnType::Text);
const STATUS: Column = required("status", ColumnType::Text);

/// Numbers in tables are i64, as pandas users expect; those that can exceed it are capped, seeds never are.
fn whole(value: u64) -> Cell<'static> {
    Cell::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// `measures`: information in every layer at every recorded epoch.
pub mod measures {
    use super::*;

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let information = [optional("i_xt", ColumnType::Float), optional("i_ty", ColumnType::Float)];
        let key = [EXPERIMENT, RUN, SEED, ESTIMATOR, PARAMS, SPLIT, EPOCH, LAYER];
        Table { name: "measures", columns: [&key[..], &information].concat() }
    }

    /// A row; `params` is the estimator's canonical text.
    #[must_use]
    pub fn row<'a>(
        run: &RunKey<'a>,
        estimator: &EstimatorSpec,
        params: &'a str,
        split: Split,
        row: &MeasureRow,
    ) -> [Cell<'a>; 10] {
        let [experiment, number, seed] = run.cells();
        let (name, split) = (Cell::Text(estimator.name()), Cell::Text(split.name()));
        let (epoch, layer) = (Cell::Int(row.epoch), Cell::Int(row.layer.into()));
        [experiment, number, seed, name, Cell::Text(params), split, epoch, layer, row.i_xt.into(), row.i_ty.into()]
    }
}

/// `dependence`: how layers, or units of a layer, depend on each other; of cohorts that ask for it.
pub mod dependence {
    use super::*;

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let place = [required("layer_a", ColumnType::Int), required("layer_b", ColumnType::Int)];
        let units = [optional("unit_a", ColumnType::Int), optional("unit_b", ColumnType::Int)];
        let measure = [required("measure", ColumnType::Text), required("params", ColumnType::Text)];
        let key = [EXPERIMENT, RUN, SEED, measure[0], measure[1], SPLIT, EPOCH];
        Table { name: "dependence", columns: [&key[..], &place, &units, &[optional("value", ColumnType::Float)]].concat() }
    }

    /// A row; `params` is the measure's canonical text.
    #[must_use]
    pub fn row<'a>(
        run: &RunKey<'a>,
        measure: &EstimatorSpec,
        params: &'a str,
        split: Split,
        row: &DependenceRow,
    ) -> [Cell<'a>; 12] {
        let [experiment, number, seed] = run.cells();
        let (name, split) = (Cell::Text(measure.name()), Cell::Text(split.name()));
        let [layer_a, layer_b] = [row.layer_a, row.layer_b].map(|layer| Cell::Int(layer.into()));
        let [unit_a, unit_b] = row.units.map_or([Cell::Null; 2], |(a, b)| [Cell::Int(a.into()), Cell::Int(b.into())]);
        let (params, epoch, value) = (Cell::Text(params), Cell::Int(row.epoch), Cell::Float(row.value));
        [experiment, number, seed, name, params, split, epoch, layer_a, layer_b, unit_a, unit_b, value]
    }
}

/// `metrics`: loss and accuracy at every recorded epoch.
pub mod metrics {
    use super::*;

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let columns = vec![
            EXPERIMENT,
            RUN,
            SEED,
            EPOCH,
            SPLIT,
            required("loss", ColumnType::Float),
            required("accuracy", ColumnType::Float),
        ];
        Table { name: "metrics", columns }
    }

    /// A row.
    #[must_use]
    pub fn row<'a>(run: &RunKey<'a>, row: &MetricRow) -> [Cell<'a>; 7] {
        let [experiment, number, seed] = run.cells();
        let (loss, accuracy) = (Cell::Float(row.loss), Cell::Float(row.accuracy));
        [experiment, number, seed, Cell::Int(row.epoch), Cell::Text(row.split.name()), loss, accuracy]
    }
}

/// `gradients`: size and noise of the gradients at every recorded epoch.
pub mod gradients {
    use super::*;

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let values = [
            required("grad_mean", ColumnType::Float),
            required("grad_std", ColumnType::Float),
            optional("snr", ColumnType::Float),
            required("weight_norm", ColumnType::Float),
        ];
        Table { name: "gradients", columns: [&[EXPERIMENT, RUN, SEED, SPLIT, EPOCH, LAYER], &values[..]].concat() }
    }

    /// A row.
    #[must_use]
    pub fn row<'a>(run: &RunKey<'a>, row: &GradientRow) -> [Cell<'a>; 10] {
        let [experiment, number, seed] = run.cells();
        let (split, epoch, layer) = (Cell::Text(row.split.name()), Cell::Int(row.epoch), Cell::Int(row.layer.into()));
        let (mean, std, norm) = (Cell::Float(row.mean), Cell::Float(row.std), Cell::Float(row.weight_norm));
        [experiment, number, seed, split, epoch, layer, mean, std, row.snr.into(), norm]
    }
}

/// `aggregate`: information over the runs of each experiment.
pub mod aggregate {
    use super::*;
    use crate::store::tables::AggregateRow;

    /// Columns of the five statistics of a quantity, by their names.
    const fn statistics(names: [&'static str; 5]) -> [Column; 5] {
        let [mean, median, sd, sem, ci95] = names;
        [
            optional(mean, ColumnType::Float),
            optional(median, ColumnType::Float),
            optional(sd, ColumnType::Float),
            optional(sem, ColumnType::Float),
            optional(ci95, ColumnType::Float),
        ]
    }

    /// Columns of I(X;T).
    pub(in crate::store::tables) const I_XT: [&str; 5] = ["i_xt_mean", "i_xt_median", "i_xt_sd", "i_xt_sem", "i_xt_ci95"];
    /// Columns of I(T;Y).
    pub(in crate::store::tables) const I_TY: [&str; 5] = ["i_ty_mean", "i_ty_median", "i_ty_sd", "i_ty_sem", "i_ty_ci95"];

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let key = [EXPERIMENT, ESTIMATOR, PARAMS, SPLIT, EPOCH, LAYER, required("n", ColumnType::Int)];
        Table { name: "aggregate", columns: [&key[..], &statistics(I_XT), &statistics(I_TY)].concat() }
    }

    /// A row.
    #[must_use]
    pub fn row(row: &AggregateRow) -> [Cell<'_>; 17] {
        let [xt, ty] = [row.i_xt, row.i_ty].map(|s| [s.mean, s.median, s.sd, s.sem, s.ci95].map(Cell::from));
        let names = [&row.experiment, &row.estimator, &row.estimator_params].map(|text| Cell::Text(text));
        let mut cells = [Cell::Null; 17];
        cells[..3].copy_from_slice(&names);
        cells[3..7].copy_from_slice(&[
            Cell::Text(row.split.name()),
            Cell::Int(row.epoch),
            Cell::Int(row.layer),
            Cell::Int(row.n),
        ]);
        cells[7..12].copy_from_slice(&xt);
        cells[12..].copy_from_slice(&ty);
        cells
    }
}

/// `runs`: what each run is, and whether it is done.
pub mod runs {
    use super::*;

    /// The columns; `settings` are those of any experiment of the cohort.
    #[must_use]
    pub fn table(settings: &[(&'static str, ColumnValue)]) -> Table {
        let kind = |value: &ColumnValue| match value {
            ColumnValue::Int(_) => ColumnType::Int,
            ColumnValue::Float(_) => ColumnType::Float,
            ColumnValue::Bool(_) => ColumnType::Bool,
            ColumnValue::Text(_) => ColumnType::Text,
        };
        let settings = settings.iter().map(|(name, value)| required(name, kind(value)));
        Table { name: "runs", columns: [EXPERIMENT, RUN, SEED, TRAINING, STATUS].into_iter().chain(settings).collect() }
    }

    /// A row; `training` is the id as text.
    #[must_use]
    pub fn row<'a>(
        run: &RunKey<'a>,
        training: &'a str,
        status: &'static str,
        settings: &'a [(&'static str, ColumnValue)],
    ) -> Vec<Cell<'a>> {
        let cell = |(_, value): &'a (&'static str, ColumnValue)| match value {
            ColumnValue::Int(value) => Cell::Int(*value),
            ColumnValue::Float(value) => Cell::Float(*value),
            ColumnValue::Bool(value) => Cell::Bool(*value),
            ColumnValue::Text(value) => Cell::Text(value),
        };
        run.cells().into_iter().chain([Cell::Text(training), Cell::Text(status)]).chain(settings.iter().map(cell)).collect()
    }
}

/// `provenance`: every attempt at every training; the one table that may differ between equal results.
pub mod provenance {
    use super::*;

    /// The columns.
    #[must_use]
    pub fn table() -> Table {
        let text = |name| required(name, ColumnType::Text);
        let columns = vec![
            TRAINING,
            required("attempt", ColumnType::Int),
            STATUS,
            optional("error", ColumnType::Text),
            text("host"),
            text("launcher"),
            required("started", ColumnType::Float),
            required("seconds", ColumnType::Float),
            text("version"),
            text("commit"),
            text("isa"),
            text("gemm"),
            optional("threads", ColumnType::Int),
        ];
        Table { name: "provenance", columns }
    }

    /// A row; `training` is the id as text.
    #[must_use]
    pub fn row<'a>(training: &'a str, attempt: &'a Attempt) -> [Cell<'a>; 13] {
        let error = attempt.error.as_deref().map_or(Cell::Null, Cell::Text);
        [
            Cell::Text(training),
            Cell::Int(attempt.number.into()),
            Cell::Text(attempt.status.name()),
            error,
            Cell::Text(&attempt.host),
            Cell::Text(&attempt.launcher),
            Cell::Float(attempt.started),
            Cell::Float(attempt.seconds),
            Cell::Text(&attempt.version),
            Cell::Text(&attempt.commit),
            Cell::Text(&attempt.isa),
            Cell::Text(&attempt.gemm),
            attempt.threads.map_or(Cell::Null, |threads| Cell::Int(threads.into())),
        ]
    }
}

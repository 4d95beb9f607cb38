//! Walks a cohort in the order of its grid and writes its tables from the committed records.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::AggregateError;
use super::gather::Gathered;
use super::statistics::statistics;
use super::status::{StatusCounts, run_status};
use crate::estimate::spec::EstimatorSpec;
use crate::grid::ids::{Id, run_seed};
use crate::grid::{Experiment, Grid};
use crate::store::records::Training;
use crate::store::tables::{
    AggregateRow, RunKey, TableError, TableWriter, aggregate, dependence, gradients, measures, metrics, provenance, publish, runs,
};
use crate::store::{Disk, Index, OsDisk};
use crate::train::spec::Split;

/// What the tables of a cohort hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Runs by status.
    pub runs: StatusCounts,
    /// One entry an experiment, in grid order.
    pub experiments: Vec<ExperimentSummary>,
    /// The tables written.
    pub tables: Vec<PathBuf>,
}

/// An experiment in short.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentSummary {
    /// Its label.
    pub label: String,
    /// Its runs by status.
    pub runs: StatusCounts,
    /// Accuracy on the test split at the last recorded epoch, mean over the trainings that are there; `None` without any.
    pub test_accuracy: Option<f64>,
}

/// Writes `runs`, `measures`, `metrics`, `gradients`, `aggregate` and `provenance` of a cohort into `dir`, the cohort's directory, and
/// `dependence` where the cohort asks for such a measure, from what the index knows. Rows stand in the order of the grid; memory does not grow with the number of runs (see `Gathered`). A run contributes what it has: metrics and gradients if its training is committed, each measurement if it is. A
/// record found damaged here counts as missing, see [`Index::damage`].
///
/// # Errors
/// [`AggregateError`]; the old tables stay then.
pub fn materialise(grid: &Grid, index: &Index, dir: &Path) -> Result<Summary, AggregateError> {
    materialise_on(&OsDisk, grid, index, dir)
}

fn materialise_on(disk: &dyn Disk, grid: &Grid, index: &Index, dir: &Path) -> Result<Summary, AggregateError> {
    let mut tables = Tables::create(disk, dir, grid)?;
    let mut summary = Summary { runs: StatusCounts::default(), experiments: Vec::new(), tables: Vec::new() };
    // Experiments that differ only in how they measure share their trainings, all or none: that of the first repeat stands for all. Its attempts
    // are told once, but one experiment may need more repeats than those before it.
    let mut told: HashMap<Id, u32> = HashMap::new();
    for (place, experiment) in grid.experiments.iter().enumerate() {
        let walk = Walk { repeats: grid.repeats(place), ..Walk::new(grid, index, experiment) };
        let told = told.entry(walk.run(0).1).or_default();
        let counted = walk.experiment(&mut tables, dir, *told)?;
        *told = walk.repeats.max(*told);
        summary.runs.merge(&counted.runs);
        summary.experiments.push(counted);
    }
    summary.tables = tables.publish(disk, dir)?;
    Ok(summary)
}

/// The tables being written.
struct Tables {
    runs: TableWriter,
    measures: TableWriter,
    metrics: TableWriter,
    gradients: TableWriter,
    aggregate: TableWriter,
    provenance: TableWriter,
    /// Of cohorts that ask for it.
    dependence: Option<TableWriter>,
}

impl Tables {
    fn create(disk: &dyn Disk, dir: &Path, grid: &Grid) -> Result<Self, AggregateError> {
        let settings = grid.experiments.first().map_or_else(Default::default, |experiment| experiment.settings.clone()).columns();
        Ok(Self {
            runs: TableWriter::create(disk, dir, runs::table(&settings))?,
            measures: TableWriter::create(disk, dir, measures::table())?,
            metrics: TableWriter::create(disk, dir, metrics::table())?,
            gradients: TableWriter::create(disk, dir, gradients::table())?,
            aggregate: TableWriter::create(disk, dir, aggregate::table())?,
            provenance: TableWriter::create(disk, dir, provenance::table())?,
            dependence: asks_for_dependence(grid).then(|| TableWriter::create(disk, dir, dependence::table())).transpose()?,
        })
    }

    /// All are made durable before the first gets its name, so that a crash hardly ever leaves tables of different age.
    fn publish(self, disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, AggregateError> {
        let is_asked = self.dependence.is_some();
        let all = [self.runs, self.measures, self.metrics, self.gradients, self.aggregate, self.provenance];
        let closed = all.into_iter().chain(self.dependence).map(TableWriter::close).collect::<Result<_, _>>()?;
        let paths = publish(disk, dir, closed)?;
        if !is_asked {
            remove_stale(disk, dir)?;
        }
        Ok(paths)
    }
}

/// Whether an experiment compares layers or units.
fn asks_for_dependence(grid: &Grid) -> bool {
    grid.experiments.iter().any(|experiment| experiment.settings.estimators.iter().any(|e| e.compares().is_some()))
}

/// Removes the table of a cohort that asked for it once: it is none of what the cohort asks for now.
fn remove_stale(disk: &dyn Disk, dir: &Path) -> Result<(), AggregateError> {
    let path = dir.join(format!("{}.parquet", dependence::table().name));
    match disk.remove(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(TableError::Io { action: "remove the table of an earlier form of the cohort", path, source }.into())
        }
        _ => Ok(()),
    }
}

/// One experiment, with what its runs are found by.
struct Walk<'a> {
    grid: &'a Grid,
    index: &'a Index,
    experiment: &'a Experiment,
    /// Its repeats that the tables have.
    repeats: u32,
    /// Estimators with their canonical text, each on each split: the order of the table.
    measured: Vec<(EstimatorSpec, String, Split)>,
}

impl<'a> Walk<'a> {
    fn new(grid: &'a Grid, index: &'a Index, experiment: &'a Experiment) -> Self {
        let settings = &experiment.settings;
        let splits = || Split::ALL.iter().filter(|split| settings.splits.contains(split));
        let measured = settings.estimators.iter().flat_map(|e| splits().map(move |&split| (*e, e.params(), split))).collect();
        Self { grid, index, experiment, repeats: grid.n_runs, measured }
    }

    /// Seed and training of a repeat.
    fn run(&self, repeat: u32) -> (u64, Id) {
        let settings = &self.experiment.settings;
        // Both are below 2^53.
        let seed = run_seed(self.grid.seed.wrapping_add(settings.seed_offset), repeat);
        (seed, Id::training(&settings.training, seed))
    }

    /// Writes the rows of all runs of the experiment; attempts at its first `told` repeats stand in the table already.
    fn experiment(&self, tables: &mut Tables, dir: &Path, told: u32) -> Result<ExperimentSummary, AggregateError> {
        let label = &self.experiment.label;
        let settings = self.experiment.settings.columns();
        let mut counts = StatusCounts::default();
        let mut accuracies = Vec::new();
        let mut gathered = Gathered::new(dir);
        for repeat in 0..self.repeats {
            let (seed, training) = self.run(repeat);
            let key = RunKey { experiment: label, run: repeat, seed };
            let name = training.to_string();
            if let Some(record) = self.index.training(training)? {
                accuracies.extend(final_test_accuracy(&record));
                training_rows(tables, &key, record)?;
            }
            let measurements = self.measurements(tables, &key, training, &mut gathered)?;
            if repeat >= told {
                for attempt in self.index.attempts(training)? {
                    tables.provenance.push(&provenance::row(&name, &attempt))?;
                }
            }
            // After reading, so that what was found damaged counts as missing.
            let status = run_status(self.index, training, measurements)?;
            counts.add(status);
            tables.runs.push(&runs::row(&key, &name, status.name(), &settings))?;
        }
        self.aggregate_rows(tables, gathered)?;
        Ok(ExperimentSummary { label: label.clone(), runs: counts, test_accuracy: statistics(&accuracies).mean })
    }

    /// Writes what is measured of a run and gathers it; the ids of all its measurements.
    fn measurements(
        &self,
        tables: &mut Tables,
        key: &RunKey<'_>,
        training: Id,
        gathered: &mut Gathered<'_>,
    ) -> Result<Vec<Id>, AggregateError> {
        let mut ids = Vec::with_capacity(self.measured.len());
        for (place, (estimator, params, split)) in self.measured.iter().enumerate() {
            let id = Id::measurement(training, estimator, *split);
            ids.push(id);
            if let Some(table) = tables.dependence.as_mut().filter(|_| estimator.compares().is_some()) {
                let Some(mut record) = self.index.dependence(id)? else { continue };
                record.rows.sort_by_key(|row| (row.epoch, row.layer_a, row.layer_b, row.units));
                for row in &record.rows {
                    table.push(&dependence::row(key, estimator, params, *split, row))?;
                }
                continue;
            }
            let Some(mut record) = self.index.measurement(id)? else { continue };
            record.rows.sort_by_key(|row| (row.epoch, row.layer));
            for row in &record.rows {
                tables.measures.push(&measures::row(key, estimator, params, *split, row))?;
                gathered.add(place, row)?;
            }
        }
        Ok(ids)
    }

    fn aggregate_rows(&self, tables: &mut Tables, gathered: Gathered<'_>) -> Result<(), AggregateError> {
        for row in gathered.rows() {
            let ((place, epoch, layer), values) = row?;
            let (estimator, params, split) = &self.measured[place];
            tables.aggregate.push(&aggregate::row(&AggregateRow {
                experiment: self.experiment.label.clone(),
                estimator: estimator.name().to_owned(),
                estimator_params: params.clone(),
                split: *split,
                epoch,
                layer: layer.into(),
                n: values.n,
                i_xt: statistics(&values.i_xt),
                i_ty: statistics(&values.i_ty),
            }))?;
        }
        Ok(())
    }
}

/// Writes metrics and gradients of a training, each in the order of its table's columns.
fn training_rows(tables: &mut Tables, key: &RunKey<'_>, mut training: Training) -> Result<(), AggregateError> {
    training.metrics.sort_by_key(|row| (row.epoch, row.split));
    for row in &training.metrics {
        tables.metrics.push(&metrics::row(key, row))?;
    }
    training.gradients.sort_by_key(|row| (row.split, row.epoch, row.layer));
    for row in &training.gradients {
        tables.gradients.push(&gradients::row(key, row))?;
    }
    Ok(())
}

fn final_test_accuracy(training: &Training) -> Option<f64> {
    training.metrics.iter().filter(|row| row.split == Split::Test).max_by_key(|row| row.epoch).map(|row| row.accuracy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File};

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::status::RunStatus;
    use super::*;
    use crate::cohort::settings::Settings;
    use crate::store::Store;
    use crate::store::records::{
        Attempt, AttemptStatus, Dependence, DependenceRow, GradientRow, MeasureRow, Measurement, MetricRow, Record,
    };
    use crate::store::tables::{read_aggregate, read_metrics};
    use crate::train::spec::{Activation, TrainingSpec};

    const RUNS: u32 = 3;
    const EPOCHS: [i64; 2] = [0, 9];

    /// Two trainings' worth of settings; the third experiment measures the second's trainings in another way.
    fn grid() -> Grid {
        let binning = EstimatorSpec::Binning { bin_width: 0.07 };
        let upper = EstimatorSpec::Upper { noise_variance: 1e-3 };
        let relu = TrainingSpec { activation: Activation::Relu, ..TrainingSpec::default() };
        let settings = |training: &TrainingSpec, estimators: &[EstimatorSpec]| Settings {
            training: training.clone().into(),
            estimators: estimators.to_vec(),
            splits: vec![Split::Test, Split::Train],
            tensorboard: false,
            data_dir: String::new(),
            seed_offset: 0,
        };
        let experiment = |label: &str, settings| Experiment { label: label.into(), settings };
        let experiments = vec![
            experiment("tanh", settings(&TrainingSpec::default(), &[upper, binning])),
            experiment("relu", settings(&relu, &[binning])),
            experiment("relu, upper", settings(&relu, &[upper])),
        ];
        Grid { cohort: "c".into(), n_runs: RUNS, seed: 7, experiments, duplicates: Vec::new(), enough: Vec::new() }
    }

    fn value(n: u32, epoch: i64, layer: u32) -> f64 {
        f64::from(n * n) + epoch as f64 / 8.0 + f64::from(layer)
    }

    /// All records that the grid asks for, in no useful order within.
    fn records(grid: &Grid) -> Vec<Record> {
        let mut all: BTreeMap<Id, Record> = BTreeMap::new();
        for experiment in &grid.experiments {
            for n in 0..grid.n_runs {
                let seed = run_seed(grid.seed, n);
                let id = Id::training(&experiment.settings.training, seed);
                let metric =
                    |epoch, split| MetricRow { epoch, split, loss: 0.5, accuracy: f64::from(n) / 8.0 + epoch as f64 / 100.0 };
                let metrics = EPOCHS.iter().rev().flat_map(|&e| [metric(e, Split::Test), metric(e, Split::Train)]).collect();
                let gradient = |epoch, layer| GradientRow {
                    epoch,
                    split: Split::Train,
                    layer,
                    mean: 1.0,
                    std: 0.0,
                    snr: None,
                    weight_norm: 2.0,
                };
                let gradients = [1, 0].into_iter().flat_map(|layer| EPOCHS.map(|epoch| gradient(epoch, layer))).collect();
                let training = Training { id, seed, epochs: EPOCHS.to_vec(), metrics, gradients, snapshots: None };
                all.insert(id, Record::Training(training));
                for (estimator, split) in
                    experiment.settings.estimators.iter().flat_map(|e| Split::ALL.iter().map(move |s| (e, *s)))
                {
                    let measured = Id::measurement(id, estimator, split);
                    let row = |epoch, layer| MeasureRow { epoch, layer, i_xt: Some(value(n, epoch, layer)), i_ty: None };
                    let rows = [1, 0].into_iter().flat_map(|layer| EPOCHS.map(|epoch| row(epoch, layer))).collect();
                    all.insert(measured, Record::Measurement(Measurement { id: measured, training: id, rows }));
                }
            }
        }
        all.into_values().collect()
    }

    fn attempt(training: Id, n: u8, number: u32, status: AttemptStatus) -> Record {
        let words = || "w".to_owned();
        let (error, started, seconds) = ((status != AttemptStatus::Ok).then(words), 1e9, 2.0);
        Record::Attempt(Attempt {
            id: Id([n; 16]),
            training,
            number,
            status,
            error,
            host: words(),
            launcher: words(),
            started,
            seconds,
            version: words(),
            commit: words(),
            isa: words(),
            gemm: words(),
            threads: None,
        })
    }

    fn store_of(dir: &Path, records: &[Record]) -> Index {
        let store = Store::open(dir).unwrap();
        let writer = store.writer(|_| ()).unwrap();
        for record in records {
            writer.append(record).unwrap();
        }
        drop(writer);
        store.index().unwrap()
    }

    /// The rows of a table as text, one string a row.
    fn rows(dir: &Path, table: &str) -> Vec<String> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(dir.join(format!("{table}.parquet"))).unwrap()).unwrap();
        let mut rows = Vec::new();
        for batch in reader.build().unwrap().map(Result::unwrap) {
            for row in 0..batch.num_rows() {
                let cell = |column: &arrow_array::ArrayRef| {
                    if column.is_null(row) {
                        return "null".to_owned();
                    }
                    if let Some(text) = column.as_string_opt::<i32>() {
                        return text.value(row).to_owned();
                    }
                    if let Some(ints) = column.as_primitive_opt::<Int64Type>() {
                        return ints.value(row).to_string();
                    }
                    column.as_primitive_opt::<arrow_array::types::Float64Type>().map_or("?".into(), |c| c.value(row).to_string())
                };
                rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
            }
        }
        rows
    }

    fn columns(dir: &Path, table: &str) -> String {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(dir.join(format!("{table}.parquet"))).unwrap()).unwrap();
        reader.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_complete_cohort_fills_every_table_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let grid = grid();
        let index = store_of(dir.path(), &records(&grid));
        let out = dir.path().join("c");
        let summary = materialise(&grid, &index, &out).unwrap();
        assert_eq!(summary.runs.of(RunStatus::Ok), 9);
        assert_eq!(summary.runs.total(), 9);
        assert_eq!(summary.experiments[0].test_accuracy, Some(0.125 + 0.09));
        assert_eq!(summary.tables.len(), 6);

        let information = "mean median sd sem ci95".split(' ');
        let statistics: Vec<String> =
            ["i_xt", "i_ty"].iter().flat_map(|i| information.clone().map(move |s| format!("{i}_{s}"))).collect();
        for (table, expected) in [
            ("measures", "experiment run seed estimator estimator_params split epoch layer i_xt i_ty"),
            ("metrics", "experiment run seed epoch split loss accuracy"),
            ("gradients", "experiment run seed split epoch layer grad_mean grad_std snr weight_norm"),
            ("provenance", "training_id attempt status error host launcher started seconds version commit isa gemm threads"),
            ("aggregate", &format!("experiment estimator estimator_params split epoch layer n {}", statistics.join(" "))),
        ] {
            assert_eq!(columns(&out, table), expected);
        }
        assert!(
            columns(&out, "runs")
                .starts_with("experiment run seed training_id status dataset split_seed architecture activation_fn")
        );

        // Experiments × runs × epochs × layers × splits × estimators.
        let measured = rows(&out, "measures");
        assert_eq!(measured.len(), (2 + 1 + 1) * 3 * 2 * 2 * 2);
        let seed = run_seed(7, 0);
        let upper = r#"upper|{"noise_variance":0.001}"#;
        assert_eq!(measured[0], format!("tanh|0|{seed}|{upper}|train|0|0|0|null"));
        assert_eq!(measured[1], format!("tanh|0|{seed}|{upper}|train|0|1|1|null"));
        assert_eq!(measured[2], format!("tanh|0|{seed}|{upper}|train|9|0|1.125|null"));
        assert_eq!(measured[4], format!("tanh|0|{seed}|{upper}|test|0|0|0|null"));
        assert!(measured[8].contains("|binning|"));
        assert_eq!(rows(&out, "metrics").len(), 9 * 4);
        assert!(rows(&out, "metrics")[0].ends_with("|0|train|0.5|0"));
        assert!(rows(&out, "metrics")[1].ends_with("|0|test|0.5|0"));
        assert!(rows(&out, "gradients")[1].ends_with("|train|0|1|1|0|null|2"));
        assert_eq!(rows(&out, "runs").len(), 9);
    }

    #[test]
    fn aggregates_are_statistics_over_the_runs_present() {
        let dir = tempfile::tempdir().unwrap();
        let grid = grid();
        let gone = Id::training(&grid.experiments[1].settings.training, run_seed(7, 1));
        let lost = Id::measurement(gone, &EstimatorSpec::Binning { bin_width: 0.07 }, Split::Test);
        let mut records = records(&grid);
        records.retain(|record| ![gone, lost].contains(&record.id()));
        records.push(attempt(gone, 1, 1, AttemptStatus::Lost));
        records.push(attempt(gone, 2, 2, AttemptStatus::Oom));
        let index = store_of(dir.path(), &records);
        let out = dir.path().join("c");
        let summary = materialise(&grid, &index, &out).unwrap();
        let counts = &summary.experiments[1].runs;
        assert_eq!((counts.of(RunStatus::Ok), counts.of(RunStatus::Oom)), (2, 1));
        assert_eq!(summary.runs.of(RunStatus::Oom), 2, "the third experiment shares the training");
        assert_eq!(rows(&out, "provenance").len(), 2, "attempts stand once");

        let aggregated: Vec<AggregateRow> = read_aggregate(&out.join("aggregate.parquet")).unwrap().map(Result::unwrap).collect();
        assert_eq!(aggregated.len(), 4 * 2 * 2 * 2);
        let of = |split| {
            aggregated.iter().find(|row| row.experiment == "relu" && row.split == split && row.epoch == 9 && row.layer == 1)
        };
        let (train, test) = (of(Split::Train).unwrap(), of(Split::Test).unwrap());
        assert_eq!((train.n, train.i_xt), (3, statistics(&[0, 1, 2].map(|n| value(n, 9, 1)))));
        assert_eq!((test.n, test.i_xt), (2, statistics(&[0, 2].map(|n| value(n, 9, 1)))));
        assert_eq!(test.i_ty, statistics(&[]));
        assert_eq!(read_metrics(&out.join("metrics.parquet")).unwrap().count(), (9 - 2) * 4);
    }

    #[test]
    fn attempts_of_shared_trainings_are_told_of_every_repeat_that_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        // The third experiment shares the trainings of the second, and needs more of them.
        let grid = Grid { enough: vec![3, 1, 3], ..grid() };
        let mut records = records(&grid);
        for repeat in 0..RUNS {
            let training = Id::training(&grid.experiments[1].settings.training, run_seed(7, repeat));
            let n = 2 * u8::try_from(repeat).unwrap();
            records.extend([attempt(training, n, 1, AttemptStatus::Lost), attempt(training, n + 1, 2, AttemptStatus::Ok)]);
        }
        let index = store_of(dir.path(), &records);
        for (enough, expected) in [(vec![3, 1, 3], 6), (vec![3, 3, 1], 6), (vec![3, 1, 2], 4), (Vec::new(), 6)] {
            materialise(&Grid { enough: enough.clone(), ..grid.clone() }, &index, &dir.path().join("c")).unwrap();
            assert_eq!(rows(&dir.path().join("c"), "provenance").len(), expected, "{enough:?}");
        }
    }

    #[test]
    fn tables_do_not_depend_on_the_order_of_records_or_on_who_wrote_them() {
        let (grid, dirs) = (grid(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
        let mut records = records(&grid);
        let bytes = |dir: &Path, index: &Index| {
            let summary = materialise(&grid, index, &dir.join("c")).unwrap();
            summary.tables.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
        };
        let first = bytes(dirs[0].path(), &store_of(dirs[0].path(), &records));
        records.reverse();
        store_of(dirs[1].path(), &records[..20]);
        let index = store_of(dirs[1].path(), &records[10..]);
        assert!(first == bytes(dirs[1].path(), &index));
        assert!(first == bytes(dirs[1].path(), &index), "written over itself");
    }

    #[test]
    fn a_damaged_record_makes_its_run_missing() {
        let dir = tempfile::tempdir().unwrap();
        let grid = grid();
        // The training of the last run of "relu" and of "relu, upper" stands last, and its last bit flips.
        let hit = Id::training(&grid.experiments[1].settings.training, run_seed(7, 2));
        let mut records = records(&grid);
        records.sort_by_key(|record| record.id() == hit);
        store_of(dir.path(), &records);
        let segment = fs::read_dir(dir.path().join(".infoplane/segments")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&segment).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&segment, bytes).unwrap();
        let index = Store::open_existing(dir.path()).unwrap().index().unwrap();
        let summary = materialise(&grid, &index, &dir.path().join("c")).unwrap();
        assert_eq!((summary.runs.of(RunStatus::Missing), summary.runs.of(RunStatus::Ok)), (2, 7));
        assert_eq!(index.damage().len(), 1);
    }

    #[test]
    fn nan_is_an_error_and_the_old_tables_stay() {
        let dir = tempfile::tempdir().unwrap();
        let grid = grid();
        let index = store_of(dir.path(), &records(&grid));
        let out = dir.path().join("c");
        let before = fs::read(&materialise(&grid, &index, &out).unwrap().tables[2]).unwrap();
        let mut records = records(&grid);
        for record in &mut records {
            if let Record::Training(training) = record {
                training.metrics[0].loss = f64::NAN;
            }
        }
        let bad = tempfile::tempdir().unwrap();
        let error = materialise(&grid, &store_of(bad.path(), &records), &out).unwrap_err();
        assert!(error.to_string().contains("NaN in column loss of table metrics"), "{error}");
        assert!(before == fs::read(out.join("metrics.parquet")).unwrap());
        assert_eq!(fs::read_dir(&out).unwrap().count(), 6);
    }

    #[test]
    fn dependence_has_a_table_of_its_own_where_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("c");
        let mut grid = grid();
        let [layers, units] = ["svcca", "bspline"].map(|name| EstimatorSpec::by_name(name).unwrap());
        grid.experiments[1].settings.estimators.extend([layers, units]);
        let mut records = records(&grid);
        // In place of what `records` makes of every estimator.
        for record in &mut records {
            let Record::Measurement(Measurement { id, training, .. }) = &*record else { continue };
            let is_of = |estimator| Split::ALL.iter().any(|split| *id == Id::measurement(*training, &estimator, *split));
            let row = |epoch, layer_a, units| DependenceRow { epoch, layer_a, layer_b: 1, units, value: 0.25 };
            let rows = match (is_of(layers), is_of(units)) {
                (true, _) => vec![row(9, 0, None), row(9, -1, None), row(0, 0, None)],
                (_, true) => vec![row(9, 1, Some((0, 2))), row(9, 1, Some((0, 0)))],
                _ => continue,
            };
            *record = Record::Dependence(Dependence { id: *id, training: *training, rows });
        }
        let index = store_of(dir.path(), &records);
        let summary = materialise(&grid, &index, &out).unwrap();
        assert_eq!((summary.tables.len(), summary.runs.of(RunStatus::Ok)), (7, 9));
        let expected = "experiment run seed measure params split epoch layer_a layer_b unit_a unit_b value";
        assert_eq!(columns(&out, "dependence"), expected);
        let seed = run_seed(7, 0);
        let svcca = format!(r#"relu|0|{seed}|svcca|{{"variance":0.99}}|train|"#);
        let bspline = format!(r#"relu|0|{seed}|bspline|{{"bins":10,"order":3}}|test|"#);
        let all = rows(&out, "dependence");
        assert_eq!(all.len(), 3 * 2 * (3 + 2));
        let rest = ["0|0|1|null|null|0.25", "9|-1|1|null|null|0.25", "9|0|1|null|null|0.25"];
        assert_eq!(all[..3], rest.map(|row| format!("{svcca}{row}")));
        assert_eq!(all[8..10], ["9|1|1|0|0|0.25", "9|1|1|0|2|0.25"].map(|row| format!("{bspline}{row}")));
        assert_eq!(rows(&out, "measures").len(), 4 * 3 * 2 * 2 * 2, "information alone");
        // A cohort that asks no more has the table no more.
        grid.experiments[1].settings.estimators.truncate(1);
        assert_eq!(materialise(&grid, &index, &out).unwrap().tables.len(), 6);
        assert!(!out.join("dependence.parquet").exists());
    }

    #[test]
    fn an_empty_cohort_has_empty_tables() {
        let dir = tempfile::tempdir().unwrap();
        let index = store_of(dir.path(), &[]);
        let grid = Grid { experiments: Vec::new(), ..grid() };
        let summary = materialise(&grid, &index, dir.path()).unwrap();
        assert_eq!(summary.runs.total(), 0);
        assert!(rows(dir.path(), "runs").is_empty() && columns(dir.path(), "runs").contains("learning_rate"));
    }
}

//! Reads the tables that figures are drawn from, row by row.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::rows::{Statistics, aggregate};
use super::{SCHEMA_VERSION, TableError, VERSION_KEY};
use crate::train::spec::Split;

/// A row of `aggregate.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateRow {
    /// Label of the experiment.
    pub experiment: String,
    /// Name of the estimator.
    pub estimator: String,
    /// Its parameters as canonical text.
    pub estimator_params: String,
    /// Examples that were measured.
    pub split: Split,
    /// Recorded epoch.
    pub epoch: i64,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: i64,
    /// Runs that have this row.
    pub n: i64,
    /// I(X;T) over these runs, in bits.
    pub i_xt: Statistics,
    /// I(T;Y) over these runs, in bits.
    pub i_ty: Statistics,
}

/// A row of `metrics.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsRow {
    /// Label of the experiment.
    pub experiment: String,
    /// Which repeat, from 0.
    pub run: i64,
    /// Its seed.
    pub seed: i64,
    /// Recorded epoch.
    pub epoch: i64,
    /// Examples it was taken on.
    pub split: Split,
    /// Mean loss (cross-entropy in nats, or squared error), penalties included.
    pub loss: f64,
    /// Share of examples classified right.
    pub accuracy: f64,
}

/// A row of `measures.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuresRow {
    /// Label of the experiment.
    pub experiment: String,
    /// Which repeat, from 0.
    pub run: i64,
    /// Name of the estimator.
    pub estimator: String,
    /// Its parameters as canonical text.
    pub estimator_params: String,
    /// Examples that were measured.
    pub split: Split,
    /// Recorded epoch.
    pub epoch: i64,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: i64,
    /// I(X;T) in bits.
    pub i_xt: Option<f64>,
    /// I(T;Y) in bits.
    pub i_ty: Option<f64>,
}

/// A row of `gradients.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientsRow {
    /// Label of the experiment.
    pub experiment: String,
    /// Which repeat, from 0.
    pub run: i64,
    /// Examples over whose batches it was taken.
    pub split: Split,
    /// Recorded epoch.
    pub epoch: i64,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: i64,
    /// Norm of the mean of the batches' gradients.
    pub mean: Option<f64>,
    /// Norm of their standard deviation.
    pub std: Option<f64>,
    /// The ratio of the two.
    pub snr: Option<f64>,
    /// Norm of the weights.
    pub weight_norm: Option<f64>,
}

/// A row of `dependence.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct DependenceRow {
    /// Label of the experiment.
    pub experiment: String,
    /// Which repeat, from 0.
    pub run: i64,
    /// Name of the measure.
    pub measure: String,
    /// Its parameters as canonical text.
    pub params: String,
    /// Examples that were measured.
    pub split: Split,
    /// Recorded epoch.
    pub epoch: i64,
    /// −1 is the input, 0 the first hidden layer, the last the readout.
    pub layer_a: i64,
    /// Not before the first.
    pub layer_b: i64,
    /// The units, where they are what is compared.
    pub units: Option<(i64, i64)>,
    /// A correlation, or bits.
    pub value: Option<f64>,
}

/// The rows of `aggregate.parquet`, in its order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`], [`TableError::Foreign`], here and from the iterator.
pub fn read_aggregate(path: &Path) -> Result<Rows<AggregateRow>, TableError> {
    Rows::open(path, aggregate_row)
}

/// The rows of `metrics.parquet`, in its order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`], [`TableError::Foreign`], here and from the iterator.
pub fn read_metrics(path: &Path) -> Result<Rows<MetricsRow>, TableError> {
    Rows::open(path, metrics_row)
}

/// The rows of `measures.parquet`, in its order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`], [`TableError::Foreign`], here and from the iterator.
pub fn read_measures(path: &Path) -> Result<Rows<MeasuresRow>, TableError> {
    Rows::open(path, measures_row)
}

/// The rows of `gradients.parquet`, in its order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`], [`TableError::Foreign`], here and from the iterator.
pub fn read_gradients(path: &Path) -> Result<Rows<GradientsRow>, TableError> {
    Rows::open(path, gradients_row)
}

/// The rows of `dependence.parquet`, in its order.
///
/// # Errors
/// [`TableError::Io`], [`TableError::Parquet`], [`TableError::Foreign`], here and from the iterator.
pub fn read_dependence(path: &Path) -> Result<Rows<DependenceRow>, TableError> {
    Rows::open(path, dependence_row)
}

/// The rows of a table, read batch by batch. After an error there are no more.
#[derive(Debug)]
pub struct Rows<T> {
    path: PathBuf,
    batches: Option<ParquetRecordBatchReader>,
    batch: Option<RecordBatch>,
    next: usize,
    take: fn(&Batch<'_>, usize) -> Result<T, TableError>,
}

impl<T> Rows<T> {
    fn open(path: &Path, take: fn(&Batch<'_>, usize) -> Result<T, TableError>) -> Result<Self, TableError> {
        let path = path.to_path_buf();
        let file = File::open(&path).map_err(|source| TableError::Io { action: "open table", path: path.clone(), source })?;
        let failed = |source: ParquetError| TableError::Parquet { action: "read", path: path.clone(), source };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let pairs = reader.metadata().file_metadata().key_value_metadata();
        let version =
            pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == VERSION_KEY)).and_then(|pair| pair.value.as_deref());
        if version != Some(SCHEMA_VERSION.to_string().as_str()) {
            let expected = format!("{VERSION_KEY} = {SCHEMA_VERSION} in its metadata, found {}", version.unwrap_or("none"));
            return Err(TableError::Foreign { path, expected });
        }
        let batches = reader.build().map_err(failed)?;
        Ok(Self { path, batches: Some(batches), batch: None, next: 0, take })
    }

    fn advance(&mut self) -> Result<Option<T>, TableError> {
        loop {
            if let Some(batch) = &self.batch
                && self.next < batch.num_rows()
            {
                self.next += 1;
                return (self.take)(&Batch { path: &self.path, batch }, self.next - 1).map(Some);
            }
            self.next = 0;
            let Some(batch) = self.batches.as_mut().and_then(Iterator::next) else { return Ok(None) };
            self.batch = Some(batch.map_err(|error| TableError::Parquet {
                action: "read",
                path: self.path.clone(),
                source: error.into(),
            })?);
        }
    }
}

impl<T> Iterator for Rows<T> {
    type Item = Result<T, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.advance().transpose();
        if !matches!(row, Some(Ok(_))) {
            self.batches = None;
            self.batch = None;
        }
        row
    }
}

/// A batch with typed access to its columns by name.
struct Batch<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl Batch<'_> {
    fn foreign(&self, expected: String) -> TableError {
        TableError::Foreign { path: self.path.to_path_buf(), expected }
    }

    fn column(&self, name: &str) -> Result<&ArrayRef, TableError> {
        self.batch.column_by_name(name).ok_or_else(|| self.foreign(format!("a column {name}")))
    }

    fn text(&self, name: &str, row: usize) -> Result<&str, TableError> {
        let column = self.column(name)?.as_string_opt::<i32>().filter(|column| column.is_valid(row));
        column.map(|column| column.value(row)).ok_or_else(|| self.foreign(format!("text in column {name}")))
    }

    fn int(&self, name: &str, row: usize) -> Result<i64, TableError> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>().filter(|column| column.is_valid(row));
        column.map(|column| column.value(row)).ok_or_else(|| self.foreign(format!("integers in column {name}")))
    }

    fn optional_int(&self, name: &str, row: usize) -> Result<Option<i64>, TableError> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>();
        let column = column.ok_or_else(|| self.foreign(format!("integers in column {name}")))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn optional(&self, name: &str, row: usize) -> Result<Option<f64>, TableError> {
        let column = self.column(name)?.as_primitive_opt::<Float64Type>();
        let column = column.ok_or_else(|| self.foreign(format!("floats in column {name}")))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn float(&self, name: &str, row: usize) -> Result<f64, TableError> {
        self.optional(name, row)?.ok_or_else(|| self.foreign(format!("a value in every row of column {name}")))
    }

    fn split(&self, row: usize) -> Result<Split, TableError> {
        let name = self.text("split", row)?;
        let known = Split::ALL.iter().find(|split| split.name() == name);
        known.copied().ok_or_else(|| self.foreign(format!("train, test or full in column split, found {name:?}")))
    }

    fn statistics(&self, names: [&str; 5], row: usize) -> Result<Statistics, TableError> {
        let [mean, median, sd, sem, ci95] = names.map(|name| self.optional(name, row));
        Ok(Statistics { mean: mean?, median: median?, sd: sd?, sem: sem?, ci95: ci95? })
    }
}

fn aggregate_row(batch: &Batch<'_>, row: usize) -> Result<AggregateRow, TableError> {
    Ok(AggregateRow {
        experiment: batch.text("experiment", row)?.to_owned(),
        estimator: batch.text("estimator", row)?.to_owned(),
        estimator_params: batch.text("estimator_params", row)?.to_owned(),
        split: batch.split(row)?,
        epoch: batch.int("epoch", row)?,
        layer: batch.int("layer", row)?,
        n: batch.int("n", row)?,
        i_xt: batch.statistics(aggregate::I_XT, row)?,
        i_ty: batch.statistics(aggregate::I_TY, row)?,
    })
}

fn dependence_row(batch: &Batch<'_>, row: usize) -> Result<DependenceRow, TableError> {
    Ok(DependenceRow {
        experiment: batch.text("experiment", row)?.to_owned(),
        run: batch.int("run", row)?,
        measure: batch.text("measure", row)?.to_owned(),
        params: batch.text("params", row)?.to_owned(),
        split: batch.split(row)?,
        epoch: batch.int("epoch", row)?,
        layer_a: batch.int("layer_a", row)?,
        layer_b: batch.int("layer_b", row)?,
        units: batch.optional_int("unit_a", row)?.zip(batch.optional_int("unit_b", row)?),
        value: batch.optional("value", row)?,
    })
}

fn metrics_row(batch: &Batch<'_>, row: usize) -> Result<MetricsRow, TableError> {
    Ok(MetricsRow {
        experiment: batch.text("experiment", row)?.to_owned(),
        run: batch.int("run", row)?,
        seed: batch.int("seed", row)?,
        epoch: batch.int("epoch", row)?,
        split: batch.split(row)?,
        loss: batch.float("loss", row)?,
        accuracy: batch.float("accuracy", row)?,
    })
}

fn measures_row(batch: &Batch<'_>, row: usize) -> Result<MeasuresRow, TableError> {
    Ok(MeasuresRow {
        experiment: batch.text("experiment", row)?.to_owned(),
        run: batch.int("run", row)?,
        estimator: batch.text("estimator", row)?.to_owned(),
        estimator_params: batch.text("estimator_params", row)?.to_owned(),
        split: batch.split(row)?,
        epoch: batch.int("epoch", row)?,
        layer: batch.int("layer", row)?,
        i_xt: batch.optional("i_xt", row)?,
        i_ty: batch.optional("i_ty", row)?,
    })
}

fn gradients_row(batch: &Batch<'_>, row: usize) -> Result<GradientsRow, TableError> {
    Ok(GradientsRow {
        experiment: batch.text("experiment", row)?.to_owned(),
        run: batch.int("run", row)?,
        split: batch.split(row)?,
        epoch: batch.int("epoch", row)?,
        layer: batch.int("layer", row)?,
        mean: batch.optional("grad_mean", row)?,
        std: batch.optional("grad_std", row)?,
        snr: batch.optional("snr", row)?,
        weight_norm: batch.optional("weight_norm", row)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::rows::{RunKey, metrics};
    use super::super::{Cell, TableWriter, publish};
    use super::*;
    use crate::store::disk::OsDisk;
    use crate::store::records::MetricRow;

    fn written(dir: &Path, table: super::super::Table, rows: &[Vec<Cell<'_>>]) -> PathBuf {
        let mut writer = TableWriter::create(&OsDisk, dir, table).unwrap();
        for row in rows {
            writer.push(row).unwrap();
        }
        publish(&OsDisk, dir, vec![writer.close().unwrap()]).unwrap().remove(0)
    }

    #[test]
    fn aggregate_rows_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let some = |v: f64| Statistics { mean: Some(v), median: Some(v), sd: Some(0.5), sem: Some(0.25), ci95: Some(1.0) };
        let rows: Vec<AggregateRow> = (0..3000)
            .map(|n| AggregateRow {
                experiment: "tanh, β=1".into(),
                estimator: "binning".into(),
                estimator_params: r#"{"bin_width":0.07}"#.into(),
                split: Split::ALL[n % 3],
                epoch: n as i64 - 1,
                layer: n as i64 % 6,
                n: 5,
                i_xt: if n % 7 == 0 { Statistics::default() } else { some(n as f64) },
                i_ty: Statistics { sd: None, ..some(-1.0) },
            })
            .collect();
        let cells: Vec<_> = rows.iter().map(|row| aggregate::row(row).to_vec()).collect();
        let path = written(dir.path(), aggregate::table(), &cells);
        assert_eq!(read_aggregate(&path).unwrap().collect::<Result<Vec<_>, _>>().unwrap(), rows);
    }

    #[test]
    fn metrics_rows_round_trip_and_the_wrong_table_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let key = RunKey { experiment: "relu", run: 3, seed: (1 << 53) - 1 };
        let row = metrics::row(&key, &MetricRow { epoch: -1, split: Split::Test, loss: 0.7, accuracy: 0.5 });
        let path = written(dir.path(), metrics::table(), &[row.to_vec()]);
        let rows = read_metrics(&path).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let (experiment, split) = ("relu".to_owned(), Split::Test);
        assert_eq!(rows, [MetricsRow { experiment, run: 3, seed: (1 << 53) - 1, epoch: -1, split, loss: 0.7, accuracy: 0.5 }]);

        let mut wrong = read_aggregate(&path).unwrap();
        let error = wrong.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("metrics.parquet") && error.contains("estimator"), "{error}");
        assert!(wrong.next().is_none());
        std::fs::write(&path, "not parquet").unwrap();
        assert!(matches!(read_metrics(&path), Err(TableError::Parquet { .. })));
        assert!(matches!(read_metrics(&dir.path().join("none")), Err(TableError::Io { .. })));
    }
}

//! One run in short: settings, and what was measured at the last recorded epoch.

use serde::{Serialize, Serializer};

use super::facts;
use super::study::RunRef;
use crate::cohort::settings::ColumnValue;
use crate::estimate::spec::EstimatorSpec;
use crate::store::records::Dependence;
use crate::store::{Index, StoreError};
use crate::train::spec::Split;

/// A run in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// COHORT:LABEL:REPEAT.
    pub name: String,
    /// Its place: cohort, experiment, run, seed, training_id.
    #[serde(flatten, serialize_with = "as_map")]
    pub place: Vec<(&'static str, ColumnValue)>,
    /// ok, failed, lost, oom, missing, running or not needed.
    pub status: &'static str,
    /// Its settings, in the order of the table `runs`.
    #[serde(serialize_with = "as_map")]
    pub settings: Vec<(&'static str, ColumnValue)>,
    /// Metrics at the last recorded epoch; empty if the training is not committed.
    pub metrics: Vec<Metric>,
    /// What the run's measurements, as far as they are committed, say of the last recorded epoch.
    pub measures: Vec<Measured>,
    /// The same of the dependence of its layers and units.
    pub dependence: Vec<Dependent>,
}

/// Loss and accuracy on a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// The epoch.
    pub epoch: i64,
    /// The examples.
    pub split: &'static str,
    /// Mean loss (cross-entropy in nats, or squared error), penalties included.
    pub loss: f64,
    /// Share of examples classified right.
    pub accuracy: f64,
}

/// Information of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The estimator.
    pub estimator: &'static str,
    /// Its parameters, canonical.
    pub estimator_params: String,
    /// The examples.
    pub split: &'static str,
    /// The epoch.
    pub epoch: i64,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: u32,
    /// I(X;T), in bits.
    pub i_xt: Option<f64>,
    /// I(T;Y), in bits.
    pub i_ty: Option<f64>,
}

/// How two layers depend on each other, or two units of one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dependent {
    /// The measure.
    pub measure: &'static str,
    /// Its parameters, canonical.
    pub params: String,
    /// The examples.
    pub split: &'static str,
    /// The epoch.
    pub epoch: i64,
    /// −1 is the input, 0 the first hidden layer, the last the readout.
    pub layer_a: i32,
    /// Not before the first.
    pub layer_b: i32,
    /// The first unit, where units are what is compared.
    pub unit_a: Option<u32>,
    /// The second.
    pub unit_b: Option<u32>,
    /// A correlation, or bits.
    pub value: f64,
}

impl Dependent {
    /// What is compared, in words.
    #[must_use]
    pub fn pair(&self) -> String {
        let layer = |layer: i32| if layer < 0 { "input".to_owned() } else { layer.to_string() };
        match self.unit_a.zip(self.unit_b) {
            Some((a, b)) => format!("layer {}, units {a} and {b}", layer(self.layer_a)),
            None => format!("layers {} and {}", layer(self.layer_a), layer(self.layer_b)),
        }
    }
}

fn as_map<S: Serializer>(values: &[(&'static str, ColumnValue)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(key, value)| (key, facts::json(value))))
}

/// A run in short, as far as it is committed.
///
/// # Errors
/// [`StoreError::Io`].
pub fn card(run: &RunRef<'_>, status: &'static str, index: &Index) -> Result<Card, StoreError> {
    let mut metrics = Vec::new();
    if let Some(mut training) = index.training(run.run.training)? {
        training.metrics.sort_by_key(|row| (row.epoch, row.split));
        let last = training.metrics.last().map(|row| row.epoch);
        let rows = training.metrics.iter().filter(|row| Some(row.epoch) == last);
        metrics.extend(rows.map(|r| Metric { epoch: r.epoch, split: r.split.name(), loss: r.loss, accuracy: r.accuracy }));
    }
    let (mut measures, mut dependence) = (Vec::new(), Vec::new());
    // In the order of the table: by estimator, then split.
    let mut asked: Vec<_> = run.measurements().enumerate().collect();
    let place = |split: Split| Split::ALL.iter().position(|known| *known == split);
    let per_estimator = run.experiment().settings.splits.len().max(1);
    asked.sort_by_key(|(n, (_, split, _))| (n / per_estimator, place(*split)));
    for (_, (estimator, split, id)) in asked {
        if estimator.compares().is_some() {
            dependence.extend(index.dependence(id)?.into_iter().flat_map(|found| last_of(found, &estimator, split)));
            continue;
        }
        let Some(mut measurement) = index.measurement(id)? else { continue };
        measurement.rows.sort_by_key(|row| (row.epoch, row.layer));
        let last = measurement.rows.last().map(|row| row.epoch);
        let rows = measurement.rows.iter().filter(|row| Some(row.epoch) == last);
        measures.extend(rows.map(|row| Measured {
            estimator: estimator.name(),
            estimator_params: estimator.params(),
            split: split.name(),
            epoch: row.epoch,
            layer: row.layer,
            i_xt: row.i_xt,
            i_ty: row.i_ty,
        }));
    }
    let settings = run.experiment().settings.columns();
    Ok(Card { name: run.name(), place: facts::place(run), status, settings, metrics, measures, dependence })
}

/// What a measurement of dependence says of the last epoch that it has.
fn last_of(mut found: Dependence, estimator: &EstimatorSpec, split: Split) -> impl Iterator<Item = Dependent> + use<> {
    found.rows.sort_by_key(|row| (row.epoch, row.layer_a, row.layer_b, row.units));
    let last = found.rows.last().map(|row| row.epoch);
    let (measure, params) = (estimator.name(), estimator.params());
    found.rows.into_iter().filter(move |row| Some(row.epoch) == last).map(move |row| Dependent {
        measure,
        params: params.clone(),
        split: split.name(),
        epoch: row.epoch,
        layer_a: row.layer_a,
        layer_b: row.layer_b,
        unit_a: row.units.map(|(a, _)| a),
        unit_b: row.units.map(|(_, b)| b),
        value: row.value,
    })
}

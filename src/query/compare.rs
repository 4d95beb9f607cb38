//! Two records of one id, to the bit: what was committed, and what the same settings give now.

use std::ops::Range;

use serde::Serialize;

use crate::store::records::{Dependence, Measurement, Training};
use crate::train::spec::Split;

/// One place where they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which record, in words: the training, or an estimator with its parameters.
    pub record: String,
    /// What differs: `epochs`, `loss`, `grad_mean`, `parameters`, `i_xt`, …
    pub column: &'static str,
    /// At which epoch.
    pub epoch: Option<i64>,
    /// On which examples.
    pub split: Option<&'static str>,
    /// In which layer.
    pub layer: Option<u32>,
    /// What is committed, exact.
    pub committed: String,
    /// What was computed now, exact.
    pub computed: String,
}

/// Where in a record.
#[derive(Clone, Copy)]
struct Place {
    epoch: Option<i64>,
    split: Option<Split>,
    layer: Option<u32>,
}

const NOWHERE: Place = Place { epoch: None, split: None, layer: None };

/// Gathers differences of one record.
struct Comparer {
    record: String,
    found: Vec<Difference>,
}

impl Comparer {
    fn note(&mut self, column: &'static str, at: Place, committed: String, computed: String) {
        let (record, split) = (self.record.clone(), at.split.map(Split::name));
        self.found.push(Difference { record, column, epoch: at.epoch, split, layer: at.layer, committed, computed });
    }

    fn floats(&mut self, column: &'static str, at: Place, committed: Option<f64>, computed: Option<f64>) {
        if committed.map(f64::to_bits) != computed.map(f64::to_bits) {
            let text = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), |v| format!("{v:?}"));
            self.note(column, at, text(committed), text(computed));
        }
    }

    /// Whether rows can be compared one by one: there are as many, of the same keys.
    fn rows<K: PartialEq + std::fmt::Debug>(&mut self, column: &'static str, committed: &[K], computed: &[K]) -> bool {
        if committed.len() != computed.len() {
            self.note(column, NOWHERE, format!("{} rows", committed.len()), format!("{} rows", computed.len()));
            return false;
        }
        let differing = committed.iter().zip(computed).find(|(one, other)| one != other);
        if let Some((one, other)) = differing {
            self.note(column, NOWHERE, format!("a row of {one:?}"), format!("a row of {other:?}"));
        }
        differing.is_none()
    }
}

/// Where two trainings differ; `layers` says where the parameters of each layer lie.
#[must_use]
pub fn trainings(committed: &Training, computed: &Training, layers: &[Range<usize>]) -> Vec<Difference> {
    let mut c = Comparer { record: "training".to_owned(), found: Vec::new() };
    if committed.seed != computed.seed {
        c.note("seed", NOWHERE, committed.seed.to_string(), computed.seed.to_string());
    }
    if committed.epochs != computed.epochs {
        c.note("epochs", NOWHERE, format!("{:?}", committed.epochs), format!("{:?}", computed.epochs));
    }
    let keys = |t: &Training| t.metrics.iter().map(|r| (r.epoch, r.split)).collect::<Vec<_>>();
    if c.rows("metrics", &keys(committed), &keys(computed)) {
        for (one, other) in committed.metrics.iter().zip(&computed.metrics) {
            let at = Place { epoch: Some(one.epoch), split: Some(one.split), layer: None };
            c.floats("loss", at, Some(one.loss), Some(other.loss));
            c.floats("accuracy", at, Some(one.accuracy), Some(other.accuracy));
        }
    }
    let keys = |t: &Training| t.gradients.iter().map(|r| (r.split, r.epoch, r.layer)).collect::<Vec<_>>();
    if c.rows("gradients", &keys(committed), &keys(computed)) {
        for (one, other) in committed.gradients.iter().zip(&computed.gradients) {
            let at = Place { epoch: Some(one.epoch), split: Some(one.split), layer: Some(one.layer) };
            c.floats("grad_mean", at, Some(one.mean), Some(other.mean));
            c.floats("grad_std", at, Some(one.std), Some(other.std));
            c.floats("snr", at, one.snr, other.snr);
            c.floats("weight_norm", at, Some(one.weight_norm), Some(other.weight_norm));
        }
    }
    snapshots(&mut c, committed, computed, layers);
    c.found
}

/// Weights: the first differing parameter of each epoch and layer stands for all of them; what lies behind the layers are the moving
/// averages of normalisations.
fn snapshots(c: &mut Comparer, committed: &Training, computed: &Training, layers: &[Range<usize>]) {
    let (Some(one), Some(other)) = (&committed.snapshots, &computed.snapshots) else {
        // Whether weights are kept is a matter of room, not of results.
        return;
    };
    let (one, other) = (&one.parameters, &other.parameters);
    let lengths = |epochs: &[Vec<f32>]| epochs.iter().map(Vec::len).collect::<Vec<_>>();
    if !c.rows("parameters", &lengths(one), &lengths(other)) {
        return;
    }
    let trained = layers.iter().map(|layer| layer.end).max().unwrap_or(0);
    for (n, (one, other)) in one.iter().zip(other).enumerate() {
        let of_layers = (0_u32..).zip(layers).map(|(layer, range)| ("parameters", Some(layer), range.clone()));
        for (column, layer, range) in of_layers.chain([("moving averages", None, trained..one.len())]) {
            let range = range.start.min(one.len())..range.end.min(one.len());
            let pairs = one[range.clone()].iter().zip(&other[range]);
            let differing: Vec<(&f32, &f32)> = pairs.filter(|(a, b)| a.to_bits() != b.to_bits()).collect();
            if let Some((a, b)) = differing.first() {
                let at = Place { epoch: committed.epochs.get(n).copied(), split: None, layer };
                let text = |value: &f32| format!("{value:?} (the first of {} that differ)", differing.len());
                c.note(column, at, text(a), format!("{b:?}"));
            }
        }
    }
}

/// Where two measurements on `split` differ; `record` says which they are.
#[must_use]
pub fn measurements(record: String, split: Split, committed: &Measurement, computed: &Measurement) -> Vec<Difference> {
    let mut c = Comparer { record, found: Vec::new() };
    let keys = |m: &Measurement| m.rows.iter().map(|r| (r.epoch, r.layer)).collect::<Vec<_>>();
    if c.rows("measures", &keys(committed), &keys(computed)) {
        for (one, other) in committed.rows.iter().zip(&computed.rows) {
            let at = Place { epoch: Some(one.epoch), split: Some(split), layer: Some(one.layer) };
            c.floats("i_xt", at, one.i_xt, other.i_xt);
            c.floats("i_ty", at, one.i_ty, other.i_ty);
        }
    }
    c.found
}

/// Where two dependence measurements on `split` differ; `record` says which they are.
#[must_use]
pub fn dependences(record: String, split: Split, committed: &Dependence, computed: &Dependence) -> Vec<Difference> {
    let mut c = Comparer { record, found: Vec::new() };
    let keys = |d: &Dependence| d.rows.iter().map(|r| (r.epoch, r.layer_a, r.layer_b, r.units)).collect::<Vec<_>>();
    if c.rows("dependence", &keys(committed), &keys(computed)) {
        for (one, other) in committed.rows.iter().zip(&computed.rows) {
            // The input, −1, has no place among the layers.
            let at = Place { epoch: Some(one.epoch), split: Some(split), layer: u32::try_from(one.layer_a).ok() };
            c.floats("value", at, Some(one.value), Some(other.value));
        }
    }
    c.found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::ids::Id;
    use crate::store::records::{GradientRow, MeasureRow, MetricRow, Snapshots};
    use crate::train::network::Network;

    fn training() -> Training {
        let metrics = [0, 9].map(|epoch| MetricRow { epoch, split: Split::Test, loss: 0.5, accuracy: 1.0 });
        let gradients = [0, 1].map(|layer| {
            let (epoch, split) = (9, Split::Train);
            GradientRow { epoch, split, layer, mean: 1.0, std: 0.0, snr: None, weight_norm: 2.0 }
        });
        let snapshots = Some(Snapshots { parameters: vec![vec![1.0; 5], vec![2.0; 5]] });
        let (id, epochs) = (Id([1; 16]), vec![0, 9]);
        Training { id, seed: 3, epochs, metrics: metrics.to_vec(), gradients: gradients.to_vec(), snapshots }
    }

    #[test]
    fn equal_records_do_not_differ_and_every_field_is_looked_at() {
        type Change = (&'static str, fn(&mut Training), Option<i64>, Option<u32>);
        let one = training();
        assert!(trainings(&one, &one.clone(), &[0..3, 3..5]).is_empty());
        let changes: [Change; 11] = [
            ("seed", |t| t.seed = 4, None, None),
            ("epochs", |t| t.epochs = vec![0], None, None),
            ("metrics", |t| t.metrics.truncate(1), None, None),
            ("loss", |t| t.metrics[1].loss = f64::from_bits(0.5_f64.to_bits() + 1), Some(9), None),
            ("accuracy", |t| t.metrics[0].accuracy = 0.0, Some(0), None),
            ("gradients", |t| t.gradients[0].layer = 7, None, None),
            ("grad_mean", |t| t.gradients[1].mean = 0.0, Some(9), Some(1)),
            ("grad_std", |t| t.gradients[0].std = -0.0, Some(9), Some(0)),
            ("snr", |t| t.gradients[0].snr = Some(1.0), Some(9), Some(0)),
            ("weight_norm", |t| t.gradients[1].weight_norm = 2.5, Some(9), Some(1)),
            ("parameters", |t| t.snapshots.as_mut().unwrap().parameters[1][4] = 2.5, Some(9), Some(1)),
        ];
        for (column, change, epoch, layer) in changes {
            let mut other = training();
            change(&mut other);
            let found = trainings(&one, &other, &[0..3, 3..5]);
            assert_eq!(found.len(), 1, "{column}: {found:?}");
            assert_eq!((found[0].column, found[0].epoch, found[0].layer), (column, epoch, layer));
            assert_ne!(found[0].committed, found[0].computed);
        }
        let kept_elsewhere = Training { snapshots: None, ..training() };
        assert!(trainings(&one, &kept_elsewhere, &[0..3, 3..5]).is_empty());
    }

    #[test]
    fn a_parameter_is_of_the_layer_that_holds_it() {
        use crate::train::spec::{Activation, Model, TrainingSpec};
        for (activation, model) in [
            (Activation::Prelu, Model::FeedforwardBatchnorm),
            (Activation::Maxout, Model::FeedforwardBatchnorm),
            (Activation::Maxout, Model::Feedforward),
        ] {
            let spec = TrainingSpec { architecture: vec![4, 3], activation, model, ..TrainingSpec::default() };
            let network = Network::new(&spec, 5, 2);
            let snapshots = Snapshots { parameters: vec![network.initial_parameters(0, 0.0)] };
            let one = Training { epochs: vec![7], snapshots: Some(snapshots), ..training() };
            let mut places = Vec::new();
            for (index, layer) in (0_u32..).zip(&network.layers) {
                // The first weight, and the last thing that the layer learns.
                let last = layer.scale_range().map_or(layer.slope_range().end, |scale| scale.end + layer.n_out) - 1;
                places.extend([(layer.kernel_range().start, Some(index)), (last, Some(index))]);
                places.extend(layer.mean_range().map(|mean| (mean.end + layer.n_out - 1, None)));
            }
            for (place, layer) in places {
                let mut other = one.clone();
                other.snapshots.as_mut().unwrap().parameters[0][place] += 0.5;
                let found = trainings(&one, &other, &network.layer_ranges());
                let column = if layer.is_some() { "parameters" } else { "moving averages" };
                assert_eq!(found.len(), 1, "{activation:?} {place}: {found:?}");
                assert_eq!((found[0].column, found[0].epoch, found[0].layer), (column, Some(7), layer), "{activation:?} {place}");
            }
        }
    }

    #[test]
    fn measurements_differ_by_epoch_layer_and_column() {
        let row = |layer, i_ty| MeasureRow { epoch: 4, layer, i_xt: Some(1.0), i_ty };
        let of = |rows| Measurement { id: Id([1; 16]), training: Id([2; 16]), rows };
        let one = of(vec![row(0, None), row(1, Some(0.25))]);
        assert!(measurements("m".into(), Split::Full, &one, &one.clone()).is_empty());
        let found = measurements("m".into(), Split::Full, &one, &of(vec![row(0, None), row(1, None)]));
        assert_eq!((found[0].column, found[0].epoch, found[0].layer, found[0].split), ("i_ty", Some(4), Some(1), Some("full")));
        assert_eq!((found[0].committed.as_str(), found[0].computed.as_str()), ("0.25", "null"));
        assert_eq!(measurements("m".into(), Split::Full, &one, &of(vec![]))[0].column, "measures");
    }
}

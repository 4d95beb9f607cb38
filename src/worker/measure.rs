//! Information and dependence of all layers at one epoch, from a parameter vector: the forward pass, then every estimator asked for.

use ndarray::{ArrayView2, ShapeBuilder};
use serde::{Deserialize, Serialize};

use crate::estimate::bins::Range;
use crate::estimate::bounds::Bound;
use crate::estimate::dependence::{Compares, Dependence};
use crate::estimate::spec::EstimatorSpec;
use crate::estimate::weighted::WeightedBinning;
use crate::estimate::{Classes, EstimateError, Estimator, Information, Sample, Scratch};
use crate::grid::plan::Measure;
use crate::math::exec::Exec;
use crate::math::simd::{Block, LANES, blocks, flat, flat_mut};
use crate::store::records::{DependenceRow, MeasureRow};
use crate::train::data::{Dataset, Examples};
use crate::train::inference::Activations;
use crate::train::network::Network;
use crate::train::spec::Split;

/// A measurement that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("{estimator}{} at epoch {epoch} on {}", .layer.map_or_else(String::new, |layer| format!(" of layer {layer}")), .split.name())]
pub struct MeasureError {
    estimator: &'static str,
    /// None for what looks at all layers.
    layer: Option<usize>,
    epoch: i64,
    split: Split,
    source: EstimateError,
}

/// When in the course of a training.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// The recorded epoch.
    pub epoch: i64,
    /// Its number among the recorded epochs, from 0.
    pub place: usize,
    /// Whether it is the last of them.
    pub is_last: bool,
}

/// What a measurement gives: information of layers, or dependences between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// By epoch, then layer.
    pub information: Vec<MeasureRow>,
    /// By epoch, layers, units.
    pub dependence: Vec<DependenceRow>,
}

/// The measurements to take of one training, with the labels of every split prepared.
pub struct Plan<'a> {
    network: &'a Network,
    data: &'a Dataset,
    measures: &'a [Measure],
    /// By place in [`Split::ALL`]; only the splits that are measured.
    classes: Vec<Option<Classes>>,
    /// Bins of the input that weighted binning carries through the network: by measure.
    edges: Vec<Option<Examples>>,
    /// Whether an estimator compares with the inputs.
    wants_inputs: bool,
    /// Smallest and largest activation over all epochs, where an estimator wants to know.
    ranges: Option<Ranges>,
}

/// Smallest and largest activation: by place in [`Split::ALL`], then by layer.
#[derive(Clone, Debug, Default)]
pub struct Ranges(Vec<Vec<(f32, f32)>>);

impl Ranges {
    fn widen(&mut self, split: usize, layer: usize, (low, high): (f32, f32)) {
        let layers = &mut self.0[split];
        match layers.get_mut(layer) {
            Some(range) => *range = (range.0.min(low), range.1.max(high)),
            None => layers.push((low, high)),
        }
    }
}

/// Scratch space of one thread.
#[derive(Default)]
pub struct Space {
    activations: Activations,
    /// Activations of the edges of each measure that carries them.
    edges: Vec<Activations>,
    scratch: Scratch,
}

impl<'a> Plan<'a> {
    /// Prepares the measurements `measures` of trainings of `network` on `data`.
    #[must_use]
    pub fn new(network: &'a Network, data: &'a Dataset, measures: &'a [Measure]) -> Self {
        let wanted = |split: &Split| measures.iter().any(|m| m.split == *split);
        let classes = Split::ALL.iter().map(|split| wanted(split).then(|| Classes::new(&data.examples(*split).labels)));
        let edges = measures.iter().map(|measure| match &measure.estimator {
            EstimatorSpec::WeightedBinning(weighted) => Some(edges_of(weighted, data.examples(measure.split))),
            _ => None,
        });
        // Entropies of the layer do without.
        let wants_inputs = !measures.iter().all(|measure| {
            use EstimatorSpec::{Binning, Bins, Lower, Upper, WeightedBinning};
            matches!(measure.estimator, Binning { .. } | Bins(_) | Upper { .. } | Lower { .. } | WeightedBinning(_))
                || measure.estimator.compares().is_some()
        });
        Self { network, data, measures, classes: classes.collect(), edges: edges.collect(), wants_inputs, ranges: None }
    }

    /// Whether the estimators must see all epochs before they measure the first.
    #[must_use]
    pub fn wants_ranges(&self) -> bool {
        let over_the_run =
            |measure: &Measure| matches!(&measure.estimator, EstimatorSpec::Bins(bins) if bins.range == Range::Run);
        self.measures.iter().any(over_the_run)
    }

    /// Widens `ranges` by the activations of one epoch.
    ///
    /// # Errors
    /// [`MeasureError`] where an activation is not finite.
    pub fn widen(
        &self,
        exec: Exec,
        epoch: i64,
        parameters: &[f32],
        space: &mut Space,
        ranges: &mut Ranges,
    ) -> Result<(), MeasureError> {
        ranges.0.resize(Split::ALL.len(), Vec::new());
        for (place, (&split, classes)) in Split::ALL.iter().zip(&self.classes).enumerate() {
            let Some(classes) = classes else { continue };
            self.network.activations(exec, parameters, self.data.examples(split), &mut space.activations);
            for (layer, values) in space.activations.layers().enumerate() {
                let refuse = |source| MeasureError { estimator: "activation", layer: Some(layer), epoch, split, source };
                let sample = Sample::new(values, classes).map_err(refuse)?;
                ranges.widen(place, layer, sample.extent().unwrap_or_default());
            }
        }
        Ok(())
    }

    /// With the ranges of all epochs.
    #[must_use]
    pub fn with_ranges(self, ranges: Ranges) -> Self {
        Self { ranges: Some(ranges), ..self }
    }

    /// Rows of every measurement at one epoch, layer after layer; none of those that leave this epoch out.
    ///
    /// # Errors
    /// [`MeasureError`] where an activation is not finite.
    pub fn at(&self, exec: Exec, when: When, parameters: &[f32], space: &mut Space) -> Result<Vec<Measured>, MeasureError> {
        let When { epoch, .. } = when;
        let mut rows = vec![Measured::default(); self.measures.len()];
        for (place, (&split, classes)) in Split::ALL.iter().zip(&self.classes).enumerate() {
            let Some(classes) = classes else { continue };
            let takes = |measure: &Measure| measure.split == split && measure.estimator.measures_at(when.place, when.is_last);
            if !self.measures.iter().any(takes) {
                continue;
            }
            let examples = self.data.examples(split);
            self.network.activations(exec, parameters, examples, &mut space.activations);
            space.edges.resize_with(self.measures.len(), Activations::default);
            for ((measure, edges), out) in self.measures.iter().zip(&self.edges).zip(&mut space.edges) {
                if let Some(edges) = edges.as_ref().filter(|_| measure.split == split) {
                    self.network.activations(exec, parameters, edges, out);
                }
            }
            // Bounds share work where several are asked for.
            let (mut measured_by, mut bounds) = (vec![None; self.measures.len()], Vec::new());
            for (index, Measure { estimator, .. }) in
                self.measures.iter().enumerate().filter(|(_, measure)| measure.split == split)
            {
                if let Some(bound) = Bound::of(estimator) {
                    let refuse = |source| MeasureError { estimator: estimator.name(), layer: None, epoch, split, source };
                    measured_by[index] = Some(bounds.len());
                    bounds.push(bound.map_err(refuse)?);
                }
            }
            for (layer, values) in space.activations.layers().enumerate() {
                let refuse = |estimator, source| MeasureError { estimator, layer: Some(layer), epoch, split, source };
                let sample = Sample::new(values, classes).and_then(|sample| match self.wants_inputs {
                    true => sample.with_inputs(inputs_of(examples)),
                    false => Ok(sample),
                });
                let mut sample = sample.map_err(|source| refuse("activation", source))?;
                if let Some(range) = self.ranges.as_ref().and_then(|ranges| ranges.0[place].get(layer)) {
                    sample = sample.with_range(*range);
                }
                let of_bounds = Bound::of_layer(&bounds, &sample, exec, &mut space.scratch);
                for (index, (measure, rows)) in self.measures.iter().zip(&mut rows).enumerate() {
                    let estimator = &measure.estimator;
                    if measure.split != split || estimator.compares().is_some() {
                        continue;
                    }
                    let carried = match self.edges[index] {
                        Some(_) => space.edges[index].layers().nth(layer).map_or(Ok(sample), |edges| sample.with_edges(edges)),
                        None => Ok(sample),
                    };
                    let information = match measured_by[index] {
                        Some(bound) => Ok(of_bounds[bound]),
                        None => carried.and_then(|sample| estimator.information(&sample, exec, &mut space.scratch)),
                    };
                    let Information { i_xt, i_ty } = information.map_err(|source| refuse(estimator.name(), source))?;
                    rows.information.push(MeasureRow { epoch, layer: layer as u32, i_xt, i_ty });
                }
            }
            let refuse = |estimator, source| MeasureError { estimator, layer: None, epoch, split, source };
            let compared = self.measures.iter().zip(&mut rows).filter(|(measure, _)| takes(measure));
            for (Measure { estimator, .. }, rows) in compared {
                let Some(compares) = estimator.compares() else { continue };
                let inputs = (compares == Compares::Layers).then(|| inputs_of(examples));
                let layers = inputs.into_iter().chain(space.activations.layers()).map(|values| Sample::new(values, classes));
                let found = layers.collect::<Result<Vec<_>, _>>().and_then(|layers| estimator.dependences(&layers, exec));
                let found = found.map_err(|source| refuse(estimator.name(), source))?;
                rows.dependence.extend(found.into_iter().map(|found| row_of(epoch, compares, found)));
            }
        }
        Ok(rows)
    }
}

/// A dependence with its layers as they are numbered in the tables: where layers are compared, the input comes first, as −1.
fn row_of(epoch: i64, compares: Compares, Dependence { layers: (a, b), units, value }: Dependence) -> DependenceRow {
    let first = if compares == Compares::Layers { -1 } else { 0 };
    // At most MAX_LAYERS.
    let [layer_a, layer_b] = [a, b].map(|layer| layer as i32 + first);
    DependenceRow { epoch, layer_a, layer_b, units, value }
}

/// The inputs of a split, inputs × examples.
fn inputs_of(examples: &Examples) -> ArrayView2<'_, f32> {
    let row = blocks(examples.n) * LANES;
    let shape = (examples.inputs, examples.n).strides((row, 1));
    ArrayView2::from_shape(shape, flat(&examples.columns)).expect("columns of whole blocks hold n values")
}

/// The edges of the input's bins as examples: edge k has all inputs equal to it.
fn edges_of(weighted: &WeightedBinning, examples: &Examples) -> Examples {
    let inputs = inputs_of(examples);
    let (low, high) = inputs.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let edges = weighted.of_input(low, high);
    let column = blocks(edges.len());
    let mut columns = vec![Block::default(); column * examples.inputs];
    for input in columns.chunks_mut(column.max(1)) {
        flat_mut(input)[..edges.len()].copy_from_slice(&edges);
    }
    Examples { n: edges.len(), inputs: examples.inputs, labels: vec![0; edges.len()], rows: Vec::new(), columns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::bins::Bins;
    use crate::estimate::params::Value;
    use crate::train::spec::{DatasetName, TrainingSpec};

    /// Rows of some estimators on the test split, at each of some epochs with random weights.
    fn rows(estimators: &[EstimatorSpec]) -> Vec<Vec<Measured>> {
        let spec = TrainingSpec { architecture: vec![4, 3], ..TrainingSpec::default() };
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let network = Network::new(&spec, data.inputs(), data.n_classes);
        let measure = |estimator: &EstimatorSpec| Measure { estimator: *estimator, split: Split::Test };
        let measures: Vec<Measure> = estimators.iter().map(measure).collect();
        let mut plan = Plan::new(&network, &data, &measures);
        let snapshots: Vec<Vec<f32>> = (0..3)
            .map(|seed| {
                let scale = (seed + 1) as f32;
                network.initial_parameters(seed, 0.1).into_iter().map(|p| p * scale).collect()
            })
            .collect();
        let (mut space, mut ranges) = (Space::default(), Ranges::default());
        if plan.wants_ranges() {
            for parameters in &snapshots {
                plan.widen(Exec::serial(), 0, parameters, &mut space, &mut ranges).unwrap();
            }
            plan = plan.with_ranges(ranges);
        }
        let when = |place| When { epoch: 10 * place as i64, place, is_last: place + 1 == snapshots.len() };
        let at = |(place, parameters): (usize, &Vec<f32>)| plan.at(Exec::serial(), when(place), parameters, &mut space).unwrap();
        snapshots.iter().enumerate().map(at).collect()
    }

    #[test]
    fn bins_of_the_run_lie_over_the_range_of_all_epochs() {
        let run = EstimatorSpec::Bins(Bins { bins: 9, range: Range::Run, ..Bins::default() });
        let epoch = EstimatorSpec::Bins(Bins { bins: 9, range: Range::Epoch, ..Bins::default() });
        let by_epoch = rows(&[run, epoch]);
        // The last epoch has the largest weights: its range is the run's, or nearly; the first one is read more coarsely.
        let first = |which: usize| by_epoch[0][which].information[0].i_xt.unwrap();
        assert!(first(0) < first(1), "{} {}", first(0), first(1));
        let mut all = by_epoch.iter().flatten().flat_map(|measured| &measured.information);
        assert!(all.all(|row| row.i_ty.unwrap() <= row.i_xt.unwrap() + 1e-12));
    }

    #[test]
    fn layers_and_units_are_compared_at_the_epochs_asked_for() {
        let of = |name: &str, every| EstimatorSpec::by_name(name).unwrap().with(&[("every", Value::Integer(every))]).unwrap();
        let by_epoch = rows(&[of("svcca", 1), of("dcor", 2), of("bspline", 9), EstimatorSpec::by_name("binning").unwrap()]);
        let layers = |epoch: usize, which: usize| -> Vec<(i32, i32)> {
            by_epoch[epoch][which].dependence.iter().map(|row| (row.layer_a, row.layer_b)).collect()
        };
        let pairs = [(-1, 0), (-1, 1), (-1, 2), (0, 1), (0, 2), (1, 2)];
        for (epoch, measures) in by_epoch.iter().enumerate() {
            assert_eq!(layers(epoch, 0), pairs);
            assert_eq!(layers(epoch, 1), if epoch == 1 { &[][..] } else { &pairs });
            // Layers of 4, 3 and 2 units, each unit with itself and the later ones; at the first and the last epoch.
            let units = &measures[2].dependence;
            assert_eq!(units.len(), if epoch == 1 { 0 } else { 10 + 6 + 3 });
            assert!(units.iter().all(|row| row.layer_a == row.layer_b && row.units.is_some_and(|(a, b)| a <= b)));
            assert!(measures[..3].iter().all(|measured| measured.information.is_empty()));
            assert!(measures[3].dependence.is_empty() && measures[3].information.len() == 3);
            let mut all = measures.iter().flat_map(|measured| &measured.dependence);
            assert!(all.all(|row| row.epoch == 10 * epoch as i64 && row.value >= 0.0));
        }
        // The two outputs of the softmax add up to 1: their row is one direction, and the layer before leaves them little freedom.
        let last = by_epoch[2][0].dependence.last().unwrap();
        assert!(last.value > 0.5 && last.value <= 1.0, "{last:?}");
    }

    #[test]
    fn weighted_bins_are_those_that_the_network_makes_of_the_inputs() {
        let weighted = WeightedBinning { edges: 7 };
        let got = rows(&[EstimatorSpec::WeightedBinning(weighted), EstimatorSpec::by_name("edge").unwrap()]);
        // All by hand for the first hidden layer of the first snapshot.
        let spec = TrainingSpec { architecture: vec![4, 3], ..TrainingSpec::default() };
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let network = Network::new(&spec, data.inputs(), data.n_classes);
        let parameters = network.initial_parameters(0, 0.1);
        let mut activations = Activations::default();
        let examples = data.examples(Split::Test);
        network.activations(Exec::serial(), &parameters, examples, &mut activations);
        let layer = activations.layers().next().unwrap().to_owned();
        let (layers, kernel, bias) =
            (&network.layers, network.layers[0].kernel(&parameters), network.layers[0].bias(&parameters));
        let mut states = std::collections::BTreeMap::<Vec<usize>, u32>::new();
        for example in 0..examples.n {
            let bins = (0..4).map(|unit| {
                let into: f32 = (0..layers[0].n_in).map(|input| kernel[unit * layers[0].n_in + input]).sum();
                let edge = |k: u32| libm::tanhf((f64::from(k) * 0.5 - 1.0) as f32 * into + bias[unit]);
                (0..7).filter(|&k| edge(k) <= layer[(unit, example)]).count()
            });
            *states.entry(bins.collect()).or_default() += 1;
        }
        let n = f64::from(examples.n as u32);
        let entropy: f64 = states.values().map(|&c| f64::from(c) / n * libm::log2(n / f64::from(c))).sum();
        let value = got[0][0].information[0].i_xt.unwrap();
        // An activation may lie on an edge to the last bit.
        assert!((value - entropy).abs() < 0.02, "{value} {entropy}");
        let edge = &got[0][1].information[0];
        assert!(edge.i_xt.unwrap() > 0.5 && edge.i_ty.unwrap() > 0.0);
    }
}

//! Information of all layers at one epoch, from a parameter vector: the forward pass, then every estimator asked for.

use ndarray::{ArrayView2, ShapeBuilder};

use crate::estimate::bins::Range;
use crate::estimate::spec::EstimatorSpec;
use crate::estimate::weighted::WeightedBinning;
use crate::estimate::{Classes, EstimateError, Estimator, Information, Sample, Scratch};
use crate::grid::plan::Measure;
use crate::math::exec::Exec;
use crate::math::simd::{Block, LANES, blocks, flat, flat_mut};
use crate::store::records::MeasureRow;
use crate::train::data::{Dataset, Examples};
use crate::train::network::{Activations, Network};
use crate::train::spec::Split;

/// A measurement that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("{estimator} of layer {layer} at epoch {epoch} on {}", .split.name())]
pub struct MeasureError {
    estimator: &'static str,
    layer: usize,
    epoch: i64,
    split: Split,
    source: EstimateError,
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
                let refuse = |source| MeasureError { estimator: "activation", layer, epoch, split, source };
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

    /// Rows of every measurement at one epoch, a list a measurement, layer after layer.
    ///
    /// # Errors
    /// [`MeasureError`] where an activation is not finite.
    pub fn at(
        &self,
        exec: Exec,
        epoch: i64,
        parameters: &[f32],
        space: &mut Space,
    ) -> Result<Vec<Vec<MeasureRow>>, MeasureError> {
        let mut rows = vec![Vec::with_capacity(self.network.layers.len()); self.measures.len()];
        for (place, (&split, classes)) in Split::ALL.iter().zip(&self.classes).enumerate() {
            let Some(classes) = classes else { continue };
            let examples = self.data.examples(split);
            self.network.activations(exec, parameters, examples, &mut space.activations);
            space.edges.resize_with(self.measures.len(), Activations::default);
            for ((measure, edges), out) in self.measures.iter().zip(&self.edges).zip(&mut space.edges) {
                if let Some(edges) = edges.as_ref().filter(|_| measure.split == split) {
                    self.network.activations(exec, parameters, edges, out);
                }
            }
            for (layer, values) in space.activations.layers().enumerate() {
                let refuse = |estimator, source| MeasureError { estimator, layer, epoch, split, source };
                let sample = Sample::new(values, classes).and_then(|sample| match self.wants_inputs {
                    true => sample.with_inputs(inputs_of(examples)),
                    false => Ok(sample),
                });
                let mut sample = sample.map_err(|source| refuse("activation", source))?;
                if let Some(range) = self.ranges.as_ref().and_then(|ranges| ranges.0[place].get(layer)) {
                    sample = sample.with_range(*range);
                }
                for (index, (measure, rows)) in self.measures.iter().zip(&mut rows).enumerate() {
                    if measure.split != split {
                        continue;
                    }
                    let estimator = &measure.estimator;
                    let carried = match self.edges[index] {
                        Some(_) => space.edges[index].layers().nth(layer).map_or(Ok(sample), |edges| sample.with_edges(edges)),
                        None => Ok(sample),
                    };
                    let information = carried.and_then(|sample| estimator.information(&sample, exec, &mut space.scratch));
                    let Information { i_xt, i_ty } = information.map_err(|source| refuse(estimator.name(), source))?;
                    rows.push(MeasureRow { epoch, layer: layer as u32, i_xt, i_ty });
                }
            }
        }
        Ok(rows)
    }
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

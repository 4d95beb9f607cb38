//! Whole-split inference: activations of every layer, loss and accuracy. No dropout; normalisation by moving averages.

use ndarray::{ArrayView2, ShapeBuilder};

use super::activation::activate;
use super::data::Examples;
use super::dense::{Columns, Weights, product};
use super::network::{Layer, Network};
use super::normalise::{self, Units};
use super::readout::{Score, softmax};
use super::spec::{Activation, Loss};
use super::step::gather;
use super::{maxout, prelu};
use crate::math::exec::Exec;
use crate::math::simd::{Block, LANES, blocks, flat};

/// Blocks of examples that inference takes through the whole network at once: activations of a small network then stay in the cache.
const INFERENCE_BLOCKS: usize = 32;
/// Blocks at once where several threads share them out, and the inputs must be gathered: bounds the memory that takes.
const GATHERED_BLOCKS: usize = 512;

impl Network {
    /// Activations of every layer on all examples, those of the readout as its loss has them: probabilities or plain outputs.
    pub fn activations(&self, exec: Exec, parameters: &[f32], examples: &Examples, out: &mut Activations) {
        self.infer(exec, parameters, examples, out, self.loss == Loss::CategoricalCrossentropy);
    }

    /// Loss and accuracy summed over all examples, whose classes have these values; penalties not counted.
    pub fn score(
        &self,
        exec: Exec,
        parameters: &[f32],
        examples: &Examples,
        class_values: &[f64],
        scratch: &mut Activations,
    ) -> Score {
        self.infer(exec, parameters, examples, scratch, false);
        let mut score = Score::default();
        if let Some(outputs) = scratch.layers.last() {
            score.add(self.loss, outputs, scratch.stride, &examples.labels, class_values);
        }
        score
    }

    /// Forward pass over all examples, a few blocks at a time through all layers.
    fn infer(&self, exec: Exec, parameters: &[f32], examples: &Examples, out: &mut Activations, probabilities: bool) {
        // A large layer wants all examples at once, to share them out over the threads.
        let gathers = examples.columns.is_empty();
        let step = match exec.parallel {
            true if gathers => GATHERED_BLOCKS.min(blocks(examples.n)),
            true => blocks(examples.n),
            false => INFERENCE_BLOCKS,
        };
        out.shape(self, examples.n, step);
        let stride = out.stride;
        for start in (0..stride).step_by(step.max(1)) {
            let nb = step.min(stride - start);
            if gathers {
                out.gather(exec, examples, start, nb);
            }
            for (index, layer) in self.layers.iter().enumerate() {
                let (before, rest) = out.layers.split_at_mut(index);
                let x = match before.last() {
                    None if gathers => Columns { data: &out.inputs, stride: nb },
                    None => Columns { data: examples.columns.get(start..).unwrap_or(&[]), stride },
                    Some(_) if self.layers[index - 1].mean_range().is_some() => Columns { data: &out.normal, stride: nb },
                    Some(previous) => Columns { data: previous.get(start..).unwrap_or(&[]), stride },
                };
                let y = &mut rest[0][start..];
                let (kernel, bias) = (layer.kernel(parameters), layer.bias(parameters));
                let weights = Weights::forward(kernel, layer.n_in);
                if index + 1 == self.layers.len() {
                    product(exec, weights, Some(bias), layer.n_in, x, nb, y, stride);
                    if probabilities {
                        softmax(exec.isa, y, stride, nb);
                    }
                    continue;
                }
                if matches!(self.activation, Activation::Prelu | Activation::Maxout) {
                    let z = &mut out.z[..layer.rows * nb];
                    product(exec, weights, Some(bias), layer.n_in, x, nb, z, nb);
                    self.unfold(exec, layer, parameters, z, nb, y, stride);
                } else {
                    product(exec, weights, Some(bias), layer.n_in, x, nb, y, stride);
                    y.chunks_mut(stride).for_each(|row| activate(exec, self.activation, &mut row[..nb]));
                }
                if let Some(units) = layer.averages(parameters) {
                    out.normal.resize(layer.n_out * nb, Block::default());
                    for (u, (a, to)) in y.chunks(stride).zip(out.normal.chunks_mut(nb)).enumerate() {
                        normalise::apply(exec.isa, units.unit(u), &a[..nb], to, nb);
                    }
                }
            }
        }
    }

    /// Activations from z where they are no functions of one value: unit by unit, since rows of the result lie apart.
    #[allow(clippy::too_many_arguments, reason = "two matrices of different strides")]
    fn unfold(&self, exec: Exec, layer: &Layer, parameters: &[f32], z: &[Block], nb: usize, y: &mut [Block], stride: usize) {
        let slopes = &parameters[layer.slope_range()];
        let pieces = layer.rows / layer.n_out;
        for (u, (z, row)) in z.chunks(pieces * nb).zip(y.chunks_mut(stride)).enumerate() {
            match slopes.get(u..=u) {
                Some(slope) => prelu::forward(exec.isa, slope, z, &mut row[..nb], nb),
                None => maxout::forward(exec.isa, z, &mut row[..nb], nb),
            }
        }
    }
}

impl Layer {
    /// The layer's normalisation by moving averages, if there is one.
    fn averages<'a>(&self, parameters: &'a [f32]) -> Option<Units<'a>> {
        let (scale, mean) = (self.scale_range()?, self.mean_range()?);
        Some(Units {
            scale: &parameters[scale.clone()],
            shift: &parameters[scale.end..scale.end + self.n_out],
            mean: &parameters[mean.clone()],
            variance: &parameters[mean.end..mean.end + self.n_out],
        })
    }
}

/// Activations of all layers on one split; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    layers: Vec<Vec<Block>>,
    /// Of the layer at hand, [row][block of the step]: values before PReLU or maxout, and normalised values.
    z: Vec<Block>,
    normal: Vec<Block>,
    /// Inputs of the step, where the examples are not kept column by column, and which examples those are.
    inputs: Vec<Block>,
    members: Vec<u32>,
    stride: usize,
    n: usize,
}

impl Activations {
    /// Gathers the inputs of `nb` blocks of examples.
    fn gather(&mut self, exec: Exec, examples: &Examples, start: usize, nb: usize) {
        let first = start * LANES;
        self.members.clear();
        self.members.extend(first as u32..examples.n.min(first + nb * LANES) as u32);
        self.inputs.resize(examples.inputs * nb, Block::default());
        gather(exec, examples, &self.members, nb, &mut self.inputs);
    }

    fn shape(&mut self, network: &Network, n: usize, step: usize) {
        self.stride = blocks(n);
        self.n = n;
        self.layers.resize_with(network.layers.len(), Vec::new);
        for (values, layer) in self.layers.iter_mut().zip(&network.layers) {
            values.resize(layer.n_out * self.stride, Block::default());
        }
        if matches!(network.activation, Activation::Prelu | Activation::Maxout) {
            self.z.resize(network.most_rows() * step, Block::default());
        }
    }

    /// Each layer's activations, units × examples, rows contiguous; the last is the readout's.
    ///
    /// # Panics
    /// Never: the views lie within their blocks by construction.
    pub fn layers(&self) -> impl Iterator<Item = ArrayView2<'_, f32>> {
        self.layers.iter().map(|values| {
            let row = self.stride * LANES;
            let units = values.len().checked_div(self.stride).unwrap_or(0);
            ArrayView2::from_shape((units, self.n).strides((row, 1)), flat(values))
                .expect("rows of `stride` blocks hold n values")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::Isa;
    use crate::train::data::Dataset;
    use crate::train::spec::{DatasetName, Split, TrainingSpec};

    #[test]
    fn gathered_inputs_give_the_same_bits() {
        let data = Dataset::load(DatasetName::HarmonicsZeroMean, 0);
        for architecture in [vec![], vec![7, 3]] {
            let spec = TrainingSpec { architecture, ..TrainingSpec::default() };
            let network = Network::new(&spec, data.inputs(), data.n_classes);
            let parameters = network.initial_parameters(4, 0.1);
            for split in [Split::Train, Split::Test] {
                let kept = data.examples(split);
                let gathered = Examples { columns: Vec::new(), ..kept.clone() };
                for isa in Isa::available() {
                    for parallel in [false, true] {
                        let exec = Exec { isa, parallel };
                        let values = |examples: &Examples| {
                            let mut out = Activations::default();
                            network.activations(exec, &parameters, examples, &mut out);
                            out.layers().map(|layer| layer.to_owned()).collect::<Vec<_>>()
                        };
                        assert_eq!(values(kept), values(&gathered), "{split:?} {}", isa.name());
                    }
                }
            }
        }
    }
}

//! A dense feedforward network: its layout in one flat parameter vector, its initial weights, and whole-split inference.

use ndarray::{ArrayView2, ShapeBuilder};

use super::activation::activate;
use super::data::Examples;
use super::dense::{Columns, Weights, product};
use super::readout::{Score, softmax};
use super::spec::{Activation, TrainingSpec};
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, LANES, blocks, flat};

/// Blocks of examples that inference takes through the whole network at once: activations of a small network then stay in the cache.
const INFERENCE_BLOCKS: usize = 32;

/// Shape of one dense layer and where its parameters lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Inputs.
    pub n_in: usize,
    /// Units.
    pub n_out: usize,
    /// First parameter: the kernel, [unit][input], then the biases.
    offset: usize,
}

impl Layer {
    /// The layer's kernel, units × inputs, within the flat parameters.
    #[must_use]
    pub fn kernel<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        &parameters[self.offset..self.offset + self.n_in * self.n_out]
    }

    /// The layer's biases within the flat parameters.
    #[must_use]
    pub fn bias<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        let start = self.offset + self.n_in * self.n_out;
        &parameters[start..start + self.n_out]
    }

    /// The layer's kernel and biases, mutable.
    pub fn kernel_and_bias<'a>(&self, parameters: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        let weights = self.n_in * self.n_out;
        parameters[self.offset..self.offset + weights + self.n_out].split_at_mut(weights)
    }
}

/// Architecture of a network; parameters are kept apart, in one flat vector (layer after layer: kernel, then biases).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Hidden layers, then the softmax readout.
    pub layers: Vec<Layer>,
    /// Activation of the hidden layers.
    pub activation: Activation,
}

impl Network {
    /// The network of `spec` for data with that many inputs and classes.
    #[must_use]
    pub fn new(spec: &TrainingSpec, inputs: usize, n_classes: usize) -> Self {
        let (mut n_in, mut offset) = (inputs, 0);
        let widths = spec.architecture.iter().map(|&units| units as usize).chain([n_classes]);
        let layers = widths.map(|n_out| {
            let layer = Layer { n_in, n_out, offset };
            offset += (n_in + 1) * n_out;
            n_in = n_out;
            layer
        });
        Self { layers: layers.collect(), activation: spec.activation }
    }

    /// Number of parameters.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.layers.iter().map(|l| (l.n_in + 1) * l.n_out).sum()
    }

    /// Units of the widest layer.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.layers.iter().map(|l| l.n_out).max().unwrap_or(0)
    }

    /// Initial parameters: hidden kernels from a normal distribution of σ = 1/√units truncated at ±2σ (σ before truncation), the
    /// readout's Glorot uniform; hidden biases `initial_bias`, the readout's 0.
    #[must_use]
    pub fn initial_parameters(&self, seed: u64, initial_bias: f64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.n_parameters()];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::Init, index as u64);
            let readout = index + 1 == self.layers.len();
            let (kernel, bias) = layer.kernel_and_bias(&mut parameters);
            if readout {
                let limit = (6.0 / (layer.n_in + layer.n_out) as f64).sqrt();
                kernel.fill_with(|| (limit * (2.0 * stream.uniform() - 1.0)) as f32);
            } else {
                let sigma = 1.0 / (layer.n_out as f64).sqrt();
                kernel.fill_with(|| (sigma * truncated_normal(&mut stream)) as f32);
                bias.fill(initial_bias as f32);
            }
        }
        parameters
    }

    /// Index of the first layer with a parameter that is not finite.
    #[must_use]
    pub fn first_not_finite(&self, parameters: &[f32]) -> Option<usize> {
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        self.layers.iter().position(|l| !finite(l.kernel(parameters)) || !finite(l.bias(parameters)))
    }

    /// Activations of every layer on all examples, the readout's as probabilities.
    pub fn activations(&self, exec: Exec, parameters: &[f32], examples: &Examples, out: &mut Activations) {
        self.infer(exec, parameters, examples, out, true);
    }

    /// Loss and accuracy summed over all examples, in inference mode.
    pub fn score(&self, exec: Exec, parameters: &[f32], examples: &Examples, scratch: &mut Activations) -> Score {
        self.infer(exec, parameters, examples, scratch, false);
        let mut score = Score::default();
        if let Some(logits) = scratch.layers.last() {
            score.add(logits, scratch.stride, &examples.labels);
        }
        score
    }

    /// Forward pass over all examples, a few blocks at a time through all layers.
    fn infer(&self, exec: Exec, parameters: &[f32], examples: &Examples, out: &mut Activations, probabilities: bool) {
        out.shape(self, examples.n);
        let stride = out.stride;
        // A large layer wants all examples at once, to share them out over the threads.
        let step = if exec.parallel { stride } else { INFERENCE_BLOCKS };
        for start in (0..stride).step_by(step.max(1)) {
            let nb = step.min(stride - start);
            for (index, layer) in self.layers.iter().enumerate() {
                let (before, rest) = out.layers.split_at_mut(index);
                let x = before.last().map_or(&examples.columns[..], |previous| &previous[..]);
                let (x, y) = (Columns { data: x.get(start..).unwrap_or(&[]), stride }, &mut rest[0][start..]);
                let (kernel, bias) = (layer.kernel(parameters), layer.bias(parameters));
                product(exec, Weights::forward(kernel, layer.n_in), Some(bias), layer.n_in, x, nb, y, stride);
                if index + 1 < self.layers.len() {
                    y.chunks_mut(stride).for_each(|row| activate(exec.isa, self.activation, &mut row[..nb]));
                } else if probabilities {
                    softmax(exec.isa, y, stride, nb);
                }
            }
        }
    }
}

/// A standard normal number within ±2, by rejection.
fn truncated_normal(stream: &mut Stream) -> f64 {
    loop {
        let x = stream.normal();
        if x.abs() <= 2.0 {
            return x;
        }
    }
}

/// Activations of all layers on one split; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    layers: Vec<Vec<Block>>,
    stride: usize,
    n: usize,
}

impl Activations {
    fn shape(&mut self, network: &Network, n: usize) {
        self.stride = blocks(n);
        self.n = n;
        self.layers.resize_with(network.layers.len(), Vec::new);
        for (values, layer) in self.layers.iter_mut().zip(&network.layers) {
            values.resize(layer.n_out * self.stride, Block::default());
        }
    }

    /// Each layer's activations, units × examples, rows contiguous; the last is the readout's probabilities.
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

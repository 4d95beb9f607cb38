//! One batch through the network: gather, forward, backward. No allocation after the workspace is made, but for panels of large layers.

use rayon::prelude::*;

use super::data::Examples;
use super::dense::{Columns, Weights, product};
use super::dropout::Place;
use super::gradients::gradients;
use super::hidden::{Trace, backward, forward};
use super::network::Network;
use super::readout;
use super::spec::{Activation, Loss};
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd, blocks, flat_mut};

/// One batch: its examples, and where it stands in the training, which dropout depends on.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Where the examples are.
    pub examples: &'a Examples,
    /// Which of them; one may come twice.
    pub members: &'a [u32],
    /// The label as the data has it of each class.
    pub class_values: &'a [f64],
    /// The step.
    pub place: Place,
}

/// Scratch space for batches of up to a fixed number of examples.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Inputs of every layer, then the outputs of the readout, each [unit][block].
    values: Vec<Vec<Block>>,
    /// What is kept of every hidden layer.
    traces: Vec<Trace>,
    /// Deltas of the layer at hand and of the one before.
    deltas: [Vec<Block>; 2],
    /// One-hot labels, [class][block], or labels as the data has them.
    targets: Vec<Block>,
    /// 1/batch on examples, 0 on padding.
    weight: Vec<Block>,
    /// Share of the outputs of hidden layers that are dropped.
    dropout: f64,
}

impl Workspace {
    /// Scratch for batches of at most `batch` examples.
    #[must_use]
    pub fn new(network: &Network, dropout: f64, batch: usize) -> Self {
        let nb = blocks(batch);
        let space = |units: usize| vec![Block::default(); units * nb];
        let first = network.layers.first().map_or(0, |l| l.n_in);
        let classes = network.layers.last().map_or(0, |l| l.n_out);
        let hidden = &network.layers[..network.layers.len() - 1];
        Self {
            values: std::iter::once(first).chain(network.layers.iter().map(|l| l.n_out)).map(space).collect(),
            traces: hidden.iter().map(|layer| Trace::new(network.activation, layer, dropout > 0.0, nb)).collect(),
            deltas: [space(network.most_rows()), space(network.most_rows())],
            targets: space(classes),
            weight: space(1),
            dropout,
        }
    }

    /// Gradient of the mean loss over a batch by all trained parameters, into `gradient` (laid out as the parameters), as in training:
    /// with dropout, normalised by the batch.
    pub fn gradient(&mut self, exec: Exec, network: &Network, parameters: &[f32], batch: &Batch<'_>, gradient: &mut [f32]) {
        let nb = blocks(batch.members.len());
        self.gather(exec, network.loss, batch, nb);
        self.forward(exec, network, parameters, batch.place, nb);
        self.backward(exec, network, parameters, nb, gradient);
    }

    /// Moves the moving averages of all normalisations towards the moments of the last batch.
    pub fn update_averages(&self, network: &Network, parameters: &mut [f32]) {
        for (layer, trace) in network.layers.iter().zip(&self.traces) {
            trace.update_averages(layer, parameters);
        }
    }

    /// Copies the batch into columns; lanes beyond it become 0.
    fn gather(&mut self, exec: Exec, loss: Loss, batch: &Batch<'_>, nb: usize) {
        let (examples, members) = (batch.examples, batch.members);
        gather(exec, examples, members, nb, &mut self.values[0]);
        self.targets.fill(Block::default());
        let targets = flat_mut(&mut self.targets);
        for (e, &member) in members.iter().enumerate() {
            let class = examples.labels[member as usize] as usize;
            match loss {
                Loss::CategoricalCrossentropy => targets[class * nb * LANES + e] = 1.0,
                Loss::MeanSquaredError => targets[e] = batch.class_values[class] as f32,
            }
        }
        let weight = flat_mut(&mut self.weight);
        weight.fill(0.0);
        weight[..members.len()].fill(1.0 / members.len() as f32);
    }

    fn forward(&mut self, exec: Exec, network: &Network, parameters: &[f32], place: Place, nb: usize) {
        let last = network.layers.len() - 1;
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, after) = self.values.split_at_mut(index + 1);
            let x = Columns { data: &before[index], stride: nb };
            let y = &mut after[0][..layer.n_out * nb];
            if index < last {
                let dropout = (self.dropout > 0.0).then_some((place, index, self.dropout));
                let trace = &mut self.traces[index];
                forward(exec, network.activation, layer, parameters, trace, x, &self.weight[..nb], dropout, y);
            } else {
                let weights = Weights::forward(layer.kernel(parameters), layer.n_in);
                product(exec, weights, Some(layer.bias(parameters)), layer.n_in, x, nb, y, nb);
                if network.loss == Loss::CategoricalCrossentropy {
                    readout::softmax(exec.isa, y, nb, nb);
                }
            }
        }
    }

    fn backward(&mut self, exec: Exec, network: &Network, parameters: &[f32], nb: usize, gradient: &mut [f32]) {
        let last = network.layers.len() - 1;
        let [here, before] = &mut self.deltas;
        let outputs = network.layers[last].n_out * nb;
        here[..outputs].copy_from_slice(&self.values[last + 1][..outputs]);
        readout::delta(exec.isa, network.loss, &mut here[..outputs], &self.targets[..outputs], &self.weight, nb);
        for (index, layer) in network.layers.iter().enumerate().rev() {
            let (delta, input) = (Columns { data: here, stride: nb }, Columns { data: &self.values[index], stride: nb });
            let (kernel, bias) = layer.kernel_and_bias(gradient);
            gradients(exec, delta, input, layer.n_in, nb, kernel, bias);
            if index > 0 {
                let to = &mut before[..layer.n_in * nb];
                product(exec, Weights::backward(layer.kernel(parameters), layer.n_in), None, layer.rows, delta, nb, to, nb);
                let (below, trace) = (&network.layers[index - 1], &self.traces[index - 1]);
                let outputs = &self.values[index][..layer.n_in * nb];
                backward(exec, network.activation, below, parameters, trace, outputs, &self.weight[..nb], to, gradient);
                if network.activation == Activation::Maxout {
                    trace.spread(exec.isa, below, to, &mut here[..below.rows * nb]);
                } else {
                    std::mem::swap(here, before);
                }
            }
        }
    }
}

/// Rows of examples to columns of a batch of `nb` blocks, [input][block]; lanes beyond the batch become 0.
pub(super) fn gather(exec: Exec, examples: &Examples, members: &[u32], nb: usize, to: &mut [Block]) {
    let values = examples.inputs * nb;
    let run = |part: usize, to: &mut [Block]| exec.isa.dispatch(Gather { examples, members, nb, part, to });
    match exec.part(values) {
        // Whole blocks of inputs, which are what a row is read by.
        Some(part) => {
            let parts = part.div_ceil(LANES * nb);
            let chunks = to[..values].par_chunks_mut(parts * LANES * nb).enumerate();
            chunks.for_each(|(index, to)| run(index * parts, to));
        }
        None => run(0, &mut to[..values]),
    }
}

/// Sixteen examples at a time: those inputs, from block `part` of a row on, that `to` has space for.
struct Gather<'a> {
    examples: &'a Examples,
    members: &'a [u32],
    nb: usize,
    part: usize,
    to: &'a mut [Block],
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        static EMPTY: Block = Block([0.0; LANES]);
        let row = blocks(self.examples.inputs);
        for (b, members) in self.members.chunks(LANES).enumerate() {
            for (part, to) in self.to.chunks_mut(LANES * self.nb).enumerate() {
                let mut from = [&EMPTY; LANES];
                for (from, &member) in from.iter_mut().zip(members) {
                    *from = &self.examples.rows[member as usize * row + self.part + part];
                }
                for (column, to) in s.transpose(from).into_iter().zip(to.chunks_mut(self.nb)) {
                    s.store(&mut to[b], column);
                }
            }
        }
    }
}

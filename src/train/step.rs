//! One batch through the network: gather, forward, backward. No allocation after the workspace is made.

use super::activation::{activate, chain};
use super::data::Examples;
use super::dense::{Columns, Weights, gradients, product};
use super::network::Network;
use super::readout;
use crate::math::exec::Exec;
use crate::math::simd::{Block, Isa, Kernel, LANES, Simd, blocks, flat_mut};

/// Scratch space for batches of up to a fixed number of examples.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Inputs, then the activations of every layer, each [unit][block].
    values: Vec<Vec<Block>>,
    /// Deltas of the layer at hand and of the one before.
    deltas: [Vec<Block>; 2],
    /// One-hot labels, [class][block].
    targets: Vec<Block>,
    /// 1/batch on examples, 0 on padding.
    weight: Vec<Block>,
}

impl Workspace {
    /// Scratch for batches of at most `batch` examples.
    #[must_use]
    pub fn new(network: &Network, batch: usize) -> Self {
        let nb = blocks(batch);
        let space = |units: usize| vec![Block::default(); units * nb];
        let first = network.layers.first().map_or(0, |l| l.n_in);
        let classes = network.layers.last().map_or(0, |l| l.n_out);
        Self {
            values: std::iter::once(first).chain(network.layers.iter().map(|l| l.n_out)).map(space).collect(),
            deltas: [space(network.widest()), space(network.widest())],
            targets: space(classes),
            weight: space(1),
        }
    }

    /// Gradient of the mean loss over the examples `members` by all parameters, into `gradient` (laid out as the parameters).
    pub fn gradient(
        &mut self,
        exec: Exec,
        network: &Network,
        parameters: &[f32],
        examples: &Examples,
        members: &[u32],
        gradient: &mut [f32],
    ) {
        let nb = blocks(members.len());
        self.gather(exec.isa, examples, members, nb);
        self.forward(exec, network, parameters, nb);
        self.backward(exec, network, parameters, nb, gradient);
    }

    /// Copies the batch into columns; lanes beyond it become 0.
    fn gather(&mut self, isa: Isa, examples: &Examples, members: &[u32], nb: usize) {
        isa.dispatch(Gather { examples, members, nb, to: &mut self.values[0] });
        self.targets.fill(Block::default());
        let targets = flat_mut(&mut self.targets);
        for (e, &member) in members.iter().enumerate() {
            targets[examples.labels[member as usize] as usize * nb * LANES + e] = 1.0;
        }
        let weight = flat_mut(&mut self.weight);
        weight.fill(0.0);
        weight[..members.len()].fill(1.0 / members.len() as f32);
    }

    fn forward(&mut self, exec: Exec, network: &Network, parameters: &[f32], nb: usize) {
        let last = network.layers.len() - 1;
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, after) = self.values.split_at_mut(index + 1);
            let x = Columns { data: &before[index], stride: nb };
            let y = &mut after[0][..layer.n_out * nb];
            let (kernel, bias) = (layer.kernel(parameters), layer.bias(parameters));
            product(exec, Weights::forward(kernel, layer.n_in), Some(bias), layer.n_in, x, nb, y, nb);
            if index < last {
                activate(exec.isa, network.activation, y);
            } else {
                readout::softmax(exec.isa, y, nb, nb);
            }
        }
    }

    fn backward(&mut self, exec: Exec, network: &Network, parameters: &[f32], nb: usize, gradient: &mut [f32]) {
        let last = network.layers.len() - 1;
        let [here, before] = &mut self.deltas;
        let classes = network.layers[last].n_out;
        here[..classes * nb].copy_from_slice(&self.values[last + 1][..classes * nb]);
        readout::delta(exec.isa, &mut here[..classes * nb], &self.targets[..classes * nb], &self.weight, nb, nb);
        for (index, layer) in network.layers.iter().enumerate().rev() {
            let (delta, input) = (Columns { data: here, stride: nb }, Columns { data: &self.values[index], stride: nb });
            let (kernel, bias) = layer.kernel_and_bias(gradient);
            gradients(exec, delta, input, layer.n_in, nb, kernel, bias);
            if index > 0 {
                let to = &mut before[..layer.n_in * nb];
                product(exec, Weights::backward(layer.kernel(parameters), layer.n_in), None, layer.n_out, delta, nb, to, nb);
                chain(exec.isa, network.activation, &self.values[index][..layer.n_in * nb], to);
                std::mem::swap(here, before);
            }
        }
    }
}

/// Rows of examples to columns of a batch, sixteen examples at a time.
struct Gather<'a> {
    examples: &'a Examples,
    members: &'a [u32],
    nb: usize,
    to: &'a mut [Block],
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        static EMPTY: Block = Block([0.0; LANES]);
        let row = blocks(self.examples.inputs);
        for (b, members) in self.members.chunks(LANES).enumerate() {
            for part in 0..row {
                let mut from = [&EMPTY; LANES];
                for (to, &member) in from.iter_mut().zip(members) {
                    *to = &self.examples.rows[member as usize * row + part];
                }
                let columns = s.transpose(from);
                let inputs = (self.examples.inputs - part * LANES).min(LANES);
                for (i, column) in columns.into_iter().take(inputs).enumerate() {
                    s.store(&mut self.to[(part * LANES + i) * self.nb + b], column);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::train::data::Dataset;
    use crate::train::reference;
    use crate::train::spec::{Activation, DatasetName, Split, TrainingSpec};

    /// Gradients of many shapes, activations and batches against the plain f64 network, whose own gradient is checked by differences.
    #[test]
    fn gradients_equal_the_reference_on_every_path() {
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let examples = data.examples(Split::Train);
        let architectures: [&[u32]; 6] = [&[], &[1], &[10, 7, 5, 4, 3], &[1, 1, 1, 1], &[37, 130, 17], &[16, 33]];
        for &activation in Activation::ALL {
            for architecture in architectures {
                let spec = TrainingSpec {
                    architecture: architecture.to_vec(),
                    activation,
                    initial_bias: 0.1,
                    ..TrainingSpec::default()
                };
                let network = Network::new(&spec, examples.inputs, data.n_classes);
                let parameters = network.initial_parameters(3, spec.initial_bias);
                for batch in [1, 15, 16, 17, 205, 256, 300] {
                    let mut members: Vec<u32> = (0..examples.n as u32).collect();
                    Stream::new(batch as u64, Purpose::Shuffle, 0).shuffle(&mut members);
                    members.truncate(batch);
                    let plain = reference::gradient(&network, &parameters, examples, &members);
                    let mut first: Option<Vec<f32>> = None;
                    for isa in Isa::available() {
                        let mut gradient = vec![0.0; network.n_parameters()];
                        let mut workspace = Workspace::new(&network, batch);
                        let exec = Exec { isa, parallel: false };
                        workspace.gradient(exec, &network, &parameters, examples, &members, &mut gradient);
                        let scale = plain.iter().fold(1e-3f64, |m, g| m.max(g.abs()));
                        for (got, want) in gradient.iter().zip(&plain) {
                            let error = (f64::from(*got) - want).abs();
                            assert!(error < 1e-5 * scale, "{activation:?} {architecture:?} {batch}: {got} {want}");
                        }
                        assert_eq!(first.get_or_insert_with(|| gradient.clone()), &gradient, "{}", isa.name());
                    }
                }
            }
        }
    }
}

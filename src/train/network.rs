//! A dense feedforward network: its layout in one flat parameter vector, and its initial weights.

pub use super::inference::Activations;
use super::init;
use super::spec::{Activation, Initializer, Loss, Model, TrainingSpec};
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{LANES, blocks};

/// Initial slope of a PReLU unit below 0 (He et al. 2015).
const INITIAL_SLOPE: f32 = 0.25;

/// Shape of one dense layer and where its parameters lie: the kernel, `[row][input]`, the biases, then, where the layer has them, the slopes
/// of PReLU and the scales and shifts of its normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Inputs.
    pub n_in: usize,
    /// Units.
    pub n_out: usize,
    /// Rows of the kernel: one a unit, or one a piece of a maxout unit, the pieces of a unit together.
    pub rows: usize,
    /// Whether every unit has a learned slope below 0.
    pub sloped: bool,
    /// First parameter.
    offset: usize,
    /// First moving average of the normalisation, if there is one: the means, then the variances.
    statistics: Option<usize>,
}

impl Layer {
    /// The layer's kernel, rows × inputs, within the flat parameters.
    #[must_use]
    pub fn kernel<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        &parameters[self.kernel_range()]
    }

    /// Where the kernel lies.
    #[must_use]
    pub const fn kernel_range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.rows * self.n_in
    }

    /// The layer's biases within the flat parameters.
    #[must_use]
    pub fn bias<'a>(&self, parameters: &'a [f32]) -> &'a [f32] {
        let start = self.kernel_range().end;
        &parameters[start..start + self.rows]
    }

    /// The layer's kernel and biases, mutable.
    pub fn kernel_and_bias<'a>(&self, parameters: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        let weights = self.rows * self.n_in;
        parameters[self.offset..self.offset + weights + self.rows].split_at_mut(weights)
    }

    /// Where the slopes of PReLU lie; empty where there are none.
    #[must_use]
    pub const fn slope_range(&self) -> std::ops::Range<usize> {
        let start = self.offset + self.rows * (self.n_in + 1);
        start..start + if self.sloped { self.n_out } else { 0 }
    }

    /// Where the normalisation's scales lie, if there is one; its shifts follow.
    #[must_use]
    pub fn scale_range(&self) -> Option<std::ops::Range<usize>> {
        let start = self.slope_range().end;
        self.statistics.map(|_| start..start + self.n_out)
    }

    /// Where the normalisation's moving means lie, if there is one; its moving variances follow.
    #[must_use]
    pub fn mean_range(&self) -> Option<std::ops::Range<usize>> {
        self.statistics.map(|start| start..start + self.n_out)
    }

    /// Number of trained parameters.
    const fn n_trained(&self) -> usize {
        let normalisation = if self.statistics.is_some() { 2 * self.n_out } else { 0 };
        self.slope_range().end - self.offset + normalisation
    }
}

/// Architecture of a network. Parameters are kept apart, in one flat vector: what is trained, layer after layer; then, from the next whole
/// block on, the moving averages of normalisations, which no optimizer touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Hidden layers, then the readout.
    pub layers: Vec<Layer>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// What is minimised; decides what the readout is.
    pub loss: Loss,
    initializer: Initializer,
}

impl Network {
    /// The network of `spec` for data with that many inputs and classes.
    #[must_use]
    pub fn new(spec: &TrainingSpec, inputs: usize, n_classes: usize) -> Self {
        let pieces = if spec.activation == Activation::Maxout { spec.maxout_pieces as usize } else { 1 };
        let (mut n_in, mut offset) = (inputs, 0);
        let hidden = spec.architecture.len();
        let outputs = if spec.loss == Loss::MeanSquaredError { 1 } else { n_classes };
        let widths = spec.architecture.iter().map(|&units| units as usize).chain([outputs]);
        let mut layers: Vec<Layer> = widths
            .enumerate()
            .map(|(index, n_out)| {
                let is_hidden = index < hidden;
                let rows = if is_hidden { pieces * n_out } else { n_out };
                let sloped = is_hidden && spec.activation == Activation::Prelu;
                let normalised = is_hidden && spec.model == Model::FeedforwardBatchnorm;
                let layer = Layer { n_in, n_out, rows, sloped, offset, statistics: normalised.then_some(0) };
                (n_in, offset) = (n_out, offset + layer.n_trained());
                layer
            })
            .collect();
        let mut statistics = blocks(offset) * LANES;
        for layer in layers.iter_mut().filter(|layer| layer.statistics.is_some()) {
            layer.statistics = Some(statistics);
            statistics += 2 * layer.n_out;
        }
        Self { layers, activation: spec.activation, loss: spec.loss, initializer: spec.kernel_initializer }
    }

    /// Number of trained parameters: the first of the vector.
    #[must_use]
    pub fn n_trained(&self) -> usize {
        self.layers.iter().map(Layer::n_trained).sum()
    }

    /// Where the trained parameters of each layer lie, side by side from the first parameter on.
    #[must_use]
    pub fn layer_ranges(&self) -> Vec<std::ops::Range<usize>> {
        self.layers.iter().map(|layer| layer.offset..layer.offset + layer.n_trained()).collect()
    }

    /// Length of the parameter vector.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        let ends = self.layers.iter().filter_map(|layer| layer.statistics.map(|start| start + 2 * layer.n_out));
        ends.max().unwrap_or_else(|| self.n_trained())
    }

    /// Units of the widest layer.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.layers.iter().map(|l| l.n_out).max().unwrap_or(0)
    }

    /// Rows of the largest kernel.
    #[must_use]
    pub fn most_rows(&self) -> usize {
        self.layers.iter().map(|l| l.rows).max().unwrap_or(0)
    }

    /// Initial parameters: hidden kernels as the initialiser has them, the readout's Glorot uniform; hidden biases `initial_bias`, the
    /// readout's 0; slopes 0.25; scales 1, shifts 0, moving means 0, moving variances 1.
    #[must_use]
    pub fn initial_parameters(&self, seed: u64, initial_bias: f64) -> Vec<f32> {
        let mut parameters = vec![0.0; self.n_parameters()];
        for (index, layer) in self.layers.iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::Init, index as u64);
            let readout = index + 1 == self.layers.len();
            let (kernel, bias) = layer.kernel_and_bias(&mut parameters);
            let initializer = if readout { Initializer::GlorotUniform } else { self.initializer };
            init::fill(initializer, &mut stream, layer.n_in, layer.n_out, kernel);
            if !readout {
                bias.fill(initial_bias as f32);
            }
            parameters[layer.slope_range()].fill(INITIAL_SLOPE);
            if let (Some(scale), Some(mean)) = (layer.scale_range(), layer.mean_range()) {
                parameters[scale].fill(1.0);
                parameters[mean.end..mean.end + layer.n_out].fill(1.0);
            }
        }
        parameters
    }

    /// Index of the first layer with a parameter that is not finite, and which of its parameters that is.
    #[must_use]
    pub fn first_not_finite(&self, parameters: &[f32]) -> Option<(usize, &'static str)> {
        let broken = |values: &[f32]| values.iter().any(|v| !v.is_finite());
        self.layers.iter().enumerate().find_map(|(index, layer)| {
            let normalisation = layer.scale_range().map_or(0..0, |scale| scale.start..scale.end + layer.n_out);
            let averages = layer.mean_range().map_or(0..0, |mean| mean.start..mean.end + layer.n_out);
            let parts = [
                ("kernel", layer.kernel(parameters)),
                ("bias", layer.bias(parameters)),
                ("slope", &parameters[layer.slope_range()]),
                ("normalisation", &parameters[normalisation]),
                ("moving average", &parameters[averages]),
            ];
            parts.into_iter().find(|(_, values)| broken(values)).map(|(what, _)| (index, what))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lie_side_by_side_and_averages_apart() {
        let spec = TrainingSpec {
            architecture: vec![10, 3],
            activation: Activation::Prelu,
            model: Model::FeedforwardBatchnorm,
            ..TrainingSpec::default()
        };
        let network = Network::new(&spec, 12, 2);
        // Kernel, bias, slope, scale, shift of both hidden layers, then the readout.
        let trained = 10 * 12 + 4 * 10 + 3 * 10 + 4 * 3 + 2 * 3 + 2;
        assert_eq!(network.n_trained(), trained);
        assert_eq!(network.layer_ranges(), [0..160, 160..202, 202..210]);
        assert_eq!(network.layers[0].mean_range(), Some(224..234));
        assert_eq!(network.n_parameters(), 224 + 2 * 13);
        let parameters = network.initial_parameters(0, 0.5);
        for layer in &network.layers[..2] {
            assert!(layer.bias(&parameters).iter().all(|b| *b == 0.5));
            assert!(parameters[layer.slope_range()].iter().all(|a| *a == INITIAL_SLOPE));
            let (scale, mean) = (layer.scale_range().unwrap(), layer.mean_range().unwrap());
            assert!(parameters[scale.clone()].iter().all(|g| *g == 1.0));
            assert!(parameters[scale.end..scale.end + layer.n_out].iter().all(|b| *b == 0.0));
            assert!(parameters[mean.clone()].iter().all(|m| *m == 0.0));
            assert!(parameters[mean.end..mean.end + layer.n_out].iter().all(|v| *v == 1.0));
        }
        assert_eq!(network.layers[2].slope_range().len(), 0);
        let mut broken = parameters;
        broken[230] = f32::NAN;
        assert_eq!(network.first_not_finite(&broken), Some((0, "moving average")));
        let maxout = TrainingSpec { activation: Activation::Maxout, maxout_pieces: 3, ..TrainingSpec::default() };
        let network = Network::new(&TrainingSpec { architecture: vec![4], ..maxout }, 12, 2);
        assert_eq!((network.layers[0].rows, network.n_parameters()), (12, 13 * 12 + 5 * 2));
    }
}

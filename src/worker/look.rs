//! Where the activations of a stored training lie, epoch by epoch: the forward pass over its snapshots, and counts in bins.

use crate::math::exec::Exec;
use crate::store::records::Training;
use crate::train::data::Dataset;
use crate::train::network::{Activations, Network};
use crate::train::spec::{Split, TrainingSpec};

/// Bins of a histogram.
pub const BINS: usize = 30;

/// Whose activations are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Those of a layer.
    Layers,
    /// Those of a neuron.
    Neurons,
}

/// Counts of one layer's or neuron's activations.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The layer; 0 is the first hidden one.
    pub layer: usize,
    /// The neuron of the layer, if it is one's alone.
    pub neuron: Option<usize>,
    /// The least and the largest activation over all epochs; the bins share this range equally.
    pub range: (f64, f64),
    /// Shares of the activations by epoch and bin.
    pub shares: Vec<[f64; BINS]>,
}

/// Histograms of a training's activations on one split, over its recorded epochs; `None` if its snapshots were not kept.
#[must_use]
pub fn histograms(
    spec: &TrainingSpec,
    training: &Training,
    data: &Dataset,
    split: Split,
    together: Together,
) -> Option<Vec<Histogram>> {
    let snapshots = training.snapshots.as_ref()?;
    let network = Network::new(spec, data.inputs(), data.n_classes);
    let mut found: Vec<Histogram> = Vec::new();
    for (layer, shape) in network.layers.iter().enumerate() {
        let neurons: Vec<Option<usize>> = match together {
            Together::Layers => vec![None],
            Together::Neurons => (0..shape.n_out).map(Some).collect(),
        };
        let range = (f64::INFINITY, f64::NEG_INFINITY);
        found.extend(neurons.into_iter().map(|neuron| Histogram { layer, neuron, range, shares: Vec::new() }));
    }
    // The ranges first: bins are the same for all epochs.
    let (exec, mut space) = (Exec::serial(), Activations::default());
    let mut each = |visit: &mut dyn FnMut(&mut Histogram, &mut dyn Iterator<Item = f64>)| {
        for parameters in &snapshots.parameters {
            network.activations(exec, parameters, data.examples(split), &mut space);
            let layers: Vec<_> = space.layers().collect();
            for histogram in &mut found {
                let values = layers[histogram.layer];
                match histogram.neuron {
                    None => visit(histogram, &mut values.iter().map(|&v| f64::from(v))),
                    Some(neuron) => visit(histogram, &mut values.row(neuron).iter().map(|&v| f64::from(v))),
                }
            }
        }
    };
    each(&mut |histogram, values| {
        for value in values.filter(|value| value.is_finite()) {
            histogram.range = (histogram.range.0.min(value), histogram.range.1.max(value));
        }
    });
    each(&mut |histogram, values| {
        let (low, high) = histogram.range;
        let mut counts = [0u64; BINS];
        for value in values.filter(|value| value.is_finite()) {
            let part = if high > low { (value - low) / (high - low) } else { 0.5 };
            counts[((part * BINS as f64) as usize).min(BINS - 1)] += 1;
        }
        let all = counts.iter().sum::<u64>().max(1) as f64;
        histogram.shares.push(counts.map(|count| count as f64 / all));
    });
    found.retain(|histogram| histogram.range.0 <= histogram.range.1);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::ids::Id;
    use crate::store::records::Snapshots;
    use crate::train::spec::DatasetName;

    fn training(spec: &TrainingSpec, data: &Dataset) -> Training {
        let network = Network::new(spec, data.inputs(), data.n_classes);
        let parameters = vec![network.initial_parameters(1, 0.0), network.initial_parameters(2, 0.0)];
        Training {
            id: Id([1; 16]),
            seed: 1,
            epochs: vec![0, 1],
            metrics: vec![],
            gradients: vec![],
            snapshots: Some(Snapshots { parameters }),
        }
    }

    #[test]
    fn shares_add_up_and_a_layer_is_the_mean_of_its_neurons() {
        let spec = TrainingSpec { architecture: vec![4, 3], ..TrainingSpec::default() };
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let training = training(&spec, &data);
        let layers = histograms(&spec, &training, &data, Split::Test, Together::Layers).unwrap();
        let neurons = histograms(&spec, &training, &data, Split::Test, Together::Neurons).unwrap();
        assert_eq!((layers.len(), neurons.len()), (3, 4 + 3 + 2));
        for histogram in layers.iter().chain(&neurons) {
            assert_eq!(histogram.shares.len(), 2);
            assert!(histogram.shares.iter().all(|shares| (shares.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        }
        for layer in &layers {
            let of = || neurons.iter().filter(|neuron| neuron.layer == layer.layer);
            let low = of().map(|neuron| neuron.range.0).fold(f64::INFINITY, f64::min);
            let high = of().map(|neuron| neuron.range.1).fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(layer.range, (low, high));
        }
        // tanh and probabilities stay within their ranges.
        assert!(layers[0].range.0 >= -1.0 && layers[2].range.0 >= 0.0 && layers[2].range.1 <= 1.0);
    }

    #[test]
    fn without_snapshots_there_is_nothing_to_look_at() {
        let spec = TrainingSpec::default();
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let training = Training { snapshots: None, ..training(&spec, &data) };
        assert_eq!(histograms(&spec, &training, &data, Split::Full, Together::Layers), None);
    }
}

//! Activations of a network at one epoch, for those who want to look at them: the forward pass from a snapshot.

use ndarray::Array2;

use super::data::{self, DataError};
use crate::math::exec::Exec;
use crate::train::inference::Activations;
use crate::train::network::Network;
use crate::train::spec::{Split, TrainingSpec};

/// Activations of some examples.
pub struct Activity {
    /// Of each layer, the readout last: examples × units.
    pub layers: Vec<Array2<f32>>,
    /// Class of each example, as the data has it.
    pub classes: Vec<f64>,
}

/// Activations of the first `most` test examples under these parameters.
///
/// # Errors
/// [`DataError`] if the data is not there any more.
pub fn of_test_examples(spec: &TrainingSpec, parameters: &[f32], most: usize) -> Result<Activity, DataError> {
    let data = data::load(&spec.dataset, spec.split_seed)?;
    let network = Network::new(spec, data.inputs(), data.n_classes);
    let (examples, mut activations) = (data.examples(Split::Test), Activations::default());
    network.activations(Exec::serial(), parameters, examples, &mut activations);
    let n = examples.n.min(most);
    let layers = activations.layers().map(|values| Array2::from_shape_fn((n, values.nrows()), |(e, unit)| values[[unit, e]]));
    let class = |label: &u32| data.class_values[*label as usize];
    Ok(Activity { layers: layers.collect(), classes: examples.labels.iter().take(n).map(class).collect() })
}

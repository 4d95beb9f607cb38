//! Information of all layers at one epoch, from a parameter vector: the forward pass, then every estimator asked for.

use crate::estimate::{Classes, EstimateError, Estimator, Information, Sample, Scratch};
use crate::grid::plan::Measure;
use crate::math::exec::Exec;
use crate::store::records::MeasureRow;
use crate::train::data::Dataset;
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
}

/// Scratch space of one thread.
#[derive(Default)]
pub struct Space {
    activations: Activations,
    scratch: Scratch,
}

impl<'a> Plan<'a> {
    /// Prepares the measurements `measures` of trainings of `network` on `data`.
    #[must_use]
    pub fn new(network: &'a Network, data: &'a Dataset, measures: &'a [Measure]) -> Self {
        let wanted = |split: &Split| measures.iter().any(|m| m.split == *split);
        let classes = Split::ALL.iter().map(|split| wanted(split).then(|| Classes::new(&data.examples(*split).labels)));
        Self { network, data, measures, classes: classes.collect() }
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
        for (&split, classes) in Split::ALL.iter().zip(&self.classes) {
            let Some(classes) = classes else { continue };
            self.network.activations(exec, parameters, self.data.examples(split), &mut space.activations);
            for (layer, values) in space.activations.layers().enumerate() {
                let refuse = |estimator, source| MeasureError { estimator, layer, epoch, split, source };
                let sample = Sample::new(values, classes).map_err(|source| refuse("activation", source))?;
                for (measure, rows) in self.measures.iter().zip(&mut rows).filter(|(m, _)| m.split == split) {
                    let estimator = &measure.estimator;
                    let information = estimator.information(&sample, exec, &mut space.scratch);
                    let information = information.map_err(|source| refuse(estimator.name(), source))?;
                    let Information { i_xt, i_ty } = information;
                    rows.push(MeasureRow { epoch, layer: layer as u32, i_xt, i_ty });
                }
            }
        }
        Ok(rows)
    }
}

//! Weighted binning: bins of the input, carried through the network.
//!
//! # Formula
//! K edges, equally spaced from the smallest input − 1 to the largest + 1, are points of the input space: edge k is the point with all
//! inputs equal to e_k. The network maps them like any example. Its activations of the K points, sorted unit by unit and padded with ±∞,
//! are the edges of the unit's bins, so a value is in the bin numbered by how many of them are ≤ it. The rest is as [`binning`].
//!
//! # Source
//! The project deep-bottleneck, notebook *Standard vs. weighted binning*: bins that are laid once, at the input, and then follow the weights,
//! so that a layer which only rescales its input neither gains nor loses information.
//!
//! # Assumptions
//! Inputs of one scale. It needs the weights, so it is for cohorts alone.
//!
//! # Cost
//! A forward pass of K points, and a search among K edges an activation.
//!
//! # Pitfalls
//! Edges that the network folds onto each other (saturation, ReLU) leave fewer bins; that is intended. Points with equal inputs lie on one
//! line through the input space, so units that do not respond along it get all their edges at one place.
//!
//! # Parameters
//! `edges`, 50 by default, as in the notebook.

use ndarray::ArrayView2;

use super::params::{Domain, parameters};
use super::{EstimateError, Estimator, Information, Sample, Scratch, binning};
use crate::math::exec::Exec;

parameters! {
    /// Weighted binning; see the module for the method.
    WeightedBinning {
        /// edges of the bins of the input
        edges: u32 = 50, Domain::Integer { min: 2, max: 100_000 };
    }
}

impl WeightedBinning {
    /// The edges at the input, `low` and `high` being the smallest and largest of all inputs: `numpy.linspace` in single precision.
    #[must_use]
    pub fn of_input(&self, low: f32, high: f32) -> Vec<f32> {
        let (low, high) = (f64::from(low) - 1.0, f64::from(high) + 1.0);
        let step = (high - low) / f64::from(self.edges - 1);
        (0..self.edges).map(|k| if k + 1 == self.edges { high } else { f64::from(k) * step + low } as f32).collect()
    }
}

impl Estimator for WeightedBinning {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        let edges = sample.edges().ok_or(EstimateError::NeedsWeights { estimator: "weighted_binning" })?;
        let mut indices = Vec::with_capacity(sample.units() * sample.examples());
        for (unit, edges) in edges.rows().into_iter().enumerate() {
            let mut edges = edges.to_vec();
            edges.sort_unstable_by(f32::total_cmp);
            indices.extend(sample.unit(unit).iter().map(|value| edges.partition_point(|edge| edge <= value) as f32));
        }
        let view = ArrayView2::from_shape((sample.units(), sample.examples()), &indices);
        let binned = Sample::new(view.map_err(|_| EstimateError::NotContiguous)?, sample.classes())?;
        binning::plug_in(&binned, 1.0, exec, scratch)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::estimate::Classes;

    #[test]
    fn a_layer_that_only_rescales_keeps_its_information() {
        let weighted = WeightedBinning { edges: 4 };
        assert_eq!(weighted.of_input(0.0, 1.0), [-1.0, 0.0, 1.0, 2.0]);
        let classes = Classes::new(&[0, 0, 1, 1]);
        for scale in [1.0_f32, 0.01, -3.0] {
            let values = array![[0.5 * scale, 0.25 * scale, 1.5 * scale, -0.5 * scale]];
            let edges = array![[-scale, 0.0, scale, 2.0 * scale]];
            let sample = Sample::new(values.view(), &classes).unwrap();
            let of = |sample: &Sample<'_>| weighted.information(sample, Exec::serial(), &mut Scratch::default());
            assert_eq!(of(&sample.with_edges(edges.view()).unwrap()), Ok(Information::both(1.5, 1.0)));
            assert!(of(&sample).is_err() && sample.with_edges(edges.t()).is_err());
        }
    }
}

//! What a hidden layer does between the values before it and those after it: product, activation, normalisation, dropout; and back.
//!
//! A plain layer writes its activations where the next layer reads them. What PReLU, maxout, normalisation and dropout need beside that is
//! kept in a [`Trace`], which is empty otherwise.

use super::activation::{activate, chain};
use super::dense::{Columns, Weights, product};
use super::dropout::{self, Place};
use super::network::Layer;
use super::normalise::{self, Units};
use super::spec::Activation;
use super::{maxout, prelu};
use crate::math::exec::Exec;
use crate::math::simd::{Block, Isa};

/// What the forward pass keeps of a hidden layer for the backward pass.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Values before PReLU or maxout, [row][block].
    z: Vec<Block>,
    /// Activations, where the next layer reads something else.
    a: Vec<Block>,
    /// What dropout multiplied by.
    mask: Vec<Block>,
    /// The batch's mean and biased variance of every unit, where they normalise.
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Trace {
    /// Space for batches of `nb` blocks.
    #[must_use]
    pub fn new(activation: Activation, layer: &Layer, drops: bool, nb: usize) -> Self {
        let space = |there: bool, rows: usize| vec![Block::default(); if there { rows * nb } else { 0 }];
        let normalised = layer.mean_range().is_some();
        let moments = vec![0.0; if normalised { layer.n_out } else { 0 }];
        Self {
            z: space(matches!(activation, Activation::Prelu | Activation::Maxout), layer.rows),
            a: space(normalised || drops, layer.n_out),
            mask: space(drops, layer.n_out),
            mean: moments.clone(),
            variance: moments,
        }
    }

    /// The layer's normalisation by the moments of the batch, if there is one.
    fn units<'a>(&'a self, layer: &Layer, parameters: &'a [f32]) -> Option<Units<'a>> {
        let scale = layer.scale_range()?;
        Some(Units {
            shift: &parameters[scale.end..scale.end + layer.n_out],
            scale: &parameters[scale],
            mean: &self.mean,
            variance: &self.variance,
        })
    }

    /// Moves the layer's moving averages towards the moments of the last batch.
    pub fn update_averages(&self, layer: &Layer, parameters: &mut [f32]) {
        if let Some(mean) = layer.mean_range() {
            normalise::follow(&mut parameters[mean.end..mean.end + layer.n_out], &self.variance);
            normalise::follow(&mut parameters[mean], &self.mean);
        }
    }

    /// δ of the pieces of maxout units from δ of the units.
    pub fn spread(&self, isa: Isa, layer: &Layer, delta: &[Block], to: &mut [Block]) {
        maxout::backward(isa, &self.z[..to.len()], delta, to, delta.len() / layer.n_out);
    }
}

/// From the values before a layer to those after it, in `y`; `weight` is 1/batch on examples and 0 on padding, a block each. Dropout is
/// told by where the step stands, the layer's number and the share.
#[allow(clippy::too_many_arguments, reason = "a layer, its space, what goes in and what comes out")]
pub fn forward(
    exec: Exec,
    activation: Activation,
    layer: &Layer,
    parameters: &[f32],
    trace: &mut Trace,
    x: Columns<'_>,
    weight: &[Block],
    dropout: Option<(Place, usize, f64)>,
    y: &mut [Block],
) {
    let nb = weight.len();
    let (weights, bias) = (Weights::forward(layer.kernel(parameters), layer.n_in), Some(layer.bias(parameters)));
    let plain = trace.a.is_empty();
    let a = if plain { &mut *y } else { &mut trace.a[..layer.n_out * nb] };
    match activation {
        Activation::Prelu | Activation::Maxout => {
            let z = &mut trace.z[..layer.rows * nb];
            product(exec, weights, bias, layer.n_in, x, nb, z, nb);
            if layer.sloped {
                prelu::forward(exec.isa, &parameters[layer.slope_range()], z, a, nb);
            } else {
                maxout::forward(exec.isa, z, a, nb);
            }
        }
        _ => {
            product(exec, weights, bias, layer.n_in, x, nb, a, nb);
            activate(exec, activation, a);
        }
    }
    if plain {
        return;
    }
    let a = &trace.a[..layer.n_out * nb];
    let normalised = layer.scale_range().is_some();
    if normalised {
        normalise::moments(exec.isa, a, weight, nb, &mut trace.mean, &mut trace.variance);
    }
    if let Some(units) = trace.units(layer, parameters) {
        normalise::apply(exec.isa, units, a, y, nb);
    }
    if let Some((place, index, share)) = dropout {
        let mask = &mut trace.mask[..layer.n_out * nb];
        dropout::fill(exec.isa, place, index, share, mask);
        if normalised {
            dropout::apply_to(exec.isa, mask, y);
        } else {
            dropout::apply(exec.isa, mask, &trace.a[..layer.n_out * nb], y);
        }
    }
}

/// Turns δ by the values after a layer into δ by those before its activation (for maxout, by the activations: [`Trace::spread`] does the
/// rest), and puts the derivatives by slopes, scales and shifts into `gradient`. `outputs` are the values after the layer.
#[allow(clippy::too_many_arguments, reason = "a layer, its space, what goes in and what comes out")]
pub fn backward(
    exec: Exec,
    activation: Activation,
    layer: &Layer,
    parameters: &[f32],
    trace: &Trace,
    outputs: &[Block],
    weight: &[Block],
    delta: &mut [Block],
    gradient: &mut [f32],
) {
    let n = delta.len();
    let a = if trace.a.is_empty() { outputs } else { &trace.a[..n] };
    if !trace.mask.is_empty() {
        dropout::apply_to(exec.isa, &trace.mask[..n], delta);
    }
    if let (Some(units), Some(scale)) = (trace.units(layer, parameters), layer.scale_range()) {
        let (scales, shifts) = gradient[scale.start..scale.end + layer.n_out].split_at_mut(layer.n_out);
        normalise::backward(exec.isa, units, a, weight, delta, scales, shifts);
    }
    match activation {
        Activation::Prelu => {
            let slopes = layer.slope_range();
            let z = &trace.z[..n];
            prelu::backward(exec.isa, &parameters[slopes.clone()], z, delta, weight.len(), &mut gradient[slopes]);
        }
        Activation::Maxout => {}
        _ => chain(exec, activation, a, delta),
    }
}

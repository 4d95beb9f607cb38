//! The slow, plain network in f64 that the kernels are compared with, its own comparisons with central
//! differences and with PyTorch, and theirs with it.
//! Tests only.

mod differences;
mod network;
mod pytorch;
mod single;
mod step;

use super::spec::{Activation, Loss, Model};
pub use network::{Plain, activation, gradient, inputs, labels, loss, masks};
pub use step::{OptimizerState, Training};

/// Every activation that can be trained, model and loss.
pub fn kinds() -> Vec<(Activation, Model, Loss)> {
    let activations = Activation::ALL.iter().copied().filter(|activation| *activation != Activation::Step);
    let models = |activation| Model::ALL.iter().map(move |&model| (activation, model));
    let losses = |(activation, model)| Loss::ALL.iter().map(move |&loss| (activation, model, loss));
    activations.flat_map(models).flat_map(losses).collect()
}

/// Cases of a property at most, `usual` unless the environment asks for more.
pub fn cases(usual: u32) -> u32 {
    std::env::var("INFOPLANE_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

//! The slow, plain network in f64 that the kernels are compared with, and its own comparisons: with central differences and with PyTorch.
//! Tests only.

mod differences;
mod network;
mod pytorch;
mod step;

pub use network::{Plain, activation, gradient, inputs, labels, loss, masks};
pub use step::{OptimizerState, Training};

/// Cases of a property at most, `usual` unless the environment asks for more.
pub fn cases(usual: u32) -> u32 {
    std::env::var("INFOPLANE_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

//! Studies of the method itself: small numerical experiments that say what an information plane can and cannot show. Pure: no I/O, no clock;
//! a study's seed and sizes are arguments, its answer a table, charts and sentences with numbers.
//!
//! | study | asks |
//! | --- | --- |
//! | [`minimal_model`] | does one neuron lose information as its weight grows, and for which activations? |
//! | [`weighted_binning`] | do bins that follow the weights repair what fixed bins break? |
//! | [`harmonics`] | what is in the harmonics data set: label shares, power spectrum, hard and soft labels? |
//! | [`entropy_bias`] | how much entropy does an activation alone take away, and how much an imposed structure? |
//! | [`estimators`] | how near do the estimators come to an information that is known? |
//! | [`edge`] | what does EDGE find where there is nothing to find? |
//!
//! What may not live here: drawing and writing (`cli`), trainings (`worker`).

pub mod answer;
pub mod edge;
pub mod entropy_bias;
pub mod estimators;
pub mod harmonics;
mod histogram;
pub mod minimal_model;
pub mod weighted_binning;

pub use answer::{Answer, Axis, Chart, Column, Series, Values};

use crate::train::spec::Activation;

/// The activations, in the order of the old study.
const ACTIVATIONS: [Activation; 11] = [
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Relu,
    Activation::Softsign,
    Activation::Softplus,
    Activation::HardSigmoid,
    Activation::Selu,
    Activation::Relu6,
    Activation::Elu,
    Activation::LeakyRelu,
    Activation::Linear,
];

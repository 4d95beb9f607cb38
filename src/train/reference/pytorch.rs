//! 200 steps of the plain network against float64 PyTorch: numbers stored by tests/python/torch_steps.py, which has the same formulas.

use serde_json::Value;

use super::Training;
use crate::train::network::Network;
use crate::train::spec::{Activation, Model, Optimizer, TrainingSpec};

const STORED: &str = include_str!("../../../tests/python/torch_steps.json");
const WIDTHS: [usize; 4] = [4, 5, 3, 2];
const EXAMPLES: usize = 64;
const BATCH: usize = 20;
const STEPS: usize = 200;

fn wave(n: usize, frequency: f64, phase: f64) -> Vec<f64> {
    (0..n).map(|i| libm::sin(frequency * i as f64 + phase)).collect()
}

/// Initial parameters as the script has them, the rest as the network starts.
fn start(network: &Network) -> Vec<f64> {
    let mut parameters: Vec<f64> = network.initial_parameters(0, 0.0).into_iter().map(f64::from).collect();
    let mut count = 0.0;
    for (index, layer) in network.layers.iter().enumerate() {
        let range = layer.kernel_range();
        let (n, end) = (range.len(), range.end);
        let kernel = wave(n, 0.7, 0.2 + count);
        parameters[range].iter_mut().zip(kernel).for_each(|(p, w)| *p = 0.8 * w);
        count += n as f64;
        let bias = wave(layer.n_out, 1.1, index as f64);
        parameters[end..end + layer.n_out].iter_mut().zip(bias).for_each(|(p, b)| *p = 0.1 * b);
    }
    parameters
}

#[test]
fn two_hundred_steps_equal_those_of_pytorch() {
    let flat = wave(EXAMPLES * WIDTHS[0], 1.3, 0.5);
    let x: Vec<Vec<f64>> = flat.chunks(WIDTHS[0]).map(<[f64]>::to_vec).collect();
    let y: Vec<u32> = x.iter().map(|x| u32::from(x[0] * x[1] + 0.3 * x[2] > 0.0)).collect();
    let stored: Vec<Value> = serde_json::from_str(STORED).unwrap();
    assert_eq!(stored.len(), 16);
    for case in stored {
        let is = |key: &str| case[key].as_bool().unwrap();
        let (optimizer, rate) = match case["optimizer"].as_str().unwrap() {
            "sgd" => (Optimizer::SGD, 0.2),
            _ => (Optimizer::ADAM, 0.01),
        };
        let spec = TrainingSpec {
            architecture: vec![5, 3],
            activation: if case["activation"] == "tanh" { Activation::Tanh } else { Activation::Relu },
            model: if is("batchnorm") { Model::FeedforwardBatchnorm } else { Model::Feedforward },
            max_norm_weights: is("max_norm").then_some(0.9),
            optimizer,
            ..TrainingSpec::default()
        };
        let network = Network::new(&spec, WIDTHS[0], 2);
        let mut training = Training::new(&spec, &network, start(&network));
        for step in 0..STEPS {
            let members: Vec<usize> = (0..BATCH).map(|j| (7 * step + 3 * j) % EXAMPLES).collect();
            let (x, y): (Vec<_>, Vec<_>) = members.iter().map(|&m| (x[m].clone(), y[m])).unzip();
            training.step(rate, &x, &y, &[]);
        }
        let parameters = &training.state.parameters;
        let averages =
            network.layers.iter().filter_map(|layer| layer.mean_range().map(|mean| mean.start..mean.end + layer.n_out));
        let averages: Vec<f64> = averages.flat_map(|range| parameters[range].to_vec()).collect();
        for (name, got) in [("trained", &parameters[..network.n_trained()]), ("averages", &averages[..])] {
            let want: Vec<f64> = case[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(want.len(), got.len());
            for (got, want) in got.iter().zip(&want) {
                let error = (got - want).abs() / want.abs().max(1e-3);
                assert!(error < 1e-9, "{} {} {name}: {got} {want}", case["optimizer"], case["activation"]);
            }
        }
    }
}

//! The plain gradient against central differences of the plain loss, and the kernels' gradient against the plain one: every activation,
//! model and loss.

use proptest::prelude::*;

use super::{Plain, cases, inputs, kinds, labels, masks};
use crate::math::exec::Exec;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;
use crate::train::data::Dataset;
use crate::train::dropout::Place;
use crate::train::inference::Activations;
use crate::train::network::Network;
use crate::train::spec::{DatasetName, Regularization, Split, TrainingSpec};
use crate::train::step::{Batch, Workspace};

#[test]
fn the_plain_gradient_equals_central_differences() {
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let members: Vec<u32> = (0..23).collect();
    let (x, y) = (inputs(data.examples(Split::Test), &members), labels(data.examples(Split::Test), &members));
    for (activation, model, loss) in kinds() {
        for dropout in [0.0, 0.4] {
            let spec = TrainingSpec {
                architecture: vec![5, 4],
                activation,
                maxout_pieces: 3,
                model,
                loss,
                initial_bias: 0.05,
                ..TrainingSpec::default()
            };
            let network = Network::new(&spec, data.inputs(), data.n_classes);
            let mut start: Vec<f64> = network.initial_parameters(11, spec.initial_bias).into_iter().map(f64::from).collect();
            // Scales and shifts off their start, where mistakes would hide.
            let mut stream = Stream::new(5, Purpose::Init, 99);
            start[..network.n_trained()].iter_mut().for_each(|p| *p += 0.1 * stream.normal());
            let masks = masks(&network, dropout, Place::default(), members.len());
            let at = |parameters: &[f64]| Plain { network: &network, parameters, masks: &masks, training: true }.loss(&x, &y);
            let gradient = Plain { network: &network, parameters: &start, masks: &masks, training: true }.gradient(&x, &y);
            for i in 0..network.n_trained() {
                let moved = |step: f64| {
                    let mut p = start.clone();
                    p[i] += step;
                    at(&p)
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let error = (difference - gradient[i]).abs();
                assert!(error < 1e-8, "{activation:?} {model:?} {loss:?} {dropout} {i}: {difference} {}", gradient[i]);
            }
        }
    }
}

/// A hidden architecture of up to three layers of 1 to 130 units, now and then none.
fn architecture() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        1 => Just(vec![]),
        1 => Just(vec![1, 1, 1, 1]),
        8 => proptest::collection::vec(1u32..=130, 1..=3),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(40)))]
    /// Gradients and inference of any shape and batch on every path, all equal to the bit, near the plain ones.
    #[test]
    fn kernels_equal_the_plain_network(
        architecture in architecture(), batch in 1usize..=300, kind in 0..kinds().len(), drops in any::<bool>(), seed in 0u64..1000,
    ) {
        let (activation, model, loss) = kinds()[kind];
        let data = Dataset::load(DatasetName::Harmonics, 0);
        let examples = data.examples(Split::Train);
        let regularization = Regularization { dropout: if drops { 0.3 } else { 0.0 }, ..Regularization::default() };
        let spec = TrainingSpec {
            architecture, activation, model, loss, regularization, initial_bias: 0.1, ..TrainingSpec::default()
        };
        let network = Network::new(&spec, examples.inputs, data.n_classes);
        let mut parameters = network.initial_parameters(seed, spec.initial_bias);
        let mut stream = Stream::new(seed, Purpose::Init, 99);
        parameters[..network.n_trained()].iter_mut().for_each(|p| *p += (0.1 * stream.normal()) as f32);
        let mut members: Vec<u32> = (0..examples.n as u32).collect();
        stream.shuffle(&mut members);
        members.truncate(batch);
        let place = Place { seed, pass: 3, batch: 1 };
        let step = Batch { examples, members: &members, class_values: &data.class_values, place };
        let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
        let masks = masks(&network, regularization.dropout, place, batch);
        let plain = Plain { network: &network, parameters: &exact, masks: &masks, training: true };
        let (x, y) = (inputs(examples, &members), labels(examples, &members));
        let want = plain.gradient(&x, &y);
        let scale = want.iter().fold(1e-3f64, |m, g| m.max(g.abs()));
        let all: Vec<u32> = (0..37).collect();
        let recorded = Plain { masks: &[], training: false, ..plain }.forward(&inputs(data.examples(Split::Test), &all));
        let mut first: Option<(Vec<f32>, Vec<Vec<f32>>)> = None;
        for isa in Isa::available() {
            for parallel in [false, true] {
                let exec = Exec { isa, parallel };
                let mut workspace = Workspace::new(&network, regularization.dropout, 300);
                let mut gradient = vec![0.0; network.n_trained()];
                workspace.gradient(exec, &network, &parameters, &step, &mut gradient);
                let mut activations = Activations::default();
                network.activations(exec, &parameters, data.examples(Split::Test), &mut activations);
                let layers: Vec<Vec<f32>> = activations.layers().map(|layer| layer.iter().copied().collect()).collect();
                let got = (gradient, layers);
                if let Some(first) = &first {
                    prop_assert_eq!(first, &got, "{} {}", isa.name(), parallel);
                } else {
                    first = Some(got);
                }
            }
        }
        let (gradient, layers) = first.unwrap();
        for (i, (got, want)) in gradient.iter().zip(&want).enumerate() {
            let error = (f64::from(*got) - want).abs();
            prop_assert!(error < 1e-5 * scale.max(0.1), "{:?} {:?} {:?} {}: {} {}", activation, model, loss, i, got, want);
        }
        let n = data.examples(Split::Test).n;
        for (layer, plain) in layers.iter().zip(&recorded) {
            for (e, values) in plain.a.iter().enumerate() {
                for (u, want) in values.iter().enumerate() {
                    let got = f64::from(layer[u * n + e]);
                    prop_assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{:?}: {} {}", activation, got, want);
                }
            }
        }
    }
}

//! A rough cost of trainings and measurements, in nanoseconds of one core with AVX-512: it decides what starts first, and how far along a
//! task is; results never depend on it.

use crate::estimate::dependence::Compares;
use crate::estimate::spec::EstimatorSpec;
use crate::train::source::Size;
use crate::train::spec::{Activation, Loss, Model, Split, TrainingSpec};

/// Widths of all layers, the inputs first, the readout last.
fn widths(spec: &TrainingSpec) -> Vec<f64> {
    let Size { inputs, classes, .. } = spec.dataset.size();
    let outputs = if spec.loss == Loss::MeanSquaredError { 1 } else { classes };
    [inputs].into_iter().chain(spec.architecture.iter().copied()).chain([outputs]).map(f64::from).collect()
}

/// Parameters of the network.
#[must_use]
pub fn parameters(spec: &TrainingSpec) -> f64 {
    let widths = widths(spec);
    let pieces = if spec.activation == Activation::Maxout { f64::from(spec.maxout_pieces) } else { 1.0 };
    let own = match spec.model {
        Model::Feedforward => 0.0,
        // Scale, shift and two moving averages.
        Model::FeedforwardBatchnorm => 4.0,
    };
    let own = if spec.activation == Activation::Prelu { own + 1.0 } else { own };
    let hidden = widths.len() - 2;
    let layer = |(index, pair): (usize, &[f64])| {
        let weights = (pair[0] + 1.0) * pair[1];
        if index < hidden { pieces * weights + own * pair[1] } else { weights }
    };
    widths.windows(2).enumerate().map(layer).sum()
}

/// Cost of a training: passes over the training examples, a multiply-add a parameter in each of three products, and an activation a unit.
#[must_use]
pub fn training(spec: &TrainingSpec) -> f64 {
    let units: f64 = widths(spec).iter().sum();
    let train = f64::from(spec.dataset.size().train);
    let a_pass = match spec.steps_per_epoch {
        Some(steps) => f64::from(steps) * f64::from(spec.batch_size).min(train),
        None => train,
    };
    let normalisation = if spec.model == Model::FeedforwardBatchnorm { 0.2 } else { 0.0 };
    let dropout = if spec.regularization.dropout > 0.0 { 1.0 } else { 0.0 };
    f64::from(spec.epochs) * a_pass * (0.06 * parameters(spec) + (0.2 + normalisation + dropout) * units)
}

/// Cost of a measurement over the recorded epochs: a hash a row and layer for binning; a distance and an exponential a pair for the bounds.
#[must_use]
pub fn measurement(spec: &TrainingSpec, recorded: usize, estimator: &EstimatorSpec, split: Split) -> f64 {
    let Size { examples, train, .. } = spec.dataset.size();
    let n = f64::from(match split {
        Split::Train => train,
        Split::Test => examples.saturating_sub(train),
        Split::Full => examples,
    });
    let widths = widths(spec);
    let layers = &widths[1..];
    if let Some(compares) = estimator.compares() {
        return estimator.measured_of(recorded) as f64 * dependence(estimator, compares, &widths, n);
    }
    let one = |units: f64| match estimator {
        EstimatorSpec::Binning { .. } => n * (6.0 + 0.4 * units),
        EstimatorSpec::Edge(_) => n * (700.0 + 60.0 * units.min(9.0)),
        EstimatorSpec::Bins(_) | EstimatorSpec::WeightedBinning(_) => n * (10.0 + 3.0 * units),
        EstimatorSpec::Ksg1(_) | EstimatorSpec::Ksg2(_) | EstimatorSpec::MixedKsg(_) => n * n * (0.12 + 0.045 * units),
        EstimatorSpec::Kde(_) => n * n / 2.0 * (0.12 + 0.012 * units),
        EstimatorSpec::Upper { .. } | EstimatorSpec::Lower { .. } => n * n / 2.0 * (0.12 + 0.012 * units),
        // Dependence measures, see above.
        EstimatorSpec::Dcor(_) | EstimatorSpec::Svcca(_) | EstimatorSpec::Bspline(_) | EstimatorSpec::Adaptive(_) => 0.0,
    };
    recorded as f64 * layers.iter().map(|&units| one(units)).sum::<f64>()
}

/// Cost of a dependence measure at one epoch: distances and products of every pair of examples; products and decompositions of the
/// covariances of all units; or every pair of units of each layer.
fn dependence(estimator: &EstimatorSpec, compares: Compares, widths: &[f64], n: f64) -> f64 {
    let layers = widths.len() as f64;
    let pairs = compares.values(widths[1..].iter().map(|&units| units as u64)) as f64;
    match estimator {
        EstimatorSpec::Dcor(_) => {
            let distances: f64 = widths.iter().map(|units| 0.6 + 0.12 * units).sum();
            n * n / 2.0 * (distances + 0.06 * layers * (layers - 1.0) / 2.0)
        }
        EstimatorSpec::Svcca(_) => {
            let all: f64 = widths.iter().sum();
            0.05 * n * all * all + widths.iter().map(|units| 2000.0 + 20.0 * units * units * units).sum::<f64>()
        }
        EstimatorSpec::Bspline(bspline) => n * pairs * (20.0 + 3.0 * f64::from(bspline.order * bspline.order)),
        _ => 100.0 * n * pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::params::Value;

    #[test]
    fn longer_and_larger_costs_more() {
        let small = TrainingSpec { epochs: 10, ..TrainingSpec::default() };
        assert!(training(&TrainingSpec::default()) > training(&small));
        assert!(training(&TrainingSpec { architecture: vec![], ..TrainingSpec::default() }) < training(&TrainingSpec::default()));
        let upper = EstimatorSpec::Upper { noise_variance: 1e-3 };
        let binning = EstimatorSpec::Binning { bin_width: 0.07 };
        assert!(measurement(&small, 10, &upper, Split::Test) > measurement(&small, 10, &binning, Split::Full));
        assert!(measurement(&small, 0, &upper, Split::Full) == 0.0);
        for name in ["dcor", "svcca", "bspline", "adaptive"] {
            let all = EstimatorSpec::by_name(name).unwrap();
            let some = all.with(&[("every", Value::Integer(5))]).unwrap();
            let of = |estimator| measurement(&small, 10, estimator, Split::Test);
            assert!(of(&some) > 0.0 && (of(&some) / of(&all) - 0.3).abs() < 1e-9, "two and the last of ten");
        }
    }
}

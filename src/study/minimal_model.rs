//! One neuron, one weight: does information about the input shrink as the weight grows?
//!
//! X is standard normal, T = φ(w·X + b). T is a function of X, so I(X;T) = H(T), here the plug-in entropy of `bins` equal bins. Two ways to
//! choose the bins are compared:
//!
//! * *global*: from the least to the greatest activation over all weights, as the critique of the information plane did (Saxe et al. 2018). A
//!   small weight then fills few of the bins, so that even the linear neuron seems to gain information as its weight grows.
//! * *per weight*: from the least to the greatest activation at this weight. The linear neuron is then constant, as it should be: scaling loses
//!   nothing. What remains is the effect of the activation function: functions that saturate on both sides (tanh, sigmoid, hard_sigmoid,
//!   softsign) push their values into the outermost bins and end well below their maximum; relu and leaky_relu do not change at all, since they
//!   are scale-free; softplus and elu approach that as their curved part shrinks beside the rest.
//!
//! Biases (tanh and relu, `bias_bins` bins per weight): relu with a positive bias starts linear and loses entropy as the weight takes its inputs
//! across the kink. So ReLU can compress, too: not by saturation on two sides but by clipping.
//!
//! The entropy of bins is bounded by log2 of their number, and a distribution squeezed more evenly into them has *more* of it than the input:
//! binning is not subject to the data-processing inequality.

use super::ACTIVATIONS;
use super::answer::{Answer, Axis, Chart, Column, Series};
use super::histogram::{counts, entropy, entropy_in_own_range, range};
use crate::math::rng::{Purpose, Stream};
use crate::train::activation::exact;
use crate::train::spec::Activation;

/// Sizes of the study.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Inputs, ≥ 1.
    pub samples: usize,
    /// Bins, ≥ 1.
    pub bins: usize,
    /// Bins where biases are compared, ≥ 1.
    pub bias_bins: usize,
    /// The weights, ascending.
    pub weights: Vec<f64>,
    /// The biases of the second part.
    pub biases: Vec<f64>,
}

impl Default for Sizes {
    /// 1,000 inputs, 50 bins, weights 0.1, 0.2 … 19.9, biases 0 … 5 in 5 bins.
    fn default() -> Self {
        Self {
            samples: 1000,
            bins: 50,
            bias_bins: 5,
            weights: (1..200).map(|tenths| f64::from(tenths) / 10.0).collect(),
            biases: (0..6).map(f64::from).collect(),
        }
    }
}

/// The activations that are looked at with biases.
const BIASED: [Activation; 2] = [Activation::Tanh, Activation::Relu];

/// Entropy over the weights, for one way of looking.
struct Curve {
    activation: Activation,
    bias: f64,
    binning: &'static str,
    entropies: Vec<f64>,
}

/// Runs the study.
#[must_use]
pub fn study(seed: u64, sizes: &Sizes) -> Answer {
    let mut stream = Stream::new(seed, Purpose::Study, 0);
    let inputs: Vec<f64> = (0..sizes.samples).map(|_| stream.normal()).collect();
    let input_entropy = entropy_in_own_range(&inputs, sizes.bins);
    let outputs = |activation, bias: f64| -> Vec<Vec<f64>> {
        let at = |&weight: &f64| inputs.iter().map(|&x| exact(activation, weight * x + bias)).collect();
        sizes.weights.iter().map(at).collect()
    };
    let mut curves = Vec::new();
    for activation in ACTIVATIONS {
        let outputs = outputs(activation, 0.0);
        let all = range(outputs.iter().flatten().copied());
        let global = outputs.iter().map(|values| entropy(counts(values, sizes.bins, all))).collect();
        curves.push(Curve { activation, bias: 0.0, binning: "global", entropies: global });
        let own = outputs.iter().map(|values| entropy_in_own_range(values, sizes.bins)).collect();
        curves.push(Curve { activation, bias: 0.0, binning: "per weight", entropies: own });
    }
    let plain = curves.len();
    for activation in BIASED {
        for &bias in &sizes.biases {
            let own = outputs(activation, bias).iter().map(|values| entropy_in_own_range(values, sizes.bias_bins)).collect();
            curves.push(Curve { activation, bias, binning: "per weight, few bins", entropies: own });
        }
    }
    let (plain, biased) = curves.split_at(plain);
    Answer {
        title: "One neuron over growing weights".to_owned(),
        columns: columns(&curves, &sizes.weights),
        charts: charts(plain, biased, &sizes.weights),
        findings: findings(plain, biased, input_entropy),
    }
}

fn columns(curves: &[Curve], weights: &[f64]) -> Vec<Column> {
    let repeated =
        |value: fn(&Curve) -> String| curves.iter().flat_map(|curve| vec![value(curve); weights.len()]).collect::<Vec<_>>();
    vec![
        Column::text("activation_fn", repeated(|curve| curve.activation.name().to_owned())),
        Column::number("bias", curves.iter().flat_map(|curve| vec![curve.bias; weights.len()])),
        Column::text("binning", repeated(|curve| curve.binning.to_owned())),
        Column::number("weight", curves.iter().flat_map(|_| weights.iter().copied())),
        Column::number("i_xt", curves.iter().flat_map(|curve| curve.entropies.iter().copied())),
    ]
}

fn charts(plain: &[Curve], biased: &[Curve], weights: &[f64]) -> Vec<Chart> {
    let points = |curve: &Curve| weights.iter().copied().zip(curve.entropies.iter().copied()).collect();
    let chart = |title: String, series| Chart { title, x: Axis::linear("weight"), y: Axis::linear("I(X;T) in bits"), series };
    let of = |binning: &str| {
        let curves = plain.iter().filter(|curve| curve.binning == binning);
        curves.map(|curve| Series::line(curve.activation.name(), points(curve))).collect::<Vec<_>>()
    };
    let mut charts = vec![
        chart("bins over the range of all weights".to_owned(), of("global")),
        chart("bins over the range of each weight".to_owned(), of("per weight")),
    ];
    for activation in BIASED {
        let curves = biased.iter().filter(|curve| curve.activation == activation);
        let series = curves.map(|curve| Series::line(&format!("bias {}", curve.bias), points(curve))).collect();
        charts.push(chart(format!("{} with biases, few bins", activation.name()), series));
    }
    charts
}

fn findings(plain: &[Curve], biased: &[Curve], input_entropy: f64) -> Vec<String> {
    let mut findings = vec![format!("The input's entropy is {input_entropy:.2} bits.")];
    let ends = |curve: &Curve| {
        let (least, most) = range(curve.entropies.iter().copied());
        (curve.entropies.first().copied().unwrap_or(0.0), least, most, curve.entropies.last().copied().unwrap_or(0.0))
    };
    for binning in ["per weight", "global"] {
        let (mut falling, mut constant, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for curve in plain.iter().filter(|curve| curve.binning == binning) {
            let (_, least, most, last) = ends(curve);
            let name = curve.activation.name();
            if most - least < 1e-6 {
                constant.push(format!("{name} ({last:.2})"));
            } else if most - last > 0.5 {
                falling.push(format!("{name} ({most:.2} → {last:.2})"));
            } else {
                other.push(format!("{name} ({least:.2} to {most:.2}, at the end {last:.2})"));
            }
        }
        let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        findings.push(format!(
            "Bins {}: constant {}; ending more than half a bit below the maximum {}; others {}.",
            if binning == "global" { "over the range of all weights" } else { "over the range of each weight" },
            list(&constant),
            list(&falling),
            list(&other)
        ));
    }
    for curve in biased {
        let (first, _, most, last) = ends(curve);
        findings.push(format!(
            "{} with bias {}: {first:.2} bits at the least weight, {most:.2} at most, {last:.2} at the greatest.",
            curve.activation.name(),
            curve.bias
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::answer::Values;
    use super::*;

    /// Entropies of one curve.
    fn curve(answer: &Answer, activation: &str, binning: &str, bias: f64) -> Vec<f64> {
        let [Values::Text(names), Values::Number(biases), Values::Text(binnings), _, Values::Number(entropies)] =
            [0, 1, 2, 3, 4].map(|column| answer.columns[column].values.clone())
        else {
            panic!("columns of other types")
        };
        (0..names.len())
            .filter(|&row| names[row] == activation && binnings[row] == binning && biases[row] == Some(bias))
            .map(|row| entropies[row].unwrap())
            .collect()
    }

    #[test]
    fn scaling_loses_nothing_and_saturation_does() {
        for seed in 0..5 {
            let answer = study(seed, &Sizes::default());
            assert!(answer.columns.iter().all(|column| column.rows() == (22 + 12) * 199));
            for constant in ["linear", "relu", "leaky_relu"] {
                let entropies = curve(&answer, constant, "per weight", 0.0);
                let (least, most) = range(entropies.iter().copied());
                assert!(most - least < 1e-9, "{constant}: {least} {most}");
            }
            for saturating in ["tanh", "sigmoid", "hard_sigmoid", "softsign"] {
                let entropies = curve(&answer, saturating, "per weight", 0.0);
                let most = range(entropies.iter().copied()).1;
                assert!(entropies[198] < most - 0.8, "{saturating}: {most} {}", entropies[198]);
            }
            let linear = curve(&answer, "linear", "global", 0.0);
            assert!(linear[198] > linear[0] + 2.0);
        }
    }

    #[test]
    fn relu_with_a_bias_starts_as_the_linear_neuron_and_loses() {
        let answer = study(1, &Sizes::default());
        let relu = curve(&answer, "relu", "per weight, few bins", 3.0);
        assert!(relu[0] > relu[198] + 0.1, "{} {}", relu[0], relu[198]);
    }
}

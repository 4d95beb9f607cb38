//! What is in the harmonics data set: label shares, power spectrum, hard and soft labels.
//!
//! An example is a subset of the 12 vertices of an icosahedron, its label whether the energy f(x) = Σ_l a_l E_l(x) exceeds θ, with
//! E_l(x) = Σ_ij x_i x_j P_l(cos γ_ij), the power in degree l, which no rotation changes. E₀ is the squared number of ones, so the share of label 1
//! rises with that number; between 5 and 7 ones the higher degrees decide.
//!
//! Hard labels are a function of the input: I(X;Y) = H(Y), 0.9992 bits. Soft labels, p(y=1|x) = 1/(1 + e^(−γ(f(x)−θ))), cost H(Y|X): the smaller the
//! gain γ, the more of the label is chance. At γ = 1, 0.93 bits are left: most energies are far from θ, but some are within a unit of it.

use super::answer::{Answer, Axis, Chart, Column, Series};
use crate::train::harmonics::{DEGREES, EXAMPLES, INPUTS, labels, probabilities, spectrum};

/// Gains of the soft labels, from nearly no information to nearly all.
const GAINS: [f64; 13] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0];

/// Sums over the examples with one number of ones.
#[derive(Clone, Copy, Default)]
struct Group {
    examples: i64,
    ones: i64,
    /// Sum of a_l E_l by degree.
    power: [f64; DEGREES],
}

/// Runs the study. Nothing in it is random.
#[must_use]
pub fn study() -> Answer {
    let mut groups = [Group::default(); INPUTS + 1];
    let mut by_label = [Group::default(); 2];
    for (example, label) in labels().into_iter().enumerate() {
        for group in [&mut groups[example.count_ones() as usize], &mut by_label[label as usize]] {
            group.examples += 1;
            group.ones += i64::from(label);
            group.power.iter_mut().zip(spectrum(example)).for_each(|(sum, power)| *sum += power);
        }
    }
    let mean = |group: &Group, degree: usize| group.power[degree] / group.examples as f64;
    let share = |group: &Group| group.ones as f64 / group.examples as f64;
    let degree_column = |name, degree| Column::number(name, groups.iter().map(move |group| mean(group, degree)));
    let information: Vec<(f64, f64)> = GAINS.iter().map(|&gain| (gain, soft_information(gain))).collect();
    let hard = entropy_of(by_label[1].examples as f64 / EXAMPLES as f64);
    let by_degree = |group: &Group| (0..DEGREES).map(|degree| (degree as f64, mean(group, degree))).collect();
    let by_ones = |value: &dyn Fn(&Group) -> f64| groups.iter().enumerate().map(|(n, g)| (n as f64, value(g))).collect();
    Answer {
        title: "The harmonics data set".to_owned(),
        columns: vec![
            Column::count("ones", (0..=INPUTS as i64).collect()),
            Column::count("examples", groups.iter().map(|group| group.examples).collect()),
            Column::count("label_1", groups.iter().map(|group| group.ones).collect()),
            Column::number("share_1", groups.iter().map(share)),
            degree_column("power_0", 0),
            degree_column("power_1", 1),
            degree_column("power_2", 2),
            degree_column("power_3", 3),
        ],
        charts: vec![
            Chart {
                title: "share of label 1".to_owned(),
                x: Axis::linear("number of ones"),
                y: Axis::linear("share"),
                series: vec![Series::line("", by_ones(&share))],
            },
            Chart {
                title: "power spectrum".to_owned(),
                x: Axis::linear("degree"),
                y: Axis::linear("mean weighted power"),
                series: vec![
                    Series::marks("label 0", by_degree(&by_label[0])),
                    Series::marks("label 1", by_degree(&by_label[1])),
                ],
            },
            Chart {
                title: "information in soft labels".to_owned(),
                x: Axis::log("gain γ"),
                y: Axis::linear("I(X;Y) in bits"),
                series: vec![
                    Series::line("soft", information.clone()),
                    Series::line("hard", GAINS.map(|gain| (gain, hard)).to_vec()),
                ],
            },
        ],
        findings: findings(&groups, &by_label, hard, &information),
    }
}

/// I(X;Y) = H(Y) − H(Y|X) of soft labels with this gain, in bits, X uniform.
fn soft_information(gain: f64) -> f64 {
    let (mut ones, mut noise) = (0.0, 0.0);
    for p in probabilities(gain) {
        ones += p;
        noise += entropy_of(p);
    }
    entropy_of(ones / EXAMPLES as f64) - noise / EXAMPLES as f64
}

/// Entropy of a coin, in bits.
fn entropy_of(p: f64) -> f64 {
    [p, 1.0 - p].iter().filter(|&&q| q > 0.0).map(|&q| -q * libm::log2(q)).sum()
}

fn findings(groups: &[Group], by_label: &[Group; 2], hard: f64, information: &[(f64, f64)]) -> Vec<String> {
    let undecided = groups.iter().enumerate().filter(|(_, group)| group.ones > 0 && group.ones < group.examples);
    let undecided: Vec<String> =
        undecided.map(|(ones, group)| format!("{ones} ones: {} of {}", group.ones, group.examples)).collect();
    let mut findings = vec![
        format!("{} of {EXAMPLES} examples have label 1; H(Y) = I(X;Y) = {hard:.4} bits with hard labels.", by_label[1].examples),
        format!("The number of ones decides all labels but those of {}.", undecided.join(", ")),
    ];
    let spectrum = |group: &Group| {
        let total: f64 = group.power.iter().sum();
        group.power.map(|power| format!("{:.0} %", 100.0 * power / total)).join(", ")
    };
    for (label, group) in by_label.iter().enumerate() {
        findings.push(format!("Share of the degrees 0 to 3 in the energy of label {label}: {}.", spectrum(group)));
    }
    findings.extend(information.iter().map(|(gain, bits)| format!("Soft labels with gain {gain}: I(X;Y) = {bits:.4} bits.")));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::answer::Values;
    use super::*;

    #[test]
    fn shares_are_those_of_the_published_file() {
        let answer = study();
        let expected = [0, 0, 0, 0, 0, 60, 532, 732, 495, 220, 66, 12, 1];
        assert_eq!(answer.columns[2].values, Values::Count(expected.to_vec()));
    }

    #[test]
    fn soft_labels_approach_hard_ones() {
        let bits: Vec<f64> = GAINS.iter().map(|&gain| soft_information(gain)).collect();
        assert!(bits.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12), "{bits:?}");
        let hard = entropy_of(2118.0 / 4096.0);
        assert!(bits[0] < 0.1 && (bits[12] - hard).abs() < 1e-4 && bits[7] > 0.9, "{bits:?}");
    }
}

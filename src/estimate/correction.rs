//! Corrections of the bias of plug-in entropies from limited sampling.
//!
//! # Formula
//! A plug-in entropy is too small by about (R − 1)/(2N) nats, R being the number of states that can occur. So, in nats,
//!
//! > I(X;T) gains (R − 1)/(2N); I(T;Y) gains (R − 1 − Σ_y (R_y − 1))/(2N), which is most often a loss
//!
//! *Miller & Madow* take the states that did occur for R and R_y. *Panzeri & Treves* see that a class of few examples has not shown all
//! its states: R_y is the number for which as many occupied states are expected as there are, with the probabilities of a Bayesian
//! guess. Of the R − r_y states that the class has not shown, x are added; the r_y that occurred (n_s examples of N_y each) get
//! (1 − γ)(n_s + 1)/(N_y + r_y), the x together γ = x·(1 − (N_y/(N_y + r_y))^(1/N_y)), and x grows while the expected number of occupied
//! states comes nearer to r_y.
//!
//! # Source
//! G. Miller, *Note on the bias of information estimates* (1955); S. Panzeri & A. Treves, *Analytical estimates of limited sampling biases in
//! different information measures*, Network 7 (1996) 87.
//!
//! # Pitfalls
//! Both are expansions for many examples a state. Where most states hold one example (see the warning of saturation), neither helps, and
//! corrected values may exceed log₂N or fall below 0; they are returned as they are.

use super::{Classes, Information};

/// How the bias is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Miller & Madow: by the states that occurred.
    MillerMadow,
    /// Panzeri & Treves: by the states that each class may have.
    PanzeriTreves,
}

impl Correction {
    /// The plug-in `information` of examples in `states` (numbers below `distinct`), corrected.
    pub(super) fn correct(self, information: Information, states: &[u64], distinct: usize, classes: &Classes) -> Information {
        let n = states.len() as f64;
        let mut counts = vec![0_u32; distinct];
        let mut within = 0.0;
        for members in classes.members() {
            members.iter().for_each(|&example| counts[states[example] as usize] += 1);
            let mut occupied: Vec<f64> = Vec::new();
            for &example in members {
                let count = std::mem::take(&mut counts[states[example] as usize]);
                occupied.extend((count > 0).then_some(f64::from(count)));
            }
            // By size, so that the order of examples does not matter.
            occupied.sort_unstable_by(f64::total_cmp);
            within += match self {
                Self::MillerMadow => occupied.len() as f64,
                Self::PanzeriTreves => likely_states(&occupied, members.len() as f64, distinct),
            } - 1.0;
        }
        let bits = |states: f64| states / (2.0 * n) * std::f64::consts::LOG2_E;
        let all = distinct as f64 - 1.0;
        Information { i_xt: information.i_xt.map(|v| v + bits(all)), i_ty: information.i_ty.map(|v| v + bits(all - within)) }
    }
}

/// How many of `most` states a class of `n` examples probably has, of which `counts` were seen.
fn likely_states(counts: &[f64], n: f64, most: usize) -> f64 {
    let seen = counts.len() as f64;
    let hits = |p: f64| 1.0 - libm::pow(1.0 - p, n);
    let missed: f64 = counts.iter().map(|c| libm::pow(1.0 - c / n, n)).sum();
    let (mut before, mut distance, mut added) = (most as f64, missed, 0.0);
    while distance < before && seen + added < most as f64 {
        added += 1.0;
        let share = added * (1.0 - libm::pow(n / (n + seen), 1.0 / n));
        let known: f64 = counts.iter().map(|c| hits((1.0 - share) * (c + 1.0) / (n + seen))).sum();
        before = distance;
        distance = (seen - known - added * hits(share / added)).abs();
    }
    if added == 0.0 {
        return seen;
    }
    // The last state added was one too many, unless it still brought the expectation nearer.
    if distance < before { seen + added } else { seen + added - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::{Purpose, Stream};

    #[test]
    fn corrections_come_nearer_to_what_is_known() {
        // Eight states, the class tells nothing: I(X;T) of the source is 3 bits, I(T;Y) 0.
        let (mut plain, mut miller, mut panzeri) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for seed in 0..200 {
            let mut stream = Stream::new(seed, Purpose::Init, 0);
            let states: Vec<u64> = (0..64).map(|_| stream.below(8).into()).collect();
            let classes = Classes::new(&(0..64).map(|_| stream.below(4)).collect::<Vec<_>>());
            let entropy =
                |counts: &[f64], n: f64| -> f64 { counts.iter().filter(|c| **c > 0.0).map(|c| -c / n * libm::log2(c / n)).sum() };
            let count = |members: &[usize]| {
                let mut counts = vec![0.0; 8];
                members.iter().for_each(|&m| counts[states[m] as usize] += 1.0);
                counts
            };
            let all: Vec<usize> = (0..64).collect();
            let h = entropy(&count(&all), 64.0);
            let within: f64 = classes.members().map(|m| m.len() as f64 / 64.0 * entropy(&count(m), m.len() as f64)).sum();
            let information = Information::both(h, h - within);
            let add = |to: &mut [f64; 2], i: Information| {
                (to[0], to[1]) = (to[0] + i.i_xt.unwrap() / 200.0, to[1] + i.i_ty.unwrap() / 200.0);
            };
            add(&mut plain, information);
            add(&mut miller, Correction::MillerMadow.correct(information, &states, 8, &classes));
            add(&mut panzeri, Correction::PanzeriTreves.correct(information, &states, 8, &classes));
        }
        assert!((miller[0] - 3.0).abs() < 0.2 * (plain[0] - 3.0).abs(), "{plain:?} {miller:?}");
        assert!(panzeri[1].abs() < miller[1].abs() && miller[1].abs() < 0.5 * plain[1], "{plain:?} {miller:?} {panzeri:?}");
    }

    #[test]
    fn states_are_at_least_those_seen_and_at_most_all() {
        for (counts, most) in
            [(&[1.0][..], 1), (&[1.0], 50), (&[1.0, 1.0, 1.0], 10), (&[30.0, 1.0, 1.0, 4.0], 5), (&[100.0, 100.0], 9)]
        {
            let likely = likely_states(counts, counts.iter().sum(), most);
            assert!((counts.len() as f64..=most as f64).contains(&likely), "{counts:?} of {most}: {likely}");
        }
        // Well sampled: nothing is missing.
        assert_eq!(likely_states(&[1000.0, 900.0], 1900.0, 9), 2.0);
    }
}

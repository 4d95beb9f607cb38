//! EDGE: mutual information from randomised hashing, with a bandwidth that follows the data.
//!
//! # Formula
//! Both sides are hashed into buckets. With N_i and M_j examples in buckets i and j of either side and N_ij in both, in bits
//!
//! > I = Σ_ij (N_ij/N) · clip(log₂(N_ij·N / (N_i·M_j)), 0.001, U)
//!
//! and the estimate is the median over an ensemble of ten members of growing bandwidth. A bucket is the tuple of ⌊(z_c + b_c)/ε_c⌋ over
//! the columns c of the projected side; tuples are compared exactly. A side of d columns is projected to
//! m = min(d, ⌊log₂(N/10)⌋) columns (at least one) by weights that are normal with deviation 1/(σ_i·√d), σ_i being the deviation of
//! column i (1 where that is below 10⁻⁴). The bandwidth of a projected column is
//! ε = s·γ·(a + 10⁻⁴): a is the mean distance of 500 random examples of the column to their k-th nearest, the example itself counted
//! first, k = ⌊0.43·N^(2/3 + 0.17·m/(m+1))·e^(−1/max(10⁴, m⁴))⌋. Member j of 0 … 9 takes ε·T_j with T from 1 to 1.1 and the shift
//! b = (j/10)·ε·T_j.
//!
//! The two profiles differ in the rest:
//!
//! | profile | s | γ | U | |
//! | --- | --- | --- | --- | --- |
//! | `deep-bottleneck` | 3m | 0.09 | 12 for I(X;T), 1 where one side is classes | as the project deep-bottleneck had it |
//! | `edge-4.4.1` | 18m/(1 + ln d) | 0.4 | 10 | the authors' later defaults: no projection while both sides have at most 6 columns, and a second pass with γ = 0.16·2^(−√(2I) + 0.5/I) |
//!
//! # Source
//! M. Noshad, Y. Zeng & A. Hero, *Scalable mutual information estimation using dependence graphs* (2018), arXiv 1801.09125.
//!
//! # Assumptions
//! Densities that the bandwidth resolves. Classes are told apart whatever the bandwidth, so they are not hashed.
//!
//! # Cost
//! O(N·d·m) to project, a sort a column, and ten passes over N·m. Linear in N but for the sort; no pairs of examples are compared.
//!
//! # Pitfalls
//! * A random estimate: another `seed` gives another value. Random numbers are ours, so agreement with other implementations is in
//!   distribution.
//! * The clip from below at 0.001 makes independent sides a little dependent (of one class, one example or no column it is the value), the one from above (U = 1) forbids more than a bit about
//!   classes: set `bound` for more than two.
//! * Saturates at log₂N like every estimator that counts.
//!
//! # Parameters
//! `profile`, `deep-bottleneck` by default, which the old studies used; `seed`; `bound`, U, by default that of the profile.

use ndarray::ArrayView2;

use super::buckets::{Buckets, Column, Grid, Logarithms, Place, Space};
use super::params::{Domain, SEED, names, parameters};
use super::rows::Table;
use super::{
    Classes, Estimate, EstimateError, Estimator, Information, Pair, PairEstimator, Sample, Scratch, Side, Unit, Warning,
};
use crate::math::exec::Exec;
use crate::math::pool::{Lent, Pool};
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Kernel, Simd};

names! {
    /// Whose constants.
    Profile {
        /// Those of the project deep-bottleneck.
        DeepBottleneck = "deep-bottleneck",
        /// The authors' own of version 4.4.1.
        Later = "edge-4.4.1",
    }
}

parameters! {
    /// The estimator EDGE; see the module for the method.
    Edge {
        /// whose constants
        profile: Profile = Profile::DeepBottleneck, Profile::DOMAIN;
        /// seed of projections and probes
        seed: u64 = 0, SEED;
        /// most that a pair of buckets may tell, in bits; that of the profile if not given
        bound: Option<f64> = None, Domain::Number { min: 0.001, max: 64.0 };
    }
}

/// Members of the ensemble.
const MEMBERS: usize = 10;
/// Examples whose neighbours give the bandwidth.
const PROBES: usize = 500;
/// Least that a pair of buckets tells, in bits.
const LEAST: f64 = 0.001;
/// Fewer examples than this say little.
const FEW: u64 = 50;
/// Columns up to which the later profile hashes without projection.
const FEW_COLUMNS: usize = 6;

/// Which side: each has random streams of its own.
#[derive(Clone, Copy)]
enum Role {
    X,
    Y,
}

/// One side, ready to be hashed.
enum Prepared {
    /// Projected columns.
    Columns(Vec<Column>),
    /// Classes: the same buckets for every member.
    Classes(Buckets),
}

impl Estimator for Edge {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        let n = sample.examples();
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let classes = Prepared::of_classes(sample.classes());
        let inputs = sample.inputs();
        let raw = inputs.is_some_and(|inputs| self.is_raw(inputs.nrows(), sample.units()));
        // With classes, of one column, it is the layer alone that decides about projection.
        let raw_with_classes = self.is_raw(1, sample.units());
        let of_layer = || {
            let layer = exec.map(sample.units(), |unit| wide(sample.unit(unit)));
            let other = (raw_with_classes != raw).then(|| self.prepare(&layer, n, Role::Y, raw_with_classes, exec));
            (self.prepare(&layer, n, Role::Y, raw, exec), other)
        };
        let of_inputs = || {
            let columns = inputs.map(|inputs| exec.map(inputs.nrows(), |row| inputs.row(row).mapv(f64::from).to_vec()));
            columns.map(|columns| self.prepare(&columns, n, Role::X, raw, exec))
        };
        let ((t, other), inputs) = exec.join(of_layer, of_inputs);
        let about_classes = (other.as_ref().unwrap_or(&t), &classes);
        let sides: Vec<_> = inputs.iter().map(|inputs| (inputs, &t)).chain([about_classes]).collect();
        let mut values = self.values(&sides, n, exec, &scratch.edge);
        Ok(Information { i_ty: values.pop(), i_xt: values.pop() })
    }
}

impl PairEstimator for Edge {
    fn estimate(&self, sample: &Pair<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, EstimateError> {
        let n = sample.examples();
        let raw = self.is_raw(sample.x().ncols(), sample.y().dims());
        let columns = |side: ArrayView2<'_, f64>| side.columns().into_iter().map(|column| column.to_vec()).collect::<Vec<_>>();
        // A layer is hashed alike whether the other side is classes or inputs.
        let (of_x, y) = match sample.y() {
            Side::Classes(classes) => (Role::Y, Prepared::of_classes(classes)),
            Side::Values(values) => (Role::X, self.prepare(&columns(values), n, Role::Y, raw, exec)),
        };
        let x = self.prepare(&columns(sample.x()), n, of_x, raw, exec);
        let value = self.values(&[(&x, &y)], n, exec, &scratch.edge)[0];
        let mut estimate = Estimate::new(value, Unit::Bits, sample, super::EstimatorSpec::Edge(*self).params());
        self.warn(&mut estimate, sample.y());
        Ok(estimate)
    }
}

impl Edge {
    /// The most that a pair of buckets may tell, in bits.
    fn most(&self, with_classes: bool) -> f64 {
        self.bound.unwrap_or(match (self.profile, with_classes) {
            (Profile::DeepBottleneck, true) => 1.0,
            (Profile::DeepBottleneck, false) => 12.0,
            (Profile::Later, _) => 10.0,
        })
    }

    /// Says where an estimate is at an end of what it can be.
    fn warn(&self, estimate: &mut Estimate, y: Side<'_>) {
        /// Share of the most from which on there may be more.
        const NEAR: f64 = 0.95;
        estimate.warn_below(FEW);
        let value = estimate.value;
        let (bound, most) = (self.most(matches!(y, Side::Classes(_))), libm::log2(estimate.examples as f64));
        // The shares of the buckets sum up to 1 but for rounding.
        if value <= LEAST * (1.0 + 1e-9) {
            estimate.warnings.push(Warning::LowerLimit { least: LEAST });
        } else if value >= NEAR * bound {
            estimate.warnings.push(Warning::Capped { bound });
        } else if value >= NEAR * most {
            estimate.warnings.push(Warning::Saturated { most });
        }
        if let Side::Classes(classes) = y {
            let entropy = classes.entropy();
            if value < NEAR * bound && bound < NEAR * entropy {
                estimate.warnings.push(Warning::BoundBelowEntropy { bound, entropy });
            }
            estimate.warn_of_classes(classes);
        }
    }

    /// Whether sides of so many columns are hashed without projection.
    fn is_raw(&self, x: usize, y: usize) -> bool {
        self.profile == Profile::Later && x.max(y) <= FEW_COLUMNS
    }

    /// Projects a side of `n` examples, given by its columns, and finds its bandwidths.
    fn prepare(&self, side: &[Vec<f64>], n: usize, role: Role, raw: bool, exec: Exec) -> Prepared {
        let d = side.len();
        let most = libm::log2(n as f64 / 10.0).floor().max(1.0) as usize;
        let m = if raw { d } else { d.min(most) };
        let scale = match self.profile {
            Profile::DeepBottleneck => 3.0 * m as f64,
            Profile::Later => 18.0 * m as f64 / (1.0 + libm::log(d.max(1) as f64)),
        };
        let weights = self.weights(side, m, role, exec);
        let first = (1 + role as u64) << 32;
        let one = |column: usize| {
            let values = if raw {
                side[column].clone()
            } else {
                let mut values = vec![0.0; n];
                exec.isa.dispatch(Project { side, weights: &weights[column], out: &mut values });
                values
            };
            let mut stream = Stream::new(self.seed, Purpose::Edge, first + column as u64);
            let width = scale * (distance(&values, m, &mut stream) + 1e-4);
            Column::new(values, width)
        };
        Prepared::Columns(exec.map(m, one))
    }

    /// The weights of each of `m` projected columns.
    fn weights(&self, side: &[Vec<f64>], m: usize, role: Role, exec: Exec) -> Vec<Vec<f64>> {
        let root = (side.len() as f64).sqrt();
        let deviation = |column: &Vec<f64>| {
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            let variance = column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / column.len() as f64;
            if variance.sqrt() < 1e-4 { 1.0 } else { variance.sqrt() }
        };
        let deviations = exec.map(side.len(), |column| deviation(&side[column]));
        let weights = |column: usize| {
            let mut stream = Stream::new(self.seed, Purpose::Edge, ((role as u64) << 16) + column as u64);
            deviations.iter().map(|deviation| stream.normal() / (deviation * root)).collect()
        };
        (0..m).map(weights).collect()
    }

    /// The estimates in bits for pairs of sides, of `n` examples.
    fn values(&self, sides: &[(&Prepared, &Prepared)], n: usize, exec: Exec, spaces: &Pool<Space>) -> Vec<f64> {
        let has_classes = |(x, y): (&Prepared, &Prepared)| [x, y].iter().any(|side| matches!(side, Prepared::Classes(_)));
        let clips: Vec<(f64, f64)> = sides.iter().map(|&sides| (LEAST, self.most(has_classes(sides)))).collect();
        let logarithms = Logarithms::new();
        let ensembles = |gammas: &[f64]| {
            let member = |space: &mut Lent<'_, Space>, number: usize| {
                // A side that several pairs share is hashed once, unless with another γ.
                let mut hashed: Vec<(&Prepared, f64)> = Vec::new();
                let mut values = Vec::with_capacity(sides.len());
                for ((&(x, y), &gamma), &clip) in sides.iter().zip(gammas).zip(&clips) {
                    let places = [x, y].map(|side| match side {
                        Prepared::Classes(buckets) => Place::Given(buckets),
                        Prepared::Columns(columns) => {
                            let known = hashed.iter().position(|(known, with)| std::ptr::eq(*known, side) && *with == gamma);
                            Place::Hashed(known.unwrap_or_else(|| {
                                space.hash(hashed.len(), columns, n, Grid::of(gamma, number), exec.isa);
                                hashed.push((side, gamma));
                                hashed.len() - 1
                            }))
                        }
                    });
                    values.push(space.information(places, clip, &logarithms));
                }
                values
            };
            let members = exec.map_with(MEMBERS, || spaces.take(), member);
            let median = |pair: usize| {
                let mut values: Vec<f64> = members.iter().map(|member| member[pair]).collect();
                values.sort_unstable_by(f64::total_cmp);
                f64::midpoint(values[MEMBERS / 2 - 1], values[MEMBERS / 2])
            };
            (0..sides.len()).map(median).collect::<Vec<_>>()
        };
        match self.profile {
            Profile::DeepBottleneck => ensembles(&vec![0.09; sides.len()]),
            Profile::Later => {
                let refined = |first: f64| {
                    // 2^500 already puts everything into one bucket.
                    let exponent = (0.5 / first - (2.0 * first).sqrt()).min(500.0);
                    0.16 * libm::exp2(exponent)
                };
                let gammas: Vec<f64> = ensembles(&vec![0.4; sides.len()]).into_iter().map(refined).collect();
                ensembles(&gammas)
            }
        }
    }
}

/// One projected column: the sum of a side's columns by weight.
struct Project<'a> {
    side: &'a [Vec<f64>],
    weights: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (column, weight) in self.side.iter().zip(self.weights) {
            for (out, value) in self.out.iter_mut().zip(column) {
                *out += weight * value;
            }
        }
    }
}

/// Mean distance of random examples of a column to their k-th nearest, themselves counted first.
fn distance(values: &[f64], m: usize, stream: &mut Stream) -> f64 {
    let (n, m) = (values.len(), m as f64);
    let exponent = 2.0 / 3.0 + 0.17 * m / (m + 1.0);
    let k = 0.43 * libm::pow(n as f64, exponent) * libm::exp(-1.0 / libm::pow(m, 4.0).max(1e4));
    let k = (k.floor() as usize).clamp(1, n);
    let sorted = sorted(values);
    let mut sum = 0.0;
    for _ in 0..PROBES {
        let value = sorted[stream.below(n as u32) as usize];
        sum += kth(&sorted, value, k);
    }
    sum / PROBES as f64
}

/// Ascending, through integers of the same order, which sort without comparing floats.
fn sorted(values: &[f64]) -> Vec<f64> {
    let flip = |bits: u64| {
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    };
    let back = |key: u64| {
        if key >> 63 == 1 { key & !(1 << 63) } else { !key }
    };
    let mut keys: Vec<u64> = values.iter().map(|v| flip(v.to_bits())).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| f64::from_bits(back(key))).collect()
}

/// Distance from `value` to the k-th nearest of the sorted values, 1 ≤ k ≤ N.
///
/// The k nearest are a run of the order: it starts at the first place where the value k places on is not nearer than the one there.
fn kth(sorted: &[f64], value: f64, k: usize) -> f64 {
    let (mut low, mut high) = (0, sorted.len() - k);
    while low < high {
        let middle = usize::midpoint(low, high);
        if value - sorted[middle] > sorted[middle + k] - value {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (value - sorted[low]).abs().max((sorted[low + k - 1] - value).abs())
}

impl Prepared {
    fn of_classes(classes: &Classes) -> Self {
        Self::Classes(Buckets::of(classes.of().iter().map(|&class| class.into()), &mut Table::default()))
    }
}

impl Grid {
    /// That of a member.
    fn of(gamma: f64, member: usize) -> Self {
        let scale = gamma * (1.0 + 0.1 * (member as f64 / (MEMBERS - 1) as f64));
        Self { scale, share: member as f64 / MEMBERS as f64 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::estimate::Classes;

    fn normals(n: usize, d: usize, seed: u64) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Init, 1);
        Array2::from_shape_simple_fn((n, d), || stream.normal())
    }

    fn between(edge: Edge, x: &Array2<f64>, y: &Array2<f64>, exec: Exec) -> f64 {
        let pair = Pair::new(x.view(), Side::Values(y.view())).unwrap();
        edge.estimate(&pair, exec, &mut Scratch::default()).unwrap().value
    }

    /// The method as it is told in the module, without any cleverness: with the projections and probes of the same streams.
    fn plain(edge: &Edge, x: &[Vec<f64>], y: &[Vec<f64>], n: usize) -> f64 {
        let later = edge.profile == Profile::Later;
        let raw = later && x.len() <= 6 && y.len() <= 6;
        let prepared = |side: &[Vec<f64>], role: Role| -> Vec<(Vec<f64>, f64)> {
            let d = side.len();
            let m = if raw { d } else { d.min(libm::log2(n as f64 / 10.0).floor().max(1.0) as usize) };
            let weights = edge.weights(side, m, role, Exec::serial());
            let column = |c: usize| -> Vec<f64> {
                let project = |e: usize| side.iter().zip(&weights[c]).map(|(column, weight)| column[e] * weight).sum();
                (0..n).map(|e| if raw { side[c][e] } else { project(e) }).collect()
            };
            let of = |c: usize| {
                let z = column(c);
                let mut ordered = z.clone();
                ordered.sort_by(f64::total_cmp);
                let m = m as f64;
                let k = 0.43 * libm::pow(n as f64, 2.0 / 3.0 + 0.17 * m / (m + 1.0)) * libm::exp(-1.0 / (m * m * m * m).max(1e4));
                let k = (k as usize).clamp(1, n);
                let mut probes = Stream::new(edge.seed, Purpose::Edge, ((1 + role as u64) << 32) + c as u64);
                let nearest: f64 = (0..500)
                    .map(|_| {
                        let probe = ordered[probes.below(n as u32) as usize];
                        let mut distances: Vec<f64> = z.iter().map(|v| (v - probe).abs()).collect();
                        distances.sort_by(f64::total_cmp);
                        distances[k - 1]
                    })
                    .sum();
                let scale = if later { 18.0 * m / (1.0 + libm::log(d as f64)) } else { 3.0 * m };
                (z, scale * (nearest / 500.0 + 1e-4))
            };
            (0..m).map(of).collect()
        };
        let (x, y) = (prepared(x, Role::X), prepared(y, Role::Y));
        let ensemble = |gamma: f64| {
            let mut values: Vec<f64> = (0..10)
                .map(|j| {
                    let bucket = |side: &[(Vec<f64>, f64)], e: usize| -> Vec<i64> {
                        let place = |(z, epsilon): &(Vec<f64>, f64)| {
                            let width = gamma * epsilon * (1.0 + 0.1 * f64::from(j) / 9.0);
                            ((z[e] + f64::from(j) / 10.0 * width) / width).floor() as i64
                        };
                        side.iter().map(place).collect()
                    };
                    let (mut of_x, mut of_y, mut both) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
                    for e in 0..n {
                        let (i, j) = (bucket(&x, e), bucket(&y, e));
                        *of_x.entry(i.clone()).or_insert(0.0) += 1.0;
                        *of_y.entry(j.clone()).or_insert(0.0) += 1.0;
                        *both.entry((i, j)).or_insert(0.0) += 1.0;
                    }
                    let most = edge.bound.unwrap_or(if later { 10.0 } else { 12.0 });
                    let n = n as f64;
                    let one = |((i, j), count): (&(Vec<i64>, Vec<i64>), &f64)| {
                        count / n * libm::log2(count * n / (of_x[i] * of_y[j])).clamp(0.001, most)
                    };
                    both.iter().map(one).sum()
                })
                .collect();
            values.sort_by(f64::total_cmp);
            (values[4] + values[5]) / 2.0
        };
        if !later {
            return ensemble(0.09);
        }
        let first = ensemble(0.4);
        ensemble(0.16 * libm::exp2((0.5 / first - (2.0 * first).sqrt()).min(500.0)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn both_profiles_are_their_plain_twin(
            n in 1..150usize, dims in (0..9usize, 0..9usize), seed in 0..1000u64, later: bool, bound in prop::option::of(0.1..3.0f64),
        ) {
            let profile = if later { Profile::Later } else { Profile::DeepBottleneck };
            let edge = Edge { profile, seed, bound };
            let (x, mut y) = (normals(n, dims.0, seed), normals(n, dims.1, seed + 1));
            if dims.0 > 0 && dims.1 > 0 {
                let sum = &x.column(0) * 2.0 + y.column(0);
                y.column_mut(0).assign(&sum);
            }
            let columns = |side: &Array2<f64>| side.columns().into_iter().map(|c| c.to_vec()).collect::<Vec<_>>();
            let (got, expected) = (between(edge, &x, &y, Exec::serial()), plain(&edge, &columns(&x), &columns(&y), n));
            prop_assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
        }
    }

    #[test]
    fn the_kth_nearest_is_found_where_sorting_all_distances_finds_it() {
        let mut stream = Stream::new(2, Purpose::Init, 0);
        for n in [1, 2, 5, 40] {
            let values: Vec<f64> = (0..n).map(|_| (stream.normal() * 4.0).round() / 4.0).collect();
            let ordered = sorted(&values);
            assert!(ordered.is_sorted());
            for &value in &values {
                let mut distances: Vec<f64> = values.iter().map(|v| (v - value).abs()).collect();
                distances.sort_by(f64::total_cmp);
                for k in 1..=n {
                    assert_eq!(kth(&ordered, value, k), distances[k - 1], "{value} {k} {values:?}");
                }
            }
        }
    }

    #[test]
    fn dependence_is_seen_and_independence_is_near_the_clip() {
        let (n, noise) = (2000, normals(2000, 1, 8));
        for profile in [Profile::DeepBottleneck, Profile::Later] {
            let edge = Edge { profile, ..Edge::default() };
            let x = normals(n, 1, 7);
            let correlated = &x * 0.9 + &noise * 0.19_f64.sqrt();
            let (strong, none) = (between(edge, &x, &correlated, Exec::serial()), between(edge, &x, &noise, Exec::serial()));
            // The narrow buckets of the older profile see dependence everywhere in one dimension.
            let most = if profile == Profile::Later { 0.5 } else { 0.95 };
            assert!(strong > 0.8 && strong < 3.0 && none < most * strong && none >= 0.001, "{profile:?}: {strong}, {none}");
        }
    }

    #[test]
    fn small_and_flat_samples_do_no_harm() {
        for (n, dx, dy) in [(1, 1, 1), (1, 0, 0), (2, 3, 0), (9, 12, 1), (30, 2, 40)] {
            for profile in [Profile::DeepBottleneck, Profile::Later] {
                let edge = Edge { profile, ..Edge::default() };
                for x in [normals(n, dx, 1), Array2::zeros((n, dx)), normals(n, dx, 1) * 1e30, normals(n, dx, 1) * 1e-30] {
                    let value = between(edge, &x, &normals(n, dy, 2), Exec::serial());
                    assert!(value.is_finite() && (0.001..=12.0).contains(&value), "{n} {dx} {dy}: {value}");
                }
            }
        }
    }

    #[test]
    fn threads_change_no_bit_and_seeds_do() {
        let (x, y) = (normals(500, 9, 1), normals(500, 7, 2));
        let parallel = Exec { parallel: true, ..Exec::serial() };
        for profile in [Profile::DeepBottleneck, Profile::Later] {
            let edge = Edge { profile, ..Edge::default() };
            assert_eq!(between(edge, &x, &y, Exec::serial()), between(edge, &x, &y, parallel));
            assert_ne!(between(edge, &x, &y, parallel), between(Edge { seed: 1, ..edge }, &x, &y, parallel));
        }
    }

    #[test]
    fn a_layer_is_estimated_as_the_sides_are() {
        let (inputs, layer) = (normals(300, 4, 1).mapv(|v| v as f32), normals(300, 3, 2).mapv(|v| v as f32));
        let labels: Vec<u32> = (0..300).map(|e| u32::from(layer[(e, 0)] > 0.3)).collect();
        let classes = Classes::new(&labels);
        let (inputs_t, layer_t) = (inputs.t().as_standard_layout().into_owned(), layer.t().as_standard_layout().into_owned());
        let sample = Sample::new(layer_t.view(), &classes).unwrap();
        for profile in [Profile::DeepBottleneck, Profile::Later] {
            let edge = Edge { profile, ..Edge::default() };
            let alone = edge.information(&sample, Exec::serial(), &mut Scratch::default()).unwrap();
            let both = sample.with_inputs(inputs_t.view()).unwrap();
            let both = edge.information(&both, Exec::serial(), &mut Scratch::default()).unwrap();
            let (wide_x, wide_t) = (inputs.mapv(f64::from), layer.mapv(f64::from));
            assert_eq!(both.i_xt, Some(between(edge, &wide_x, &wide_t, Exec::serial())));
            let pair = Pair::new(wide_t.view(), Side::Classes(&classes)).unwrap();
            let of_classes = edge.estimate(&pair, Exec::serial(), &mut Scratch::default()).unwrap().value;
            assert_eq!((alone.i_xt, alone.i_ty, both.i_ty), (None, Some(of_classes), Some(of_classes)));
        }
        let [a, b] = [0, 1].map(|_| Prepared::of_classes(&Classes::new(&[0, 1])));
        assert_eq!(Edge::default().values(&[(&a, &b)], 2, Exec::serial(), &Pool::default()), [1.0]);
    }
}

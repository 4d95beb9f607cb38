//! kde: information about the class from kernel estimates of the densities of a layer.
//!
//! # Formula
//! Unit u has the bandwidth h_u. With the product kernel K_ij = Π_u k((t_iu − t_ju)/h_u), k(z) = exp(−z²/2) (`gaussian`), 1 for |z| ≤ 1
//! (`rectangular`) or 1 − z² for |z| ≤ 1 (`epanechnikov`), S_i = Σ_j K_ij and S_i^y the part of it over the class of i, in bits
//!
//! > I(T;Y) = H(T) − Σ_y (N_y/N) H(T|y) = (1/N) Σ_i log₂((S_i^y/N_y)/(S_i/N)),
//!
//! the entropies being −⟨log f(t_i)⟩ (resubstitution). The constants of the kernel are the same in all densities and cancel, because the
//! bandwidth is that of the whole sample, for the classes too. Example i is a part of S_i, or, with `leave_one_out`, it is not, and N − 1
//! and N_y − 1 stand for N and N_y; an example of which its class then has no density keeps itself.
//!
//! I(X;T) is not given: for continuous T it is infinite.
//!
//! # Source
//! B. Silverman, *Density estimation for statistics and data analysis* (1986); for mutual information Y.-I. Moon, B. Rajagopalan &
//! U. Lall, Physical Review E 52 (1995) 2318.
//!
//! # Assumptions
//! Independent examples of a density that is smooth on the scale of the bandwidth.
//!
//! # Cost
//! O(N²·D). The gaussian kernel by resubstitution shares the sums of [`bounds`](super::bounds): in single precision for activations of a
//! cohort, accurate to 1e-6 bits, and in double for a file. Everything else is a plain double loop, twenty times as slow.
//!
//! # Pitfalls
//! * In many dimensions bandwidths are wide by the rule and still too narrow for the number of examples: with resubstitution the value
//!   then approaches H(Y), with `leave_one_out` it is noisy and may be below 0.
//! * One bandwidth a unit cannot serve a heap and its tail. Saturated units (±1) have a wide one, which blurs them.
//! * Constant units tell nothing and are left out.
//!
//! # Parameters
//! `kernel`, `gaussian` by default; `bandwidth`, the same for all units, by default Silverman's rule h_u = σ_u·(4/((D + 2)N))^(1/(D+4)) with
//! the unit's standard deviation σ_u (N − 1 in the denominator); `leave_one_out`, off by default.

use ndarray::Array2;
use rayon::prelude::*;

use super::bounds::sum_log2;
use super::pairs::Sums;
use super::pairs_double::PackedDouble;
use super::params::{Domain, POSITIVE, names, parameters};
use super::{Classes, Estimate, EstimateError, Information, Pair, Sample, Scratch, Side, Unit};
use crate::math::exec::Exec;

names! {
    /// Form of the kernel.
    Kernel {
        /// The normal density.
        Gaussian = "gaussian",
        /// All within the bandwidth alike.
        Rectangular = "rectangular",
        /// A parabola, 0 from the bandwidth on.
        Epanechnikov = "epanechnikov",
    }
}

parameters! {
    /// Parameters of kernel density estimation.
    Kde {
        /// form of the kernel
        kernel: Kernel = Kernel::Gaussian, Kernel::DOMAIN;
        /// bandwidth of every unit; by Silverman's rule if not given
        bandwidth: Option<f64> = None, POSITIVE;
        /// whether an example is left out of its own density
        leave_one_out: bool = false, Domain::Switch;
    }
}

/// Fewer examples than this say little.
const FEW: u64 = 50;
/// The Gaussian of distances in bandwidths, as a power of two of their squares.
const RATE: f64 = 0.5 * std::f64::consts::LOG2_E;

impl Kde {
    /// I(T;Y) of a layer.
    pub(super) fn information(
        &self,
        sample: &Sample<'_>,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let column = |unit: usize| sample.unit(unit).iter().copied().map(f64::from).collect();
        let scaled = self.scaled(sample.units(), sample.examples(), column, exec);
        let classes = sample.classes();
        let i_ty = if scaled.is_empty() || classes.count() == 1 {
            0.0
        } else if self.has_fast_sums() {
            let mut single = Array2::zeros((scaled.len(), sample.examples()));
            let values = single.iter_mut().zip(scaled.iter().flatten());
            values.for_each(|(to, value)| *to = *value as f32);
            let sums = scratch.pairs.sums(&Sample::new(single.view(), classes)?, [RATE], exec);
            self.bits_by_class(sums.as_flattened(), classes)
        } else {
            self.bits(&self.sums(&scaled, classes, exec), classes)
        };
        Ok(Information { i_xt: None, i_ty: Some(i_ty) })
    }

    /// Information of measured values about classes.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String, exec: Exec) -> Result<Estimate, EstimateError> {
        let Side::Classes(classes) = sample.y() else { return Err(EstimateError::NotOfPairs { estimator: "kde" }) };
        let scaled = self.scaled(sample.x().ncols(), sample.examples(), |unit| sample.x().column(unit).to_vec(), exec);
        let bits = if scaled.is_empty() || classes.count() == 1 {
            0.0
        } else if self.has_fast_sums() {
            let mut packed = PackedDouble::new(scaled.len(), classes);
            for example in 0..sample.examples() {
                packed.set(example, scaled.iter().map(|column| column[example]))?;
            }
            self.bits_by_class(&packed.sums(RATE, exec), classes)
        } else {
            self.bits(&self.sums(&scaled, classes, exec), classes)
        };
        let mut estimate = Estimate::new(bits, Unit::Bits, sample, params);
        estimate.warn_below(FEW);
        estimate.warn_of_classes(classes);
        Ok(estimate)
    }

    /// Whether the sums are those of the bounds. To leave an example out there would be to subtract it from a sum.
    fn has_fast_sums(&self) -> bool {
        self.kernel == Kernel::Gaussian && !self.leave_one_out
    }

    /// Columns in units of the bandwidth, without the constant ones.
    fn scaled(
        &self,
        columns: usize,
        examples: usize,
        column: impl Fn(usize) -> Vec<f64> + Send + Sync,
        exec: Exec,
    ) -> Vec<Vec<f64>> {
        let varied = |index: usize| Some(column(index)).filter(|values| values.iter().any(|v| *v != values[0]));
        let mut kept: Vec<Vec<f64>> = exec.map(columns, varied).into_iter().flatten().collect();
        let (n, d) = (examples as f64, kept.len() as f64);
        let silverman = libm::pow(4.0 / ((d + 2.0) * n), 1.0 / (d + 4.0));
        let scale = |values: &mut Vec<f64>| {
            let mean = values.iter().map(|v| v / n).sum::<f64>();
            let largest = values.iter().fold(0.0f64, |m, v| m.max((0.5 * v - 0.5 * mean).abs()));
            let centred = |v: f64| (0.5 * v - 0.5 * mean) / largest;
            let deviation = (values.iter().map(|v| centred(*v) * centred(*v)).sum::<f64>() / (n - 1.0)).sqrt();
            // A given bandwidth so narrow that values overflow in its unit keeps them apart all the same.
            let scale = self.bandwidth.map_or(1.0 / (silverman * deviation), |h| 2.0 * largest / h);
            values.iter_mut().for_each(|v| *v = (centred(*v) * scale).clamp(-1e30, 1e30));
        };
        if exec.parallel {
            kept.par_iter_mut().for_each(scale);
        } else {
            kept.iter_mut().for_each(scale);
        }
        kept
    }

    /// For each example the sums over its own class and over the others.
    fn sums(&self, scaled: &[Vec<f64>], classes: &Classes, exec: Exec) -> Vec<[f64; 2]> {
        let of = classes.of();
        let rows: Vec<Vec<f64>> = (0..of.len()).map(|i| scaled.iter().map(|column| column[i]).collect()).collect();
        exec.map(of.len(), |i| {
            let mut sums = [0.0; 2];
            for j in (0..of.len()).filter(|&j| !(self.leave_one_out && j == i)) {
                sums[usize::from(of[i] != of[j])] += self.kernel.at(rows[i].iter().zip(&rows[j]).map(|(a, b)| a - b));
            }
            sums
        })
    }

    /// As `bits`, where every example counts for itself, from sums class by class.
    fn bits_by_class(&self, mut sums: &[Sums], classes: &Classes) -> f64 {
        let n = classes.examples() as f64;
        let mut total = 0.0;
        for members in classes.members() {
            let (own, after) = sums.split_at(members.len());
            let size = members.len() as f64;
            total += sum_log2(own.iter().map(|at| at.same * n / ((at.same + at.other) * size)));
            sums = after;
        }
        // Adding to 0 leaves no −0.
        0.0 + total / n
    }

    /// The mean logarithm of the quotient of densities, from the sums of each example over its own class and over the others.
    fn bits(&self, sums: &[[f64; 2]], classes: &Classes) -> f64 {
        let n = classes.examples() as f64;
        let sizes: Vec<f64> = classes.members().map(|members| members.len() as f64).collect();
        let mut total = 0.0;
        for ([same, other], class) in sums.iter().copied().zip(classes.of()) {
            let size = sizes[*class as usize];
            let quotient = if self.leave_one_out && same > 0.0 {
                same / (size - 1.0) * ((n - 1.0) / (same + other))
            } else {
                // Itself, where it was left out and nobody else of its class is near.
                let same = if self.leave_one_out { 1.0 } else { same };
                same * n / ((same + other) * size)
            };
            total += libm::log2(quotient);
        }
        // Adding to 0 leaves no −0.
        0.0 + total / n
    }
}

impl Kernel {
    /// Its value for distances in units of the bandwidth, without the constant.
    fn at(self, distances: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Gaussian => libm::exp(-0.5 * distances.map(|z| z * z).sum::<f64>()),
            Self::Rectangular => distances.fold(1.0, |k, z| if z.abs() <= 1.0 { k } else { 0.0 }),
            Self::Epanechnikov => distances.fold(1.0, |k, z| k * (1.0 - z * z).max(0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::Isa;

    const KERNELS: [Kernel; 3] = [Kernel::Gaussian, Kernel::Rectangular, Kernel::Epanechnikov];

    fn layer(examples: usize, units: usize, classes: u32, seed: u64) -> (Array2<f32>, Vec<u32>) {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        let labels: Vec<u32> = (0..examples).map(|_| stream.below(classes)).collect();
        (Array2::from_shape_fn((units, examples), |(_, i)| (stream.normal() + f64::from(labels[i])) as f32), labels)
    }

    fn i_ty(kde: Kde, values: &Array2<f32>, labels: &[u32], exec: Exec) -> f64 {
        let classes = Classes::new(labels);
        let sample = Sample::new(values.view(), &classes).unwrap();
        let Information { i_xt: None, i_ty: Some(bits) } = kde.information(&sample, exec, &mut Scratch::default()).unwrap()
        else {
            panic!("kde gives I(T;Y) alone")
        };
        bits
    }

    /// Differences of entropies, with normalised densities of each class and of all.
    fn plain(kde: Kde, values: &Array2<f32>, labels: &[u32]) -> f64 {
        let (d, n) = values.dim();
        let deviations: Vec<f64> = (values.rows().into_iter())
            .map(|row| {
                let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
                (row.iter().map(|v| (f64::from(*v) - mean) * (f64::from(*v) - mean)).sum::<f64>() / (n as f64 - 1.0)).sqrt()
            })
            .collect();
        let rule = libm::pow(4.0 / ((d as f64 + 2.0) * n as f64), 1.0 / (d as f64 + 4.0));
        let widths: Vec<f64> = deviations.iter().map(|s| kde.bandwidth.unwrap_or(s * rule)).collect();
        let kernel = |z: f64| match kde.kernel {
            Kernel::Gaussian => libm::exp(-z * z / 2.0) / (2.0 * std::f64::consts::PI).sqrt(),
            Kernel::Rectangular => {
                if z.abs() <= 1.0 {
                    0.5
                } else {
                    0.0
                }
            }
            Kernel::Epanechnikov => {
                if z.abs() <= 1.0 {
                    0.75 * (1.0 - z * z)
                } else {
                    0.0
                }
            }
        };
        let at = |i: usize, j: usize| {
            (0..d)
                .map(|u| kernel((f64::from(values[(u, i)]) - f64::from(values[(u, j)])) / widths[u]) / widths[u])
                .product::<f64>()
        };
        let density = |i: usize, of: &dyn Fn(usize) -> bool| {
            let members: Vec<usize> = (0..n).filter(|&j| of(j) && !(kde.leave_one_out && i == j)).collect();
            members.iter().map(|&j| at(i, j)).sum::<f64>() / members.len() as f64
        };
        let mean: f64 = (0..n).map(|i| libm::log2(density(i, &|j| labels[j] == labels[i]) / density(i, &|_| true))).sum();
        mean / n as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn equals_its_definition(examples in 2..80usize, units in 1..4usize, classes in 1..4u32, seed in 0..1000u64, given: bool) {
            let (values, labels) = layer(examples, units, classes, seed);
            for kernel in KERNELS {
                let kde = Kde { kernel, bandwidth: given.then_some(0.8), leave_one_out: false };
                let (got, expected) = (i_ty(kde, &values, &labels, Exec::serial()), plain(kde, &values, &labels));
                let tolerance = if kernel == Kernel::Gaussian { 1e-5 } else { 1e-10 };
                prop_assert!((got - expected).abs() < tolerance, "{kde:?}: {got}, expected {expected}");
                prop_assert!(got <= Classes::new(&labels).entropy() + 1e-6, "{kde:?}: {got}");
            }
            // Wide, so that nobody is alone.
            let kde = Kde { leave_one_out: true, bandwidth: Some(3.0), ..Kde::default() };
            let expected = plain(kde, &values, &labels);
            if expected.is_finite() {
                let got = i_ty(kde, &values, &labels, Exec::serial());
                prop_assert!((got - expected).abs() < 1e-10, "{got}, expected {expected}");
            }
        }
    }

    #[test]
    fn instruction_set_and_threads_change_no_bit() {
        let (values, labels) = layer(200, 3, 3, 1);
        for kernel in KERNELS {
            for leave_one_out in [false, true] {
                let kde = Kde { kernel, bandwidth: None, leave_one_out };
                let expected = i_ty(kde, &values, &labels, Exec::serial());
                for isa in Isa::available() {
                    for parallel in [false, true] {
                        assert_eq!(i_ty(kde, &values, &labels, Exec { isa, parallel }).to_bits(), expected.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn extremes() {
        for kernel in KERNELS {
            for leave_one_out in [false, true] {
                let kde = Kde { kernel, bandwidth: None, leave_one_out };
                let of = |values: &Array2<f32>, labels: &[u32]| i_ty(kde, values, labels, Exec::serial());
                assert_eq!(of(&Array2::from_elem((2, 3), 0.5), &[0, 1, 1]), 0.0, "constant");
                assert_eq!(of(&Array2::zeros((0, 3)), &[0, 1, 1]), 0.0, "no units");
                assert_eq!(of(&Array2::zeros((1, 1)), &[7]), 0.0, "one example");
                assert!(of(&layer(30, 2, 30, 1).0, &(0..30).collect::<Vec<_>>()).is_finite(), "a class an example");
                assert_eq!(of(&layer(30, 2, 1, 1).0, &[3; 30]), 0.0, "one class");
                let narrow = Kde { bandwidth: Some(1e-30), ..kde };
                assert!(i_ty(narrow, &layer(30, 2, 2, 1).0, &layer(30, 2, 2, 1).1, Exec::serial()).is_finite());
            }
        }
        // Pairs need classes.
        let x = Array2::zeros((3, 1));
        let pair = Pair::new(x.view(), Side::Values(x.view())).unwrap();
        assert!(matches!(Kde::default().estimate(&pair, String::new(), Exec::serial()), Err(EstimateError::NotOfPairs { .. })));
    }
}

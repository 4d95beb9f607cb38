//! adaptive: mutual information of two columns by cells that are halved while they hold structure.
//!
//! # Formula
//! Columns are replaced by their ranks, so that margins are uniform. The square of all ranks is cut into four by halving both sides,
//! and so is every cell in which the counts c_1 … c_4 of its quarters are not those of a uniform cell of N_c examples:
//!
//! > χ² = Σ_q (c_q − N_c/4)²/(N_c/4) > 7.815, the 95 % point with 3 degrees of freedom.
//!
//! The first cut is made in any case. Over the cells that remain, N_x and N_y the examples in a cell's range of ranks in x and in y,
//!
//! > I(X;Y) = (1/N) Σ_c N_c ln(N_c/(N_x N_y)) + ln N in nats.
//!
//! # Source
//! G. Darbellay & I. Vajda, *Estimation of the information by an adaptive partitioning of the observation space*, IEEE Transactions on
//! Information Theory 45 (1999) 1315.
//!
//! # Assumptions
//! Two continuous columns and independent examples. The value is the same after any increasing map of a column.
//!
//! # Cost
//! Two sorts and O(N) a level of cells: O(N log N).
//!
//! # Pitfalls
//! * Equal values share their mean rank and stay in one cell, whatever N_c/4 expects: columns with few distinct values are cut badly.
//! * Little dependence is missed: four even quarters end it, even where finer cells would differ (a checkerboard).
//!
//! # Parameters
//! `critical`, 7.815 by default: the authors' 5 %. 11.345 is 1 %.

use ndarray::ArrayView1;

use super::pair::side_values;
use super::params::{Domain, EVERY, parameters};
use super::{Estimate, EstimateError, Pair, Unit, Warning};

parameters! {
    /// Parameters of adaptive partitioning.
    Adaptive {
        /// chi-square of a cell's quarters above which it is cut
        critical: f64 = 7.815, Domain::Number { min: 0.0, max: 1000.0 };
        /// in cohorts: measure every so many recorded epochs, and the last; all if not given
        every: Option<u32> = None, EVERY;
    }
}

/// Fewer examples than this can hardly reject anything.
const LEAST: u64 = 50;

impl Adaptive {
    /// The dependence of two columns.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String) -> Result<Estimate, EstimateError> {
        let (x, y) = (sample.x(), side_values(sample.y()));
        for columns in [x.ncols(), y.ncols()] {
            if columns != 1 {
                return Err(EstimateError::NotOneColumn { columns });
            }
        }
        let (ranks_x, ranks_y) = (Ranks::of(x.column(0)), Ranks::of(y.column(0)));
        let bits = self.nats(&ranks_x, &ranks_y) * std::f64::consts::LOG2_E;
        let mut estimate = Estimate::new(bits, Unit::Bits, sample, params);
        let ties =
            ranks_x.of.iter().zip(&ranks_y.of).filter(|(x, y)| ranks_x.is_shared(**x) || ranks_y.is_shared(**y)).count() as u64;
        estimate.ties = Some(ties);
        if ties > 0 {
            estimate.warnings.push(Warning::Ties { examples: ties });
        }
        if (estimate.examples as u64) < LEAST {
            estimate.warnings.push(Warning::FewExamples { least: LEAST });
        }
        Ok(estimate)
    }

    /// In bits, of two columns of as many examples, at least one, and with finite values.
    #[must_use]
    pub fn bits(&self, x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
        self.bits_of(&Ranks::of(x), &Ranks::of(y))
    }

    /// The same of two columns' ranks.
    pub(super) fn bits_of(&self, x: &Ranks, y: &Ranks) -> f64 {
        self.nats(x, y) * std::f64::consts::LOG2_E
    }
}

/// Ranks of a column.
pub(super) struct Ranks {
    /// Twice the mean rank of each example, from 0: a whole number, also where an even number of examples share a rank.
    of: Vec<u32>,
    /// The same, ascending.
    sorted: Vec<u32>,
}

impl Ranks {
    pub(super) fn of(column: ArrayView1<'_, f64>) -> Self {
        let mut order: Vec<usize> = (0..column.len()).collect();
        // By value alone; −0 and 0 are one.
        order.sort_by(|&a, &b| column[a].partial_cmp(&column[b]).unwrap_or(std::cmp::Ordering::Equal));
        let (mut of, mut sorted) = (vec![0; column.len()], Vec::with_capacity(column.len()));
        for run in order.chunk_by(|&a, &b| column[a] == column[b]) {
            let first = sorted.len();
            let rank = (2 * first + run.len() - 1) as u32;
            run.iter().for_each(|&example| of[example] = rank);
            sorted.resize(first + run.len(), rank);
        }
        Self { of, sorted }
    }

    /// How many examples are in `from..to`, in ranks.
    fn count(&self, (from, to): (u32, u32)) -> usize {
        let below = |rank: u32| self.sorted.partition_point(|r| *r < 2 * rank);
        below(to) - below(from)
    }

    fn is_shared(&self, rank: u32) -> bool {
        let first = self.sorted.partition_point(|r| *r < rank);
        self.sorted.get(first + 1) == Some(&rank)
    }
}

/// A cell: half-open ranges of ranks, and its examples as a run of the order.
struct Cell {
    x: (u32, u32),
    y: (u32, u32),
    start: usize,
    end: usize,
}

impl Adaptive {
    fn nats(&self, x: &Ranks, y: &Ranks) -> f64 {
        let n = x.of.len();
        let mut examples: Vec<u32> = (0..n as u32).collect();
        let mut scratch = examples.clone();
        let all = (0, n as u32);
        let mut waiting = vec![Cell { x: all, y: all, start: 0, end: n }];
        let mut sum = 0.0;
        while let Some(cell) = waiting.pop() {
            let count = cell.end - cell.start;
            let can_split = count > 1 && (cell.x.1 - cell.x.0 > 1 || cell.y.1 - cell.y.0 > 1);
            if can_split {
                let (middle_x, middle_y) = (u32::midpoint(cell.x.0, cell.x.1), u32::midpoint(cell.y.0, cell.y.1));
                let quarter = |example: u32| {
                    let right = x.of[example as usize] >= 2 * middle_x;
                    let upper = y.of[example as usize] >= 2 * middle_y;
                    2 * usize::from(right) + usize::from(upper)
                };
                let mut counts = [0usize; 4];
                examples[cell.start..cell.end].iter().for_each(|&example| counts[quarter(example)] += 1);
                let expected = count as f64 / 4.0;
                let statistic: f64 = counts.iter().map(|&c| (c as f64 - expected) * (c as f64 - expected) / expected).sum();
                if count == n || statistic > self.critical {
                    let mut starts = [cell.start; 4];
                    for q in 1..4 {
                        starts[q] = starts[q - 1] + counts[q - 1];
                    }
                    let mut to = starts;
                    for &example in &examples[cell.start..cell.end] {
                        let slot = &mut to[quarter(example)];
                        scratch[*slot] = example;
                        *slot += 1;
                    }
                    examples[cell.start..cell.end].copy_from_slice(&scratch[cell.start..cell.end]);
                    let halves_x = [(cell.x.0, middle_x), (middle_x, cell.x.1)];
                    let halves_y = [(cell.y.0, middle_y), (middle_y, cell.y.1)];
                    let quarters = (0..4).filter(|&q| counts[q] > 0);
                    waiting.extend(quarters.map(|q| Cell {
                        x: halves_x[q / 2],
                        y: halves_y[q % 2],
                        start: starts[q],
                        end: starts[q] + counts[q],
                    }));
                    continue;
                }
            }
            let (in_x, in_y) = (x.count(cell.x) as f64, y.count(cell.y) as f64);
            sum += count as f64 * libm::log(count as f64 / in_x * (n as f64 / in_y));
        }
        // It is a divergence; clamping removes the rounding.
        (sum / n as f64).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};

    /// The definition over points in hand, cell after cell by recursion.
    fn plain(points: &[(f64, f64)]) -> f64 {
        let n = points.len() as f64;
        // Mean ranks, from 0, in the middle of unit steps: compared with whole numbers they lie between.
        let rank = |values: &dyn Fn(&(f64, f64)) -> f64, of: f64| {
            let below = points.iter().filter(|p| values(p) < of).count() as f64;
            let equal = points.iter().filter(|p| values(p) == of).count() as f64;
            below + (equal - 1.0) / 2.0
        };
        let ranked: Vec<(f64, f64)> = points.iter().map(|p| (rank(&|q| q.0, p.0), rank(&|q| q.1, p.1))).collect();
        fn cells(all: &[(f64, f64)], (x0, x1): (f64, f64), (y0, y1): (f64, f64)) -> f64 {
            let within = |v: f64, from: f64, to: f64| from <= v && v < to;
            let inside = |x: (f64, f64), y: (f64, f64)| {
                all.iter().filter(|p| within(p.0, x.0, x.1) && within(p.1, y.0, y.1)).count() as f64
            };
            let count = inside((x0, x1), (y0, y1));
            if count == 0.0 {
                return 0.0;
            }
            let (mx, my) = (((x0 + x1) / 2.0).floor(), ((y0 + y1) / 2.0).floor());
            let quarters = [((x0, mx), (y0, my)), ((x0, mx), (my, y1)), ((mx, x1), (y0, my)), ((mx, x1), (my, y1))];
            let statistic: f64 = quarters.iter().map(|q| inside(q.0, q.1) - count / 4.0).map(|d| d * d / (count / 4.0)).sum();
            let can_split = count > 1.0 && (x1 - x0 > 1.0 || y1 - y0 > 1.0);
            if can_split && (count == all.len() as f64 || statistic > 7.815) {
                return quarters.iter().map(|q| cells(all, q.0, q.1)).sum();
            }
            let every = (f64::NEG_INFINITY, f64::INFINITY);
            count * libm::log2(count / inside((x0, x1), every) / inside(every, (y0, y1)))
        }
        (cells(&ranked, (0.0, n), (0.0, n)) / n + libm::log2(n)).max(0.0)
    }

    fn columns(n: usize, seed: u64, mix: f64, coarse: bool) -> (Array1<f64>, Array1<f64>) {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        let mut draw = || if coarse { (2.0 * stream.normal()).round() } else { stream.normal() };
        let x: Array1<f64> = (0..n).map(|_| draw()).collect();
        let y = x.iter().map(|x| mix * x + draw()).collect();
        (x, y)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn equals_its_definition(n in 1..200usize, seed in 0..1000u64, mix in 0..4u32, coarse: bool) {
            let (x, y) = columns(n, seed, f64::from(mix), coarse);
            let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
            let value = Adaptive::default().bits(x.view(), y.view());
            prop_assert!((value - plain(&points)).abs() < 1e-12, "{value}, expected {}", plain(&points));
            prop_assert!((value - Adaptive::default().bits(y.view(), x.view())).abs() < 1e-12, "not symmetric");
            let reversed = |v: &Array1<f64>| Array1::from_iter(v.iter().rev().copied());
            prop_assert!((value - Adaptive::default().bits(reversed(&x).view(), reversed(&y).view())).abs() < 1e-12);
            // Increasing maps keep ranks.
            prop_assert_eq!(value, Adaptive::default().bits(x.mapv(|v| v * v * v).view(), y.view()));
        }
    }

    #[test]
    fn finds_what_a_normal_pair_shares() {
        let (x, y) = columns(4000, 3, 4.0 / 3.0, false);
        let truth = -0.5 * libm::log2(1.0 - 0.64);
        let value = Adaptive::default().bits(x.view(), y.view());
        assert!((value - truth).abs() < 0.06, "{value}, true {truth}");
        let (x, _) = columns(4000, 3, 0.0, false);
        let (y, _) = columns(4000, 4, 0.0, false);
        assert!(Adaptive::default().bits(x.view(), y.view()) < 0.02);
    }

    #[test]
    fn extremes() {
        let constant = array![2.0, 2.0, 2.0, 2.0, 2.0];
        let adaptive = Adaptive::default();
        assert_eq!(adaptive.bits(constant.view(), array![1.0, 2.0, 3.0, 4.0, 5.0].view()), 0.0);
        assert_eq!(adaptive.bits(array![1.0].view(), array![1.0].view()), 0.0);
        assert_eq!(adaptive.bits(array![-0.0, 0.0].view(), array![0.0, -0.0].view()), 0.0);
        assert_eq!(adaptive.bits(array![1.0, 2.0].view(), array![4.0, 3.0].view()), 1.0);
    }
}

//! svcca: how alike two layers are, up to a linear map, by the correlations of their main directions.
//!
//! # Formula
//! Each side is centred and reduced to its first principal directions, as few as hold the share `variance` of its variance: d₁ and d₂ of
//! them. The canonical correlations ρ_1 ≥ ρ_2 ≥ … between the two subspaces are the singular values of
//! Λ₁^(−1/2) U₁ᵀ C_xy U₂ Λ₂^(−1/2), with U and Λ the directions and their variances, and C_xy the covariance of the sides. The answer is
//! their mean over min(d₁, d₂), between 0 and 1; 0 where a side is constant.
//!
//! # Source
//! M. Raghu, J. Gilmer, J. Yosinski & J. Sohl-Dickstein, *SVCCA: Singular vector canonical correlation analysis for deep learning
//! dynamics and interpretability*, NeurIPS 2017. The share is of variance (squared singular values).
//!
//! # Assumptions
//! What is to be compared is linear: two layers that are rotations of each other are the same.
//!
//! # Cost
//! O(N·D²) multiply-adds in f64, eight at a time, for the covariances of all units of both sides, and O(D³) for their decompositions
//! (crate `nalgebra`). A decomposition of the N × D arrays is not needed: a kept direction has at least (1 − share)/D of the variance,
//! so its square root is accurate to 13 digits. O(N·D) memory.
//!
//! # Pitfalls
//! * With N near D correlations are high whatever the data; have ten times as many examples as units.
//! * The value is the same after rotation, shift and scaling of a side. After any other invertible map the first principal directions
//!   are others. Where they are all kept before and after, as always with `variance = 1`, the value is the same then, too; else the
//!   map decides what is dropped: a column times 1,000 is the only direction left of the default 99 %.
//! * Directions with less than 1e-12 of the largest variance count as constant.
//!
//! # Parameters
//! `variance`, 0.99 by default as in the paper.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{ArrayView2, CowArray, Ix2};
use rayon::prelude::*;

use super::pair::side_values;
use super::params::{Domain, EVERY, parameters};
use super::{Estimate, Pair, Sample, Unit, Warning};
use crate::math::exec::Exec;
use crate::math::power::reciprocal_power;
use crate::math::simd::{Kernel, Simd};

parameters! {
    /// Parameters of SVCCA.
    Svcca {
        /// share of the variance that the kept directions hold
        variance: f64 = 0.99, Domain::Number { min: 0.01, max: 1.0 };
        /// in cohorts: measure every so many recorded epochs, and the last; all if not given
        every: Option<u32> = None, EVERY;
    }
}

/// Variance of a direction, as a share of the largest, below which it is rounding.
const ROUNDING: f64 = 1e-12;
/// Magnitudes whose squares and their sums are within the range of f64.
const MODERATE: std::ops::Range<f64> = 1e-100..1e100;

impl Svcca {
    /// The likeness of two sides.
    pub(super) fn estimate(&self, sample: &Pair<'_>, params: String, exec: Exec) -> Estimate {
        let value = self.value(sample.x(), side_values(sample.y()).view(), exec);
        let mut estimate = Estimate::new(value, Unit::Plain, sample, params);
        let least = 10 * estimate.dims.0.max(estimate.dims.1) as u64;
        if (estimate.examples as u64) < least {
            estimate.warnings.push(Warning::FewExamples { least });
        }
        estimate
    }

    /// The mean of the correlations; 0 where there are none.
    #[must_use]
    pub fn value(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec) -> f64 {
        mean(&self.correlations(x, y, exec))
    }

    /// The canonical correlations of two sides, examples × dimensions, of as many examples and with finite values, in descending order.
    #[must_use]
    pub fn correlations(&self, x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, exec: Exec) -> Vec<f64> {
        let sides = [x, y];
        let covariances = Covariances::of([x.ncols(), y.ncols()].into(), x.nrows(), |side| sides[side].into(), exec);
        let whiten = |side: usize| self.whitening(covariances.between(side, side));
        let (left, right) = exec.join(|| whiten(0), || whiten(1));
        covariances.correlations((0, &left), (1, &right))
    }

    /// The mean of the correlations of every two of some layers: the first with the second, the first with the third, …, the second with
    /// the third, … Covariances and directions of a layer are found once.
    #[must_use]
    pub fn of_layers(&self, layers: &[Sample<'_>], exec: Exec) -> Vec<f64> {
        let examples = layers.first().map_or(0, Sample::examples);
        let units = layers.iter().map(Sample::units).collect();
        let covariances = Covariances::of(units, examples, |layer| layers[layer].wide().reversed_axes().into(), exec);
        let directions = exec.map(layers.len(), |layer| self.whitening(covariances.between(layer, layer)));
        let pairs: Vec<_> = (0..layers.len()).flat_map(|a| (a + 1..layers.len()).map(move |b| (a, b))).collect();
        let value = |(a, b): (usize, usize)| mean(&covariances.correlations((a, &directions[a]), (b, &directions[b])));
        exec.map(pairs.len(), |pair| value(pairs[pair]))
    }

    /// The kept directions of a covariance as columns, each divided by its standard deviation.
    fn whitening(&self, covariance: DMatrix<f64>) -> DMatrix<f64> {
        let units = covariance.nrows();
        if units == 0 {
            return DMatrix::zeros(0, 0);
        }
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
        let largest = eigenvalues[order[0]];
        order.retain(|&place| largest > 0.0 && eigenvalues[place] > ROUNDING * largest);
        let total: f64 = order.iter().map(|&place| eigenvalues[place]).sum();
        let mut held = 0.0;
        let kept = order.iter().take_while(|&&place| {
            let wanted = held < self.variance * total;
            held += eigenvalues[place];
            wanted
        });
        let kept: Vec<usize> = kept.copied().collect();
        DMatrix::from_fn(units, kept.len(), |unit, place| eigenvectors[(unit, kept[place])] / eigenvalues[kept[place]].sqrt())
    }
}

/// The mean of correlations; 0 where there are none.
fn mean(correlations: &[f64]) -> f64 {
    // Adding to 0 leaves no −0 where there are none.
    (0.0 + correlations.iter().sum::<f64>()) / correlations.len().max(1) as f64
}

/// Covariances of all units of some sides, up to a factor a side.
struct Covariances {
    /// Where each side's units begin, and one past the end.
    starts: Vec<usize>,
    /// Of a unit with itself and all later ones, row by row.
    products: Vec<f64>,
}

impl Covariances {
    /// Of sides of so many `units`, each examples × dimensions; one at a time is asked for.
    fn of<'a>(units: Vec<usize>, examples: usize, side: impl Fn(usize) -> CowArray<'a, f64, Ix2> + Sync, exec: Exec) -> Self {
        let products = Columns::new(&units, examples, side, exec).products(exec);
        let starts = units.iter().scan(0, |next, units| {
            *next += units;
            Some(*next)
        });
        Self { starts: [0].into_iter().chain(starts).collect(), products }
    }

    /// Those of one side with the same or a later one.
    fn between(&self, one: usize, other: usize) -> DMatrix<f64> {
        let all = self.starts[self.starts.len() - 1];
        let [rows, columns] = [one, other].map(|side| self.starts[side]..self.starts[side + 1]);
        DMatrix::from_fn(rows.len(), columns.len(), |i, j| {
            let (i, j) = (rows.start + i, columns.start + j);
            self.products[i.min(j) * all + i.max(j)]
        })
    }

    /// The correlations of a side with a later one, each with its directions, in descending order.
    fn correlations(&self, (one, left): (usize, &DMatrix<f64>), (other, right): (usize, &DMatrix<f64>)) -> Vec<f64> {
        if left.ncols() == 0 || right.ncols() == 0 {
            return Vec::new();
        }
        let core = left.transpose() * self.between(one, other) * right;
        let mut correlations: Vec<f64> = core.singular_values().iter().map(|c| c.clamp(0.0, 1.0)).collect();
        correlations.sort_by(|a, b| b.total_cmp(a));
        correlations
    }
}

/// Examples of a vector.
const WIDTH: usize = 8;
/// Units whose products with a few others are computed together: as many sums as fit the registers.
const TILE: usize = 4;
/// Those others.
const OTHERS: usize = 2;
/// Bytes of columns that are gone through for all tiles before the next: a part of the second cache.
const CACHED: usize = 256 << 10;

type Lanes = [f64; WIDTH];

/// Centred columns of all sides, one after the other, each side scaled by a power of two: correlations do not see it.
struct Columns {
    units: usize,
    blocks: usize,
    /// Block b of unit u at u·blocks + b; units up to a whole tile, and what is behind the last example, are 0.
    values: Vec<Lanes>,
}

impl Columns {
    fn new<'a>(units: &[usize], examples: usize, side: impl Fn(usize) -> CowArray<'a, f64, Ix2> + Sync, exec: Exec) -> Self {
        let (all, blocks) = (units.iter().sum::<usize>(), examples.div_ceil(WIDTH));
        let mut values = vec![[0.0; WIDTH]; all.next_multiple_of(TILE) * blocks];
        let mut rest = values.as_mut_slice();
        let mut sides: Vec<&mut [Lanes]> = Vec::with_capacity(units.len());
        for units in units {
            let (columns, after) = rest.split_at_mut(units * blocks);
            sides.push(columns);
            rest = after;
        }
        let fill = |(place, columns): (usize, &mut &mut [Lanes])| {
            let (units, values) = (units[place], side(place));
            match values.as_slice() {
                // Some examples at a time: each is read once, in its order.
                Some(all) if units > 0 => {
                    let (full, rest) = all.split_at(examples / WIDTH * WIDTH * units);
                    for (block, rows) in full.chunks_exact(WIDTH * units).enumerate() {
                        for unit in 0..units {
                            columns[unit * blocks + block] = std::array::from_fn(|lane| rows[lane * units + unit]);
                        }
                    }
                    for (lane, row) in rest.chunks_exact(units).enumerate() {
                        for (unit, value) in row.iter().enumerate() {
                            columns[(unit + 1) * blocks - 1][lane] = *value;
                        }
                    }
                }
                _ => {
                    for (from, to) in values.columns().into_iter().zip(columns.chunks_mut(blocks.max(1))) {
                        to.as_flattened_mut().iter_mut().zip(from).for_each(|(to, value)| *to = *value);
                    }
                }
            }
            let reach = |column: &mut [Lanes]| centre(&mut column.as_flattened_mut()[..examples]);
            let largest = columns.chunks_mut(blocks.max(1)).map(reach).fold(0.0, f64::max);
            // Only where products could leave the range of f64; a power of two changes no other bit.
            if largest > 0.0 && !MODERATE.contains(&largest) {
                let scale = reciprocal_power(largest);
                columns.as_flattened_mut().iter_mut().for_each(|v| *v *= scale);
            }
        };
        if exec.parallel {
            sides.par_iter_mut().enumerate().for_each(fill);
        } else {
            sides.iter_mut().enumerate().for_each(fill);
        }
        Self { units: all, blocks, values }
    }

    /// Products of every column with itself and all later ones, units × units; what is before is left at 0.
    fn products(&self, exec: Exec) -> Vec<f64> {
        let tile = |first: usize| (first..self.units).step_by(OTHERS).map(move |other| (first, other));
        let tiles: Vec<(usize, usize)> = (0..self.units).step_by(TILE).flat_map(tile).collect();
        let mut sums = vec![[[[0.0; WIDTH]; OTHERS]; TILE]; tiles.len()];
        // In few parts: each reads all columns.
        let parts = if exec.parallel { 2 * rayon::current_num_threads() } else { 1 };
        let part = tiles.len().div_ceil(parts).max(1);
        exec.pieces(
            &mut sums,
            part,
            || (),
            |(), place, sums| {
                exec.isa.dispatch(Products { columns: self, tiles: &tiles[place * part..], sums });
            },
        );
        let mut products = vec![0.0; self.units * self.units];
        for ((first, other), sums) in tiles.into_iter().zip(sums) {
            for (row, sums) in products.chunks_mut(self.units).skip(first).zip(&sums) {
                row[other..].iter_mut().zip(sums).for_each(|(to, lanes)| *to = lanes.iter().sum());
            }
        }
        products
    }
}

/// Takes the mean off a column and quarters it: quarters cannot overflow where they are subtracted. The largest magnitude.
fn centre(column: &mut [f64]) -> f64 {
    let Some(&first) = column.first() else {
        return 0.0;
    };
    let share = 0.25 / column.len() as f64;
    let (blocks, rest) = column.as_chunks_mut::<WIDTH>();
    let mut sums = [0.0; WIDTH];
    for block in blocks.iter() {
        for lane in 0..WIDTH {
            sums[lane] += block[lane] * share;
        }
    }
    let mean = sums.iter().sum::<f64>() + rest.iter().map(|v| *v * share).sum::<f64>();
    let (mut largest, mut differs) = ([0.0f64; WIDTH], [false; WIDTH]);
    for block in blocks.iter_mut() {
        for lane in 0..WIDTH {
            differs[lane] |= block[lane] != first;
            let value = 0.25 * block[lane] - mean;
            largest[lane] = if value.abs() > largest[lane] { value.abs() } else { largest[lane] };
            block[lane] = value;
        }
    }
    let mut reach = largest.into_iter().fold(0.0, f64::max);
    let mut is_constant = !differs.contains(&true);
    for value in rest.iter_mut() {
        is_constant &= *value == first;
        *value = 0.25 * *value - mean;
        reach = reach.max(value.abs());
    }
    if is_constant {
        // A constant is not its mean to the last bit.
        column.fill(0.0);
        return 0.0;
    }
    reach
}

/// Products of tiles of units with some others, lane by lane.
type Sums = [[Lanes; OTHERS]; TILE];

/// The work of some tiles, each given by its first unit and the first of the others.
struct Products<'a> {
    columns: &'a Columns,
    tiles: &'a [(usize, usize)],
    sums: &'a mut [Sums],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { columns: Columns { units, blocks, values }, tiles, sums } = self;
        // All columns of some examples at a time: they stay in the cache for all tiles.
        let chunk = (CACHED / (units * WIDTH * size_of::<f64>()).max(1)).max(8);
        for start in (0..*blocks).step_by(chunk) {
            let range = start..(start + chunk).min(*blocks);
            let column = |unit: usize| &values[unit * blocks..][range.clone()];
            for (&(first, other), sums) in tiles.iter().zip(sums.iter_mut()) {
                let left = [column(first), column(first + 1), column(first + 2), column(first + 3)];
                let right = [column(other), column(other + 1)];
                let mut totals = *sums;
                for block in 0..range.len() {
                    // Copies, so that no bounds are checked between the multiplications.
                    let left = [left[0][block], left[1][block], left[2][block], left[3][block]];
                    let right = [right[0][block], right[1][block]];
                    for i in 0..TILE {
                        for j in 0..OTHERS {
                            for lane in 0..WIDTH {
                                totals[i][j][lane] = left[i][lane].mul_add(right[j][lane], totals[i][j][lane]);
                            }
                        }
                    }
                }
                *sums = totals;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::Isa;

    fn sample(examples: usize, units: usize, seed: u64) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        Array2::from_shape_simple_fn((examples, units), || stream.normal())
    }

    /// Correlations by the definition: whitened by singular value decompositions of the arrays themselves.
    fn plain(x: &Array2<f64>, y: &Array2<f64>, share: f64) -> Vec<f64> {
        let directions = |side: &Array2<f64>| {
            let mean = side.mean_axis(ndarray::Axis(0)).unwrap();
            let centred = DMatrix::from_fn(side.nrows(), side.ncols(), |i, u| side[(i, u)] - mean[u]);
            let svd = centred.svd(true, false);
            let (u, s) = (svd.u.unwrap(), svd.singular_values);
            let mut order: Vec<usize> = (0..s.len()).collect();
            order.sort_by(|&a, &b| s[b].total_cmp(&s[a]));
            let total: f64 = s.iter().map(|v| v * v).sum();
            let needed = (1..=s.len())
                .find(|&k| order[..k].iter().map(|&place| s[place] * s[place]).sum::<f64>() >= share * total * (1.0 - 1e-15))
                .unwrap();
            DMatrix::from_fn(side.nrows(), needed, |i, k| u[(i, order[k])])
        };
        let mut values: Vec<f64> = (directions(x).transpose() * directions(y)).singular_values().iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn equals_its_definition(examples in 12..80usize, units in (1..7usize, 1..7usize), seed in 0..1000u64, share in 0.5..0.999f64) {
            let (x, mut y) = (sample(examples, units.0, seed), sample(examples, units.1, seed + 1));
            let shared = units.0.min(units.1);
            let sum = &y.slice(s![.., ..shared]) + &(2.0 * &x.slice(s![.., ..shared]));
            y.slice_mut(s![.., ..shared]).assign(&sum);
            let (got, expected) = (Svcca { variance: share, ..Svcca::default() }.correlations(x.view(), y.view(), Exec::serial()), plain(&x, &y, share));
            prop_assert_eq!(got.len(), expected.len());
            for (a, b) in got.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-10, "{got:?}, expected {expected:?}");
            }
            let back = Svcca { variance: share, ..Svcca::default() }.value(y.view(), x.view(), Exec::serial());
            prop_assert!((back - got.iter().sum::<f64>() / got.len() as f64).abs() < 1e-12, "not symmetric");
        }

        #[test]
        fn invertible_maps_do_not_matter(examples in 20..60usize, units in 1..5usize, seed in 0..1000u64) {
            let (x, y) = (sample(examples, units, seed), sample(examples, 3, seed + 1));
            // Diagonally dominant, so invertible, and far from orthogonal.
            let mut map = sample(units, units, seed + 2);
            for unit in 0..units {
                map[(unit, unit)] = 6.0 + map.row(unit).iter().map(|v| v.abs()).sum::<f64>();
            }
            let moved = x.dot(&map) + 7.0;
            let all = Svcca { variance: 1.0, ..Svcca::default() };
            let (before, after) = (all.value(x.view(), y.view(), Exec::serial()), all.value(moved.view(), y.view(), Exec::serial()));
            prop_assert!((before - after).abs() < 1e-9, "{before}, {after}");
            // On both sides at once, and for any share, as long as that drops nothing.
            let shared = &y + &x.slice(s![.., ..1]);
            let other = shared.dot(&(sample(3, 3, seed + 3) * 0.2 + Array2::<f64>::eye(3) * 3.0)) * 1e-3 - 2.0;
            for share in [0.9, 0.99, 1.0] {
                let some = Svcca { variance: share, ..Svcca::default() };
                let [before, after] = [(&x, &shared), (&moved, &other)]
                    .map(|(x, y)| some.correlations(x.view(), y.view(), Exec::serial()));
                let kept = |x: &Array2<f64>, y: &Array2<f64>| {
                    let with_itself = |side: &Array2<f64>| some.correlations(side.view(), side.view(), Exec::serial()).len();
                    (with_itself(x), with_itself(y)) == (units, 3)
                };
                if kept(&x, &shared) && kept(&moved, &other) {
                    prop_assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-9), "{share}: {before:?}, {after:?}");
                }
                prop_assert!(share < 1.0 || kept(&moved, &other));
            }
            // Similar maps, for any share: here a turn of two columns, a scale and a shift.
            let turned = Array2::from_shape_fn(x.dim(), |(i, u)| match (u, units > 1) {
                (0, true) => 0.6 * x[(i, 0)] - 0.8 * x[(i, 1)],
                (1, true) => 0.8 * x[(i, 0)] + 0.6 * x[(i, 1)],
                _ => x[(i, u)],
            } * 1e5 - 3.0);
            let some = Svcca::default();
            let (before, after) = (some.value(x.view(), y.view(), Exec::serial()), some.value(turned.view(), y.view(), Exec::serial()));
            prop_assert!((before - after).abs() < 1e-9, "{before}, {after}");
        }
    }

    #[test]
    fn what_is_dropped_depends_on_scales() {
        let x = sample(400, 3, 5);
        let mut stretched = x.clone();
        stretched.column_mut(0).mapv_inplace(|v| v * 1000.0);
        let with_x = |variance| {
            let spec = Svcca { variance, ..Svcca::default() };
            spec.correlations(x.view(), stretched.view(), Exec::serial()).len()
        };
        assert_eq!((with_x(0.99), with_x(1.0)), (1, 3));
    }

    #[test]
    fn instruction_set_and_threads_change_no_bit() {
        let (x, y) = (sample(301, 6, 1), sample(301, 3, 2));
        let of = |exec| Svcca::default().correlations(x.view(), y.view(), exec).into_iter().map(f64::to_bits).collect::<Vec<_>>();
        for isa in Isa::available() {
            for parallel in [false, true] {
                assert_eq!(of(Exec { isa, parallel }), of(Exec::serial()), "{} {parallel}", isa.name());
            }
        }
    }

    #[test]
    fn extremes() {
        let x = sample(50, 4, 1);
        let value = |y: Array2<f64>| Svcca::default().value(x.view(), y.view(), Exec::serial());
        assert!((value(x.clone()) - 1.0).abs() < 1e-12 && (value(x.mapv(|v| v * 1e300)) - 1.0).abs() < 1e-12);
        assert_eq!((value(Array2::from_elem((50, 3), 0.1)), value(Array2::zeros((50, 0)))), (0.0, 0.0));
        let one = Array2::zeros((1, 2));
        assert_eq!(Svcca::default().value(one.view(), one.view(), Exec::serial()), 0.0);
        // A constant unit and a copy of a unit add no direction.
        let padded = Array2::from_shape_fn((50, 6), |(i, u)| if u == 5 { 3.0 } else { x[(i, u.min(3))] });
        assert!((Svcca { variance: 1.0, ..Svcca::default() }.value(padded.view(), x.view(), Exec::serial()) - 1.0).abs() < 1e-9);
    }
}

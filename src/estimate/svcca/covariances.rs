//! Covariances of all units of some sides, in one pass over the examples.
//!
//! The examples are cut into ranges. Within one, values are centred by the range's own means and multiplied while they are in the cache;
//! then the ranges are joined in their order by C = C₁ + C₂ + n₁n₂/(n₁ + n₂) δδᵀ, with δ the difference of the means (T. Chan, G. Golub &
//! R. LeVeque, *Algorithms for computing the sample variance*, 1983). Nothing cancels, whatever the means are. How many ranges there are
//! depends on the number of examples alone, so threads change no bit.

use std::ops::Range;

use nalgebra::DMatrix;
use ndarray::{ArrayView2, s};

use crate::estimate::Sample;
use crate::math::exec::Exec;
use crate::math::pool::Pool;
use crate::math::power::reciprocal_power;
use crate::math::simd::{Kernel, Simd};

/// Examples of a vector.
const WIDTH: usize = 8;
/// Units whose products with a few others are computed together: as many sums as fit the registers.
const TILE: usize = 4;
/// Those others.
const OTHERS: usize = 2;
/// Most vectors of a range: the columns of a tile stay in the first cache.
const RANGE: usize = 64;
/// Ranges are a multiple of these in number where there are many, so that few threads have equally much to do.
const EVEN: usize = 4;
/// Numbers of the products of ranges that wait to be joined.
const WAITING: usize = 4 << 20;
/// Products worth a thread of their own within a range.
const PIECE: usize = 64;
/// Magnitudes whose squares and their sums are within the range of f64.
const MODERATE: Range<f64> = 1e-100..1e100;

/// A few examples of one unit.
type Lanes = [f64; WIDTH];
/// Products of a tile of units with the others, lane by lane.
type Sums = [[Lanes; OTHERS]; TILE];

/// A side of a comparison: the values of some units on some examples.
pub(super) trait Side: Sync {
    /// Number of units.
    fn units(&self) -> usize;
    /// Writes the values of `examples` into columns, one a unit, that begin `stride` vectors apart.
    fn copy(&self, examples: Range<usize>, stride: usize, columns: &mut [Lanes]);
}

/// Examples × units.
impl Side for ArrayView2<'_, f64> {
    fn units(&self) -> usize {
        self.ncols()
    }

    fn copy(&self, examples: Range<usize>, stride: usize, columns: &mut [Lanes]) {
        let values = self.slice(s![examples, ..]);
        match values.as_slice() {
            Some(values) if !values.is_empty() => transpose(values, stride, columns),
            _ => {
                for (from, to) in values.columns().into_iter().zip(columns.chunks_mut(stride)) {
                    to.as_flattened_mut().iter_mut().zip(from).for_each(|(to, value)| *to = *value);
                }
            }
        }
    }
}

/// A layer, which is kept in single precision, units × examples.
impl Side for Sample<'_> {
    fn units(&self) -> usize {
        Sample::units(self)
    }

    fn copy(&self, examples: Range<usize>, stride: usize, columns: &mut [Lanes]) {
        for (unit, to) in columns.chunks_mut(stride).enumerate() {
            let from = &self.unit(unit)[examples.clone()];
            to.as_flattened_mut().iter_mut().zip(from).for_each(|(to, value)| *to = f64::from(*value));
        }
    }
}

/// Covariances of all units of some sides, up to a factor a side.
pub(super) struct Covariances {
    /// Where each side's units begin, and one past the end.
    starts: Vec<usize>,
    /// Of a unit with itself and all later ones, row by row; what is before is of no meaning.
    products: Vec<f64>,
}

impl Covariances {
    /// Of sides with `examples` examples each.
    pub(super) fn of(sides: &[impl Side], examples: usize, exec: Exec, spaces: &Pool<Space>) -> Self {
        let starts = sides.iter().scan(0, |next, side| {
            *next += side.units();
            Some(*next)
        });
        let starts: Vec<usize> = [0].into_iter().chain(starts).collect();
        let units = starts[sides.len()];
        let tiles = |first: usize| (first..units).step_by(OTHERS).map(move |other| (first, other));
        let tiles = (0..units).step_by(TILE).flat_map(tiles).collect();
        let mut work = Work { sides, starts, scales: vec![1.0; sides.len()], tiles, exec, spaces };
        let mut joined = work.joined(examples);
        if !joined.reach.iter().all(|reach| *reach == 0.0 || MODERATE.contains(reach)) {
            // Products left the range of f64, or may have. A power of two changes no other bit, and correlations do not see it.
            let scale = |reach: &f64| if MODERATE.contains(reach) { 1.0 } else { reciprocal_power(*reach) };
            work.scales = joined.reach.iter().map(scale).collect();
            joined = work.joined(examples);
        }
        Self { starts: work.starts, products: joined.products }
    }

    /// Those of one side with the same or a later one.
    pub(super) fn between(&self, one: usize, other: usize) -> DMatrix<f64> {
        let all = self.starts[self.starts.len() - 1];
        let [rows, columns] = [one, other].map(|side| self.starts[side]..self.starts[side + 1]);
        DMatrix::from_fn(rows.len(), columns.len(), |i, j| {
            let (i, j) = (rows.start + i, columns.start + j);
            self.products[i.min(j) * all + i.max(j)]
        })
    }
}

/// What one range needs; kept from call to call.
#[derive(Debug, Default)]
pub(in crate::estimate) struct Space {
    /// Centred columns of all sides, one after the other. Units up to a whole tile are 0, and so is what is behind the last example.
    columns: Vec<f64>,
    /// A tile each.
    sums: Vec<Sums>,
}

impl Space {
    /// So many vectors that begin at a cache line, else half of all reads would touch two; and the sums.
    fn columns(&mut self, count: usize) -> (&mut [Lanes], &mut Vec<Sums>) {
        self.columns.resize((count + 1) * WIDTH, 0.0);
        let start = self.columns.as_ptr().align_offset(size_of::<Lanes>()).min(WIDTH);
        (&mut self.columns[start..].as_chunks_mut().0[..count], &mut self.sums)
    }
}

/// What is to be multiplied, and how.
struct Work<'a, S> {
    sides: &'a [S],
    /// Where each side's units begin, and one past the end.
    starts: Vec<usize>,
    /// What centred values of each side are multiplied by.
    scales: Vec<f64>,
    /// First unit of each tile, and the first of the others.
    tiles: Vec<(usize, usize)>,
    exec: Exec,
    spaces: &'a Pool<Space>,
}

/// What some ranges come to.
struct Joined {
    examples: usize,
    /// Of each unit, in quarters: they cannot overflow where they are subtracted.
    means: Vec<f64>,
    /// Of every unit with itself and all later ones: sums of the products of centred values, units × units.
    products: Vec<f64>,
    /// Largest magnitude of a centred value of each side, before it is scaled.
    reach: Vec<f64>,
}

impl<S: Side> Work<'_, S> {
    fn units(&self) -> usize {
        self.starts[self.sides.len()]
    }

    /// All ranges, joined.
    fn joined(&self, examples: usize) -> Joined {
        let (units, ranges) = (self.units(), ranges(examples));
        let (products, reach) = (vec![0.0; units * units], vec![0.0; self.sides.len()]);
        let mut all = Joined { examples: 0, means: vec![0.0; units], products, reach };
        for ranges in ranges.chunks((WAITING / (units * units).max(1)).max(1)) {
            let parts = self.exec.map(ranges.len(), |place| self.of_range(&ranges[place], &mut self.spaces.take()));
            for part in &parts {
                self.join(&mut all, part);
            }
        }
        all
    }

    /// One range.
    fn of_range(&self, range: &Range<usize>, space: &mut Space) -> Joined {
        let (units, examples) = (self.units(), range.len());
        // Columns an odd number of cache lines apart: else their vectors would compete for the same few places of the cache.
        let stride = examples.div_ceil(WIDTH) | 1;
        let (columns, sums) = space.columns(units.next_multiple_of(TILE) * stride);
        columns[units * stride..].fill([0.0; WIDTH]);
        columns.chunks_mut(stride).for_each(|column| column[examples / WIDTH..].fill([0.0; WIDTH]));
        let (mut means, mut reach) = (Vec::with_capacity(units), vec![0.0; self.sides.len()]);
        for (place, side) in self.sides.iter().enumerate() {
            let columns = &mut columns[self.starts[place] * stride..self.starts[place + 1] * stride];
            side.copy(range.clone(), stride, columns);
            for column in columns.chunks_mut(stride) {
                let column = &mut column.as_flattened_mut()[..examples];
                let (mean, largest) = self.exec.isa.dispatch(Centre { column, scale: self.scales[place] });
                means.push(mean);
                reach[place] = f64::max(reach[place], largest);
            }
        }
        sums.resize(self.tiles.len(), Sums::default());
        let piece = |(): &mut (), place: usize, sums: &mut [Sums]| {
            self.exec.isa.dispatch(Products { columns, stride, tiles: &self.tiles[place * PIECE..], sums });
        };
        self.exec.pieces(sums, PIECE, || (), piece);
        let mut products = vec![0.0; units * units];
        for ((first, other), sums) in self.tiles.iter().zip(sums) {
            for (row, sums) in products.chunks_mut(units).skip(*first).zip(sums) {
                row[*other..].iter_mut().zip(sums).for_each(|(to, lanes)| *to = sum(lanes));
            }
        }
        Joined { examples, means, products, reach }
    }

    /// Joins a range to all that are before it.
    fn join(&self, all: &mut Joined, part: &Joined) {
        let (before, here) = (all.examples as f64, part.examples as f64);
        let share = here / (before + here);
        all.examples += part.examples;
        let mut apart = Vec::with_capacity(part.means.len());
        for (side, scale) in self.scales.iter().enumerate() {
            let mut reach = f64::max(all.reach[side], part.reach[side]);
            for unit in self.starts[side]..self.starts[side + 1] {
                // The first range has nothing before it.
                let difference = if before > 0.0 { part.means[unit] - all.means[unit] } else { 0.0 };
                all.means[unit] = if before > 0.0 { all.means[unit] + difference * share } else { part.means[unit] };
                reach = reach.max(difference.abs());
                apart.push(difference * scale);
            }
            all.reach[side] = reach;
        }
        let units = apart.len().max(1);
        for (unit, (to, from)) in all.products.chunks_mut(units).zip(part.products.chunks(units)).enumerate() {
            let weight = apart[unit] * before * share;
            for ((to, from), apart) in to[unit..].iter_mut().zip(&from[unit..]).zip(&apart[unit..]) {
                *to += from + weight * apart;
            }
        }
    }
}

/// Equal ranges of whole vectors.
fn ranges(examples: usize) -> Vec<Range<usize>> {
    let count = examples.div_ceil(WIDTH * RANGE).next_multiple_of(EVEN);
    let length = examples.div_ceil(count.max(1)).max(1).next_multiple_of(WIDTH);
    (0..examples).step_by(length).map(|start| start..(start + length).min(examples)).collect()
}

/// Sum over the lanes, by halves. Apart from the kernel, whose lanes the compiler would else take apart for it.
fn sum(&[a, b, c, d, e, f, g, h]: &Lanes) -> f64 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Takes the mean off a column in quarters and scales it. The mean, and the largest magnitude before scaling.
struct Centre<'a> {
    column: &'a mut [f64],
    scale: f64,
}

impl Kernel for Centre<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> (f64, f64) {
        let Self { column, scale } = self;
        let share = 0.25 / column.len() as f64;
        let (blocks, rest) = column.as_chunks::<WIDTH>();
        let first = column[0];
        let (mut sums, mut low, mut high) = ([0.0; WIDTH], [first; WIDTH], [first; WIDTH]);
        for block in blocks {
            for lane in 0..WIDTH {
                sums[lane] += block[lane] * share;
                low[lane] = if block[lane] < low[lane] { block[lane] } else { low[lane] };
                high[lane] = if block[lane] > high[lane] { block[lane] } else { high[lane] };
            }
        }
        let mean = sums.iter().sum::<f64>() + rest.iter().map(|v| *v * share).sum::<f64>();
        let low = low.iter().chain(rest).fold(first, |low, v| low.min(*v));
        let high = high.iter().chain(rest).fold(first, |high, v| high.max(*v));
        // A constant is not its mean to the last bit.
        let mean = if low == high { 0.25 * first } else { mean };
        column.iter_mut().for_each(|value| *value = (0.25 * *value - mean) * scale);
        (mean, f64::max(0.25 * high - mean, mean - 0.25 * low))
    }
}

/// Writes rows of as many `values` as there are columns into them. Not a kernel: wider instructions would gather, which is slower.
fn transpose(values: &[f64], stride: usize, columns: &mut [Lanes]) {
    let units = columns.len() / stride;
    let (rows, full) = (values.chunks_exact(WIDTH * units), values.len() / (WIDTH * units));
    for (lane, row) in rows.remainder().chunks_exact(units).enumerate() {
        for (unit, value) in row.iter().enumerate() {
            columns[unit * stride + full][lane] = *value;
        }
    }
    for (block, rows) in rows.enumerate() {
        for unit in 0..units {
            columns[unit * stride + block] = std::array::from_fn(|lane| rows[lane * units + unit]);
        }
    }
}

/// The work of some tiles, each given by its first unit and the first of the others.
struct Products<'a> {
    columns: &'a [Lanes],
    stride: usize,
    tiles: &'a [(usize, usize)],
    sums: &'a mut [Sums],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { columns, stride, tiles, sums } = self;
        let column = |unit: usize| &columns[unit * stride..][..stride];
        for (&(first, other), sums) in tiles.iter().zip(sums.iter_mut()) {
            let left = [column(first), column(first + 1), column(first + 2), column(first + 3)];
            let right = [column(other), column(other + 1)];
            let mut totals = Sums::default();
            for block in 0..stride {
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

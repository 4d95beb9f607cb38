//! The sums of distance correlation over all pairs of examples, each once, in f64, for every two of some sides at once.
//!
//! Eight examples are a vector (the compiler makes instructions of the loops over eight), eight vectors' worth of rows a panel. A panel
//! meets itself and all later ones. Panels are dealt to strips so that each has as much work, first and last together; a strip has
//! sums of its own, and strips are added in their order. Their number depends on N alone, so the sums are the same bits for any number
//! of threads, and on every instruction set, since each operation is IEEE-754 on its lane.

use rayon::prelude::*;

use super::Sums;
use crate::math::exec::Exec;
use crate::math::simd::{Kernel, Simd};

/// Examples of a vector.
const WIDTH: usize = 8;
/// Rows whose distances are computed together.
const ROWS: usize = 4;
/// Most strips that the work is divided into.
const STRIPS: usize = 16;

type Lanes = [f64; WIDTH];

/// The sums of some sides, each example by example, with so many `units` each.
pub(super) fn sums(sides: &[Vec<f64>], units: &[usize], examples: usize, exec: Exec) -> Sums {
    let points = Points::new(sides, units, examples);
    let blocks = points.blocks();
    let strips = blocks.div_ceil(2).min(STRIPS);
    let run = |strip: usize, total: &mut Strip| {
        total.clear(sides.len(), blocks);
        exec.isa.dispatch(Work { points: &points, strip, strips, total });
    };
    let at_once = if exec.parallel { strips } else { 1 };
    let mut totals: Vec<Strip> = (0..at_once).map(|_| Strip::default()).collect();
    let pairs = sides.len() * sides.len().saturating_sub(1) / 2;
    let mut all = Sums { products: vec![0.0; pairs], rows: vec![vec![0.0; examples]; sides.len()] };
    for first in (0..strips).step_by(at_once.max(1)) {
        if exec.parallel {
            totals.par_iter_mut().enumerate().for_each(|(strip, total)| run(first + strip, total));
        } else {
            run(first, &mut totals[0]);
        }
        for total in &totals {
            for (product, lanes) in all.products.iter_mut().zip(&total.products) {
                *product += 2.0 * lanes.iter().sum::<f64>();
            }
            for (rows, sums) in all.rows.iter_mut().zip(&total.sums) {
                rows.iter_mut().zip(sums.as_flattened()).for_each(|(row, sum)| *row += sum);
            }
        }
    }
    all
}

/// All sides in vectors.
struct Points {
    examples: usize,
    units: Vec<usize>,
    /// Of each side, unit u of block b at b·units + u; 0 behind the last example.
    values: Vec<Vec<Lanes>>,
}

impl Points {
    fn new(sides: &[Vec<f64>], units: &[usize], examples: usize) -> Self {
        let side = |(side, &units): (&Vec<f64>, &usize)| {
            let mut values = vec![[0.0; WIDTH]; examples.div_ceil(WIDTH) * units];
            for (place, value) in side.iter().enumerate() {
                let (example, unit) = (place / units, place % units);
                values[example / WIDTH * units + unit][example % WIDTH] = *value;
            }
            values
        };
        Self { examples, units: units.to_vec(), values: sides.iter().zip(units).map(side).collect() }
    }

    const fn blocks(&self) -> usize {
        self.examples.div_ceil(WIDTH)
    }

    /// 1 for every lane of a block that holds an example.
    fn weights(&self, block: usize) -> Lanes {
        std::array::from_fn(|lane| if block * WIDTH + lane < self.examples { 1.0 } else { 0.0 })
    }
}

/// Sums of one strip.
#[derive(Debug, Default)]
struct Strip {
    /// Σ a_ij b_ij over pairs i < j, of every two sides.
    products: Vec<Lanes>,
    /// Σ_j of each side, at i.
    sums: Vec<Vec<Lanes>>,
    /// Distances of some rows to a block, by side.
    distances: Vec<[Lanes; ROWS]>,
    /// Their sums over the blocks so far.
    rows: Vec<[Lanes; ROWS]>,
}

impl Strip {
    fn clear(&mut self, sides: usize, blocks: usize) {
        self.products = vec![[0.0; WIDTH]; sides * sides.saturating_sub(1) / 2];
        self.sums = vec![vec![[0.0; WIDTH]; blocks]; sides];
        self.distances = vec![[[0.0; WIDTH]; ROWS]; sides];
        self.rows = self.distances.clone();
    }
}

/// The work of one strip: every `strips`-th block from the start, and as many from the end.
struct Work<'a> {
    points: &'a Points,
    strip: usize,
    strips: usize,
    total: &'a mut Strip,
}

impl Kernel for Work<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let blocks = self.points.blocks();
        // Block b has work of blocks − b; b and blocks − 1 − b together have the same for every b.
        for block in (self.strip..blocks.div_ceil(2)).step_by(self.strips) {
            for part in 0..WIDTH / ROWS {
                rows(self.points, block, part, self.total);
                if blocks - 1 - block != block {
                    rows(self.points, blocks - 1 - block, part, self.total);
                }
            }
        }
    }
}

/// Some rows of a block against it and all later blocks.
#[expect(clippy::needless_range_loop, reason = "a block is one of every side's")]
#[inline(always)]
fn rows(points: &Points, own: usize, part: usize, total: &mut Strip) {
    let Strip { products, sums, distances, rows: row_sums } = total;
    let first = own * WIDTH + part * ROWS;
    let rows = points.examples.saturating_sub(first).min(ROWS);
    for sums in row_sums.iter_mut() {
        *sums = [[0.0; WIDTH]; ROWS];
    }
    for block in own..points.blocks() {
        // No closures around the arithmetic: they would be compiled without the instructions.
        for (side, distances) in distances.iter_mut().enumerate() {
            *distances = distances_of(points, side, own, part, block);
        }
        // In the own block only what lies behind the row; behind the last example nothing.
        if block == own || block + 1 == points.blocks() || rows < ROWS {
            let weights = points.weights(block);
            for (row, lane) in (0..ROWS).flat_map(|row| (0..WIDTH).map(move |lane| (row, lane))) {
                let behind = block > own || lane > part * ROWS + row;
                let weight = if behind && row < rows { weights[lane] } else { 0.0 };
                for distances in distances.iter_mut() {
                    distances[row][lane] *= weight;
                }
            }
        }
        let mut pair = 0;
        for (side, x) in distances.iter().enumerate() {
            for y in &distances[side + 1..] {
                let mut product = products[pair];
                for row in 0..ROWS {
                    for lane in 0..WIDTH {
                        product[lane] = x[row][lane].mul_add(y[row][lane], product[lane]);
                    }
                }
                products[pair] = product;
                pair += 1;
            }
            let mut column = sums[side][block];
            let mut own_sums = row_sums[side];
            for row in 0..ROWS {
                for lane in 0..WIDTH {
                    own_sums[row][lane] += x[row][lane];
                    column[lane] += x[row][lane];
                }
            }
            row_sums[side] = own_sums;
            sums[side][block] = column;
        }
    }
    for (total, sums) in sums.iter_mut().zip(row_sums.iter()) {
        for (total, sum) in total[own][part * ROWS..].iter_mut().zip(sums) {
            *total += sum.iter().sum::<f64>();
        }
    }
}

/// Distances of some rows of one block to the examples of another.
#[inline(always)]
fn distances_of(points: &Points, side: usize, own: usize, part: usize, block: usize) -> [Lanes; ROWS] {
    let units = points.units[side];
    let rows = &points.values[side][own * units..(own + 1) * units];
    let columns = &points.values[side][block * units..(block + 1) * units];
    let mut squares = [[0.0; WIDTH]; ROWS];
    for (rows, columns) in rows.iter().zip(columns) {
        let rows = &rows.as_chunks::<ROWS>().0[part];
        for row in 0..ROWS {
            for lane in 0..WIDTH {
                let difference = columns[lane] - rows[row];
                squares[row][lane] = difference.mul_add(difference, squares[row][lane]);
            }
        }
    }
    for row in &mut squares {
        for square in row {
            *square = square.sqrt();
        }
    }
    squares
}

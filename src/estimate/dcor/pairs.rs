//! The sums of distance correlation over all pairs, each once, in f64.
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

/// The sums of two sides, each with its number of units, example by example.
pub(super) fn sums(sides: [(&[f64], usize); 2], examples: usize, exec: Exec) -> Sums {
    let points = Points::new(sides, examples);
    let blocks = points.blocks();
    let strips = blocks.div_ceil(2).min(STRIPS);
    let run = |strip: usize, total: &mut Strip| {
        total.clear(blocks);
        exec.isa.dispatch(Work { points: &points, strip, strips, total });
    };
    let at_once = if exec.parallel { strips } else { 1 };
    let mut totals: Vec<Strip> = (0..at_once).map(|_| Strip::default()).collect();
    let mut all = Sums { product: 0.0, rows: vec![[0.0; 2]; examples] };
    for first in (0..strips).step_by(at_once) {
        if exec.parallel {
            totals.par_iter_mut().enumerate().for_each(|(strip, total)| run(first + strip, total));
        } else {
            run(first, &mut totals[0]);
        }
        for total in &totals {
            all.product += 2.0 * total.product.iter().sum::<f64>();
            for (example, rows) in all.rows.iter_mut().enumerate() {
                for (row, sums) in rows.iter_mut().zip(&total.sums) {
                    *row += sums[example / WIDTH][example % WIDTH];
                }
            }
        }
    }
    all
}

/// Both sides in vectors.
struct Points {
    examples: usize,
    units: [usize; 2],
    /// Of each side, unit u of block b at b·units + u; 0 behind the last example.
    values: [Vec<Lanes>; 2],
}

impl Points {
    fn new(sides: [(&[f64], usize); 2], examples: usize) -> Self {
        let values = sides.map(|(side, units)| {
            let mut values = vec![[0.0; WIDTH]; examples.div_ceil(WIDTH) * units];
            for (place, value) in side.iter().enumerate() {
                let (example, unit) = (place / units, place % units);
                values[example / WIDTH * units + unit][example % WIDTH] = *value;
            }
            values
        });
        Self { examples, units: sides.map(|(_, units)| units), values }
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
    /// Σ a_ij b_ij over pairs i < j.
    product: Lanes,
    /// Σ_j of each side, at i.
    sums: [Vec<Lanes>; 2],
}

impl Strip {
    fn clear(&mut self, blocks: usize) {
        self.product = [0.0; WIDTH];
        for sums in &mut self.sums {
            sums.clear();
            sums.resize(blocks, [0.0; WIDTH]);
        }
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
#[inline(always)]
fn rows(points: &Points, own: usize, part: usize, total: &mut Strip) {
    let first = own * WIDTH + part * ROWS;
    let rows = points.examples.saturating_sub(first).min(ROWS);
    let (mut product, mut sums) = (total.product, [[[0.0; WIDTH]; ROWS]; 2]);
    for block in own..points.blocks() {
        // No closures around the arithmetic: they would be compiled without the instructions.
        let mut distances = [distances(points, 0, own, part, block), distances(points, 1, own, part, block)];
        // In the own block only what lies behind the row; behind the last example nothing.
        if block == own || block + 1 == points.blocks() || rows < ROWS {
            let weights = points.weights(block);
            for (row, lane) in (0..ROWS).flat_map(|row| (0..WIDTH).map(move |lane| (row, lane))) {
                let behind = block > own || lane > part * ROWS + row;
                let weight = if behind && row < rows { weights[lane] } else { 0.0 };
                distances[0][row][lane] *= weight;
                distances[1][row][lane] *= weight;
            }
        }
        for (x, y) in distances[0].iter().zip(&distances[1]) {
            for lane in 0..WIDTH {
                product[lane] = x[lane].mul_add(y[lane], product[lane]);
            }
        }
        for side in 0..2 {
            let mut column = total.sums[side][block];
            for row in 0..ROWS {
                for lane in 0..WIDTH {
                    sums[side][row][lane] += distances[side][row][lane];
                    column[lane] += distances[side][row][lane];
                }
            }
            total.sums[side][block] = column;
        }
    }
    total.product = product;
    for (total, sums) in total.sums.iter_mut().zip(&sums) {
        for (total, sum) in total[own][part * ROWS..].iter_mut().zip(sums) {
            *total += sum.iter().sum::<f64>();
        }
    }
}

/// Distances of some rows of one block to the examples of another.
#[inline(always)]
fn distances(points: &Points, side: usize, own: usize, part: usize, block: usize) -> [Lanes; ROWS] {
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

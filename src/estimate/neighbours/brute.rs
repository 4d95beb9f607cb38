//! All pairs on SIMD lanes: some rows at a time against all columns, once.
//!
//! A row keeps its distances to all columns, in x and in y, in f32: the radii are known only at the end, and counting then reads those
//! distances back, which costs a quarter of computing them. Rows are independent, so any number of threads gives the same counts.

use rayon::prelude::*;

use super::points::Points;
use super::{Around, Nearest, Radii, Search};
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd};

/// Rows that meet the columns together.
const ROWS: usize = 4;
/// Rows that are one piece of work for a thread.
const PIECE: usize = 64;

/// Scratch space of the serial case.
#[derive(Debug, Default)]
pub(super) struct Rows(Space);

/// Scratch space of one thread.
#[derive(Debug, Default)]
struct Space {
    /// Distances of row r in x at 2·r, in y at 2·r + 1, block by block.
    distances: [Vec<Block>; 2 * ROWS],
    nearest: [Nearest; ROWS],
    /// Values of the rows, unit by unit.
    rows: Vec<[f32; ROWS]>,
    near: Vec<(f64, f64, f64)>,
}

impl Rows {
    /// What lies around every example.
    pub(super) fn around(&mut self, search: &Search<'_>, points: &Points, exec: Exec, around: &mut [Around]) {
        let run = |space: &mut Space, piece: usize, around: &mut [Around]| {
            for (group, around) in around.chunks_mut(ROWS).enumerate() {
                exec.isa.dispatch(Group { search, points, space, first: piece * PIECE + group * ROWS, around });
            }
        };
        if exec.parallel {
            let pieces = around.par_chunks_mut(PIECE).enumerate();
            pieces.for_each_init(Space::default, |space, (piece, around)| run(space, piece, around));
        } else {
            around.chunks_mut(PIECE).enumerate().for_each(|(piece, around)| run(&mut self.0, piece, around));
        }
    }
}

/// The work of a few rows.
struct Group<'a> {
    search: &'a Search<'a>,
    points: &'a Points,
    space: &'a mut Space,
    /// The first of the rows.
    first: usize,
    /// As many as there are rows.
    around: &'a mut [Around],
}

impl Kernel for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { search, points, space, first, around } = self;
        space.load(search, points, first);
        if S::WIDE {
            space.sweep::<S, 2>(s, search, points, first);
        } else {
            // Where registers are few, one block of columns at a time; no distance changes.
            space.sweep::<S, 1>(s, search, points, first);
        }
        for (row, around) in around.iter_mut().enumerate() {
            let radii = space.radii(search, points, first, row);
            let sides = [radii.x, radii.y].map(|radius| points.bounds(first + row, radius));
            let [x, y] = count(s, [&space.distances[2 * row], &space.distances[2 * row + 1]], sides);
            *around = Around {
                x: space.decide(search, points, first, (row, 0), radii.x, x),
                y: space.decide(search, points, first, (row, 1), radii.y, y),
                neighbours: radii.neighbours,
                tied: radii.tied,
            };
        }
    }
}

impl Space {
    /// Makes ready for rows from `first` on. Behind the last example they repeat it, and nobody asks for what comes out.
    fn load(&mut self, search: &Search<'_>, points: &Points, first: usize) {
        let units = points.units[0] + points.units[1];
        self.rows.clear();
        for unit in 0..units {
            self.rows.push(std::array::from_fn(|row| {
                let example = (first + row).min(points.examples - 1);
                points.values[example / LANES * units + unit].0[example % LANES]
            }));
        }
        self.nearest.iter_mut().for_each(|nearest| nearest.clear(search.k + 1));
        self.distances.iter_mut().for_each(|d| d.resize(points.blocks(), Block::default()));
    }

    /// Computes and keeps the distances of the rows to all columns, `C` blocks at a time, and gathers each row's nearest.
    #[inline(always)]
    fn sweep<S: Simd, const C: usize>(&mut self, s: S, search: &Search<'_>, points: &Points, first: usize) {
        let units = points.units[0] + points.units[1];
        let (rows_x, rows_y) = self.rows.split_at(points.units[0]);
        let mut bounds = [f32::INFINITY; ROWS];
        for block in (0..points.blocks()).step_by(C) {
            let columns: [&[Block]; C] = std::array::from_fn(|c| &points.values[(block + c) * units..(block + c + 1) * units]);
            let x = farthest(s, rows_x, columns.map(|column| &column[..rows_x.len()]));
            let y = farthest(s, rows_y, columns.map(|column| &column[rows_x.len()..]));
            for row in 0..ROWS {
                for c in 0..C {
                    s.store(&mut self.distances[2 * row][block + c], x[row][c]);
                    s.store(&mut self.distances[2 * row + 1][block + c], y[row][c]);
                    let joint = s.max(x[row][c], y[row][c]);
                    let near = s.less(joint, s.splat(bounds[row]));
                    if near != 0 {
                        let mut values = Block::default();
                        s.store(&mut values, joint);
                        let widen = |distance| points.widen((first + row).min(points.examples - 1), distance);
                        gather(&mut self.nearest[row], near, &values, block + c, search.k, &mut bounds[row], widen);
                    }
                }
            }
        }
    }

    /// The exact radii of a row.
    fn radii(&mut self, search: &Search<'_>, points: &Points, first: usize, row: usize) -> Radii {
        let i = first + row;
        let nearest = &mut self.nearest[row];
        // The row itself is among them, at distance 0.
        nearest.shrink(search.k + 1, |distance| points.widen(i, distance));
        let others = nearest.items.iter().map(|(_, j)| *j).filter(|j| *j as usize != i);
        search.radii(i, others, &mut self.near)
    }

    /// The number of others within the radius, from the numbers that are surely and that are possibly within, the row included.
    fn decide(
        &self,
        search: &Search<'_>,
        points: &Points,
        first: usize,
        (row, side): (usize, usize),
        radius: f64,
        (surely, possibly): (u32, u32),
    ) -> u32 {
        let i = first + row;
        let itself = u32::from(radius > 0.0);
        if surely == possibly {
            return surely - itself;
        }
        let table = if side == 0 { search.x } else { search.y };
        let (low, high) = points.bounds(i, radius);
        let distances = crate::math::simd::flat(&self.distances[2 * row + side]);
        let close = (0..points.examples).filter(|&j| low <= distances[j] && distances[j] < high);
        surely + close.filter(|&j| table.distance(i, j) < radius).count() as u32 - itself
    }
}

/// Takes the lanes of `near` into a row's nearest and lowers its bound when it is time. Rare, so not part of the loop's code.
#[inline(never)]
fn gather(
    nearest: &mut Nearest,
    mut near: u16,
    distances: &Block,
    block: usize,
    k: usize,
    bound: &mut f32,
    widen: impl Fn(f64) -> f64,
) {
    while near != 0 {
        let lane = near.trailing_zeros() as usize;
        near &= near - 1;
        let full = nearest.take(f64::from(distances.0[lane]), (block * LANES + lane) as u32);
        if full {
            *bound = (nearest.shrink(k + 1, &widen) as f32).next_up();
        }
    }
}

/// Max-norm distances of the rows to `C` blocks of columns.
#[inline(always)]
fn farthest<S: Simd, const C: usize>(s: S, rows: &[[f32; ROWS]], columns: [&[Block]; C]) -> [[S::V; C]; ROWS] {
    let mut far = [[s.zero(); C]; ROWS];
    for (unit, rows) in rows.iter().enumerate() {
        let mut values = [s.zero(); C];
        for c in 0..C {
            values[c] = s.load(&columns[c][unit]);
        }
        for r in 0..ROWS {
            let row = s.splat(rows[r]);
            for c in 0..C {
                far[r][c] = s.max_abs(far[r][c], s.sub(values[c], row));
            }
        }
    }
    far
}

/// Columns below the lower and below the upper bound, for both sides. Counts are exact in f32 for up to 2^24 blocks.
#[inline(always)]
fn count<S: Simd>(s: S, distances: [&[Block]; 2], bounds: [(f32, f32); 2]) -> [(u32, u32); 2] {
    let one = s.splat(1.0);
    let bounds = bounds.map(|(low, high)| (s.splat(low), s.splat(high)));
    let mut counts = [(s.zero(), s.zero()); 2];
    for (x, y) in distances[0].iter().zip(distances[1]) {
        for (side, distance) in [s.load(x), s.load(y)].into_iter().enumerate() {
            counts[side].0 = s.add(counts[side].0, s.select_gt(bounds[side].0, distance, one, s.zero()));
            counts[side].1 = s.add(counts[side].1, s.select_gt(bounds[side].1, distance, one, s.zero()));
        }
    }
    counts.map(|(surely, possibly)| (total(s, surely), total(s, possibly)))
}

/// Sum of the lanes, each a whole number.
#[inline(always)]
fn total<S: Simd>(s: S, counts: S::V) -> u32 {
    let mut lanes = Block::default();
    s.store(&mut lanes, counts);
    lanes.0.iter().map(|&lane| lane as u32).sum()
}

//! All pairs on SIMD lanes: some rows at a time against all columns, once.
//!
//! A row keeps its distances to all columns, in x and in y, in f32: the radii are known only at the end, and counting then reads those
//! distances back, which costs a quarter of computing them. Rows are independent, so any number of threads gives the same counts.

use super::points::Points;
use super::{Around, Near, Nearest, Radii, Search};
use crate::math::exec::Exec;
use crate::math::pool::Pool;
use crate::math::simd::{Block, Kernel, LANES, Simd};

/// Rows that meet the columns together.
const ROWS: usize = 4;
/// Rows that are one piece of work for a thread.
const PIECE: usize = 16;

/// Scratch spaces of the threads.
#[derive(Debug, Default)]
pub(super) struct Rows(Pool<Space>);

/// Scratch space of one thread.
#[derive(Debug, Default)]
struct Space {
    /// Of each block of columns, the distances of row r in x at r, in y at ROWS + r.
    distances: Vec<[Block; 2 * ROWS]>,
    nearest: [Nearest; ROWS],
    /// Values of the rows, unit by unit.
    rows: Vec<[f32; ROWS]>,
    /// Of each row, those near it.
    near: [Vec<Near>; ROWS],
}

impl Rows {
    /// What lies around every example.
    pub(super) fn around(&self, search: &Search<'_>, points: &Points, exec: Exec, around: &mut [Around]) {
        let run = |space: &mut Space, piece: usize, around: &mut [Around]| {
            for (group, around) in around.chunks_mut(ROWS).enumerate() {
                exec.isa.dispatch(Group { search, points, space, first: piece * PIECE + group * ROWS, around });
            }
        };
        exec.pieces(around, PIECE, || self.0.take(), |space, piece, around| run(space, piece, around));
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
            space.sweep::<S, 2>(s, points, first);
        } else {
            // Where registers are few, one block of columns at a time; no distance changes.
            space.sweep::<S, 1>(s, points, first);
        }
        let mut radii = [Radii::default(); ROWS];
        let mut bounds = [[(0.0, 0.0); ROWS]; 2];
        for row in 0..around.len() {
            radii[row] = space.radii(search, points, first, row);
            bounds[0][row] = points.bounds(first + row, radii[row].x);
            bounds[1][row] = points.bounds(first + row, radii[row].y);
        }
        let counts = [count::<S, 0>(s, &space.distances, &bounds[0]), count::<S, 1>(s, &space.distances, &bounds[1])];
        for (row, around) in around.iter_mut().enumerate() {
            let Radii { x, y, neighbours, tied } = radii[row];
            let decide = |side: usize, radius| space.decide(search, points, first, (row, side), radius, counts[side][row]);
            *around = Around { x: decide(0, x), y: decide(1, y), neighbours, tied };
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
        self.distances.resize(points.blocks(), [Block::default(); 2 * ROWS]);
    }

    /// Computes and keeps the distances of the rows to all columns, `C` blocks at a time, and gathers each row's nearest.
    #[inline(always)]
    fn sweep<S: Simd, const C: usize>(&mut self, s: S, points: &Points, first: usize) {
        let units = points.units[0] + points.units[1];
        let (rows_x, rows_y) = self.rows.split_at(points.units[0]);
        let mut bounds = [f32::INFINITY; ROWS];
        let columns = points.values.chunks_exact(C * units);
        for ((block, distances), columns) in self.distances.as_chunks_mut::<C>().0.iter_mut().enumerate().zip(columns) {
            let x = farthest::<S, C>(s, rows_x, columns, units);
            let y = farthest::<S, C>(s, rows_y, &columns[rows_x.len()..], units);
            for row in 0..ROWS {
                for c in 0..C {
                    s.store(&mut distances[c][row], x[row][c]);
                    s.store(&mut distances[c][ROWS + row], y[row][c]);
                    let joint = s.max(x[row][c], y[row][c]);
                    let near = s.less(joint, s.splat(bounds[row]));
                    if near != 0 {
                        let mut values = Block::default();
                        s.store(&mut values, joint);
                        let i = (first + row).min(points.examples - 1);
                        bounds[row] = gather(&mut self.nearest[row], near, &values, block * C + c, points, i);
                    }
                }
            }
        }
    }

    /// The exact radii of a row.
    fn radii(&mut self, search: &Search<'_>, points: &Points, first: usize, row: usize) -> Radii {
        let i = first + row;
        let nearest = &mut self.nearest[row];
        nearest.settle(|distance| points.widen(i, distance));
        // The row itself is among them, at distance 0.
        let others = nearest.items.iter().map(|(_, j)| *j).filter(|j| *j as usize != i);
        search.radii(i, others, &mut self.near[row])
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
        let (low, high) = points.bounds(i, radius);
        let is_close = |j: usize| {
            let distance = self.distances[j / LANES][side * ROWS + row].0[j % LANES];
            low <= distance && distance < high
        };
        // The radius is the distance of a neighbour, which is therefore close to it, and most often it alone.
        let close = self.near[row].iter().filter(|near| is_close(near.index as usize));
        if close.clone().count() as u32 == possibly - surely {
            return surely + close.filter(|near| near.sides[side] < radius).count() as u32 - itself;
        }
        let table = if side == 0 { search.x } else { search.y };
        let close = (0..points.examples).filter(|&j| is_close(j));
        surely + close.filter(|&j| table.distance(i, j) < radius).count() as u32 - itself
    }
}

/// Takes the lanes of `near` into a row's nearest and gives its new bound. Rare, so not part of the loop's code.
#[inline(never)]
fn gather(nearest: &mut Nearest, mut near: u16, distances: &Block, block: usize, points: &Points, i: usize) -> f32 {
    while near != 0 {
        let lane = near.trailing_zeros() as usize;
        near &= near - 1;
        nearest.take(f64::from(distances.0[lane]), (block * LANES + lane) as u32);
    }
    (points.widen(i, nearest.radius()) as f32).next_up()
}

/// Max-norm distances of the rows to `C` blocks of columns, in some units of theirs.
#[inline(always)]
fn farthest<S: Simd, const C: usize>(s: S, rows: &[[f32; ROWS]], columns: &[Block], units: usize) -> [[S::V; C]; ROWS] {
    // No closures around the arithmetic: they would be compiled without the instructions.
    let mut far = [[s.zero(); C]; ROWS];
    for (unit, rows) in rows.iter().enumerate() {
        let mut values = [s.zero(); C];
        for c in 0..C {
            values[c] = s.load(&columns[c * units + unit]);
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

/// For each row the columns below its lower and below its upper bound, on one side. Exact in f32 for up to 2^24 blocks.
#[inline(always)]
fn count<S: Simd, const SIDE: usize>(s: S, distances: &[[Block; 2 * ROWS]], bounds: &[(f32, f32); ROWS]) -> [(u32, u32); ROWS] {
    let (mut low, mut high) = ([s.zero(); ROWS], [s.zero(); ROWS]);
    for row in 0..ROWS {
        (low[row], high[row]) = (s.splat(bounds[row].0), s.splat(bounds[row].1));
    }
    let (mut surely, mut possibly) = ([s.zero(); ROWS], [s.zero(); ROWS]);
    for block in distances {
        for row in 0..ROWS {
            let distance = s.load(&block[SIDE * ROWS + row]);
            surely[row] = s.count_less(surely[row], distance, low[row]);
            possibly[row] = s.count_less(possibly[row], distance, high[row]);
        }
    }
    let mut counts = [(0, 0); ROWS];
    for row in 0..ROWS {
        counts[row] = (total(s, surely[row]), total(s, possibly[row]));
    }
    counts
}

/// Sum of the lanes, each a whole number.
#[inline(always)]
fn total<S: Simd>(s: S, counts: S::V) -> u32 {
    let mut lanes = Block::default();
    s.store(&mut lanes, counts);
    lanes.0.iter().map(|&lane| lane as u32).sum()
}

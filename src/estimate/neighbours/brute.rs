//! All pairs on SIMD lanes: some rows at a time against all columns, once.
//!
//! A row keeps its distances to all columns, in x and in y, in f32: the radii are known only at the end, and counting then reads those
//! distances back, which costs a quarter of computing them. Rows are independent, so any number of threads gives the same counts.

use super::line::Line;
use super::points::Points;
use super::{Around, Near, Nearest, Radii, Search};
use crate::math::exec::Exec;
use crate::math::pool::Pool;
use crate::math::simd::{Block, Kernel, LANES, Simd};

/// Rows that meet the columns together.
const ROWS: usize = 4;
/// Rows that are one piece of work for a thread.
const PIECE: usize = 16;

/// What the search keeps from call to call.
#[derive(Debug, Default)]
pub(super) struct Rows {
    spaces: Pool<Space>,
    /// The sides of a single column: what is close is soon counted there.
    lines: [Option<Line>; 2],
}

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
    pub(super) fn around(&mut self, search: &Search<'_>, points: &Points, exec: Exec, around: &mut [Around]) {
        for (line, table) in self.lines.iter_mut().zip([search.x, search.y]) {
            *line = (table.units() == 1).then(|| {
                let mut line = line.take().unwrap_or_default();
                line.load(search.repeated(table.unit(0)));
                line
            });
        }
        let lines = &self.lines;
        let run = |space: &mut Space, piece: usize, around: &mut [Around]| {
            for (group, around) in around.chunks_mut(ROWS).enumerate() {
                exec.isa.dispatch(Group { search, points, lines, space, first: piece * PIECE + group * ROWS, around });
            }
        };
        exec.pieces(around, PIECE, || self.spaces.take(), |space, piece, around| run(space, piece, around));
    }
}

/// The work of a few rows.
struct Group<'a> {
    search: &'a Search<'a>,
    points: &'a Points,
    lines: &'a [Option<Line>; 2],
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
        let Self { search, points, lines, space, first, around } = self;
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
        let counts = if points.weights.is_empty() {
            [count::<S, 0>(s, &space.distances, &bounds[0]), count::<S, 1>(s, &space.distances, &bounds[1])]
        } else {
            [0, 1].map(|side| weigh(s, side, &space.distances, &points.weights, &bounds[side]))
        };
        for (row, around) in around.iter_mut().enumerate() {
            let Radii { x, y, neighbours, tied } = radii[row];
            let decide = |side: usize, radius: f64| {
                if radius <= 0.0 {
                    return 0;
                }
                let (surely, possibly) = counts[side][row];
                let within = match &lines[side] {
                    _ if surely == possibly => surely,
                    Some(line) => {
                        let table = if side == 0 { search.x } else { search.y };
                        line.count(table.example(first + row)[0], radius) as u32
                    }
                    None => surely + space.close(search, points, first, (row, side), radius, possibly - surely),
                };
                // All but the example itself.
                within - 1
            };
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
        // Each row is among its own candidates. What cannot be told apart in f32 has to be kept.
        let all = search.needs_all() || !points.lattice;
        self.nearest.iter_mut().for_each(|nearest| nearest.clear(search.k + 1, 0, all));
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
        search.radii(i, others, nearest.is_crowded(), &mut self.near[row])
    }

    /// How many examples are within the radius among the `undecided` that are too close to it to call in f32.
    fn close(
        &self,
        search: &Search<'_>,
        points: &Points,
        first: usize,
        (row, side): (usize, usize),
        radius: f64,
        undecided: u32,
    ) -> u32 {
        let i = first + row;
        let (low, high) = points.bounds(i, radius);
        let is_close = |j: usize| {
            let distance = self.distances[j / LANES][side * ROWS + row].0[j % LANES];
            low <= distance && distance < high
        };
        // The radius is the distance of a neighbour, which is therefore close to it, and most often it alone.
        let close = self.near[row].iter().filter(|near| is_close(near.index as usize));
        if close.clone().map(|near| near.weight).sum::<u32>() == undecided {
            return close.filter(|near| near.sides[side] < radius).map(|near| near.weight).sum();
        }
        let table = if side == 0 { search.x } else { search.y };
        let within = (0..points.examples).filter(|&j| is_close(j) && table.distance(i, j) < radius);
        within.map(|j| search.weight(j as u32)).sum()
    }
}

/// Takes the lanes of `near` into a row's nearest and gives its new bound. Rare, so not part of the loop's code.
#[inline(never)]
fn gather(nearest: &mut Nearest, mut near: u16, distances: &Block, block: usize, points: &Points, i: usize) -> f32 {
    while near != 0 {
        let lane = near.trailing_zeros() as usize;
        near &= near - 1;
        let weight = points.weights.get(block).map_or(1, |weights| weights.0[lane] as u32);
        nearest.take(f64::from(distances.0[lane]), (block * LANES + lane) as u32, weight);
    }
    let bound = points.widen(i, nearest.radius()) as f32;
    if nearest.is_crowded() { bound } else { bound.next_up() }
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

/// As [`count`], where columns stand for several examples. Exact for up to 2^24 examples a lane.
#[inline(always)]
fn weigh<S: Simd>(
    s: S,
    side: usize,
    distances: &[[Block; 2 * ROWS]],
    weights: &[Block],
    bounds: &[(f32, f32); ROWS],
) -> [(u32, u32); ROWS] {
    let mut counts = [(0, 0); ROWS];
    for row in 0..ROWS {
        let (low, high) = (s.splat(bounds[row].0), s.splat(bounds[row].1));
        let (mut surely, mut possibly) = (s.zero(), s.zero());
        for (block, weights) in distances.iter().zip(weights) {
            let (distance, weight) = (s.load(&block[side * ROWS + row]), s.load(weights));
            surely = s.add(surely, s.select_gt(low, distance, weight, s.zero()));
            possibly = s.add(possibly, s.select_gt(high, distance, weight, s.zero()));
        }
        counts[row] = (total(s, surely), total(s, possibly));
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

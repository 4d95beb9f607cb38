//! A balanced tree of boxes with the points of a leaf in lanes: few visits where dimensions are few.
//!
//! A node stands for a run of the points, reordered so that each half of a run is on one side of the widest dimension's median. Its box
//! is exact, and rounded differences are monotone, so that whole boxes are taken or left without a doubt about one point.

use super::line::Line;
use super::points::Table;
use super::{Around, Near, Nearest, Search};
use crate::math::exec::Exec;
use crate::math::pool::Pool;

/// Points of a leaf at most.
const LEAF: usize = 16;
/// Examples that are one piece of work for a thread.
const PIECE: usize = 64;

/// The trees of a search: the joint space, and each block.
#[derive(Debug, Default)]
pub(super) struct Trees {
    joint: Tree,
    sides: [Side; 2],
    spaces: Pool<Space>,
    /// In the order of the joint tree.
    around: Vec<Around>,
}

/// How the others within a radius are counted in one block.
#[derive(Debug, Default)]
struct Side {
    line: Line,
    tree: Tree,
}

/// Scratch space of one thread.
#[derive(Debug, Default)]
struct Space {
    query: Vec<f64>,
    nearest: Nearest,
    near: Vec<Near>,
}

impl Trees {
    /// What lies around every example.
    pub(super) fn around(&mut self, search: &Search<'_>, exec: Exec, around: &mut [Around]) {
        self.joint.load(&[search.x, search.y], search.weights);
        for (side, table) in self.sides.iter_mut().zip([search.x, search.y]) {
            match table.units() {
                1 => side.line.load(search.repeated(table.unit(0))),
                _ => side.tree.load(&[table], search.weights),
            }
        }
        self.around.clear();
        self.around.resize(around.len(), Around::default());
        let (joint, sides) = (&self.joint, &self.sides);
        let run = |space: &mut Space, piece: usize, around: &mut [Around]| {
            for (place, around) in around.iter_mut().enumerate() {
                *around = one(search, joint, sides, space, piece * PIECE + place);
            }
        };
        exec.pieces(&mut self.around, PIECE, || self.spaces.take(), |space, piece, around| run(space, piece, around));
        for (&example, found) in self.joint.order.iter().zip(&self.around) {
            around[example as usize] = *found;
        }
    }
}

/// What lies around the example at `place` of the joint tree's order.
fn one(search: &Search<'_>, joint: &Tree, sides: &[Side; 2], space: &mut Space, place: usize) -> Around {
    let i = joint.order[place] as usize;
    let tables = [search.x, search.y];
    space.query.clear();
    tables.iter().for_each(|table| space.query.extend_from_slice(table.example(i)));
    space.nearest.clear(search.k, search.weight(i as u32) - 1, search.needs_all());
    joint.nearest(&space.query, place, &mut space.nearest);
    let candidates = space.nearest.items.iter().map(|(_, place)| joint.order[*place as usize]);
    let radii = search.radii(i, candidates, space.nearest.is_crowded(), &mut space.near);
    let count = |side: usize, radius: f64| {
        if radius <= 0.0 {
            return 0;
        }
        let query = tables[side].example(i);
        let within = match *query {
            [value] => sides[side].line.count(value, radius),
            _ => sides[side].tree.count(query, radius),
        };
        // All but the example itself.
        within as u32 - 1
    };
    Around { x: count(0, radii.x), y: count(1, radii.y), neighbours: radii.neighbours, tied: radii.tied }
}

/// A tree over the columns of some tables.
#[derive(Debug, Default)]
struct Tree {
    units: usize,
    /// Leaves are the nodes at this depth; the root is at 0.
    depth: u32,
    /// Examples, leaf by leaf.
    order: Vec<u32>,
    /// Examples before each place of the order, and their number, where points stand for several.
    before: Vec<u32>,
    /// Points as an array of examples; only while the tree is built.
    points: Vec<f64>,
    /// Of each node, numbered as in a heap from 1: for each unit its least and its largest value.
    boxes: Vec<[f64; 2]>,
    /// Of each leaf: for each unit the values of its points.
    leaves: Vec<[f64; LEAF]>,
}

impl Tree {
    fn load(&mut self, tables: &[&Table], weights: Option<&[u32]>) {
        let examples = tables[0].examples();
        self.units = tables.iter().map(|table| table.units()).sum();
        self.points.clear();
        for example in 0..examples {
            tables.iter().for_each(|table| self.points.extend_from_slice(table.example(example)));
        }
        self.order.clear();
        self.order.extend(0..examples as u32);
        self.depth = examples.div_ceil(LEAF).next_power_of_two().trailing_zeros();
        self.boxes.clear();
        self.boxes.resize((2 << self.depth) * self.units, [f64::INFINITY, f64::NEG_INFINITY]);
        self.leaves.clear();
        self.leaves.resize((1 << self.depth) * self.units, [f64::INFINITY; LEAF]);
        self.build(1, 0, examples, 0);
        self.before.clear();
        if let Some(weights) = weights {
            self.before.push(0);
            self.before.extend(self.order.iter().scan(0, |before, &point| {
                *before += weights[point as usize];
                Some(*before)
            }));
        }
    }

    /// How many examples are at the places of a run.
    #[inline(always)]
    fn weight(&self, run: &std::ops::Range<usize>) -> usize {
        if self.before.is_empty() { run.len() } else { (self.before[run.end] - self.before[run.start]) as usize }
    }

    fn build(&mut self, node: usize, start: usize, end: usize, depth: u32) {
        let units = self.units;
        let run = &self.order[start..end];
        let bounds = &mut self.boxes[node * units..(node + 1) * units];
        for &example in run {
            for (bounds, &value) in bounds.iter_mut().zip(&self.points[example as usize * units..]) {
                *bounds = [if value < bounds[0] { value } else { bounds[0] }, if value > bounds[1] { value } else { bounds[1] }];
            }
        }
        if depth == self.depth {
            let leaf = node - (1 << depth);
            for (unit, lanes) in self.leaves[leaf * units..(leaf + 1) * units].iter_mut().enumerate() {
                for (lane, &example) in lanes.iter_mut().zip(run) {
                    *lane = self.points[example as usize * units + unit];
                }
            }
            return;
        }
        let extent = |unit: &usize| 0.5 * bounds[*unit][1] - 0.5 * bounds[*unit][0];
        let widest = (0..units).max_by(|a, b| extent(a).total_cmp(&extent(b))).unwrap_or_default();
        let middle = usize::midpoint(start, end);
        if start < end {
            let points = &self.points;
            let value = |example: u32| points[example as usize * units + widest];
            self.order[start..end].select_nth_unstable_by(middle - start, |a, b| value(*a).total_cmp(&value(*b)));
        }
        self.build(2 * node, start, middle, depth + 1);
        self.build(2 * node + 1, middle, end, depth + 1);
    }

    /// Puts the nearest others of the point at `place` into `nearest`, by their places.
    fn nearest(&self, query: &[f64], place: usize, nearest: &mut Nearest) {
        // Its own leaf first: the bound is then good from the start.
        let (mut node, mut start, mut end) = (1, 0, self.order.len());
        for _ in 0..self.depth {
            let middle = usize::midpoint(start, end);
            (node, start, end) = if place < middle { (2 * node, start, middle) } else { (2 * node + 1, middle, end) };
        }
        let own = node;
        self.search_leaf(own, start..end, query, place, nearest);
        self.search(1, 0..self.order.len(), 0, own, query, nearest);
        nearest.settle(|distance| distance);
    }

    fn search(&self, node: usize, run: std::ops::Range<usize>, depth: u32, own: usize, query: &[f64], nearest: &mut Nearest) {
        if node == own || nearest.is_beyond(self.gap(node, query)) || run.is_empty() {
            return;
        }
        if depth == self.depth {
            self.search_leaf(node, run, query, usize::MAX, nearest);
            return;
        }
        let middle = usize::midpoint(run.start, run.end);
        // The side on which the own leaf lies is likely the nearer.
        let left_first =
            own >> (self.depth - depth - 1) == 2 * node || self.gap(2 * node, query) <= self.gap(2 * node + 1, query);
        let halves = [(2 * node, run.start..middle), (2 * node + 1, middle..run.end)];
        let [first, second] = if left_first {
            halves
        } else {
            let [a, b] = halves;
            [b, a]
        };
        for (child, run) in [first, second] {
            self.search(child, run, depth + 1, own, query, nearest);
        }
    }

    fn search_leaf(&self, node: usize, run: std::ops::Range<usize>, query: &[f64], without: usize, nearest: &mut Nearest) {
        let distances = self.distances(node, query);
        for (place, &distance) in run.zip(&distances) {
            if distance <= nearest.radius() && place != without {
                nearest.take(distance, place as u32, self.weight(&(place..place + 1)) as u32);
            }
        }
    }

    /// How many points are strictly within `radius` of `query`.
    fn count(&self, query: &[f64], radius: f64) -> usize {
        self.count_in(1, 0..self.order.len(), 0, query, radius)
    }

    fn count_in(&self, node: usize, run: std::ops::Range<usize>, depth: u32, query: &[f64], radius: f64) -> usize {
        if run.is_empty() || self.gap(node, query) >= radius {
            return 0;
        }
        if self.reach(node, query) < radius {
            return self.weight(&run);
        }
        if depth == self.depth {
            let distances = self.distances(node, query);
            if self.before.is_empty() {
                return distances[..run.len()].iter().map(|&d| usize::from(d < radius)).sum();
            }
            return run.zip(&distances).filter(|(_, d)| **d < radius).map(|(place, _)| self.weight(&(place..place + 1))).sum();
        }
        let middle = usize::midpoint(run.start, run.end);
        self.count_in(2 * node, run.start..middle, depth + 1, query, radius)
            + self.count_in(2 * node + 1, middle..run.end, depth + 1, query, radius)
    }

    /// Distances of the points of a leaf.
    #[inline(always)]
    fn distances(&self, node: usize, query: &[f64]) -> [f64; LEAF] {
        let leaf = node - (1 << self.depth);
        let mut far = [0.0; LEAF];
        for (lanes, query) in self.leaves[leaf * self.units..(leaf + 1) * self.units].iter().zip(query) {
            for lane in 0..LEAF {
                let distance = (lanes[lane] - query).abs();
                far[lane] = if distance > far[lane] { distance } else { far[lane] };
            }
        }
        far
    }

    /// Distance of a node's box: no point of it is nearer.
    #[inline(always)]
    fn gap(&self, node: usize, query: &[f64]) -> f64 {
        let sides = self.boxes[node * self.units..(node + 1) * self.units].iter().zip(query);
        sides.fold(0.0, |far, ([low, high], value)| far_of(far, far_of(low - value, value - high)))
    }

    /// Distance of the farthest corner of a node's box: no point of it is farther.
    #[inline(always)]
    fn reach(&self, node: usize, query: &[f64]) -> f64 {
        let sides = self.boxes[node * self.units..(node + 1) * self.units].iter().zip(query);
        sides.fold(0.0, |far, ([low, high], value)| far_of(far, far_of(value - low, high - value)))
    }
}

/// The larger.
#[inline(always)]
fn far_of(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

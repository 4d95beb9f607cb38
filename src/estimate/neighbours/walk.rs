//! A single column on each side: the examples stand in the order of one side, and from each one walks outwards, eight at a time, until the
//! distance in that side alone exceeds that of the k-th neighbour.
//!
//! In a window of the k nearest lie about √(kN) examples, fewer than a tree would save at any N that fits the memory. Where one side's
//! distances dwarf the other's, the walk along the former is short; where both walks are long (many examples in one place), it is not
//! for this. Which it is tells a trial from some examples, and no number depends on it.

use std::ops::Range;

use super::line::within;
use super::{Around, Near, Nearest, Search};
use crate::math::exec::Exec;
use crate::math::pool::Pool;
use crate::math::simd::{Kernel, Simd};

/// Examples of a vector.
const WIDTH: usize = 8;
/// Examples that are one piece of work for a thread.
const PIECE: usize = 64;
/// Examples that are tried.
const TRIALS: usize = 32;
/// Blocks of a walk, on the average, above which a tree is faster.
const MOST_BLOCKS: usize = 256;

type Lanes = [f64; WIDTH];

/// The walks of a search.
#[derive(Debug, Default)]
pub(super) struct Walks {
    /// Along each side.
    orders: [Order; 2],
    spaces: Pool<Space>,
    /// In the order of the side that is walked along.
    around: Vec<Around>,
}

/// The examples in the order of one side.
#[derive(Debug, Default)]
struct Order {
    keys: Vec<(u64, u32)>,
    examples: Vec<u32>,
    /// The values of that side, ascending; infinite behind the last.
    along: Vec<Lanes>,
    /// Those of the other.
    across: Vec<Lanes>,
    /// Examples before each place, and their number, where points stand for several.
    before: Vec<u32>,
}

/// Scratch space of one thread.
#[derive(Debug, Default)]
struct Space {
    nearest: Nearest,
    near: Vec<Near>,
}

impl Walks {
    /// What lies around every example; false where a tree is faster, and nothing is told.
    pub(super) fn around(&mut self, search: &Search<'_>, exec: Exec, around: &mut [Around]) -> bool {
        let [first, second] = &mut self.orders;
        exec.join(|| first.load(search, 0), || second.load(search, 1));
        let trial = |side: usize, space: &mut Space| {
            let (n, order) = (around.len(), &self.orders[side]);
            let trials = TRIALS.min(n);
            let places = (0..trials).map(|trial| trial * n / trials);
            places.map(|place| order.walk(place, search, &mut space.nearest).len()).sum::<usize>() / trials.max(1)
        };
        let lengths = [0, 1].map(|side| trial(side, &mut self.spaces.take()));
        let side = usize::from(lengths[1] < lengths[0]);
        if lengths[side] > MOST_BLOCKS {
            return false;
        }
        self.around.clear();
        self.around.resize(around.len(), Around::default());
        let orders = &self.orders;
        let run = |space: &mut Space, piece: usize, around: &mut [Around]| {
            exec.isa.dispatch(Piece { search, orders, side, first: piece * PIECE, space, around });
        };
        exec.pieces(&mut self.around, PIECE, || self.spaces.take(), |space, piece, around| run(space, piece, around));
        for (&example, found) in orders[side].examples.iter().zip(&self.around) {
            around[example as usize] = *found;
        }
        true
    }
}

/// The work of some examples, one after the other in the order of a side.
struct Piece<'a> {
    search: &'a Search<'a>,
    orders: &'a [Order; 2],
    side: usize,
    first: usize,
    space: &'a mut Space,
    around: &'a mut [Around],
}

impl Kernel for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { search, orders, side, first, space, around } = self;
        let (order, other) = (&orders[side], &orders[1 - side]);
        for (offset, around) in around.iter_mut().enumerate() {
            let place = first + offset;
            let blocks = order.walk(place, search, &mut space.nearest);
            space.nearest.settle(|distance| distance);
            let i = order.examples[place] as usize;
            let candidates = space.nearest.items.iter().map(|(_, place)| order.examples[*place as usize]);
            let radii = search.radii(i, candidates, space.nearest.is_crowded(), &mut space.near);
            let (in_along, in_across) = if side == 0 { (radii.x, radii.y) } else { (radii.y, radii.x) };
            let (centre, across) = order.at(place);
            // All within the radius were walked by.
            let skipped = blocks.start * WIDTH;
            let walked = &order.along.as_flattened()[skipped..(blocks.end * WIDTH).min(order.examples.len())];
            let along = within(walked, centre, in_along);
            let along = order.weight(along.start + skipped..along.end + skipped);
            let across = other.weight(within(&other.along.as_flattened()[..other.examples.len()], across, in_across));
            // All but the example itself.
            let [along, across] = [along, across].map(|within| within.saturating_sub(1));
            let (x, y) = if side == 0 { (along, across) } else { (across, along) };
            *around = Around { x, y, neighbours: radii.neighbours, tied: radii.tied };
        }
    }
}

impl Order {
    fn load(&mut self, search: &Search<'_>, side: usize) {
        let (own, other) = if side == 0 { (search.x, search.y) } else { (search.y, search.x) };
        // Integers of the same order sort without comparing floats.
        let key = |value: f64| {
            let bits = value.to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        };
        self.keys.clear();
        self.keys.extend(own.unit(0).zip(0..).map(|(value, example)| (key(value), example)));
        self.keys.sort_unstable_by_key(|(key, _)| *key);
        self.examples.clear();
        self.examples.extend(self.keys.iter().map(|(_, example)| *example));
        let blocks = self.examples.len().div_ceil(WIDTH);
        for (lanes, table) in [(&mut self.along, own), (&mut self.across, other)] {
            lanes.clear();
            lanes.resize(blocks, [f64::INFINITY; WIDTH]);
            for (lane, &example) in lanes.as_flattened_mut().iter_mut().zip(&self.examples) {
                *lane = table.example(example as usize)[0];
            }
        }
        self.before.clear();
        if let Some(weights) = search.weights {
            self.before.push(0);
            self.before.extend(self.examples.iter().scan(0, |before, &point| {
                *before += weights[point as usize];
                Some(*before)
            }));
        }
    }

    /// How many examples are at some places.
    #[inline(always)]
    fn weight(&self, places: Range<usize>) -> u32 {
        if self.before.is_empty() { places.len() as u32 } else { self.before[places.end] - self.before[places.start] }
    }

    /// The values of the example at a place.
    #[inline(always)]
    fn at(&self, place: usize) -> (f64, f64) {
        (self.along[place / WIDTH][place % WIDTH], self.across[place / WIDTH][place % WIDTH])
    }

    /// Puts the nearest others of the example at `place` into `nearest`, by their places. The blocks that were walked by.
    #[inline(always)]
    fn walk(&self, place: usize, search: &Search<'_>, nearest: &mut Nearest) -> Range<usize> {
        let centre = self.at(place);
        let (mut start, mut end) = (place / WIDTH, place / WIDTH + 1);
        nearest.clear(search.k, self.weight(place..place + 1) - 1, search.needs_all());
        let mut bound = nearest.radius();
        self.visit(start, place, centre, nearest, &mut bound);
        loop {
            let left = start > 0 && centre.0 - self.along[start - 1][WIDTH - 1] <= bound;
            let right = end < self.along.len() && self.along[end][0] - centre.0 <= bound;
            if left {
                start -= 1;
                self.visit(start, place, centre, nearest, &mut bound);
            }
            if right {
                self.visit(end, place, centre, nearest, &mut bound);
                end += 1;
            }
            if !left && !right {
                return start..end;
            }
        }
    }

    /// Takes those of a block that are not farther than the bound.
    #[inline(always)]
    fn visit(&self, block: usize, own: usize, centre: (f64, f64), nearest: &mut Nearest, bound: &mut f64) {
        let (along, across) = (&self.along[block], &self.across[block]);
        // No closures around the arithmetic: they would be compiled without the instructions.
        let (mut joint, mut near) = ([0.0; WIDTH], 0_u32);
        for lane in 0..WIDTH {
            let (in_along, in_across) = ((along[lane] - centre.0).abs(), (across[lane] - centre.1).abs());
            joint[lane] = if in_along > in_across { in_along } else { in_across };
            near |= u32::from(joint[lane] <= *bound) << lane;
        }
        // Nearly always few: a bit after the other, and no branch for those that are far.
        while near != 0 {
            let lane = near.trailing_zeros() as usize;
            near &= near - 1;
            let place = block * WIDTH + lane;
            if joint[lane] <= *bound && place != own && place < self.examples.len() {
                nearest.take(joint[lane], place as u32, self.weight(place..place + 1));
                *bound = nearest.radius();
            }
        }
    }
}

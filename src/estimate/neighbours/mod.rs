//! How many examples lie around each example: the counts that estimators by nearest neighbours are made of.
//!
//! Two blocks of columns, x and y, of the same N examples. Distances are max-norms over a block's columns, in f64; the distance in the
//! joint space is the larger of the two. For every example the k-th neighbour in the joint space gives a radius for each block, and
//! the answer is how many other examples lie within it. **Counts are exact**: they equal what the plain double loop in f64 counts, for
//! any input, since one count more or less exceeds any tolerance of the estimates.
//!
//! Three ways lead there, and the choice changes no number. Where each block is a single column, `walk`: outwards from each example in the
//! order of one block. Else, where the joint space has few dimensions, trees: `tree` for the neighbours and for blocks of several
//! columns, `line` for blocks of a single one, O(N log N). Else `brute`: all pairs on SIMD lanes, in single precision with an error
//! bound; only pairs too close to call are looked at again in f64. Memory is O(N) in all.

mod brute;
mod line;
mod points;
mod tree;
mod walk;

use ndarray::ArrayView2;
use points::Table;

use super::EstimateError;
use crate::math::digamma::digamma;
use crate::math::exec::Exec;

/// How the k nearest neighbours of an example make a radius for each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Both radii are the distance ρ to the k-th neighbour in the joint space; those strictly within count.
    Ball,
    /// The radius of a block is the largest distance, in that block, to one of the k neighbours; those at that distance count, too.
    /// All examples at the distance of the k-th neighbour are neighbours, so that the order of examples does not matter.
    Extents,
    /// As `Ball`; but where ρ is 0, those at distance 0 count.
    BallOrTies,
}

/// What lies around one example. The example itself does not count in x and y.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Around {
    /// Examples within the radius in x.
    pub(super) x: u32,
    /// Examples within the radius in y.
    pub(super) y: u32,
    /// Neighbours in the joint space: k; or, for `BallOrTies` where ρ is 0, the examples at distance 0, itself included.
    pub(super) neighbours: u32,
    /// Whether one of its neighbours coincides with it in x or in y, or several examples share the place of the k-th. Neither
    /// happens in samples of continuous variables.
    pub(super) tied: bool,
}

/// Mean of ψ over counts, exactly the same in whatever order they come: counts are gathered by size first.
pub(super) fn mean_digamma(counts: impl ExactSizeIterator<Item = u32>) -> f64 {
    let n = counts.len();
    let mut sizes = vec![0u32; n + 2];
    counts.for_each(|count| sizes[count as usize] += 1);
    let present = sizes.iter().enumerate().filter(|(_, times)| **times > 0);
    present.map(|(count, &times)| f64::from(times) * digamma(count as u32)).sum::<f64>() / n as f64
}

/// Joint dimensions up to which trees win over all pairs, by number of examples: measured (see `benches/estimators.rs`), not derived.
const TREES_UP_TO: [(usize, usize); 4] = [(1_000, 2), (3_000, 3), (12_000, 4), (usize::MAX, 6)];

/// What the search keeps from call to call.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    x: Table,
    y: Table,
    points: points::Points,
    rows: brute::Rows,
    trees: tree::Trees,
    walks: walk::Walks,
    around: Vec<Around>,
}

impl Buffers {
    /// What lies around every example of `x` and `y`, examples × units, by the rule for `k` neighbours.
    ///
    /// Nothing where a block has no units: then there is nothing to tell. Both must have the same number of examples, and finite values.
    ///
    /// # Errors
    /// If there are not more than `k` examples.
    pub(super) fn around(
        &mut self,
        x: ArrayView2<'_, f64>,
        y: ArrayView2<'_, f64>,
        k: usize,
        rule: Rule,
        exec: Exec,
    ) -> Result<Option<&[Around]>, EstimateError> {
        let (n, dimensions) = (x.nrows(), x.ncols() + y.ncols());
        let most = TREES_UP_TO.iter().find(|(examples, _)| n <= *examples).map_or(0, |(_, dimensions)| *dimensions);
        let few_neighbours = k < n / 8;
        let way = match dimensions {
            2 if few_neighbours => Way::Walk,
            few if few <= most && few_neighbours => Way::Trees,
            _ => Way::AllPairs,
        };
        if n <= k {
            return Err(EstimateError::TooFew { examples: n, neighbours: k });
        }
        if x.ncols() == 0 || y.ncols() == 0 {
            return Ok(None);
        }
        Ok(Some(self.around_by(way, x, y, k, rule, exec)))
    }

    fn around_by(
        &mut self,
        way: Way,
        x: ArrayView2<'_, f64>,
        y: ArrayView2<'_, f64>,
        k: usize,
        rule: Rule,
        exec: Exec,
    ) -> &[Around] {
        let n = x.nrows();
        self.x.load(x);
        self.y.load(y);
        self.around.clear();
        self.around.resize(n, Around::default());
        let search = Search { x: &self.x, y: &self.y, k, rule };
        match way {
            Way::Walk => {
                if !self.walks.around(&search, exec, &mut self.around) {
                    self.trees.around(&search, exec, &mut self.around);
                }
            }
            Way::Trees => self.trees.around(&search, exec, &mut self.around),
            Way::AllPairs => {
                self.points.load(&self.x, &self.y, exec);
                self.rows.around(&search, &self.points, exec, &mut self.around);
            }
        }
        &self.around
    }
}

/// The ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// For a single column on each side; trees where walks are long.
    Walk,
    Trees,
    AllPairs,
}

/// What is searched for, and where.
#[derive(Clone, Copy)]
struct Search<'a> {
    x: &'a Table,
    y: &'a Table,
    k: usize,
    rule: Rule,
}

/// Another example near one, with its exact distances.
#[derive(Clone, Copy, Debug)]
struct Near {
    joint: f64,
    /// In x and in y.
    sides: [f64; 2],
    index: u32,
}

/// Radii around one example: strictly within them others count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Radii {
    x: f64,
    y: f64,
    neighbours: u32,
    tied: bool,
}

impl Search<'_> {
    /// The radii of example `i`, from candidates: others, each once, all examples at the distance of the k-th neighbour or closer
    /// among them.
    fn radii(&self, i: usize, candidates: impl Iterator<Item = u32>, near: &mut Vec<Near>) -> Radii {
        near.clear();
        near.extend(candidates.map(|index| {
            let (x, y) = (self.x.distance(i, index as usize), self.y.distance(i, index as usize));
            Near { joint: if x > y { x } else { y }, sides: [x, y], index }
        }));
        let (_, &mut Near { joint: radius, .. }, _) = near.select_nth_unstable_by(self.k - 1, |a, b| a.joint.total_cmp(&b.joint));
        let (mut neighbours, mut tied, mut x, mut y) = (0, false, 0.0, 0.0);
        for &Near { sides: [in_x, in_y], .. } in near.iter().filter(|near| near.joint <= radius) {
            neighbours += 1;
            tied |= in_x == 0.0 || in_y == 0.0;
            x = if in_x > x { in_x } else { x };
            y = if in_y > y { in_y } else { y };
        }
        tied |= neighbours as usize > self.k;
        let k = self.k as u32;
        match self.rule {
            Rule::Ball => Radii { x: radius, y: radius, neighbours: k, tied },
            Rule::Extents => Radii { x: x.next_up(), y: y.next_up(), neighbours: k, tied },
            Rule::BallOrTies if radius == 0.0 => {
                Radii { x: 0.0f64.next_up(), y: 0.0f64.next_up(), neighbours: neighbours + 1, tied }
            }
            Rule::BallOrTies => Radii { x: radius, y: radius, neighbours: k, tied },
        }
    }
}

/// The nearest so far of candidates that come in any order: those that may still be among the `k` nearest, ties included.
#[derive(Debug, Default)]
struct Nearest {
    k: usize,
    items: Vec<(f64, u32)>,
    /// Where `k` is small, the `k` least distances in ascending order.
    least: Vec<f64>,
    /// Else the length at which the items are gone through, and the `k`-th distance when that was done last.
    full: usize,
    last: f64,
}

impl Nearest {
    /// Up to here the least distances are kept in order.
    const SMALL: usize = 24;

    fn clear(&mut self, k: usize) {
        self.items.clear();
        self.least.clear();
        (self.k, self.full, self.last) = (k, 2 * k + 8, f64::INFINITY);
    }

    /// Takes a candidate.
    fn take(&mut self, distance: f64, index: u32) {
        self.items.push((distance, index));
        if self.k > Self::SMALL {
            if self.items.len() >= self.full {
                self.settle(|distance| distance);
            }
        } else if distance < self.radius() {
            // Inserted from the end: there are few.
            if self.least.len() < self.k {
                self.least.push(distance);
            }
            let mut place = self.least.len() - 1;
            while place > 0 && self.least[place - 1] > distance {
                self.least[place] = self.least[place - 1];
                place -= 1;
            }
            self.least[place] = distance;
        }
    }

    /// A distance that the `k`-th does not exceed: infinity while there are fewer, and exact where `k` is small.
    fn radius(&self) -> f64 {
        if self.k > Self::SMALL {
            self.last
        } else if self.least.len() < self.k {
            f64::INFINITY
        } else {
            self.least[self.k - 1]
        }
    }

    /// Drops items that are further than `widen` of the `k`-th distance.
    fn settle(&mut self, widen: impl Fn(f64) -> f64) {
        if self.k > Self::SMALL && self.items.len() >= self.k {
            self.last = self.items.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0)).1.0;
        }
        let bound = widen(self.radius());
        self.items.retain(|(distance, _)| *distance <= bound);
        // Where many share one distance they stay; then there is no hurry to look again.
        self.full = 2 * self.items.len().max(self.k) + 8;
    }
}

#[cfg(test)]
mod tests;

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
//! bound; only pairs too close to call are looked at again in f64. Memory is O(N) in all. Examples that coincide (`distinct`) are
//! searched for once, as one point with a weight.

mod brute;
mod distinct;
mod line;
mod nearest;
mod points;
mod tree;
mod walk;

use distinct::Distinct;
use ndarray::ArrayView2;
use nearest::Nearest;
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
    distinct: Distinct,
    /// The two blocks at the distinct points, where they are fewer than the examples.
    at_points: [Table; 2],
    points: points::Points,
    rows: brute::Rows,
    trees: tree::Trees,
    walks: walk::Walks,
    around: Vec<Around>,
    /// Around every example, where `around` is of points.
    of_examples: Vec<Around>,
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
        if x.nrows() <= k {
            return Err(EstimateError::TooFew { examples: x.nrows(), neighbours: k });
        }
        if x.ncols() == 0 || y.ncols() == 0 {
            return Ok(None);
        }
        Ok(Some(self.around_by(None, x, y, k, rule, exec)))
    }

    /// By a way of one's own choice, for those who compare them.
    fn around_by(
        &mut self,
        way: Option<Way>,
        x: ArrayView2<'_, f64>,
        y: ArrayView2<'_, f64>,
        k: usize,
        rule: Rule,
        exec: Exec,
    ) -> &[Around] {
        self.x.load(x);
        self.y.load(y);
        if !self.distinct.find(&self.x, &self.y) {
            self.around_points(way, false, k, rule, exec);
            return &self.around;
        }
        let [in_x, in_y] = &mut self.at_points;
        in_x.select(&self.x, self.distinct.first());
        in_y.select(&self.y, self.distinct.first());
        self.around_points(way, true, k, rule, exec);
        self.of_examples.clear();
        self.of_examples.extend(self.distinct.of.iter().map(|&point| self.around[point as usize]));
        &self.of_examples
    }

    /// What lies around every point: every example, or every distinct one.
    fn around_points(&mut self, way: Option<Way>, distinct: bool, k: usize, rule: Rule, exec: Exec) {
        let [x, y] = if distinct { self.at_points.each_ref() } else { [&self.x, &self.y] };
        let search = Search { x, y, weights: distinct.then_some(&self.distinct.weights), k, rule };
        self.around.clear();
        self.around.resize(x.examples(), Around::default());
        match way.unwrap_or_else(|| Way::of(x.examples(), x.units() + y.units(), k)) {
            Way::Walk => {
                if !self.walks.around(&search, exec, &mut self.around) {
                    self.trees.around(&search, exec, &mut self.around);
                }
            }
            Way::Trees => self.trees.around(&search, exec, &mut self.around),
            Way::AllPairs => {
                self.points.load(&search, exec);
                self.rows.around(&search, &self.points, exec, &mut self.around);
            }
        }
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

impl Way {
    /// The fastest for so many points of so many joint dimensions.
    fn of(points: usize, dimensions: usize, k: usize) -> Self {
        let most = TREES_UP_TO.iter().find(|(up_to, _)| points <= *up_to).map_or(0, |(_, dimensions)| *dimensions);
        let few_neighbours = k < points / 8;
        match dimensions {
            2 if few_neighbours => Self::Walk,
            few if few <= most && few_neighbours => Self::Trees,
            _ => Self::AllPairs,
        }
    }
}

/// What is searched for, and where.
#[derive(Clone, Copy)]
struct Search<'a> {
    x: &'a Table,
    y: &'a Table,
    /// How many examples each point stands for, where not all points stand for one.
    weights: Option<&'a [u32]>,
    k: usize,
    rule: Rule,
}

/// Other examples near one, all in one place, with their exact distances.
#[derive(Clone, Copy, Debug)]
struct Near {
    joint: f64,
    /// In x and in y.
    sides: [f64; 2],
    index: u32,
    weight: u32,
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
    /// How many examples a point stands for.
    #[inline(always)]
    fn weight(&self, point: u32) -> u32 {
        self.weights.map_or(1, |weights| weights[point as usize])
    }

    /// Whether all at the distance of the k-th neighbour matter, not only that they are more than k.
    fn needs_all(&self) -> bool {
        match self.rule {
            Rule::Ball => false,
            Rule::Extents => true,
            // Those in the very place are counted; they are all one point, where coinciding examples are.
            Rule::BallOrTies => self.weights.is_none(),
        }
    }

    /// Values of the points, one for every example.
    fn repeated(&self, values: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
        (0..).zip(values).flat_map(|(point, value)| std::iter::repeat_n(value, self.weight(point) as usize))
    }

    /// The radii of the examples at point `i`, from candidates: other points, each once. All at the distance of the k-th neighbour or
    /// closer are among them, unless `crowded`: then at that distance some are missing, and there are more than k neighbours.
    fn radii(&self, i: usize, candidates: impl Iterator<Item = u32>, crowded: bool, near: &mut Vec<Near>) -> Radii {
        near.clear();
        let itself = self.weight(i as u32) - 1;
        if itself > 0 {
            near.push(Near { joint: 0.0, sides: [0.0; 2], index: i as u32, weight: itself });
        }
        near.extend(candidates.map(|index| {
            let (x, y) = (self.x.distance(i, index as usize), self.y.distance(i, index as usize));
            Near { joint: if x > y { x } else { y }, sides: [x, y], index, weight: self.weight(index) }
        }));
        let radius = self.radius(near);
        let (mut neighbours, mut tied, mut x, mut y) = (0, crowded, 0.0, 0.0);
        for &Near { sides: [in_x, in_y], weight, .. } in near.iter().filter(|near| near.joint <= radius) {
            neighbours += weight;
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

    /// The distance of the k-th of some that are near.
    fn radius(&self, near: &mut [Near]) -> f64 {
        if self.weights.is_none() {
            return near.select_nth_unstable_by(self.k - 1, |a, b| a.joint.total_cmp(&b.joint)).1.joint;
        }
        near.sort_unstable_by(|a, b| a.joint.total_cmp(&b.joint));
        let mut before = 0;
        let reached = near.iter().find(|near| {
            before += near.weight as usize;
            before >= self.k
        });
        reached.map_or(f64::INFINITY, |near| near.joint)
    }
}

#[cfg(test)]
mod tests;

//! The two layouts of a block: plain f64 rows for exact distances, and blocks of lanes in f32 with a bound on their error.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::Search;
use crate::math::exec::Exec;
use crate::math::power::reciprocal_power;
use crate::math::simd::{Block, LANES, blocks};

/// Values of a block in f64, example by example.
#[derive(Debug, Default)]
pub(super) struct Table {
    units: usize,
    examples: usize,
    values: Vec<f64>,
}

impl Table {
    /// Takes over examples × units.
    pub(super) fn load(&mut self, from: ArrayView2<'_, f64>) {
        (self.examples, self.units) = from.dim();
        self.values.clear();
        self.values.extend(from.iter());
    }

    /// Takes over some examples of another table.
    pub(super) fn select(&mut self, from: &Self, examples: impl Iterator<Item = usize>) {
        self.units = from.units;
        self.values.clear();
        self.examples = examples.map(|example| self.values.extend_from_slice(from.example(example))).count();
    }

    pub(super) const fn units(&self) -> usize {
        self.units
    }

    pub(super) const fn examples(&self) -> usize {
        self.examples
    }

    /// The values of one example.
    #[inline(always)]
    pub(super) fn example(&self, example: usize) -> &[f64] {
        &self.values[example * self.units..(example + 1) * self.units]
    }

    /// All values of one unit.
    pub(super) fn unit(&self, unit: usize) -> impl Iterator<Item = f64> {
        self.values.iter().skip(unit).step_by(self.units.max(1)).copied()
    }

    /// The distance of two examples: the definition that all ways must agree with.
    #[inline(always)]
    pub(super) fn distance(&self, i: usize, j: usize) -> f64 {
        let pairs = self.example(i).iter().zip(self.example(j));
        pairs.fold(0.0, |far, (a, b)| if (a - b).abs() > far { (a - b).abs() } else { far })
    }
}

/// Values of both blocks in f32, shifted unit by unit and scaled by a power of two into [−1, 1].
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) units: [usize; 2],
    pub(super) examples: usize,
    /// Unit u (those of x, then those of y) of block b at b·units + u. Places behind the last example are infinitely far away. The
    /// number of blocks is even.
    pub(super) values: Vec<Block>,
    /// Largest magnitude among the values of each example, and 0 behind the last.
    reach: Vec<f32>,
    scale: f64,
    /// How many examples each point stands for, and 0 behind the last; nothing where all stand for one.
    pub(super) weights: Vec<Block>,
    /// Whether all values lie on a lattice on which f32 computes every difference exactly.
    pub(super) lattice: bool,
}

/// Blocks that are laid out at once.
const PIECE: usize = 16;
/// Added and taken away, it leaves whole numbers up to 2^51 as they are, and nothing else. Larger ones may count as none: that only costs
/// time.
const WHOLE: f64 = 6_755_399_441_055_744.0;
/// Spacing of the lattice: with values in [−1, 1] differences are up to 2^23 of it, which f32 holds.
const LATTICE: f64 = (1u32 << 22) as f64;

impl Points {
    pub(super) fn load(&mut self, search: &Search<'_>, exec: Exec) {
        let Search { x, y, weights, .. } = *search;
        self.weights.clear();
        if let Some(weights) = weights {
            self.weights.resize(blocks(x.examples()).next_multiple_of(2), Block::default());
            for (place, &weight) in weights.iter().enumerate() {
                self.weights[place / LANES].0[place % LANES] = weight as f32;
            }
        }
        (self.units, self.examples) = ([x.units(), y.units()], x.examples());
        let units = self.units[0] + self.units[1];
        // Quarters cannot overflow where they are subtracted.
        let (centres, reaches): (Vec<f64>, Vec<f64>) = exec
            .map(units, |unit| {
                let (table, unit) = if unit < x.units() { (x, unit) } else { (y, unit - x.units()) };
                let centre = 0.25 * middle(table, unit);
                (centre, table.unit(unit).fold(0.0f64, |m, v| m.max((0.25 * v - centre).abs())))
            })
            .into_iter()
            .unzip();
        let largest = reaches.into_iter().fold(0.0, f64::max);
        let scale = reciprocal_power(largest);
        self.scale = scale;
        self.values.clear();
        self.values.resize(self.blocks() * units, Block([f32::INFINITY; LANES]));
        self.reach.clear();
        self.reach.resize(self.values.len() / units.max(1) * LANES, 0.0);
        let fill = |((piece, values), reaches): ((usize, &mut [Block]), &mut [f32])| {
            let mut lattice = true;
            let examples = piece * PIECE * LANES..((piece + 1) * PIECE * LANES).min(x.examples());
            for (place, (example, reach)) in examples.zip(reaches).enumerate() {
                let row = x.example(example).iter().chain(y.example(example)).zip(&centres);
                for (block, (&value, centre)) in values[place / LANES * units..].iter_mut().zip(row) {
                    let (plain, scaled) = (0.25 * value * scale, (0.25 * value - centre) * scale);
                    // The value itself, not the difference, which may have been rounded onto the lattice. Differences of its points are
                    // exact.
                    let at = plain * LATTICE;
                    lattice &= (at + WHOLE) - WHOLE == at && (plain != 0.0 || value == 0.0);
                    let scaled = scaled as f32;
                    block.0[place % LANES] = scaled;
                    *reach = reach.max(scaled.abs());
                }
            }
            lattice
        };
        let part = PIECE * units.max(1);
        let lattice = if exec.parallel {
            let pieces = self.values.par_chunks_mut(part).enumerate().zip(self.reach.par_chunks_mut(PIECE * LANES));
            pieces.map(fill).reduce(|| true, |a, b| a && b)
        } else {
            let pieces = self.values.chunks_mut(part).enumerate().zip(self.reach.chunks_mut(PIECE * LANES));
            pieces.map(fill).fold(true, |a, b| a & b)
        };
        self.lattice = lattice && largest * scale <= 1.0;
    }

    pub(super) fn blocks(&self) -> usize {
        blocks(self.examples).next_multiple_of(2)
    }

    /// Bounds (low, high) of the f32 distances around example `i`: below `low` the exact distance is below `radius`, from `high` on it
    /// is not.
    ///
    /// A value is off by 2^−24 of its magnitude, and so is a difference; the other's magnitude is at most `reach` + distance. Together
    /// that is 2^−23·(reach + distance), taken twice for all that is smaller still.
    pub(super) fn bounds(&self, i: usize, radius: f64) -> (f32, f32) {
        let scaled = 0.25 * radius * self.scale;
        if self.lattice {
            // Every distance is exact, but a radius may be just above one.
            let rounded = scaled as f32;
            let above = f64::from(rounded) < scaled || rounded == 0.0 && radius > 0.0;
            let up = if above { rounded.next_up() } else { rounded };
            return (up, up);
        }
        let margin = self.margin(i, scaled);
        (((scaled - margin) as f32).next_down(), ((scaled + margin) as f32).next_up())
    }

    /// An f32 distance that no example exceeds which is as near to `i` as one at the f32 distance `distance`.
    pub(super) fn widen(&self, i: usize, distance: f64) -> f64 {
        // Once from the distance in f32 to the exact one, once back.
        if self.lattice { distance } else { distance + 3.0 * self.margin(i, distance) }
    }

    fn margin(&self, i: usize, scaled: f64) -> f64 {
        const RELATIVE: f64 = 1.0 / (1u32 << 22) as f64;
        RELATIVE * (f64::from(self.reach[i]) + scaled) + f64::from(f32::MIN_POSITIVE)
    }
}

/// A value in the middle of a unit's values, so that magnitudes are small where the examples are: the median of a few of them.
fn middle(table: &Table, unit: usize) -> f64 {
    const FEW: usize = 255;
    let mut few: Vec<f64> = table.unit(unit).step_by(table.examples().div_ceil(FEW).max(1)).collect();
    if few.is_empty() {
        return 0.0;
    }
    let middle = few.len() / 2;
    *few.select_nth_unstable_by(middle, f64::total_cmp).1
}

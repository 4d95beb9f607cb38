//! Sums of a Gaussian kernel over all pairs of examples: for each example, over its own class and over all others.
//!
//! K_ij = 2^(−rate·‖t_i − t_j‖²) is symmetric, and the sum over a class is a part of the sum over all. So every unordered pair is
//! evaluated once, and goes to the row of i and to the column of j, into "same class" or "other class".
//!
//! Examples are sorted by class, then cut: 16 make a block (the lanes), 16 blocks a panel. A panel I meets the panels I, I+1, …
//! I+⌊P/2⌋ (mod P), so each pair of panels meets once and each panel has the same work. Within a pair of panels, 8 rows at a time
//! are held as broadcast values against one block of columns after the other. Sums are f32 over at most 16 blocks or 64 rows, then
//! f64. A strip is a run of panels; strips are the unit of parallel work and of the final reduction, and their number depends on N
//! alone. So do all orders of addition: the sums are the same bits on every instruction set and for any number of threads.
//!
//! Kernels of several rates share the distances, and nothing else.
//!
//! Memory: a copy of the sample, sorted (a large one can be laid out so from the start: [`Packed`]), and 16 bytes an example for each
//! strip at work; never anything of size N².

use std::ops::Range;

use rayon::prelude::*;

use super::tile::{Decay, Tile};
use super::{Classes, EstimateError, Sample};
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd, blocks, flat, flat_mut};

/// Blocks of a panel.
const PANEL: usize = 16;
/// Blocks of rows between two transfers of column sums to f64.
const GROUP: usize = 4;
/// Rows whose sums are kept in registers together, and for which the relation of classes is decided.
const TILE: usize = 8;
/// Most strips that the work is divided into.
const STRIPS: usize = 16;
/// Label of the places behind the last example: the class of none.
const NO_CLASS: f32 = -1.0;

/// Sums of the kernel at one example, itself included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub(super) struct Sums {
    /// Over the examples of its own class; at least 1, for itself.
    pub(super) same: f64,
    /// Over all other examples.
    pub(super) other: f64,
}

/// What the sums keep from call to call.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    points: Points,
    /// Accumulators of the strips at work.
    strips: Vec<Sums>,
    sums: Vec<Sums>,
}

impl Buffers {
    /// For every example in the order of `Classes::by_class`, by each of the rates the sums of 2^(−rate·‖t_i − t_j‖²) over j.
    /// Each rate and its reciprocal must be normal in single precision.
    ///
    /// The sums by one rate are the same bits whatever other rates are asked for.
    pub(super) fn sums<const K: usize>(&mut self, sample: &Sample<'_>, rates: [f64; K], exec: Exec) -> &[[Sums; K]] {
        let mut points = std::mem::take(&mut self.points);
        points.load(sample, exec);
        self.add_up(&points, rates, exec);
        self.points = points;
        &self.sums.as_chunks().0[..sample.examples()]
    }

    /// The same of a sample that lies as the kernel reads it.
    pub(super) fn sums_of(&mut self, packed: &Packed, rate: f64, exec: Exec) -> &[[Sums; 1]] {
        self.add_up(&packed.points, [rate], exec);
        &self.sums.as_chunks().0[..packed.points.examples]
    }

    fn add_up<const K: usize>(&mut self, points: &Points, rates: [f64; K], exec: Exec) {
        let decays = rates.map(Decay::new);
        // Those of one example lie side by side.
        let (places, panel) = (points.blocks() * LANES * K, PANEL * LANES * K);
        let circle = Circle { panels: points.blocks().div_ceil(PANEL) };
        let strips = circle.panels.min(STRIPS);
        let of = |strip: usize| strip * circle.panels / strips..(strip + 1) * circle.panels / strips;
        let run = |strip: usize, sums: &mut [Sums]| {
            let panels = of(strip);
            for (index, sums) in sums.chunks_mut(panel).enumerate() {
                if circle.is_met(index, &panels) {
                    sums.fill(Sums::default());
                }
            }
            exec.isa.dispatch(Strip { points, decays, panels, sums: sums.as_chunks_mut().0 });
        };
        let add = |strip: usize, index: usize, totals: &mut [Sums], parts: &[Sums]| {
            if circle.is_met(index, &of(strip)) {
                for (total, part) in totals.iter_mut().zip(&parts[index * panel..]) {
                    total.same += part.same;
                    total.other += part.other;
                }
            }
        };
        self.sums.clear();
        self.sums.resize(places, Sums::default());
        // Serially one accumulator serves all strips; either way they are added strip by strip.
        if exec.parallel {
            self.strips.resize(strips * places, Sums::default());
            // With an even number of panels the first half has more work: the halves lie in turn, so that any cut shares it evenly.
            let half = strips.div_ceil(2);
            let turn = |place: usize| place / 2 + if place.is_multiple_of(2) { 0 } else { half };
            let place = |strip: usize| if strip < half { 2 * strip } else { 2 * (strip - half) + 1 };
            self.strips.par_chunks_mut(places).enumerate().for_each(|(at, sums)| run(turn(at), sums));
            let accumulators = &self.strips;
            self.sums.par_chunks_mut(panel).enumerate().for_each(|(index, totals)| {
                (0..strips).for_each(|strip| add(strip, index, totals, &accumulators[place(strip) * places..][..places]));
            });
            return;
        }
        self.strips.resize(places, Sums::default());
        for strip in 0..strips {
            run(strip, &mut self.strips);
            for (index, totals) in self.sums.chunks_mut(panel).enumerate() {
                add(strip, index, totals, &self.strips);
            }
        }
    }
}

/// The panels in a circle; each meets itself and the half that follows.
#[derive(Clone, Copy, Debug)]
struct Circle {
    panels: usize,
}

impl Circle {
    /// Whether one of the panels `rows` meets this one, or is it.
    fn is_met(self, panel: usize, rows: &Range<usize>) -> bool {
        (panel + self.panels - rows.start) % self.panels < rows.len() + self.panels / 2
    }
}

/// A large sample, laid out once, so that the bounds need no copy of it.
#[derive(Debug)]
pub struct Packed {
    points: Points,
    /// Where each example lies.
    places: Vec<u32>,
}

impl Packed {
    /// Room for activations of `units` units on the examples of `classes`, all of which are to be set.
    #[must_use]
    pub fn new(units: usize, classes: &Classes) -> Self {
        let mut points = Points::default();
        points.prepare(units, classes);
        let mut places = vec![0; classes.examples()];
        for (place, &example) in (0..).zip(classes.by_class()) {
            places[example] = place;
        }
        Self { points, places }
    }

    /// Sets the activations of one example.
    ///
    /// # Errors
    /// If there is no such example, or one of them is not finite.
    pub fn set(&mut self, example: usize, values: impl Iterator<Item = f32>) -> Result<(), EstimateError> {
        let Some(&place) = self.places.get(example) else {
            return Err(EstimateError::LengthMismatch { activations: example + 1, labels: self.places.len() });
        };
        let (block, lane) = (place as usize / LANES, place as usize % LANES);
        let units = self.points.units;
        for (unit, (to, value)) in self.points.values[block * units..(block + 1) * units].iter_mut().zip(values).enumerate() {
            if !value.is_finite() {
                return Err(EstimateError::NotFinite { unit, example, value: value.into() });
            }
            to.0[lane] = value;
        }
        Ok(())
    }

    /// Number of units.
    #[must_use]
    pub const fn units(&self) -> usize {
        self.points.units
    }

    /// Number of examples.
    #[must_use]
    pub const fn examples(&self) -> usize {
        self.points.examples
    }
}

/// The sample as the kernel reads it: sorted by class, block by block, within a block unit by unit.
#[derive(Debug, Default)]
struct Points {
    units: usize,
    examples: usize,
    /// Unit u of block b at b·units + u. Places behind the last example are infinitely far from everything.
    values: Vec<Block>,
    /// Class of every place.
    labels: Vec<Block>,
    /// First and last class of every block.
    classes: Vec<(f32, f32)>,
}

impl Points {
    fn load(&mut self, sample: &Sample<'_>, exec: Exec) {
        self.prepare(sample.units(), sample.classes());
        let (order, units) = (sample.classes().by_class(), self.units);
        let part = PANEL * units.max(1);
        let panel = |(panel, blocks): (usize, &mut [Block])| {
            for unit in 0..units {
                let values = sample.unit(unit);
                let members = order[panel * PANEL * LANES..].chunks(LANES);
                for (block, members) in blocks.iter_mut().skip(unit).step_by(units).zip(members) {
                    for (value, &member) in block.0.iter_mut().zip(members) {
                        *value = values[member];
                    }
                }
            }
        };
        if exec.parallel {
            self.values.par_chunks_mut(part).enumerate().for_each(panel);
        } else {
            self.values.chunks_mut(part).enumerate().for_each(panel);
        }
    }

    /// Everything but the values.
    fn prepare(&mut self, units: usize, classes: &Classes) {
        (self.units, self.examples) = (units, classes.examples());
        self.values.clear();
        self.values.resize(blocks(self.examples) * self.units, Block([f32::INFINITY; LANES]));
        self.labels.clear();
        self.labels.resize(blocks(self.examples), Block([NO_CLASS; LANES]));
        // Neighbouring classes differ by 1 or more also after rounding to f32, for up to 2^24 classes.
        let of = classes.of();
        for (label, &member) in flat_mut(&mut self.labels).iter_mut().zip(classes.by_class()) {
            *label = of[member] as f32;
        }
        self.classes.clear();
        for first in (0..self.examples).step_by(LANES) {
            let classes = self.classes_of(first..first + LANES);
            self.classes.push(classes);
        }
    }

    const fn blocks(&self) -> usize {
        self.labels.len()
    }

    /// The values of one block, unit by unit.
    #[inline(always)]
    fn block(&self, block: usize) -> &[Block] {
        &self.values[block * self.units..(block + 1) * self.units]
    }

    /// First and last class among the examples in `places`.
    #[inline(always)]
    fn classes_of(&self, places: Range<usize>) -> (f32, f32) {
        let at = |place: usize| self.labels[place / LANES].0[place % LANES];
        (at(places.start), at(places.end.min(self.examples) - 1))
    }
}

/// Whether the pairs of two runs of examples are of the same class.
#[derive(Clone, Copy, PartialEq)]
enum Relation {
    Same,
    Other,
    Mixed,
}

impl Relation {
    /// From the first and last class of each run.
    #[inline(always)]
    fn of(a: (f32, f32), b: (f32, f32)) -> Self {
        if a.1 < b.0 || b.1 < a.0 {
            Self::Other
        } else if a.0 == a.1 && b.0 == b.1 {
            Self::Same
        } else {
            Self::Mixed
        }
    }
}

/// The work of some panels: they against the half circle of panels that follows each.
struct Strip<'a, const K: usize> {
    points: &'a Points,
    decays: [Decay; K],
    panels: Range<usize>,
    sums: &'a mut [[Sums; K]],
}

/// Column sums of a panel in f32, by kernel.
struct Columns<const K: usize> {
    same: [[Block; PANEL]; K],
    other: [[Block; PANEL]; K],
}

impl<const K: usize> Default for Columns<K> {
    fn default() -> Self {
        Self { same: [Default::default(); K], other: [Default::default(); K] }
    }
}

impl<const K: usize> Kernel for Strip<'_, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let panels = self.points.blocks().div_ceil(PANEL);
        for row in self.panels.clone() {
            for step in 0..=panels / 2 {
                // With an even number of panels, those half a circle apart meet from one side only.
                if 2 * step == panels && row >= step {
                    continue;
                }
                self.meet(s, row, (row + step) % panels);
            }
        }
    }
}

impl<const K: usize> Strip<'_, K> {
    /// The blocks of a panel.
    #[inline(always)]
    fn panel(&self, panel: usize) -> Range<usize> {
        panel * PANEL..((panel + 1) * PANEL).min(self.points.blocks())
    }

    /// All pairs of two panels, or of one panel within itself.
    #[inline(always)]
    fn meet<S: Simd>(&mut self, s: S, row_panel: usize, column_panel: usize) {
        let (rows, columns) = (self.panel(row_panel), self.panel(column_panel));
        let mut dropped = Columns::default();
        for group in rows.clone().step_by(GROUP) {
            let mut sums = Columns::default();
            for block in group..(group + GROUP).min(rows.end) {
                for half in 0..LANES / TILE {
                    let first = block * LANES + half * TILE;
                    if first < self.points.examples {
                        self.tile(s, first, row_panel == column_panel, columns.clone(), &mut sums, &mut dropped);
                    }
                }
            }
            for k in 0..K {
                let (same, other) = (flat(&sums.same[k]), flat(&sums.other[k]));
                let totals = &mut self.sums[columns.start * LANES..columns.end * LANES];
                for ((total, same), other) in totals.iter_mut().zip(same).zip(other) {
                    total[k].same += f64::from(*same);
                    total[k].other += f64::from(*other);
                }
            }
        }
    }

    /// Eight rows from place `first` on against the panel `columns`; within one panel, from the rows' own block on.
    #[inline(always)]
    fn tile<S: Simd>(
        &mut self,
        s: S,
        first: usize,
        within: bool,
        columns: Range<usize>,
        sums: &mut Columns<K>,
        dropped: &mut Columns<K>,
    ) {
        let own = first / LANES;
        let classes = self.points.classes_of(first..first + TILE);
        let relation_to = |column: usize| Relation::of(classes, self.points.classes[column]);
        let mut column = if within { own } else { columns.start };
        while column < columns.end {
            let relation = relation_to(column);
            let diagonal = within && column == own;
            let mut end = column + 1;
            while !diagonal && end < columns.end && relation_to(end) == relation {
                end += 1;
            }
            // In the own block both orders of every pair come up as rows, so its column sums are not wanted.
            let sums = if diagonal { &mut *dropped } else { &mut *sums };
            let places = column - columns.start..end - columns.start;
            let mut same = sums.same.each_mut().map(|sums| &mut sums[places.clone()]);
            let mut other = sums.other.each_mut().map(|sums| &mut sums[places.clone()]);
            if S::WIDE && K == 1 {
                self.run::<S, TILE>(s, relation, first, column..end, &mut same, &mut other);
            } else {
                // Where registers are few, four rows at a time; no sum changes its order.
                self.run::<S, 4>(s, relation, first, column..end, &mut same, &mut other);
                self.run::<S, 4>(s, relation, first + 4, column..end, &mut same, &mut other);
            }
            column = end;
        }
    }

    /// `R` rows from place `first` on against blocks of columns that are all of one relation to them.
    #[inline(always)]
    fn run<S: Simd, const R: usize>(
        &mut self,
        s: S,
        relation: Relation,
        first: usize,
        columns: Range<usize>,
        same: &mut [&mut [Block]; K],
        other: &mut [&mut [Block]; K],
    ) {
        let points = self.points;
        let tile: Tile<'_, R, K> = Tile {
            decays: self.decays,
            units: points.units,
            rows: points.block(first / LANES),
            part: first % LANES / R,
            columns: &points.values[columns.start * points.units..columns.end * points.units],
        };
        let totals = &mut self.sums[first..first + R];
        match relation {
            Relation::Same => {
                let parts = tile.sums(s, same);
                for (r, total) in totals.iter_mut().enumerate() {
                    for k in 0..K {
                        total[k].same += f64::from(parts[k][r]);
                    }
                }
            }
            Relation::Other => {
                let parts = tile.sums(s, other);
                for (r, total) in totals.iter_mut().enumerate() {
                    for k in 0..K {
                        total[k].other += f64::from(parts[k][r]);
                    }
                }
            }
            Relation::Mixed => {
                let labels = (&points.labels[first / LANES], &points.labels[columns]);
                let (same, other) = tile.split_sums(s, labels, same, other);
                for (r, total) in totals.iter_mut().enumerate() {
                    for k in 0..K {
                        total[k].same += f64::from(same[k][r]);
                        total[k].other += f64::from(other[k][r]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::Classes;
    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::Isa;

    /// On the sums themselves: the informations would hide a last bit.
    #[test]
    fn every_sum_is_the_same_for_any_number_of_threads_and_instruction_set() {
        let examples = 1300;
        let mut stream = Stream::new(3, Purpose::Init, 0);
        let values = Array2::from_shape_simple_fn((1, examples), || stream.uniform() as f32);
        let classes = Classes::new(&(0..examples).map(|_| stream.below(40)).collect::<Vec<_>>());
        let sample = Sample::new(values.view(), &classes).unwrap();
        let bits = |sums: Vec<Sums>| sums.into_iter().map(|at| [at.same.to_bits(), at.other.to_bits()]).collect::<Vec<_>>();
        let sums = |isa, parallel| {
            let exec = Exec { isa, parallel };
            let alone = [300.0, 9.0].map(|rate| bits(Buffers::default().sums(&sample, [rate], exec).as_flattened().to_vec()));
            let mut buffers = Buffers::default();
            let both = buffers.sums(&sample, [300.0, 9.0], exec);
            let both = [0, 1].map(|k| bits(both.iter().map(|at| at[k]).collect()));
            assert!(alone == both, "a rate's sums depend on another rate");
            alone
        };
        let expected = sums(Isa::best(), false);
        for isa in Isa::available() {
            for parallel in [false, true] {
                assert!(sums(isa, parallel) == expected, "{} {parallel}", isa.name());
            }
        }
    }
}

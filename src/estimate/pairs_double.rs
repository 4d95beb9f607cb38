//! The sums of `pairs` in double precision: for samples that come so.
//!
//! Every row goes over all columns, so each pair is met twice; in return rows are independent, and threads share them without a
//! reduction. Eight examples are a vector; the compiler turns the loops over eight, and those over all kernels of some rows and a chunk
//! of columns, into instructions of the set at hand. Each is IEEE-754 on its lane, so all sets give the same bits.

use rayon::prelude::*;

use super::pairs::Sums;
use super::{Classes, EstimateError};
use crate::math::exec::Exec;
use crate::math::simd::{Kernel, Simd};

/// Examples of a vector.
const WIDTH: usize = 8;
/// Rows whose distances are kept in registers together.
const ROWS: usize = 4;
/// Blocks of columns that some rows meet at once.
const CHUNK: usize = 8;
/// Rows that a chunk of columns meets while it is in the cache; the unit of parallel work.
const STRIP: usize = 64;
/// Exponents of two below this weigh nothing beside the 1 that every sum contains.
const DEEPEST: f64 = 1020.0;

type Lanes = [f64; WIDTH];

/// A sample in double precision, laid out once: class by class, block by block, within a block unit by unit.
#[derive(Debug)]
pub struct PackedDouble {
    units: usize,
    /// Unit u of block b at b·units + u. Places behind the last example are infinitely far from everything.
    columns: Vec<Lanes>,
    /// Class of every place.
    labels: Vec<Lanes>,
    /// Where each example lies.
    places: Vec<u32>,
}

impl PackedDouble {
    /// Room for activations of `units` units on the examples of `classes`, all of which are to be set.
    #[must_use]
    pub fn new(units: usize, classes: &Classes) -> Self {
        let order = classes.by_class();
        let blocks = order.len().div_ceil(WIDTH);
        let mut labels = vec![[-1.0; WIDTH]; blocks];
        let mut places = vec![0; order.len()];
        for (place, &example) in order.iter().enumerate() {
            labels[place / WIDTH][place % WIDTH] = f64::from(classes.of()[example]);
            places[example] = place as u32;
        }
        Self { units, columns: vec![[f64::INFINITY; WIDTH]; blocks * units], labels, places }
    }

    /// Sets the activations of one example.
    ///
    /// # Errors
    /// If there is no such example, or one of them is not finite.
    pub fn set(&mut self, example: usize, values: impl Iterator<Item = f64>) -> Result<(), EstimateError> {
        let Some(&place) = self.places.get(example) else {
            return Err(EstimateError::LengthMismatch { activations: example + 1, labels: self.places.len() });
        };
        let (block, lane) = (place as usize / WIDTH, place as usize % WIDTH);
        let block = &mut self.columns[block * self.units..(block + 1) * self.units];
        for (unit, (to, value)) in block.iter_mut().zip(values).enumerate() {
            if !value.is_finite() {
                return Err(EstimateError::NotFinite { unit, example, value });
            }
            to[lane] = value;
        }
        Ok(())
    }

    /// Number of units.
    #[must_use]
    pub const fn units(&self) -> usize {
        self.units
    }

    /// Number of examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.places.len()
    }

    /// For every example in the order of `Classes::by_class`, the sums of 2^(−rate·‖t_i − t_j‖²) over j.
    pub(super) fn sums(&self, rate: f64, exec: Exec) -> Vec<Sums> {
        let mut sums = vec![Sums::default(); self.examples()];
        let run = |(chunk, sums): (usize, &mut [Sums])| {
            exec.isa.dispatch(Rows {
                columns: &self.columns,
                labels: &self.labels,
                units: self.units,
                rate,
                rows: chunk * STRIP,
                sums,
            });
        };
        if exec.parallel {
            sums.par_chunks_mut(STRIP).enumerate().for_each(run);
        } else {
            sums.chunks_mut(STRIP).enumerate().for_each(run);
        }
        sums
    }
}

/// A strip of rows against all columns.
struct Rows<'a> {
    /// Unit u of block b at b·units + u.
    columns: &'a [Lanes],
    labels: &'a [Lanes],
    units: usize,
    rate: f64,
    /// The first row.
    rows: usize,
    sums: &'a mut [Sums],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let last = self.rows + self.sums.len() - 1;
        let groups = self.sums.len().div_ceil(ROWS);
        // Places behind the last row repeat it; their sums are not kept.
        let place = |group: usize, r: usize| (self.rows + group * ROWS + r).min(last);
        let at = |place: usize, unit: usize| self.columns[place / WIDTH * self.units + unit][place % WIDTH];
        let mut rows: Vec<[f64; ROWS]> = Vec::with_capacity(groups * self.units);
        for group in 0..groups {
            rows.extend((0..self.units).map(|unit| std::array::from_fn(|r| at(place(group, r), unit))));
        }
        let own: Vec<[f64; ROWS]> = (0..groups)
            .map(|group| std::array::from_fn(|r| self.labels[place(group, r) / WIDTH][place(group, r) % WIDTH]))
            .collect();
        let mut totals = vec![[[[0.0; WIDTH]; 2]; ROWS]; groups];
        let mut kernels = [[[0.0; WIDTH]; CHUNK]; ROWS];
        for (chunk, labels) in self.columns.chunks(CHUNK * self.units).zip(self.labels.chunks(CHUNK)) {
            // Columns lie class by class; behind the last is no class.
            let classes = (labels[0][0], labels[labels.len() - 1].iter().copied().fold(f64::NEG_INFINITY, f64::max));
            for ((rows, own), totals) in rows.chunks_exact(self.units).zip(&own).zip(&mut totals) {
                for (place, block) in chunk.chunks_exact(self.units).enumerate() {
                    let mut squared = [[0.0; WIDTH]; ROWS];
                    for (column, row) in block.iter().zip(rows) {
                        for r in 0..ROWS {
                            for l in 0..WIDTH {
                                let difference = column[l] - row[r];
                                squared[r][l] = difference.mul_add(difference, squared[r][l]);
                            }
                        }
                    }
                    for r in 0..ROWS {
                        kernels[r][place] = squared[r];
                    }
                }
                decay(kernels.as_flattened_mut().as_flattened_mut(), self.rate);
                for ((kernels, own), [same, other]) in kernels.iter().zip(own).zip(totals) {
                    let kernels = &kernels[..labels.len()];
                    if classes.0 > *own || classes.1 < *own {
                        add(other, kernels);
                    } else if classes == (*own, *own) {
                        add(same, kernels);
                    } else {
                        for (kernel, labels) in kernels.iter().zip(labels) {
                            for l in 0..WIDTH {
                                let to = if labels[l] == *own { &mut *same } else { &mut *other };
                                to[l] += kernel[l];
                            }
                        }
                    }
                }
            }
        }
        for (sums, [same, other]) in self.sums.iter_mut().zip(totals.iter().flatten()) {
            *sums = Sums { same: same.iter().sum(), other: other.iter().sum() };
        }
    }
}

/// Adds kernels to sums, lane by lane.
#[inline(always)]
fn add(sums: &mut Lanes, kernels: &[Lanes]) {
    for kernel in kernels {
        for l in 0..WIDTH {
            sums[l] += kernel[l];
        }
    }
}

/// Replaces squared distances d² by 2^(−rate·d²): 2^n times the series of 2^f, |f| ≤ 1/2. Relative error below 1e-15, and what the
/// rounding of rate·d² adds.
#[inline(always)]
fn decay(values: &mut [f64], rate: f64) {
    /// Adding it rounds to a whole number, which then stands in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    /// (ln 2)^k / k! from k = 13 down to 0.
    const SERIES: [f64; 14] = [
        1.368_882_486_664_284_1e-12,
        2.567_843_599_348_820_5e-11,
        4.445_538_271_870_811_5e-10,
        7.054_911_620_801_123e-9,
        1.017_808_600_923_969_9e-7,
        1.321_548_679_014_431e-6,
        1.525_273_380_405_984e-5,
        1.540_353_039_338_161e-4,
        1.333_355_814_642_844_3e-3,
        9.618_129_107_628_477e-3,
        5.550_410_866_482_158e-2,
        0.240_226_506_959_100_72,
        std::f64::consts::LN_2,
        1.0,
    ];
    // Of a NaN (between two places behind the last example) the comparison is false.
    for value in values {
        let x = -(*value * rate);
        let x = if x > -DEEPEST { x } else { -DEEPEST };
        let shifted = x + SHIFT;
        let f = x - (shifted - SHIFT);
        let mut p = SERIES[0];
        for coefficient in &SERIES[1..] {
            p = p.mul_add(f, *coefficient);
        }
        // Multiplying by 2^n is adding n to the exponent; p lies near 1, so nothing leaves its range.
        *value = f64::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 52));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_accurate_and_one_at_zero() {
        let at = |squared: f64, rate: f64| {
            let mut values = [squared];
            decay(&mut values, rate);
            values[0]
        };
        assert_eq!(at(0.0, 3.0), 1.0);
        for step in 0..100_000 {
            let x = f64::from(step) * 0.01;
            let (got, expected) = (at(x, 1.0), libm::exp2(-x));
            assert!((got - expected).abs() <= 4e-15 * expected, "{x}: {got}, {expected}");
        }
        assert!(at(f64::INFINITY, 1.0) < 1e-300 && at(f64::NAN, 1.0) < 1e-300);
    }
}

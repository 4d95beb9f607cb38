//! The sums of `pairs` in double precision: for samples that come so.
//!
//! Every row goes over all columns, so each pair is met twice; in return rows are independent, and threads share them without a
//! reduction. Eight examples are a vector; the compiler turns the loops over eight into instructions of the set at hand. There is no
//! fused multiply-add in them, so all sets give the same bits.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::Classes;
use super::pairs::Sums;
use crate::math::exec::Exec;
use crate::math::simd::{Kernel, Simd};

/// Examples of a vector.
const WIDTH: usize = 8;
/// Rows at work together.
const ROWS: usize = 4;
/// Exponents of two below this weigh nothing beside the 1 that every sum contains.
const DEEPEST: f64 = 1020.0;

type Lanes = [f64; WIDTH];

/// For every example in the order of `Classes::by_class`, the sums of 2^(−rate·‖t_i − t_j‖²) over j. Values are units × examples.
pub(super) fn sums(values: ArrayView2<'_, f64>, classes: &Classes, rate: f64, exec: Exec) -> Vec<Sums> {
    let (units, order) = (values.nrows(), classes.by_class());
    let blocks = order.len().div_ceil(WIDTH);
    let mut columns = vec![[f64::INFINITY; WIDTH]; blocks * units];
    let mut labels = vec![[-1.0; WIDTH]; blocks];
    for (place, &example) in order.iter().enumerate() {
        labels[place / WIDTH][place % WIDTH] = f64::from(classes.of()[example]);
        for unit in 0..units {
            columns[place / WIDTH * units + unit][place % WIDTH] = values[(unit, example)];
        }
    }
    let mut sums = vec![Sums::default(); order.len()];
    let run = |(chunk, sums): (usize, &mut [Sums])| {
        let rows = chunk * ROWS;
        exec.isa.dispatch(Rows { columns: &columns, labels: &labels, units, rate, rows, sums });
    };
    if exec.parallel {
        sums.par_chunks_mut(ROWS).enumerate().for_each(run);
    } else {
        sums.chunks_mut(ROWS).enumerate().for_each(run);
    }
    sums
}

/// A few rows against all columns.
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
        // Places behind the last row repeat it; their sums are not kept.
        let places: [usize; ROWS] = std::array::from_fn(|r| (self.rows + r).min(last));
        let at = |place: usize, unit: usize| self.columns[place / WIDTH * self.units + unit][place % WIDTH];
        let own = places.map(|place| self.labels[place / WIDTH][place % WIDTH]);
        let rows: Vec<[f64; ROWS]> = (0..self.units).map(|unit| places.map(|place| at(place, unit))).collect();
        let (mut same, mut other) = ([[0.0; WIDTH]; ROWS], [[0.0; WIDTH]; ROWS]);
        for (block, labels) in self.columns.chunks_exact(self.units).zip(self.labels) {
            let mut squared = [[0.0; WIDTH]; ROWS];
            for (column, row) in block.iter().zip(&rows) {
                for r in 0..ROWS {
                    for l in 0..WIDTH {
                        let difference = column[l] - row[r];
                        squared[r][l] += difference * difference;
                    }
                }
            }
            for r in 0..ROWS {
                let kernel = decay(&squared[r], self.rate);
                for l in 0..WIDTH {
                    let equal = labels[l] == own[r];
                    same[r][l] += if equal { kernel[l] } else { 0.0 };
                    other[r][l] += if equal { 0.0 } else { kernel[l] };
                }
            }
        }
        for (r, sums) in self.sums.iter_mut().enumerate() {
            *sums = Sums { same: same[r].iter().sum(), other: other[r].iter().sum() };
        }
    }
}

/// 2^(−rate·d²): 2^n times the series of 2^f, |f| ≤ 1/2. Relative error below 1e-15, and what the rounding of rate·d² adds.
#[inline(always)]
fn decay(squared: &Lanes, rate: f64) -> Lanes {
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
    let mut out = [0.0; WIDTH];
    for l in 0..WIDTH {
        let x = -(squared[l] * rate);
        let x = if x > -DEEPEST { x } else { -DEEPEST };
        let shifted = x + SHIFT;
        let f = x - (shifted - SHIFT);
        let mut p = SERIES[0];
        for coefficient in &SERIES[1..] {
            p = p * f + coefficient;
        }
        // Multiplying by 2^n is adding n to the exponent; p lies near 1, so nothing leaves its range.
        out[l] = f64::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 52));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_accurate_and_one_at_zero() {
        assert_eq!(decay(&[0.0; WIDTH], 3.0), [1.0; WIDTH]);
        for step in 0..100_000 {
            let x = f64::from(step) * 0.01;
            let (got, expected) = (decay(&[x; WIDTH], 1.0)[3], libm::exp2(-x));
            assert!((got - expected).abs() <= 4e-15 * expected, "{x}: {got}, {expected}");
        }
        assert!(decay(&[f64::INFINITY; WIDTH], 1.0)[0] < 1e-300 && decay(&[f64::NAN; WIDTH], 1.0)[0] < 1e-300);
    }
}

//! The innermost work of `pairs`: some rows against blocks of columns, held in registers.

use crate::math::simd::{Block, Simd};

/// Smallest exponent of two: results stay normal numbers, of no weight beside the 1 that every sum contains.
const DEEPEST: f64 = 125.0;

/// The kernel as a function of the squared distance.
#[derive(Clone, Copy)]
pub(super) struct Decay {
    /// −rate
    rate: f32,
    /// Squared distance from which on the value is constant, 2^−125.
    limit: f32,
}

impl Decay {
    /// The kernel 2^(−rate·d²). `rate` and 1/`rate` must be normal in single precision.
    pub(super) fn new(rate: f64) -> Self {
        Self { rate: -rate as f32, limit: (DEEPEST / rate) as f32 }
    }

    /// Replaces squared distances d² by 2^(rate·d²): at most 1, and 1 at 0; relative error below 3e-7. An infinite distance or a
    /// NaN (between two infinite places) counts as `limit`.
    ///
    /// Rounding x = rate·d² to a whole number n by adding 1.5·2^23 needs no product of its own, and n then stands where
    /// `scale_pow2` wants it. The polynomial is 2^f = 1 + f·q(f) for |f| ≤ 1/2, of least relative error (1.1e-7) with that form.
    ///
    /// Four vectors go step by step together: the steps of one wait for each other, and the processor looks only so far ahead.
    #[inline(always)]
    fn at<S: Simd, const R: usize>(self, s: S, values: &mut [S::V; R]) {
        const { assert!(R.is_multiple_of(4)) };
        let rate = s.splat(self.rate);
        let shift = s.splat(12_582_912.0);
        for values in values.as_chunks_mut::<4>().0 {
            let (mut f, mut shifted) = (*values, *values);
            for r in 0..4 {
                f[r] = s.min(values[r], s.splat(self.limit));
            }
            for r in 0..4 {
                shifted[r] = s.mul_add(f[r], rate, shift);
            }
            for r in 0..4 {
                f[r] = s.mul_add(f[r], rate, s.sub(shift, shifted[r]));
            }
            let mut q = [s.splat(1.330_062_2e-3); 4];
            for coefficient in [9.669_696e-3, 5.550_558_5e-2, 2.402_228_3e-1, std::f32::consts::LN_2, 1.0] {
                for r in 0..4 {
                    q[r] = s.mul_add(q[r], f[r], s.splat(coefficient));
                }
            }
            for r in 0..4 {
                values[r] = s.scale_pow2(q[r], shifted[r]);
            }
        }
    }
}

/// `R` rows of one block against blocks of columns, by `K` kernels that share the distances.
pub(super) struct Tile<'a, const R: usize, const K: usize> {
    pub(super) decays: [Decay; K],
    /// Units of a block, at least 1.
    pub(super) units: usize,
    /// The rows' block, unit by unit.
    pub(super) rows: &'a [Block],
    /// Which `R` of its rows: from R·part on.
    pub(super) part: usize,
    /// The columns' blocks, one after the other.
    pub(super) columns: &'a [Block],
}

impl<const R: usize, const K: usize> Tile<'_, R, K> {
    /// The kernels between the rows and one block of columns.
    #[inline(always)]
    fn kernels<S: Simd>(&self, s: S, column: &[Block]) -> [[S::V; R]; K] {
        let mut squared = [s.zero(); R];
        for (row, column) in self.rows.iter().zip(column) {
            let column = s.load(column);
            let row = &row.0.as_chunks::<R>().0[self.part];
            for r in 0..R {
                let difference = s.sub(column, s.splat(row[r]));
                squared[r] = s.mul_add(difference, difference, squared[r]);
            }
        }
        let mut kernels = [squared; K];
        for (decay, values) in self.decays.iter().zip(&mut kernels) {
            decay.at(s, values);
        }
        kernels
    }

    /// Adds to the sums of each column; returns the sum of each row. By kernel.
    #[inline(always)]
    pub(super) fn sums<S: Simd>(&self, s: S, column_sums: &mut [&mut [Block]; K]) -> [[f32; R]; K] {
        let mut rows = [[s.zero(); R]; K];
        for (place, column) in self.columns.chunks_exact(self.units).enumerate() {
            let kernels = self.kernels(s, column);
            for k in 0..K {
                let sum = &mut column_sums[k][place];
                let mut total = s.load(sum);
                for r in 0..R {
                    rows[k][r] = s.add(rows[k][r], kernels[k][r]);
                    total = s.add(total, kernels[k][r]);
                }
                s.store(sum, total);
            }
        }
        by_kernel(s, &rows)
    }

    /// As `sums`, apart for pairs of the same class and of different classes. Labels: those of the rows' block and of the columns.
    #[inline(always)]
    pub(super) fn split_sums<S: Simd>(
        &self,
        s: S,
        labels: (&Block, &[Block]),
        same_sums: &mut [&mut [Block]; K],
        other_sums: &mut [&mut [Block]; K],
    ) -> ([[f32; R]; K], [[f32; R]; K]) {
        let row_labels = &labels.0.0.as_chunks::<R>().0[self.part];
        let mut rows = ([[s.zero(); R]; K], [[s.zero(); R]; K]);
        for (place, (column, labels)) in self.columns.chunks_exact(self.units).zip(labels.1).enumerate() {
            let kernels = self.kernels(s, column);
            let labels = s.load(labels);
            for k in 0..K {
                let (same_sum, other_sum) = (&mut same_sums[k][place], &mut other_sums[k][place]);
                for r in 0..R {
                    let apart = s.abs(s.sub(labels, s.splat(row_labels[r])));
                    let same = s.select_gt(apart, s.splat(0.5), s.zero(), kernels[k][r]);
                    let other = s.sub(kernels[k][r], same);
                    rows.0[k][r] = s.add(rows.0[k][r], same);
                    rows.1[k][r] = s.add(rows.1[k][r], other);
                    let sum = s.add(s.load(same_sum), same);
                    s.store(same_sum, sum);
                    let sum = s.add(s.load(other_sum), other);
                    s.store(other_sum, sum);
                }
            }
        }
        (by_kernel(s, &rows.0), by_kernel(s, &rows.1))
    }
}

/// The sum over the lanes of each vector, by kernel. No closure: it would be compiled without the instructions.
#[inline(always)]
fn by_kernel<S: Simd, const R: usize, const K: usize>(s: S, vectors: &[[S::V; R]; K]) -> [[f32; R]; K] {
    let mut sums = [[0.0; R]; K];
    for k in 0..K {
        sums[k] = lane_sums(s, &vectors[k]);
    }
    sums
}

/// The sum over the lanes of each vector.
#[inline(always)]
fn lane_sums<S: Simd, const R: usize>(s: S, vectors: &[S::V; R]) -> [f32; R] {
    let mut sums = [0.0; R];
    for (sum, vector) in sums.iter_mut().zip(vectors) {
        *sum = s.sum(*vector);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::{Isa, Kernel, LANES};

    struct Apply(Decay, [f32; LANES]);

    impl Kernel for Apply {
        type Output = [f32; LANES];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> [f32; LANES] {
            let mut values = [s.load(&Block(self.1)); 4];
            self.0.at(s, &mut values);
            let mut out = Block::default();
            s.store(&mut out, values[3]);
            out.0
        }
    }

    #[test]
    fn the_kernel_is_accurate_and_never_above_one() {
        for rate in [1e-3, 1.0, 721.3] {
            for step in 0..20_000 {
                let squared: [f32; LANES] =
                    std::array::from_fn(|l| (f64::from(step * 16 + l as u32) * 120.0 / 320_000.0 / rate) as f32);
                for (x, got) in squared.into_iter().zip(Isa::best().dispatch(Apply(Decay::new(rate), squared))) {
                    let exponent = rate * f64::from(x);
                    let expected = libm::exp2(-exponent);
                    // A rate rounded to f32 is off by up to 6e-8, which weighs by the exponent.
                    let tolerance = 3e-7 + 1e-7 * exponent;
                    assert!((f64::from(got) - expected).abs() <= tolerance * expected && got <= 1.0, "{exponent}: {got}");
                }
            }
        }
    }

    #[test]
    fn extremes_are_exact_on_every_instruction_set() {
        let mut squared = [0.0; LANES];
        squared[8..].copy_from_slice(&[f32::INFINITY, f32::NAN, f32::MAX, 125.0, 1e-45, f32::MIN_POSITIVE, 1e-30, 0.0]);
        for isa in Isa::available() {
            let got = isa.dispatch(Apply(Decay::new(1.0), squared));
            assert_eq!(got[..8], [1.0; 8], "{}", isa.name());
            assert_eq!(got[8..12], [libm::exp2f(-125.0); 4], "{}", isa.name());
            assert_eq!(got[12..], [1.0; 4], "{}", isa.name());
        }
    }
}

//! The products of a dense layer on feature-major data: forward, and backward to the inputs. The third is in `gradients`.
//!
//! Examples lie in the lanes and are never added to each other. Register tiles hold up to 6 × 64 values on AVX-512 and 6 × 16 elsewhere; a
//! sum of more than `PANEL_DEPTH` terms is added panel by panel, so that what all tiles read stays in the first cache. Tiles, panels and
//! threads never change the order of an element's additions, so they never change the result: that is why layers of any size are ours, and
//! no library is called for the large ones.

#![expect(clippy::needless_range_loop, reason = "the loops of a register tile unroll over constants; indices say which register")]

use rayon::prelude::*;

use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd};

/// Multiply-adds above which a product is split over threads: below, waking them costs more than it saves.
pub(super) const PARALLEL_WORK: usize = 1 << 21;
/// Rows of a register tile.
const TILE_ROWS: usize = 6;
/// Terms of a sum that are added in one go; the rest waits in y.
const PANEL_DEPTH: usize = 96;
/// Blocks of examples of a panel: with its depth 24 KiB, the first cache of current cores but for what the tiles read beside it.
const PANEL_BLOCKS: usize = 4;

/// A feature-major matrix: row u holds `stride` blocks, the values of unit u over the examples.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// All blocks, row after row; the first row starts at 0.
    pub data: &'a [Block],
    /// Blocks from one row to the next.
    pub stride: usize,
}

/// Weights as the product reads them: element (row, k) at `row · row_step + k · k_step`.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// The layer's kernel, output × input.
    pub values: &'a [f32],
    row_step: usize,
    k_step: usize,
}

impl<'a> Weights<'a> {
    /// The kernel of a layer with `n_in` inputs, read by output: for the forward product.
    #[must_use]
    pub const fn forward(values: &'a [f32], n_in: usize) -> Self {
        Self { values, row_step: n_in, k_step: 1 }
    }

    /// The same kernel read by input: for the backward product.
    #[must_use]
    pub const fn backward(values: &'a [f32], n_in: usize) -> Self {
        Self { values, row_step: 1, k_step: n_in }
    }
}

/// Whether a sum of that many terms is added panel by panel.
#[must_use]
pub const fn in_panels(depth: usize) -> bool {
    depth > PANEL_DEPTH
}

/// y(row) = bias(row) + Σ_k w(row, k) · x(k) over `nb` blocks of examples; the sum starts at the bias (or 0) and runs over k in order.
///
/// # Panics
/// If a slice is shorter than the shapes say.
#[allow(clippy::too_many_arguments, reason = "one product, all of its shapes")]
pub fn product(
    exec: Exec,
    w: Weights<'_>,
    bias: Option<&[f32]>,
    depth: usize,
    x: Columns<'_>,
    nb: usize,
    y: &mut [Block],
    y_stride: usize,
) {
    if nb == 0 || y.is_empty() {
        return;
    }
    let rows = (y.len() - nb) / y_stride + 1;
    assert!(nb <= y_stride && (depth == 0 || x.data.len() >= (depth - 1) * x.stride + nb));
    assert!(depth == 0 || w.values.len() > (rows - 1) * w.row_step + (depth - 1) * w.k_step);
    assert!(bias.is_none_or(|b| b.len() >= rows));
    let run = |first: usize, y: &mut [Block]| {
        exec.isa.dispatch(Product { w, bias, depth, x, nb, first, rows: (y.len() - nb) / y_stride + 1, y, y_stride });
    };
    if exec.parallel && rows * depth * nb * LANES >= PARALLEL_WORK {
        let chunk = rows.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(TILE_ROWS);
        y.par_chunks_mut(chunk * y_stride).enumerate().for_each(|(i, y)| run(i * chunk, y));
    } else {
        run(0, y);
    }
}

/// One thread's rows `first .. first + rows` of a product.
struct Product<'a> {
    w: Weights<'a>,
    bias: Option<&'a [f32]>,
    depth: usize,
    x: Columns<'a>,
    nb: usize,
    first: usize,
    rows: usize,
    y: &'a mut [Block],
    y_stride: usize,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        if in_panels(self.depth) {
            self.panels(s);
        } else {
            let all = Terms { x: self.x, from: 0, to: self.depth, first: 0 };
            self.tiles(s, all, self.nb);
        }
    }
}

/// Terms `from .. to` of a product's sums: their rows of x, of which the first is that of term `from`, and the block of y that the first
/// block of x is for.
#[derive(Clone, Copy)]
struct Terms<'a> {
    x: Columns<'a>,
    from: usize,
    to: usize,
    first: usize,
}

impl Product<'_> {
    /// All terms, a panel of x after the other, each copied to where its rows lie side by side.
    #[inline(always)]
    fn panels<S: Simd>(&mut self, s: S) {
        let mut panel = [Block::default(); PANEL_DEPTH * PANEL_BLOCKS];
        let parts = self.depth.div_ceil(PANEL_DEPTH);
        for first in (0..self.nb).step_by(PANEL_BLOCKS) {
            let nb = PANEL_BLOCKS.min(self.nb - first);
            for part in 0..parts {
                let (from, to) = (part * self.depth / parts, (part + 1) * self.depth / parts);
                for (k, row) in (from..to).zip(panel.chunks_exact_mut(nb)) {
                    row.copy_from_slice(&self.x.data[k * self.x.stride + first..][..nb]);
                }
                self.tiles(s, Terms { x: Columns { data: &panel, stride: nb }, from, to, first }, nb);
            }
        }
    }

    /// Adds some terms to all rows of `nb` blocks.
    #[inline(always)]
    fn tiles<S: Simd>(&mut self, s: S, terms: Terms<'_>, nb: usize) {
        let tiles = self.rows.div_ceil(TILE_ROWS);
        for tile in 0..tiles {
            // Rows are shared out evenly: 10 rows as 5 + 5, not 6 + 4.
            let (row, end) = (tile * self.rows / tiles, (tile + 1) * self.rows / tiles);
            match end - row {
                1 => self.rows_of::<S, 1>(s, row, terms, nb),
                2 => self.rows_of::<S, 2>(s, row, terms, nb),
                3 => self.rows_of::<S, 3>(s, row, terms, nb),
                4 => self.rows_of::<S, 4>(s, row, terms, nb),
                5 => self.rows_of::<S, 5>(s, row, terms, nb),
                _ => self.rows_of::<S, 6>(s, row, terms, nb),
            }
        }
    }

    #[inline(always)]
    fn rows_of<S: Simd, const R: usize>(&mut self, s: S, row: usize, terms: Terms<'_>, nb: usize) {
        let mut block = 0;
        if S::WIDE {
            while block + 4 <= nb {
                self.tile::<S, R, 4>(s, row, terms, block);
                block += 4;
            }
        }
        while block < nb {
            self.tile::<S, R, 1>(s, row, terms, block);
            block += 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, row: usize, terms: Terms<'_>, block: usize) {
        let mut acc = [[s.zero(); C]; R];
        let at = |r: usize| (row + r) * self.y_stride + terms.first + block;
        if terms.from > 0 {
            for r in 0..R {
                for (sum, y) in acc[r].iter_mut().zip(&self.y[at(r)..at(r) + C]) {
                    *sum = s.load(y);
                }
            }
        } else if let Some(bias) = self.bias {
            for r in 0..R {
                acc[r] = [s.splat(bias[self.first + row + r]); C];
            }
        }
        let base = (self.first + row) * self.w.row_step + terms.from * self.w.k_step;
        for k in 0..terms.to - terms.from {
            let mut x = [s.zero(); C];
            for c in 0..C {
                // SAFETY: whoever makes `terms` has rows from .. to of x, each of more than block + c blocks: `run` those that `product`
                // asserts, `panels` those that it has copied.
                x[c] = s.load(unsafe { terms.x.data.get_unchecked(k * terms.x.stride + block + c) });
            }
            for r in 0..R {
                // SAFETY: `product` asserts the last element (last row, last k) to be inside, and steps are not negative.
                let w = s.splat(*unsafe { self.w.values.get_unchecked(base + r * self.w.row_step + k * self.w.k_step) });
                for c in 0..C {
                    acc[r][c] = s.mul_add(w, x[c], acc[r][c]);
                }
            }
        }
        for r in 0..R {
            for (to, v) in self.y[at(r)..at(r) + C].iter_mut().zip(acc[r]) {
                s.store(to, v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::math::rng::{Purpose, Stream};
    use crate::math::simd::{Isa, blocks, flat_mut};
    use crate::train::gradients::gradients;

    fn random(stream: &mut Stream, n: usize) -> Vec<f32> {
        (0..n).map(|_| (stream.uniform() * 2.0 - 1.0) as f32).collect()
    }

    /// Rows of `n` values as blocks, padding 0.
    fn columns(stream: &mut Stream, rows: usize, n: usize) -> Vec<Block> {
        let mut data = vec![Block::default(); rows * blocks(n)];
        for row in data.chunks_mut(blocks(n)) {
            flat_mut(row)[..n].copy_from_slice(&random(stream, n));
        }
        data
    }

    fn value(data: &[Block], n: usize, row: usize, example: usize) -> f64 {
        f64::from(data[row * blocks(n) + example / LANES].0[example % LANES])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::train::reference::cases(60)))]
        #[test]
        fn products_and_gradients_equal_the_plain_sums(n_out in 1usize..130, n_in in 0usize..130, n in 1usize..300, seed in 0u64..1000) {
            let mut stream = Stream::new(seed, Purpose::Init, 0);
            let (w, bias) = (random(&mut stream, n_out * n_in), random(&mut stream, n_out));
            let (x, delta) = (columns(&mut stream, n_in, n), columns(&mut stream, n_out, n));
            let nb = blocks(n);
            let mut first = None;
            for isa in Isa::available() {
                for parallel in [false, true] {
                    let exec = Exec { isa, parallel };
                    let mut y = vec![Block::default(); n_out * nb];
                    product(exec, Weights::forward(&w, n_in), Some(&bias), n_in, Columns { data: &x, stride: nb }, nb, &mut y, nb);
                    let mut back = vec![Block::default(); n_in * nb];
                    product(exec, Weights::backward(&w, n_in), None, n_out, Columns { data: &delta, stride: nb }, nb, &mut back, nb);
                    let (mut kernel, mut db) = (vec![0.0; n_out * n_in], vec![0.0; n_out]);
                    let (d, a) = (Columns { data: &delta, stride: nb }, Columns { data: &x, stride: nb });
                    gradients(exec, d, a, n_in, nb, &mut kernel, &mut db);
                    let got = (y, back, kernel, db);
                    if let Some(first) = &first {
                        prop_assert_eq!(first, &got, "{} {}", isa.name(), parallel);
                    } else {
                        first = Some(got);
                    }
                }
            }
            let (y, back, kernel, db) = first.unwrap();
            let tolerance = |terms: usize| 1e-6 * (terms as f64 + 4.0);
            for o in 0..n_out {
                for e in 0..n {
                    let sum = (0..n_in).fold(f64::from(bias[o]), |t, i| t + f64::from(w[o * n_in + i]) * value(&x, n, i, e));
                    prop_assert!((value(&y, n, o, e) - sum).abs() < tolerance(n_in));
                }
                let sum: f64 = (0..n).map(|e| value(&delta, n, o, e)).sum();
                prop_assert!((f64::from(db[o]) - sum).abs() < tolerance(n));
            }
            for i in 0..n_in {
                for e in 0..n {
                    let sum: f64 = (0..n_out).map(|o| f64::from(w[o * n_in + i]) * value(&delta, n, o, e)).sum();
                    prop_assert!((value(&back, n, i, e) - sum).abs() < tolerance(n_out));
                }
                for o in 0..n_out {
                    let sum: f64 = (0..n).map(|e| value(&delta, n, o, e) * value(&x, n, i, e)).sum();
                    prop_assert!((f64::from(kernel[o * n_in + i]) - sum).abs() < tolerance(n));
                }
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_large_layer() {
        let (n_out, n_in, n) = (300, 200, 256);
        let mut stream = Stream::new(1, Purpose::Init, 0);
        let (w, x) = (random(&mut stream, n_out * n_in), columns(&mut stream, n_in, n));
        let delta = columns(&mut stream, n_out, n);
        let nb = blocks(n);
        let run = |parallel| {
            let exec = Exec { isa: Isa::best(), parallel };
            let mut y = vec![Block::default(); n_out * nb];
            product(exec, Weights::forward(&w, n_in), None, n_in, Columns { data: &x, stride: nb }, nb, &mut y, nb);
            let (mut kernel, mut bias) = (vec![0.0; n_out * n_in], vec![0.0; n_out]);
            let (d, a) = (Columns { data: &delta, stride: nb }, Columns { data: &x, stride: nb });
            gradients(exec, d, a, n_in, nb, &mut kernel, &mut bias);
            (y, kernel, bias)
        };
        assert_eq!(run(false), run(true));
    }
}

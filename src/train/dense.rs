//! The three products of a dense layer, on feature-major data: forward, backward to the inputs, weight gradients.
//!
//! Examples lie in the lanes. Forward and backward never cross lanes, so any partition gives the same bits; weight gradients add over the
//! blocks of the batch lane by lane and then over the 16 lanes in the fixed order of `Simd::sum`. Register tiles hold up to 6 × 64
//! values on AVX-512 and 6 × 16 elsewhere; the tile never changes the order of an element's additions, so it never changes the result.

#![expect(clippy::needless_range_loop, reason = "the loops of a register tile unroll over constants; indices say which register")]

use rayon::prelude::*;

use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd};

/// Multiply-adds above which a product is split over threads: below, waking them costs more than it saves.
const PARALLEL_WORK: usize = 1 << 21;
/// Rows of a register tile.
const TILE_ROWS: usize = 6;

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
        let tiles = self.rows.div_ceil(TILE_ROWS);
        for tile in 0..tiles {
            // Rows are shared out evenly: 10 rows as 5 + 5, not 6 + 4.
            let (row, end) = (tile * self.rows / tiles, (tile + 1) * self.rows / tiles);
            match end - row {
                1 => self.rows_of::<S, 1>(s, row),
                2 => self.rows_of::<S, 2>(s, row),
                3 => self.rows_of::<S, 3>(s, row),
                4 => self.rows_of::<S, 4>(s, row),
                5 => self.rows_of::<S, 5>(s, row),
                _ => self.rows_of::<S, 6>(s, row),
            }
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn rows_of<S: Simd, const R: usize>(&mut self, s: S, row: usize) {
        let mut block = 0;
        if S::WIDE {
            while block + 4 <= self.nb {
                self.tile::<S, R, 4>(s, row, block);
                block += 4;
            }
        }
        while block < self.nb {
            self.tile::<S, R, 1>(s, row, block);
            block += 1;
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, row: usize, block: usize) {
        let mut acc = [[s.zero(); C]; R];
        if let Some(bias) = self.bias {
            for r in 0..R {
                acc[r] = [s.splat(bias[self.first + row + r]); C];
            }
        }
        let base = (self.first + row) * self.w.row_step;
        for k in 0..self.depth {
            let mut x = [s.zero(); C];
            for c in 0..C {
                // SAFETY: `product` asserts x.data.len() ≥ (depth − 1)·stride + nb, and k < depth, block + c < nb.
                x[c] = s.load(unsafe { self.x.data.get_unchecked(k * self.x.stride + block + c) });
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
            let at = (row + r) * self.y_stride + block;
            for (to, v) in self.y[at..at + C].iter_mut().zip(acc[r]) {
                s.store(to, v);
            }
        }
    }
}

/// Gradient of a layer's kernel and bias: `kernel[o·n_in + i] = Σ_b δ[o][b]·a[i][b]`, `bias[o] = Σ_b δ[o][b]` over `nb` blocks.
/// Lanes of δ beyond the batch must be 0.
///
/// # Panics
/// If a slice is shorter than the shapes say.
pub fn gradients(
    exec: Exec,
    delta: Columns<'_>,
    input: Columns<'_>,
    n_in: usize,
    nb: usize,
    kernel: &mut [f32],
    bias: &mut [f32],
) {
    if nb == 0 || bias.is_empty() {
        return;
    }
    let n_out = bias.len();
    assert!(delta.data.len() >= (n_out - 1) * delta.stride + nb && kernel.len() == n_out * n_in);
    assert!(n_in == 0 || input.data.len() >= (n_in - 1) * input.stride + nb);
    let run = |first: usize, bias: &mut [f32], kernel: &mut [f32]| {
        exec.isa.dispatch(Gradients { delta, input, n_in, nb, first, kernel, bias });
    };
    if exec.parallel && n_in > 0 && n_out * n_in * nb * LANES >= PARALLEL_WORK {
        let chunk = n_out.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(4);
        let parts = bias.par_chunks_mut(chunk).zip(kernel.par_chunks_mut(chunk * n_in));
        parts.enumerate().for_each(|(i, (bias, kernel))| run(i * chunk, bias, kernel));
    } else {
        run(0, bias, kernel);
    }
}

/// One thread's output units `first .. first + bias.len()` of the gradients.
struct Gradients<'a> {
    delta: Columns<'a>,
    input: Columns<'a>,
    n_in: usize,
    nb: usize,
    first: usize,
    kernel: &'a mut [f32],
    bias: &'a mut [f32],
}

impl Kernel for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for o in 0..self.bias.len() {
            let mut sum = s.zero();
            let from = (self.first + o) * self.delta.stride;
            for block in &self.delta.data[from..from + self.nb] {
                sum = s.add(sum, s.load(block));
            }
            self.bias[o] = s.sum(sum);
        }
        // 24 accumulators of 16 lanes fill AVX-512's registers, 6 fill AVX2's.
        let (tile_out, tile_in) = if S::WIDE { (4, 6) } else { (2, 3) };
        let (tiles_out, tiles_in) = (self.bias.len().div_ceil(tile_out), self.n_in.div_ceil(tile_in));
        for to in 0..tiles_out {
            let (o, o_end) = (to * self.bias.len() / tiles_out, (to + 1) * self.bias.len() / tiles_out);
            for ti in 0..tiles_in {
                let (i, i_end) = (ti * self.n_in / tiles_in, (ti + 1) * self.n_in / tiles_in);
                match o_end - o {
                    1 => self.inputs_of::<S, 1>(s, o, i, i_end),
                    2 => self.inputs_of::<S, 2>(s, o, i, i_end),
                    3 => self.inputs_of::<S, 3>(s, o, i, i_end),
                    _ => self.inputs_of::<S, 4>(s, o, i, i_end),
                }
            }
        }
    }
}

impl Gradients<'_> {
    #[inline(always)]
    fn inputs_of<S: Simd, const O: usize>(&mut self, s: S, o: usize, i: usize, i_end: usize) {
        match i_end - i {
            1 => self.tile::<S, O, 1>(s, o, i),
            2 => self.tile::<S, O, 2>(s, o, i),
            3 => self.tile::<S, O, 3>(s, o, i),
            4 => self.tile::<S, O, 4>(s, o, i),
            5 => self.tile::<S, O, 5>(s, o, i),
            _ => self.tile::<S, O, 6>(s, o, i),
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const O: usize, const I: usize>(&mut self, s: S, o: usize, i: usize) {
        let mut acc = [[s.zero(); I]; O];
        for b in 0..self.nb {
            let mut x = [s.zero(); I];
            for c in 0..I {
                // SAFETY: `gradients` asserts the last input's last block to be inside; i + c < n_in, b < nb.
                x[c] = s.load(unsafe { self.input.data.get_unchecked((i + c) * self.input.stride + b) });
            }
            for r in 0..O {
                // SAFETY: likewise for the deltas; first + o + r is below the layer's number of units.
                let d = s.load(unsafe { self.delta.data.get_unchecked((self.first + o + r) * self.delta.stride + b) });
                for c in 0..I {
                    acc[r][c] = s.mul_add(d, x[c], acc[r][c]);
                }
            }
        }
        for r in 0..O {
            let at = (o + r) * self.n_in + i;
            for (to, v) in self.kernel[at..at + I].iter_mut().zip(acc[r]) {
                *to = s.sum(v);
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

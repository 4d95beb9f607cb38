//! The weight gradients of a dense layer, on feature-major data, in two forms that agree to the bit.
//!
//! Both add over the blocks of the batch lane by lane, then over the sixteen lanes in the fixed order of `Simd::sum`. A small layer keeps examples
//! in the lanes and adds them up at the end of each register tile. For a large one those sums would cost half as much as the products: there,
//! `Wide` turns panels of inputs so that inputs lie in the lanes, and walks the same tree of additions with whole vectors. Which form a layer
//! takes is told by its shape alone; [`wide`] is where.

#![expect(clippy::needless_range_loop, reason = "the loops of a register tile unroll over constants; indices say which register")]

use rayon::prelude::*;

use super::dense::{Columns, PARALLEL_WORK};
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd, blocks, flat};

/// Sums over lanes that are taken at once; a tile has at most three times as many.
const TOGETHER: usize = 8;
/// Units from which turning inputs pays, measured: every one of them reads what was turned.
const WIDE_UNITS: usize = 48;
/// Inputs that make a panel worth its while.
const WIDE_INPUTS: usize = 64;
/// Blocks of δ, 16 KiB, that a tile of inputs is multiplied by while it is in the first cache.
const GROUP: usize = 256;
/// Units of a register tile of the wide form.
const TILE_UNITS: usize = 6;
/// Blocks of inputs of a panel of the wide form.
const PANEL: usize = 4;
/// Rounds of additions by halves that make one of sixteen lanes.
const ROUNDS: usize = LANES.ilog2() as usize;

/// Whether a layer of that shape takes the form for large ones, where a vector is one register.
#[must_use]
pub const fn wide(n_out: usize, n_in: usize) -> bool {
    n_out >= WIDE_UNITS && n_in >= WIDE_INPUTS
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
    let wide = wide(n_out, n_in);
    let run = |first: usize, bias: &mut [f32], kernel: &mut [f32]| {
        exec.isa.dispatch(Gradients { wide, rows: Rows { delta, input, n_in, nb, first, kernel, bias } });
    };
    if exec.parallel && n_in > 0 && n_out * n_in * nb * LANES >= PARALLEL_WORK {
        let threads = rayon::current_num_threads();
        // Every part of a wide layer turns all inputs: few parts, unless the layer is so large that this does not count.
        let each = if wide { (n_out / (128 * threads)).clamp(1, 4) } else { 4 };
        let chunk = n_out.div_ceil(each * threads).next_multiple_of(if wide { TILE_UNITS } else { 4 });
        let parts = bias.par_chunks_mut(chunk).zip(kernel.par_chunks_mut(chunk * n_in));
        parts.enumerate().for_each(|(i, (bias, kernel))| run(i * chunk, bias, kernel));
    } else {
        run(0, bias, kernel);
    }
}

/// One thread's part, in one of the two forms.
struct Gradients<'a> {
    wide: bool,
    rows: Rows<'a>,
}

impl Kernel for Gradients<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.rows.biases(s);
        // Registers of AVX2 hold too few sums for turned inputs to pay.
        if S::WIDE && self.wide { Wide(self.rows).run(s) } else { Small(self.rows).run(s) }
    }
}

/// One thread's output units `first .. first + bias.len()` of the gradients.
struct Rows<'a> {
    delta: Columns<'a>,
    input: Columns<'a>,
    n_in: usize,
    nb: usize,
    first: usize,
    kernel: &'a mut [f32],
    bias: &'a mut [f32],
}

impl Rows<'_> {
    #[inline(always)]
    fn biases<S: Simd>(&mut self, s: S) {
        for (group, bias) in self.bias.chunks_mut(TOGETHER).enumerate() {
            let mut sums = [s.zero(); TOGETHER];
            for (o, sum) in sums.iter_mut().enumerate().take(bias.len()) {
                let from = (self.first + group * TOGETHER + o) * self.delta.stride;
                for block in &self.delta.data[from..from + self.nb] {
                    *sum = s.add(*sum, s.load(block));
                }
            }
            bias.copy_from_slice(&s.sums(sums)[..bias.len()]);
        }
    }
}

/// Examples in the lanes, added up tile by tile.
struct Small<'a>(Rows<'a>);

impl Small<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        // 24 accumulators of 16 lanes fill AVX-512's registers, 6 fill AVX2's.
        let (tile_out, tile_in) = if S::WIDE { (4, 6) } else { (2, 3) };
        let (tiles_out, tiles_in) = (self.0.bias.len().div_ceil(tile_out), self.0.n_in.div_ceil(tile_in));
        // On AVX-512 the units are few: many have the other form.
        let group = if S::WIDE { tiles_out } else { GROUP / (tile_out * self.0.nb) }.max(1);
        for first in (0..tiles_out).step_by(group) {
            for ti in 0..tiles_in {
                let (i, i_end) = (ti * self.0.n_in / tiles_in, (ti + 1) * self.0.n_in / tiles_in);
                for to in first..tiles_out.min(first + group) {
                    let (o, o_end) = (to * self.0.bias.len() / tiles_out, (to + 1) * self.0.bias.len() / tiles_out);
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
        for b in 0..self.0.nb {
            let mut x = [s.zero(); I];
            for c in 0..I {
                // SAFETY: `gradients` asserts the last input's last block to be inside; i + c < n_in, b < nb.
                x[c] = s.load(unsafe { self.0.input.data.get_unchecked((i + c) * self.0.input.stride + b) });
            }
            for r in 0..O {
                // SAFETY: likewise for the deltas; first + o + r is below the layer's number of units.
                let d = s.load(unsafe { self.0.delta.data.get_unchecked((self.0.first + o + r) * self.0.delta.stride + b) });
                for c in 0..I {
                    acc[r][c] = s.mul_add(d, x[c], acc[r][c]);
                }
            }
        }
        let mut sums = [0.0; 3 * TOGETHER];
        for group in 0..(O * I).div_ceil(TOGETHER) {
            let mut eight = [s.zero(); TOGETHER];
            for j in 0..TOGETHER {
                let n = group * TOGETHER + j;
                if n < O * I {
                    eight[j] = acc[n / I][n % I];
                }
            }
            sums[group * TOGETHER..][..TOGETHER].copy_from_slice(&s.sums(eight));
        }
        for r in 0..O {
            let at = (o + r) * self.0.n_in + i;
            self.0.kernel[at..at + I].copy_from_slice(&sums[r * I..(r + 1) * I]);
        }
    }
}

/// Inputs in the lanes: tiles of [`TILE_UNITS`] units by [`PANEL`] blocks of inputs.
struct Wide<'a>(Rows<'a>);

impl Wide<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let mut panel = vec![Block::default(); LANES * self.0.nb * PANEL];
        let mut waiting = [Block::default(); ROUNDS * TILE_UNITS * PANEL];
        let (units, row) = (self.0.bias.len(), blocks(self.0.n_in));
        let tiles = units.div_ceil(TILE_UNITS);
        for from in (0..row).step_by(PANEL) {
            let inputs = PANEL.min(row - from);
            self.turn(s, from, inputs, &mut panel);
            for tile in 0..tiles {
                let (o, end) = (tile * units / tiles, (tile + 1) * units / tiles);
                match end - o {
                    1 => self.inputs_of::<S, 1>(s, o, from, inputs, &panel, &mut waiting),
                    2 => self.inputs_of::<S, 2>(s, o, from, inputs, &panel, &mut waiting),
                    3 => self.inputs_of::<S, 3>(s, o, from, inputs, &panel, &mut waiting),
                    4 => self.inputs_of::<S, 4>(s, o, from, inputs, &panel, &mut waiting),
                    5 => self.inputs_of::<S, 5>(s, o, from, inputs, &panel, &mut waiting),
                    _ => self.inputs_of::<S, 6>(s, o, from, inputs, &panel, &mut waiting),
                }
            }
        }
    }
}

impl Wide<'_> {
    /// Turns `inputs` blocks of inputs, from block `from` on: [lane][block of the batch][block of inputs], padded with zeros.
    #[inline(always)]
    fn turn<S: Simd>(&self, s: S, from: usize, inputs: usize, panel: &mut [Block]) {
        static EMPTY: Block = Block([0.0; LANES]);
        let Columns { data, stride } = self.0.input;
        for c in 0..inputs {
            let first = (from + c) * LANES;
            for b in 0..self.0.nb {
                let mut rows = [&EMPTY; LANES];
                for (to, i) in rows.iter_mut().zip(first..self.0.n_in) {
                    *to = &data[i * stride + b];
                }
                for (l, v) in s.transpose(rows).into_iter().enumerate() {
                    s.store(&mut panel[(l * self.0.nb + b) * inputs + c], v);
                }
            }
        }
    }

    #[inline(always)]
    fn inputs_of<S: Simd, const O: usize>(
        &mut self,
        s: S,
        o: usize,
        from: usize,
        inputs: usize,
        panel: &[Block],
        waiting: &mut [Block],
    ) {
        let mut block = 0;
        if S::WIDE && inputs == PANEL {
            self.tile::<S, O, PANEL>(s, o, (from, inputs, block), panel, waiting);
            block += PANEL;
        }
        while block < inputs {
            self.tile::<S, O, 1>(s, o, (from, inputs, block), panel, waiting);
            block += 1;
        }
    }

    /// The gradients of O units by C blocks of inputs, those from block `place.2` of a panel that has `place.1` blocks and begins with block
    /// `place.0`.
    #[inline(always)]
    fn tile<S: Simd, const O: usize, const C: usize>(
        &mut self,
        s: S,
        o: usize,
        place: (usize, usize, usize),
        panel: &[Block],
        waiting: &mut [Block],
    ) {
        let ((from, inputs, block), nb) = (place, self.0.nb);
        assert!(panel.len() >= LANES * nb * inputs && block + C <= inputs);
        let deltas = &flat(self.0.delta.data)[(self.0.first + o) * self.0.delta.stride * LANES..];
        let unit = self.0.delta.stride * LANES;
        assert!(deltas.len() >= (O - 1) * unit + nb * LANES);
        let mut acc = [[s.zero(); C]; O];
        for step in 0..LANES {
            // Lanes in the order in which a tree of additions by halves meets its leaves: 0 and 8, 4 and 12, 2 and 10 …
            let lane = step.reverse_bits() >> (usize::BITS as usize - ROUNDS);
            acc = [[s.zero(); C]; O];
            for b in 0..nb {
                let mut x = [s.zero(); C];
                for c in 0..C {
                    // SAFETY: lane < LANES, b < nb and block + c < inputs, and the panel is as long as asserted.
                    x[c] = s.load(unsafe { panel.get_unchecked((lane * nb + b) * inputs + block + c) });
                }
                for r in 0..O {
                    // SAFETY: r < O, b < nb, lane < LANES: below the length that is asserted.
                    let d = s.splat(*unsafe { deltas.get_unchecked(r * unit + b * LANES + lane) });
                    for c in 0..C {
                        acc[r][c] = s.mul_add(d, x[c], acc[r][c]);
                    }
                }
            }
            // As many halves are whole as the step's number ends in ones; what is then the first of a pair waits for the second.
            let whole = step.trailing_ones() as usize;
            for round in waiting.chunks_exact(O * C).take(whole) {
                for r in 0..O {
                    for c in 0..C {
                        acc[r][c] = s.add(s.load(&round[r * C + c]), acc[r][c]);
                    }
                }
            }
            if let Some(round) = waiting.chunks_exact_mut(O * C).nth(whole).filter(|_| whole < ROUNDS) {
                for r in 0..O {
                    for c in 0..C {
                        s.store(&mut round[r * C + c], acc[r][c]);
                    }
                }
            }
        }
        let n_in = self.0.n_in;
        for r in 0..O {
            let row = &mut self.0.kernel[(o + r) * n_in..][..n_in];
            for (to, v) in row[(from + block) * LANES..].chunks_mut(LANES).zip(acc[r]) {
                s.store_part(to, v);
            }
        }
    }
}

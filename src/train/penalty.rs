//! What keeps weights small: the penalties λ₁Σ|w| + λ₂Σw² over all kernels, and a largest norm of a hidden unit's incoming weights.

use super::network::Network;
use super::spec::Regularization;
use crate::math::simd::{Block, Isa, Kernel, LANES, Simd, blocks, flat_mut};

/// The penalties of one network.
#[derive(Clone, Debug)]
pub struct Penalty {
    l1: f64,
    l2: f64,
    /// 1 on weights of kernels, 0 elsewhere; empty without penalties.
    on: Vec<Block>,
}

impl Penalty {
    /// The penalties that `regularization` asks for.
    #[must_use]
    pub fn new(network: &Network, regularization: Regularization) -> Self {
        let Regularization { l1, l2, dropout: _ } = regularization;
        let mut on = Vec::new();
        if l1 != 0.0 || l2 != 0.0 {
            on.resize(blocks(network.n_trained()), Block::default());
            network.layers.iter().for_each(|layer| flat_mut(&mut on)[layer.kernel_range()].fill(1.0));
        }
        Self { l1, l2, on }
    }

    /// Adds the penalties' derivative, λ₁ sign w + 2 λ₂ w, to a gradient; sign 0 is 0.
    pub fn add(&self, isa: Isa, parameters: &[Block], gradient: &mut [Block]) {
        if !self.on.is_empty() {
            isa.dispatch(Add { l1: self.l1 as f32, twice_l2: (2.0 * self.l2) as f32, on: &self.on, parameters, gradient });
        }
    }

    /// What the penalties add to the loss.
    #[must_use]
    pub fn loss(&self, network: &Network, parameters: &[f32]) -> f64 {
        if self.on.is_empty() {
            return 0.0;
        }
        let weights = network.layers.iter().flat_map(|layer| layer.kernel(parameters)).map(|&w| f64::from(w));
        weights.map(|w| self.l1 * w.abs() + self.l2 * w * w).sum()
    }
}

struct Add<'a> {
    l1: f32,
    twice_l2: f32,
    on: &'a [Block],
    parameters: &'a [Block],
    gradient: &'a mut [Block],
}

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (l1, twice_l2) = (s.splat(self.l1), s.splat(self.twice_l2));
        let minus = s.sub(s.zero(), l1);
        for ((g, p), on) in self.gradient.iter_mut().zip(self.parameters).zip(self.on) {
            let w = s.load(p);
            let sign = s.select_gt(w, s.zero(), l1, s.select_gt(s.zero(), w, minus, s.zero()));
            let slope = s.mul_add(twice_l2, w, sign);
            s.store(g, s.mul_add(slope, s.load(on), s.load(g)));
        }
    }
}

/// Scales every hidden row of weights whose norm is above `limit` to that norm.
pub fn limit_norms(isa: Isa, network: &Network, limit: f64, parameters: &mut [f32]) {
    let hidden = network.layers.len() - 1;
    for layer in &network.layers[..hidden] {
        let (kernel, _) = layer.kernel_and_bias(parameters);
        isa.dispatch(LimitNorms { limit: limit as f32, n_in: layer.n_in, kernel });
    }
}

struct LimitNorms<'a> {
    limit: f32,
    n_in: usize,
    kernel: &'a mut [f32],
}

impl Kernel for LimitNorms<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// Rows whose sums are taken at once.
        const TOGETHER: usize = 8;
        if self.n_in == 0 {
            return;
        }
        for rows in self.kernel.chunks_mut(TOGETHER * self.n_in) {
            let mut squares = [s.zero(); TOGETHER];
            for (sum, row) in squares.iter_mut().zip(rows.chunks(self.n_in)) {
                for part in row.chunks(LANES) {
                    let w = s.load_part(part);
                    *sum = s.mul_add(w, w, *sum);
                }
            }
            for (square, row) in s.sums(squares).into_iter().zip(rows.chunks_mut(self.n_in)) {
                let norm = square.sqrt();
                if norm > self.limit {
                    let factor = s.splat(self.limit / norm);
                    for part in row.chunks_mut(LANES) {
                        let w = s.mul(s.load_part(part), factor);
                        s.store_part(part, w);
                    }
                }
            }
        }
    }
}

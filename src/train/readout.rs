//! The readout: softmax with categorical cross-entropy, or one plain output with squared error. Outputs, deltas, loss and accuracy.

use super::spec::Loss;
use crate::math::functions;
use crate::math::simd::{Block, Isa, Kernel, LANES, Simd};

/// Turns logits (class by class, `stride` blocks a class) into probabilities, over `nb` blocks.
pub fn softmax(isa: Isa, logits: &mut [Block], stride: usize, nb: usize) {
    isa.dispatch(Softmax { logits, stride, nb });
}

/// Turns outputs (probabilities, or plain ones) into the loss's derivative by what the last product gave: (output − target) · weight,
/// for the squared error twice that; `weight` is 1/batch on examples, 0 on padding.
///
/// # Panics
/// If the slices do not have `nb` blocks a class.
pub fn delta(isa: Isa, loss: Loss, outputs: &mut [Block], targets: &[Block], weight: &[Block], nb: usize) {
    assert!(outputs.len() == targets.len() && weight.len() >= nb && outputs.len().is_multiple_of(nb));
    let scale = match loss {
        Loss::CategoricalCrossentropy => 1.0,
        Loss::MeanSquaredError => 2.0,
    };
    isa.dispatch(Delta { outputs, targets, weight, scale, nb });
}

struct Softmax<'a> {
    logits: &'a mut [Block],
    stride: usize,
    nb: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for b in 0..self.nb {
            let mut top = s.splat(f32::NEG_INFINITY);
            for row in self.logits.chunks(self.stride) {
                top = s.max(top, s.load(&row[b]));
            }
            let mut sum = s.zero();
            for row in self.logits.chunks_mut(self.stride) {
                let e = functions::exp(s, s.sub(s.load(&row[b]), top));
                sum = s.add(sum, e);
                s.store(&mut row[b], e);
            }
            for row in self.logits.chunks_mut(self.stride) {
                let p = s.div(s.load(&row[b]), sum);
                s.store(&mut row[b], p);
            }
        }
    }
}

struct Delta<'a> {
    outputs: &'a mut [Block],
    targets: &'a [Block],
    weight: &'a [Block],
    scale: f32,
    nb: usize,
}

impl Kernel for Delta<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for (o, t) in self.outputs.chunks_mut(self.nb).zip(self.targets.chunks(self.nb)) {
            for b in 0..self.nb {
                let d = s.mul(s.sub(s.load(&o[b]), s.load(&t[b])), s.mul(s.load(&self.weight[b]), scale));
                s.store(&mut o[b], d);
            }
        }
    }
}

/// Loss and hits, summed over examples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Σ −ln p(label), nats, or Σ of squared errors.
    pub loss: f64,
    /// Examples whose first largest output is the label's, or whose output is nearest to their label.
    pub correct: u64,
}

impl Score {
    /// Adds the examples whose classes are given, of these values, ascending; outputs as the last product gives them, `stride` blocks a class, read from their first
    /// block on. Cross-entropy is exact in the logits (log-sum-exp), so a probability that rounds to 0 costs what it should; a loss is
    /// not finite only where an output is not.
    pub fn add(&mut self, loss: Loss, outputs: &[Block], stride: usize, labels: &[u32], values: &[f64]) {
        let n_classes = outputs.len().div_ceil(stride);
        for (e, &label) in labels.iter().enumerate() {
            let z = |class: usize| outputs[class * stride + e / LANES].0[e % LANES];
            if loss == Loss::MeanSquaredError {
                let (output, target) = (f64::from(z(0)), values[label as usize]);
                self.loss += (output - target) * (output - target);
                self.correct += u64::from(nearest(values, output) == label as usize);
                continue;
            }
            let (mut best, mut top) = (0, z(0));
            for class in 1..n_classes {
                if z(class) > top {
                    (best, top) = (class, z(class));
                }
            }
            let term = |c| if c == best { 1.0 } else { libm::exp(f64::from(z(c)) - f64::from(top)) };
            let sum: f64 = (0..n_classes).map(term).sum();
            self.loss += libm::log(sum) - (f64::from(z(label as usize)) - f64::from(top));
            self.correct += u64::from(best == label as usize);
        }
    }
}

/// The class whose value is nearest, the lower one of two.
fn nearest(values: &[f64], output: f64) -> usize {
    let above = values.partition_point(|value| *value < output);
    match (above.checked_sub(1), values.get(above)) {
        (Some(below), Some(value)) if output - values[below] > value - output => above,
        (Some(below), _) => below,
        (None, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_and_survives_large_logits() {
        for isa in Isa::available() {
            let mut z = [Block([1000.0; 16]), Block([-1000.0; 16]), Block([999.0; 16])];
            softmax(isa, &mut z, 1, 1);
            let e = libm::exp(-1.0);
            for l in 0..16 {
                assert!((f64::from(z[0].0[l]) - 1.0 / (1.0 + e)).abs() < 1e-6);
                assert!((f64::from(z[2].0[l]) - e / (1.0 + e)).abs() < 1e-6);
                assert!(z[1].0[l] < 1e-37);
            }
        }
    }

    #[test]
    fn loss_of_a_certain_mistake_is_the_logit_difference() {
        let mut score = Score::default();
        let logits = [Block([300.0; 16]), Block([0.0; 16])];
        score.add(Loss::CategoricalCrossentropy, &logits, 1, &[1, 0], &[0.0, 1.0]);
        assert_eq!(score.correct, 1);
        assert!((score.loss - 300.0).abs() < 1e-9);
    }

    #[test]
    fn regression_is_scored_by_distance_and_nearest_value() {
        let values = [-1.0, 0.5, 2.0];
        let near: Vec<usize> = [-5.0, -1.0, -0.3, 0.0, 0.5, 1.2, 1.3, 9.0].iter().map(|o| nearest(&values, *o)).collect();
        assert_eq!(near, [0, 0, 0, 1, 1, 1, 2, 2]);
        let (mut score, mut outputs) = (Score::default(), Block([0.0; 16]));
        (outputs.0[0], outputs.0[1]) = (-2.0, 1.5);
        score.add(Loss::MeanSquaredError, &[outputs], 1, &[0, 1], &values);
        assert_eq!(score, Score { loss: 2.0, correct: 1 });
    }

    #[test]
    fn ties_go_to_the_first_class() {
        let mut score = Score::default();
        score.add(Loss::CategoricalCrossentropy, &[Block([1.0; 16]), Block([1.0; 16])], 1, &[0, 1], &[0.0, 1.0]);
        assert_eq!(score.correct, 1);
        assert!((score.loss - 2.0 * std::f64::consts::LN_2).abs() < 1e-12);
    }
}

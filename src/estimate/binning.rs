//! Binning: the plug-in entropy of binned activations.
//!
//! # Formula
//! Unit u of example i falls into bin ⌊t_iu / w⌋. A state of the layer is a row of D bins; n_s examples are in state s, n_sy of
//! them of class y. In bits,
//!
//! > I(X;T) = H(T) = log₂N − (1/N) Σ_s n_s log₂n_s
//! >
//! > I(T;Y) = H(T) − Σ_y (N_y/N) H(T|y) = H(Y) − (1/N) (Σ_s n_s log₂n_s − Σ_sy n_sy log₂n_sy)
//!
//! I(X;T) = H(T) because the binned activation is a function of the input, and every example is taken as an input of its own.
//!
//! # Source
//! N. Tishby & N. Zaslavsky, *Deep learning and the information bottleneck principle* (2015); R. Shwartz-Ziv & N. Tishby,
//! *Opening the black box of deep neural networks via information* (2017). The criticism: A. Saxe et al., *On the information
//! bottleneck theory of deep learning* (2018).
//!
//! # Assumptions
//! The resolution at which a layer is read is the bin width: information below it is noise by decree. Examples are equally likely.
//!
//! # Cost
//! O(N·D) time, about 20 bytes of memory an example. Rows are compared exactly, through codes that pack the bins of all units
//! (see the source of `rows`); counts are summed by size, so the value does not depend on the order of examples or units, to the bit.
//! A call takes microseconds, so it runs on one thread.
//!
//! # Pitfalls
//! * Values saturate at log₂N: a wide or wide-ranging layer gives every example a state of its own, and the number then speaks of
//!   the sample's size, not of the network. Compare with log₂N before drawing conclusions.
//! * The plug-in entropy is biased downwards, I(T;Y) upwards, both by about (states − 1)/(2N) nats and more when states are rare.
//! * Unbounded activations (ReLU) use more bins as weights grow, so I(X;T) may rise by scale alone.
//! * Division is in single precision, as NumPy does it on float32: a value on a bin's edge falls where that quotient falls.
//!
//! # Parameters
//! `bin_width`, 0.07 by default: 30 bins over tanh's range (2/30 ≈ 0.067), the practice of the original studies.

use super::error::in_domain;
use super::params::{POSITIVE, parameters};
use super::rows::Rows;
use super::{Classes, Correction, EstimateError, Estimator, EstimatorSpec, Information, Sample, Scratch, Values};
use crate::math::exec::Exec;

parameters! {
    /// Parameters of binning by width.
    Width {
        /// width of a bin, in units of the activation
        bin_width: f64 = 0.07, POSITIVE;
    }
}

/// The binning estimator; see the module for the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binning {
    width: f32,
}

impl Binning {
    /// With bins of width `bin_width`, rounded to single precision.
    ///
    /// # Errors
    /// If the width is not between 1e-30 and 1e30.
    pub fn new(bin_width: f64) -> Result<Self, EstimateError> {
        Ok(Self { width: in_domain("bin_width", bin_width)? as f32 })
    }
}

impl Estimator for Binning {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        plug_in(sample, self.width, exec, scratch)
    }
}

impl EstimatorSpec {
    /// As [`EstimatorSpec::of_layer`], with a correction of the bias; for plug-in entropies alone.
    ///
    /// # Errors
    /// As there; [`EstimateError::NotPlugIn`] for another method.
    pub fn corrected(
        &self,
        values: Values<'_>,
        classes: &Classes,
        correction: Correction,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        if !matches!(self, Self::Binning { .. } | Self::Bins(_)) {
            return Err(EstimateError::NotPlugIn { estimator: self.name() });
        }
        let information = self.of_layer(values, classes, exec, scratch)?;
        let Buffers { rows, distinct, .. } = &scratch.binning;
        Ok(correction.correct(information, rows.numbers(), *distinct, classes))
    }
}

/// Plug-in informations under bins of width `width`.
pub(super) fn plug_in(sample: &Sample<'_>, width: f32, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
    let Buffers { rows, counts, distinct } = &mut scratch.binning;
    *distinct = rows.number(sample, width, exec.isa);
    if *distinct == 1 {
        return Ok(Information::both(0.0, 0.0));
    }
    Ok(counts.information(rows.numbers(), *distinct, sample.classes()))
}

/// What binning keeps from call to call.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    rows: Rows,
    counts: Counts,
    /// States of the last sample.
    distinct: usize,
}

/// Tables of counts.
#[derive(Debug, Default)]
struct Counts {
    /// Examples in each state.
    total: Vec<u32>,
    /// Examples of one class in each state; all 0 between classes.
    within: Vec<u32>,
    /// How many states have a count of 0, 1, 2, …; all 0 between uses.
    sizes: Vec<u32>,
}

impl Counts {
    /// Plug-in informations of examples in states `states`, numbers below `distinct`.
    fn information(&mut self, states: &[u64], distinct: usize, classes: &Classes) -> Information {
        self.total.clear();
        self.total.resize(distinct, 0);
        self.within.clear();
        self.within.resize(distinct, 0);
        self.sizes.clear();
        self.sizes.resize(states.len() + 1, 0);
        let mut joint = 0.0;
        for members in classes.members() {
            for &example in members {
                self.within[states[example] as usize] += 1;
            }
            // The first visit of a state takes its count away; later ones count a 0, which weighs nothing.
            for &example in members {
                let state = states[example] as usize;
                let count = std::mem::take(&mut self.within[state]);
                self.total[state] += count;
                self.sizes[count as usize] += 1;
            }
            joint += drain(&mut self.sizes[..=members.len()]);
        }
        for &count in &self.total {
            self.sizes[count as usize] += 1;
        }
        let marginal = drain(&mut self.sizes);
        let n = states.len() as f64;
        let class_entropy = classes.entropy();
        // The bounds hold exactly; clamping removes the rounding.
        let i_ty = (class_entropy - (marginal - joint) / n).clamp(0.0, class_entropy);
        Information::both((libm::log2(n) - marginal / n).max(0.0), i_ty)
    }
}

/// Σ c log₂c over all states, from how many states have count c; leaves zeros. Summed by ascending c, whatever the states' order.
fn drain(sizes: &mut [u32]) -> f64 {
    let mut sum = 0.0;
    for (count, states) in sizes.iter_mut().enumerate() {
        let states = std::mem::take(states);
        if states > 0 && count > 1 {
            let count = count as f64;
            sum += f64::from(states) * count * libm::log2(count);
        }
    }
    sum
}

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
//! O(N·D) time, about 50 bytes of memory an example. Rows are compared exactly, through codes that pack the bins of all units
//! (see the source of `rows`); counts are summed by size, so the value does not depend on the order of examples or units, to the bit.
//! Threads share the packing of a million values and more; a smaller sample takes microseconds on one, as long as it takes to wake another.
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
use super::rows::{Kind, Rows, Table};
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
        let rows = &mut scratch.binning.rows;
        let distinct = rows.number();
        Ok(correction.correct(information, rows.codes(), distinct, classes))
    }
}

/// Plug-in informations under bins of width `width`.
pub(super) fn plug_in(sample: &Sample<'_>, width: f32, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
    let Buffers { rows, counts } = &mut scratch.binning;
    let classes = sample.classes();
    Ok(match rows.load(sample, width, exec) {
        Kind::AllEqual => Information::both(0.0, 0.0),
        Kind::AllDistinct => Information::both(libm::log2(sample.examples() as f64), classes.entropy()),
        Kind::Coded => counts.information(rows.codes(), classes),
    })
}

/// What binning keeps from call to call.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Rows of the last sample.
    rows: Rows,
    counts: Counts,
}

/// Tables of counts.
#[derive(Debug, Default)]
struct Counts {
    table: Table,
    states: Vec<State>,
    /// Of the examples of all classes, and of single classes.
    sizes: [Sizes; 2],
}

/// One state while examples are counted class by class.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Examples in it.
    total: u32,
    /// Those of the class that was seen in it last, and that class.
    within: u32,
    class: u32,
}

impl Counts {
    /// Plug-in informations of examples whose states have these codes.
    fn information(&mut self, codes: &[u64], classes: &Classes) -> Information {
        let [marginal, joint] = &mut self.sizes;
        self.states.clear();
        let mut numbers = self.table.start(codes.len());
        for (class, members) in (0..).zip(classes.members()) {
            for &example in members {
                let number = numbers.of(codes[example]);
                let Some(state) = self.states.get_mut(number) else {
                    self.states.push(State { total: 1, within: 1, class });
                    continue;
                };
                if state.class != class {
                    joint.add(state.within);
                    (state.class, state.within) = (class, 0);
                }
                state.within += 1;
                state.total += 1;
            }
        }
        for state in &self.states {
            marginal.add(state.total);
            joint.add(state.within);
        }
        let (marginal, joint) = (marginal.drain(), joint.drain());
        let n = codes.len() as f64;
        let class_entropy = classes.entropy();
        // The bounds hold exactly; clamping removes the rounding.
        let i_ty = (class_entropy - (marginal - joint) / n).clamp(0.0, class_entropy);
        Information::both((libm::log2(n) - marginal / n).max(0.0), i_ty)
    }
}

/// How many states have a count of 0, 1, 2, … A count of 1 weighs nothing and is left out.
#[derive(Debug, Default)]
struct Sizes(Vec<u32>);

impl Sizes {
    #[inline(always)]
    fn add(&mut self, count: u32) {
        let count = count as usize;
        if count > 1 {
            if count >= self.0.len() {
                self.0.resize(count + 1, 0);
            }
            self.0[count] += 1;
        }
    }

    /// Σ c log₂c over all states, summed by ascending c, whatever the states' order. Begins anew.
    fn drain(&mut self) -> f64 {
        let mut sum = 0.0;
        for (count, &states) in self.0.iter().enumerate() {
            if states > 0 {
                let count = count as f64;
                sum += f64::from(states) * count * libm::log2(count);
            }
        }
        self.0.clear();
        sum
    }
}

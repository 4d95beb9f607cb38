//! Binning into a number of bins instead of bins of a width: over a fixed range, over the range of the layer, or of equal count.
//!
//! # Formula
//! As [`binning`], with another rule for the bin. With n bins between `low` and `high` the inner edges are
//! e_k = low + k·(high − low)/n for k = 1 … n − 1, in double precision as `numpy.linspace` gives them; a value is in the bin numbered by
//! how many edges are ≤ it, as `numpy.digitize` counts. What lies outside falls into the first or last bin. The range is
//!
//! * `fixed`: `low` to `high`, −1 to 1 by default: with 30 bins the set-up of Shwartz-Ziv & Tishby and Saxe et al. for tanh,
//! * `epoch`: from the smallest to the largest activation of the layer (all units together) in the sample at hand,
//! * `run`: the same over all recorded epochs of the training, so that bins stay in place while the network learns; for a single
//!   sample this is `epoch`,
//! * `equal_count`: no range; the edges of each unit are its own values of ranks ⌊kN/n⌋, so that bins hold about as many examples each.
//!
//! # Source
//! A. Saxe et al., *On the information bottleneck theory of deep learning* (2018), sections 2 and B; equal counts:
//! A. Cellucci et al., Physical Review E 71 (2005) 066208.
//!
//! # Assumptions
//! As binning. `equal_count` also forgets the scale of every unit, which `epoch` and `run` forget only for the layer as a whole.
//!
//! # Cost
//! O(N·D) and, for `equal_count`, a sort a unit.
//!
//! # Pitfalls
//! * `epoch` bins move: information may change although no example's rank does.
//! * `equal_count` splits a heap of equal values nowhere: units with many zeros (ReLU) fill fewer bins.
//! * A `fixed` range narrower than the activations collects all that lies outside in two bins.
//!
//! # Parameters
//! `bins`, 30 by default as in the original studies; `range`, `fixed` by default; `low` and `high` of a fixed range.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::binning;
use super::params::{ANY_NUMBER, Conflict, Domain, Field, Parameter, Parameters, Value, names};
use super::{Classes, EstimateError, Estimator, Information, Sample, Scratch};
use crate::math::exec::Exec;

/// Most bins of a unit.
const MAX_BINS: u64 = 1 << 20;

names! {
    /// Over what the bins are laid.
    Range {
        /// From `low` to `high`.
        Fixed = "fixed",
        /// The range of the layer in the sample at hand.
        Epoch = "epoch",
        /// The range of the layer over all recorded epochs.
        Run = "run",
        /// As many examples in each bin of a unit.
        EqualCount = "equal_count",
    }
}

/// Binning with a number of bins; see the module for the method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// How many bins a unit has.
    pub bins: u32,
    /// Over what they are laid.
    pub range: Range,
    /// Where a fixed range starts.
    pub low: f64,
    /// Where a fixed range ends, above `low`.
    pub high: f64,
}

impl Default for Bins {
    fn default() -> Self {
        Self { bins: 30, range: Range::Fixed, low: -1.0, high: 1.0 }
    }
}

impl Parameters for Bins {
    const TABLE: &'static [Parameter] = &[
        Parameter {
            name: "bins",
            domain: Domain::Integer { min: 1, max: MAX_BINS },
            meaning: "number of bins of a unit, instead of their width",
        },
        Parameter { name: "range", domain: Range::DOMAIN, meaning: "over what these bins are laid" },
        Parameter { name: "low", domain: ANY_NUMBER, meaning: "where a fixed range starts" },
        Parameter { name: "high", domain: ANY_NUMBER, meaning: "where a fixed range ends" },
    ];

    fn set(&mut self, name: &str, value: Value) -> bool {
        let set = match name {
            "bins" => u32::from_value(value).map(|v| self.bins = v),
            "range" => Range::from_value(value).map(|v| self.range = v),
            // Adding 0 makes −0 and 0 one value.
            "low" => f64::from_value(value).map(|v| self.low = v + 0.0),
            "high" => f64::from_value(value).map(|v| self.high = v + 0.0),
            _ => None,
        };
        set.is_some()
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let mut values = vec![("bins", Value::Integer(self.bins.into())), ("range", Value::Name(self.range.name()))];
        if self.range == Range::Fixed {
            values.extend([("low", Value::Number(self.low)), ("high", Value::Number(self.high))]);
        }
        values
    }

    fn check(&self) -> Result<(), Conflict> {
        let default = Self::default();
        if self.range != Range::Fixed && (self.low, self.high) != (default.low, default.high) {
            let name = if self.low == default.low { "high" } else { "low" };
            return Err(Conflict { name, expected: "`low` and `high` with range = \"fixed\" alone".to_owned() });
        }
        if self.low >= self.high {
            return Err(Conflict { name: "low", expected: format!("a number below `high`, {:?}", self.high) });
        }
        Ok(())
    }
}

impl Estimator for Bins {
    fn information(&self, sample: &Sample<'_>, exec: Exec, scratch: &mut Scratch) -> Result<Information, EstimateError> {
        let (low, high) = match self.range {
            Range::Run => sample.range().or_else(|| sample.extent()),
            _ => sample.extent(),
        }
        .unwrap_or_default();
        let unit = |unit: usize, to: &mut Vec<f64>| to.extend(sample.unit(unit).iter().copied().map(f64::from));
        let layer = Layer { units: sample.units(), extent: (low.into(), high.into()), unit };
        self.informations(layer, sample.classes(), exec, scratch)
    }
}

/// A layer in any precision.
pub(super) struct Layer<F> {
    /// Number of units.
    pub(super) units: usize,
    /// Smallest and largest activation: of this sample, or of the run.
    pub(super) extent: (f64, f64),
    /// Appends the activations of a unit.
    pub(super) unit: F,
}

impl Bins {
    /// Plug-in informations of a layer.
    pub(super) fn informations(
        &self,
        layer: Layer<impl Fn(usize, &mut Vec<f64>)>,
        classes: &Classes,
        exec: Exec,
        scratch: &mut Scratch,
    ) -> Result<Information, EstimateError> {
        let mut buffer = std::mem::take(&mut scratch.bins);
        buffer.indices.clear();
        let edges = self.edges(layer.extent);
        for unit in 0..layer.units {
            buffer.values.clear();
            (layer.unit)(unit, &mut buffer.values);
            match &edges {
                Some(edges) => buffer.indices.extend(buffer.values.iter().map(|&v| edges.bin(v) as f32)),
                None => self.by_rank(&mut buffer),
            }
        }
        // Whole numbers below 2^24 under bins of width 1 are themselves.
        let view = ArrayView2::from_shape((layer.units, classes.examples()), &buffer.indices);
        let information = (view.map_err(|_| EstimateError::NotContiguous))
            .and_then(|view| Sample::new(view, classes))
            .and_then(|sample| binning::plug_in(&sample, 1.0, exec, scratch));
        scratch.bins = buffer;
        information
    }

    /// The edges that all units share; none for equal counts.
    fn edges(&self, extent: (f64, f64)) -> Option<Edges> {
        let (low, high) = match self.range {
            Range::Fixed => (self.low, self.high),
            Range::Epoch | Range::Run => extent,
            Range::EqualCount => return None,
        };
        Some(Edges { low, step: (high - low) / f64::from(self.bins), inner: self.bins - 1 })
    }

    /// Bins of one unit, by rank.
    fn by_rank(&self, buffer: &mut Buffers) {
        let Buffers { indices, values, sorted, edges } = buffer;
        sorted.clear();
        // Adding 0 joins −0 and 0, which this order tells apart.
        sorted.extend(values.iter().map(|v| v + 0.0));
        sorted.sort_unstable_by(f64::total_cmp);
        edges.clear();
        let (n, bins) = (values.len(), self.bins as usize);
        edges.extend((1..bins).map(|k| sorted[k * n / bins]));
        // Fewer examples than bins: equal edges count together whatever is above them.
        edges.dedup();
        indices.extend(values.iter().map(|v| edges.partition_point(|edge| edge <= v) as f32));
    }
}

/// What binning by number keeps from call to call.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Bins, unit by unit.
    indices: Vec<f32>,
    /// One unit.
    values: Vec<f64>,
    sorted: Vec<f64>,
    edges: Vec<f64>,
}

/// Equally spaced edges.
struct Edges {
    low: f64,
    step: f64,
    /// How many there are between the ends.
    inner: u32,
}

impl Edges {
    /// How many inner edges are ≤ `value`.
    fn bin(&self, value: f64) -> u32 {
        let edge = |k: u32| f64::from(k) * self.step + self.low;
        // Division may miss the edge by a rounding: one step to either side mends it.
        let guess = ((value - self.low) / self.step).clamp(0.0, f64::from(self.inner)) as u32;
        let below = if guess > 0 && edge(guess) > value { guess - 1 } else { guess };
        if below < self.inner && edge(below + 1) <= value { below + 1 } else { below }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::estimate::Classes;

    fn bits(spec: Bins, values: &Array2<f32>) -> f64 {
        let classes = Classes::new(&vec![0; values.ncols()]);
        let sample = Sample::new(values.view(), &classes).unwrap();
        spec.information(&sample, Exec::serial(), &mut Scratch::default()).unwrap().i_xt.unwrap()
    }

    #[test]
    fn bins_are_those_of_linspace_and_digitize() {
        for bins in [1, 2, 3, 7, 30, 1000] {
            let step = 2.0 / f64::from(bins);
            let edges = Edges { low: -1.0, step, inner: bins - 1 };
            let values = (0..=3000_u32).map(|k| f64::from(k) / 1000.0 - 1.5).chain((0..=bins).map(|k| f64::from(k) * step - 1.0));
            for value in values.flat_map(|v| [v, v.next_up(), v.next_down()]) {
                let counted = (1..bins).filter(|&k| f64::from(k) * step - 1.0 <= value).count();
                assert_eq!(edges.bin(value) as usize, counted, "{bins} bins, {value}");
            }
        }
    }

    #[test]
    fn ranges_differ_as_documented() {
        let values = array![[-3.0_f32, -0.9, 0.1, 5.0]];
        assert_eq!(bits(Bins { bins: 2, ..Bins::default() }, &values), 1.0);
        assert_eq!(bits(Bins { bins: 4, ..Bins::default() }, &values), 1.5);
        assert!((bits(Bins { bins: 2, range: Range::Epoch, ..Bins::default() }, &values) - 0.811_278).abs() < 1e-6);
        assert_eq!(bits(Bins { bins: 2, range: Range::EqualCount, ..Bins::default() }, &values), 1.0);
        assert_eq!(bits(Bins { bins: 99, range: Range::EqualCount, ..Bins::default() }, &values), 2.0);
        for range in [Range::Epoch, Range::Run, Range::EqualCount] {
            assert_eq!(bits(Bins { range, ..Bins::default() }, &Array2::from_elem((3, 5), -0.0)), 0.0);
            assert_eq!(bits(Bins { range, ..Bins::default() }, &Array2::zeros((0, 5))), 0.0);
        }
    }

    #[test]
    fn a_run_lays_bins_over_its_own_range() {
        let values = array![[0.0_f32, 1.0, 2.0, 3.0]];
        let classes = Classes::new(&[0; 4]);
        let sample = Sample::new(values.view(), &classes).unwrap().with_range((0.0, 100.0));
        let spec = Bins { bins: 2, range: Range::Run, ..Bins::default() };
        let one = spec.information(&sample, Exec::serial(), &mut Scratch::default()).unwrap();
        assert_eq!((one.i_xt, bits(spec, &values)), (Some(0.0), 1.0));
    }
}

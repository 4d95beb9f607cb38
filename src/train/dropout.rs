//! Dropout: which outputs of a hidden layer a step leaves out. A mask is a function of (seed, pass, batch, layer), so that a training
//! continues anywhere with the same ones.

use crate::math::rng::{Purpose, Stream};
use crate::math::simd::{Block, Isa, Kernel, Simd, flat_mut};

/// Where a step stands in its training.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Seed of the training.
    pub seed: u64,
    /// Pass, from 0.
    pub pass: u32,
    /// Batch of the pass, from 0.
    pub batch: usize,
}

/// Layers of a network at most, as far as the numbering of streams goes.
const LAYERS: u64 = 64;

/// Fills a mask of the layer: 0 with probability `share`, else 1/(1 − share).
pub fn fill(place: Place, layer: usize, share: f64, mask: &mut [Block]) {
    // Passes stay below 2^24 and layers below 2^6, which leaves 2^34 batches.
    let index = ((place.batch as u64) << 24 | u64::from(place.pass)) * LAYERS + layer as u64;
    let mut stream = Stream::new(place.seed, Purpose::Dropout, index);
    let (limit, kept) = ((share * 4_294_967_296.0) as u32, (1.0 / (1.0 - share)) as f32);
    flat_mut(mask).fill_with(|| if stream.bits() < limit { 0.0 } else { kept });
}

/// Multiplies values by a mask.
///
/// # Panics
/// If the slices differ in length.
pub fn apply(isa: Isa, mask: &[Block], values: &[Block], to: &mut [Block]) {
    assert!(mask.len() == values.len() && values.len() == to.len());
    isa.dispatch(Apply { mask, values: Some(values), to });
}

/// Multiplies values by a mask in their place.
///
/// # Panics
/// If the slices differ in length.
pub fn apply_to(isa: Isa, mask: &[Block], to: &mut [Block]) {
    assert_eq!(mask.len(), to.len());
    isa.dispatch(Apply { mask, values: None, to });
}

struct Apply<'a> {
    mask: &'a [Block],
    values: Option<&'a [Block]>,
    to: &'a mut [Block],
}

impl Kernel for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.values {
            Some(values) => {
                for ((mask, value), to) in self.mask.iter().zip(values).zip(self.to) {
                    s.store(to, s.mul(s.load(value), s.load(mask)));
                }
            }
            None => {
                for (mask, to) in self.mask.iter().zip(self.to) {
                    let v = s.mul(s.load(to), s.load(mask));
                    s.store(to, v);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::simd::LANES;

    #[test]
    fn masks_keep_the_mean_and_depend_on_their_place() {
        let place = Place { seed: 3, pass: 7, batch: 2 };
        let of = |place, layer| {
            let mut mask = vec![Block::default(); 4000];
            fill(place, layer, 0.3, &mut mask);
            mask
        };
        let mask = of(place, 1);
        let values: Vec<f32> = mask.iter().flat_map(|b| b.0).collect();
        assert!(values.iter().all(|v| *v == 0.0 || *v == (1.0 / 0.7) as f32));
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / (4000 * LANES) as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert_eq!(mask, of(place, 1));
        for other in [of(place, 2), of(Place { pass: 8, ..place }, 1), of(Place { batch: 3, ..place }, 1)] {
            assert_ne!(mask, other);
        }
        assert_ne!(mask, of(Place { seed: 4, ..place }, 1));
    }
}

//! Dropout: which outputs of a hidden layer a step leaves out. A mask is a function of (seed, pass, batch, layer), so that a training
//! continues anywhere with the same ones.

use crate::math::chacha::Words;
use crate::math::rng::Purpose;
use crate::math::simd::{Block, Isa, Kernel, LANES, Simd};

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
pub fn fill(isa: Isa, place: Place, layer: usize, share: f64, mask: &mut [Block]) {
    // Passes stay below 2^24 and layers below 2^6, which leaves 2^34 batches.
    let index = ((place.batch as u64) << 24 | u64::from(place.pass)) * LAYERS + layer as u64;
    let words = Words::new(place.seed, Purpose::Dropout, index);
    isa.dispatch(Fill { words, limit: (share * 4_294_967_296.0) as u32, kept: (1.0 / (1.0 - share)) as f32, mask });
}

/// A word of the stream for each value, in order: 0 where it is below the limit.
struct Fill<'a> {
    words: Words,
    limit: u32,
    kept: f32,
    mask: &'a mut [Block],
}

impl Kernel for Fill<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let limit = s.load(&Block([f32::from_bits(self.limit); LANES]));
        let (dropped, kept) = (s.zero(), s.splat(self.kept));
        for (first, to) in (0..).step_by(LANES).zip(self.mask.chunks_mut(LANES)) {
            let mut columns = [Block::default(); LANES];
            for (column, words) in columns.iter_mut().zip(self.words.blocks(s, first)) {
                s.store(column, s.select_below(words, limit, dropped, kept));
            }
            for (to, row) in to.iter_mut().zip(s.transpose(columns.each_ref())) {
                s.store(to, row);
            }
        }
    }
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
    use crate::math::rng::Stream;
    use crate::math::simd::flat_mut;

    #[test]
    fn masks_are_the_words_of_a_stream_on_any_instruction_set() {
        let place = Place { seed: 5, pass: 70_000, batch: 12 };
        for (share, blocks) in [(0.2, 1), (0.5, 15), (0.9, 16), (0.05, 100)] {
            let mut stream = Stream::new(5, Purpose::Dropout, ((12 << 24) + 70_000) * 64 + 3);
            let mut plain = vec![Block::default(); blocks];
            let (limit, kept) = ((share * 4_294_967_296.0) as u32, (1.0 / (1.0 - share)) as f32);
            flat_mut(&mut plain).fill_with(|| if stream.bits() < limit { 0.0 } else { kept });
            for isa in Isa::available() {
                let mut mask = vec![Block([7.0; LANES]); blocks];
                fill(isa, place, 3, share, &mut mask);
                assert_eq!(mask, plain, "{} {share}", isa.name());
            }
        }
    }

    #[test]
    fn masks_keep_the_mean_and_depend_on_their_place() {
        let place = Place { seed: 3, pass: 7, batch: 2 };
        let of = |place, layer| {
            let mut mask = vec![Block::default(); 4000];
            fill(Isa::best(), place, layer, 0.3, &mut mask);
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

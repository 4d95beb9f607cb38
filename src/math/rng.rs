//! Counter-based random streams: every number is a function of (seed, purpose, index of the stream, position).
//!
//! A stream is rebuilt from its key alone, so a training continues or is measured anywhere with the same numbers. The generator is ChaCha
//! with 8 rounds; conversions to floats and ranges are our own, so that a library's update cannot change results.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for; streams of different purposes never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Split of a data set into train and test.
    Split = 1,
    /// Initial weights; the index is the layer.
    Init = 2,
    /// Order of the examples; the index is the pass.
    Shuffle = 3,
    /// Examples drawn with replacement; the index is the pass.
    Sample = 10,
    /// What dropout leaves out; the index numbers batch, pass and layer.
    Dropout = 11,
    /// Hash projections and probes of the estimator EDGE; the index is the member or the column.
    Edge = 4,
    /// Bootstraps of a sample; the index is the draw.
    Bootstrap = 5,
    /// Parts of a sample; the index is the draw.
    Subsample = 6,
    /// Shuffles of one side of a sample; the index is the draw.
    Permutation = 7,
    /// Noise that breaks ties in a sample; the index is the column.
    Noise = 16,
    /// Samples of the studies of the method; the index numbers study and draw.
    Study = 20,
}

/// The key of all streams of a purpose under a seed.
pub(super) fn key(seed: u64, purpose: Purpose) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..].copy_from_slice(b"infoplane stream");
    key
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `purpose` number `index` under `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(key(seed, purpose));
        rng.set_stream(index);
        Self(rng)
    }

    /// Uniform in [0, 1) with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in 0..n, without bias (Lemire's multiply and reject). `n` ≥ 1.
    pub fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.0.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u32) < threshold {
                product = u64::from(self.0.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Standard normal (Box & Muller; one of the pair is used, so that the position is a plain count).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// Shuffles uniformly (Fisher & Yates, from the end). At most u32::MAX items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u32 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_pinned() {
        // A change here changes every result in the field.
        let mut stream = Stream::new(7, Purpose::Shuffle, 3);
        assert_eq!([stream.below(1000), stream.below(1000), stream.below(1000)], PINNED);
        let mut other = Stream::new(7, Purpose::Shuffle, 4);
        assert_ne!([other.below(1000), other.below(1000), other.below(1000)], PINNED);
    }

    const PINNED: [u32; 3] = [352, 751, 814];

    #[test]
    fn moments_of_the_normal() {
        let mut stream = Stream::new(1, Purpose::Init, 0);
        let n = 200_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = stream.normal();
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(n);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((squares / f64::from(n) - 1.0).abs() < 0.02);
    }

    #[test]
    fn shuffle_is_a_permutation_and_uniform() {
        let mut counts = [0u32; 6];
        let mut stream = Stream::new(5, Purpose::Split, 0);
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            stream.shuffle(&mut items);
            let index = match items {
                [0, 1, 2] => 0,
                [0, 2, 1] => 1,
                [1, 0, 2] => 2,
                [1, 2, 0] => 3,
                [2, 0, 1] => 4,
                [2, 1, 0] => 5,
                _ => panic!("not a permutation: {items:?}"),
            };
            counts[index] += 1;
        }
        assert!(counts.iter().all(|&c| (850..1150).contains(&c)), "{counts:?}");
    }
}

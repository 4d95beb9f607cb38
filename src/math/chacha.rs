//! ChaCha with 8 rounds, sixteen blocks at a time: the words of a [`Stream`](super::rng::Stream), faster where many are wanted.
//!
//! A lane computes a block. The bits are those of the vectors' lanes, whatever numbers these would be.

use super::rng::{Purpose, key};
use super::simd::{Block, LANES, Simd};

/// Words of a block; as many as lanes, so that sixteen blocks are transposed in one piece.
const WORDS: usize = LANES;

/// The words of a stream, before any is computed.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Constants, key, the number of the block and that of the stream.
    state: [u32; WORDS],
}

impl Words {
    /// Those of `purpose` number `index` under `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut state = [0; WORDS];
        let start = [&b"expand 32-byte k"[..], &key(seed, purpose), &[0; 8], &index.to_le_bytes()].concat();
        for (word, bytes) in state.iter_mut().zip(start.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { state }
    }

    /// Sixteen blocks from number `first` on, as they are computed: word w of block `first` + l in lane l of vector w.
    #[inline(always)]
    pub fn blocks<S: Simd>(&self, s: S, first: u64) -> [S::V; WORDS] {
        let mut start = [s.zero(); WORDS];
        for (to, word) in start.iter_mut().zip(self.state) {
            *to = s.load(&Block([f32::from_bits(word); LANES]));
        }
        let numbers: [u64; LANES] = std::array::from_fn(|l| first + l as u64);
        start[12] = s.load(&Block(numbers.map(|n| f32::from_bits(n as u32))));
        start[13] = s.load(&Block(numbers.map(|n| f32::from_bits((n >> 32) as u32))));
        let mut x = start;
        for _ in 0..4 {
            for column in 0..4 {
                quarter(s, &mut x, [column, 4 + column, 8 + column, 12 + column]);
            }
            for diagonal in 0..4 {
                let at = |row: usize| 4 * row + (diagonal + row) % 4;
                quarter(s, &mut x, [at(0), at(1), at(2), at(3)]);
            }
        }
        for (x, start) in x.iter_mut().zip(start) {
            *x = s.add_bits(*x, start);
        }
        x
    }
}

/// A quarter of a round.
#[inline(always)]
fn quarter<S: Simd>(s: S, x: &mut [S::V; WORDS], [a, b, c, d]: [usize; 4]) {
    x[a] = s.add_bits(x[a], x[b]);
    x[d] = s.xor_turn::<16, 16>(x[d], x[a]);
    x[c] = s.add_bits(x[c], x[d]);
    x[b] = s.xor_turn::<12, 20>(x[b], x[c]);
    x[a] = s.add_bits(x[a], x[b]);
    x[d] = s.xor_turn::<8, 24>(x[d], x[a]);
    x[c] = s.add_bits(x[c], x[d]);
    x[b] = s.xor_turn::<7, 25>(x[b], x[c]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Stream;
    use crate::math::simd::{Isa, Kernel};

    struct Blocks(Words, u64);

    impl Kernel for Blocks {
        type Output = Vec<u32>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<u32> {
            let mut words = [Block::default(); WORDS];
            words.iter_mut().zip(self.0.blocks(s, self.1)).for_each(|(to, v)| s.store(to, v));
            (0..LANES).flat_map(|block| words.map(|word| word.0[block].to_bits())).collect()
        }
    }

    #[test]
    fn words_are_those_of_the_stream() {
        // Among them seeds whose words are no numbers as f32.
        for (seed, index) in [(0, 0), (7, 3), (u64::MAX, 1 << 40), (0x7f80_0001_ff80_0001, 0x7fff_ffff_7f80_0001)] {
            let mut stream = Stream::new(seed, Purpose::Dropout, index);
            let expected: Vec<u32> = (0..4 * LANES * WORDS).map(|_| stream.bits()).collect();
            for isa in Isa::available() {
                let words = Words::new(seed, Purpose::Dropout, index);
                let found: Vec<u32> = (0..4).flat_map(|n| isa.dispatch(Blocks(words, n * LANES as u64))).collect();
                assert_eq!(found, expected, "{} {seed} {index}", isa.name());
            }
        }
    }
}

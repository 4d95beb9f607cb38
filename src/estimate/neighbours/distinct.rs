//! Examples that coincide are one point with a weight: neither layers at rest nor discrete data make the search slow.

use super::points::Table;

/// Examples that are tried.
const TRIALS: usize = 512;

/// The distinct points among some examples; keeps its memory from call to call.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    /// Hash table: number + 1 of the point that lives there, or 0.
    slots: Vec<u32>,
    /// The first example of each point.
    first: Vec<u32>,
    /// How many examples each point stands for.
    pub(super) weights: Vec<u32>,
    /// The point of each example.
    pub(super) of: Vec<u32>,
}

impl Distinct {
    /// Finds the examples that equal each other in x and in y; numbers points in the order of their first examples. Whether there are
    /// enough for points to be worth it; if not, nothing is known of any.
    pub(super) fn find(&mut self, x: &Table, y: &Table) -> bool {
        let n = x.examples();
        // A trial: where so few share a place that it finds none, the search is fast without.
        (n <= TRIALS || self.number(x, y, (0..TRIALS).map(|trial| trial * n / TRIALS))) && self.number(x, y, 0..n)
    }

    /// Numbers the points of some examples. Whether they are fewer than these.
    fn number(&mut self, x: &Table, y: &Table, examples: impl ExactSizeIterator<Item = usize> + Clone) -> bool {
        let n = examples.len();
        // At most half full, so that probes stay short.
        let size = (2 * n.max(1)).next_power_of_two();
        self.slots.clear();
        self.slots.resize(size, 0);
        self.first.clear();
        self.weights.clear();
        self.of.clear();
        for example in examples {
            let hash = y.example(example).iter().fold(x.example(example).iter().fold(0, mix), mix);
            let mut slot = (hash >> (u64::BITS - size.trailing_zeros())) as usize & (size - 1);
            let point = loop {
                match self.slots[slot] {
                    0 => {
                        self.first.push(example as u32);
                        self.weights.push(0);
                        self.slots[slot] = self.first.len() as u32;
                        break self.first.len() - 1;
                    }
                    number => {
                        let point = number as usize - 1;
                        let other = self.first[point] as usize;
                        // By value: the zeros of both signs are one place.
                        if x.example(other) == x.example(example) && y.example(other) == y.example(example) {
                            break point;
                        }
                        slot = (slot + 1) & (size - 1);
                    }
                }
            };
            self.weights[point] += 1;
            self.of.push(point as u32);
        }
        self.first.len() < n
    }

    /// The first example of each point.
    pub(super) fn first(&self) -> impl Iterator<Item = usize> {
        self.first.iter().map(|&example| example as usize)
    }
}

/// A hash that takes one value more: the value's bits (those of 0 for −0) mixed in by both halves of a long product.
#[inline(always)]
fn mix(hash: u64, value: &f64) -> u64 {
    let product = u128::from(hash ^ (value + 0.0).to_bits() ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn equal_rows_are_one_point() {
        let (mut x, mut y) = (Table::default(), Table::default());
        x.load(array![[1.0, 0.0], [1.0, 2.0], [1.0, -0.0], [1.0, 0.0], [0.0, 1.0]].view());
        y.load(array![[5.0], [5.0], [5.0], [6.0], [5.0]].view());
        let mut distinct = Distinct::default();
        assert!(distinct.find(&x, &y));
        assert_eq!((&distinct.of[..], &distinct.weights[..]), (&[0, 1, 0, 2, 3][..], &[2, 1, 1, 1][..]));
        assert_eq!(distinct.first().collect::<Vec<_>>(), [0, 1, 3, 4]);
        y.load(array![[1.0], [2.0], [3.0], [4.0], [5.0]].view());
        assert!(!distinct.find(&x, &y));
    }
}

//! Which examples fall into the same bins in every unit: exact numbers for the distinct rows of bin indices.
//!
//! Each example gets a 64-bit code that is equal for two examples if and only if their rows are equal, so that no row is ever
//! compared again. A unit whose indices span R values is one digit of radix R; digits are packed one after the other. When the
//! 64 bits are full, the codes are replaced by their numbers 0, 1, 2, … (at most N of them, few bits) and packing goes on. A unit
//! whose indices span more than 2^23 enters with all 32 bits of its index, so that nothing can overflow.
//!
//! An index is ⌊t/w⌋ as f32 arithmetic gives it (division, then floor), a whole number or, where t/w overflows, an infinity.

use super::Sample;
use crate::math::simd::{Block, Isa, Kernel, LANES, Simd, blocks, flat};

/// 2^23: a whole number below it, added to it, stands in the sum's low 23 bits.
const SHIFT: f32 = 8_388_608.0;

/// Numbers the distinct rows; keeps its memory from call to call.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Code of each example; after numbering, the number of its row.
    codes: Vec<u64>,
    /// Bits of the codes in use; 0 while all examples are still the same.
    used: u32,
    /// Digits of one group of units, an example a lane.
    digits: Vec<Block>,
    /// The group of units that waits to be packed.
    group: Vec<Digit>,
    table: Table,
}

/// Numbers for codes; keeps its memory from call to call.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Hash table of the numbers: number + 1 of the code that lives there, or 0.
    slots: Vec<u32>,
    /// The code of each number.
    keys: Vec<u64>,
}

/// What packing has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Packed {
    /// Codes that tell the rows so far apart.
    Coded,
    /// Numbers already: no two rows are equal, and further units cannot change that.
    AllDistinct,
}

/// One unit as a digit of the code.
#[derive(Clone, Copy, Debug)]
struct Digit {
    unit: usize,
    /// Smallest bin index.
    low: f32,
    /// Number of bin indices from the smallest to the largest.
    radix: f32,
}

impl Rows {
    /// Numbers the rows of `sample` under bins of width `width`. Afterwards [`Rows::numbers`] holds one number below the value
    /// returned, the count of distinct rows, for each example.
    pub(super) fn number(&mut self, sample: &Sample<'_>, width: f32, isa: Isa) -> usize {
        self.start(sample.examples());
        match self.pack_units(sample, width, isa) {
            Packed::AllDistinct => sample.examples(),
            Packed::Coded => self.table.number(&mut self.codes),
        }
    }

    /// Number of each example's row.
    pub(super) fn numbers(&self) -> &[u64] {
        &self.codes
    }

    /// Codes of `examples` examples without any digit.
    fn start(&mut self, examples: usize) {
        self.codes.clear();
        self.codes.resize(examples, 0);
        self.digits.resize(blocks(examples), Block::default());
        self.group.clear();
        self.used = 0;
    }

    /// Packs all units into the codes.
    fn pack_units(&mut self, sample: &Sample<'_>, width: f32, isa: Isa) -> Packed {
        let mut product = 1.0;
        for unit in 0..sample.units() {
            let (low, high) = isa.dispatch(Extent(sample.unit(unit)));
            let (low, high) = ((low / width).floor(), (high / width).floor());
            if low == high {
                continue; // One bin for all tells nothing.
            }
            let radix = high - low + 1.0;
            // The comparisons fail for infinities. Within them, every index and every difference of indices is exact.
            let packed = if low.abs().max(high.abs()) <= SHIFT && radix <= SHIFT {
                let full = product * radix > SHIFT;
                let packed = if full { self.pack_group(sample, width, isa, product) } else { Packed::Coded };
                product = if full { radix } else { product * radix };
                self.group.push(Digit { unit, low, radix });
                packed
            } else {
                isa.dispatch(Indices { values: sample.unit(unit), width, digits: &mut self.digits });
                self.pack(isa, u32::BITS)
            };
            if packed == Packed::AllDistinct {
                return packed;
            }
        }
        if self.group.is_empty() { Packed::Coded } else { self.pack_group(sample, width, isa, product) }
    }

    /// Packs the waiting group, whose radices multiply to `product` ≥ 2.
    fn pack_group(&mut self, sample: &Sample<'_>, width: f32, isa: Isa, product: f32) -> Packed {
        isa.dispatch(Digits { sample, group: &self.group, width, digits: &mut self.digits });
        self.group.clear();
        self.pack(isa, bits(product as u64))
    }

    /// Appends the low `bits` (1 to 32) of every digit to its code, unless the codes in full are distinct already.
    fn pack(&mut self, isa: Isa, bits: u32) -> Packed {
        if self.used + bits > u64::BITS {
            let distinct = self.table.number(&mut self.codes);
            if distinct == self.codes.len() {
                return Packed::AllDistinct;
            }
            self.used = self::bits(distinct as u64);
        }
        self.used += bits;
        isa.dispatch(Append { codes: &mut self.codes, digits: flat(&self.digits), bits });
        Packed::Coded
    }
}

impl Table {
    /// Replaces every code by its number, in the order of first occurrence. Returns how many there are.
    pub(super) fn number(&mut self, codes: &mut [u64]) -> usize {
        // At most half full, so that probes stay short.
        let size = (2 * codes.len().max(1)).next_power_of_two();
        let shift = u64::BITS - size.trailing_zeros();
        self.slots.clear();
        self.slots.resize(size, 0);
        self.keys.clear();
        for code in codes {
            let mut slot = (hash(*code) >> shift) as usize;
            *code = loop {
                let entry = &mut self.slots[slot];
                if *entry == 0 {
                    self.keys.push(*code);
                    *entry = self.keys.len() as u32;
                    break u64::from(*entry) - 1;
                }
                if self.keys[*entry as usize - 1] == *code {
                    break u64::from(*entry) - 1;
                }
                slot = (slot + 1) & (size - 1);
            };
        }
        self.keys.len()
    }
}

/// Bits that hold the numbers below `count` ≥ 1.
const fn bits(count: u64) -> u32 {
    u64::BITS - (count - 1).leading_zeros()
}

/// Spreads all bits of a code over all bits of the hash: both halves of a long product (the constant is 2^64 over the golden ratio).
const fn hash(code: u64) -> u64 {
    let product = (code ^ (code >> 32)) as u128 * 0x9e37_79b9_7f4a_7c15_u128;
    product as u64 ^ (product >> 64) as u64
}

/// Smallest and largest value of a unit.
struct Extent<'a>(&'a [f32]);

impl Kernel for Extent<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, f32) {
        let (full, tail) = chunks(self.0);
        let mut low = s.load(&tail);
        let mut high = low;
        for chunk in full {
            let x = s.load(&Block(*chunk));
            low = s.min(low, x);
            high = s.max(high, x);
        }
        let (mut lows, mut highs) = (Block::default(), Block::default());
        s.store(&mut lows, low);
        s.store(&mut highs, high);
        (lows.0.into_iter().fold(f32::INFINITY, f32::min), highs.0.into_iter().fold(f32::NEG_INFINITY, f32::max))
    }
}

/// Digits of a group of units: ((i₁ − low₁)·R₂ + (i₂ − low₂))·R₃ + …, with 2^23 added to leave them in the low bits.
struct Digits<'a, 's> {
    sample: &'a Sample<'s>,
    group: &'a [Digit],
    width: f32,
    digits: &'a mut [Block],
}

impl Kernel for Digits<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = s.splat(self.width);
        self.digits.fill(Block::default());
        for digit in self.group {
            let (full, tail) = chunks(self.sample.unit(digit.unit));
            for (out, chunk) in self.digits.iter_mut().zip(full.iter().chain([&tail.0])) {
                let value = s.sub(index(s, s.load(&Block(*chunk)), width), s.splat(digit.low));
                let value = s.mul_add(s.load(out), s.splat(digit.radix), value);
                s.store(out, value);
            }
        }
        for out in self.digits {
            let shifted = s.add(s.load(out), s.splat(SHIFT));
            s.store(out, shifted);
        }
    }
}

/// The plain indices of one unit.
struct Indices<'a> {
    values: &'a [f32],
    width: f32,
    digits: &'a mut [Block],
}

impl Kernel for Indices<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (full, tail) = chunks(self.values);
        for (out, chunk) in self.digits.iter_mut().zip(full.iter().chain([&tail.0])) {
            s.store(out, index(s, s.load(&Block(*chunk)), s.splat(self.width)));
        }
    }
}

/// Appends the low bits of digits to codes.
struct Append<'a> {
    codes: &'a mut [u64],
    digits: &'a [f32],
    bits: u32,
}

impl Kernel for Append<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let mask = u32::MAX >> (u32::BITS - self.bits);
        for (code, digit) in self.codes.iter_mut().zip(self.digits) {
            *code = (*code << self.bits) | u64::from(digit.to_bits() & mask);
        }
    }
}

/// ⌊x/w⌋; adding 0 turns −0 into 0, so that both have the same bits.
#[inline(always)]
fn index<S: Simd>(s: S, x: S::V, width: S::V) -> S::V {
    s.add(s.floor(s.div(x, width)), s.zero())
}

/// The values in whole blocks, and a last block of what is left over, filled up with the last value.
#[inline(always)]
fn chunks(values: &[f32]) -> (&[[f32; LANES]], Block) {
    let (full, rest) = values.as_chunks();
    let mut tail = [values.last().copied().unwrap_or_default(); LANES];
    tail[..rest.len()].copy_from_slice(rest);
    (full, Block(tail))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::Classes;
    use super::*;

    /// Number of distinct rows, after holding it and the numbers against a plain comparison of all rows of integer bins.
    fn number(values: &Array2<f32>) -> usize {
        let classes = Classes::new(&vec![0; values.ncols()]);
        let sample = Sample::new(values.view(), &classes).unwrap();
        let mut rows = Rows::default();
        let distinct = rows.number(&sample, 1.0, Isa::best());
        for i in 0..values.ncols() {
            assert!(rows.numbers()[i] < distinct as u64);
            for j in 0..i {
                let equal = values.column(i) == values.column(j);
                assert_eq!(rows.numbers()[i] == rows.numbers()[j], equal, "examples {j} and {i}");
            }
        }
        distinct
    }

    #[test]
    fn rows_longer_than_a_code_are_told_apart_and_joined() {
        // Radices of all kinds: constant, small, as large as a group takes, larger, and beyond whole numbers.
        let scales = [0.0, 1.0, 5.0, 300.0, 1_398_101.0, 2_796_203.0, 1e9, 1e30];
        for units in [1, 8, 24, 200] {
            // Four kinds of rows, many of each; then one example differs from its kind in the very last unit.
            let mut values = Array2::from_shape_fn((units, 50), |(unit, e)| ((e % 7) % 4) as f32 * scales[unit % scales.len()]);
            values.row_mut(units - 1).fill(2.0);
            assert_eq!(number(&values), if units == 1 { 1 } else { 4 });
            values[(units - 1, 20)] = -3.0;
            assert_eq!(number(&values), if units == 1 { 2 } else { 5 });
        }
    }

    #[test]
    fn zeros_of_both_signs_share_a_bin_of_any_kind() {
        for other in [1.0, 1e9] {
            assert_eq!(number(&ndarray::array![[0.0, -0.0, other, 0.0]]), 2);
        }
    }

    #[test]
    fn bits_hold_all_numbers_below() {
        assert_eq!([1, 2, 3, 4, 5, 1 << 23, (1 << 23) + 1].map(bits), [0, 1, 2, 2, 3, 23, 24]);
    }
}

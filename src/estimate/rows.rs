//! Which examples fall into the same bins in every unit: exact codes for the rows of bin indices.
//!
//! Each example gets a 64-bit code that is equal for two examples if and only if their rows are equal, so that no row is ever
//! compared again. A unit whose indices span R values is one digit of radix R; digits are packed one after the other. When the
//! 64 bits are full, the codes are replaced by their numbers 0, 1, 2, … (at most N of them, few bits) and packing goes on. A unit
//! whose indices span more than 2^23 enters with all 32 bits of its index, so that nothing can overflow.
//!
//! An index is ⌊t/w⌋ as f32 arithmetic gives it (division, then floor), a whole number or, where t/w overflows, an infinity.

use super::Sample;
use crate::math::exec::Exec;
use crate::math::simd::{Block, Kernel, LANES, Simd, flat};

/// 2^23: a whole number below it, added to it, stands in the sum's low 23 bits.
const SHIFT: f32 = 8_388_608.0;
/// Blocks of examples that are packed together: their digits stay in the first cache.
const PIECE: usize = 64;
/// Values of a sample from which on threads share the packing: it then takes long enough to wake them.
const SHARED: usize = 1 << 20;

/// Codes of the rows of a sample; keeps its memory from call to call.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Code of each example.
    codes: Vec<u64>,
    /// Bits of the codes in use; 0 while all examples are still the same.
    used: u32,
    /// Smallest and largest value of each unit.
    extents: Vec<(f32, f32)>,
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

/// What the rows of a sample are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All the same.
    AllEqual,
    /// No two the same.
    AllDistinct,
    /// As their codes are.
    Coded,
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
    /// Makes the codes of the rows of `sample` under bins of width `width`.
    pub(super) fn load(&mut self, sample: &Sample<'_>, width: f32, exec: Exec) -> Kind {
        self.codes.clear();
        self.codes.resize(sample.examples(), 0);
        self.group.clear();
        self.used = 0;
        let exec = Exec { parallel: exec.parallel && sample.examples() * sample.units() >= SHARED, ..exec };
        match self.pack_units(sample, width, exec) {
            true if self.used == 0 => Kind::AllEqual,
            true => Kind::Coded,
            false => Kind::AllDistinct,
        }
    }

    /// Code of each example.
    pub(super) fn codes(&self) -> &[u64] {
        &self.codes
    }

    /// Replaces the codes by numbers below how many rows there are, which is returned.
    pub(super) fn number(&mut self) -> usize {
        self.table.number(&mut self.codes)
    }

    /// Packs all units into the codes. False if no two rows are equal before the last unit: further ones cannot change that.
    fn pack_units(&mut self, sample: &Sample<'_>, width: f32, exec: Exec) -> bool {
        self.extents.clear();
        self.extents.resize(sample.units(), (0.0, 0.0));
        let extent = |(): &mut (), unit: usize, to: &mut [(f32, f32)]| to[0] = exec.isa.dispatch(Extent(sample.unit(unit)));
        exec.pieces(&mut self.extents, 1, || (), extent);
        let mut product = 1.0;
        for unit in 0..sample.units() {
            let (low, high) = self.extents[unit];
            let (low, high) = ((low / width).floor(), (high / width).floor());
            if low == high {
                continue; // One bin for all tells nothing.
            }
            let radix = high - low + 1.0;
            // The comparisons fail for infinities. Within them, every index and every difference of indices is exact.
            let goes_on = if low.abs().max(high.abs()) <= SHIFT && radix <= SHIFT {
                let full = product * radix > SHIFT;
                let goes_on = !full || self.pack_group(sample, width, exec, product);
                product = if full { radix } else { product * radix };
                self.group.push(Digit { unit, low, radix });
                goes_on
            } else {
                self.pack(u32::BITS, exec, |first, codes| {
                    exec.isa.dispatch(PackIndex { values: &sample.unit(unit)[first..][..codes.len()], width, codes });
                })
            };
            if !goes_on {
                return false;
            }
        }
        self.group.is_empty() || self.pack_group(sample, width, exec, product)
    }

    /// Packs the waiting group, whose radices multiply to `product` ≥ 2.
    fn pack_group(&mut self, sample: &Sample<'_>, width: f32, exec: Exec, product: f32) -> bool {
        let mut group = std::mem::take(&mut self.group);
        let bits = bits(product as u64);
        let goes_on = self.pack(bits, exec, |first, codes| {
            exec.isa.dispatch(PackGroup { sample, group: &group, width, first, bits, codes });
        });
        group.clear();
        self.group = group;
        goes_on
    }

    /// Appends `bits` (1 to 32) to every code by `append`, which gets some codes and the example of the first. False, and nothing is
    /// done, if the codes are full and distinct already.
    fn pack(&mut self, bits: u32, exec: Exec, append: impl Fn(usize, &mut [u64]) + Send + Sync) -> bool {
        if self.used + bits > u64::BITS {
            let distinct = self.table.number(&mut self.codes);
            if distinct == self.codes.len() {
                return false;
            }
            self.used = self::bits(distinct as u64);
        }
        self.used += bits;
        const EXAMPLES: usize = PIECE * LANES;
        exec.pieces(&mut self.codes, EXAMPLES, || (), |(), piece, codes| append(piece * EXAMPLES, codes));
        true
    }
}

impl Table {
    /// Replaces every code by its number, in the order of first occurrence. Returns how many there are.
    pub(super) fn number(&mut self, codes: &mut [u64]) -> usize {
        let mut numbers = self.start(codes.len());
        codes.iter_mut().for_each(|code| *code = numbers.of(*code) as u64);
        self.keys.len()
    }

    /// Begins anew for up to `most` codes.
    pub(super) fn start(&mut self, most: usize) -> Numbers<'_> {
        // At most half full, so that probes stay short.
        let size = (2 * most.max(1)).next_power_of_two();
        self.slots.clear();
        self.slots.resize(size, 0);
        self.keys.clear();
        Numbers { slots: &mut self.slots, keys: &mut self.keys, shift: u64::BITS - size.trailing_zeros() }
    }
}

/// A table while codes are looked up.
pub(super) struct Numbers<'a> {
    slots: &'a mut [u32],
    keys: &'a mut Vec<u64>,
    shift: u32,
}

impl Numbers<'_> {
    /// The number of a code: of a new one, how many came before.
    #[inline(always)]
    pub(super) fn of(&mut self, code: u64) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = (hash(code) >> self.shift) as usize & last;
        loop {
            let entry = self.slots[slot] as usize;
            if entry == 0 {
                self.keys.push(code);
                self.slots[slot] = self.keys.len() as u32;
                return self.keys.len() - 1;
            }
            if self.keys[entry - 1] == code {
                return entry - 1;
            }
            slot = (slot + 1) & last;
        }
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

/// Appends the digits of a group of units to the codes of some examples: ((i₁ − low₁)·R₂ + (i₂ − low₂))·R₃ + …, with 2^23 added to
/// leave them in the low bits.
struct PackGroup<'a, 's> {
    sample: &'a Sample<'s>,
    group: &'a [Digit],
    width: f32,
    first: usize,
    bits: u32,
    codes: &'a mut [u64],
}

impl Kernel for PackGroup<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = s.splat(self.width);
        let mut digits = [Block::default(); PIECE];
        for digit in self.group {
            let (full, tail) = chunks(&self.sample.unit(digit.unit)[self.first..][..self.codes.len()]);
            for (out, chunk) in digits.iter_mut().zip(full.iter().chain([&tail.0])) {
                let value = s.sub(index(s, s.load(&Block(*chunk)), width), s.splat(digit.low));
                let value = s.mul_add(s.load(out), s.splat(digit.radix), value);
                s.store(out, value);
            }
        }
        for out in &mut digits {
            let shifted = s.add(s.load(out), s.splat(SHIFT));
            s.store(out, shifted);
        }
        append(self.codes, &digits, self.bits);
    }
}

/// Appends the plain indices of one unit to the codes of some examples.
struct PackIndex<'a> {
    values: &'a [f32],
    width: f32,
    codes: &'a mut [u64],
}

impl Kernel for PackIndex<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut digits = [Block::default(); PIECE];
        let (full, tail) = chunks(self.values);
        for (out, chunk) in digits.iter_mut().zip(full.iter().chain([&tail.0])) {
            s.store(out, index(s, s.load(&Block(*chunk)), s.splat(self.width)));
        }
        append(self.codes, &digits, u32::BITS);
    }
}

/// Appends the low bits of digits to codes.
#[inline(always)]
fn append(codes: &mut [u64], digits: &[Block; PIECE], bits: u32) {
    let mask = u32::MAX >> (u32::BITS - bits);
    for (code, digit) in codes.iter_mut().zip(flat(digits)) {
        *code = (*code << bits) | u64::from(digit.to_bits() & mask);
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
        let distinct = match rows.load(&sample, 1.0, Exec::serial()) {
            Kind::AllEqual => 1,
            Kind::AllDistinct => values.ncols(),
            Kind::Coded => rows.number(),
        };
        for i in 0..values.ncols() {
            for j in 0..i {
                let equal = values.column(i) == values.column(j);
                assert_eq!(rows.codes()[i] == rows.codes()[j], equal, "examples {j} and {i}");
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

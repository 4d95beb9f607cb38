//! Buckets of EDGE: which examples share the tuple of their columns' indices, and what two sides of buckets tell of each other.
//!
//! Tuples are codes, digits of the radix that their column needs. Codes stay whole numbers below 2^52 in f64, where every step is exact and
//! runs on vectors; those that would outgrow it are numbered anew. So two examples share a code exactly if they share all indices.

use super::rows::Table;
use crate::math::simd::{Isa, Kernel, Simd};

/// Codes up to here are exact, and so are their sums and products.
const FULL: f64 = 4_503_599_627_370_496.0;

/// One column, projected already.
#[derive(Debug)]
pub(super) struct Column {
    values: Vec<f64>,
    /// Smallest and largest value.
    extent: (f64, f64),
    /// Bandwidth before γ.
    width: f64,
}

impl Column {
    pub(super) fn new(values: Vec<f64>, width: f64) -> Self {
        let extent = |(low, high): (f64, f64), value: &f64| (low.min(*value), high.max(*value));
        let extent = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), extent);
        Self { values, extent, width }
    }
}

/// Buckets of one side: of every example, and how many examples each holds.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    of: Vec<u64>,
    counts: Vec<u32>,
}

/// How the buckets of a member are laid: ε is the column's width × `scale`, the shift `share` of ε.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) scale: f64,
    pub(super) share: f64,
}

impl Buckets {
    /// Of equal codes.
    pub(super) fn of(codes: impl Iterator<Item = u64>, table: &mut Table) -> Self {
        let mut buckets = Self::default();
        buckets.fill(codes, table);
        buckets
    }

    /// Becomes those of equal codes.
    fn fill(&mut self, codes: impl Iterator<Item = u64>, table: &mut Table) {
        self.of.clear();
        self.of.extend(codes);
        self.counts.clear();
        self.counts.resize(table.number(&mut self.of), 0);
        self.of.iter().for_each(|&bucket| self.counts[bucket as usize] += 1);
    }

    /// Becomes those of equal tuples of indices of `examples` examples.
    fn hash(&mut self, columns: &[Column], examples: usize, grid: Grid, isa: Isa, (table, codes): (&mut Table, &mut Vec<f64>)) {
        codes.clear();
        codes.resize(examples, 0.0);
        // Codes are below this.
        let mut most = 1.0;
        for column in columns {
            let width = column.width * grid.scale;
            let mut push = Push { codes, values: &column.values, shift: grid.share * width, width, low: 0.0, radix: 0.0 };
            let (low, high) = (push.index(column.extent.0), push.index(column.extent.1));
            (push.low, push.radix) = (low, high - low + 1.0);
            if most * push.radix <= FULL {
                most *= push.radix;
                isa.dispatch(push);
                continue;
            }
            let mut numbers: Vec<u64> = push.codes.iter().map(|&code| code as u64).collect();
            most = table.number(&mut numbers) as f64;
            let radix = push.radix;
            if most * radix <= FULL {
                push.codes.iter_mut().zip(numbers).for_each(|(code, number)| *code = number as f64);
                most *= radix;
                isa.dispatch(push);
                continue;
            }
            // Indices that span too much are told apart by their bits; adding 0 joins −0 and 0.
            let mut digits: Vec<u64> = push.values.iter().map(|&value| (push.index(value) + 0.0).to_bits()).collect();
            let different = table.number(&mut digits) as u64;
            numbers.iter_mut().zip(digits).for_each(|(number, digit)| *number = *number * different + digit);
            most = table.number(&mut numbers) as f64;
            codes.iter_mut().zip(numbers).for_each(|(code, number)| *code = number as f64);
        }
        self.fill(codes.iter().map(|&code| code as u64), table);
    }
}

/// Where the buckets of a side are.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In the space, under this number.
    Hashed(usize),
    /// With the side itself.
    Given(&'a Buckets),
}

/// What one thread keeps from member to member, and from call to call.
#[derive(Debug, Default)]
pub(super) struct Space {
    table: Table,
    codes: Vec<f64>,
    /// Of the sides that are hashed.
    hashed: Vec<Buckets>,
    joint: Buckets,
}

impl Space {
    /// Hashes columns into the buckets numbered `place`: 0, or the next.
    pub(super) fn hash(&mut self, place: usize, columns: &[Column], examples: usize, grid: Grid, isa: Isa) {
        if self.hashed.len() == place {
            self.hashed.push(Buckets::default());
        }
        self.hashed[place].hash(columns, examples, grid, isa, (&mut self.table, &mut self.codes));
    }

    /// What two sides tell of each other.
    pub(super) fn information(&mut self, sides: [Place<'_>; 2], clip: (f64, f64), logarithms: &Logarithms) -> f64 {
        let Self { table, hashed, joint, .. } = self;
        let [x, y] = sides.map(|side| match side {
            Place::Hashed(place) => &hashed[place],
            Place::Given(buckets) => buckets,
        });
        information(x, y, clip, logarithms, (table, joint))
    }
}

/// Appends one column's digit to every code.
struct Push<'a> {
    codes: &'a mut [f64],
    values: &'a [f64],
    shift: f64,
    width: f64,
    /// Smallest index.
    low: f64,
    /// Indices from the smallest to the largest.
    radix: f64,
}

impl Push<'_> {
    #[inline(always)]
    fn index(&self, value: f64) -> f64 {
        ((value + self.shift) / self.width).floor()
    }
}

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (shift, width, low, radix) = (self.shift, self.width, self.low, self.radix);
        for (code, value) in self.codes.iter_mut().zip(self.values) {
            *code = *code * radix + (((value + shift) / width).floor() - low);
        }
    }
}

/// Logarithms to base 2 of whole numbers, that of 0 being 0; those of small ones, by far the most frequent, are kept.
pub(super) struct Logarithms([f64; 256]);

impl Logarithms {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|count| libm::log2(count.max(1) as f64)))
    }

    fn of(&self, count: u32) -> f64 {
        self.0.get(count as usize).copied().unwrap_or_else(|| libm::log2(count.into()))
    }
}

/// Σ_ij (N_ij/N) · clip(log₂(N_ij·N / (N_i·M_j)), least, most), pairs of buckets in the order of their first example.
fn information(
    x: &Buckets,
    y: &Buckets,
    clip: (f64, f64),
    logarithms: &Logarithms,
    (table, joint): (&mut Table, &mut Buckets),
) -> f64 {
    let n = x.of.len();
    joint.fill(x.of.iter().zip(&y.of).map(|(of_x, of_y)| of_x * y.counts.len() as u64 + of_y), table);
    let [of_x, of_y] = [x, y].map(|side| side.counts.iter().map(|&count| logarithms.of(count)).collect::<Vec<_>>());
    let of_all = libm::log2(n as f64);
    let (mut next, mut sum) = (0, 0.0);
    for ((&pair, &i), &j) in joint.of.iter().zip(&x.of).zip(&y.of) {
        // Numbers are given in the order of first occurrence.
        if pair == next {
            next += 1;
            let both = joint.counts[pair as usize];
            let bits = (logarithms.of(both) + of_all) - (of_x[i as usize] + of_y[j as usize]);
            sum += f64::from(both) * bits.clamp(clip.0, clip.1);
        }
    }
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::{Purpose, Stream};

    #[test]
    fn examples_share_a_bucket_exactly_where_they_share_all_indices() {
        let mut stream = Stream::new(4, Purpose::Init, 0);
        let values: Vec<Vec<f64>> = (0..9).map(|_| (0..300).map(|_| stream.below(3).into()).collect()).collect();
        // From coarse to so fine that codes are numbered anew at every column.
        for width in [2.0, 1.0, 1e-4, 1e-9, 1e-18] {
            let columns: Vec<Column> = values.iter().map(|values| Column::new(values.clone(), width)).collect();
            let grid = Grid { scale: 1.0, share: 0.3 };
            let row = |e: usize| values.iter().map(|c| ((c[e] + 0.3 * width) / width).floor().to_bits()).collect::<Vec<_>>();
            for isa in Isa::available() {
                let mut space = Space::default();
                space.hash(0, &columns, 300, grid, isa);
                let buckets = &space.hashed[0];
                for (a, b) in (0..300).flat_map(|a| (0..a).map(move |b| (a, b))) {
                    assert_eq!(buckets.of[a] == buckets.of[b], row(a) == row(b), "{width} {}", isa.name());
                }
                assert_eq!(buckets.counts.iter().sum::<u32>(), 300);
            }
        }
    }

    #[test]
    fn what_buckets_tell_is_the_clipped_sum() {
        let mut table = Table::default();
        let mut of = |codes: &[u64]| Buckets::of(codes.iter().copied(), &mut table);
        let (x, y, one) = (of(&[7, 7, 3, 3]), of(&[1, 1, 2, 0]), of(&[5; 4]));
        let tell = |x: &Buckets, y: &Buckets, most: f64| {
            Space::default().information([Place::Given(x), Place::Given(y)], (0.001, most), &Logarithms::new())
        };
        assert_eq!((tell(&x, &y, 12.0), tell(&x, &y, 0.5)), (1.0, 0.5));
        assert!((tell(&x, &one, 12.0) - 0.001).abs() < 1e-15);
    }
}

//! All ways against the double loop, on samples that are kind and on samples that are not.

use ndarray::Array2;
use proptest::prelude::*;

use super::*;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;

/// What a column looks like.
#[derive(Clone, Copy, Debug)]
enum Style {
    Uniform,
    /// A few values: ties everywhere.
    Coarse,
    Constant,
    /// Magnitudes from 1e-20 to 1e20.
    Wild,
    /// Far from 0 beside its spread.
    Offset,
    /// Single precision, half of it at ±1.
    Saturated,
    /// Near the ends of what f64 holds.
    Extreme,
}

fn column(style: Style, stream: &mut Stream) -> f64 {
    let uniform = stream.uniform() * 2.0 - 1.0;
    match style {
        Style::Uniform => uniform,
        Style::Coarse => (uniform * 3.0).floor() * 0.1,
        Style::Constant => 0.3,
        Style::Wild => uniform * libm::exp10(f64::from(stream.below(41)) - 20.0),
        Style::Offset => 1e9 + uniform * 1e-3,
        Style::Saturated => f64::from((uniform * 2.0).clamp(-1.0, 1.0) as f32),
        Style::Extreme => uniform * if uniform > 0.0 { 1e308 } else { 1e-308 },
    }
}

fn block(examples: usize, styles: &[Style], seed: u64) -> Array2<f64> {
    let mut stream = Stream::new(seed, Purpose::Init, 0);
    Array2::from_shape_fn((examples, styles.len()), |(_, unit)| column(styles[unit], &mut stream))
}

/// The definition as a double loop.
fn plain(x: &Array2<f64>, y: &Array2<f64>, k: usize, rule: Rule) -> Vec<Around> {
    let n = x.nrows();
    let far = |z: &Array2<f64>, i: usize, j: usize| (0..z.ncols()).map(|u| (z[(i, u)] - z[(j, u)]).abs()).fold(0.0, f64::max);
    (0..n)
        .map(|i| {
            let others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let joint = |j: usize| far(x, i, j).max(far(y, i, j));
            let mut sorted: Vec<f64> = others.iter().map(|&j| joint(j)).collect();
            sorted.sort_by(f64::total_cmp);
            let radius = sorted[k - 1];
            let near: Vec<usize> = others.iter().copied().filter(|&j| joint(j) <= radius).collect();
            let tied = near.len() > k || near.iter().any(|&j| far(x, i, j) == 0.0 || far(y, i, j) == 0.0);
            let within = |z: &Array2<f64>| match rule {
                Rule::Extents => {
                    let extent = near.iter().map(|&j| far(z, i, j)).fold(0.0, f64::max);
                    others.iter().filter(|&&j| far(z, i, j) <= extent).count() as u32
                }
                Rule::BallOrTies if radius == 0.0 => others.iter().filter(|&&j| far(z, i, j) == 0.0).count() as u32,
                Rule::Ball | Rule::BallOrTies => others.iter().filter(|&&j| far(z, i, j) < radius).count() as u32,
            };
            let neighbours = if rule == Rule::BallOrTies && radius == 0.0 { near.len() + 1 } else { k } as u32;
            Around { x: within(x), y: within(y), neighbours, tied }
        })
        .collect()
}

fn styles() -> impl Strategy<Value = Vec<Style>> {
    let style = prop::sample::select(vec![
        Style::Uniform,
        Style::Uniform,
        Style::Coarse,
        Style::Constant,
        Style::Wild,
        Style::Offset,
        Style::Saturated,
        Style::Extreme,
    ]);
    prop::collection::vec(style, 1..=6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn all_ways_count_as_the_double_loop_does(
        examples in 2..140usize, share in 0.0..1.0f64, x in styles(), y in styles(), seed in 0..1000u64,
        rule in prop::sample::select(vec![Rule::Ball, Rule::Extents, Rule::BallOrTies]),
    ) {
        // Few neighbours are the common case.
        let k = 1 + (share * share * share * (examples - 2) as f64) as usize;
        let (x, y) = (block(examples, &x, seed), block(examples, &y, seed + 1000));
        let expected = plain(&x, &y, k, rule);
        let mut buffers = Buffers::default();
        let walk = (x.ncols() + y.ncols() == 2).then_some(Way::Walk);
        for way in [Way::AllPairs, Way::Trees].into_iter().chain(walk) {
            for isa in Isa::available() {
                for parallel in [false, true] {
                    let exec = Exec { isa, parallel };
                    let got = buffers.around_by(Some(way), x.view(), y.view(), k, rule, exec);
                    prop_assert_eq!(got, &expected, "{:?} {} {}", way, isa.name(), parallel);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Single columns, of which the test above has few.
    #[test]
    fn walks_count_as_the_double_loop_does(
        examples in 2..160usize, share in 0.0..1.0f64, styles in prop::collection::vec(styles(), 2), seed in 0..1000u64,
        rule in prop::sample::select(vec![Rule::Ball, Rule::Extents, Rule::BallOrTies]),
    ) {
        let k = 1 + (share * share * share * (examples - 2) as f64) as usize;
        let (x, y) = (block(examples, &styles[0][..1], seed), block(examples, &styles[1][..1], seed + 1000));
        let expected = plain(&x, &y, k, rule);
        let mut buffers = Buffers::default();
        for isa in Isa::available() {
            for parallel in [false, true] {
                let got = buffers.around_by(Some(Way::Walk), x.view(), y.view(), k, rule, Exec { isa, parallel });
                prop_assert_eq!(got, &expected, "{} {}", isa.name(), parallel);
            }
        }
    }
}

#[test]
fn long_walks_are_left_to_trees() {
    // Half of x in each of two places, and y too: a walk along either passes half of the examples.
    let n = 6000;
    let x = Array2::from_shape_fn((n, 1), |(i, _)| f64::from(i as u32 % 2));
    let y = Array2::from_shape_fn((n, 1), |(i, _)| f64::from(i as u32 / 2 % 2));
    let mut buffers = Buffers::default();
    let walked = buffers.around_by(Some(Way::Walk), x.view(), y.view(), 3, Rule::BallOrTies, Exec::serial()).to_vec();
    assert!(walked.iter().all(|around| around.neighbours == 1500 && around.x == 2999 && around.y == 2999));
    assert_eq!(walked, buffers.around_by(Some(Way::Trees), x.view(), y.view(), 3, Rule::BallOrTies, Exec::serial()));
}

#[test]
fn few_that_coincide_are_counted_too() {
    // So few that they are not looked for beforehand.
    for dims in [1, 2, 9] {
        let (mut x, mut y) = (block(800, &vec![Style::Uniform; dims], 1), block(800, &vec![Style::Uniform; dims], 2));
        for (from, to) in [(1, 2), (1, 5), (8, 10)] {
            for values in [&mut x, &mut y] {
                let row = values.row(from).to_owned();
                values.row_mut(to).assign(&row);
            }
        }
        assert!(!Distinct::default().find(&table(&x), &table(&y)));
        for (rule, k) in
            [(Rule::Ball, 1), (Rule::Extents, 2), (Rule::BallOrTies, 1), (Rule::BallOrTies, 2), (Rule::BallOrTies, 30)]
        {
            let expected = plain(&x, &y, k, rule);
            let walk = (dims == 1).then_some(Way::Walk);
            for way in [Way::AllPairs, Way::Trees].into_iter().chain(walk) {
                let mut buffers = Buffers::default();
                let got = buffers.around_by(Some(way), x.view(), y.view(), k, rule, Exec::serial());
                assert!(got == expected, "{way:?} {rule:?} {k} {dims}");
            }
        }
    }
}

fn table(values: &Array2<f64>) -> Table {
    let mut table = Table::default();
    table.load(values.view());
    table
}

#[test]
fn larger_samples_too() {
    for (examples, dims) in [(1500, 1), (1500, 3), (700, 11)] {
        let (x, y) = (block(examples, &vec![Style::Uniform; dims], 1), block(examples, &vec![Style::Saturated; dims], 2));
        for rule in [Rule::Ball, Rule::Extents] {
            let expected = plain(&x, &y, 5, rule);
            let walk = (dims == 1).then_some(Way::Walk);
            for way in [Way::AllPairs, Way::Trees].into_iter().chain(walk) {
                let mut buffers = Buffers::default();
                let got = buffers.around_by(Some(way), x.view(), y.view(), 5, rule, Exec::serial());
                assert!(got == expected, "{way:?} {rule:?} {examples} x {dims}");
            }
        }
    }
}

#[test]
fn more_neighbours_than_others_are_an_error() {
    let x = block(3, &[Style::Uniform], 0);
    for (k, is_error) in [(2, false), (3, true), (usize::MAX, true)] {
        let found =
            Buffers::default().around(x.view(), x.view(), k, Rule::Ball, Exec::serial()).map(|found| found.map(<[_]>::len));
        assert_eq!(found.is_err(), is_error, "{k}");
    }
}

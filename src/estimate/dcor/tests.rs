//! Distance correlation against its definition by doubly centred matrices.

use ndarray::{Array2, Axis};
use proptest::prelude::*;

use super::*;
use crate::math::rng::{Purpose, Stream};
use crate::math::simd::Isa;

fn sample(examples: usize, units: usize, seed: u64, coarse: bool) -> Array2<f64> {
    let mut stream = Stream::new(seed, Purpose::Init, 0);
    Array2::from_shape_simple_fn((examples, units), || {
        let normal = stream.normal();
        if coarse { normal.round() } else { normal }
    })
}

/// Matrix of Euclidean distances.
fn distances(side: &Array2<f64>) -> Array2<f64> {
    let n = side.nrows();
    Array2::from_shape_fn((n, n), |(i, j)| {
        (0..side.ncols()).map(|u| side[(i, u)] - side[(j, u)]).map(|d| d * d).sum::<f64>().sqrt()
    })
}

/// The definition: means of products of doubly centred (or U-centred) matrices.
fn plain(x: &Array2<f64>, y: &Array2<f64>, unbiased: bool) -> f64 {
    let n = x.nrows();
    let centred = |side: &Array2<f64>| {
        let d = distances(side);
        let (rows, all) = (d.sum_axis(Axis(1)), d.sum());
        let (m, f) = if unbiased { (n as f64 - 2.0, (n as f64 - 1.0) * (n as f64 - 2.0)) } else { (n as f64, (n * n) as f64) };
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if unbiased && i == j { 0.0 } else { d[(i, j)] - rows[i] / m - rows[j] / m + all / f }
            },
        )
    };
    let (a, b) = (centred(x), centred(y));
    let of = |a: &Array2<f64>, b: &Array2<f64>| (a * b).sum() / (n * n) as f64;
    let (covariance, variances) = (of(&a, &b), of(&a, &a) * of(&b, &b));
    if variances < 1e-24 {
        return 0.0;
    }
    let ratio = covariance / variances.sqrt();
    if unbiased { ratio } else { ratio.max(0.0).sqrt() }
}

fn value(x: &Array2<f64>, y: &Array2<f64>, unbiased: bool) -> f64 {
    Dcor { unbiased, ..Dcor::default() }.value(x.view(), y.view(), Exec::serial()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn equals_its_definition(
        examples in 4..90usize, units in (0..4usize, 0..4usize), seed in 0..1000u64, coarse: bool, unbiased: bool, same: bool,
    ) {
        let x = sample(examples, units.0, seed, coarse);
        let mut y = sample(examples, units.1, seed + 1000, coarse);
        if same && units.0 > 0 && units.1 > 0 {
            y.column_mut(0).assign(&x.column(0));
        }
        let (got, expected) = (value(&x, &y, unbiased), plain(&x, &y, unbiased));
        // A covariance of 0 is the difference of numbers near 1, and its root magnifies what is left.
        let close = if unbiased || expected > 1e-3 { (got - expected).abs() < 1e-10 } else { got * got < 1e-12 };
        prop_assert!(close, "{got}, expected {expected}");
        prop_assert!((value(&y, &x, unbiased) - got).abs() < 1e-12, "not symmetric");
    }

    #[test]
    fn the_order_of_examples_scale_and_place_are_no_matter(examples in 4..60usize, units in 1..3usize, seed in 0..1000u64) {
        let (x, y) = (sample(examples, units, seed, false), sample(examples, units, seed + 7, false));
        let mut order: Vec<usize> = (0..examples).collect();
        Stream::new(seed, Purpose::Shuffle, 0).shuffle(&mut order);
        let shuffled = value(&x.select(Axis(0), &order), &y.select(Axis(0), &order), false);
        let moved = value(&x.mapv(|v| 8.0 * v + 3.0), &y.mapv(|v| -0.1 * v), false);
        let expected = value(&x, &y, false);
        prop_assert!((shuffled - expected).abs() < 1e-12 && (moved - expected).abs() < 1e-10, "{expected}: {shuffled}, {moved}");
    }
}

#[test]
fn instruction_set_and_threads_change_no_bit() {
    for (examples, units) in [(3, 2), (257, 3), (1000, 2)] {
        let (x, y) = (sample(examples, units, 1, false), sample(examples, 1, 2, false));
        let of = |exec| Dcor::default().value(x.view(), y.view(), exec).unwrap().to_bits();
        let expected = of(Exec::serial());
        for isa in Isa::available() {
            for parallel in [false, true] {
                assert_eq!(of(Exec { isa, parallel }), expected, "{} {parallel} {examples}", isa.name());
            }
        }
    }
}

#[test]
fn many_sides_at_once_are_their_pairs_to_the_bit() {
    let sides: Vec<Array2<f64>> = [4, 1, 0, 3].iter().zip(0..).map(|(&units, seed)| sample(131, units, seed, false)).collect();
    let views: Vec<_> = sides.iter().map(|side| side.view()).collect();
    let together = Dcor::default().values(&views, Exec::serial()).unwrap();
    let pairs = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b)));
    let alone: Vec<f64> = pairs.map(|(a, b)| value(&sides[a], &sides[b], false)).collect();
    assert_eq!(together, alone);
    assert!(Dcor::default().values(&[], Exec::serial()).unwrap().is_empty());
}

#[test]
fn extremes() {
    let x = sample(40, 1, 1, false);
    for (name, y, expected) in [
        ("itself", x.clone(), 1.0),
        ("constant", Array2::from_elem((40, 1), 3.0), 0.0),
        ("no units", Array2::zeros((40, 0)), 0.0),
        ("huge", x.mapv(|v| v * 1e307), 1.0),
        ("tiny", x.mapv(|v| v * 1e-300), 1.0),
        ("huge, two columns", Array2::from_shape_fn((40, 2), |(i, _)| x[(i, 0)] * 1e307), 1.0),
    ] {
        assert!((value(&x, &y, false) - expected).abs() < 1e-12, "{name}: {}", value(&x, &y, false));
    }
    assert_eq!(value(&Array2::zeros((1, 1)), &Array2::zeros((1, 1)), false), 0.0);
    let unbiased = Dcor { unbiased: true, ..Dcor::default() };
    let few = unbiased.value(Array2::zeros((3, 1)).view(), Array2::zeros((3, 1)).view(), Exec::serial());
    assert_eq!(few, Err(EstimateError::FewerThan { examples: 3, least: 4 }));
}

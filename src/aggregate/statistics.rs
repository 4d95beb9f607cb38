//! Location and spread of a quantity over runs, in f64 and in the order given.

use std::sync::OnceLock;

use crate::math::moments::moments;
use crate::store::tables::Statistics;

/// Quantile 0.975 of the standard normal distribution.
const Z_975: f64 = 1.959_963_984_540_054;
/// Degrees of freedom from which the asymptotic series of the t quantile is exact to 1e-12.
const ASYMPTOTIC: u32 = 400;

/// Statistics of finite values; a confidence interval by Student's t. `None` where there are too few values.
#[must_use]
pub fn statistics(values: &[f64]) -> Statistics {
    let Some(moments) = moments(values) else { return Statistics::default() };
    let n = values.len();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]);
    let location = Statistics { mean: Some(moments.mean), median: Some(median), ..Statistics::default() };
    let Some(sd) = moments.sd() else { return location };
    let sem = sd / (n as f64).sqrt();
    let freedom = u32::try_from(n - 1).unwrap_or(u32::MAX);
    Statistics { sd: Some(sd), sem: Some(sem), ci95: Some(t_975(freedom) * sem), ..location }
}

/// Quantile 0.975 of Student's t distribution with `freedom` ≥ 1 degrees of freedom, to 1e-12; infinite for 0.
#[must_use]
pub fn t_975(freedom: u32) -> f64 {
    // Asked for in every row of a table, for few numbers of runs.
    static KNOWN: [OnceLock<f64>; ASYMPTOTIC as usize] = [const { OnceLock::new() }; ASYMPTOTIC as usize];
    match KNOWN.get(freedom as usize) {
        None => asymptotic_quantile(f64::from(freedom)),
        Some(known) => *known.get_or_init(|| exact_quantile(freedom)),
    }
}

/// [`t_975`] for few degrees of freedom.
fn exact_quantile(freedom: u32) -> f64 {
    if freedom == 0 {
        return f64::INFINITY;
    }
    // P(|T| < t) = 0.95 by bisection: the quantile lies between the normal one and that of one degree of freedom, 12.706….
    let (mut low, mut high) = (Z_975, 13.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if central_probability(middle, freedom) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// P(|T| < t) by the finite series for whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4).
fn central_probability(t: f64, freedom: u32) -> f64 {
    let nu = f64::from(freedom);
    let hypotenuse = (nu + t * t).sqrt();
    let (sin, cos) = (t / hypotenuse, nu.sqrt() / hypotenuse);
    let odd = freedom % 2 == 1;
    // Odd: cos θ · (1 + 2/3 cos²θ + 2·4/(3·5) cos⁴θ + …); even: 1 + 1/2 cos²θ + 1·3/(2·4) cos⁴θ + …
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut k = if odd { 3 } else { 2 };
    while k + 2 <= freedom {
        term *= cos * cos * f64::from(k - 1) / f64::from(k);
        sum += term;
        k += 2;
    }
    if odd { std::f64::consts::FRAC_2_PI * (libm::atan(t / nu.sqrt()) + sin * sum) } else { sin * sum }
}

/// Hill's expansion of the quantile in 1/ν around the normal one (Abramowitz & Stegun 26.7.5).
fn asymptotic_quantile(nu: f64) -> f64 {
    let z = Z_975;
    let square = z * z;
    // Polynomials in z², highest power first.
    let polynomial = |coefficients: &[f64]| coefficients.iter().fold(0.0, |sum, c| sum * square + c) * z;
    let g1 = polynomial(&[1.0, 1.0]) / 4.0;
    let g2 = polynomial(&[5.0, 16.0, 3.0]) / 96.0;
    let g3 = polynomial(&[3.0, 19.0, 17.0, -15.0]) / 384.0;
    let g4 = polynomial(&[79.0, 776.0, 1482.0, -1920.0, -945.0]) / 92_160.0;
    z + (g1 + (g2 + (g3 + g4 / nu) / nu) / nu) / nu
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two-sided 95 % quantiles, computed with 30 digits by mpmath.
    const KNOWN: &[(u32, f64)] = &[
        (1, 12.706_204_736_174_7),
        (2, 4.302_652_729_749_46),
        (3, 3.182_446_305_283_71),
        (4, 2.776_445_105_197_79),
        (5, 2.570_581_835_636_32),
        (9, 2.262_157_162_798_21),
        (30, 2.042_272_456_301_24),
        (99, 1.984_216_951_586_42),
        (299, 1.967_929_669_065_67),
        (399, 1.965_927_295_920_88),
        (400, 1.965_912_343_229_46),
        (401, 1.965_897_465_336_52),
        (1000, 1.962_339_080_826_41),
        (1_000_000, 1.959_966_356_814_11),
    ];

    #[test]
    fn t_quantiles_match_known_values() {
        for &(freedom, expected) in KNOWN {
            let found = t_975(freedom);
            assert!((found - expected).abs() < 1e-11, "{freedom}: {found} instead of {expected}");
        }
        assert!(t_975(0).is_infinite());
        assert!(t_975(u32::MAX) - Z_975 < 1e-8);
    }

    #[test]
    fn t_quantiles_fall_with_the_degrees_of_freedom() {
        for freedom in 1..1000 {
            assert!(t_975(freedom) > t_975(freedom + 1), "{freedom}");
        }
    }

    #[test]
    fn few_values_have_no_spread() {
        assert_eq!(statistics(&[]), Statistics::default());
        assert_eq!(statistics(&[2.5]), Statistics { mean: Some(2.5), median: Some(2.5), ..Statistics::default() });
        let equal = Statistics { mean: Some(3.0), median: Some(3.0), sd: Some(0.0), sem: Some(0.0), ci95: Some(0.0) };
        assert_eq!(statistics(&[3.0; 4]), equal);
    }

    #[test]
    fn a_worked_example() {
        // 2 4 4 4 5 5 7 9: mean 5, sum of squares 32.
        let found = statistics(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        let sd = (32.0_f64 / 7.0).sqrt();
        assert_eq!((found.mean, found.median, found.sd), (Some(5.0), Some(4.5), Some(sd)));
        assert!((found.ci95.unwrap() - 2.364_624_251_592_785 * sd / 8.0_f64.sqrt()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn statistics_match_the_naive_formulas(values in proptest::collection::vec(-100.0..100.0_f64, 2..40)) {
            let n = values.len() as f64;
            let found = statistics(&values);
            let close = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-9;
            let (sum, squares) = values.iter().fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
            prop_assert!(close(found.mean, sum / n));
            let variance = ((squares - sum * sum / n) / (n - 1.0)).max(0.0);
            prop_assert!((found.sd.unwrap() * found.sd.unwrap() - variance).abs() < 1e-7);
            prop_assert!(close(found.sem, found.sd.unwrap() / n.sqrt()));
            let below = values.iter().filter(|&&v| v < found.median.unwrap() - 1e-9).count();
            let above = values.iter().filter(|&&v| v > found.median.unwrap() + 1e-9).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }

        #[test]
        fn the_median_does_not_depend_on_the_order(mut values in proptest::collection::vec(-1.0..1.0_f64, 1..20)) {
            let forward = statistics(&values).median;
            values.reverse();
            prop_assert_eq!(statistics(&values).median, forward);
        }
    }
}

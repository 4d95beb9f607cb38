//! The digamma function at whole numbers.

/// −ψ(1), the constant of Euler and Mascheroni.
const EULER: f64 = 0.577_215_664_901_532_9;

/// ψ(n) for n ≥ 1, within 2 units of the last place.
///
/// Below 16 by ψ(n) = −γ + Σ 1/m, else by the asymptotic series, whose first term left out is then below 1e-17.
#[must_use]
pub fn digamma(n: u32) -> f64 {
    debug_assert!(n > 0);
    if n < 16 {
        return (1..n).rev().fold(0.0, |sum, m| sum + 1.0 / f64::from(m)) - EULER;
    }
    let n = f64::from(n);
    let square = 1.0 / (n * n);
    let mut series = 1.0 / 132.0;
    for coefficient in [-1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0] {
        series = series * square + coefficient;
    }
    libm::log(n) - 0.5 / n - series * square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // From 30-digit arithmetic.
        for (n, value) in [
            (1, -0.577_215_664_901_532_9),
            (2, 0.422_784_335_098_467_1),
            (15, 2.674_346_661_660_793_7),
            (16, 2.741_013_328_327_460_4),
            (17, 2.803_513_328_327_460_4),
            (100, 4.600_161_852_738_087),
            (1_000_000, 13.815_510_057_964_19),
        ] {
            assert!((digamma(n) - value).abs() <= 4e-16 * value.abs(), "{n}: {}", digamma(n));
        }
    }

    #[test]
    fn the_recurrence_holds_across_the_seam() {
        for n in 1..2000 {
            assert!((digamma(n + 1) - digamma(n) - 1.0 / f64::from(n)).abs() < 2e-15, "{n}");
        }
    }
}

//! Mean and variance of some values.

/// What is said of values that scatter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The arithmetic mean.
    pub mean: f64,
    /// The variance with n − 1; none of a single value.
    pub variance: Option<f64>,
}

impl Moments {
    /// The standard deviation.
    #[must_use]
    pub fn sd(self) -> Option<f64> {
        self.variance.map(f64::sqrt)
    }
}

/// Sums in the order of the values; nothing without any.
#[must_use]
pub fn moments(values: &[f64]) -> Option<Moments> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    // Two passes: no cancellation when the values are close to each other.
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(Moments { mean, variance: (values.len() > 1).then(|| squares / (n - 1.0)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(moments(&[]), None);
        assert_eq!(moments(&[3.0]), Some(Moments { mean: 3.0, variance: None }));
        let found = moments(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!((found.mean, found.variance, found.sd()), (3.0, Some(14.0 / 3.0), Some((14.0_f64 / 3.0).sqrt())));
        // Where sums of squares would cancel.
        let near = moments(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).unwrap();
        assert_eq!((near.mean, near.variance), (1e9 + 2.0, Some(1.0)));
    }
}

//! Powers of two, by which scaling is exact.

/// A power of two whose product with `value` ≥ 0 lies in [1/2, 1), as far as that power is a normal number; 1 or more for 0.
#[must_use]
pub const fn reciprocal_power(value: f64) -> f64 {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let exponent = if exponent < -1000 { -1000 } else { exponent };
    let exponent = if exponent > 1000 { 1000 } else { exponent };
    f64::from_bits(((1023 - exponent) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_brings_any_magnitude_near_one() {
        for value in [1.0, 0.75, 3.0, 1e-300, 1e300, 6.02e23] {
            assert!((0.5..1.0).contains(&(value * reciprocal_power(value))), "{value}");
        }
        assert!(reciprocal_power(0.0).is_finite() && reciprocal_power(f64::MAX).is_normal());
    }
}

//! Series of numbers as short text: 16 bits a number between 0 (or less) and the largest, in base64.
//!
//! A page of a thousand experiments holds millions of numbers. A figure on a screen tells a few thousand values apart, so a 65,534th of the
//! range is enough; who wants the numbers to the bit reads the tables.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;

/// Steps between the least and the largest number; one more stands for "no value".
const STEPS: f64 = 65_534.0;

/// A series, as the page's script reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packed {
    /// The least number: 0, or less.
    low: f64,
    /// The largest.
    high: f64,
    /// The numbers.
    data: String,
}

impl Packed {
    /// Packs numbers; what is not there or not finite has no value.
    #[must_use]
    pub fn new(numbers: &[Option<f64>]) -> Self {
        let finite = || numbers.iter().flatten().copied().filter(|number| number.is_finite());
        let (low, high) = finite().fold((0.0, 0.0), |(low, high): (f64, f64), number| (low.min(number), high.max(number)));
        let range = high - low;
        let pack = |number: &Option<f64>| match number {
            Some(number) if number.is_finite() && range.is_finite() => {
                let part = if range > 0.0 { (number - low) / range } else { 0.0 };
                (part * STEPS).round() as u16
            }
            _ => u16::MAX,
        };
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| pack(number).to_le_bytes()).collect();
        let (low, high) = if range.is_finite() { (low, high) } else { (0.0, 0.0) };
        Self { low, high, data: STANDARD_NO_PAD.encode(bytes) }
    }

    /// The numbers again, as the script unpacks them.
    #[cfg(test)]
    fn numbers(&self) -> Vec<Option<f64>> {
        let bytes = STANDARD_NO_PAD.decode(&self.data).unwrap();
        let number = |pair: &[u8]| match u16::from_le_bytes([pair[0], pair[1]]) {
            u16::MAX => None,
            step => Some(self.low + f64::from(step) / STEPS * (self.high - self.low)),
        };
        bytes.chunks(2).map(number).collect()
    }
}

/// At most `most` of `count` places, evenly among the places of a schedule that is itself dense where much happens; always the ends.
#[must_use]
pub fn thinned(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    let most = most.max(2);
    (0..most).map(|i| i * (count - 1) / (most - 1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_packed_is_no_value() {
        let numbers = [Some(1.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(-3.0)];
        assert_eq!(Packed::new(&numbers).numbers(), [Some(1.0), None, None, None, Some(-3.0)]);
        assert_eq!(Packed::new(&[Some(0.0)]).numbers(), [Some(0.0)]);
        assert_eq!(Packed::new(&[Some(f64::MAX), Some(-f64::MAX)]).numbers(), [None, None]);
        assert!(Packed::new(&[]).numbers().is_empty());
    }

    #[test]
    fn thinning_keeps_the_ends_and_ascends() {
        assert_eq!(thinned(3, 5), [0, 1, 2]);
        assert_eq!(thinned(231, 4), [0, 76, 153, 230]);
        assert_eq!(thinned(5, 0), [0, 4]);
        assert!(thinned(0, 3).is_empty());
    }

    proptest! {
        #[test]
        fn numbers_come_back_within_a_step(numbers in prop::collection::vec(-1e3..1e3f64, 1..200)) {
            let some: Vec<Option<f64>> = numbers.iter().copied().map(Some).collect();
            for (back, number) in Packed::new(&some).numbers().iter().zip(&numbers) {
                prop_assert!((back.unwrap() - number).abs() <= 2000.0 / STEPS);
            }
        }
    }
}

//! Samples of two sides that are both measured, and what an estimator says of them.

use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use super::{Classes, EstimateError, Warning};

/// One side of a sample.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// Examples × dimensions, any layout.
    Values(ArrayView2<'a, f64>),
    /// Classes without an order.
    Classes(&'a Classes),
}

impl<'a> Side<'a> {
    /// Number of examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        match self {
            Self::Values(values) => values.nrows(),
            Self::Classes(classes) => classes.examples(),
        }
    }

    /// Number of dimensions; classes are one.
    #[must_use]
    pub fn dims(&self) -> usize {
        match self {
            Self::Values(values) => values.ncols(),
            Self::Classes(_) => 1,
        }
    }

    /// The values, where they are no classes.
    #[must_use]
    pub const fn values(&self) -> Option<ArrayView2<'a, f64>> {
        match self {
            Self::Values(values) => Some(*values),
            Self::Classes(_) => None,
        }
    }
}

/// A side as examples × dimensions; of classes their numbers, as one column.
pub(super) fn side_values(side: Side<'_>) -> CowArray<'_, f64, Ix2> {
    match side {
        Side::Values(values) => values.into(),
        Side::Classes(classes) => {
            let of = classes.of();
            Array2::from_shape_fn((of.len(), 1), |(example, _)| of[example].into()).into()
        }
    }
}

/// A sample of two sides, checked: at least one example, as many on both sides, every value finite. A side may have no dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    x: ArrayView2<'a, f64>,
    y: Side<'a>,
}

impl<'a> Pair<'a> {
    /// Takes x as examples × dimensions.
    ///
    /// # Errors
    /// Without examples, with different numbers of them, or with a NaN or an infinity.
    pub fn new(x: ArrayView2<'a, f64>, y: Side<'a>) -> Result<Self, EstimateError> {
        let (activations, labels) = (x.nrows(), y.examples());
        if activations != labels {
            return Err(EstimateError::LengthMismatch { activations, labels });
        }
        if activations == 0 {
            return Err(EstimateError::Empty);
        }
        for values in [Some(x), y.values()].into_iter().flatten() {
            // Which one it was is asked only in the bad case.
            let all_finite = match values.as_slice_memory_order() {
                Some(all) => all.iter().fold(true, |finite, value| finite & value.is_finite()),
                None => values.iter().all(|value| value.is_finite()),
            };
            if !all_finite && let Some(((example, unit), &value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
                return Err(EstimateError::NotFinite { unit, example, value });
            }
        }
        Ok(Self { x, y })
    }

    /// Number of examples, N ≥ 1.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.x.nrows()
    }

    /// One side, examples × dimensions.
    #[must_use]
    pub const fn x(&self) -> ArrayView2<'a, f64> {
        self.x
    }

    /// The other side.
    #[must_use]
    pub const fn y(&self) -> Side<'a> {
        self.y
    }
}

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Information.
    Bits,
    /// A measure of dependence without a unit, as a correlation.
    Plain,
}

/// What an estimator says of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// What it is measured in.
    pub unit: Unit,
    /// Examples.
    pub examples: usize,
    /// Dimensions of x and y; classes are one.
    pub dims: (usize, usize),
    /// Canonical text of the parameters.
    pub params: String,
    /// Examples that have a value of x or y in common with another, or several neighbours equally far, where the method looks for it.
    pub ties: Option<u64>,
    /// Why to read it with care.
    pub warnings: Vec<Warning>,
}

impl Estimate {
    /// Of a sample, without ties and warnings yet.
    #[must_use]
    pub fn new(value: f64, unit: Unit, sample: &Pair<'_>, params: String) -> Self {
        let dims = (sample.x.ncols(), sample.y.dims());
        Self { value, unit, examples: sample.examples(), dims, params, ties: None, warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn bad_pairs_are_refused() {
        let (x, y) = (array![[1.0], [2.0]], array![[1.0, f64::NAN], [2.0, 3.0]]);
        let error = |x: &Array2<f64>, y: &Array2<f64>| Pair::new(x.view(), Side::Values(y.view())).unwrap_err();
        assert!(matches!(error(&x, &y), EstimateError::NotFinite { unit: 1, example: 0, .. }));
        assert!(matches!(error(&y, &x), EstimateError::NotFinite { unit: 1, example: 0, .. }));
        assert_eq!(error(&x, &array![[1.0]]), EstimateError::LengthMismatch { activations: 2, labels: 1 });
        assert_eq!(error(&Array2::zeros((0, 1)), &Array2::zeros((0, 1))), EstimateError::Empty);
        let classes = Classes::new(&[1, 1]);
        let pair = Pair::new(x.view(), Side::Classes(&classes)).unwrap();
        assert_eq!((pair.examples(), pair.y().dims(), pair.y().values()), (2, 1, None));
    }
}

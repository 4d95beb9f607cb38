//! What is measured: the activations of one layer, and the classes of the examples, both checked once.

use ndarray::{Array2, ArrayView2, Axis};

use super::EstimateError;

/// The labels of a split, prepared once for all layers and epochs: class of each example, examples grouped by class.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// Class of each example: its label's rank among the labels that occur.
    of: Vec<u32>,
    /// Examples, class by class, ascending within a class.
    members: Vec<usize>,
    /// Where each class starts in `members`, and one past the end.
    starts: Vec<usize>,
}

impl Classes {
    /// Groups examples by their label. Labels may be any numbers; the classes are those that occur, in ascending order.
    #[must_use]
    pub fn new(labels: &[u32]) -> Self {
        let mut distinct = labels.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut members: Vec<usize> = (0..labels.len()).collect();
        // Stable, so that examples stay in ascending order within their class.
        members.sort_by_key(|&example| labels[example]);
        let mut starts: Vec<usize> = distinct.iter().map(|label| members.partition_point(|&m| labels[m] < *label)).collect();
        starts.push(members.len());
        let mut of = vec![0; labels.len()];
        for (class, bounds) in (0..).zip(starts.windows(2)) {
            for &member in &members[bounds[0]..bounds[1]] {
                of[member] = class;
            }
        }
        Self { of, members, starts }
    }

    /// Number of examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.of.len()
    }

    /// Number of classes that occur.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Class of each example, from 0, in the order of the examples.
    #[must_use]
    pub fn of(&self) -> &[u32] {
        &self.of
    }

    /// All examples, class by class, ascending within a class.
    #[must_use]
    pub fn by_class(&self) -> &[usize] {
        &self.members
    }

    /// The examples of each class, classes in ascending order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &[usize]> {
        self.starts.windows(2).map(|bounds| &self.members[bounds[0]..bounds[1]])
    }

    /// H(Y) in bits: the entropy of the shares of the classes.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let n = self.examples() as f64;
        // Summed by ascending size, so that the value does not depend on which label a class has.
        let mut sizes: Vec<usize> = self.members().map(<[usize]>::len).collect();
        sizes.sort_unstable();
        sizes.into_iter().map(|size| size as f64 / n * libm::log2(n / size as f64)).sum()
    }
}

/// One layer's activations with the classes of the examples: at least one example, every value finite.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    values: ArrayView2<'a, f32>,
    classes: &'a Classes,
    inputs: Option<ArrayView2<'a, f32>>,
    range: Option<(f32, f32)>,
    edges: Option<ArrayView2<'a, f32>>,
}

impl<'a> Sample<'a> {
    /// Takes activations as units × examples. The examples of a unit lie side by side; units may be any distance apart.
    /// A layer without units is allowed and knows nothing.
    ///
    /// # Errors
    /// Without examples, with another number of labels, with units that are not contiguous, or with a NaN or an infinity.
    pub fn new(values: ArrayView2<'a, f32>, classes: &'a Classes) -> Result<Self, EstimateError> {
        let (activations, labels) = (values.ncols(), classes.examples());
        if activations != labels {
            return Err(EstimateError::LengthMismatch { activations, labels });
        }
        if activations == 0 {
            return Err(EstimateError::Empty);
        }
        for (unit, row) in values.rows().into_iter().enumerate() {
            let row = row.to_slice().ok_or(EstimateError::NotContiguous)?;
            // No early exit: the loop then runs on vectors. Which one it was is asked only in the bad case.
            if !row.iter().fold(true, |all, value| all & value.is_finite())
                && let Some((example, &value)) = row.iter().enumerate().find(|(_, value)| !value.is_finite())
            {
                return Err(EstimateError::NotFinite { unit, example, value: value.into() });
            }
        }
        Ok(Self { values, classes, inputs: None, range: None, edges: None })
    }

    /// With the inputs of the network, inputs × examples, for methods that compare activations with them.
    ///
    /// # Errors
    /// With another number of examples, or with a NaN or an infinity.
    pub fn with_inputs(self, inputs: ArrayView2<'a, f32>) -> Result<Self, EstimateError> {
        Self::new(inputs, self.classes)?;
        Ok(Self { inputs: Some(inputs), ..self })
    }

    /// With the smallest and largest activation of the layer over all recorded epochs.
    #[must_use]
    pub const fn with_range(self, range: (f32, f32)) -> Self {
        Self { range: Some(range), ..self }
    }

    /// With the layer's activations of the edges of the input's bins, units × edges.
    ///
    /// # Errors
    /// With another number of units, or with a NaN or an infinity.
    pub fn with_edges(self, edges: ArrayView2<'a, f32>) -> Result<Self, EstimateError> {
        if edges.nrows() != self.units() {
            return Err(EstimateError::EdgesMismatch { edges: edges.nrows(), units: self.units() });
        }
        match edges.indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some(((unit, example), &value)) => Err(EstimateError::NotFinite { unit, example, value: value.into() }),
            None => Ok(Self { edges: Some(edges), ..self }),
        }
    }

    /// The layer's activations of the edges of the input's bins, units × edges, where they are known.
    #[must_use]
    pub const fn edges(&self) -> Option<ArrayView2<'a, f32>> {
        self.edges
    }

    /// The inputs of the network, inputs × examples, where they are known.
    #[must_use]
    pub const fn inputs(&self) -> Option<ArrayView2<'a, f32>> {
        self.inputs
    }

    /// Smallest and largest activation of the layer over all recorded epochs, where they are known.
    #[must_use]
    pub const fn range(&self) -> Option<(f32, f32)> {
        self.range
    }

    /// Smallest and largest activation of the layer in this sample; nothing without units.
    #[must_use]
    pub fn extent(&self) -> Option<(f32, f32)> {
        let mut units = (0..self.units()).map(|unit| {
            let fold = |(low, high): (f32, f32), &v: &f32| (low.min(v), high.max(v));
            self.unit(unit).iter().fold((f32::INFINITY, f32::NEG_INFINITY), fold)
        });
        let first = units.next()?;
        Some(units.fold(first, |(low, high), (l, h)| (low.min(l), high.max(h))))
    }

    /// Number of units, D.
    #[must_use]
    pub fn units(&self) -> usize {
        self.values.nrows()
    }

    /// Number of examples, N ≥ 1.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.values.ncols()
    }

    /// The classes of the examples.
    #[must_use]
    pub const fn classes(&self) -> &'a Classes {
        self.classes
    }

    /// All activations in double precision, units × examples.
    #[must_use]
    pub fn wide(&self) -> Array2<f64> {
        self.values.mapv(f64::from)
    }

    /// Activations of one unit on every example; empty if there is no such unit.
    #[must_use]
    pub fn unit(&self, unit: usize) -> &'a [f32] {
        if unit >= self.units() {
            return &[];
        }
        // `new` has seen that every row is a slice.
        self.values.index_axis_move(Axis(0), unit).to_slice().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array, s};

    use super::*;

    #[test]
    fn classes_are_grouped_in_ascending_order() {
        let classes = Classes::new(&[7, 0, 7, u32::MAX, 0]);
        assert_eq!(classes.of(), [1, 0, 1, 2, 0]);
        assert_eq!(classes.members().collect::<Vec<_>>(), [&[1, 4][..], &[0, 2], &[3]]);
        assert_eq!(classes.by_class(), [1, 4, 0, 2, 3]);
        assert_eq!((classes.count(), classes.examples()), (3, 5));
        assert!((classes.entropy() - (0.8 * libm::log2(2.5) + 0.2 * libm::log2(5.0))).abs() < 1e-15);
        assert_eq!(Classes::new(&[3, 3]).entropy(), 0.0);
        assert_eq!((Classes::new(&[]).count(), Classes::new(&[]).entropy()), (0, 0.0));
    }

    #[test]
    fn bad_samples_are_refused() {
        let three = Classes::new(&[0, 1, 1]);
        let none = Classes::new(&[]);
        let mut values = Array2::<f32>::zeros((2, 3));
        let error = |values: &Array2<f32>, classes| Sample::new(values.view(), classes).unwrap_err();
        assert_eq!(error(&values, &none), EstimateError::LengthMismatch { activations: 3, labels: 0 });
        assert_eq!(error(&Array2::zeros((2, 0)), &none), EstimateError::Empty);
        assert_eq!(Sample::new(values.t(), &Classes::new(&[0, 1])).unwrap_err(), EstimateError::NotContiguous);
        values[(1, 2)] = f32::NEG_INFINITY;
        assert_eq!(error(&values, &three), EstimateError::NotFinite { unit: 1, example: 2, value: f64::NEG_INFINITY });
        values[(0, 1)] = f32::NAN;
        assert!(matches!(error(&values, &three), EstimateError::NotFinite { unit: 0, example: 1, .. }));
    }

    #[test]
    fn rows_may_lie_apart() {
        let wide = array![[1.0_f32, 2.0, 9.0], [3.0, 4.0, 9.0]];
        let classes = Classes::new(&[0, 1]);
        let sample = Sample::new(wide.slice(s![.., ..2]), &classes).unwrap();
        assert_eq!((sample.units(), sample.examples()), (2, 2));
        assert_eq!(sample.unit(1), [3.0, 4.0]);
        assert!(sample.unit(2).is_empty());
    }
}

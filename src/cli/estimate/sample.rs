//! What was read of a file: x and y in memory, and the examples that a draw takes of them.

use std::collections::HashMap;

use ndarray::{Array2, Axis};

use crate::cli::sample_file::{SampleFile, Selection};
use crate::estimate::{Classes, Packed, PackedDouble};

/// One side, units × examples, as exact as the file has it.
#[derive(Debug)]
pub enum X {
    Single(Array2<f32>),
    Double(Array2<f64>),
    /// In single precision, laid out for the bounds: the only copy of a large file.
    Packed(Packed),
    /// The same in double precision.
    PackedDouble(PackedDouble),
}

/// The other side.
#[derive(Debug)]
pub struct Y {
    /// Dimensions × examples.
    pub values: Array2<f64>,
    /// The classes that they say, or why they say none.
    pub labels: Result<Vec<u32>, String>,
}

#[derive(Debug)]
pub struct Sample {
    pub x: X,
    pub y: Option<Y>,
    /// The classes of the examples; all of one class without y, or where y says none.
    pub classes: Classes,
}

impl Sample {
    /// Reads what `--x` and `--y` say. `packed`: x is for the bounds alone.
    pub fn read(file: &SampleFile, x: Option<&str>, y: Option<&str>, packed: bool) -> Result<Self, String> {
        let y = y.map(|y| file.select(Some(y), "y", None)).transpose()?;
        let x = file.select(x, "x", y.as_ref())?;
        if let Some(y) = y.as_ref().filter(|y| y.rows != x.rows) {
            return Err(format!("{} labels for {} examples", y.rows, x.rows));
        }
        let y = y.as_ref().map(Y::read).transpose()?;
        let labels = y.as_ref().and_then(|y| y.labels.as_deref().ok());
        let classes = labels.map_or_else(|| Classes::new(&vec![0; x.rows]), Classes::new);
        let x = match (x.is_single(), packed) {
            (true, true) => X::Packed(pack(&x, &classes)?),
            (true, false) => X::Single(columns(&x, |v| v as f32)?),
            (false, true) => X::PackedDouble(pack_double(&x, &classes)?),
            (false, false) => X::Double(columns(&x, |v| v)?),
        };
        Ok(Self { x, y, classes })
    }

    /// Number of examples.
    pub fn examples(&self) -> usize {
        self.classes.examples()
    }

    /// Units of x, dimensions of y.
    pub fn dims(&self) -> (usize, Option<usize>) {
        let x = match &self.x {
            X::Single(values) => values.nrows(),
            X::Double(values) => values.nrows(),
            X::Packed(packed) => packed.units(),
            X::PackedDouble(packed) => packed.units(),
        };
        (x, self.y.as_ref().map(|y| y.values.nrows()))
    }

    /// The sample of these examples, which may repeat.
    pub fn draw(&self, examples: &[usize]) -> Self {
        self.gather(examples, examples)
    }

    /// The sample in which example i has the y of example `order[i]`.
    pub fn shuffled(&self, order: &[usize]) -> Self {
        let all: Vec<usize> = (0..self.examples()).collect();
        self.gather(&all, order)
    }

    fn gather(&self, of_x: &[usize], of_y: &[usize]) -> Self {
        let x = match &self.x {
            X::Single(values) => X::Single(in_rows(values, of_x)),
            X::Double(values) => X::Double(in_rows(values, of_x)),
            // Draws are never made of a sample that is laid out for one estimate.
            X::Packed(_) | X::PackedDouble(_) => X::Double(Array2::zeros((0, of_x.len()))),
        };
        let y = self.y.as_ref().map(|y| Y {
            values: y.values.select(Axis(1), of_y),
            labels: y.labels.clone().map(|labels| of_y.iter().map(|&example| labels[example]).collect()),
        });
        let labels = y.as_ref().and_then(|y| y.labels.as_deref().ok());
        let classes = labels.map_or_else(|| Classes::new(&vec![0; of_x.len()]), Classes::new);
        Self { x, y, classes }
    }

    /// How many examples have an x that another has, too; unknown where x is not at hand.
    pub fn ties(&self) -> Option<u64> {
        let n = self.examples();
        let mut count: HashMap<Vec<u64>, u64> = HashMap::new();
        for example in 0..n {
            // Adding 0 joins −0 and 0.
            let row: Vec<u64> = match &self.x {
                X::Single(values) => values.column(example).iter().map(|v| f64::from(v + 0.0).to_bits()).collect(),
                X::Double(values) => values.column(example).iter().map(|v| (v + 0.0).to_bits()).collect(),
                X::Packed(_) | X::PackedDouble(_) => return None,
            };
            *count.entry(row).or_default() += 1;
        }
        Some(count.values().filter(|&&c| c > 1).sum())
    }
}

/// Columns of an array, each row side by side in memory.
fn in_rows<T: Copy>(values: &Array2<T>, columns: &[usize]) -> Array2<T> {
    Array2::from_shape_fn((values.nrows(), columns.len()), |(row, column)| values[(row, columns[column])])
}

/// Columns of a file as rows of an array.
fn columns<T: Copy + Default>(selection: &Selection, number: fn(f64) -> T) -> Result<Array2<T>, String> {
    let mut all = Array2::from_elem((selection.width(), selection.rows), T::default());
    selection.rows(&mut |row, values| {
        // A file may have grown since it was counted.
        if row < all.ncols() {
            all.column_mut(row).iter_mut().zip(values).for_each(|(to, &value)| *to = number(value));
        }
        Ok(())
    })?;
    Ok(all)
}

/// Columns of a file as the bounds want them.
fn pack(selection: &Selection, classes: &Classes) -> Result<Packed, String> {
    let mut packed = Packed::new(selection.width(), classes);
    selection.rows(&mut |row, values| packed.set(row, values.iter().map(|&v| v as f32)).map_err(|e| e.to_string()))?;
    Ok(packed)
}

/// The same in double precision.
fn pack_double(selection: &Selection, classes: &Classes) -> Result<PackedDouble, String> {
    let mut packed = PackedDouble::new(selection.width(), classes);
    selection.rows(&mut |row, values| packed.set(row, values.iter().copied()).map_err(|e| e.to_string()))?;
    Ok(packed)
}

impl Y {
    fn read(selection: &Selection) -> Result<Self, String> {
        let values = columns(selection, |v| v)?;
        let labels = labels(&values);
        Ok(Self { values, labels })
    }
}

/// Classes from one column of whole numbers or from one-hot rows; `y` is columns × examples.
fn labels(y: &Array2<f64>) -> Result<Vec<u32>, String> {
    let label = |(row, values): (usize, ndarray::ArrayView1<'_, f64>)| match values.len() {
        1 => {
            let v = values[0];
            let whole = v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v);
            whole.then_some(v as u32).ok_or_else(|| format!("label {v} of example {row}: expected a whole number from 0"))
        }
        _ => {
            let ones: Vec<usize> = (0..values.len()).filter(|&c| values[c] == 1.0).collect();
            let hot = ones.len() == 1 && values.iter().all(|&v| v == 0.0 || v == 1.0);
            hot.then(|| ones[0] as u32)
                .ok_or_else(|| format!("labels of example {row}: expected one 1 among 0s, or a single column"))
        }
    };
    y.columns().into_iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn labels_are_whole_numbers_or_one_hot() {
        assert_eq!(labels(&array![[3.0, 0.0]]).unwrap(), [3, 0]);
        assert_eq!(labels(&array![[0.0, 1.0], [1.0, 0.0]]).unwrap(), [1, 0]);
        assert!(labels(&array![[0.5]]).is_err() && labels(&array![[-1.0]]).is_err());
        assert!(labels(&array![[1.0], [1.0]]).is_err() && labels(&array![[0.2], [0.8]]).is_err());
    }

    #[test]
    fn draws_keep_x_and_y_together_and_shuffles_do_not() {
        let values = array![[10.0, 11.0, 12.0]];
        let y = Y { values: array![[0.0, 1.0, 2.0]], labels: Ok(vec![0, 1, 2]) };
        let sample = Sample { x: X::Double(values), y: Some(y), classes: Classes::new(&[0, 1, 2]) };
        let parts = |sample: &Sample| {
            let X::Double(x) = &sample.x else { panic!("double stays double") };
            (x.row(0).to_vec(), sample.y.as_ref().unwrap().labels.clone().unwrap())
        };
        assert_eq!(parts(&sample.draw(&[2, 2, 0])), (vec![12.0, 12.0, 10.0], vec![2, 2, 0]));
        assert_eq!(parts(&sample.shuffled(&[2, 0, 1])), (vec![10.0, 11.0, 12.0], vec![2, 0, 1]));
        assert_eq!((sample.ties(), sample.draw(&[2, 2, 0]).ties()), (Some(0), Some(2)));
    }
}

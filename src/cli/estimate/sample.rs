//! What was read of a file: x and y in memory, and the examples that a draw takes of them.

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
    /// A number of each example's x, by which equal ones are told: x itself may be laid out for one estimate alone.
    marks: Vec<u64>,
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
        let mut marks = Vec::with_capacity(x.rows);
        let mark = |row: &[f64]| marks.push(mark_of(row));
        let x = match (x.is_single(), packed) {
            (true, true) => X::Packed(pack(&x, &classes, mark)?),
            (true, false) => X::Single(columns(&x, |v| v as f32, mark)?),
            (false, true) => X::PackedDouble(pack_double(&x, &classes, mark)?),
            (false, false) => X::Double(columns(&x, |v| v, mark)?),
        };
        Ok(Self { x, y, classes, marks })
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
        Self { x, y, classes, marks: of_x.iter().map(|&example| self.marks[example]).collect() }
    }

    /// How many examples have an x that another has, too.
    pub fn ties(&self) -> u64 {
        let mut marks = self.marks.clone();
        marks.sort_unstable();
        marks.chunk_by(|a, b| a == b).map(<[u64]>::len).filter(|&equal| equal > 1).sum::<usize>() as u64
    }
}

/// A number that rows share if they are equal; others share it by a chance of 2⁻⁶⁴.
fn mark_of(row: &[f64]) -> u64 {
    row.iter().fold(0, |mark, value| {
        // Adding 0 joins −0 and 0. The rest is the finish of splitmix64, by which every bit reaches every other.
        let mut z: u64 = (mark ^ (value + 0.0).to_bits()).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Columns of an array, each row side by side in memory.
fn in_rows<T: Copy>(values: &Array2<T>, columns: &[usize]) -> Array2<T> {
    Array2::from_shape_fn((values.nrows(), columns.len()), |(row, column)| values[(row, columns[column])])
}

/// Columns of a file as rows of an array; every example is shown to `see`.
fn columns<T: Copy + Default>(
    selection: &Selection,
    number: fn(f64) -> T,
    mut see: impl FnMut(&[f64]),
) -> Result<Array2<T>, String> {
    let mut all = Array2::from_elem((selection.width(), selection.rows), T::default());
    selection.rows(&mut |row, values| {
        // A file may have grown since it was counted.
        if row < all.ncols() {
            all.column_mut(row).iter_mut().zip(values).for_each(|(to, &value)| *to = number(value));
            see(values);
        }
        Ok(())
    })?;
    Ok(all)
}

/// Columns of a file as the bounds want them.
fn pack(selection: &Selection, classes: &Classes, mut see: impl FnMut(&[f64])) -> Result<Packed, String> {
    let mut packed = Packed::new(selection.width(), classes);
    selection.rows(&mut |row, values| {
        see(values);
        packed.set(row, values.iter().map(|&v| v as f32)).map_err(|e| e.to_string())
    })?;
    Ok(packed)
}

/// The same in double precision.
fn pack_double(selection: &Selection, classes: &Classes, mut see: impl FnMut(&[f64])) -> Result<PackedDouble, String> {
    let mut packed = PackedDouble::new(selection.width(), classes);
    selection.rows(&mut |row, values| {
        see(values);
        packed.set(row, values.iter().copied()).map_err(|e| e.to_string())
    })?;
    Ok(packed)
}

impl Y {
    fn read(selection: &Selection) -> Result<Self, String> {
        let values = columns(selection, |v| v, |_| ())?;
        let labels = labels(&values);
        Ok(Self { values, labels })
    }
}

/// Classes from one column of whole numbers or from one-hot rows; `y` is columns × examples. A class is given as its label's rank.
fn labels(y: &Array2<f64>) -> Result<Vec<u32>, String> {
    /// Whole numbers below this are exact as they were read.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let label = |(row, values): (usize, ndarray::ArrayView1<'_, f64>)| match values.len() {
        1 => {
            let v = values[0];
            (v.fract() == 0.0 && v.abs() < EXACT).then_some(v as i64).ok_or_else(|| {
                format!(
                    "label {v} of example {row}: expected a class, a whole number (of any sign, below 2^53), in every example"
                )
            })
        }
        _ => {
            let ones: Vec<usize> = (0..values.len()).filter(|&c| values[c] == 1.0).collect();
            let hot = ones.len() == 1 && values.iter().all(|&v| v == 0.0 || v == 1.0);
            hot.then(|| ones[0] as i64)
                .ok_or_else(|| format!("labels of example {row}: expected one 1 among 0s, or a single column"))
        }
    };
    let labels = y.columns().into_iter().enumerate().map(label).collect::<Result<Vec<i64>, String>>()?;
    let mut distinct = labels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    Ok(labels.iter().map(|label| distinct.partition_point(|other| other < label) as u32).collect())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn labels_are_whole_numbers_or_one_hot() {
        assert_eq!(labels(&array![[3.0, 0.0]]).unwrap(), [1, 0]);
        assert_eq!(labels(&array![[1.0, -1.0, 8_589_934_592.0, -1.0]]).unwrap(), [1, 0, 2, 0]);
        assert_eq!(labels(&array![[0.0, -0.0]]).unwrap(), [0, 0]);
        assert_eq!(labels(&array![[0.0, 1.0], [1.0, 0.0]]).unwrap(), [1, 0]);
        assert!(labels(&array![[0.5]]).is_err() && labels(&array![[1e16]]).is_err() && labels(&array![[f64::MAX]]).is_err());
        assert!(labels(&array![[1.0], [1.0]]).is_err() && labels(&array![[0.2], [0.8]]).is_err());
    }

    #[test]
    fn rows_that_differ_have_other_marks() {
        let mut marks: Vec<u64> =
            (0..4096_u32).map(|e| mark_of(&(0..12).map(|b| f64::from(e >> b & 1)).collect::<Vec<_>>())).collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), 4096);
        assert_eq!(mark_of(&[0.0, 1.0]), mark_of(&[-0.0, 1.0]));
        assert!(mark_of(&[0.0, 1.0]) != mark_of(&[1.0, 0.0]) && mark_of(&[1.0]) != mark_of(&[1.0_f64.next_up()]));
    }

    #[test]
    fn draws_keep_x_and_y_together_and_shuffles_do_not() {
        let values = array![[10.0, 11.0, 12.0]];
        let y = Y { values: array![[0.0, 1.0, 2.0]], labels: Ok(vec![0, 1, 2]) };
        let marks = values.columns().into_iter().map(|column| mark_of(&column.to_vec())).collect();
        let sample = Sample { x: X::Double(values), y: Some(y), classes: Classes::new(&[0, 1, 2]), marks };
        let parts = |sample: &Sample| {
            let X::Double(x) = &sample.x else { panic!("double stays double") };
            (x.row(0).to_vec(), sample.y.as_ref().unwrap().labels.clone().unwrap())
        };
        assert_eq!(parts(&sample.draw(&[2, 2, 0])), (vec![12.0, 12.0, 10.0], vec![2, 2, 0]));
        assert_eq!(parts(&sample.shuffled(&[2, 0, 1])), (vec![10.0, 11.0, 12.0], vec![2, 0, 1]));
        assert_eq!((sample.ties(), sample.draw(&[2, 2, 0]).ties()), (0, 2));
    }
}

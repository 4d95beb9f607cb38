//! Tables of named columns, whoever read them: one column is the label, all others are inputs.

use super::part::{Labels, Part};
use super::{Limit, Read, Unreadable};

/// Names that an error lists.
const SHOWN: usize = 20;

/// A table, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Their values.
    pub columns: Vec<Column>,
}

/// Values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Words.
    Words(Vec<String>),
}

impl Column {
    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Words(values) => values.len(),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Place of the column that is called so, or else has that number, counted from 0.
///
/// # Errors
/// [`Unreadable`] if there is none.
pub fn place(names: &[String], label: &str) -> Read<usize> {
    let by_number = || label.parse::<usize>().ok().filter(|&place| place < names.len());
    names.iter().position(|name| name == label).or_else(by_number).ok_or_else(|| {
        let shown: Vec<&str> = names.iter().map(String::as_str).take(SHOWN).collect();
        let more = if names.len() > SHOWN { ", …" } else { "" };
        Unreadable::new(
            format!("no column `{label}`"),
            format!("one of {}{more}, or a number below {}", shown.join(", "), names.len()),
        )
    })
}

impl Columns {
    /// Examples with the label of that column.
    ///
    /// # Errors
    /// [`Unreadable`] if an input is no number.
    pub fn examples(&self, label: &str, limit: Limit) -> Read<Part> {
        let label = place(&self.names, label)?;
        let labels = match &self.columns[label] {
            Column::Numbers(values) => Labels::Numbers(values.clone()),
            Column::Words(words) => Labels::of_words(words.iter().map(String::as_str))?,
        };
        let mut inputs = Vec::with_capacity(self.columns.len());
        for (place, (name, column)) in self.names.iter().zip(&self.columns).enumerate().filter(|(place, _)| *place != label) {
            match column {
                Column::Numbers(values) if values.len() == labels.len() => inputs.push(values),
                Column::Numbers(_) => {
                    return Err(Unreadable::new(format!("column `{name}` of another length"), "columns of one length"));
                }
                Column::Words(_) => {
                    return Err(Unreadable::new(
                        format!("words in column {place}, `{name}`"),
                        "numbers in all columns but the label",
                    ));
                }
            }
        }
        Part::new(labels.len(), inputs.len(), labels, limit, |e, row| {
            row.iter_mut().zip(&inputs).for_each(|(to, column)| *to = column[e] as f32);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_column_is_the_label() {
        let words = |words: &[&str]| Column::Words(words.iter().map(|word| (*word).to_owned()).collect());
        let table = Columns {
            names: ["a", "kind", "b"].map(str::to_owned).to_vec(),
            columns: vec![Column::Numbers(vec![1.0, 2.0]), words(&["x", "w"]), Column::Numbers(vec![3.0, 4.0])],
        };
        let part = table.examples("kind", Limit::default()).unwrap();
        assert_eq!(part, table.examples("1", Limit::default()).unwrap());
        assert_eq!((part.inputs, part.rows[1].0[..2].to_vec()), (2, vec![2.0, 4.0]));
        assert_eq!(part.into_sheet(None).unwrap().labels, [1, 0]);
        let error = |label: &str| table.examples(label, Limit::default()).unwrap_err().to_string();
        assert!(error("a").contains("words in column 1, `kind`"));
        assert_eq!(error("c"), "no column `c`; expected one of a, kind, b, or a number below 3");
        assert!(error("3").contains("no column `3`"));
    }
}

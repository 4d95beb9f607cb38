//! Examples under construction: rows of inputs and labels as a file has them; then one or two parts as a data set.

use std::collections::BTreeMap;

use super::{Limit, Read, Unreadable};
use crate::math::simd::{Block, LANES, blocks, flat_mut};
use crate::train::data::Sheet;

/// Examples of a data set at most.
pub const MOST_EXAMPLES: usize = 1 << 30;
/// Inputs of an example at most.
pub const MOST_INPUTS: usize = 1 << 24;
/// Classes at most.
pub const MOST_CLASSES: usize = 1 << 16;

/// Labels as a file has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Words, and which of them each example has.
    Words {
        /// The words, in any order, each once.
        words: Vec<String>,
        /// Place of each example's word.
        codes: Vec<u32>,
    },
}

impl Labels {
    /// Labels from words.
    ///
    /// # Errors
    /// If there are too many different ones.
    pub fn of_words<'w>(labels: impl Iterator<Item = &'w str>) -> Read<Self> {
        let (mut places, mut words, mut codes) = (BTreeMap::new(), Vec::new(), Vec::new());
        for label in labels {
            let code = *places.entry(label).or_insert_with(|| {
                words.push(label.to_owned());
                words.len() as u32 - 1
            });
            codes.push(code);
            check_classes(words.len())?;
        }
        Ok(Self::Words { words, codes })
    }

    /// Number of examples.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Words { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no example.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Examples with their labels as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Inputs of an example.
    pub inputs: usize,
    /// Example-major, as in [`Sheet`].
    pub rows: Vec<Block>,
    /// One an example.
    pub labels: Labels,
}

impl Part {
    /// Examples of which `fill` writes the inputs, row by row. The room is allocated at once: the caller has checked that there are bytes
    /// for so many.
    ///
    /// # Errors
    /// If there are too many inputs or examples, the labels are of another number, or an input is not finite.
    pub fn new(
        n: usize,
        inputs: usize,
        labels: Labels,
        limit: Limit,
        mut fill: impl FnMut(usize, &mut [f32]) -> Read<()>,
    ) -> Read<Self> {
        if labels.len() != n {
            return Err(Unreadable::new(format!("{n} examples and {} labels", labels.len()), "a label for every example"));
        }
        let row = shape(n, inputs, limit)?;
        let mut rows = vec![Block::default(); n * row];
        for (e, blocks) in rows.chunks_mut(row).enumerate() {
            let values = &mut flat_mut(blocks)[..inputs];
            fill(e, values)?;
            if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                return Err(Unreadable::new(format!("{} as input {at} of example {e}", values[at]), "finite numbers"));
            }
        }
        Ok(Self { inputs, rows, labels })
    }

    /// Adds the examples of another file of the same kind.
    ///
    /// # Errors
    /// If they have other inputs or another kind of labels.
    pub fn append(&mut self, mut other: Self) -> Read<()> {
        if other.inputs != self.inputs {
            return Err(Unreadable::new(format!("{} inputs", other.inputs), format!("{}, as in the file before", self.inputs)));
        }
        match (&mut self.labels, other.labels) {
            (Labels::Numbers(all), Labels::Numbers(more)) => all.extend(more),
            (Labels::Words { words, codes }, Labels::Words { words: more, codes: other }) => {
                let places: Vec<u32> = (more.into_iter())
                    .map(|word| {
                        let place = words.iter().position(|known| *known == word);
                        place.unwrap_or_else(|| {
                            words.push(word);
                            words.len() - 1
                        }) as u32
                    })
                    .collect();
                codes.extend(other.into_iter().map(|code| places[code as usize]));
            }
            _ => return Err(Unreadable::new("labels that are words in one file, numbers in the other", "the same in both")),
        }
        // No more room than needed: this may be most of the memory.
        self.rows.reserve_exact(other.rows.len());
        self.rows.append(&mut other.rows);
        Ok(())
    }

    /// The data set: labels become classes by their rank. The first `train` examples are trained on, if that is given.
    ///
    /// # Errors
    /// If there is not one example to train on and one to test on, or there are too many classes.
    pub fn into_sheet(self, train: Option<usize>) -> Read<Sheet> {
        let n = self.labels.len();
        let lacks = match (n, train) {
            (0, _) => Some("no example"),
            (1, _) => Some("1 example"),
            (_, Some(0)) => Some("no example to train on"),
            (_, Some(train)) if train >= n => Some("no example to test on"),
            _ => None,
        };
        if let Some(found) = lacks {
            return Err(Unreadable::new(found, "at least one to train on and one to test on"));
        }
        let (labels, class_values, class_names) = match self.labels {
            Labels::Numbers(values) => {
                let (labels, classes) = ranks(&values)?;
                (labels, classes, Vec::new())
            }
            Labels::Words { words, codes } => {
                let mut sorted: Vec<(String, usize)> = words.into_iter().enumerate().map(|(place, word)| (word, place)).collect();
                sorted.sort_unstable();
                check_classes(sorted.len())?;
                let mut rank = vec![0; sorted.len()];
                sorted.iter().enumerate().for_each(|(class, (_, place))| rank[*place] = class as u32);
                let labels = codes.into_iter().map(|code| rank[code as usize]).collect();
                (
                    labels,
                    (0..sorted.len()).map(|class| class as f64).collect(),
                    sorted.into_iter().map(|(word, _)| word).collect(),
                )
            }
        };
        Ok(Sheet { inputs: self.inputs, rows: self.rows, labels, class_values, class_names, soft: None, train })
    }
}

/// Blocks of a row, if so many examples of so many inputs are within the limits.
fn shape(n: usize, inputs: usize, limit: Limit) -> Read<usize> {
    let row = blocks(inputs);
    if inputs == 0 || inputs > MOST_INPUTS || n > MOST_EXAMPLES || !limit.holds(n, row * LANES * 4) {
        return Err(Unreadable::new(
            format!("{n} examples of {inputs} inputs"),
            format!("1 to {MOST_INPUTS} inputs, at most {MOST_EXAMPLES} examples, {} bytes in all", limit.0),
        ));
    }
    Ok(row)
}

/// Each label's place among the distinct ones, and those.
fn ranks(values: &[f64]) -> Read<(Vec<u32>, Vec<f64>)> {
    if let Some(e) = values.iter().position(|v| !v.is_finite()) {
        return Err(Unreadable::new(format!("{} as label of example {e}", values[e]), "finite numbers"));
    }
    // −0 is 0.
    let mut classes: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
    classes.sort_unstable_by(f64::total_cmp);
    classes.dedup();
    classes.shrink_to_fit();
    check_classes(classes.len())?;
    let rank = |v: &f64| classes.partition_point(|class| class < v) as u32;
    Ok((values.iter().map(rank).collect(), classes))
}

fn check_classes(n: usize) -> Read<()> {
    if n > MOST_CLASSES {
        return Err(Unreadable::new(format!("{n} different labels"), format!("at most {MOST_CLASSES} classes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(labels: Labels) -> Read<Part> {
        Part::new(labels.len(), 2, labels, Limit::default(), |e, row| {
            row.copy_from_slice(&[e as f32, -1.0]);
            Ok(())
        })
    }

    fn words(words: &[&str]) -> Labels {
        Labels::of_words(words.iter().copied()).unwrap()
    }

    #[test]
    fn labels_become_ranks() {
        let sheet = part(Labels::Numbers(vec![7.0, -0.0, 0.0, 2.5])).unwrap().into_sheet(None).unwrap();
        assert_eq!((sheet.labels, sheet.class_values), (vec![2, 0, 0, 1], vec![0.0, 2.5, 7.0]));
        let mut several = part(words(&["b", "a", "b"])).unwrap();
        several.append(part(words(&["c", "a"])).unwrap()).unwrap();
        let sheet = several.into_sheet(Some(3)).unwrap();
        assert_eq!((sheet.labels.clone(), sheet.class_values.clone()), (vec![1, 0, 1, 2, 0], vec![0.0, 1.0, 2.0]));
        assert_eq!((sheet.class_names.join(" "), sheet.train, sheet.example(4)), ("a b c".into(), Some(3), &[1.0, -1.0][..]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let error = |result: Read<Part>| result.unwrap_err().to_string();
        let limit = Limit(127);
        assert!(error(Part::new(2, 1, Labels::Numbers(vec![0.0; 2]), limit, |_, _| Ok(()))).contains("127 bytes in all"));
        assert!(error(Part::new(1, 1, Labels::Numbers(vec![]), limit, |_, _| Ok(()))).contains("1 examples and 0 labels"));
        let nan = |_: usize, row: &mut [f32]| {
            row[0] = f32::NAN;
            Ok(())
        };
        assert!(error(Part::new(1, 1, Labels::Numbers(vec![0.0]), limit, nan)).contains("NaN as input 0 of example 0"));
        let infinite = part(Labels::Numbers(vec![0.0, f64::INFINITY])).unwrap().into_sheet(None).unwrap_err();
        assert!(infinite.to_string().contains("inf as label of example 1"));
        let mut numbers = part(Labels::Numbers(vec![0.0])).unwrap();
        assert!(numbers.append(part(words(&["a"])).unwrap()).is_err());
        for (n, train, found) in [
            (0, None, "no example"),
            (1, None, "1 example"),
            (3, Some(0), "no example to train on"),
            (3, Some(3), "no example to test on"),
        ] {
            let error = part(Labels::Numbers(vec![1.0; n])).unwrap().into_sheet(train).unwrap_err().to_string();
            assert_eq!(error, format!("{found}; expected at least one to train on and one to test on"));
        }
        let many = Labels::Numbers((0..=MOST_CLASSES).map(|v| v as f64).collect());
        assert!(part(many).unwrap().into_sheet(None).unwrap_err().to_string().contains("65537 different labels"));
    }
}

//! What a study answers: a table, charts of it, and sentences. Plain values, for whoever writes and draws.

/// The answer of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One line over all.
    pub title: String,
    /// The table, column by column; all have the same number of rows.
    pub columns: Vec<Column>,
    /// The figure's panels.
    pub charts: Vec<Chart>,
    /// What was found, with numbers, a sentence or two each.
    pub findings: Vec<String>,
}

/// One column of a study's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, with the unit where there is one.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Names.
    Text(Vec<String>),
    /// Whole numbers.
    Count(Vec<i64>),
    /// Real numbers, all finite; nothing where there is no value.
    Number(Vec<Option<f64>>),
}

impl Column {
    /// A column of names.
    #[must_use]
    pub const fn text(name: &'static str, values: Vec<String>) -> Self {
        Self { name, values: Values::Text(values) }
    }

    /// A column of whole numbers.
    #[must_use]
    pub const fn count(name: &'static str, values: Vec<i64>) -> Self {
        Self { name, values: Values::Count(values) }
    }

    /// A column of real numbers; what is not finite is no value.
    #[must_use]
    pub fn number(name: &'static str, values: impl IntoIterator<Item = f64>) -> Self {
        Self { name, values: Values::Number(values.into_iter().map(|value| value.is_finite().then_some(value)).collect()) }
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        match &self.values {
            Values::Text(values) => values.len(),
            Values::Count(values) => values.len(),
            Values::Number(values) => values.len(),
        }
    }
}

/// One panel of a study's figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Over the panel.
    pub title: String,
    /// What runs to the right.
    pub x: Axis,
    /// What runs upwards.
    pub y: Axis,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// An axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Logarithmic.
    pub log: bool,
}

impl Axis {
    /// A linear axis of numbers.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), log: false }
    }

    /// A logarithmic axis of numbers.
    #[must_use]
    pub fn log(label: &str) -> Self {
        Self { label: label.to_owned(), log: true }
    }
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name in the legend; empty: none.
    pub name: String,
    /// Joined by a line, or single marks.
    pub joined: bool,
    /// (x, y), in drawing order, all finite.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Points joined by a line.
    #[must_use]
    pub fn line(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), joined: true, points }
    }

    /// Single marks.
    #[must_use]
    pub fn marks(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), joined: false, points }
    }
}

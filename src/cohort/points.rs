//! The points of a cohort in their order: (union of grid products) × zips − exclude ∪ include.

use super::model::{Axis, AxisValue, Cohort, Condition, Dimension, Exclude, Include};
use super::settings::Settings;

/// One point: its settings, and where they come from.
#[derive(Clone, Debug)]
pub struct Point<'a> {
    /// All settings.
    pub settings: Settings,
    /// The values chosen, or the include that adds the point.
    pub origin: Origin<'a>,
}

/// Where a point comes from.
#[derive(Clone, Debug)]
pub enum Origin<'a> {
    /// The value of each axis, in the order of the axes.
    Grid(Vec<(&'a Axis, &'a AxisValue)>),
    /// An `[[include]]`.
    Include(&'a Include),
}

impl Cohort {
    /// All points, excluded ones left out; the first axis varies slowest.
    pub fn points(&self) -> impl Iterator<Item = Point<'_>> {
        let grid = self.grids.iter().flat_map(|grid| self.product(grid.iter().chain(&self.zips).collect()));
        let kept = grid.filter(|point| !self.excludes.iter().any(|exclude| exclude.matches(point)));
        kept.chain(self.includes.iter().map(|include| {
            let mut draft = self.draft();
            include.set.iter().for_each(|setting| draft.apply(setting));
            Point { settings: draft.finish(), origin: Origin::Include(include) }
        }))
    }

    /// The points of a product of dimensions over the base settings, the first dimension slowest.
    pub(super) fn product<'a>(&self, dimensions: Vec<&'a Dimension>) -> impl Iterator<Item = Point<'a>> + use<'a> {
        let base = self.draft();
        Odometer::new(dimensions.iter().map(|dimension| dimension.len()).collect()).map(move |digits| {
            let mut draft = base.clone();
            let mut choices = Vec::with_capacity(digits.len());
            for (dimension, digit) in dimensions.iter().zip(digits) {
                for axis in &dimension.axes {
                    let value = &axis.values[digit];
                    value.set.iter().for_each(|setting| draft.apply(setting));
                    choices.push((axis, value));
                }
            }
            Point { settings: draft.finish(), origin: Origin::Grid(choices) }
        })
    }
}

impl Exclude {
    /// Whether a point meets all conditions.
    #[must_use]
    pub fn matches(&self, point: &Point<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.matches(point))
    }
}

impl Condition {
    /// Whether a point meets this condition.
    #[must_use]
    pub fn matches(&self, point: &Point<'_>) -> bool {
        match (self, &point.origin) {
            (Self::Has(setting), _) => setting.matches(&point.settings),
            (Self::Labelled { axis, label }, Origin::Grid(choices)) => {
                choices.iter().any(|(on, value)| on.name == *axis && value.text == *label)
            }
            (Self::Labelled { .. }, Origin::Include(_)) => false,
        }
    }
}

/// Counts through digits of given sizes, the last fastest. Without digits there is one number, with a size of 0 none.
struct Odometer {
    sizes: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl Odometer {
    fn new(sizes: Vec<usize>) -> Self {
        let next = sizes.iter().all(|size| *size > 0).then(|| vec![0; sizes.len()]);
        Self { sizes, next }
    }
}

impl Iterator for Odometer {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let mut following = current.clone();
        for (digit, size) in following.iter_mut().zip(&self.sizes).rev() {
            *digit += 1;
            if *digit < *size {
                self.next = Some(following);
                break;
            }
            *digit = 0;
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odometer_counts_the_last_digit_fastest() {
        let numbers: Vec<_> = Odometer::new(vec![2, 1, 3]).collect();
        assert_eq!(numbers, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 0, 1], [1, 0, 2]]);
        assert_eq!(Odometer::new(vec![]).count(), 1);
        assert_eq!(Odometer::new(vec![2, 0]).count(), 0);
    }
}

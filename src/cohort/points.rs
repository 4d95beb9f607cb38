//! The points of a cohort in their order: (union of grid products) × zips − exclude ∪ include.

use super::model::{Axis, AxisValue, Cohort, Condition, Dimension, Exclude, Include};
use super::setting::Draft;
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
        let places = self.places();
        (0..places.len()).filter_map(move |place| places.point(place))
    }

    /// The places of all points, for whoever shares them out.
    #[must_use]
    pub fn places(&self) -> Places<'_> {
        let products = self.grids.iter().map(|grid| Product { dimensions: grid.iter().chain(&self.zips).collect() });
        Places { cohort: self, base: self.draft(), products: products.collect() }
    }

    /// The points of a product of dimensions over the base settings, the first dimension slowest.
    pub(super) fn product<'a>(&self, dimensions: Vec<&'a Dimension>) -> impl Iterator<Item = Point<'a>> + use<'a> {
        let (base, product) = (self.draft(), Product { dimensions });
        (0..product.len()).map(move |place| product.point(&base, place))
    }
}

/// Where points may be: every combination of every grid, excluded ones among them, then the includes.
#[derive(Debug)]
pub struct Places<'a> {
    cohort: &'a Cohort,
    base: Draft,
    products: Vec<Product<'a>>,
}

impl<'a> Places<'a> {
    /// Number of places.
    #[must_use]
    pub fn len(&self) -> usize {
        self.products.iter().map(Product::len).sum::<usize>() + self.cohort.includes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The point at a place; nothing where it is excluded, and behind the last.
    #[must_use]
    pub fn point(&self, place: usize) -> Option<Point<'a>> {
        let mut left = place;
        for product in &self.products {
            if left < product.len() {
                let point = product.point(&self.base, left);
                return (!self.cohort.excludes.iter().any(|exclude| exclude.matches(&point))).then_some(point);
            }
            left -= product.len();
        }
        let include = self.cohort.includes.get(left)?;
        let mut draft = self.base.clone();
        include.set.iter().for_each(|setting| draft.apply(setting));
        Some(Point { settings: draft.finish(), origin: Origin::Include(include) })
    }
}

/// A product of dimensions, the first slowest. Without any it has one point; a cohort's has no more than it may have points.
#[derive(Debug)]
struct Product<'a> {
    dimensions: Vec<&'a Dimension>,
}

impl<'a> Product<'a> {
    fn len(&self) -> usize {
        self.dimensions.iter().map(|dimension| dimension.len()).product()
    }

    /// The point at a place below the length.
    fn point(&self, base: &Draft, place: usize) -> Point<'a> {
        let (mut draft, mut choices) = (base.clone(), Vec::with_capacity(self.dimensions.len()));
        // How many places each value of a dimension takes.
        let mut stride = self.len();
        for dimension in &self.dimensions {
            let above = stride;
            stride /= dimension.len();
            let digit = place % above / stride;
            for axis in &dimension.axes {
                let value = &axis.values[digit];
                value.set.iter().for_each(|setting| draft.apply(setting));
                choices.push((axis, value));
            }
        }
        Point { settings: draft.finish(), origin: Origin::Grid(choices) }
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

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn the_last_axis_varies_fastest() {
        let text = "name = 'n'\n[[grid]]\nepochs = [1, 2]\nbatch_size = [3]\n[[grid]]\nepochs = [7]\n[[zip]]\nsplit_seed = [4, 5, 6]\n[[include]]\nepochs = 9";
        let cohort = parse("f", text).unwrap();
        let points: Vec<_> = cohort.points().map(|p| (p.settings.training.epochs, p.settings.training.split_seed)).collect();
        assert_eq!(points, [(1, 4), (1, 5), (1, 6), (2, 4), (2, 5), (2, 6), (7, 4), (7, 5), (7, 6), (9, 0)]);
        let places = cohort.places();
        assert_eq!(places.len(), 10);
        assert!(places.point(10).is_none() && places.point(0).is_some());
    }
}

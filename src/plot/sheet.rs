//! The sheet: how many columns, how large the type, where each panel stands.
//!
//! A sheet of one column of panels is printed 8.5 cm wide, any other 17 cm, and no text is smaller than 7 points then. Two columns are set in
//! larger type, so that the same picture can also be printed 8.5 cm wide with text of 6 points. Whoever has another place for a figure names
//! its width: it gets as many columns as fit with text of 7 points.

use super::svg::Rgb;

/// Text, spines and ticks.
pub const INK: Rgb = Rgb(0x26, 0x26, 0x26);
/// Text of second rank.
pub const GREY: Rgb = Rgb(0x59, 0x59, 0x59);
/// Lines behind the data.
pub const GRID: Rgb = Rgb(0xea, 0xea, 0xea);

/// Width of a column of print: 8.5 cm in points.
const COLUMN: f64 = 8.5 * CENTIMETRE;
/// Points of a centimetre.
const CENTIMETRE: f64 = 72.0 / 2.54;
/// Width that a panel takes at least, in units of the smallest type.
const PANEL: f64 = 15.0;
/// Distance of lines of text in units of the font size.
pub const LEADING: f64 = 1.22;
/// Most columns at 17 cm; beyond them panels would be too small, so larger grids get a wider sheet.
const MOST_COLUMNS: usize = 5;

/// The width that a sheet is printed with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum SheetWidth {
    /// A column of print or two, as the number of panels demands; more for grids of very many.
    #[default]
    Auto,
    /// So many centimetres.
    Centimetres(f64),
}

/// Type sizes and widths of a sheet, in points.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of panels.
    pub columns: usize,
    /// Width of the sheet.
    pub width: f64,
    /// Tick labels, notes and legends: the smallest type, and the unit of all distances.
    pub em: f64,
    /// Axis labels.
    pub label: f64,
    /// Panel titles.
    pub title: f64,
    /// The sheet's title.
    pub heading: f64,
}

impl Look {
    /// The look of a sheet of `panels` panels.
    pub fn of(panels: usize, width: SheetWidth) -> Self {
        match width {
            SheetWidth::Auto => Self::with_columns(columns(panels)),
            SheetWidth::Centimetres(width) => Self::within(width, panels),
        }
    }

    /// The look of a sheet of groups of panels: a group stands in one row, or in rows of its own.
    pub fn of_groups(groups: usize, size: usize, width: SheetWidth) -> Self {
        match (groups, size, width) {
            (_, 0 | 1, _) => Self::of(groups, width),
            (1, _, _) => Self::of(size, width),
            (_, _, SheetWidth::Centimetres(width)) => {
                let beside = Self::within(width, usize::MAX).columns / size;
                let look = Self::within(width, if beside < 2 { size } else { size * beside.min(groups) });
                // Whole groups in a row, else a group in rows of its own.
                Self { columns: if look.columns > size { look.columns / size * size } else { look.columns }, ..look }
            }
            (_, _, SheetWidth::Auto) => Self::of_many(groups, size),
        }
    }

    /// The look of a sheet of two groups or more, each of two panels or more.
    fn of_many(groups: usize, size: usize) -> Self {
        match (groups, size) {
            (..=6, 2) => Self::with_columns(4),
            (_, 2) => Self::with_columns(6),
            (_, size) => Self::with_columns(size.min(6)),
        }
    }

    /// The look of a sheet so many centimetres wide: as many columns as fit, rows about equally long.
    fn within(width: f64, panels: usize) -> Self {
        let (width, em) = (width * CENTIMETRE, 7.0);
        let most = ((width / (PANEL * em)) as usize).clamp(1, panels.max(1));
        let columns = if panels > 10 * most { most } else { panels.max(1).div_ceil(panels.max(1).div_ceil(most)) };
        Self { columns, width, em, label: 8.0, title: 7.5, heading: 9.0 }
    }

    fn with_columns(columns: usize) -> Self {
        match columns {
            1 => Self { columns: 1, width: COLUMN, em: 7.0, label: 8.0, title: 8.0, heading: 9.0 },
            2 => Self { columns: 2, width: 2.0 * COLUMN, em: 12.0, label: 13.0, title: 12.5, heading: 14.0 },
            columns => {
                let width = 2.0 * COLUMN * (columns as f64 / MOST_COLUMNS as f64).max(1.0);
                Self { columns, width, em: 7.0, label: 8.5, title: if columns < MOST_COLUMNS { 7.5 } else { 7.0 }, heading: 10.0 }
            }
        }
    }
}

/// Columns for `panels` panels: few and wide first, then about a page's proportions.
fn columns(panels: usize) -> usize {
    match panels {
        0 | 1 => 1,
        2 | 4 => 2,
        3 | 5 | 6 | 9 => 3,
        7..=12 => 4,
        _ => ((panels as f64 * 0.625).sqrt().round() as usize).max(MOST_COLUMNS),
    }
}

/// A rectangle on the sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Frame {
    /// x of the right side.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// y of the lower side.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// Where the panels stand.
#[derive(Clone, Debug)]
pub struct Panels {
    /// The axes of each panel, row by row.
    pub frames: Vec<Frame>,
    /// Column of each panel, and whether no panel stands below it.
    places: Vec<(usize, bool)>,
}

impl Panels {
    /// Width of a panel when `margins` (left plus right) are taken off the sheet, and `gap` between columns.
    pub fn width(look: &Look, margins: f64, gap: f64) -> f64 {
        let gaps = (look.columns - 1) as f64 * gap;
        ((look.width - margins - gaps) / look.columns as f64).max(look.em * 3.0)
    }

    /// Places panels of that size from (left, top) on; `rows` are the heights of what stands above each panel, `gaps` the distances of
    /// columns and of rows.
    pub fn place((left, top): (f64, f64), (width, height): (f64, f64), rows: &[Vec<f64>], gaps: (f64, f64)) -> Self {
        let mut panels = Self { frames: Vec::new(), places: Vec::new() };
        let mut y = top;
        for (i, row) in rows.iter().enumerate() {
            y += row.iter().copied().fold(0.0, f64::max);
            let below = rows.get(i + 1).map_or(0, Vec::len);
            for column in 0..row.len() {
                panels.frames.push(Frame { x: left + column as f64 * (width + gaps.0), y, width, height });
                panels.places.push((column, column >= below));
            }
            y += height + gaps.1;
        }
        panels
    }

    /// The rectangle that encloses all panels, their headers apart.
    pub fn hull(&self) -> Frame {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else {
            return Frame { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
        };
        let right = self.frames.iter().map(Frame::right).fold(first.x, f64::max);
        Frame { x: first.x, y: first.y, width: right - first.x, height: last.bottom() - first.y }
    }

    /// Height of as many whole rows as fit into `most`; of the first, if none does.
    pub fn rows_height(&self, most: f64) -> f64 {
        let hull = self.hull();
        let heights = self.frames.iter().map(|frame| frame.bottom() - hull.y);
        heights.filter(|&height| height <= most).fold(self.frames.first().map_or(0.0, |frame| frame.height), f64::max)
    }

    /// Whether panel `i` has no panel to its left, and so carries the labels of the y axis.
    pub fn is_leftmost(&self, i: usize) -> bool {
        self.places[i].0 == 0
    }

    /// Whether panel `i` has no panel below, and so carries the labels of the x axis.
    pub fn is_lowest(&self, i: usize) -> bool {
        self.places[i].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_have_sensible_proportions() {
        for (panels, expected) in [(1, 1), (2, 2), (3, 3), (4, 2), (6, 3), (8, 4), (12, 4), (20, 5), (40, 5), (1000, 25)] {
            let look = Look::of(panels, SheetWidth::Auto);
            assert_eq!(look.columns, expected, "{panels} panels");
            assert!(look.em >= 7.0);
        }
    }

    #[test]
    fn whoever_names_a_width_gets_the_columns_that_fit() {
        for (centimetres, groups, size, expected) in [
            (8.5, 1, 1, 1),
            (8.5, 40, 1, 2),
            (8.5, 3, 4, 2),
            (8.5, 5, 2, 2),
            (17.0, 40, 1, 4),
            (17.0, 5, 1, 3),
            (17.0, 5, 2, 4),
            (17.0, 1, 7, 4),
            (30.0, 9, 3, 6),
            (5.0, 9, 3, 1),
        ] {
            let look = Look::of_groups(groups, size, SheetWidth::Centimetres(centimetres));
            assert_eq!(look.columns, expected, "{groups} groups of {size} on {centimetres} cm");
            assert!((look.width - centimetres * 72.0 / 2.54).abs() < 1e-9);
        }
    }

    #[test]
    fn panels_do_not_touch() {
        for count in [1, 2, 3, 5, 8, 40, 113] {
            let look = Look::of(count, SheetWidth::Auto);
            let width = Panels::width(&look, 80.0, 12.0);
            let rows: Vec<Vec<f64>> = vec![20.0; count].chunks(look.columns).map(<[f64]>::to_vec).collect();
            let panels = Panels::place((40.0, 10.0), (width, 0.8 * width), &rows, (12.0, 8.0));
            assert_eq!(panels.frames.len(), count);
            for (i, a) in panels.frames.iter().enumerate() {
                assert!(a.right() <= look.width - 40.0 + 1e-9);
                for b in &panels.frames[i + 1..] {
                    assert!(a.right() < b.x || b.right() < a.x || a.bottom() < b.y - 20.0, "{a:?} {b:?}");
                }
            }
            assert_eq!((0..count).filter(|&i| panels.is_lowest(i)).count(), look.columns.min(count));
        }
    }
}

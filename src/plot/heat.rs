//! Heat maps: what share of a layer's or a neuron's activations lies where over the epochs, and how alike layers are.

use super::axes::{self, Axes};
use super::colormap::{Colormap, Rgb};
use super::epochs::EpochScale;
use super::infoplane::PANELS_PER_SHEET;
use super::layout::{Content, Group, Layout};
use super::legend::{Bar, Legend};
use super::sheet::{Frame, Look, SheetWidth};
use super::svg::Scene;
use super::ticks::Axis;

/// Columns of a panel at most: more are narrower than a dot of print.
const MOST_COLUMNS: usize = 160;
/// Steps of colour: more cannot be told apart, fewer shapes are drawn faster.
const STEPS: f64 = 96.0;

/// How far cells reach under their neighbours, in points.
const SEAM: f64 = 0.08;

/// A sheet of heat maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatFigure {
    /// Title of the sheet; may be empty.
    pub title: String,
    /// Labels of the x and the y axis.
    pub labels: (String, String),
    /// What colour shows.
    pub bar: String,
    /// Values are spread over the colours by their square root, from 0 to the largest there is: small ones are told apart. Else evenly from
    /// 0 to 1.
    pub root: bool,
    /// The groups.
    pub groups: Vec<HeatGroup>,
    /// The width of the sheet.
    pub width: SheetWidth,
}

/// The maps of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatGroup {
    /// Label of the experiment.
    pub title: String,
    /// What else the reader must know, in parts as for information planes.
    pub note: String,
    /// The maps.
    pub maps: Vec<HeatMap>,
}

/// One map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// What it shows of the experiment; may be empty.
    pub title: String,
    /// The columns: epochs, ascending; or, without any, places from 0.
    pub epochs: Vec<i64>,
    /// What the rows reach over, from below; `None`: places from 0.
    pub range: Option<(f64, f64)>,
    /// Values from 0 to 1, column by column, each from below. All columns are equally long. What is not finite is left blank.
    pub columns: Vec<Vec<f64>>,
}

/// How many experiments fit on a sheet of so many maps each.
#[must_use]
pub fn heat_groups_per_sheet(maps: usize) -> usize {
    (PANELS_PER_SHEET / maps.max(1)).max(1)
}

/// Draws the figure as SVG text.
#[must_use]
pub fn heat(figure: &HeatFigure) -> String {
    let nothing = [HeatGroup { maps: vec![HeatMap::default()], ..HeatGroup::default() }];
    let groups = if figure.groups.is_empty() { &nothing[..] } else { &figure.groups };
    let size = groups.iter().map(|group| group.maps.len()).max().unwrap_or(1);
    let look = Look::of_groups(groups.len(), size, figure.width);
    let maps: Vec<&HeatMap> = groups.iter().flat_map(|group| &group.maps).collect();
    let by_epoch = maps.iter().any(|map| !map.epochs.is_empty());
    let scale = EpochScale::over(maps.iter().flat_map(|map| &map.epochs).copied());
    let axes: Vec<(Axis, Axis)> = maps.iter().map(|map| axes_of(map, scale)).collect();
    let same = axes.iter().all(|(x, y)| Some(x) == axes.first().map(|a| &a.0) && Some(y) == axes.first().map(|a| &a.1));
    let all = maps.iter().flat_map(|map| &map.columns).flatten().copied().filter(|value| value.is_finite());
    let most = if figure.root { all.fold(0.02, f64::max).min(1.0) } else { 1.0 };
    let shade = Shade { root: figure.root, most };
    let marks = if figure.root { [0.0, 0.01, 0.05, 0.2, 0.5, 1.0] } else { [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] };
    let marks = marks.iter().filter(|&&value| value <= most);
    let ticks = marks.map(|&value| (shade.place(value), format!("{value}"))).collect();
    let groups = groups.iter().map(|group| Group {
        title: &group.title,
        note: &group.note,
        panels: group.maps.iter().map(|map| map.title.as_str()).collect(),
    });
    let layout = Layout::new(
        look,
        Content {
            title: &figure.title,
            groups: groups.collect(),
            labels: (&figure.labels.0, &figure.labels.1),
            legend: Legend::none(),
            bar: Some(Bar::values(ticks, Colormap::Viridis, &figure.bar)),
            y_room: axes.iter().map(|(_, y)| axes::label_width(y, &look)).fold(0.0, f64::max),
            own: (!by_epoch && !same, !same),
            aspect: (!by_epoch).then_some(1.0),
        },
    );
    layout.draw(|scene, i, frame, labels| {
        let (x, y) = &axes[i];
        let axes = Axes { x, y, inset: 0.0 };
        axes.draw(scene, &look, frame, labels);
        if maps[i].columns.iter().all(Vec::is_empty) {
            axes::draw_note(scene, &look, frame, "nothing recorded");
            return;
        }
        scene.clipped(frame.x, frame.y, frame.width, frame.height, |scene| draw_map(scene, shade, maps[i], x, frame));
        axes.draw_box(scene, &look, frame);
    })
}

fn axes_of(map: &HeatMap, scale: Option<EpochScale>) -> (Axis, Axis) {
    let x = match scale {
        Some(scale) if !map.epochs.is_empty() => Axis::epochs(scale),
        _ => Axis::places(map.columns.len()),
    };
    let rows = map.columns.first().map_or(0, Vec::len);
    let y = map.range.map_or_else(
        || Axis::places(rows),
        |(low, high)| Axis::between(low, high).unwrap_or_else(|| Axis::covering(low.min(0.0), high.max(1.0))),
    );
    (x, y)
}

/// How values become colours.
#[derive(Clone, Copy)]
struct Shade {
    root: bool,
    most: f64,
}

impl Shade {
    /// The place of a value on the colours.
    fn place(self, value: f64) -> f64 {
        let part = (value / self.most).clamp(0.0, 1.0);
        if self.root { part.sqrt() } else { part }
    }

    /// The colour of a value; none for what is no number.
    fn colour(self, value: f64) -> Option<Rgb> {
        value.is_finite().then(|| Colormap::Viridis.at((self.place(value) * STEPS).round() / STEPS))
    }
}

/// The cells of a map. Those of one colour that stand above one another are one shape.
fn draw_map(scene: &mut Scene, shade: Shade, map: &HeatMap, x: &Axis, frame: Frame) {
    let count = map.columns.len();
    let kept: Vec<usize> = if count <= MOST_COLUMNS {
        (0..count).collect()
    } else {
        (0..MOST_COLUMNS).map(|i| i * (count - 1) / (MOST_COLUMNS - 1)).collect()
    };
    let place =
        |column: usize| map.epochs.get(column).map_or_else(|| x.position(column as f64), |&epoch| x.position(epoch as f64));
    for (i, &column) in kept.iter().enumerate() {
        // A column reaches half-way to its neighbours, those at the ends to the edge.
        let middle = |j: usize| (place(kept[j]) + place(kept[j + 1])) / 2.0;
        let left = if i == 0 { 0.0 } else { middle(i - 1) };
        let right = if i + 1 == kept.len() { 1.0 } else { middle(i) };
        let values = &map.columns[column];
        let height = frame.height / values.len().max(1) as f64;
        let mut row = 0;
        while row < values.len() {
            let colour = shade.colour(values[row]);
            let mut above = row + 1;
            while above < values.len() && shade.colour(values[above]) == colour {
                above += 1;
            }
            if let Some(colour) = colour {
                let (from, to) = (frame.x + left * frame.width, frame.x + right * frame.width);
                // A cell reaches a little under those to its right and above, which are drawn later: rounding leaves no seam.
                let (top, tall) = (frame.bottom() - above as f64 * height, (above - row) as f64 * height);
                scene.cell(from, top - SEAM, to - from + SEAM, tall + SEAM, colour);
            }
            row = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::proof::assert_clean;

    fn map(title: &str, columns: usize, rows: usize) -> HeatMap {
        let value = |c: usize, r: usize| (c * r) as f64 / (columns * rows).max(1) as f64;
        HeatMap {
            title: title.to_owned(),
            epochs: (0..columns as i64).map(|i| i * i).collect(),
            range: Some((-1.0, 1.0)),
            columns: (0..columns).map(|c| (0..rows).map(|r| value(c, r)).collect()).collect(),
        }
    }

    fn figure(groups: usize, maps: usize, columns: usize) -> HeatFigure {
        let group = |i: usize| HeatGroup {
            title: format!("activation_fn=tanh, dataset=harmonics_zero_mean, max_norm_weights={i}"),
            note: "run 0".to_owned(),
            maps: (0..maps).map(|m| map(&format!("layer {m}"), columns, 30)).collect(),
        };
        HeatFigure {
            title: "cohort <b>".to_owned(),
            labels: ("epoch".to_owned(), "activation".to_owned()),
            bar: "share of activations".to_owned(),
            root: true,
            groups: (0..groups).map(group).collect(),
            width: SheetWidth::Auto,
        }
    }

    #[test]
    fn sheets_of_any_shape_are_clean() {
        for (groups, maps) in [(0, 1), (1, 1), (1, 2), (1, 6), (2, 4), (3, 6), (1, 31), (12, 6)] {
            for columns in [0, 1, 2, 40] {
                let figure = figure(groups, maps, columns);
                assert_clean(&heat(&figure));
                assert_clean(&heat(&HeatFigure { width: SheetWidth::Centimetres(8.5), ..figure }));
            }
        }
        let square = |n: usize| HeatMap { epochs: vec![], range: None, ..map("", n, n) };
        for (groups, n) in [(1, 6), (2, 5), (7, 6), (3, 40)] {
            let mut figure = figure(groups, 1, 1);
            figure.groups.iter_mut().for_each(|group| group.maps = vec![square(n)]);
            assert_clean(&heat(&figure));
            assert_clean(&heat(&HeatFigure { width: SheetWidth::Centimetres(8.5), ..figure }));
        }
    }

    #[test]
    fn cells_of_a_colour_are_one_shape_and_blanks_none() {
        let mut one = figure(1, 1, 1);
        one.groups[0].maps[0].columns = vec![vec![0.0, 0.0, 1.0, f64::NAN, 1.0]];
        let svg = heat(&one);
        assert_eq!(svg.matches("crispEdges").count(), 3);
        let mut wide = figure(1, 1, 1000);
        wide.groups[0].maps[0].columns.iter_mut().for_each(|column| *column = vec![1.0]);
        assert_eq!(heat(&wide).matches("crispEdges").count(), MOST_COLUMNS);
    }
}

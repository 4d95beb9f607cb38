//! Charts of any two quantities: lines and marks, a panel with axes of its own for each.

use super::axes::{self, Axes};
use super::layout::{Content, Group, Layout};
use super::legend::{Key, Legend, first_seen};
use super::markers;
use super::palette::{dash, hue};
use super::sheet::{Look, SheetWidth};
use super::svg::{Path, Scene, Stroke};
use super::ticks::Axis;

/// A sheet of charts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartFigure {
    /// Title of the sheet; may be empty.
    pub title: String,
    /// The panels.
    pub panels: Vec<ChartPanel>,
    /// The width of the sheet.
    pub width: SheetWidth,
}

/// One chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartPanel {
    /// Over the panel.
    pub title: String,
    /// What runs to the right, with its unit.
    pub x: ChartAxis,
    /// What runs upwards, with its unit.
    pub y: ChartAxis,
    /// What is drawn.
    pub series: Vec<ChartSeries>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartAxis {
    /// Quantity and unit.
    pub label: String,
    /// Logarithmic.
    pub log: bool,
}

/// Points of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartSeries {
    /// Name in the legend; the same name is the same colour in all panels. Empty: not in the legend.
    pub name: String,
    /// Joined by a line, or single marks.
    pub joined: bool,
    /// The points, in drawing order; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Part of an axis that stays free around the data.
const LITTLE: f64 = 0.01;

/// Draws the figure as SVG text.
#[must_use]
pub fn charts(figure: &ChartFigure) -> String {
    let look = Look::of(figure.panels.len().max(1), figure.width);
    let names = first_seen(figure.panels.iter().flat_map(|panel| &panel.series).map(|series| series.name.as_str()));
    let place = |series: &ChartSeries| names.iter().position(|name| *name == series.name).unwrap_or(0);
    let all: Vec<(Axis, Axis)> =
        figure.panels.iter().map(|panel| (axis_of(panel, &panel.x, |p| p.0), axis_of(panel, &panel.y, |p| p.1))).collect();
    let (labels, subtitles) = labels(&figure.panels);
    let groups = figure.panels.iter().zip(&subtitles);
    let groups = groups.map(|(panel, subtitle)| Group { title: &panel.title, note: "", panels: vec![subtitle] }).collect();
    let layout = Layout::new(
        look,
        Content {
            title: &figure.title,
            groups,
            labels,
            legend: Legend::new(&look, "", keys(figure, &names, look.em), look.width - 2.0 * look.em),
            bar: None,
            y_room: all.iter().map(|(_, y)| axes::label_width(y, &look)).fold(0.0, f64::max),
            own: (true, true),
            aspect: None,
        },
    );
    layout.draw(|scene, i, frame, labels| {
        let axes = Axes { x: &all[i].0, y: &all[i].1, inset: 0.4 * look.em };
        axes.draw(scene, &look, frame, labels);
        scene.clipped(frame.x, frame.y, frame.width, frame.height, |scene| {
            for series in &figure.panels[i].series {
                draw_series(scene, series, place(series), look.em, |x, y| axes.at(frame, x, y));
            }
        });
        axes.draw_box(scene, &look, frame);
    })
}

/// The keys of the names that are not empty: a line where any series of that name is joined, else a mark.
fn keys<'a>(figure: &ChartFigure, names: &[&'a str], em: f64) -> Vec<(&'a str, Key)> {
    let is_joined = |name: &str| figure.panels.iter().flat_map(|p| &p.series).any(|series| series.joined && series.name == name);
    let key = |i: usize, name: &str| {
        if is_joined(name) { Key::Line(hue(i), dash(i) * 0.1 * em) } else { Key::Mark(hue(i), i) }
    };
    names.iter().enumerate().filter(|(_, name)| !name.is_empty()).map(|(i, name)| (*name, key(i, name))).collect()
}

/// The axis of a panel that `of` takes the values of.
fn axis_of(panel: &ChartPanel, axis: &ChartAxis, of: fn(&(f64, f64)) -> f64) -> Axis {
    let points = panel.series.iter().flat_map(|series| &series.points);
    let values: Vec<f64> = points.map(of).filter(|value| value.is_finite()).collect();
    if axis.log {
        return Axis::log(values);
    }
    let (low, high) = values.iter().fold((0.0, 0.0), |(a, b): (f64, f64), &v| (a.min(v), b.max(v)));
    if !values.is_empty() && values.iter().all(|value| value.fract() == 0.0) {
        return Axis::covering_whole(low, high);
    }
    // An estimate a little below 0 still lies on the sheet, and takes no tick of its own.
    Axis::covering(if -low < LITTLE * high { 0.0 } else { low }, high)
}

/// The labels that all panels share, which stand once at the sheet's edge; and what each panel names itself.
fn labels(panels: &[ChartPanel]) -> ((&str, &str), Vec<String>) {
    let shared = |of: fn(&ChartPanel) -> &str| {
        let first = panels.first().map_or("", of);
        if panels.iter().all(|panel| of(panel) == first) { first } else { "" }
    };
    let (x, y) = (shared(|panel| &panel.x.label), shared(|panel| &panel.y.label));
    let subtitle = |panel: &ChartPanel| match (y.is_empty(), x.is_empty()) {
        (false, false) => String::new(),
        (true, false) => panel.y.label.clone(),
        (false, true) => format!("over {}", panel.x.label),
        (true, true) => format!("{} over {}", panel.y.label, panel.x.label),
    };
    ((x, y), panels.iter().map(subtitle).collect())
}

fn draw_series(scene: &mut Scene, series: &ChartSeries, place: usize, em: f64, at: impl Fn(f64, f64) -> (f64, f64)) {
    let points = series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).map(|&(x, y)| at(x, y));
    let mut path = Path::default();
    if series.joined {
        path.polyline(points);
        let stroke = Stroke { dash: dash(place) * 0.1 * em, ..Stroke::solid(hue(place), 0.15 * em) };
        scene.path(&path, None, Some(stroke));
    } else {
        points.for_each(|point| markers::add(&mut path, place, point, 0.24 * em));
        scene.path(&path, Some(hue(place)), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::proof::assert_clean;

    #[test]
    fn charts_are_clean_with_any_labels_and_values() {
        let series = |name: &str, joined| ChartSeries {
            name: name.to_owned(),
            joined,
            points: vec![(0.1, 1.0), (f64::NAN, 2.0), (10.0, -3.0), (100.0, f64::INFINITY)],
        };
        let panel = |label: &str, log| ChartPanel {
            title: "a <b> & \"c\"".to_owned(),
            x: ChartAxis { label: label.to_owned(), log },
            y: ChartAxis { label: "bits".to_owned(), log: false },
            series: vec![series("one", true), series("two", false), series("", false)],
        };
        for panels in [vec![], vec![panel("x", false)], vec![panel("x", true), panel("other", false), ChartPanel::default()]] {
            for width in [SheetWidth::Auto, SheetWidth::Centimetres(8.5)] {
                assert_clean(&charts(&ChartFigure { title: "charts".to_owned(), panels: panels.clone(), width }));
            }
        }
    }
}

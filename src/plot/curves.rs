//! Curves over the epochs of a training: a group of panels an experiment, a panel a quantity, a curve a layer or a split.
//!
//! A quantity has the same axes in all groups, so that experiments can be compared. Means are lines with a band around them, single runs
//! thin lines behind.

use super::axes::{self, Axes};
use super::epochs::{EpochScale, EpochSpread};
use super::infoplane::PANELS_PER_SHEET;
use super::layout::{Content, Group, Layout};
use super::legend::{Key, Legend, first_seen};
use super::palette::{dash, hue};
use super::sheet::{Look, SheetWidth};
use super::svg::{Path, Scene, Stroke};
use super::ticks::{Axis, is_sensible};

/// A sheet of curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurveFigure {
    /// Title of the sheet; may be empty.
    pub title: String,
    /// What the names of the curves are of; may be empty.
    pub word: String,
    /// The quantities of every group, in order.
    pub quantities: Vec<Quantity>,
    /// The groups.
    pub groups: Vec<CurveGroup>,
    /// How epochs are spread over the x axis.
    pub spread: EpochSpread,
    /// The width of the sheet.
    pub width: SheetWidth,
}

/// One quantity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantity {
    /// Its name, with the unit.
    pub name: String,
    /// Whether its axis is logarithmic.
    pub log: bool,
    /// What it can never be below and above: bands end there.
    pub bounds: (Option<f64>, Option<f64>),
}

/// The curves of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurveGroup {
    /// Label of the experiment.
    pub title: String,
    /// What else the reader must know, in parts as for information planes.
    pub note: String,
    /// The curves of each quantity.
    pub panels: Vec<Vec<Curve>>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Name in the legend; the same name is the same colour in all panels.
    pub name: String,
    /// Whether it is a single run behind the mean.
    pub faint: bool,
    /// Its points in order of epochs.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CurvePoint {
    /// The epoch; −1 is the untrained network.
    pub epoch: i64,
    /// The value.
    pub value: f64,
    /// Half-width of the band around it.
    pub half: Option<f64>,
}

/// How many experiments fit on a sheet of so many quantities.
#[must_use]
pub fn groups_per_sheet(quantities: usize) -> usize {
    (PANELS_PER_SHEET / quantities.max(1)).max(1)
}

/// Draws the figure as SVG text. Points that are not finite are left out, and those not above 0 on a logarithmic axis.
#[must_use]
pub fn curves(figure: &CurveFigure) -> String {
    let size = figure.quantities.len();
    let nothing = [CurveGroup { panels: vec![Vec::new(); size], ..CurveGroup::default() }];
    let groups = if figure.groups.is_empty() { &nothing[..] } else { &figure.groups };
    let look = Look::of_groups(groups.len(), size, figure.width);
    let all = || groups.iter().flat_map(|g| &g.panels).flatten();
    let epochs = all().flat_map(|curve| &curve.points).map(|point| point.epoch);
    let x = EpochScale::over(epochs).map_or_else(|| Axis::covering(0.0, 1.0), |scale| Axis::epochs(scale.spread(figure.spread)));
    let axes: Vec<Axis> = figure.quantities.iter().enumerate().map(|(i, quantity)| axis(quantity, groups, i)).collect();
    let names = first_seen(all().map(|curve| curve.name.as_str()));
    let keys = names.iter().enumerate().map(|(i, &name)| (name, Key::Line(hue(i), dash(i) * 0.1 * look.em)));
    let quantities: Vec<&str> = figure.quantities.iter().map(|quantity| quantity.name.as_str()).collect();
    let shown = groups.iter().map(|group| Group { title: &group.title, note: &group.note, panels: quantities.clone() });
    let layout = Layout::new(
        look,
        Content {
            title: &figure.title,
            groups: shown.collect(),
            labels: ("epoch", ""),
            legend: Legend::new(&look, &figure.word, keys, look.width - 2.0 * look.em),
            bar: None,
            y_room: axes.iter().map(|y| axes::label_width(y, &look)).fold(0.0, f64::max),
            own: (false, size > 1),
            aspect: None,
        },
    );
    layout.draw(|scene, i, frame, labels| {
        let (group, quantity) = (i / size, i % size);
        let axes = Axes { x: &x, y: &axes[quantity], inset: 0.3 * look.em };
        axes.draw(scene, &look, frame, labels);
        let curves = groups[group].panels.get(quantity).map_or(&[][..], Vec::as_slice);
        if let Some(why) = nothing_to_draw(curves, &figure.quantities[quantity]) {
            axes::draw_note(scene, &look, frame, why);
            return;
        }
        scene.clipped(frame.x, frame.y, frame.width, frame.height, |scene| {
            let place = |curve: &Curve| names.iter().position(|name| *name == curve.name).unwrap_or(0);
            let order = curves.iter().filter(|c| c.faint).chain(curves.iter().filter(|c| !c.faint));
            for curve in order {
                draw_curve(scene, curve, place(curve), look.em, &figure.quantities[quantity], |x, y| axes.at(frame, x, y));
            }
        });
        axes.draw_box(scene, &look, frame);
    })
}

/// The axis of a quantity over all groups.
fn axis(quantity: &Quantity, groups: &[CurveGroup], i: usize) -> Axis {
    let points = || groups.iter().filter_map(|group| group.panels.get(i)).flatten().flat_map(|curve| &curve.points);
    let values = points().map(|point| point.value).filter(|value| is_sensible(*value));
    if quantity.log {
        return Axis::log(values);
    }
    let bands = points().map(|point| band(quantity, point)).flat_map(|(lower, upper)| [lower, upper]);
    let (low, high) = values.clone().fold((0.0, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
    // A band that reaches far beyond the values is cut off, so that the curves stay legible.
    let margin = 0.25 * (high - low);
    let all = bands.filter(|v| v.is_finite()).map(|v| v.clamp(low - margin, high + margin)).chain([low, high]);
    Axis::covering_all(all)
}

/// The ends of the band around a point. On a logarithmic axis it reaches as far down as up.
fn band(quantity: &Quantity, point: &CurvePoint) -> (f64, f64) {
    let half = point.half.filter(|half| half.is_finite()).unwrap_or(0.0);
    let upper = point.value + half;
    let lower = if quantity.log && upper > 0.0 { point.value * point.value / upper } else { point.value - half };
    let (floor, roof) = quantity.bounds;
    // The value itself may lie beyond by a rounding error; the band never lies apart from it.
    (floor.map_or(lower, |floor| lower.max(floor)).min(point.value), roof.map_or(upper, |roof| upper.min(roof)).max(point.value))
}

/// One curve, in pieces where there are values, with its band.
fn draw_curve(scene: &mut Scene, curve: &Curve, place: usize, em: f64, quantity: &Quantity, at: impl Fn(f64, f64) -> (f64, f64)) {
    let drawable = |point: &&CurvePoint| point.value.is_finite() && (!quantity.log || point.value > 0.0);
    let mut line = Path::default();
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    let pieces = curve.points.split(|point| !drawable(&point)).filter(|piece| !piece.is_empty());
    for piece in pieces {
        let place = |p: &CurvePoint, value: f64| at(p.epoch as f64, value);
        if let [one] = piece {
            let (x, y) = place(one, one.value);
            line.polyline([(x - 0.15 * em, y), (x + 0.15 * em, y)]);
        } else {
            line.polyline(piece.iter().map(|p| place(p, p.value)));
        }
        for p in piece {
            let (below, above) = band(quantity, p);
            upper.push(place(p, above));
            lower.push(place(p, below));
        }
    }
    let colour = hue(place);
    if curve.points.iter().any(|p| p.half.is_some()) {
        let mut band = Path::default();
        band.polygon(upper.into_iter().chain(lower.into_iter().rev()));
        scene.veil(&band, colour, 0.2);
    }
    let (width, opacity) = if curve.faint { (0.06, 0.45) } else { (0.15, 1.0) };
    scene.path(&line, None, Some(Stroke { opacity, dash: dash(place) * 0.1 * em, ..Stroke::solid(colour, width * em) }));
}

/// Why a panel stays empty, if it does.
fn nothing_to_draw(curves: &[Curve], quantity: &Quantity) -> Option<&'static str> {
    let mut values = curves.iter().flat_map(|curve| &curve.points).map(|point| point.value).filter(|value| value.is_finite());
    match (values.next(), quantity.log) {
        (None, _) => Some("nothing recorded"),
        (Some(first), true) if first <= 0.0 && values.all(|value| value <= 0.0) => Some("0 all the time"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::proof::assert_clean;

    fn curve(name: &str, epochs: i64, value: impl Fn(f64) -> f64) -> Curve {
        let point = |epoch: i64| CurvePoint { epoch, value: value(epoch as f64), half: Some(0.3) };
        Curve { name: name.to_owned(), faint: false, points: (0..epochs).map(point).collect() }
    }

    fn figure(groups: usize, quantities: usize, epochs: i64) -> CurveFigure {
        let group = |i: usize| CurveGroup {
            title: ["tanh", "activation_fn=relu, max_norm_weights=0.8, dataset=harmonics_zero_mean <script>"][i % 2].to_owned(),
            note: format!("mean of {i} runs"),
            panels: (0..quantities)
                .map(|q| vec![curve("1", epochs, |e| q as f64 + e), curve("readout", epochs, |e| 1.0 / (1.0 + e))])
                .collect(),
        };
        let quantity = |q: usize| Quantity { name: format!("quantity {q} in bits"), log: q % 2 == 1, bounds: (Some(0.0), None) };
        CurveFigure {
            title: "a cohort".to_owned(),
            word: "layer".to_owned(),
            quantities: (0..quantities).map(quantity).collect(),
            groups: (0..groups).map(group).collect(),
            spread: EpochSpread::Auto,
            width: SheetWidth::Auto,
        }
    }

    #[test]
    fn sheets_of_any_shape_are_clean() {
        for (groups, quantities) in [(0, 2), (1, 1), (1, 2), (1, 4), (2, 2), (3, 4), (7, 2), (13, 2), (40, 1), (25, 4), (2, 7)] {
            for epochs in [0, 1, 40, 3000] {
                let figure = figure(groups, quantities, epochs);
                assert_clean(&curves(&figure));
                assert_clean(&curves(&CurveFigure { width: SheetWidth::Centimetres(8.5), ..figure }));
            }
        }
    }

    #[test]
    fn values_that_cannot_be_drawn_leave_a_gap() {
        let mut one = figure(1, 2, 5);
        for panel in &mut one.groups[0].panels {
            panel.truncate(1);
            panel[0].points[2].value = f64::NAN;
            panel[0].points[4].half = Some(f64::INFINITY);
        }
        one.groups[0].panels[1][0].points[0].value = -1.0;
        let svg = curves(&one);
        assert_clean(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let nothing = CurveFigure { quantities: one.quantities.clone(), ..CurveFigure::default() };
        assert_eq!(curves(&nothing).matches("nothing recorded").count(), 2);
        // Gradients of a dead network are 0, and there is no 0 on a logarithmic axis.
        one.groups[0].panels.iter_mut().flatten().flat_map(|curve| &mut curve.points).for_each(|point| point.value = 0.0);
        let logarithmic = one.quantities.iter().filter(|quantity| quantity.log).count();
        assert!(logarithmic > 0);
        assert_eq!(curves(&one).matches("0 all the time").count(), logarithmic);
    }

    #[test]
    fn a_band_keeps_within_its_bounds_and_around_its_value() {
        let quantity = |log| Quantity { name: String::new(), log, bounds: (Some(0.0), Some(1.0)) };
        let point = |value, half| CurvePoint { epoch: 0, value, half: Some(half) };
        assert_eq!(band(&quantity(false), &point(0.9, 0.3)), (0.6000000000000001, 1.0));
        assert_eq!(band(&quantity(false), &point(0.1, 0.3)), (0.0, 0.4));
        assert_eq!(band(&quantity(false), &point(1.0 + 1e-9, 0.0)), (1.0 + 1e-9, 1.0 + 1e-9));
        let (lower, upper) = band(&quantity(true), &point(0.1, 0.1));
        assert!((upper / 0.1 - 0.1 / lower).abs() < 1e-12);
    }
}

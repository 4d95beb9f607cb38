//! One panel of the information plane: axes, the polyline of every epoch, a marker for every layer.

use std::collections::BTreeMap;

use super::colormap::Colormap;
use super::epochs::EpochScale;
use super::infoplane::{PlanePanel, PlanePoint};
use super::markers;
use super::sheet::{Frame, GREY, GRID, INK, Look};
use super::svg::{Anchor, Path, Rgb, Scene, Stroke, TextStyle};
use super::text;
use super::ticks::Axis;

/// Larger than any information: such a value is an overflow and would leave nothing to see of the others.
const ABSURD: f64 = 1e9;

/// What all panels of a sheet share.
pub struct Plane<'a> {
    pub look: Look,
    pub x: Axis,
    pub y: Axis,
    /// Radius of a marker in points.
    pub radius: f64,
    /// `None` when no panel has a point.
    pub scale: Option<EpochScale>,
    pub map: Colormap,
    /// Names of all layers of the sheet; the position decides the marker.
    pub layers: Vec<&'a str>,
}

/// Which axis labels a panel carries.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    pub x: bool,
    pub y: bool,
}

/// Whether a point can be drawn.
pub fn is_drawable(point: &PlanePoint) -> bool {
    // NaN compares as false.
    point.i_xt.abs() < ABSURD && point.i_ty.abs() < ABSURD
}

impl Plane<'_> {
    /// Length of a tick.
    pub fn tick(&self) -> f64 {
        0.4 * self.look.em
    }

    /// Draws a panel into its frame; labels of the axes stand outside of it.
    pub fn draw(&self, scene: &mut Scene, panel: &PlanePanel, frame: Frame, labels: Labels) {
        self.draw_axes(scene, frame, labels);
        let epochs = self.by_epoch(panel, frame);
        let last = epochs.keys().next_back().copied();
        for (&epoch, markers) in &epochs {
            self.draw_epoch(scene, epoch, markers, Some(epoch) == last);
        }
        if epochs.is_empty() {
            let (x, y) = (frame.x + frame.width / 2.0, frame.y + frame.height / 2.0 + 0.36 * self.look.em);
            scene.text(x, y, "no finished run", TextStyle { colour: GREY, ..self.tick_style(Anchor::Middle) });
        }
    }

    /// The largest room that a tick label of the y axis takes.
    pub fn y_label_width(&self) -> f64 {
        self.y.ticks.iter().map(|&t| text::width(&self.y.label(t), self.look.em)).fold(0.0, f64::max)
    }

    fn tick_style(&self, anchor: Anchor) -> TextStyle {
        TextStyle { size: self.look.em, colour: INK, anchor, upwards: false }
    }

    /// Room between spine and outermost tick, so that a marker at the limit is not cut.
    fn inset(&self) -> f64 {
        markers::REACH * LAST_SCALE * self.radius
    }

    fn place_x(&self, frame: Frame, value: f64) -> f64 {
        let part = (value - self.x.low()) / (self.x.high() - self.x.low());
        frame.x + self.inset() + part * (frame.width - 2.0 * self.inset())
    }

    fn place_y(&self, frame: Frame, value: f64) -> f64 {
        let part = (value - self.y.low()) / (self.y.high() - self.y.low());
        frame.bottom() - self.inset() - part * (frame.height - 2.0 * self.inset())
    }

    fn draw_axes(&self, scene: &mut Scene, frame: Frame, labels: Labels) {
        let em = self.look.em;
        let spine = Stroke::solid(INK, 0.08 * em);
        let (mut grid, mut strokes) = (Path::default(), Path::default());
        for &tick in &self.x.ticks {
            let x = self.place_x(frame, tick);
            grid.polyline([(x, frame.y), (x, frame.bottom())]);
            strokes.polyline([(x, frame.bottom()), (x, frame.bottom() + self.tick())]);
        }
        for &tick in &self.y.ticks {
            let y = self.place_y(frame, tick);
            grid.polyline([(frame.x, y), (frame.right(), y)]);
            strokes.polyline([(frame.x, y), (frame.x - self.tick(), y)]);
        }
        scene.path(&grid, None, Some(Stroke::solid(GRID, 0.06 * em)));
        scene.path(&strokes, None, Some(spine));
        scene.rect(frame.x, frame.y, frame.width, frame.height, None, Some(spine));
        if labels.x {
            let widest = self.x.ticks.iter().map(|&t| text::width(&self.x.label(t), em)).fold(em, f64::max);
            for tick in self.x.labelled((frame.width / (1.5 * widest)) as usize) {
                let y = frame.bottom() + self.tick() + 1.05 * em;
                scene.text(self.place_x(frame, tick), y, &self.x.label(tick), self.tick_style(Anchor::Middle));
            }
        }
        if labels.y {
            for tick in self.y.labelled((frame.height / (1.7 * em)) as usize) {
                let (x, y) = (frame.x - self.tick() - 0.35 * em, self.place_y(frame, tick) + 0.36 * em);
                scene.text(x, y, &self.y.label(tick), self.tick_style(Anchor::End));
            }
        }
    }

    /// The panel's markers by epoch, each with its layer and place on the sheet, in the order of the layers.
    fn by_epoch(&self, panel: &PlanePanel, frame: Frame) -> BTreeMap<i64, Vec<Marker>> {
        let mut epochs: BTreeMap<i64, Vec<Marker>> = BTreeMap::new();
        for layer in &panel.layers {
            let shape = self.layers.iter().position(|name| *name == layer.name).unwrap_or(0);
            for point in layer.points.iter().filter(|p| is_drawable(p)) {
                let at = (self.place_x(frame, point.i_xt), self.place_y(frame, point.i_ty));
                epochs.entry(point.epoch).or_default().push(Marker { shape, at });
            }
        }
        epochs
    }

    /// One epoch: a line through the layers, and a marker on each; the last epoch's are larger and have a dark edge, to be told apart.
    fn draw_epoch(&self, scene: &mut Scene, epoch: i64, markers: &[Marker], last: bool) {
        let colour = self.map.at(self.scale.map_or(0.5, |scale| scale.position(epoch)));
        if markers.len() > 1 {
            let mut line = Path::default();
            line.polyline(markers.iter().map(|m| m.at));
            let (width, opacity) = if last { (0.5, 0.9) } else { (0.35, 0.25) };
            scene.path(&line, None, Some(Stroke { colour, width: width * self.radius, opacity }));
        }
        if last {
            // One by one, so that markers that overlap keep their edges.
            for marker in markers {
                let mut path = Path::default();
                markers::add(&mut path, marker.shape, marker.at, LAST_SCALE * self.radius);
                scene.path(&path, Some(colour), Some(Stroke::solid(INK, 0.35 * self.radius)));
            }
        } else {
            let mut path = Path::default();
            for marker in markers {
                markers::add(&mut path, marker.shape, marker.at, self.radius);
            }
            scene.path(&path, Some(colour), Some(Stroke { colour: EDGE, width: 0.12 * self.radius, opacity: 0.4 }));
        }
    }
}

/// Edge of all other markers: parts the shapes where they lie close.
const EDGE: Rgb = Rgb(255, 255, 255);

/// How much larger the last epoch's markers are.
const LAST_SCALE: f64 = 1.6;

/// A layer at an epoch, on the sheet.
struct Marker {
    shape: usize,
    at: (f64, f64),
}

//! One panel of the information plane: the polyline of every epoch, a marker for every layer, ellipses around the last.

use std::collections::BTreeMap;

use super::axes::{self, Axes, Labels};
use super::colormap::Colormap;
use super::epochs::EpochScale;
use super::infoplane::{PlanePanel, PlanePoint};
use super::markers;
use super::sheet::{Frame, INK, Look};
use super::svg::{Path, Rgb, Scene, Stroke};
use super::ticks::{Axis, is_sensible};

/// How a panel is drawn.
pub struct Plane<'a> {
    pub look: Look,
    pub x: &'a Axis,
    pub y: &'a Axis,
    /// Radius of a marker in points.
    pub radius: f64,
    /// `None` when no panel has a point.
    pub scale: Option<EpochScale>,
    pub map: Colormap,
    /// Names of all layers of the sheet; the position decides the marker.
    pub layers: &'a [&'a str],
}

/// Whether a point can be drawn.
pub fn is_drawable(point: &PlanePoint) -> bool {
    is_sensible(point.i_xt) && is_sensible(point.i_ty)
}

impl Plane<'_> {
    /// Draws a panel into its frame; labels of the axes stand outside of it.
    pub fn draw(&self, scene: &mut Scene, panel: &PlanePanel, frame: Frame, labels: Labels) {
        let axes = Axes { x: self.x, y: self.y, inset: markers::REACH * LAST_SCALE * self.radius };
        axes.draw(scene, &self.look, frame, labels);
        let epochs = self.by_epoch(panel, frame, axes);
        let last = epochs.keys().next_back().copied();
        let outside = panel.layers.iter().flat_map(|layer| &layer.points).any(|p| {
            let (x, y) = p.spread.unwrap_or_default();
            [-1.0, 1.0].iter().any(|side| !(self.x.holds(p.i_xt + side * x) && self.y.holds(p.i_ty + side * y)))
        });
        let draw = |scene: &mut Scene| {
            for (&epoch, markers) in &epochs {
                self.draw_epoch(scene, epoch, markers, Some(epoch) == last);
            }
        };
        if outside {
            scene.clipped(frame.x, frame.y, frame.width, frame.height, draw);
        } else {
            draw(scene);
        }
        if epochs.is_empty() {
            axes::draw_note(scene, &self.look, frame, "no finished run");
        }
    }

    /// The panel's markers by epoch, each with its layer and place on the sheet, in the order of the layers.
    fn by_epoch(&self, panel: &PlanePanel, frame: Frame, axes: Axes<'_>) -> BTreeMap<i64, Vec<Marker>> {
        let mut epochs: BTreeMap<i64, Vec<Marker>> = BTreeMap::new();
        for layer in &panel.layers {
            let shape = self.layers.iter().position(|name| *name == layer.name).unwrap_or(0);
            for point in layer.points.iter().filter(|p| is_drawable(p)) {
                let at = axes.at(frame, point.i_xt, point.i_ty);
                let ellipse = point.spread.map(|(x, y)| {
                    let (right, up) = axes.at(frame, point.i_xt + x, point.i_ty + y);
                    (right - at.0, at.1 - up)
                });
                epochs.entry(point.epoch).or_default().push(Marker { shape, at, ellipse });
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
            scene.path(&line, None, Some(Stroke { opacity, ..Stroke::solid(colour, width * self.radius) }));
        }
        if last {
            for Marker { at, ellipse, .. } in markers {
                if let Some((x, y)) = ellipse.filter(|(x, y)| x.is_finite() && y.is_finite()) {
                    let mut path = Path::default();
                    path.ellipse(at.0, at.1, x, y);
                    scene.veil(&path, colour, 0.12);
                    scene.path(&path, None, Some(Stroke::solid(INK, 0.25 * self.radius)));
                }
            }
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
            scene.path(&path, Some(colour), Some(Stroke { opacity: 0.4, ..Stroke::solid(EDGE, 0.12 * self.radius) }));
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
    /// Half-widths of an ellipse around it, on the sheet.
    ellipse: Option<(f64, f64)>,
}

//! A panel's axes: spines, grid lines, ticks, their labels, and where a value stands in the panel.

use super::sheet::{Frame, GREY, GRID, INK, Look};
use super::svg::{Anchor, Path, Scene, Stroke, TextStyle};
use super::text;
use super::ticks::Axis;

/// The axes of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    pub x: &'a Axis,
    pub y: &'a Axis,
    /// Room between spine and limit, so that a marker at the limit is not cut.
    pub inset: f64,
}

/// Which axis labels a panel carries.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    pub x: bool,
    pub y: bool,
}

/// Length of a tick.
pub fn tick(look: &Look) -> f64 {
    0.4 * look.em
}

/// The largest room that a tick label of a y axis takes.
pub fn label_width(axis: &Axis, look: &Look) -> f64 {
    axis.ticks.iter().map(|&t| text::width(&axis.label(t), look.em)).fold(0.0, f64::max)
}

/// Says in the middle of a panel why there is nothing in it.
pub fn draw_note(scene: &mut Scene, look: &Look, frame: Frame, why: &str) {
    let (x, y) = (frame.x + frame.width / 2.0, frame.y + frame.height / 2.0 + 0.36 * look.em);
    scene.text(x, y, why, TextStyle { size: look.em, colour: GREY, anchor: Anchor::Middle, upwards: false });
}

impl Axes<'_> {
    /// Where a value stands.
    pub fn at(&self, frame: Frame, x: f64, y: f64) -> (f64, f64) {
        let (width, height) = (frame.width - 2.0 * self.inset, frame.height - 2.0 * self.inset);
        let left = frame.x + self.inset + self.x.position(x) * width;
        (left, frame.bottom() - self.inset - self.y.position(y) * height)
    }

    /// Draws the axes; labels stand outside of the frame.
    pub fn draw(&self, scene: &mut Scene, look: &Look, frame: Frame, labels: Labels) {
        let em = look.em;
        let spine = Stroke::solid(INK, 0.08 * em);
        let (mut grid, mut strokes) = (Path::default(), Path::default());
        let (across, up) = (|x: f64| self.at(frame, x, self.y.low()).0, |y: f64| self.at(frame, self.x.low(), y).1);
        for (x, length) in lengths(self.x, look) {
            let x = across(x);
            if length == tick(look) {
                grid.polyline([(x, frame.y), (x, frame.bottom())]);
            }
            strokes.polyline([(x, frame.bottom()), (x, frame.bottom() + length)]);
        }
        for (y, length) in lengths(self.y, look) {
            let y = up(y);
            if length == tick(look) {
                grid.polyline([(frame.x, y), (frame.right(), y)]);
            }
            strokes.polyline([(frame.x, y), (frame.x - length, y)]);
        }
        scene.path(&grid, None, Some(Stroke::solid(GRID, 0.06 * em)));
        scene.path(&strokes, None, Some(spine));
        self.draw_box(scene, look, frame);
        let style = |anchor| TextStyle { size: em, colour: INK, anchor, upwards: false };
        if labels.x {
            let widest = self.x.ticks.iter().map(|&t| text::width(&self.x.label(t), em)).fold(em, f64::max);
            for value in self.x.labelled((frame.width / (1.5 * widest)) as usize) {
                let y = frame.bottom() + tick(look) + 1.05 * em;
                scene.text(across(value), y, &self.x.label(value), style(Anchor::Middle));
            }
        }
        if labels.y {
            for value in self.y.labelled((frame.height / (1.7 * em)) as usize) {
                let (x, y) = (frame.x - tick(look) - 0.35 * em, up(value) + 0.36 * em);
                scene.text(x, y, &self.y.label(value), style(Anchor::End));
            }
        }
    }

    /// Draws the frame alone: again, where data have covered it.
    pub fn draw_box(&self, scene: &mut Scene, look: &Look, frame: Frame) {
        scene.rect(frame.x, frame.y, frame.width, frame.height, None, Some(Stroke::solid(INK, 0.08 * look.em)));
    }
}

/// Ticks with the lengths of their strokes.
fn lengths(axis: &Axis, look: &Look) -> impl Iterator<Item = (f64, f64)> {
    let of = |length: f64| move |&value: &f64| (value, length);
    axis.ticks.iter().map(of(tick(look))).chain(axis.minor.iter().map(of(0.55 * tick(look))))
}

//! The movie of a training: planes with a point a layer that moves with the epochs, the accuracy below, and a counter of epochs.
//!
//! Colour shows the layer. The mean over runs is a large point with its trajectory behind it, single runs are small points.

use super::axes::{Axes, Labels};
use super::epochs::EpochScale;
use super::film::{FilmError, Frame as Shown, RATE, film};
use super::legend::{Key, Legend, first_seen};
use super::palette::hue;
use super::sheet::{Frame, GREY, INK, Look};
use super::svg::{Anchor, Path, Scene, Stroke, TextStyle};
use super::text;
use super::ticks::{Axis, is_sensible};

/// Panels of a movie at most: more are too small to follow.
pub const PANELS_PER_MOVIE: usize = 12;
/// Width of a picture in pixels.
const WIDTH: f64 = 1280.0;
/// How long the last epoch stays, in frames.
const REST: u32 = 2 * RATE;
/// Radius of the mean's points.
const RADIUS: f64 = 6.5;

/// A movie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MovieFigure {
    /// Title; may be empty.
    pub title: String,
    /// The panels, at most [`PANELS_PER_MOVIE`]; others are not shown.
    pub panels: Vec<MoviePanel>,
}

/// The plane of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MoviePanel {
    /// Label of the experiment.
    pub title: String,
    /// Names of the layers, input side first.
    pub layers: Vec<String>,
    /// The mean over runs.
    pub mean: Vec<MovieEpoch>,
    /// Single runs.
    pub runs: Vec<Vec<MovieEpoch>>,
    /// Accuracy by epoch: name of the examples, and the points.
    pub accuracy: Vec<(String, Vec<(i64, f64)>)>,
}

/// I(X;T) and I(T;Y) of the layers at one epoch; without a value nothing is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MovieEpoch {
    /// The epoch.
    pub epoch: i64,
    /// By layer.
    pub layers: Vec<Option<(f64, f64)>>,
}

/// Makes the movie: the bytes of an MP4 file.
///
/// # Errors
/// [`FilmError`], [`FilmError::Empty`] without any epoch.
pub fn movie(figure: &MovieFigure) -> Result<Vec<u8>, FilmError> {
    let panels = &figure.panels[..figure.panels.len().min(PANELS_PER_MOVIE)];
    let mut epochs: Vec<i64> = panels.iter().flat_map(|panel| &panel.mean).map(|at| at.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let Some(stage) = Stage::new(&figure.title, panels, &epochs) else { return Err(FilmError::Empty) };
    let last = epochs.len() - 1;
    let shown = |(i, &epoch): (usize, &i64)| Shown {
        lasting: if i == 0 { String::new() } else { stage.step(epochs[i - 1], epoch) },
        passing: stage.now(epoch),
        times: if i == last { REST } else { 1 },
    };
    let frames: Vec<Shown> = epochs.iter().enumerate().map(shown).collect();
    film(&stage.ground(), &frames)
}

/// Where everything stands.
struct Stage<'a> {
    title: &'a str,
    panels: &'a [MoviePanel],
    look: Look,
    size: (f64, f64),
    /// Of each panel: the plane's frame, the accuracy's, the lines of the title.
    places: Vec<(Frame, Frame, Vec<String>)>,
    axes: [Axis; 2],
    curves: [Axis; 2],
    names: Vec<&'a str>,
}

impl<'a> Stage<'a> {
    fn new(title: &'a str, panels: &'a [MoviePanel], epochs: &[i64]) -> Option<Self> {
        let scale = EpochScale::over(epochs.iter().copied())?;
        let look = Look { columns: 1, width: WIDTH, em: 14.0, label: 15.0, title: 16.0, heading: 21.0 };
        let em = look.em;
        let columns = match panels.len() {
            1 => 1,
            2 | 4 => 2,
            3 | 5 | 6 | 9 => 3,
            _ => 4,
        };
        let (left, gap) = (5.2 * em, 5.4 * em);
        let width = (WIDTH - left - 1.5 * em - (columns - 1) as f64 * gap) / columns as f64;
        let tall = width * if columns == 1 { 0.36 } else { 0.68 };
        let low = (0.3 * tall).clamp(70.0, 130.0);
        let mut places = Vec::new();
        let mut top = 3.6 * em;
        for row in panels.chunks(columns) {
            let titles: Vec<Vec<String>> = row.iter().map(|panel| text::wrap(&panel.title, look.title, width, 3)).collect();
            top += titles.iter().map(Vec::len).max().unwrap_or(0) as f64 * 1.22 * look.title + 0.4 * em;
            for (column, lines) in titles.into_iter().enumerate() {
                let plane = Frame { x: left + column as f64 * (width + gap), y: top, width, height: tall };
                let curve = Frame { y: plane.bottom() + 3.9 * em, height: low, ..plane };
                places.push((plane, curve, lines));
            }
            top += tall + low + 7.6 * em;
        }
        let points = || panels.iter().flat_map(|p| p.runs.iter().chain([&p.mean])).flatten().flat_map(|at| &at.layers).flatten();
        let axis = |value: fn(&(f64, f64)) -> f64| Axis::covering_all(points().map(value).filter(|v| is_sensible(*v)));
        let names = first_seen(panels.iter().flat_map(|panel| &panel.layers).map(String::as_str));
        let axes = [axis(|p| p.0), axis(|p| p.1)];
        Some(Self {
            title,
            panels,
            look,
            size: (WIDTH, top + 1.4 * em),
            places,
            axes,
            curves: [Axis::epochs(scale), Axis::covering(0.0, 1.0)],
            names,
        })
    }

    fn plane(&self) -> Axes<'_> {
        Axes { x: &self.axes[0], y: &self.axes[1], inset: 1.3 * RADIUS }
    }

    fn curve(&self) -> Axes<'_> {
        Axes { x: &self.curves[0], y: &self.curves[1], inset: 4.0 }
    }

    fn style(&self, size: f64, anchor: Anchor) -> TextStyle {
        TextStyle { size, colour: INK, anchor, upwards: false }
    }

    /// Everything that stays.
    fn ground(&self) -> String {
        let (look, em) = (&self.look, self.look.em);
        let mut scene = Scene::new(self.size.0, self.size.1, self.title);
        let room = WIDTH - 20.0 * em;
        if let Some(line) = text::wrap(self.title, look.heading, room, 1).first() {
            scene.text(1.0 * em, 2.0 * em, line, self.style(look.heading, Anchor::Start));
        }
        let (plane, curve) = (self.plane(), self.curve());
        for (panel, (frame, below, title)) in self.panels.iter().zip(&self.places) {
            for (i, line) in title.iter().rev().enumerate() {
                let y = frame.y - 0.5 * em - i as f64 * 1.22 * look.title;
                scene.text(frame.x, y, line, self.style(look.title, Anchor::Start));
            }
            let both = Labels { x: true, y: true };
            plane.draw(&mut scene, look, *frame, both);
            curve.draw(&mut scene, look, *below, both);
            let middle = frame.x + frame.width / 2.0;
            scene.text(middle, frame.bottom() + 2.9 * em, "I(X;T) in bits", self.style(look.label, Anchor::Middle));
            let upwards = TextStyle { upwards: true, ..self.style(look.label, Anchor::Middle) };
            scene.text(frame.x - 3.4 * em, frame.y + frame.height / 2.0, "I(T;Y) in bits", upwards);
            scene.text(below.x - 3.4 * em, below.y + below.height / 2.0, "accuracy", upwards);
            scene.text(middle, below.bottom() + 2.9 * em, "epoch", self.style(look.label, Anchor::Middle));
            for (i, (_, points)) in panel.accuracy.iter().enumerate() {
                let mut line = Path::default();
                line.polyline(points.iter().filter(|(_, y)| y.is_finite()).map(|&(x, y)| curve.at(*below, x as f64, y)));
                scene.path(&line, None, Some(Stroke { dash: 5.0 * i as f64, ..Stroke::solid(GREY, 1.6) }));
            }
        }
        let splits = self.panels.iter().map(|panel| &panel.accuracy).max_by_key(|accuracy| accuracy.len());
        let lines =
            splits.into_iter().flatten().enumerate().map(|(i, (name, _))| (name.as_str(), Key::Line(GREY, 5.0 * i as f64)));
        let layers = self.names.iter().enumerate().map(|(i, &name)| (name, Key::Line(hue(i), 0.0)));
        let legend = Legend::new(look, "layer", layers.chain(lines), WIDTH - 2.0 * em);
        legend.draw(&mut scene, look, WIDTH / 2.0, self.size.1 - 1.6 * em);
        scene.finish()
    }

    /// The trajectory of the means from one epoch to the next.
    fn step(&self, from: i64, to: i64) -> String {
        let mut scene = Scene::clear(self.size.0, self.size.1);
        let plane = self.plane();
        for (panel, (frame, ..)) in self.panels.iter().zip(&self.places) {
            let at = |epoch| panel.mean.binary_search_by_key(&epoch, |at| at.epoch).ok().map(|i| &panel.mean[i]);
            let Some((before, after)) = at(from).zip(at(to)) else { continue };
            for (layer, points) in before.layers.iter().zip(&after.layers).enumerate() {
                if let (Some(a), Some(b)) = points {
                    let stroke = Stroke { opacity: 0.7, ..Stroke::solid(self.hue(panel, layer), 2.0) };
                    scene.line(plane.at(*frame, a.0, a.1), plane.at(*frame, b.0, b.1), stroke);
                }
            }
        }
        scene.finish()
    }

    /// What is to be seen at one epoch alone.
    fn now(&self, epoch: i64) -> String {
        let mut scene = Scene::clear(self.size.0, self.size.1);
        let (plane, curve, em) = (self.plane(), self.curve(), self.look.em);
        let counter = format!("epoch {}", epoch.to_string().replace('-', "\u{2212}"));
        scene.text(WIDTH - 1.5 * em, 2.0 * em, &counter, self.style(self.look.heading, Anchor::End));
        for (panel, (frame, below, _)) in self.panels.iter().zip(&self.places) {
            for run in &panel.runs {
                for (layer, point) in latest(run, epoch).iter().enumerate() {
                    let mut dot = Path::default();
                    if let Some((x, y)) = point {
                        let (x, y) = plane.at(*frame, *x, *y);
                        dot.circle(x, y, 0.45 * RADIUS);
                    }
                    scene.veil(&dot, self.hue(panel, layer), 0.55);
                }
            }
            let means = latest(&panel.mean, epoch);
            let mut line = Path::default();
            line.polyline(means.iter().flatten().map(|(x, y)| plane.at(*frame, *x, *y)));
            scene.path(&line, None, Some(Stroke { opacity: 0.5, ..Stroke::solid(INK, 1.2) }));
            for (layer, point) in means.iter().enumerate() {
                let mut dot = Path::default();
                if let Some((x, y)) = point {
                    let (x, y) = plane.at(*frame, *x, *y);
                    dot.circle(x, y, RADIUS);
                }
                scene.path(&dot, Some(self.hue(panel, layer)), Some(Stroke::solid(INK, 1.2)));
            }
            let (x, _) = curve.at(*below, epoch as f64, 0.0);
            scene.line((x, below.y), (x, below.bottom()), Stroke::solid(INK, 1.6));
        }
        scene.finish()
    }

    /// The colour of a panel's layer: that of its name.
    fn hue(&self, panel: &MoviePanel, layer: usize) -> super::svg::Rgb {
        let name = panel.layers.get(layer).map_or("", String::as_str);
        hue(self.names.iter().position(|known| *known == name).unwrap_or(layer))
    }
}

/// The layers at an epoch, or at the last one before it that there is.
fn latest(trajectory: &[MovieEpoch], epoch: i64) -> &[Option<(f64, f64)>] {
    let after = trajectory.partition_point(|at| at.epoch <= epoch);
    after.checked_sub(1).map_or(&[], |i| &trajectory[i].layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::proof::assert_clean;

    fn way(epochs: &[i64], shift: f64) -> Vec<MovieEpoch> {
        let at = |&epoch: &i64| MovieEpoch {
            epoch,
            layers: (0..3).map(|layer| Some((f64::from(layer) + shift, 1.0 / (1.0 + epoch as f64)))).collect(),
        };
        epochs.iter().map(at).collect()
    }

    fn figure(count: usize, epochs: &[i64]) -> MovieFigure {
        let panel = |i: usize| MoviePanel {
            title: ["tanh", "activation_fn=relu, max_norm_weights=0.8, dataset=harmonics_zero_mean"][i % 2].to_owned(),
            layers: ["1", "2", "readout"].map(str::to_owned).into(),
            mean: way(epochs, 1.0),
            runs: vec![way(epochs, 0.9), way(epochs, 1.1)],
            accuracy: ["train", "test"].map(|name| (name.to_owned(), epochs.iter().map(|&e| (e, 0.7)).collect())).into(),
        };
        MovieFigure { title: "a cohort, training set <b>".to_owned(), panels: (0..count).map(panel).collect() }
    }

    #[test]
    fn the_ground_is_clean_for_any_number_of_panels() {
        for count in 1..=PANELS_PER_MOVIE {
            for epochs in [&[0][..], &[-1, 0, 1, 2, 50, 7999]] {
                let figure = figure(count, epochs);
                let stage = Stage::new(&figure.title, &figure.panels, epochs).unwrap();
                assert_clean(&stage.ground());
                assert!(stage.size.1 < 2160.0, "the encoder takes no more");
                assert_eq!(stage.now(epochs[0]).matches("epoch ").count(), 1);
            }
        }
    }

    #[test]
    fn a_movie_has_a_frame_an_epoch_and_waits_at_the_end() {
        let bytes = movie(&figure(2, &[0, 1, 2, 5])).unwrap();
        // The durations: how many samples, how long each; all are equal.
        let stts = bytes.windows(4).position(|window| window == b"stts").unwrap() + 4;
        let word = |i: usize| u32::from_be_bytes(bytes[stts + 4 * i..stts + 4 * i + 4].try_into().unwrap());
        let entries = word(1) as usize;
        assert_eq!((0..entries).map(|i| word(2 + 2 * i)).sum::<u32>(), 3 + REST);
        assert!(matches!(movie(&MovieFigure::default()), Err(FilmError::Empty)));
    }

    #[test]
    fn what_is_not_recorded_at_an_epoch_stays_where_it_was() {
        let way = way(&[0, 10], 0.0);
        assert_eq!(latest(&way, 5), &way[0].layers[..]);
        assert_eq!(latest(&way, 10), &way[1].layers[..]);
        assert!(latest(&way, -1).is_empty());
    }
}

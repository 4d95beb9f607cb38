//! The keys of a sheet: the colour bar, and the legend of layers or curves.

use super::colormap::{Colormap, Rgb};
use super::epochs::EpochScale;
use super::markers;
use super::sheet::{Frame, GREY, INK, Look, Panels};
use super::svg::{Anchor, Path, Scene, Stroke, TextStyle};
use super::text;

/// Colour steps of the bar.
const BANDS: usize = 128;
/// Highest colour bar, in units of the tick labels' size.
const MAX_BAR: f64 = 60.0;
/// Distance of the colour bar from the panels, in the same unit.
const BAR_GAP: f64 = 1.1;

/// Names in the order in which they come first: the place of each decides its colour, its dashes or its marker.
pub fn first_seen<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// What a colour bar shows.
#[derive(Clone, Debug)]
pub struct Bar<'a> {
    pub map: Colormap,
    pub label: &'a str,
    scale: Scale,
}

#[derive(Clone, Debug)]
enum Scale {
    Epochs(EpochScale),
    /// Places on the bar, 0 to 1, with their texts.
    Values(Vec<(f64, String)>),
}

impl<'a> Bar<'a> {
    /// The bar of epochs.
    pub fn epochs(scale: EpochScale, map: Colormap) -> Self {
        Self { map, label: "epoch", scale: Scale::Epochs(scale) }
    }

    /// A bar of values, with texts at places from 0 to 1, ascending.
    pub fn values(ticks: Vec<(f64, String)>, map: Colormap, label: &'a str) -> Self {
        Self { map, label, scale: Scale::Values(ticks) }
    }

    /// Places of the strokes with their texts, if they have one, when texts must be `gap` apart.
    fn ticks(&self, gap: f64) -> Vec<(f64, Option<String>)> {
        match &self.scale {
            Scale::Epochs(scale) => {
                let text = |epoch: i64| epoch.to_string().replace('-', "\u{2212}");
                scale.ticks(gap).iter().map(|t| (t.position, t.labelled.then(|| text(t.epoch)))).collect()
            }
            Scale::Values(ticks) => {
                let mut last = f64::NEG_INFINITY;
                let labelled = ticks.iter().map(|(place, text)| {
                    let fits = place - last >= gap;
                    last = if fits { *place } else { last };
                    (*place, fits.then(|| text.clone()))
                });
                labelled.collect()
            }
        }
    }

    /// Room that the bar needs to the right of the panels, its distance from them included.
    pub fn width(&self, look: &Look) -> f64 {
        let texts = self.ticks(0.0);
        let widest =
            texts.iter().filter_map(|(_, text)| text.as_ref()).map(|text| text::width(text, look.em)).fold(0.0, f64::max);
        (BAR_GAP + 1.65) * look.em + widest + 1.6 * look.label
    }

    /// Draws the bar to the right of the panels, along as many rows of them as is reasonable.
    pub fn draw(&self, scene: &mut Scene, look: &Look, panels: &Panels) {
        let (em, hull) = (look.em, panels.hull());
        let bar = Frame { x: hull.right() + BAR_GAP * em, y: hull.y, width: 0.9 * em, height: panels.rows_height(MAX_BAR * em) };
        let band = bar.height / BANDS as f64;
        let single = matches!(self.scale, Scale::Epochs(scale) if scale.is_single());
        for i in 0..BANDS {
            // From below; a band reaches into the next one, so that no seam shows between them.
            let y = bar.bottom() - (i + 1) as f64 * band;
            let position = if single { 0.5 } else { (i as f64 + 0.5) / BANDS as f64 };
            scene.rect(bar.x, y, bar.width, (1.5 * band).min(bar.bottom() - y), Some(self.map.at(position)), None);
        }
        let spine = Stroke::solid(INK, 0.08 * em);
        scene.rect(bar.x, bar.y, bar.width, bar.height, None, Some(spine));
        let style = TextStyle { size: em, colour: INK, anchor: Anchor::Start, upwards: false };
        for (position, text) in self.ticks(1.17 * em / bar.height) {
            let y = bar.bottom() - position * bar.height;
            let length = if text.is_some() { 0.35 * em } else { 0.2 * em };
            scene.line((bar.right(), y), (bar.right() + length, y), spine);
            if let Some(text) = text {
                scene.text(bar.right() + 0.6 * em, y + 0.36 * em, &text, style);
            }
        }
        let x = hull.right() + self.width(look) - 0.55 * look.label;
        let label = TextStyle { size: look.label, colour: INK, anchor: Anchor::Middle, upwards: true };
        scene.text(x, bar.y + bar.height / 2.0, self.label, label);
    }
}

fn draw_mark(scene: &mut Scene, shape: usize, at: (f64, f64), radius: f64, colour: Rgb) {
    let mut marker = Path::default();
    markers::add(&mut marker, shape, at, radius);
    scene.path(&marker, Some(colour), None);
}

/// What stands before a name in the legend.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// A layer's marker.
    Marker(usize),
    /// A curve's line: colour and length of its dashes.
    Line(Rgb, f64),
    /// A mark of a chart: colour and shape.
    Mark(Rgb, usize),
}

/// The legend, broken into rows of (name, key) with their widths.
#[derive(Debug)]
pub struct Legend<'a> {
    word: &'a str,
    rows: Vec<Vec<(&'a str, Key, f64)>>,
    /// Room of a key, in units of the smallest type.
    key: f64,
}

impl<'a> Legend<'a> {
    /// No legend.
    pub const fn none() -> Self {
        Self { word: "", rows: Vec::new(), key: 1.5 }
    }

    /// The legend in rows no wider than `max_width`; `word` says what the names are of.
    pub fn new(look: &Look, word: &'a str, names: impl IntoIterator<Item = (&'a str, Key)>, max_width: f64) -> Self {
        let names: Vec<(&str, Key)> = names.into_iter().collect();
        // A dashed line is known by two dashes, not by one.
        let dashed = names.iter().any(|(_, key)| matches!(key, Key::Line(_, dash) if *dash > 0.0));
        let room = if dashed { 2.7 } else { 1.5 };
        let mut rows: Vec<Vec<_>> = Vec::new();
        let mut left = 0.0;
        for (name, key) in names {
            let width = room * look.em + text::width(name, look.em) + 1.2 * look.em;
            match rows.last_mut() {
                Some(row) if width <= left => row.push((name, key, width)),
                _ => {
                    rows.push(vec![(name, key, width)]);
                    left = max_width - Self::word(look, word);
                }
            }
            left -= width;
        }
        Self { word, rows, key: room }
    }

    /// Height of the whole legend.
    pub fn height(&self, look: &Look) -> f64 {
        self.rows.len() as f64 * 1.5 * look.em
    }

    /// Draws the legend, centred at `centre`, from `top` on.
    pub fn draw(&self, scene: &mut Scene, look: &Look, centre: f64, top: f64) {
        let em = look.em;
        let style = |colour| TextStyle { size: em, colour, anchor: Anchor::Start, upwards: false };
        for (i, row) in self.rows.iter().enumerate() {
            let baseline = top + (i as f64 * 1.5 + 1.0) * em;
            let word = if i == 0 { Self::word(look, self.word) } else { 0.0 };
            let mut x = centre - (word + row.iter().map(|(_, _, width)| width).sum::<f64>() - 1.2 * em) / 2.0;
            if i == 0 && !self.word.is_empty() {
                scene.text(x, baseline, self.word, style(GREY));
            }
            x += word;
            for (name, key, width) in row {
                match *key {
                    Key::Marker(shape) => draw_mark(scene, shape, (x + 0.6 * em, baseline - 0.36 * em), 0.3 * em, GREY),
                    Key::Mark(colour, shape) => draw_mark(scene, shape, (x + 0.6 * em, baseline - 0.36 * em), 0.3 * em, colour),
                    Key::Line(colour, dash) => {
                        let y = baseline - 0.34 * em;
                        scene.line((x, y), (x + (self.key - 0.3) * em, y), Stroke { dash, ..Stroke::solid(colour, 0.2 * em) });
                    }
                }
                scene.text(x + self.key * em, baseline, name, style(INK));
                x += width;
            }
        }
    }

    /// Room of the word before the first row.
    fn word(look: &Look, word: &str) -> f64 {
        if word.is_empty() { 0.0 } else { text::width(word, look.em) + 1.0 * look.em }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_legend_breaks_into_rows_that_fit() {
        let names: Vec<String> = (1..=30).map(|i| i.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let look = Look::of(1, crate::plot::SheetWidth::Auto);
        let keys = names.iter().enumerate().map(|(i, &name)| (name, Key::Marker(i)));
        let legend = Legend::new(&look, "layer", keys, 200.0);
        assert!(legend.rows.len() > 1);
        assert_eq!(legend.rows.iter().map(Vec::len).sum::<usize>(), 30);
        for row in &legend.rows {
            assert!(row.iter().map(|(_, _, width)| width).sum::<f64>() + Legend::word(&look, "layer") <= 200.0);
        }
    }
}

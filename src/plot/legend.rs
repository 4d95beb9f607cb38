//! The keys of a sheet: the colour bar of epochs and the legend of layers.

use super::colormap::Colormap;
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

/// Room that the colour bar needs to the right of the panels, its distance from them included.
pub fn colour_bar_width(look: &Look, scale: EpochScale) -> f64 {
    let widest =
        scale.ticks(0.0).iter().filter(|t| t.labelled).map(|t| text::width(&minus(t.epoch), look.em)).fold(0.0, f64::max);
    (BAR_GAP + 1.65) * look.em + widest + 1.6 * look.label
}

/// Draws the colour bar to the right of the panels, along as many rows of them as is reasonable.
pub fn draw_colour_bar(scene: &mut Scene, look: &Look, panels: &Panels, scale: EpochScale, map: Colormap) {
    let (em, hull) = (look.em, panels.hull());
    let bar = Frame { x: hull.right() + BAR_GAP * em, y: hull.y, width: 0.9 * em, height: panels.rows_height(MAX_BAR * em) };
    let band = bar.height / BANDS as f64;
    for i in 0..BANDS {
        // From below; a band reaches into the next one, so that no seam shows between them.
        let y = bar.bottom() - (i + 1) as f64 * band;
        let position = if scale.is_single() { 0.5 } else { (i as f64 + 0.5) / BANDS as f64 };
        scene.rect(bar.x, y, bar.width, (1.5 * band).min(bar.bottom() - y), Some(map.at(position)), None);
    }
    let spine = Stroke::solid(INK, 0.08 * em);
    scene.rect(bar.x, bar.y, bar.width, bar.height, None, Some(spine));
    let style = TextStyle { size: em, colour: INK, anchor: Anchor::Start, upwards: false };
    for tick in scale.ticks(1.17 * em / bar.height) {
        let y = bar.bottom() - tick.position * bar.height;
        let length = if tick.labelled { 0.35 * em } else { 0.2 * em };
        scene.line((bar.right(), y), (bar.right() + length, y), spine);
        if tick.labelled {
            scene.text(bar.right() + 0.6 * em, y + 0.36 * em, &minus(tick.epoch), style);
        }
    }
    let x = hull.right() + colour_bar_width(look, scale) - 0.55 * look.label;
    let label = TextStyle { size: look.label, colour: INK, anchor: Anchor::Middle, upwards: true };
    scene.text(x, bar.y + bar.height / 2.0, "epoch", label);
}

/// A whole number with a true minus sign.
fn minus(epoch: i64) -> String {
    epoch.to_string().replace('-', "\u{2212}")
}

/// The legend of layers, broken into rows of (name, marker) with their widths.
pub struct Legend<'a> {
    rows: Vec<Vec<(&'a str, usize, f64)>>,
    look: Look,
}

impl<'a> Legend<'a> {
    /// The legend in rows no wider than `max_width`.
    pub fn new(look: &Look, layers: &[&'a str], max_width: f64) -> Self {
        let mut rows: Vec<Vec<_>> = Vec::new();
        let mut left = 0.0;
        for (i, &name) in layers.iter().enumerate() {
            let width = Self::key(look) + text::width(name, look.em) + 1.2 * look.em;
            match rows.last_mut() {
                Some(row) if width <= left => row.push((name, i, width)),
                _ => {
                    rows.push(vec![(name, i, width)]);
                    left = max_width - Self::word(look);
                }
            }
            left -= width;
        }
        Self { rows, look: *look }
    }

    /// Height of the whole legend.
    pub fn height(&self) -> f64 {
        self.rows.len() as f64 * 1.5 * self.look.em
    }

    /// Draws the legend, centred at `centre`, from `top` on.
    pub fn draw(&self, scene: &mut Scene, centre: f64, top: f64) {
        let em = self.look.em;
        let style = |colour| TextStyle { size: em, colour, anchor: Anchor::Start, upwards: false };
        for (i, row) in self.rows.iter().enumerate() {
            let baseline = top + (i as f64 * 1.5 + 1.0) * em;
            let word = if i == 0 { Self::word(&self.look) } else { 0.0 };
            let mut x = centre - (word + row.iter().map(|(_, _, width)| width).sum::<f64>() - 1.2 * em) / 2.0;
            if i == 0 {
                scene.text(x, baseline, "layer", style(GREY));
            }
            x += word;
            for (name, shape, width) in row {
                let mut marker = Path::default();
                markers::add(&mut marker, *shape, (x + 0.4 * em, baseline - 0.36 * em), 0.3 * em);
                scene.path(&marker, Some(GREY), None);
                scene.text(x + Self::key(&self.look), baseline, name, style(INK));
                x += width;
            }
        }
    }

    /// Room of a marker.
    fn key(look: &Look) -> f64 {
        1.1 * look.em
    }

    /// Room of the word before the first row.
    fn word(look: &Look) -> f64 {
        text::width("layer", look.em) + 1.0 * look.em
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_legend_breaks_into_rows_that_fit() {
        let names: Vec<String> = (1..=30).map(|i| i.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let look = Look::of(1);
        let legend = Legend::new(&look, &names, 200.0);
        assert!(legend.rows.len() > 1);
        assert_eq!(legend.rows.iter().map(Vec::len).sum::<usize>(), 30);
        for row in &legend.rows {
            assert!(row.iter().map(|(_, _, width)| width).sum::<f64>() + Legend::word(&look) <= 200.0);
        }
    }
}

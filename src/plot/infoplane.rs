//! The information plane: I(T;Y) against I(X;T) of every layer over the epochs of a training, a panel an experiment.
//!
//! Colour tells the epoch, the marker's shape the layer; a thin line joins the layers of an epoch. All panels have the same axes, so that they
//! can be compared.

use super::colormap::Colormap;
use super::epochs::EpochScale;
use super::legend::{self, Legend};
use super::plane::{Labels, Plane, is_drawable};
use super::sheet::{Frame, GREY, INK, LEADING, Look, Panels};
use super::svg::{Anchor, Scene, TextStyle};
use super::text;
use super::ticks::Axis;

/// A sheet of information planes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaneFigure {
    /// Title of the sheet; may be empty.
    pub title: String,
    /// The panels, row by row; without any, the sheet says so.
    pub panels: Vec<PlanePanel>,
}

/// The information plane of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanePanel {
    /// Label of the experiment.
    pub title: String,
    /// What else the reader must know, in parts separated by [`NOTE_SEPARATOR`]. Parts that all panels share are shown once, under the sheet's
    /// title.
    pub note: String,
    /// The layers from input to output; without any point, the panel says "no finished run".
    pub layers: Vec<PlaneLayer>,
}

/// One layer's way through the plane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaneLayer {
    /// Name in the legend; the same name is the same marker in all panels.
    pub name: String,
    /// The points in order of epochs.
    pub points: Vec<PlanePoint>,
}

/// A layer at one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlanePoint {
    /// The epoch; −1 is the untrained network.
    pub epoch: i64,
    /// I(X;T) in bits.
    pub i_xt: f64,
    /// I(T;Y) in bits.
    pub i_ty: f64,
}

/// The most panels that a sheet should have: beyond it the sheet is no page any more, and at about 2,000 panels of a long training the
/// rasteriser refuses the number of shapes. Whoever has more draws several sheets.
pub const PANELS_PER_SHEET: usize = 100;

/// Separates the parts of a panel's note.
pub const NOTE_SEPARATOR: &str = " · ";

/// Most lines of a title; what is longer is cut (the SVG keeps the whole of a panel's as its tool tip).
const MAX_LINES: usize = 8;

/// Draws the figure as SVG text. Points that are not finite are left out.
#[must_use]
pub fn infoplane(figure: &PlaneFigure) -> String {
    let nothing = [PlanePanel::default()];
    let panels = if figure.panels.is_empty() { &nothing[..] } else { &figure.panels };
    let look = Look::of(panels.len());
    let mut plane = plane(look, panels);
    let em = look.em;

    let left = 0.5 * em + LEADING * look.label + 0.4 * em + plane.y_label_width() + 0.35 * em + plane.tick();
    let right = plane.scale.map_or(1.5 * em, |scale| legend::colour_bar_width(&look, scale));
    let width = Panels::width(&look, left + right);
    plane.radius = (width * 0.011).clamp(0.8, 1.9);

    let notes = Notes::of(panels);
    let heading = Heading::new(&look, &figure.title, &notes.shared);
    let headers: Vec<Header> = panels.iter().zip(&notes.own).map(|(p, note)| Header::new(&look, &p.title, note, width)).collect();
    let heights: Vec<f64> = headers.iter().map(|h| h.height(&look)).collect();
    let placed = Panels::place(&look, left, heading.height(&look), width, &heights);
    let hull = placed.hull();
    let legend = Legend::new(&look, &plane.layers, look.width - 2.0 * em);
    let x_label = hull.bottom() + plane.tick() + 1.4 * em + look.label;
    let legend_top = x_label + 0.9 * em;

    let mut scene = Scene::new(look.width, legend_top + legend.height() + 0.3 * em, &figure.title);
    heading.draw(&mut scene, &look);
    for (i, (panel, frame)) in panels.iter().zip(&placed.frames).enumerate() {
        scene.group(&format!("{}\n{}", panel.title, panel.note), |scene| {
            headers[i].draw(scene, &look, *frame);
            plane.draw(scene, panel, *frame, Labels { x: placed.is_lowest(i), y: placed.is_leftmost(i) });
        });
    }
    let label = TextStyle { size: look.label, colour: INK, anchor: Anchor::Middle, upwards: false };
    scene.text(hull.x + hull.width / 2.0, x_label, "I(X;T) in bits", label);
    let upwards = TextStyle { upwards: true, ..label };
    scene.text(0.5 * em + 0.85 * look.label, hull.y + hull.height / 2.0, "I(T;Y) in bits", upwards);
    if let Some(scale) = plane.scale {
        legend::draw_colour_bar(&mut scene, &look, &placed, scale, plane.map);
    }
    legend.draw(&mut scene, look.width / 2.0, legend_top);
    scene.finish()
}

/// What the panels share: axes, colours, layers.
fn plane(look: Look, panels: &[PlanePanel]) -> Plane<'_> {
    let points = || panels.iter().flat_map(|p| &p.layers).flat_map(|l| &l.points).filter(|p| is_drawable(p));
    let axis = |value: fn(&PlanePoint) -> f64| {
        let (low, high) = points().map(value).fold((0.0, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
        Axis::covering(low, high)
    };
    Plane {
        look,
        x: axis(|p| p.i_xt),
        y: axis(|p| p.i_ty),
        radius: 1.0,
        scale: EpochScale::over(points().map(|p| p.epoch)),
        map: Colormap::default(),
        layers: layer_names(panels),
    }
}

/// Every layer's name once, in the order of the network; the names that only ever come last (the readout's) at the end.
fn layer_names(panels: &[PlanePanel]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let (inner, last) = (
        panels.iter().flat_map(|p| p.layers.split_last().map_or(&[][..], |(_, inner)| inner)),
        panels.iter().filter_map(|p| p.layers.last()),
    );
    for layer in inner.chain(last) {
        if !names.contains(&layer.name.as_str()) {
            names.push(&layer.name);
        }
    }
    names
}

/// The panels' notes, parted into what all share and what is each panel's own.
struct Notes {
    shared: String,
    own: Vec<String>,
}

impl Notes {
    fn of(panels: &[PlanePanel]) -> Self {
        let parts: Vec<Vec<&str>> = panels.iter().map(|p| p.note.split(NOTE_SEPARATOR).collect()).collect();
        let shared: Vec<&str> = match &parts[..] {
            [first, others @ ..] if !others.is_empty() => {
                first.iter().copied().filter(|part| others.iter().all(|o| o.contains(part))).collect()
            }
            _ => Vec::new(),
        };
        let own = parts.iter().map(|parts| {
            let own: Vec<&str> = parts.iter().copied().filter(|part| !shared.contains(part)).collect();
            own.join(NOTE_SEPARATOR)
        });
        Self { own: own.collect(), shared: shared.join(NOTE_SEPARATOR) }
    }
}

/// The sheet's title and what holds for all panels, in lines.
struct Heading {
    title: Vec<String>,
    note: Vec<String>,
}

impl Heading {
    fn new(look: &Look, title: &str, note: &str) -> Self {
        let width = look.width - 2.0 * look.em;
        let title = text::wrap_balanced(title, look.heading, width, MAX_LINES);
        Self { title, note: text::wrap_parts(note, NOTE_SEPARATOR, look.em, width) }
    }

    fn height(&self, look: &Look) -> f64 {
        let lines = self.title.len() as f64 * look.heading + self.note.len() as f64 * look.em;
        LEADING * lines + if lines > 0.0 { 1.6 * look.em } else { 0.8 * look.em }
    }

    fn draw(&self, scene: &mut Scene, look: &Look) {
        let mut y = 0.3 * look.em;
        for (lines, size, colour) in [(&self.title, look.heading, INK), (&self.note, look.em, GREY)] {
            y += 0.2 * look.em;
            for line in lines {
                y += LEADING * size;
                scene.text(look.width / 2.0, y, line, TextStyle { size, colour, anchor: Anchor::Middle, upwards: false });
            }
        }
    }
}

/// A panel's title and note, in lines that fit above it.
struct Header {
    title: Vec<String>,
    note: Vec<String>,
}

impl Header {
    fn new(look: &Look, title: &str, note: &str, width: f64) -> Self {
        let title = text::wrap(title, look.title, width, MAX_LINES);
        Self { title, note: text::wrap_parts(note, NOTE_SEPARATOR, look.em, width) }
    }

    fn height(&self, look: &Look) -> f64 {
        LEADING * (self.title.len() as f64 * look.title + self.note.len() as f64 * look.em) + 0.5 * look.em
    }

    /// Draws the lines upwards from the panel's upper edge, so that a short title stands close to its panel.
    fn draw(&self, scene: &mut Scene, look: &Look, frame: Frame) {
        let mut y = frame.y - 0.5 * look.em;
        for (lines, size, colour) in [(&self.note, look.em, GREY), (&self.title, look.title, INK)] {
            for line in lines.iter().rev() {
                scene.text(frame.x, y, line, TextStyle { size, colour, anchor: Anchor::Start, upwards: false });
                y -= LEADING * size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resvg::tiny_skia::Pixmap;
    use resvg::usvg;

    use super::*;
    use crate::plot::png;

    /// A panel of `layers` layers that walk through the plane for `epochs` epochs.
    fn panel(title: &str, layers: usize, epochs: i64) -> PlanePanel {
        let point = |layer: usize, epoch: i64| {
            let (depth, time) = (layer as f64 / layers as f64, epoch as f64 / epochs as f64);
            PlanePoint { epoch, i_xt: 12.0 - 8.0 * depth * time, i_ty: 1.0 - depth * (1.0 - time) }
        };
        let layer = |i: usize| PlaneLayer {
            name: if i + 1 == layers { "out".to_owned() } else { (i + 1).to_string() },
            points: (0..epochs).map(|epoch| point(i, epoch)).collect(),
        };
        let note = format!("binning, bin_width 0.07 · test accuracy 0.9{epochs} · n = 5");
        PlanePanel { title: title.to_owned(), note, layers: (0..layers).map(layer).collect() }
    }

    fn figure(title: &str, panels: Vec<PlanePanel>) -> PlaneFigure {
        PlaneFigure { title: title.to_owned(), panels }
    }

    fn parse(svg: &str) -> usvg::Tree {
        let mut options = usvg::Options { dpi: 72.0, ..usvg::Options::default() };
        options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
        usvg::Tree::from_str(svg, &options).unwrap()
    }

    /// All texts of a figure with the boxes that the rasteriser gives them.
    fn texts(group: &usvg::Group, found: &mut Vec<(String, usvg::Rect)>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => texts(group, found),
                usvg::Node::Text(text) => {
                    found.push((text.chunks().iter().map(usvg::TextChunk::text).collect(), text.abs_bounding_box()));
                }
                usvg::Node::Path(_) | usvg::Node::Image(_) => {}
            }
        }
    }

    /// Holds that no text leaves the sheet and no two texts overlap.
    fn assert_clean(figure: &PlaneFigure) {
        let tree = parse(&infoplane(figure));
        let mut found = Vec::new();
        texts(tree.root(), &mut found);
        let (width, height) = (tree.size().width(), tree.size().height());
        for (i, (text, a)) in found.iter().enumerate() {
            assert!(
                a.left() >= 0.0 && a.top() >= 0.0 && a.right() <= width && a.bottom() <= height,
                "{text:?} leaves the sheet: {a:?}"
            );
            for (other, b) in &found[i + 1..] {
                let apart = a.right() <= b.left() || b.right() <= a.left() || a.bottom() <= b.top() || b.bottom() <= a.top();
                assert!(apart, "{text:?} {a:?} overlaps {other:?} {b:?}");
            }
        }
    }

    const LONG: &str = "activation_fn=relu, max_norm_weights=0.8, initial_bias=-0.1, optimizer=adam, dataset=harmonics_zero_mean";

    #[test]
    fn no_text_overflows_or_overlaps() {
        for count in [1, 2, 3, 4, 5, 7, 8, 12, 13, 40] {
            for title in ["tanh", LONG, &"W".repeat(200)] {
                let panels = (0..count).map(|i| panel(title, 6, [30, 120, 1][i % 3])).collect();
                assert_clean(&figure(LONG, panels));
            }
        }
        assert_clean(&figure(&LONG.repeat(9), vec![panel("many layers", 40, 200)]));
    }

    #[test]
    fn degenerate_data_is_drawn() {
        let layer = |points: &[(i64, f64, f64)]| {
            let points = points.iter().map(|&(epoch, i_xt, i_ty)| PlanePoint { epoch, i_xt, i_ty }).collect();
            PlanePanel { title: "x".to_owned(), note: String::new(), layers: vec![PlaneLayer { name: "out".to_owned(), points }] }
        };
        let cases: [&[(i64, f64, f64)]; 8] = [
            &[(0, 0.0, 0.0)],
            &[(0, -0.0, -1e-16), (1, 0.0, 0.0)],
            &[(5, 3.0, 0.5); 4],
            &[(-1, 1.0, 1.0), (0, 2.0, 0.5)],
            &[(0, 1.0, 1.0), (1_000_000, 2.0, 0.5)],
            &[(0, -0.5, 1e-7), (1, 2e-3, 3e-7)],
            &[(0, 25_000.0, 123.0), (i64::MAX, 1.0, 1.0), (i64::MIN, 1.0, 1.0)],
            &[(0, f64::NAN, 1.0), (1, f64::INFINITY, 1.0), (2, 1e300, -1e300)],
        ];
        for points in cases {
            assert_clean(&figure("degenerate", vec![layer(points)]));
            assert_clean(&figure("degenerate", vec![layer(points), layer(&[])]));
        }
        let tiny = infoplane(&figure("", vec![layer(&[(0, -1e-16, -0.0)])]));
        assert!(tiny.contains(">0.0<") && !tiny.contains(">-0"), "a rounding error has made the axis negative");
    }

    #[test]
    fn a_panel_without_points_says_so() {
        let says = |figure: &PlaneFigure| infoplane(figure).matches("no finished run").count();
        assert_eq!(says(&figure("", Vec::new())), 1);
        assert_eq!(says(&figure("", vec![panel("a", 3, 5), panel("b", 0, 0), panel("c", 2, 0)])), 2);
        assert_clean(&figure("", Vec::new()));
    }

    #[test]
    fn shared_notes_stand_once_and_own_notes_with_their_panel() {
        let svg = infoplane(&figure("t", vec![panel("a", 2, 11), panel("b", 2, 22)]));
        let shown = |text: &str| svg.matches(&format!(">{text}<")).count();
        assert_eq!(shown("binning, bin_width 0.07 · n = 5"), 1);
        assert_eq!((shown("test accuracy 0.911"), shown("test accuracy 0.922")), (1, 1));
    }

    #[test]
    fn the_readout_comes_last_in_the_legend() {
        let panels = [panel("a", 1, 3), panel("b", 3, 3), panel("c", 4, 3)];
        assert_eq!(layer_names(&panels), ["1", "2", "3", "out"]);
    }

    #[test]
    fn every_point_of_every_epoch_is_drawn_late_ones_on_top() {
        let svg = infoplane(&figure("t", vec![panel("a", 3, 20)]));
        let document = usvg::roxmltree::Document::parse(&svg).unwrap();
        let fills = document.descendants().filter(|n| n.tag_name().name() == "path");
        let fills: Vec<&str> = fills.filter_map(|n| n.attribute("fill")).filter(|f| *f != "none").collect();
        // One path an epoch, and one a layer for the last; then the legend.
        assert_eq!(fills.len(), 19 + 3 + 3);
        assert_eq!((fills[0], fills[21]), ("#440154", "#fde725"));
    }

    #[test]
    fn the_same_figure_has_the_same_bytes_and_a_picture() {
        let sheet = figure("t & <t>", vec![panel("a", 3, 150), panel(LONG, 5, 40)]);
        let svg = infoplane(&sheet);
        assert_eq!(svg, infoplane(&sheet.clone()));
        let tree = parse(&svg);
        let bytes = png(&svg, 2.0).unwrap();
        assert_eq!(bytes, png(&svg, 2.0).unwrap());
        let picture = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!(picture.width(), (tree.size().width() * 2.0).round() as u32);
        assert_eq!(picture.height(), (tree.size().height() * 2.0).round() as u32);
        let coloured = picture.pixels().iter().filter(|p| p.red().abs_diff(p.blue()) > 60).count();
        assert!(coloured > picture.pixels().len() / 200, "{coloured} coloured pixels");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_label_stays_inside_its_place(title in "\\PC{0,120}", note in "[ -~·]{0,80}", count in 1..9usize, heading in "\\PC{0,60}") {
            let one = PlanePanel { title, note, ..panel("", 2, 3) };
            assert_clean(&figure(&heading, vec![one; count]));
        }
    }
}

//! The information plane: I(T;Y) against I(X;T) of every layer over the epochs of a training, a panel an experiment.
//!
//! Colour shows the epoch, the marker's shape the layer; a thin line joins the layers of an epoch. Panels have the same axes, so that they
//! can be compared, unless each is to have its own.

use super::axes;
use super::colormap::Colormap;
use super::epochs::{EpochScale, EpochSpread};
use super::layout::{Content, Group, Layout};
use super::legend::{Bar, Key, Legend, first_seen};
use super::plane::{Plane, is_drawable};
use super::sheet::{Look, SheetWidth};
use super::ticks::Axis;

/// A sheet of information planes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlaneFigure {
    /// Title of the sheet; may be empty.
    pub title: String,
    /// The panels, row by row; without any, the sheet says so.
    pub panels: Vec<PlanePanel>,
    /// How they are drawn.
    pub style: PlaneStyle,
}

/// How information planes are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlaneStyle {
    /// The colours of epochs.
    pub map: Colormap,
    /// How epochs are spread over the colours.
    pub spread: EpochSpread,
    /// The limits of the axes.
    pub limits: PlaneLimits,
    /// The width of the sheet.
    pub width: SheetWidth,
}

/// The limits of the axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PlaneLimits {
    /// The same for all panels, from 0 on, so that they hold all points.
    #[default]
    Common,
    /// The same for each panel alone.
    Free,
    /// These, x then y; what lies outside is not drawn. As [`PlaneLimits::Common`] where they are no limits: not finite, or not ascending.
    Fixed((f64, f64), (f64, f64)),
}

/// The information plane of one experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanePanel {
    /// Label of the experiment.
    pub title: String,
    /// What else the reader must know, in parts separated by [`NOTE_SEPARATOR`](super::NOTE_SEPARATOR). Parts that all panels share are
    /// shown once, under the sheet's title.
    pub note: String,
    /// The layers from input to output; without any point, the panel says "no finished run".
    pub layers: Vec<PlaneLayer>,
}

/// One layer's trajectory in the plane.
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
    /// Half-widths of an ellipse around the point, drawn for the last epoch.
    pub spread: Option<(f64, f64)>,
}

/// The most panels that a sheet should have: beyond it the sheet is no page any more, and at about 2,000 panels of a long training the
/// rasteriser refuses the number of shapes. Whoever has more draws several sheets.
pub const PANELS_PER_SHEET: usize = 100;

/// Draws the figure as SVG text. Points that are not finite are left out.
#[must_use]
pub fn infoplane(figure: &PlaneFigure) -> String {
    let nothing = [PlanePanel::default()];
    let panels = if figure.panels.is_empty() { &nothing[..] } else { &figure.panels };
    let look = Look::of(panels.len(), figure.style.width);
    let axes = axes_of(panels, figure.style.limits);
    let points = panels.iter().flat_map(|p| &p.layers).flat_map(|l| &l.points).filter(|p| is_drawable(p));
    let scale = EpochScale::over(points.map(|p| p.epoch)).map(|scale| scale.spread(figure.style.spread));
    let layers = layer_names(panels);
    let keys = layers.iter().enumerate().map(|(i, &name)| (name, Key::Marker(i)));
    let free = figure.style.limits == PlaneLimits::Free;
    let groups = panels.iter().map(|panel| Group { title: &panel.title, note: &panel.note, panels: vec![""] });
    let layout = Layout::new(
        look,
        Content {
            title: &figure.title,
            groups: groups.collect(),
            labels: ("I(X;T) in bits", "I(T;Y) in bits"),
            legend: Legend::new(&look, "layer", keys, look.width - 2.0 * look.em),
            bar: scale.map(|scale| Bar::epochs(scale, figure.style.map)),
            y_room: axes.iter().map(|(_, y)| axes::label_width(y, &look)).fold(0.0, f64::max),
            own: (free, free),
            aspect: None,
        },
    );
    let radius = (layout.panel_width() * 0.011).clamp(0.8, 1.9);
    layout.draw(|scene, i, frame, labels| {
        let (x, y) = &axes[if axes.len() > 1 { i } else { 0 }];
        let plane = Plane { look, x, y, radius, scale, map: figure.style.map, layers: &layers };
        plane.draw(scene, &panels[i], frame, labels);
    })
}

/// The axes of all panels, or of each.
fn axes_of(panels: &[PlanePanel], limits: PlaneLimits) -> Vec<(Axis, Axis)> {
    match limits {
        PlaneLimits::Free => panels.iter().map(|panel| covering(std::slice::from_ref(panel))).collect(),
        PlaneLimits::Fixed((x0, x1), (y0, y1)) => match (Axis::between(x0, x1), Axis::between(y0, y1)) {
            (Some(x), Some(y)) => vec![(x, y)],
            _ => vec![covering(panels)],
        },
        PlaneLimits::Common => vec![covering(panels)],
    }
}

/// The axes that hold all points of these panels, with the ellipses around the last ones.
fn covering(panels: &[PlanePanel]) -> (Axis, Axis) {
    let points = || panels.iter().flat_map(|p| &p.layers).flat_map(|l| &l.points).filter(|p| is_drawable(p));
    let lasts = || panels.iter().flat_map(|p| &p.layers).filter_map(|l| l.points.last()).filter(|p| is_drawable(p));
    let axis = |value: fn(&PlanePoint) -> f64, half: fn((f64, f64)) -> f64| {
        let around = lasts().filter_map(|p| Some((value(p), half(p.spread?)))).flat_map(|(v, half)| [v - half, v + half]);
        let all = points().map(value).chain(around.filter(|v| v.is_finite()));
        Axis::covering_all(all)
    };
    (axis(|p| p.i_xt, |half| half.0), axis(|p| p.i_ty, |half| half.1))
}

/// Every layer's name once, in the order of the network; the names that only ever come last (the readout's) at the end.
fn layer_names(panels: &[PlanePanel]) -> Vec<&str> {
    let (inner, last) = (
        panels.iter().flat_map(|p| p.layers.split_last().map_or(&[][..], |(_, inner)| inner)),
        panels.iter().filter_map(|p| p.layers.last()),
    );
    first_seen(inner.chain(last).map(|layer| layer.name.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resvg::tiny_skia::Pixmap;
    use resvg::usvg;

    use super::*;
    use crate::plot::png;
    use crate::plot::proof::{self, parse};

    /// A panel of `layers` layers that walk through the plane for `epochs` epochs.
    fn panel(title: &str, layers: usize, epochs: i64) -> PlanePanel {
        let point = |layer: usize, epoch: i64| {
            let (depth, time) = (layer as f64 / layers as f64, epoch as f64 / epochs as f64);
            PlanePoint { epoch, i_xt: 12.0 - 8.0 * depth * time, i_ty: 1.0 - depth * (1.0 - time), spread: None }
        };
        let layer = |i: usize| PlaneLayer {
            name: if i + 1 == layers { "out".to_owned() } else { (i + 1).to_string() },
            points: (0..epochs).map(|epoch| point(i, epoch)).collect(),
        };
        let note = format!("binning, bin_width 0.07 · test accuracy 0.9{epochs} · n = 5");
        PlanePanel { title: title.to_owned(), note, layers: (0..layers).map(layer).collect() }
    }

    fn figure(title: &str, panels: Vec<PlanePanel>) -> PlaneFigure {
        PlaneFigure { title: title.to_owned(), panels, style: PlaneStyle::default() }
    }

    fn assert_clean(figure: &PlaneFigure) {
        proof::assert_clean(&infoplane(figure));
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
            let points = points.iter().map(|&(epoch, i_xt, i_ty)| PlanePoint { epoch, i_xt, i_ty, spread: None }).collect();
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
    fn every_way_of_drawing_is_clean() {
        let limits = [
            PlaneLimits::Common,
            PlaneLimits::Free,
            PlaneLimits::Fixed((0.0, 18.0), (0.0, 3.5)),
            PlaneLimits::Fixed((3.0, 4.0), (0.2, 0.3)),
            PlaneLimits::Fixed((1.0, 0.0), (f64::NAN, 1.0)),
        ];
        for (limits, count) in limits.into_iter().flat_map(|limits| [1, 2, 3, 7, 40].map(|count| (limits, count))) {
            let mut panels: Vec<_> = (0..count).map(|i| panel(["tanh", LONG][i % 2], 1 + i % 6, [30, 120, 1][i % 3])).collect();
            panels.iter_mut().flat_map(|p| &mut p.layers).flat_map(|l| &mut l.points).for_each(|p| p.spread = Some((0.4, 0.02)));
            for width in [SheetWidth::Auto, SheetWidth::Centimetres(8.5), SheetWidth::Centimetres(30.0)] {
                let style = PlaneStyle { map: Colormap::Gnuplot, spread: EpochSpread::Log, limits, width };
                assert_clean(&PlaneFigure { style, ..figure("every way", panels.clone()) });
            }
        }
    }

    #[test]
    fn ellipses_stand_around_the_last_points_and_inside_the_axes() {
        let mut one = panel("a", 3, 20);
        one.layers.iter_mut().flat_map(|l| &mut l.points).for_each(|p| p.spread = Some((1.5, 0.1)));
        let svg = infoplane(&figure("t", vec![one.clone()]));
        assert_eq!(svg.matches("fill-opacity").count(), 3);
        let (x, _) = covering(&[one]);
        assert!(x.high() >= 12.0 + 1.5);
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

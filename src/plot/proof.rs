//! What every figure is tested for: no text leaves the sheet, no two texts overlap, all is SVG that the rasteriser understands.

use resvg::usvg;

/// The tree of an SVG document, set in the figures' font.
pub fn parse(svg: &str) -> usvg::Tree {
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
pub fn assert_clean(svg: &str) {
    let tree = parse(svg);
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

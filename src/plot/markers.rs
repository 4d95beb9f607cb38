//! Marker shapes: one a layer, told apart without colour.

use super::svg::Path;

/// Outlines in units of the radius, clockwise on the sheet (y downwards), scaled to look equally large. The circle comes before them.
const OUTLINES: [&[(f64, f64)]; 9] = [
    &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    &[(0.0, -1.35), (1.2, 0.8), (-1.2, 0.8)],
    &[(0.0, -1.35), (1.1, 0.0), (0.0, 1.35), (-1.1, 0.0)],
    &[(0.0, 1.35), (-1.2, -0.8), (1.2, -0.8)],
    &[
        (0.0, -1.5),
        (0.39, -0.53),
        (1.43, -0.46),
        (0.62, 0.2),
        (0.88, 1.21),
        (0.0, 0.65),
        (-0.88, 1.21),
        (-0.62, 0.2),
        (-1.43, -0.46),
        (-0.39, -0.53),
    ],
    &[
        (-0.42, -1.3),
        (0.42, -1.3),
        (0.42, -0.42),
        (1.3, -0.42),
        (1.3, 0.42),
        (0.42, 0.42),
        (0.42, 1.3),
        (-0.42, 1.3),
        (-0.42, 0.42),
        (-1.3, 0.42),
        (-1.3, -0.42),
        (-0.42, -0.42),
    ],
    &[(-1.35, 0.0), (0.8, -1.2), (0.8, 1.2)],
    &[(1.35, 0.0), (-0.8, 1.2), (-0.8, -1.2)],
    &[(-0.6, -1.04), (0.6, -1.04), (1.2, 0.0), (0.6, 1.04), (-0.6, 1.04), (-1.2, 0.0)],
];

/// How far a marker may reach from its centre, in units of the radius.
pub const REACH: f64 = 1.5;

/// Size of the hole in a marker, in units of the marker.
const HOLE: f64 = 0.45;

/// Adds the marker of layer `layer` with centre (x, y) and radius `r`. After ten layers the shapes begin again with a hole, after twenty without.
pub fn add(path: &mut Path, layer: usize, (x, y): (f64, f64), r: f64) {
    let shapes = OUTLINES.len() + 1;
    let shape = layer % shapes;
    match shape {
        0 => path.circle(x, y, r),
        i => path.polygon(OUTLINES[i - 1].iter().map(|(dx, dy)| (x + dx * r, y + dy * r))),
    }
    if layer / shapes % 2 == 1 {
        // The other way round: what lies within both is outside.
        let hole = OUTLINES[shape.saturating_sub(1)].iter().rev();
        path.polygon(hole.map(|(dx, dy)| (x + dx * HOLE * r, y + dy * HOLE * r)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_are_clockwise_within_reach_and_of_like_area() {
        for outline in OUTLINES {
            let next = outline.iter().cycle().skip(1);
            let area: f64 = outline.iter().zip(next).map(|((x, y), (u, v))| (x * v - u * y) / 2.0).sum();
            assert!((1.8..4.5).contains(&area), "{outline:?}: {area}");
            assert!(outline.iter().all(|(x, y)| x * x + y * y <= REACH * REACH + 0.01), "{outline:?}");
        }
    }
}

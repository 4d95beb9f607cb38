//! Colours that tell kinds apart, by whoever sees them.

use super::svg::Rgb;

/// Okabe and Ito's colours without the pale yellow, ordered so that neighbours differ in lightness, too; grey at the end.
const HUES: [Rgb; 8] = [
    Rgb(0x00, 0x72, 0xb2),
    Rgb(0xe6, 0x9f, 0x00),
    Rgb(0x00, 0x9e, 0x73),
    Rgb(0xd5, 0x5e, 0x00),
    Rgb(0x56, 0xb4, 0xe9),
    Rgb(0xb0, 0x4f, 0x88),
    Rgb(0x26, 0x26, 0x26),
    Rgb(0x8c, 0x8c, 0x8c),
];

/// The colour of the i-th kind; after eight they begin again.
#[must_use]
pub const fn hue(i: usize) -> Rgb {
    HUES[i % HUES.len()]
}

/// Length of the dashes of the i-th kind's lines, in line widths: kinds of the same colour differ in it.
pub fn dash(i: usize) -> f64 {
    [0.0, 6.0, 2.5, 12.0][(i / HUES.len()).min(3)]
}

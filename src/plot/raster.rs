//! SVG to PNG: the only place that knows the rasteriser and the font.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use thiserror::Error;

/// Pixels a point of a picture for print: 300 dots an inch.
pub const PRINT_SCALE: f32 = 300.0 / 72.0;
/// The most pixels of one picture (256 MB while it is drawn).
const MAX_PIXELS: f32 = 64e6;

/// Why a figure could not be rasterised.
#[derive(Debug, Error)]
pub enum RasterError {
    /// The text is not an SVG document that the rasteriser understands.
    #[error("cannot read the figure's SVG; expected a document as the figures of this program write it")]
    Svg(#[source] resvg::usvg::Error),
    /// The picture would have no pixels or there is no memory for it.
    #[error(
        "cannot draw a picture of {width} × {height} points at {scale} pixels a point; expected a scale above 0 and at least one pixel"
    )]
    Size {
        /// Width of the sheet in points.
        width: f32,
        /// Height of the sheet in points.
        height: f32,
        /// The scale asked for.
        scale: f32,
    },
    /// The PNG encoder failed.
    #[error("cannot encode the picture as PNG: {0}")]
    Encode(String),
}

/// Draws an SVG with `scale` pixels a point (1/72 inch) and returns the bytes of a PNG file that knows its printed size.
///
/// A sheet that would have more than 64 million pixels is drawn with fewer pixels a point, so that a figure of many panels still comes
/// out. The only font is DejaVu Sans, carried by the program: the picture is the same on every machine.
///
/// # Errors
/// When `svg` is not an SVG document or `scale` is not a positive number.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, RasterError> {
    let tree = Tree::from_str(svg, &options()).map_err(RasterError::Svg)?;

    let (width, height) = (tree.size().width(), tree.size().height());
    let size = || RasterError::Size { width, height, scale };
    let (bounded, columns, rows) = pixels(width, height, scale).ok_or_else(size)?;
    let mut pixmap = Pixmap::new(columns, rows).ok_or_else(size)?;
    resvg::render(&tree, Transform::from_scale(bounded, bounded), &mut pixmap.as_mut());
    let mut bytes = pixmap.encode_png().map_err(|e| RasterError::Encode(e.to_string()))?;
    declare_resolution(&mut bytes, bounded);
    Ok(bytes)
}

/// How figures are read: in points, with the one font.
pub(super) fn options() -> Options<'static> {
    let mut options = Options { dpi: 72.0, font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    options
}

/// The scale that keeps a sheet below [`MAX_PIXELS`] and the pixels (columns, rows) at it; `None` if there would be none.
fn pixels(width: f32, height: f32, scale: f32) -> Option<(f32, u32, u32)> {
    let bounded = scale.min((MAX_PIXELS / (width * height)).sqrt());
    // A cast of NaN or of a negative number is 0.
    let [columns, rows] = [width, height].map(|points| (points * bounded).round() as u32);
    (scale.is_finite() && columns > 0 && rows > 0).then_some((bounded, columns, rows))
}

/// Length of a PNG's signature and header chunk, which are always the same.
const HEADER_END: usize = 8 + 25;

/// Adds the chunk that tells the printed size (`pHYs`: pixels a metre), right after the header.
fn declare_resolution(png: &mut Vec<u8>, scale: f32) {
    let per_metre = ((scale * 72.0 / 0.0254).round() as u32).to_be_bytes();
    let mut chunk = b"\0\0\0\x09pHYs".to_vec();
    chunk.extend(per_metre);
    chunk.extend(per_metre);
    chunk.push(1);
    let sum = crc32(&chunk[4..]);
    chunk.extend(sum.to_be_bytes());
    png.splice(HEADER_END..HEADER_END, chunk);
}

/// The checksum of PNG chunks (ISO 3309, reflected polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |s, _| (s >> 1) ^ (0xedb8_8320 & (s & 1).wrapping_neg())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='36pt' height='18pt' viewBox='0 0 36 18'>\
        <rect width='36' height='18' fill='#fff'/><text x='2' y='14' font-family='DejaVu Sans' font-size='12'>I(X)</text></svg>";

    #[test]
    fn a_picture_has_its_size_its_resolution_and_its_text() {
        let bytes = png(SQUARE, PRINT_SCALE).unwrap();
        let picture = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (150, 75));
        let dark = picture.pixels().iter().filter(|p| p.red() < 64).count();
        assert!((300..3000).contains(&dark), "{dark} dark pixels: the text is missing or a blot");
        assert_eq!(&bytes[37..41], b"pHYs");
        assert_eq!(u32::from_be_bytes([bytes[41], bytes[42], bytes[43], bytes[44]]), 11811);
    }

    #[test]
    fn the_checksum_is_that_of_png() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_huge_sheet_gets_fewer_dots() {
        let (scale, columns, rows) = pixels(9000.0, 4500.0, 4.0).unwrap();
        assert!(scale < 1.3 && columns.abs_diff(2 * rows) <= 1);
        assert!((0.99..1.001).contains(&(columns as f32 * rows as f32 / MAX_PIXELS)));
        assert_eq!(pixels(100.0, 50.0, 4.0), Some((4.0, 400, 200)));
    }

    #[test]
    fn bad_input_is_an_error() {
        assert!(matches!(png("not svg", 1.0), Err(RasterError::Svg(_))));
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(png(SQUARE, scale), Err(RasterError::Size { .. })), "{scale}");
        }
    }
}

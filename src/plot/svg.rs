//! The scene: shapes and text in the order of drawing, written as SVG.
//!
//! Coordinates are points (1/72 inch), y downwards, written with two decimals. Every text is escaped here, so that a label is always shown
//! as text whatever it holds.

use std::fmt::{self, Display, Write};

/// A colour of the screen (sRGB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(
    /// Red.
    pub u8,
    /// Green.
    pub u8,
    /// Blue.
    pub u8,
);

impl Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Stroke {
    pub colour: Rgb,
    pub width: f64,
    /// 0 (invisible) to 1.
    pub opacity: f64,
    /// Length of dashes and of the gaps between them; 0 for an unbroken line.
    pub dash: f64,
}

impl Stroke {
    /// An opaque line.
    pub const fn solid(colour: Rgb, width: f64) -> Self {
        Self { colour, width, opacity: 1.0, dash: 0.0 }
    }
}

/// Which end of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// Font size in points.
    pub size: f64,
    pub colour: Rgb,
    pub anchor: Anchor,
    /// Reads upwards instead of to the right.
    pub upwards: bool,
}

/// A length with at most two decimals; never `-0`, never anything but a number.
struct Length(f64);

impl Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round();
        // Also catches NaN, which compares as false.
        if !(hundredths.abs() >= 1.0 && hundredths.is_finite()) {
            return f.write_str("0");
        }
        let text = format!("{:.2}", hundredths / 100.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// An outline under construction.
#[derive(Clone, Debug, Default)]
pub struct Path(String);

impl Path {
    /// Whether nothing has been drawn.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a line through `points`, open.
    pub fn polyline(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        for (i, (x, y)) in points.into_iter().enumerate() {
            let command = if i == 0 { 'M' } else { 'L' };
            self.put(format_args!("{command}{} {}", Length(x), Length(y)));
        }
    }

    /// Adds a closed polygon. Points in clockwise order on the sheet, so that overlapping shapes of one path unite.
    pub fn polygon(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        self.polyline(points);
        self.0.push('Z');
    }

    /// Adds a circle, clockwise.
    pub fn circle(&mut self, x: f64, y: f64, r: f64) {
        let (left, d) = (x - r, 2.0 * r);
        let (r, d) = (Length(r), (Length(d), Length(-d)));
        self.put(format_args!("M{} {}a{r} {r} 0 1 1 {} 0a{r} {r} 0 1 1 {} 0Z", Length(left), Length(y), d.0, d.1));
    }

    /// Adds an ellipse with half-widths `a` and `b`.
    pub fn ellipse(&mut self, x: f64, y: f64, a: f64, b: f64) {
        let (left, d) = (x - a, 2.0 * a);
        let (a, b, d) = (Length(a), Length(b), (Length(d), Length(-d)));
        self.put(format_args!("M{} {}a{a} {b} 0 1 1 {} 0a{a} {b} 0 1 1 {} 0Z", Length(left), Length(y), d.0, d.1));
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

/// A sheet of given size with what has been drawn on it so far.
#[derive(Debug)]
pub struct Scene {
    width: f64,
    height: f64,
    title: String,
    body: String,
    clips: usize,
}

impl Scene {
    /// A white sheet of `width` × `height` points; `title` is for readers that show or speak a title.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut scene = Self { width, height, title: title.to_owned(), body: String::new(), clips: 0 };
        scene.rect(0.0, 0.0, width, height, Some(Rgb(255, 255, 255)), None);
        scene
    }

    /// A sheet that lets through what it is laid upon.
    pub fn clear(width: f64, height: f64) -> Self {
        Self { width, height, title: String::new(), body: String::new(), clips: 0 }
    }

    /// A rectangle by its upper left corner and size.
    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Option<Rgb>, stroke: Option<Stroke>) {
        let (x, y, width, height) = (Length(x), Length(y), Length(width), Length(height));
        self.put(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{}/>\n", Paint(fill, stroke)));
    }

    /// A cell of a table of colours: without soft edges, so that no seam shows between neighbours.
    pub fn cell(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Rgb) {
        let (x, y, width, height) = (Length(x), Length(y), Length(width), Length(height));
        self.put(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\" shape-rendering=\"crispEdges\"/>\n"
        ));
    }

    /// An outline, filled, stroked or both. An empty one draws nothing.
    pub fn path(&mut self, path: &Path, fill: Option<Rgb>, stroke: Option<Stroke>) {
        if !path.is_empty() {
            self.put(format_args!("<path d=\"{}\"{}/>\n", path.0, Paint(fill, stroke)));
        }
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        let mut path = Path::default();
        path.polyline([from, to]);
        self.path(&path, None, Some(stroke));
    }

    /// A text on the baseline that starts, centres or ends at (x, y).
    pub fn text(&mut self, x: f64, y: f64, text: &str, style: TextStyle) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, size) = (Length(x), Length(y), Length(style.size));
        let place =
            if style.upwards { format!("transform=\"translate({x} {y}) rotate(-90)\"") } else { format!("x=\"{x}\" y=\"{y}\"") };
        self.put(format_args!("<text {place} font-size=\"{size}\" fill=\"{}\"{anchor}>{}</text>\n", style.colour, Escaped(text)));
    }

    /// Draws the group's content by `draw`; `title` is shown by viewers when the pointer rests on it.
    pub fn group(&mut self, title: &str, draw: impl FnOnce(&mut Self)) {
        self.put(format_args!("<g><title>{}</title>\n", Escaped(title)));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// An outline filled with a colour that lets through what is behind: `opacity` from 0 (invisible) to 1.
    pub fn veil(&mut self, path: &Path, colour: Rgb, opacity: f64) {
        if !path.is_empty() {
            self.put(format_args!("<path d=\"{}\" fill=\"{colour}\" fill-opacity=\"{}\"/>\n", path.0, Length(opacity)));
        }
    }

    /// Draws by `draw`, cut off outside of the rectangle.
    pub fn clipped(&mut self, x: f64, y: f64, width: f64, height: f64, draw: impl FnOnce(&mut Self)) {
        let (x, y, width, height, id) = (Length(x), Length(y), Length(width), Length(height), self.clips);
        self.clips += 1;
        self.put(format_args!(
            "<clipPath id=\"c{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/></clipPath><g clip-path=\"url(#c{id})\">\n"
        ));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// The whole document.
    pub fn finish(self) -> String {
        let (width, height) = (Length(self.width), Length(self.height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\" stroke-linejoin=\"round\">\n<title>{}</title>\n{}</svg>\n",
            Escaped(&self.title),
            self.body
        )
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(text);
    }
}

/// The attributes of filling and stroking.
struct Paint(Option<Rgb>, Option<Stroke>);

impl Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(colour) => write!(f, " fill=\"{colour}\"")?,
            None => f.write_str(" fill=\"none\"")?,
        }
        let Some(stroke) = self.1 else { return Ok(()) };
        write!(f, " stroke=\"{}\" stroke-width=\"{}\"", stroke.colour, Length(stroke.width))?;
        if stroke.dash > 0.0 {
            write!(f, " stroke-dasharray=\"{}\"", Length(stroke.dash))?;
        }
        if stroke.opacity < 1.0 { write!(f, " stroke-opacity=\"{}\"", Length(stroke.opacity)) } else { Ok(()) }
    }
}

/// Text for XML content: markup escaped, characters that XML 1.0 cannot hold replaced by U+FFFD.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use resvg::usvg::roxmltree::{Document, Node};

    use super::*;

    const STYLE: TextStyle = TextStyle { size: 7.0, colour: Rgb(0, 0, 0), anchor: Anchor::Start, upwards: false };

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</text><script>alert('x')</script> & \"quoted\" ]]> \u{0}\u{1b}";
        let mut scene = Scene::new(10.0, 10.0, hostile);
        scene.group(hostile, |s| s.text(1.0, 2.0, hostile, STYLE));
        let svg = scene.finish();
        assert!(!svg.contains("<script"));
        let document = Document::parse(&svg).unwrap();
        assert!(document.descendants().all(|n| n.tag_name().name() != "script"));
        let shown = hostile.replace(['\u{0}', '\u{1b}'], "\u{fffd}");
        let texts: Vec<_> = document.descendants().filter(Node::is_text).map(|n| n.text().unwrap_or("").trim()).collect();
        assert_eq!(texts.iter().filter(|t| **t == shown).count(), 3, "{texts:?}");
    }

    #[test]
    fn lengths_are_short_and_always_numbers() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (-0.001, "0"),
            (1.0, "1"),
            (10.0, "10"),
            (1.255, "1.25"),
            (-3.1, "-3.1"),
            (100.5, "100.5"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ];
        for (value, text) in cases {
            let written = Length(value).to_string();
            assert!(written == text || (value == 1.255 && written == "1.26"), "{value}: {written}");
        }
    }
}

//! How wide a text is, and where it breaks into lines.
//!
//! Widths are those of DejaVu Sans, the font that figures are drawn with: the advances of printable ASCII are kept here, every other character
//! counts with at least its true width, so a text that fits here fits on the sheet.

/// Advances of the characters U+0020 to U+007E in 1/2048 of the font size.
const ASCII: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430, 1577, 1294, 1178, 1587, 1540, 604, 604,
    1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024,
    1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803, 1298,
    1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];
/// The space at which no line breaks.
const NO_BREAK: char = '\u{a0}';
/// Advance of the Latin, Greek and Cyrillic letters beyond ASCII: none is wider.
const LETTER: f64 = 1.1;
/// Advance of anything else: the font's widest sign.
const WIDEST: f64 = 1.74;

/// Width of one character in units of the font size.
fn advance(c: char) -> f64 {
    let ascii = u32::from(c).checked_sub(32).and_then(|i| ASCII.get(i as usize));
    match (ascii, c) {
        (Some(&units), _) => f64::from(units) / 2048.0,
        (None, '·' | NO_BREAK) => 651.0 / 2048.0,
        (None, '\u{2212}') => 1716.0 / 2048.0,
        (None, '⁰' | '⁴'..='⁹' | '¹' | '²' | '³') => 0.41,
        (None, '⁻') => 0.54,
        (None, '\u{a0}'..='\u{17f}' | '\u{370}'..='\u{45f}' | '…') => LETTER,
        _ => WIDEST,
    }
}

/// Width of a text set in one line, in the unit of `size`.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// Breaks a text into at most `max_lines` lines no wider than `max_width`: at spaces (not at those without a break), else after a joint such as `=` or `_`, else anywhere.
/// What does not fit is cut and marked by `…`. White space is normalised; an empty text has no lines.
pub fn wrap(text: &str, size: f64, max_width: f64, max_lines: usize) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() && c != NO_BREAK).filter(|word| !word.is_empty());
    let normal = words.collect::<Vec<_>>().join(" ");
    let mut rest = normal.as_str();
    let mut lines = Vec::new();
    while !rest.is_empty() && lines.len() < max_lines {
        if width(rest, size) <= max_width {
            lines.push(rest.to_owned());
            return lines;
        }
        if lines.len() + 1 == max_lines {
            let kept = &rest[..fitting(rest, max_width - width("…", size), size)];
            lines.push(format!("{}…", kept.trim_end()));
            return lines;
        }
        let (line, next) = rest.split_at(break_at(rest, fitting(rest, max_width, size)));
        lines.push(line.trim_end().to_owned());
        rest = next.trim_start();
    }
    lines
}

/// [`wrap`] with lines of about equal length, for centred text: as narrow as they can be without one more line.
pub fn wrap_balanced(text: &str, size: f64, max_width: f64, max_lines: usize) -> Vec<String> {
    let widest = wrap(text, size, max_width, usize::MAX);
    if widest.len() > max_lines {
        return wrap(text, size, max_width, max_lines);
    }
    let narrower = (10..20).map(|part| wrap(text, size, max_width * f64::from(part) / 20.0, usize::MAX));
    narrower.into_iter().find(|lines| lines.len() == widest.len()).unwrap_or(widest)
}

/// Breaks a text between its parts, which `separator` joins; a part too wide for a line is broken as by [`wrap`].
pub fn wrap_parts(text: &str, separator: &str, size: f64, max_width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(separator).filter(|part| !part.trim().is_empty()) {
        let longer = lines.last().map(|line| format!("{line}{separator}{part}")).filter(|line| width(line, size) <= max_width);
        match (lines.last_mut(), longer) {
            (Some(line), Some(longer)) => *line = longer,
            _ => lines.extend(wrap(part, size, max_width, usize::MAX)),
        }
    }
    lines
}

/// Bytes of the longest prefix that fits into `max_width`; at least one character.
fn fitting(text: &str, max_width: f64, size: f64) -> usize {
    let mut used = 0.0;
    for (i, c) in text.char_indices() {
        used += advance(c) * size;
        if used > max_width && i > 0 {
            return i;
        }
    }
    text.len()
}

/// Where to break a text of which `fit` bytes fit: the best place at or before it.
fn break_at(text: &str, fit: usize) -> usize {
    // A space right after what fits disappears in the break.
    if text[fit..].starts_with(' ') {
        return fit;
    }
    let head = &text[..fit];
    let joint = |c: char| matches!(c, '=' | '_' | '-' | '/' | ',' | ':' | ';');
    head.rfind(' ').or_else(|| head.rfind(joint).map(|i| i + 1)).unwrap_or(fit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use resvg::usvg;

    use super::*;

    /// Width as the rasteriser sets it.
    fn drawn(text: &str, size: f64) -> f64 {
        let mut options = usvg::Options::default();
        options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text id='t' font-family='DejaVu Sans' font-size='{size}'>{escaped}</text></svg>"
        );
        let tree = usvg::Tree::from_str(&svg, &options).unwrap();
        tree.node_by_id("t").map_or(0.0, |n| f64::from(n.bounding_box().width()))
    }

    #[test]
    fn widths_are_those_of_the_font() {
        for c in '!'..='~' {
            // Pairs of one character: the advance of the first and the ink of the second.
            let text: String = std::iter::repeat_n(c, 20).collect();
            let (ours, theirs) = (width(&text, 10.0), drawn(&text, 10.0));
            assert!((ours - theirs).abs() < 10.0, "{c}: {ours} {theirs}");
        }
        for text in
            ["I(X;T) in bits", "binning, bin_width 0.07 · test accuracy 0.968 · n = 5", "activation_fn=relu, max_norm=0.8"]
        {
            let (ours, theirs) = (width(text, 10.0), drawn(text, 10.0));
            assert!(theirs <= ours + 0.1 && ours < theirs * 1.05, "{text}: {ours} {theirs}");
        }
        for text in ["ΣΩЖЩǄß…", "日本語", "→⟹‱", "I²·σ"] {
            assert!(drawn(text, 10.0) <= width(text, 10.0) + 0.1, "{text}");
        }
    }

    #[test]
    fn breaks_are_where_a_reader_expects_them() {
        assert_eq!(wrap("one two  three", 10.0, width("one two", 10.0), 9), ["one two", "three"]);
        assert_eq!(wrap("initial_bias=0.1", 10.0, width("initial_bias=0", 10.0), 9), ["initial_bias=", "0.1"]);
        assert_eq!(wrap("aaaa", 10.0, width("aa", 10.0), 9), ["aa", "aa"]);
        assert_eq!(wrap("one two three four", 10.0, width("one two", 10.0), 2).last().map(|l| l.ends_with('…')), Some(true));
        assert!(wrap(" \n ", 10.0, 50.0, 3).is_empty());
        assert_eq!(wrap("relu, run\u{a0}12", 10.0, width("relu, run 1", 10.0), 9), ["relu,", "run\u{a0}12"]);
        assert_eq!(width("a\u{a0}b", 10.0), width("a b", 10.0));
        let room = width("binning, bin_width 0.07 · accuracy", 10.0);
        assert_eq!(
            wrap_parts("binning, bin_width 0.07 · accuracy 0.9 · n = 5", " · ", 10.0, room),
            ["binning, bin_width 0.07", "accuracy 0.9 · n = 5"]
        );
        assert!(wrap_parts("", " · ", 10.0, room).is_empty());
        assert_eq!(wrap_balanced("one two three four", 10.0, width("one two three", 10.0), 3), ["one two", "three four"]);
        assert_eq!(wrap_balanced("one two three four", 10.0, width("one two", 10.0), 1), ["one t…"]);
    }

    proptest! {
        #[test]
        fn lines_fit_and_lose_nothing(text in "\\PC{0,80}", size in 6.0..12.0f64, max in 30.0..200.0f64) {
            let lines = wrap(&text, size, max, usize::MAX);
            for line in &lines {
                prop_assert!(width(line, size) <= max || line.chars().count() == 1, "{line:?}");
                prop_assert!(!line.is_empty());
            }
            let squeeze = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&text));
        }

        #[test]
        fn cut_lines_fit_too(text in "[a-z =_]{0,200}", max in 30.0..90.0f64, count in 1..4usize) {
            let lines = wrap(&text, 7.0, max, count);
            prop_assert!(lines.len() <= count);
            for line in &lines {
                prop_assert!(width(line, 7.0) <= max, "{line:?}");
            }
            let balanced = wrap_balanced(&text, 7.0, max, count);
            prop_assert_eq!(balanced.len(), lines.len());
            for line in balanced.iter().chain(&wrap_parts(&text, " = ", 7.0, max)) {
                prop_assert!(width(line, 7.0) <= max, "{line:?}");
            }
        }
    }
}

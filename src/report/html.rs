//! The escaping of HTML, in one place: a page is built of literals of the program, and of texts that are escaped as they go in.
//!
//! Nothing but a literal gets onto a page as markup: [`Html`] takes markup as `&'static str` alone, everything else through [`Html::text`],
//! attributes or [`Html::data`].

use serde::Serialize;

/// A page, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

/// An attribute: its name, and its value, which is escaped.
pub type Attribute<'a> = (&'static str, &'a str);

impl Html {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds markup of the program's own.
    pub fn markup(&mut self, literal: &'static str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// Adds text, shown as it is whatever it holds.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// Adds a part that was built before.
    pub fn part(&mut self, part: &Self) -> &mut Self {
        self.0.push_str(&part.0);
        self
    }

    /// Opens an element.
    pub fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(value, &mut self.0);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    /// Closes an element.
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// Adds an element with text in it.
    pub fn element(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: &str) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// Adds a table row of texts.
    pub fn row(&mut self, cell: &'static str, texts: &[&str]) -> &mut Self {
        self.open("tr", &[]);
        texts.iter().for_each(|text| {
            self.element(cell, if cell == "th" { &[("scope", "col")] } else { &[] }, text);
        });
        self.close("tr")
    }

    /// Adds data for the page's script, which finds them by `id`.
    ///
    /// # Errors
    /// When `data` cannot be written as JSON.
    pub fn data(&mut self, id: &str, data: &impl Serialize) -> Result<&mut Self, serde_json::Error> {
        let json = serde_json::to_string(data)?;
        self.open("script", &[("type", "application/json"), ("id", id)]);
        // Within a script only `<` could end it or begin a comment; in JSON it stands in strings alone.
        self.0.push_str(&json.replace('<', "\\u003c"));
        Ok(self.close("script"))
    }

    /// The page's text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// Escapes text for content and for attributes in double quotes; what HTML cannot hold becomes U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Begins a box whose content may be wider or longer than it: one that keys can scroll, too. A `div` is to be closed.
pub fn scroll<'a>(html: &'a mut Html, name: &str) -> &'a mut Html {
    html.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", name)])
}

/// A path relative to a page, as the value of a link: every name escaped, so that it can be nothing but a path below.
#[must_use]
pub fn link(parts: &[&str]) -> String {
    let mut link = String::from(".");
    for part in parts {
        link.push('/');
        link.push_str(&component(part));
    }
    link
}

/// A word as part of a path or query of a link.
#[must_use]
pub fn component(word: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(word.len());
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !word.trim_matches('.').is_empty()) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &str = "</script><script>alert('x')</script><!-- \"><img src=x onerror=alert(1)> & \u{0}\u{1b}";

    #[test]
    fn hostile_text_stays_text() {
        let mut html = Html::new();
        html.element("p", &[("title", HOSTILE)], HOSTILE).row("td", &[HOSTILE]);
        html.data("d", &[HOSTILE]).unwrap();
        let page = html.finish();
        assert_eq!(page.matches('<').count(), 2 + 4 + 2, "{page}");
        assert_eq!(page.matches('"').count(), 2 + 4 + 2 + 1, "{page}");
    }

    #[test]
    fn links_lead_below_the_page_and_nowhere_else() {
        assert_eq!(link(&["quick.start", "report.html"]), "./quick.start/report.html");
        assert_eq!(link(&["..", "a/b"]), "./%2E%2E/a%2Fb");
        assert_eq!(link(&["javascript:alert(1)"]), "./javascript%3Aalert%281%29");
    }

    proptest! {
        #[test]
        fn whatever_goes_in_comes_out_of_json(text in "\\PC*") {
            let mut html = Html::new();
            html.data("d", &text).unwrap();
            let page = html.finish();
            let json = page.trim_start_matches("<script type=\"application/json\" id=\"d\">").trim_end_matches("</script>");
            prop_assert!(!json.contains('<'));
            prop_assert_eq!(serde_json::from_str::<String>(json).unwrap(), text);
        }
    }
}

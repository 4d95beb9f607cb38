//! TOML text → tree with positions, and the syntax errors, one for each broken statement.
//!
//! A broken statement is reported once and then read as blank space of the same length, so that all that follows keeps its
//! positions and is checked as well. Text that is valid TOML never takes this path.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::errors::{Reporter, nearest};

/// A value with its position.
pub(super) type Node<'a> = Spanned<DeValue<'a>>;

/// A key and its value: name, position of the key, value.
pub(super) type Entry<'t, 'a> = (&'t str, Range<usize>, &'t Node<'a>);

/// The entries of a table in file order (the parser sorts them by name).
pub(super) fn entries<'t, 'a>(table: &'t DeTable<'a>) -> Vec<Entry<'t, 'a>> {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    entries
}

/// A text without its broken statements.
pub(super) struct Blanked {
    /// The text, with spaces in place of what is broken.
    pub(super) text: String,
    /// The keys whose statements were blanked.
    pub(super) keys: Vec<String>,
    /// Whether a whole section was lost, or a statement whose key is not known.
    pub(super) lost: bool,
}

/// Blanks the broken statements and reports each; nothing if no statement is broken.
pub(super) fn blank_broken(text: &str, reporter: &mut Reporter<'_>) -> Option<Blanked> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if errors.iter().all(is_structural) {
        return None;
    }
    let mut blanked = text.as_bytes().to_vec();
    let mut section_lost = false;
    let (mut keys, mut lost) = (Vec::new(), false);
    for statement in statements(text) {
        let source = &text[statement.clone()];
        let is_header = source.trim_start().starts_with('[');
        // Keys below a broken header belong to no known table: reading them elsewhere would raise errors that are none.
        section_lost &= !is_header;
        let (_, errors) = DeTable::parse_recoverable(source);
        if let Some(error) = errors.iter().filter(|e| !is_structural(e)).min_by_key(|e| e.span().map_or(0, |s| s.start)) {
            report(statement.start, source, error, reporter);
            section_lost |= is_header;
            let key = key_of(source);
            lost |= key.is_empty();
            keys.push(key.to_owned());
        } else if !section_lost {
            continue;
        }
        for byte in &mut blanked[statement] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Only whole statements were blanked, so the bytes are still UTF-8.
    String::from_utf8(blanked).ok().map(|text| Blanked { text, keys, lost })
}

/// The key of a statement; empty for a header, and where none can be told.
fn key_of(source: &str) -> &str {
    let key = source.split_once('=').map_or("", |(key, _)| key.trim());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if key.len() <= 64 && key.chars().all(plain) { key } else { "" }
}

/// Parses; what is left to report is the same key or table given twice, which leaves a usable tree.
pub(super) fn tree<'a>(text: &'a str, reporter: &mut Reporter<'_>) -> DeTable<'a> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let key = text.get(span.clone()).unwrap_or_default();
        if error.message() == "duplicate key" {
            let entry = reporter.report(&span, key, format!("`{key}` is given twice"));
            entry.expected = Some(match key {
                "grid" => "one [grid], or several [[grid]]".to_owned(),
                "zip" | "exclude" | "include" => format!("[[{key}]] for each"),
                _ => format!("`{key}` once"),
            });
        } else {
            let (message, expected) = split(error.message());
            reporter.report(&span, key, message).expected = expected;
        }
    }
    tree.into_inner()
}

/// Whether the statements are well formed and only do not fit together.
fn is_structural(error: &Error) -> bool {
    error.message() == "duplicate key" || error.message().starts_with("cannot extend")
}

/// Reports the syntax error of one statement that starts at byte `offset`.
fn report(offset: usize, source: &str, error: &Error, reporter: &mut Reporter<'_>) {
    let span = error.span().unwrap_or(0..0);
    let key = key_of(source);
    let line_end = source[span.start..].find('\n').map_or(source.len(), |at| span.start + at);
    let rest = &source[span.start..line_end];
    let before = source[..span.start].trim_end();
    if before.ends_with('=') && (rest.trim().is_empty() || rest.trim().starts_with('#')) {
        let at = offset + before.len();
        reporter.report(&(at - 1..at), key, format!("`{key}` has no value")).expected = Some("a value after `=`".to_owned());
        return;
    }
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if word.starts_with(char::is_alphabetic) && (before.ends_with(['=', '[', ','])) {
        let start = offset + span.start;
        let entry = reporter.report(&(start..start + word.len()), key, format!("`{word}` is no TOML value"));
        let lower = word.to_lowercase();
        let switch = nearest(&lower, ["true", "false"]).map(str::to_owned);
        entry.expected = Some("a number, true, false, an array, a table, or a string in quotes".to_owned());
        entry.suggestion = Some(switch.unwrap_or_else(|| format!("\"{word}\"")));
        return;
    }
    let (message, expected) = split(error.message());
    reporter.report(&(offset + span.start..offset + span.end), key, message).expected = expected;
}

/// The parser's message, taken apart into what was found and what was expected.
fn split(message: &str) -> (String, Option<String>) {
    let (found, expected) = message.split_once(", expected ").map_or((message, None), |(f, e)| (f, Some(e)));
    (format!("not valid TOML: {found}"), expected.filter(|e| *e != "nothing").map(str::to_owned))
}

/// Byte ranges of the statements (headers and `key = value`), each from the start of its first line to the end of its last.
///
/// An array or table that is never closed ends where the next line can only be a new statement.
fn statements(text: &str) -> Vec<Range<usize>> {
    let mut result = Vec::new();
    let mut scan = Scan::default();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > start && scan.quotes.is_none() && is_new_statement(line, scan.open.last().copied()) {
            result.push(start..at);
            (scan, start) = (Scan::default(), at);
        }
        scan.line(line);
        at += line.len();
        if scan.open.is_empty() && scan.quotes.is_none() {
            result.push(start..at);
            start = at;
        }
    }
    if start < text.len() {
        result.push(start..text.len());
    }
    result
}

/// Whether a line within an open bracket must be a statement of its own: `key = …` within an array, or a table header anywhere.
fn is_new_statement(line: &str, open: Option<u8>) -> bool {
    let line = line.trim();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(inner) = line.strip_prefix('[') {
        let inner = inner.strip_prefix('[').unwrap_or(inner);
        let word: String = inner.chars().take_while(|c| is_word(*c)).collect();
        let closed = inner[word.len()..].trim_start_matches(']');
        let is_value = matches!(word.as_str(), "true" | "false" | "inf" | "nan");
        return word.starts_with(char::is_alphabetic) && !is_value && (closed.is_empty() || closed.trim_start().starts_with('#'));
    }
    let word: String = line.chars().take_while(|c| is_word(*c)).collect();
    open == Some(b'[') && !word.is_empty() && line[word.len()..].trim_start().starts_with('=')
}

/// What is open after some lines: brackets, and a multi-line string.
#[derive(Default)]
struct Scan {
    open: Vec<u8>,
    quotes: Option<&'static [u8; 3]>,
}

impl Scan {
    /// Reads one line.
    fn line(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if let Some(quotes) = self.quotes {
                if rest.starts_with(quotes) {
                    self.quotes = None;
                    at += 3;
                } else {
                    at += if rest[0] == b'\\' && quotes[0] == b'"' { 2 } else { 1 };
                }
                continue;
            }
            match rest[0] {
                b'#' => return,
                b'"' if rest.starts_with(b"\"\"\"") => (self.quotes, at) = (Some(b"\"\"\""), at + 3),
                b'\'' if rest.starts_with(b"'''") => (self.quotes, at) = (Some(b"'''"), at + 3),
                quote @ (b'"' | b'\'') => at += string_length(rest, quote),
                open @ (b'[' | b'{') => {
                    self.open.push(open);
                    at += 1;
                }
                b']' | b'}' => {
                    self.open.pop();
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

/// Bytes of the one-line string at the start of `rest`; an unclosed one takes the line.
fn string_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        statements(text).into_iter().map(|range| text[range].trim()).collect()
    }

    #[test]
    fn statements_may_span_lines() {
        let text = "a = [1,\n  2]\nb = \"\"\"x\n[y]\n\"\"\"\n[c] # [\nd = { e = 1,\n f = ']' }\n";
        assert_eq!(pieces(text), ["a = [1,\n  2]", "b = \"\"\"x\n[y]\n\"\"\"", "[c] # [", "d = { e = 1,\n f = ']' }"]);
    }

    #[test]
    fn an_unclosed_array_ends_at_the_next_statement() {
        assert_eq!(pieces("a = [1, 2\nb = 3\n"), ["a = [1, 2", "b = 3"]);
        assert_eq!(pieces("a = [1, 2\n[grid]\nb = 3\n"), ["a = [1, 2", "[grid]", "b = 3"]);
        assert_eq!(pieces("a = { x = 1\n[[grid]]\n"), ["a = { x = 1", "[[grid]]"]);
        assert_eq!(pieces("a = [\n[true],\n[false]\n]"), ["a = [\n[true],\n[false]\n]"]);
    }

    #[test]
    fn each_broken_statement_is_reported_once_and_blanked() {
        let text = "a = [1, 2\nb = tanh\nc = \nd = 1\n[grid\ne = 1\n[zip]\nf = 0.0.1\ng = 2\n";
        let mut reporter = Reporter::new(text, &[]);
        let Blanked { text: blanked, keys, lost } = blank_broken(text, &mut reporter).unwrap();
        assert_eq!((blanked.len(), lost), (text.len(), true));
        assert_eq!(keys, ["a", "b", "c", "", "f"]);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), "d = 1 [zip] g = 2");
        let errors = reporter.finish().unwrap().errors;
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 2, 3, 5, 8]);
        assert_eq!(errors[1].suggestion.as_deref(), Some("\"tanh\""));
        assert!(blank_broken("a = 1\na = 2\n", &mut Reporter::new("", &[])).is_none());
    }
}

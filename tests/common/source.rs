//! Reads Rust source as far as rules about it need: code without comments and literals, without test code, and the paths that it names.

/// `text` with comments, strings and characters blanked out; places and lines stay.
pub fn blank_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at).unwrap_or(at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends, if one does.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let is = |place: usize, c: char| chars.get(place) == Some(&c);
    let find = |from: usize, found: &dyn Fn(usize) -> bool| (from..chars.len()).find(|&p| found(p)).unwrap_or(chars.len());
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if is(at + 1, '/') => Some(find(at, &|p| chars[p] == '\n')),
        '/' if is(at + 1, '*') => {
            let (mut depth, mut p) = (0, at);
            while p < chars.len() {
                match (chars[p], chars.get(p + 1)) {
                    ('/', Some('*')) => (depth, p) = (depth + 1, p + 2),
                    ('*', Some('/')) => (depth, p) = (depth - 1, p + 2),
                    _ => p += 1,
                }
                if depth == 0 {
                    break;
                }
            }
            Some(p)
        }
        'r' if !in_word || is(at.wrapping_sub(1), 'b') => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            let closes =
                |p: usize| chars[p] == '"' && chars[p + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
            is(at + 1 + hashes, '"').then(|| (find(at + 2 + hashes, &closes) + 1 + hashes).min(chars.len()))
        }
        '"' => {
            let mut p = at + 1;
            while p < chars.len() && chars[p] != '"' {
                p += if chars[p] == '\\' { 2 } else { 1 };
            }
            Some((p + 1).min(chars.len()))
        }
        // A lifetime has no quote behind its first letter.
        '\'' if is(at + 1, '\\') => Some((find(at + 3, &|p| chars[p] == '\'') + 1).min(chars.len())),
        '\'' if is(at + 2, '\'') => Some(at + 3),
        _ => None,
    }
}

/// Blanked code without the items under `#[cfg(test)]`, and the names of the modules among them that stand in files of their own.
pub fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut kept, mut rest, mut files) = (String::new(), code, Vec::new());
    while let Some(start) = rest.find(MARK) {
        kept.push_str(&rest[..start]);
        let item = &rest[start + MARK.len()..];
        let end = item_end(item);
        let words: Vec<&str> = item[..end].split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
        if let Some(place) = words.iter().position(|&word| word == "mod")
            && item[..end].ends_with(';')
        {
            files.extend(words.get(place + 1).map(ToString::to_string));
        }
        // Lines stay, so that messages name the right one.
        kept.extend(item[..end].chars().filter(|&c| c == '\n'));
        rest = &item[end..];
    }
    kept.push_str(rest);
    (kept, files)
}

/// Length of the item that `code` begins with: up to its semicolon, or its closing brace.
fn item_end(code: &str) -> usize {
    let mut depth = 0;
    for (place, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return place + 1;
                }
            }
            ';' if depth == 0 => return place + 1,
            _ => {}
        }
    }
    code.len()
}

/// A path that the code names, with the line it stands on; trees of `use` are spelt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub line: usize,
    pub segments: Vec<String>,
}

/// Every path of blanked code with two segments or more, and every macro as one segment with its `!`.
pub fn paths(code: &str) -> Vec<Path> {
    let tokens = tokens(code);
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let next = |n: usize| tokens.get(at + n).map_or("", |t| t.1);
        if !is_name(tokens[at].1) || at > 0 && tokens[at - 1].1 == "::" {
            at += 1;
        } else if next(1) == "!" && next(2) != "=" {
            found.push(Path { line: tokens[at].0, segments: vec![format!("{}!", tokens[at].1)] });
            at += 1;
        } else {
            at = tree(&tokens, at, &[], &mut found);
        }
    }
    found.retain(|path| path.segments.len() > 1 || path.segments[0].ends_with('!'));
    found
}

/// Spells out the tree of paths that begins at token `at`; where it ends.
fn tree(tokens: &[(usize, &str)], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let line = tokens[at].0;
    let mut segments = prefix.to_vec();
    loop {
        segments.push(tokens[at].1.to_owned());
        at += 1;
        if tokens.get(at).map(|t| t.1) != Some("::") {
            break;
        }
        match tokens.get(at + 1).map(|t| t.1) {
            Some("{") => {
                at += 2;
                while at < tokens.len() && tokens[at].1 != "}" {
                    at = if is_name(tokens[at].1) || tokens[at].1 == "*" { tree(tokens, at, &segments, found) } else { at + 1 };
                }
                return at + 1;
            }
            Some(word) if is_name(word) || word == "*" => at += 1,
            // A turbofish.
            _ => break,
        }
    }
    found.push(Path { line, segments });
    // `path as name` within a tree.
    if tokens.get(at).map(|t| t.1) == Some("as") { at + 2 } else { at }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single signs, with their lines.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push((line + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

//! What may be the name of a cohort, which is that of its directory in a store.

use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

/// Characters of a name at most.
const LONGEST: usize = 64;
/// What is a directory of its own in every store, or in every directory.
const TAKEN: [&str; 3] = [".", "..", ".infoplane"];
/// What a name is, as in "expected …".
pub(super) const TAKES: &str = "1 to 64 characters out of A-Z, a-z, 0-9, `.`, `_`, `-`, and not \".\", \"..\" or \".infoplane\"";

/// Whether a character may stand in a name.
const fn fits(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Whether a cohort may have this name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.chars().all(fits) && !TAKEN.contains(&text)
}

/// A text as the name of a cohort: what a directory may not be called is replaced.
#[must_use]
pub fn safe_name(text: &str) -> String {
    let begun = |start: &str| {
        let rest = text.chars().map(|c| if fits(c) { c } else { '_' });
        start.chars().chain(rest).take(60).collect::<String>()
    };
    let name = begun("");
    if is_name(&name) && !name.trim_matches('.').is_empty() { name } else { begun("cohort") }
}

/// The name that the text of a cohort file gives, without a look at the rest of it.
#[must_use]
pub fn name_in(text: &str) -> Option<String> {
    let (tree, _) = DeTable::parse_recoverable(text);
    match tree.get_ref().get("name")?.get_ref() {
        DeValue::String(name) => Some(name.to_string()),
        _ => None,
    }
}

/// A name, as JSON Schema.
pub(super) fn schema() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "minLength": 1, "maxLength": LONGEST, "not": { "enum": TAKEN } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::flatten::quoted;
    use super::super::parse;
    use super::*;

    #[test]
    fn names_are_names_of_directories_below_a_store() {
        for good in ["a", "..x", "...", ".hidden", "A-1_b.toml", &"n".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", ".infoplane", "a b", "a/b", "ä", "a\n", &"n".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(TAKES.contains(&format!("1 to {LONGEST} ")) && TAKEN.iter().all(|taken| TAKES.contains(&format!("{taken:?}"))));
        assert_eq!(name_in("name = 'x'\n[experiment]\nepochs = 'broken").as_deref(), Some("x"));
        assert_eq!((name_in("name = 3"), name_in("")), (None, None));
    }

    proptest! {
        /// A file is read with a name if, and only if, this is one; and any text can be made one.
        #[test]
        fn readers_agree(text in "[.a_/ ]{0,4}|\\.infoplane|.{0,70}") {
            let file = format!("name = {}\n", quoted(&text));
            prop_assert_eq!(parse("f", &file).is_ok(), is_name(&text));
            prop_assert!(is_name(&safe_name(&text)));
        }
    }
}

//! Text as one word of a bash script: the only place where something of a user's meets a shell.

use std::fmt::Write as _;

/// A word that bash reads as exactly these bytes: as they are where they are harmless, else in `$'…'` with every other byte as its number.
/// So no quote, expansion, line end or byte beyond ASCII stands in a script as itself.
#[must_use]
pub fn bash_word(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=,:@%".contains(byte);
    let mut word = String::new();
    // A word that begins with a tilde or an equals sign means something to bash.
    if !bytes.is_empty() && bytes.iter().all(plain) && bytes[0] != b'=' {
        word.extend(bytes.iter().map(|&byte| char::from(byte)));
        return word;
    }
    word.push_str("$'");
    for byte in bytes {
        if plain(byte) {
            word.push(char::from(*byte));
        } else {
            // Always three digits, so that a digit behind it is not taken for a part of it. Writing to a string cannot fail.
            let _ = write!(word, "\\{byte:03o}");
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bash_reads_every_byte_back() {
        let all: Vec<u8> = (1..=255).collect();
        let words: [&[u8]; 12] = [
            b"",
            b"plain-1.0/x",
            b"a b",
            b"it's",
            b"$(touch /tmp/x)",
            b"`id`",
            b"a\nb",
            b"../..",
            b"~root",
            b"=ls",
            b"!x*?[a]{b,c}",
            &all,
        ];
        for word in words {
            let script = format!("printf '%s\\0' {}", bash_word(word));
            let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
            assert_eq!(output.stdout, [word, b"\0"].concat(), "{script}");
        }
    }

    proptest! {
        #[test]
        fn a_word_has_no_character_that_means_something(bytes: Vec<u8>) {
            let word = bash_word(&bytes);
            let inner = word.strip_prefix("$'").and_then(|word| word.strip_suffix('\'')).unwrap_or(&word);
            prop_assert!(inner.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=,:@%\\".contains(c)), "{}", word);
            prop_assert!(!inner.as_bytes().contains(&b'\n'));
        }

        #[test]
        fn arbitrary_bytes_come_back(bytes in proptest::collection::vec(1..=255_u8, 0..40)) {
            let script = format!("printf %s {}", bash_word(&bytes));
            let output = Command::new("bash").arg("-c").arg(std::ffi::OsStr::from_bytes(script.as_bytes())).output().expect("bash");
            prop_assert_eq!(output.stdout, bytes);
        }
    }
}

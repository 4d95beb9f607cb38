//! Results on stdout, what is told to people on stderr, and words that they may paste into a shell.

use std::fmt;
use std::io::{self, Write};

use serde_json::Value;

use super::exit::{Exit, Failure};

/// As `eprintln!`, but a reader that went away is no reason to stop: work goes on where a terminal is closed or a pipe ends.
macro_rules! tell {
    ($($text:tt)*) => { $crate::cli::print::tell(format_args!($($text)*)) };
}

/// Writes a line to stderr, in one piece.
pub fn tell(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Writes to stdout; a reader that went away is no error.
pub fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    match io::stdout().lock().write_all(bytes) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::from_error(Exit::Internal, &e)),
        _ => Ok(Exit::Done),
    }
}

/// Writes the reports of a call's cohorts as JSON: one cohort, one object; several, a list.
pub fn print_reports(mut reports: Vec<Value>) -> Result<Exit, Failure> {
    let all = if reports.len() == 1 { reports.remove(0) } else { Value::Array(reports) };
    print(format!("{all:#}\n").as_bytes())
}

/// Text as one word of a POSIX shell: as it is where that is plain, else in single quotes.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_people_paste_is_one_word_to_a_shell() {
        for text in ["results", "a b", "$(touch x)", "`id`", "it's", "\"q\"", "new\nline", "ä", "", "*", "a;b", "~"] {
            let script = format!("printf %s {}", shell_word(text));
            let out = Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&out.stdout), text);
        }
        assert_eq!(shell_word("results/a-1.parquet"), "results/a-1.parquet");
    }
}

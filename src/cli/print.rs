//! Results on stdout.

use std::io::{self, Write};

use serde_json::Value;

use super::exit::{Exit, Failure};

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

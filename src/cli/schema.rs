//! `infoplane schema`: every key of a cohort file.

use std::fmt::Write;

use clap::Args;

use super::exit::{Exit, Failure};
use super::print::print;
use crate::cohort::schema::{json_schema, rows};

/// Print every key of a cohort file with its type, default and meaning
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane schema
  infoplane schema --json > cohort.schema.json

An editor that knows JSON Schema for TOML checks cohorts while they are written: begin a file with
  #:schema ./cohort.schema.json")]
pub struct SchemaArguments {
    /// Print a JSON Schema for editors
    #[arg(long)]
    json: bool,
}

pub fn schema(arguments: &SchemaArguments) -> Result<Exit, Failure> {
    if arguments.json {
        return print(format!("{:#}\n", json_schema()).as_bytes());
    }
    print(table().as_bytes())
}

/// One key a paragraph line: key, default, meaning, and below it what it takes.
fn table() -> String {
    let rows = rows();
    let key = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    let default = rows.iter().filter_map(|row| row.default).map(str::len).max().unwrap_or(0);
    let mut text = format!("{:key$}  {:default$}  MEANING, and what it takes\n", "KEY", "DEFAULT");
    let mut section = "";
    for row in &rows {
        // Writing to a string cannot fail.
        if row.section != section {
            section = row.section;
            let _ = writeln!(text, "\n{section}");
        }
        let _ = writeln!(text, "{:key$}  {:default$}  {}", row.key, row.default.unwrap_or("-"), row.meaning);
        let _ = writeln!(text, "{:key$}  {:default$}  {}", "", "", row.takes);
    }
    text
}

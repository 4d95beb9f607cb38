//! Parses arguments and calls [`infoplane::cli`]; the only place that prints an error and exits.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use infoplane::cli::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    cli::start_logging(arguments.verbosity());
    match cli::run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", failure.report());
            failure.exit().into()
        }
    }
}

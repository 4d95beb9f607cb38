//! The command line: one file a subcommand. Everything human goes to stderr, results that were asked for to stdout.

// It panics where nobody reads stderr any more; `tell!` does not.
#![deny(clippy::print_stderr)]

#[macro_use]
mod print;

mod aggregate;
mod attend;
mod cancel;
mod columns;
mod compact;
mod compare;
mod conduct;
mod conducted;
mod convert;
mod cost;
mod data;
mod datasets;
mod diff;
mod estimate;
pub mod exit;
mod explain;
mod export;
mod figures;
mod find;
mod gc;
mod gc_sweeps;
mod import;
mod interrupt;
mod load;
mod logs;
mod machine;
mod manual;
mod others;
mod pilot;
mod pilot_batch;
mod plan;
mod plans;
mod plot;
mod progress;
mod ranks;
mod repeats;
mod report;
mod repro;
mod resume;
mod run;
mod sample_file;
mod schema;
mod serve;
mod show;
mod site;
mod status;
mod studies;
mod study;
mod submit;
mod summary;
mod sweeps;
mod tensorboard;
mod warning;
mod worker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use exit::{Exit, Failure};

/// Information planes of neural networks, at the scale of a cluster.
///
/// Write a cohort in TOML, `run` it, and find tables and figures under `results/`. Whatever dies on the way, `run` again goes on where
/// it stopped.
#[derive(Debug, Parser)]
#[command(name = "infoplane", version, propagate_version = true, after_help = exit::HELP, max_term_width = 110)]
pub struct Arguments {
    /// Say more (twice: still more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Plan(plan::PlanArguments),
    Resume(resume::ResumeArguments),
    Cancel(cancel::CancelArguments),
    Status(status::StatusArguments),
    Explain(explain::ExplainArguments),
    Logs(logs::LogsArguments),
    Repro(repro::ReproArguments),
    Find(find::FindArguments),
    Show(show::ShowArguments),
    Diff(diff::DiffArguments),
    Export(export::ExportArguments),
    Import(import::ImportArguments),
    Aggregate(aggregate::AggregateArguments),
    Plot(plot::PlotArguments),
    Report(report::ReportArguments),
    Serve(serve::ServeArguments),
    Estimate(estimate::EstimateArguments),

    Data(data::DataArguments),
    Tensorboard(tensorboard::TensorBoardArguments),
    Study(study::StudyArguments),
    Schema(schema::SchemaArguments),
    Convert(convert::ConvertArguments),
    Compact(compact::CompactArguments),
    Gc(gc::GcArguments),
    Completions(manual::CompletionsArguments),
    Man(manual::ManArguments),
    Worker(worker::WorkerArguments),
}

/// The store that a command works on.
#[derive(Args, Clone, Debug)]
pub struct StoreArguments {
    /// Results directory
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
}

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Progress and summary.
    Normal,
    /// And that many levels of detail.
    Verbose(u8),
}

impl Arguments {
    /// How much to say.
    #[must_use]
    pub const fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, n) => Verbosity::Verbose(n),
        }
    }
}

/// Sends log lines to stderr: warnings, more with `-v`, or what `INFOPLANE_LOG` says. `NO_COLOR` is heeded.
pub fn start_logging(verbosity: Verbosity) {
    let default = match verbosity {
        Verbosity::Quiet => "error",
        Verbosity::Normal => "warn",
        Verbosity::Verbose(1) => "info",
        Verbosity::Verbose(2) => "debug",
        Verbosity::Verbose(_) => "trace",
    };
    let filter = EnvFilter::try_from_env("INFOPLANE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let ansi = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).with_target(false);
    // A line that cannot be written is not worth a panic.
    lines.log_internal_errors(false).init();
}

/// Runs the command.
///
/// # Errors
/// [`Failure`], with what to print and the exit code.
pub fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let quiet = arguments.quiet;
    match arguments.command {
        Command::Run(a) => run::run(&a, quiet),
        Command::Plan(a) => plan::plan(&a),
        Command::Resume(a) => resume::resume(&a, quiet),
        Command::Cancel(a) => cancel::cancel(&a, quiet),
        Command::Status(a) => status::status(&a),
        Command::Explain(a) => explain::explain(&a),
        Command::Logs(a) => logs::logs(&a),
        Command::Repro(a) => repro::repro(&a, quiet),
        Command::Find(a) => find::find(&a, quiet),
        Command::Show(a) => show::show(&a),
        Command::Diff(a) => diff::diff(&a),
        Command::Export(a) => export::export(&a, quiet),
        Command::Import(a) => import::import(&a, quiet),
        Command::Aggregate(a) => aggregate::aggregate(&a, quiet),
        Command::Plot(a) => plot::plot(&a, quiet),
        Command::Report(a) => report::report(&a, quiet),
        Command::Serve(a) => serve::serve(&a, quiet),
        Command::Estimate(a) => estimate::estimate(&a, quiet),

        Command::Data(a) => data::data(&a, quiet),
        Command::Tensorboard(a) => tensorboard::tensorboard(&a, quiet),
        Command::Study(a) => study::study(&a, quiet),
        Command::Schema(a) => schema::schema(&a),
        Command::Convert(a) => convert::convert(&a, quiet),
        Command::Compact(a) => compact::compact(&a, quiet),
        Command::Gc(a) => gc::gc(&a, quiet),
        Command::Completions(a) => manual::completions(&a),
        Command::Man(a) => manual::man(&a),
        Command::Worker(a) => worker::worker(&a),
    }
}

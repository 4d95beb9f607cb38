//! `infoplane completions` and `infoplane man`: generated from the argument parser, so never out of step with it.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::exit::{Exit, Failure};
use super::print::print;

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane completions bash > ~/.local/share/bash-completion/completions/infoplane")]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write the pages of all commands into a directory
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane man --dir ~/.local/share/man/man1")]
pub struct ManArguments {
    /// Write infoplane.1, infoplane-run.1, … there instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completions(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "infoplane", &mut script);
    print(&script)
}

pub fn man(arguments: &ManArguments) -> Result<Exit, Failure> {
    let mut command = Arguments::command();
    command.build();
    let Some(dir) = &arguments.dir else { return print(&page(&command)?) };
    let failed = |e| Failure::new(Exit::Internal, format!("cannot write manual pages into {}: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(dir.join("infoplane.1"), page(&command)?).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let file = dir.join(format!("infoplane-{}.1", sub.get_name()));
        fs::write(file, page(sub)?).map_err(failed)?;
    }
    Ok(Exit::Done)
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    Ok(page)
}

//! `infoplane convert`: old JSON configurations into cohort files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{Exit, Failure};
use super::print::print;
use crate::cohort::convert::{Converted, Old, convert as convert_files};
use crate::cohort::safe_name;

/// Turn the JSON configurations of deep-bottleneck into cohort files
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane convert configs/basic.json > basic.toml
  infoplane convert configs --to sweeps

The files of a directory become one cohort if they differ in few settings, else one each; directories below are converted, too. What has \
no counterpart is told in a comment of the cohort and on stderr.")]
pub struct ConvertArguments {
    /// A JSON file, or a directory of them
    #[arg(value_name = "DIR|FILE")]
    from: PathBuf,
    /// Write NAME.toml there for each cohort [default: print the one cohort]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn convert(arguments: &ConvertArguments, quiet: bool) -> Result<Exit, Failure> {
    let mut cohorts = Vec::new();
    let mut wrong = Vec::new();
    for (name, files) in groups(&arguments.from)? {
        let olds: Vec<_> = files.iter().map(|file| read(file)).collect();
        wrong.extend(olds.iter().filter_map(|old| old.as_ref().err().map(|e| format!("error: {e}"))));
        cohorts.extend(convert_files(&name, &olds.into_iter().flatten().collect::<Vec<_>>()));
    }
    if !wrong.is_empty() {
        return Err(Failure::new(Exit::Invalid, wrong.join("\n")));
    }
    distinguish(&mut cohorts);
    if !quiet {
        cohorts.iter().for_each(|cohort| cohort.notes.iter().for_each(|note| tell!("{}: {note}", cohort.name)));
    }
    let Some(dir) = &arguments.to else {
        return match cohorts.as_slice() {
            [one] => print(one.text.as_bytes()),
            several => {
                let text = format!("{} gives {} cohorts; say with `--to DIR` where to", arguments.from.display(), several.len());
                Err(Failure::new(Exit::Invalid, text))
            }
        };
    };
    write(&cohorts, dir, quiet)
}

/// Writes the cohorts; a file that is there and says something else is left alone.
fn write(cohorts: &[Converted], dir: &Path, quiet: bool) -> Result<Exit, Failure> {
    let failed = |path: &Path, e| Failure::new(Exit::Invalid, format!("{}: cannot write: {e}", path.display()));
    let paths: Vec<_> = cohorts.iter().map(|cohort| dir.join(format!("{}.toml", cohort.name))).collect();
    for (path, cohort) in paths.iter().zip(cohorts) {
        if path.exists() && fs::read(path).ok().as_deref() != Some(cohort.text.as_bytes()) {
            let text = format!("{}: is there already and differs; nothing was written. Choose another `--to`", path.display());
            return Err(Failure::new(Exit::Invalid, text));
        }
    }
    fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
    for (path, cohort) in paths.iter().zip(cohorts) {
        fs::write(path, &cohort.text).map_err(|e| failed(path, e))?;
        if !quiet {
            tell!("wrote {}", path.display());
        }
    }
    Ok(Exit::Done)
}

/// Gives cohorts of one name different ones.
fn distinguish(cohorts: &mut [Converted]) {
    let mut names = BTreeSet::new();
    for cohort in cohorts {
        let mut name = cohort.name.clone();
        let mut number = 2;
        while !names.insert(name.clone()) {
            name = format!("{}-{number}", cohort.name);
            number += 1;
        }
        // Both are safe names, so no quotes are needed around either.
        cohort.text = cohort.text.replacen(&format!("\nname = \"{}\"\n", cohort.name), &format!("\nname = \"{name}\"\n"), 1);
        cohort.name = name;
    }
}

/// The JSON files of a path, directory by directory, each with a name for its cohort.
fn groups(from: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, Failure> {
    let failed = |path: &Path, e| Failure::new(Exit::Invalid, format!("{}: cannot read: {e}", path.display()));
    if !fs::metadata(from).map_err(|e| failed(from, e))?.is_dir() {
        return Ok(vec![(stem(from), vec![from.to_owned()])]);
    }
    let (mut waiting, mut groups) = (vec![from.to_owned()], Vec::new());
    while let Some(dir) = waiting.pop() {
        let entries = fs::read_dir(&dir).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| failed(&dir, e))?;
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        waiting.extend(paths.iter().filter(|path| path.is_dir()).cloned());
        paths.retain(|path| path.is_file() && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")));
        if !paths.is_empty() {
            groups.push((stem(&fs::canonicalize(&dir).unwrap_or(dir)), paths));
        }
    }
    groups.sort_by(|(_, one), (_, other)| one.cmp(other));
    match groups.is_empty() {
        true => Err(Failure::new(Exit::Invalid, format!("{}: no configuration (*.json) in this directory", from.display()))),
        false => Ok(groups),
    }
}

/// The name of a file without its ending, or of a directory.
fn stem(path: &Path) -> String {
    safe_name(&path.file_stem().unwrap_or_default().to_string_lossy())
}

fn read(path: &Path) -> Result<Old, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: cannot read: {e}", path.display()))?;
    Old::read(&path.display().to_string(), &stem(path), &text)
}

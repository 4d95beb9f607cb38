//! The site's file: what a cluster wants of every cohort, under the keys that a cohort may set for itself.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::exit::{Exit, Failure};
use super::load::Loaded;
use super::machine::LauncherArguments;
use crate::cohort::model::{LauncherSettings, SgeSettings};
use crate::cohort::parse_site;
use crate::launch::sge::command::Site;

/// Where the file is: what `INFOPLANE_SITE` names, else `infoplane/site.toml` in the directory of configurations.
fn path() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("INFOPLANE_SITE").or_else(|| {
        let configurations = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
        Some(configurations.join("infoplane").join("site.toml"))
    })
}

/// What the site says; nothing if there is no file.
fn settings() -> Result<LauncherSettings, Failure> {
    let Some(path) = path() else { return Ok(LauncherSettings::default()) };
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && env::var_os("INFOPLANE_SITE").is_none() => {
            return Ok(LauncherSettings::default());
        }
        text => text.map_err(|error| Failure::new(Exit::Invalid, format!("{}: cannot read: {error}", path.display())))?,
    };
    Ok(parse_site(&path.display().to_string(), &text)?)
}

/// What holds for a cohort: the flags, then the cohort, then the site.
pub fn of(loaded: &Loaded, arguments: &LauncherArguments) -> Result<Site, Failure> {
    let flags = SgeSettings { max_pilots: arguments.workers, threads: arguments.threads, ..SgeSettings::default() };
    Ok(Site::new(flags.over(&loaded.cohort.launcher.sge.clone().over(&settings()?.sge))))
}

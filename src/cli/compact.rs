//! `infoplane compact`: fewer files, faster opening, nothing lost.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::print::print;
use crate::store::Store;
use crate::store::compact::{Compaction, Extent, Request};

/// Merge the store's segments into one sealed segment with an index
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane compact
  infoplane compact --out /scratch/study --dry-run

Safe at any time, beside running workers and other readers: what a live process writes to is left alone, and every record is readable \
throughout. `run` does it by itself for small segments. Damaged segments are named and set aside as *.damaged; what was lost in them is \
computed again by the next `run`.")]
pub struct CompactArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub fn compact(arguments: &CompactArguments, quiet: bool) -> Result<Exit, Failure> {
    let store = Store::open_existing(&arguments.store.out)?;
    let done = store.compact(&Request { extent: Extent::All, wants: None, dry_run: arguments.dry_run })?;
    if !quiet {
        tell!("{}", told(&done, arguments.dry_run));
    }
    name_damage(&done);
    if arguments.json {
        print(format!("{:#}\n", json_of(&done)).as_bytes())?;
    }
    Ok(Exit::Done)
}

/// What was done, for people.
pub fn told(done: &Compaction, dry_run: bool) -> String {
    let held = match done.held {
        0 => String::new(),
        n => format!("; {n} left alone: a process writes to them, or the file system has no locks"),
    };
    if done.merged == 0 {
        return format!("nothing to merge{held}");
    }
    let (would, bytes) = if dry_run { ("would be ", String::new()) } else { ("", format!(", {}", size(done.bytes_after))) };
    let Compaction { merged, records, copies, .. } = done;
    format!(
        "{merged} segments ({}) {would}merged into one: {records} records{bytes}; {copies} further copies{held}",
        size(done.bytes_before)
    )
}

/// What was done, for programs.
pub fn json_of(done: &Compaction) -> serde_json::Value {
    json!({
        "merged": done.merged,
        "held": done.held,
        "records": done.records,
        "copies": done.copies,
        "dropped": done.dropped,
        "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after,
        "damage": done.damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "set_aside": done.set_aside.iter().map(PathBuf::as_path).collect::<Vec<_>>(),
    })
}

/// Names what was found damaged.
pub fn name_damage(done: &Compaction) {
    done.damage.iter().for_each(|damage| tracing::warn!("{damage}"));
    done.set_aside.iter().for_each(|path| tracing::warn!("set aside as {}", path.display()));
}

/// A number of bytes as people say it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

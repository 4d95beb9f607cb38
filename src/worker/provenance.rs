//! Who ran an attempt, where, when, with which program: what the table `provenance` tells and no result depends on.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::grid::ids::Id;
use crate::store::records::{Attempt, AttemptStatus};

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from; "unknown" outside a checkout.
pub const COMMIT: &str = match option_env!("INFOPLANE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// When something began: by the clock on the wall, which is told to people and may jump, and by one that does not.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    /// Seconds since 1970, for provenance only.
    wall: f64,
    clock: Instant,
}

/// This moment.
#[must_use]
pub fn now() -> Began {
    Began { wall: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64()), clock: Instant::now() }
}

/// Name of this host, read once.
#[must_use]
pub fn host() -> String {
    static HOST: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    HOST.get_or_init(|| read().unwrap_or_else(|_| "unknown".to_owned())).clone()
}

/// The record of an attempt that started at `started` and ends now, on threads whose number is not told.
#[must_use]
pub fn attempt(
    training: Id,
    number: u32,
    started: Began,
    launcher: &str,
    isa: &str,
    status: AttemptStatus,
    error: Option<String>,
) -> Attempt {
    let (started, seconds) = (started.wall, started.clock.elapsed().as_secs_f64());
    let ended = now();
    let host = host();
    Attempt {
        id: Id::fresh(&format!("{training} {number} {host} {} {started:?} {ended:?}", std::process::id())),
        training,
        number,
        status,
        error,
        host,
        launcher: launcher.to_owned(),
        started,
        seconds,
        version: VERSION.to_owned(),
        commit: COMMIT.to_owned(),
        isa: isa.to_owned(),
        gemm: "infoplane tiles".to_owned(),
        threads: None,
    }
}

//! What this machine offers and how the work is spread over it: instruction set, worker processes, threads.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exit::{Exit, Failure};
use crate::cohort::model::LocalSettings;
use crate::launch::crew::Crew;
use crate::math::simd::Isa;

/// Where tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LauncherName {
    /// Worker processes on this machine
    Local,
    /// Array jobs of Grid Engine
    Sge,
    /// The ranks of an `mpirun -n N infoplane …`, where infoplane was built with `--features mpi`
    Mpi,
}

impl LauncherName {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Sge => "sge",
            Self::Mpi => "mpi",
        }
    }
}

/// Launcher flags, shared by the commands that start work.
#[derive(Args, Clone, Debug)]
pub struct LauncherArguments {
    /// Where tasks run
    #[arg(long, value_enum, default_value_t = LauncherName::Local)]
    pub launcher: LauncherName,
    /// Worker processes, or pilots of Grid Engine [default: the cohort's, or one a core as far as there are tasks]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub workers: Option<u32>,
    /// Threads of each worker [default: the cohort's, or the cores shared out]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub threads: Option<u32>,
    /// Seconds between two checkpoints of a training
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub checkpoint_every: Duration,
    /// Stay until the work that was given to Grid Engine has ended
    #[arg(long)]
    pub wait: bool,
    /// The ranks, under MPI.
    #[arg(skip)]
    pub crew: Option<Crew>,
}

/// A time in seconds, fractions allowed.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected seconds, a number from 0 to 1e9".to_owned();
    let number = text.parse::<f64>().ok().filter(|seconds| (0.0..=1e9).contains(seconds)).ok_or_else(expected)?;
    Duration::try_from_secs_f64(number).map_err(|_| expected())
}

/// Work per training step, in multiply-adds, from which a task is worth several threads.
const LARGE_STEP: u64 = 1 << 22;

/// Workers and threads for that many tasks, of which the largest takes `step` multiply-adds a training step. What is not asked for: many
/// small tasks get a worker of one thread a core; few large ones share the cores.
pub fn spread(cores: u32, tasks: usize, step: u64, workers: Option<u32>, threads: Option<u32>) -> (u32, u32) {
    let few = u32::try_from(tasks).unwrap_or(u32::MAX).max(1);
    let large_and_few = step >= LARGE_STEP && few < cores.saturating_mul(4);
    match (workers, threads) {
        (Some(workers), Some(threads)) => (workers, threads),
        (Some(workers), None) => (workers, (cores / workers.min(few)).max(1)),
        (None, Some(threads)) => ((cores / threads).clamp(1, few), threads),
        (None, None) if large_and_few => (1, cores),
        (None, None) => {
            let workers = cores.min(few);
            (workers, (cores / workers).max(1))
        }
    }
}

impl LauncherArguments {
    /// Workers and threads, from the flags, then the cohort, then the machine.
    pub fn spread(&self, settings: &LocalSettings, tasks: usize, step: u64) -> (u32, u32) {
        if let Some(crew) = &self.crew {
            return (crew.workers(), self.threads.unwrap_or(1));
        }
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        spread(cores, tasks, step, self.workers.or(settings.workers), self.threads.or(settings.threads))
    }
}

/// The instruction set to use: the best, or what `INFOPLANE_ISA` names.
pub fn isa() -> Result<Isa, Failure> {
    let Some(name) = std::env::var_os("INFOPLANE_ISA").filter(|name| !name.is_empty()) else { return Ok(Isa::best()) };
    let name = name.to_string_lossy();
    Isa::by_name(&name).ok_or_else(|| {
        let names: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
        let text = format!("INFOPLANE_ISA={name}: no instruction set of that name here, expected one of {}", names.join(", "));
        Failure::new(Exit::Invalid, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_out_by_number_and_size() {
        let small = 1 << 16;
        assert_eq!(spread(8, 100, small, None, None), (8, 1));
        assert_eq!(spread(8, 2, small, None, None), (2, 4));
        assert_eq!(spread(8, 3, LARGE_STEP, None, None), (1, 8));
        assert_eq!(spread(8, 100, LARGE_STEP, None, None), (8, 1));
        assert_eq!(spread(8, 100, small, Some(2), None), (2, 4));
        assert_eq!(spread(8, 100, small, None, Some(3)), (2, 3));
        assert_eq!(spread(2, 100, small, Some(7), Some(3)), (7, 3));
        assert_eq!(spread(1, 0, small, None, None), (1, 1));
    }
}

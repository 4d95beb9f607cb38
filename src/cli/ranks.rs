//! A command on all ranks of an `mpirun`: rank 0 does it, the others work for it and end as it does, with the same exit code.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::machine::LauncherArguments;

/// What a command that was started as a rank does.
#[cfg(not(feature = "mpi"))]
pub fn on_all(
    _: &Path,
    _: &LauncherArguments,
    _: impl FnOnce(&LauncherArguments) -> Result<Exit, Failure> + Send,
) -> Result<Exit, Failure> {
    let text = "this infoplane was built without MPI; build it with `cargo install --path . --locked --features mpi`, which needs an MPI \
                (Debian: openmpi-bin libopenmpi-dev libclang-dev)";
    Err(Failure::new(Exit::Launcher, text))
}

#[cfg(feature = "mpi")]
pub use with_mpi::on_all;

#[cfg(feature = "mpi")]
mod with_mpi {
    use std::io::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread;
    use std::time::Duration;

    use signal_hook::consts::SIGTERM;
    use signal_hook::iterator::Signals;

    use super::{Exit, Failure, LauncherArguments, Path};
    use crate::cli::interrupt::WARNINGS;
    use crate::cli::machine::{self, LauncherName, seconds};
    use crate::launch::crew::Crew;
    use crate::launch::mpi::World;
    use crate::launch::ranks::{Carrier, Ending, Letter, Mail, Network, Outgoing};
    use crate::launch::wire::{Report, Request};
    use crate::math::exec::Exec;
    use crate::worker::serve::{Identity, Line, chain, serve};

    /// Names the seconds of silence after which a rank is taken for lost.
    const PATIENCE: &str = "INFOPLANE_MPI_TIMEOUT";
    /// How many times that the start of all ranks may take, which wait for each other in MPI.
    const START: u32 = 8;
    /// From so many ranks on rank 0 only coordinates: one core in that many is less than what its own tasks would hold up.
    const MANY: usize = 32;
    /// Stack of the coordinator, as a main thread has.
    const STACK: usize = 8 << 20;

    /// Does `command` on rank 0, with the ranks as its crew, and works for it on all of them; ends the process.
    pub fn on_all(
        out: &Path,
        launcher: &LauncherArguments,
        command: impl FnOnce(&LauncherArguments) -> Result<Exit, Failure> + Send,
    ) -> Result<Exit, Failure> {
        let patience = match std::env::var(PATIENCE) {
            Ok(text) => seconds(&text).map_err(|e| Failure::new(Exit::Invalid, format!("{PATIENCE}={text}: {e}")))?,
            Err(_) => Duration::from_secs(30),
        };
        let met = give_up_unless_met(patience * START);
        let world = World::join().map_err(|text| Failure::new(Exit::Launcher, text))?;
        met.store(true, Ordering::Relaxed);
        let (rank, size) = (world.rank(), world.size());
        let (outgoing, letters) = channel();
        let threads = rayon::ThreadPoolBuilder::new().num_threads(launcher.threads.unwrap_or(1) as usize).build_global();
        threads.map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        let worker = worker(out, launcher, outgoing.clone());
        heed_warnings(rank, &outgoing)?;
        if rank > 0 {
            let (ending, world) = Carrier::new(world, letters, worker, |_| (), patience).carry();
            end(ending, world, patience);
        }
        let (mail, desk) = channel::<Mail>();
        let computes: Vec<bool> = (0..size).map(|rank| rank > 0 || size < MANY).collect();
        let launcher = LauncherArguments { crew: Some(Crew::new(outgoing.clone(), desk, &computes)), ..launcher.clone() };
        let (ending, world) = thread::scope(|scope| {
            let coordinate = move || {
                let ended = catch_unwind(AssertUnwindSafe(|| command(&launcher)));
                let exit = match ended {
                    Ok(Ok(exit)) => exit,
                    Ok(Err(failure)) => {
                        tell!("{}", failure.report());
                        failure.exit()
                    }
                    Err(_) => {
                        tell!("error: the coordinator panicked; what was finished is in the store: run again to go on");
                        Exit::Internal
                    }
                };
                // The carrier goes on until it reads this.
                let _ = outgoing.send((0, Letter::Over { code: exit as u8, whole: true }));
            };
            let thread = thread::Builder::new().name("coordinator".to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, coordinate).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
            let carrier = Carrier::new(world, letters, worker, move |letter| drop(mail.send(letter)), patience);
            Ok::<_, Failure>(carrier.carry())
        })?;
        end(ending, world, patience)
    }

    /// Ends this rank unless it is told in time that the ranks have met: with `mpirun --enable-recovery` those that wait in `MPI_Init` for
    /// one that died there would wait for ever. Only time counts in which this rank was awake.
    fn give_up_unless_met(within: Duration) -> Arc<AtomicBool> {
        let met = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&met);
        thread::spawn(move || {
            for _ in 0..within.as_secs().max(1) {
                thread::sleep(Duration::from_secs(1));
                if told.load(Ordering::Relaxed) {
                    return;
                }
            }
            tell!("error: the ranks have not met within {} s: one may have died at its start; run again", within.as_secs());
            signal_hook::low_level::exit(Exit::Launcher as i32)
        });
        met
    }

    /// From now on what announces the end of a job makes this rank's worker leave a checkpoint and end. Rank 0 hears of it, too, and ends
    /// all; until then the others may go on with other tasks.
    fn heed_warnings(rank: usize, outgoing: &Sender<Outgoing>) -> Result<(), Failure> {
        let mut signals = Signals::new(WARNINGS.iter().chain(&[SIGTERM])).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        let outgoing = outgoing.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                let _ = outgoing.send((rank, Letter::Request(Request::Ease)));
            }
        });
        Ok(())
    }

    /// Ends this rank.
    fn end(ending: Ending, world: World, patience: Duration) -> ! {
        let rank = world.rank();
        let code = match ending {
            Ending::Over { code, whole: true } => {
                // A rank that died a moment ago is not missed yet, and MPI_Finalize would wait for it for ever.
                thread::spawn(move || {
                    thread::sleep(patience);
                    signal_hook::low_level::exit(code.into())
                });
                let _ = std::io::stdout().flush();
                world.leave();
                std::process::exit(code.into())
            }
            // After a death, MPI_Finalize may wait for the dead.
            Ending::Over { code, whole: false } => code,
            Ending::Alone => {
                tell!("error: rank {rank}: rank 0 has not been heard for too long; run again to go on");
                Exit::Launcher as u8
            }
        };
        let _ = std::io::stdout().flush();
        signal_hook::low_level::exit(code.into())
    }

    /// Gives requests to this rank's worker, which is started by the first, and again after one that has ended.
    fn worker(out: &Path, launcher: &LauncherArguments, outgoing: Sender<Outgoing>) -> impl FnMut(Request) + 'static {
        let (out, threads, every) = (out.to_path_buf(), launcher.threads.unwrap_or(1) as usize, launcher.checkpoint_every);
        let mut at_work: Option<(Sender<Request>, Arc<AtomicBool>)> = None;
        move |request| {
            let living = at_work.take().filter(|(_, ended)| !ended.load(Ordering::Relaxed));
            let (requests, _) = match (living, &request) {
                (Some(worker), _) => at_work.insert(worker),
                (None, Request::Ease) => return drop(outgoing.send((0, Letter::Ended))),
                (None, _) => at_work.insert(start(out.clone(), threads, every, outgoing.clone())),
            };
            // A worker that ends just now has said that what it holds is lost.
            let _ = requests.send(request);
        }
    }

    /// Starts a worker; the flag tells that it has ended.
    fn start(out: PathBuf, threads: usize, every: Duration, outgoing: Sender<Outgoing>) -> (Sender<Request>, Arc<AtomicBool>) {
        let (sender, receiver) = channel();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        thread::spawn(move || {
            let receiver = Mutex::new(receiver);
            let reports = outgoing.clone();
            let line = Line {
                requests: Box::new(move || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()),
                reports: Box::new(move |said| drop(reports.send((0, Letter::Reports(said))))),
                end: || (),
            };
            let served = machine::isa().map_err(|failure| failure.report()).and_then(|isa| {
                let exec = Exec { isa, parallel: threads > 1 };
                let identity = Identity { exec, launcher: LauncherName::Mpi.name(), checkpoint_every: every };
                serve(&out, &identity, line).map_err(|error| chain(&error))
            });
            flag.store(true, Ordering::Relaxed);
            let lost = served.err().map(|error| Letter::Reports(vec![Report::Lost { tickets: vec![], error }]));
            lost.into_iter().chain([Letter::Ended]).for_each(|letter| drop(outgoing.send((0, letter))));
        });
        (sender, ended)
    }
}

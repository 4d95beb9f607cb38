//! MPI: the [`Network`] between the ranks of an `mpirun`. The only file that names it.
//!
//! Only the thread that joined speaks to MPI (`MPI_THREAD_FUNNELED`), and never waits in it: sends are immediate and tested later, what
//! arrives is found by a matched probe. Whatever holds a rank up, no other one hangs in a call.

use mpi::Threading;
use mpi::environment::Universe;
use mpi::request::{Request, StaticScope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};

use super::ranks::Network;

/// This rank's end of the job.
pub struct World {
    communicator: SimpleCommunicator,
    sends: Vec<Sending>,
    /// Finalises MPI when dropped, so it comes last of all.
    universe: Universe,
}

/// Bytes on their way.
struct Sending {
    to: usize,
    bytes: *mut [u8],
    request: Request<'static, [u8], StaticScope>,
}

impl World {
    /// Joins the job, or makes one of a single rank where there is no `mpirun`.
    ///
    /// # Errors
    /// In words, where MPI cannot be used.
    pub fn join() -> Result<Self, String> {
        let (universe, given) = mpi::initialize_with_threading(Threading::Funneled).ok_or("MPI has been started before")?;
        if given < Threading::Funneled {
            return Err("this MPI cannot be used by a program with threads (MPI_THREAD_FUNNELED)".to_owned());
        }
        Ok(Self { communicator: universe.world(), sends: Vec::new(), universe })
    }

    /// Says good-bye to all ranks and waits for theirs (`MPI_Finalize`).
    pub fn leave(self) {
        let Self { communicator, sends, universe } = self;
        // What never left cannot be waited for; its receiver does not want it any more.
        sends.into_iter().for_each(|sending| std::mem::forget(sending.request));
        drop(communicator);
        drop(universe);
    }
}

impl Network for World {
    fn rank(&self) -> usize {
        usize::try_from(self.communicator.rank()).unwrap_or(0)
    }

    fn size(&self) -> usize {
        usize::try_from(self.communicator.size()).unwrap_or(1)
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) {
        let Ok(rank) = i32::try_from(to) else { return };
        let bytes: *mut [u8] = Box::into_raw(bytes.into_boxed_slice());
        // SAFETY: the box was given up just now, so the bytes live until `unsent` takes them back, after the request that reads them has
        // completed; nobody writes to them. Those of a request that never completes are never taken back.
        let lent: &'static [u8] = unsafe { &*bytes };
        let request = self.communicator.process_at_rank(rank).immediate_send(StaticScope, lent);
        self.sends.push(Sending { to, bytes, request });
    }

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        let found = self.communicator.any_process().immediate_matched_probe()?;
        let (bytes, status) = found.matched_receive_vec::<u8>();
        Some((usize::try_from(status.source_rank()).ok()?, bytes))
    }

    fn unsent(&mut self) -> usize {
        let mut waiting = Vec::with_capacity(self.sends.len());
        for Sending { to, bytes, request } in self.sends.drain(..) {
            match request.test() {
                // SAFETY: `bytes` comes from `Box::into_raw` in `send`, and the only request that reads them has completed.
                Ok(_) => drop(unsafe { Box::from_raw(bytes) }),
                Err(request) => waiting.push(Sending { to, bytes, request }),
            }
        }
        self.sends = waiting;
        self.sends.len()
    }

    fn forget(&mut self, rank: usize) {
        let (lost, kept): (Vec<_>, Vec<_>) = self.sends.drain(..).partition(|sending| sending.to == rank);
        self.sends = kept;
        // MPI may still read them: neither request nor bytes are given back.
        lost.into_iter().for_each(|sending| std::mem::forget(sending.request));
    }
}

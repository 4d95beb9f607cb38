//! What coordinator and worker say to each other: length-framed `postcard` messages over a pipe.

use std::io::{self, BufReader, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::grid::plan::Task;

/// Longest message, in bytes: tasks are small, so more means that the stream is not ours.
const LIMIT: u32 = 16 << 20;

/// From the coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Tasks to do, one after the other, behind those that wait already.
    Do(Vec<Order>),
    /// Give back the last so many of the tasks that wait, started ones excepted: another place is idle.
    GiveBack(u32),
    /// Leave a checkpoint of the task under way, and end.
    Ease,
}

/// One task to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Names the submission in reports.
    pub ticket: u64,
    /// Number of this attempt at the task, from 1.
    pub attempt: u32,
    /// The task.
    pub task: Task,
    /// Fencing number of the lease under which it is done; 0 without one.
    pub fence: u64,
}

/// How a task ended, as its worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// All its records are committed.
    Ok,
    /// It cannot be done: the same again would fail again.
    Failed {
        /// Why.
        error: String,
    },
}

/// From the worker, many in one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// A task is begun. Told before it is: when the worker dies, this says which tasks it may have died of.
    Started {
        /// The submission.
        ticket: u64,
    },
    /// Share of a task's work that is done, 0 to 1.
    Progress {
        /// The submission.
        ticket: u64,
        /// The share.
        share: f32,
    },
    /// A task ended; where it ended well, its records are committed.
    Finished {
        /// The submission.
        ticket: u64,
        /// How.
        outcome: Outcome,
    },
    /// These tasks were not started, and will not be.
    GivenBack {
        /// The submissions.
        tickets: Vec<u64>,
    },
    /// The store takes nothing more from this worker: what these tasks did is not committed, and the worker ends.
    Lost {
        /// The submissions.
        tickets: Vec<u64>,
        /// Why.
        error: String,
    },
    /// A task's training goes on from a checkpoint.
    Continued {
        /// The submission.
        ticket: u64,
        /// The epoch behind which the checkpoint was left.
        epoch: i64,
    },
}

/// Writes one message and flushes.
///
/// # Errors
/// Those of the stream.
pub fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|&n| n <= LIMIT).ok_or(io::ErrorKind::InvalidInput)?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    stream.write_all(&frame)?;
    stream.flush()
}

/// Reads one message; `None` at the end of the stream, a torn message included: whoever wrote it is gone.
///
/// # Errors
/// Those of the stream, and `InvalidData` for bytes that are no message.
pub fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let read = |stream: &mut dyn Read, buffer: &mut [u8]| match stream.read_exact(buffer) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    };
    let mut length = [0; 4];
    if !read(stream, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length);
    if length > LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes: not one of ours")));
    }
    let mut body = vec![0; length as usize];
    if !read(stream, &mut body)? {
        return Ok(None);
    }
    postcard::from_bytes(&body).map(Some).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Reads messages that each hold several items: waits for one message, then takes all that have arrived whole; `false` at the end of
/// the stream.
///
/// # Errors
/// See [`receive`].
pub fn receive_some<T: DeserializeOwned>(stream: &mut BufReader<impl Read>, items: &mut Vec<T>) -> io::Result<bool> {
    loop {
        let Some(more) = receive::<Vec<T>>(stream)? else { return Ok(false) };
        items.extend(more);
        let buffer = stream.buffer();
        let whole = buffer.first_chunk().is_some_and(|length| buffer.len() - 4 >= u32::from_le_bytes(*length) as usize);
        if !whole {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_torn_ones_end_the_stream() {
        let reports = [
            Report::Progress { ticket: 7, share: 0.25 },
            Report::Finished { ticket: 9, outcome: Outcome::Failed { error: "é\n".into() } },
        ];
        let mut bytes = Vec::new();
        reports.iter().for_each(|r| send(&mut bytes, r).unwrap());
        for cut in 0..bytes.len() {
            let mut stream = &bytes[..cut];
            let mut got = Vec::new();
            while let Some(report) = receive::<Report>(&mut stream).unwrap() {
                got.push(report);
            }
            assert_eq!(got[..], reports[..got.len()]);
            assert!(got.len() < 2);
        }
    }

    #[test]
    fn what_has_arrived_is_taken_at_once_and_in_order() {
        let mut bytes = Vec::new();
        for n in 0..40_u64 {
            send(&mut bytes, &vec![n; (n % 3) as usize]).unwrap();
        }
        let expected: Vec<u64> = (0..40).flat_map(|n| vec![n; (n % 3) as usize]).collect();
        for capacity in [4, 5, 17, 1000] {
            let (mut stream, mut got, mut waits) = (BufReader::with_capacity(capacity, &bytes[..]), Vec::<u64>::new(), 0);
            while receive_some(&mut stream, &mut got).unwrap() {
                waits += 1;
            }
            assert_eq!(got, expected);
            assert!(capacity < 1000 || waits == 1, "{waits}");
        }
    }

    #[test]
    fn foreign_bytes_are_an_error() {
        let mut stream = &b"hello, this is not a message"[..];
        assert!(receive::<Report>(&mut stream).is_err());
    }
}

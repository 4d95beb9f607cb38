//! What coordinator and worker say to each other: length-framed `postcard` messages over a pipe.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::grid::plan::Task;

/// Longest message, in bytes: tasks are small, so more means that the stream is not ours.
const LIMIT: u32 = 16 << 20;

/// From the coordinator: one task to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Names the submission in reports.
    pub ticket: u64,
    /// Number of this attempt at the task, from 1.
    pub attempt: u32,
    /// The task.
    pub task: Task,
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
    /// It could not be done here and now; another worker may.
    Lost {
        /// Why.
        error: String,
    },
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// Share of a task's work that is done, 0 to 1.
    Progress {
        /// The submission.
        ticket: u64,
        /// The share.
        share: f32,
    },
    /// A task ended.
    Finished {
        /// The submission.
        ticket: u64,
        /// How.
        outcome: Outcome,
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
    fn foreign_bytes_are_an_error() {
        let mut stream = &b"hello, this is not a message"[..];
        assert!(receive::<Report>(&mut stream).is_err());
    }
}

//! The journal of a sweep: what was about to be submitted, what was, what became of it. Lines of JSON, appended and synced one by one; a torn
//! last line is a line that was not written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An array job of that name will be submitted now. What follows may be missing: then only the name finds it.
    Intent {
        /// The array's place in the sweep.
        array: usize,
        /// Name of the job.
        name: String,
    },
    /// It was submitted.
    Job {
        /// The array's place in the sweep.
        array: usize,
        /// Number of the job.
        job: u64,
    },
    /// It was refused.
    Refused {
        /// The array's place in the sweep.
        array: usize,
        /// In these words.
        said: String,
    },
    /// A person cancelled the sweep: pilots that come later leave.
    Cancelled,
    /// All is done, and the tables are made.
    Ended,
    /// Its jobs were gone before all was done; another sweep takes up what is left.
    Abandoned,
}

/// The journal as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Journal {
    /// Reads it; what is torn or of a later version is left out.
    ///
    /// # Errors
    /// Those of the file system; a journal that is not there yet is empty.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let lines = text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        Ok(Self { lines: lines.collect() })
    }

    /// Appends a line, durably.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn append(path: &Path, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        // In front, too: a torn line must not spoil this one.
        bytes.insert(0, b'\n');
        bytes.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
    }

    /// How the sweep ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&Line> {
        self.lines.iter().find(|line| matches!(line, Line::Cancelled | Line::Ended | Line::Abandoned))
    }

    /// The numbers of its jobs, as far as they were journalled.
    #[must_use]
    pub fn jobs(&self) -> Vec<u64> {
        self.lines.iter().filter_map(|line| if let Line::Job { job, .. } = line { Some(*job) } else { None }).collect()
    }

    /// Names of arrays that were about to be submitted, and of which nothing more is known.
    #[must_use]
    pub fn unsettled(&self) -> Vec<&str> {
        let settled = |array: usize| {
            let of_it = |line: &Line| matches!(line, Line::Job { array: a, .. } | Line::Refused { array: a, .. } if *a == array);
            self.lines.iter().any(of_it)
        };
        let intents = self.lines.iter().filter_map(|line| match line {
            Line::Intent { array, name } if !settled(*array) => Some(name.as_str()),
            _ => None,
        });
        intents.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back_and_a_crash_before_the_number_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        assert_eq!(Journal::read(&path).unwrap(), Journal::default());
        let intent = |array: usize| Line::Intent { array, name: format!("ip-x-a{array}") };
        let lines = [
            intent(0),
            Line::Job { array: 0, job: 7 },
            intent(1),
            intent(2),
            Line::Refused { array: 2, said: "no \"x\"\n".into() },
        ];
        lines.iter().for_each(|line| Journal::append(&path, line).unwrap());
        let journal = Journal::read(&path).unwrap();
        assert_eq!((journal.lines.as_slice(), journal.jobs(), journal.unsettled()), (&lines[..], vec![7], vec!["ip-x-a1"]));
        assert_eq!(journal.end(), None);
        // Torn anywhere: the lines before stay, and what is appended behind is read.
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            Journal::append(&path, &Line::Cancelled).unwrap();
            let journal = Journal::read(&path).unwrap();
            let kept = journal.lines.len() - 1;
            assert!(journal.lines[..kept] == lines[..kept] && journal.end() == Some(&Line::Cancelled), "{cut}");
        }
    }
}

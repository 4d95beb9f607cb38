//! Asking Grid Engine: `qsub`, `qstat`, `qacct`, `qdel` as processes of their own, with arguments and no shell, and with a time limit.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::advice::QueueTrouble;
use super::qacct::{self, Account};
use super::qstat::{self, JobTasks};

/// Longest wait for an answer: a master that restarts is waited for by asking again, not by hanging.
const PATIENCE: Duration = Duration::from_secs(60);
/// What `qsub` exits with where the user has too many jobs.
const TOO_MANY_JOBS: i32 = 25;

/// Grid Engine said no, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedulerError {
    /// A program of Grid Engine's cannot be started.
    #[error(
        "Grid Engine is not here: cannot start `{program}` ({reason}); run this on a submit host, with Grid Engine's settings loaded"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// Why.
        reason: String,
    },
    /// `qsub` says that the user has too many jobs.
    #[error("Grid Engine takes no further job of yours now (max_u_jobs): {said}")]
    TooManyJobs {
        /// Its words.
        said: String,
    },
    /// A program of Grid Engine's refused or failed.
    #[error("`{program}` refused: {said}")]
    Refused {
        /// The program.
        program: &'static str,
        /// Its words.
        said: String,
    },
    /// There was no answer in time.
    #[error("`{program}` gave no answer within {} s", PATIENCE.as_secs())]
    Silent {
        /// The program.
        program: &'static str,
    },
}

/// A batch system with array jobs. What it says is a hint.
pub trait Scheduler {
    /// Submits an array job; its number.
    ///
    /// # Errors
    /// [`SchedulerError`]; the job may have been submitted all the same, which its name tells.
    fn submit(&mut self, words: &[String], script: &str) -> Result<u64, SchedulerError>;

    /// The array tasks that it knows to be waiting or running, of all jobs.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn tasks(&mut self) -> Result<Vec<JobTasks>, SchedulerError>;

    /// How the array tasks of a job ended, as far as it has a record.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn accounts(&mut self, job: u64) -> Result<Vec<Account>, SchedulerError>;

    /// Queue instances that take no jobs.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn troubled_queues(&mut self) -> Result<Vec<QueueTrouble>, SchedulerError>;

    /// Ends a job, or removes it before it starts. One that has ended is no error.
    ///
    /// # Errors
    /// [`SchedulerError`].
    fn delete(&mut self, job: u64) -> Result<(), SchedulerError>;
}

/// The programs on the path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Programs;

/// What a program said.
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Answer {
    /// Its words, on one line.
    fn said(&self) -> String {
        let words: Vec<&str> = [&self.stderr, &self.stdout].iter().flat_map(|text| text.lines()).map(str::trim).collect();
        let said = words.into_iter().filter(|line| !line.is_empty()).take(4).collect::<Vec<_>>().join("; ");
        if said.is_empty() {
            format!("exit {}", self.code.map_or_else(|| "by a signal".to_owned(), |c| c.to_string()))
        } else {
            said
        }
    }
}

/// Runs a program with something on its standard input.
fn ask(program: &'static str, words: &[String], input: &str) -> Result<Answer, SchedulerError> {
    let missing = |error: io::Error| SchedulerError::Missing { program, reason: error.to_string() };
    let mut command = Command::new(program);
    // Answers in the language that we understand.
    command.args(words).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(missing)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.to_owned();
    // A program that ends without reading its input has its reasons, which it tells.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
    let (stdout, stderr) = (collect(stdout), collect(stderr));
    let code = wait(&mut child, program)?;
    let text = |reader: thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned();
    Ok(Answer { code, stdout: text(stdout), stderr: text(stderr) })
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before a failure is told.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn wait(child: &mut Child, program: &'static str) -> Result<Option<i32>, SchedulerError> {
    let (start, mut nap) = (Instant::now(), Duration::from_millis(2));
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.code()),
            Ok(None) if start.elapsed() < PATIENCE => thread::sleep(nap),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(SchedulerError::Silent { program });
            }
        }
        nap = (nap * 2).min(Duration::from_millis(50));
    }
}

/// As [`ask`], for a program that must exit with 0.
fn ask_well(program: &'static str, words: &[&str]) -> Result<String, SchedulerError> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let answer = ask(program, &words, "")?;
    if answer.code == Some(0) { Ok(answer.stdout) } else { Err(SchedulerError::Refused { program, said: answer.said() }) }
}

impl Scheduler for Programs {
    fn submit(&mut self, words: &[String], script: &str) -> Result<u64, SchedulerError> {
        let answer = ask("qsub", words, script)?;
        match answer.code {
            Some(0) => job_number(&answer.stdout)
                .ok_or_else(|| SchedulerError::Refused { program: "qsub", said: format!("no job number: {}", answer.said()) }),
            Some(TOO_MANY_JOBS) => Err(SchedulerError::TooManyJobs { said: answer.said() }),
            _ => Err(SchedulerError::Refused { program: "qsub", said: answer.said() }),
        }
    }

    fn tasks(&mut self) -> Result<Vec<JobTasks>, SchedulerError> {
        let xml = ask_well("qstat", &["-xml", "-u", "*"])?;
        qstat::parse(&xml).map_err(|said| SchedulerError::Refused { program: "qstat", said })
    }

    fn accounts(&mut self, job: u64) -> Result<Vec<Account>, SchedulerError> {
        match ask_well("qacct", &["-j", &job.to_string()]) {
            Ok(text) => Ok(qacct::parse(&text)),
            // It exits with 1 for a job that it has no record of, yet.
            Err(SchedulerError::Refused { said, .. }) if said.contains("not found") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn troubled_queues(&mut self) -> Result<Vec<QueueTrouble>, SchedulerError> {
        let xml = ask_well("qstat", &["-f", "-xml"])?;
        let queues = qstat::parse_queues(&xml).map_err(|said| SchedulerError::Refused { program: "qstat", said })?;
        Ok(queues.into_iter().filter(|queue| queue.state.contains(['E', 'd', 'u', 'a', 'A', 's', 'S', 'D'])).collect())
    }

    fn delete(&mut self, job: u64) -> Result<(), SchedulerError> {
        match ask_well("qdel", &[&job.to_string()]) {
            Err(SchedulerError::Refused { said, .. }) if said.contains("does not exist") => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// The number in what `qsub -terse` prints: `17` or `17.1-3:1`, on its last line.
fn job_number(stdout: &str) -> Option<u64> {
    let last = stdout.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    last.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_numbers_are_read() {
        assert_eq!([job_number("17.1-3:1\n"), job_number("a note\n18\n\n")], [Some(17), Some(18)]);
        assert_eq!([job_number(""), job_number("Your job 17")], [None, None]);
    }

    #[test]
    fn a_program_is_asked_without_a_shell() {
        let words = ["$(id) 'x'".to_owned(), "a\nb".to_owned()];
        let answer = ask("printf", &[&["%s|".to_owned()][..], &words].concat(), "").unwrap();
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "$(id) 'x'|a\nb|"));
        let long = "x".repeat(1 << 20);
        assert_eq!(ask("cat", &[], &long).unwrap().stdout, long);
        assert!(matches!(ask("no such program", &[], ""), Err(SchedulerError::Missing { .. })));
    }
}

//! Progress of a call: a bar with the time left on a terminal, plain lines now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::grid::plan::Task;
use crate::launch::drive::{News, Wish};

/// Steps of the bar.
const STEPS: u64 = 1000;
/// Longest silence in a log while work goes on.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Longer than anything that is waited for: a thousand years.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);
/// Shortest time between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How far a call is.
pub struct Progress {
    name: String,
    costs: Vec<f64>,
    /// Share done of every task; 1 where it ended.
    shares: Vec<f64>,
    /// Sum of the costs, and of what is done of them.
    total: f64,
    done: f64,
    ended: usize,
    failed: usize,
    start: Instant,
    last_line: Instant,
    last_look: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
    wish: Wish,
}

impl Progress {
    /// Before the first of `tasks`.
    pub fn new(name: &str, tasks: &[Task], quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:32}] {percent:>3} %  {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
            ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(8))
                .with_style(style)
                .with_prefix(name.to_owned())
        });
        let now = Instant::now();
        // A task that costs nothing still counts.
        let costs: Vec<f64> = tasks.iter().map(|task| task.cost().max(1.0)).collect();
        Self {
            name: name.to_owned(),
            total: costs.iter().sum(),
            done: 0.0,
            costs,
            shares: vec![0.0; tasks.len()],
            ended: 0,
            failed: 0,
            start: now,
            last_line: now,
            last_look: now,
            bar,
            quiet,
            wish: Wish::Run,
        }
    }

    /// Takes in what happened to a task.
    pub fn news(&mut self, task: usize, news: &News<'_>) {
        match news {
            News::Started { .. } => self.set(task, 0.0),
            News::Continued(epoch) => self.say(&format!("task {}: continued from epoch {epoch}", task + 1)),
            News::Progress(share) => self.set(task, f64::from(*share).clamp(0.0, 1.0)),
            News::Done => {
                self.set(task, 1.0);
                self.ended += 1;
            }
            News::Failed(error) => {
                self.set(task, 1.0);
                self.ended += 1;
                self.failed += 1;
                self.say(&format!("task {}: failed: {error}", task + 1));
            }
            News::Lost { reason, again, .. } => {
                self.set(task, if *again { 0.0 } else { 1.0 });
                self.ended += usize::from(!again);
                self.say(&format!(
                    "task {}: {reason}; {}",
                    task + 1,
                    if *again { "it will be tried again" } else { "given up for now" }
                ));
            }
        }
    }

    /// A task is not needed any more.
    pub fn drop_task(&mut self, task: usize) {
        self.set(task, 1.0);
    }

    /// Shows where things stand.
    pub fn tick(&mut self, wish: Wish) {
        if wish != self.wish {
            self.wish = wish;
            self.say(match wish {
                Wish::Drain => "finishing what is under way; Ctrl-C again stops at once",
                Wish::Stop => "stopping",
                Wish::Run => "going on",
            });
        }
        // Short tasks end by the thousand between two looks.
        if self.last_look.elapsed() < LOOK_EVERY {
            return;
        }
        self.last_look = Instant::now();
        let share = self.share();
        let status = format!("{}/{} tasks{}{}", self.ended, self.costs.len(), self.failures(), self.left(share));
        if let Some(bar) = &self.bar {
            bar.set_position((share * STEPS as f64) as u64);
            bar.set_message(status);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.say(&format!("{:.0} %, {status}", share * 100.0));
        }
    }

    /// Share of the work that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        (self.done / self.total.max(1.0)).clamp(0.0, 1.0)
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn set(&mut self, task: usize, share: f64) {
        self.done += self.costs[task] * (share - self.shares[task]);
        self.shares[task] = share;
    }

    fn failures(&self) -> String {
        if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) }
    }

    /// Time left at the pace so far; nothing while there is too little to tell from.
    fn left(&self, share: f64) -> String {
        let elapsed = self.start.elapsed();
        if share < 0.005 || elapsed < Duration::from_millis(500) || share >= 1.0 {
            return String::new();
        }
        format!(", about {} left", duration(elapsed.mul_f64((1.0 - share) / share)))
    }

    fn say(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        self.last_line = Instant::now();
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{}: {text}", self.name)),
            None => tell!("{}: {text}", self.name),
        }
    }
}

/// Seconds that a file or another process tells, as a duration; `None` where that is none, or so long that nobody waits for it.
pub fn duration_of(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= LONGEST)
}

/// A duration as people say it: 4.2 s, 42 s, 3 min 12 s, 5 h 02 min.
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e300, 1e12] {
            assert_eq!(duration_of(none), None, "{none}");
        }
        assert_eq!(duration_of(2.5).map(duration), Some("2.5 s".to_owned()));
        let texts = [0.04, 4.24, 12.4, 61.0, 3599.0, 7320.0].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(texts, ["0.0 s", "4.2 s", "12 s", "1 min 01 s", "59 min 59 s", "2 h 02 min"]);
    }
}

//! `infoplane explain`: all that is known of a run.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;

use super::StoreArguments;
use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::print::print;
use super::progress::{duration, duration_of};
use super::studies::Open;
use crate::query::explain::{Explanation, explain as explain_runs};
use crate::query::study::resolve;

/// Explain a run: every attempt at it, what is committed, why it failed or waits
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane explain \"quickstart:activation_fn=tanh:0\"
  infoplane explain 5b685df6
  infoplane status quickstart --json | jq -r '.failures[].run' | xargs -d '\\n' -n 1 infoplane explain

RUN is COHORT:LABEL:REPEAT, or the first digits of a training's id (`infoplane find` lists both). Runs that share a training share its attempts.")]
pub struct ExplainArguments {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn explain(arguments: &ExplainArguments) -> Result<Exit, Failure> {
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let runs = resolve(&studies, &arguments.run)?;
    let Some(explanation) = explain_runs(&runs, &open.index, &open.live())? else { return Ok(Exit::Done) };
    for damage in open.index.damage() {
        tracing::warn!("{damage}");
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(&explanation).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        return print(format!("{json}\n").as_bytes());
    }
    print(text(&explanation).as_bytes())
}

fn text(e: &Explanation) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for run in &e.runs {
        let _ = writeln!(text, "{}: {}", run.run, run.status);
    }
    let _ = writeln!(text, "  {}", e.verdict);
    let _ = writeln!(text, "training {}, seed {}", e.training_id, e.seed);
    let _ = match &e.training {
        None => writeln!(text, "  not committed"),
        Some(t) => {
            let last = t.last_epoch.map_or_else(String::new, |epoch| format!(", the last {epoch}"));
            let weights = if t.snapshots { "weights kept" } else { "weights not kept, so a further measurement trains again" };
            writeln!(text, "  committed: {} recorded epochs{last}; {weights}", t.epochs)
        }
    };
    if !e.measurements.is_empty() {
        text.push_str("measurements\n");
        let row = |m: &crate::query::explain::MeasurementFacts| {
            let state = if m.committed { "committed" } else { "not committed" };
            [m.estimator, &m.estimator_params, m.split, state].map(str::to_owned).to_vec()
        };
        text.push_str(&aligned(&e.measurements.iter().map(row).collect::<Vec<_>>(), "  "));
    }
    if e.attempts.is_empty() {
        return text + "no attempt yet\n";
    }
    text.push_str("attempts\n");
    let row = |a: &crate::query::explain::AttemptFacts| {
        let took = duration_of(a.seconds).unwrap_or_default();
        let took = if took < Duration::from_millis(100) { format!("{} ms", took.as_millis()) } else { duration(took) };
        let program = format!("{} ({})", a.version, a.commit.get(..8).unwrap_or(&a.commit));
        let cells = [a.attempt.to_string(), a.status.to_owned(), utc(a.started), took, a.host.clone(), a.launcher.clone()];
        [&cells[..], &[a.isa.clone(), program, a.error.clone().unwrap_or_default()]].concat()
    };
    text.push_str(&aligned(&e.attempts.iter().map(row).collect::<Vec<_>>(), "  "));
    text
}

/// A time as people read it, in UTC: 2026-11-23 13:05:09.
fn utc(seconds: f64) -> String {
    // Beyond the years that anybody lives in the number saturates.
    let seconds = seconds as i64;
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar; years counted from March make leap days the last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_read_as_dates() {
        assert_eq!(utc(0.0), "1970-01-01 00:00:00Z");
        assert_eq!(utc(951_782_400.5), "2000-02-29 00:00:00Z");
        assert_eq!(utc(1_795_525_509.0), "2026-11-24 13:05:09Z");
        assert_eq!(utc(-1.0), "1969-12-31 23:59:59Z");
    }
}

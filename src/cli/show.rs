//! `infoplane show`: a run in short: settings, metrics and measures at the last epoch, figures.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::StoreArguments;
use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::print::print;
use super::studies::Open;
use crate::query::facts;
use crate::query::show::{Card, Dependent, card};
use crate::query::status::{standing, under_way};
use crate::query::study::resolve;

/// Pairs of one measure and split that are listed for people; JSON has them all.
const MOST_PAIRS: usize = 200;

/// Show a run: settings, metrics and measures at the last epoch, figures
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane show \"quickstart:activation_fn=tanh:0\"
  infoplane show 5b685df6 --json

ID is COHORT:LABEL:REPEAT or the first digits of a training's id. Several runs that share the training are shown one after the other, and are \
a list with --json.")]
pub struct ShowArguments {
    /// The run
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A card with the figures of its cohort.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    card: Card,
    figures: Vec<PathBuf>,
}

pub fn show(arguments: &ShowArguments) -> Result<Exit, Failure> {
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let under_way = under_way(&open.live());
    let mut all = Vec::new();
    for run in resolve(&studies, &arguments.id)? {
        // Records are read before the status is told, so that damage in them counts.
        let mut card = card(&run, "", &open.index)?;
        card.status = standing(&open.index, &under_way, &run)?.name();
        all.push(Shown { card, figures: figures(&open.store.cohort_dir(&run.study.grid.cohort)) });
    }
    if !arguments.json {
        return print(all.iter().map(text).collect::<Vec<_>>().join("\n").as_bytes());
    }
    let json = if let [one] = &all[..] { serde_json::to_string_pretty(one) } else { serde_json::to_string_pretty(&all) };
    print(format!("{}\n", json.map_err(|e| Failure::from_error(Exit::Internal, &e))?).as_bytes())
}

/// The figures of a cohort, by name.
fn figures(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("figures")).into_iter().flatten().flatten();
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut figures: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file() && !hidden(path)).collect();
    figures.sort();
    figures
}

fn text(shown: &Shown) -> String {
    let card = &shown.card;
    let mut text = format!("{}: {}\n", card.name, card.status);
    let pairs = |values: &[(&'static str, _)]| {
        let rows: Vec<_> = values.iter().map(|(key, value)| vec![(*key).to_owned(), facts::text(value)]).collect();
        aligned(&rows, "  ")
    };
    text.push_str(&pairs(&card.place));
    text.push_str("settings\n");
    text.push_str(&pairs(&card.settings));
    // Writing to a string cannot fail.
    match card.metrics.first() {
        None => text.push_str("metrics: the training is not committed\n"),
        Some(first) => {
            let _ = writeln!(text, "metrics at epoch {}", first.epoch);
            let row = |m: &crate::query::show::Metric| {
                vec![m.split.to_owned(), format!("loss {:.6}", m.loss), format!("accuracy {:.4}", m.accuracy)]
            };
            text.push_str(&aligned(&card.metrics.iter().map(row).collect::<Vec<_>>(), "  "));
        }
    }
    if let Some(first) = card.measures.first() {
        let _ = writeln!(text, "measures at epoch {}, in bits", first.epoch);
        let mut rows = vec![["estimator", "", "split", "layer", "I(X;T)", "I(T;Y)"].map(str::to_owned).to_vec()];
        let bits = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
        rows.extend(card.measures.iter().map(|m| {
            let words = [m.estimator, &m.estimator_params, m.split].map(str::to_owned);
            [&words[..], &[m.layer.to_string(), bits(m.i_xt), bits(m.i_ty)]].concat()
        }));
        text.push_str(&aligned(&rows, "  "));
    } else {
        text.push_str("measures: none committed\n");
    }
    dependence(&mut text, &card.dependence);
    for figure in &shown.figures {
        let _ = writeln!(text, "figure {}", figure.display());
    }
    text
}

/// Lists how layers depend on each other, and units; nothing where nobody asked.
fn dependence(text: &mut String, all: &[Dependent]) {
    let Some(first) = all.first() else { return };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "dependence at epoch {}", first.epoch);
    let mut rows = vec![["measure", "", "split", "of", "value"].map(str::to_owned).to_vec()];
    let mut left_out = 0;
    for one in all.chunk_by(|a, b| (a.measure, &a.params, a.split) == (b.measure, &b.params, b.split)) {
        left_out += one.len().saturating_sub(MOST_PAIRS);
        rows.extend(one.iter().take(MOST_PAIRS).map(|d| {
            let words = [d.measure, &d.params, d.split].map(str::to_owned);
            [&words[..], &[d.pair(), format!("{:.4}", d.value)]].concat()
        }));
    }
    text.push_str(&aligned(&rows, "  "));
    if left_out > 0 {
        let _ = writeln!(text, "  and {left_out} more; --json has them all");
    }
}

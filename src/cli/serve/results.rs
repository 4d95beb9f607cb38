//! What was measured of a run, as the tables of its page.

use crate::cli::figures::parameters;
use crate::query::RunRef;
use crate::query::show::{Card, card};
use crate::report::Listing;
use crate::store::{Index, StoreError};

/// Pairs of one measure that are listed at most.
const MOST_PAIRS: usize = 200;

/// The tables of the runs that share a training, each with its heading: at the last epoch, as far as it is committed.
pub fn listings(runs: &[RunRef<'_>], index: &Index) -> Result<Vec<(String, Listing)>, StoreError> {
    let cards = runs.iter().map(|run| card(run, "", index)).collect::<Result<Vec<Card>, _>>()?;
    let rows = |of: fn(&Card) -> Vec<Vec<String>>| {
        let mut rows: Vec<Vec<String>> = Vec::new();
        // Cohorts that ask the same of a training get the same answers.
        cards.iter().flat_map(of).for_each(|row| {
            if !rows.contains(&row) {
                rows.push(row);
            }
        });
        rows
    };
    let table = |heading: &str, columns: &[&str], rows: Vec<Vec<String>>| {
        (heading.to_owned(), (columns.iter().map(|column| (*column).to_owned()).collect(), rows))
    };
    let all = [
        table("Loss and accuracy", &["split", "epoch", "loss", "accuracy"], rows(metrics)),
        table("Information in bits", &["estimator", "split", "epoch", "layer", "I(X;T)", "I(T;Y)"], rows(measures)),
        table("Dependence of layers and units", &["measure", "split", "epoch", "of", "value"], rows(dependence)),
    ];
    Ok(all.into_iter().filter(|(_, (_, rows))| !rows.is_empty()).collect())
}

fn metrics(card: &Card) -> Vec<Vec<String>> {
    let row = |m: &crate::query::show::Metric| {
        vec![m.split.to_owned(), m.epoch.to_string(), format!("{:.6}", m.loss), format!("{:.4}", m.accuracy)]
    };
    card.metrics.iter().map(row).collect()
}

fn measures(card: &Card) -> Vec<Vec<String>> {
    let bits = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.4}"));
    let row = |m: &crate::query::show::Measured| {
        let estimator = format!("{} {}", m.estimator, parameters(&m.estimator_params));
        vec![estimator, m.split.to_owned(), m.epoch.to_string(), m.layer.to_string(), bits(m.i_xt), bits(m.i_ty)]
    };
    card.measures.iter().map(row).collect()
}

fn dependence(card: &Card) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for one in card.dependence.chunk_by(|a, b| (a.measure, &a.params, a.split) == (b.measure, &b.params, b.split)) {
        let row = |d: &crate::query::show::Dependent| {
            let measure = format!("{} {}", d.measure, parameters(&d.params));
            vec![measure, d.split.to_owned(), d.epoch.to_string(), d.pair(), format!("{:.4}", d.value)]
        };
        rows.extend(one.iter().take(MOST_PAIRS).map(row));
        if let (Some(first), Some(more)) = (one.first(), one.len().checked_sub(MOST_PAIRS).filter(|more| *more > 0)) {
            let more = format!("and {more} more pairs");
            rows.push(vec![first.measure.to_owned(), first.split.to_owned(), first.epoch.to_string(), more, String::new()]);
        }
    }
    rows
}

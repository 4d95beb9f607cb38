//! Runs that a selection takes, over all cohorts of a store.

use rayon::prelude::*;

use super::running::Notice;
use super::status::{Standing, standing, under_way};
use super::study::{RunRef, Study};
use super::terms::Selection;
use crate::store::{Index, StoreError};

/// A run that was selected.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// The run.
    pub run: RunRef<'a>,
    /// How it stands.
    pub standing: Standing,
}

/// The runs that `selection` takes, cohort after cohort, each in the order of its tables.
///
/// # Errors
/// [`StoreError::Io`].
pub fn find<'a>(
    studies: &[Study<'a>],
    selection: &Selection,
    index: &Index,
    live: &[Notice],
) -> Result<Vec<Hit<'a>>, StoreError> {
    let under_way = under_way(live);
    let mut hits = Vec::new();
    for &study in studies {
        let grid = study.grid;
        let at = |experiment, repeat| RunRef { study, run: grid.run(experiment, repeat) };
        let experiments: Vec<usize> = (0..grid.experiments.len())
            .into_par_iter()
            .filter(|&e| grid.n_runs > 0 && selection.takes_experiment(&at(e, 0)))
            .collect();
        let of = |experiment: usize| (0..grid.repeats(experiment)).into_par_iter().map(move |repeat| at(experiment, repeat));
        let taken = experiments.into_par_iter().flat_map(of).filter(|run| selection.takes_run(run));
        let stand = |run: RunRef<'a>| standing(index, &under_way, &run).map(|standing| Hit { run, standing });
        let found: Vec<Hit<'a>> = taken.map(stand).collect::<Result<_, _>>()?;
        hits.extend(found.into_iter().filter(|hit| selection.takes_status(hit.standing)));
    }
    Ok(hits)
}

//! ksg1 and ksg2: mutual information of continuous variables from distances to nearest neighbours.

use ndarray::ArrayView2;

use super::neighbours::{Buffers, Rule, mean_digamma};
use super::{EstimateError};
use crate::math::digamma::digamma;
use crate::math::exec::Exec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    First,
    Second,
}

/// The estimate in nats, and how many examples have ties.
pub(super) fn information(
    algorithm: Algorithm,
    k: u32,
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    exec: Exec,
    buffers: &mut Buffers,
) -> Result<(f64, u64), EstimateError> {
    let rule = match algorithm {
        Algorithm::First => Rule::Ball,
        Algorithm::Second => Rule::Extents,
    };
    let around = buffers.around(x, y, k as usize, rule, exec)?;
    let ties = around.iter().filter(|around| around.tied).count() as u64;
    let nats = match algorithm {
        Algorithm::First => {
            let sides = mean_digamma(around.iter().map(|a| a.x + 1)) + mean_digamma(around.iter().map(|a| a.y + 1));
            digamma(k) + digamma(around.len() as u32) - sides
        }
        Algorithm::Second => {
            let sides = mean_digamma(around.iter().map(|a| a.x)) + mean_digamma(around.iter().map(|a| a.y));
            digamma(k) - 1.0 / f64::from(k) + digamma(around.len() as u32) - sides
        }
    };
    Ok((nats, ties))
}

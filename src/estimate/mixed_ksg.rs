//! mixed_ksg: mutual information where variables are continuous, discrete, or a mixture of both.

use ndarray::ArrayView2;

use super::EstimateError;
use super::neighbours::{Buffers, Rule, mean_digamma};
use crate::math::exec::Exec;

/// The estimate in nats, and how many examples have ties.
pub(super) fn information(
    k: u32,
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    exec: Exec,
    buffers: &mut Buffers,
) -> Result<(f64, u64), EstimateError> {
    let around = buffers.around(x, y, k as usize, Rule::BallOrTies, exec)?;
    let ties = around.iter().filter(|around| around.tied).count() as u64;
    let joint = mean_digamma(around.iter().map(|a| a.neighbours));
    let sides = mean_digamma(around.iter().map(|a| a.x + 1)) + mean_digamma(around.iter().map(|a| a.y + 1));
    Ok((joint + libm::log(around.len() as f64) - sides, ties))
}

//! Initial kernels: from a random stream to weights.

use super::spec::Initializer;
use crate::math::rng::Stream;

/// Standard deviation of a standard normal number that is truncated at ±2.
const TRUNCATED_SIGMA: f64 = 0.879_625_661_034_239_8;

/// Fills the kernel of a layer, row by row (`n_in` weights a row), with `units` units.
pub fn fill(initializer: Initializer, stream: &mut Stream, n_in: usize, units: usize, kernel: &mut [f32]) {
    let (inputs, outputs) = (n_in as f64, units as f64);
    match initializer {
        Initializer::TruncatedNormal => normal(stream, 1.0 / outputs.sqrt(), kernel),
        Initializer::GlorotUniform => uniform(stream, (6.0 / (inputs + outputs)).sqrt(), kernel),
        Initializer::GlorotNormal => normal(stream, (2.0 / (inputs + outputs)).sqrt() / TRUNCATED_SIGMA, kernel),
        Initializer::HeUniform => uniform(stream, (6.0 / inputs).sqrt(), kernel),
        Initializer::HeNormal => normal(stream, (2.0 / inputs).sqrt() / TRUNCATED_SIGMA, kernel),
        Initializer::LecunUniform => uniform(stream, (3.0 / inputs).sqrt(), kernel),
        Initializer::LecunNormal => normal(stream, (1.0 / inputs).sqrt() / TRUNCATED_SIGMA, kernel),
        Initializer::Orthogonal => orthogonal(stream, n_in, kernel),
    }
}

/// Uniform within ±`limit`.
fn uniform(stream: &mut Stream, limit: f64, kernel: &mut [f32]) {
    kernel.fill_with(|| (limit * (2.0 * stream.uniform() - 1.0)) as f32);
}

/// Normal with standard deviation `sigma`, truncated at ±2 of it.
fn normal(stream: &mut Stream, sigma: f64, kernel: &mut [f32]) {
    kernel.fill_with(|| (sigma * truncated_normal(stream)) as f32);
}

/// A standard normal number within ±2, by rejection.
fn truncated_normal(stream: &mut Stream) -> f64 {
    loop {
        let x = stream.normal();
        if x.abs() <= 2.0 {
            return x;
        }
    }
}

/// Orthonormal rows, or columns where there are more rows: normal vectors, each made orthogonal to those before (Gram & Schmidt), which
/// is a uniform draw since no sign is chosen.
fn orthogonal(stream: &mut Stream, n_in: usize, kernel: &mut [f32]) {
    let rows = kernel.len().checked_div(n_in).unwrap_or(0);
    let (count, length) = (rows.min(n_in), rows.max(n_in));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| stream.normal()).collect();
        // Twice, since one round leaves what rounding brought in.
        for _ in 0..2 {
            for other in &vectors {
                let along: f64 = vector.iter().zip(other).map(|(v, o)| v * o).sum();
                vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        vectors.push(vector);
    }
    for (index, weight) in kernel.iter_mut().enumerate() {
        let (row, column) = (index / n_in, index % n_in);
        *weight = (if rows <= n_in { vectors[row][column] } else { vectors[column][row] }) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Purpose;

    #[test]
    fn moments_and_bounds_are_as_told() {
        let (n_in, units) = (300, 200);
        let (inputs, outputs) = (300.0, 200.0);
        for &initializer in Initializer::ALL {
            let mut kernel = vec![0.0; n_in * units];
            fill(initializer, &mut Stream::new(1, Purpose::Init, 0), n_in, units, &mut kernel);
            let truncated = TRUNCATED_SIGMA * TRUNCATED_SIGMA;
            let variance = match initializer {
                Initializer::TruncatedNormal => truncated / outputs,
                Initializer::GlorotUniform | Initializer::GlorotNormal => 2.0 / (inputs + outputs),
                Initializer::HeUniform | Initializer::HeNormal => 2.0 / inputs,
                Initializer::LecunUniform | Initializer::LecunNormal | Initializer::Orthogonal => 1.0 / inputs,
            };
            let n = kernel.len() as f64;
            let mean = kernel.iter().map(|w| f64::from(*w)).sum::<f64>() / n;
            let square = kernel.iter().map(|w| f64::from(*w) * f64::from(*w)).sum::<f64>() / n;
            assert!(mean.abs() < 0.02 * variance.sqrt(), "{initializer:?}: mean {mean}");
            assert!((square / variance - 1.0).abs() < 0.02, "{initializer:?}: {square} {variance}");
            let largest = kernel.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            let bound = match initializer {
                Initializer::GlorotUniform | Initializer::HeUniform | Initializer::LecunUniform => (3.0 * variance).sqrt(),
                Initializer::Orthogonal => 1.0,
                _ => 2.0 * (variance / truncated).sqrt(),
            };
            assert!(f64::from(largest) <= bound * 1.000_001, "{initializer:?}: {largest} {bound}");
        }
    }

    #[test]
    fn orthogonal_is_orthonormal_either_way() {
        for (n_in, rows) in [(12, 10), (5, 9), (7, 7), (1, 4), (4, 1)] {
            let mut kernel = vec![0.0; n_in * rows];
            fill(Initializer::Orthogonal, &mut Stream::new(3, Purpose::Init, 1), n_in, rows, &mut kernel);
            let at = |row: usize, column: usize| f64::from(kernel[row * n_in + column]);
            let count = rows.min(n_in);
            for a in 0..count {
                for b in 0..count {
                    let dot: f64 = if rows <= n_in {
                        (0..n_in).map(|i| at(a, i) * at(b, i)).sum()
                    } else {
                        (0..rows).map(|i| at(i, a) * at(i, b)).sum()
                    };
                    assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-6);
                }
            }
        }
    }
}

//! How far an estimate can be trusted: by estimating again on samples drawn from the sample.
//!
//! * *bootstrap*: N examples drawn with replacement. The standard error is the deviation of the estimates, the interval theirs between 2.5
//!   and 97.5 %. Repeated examples are ties: methods of nearest neighbours and entropies near log₂N are pulled by them.
//! * *subsample*: a share m/N of the examples without repetition. The estimates scatter by √(1 − m/N)·√(N/m) of what whole samples would
//!   (Politis & Romano 1994); the interval is the estimate ± 1.96 standard errors.
//! * *permutations*: y shuffled against x, so that they tell nothing of each other. The share of such values that reach the estimate,
//!   itself counted in, is the p-value; their mean is the bias that shuffling shows.
//!
//! Draws are counter-based: the same for any number of threads, and the first B of a longer series are the series of B.

use crate::math::rng::{Purpose, Stream};

/// Standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Draws.
    pub draws: usize,
    /// Their mean.
    pub mean: f64,
    /// Standard error of the estimate.
    pub standard_error: f64,
    /// Ends of the interval.
    pub interval: [f64; 2],
}

/// Values on shuffled samples, and where the estimate stands among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Null {
    /// Shuffles.
    pub permutations: usize,
    /// Mean of the values.
    pub mean: f64,
    /// Their standard deviation (n − 1).
    pub sd: f64,
    /// Their 95th percentile.
    pub percentile_95: f64,
    /// Share of values that are not below the estimate, itself counted.
    pub p_value: f64,
}

/// Examples of bootstrap number `draw`: `n` of `n`, with replacement, in ascending order.
#[must_use]
pub fn bootstrap(seed: u64, draw: u64, n: usize) -> Vec<usize> {
    let mut stream = Stream::new(seed, Purpose::Bootstrap, draw);
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    let mut examples: Vec<usize> = (0..n).map(|_| stream.below(n) as usize).collect();
    examples.sort_unstable();
    examples
}

/// Examples of subsample number `draw`: `m` of `n`, each once, in ascending order.
#[must_use]
pub fn subsample(seed: u64, draw: u64, n: usize, m: usize) -> Vec<usize> {
    let mut examples: Vec<usize> = (0..n).collect();
    Stream::new(seed, Purpose::Subsample, draw).shuffle(&mut examples);
    examples.truncate(m);
    examples.sort_unstable();
    examples
}

/// The example of which each example gets its y in shuffle number `draw`.
#[must_use]
pub fn permutation(seed: u64, draw: u64, n: usize) -> Vec<usize> {
    let mut examples: Vec<usize> = (0..n).collect();
    Stream::new(seed, Purpose::Permutation, draw).shuffle(&mut examples);
    examples
}

/// Mean and variance (n − 1), summed in order.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, if values.len() > 1 { squares / (n - 1.0) } else { 0.0 })
}

/// The value below which a share of the values lies, between ranks by a straight line.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Of estimates on bootstraps; nothing without any.
#[must_use]
pub fn of_bootstraps(values: &[f64]) -> Option<Spread> {
    let (first, _) = (values.first()?, ());
    let (mean, variance) = moments(values);
    let sorted = sorted(values);
    let interval = if values.len() > 1 { [quantile(&sorted, 0.025), quantile(&sorted, 0.975)] } else { [*first; 2] };
    Some(Spread { draws: values.len(), mean, standard_error: variance.sqrt(), interval })
}

/// Of estimates on subsamples of `m` of `n` examples, `estimate` being that of all; nothing without any.
#[must_use]
pub fn of_subsamples(values: &[f64], estimate: f64, m: usize, n: usize) -> Option<Spread> {
    if values.is_empty() || m >= n {
        return None;
    }
    let (mean, variance) = moments(values);
    let standard_error = (variance * m as f64 / (n - m) as f64).sqrt();
    let half = 1.959_963_984_540_054 * standard_error;
    Some(Spread { draws: values.len(), mean, standard_error, interval: [estimate - half, estimate + half] })
}

/// Of estimates on shuffled samples; nothing without any.
#[must_use]
pub fn of_permutations(values: &[f64], estimate: f64) -> Option<Null> {
    if values.is_empty() {
        return None;
    }
    let (mean, variance) = moments(values);
    let reached = values.iter().filter(|value| **value >= estimate).count();
    let p_value = (1 + reached) as f64 / (1 + values.len()) as f64;
    let percentile_95 = quantile(&sorted(values), 0.95);
    Some(Null { permutations: values.len(), mean, sd: variance.sqrt(), percentile_95, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_of_the_size_asked_for() {
        for n in [1, 2, 17] {
            let drawn = bootstrap(3, 1, n);
            assert!(drawn.len() == n && drawn.iter().all(|&e| e < n) && drawn.is_sorted());
            let half = subsample(3, 1, n, n / 2);
            assert!(half.len() == n / 2 && half.windows(2).all(|w| w[0] < w[1]));
            let mut all = permutation(3, 1, n);
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
        assert_ne!(bootstrap(3, 1, 50), bootstrap(3, 2, 50));
        assert_ne!(permutation(3, 1, 50), permutation(4, 1, 50));
    }

    /// The mean has a known standard error.
    #[test]
    fn standard_errors_are_those_of_the_mean() {
        let n = 400;
        let mut stream = Stream::new(5, Purpose::Init, 0);
        let values: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mean = |examples: &[usize]| examples.iter().map(|&e| values[e]).sum::<f64>() / examples.len() as f64;
        let all: Vec<usize> = (0..n).collect();
        let expected = (moments(&values).1 / n as f64).sqrt();
        let boot: Vec<f64> = (0..2000).map(|draw| mean(&bootstrap(1, draw, n))).collect();
        let sub: Vec<f64> = (0..2000).map(|draw| mean(&subsample(1, draw, n, n / 4))).collect();
        let boot = of_bootstraps(&boot).unwrap();
        let sub = of_subsamples(&sub, mean(&all), n / 4, n).unwrap();
        for spread in [boot, sub] {
            assert!((spread.standard_error / expected - 1.0).abs() < 0.08, "{spread:?}, expected {expected}");
            assert!(spread.interval[0] < mean(&all) && mean(&all) < spread.interval[1]);
            let width = spread.interval[1] - spread.interval[0];
            assert!((width / (3.92 * expected) - 1.0).abs() < 0.1, "{spread:?}");
        }
    }

    #[test]
    fn p_values_count_the_estimate_itself() {
        let null = of_permutations(&[0.1, 0.2, 0.3, 0.4], 0.3).unwrap();
        assert_eq!((null.p_value, null.permutations), (0.6, 4));
        assert!((null.mean - 0.25).abs() < 1e-15 && (null.percentile_95 - 0.385).abs() < 1e-12);
        assert_eq!(of_permutations(&[0.1], 9.0).unwrap().p_value, 0.5);
        assert!(
            of_permutations(&[], 1.0).is_none() && of_bootstraps(&[]).is_none() && of_subsamples(&[1.0], 1.0, 3, 3).is_none()
        );
    }
}

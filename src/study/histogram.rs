//! Equal-width histograms and their plug-in entropy.

/// Counts of `values` in `bins` bins of equal width from `low` to `high`; the last bin holds `high`, what lies outside is not counted. Where
/// `low` equals `high`, all is in one bin.
pub(super) fn counts(values: &[f64], bins: usize, (low, high): (f64, f64)) -> Vec<u32> {
    let mut counts = vec![0; bins];
    for &value in values.iter().filter(|value| (low..=high).contains(*value)) {
        let place = if high > low { ((value - low) / (high - low) * bins as f64) as usize } else { 0 };
        counts[place.min(bins - 1)] += 1;
    }
    counts
}

/// Least and greatest of `values`.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// Plug-in entropy of `counts`, in bits.
pub(super) fn entropy(counts: impl IntoIterator<Item = u32>) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for count in counts.into_iter().filter(|&count| count > 0).map(f64::from) {
        n += count;
        sum += count * libm::log2(count);
    }
    // A single bin gives ln N − ln N, which may round to −0.
    if n > 0.0 { (libm::log2(n) - sum / n).max(0.0) } else { 0.0 }
}

/// Plug-in entropy of `values` in `bins` bins over their own range, in bits.
pub(super) fn entropy_in_own_range(values: &[f64], bins: usize) -> f64 {
    entropy(counts(values, bins, range(values.iter().copied())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_closed_below_and_the_last_one_above() {
        assert_eq!(counts(&[0.0, 0.5, 0.999, 1.0, 2.0, -0.1, 1.5], 2, (0.0, 2.0)), [3, 3]);
        assert_eq!(counts(&[3.0, 3.0], 4, (3.0, 3.0)), [2, 0, 0, 0]);
        assert_eq!(counts(&[], 2, (0.0, 1.0)), [0, 0]);
    }

    #[test]
    fn entropies_of_known_counts() {
        assert_eq!(entropy([4, 0, 4, 4, 4]), 2.0);
        assert_eq!(entropy([7]), 0.0);
        assert_eq!(entropy([]), 0.0);
        assert!((entropy([1, 3]) - (0.25 * 2.0 + 0.75 * libm::log2(4.0 / 3.0))).abs() < 1e-15);
    }
}

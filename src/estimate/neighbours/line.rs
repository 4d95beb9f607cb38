//! A block of a single column: others within a radius are a run of the sorted values, found by bisection.

use std::ops::Range;

/// The values of a column, sorted.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<f64>);

impl Line {
    pub(super) fn load(&mut self, values: impl Iterator<Item = f64>) {
        self.0.clear();
        self.0.extend(values);
        self.0.sort_unstable_by(f64::total_cmp);
    }

    /// How many values are strictly within `radius` of `centre`. Differences as rounded: they are monotone in the value.
    pub(super) fn count(&self, centre: f64, radius: f64) -> usize {
        within(&self.0, centre, radius).len()
    }
}

/// Where among some sorted values those are that lie strictly within `radius` of `centre`.
pub(super) fn within(sorted: &[f64], centre: f64, radius: f64) -> Range<usize> {
    let start = sorted.partition_point(|&value| (value <= centre) & (centre - value >= radius));
    let within = sorted[start..].partition_point(|&value| (value <= centre) | (value - centre < radius));
    // With radius 0 the first run ends behind the centre.
    start..if radius > 0.0 { start + within } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_a_loop_does() {
        let values = [0.0, 0.1, 0.1, 0.2, 0.30000000000000004, 0.4, -0.0, 1e300, -1e300];
        let mut line = Line::default();
        line.load(values.into_iter());
        for centre in values {
            for radius in [0.0, f64::from_bits(1), 0.1, 0.2, 0.30000000000000004, 1.0, 1e300, f64::INFINITY] {
                let plain = values.iter().filter(|v| (*v - centre).abs() < radius).count();
                assert_eq!(line.count(centre, radius), plain, "{centre} {radius}");
            }
        }
    }
}

//! What does EDGE find where there is nothing to find?
//!
//! Two sides of d independent standard normal columns each know nothing of each other: I(X;Y) = 0. Whatever
//! [EDGE](crate::estimate::edge) tells is bias. Two things make it: every pair of buckets tells at least 0.001 bits (the clip from below), and buckets that hold
//! few examples meet by chance: where N_ij is 1, log₂(N/(N_i·M_j)) is far above 0, and the clip keeps no negative ones to make up for it. With more columns
//! there are more buckets, of fewer examples each.
//!
//! Both profiles are asked, over dimensions and numbers of examples, each several times with other samples and other projections.
//!
//! What it shows: the profile `deep-bottleneck`, with its narrow buckets, tells 1.7 bits of single columns at N = 4,096, and from five columns on nearly
//! log₂N, as if one side were a copy of the other. `edge-4.4.1`, with wider buckets, is right up to three columns and tells bits from five on. An information
//! plane drawn with EDGE has this height as its ground: what lies below cannot be told from nothing.

use ndarray::Array2;
use rayon::prelude::*;

use super::answer::{Answer, Axis, Chart, Column, Series};
use crate::estimate::edge::{Edge, Profile};
use crate::estimate::{Pair, PairEstimator, Scratch, Side};
use crate::math::exec::Exec;
use crate::math::moments::{Moments, moments};
use crate::math::rng::{Purpose, Stream};

/// The profiles, with their names.
const PROFILES: [(&str, Profile); 2] = [("deep-bottleneck", Profile::DeepBottleneck), ("edge-4.4.1", Profile::Later)];

/// Sizes of the study.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Examples of a sample, ascending, ≥ 16 each.
    pub samples: Vec<usize>,
    /// Columns of a side, each ≥ 1.
    pub dims: Vec<usize>,
    /// Samples of each kind, ≥ 1.
    pub repeats: usize,
}

impl Default for Sizes {
    /// 256 to 4,096 examples, 1 to 20 columns, 10 samples each.
    fn default() -> Self {
        Self::up_to(4096)
    }
}

impl Sizes {
    /// From a sixteenth of so many examples on, doubling.
    #[must_use]
    pub fn up_to(samples: usize) -> Self {
        let mut sizes: Vec<usize> = [16, 8, 4, 2, 1].iter().map(|part| (samples / part).max(16)).collect();
        sizes.dedup();
        Self { samples: sizes, dims: vec![1, 2, 3, 5, 7, 10, 15, 20], repeats: 10 }
    }
}

/// What one profile makes of one kind of sample.
#[derive(Clone, Debug)]
struct Row {
    profile: &'static str,
    dims: usize,
    samples: usize,
    /// The estimates, in bits.
    found: Vec<f64>,
    /// Their mean and standard deviation, NaN where there are too few for it.
    mean: f64,
    sd: f64,
}

/// Runs the study.
#[must_use]
pub fn study(seed: u64, sizes: &Sizes) -> Answer {
    let mut cases = Vec::new();
    for profile in PROFILES {
        for &dims in &sizes.dims {
            cases.extend(sizes.samples.iter().map(|&samples| (profile, dims, samples)));
        }
    }
    let row = |&((name, profile), dims, samples): &((&'static str, Profile), usize, usize)| {
        let found: Vec<f64> = (0..sizes.repeats as u64).filter_map(|repeat| ask(seed, profile, dims, samples, repeat)).collect();
        let moments = moments(&found);
        let (mean, sd) = (moments.map(|m| m.mean), moments.and_then(Moments::sd));
        Row { profile: name, dims, samples, found, mean: mean.unwrap_or(f64::NAN), sd: sd.unwrap_or(f64::NAN) }
    };
    let rows: Vec<Row> = cases.par_iter().map(row).collect();
    Answer {
        title: "EDGE on independent Gaussians".to_owned(),
        columns: columns(&rows),
        charts: charts(&rows, sizes),
        findings: findings(&rows, sizes),
    }
}

/// The estimate for one sample; both profiles see the same.
fn ask(seed: u64, profile: Profile, dims: usize, samples: usize, repeat: u64) -> Option<f64> {
    let mut stream = Stream::new(seed, Purpose::Study, 3 << 32 | (dims as u64) << 16 | repeat);
    let mut normal = || -> (Array2<f64>, Array2<f64>) {
        let (mut x, mut y) = (Array2::zeros((samples, dims)), Array2::zeros((samples, dims)));
        for (x, y) in x.iter_mut().zip(y.iter_mut()) {
            (*x, *y) = (stream.normal(), stream.normal());
        }
        (x, y)
    };
    let (x, y) = normal();
    let pair = Pair::new(x.view(), Side::Values(y.view())).ok()?;
    let edge = crate::estimate::EstimatorSpec::Edge(Edge { profile, seed: repeat, bound: None });
    Some(edge.estimate(&pair, Exec::serial(), &mut Scratch::default()).ok()?.value)
}

fn columns(rows: &[Row]) -> Vec<Column> {
    let count = |name, value: fn(&Row) -> usize| Column::count(name, rows.iter().map(|row| value(row) as i64).collect());
    let extreme = |name, start: f64, take: fn(f64, f64) -> f64| {
        Column::number(name, rows.iter().map(move |row| row.found.iter().copied().fold(start, take)))
    };
    vec![
        Column::text("profile", rows.iter().map(|row| row.profile.to_owned()).collect()),
        count("dims", |row| row.dims),
        count("examples", |row| row.samples),
        count("repeats", |row| row.found.len()),
        Column::number("truth", rows.iter().map(|_| 0.0)),
        Column::number("mean", rows.iter().map(|row| row.mean)),
        Column::number("sd", rows.iter().map(|row| row.sd)),
        extreme("least", f64::INFINITY, f64::min),
        extreme("most", f64::NEG_INFINITY, f64::max),
    ]
}

fn charts(rows: &[Row], sizes: &Sizes) -> Vec<Chart> {
    let mut charts = Vec::new();
    for (profile, _) in PROFILES {
        let own = |wanted: &dyn Fn(&Row) -> bool, x: fn(&Row) -> usize| -> Vec<(f64, f64)> {
            let own = rows.iter().filter(|row| row.profile == profile && wanted(row));
            own.map(|row| (x(row) as f64, row.mean)).filter(|(_, y)| y.is_finite()).collect()
        };
        let by_dims = |&dims: &usize| {
            Series::line(
                &format!("{dims} column{}", if dims == 1 { "" } else { "s" }),
                own(&|row| row.dims == dims, |row| row.samples),
            )
        };
        let by_samples =
            |&samples: &usize| Series::line(&format!("N = {samples}"), own(&|row| row.samples == samples, |row| row.dims));
        charts.push(Chart {
            title: profile.to_owned(),
            x: Axis::log("examples"),
            y: Axis::linear("I(X;Y) in bits, truly 0"),
            series: sizes.dims.iter().map(by_dims).collect(),
        });
        charts.push(Chart {
            title: profile.to_owned(),
            x: Axis::linear("columns a side"),
            y: Axis::linear("I(X;Y) in bits, truly 0"),
            series: sizes.samples.iter().map(by_samples).collect(),
        });
    }
    charts
}

fn findings(rows: &[Row], sizes: &Sizes) -> Vec<String> {
    let (least, most) = (sizes.samples.first().copied().unwrap_or(0), sizes.samples.last().copied().unwrap_or(0));
    let mut findings = Vec::new();
    for (profile, _) in PROFILES {
        let mean = |dims: usize, samples: usize| {
            rows.iter().find(|row| (row.profile, row.dims, row.samples) == (profile, dims, samples)).map_or(0.0, |row| row.mean)
        };
        let by_dims: Vec<String> = sizes.dims.iter().map(|&dims| format!("{:.2} with {dims}", mean(dims, most))).collect();
        findings.push(format!("{profile}, N = {most}, bits by columns a side, truly 0: {}.", by_dims.join(", ")));
        let own = rows.iter().filter(|row| row.profile == profile);
        if let Some(worst) = own.max_by(|a, b| a.mean.abs().total_cmp(&b.mean.abs())) {
            let (dims, other) = (worst.dims, if worst.samples == most { least } else { most });
            findings.push(format!(
                "{profile} is furthest off with {dims} columns and N = {}: {:.2} bits; with N = {other} it is {:.2}.",
                worst.samples,
                worst.mean,
                mean(dims, other)
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_profile_finds_nothing_in_single_columns_and_both_find_much_in_many() {
        for seed in 0..3 {
            let mean = |profile, dims| {
                let found: Vec<f64> = (0..5).filter_map(|repeat| ask(seed, profile, dims, 2000, repeat)).collect();
                assert_eq!(found.len(), 5);
                found.iter().sum::<f64>() / 5.0
            };
            let [old, later] = PROFILES.map(|(_, profile)| [1, 7].map(|dims| mean(profile, dims)));
            // The clip leaves nothing below 0.
            assert!((0.0..0.1).contains(&later[0]) && later[1] > 1.0, "{later:?}");
            assert!((1.0..3.5).contains(&old[0]) && old[1] > 9.0, "{old:?}");
        }
    }

    #[test]
    fn the_answer_is_whole() {
        let sizes = Sizes { dims: vec![1, 4], repeats: 2, ..Sizes::up_to(256) };
        let answer = study(5, &sizes);
        assert!(answer.columns.iter().all(|column| column.rows() == 2 * 2 * 5));
        assert_eq!((answer.charts.len(), answer.findings.len()), (4, 4));
        assert_eq!(study(5, &sizes), answer);
    }
}

//! How near do the estimators come to an information that is known?
//!
//! Two sides of d columns each, standard normal, column by column correlated by ρ and otherwise independent, have
//! I(X;Y) = −(d/2)·log₂(1 − ρ²) bits. Samples of several sizes are drawn for several ρ and d, and each estimator's mean, bias and standard deviation over
//! repeated samples are told. All estimators see the same samples.
//!
//! * The nearest-neighbour methods (`ksg1`, `ksg2`, `mixed_ksg`), both profiles of `edge`, and for single columns `bspline` and `adaptive`
//!   compare the two sides as they are.
//! * `binning` bins both sides by a width and takes H(X) + H(Y) − H(X,Y) of the plug-in entropies. Nearly every example has a bin of its own in more than
//!   two or three columns: then all three entropies are log₂N, and so is the "information". This is the saturation that an information plane of a wide layer shows.
//! * `upper` and `lower` bound the information that X + noise carries about X. With noise of variance (1 − ρ²)/ρ² that is the same
//!   −(d/2)·log₂(1 − ρ²). The bounds hold for the mixture of the N Gaussians that the sample makes, which itself knows at most log₂N bits: at
//!   much information in many columns even the upper bound falls below the truth.
//!
//! `kde` tells of classes alone, `dcor` and `svcca` are no information; they are left out.
//!
//! What it shows: at d = 1 the nearest-neighbour methods and adaptive partitioning are right within hundredths of a bit. With more columns and stronger
//! correlation the former fall short, by bits, since what N examples can show grows with log N alone. Hashing and fine bins tell bits where next to nothing is to be
//! found, and at ten columns log₂N whatever there is. Ten smooth bins (`bspline`) cannot resolve a strong correlation.

use ndarray::{Array2, ArrayView2, Axis as Dimension, concatenate};
use rayon::prelude::*;

use super::answer::{Answer, Axis, Chart, Column, Series};
use crate::estimate::edge::{Edge, Profile};
use crate::estimate::{Classes, EstimatorSpec, Pair, PairEstimator, Scratch, Side, Values};
use crate::math::exec::Exec;
use crate::math::moments::moments;
use crate::math::rng::{Purpose, Stream};

/// Sizes of the study.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Examples of a sample, ascending, ≥ 16 each.
    pub samples: Vec<usize>,
    /// Columns of a side, each ≥ 1.
    pub dims: Vec<usize>,
    /// Correlations, each above 0 and below 1.
    pub correlations: Vec<f64>,
    /// Samples of each kind, ≥ 1.
    pub repeats: usize,
}

impl Default for Sizes {
    /// 256, 1,024 and 4,096 examples; 1, 2, 5 and 10 columns; correlations from 0.1 to 0.99; 3 samples each.
    fn default() -> Self {
        Self::up_to(4096)
    }
}

impl Sizes {
    /// A sixteenth, a quarter and all of so many examples.
    #[must_use]
    pub fn up_to(samples: usize) -> Self {
        let mut sizes = [samples / 16, samples / 4, samples].map(|n| n.max(16)).to_vec();
        sizes.dedup();
        Self { samples: sizes, dims: vec![1, 2, 5, 10], correlations: vec![0.1, 0.3, 0.6, 0.9, 0.99], repeats: 3 }
    }
}

/// How an estimator is asked.
#[derive(Clone, Copy, Debug)]
enum Method {
    /// For the two sides.
    Sides(EstimatorSpec),
    /// For the two sides, of one column each.
    Columns(EstimatorSpec),
    /// By the entropies of the sides and of both together.
    Entropies(EstimatorSpec),
    /// For one side, with the noise that makes the other of it.
    Upper,
    /// The same.
    Lower,
}

/// The estimators, by name.
fn methods() -> Vec<(String, Method)> {
    let named = |name: &str| EstimatorSpec::by_name(name);
    let edge = |profile: Profile| EstimatorSpec::Edge(Edge { profile, seed: 0, bound: None });
    let width = |bin_width: f64| (format!("binning {bin_width}"), Method::Entropies(EstimatorSpec::Binning { bin_width }));
    let mut methods = Vec::new();
    for name in ["ksg1", "ksg2", "mixed_ksg"] {
        methods.extend(named(name).map(|spec| (name.to_owned(), Method::Sides(spec))));
    }
    methods.push(("edge".to_owned(), Method::Sides(edge(Profile::DeepBottleneck))));
    methods.push(("edge 4.4.1".to_owned(), Method::Sides(edge(Profile::Later))));
    for name in ["bspline", "adaptive"] {
        methods.extend(named(name).map(|spec| (name.to_owned(), Method::Columns(spec))));
    }
    methods.extend([width(0.07), width(0.5)]);
    methods.extend([("upper".to_owned(), Method::Upper), ("lower".to_owned(), Method::Lower)]);
    methods
}

/// One kind of sample.
#[derive(Clone, Copy, Debug)]
struct Case {
    samples: usize,
    dims: usize,
    correlation: f64,
}

/// What an estimator makes of a kind of sample.
#[derive(Clone, Debug)]
struct Row {
    method: String,
    case: Case,
    truth: f64,
    mean: f64,
    sd: Option<f64>,
    /// Samples of which there is an estimate.
    repeats: usize,
}

/// Runs the study.
#[must_use]
pub fn study(seed: u64, sizes: &Sizes) -> Answer {
    let mut cases = Vec::new();
    for &dims in &sizes.dims {
        for &correlation in &sizes.correlations {
            cases.extend(sizes.samples.iter().map(|&samples| Case { samples, dims, correlation }));
        }
    }
    let rows: Vec<Row> = cases.par_iter().flat_map_iter(|&case| of_case(seed, case, sizes.repeats)).collect();
    Answer {
        title: "Estimators on Gaussian samples of known information".to_owned(),
        columns: columns(&rows),
        charts: charts(&rows, sizes),
        findings: findings(&rows, sizes),
    }
}

/// −(d/2)·log₂(1 − ρ²).
fn truth(case: Case) -> f64 {
    -0.5 * case.dims as f64 * libm::log2(1.0 - case.correlation * case.correlation)
}

/// What every estimator makes of one kind of sample.
fn of_case(seed: u64, case: Case, repeats: usize) -> Vec<Row> {
    let samples: Vec<_> = (0..repeats as u64).map(|repeat| sample(seed, case, repeat)).collect();
    let mut scratch = Scratch::default();
    let mut rows = Vec::new();
    for (method, how) in methods() {
        let values: Vec<f64> = samples.iter().filter_map(|(x, y)| ask(how, case, x, y, &mut scratch)).collect();
        let Some(moments) = moments(&values) else { continue };
        let (repeats, mean, sd) = (values.len(), moments.mean, moments.sd());
        rows.push(Row { method, case, truth: truth(case), repeats, mean, sd });
    }
    rows
}

/// A sample: both sides, examples × columns. The first examples of a larger sample are those of a smaller one, and the same for every correlation.
fn sample(seed: u64, case: Case, repeat: u64) -> (Array2<f64>, Array2<f64>) {
    let mut stream = Stream::new(seed, Purpose::Study, 2 << 32 | (case.dims as u64) << 16 | repeat);
    let (mut x, mut y) = (Array2::zeros((case.samples, case.dims)), Array2::zeros((case.samples, case.dims)));
    let rest = (1.0 - case.correlation * case.correlation).sqrt();
    for (x, y) in x.iter_mut().zip(y.iter_mut()) {
        *x = stream.normal();
        *y = case.correlation * *x + rest * stream.normal();
    }
    (x, y)
}

/// The estimate in bits; nothing where the method is not for such a sample.
fn ask(how: Method, case: Case, x: &Array2<f64>, y: &Array2<f64>, scratch: &mut Scratch) -> Option<f64> {
    let exec = Exec::serial();
    let mut of_sides = |spec: EstimatorSpec| {
        let pair = Pair::new(x.view(), Side::Values(y.view())).ok()?;
        Some(spec.estimate(&pair, exec, scratch).ok()?.value)
    };
    let square = case.correlation * case.correlation;
    match how {
        Method::Sides(spec) => of_sides(spec),
        Method::Columns(spec) => (case.dims == 1).then(|| of_sides(spec)).flatten(),
        Method::Entropies(spec) => {
            let both = concatenate(Dimension(1), &[x.view(), y.view()]).ok()?;
            let mut entropy = |side: ArrayView2<'_, f64>| of_layer(spec, side, exec, scratch);
            Some(entropy(x.view())? + entropy(y.view())? - entropy(both.view())?)
        }
        Method::Upper => of_layer(EstimatorSpec::Upper { noise_variance: (1.0 - square) / square }, x.view(), exec, scratch),
        Method::Lower => of_layer(EstimatorSpec::Lower { noise_variance: (1.0 - square) / square }, x.view(), exec, scratch),
    }
}

/// I(X;T) of a layer, given as examples × units.
fn of_layer(spec: EstimatorSpec, layer: ArrayView2<'_, f64>, exec: Exec, scratch: &mut Scratch) -> Option<f64> {
    let classes = Classes::new(&vec![0; layer.nrows()]);
    spec.of_layer(Values::Double(layer.reversed_axes()), &classes, exec, scratch).ok()?.i_xt
}

fn columns(rows: &[Row]) -> Vec<Column> {
    let number = |name, value: fn(&Row) -> f64| Column::number(name, rows.iter().map(value));
    let count = |name, value: &dyn Fn(&Row) -> usize| Column::count(name, rows.iter().map(|row| value(row) as i64).collect());
    vec![
        Column::text("estimator", rows.iter().map(|row| row.method.clone()).collect()),
        count("dims", &|row| row.case.dims),
        number("correlation", |row| row.case.correlation),
        count("examples", &|row| row.case.samples),
        count("repeats", &|row| row.repeats),
        number("truth", |row| row.truth),
        number("mean", |row| row.mean),
        number("bias", |row| row.mean - row.truth),
        number("sd", |row| row.sd.unwrap_or(f64::NAN)),
    ]
}

fn charts(rows: &[Row], sizes: &Sizes) -> Vec<Chart> {
    let most = sizes.samples.last().copied().unwrap_or(0);
    let names: Vec<String> = methods().into_iter().map(|(name, _)| name).collect();
    let series = |wanted: &dyn Fn(&Row) -> bool, point: &dyn Fn(&Row) -> (f64, f64)| -> Vec<Series> {
        let of = |name: &String| rows.iter().filter(|row| row.method == *name && wanted(row)).map(point).collect::<Vec<_>>();
        names.iter().map(|name| Series::line(name, of(name))).filter(|series| !series.points.is_empty()).collect()
    };
    let mut charts: Vec<Chart> = Vec::new();
    for &dims in &sizes.dims {
        let wanted = |row: &Row| row.case.dims == dims && row.case.samples == most;
        let mut series = series(&wanted, &|row| (row.truth, row.mean));
        let ends = [sizes.correlations.first(), sizes.correlations.last()].into_iter().flatten();
        let ends = ends.map(|&correlation| truth(Case { samples: most, dims, correlation }));
        series.push(Series::line("truth", ends.map(|truth| (truth, truth)).collect()));
        charts.push(Chart {
            title: format!("{dims} column{} a side, N = {most}", if dims == 1 { "" } else { "s" }),
            x: Axis::linear("true information in bits"),
            y: Axis::linear("estimate in bits"),
            series,
        });
    }
    let near = |row: &Row| (row.case.correlation - 0.9).abs() < 1e-9;
    for dims in [sizes.dims.first(), sizes.dims.last()].into_iter().flatten() {
        let series = series(&|row| row.case.dims == *dims && near(row), &|row| (row.case.samples as f64, row.mean - row.truth));
        charts.push(Chart {
            title: format!("{dims} column{} a side, ρ = 0.9", if *dims == 1 { "" } else { "s" }),
            x: Axis::log("examples"),
            y: Axis::linear("bias in bits"),
            series,
        });
    }
    charts
}

fn findings(rows: &[Row], sizes: &Sizes) -> Vec<String> {
    let most = sizes.samples.last().copied().unwrap_or(0);
    let mut findings = Vec::new();
    for (name, _) in methods() {
        let own: Vec<&Row> = rows.iter().filter(|row| row.method == name && row.case.samples == most).collect();
        let bias = |row: &Row| row.mean - row.truth;
        let Some(worst) = own.iter().max_by(|a, b| bias(a).abs().total_cmp(&bias(b).abs())) else { continue };
        let single: Vec<f64> = own.iter().filter(|row| row.case.dims == 1).map(|row| bias(row).abs()).collect();
        let greatest = single.iter().copied().fold(0.0, f64::max);
        findings.push(format!(
            "{name}, N = {most}: off by at most {greatest:.2} bits with single columns; at worst by {:+.2} bits, where {} columns of ρ = {} carry {:.2}.",
            bias(worst),
            worst.case.dims,
            worst.case.correlation,
            worst.truth
        ));
    }
    let bounds = |name: &str| rows.iter().filter(|row| row.method == name).collect::<Vec<_>>();
    let (upper, lower) = (bounds("upper"), bounds("lower"));
    let above = upper.iter().filter(|row| row.mean >= row.truth).count();
    let below = lower.iter().filter(|row| row.mean <= row.truth).count();
    let ordered = upper.iter().zip(&lower).filter(|(upper, lower)| lower.mean <= upper.mean).count();
    findings.push(format!(
        "The lower bound is below the upper bound in {ordered} of {} cases and below the truth in {below}; the upper bound is above the truth in {above}: \
         both bound what the sample's own mixture knows, at most log₂N bits.",
        upper.len()
    ));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seed: u64, samples: usize) -> Vec<Row> {
        let case = |dims, correlation| Case { samples, dims, correlation };
        [case(1, 0.3), case(1, 0.9), case(5, 0.6)].into_iter().flat_map(|case| of_case(seed, case, 3)).collect()
    }

    #[test]
    fn the_sample_has_the_information_that_is_told() {
        let case = Case { samples: 20_000, dims: 2, correlation: 0.6 };
        let (x, y) = sample(1, case, 0);
        let products: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / x.len() as f64;
        let squares: f64 = y.iter().map(|y| y * y).sum::<f64>() / y.len() as f64;
        assert!((products - 0.6).abs() < 0.02 && (squares - 1.0).abs() < 0.02, "{products} {squares}");
        assert!((truth(case) + libm::log2(0.64)).abs() < 1e-12);
        // A larger sample begins with a smaller one.
        let (fewer, _) = sample(1, Case { samples: 100, ..case }, 0);
        assert_eq!(fewer.row(99), x.row(99));
    }

    #[test]
    fn neighbours_find_what_is_there_and_bins_more() {
        for seed in 0..3 {
            for row in rows(seed, 1000) {
                let bias = row.mean - row.truth;
                match row.method.as_str() {
                    "ksg1" | "ksg2" if row.case.dims == 1 => assert!(bias.abs() < 0.1, "{row:?}"),
                    "mixed_ksg" if row.case.dims == 1 => assert!(bias.abs() < 0.15, "{row:?}"),
                    "adaptive" => assert!(row.case.dims == 1 && bias.abs() < 0.25, "{row:?}"),
                    "bspline" => assert!(row.case.dims == 1 && bias < 0.05, "{row:?}"),
                    "binning 0.07" => assert!(bias > 1.0, "{row:?}"),
                    "upper" if row.case.dims == 1 => assert!(bias > -0.05, "{row:?}"),
                    "lower" => assert!(bias < 0.05, "{row:?}"),
                    _ => assert!(row.mean.is_finite(), "{row:?}"),
                }
            }
        }
    }

    #[test]
    fn the_answer_is_whole() {
        let sizes = Sizes { dims: vec![1, 2], correlations: vec![0.3, 0.9], repeats: 1, ..Sizes::up_to(256) };
        let answer = study(3, &sizes);
        // Nine methods for two columns, eleven for one; three sizes, two correlations.
        assert!(answer.columns.iter().all(|column| column.rows() == (9 + 11) * 6));
        assert_eq!((answer.charts.len(), answer.findings.len()), (4, 12));
        assert_eq!(study(3, &sizes), answer);
        assert_ne!(study(4, &sizes), answer);
    }
}

//! What the tables of cohorts show of the published claims: reads the tables, and tells the findings as JSON.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::exit::Failure;
use crate::cli::figures::parameters;
use crate::cli::figures::planes::Average;
use crate::cli::load::Loaded;
use crate::findings::{Cell, Cohort, Course, Experiment, Finding, How, order, processing};
use crate::query::facts;
use crate::store::tables::{Statistics, read_aggregate, read_measures, read_metrics};
use crate::train::spec::{Loss, Split};

/// Experiments of a cohort that are compared at most: findings are about studies, not about searches.
const MOST_EXPERIMENTS: usize = 2_000;
/// Rows of single runs that are looked at at most.
const MOST_ROWS: usize = 5_000_000;

/// Takes in the tables of a cohort, which are in `dir`.
pub fn read(loaded: &Loaded, dir: &Path) -> Result<Cohort, Failure> {
    let name = loaded.cohort.name.clone();
    if loaded.grid.experiments.len() > MOST_EXPERIMENTS {
        return Ok(Cohort { name, ..Cohort::default() });
    }
    let mut accuracies = accuracies(&dir.join("metrics.parquet"))?;
    let experiment = |experiment: &crate::grid::Experiment| {
        let spec = &experiment.settings.training;
        let outputs = if spec.loss == Loss::MeanSquaredError { 1 } else { spec.dataset.size().classes };
        Experiment {
            label: experiment.label.clone(),
            settings: experiment.settings.columns().iter().map(|(key, value)| (*key, facts::text(value))).collect(),
            widths: spec.architecture.iter().copied().chain([outputs]).collect(),
            accuracy: accuracies.remove(&experiment.label).unwrap_or_default(),
        }
    };
    let experiments: Vec<Experiment> = loaded.grid.experiments.iter().map(experiment).collect();
    let places: HashMap<String, usize> = experiments.iter().enumerate().map(|(i, e)| (e.label.clone(), i)).collect();
    let (average, value) = Average::of(&loaded.cohort).take();
    let mut cohort = Cohort { name, average, experiments, ..Cohort::default() };
    cohort.courses = courses(&cohort.experiments, &places, value, &dir.join("aggregate.parquet"))?;
    read_runs(&mut cohort, &places, &dir.join("measures.parquet"))?;
    Ok(cohort)
}

/// I(X;T) of the hidden layers over epochs, `value` of all runs.
fn courses(
    experiments: &[Experiment],
    places: &HashMap<String, usize>,
    value: fn(&Statistics) -> Option<f64>,
    path: &Path,
) -> Result<Vec<Course>, Failure> {
    let mut courses: BTreeMap<(usize, How, usize), Course> = BTreeMap::new();
    for row in read_aggregate(path)? {
        let row = row?;
        let known = places.get(&row.experiment).copied().zip(usize::try_from(row.layer).ok());
        let (Some((experiment, layer)), Some(bits)) = (known, value(&row.i_xt)) else { continue };
        if layer + 1 >= experiments[experiment].widths.len() {
            continue;
        }
        let how = how(row.estimator, &row.estimator_params, row.split);
        let course = courses.entry((experiment, how, layer)).or_insert_with_key(|(_, how, _)| Course {
            experiment,
            how: how.clone(),
            layer,
            runs: row.n,
            points: Vec::new(),
        });
        course.points.push((row.epoch, bits));
    }
    Ok(courses.into_values().collect())
}

/// Takes in what is counted run by run.
fn read_runs(cohort: &mut Cohort, places: &HashMap<String, usize>, path: &Path) -> Result<(), Failure> {
    let trainings = order::trainings(&cohort.experiments);
    for row in read_measures(path)?.take(MOST_ROWS) {
        let row = row?;
        let (Some(&experiment), Some(i_xt)) = (places.get(&row.experiment), row.i_xt) else { continue };
        let how = how(row.estimator, &row.estimator_params, row.split);
        cohort.order.add(trainings[experiment], row.run, &how, (row.epoch, row.layer), i_xt);
        let step = processing::Step { experiment, run: row.run, how: &how, epoch: row.epoch, layer: row.layer, i_xt };
        cohort.processing.add(&step, &cohort.experiments[experiment].widths);
    }
    cohort.order.settle();
    Ok(())
}

fn how(estimator: String, params: &str, split: Split) -> How {
    How { estimator, params: parameters(params), split: split.name().to_owned() }
}

/// Mean test accuracy of each experiment over recorded epochs.
fn accuracies(path: &Path) -> Result<HashMap<String, Vec<(i64, f64)>>, Failure> {
    let mut sums: HashMap<String, BTreeMap<i64, (f64, f64)>> = HashMap::new();
    for row in read_metrics(path)? {
        let row = row?;
        if row.split == Split::Test {
            let (sum, n) = sums.entry(row.experiment).or_default().entry(row.epoch).or_default();
            (*sum, *n) = (*sum + row.accuracy, *n + 1.0);
        }
    }
    let means = |by_epoch: BTreeMap<i64, (f64, f64)>| by_epoch.into_iter().map(|(epoch, (sum, n))| (epoch, sum / n)).collect();
    Ok(sums.into_iter().map(|(experiment, by_epoch)| (experiment, means(by_epoch))).collect())
}

/// The findings as JSON.
pub fn as_json(findings: &[Finding]) -> Value {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => json!(text),
        Cell::Count(n) => json!(n),
        Cell::Number(value) => json!(value),
    };
    let row = |finding: &Finding, row: &[Cell]| -> Value {
        finding.columns.iter().zip(row).map(|(column, value)| ((*column).to_owned(), cell(value))).collect::<Map<_, _>>().into()
    };
    let one = |finding: &Finding| {
        json!({
            "claim": finding.claim,
            "cohort": finding.cohort,
            "verdict": finding.verdict.name(),
            "sentence": finding.sentence,
            "comparisons": finding.rows.iter().map(|cells| row(finding, cells)).collect::<Vec<_>>(),
        })
    };
    findings.iter().map(one).collect::<Vec<_>>().into()
}

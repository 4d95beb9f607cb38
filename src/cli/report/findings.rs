//! What the tables of cohorts show of the published claims: reads the tables, and tells the findings as JSON.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::aggregate::{OverRuns, metrics_over_runs};
use crate::cli::exit::Failure;
use crate::cli::figures::parameters;
use crate::cli::figures::planes::Average;
use crate::cli::load::Loaded;
use crate::findings::{Cell, Cohort, Course, Experiment, Finding, How, order, processing};
use crate::query::facts;
use crate::store::tables::{Statistics, TableError, read_aggregate, read_measures, read_metrics};
use crate::train::spec::{Loss, Split};

/// How much of a cohort is looked at.
#[derive(Clone, Copy)]
pub struct Most {
    /// Experiments that are compared: findings are about studies, not about searches.
    experiments: usize,
    /// Rows of single runs.
    rows: usize,
}

impl Default for Most {
    fn default() -> Self {
        Self { experiments: 2_000, rows: 5_000_000 }
    }
}

/// The experiments that are compared.
struct Compared {
    places: HashMap<String, usize>,
    /// Whether the cohort has more.
    is_cut: bool,
}

/// Takes in the tables of a cohort, which are in `dir`.
pub fn read(loaded: &Loaded, dir: &Path, most: Most) -> Result<Cohort, Failure> {
    let all = &loaded.grid.experiments;
    let taken = &all[..all.len().min(most.experiments)];
    let places = taken.iter().enumerate().map(|(i, e)| (e.label.clone(), i)).collect();
    let compared = Compared { places, is_cut: taken.len() < all.len() };
    let note = format!("Compared are the first {} of {} experiments.", taken.len(), all.len());
    let mut accuracies = accuracies(&compared, &dir.join("metrics.parquet"))?;
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
    let (average, value) = Average::of(&loaded.cohort).take();
    let mut cohort = Cohort {
        name: loaded.cohort.name.clone(),
        average,
        experiments: taken.iter().map(experiment).collect(),
        experiments_left_out: compared.is_cut.then_some(note),
        ..Cohort::default()
    };
    cohort.courses = courses(&cohort.experiments, &compared, value, &dir.join("aggregate.parquet"))?;
    read_runs(&mut cohort, &compared, most.rows, &dir.join("measures.parquet"))?;
    Ok(cohort)
}

impl Compared {
    /// The rows of these experiments, each with the place of its own. Tables stand in the order of the grid: of a cohort that has more experiments nothing is read
    /// after the last of these.
    fn of<'a, T: 'a>(
        &'a self,
        rows: impl Iterator<Item = Result<T, TableError>> + 'a,
        label: fn(&T) -> &str,
    ) -> impl Iterator<Item = Result<(usize, T), TableError>> + 'a {
        let mut begun = false;
        let placed = rows.map(move |row| row.map(|row| (self.places.get(label(&row)).copied(), row)));
        let until_last = placed.take_while(move |row| {
            let is_known = !matches!(row, Ok((None, _)));
            begun |= is_known;
            is_known || !(self.is_cut && begun)
        });
        until_last.filter_map(|row| row.map(|(place, row)| place.map(|place| (place, row))).transpose())
    }
}

/// I(X;T) of the hidden layers over epochs, `value` of all runs.
fn courses(
    experiments: &[Experiment],
    compared: &Compared,
    value: fn(&Statistics) -> Option<f64>,
    path: &Path,
) -> Result<Vec<Course>, Failure> {
    let mut courses: BTreeMap<(usize, How, usize), Course> = BTreeMap::new();
    for row in compared.of(read_aggregate(path)?, |row| &row.experiment) {
        let (experiment, row) = row?;
        let (Ok(layer), Some(bits)) = (usize::try_from(row.layer), value(&row.i_xt)) else { continue };
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

/// Takes in what is counted run by run, in `most` rows.
fn read_runs(cohort: &mut Cohort, compared: &Compared, most: usize, path: &Path) -> Result<(), Failure> {
    let trainings = order::trainings(&cohort.experiments);
    for (n, row) in compared.of(read_measures(path)?, |row| &row.experiment).enumerate() {
        let (experiment, row) = row?;
        if n >= most {
            let label = &cohort.experiments[experiment].label;
            let note = format!("Counted are the first {most} rows of single runs, up to the experiment {label}; there are more.");
            cohort.rows_left_out = Some(note);
            break;
        }
        let Some(i_xt) = row.i_xt else { continue };
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
fn accuracies(compared: &Compared, path: &Path) -> Result<HashMap<String, Vec<(i64, f64)>>, Failure> {
    let rows = compared.of(read_metrics(path)?, |row| &row.experiment).map(|row| row.map(|(_, row)| row));
    let tested = metrics_over_runs(rows, |_| true)?.into_iter().filter(|((_, split), _)| *split == Split::Test);
    let points = |runs: OverRuns| runs.epochs.iter().map(|means| (means.epoch, means.accuracy)).collect();
    Ok(tested.map(|((label, _), runs)| (label, points(runs))).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_all;
    use crate::estimate::spec::EstimatorSpec;
    use crate::store::OsDisk;
    use crate::store::records::{MeasureRow, MetricRow};
    use crate::store::tables::{AggregateRow, RunKey, TableWriter, aggregate, measures, metrics, publish};

    const COHORT: &str =
        "name = \"three\"\n[experiment]\narchitecture = [4, 3]\n[grid]\nactivation_fn = [\"tanh\", \"relu\", \"elu\"]\n";

    /// Tables of the three experiments: two epochs of two hidden layers and the readout, measured by both bounds.
    fn tables(loaded: &Loaded, dir: &Path) {
        let create = |table| TableWriter::create(&OsDisk, dir, table).unwrap();
        let (mut measured, mut averaged, mut trained) =
            (create(measures::table()), create(aggregate::table()), create(metrics::table()));
        let estimators = ["upper", "lower"].map(|name| EstimatorSpec::by_name(name).unwrap());
        for experiment in &loaded.grid.experiments {
            let key = RunKey { experiment: &experiment.label, run: 0, seed: 1 };
            for epoch in 0..2 {
                let row = MetricRow { epoch, split: Split::Test, loss: 0.5, accuracy: 0.75 };
                trained.push(&metrics::row(&key, &row)).unwrap();
            }
            for estimator in estimators {
                for (epoch, layer) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                    let row = MeasureRow { epoch, layer, i_xt: Some(2.0), i_ty: None };
                    measured.push(&measures::row(&key, &estimator, &estimator.params(), Split::Test, &row)).unwrap();
                    let row = AggregateRow {
                        experiment: experiment.label.clone(),
                        estimator: estimator.name().to_owned(),
                        estimator_params: estimator.params(),
                        split: Split::Test,
                        epoch,
                        layer: layer.into(),
                        n: 1,
                        i_xt: Statistics { mean: Some(2.0), ..Statistics::default() },
                        i_ty: Statistics::default(),
                    };
                    averaged.push(&aggregate::row(&row)).unwrap();
                }
            }
        }
        publish(&OsDisk, dir, [measured, averaged, trained].map(|table| table.close().unwrap()).into()).unwrap();
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("three.toml"), COHORT).unwrap();
        let loaded =
            load_all(&[dir.path().join("three.toml")]).unwrap_or_else(|failure| panic!("{}", failure.report())).remove(0);
        tables(&loaded, dir.path());
        let read = |most: Most| read(&loaded, dir.path(), most).unwrap_or_else(|failure| panic!("{}", failure.report()));

        let whole = read(Most::default());
        assert_eq!((whole.experiments.len(), whole.courses.len()), (3, 3 * 2 * 2));
        assert_eq!((&whole.experiments_left_out, &whole.rows_left_out), (&None, &None));
        assert_eq!(whole.experiments[2].accuracy, [(0, 0.75), (1, 0.75)]);

        let few = read(Most { experiments: 2, rows: 30 });
        assert_eq!((few.experiments.len(), few.courses.len()), (2, 2 * 2 * 2));
        assert_eq!(few.experiments_left_out.as_deref(), Some("Compared are the first 2 of 3 experiments."));
        assert_eq!(few.rows_left_out, None, "two experiments have 24 rows");
        let found = crate::findings::all(&[few]);
        assert!(!found.is_empty() && found.iter().all(|finding| finding.sentence.contains("the first 2 of 3")), "{found:?}");

        let cut = read(Most { rows: 12, ..Most::default() });
        let found = crate::findings::all(&[cut]);
        let order = found.iter().find(|finding| finding.claim.contains("lower bound")).expect("both bounds");
        assert!(order.sentence.contains("Of 6 rows") && order.sentence.contains("the first 12 rows of single runs"), "{order:?}");
        assert!(found.iter().filter(|finding| finding.claim.contains("compress")).all(|f| !f.sentence.contains("12 rows")));
    }
}

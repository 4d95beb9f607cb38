//! Estimators of two measured sides against reference values: samples of continuous, mixed and repeated values, and MILCA's columns.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use infoplane::estimate::params::Value as Parameter;
use infoplane::estimate::svcca::Svcca;
use infoplane::estimate::{EstimatorSpec, Pair, PairEstimator, Scratch, Side, Unit};
use infoplane::math::exec::Exec;
use ndarray::{Array1, Array2, Axis};
use ndarray_npy::NpzReader;
use serde_json::Value;

/// The estimator of that name with those parameters.
fn spec(name: &str, params: &[(&'static str, Parameter)]) -> EstimatorSpec {
    EstimatorSpec::by_name(name).expect("an estimator").with(params).expect("parameters")
}

/// The value of an estimator; information in nats.
fn value(spec: EstimatorSpec, x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    let pair = Pair::new(x.view(), Side::Values(y.view())).expect("a valid sample");
    let estimate = spec.estimate(&pair, Exec::serial(), &mut Scratch::default()).expect("an estimate");
    if estimate.unit == Unit::Bits { estimate.value * std::f64::consts::LN_2 } else { estimate.value }
}

/// Holds `got` to a reference number within `relative` of it.
fn hold(what: &str, got: f64, expected: &Value, relative: f64) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: expected a number, found {expected}"));
    assert!((got - expected).abs() <= relative * expected.abs() + 1e-14, "{what}: {got}, expected {expected}");
}

/// One side of a pair as examples × dimensions.
fn side(samples: &mut NpzReader<File>, name: &str) -> Array2<f64> {
    samples.by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix2>(name).unwrap_or_else(|_| {
        let flat: Array1<f64> = samples.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        flat.insert_axis(Axis(1))
    })
}

#[test]
fn samples_of_two_sides() {
    let Some(folder) = super::oracles() else { return };
    let open = |name: &str| File::open(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected: BTreeMap<String, Value> = serde_json::from_reader(open("expected.json")).expect("expected.json");
    let mut samples = NpzReader::new(open("pairs.npz")).expect("pairs.npz");
    let mut compared = 0;
    for (pair, entry) in expected.iter().filter(|(key, entry)| !key.contains('/') && entry.is_object()) {
        let [x, y] = ["x", "y"].map(|which| side(&mut samples, &format!("{pair}_{which}")));
        for (k, values) in entry["ksg"].as_object().into_iter().flatten() {
            let params = [("k", Parameter::Integer(k.parse().expect("k")))];
            for (place, name) in ["ksg1", "ksg2"].into_iter().enumerate() {
                hold(&format!("{pair} {name} {k}"), value(spec(name, &params), &x, &y), &values[place], 1e-9);
                compared += 1;
            }
        }
        for (setting, expected) in entry["bspline_bits"].as_object().into_iter().flatten() {
            let (bins, order) = setting.strip_prefix("bins").and_then(|s| s.split_once("_order")).expect("bins and order");
            let [bins, order] = [bins, order].map(|number| Parameter::Integer(number.parse().expect("a number")));
            let bits = value(spec("bspline", &[("bins", bins), ("order", order)]), &x, &y) * std::f64::consts::LOG2_E;
            hold(&format!("{pair} bspline {setting}"), bits, expected, 1e-9);
            compared += 1;
        }
        if let Some(expected) = entry.get("dcor") {
            hold(&format!("{pair} dcor"), value(spec("dcor", &[]), &x, &y), expected, 1e-9);
            compared += 1;
        }
        if let Some(expected) = entry.get("mixed_ksg_5") {
            hold(&format!("{pair} mixed_ksg"), value(spec("mixed_ksg", &[]), &x, &y), expected, 1e-9);
            compared += 1;
        }
    }
    assert!(compared >= 4 * 6 + 6 + 4 + 8, "only {compared} references were found");
}

/// Canonical correlations of the 99 % subspaces of two layers.
#[test]
fn layers_by_svcca() {
    let Some(folder) = super::oracles() else { return };
    let open = |name: &str| File::open(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected: BTreeMap<String, Value> = serde_json::from_reader(open("expected.json")).expect("expected.json");
    let mut compared = 0;
    for activation in ["tanh", "relu"] {
        let mut layers = NpzReader::new(open(&format!("layers_{activation}.npz"))).expect("layers");
        for (key, values) in expected.iter().filter(|(key, _)| key.starts_with(activation) && key.contains("svcca")) {
            let (epoch, pair) = key[activation.len() + 1..].split_once("/svcca_").expect("epoch and layers");
            let [x, y] = [0, 1].map(|which| {
                let layer = pair.split('_').nth(which).expect("two layers");
                let name = format!("{epoch}_{layer}");
                let values: Array2<f32> = layers.by_name(&name).unwrap_or_else(|e| panic!("{name}: {e}"));
                values.mapv(f64::from)
            });
            let got = Svcca::default().correlations(x.view(), y.view(), Exec::serial());
            let values = values.as_array().expect("a list");
            assert_eq!(got.len(), values.len(), "{key}: {got:?}");
            for (got, expected) in got.iter().zip(values) {
                hold(key, *got, expected, 1e-9);
                compared += 1;
            }
        }
    }
    assert!(compared >= 16, "only {compared} references were found");
}

/// Columns of numbers after comment lines.
fn columns(path: &Path) -> Array2<f64> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let numbers = |line: &str| line.split_whitespace().map(|field| field.parse::<f64>().expect("a number")).collect();
    let rows: Vec<Vec<f64>> =
        text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('%')).map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(row, column)| rows[row][column])
}

/// File, columns of x, columns of y, values by k.
type Milca = (&'static str, &'static [usize], &'static [usize], [f64; 8]);

/// What Kraskov's own program gives for algorithm 2, to its printed digits.
#[test]
fn kraskovs_own_program() {
    let Some(folder) = super::oracles() else { return };
    const NEIGHBOURS: [u64; 8] = [1, 2, 3, 4, 5, 6, 10, 15];
    let cases: [Milca; 5] = [
        (
            "2randomCols-1",
            &[0],
            &[1],
            [-0.05294175, -0.03944338, -0.02190217, 0.00120807, -0.00924771, -0.00316402, -0.00778205, -0.00565778],
        ),
        (
            "4randomCols-1",
            &[0],
            &[1],
            [-0.04614525, -0.00861460, -0.00164540, -0.01130354, -0.01339670, -0.00964035, -0.00237072, -0.00096891],
        ),
        (
            "4randomCols-1",
            &[0, 1],
            &[2, 3],
            [0.02886644, 0.01071634, 0.00186857, -0.00377259, -0.00634851, -0.00863725, -0.01058087, -0.01106348],
        ),
        (
            "4randomCols-1",
            &[0],
            &[1, 2, 3],
            [0.02473475, 0.00404451, -0.00454679, -0.00737512, -0.00464896, -0.00610772, -0.00881741, -0.01306668],
        ),
        (
            "4ColsPairedDirectDependence-1",
            &[0, 1],
            &[2, 3],
            [5.00322122, 4.29011291, 3.91312749, 3.69192886, 3.52807488, 3.39865354, 3.05327646, 2.79951639],
        ),
    ];
    for (file, x, y, expected) in cases {
        let all = columns(&folder.join("milca").join(format!("{file}.txt")));
        let [x, y] = [x, y].map(|side| all.select(Axis(1), side));
        for (k, expected) in NEIGHBOURS.into_iter().zip(expected) {
            let spec = spec("ksg2", &[("k", Parameter::Integer(k)), ("standardise", Parameter::Switch(true))]);
            let got = value(spec, &x, &y);
            assert!((got - expected).abs() < 1e-8, "{file} k = {k}: {got}, expected {expected}");
        }
    }
}

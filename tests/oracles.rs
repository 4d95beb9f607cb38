//! The estimators against values computed elsewhere in plain f64 (`shared/oracles`, see its README).
//!
//! The folder is `$INFOPLANE_SHARED`, or `shared` beside the checkout. Without it the test says so and passes.

#[path = "oracles/pairs.rs"]
mod pairs;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use infoplane::estimate::{Classes, Estimator, EstimatorSpec, Information, Sample, Scratch, Values};
use infoplane::math::exec::Exec;
use ndarray::{Array1, Array2};
use ndarray_npy::NpzReader;
use serde_json::Value;

/// The folder of reference values, if there is one.
fn oracles() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("INFOPLANE_SHARED").map_or_else(beside, PathBuf::from);
    if shared.is_dir() {
        return Some(shared.join("oracles"));
    }
    eprintln!("skipped: no folder {}; set INFOPLANE_SHARED to test against the reference values", shared.display());
    None
}

/// The activations of one network.
struct Layers(NpzReader<File>);

impl Layers {
    fn open(folder: &Path, activation: &str) -> Self {
        let path = folder.join(format!("layers_{activation}.npz"));
        let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(NpzReader::new(file).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    fn labels(&mut self) -> Vec<u32> {
        let labels: Array1<i32> = self.0.by_name("labels").expect("labels");
        labels.iter().map(|&label| u32::try_from(label).expect("labels are not negative")).collect()
    }

    /// Activations as units × examples.
    fn activations(&mut self, name: &str) -> Array2<f32> {
        let stored: Array2<f32> = self.0.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        stored.t().as_standard_layout().into_owned()
    }
}

/// [I(X;T), I(T;Y)] of a reference.
fn pair(value: &Value) -> [f64; 2] {
    [0, 1].map(|i| value[i].as_f64().unwrap_or_else(|| panic!("expected a pair of numbers, found {value}")))
}

/// An estimate that there is a reference for.
struct Reference {
    spec: EstimatorSpec,
    /// [I(X;T), I(T;Y)] in bits.
    expected: [f64; 2],
    /// Agreement due: a part of the value and a constant.
    relative: f64,
    absolute: f64,
}

/// All references of one layer.
fn references(entry: &Value) -> Vec<Reference> {
    let numbers = |value: &Value| -> Vec<(f64, Value)> {
        let map = value.as_object().expect("a table by parameter");
        map.iter().map(|(key, value)| (key.parse().expect("a parameter"), value.clone())).collect()
    };
    let mut all = Vec::new();
    for (bin_width, value) in numbers(&entry["binning"]) {
        // Counts decide, so nothing but the rounding of f64 sums is left.
        let spec = EstimatorSpec::Binning { bin_width };
        all.push(Reference { spec, expected: pair(&value), relative: 1e-9, absolute: 1e-12 });
    }
    for (noise_variance, value) in numbers(&entry["bounds"]) {
        for (spec, value) in [
            (EstimatorSpec::Upper { noise_variance }, &value["upper"]),
            (EstimatorSpec::Lower { noise_variance }, &value["lower"]),
        ] {
            all.push(Reference { spec, expected: pair(value), relative: 0.0, absolute: 1e-5 });
        }
    }
    all
}

#[test]
fn binning_and_bounds_of_trained_layers() {
    let Some(folder) = oracles() else { return };
    let mut scratch = Scratch::default();
    let mut compared = 0;
    each_layer(&folder, |key, entry, _, activations, classes| {
        let sample = Sample::new(activations.view(), classes).expect("a valid sample");
        for Reference { spec, expected, relative, absolute } in references(entry) {
            let Information { i_xt, i_ty } = spec.information(&sample, Exec::serial(), &mut scratch).expect("an estimate");
            for (got, expected) in [i_xt, i_ty].map(|value| value.expect("both")).into_iter().zip(expected) {
                assert!(
                    (got - expected).abs() <= relative * expected.abs() + absolute,
                    "{key} {spec:?}: {got}, expected {expected}"
                );
            }
            compared += 1;
        }
    });
    assert!(compared >= 48 * 7, "only {compared} references were found");
}

/// The expectations, and each network's layers.
fn each_layer(folder: &Path, mut each: impl FnMut(&str, &Value, &mut Layers, &Array2<f32>, &Classes)) {
    let path = folder.join("expected.json");
    let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let expected: BTreeMap<String, Value> = serde_json::from_reader(file).expect("expected.json");
    for activation in ["tanh", "relu"] {
        let mut layers = Layers::open(folder, activation);
        let classes = Classes::new(&layers.labels());
        for (key, entry) in expected.iter().filter(|(key, entry)| key.starts_with(activation) && entry.get("bounds").is_some()) {
            let activations = layers.activations(&key[activation.len() + 1..].replace('/', "_"));
            each(key, entry, &mut layers, &activations, &classes);
        }
    }
}

/// The same numbers as float64 are compared in double precision: 1e-9 relative.
#[test]
fn bounds_of_double_precision() {
    let Some(folder) = oracles() else { return };
    let mut compared = 0;
    each_layer(&folder, |key, entry, _, activations, classes| {
        if !key.contains("epoch600") {
            return;
        }
        let wide = activations.mapv(f64::from);
        for reference in references(entry).into_iter().filter(|r| r.absolute > 1e-6) {
            let exec = Exec { parallel: true, ..Exec::serial() };
            let got = reference
                .spec
                .of_layer(Values::Double(wide.view()), classes, exec, &mut Scratch::default())
                .expect("an estimate");
            for (got, expected) in [got.i_xt, got.i_ty].map(|v| v.expect("both")).into_iter().zip(reference.expected) {
                let due = 1e-9 * expected.abs() + 1e-13;
                assert!((got - expected).abs() <= due, "{key} {:?}: {got}, expected {expected}", reference.spec);
            }
            compared += 1;
        }
    });
    assert!(compared >= 12 * 4, "only {compared} references were found");
}

/// EDGE is random: a value of ours agrees with the mean over seeds of theirs within three of its deviations, both being draws.
#[test]
fn edge_agrees_in_distribution() {
    let Some(folder) = oracles() else { return };
    let spec = EstimatorSpec::by_name("edge").expect("edge");
    let mut compared = 0;
    let mut far = Vec::new();
    each_layer(&folder, |key, entry, layers, activations, classes| {
        let Some(edge) = entry.get("edge") else { return };
        let inputs = layers.activations("inputs");
        let sample = Sample::new(activations.view(), classes).and_then(|s| s.with_inputs(inputs.view())).expect("a valid sample");
        let exec = Exec { parallel: true, ..Exec::serial() };
        let got = spec.information(&sample, exec, &mut Scratch::default()).expect("an estimate");
        for (got, what) in [(got.i_xt, "I(X;T)"), (got.i_ty, "I(T;Y)")] {
            let ([mean, sd], got) = (pair(&edge[what]), got.expect("both"));
            let deviations = (got - mean) / (sd * (1.0_f64 + 1.0 / 12.0).sqrt());
            if deviations.abs() > 3.0 {
                far.push(format!("{key} {what}: {got}, expected {mean} ± {sd} ({deviations:.1} deviations)"));
            }
            compared += 1;
        }
    });
    assert!(compared >= 24 * 2, "only {compared} references were found");
    assert!(far.is_empty(), "{far:#?}");
}

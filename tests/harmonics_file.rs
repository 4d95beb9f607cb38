//! The generated harmonics data set against the published file, `shared/data/harmonics/var_u.mat`.
//!
//! The folder is `$INFOPLANE_SHARED`, or `shared` beside the checkout. Without it the test says so and passes; without the file in it, it fails.

use std::fs::File;
use std::path::{Path, PathBuf};

use infoplane::train::harmonics::{EXAMPLES, INPUTS, input, labels};
use matfile::{MatFile, NumericData};

/// Size and values, column by column, of an array of the file.
fn array(file: &MatFile, name: &str) -> (Vec<usize>, Vec<f64>) {
    let array = file.find_by_name(name).unwrap_or_else(|| panic!("no array {name}"));
    let values = match array.data() {
        NumericData::Double { real, .. } => real.clone(),
        NumericData::UInt8 { real, .. } => real.iter().map(|&v| f64::from(v)).collect(),
        NumericData::Int16 { real, .. } => real.iter().map(|&v| f64::from(v)).collect(),
        other => panic!("{name} has another type: {other:?}"),
    };
    (array.size().clone(), values)
}

#[test]
fn every_input_and_label_is_the_published_one() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("INFOPLANE_SHARED").map_or_else(beside, PathBuf::from);
    if !shared.is_dir() {
        eprintln!("skipped: no folder {}; set INFOPLANE_SHARED to test against the published file", shared.display());
        return;
    }
    let path = shared.join("data/harmonics/var_u.mat");
    let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = MatFile::parse(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));

    let (size, inputs) = array(&file, "F");
    assert_eq!(size, [EXAMPLES, INPUTS]);
    for (place, value) in inputs.into_iter().enumerate() {
        let (vertex, example) = (place / EXAMPLES, place % EXAMPLES);
        assert_eq!(f64::from(input(example, vertex)), value, "input {vertex} of example {example}");
    }
    let (size, published) = array(&file, "y");
    assert_eq!(size, [1, EXAMPLES]);
    let labels = labels();
    assert_eq!(labels.len(), EXAMPLES);
    for (example, (label, value)) in labels.into_iter().zip(published).enumerate() {
        assert_eq!(f64::from(label), value, "label of example {example}");
    }
}

//! Cohorts on data from files: accuracy on real pictures and mushrooms, every format with the same ids, errors before anything runs.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch};
use common::tables::Contents;
use common::{Lab, assert_same_tables};
use ndarray::{Array1, Array2};
use ndarray_npy::{NpzWriter, write_npy};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

/// The folder of published data, `$INFOPLANE_SHARED` or `shared` beside the checkout; nothing where there is none.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("INFOPLANE_SHARED").map_or_else(beside, PathBuf::from);
    if !shared.is_dir() {
        eprintln!("skipped: no folder {}; set INFOPLANE_SHARED to test with published data", shared.display());
        return None;
    }
    Some(shared.canonicalize().expect("a folder").join("data"))
}

/// Accuracy on the test examples at the last epoch.
fn accuracy(lab: &Lab, cohort: &str) -> f64 {
    let metrics = Contents::read(&lab.table("results", cohort, "metrics"));
    let split = metrics.columns.iter().position(|column| column == "split").expect("a column");
    let accuracy = metrics.columns.iter().position(|column| column == "accuracy").expect("a column");
    let last = metrics.rows.iter().rfind(|row| row[split] == "test").expect("a row");
    last[accuracy].parse().expect("a number")
}

fn training_ids(lab: &Lab, store: &str, cohort: &str) -> Vec<String> {
    Contents::read(&lab.table(store, cohort, "runs")).column("training_id").into_iter().map(str::to_owned).collect()
}

#[test]
fn real_pictures_and_mushrooms_are_learned() {
    let Some(data) = shared() else { return };
    let lab = Lab::new();
    let network = "architecture = [128, 64, 32]\nactivation_fn = 'tanh'\noptimizer = 'adam'\nlearning_rate = 1e-3\nepochs = 20\nestimators = []\n";
    let pictures = data.join("mnist_t10k");
    let idx = format!(
        "{{ idx = {{ images = '{0}/t10k-images-idx3-ubyte.gz', labels = '{0}/t10k-labels-idx1-ubyte.gz', train_fraction = 0.8 }} }}",
        pictures.display()
    );
    lab.write("digits.toml", &format!("name = 'digits'\n[experiment]\ndataset = {idx}\n{network}"));
    lab.write("mushrooms.toml", &format!("name = 'mushrooms'\n[experiment]\ndataset = 'mushroom'\n{network}"));
    lab.call(&["run", "digits.toml"]).expect(0);
    let mut command = lab.command(&["run", "mushrooms.toml"]);
    command.env("INFOPLANE_DATA", &data);
    common::finish(command).expect(0);
    let (digits, mushrooms) = (accuracy(&lab, "digits"), accuracy(&lab, "mushrooms"));
    assert!(digits >= 0.93 && mushrooms >= 0.999, "{digits} {mushrooms}");
}

#[test]
fn the_published_harmonics_are_the_generated_ones() {
    let Some(data) = shared() else { return };
    let lab = Lab::new();
    let file = data.join("harmonics/var_u.mat");
    lab.write("generated.toml", "name = 'generated'\n[experiment]\nepochs = 2\n");
    lab.write(
        "file.toml",
        &format!("name = 'file'\n[experiment]\nepochs = 2\ndataset = {{ mat = {{ path = '{}' }} }}\n", file.display()),
    );
    lab.call(&["run", "generated.toml"]).expect(0);
    let said = lab.call(&["plan", "file.toml"]).expect(0).stdout;
    assert!(said.contains("done 1"), "{said}");
}

/// The same forty examples in every format.
fn write_all(lab: &Lab) {
    let inputs = Array2::from_shape_fn((40, 3), |(e, i)| ((e * 7 + i * 3) % 11) as f32 * 0.25 - 1.0);
    let labels = Array1::from_iter((0..40_i64).map(|e| (e * e) % 3 * 10));
    write_npy(lab.path("x.npy"), &inputs).expect("a file");
    write_npy(lab.path("y.npy"), &labels).expect("a file");
    let mut archive = NpzWriter::new_compressed(File::create(lab.path("d.npz")).expect("a file"));
    archive.add_array("x", &inputs.mapv(f64::from)).expect("an array");
    archive.add_array("y", &labels).expect("an array");
    archive.add_array("x_train", &inputs.slice(ndarray::s![..32, ..])).expect("an array");
    archive.add_array("y_train", &labels.slice(ndarray::s![..32])).expect("an array");
    archive.add_array("x_test", &inputs.slice(ndarray::s![32.., ..])).expect("an array");
    archive.add_array("y_test", &labels.slice(ndarray::s![32..])).expect("an array");
    archive.finish().expect("an archive");
    let rows = inputs.rows().into_iter().zip(&labels).map(|(row, label)| format!("{},{},{label},{}\n", row[0], row[1], row[2]));
    lab.write("d.csv", &format!("a,b,class,c\n{}", rows.collect::<String>()));
    let column = |i: usize| Arc::new(Float32Array::from_iter_values(inputs.column(i).iter().copied())) as ArrayRef;
    let columns = [("a", column(0)), ("b", column(1)), ("c", column(2))];
    let labels = ("class", Arc::new(Int64Array::from_iter_values(labels.iter().copied())) as ArrayRef);
    let batch = RecordBatch::try_from_iter(columns.into_iter().chain([labels])).expect("a table");
    // As pandas packs by default.
    let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create(lab.path("d.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(snappy)).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
}

#[test]
fn formats_do_not_matter_and_places_neither() {
    let lab = Lab::new();
    write_all(&lab);
    let settings = "architecture = [3]\nepochs = 3\nbatch_size = 8\nestimators = ['binning']\n";
    let sources = [
        "{ npy = { inputs = 'x.npy', labels = 'y.npy' } }",
        "{ npz = { path = 'd.npz' } }",
        "{ csv = { path = 'd.csv', label = 'class' } }",
        "{ parquet = { path = 'd.parquet', label = 'class' } }",
        "{ npz = { path = 'd.npz', train_fraction = 0.5 } }",
        "{ npz = { path = 'd.npz', inputs = 'x_train', labels = 'y_train', test_inputs = 'x_test', test_labels = 'y_test' } }",
    ];
    lab.write("all.toml", &format!("name = 'all'\n[experiment]\n{settings}[grid]\ndataset = [{}]\n", sources.join(", ")));
    lab.call(&["run", "all.toml", "--out", "a"]).expect(0);
    let ids = training_ids(&lab, "a", "all");
    assert!(ids[..4].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(ids[4] != ids[0] && ids[5] != ids[0] && ids[4] != ids[5], "{ids:?}");
    // Elsewhere, called from elsewhere: the same tables to the byte.
    let moved = Lab::new();
    fs::create_dir(moved.path("below")).expect("a directory");
    for file in ["x.npy", "y.npy", "d.npz", "d.csv", "d.parquet", "all.toml"] {
        fs::rename(lab.path(file), moved.path("below").join(file)).expect("a file");
    }
    moved.call(&["run", "below/all.toml", "--out", "a"]).expect(0);
    assert_same_tables(&moved.result_tables("a", "all"), &lab.result_tables("a", "all"), "moved");
    // The first store answers without its data, and goes on by name once that is back in its place.
    lab.call(&["aggregate", "all", "--out", "a"]).expect(0);
    let said = lab.call(&["resume", "all", "--out", "a"]).expect(0).stderr;
    assert!(said.contains("6 of 6 runs done"), "{said}");
}

#[test]
fn what_is_wrong_with_data_is_told_before_anything_runs() {
    let lab = Lab::new();
    lab.write("words.csv", "a,b\n1,2\nx,3\n");
    lab.write("pictures", "hello");
    lab.write("none.csv", "a,b\n");
    lab.write("some.csv", "a,b\n1,2\n3,4\n");
    lab.write("one.csv", "a,b\n1,2\n");
    lab.write("open.csv", "a,b\n1,x\n2,\"y\n3,x\n4,y\n");
    lab.write("holes.csv", "a,b\nx,2\n,3\n");
    fs::write(lab.path("wide.csv"), "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).expect("a file");
    write_all(&lab);
    let cohort = |dataset: &str| lab.write("c.toml", &format!("name = 'c'\n[experiment]\ndataset = {dataset}\n"));
    for (dataset, words) in [
        (
            "'mnist'",
            &["c.toml:3:11: data set `mnist`", "train-images-idx3-ubyte.gz", "infoplane data fetch mnist", "data/mnist"][..],
        ),
        (
            "{ csv = { path = 'no.csv', label = 'b' } }",
            &["c.toml:3:11: data set", "no file no.csv", "relative to the cohort file"],
        ),
        ("{ csv = { path = 'words.csv', label = 'b' } }", &["words.csv: line 3, column `a`: `x`; expected a number"]),
        ("{ csv = { path = 'words.csv', label = 'z' } }", &["no column `z`; expected one of a, b"]),
        ("{ csv = { path = 'words.csv', label = 7 } }", &["no column `7`; expected one of a, b, or a number below 2"]),
        ("{ csv = { path = 'open.csv', label = 'b' } }", &["open.csv: line 3: a quote that does not end"]),
        ("{ csv = { path = 'holes.csv', label = 0 } }", &["holes.csv: line 3, column `a`: nothing; expected a label"]),
        ("{ csv = { path = 'wide.csv', label = 'b' } }", &["wide.csv: bytes that are no text (UTF-16, perhaps); expected CSV"]),
        ("{ csv = { path = 'd.parquet', label = 'b' } }", &["d.parquet: a Parquet file; expected CSV"]),
        (
            "{ csv = { path = 'none.csv', label = 'b', test_path = 'some.csv' } }",
            &["none.csv: no example; expected at least one to train on and one to test on"],
        ),
        (
            "{ csv = { path = 'some.csv', label = 'b', test_path = 'none.csv' } }",
            &["none.csv: no example; expected at least one to train on and one to test on"],
        ),
        (
            "{ csv = { path = 'one.csv', label = 'b', train_fraction = 0.5 } }",
            &["one.csv: 1 example; expected at least one to train on and one to test on"],
        ),
        (
            "{ idx = { images = 'pictures', labels = 'pictures' } }",
            &["pictures: a file that begins with 68 65", "expected an IDX file"],
        ),
    ] {
        cohort(dataset);
        let said = lab.call(&["run", "c.toml"]).expect(3).stderr;
        assert!(words.iter().all(|word| said.contains(word)), "{dataset}\n{said}");
        assert!(!lab.path("results").exists());
    }
}

#[test]
fn data_in_a_grid_and_in_a_base_is_named_where_it_stands() {
    let lab = Lab::new();
    lab.write("base.toml", "[experiment]\nepochs = 1\n\n  dataset = 'mnist'\n");
    lab.write("c.toml", "name = 'c'\nextends = 'base.toml'\n");
    assert!(lab.call(&["plan", "c.toml"]).expect(3).stderr.contains("base.toml:4:13: data set `mnist`"));
    let datasets = "[{ csv = { path = 'no.csv', label = 'b' } }, 'harmonics',\n  'mushroom']";
    lab.write("g.toml", &format!("name = 'g'\n[grid]\ndataset = {datasets}\n"));
    let said = lab.call(&["plan", "g.toml"]).expect(3).stderr;
    assert!(said.contains("g.toml:3:12: data set csv") && said.contains("g.toml:4:3: data set `mushroom`"), "{said}");
}

/// A smooth function of two inputs, 300 examples with as many values.
fn targets() -> (Array2<f64>, Array1<f64>) {
    let inputs = Array2::from_shape_fn((300, 2), |(e, i)| ((e * (7 + 6 * i) + 3 * i) % 301) as f64 / 150.0 - 1.0);
    let y = inputs.rows().into_iter().map(|row| 0.7 * row[0] - 0.4 * row[1] + 0.3 * row[0] * row[1]).collect();
    (inputs, y)
}

#[test]
fn real_numbers_are_regressed_on_from_every_format() {
    let lab = Lab::new();
    let (inputs, y) = targets();
    write_npy(lab.path("x.npy"), &inputs).expect("a file");
    write_npy(lab.path("y.npy"), &y).expect("a file");
    let mut archive = NpzWriter::new_compressed(File::create(lab.path("d.npz")).expect("a file"));
    archive.add_array("x", &inputs).expect("an array");
    archive.add_array("y", &y).expect("an array");
    archive.finish().expect("an archive");
    let rows = inputs.rows().into_iter().zip(&y).map(|(row, y)| format!("{},{},{y}\n", row[0], row[1]));
    lab.write("d.csv", &format!("a,b,y\n{}", rows.collect::<String>()));
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let columns = [("a", column(inputs.column(0).to_vec())), ("b", column(inputs.column(1).to_vec())), ("y", column(y.to_vec()))];
    let batch = RecordBatch::try_from_iter(columns).expect("a table");
    let mut writer =
        ArrowWriter::try_new(File::create(lab.path("d.parquet")).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    let settings = "architecture = [12]\nepochs = 150\nbatch_size = 16\nlearning_rate = 0.01\nestimators = ['binning']\n";
    let sources = [
        "{ npy = { inputs = 'x.npy', labels = 'y.npy' } }",
        "{ npz = { path = 'd.npz' } }",
        "{ csv = { path = 'd.csv', label = 'y' } }",
        "{ parquet = { path = 'd.parquet', label = 'y' } }",
    ];
    let loss = "loss = 'mean_squared_error'\n";
    lab.write("r.toml", &format!("name = 'r'\n[experiment]\n{settings}{loss}[grid]\ndataset = [{}]\n", sources.join(", ")));
    lab.call(&["run", "r.toml"]).expect(0);
    let ids = training_ids(&lab, "results", "r");
    assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // The squared error on examples that were not trained on, against the variance of the targets.
    let metrics = Contents::read(&lab.table("results", "r", "metrics"));
    let splits = metrics.column("split");
    let last = splits.iter().rposition(|split| *split == "test").expect("a row");
    let error: f64 = metrics.column("loss")[last].parse().expect("a number");
    let mean = y.sum() / y.len() as f64;
    let variance = y.mapv(|v| (v - mean) * (v - mean)).sum() / y.len() as f64;
    assert!(error < 0.02 * variance, "{error} of {variance}");
    // More values than classes may be: told before anything runs.
    let many = Array1::from_iter((0..70_000).map(|e| f64::from(e) * 0.5));
    write_npy(lab.path("many.npy"), &many).expect("a file");
    write_npy(lab.path("wide.npy"), &many.clone().into_shape_with_order((70_000, 1)).expect("a column")).expect("a file");
    let source = "{ npy = { inputs = 'wide.npy', labels = 'many.npy' } }";
    lab.write("m.toml", &format!("name = 'm'\n[experiment]\n{loss}dataset = {source}\n"));
    let said = lab.call(&["plan", "m.toml"]).expect(3).stderr;
    assert!(said.contains("m.toml:4:11") && said.contains("70000 different labels; expected at most 65536"), "{said}");
}

#[test]
fn schedules_and_early_stopping_decide_what_is_recorded() {
    let lab = Lab::new();
    let cohort = |name: &str, more: &str| {
        lab.write(&format!("{name}.toml"), &format!("name = '{name}'\nn_runs = 3\n[experiment]\narchitecture = [4]\n{more}\n"));
        lab.call(&["run", &format!("{name}.toml")]).expect(0);
        let epochs = |table: &str| Contents::read(&lab.table("results", name, table));
        (epochs("metrics"), epochs("aggregate"))
    };
    let of_run = |metrics: &Contents, run: &str| {
        let (runs, splits, epochs) = (metrics.column("run"), metrics.column("split"), metrics.column("epoch"));
        let rows = runs.iter().zip(splits).zip(epochs).filter(|((of, split), _)| **of == run && *split == "test");
        rows.map(|(_, epoch)| epoch.parse::<i64>().expect("an epoch")).collect::<Vec<_>>()
    };
    let (metrics, _) = cohort("log", "epochs = 40\nrecorded_epochs = { log = 2 }\nrecord_initial = true");
    assert_eq!(of_run(&metrics, "0"), [-1, 0, 1, 3, 10, 32, 39]);
    let (metrics, _) = cohort("list", "epochs = 40\nrecorded_epochs = [5, { from = 10, to = 20, every = 4 }]");
    assert_eq!(of_run(&metrics, "1"), [5, 12, 16, 39]);
    // At this rate the runs pass 0.8 at epochs of their own; each records the one where it stops, and is counted as long as it lasts.
    let rule = "epochs = 300\nlearning_rate = 0.003\nearly_stopping = { value = 0.8 }\nrecorded_epochs = [{ every = 1 }]";
    let (metrics, aggregate) = cohort("stops", rule);
    let lasts: Vec<i64> = ["0", "1", "2"].iter().map(|run| *of_run(&metrics, run).last().expect("an epoch")).collect();
    let (first, last) = (*lasts.iter().min().expect("runs"), *lasts.iter().max().expect("runs"));
    assert!(first < last && last < 299, "{lasts:?}");
    let (runs, splits) = (metrics.column("run"), metrics.column("split"));
    let (epochs, accuracies) = (metrics.column("epoch"), metrics.column("accuracy"));
    for row in (0..runs.len()).filter(|row| splits[*row] == "test") {
        let (epoch, accuracy): (i64, f64) = (epochs[row].parse().expect("an epoch"), accuracies[row].parse().expect("a number"));
        let run: usize = runs[row].parse().expect("a run");
        assert_eq!(accuracy > 0.8, epoch == lasts[run], "run {run}, epoch {epoch}: {accuracy}");
    }
    let (epochs, counts) = (aggregate.column("epoch"), aggregate.column("n"));
    for (epoch, n) in epochs.iter().zip(counts) {
        let epoch: i64 = epoch.parse().expect("an epoch");
        assert_eq!(n, lasts.iter().filter(|last| **last >= epoch).count().to_string(), "epoch {epoch}");
    }
    // Whoever asks for more patience asks for another training.
    let ids = training_ids(&lab, "results", "stops");
    let (metrics, _) =
        cohort("patience", "epochs = 300\nlearning_rate = 0.003\nearly_stopping = { monitor = 'val_loss', patience = 1 }");
    assert!(training_ids(&lab, "results", "patience").iter().all(|id| !ids.contains(id)));
    assert!(!of_run(&metrics, "0").is_empty());
}

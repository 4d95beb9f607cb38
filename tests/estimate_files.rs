//! `infoplane estimate` on files as people have them: every format, selection and flag; errors that name file, array and column.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use assert_cmd::Command;
use infoplane::estimate::params::Parameter;
use infoplane::estimate::spec::METHODS;
use infoplane::math::rng::{Purpose, Stream};
use ndarray::{Array1, Array2, s};
use ndarray_npy::{NpzWriter, write_npy};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tempfile::TempDir;

/// 200 examples of 3 units that follow their class somewhat.
fn sample() -> (Array2<f32>, Vec<i64>) {
    let mut stream = Stream::new(5, Purpose::Init, 0);
    let labels: Vec<i64> = (0..200).map(|_| i64::from(stream.below(2))).collect();
    let values = Array2::from_shape_fn((200, 3), |(example, _)| (stream.uniform() * 0.2 + 0.15 * labels[example] as f64) as f32);
    (values, labels)
}

struct Files {
    dir: TempDir,
}

impl Files {
    /// The sample in every format.
    fn new() -> Self {
        let files = Self { dir: TempDir::new().expect("a directory") };
        let (values, labels) = sample();
        write_npy(files.path("x.npy"), &values).expect("x.npy");
        write_npy(files.path("x64.npy"), &values.mapv(f64::from)).expect("x64.npy");
        let y = Array1::from(labels.clone());
        let one_hot = Array2::from_shape_fn((200, 2), |(e, c)| u8::from(labels[e] == c as i64));
        let mut npz = NpzWriter::new_compressed(fs::File::create(files.path("both.npz")).expect("both.npz"));
        npz.add_array("x", &values).expect("x");
        npz.add_array("labels", &y).expect("labels");
        npz.add_array("hot", &one_hot).expect("hot");
        npz.add_array("wide", &values.t().to_owned()).expect("wide");
        npz.finish().expect("both.npz");
        let lines =
            values.rows().into_iter().zip(&labels).map(|(row, label)| format!("{},{},{},{label}\n", row[0], row[1], row[2]));
        let lines: String = lines.collect();
        fs::write(files.path("plain.csv"), &lines).expect("plain.csv");
        fs::write(files.path("head.csv"), format!("a,b,c,class\n{lines}")).expect("head.csv");
        let column = |c: usize| -> ArrayRef { Arc::new(Float32Array::from(values.slice(s![.., c]).to_vec())) };
        let batch = RecordBatch::try_from_iter([
            ("a", column(0)),
            ("b", column(1)),
            ("c", column(2)),
            ("class", Arc::new(Int64Array::from(labels)) as ArrayRef),
            ("note", Arc::new(StringArray::from(vec!["n"; 200])) as ArrayRef),
        ])
        .expect("a batch");
        let file = fs::File::create(files.path("table.bin")).expect("table.bin");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_infoplane"));
        command.current_dir(self.dir.path()).arg("estimate").args(arguments.split_whitespace());
        command.output().expect("the program runs")
    }

    /// The one number.
    fn number(&self, arguments: &str) -> f64 {
        let out = self.run(&format!("{arguments} --quiet"));
        assert!(out.status.success() && out.stderr.is_empty(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("text");
        text.trim_end().parse().unwrap_or_else(|e| panic!("{arguments}: {text:?}: {e}"))
    }

    fn json(&self, arguments: &str) -> Value {
        let out = self.run(&format!("{arguments} --json"));
        assert!(out.status.success(), "{arguments}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// The message of a call that exits with 3.
    fn error(&self, arguments: &str) -> String {
        let out = self.run(arguments);
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(3) && out.stdout.is_empty() && !text.contains("panicked"), "{arguments}: {text}");
        text
    }
}

#[test]
fn any_number_of_threads_gives_the_same_to_the_last_digit() {
    let files = Files::new();
    for source in ["both.npz --y labels", "head.csv --y class"] {
        let answers = |threads: u32| {
            let mut all = files.json(&format!("--all {source} --threads {threads} --bootstrap 5"));
            all.as_array_mut()
                .expect("a list")
                .iter_mut()
                .for_each(|one| drop(one.as_object_mut().expect("an object").remove("seconds")));
            all
        };
        let one = answers(1);
        assert!(one.as_array().expect("a list").iter().filter(|answer| answer["value"].is_number()).count() > 8, "{one}");
        for threads in [2, 3, 8] {
            assert_eq!(answers(threads), one, "{threads} threads");
        }
    }
    assert!(String::from_utf8_lossy(&files.run("upper both.npz --threads 0").stderr).contains("--threads"));
}

#[test]
fn every_format_gives_the_same() {
    let files = Files::new();
    let expected = files.number("upper both.npz --y labels");
    for same in [
        "upper both.npz --x x --y hot",
        "upper both.npz --x x[0..3] --y labels.npy",
        "upper table.bin --x a,b,c --y class",
        "upper table.bin --x 0..3 --y 3",
    ] {
        assert_eq!(files.number(same), expected, "{same}");
    }
    // In text there is double precision alone.
    let double = files.number("upper plain.csv --x 0..3 --y 3");
    assert!((double - expected).abs() < 1e-6 && double != expected, "{double}, {expected}");
    for same in [
        "upper head.csv --y class",
        "upper head.csv --x ..3 --y class",
        "upper plain.csv --y 3",
        "upper head.csv --x a,1,c --y 3",
    ] {
        assert_eq!(files.number(same), double, "{same}");
    }
    assert_eq!(files.number("binning x.npy"), files.number("binning both.npz"));
    assert!((files.number("lower x64.npy") - files.number("lower x.npy")).abs() < 1e-6);
    let (bits, nats) = (files.number("binning x.npy --unit bits"), files.number("binning x.npy --unit nats"));
    assert!((bits * std::f64::consts::LN_2 - nats).abs() < 1e-14);
    assert_eq!(
        files.number("binning x.npy --param discretization_range=0.1"),
        files.number("binning x.npy --param bin_width=0.1")
    );
}

#[test]
fn json_holds_all_details() {
    let files = Files::new();
    let details = files.json("binning both.npz --y labels --bootstrap 40 --permutations 60 --param bins=4 --param range=epoch");
    assert_eq!(details["params"], serde_json::json!({ "bins": 4, "range": "epoch" }));
    assert_eq!((&details["quantity"], &details["unit"], &details["n"]), (&"I(T;Y)".into(), &"bits".into(), &200.into()));
    assert_eq!(details["dims"], serde_json::json!({ "x": 3, "y": 1 }));
    assert_eq!((&details["ties"], &details["classes"]), (&0.into(), &2.into()));
    assert!(details["warnings"].is_array() && details["seconds"].is_number());
    let (value, boot, null) = (details["value"].as_f64().unwrap(), &details["bootstrap"], &details["permutations"]);
    assert!(boot["standard_error"].as_f64().unwrap() > 0.0 && boot["draws"] == 40);
    assert!(null["mean"].as_f64().unwrap() < value && null["p_value"].as_f64().unwrap() < 0.05);
    let corrected =
        files.json("binning both.npz --y labels --shuffle-correct --permutations 60 --param bins=4 --param range=epoch");
    let mean = corrected["permutations"]["mean"].as_f64().unwrap();
    assert!((corrected["value"].as_f64().unwrap() - (value - mean)).abs() < 1e-12 && mean == null["mean"].as_f64().unwrap());
    let part = files.json("binning both.npz --y labels --subsample=0.5 --bootstrap 30");
    assert!(part["subsample"]["draws"] == 30 && part["bootstrap"].is_null());
    // Draws are a function of their seed.
    let again = files.json("binning both.npz --y labels --subsample=0.5 --bootstrap 30");
    assert_eq!(part["subsample"], again["subsample"]);
    assert_ne!(
        part["subsample"]["mean"],
        files.json("binning both.npz --y labels --subsample --bootstrap 30 --seed 1")["subsample"]["mean"]
    );
    for correction in ["miller-madow", "panzeri-treves"] {
        let corrected = files.json(&format!("binning both.npz --param bins=4 --param range=epoch --correction {correction}"));
        assert!(corrected["value"].as_f64().unwrap() > files.number("binning both.npz --param bins=4 --param range=epoch"));
    }
    let saturated = files.json("binning x.npy --param bin_width=1e-6");
    assert!(saturated["warnings"][0].as_str().unwrap().contains("at least"), "{saturated}");
}

#[test]
fn all_estimators_side_by_side() {
    let files = Files::new();
    let out = files.run("--all both.npz --y labels");
    let text = String::from_utf8(out.stdout).expect("text");
    assert!(out.status.success());
    for name in ["binning", "upper", "lower", "edge"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
    let all = files.json("--all both.npz --y labels");
    let upper = all.as_array().unwrap().iter().find(|one| one["estimator"] == "upper").unwrap();
    assert!((upper["value"].as_f64().unwrap() - files.number("upper both.npz --y labels")).abs() < 1e-12);
    assert!(files.error("--all both.npz --x nothing").contains("no array `nothing`"));
}

#[test]
fn errors_name_file_array_and_column() {
    let files = Files::new();
    let write = |name: &str, text: &[u8]| fs::write(files.path(name), text).expect(name);
    write("nan.csv", b"a,b\n1,2\n3,nan\n");
    write("ragged.csv", b"1,2\n3\n");
    write("words.csv", b"a,b\n1,x\n");
    write("empty.csv", b"");
    write("header.csv", b"a,b\n");
    write("junk.bin", b"\xff\x00\x12junk");
    write("cut.npy", &fs::read(files.path("x.npy")).unwrap()[..300]);
    write("cut.npz", &fs::read(files.path("both.npz")).unwrap()[..900]);
    write("cut.parquet", &fs::read(files.path("table.bin")).unwrap()[..400]);
    write("head.npy", b"\x93NUMPY\x01\x00\x05\x00{'a'}");
    for (arguments, parts) in [
        ("binning none.npy", &["none.npy", "cannot read"][..]),
        ("binning nan.csv", &["nan.csv", "row 1", "column `b`", "NaN"]),
        ("binning ragged.csv", &["ragged.csv", "line 2: 1 fields, expected 2"]),
        ("binning words.csv", &["words.csv", "line 2, column `b`", "`x` is not a number"]),
        ("binning empty.csv", &["empty.csv", "no numbers"]),
        ("binning header.csv", &["header.csv", "no examples"]),
        ("binning junk.bin", &["junk.bin", "neither"]),
        ("binning cut.npy", &["cut.npy", "cut off", "[200, 3] numbers of 4 bytes", "300 bytes"]),
        ("binning cut.npz", &["cut.npz"]),
        ("binning cut.parquet", &["cut.parquet"]),
        ("binning head.npy", &["head.npy", "header"]),
        ("binning both.npz --x y", &["both.npz", "no array `y`; there are", "labels"]),
        ("binning both.npz --x x[0..9]", &["array `x`", "within 0..3"]),
        ("binning both.npz --y x", &["both.npz", "expected one 1 among 0s"]),
        ("binning both.npz --x wide --y labels", &["200 labels for 3 examples"]),
        ("binning table.bin", &["table.bin", "column `note` is of type Utf8"]),
        ("binning table.bin --x d", &["no column `d`", "one of a, b, c"]),
        ("binning plain.csv --y 0", &["plain.csv", "expected a whole number"]),
        ("binning x.npy --param bins=0", &["bins=0", "an integer from 1"]),
        ("binning x.npy --param width=1", &["binning has the parameters bin_width, bins"]),
        ("binning x.npy --permutations 3", &["give --y"]),
        ("upper x.npy --correction miller-madow", &["upper has no correction"]),
        ("edge x.npy", &["give --y"]),
        ("upper x.npy --subsample=2", &["share above 0 and below 1"]),
        ("uper x.npy", &["no estimator `uper`", "did you mean upper?"]),
        ("weighted_binning x.npy", &["no estimator `weighted_binning`"]),
    ] {
        let text = files.error(arguments);
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments}: {text}");
    }
    for usage in ["binning", "--all binning x.npy", "--all", "binning x.npy --unit bytes"] {
        assert_eq!(files.run(usage).status.code(), Some(2), "{usage}");
    }
}

/// The README lists what there is, in the words of the tables that the program reads.
#[test]
fn the_readme_lists_every_estimator() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    for method in METHODS {
        let defaults = method.default.values();
        let parameter = |parameter: &&Parameter| {
            let default = defaults.iter().find(|(name, _)| *name == parameter.name);
            format!("`{}`{}", parameter.name, default.map_or_else(String::new, |(_, value)| format!(" ({})", value.text())))
        };
        let parameters: Vec<_> = method.default.parameters().iter().map(parameter).collect();
        let row = format!("| `{}` | {} | {} |", method.name, parameters.join(", "), method.meaning);
        assert!(readme.contains(&row), "README.md lacks\n{row}");
    }
}

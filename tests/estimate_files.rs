//! `infoplane estimate` on files as people have them: every format, selection and flag; errors that name file, array and column.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
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

    /// The message of a call that exits with 3: the file is wrong.
    fn error(&self, arguments: &str) -> String {
        self.fails(arguments, 3)
    }

    /// The message of a call that exits with 2: the usage is wrong.
    fn wrong_usage(&self, arguments: &str) -> String {
        self.fails(arguments, 2)
    }

    fn fails(&self, arguments: &str, code: i32) -> String {
        let out = self.run(arguments);
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(code) && out.stdout.is_empty() && !text.contains("panicked"), "{arguments}: {text}");
        text
    }

    /// Writes arrays x and y.
    fn write_pair(&self, name: &str, x: &Array2<f64>, y: &[i64]) {
        let mut npz = NpzWriter::new(fs::File::create(self.path(name)).expect(name));
        npz.add_array("x", x).expect("x");
        npz.add_array("y", &Array1::from(y.to_vec())).expect("y");
        npz.finish().expect(name);
    }

    /// The warnings of a result.
    fn warnings(&self, arguments: &str) -> String {
        let details = self.json(arguments);
        let all = details["warnings"].as_array().expect("a list");
        all.iter().map(|warning| warning.as_str().expect("text")).collect::<Vec<_>>().join("\n")
    }
}

/// Normal numbers.
fn normals(n: usize, d: usize, seed: u64) -> Array2<f64> {
    let mut stream = Stream::new(seed, Purpose::Init, 1);
    Array2::from_shape_simple_fn((n, d), || stream.normal())
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
    // An array of text: as one of bytes, with another type in its header.
    let mut npz = NpzWriter::new(fs::File::create(files.path("text.npz")).expect("text.npz"));
    npz.add_array("words", &Array2::<u8>::zeros((9, 4))).expect("words");
    npz.finish().expect("text.npz");
    let bytes = fs::read(files.path("text.npz")).unwrap();
    let place = bytes.windows(3).position(|window| window == b"|u1").expect("a type");
    write("text.npz", &[&bytes[..place], b"<U1", &bytes[place + 3..]].concat());
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
        ("binning text.npz --x words", &["text.npz: array `words`: ", "elements of type \"<U1\""]),
        ("binning table.bin", &["table.bin", "column `note` is of type Utf8"]),
        ("binning table.bin --x d", &["no column `d`", "one of a, b, c"]),
        ("binning plain.csv --y 0", &["plain.csv", "expected a class, a whole number"]),
    ] {
        let text = files.error(arguments);
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments}: {text}");
    }
}

/// Wrong usage exits with 2, whatever the file, and says what is right.
#[test]
fn wrong_usage_is_told_from_wrong_files() {
    let files = Files::new();
    for (arguments, parts) in [
        ("binning x.npy --param bins=0", &["bins=0", "an integer from 1"][..]),
        ("binning x.npy --param width=1", &["binning has the parameters bin_width, bins"]),
        ("binning x.npy --permutations 3", &["give --y"]),
        ("upper x.npy --correction miller-madow", &["upper has no correction"]),
        ("edge x.npy", &["give --y"]),
        ("upper x.npy --subsample=2", &["share above 0 and below 1"]),
        ("uper x.npy", &["no estimator `uper`", "did you mean upper?"]),
        ("weighted_binning x.npy", &["no estimator `weighted_binning`"]),
        ("upper both.npz --y labels --shuffle-correct --correction miller-madow", &["upper has no correction"]),
        ("binning x.npy --shuffle-correct", &["--shuffle-correct shuffles y; give --y"]),
        ("binning x.npy --subsample=0.999", &["--subsample=0.999 of 200 examples is all of them", "at most 0.995"]),
        ("--all both.npz --y labels --subsample=0.999", &["of 200 examples is all of them"]),
        ("", &["expected an ESTIMATOR and a FILE", "estimate [OPTIONS] --all <FILE>"]),
        ("binning", &["the FILE for binning is missing", "Usage: infoplane estimate [OPTIONS] <ESTIMATOR> <FILE>"]),
        ("both.npz", &["`both.npz` alone: expected an ESTIMATOR and a FILE"]),
        ("--all", &["the FILE for --all is missing", "estimate [OPTIONS] --all <FILE>"]),
        ("--all ksg1 both.npz", &["--all takes every estimator; leave `ksg1` out"]),
        ("ksg1 --all both.npz --y labels", &["--all takes every estimator; leave `ksg1` out"]),
        ("--all both.npz --param k=3", &["--param", "estimate [OPTIONS] --all <FILE>"]),
        ("binning x.npy --unit bytes", &["bytes"]),
    ] {
        let text = files.wrong_usage(arguments);
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments}: {text}");
    }
}

/// A result that should be read with care says so, and says why.
#[test]
fn results_outside_of_a_method_warn() {
    let files = Files::new();
    // All rows of eight bits, as far apart as each other: neighbours tell nothing of the class.
    let bits = Array2::from_shape_fn((256, 8), |(e, bit)| f64::from(e as u32 >> bit & 1));
    let parity: Vec<i64> = (0..256_i64).map(|e| i64::from(e.count_ones() % 2)).collect();
    files.write_pair("bits.npz", &bits, &parity);
    let mixed = files.json("mixed_ksg bits.npz --y y");
    assert!(mixed["value"].as_f64().unwrap() > 1.1 && mixed["quantity"] == "I(T;Y)", "{mixed}");
    let warnings = files.warnings("mixed_ksg bits.npz --y y");
    assert!(warnings.contains("above H(Y) = 1.000 bits") && !warnings.contains("at least"), "{warnings}");

    // Whole numbers on both sides.
    let whole = normals(200, 2, 3).mapv(f64::round);
    write_npy(files.path("whole.npy"), &whole).expect("whole.npy");
    let warnings = files.warnings("ksg1 whole.npy --x 0 --y 0");
    assert!(warnings.contains("artefact of ties: without them") && !warnings.contains("at least"), "{warnings}");
    assert!(warnings.contains("200 examples have ties"), "{warnings}");

    // Classes that are far apart: all is told.
    let labels: Vec<i64> = (0..120).map(|e| e % 2).collect();
    let apart = Array2::from_shape_fn((120, 1), |(e, _)| 100.0 * (e % 2) as f64) + normals(120, 1, 4);
    files.write_pair("apart.npz", &apart, &labels);
    for method in ["kde", "edge"] {
        let warnings = files.warnings(&format!("{method} apart.npz --y y"));
        assert!(warnings.contains("near H(Y) = 1.000 bits, all that there is to tell"), "{method}: {warnings}");
    }
    assert!(files.warnings("edge apart.npz --y y").contains("near 1 bits, the most that `bound`"));
    // The same with more classes than the bound lets tell.
    let four: Vec<i64> = (0..120).map(|e| e % 4).collect();
    files.write_pair("four.npz", &normals(120, 1, 5), &four);
    assert!(files.warnings("edge four.npz --y y").contains("less than H(Y) = 2.000 bits"));
    assert!(!files.warnings("edge four.npz --y y --param bound=5").contains("bound"));
    // An example that is left out of its own density may find the classes further apart than they can be.
    let heap = Array2::from_shape_fn((120, 1), |(e, _)| (e / 2) as f64 + 1e-3 * (e % 2) as f64);
    files.write_pair("pairs.npz", &heap, &(0..120).map(|e| e / 2).collect::<Vec<_>>());
    let left_out = "kde pairs.npz --y y --param bandwidth=0.01 --param leave_one_out=true";
    assert!(files.json(left_out)["value"].as_f64().unwrap() > 6.5);
    assert!(files.warnings(left_out).contains("above H(Y) = 5.907 bits"), "{}", files.warnings(left_out));

    // One class, few examples, one example.
    files.write_pair("one.npz", &normals(20, 2, 6), &[7; 20]);
    for method in ["edge", "kde", "mixed_ksg"] {
        let warnings = files.warnings(&format!("{method} one.npz --y y"));
        assert!(warnings.contains("one class only") && warnings.contains("few examples"), "{method}: {warnings}");
    }
    assert!(files.warnings("edge one.npz --y y").contains("the value is 0.001 bits, the least that the formula gives"));
    assert!(files.warnings("dcor one.npz --x x[0] --y x[1]").contains("few examples"));
    files.write_pair("single.npz", &normals(1, 2, 6), &[1]);
    for method in ["edge", "kde", "dcor", "binning", "upper"] {
        let warnings = files.warnings(&format!("{method} single.npz --y y"));
        assert!(warnings.contains("few examples"), "{method}: {warnings}");
    }
}

/// Examples that repeat in a bootstrap are ties.
#[test]
fn bootstraps_that_mislead_say_so() {
    let files = Files::new();
    files.write_pair("sample.npz", &normals(100, 1, 8), &(0..100).map(|e| e % 2).collect::<Vec<_>>());
    for method in ["ksg1", "ksg2", "mixed_ksg"] {
        let warnings = files.warnings(&format!("{method} sample.npz --y y --bootstrap 5"));
        assert!(warnings.contains("--subsample draws without repetition"), "{method}: {warnings}");
        assert!(!files.warnings(&format!("{method} sample.npz --y y --subsample --bootstrap 5")).contains("--subsample"));
    }
    let saturated = files.json("binning sample.npz --param bin_width=1e-6 --bootstrap 20");
    let interval = &saturated["bootstrap"]["ci95"];
    assert!(saturated["value"].as_f64() > interval[1].as_f64(), "{saturated}");
    assert!(saturated["warnings"].to_string().contains("outside of its interval"), "{saturated}");
    assert!(!files.warnings("binning sample.npz --y y --param bin_width=2 --bootstrap 20").contains("--subsample"));
    let all = files.run("--all sample.npz --y y --bootstrap 5");
    assert!(String::from_utf8_lossy(&all.stderr).contains("note: ksg1: "), "{all:?}");
}

/// What was done to a value stands beside it, and beside no other.
#[test]
fn corrections_mark_what_they_change() {
    let files = Files::new();
    let all = files.json("--all both.npz --y labels --correction miller-madow");
    for one in all.as_array().expect("a list") {
        assert_eq!(one["correction"].is_string(), one["estimator"] == "binning", "{one}");
    }
    let text = |arguments: &str| {
        let out = files.run(arguments);
        (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (table, _) = text("--all both.npz --y labels --correction miller-madow");
    for line in table.lines() {
        assert_eq!(line.contains("corrected by miller-madow"), line.starts_with("binning"), "{line}");
    }
    assert!(text("binning both.npz --correction panzeri-treves").1.contains("corrected by panzeri-treves"));
    assert!(!text("binning both.npz").1.contains("corrected"));
    let (table, _) = text("--all both.npz --y labels --shuffle-correct --permutations 5");
    let mut rows = 0;
    for line in table.lines().skip(1) {
        assert!(line.contains("  shuffled mean ") && line.ends_with(" subtracted"), "{line}");
        rows += 1;
    }
    assert!(rows > 5, "{table}");
}

/// Names of what was estimated, ties, and classes of any whole numbers.
#[test]
fn quantities_ties_and_classes() {
    let files = Files::new();
    for (call, quantity) in [
        ("upper both.npz", "I(X;T)"),
        ("upper both.npz --y labels", "I(T;Y)"),
        ("edge both.npz --y labels", "I(T;Y)"),
        ("mixed_ksg both.npz --y labels", "I(T;Y)"),
        ("ksg1 both.npz --x x[0] --y x[1]", "I(X;Y)"),
        ("dcor both.npz --y labels", "distance correlation"),
        ("dcor both.npz --y labels --param unbiased=true", "squared distance correlation"),
        ("svcca both.npz --y hot", "mean canonical correlation"),
    ] {
        assert_eq!(files.json(call)["quantity"], quantity, "{call}");
    }
    let dependence = files.run("dcor both.npz --y labels");
    assert!(String::from_utf8_lossy(&dependence.stderr).starts_with("distance correlation by dcor"));
    // Ties are counted alike however x is laid out.
    let repeated = Array2::from_shape_fn((60, 2), |(e, d)| if e < 5 { 0.25 } else { e as f64 + 0.5 * d as f64 });
    let sides = |values: [i64; 2]| (0..60).map(|e: usize| values[e % 2]).collect::<Vec<i64>>();
    for (name, values) in [("usual.npz", [0, 1]), ("signs.npz", [-1, 1]), ("large.npz", [-8_589_934_592, 8_589_934_592])] {
        files.write_pair(name, &repeated, &sides(values));
        for method in ["binning", "upper", "lower", "upper --bootstrap 3"] {
            let (method, flags) = method.split_once(' ').unwrap_or((method, ""));
            let details = files.json(&format!("{method} {name} --y y {flags}"));
            assert_eq!((&details["ties"], &details["classes"]), (&5.into(), &2.into()), "{method} {name}");
        }
        assert_eq!(files.number(&format!("kde {name} --y y")), files.number("kde usual.npz --y y"), "{name}");
    }
    files.write_pair("inexact.npz", &repeated, &sides([i64::MAX, 0]));
    let error = files.error("upper inexact.npz --y y");
    assert!(error.contains("expected a class, a whole number"), "{error}");
}

/// A pipe is read as its file would be.
#[test]
fn pipes_are_read() {
    let files = Files::new();
    for (name, rest) in [("head.csv", "--y class"), ("x.npy", ""), ("both.npz", "--y labels")] {
        let expected = files.number(&format!("upper {name} {rest}"));
        for place in ["-", "/dev/stdin"] {
            let mut cat = std::process::Command::new("cat");
            let mut cat = cat.arg(files.path(name)).stdout(Stdio::piped()).spawn().expect("cat runs");
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_infoplane"));
            command.args(["estimate", "upper", place, "--quiet"]).args(rest.split_whitespace());
            let out = command.stdin(cat.stdout.take().expect("a pipe")).output().expect("the program runs");
            cat.wait().expect("cat ends");
            let text = String::from_utf8_lossy(&out.stdout);
            assert_eq!(text.trim_end().parse(), Ok(expected), "{place} of {name}: {}", String::from_utf8_lossy(&out.stderr));
        }
    }
    let table = fs::File::open(files.path("table.bin")).expect("table.bin");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "cat | \"$0\" estimate upper - --quiet", env!("CARGO_BIN_EXE_infoplane")]);
    let out = command.stdin(table).output().expect("the program runs");
    assert!(String::from_utf8_lossy(&out.stderr).contains("Parquet, which is not read from a pipe"), "{out:?}");
}

/// The first line names columns only where it has no number, or counts; it is never lost.
#[test]
fn first_lines_of_text_are_headers_or_examples() {
    let files = Files::new();
    let write = |name: &str, text: &str| fs::write(files.path(name), text).expect(name);
    let lines = "0.5,0.25,1\n0.75,0.5,0\n0.125,0.75,1\n";
    for (name, first, n) in [("named.csv", "a,b,y\n", 3), ("counted.csv", "0,1,2\n", 3), ("plain.csv", "1,2,3\n", 4)] {
        write(name, &format!("{first}{lines}"));
        assert_eq!(files.json(&format!("binning {name} --y 2"))["n"], n, "{name}");
    }
    write("index.csv", ",0,1\n0,0.5,0.25\n1,0.75,0.5\n");
    assert_eq!(files.json("binning index.csv --x 1..3")["n"], 2);
    write("one.csv", "0\n0.25\n0.5\n");
    write("ones.csv", "0\n1\n0\n");
    assert_eq!((files.json("binning one.csv")["n"].clone(), files.json("binning ones.csv")["n"].clone()), (2.into(), 3.into()));
    for (text, part) in [
        ("0.1257,,1\n", "line 1, column 1: an empty field, expected a number"),
        ("NA,1,0\n", "line 1, column 0: `NA` is not a number"),
        ("1.5;2,5\n", "line 1, column 1: `2,5` is not a number; expected decimal points"),
        ("{\"a\": [1, 2]}\n", "JSON, perhaps"),
        ("a,b,y\n", "a header (a, b, y) and no examples"),
    ] {
        write("bad.csv", &format!("{text}{}", if part.contains("line 1, column") { lines } else { "" }));
        let error = files.error("binning bad.csv");
        assert!(error.contains("bad.csv") && error.contains(part), "{text:?}: {error}");
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

//! Report, movie and dashboard as a browser shows them: a slider, hovering, toggles, search; no errors, no request to elsewhere, and labels that
//! would be scripts shown as what they are.
//!
//! `$INFOPLANE_TEST_CHROMIUM` names a Chromium, `$INFOPLANE_TEST_PYTHON` an interpreter with `websocket-client`; without them the test says so
//! and passes. `$INFOPLANE_TEST_PICTURES` names a directory for pictures of the pages.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use common::{Lab, tables::Contents};

/// Three runs of two estimators; the middle one is asked for.
const MEDIAN: &str = r#"
name = "median"
n_runs = 3
plot_median = true

[experiment]
architecture = [4, 3]
epochs = 3
batch_size = 1024
estimators = ["binning", "svcca"]
"#;

/// Two experiments, two runs each; one label is a script, and so is the description.
const PAGES: &str = r#"
name = "pages"
description = "<script>window.hostile = 1</script> & \"quotes\""
n_runs = 2

[experiment]
architecture = [5, 4, 3]
epochs = 40

[grid]
activation_fn = ["tanh", { label = "relu <script>window.hostile = 1</script>", set = { activation_fn = "relu" } }]
"#;

/// A dashboard that ends with the test.
struct Board {
    child: Child,
    address: String,
}

impl Board {
    fn serve(lab: &Lab, arguments: &[&str]) -> Self {
        let mut command = lab.command(&[&["serve", "--out", "r", "--port", "0"], arguments].concat());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut line).expect("an address");
        let address = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        Self { address: address.trim_end_matches(';').to_owned(), child }
    }

    /// The answer to a request for `target` with more header fields.
    fn get(&self, target: &str, fields: &str) -> String {
        let host = self.address.trim_start_matches("http://").split('/').next().expect("a host");
        let mut stream = TcpStream::connect(host.replace("0.0.0.0", "127.0.0.1")).expect("a connection");
        write!(stream, "GET {target} HTTP/1.1\r\n{}\r\n", fields.replace("HOST", host)).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        common::processes::signal("INT", &[self.child.id()]);
        let end = self.child.wait().expect("an end");
        if !std::thread::panicking() {
            assert_eq!(end.code(), Some(0), "Ctrl-C ends a dashboard, and well");
        }
    }
}

#[test]
fn pages_work_in_a_browser() {
    let (Some(chromium), Some(python)) = (std::env::var_os("INFOPLANE_TEST_CHROMIUM"), std::env::var_os("INFOPLANE_TEST_PYTHON"))
    else {
        eprintln!("skipped: INFOPLANE_TEST_CHROMIUM and INFOPLANE_TEST_PYTHON name no browser and no interpreter");
        return;
    };
    let lab = Lab::new();
    lab.write("pages.toml", PAGES);
    let rates: Vec<String> = (1..=500).map(|i| format!("{}", f64::from(i) * 1e-5)).collect();
    lab.write(
        "large.toml",
        &format!(
            "name = \"large\"\n[experiment]\narchitecture = [3]\nepochs = 4\nbatch_size = 4096\nrecord_initial = true\n[grid]\n\
             activation_fn = [\"tanh\", \"relu\"]\nlearning_rate = [{}]\n",
            rates.join(", ")
        ),
    );
    lab.write("median.toml", MEDIAN);
    lab.call(&["run", "pages.toml", "--out", "r"]).expect(0);
    lab.call(&["run", "median.toml", "--out", "m"]).expect(0);
    lab.call(&["report", "median", "--out", "m"]).expect(0);
    lab.call(&["run", "large.toml", "--out", "large"]).expect(0);
    lab.call(&["report", "pages", "--out", "r"]).expect(0);
    lab.call(&["report", "large", "--out", "large"]).expect(0);
    lab.call(&["plot", "movie", "pages", "--out", "r", "--split", "train"]).expect(0);
    two_cohorts(&lab, "o");
    let pictures = std::env::var_os("INFOPLANE_TEST_PICTURES").map_or_else(|| lab.path("."), PathBuf::from);
    let board = Board::serve(&lab, &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/browser.py");
    let mut command = Command::new(&python);
    command.arg(script).arg(chromium).arg(pictures);
    command.arg(format!("report={}", lab.path("r/pages/report.html").display()));
    command.arg(format!("median={}", lab.path("m/median/report.html").display()));
    command.arg(format!("large={}", lab.path("large/large/report.html").display()));
    command.arg(format!("movie={}", lab.path("r/pages/figures/movie_train.mp4").display()));
    command.arg(format!("board={}", board.address));
    command.arg(format!("overview={}", lab.path("o/index.html").display()));
    let output = command.output().unwrap_or_else(|e| panic!("INFOPLANE_TEST_PYTHON={}: {e}", python.display()));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    eprint!("{}", said(&output.stderr));
    assert_eq!(said(&output.stdout), "ok\n");
}

/// Runs two short cohorts, one after the other, into a store.
fn two_cohorts(lab: &Lab, store: &str) {
    std::fs::create_dir(lab.path("sweeps")).expect("a directory");
    for name in ["one", "two"] {
        lab.write(&format!("sweeps/{name}.toml"), &PAGES.replace("\"pages\"", &format!("\"{name}\"")).replace("= 40", "= 3"));
    }
    lab.call(&["run", "sweeps", "--out", store]).expect(0);
}

#[test]
fn several_cohorts_leave_reports_and_an_overview() {
    let lab = Lab::new();
    two_cohorts(&lab, "r");
    let overview = std::fs::read_to_string(lab.path("r/index.html")).expect("an overview");
    for name in ["one", "two"] {
        for expected in [format!("./{name}/report.html"), format!("./{name}/figures/infoplane_train.png")] {
            assert!(overview.contains(&expected), "{expected}");
        }
        let report = std::fs::read_to_string(lab.path(&format!("r/{name}/report.html"))).expect("a report");
        assert!(!report.contains("<script>window.hostile") && report.contains("&lt;script&gt;window.hostile"));
    }
    // What they show of the published claims, each with its numbers; the same as JSON.
    let json = lab.call(&["report", "one", "two", "--out", "r", "--json"]).expect(0).stdout;
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).expect("a list");
    let claims: Vec<_> = findings.iter().map(|finding| (finding["claim"].as_str(), finding["cohort"].as_str())).collect();
    for claim in
        ["tanh compresses in the late layers", "Binning violates the data-processing inequality from wide to narrow layers"]
    {
        assert!(["one", "two"].iter().all(|&name| claims.contains(&(Some(claim), Some(name)))), "{claims:?}");
    }
    for finding in &findings {
        let sentence = finding["sentence"].as_str().expect("a sentence").replace('<', "&lt;").replace('>', "&gt;");
        assert!(overview.contains(&sentence) && overview.contains(finding["verdict"].as_str().expect("a verdict")), "{sentence}");
        assert!(finding["comparisons"].as_array().is_some_and(|rows| !rows.is_empty()), "{finding}");
    }
    // Nobody told it what to find: both cohorts are the same but for their names.
    let of = |name: &str| findings.iter().filter(|f| f["cohort"] == name).map(|f| f["sentence"].clone()).collect::<Vec<_>>();
    assert_eq!(of("one"), of("two"));
}

#[test]
fn a_cohort_of_medians_is_told_by_its_medians() {
    let lab = Lab::new();
    lab.write("median.toml", MEDIAN);
    lab.call(&["run", "median.toml", "--out", "r"]).expect(0);
    let average = |expected: &str| {
        lab.call(&["report", "median", "--out", "r"]).expect(0);
        let page = std::fs::read_to_string(lab.path("r/median/report.html")).expect("a report");
        let data = page.split_once("id=\"data\">").expect("data").1.split_once("</script>").expect("an end").0;
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["average"], expected);
        let view = data["views"].as_array().expect("views").iter().position(|view| view == "binning bin_width 0.07 · train");
        let planes = data["experiments"][0]["planes"].as_array().expect("planes");
        let plane = planes.iter().find(|plane| plane["view"].as_u64() == view.map(|view| view as u64)).expect("a plane");
        unpacked(&plane["average"]["x"])
    };
    let table = Contents::read(&lab.table("r", "median", "aggregate"));
    let known = |column: &str| -> Vec<f64> {
        let splits = table.column("split");
        let values = table.column(column).into_iter().zip(splits).filter(|(_, split)| *split == "train");
        values.map(|(value, _)| value.parse().expect("a number")).collect()
    };
    let close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    let medians = average("median");
    assert!(close(&medians, &known("i_xt_median")) && !close(&medians, &known("i_xt_mean")), "{medians:?}");
    // Nothing runs again for it.
    lab.write("median.toml", &MEDIAN.replace("plot_median = true", ""));
    lab.call(&["run", "median.toml", "--out", "r"]).expect(0);
    assert!(close(&average("mean"), &known("i_xt_mean")));
}

/// The numbers of a packed series, all of which are there.
fn unpacked(packed: &serde_json::Value) -> Vec<f64> {
    let (low, high) = (packed["low"].as_f64().expect("a number"), packed["high"].as_f64().expect("a number"));
    let bytes = STANDARD_NO_PAD.decode(packed["data"].as_str().expect("text")).expect("base64");
    let step = |pair: &[u8]| f64::from(u16::from_le_bytes([pair[0], pair[1]]));
    bytes.chunks(2).map(|pair| low + step(pair) / 65_534.0 * (high - low)).collect()
}

#[test]
fn a_dashboard_gives_what_is_asked_for_and_nothing_else() {
    let lab = Lab::new();
    let both = PAGES.replace("= 40", "= 3\nestimators = [\"binning\", \"dcor\"]");
    lab.write("pages.toml", &both);
    lab.call(&["run", "pages.toml", "--out", "r"]).expect(0);
    lab.write("r/pages/secret.txt", "secret");
    lab.write("secret.png", "secret");
    std::os::unix::fs::symlink(lab.path("secret.png"), lab.path("r/pages/figures/link.png")).expect("a link");
    let board = Board::serve(&lab, &[]);
    let get = |target: &str| board.get(target, "Host: HOST\r\n");
    for (target, expected) in [
        ("/", "pages"),
        ("/cohort/pages", "infoplane_train.png"),
        ("/search?q=pages+run%3D0", "2 runs found"),
        ("/search?q=colour%3Dred", "no key `colour`"),
        ("/search?q=nothere", "no cohort `nothere`"),
        ("/run?id=pages%3Aactivation_fn%3Dtanh%3A0", "Attempts"),
        ("/run?id=pages%3Aactivation_fn%3Dtanh%3A0", "<th scope=\"col\">I(X;T)</th>"),
        ("/run?id=pages%3Aactivation_fn%3Dtanh%3A0", "<td>layers input and 0</td>"),
        ("/api/status", "\"cohort\":\"pages\""),
        ("/files/pages/measures.parquet", "PAR1"),
        ("/files/pages/figures/infoplane_test.png", "image/png"),
        ("/report/pages/report.html", "id=\"data\""),
        ("/report/pages/metrics.parquet", "PAR1"),
        ("/report/pages/figures/accuracy.png", "image/png"),
    ] {
        let answer = get(target);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(expected),
            "{target}: {}",
            &answer[..answer.len().min(400)]
        );
        assert!(answer.contains("Cache-Control: no-store"));
    }
    for target in [
        "/files/pages/secret.txt",
        "/files/pages/../../secret.png",
        "/files/pages/figures/..%2F..%2F..%2Fsecret.png",
        "/files/pages/figures/link.png",
        "/files/..%2Fr%2Fpages/measures.parquet",
        "/files/.infoplane/figures/x.png",
        "/cohort/nothere",
        "/run?id=pages%3Anothere%3A0",
        "/nothere",
    ] {
        let answer = get(target);
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("\r\n\r\nsecret"), "{target}: {answer}");
    }
    // A part of a file, as films are played.
    let part = board.get("/files/pages/measures.parquet", "Host: HOST\r\nRange: bytes=0-3\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\nPAR1"), "{part}");
    let beyond = board.get("/files/pages/measures.parquet", "Host: HOST\r\nRange: bytes=99999999-\r\n");
    assert!(beyond.starts_with("HTTP/1.1 416"), "{beyond}");
    // What a pilot said of a run stands on its page.
    let shown = lab.call(&["show", "pages:activation_fn=tanh:0", "--out", "r", "--json"]).expect(0).stdout;
    let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let training = shown.split('"').find(is_id).expect("a training's id");
    std::fs::create_dir_all(lab.path("r/.infoplane/sweeps/0123456789ab/logs")).expect("a sweep");
    lab.write("r/.infoplane/sweeps/0123456789ab/logs/1.log", &format!("other <b>\n{training} took <i>long</i>\n"));
    let page = get("/run?id=pages%3Aactivation_fn%3Dtanh%3A0");
    assert!(page.contains("took &lt;i&gt;long&lt;/i&gt;") && !page.contains("other &lt;b"), "{page}");
    assert!(!get("/run?id=pages%3Aactivation_fn%3Dtanh%3A1").contains("took"));
    assert!(board.get("/", "Host: evil.example\r\n").starts_with("HTTP/1.1 421"));
    let long = format!("Host: HOST\r\nX: {}\r\n", "x".repeat(20_000));
    assert!(board.get("/", &long).starts_with("HTTP/1.1 431"));
}

#[test]
fn a_dashboard_for_others_asks_for_its_token() {
    let lab = Lab::new();
    lab.write("pages.toml", &PAGES.replace("= 40", "= 1"));
    lab.call(&["run", "pages.toml", "--out", "r"]).expect(0);
    let board = Board::serve(&lab, &["--bind", "0.0.0.0"]);
    let token = board.address.split_once("token=").expect("a token in the address").1;
    assert!(board.get("/", "Host: HOST\r\n").starts_with("HTTP/1.1 401"));
    assert!(board.get(&format!("/?token={token}"), "Host: HOST\r\n").starts_with("HTTP/1.1 303"));
    assert!(board.get("/", &format!("Host: HOST\r\nCookie: infoplane_token={token}\r\n")).starts_with("HTTP/1.1 200"));
}

//! `plot`: every kind of figure in every way of asking for it, and what is said where there is nothing to draw.

mod common;

use std::fs;

use common::Lab;
use resvg::tiny_skia::Pixmap;

/// Four experiments, one with a label that is markup; all three splits.
const COHORT: &str = r#"
name = "c"
n_runs = 2

[experiment]
architecture = [4, 3]
epochs = 12
batch_size = 1024
calculate_mi_for = ["train", "test", "full"]
estimators = ["binning", { upper = { noise_variance = 0.01 } }, "svcca", { dcor = { every = 4 } }, "bspline"]

[grid]
activation_fn = ["tanh", { label = "</text><script>x</script>", set = { activation_fn = "relu" } }]
learning_rate = [0.001, 0.01]
"#;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("c.toml", COHORT);
    lab.call(&["run", "c.toml", "--out", "r"]).expect(0);
    lab
}

#[test]
fn every_kind_is_drawn_for_every_split_in_both_formats() {
    let lab = lab();
    for (kind, splits) in [
        ("infoplane", &["train", "test", "full"][..]),
        ("mi-epochs", &["train", "test", "full"]),
        ("snr", &["train", "test"]),
        ("accuracy", &["train", "test"]),
        ("activations", &["train", "test", "full"]),
        ("single-neuron", &["train", "test", "full"]),
        ("compare", &["train", "test", "full"]),
    ] {
        for split in splits {
            let common = ["plot", kind, "c", "--out", "r", "--split", split, "--to", "f"];
            lab.call(&common).expect(0);
            lab.call(&[&common[..], &["--svg"]].concat()).expect(0);
            let picture = Pixmap::load_png(lab.path(&format!("f/{kind}_{split}.png"))).expect("a PNG");
            assert!(picture.width() >= 1000 && picture.pixels().iter().any(|p| p.red() < 90), "{kind} {split}");
            let svg = fs::read_to_string(lab.path(&format!("f/{kind}_{split}.svg"))).expect("an SVG");
            assert!(!svg.contains("<script") && svg.contains("script&gt;"), "{kind} {split}");
            assert!(svg.contains("activation_fn=tanh"), "{kind} {split}");
        }
    }
    lab.call(&["plot", "movie", "c", "--out", "r", "--split", "full", "--to", "film.mp4"]).expect(0);
    let film = fs::read(lab.path("film.mp4")).expect("a film");
    assert!(film.len() > 5000 && film[4..8] == *b"ftyp");
    // The same tables, the same bytes.
    lab.call(&["plot", "movie", "c", "--out", "r", "--split", "full", "--to", "again.mp4"]).expect(0);
    assert!(film == fs::read(lab.path("again.mp4")).expect("a film"));
}

#[test]
fn planes_are_selected_and_drawn_as_asked_for() {
    let lab = lab();
    let panels = |arguments: &[&str]| {
        let common = ["plot", "infoplane", "c", "--out", "r", "--split", "test", "--to", "x.svg"];
        lab.call(&[&common[..], arguments].concat()).expect(0);
        let svg = fs::read_to_string(lab.path("x.svg")).expect("an SVG");
        (svg.matches("<g><title>").count(), svg)
    };
    assert_eq!(panels(&[]).0, 8);
    assert_eq!(panels(&["--estimator", "upper"]).0, 4);
    assert_eq!(panels(&["--estimator", "upper noise_variance 0.01", "--where", "learning_rate=1e-2"]).0, 2);
    assert_eq!(panels(&["--where", "activation_fn=tanh", "--where", "learning_rate=0.001"]).0, 2);
    assert_eq!(panels(&["--runs", "--estimator", "binning"]).0, 8);
    // A sheet for one column of print: 8.5 cm wide, no text below 7 points.
    let narrow = panels(&["--width", "8.5"]).1;
    assert!(narrow.contains("width=\"240.94pt\"") && panels(&["--width", "8.5 cm"]).1 == narrow);
    let sizes = narrow.split("font-size=\"").skip(1).map(|rest| rest.split('"').next().expect("a size").parse::<f64>());
    assert!(sizes.map(|size| size.expect("a number")).all(|size| size >= 7.0));
    let (_, ellipses) = panels(&["--ci"]);
    assert_eq!(ellipses.matches("fill-opacity").count(), 8 * 3);
    let median = panels(&["--average", "median"]).1;
    assert!(median.contains("median of 2 runs"));
    // The mean of two runs is their median.
    assert_eq!(median.replace("median of", "mean of"), panels(&[]).1);
    assert_ne!(panels(&["--map", "gnuplot"]).1, panels(&[]).1);
    // A cohort of medians is drawn by them unless somebody says otherwise; nothing runs again for that.
    lab.write("c.toml", &COHORT.replace("n_runs = 2", "n_runs = 2\nplot_median = true"));
    let again = lab.call(&["run", "c.toml", "--out", "r", "--json"]).expect(0).stdout;
    let again: serde_json::Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!(again["tasks"]["done"], 0, "{again}");
    lab.call(&["plot", "compare", "c", "--out", "r", "--split", "test", "--to", "y.svg"]).expect(0);
    assert!(fs::read_to_string(lab.path("y.svg")).expect("an SVG").contains("median of 2 runs"));
    assert!(panels(&[]).1.contains("median of 2 runs") && panels(&["--average", "mean"]).1.contains("mean of 2 runs"));
    assert_ne!(panels(&["--colours", "log"]).1, panels(&[]).1);
    let limits: Vec<String> =
        ["auto", "free", "harmonics", "mnist", "0,9,0,2"].map(|limits| panels(&["--limits", limits]).1).into();
    assert!((0..limits.len()).all(|i| limits[i + 1..].iter().all(|other| *other != limits[i])));
}

#[test]
fn layers_are_compared_at_any_measured_epoch() {
    let lab = lab();
    let panels = |arguments: &[&str]| {
        let common = ["plot", "compare", "c", "--out", "r", "--split", "full", "--to", "x.svg"];
        lab.call(&[&common[..], arguments].concat()).expect(0);
        let svg = fs::read_to_string(lab.path("x.svg")).expect("an SVG");
        (svg.matches("<g><title>").count(), svg)
    };
    // An experiment and measure a panel; what compares units has no place.
    let (all, last) = panels(&[]);
    assert_eq!(all, 8);
    assert!(last.contains("epoch 11") && last.contains("mean of 2 runs"));
    assert_eq!(panels(&["--measure", "svcca"]).0, 4);
    assert_eq!(panels(&["--measure", "dcor every 4, unbiased false", "--where", "activation_fn=tanh"]).0, 2);
    assert_eq!(panels(&["--epoch", "11"]).1, last);
    // At epoch 3 svcca alone was measured.
    assert_eq!((panels(&["--epoch", "4"]).0, panels(&["--epoch", "3"]).0), (8, 4));
    let none = lab.call(&["plot", "compare", "c", "--out", "r", "--epoch", "12"]).expect(3);
    assert!(none.stderr.contains("svcca variance 0.99 on full at epochs 11, 10, 9"), "{}", none.stderr);
    lab.write("plain.toml", "name = \"plain\"\n[experiment]\nepochs = 1\n");
    lab.call(&["run", "plain.toml", "--out", "r"]).expect(0);
    let none = lab.call(&["plot", "compare", "plain", "--out", "r"]).expect(3);
    assert!(none.stderr.contains("add \"svcca\" or \"dcor\" to its `estimators`"), "{}", none.stderr);
}

#[test]
fn what_cannot_be_drawn_is_told_with_what_can() {
    let lab = lab();
    for (arguments, code, said) in [
        (&["nonsense", "c"][..], 2, "infoplane, mi-epochs, snr, accuracy"),
        (&["snr", "c", "--split", "full"], 3, "there are: test; train"),
        (&["infoplane", "c", "--estimator", "lower"], 3, "binning bin_width 0.07 on full"),
        (&["infoplane", "c", "--where", "activation_fn=sigmoid"], 3, "values of activation_fn are relu; tanh"),
        (&["infoplane", "c", "--where", "colour=red"], 3, "expected one of experiment, dataset"),
        (&["infoplane", "c", "--width", "0"], 2, "centimetres from 4 to 200"),
        (&["snr", "c", "--width", "NaN"], 2, "centimetres from 4 to 200"),
        (&["infoplane", "c", "--limits", "1,0,0,1"], 2, "X0,X1,Y0,Y1"),
        (&["infoplane", "c", "--to", "x.png"], 2, "choose one with --split"),
        (&["activations", "c", "--run", "2"], 3, "runs are 0 to 1"),
        (&["single-neuron", "c", "--layer", "9"], 3, "layers are 1 to 3"),
        (&["infoplane", "nothere"], 3, "there are: c"),
    ] {
        let call = lab.call(&[&["plot"], arguments, &["--out", "r"]].concat()).expect(code);
        assert!(call.stderr.contains(said), "{arguments:?}: {}", call.stderr);
    }
}

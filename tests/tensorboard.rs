//! Curves and activities as TensorBoard's own readers see them.
//!
//! `$INFOPLANE_TEST_PYTHON` names an interpreter with the package tensorboard; without it the test says so and passes.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::Lab;
use common::tables::Contents;

const COHORT: &str = r#"
name = "curves"
n_runs = 2

[experiment]
architecture = [3, 2]
epochs = 5
record_initial = true
tensorboard = true
estimators = ["binning"]

[grid]
activation_fn = ["tanh", "relu"]
"#;

#[test]
fn tensorboard_reads_what_is_written() {
    let lab = Lab::new();
    lab.write("curves.toml", COHORT);
    lab.call(&["run", "curves.toml"]).expect(0);
    let run = lab.path("results/curves/tensorboard/activation_fn=relu/run1");
    assert!(run.join("test/projector_config.pbtxt").is_file() && run.join("train").is_dir());
    assert_eq!(fs::read_to_string(run.join("test/metadata.tsv")).expect("labels").lines().count(), 1 + 819);
    let said = lab.call(&["tensorboard", "curves"]).expect(0).stderr;
    assert!(said.contains("wrote 2 runs") && said.contains("tensorboard --logdir results/curves/tensorboard"), "{said}");
    let Some(python) = std::env::var_os("INFOPLANE_TEST_PYTHON") else {
        eprintln!("skipped: INFOPLANE_TEST_PYTHON names no interpreter with tensorboard");
        return;
    };
    let metrics = Contents::read(&lab.table("results", "curves", "metrics"));
    let column = |name: &str| metrics.column(name);
    let rows = column("experiment").into_iter().zip(column("run")).zip(column("split")).zip(column("epoch")).zip(column("loss"));
    let losses: Vec<String> = rows
        .filter(|((((experiment, run), split), _), _)| *experiment == "activation_fn=relu" && *run == "1" && *split == "test")
        .map(|((_, epoch), loss)| format!("{epoch}={loss}"))
        .collect();
    assert_eq!(losses.len(), 6);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/tensorboard_reader.py");
    let output = Command::new(&python).arg(script).arg(&run).args(&losses).output().expect("an interpreter");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success() && said(&output.stdout) == "ok\n", "{}{}", said(&output.stdout), said(&output.stderr));
}

//! The tables as pandas, polars, pyarrow and DuckDB read them: columns, counts, no NaN, and pandas' own statistics beside ours.
//!
//! `$INFOPLANE_TEST_PYTHON` names an interpreter with these packages; without it the test says so and passes.

mod common;

use std::path::Path;
use std::process::Command;

use common::Lab;

/// Six runs of 60 epochs, of which 56 are recorded.
const COHORT: &str = r#"
name = "tables"
n_runs = 3

[experiment]
architecture = [4, 3]
epochs = 60
batch_size = 512
calculate_mi_for = ["test", "train"]
estimators = ["binning", { binning = { bin_width = 0.5 } }, "svcca", { dcor = { every = 11 } }, { bspline = { every = 55 } }]

[grid]
activation_fn = ["tanh", "relu"]
"#;
/// Rows that each table must have: experiments × runs × recorded epochs × layers × splits × estimators, as far as they apply; pairs of four
/// layers, the input among them, and of their units.
const ROWS: [(&str, usize); 7] = [
    ("runs", 2 * 3),
    ("measures", 2 * 3 * 56 * 3 * 2 * 2),
    ("metrics", 2 * 3 * 56 * 2),
    ("gradients", 2 * 3 * 56 * 3 * 2),
    ("aggregate", 2 * 56 * 3 * 2 * 2),
    ("provenance", 2 * 3),
    ("dependence", 2 * 3 * 2 * ((56 + 6) * 6 + 2 * (10 + 6 + 3))),
];

#[test]
fn readers_agree_on_every_table() {
    let Some(python) = std::env::var_os("INFOPLANE_TEST_PYTHON") else {
        eprintln!("skipped: INFOPLANE_TEST_PYTHON names no interpreter with pandas, polars, pyarrow and duckdb");
        return;
    };
    let lab = Lab::new();
    lab.write("tables.toml", COHORT);
    lab.call(&["run", "tables.toml", "--out", "r"]).expect(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/tables.py");
    let mut command = Command::new(&python);
    command.arg(script).arg(lab.path("r/tables")).args(ROWS.map(|(table, rows)| format!("{table}={rows}")));
    let output = command.output().unwrap_or_else(|e| panic!("INFOPLANE_TEST_PYTHON={}: {e}", python.display()));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    assert_eq!(said(&output.stdout), "ok\n");
}

//! The same cohort gives the same bytes: whatever the number of workers and threads, the instruction set, the place of the store and the
//! way there.

mod common;

use common::{Lab, assert_same_tables, finish};
use infoplane::math::simd::Isa;

/// Shapes that fill lanes and that do not; batches that do not divide the data. Small, since the portable path takes a hundred times as long.
const COHORT: &str = r#"
name = "same"
n_runs = 2
seed = 11

[experiment]
epochs = 4
batch_size = 300
learning_rate = 0.002
calculate_mi_for = ["test"]
estimators = ["binning", "lower", { upper = { noise_variance = 0.01 } }, "svcca", { dcor = { every = 3 } }, "bspline"]
record_initial = true

[grid]
activation_fn = ["tanh", "relu", "linear"]

[[zip]]
architecture = [[10, 7, 5, 4, 3], [17, 3]]
optimizer = ["adam", "sgd"]
seed_offset = [0, 5]

[[exclude]]
activation_fn = "linear"
architecture = [17, 3]
"#;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("same.toml", COHORT);
    lab
}

#[test]
fn workers_and_threads_do_not_show() {
    let lab = lab();
    lab.call(&["run", "same.toml", "--out", "base", "--workers", "1", "--threads", "1"]).expect(0);
    let base = lab.result_tables("base", "same");
    // Not beside each other: what is tested is the program under two cores, and there are two.
    for (workers, threads) in [("2", "1"), ("1", "2"), ("3", "3")] {
        let store = format!("w{workers} t{threads}, ünter/einem/anderen Pfad");
        lab.call(&["run", "same.toml", "--out", &store, "--workers", workers, "--threads", threads]).expect(0);
        assert_same_tables(&lab.result_tables(&store, "same"), &base, &store);
    }
    let absolute = lab.path("absolute").display().to_string();
    lab.call(&["run", "same.toml", "--out", &absolute]).expect(0);
    assert_same_tables(&lab.result_tables("absolute", "same"), &base, "an absolute path");
}

#[test]
fn threads_do_not_show_where_there_are_more_of_them_than_epochs() {
    // So few epochs that every estimate is shared out by itself, over enough examples for many blocks.
    let lab = Lab::new();
    lab.write(
        "same.toml",
        "name = \"same\"\n[experiment]\nepochs = 2\ncalculate_mi_for = \"train\"\nestimators = [\"binning\", \"upper\"]\n",
    );
    lab.call(&["run", "same.toml", "--out", "one", "--workers", "1", "--threads", "1"]).expect(0);
    lab.call(&["run", "same.toml", "--out", "three", "--workers", "1", "--threads", "3"]).expect(0);
    assert_same_tables(&lab.result_tables("three", "same"), &lab.result_tables("one", "same"), "three threads");
}

#[test]
fn instruction_sets_do_not_show() {
    let lab = lab();
    let mut base = None;
    for isa in Isa::available() {
        let mut command = lab.command(&["run", "same.toml", "--out", isa.name()]);
        command.env("INFOPLANE_ISA", isa.name());
        finish(command).expect(0);
        let tables = lab.result_tables(isa.name(), "same");
        assert_same_tables(&tables, base.get_or_insert_with(|| tables.clone()), isa.name());
        let provenance = common::tables::Contents::read(&lab.table(isa.name(), "same", "provenance"));
        assert!(provenance.column("isa").iter().all(|found| *found == isa.name()));
    }
}

#[test]
fn the_way_there_does_not_show() {
    let lab = lab();
    lab.call(&["run", "same.toml", "--out", "base"]).expect(0);
    // Other cohorts have left trainings and measurements of this one, in another order, with less measured.
    lab.write(
        "part.toml",
        &COHORT.replace("\"same\"", "\"part\"").replace(r#", "lower", { upper = { noise_variance = 0.01 } }"#, ""),
    );
    lab.write(
        "few.toml",
        &COHORT
            .replace("\"same\"", "\"few\"")
            .replace(r#"["tanh", "relu", "linear"]"#, r#"["linear", "relu", "tanh"]"#)
            .replace("n_runs = 2", "n_runs = 1"),
    );
    for file in ["few.toml", "part.toml", "same.toml"] {
        lab.call(&["run", file, "--out", "way"]).expect(0);
    }
    assert_same_tables(&lab.result_tables("way", "same"), &lab.result_tables("base", "same"), "after other cohorts");
}

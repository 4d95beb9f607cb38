//! The cohort language as users meet it: files that extend others.

mod common;

use std::fs;

use common::Lab;

/// A study in two files, in directories of their own; `common/base.toml` alone is no cohort, since it has no name.
fn lab() -> Lab {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("common")).expect("a directory");
    fs::create_dir_all(lab.path("sweeps")).expect("a directory");
    lab.write("common/base.toml", "n_runs = 2\n[experiment]\nepochs = 3\narchitecture = [3]\nestimators = ['upper']\n");
    lab.write(
        "sweeps/top.toml",
        "extends = '../common/base.toml'\nname = 'top'\n[experiment]\nepochs = 2\nestimators = ['binning']\n",
    );
    lab
}

#[test]
fn the_store_knows_a_cohort_of_two_files_by_itself() {
    let lab = lab();
    lab.call(&["run", "sweeps/top.toml", "--workers", "1"]).expect(0);
    let tables = lab.result_tables("results", "top");
    // The store must not need the files any more.
    fs::remove_dir_all(lab.path("common")).expect("removed");
    fs::remove_dir_all(lab.path("sweeps")).expect("removed");
    lab.call(&["resume", "top"]).expect(0);
    lab.call(&["aggregate", "top"]).expect(0);
    common::assert_same_tables(&lab.result_tables("results", "top"), &tables, "aggregated again");
    let copy = fs::read_to_string(lab.path("results/top/cohort.toml")).expect("a copy");
    assert!(copy.contains("n_runs = 2") && copy.contains("epochs = 2") && !copy.contains("extends"), "{copy}");
}

#[test]
fn errors_name_the_file_that_they_are_in() {
    let lab = lab();
    lab.write("common/base.toml", "n_runs = 2\n[experiment]\nepohcs = 3\n");
    let said = lab.call(&["plan", "sweeps/top.toml"]).expect(3).stderr;
    assert!(said.contains("sweeps/../common/base.toml:3:1: unknown key `epohcs` in experiment"), "{said}");
    lab.write("common/base.toml", "extends = '../sweeps/top.toml'\n");
    let said = lab.call(&["plan", "sweeps/top.toml"]).expect(3).stderr;
    let circle = "sweeps/top.toml → sweeps/../common/base.toml → sweeps/top.toml";
    assert!(said.contains("sweeps/../common/base.toml:1:11") && said.contains(circle), "{said}");
    fs::remove_file(lab.path("common/base.toml")).expect("removed");
    let said = lab.call(&["plan", "sweeps/top.toml"]).expect(3).stderr;
    assert!(said.contains("sweeps/top.toml:1:11") && said.contains("common/base.toml: cannot read"), "{said}");
}

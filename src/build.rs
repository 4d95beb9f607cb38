//! Build script: tells the program which commit it is built from, for the table `provenance`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    // A path that does not exist would make cargo run this at every build.
    for path in [".git/HEAD", ".git/logs/HEAD"] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = Command::new("git").args(["rev-parse", "HEAD"]).output().ok().filter(|out| out.status.success());
    if let Some(commit) = commit.and_then(|out| String::from_utf8(out.stdout).ok()) {
        println!("cargo::rustc-env=INFOPLANE_COMMIT={}", commit.trim());
    }
}

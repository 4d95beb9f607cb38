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
    if std::env::var_os("CARGO_FEATURE_MPI").is_some() {
        look_for_mpi();
    }
    let commit = Command::new("git").args(["rev-parse", "HEAD"]).output().ok().filter(|out| out.status.success());
    if let Some(commit) = commit.and_then(|out| String::from_utf8(out.stdout).ok()) {
        println!("cargo::rustc-env=INFOPLANE_COMMIT={}", commit.trim());
    }
}

/// Says what to install where the feature `mpi` has nothing to build on; the crate's own errors are hard to read.
fn look_for_mpi() {
    println!("cargo::rerun-if-env-changed=MPICC");
    println!("cargo::rerun-if-env-changed=LIBCLANG_PATH");
    let mpicc = std::env::var("MPICC").unwrap_or_else(|_| "mpicc".to_owned());
    if Command::new(&mpicc).arg("-show").output().is_err() {
        println!("cargo::error=the feature `mpi` needs an MPI, and there is no `{mpicc}`");
        println!(
            "cargo::error=  Debian, Ubuntu: apt install openmpi-bin libopenmpi-dev libclang-dev   (or: mpich libmpich-dev libclang-dev)"
        );
        println!("cargo::error=  Fedora: dnf install openmpi-devel clang-devel; on a cluster: module load openmpi");
        println!("cargo::error=  or set MPICC to the compiler wrapper; without the feature, infoplane needs no MPI");
    }
    let there = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("libclang"))
    };
    let llvm = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("lib"));
    let plain = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = llvm.chain(plain.iter().map(Into::into)).any(|dir| there(&dir));
    if !found && std::env::var_os("LIBCLANG_PATH").is_none() && Command::new("llvm-config").arg("--version").output().is_err() {
        println!(
            "cargo::error=the feature `mpi` needs libclang to build: apt install libclang-dev, or set LIBCLANG_PATH to its directory"
        );
    }
}

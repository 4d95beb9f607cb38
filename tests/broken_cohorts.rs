//! A corpus of broken cohorts: what each message says is a snapshot, since people read it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use infoplane::cohort::{CohortErrors, parse};

/// The files of the corpus, in the order of their names.
fn corpus() -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken"))? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// What is wrong with a file of the corpus.
fn errors_of(path: &Path) -> Result<CohortErrors, Box<dyn Error>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parse(&name, &fs::read_to_string(path)?).err().ok_or_else(|| format!("{name} has no mistake").into())
}

#[test]
fn messages_are_as_agreed() -> Result<(), Box<dyn Error>> {
    for path in corpus()? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        insta::assert_snapshot!(name, errors_of(&path)?.to_string());
    }
    Ok(())
}

#[test]
fn every_error_is_located_and_says_what_was_expected() -> Result<(), Box<dyn Error>> {
    let files = corpus()?;
    assert!(files.len() >= 60);
    for path in files {
        for error in errors_of(&path)?.errors {
            assert!(error.line >= 1 && error.column >= 1, "{}", path.display());
            let is_syntax = error.message.starts_with("not valid TOML");
            assert!(error.expected.is_some() || is_syntax, "{}: {}", path.display(), error.message);
        }
    }
    Ok(())
}

#[test]
fn ten_mistakes_are_ten_errors() -> Result<(), Box<dyn Error>> {
    for path in corpus()?.iter().filter(|path| path.to_string_lossy().contains("ten-mistakes")) {
        let errors = errors_of(path)?.errors;
        assert_eq!(errors.len(), 10, "{}", path.display());
    }
    Ok(())
}

//! The job script: the template of `cluster/sge/`, filled in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::quote::bash_word;

/// The template, as it stands in the repository.
pub const TEMPLATE: &str = include_str!("../../../cluster/sge/pilots.sh");

/// What a script is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Absolute path of the store.
    pub store: &'a Path,
    /// Id of the sweep.
    pub sweep: &'a str,
    /// Absolute path of the program.
    pub program: &'a Path,
    /// Name of the array job within the sweep.
    pub array: &'a str,
    /// Where it is submitted from.
    pub directory: &'a Path,
    /// `INFOPLANE_DATA` of who submits; may be empty.
    pub data: &'a OsStr,
    /// Environment modules to load.
    pub modules: &'a [String],
}

/// The script, bytes of ASCII whatever the words hold.
#[must_use]
pub fn render(words: &Words<'_>) -> String {
    let word = |text: &OsStr| bash_word(text.as_bytes());
    let modules: Vec<String> = words.modules.iter().map(|module| word(OsStr::new(module))).collect();
    fill(&[
        ("STORE", word(words.store.as_os_str())),
        ("SWEEP", word(OsStr::new(words.sweep))),
        ("PROGRAM", word(words.program.as_os_str())),
        ("ARRAY", word(OsStr::new(words.array))),
        ("DIRECTORY", word(words.directory.as_os_str())),
        ("DATA", word(words.data)),
        ("MODULES", modules.join(" ")),
    ])
}

/// Fills the template from left to right: what was filled in is not looked at again.
fn fill(values: &[(&str, String)]) -> String {
    let (mut script, mut rest) = (String::new(), TEMPLATE);
    let next = |rest: &str| {
        let found = values.iter().filter_map(|(name, value)| Some((rest.find(&format!("@{name}@"))?, name.len() + 2, value)));
        found.min_by_key(|(at, ..)| *at).map(|(at, length, value)| (at, length, value.clone()))
    };
    while let Some((at, length, value)) = next(rest) {
        script.push_str(&rest[..at]);
        script.push_str(&value);
        rest = &rest[at + length..];
    }
    script.push_str(rest);
    script
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// Directory names that a shell would trip over.
    const NASTY: [&str; 6] =
        ["plain", "a b", "it's \"q\"", "$(touch pwned)`touch pwned`", "line\n#$ -N evil\nend", "@SWEEP@ @STORE@"];

    fn plain(modules: &[String]) -> Words<'_> {
        let (store, program, directory) = (Path::new("/s"), Path::new("/p"), Path::new("/"));
        Words { store, sweep: "0123456789ab", program, array: "a0", directory, data: OsStr::new(""), modules }
    }

    #[test]
    fn the_program_is_called_with_the_words_as_they_are() {
        for name in NASTY {
            let dir = tempfile::tempdir().unwrap();
            let (store, program) = (dir.path().join(name), dir.path().join(format!("bin {name}")));
            fs::create_dir_all(store.join(".infoplane/sweeps/0123456789ab/logs")).unwrap();
            fs::write(&program, "#!/bin/bash\nprintf '%s\\0' \"$@\" \"$PWD\" \"$INFOPLANE_DATA\"\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            let words = Words {
                store: &store,
                sweep: "0123456789ab",
                program: &program,
                array: "a0",
                directory: &store,
                data: OsStr::new(name),
                modules: &[],
            };
            let script = render(&words);
            assert!(script.is_ascii() && !script.lines().any(|line| line.starts_with("#$")), "{name}");
            let mut bash = Command::new("bash");
            bash.current_dir(dir.path()).args(["-c", &script]).env("SGE_TASK_ID", "3");
            assert!(bash.status().unwrap().success(), "{name}");
            let log = fs::read(store.join(".infoplane/sweeps/0123456789ab/logs/a0-3.log")).unwrap();
            let at = store.display();
            let expected = format!("worker\0--pilot=0123456789ab\0--array=a0\0--out={at}\0{at}\0{name}\0");
            assert_eq!(String::from_utf8(log).unwrap(), expected, "{name}");
            assert!(!dir.path().join("pwned").exists(), "{name}");
        }
    }

    #[test]
    fn a_node_without_the_store_says_so() {
        let words = Words { store: Path::new("/nowhere"), ..plain(&[]) };
        let output = Command::new("bash").args(["-c", &render(&words)]).output().unwrap();
        assert_eq!(output.status.code(), Some(100));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write /nowhere"));
    }

    #[test]
    fn modules_are_words() {
        let modules = ["gcc/12".to_owned(), "$(id) x".to_owned()];
        assert!(render(&plain(&modules)).contains("modules=(gcc/12 $'\\044\\050id\\051\\040x')"));
    }
}

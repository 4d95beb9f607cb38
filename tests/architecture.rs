//! The rules of the rooms: who may import whom (the table in `lib.rs`), who does I/O, who knows which library.
//!
//! Held over the program's own code. Tests are left out (items under `#[cfg(test)]`, and files that are declared so): a test may build
//! what it tests from another room.

#[path = "common/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::{blank_literals, paths, without_tests};

/// Lines of a file before its tests at most. The guide is 400.
const MOST_LINES: usize = 600;
/// Rooms without I/O, clock, environment and logging.
const PURE: [&str; 8] = ["math", "train", "estimate", "study", "grid", "plot", "findings", "report"];
/// A room that takes bytes, not files: as pure, but for the traits of `std::io`, by which libraries read from memory.
const FROM_MEMORY: &str = "data";
/// What a pure room may not name.
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::env",
    "std::time",
    "std::net",
    "std::process",
    "std::io",
    "tracing",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
];
/// Libraries that one room alone may name.
const OWNED: [(&str, &str); 11] = [
    ("parquet", "store"),
    ("arrow_array", "store"),
    ("arrow_schema", "store"),
    ("arrow", "store"),
    ("toml", "cohort"),
    ("toml_edit", "cohort"),
    ("clap", "cli"),
    ("resvg", "plot"),
    ("openh264", "plot"),
    ("muxide", "plot"),
    ("mpi", "launch"),
];

/// Which rooms each room may import.
type Rules = BTreeMap<String, BTreeSet<String>>;

/// A source file below `src/`.
struct Source {
    /// Path below `src/`.
    name: String,
    text: String,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// Its module path: `store/tables/mod.rs` is `[store, tables]`.
    fn module(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.name.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
            parts.pop();
        }
        parts
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut waiting) = (Vec::new(), vec![root.clone()]);
    while let Some(dir) = waiting.pop() {
        let entries: Vec<PathBuf> =
            fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
        for path in entries {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").to_str().expect("UTF-8");
                files.push(Source::new(name, &fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// The program's code: files that are tests as a whole are left out, and so are the tests at the end of the others.
fn program(sources: Vec<Source>) -> Vec<Source> {
    let mut tests: BTreeSet<String> = BTreeSet::new();
    let mut kept = Vec::new();
    for source in sources {
        let (code, files) = without_tests(&blank_literals(&source.text));
        let module = source.module().join("/");
        tests.extend(files.iter().map(|file| format!("{module}/{file}").trim_start_matches('/').to_owned()));
        kept.push(Source::new(&source.name, &code));
    }
    kept.retain(|source| {
        let module = source.module().join("/");
        !tests.iter().any(|test| module == *test || module.starts_with(&format!("{test}/")))
    });
    kept
}

/// The rules, from the table in the docs of `lib.rs`.
fn rules(lib: &str) -> Rules {
    let mut rows: Vec<(String, Vec<String>, bool)> = Vec::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! | [`")) {
        let cells: Vec<&str> = line.trim_end_matches([' ', '|']).split(" | ").collect();
        let [room, _, imports] = cells[..] else { panic!("a row of three cells, found {line}") };
        let named: Vec<String> = imports.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let (all, none) = (imports.trim() == "everything", imports.trim() == "nothing of ours");
        assert!(all || none || !named.is_empty(), "what may {room} import? {imports}");
        rows.push((room.trim_end_matches("`]").to_owned(), named, all));
    }
    let everything: BTreeSet<String> = rows.iter().map(|(room, ..)| room.clone()).collect();
    let allowed = |named: Vec<String>, all: bool| if all { everything.clone() } else { named.into_iter().collect() };
    rows.into_iter().map(|(room, named, all)| (room, allowed(named, all))).collect()
}

/// Other rooms that a file names, with the lines.
fn imports(source: &Source, rules: &Rules) -> Vec<(usize, String)> {
    let module = source.module();
    let mut found = Vec::new();
    for path in paths(&source.text) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        let climbs = segments.iter().take_while(|&&segment| segment == "super").count();
        let room = match segments[0] {
            "crate" | "infoplane" => segments[1],
            // As many steps up as the module is deep lead to the root of the crate.
            "super" if climbs >= module.len() => segments.get(climbs).copied().unwrap_or_default(),
            _ => continue,
        };
        if rules.contains_key(room) && module.first() != Some(&room) {
            found.push((path.line, room.to_owned()));
        }
    }
    found
}

/// What breaks a rule in a file of the program, as messages.
fn breaches(source: &Source, rules: &Rules) -> Vec<String> {
    let module = source.module();
    let room = module.first().copied().unwrap_or_default();
    let mut messages = Vec::new();
    let mut say = |line: usize, text: String| messages.push(format!("src/{}:{line}: {text}", source.name));
    for (line, imported) in imports(source, rules) {
        let allowed = match source.name.as_str() {
            "main.rs" => imported == "cli",
            "lib.rs" => false,
            _ => rules.get(room).is_some_and(|allowed| allowed.contains(&imported)),
        };
        if !allowed {
            say(line, format!("`{room}` may not import `{imported}`"));
        }
    }
    for path in paths(&source.text) {
        let name = path.segments.join("::");
        let impure = IMPURE.iter().find(|&&prefix| name == prefix || name.starts_with(&format!("{prefix}::")));
        let is_pure = PURE.contains(&room) || (room == FROM_MEMORY && impure != Some(&"std::io"));
        if is_pure && let Some(impure) = impure {
            say(path.line, format!("`{room}` is pure and may not name `{impure}`"));
        }
        if let Some((library, owner)) = OWNED.iter().find(|(library, owner)| path.segments[0] == *library && room != *owner)
            // The parser of arguments is called where the program begins.
            && source.name != "main.rs"
        {
            say(path.line, format!("only `{owner}` may name `{library}`"));
        }
    }
    messages
}

/// Rooms in a circle of imports, if there is one.
fn cycle(imports: &Rules) -> Option<Vec<String>> {
    fn walk(room: &str, imports: &Rules, way: &mut Vec<String>) -> bool {
        if let Some(start) = way.iter().position(|passed| passed == room) {
            way.drain(..start);
            return true;
        }
        way.push(room.to_owned());
        if imports.get(room).is_some_and(|next| next.iter().any(|next| walk(next, imports, way))) {
            return true;
        }
        way.pop();
        false
    }
    imports.keys().find_map(|room| {
        let mut way = Vec::new();
        walk(room, imports, &mut way).then_some(way)
    })
}

fn lib() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs")
}

#[test]
fn rooms_import_what_their_table_allows_and_do_what_they_are_for() {
    let rules = rules(&lib());
    let messages: Vec<String> = program(sources()).iter().flat_map(|source| breaches(source, &rules)).collect();
    assert!(messages.is_empty(), "{}", messages.join("\n"));
}

#[test]
fn imports_run_in_one_direction() {
    let rules = rules(&lib());
    let mut graph = Rules::new();
    for source in program(sources()) {
        let Some(&room) = source.module().first() else { continue };
        graph.entry(room.to_owned()).or_default().extend(imports(&source, &rules).into_iter().map(|(_, room)| room));
    }
    assert_eq!(cycle(&graph), None);
    // `cli` may import everything; nobody may import it.
    let without_cli: Rules = rules.into_iter().filter(|(room, _)| room != "cli").collect();
    assert_eq!(cycle(&without_cli), None);
    assert!(without_cli.values().all(|imports| !imports.contains("cli")));
    // The rules that the table must not lose.
    for forbidden in ["train", "estimate"] {
        assert!(!without_cli["launch"].contains(forbidden));
    }
    assert!(["math", "plot", "findings"].iter().all(|room| without_cli[*room].is_empty()));
    assert!(["train", "estimate"].iter().all(|room| without_cli[*room].iter().eq(["math"])));
}

#[test]
fn the_table_lists_every_room() {
    let lib = lib();
    let rooms: BTreeSet<String> = rules(&lib).into_keys().collect();
    let declared: BTreeSet<String> =
        lib.lines().filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect();
    let directories: BTreeSet<String> =
        sources().iter().filter_map(|source| Some(source.name.split_once('/')?.0.to_owned())).collect();
    assert_eq!((&rooms, &rooms), (&declared, &directories));
}

#[test]
fn files_say_their_idea_first_and_stay_readable() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > 20,
            "src/{}: the first line says what the file is, found {first:?}",
            source.name
        );
        let program = source.text.lines().position(|line| line == "#[cfg(test)]").unwrap_or_else(|| source.text.lines().count());
        assert!(program <= MOST_LINES, "src/{}: {program} lines before its tests, {MOST_LINES} at most", source.name);
    }
}

#[test]
fn a_planted_breach_is_found() {
    let rules = rules(&lib());
    let breaches = |name: &str, text: &str| {
        let program = program(vec![Source::new(name, text)]);
        program.iter().flat_map(|source| breaches(source, &rules)).collect::<Vec<_>>()
    };
    for (name, text, message) in [
        ("launch/local.rs", "use crate::train::spec::Split;", "src/launch/local.rs:1: `launch` may not import `train`"),
        (
            "launch/local.rs",
            "\nuse crate::{\n    grid::ids::Id,\n    estimate as e,\n};",
            "src/launch/local.rs:4: `launch` may not import `estimate`",
        ),
        (
            "launch/mod.rs",
            "fn f() -> super::train::Split { g::<crate::grid::Id>() }",
            "src/launch/mod.rs:1: `launch` may not import `train`",
        ),
        (
            "store/tables/read.rs",
            "use super::super::super::cli::run;",
            "src/store/tables/read.rs:1: `store` may not import `cli`",
        ),
        ("math/rng.rs", "fn f(id: &crate::grid::ids::Id) {}", "src/math/rng.rs:1: `math` may not import `grid`"),
        ("main.rs", "use infoplane::store::Store;", "src/main.rs:1: `` may not import `store`"),
        (
            "train/step.rs",
            "use std::{sync::Arc, time::Instant};",
            "src/train/step.rs:1: `train` is pure and may not name `std::time`",
        ),
        ("data/idx.rs", "use std::io::Read;\nuse std::fs::File;", "src/data/idx.rs:2: `data` is pure and may not name `std::fs`"),
        (
            "plot/svg.rs",
            "fn f() { let a = b'\\''; println!(\"{}\", a) }",
            "src/plot/svg.rs:1: `plot` is pure and may not name `println!`",
        ),
        ("grid/plan.rs", "fn f() { tracing::info!(\"\"); }", "src/grid/plan.rs:1: `grid` is pure and may not name `tracing`"),
        ("cli/plan.rs", "use toml::Table;", "src/cli/plan.rs:1: only `cohort` may name `toml`"),
        ("worker/measure.rs", "use parquet::file::reader;", "src/worker/measure.rs:1: only `store` may name `parquet`"),
        (
            "grid/a.rs",
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nuse std::env;",
            "src/grid/a.rs:5: `grid` is pure and may not name `std::env`",
        ),
    ] {
        assert_eq!(breaches(name, text), [message], "{name}: {text}");
    }
    for (name, text) in [
        ("launch/local.rs", "// crate::train\nconst A: &str = \"crate::train\"; /* crate::train /* */ crate::train */"),
        ("launch/local.rs", "const A: &str = r#\"a\" crate::train::x \"#; use super::wire::train;"),
        ("math/a.rs", "fn f<'a>(x: &'a str) -> char { let c = '\"'; c } // println!()"),
        ("grid/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { println!(\"}\"); }\n}"),
        ("store/a.rs", "use crate::train::spec::Split; fn f() { let toml = 1; toml + 1; }"),
        ("plot/a.rs", "fn f() { if !print != 1 { time(); } }"),
    ] {
        assert_eq!(breaches(name, text), [""; 0], "{name}: {text}");
    }
}

#[test]
fn files_that_are_tests_as_a_whole_are_left_out() {
    let sources = vec![
        Source::new("launch/mod.rs", "#[cfg(test)]\npub mod fake;\nmod local;"),
        Source::new("launch/fake.rs", "use crate::train::spec::Split;"),
        Source::new("launch/local.rs", ""),
    ];
    let names: Vec<String> = program(sources).into_iter().map(|source| source.name).collect();
    assert_eq!(names, ["launch/mod.rs", "launch/local.rs"]);
}

#[test]
fn circles_are_found() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Rules::new();
        edges.iter().for_each(|(from, to)| {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        });
        graph
    };
    assert_eq!(cycle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(cycle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["b".to_owned(), "c".to_owned()]));
}

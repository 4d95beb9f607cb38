//! What the program says, as snapshots, since people read it; and the exit codes, since scripts do.

mod common;

use std::fs;
use std::path::Path;

use common::{Finished, Lab, finish, tree};
use serde_json::Value;

/// The checkout's directory of cohorts.
const SWEEPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sweeps");
const SMALL: &str =
    "name = \"small\"\nn_runs = 2\n[experiment]\nepochs = 2\narchitecture = [3]\n[grid]\nactivation_fn = [\"tanh\", \"relu\"]\n";

/// A call in short: exit code, stdout, stderr.
fn transcript(call: &Finished) -> String {
    let code = call.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let part = |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{text}") };
    format!("exit {code}\n{}{}", part("stdout", &call.stdout), part("stderr", &call.stderr))
}

/// `text` with every number before ` s` masked, and without lines of progress, which only a slow machine has time to say.
fn without_times(text: &str) -> String {
    let text: String = text.split_inclusive('\n').filter(|line| !line.contains(" %, ")).collect();
    let words: Vec<&str> = text.split(' ').collect();
    let mask = |place: usize, word: &str| {
        let is_time =
            words.get(place + 1).is_some_and(|next| *next == "s" || next.starts_with("s\n")) && word.parse::<f64>().is_ok();
        if is_time { "TIME".to_owned() } else { word.to_owned() }
    };
    words.iter().enumerate().map(|(place, word)| mask(place, word)).collect::<Vec<_>>().join(" ")
}

/// Names of the subcommands, as the help lists them.
fn subcommands(lab: &Lab) -> Vec<String> {
    let help = lab.call(&["--help"]).expect(0).stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

#[test]
fn help_of_every_command() {
    let lab = Lab::new();
    insta::assert_snapshot!("help", lab.call(&["--help"]).expect(0).stdout);
    let names = subcommands(&lab);
    for expected in ["run", "plan", "resume", "aggregate", "plot", "completions", "man"] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not in the help: {names:?}");
    }
    assert!(!names.iter().any(|name| name == "worker"), "what launchers start is hidden");
    for name in names {
        let help = lab.call(&[&name, "--help"]).expect(0);
        assert_eq!(help.stderr, "");
        insta::assert_snapshot!(format!("help_{name}"), help.stdout);
    }
}

#[test]
fn summary_of_a_finished_run_and_of_a_second() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    let run = lab.call(&["run", "small.toml", "--workers", "2", "--threads", "1"]);
    insta::assert_snapshot!("run", without_times(&transcript(&run)));
    insta::assert_snapshot!("run_again", transcript(&lab.call(&["run", "small.toml"])));
    insta::assert_snapshot!("aggregate", transcript(&lab.call(&["aggregate", "small"])));
    insta::assert_snapshot!("plot", transcript(&lab.call(&["plot", "infoplane", "small", "--split", "train"])));
    insta::assert_snapshot!("unknown_cohort", transcript(&lab.call(&["aggregate", "smal"])));
    insta::assert_snapshot!("split_not_measured", transcript(&lab.call(&["plot", "infoplane", "small", "--split", "full"])));
}

#[test]
fn plan_of_the_quickstart() {
    let lab = Lab::new();
    insta::assert_snapshot!(
        "plan_quickstart",
        transcript(&lab.call(&["plan", &format!("{SWEEPS}/quickstart.toml"), "--no-measure", "--workers=2", "--threads=1"]))
    );
}

#[test]
fn refusals() {
    let lab = Lab::new();
    lab.write("small.toml", SMALL);
    fs::create_dir(lab.path("empty")).expect("a directory");
    for (name, arguments) in [
        ("no_store", &["aggregate", "small", "--out", "nowhere"][..]),
        ("missing_file", &["run", "small.tom"]),
        ("no_cohorts_in_directory", &["run", "empty"]),
        ("same_name_twice", &["run", "small.toml", "small.toml"]),
        ("no_command", &[]),
        ("unknown_command", &["rum", "small.toml"]),
        ("no_workers", &["run", "small.toml", "--workers", "0"]),
        ("nothing_to_resume", &["resume", "--out", "nowhere"]),
    ] {
        insta::assert_snapshot!(name, transcript(&lab.call(arguments)));
    }
    let mut command = lab.command(&["run", "small.toml"]);
    command.env("INFOPLANE_ISA", "abacus");
    // Which there are is a matter of the machine.
    let call = finish(command).expect(3);
    let (said, listed) = call.stderr.trim_end().split_once("expected one of ").expect("what there is");
    assert_eq!(said, "error: INFOPLANE_ISA=abacus: no instruction set of that name here, ");
    assert!(listed.split(", ").any(|name| name == "portable"), "{listed}");
}

#[test]
fn ten_mistakes_are_ten_errors_and_nothing_is_written() {
    for name in ["ten-mistakes", "ten-mistakes-mixed"] {
        let lab = Lab::new();
        let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/broken/{name}.toml"));
        let file = format!("{name}.toml");
        lab.write(&file, &fs::read_to_string(broken).expect("a cohort"));
        for command in ["run", "plan"] {
            let call = lab.call(&[command, &file]).expect(3);
            assert_eq!(call.stdout, "");
            let located = |line: &&str| {
                let place = line.strip_prefix(&format!("error: {file}:"));
                let numbers = place.map(|place| place.splitn(3, ':').take(2).map(|n| n.parse::<u32>().is_ok_and(|n| n > 0)));
                numbers.is_some_and(|mut numbers| numbers.all(|valid| valid))
            };
            assert_eq!(call.stderr.lines().filter(located).count(), 10, "{}", call.stderr);
            assert_eq!(call.stderr.lines().filter(|line| line.starts_with("error:")).count(), 10, "{}", call.stderr);
        }
        assert_eq!(tree(&lab.path("")).len(), 1, "something was written");
    }
}

#[test]
fn mistakes_of_several_files_come_together() {
    let lab = Lab::new();
    lab.write("a.toml", "name = \"a\"\nn_runs = 0\n");
    lab.write("b.toml", SMALL);
    lab.write("c.toml", "name = \"c\"\n[experiment]\nepohcs = 3\n");
    let call = lab.call(&["run", "."]).expect(3);
    assert!(call.stderr.contains("a.toml:2:10: ") && call.stderr.contains("c.toml:3:1: "), "{}", call.stderr);
    assert_eq!(tree(&lab.path("")).len(), 3, "a good file beside bad ones was run");
}

#[test]
fn every_sweep_parses_and_plans() {
    let lab = Lab::new();
    let (mut plans, mut on_files) = (0, 0);
    for path in tree(Path::new(SWEEPS)).keys().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let path = path.to_str().expect("UTF-8");
        let plan = lab.call(&["plan", path, "--json"]);
        // Cohorts on data that is not there parse, and say what is missing.
        if path.contains("/sweeps/data/") && plan.code == Some(3) {
            assert!(plan.stderr.contains("data set") && plan.stderr.contains(": no "), "{path}: {}", plan.stderr);
            on_files += 1;
            continue;
        }
        let plan: Value = serde_json::from_str(&plan.expect(0).stdout).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(plan["runs"].as_u64() > Some(0) && plan["missing"] == plan["runs"], "{path}: {plan}");
        plans += 1;
    }
    assert!(plans > 15 && plans + on_files > 19, "{plans} {on_files}");
}

#[test]
fn the_study_has_the_published_size() {
    let plans = Lab::new().call(&["plan", &format!("{SWEEPS}/study"), "--no-measure", "--json"]).expect(0).stdout;
    let plans: Vec<Value> = serde_json::from_str(&plans).expect("a list of plans");
    let sum = |key: &str| plans.iter().filter_map(|plan| plan[key].as_u64()).sum::<u64>();
    // 261 distinct trainings, of which cohorts share some.
    assert_eq!((plans.len(), sum("runs"), sum("trainings")), (15, 1002, 342));
    for plan in &plans {
        let total = &plan["total"];
        let counts = ["runs", "missing", "trainings"].map(|key| total[key].as_u64());
        assert_eq!(counts, [Some(1002), Some(1002), Some(261)], "{total}");
        // Shared work is paid once.
        let parts = plans.iter().filter_map(|plan| plan["predicted_cpu_seconds"]["mean"].as_f64()).sum::<f64>();
        let all = total["predicted_cpu_seconds"]["mean"].as_f64().expect("a number");
        assert!(all > 0.3 * parts && all < 0.8 * parts, "{all} {parts}");
    }
}

#[test]
fn completions_and_manual_name_every_command() {
    let lab = Lab::new();
    let (completions, manual) = (lab.call(&["completions", "bash"]).expect(0), lab.call(&["man", "--dir", "man"]).expect(0));
    assert_eq!((manual.stdout.as_str(), completions.stderr.as_str()), ("", ""));
    for name in subcommands(&lab) {
        assert!(
            completions.stdout.contains(&format!("infoplane__subcmd__{name}"))
                || completions.stdout.contains(&format!("infoplane__{name}")),
            "{name}"
        );
        assert!(lab.path(&format!("man/infoplane-{name}.1")).is_file(), "{name}");
    }
}

//! `infoplane diff`: the keys in which runs differ.

use clap::Args;
use serde_json::{Map, Value, json};

use super::StoreArguments;
use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::print::print;
use super::studies::Open;
use crate::query::RunRef;
use crate::query::facts;
use crate::query::study::resolve;

/// Show the keys in which runs differ, and only those
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane diff \"quickstart:activation_fn=tanh:0\" \"quickstart:activation_fn=relu:0\"
  infoplane diff 5b685df6 ea757508 --json

ID is COHORT:LABEL:REPEAT or the first digits of a training's id. An id of a training that several runs share stands for the first of them.")]
pub struct DiffArguments {
    /// The runs
    #[arg(value_name = "ID", required = true, num_args = 2..)]
    ids: Vec<String>,
    #[command(flatten)]
    store: StoreArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn diff(arguments: &DiffArguments) -> Result<Exit, Failure> {
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let mut runs: Vec<RunRef<'_>> = Vec::new();
    for id in &arguments.ids {
        runs.extend(resolve(&studies, id)?.first());
    }
    let values = |run: &RunRef<'_>| {
        let mut values = run.experiment().settings.columns();
        // The names of the columns tell cohort, label and repeat.
        values.extend(facts::place(run).into_iter().filter(|(key, _)| matches!(*key, "seed" | "training_id")));
        values
    };
    let differing = facts::differing(&runs.iter().map(values).collect::<Vec<_>>());
    let names: Vec<String> = runs.iter().map(RunRef::name).collect();
    if arguments.json {
        let keys: Map<String, Value> =
            differing.iter().map(|(key, values)| ((*key).to_owned(), values.iter().map(facts::json).collect())).collect();
        return print(format!("{:#}\n", json!({ "runs": names, "differing": keys })).as_bytes());
    }
    let mut rows = vec![[vec![String::new()], names].concat()];
    rows.extend(
        differing.iter().map(|(key, values)| [vec![(*key).to_owned()], values.iter().map(facts::text).collect()].concat()),
    );
    print(aligned(&rows, "").as_bytes())
}

//! `infoplane find`: runs by id, name, settings, status, over all cohorts of a store.

use clap::Args;
use regex_lite::Regex;
use serde_json::{Map, Value};

use super::StoreArguments;
use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::print::print;
use super::studies::Open;
use crate::query::Study;
use crate::query::facts;
use crate::query::find::{Hit, find as find_runs};
use crate::query::terms::{Selection, Term, regex};

/// Digits of an id in the table.
const SHORT_ID: usize = 12;

/// Which runs: shared by the commands that take a selection.
#[derive(Args, Clone, Debug)]
pub struct SelectionArguments {
    /// A cohort's name, a run (COHORT:LABEL:REPEAT), the first digits of a training's id, or a condition: KEY=REGEX, KEY!=REGEX, KEY<NUMBER, <=, >, >=
    #[arg(value_name = "TERM", value_parser = Term::parse)]
    terms: Vec<Term>,
    /// Only runs whose COHORT:LABEL this regular expression matches
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    name: Option<Regex>,
}

impl SelectionArguments {
    /// The runs of a store that are selected.
    pub fn find<'a>(&self, open: &Open, studies: &[Study<'a>]) -> Result<Vec<Hit<'a>>, Failure> {
        let selection = Selection::new(&self.terms, self.name.clone());
        let known: Vec<&str> = studies.iter().map(|study| study.grid.cohort.as_str()).collect();
        if let Some(name) = selection.cohorts().iter().find(|name| !known.contains(&name.as_str())) {
            let text = format!("no cohort `{name}` in {}; there are: {}", open.store.root().display(), known.join(", "));
            return Err(Failure::new(Exit::Invalid, text));
        }
        Ok(find_runs(studies, &selection, &open.index, &open.live())?)
    }
}

/// What a selection may say.
pub const TERMS: &str = "A run is found if it is one of those named (by cohort, run or id; any run if nothing is named) and meets every condition. Keys are \
status (ok, failed, lost, oom, missing, running), cohort, experiment (the label), run, seed, training_id and every setting. A regular expression \
matches anywhere in the value; ^…$ binds it to the whole. Numbers are compared as numbers, also with = and !=.";

/// Find runs by id, name, settings or status, over all cohorts of a store
#[derive(Args, Debug)]
#[command(after_help = format!("Examples:
  infoplane find                                        every run
  infoplane find quickstart status=failed
  infoplane find 5b685df6 ea757508                      by id, several
  infoplane find --name '^estimators:' 'learning_rate<0.001' 'epochs>=2000'
  infoplane find 'activation_fn=^(tanh|relu)$' 'architecture=^\\[10,' --json

{TERMS}"))]
pub struct FindArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    store: StoreArguments,
    /// Print a list of runs as JSON, with all settings
    #[arg(long)]
    json: bool,
}

pub fn find(arguments: &FindArguments, quiet: bool) -> Result<Exit, Failure> {
    let open = Open::at(&arguments.store.out)?;
    let studies = open.studies();
    let hits = arguments.selection.find(&open, &studies)?;
    if arguments.json {
        let all: Vec<Value> = hits.iter().map(json).collect();
        return print(format!("{:#}\n", Value::Array(all)).as_bytes());
    }
    print(table(&hits).as_bytes())?;
    if !quiet {
        tell!("{} run{} found", hits.len(), if hits.len() == 1 { "" } else { "s" });
    }
    Ok(Exit::Done)
}

/// A run as JSON: its name, place and status, then its settings in an object of their own.
fn json(hit: &Hit<'_>) -> Value {
    let map = |values: Vec<(&'static str, _)>| {
        values.iter().map(|(key, value)| ((*key).to_owned(), facts::json(value))).collect::<Map<_, _>>()
    };
    let mut object = map(facts::place(&hit.run));
    object.insert("name".to_owned(), hit.run.name().into());
    object.insert("status".to_owned(), hit.standing.name().into());
    object.insert("settings".to_owned(), map(hit.run.experiment().settings.columns()).into());
    Value::Object(object)
}

/// A row a run, a column a setting in which the experiments of these runs differ.
fn table(hits: &[Hit<'_>]) -> String {
    if hits.is_empty() {
        return String::new();
    }
    // Runs of one experiment follow one another: its settings are asked for once.
    let mut experiments: Vec<(&str, usize)> = Vec::new();
    let mut settings = Vec::new();
    let mut places = Vec::with_capacity(hits.len());
    for hit in hits {
        let key = (hit.run.study.grid.cohort.as_str(), hit.run.run.experiment);
        if experiments.last() != Some(&key) {
            experiments.push(key);
            settings.push(hit.run.experiment().settings.columns());
        }
        places.push(experiments.len() - 1);
    }
    let differing = facts::differing(&settings);
    let mut rows = vec![["run", "status", "training"].map(str::to_owned).to_vec()];
    rows[0].extend(differing.iter().map(|(key, _)| (*key).to_owned()));
    for (hit, place) in hits.iter().zip(places) {
        let mut id = hit.run.run.training.to_string();
        id.truncate(SHORT_ID);
        let mut row = vec![hit.run.name(), hit.standing.name().to_owned(), id];
        row.extend(differing.iter().map(|(_, values)| facts::text(&values[place])));
        rows.push(row);
    }
    aligned(&rows, "")
}

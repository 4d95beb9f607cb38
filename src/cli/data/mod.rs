//! `infoplane data`: the data sets that have a name: what is there, whether it is whole, and where to get it.

mod fetch;
mod place;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::columns::aligned;
use super::exit::{Exit, Failure};
use super::print::print;
use crate::data::published::Set;
use crate::train::data::Sheet;
use crate::train::source::{DataSpec, Published, Source, TRAIN_SHARE};
use crate::worker::data::{self, DataError, data_dir};
use crate::worker::serve::chain;

/// Show, check and fetch the data sets that have a name
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane data list
  infoplane data verify mnist
  infoplane data fetch mushroom
  infoplane data fetch cifar10 --from /media/stick --to data

The sets lie in directories of their names below the data directory: `data`, or what $INFOPLANE_DATA or `data_dir` in a cohort says.")]
pub struct DataArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the data sets with their sizes, and where they are
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read data sets whole and tell shapes, classes, checksums; exit code 3 if one is damaged or missing
    Verify {
        /// The data sets [default: all that are there]
        #[arg(value_name = "NAME")]
        names: Vec<Name>,
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Get a data set; goes on where an earlier call was interrupted
    Fetch {
        /// The data set
        #[arg(value_name = "NAME")]
        name: PublishedName,
        /// Another server (what stands before the names of the files), or a directory with the files
        #[arg(long, value_name = "URL-OR-DIR")]
        from: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Clone, Debug)]
struct Place {
    /// Data directory [default: $INFOPLANE_DATA, else `data`]
    #[arg(long, visible_alias = "to", value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Place {
    fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data_dir(""))
    }
}

/// A name on the command line.
#[derive(Clone, Debug)]
struct Name(Source);

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || Source::names().collect::<Vec<_>>().join(", ");
        Source::by_name(name).map(Self).ok_or_else(|| format!("no data set of that name; there are {}", known()))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum PublishedName {
    Mnist,
    FashionMnist,
    #[value(name = "cifar10")]
    Cifar10,
    Mushroom,
}

impl From<PublishedName> for Published {
    fn from(name: PublishedName) -> Self {
        match name {
            PublishedName::Mnist => Self::Mnist,
            PublishedName::FashionMnist => Self::FashionMnist,
            PublishedName::Cifar10 => Self::Cifar10,
            PublishedName::Mushroom => Self::Mushroom,
        }
    }
}

pub fn data(arguments: &DataArguments, quiet: bool) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List { place, json } => list(&place.dir(), *json),
        Command::Verify { names, place, json } => verify(names, &place.dir(), *json),
        Command::Fetch { name, from, place } => place::bring(Set::of((*name).into()), from.as_deref(), &place.dir(), quiet),
    }
}

/// All sets that have a name.
fn sources() -> impl Iterator<Item = Source> {
    Source::names().filter_map(Source::by_name)
}

/// One line of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    examples: usize,
    train: usize,
    test: usize,
    inputs: usize,
    classes: usize,
    /// Bytes of its files, if they are there.
    bytes: Option<u64>,
    /// "generated", a directory, or nothing.
    place: Option<String>,
}

fn list(dir: &Path, json: bool) -> Result<Exit, Failure> {
    let rows: Vec<Listed> = sources().map(|source| listed(&source, dir)).collect();
    if json {
        let text = serde_json::to_string_pretty(&rows).map_err(|e| Failure::from_error(Exit::Internal, &e))?;
        return print(format!("{text}\n").as_bytes());
    }
    let mut table = vec![["name", "train", "test", "inputs", "classes", "MB", "where"].map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|row| {
        let megabytes = row.bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
        let place = row.place.clone().unwrap_or_else(|| format!("not there: infoplane data fetch {}", row.name));
        let numbers = [row.train, row.test, row.inputs, row.classes].map(|n| n.to_string());
        [vec![row.name.clone()], numbers.to_vec(), vec![megabytes, place]].concat()
    }));
    print(aligned(&table, "").as_bytes())
}

/// What is known of a set without reading it.
fn listed(source: &Source, dir: &Path) -> Listed {
    let name = source.text();
    let Source::Published(published) = source else {
        let size = DataSpec::from(source.clone()).size();
        let (examples, train) = (size.examples as usize, size.train as usize);
        let (inputs, classes) = (size.inputs as usize, size.classes as usize);
        return Listed {
            name,
            examples,
            train,
            test: examples - train,
            inputs,
            classes,
            bytes: None,
            place: Some("generated".into()),
        };
    };
    let set = Set::of(*published);
    let files = data::locate_published(*published, dir).ok();
    let paths: Vec<&String> = files.iter().flat_map(|files| files.fields.values().flatten()).collect();
    let bytes = paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
    let place = paths.first().and_then(|path| Path::new(path.as_str()).parent()).map(|dir| dir.display().to_string());
    let (given, test) = set.examples;
    let train = if test > 0 { given } else { (given as f64 * TRAIN_SHARE).round() as usize };
    let test = if test > 0 { test } else { given - train };
    let (inputs, classes) = set.shape;
    Listed { name, examples: train + test, train, test, inputs, classes, bytes: place.is_some().then_some(bytes), place }
}

/// What reading a set whole has shown.
#[derive(Serialize)]
struct Verified {
    name: String,
    ok: bool,
    examples: usize,
    train: usize,
    test: usize,
    inputs: usize,
    /// Least and greatest input.
    range: [f32; 2],
    /// Examples of each class, by its name or its value.
    classes: Vec<(String, usize)>,
    fingerprint: String,
    files: Vec<CheckedFile>,
    /// I(X;Y) in bits, where the labels are probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    soft_information: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A file and whether it is the published one.
#[derive(Serialize)]
struct CheckedFile {
    path: String,
    md5: String,
    /// Nothing where the checksum of the published file is not known, or it is of another form of the file.
    published: Option<bool>,
}

fn verify(names: &[Name], dir: &Path, json: bool) -> Result<Exit, Failure> {
    let asked: Vec<Source> = if names.is_empty() {
        sources()
            .filter(|source| !matches!(source, Source::Published(set) if data::locate_published(*set, dir).is_err()))
            .collect()
    } else {
        names.iter().map(|name| name.0.clone()).collect()
    };
    let mut exit = Exit::Done;
    let mut reports = Vec::new();
    for source in asked {
        let report = verified(&source, dir);
        if !matches!(&report, Ok(Verified { ok: true, .. })) {
            exit = Exit::Invalid;
        }
        if json {
            reports.push(report.map_or_else(|error| json!({ "name": source.text(), "ok": false, "error": error }), |r| json!(r)));
        } else {
            print(report.map_or_else(|error| format!("{}: {error}\n", source.text()), |report| text(&report)).as_bytes())?;
        }
    }
    if json {
        print(format!("{:#}\n", serde_json::Value::Array(reports)).as_bytes())?;
    }
    Ok(exit)
}

/// Reads a set whole.
fn verified(source: &Source, dir: &Path) -> Result<Verified, String> {
    let told = |error: DataError| chain(&error);
    let (sheet, files, expected) = match source {
        Source::Published(published) => {
            let (files, set) = (data::locate_published(*published, dir).map_err(told)?, Set::of(*published));
            let mut checked = Vec::new();
            for path in files.fields.values().flatten() {
                let name = Path::new(path).file_name().unwrap_or_default();
                let known = set.files.iter().find(|file| name == file.names[0]).and_then(|file| file.md5);
                let md5 = fetch::md5_of(Path::new(path)).map_err(|error| error.to_string())?;
                checked.push(CheckedFile { path: path.clone(), published: known.map(|known| known == md5), md5 });
            }
            (data::read(&files).map_err(told)?, checked, Some(set))
        }
        Source::Generated(name) => (Sheet::generate(*name), Vec::new(), None),
        Source::Files(_) => return Err("has no name".to_owned()),
    };
    let n_train = sheet.n_train(None);
    let wrong_shape = expected.is_some_and(|set| {
        let given = if set.examples.1 > 0 { (n_train, sheet.n() - n_train) } else { (sheet.n(), 0) };
        given != set.examples || (sheet.inputs, sheet.class_values.len()) != set.shape
    });
    let foreign = files.iter().find(|file| file.published == Some(false)).map(|file| file.path.clone());
    let error = match (wrong_shape, foreign) {
        (_, Some(path)) => Some(format!("{path} is not the published file: another MD5 checksum")),
        (true, None) => Some("not as many examples, inputs or classes as the published set has".to_owned()),
        (false, None) => None,
    };
    let values = || (0..sheet.n()).flat_map(|e| sheet.example(e)).copied();
    Ok(Verified {
        name: source.text(),
        ok: error.is_none(),
        examples: sheet.n(),
        train: n_train,
        test: sheet.n() - n_train,
        inputs: sheet.inputs,
        range: [values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max)],
        classes: classes(&sheet),
        fingerprint: sheet.fingerprint(),
        soft_information: sheet.soft.as_deref().map(soft_information),
        files,
        error,
    })
}

/// Examples of each class.
fn classes(sheet: &Sheet) -> Vec<(String, usize)> {
    let mut counts = vec![0; sheet.class_values.len()];
    sheet.labels.iter().for_each(|label| counts[*label as usize] += 1);
    let name = |class: usize| sheet.class_names.get(class).cloned().unwrap_or_else(|| sheet.class_values[class].to_string());
    counts.into_iter().enumerate().map(|(class, count)| (name(class), count)).collect()
}

/// I(X;Y) = H(Y) − ⟨H(Y|x)⟩ in bits of inputs that are equally likely, with p(y=1|x).
fn soft_information(soft: &[f64]) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * libm::log2(p) } else { 0.0 };
    let entropy = |p: f64| term(p) + term(1.0 - p);
    let mean = |of: &dyn Fn(f64) -> f64| soft.iter().map(|p| of(*p)).sum::<f64>() / soft.len().max(1) as f64;
    entropy(mean(&|p| p)) - mean(&entropy)
}

fn text(report: &Verified) -> String {
    let classes: Vec<String> = report.classes.iter().take(20).map(|(name, count)| format!("{name}: {count}")).collect();
    let more = if report.classes.len() > 20 { format!(", … {} in all", report.classes.len()) } else { String::new() };
    let mut lines = vec![
        format!("{}: {}", report.name, report.error.as_deref().unwrap_or("ok")),
        format!(
            "  {} examples ({} train, {} test) of {} inputs, {} to {}",
            report.examples, report.train, report.test, report.inputs, report.range[0], report.range[1]
        ),
        format!("  classes  {}{more}", classes.join(", ")),
    ];
    lines.extend(report.soft_information.map(|bits| format!("  soft labels: I(X;Y) = {bits:.4} bits")));
    lines.push(format!("  fingerprint {}", report.fingerprint));
    lines.extend(report.files.iter().map(|file| {
        let known = match file.published {
            Some(true) => "as published",
            Some(false) => "NOT as published",
            None => "no published checksum known",
        };
        format!("  {}  md5 {}  {known}", file.path, file.md5)
    }));
    lines.join("\n") + "\n"
}

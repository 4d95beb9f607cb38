//! `infoplane estimate`: an estimator, or all of them, on a file of activations, without any training.

mod answer;
mod sample;
mod table;
mod usage;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::json;

use self::answer::{Answer, Question};
use self::sample::Sample;
use super::exit::{Exit, Failure};
use super::machine;
use super::print::print;
use super::sample_file::SampleFile;
use crate::estimate::params::Domain;
use crate::estimate::{self, EstimatorSpec};
use crate::math::exec::Exec;

/// Estimate the information that activations in a file carry
///
/// Methods for layers (binning, upper, lower): without --y the answer is I(X;T), with it I(T;Y), T being the array or columns of --x and Y
/// classes. The others compare two measured sides, --x and --y. One example a row.
#[derive(Args, Debug)]
#[command(after_help = help(), override_usage = usage::USAGE)]
pub struct EstimateArguments {
    /// The estimator; none with --all
    #[arg(value_name = "ESTIMATOR")]
    estimator: Option<String>,
    /// The file: .npy, .npz, CSV or Parquet; - is standard input
    file: Option<PathBuf>,
    /// Activations: an array or columns [default: the array `x`, or all columns but those of --y]
    #[arg(long, value_name = "ARRAY|COLS")]
    x: Option<String>,
    /// Labels or the other side: an array or columns
    #[arg(long, value_name = "ARRAY|COLS")]
    y: Option<String>,
    /// A parameter of the estimator, see below
    #[arg(long = "param", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// Unit of the answer
    #[arg(long, value_enum, default_value_t = UnitName::Bits)]
    unit: UnitName,
    /// Compare every estimator that such a sample allows, in a table
    #[arg(long, conflicts_with = "parameters")]
    all: bool,
    /// Standard error and 95 % interval from B draws of the sample
    #[arg(long, value_name = "B", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    bootstrap: Option<u32>,
    /// Draw this share of the examples without repetition, 200 times if --bootstrap does not say; for methods of nearest neighbours, which
    /// repeated examples mislead [default share: 0.5]
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.5")]
    subsample: Option<f64>,
    /// Null distribution and p-value from P shuffles of y
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    permutations: Option<u32>,
    /// Subtract the mean over shuffles of y (100 if --permutations does not say)
    #[arg(long)]
    shuffle_correct: bool,
    /// Correct the bias of the plug-in entropies of binning
    #[arg(long, value_enum)]
    correction: Option<CorrectionName>,
    /// Seed of draws and shuffles
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Threads to compute on; the value is the same for any number [default: one a core]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Print all details as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UnitName {
    Bits,
    Nats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CorrectionName {
    MillerMadow,
    PanzeriTreves,
}

/// Examples, and a line for each estimator.
fn help() -> String {
    let mut text = String::from(
        "Examples:
  infoplane estimate binning layer.npy --param bin_width=0.1
  infoplane estimate upper layers.npz --x epoch600_layer3 --y labels --json
  infoplane estimate lower data.csv --x 0..10 --y 10 --unit nats --quiet
  infoplane estimate --all layers.parquet --x 0..3 --y label
  infoplane estimate binning layers.npz --y y --bootstrap 200 --permutations 500

The format of FILE is told from its content. In text (CSV) a first line in which no field is a number is a header, and so is one that counts as \
pandas does: 0,1,2,3 or 0,1,y, and 0,1 above a number with a fraction; any other is an example. --x and --y are the name of an array in an .npz (default x; with columns: name[0..3]), or columns \
elsewhere: numbers, half-open ranges, names. Labels are integers, of any sign, or one-hot rows. Numbers in single precision (float32) are binned in single \
precision, all others in double, as NumPy would.

Estimators and their parameters:
",
    );
    for method in estimate::spec::METHODS.iter().filter(|method| method.files != estimate::spec::Takes::Nothing) {
        text.push_str(&format!("  {:13} {}\n", method.name, method.meaning));
        let defaults = method.default.values();
        for parameter in method.default.file_parameters() {
            let default = defaults.iter().find(|(name, _)| *name == parameter.name);
            let default = default.map_or_else(String::new, |(_, value)| format!(" [{}]", value.text()));
            let names = match parameter.domain {
                Domain::Name(names) => format!(" ({})", names.join(", ")),
                _ => String::new(),
            };
            text.push_str(&format!("                  {}: {}{names}{default}\n", parameter.name, parameter.meaning));
        }
    }
    text
}

pub fn estimate(arguments: &EstimateArguments, quiet: bool) -> Result<Exit, Failure> {
    let draws = usage::draws(arguments)?;
    let (spec, path) = usage::subject(arguments)?;
    let invalid = |what: String| Failure::new(Exit::Invalid, format!("{}: {what}", path.display()));
    let correction = arguments.correction.map(|name| match name {
        CorrectionName::MillerMadow => estimate::Correction::MillerMadow,
        CorrectionName::PanzeriTreves => estimate::Correction::PanzeriTreves,
    });
    let file = SampleFile::open(&path)?;
    let bound = matches!(spec, Some(EstimatorSpec::Upper { .. } | EstimatorSpec::Lower { .. }));
    let packed = bound && draws.none() && correction.is_none();
    let sample = Sample::read(&file, arguments.x.as_deref(), arguments.y.as_deref(), packed).map_err(invalid)?;
    usage::check_share(&draws, sample.examples())?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads.unwrap_or(0) as usize).build();
    let threads = threads.map_err(|e| Failure::from_error(Exit::Internal, &e))?;
    let exec = Exec { isa: machine::isa()?, parallel: threads.current_num_threads() > 1 };
    threads.install(|| {
        // All threads are there before the clock starts.
        rayon::broadcast(|_| ());
        let Some(spec) = spec else { return table::compare(&sample, &draws, correction, exec, arguments, quiet) };
        let question = Question { spec, correction };
        let start = Instant::now();
        let answer = question.answer(&sample, &draws, exec).map_err(invalid)?;
        let seconds = start.elapsed().as_secs_f64();
        if arguments.json {
            return print(format!("{:#}\n", details(&question, &answer, &sample, arguments, seconds)).as_bytes());
        }
        let scale = arguments.scale(answer.estimate.unit);
        if !quiet {
            tell(&question, &answer, &sample, arguments);
        }
        print(format!("{}\n", answer.estimate.value * scale).as_bytes())
    })
}

impl EstimateArguments {
    /// What a value in its own unit is multiplied with.
    fn scale(&self, unit: estimate::Unit) -> f64 {
        match (unit, self.unit) {
            (estimate::Unit::Bits, UnitName::Nats) => std::f64::consts::LN_2,
            _ => 1.0,
        }
    }

    /// The name of the correction, where it was made for this question.
    fn correction_name(&self, question: &Question) -> Option<String> {
        let value = self.correction.filter(|_| question.correction.is_some())?.to_possible_value()?;
        Some(value.get_name().to_owned())
    }

    /// The unit of an answer.
    const fn unit_name(&self, unit: estimate::Unit) -> Option<&'static str> {
        match (unit, self.unit) {
            (estimate::Unit::Plain, _) => None,
            (estimate::Unit::Bits, UnitName::Bits) => Some("bits"),
            (estimate::Unit::Bits, UnitName::Nats) => Some("nats"),
        }
    }
}

/// Everything about an answer.
fn details(
    question: &Question,
    answer: &Answer,
    sample: &Sample,
    arguments: &EstimateArguments,
    seconds: f64,
) -> serde_json::Value {
    let estimate = &answer.estimate;
    let scale = arguments.scale(estimate.unit);
    let parameters: serde_json::Value = serde_json::from_str(&estimate.params).unwrap_or_default();
    let (x, y) = sample.dims();
    let classes = sample.y.as_ref().and_then(|y| y.labels.as_ref().ok()).map(|_| sample.classes.count());
    let mut details = json!({
        "estimator": question.spec.name(), "params": parameters, "quantity": answer.quantity, "value": estimate.value * scale,
        "unit": arguments.unit_name(estimate.unit), "n": sample.examples(), "dims": { "x": x, "y": y }, "classes": classes,
        "ties": estimate.ties.unwrap_or_else(|| sample.ties()),
        "warnings": estimate.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), "seconds": seconds,
    });
    if let Some(correction) = arguments.correction_name(question) {
        details["correction"] = json!(correction);
    }
    if let Some(spread) = &answer.spread {
        let way = if arguments.subsample.is_some() { "subsample" } else { "bootstrap" };
        details[way] = json!({
            "draws": spread.draws, "mean": spread.mean * scale, "standard_error": spread.standard_error * scale,
            "ci95": spread.interval.map(|end| end * scale), "seed": arguments.seed,
        });
    }
    if let Some(shuffled) = &answer.null {
        details["permutations"] = json!({
            "permutations": shuffled.permutations, "mean": shuffled.mean * scale, "sd": shuffled.sd * scale,
            "percentile_95": shuffled.percentile_95 * scale, "p_value": shuffled.p_value, "seed": arguments.seed,
            "subtracted": arguments.shuffle_correct,
        });
    }
    details
}

/// What people want to know beside the number.
fn tell(question: &Question, answer: &Answer, sample: &Sample, arguments: &EstimateArguments) {
    let (x, y) = sample.dims();
    let estimate = &answer.estimate;
    let scale = arguments.scale(estimate.unit);
    let unit = arguments.unit_name(estimate.unit).map_or_else(String::new, |unit| format!(", in {unit}"));
    let size = match y {
        Some(y) if answer.quantity != "I(T;Y)" => format!("{} examples of {x} + {y} dimensions", sample.examples()),
        _ => format!("{} examples of {x} units", sample.examples()),
    };
    let corrected = arguments.correction_name(question).map_or_else(String::new, |name| format!(", corrected by {name}"));
    tell!("{} by {} {}, {size}{unit}{corrected}:", answer.quantity, question.spec.name(), estimate.params);
    if let Some(spread) = &answer.spread {
        let [low, high] = spread.interval.map(|end| end * scale);
        let error = spread.standard_error * scale;
        tell!("standard error {error:.6}, 95 % interval {low:.6} to {high:.6} ({} draws)", spread.draws);
    }
    if let Some(null) = &answer.null {
        let (mean, sd) = (null.mean * scale, null.sd * scale);
        let done = if arguments.shuffle_correct { "; their mean is subtracted" } else { "" };
        tell!("shuffled: {mean:.6} ± {sd:.6}, p = {} ({} shuffles){done}", null.p_value, null.permutations);
    }
    for warning in &estimate.warnings {
        tell!("note: {warning}");
    }
}

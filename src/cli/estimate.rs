//! `infoplane estimate`: an estimator on a file of activations, without any training.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use ndarray::Array2;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::machine;
use super::print::print;
use super::sample_file::{self, SampleFile};
use crate::estimate::{Classes, Estimator, EstimatorSpec, Sample, Scratch};
use crate::math::exec::Exec;

/// Estimate the information that a layer's activations in a file carry
///
/// Without --y the answer is I(X;T), with it I(T;Y), T being the array or columns of --x. One example a row.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane estimate binning layer.npy --param bin_width=0.1
  infoplane estimate upper layers.npz --x epoch600_layer3 --y labels
  infoplane estimate lower data.csv --x 0..10 --y 10 --unit nats --quiet

FILE is .npy, .npz or CSV (comma, semicolon, tab or blanks; a header is recognised); its format is told from its content. --x and --y are \
the name of an array in an .npz (default x; with columns: name[0..3]), or columns elsewhere: numbers, half-open ranges, names. Labels are \
integers or one-hot rows.")]
pub struct EstimateArguments {
    /// The estimator
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(EstimatorSpec::file_names()))]
    estimator: String,
    /// The file
    file: PathBuf,
    /// Activations: an array or columns [default: the array `x`, or all columns but those of --y]
    #[arg(long, value_name = "ARRAY|COLS")]
    x: Option<String>,
    /// Labels: an array or columns
    #[arg(long, value_name = "ARRAY|COLS")]
    y: Option<String>,
    /// A parameter of the estimator: bin_width, noise_variance
    #[arg(long = "param", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// Unit of the answer
    #[arg(long, value_enum, default_value_t = Unit::Bits)]
    unit: Unit,
    /// Print all details as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unit {
    Bits,
    Nats,
}

pub fn estimate(arguments: &EstimateArguments, quiet: bool) -> Result<Exit, Failure> {
    let invalid = |what: String| Failure::new(Exit::Invalid, format!("{}: {what}", arguments.file.display()));
    let spec = specification(&arguments.estimator, &arguments.parameters)?;
    let mut file = sample_file::open(&arguments.file)?;
    let y = arguments.y.as_deref().map(|y| file.select(Some(y), "y")).transpose().map_err(&invalid)?;
    let x = activations(&mut file, arguments).map_err(&invalid)?;
    let labels = match &y {
        Some(y) if y.nrows() != x.ncols() => {
            return Err(invalid(format!("{} labels for {} examples", y.nrows(), x.ncols())));
        }
        Some(y) => labels(y).map_err(&invalid)?,
        None => vec![0; x.ncols()],
    };
    let classes = Classes::new(&labels);
    let start = Instant::now();
    let exec = Exec { isa: machine::isa()?, parallel: true };
    let information = Sample::new(x.view(), &classes).and_then(|s| spec.information(&s, exec, &mut Scratch::default()));
    let information = information.map_err(|e| Failure::new(Exit::Invalid, format!("{}: {e}", arguments.file.display())))?;
    let seconds = start.elapsed().as_secs_f64();
    let scale = if arguments.unit == Unit::Nats { std::f64::consts::LN_2 } else { 1.0 };
    let (what, bits) = if y.is_some() { ("I(T;Y)", information.i_ty) } else { ("I(X;T)", information.i_xt) };
    let bits = bits.ok_or_else(|| invalid(format!("{} does not give {what}", spec.name())))?;
    let (value, unit) = (bits * scale, if arguments.unit == Unit::Nats { "nats" } else { "bits" });
    if arguments.json {
        let parameters: serde_json::Value = serde_json::from_str(&spec.params()).unwrap_or_default();
        let details = json!({
            "estimator": spec.name(), "params": parameters, "quantity": what, "value": value, "unit": unit,
            "n": x.ncols(), "dims": x.nrows(), "classes": y.is_some().then(|| classes.count()), "seconds": seconds,
        });
        return print(format!("{details:#}\n").as_bytes());
    }
    if !quiet {
        let size = format!("{} examples of {} units", x.ncols(), x.nrows());
        eprintln!("{what} by {} {}, {size}, in {unit}:", spec.name(), spec.params());
    }
    print(format!("{value}\n").as_bytes())
}

/// The activations, units × examples, in single precision as the estimators take them.
fn activations(file: &mut SampleFile, arguments: &EstimateArguments) -> Result<Array2<f32>, String> {
    let chosen = match (&arguments.x, &arguments.y, &mut *file) {
        (None, Some(y), SampleFile::Table { values, names }) => {
            let without = sample_file::others(values, names.as_deref(), y)?;
            values.select(ndarray::Axis(1), &without)
        }
        (x, _, file) => file.select(x.as_deref(), "x")?,
    };
    Ok(chosen.t().mapv(|v| v as f32).as_standard_layout().into_owned())
}

/// Labels from one column of whole numbers or from one-hot rows.
fn labels(y: &Array2<f64>) -> Result<Vec<u32>, String> {
    let label = |(row, values): (usize, ndarray::ArrayView1<'_, f64>)| match values.len() {
        1 => {
            let v = values[0];
            let whole = v.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&v);
            whole.then_some(v as u32).ok_or_else(|| format!("label {v} of example {row}: expected a whole number from 0"))
        }
        _ => {
            let ones: Vec<usize> = (0..values.len()).filter(|&c| values[c] == 1.0).collect();
            let hot = ones.len() == 1 && values.iter().all(|&v| v == 0.0 || v == 1.0);
            hot.then(|| ones[0] as u32)
                .ok_or_else(|| format!("labels of example {row}: expected one 1 among 0s, or a single column"))
        }
    };
    y.outer_iter().enumerate().map(label).collect()
}

/// The estimator with its parameters.
fn specification(name: &str, parameters: &[String]) -> Result<EstimatorSpec, Failure> {
    let wrong = |what: String| Failure::new(Exit::Invalid, what);
    let spec = EstimatorSpec::by_name(name).ok_or_else(|| wrong(format!("no estimator `{name}`")))?;
    let table = spec.parameters();
    let mut given = Vec::new();
    for text in parameters {
        let (key, value) = text.split_once('=').ok_or_else(|| wrong(format!("--param {text}: expected KEY=VALUE")))?;
        let range = EstimatorSpec::method(name).and_then(|method| method.range);
        let key = if key == "discretization_range" { range.unwrap_or(key) } else { key };
        let Some(parameter) = table.iter().find(|parameter| parameter.name == key) else {
            let names: Vec<_> = table.iter().map(|parameter| parameter.name).collect();
            let known =
                if names.is_empty() { "no parameters".to_owned() } else { format!("the parameters {}", names.join(", ")) };
            return Err(wrong(format!("--param {text}: {name} has {known}")));
        };
        let value = parameter.domain.parse(value.trim());
        let value = value.ok_or_else(|| wrong(format!("--param {text}: expected {}", parameter.domain.describe())))?;
        given.push((parameter.name, value));
    }
    spec.with(&given).map_err(|conflict| wrong(format!("--param {conflict}")))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn labels_are_whole_numbers_or_one_hot() {
        assert_eq!(labels(&array![[3.0], [0.0]]).unwrap(), [3, 0]);
        assert_eq!(labels(&array![[0.0, 1.0], [1.0, 0.0]]).unwrap(), [1, 0]);
        assert!(labels(&array![[0.5]]).is_err() && labels(&array![[-1.0]]).is_err());
        assert!(labels(&array![[1.0, 1.0]]).is_err() && labels(&array![[0.2, 0.8]]).is_err());
    }

    #[test]
    fn parameters_are_checked() {
        assert!(specification("upper", &["noise_variance=0.1".into()]).is_ok());
        assert!(specification("upper", &["bin_width=0.1".into()]).is_err());
        assert!(specification("binning", &["bin_width=wide".into()]).is_err());
        assert!(specification("binning", &["bin_width".into()]).is_err());
    }
}

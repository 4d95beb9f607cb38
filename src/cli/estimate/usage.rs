//! What the arguments ask for, checked before any file is read: wrong usage is told from a wrong file.

use std::path::PathBuf;

use super::EstimateArguments;
use super::answer::Draws;
use crate::cli::exit::{Exit, Failure};
use crate::cohort::errors::nearest;
use crate::estimate::spec::Takes;
use crate::estimate::{EstimateError, EstimatorSpec};

/// How the command is called.
pub const USAGE: &str = "infoplane estimate [OPTIONS] <ESTIMATOR> <FILE>
       infoplane estimate [OPTIONS] --all <FILE>";

fn wrong(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, what)
}

/// What is to be estimated of which file; no estimator stands for all of them.
pub fn subject(arguments: &EstimateArguments) -> Result<(Option<EstimatorSpec>, PathBuf), Failure> {
    let usage = |what: String| wrong(format!("{what}\n\nUsage: {USAGE}\n\nFor more information, try '--help'."));
    match (&arguments.estimator, &arguments.file, arguments.all) {
        // With --all the one argument is the file.
        (Some(file), None, true) => Ok((None, PathBuf::from(file))),
        (Some(name), Some(_), true) => Err(usage(format!("--all takes every estimator; leave `{name}` out, or --all"))),
        (Some(name), Some(file), false) => {
            let spec = specification(name, &arguments.parameters)?;
            check(&spec, arguments)?;
            Ok((Some(spec), file.clone()))
        }
        (Some(name), None, false) if known(name).is_some() => Err(usage(format!("the FILE for {name} is missing"))),
        (Some(name), None, false) => Err(usage(format!("`{name}` alone: expected an ESTIMATOR and a FILE, or --all and a FILE"))),
        (None, _, true) => Err(usage("the FILE for --all is missing".to_owned())),
        (None, _, false) => Err(usage("expected an ESTIMATOR and a FILE, or --all and a FILE".to_owned())),
    }
}

/// What an estimator cannot do on any file.
fn check(spec: &EstimatorSpec, arguments: &EstimateArguments) -> Result<(), Failure> {
    let name = spec.name();
    if EstimatorSpec::method(name).is_some_and(|method| method.files != Takes::Layer) && arguments.y.is_none() {
        return Err(wrong(format!("{name} compares two sides; give --y")));
    }
    if arguments.correction.is_some() && name != "binning" {
        return Err(wrong(EstimateError::NotPlugIn { estimator: name }.to_string()));
    }
    Ok(())
}

/// The draws that the flags ask for.
pub fn draws(arguments: &EstimateArguments) -> Result<Draws, Failure> {
    if let Some(share) = arguments.subsample.filter(|share| !(0.0 < *share && *share < 1.0)) {
        return Err(wrong(format!("--subsample={share}: expected a share above 0 and below 1")));
    }
    if arguments.y.is_none() && (arguments.permutations.is_some() || arguments.shuffle_correct) {
        let flag = if arguments.shuffle_correct { "--shuffle-correct" } else { "--permutations" };
        return Err(wrong(format!("{flag} shuffles y; give --y")));
    }
    let bootstraps = arguments.bootstrap.or(arguments.subsample.map(|_| 200)).unwrap_or_default();
    let permutations = arguments.permutations.or(arguments.shuffle_correct.then_some(100)).unwrap_or_default();
    Ok(Draws {
        seed: arguments.seed,
        bootstraps: bootstraps as usize,
        subsample: arguments.subsample,
        permutations: permutations as usize,
        shuffle_correct: arguments.shuffle_correct,
    })
}

/// Refuses a share that is all of so many examples.
pub fn check_share(draws: &Draws, examples: usize) -> Result<(), Failure> {
    let (Some(share), Some(part)) = (draws.subsample, draws.part(examples)) else { return Ok(()) };
    if part < examples {
        return Ok(());
    }
    let most = ((examples.saturating_sub(1)) as f64 / examples.max(1) as f64 * 1e4).floor() / 1e4;
    let expected = if examples > 1 { format!("a share of at most {most}") } else { "more examples".to_owned() };
    Err(wrong(format!(
        "--subsample={share} of {examples} examples is all of them, so that draws do not differ; expected {expected}"
    )))
}

/// The estimator of a name, if it is for files.
fn known(name: &str) -> Option<EstimatorSpec> {
    EstimatorSpec::by_name(name).filter(|_| EstimatorSpec::file_names().contains(&name))
}

/// The estimator with its parameters.
fn specification(name: &str, parameters: &[String]) -> Result<EstimatorSpec, Failure> {
    let spec = known(name).ok_or_else(|| {
        let names = EstimatorSpec::file_names();
        let near = nearest(name, names.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        wrong(format!("no estimator `{name}`; expected one of {}{near}", names.join(", ")))
    })?;
    let table = spec.file_parameters();
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
    use super::*;

    #[test]
    fn parameters_are_checked() {
        assert!(specification("upper", &["noise_variance=0.1".into()]).is_ok());
        assert!(specification("upper", &["discretization_range=0.1".into()]).is_ok());
        assert!(specification("binning", &["bins=8".into(), "range=epoch".into()]).is_ok());
        let fails = |name: &str, parameters: &[&str]| {
            let parameters: Vec<String> = parameters.iter().map(|p| (*p).to_owned()).collect();
            specification(name, &parameters).unwrap_err().report()
        };
        assert!(fails("upper", &["bin_width=0.1"]).contains("upper has the parameters noise_variance"));
        assert!(fails("binning", &["bin_width=wide"]).contains("expected a number above 0"));
        assert!(fails("binning", &["bin_width"]).contains("KEY=VALUE"));
        assert!(fails("binning", &["bin_width=1", "bins=3"]).contains("either `bin_width` or `bins`"));
        assert!(fails("bining", &[]).contains("did you mean binning?"));
        assert!(fails("dcor", &["every=2"]).ends_with("dcor has the parameters unbiased"));
    }

    #[test]
    fn a_share_leaves_some_out() {
        let of = |share, n| {
            let draws = Draws { seed: 0, bootstraps: 9, subsample: Some(share), permutations: 0, shuffle_correct: false };
            check_share(&draws, n).map_err(|failure| failure.report())
        };
        assert!(of(0.5, 4).is_ok() && of(0.75, 4).is_ok() && of(0.999, 1000).is_ok() && of(0.001, 4).is_ok());
        assert!(of(0.9, 4).unwrap_err().contains("--subsample=0.9 of 4 examples is all of them"));
        assert!(of(0.9, 4).unwrap_err().ends_with("at most 0.75") && of(0.9999, 1000).unwrap_err().ends_with("at most 0.999"));
        assert!(of(0.5, 1).unwrap_err().ends_with("expected more examples"));
    }
}

//! `infoplane plot`: figures from a cohort's tables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::exit::{Exit, Failure};
use super::figures::planes::{self, Average, PlaneOptions};
use super::figures::select::Wanted;
use super::figures::{Figure, Format, curves};
use super::load::Loaded;
use super::{StoreArguments, load};
use crate::plot::colormap::Colormap;
use crate::plot::{EpochSpread, PlaneLimits, PlaneStyle};
use crate::store::Store;
use crate::train::spec::Split;

/// Draw a figure from a cohort's tables
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane plot infoplane quickstart --split test --svg
  infoplane plot infoplane quickstart --where activation_fn=tanh --runs
  infoplane plot snr quickstart --split train --to snr.png

Figures go to results/COHORT-NAME/figures/ unless --to says otherwise. `infoplane plot KIND --help` shows what each kind can do.")]
pub struct PlotArguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
#[command(subcommand_value_name = "KIND", subcommand_help_heading = "Kinds", disable_help_subcommand = true)]
enum Kind {
    Infoplane(PlaneArguments),
    MiEpochs(MiArguments),
    Snr(CurveArguments),
    Accuracy(CurveArguments2),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Kinds of figures, as people type them.
const KINDS: [&str; 4] = ["infoplane", "mi-epochs", "snr", "accuracy"];

/// The information plane: a panel an experiment and estimator, colour tells the epoch, shape the layer
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane plot infoplane quickstart --average median --ci
  infoplane plot infoplane quickstart --estimator upper --limits 0,12,0,1 --map gnuplot")]
struct PlaneArguments {
    #[command(flatten)]
    common: CommonArguments,
    #[command(flatten)]
    by: EstimatorArguments,
    /// What stands for all runs of an experiment
    #[arg(long, value_enum, default_value_t = AverageName::Mean, conflicts_with = "runs")]
    average: AverageName,
    /// A panel for every single run
    #[arg(long)]
    runs: bool,
    /// Draw 95 % confidence ellipses around the last epoch's means
    #[arg(long, conflicts_with = "runs")]
    ci: bool,
    /// Limits of the axes: auto, free (each panel its own), harmonics (0,12,0,1), mnist (0,18,0,3.5), or X0,X1,Y0,Y1
    #[arg(long, value_name = "LIMITS", default_value = "auto", value_parser = limits)]
    limits: PlaneLimits,
    /// How epochs are spread over the colours [default: log for more than 100]
    #[arg(long, value_enum, value_name = "SPREAD")]
    colours: Option<Spread>,
    /// Colour map
    #[arg(long, value_enum, default_value_t = Map::Viridis)]
    map: Map,
}

/// I(X;T) and I(T;Y) of every layer over epochs: mean over runs ± standard deviation
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot mi-epochs quickstart --split test --estimator binning --runs")]
struct MiArguments {
    #[command(flatten)]
    common: CommonArguments,
    #[command(flatten)]
    by: EstimatorArguments,
    /// Draw every single run behind the mean
    #[arg(long)]
    runs: bool,
}

/// Gradients' mean, standard deviation and ratio (SNR), and the weights' norm, of every layer over epochs, log-log
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot snr quickstart --split train --where activation_fn=tanh")]
struct CurveArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Draw every single run behind the mean
    #[arg(long)]
    runs: bool,
}

/// Accuracy and loss over epochs, of training and test examples in one figure
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot accuracy quickstart --runs --svg")]
struct CurveArguments2 {
    #[command(flatten)]
    curves: CurveArguments,
}

/// What all kinds take.
#[derive(Args, Debug)]
struct CommonArguments {
    /// The cohort's name
    #[arg(value_name = "COHORT-NAME")]
    cohort: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Examples that were looked at [default: all that there are]
    #[arg(long, value_enum)]
    split: Option<SplitName>,
    /// Only experiments with this value of a setting, or `experiment=LABEL`; several must all hold
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<String>,
    /// Vectors instead of pixels
    #[arg(long)]
    svg: bool,
    /// A directory for the figures, or a file (.png or .svg) for the one figure
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct EstimatorArguments {
    /// Only this estimator: its name, or "NAME PARAMETERS" as panels show it; may be given several times
    #[arg(long, value_name = "ESTIMATOR")]
    estimator: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AverageName {
    Mean,
    Median,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spread {
    Log,
    Linear,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Map {
    Viridis,
    Gnuplot,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitName {
    Train,
    Test,
    Full,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Test => Self::Test,
            SplitName::Full => Self::Full,
        }
    }
}

/// Reads the limits of a plane.
fn limits(text: &str) -> Result<PlaneLimits, String> {
    match text {
        "auto" => return Ok(PlaneLimits::Common),
        "free" => return Ok(PlaneLimits::Free),
        "harmonics" => return Ok(PlaneLimits::Fixed((0.0, 12.0), (0.0, 1.0))),
        "mnist" => return Ok(PlaneLimits::Fixed((0.0, 18.0), (0.0, 3.5))),
        _ => {}
    }
    let expected = || "expected auto, free, harmonics, mnist, or four ascending numbers X0,X1,Y0,Y1, as in 0,12,0,1".to_owned();
    let numbers: Vec<f64> =
        text.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().map_err(|_| expected())?;
    match numbers[..] {
        [x0, x1, y0, y1] if x0 < x1 && y0 < y1 && numbers.iter().all(|n| n.is_finite()) => {
            Ok(PlaneLimits::Fixed((x0, x1), (y0, y1)))
        }
        _ => Err(expected()),
    }
}

pub fn plot(arguments: &PlotArguments, quiet: bool) -> Result<Exit, Failure> {
    match &arguments.kind {
        Kind::Infoplane(a) => {
            let job = Job::new(&a.common)?;
            let wanted = job.wanted()?.by(a.by.estimator.clone());
            let figures = planes::draw(&wanted, &a.options())?;
            job.write(figures, quiet, || Ok(wanted.nothing("measures", &planes::there_is(&wanted)?)))
        }
        Kind::MiEpochs(a) => {
            let job = Job::new(&a.common)?;
            let wanted = job.wanted()?.by(a.by.estimator.clone());
            let figures = curves::mi_epochs(&wanted, a.runs)?;
            job.write(figures, quiet, || Ok(wanted.nothing("measures", &planes::there_is(&wanted)?)))
        }
        Kind::Snr(a) => {
            let job = Job::new(&a.common)?;
            let wanted = job.wanted()?;
            job.write(curves::snr(&wanted, a.runs)?, quiet, || Ok(wanted.nothing("gradients", &recorded())))
        }
        Kind::Accuracy(CurveArguments2 { curves: a }) => {
            let job = Job::new(&a.common)?;
            let wanted = job.wanted()?;
            job.write(curves::accuracy(&wanted, a.runs)?, quiet, || Ok(wanted.nothing("metrics", &recorded())))
        }
        Kind::Unknown(words) => {
            let kind = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
            Err(Failure::new(Exit::Usage, format!("no kind of figure `{kind}`; there are: {}", KINDS.join(", "))))
        }
    }
}

/// Splits on which trainings record metrics and gradients.
fn recorded() -> std::collections::BTreeSet<String> {
    ["train", "test"].map(str::to_owned).into()
}

impl PlaneArguments {
    fn options(&self) -> PlaneOptions {
        let average = match self.average {
            AverageName::Mean => Average::Mean,
            AverageName::Median => Average::Median,
        };
        let map = match self.map {
            Map::Viridis => Colormap::Viridis,
            Map::Gnuplot => Colormap::Gnuplot,
        };
        let spread = match self.colours {
            None => EpochSpread::Auto,
            Some(Spread::Log) => EpochSpread::Log,
            Some(Spread::Linear) => EpochSpread::Linear,
        };
        let style = PlaneStyle { map, spread, limits: self.limits };
        PlaneOptions { average, runs: self.runs, ci: self.ci, style }
    }
}

/// A cohort that is drawn, and where its figures go.
struct Job<'a> {
    arguments: &'a CommonArguments,
    loaded: Loaded,
    dir: PathBuf,
}

impl<'a> Job<'a> {
    fn new(arguments: &'a CommonArguments) -> Result<Self, Failure> {
        let out = &arguments.store.out;
        let store = Store::open_existing(out)?;
        let loaded = load::by_name(out, &arguments.cohort)?;
        let dir = store.cohort_dir(&loaded.cohort.name);
        Ok(Self { arguments, loaded, dir })
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let wanted = Wanted::all(&self.loaded.cohort.name, &self.dir).on(self.arguments.split.map(Split::from));
        wanted.only(&self.arguments.conditions, &self.loaded.grid)
    }

    /// Writes the figures and says so; `nothing` tells why there are none.
    fn write(
        &self,
        figures: Vec<Figure>,
        quiet: bool,
        nothing: impl FnOnce() -> Result<Failure, Failure>,
    ) -> Result<Exit, Failure> {
        if figures.is_empty() {
            return Err(nothing()?);
        }
        for (path, format, figure) in self.places(&figures)? {
            figure.write(&path, format)?;
            if !quiet {
                eprintln!("wrote {}", path.display());
            }
        }
        Ok(Exit::Done)
    }

    /// Where each figure goes, in which format.
    fn places<'f>(&self, figures: &'f [Figure]) -> Result<Vec<(PathBuf, Format, &'f Figure)>, Failure> {
        let format = if self.arguments.svg { Format::Svg } else { Format::Png };
        let in_dir = |dir: &Path| {
            let place = |figure: &'f Figure| (dir.join(format!("{}.{}", figure.name, format.extension())), format, figure);
            figures.iter().map(place).collect()
        };
        let Some(to) = &self.arguments.to else { return Ok(in_dir(&self.dir.join("figures"))) };
        let format = match to.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => return Ok(in_dir(to)),
        };
        match figures {
            [figure] => Ok(vec![(to.clone(), format, figure)]),
            _ => {
                let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
                let text = format!(
                    "{} figures ({}) do not fit into one file; choose one with --split, or give a directory",
                    names.len(),
                    names.join(", ")
                );
                Err(Failure::new(Exit::Usage, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_or_four_numbers() {
        assert_eq!(limits("0, 12,0,1"), limits("harmonics"));
        assert_eq!(limits("free"), Ok(PlaneLimits::Free));
        for bad in ["", "0,1", "0,1,1,0", "0,nan,0,1", "0,inf,0,1", "a", "1,2,3,4,5"] {
            assert!(limits(bad).unwrap_err().contains("X0,X1,Y0,Y1"), "{bad}");
        }
    }
}

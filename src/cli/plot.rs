//! `infoplane plot`: figures from a cohort's tables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::exit::{Exit, Failure};
use super::figures::planes::{self, Average, PlaneOptions};
use super::figures::select::Wanted;
use super::figures::{Drawing, Figure, Format, activations, centimetres, compare, curves, loss_of, movie};
use super::load::Loaded;
use super::{StoreArguments, load};
use crate::plot::colormap::Colormap;
use crate::plot::{EpochSpread, PlaneLimits, PlaneStyle, SheetWidth};
use crate::store::Store;
use crate::store::tables::read_metrics;
use crate::train::spec::Split;
use crate::worker::look::Together;

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
    Accuracy(AccuracyArguments),
    Activations(ActivationArguments),
    SingleNeuron(NeuronArguments),
    Movie(MovieArguments),
    Compare(CompareArguments),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Kinds of figures, as people type them.
const KINDS: [&str; 8] = ["infoplane", "mi-epochs", "snr", "accuracy", "activations", "single-neuron", "movie", "compare"];

/// The information plane: a panel an experiment and estimator, colour shows the epoch, shape the layer
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane plot infoplane quickstart --average median --ci
  infoplane plot infoplane quickstart --estimator upper --limits 0,12,0,1 --map gnuplot")]
struct PlaneArguments {
    #[command(flatten)]
    common: CommonArguments,
    #[command(flatten)]
    by: EstimatorArguments,
    /// What stands for all runs of an experiment [default: median where the cohort has plot_median, else mean]
    #[arg(long, visible_alias = "statistic", value_enum, conflicts_with = "runs")]
    average: Option<AverageName>,
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
struct AccuracyArguments {
    #[command(flatten)]
    curves: CurveArguments,
}

/// Histograms of the activations of every layer over epochs, from stored snapshots
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot activations quickstart --split test --run 2")]
struct ActivationArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Which repeat of every experiment
    #[arg(long, value_name = "N", default_value_t = 0)]
    run: u32,
}

/// Histograms of the activations of every single neuron over epochs, from stored snapshots
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot single-neuron quickstart --where activation_fn=tanh --layer 5")]
struct NeuronArguments {
    #[command(flatten)]
    look: ActivationArguments,
    /// Only this layer, from 1; the last is the readout
    #[arg(long, value_name = "N")]
    layer: Option<usize>,
}

/// The information plane as a film (MP4): a point a layer that moves with the epochs, accuracy below; the mean, and every run
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot movie quickstart --split train --estimator binning")]
struct MovieArguments {
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    by: EstimatorArguments,
    /// A directory for the films, or a file (.mp4) for the one film
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
}

/// How alike the layers are, every layer with every layer: svcca or dcor, which the cohort must have measured, mean over runs, or
/// median where the cohort has plot_median
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane plot compare layers --measure svcca
  infoplane plot compare layers --epoch 100 --split test --svg")]
struct CompareArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// The recorded epoch [default: the last that was measured]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    epoch: Option<i64>,
    /// Only this measure: svcca, dcor, or "NAME PARAMETERS" as panels show it; may be given several times
    #[arg(long, value_name = "MEASURE")]
    measure: Vec<String>,
}

/// What figures are drawn from.
#[derive(Args, Debug)]
struct SourceArguments {
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
}

/// What all sheets take.
#[derive(Args, Debug)]
struct CommonArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Width of the figure when it is printed, as 8.5 for one column of a journal: as many columns of panels as fit with text of 7 points or
    /// more [default: 8.5 for one panel, else 17]
    #[arg(long, value_name = "CM", value_parser = centimetres)]
    width: Option<f64>,
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
            let job = Job::new(&a.common.source)?;
            let wanted = job.wanted()?.by(a.by.estimator.clone()).wide(a.common.width());
            let figures = planes::draw(&wanted, &a.options(job.average()))?;
            job.write(figures, a.common.place(), quiet, || Ok(wanted.nothing("measures", &planes::there_is(&wanted)?)))
        }
        Kind::MiEpochs(a) => {
            let job = Job::new(&a.common.source)?;
            let wanted = job.wanted()?.by(a.by.estimator.clone()).wide(a.common.width());
            let figures = curves::mi_epochs(&wanted, a.runs)?;
            job.write(figures, a.common.place(), quiet, || Ok(wanted.nothing("measures", &planes::there_is(&wanted)?)))
        }
        Kind::Snr(a) => {
            let job = Job::new(&a.common.source)?;
            let wanted = job.wanted()?.wide(a.common.width());
            job.write(curves::snr(&wanted, a.runs)?, a.common.place(), quiet, || {
                Ok(wanted.nothing("gradients", &recorded(&wanted)))
            })
        }
        Kind::Accuracy(AccuracyArguments { curves: a }) => {
            let job = Job::new(&a.common.source)?;
            let wanted = job.wanted()?.wide(a.common.width());
            let shown = job.loaded.grid.experiments.iter().filter(|experiment| wanted.takes(&experiment.label));
            job.write(curves::accuracy(&wanted, loss_of(shown), a.runs)?, a.common.place(), quiet, || {
                Ok(wanted.nothing("metrics", &recorded(&wanted)))
            })
        }
        Kind::Activations(a) => look(a, Together::Layers, None, quiet),
        Kind::SingleNeuron(a) => look(&a.look, Together::Neurons, a.layer, quiet),
        Kind::Movie(a) => {
            let job = Job::new(&a.source)?;
            let wanted = job.wanted()?.by(a.by.estimator.clone());
            let figures = movie::draw(&wanted, job.average())?;
            let to = (a.to.as_deref(), Format::Png);
            job.write(figures, to, quiet, || Ok(wanted.nothing("measures", &planes::there_is(&wanted)?)))
        }
        Kind::Compare(a) => {
            let job = Job::new(&a.common.source)?;
            let wanted = job.wanted()?.by(a.measure.clone()).wide(a.common.width());
            let nothing = || Ok(wanted.nothing("comparisons of layers", &compare::there_is(&wanted)?));
            job.write(compare::draw(&wanted, a.epoch, job.average())?, a.common.place(), quiet, nothing)
        }
        Kind::Unknown(words) => {
            let kind = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
            Err(Failure::new(Exit::Usage, format!("no kind of figure `{kind}`; there are: {}", KINDS.join(", "))))
        }
    }
}

/// Draws where activations lie.
fn look(a: &ActivationArguments, together: Together, layer: Option<usize>, quiet: bool) -> Result<Exit, Failure> {
    let job = Job::new(&a.common.source)?;
    let index = Store::open_existing(&a.common.source.store.out)?.index()?;
    let wanted = job.wanted()?.wide(a.common.width());
    let figures = activations::draw(&wanted, &job.loaded, &index, activations::Look { together, run: a.run, layer })?;
    job.write(figures, a.common.place(), quiet, || Ok(wanted.nothing("snapshots", &recorded(&wanted))))
}

/// Splits on which trainings record metrics and gradients; none if no training is done.
fn recorded(wanted: &Wanted) -> std::collections::BTreeSet<String> {
    let is_there = read_metrics(&wanted.dir.join("metrics.parquet")).is_ok_and(|mut rows| rows.next().is_some());
    if is_there { ["train", "test"].map(str::to_owned).into() } else { std::collections::BTreeSet::new() }
}

impl PlaneArguments {
    fn options(&self, usual: Average) -> PlaneOptions {
        let average = match self.average {
            None => usual,
            Some(AverageName::Mean) => Average::Mean,
            Some(AverageName::Median) => Average::Median,
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
        let style = PlaneStyle { map, spread, limits: self.limits, width: self.common.width() };
        PlaneOptions { average, runs: self.runs, ci: self.ci, style }
    }
}

impl CommonArguments {
    /// How wide sheets are.
    fn width(&self) -> SheetWidth {
        self.width.map_or(SheetWidth::Auto, SheetWidth::Centimetres)
    }

    /// Where figures go, in which format.
    fn place(&self) -> (Option<&Path>, Format) {
        (self.to.as_deref(), if self.svg { Format::Svg } else { Format::Png })
    }
}

/// A cohort that is drawn.
struct Job<'a> {
    arguments: &'a SourceArguments,
    loaded: Loaded,
    dir: PathBuf,
}

impl<'a> Job<'a> {
    fn new(arguments: &'a SourceArguments) -> Result<Self, Failure> {
        let out = &arguments.store.out;
        let store = Store::open_existing(out)?;
        let loaded = load::by_name(out, &arguments.cohort)?;
        let dir = store.cohort_dir(&loaded.cohort.name);
        Ok(Self { arguments, loaded, dir })
    }

    /// What stands for all runs unless somebody says otherwise.
    const fn average(&self) -> Average {
        Average::of(&self.loaded.cohort)
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let wanted = Wanted::all(&self.loaded.cohort.name, &self.dir).on(self.arguments.split.map(Split::from));
        wanted.only(&self.arguments.conditions, &self.loaded.grid)
    }

    /// Writes the figures and says so; `nothing` tells why there are none.
    fn write(
        &self,
        figures: Vec<Figure>,
        to: (Option<&Path>, Format),
        quiet: bool,
        nothing: impl FnOnce() -> Result<Failure, Failure>,
    ) -> Result<Exit, Failure> {
        if figures.is_empty() {
            return Err(nothing()?);
        }
        for (path, format, figure) in self.places(&figures, to)? {
            figure.write(&path, format)?;
            if !quiet {
                tell!("wrote {}", path.display());
            }
        }
        Ok(Exit::Done)
    }

    /// Where each figure goes, in which format.
    fn places<'f>(
        &self,
        figures: &'f [Figure],
        (to, format): (Option<&Path>, Format),
    ) -> Result<Vec<(PathBuf, Format, &'f Figure)>, Failure> {
        let in_dir = |dir: &Path| {
            let place = |figure: &'f Figure| (dir.join(format!("{}.{}", figure.name, figure.extension(format))), format, figure);
            figures.iter().map(place).collect()
        };
        let Some(to) = to else { return Ok(in_dir(&self.dir.join("figures"))) };
        let films = figures.iter().all(|figure| matches!(figure.drawing, Drawing::Film(_)));
        let format = match to.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("mp4") if films => format,
            Some("svg") if !films => Format::Svg,
            Some("png") if !films => Format::Png,
            _ => return Ok(in_dir(to)),
        };
        match figures {
            [figure] => Ok(vec![(to.to_owned(), format, figure)]),
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

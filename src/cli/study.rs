//! `infoplane study`: small studies of the method, each a table, a figure and sentences.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::figures::{Figure, Format, centimetres};
use super::print::print;
use crate::plot::{ChartAxis, ChartFigure, ChartPanel, ChartSeries, SheetWidth, charts};
use crate::store::OsDisk;
use crate::store::tables::{Cell, Column as TableColumn, ColumnType, Table, TableWriter, publish, write_csv};
use crate::study::{self, Answer, Axis, Values};

/// Study what an information plane can and cannot show
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  infoplane study minimal-model
  infoplane study weighted-binning --rotations 1000 --seed 7
  infoplane study harmonics --json
  infoplane study estimators --samples 1024

Leaves DIR/studies/KIND.parquet, .csv and .png, and says on stderr what was found; --json prints table and findings on stdout.")]
pub struct StudyArguments {
    /// Which study
    #[arg(value_enum, value_name = "KIND")]
    kind: Kind,
    #[command(flatten)]
    store: StoreArguments,
    /// What the random samples are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Size of the samples (the largest of several: estimators, edge)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    samples: Option<u32>,
    /// Bins (minimal-model, entropy-bias), or edges of bins (weighted-binning)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    bins: Option<u32>,
    /// Random rotations (weighted-binning)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rotations: Option<u32>,
    /// Width of the figure when it is printed; text has 7 points or more then [default: as its panels demand]
    #[arg(long, value_name = "CM", value_parser = centimetres)]
    width: Option<f64>,
    /// Draw the figure as vectors (SVG) instead of pixels (PNG)
    #[arg(long)]
    svg: bool,
    /// Print table and findings as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One neuron over growing weights, for 11 activations, bins over all weights or each, and with biases
    MinimalModel,
    /// Standard bins against bins carried through the weights, on a linear network that loses nothing
    WeightedBinning,
    /// The harmonics data set: label shares, power spectrum, hard and soft labels
    Harmonics,
    /// Entropy lost by each activation on uniform input, and by imposed structure
    EntropyBias,
    /// The estimators on Gaussian samples of known information: bias over correlation, columns and examples
    Estimators,
    /// EDGE on independent Gaussians, where the information is 0: bias over columns and examples, both profiles
    Edge,
}

impl Kind {
    /// Name of its files.
    const fn name(self) -> &'static str {
        match self {
            Self::MinimalModel => "minimal-model",
            Self::WeightedBinning => "weighted-binning",
            Self::Harmonics => "harmonics",
            Self::EntropyBias => "entropy-bias",
            Self::Estimators => "estimators",
            Self::Edge => "edge",
        }
    }
}

pub fn study(arguments: &StudyArguments, quiet: bool) -> Result<Exit, Failure> {
    let (kind, answer) = (arguments.kind, answer(arguments)?);
    let dir = arguments.store.out.join("studies");
    let written = table(kind.name(), &answer, &dir).map_err(|e| Failure::from_error(Exit::Store, &e))?;
    let format = if arguments.svg { Format::Svg } else { Format::Png };
    let width = arguments.width.map_or(SheetWidth::Auto, SheetWidth::Centimetres);
    let figure = dir.join(format!("{}.{}", kind.name(), format.extension()));
    Figure::sheet(kind.name().to_owned(), charts(&figure_of(&answer, width))).write(&figure, format)?;
    if !quiet {
        tell!("{}", answer.title);
        answer.findings.iter().for_each(|finding| tell!("  {finding}"));
        written.iter().chain([&figure]).for_each(|path| tell!("  {}", path.display()));
    }
    if arguments.json { print(format!("{:#}\n", as_json(kind, &answer)).as_bytes()) } else { Ok(Exit::Done) }
}

/// Runs the study, with the sizes that were given; one that it has no use for is an error.
fn answer(arguments: &StudyArguments) -> Result<Answer, Failure> {
    let StudyArguments { kind, seed, samples, bins, rotations, .. } = *arguments;
    let given = [("--samples", samples), ("--bins", bins), ("--rotations", rotations)];
    let takes: &[&str] = match kind {
        Kind::MinimalModel | Kind::EntropyBias => &["--samples", "--bins"],
        Kind::WeightedBinning => &["--samples", "--bins", "--rotations"],
        Kind::Estimators | Kind::Edge => &["--samples"],
        Kind::Harmonics => &[],
    };
    if let Some((flag, _)) = given.iter().find(|(flag, value)| value.is_some() && !takes.contains(flag)) {
        return Err(Failure::new(Exit::Usage, format!("study {} has no {flag}", kind.name())));
    }
    let or = |given: Option<u32>, default: usize| given.map_or(default, |n| n as usize);
    Ok(match kind {
        Kind::MinimalModel => {
            let sizes = study::minimal_model::Sizes::default();
            let (samples, bins) = (or(samples, sizes.samples), or(bins, sizes.bins));
            study::minimal_model::study(seed, &study::minimal_model::Sizes { samples, bins, ..sizes })
        }
        Kind::WeightedBinning => {
            let sizes = study::weighted_binning::Sizes::default();
            let (samples, edges) = (or(samples, sizes.samples), or(bins, sizes.edges));
            let rotations = or(rotations, sizes.rotations);
            study::weighted_binning::study(seed, study::weighted_binning::Sizes { samples, edges, rotations })
        }
        Kind::Harmonics => study::harmonics::study(),
        Kind::EntropyBias => {
            let sizes = study::entropy_bias::Sizes::default();
            let (samples, bins) = (or(samples, sizes.samples), or(bins, sizes.bins));
            study::entropy_bias::study(seed, study::entropy_bias::Sizes { samples, bins, ..sizes })
        }
        Kind::Estimators => {
            let sizes = samples.map_or_else(Default::default, |n| study::estimators::Sizes::up_to(n as usize));
            study::estimators::study(seed, &sizes)
        }
        Kind::Edge => study::edge::study(seed, &samples.map_or_else(Default::default, |n| study::edge::Sizes::up_to(n as usize))),
    })
}

/// Writes NAME.parquet and NAME.csv into `dir`.
fn table(name: &'static str, answer: &Answer, dir: &std::path::Path) -> Result<Vec<PathBuf>, crate::store::tables::TableError> {
    let column = |column: &study::Column| {
        let (kind, nullable) = match column.values {
            Values::Text(_) => (ColumnType::Text, false),
            Values::Count(_) => (ColumnType::Int, false),
            Values::Number(_) => (ColumnType::Float, true),
        };
        TableColumn { name: column.name, kind, nullable }
    };
    let mut writer = TableWriter::create(&OsDisk, dir, Table { name, columns: answer.columns.iter().map(column).collect() })?;
    for row in 0..answer.columns.first().map_or(0, study::Column::rows) {
        writer.push(&answer.columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>())?;
    }
    let mut written = publish(&OsDisk, dir, vec![writer.close()?])?;
    written.extend(write_csv(&OsDisk, &written)?);
    Ok(written)
}

/// The value of a column in a row.
fn cell(column: &study::Column, row: usize) -> Cell<'_> {
    match &column.values {
        Values::Text(values) => Cell::Text(&values[row]),
        Values::Count(values) => Cell::Int(values[row]),
        Values::Number(values) => values[row].into(),
    }
}

fn figure_of(answer: &Answer, width: SheetWidth) -> ChartFigure {
    let axis = |axis: &Axis| ChartAxis { label: axis.label.clone(), log: axis.log };
    let series =
        |series: &study::Series| ChartSeries { name: series.name.clone(), joined: series.joined, points: series.points.clone() };
    let panel = |chart: &study::Chart| ChartPanel {
        title: chart.title.clone(),
        x: axis(&chart.x),
        y: axis(&chart.y),
        series: chart.series.iter().map(series).collect(),
    };
    ChartFigure { title: answer.title.clone(), panels: answer.charts.iter().map(panel).collect(), width }
}

fn as_json(kind: Kind, answer: &Answer) -> Value {
    let values = |column: &study::Column| match &column.values {
        Values::Text(values) => json!(values),
        Values::Count(values) => json!(values),
        Values::Number(values) => json!(values),
    };
    let columns: Map<String, Value> = answer.columns.iter().map(|c| (c.name.to_owned(), values(c))).collect();
    json!({ "study": kind.name(), "title": answer.title, "columns": columns, "findings": answer.findings })
}

//! `infoplane plot`: figures from a cohort's tables.

use clap::{Args, ValueEnum};

use super::exit::{Exit, Failure};
use super::figures::{Format, draw, draw_split};
use super::{StoreArguments, load};
use crate::store::Store;
use crate::train::spec::Split;

/// Draw a figure from a cohort's tables
#[derive(Args, Debug)]
#[command(after_help = "Example: infoplane plot infoplane quickstart --split test --svg")]
pub struct PlotArguments {
    /// What to draw
    #[arg(value_enum)]
    kind: Kind,
    /// The cohort's name
    #[arg(value_name = "COHORT-NAME")]
    cohort: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Examples that were measured [default: every split that was]
    #[arg(long, value_enum)]
    split: Option<SplitName>,
    /// Vectors instead of pixels
    #[arg(long)]
    svg: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The mean information plane, a panel an experiment and estimator
    Infoplane,
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

pub fn plot(arguments: &PlotArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    let loaded = load::by_name(out, &arguments.cohort)?;
    let dir = store.cohort_dir(&loaded.cohort.name);
    let format = if arguments.svg { Format::Svg } else { Format::Png };
    let Kind::Infoplane = arguments.kind;
    let drawn = match arguments.split {
        None => draw(&loaded.cohort.name, &dir, format)?,
        Some(split) => draw_split(&loaded.cohort.name, &dir, split.into(), format)?.into_iter().collect(),
    };
    if drawn.is_empty() {
        let text =
            format!("the tables of `{}` have no measures to draw; see `calculate_mi_for` and `estimators`", loaded.cohort.name);
        return Err(Failure::new(Exit::Invalid, text));
    }
    if !quiet {
        drawn.iter().for_each(|path| eprintln!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}

//! Figures of a cohort from its tables: what is wanted of them, and where they go.
//!
//! `select` picks experiments and estimators; `planes`, `curves`, `compare` and `movie` turn tables into what the room `plot` draws,
//! `activations` looks at what the store keeps.

pub mod activations;
pub mod compare;
pub mod curves;
pub mod movie;
pub mod planes;
pub mod select;

use std::fs;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::load::Loaded;
use crate::grid::Experiment;
use crate::plot::{PRINT_SCALE, png};
use crate::store::replace_file;
use crate::train::spec::{Loss, Split};
use planes::{Average, PlaneOptions};
use select::Wanted;

/// File format of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pixels, 300 to the inch.
    Png,
    /// Vectors.
    Svg,
}

impl Format {
    /// The extension of its files.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// A figure, drawn.
pub struct Figure {
    /// The name of its file without extension.
    pub name: String,
    /// What is drawn.
    pub drawing: Drawing,
}

/// What a figure is.
pub enum Drawing {
    /// A sheet, as SVG text.
    Sheet(String),
    /// A film, as MP4 bytes.
    Film(Vec<u8>),
}

impl Figure {
    /// A sheet.
    pub fn sheet(name: String, svg: String) -> Self {
        Self { name, drawing: Drawing::Sheet(svg) }
    }

    /// The extension of its file.
    pub const fn extension(&self, format: Format) -> &'static str {
        match self.drawing {
            Drawing::Film(_) => "mp4",
            Drawing::Sheet(_) => format.extension(),
        }
    }

    /// Writes the figure as `path`.
    pub fn write(&self, path: &Path, format: Format) -> Result<(), Failure> {
        match (&self.drawing, format) {
            (Drawing::Film(bytes), _) => write_file(path, bytes),
            (Drawing::Sheet(svg), Format::Svg) => write_file(path, svg.as_bytes()),
            (Drawing::Sheet(svg), Format::Png) => {
                write_file(path, &png(svg, PRINT_SCALE).map_err(|e| Failure::from_error(Exit::Internal, &e))?)
            }
        }
    }
}

/// Reads the width of a sheet.
pub fn centimetres(text: &str) -> Result<f64, String> {
    let width = text.trim_end_matches("cm").trim_end().parse().ok().filter(|width| (4.0..=200.0).contains(width));
    width.ok_or_else(|| "expected a number of centimetres from 4 to 200, as 8.5 for one column of a journal".to_owned())
}

/// Writes a file whole, with the directory that it stands in.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    dir.map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| replace_file(path, bytes))
        .map_err(|e| Failure::new(Exit::Store, format!("cannot write {}: {e}", path.display())))
}

/// Draws the figures that every run leaves: the information plane of every split that was measured, `figures/infoplane_SPLIT.png`, the mean
/// over runs or the median if the cohort says so; and accuracy and loss, `figures/accuracy.png`. Gives the files.
pub fn draw(loaded: &Loaded, dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cohort = &loaded.cohort;
    let wanted = Wanted::all(&cohort.name, dir);
    let mut figures = planes::draw(&wanted, &PlaneOptions { average: Average::of(cohort), ..PlaneOptions::default() })?;
    figures.extend(curves::accuracy(&wanted, loss_of(&loaded.grid.experiments), false)?);
    let path = |figure: &Figure| dir.join("figures").join(format!("{}.png", figure.name));
    figures.iter().try_for_each(|figure| figure.write(&path(figure), Format::Png))?;
    Ok(figures.iter().map(path).collect())
}

/// A split, as titles name it.
pub const fn examples(split: Split) -> &'static str {
    match split {
        Split::Train => "training set",
        Split::Test => "test set",
        Split::Full => "all examples",
    }
}

/// What the loss of these experiments is called: in nats if each of them minimises a cross-entropy and nothing else.
pub fn loss_of<'a>(experiments: impl IntoIterator<Item = &'a Experiment>) -> &'static str {
    let is_in_nats = |experiment: &Experiment| {
        let training = &experiment.settings.training;
        training.loss == Loss::CategoricalCrossentropy && !training.regularization.penalises()
    };
    if experiments.into_iter().all(is_in_nats) { "loss in nats" } else { "loss" }
}

/// Names of the layers of a network, input side first: numbers from 1, and the readout.
pub fn layer_name(layer: usize, layers: usize) -> String {
    if layer + 1 == layers { "readout".to_owned() } else { (layer + 1).to_string() }
}

/// Canonical parameters as a reader wants them: `{"bin_width":0.07}` is `bin_width 0.07`.
pub fn parameters(json: &str) -> String {
    json.trim_matches(['{', '}']).replace('"', "").replace(':', " ").replace(',', ", ")
}

/// Cuts what does not fit on a sheet; the title then says so.
pub fn cut<T>(title: String, panels: &mut Vec<T>, most: usize, what: &str) -> String {
    if panels.len() <= most {
        return title;
    }
    let all = panels.len();
    panels.truncate(most);
    format!("{title} (first {most} of {all} {what}; --where selects others)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::load_all;

    #[test]
    fn a_loss_is_in_nats_where_all_of_it_is() {
        for (settings, expected) in [
            ("[grid]\nlearning_rate = [0.1, 0.2]", "loss in nats"),
            ("[grid]\nregularization = [false, { l2 = 0.01 }]", "loss"),
            ("regularization = { dropout = 0.1 }", "loss in nats"),
            ("[grid]\nloss = [\"categorical_crossentropy\", \"mean_squared_error\"]", "loss"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("a.toml");
            fs::write(&file, format!("name = \"a\"\n[experiment]\narchitecture = [4, 3]\n{settings}\n")).unwrap();
            let loaded = load_all(&[file]).unwrap_or_else(|failure| panic!("{}", failure.report())).remove(0);
            assert_eq!(loss_of(&loaded.grid.experiments), expected, "{settings}");
        }
    }
}

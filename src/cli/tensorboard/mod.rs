//! `infoplane tensorboard`: curves and activities of a cohort's runs, for TensorBoard.
//!
//! A run and a split is a run of TensorBoard: loss and accuracy, gradients, information. Beside the curves of the test examples lie their
//! activations at the last epoch, with the classes, for its projector. `events` is the form of its files.

mod events;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::StoreArguments;
use super::exit::{Exit, Failure};
use super::load::{self, Settled};
use super::print::shell_word;
use crate::grid::Experiment;
use crate::query::RunRef;
use crate::store::records::{Dependence, Training};
use crate::store::{Index, Store, replace_file};
use crate::train::spec::Split;
use crate::worker::activity;
use crate::worker::serve::chain;
use events::Scalar;

/// Repeats of an experiment that a cohort's `tensorboard = true` writes at most.
pub const REPEATS: u32 = 10;
/// Examples in the projector at most: it shows each as a point.
const MOST_EXAMPLES: usize = 2000;
/// Pairs of units of a layer that have a curve each at most.
const MOST_PAIRS: usize = 100;
/// Bytes of a directory's name that a label gives at most; file systems take 255.
const MOST_NAME: usize = 100;
/// Name of an event file; TensorBoard knows it by its beginning.
const EVENTS: &str = "events.out.tfevents.0.infoplane";

/// Write curves and activities of a cohort's runs for TensorBoard
#[derive(Args, Debug)]
#[command(after_help = "Example:
  infoplane tensorboard quickstart
  tensorboard --logdir results/quickstart/tensorboard

A cohort with `tensorboard = true` writes them by itself when it is run. Activities are those of the test examples at the last epoch.")]
pub struct TensorBoardArguments {
    /// The cohort's name
    #[arg(value_name = "COHORT-NAME")]
    cohort: String,
    #[command(flatten)]
    store: StoreArguments,
    /// Repeats of each experiment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
}

pub fn tensorboard(arguments: &TensorBoardArguments, quiet: bool) -> Result<Exit, Failure> {
    let out = &arguments.store.out;
    let store = Store::open_existing(out)?;
    let loaded = load::by_name(out, &arguments.cohort)?;
    let dir = store.cohort_dir(&loaded.cohort.name);
    let index = store.index()?;
    let written = write(&loaded.settled(&index)?, &index, &dir, arguments.repeats, |_| true)?;
    if written == 0 {
        return Err(Failure::new(Exit::Invalid, format!("no run of `{}` is committed", arguments.cohort)));
    }
    if !quiet {
        let place = dir.join("tensorboard").display().to_string();
        tell!("wrote {written} runs; look at them with:  tensorboard --logdir {}", shell_word(&place));
    }
    Ok(Exit::Done)
}

/// Writes the first `repeats` committed runs of the experiments that `wanted` takes, below `dir`; says how many.
pub fn write(
    loaded: &Settled<'_>,
    index: &Index,
    dir: &Path,
    repeats: u32,
    wanted: impl Fn(&Experiment) -> bool,
) -> Result<usize, Failure> {
    let (mut names, mut written) = (BTreeSet::new(), 0);
    for (place, experiment) in loaded.grid.experiments.iter().enumerate().filter(|(_, experiment)| wanted(experiment)) {
        let mut name = directory(&experiment.label);
        if !names.insert(name.clone()) {
            name = format!("{name}-{place}");
        }
        for repeat in 0..repeats.min(loaded.grid.repeats(place)) {
            let run = RunRef { study: loaded.study(), run: loaded.grid.run(place, repeat) };
            let Some(training) = index.training(run.run.training)? else { continue };
            let to = dir.join("tensorboard").join(&name).join(format!("run{repeat}"));
            curves(&run, &training, index, &to)?;
            projector(&run, &training, &to.join(Split::Test.name()))?;
            written += 1;
        }
    }
    Ok(written)
}

/// A label as the name of a directory, cut between characters.
fn directory(label: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || " ._-=,()[]{}".contains(c) { c } else { '_' };
    let mut name: String = label.chars().map(keep).collect();
    name.truncate(name.floor_char_boundary(MOST_NAME));
    if name.trim_matches('.').is_empty() { format!("experiment{name}") } else { name }
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)
        .and_then(|()| replace_file(path, bytes))
        .map_err(|e| Failure::new(Exit::Store, format!("cannot write {}: {e}", path.display())))
}

/// The curves of a run, a file a split.
fn curves(run: &RunRef<'_>, training: &Training, index: &Index, to: &Path) -> Result<(), Failure> {
    let seconds = index.attempts(training.id)?.last().map_or(0.0, |attempt| attempt.started + attempt.seconds);
    for &split in Split::ALL {
        let mut scalars = Vec::new();
        let mut put = |tag: String, step: i64, value: Option<f64>| {
            scalars.extend(value.map(|value| Scalar { tag, step, value }));
        };
        for row in training.metrics.iter().filter(|row| row.split == split) {
            put("loss".into(), row.epoch, Some(row.loss));
            put("accuracy".into(), row.epoch, Some(row.accuracy));
        }
        for row in training.gradients.iter().filter(|row| row.split == split) {
            put(format!("gradient mean/layer {}", row.layer), row.epoch, Some(row.mean));
            put(format!("gradient std/layer {}", row.layer), row.epoch, Some(row.std));
            put(format!("gradient snr/layer {}", row.layer), row.epoch, row.snr);
            put(format!("weight norm/layer {}", row.layer), row.epoch, Some(row.weight_norm));
        }
        for (estimator, _, id) in run.measurements().filter(|(_, on, _)| *on == split) {
            let name = format!("{} {}", estimator.name(), estimator.params());
            if estimator.compares().is_some() {
                if let Some(found) = index.dependence(id)? {
                    dependence(&name, &found, |tag, step, value| put(tag, step, Some(value)));
                }
                continue;
            }
            for row in index.measurement(id)?.into_iter().flat_map(|measurement| measurement.rows) {
                put(format!("I(X;T) {name}/layer {}", row.layer), row.epoch, row.i_xt);
                put(format!("I(T;Y) {name}/layer {}", row.layer), row.epoch, row.i_ty);
            }
        }
        if !scalars.is_empty() {
            save(&to.join(split.name()).join(EVENTS), &events::file(seconds, &scalars))?;
        }
    }
    Ok(())
}

/// The curves of a measure of dependence: one a pair; of a layer with too many pairs of units for that, their mean.
fn dependence(name: &str, found: &Dependence, mut put: impl FnMut(String, i64, f64)) {
    let layer = |layer: i32| if layer < 0 { "input".to_owned() } else { layer.to_string() };
    for rows in found.rows.chunk_by(|a, b| (a.epoch, a.layer_a, a.layer_b) == (b.epoch, b.layer_a, b.layer_b)) {
        let Some(first) = rows.first() else { continue };
        let (a, b) = (layer(first.layer_a), layer(first.layer_b));
        if rows.len() > MOST_PAIRS {
            let mean = rows.iter().map(|row| row.value).sum::<f64>() / rows.len() as f64;
            put(format!("{name}/layer {a}, mean of {} pairs of units", rows.len()), first.epoch, mean);
            continue;
        }
        for row in rows {
            let pair = match row.units {
                Some((one, other)) => format!("layer {a}, units {one} and {other}"),
                None => format!("layers {a} and {b}"),
            };
            put(format!("{name}/{pair}"), row.epoch, row.value);
        }
    }
}

/// Activations at the last epoch, with what the projector needs to show them. Where weights or data are gone there is nothing to show.
fn projector(run: &RunRef<'_>, training: &Training, to: &Path) -> Result<(), Failure> {
    let last = training.snapshots.as_ref().and_then(|snapshots| snapshots.parameters.last()).zip(training.epochs.last());
    let Some((parameters, epoch)) = last else { return Ok(()) };
    let activity = match activity::of_test_examples(&run.experiment().settings.training, parameters, MOST_EXAMPLES) {
        Ok(activity) => activity,
        Err(error) => {
            tracing::warn!("no activities for the projector: {}", chain(&error));
            return Ok(());
        }
    };
    let mut config = String::new();
    for (layer, values) in activity.layers.iter().enumerate() {
        let mut tensors = String::new();
        for row in values.rows() {
            let values: Vec<String> = row.iter().map(f32::to_string).collect();
            tensors.push_str(&values.join("\t"));
            tensors.push('\n');
        }
        let path = PathBuf::from(format!("layer{layer}")).join("tensors.tsv");
        save(&to.join(&path), tensors.as_bytes())?;
        // Writing to a string cannot fail.
        let _ = write!(
            config,
            "embeddings {{\n  tensor_name: \"layer {layer}, epoch {epoch}\"\n  tensor_path: \"{}\"\n  metadata_path: \"metadata.tsv\"\n}}\n",
            path.display()
        );
    }
    let mut metadata = String::from("class\texample\n");
    activity.classes.iter().enumerate().for_each(|(example, class)| metadata.push_str(&format!("{class}\t{example}\n")));
    save(&to.join("metadata.tsv"), metadata.as_bytes())?;
    save(&to.join("projector_config.pbtxt"), config.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_the_name_of_a_directory_on_any_file_system() {
        assert_eq!(directory("activation_fn=relu, a/b"), "activation_fn=relu, a_b");
        assert_eq!(directory(".."), "experiment..");
        // Three bytes a character.
        let long = directory(&"学".repeat(200));
        assert_eq!(long, "学".repeat(33));
        let dir = tempfile::tempdir().unwrap();
        save(&dir.path().join(format!("{long}-123456")).join("file"), b"x")
            .unwrap_or_else(|failure| panic!("{}", failure.report()));
    }
}

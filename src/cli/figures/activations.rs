//! Where activations lie over the epochs of one run of every experiment, computed from the snapshots that the store keeps.

use super::select::Wanted;
use super::{Figure, cut, examples, layer_name};
use crate::cli::exit::{Exit, Failure};
use crate::cli::load::Loaded;
use crate::plot::{HeatFigure, HeatGroup, HeatMap, heat, heat_groups_per_sheet};
use crate::store::Index;
use crate::train::spec::Split;
use crate::worker::data::load;
use crate::worker::look::{Histogram, Together, histograms};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Layers, or neurons.
    pub together: Together,
    /// Which repeat of every experiment.
    pub run: u32,
    /// Only this layer, from 1.
    pub layer: Option<usize>,
}

/// Draws a sheet for every split that is wanted: train and test, unless one was named.
pub fn draw(wanted: &Wanted, loaded: &Loaded, index: &Index, look: Look) -> Result<Vec<Figure>, Failure> {
    let splits = wanted.split.map_or_else(|| vec![Split::Train, Split::Test], |split| vec![split]);
    let mut figures = Vec::new();
    for split in splits {
        let groups = groups(wanted, loaded, index, look, split)?;
        if groups.is_empty() {
            let text = format!(
                "no training of run {} of `{}` is there with its snapshots: what is larger than 16 MiB is not kept",
                look.run, wanted.cohort
            );
            return Err(Failure::new(Exit::Invalid, text));
        }
        let kind = match look.together {
            Together::Layers => "activations",
            Together::Neurons => "single-neuron",
        };
        let mut groups = groups;
        let most = heat_groups_per_sheet(groups.iter().map(|group| group.maps.len()).max().unwrap_or(1));
        let title = cut(format!("{}, {}, run {}", wanted.cohort, examples(split), look.run), &mut groups, most, "experiments");
        let labels = ("epoch".to_owned(), "activation".to_owned());
        let svg =
            heat(&HeatFigure { title, labels, bar: "share of activations".to_owned(), root: true, groups, width: wanted.width });
        figures.push(Figure::sheet(format!("{kind}_{}", split.name()), svg));
    }
    Ok(figures)
}

fn groups(wanted: &Wanted, loaded: &Loaded, index: &Index, look: Look, split: Split) -> Result<Vec<HeatGroup>, Failure> {
    let mut groups: Vec<HeatGroup> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    if look.run >= loaded.grid.n_runs {
        let last = loaded.grid.n_runs.saturating_sub(1);
        return Err(Failure::new(Exit::Invalid, format!("no run {} of `{}`; runs are 0 to {last}", look.run, wanted.cohort)));
    }
    for (i, experiment) in loaded.grid.experiments.iter().enumerate() {
        if !wanted.takes(&experiment.label) {
            continue;
        }
        let id = loaded.grid.run(i, look.run).training;
        // Experiments that differ only in how they measure look the same.
        if !seen.insert(id) {
            continue;
        }
        let Some(training) = index.training(id)? else { continue };
        let spec = &experiment.settings.training;
        let data = load(&spec.dataset, spec.split_seed).map_err(|e| Failure::from_error(Exit::Invalid, &e))?;
        let Some(found) = histograms(spec, &training, &data, split, look.together) else { continue };
        let layers = spec.architecture.len() + 1;
        let kept = found.into_iter().filter(|histogram| look.layer.is_none_or(|layer| histogram.layer + 1 == layer));
        let maps: Vec<HeatMap> =
            kept.take(crate::plot::PANELS_PER_SHEET).map(|histogram| map(histogram, layers, &training.epochs)).collect();
        if maps.is_empty() {
            let last = layers.to_string();
            let text = format!("`{}` has no such layer; layers are 1 to {last}, which is the readout", experiment.label);
            return Err(Failure::new(Exit::Invalid, text));
        }
        groups.push(HeatGroup { title: experiment.label.clone(), note: String::new(), maps });
    }
    Ok(groups)
}

fn map(histogram: Histogram, layers: usize, epochs: &[i64]) -> HeatMap {
    let layer = layer_name(histogram.layer, layers);
    let layer = if histogram.layer + 1 == layers { layer } else { format!("layer {layer}") };
    HeatMap {
        title: histogram.neuron.map_or_else(|| layer.clone(), |neuron| format!("{layer} #{}", neuron + 1)),
        epochs: epochs.to_vec(),
        range: Some(histogram.range),
        columns: histogram.shares.into_iter().map(Vec::from).collect(),
    }
}

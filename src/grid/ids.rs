//! A name is a hash of what it means: ids of trainings and measurements, and the seeds of repeats.
//!
//! Canonical text: `key=value` lines in key order; settings at their default are left out, so that a setting added later
//! leaves older ids as they are. Changing a default therefore changes meaning and takes a new `TRAINING_VERSION`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::estimate::spec::EstimatorSpec;
use crate::train::spec::{Split, TRAINING_VERSION, TrainingSpec};

/// Id of a training or a measurement: the first 128 bits of a BLAKE3 hash, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id(pub [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

impl Id {
    /// Hash of a canonical text within a domain, so that equal texts of different kinds have different ids.
    fn of(domain: &str, text: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain.as_bytes());
        hasher.update(&[0]);
        hasher.update(text.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(id)
    }

    /// Id of a training: its settings, its seed, the content of its data and the version of the training semantics.
    #[must_use]
    pub fn training(spec: &TrainingSpec, seed: u64, data: &str) -> Self {
        Self::of("infoplane training", &format!("{}data={data}\nseed={seed}\nversion={TRAINING_VERSION}\n", canonical(spec)))
    }

    /// Id of a measurement: one estimator with its parameters and version, on one split of one training.
    #[must_use]
    pub fn measurement(training: Self, estimator: &EstimatorSpec, split: Split) -> Self {
        let text = format!(
            "training={training}\nestimator={}\nparams={}\nsplit={}\nversion={}\n",
            estimator.name(),
            estimator.params(),
            split.name(),
            estimator.version()
        );
        Self::of("infoplane measurement", &text)
    }
}

/// Canonical text of the settings that influence the weights, data set apart (its content stands for it).
fn canonical(spec: &TrainingSpec) -> String {
    let default = TrainingSpec::default();
    let mut lines = Vec::new();
    let mut put = |key: &str, value: String, default: String| {
        if value != default {
            lines.push(format!("{key}={value}\n"));
        }
    };
    put("activation_fn", spec.activation.name().into(), default.activation.name().into());
    put("architecture", format!("{:?}", spec.architecture), format!("{:?}", default.architecture));
    put("batch_size", spec.batch_size.to_string(), default.batch_size.to_string());
    put("epochs", spec.epochs.to_string(), default.epochs.to_string());
    // `+ 0.0` lets −0 and 0 have one text; the engine computes the same with both.
    put("initial_bias", (spec.initial_bias + 0.0).to_string(), default.initial_bias.to_string());
    put("learning_rate", spec.learning_rate.to_string(), default.learning_rate.to_string());
    put("optimizer", spec.optimizer.name().into(), default.optimizer.name().into());
    put("record_initial", spec.schedule.record_initial.to_string(), default.schedule.record_initial.to_string());
    put("split_seed", spec.split_seed.to_string(), default.split_seed.to_string());
    lines.concat()
}

/// Seed of repeat `repeat`: a hash of the cohort's seed (offset included) and the repeat, below 2^53 so that every reader of the
/// tables holds it exactly. The same for every experiment, so that experiments are compared on equal initialisations.
#[must_use]
pub fn run_seed(seed: u64, repeat: u32) -> u64 {
    let id = Id::of("infoplane seed", &format!("seed={seed}\nrepeat={repeat}\n"));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.0[..8]);
    u64::from_le_bytes(bytes) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable() {
        // Pinned: a change here makes every store in the field train again.
        let id = Id::training(&TrainingSpec::default(), 7, "data");
        assert_eq!(id, Id::training(&TrainingSpec { initial_bias: -0.0, ..TrainingSpec::default() }, 7, "data"));
        assert_ne!(id, Id::training(&TrainingSpec::default(), 8, "data"));
        assert_ne!(id, Id::training(&TrainingSpec::default(), 7, "other"));
        assert_ne!(id, Id::training(&TrainingSpec { epochs: 7999, ..TrainingSpec::default() }, 7, "data"));
    }

    #[test]
    fn seeds_fit_a_double() {
        for repeat in 0..100 {
            assert!(run_seed(3, repeat) < 1 << 53);
            assert_ne!(run_seed(3, repeat), run_seed(4, repeat));
        }
    }
}

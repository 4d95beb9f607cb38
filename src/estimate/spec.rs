//! Which estimator, with which parameters: checked values and their canonical text.
//!
//! The canonical text is part of every measurement's id and stands in the tables, so it must never change for the same meaning.

use serde::{Deserialize, Serialize};

/// An estimator with its parameters, all within their domains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum EstimatorSpec {
    /// Plug-in entropy of binned activations.
    Binning {
        /// Width of a bin, > 0, in units of the activation.
        bin_width: f64,
    },
    /// Kolchinsky & Tracey's upper bound (pairwise KL).
    Upper {
        /// Variance of the Gaussian noise, > 0.
        noise_variance: f64,
    },
    /// Kolchinsky & Tracey's lower bound (pairwise Bhattacharyya).
    Lower {
        /// Variance of the Gaussian noise, > 0.
        noise_variance: f64,
    },
}

impl EstimatorSpec {
    /// Bin width when a cohort does not say.
    pub const DEFAULT_BIN_WIDTH: f64 = 0.07;
    /// Noise variance when a cohort does not say.
    pub const DEFAULT_NOISE_VARIANCE: f64 = 1e-3;
    /// Names of all estimators, in the order of the documentation.
    pub const NAMES: &'static [&'static str] = &["binning", "upper", "lower"];

    /// The estimator of that name with its default parameters.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "binning" => Some(Self::Binning { bin_width: Self::DEFAULT_BIN_WIDTH }),
            "upper" => Some(Self::Upper { noise_variance: Self::DEFAULT_NOISE_VARIANCE }),
            "lower" => Some(Self::Lower { noise_variance: Self::DEFAULT_NOISE_VARIANCE }),
            _ => None,
        }
    }

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Binning { .. } => "binning",
            Self::Upper { .. } => "upper",
            Self::Lower { .. } => "lower",
        }
    }

    /// Parameters as compact JSON with sorted keys: the column `estimator_params`.
    #[must_use]
    pub fn params(&self) -> String {
        match self {
            Self::Binning { bin_width } => format!("{{\"bin_width\":{}}}", json_number(*bin_width)),
            Self::Upper { noise_variance } | Self::Lower { noise_variance } => {
                format!("{{\"noise_variance\":{}}}", json_number(*noise_variance))
            }
        }
    }

    /// Version of the estimator's semantics: part of every measurement's id; raise it when the same input would give another value.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self {
            Self::Binning { .. } | Self::Upper { .. } | Self::Lower { .. } => 1,
        }
    }
}

/// Shortest decimal text that reads back as the same f64, in JSON's syntax.
fn json_number(value: f64) -> String {
    serde_json::Number::from_f64(value).map_or_else(|| "null".to_owned(), |n| n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_one_canonical_text() {
        let cases = [
            (EstimatorSpec::Binning { bin_width: 0.07 }, r#"{"bin_width":0.07}"#),
            (EstimatorSpec::Upper { noise_variance: 1e-3 }, r#"{"noise_variance":0.001}"#),
            (EstimatorSpec::Lower { noise_variance: 1e-5 }, r#"{"noise_variance":0.00001}"#),
            (EstimatorSpec::Binning { bin_width: 1.0 }, r#"{"bin_width":1.0}"#),
        ];
        for (spec, text) in cases {
            assert_eq!(spec.params(), text);
        }
    }

    #[test]
    fn every_name_is_found() {
        for name in EstimatorSpec::NAMES {
            assert_eq!(EstimatorSpec::by_name(name).map(|s| s.name()), Some(*name));
        }
        assert!(EstimatorSpec::by_name("Binning").is_none());
    }
}

//! What can be wrong with a sample or a parameter.

use thiserror::Error;

/// Why there is no estimate.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EstimateError {
    /// There are no examples.
    #[error("the sample has no examples; information needs at least one")]
    Empty,
    /// An activation is NaN or infinite.
    #[error("activation of unit {unit} on example {example} is {value}; expected a finite number (did the training diverge?)")]
    NotFinite {
        /// The unit, from 0.
        unit: usize,
        /// The example, from 0.
        example: usize,
        /// The activation.
        value: f64,
    },
    /// Activations and labels are of different numbers of examples.
    #[error("activations of {activations} examples, but labels of {labels}; expected one label an example")]
    LengthMismatch {
        /// Examples in the array of activations.
        activations: usize,
        /// Labels.
        labels: usize,
    },
    /// The examples of a unit do not lie side by side in memory.
    #[error("the examples of a unit are not contiguous in memory; expected an array units × examples in row-major order")]
    NotContiguous,
    /// The method measures layers alone, or there are no classes on the other side.
    #[error("{estimator} is not for samples of two measured sides")]
    NotOfPairs {
        /// The method.
        estimator: &'static str,
    },
    /// The method compares two measured sides; a layer alone is one.
    #[error("{estimator} needs two measured sides, x and y")]
    NotOfLayers {
        /// The method.
        estimator: &'static str,
    },
    /// The method has no plug-in entropy that could be corrected.
    #[error("{estimator} has no correction; it is for plug-in entropies, as of binning")]
    NotPlugIn {
        /// The method.
        estimator: &'static str,
    },
    /// The method follows the weights, which a sample alone does not have.
    #[error("{estimator} needs the network's weights; it is for cohorts alone")]
    NeedsWeights {
        /// The method.
        estimator: &'static str,
    },
    /// Bins of another layer.
    #[error("edges of {edges} units for a layer of {units}")]
    EdgesMismatch {
        /// Units of the edges.
        edges: usize,
        /// Units of the layer.
        units: usize,
    },
    /// A parameter outside its domain.
    #[error("{name} = {value} is out of range; expected {low:e} to {high:e}, which single precision resolves")]
    Parameter {
        /// The parameter's name in cohort files.
        name: &'static str,
        /// What was given.
        value: f64,
        /// Smallest value accepted.
        low: f64,
        /// Largest value accepted.
        high: f64,
    },
    /// Neighbours are asked for that are not there.
    #[error("{examples} examples, but k = {neighbours} neighbours of each; expected at least {} examples", .neighbours + 1)]
    TooFew {
        /// Examples of the sample.
        examples: usize,
        /// Neighbours asked for.
        neighbours: usize,
    },
    /// A method that needs more examples.
    #[error("the sample has {examples} examples; this method needs at least {least}")]
    FewerThan {
        /// Examples of the sample.
        examples: usize,
        /// Examples needed.
        least: usize,
    },
    /// A method for one column a side has more or none.
    #[error("{columns} columns; this method takes one on each side")]
    NotOneColumn {
        /// How many there are.
        columns: usize,
    },
}

/// The range of bin widths and noise variances: squares of their roots and quotients by them stay normal in single precision.
pub const DOMAIN: (f64, f64) = (1e-30, 1e30);

/// `value`, if it lies in [`DOMAIN`].
pub(super) fn in_domain(name: &'static str, value: f64) -> Result<f64, EstimateError> {
    let (low, high) = DOMAIN;
    if (low..=high).contains(&value) { Ok(value) } else { Err(EstimateError::Parameter { name, value, low, high }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_their_domain_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-31, 1e31] {
            assert!(matches!(in_domain("bin_width", bad), Err(EstimateError::Parameter { name: "bin_width", .. })), "{bad}");
        }
        assert_eq!(in_domain("bin_width", 0.07), Ok(0.07));
        let text = in_domain("bin_width", -1.0).unwrap_err().to_string();
        assert_eq!(text, "bin_width = -1 is out of range; expected 1e-30 to 1e30, which single precision resolves");
    }
}

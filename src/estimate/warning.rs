//! Why a value should be read with care, in whole sentences without their full stop.

use std::fmt;

use super::{Classes, Estimate};

/// Why a value should be read with care.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The value is near the most that so many examples can show.
    Saturated {
        /// That most, in bits.
        most: f64,
    },
    /// The value is near H(Y), the most that there is to tell of classes.
    AllTold {
        /// H(Y), in bits.
        entropy: f64,
    },
    /// The value is above H(Y), which information about classes cannot be.
    AboveEntropy {
        /// H(Y), in bits.
        entropy: f64,
    },
    /// All examples are of one class.
    OneClass,
    /// The value is near the most that a parameter allows.
    Capped {
        /// That most, in bits.
        bound: f64,
    },
    /// A parameter allows less than there may be to tell of the classes.
    BoundBelowEntropy {
        /// What it allows, in bits.
        bound: f64,
        /// H(Y), in bits.
        entropy: f64,
    },
    /// The value is the least that the formula gives, whatever the sample.
    LowerLimit {
        /// That least, in bits.
        least: f64,
    },
    /// Too few examples for the method in so many dimensions.
    FewExamples {
        /// How many it should have.
        least: u64,
    },
    /// Examples have equal values or equally distant neighbours, which the method takes to be impossible.
    Ties {
        /// How many.
        examples: u64,
    },
    /// The value is made of ties.
    TiesDecide {
        /// The most that the method gives without ties, in bits.
        most: f64,
    },
    /// Anything else: a whole sentence without its full stop.
    Other(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturated { most } => {
                write!(f, "the value is near {most:.3} bits, the most that so many examples can show: read it as \"at least\"")
            }
            Self::AllTold { entropy } => {
                write!(f, "the value is near H(Y) = {entropy:.3} bits, all that there is to tell of the classes")
            }
            Self::AboveEntropy { entropy } => write!(
                f,
                "the value is above H(Y) = {entropy:.3} bits, the most that there is to tell of the classes: it is an error of the \
                 method on this sample, not information"
            ),
            Self::OneClass => f.write_str("there is one class only, of which nothing can be told"),
            Self::Capped { bound } => write!(
                f,
                "the value is near {bound} bits, the most that `bound` lets a pair of buckets tell; a larger `bound` may show more"
            ),
            Self::BoundBelowEntropy { bound, entropy } => write!(
                f,
                "`bound` lets a pair of buckets tell at most {bound} bits, less than H(Y) = {entropy:.3} bits; a larger `bound` may \
                 show more"
            ),
            Self::LowerLimit { least } => write!(
                f,
                "the value is {least} bits, the least that the formula gives for any sample: read it as no dependence found"
            ),
            Self::FewExamples { least } => write!(f, "few examples for this method; it should have at least {least}"),
            Self::Ties { examples } => write!(
                f,
                "{examples} examples have ties (a value that another has, too, or several neighbours equally far); this method is for \
                 continuous data"
            ),
            Self::TiesDecide { most } => write!(
                f,
                "the value is an artefact of ties: without them this method gives at most {most:.3} bits for so many examples; \
                 mixed_ksg is for discrete data"
            ),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Estimate {
    /// Warns of what is known of information about these classes, of which the value is to be: it cannot exceed H(Y).
    pub fn warn_of_classes(&mut self, classes: &Classes) {
        /// Share of H(Y) from which on all is told.
        const NEAR: f64 = 0.99;
        /// Above that share it is not rounding.
        const ABOVE: f64 = 1.0 + 1e-6;
        let entropy = classes.entropy();
        if classes.count() <= 1 {
            self.warnings.push(Warning::OneClass);
        } else if self.value > ABOVE * entropy {
            // More examples would not show more.
            self.warnings.retain(|warning| !matches!(warning, Warning::Saturated { .. }));
            self.warnings.push(Warning::AboveEntropy { entropy });
        } else if self.value >= NEAR * entropy {
            self.warnings.push(Warning::AllTold { entropy });
        }
    }

    /// Warns where there are fewer examples than this.
    pub(super) fn warn_below(&mut self, least: u64) {
        if (self.examples as u64) < least {
            self.warnings.push(Warning::FewExamples { least });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Unit;

    #[test]
    fn values_are_held_against_the_entropy_of_classes() {
        let of = |value: f64, labels: &[u32]| {
            let most = 1.0;
            let warnings = vec![Warning::Saturated { most }];
            let mut estimate = Estimate {
                value,
                unit: Unit::Bits,
                examples: labels.len(),
                dims: (1, 1),
                params: String::new(),
                ties: None,
                warnings,
            };
            estimate.warn_of_classes(&Classes::new(labels));
            estimate.warnings
        };
        let saturated = Warning::Saturated { most: 1.0 };
        assert_eq!(of(0.5, &[0, 1]), std::slice::from_ref(&saturated));
        assert_eq!(of(1.0, &[0, 1]), [saturated.clone(), Warning::AllTold { entropy: 1.0 }]);
        assert_eq!(of(1.1, &[0, 1]), [Warning::AboveEntropy { entropy: 1.0 }]);
        assert_eq!(of(0.3, &[4, 4]), [saturated, Warning::OneClass]);
    }
}

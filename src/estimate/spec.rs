//! Which estimator, with which parameters: checked values and their canonical text.
//!
//! The canonical text is part of every measurement's id and stands in the tables, so it must never change for the same meaning.
//! A method is a variant, a row of [`METHODS`], a line in `visit`, a line in `version` and one where it is carried out (`mod.rs`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::adaptive::Adaptive;
use super::binning::Width;
use super::bins::Bins;
use super::bounds::Noise;
use super::bspline::Bspline;
use super::dcor::Dcor;
use super::edge::Edge;
use super::kde::Kde;
use super::ksg::Ksg;
use super::mixed_ksg::MixedKsg;
use super::params::{Conflict, Parameter, Parameters, Value};
use super::svcca::Svcca;
use super::weighted::WeightedBinning;

/// An estimator with its parameters, all within their domains. Append new variants at the end: messages number them.
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
    /// Binning again, with a number of bins instead of their width.
    Bins(Bins),
    /// Kraskov, Stögbauer & Grassberger's first algorithm.
    Ksg1(Ksg),
    /// Their second algorithm.
    Ksg2(Ksg),
    /// Gao, Kannan, Oh & Viswanath's estimator for mixtures.
    MixedKsg(MixedKsg),
    /// Distance correlation.
    Dcor(Dcor),
    /// EDGE: hashing with a bandwidth that follows the data.
    Edge(Edge),
    /// Binning with bins of the input that are carried through the network.
    WeightedBinning(WeightedBinning),
    /// Singular vector canonical correlation analysis.
    Svcca(Svcca),
    /// Daub's B-spline binning.
    Bspline(Bspline),
    /// Darbellay & Vajda's adaptive partitioning.
    Adaptive(Adaptive),
    /// Kernel density estimation.
    Kde(Kde),
}

/// A method as users see it.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The name in cohort files, tables and on the command line.
    pub name: &'static str,
    /// What it does, in half a line.
    pub meaning: &'static str,
    /// With default parameters.
    pub default: EstimatorSpec,
    /// The parameter that old files call `discretization_range`.
    pub range: Option<&'static str>,
    /// What it takes of a file.
    pub files: Takes,
}

/// What a method takes of a file, in `infoplane estimate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It is not for files.
    Nothing,
    /// x as a layer, y as its classes: I(T;Y) with y, I(X;T) without.
    Layer,
    /// Two measured sides.
    Sides,
    /// Two measured sides; where y can be read as classes, it is.
    SidesOrClasses,
    /// x measured, y classes.
    SideAndClasses,
}

/// All methods, in the order of the documentation.
pub const METHODS: &[Method] = &[
    Method {
        name: "binning",
        meaning: "plug-in entropy of binned activations",
        default: EstimatorSpec::Binning { bin_width: EstimatorSpec::DEFAULT_BIN_WIDTH },
        range: Some("bin_width"),
        files: Takes::Layer,
    },
    Method {
        name: "upper",
        meaning: "Kolchinsky & Tracey's upper bound (pairwise KL)",
        default: EstimatorSpec::Upper { noise_variance: EstimatorSpec::DEFAULT_NOISE_VARIANCE },
        range: Some("noise_variance"),
        files: Takes::Layer,
    },
    Method {
        name: "lower",
        meaning: "their lower bound (pairwise Bhattacharyya)",
        default: EstimatorSpec::Lower { noise_variance: EstimatorSpec::DEFAULT_NOISE_VARIANCE },
        range: Some("noise_variance"),
        files: Takes::Layer,
    },
    Method {
        name: "edge",
        meaning: "EDGE: randomised hashing into buckets that follow the data (Noshad, Zeng & Hero)",
        default: EstimatorSpec::Edge(Edge::DEFAULT),
        range: None,
        files: Takes::SidesOrClasses,
    },
    Method {
        name: "weighted_binning",
        meaning: "binning with bins of the input, carried through the network",
        default: EstimatorSpec::WeightedBinning(WeightedBinning::DEFAULT),
        range: None,
        files: Takes::Nothing,
    },
    Method {
        name: "ksg1",
        meaning: "Kraskov, Stögbauer & Grassberger's nearest neighbours, algorithm 1, for continuous data",
        default: EstimatorSpec::Ksg1(Ksg::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "ksg2",
        meaning: "their algorithm 2",
        default: EstimatorSpec::Ksg2(Ksg::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "mixed_ksg",
        meaning: "Gao et al.'s nearest neighbours for continuous, discrete and mixed data",
        default: EstimatorSpec::MixedKsg(MixedKsg::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "kde",
        meaning: "kernel density estimation with classes: I(T;Y)",
        default: EstimatorSpec::Kde(Kde::DEFAULT),
        range: None,
        files: Takes::SideAndClasses,
    },
    Method {
        name: "dcor",
        meaning: "distance correlation",
        default: EstimatorSpec::Dcor(Dcor::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "svcca",
        meaning: "canonical correlations of the main directions (SVCCA)",
        default: EstimatorSpec::Svcca(Svcca::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "bspline",
        meaning: "Daub's B-spline binning of two columns",
        default: EstimatorSpec::Bspline(Bspline::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
    Method {
        name: "adaptive",
        meaning: "Darbellay & Vajda's adaptive partitioning of two columns",
        default: EstimatorSpec::Adaptive(Adaptive::DEFAULT),
        range: None,
        files: Takes::Sides,
    },
];

/// What is asked of the parameters of a method, whichever struct they are; `wrap` makes the estimator of them again.
trait Visitor {
    type Output;
    fn visit<P: Parameters>(self, parameters: P, wrap: fn(P) -> EstimatorSpec) -> Self::Output;
}

impl EstimatorSpec {
    /// Bin width when a cohort does not say.
    pub const DEFAULT_BIN_WIDTH: f64 = Width::DEFAULT.bin_width;
    /// Noise variance when a cohort does not say.
    pub const DEFAULT_NOISE_VARIANCE: f64 = Noise::DEFAULT.noise_variance;

    fn visit<V: Visitor>(&self, visitor: V) -> V::Output {
        match *self {
            Self::Binning { bin_width } => visitor.visit(Width { bin_width }, |p| Self::Binning { bin_width: p.bin_width }),
            Self::Upper { noise_variance } => {
                visitor.visit(Noise { noise_variance }, |p| Self::Upper { noise_variance: p.noise_variance })
            }
            Self::Lower { noise_variance } => {
                visitor.visit(Noise { noise_variance }, |p| Self::Lower { noise_variance: p.noise_variance })
            }
            Self::Bins(parameters) => visitor.visit(parameters, Self::Bins),
            Self::Edge(parameters) => visitor.visit(parameters, Self::Edge),
            Self::WeightedBinning(parameters) => visitor.visit(parameters, Self::WeightedBinning),
            Self::Ksg1(parameters) => visitor.visit(parameters, Self::Ksg1),
            Self::Ksg2(parameters) => visitor.visit(parameters, Self::Ksg2),
            Self::MixedKsg(parameters) => visitor.visit(parameters, Self::MixedKsg),
            Self::Kde(parameters) => visitor.visit(parameters, Self::Kde),
            Self::Dcor(parameters) => visitor.visit(parameters, Self::Dcor),
            Self::Svcca(parameters) => visitor.visit(parameters, Self::Svcca),
            Self::Bspline(parameters) => visitor.visit(parameters, Self::Bspline),
            Self::Adaptive(parameters) => visitor.visit(parameters, Self::Adaptive),
        }
    }

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Binning { .. } | Self::Bins(_) => "binning",
            Self::Upper { .. } => "upper",
            Self::Lower { .. } => "lower",
            Self::Edge(_) => "edge",
            Self::WeightedBinning(_) => "weighted_binning",
            Self::Ksg1(_) => "ksg1",
            Self::Ksg2(_) => "ksg2",
            Self::MixedKsg(_) => "mixed_ksg",
            Self::Kde(_) => "kde",
            Self::Dcor(_) => "dcor",
            Self::Svcca(_) => "svcca",
            Self::Bspline(_) => "bspline",
            Self::Adaptive(_) => "adaptive",
        }
    }

    /// Version of the estimator's semantics: part of every measurement's id; raise it when the same input would give another value.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self {
            Self::Binning { .. } | Self::Upper { .. } | Self::Lower { .. } | Self::Bins(_) => 1,
            Self::Edge(_) | Self::WeightedBinning(_) => 1,
            Self::Ksg1(_) | Self::Ksg2(_) | Self::MixedKsg(_) | Self::Kde(_) => 1,
            Self::Dcor(_) | Self::Svcca(_) | Self::Bspline(_) | Self::Adaptive(_) => 1,
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn method(name: &str) -> Option<&'static Method> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// The estimator of that name with its default parameters.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::method(name).map(|method| method.default)
    }

    /// Names of all methods: cohorts may ask for any.
    #[must_use]
    pub fn cohort_names() -> Vec<&'static str> {
        METHODS.iter().map(|method| method.name).collect()
    }

    /// Names of the methods for files.
    #[must_use]
    pub fn file_names() -> Vec<&'static str> {
        METHODS.iter().filter(|method| method.files != Takes::Nothing).map(|method| method.name).collect()
    }

    /// The parameters that this method takes, in the order of the documentation.
    #[must_use]
    pub fn parameters(&self) -> Vec<&'static Parameter> {
        match self {
            Self::Binning { .. } | Self::Bins(_) => Width::TABLE.iter().chain(Bins::TABLE).collect(),
            _ => self.visit(Table).iter().collect(),
        }
    }

    /// Those of them that mean something on a file: a file has no epochs.
    #[must_use]
    pub fn file_parameters(&self) -> Vec<&'static Parameter> {
        self.parameters().into_iter().filter(|parameter| parameter.name != "every").collect()
    }

    /// This method with its default parameters but for those given, each of its own domain.
    ///
    /// # Errors
    /// With the parameter that does not go with the others, or that there is not.
    pub fn with(&self, given: &[(&'static str, Value)]) -> Result<Self, Conflict> {
        let mut spec = Self::by_name(self.name()).unwrap_or(*self);
        let counted = |name: &str| Bins::TABLE.iter().any(|parameter| parameter.name == name);
        if self.name() == "binning" && given.iter().any(|(name, _)| counted(name)) {
            if given.iter().any(|(name, _)| *name == "bin_width") {
                return Err(Conflict { name: "bin_width", expected: "either `bin_width` or `bins`".to_owned() });
            }
            spec = Self::Bins(Bins::default());
        }
        spec.visit(Set(given))
    }

    /// The parameters that have a value, in the order of the documentation.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, Value)> {
        self.visit(Values)
    }

    /// Parameters as compact JSON with sorted keys: the column `estimator_params`.
    #[must_use]
    pub fn params(&self) -> String {
        let values: BTreeMap<_, _> = self.values().into_iter().collect();
        let items: Vec<_> = values.into_iter().map(|(name, value)| format!("\"{name}\":{}", value.json())).collect();
        format!("{{{}}}", items.join(","))
    }

    /// Those parameters that are not as by default, as people write them: `bins=30,range=epoch`.
    #[must_use]
    pub fn differing(&self) -> Vec<(&'static str, Value)> {
        let default = Self::by_name(self.name()).map(|spec| spec.values()).unwrap_or_default();
        self.values().into_iter().filter(|value| !default.contains(value)).collect()
    }

    /// The parameter that old files call `discretization_range`, where the method has one and it has a value.
    #[must_use]
    pub fn range(&self) -> Option<f64> {
        let range = Self::method(self.name())?.range?;
        self.values().into_iter().find_map(|(name, value)| match value {
            Value::Number(number) if name == range => Some(number),
            _ => None,
        })
    }

    /// With that parameter set; as it is where the method has none.
    #[must_use]
    pub fn with_range(self, value: f64) -> Self {
        let range = Self::method(self.name()).and_then(|method| method.range);
        range.and_then(|range| self.with(&[(range, Value::Number(value))]).ok()).unwrap_or(self)
    }
}

/// Asks for the table.
struct Table;

impl Visitor for Table {
    type Output = &'static [Parameter];
    fn visit<P: Parameters>(self, _: P, _: fn(P) -> EstimatorSpec) -> Self::Output {
        P::TABLE
    }
}

/// Asks for the values.
struct Values;

impl Visitor for Values {
    type Output = Vec<(&'static str, Value)>;
    fn visit<P: Parameters>(self, parameters: P, _: fn(P) -> EstimatorSpec) -> Self::Output {
        parameters.values()
    }
}

/// Sets values.
struct Set<'a>(&'a [(&'static str, Value)]);

impl Visitor for Set<'_> {
    type Output = Result<EstimatorSpec, Conflict>;
    fn visit<P: Parameters>(self, mut parameters: P, wrap: fn(P) -> EstimatorSpec) -> Self::Output {
        for &(name, value) in self.0 {
            if !parameters.set(name, value) {
                let known: Vec<_> = P::TABLE.iter().map(|p| format!("`{}`: {}", p.name, p.domain.describe())).collect();
                return Err(Conflict { name, expected: known.join(", ") });
            }
        }
        parameters.check()?;
        Ok(wrap(parameters))
    }
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
            (EstimatorSpec::Bins(Bins::default()), r#"{"bins":30,"high":1.0,"low":-1.0,"range":"fixed"}"#),
        ];
        for (spec, text) in cases {
            assert_eq!(spec.params(), text);
        }
    }

    #[test]
    fn every_method_is_found_and_takes_what_its_table_says() {
        for method in METHODS {
            let default = EstimatorSpec::by_name(method.name).unwrap();
            assert_eq!((default.name(), default.with(&[])), (method.name, Ok(default)));
            assert!(default.differing().is_empty() && method.range.is_none_or(|_| default.range().is_some()));
            for (name, value) in default.values() {
                let parameter = default.parameters().into_iter().find(|p| p.name == name).unwrap();
                assert_eq!(parameter.domain.parse(&value.text()), Some(value), "{} {name}", method.name);
                assert_eq!(default.with(&[(name, value)]), Ok(default));
            }
            assert!(default.with(&[("no_such", Value::Switch(true))]).is_err());
        }
        assert!(EstimatorSpec::by_name("Binning").is_none());
    }

    #[test]
    fn binning_has_a_width_or_a_number_of_bins() {
        let binning = EstimatorSpec::by_name("binning").unwrap();
        let bins = binning.with(&[("range", Value::Name("epoch")), ("bins", Value::Integer(8))]).unwrap();
        assert_eq!((bins.name(), bins.params().as_str()), ("binning", r#"{"bins":8,"range":"epoch"}"#));
        assert_eq!((bins.range(), binning.with_range(0.5).range()), (None, Some(0.5)));
        let both = [("bin_width", Value::Number(0.1)), ("bins", Value::Integer(8))];
        assert_eq!(binning.with(&both).unwrap_err().name, "bin_width");
        assert!(binning.with(&[("range", Value::Name("epoch")), ("low", Value::Number(0.0))]).is_err());
        assert!(binning.with(&[("low", Value::Number(2.0))]).is_err());
    }
}

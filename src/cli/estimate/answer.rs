//! One estimator on a sample: the value, and what draws of the sample say about it.

use rayon::prelude::*;

use super::sample::{Sample, X};
use crate::estimate::bounds::Bound;
use crate::estimate::resample::{self, Null, Spread};
use crate::estimate::spec::Takes;
use crate::estimate::{
    Classes, Correction, Estimate, EstimateError, EstimatorSpec, Information, Pair, PairEstimator, Scratch, Side, Unit, Values,
    Warning,
};
use crate::math::exec::Exec;

/// Below this share of log₂N a value still tells samples apart.
const SATURATION: f64 = 0.95;
/// Fewer examples than this say little by any method.
const LEAST: usize = 50;

/// How to estimate.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub spec: EstimatorSpec,
    pub correction: Option<Correction>,
}

/// What is asked of draws.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    pub seed: u64,
    pub bootstraps: usize,
    /// Share of the examples in a draw without repetition; with repetition where there is none.
    pub subsample: Option<f64>,
    pub permutations: usize,
    pub shuffle_correct: bool,
}

impl Draws {
    pub const fn none(&self) -> bool {
        self.bootstraps == 0 && self.permutations == 0
    }

    /// Examples of a draw without repetition, of so many; nothing where draws are with repetition.
    pub fn part(&self, examples: usize) -> Option<usize> {
        self.subsample.map(|share| ((share * examples as f64).round() as usize).clamp(1, examples))
    }
}

/// The answer.
#[derive(Debug)]
pub struct Answer {
    /// What was estimated, as "I(T;Y)" or "distance correlation".
    pub quantity: &'static str,
    pub estimate: Estimate,
    pub spread: Option<Spread>,
    pub null: Option<Null>,
}

impl Question {
    pub fn quantity(&self, sample: &Sample) -> &'static str {
        match (&self.spec, self.takes(), &sample.y) {
            (EstimatorSpec::Dcor(dcor), ..) if dcor.unbiased => "squared distance correlation",
            (EstimatorSpec::Dcor(_), ..) => "distance correlation",
            (EstimatorSpec::Svcca(_), ..) => "mean canonical correlation",
            (_, Takes::Layer, None) => "I(X;T)",
            (_, Takes::Layer | Takes::SideAndClasses, _) => "I(T;Y)",
            (.., Some(y)) if y.labels.is_ok() => "I(T;Y)",
            _ => "I(X;Y)",
        }
    }

    fn takes(&self) -> Takes {
        EstimatorSpec::method(self.spec.name()).map_or(Takes::Nothing, |method| method.files)
    }

    /// The value and everything asked about it.
    pub fn answer(&self, sample: &Sample, draws: &Draws, exec: Exec) -> Result<Answer, String> {
        let mut estimate = self.estimate(sample, exec, &mut Scratch::default())?;
        let (n, seed) = (sample.examples(), draws.seed);
        let part = draws.part(n);
        let each = |count: usize, make: &(dyn Fn(u64) -> Sample + Sync)| -> Result<Vec<f64>, String> {
            let serial = Exec { parallel: false, ..exec };
            let one = |scratch: &mut Scratch, draw: u64| Ok(self.estimate(&make(draw), serial, scratch)?.value);
            (0..count as u64).into_par_iter().map_init(Scratch::default, one).collect()
        };
        let drawn = each(draws.bootstraps, &|draw| match part {
            Some(m) => sample.draw(&resample::subsample(seed, draw, n, m)),
            None => sample.draw(&resample::bootstrap(seed, draw, n)),
        })?;
        if draws.permutations > 0 && sample.y.is_none() {
            return Err("permutations shuffle y; give --y".to_owned());
        }
        let shuffled = each(draws.permutations, &|draw| sample.shuffled(&resample::permutation(seed, draw, n)))?;
        let null = resample::of_permutations(&shuffled, estimate.value);
        let mut spread = match part {
            Some(m) => resample::of_subsamples(&drawn, estimate.value, m, n),
            None => resample::of_bootstraps(&drawn),
        };
        if part.is_none()
            && let Some(spread) = &spread
        {
            estimate.warnings.extend(self.misled(spread, estimate.value));
        }
        if let Some(null) = null.filter(|_| draws.shuffle_correct) {
            estimate.value -= null.mean;
            if let Some(spread) = &mut spread {
                spread.mean -= null.mean;
                spread.interval = spread.interval.map(|end| end - null.mean);
            }
        }
        Ok(Answer { quantity: self.quantity(sample), estimate, spread, null })
    }

    /// Whether examples that repeat in a bootstrap have misled this method.
    fn misled(&self, spread: &Spread, value: f64) -> Option<Warning> {
        let by_neighbours = matches!(self.spec, EstimatorSpec::Ksg1(_) | EstimatorSpec::Ksg2(_) | EstimatorSpec::MixedKsg(_));
        let [low, high] = spread.interval;
        let found = match (low <= value && value <= high, by_neighbours) {
            (true, false) => return None,
            (true, true) => "examples repeat in a bootstrap, which misleads methods of nearest neighbours",
            (false, true) => {
                "the value is outside of its interval: examples repeat in a bootstrap, which misleads methods of \
                              nearest neighbours"
            }
            (false, false) => {
                "the value is outside of its interval: examples repeat in a bootstrap, which misleads this method here"
            }
        };
        Some(Warning::Other(format!("{found}; --subsample draws without repetition")))
    }

    /// The value alone.
    fn estimate(&self, sample: &Sample, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, String> {
        match self.takes() {
            Takes::Layer => self.of_layer(sample, exec, scratch),
            Takes::Sides | Takes::SidesOrClasses | Takes::SideAndClasses if self.correction.is_some() => {
                Err(EstimateError::NotPlugIn { estimator: self.spec.name() }.to_string())
            }
            Takes::Sides => self.of_sides(sample, false, exec, scratch),
            Takes::SidesOrClasses => {
                let classes = sample.y.as_ref().is_some_and(|y| y.labels.is_ok());
                self.of_sides(sample, classes, exec, scratch)
            }
            Takes::SideAndClasses => self.of_sides(sample, true, exec, scratch),
            Takes::Nothing => Err(format!("{} is for cohorts alone", self.spec.name())),
        }
    }

    fn of_sides(&self, sample: &Sample, classes: bool, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, String> {
        let y = sample.y.as_ref().ok_or_else(|| format!("{} compares two sides; give --y", self.spec.name()))?;
        if classes && let Err(why) = &y.labels {
            return Err(why.clone());
        }
        let side = if classes { Side::Classes(&sample.classes) } else { Side::Values(y.values.t()) };
        let widened;
        let x = match &sample.x {
            X::Double(values) => values.t(),
            X::Single(values) => {
                widened = values.mapv(f64::from);
                widened.t()
            }
            X::Packed(_) | X::PackedDouble(_) => {
                return Err(format!("{} does not read x laid out for the bounds", self.spec.name()));
            }
        };
        let estimate = Pair::new(x, side).and_then(|pair| self.spec.estimate(&pair, exec, scratch));
        let mut estimate = estimate.map_err(|e| e.to_string())?;
        // Methods that take classes for numbers do not know what they could tell of classes.
        if !classes && y.labels.is_ok() && estimate.unit == Unit::Bits {
            estimate.warn_of_classes(&sample.classes);
        }
        Ok(estimate)
    }

    fn of_layer(&self, sample: &Sample, exec: Exec, scratch: &mut Scratch) -> Result<Estimate, String> {
        if let Some(Err(why)) = sample.y.as_ref().map(|y| &y.labels) {
            return Err(why.clone());
        }
        let classes = &sample.classes;
        let of_values = |values: Values<'_>, scratch: &mut Scratch| match self.correction {
            None => self.spec.of_layer(values, classes, exec, scratch),
            Some(correction) => self.spec.corrected(values, classes, correction, exec, scratch),
        };
        let bound = || Bound::of(&self.spec).unwrap_or_else(|| Err(EstimateError::NotOfLayers { estimator: self.spec.name() }));
        let information = match &sample.x {
            X::Single(values) => of_values(Values::Single(values.view()), scratch),
            X::Double(values) => of_values(Values::Double(values.view()), scratch),
            X::Packed(packed) => bound().and_then(|bound| bound.of_packed(packed, classes, exec, scratch)),
            X::PackedDouble(packed) => bound().and_then(|bound| bound.of_packed_double(packed, classes, exec)),
        };
        let information = information.map_err(|e| e.to_string())?;
        let (units, _) = sample.dims();
        let value = if sample.y.is_some() { information.i_ty } else { information.i_xt };
        Ok(Estimate {
            value: value.ok_or_else(|| format!("{} does not give {}", self.spec.name(), self.quantity(sample)))?,
            unit: Unit::Bits,
            examples: classes.examples(),
            dims: (units, usize::from(sample.y.is_some())),
            params: self.spec.params(),
            ties: None,
            warnings: warnings(&information, classes, sample.y.is_some()),
        })
    }
}

/// Why the informations of a layer should be read with care.
fn warnings(information: &Information, classes: &Classes, with_classes: bool) -> Vec<Warning> {
    let most = libm::log2(classes.examples() as f64);
    let saturated = classes.examples() > 1 && information.i_xt.is_some_and(|v| v >= SATURATION * most);
    let few = classes.examples() < LEAST;
    let one_class = with_classes && classes.count() == 1;
    let apart = "nearly every example is told apart (I(X;T) near log2 N), so that I(T;Y) comes near H(Y) for any layer";
    [
        (saturated && !with_classes).then_some(Warning::Saturated { most }),
        (saturated && with_classes).then(|| Warning::Other(apart.to_owned())),
        few.then_some(Warning::FewExamples { least: LEAST as u64 }),
        one_class.then_some(Warning::OneClass),
    ]
    .into_iter()
    .flatten()
    .collect()
}

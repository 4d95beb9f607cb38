//! The rule that turns gradients into new weights, as a checked value: an optimizer with its parameters, and how its step size changes.
//!
//! Both are a name with numbers. [`Optimizer::params`] and [`RateSchedule::params`] are their one table: cohort files, ids, labels and
//! the schema read it.

use serde::{Deserialize, Serialize};

/// One parameter of a rule: its key, its value, and what it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// The key in cohort files.
    pub key: &'static str,
    /// The value; a count is a whole number, a switch 0 or 1.
    pub value: f64,
    /// What may stand there.
    pub domain: Domain,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A share from 0 up to, but not, 1.
    Share,
    /// A share from 0 to 1.
    Fraction,
    /// A number above 0.
    Positive,
    /// A number from 0 on.
    Weight,
    /// A whole number ≥ 1.
    Count,
    /// A whole number of passes, 0 for all.
    Passes,
    /// `false` or `true`.
    Switch,
}

/// The rule that turns gradients into new weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Stochastic gradient descent: v ← momentum·v − lr·g, w ← w + v; with nesterov, w ← w + momentum·v − lr·g.
    Sgd {
        /// Share of the velocity that is kept.
        momentum: f64,
        /// Whether to look ahead.
        nesterov: bool,
    },
    /// Adam, ε outside the bias correction (TensorFlow's form): w ← w − lr·√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√v + ε).
    Adam {
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// What keeps the quotient finite.
        epsilon: f64,
    },
    /// RMSprop, as Keras has it: v ← ρ·v + (1−ρ)·g², w ← w − lr·g/(√v + ε).
    Rmsprop {
        /// Decay of the mean square.
        rho: f64,
        /// What keeps the quotient finite.
        epsilon: f64,
    },
    /// AdamW, as Keras has it: w ← w − lr·decay·w for every trained parameter, then Adam's step.
    Adamw {
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// What keeps the quotient finite.
        epsilon: f64,
        /// Share, times the step size, by which parameters shrink at each step.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Plain descent.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, nesterov: false };
    /// Adam with the published study's parameters.
    pub const ADAM: Self = Self::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
    /// RMSprop with Keras' parameters.
    pub const RMSPROP: Self = Self::Rmsprop { rho: 0.9, epsilon: 1e-7 };
    /// AdamW with Keras' parameters.
    pub const ADAMW: Self = Self::Adamw { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.004 };
    /// Every optimizer with its default parameters, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::SGD, Self::ADAM, Self::RMSPROP, Self::ADAMW];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::Rmsprop { .. } => "rmsprop",
            Self::Adamw { .. } => "adamw",
        }
    }

    /// The parameters, in the order of the documentation.
    #[must_use]
    pub fn params(self) -> Vec<Param> {
        let share = |key, value| Param { key, value, domain: Domain::Share };
        let positive = |key, value| Param { key, value, domain: Domain::Positive };
        match self {
            Self::Sgd { momentum, nesterov } => {
                vec![
                    share("momentum", momentum),
                    Param { key: "nesterov", value: f64::from(u8::from(nesterov)), domain: Domain::Switch },
                ]
            }
            Self::Adam { beta_1, beta_2, epsilon } => {
                vec![share("beta_1", beta_1), share("beta_2", beta_2), positive("epsilon", epsilon)]
            }
            Self::Rmsprop { rho, epsilon } => vec![share("rho", rho), positive("epsilon", epsilon)],
            Self::Adamw { beta_1, beta_2, epsilon, weight_decay } => vec![
                share("beta_1", beta_1),
                share("beta_2", beta_2),
                positive("epsilon", epsilon),
                share("weight_decay", weight_decay),
            ],
        }
    }

    /// The optimizer with the default parameters of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// Its name and the parameters that are not at their defaults, as in `adam(beta_1=0.8)`: what ids and labels are made of.
    #[must_use]
    pub fn text(self) -> String {
        let defaults = Self::by_name(self.name()).map(Self::params).unwrap_or_default();
        text(self.name(), &self.params(), &defaults)
    }

    /// The same optimizer with other values of its parameters, in the order of [`Optimizer::params`]; a missing one stays.
    #[must_use]
    pub fn with(mut self, values: &[f64]) -> Self {
        let mut values = values.iter().copied();
        let mut set = |slot: &mut f64| *slot = values.next().unwrap_or(*slot);
        match &mut self {
            Self::Sgd { momentum, nesterov } => {
                set(momentum);
                let mut switch = f64::from(u8::from(*nesterov));
                set(&mut switch);
                *nesterov = switch != 0.0;
            }
            Self::Adam { beta_1, beta_2, epsilon } => [beta_1, beta_2, epsilon].into_iter().for_each(set),
            Self::Rmsprop { rho, epsilon } => [rho, epsilon].into_iter().for_each(set),
            Self::Adamw { beta_1, beta_2, epsilon, weight_decay } => {
                [beta_1, beta_2, epsilon, weight_decay].into_iter().for_each(set);
            }
        }
        self
    }
}

/// How the step size changes from pass to pass; passes are counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum RateSchedule {
    /// It does not.
    #[default]
    Constant,
    /// It is multiplied by `factor` after every `every` passes.
    Step {
        /// Passes between changes, ≥ 1.
        every: u32,
        /// What it is multiplied by.
        factor: f64,
    },
    /// It falls along half a cosine to a share of itself, and stays there.
    Cosine {
        /// Passes of the fall; 0: all of the training.
        over: u32,
        /// The share that is left at the end.
        floor: f64,
    },
}

impl RateSchedule {
    /// Every schedule with its default parameters, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Constant, Self::Step { every: 1000, factor: 0.5 }, Self::Cosine { over: 0, floor: 0.0 }];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
        }
    }

    /// The parameters, in the order of the documentation.
    #[must_use]
    pub fn params(self) -> Vec<Param> {
        let count = |key, value: u32, domain| Param { key, value: value.into(), domain };
        match self {
            Self::Constant => vec![],
            Self::Step { every, factor } => {
                vec![count("every", every, Domain::Count), Param { key: "factor", value: factor, domain: Domain::Positive }]
            }
            Self::Cosine { over, floor } => {
                vec![count("over", over, Domain::Passes), Param { key: "floor", value: floor, domain: Domain::Fraction }]
            }
        }
    }

    /// The schedule with the default parameters of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|schedule| schedule.name() == name)
    }

    /// Its name and the parameters that are not at their defaults, as in `step(every=10)`: what ids and labels are made of.
    #[must_use]
    pub fn text(self) -> String {
        let defaults = Self::by_name(self.name()).map(Self::params).unwrap_or_default();
        text(self.name(), &self.params(), &defaults)
    }

    /// The same schedule with other values of its parameters, in the order of [`RateSchedule::params`]; a missing one stays.
    #[must_use]
    pub fn with(mut self, values: &[f64]) -> Self {
        let value = |index: usize, otherwise: f64| values.get(index).copied().unwrap_or(otherwise);
        match &mut self {
            Self::Constant => {}
            Self::Step { every, factor: share } | Self::Cosine { over: every, floor: share } => {
                (*every, *share) = (value(0, f64::from(*every)) as u32, value(1, *share));
            }
        }
        self
    }

    /// What the step size of pass `pass` of a training of `epochs` passes is multiplied by.
    #[must_use]
    pub fn factor(self, pass: u32, epochs: u32) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { every, factor } => power(factor, pass / every),
            Self::Cosine { over, floor } => {
                let over = if over == 0 { epochs.max(1) } else { over };
                let way = f64::from(pass.min(over)) / f64::from(over);
                floor + (1.0 - floor) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * way))
            }
        }
    }
}

/// A power by multiplication: the same everywhere.
fn power(mut base: f64, mut exponent: u32) -> f64 {
    let mut product = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            product *= base;
        }
        base *= base;
        exponent /= 2;
    }
    product
}

/// A name and the parameters that are not at their defaults, as in `adam(beta_1=0.8)`.
fn text(name: &str, params: &[Param], defaults: &[Param]) -> String {
    let changed = params.iter().zip(defaults).filter(|(param, default)| param.value != default.value);
    let changed: Vec<_> = changed.map(|(param, _)| param.text()).collect();
    if changed.is_empty() { name.to_owned() } else { format!("{name}({})", changed.join(",")) }
}

impl Param {
    /// `key=value`
    #[must_use]
    pub fn text(&self) -> String {
        match self.domain {
            Domain::Switch => format!("{}={}", self.key, self.value != 0.0),
            Domain::Count | Domain::Passes => format!("{}={}", self.key, self.value),
            _ => format!("{}={:?}", self.key, self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_made_of_their_parameters() {
        for &rule in Optimizer::ALL {
            let values: Vec<f64> = rule.params().iter().map(|p| p.value).collect();
            assert_eq!(rule.with(&values), rule);
            assert_eq!(rule.with(&[]), rule);
            let changed: Vec<f64> = values.iter().map(|v| if *v == 0.0 { 1.0 } else { v / 2.0 }).collect();
            let other = rule.with(&changed);
            assert_eq!(other.params().iter().map(|p| p.value).collect::<Vec<_>>(), changed);
            assert_eq!(rule.text(), rule.name());
            assert_eq!(other.text().matches('=').count(), changed.len());
        }
        for &schedule in RateSchedule::ALL {
            let values: Vec<f64> = schedule.params().iter().map(|p| p.value).collect();
            assert_eq!(schedule.with(&values), schedule);
        }
    }

    #[test]
    fn the_step_size_falls_as_told() {
        let step = RateSchedule::Step { every: 10, factor: 0.5 };
        assert_eq!([0, 9, 10, 25].map(|pass| step.factor(pass, 100)), [1.0, 1.0, 0.5, 0.25]);
        for (over, epochs) in [(8, 100), (0, 8)] {
            let cosine = |pass| RateSchedule::Cosine { over, floor: 0.1 }.factor(pass, epochs);
            assert_eq!(cosine(0), 1.0);
            assert!((cosine(4) - 0.55).abs() < 1e-12 && (cosine(8) - 0.1).abs() < 1e-12);
            assert_eq!(cosine(8), cosine(1000));
        }
    }
}

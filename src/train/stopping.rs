//! Early stopping: a training ends before its last epoch, once it is good enough or gets no better.
//!
//! What is watched is computed after every pass, in inference mode, on the whole of one split. Whether to stop depends on nothing else, so a
//! training that is taken up again stops where it would have.

use serde::{Deserialize, Serialize};

use super::spec::Split;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Monitor {
    /// Accuracy on the test examples.
    ValAcc,
    /// Loss on the test examples.
    ValLoss,
    /// Accuracy on the training examples.
    Acc,
    /// Loss on the training examples.
    Loss,
}

impl Monitor {
    /// Every one, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::ValAcc, Self::ValLoss, Self::Acc, Self::Loss];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValAcc => "val_acc",
            Self::ValLoss => "val_loss",
            Self::Acc => "acc",
            Self::Loss => "loss",
        }
    }

    /// The examples that it is taken on.
    #[must_use]
    pub const fn split(self) -> Split {
        match self {
            Self::ValAcc | Self::ValLoss => Split::Test,
            Self::Acc | Self::Loss => Split::Train,
        }
    }

    /// Which of loss and accuracy it is.
    #[must_use]
    pub const fn of(self, loss: f64, accuracy: f64) -> f64 {
        match self {
            Self::ValAcc | Self::Acc => accuracy,
            Self::ValLoss | Self::Loss => loss,
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub const fn wants_more(self) -> bool {
        matches!(self, Self::ValAcc | Self::Acc)
    }
}

/// When a training stops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// What is watched.
    pub monitor: Monitor,
    /// It stops when an accuracy is above this, or a loss below.
    pub value: Option<f64>,
    /// It stops after so many passes without improvement.
    pub patience: Option<u32>,
    /// What counts as an improvement: better than the best by more than this.
    pub min_delta: f64,
}

impl Default for EarlyStopping {
    /// That of the system before: accuracy on the test examples above 0.94.
    fn default() -> Self {
        Self { monitor: Monitor::ValAcc, value: Some(Self::DEFAULT_VALUE), patience: None, min_delta: 0.0 }
    }
}

impl EarlyStopping {
    /// The accuracy at which it stops where none is given.
    pub const DEFAULT_VALUE: f64 = 0.94;

    /// As ids and tables have it.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { monitor, value, patience, min_delta } = self;
        let mut text = monitor.name().to_owned();
        if let Some(value) = value {
            text.push_str(&format!("{}{value:?}", if monitor.wants_more() { ">" } else { "<" }));
        }
        if let Some(patience) = patience {
            text.push_str(&format!(" patience={patience}"));
            if *min_delta != 0.0 {
                text.push_str(&format!(" min_delta={min_delta:?}"));
            }
        }
        text
    }
}

/// What early stopping remembers between passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The best so far.
    best: Option<f64>,
    /// Passes since then.
    waited: u32,
}

impl Watch {
    /// Takes note of what was watched after a pass; says whether to stop.
    pub fn stops(&mut self, rule: &EarlyStopping, seen: f64) -> bool {
        // More is better from here on.
        let sign = if rule.monitor.wants_more() { 1.0 } else { -1.0 };
        let seen = sign * seen;
        if self.best.is_none_or(|best| seen > best + rule.min_delta) {
            *self = Self { best: Some(seen), waited: 0 };
        } else {
            self.waited = self.waited.saturating_add(1);
        }
        rule.value.is_some_and(|value| seen > sign * value) || rule.patience.is_some_and(|patience| self.waited >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped_at(rule: EarlyStopping, seen: &[f64]) -> Option<usize> {
        let mut watch = Watch::default();
        seen.iter().position(|&seen| watch.stops(&rule, seen))
    }

    #[test]
    fn it_stops_when_the_value_is_passed() {
        let rule = EarlyStopping::default();
        assert_eq!(stopped_at(rule, &[0.1, 0.94, 0.9401, 0.99]), Some(2));
        assert_eq!(stopped_at(rule, &[0.1, 0.2]), None);
        let loss = EarlyStopping { monitor: Monitor::ValLoss, value: Some(0.1), ..rule };
        assert_eq!(stopped_at(loss, &[0.5, 0.1, 0.0999]), Some(2));
        assert_eq!((rule.text().as_str(), loss.text().as_str()), ("val_acc>0.94", "val_loss<0.1"));
    }

    #[test]
    fn it_stops_when_patience_ends() {
        let rule = EarlyStopping { value: None, patience: Some(2), ..EarlyStopping::default() };
        assert_eq!(stopped_at(rule, &[0.5, 0.4, 0.6, 0.6, 0.6, 0.9]), Some(4));
        let loss = EarlyStopping { monitor: Monitor::Loss, min_delta: 0.1, ..rule };
        assert_eq!(stopped_at(loss, &[1.0, 0.95, 0.85, 0.8, 0.76, 0.1]), Some(4));
        assert_eq!(loss.text(), "loss patience=2 min_delta=0.1");
    }
}

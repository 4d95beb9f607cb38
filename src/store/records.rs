//! The records: what a run leaves behind, as plain structs, and their bytes.
//!
//! A record's payload is `postcard` of its struct: no field names, so a change of fields is a new schema version. Floats keep their bits.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::frame::MAX_PAYLOAD;
use crate::grid::ids::Id;
use crate::train::spec::Split;

/// Which record a frame holds. The numbers stand in files: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A finished training.
    Training,
    /// A finished measurement.
    Measurement,
    /// One attempt at a task, finished or not.
    Attempt,
    /// A finished measurement of how layers depend on each other.
    Dependence,
}

impl Kind {
    /// The newest kind, with the highest number.
    pub const NEWEST: Self = Self::Dependence;

    /// The number in the frame's header.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Training => 1,
            Self::Measurement => 2,
            Self::Attempt => 3,
            // 4 is the footer of a segment.
            Self::Dependence => 5,
        }
    }

    /// The kind with that number; `None` if a later version added it.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Training),
            2 => Some(Self::Measurement),
            3 => Some(Self::Attempt),
            5 => Some(Self::Dependence),
            _ => None,
        }
    }

    /// Newest schema version of this kind, the one that is written.
    #[must_use]
    pub const fn schema(self) -> u16 {
        match self {
            Self::Training | Self::Measurement | Self::Dependence => 1,
            Self::Attempt => 2,
        }
    }
}

/// Loss and accuracy of a training at one epoch on one split, in inference mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Recorded epoch.
    pub epoch: i64,
    /// Examples it was taken on.
    pub split: Split,
    /// Mean loss (cross-entropy in nats, or squared error), penalties included.
    pub loss: f64,
    /// Share of examples classified right, 0 to 1.
    pub accuracy: f64,
}

/// Gradients of a training at one epoch, on one split, in one layer: the kernel without the bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientRow {
    /// Recorded epoch.
    pub epoch: i64,
    /// Examples it was taken on.
    pub split: Split,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: u32,
    /// Norm of the mean of the batch gradients.
    pub mean: f64,
    /// Norm of the standard deviation of the batch gradients (ddof 0).
    pub std: f64,
    /// `mean / std`; `None` where `std` is 0.
    pub snr: Option<f64>,
    /// Frobenius norm of the kernel.
    pub weight_norm: f64,
}

/// The parameters of a network at its recorded epochs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshots {
    /// One flat parameter vector a recorded epoch, in the order of [`Training::epochs`]; the layout is the training engine's.
    pub parameters: Vec<Vec<f32>>,
}

/// A finished training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// [`Id::training`] of its settings.
    pub id: Id,
    /// Seed of the run.
    pub seed: u64,
    /// Recorded epochs, ascending.
    pub epochs: Vec<i64>,
    /// Metrics, by epoch, then split.
    pub metrics: Vec<MetricRow>,
    /// Gradients, by split, epoch, layer.
    pub gradients: Vec<GradientRow>,
    /// The weights, if they were small enough to keep.
    pub snapshots: Option<Snapshots>,
}

/// Information at one epoch in one layer, in bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureRow {
    /// Recorded epoch.
    pub epoch: i64,
    /// 0 is the first hidden layer, the last the softmax readout.
    pub layer: u32,
    /// I(X;T); `None` where the estimator does not give it.
    pub i_xt: Option<f64>,
    /// I(T;Y); `None` where the estimator does not give it.
    pub i_ty: Option<f64>,
}

/// A finished measurement: one estimator on one split of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// [`Id::measurement`] of what it means.
    pub id: Id,
    /// The training that was measured.
    pub training: Id,
    /// By epoch, then layer.
    pub rows: Vec<MeasureRow>,
}

/// How two layers depend on each other at one epoch, or two units of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DependenceRow {
    /// Recorded epoch.
    pub epoch: i64,
    /// −1 is the input, 0 the first hidden layer, the last the readout.
    pub layer_a: i32,
    /// Not before the first.
    pub layer_b: i32,
    /// The units, where they are what is compared.
    pub units: Option<(u32, u32)>,
    /// A correlation, or bits.
    pub value: f64,
}

/// A finished measurement: one dependence measure on one split of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dependence {
    /// [`Id::measurement`] of what it means.
    pub id: Id,
    /// The training that was measured.
    pub training: Id,
    /// By epoch, then layers, then units.
    pub rows: Vec<DependenceRow>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AttemptStatus {
    /// Finished; its records are committed.
    Ok,
    /// A panic, NaN, bad input: the same again would fail again.
    Failed,
    /// The node, a kill, the walltime.
    Lost,
    /// Out of memory.
    Oom,
}

impl AttemptStatus {
    /// The name used in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Oom => "oom",
        }
    }
}

/// One attempt at a training and its measurements: where, when, how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Fresh for each attempt.
    pub id: Id,
    /// What was attempted.
    pub training: Id,
    /// 1 for the first attempt at this training.
    pub number: u32,
    /// How it ended.
    pub status: AttemptStatus,
    /// Why it did not end well.
    pub error: Option<String>,
    /// Name of the host.
    pub host: String,
    /// Name of the launcher.
    pub launcher: String,
    /// When it started, in seconds since 1970.
    pub started: f64,
    /// How long it took.
    pub seconds: f64,
    /// Version of the program.
    pub version: String,
    /// Commit the program was built from.
    pub commit: String,
    /// Instruction set that the kernels used.
    pub isa: String,
    /// Matrix product that was used, with its path.
    pub gemm: String,
    /// Threads of its worker; not known of a lost one, and of what was written before this was.
    pub threads: Option<u32>,
}

/// [`Attempt`] as it was in version 1, without the threads.
#[derive(Serialize, Deserialize)]
struct AttemptOf1 {
    id: Id,
    training: Id,
    number: u32,
    status: AttemptStatus,
    error: Option<String>,
    host: String,
    launcher: String,
    started: f64,
    seconds: f64,
    version: String,
    commit: String,
    isa: String,
    gemm: String,
}

impl From<AttemptOf1> for Attempt {
    fn from(old: AttemptOf1) -> Self {
        let AttemptOf1 { id, training, number, status, error, host, launcher, started, seconds, version, commit, isa, gemm } =
            old;
        let threads = None;
        Self { id, training, number, status, error, host, launcher, started, seconds, version, commit, isa, gemm, threads }
    }
}

/// The id of anything but a training, and the training that it is about, from its payload, without the rest: they come first in every
/// version.
#[must_use]
pub fn peek(payload: &[u8]) -> Option<(Id, Id)> {
    postcard::take_from_bytes(payload).ok().map(|(ids, _)| ids)
}

/// Any record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A finished training.
    Training(Training),
    /// A finished measurement.
    Measurement(Measurement),
    /// One attempt at a task.
    Attempt(Attempt),
    /// A finished measurement of how layers depend on each other.
    Dependence(Dependence),
}

impl Record {
    /// The record's id.
    #[must_use]
    pub const fn id(&self) -> Id {
        match self {
            Self::Training(r) => r.id,
            Self::Measurement(r) => r.id,
            Self::Attempt(r) => r.id,
            Self::Dependence(r) => r.id,
        }
    }

    /// The record's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Training(_) => Kind::Training,
            Self::Measurement(_) => Kind::Measurement,
            Self::Attempt(_) => Kind::Attempt,
            Self::Dependence(_) => Kind::Dependence,
        }
    }

    /// The payload, in the newest schema of its kind.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond the limit of a frame.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let id = self.id();
        let payload = match self {
            Self::Training(r) => postcard::to_stdvec(r),
            Self::Measurement(r) => postcard::to_stdvec(r),
            Self::Attempt(r) => postcard::to_stdvec(r),
            Self::Dependence(r) => postcard::to_stdvec(r),
        }
        .map_err(|source| StoreError::Encode { id, source })?;
        let bytes = payload.len() as u64;
        if bytes > MAX_PAYLOAD {
            return Err(StoreError::TooLarge { id, bytes, limit: MAX_PAYLOAD });
        }
        Ok(payload)
    }

    /// The record in a payload of this schema of `kind`, which is none of a later version.
    ///
    /// # Errors
    /// What `postcard` finds wrong with the bytes.
    pub fn decode(kind: Kind, schema: u16, payload: &[u8]) -> Result<Self, postcard::Error> {
        Ok(match (kind, schema) {
            (Kind::Training, _) => Self::Training(postcard::from_bytes(payload)?),
            (Kind::Measurement, _) => Self::Measurement(postcard::from_bytes(payload)?),
            (Kind::Attempt, ..=1) => Self::Attempt(postcard::from_bytes::<AttemptOf1>(payload)?.into()),
            (Kind::Attempt, _) => Self::Attempt(postcard::from_bytes(payload)?),
            (Kind::Dependence, _) => Self::Dependence(postcard::from_bytes(payload)?),
        })
    }
}

#[cfg(test)]
pub mod samples {
    //! Arbitrary records, for this room's property tests.

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = Id> {
        any::<[u8; 16]>().prop_map(Id)
    }

    fn split() -> impl Strategy<Value = Split> {
        prop::sample::select(Split::ALL)
    }

    /// Floats that compare equal to themselves, infinities included.
    fn number() -> impl Strategy<Value = f64> {
        any::<f64>().prop_filter("comparable", |v| !v.is_nan())
    }

    fn training() -> impl Strategy<Value = Record> {
        let metric = (any::<i64>(), split(), number(), number()).prop_map(|(epoch, split, loss, accuracy)| MetricRow {
            epoch,
            split,
            loss,
            accuracy,
        });
        let gradient = (any::<i64>(), split(), any::<u32>(), number(), number(), option::of(number()), number()).prop_map(
            |(epoch, split, layer, mean, std, snr, weight_norm)| GradientRow { epoch, split, layer, mean, std, snr, weight_norm },
        );
        let weights = any::<f32>().prop_filter("comparable", |v| !v.is_nan());
        let snapshots = vec(vec(weights, 0..20), 0..4).prop_map(|parameters| Snapshots { parameters });
        (id(), any::<u64>(), vec(any::<i64>(), 0..5), vec(metric, 0..5), vec(gradient, 0..5), option::of(snapshots)).prop_map(
            |(id, seed, epochs, metrics, gradients, snapshots)| {
                Record::Training(Training { id, seed, epochs, metrics, gradients, snapshots })
            },
        )
    }

    fn measurement() -> impl Strategy<Value = Record> {
        let row = (any::<i64>(), any::<u32>(), option::of(number()), option::of(number()))
            .prop_map(|(epoch, layer, i_xt, i_ty)| MeasureRow { epoch, layer, i_xt, i_ty });
        (id(), id(), vec(row, 0..8)).prop_map(|(id, training, rows)| Record::Measurement(Measurement { id, training, rows }))
    }

    fn dependence() -> impl Strategy<Value = Record> {
        let row = (any::<i64>(), any::<i32>(), any::<i32>(), option::of(any::<(u32, u32)>()), number())
            .prop_map(|(epoch, layer_a, layer_b, units, value)| DependenceRow { epoch, layer_a, layer_b, units, value });
        (id(), id(), vec(row, 0..8)).prop_map(|(id, training, rows)| Record::Dependence(Dependence { id, training, rows }))
    }

    /// Any attempt.
    pub fn attempt() -> impl Strategy<Value = Record> {
        let status =
            prop::sample::select(vec![AttemptStatus::Ok, AttemptStatus::Failed, AttemptStatus::Lost, AttemptStatus::Oom]);
        let words = (".*", ".*", "[a-z0-9 ]*", "[a-z0-9]*");
        (id(), id(), any::<u32>(), status, option::of(".*"), words, (number(), number()), option::of(any::<u32>())).prop_map(
            |(id, training, number, status, error, (host, launcher, version, commit), (started, seconds), threads)| {
                let (isa, gemm) = ("avx2".to_owned(), "own".to_owned());
                Record::Attempt(Attempt {
                    id,
                    training,
                    number,
                    status,
                    error,
                    host,
                    launcher,
                    started,
                    seconds,
                    version,
                    commit,
                    isa,
                    gemm,
                    threads,
                })
            },
        )
    }

    /// Any record of any kind.
    pub fn record() -> impl Strategy<Value = Record> {
        prop_oneof![training(), measurement(), attempt(), dependence()]
    }

    /// A small measurement whose content is a function of `n`.
    #[must_use]
    pub fn small(n: u8) -> Record {
        let rows = (0..u32::from(n % 4))
            .map(|layer| MeasureRow { epoch: n.into(), layer, i_xt: Some(f64::from(n)), i_ty: None })
            .collect();
        Record::Measurement(Measurement { id: Id([n; 16]), training: Id([0xAA; 16]), rows })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::footer::FOOTER_KIND;
    use super::*;

    proptest! {
        #[test]
        fn records_round_trip(record in samples::record()) {
            let payload = record.encode().unwrap();
            match &record {
                Record::Training(_) => {}
                Record::Measurement(m) => prop_assert_eq!(peek(&payload), Some((m.id, m.training))),
                Record::Attempt(a) => prop_assert_eq!(peek(&payload), Some((a.id, a.training))),
                Record::Dependence(d) => prop_assert_eq!(peek(&payload), Some((d.id, d.training))),
            }
            prop_assert_eq!(Record::decode(record.kind(), record.kind().schema(), &payload).unwrap(), record);
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes: Vec<u8>, code in prop::sample::select(vec![1_u8, 2, 3, 5]), schema in 1..=2_u16) {
            let _ = Record::decode(Kind::of_code(code).unwrap(), schema, &bytes);
        }

        #[test]
        fn attempts_of_version_1_are_read(record in samples::attempt()) {
            let Record::Attempt(now) = record else { unreachable!() };
            let Attempt { id, training, number, status, error, host, launcher, started, seconds, version, commit, isa, gemm, .. } =
                now.clone();
            let old = AttemptOf1 { id, training, number, status, error, host, launcher, started, seconds, version, commit, isa, gemm };
            let payload = postcard::to_stdvec(&old).unwrap();
            prop_assert_eq!(peek(&payload), Some((id, training)));
            let expected = Record::Attempt(Attempt { threads: None, ..now });
            prop_assert_eq!(Record::decode(Kind::Attempt, 1, &payload).unwrap(), expected);
        }
    }

    #[test]
    fn kinds_and_codes_agree() {
        for code in 0..=u8::MAX {
            assert!(Kind::of_code(code).is_none_or(|kind| kind.code() == code));
            assert_eq!(Kind::of_code(code).is_some(), code != FOOTER_KIND && (1..=Kind::NEWEST.code()).contains(&code));
        }
    }
}

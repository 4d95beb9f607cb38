//! `infoplane`: how information flows through a network while it learns, at the scale of a cluster.
//!
//! A cohort in TOML becomes a grid of experiments; every training runs once, is measured by any number of estimators, and leaves Parquet
//! tables and figures. The modules, in the order in which data walks:
//!
//! ```text
//! cohort.toml ─ cohort (parse, check) ─ grid (experiments, runs) ─ plan (tasks = grid − store)
//!       ─ launch (local | mpi | sge) ─ worker: train → record → estimate ─ store (records, committed atomically; tables)
//!       ─ aggregate (mean, median, sd, sem, CI over runs) ─ plot / report
//! ```
//!
//! | room | holds | may import |
//! | --- | --- | --- |
//! | [`math`] | SIMD lanes, vector functions, random streams | nothing of ours |
//! | [`train`] | data sets, layers, optimizers, the step; pure | `math` |
//! | [`data`] | bytes of files → labelled examples; opens no file | `math`, `train` |
//! | [`estimate`] | estimators of mutual information; pure | `math` |
//! | [`study`] | small numerical studies of the method; pure | `train`, `estimate`, `math` |
//! | [`cohort`] | TOML → checked cohort; errors with line, column, key | `train`, `estimate` (their checked types) |
//! | [`grid`] | cohort → experiments → runs → tasks; ids, seeds; pure | `cohort`, `train`, `estimate` |
//! | [`store`] | records, atomic commit, index, tables; knows Parquet | `grid`, `cohort`, `data`, `train`, `estimate` (their checked types) |
//! | [`launch`] | where tasks run; no kernels | `grid`, `cohort` (its launcher settings), `store` (leases, small files) |
//! | [`worker`] | executes one task: joins kernels to the store | `launch` (messages), `store`, `grid`, `data`, `train`, `estimate`, `math` |
//! | [`aggregate`] | statistics over runs, tables of a cohort | `store`, `grid`, `cohort`, `train`, `estimate`, `math` |
//! | [`query`] | what is known of runs; finding, comparing, carrying over | `store`, `grid`, `cohort`, `aggregate`, `train`, `estimate` |
//! | [`plot`] | figures from numbers | nothing of ours |
//! | [`findings`] | what tables show of the published claims; pure | nothing of ours |
//! | [`report`] | HTML pages from numbers | `findings` |
//! | [`cli`] | one file per subcommand | everything |
//!
//! `math`, `train`, `estimate`, `study`, `grid`, `plot`, `findings`, `report` do no I/O, read no clock and no environment. A test (`tests/architecture.rs`) holds these rules.

pub mod aggregate;
pub mod cli;
pub mod cohort;
pub mod data;
pub mod estimate;
pub mod findings;
pub mod grid;
pub mod launch;
pub mod math;
pub mod plot;
pub mod query;
pub mod report;
pub mod store;
pub mod study;
pub mod train;
pub mod worker;

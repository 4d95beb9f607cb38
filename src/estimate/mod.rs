//! Estimators of mutual information, one a file. Pure: no I/O, no clock, no environment, no logging.

pub mod spec;

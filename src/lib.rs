//! infoplane
pub mod cohort { #![allow(missing_docs)] pub mod settings; }
pub mod grid;
pub mod estimate;
pub mod math;
pub mod train;

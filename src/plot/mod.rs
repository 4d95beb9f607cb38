//! Figures from numbers already averaged: the information plane as SVG text and PNG bytes.
//!
//! Here live the scene (`svg`), what figures are composed of (`text`, `ticks`, `colormap`, `epochs`, `markers`, `sheet`, `legend`, `plane`), the
//! figure itself (`infoplane`) and its rasteriser (`raster`). Nothing here reads tables or writes files: the caller averages, names and saves.
//! All figures use the same units: a scene's unit is the printer's point (1/72 inch), a sheet is designed for the width it is printed at.

pub mod colormap;
mod epochs;
pub mod events;
mod infoplane;
mod legend;
mod markers;
mod plane;
mod raster;
mod sheet;
mod svg;
mod text;
mod ticks;

pub use infoplane::{NOTE_SEPARATOR, PANELS_PER_SHEET, PlaneFigure, PlaneLayer, PlanePanel, PlanePoint, infoplane};
pub use raster::{PRINT_SCALE, RasterError, png};

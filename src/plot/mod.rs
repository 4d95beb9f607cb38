//! Figures from numbers already averaged: information planes, curves over epochs, heat maps; as SVG text and PNG bytes.
//!
//! Here live the scene (`svg`), what figures are composed of (`text`, `ticks`, `axes`, `colormap`, `palette`, `epochs`, `markers`, `sheet`,
//! `legend`, `layout`), the figures themselves (`infoplane` with its `plane`, `curves`, `chart`, `heat`, `movie`), their rasteriser (`raster`) and the
//! encoder of films (`film`). Nothing here reads tables or writes files: the caller averages, names and saves.
//! All figures use the same units: a scene's unit is the printer's point (1/72 inch), a sheet is designed for the width it is printed at.

mod axes;
mod chart;
pub mod colormap;
mod curves;
mod epochs;
mod film;
mod heat;
mod infoplane;
mod layout;
mod legend;
mod markers;
mod movie;
mod palette;
mod plane;
#[cfg(test)]
mod proof;
mod raster;
mod sheet;
mod svg;
mod text;
mod ticks;

pub use chart::{ChartAxis, ChartFigure, ChartPanel, ChartSeries, charts};
pub use curves::{Curve, CurveFigure, CurveGroup, CurvePoint, Quantity, curves, groups_per_sheet};
pub use epochs::EpochSpread;
pub use film::FilmError;
pub use heat::{HeatFigure, HeatGroup, HeatMap, heat, heat_groups_per_sheet};
pub use infoplane::{PANELS_PER_SHEET, PlaneFigure, PlaneLayer, PlaneLimits, PlanePanel, PlanePoint, PlaneStyle, infoplane};
pub use layout::NOTE_SEPARATOR;
pub use movie::{MovieEpoch, MovieFigure, MoviePanel, PANELS_PER_MOVIE, movie};
pub use raster::{PRINT_SCALE, RasterError, png};
pub use sheet::SheetWidth;

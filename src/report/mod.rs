//! Pages from numbers: the report of a cohort, the overview of several, the pages of the dashboard.
//!
//! Here live the markup (`html`, the one place that escapes), the packing of numbers (`numbers`) and the pages (`cohort`, `overview`,
//! `board`) with their style and scripts. Nothing here reads a store or writes a file. A page asks for nothing from outside: styles and scripts are in it,
//! pictures and tables lie beside it.

mod board;
mod cohort;
pub mod html;
mod numbers;
mod overview;

pub use board::{Board, BoardRow, Found, Listing, RunPage, board_page, cohort_board, problem_page, run_page, search_page};
pub use cohort::{CohortData, CohortReport, CurveData, ExperimentData, MapData, PlaneData, TrajectoryData, cohort_page};
pub use numbers::{Packed, thinned};
pub use overview::{Card, overview_page};

use html::Html;

/// The style of all pages.
const STYLE: &str = include_str!("style.css");
/// The script of a report.
const SCRIPT: &str = include_str!("report.js");
/// The script of the dashboard.
const BOARD_SCRIPT: &str = include_str!("board.js");

/// What a page may do: run its own scripts, show pictures that lie beside it, ask the server that it came from. The last for the dashboard;
/// a file has none.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' file: data:; media-src 'self' file:; \
                          connect-src 'self'; form-action 'self'; base-uri 'none'";

/// Begins a page; `ways` are links of its head: text and target.
fn begin(html: &mut Html, title: &str, ways: &[(&str, &str)]) {
    html.markup("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\">");
    html.element("title", &[], &format!("{title} · infoplane")).markup("<style>").markup(STYLE).markup("</style></head><body>\n");
    if !ways.is_empty() {
        html.markup("<nav aria-label=\"Pages\">");
        for (text, target) in ways {
            html.element("a", &[("href", target)], text).markup(" ");
        }
        html.markup("</nav>");
    }
}

/// Ends a page.
fn end(html: &mut Html) {
    html.markup("</body></html>\n");
}

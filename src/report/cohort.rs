//! The report of a cohort: one page that needs nothing but itself, with the plane to walk through epoch by epoch.

use serde::Serialize;

use super::html::{Html, link, scroll};
use super::numbers::Packed;
use super::{SCRIPT, begin, end};

/// What a report tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CohortReport {
    /// The cohort's name.
    pub name: String,
    /// What its file says of it; may be empty.
    pub description: String,
    /// Its runs by status.
    pub runs: Vec<(String, u64)>,
    /// Settings that all experiments share.
    pub settings: Vec<(String, String)>,
    /// Runs that did not end well: run, class, reason.
    pub failures: Vec<[String; 3]>,
    /// Facts of how it was computed: what, and the values with how often.
    pub provenance: Vec<(String, String)>,
    /// Names of the tables beside the page.
    pub tables: Vec<String>,
    /// Names of the figures in `figures/` beside the page.
    pub figures: Vec<String>,
    /// The cohort's file.
    pub source: String,
    /// What was left out to keep the page small, in words; may be empty.
    pub left_out: String,
    /// What the script draws.
    pub data: CohortData,
}

/// What the script draws.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CohortData {
    /// What stands for all runs in the planes: mean or median.
    pub average: String,
    /// Keys in which the experiments differ.
    pub keys: Vec<String>,
    /// Lists of epochs, each once.
    pub epochs: Vec<Vec<i64>>,
    /// Names of what was measured: estimator and examples.
    pub views: Vec<String>,
    /// Names of what shows how layers depend on each other: measure and examples.
    pub map_views: Vec<String>,
    /// What the loss of the experiments is called, with its unit if they have one in common.
    pub loss: String,
    /// The experiments.
    pub experiments: Vec<ExperimentData>,
}

/// An experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExperimentData {
    /// Its label.
    pub label: String,
    /// Its values of the differing keys.
    pub values: Vec<String>,
    /// Runs that are done, and all.
    pub runs: [u64; 2],
    /// Mean test accuracy at the end.
    pub accuracy: Option<f64>,
    /// What was measured, each with its place in [`CohortData::views`].
    pub planes: Vec<PlaneData>,
    /// Accuracy and loss by split.
    pub curves: Vec<CurveData>,
    /// How layers depend on each other.
    pub maps: Vec<MapData>,
}

/// What was measured of an experiment by one estimator on one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaneData {
    /// Place in [`CohortData::views`].
    pub view: usize,
    /// Layers.
    pub layers: usize,
    /// What stands for all runs.
    pub average: TrajectoryData,
    /// Single runs, each with its number.
    pub runs: Vec<(i64, TrajectoryData)>,
}

/// A trajectory in the plane: I(X;T) and I(T;Y), epoch by epoch, each layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrajectoryData {
    /// Place in [`CohortData::epochs`].
    pub epochs: usize,
    /// I(X;T) in bits.
    pub x: Packed,
    /// I(T;Y) in bits.
    pub y: Packed,
}

/// How all layers depend on each other, or all units of a layer: by one measure on one split, over all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MapData {
    /// Place in [`CohortData::map_views`].
    pub view: usize,
    /// The layer whose units these are, from 0; of layers none.
    pub layer: Option<i64>,
    /// The layer of the readout: the last.
    pub readout: i64,
    /// Layers, with the input, or units.
    pub size: usize,
    /// Place in [`CohortData::epochs`].
    pub epochs: usize,
    /// Epoch by epoch, those with every one that is not before it: a row less with each.
    pub values: Packed,
}

/// Mean accuracy and loss on one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurveData {
    /// The split.
    pub split: String,
    /// Place in [`CohortData::epochs`].
    pub epochs: usize,
    /// Accuracy.
    pub accuracy: Packed,
    /// Loss, as [`CohortData::loss`] says.
    pub loss: Packed,
}

/// The page, as the bytes of an HTML file.
///
/// # Errors
/// When the data cannot be written as JSON.
pub fn cohort_page(report: &CohortReport) -> Result<String, serde_json::Error> {
    let mut html = Html::new();
    begin(&mut html, &report.name, &[]);
    html.open("main", &[]).element("h1", &[], &report.name);
    if !report.description.is_empty() {
        html.element("p", &[], &report.description);
    }
    statuses(&mut html, &report.runs);
    if !report.left_out.is_empty() {
        html.element("p", &[("class", "note")], &report.left_out);
    }
    html.markup(EXPLORER);
    html.markup("<section aria-labelledby=\"h-experiments\"><h2 id=\"h-experiments\">Experiments</h2>");
    html.markup("<p><label>Filter <input id=\"filter\" type=\"search\" placeholder=\"tanh 0.0004\"></label> <output id=\"found\"></output></p>");
    html.markup(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Experiments\"><table id=\"experiments\"></table></div><button id=\"more\" hidden>Show more</button></section>",
    );
    failures(&mut html, &report.failures);
    html.markup("<section><h2>Settings that all experiments share</h2>");
    pairs(&mut html, "Settings", &report.settings);
    html.markup("<details><summary>The cohort's file</summary>")
        .element("pre", &[], &report.source)
        .markup("</details></section>");
    html.markup("<section><h2>Tables and figures</h2><p>In the directory of this page:</p><ul>");
    for table in &report.tables {
        html.open("li", &[]).element("a", &[("href", &link(&[table])), ("download", "")], table).close("li");
    }
    for figure in &report.figures {
        html.open("li", &[]).element("a", &[("href", &link(&["figures", figure]))], &format!("figures/{figure}")).close("li");
    }
    html.markup("</ul></section><section><h2>Provenance</h2>");
    pairs(&mut html, "Provenance", &report.provenance);
    html.markup("</section></main><div id=\"tip\" role=\"status\" hidden></div>");
    html.data("data", &report.data)?;
    html.markup("<script>").markup(SCRIPT).markup("</script>");
    end(&mut html);
    Ok(html.finish())
}

/// The part that the script brings to life.
const EXPLORER: &str = r#"
<section aria-labelledby="h-plane" id="explorer"><h2 id="h-plane">Information plane</h2>
<noscript><p class="note">The plane needs scripts; the figures below show it, too.</p></noscript>
<div class="controls">
<label>Experiment <select id="experiment"></select></label>
<label>Measured by <select id="view"></select></label>
<label>Axes <select id="axes"><option value="all">the same for all</option><option value="own">of this experiment</option></select></label>
</div>
<div class="controls epochs">
<button id="play" aria-pressed="false">Play</button>
<label for="epoch">Epoch</label> <input id="epoch" type="range" min="0" max="0" value="0"> <output id="epoch-name" for="epoch"></output>
</div>
<div class="controls"><fieldset id="layers"><legend>Layers</legend></fieldset><fieldset id="runs"><legend>Runs</legend></fieldset></div>
<div class="charts">
<figure><svg id="plane" viewBox="0 0 560 420" role="group" aria-label="Information plane: I(T;Y) against I(X;T) of every layer"></svg>
<figcaption>I(T;Y) against I(X;T), in bits. Lines are the trajectory since the first epoch, points the epoch chosen: large the <span id="average">mean</span> over runs, small single runs.</figcaption></figure>
<figure><svg id="curves" viewBox="0 0 560 420" role="img" aria-label="Accuracy and loss over epochs"></svg>
<figcaption>Accuracy (above) and loss (below), means over runs.</figcaption></figure>
</div>
<details><summary>Values at this epoch</summary><div class="scroll" tabindex="0" role="region" aria-label="Values at this epoch"><table id="values"></table></div></details>
<div id="alike" hidden><h3>How layers depend on each other</h3>
<div class="controls"><label>Compared by <select id="map"></select></label></div>
<div class="scroll" tabindex="0" role="region" aria-label="How layers depend on each other"><table id="pairs" class="map"></table></div></div>
</section>
"#;

fn statuses(html: &mut Html, runs: &[(String, u64)]) {
    html.open("p", &[("class", "statuses")]);
    for (status, count) in runs {
        html.open("span", &[("class", "status"), ("data-status", status)])
            .text(&format!("{count} {status}"))
            .close("span")
            .markup(" ");
    }
    html.close("p");
}

fn failures(html: &mut Html, failures: &[[String; 3]]) {
    /// Failures on the page; the rest is counted.
    const MOST: usize = 500;
    html.markup("<section><h2>Failures</h2>");
    if failures.is_empty() {
        html.markup("<p>None.</p></section>");
        return;
    }
    scroll(html, "Failures").markup("<table><thead>").row("th", &["run", "what", "why"]).markup("</thead><tbody>");
    for [run, class, error] in failures.iter().take(MOST) {
        html.row("td", &[run, class, error]);
    }
    html.markup("</tbody></table></div>");
    if failures.len() > MOST {
        html.element("p", &[], &format!("and {} more", failures.len() - MOST));
    }
    html.markup("</section>");
}

/// A table of names and values, which has a name itself.
pub(super) fn pairs(html: &mut Html, name: &str, pairs: &[(String, String)]) {
    html.open("div", &[("class", "scroll whole"), ("tabindex", "0"), ("role", "region"), ("aria-label", name)]);
    html.markup("<table><tbody>");
    for (key, value) in pairs {
        html.open("tr", &[]).element("th", &[("scope", "row")], key).element("td", &[], value).close("tr");
    }
    html.markup("</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_are_shown_and_the_page_asks_for_nothing() {
        let hostile = "<script>alert(1)</script>";
        let words = || hostile.to_owned();
        let experiment = ExperimentData { label: words(), values: vec![words()], ..ExperimentData::default() };
        let report = CohortReport {
            name: words(),
            description: words(),
            runs: vec![("ok".into(), 3)],
            settings: vec![(words(), words())],
            failures: vec![[words(), words(), words()]],
            provenance: vec![(words(), words())],
            tables: vec![words()],
            figures: vec![words()],
            source: words(),
            left_out: words(),
            data: CohortData { keys: vec![words()], experiments: vec![experiment], ..CohortData::default() },
        };
        let page = cohort_page(&report).unwrap();
        assert!(!page.contains(hostile) && page.contains("&lt;script&gt;alert(1)"));
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(outside), "{outside}");
        }
    }
}

//! The pages of the dashboard: where cohorts stand, a cohort's runs and figures, a run, and what a search finds.

use super::cohort::pairs;
use super::html::{Html, component, scroll};
use super::{BOARD_SCRIPT, begin, end};

/// A cohort in the list of the dashboard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardRow {
    /// Its name.
    pub cohort: String,
    /// What its file says of it; may be empty.
    pub description: String,
    /// Its runs by status, those that are none left out.
    pub runs: Vec<(String, u64)>,
    /// Who is at work on it and how fast, in words; may be empty.
    pub progress: String,
}

/// A cohort's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What stands in the list, too.
    pub row: BoardRow,
    /// Runs that did not end well: name, class, reason.
    pub failures: Vec<[String; 3]>,
    /// Names of the figures.
    pub figures: Vec<String>,
    /// Names of the tables.
    pub tables: Vec<String>,
    /// Whether there are tables for a report.
    pub report: bool,
    /// The last lines of each pilot's log, by its name.
    pub logs: Vec<(String, String)>,
}

/// A run's page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunPage {
    /// COHORT:LABEL:REPEAT, of each run that shares the training.
    pub names: Vec<String>,
    /// In words: done, under way, why it waits or failed.
    pub verdict: String,
    /// Its settings.
    pub settings: Vec<(String, String)>,
    /// Every attempt: names of the columns, then a row each.
    pub attempts: Listing,
    /// What was measured, each a heading and a table.
    pub results: Vec<(String, Listing)>,
    /// What logs say of it, by their names.
    pub logs: Vec<(String, String)>,
}

/// A table: names of the columns, then a row each.
pub type Listing = (Vec<String>, Vec<Vec<String>>);

/// What is found by a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was asked for.
    pub question: String,
    /// What is wrong with the question, or how many runs were found.
    pub answer: String,
    /// Names and statuses of runs.
    pub runs: Vec<(String, String)>,
}

/// Ways at the head of each page.
const WAYS: [(&str, &str); 2] = [("Cohorts", "/"), ("Search", "/search")];
/// Failures on a page; the rest is counted.
const MOST_FAILURES: usize = 200;

fn start(title: &str) -> Html {
    let mut html = Html::new();
    begin(&mut html, title, &WAYS);
    html.open("main", &[]).element("h1", &[], title);
    html
}

fn finish(mut html: Html) -> String {
    html.close("main").markup("<script>").markup(BOARD_SCRIPT).markup("</script>");
    end(&mut html);
    html.finish()
}

fn search_form(html: &mut Html, question: &str) {
    html.markup("<form action=\"/search\" role=\"search\" class=\"controls\"><label>Find runs ");
    html.open(
        "input",
        &[("type", "search"), ("name", "q"), ("value", question), ("size", "48"), ("placeholder", "status=failed epochs>=2000")],
    );
    html.markup("</label> <button>Search</button></form>");
}

/// What the list and a cohort's page say of how it stands; the script renews it.
fn standing(html: &mut Html, row: &BoardRow) {
    html.open("div", &[("data-cohort", &row.cohort), ("aria-live", "polite")]).markup("<p class=\"statuses\">");
    for (status, count) in &row.runs {
        html.element("span", &[("class", "status"), ("data-status", status)], &format!("{count} {status}")).markup(" ");
    }
    html.markup("</p>").element("p", &[("class", "progress")], &row.progress).close("div");
}

/// The list of cohorts.
#[must_use]
pub fn board_page(store: &str, rows: &[BoardRow]) -> String {
    let mut html = start("Cohorts");
    html.element("p", &[], &format!("Store {store}"));
    search_form(&mut html, "");
    if rows.is_empty() {
        html.markup("<p>No cohort yet.</p>");
    }
    for row in rows {
        let page = format!("/cohort/{}", component(&row.cohort));
        html.markup("<section>").open("h2", &[]).element("a", &[("href", &page)], &row.cohort).close("h2");
        if !row.description.is_empty() {
            html.element("p", &[], &row.description);
        }
        standing(&mut html, row);
        html.markup("</section>");
    }
    finish(html)
}

/// A cohort.
#[must_use]
pub fn cohort_board(board: &Board) -> String {
    let name = &board.row.cohort;
    let mut html = start(name);
    if !board.row.description.is_empty() {
        html.element("p", &[], &board.row.description);
    }
    standing(&mut html, &board.row);
    html.open("p", &[]);
    if board.report {
        html.element("a", &[("href", &format!("/report/{}/report.html", component(name)))], "Report with the interactive plane")
            .markup(" · ");
    }
    html.element("a", &[("href", &format!("/search?q={}", component(name)))], "All runs").close("p");
    html.markup("<section><h2>Failures</h2>");
    if board.failures.is_empty() {
        html.markup("<p>None.</p>");
    } else {
        scroll(&mut html, "Failures").markup("<table><thead>").row("th", &["run", "what", "why"]).markup("</thead><tbody>");
        for [run, class, error] in board.failures.iter().take(MOST_FAILURES) {
            html.open("tr", &[]).open("td", &[]).element("a", &[("href", &run_link(run))], run).close("td");
            html.element("td", &[], class).element("td", &[], error).close("tr");
        }
        html.markup("</tbody></table></div>");
        if board.failures.len() > MOST_FAILURES {
            html.element("p", &[], &format!("and {} more: search for status=failed", board.failures.len() - MOST_FAILURES));
        }
    }
    html.markup("</section><section><h2>Figures</h2><div class=\"figures\">");
    for figure in &board.figures {
        let file = format!("/files/{}/figures/{}", component(name), component(figure));
        if figure.ends_with(".mp4") {
            html.open("video", &[("src", &file), ("controls", ""), ("preload", "metadata"), ("aria-label", figure)])
                .close("video");
            continue;
        }
        html.open("a", &[("href", &file)]).open("img", &[("src", &file), ("alt", figure), ("loading", "lazy")]).close("a");
    }
    html.markup("</div></section><section><h2>Tables</h2><ul>");
    for table in &board.tables {
        let file = format!("/files/{}/{}", component(name), component(table));
        html.open("li", &[]).element("a", &[("href", &file), ("download", "")], table).close("li");
    }
    html.markup("</ul></section>");
    logs(&mut html, &board.logs);
    finish(html)
}

/// What logs say; nothing where there are none.
fn logs(html: &mut Html, logs: &[(String, String)]) {
    if logs.is_empty() {
        return;
    }
    html.markup("<section><h2>Logs</h2>");
    for (name, text) in logs {
        html.open("details", &[]).element("summary", &[], name).element("pre", &[], text).close("details");
    }
    html.markup("</section>");
}

fn run_link(name: &str) -> String {
    format!("/run?id={}", component(name))
}

fn listing(html: &mut Html, name: &str, (columns, rows): &Listing) {
    scroll(html, name).markup("<table><thead>");
    html.row("th", &columns.iter().map(String::as_str).collect::<Vec<_>>()).markup("</thead><tbody>");
    for row in rows {
        html.row("td", &row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    html.markup("</tbody></table></div>");
}

/// A run.
#[must_use]
pub fn run_page(run: &RunPage) -> String {
    let mut html = start(run.names.first().map_or("Run", String::as_str));
    for other in run.names.iter().skip(1) {
        html.element("p", &[], &format!("The same training: {other}"));
    }
    html.element("p", &[("class", "note")], &run.verdict);
    html.markup("<section><h2>Attempts</h2>");
    if run.attempts.1.is_empty() {
        html.markup("<p>None.</p>");
    } else {
        listing(&mut html, "Attempts", &run.attempts);
    }
    html.markup("</section>");
    for (heading, table) in &run.results {
        html.markup("<section>").element("h2", &[], heading);
        listing(&mut html, heading, table);
        html.markup("</section>");
    }
    logs(&mut html, &run.logs);
    html.markup("<section><h2>Settings</h2>");
    pairs(&mut html, "Settings", &run.settings);
    html.markup("</section>");
    finish(html)
}

/// What a search found.
#[must_use]
pub fn search_page(found: &Found) -> String {
    let mut html = start("Search");
    search_form(&mut html, &found.question);
    html.markup(
        "<p class=\"note\">As <code>infoplane find</code> has it: a cohort, COHORT:LABEL:REPEAT, the first digits of an id, ",
    );
    html.markup("KEY=REGEX, KEY!=REGEX, KEY&lt;NUMBER, &lt;=, &gt;, &gt;=; blanks part them, quotes keep them together.</p>");
    html.element("p", &[("role", "status")], &found.answer);
    if !found.runs.is_empty() {
        scroll(&mut html, "Runs found").markup("<table><thead>").row("th", &["run", "status"]).markup("</thead><tbody>");
        for (name, status) in &found.runs {
            html.open("tr", &[]).open("td", &[]).element("a", &[("href", &run_link(name))], name).close("td");
            html.element("td", &[], status).close("tr");
        }
        html.markup("</tbody></table></div>");
    }
    finish(html)
}

/// A page that says what went wrong.
#[must_use]
pub fn problem_page(title: &str, text: &str) -> String {
    let mut html = start(title);
    html.element("p", &[("role", "alert")], text);
    finish(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_are_shown_as_words() {
        let hostile = "<script>alert(1)</script>\"'";
        let words = || hostile.to_owned();
        let row = BoardRow { cohort: words(), description: words(), runs: vec![(words(), 1)], progress: words() };
        let board = Board {
            row: row.clone(),
            failures: vec![[words(), words(), words()]; 3],
            figures: vec![words()],
            tables: vec![words()],
            report: true,
            logs: vec![(words(), words())],
        };
        let run = RunPage {
            names: vec![words(), words()],
            verdict: words(),
            settings: vec![(words(), words())],
            attempts: (vec![words()], vec![vec![words()]]),
            results: vec![(words(), (vec![words()], vec![vec![words()]]))],
            logs: vec![(words(), words())],
        };
        let found = Found { question: words(), answer: words(), runs: vec![(words(), words())] };
        let pages = [
            board_page(hostile, &[row]),
            cohort_board(&board),
            run_page(&run),
            search_page(&found),
            problem_page(hostile, hostile),
        ];
        for page in pages {
            assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;"), "{page}");
        }
    }
}

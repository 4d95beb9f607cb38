//! The overview of several cohorts: what they show of the published claims; what became of each, its report, its figures side by side.

use super::html::{Html, component, link, scroll};
use super::{begin, end};
use crate::findings::{Cell, Finding, Verdict};

/// A cohort on the overview.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its name, which is its directory beside the page.
    pub name: String,
    /// What its file says of it; may be empty.
    pub description: String,
    /// What there is to know of it, in short sentences.
    pub facts: Vec<String>,
    /// Names of its figures in `NAME/figures/`, to be shown side by side.
    pub figures: Vec<String>,
    /// Whether `NAME/report.html` is there.
    pub report: bool,
}

/// The page, as the text of an HTML file that lies beside the cohorts' directories.
#[must_use]
pub fn overview_page(title: &str, findings: &[Finding], cards: &[Card]) -> String {
    let mut html = Html::new();
    begin(&mut html, title, &[]);
    html.open("main", &[("class", "wide")]).element("h1", &[], title);
    html.markup("<nav aria-label=\"Cohorts\"><ul class=\"contents\">");
    for card in cards {
        html.open("li", &[]).element("a", &[("href", &format!("#{}", component(&card.name)))], &card.name).close("li");
    }
    html.markup("</ul></nav>");
    if !findings.is_empty() {
        tell(&mut html, findings, cards);
    }
    for card in cards {
        html.open("section", &[("id", &component(&card.name))]);
        html.element("h2", &[], &card.name);
        if !card.description.is_empty() {
            html.element("p", &[], &card.description);
        }
        for fact in &card.facts {
            html.element("p", &[], fact);
        }
        if card.report {
            html.open("p", &[])
                .element("a", &[("href", &link(&[&card.name, "report.html"]))], "Report of this cohort")
                .close("p");
        }
        html.open("div", &[("class", "figures")]);
        for figure in &card.figures {
            let file = link(&[&card.name, "figures", figure]);
            let alt = format!("{figure} of {}", card.name);
            html.open("a", &[("href", &file)]).open("img", &[("src", &file), ("alt", &alt), ("loading", "lazy")]).close("a");
        }
        html.close("div").close("section");
    }
    html.close("main");
    end(&mut html);
    html.finish()
}

/// The findings, claim by claim.
fn tell(html: &mut Html, findings: &[Finding], cards: &[Card]) {
    html.open("section", &[("id", "findings"), ("class", "findings")]).element("h2", &[], "Findings");
    html.element(
        "p",
        &[],
        "What these tables show of the published claims. Every number is computed from the tables of the cohort that is named.",
    );
    for claim in findings.chunk_by(|a, b| a.claim == b.claim) {
        let reproduced = claim.iter().filter(|finding| finding.verdict == Verdict::Reproduced).count();
        html.element("h3", &[], claim[0].claim);
        let all = claim.len();
        html.element("p", &[], &format!("Reproduced in {reproduced} of {all} cohort{}.", if all == 1 { "" } else { "s" }));
        html.markup("<ul>");
        for finding in claim {
            html.open("li", &[]);
            html.element("a", &[("href", &format!("#{}", component(&finding.cohort)))], &finding.cohort).markup(" ");
            let card = cards.iter().find(|card| card.name == finding.cohort && !card.description.is_empty());
            if let Some(card) = card {
                html.element("small", &[], &format!("({})", card.description)).markup(" ");
            }
            let verdict = finding.verdict.name();
            html.element("span", &[("class", "verdict"), ("data-verdict", verdict)], verdict).markup(" ");
            html.text(&finding.sentence);
            comparisons(html, finding);
            html.close("li");
        }
        html.markup("</ul>");
    }
    html.close("section");
}

/// The comparisons behind a finding, folded up.
fn comparisons(html: &mut Html, finding: &Finding) {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => n.to_string(),
        Cell::Number(value) => format!("{value:.3}"),
    };
    html.open("details", &[]).element("summary", &[], &format!("Comparisons ({})", finding.rows.len()));
    scroll(html, "Comparisons").markup("<table><thead>").row("th", finding.columns).markup("</thead><tbody>");
    for row in &finding.rows {
        let texts: Vec<String> = row.iter().map(cell).collect();
        html.row("td", &texts.iter().map(String::as_str).collect::<Vec<_>>());
    }
    html.markup("</tbody></table></div></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cohort_has_its_place_its_report_and_its_figures() {
        let card = |name: &str| Card {
            name: name.to_owned(),
            description: "<b>bold</b>".to_owned(),
            facts: vec!["5 of 5 runs done".to_owned()],
            figures: vec!["infoplane_train.png".to_owned(), "infoplane_test.png".to_owned()],
            report: name == "a",
        };
        let finding = |cohort: &str, verdict| Finding {
            claim: "tanh compresses",
            cohort: cohort.to_owned(),
            verdict,
            sentence: "from 8 <to> 3 bits".to_owned(),
            columns: &["experiment", "runs", "lost"],
            rows: vec![vec![Cell::Text("<i>".to_owned()), Cell::Count(5), Cell::Number(5.0)]],
        };
        let findings = [finding("a", Verdict::Reproduced), finding("b.2", Verdict::NotReproduced)];
        let page = overview_page("Study", &findings, &[card("a"), card("b.2")]);
        assert!(page.contains("Reproduced in 1 of 2 cohorts") && page.matches("<h3>").count() == 1);
        assert!(page.contains("from 8 &lt;to&gt; 3 bits") && page.contains("<td>&lt;i&gt;</td><td>5</td><td>5.000</td>"));
        assert!(!overview_page("Study", &[], &[card("a")]).contains("Findings"));
        assert!(
            page.contains("href=\"#b.2\"") && page.contains("id=\"b.2\"") && page.contains("./b.2/figures/infoplane_test.png")
        );
        assert_eq!((page.matches("<img").count(), page.matches("report.html").count()), (4, 1));
        assert!(!page.contains("<b>"));
    }
}

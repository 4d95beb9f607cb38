//! The overview of several cohorts: what became of each, its report, its figures side by side.

use super::html::{Html, link};
use super::{begin, end};

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
pub fn overview_page(title: &str, cards: &[Card]) -> String {
    let mut html = Html::new();
    begin(&mut html, title, &[]);
    html.open("main", &[("class", "wide")]).element("h1", &[], title);
    html.markup("<nav aria-label=\"Cohorts\"><ul class=\"contents\">");
    for card in cards {
        html.open("li", &[])
            .element("a", &[("href", &format!("#{}", super::html::component(&card.name)))], &card.name)
            .close("li");
    }
    html.markup("</ul></nav>");
    for card in cards {
        html.open("section", &[("id", &super::html::component(&card.name))]);
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
        let page = overview_page("Study", &[card("a"), card("b.2")]);
        assert!(
            page.contains("href=\"#b.2\"") && page.contains("id=\"b.2\"") && page.contains("./b.2/figures/infoplane_test.png")
        );
        assert_eq!((page.matches("<img").count(), page.matches("report.html").count()), (4, 1));
        assert!(!page.contains("<b>"));
    }
}

//! Chains of files: `extends = "other.toml"` takes another file as the base of this one.
//!
//! All texts of a chain are laid one behind the other, the outermost base first. Every file is parsed behind as much blank space as stands
//! before it, so that positions are places in the whole and an error is told in the file that it is in. The trees are then merged into
//! one, which the rest of the room reads like that of a single file.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::errors::Reporter;
use super::syntax::Node;
use super::values::found;

/// Files of a chain at most.
const MAX_FILES: usize = 32;

/// One file of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as errors show it.
    pub name: String,
    /// What tells whether two names are one file, as its canonical path.
    pub identity: String,
    /// Its text.
    pub text: String,
}

/// Gives the file of a path as `extends` has it, relative to the file given last; or says why it cannot.
pub type Loader<'l> = dyn FnMut(&str) -> Result<Source, String> + 'l;

/// The files of a chain, laid one behind the other.
pub(super) struct Chain {
    /// All texts, the outermost base first.
    pub(super) text: String,
    /// Where each file starts, and its name.
    pub(super) files: Vec<(usize, String)>,
    /// Why the chain is not complete.
    broken: Option<Broken>,
}

/// An `extends` that leads nowhere.
struct Broken {
    span: Range<usize>,
    message: String,
    expected: &'static str,
}

impl Chain {
    /// Follows `extends` from a file to the outermost base.
    pub(super) fn follow(first: Source, loader: &mut Loader<'_>) -> Self {
        let mut sources = vec![first];
        let mut broken = None;
        while let Some((path, span)) = sources.last().and_then(|last| extended(&last.text)) {
            match next(&sources, &path, loader) {
                Ok(source) => sources.push(source),
                Err((message, expected)) => {
                    broken = Some(Broken { span, message, expected });
                    break;
                }
            }
        }
        let mut chain = Self { text: String::new(), files: Vec::new(), broken: None };
        for source in sources.into_iter().rev() {
            if !chain.files.is_empty() {
                chain.text.push('\n');
            }
            chain.files.push((chain.text.len(), source.name));
            chain.text.push_str(&source.text);
        }
        // The last file followed comes first: its positions are those of the whole.
        chain.broken = broken;
        chain
    }

    /// Each file behind blank space in place of those before it, the outermost base first.
    pub(super) fn padded(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let ends = self.files.iter().skip(1).map(|(start, _)| start - 1).chain([self.text.len()]);
        self.files.iter().zip(ends).map(|(&(start, _), end)| {
            if start == 0 {
                return Cow::Borrowed(&self.text[..end]);
            }
            // A byte order mark is none behind other text.
            let own = &self.text[start..end];
            let own = own.strip_prefix('\u{feff}').map_or(Cow::Borrowed(own), |rest| Cow::Owned(format!("   {rest}")));
            Cow::Owned(" ".repeat(start) + &own)
        })
    }

    /// Whether the file extends no other.
    pub(super) const fn is_alone(&self) -> bool {
        self.files.len() == 1
    }

    /// Notes why the chain is not complete; says whether it is.
    pub(super) fn report(&self, reporter: &mut Reporter<'_>) -> bool {
        if let Some(Broken { span, message, expected }) = &self.broken {
            reporter.report(span, "extends", message.clone()).expected = Some((*expected).to_owned());
        }
        self.broken.is_none()
    }
}

/// The path that a text extends, and its position. What is not understood is reported when the text is read whole.
fn extended(text: &str) -> Option<(String, Range<usize>)> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let node = tree.get_ref().get("extends")?;
    Some((node.get_ref().as_str()?.to_owned(), node.span()))
}

/// The next file of a chain, or what is wrong with it.
fn next(sources: &[Source], path: &str, loader: &mut Loader<'_>) -> Result<Source, (String, &'static str)> {
    if sources.len() == MAX_FILES {
        return Err((format!("`extends` goes on for more than {MAX_FILES} files"), "a shorter chain"));
    }
    let source = loader(path).map_err(|why| (format!("`extends`: {why}"), "a cohort file, its path relative to this file"))?;
    let Some(start) = sources.iter().position(|earlier| earlier.identity == source.identity) else { return Ok(source) };
    let names: Vec<_> = sources[start..].iter().chain([&sources[start]]).map(|source| source.name.as_str()).collect();
    Err((format!("`extends` goes in a circle: {}", names.join(" → ")), "a file that does not lead back here"))
}

/// Takes `extends` out of the tree of one file.
pub(super) fn take_extends(tree: &mut DeTable<'_>, reporter: &mut Reporter<'_>) {
    if let Some(node) = tree.remove("extends").filter(|node| !node.get_ref().is_str()) {
        reporter.report(&node.span(), "extends", format!("`extends` is {}", found(&node))).expected =
            Some("a string: the path of a cohort file, relative to this file".to_owned());
    }
}

/// Puts the keys of `over` into `base`: the settings of `[experiment]` and of each launcher one by one, everything else whole. The name
/// of the base does not count.
pub(super) fn merge<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    base.remove("name");
    for (key, value) in over {
        let depth = match key.get_ref().as_ref() {
            "experiment" => 1,
            "launcher" => 2,
            _ => 0,
        };
        put(base, key, value, depth);
    }
}

/// Puts one entry; tables are merged down to `depth`.
fn put<'a>(base: &mut DeTable<'a>, key: Spanned<Cow<'a, str>>, value: Node<'a>, depth: usize) {
    let span = value.span();
    let value = match (value.into_inner(), base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut)) {
        (DeValue::Table(over), Some(DeValue::Table(below))) if depth > 0 => {
            drop_other_form(below, &over);
            over.into_iter().for_each(|(key, value)| put(below, key, value, depth - 1));
            return;
        }
        (value, _) => value,
    };
    // Taken out first: inserting alone would keep the position of the old key.
    base.remove(key.get_ref().as_ref());
    base.insert(key, Spanned::new(span, value));
}

/// A file that names its estimators in one form replaces those that its base names in the other.
fn drop_other_form(base: &mut DeTable<'_>, over: &DeTable<'_>) {
    if over.contains_key("estimators") {
        base.remove("estimator");
        base.remove("discretization_range");
    }
    if over.contains_key("estimator") {
        base.remove("estimators");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::setting::Setting;
    use super::super::{CohortErrors, Parsed, parse, parse_files};
    use super::*;
    use proptest::prelude::*;

    /// Parses the first of some files.
    fn parse_first(files: &[(&str, &str)]) -> Result<Parsed, CohortErrors> {
        let all: BTreeMap<&str, &str> = files.iter().copied().collect();
        let source = |name: &str| {
            let text = all.get(name).ok_or_else(|| format!("no {name}"))?;
            Ok(Source { name: name.to_owned(), identity: name.to_owned(), text: (*text).to_owned() })
        };
        parse_files(source(files[0].0).unwrap(), &mut |path| source(path))
    }

    /// The messages of bad files, with file and line.
    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let errors = parse_first(files).unwrap_err().errors;
        errors.iter().map(|e| format!("{}:{}:{}: {}", e.source_name, e.line, e.column, e.message)).collect()
    }

    #[test]
    fn this_file_overrides_key_by_key() {
        let base = "name = 'base'\ndescription = 'kept'\nn_runs = 3\nseed = 1\n[experiment]\nepochs = 5\nbatch_size = 7\n\
                    [grid]\nactivation_fn = ['tanh', 'relu']\n[[exclude]]\nactivation_fn = 'relu'\n[launcher.local]\nworkers = 2";
        let top = "extends = 'b'\nname = 'top'\nseed = 2\nexclude = []\n[experiment]\nepochs = 6\n[launcher.local]\nthreads = 4";
        let Parsed { cohort, text, .. } = parse_first(&[("a", top), ("b", base)]).unwrap();
        assert_eq!((cohort.name.as_str(), cohort.description.as_str()), ("top", "kept"));
        assert_eq!((cohort.n_runs, cohort.seed), (3, 2));
        assert_eq!(cohort.base, [Setting::BatchSize(7), Setting::Epochs(6)]);
        assert_eq!(cohort.points().count(), 2);
        assert_eq!((cohort.launcher.local.workers, cohort.launcher.local.threads), (Some(2), Some(4)));
        assert_eq!(parse("copy", &text).unwrap(), cohort);
    }

    #[test]
    fn sections_are_replaced_whole_and_chains_are_followed() {
        let files = [
            ("a", "extends = 'b'\nname = 'a'\n[grid]\nbatch_size = [1, 2, 3]"),
            ("b", "extends = 'c'\n[[zip]]\nseed_offset = [0, 1]"),
            ("c", "[grid]\nactivation_fn = ['tanh', 'relu']\n[experiment]\nestimator = 'upper'\ndiscretization_range = 0.1"),
        ];
        let cohort = parse_first(&files).unwrap().cohort;
        assert_eq!(cohort.points().count(), 6);
        // The other form of naming estimators is replaced, too.
        let over = [("a", "extends = 'c'\nname = 'a'\n[experiment]\nestimators = ['lower']"), files[2]];
        assert_eq!(parse_first(&over).unwrap().cohort.points().next().unwrap().settings.estimators[0].name(), "lower");
    }

    #[test]
    fn errors_are_told_in_the_file_that_they_are_in() {
        let files = [
            ("a", "\u{feff}extends = 'b'\n[experiment]\nepohcs = 1\n[[exclude]]\nbatch_size = 9"),
            ("b", "extends = 'c'\nn_runs = 0\n[grid]\nbatch_size = [1, 2]"),
            ("c", "\u{feff}name = 'c'\nseed = tanh\n[experiment]\nlearning_rate = 'x'"),
        ];
        let expected = [
            "c:2:8: `tanh` is no TOML value",
            "c:4:17: `learning_rate` is the string \"x\"",
            "b:2:10: `n_runs` is the integer 0",
            "a:1:1: the cohort has no `name`",
            "a:3:1: unknown key `epohcs` in experiment",
            "a:5:14: no point has batch_size = 9",
        ];
        assert_eq!(messages(&files), expected);
    }

    #[test]
    fn a_chain_that_leads_nowhere_is_an_error_where_it_breaks() {
        let name = |extends| format!("name = 'x'\nextends = {extends}\n[grid]\n");
        assert_eq!(messages(&[("a", "name = 'a'\nextends = 'b'")]), ["a:2:11: `extends`: no b"]);
        assert_eq!(messages(&[("a", "name = 'a'\nextends = 1")]), ["a:2:11: `extends` is the integer 1"]);
        let circle = [("a", "name = 'a'\nextends = 'b'"), ("b", "extends = 'c'"), ("c", "# c\nextends = 'b'")];
        assert_eq!(messages(&circle), ["c:2:11: `extends` goes in a circle: b → c → b"]);
        assert_eq!(messages(&[("a", &name("'a'"))])[0], "a:2:11: `extends` goes in a circle: a → a");
        assert!(parse("f", "name = 'f'\nextends = 'g'").unwrap_err().to_string().contains("stands alone"));
    }

    proptest! {
        /// Splitting the lines of a cohort between a file and its base changes nothing, and neither does flattening.
        #[test]
        fn a_split_cohort_means_the_same(place in proptest::collection::vec(any::<bool>(), 8)) {
            let parts = [
                ("description = 'a \"b\" \\ c'", ""), ("n_runs = 3", ""), ("seed = 0x10", ""),
                ("epochs = 1_000", "experiment"), ("learning_rate = 1e-3", "experiment"),
                ("estimators = ['binning', { upper = { noise_variance = 1e-2 } }]", "experiment"),
                ("activation_fn = ['tanh', 'relu']\n'two words' = [{ label = 'l', set = { batch_size = 7 } }]", "grid"),
                ("initial_bias = [0.0, 1]\nseed_offset = [0, 1]", "zip"),
            ];
            let file = |chosen: &dyn Fn(bool) -> bool| {
                let of = |section: &str| {
                    let lines = parts.iter().zip(&place).filter(|((_, s), p)| *s == section && chosen(**p));
                    lines.map(|((line, _), _)| format!("{line}\n")).collect::<String>()
                };
                let section = |header: &str, name| if of(name).is_empty() { String::new() } else { format!("{header}\n{}", of(name)) };
                [of(""), section("[experiment]", "experiment"), section("[grid]", "grid"), section("[[zip]]", "zip")].concat()
            };
            let whole = parse("f", &format!("name = 'n'\n{}", file(&|_| true))).unwrap();
            let (top, base) = (format!("extends = 'b'\nname = 'n'\n{}", file(&|p| p)), file(&|p| !p));
            let split = parse_first(&[("a", &top), ("b", &base)]).unwrap();
            let sorted = |mut cohort: super::super::Cohort| {
                cohort.base.sort_by_key(Setting::key);
                cohort
            };
            prop_assert_eq!(sorted(parse("copy", &split.text).unwrap()), sorted(whole.clone()));
            prop_assert_eq!(sorted(split.cohort), sorted(whole));
        }
    }
}

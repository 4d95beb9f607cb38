//! Which data a training is on: what a cohort file names, and, once it is found, where it lies and what it holds.
//!
//! A generated set is known from its name. All others lie in files: a name stands for published files in the data directory, a table says
//! which files of which format. Nothing here reads a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::harmonics;
use super::spec::DatasetName;

/// Share of the examples that is trained on where neither a share nor test files are given.
pub const TRAIN_SHARE: f64 = 0.8;

/// A published data set, by name; its files are looked for in the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Published {
    /// 70,000 handwritten digits of 28 × 28 pixels, 10,000 of them for testing.
    Mnist,
    /// 70,000 pictures of clothes, in the format of MNIST.
    FashionMnist,
    /// 60,000 colour pictures of 32 × 32 pixels in ten classes, 10,000 of them for testing.
    Cifar10,
    /// 8,124 mushrooms by 22 nominal attributes, edible or poisonous (UCI).
    Mushroom,
}

impl Published {
    /// Every published set, in the order of the documentation.
    pub const ALL: &'static [Self] = &[Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Mushroom];

    /// The name used in cohort files and tables, and of its directory.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion_mnist",
            Self::Cifar10 => "cifar10",
            Self::Mushroom => "mushroom",
        }
    }
}

/// A file format of examples with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Format {
    /// Pictures and labels in two IDX files, compressed or not.
    Idx,
    /// Pictures with labels in the binary version of CIFAR-10.
    Cifar,
    /// Arrays of an `.npz` archive.
    Npz,
    /// Two `.npy` files.
    Npy,
    /// Matrices of a MATLAB file of version 5.
    Mat,
    /// Comma-separated numbers, one column of them the label.
    Csv,
    /// Columns of numbers, one of them the label.
    Parquet,
    /// `agaricus-lepiota.data`: letters by commas, the label first.
    Mushroom,
}

/// What a field of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// The path of a file.
    Path,
    /// One path or several: files of the same kind, laid one behind the other.
    Paths,
    /// The name of an array.
    Name,
    /// The name of a column, or its number.
    Column,
}

/// A field of the table that describes a set of files.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub key: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be given.
    pub required: bool,
    /// What holds where it is not given, if anything does.
    pub default: Option<&'static str>,
}

const fn path(key: &'static str) -> Field {
    Field { key, kind: FieldKind::Path, required: true, default: None }
}

const fn test(key: &'static str) -> Field {
    Field { key, kind: FieldKind::Path, required: false, default: None }
}

const fn name(key: &'static str, default: &'static str) -> Field {
    Field { key, kind: FieldKind::Name, required: false, default: Some(default) }
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Idx, Self::Npz, Self::Npy, Self::Csv, Self::Parquet, Self::Mat, Self::Cifar, Self::Mushroom];

    /// The name used in cohort files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idx => "idx",
            Self::Cifar => "cifar",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::Mat => "mat",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Mushroom => "mushroom",
        }
    }

    /// The fields of its table, `train_fraction` apart. Those that begin with `test_` are given together or not at all.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        const IDX: &[Field] = &[path("images"), path("labels"), test("test_images"), test("test_labels")];
        const NPZ: &[Field] = &[
            path("path"),
            name("inputs", "x"),
            name("labels", "y"),
            test("test_path"),
            Field { key: "test_inputs", kind: FieldKind::Name, required: false, default: None },
            Field { key: "test_labels", kind: FieldKind::Name, required: false, default: None },
        ];
        const NPY: &[Field] = &[path("inputs"), path("labels"), test("test_inputs"), test("test_labels")];
        const MAT: &[Field] = &[path("path"), name("inputs", "F"), name("labels", "y"), test("test_path")];
        const TABLE: &[Field] =
            &[path("path"), Field { key: "label", kind: FieldKind::Column, required: true, default: None }, test("test_path")];
        const CIFAR: &[Field] = &[
            Field { key: "path", kind: FieldKind::Paths, required: true, default: None },
            Field { key: "test_path", kind: FieldKind::Paths, required: false, default: None },
        ];
        const MUSHROOM: &[Field] = &[path("path")];
        match self {
            Self::Idx => IDX,
            Self::Npz => NPZ,
            Self::Npy => NPY,
            Self::Mat => MAT,
            Self::Csv | Self::Parquet => TABLE,
            Self::Cifar => CIFAR,
            Self::Mushroom => MUSHROOM,
        }
    }
}

/// A set of files: `{ idx = { images = PATH, labels = PATH } }` and the like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    /// Their format.
    pub format: Format,
    /// The fields that are given, by key.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Share of the examples that is trained on, if it is given.
    pub train_fraction: Option<f64>,
    /// The directory of the cohort file, for paths that do not begin with a slash; no part of what the set means.
    pub dir: String,
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        (self.format, &self.fields, self.train_fraction) == (other.format, &other.fields, other.train_fraction)
    }
}

impl Files {
    /// The value of a field, given or by default; empty where it has none.
    #[must_use]
    pub fn value(&self, key: &str) -> &str {
        let default = || self.format.fields().iter().find(|field| field.key == key)?.default;
        self.fields.get(key).and_then(|values| values.first()).map(String::as_str).or_else(default).unwrap_or_default()
    }

    /// The values of a field that may have several.
    #[must_use]
    pub fn values(&self, key: &str) -> &[String] {
        self.fields.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether test examples come from files of their own.
    #[must_use]
    pub fn has_test_files(&self) -> bool {
        self.fields.keys().any(|key| key.starts_with("test_"))
    }

    /// Format and given values, as in `csv(iris.csv,species)`.
    #[must_use]
    pub fn text(&self) -> String {
        let given = self.format.fields().iter().filter_map(|field| self.fields.get(field.key)).flatten().cloned();
        let fraction = self.train_fraction.map(|fraction| format!("{fraction:?}"));
        format!("{}({})", self.format.name(), given.chain(fraction).collect::<Vec<_>>().join(","))
    }
}

/// What a cohort file gives as `dataset`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// A set that is generated.
    Generated(DatasetName),
    /// A published set.
    Published(Published),
    /// Files.
    Files(Arc<Files>),
}

impl Source {
    /// Names of all sets that have one, in the order of the documentation.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DatasetName::ALL.iter().map(|v| v.name()).chain(Published::ALL.iter().map(|v| v.name()))
    }

    /// The set of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let generated = DatasetName::ALL.iter().find(|v| v.name() == name).map(|v| Self::Generated(*v));
        generated.or_else(|| Published::ALL.iter().find(|v| v.name() == name).map(|v| Self::Published(*v)))
    }

    /// The set's name, or format and values of its table: two sources of one text are the same, in whatever directory.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Generated(name) => name.name().to_owned(),
            Self::Published(name) => name.name().to_owned(),
            Self::Files(files) => files.text(),
        }
    }
}

/// What was found of a set that lies in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The files, by absolute paths.
    pub files: Files,
    /// Hash of the content: what a training's id knows of its data.
    pub fingerprint: String,
    /// Its size.
    pub size: Size,
}

/// Size of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Examples.
    pub examples: u32,
    /// Examples that are trained on.
    pub train: u32,
    /// Inputs of an example.
    pub inputs: u32,
    /// Classes.
    pub classes: u32,
}

/// The data of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSpec {
    /// What the cohort file says.
    pub source: Source,
    /// What that was found to be; nothing for a generated set, which needs no finding.
    pub found: Option<Arc<Found>>,
}

impl From<DatasetName> for DataSpec {
    fn from(name: DatasetName) -> Self {
        Source::Generated(name).into()
    }
}

impl From<Source> for DataSpec {
    fn from(source: Source) -> Self {
        Self { source, found: None }
    }
}

impl DataSpec {
    /// Hash of the content. Empty for files that are yet to be found: whoever asks for ids finds them first.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match (&self.source, &self.found) {
            (_, Some(found)) => &found.fingerprint,
            (Source::Generated(name), None) => name.fingerprint(),
            (Source::Published(_) | Source::Files(_), None) => "",
        }
    }

    /// Share of the examples that is trained on; nothing where test files are given, which settle it.
    #[must_use]
    pub fn train_fraction(&self) -> Option<f64> {
        let files = match (&self.source, &self.found) {
            (_, Some(found)) => &found.files,
            (Source::Files(files), None) => files,
            (Source::Generated(_) | Source::Published(_), None) => return Some(TRAIN_SHARE),
        };
        (!files.has_test_files()).then(|| files.train_fraction.unwrap_or(TRAIN_SHARE))
    }

    /// Its size; nothing for files that are yet to be found.
    #[must_use]
    pub fn size(&self) -> Size {
        let harmonics = Size {
            examples: harmonics::EXAMPLES as u32,
            train: (harmonics::EXAMPLES as f64 * TRAIN_SHARE).round() as u32,
            inputs: harmonics::INPUTS as u32,
            classes: 2,
        };
        match (&self.source, &self.found) {
            (_, Some(found)) => found.size,
            (Source::Generated(_), None) => harmonics,
            (Source::Published(_) | Source::Files(_), None) => Size { examples: 0, train: 0, inputs: 0, classes: 0 },
        }
    }

    /// Compact JSON of the source, for tables: a name, or a table of the fields given.
    #[must_use]
    pub fn json(&self) -> String {
        let Source::Files(files) = &self.source else { return self.source.text() };
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut fields = String::new();
        for (key, values) in &files.fields {
            let value = match values.as_slice() {
                [one] => quoted(one),
                several => format!("[{}]", several.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(",")),
            };
            // Writing to a string cannot fail.
            let _ = write!(fields, "{}{}:{value}", if fields.is_empty() { "" } else { "," }, quoted(key));
        }
        if let Some(fraction) = files.train_fraction {
            let _ = write!(fields, ",\"train_fraction\":{fraction:?}");
        }
        format!("{{\"{}\":{{{fields}}}}}", files.format.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_sets() {
        let names: Vec<_> = Source::names().collect();
        assert_eq!(names.len(), DatasetName::ALL.len() + Published::ALL.len());
        for name in names {
            assert_eq!(Source::by_name(name).map(|source| source.text()).as_deref(), Some(name));
        }
        assert_eq!(Source::by_name("Mnist"), None);
    }

    #[test]
    fn files_are_told_by_what_is_given() {
        let fields = [("path", "a \"b\".csv"), ("label", "y")].map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
        let files = Files { format: Format::Csv, fields: fields.into(), train_fraction: Some(0.5), dir: "x".into() };
        assert_eq!((files.value("label"), files.value("test_path"), files.has_test_files()), ("y", "", false));
        let spec = DataSpec::from(Source::Files(Arc::new(Files { dir: "elsewhere".into(), ..files.clone() })));
        assert_eq!(spec.source, Source::Files(Arc::new(files)));
        assert_eq!(spec.source.text(), "csv(a \"b\".csv,y,0.5)");
        let json: serde_json::Value = serde_json::from_str(&spec.json()).unwrap();
        assert_eq!(json, serde_json::json!({ "csv": { "path": "a \"b\".csv", "label": "y", "train_fraction": 0.5 } }));
        assert_eq!((spec.fingerprint(), spec.train_fraction()), ("", Some(0.5)));
    }
}

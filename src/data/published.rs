//! The files of the published sets: how they are called, in which directories they are looked for, where they come from.

use crate::train::source::{Format, Published};

/// A file of a published set.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The field of the format's table that it stands for.
    pub field: &'static str,
    /// Its names, the one that it is fetched under first.
    pub names: &'static [&'static str],
    /// MD5 of the file of the first name as it is published, where that is known.
    pub md5: Option<&'static str>,
}

/// A published set.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// Its name.
    pub published: Published,
    /// The format of its files.
    pub format: Format,
    /// Directories below the data directory, the one that it is fetched into first; "" is the data directory itself.
    pub dirs: &'static [&'static str],
    /// Its files, in the order in which they are read.
    pub files: &'static [File],
    /// Where it is fetched from: what stands before the names of its files.
    pub url: &'static str,
    /// The archive that the files are in there, and its MD5.
    pub archive: Option<(&'static str, &'static str)>,
    /// Examples to train on, and to test on; 0 where the set does not say.
    pub examples: (usize, usize),
    /// Inputs, and classes.
    pub shape: (usize, usize),
}

const TRAIN_IMAGES: &[&str] = &["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "train-images.idx3-ubyte"];
const TRAIN_LABELS: &[&str] = &["train-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte", "train-labels.idx1-ubyte"];
const TEST_IMAGES: &[&str] = &["t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"];
const TEST_LABELS: &[&str] = &["t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"];

/// Pictures to train on with their labels, and such to test on, with the MD5 of each file.
const fn pictures(md5: [&'static str; 4]) -> [File; 4] {
    [
        File { field: "images", names: TRAIN_IMAGES, md5: Some(md5[0]) },
        File { field: "labels", names: TRAIN_LABELS, md5: Some(md5[1]) },
        File { field: "test_images", names: TEST_IMAGES, md5: Some(md5[2]) },
        File { field: "test_labels", names: TEST_LABELS, md5: Some(md5[3]) },
    ]
}

// Checksums of both are those that torchvision checks its downloads by.
const MNIST: Set = Set {
    published: Published::Mnist,
    format: Format::Idx,
    dirs: &["mnist", "MNIST/raw"],
    files: &pictures([
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ]),
    url: "https://ossci-datasets.s3.amazonaws.com/mnist/",
    archive: None,
    examples: (60_000, 10_000),
    shape: (784, 10),
};

const FASHION_MNIST: Set = Set {
    published: Published::FashionMnist,
    dirs: &["fashion_mnist", "FashionMNIST/raw"],
    files: &pictures([
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ]),
    url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ..MNIST
};

const fn batch(field: &'static str, names: &'static [&'static str]) -> File {
    File { field, names, md5: None }
}

// The archive's checksum stands on the page of its authors.
const CIFAR10: Set = Set {
    published: Published::Cifar10,
    format: Format::Cifar,
    dirs: &["cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"],
    files: &[
        batch("path", &["data_batch_1.bin"]),
        batch("path", &["data_batch_2.bin"]),
        batch("path", &["data_batch_3.bin"]),
        batch("path", &["data_batch_4.bin"]),
        batch("path", &["data_batch_5.bin"]),
        batch("test_path", &["test_batch.bin"]),
    ],
    url: "https://www.cs.toronto.edu/~kriz/",
    archive: Some(("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")),
    examples: (50_000, 10_000),
    shape: (3072, 10),
};

const MUSHROOM: Set = Set {
    published: Published::Mushroom,
    format: Format::Mushroom,
    dirs: &["mushroom", "mushrooms", ""],
    files: &[File { field: "path", names: &["agaricus-lepiota.data"], md5: None }],
    url: "https://archive.ics.uci.edu/ml/machine-learning-databases/mushroom/",
    archive: None,
    examples: (8_124, 0),
    shape: (117, 2),
};

impl Set {
    /// The set of a name.
    #[must_use]
    pub const fn of(published: Published) -> &'static Self {
        match published {
            Published::Mnist => &MNIST,
            Published::FashionMnist => &FASHION_MNIST,
            Published::Cifar10 => &CIFAR10,
            Published::Mushroom => &MUSHROOM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_fill_the_fields_of_their_format() {
        for published in Published::ALL {
            let set = Set::of(*published);
            assert_eq!(set.published, *published);
            let is_field = |key: &str| set.format.fields().iter().any(|field| field.key == key);
            assert!(set.files.iter().all(|file| is_field(file.field) && !file.names.is_empty()));
            let required = set.format.fields().iter().filter(|field| field.required);
            assert!(required.into_iter().all(|field| set.files.iter().any(|file| file.field == field.key)));
            assert!(set.files.iter().filter_map(|file| file.md5).chain(set.archive.map(|a| a.1)).all(|md5| md5.len() == 32));
        }
    }
}

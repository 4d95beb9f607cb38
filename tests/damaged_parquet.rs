//! The reader of Parquet columns against bytes that somebody has damaged: an error or examples, never a panic.
//!
//! `INFOPLANE_TEST_CASES` says how many inputs there are; 3,000 if it is not set.

use std::fs::{self, File};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use infoplane::data::Limit;
use infoplane::store::columns;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[test]
fn damage_is_an_error() {
    let cases = std::env::var("INFOPLANE_TEST_CASES").ok().map_or(3_000, |text| text.parse().expect("a number"));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("d.parquet");
    let columns: [(&str, ArrayRef); 3] = [
        ("a", Arc::new(Float64Array::from_iter_values((0..50).map(f64::from)))),
        ("b", Arc::new(Int32Array::from_iter_values(0..50))),
        ("kind", Arc::new(StringArray::from_iter_values((0..50).map(|e| if e % 2 == 0 { "x" } else { "w" })))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a table");
    let mut writer = ArrowWriter::try_new(File::create(&path).expect("a file"), batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a file");
    let whole = fs::read(&path).expect("a file");
    let read = || columns::read(&path, Limit(1 << 20)).and_then(|columns| columns.examples("kind", Limit(1 << 20)));
    assert!(read().is_ok());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() });
    let damage = proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4);
    let tried = runner.run(&(damage, any::<usize>(), any::<bool>()), |(bytes, cut, cuts)| {
        let mut damaged = whole.clone();
        bytes.iter().for_each(|(at, byte)| damaged[at % whole.len()] = *byte);
        if cuts {
            damaged.truncate(cut % whole.len());
        }
        fs::write(&path, &damaged).expect("a file");
        // Either will do.
        drop(read());
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

//! The readers of other people's Parquet files against bytes that somebody has damaged: an error or as many examples as were written, never a
//! panic. (Values are not covered: pages carry no checksum, unless whoever wrote them asked for one.)
//!
//! `INFOPLANE_TEST_CASES` says how many inputs there are; 3,000 if it is not set.

use std::fs::{self, File};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use infoplane::data::Limit;
use infoplane::store::columns;
use infoplane::store::tables::Numbers;
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
        // What is still read has every row, of numbers. Nothing tells whether they are the ones that were written.
        if let Ok(part) = read() {
            prop_assert_eq!(part.labels.len(), 50);
        }
        let opened = Numbers::open(&path);
        if let Ok(numbers) = opened {
            let mut rows = 0;
            let all: Vec<usize> = (0..numbers.names().len()).collect();
            let counted = numbers.read(&all[..all.len().min(2)], &mut |row, values| {
                assert!(row == rows && values.len() == all.len().min(2), "row {row}");
                rows += 1;
                Ok(())
            });
            prop_assert!(counted.is_err() || (rows == 50 && numbers.rows() == 50), "{} of {} rows", rows, numbers.rows());
        }
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

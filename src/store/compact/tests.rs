//! Tests of compaction: with writers and readers beside it, after failures at every operation, and over damage.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::disk::faulty::FaultyDisk;
use super::super::records::Record;
use super::super::records::samples::{record, small};
use super::super::{OsDisk, Store};
use super::*;

const ALL: Request<'static> = Request { extent: Extent::All, wants: None, dry_run: false };

/// Three abandoned segments with records 0 to 29; 8, 9 and 18, 19 stand twice.
fn three(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    for third in 0..3_u8 {
        let writer = store.writer(|_| ()).unwrap();
        (third * 10..(third * 10 + 12).min(30)).for_each(|n| assert!(writer.append(&small(n)).is_ok()));
    }
    store
}

fn files(store: &Store) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(store.segments()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_has_all(store: &Store) {
    let index = store.index().unwrap();
    for n in 0..30 {
        assert!(index.contains(small(n).id()));
        assert_eq!(index.read(small(n).id()).unwrap(), Some(small(n)), "record {n}");
    }
    assert!(!index.contains(small(30).id()));
    assert!(index.damage().is_empty(), "{:?}", index.damage());
}

#[test]
fn abandoned_segments_become_one_and_a_second_time_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let dry = store.compact(&Request { dry_run: true, ..ALL }).unwrap();
    assert_eq!((dry.merged, dry.records, dry.copies, files(&store).len()), (3, 30, 4, 3));
    let done = store.compact(&ALL).unwrap();
    assert_eq!((done.merged, done.records, done.copies, done.held), (3, 30, 4, 0));
    let after = files(&store);
    assert_eq!(after.len(), 1);
    assert_has_all(&store);
    assert_eq!((store.compact(&ALL).unwrap().merged, files(&store)), (0, after));
}

#[test]
fn what_a_writer_adds_meanwhile_stays_where_locks_do_not_reach() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let writer = store.writer(|_| ()).unwrap();
    let commit = |n| writer.append(&small(n)).and_then(|_| writer.flush());
    commit(1).unwrap();
    let path = list_segments(&store.segments()).unwrap().remove(0);
    // As another host sees it: no lock in the way.
    let source = |file: File| Source { path: path.clone(), length: file.metadata().unwrap().len(), file, sealed: false };
    let looked_at = source(File::open(&path).unwrap());
    commit(2).unwrap();
    remove(&OsDisk, &store.segments(), vec![(looked_at, false)], &mut Compaction::default()).unwrap();
    assert_eq!(list_segments(&store.segments()).unwrap(), std::slice::from_ref(&path), "it had grown");
    commit(3).unwrap();
    assert!([1, 2, 3].iter().all(|n| store.index().unwrap().contains(small(*n).id())));
    // Once it is gone the writer tells of nothing more.
    let looked_at = source(File::open(&path).unwrap());
    remove(&OsDisk, &store.segments(), vec![(looked_at, false)], &mut Compaction::default()).unwrap();
    assert!(commit(4).is_err() && list_segments(&store.segments()).unwrap().is_empty());
}

#[test]
fn a_segment_that_was_about_to_go_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let one = list_segments(&store.segments()).unwrap().remove(0);
    fs::rename(&one, one.with_extension(LEAVING)).unwrap();
    assert_eq!(store.compact(&ALL).unwrap().merged, 3);
    assert_eq!(files(&store).len(), 1);
    assert_has_all(&store);
}

#[test]
fn a_segment_that_is_written_stays_and_goes_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let writer = store.writer(|_| ()).unwrap();
    writer.append(&small(40)).unwrap();
    writer.flush().unwrap();
    let done = store.compact(&ALL).unwrap();
    assert_eq!((done.merged, done.held, files(&store).len()), (3, 1, 2));
    writer.append(&small(41)).unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert_eq!(store.compact(&ALL).unwrap().merged, 2);
    let index = store.index().unwrap();
    assert!(index.contains(small(40).id()) && index.contains(small(41).id()) && files(&store).len() == 1);
}

#[test]
fn a_segment_taken_away_from_its_writer_ends_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let writer = store.writer(|_| ()).unwrap();
    writer.append(&small(1)).unwrap();
    writer.flush().unwrap();
    for name in files(&store) {
        fs::remove_file(store.segments().join(name)).unwrap();
    }
    writer.append(&small(2)).unwrap();
    assert!(writer.flush().is_err() && writer.append(&small(3)).is_err());
}

#[test]
fn a_reader_with_an_older_index_still_finds_every_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let (old, mut refreshed) = (store.index().unwrap(), store.index().unwrap());
    store.compact(&ALL).unwrap();
    for n in 0..30 {
        assert_eq!(old.read(small(n).id()).unwrap(), Some(small(n)));
        assert!(old.contains(small(n).id()) && old.verify(small(n).id()).unwrap());
    }
    assert_eq!(refreshed.refresh().unwrap(), 0);
    assert!((0..30).all(|n| refreshed.contains(small(n).id())) && !refreshed.contains(small(30).id()));
}

#[test]
fn readers_and_writers_beside_compactions_miss_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    std::thread::scope(|scope| {
        let work: Vec<_> = (0..2_u8)
            .map(|half| {
                let store = &store;
                scope.spawn(move || {
                    for n in 0..40 {
                        // A writer each: many segments come and go.
                        let writer = store.writer(|_| ()).unwrap();
                        writer.append(&small(100 + half * 40 + n)).unwrap();
                        writer.flush().unwrap();
                    }
                })
            })
            .collect();
        while !work.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            store.compact(&ALL).unwrap();
            assert_has_all(&store);
        }
    });
    store.compact(&ALL).unwrap();
    let index = store.index().unwrap();
    assert!((100..180).all(|n| index.read(small(n).id()).unwrap() == Some(small(n))) && files(&store).len() == 1);
}

#[test]
fn every_failing_operation_leaves_every_record() {
    for make in [FaultyDisk::new, FaultyDisk::once] {
        let mut fail_at = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            let store = three(dir.path());
            let disk = make(fail_at);
            let faulty = Store::open_on(Arc::new(disk.clone()), dir.path()).unwrap();
            let result = faulty.compact(&ALL);
            assert_has_all(&store);
            if !disk.has_failed() {
                result.unwrap();
                break;
            }
            assert!(result.is_err(), "operation {fail_at}");
            // On a disk that works again nothing stays of it.
            store.compact(&ALL).unwrap();
            assert_has_all(&store);
            assert!(files(&store).len() == 1 && !files(&store)[0].starts_with('.'), "operation {fail_at}: {:?}", files(&store));
            fail_at += 1;
        }
        // Create, write, sync, rename, sync of the directory, three renames and removals, sync.
        assert_eq!(fail_at, 12);
    }
}

#[test]
fn files_of_others_and_torn_beginnings() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let foreign = store.segments().join("notes.seg");
    fs::write(&foreign, "experiment,run\n".repeat(50)).unwrap();
    for (name, bytes) in [("a.seg", &b""[..]), ("b.seg", &segment_header()[..9]), ("c.seg", &[0; 300])] {
        fs::write(store.segments().join(name), bytes).unwrap();
    }
    let done = store.compact(&ALL).unwrap();
    assert_eq!((done.merged, done.records, done.damage.len()), (6, 30, 0));
    assert!(foreign.is_file() && files(&store).len() == 2);
    assert_eq!(store.compact(&ALL).unwrap().merged, 0);
}

#[test]
fn damage_is_named_set_aside_and_never_copied() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    // The last byte of the first segment is in the payload of record 11, which stands in the second, too.
    for name in files(&store) {
        let path = store.segments().join(&name);
        let mut bytes = fs::read(&path).unwrap();
        if bytes[SEGMENT_HEADER + 8] == 0 {
            *bytes.last_mut().unwrap() ^= 1;
            bytes[SEGMENT_HEADER + FRAME_HEADER + 3] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let done = store.compact(&ALL).unwrap();
    assert_eq!((done.damage.len(), done.set_aside.len(), done.records), (2, 1, 29), "{done:?}");
    assert!(done.set_aside[0].is_file());
    let index = store.index().unwrap();
    assert!(index.damage().is_empty() && !index.contains(small(0).id()));
    assert!((1..30).all(|n| index.read(small(n).id()).unwrap() == Some(small(n))));
}

#[test]
fn a_sealed_segment_with_a_flipped_bit_anywhere_costs_one_record_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    store.compact(&ALL).unwrap();
    let path = store.segments().join(&files(&store)[0]);
    let bytes = fs::read(&path).unwrap();
    for byte in (0..bytes.len()).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1 << (byte % 8);
        fs::write(&path, &flipped).unwrap();
        let index = store.index().unwrap();
        let read: Vec<bool> = (0..30)
            .map(|n| {
                let found = index.read(small(n).id()).unwrap();
                assert!(found.is_none() || found == Some(small(n)), "byte {byte}: a wrong record");
                found.is_some()
            })
            .collect();
        assert!(read.iter().filter(|&&found| !found).count() <= 1, "byte {byte}: {read:?}");
        // A header of the segment that the footer makes needless is not read.
        assert!(!index.damage().is_empty() || byte < SEGMENT_HEADER || read.iter().all(|&found| found), "byte {byte}");
    }
    // A cut one is walked like any other.
    for cut in (0..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let index = store.index().unwrap();
        (0..30).for_each(|n| assert!(index.read(small(n).id()).unwrap().is_none_or(|found| found == small(n))));
    }
}

#[test]
fn what_nobody_wants_goes_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let none = |_: Id| false;
    let training = Id([0xAA; 16]);
    let all = |id: Id| id == training;
    let keep = store.compact(&Request { wants: Some(&all), ..ALL }).unwrap();
    assert_eq!((keep.records, keep.dropped), (30, 0));
    let dry = store.compact(&Request { wants: Some(&none), dry_run: true, ..ALL }).unwrap();
    assert_eq!((dry.dropped, dry.records), (30, 0));
    assert_has_all(&store);
    store.compact(&Request { wants: Some(&none), ..ALL }).unwrap();
    assert!(files(&store).is_empty() && store.index().unwrap().is_empty());
}

proptest! {
    #[test]
    fn merged_records_are_the_records(records in proptest::collection::vec(record(), 1..12), cut in 0..12_usize) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_on(Arc::new(OsDisk), dir.path()).unwrap();
        let (first, second) = records.split_at(cut.min(records.len()));
        for part in [first, second] {
            let writer = store.writer(|_| ()).unwrap();
            part.iter().for_each(|record| assert!(writer.append(record).is_ok()));
        }
        let before = store.index().unwrap();
        let attempts = |index: &super::super::Index| -> Vec<_> {
            records.iter().map(|r| if let Record::Attempt(a) = r { index.attempts(a.training).unwrap() } else { vec![] }).collect()
        };
        let expected = attempts(&before);
        store.compact(&ALL).unwrap();
        let after = store.index().unwrap();
        for record in &records {
            prop_assert_eq!(after.read(record.id()).unwrap(), before.read(record.id()).unwrap());
        }
        prop_assert_eq!(attempts(&after), expected);
    }
}

//! Tests of the index: segments cut anywhere, with bits flipped anywhere, and growing while it is read.

use proptest::prelude::*;

use super::super::Store;
use super::super::frame::{SEGMENT_HEADER, frame_header, segment_header};
use super::super::records::AttemptStatus;
use super::super::records::samples::{record, small};
use super::*;

fn frame_of(record: &Record) -> Vec<u8> {
    let payload = record.encode().unwrap();
    let header = frame_header(record.kind().code(), record.kind().schema(), record.id(), &payload);
    [&header[..], &payload].concat()
}

/// The bytes of a segment, and where each record begins and ends.
fn segment_of(records: &[Record]) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut bytes = segment_header().to_vec();
    let mut places = Vec::new();
    for record in records {
        let start = bytes.len();
        bytes.extend(frame_of(record));
        places.push((start, bytes.len()));
    }
    (bytes, places)
}

fn attempt(n: u8, number: u32) -> Record {
    Record::Attempt(Attempt {
        id: Id([n; 16]),
        training: Id([0xAA; 16]),
        number,
        status: AttemptStatus::Lost,
        error: Some("node went down".into()),
        host: "h".into(),
        launcher: "local".into(),
        started: 1.5,
        seconds: 2.5,
        version: "0".into(),
        commit: "c".into(),
        isa: "avx2".into(),
        gemm: "own".into(),
        threads: Some(2),
    })
}

fn five() -> Vec<Record> {
    vec![small(1), small(2), attempt(3, 1), small(7), small(5)]
}

/// An index over one file of these bytes.
fn index_of(dir: &Path, bytes: &[u8]) -> Result<Index, StoreError> {
    fs::write(dir.join("a.seg"), bytes).unwrap();
    Index::open(dir.to_path_buf())
}

/// Which of the records are found; a wrong record fails at once.
fn found(index: &Index, records: &[Record]) -> Vec<bool> {
    let read = |record: &Record| match index.read(record.id()).unwrap() {
        Some(found) => {
            assert_eq!(&found, record);
            assert!(index.contains(record.id()) && index.verify(record.id()).unwrap());
            true
        }
        None => {
            assert!(!index.contains(record.id()));
            false
        }
    };
    records.iter().map(read).collect()
}

#[test]
fn a_cut_anywhere_leaves_the_whole_frames_before_it_and_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, places) = segment_of(&five());
    for cut in 0..=bytes.len() {
        let index = index_of(dir.path(), &bytes[..cut]).unwrap();
        let whole: Vec<bool> = places.iter().map(|&(_, end)| end <= cut).collect();
        assert_eq!(found(&index, &five()), whole, "cut at {cut}");
        assert!(index.damage().is_empty(), "cut at {cut}: {:?}", index.damage());
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_one_record_at_most_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let records = five();
    let (bytes, places) = segment_of(&records);
    for byte in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1 << (byte % 8);
        let index = index_of(dir.path(), &flipped).unwrap();
        let hit: Vec<bool> = places.iter().map(|&(start, end)| !(start..end).contains(&byte)).collect();
        assert_eq!(found(&index, &records), hit, "byte {byte}");

        let damage = index.damage();
        assert_eq!(damage.len(), 1, "byte {byte}: {damage:?}");
        let Some(n) = hit.iter().position(|whole| !whole) else {
            assert_eq!(damage[0].kind, DamageKind::SegmentHeader);
            continue;
        };
        let (start, end) = places[n];
        let expected = if byte < start + FRAME_HEADER {
            DamageKind::Unreadable { bytes: (end - start) as u64 }
        } else {
            DamageKind::Record { id: records[n].id() }
        };
        assert_eq!((damage[0].offset, damage[0].kind), (start as u64, expected), "byte {byte}");
        assert!(damage[0].to_string().contains("a.seg"));
    }
}

proptest! {
    #[test]
    fn arbitrary_records_are_read_back(records in proptest::collection::vec(record(), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let mut records = records;
        records.dedup_by_key(|r| r.id());
        let index = index_of(dir.path(), &segment_of(&records).0).unwrap();
        prop_assert!(found(&index, &records).iter().all(|&found| found));
    }

    #[test]
    fn garbage_between_frames_is_stepped_over(garbage in proptest::collection::vec(any::<u8>(), 1..300), at in 0..6_usize) {
        let dir = tempfile::tempdir().unwrap();
        let (mut bytes, places) = segment_of(&five());
        let place = places.get(at).map_or(bytes.len(), |&(start, _)| start);
        bytes.splice(place..place, garbage);
        let index = index_of(dir.path(), &bytes).unwrap();
        prop_assert_eq!(found(&index, &five()), [true; 5]);
    }
}

#[test]
fn a_damaged_place_longer_than_the_buffer_is_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let big = |fill: f32| {
        let snapshots = Some(super::super::records::Snapshots { parameters: vec![vec![fill; 20_000]] });
        let (epochs, metrics, gradients) = (vec![0], Vec::new(), Vec::new());
        Record::Training(Training { id: Id([fill as u8; 16]), seed: 1, epochs, metrics, gradients, snapshots })
    };
    let records = [big(1.0), big(2.0), small(3)];
    let (mut bytes, places) = segment_of(&records);
    bytes[places[1].0 + 9] ^= 4;
    let index = index_of(dir.path(), &bytes).unwrap();
    assert_eq!(found(&index, &records), [true, false, true]);
}

#[test]
fn a_second_copy_stands_in_for_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bytes, places) = segment_of(&five());
    bytes[places[1].1 - 1] ^= 1;
    let mut index = index_of(dir.path(), &bytes).unwrap();
    assert!(index.contains(small(2).id()), "payloads are not checked before they are read");
    assert_eq!(found(&index, &five()), [true, false, true, true, true]);
    fs::write(dir.path().join("b.seg"), segment_of(&five()[1..3]).0).unwrap();
    assert_eq!(index.refresh().unwrap(), 0);
    assert_eq!(found(&index, &five()), [true; 5]);
    assert_eq!(index.attempts(Id([0xAA; 16])).unwrap().len(), 1, "an attempt committed twice counts once");
    assert_eq!(index.damage().len(), 1);
}

#[test]
fn refresh_takes_in_what_grew_and_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, places) = segment_of(&five());
    let cut = places[2].1 + FRAME_HEADER + 1;
    let mut index = index_of(dir.path(), &bytes[..cut]).unwrap();
    assert_eq!(found(&index, &five()), [true, true, true, false, false]);
    fs::write(dir.path().join("a.seg"), &bytes).unwrap();
    fs::write(dir.path().join("b.seg"), segment_of(&[small(8), small(1)]).0).unwrap();
    fs::write(dir.path().join("note.txt"), "not a segment").unwrap();
    assert_eq!(index.refresh().unwrap(), 3);
    assert_eq!(index.refresh().unwrap(), 0);
    assert_eq!(found(&index, &five()), [true; 5]);
    assert!(index.contains(small(8).id()));
}

#[test]
fn a_tail_that_becomes_whole_is_no_longer_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, places) = segment_of(&five());
    let mut late = bytes.clone();
    late[places[4].0..places[4].0 + 8].fill(0);
    let mut index = index_of(dir.path(), &late).unwrap();
    assert_eq!(index.damage().len(), 1);
    fs::write(dir.path().join("a.seg"), &bytes).unwrap();
    assert_eq!(index.refresh().unwrap(), 1);
    assert!(index.damage().is_empty());
}

#[test]
fn zeros_behind_a_crash_are_no_damage_and_foreign_files_are() {
    let dir = tempfile::tempdir().unwrap();
    let (mut bytes, _) = segment_of(&five());
    bytes.extend([0; 40_000]);
    let index = index_of(dir.path(), &bytes).unwrap();
    assert_eq!((found(&index, &five()), index.damage()), (vec![true; 5], Vec::new()));
    assert!(index_of(dir.path(), &[0; 5000]).unwrap().damage().is_empty());
    let index = index_of(dir.path(), "experiment,run\n".repeat(3000).as_bytes()).unwrap();
    assert_eq!(index.damage()[0].kind, DamageKind::Foreign);
}

#[test]
fn later_versions_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let payload = small(1).encode().unwrap();
    for (kind, schema, what) in [(2, 2, "record schema"), (9, 1, "record kind")] {
        let mut bytes = segment_of(&[small(1)]).0;
        bytes.extend(frame_header(kind, schema, Id([9; 16]), &payload));
        bytes.extend(&payload);
        let error = index_of(dir.path(), &bytes).unwrap_err().to_string();
        assert!(error.contains("a.seg") && error.contains(what), "{error}");
    }
    assert_eq!(SEGMENT_HEADER, 24);
}

#[test]
fn attempts_are_found_by_training_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), &segment_of(&[attempt(9, 2), attempt(4, 1), attempt(5, 2)]).0).unwrap();
    let order: Vec<Id> = index.attempts(Id([0xAA; 16])).unwrap().iter().map(|a| a.id).collect();
    assert_eq!(order, [Id([4; 16]), Id([5; 16]), Id([9; 16])]);
    assert_eq!(index.retried().into_iter().collect::<Vec<_>>(), [Id([0xAA; 16])]);
    assert!(index.attempts(Id([1; 16])).unwrap().is_empty());
}

#[test]
fn a_store_is_opened_or_named_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("results");
    let error = Store::open_existing(&root).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }) && error.to_string().contains("results"));
    assert!(!root.exists());
    let store = Store::open(&root).unwrap();
    store.writer(|_| ()).unwrap().append(&small(1)).unwrap();
    let index = Store::open_existing(&root).unwrap().index().unwrap();
    assert!(index.contains(small(1).id()));
    let extent = index.extent();
    assert!(extent.len() == 1 && store.still_has(&extent));
    store.writer(|_| ()).unwrap().append(&small(2)).unwrap();
    assert!(store.still_has(&extent), "another segment makes no difference");
    let segment = root.join(".infoplane/segments").join(extent.keys().next().unwrap());
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(30).unwrap();
    assert!(!store.still_has(&extent), "changed");
    fs::remove_file(&segment).unwrap();
    assert!(!store.still_has(&extent));
}

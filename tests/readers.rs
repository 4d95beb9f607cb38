//! Readers of data files against bytes that somebody has damaged: no panic, and no more memory than is promised.
//!
//! `INFOPLANE_TEST_CASES` says how many inputs there are in all; 200,000 if it is not set.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{Cursor, Write};

use infoplane::data::{Limit, Part, Unreadable, cifar, csv, idx, mat, mushroom, npy, npz, numbers};
use ndarray::{Array1, Array2};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What readers may unpack and hold here.
const LIMIT: Limit = Limit(1 << 16);

/// A reader, with whole files of its format.
struct Format {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    read: fn(&[u8]) -> Result<Part, Unreadable>,
}

fn formats() -> Vec<Format> {
    let format = |name, seeds, read| Format { name, seeds, read };
    vec![
        format("idx, pictures", vec![images(), gzip(&images())], |bytes| {
            idx::read(bytes, &labels(), LIMIT).map_err(|(_, error)| error)
        }),
        format("idx, labels", vec![labels(), gzip(&labels())], |bytes| {
            idx::read(&images(), bytes, LIMIT).map_err(|(_, error)| error)
        }),
        format("cifar", vec![cifar_records()], |bytes| cifar::read(bytes, LIMIT)),
        format("npy", vec![npy_of(&inputs()), npy_of(&Array2::<f64>::ones((3, 4)).reversed_axes())], |bytes| {
            let labels = npy_of(&Array1::<i64>::zeros(4));
            let (inputs, labels) = (npy::array(Cow::Borrowed(bytes))?, npy::array(Cow::Owned(labels))?);
            numbers::examples(&inputs, &labels, LIMIT)
        }),
        format("npz", vec![npz_of(false), npz_of(true)], |bytes| npz::Archive::open(bytes, LIMIT)?.examples("x", "y")),
        format("mat", vec![mat_of(false), mat_of(true)], |bytes| mat::read(bytes, "F", "y", LIMIT)),
        format("csv", vec![b"a,b,kind\n1,2,x\n3,-4e-3,y\n".to_vec(), b"1;2;0\n3;4;1\n".to_vec()], |bytes| {
            csv::read(bytes, "2", LIMIT)
        }),
        format("mushroom", vec![mushrooms()], |bytes| mushroom::read(bytes, LIMIT)),
    ]
}

fn inputs() -> Array2<f32> {
    Array2::from_shape_fn((4, 3), |(e, i)| e as f32 - 0.5 * i as f32)
}

fn idx_of(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).chain(values.iter().copied()).collect()
}

fn images() -> Vec<u8> {
    idx_of(&[4, 3, 2], &(0..24).map(|v| v * 10).collect::<Vec<u8>>())
}

fn labels() -> Vec<u8> {
    idx_of(&[4], &[0, 1, 1, 2])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn cifar_records() -> Vec<u8> {
    (0..2 * 3073).map(|at| if at % 3073 == 0 { 7 } else { (at % 251) as u8 }).collect()
}

fn npy_of(array: &impl WriteNpyExt) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).expect("memory");
    bytes
}

fn npz_of(packed: bool) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = if packed { NpzWriter::new_compressed(&mut bytes) } else { NpzWriter::new(&mut bytes) };
    writer.add_array("x", &inputs()).expect("memory");
    writer.add_array("y", &Array1::<u8>::zeros(4)).expect("memory");
    writer.finish().expect("memory");
    bytes.into_inner()
}

/// A MATLAB file with `F` (3 × 2) and `y` (1 × 3).
fn mat_of(packed: bool) -> Vec<u8> {
    let element = |kind: u32, content: &[u8]| {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let matrix = |name: &str, shape: [u32; 2], values: &[u8]| {
        let flags = [6_u32.to_le_bytes(), [0; 4]].concat();
        let sizes: Vec<u8> = shape.iter().flat_map(|size| size.to_le_bytes()).collect();
        let whole =
            element(14, &[element(6, &flags), element(5, &sizes), element(1, name.as_bytes()), element(2, values)].concat());
        if !packed {
            return whole;
        }
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&whole).expect("memory");
        let content = encoder.finish().expect("memory");
        [&15_u32.to_le_bytes(), &(content.len() as u32).to_le_bytes(), &content[..]].concat()
    };
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0, 1, b'I', b'M']);
    bytes.extend(matrix("F", [3, 2], &[1, 2, 3, 4, 5, 6]));
    bytes.extend(matrix("y", [1, 3], &[0, 1, 0]));
    bytes
}

fn mushrooms() -> Vec<u8> {
    let line = |label: char, first: char| format!("{label},{first},s,n,t,p,f,c,n,k,e,e,s,s,w,w,p,w,o,p,k,s,u\n");
    (line('p', 'x') + &line('e', 'b') + &line('e', 'x')).into_bytes()
}

/// What is done to the bytes of a file.
#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Flip(usize, u8),
    /// A large number over what may be a size.
    Grow(usize, u32),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), prop_oneof![Just(u32::MAX), Just(1 << 31), any::<u32>(), 0..300_u32])
            .prop_map(|(at, size)| Damage::Grow(at, size)),
        (at(), proptest::collection::vec(any::<u8>(), 0..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (at(), 1..200_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        at().prop_map(Damage::Cut),
    ]
}

fn damaged(seed: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for damage in damages {
        let n = bytes.len().max(1);
        let until = |at: usize, length: usize, bytes: &[u8]| (at % n).min(bytes.len())..(at % n + length).min(bytes.len());
        match damage {
            Damage::Set(at, byte) => bytes.iter_mut().skip(at % n).take(1).for_each(|to| *to = *byte),
            Damage::Flip(at, bit) => bytes.iter_mut().skip(at % n).take(1).for_each(|to| *to ^= 1 << bit),
            Damage::Grow(at, size) => {
                let size = if at % 2 == 0 { size.to_le_bytes() } else { size.to_be_bytes() };
                bytes.iter_mut().skip(at / 2 % n).zip(size).for_each(|(to, byte)| *to = byte);
            }
            Damage::Insert(at, more) => {
                let at = (at % n).min(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(at, length) => drop(bytes.drain(until(*at, *length, &bytes))),
            Damage::Repeat(at, length) => {
                let range = until(*at, *length, &bytes);
                let more = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, more);
            }
            Damage::Cut(at) => bytes.truncate(at % n),
        }
    }
    bytes
}

/// Reads, and says what the reader held at most.
fn held(format: &Format, bytes: &[u8]) -> (Result<Part, Unreadable>, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = (format.read)(bytes);
    (result, MEMORY.peak_usage().saturating_sub(before))
}

// One test, so that no other allocates meanwhile.
#[test]
fn damaged_files_neither_panic_nor_fill_the_memory() {
    let cases = std::env::var("INFOPLANE_TEST_CASES").ok().map_or(200_000, |text| text.parse().expect("a number"));
    let formats = formats();
    let seeds: usize = formats.iter().map(|format| format.seeds.len()).sum();
    let refused = Cell::new(0_u32);
    for format in &formats {
        for seed in &format.seeds {
            let (whole, most) = held(format, seed);
            assert!(whole.is_ok() && most <= LIMIT.bound(), "{}: {whole:?}, {most} bytes", format.name);
            let cases = u32::try_from(cases / seeds).expect("not that many").max(1);
            let mut runner =
                TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() });
            let tried = runner.run(&proptest::collection::vec(damage(), 1..5), |damages| {
                let bytes = damaged(seed, &damages);
                let (result, most) = held(format, &bytes);
                refused.set(refused.get() + u32::from(result.is_err()));
                if let Err(error) = result {
                    prop_assert!(!error.found.is_empty() && !error.expected.is_empty());
                }
                prop_assert!(most <= LIMIT.bound(), "{} bytes held, {} promised", most, LIMIT.bound());
                Ok(())
            });
            tried.unwrap_or_else(|error| panic!("{}: {error}", format.name));
        }
    }
    assert!(refused.get() > 0, "damage is noticed");
}

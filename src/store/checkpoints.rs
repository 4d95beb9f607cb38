//! Checkpoints: what a training under way leaves, one small file a training, replaced as a whole, taken away when the training is committed.
//!
//! ```text
//! STORE/.infoplane/checkpoints/TRAINING-ID.checkpoint
//! header, 56 bytes: magic[8]  layout u32  reserved u32  training[16]  body length u64  checksum of the body u64
//!                   checksum of the 48 bytes before u64; then the body
//! ```
//! No result depends on them: a checkpoint that is lost, damaged or of another layout costs the time that it would have saved. The name is
//! the training's id, a hash of its settings, data, seed and version, so one of another training is never taken for it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, make_directories, replace_file_on};
use super::error::StoreError;
use super::frame::checksum;
use crate::grid::ids::Id;

const MAGIC: [u8; 8] = *b"\x8Eipckpt\n";
const HEADER: usize = 56;
const SUFFIX: &str = ".checkpoint";
/// Longest body, in bytes: bounds what a reader allocates.
const LIMIT: u64 = 1 << 30;

/// The checkpoints of a store.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

/// What there is for a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No file.
    Nothing,
    /// The body that was kept.
    Whole(Vec<u8>),
    /// A file that cannot be used, and why, with its path.
    Unusable(String),
}

/// A checkpoint that nobody will take up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Why.
    pub why: &'static str,
}

impl Checkpoints {
    pub(super) const fn new(dir: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { dir, disk }
    }

    /// Replaces the checkpoint of `training`, durably: after any crash there is the one before or this one.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; [`StoreError::Io`] from the file system, the one before stays.
    pub fn keep(&self, training: Id, layout: u32, body: &[u8]) -> Result<(), StoreError> {
        let bytes = body.len() as u64;
        if bytes > LIMIT {
            return Err(StoreError::TooLarge { id: training, bytes, limit: LIMIT });
        }
        let path = self.path(training);
        let mut content = header(training, layout, body).to_vec();
        content.extend_from_slice(body);
        make_directories(&*self.disk, &self.dir)
            .and_then(|()| replace_file_on(&*self.disk, &path, &content))
            .map_err(|source| StoreError::Io { action: "write the checkpoint", path, source })
    }

    /// The checkpoint of `training`, if there is one that checks.
    #[must_use]
    pub fn find(&self, training: Id, layout: u32) -> Found {
        let path = self.path(training);
        let unusable = |why: &str| Found::Unusable(format!("{}: {why}", path.display()));
        match read(&path) {
            Ok(Some((found, body))) => match &found {
                header if header.training != training => unusable("a checkpoint of another training"),
                header if header.layout != layout => unusable("a checkpoint of another version of the program"),
                _ => Found::Whole(body),
            },
            Ok(None) => unusable("a damaged checkpoint, or none at all"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(error) => unusable(&error.to_string()),
        }
    }

    /// Whether there is a file for `training`, whole or not.
    #[must_use]
    pub fn is_there(&self, training: Id) -> bool {
        self.path(training).is_file()
    }

    /// Takes the checkpoint of `training` away. Never an error: it is only room, and [`Checkpoints::stale`] finds it.
    pub fn remove(&self, training: Id) {
        let _ = self.disk.remove(&self.path(training));
    }

    /// The checkpoints that are damaged, or whose training `settled` gives a reason for; removed, unless it is a `dry_run`. Files of other
    /// names are other people's.
    #[must_use]
    pub fn stale(&self, settled: impl Fn(Id) -> Option<&'static str>, dry_run: bool) -> Vec<Stale> {
        let mut found = Vec::new();
        let Ok(entries) = fs::read_dir(&self.dir) else { return found };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(training) = path.file_name().and_then(|name| name.to_str()).and_then(training_of) else { continue };
            let whole = || matches!(read(&path), Ok(Some((header, _))) if header.training == training);
            let Some(why) = settled(training).or_else(|| (!whole()).then_some("damaged")) else { continue };
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if dry_run || self.disk.remove(&path).is_ok() {
                found.push(Stale { path, bytes, why });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    fn path(&self, training: Id) -> PathBuf {
        self.dir.join(format!("{training}{SUFFIX}"))
    }
}

/// The training that a file of this name is a checkpoint of.
fn training_of(name: &str) -> Option<Id> {
    let digits = name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 32)?;
    u128::from_str_radix(digits, 16).ok().map(|number| Id(number.to_be_bytes())).filter(|id| id.to_string() == digits)
}

struct Header {
    layout: u32,
    training: Id,
    length: u64,
    checksum: u64,
}

fn header(training: Id, layout: u32, body: &[u8]) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&layout.to_le_bytes());
    bytes[16..32].copy_from_slice(&training.0);
    bytes[32..40].copy_from_slice(&(body.len() as u64).to_le_bytes());
    bytes[40..48].copy_from_slice(&checksum(body).to_le_bytes());
    let check = checksum(&bytes[..48]);
    bytes[48..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn parse(bytes: &[u8; HEADER]) -> Option<Header> {
    let number = |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    let mut training = [0; 16];
    training.copy_from_slice(&bytes[16..32]);
    let checks = bytes[..8] == MAGIC && number(48) == checksum(&bytes[..48]) && number(32) <= LIMIT;
    let layout = number(8) as u32;
    checks.then(|| Header { layout, training: Id(training), length: number(32), checksum: number(40) })
}

/// Header and body of a file; `None` if it is not a whole, undamaged checkpoint.
fn read(path: &Path) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut file = File::open(path)?;
    let mut bytes = [0; HEADER];
    match file.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let Some(header) = parse(&bytes) else { return Ok(None) };
    let mut body = Vec::new();
    // One byte more than it should have, to notice what was appended.
    file.take(header.length + 1).read_to_end(&mut body)?;
    Ok((body.len() as u64 == header.length && checksum(&body) == header.checksum).then_some((header, body)))
}

#[cfg(test)]
mod tests {
    use super::super::disk::OsDisk;
    use super::super::disk::faulty::FaultyDisk;
    use super::*;

    fn checkpoints(disk: impl Disk + 'static) -> (tempfile::TempDir, Checkpoints) {
        let dir = tempfile::tempdir().unwrap();
        let made = Checkpoints::new(dir.path().join("a/checkpoints"), Arc::new(disk));
        (dir, made)
    }

    const ID: Id = Id([0xAB; 16]);

    #[test]
    fn what_is_kept_is_found_and_replaced_and_removed() {
        let (_dir, kept) = checkpoints(OsDisk);
        assert_eq!(kept.find(ID, 1), Found::Nothing);
        kept.keep(ID, 1, b"first").unwrap();
        kept.keep(ID, 1, b"second").unwrap();
        assert_eq!(kept.find(ID, 1), Found::Whole(b"second".to_vec()));
        assert!(matches!(kept.find(ID, 2), Found::Unusable(why) if why.contains("another version")));
        assert_eq!(kept.find(Id([1; 16]), 1), Found::Nothing);
        fs::copy(kept.path(ID), kept.path(Id([1; 16]))).unwrap();
        assert!(matches!(kept.find(Id([1; 16]), 1), Found::Unusable(why) if why.contains("another training")));
        kept.remove(ID);
        kept.remove(ID);
        assert_eq!(kept.find(ID, 1), Found::Nothing);
    }

    #[test]
    fn damage_is_named_wherever_it_is() {
        let (_dir, kept) = checkpoints(OsDisk);
        kept.keep(ID, 1, b"body").unwrap();
        let (path, whole) = (kept.path(ID), fs::read(kept.path(ID)).unwrap());
        let mut broken: Vec<Vec<u8>> = (0..whole.len()).map(|n| whole[..n].to_vec()).collect();
        broken.extend((0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        }));
        broken.push([&whole[..], b"x"].concat());
        for bytes in broken {
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(kept.find(ID, 1), Found::Unusable(why) if why.contains("damaged")));
        }
    }

    #[test]
    fn a_failing_disk_leaves_the_one_before() {
        for fail_at in 0..12 {
            let disk = FaultyDisk::new(fail_at);
            let (_dir, kept) = checkpoints(disk.clone());
            let safe = [b"first", b"other"].into_iter().take_while(|body| kept.keep(ID, 1, *body).is_ok()).last();
            match (kept.find(ID, 1), safe) {
                (Found::Nothing, None) | (Found::Whole(_), _) => {}
                other => panic!("operation {fail_at}: {other:?}"),
            }
            assert!(disk.has_failed() || safe == Some(b"other"));
        }
    }

    #[test]
    fn stale_ones_go_and_others_stay() {
        let (_dir, kept) = checkpoints(OsDisk);
        let ids = [1, 2, 3].map(|n| Id([n; 16]));
        ids.iter().for_each(|id| kept.keep(*id, 1, b"body").unwrap());
        fs::write(kept.path(ids[1]), "damaged").unwrap();
        let others = kept.dir.join("notes.checkpoint");
        fs::write(&others, "mine").unwrap();
        let settled = |id| (id == ids[0]).then_some("committed");
        let stale = kept.stale(settled, true);
        assert_eq!(stale.iter().map(|s| s.why).collect::<Vec<_>>(), ["committed", "damaged"]);
        assert_eq!(kept.stale(settled, false), stale);
        assert_eq!(kept.stale(settled, false), []);
        assert!(others.exists() && matches!(kept.find(ids[2], 1), Found::Whole(_)));
    }
}

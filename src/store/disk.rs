//! The seam between the store and the file system: the few operations whose failure the commit protocol must survive.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The operations that change a store. Tests put a disk here that fails chosen ones.
pub trait Disk: Debug + Send + Sync {
    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    /// As `open(2)`, `AlreadyExists` included.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// As `fsync(2)`.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Replaces `to` by `from` in one step.
    ///
    /// # Errors
    /// As `rename(2)`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As `unlink(2)`.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file being written.
pub trait DiskFile: Debug + Write + Send {
    /// Makes the content durable, and the length needed to read it.
    ///
    /// # Errors
    /// As `fdatasync(2)`.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and metadata durable.
    ///
    /// # Errors
    /// As `fsync(2)`.
    fn sync_all(&self) -> io::Result<()>;

    /// Marks the file as being written, for as long as it is open, so that a process that tidies up leaves it alone. `false` if it had been
    /// removed before the mark was there. A file system without locks is no error: there, abandoned files stay.
    ///
    /// # Errors
    /// As `fstat(2)`.
    fn hold(&self) -> io::Result<bool>;
}

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(path)?))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl DiskFile for File {
    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }

    fn hold(&self) -> io::Result<bool> {
        // Locked by another: `remove_abandoned` looks at the file, and it is about to go. Any other refusal: there are no locks here.
        let locked = self.try_lock();
        let removed = matches!(locked, Err(fs::TryLockError::WouldBlock)) || self.metadata()?.nlink() == 0;
        Ok(!removed)
    }
}

/// Makes `dir` and what is missing above it, each entry durable before the next.
pub fn make_directories(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if parent != Path::new(".") {
        make_directories(disk, parent)?;
    }
    match fs::create_dir(dir) {
        // Another process may make it at the same moment.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !dir.is_dir() => return Err(error),
        _ => {}
    }
    disk.sync_dir(parent)
}

/// Writes a small file so that a reader, after any crash, sees the old content or the new: temporary name, sync, rename, sync of the directory.
///
/// # Errors
/// Those of the file system; the old content stays.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file_on(&OsDisk, path, bytes)
}

/// As [`replace_file`], on a given disk.
pub fn replace_file_on(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."));
    let (temporary, mut file) = create_held(disk, dir, ".", TEMPORARY)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| disk.rename(&temporary, path));
    if written.is_err() {
        // What is left of a failed write is only room.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    disk.sync_dir(dir)
}

/// How the names of unfinished files end, so that no `*.parquet` and no `*.seg` finds them; they begin with a dot.
pub const TEMPORARY: &str = ".tmp";

/// Creates a file of a unique name, held for as long as it is open.
pub fn create_held(disk: &dyn Disk, dir: &Path, prefix: &str, suffix: &str) -> io::Result<(PathBuf, Box<dyn DiskFile>)> {
    loop {
        let path = unique_path(dir, prefix, suffix)?;
        let file = disk.create_new(&path)?;
        // A process that tidies up may have taken it for abandoned before it was held.
        if file.hold()? {
            return Ok((path, file));
        }
    }
}

/// The unfinished files of `dir` that no process holds, what killed processes left; removed by `each` if it likes: they stay locked for so
/// long. Never an error: it is only room.
pub fn for_abandoned(dir: &Path, mut each: impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let named = path.file_name().and_then(|name| name.to_str()).is_some_and(is_temporary);
        if named
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            each(&path);
        }
    }
}

/// Whether a name is one of [`unique_path`]'s for an unfinished file, and not a file of other people.
fn is_temporary(name: &str) -> bool {
    let random = name.strip_suffix(TEMPORARY).filter(|name| name.starts_with('.')).and_then(|name| name.rsplit('.').next());
    random.is_some_and(|random| random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Removes the unfinished files of `dir` that no process holds.
pub fn remove_abandoned(dir: &Path) {
    for_abandoned(dir, |path| {
        let _ = fs::remove_file(path);
    });
}

/// A path in `dir` that no other process chooses: 128 random bits in its name, which means nothing.
pub fn unique_path(dir: &Path, prefix: &str, suffix: &str) -> io::Result<PathBuf> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(dir.join(format!("{prefix}{:032x}{suffix}", u128::from_le_bytes(bytes))))
}

#[cfg(test)]
pub mod faulty {
    //! A disk whose n-th operation fails.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Fails the operation number `fail_at` (from 0), and all later ones as a full or dead disk does, or this one alone.
    #[derive(Clone, Debug)]
    pub struct FaultyDisk {
        done: Arc<AtomicUsize>,
        fail_at: usize,
        once: bool,
    }

    #[derive(Debug)]
    struct FaultyFile {
        file: Box<dyn DiskFile>,
        disk: FaultyDisk,
    }

    impl FaultyDisk {
        /// A disk that does so many operations.
        pub fn new(fail_at: usize) -> Self {
            Self { done: Arc::default(), fail_at, once: false }
        }

        /// A disk that fails one operation and then goes on.
        pub fn once(fail_at: usize) -> Self {
            Self { once: true, ..Self::new(fail_at) }
        }

        /// Whether an operation was failed.
        pub fn has_failed(&self) -> bool {
            self.done.load(Ordering::SeqCst) > self.fail_at
        }

        fn step(&self) -> io::Result<()> {
            let n = self.done.fetch_add(1, Ordering::SeqCst);
            if n < self.fail_at || (self.once && n > self.fail_at) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }
    }

    impl Disk for FaultyDisk {
        fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            self.step()?;
            Ok(Box::new(FaultyFile { file: OsDisk.create_new(path)?, disk: self.clone() }))
        }

        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            self.step()?;
            OsDisk.sync_dir(dir)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            OsDisk.rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            OsDisk.remove(path)
        }
    }

    impl Write for FaultyFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Err(error) = self.disk.step() {
                // A full disk takes a part first.
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                return Err(error);
            }
            self.file.write_all(bytes)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl DiskFile for FaultyFile {
        fn sync_data(&self) -> io::Result<()> {
            self.disk.step()?;
            self.file.sync_data()
        }

        fn sync_all(&self) -> io::Result<()> {
            self.disk.step()?;
            self.file.sync_all()
        }

        fn hold(&self) -> io::Result<bool> {
            self.file.hold()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_files_go_and_held_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (held, file) = create_held(&OsDisk, dir.path(), ".runs.parquet.", TEMPORARY).unwrap();
        let left = unique_path(dir.path(), ".", TEMPORARY).unwrap();
        let others = ["table.tmp", ".left", ".notes.tmp"].map(|name| dir.path().join(name));
        others.iter().chain([&left]).for_each(|path| fs::write(path, "").unwrap());
        remove_abandoned(dir.path());
        assert!(held.exists() && !left.exists() && others.iter().all(|path| path.exists()));
        drop(file);
        remove_abandoned(dir.path());
        assert!(!held.exists());
    }

    #[test]
    fn a_file_is_the_old_or_the_new_whatever_fails() {
        for make in [faulty::FaultyDisk::new, faulty::FaultyDisk::once] {
            for fail_at in 0..=5 {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("state");
                replace_file(&path, b"old").unwrap();
                let result = replace_file_on(&make(fail_at), &path, b"new");
                // Create, write, sync, rename; then only the directory's sync is open.
                assert_eq!(fs::read(&path).unwrap(), if fail_at < 4 { b"old" } else { b"new" }, "operation {fail_at}");
                assert_eq!((result.is_ok(), fs::read_dir(dir.path()).unwrap().count()), (fail_at == 5, 1));
            }
        }
    }

    #[test]
    fn a_file_removed_before_it_is_held_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = unique_path(dir.path(), ".a", ".tmp").unwrap();
        let file = OsDisk.create_new(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!file.hold().unwrap());
    }

    #[test]
    fn directories_are_made_once_and_not_through_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        make_directories(&OsDisk, &deep).unwrap();
        make_directories(&OsDisk, &deep).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(make_directories(&OsDisk, &dir.path().join("file/x")).is_err());
        assert!(make_directories(&OsDisk, &dir.path().join("file")).is_err());
    }
}

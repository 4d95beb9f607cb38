//! Where the files of leases are: the few operations of a directory that the protocol needs, and the directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::{name_of, parse_name};

/// The few operations that leases need of a directory: the seam for tests.
pub trait Board: Send + Sync {
    /// Every lease: what is leased, and the number.
    ///
    /// # Errors
    /// Those of the file system.
    fn names(&self) -> io::Result<Vec<(String, u64)>>;

    /// The content of a file that may be gone.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>>;

    /// Creates a file; `false` if there is one.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool>;

    /// Writes a file anew; `false` if there is none.
    ///
    /// # Errors
    /// Those of the file system.
    fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool>;

    /// Whether there is such a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn exists(&self, what: &str, fence: u64) -> io::Result<bool>;

    /// Removes a file that may be gone.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, what: &str, fence: u64) -> io::Result<()>;
}

/// A board that is a directory.
#[derive(Debug)]
pub struct FileBoard {
    dir: PathBuf,
}

impl FileBoard {
    /// The board in `dir`, which is made.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// The board in `dir`, which is not made: where it is gone, every operation fails.
    #[must_use]
    pub const fn existing(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn path(&self, what: &str, fence: u64) -> PathBuf {
        self.dir.join(name_of(what, fence))
    }
}

/// `None` for what is not there; a network file system may say so of an open file, too.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle) => Ok(None),
        other => other.map(Some),
    }
}

impl Board for FileBoard {
    fn names(&self) -> io::Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            names.extend(name.to_str().and_then(parse_name).map(|(what, fence)| (what.to_owned(), fence)));
        }
        Ok(names)
    }

    fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>> {
        if_there(fs::read(self.path(what, fence)))
    }

    fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
        match OpenOptions::new().write(true).create_new(true).open(self.path(what, fence)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            file => file?.write_all(content).map(|()| true),
        }
    }

    fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
        // In place, so that a full disk does not silence the living; closed each time, so that a network file system tells the others.
        let Some(file) = if_there(OpenOptions::new().write(true).open(self.path(what, fence)))? else { return Ok(false) };
        file.write_all_at(content, 0)?;
        file.set_len(content.len() as u64)?;
        Ok(true)
    }

    fn exists(&self, what: &str, fence: u64) -> io::Result<bool> {
        // Opened and not only looked at: on a network file system only that asks the server.
        if_there(fs::File::open(self.path(what, fence))).map(|file| file.is_some())
    }

    fn remove(&self, what: &str, fence: u64) -> io::Result<()> {
        if_there(fs::remove_file(self.path(what, fence))).map(|_| ())
    }
}

#[cfg(test)]
pub mod memory {
    //! A board without a disk, for tests that live through years of leases.

    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard};

    use super::*;

    /// Contents by WHAT and fence.
    type Files = BTreeMap<(String, u64), Vec<u8>>;

    /// A board in memory; clones are the same board.
    #[derive(Clone, Debug, Default)]
    pub struct MemoryBoard(Arc<Mutex<Files>>);

    impl MemoryBoard {
        fn files(&self) -> MutexGuard<'_, Files> {
            self.0.lock().unwrap()
        }
    }

    impl Board for MemoryBoard {
        fn names(&self) -> io::Result<Vec<(String, u64)>> {
            Ok(self.files().keys().cloned().collect())
        }

        fn read(&self, what: &str, fence: u64) -> io::Result<Option<Vec<u8>>> {
            Ok(self.files().get(&(what.to_owned(), fence)).cloned())
        }

        fn create(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            let (mut files, key) = (self.files(), (what.to_owned(), fence));
            if files.contains_key(&key) {
                return Ok(false);
            }
            files.insert(key, content.to_vec());
            Ok(true)
        }

        fn write(&self, what: &str, fence: u64, content: &[u8]) -> io::Result<bool> {
            Ok(self.files().get_mut(&(what.to_owned(), fence)).map(|old| *old = content.to_vec()).is_some())
        }

        fn exists(&self, what: &str, fence: u64) -> io::Result<bool> {
            Ok(self.files().contains_key(&(what.to_owned(), fence)))
        }

        fn remove(&self, what: &str, fence: u64) -> io::Result<()> {
            self.files().remove(&(what.to_owned(), fence));
            Ok(())
        }
    }
}

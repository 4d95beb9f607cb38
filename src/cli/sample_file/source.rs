//! Where the bytes of a sample are: in a file, opened again for every reading, or, out of a pipe, in memory.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// Bytes that can be read as often as wanted.
#[derive(Clone)]
pub enum Source {
    File(PathBuf),
    /// A pipe can be read once and has no places to go to, so it is held.
    Pipe(Arc<[u8]>),
}

/// An opened source.
pub enum Input {
    File(File),
    Pipe(Cursor<Arc<[u8]>>),
}

impl Source {
    /// That of a path: `-` is standard input; what is neither file nor directory is taken for a pipe.
    pub fn find(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(Self::Pipe(bytes.into()));
        }
        let mut file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_dir() {
            return Ok(Self::File(path.to_path_buf()));
        }
        file.read_to_end(&mut bytes)?;
        Ok(Self::Pipe(bytes.into()))
    }

    pub fn open(&self) -> io::Result<BufReader<Input>> {
        let input = match self {
            Self::File(path) => Input::File(File::open(path)?),
            Self::Pipe(bytes) => Input::Pipe(Cursor::new(Arc::clone(bytes))),
        };
        Ok(BufReader::with_capacity(BUFFER, input))
    }
}

impl Input {
    /// Bytes in all.
    pub fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Pipe(bytes) => Ok(bytes.get_ref().len() as u64),
        }
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(to),
            Self::Pipe(bytes) => bytes.read(to),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Pipe(bytes) => bytes.seek(to),
        }
    }
}

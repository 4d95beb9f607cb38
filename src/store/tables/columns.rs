//! Columns of numbers that outgrow the memory: written part by part, read column by column, in a file that has no name and goes with its
//! process.
//!
//! ```text
//! part:  a table of where each column's numbers end, counted from the part's first (u64 each), then the numbers, column after column
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::TableError;
use crate::store::disk::{TEMPORARY, unique_path};

/// Bytes of a number.
const NUMBER: u64 = 8;

/// Columns of numbers, away from memory.
#[derive(Debug)]
pub struct Columns {
    dir: PathBuf,
    file: File,
    end: u64,
    /// Where each part begins, and how many columns it has.
    parts: Vec<(u64, usize)>,
}

impl Columns {
    /// Without any numbers, on the disk of `dir`.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn create(dir: &Path) -> Result<Self, TableError> {
        let nameless = || {
            let path = unique_path(dir, ".", TEMPORARY)?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            // Nobody else needs it, and whatever ends this process takes it away.
            fs::remove_file(&path)?;
            Ok(file)
        };
        let file = nameless().map_err(|source| failed(dir, source))?;
        Ok(Self { dir: dir.to_owned(), file, end: 0, parts: Vec::new() })
    }

    /// Adds numbers to every column, first to last; a later part may have more columns.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn put<'v>(&mut self, columns: impl Iterator<Item = &'v [f64]> + Clone) -> Result<(), TableError> {
        let write = || -> io::Result<(u64, usize)> {
            let (mut out, mut n, mut ends) = (BufWriter::with_capacity(1 << 20, &self.file), 0, 0_u64);
            for column in columns.clone() {
                ends += column.len() as u64;
                n += 1;
                out.write_all(&ends.to_le_bytes())?;
            }
            for number in columns.clone().flatten() {
                out.write_all(&number.to_le_bytes())?;
            }
            out.flush()?;
            Ok((NUMBER * (n as u64 + ends), n))
        };
        let (bytes, n) = write().map_err(|source| failed(&self.dir, source))?;
        self.parts.push((self.end, n));
        self.end += bytes;
        Ok(())
    }

    /// All numbers of a column, in the order in which they were put.
    ///
    /// # Errors
    /// [`TableError::Io`].
    pub fn get(&self, column: usize) -> Result<Vec<f64>, TableError> {
        let read = || -> io::Result<Vec<f64>> {
            let mut numbers = Vec::new();
            for (start, n) in self.parts.iter().filter(|(_, n)| column < *n) {
                // The end of the column before is where this one begins.
                let mut ends = [0_u64; 2];
                for (end, of) in ends.iter_mut().zip([column.checked_sub(1), Some(column)]) {
                    if let Some(of) = of {
                        let mut bytes = [0; 8];
                        self.file.read_exact_at(&mut bytes, start + NUMBER * of as u64)?;
                        *end = u64::from_le_bytes(bytes);
                    }
                }
                // As many as were in memory before.
                let mut bytes = vec![0; ((ends[1] - ends[0]) * NUMBER) as usize];
                self.file.read_exact_at(&mut bytes, start + NUMBER * (*n as u64 + ends[0]))?;
                let (whole, _) = bytes.as_chunks::<8>();
                numbers.extend(whole.iter().map(|number| f64::from_le_bytes(*number)));
            }
            Ok(numbers)
        };
        read().map_err(|source| failed(&self.dir, source))
    }
}

fn failed(dir: &Path, source: io::Error) -> TableError {
    TableError::Io { action: "keep values that outgrow the memory in", path: dir.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_part_by_part() {
        let dir = tempfile::tempdir().unwrap();
        let mut columns = Columns::create(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "without a name");
        let parts: [&[&[f64]]; 3] = [&[&[1.0, -0.0], &[]], &[&[], &[2.5], &[3.0]], &[]];
        parts.iter().for_each(|part| columns.put(part.iter().copied()).unwrap());
        assert_eq!(columns.get(0).unwrap().iter().map(|n| n.to_bits()).collect::<Vec<_>>(), [1.0_f64, -0.0].map(f64::to_bits));
        assert_eq!((columns.get(1).unwrap(), columns.get(2).unwrap(), columns.get(3).unwrap()), (vec![2.5], vec![3.0], vec![]));
        let error = Columns::create(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("outgrow") && error.contains("none"), "{error}");
    }
}

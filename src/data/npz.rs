//! `.npz`, NumPy's archive of arrays.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::numbers::{Numbers, examples};
use super::{Limit, Part, Read, Unreadable, npy};

/// Files of an archive at most.
const MOST_FILES: usize = 10_000;
/// Names that an error lists.
const SHOWN: usize = 20;

/// An archive, to be read from.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked.
    left: usize,
    limit: Limit,
}

impl<'a> Archive<'a> {
    /// Opens an archive in memory.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none.
    pub fn open(bytes: &'a [u8], limit: Limit) -> Read<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|e| Unreadable::new(e.to_string(), "an .npz archive, as numpy.savez writes"))?;
        if zip.len() > MOST_FILES {
            return Err(Unreadable::new(format!("an archive of {} files", zip.len()), format!("at most {MOST_FILES}")));
        }
        Ok(Self { zip, left: limit.0, limit })
    }

    /// The array of a name, with or without `.npy`.
    fn array(&mut self, name: &str) -> Read<Numbers<'static>> {
        let Some(place) = self.zip.index_for_name(&format!("{name}.npy")).or_else(|| self.zip.index_for_name(name)) else {
            let mut names: Vec<&str> = self.zip.file_names().map(|name| name.trim_end_matches(".npy")).collect();
            names.sort_unstable();
            names.truncate(SHOWN);
            return Err(Unreadable::new(format!("no array `{name}`"), format!("one of {}", names.join(", "))));
        };
        let damaged = |e: &dyn std::fmt::Display| Unreadable::new(format!("array `{name}`: {e}"), "a whole archive");
        let file = self.zip.by_index(place).map_err(|e| damaged(&e))?;
        let mut bytes = Vec::new();
        file.take(self.left as u64 + 1).read_to_end(&mut bytes).map_err(|e| damaged(&e))?;
        if bytes.len() > self.left {
            return Err(Unreadable::new(format!("array `{name}` of more than {} bytes", self.left), "less"));
        }
        self.left -= bytes.len();
        npy::array(Cow::Owned(bytes)).map_err(|e| Unreadable::new(format!("array `{name}`: {}", e.found), e.expected))
    }

    /// Examples from two arrays of it.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn examples(&mut self, inputs: &str, labels: &str) -> Read<Part> {
        let (inputs, labels) = (self.array(inputs)?, self.array(labels)?);
        examples(&inputs, &labels, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, array};
    use ndarray_npy::NpzWriter;

    use super::*;

    fn archive(packed: bool) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = if packed { NpzWriter::new_compressed(&mut bytes) } else { NpzWriter::new(&mut bytes) };
        writer.add_array("x", &array![[1.0_f32, 2.0], [3.0, 4.0]]).unwrap();
        writer.add_array("y", &array![4_i32, 2]).unwrap();
        writer.add_array("zeros", &Array2::<f64>::zeros((1000, 100))).unwrap();
        writer.add_array("many", &Array1::<u8>::zeros(1000)).unwrap();
        writer.finish().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn arrays_are_found_by_name() {
        let read = |bytes: &[u8]| Archive::open(bytes, Limit(1 << 16))?.examples("x", "y");
        assert_eq!(read(&archive(false)).unwrap(), read(&archive(true)).unwrap());
        assert_eq!(read(&archive(true)).unwrap().into_sheet(None).unwrap().labels, [1, 0]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let bytes = archive(true);
        assert!(bytes.len() < 10_000);
        let error = |x: &str, y: &str| Archive::open(&bytes, Limit(1 << 16)).unwrap().examples(x, y).unwrap_err().to_string();
        assert!(error("a", "y").contains("no array `a`; expected one of many, x, y, zeros"));
        assert!(error("zeros", "many").contains("array `zeros` of more than 65536 bytes"));
        assert!(error("x", "many").contains("a label for every example"));
        assert!(Archive::open(b"PK\x03\x04", Limit(1 << 16)).is_err());
    }
}

//! `infoplane data fetch`: all files of a set into its directory, unpacked where they come in one archive, then read whole.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

use super::fetch::{FetchError, fetch, is_url, md5_of};
use super::verified;
use crate::cli::exit::{Exit, Failure};
use crate::data::published::Set;
use crate::train::source::Source;

/// Bytes of a file out of an archive at most; those of CIFAR-10 have 30 million.
const MOST: u64 = 256 << 20;

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::new(Exit::Invalid, error.to_string())
    }
}

/// Brings a set into the data directory.
pub fn bring(set: &Set, from: Option<&str>, dir: &Path, quiet: bool) -> Result<Exit, Failure> {
    let place = dir.join(set.dirs[0]);
    fs::create_dir_all(&place).map_err(|e| Failure::new(Exit::Invalid, format!("cannot make {}: {e}", place.display())))?;
    let mut fetched: Vec<PathBuf> = Vec::new();
    let from = from.unwrap_or(set.url);
    let base = if is_url(from) && !from.ends_with('/') { format!("{from}/") } else { from.to_owned() };
    let at = |name: &str| if is_url(&base) { format!("{base}{name}") } else { Path::new(&base).join(name).display().to_string() };
    // A directory may have the files of an archive as they are.
    let unpacked = !is_url(&base) && set.files.iter().all(|file| Path::new(&at(file.names[0])).is_file());
    if let Some((archive, md5)) = set.archive.filter(|_| !unpacked) {
        let to = place.join(archive);
        if set.files.iter().all(|file| place.join(file.names[0]).is_file()) {
            say(quiet, &format!("{} is there already", place.display()));
        } else {
            if !is_whole(&to, Some(md5)) {
                one(&at(archive), &to, Some(md5), quiet)?;
            }
            unpack(&to, set, &place)?;
            fetched.extend(set.files.iter().map(|file| place.join(file.names[0])));
            fs::remove_file(&to).map_err(|e| Failure::new(Exit::Invalid, format!("{}: {e}", to.display())))?;
        }
    } else {
        for file in set.files {
            // A directory may have them in another form.
            let there = |name: &&&str| !is_url(&base) && Path::new(&at(name)).is_file();
            let name = file.names.iter().find(there).unwrap_or(&file.names[0]);
            let (to, md5) = (place.join(name), file.md5.filter(|_| *name == file.names[0]));
            if is_whole(&to, md5) {
                say(quiet, &format!("{} is there already", to.display()));
            } else {
                one(&at(name), &to, md5, quiet)?;
                fetched.push(to);
            }
        }
    }
    let report = match verified(&Source::Published(set.published), dir) {
        Ok(report) if report.error.is_none() => report,
        wrong => {
            // Under its name such a file would be taken for data.
            fetched.iter().for_each(|path| _ = fs::remove_file(path));
            let error = wrong.map_or_else(|error| error, |report| report.error.unwrap_or_default());
            let note = if fetched.is_empty() { "" } else { "; what came is thrown away" };
            return Err(Failure::new(Exit::Invalid, format!("{}: {error}{note}", set.published.name())));
        }
    };
    say(quiet, &format!("{}: {} examples of {} inputs in {}", report.name, report.examples, report.inputs, place.display()));
    Ok(Exit::Done)
}

/// Whether a file is there; where its checksum is known, that is the published one.
fn is_whole(path: &Path, md5: Option<&str>) -> bool {
    path.is_file() && md5.is_none_or(|md5| md5_of(path).is_ok_and(|found| found == md5))
}

fn say(quiet: bool, text: &str) {
    if !quiet {
        tell!("{text}");
    }
}

/// Brings one file, with a bar on a terminal and a line at the end elsewhere.
fn one(from: &str, to: &Path, md5: Option<&str>, quiet: bool) -> Result<(), Failure> {
    let bar = (!quiet && io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(to.file_name().unwrap_or_default().to_string_lossy().into_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    });
    let mut bytes = 0;
    let result = fetch(from, to, md5, &mut |there, total| {
        bytes = there;
        if let Some(bar) = &bar {
            bar.set_length(total.unwrap_or(there));
            bar.set_position(there);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    result?;
    let checked = if md5.is_some() { "checksum as published" } else { "no published checksum known" };
    say(quiet, &format!("{from} → {} ({bytes} bytes, {checked})", to.display()));
    Ok(())
}

/// Takes the set's files out of a packed archive (tar): headers of 512 bytes, contents padded to that.
fn unpack(archive: &Path, set: &Set, place: &Path) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::new(Exit::Invalid, format!("{}: {e}", archive.display()));
    let mut packed = GzDecoder::new(File::open(archive).map_err(failed)?);
    let mut header = [0; 512];
    loop {
        match packed.read_exact(&mut header) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            other => other.map_err(failed)?,
        }
        let text = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim_matches(['\0', ' ']).to_owned();
        let name = text(0..100);
        if name.is_empty() {
            break;
        }
        let size = u64::from_str_radix(&text(124..136), 8).ok().filter(|size| *size <= MOST);
        let size = size.ok_or_else(|| failed(io::Error::other(format!("{name} is no member of a tar archive, or too large"))))?;
        let last = name.rsplit('/').next().unwrap_or_default();
        let mut content = (&mut packed as &mut dyn Read).take(size);
        if set.files.iter().any(|file| file.names[0] == last) {
            let (part, to) = (place.join(format!(".{last}.part")), place.join(last));
            let mut file = File::create(&part).map_err(failed)?;
            let copied = io::copy(&mut content, &mut file).map_err(failed)?;
            if copied != size {
                return Err(failed(io::Error::other(format!("{name} is cut off"))));
            }
            file.flush().and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, &to)).map_err(failed)?;
        } else {
            io::copy(&mut content, &mut io::sink()).map_err(failed)?;
        }
        let padding = size.next_multiple_of(512) - size;
        io::copy(&mut (&mut packed as &mut dyn Read).take(padding), &mut io::sink()).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::source::Published;

    /// A member of a tar archive.
    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    #[test]
    fn the_files_of_a_set_are_taken_out_of_an_archive() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a.tar.gz");
        let write = |members: &[Vec<u8>], cut: usize| {
            let mut encoder = flate2::write::GzEncoder::new(File::create(&archive).unwrap(), flate2::Compression::fast());
            let bytes = members.concat();
            encoder.write_all(&bytes[..bytes.len() - cut]).unwrap();
            encoder.finish().unwrap();
        };
        let set = Set::of(Published::Cifar10);
        let (readme, batch) = (member("x/readme.html", &[7; 700]), member("x/test_batch.bin", &[1, 2, 3]));
        write(&[readme.clone(), batch.clone(), vec![0; 1024]], 0);
        unpack(&archive, set, dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("test_batch.bin")).unwrap(), [1, 2, 3]);
        assert!(!dir.path().join("readme.html").exists());
        fs::remove_file(dir.path().join("test_batch.bin")).unwrap();
        write(&[readme, batch], 511);
        assert!(unpack(&archive, set, dir.path()).unwrap_err().report().contains("x/test_batch.bin is cut off"));
        assert!(!dir.path().join("test_batch.bin").exists());
        write(&[vec![b'7'; 512]], 0);
        assert!(unpack(&archive, set, dir.path()).is_err());
    }
}

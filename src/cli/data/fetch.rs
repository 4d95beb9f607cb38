//! A file from a server or a directory, whole or not at all: what has arrived is kept in a part beside it, so that a later call goes on from
//! there, if it still asks for the same: from the same place, and what stands there is as it was, by the server's word or by the checksum that
//! is known of the whole. That checksum is held against the published one before the file gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use ureq::Agent;

/// Tries in a row that bring nothing, after which it is given up.
const TRIES: u32 = 4;
/// Time to reach a server, and for it to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes moved at a time.
const BUFFER: usize = 1 << 16;

/// A file that did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server said no.
    #[error("{url}: the server answers {status}")]
    Status {
        /// Where it was asked for.
        url: String,
        /// What it said, redirects followed.
        status: u16,
    },
    /// It could not be reached, or broke off time and again.
    #[error("{url}: {why}{}", kept_note(*.kept))]
    Broken {
        /// Where it was asked for.
        url: String,
        /// Why.
        why: String,
        /// Bytes that have arrived.
        kept: u64,
    },
    /// It is neither on a web server nor a path.
    #[error("{0}: expected a URL that begins with http:// or https://, or a directory")]
    Scheme(String),
    /// It is not the published file.
    #[error("{from}: the MD5 checksum is {found}, that of the published file {expected}; it is thrown away")]
    Checksum {
        /// Where it came from.
        from: String,
        /// The checksum of what came.
        found: String,
        /// That of the published file.
        expected: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn kept_note(kept: u64) -> String {
    if kept > 0 { format!("; {kept} bytes are kept, call again to go on") } else { String::new() }
}

/// Hears how far it is: bytes that are there, and bytes in all, if that is known.
pub type Hear<'h> = dyn FnMut(u64, Option<u64>) + 'h;

fn io_error(path: &Path) -> impl Fn(io::Error) -> FetchError {
    move |source| FetchError::Io { path: path.to_owned(), source }
}

/// The checksum of a file.
///
/// # Errors
/// [`FetchError::Io`].
pub fn md5_of(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(io_error(path))?;
    let (mut hasher, mut buffer) = (Md5::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer).map_err(io_error(path))? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Brings the file at `from`, a URL or a path, to `to`; `md5` is that of the published file, where it is known.
///
/// # Errors
/// [`FetchError`]; then there is no file of that name that was not there before.
pub fn fetch(from: &str, to: &Path, md5: Option<&str>, hear: &mut Hear<'_>) -> Result<(), FetchError> {
    let name = to.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let part = to.with_file_name(format!(".{name}.part"));
    let note = Note(to.with_file_name(format!(".{name}.part-of")));
    if is_url(from) {
        download(&Wanted { url: from, part: &part, note: &note, checked: md5.is_some() }, hear)?;
    } else if from.contains("://") {
        return Err(FetchError::Scheme(from.to_owned()));
    } else {
        note.forget();
        copy(Path::new(from), &part, hear)?;
    }
    note.forget();
    if let Some(expected) = md5 {
        let found = md5_of(&part)?;
        if found != expected {
            fs::remove_file(&part).map_err(io_error(&part))?;
            return Err(FetchError::Checksum { from: from.to_owned(), found, expected: expected.to_owned() });
        }
    }
    place(&part, to)
}

/// Beside a part: what it is a part of. As long as there is no such note, a part is of nothing.
struct Note(PathBuf);

impl Note {
    /// Writes down where a part comes from, and by what the server knows this content from a later one.
    fn write(&self, url: &str, content: Option<&str>) -> io::Result<()> {
        fs::write(&self.0, format!("{url}\n{}\n", content.unwrap_or_default()))
    }

    /// What the server said of the content, empty if nothing, where the part is from `url`.
    fn content(&self, url: &str) -> Option<String> {
        let text = fs::read_to_string(&self.0).ok()?;
        let mut lines = text.lines();
        (lines.next() == Some(url)).then(|| lines.next().unwrap_or_default().to_owned())
    }

    fn forget(&self) {
        // Where it stays, a part beside it is still what it says.
        let _ = fs::remove_file(&self.0);
    }
}

/// What is to be downloaded.
struct Wanted<'a> {
    url: &'a str,
    part: &'a Path,
    note: &'a Note,
    /// Whether a checksum tells in the end whether it is one file.
    checked: bool,
}

impl Wanted<'_> {
    /// Bytes that are there and may be gone on from, and by what the server knows their content.
    fn kept(&self) -> (u64, Option<String>) {
        let content = self.note.content(self.url);
        match content {
            Some(content) if !content.is_empty() => (size(self.part), Some(content)),
            Some(_) if self.checked => (size(self.part), None),
            _ => (0, None),
        }
    }
}

/// Whether a place is on a server.
#[must_use]
pub fn is_url(from: &str) -> bool {
    from.starts_with("http://") || from.starts_with("https://")
}

/// Gives a whole file its name, so that a crash leaves it there whole or not at all.
fn place(part: &Path, to: &Path) -> Result<(), FetchError> {
    File::open(part).and_then(|file| file.sync_all()).map_err(io_error(part))?;
    fs::rename(part, to).map_err(io_error(to))?;
    let dir = to.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir))
}

fn copy(from: &Path, part: &Path, hear: &mut Hear<'_>) -> Result<(), FetchError> {
    let mut file = File::open(from).map_err(io_error(from))?;
    let total = file.metadata().map_err(io_error(from))?.len();
    let mut to = File::create(part).map_err(io_error(part))?;
    let mut buffer = vec![0; BUFFER];
    let mut there = 0;
    loop {
        let n = file.read(&mut buffer).map_err(io_error(from))?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..n]).map_err(io_error(part))?;
        there += n as u64;
        hear(there, Some(total));
    }
}

/// Downloads into the part, from where an earlier call stopped; tries again where the connection breaks off while bytes keep coming.
fn download(wanted: &Wanted<'_>, hear: &mut Hear<'_>) -> Result<(), FetchError> {
    let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(PATIENCE));
    let agent: Agent = config.timeout_recv_response(Some(PATIENCE)).build().into();
    let mut tries = 0;
    loop {
        let (before, _) = wanted.kept();
        match attempt(&agent, wanted, hear)? {
            Attempt::Whole => return Ok(()),
            Attempt::Broken(why) => {
                let (kept, _) = wanted.kept();
                tries = if kept > before { 0 } else { tries + 1 };
                if tries >= TRIES {
                    return Err(FetchError::Broken { url: wanted.url.to_owned(), why, kept });
                }
                std::thread::sleep(Duration::from_millis(200 << tries));
            }
        }
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// How one connection ended.
enum Attempt {
    Whole,
    Broken(String),
}

fn attempt(agent: &Agent, wanted: &Wanted<'_>, hear: &mut Hear<'_>) -> Result<Attempt, FetchError> {
    let &Wanted { url, part, note, .. } = wanted;
    let (have, content) = wanted.kept();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
        if let Some(content) = content {
            // A server that has something else by now sends all of it.
            request = request.header("If-Range", content);
        }
    }
    let response = match request.call() {
        Ok(response) => response,
        Err(error) => return Ok(Attempt::Broken(error.to_string())),
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    // Where the answer begins in the file, and how long the file is.
    let (start, total) = match status {
        200 => (0, header("content-length").and_then(|length| length.parse().ok())),
        206 => match header("content-range").as_deref().and_then(range) {
            Some((start, total)) if start == have => (start, total),
            _ => return Ok(Attempt::Broken("the server sends another part than was asked for".to_owned())),
        },
        // Nothing is left to send, or the file there has become shorter than the part.
        416 => {
            let total = header("content-range").and_then(|text| text.rsplit('/').next()?.parse::<u64>().ok());
            if total == Some(have) {
                return Ok(Attempt::Whole);
            }
            fs::remove_file(part).map_err(io_error(part))?;
            return Ok(Attempt::Broken("the part that was kept does not fit".to_owned()));
        }
        status => return Err(FetchError::Status { url: url.to_owned(), status }),
    };
    let mut file = if start > 0 {
        OpenOptions::new().append(true).open(part).map_err(io_error(part))?
    } else {
        note.forget();
        let file = File::create(part).map_err(io_error(part))?;
        // A weak tag does not tell whether bytes are the same.
        let tag = header("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| header("last-modified"));
        note.write(url, tag.as_deref()).map_err(io_error(&note.0))?;
        file
    };
    let mut body = response.into_body().into_reader();
    let (mut there, mut buffer) = (start, vec![0; BUFFER]);
    hear(there, total);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                file.write_all(&buffer[..n]).map_err(io_error(part))?;
                there += n as u64;
                hear(there, total);
            }
            Err(error) => return Ok(Attempt::Broken(error.to_string())),
        }
    }
    Ok(match total {
        Some(total) if there != total => Attempt::Broken(format!("{there} of {total} bytes came")),
        _ => Attempt::Whole,
    })
}

/// Start and total of `bytes START-END/TOTAL`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (bytes, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((bytes.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

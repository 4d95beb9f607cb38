//! Walks a segment from header to header: finds whole frames, names what is damaged, ignores a torn tail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::error::DamageKind;
use super::footer::{FOOTER_KIND, FOOTER_SCHEMA};
use super::frame::{
    FORMAT, FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, SegmentHeader, parse_frame_header, parse_segment_header,
    segment_header,
};
use super::records::Kind;

/// What one walk found besides frames.
#[derive(Debug, Default)]
pub struct Scan {
    /// Where the next walk begins: behind the last whole frame.
    pub end: u64,
    /// Damage before `end`, as (offset, kind).
    pub damage: Vec<(u64, DamageKind)>,
    /// Damage behind `end`; may be a write under way, so the next walk looks again.
    pub tail: Option<(u64, DamageKind)>,
}

/// Why a walk ended early.
#[derive(Debug)]
pub enum ScanError {
    /// The file cannot be read.
    Io(io::Error),
    /// Written by a later version of the program.
    Newer {
        /// Where.
        offset: u64,
        /// What has the version.
        what: &'static str,
        /// The version found.
        found: u32,
        /// The newest version that is known here.
        supported: u32,
    },
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A file read through a sliding buffer, so that many small frames cost one read and large payloads are not read at all.
#[derive(Debug)]
pub struct Window<'a> {
    file: &'a File,
    /// Bytes of the file when the walk began; what is appended later is not looked at.
    length: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    const CHUNK: usize = 16 << 10;

    fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, length: file.metadata()?.len(), start: 0, buffer: Vec::new() })
    }

    /// Bytes from `offset` on: `wanted` of them, fewer at the end of the file.
    pub fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let wanted = wanted.min(usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX));
        if offset < self.start || offset + wanted as u64 > self.start + self.buffer.len() as u64 {
            self.buffer.resize(wanted.max(Self::CHUNK), 0);
            let mut filled = 0;
            while filled < self.buffer.len() {
                match self.file.read_at(&mut self.buffer[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.buffer.truncate(filled);
            self.start = offset;
        }
        // Within the buffer by now, unless the file was cut while we read it.
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(&self.buffer[from..self.buffer.len().min(from + wanted)])
    }

    /// First offset at or behind `from` where a valid frame header stands.
    fn next_frame(&mut self, mut from: u64) -> io::Result<Option<u64>> {
        loop {
            let chunk = self.at(from, Self::CHUNK)?;
            if chunk.len() < FRAME_HEADER {
                return Ok(None);
            }
            match chunk.windows(FRAME_MAGIC.len()).position(|bytes| bytes == FRAME_MAGIC) {
                Some(skip) => {
                    from += skip as u64;
                    if parse_frame_header(self.at(from, FRAME_HEADER)?).is_some() {
                        return Ok(Some(from));
                    }
                    from += 1;
                }
                // The magic may begin in the last bytes of this chunk.
                None => from += (chunk.len() - (FRAME_MAGIC.len() - 1)) as u64,
            }
        }
    }

    /// Whether nothing but zeros follows: a file grown by a crash before its content was on disk.
    fn zeros_from(&mut self, mut from: u64) -> io::Result<bool> {
        loop {
            let chunk = self.at(from, Self::CHUNK)?;
            if chunk.is_empty() {
                return Ok(true);
            }
            if chunk.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            from += chunk.len() as u64;
        }
    }
}

/// Walks a segment from `start` (0, or the `end` of the last walk) and gives the whole frame of every record to `each`, with its offset and the window,
/// in order.
pub fn scan(
    file: &File,
    start: u64,
    mut each: impl FnMut(&FrameHeader, u64, &mut Window<'_>) -> io::Result<()>,
) -> Result<Scan, ScanError> {
    let mut window = Window::new(file)?;
    let mut scan = Scan { end: start, ..Scan::default() };
    if start == 0 && !enter(&mut window, &mut scan)? {
        return Ok(scan);
    }
    while scan.end < window.length {
        let offset = scan.end;
        let Some(header) = parse_frame_header(window.at(offset, FRAME_HEADER)?) else {
            if !skip_damage(&mut window, &mut scan)? {
                break;
            }
            continue;
        };
        check_version(&header, offset)?;
        let next = offset + FRAME_HEADER as u64 + header.length;
        if next > window.length {
            break; // Torn, or being written.
        }
        if header.kind != FOOTER_KIND {
            each(&header, offset, &mut window)?;
        }
        scan.end = next;
    }
    Ok(scan)
}

/// Looks at the segment's header; whether frames may follow.
fn enter(window: &mut Window<'_>, scan: &mut Scan) -> Result<bool, ScanError> {
    let bytes = window.at(0, SEGMENT_HEADER)?;
    match parse_segment_header(bytes) {
        SegmentHeader::Valid => {}
        SegmentHeader::Newer(found) => {
            return Err(ScanError::Newer { offset: 0, what: "segment format", found, supported: FORMAT });
        }
        SegmentHeader::Invalid if segment_header().starts_with(bytes) => return Ok(false), // Torn at once.
        SegmentHeader::Invalid => {
            if window.next_frame(SEGMENT_HEADER as u64)?.is_none() {
                scan.tail = (!window.zeros_from(0)?).then_some((0, DamageKind::Foreign));
                return Ok(false);
            }
            scan.damage.push((0, DamageKind::SegmentHeader));
        }
    }
    scan.end = SEGMENT_HEADER as u64;
    Ok(true)
}

/// Steps over bytes that are no frame; whether a frame follows.
fn skip_damage(window: &mut Window<'_>, scan: &mut Scan) -> io::Result<bool> {
    let offset = scan.end;
    if let Some(next) = window.next_frame(offset + 1)? {
        scan.damage.push((offset, DamageKind::Unreadable { bytes: next - offset }));
        scan.end = next;
        return Ok(true);
    }
    let rest = window.length - offset;
    // Less than a header is a torn write; more is damage to a last frame that was whole, or that will be.
    if rest >= FRAME_HEADER as u64 && !window.zeros_from(offset)? {
        scan.tail = Some((offset, DamageKind::Unreadable { bytes: rest }));
    }
    Ok(false)
}

/// Refuses records that this program does not understand: the header checks, so it is no damage.
fn check_version(header: &FrameHeader, offset: u64) -> Result<(), ScanError> {
    if (header.kind, header.schema) == (FOOTER_KIND, FOOTER_SCHEMA) {
        return Ok(());
    }
    let Some(kind) = Kind::of_code(header.kind) else {
        return Err(ScanError::Newer {
            offset,
            what: "record kind",
            found: header.kind.into(),
            supported: Kind::NEWEST.code().into(),
        });
    };
    if header.schema > kind.schema() {
        return Err(ScanError::Newer {
            offset,
            what: "record schema",
            found: header.schema.into(),
            supported: kind.schema().into(),
        });
    }
    Ok(())
}

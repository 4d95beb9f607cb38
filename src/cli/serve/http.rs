//! Just enough of HTTP/1.1 for a dashboard: one request a connection, GET and HEAD, everything bounded.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::report::POLICY;

/// Longest head of a request.
const MOST_HEAD: usize = 16 << 10;
/// Header fields at most.
const MOST_FIELDS: usize = 64;
/// Time in which a request must have come, and in which each part of an answer must be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// The path's parts, decoded.
    pub path: Vec<String>,
    /// Keys and values behind `?`, decoded.
    pub query: Vec<(String, String)>,
    /// The fields, names in lower case.
    fields: Vec<(String, String)>,
}

impl Request {
    /// The first value of a key behind `?`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// A header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.field("cookie")?
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code and its words.
    pub status: (u16, &'static str),
    /// Type of the content.
    pub kind: &'static str,
    /// More header fields; values must hold no line breaks.
    pub fields: Vec<(&'static str, String)>,
    /// The content.
    pub body: Body,
}

/// The content of an answer.
#[derive(Debug)]
pub enum Body {
    /// Held in memory.
    Bytes(Vec<u8>),
    /// A file, of that length.
    File(File, u64),
}

impl Answer {
    /// A page.
    pub fn page(status: (u16, &'static str), html: String) -> Self {
        Self { status, kind: "text/html; charset=utf-8", fields: Vec::new(), body: Body::Bytes(html.into_bytes()) }
    }

    /// All well.
    pub fn ok(kind: &'static str, bytes: Vec<u8>) -> Self {
        Self { status: (200, "OK"), kind, fields: Vec::new(), body: Body::Bytes(bytes) }
    }

    /// Only the part that a `Range` field asks for: a browser that plays a film jumps in it. A field that is not understood, or names several
    /// parts, is ignored, as it may be.
    pub fn part(mut self, range: Option<&str>) -> io::Result<Self> {
        let Body::File(file, length) = &mut self.body else { return Ok(self) };
        self.fields.push(("Accept-Ranges", "bytes".to_owned()));
        let Some((first, last)) = range.and_then(range_of) else { return Ok(self) };
        let (first, last) = match (first, last) {
            (Some(first), last) => (first, last.unwrap_or(u64::MAX).min(length.saturating_sub(1))),
            (None, last) => (length.saturating_sub(last.unwrap_or(0)), length.saturating_sub(1)),
        };
        if first > last || first >= *length {
            self.fields.push(("Content-Range", format!("bytes */{length}")));
            return Ok(Self { status: (416, "Range Not Satisfiable"), body: Body::Bytes(Vec::new()), ..self });
        }
        file.seek(SeekFrom::Start(first))?;
        self.fields.push(("Content-Range", format!("bytes {first}-{last}/{length}")));
        *length = last - first + 1;
        Ok(Self { status: (206, "Partial Content"), ..self })
    }

    /// Writes the answer; the connection ends with it.
    pub fn write(mut self, head_only: bool, out: &mut impl Write) -> io::Result<()> {
        let length = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(_, length) => *length,
        };
        let (code, words) = self.status;
        let mut head = format!(
            "HTTP/1.1 {code} {words}\r\nContent-Type: {}\r\nContent-Length: {length}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: {POLICY}\r\n",
            self.kind
        );
        for (name, value) in self.fields.drain(..).filter(|(_, value)| !value.contains(['\r', '\n'])) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        out.write_all(head.as_bytes())?;
        if !head_only {
            match self.body {
                Body::Bytes(bytes) => out.write_all(&bytes)?,
                Body::File(file, length) => drop(io::copy(&mut file.take(length), out)?),
            }
        }
        out.flush()
    }
}

/// First and last byte of `bytes=FIRST-LAST`, either of which may be missing; `None` where that is not what stands there.
fn range_of(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let is_range = match (first, last) {
        (Some(first), Some(last)) => first <= last,
        (None, None) => false,
        _ => true,
    };
    is_range.then_some((first, last))
}

/// What is wrong with a request: a status and its words.
pub type Refusal = (u16, &'static str);

/// Reads the request of a connection.
pub fn read(stream: &mut TcpStream) -> Result<Request, Refusal> {
    let begin = Instant::now();
    // What cannot be set is only a comfort.
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut head = Vec::new();
    loop {
        let left = PATIENCE.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()).ok_or((408, "Request Timeout"))?;
        let _ = stream.set_read_timeout(Some(left));
        let mut part = [0; 2048];
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return Err((408, "Request Timeout")),
            Ok(n) => head.extend_from_slice(&part[..n]),
        }
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
        if head.len() > MOST_HEAD {
            return Err((431, "Request Header Fields Too Large"));
        }
    }
}

/// The request in these bytes; `None` while it is not whole.
pub fn parse(head: &[u8]) -> Result<Option<Request>, Refusal> {
    const BAD: Refusal = (400, "Bad Request");
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err((431, "Request Header Fields Too Large")),
        Err(_) => return Err(BAD),
    }
    let head_only = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err((405, "Method Not Allowed")),
    };
    let target = parsed.path.filter(|target| target.starts_with('/')).ok_or(BAD)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = |text: &str| decode(text).ok_or(BAD);
    let path = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect::<Result<_, _>>()?;
    let pair = |pair: &str| -> Result<(String, String), Refusal> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(&key.replace('+', " "))?, decoded(&value.replace('+', " "))?))
    };
    let query = query.split('&').filter(|text| !text.is_empty()).map(pair).collect::<Result<_, _>>()?;
    let field =
        |field: &httparse::Header<'_>| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned());
    let fields = parsed.headers.iter().map(field).collect();
    Ok(Some(Request { head_only, path, query, fields }))
}

/// Text with its `%XX` resolved; `None` where that is no UTF-8 text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read_and_bad_ones_refused() {
        let get = |text: &str| parse(text.as_bytes());
        let request = get("GET /a%2Fb/%C3%A4?q=x+y&id=a%3Ab HTTP/1.1\r\nHost: localhost:1\r\nCookie: a=1; token=2\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(request.path, ["a/b", "ä"]);
        assert_eq!((request.value("q"), request.value("id"), request.value("z")), (Some("x y"), Some("a:b"), None));
        assert_eq!((request.field("host"), request.cookie("token")), (Some("localhost:1"), Some("2")));
        assert_eq!(get("GET / HTTP/1.1\r\nHost: a").unwrap(), None);
        assert_eq!(get("POST / HTTP/1.1\r\n\r\n"), Err((405, "Method Not Allowed")));
        for bad in
            ["GET http://a/ HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n", "GET /%ff HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n"]
        {
            assert_eq!(get(bad).map_err(|refusal| refusal.0), Err(400), "{bad}");
        }
        let many: String = (0..100).map(|i| format!("a{i}: b\r\n")).collect();
        assert_eq!(get(&format!("GET / HTTP/1.1\r\n{many}\r\n")).map_err(|refusal| refusal.0), Err(431));
    }

    #[test]
    fn an_answer_cannot_be_split() {
        let mut answer = Answer::ok("text/plain", b"x".to_vec());
        answer.fields.push(("Location", "/a\r\nSet-Cookie: b".to_owned()));
        let mut out = Vec::new();
        answer.write(false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains("Set-Cookie") && text.contains("Cache-Control: no-store") && text.ends_with("\r\n\r\nx"));
    }

    #[test]
    fn parts_of_a_file_are_what_is_asked_for() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let part = |range: Option<&str>| {
            let body = Body::File(file.try_clone().unwrap(), 10);
            file.try_clone().unwrap().seek(SeekFrom::Start(0)).unwrap();
            let answer = Answer { status: (200, "OK"), kind: "video/mp4", fields: Vec::new(), body }.part(range).unwrap();
            let (status, mut out) = (answer.status.0, Vec::new());
            answer.write(false, &mut out).unwrap();
            (status, String::from_utf8(out).unwrap())
        };
        for (range, status, told, bytes) in [
            ("bytes=0-3", 206, "bytes 0-3/10", "0123"),
            ("bytes=7-", 206, "bytes 7-9/10", "789"),
            ("bytes=-2", 206, "bytes 8-9/10", "89"),
            ("bytes=4-400", 206, "bytes 4-9/10", "456789"),
            ("bytes=-400", 206, "bytes 0-9/10", "0123456789"),
            ("bytes=10-", 416, "bytes */10", ""),
            ("bytes=-0", 416, "bytes */10", ""),
        ] {
            let (found, text) = part(Some(range));
            assert!(found == status && text.contains(&format!("Content-Range: {told}\r\n")), "{range}: {text}");
            assert!(
                text.contains(&format!("Content-Length: {}\r\n", bytes.len())) && text.ends_with(&format!("\r\n\r\n{bytes}")),
                "{range}: {text}"
            );
        }
        for ignored in [None, Some("bytes=3-2"), Some("bytes=0-1,4-5"), Some("lines=0-1"), Some("bytes=-"), Some("bytes=a-b")] {
            let (status, text) = part(ignored);
            assert!(
                status == 200 && text.contains("Accept-Ranges: bytes") && text.ends_with("\r\n\r\n0123456789"),
                "{ignored:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_range_makes_it_panic(text in ".*", first in any::<u64>(), last in any::<u64>()) {
            let _ = (range_of(&text), range_of(&format!("bytes={first}-{last}")));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}

//! `infoplane data` against a server of our own, which breaks off, lies, redirects and refuses.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Finished, Lab};
use serde_json::Value;

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// As asked, parts of files included.
    Good,
    /// The whole file, whatever part was asked for.
    Whole,
    /// So many bytes of what was asked for, then nothing more; this often.
    Breaks(usize, usize),
    /// So many bytes on the first connection, none on the following ones up to this, then as Good.
    Dies(usize, usize),
    /// As Good, without a word of which content it is; the first two connections break off.
    Untagged,
    /// From another place.
    Redirects,
    /// There is none.
    Refuses,
}

/// A server of one file under every name, and what it was asked for: path and first byte.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Server {
    fn start(content: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            let mut broken = 0;
            for stream in listener.incoming().flatten() {
                // A client that goes away is no concern of the server's.
                let _ = answer(stream, &content, manner, &mut broken, &log);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<(String, usize)> {
        self.asked.lock().expect("a log").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    content: &[u8],
    manner: Manner,
    broken: &mut usize,
    log: &Mutex<Vec<(String, usize)>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut start, mut known) = (0, None);
    let tag = format!("\"{}\"", content.len());
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap_or(0);
        }
        if let Some(of) = line.strip_prefix("if-range: ") {
            known = Some(of.to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    log.lock().expect("a log").push((path.clone(), start));
    let mut head = |text: &str| write!(stream, "HTTP/1.1 {text}\r\nConnection: close\r\n\r\n");
    match manner {
        Manner::Refuses => return head("404 Not Found\r\nContent-Length: 0"),
        Manner::Redirects if !path.starts_with("/elsewhere") => {
            return head(&format!("302 Found\r\nLocation: /elsewhere{path}\r\nContent-Length: 0"));
        }
        _ => {}
    }
    if manner == Manner::Whole || start == 0 || known.is_some_and(|known| known != tag) {
        start = 0;
        let told = if manner == Manner::Untagged { String::new() } else { format!("ETag: {tag}\r\n") };
        head(&format!("200 OK\r\n{told}Content-Length: {}", content.len()))?;
    } else if start >= content.len() {
        return head(&format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\nContent-Length: 0", content.len()));
    } else {
        let (end, total) = (content.len() - 1, content.len());
        head(&format!("206 Partial Content\r\nContent-Range: bytes {start}-{end}/{total}\r\nContent-Length: {}", total - start))?;
    }
    let mut rest = &content[start..];
    let breaks = match manner {
        Manner::Breaks(bytes, times) => Some((bytes, times)),
        Manner::Dies(bytes, times) => Some((if *broken == 0 { bytes } else { 0 }, times)),
        Manner::Untagged => Some((100_000, 2)),
        _ => None,
    };
    if let Some((bytes, times)) = breaks
        && *broken < times
    {
        *broken += 1;
        rest = &rest[..bytes.min(rest.len())];
    }
    stream.write_all(rest)?;
    stream.flush()
}

/// A file with the letters and numbers of the published mushrooms, but not these.
fn mushrooms() -> Vec<u8> {
    let letters = [6, 4, 10, 2, 9, 2, 2, 2, 12, 2, 5, 4, 4, 9, 9, 1, 4, 3, 5, 9, 6, 7_u32];
    let line = |e: u32| {
        let fields = letters.iter().map(|n| format!(",{}", char::from(b'a' + (e % n) as u8)));
        format!("{}{}\n", if e.is_multiple_of(3) { 'e' } else { 'p' }, fields.collect::<String>())
    };
    (0..8124).map(line).collect::<String>().into_bytes()
}

fn fetch(lab: &Lab, from: &str) -> Finished {
    lab.call(&["data", "fetch", "mushroom", "--from", from, "--to", "d"])
}

const PLACE: &str = "d/mushroom/agaricus-lepiota.data";

#[track_caller]
fn assert_there(lab: &Lab) {
    assert!(fs::read(lab.path(PLACE)).expect("a file") == mushrooms());
    assert_eq!(fs::read_dir(lab.path("d/mushroom")).expect("a directory").count(), 1, "nothing else is left");
}

#[test]
fn a_set_is_fetched_once_and_known_from_then_on() {
    let (lab, server) = (Lab::new(), Server::start(mushrooms(), Manner::Good));
    lab.call(&["data", "verify", "mushroom", "--dir", "d"]).expect(3);
    let said = fetch(&lab, &server.address).expect(0).stderr;
    assert!(said.contains("8124 examples of 117 inputs") && said.contains("no published checksum known"), "{said}");
    assert_there(&lab);
    assert_eq!(server.asked(), [("/agaricus-lepiota.data".to_owned(), 0)]);
    assert!(fetch(&lab, &server.address).expect(0).stderr.contains("is there already"));
    assert_eq!(server.asked().len(), 1);
    let list: Value = serde_json::from_str(&lab.call(&["data", "list", "--dir", "d", "--json"]).expect(0).stdout).expect("JSON");
    let row = |name: &str| list.as_array().expect("rows").iter().find(|row| row["name"] == name).expect(name).clone();
    assert_eq!((row("mushroom")["bytes"].as_u64(), row("mnist")["place"].is_null()), (Some(mushrooms().len() as u64), true));
    assert_eq!((row("harmonics")["train"].as_u64(), row("mushroom")["train"].as_u64()), (Some(3277), Some(6499)));
    let report = lab.call(&["data", "verify", "--dir", "d", "--json"]).expect(0).stdout;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let of = |name: &str| report.as_array().expect("sets").iter().find(|set| set["name"] == name).expect(name).clone();
    assert_eq!(of("mushroom")["classes"], serde_json::json!([["edible", 2708], ["poisonous", 5416]]));
    assert_eq!(of("harmonics")["classes"], serde_json::json!([["0", 1978], ["1", 2118]]));
    let soft = of("harmonics_soft")["soft_information"].as_f64().expect("bits");
    assert!(soft > 0.9 && soft < 0.9991, "{soft}");
    let cohort = "name = 'm'\n[experiment]\ndataset = 'mushroom'\nepochs = 1\nestimators = []\narchitecture = [2]\n";
    lab.write("m.toml", &format!("{cohort}data_dir = 'd'\n"));
    lab.call(&["run", "m.toml"]).expect(0);
    // Questions need no data any more; computing does, and tells when it is another.
    fs::write(lab.path(PLACE), mushrooms().repeat(2)).expect("a file");
    lab.call(&["status"]).expect(0);
    let said = lab.call(&["repro", "m:m:0"]).expect(4).stdout;
    assert!(said.contains("the content has changed") && said.contains(PLACE), "{said}");
    fs::remove_file(lab.path(PLACE)).expect("a file");
    lab.call(&["aggregate", "m"]).expect(0);
    let said = lab.call(&["run", "m.toml"]).expect(3).stderr;
    assert!(said.contains("infoplane data fetch mushroom --to d") && said.contains("d/mushroom"), "{said}");
}

#[test]
fn a_connection_that_breaks_off_is_taken_up_where_it_was() {
    let (lab, server) = (Lab::new(), Server::start(mushrooms(), Manner::Breaks(100_000, 2)));
    fetch(&lab, &server.address).expect(0);
    assert_there(&lab);
    assert_eq!(server.asked().iter().map(|(_, start)| *start).collect::<Vec<_>>(), [0, 100_000, 200_000]);
}

#[test]
fn what_came_is_kept_for_a_later_call() {
    let lab = Lab::new();
    // It breaks off once, and then brings nothing until the client has had enough: a first try that brought something, four that did not.
    let server = Server::start(mushrooms(), Manner::Dies(12_345, 5));
    let said = fetch(&lab, &server.address).expect(3).stderr;
    assert!(said.contains("12345 bytes are kept, call again to go on"), "{said}");
    assert!(!lab.path(PLACE).exists());
    fetch(&lab, &server.address).expect(0);
    assert_there(&lab);
    assert_eq!(server.asked().iter().map(|(_, start)| *start).collect::<Vec<_>>(), [0, 12_345, 12_345, 12_345, 12_345, 12_345]);
}

#[test]
fn a_part_of_something_else_is_begun_again() {
    let (lab, part) = (Lab::new(), "d/mushroom/.agaricus-lepiota.data.part");
    fs::create_dir_all(lab.path("d/mushroom")).expect("a directory");
    // Of unknown origin, or from another server, a part is no beginning: here every letter of it is wrong.
    let wrong = vec![b'#'; 12_345];
    fs::write(lab.path(part), &wrong).expect("a part");
    let good = Server::start(mushrooms(), Manner::Good);
    fs::write(lab.path(&format!("{part}-of")), "http://127.0.0.1:1/agaricus-lepiota.data\n\"1\"\n").expect("a note");
    fetch(&lab, &good.address).expect(0);
    assert_there(&lab);
    assert_eq!(good.asked()[0].1, 0);
    // From the same server, which has another content now and says so.
    fs::remove_file(lab.path(PLACE)).expect("a file");
    fs::write(lab.path(part), &wrong).expect("a part");
    fs::write(lab.path(&format!("{part}-of")), format!("{}agaricus-lepiota.data\n\"1\"\n", good.address)).expect("a note");
    fetch(&lab, &good.address).expect(0);
    assert_there(&lab);
    assert_eq!(good.asked()[1].1, 12_345);
    // One that does not say which content it is, of a file without a known checksum: every try begins at the beginning.
    let untagged = Server::start(mushrooms(), Manner::Untagged);
    fs::remove_file(lab.path(PLACE)).expect("a file");
    fetch(&lab, &untagged.address).expect(0);
    assert_there(&lab);
    assert_eq!(untagged.asked().iter().map(|(_, start)| *start).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn redirects_are_followed_and_refusals_told() {
    let (lab, server) = (Lab::new(), Server::start(mushrooms(), Manner::Redirects));
    fetch(&lab, &server.address).expect(0);
    assert_there(&lab);
    assert_eq!(server.asked().last().expect("requests").0, "/elsewhere/agaricus-lepiota.data");
    let (lab, server) = (Lab::new(), Server::start(Vec::new(), Manner::Refuses));
    let said = fetch(&lab, &server.address).expect(3).stderr;
    assert!(said.contains("the server answers 404") && said.contains(&server.address), "{said}");
    assert!(!lab.path(PLACE).exists());
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    fetch(&lab, &format!("http://{gone}/")).expect(3);
}

#[test]
fn another_file_than_the_published_is_thrown_away() {
    let (lab, server) = (Lab::new(), Server::start(b"not pictures".to_vec(), Manner::Good));
    let said = lab.call(&["data", "fetch", "mnist", "--from", &server.address, "--to", "d"]).expect(3).stderr;
    assert!(said.contains("that of the published file f68b3c2dcbeaaa9fbdd348bbdeb94873"), "{said}");
    assert_eq!(fs::read_dir(lab.path("d/mnist")).expect("a directory").count(), 0);
    // Without a known checksum the content tells.
    let (lab, server) = (Lab::new(), Server::start(mushrooms()[..4600].to_vec(), Manner::Good));
    let said = fetch(&lab, &server.address).expect(3).stderr;
    assert!(said.contains("not as many examples") && said.contains("thrown away"), "{said}");
    assert!(!lab.path(PLACE).exists());
}

#[test]
fn a_directory_is_as_good_as_a_server() {
    let lab = Lab::new();
    fs::write(lab.path("agaricus-lepiota.data"), mushrooms()).expect("a file");
    fetch(&lab, ".").expect(0);
    assert_there(&lab);
    let said = fetch(&lab, "nowhere").expect(0).stderr;
    assert!(said.contains("is there already"), "{said}");
    fs::remove_file(lab.path(PLACE)).expect("a file");
    assert!(fetch(&lab, "nowhere").expect(3).stderr.contains("nowhere/agaricus-lepiota.data"));
}

/// The published files beside the checkout, where they are, have the checksums that are known.
#[test]
fn known_checksums_are_those_of_the_published_files() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("INFOPLANE_SHARED").map_or_else(beside, Into::into);
    if !shared.is_dir() {
        eprintln!("skipped: no folder {}; set INFOPLANE_SHARED to test against published files", shared.display());
        return;
    }
    let lab = Lab::new();
    let mushroom = shared.join("data/mushroom");
    fetch(&lab, &mushroom.display().to_string()).expect(0);
    // Of MNIST there is the test half: the first file that is missing ends it, after the checksums of none.
    let pictures = shared.join("data/mnist_t10k");
    let said = lab.call(&["data", "fetch", "mnist", "--from", &pictures.display().to_string(), "--to", "d"]).expect(3).stderr;
    assert!(said.contains("train-images-idx3-ubyte.gz"), "{said}");
}

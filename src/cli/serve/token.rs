//! Who may look: on this machine everybody who asks for it by a name of this machine, from elsewhere who has the token.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;

use super::http::{Answer, Request};
use crate::report::html::component;
use crate::report::problem_page;

/// Name of the cookie that holds the token.
const COOKIE: &str = "infoplane_token";

/// The door.
pub struct Door {
    token: Option<String>,
    port: u16,
}

impl Door {
    /// The door at an address: with a token if one is given or others can reach it.
    pub fn new(address: SocketAddr, given: Option<String>) -> io::Result<Self> {
        let token = match given.filter(|token| !token.is_empty()) {
            Some(token) => Some(token),
            None if address.ip().is_loopback() => None,
            None => Some(made_up()?),
        };
        Ok(Self { token, port: address.port() })
    }

    /// The address for a browser.
    pub fn invitation(&self, address: SocketAddr) -> String {
        let token = self.token.as_ref().map_or_else(String::new, |token| format!("?token={}", component(token)));
        format!("http://{address}/{token}")
    }

    /// Why a request is not let in; `None` if it is.
    pub fn check(&self, request: &Request) -> Option<Answer> {
        let Some(token) = &self.token else {
            // A page from elsewhere can send a browser here under a name of its own; it must not read what is here.
            let host = request.field("host").unwrap_or_default();
            let known =
                ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host == *name || host == format!("{name}:{}", self.port));
            let status = (421, "Misdirected Request");
            return (!known).then(|| {
                Answer::page(status, problem_page("Another name", "Ask for this page as http://127.0.0.1 or http://localhost."))
            });
        };
        if let Some(given) = request.value("token") {
            if !same(given, token) {
                return Some(Self::locked());
            }
            // On to the same page without the token in its address.
            let mut answer = Answer::page((303, "See Other"), problem_page("Welcome", "You are let in."));
            answer.fields.push(("Set-Cookie", format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", component(token))));
            let path: Vec<String> = request.path.iter().map(|part| component(part)).collect();
            answer.fields.push(("Location", format!("/{}", path.join("/"))));
            return Some(answer);
        }
        let bearer = request.field("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let admitted = request.cookie(COOKIE).is_some_and(|cookie| same(cookie, &component(token)))
            || bearer.is_some_and(|bearer| same(bearer, token));
        (!admitted).then(Self::locked)
    }

    fn locked() -> Answer {
        let text = "Open the address that `infoplane serve` told: the token is in it.";
        Answer::page((401, "Unauthorized"), problem_page("Who is there?", text))
    }
}

/// Whether two texts are the same, found out in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// 128 bits that nobody can guess.
fn made_up() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::super::http::parse;
    use super::*;

    fn request(target: &str, fields: &str) -> Request {
        parse(format!("GET {target} HTTP/1.1\r\n{fields}\r\n").as_bytes()).unwrap().unwrap()
    }

    fn status(door: &Door, target: &str, fields: &str) -> u16 {
        door.check(&request(target, fields)).map_or(200, |answer| answer.status.0)
    }

    #[test]
    fn this_machine_is_let_in_under_its_own_names_only() {
        let door = Door::new("127.0.0.1:99".parse().unwrap(), None).unwrap();
        for (host, expected) in
            [("127.0.0.1:99", 200), ("localhost:99", 200), ("[::1]:99", 200), ("evil.example:99", 421), ("", 421)]
        {
            assert_eq!(status(&door, "/", &format!("Host: {host}\r\n")), expected, "{host}");
        }
    }

    #[test]
    fn others_need_the_token() {
        let door = Door::new("0.0.0.0:99".parse().unwrap(), None).unwrap();
        let token = door.token.clone().unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(status(&door, "/", "Host: a\r\n"), 401);
        assert_eq!(status(&door, "/?token=wrong", ""), 401);
        assert_eq!(status(&door, "/", &format!("Authorization: Bearer {token}\r\n")), 200);
        assert_eq!(status(&door, "/", &format!("Cookie: a=b; infoplane_token={token}\r\n")), 200);
        assert_eq!(status(&door, "/", "Cookie: infoplane_token=\r\n"), 401);
        let welcome = door.check(&request(&format!("/cohort/a%2Fb?token={token}"), "")).unwrap();
        assert_eq!(welcome.status.0, 303);
        assert!(welcome.fields.contains(&("Location", "/cohort/a%2Fb".to_owned())));
        let given = Door::new("127.0.0.1:99".parse().unwrap(), Some("secret".into())).unwrap();
        assert_eq!(status(&given, "/", "Host: localhost:99\r\n"), 401);
    }
}

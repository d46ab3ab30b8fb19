//! Requests as the clients of the world write them: any header, any signature rule.

use super::{WAIT_MAX, text};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Where merchants post.
pub const PATH: &str = "/FortAPI/paymentApi";

/// An answer with its head.
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body as a JSON object.
    pub fn json(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", text(&self.body)))
    }
}

/// Sends bytes over a connection of their own and reads the answer to its end.
pub fn send(address: &str, request: &[u8]) -> HttpAnswer {
    send_in_pieces(address, &[request])
}

/// The same, each piece written by itself.
pub fn send_in_pieces(address: &str, pieces: &[&[u8]]) -> HttpAnswer {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // A server that answers before it has read everything may close early: its answer matters.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    split(&answer)
}

/// The head of a request to the payment API: `version` (`1.0`, `1.1`) and headers besides length.
pub fn head(address: &str, version: &str, headers: &[&str], body_bytes: usize) -> String {
    let mut head = format!("POST {PATH} HTTP/{version}\r\nHost: {address}\r\nContent-Length: {body_bytes}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("Connection: close\r\n\r\n");
    head
}

/// Posts a body with these headers.
pub fn post(address: &str, version: &str, headers: &[&str], body: &[u8]) -> HttpAnswer {
    send(address, &[head(address, version, headers, body.len()).as_bytes(), body].concat())
}

/// A signature by SHA-256 made from nothing but its rule: the pairs in the given order, joined,
/// between two copies of the phrase; lower-case hex.
pub fn sha256_signature(pairs: &[(&str, &str)], phrase: &str) -> String {
    let joined: String = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let whole = format!("{phrase}{joined}{phrase}");
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, whole.as_bytes()))
}

fn split(answer: &[u8]) -> HttpAnswer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no HTTP answer: {:?}", text(answer)));
    let head = text(&answer[..end]);
    // What a server says on the way (100 Continue) is not the answer.
    if head.starts_with("HTTP/1.1 100") {
        return split(&answer[end + 4..]);
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an HTTP status");
    HttpAnswer { status, head, body: answer[end + 4..].to_vec() }
}

//! A merchant's server that takes feedback: a real HTTP server that behaves as badly as it is told to.

use super::{WAIT_MAX, text, wait_for};
use serde_json::{Map, Value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What it answers.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// This status and body.
    Answer(u16, String),
    /// A redirect to this URL.
    Redirect(u16, String),
    /// It takes the request and never answers.
    Silent,
    /// A status and a body that does not end.
    Endless(u16),
    /// It closes the connection without a word.
    Hangup,
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What it was answered with, 0 for nothing.
    pub status: u16,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn json(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", text(&self.body)))
    }

    pub fn sequence(&self) -> u32 {
        self.header("tollgate-feedback-sequence").parse().unwrap()
    }
}

/// A running receiver. It ends when dropped.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<Listening>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Received>>,
}

struct Listening {
    stopped: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    pub fn start() -> Receiver {
        Receiver::start_on("127.0.0.1:0".parse().unwrap())
    }

    /// On the address of one that was dropped.
    pub fn start_on(address: SocketAddr) -> Receiver {
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Behaviour::Answer(200, "taken".into())),
            received: Mutex::default(),
        });
        let mut receiver = Receiver { address, shared, listening: None };
        receiver.come_back();
        receiver
    }

    /// Connections are refused until it comes back. What came before stays known.
    pub fn go_away(&mut self) {
        let Some(listening) = self.listening.take() else { return };
        listening.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = listening.accepting.join();
    }

    /// It listens again on its address.
    pub fn come_back(&mut self) {
        if self.listening.is_some() {
            return;
        }
        let listener = wait_for("the address is free", || TcpListener::bind(self.address).ok());
        self.address = listener.local_addr().unwrap();
        let (shared, stopped) = (Arc::clone(&self.shared), Arc::new(AtomicBool::new(false)));
        let stops = Arc::clone(&stopped);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, stops) = (Arc::clone(&shared), Arc::clone(&stops));
                std::thread::spawn(move || serve(stream.unwrap(), &shared, &stops));
            }
        });
        self.listening = Some(Listening { stopped, accepting });
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until so many requests came; gives all of them.
    pub fn wait(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} feedbacks come"), || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
    }

    /// Waits for a request about this order with this code.
    pub fn wait_for(&self, reference: &str, code: &str) -> Received {
        wait_for(&format!("feedback {code} of {reference}"), || {
            self.received().into_iter().find(|received| {
                let json = received.json();
                json["merchant_reference"] == reference && json["response_code"] == code
            })
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// One request, then the connection is closed: a kept one would outlive its receiver.
fn serve(mut stream: TcpStream, shared: &Shared, stopped: &AtomicBool) {
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let Some(mut request) = read(&mut stream) else { return };
    if stopped.load(Ordering::SeqCst) {
        return;
    }
    let behaviour = shared.behaviour.lock().unwrap().clone();
    request.status = match &behaviour {
        Behaviour::Answer(status, _) | Behaviour::Redirect(status, _) | Behaviour::Endless(status) => *status,
        Behaviour::Silent | Behaviour::Hangup => 0,
    };
    shared.received.lock().unwrap().push(request);
    match behaviour {
        Behaviour::Answer(status, body) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
        Behaviour::Redirect(status, to) => {
            let head =
                format!("HTTP/1.1 {status} X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
        }
        Behaviour::Endless(status) => {
            let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n").as_bytes());
            while stream.write_all(&[b'x'; 8192]).is_ok() {}
        }
        Behaviour::Silent => {
            // Until the gateway gives up.
            let _ = stream.read(&mut [0; 1]);
        }
        Behaviour::Hangup => {}
    }
}

fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = text(&bytes[..end]);
    let mut lines = head.lines();
    let line = lines.next()?;
    assert!(line.starts_with("POST "), "{line}");
    let path = line.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.expect("the body's length is told").1.parse().unwrap();
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&chunk[..read]);
    }
    Some(Received { path, headers, body, status: 0 })
}

/// Short times for feedback.
pub const QUICK_FEEDBACK: [(&str, &str); 4] = [
    ("TOLLGATE_FEEDBACK_TRY_TIMEOUT_MS", "700"),
    ("TOLLGATE_FEEDBACK_QUICK_RETRY_MS", "100"),
    ("TOLLGATE_FEEDBACK_SLOW_RETRY_MS_MIN", "200"),
    ("TOLLGATE_FEEDBACK_SLOW_RETRY_MS_MAX", "400"),
];

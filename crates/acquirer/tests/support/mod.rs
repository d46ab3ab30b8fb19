//! A host that does what a test tells it, over pipes in place of sockets, and the requests to send it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tollgate_acquirer::{
    Acquirer, Connect, Exchange, ExchangeResult, IsoLink, LateReply, LinkSettings, LinkState, NetworkCard, NetworkKind,
    NetworkRequest, OriginalReference,
};
use tollgate_core::card::{Expiry, Pan, SecurityCode};
use tollgate_core::command::{Eci, ThreeDsWish};
use tollgate_core::ident::{OperationId, Stan};
use tollgate_core::merchant::AcquirerTerms;
use tollgate_core::money::{Amount, Currency, Money};
use tollgate_core::order::WireReference;
use tollgate_core::three_ds::{AuthenticatedBy, Authentication, AuthenticationStatus, AuthenticationValue};
use tollgate_core::time::{Clock, Timestamp};
use tollgate_iso8583::{FrameReader, Framing, Message, Mti, Spec};

pub const PAN: &str = "4005550000000001";
pub const SECURITY_CODE: &str = "739";
/// 2026-11-20 12:00:00 UTC.
pub const NOW: Timestamp = Timestamp(1_795_176_000_000_000);

pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// Makes pipes and gives their far ends to the test.
pub struct Pipes {
    bytes_max: usize,
    hosts: mpsc::UnboundedSender<DuplexStream>,
}

impl Connect for Pipes {
    type Io = DuplexStream;

    async fn connect(&mut self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(self.bytes_max);
        self.hosts.send(far).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(near)
    }
}

/// A link over pipes and all that is at its other ends.
pub struct Rig {
    pub link: Arc<IsoLink>,
    pub late: mpsc::Receiver<LateReply>,
    hosts: mpsc::UnboundedReceiver<DuplexStream>,
    spec: Arc<Spec>,
    framing: Framing,
}

pub fn settings() -> LinkSettings {
    LinkSettings { backoff_ms_min: 10, backoff_ms_max: 1000, ..LinkSettings::new("not used", "400001") }
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(settings())
    }

    pub fn with(settings: LinkSettings) -> Rig {
        Rig::with_pipes(settings, 1 << 20, 64)
    }

    pub fn with_pipes(settings: LinkSettings, pipe_bytes_max: usize, late_max: usize) -> Rig {
        let (hosts_sender, hosts) = mpsc::unbounded_channel();
        let (late_sender, late) = mpsc::channel(late_max);
        let pipes = Pipes { bytes_max: pipe_bytes_max, hosts: hosts_sender };
        let spec = Spec::builtin(&settings.spec).unwrap();
        let framing = settings.framing.parse().unwrap();
        let link = IsoLink::start_over(pipes, settings, Arc::new(FixedClock), late_sender).unwrap();
        Rig { link: Arc::new(link), late, hosts, spec, framing }
    }

    /// The host's end of the next connection, before the sign-on.
    pub async fn accept(&mut self) -> Host<DuplexStream> {
        let io = self.hosts.recv().await.expect("a connection");
        Host::new(io, Arc::clone(&self.spec), self.framing)
    }

    /// The host's end of the next connection, signed on.
    pub async fn signed_on(&mut self) -> Host<DuplexStream> {
        let mut host = self.accept().await;
        host.sign_on().await;
        self.until_state(LinkState::Up).await;
        host
    }

    /// The next late answer.
    pub async fn late_reply(&mut self) -> LateReply {
        let reply = tokio::time::timeout(Duration::from_secs(5), self.late.recv()).await;
        reply.expect("a late answer in time").expect("the link is there")
    }

    pub async fn until_state(&self, state: LinkState) {
        until(|| self.link.state() == state).await;
    }

    /// Carries an exchange out in a task of its own.
    pub fn spawn(&self, request: NetworkRequest) -> tokio::task::JoinHandle<Exchange> {
        let link = Arc::clone(&self.link);
        tokio::spawn(async move { link.exchange(request).await })
    }

    pub async fn result(&self, request: NetworkRequest) -> ExchangeResult {
        self.link.exchange(request).await.result
    }
}

/// Waits for a condition that other tasks bring about without time passing, or within little of it.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect("the condition came true");
}

/// The network's host, told by the test what to do.
pub struct Host<Io> {
    pub io: Io,
    spec: Arc<Spec>,
    framing: Framing,
    frames: FrameReader,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Host<Io> {
    pub fn new(io: Io, spec: Arc<Spec>, framing: Framing) -> Host<Io> {
        Host { io, spec, framing, frames: FrameReader::new(framing) }
    }

    /// The next message; `None` when the gateway has closed.
    pub async fn receive_or_end(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                let mut message = Message::new();
                self.spec.unpack(frame.message, &mut message).unwrap();
                return Some(message);
            }
            let bytes = self.io.read(self.frames.space()).await.ok().filter(|bytes| *bytes > 0)?;
            self.frames.filled(bytes);
        }
    }

    pub async fn receive(&mut self) -> Message {
        // Long enough for an echo; a test that waits for nothing ends.
        let message = tokio::time::timeout(Duration::from_secs(200), self.receive_or_end()).await;
        message.expect("a message in time").expect("a message")
    }

    pub fn frame(&self, message: &Message) -> Vec<u8> {
        let mut packed = Vec::new();
        self.spec.pack(message, &mut packed).unwrap();
        let mut frame = Vec::new();
        self.framing.encode(&packed, &mut frame).unwrap();
        frame
    }

    /// A frame around anything.
    pub fn raw_frame(&self, bytes: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.framing.encode(bytes, &mut frame).unwrap();
        frame
    }

    pub async fn send(&mut self, message: &Message) {
        let frame = self.frame(message);
        self.io.write_all(&frame).await.unwrap();
    }

    pub async fn answer(&mut self, request: &Message, code: &str) {
        let answer = answer_to(request, code);
        self.send(&answer).await;
    }

    /// Expects a sign-on and accepts it.
    pub async fn sign_on(&mut self) {
        let request = self.receive().await;
        assert_eq!((request.mti(), request.text(70)), (Some(Mti::NETWORK_MANAGEMENT_REQUEST), Some("001")));
        self.answer(&request, "00").await;
    }

    /// Makes sure that the link has taken in all that was sent to it so far: it answers an echo after it.
    pub async fn flush_through_link(&mut self) {
        let mut echo = Message::new();
        echo.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
        echo.set(7, "1120120000").unwrap();
        echo.set(11, "999999").unwrap();
        echo.set(70, "301").unwrap();
        self.send(&echo).await;
        let answer = self.receive().await;
        assert_eq!((answer.text(11), answer.text(39)), (Some("999999"), Some("00")));
    }
}

/// The answer that `docs/wire.md` tells of.
pub fn answer_to(request: &Message, code: &str) -> Message {
    let mut answer = Message::new();
    let mti = request.mti().unwrap().response().unwrap();
    answer.set_mti(mti);
    for field in [2, 3, 4, 7, 11, 32, 37, 41, 42, 49, 70] {
        if let Some(value) =
            request.get(field).filter(|_| field != 2 || mti.class() != tollgate_iso8583::MtiClass::Reversal)
        {
            answer.set(field, value).unwrap();
        }
    }
    answer.set(39, code).unwrap();
    if code == "00" && mti.class() != tollgate_iso8583::MtiClass::NetworkManagement {
        answer.set(38, "A1B2C3").unwrap();
    }
    answer
}

pub fn wire(number: u32) -> WireReference {
    WireReference {
        stan: Stan::folded(number),
        rrn: OperationId(179_517_600_000_000_000 + i64::from(number)).rrn(),
        sent_at: NOW,
    }
}

pub fn merchant() -> AcquirerTerms {
    AcquirerTerms {
        card_acceptor_id: "MERCHANT0001".into(),
        terminal_id: "TERM01".into(),
        category_code: "5999".into(),
        shop_name: "Tollgate Books".into(),
        city: "Dubai".into(),
        country: "AE".into(),
    }
}

/// A first message: 10.00 AED, e-commerce, with a security code.
pub fn request(kind: NetworkKind, number: u32) -> NetworkRequest {
    NetworkRequest {
        kind,
        wire: wire(number),
        money: Money { amount: Amount::from_minor(1000).unwrap(), currency: Currency::from_alpha("AED").unwrap() },
        card: NetworkCard {
            pan: Pan::parse(PAN).unwrap(),
            expiry: Expiry::parse("2705"),
            security_code: SecurityCode::parse(SECURITY_CODE),
        },
        merchant: Arc::new(merchant()),
        eci: Eci::Ecommerce,
        three_ds: ThreeDsWish::Default,
        authentication: None,
        credential: None,
        original: None,
        settlement_reference: None,
    }
}

/// The value of an authentication.
pub const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";

/// An authentication with everything that one can have.
pub fn authentication(status: AuthenticationStatus) -> Authentication {
    Authentication {
        status,
        eci: Some("05".into()),
        value: AuthenticationValue::parse(VALUE),
        ds_transaction_id: Some("f38e6948-5388-41a6-bca4-b49723c19437".into()),
        xid: Some("MDAwMDAwMDAwMDAwMDAwMzIyNzY=".into()),
        version: Some("2.2.0".into()),
        by: AuthenticatedBy::Gateway,
    }
}

/// A later message about message 1, an authorization.
pub fn later(kind: NetworkKind, number: u32) -> NetworkRequest {
    let mut request = request(kind, number);
    request.card.security_code = None;
    request.original = Some(OriginalReference {
        kind: NetworkKind::Authorize,
        wire: wire(1),
        authorization_code: Some("A1B2C3".into()),
    });
    request
}

/// Keeps the values of metrics for a test.
#[derive(Default)]
pub struct Recorder {
    counters: Mutex<HashMap<String, Arc<AtomicU64>>>,
}

impl Recorder {
    /// The sum of a counter over all labels of which the text holds `label`.
    pub fn count(&self, name: &str, label: &str) -> u64 {
        let counters = self.counters.lock().unwrap();
        let fitting = counters.iter().filter(|(key, _)| key.starts_with(name) && key.contains(label));
        fitting.map(|(_, value)| value.load(Ordering::Relaxed)).sum()
    }

    fn cell(&self, key: &metrics::Key) -> Arc<AtomicU64> {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let key = format!("{} {}", key.name(), labels.join(","));
        Arc::clone(self.counters.lock().unwrap().entry(key).or_default())
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

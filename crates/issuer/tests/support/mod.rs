//! An acquirer for the tests: it speaks the dialect of docs/wire.md by hand.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_iso8583::{FrameReader, Framing, Message, Mti, Spec, SubelementBuilder};
use tollgate_issuer::{Issuer, IssuerSettings, LedgerCurrencyTotals, LedgerEntry, LedgerTotals, MessageStats};

/// An answer that has not come after so many milliseconds will not come.
pub const PATIENCE_MS: u64 = 20_000;
pub const SLOW_MS: u64 = 50;
pub const LATE_MS: u64 = 100;
pub const GOOD_CARD: &str = "4005550000000001";

pub fn settings(folder: &Path) -> IssuerSettings {
    IssuerSettings {
        data_path: folder.join("issuer.db"),
        iso_listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        ds_listen: "127.0.0.1:0".parse().unwrap(),
        acs_listen: "127.0.0.1:0".parse().unwrap(),
        slow_ms: SLOW_MS,
        late_ms: LATE_MS,
        ..IssuerSettings::default()
    }
}

pub async fn start(folder: &Path) -> Issuer {
    Issuer::start(settings(folder)).await.unwrap()
}

/// How a message is named: its number makes STAN, RRN and transmission time.
#[derive(Clone, Copy, Debug)]
pub struct Name(pub u32);

impl Name {
    pub fn stan(self) -> String {
        format!("{:06}", self.0 % 1_000_000)
    }
    pub fn rrn(self) -> String {
        format!("R{:011}", self.0)
    }
    pub fn sent_at(self) -> String {
        format!("11201011{:02}", self.0 % 60)
    }
    /// Field 90 that names it.
    pub fn original(self, mti: &str) -> String {
        format!("{mti}{}{}0000045454500000000000", self.stan(), self.sent_at())
    }
}

/// A message with all fields but those of its kind.
pub fn message(mti: &str, processing_code: &str, name: Name, card: &str, amount: u64) -> Message {
    let mut message = Message::new();
    message.set_mti(mti.parse().unwrap());
    for (field, value) in [
        (2, card),
        (3, processing_code),
        (7, &name.sent_at()),
        (11, &name.stan()),
        (12, "101112"),
        (13, "1120"),
        (18, "5999"),
        (22, "812"),
        (25, "59"),
        (32, "454545"),
        (37, &name.rrn()),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "A SHOP                   DUBAI        AE"),
        (49, "784"),
    ] {
        message.set(field, value).unwrap();
    }
    message.set_number(4, amount, 12).unwrap();
    message
}

/// An e-commerce payment without 3-D Secure: 0100 or 0200.
pub fn payment(mti: &str, name: Name, card: &str, amount: u64) -> Message {
    let mut message = message(mti, "000000", name, card, amount);
    message.set(14, "9912").unwrap();
    set_private(&mut message, &[(42, "210"), (92, "123")]);
    message
}

pub fn set_private(message: &mut Message, subelements: &[(u8, &str)]) {
    let mut builder = SubelementBuilder::new();
    for (tag, value) in subelements {
        builder.push(*tag, value).unwrap();
    }
    message.set(48, builder.as_bytes()).unwrap();
}

pub fn authorization(name: Name, card: &str, amount: u64) -> Message {
    payment("0100", name, card, amount)
}

pub fn purchase(name: Name, card: &str, amount: u64) -> Message {
    payment("0200", name, card, amount)
}

fn later(mti: &str, code: &str, name: Name, card: &str, amount: u64, of: Name, of_mti: &str) -> Message {
    let mut message = message(mti, code, name, card, amount);
    message.set(90, of.original(of_mti)).unwrap();
    message
}

pub fn capture(name: Name, card: &str, amount: u64, of: Name) -> Message {
    later("0220", "000000", name, card, amount, of, "0100")
}

pub fn refund(name: Name, card: &str, amount: u64, of: Name, of_mti: &str) -> Message {
    later("0200", "200000", name, card, amount, of, of_mti)
}

pub fn void(name: Name, card: &str, amount: u64, of: Name) -> Message {
    later("0400", "000000", name, card, amount, of, "0100")
}

pub fn reversal(of: Name, of_mti: &str, card: &str, amount: u64) -> Message {
    later("0420", "000000", of, card, amount, of, of_mti)
}

pub struct Acquirer {
    spec: Arc<Spec>,
    framing: Framing,
    frames: FrameReader,
    pub stream: TcpStream,
}

/// What came from the network.
#[derive(Debug)]
pub enum Heard {
    Message(Box<Message>),
    Unreadable,
    Closed,
}

impl Acquirer {
    pub async fn connect(address: SocketAddr) -> Acquirer {
        Acquirer::connect_with(address, "iso8583-1987-ascii", "binary2").await
    }

    pub async fn connect_with(address: SocketAddr, spec: &str, framing: &str) -> Acquirer {
        let framing: Framing = framing.parse().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Acquirer { spec: Spec::builtin(spec).unwrap(), framing, frames: FrameReader::new(framing), stream }
    }

    pub async fn signed_on(address: SocketAddr) -> Acquirer {
        let mut acquirer = Acquirer::connect(address).await;
        acquirer.network("001").await;
        acquirer
    }

    pub fn frame(&self, message: &Message, out: &mut Vec<u8>) {
        let mut packed = Vec::new();
        self.spec.pack(message, &mut packed).unwrap();
        self.framing.encode(&packed, out).unwrap();
    }

    pub async fn send(&mut self, message: &Message) {
        let mut out = Vec::new();
        self.frame(message, &mut out);
        self.stream.write_all(&out).await.unwrap();
    }

    pub async fn hear(&mut self) -> Heard {
        tokio::time::timeout(Duration::from_millis(PATIENCE_MS), self.next()).await.expect("nothing came")
    }

    async fn next(&mut self) -> Heard {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => {
                    let mut message = Message::new();
                    return match self.spec.unpack(frame.message, &mut message) {
                        Ok(()) => Heard::Message(Box::new(message)),
                        Err(_) => Heard::Unreadable,
                    };
                }
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            }
            match self.stream.read(self.frames.space()).await {
                Ok(0) | Err(_) => return Heard::Closed,
                Ok(bytes) => self.frames.filled(bytes),
            }
        }
    }

    pub async fn answer(&mut self) -> Message {
        match self.hear().await {
            Heard::Message(message) => *message,
            other => panic!("{other:?} in place of an answer"),
        }
    }

    pub async fn ask(&mut self, message: &Message) -> Message {
        self.send(message).await;
        self.answer().await
    }

    pub async fn code(&mut self, message: &Message) -> String {
        self.ask(message).await.text(39).expect("field 39").to_owned()
    }

    pub async fn network(&mut self, function: &str) {
        let mut message = Message::new();
        message.set_mti(Mti::NETWORK_MANAGEMENT_REQUEST);
        for (field, value) in [(7, "1120101112"), (11, "000001"), (32, "454545"), (70, function)] {
            message.set(field, value).unwrap();
        }
        let answer = self.ask(&message).await;
        assert_eq!(answer.mti(), Some(Mti::NETWORK_MANAGEMENT_RESPONSE));
        assert_eq!((answer.text(39), answer.text(70)), (Some("00"), Some(function)));
    }
}

/// The body of an answer of the admin port.
pub async fn get_text(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

pub async fn get<T: DeserializeOwned>(address: SocketAddr, path: &str) -> T {
    let text = get_text(address, path).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub async fn totals(issuer: &Issuer) -> LedgerTotals {
    get(issuer.admin_address(), "/ledger/totals").await
}

pub async fn aed(issuer: &Issuer) -> LedgerCurrencyTotals {
    let empty = LedgerCurrencyTotals { currency: "AED".into(), held: 0, posted: 0, refunded: 0, entries: 0 };
    totals(issuer).await.currencies.into_iter().find(|sums| sums.currency == "AED").unwrap_or(empty)
}

pub async fn stats(issuer: &Issuer) -> MessageStats {
    get(issuer.admin_address(), "/messages/stats").await
}

pub async fn entries(issuer: &Issuer, name: Name) -> Vec<LedgerEntry> {
    get(issuer.admin_address(), &format!("/ledger/entries?rrn={}", name.rrn())).await
}

/// Waits until the ledger has so many entries.
pub async fn until_entries(issuer: &Issuer, count: u64) {
    let wait = async {
        while totals(issuer).await.entries < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_millis(PATIENCE_MS), wait).await.expect("the entries never came");
}

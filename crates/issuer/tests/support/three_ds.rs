//! A 3DS Server and a browser for the tests.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support::PATIENCE_MS;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tollgate_issuer::Issuer;
use tollgate_threeds::encode::bytes_to_base64url;

pub const SERVER_ID: &str = "8a880dc0-d2d2-4067-bcb1-b08d1690b26e";
pub const NOTIFICATION_URL: &str = "https://pay.example/checkout/secret/challenged";
pub const SESSION_DATA: &str = "c2Vzc2lvbi0x";

/// An answer of an HTTP port.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The value of a hidden field, as it was before it was escaped.
    pub fn field(&self, name: &str) -> Option<String> {
        let value = self.body.split_once(&format!("name=\"{name}\" value=\""))?.1.split_once('"')?.0;
        Some(
            value
                .replace("&#39;", "'")
                .replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
    }

    /// Whether it is the page that asks for the code.
    pub fn asks(&self) -> bool {
        self.body.contains("id=\"code\"")
    }

    /// The code that the page shows.
    pub fn code(&self) -> String {
        let shown = self.body.split_once("<b><bdi dir=\"ltr\">").expect("the code is shown").1;
        shown.split_once('<').unwrap().0.to_owned()
    }
}

/// One request on a connection of its own; `None` when the connection is closed without an answer.
pub async fn request(address: SocketAddr, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_millis(PATIENCE_MS), stream.read_to_end(&mut bytes)).await;
    read.expect("an answer in time").ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

/// A message to the directory server, and what it answers.
pub async fn ask_directory(issuer: &Issuer, message: &Value) -> Value {
    let body = message.to_string();
    let reply =
        request(issuer.ds_address(), "POST", "/ds", "application/json", body.as_bytes()).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

/// A form, as a browser posts it.
pub async fn post_form(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request(address, "POST", path, "application/x-www-form-urlencoded", body.as_bytes()).await.expect("an answer")
}

/// A body of JSON to the admin port.
pub async fn post_admin(issuer: &Issuer, path: &str, body: &Value) {
    let body = body.to_string();
    let reply = request(issuer.admin_address(), "POST", path, "application/json", body.as_bytes()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Moves the network's clock.
pub async fn move_clock(issuer: &Issuer, minutes: i64) {
    post_admin(issuer, "/clock", &json!({ "offset_us": minutes * 60_000_000 })).await;
}

pub fn preq() -> Value {
    json!({
        "messageType": "PReq", "messageVersion": "2.2.0", "threeDSServerRefNumber": "TEST-3DSS",
        "threeDSServerTransID": SERVER_ID,
    })
}

/// An AReq of 125.50 AED whose results go to `server`.
pub fn areq(card: &str, server: &str) -> Value {
    json!({
        "messageType": "AReq", "messageVersion": "2.2.0", "messageCategory": "01", "deviceChannel": "02",
        "threeDSCompInd": "Y", "threeDSRequestorID": "1234", "threeDSRequestorName": "A shop",
        "threeDSRequestorURL": "https://shop.example", "threeDSRequestorAuthenticationInd": "01",
        "threeDSServerRefNumber": "TEST-3DSS", "threeDSServerTransID": SERVER_ID, "threeDSServerURL": server,
        "acquirerBIN": "454545", "acquirerMerchantID": "MERCHANT1", "acctNumber": card, "cardExpiryDate": "3005",
        "browserAcceptHeader": "text/html", "browserIP": "192.0.2.1", "browserJavaEnabled": false,
        "browserJavascriptEnabled": true, "browserLanguage": "en-GB", "browserColorDepth": "24",
        "browserScreenHeight": "900", "browserScreenWidth": "1440", "browserTZ": "-240",
        "browserUserAgent": "Mozilla/5.0", "purchaseAmount": "12550", "purchaseCurrency": "784",
        "purchaseExponent": "2", "purchaseDate": "20261126101500", "transType": "01", "mcc": "5999",
        "merchantCountryCode": "784", "merchantName": "Bob's <Books> & Co", "notificationURL": NOTIFICATION_URL,
    })
}

/// The CReq of a challenge that an ARes offers, as it lies in the form.
pub fn creq(ares: &Value) -> String {
    let creq = json!({
        "messageType": "CReq", "messageVersion": ares["messageVersion"], "challengeWindowSize": "05",
        "threeDSServerTransID": ares["threeDSServerTransID"], "acsTransID": ares["acsTransID"],
    });
    bytes_to_base64url(creq.to_string().as_bytes())
}

/// A customer in front of the page of a challenge.
pub struct Customer {
    pub acs: SocketAddr,
    pub ares: Value,
}

impl Customer {
    /// Authenticates a card up to the challenge.
    pub async fn challenged(issuer: &Issuer, card: &str, server: &ThreeDsServer) -> Customer {
        Customer::of(issuer, &areq(card, &server.url)).await
    }

    /// The same by an AReq of one's own.
    pub async fn of(issuer: &Issuer, areq: &Value) -> Customer {
        let ares = ask_directory(issuer, areq).await;
        assert_eq!(ares["transStatus"], "C", "{ares}");
        Customer { acs: issuer.acs_address(), ares }
    }

    /// The browser brings the CReq.
    pub async fn begin(&self) -> Reply {
        let creq = creq(&self.ares);
        post_form(self.acs, "/acs/challenge", &[("creq", &creq), ("threeDSSessionData", SESSION_DATA)]).await
    }

    /// Posts one of the page's forms.
    pub async fn act(&self, fields: &[(&str, &str)]) -> Reply {
        let path = format!("/acs/challenge/{}", self.ares["acsTransID"].as_str().unwrap());
        post_form(self.acs, &path, fields).await
    }

    pub async fn type_code(&self, code: &str) -> Reply {
        self.act(&[("action", "submit"), ("code", code)]).await
    }
}

/// The CRes of a page that goes back to the shop.
pub fn cres(reply: &Reply) -> Value {
    let text = reply.field("cres").unwrap_or_else(|| panic!("no CRes: {}", reply.body));
    let cres = tollgate_threeds::encode::from_base64url::<tollgate_threeds::message::CRes>(&text).unwrap();
    serde_json::to_value(&cres).unwrap()
}

/// What a 3DS Server does with an RReq.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Answers with an RRes.
    Takes,
    /// Answers with 500 so many times, then with an RRes.
    TakesAfter(u32),
    /// Answers with something that is no message.
    Babbles,
    /// Answers with a final Erro.
    Refuses,
}

/// A 3DS Server that takes RReqs.
pub struct ThreeDsServer {
    pub url: String,
    received: mpsc::UnboundedReceiver<Value>,
}

impl ThreeDsServer {
    pub async fn start(manner: Manner) -> ThreeDsServer {
        ThreeDsServer::start_over(manner, None).await
    }

    /// One that speaks TLS with this certificate, of 127.0.0.1.
    pub async fn start_over(
        manner: Manner,
        certificate: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
    ) -> ThreeDsServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = certificate.map(acceptor);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/3ds/results", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut count = 0;
            loop {
                let Ok((tcp, _)) = listener.accept().await else { return };
                let mut stream: Box<dyn Io> = match &tls {
                    None => Box::new(tcp),
                    // Who does not trust the certificate goes away.
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                };
                let Some(result) = read_request(&mut stream).await else { continue };
                count += 1;
                let answer = answer(manner, count, &result);
                // The answer goes first: who waits for the RReq may look at what follows from it.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = sender.send(result);
            }
        });
        ThreeDsServer { url, received }
    }

    /// The next RReq.
    pub async fn result(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_millis(PATIENCE_MS), self.received.recv()).await;
        next.expect("an RReq in time").unwrap()
    }

    /// Whether an RReq came that nobody looked at.
    pub fn has_more(&mut self) -> bool {
        self.received.try_recv().is_ok()
    }
}

fn answer(manner: Manner, count: u32, result: &Value) -> String {
    let rres = json!({
        "messageType": "RRes", "messageVersion": result["messageVersion"], "resultsStatus": "01",
        "threeDSServerTransID": result["threeDSServerTransID"], "dsTransID": result["dsTransID"],
        "acsTransID": result["acsTransID"],
    });
    let erro = json!({
        "messageType": "Erro", "messageVersion": "2.2.0", "errorCode": "301", "errorComponent": "S",
        "errorDescription": "unknown", "errorDetail": "threeDSServerTransID", "errorMessageType": "RReq",
    });
    let (status, body) = match manner {
        Manner::Takes => ("200 OK", rres.to_string()),
        Manner::TakesAfter(failures) if count > failures => ("200 OK", rres.to_string()),
        Manner::TakesAfter(_) => ("500 Internal Server Error", String::new()),
        Manner::Babbles => ("200 OK", "<html>".to_owned()),
        Manner::Refuses => ("200 OK", erro.to_string()),
    };
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> tokio_rustls::TlsAcceptor {
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

async fn read_request(stream: &mut Box<dyn Io>) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("POST /3ds/results HTTP/1.1"), "{head}");
        if let Ok(message) = serde_json::from_str(body) {
            return Some(message);
        }
    }
}

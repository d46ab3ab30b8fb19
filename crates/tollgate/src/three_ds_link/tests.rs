#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tollgate_threeds::element::{ProtocolVersion, TransactionId};
use tollgate_threeds::message::{MessageType, PReq};

fn config(url: &str) -> ThreeDsConfig {
    ThreeDsConfig {
        directory_server_url: Some(url.to_owned()),
        answer_timeout_ms: 20_000,
        acquirer_bin: Some(Written("412345".into())),
        requestor_id: Some(Written("r-1".into())),
        requestor_name: Some(Written("A shop".into())),
        requestor_url: Some("https://shop.example".into()),
        server_reference: Some(Written("3DS_LOA".into())),
        ..ThreeDsConfig::default()
    }
}

fn link(config: &ThreeDsConfig) -> ThreeDsLink {
    ThreeDsLink::open(config, PlainDirectory::Loopback).unwrap().unwrap()
}

fn message(answer: MessageType) -> DirectoryRequest {
    let preq = PReq {
        message_version: ProtocolVersion::V220,
        three_ds_server_ref_number: Text::cut("3DS_LOA"),
        three_ds_server_operator_id: None,
        three_ds_server_trans_id: TransactionId::from_random([1; 16]),
        serial_num: None,
        message_extension: None,
    };
    DirectoryRequest::of(&preq, answer)
}

/// What a small server received, a request each.
type Received = Arc<Mutex<Vec<String>>>;

/// A server that answers each request with `answer`, as it stands, and then keeps silent.
struct Server {
    url: String,
    received: Received,
}

impl Server {
    async fn start(answer: Vec<u8>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/3ds", listener.local_addr().unwrap());
        let received = Received::default();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&kept)));
            }
        });
        Server { url, received }
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

/// Reads one request to the end of its body and answers it, until the other side goes away.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Vec<u8>, received: Received) {
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.unwrap().parse::<usize>().unwrap() > body.len() {
            continue;
        }
        received.lock().unwrap().push(text);
        bytes.clear();
        if answer.is_empty() {
            // Whoever asks hears nothing, and the connection stays.
            std::future::pending::<()>().await;
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_message_goes_out_as_json_and_the_answer_comes_back() {
    let server = Server::start(answer("200 OK", "{\"messageType\":\"PRes\"}")).await;
    let link = link(&config(&server.url));
    for _ in 0..2 {
        assert_eq!(link.exchange(message(MessageType::PRes)).await.unwrap(), b"{\"messageType\":\"PRes\"}");
    }
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert!(received[0].starts_with("POST /3ds HTTP/1.1\r\n"), "{}", received[0]);
    assert!(received[0].contains("content-type: application/json; charset=utf-8\r\n"));
    assert!(received[0].ends_with(&String::from_utf8(message(MessageType::PRes).body.to_vec()).unwrap()));
}

#[tokio::test]
async fn each_failure_has_its_name() {
    let large = answer("200 OK", &format!("\"{}\"", "x".repeat(64 * 1024)));
    for (bytes, failure) in [
        (answer("500 Internal Server Error", "{}"), ExchangeFailure::Status(500)),
        (answer("204 No Content", ""), ExchangeFailure::Status(204)),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ExchangeFailure::Status(302),
        ),
        (answer("200 OK", "<html>"), ExchangeFailure::NotJson),
        (answer("200 OK", ""), ExchangeFailure::NotJson),
        (large, ExchangeFailure::TooLarge),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(), ExchangeFailure::Broken),
        (b"SSH-2.0-x\r\n\r\n".to_vec(), ExchangeFailure::Broken),
    ] {
        let server = Server::start(bytes).await;
        assert_eq!(link(&config(&server.url)).exchange(message(MessageType::ARes)).await, Err(failure));
        assert_eq!(server.received().len(), 1, "nothing is sent twice, and nothing is followed");
    }
}

#[tokio::test]
async fn a_pres_may_be_larger_than_an_ares() {
    let server = Server::start(answer("200 OK", &format!("\"{}\"", "x".repeat(64 * 1024)))).await;
    assert!(link(&config(&server.url)).exchange(message(MessageType::PRes)).await.is_ok());
}

#[tokio::test]
async fn nobody_there_is_told_from_nobody_answering() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    assert_eq!(link(&config(&url)).exchange(message(MessageType::ARes)).await, Err(ExchangeFailure::NotReached));
    let silent = Server::start(Vec::new()).await;
    let short = ThreeDsConfig { answer_timeout_ms: 200, connect_timeout_ms: 200, ..config(&silent.url) };
    assert_eq!(link(&short).exchange(message(MessageType::ARes)).await, Err(ExchangeFailure::TimedOut));
}

/// A server that speaks TLS and wants a certificate of its client.
struct TlsServer {
    url: String,
    folder: tempfile::TempDir,
}

impl TlsServer {
    async fn start() -> TlsServer {
        let folder = tempfile::tempdir().unwrap();
        let server = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let client = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", server.cert.pem());
        write("client.pem", client.cert.pem());
        write("client.key", client.signing_key.serialize_pem());
        let mut clients = rustls::RootCertStore::empty();
        clients.add(client.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider));
        let key = PrivateKeyDer::from_pem_slice(server.signing_key.serialize_pem().as_bytes()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![server.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(stream, answer("200 OK", "{}"), Received::default()));
                }
            }
        });
        TlsServer { url, folder }
    }

    fn config(&self) -> ThreeDsConfig {
        let file = |name: &str| Some(self.folder.path().join(name));
        ThreeDsConfig {
            ca_certificates: file("ca.pem"),
            client_certificate: file("client.pem"),
            client_key: file("client.key"),
            ..config(&self.url)
        }
    }
}

#[tokio::test]
async fn a_certificate_is_shown_and_the_servers_is_checked() {
    let server = TlsServer::start().await;
    let open = |config: &ThreeDsConfig| ThreeDsLink::open(config, PlainDirectory::Refused).unwrap().unwrap();
    assert_eq!(open(&server.config()).exchange(message(MessageType::ARes)).await.unwrap(), b"{}");
    let nameless = ThreeDsConfig { client_certificate: None, client_key: None, ..server.config() };
    assert!(open(&nameless).exchange(message(MessageType::ARes)).await.is_err(), "it wants to know who calls");
    // Another authority than the one that made its certificate.
    let strange = ThreeDsConfig { ca_certificates: server.config().client_certificate, ..server.config() };
    assert_eq!(open(&strange).exchange(message(MessageType::ARes)).await, Err(ExchangeFailure::NotReached));
}

#[test]
fn plain_http_is_for_loopback_in_a_sandbox() {
    let open = |url: &str, plain| ThreeDsLink::open(&config(url), plain).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(open("http://127.0.0.1:9/3ds", PlainDirectory::Loopback), Ok(()));
    assert_eq!(open("http://[::1]:9/3ds", PlainDirectory::Loopback), Ok(()));
    for (url, plain) in [
        ("http://127.0.0.1:9/3ds", PlainDirectory::Refused),
        ("http://192.0.2.1/3ds", PlainDirectory::Loopback),
        ("http://ds.example/3ds", PlainDirectory::Loopback),
    ] {
        assert!(open(url, plain).unwrap_err().contains("in clear"), "{url}");
    }
    assert!(ThreeDsLink::open(&ThreeDsConfig::default(), PlainDirectory::Refused).unwrap().is_none());
}

#[test]
fn a_setting_that_cannot_be_is_named() {
    let good = config("https://ds.example/3ds");
    good.check().unwrap();
    assert_eq!(good.terms().unwrap().acquirer_bin.as_str(), "412345");
    let written = |text: &str| Some(Written(text.to_owned()));
    for (wrong, said) in [
        (ThreeDsConfig { directory_server_url: Some("ds.example".into()), ..good.clone() }, "https://ds.example/3ds"),
        (ThreeDsConfig { directory_server_url: Some("https://".into()), ..good.clone() }, "directory_server_url"),
        (ThreeDsConfig { answer_timeout_ms: 0, ..good.clone() }, "answer_timeout_ms"),
        (ThreeDsConfig { answer_timeout_ms: 60_001, ..good.clone() }, "answer_timeout_ms"),
        (ThreeDsConfig { connect_timeout_ms: 20_001, ..good.clone() }, "connect_timeout_ms"),
        (ThreeDsConfig { client_key: Some("k".into()), ..good.clone() }, "client_certificate"),
        (ThreeDsConfig { acquirer_bin: written("41234x"), ..good.clone() }, "acquirer_bin is 1 to 11 digits"),
        (ThreeDsConfig { acquirer_bin: None, ..good.clone() }, "acquirer_bin is missing"),
        (ThreeDsConfig { requestor_id: written(&"x".repeat(36)), ..good.clone() }, "requestor_id has"),
        (ThreeDsConfig { requestor_name: None, ..good.clone() }, "requestor_name is missing"),
        (ThreeDsConfig { requestor_url: Some("shop".into()), ..good.clone() }, "requestor_url"),
        (ThreeDsConfig { server_reference: None, ..good.clone() }, "server_reference is missing"),
    ] {
        let error = format!("{:#}", wrong.check().unwrap_err());
        assert!(error.contains(said), "{error}");
    }
    let absent = ThreeDsConfig { ca_certificates: Some("/nowhere/ca.pem".into()), ..good };
    let error = ThreeDsLink::open(&absent, PlainDirectory::Refused).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("three_ds.ca_certificates"), "{error}");
}

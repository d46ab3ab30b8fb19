//! The HTTP sender against servers of a test: who is connected to, by which name, and what is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tollgate_core::feedback::FeedbackId;
use tollgate_core::ident::OperationId;
use tollgate_feedback::guard::Reach;
use tollgate_feedback::{HttpSender, Parcel, Reply, Resolve, ResolveFuture, Sender};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken";

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_the_connection_goes_to_that_address() {
    let mut server = Server::plain(OK).await;
    let resolver = Names::new(&["127.0.0.1"]);
    let sender = sender(Reach::Sandbox, &resolver, rustls::RootCertStore::empty());
    let url = format!("http://shop.example.com:{}/path?key=1", server.address.port());
    for _ in 0..3 {
        let reply = sender.send(&parcel(&url)).await;
        assert_eq!((reply.status, reply.error, &*reply.answer), (Some(200), None, &b"taken"[..]));
    }
    let head = server.heads.recv().await.unwrap();
    assert!(head.starts_with("POST /path?key=1 HTTP/1.1\r\n"), "{head}");
    let host = format!("host: shop.example.com:{}\r\n", server.address.port());
    for line in [
        &host,
        "content-type: text/plain\r\n",
        "tollgate-feedback-sequence: 7\r\n",
        "tollgate-feedback-id: 000000000000000042.1\r\n",
    ] {
        assert!(head.to_lowercase().contains(line), "{line} in {head}");
    }
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1, "three deliveries over one connection");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_public_name_that_stands_for_an_address_inside_is_not_called() {
    for inside in [&["127.0.0.1"][..], &["10.0.0.1"], &["169.254.169.254"], &["::1"], &["::ffff:127.0.0.1"]] {
        let resolver = Names::new(inside);
        let sender = sender(Reach::Public, &resolver, rustls::RootCertStore::empty());
        let reply = sender.send(&parcel("https://shop.example.com/")).await;
        let error = reply.error.unwrap();
        assert!(error.contains("only public addresses are called"), "{inside:?}: {error}");
    }
    // One address inside among public ones is enough.
    let resolver = Names::new(&["93.184.216.34", "192.168.1.1"]);
    let sender = sender(Reach::Public, &resolver, rustls::RootCertStore::empty());
    let error = sender.send(&parcel("https://shop.example.com/")).await.error.unwrap();
    assert!(error.contains("192.168.1.1 is private"), "{error}");
}

#[tokio::test]
async fn a_url_that_may_not_be_called_is_not_even_resolved() {
    let resolver = Names::new(&["93.184.216.34"]);
    let sender = sender(Reach::Public, &resolver, rustls::RootCertStore::empty());
    for url in ["http://shop.example.com/", "https://127.0.0.1/", "https://localhost/", "https://shop.example.com:444/"]
    {
        let error = sender.send(&parcel(url)).await.error.unwrap();
        assert!(error.starts_with("the URL may not be called"), "{url}: {error}");
    }
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_without_an_address_says_so() {
    let resolver = Names::new(&[]);
    let sender = sender(Reach::Public, &resolver, rustls::RootCertStore::empty());
    let error = sender.send(&parcel("https://shop.example.com/")).await.error.unwrap();
    assert!(error.contains("shop.example.com has no address"), "{error}");
}

#[tokio::test]
async fn the_certificate_has_to_be_that_of_the_name() {
    let (server, roots) = Server::tls(OK, "shop.example.com").await;
    let resolver = Names::new(&["127.0.0.1"]);
    let sender = sender(Reach::Sandbox, &resolver, roots);
    let port = server.address.port();
    let reply = sender.send(&parcel(&format!("https://shop.example.com:{port}/"))).await;
    assert_eq!(reply.status, Some(200), "{reply:?}");
    let reply = sender.send(&parcel(&format!("https://other.example.com:{port}/"))).await;
    let error = reply.error.unwrap();
    assert!(reply.status.is_none() && error.contains("no TLS with other.example.com"), "{error}");
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_not_delivered_to() {
    let (server, _) = Server::tls(OK, "shop.example.com").await;
    let resolver = Names::new(&["127.0.0.1"]);
    let sender = sender(Reach::Sandbox, &resolver, rustls::RootCertStore::empty());
    let reply = sender.send(&parcel(&format!("https://shop.example.com:{}/", server.address.port()))).await;
    assert!(reply.status.is_none() && reply.error.unwrap().contains("no TLS with"));
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_may_be_kept() {
    let body = "x".repeat(1_000_000);
    let answer = format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let server = Server::plain(&answer).await;
    let resolver = Names::new(&["127.0.0.1"]);
    let sender = sender(Reach::Sandbox, &resolver, rustls::RootCertStore::empty());
    let url = format!("http://shop.example.com:{}/", server.address.port());
    for _ in 0..2 {
        let reply = sender.send(&parcel(&url)).await;
        assert_eq!((reply.status, reply.answer.len()), (Some(500), 4_096));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 2, "the rest is dropped with its connection");
}

#[test]
fn two_hundreds_and_302_acknowledge_and_nothing_else() {
    for status in 100..=599 {
        let reply = Reply { status: Some(status), error: None, answer: vec![] };
        assert_eq!(reply.acknowledges(), (200..300).contains(&status) || status == 302, "{status}");
    }
    assert!(!Reply::failed("no").acknowledges());
}

fn parcel(url: &str) -> Parcel {
    Parcel {
        id: FeedbackId { operation: OperationId(42), place: 1 },
        sequence: 7,
        url: url.to_owned(),
        content_type: "text/plain",
        body: Bytes::from_static(b"body"),
    }
}

fn sender(reach: Reach, resolver: &Arc<Names>, roots: rustls::RootCertStore) -> HttpSender {
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpSender::with(reach, resolver.clone(), Arc::new(tls))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Every name stands for these addresses.
struct Names {
    addresses: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Names {
    fn new(addresses: &[&str]) -> Arc<Names> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Names { addresses, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> ResolveFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.addresses.clone()) })
    }
}

/// Answers every request with the same bytes.
struct Server {
    address: SocketAddr,
    heads: mpsc::UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn plain(answer: &str) -> Server {
        Server::start(answer, None).await
    }

    /// With a certificate of its own for `name`, and who trusts it.
    async fn tls(answer: &str, name: &str) -> (Server, rustls::RootCertStore) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certificate = made.cert.der().clone();
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        (Server::start(answer, Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await, roots)
    }

    async fn start(answer: &str, tls: Option<tokio_rustls::TlsAcceptor>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (said, heads) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let (answer, counted) = (answer.to_owned(), connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, said, tls) = (answer.clone(), said.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &answer, &said).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &answer, &said).await;
                            }
                        }
                    }
                });
            }
        });
        Server { address, heads, connections }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, said: &mpsc::UnboundedSender<String>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut chunk).await else { return };
        if read == 0 {
            return;
        }
        request.extend_from_slice(&chunk[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        // The body is `body`.
        if request.len() < end + 8 {
            continue;
        }
        said.send(String::from_utf8(request[..end + 4].to_vec()).unwrap()).unwrap_or_default();
        request.clear();
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

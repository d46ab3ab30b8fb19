//! The link to a directory server of 3-D Secure: one JSON message out and one back, over HTTPS.
//!
//! Where to, how long and as whom says `[three_ds]` of the configuration; what the messages are says `tollgate-threeds`.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tollgate_core::secret::Wiped;
use tollgate_threeds::element::{Digits, Text, WebUrl};
use tollgate_threeds::port::{DirectoryRequest, DirectoryServer, ExchangeFailure, ExchangeFuture};

/// The longest that an answer of the directory server may be waited for, in milliseconds: the customer waits too.
pub const ANSWER_TIMEOUT_MS_MAX: u64 = 60_000;
/// How long a connection is kept without use, in milliseconds.
const IDLE_MS_MAX: u64 = 30_000;
/// How many unused connections are kept.
const IDLE_MAX: usize = 8;
/// How large a head of an answer may be, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// `[three_ds]` of the configuration.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThreeDsConfig {
    /// The directory server; without it nobody is authenticated here.
    pub directory_server_url: Option<String>,
    /// How long its answer is waited for, in milliseconds, from the request on.
    pub answer_timeout_ms: u64,
    /// How long a connection to it may take, TLS included, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The acquirer's identification number: 1 to 11 digits.
    pub acquirer_bin: Option<Written>,
    /// The number of the shops in the payment system's 3-D Secure.
    pub requestor_id: Option<Written>,
    /// Their name there.
    pub requestor_name: Option<Written>,
    /// Their website.
    pub requestor_url: Option<String>,
    /// The number that EMVCo gave this 3DS Server.
    pub server_reference: Option<Written>,
    /// The number that the payment system gave who runs it.
    pub server_operator_id: Option<Written>,
    /// PEM file of the certificate chain that is shown to the directory server; with `client_key`.
    pub client_certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub client_key: Option<PathBuf>,
    /// PEM file of the authorities that are trusted for the directory server, instead of the system's.
    pub ca_certificates: Option<PathBuf>,
    /// CSV file (low, high, country) of where cards were issued, for the policy by country.
    pub issuer_countries: Option<PathBuf>,
}

/// A text that may look like a number: digits come from the environment as one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Written(pub String);

impl<'de> serde::Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(u64),
        }
        Ok(Written(match Either::deserialize(deserializer)? {
            Either::Text(text) => text,
            Either::Number(number) => number.to_string(),
        }))
    }
}

impl Default for ThreeDsConfig {
    fn default() -> ThreeDsConfig {
        ThreeDsConfig {
            directory_server_url: None,
            answer_timeout_ms: 10_000,
            connect_timeout_ms: 5_000,
            acquirer_bin: None,
            requestor_id: None,
            requestor_name: None,
            requestor_url: None,
            server_reference: None,
            server_operator_id: None,
            client_certificate: None,
            client_key: None,
            ca_certificates: None,
            issuer_countries: None,
        }
    }
}

/// What the messages say of this gateway and its shops, out of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreeDsTerms {
    /// `acquirerBIN`.
    pub acquirer_bin: Digits<1, 11>,
    /// `threeDSRequestorID`.
    pub requestor_id: Text<1, 35>,
    /// `threeDSRequestorName`.
    pub requestor_name: Text<1, 40>,
    /// `threeDSRequestorURL`.
    pub requestor_url: WebUrl<2048>,
    /// `threeDSServerRefNumber`.
    pub server_reference: Text<1, 32>,
    /// `threeDSServerOperatorID`.
    pub server_operator: Option<Text<1, 32>>,
}

impl ThreeDsConfig {
    /// The sandbox's directory server, and names for the sandbox, unless the configuration has its own.
    pub fn use_sandbox(&mut self, directory: SocketAddr) {
        if self.directory_server_url.is_some() {
            return;
        }
        self.directory_server_url = Some(format!("http://{directory}/ds"));
        let or = |own: &mut Option<Written>, text: &str| {
            own.get_or_insert_with(|| Written(text.to_owned()));
        };
        or(&mut self.acquirer_bin, "400555");
        or(&mut self.requestor_id, "TOLLGATE-SANDBOX");
        or(&mut self.requestor_name, "Tollgate sandbox");
        or(&mut self.server_reference, "TOLLGATE-SANDBOX-3DSS");
        self.requestor_url.get_or_insert_with(|| "https://shop.example".to_owned());
    }

    /// The checks that need no file and no network.
    ///
    /// # Errors
    /// Each with what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        if !(1..=ANSWER_TIMEOUT_MS_MAX).contains(&self.answer_timeout_ms) {
            bail!("three_ds.answer_timeout_ms is 1 to {ANSWER_TIMEOUT_MS_MAX}: the customer waits as long");
        }
        if !(1..=self.answer_timeout_ms).contains(&self.connect_timeout_ms) {
            bail!("three_ds.connect_timeout_ms is 1 to three_ds.answer_timeout_ms, which contains it");
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            bail!("three_ds.client_certificate and three_ds.client_key go together: set both or none");
        }
        if let Some(url) = &self.directory_server_url {
            address(url)?;
            self.terms()?;
        }
        Ok(())
    }

    /// What the messages say.
    ///
    /// # Errors
    /// When a setting is missing or has a form that the protocol does not allow.
    pub fn terms(&self) -> anyhow::Result<ThreeDsTerms> {
        fn set<'a>(name: &str, value: Option<&'a str>) -> anyhow::Result<&'a str> {
            value.with_context(|| format!("three_ds.{name} is missing: the directory server wants it in each message"))
        }
        let text = |name, value: &'_ Option<Written>| {
            set(name, value.as_ref().map(|value| value.0.as_str())).map(str::to_owned)
        };
        Ok(ThreeDsTerms {
            acquirer_bin: Digits::parse(&text("acquirer_bin", &self.acquirer_bin)?)
                .context("three_ds.acquirer_bin is 1 to 11 digits")?,
            requestor_id: Text::parse(&text("requestor_id", &self.requestor_id)?)
                .context("three_ds.requestor_id has 1 to 35 characters")?,
            requestor_name: Text::parse(&text("requestor_name", &self.requestor_name)?)
                .context("three_ds.requestor_name has 1 to 40 characters")?,
            requestor_url: WebUrl::parse(set("requestor_url", self.requestor_url.as_deref())?)
                .context("three_ds.requestor_url is the address of a website, such as https://shop.example")?,
            server_reference: Text::parse(&text("server_reference", &self.server_reference)?)
                .context("three_ds.server_reference has 1 to 32 characters")?,
            server_operator: match &self.server_operator_id {
                Some(id) => Some(Text::parse(&id.0).context("three_ds.server_operator_id has 1 to 32 characters")?),
                None => None,
            },
        })
    }
}

/// Whether a directory server may be spoken to in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainDirectory {
    /// Never: card numbers would cross a network.
    Refused,
    /// On a loopback address: in a sandbox.
    Loopback,
}

/// The link.
pub struct ThreeDsLink {
    uri: Uri,
    client: Client<Connector, Full<Bytes>>,
    answer_timeout: Duration,
}

impl ThreeDsLink {
    /// Makes the link; nothing is connected yet. `None` when no directory server is set up.
    ///
    /// # Errors
    /// When the address may not be called, or a certificate file cannot be read.
    pub fn open(config: &ThreeDsConfig, plain: PlainDirectory) -> anyhow::Result<Option<ThreeDsLink>> {
        let Some(url) = &config.directory_server_url else { return Ok(None) };
        let uri = address(url)?;
        let is_plain = uri.scheme_str() == Some("http");
        let is_loopback = host_of(&uri).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if is_plain && !(is_loopback && plain == PlainDirectory::Loopback) {
            bail!(
                "three_ds.directory_server_url = \"{url}\" is not https: card numbers would cross the network in clear. In a \
                 sandbox a loopback address such as http://127.0.0.1:8583 is taken"
            );
        }
        let tls = if is_plain { None } else { Some(tls(config)?) };
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(Connector { tls, connect_timeout });
        Ok(Some(ThreeDsLink { uri, client, answer_timeout: Duration::from_millis(config.answer_timeout_ms) }))
    }

    async fn post(&self, message: DirectoryRequest) -> Result<Vec<u8>, ExchangeFailure> {
        let bytes_max = message.answer.bytes_max();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .body(Full::new(Bytes::from_owner(Body(message.body))))
            // An address that was parsed and fixed headers always make one.
            .map_err(|_| ExchangeFailure::NotReached)?;
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), "no exchange with the directory server");
                return Err(if error.is_connect() { ExchangeFailure::NotReached } else { ExchangeFailure::Broken });
            }
        };
        if response.status() != StatusCode::OK {
            return Err(ExchangeFailure::Status(response.status().as_u16()));
        }
        let body = match Limited::new(response.into_body(), bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(ExchangeFailure::TooLarge),
            Err(_) => return Err(ExchangeFailure::Broken),
        };
        match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(body.to_vec()),
            Err(_) => Err(ExchangeFailure::NotJson),
        }
    }
}

impl DirectoryServer for ThreeDsLink {
    fn exchange(&self, request: DirectoryRequest) -> ExchangeFuture<'_> {
        Box::pin(async move {
            let exchanged = tokio::time::timeout(self.answer_timeout, self.post(request)).await;
            exchanged.unwrap_or(Err(ExchangeFailure::TimedOut))
        })
    }
}

/// A message as hyper takes it: wiped when it has been sent.
struct Body(Wiped<Vec<u8>>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn address(url: &str) -> anyhow::Result<Uri> {
    let wrong = || format!("three_ds.directory_server_url = \"{url}\" is no address such as https://ds.example/3ds");
    WebUrl::<2048>::parse(url).with_context(wrong)?;
    let uri: Uri = url.parse().with_context(wrong)?;
    if host_of(&uri).is_empty() {
        bail!(wrong());
    }
    Ok(uri)
}

fn host_of(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// TLS 1.2 and 1.3, with the authorities and the certificate that are set up.
fn tls(config: &ThreeDsConfig) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    match &config.ca_certificates {
        Some(path) => {
            for certificate in certificates(path, "three_ds.ca_certificates")? {
                roots.add(certificate).with_context(|| format!("{}: not an authority", path.display()))?;
            }
        }
        None => {
            let (trusted, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if trusted == 0 {
                bail!(
                    "the system trusts no certificate authority, so no directory server can be reached: install its \
                     ca-certificates, or set three_ds.ca_certificates"
                );
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut made = match (&config.client_certificate, &config.client_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "three_ds.client_certificate")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| anyhow::anyhow!("three_ds.client_key: {}: {error}", key.display()))?;
            builder
                .with_client_auth_cert(chain, key)
                .context("three_ds.client_certificate and three_ds.client_key cannot be used together")?
        }
        _ => builder.with_no_client_auth(),
    };
    made.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(made))
}

fn certificates(path: &Path, setting: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| anyhow::anyhow!("{setting}: {} cannot be read: {error}", path.display()))?;
    if chain.is_empty() {
        bail!("{setting}: {} holds no certificate", path.display());
    }
    Ok(chain)
}

/// Makes connections for the pool.
#[derive(Clone)]
struct Connector {
    /// `None` in clear.
    tls: Option<Arc<rustls::ClientConfig>>,
    connect_timeout: Duration,
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Stream>> {
        let host = host_of(&uri).to_owned();
        let port = uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        tcp.set_nodelay(true)?;
        let Some(config) = self.tls else { return Ok(TokioIo::new(Stream(Box::new(tcp)))) };
        let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await?;
        Ok(TokioIo::new(Stream(Box::new(tls))))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.connect_timeout;
            tokio::time::timeout(limit, connector.connect(uri)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, in clear or over TLS.
struct Stream(Box<dyn Io>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;

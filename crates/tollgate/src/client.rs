//! A FORT client: one keep-alive connection to a gateway, in clear or over TLS.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The path of the FORT payment API.
pub const PATH: &str = "/FortAPI/paymentApi";
/// Where FORT takes forms from browsers.
pub const PAGE_PATH: &str = "/FortAPI/paymentPage";
/// The largest answer that is read.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where a gateway is.
#[derive(Clone)]
pub struct Target {
    host: String,
    authority: String,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Target {
    /// Reads `http://host:port` or `https://host:port`. `authority` is a PEM file of certificate
    /// authorities to trust beside the system's.
    ///
    /// # Errors
    /// When the URL or the file cannot be read.
    pub fn parse(url: &str, authority: Option<&Path>) -> anyhow::Result<Target> {
        Target::parse_showing(url, authority, None)
    }

    /// The same, with a PEM file of a client certificate and its private key to show, if there is one.
    ///
    /// # Errors
    /// When the URL or a file cannot be read.
    pub fn parse_showing(url: &str, authority: Option<&Path>, identity: Option<&Path>) -> anyhow::Result<Target> {
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is no URL"))?;
        let host = uri.host().with_context(|| format!("{url:?} names no host"))?.trim_matches(['[', ']']).to_owned();
        let tls = match uri.scheme_str() {
            Some("http") if identity.is_some() => bail!("a client certificate is shown over https:// only"),
            Some("http") => None,
            Some("https") => Some(client_config(authority, identity)?),
            _ => bail!("{url:?} begins neither with http:// nor with https://"),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        Ok(Target { host, authority, port, tls })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the gateway does not answer, or its certificate is not trusted.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(Connection { sender: open(self.stream().await?).await?, authority: self.authority.clone() })
    }

    /// Opens a connection and leaves the HTTP over it to the caller.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub async fn stream(&self) -> anyhow::Result<Stream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.with_context(|| {
            format!("no gateway answers at {}: is it running? `tollgate serve --dev` starts one", self.authority)
        })?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone())?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let stream =
            stream.with_context(|| format!("TLS with {} failed; --ca FILE names its authority", self.authority))?;
        Ok(Box::new(stream))
    }

    /// Host and port, as the header `Host` has them.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// A stream of bytes to a gateway, in clear or over TLS.
pub type Stream = Box<dyn ReadWrite>;

/// What [`Stream`] can do.
pub trait ReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ReadWrite for S {}

/// An open connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Posts a JSON body to the payment API and gives the body of the answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not HTTP 200.
    pub async fn post(&mut self, body: Vec<u8>) -> anyhow::Result<Bytes> {
        self.post_as(body, "application/json").await
    }

    /// Gets a path and gives the body of the answer.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let request = Request::get(path).header(header::HOST, &self.authority).body(Full::new(Bytes::new()))?;
        self.exchange(request).await
    }

    /// Posts a body of this content type.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn post_as(&mut self, body: Vec<u8>, content_type: &'static str) -> anyhow::Result<Bytes> {
        let request = Request::post(PATH)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from(body)))?;
        self.exchange(request).await
    }

    /// Posts a body to a path and gives the answer as soon as its head is there.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn post_to(
        &mut self,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        let request = Request::post(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body))?;
        let response = self.sender.send_request(request).await.context("the gateway hung up")?;
        if response.status() != http::StatusCode::OK {
            bail!("the gateway answered HTTP {}, not 200", response.status());
        }
        Ok(response)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
        let response = self.sender.send_request(request).await.context("the gateway hung up")?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(anyhow::Error::from_boxed)?;
        if status != http::StatusCode::OK {
            bail!("the gateway answered HTTP {status}, not 200");
        }
        Ok(body.to_bytes())
    }
}

async fn open(stream: Stream) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped or the other side hangs up; either way there is nothing to say.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn client_config(authority: Option<&Path>, identity: Option<&Path>) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // The system's store may hold certificates that rustls does not take; the others count.
        let _ = roots.add(certificate);
    }
    if let Some(path) = authority {
        for certificate in
            CertificateDer::pem_file_iter(path).with_context(|| format!("{} cannot be read", path.display()))?
        {
            roots.add(certificate?)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let Some(path) = identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let unreadable = || format!("{} has to hold a certificate and its private key in PEM", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).with_context(unreadable)?;
    let key = PrivateKeyDer::from_pem_file(path).with_context(unreadable)?;
    Ok(Arc::new(builder.with_client_auth_cert(chain, key).with_context(unreadable)?))
}

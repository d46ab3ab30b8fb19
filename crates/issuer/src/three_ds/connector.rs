//! Connections to 3DS Servers, in clear or over TLS as their address says.

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most authorities of a file.
const AUTHORITIES_MAX: usize = 1_000;

/// Whom a 3DS Server's certificate may come from: the system's authorities, and these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities {
    more: Vec<CertificateDer<'static>>,
}

/// Why a file of authorities cannot be used.
#[derive(Debug, Error)]
pub enum AuthoritiesError {
    /// It cannot be read.
    #[error("ds_ca_certificates: {} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls_pki_types::pem::Error,
    },
    /// It holds no certificate.
    #[error("ds_ca_certificates: {} holds no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// What it holds is no authority.
    #[error("ds_ca_certificates: {}: {error}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
}

impl Authorities {
    /// The system's, and those of a PEM file where one is named.
    pub(crate) fn of_file(path: Option<&Path>) -> Result<Authorities, AuthoritiesError> {
        let Some(path) = path else { return Ok(Authorities::default()) };
        let read = CertificateDer::pem_file_iter(path)
            .and_then(|certificates| certificates.take(AUTHORITIES_MAX).collect::<Result<Vec<_>, _>>());
        let more = read.map_err(|error| AuthoritiesError::File { path: path.to_owned(), error })?;
        if more.is_empty() {
            return Err(AuthoritiesError::Empty { path: path.to_owned() });
        }
        let mut roots = rustls::RootCertStore::empty();
        for certificate in &more {
            roots
                .add(certificate.clone())
                .map_err(|error| AuthoritiesError::Certificate { path: path.to_owned(), error })?;
        }
        Ok(Authorities { more })
    }
}

/// Makes connections for the pool.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    authorities: Authorities,
    /// Made when the first https address is called: reading the system's authorities takes a while, and few sandboxes need
    /// them.
    tls: OnceLock<Result<Arc<rustls::ClientConfig>, String>>,
}

impl Connector {
    pub(super) fn new(authorities: Authorities) -> Connector {
        Connector(Arc::new(Shared { authorities, tls: OnceLock::new() }))
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Stream>> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        tcp.set_nodelay(true)?;
        if !is_tls {
            return Ok(TokioIo::new(Stream(Box::new(tcp))));
        }
        let config = self.0.tls.get_or_init(|| tls(&self.0.authorities)).clone().map_err(io::Error::other)?;
        let name = ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await?;
        Ok(TokioIo::new(Stream(Box::new(tls))))
    }
}

/// TLS 1.2 and 1.3; where it cannot be spoken, why.
fn tls(authorities: &Authorities) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs().certs;
    roots.add_parsable_certificates(system.into_iter().chain(authorities.more.iter().cloned()));
    if roots.is_empty() {
        return Err("no certificate authority is trusted: install the system's ca-certificates, or set \
                    ds_ca_certificates"
            .to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, in clear or over TLS.
pub(super) struct Stream(Box<dyn Io>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

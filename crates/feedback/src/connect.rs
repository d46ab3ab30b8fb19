//! Connecting: every address of a name is checked, and the connection goes to one that was.

use crate::guard::{AddressFault, FeedbackUrl, Reach, Scheme, UrlFault, check_address};
use crate::tls::Tls;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How many addresses of one name are tried.
const ADDRESSES_TRIED_MAX: usize = 4;
/// How many addresses of one name are looked at; a name with more is refused.
const ADDRESSES_MAX: usize = 64;
/// How long one address is tried while there are others, in milliseconds.
const ADDRESS_TIMEOUT_MS: u64 = 4_000;

/// The addresses of a name, on their way.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// All of them.
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Opens connections to receivers.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) reach: Reach,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Tls,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the URL may not be called: {0}")]
    Url(#[from] UrlFault),
    #[error("{host} cannot be resolved: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("{host} has no address")]
    NoAddress { host: String },
    #[error("{host} has more than {ADDRESSES_MAX} addresses")]
    ManyAddresses { host: String },
    #[error("{host} may not be called: {fault}")]
    Address { host: String, fault: AddressFault },
    #[error("no connection to {address}: {error}")]
    Tcp { address: SocketAddr, error: io::Error },
    #[error("no TLS with {host}: {error}")]
    Tls { host: String, error: io::Error },
}

impl Connector {
    /// Connects to what the URL names.
    pub(crate) async fn connect(&self, uri: &Uri) -> Result<Stream, ConnectError> {
        // The pool asks with scheme and authority only, so the URL is judged again here, where no path
        // of the code leads around it.
        let url = FeedbackUrl::parse(&uri.to_string(), self.reach)?;
        let addresses = self.addresses(&url).await?;
        let tcp = connect_one_of(&addresses).await?;
        match url.scheme() {
            Scheme::Http => Ok(Stream(Box::new(tcp))),
            Scheme::Https => {
                let tls_error = |error| ConnectError::Tls { host: url.host().to_owned(), error };
                let name = ServerName::try_from(url.host().to_owned())
                    .map_err(|error| tls_error(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let config = self.tls.config().await.map_err(tls_error)?;
                let connector = tokio_rustls::TlsConnector::from(config);
                Ok(Stream(Box::new(connector.connect(name, tcp).await.map_err(tls_error)?)))
            }
        }
    }

    /// The addresses of the URL's host, all of them checked: a name that also stands for one address
    /// inside is not called at all.
    async fn addresses(&self, url: &FeedbackUrl) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = || url.host().to_owned();
        let addresses = match url.host().parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self
                .resolver
                .resolve(url.host())
                .await
                .map_err(|error| ConnectError::Resolve { host: host(), error })?,
        };
        if addresses.len() > ADDRESSES_MAX {
            return Err(ConnectError::ManyAddresses { host: host() });
        }
        if self.reach == Reach::Public {
            for address in &addresses {
                check_address(*address).map_err(|fault| ConnectError::Address { host: host(), fault })?;
            }
        }
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress { host: host() });
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, url.port())).collect())
    }
}

async fn connect_one_of(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let tried = addresses.get(..ADDRESSES_TRIED_MAX).unwrap_or(addresses);
    let mut failure = None;
    for (place, address) in tried.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = if place + 1 < tried.len() {
            let limit = std::time::Duration::from_millis(ADDRESS_TIMEOUT_MS);
            tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            connecting.await
        };
        match connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(ConnectError::Tcp { address: *address, error }),
        }
    }
    // `addresses` has at least one, so there is a failure.
    Err(failure.unwrap_or_else(|| ConnectError::NoAddress { host: String::new() }))
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, in clear or over TLS.
pub(crate) struct Stream(Box<dyn Io>);

impl Stream {
    /// As hyper takes it.
    pub(crate) fn into_io(self) -> TokioIo<Stream> {
        TokioIo::new(self)
    }
}

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

//! Where connections to the network's host come from.

use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Makes connections to the network's host, one after another.
///
/// The link itself limits how long one may take. Besides TCP this is the place for a tunnel, for TLS, or for the pipes of a
/// test.
pub trait Connect: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes a connection.
    ///
    /// # Errors
    /// When the host cannot be reached; the link tries again later.
    fn connect(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// Connects by TCP. Small messages are not held back (TCP_NODELAY): the link gathers them itself.
#[derive(Clone, Debug)]
pub struct TcpConnect {
    address: String,
}

impl TcpConnect {
    /// Connections to `host:port`; the name is resolved anew for each.
    #[must_use]
    pub fn new(address: impl Into<String>) -> TcpConnect {
        TcpConnect { address: address.into() }
    }
}

impl Connect for TcpConnect {
    type Io = TcpStream;

    async fn connect(&mut self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

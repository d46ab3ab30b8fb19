//! The gateway's end of a connection to the virtual network.

use crate::life::Life;
use crate::network::{LineId, Network};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tollgate_acquirer::Connect;

/// How long connecting takes, in milliseconds.
const CONNECT_MS: u64 = 3;

/// Makes connections for one life of the gateway.
pub struct Dial {
    network: Arc<Network>,
    life: Life,
    node: u8,
}

impl Dial {
    /// Connections of a node to `network` as long as `life` lasts.
    #[must_use]
    pub fn new(network: Arc<Network>, life: Life, node: u8) -> Dial {
        Dial { network, life, node }
    }
}

impl Connect for Dial {
    type Io = Line;

    async fn connect(&mut self) -> io::Result<Line> {
        tokio::time::sleep(Duration::from_millis(CONNECT_MS)).await;
        self.life.go_on().await;
        let id = self.network.open_line(self.node).ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(Line { network: Arc::clone(&self.network), id })
    }
}

/// A connection.
pub struct Line {
    network: Arc<Network>,
    id: LineId,
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.network.poll_read(self.id, cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.network.write(self.id, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network.close_line(self.id);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.network.close_line(self.id);
    }
}

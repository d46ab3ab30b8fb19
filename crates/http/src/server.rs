//! Accepting connections: limits, TLS, and an end that finishes what is under way.

use crate::client_certificate::client_certificate;
use crate::source::Peer;
use crate::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// The answer to one request from `peer`.
    fn call(self: Arc<Self>, request: Request, peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>>;
}

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Connections at once; more wait in the system's queue.
    pub connections_max: usize,
    /// The longest time for a request's head to arrive, in milliseconds; also how long an idle
    /// connection is kept.
    pub head_timeout_ms: u64,
    /// The longest time for a TLS handshake, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// TLS, if the server speaks it.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings { connections_max: 4096, head_timeout_ms: 60_000, handshake_timeout_ms: 10_000, tls: None }
    }
}

/// The pause after the system refused to accept, for example for want of file descriptors.
const ACCEPT_RETRY_MS: u64 = 100;

/// A server on one address.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
    connections: TaskTracker,
}

impl Server {
    /// Listens on `address` (port 0 takes a free one) and serves until [`Server::stop`].
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, service: Arc<dyn Service>, settings: ServerSettings) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let connections = TaskTracker::new();
        let accepting = tokio::spawn(accept_all(listener, service, settings, stopped, connections.clone()));
        Ok(Server { address, stop, accepting, connections })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, finishes the requests under way, and returns when every connection is closed
    /// or `wait_max` is over. `true` when all were.
    pub async fn stop(self, wait_max: Duration) -> bool {
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
        self.connections.close();
        tokio::time::timeout(wait_max, self.connections.wait()).await.is_ok()
    }
}

async fn accept_all(
    listener: TcpListener,
    service: Arc<dyn Service>,
    settings: ServerSettings,
    mut stopped: watch::Receiver<bool>,
    connections: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let tls = settings.tls.clone().map(tokio_rustls::TlsAcceptor::from);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stopped.changed() => return,
        };
        let Ok(place) = place else { return };
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                    continue;
                }
            },
            _ = stopped.changed() => return,
        };
        let (service, stopped, tls) = (Arc::clone(&service), stopped.clone(), tls.clone());
        let (head_ms, handshake_ms) = (settings.head_timeout_ms, settings.handshake_timeout_ms);
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection was gone at once");
                return;
            }
            let mut peer = Peer { address: address.ip(), certificate: None };
            match tls {
                None => serve(stream, service, peer, stopped, head_ms).await,
                Some(tls) => {
                    if let Some(stream) = handshake(tls, stream, handshake_ms).await {
                        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                        peer.certificate = shown.map(|der| client_certificate(der));
                        serve(stream, service, peer, stopped, head_ms).await;
                    }
                }
            }
        });
    }
}

async fn handshake(
    tls: tokio_rustls::TlsAcceptor,
    stream: TcpStream,
    timeout_ms: u64,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(Duration::from_millis(timeout_ms), tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn serve<S>(stream: S, service: Arc<dyn Service>, peer: Peer, mut stopped: watch::Receiver<bool>, head_ms: u64)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: Request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.call(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(head_ms))
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

//! The HTTP ports of the network: admin, directory server, ACS. Each serves connections up to a limit.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// A request's headers have to come within this many milliseconds.
const HEADER_MS_MAX: u64 = 5_000;
/// A connection's buffer, in bytes; headers have to fit.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// After a failed accept (no file handles left, as a rule) the next one waits so many milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;
/// A request's body has to come within so many milliseconds.
const BODY_MS_MAX: u64 = 5_000;

/// An answer with its whole body.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The connection is to be closed in place of an answer, as an unwell server does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HangUp;

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed without an answer, as was asked for")
    }
}

impl std::error::Error for HangUp {}

/// A port that is bound.
pub(crate) struct Port {
    /// Its name in the log.
    pub(crate) name: &'static str,
    pub(crate) listener: TcpListener,
    /// Connections at the same time; more are turned away.
    pub(crate) connections_max: u32,
}

/// Serves a port until `stop` says otherwise.
pub(crate) async fn serve<R, F>(port: Port, mut stop: watch::Receiver<bool>, respond: R)
where
    R: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, HangUp>> + Send + 'static,
{
    let Port { name, listener, connections_max } = port;
    let room = Arc::new(Semaphore::new(usize::try_from(connections_max).unwrap_or(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(port = name, %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(port = name, connections_max, "too many connections: turned away");
            continue;
        };
        let respond = respond.clone();
        connections.spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(HEADER_MS_MAX))
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service_fn(respond))
                .await;
            if let Err(error) = served {
                tracing::debug!(port = name, %error, "a connection ended badly");
            }
            drop(permit);
        });
    }
    connections.shutdown().await;
}

/// The whole body; `None` when it has more than `bytes_max` or does not arrive in time.
pub(crate) async fn body(request: Request<Incoming>, bytes_max: usize) -> Option<Bytes> {
    let reading = Limited::new(request.into_body(), bytes_max).collect();
    let read = tokio::time::timeout(Duration::from_millis(BODY_MS_MAX), reading).await;
    Some(read.ok()?.ok()?.to_bytes())
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Serialize)]
struct Problem {
    error: &'static str,
}

/// What is wrong with a request, as JSON.
pub(crate) fn problem(status: StatusCode, error: &'static str) -> Answer {
    json(status, &Problem { error })
}

/// The answer to a method that a path does not take.
pub(crate) fn not_allowed(allowed: &'static str) -> Answer {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not answered here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

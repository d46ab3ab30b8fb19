//! The admin port: what a person or a test wants to know of the network. Only reading, only masks.

use crate::host::Host;
use crate::ledger::LedgerGone;
use crate::request::AccountId;
use crate::text::ShortText;
use crate::views::Health;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use std::convert::Infallible;
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

/// Serves the admin port until `stop` says otherwise.
pub(crate) async fn accept(
    listener: TcpListener,
    host: Arc<Host>,
    connections_max: u32,
    mut stop: watch::Receiver<bool>,
) {
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
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(connections_max, "too many admin connections: turned away");
            continue;
        };
        let host = Arc::clone(&host);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let host = Arc::clone(&host);
                async move { Ok::<_, Infallible>(respond(&host, &request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(HEADER_MS_MAX))
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "an admin connection ended badly");
            }
            drop(permit);
        });
    }
    connections.shutdown().await;
}

/// What the query of an address says.
#[derive(Default)]
struct Query {
    rrn: Option<String>,
    mask: Option<String>,
}

impl Query {
    fn parse(text: Option<&str>) -> Query {
        let mut query = Query::default();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "rrn" => query.rrn = Some(value.into_owned()),
                "mask" => query.mask = Some(value.into_owned()),
                _ => {}
            }
        }
        query
    }
}

async fn respond(host: &Host, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let path = request.uri().path();
    let query = Query::parse(request.uri().query());
    let answered = match path {
        "/health" => Ok(health(host)),
        "/messages/stats" => Ok(json(StatusCode::OK, &host.stats.view())),
        "/ledger/totals" => host.ledger.totals().await.map(|totals| json(StatusCode::OK, &totals)),
        "/ledger/entries" => entries(host, query).await,
        "/accounts" => host.ledger.accounts(query.mask).await.map(|accounts| json(StatusCode::OK, &accounts)),
        _ => match path.strip_prefix("/accounts/") {
            Some(id) => account(host, id).await,
            None => Ok(problem(StatusCode::NOT_FOUND, "there is nothing here")),
        },
    };
    answered.unwrap_or_else(|LedgerGone| problem(StatusCode::SERVICE_UNAVAILABLE, "the ledger has stopped"))
}

fn health(host: &Host) -> Response<Full<Bytes>> {
    let (code, status) =
        if host.ledger.is_up() { (StatusCode::OK, "up") } else { (StatusCode::SERVICE_UNAVAILABLE, "down") };
    json(code, &Health { status: status.to_owned(), connections: host.stats.connections_open.get() })
}

async fn entries(host: &Host, query: Query) -> Result<Response<Full<Bytes>>, LedgerGone> {
    let entries = match query {
        Query { rrn: Some(rrn), mask: None } => match ShortText::new(rrn.as_bytes()) {
            Some(rrn) => host.ledger.entries_by_rrn(rrn).await?,
            None => return Ok(problem(StatusCode::BAD_REQUEST, "rrn has at most 12 printable characters")),
        },
        Query { rrn: None, mask: Some(mask) } => host.ledger.entries_by_mask(mask).await?,
        _ => return Ok(problem(StatusCode::BAD_REQUEST, "give either rrn or mask")),
    };
    Ok(json(StatusCode::OK, &entries))
}

async fn account(host: &Host, id: &str) -> Result<Response<Full<Bytes>>, LedgerGone> {
    let Ok(id) = id.parse() else {
        return Ok(problem(StatusCode::BAD_REQUEST, "an account has a number, from 1"));
    };
    let account = host.ledger.account(AccountId(id)).await?;
    Ok(account.map_or_else(
        || problem(StatusCode::NOT_FOUND, "there is no such account"),
        |account| json(StatusCode::OK, &account),
    ))
}

#[derive(Serialize)]
struct Problem {
    error: &'static str,
}

fn problem(status: StatusCode, error: &'static str) -> Response<Full<Bytes>> {
    json(status, &Problem { error })
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let (status, bytes) = match serde_json::to_vec(body) {
        Ok(bytes) => (status, bytes),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

//! The admin port: what a person or a test wants to know of the network, with masks only; and the two
//! things that may be changed from outside, its clock and the faults that were asked for.

use crate::faults::{FaultRefused, FaultWish};
use crate::host::Host;
use crate::ledger::LedgerGone;
use crate::moved_clock::SetBack;
use crate::request::AccountId;
use crate::text::ShortText;
use crate::views::{ClockView, Health};
use crate::web::{self, Answer, Port, json, not_allowed, problem};
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::watch;
use tollgate_core::time::Clock;

/// A request's body has at most so many bytes.
const BODY_BYTES_MAX: usize = 4_096;

/// Serves the admin port until `stop` says otherwise.
pub(crate) async fn serve(port: Port, host: Arc<Host>, stop: watch::Receiver<bool>) {
    let respond = move |request| {
        let host = Arc::clone(&host);
        async move { Ok(respond(&host, request).await) }
    };
    web::serve(port, stop, respond).await;
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

async fn respond(host: &Host, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if path == "/clock" || path == "/faults" || path.starts_with("/faults/") {
        return change(host, request).await;
    }
    if request.method() != Method::GET {
        return not_allowed("GET");
    }
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

/// The clock and the faults: what can be changed from outside.
async fn change(host: &Host, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::GET, "/clock") => json(StatusCode::OK, &clock_view(host)),
        (Method::POST, "/clock") => match body::<ClockView>(request).await {
            Ok(wanted) => match host.clock.move_to(wanted.offset_us) {
                Ok(()) => {
                    tracing::info!(now = %host.clock.now(), "the sandbox card network's clock was moved");
                    json(StatusCode::OK, &clock_view(host))
                }
                Err(SetBack) => problem(StatusCode::CONFLICT, "the clock cannot be set back"),
            },
            Err(response) => *response,
        },
        (_, "/clock") => not_allowed("GET, POST"),
        (Method::GET, "/faults") => json(StatusCode::OK, &host.faults.views()),
        (Method::POST, "/faults") => match body::<FaultWish>(request).await {
            Ok(wish) => add_fault(host, wish),
            Err(response) => *response,
        },
        (Method::DELETE, "/faults") => cleared(host, None),
        (Method::DELETE, _) => match path.strip_prefix("/faults/").and_then(|id| id.parse().ok()) {
            Some(id) => cleared(host, Some(id)),
            None => problem(StatusCode::BAD_REQUEST, "a fault has a number"),
        },
        _ => not_allowed("GET, POST, DELETE"),
    }
}

fn clock_view(host: &Host) -> ClockView {
    ClockView { offset_us: host.clock.offset_us(), now: Some(host.clock.now().to_string()) }
}

fn add_fault(host: &Host, wish: FaultWish) -> Answer {
    match host.faults.add(wish) {
        Ok(id) => json(StatusCode::OK, &Added { id }),
        Err(FaultRefused::Wrong(problem_text)) => problem(StatusCode::BAD_REQUEST, problem_text),
        Err(FaultRefused::Full) => problem(StatusCode::CONFLICT, "100 faults wait already: clear some first"),
    }
}

fn cleared(host: &Host, id: Option<u64>) -> Answer {
    json(StatusCode::OK, &Cleared { cleared: host.faults.clear(id) })
}

#[derive(Serialize)]
struct Added {
    id: u64,
}

#[derive(Serialize)]
struct Cleared {
    cleared: usize,
}

/// The body as JSON. It has to say that it is JSON: a web page that somebody looks at on this machine
/// cannot send that to another origin without asking first.
async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Box<Answer>> {
    let refuse = |text| Box::new(problem(StatusCode::BAD_REQUEST, text));
    if request.headers().get(CONTENT_TYPE).is_none_or(|value| value != "application/json") {
        return Err(refuse("the body has to be application/json"));
    }
    let read = web::body(request, BODY_BYTES_MAX).await;
    let Some(whole) = read else { return Err(refuse("the body did not arrive, or has more than 4096 bytes")) };
    serde_json::from_slice(&whole).map_err(|_| refuse("the body is not what docs/sandbox.md says"))
}

fn health(host: &Host) -> Answer {
    let (code, status) =
        if host.ledger.is_up() { (StatusCode::OK, "up") } else { (StatusCode::SERVICE_UNAVAILABLE, "down") };
    json(code, &Health { status: status.to_owned(), connections: host.stats.connections_open.get() })
}

async fn entries(host: &Host, query: Query) -> Result<Answer, LedgerGone> {
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

async fn account(host: &Host, id: &str) -> Result<Answer, LedgerGone> {
    let Ok(id) = id.parse() else {
        return Ok(problem(StatusCode::BAD_REQUEST, "an account has a number, from 1"));
    };
    let account = host.ledger.account(AccountId(id)).await?;
    Ok(account.map_or_else(
        || problem(StatusCode::NOT_FOUND, "there is no such account"),
        |account| json(StatusCode::OK, &account),
    ))
}

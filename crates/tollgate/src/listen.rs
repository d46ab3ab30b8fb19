//! `tollgate listen` from both ends: what the lines of its stream say, and the part of the operator API
//! that serves them.
//!
//! The stream is one JSON object to a line, a [`Line`]; an empty line now and then shows that both ends are
//! still there. What the listener's own receiver said comes back as a request of its own.

use bytes::Bytes;
use http::{Method, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tollgate_app::Gateway;
use tollgate_core::ident::MerchantId;
use tollgate_feedback::{Delivery, Listener, ListenerReport, Listeners};
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, pieces, problem};
use tollgate_store::{FeedbackRouse, PauseReason, Store};

/// How many lines wait for a slow reader of the stream.
const LINES_WAITING_MAX: usize = 16;
/// How often an empty line shows that the stream lives, in milliseconds.
const KEEP_ALIVE_MS: u64 = 5_000;

/// One delivery on the stream.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Names the delivery in the report.
    pub number: u64,
    /// When, RFC 3339.
    pub at: String,
    /// The feedback's name.
    pub feedback: String,
    /// The merchant's handle.
    pub merchant: String,
    /// `direct` or `notification`.
    pub kind: String,
    /// The order.
    pub merchant_reference: String,
    /// The five-digit code.
    pub code: String,
    /// The order's version.
    pub sequence: u32,
    /// Which try.
    pub attempt: u32,
    /// The value of `Content-Type`.
    pub content_type: String,
    /// The body; it is text in every format.
    pub body: String,
}

impl Line {
    fn of(delivery: &Delivery) -> Line {
        Line {
            number: delivery.number,
            at: delivery.at.to_string(),
            feedback: delivery.id.to_string(),
            merchant: delivery.merchant.clone(),
            kind: delivery.kind.name().to_owned(),
            merchant_reference: delivery.merchant_reference.clone(),
            code: delivery.code.clone(),
            sequence: delivery.sequence,
            attempt: delivery.attempt,
            content_type: delivery.content_type.to_owned(),
            body: String::from_utf8_lossy(&delivery.body).into_owned(),
        }
    }
}

/// `/operator/listen`: GET is the stream, POST of `report` what a listener's receiver said.
pub struct ListenRoute {
    gateway: Gateway,
    store: Arc<dyn Store>,
    listeners: Arc<Listeners>,
    wake: Arc<Notify>,
}

impl ListenRoute {
    /// The route to these listeners.
    pub fn new(gateway: Gateway, store: Arc<dyn Store>, listeners: Arc<Listeners>, wake: Arc<Notify>) -> ListenRoute {
        ListenRoute { gateway, store, listeners, wake }
    }

    async fn answer(&self, request: OperatorRequest) -> Response {
        match (request.method.clone(), request.path.as_str()) {
            (Method::GET, "") => self.stream(request.parameter("merchant")).await,
            (Method::POST, "report") => match request.json::<ListenerReport>() {
                Ok(report) => {
                    let decides = self.listeners.report(report);
                    json(StatusCode::OK, &serde_json::json!({ "decides": decides }))
                }
                Err(response) => *response,
            },
            _ => problem(StatusCode::NOT_FOUND, "GET /operator/listen, or POST /operator/listen/report"),
        }
    }

    async fn stream(&self, merchant: Option<String>) -> Response {
        let merchant = match self.merchant(merchant).await {
            Ok(merchant) => merchant,
            Err(response) => return *response,
        };
        let Some(listener) = self.listeners.connect(merchant) else {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "too many listeners are connected");
        };
        self.rouse(merchant).await;
        let (lines, body) = mpsc::channel(LINES_WAITING_MAX);
        tokio::spawn(write_lines(listener, lines));
        pieces("application/x-ndjson", body)
    }

    async fn merchant(&self, name: Option<String>) -> Result<Option<MerchantId>, Box<Response>> {
        let Some(name) = name else { return Ok(None) };
        let accounts = self.gateway.directory().all().await;
        let accounts = accounts.map_err(|error| {
            Box::new(problem(StatusCode::SERVICE_UNAVAILABLE, format!("the accounts cannot be read: {error}")))
        })?;
        let found = accounts.iter().find(|account| account.merchant.name == name);
        let unknown = || Box::new(problem(StatusCode::NOT_FOUND, format!("there is no merchant {name}")));
        found.map(|account| Some(account.merchant.id)).ok_or_else(unknown)
    }

    /// What had no receiver has one now.
    async fn rouse(&self, merchant: Option<MerchantId>) {
        let rouse = FeedbackRouse::Paused { merchant, reason: PauseReason::NoUrl, now: self.gateway.now() };
        match self.store.rouse_feedback(rouse).await {
            Ok(_) => self.wake.notify_one(),
            Err(error) => tracing::error!(%error, "feedback without a receiver stays paused"),
        }
    }
}

impl OperatorRoute for ListenRoute {
    fn name(&self) -> &'static str {
        "listen"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request).await })
    }
}

/// Writes deliveries until the reader of the stream has gone.
async fn write_lines(mut listener: Listener, lines: mpsc::Sender<Bytes>) {
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(Duration::from_millis(KEEP_ALIVE_MS), listener.next()) => next,
            () = lines.closed() => return,
        };
        let line = match next {
            Ok(Some(delivery)) => {
                // Texts and numbers always have a JSON form.
                let mut line = serde_json::to_vec(&Line::of(&delivery)).unwrap_or_default();
                line.push(b'\n');
                Bytes::from(line)
            }
            Ok(None) => return,
            Err(_) => Bytes::from_static(b"\n"),
        };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}

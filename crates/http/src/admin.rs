//! Health, metrics and the operator API, on an address of their own.

use crate::Request;
use crate::answer::{Response, plain};
use crate::operator::{OPERATOR_PATH, Operator};
use crate::server::Service;
use crate::source::Peer;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tollgate_app::Gateway;

/// `/health/live`, `/health/ready`, `/metrics` and `/operator/`.
pub struct Admin {
    gateway: Gateway,
    metrics: PrometheusHandle,
    operator: Operator,
    stopping: AtomicBool,
}

impl Admin {
    /// The service for `gateway`.
    #[must_use]
    pub fn new(gateway: Gateway, metrics: PrometheusHandle, operator: Operator) -> Admin {
        Admin { gateway, metrics, operator, stopping: AtomicBool::new(false) }
    }

    /// From now on `/health/ready` says no, so that a load balancer sends nothing new.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    async fn answer(&self, request: Request) -> Response {
        if request.uri().path().starts_with(OPERATOR_PATH) {
            return self.operator.answer(request).await;
        }
        let (method, path) = (request.method(), request.uri().path());
        if method != Method::GET && method != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match path {
            "/health/live" => plain(StatusCode::OK, "live\n"),
            "/health/ready" => self.ready().await,
            "/metrics" => plain(StatusCode::OK, self.metrics.render()),
            _ => plain(StatusCode::NOT_FOUND, "try /health/live, /health/ready or /metrics\n"),
        }
    }

    /// Ready is: not stopping, the store answers, the link to the acquirer is not down.
    async fn ready(&self) -> Response {
        if self.stopping.load(Ordering::Relaxed) {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
        }
        if let Err(error) = self.gateway.directory().all().await {
            return plain(StatusCode::SERVICE_UNAVAILABLE, format!("store: {error}\n"));
        }
        if self.gateway.link_is_down() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "acquirer link: down\n");
        }
        plain(StatusCode::OK, "ready\n")
    }
}

impl Service for Admin {
    fn call(self: Arc<Self>, request: Request, _peer: Peer) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request).await })
    }
}

//! `/operator/clock`: shows the clock, and moves it in a sandbox.

use super::{Mode, NetworkAdmin, note_of_operator};
use crate::clock::FolderClock;
use http::{Method, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_app::Gateway;
use tollgate_core::audit::AuditAction;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};

/// What is behind `/operator/clock`.
pub struct ClockRoute {
    mode: Mode,
    clock: Arc<FolderClock>,
    gateway: Gateway,
    network: Option<NetworkAdmin>,
    /// One move at a time, so that network and gateway come out of it with the same time.
    moving: tokio::sync::Mutex<()>,
}

/// `POST /operator/clock/advance`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// By how much, in milliseconds.
    ms: u64,
}

/// `POST /operator/clock/set`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    /// RFC 3339 in UTC.
    to: String,
}

/// A move that somebody wants.
enum Move {
    Advance(Advance),
    To(Timestamp),
}

impl ClockRoute {
    /// The route of a gateway in this mode. `network` is the sandbox card network beside it, which goes by
    /// the same time.
    pub fn new(mode: Mode, clock: Arc<FolderClock>, gateway: Gateway, network: Option<NetworkAdmin>) -> ClockRoute {
        ClockRoute { mode, clock, gateway, network, moving: tokio::sync::Mutex::new(()) }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        let wanted = match (&request.method, request.path.as_str()) {
            (&Method::GET, "") => return self.shown(),
            (&Method::POST, "advance") => request.json::<Advance>().map(Move::Advance),
            (&Method::POST, "set") => request.json::<Set>().and_then(|set| {
                Timestamp::parse_utc(&set.to).map(Move::To).ok_or_else(|| {
                    let text = format!("{:?} is no moment: write 2027-01-31T12:00:00Z", set.to);
                    Box::new(problem(StatusCode::BAD_REQUEST, text))
                })
            }),
            _ => return problem(StatusCode::NOT_FOUND, "try GET clock, POST clock/advance or POST clock/set"),
        };
        if let Err(response) = self.mode.allows("the clock can be moved") {
            return *response;
        }
        match wanted {
            Ok(wanted) => self.move_by(wanted).await,
            Err(response) => *response,
        }
    }

    /// The network first: when it does not follow, nothing was moved.
    async fn move_by(&self, wanted: Move) -> Response {
        let _alone = self.moving.lock().await;
        let offset_us = match wanted {
            Move::Advance(advance) => self.clock.offset_after(advance.ms),
            Move::To(to) => self.clock.offset_for(to),
        };
        let offset_us = match offset_us {
            Ok(offset_us) => offset_us,
            Err(error) => return problem(StatusCode::CONFLICT, error.to_string()),
        };
        if let Some(network) = &self.network {
            let moved = network.ask(Method::POST, "/clock", &serde_json::json!({ "offset_us": offset_us })).await;
            if let Err(error) = moved {
                return problem(StatusCode::BAD_GATEWAY, format!("the clock was not moved: {error:#}"));
            }
        }
        if let Err(error) = self.clock.move_to_offset(offset_us) {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, format!("the clock was not moved: {error:#}"));
        }
        tracing::warn!(now = %self.clock.now(), "the sandbox clock was moved");
        let ahead_ms = offset_us / 1000;
        note_of_operator(&self.gateway, AuditAction::ClockMoved, format!("{ahead_ms} ms ahead of the system")).await;
        self.gateway.wake_jobs();
        self.shown()
    }

    fn shown(&self) -> Response {
        json(
            StatusCode::OK,
            &serde_json::json!({
                "now": self.clock.now().to_string(),
                "ahead_of_system_ms": self.clock.offset_us() / 1000,
                "sandbox": self.mode == Mode::Sandbox,
            }),
        )
    }
}

impl OperatorRoute for ClockRoute {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

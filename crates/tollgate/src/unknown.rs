//! What an operator asks of unknown outcomes: the same requests to a running gateway and to the store of a
//! stopped one, with the same answers.

use http::StatusCode;
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_acquirer::{Acquirer, Exchange, ExchangeResult, LinkState, NetworkRequest, NotSent, WireTrace};
use tollgate_app::{Gateway, Resolution, ResolveError, Resolved, UnknownOperation};
use tollgate_core::ident::OperationId;
use tollgate_fort::text::{Language, response_message};
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};
use tollgate_store::Proposal;

/// The most operations that one list tells.
const LISTED_MAX: usize = 500;
/// The digits of an operation's number.
const OPERATION_DIGITS: usize = 18;

/// A request, as it travels in `POST /operator/unknown`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum UnknownRequest {
    /// Unknown operations, oldest first, and proposals that wait.
    List {
        /// Only those that are unknown for so long, in milliseconds.
        older_than_ms: u64,
    },
    /// Settle one by hand, or propose it.
    Resolve {
        /// Its number.
        operation: String,
        /// What became of it, and why.
        resolution: Resolution,
    },
    /// Carry a proposal out.
    Approve {
        /// The operation.
        operation: String,
        /// The second person.
        by: String,
    },
    /// Take a proposal back.
    Withdraw {
        /// The operation.
        operation: String,
        /// Who.
        by: String,
    },
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum UnknownError {
    /// The number is none.
    #[error("{0:?} is no operation: it has 18 digits, and `tollgate unknown list` and `tollgate explain` tell it")]
    NoNumber(String),
    /// The gateway refused.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

impl UnknownRequest {
    /// Carries it out on `gateway`.
    ///
    /// # Errors
    /// Why nothing was done.
    pub async fn carry_out(self, gateway: &Gateway) -> Result<Value, UnknownError> {
        match self {
            UnknownRequest::List { older_than_ms } => {
                let unknowns = gateway.unknowns(older_than_ms, LISTED_MAX).await.map_err(ResolveError::from)?;
                let proposals = gateway.proposals().await.map_err(ResolveError::from)?;
                Ok(object!({
                    "unknown": unknowns.iter().map(shown_unknown).collect::<Vec<_>>(),
                    "proposals": proposals.iter().map(shown_proposal).collect::<Vec<_>>(),
                }))
            }
            UnknownRequest::Resolve { operation, resolution } => {
                let operation = number(&operation)?;
                Ok(shown_resolved(operation, gateway.resolve(operation, resolution).await?))
            }
            UnknownRequest::Approve { operation, by } => {
                let operation = number(&operation)?;
                Ok(shown_resolved(operation, gateway.approve_proposal(operation, &by).await?))
            }
            UnknownRequest::Withdraw { operation, by } => {
                let operation = number(&operation)?;
                gateway.withdraw_proposal(operation, &by).await?;
                Ok(object!({ "operation": operation.to_string(), "withdrawn": true }))
            }
        }
    }
}

fn number(text: &str) -> Result<OperationId, UnknownError> {
    let digits = text.len() == OPERATION_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok().map(OperationId) } else { None };
    parsed.ok_or_else(|| UnknownError::NoNumber(text.chars().take(40).collect()))
}

fn shown_unknown(unknown: &UnknownOperation) -> Value {
    object!({
        "operation": unknown.operation.to_string(),
        "fort_id": unknown.fort_id.to_string(),
        "merchant": unknown.merchant,
        "merchant_reference": unknown.merchant_reference,
        "kind": unknown.kind,
        "amount": unknown.money.amount.minor(),
        "currency": unknown.money.currency,
        "shown_amount": unknown.money.to_string(),
        "since": unknown.since.to_string(),
        "age_ms": unknown.age_ms,
        "why": unknown.why.map(|event| event.name()),
        "way_out": unknown.way_out,
        "messages_sent": unknown.messages,
        "last_answer": unknown.last_answer,
        "next_message_at": unknown.next_at.to_string(),
    })
}

fn shown_proposal(proposal: &Proposal) -> Value {
    object!({
        "operation": proposal.operation.to_string(),
        "event": proposal.event.name(),
        "reason": proposal.correction.reason,
        "evidence": proposal.correction.evidence,
        "evidence_sha256": proposal.correction.evidence_sha256,
        "by": proposal.correction.by,
        "at": proposal.at.to_string(),
    })
}

fn shown_resolved(operation: OperationId, resolved: Resolved) -> Value {
    match resolved {
        Resolved::Proposed => object!({ "operation": operation.to_string(), "proposed": true }),
        Resolved::Written { state, code } => object!({
            "operation": operation.to_string(),
            "state": state,
            "code": code.to_string(),
            "message": response_message(code, Language::English),
        }),
    }
}

/// What is behind `/operator/unknown`.
pub struct UnknownRoute {
    gateway: Gateway,
}

impl UnknownRoute {
    /// The route of a gateway.
    pub const fn new(gateway: Gateway) -> UnknownRoute {
        UnknownRoute { gateway }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != http::Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, "try POST unknown");
        }
        let asked: UnknownRequest = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match asked.carry_out(&self.gateway).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error) => problem(status_of(&error), error.to_string()),
        }
    }
}

const fn status_of(error: &UnknownError) -> StatusCode {
    match error {
        UnknownError::NoNumber(_) | UnknownError::Resolve(ResolveError::Text { .. }) => StatusCode::BAD_REQUEST,
        UnknownError::Resolve(ResolveError::NotFound(_)) => StatusCode::NOT_FOUND,
        UnknownError::Resolve(ResolveError::Store(_)) => StatusCode::SERVICE_UNAVAILABLE,
        UnknownError::Resolve(_) => StatusCode::CONFLICT,
    }
}

impl OperatorRoute for UnknownRoute {
    fn name(&self) -> &'static str {
        "unknown"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

/// The link of a gateway that is not running: nothing is sent.
pub struct NoLink;

impl Acquirer for NoLink {
    fn exchange(&self, _: NetworkRequest) -> Pin<Box<dyn Future<Output = Exchange> + Send + '_>> {
        Box::pin(std::future::ready(Exchange {
            result: ExchangeResult::NotSent(NotSent::LinkDown),
            trace: WireTrace::default(),
        }))
    }

    fn state(&self) -> LinkState {
        LinkState::Down
    }
}

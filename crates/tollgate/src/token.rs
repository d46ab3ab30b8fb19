//! What an operator asks of tokens: the same requests to a running gateway and to the store of a stopped one, with the
//! same answers. Masks only.

use http::StatusCode;
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_app::{TokenDesk, TokenDeskError, TokenRest, Traces};
use tollgate_core::time::Timestamp;
use tollgate_core::token::Token;
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};

/// The most tokens that one list tells.
pub const LISTED_MAX: usize = 10_000;

/// A request, as it travels in `POST /operator/token`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenRequest {
    /// Tokens of a merchant, oldest first.
    List {
        /// The merchant's handle.
        merchant: String,
        /// After this one.
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// One token.
    Show {
        /// The merchant's handle.
        merchant: String,
        /// The token's name.
        name: String,
    },
    /// Delete one for good.
    Delete {
        /// The merchant's handle.
        merchant: String,
        /// The token's name.
        name: String,
    },
}

impl TokenRequest {
    /// Carries it out.
    ///
    /// # Errors
    /// Why nothing was done.
    pub async fn carry_out(self, desk: &TokenDesk) -> Result<Value, TokenDeskError> {
        match self {
            TokenRequest::List { merchant, after, limit } => {
                let page = desk.list(&merchant, after.as_deref(), limit.min(LISTED_MAX)).await?;
                let tokens: Vec<Value> = page.tokens.iter().map(|token| shown(token, desk.now())).collect();
                Ok(object!({ "tokens": tokens, "more": page.rest == TokenRest::More }))
            }
            TokenRequest::Show { merchant, name } => Ok(shown(&desk.show(&merchant, &name).await?, desk.now())),
            TokenRequest::Delete { merchant, name } => {
                let deleted = desk.delete(&merchant, &name).await?;
                Ok(object!({
                    "deleted": shown(&deleted.token, desk.now()),
                    "traces": match deleted.traces {
                        Traces::Gone => "gone",
                        Traces::InLog => "in_log",
                    },
                }))
            }
        }
    }
}

fn shown(token: &Token, now: Timestamp) -> Value {
    object!({
        "token_name": token.name,
        "state": token.state(now).name(),
        "card_number": token.card.mask,
        "card_brand": token.card.brand.name(),
        "expiry_date": token.card.expiry,
        "card_holder_name": token.card.holder,
        "currency": token.currency,
        "created_at": token.created_at.to_string(),
        "updated_at": token.updated_at.to_string(),
        "lapses_at": token.lapses_at.map(|at| at.to_string()),
    })
}

/// What is behind `/operator/token`.
pub struct TokenRoute {
    desk: TokenDesk,
}

impl TokenRoute {
    /// The route of these tokens.
    pub const fn new(desk: TokenDesk) -> TokenRoute {
        TokenRoute { desk }
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != http::Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, "try POST token");
        }
        let asked: TokenRequest = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match asked.carry_out(&self.desk).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error @ TokenDeskError::Store(_)) => problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Err(error) => problem(StatusCode::NOT_FOUND, error.to_string()),
        }
    }
}

impl OperatorRoute for TokenRoute {
    fn name(&self) -> &'static str {
        "token"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

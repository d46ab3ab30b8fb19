//! What an operator asks of tokens. Masks only.

use crate::desk::DeskRequest;
use crate::wiring::Opened;
use http::StatusCode;
use serde_json::{Value, json as object};
use tollgate_app::{TokenDesk, TokenDeskError, TokenRest, Traces};
use tollgate_core::time::Timestamp;
use tollgate_core::token::Token;

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

impl DeskRequest for TokenRequest {
    const ROUTE: &'static str = "token";
    type Desk = TokenDesk;
    type Error = TokenDeskError;

    fn desk(opened: &Opened) -> TokenDesk {
        TokenDesk::new(opened.store.clone(), opened.clock.clone())
    }

    async fn carry_out(self, desk: &TokenDesk) -> Result<Value, TokenDeskError> {
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

    fn status(error: &TokenDeskError) -> StatusCode {
        match error {
            TokenDeskError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::NOT_FOUND,
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

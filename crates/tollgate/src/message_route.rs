//! What an operator asks of messages: which there are, what they say, and that one is tried again.

use crate::messages::LinkComposer;
use http::StatusCode;
use serde_json::{Value, json as object};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tollgate_app::{Account, Gateway};
use tollgate_core::message::{MessageAbout, MessageChannel, MessageId};
use tollgate_core::payment_link::LinkTarget;
use tollgate_http::{OperatorRequest, OperatorRoute, Response, json, problem};
use tollgate_notify::Letter;
use tollgate_store::{MessageFilter, MessageRow, MessageState, Store, StoreError};

/// The most messages that one list tells.
pub const LISTED_MAX: usize = 1_000;

/// A request, as it travels in `POST /operator/message`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum MessageRequest {
    /// Messages, newest first.
    List {
        /// Of this merchant (its handle).
        merchant: Option<String>,
        /// About this link of the merchant.
        link: Option<String>,
        /// `EMAIL`, `SMS` or `server`.
        channel: Option<String>,
        /// `waiting`, `sent`, `failed` or `dropped`.
        state: Option<String>,
        /// Only those numbered lower.
        before: Option<i64>,
        /// At most so many.
        limit: usize,
    },
    /// One message: what it says now, and each attempt.
    Show {
        /// Its number.
        id: i64,
    },
    /// Try one again at once that was not sent.
    Resend {
        /// Its number.
        id: i64,
    },
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// It cannot be done.
    #[error("{0}")]
    Refused(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is behind `/operator/message`.
pub struct MessageRoute {
    gateway: Gateway,
    store: Arc<dyn Store>,
    composer: LinkComposer,
}

impl MessageRoute {
    /// The route of this gateway's messages.
    pub const fn new(gateway: Gateway, store: Arc<dyn Store>, composer: LinkComposer) -> MessageRoute {
        MessageRoute { gateway, store, composer }
    }

    async fn carry_out(&self, request: MessageRequest) -> Result<Value, MessageError> {
        match request {
            MessageRequest::List { merchant, link, channel, state, before, limit } => {
                let account = match merchant {
                    Some(name) => Some(self.account(&name).await?),
                    None => None,
                };
                let about = match (link, &account) {
                    (None, _) => None,
                    (Some(_), None) => return Err(MessageError::Refused("name the merchant of the link".to_owned())),
                    (Some(name), Some(account)) => Some(self.link(account, name).await?),
                };
                let filter = MessageFilter {
                    merchant: account.map(|account| account.merchant.id),
                    about,
                    channel: channel.map(|name| channel_named(&name)).transpose()?,
                    state: state.map(|name| state_named(&name)).transpose()?,
                    before: before.map(MessageId),
                    rows_max: limit.min(LISTED_MAX),
                };
                let mut messages = Vec::new();
                for row in self.store.messages(&filter).await? {
                    messages.push(self.shown(&row).await?);
                }
                Ok(object!({ "messages": messages }))
            }
            MessageRequest::Show { id } => self.told(MessageId(id)).await,
            MessageRequest::Resend { id } => {
                let row = self.row(MessageId(id)).await?;
                if !self.store.rouse_message(row.id, self.gateway.now()).await? {
                    let why = "it was sent, or is on its way: `tollgate link send` sends the link once more";
                    return Err(MessageError::Refused(format!("message {id} cannot be tried again: {why}")));
                }
                self.gateway.messages_wanted().notify_one();
                self.told(row.id).await
            }
        }
    }

    async fn account(&self, name: &str) -> Result<Arc<Account>, MessageError> {
        let all = self.gateway.directory().all().await;
        let all = all.map_err(|error| MessageError::Refused(format!("the accounts cannot be read: {error}")))?;
        let found = all.into_iter().find(|account| account.merchant.name == name);
        found.ok_or_else(|| {
            MessageError::Missing(format!("there is no merchant {name}; `tollgate merchant list` shows them all"))
        })
    }

    async fn link(&self, account: &Account, name: String) -> Result<MessageAbout, MessageError> {
        let stored = self.store.payment_link(account.merchant.id, &LinkTarget::Name(name.clone())).await?;
        let missing = || MessageError::Missing(format!("the merchant has no payment link {name}"));
        Ok(MessageAbout::PaymentLink(stored.ok_or_else(missing)?.link.id))
    }

    async fn row(&self, id: MessageId) -> Result<MessageRow, MessageError> {
        let missing = || MessageError::Missing(format!("there is no message {id}; `tollgate message list` shows them"));
        self.store.message(id).await?.ok_or_else(missing)
    }

    /// A message in a list.
    async fn shown(&self, row: &MessageRow) -> Result<Value, MessageError> {
        let MessageAbout::PaymentLink(link) = row.about;
        let stored = self.store.payment_link_by_id(link).await?;
        let account = self.gateway.directory().by_id(row.lane.merchant).await.ok().flatten();
        Ok(object!({
            "id": row.id.0,
            "merchant": account.map(|account| account.merchant.name.clone()),
            "kind": row.kind.name(),
            "channel": row.lane.channel.name(),
            "payment_link_id": stored.map(|stored| stored.link.name),
            "state": row.state.name(),
            "created_at": row.created_at.to_string(),
            "due_at": (row.state == MessageState::Waiting).then(|| row.due_at.to_string()),
            "settled_at": row.settled_at.map(|at| at.to_string()),
            "attempts": row.attempts,
            "reason": row.reason,
        }))
    }

    /// A message with what it says, as it would be sent now, and its attempts.
    async fn told(&self, id: MessageId) -> Result<Value, MessageError> {
        let row = self.row(id).await?;
        let mut value = self.shown(&row).await?;
        let letter = match self.composer.link_of(&row).await {
            Ok(Some(seen)) => self.composer.letter(&row, &seen).await,
            Ok(None) => Ok(None),
            Err(detail) => Err(detail),
        };
        let says = match letter {
            Ok(Some(Letter::Mail(mail))) => {
                object!({ "to": mail.to, "from": mail.from_name, "subject": mail.subject, "text": mail.text, "html": mail.html })
            }
            Ok(Some(Letter::Text(text))) => object!({ "to": text.to, "text": text.text }),
            // A path may hold a secret, so no URL is told.
            Ok(Some(Letter::Notice(notice))) => object!({ "body": String::from_utf8_lossy(&notice.body) }),
            Ok(None) => Value::Null,
            Err(detail) => return Err(MessageError::Refused(detail)),
        };
        let attempts = self.store.message_attempts(row.id).await?;
        let attempts: Vec<Value> = attempts
            .iter()
            .map(|tried| {
                let attempt = &tried.attempt;
                object!({
                    "number": tried.number,
                    "at": attempt.at.to_string(),
                    "target": attempt.target,
                    "status": attempt.status,
                    "error": attempt.error,
                    "latency_ms": attempt.latency_ms,
                    "answer": attempt.answer,
                })
            })
            .collect();
        if let Some(members) = value.as_object_mut() {
            members.insert("says".to_owned(), says);
            members.insert("tries".to_owned(), attempts.into());
        }
        Ok(value)
    }

    async fn answer(&self, request: &OperatorRequest) -> Response {
        if request.method != http::Method::POST || !request.path.is_empty() {
            return problem(StatusCode::NOT_FOUND, "try POST message");
        }
        let asked: MessageRequest = match request.json() {
            Ok(asked) => asked,
            Err(response) => return *response,
        };
        match self.carry_out(asked).await {
            Ok(value) => json(StatusCode::OK, &value),
            Err(error @ MessageError::Missing(_)) => problem(StatusCode::NOT_FOUND, error.to_string()),
            Err(error @ MessageError::Refused(_)) => problem(StatusCode::CONFLICT, error.to_string()),
            Err(error @ MessageError::Store(_)) => problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

fn channel_named(name: &str) -> Result<MessageChannel, MessageError> {
    let wrong = || MessageError::Refused(format!("a channel is EMAIL, SMS or server, not {name:?}"));
    MessageChannel::parse(name).ok_or_else(wrong)
}

fn state_named(name: &str) -> Result<MessageState, MessageError> {
    let wrong = || MessageError::Refused(format!("a state is waiting, sent, failed or dropped, not {name:?}"));
    MessageState::ALL.into_iter().find(|state| state.name() == name).ok_or_else(wrong)
}

impl OperatorRoute for MessageRoute {
    fn name(&self) -> &'static str {
        "message"
    }

    fn call(self: Arc<Self>, request: OperatorRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(&request).await })
    }
}

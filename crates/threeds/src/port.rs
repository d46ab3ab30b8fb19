//! The port to a directory server: what the use cases may ask of it, and what can come back.

use crate::message::{MessageType, Wire};
use std::future::Future;
use std::pin::Pin;
use tollgate_core::secret::Wiped;

/// What came back, on its way.
pub type ExchangeFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, ExchangeFailure>> + Send + 'a>>;

/// A directory server.
pub trait DirectoryServer: Send + Sync + 'static {
    /// Sends one message and waits for what comes back, at most as long as the link is set up to wait.
    ///
    /// What comes back is JSON and no larger than its type may be; whether it is the message that was wanted is for the
    /// caller. The future may be dropped; a message that was sent stays sent then.
    fn exchange(&self, request: DirectoryRequest) -> ExchangeFuture<'_>;
}

/// A message for a directory server.
#[derive(Debug)]
pub struct DirectoryRequest {
    /// The message, as JSON. It may hold a card number.
    pub body: Wiped<Vec<u8>>,
    /// What should come back: it says how large it may be.
    pub answer: MessageType,
}

impl DirectoryRequest {
    /// Puts a message into bytes; `answer` is what should come back.
    #[must_use]
    pub fn of<M: Wire>(message: &M, answer: MessageType) -> DirectoryRequest {
        DirectoryRequest { body: message.to_bytes(), answer }
    }
}

/// Why nothing that could be read came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeFailure {
    /// No connection: nothing was sent.
    #[error("the directory server cannot be reached")]
    NotReached,
    /// No answer in time; it may have been sent.
    #[error("the directory server did not answer in time")]
    TimedOut,
    /// The connection broke before the answer was whole; it may have been sent.
    #[error("the connection to the directory server broke")]
    Broken,
    /// An HTTP status that is not 200.
    #[error("the directory server answered with the HTTP status {0}")]
    Status(u16),
    /// More bytes than its type may have.
    #[error("the directory server's answer is too large")]
    TooLarge,
    /// The body is no JSON.
    #[error("the directory server's answer is no JSON")]
    NotJson,
}

//! The port for the recovery queue: operations whose outcome is unknown, and the messages that
//! settle them. It is no FIFO: a row that keeps failing moves its own due time and no other's.

use crate::{LifeId, StoreFuture};
use tollgate_core::audit::AuditEntry;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::order::WayOut;
use tollgate_core::time::Timestamp;

/// The recovery queue.
pub trait Recoveries {
    /// Rows that are due at `now`, the longest due first, at most `limit`; without those of which another
    /// life than `finder` has an attempt under way.
    fn recoveries_due(&self, finder: LifeId, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<RecoveryRow>>;

    /// When the next row falls due, if there is one.
    fn recovery_next_due(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// Makes the intent of a recovery message durable before it is sent: the row's count of attempts
    /// goes from `attempts_before` to one more, it is not due again before `retry_at`, and it is nobody
    /// else's before `until`. `false` when the row is gone, somebody else began an attempt, another life's
    /// attempt is under way, or the life that asks is over.
    fn begin_attempt(&self, new: NewAttempt) -> StoreFuture<'_, bool>;

    /// Keeps what came of a recovery message that did not settle the operation. The attempt is over, and
    /// the row is everybody's again.
    fn note_attempt(&self, attempt: Attempt) -> StoreFuture<'_, ()>;

    /// How many rows there are, and since when the oldest waits.
    fn recovery_backlog(&self) -> StoreFuture<'_, (u64, Option<Timestamp>)>;
}

/// One operation that waits to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryRow {
    /// The operation.
    pub operation: OperationId,
    /// Its order.
    pub fort_id: FortId,
    /// Whose.
    pub merchant: MerchantId,
    /// How it is settled.
    pub way_out: WayOut,
    /// How many messages were begun.
    pub attempts: u32,
    /// Not before.
    pub due_at: Timestamp,
    /// Since when it waits.
    pub created_at: Timestamp,
}

/// A recovery message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttempt {
    /// The operation.
    pub operation: OperationId,
    /// How many messages were begun before it.
    pub attempts_before: u32,
    /// The life that sends it.
    pub by: LifeId,
    /// Now.
    pub now: Timestamp,
    /// Until when no other life begins one, unless this one is noted or its life is over.
    pub until: Timestamp,
    /// When the next one may be begun.
    pub retry_at: Timestamp,
    /// What the audit log is told if it is begun: the card that is opened for it.
    pub audit: Vec<AuditEntry>,
}

/// One recovery message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The operation.
    pub operation: OperationId,
    /// Which message: from 1.
    pub number: u32,
    /// What came of it.
    pub result: AttemptResult,
    /// The wire messages, masked.
    pub trace: String,
    /// When.
    pub at: Timestamp,
}

/// What came of a recovery message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// It could not be sent.
    NotSent,
    /// No usable answer.
    NoAnswer,
    /// The network answered with this code, which settles nothing.
    Answered(String),
}

impl AttemptResult {
    /// One text for stores and people.
    #[must_use]
    pub fn as_text(&self) -> String {
        match self {
            AttemptResult::NotSent => "not sent".to_owned(),
            AttemptResult::NoAnswer => "no answer".to_owned(),
            AttemptResult::Answered(code) => format!("answered {code}"),
        }
    }

    /// Reads [`AttemptResult::as_text`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<AttemptResult> {
        match text {
            "not sent" => Some(AttemptResult::NotSent),
            "no answer" => Some(AttemptResult::NoAnswer),
            _ => text.strip_prefix("answered ").map(|code| AttemptResult::Answered(code.to_owned())),
        }
    }
}

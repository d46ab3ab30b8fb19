//! The port for messages to customers and to merchants' servers: an outbox whose rows are written with what they tell of
//! (a payment link, a change of it, the outcome of its payment), leased by workers, and never forgotten. A row holds
//! neither a text nor an address; both are made when it is sent.
//!
//! Rows for one merchant's server about one thing go out in order. All other rows wait for nobody.

use crate::StoreFuture;
use tollgate_core::ident::MerchantId;
use tollgate_core::message::{
    MessageAbout, MessageChannel, MessageId, MessageKind, MessageLane, MessageLimits, NewMessage,
};
use tollgate_core::time::Timestamp;

/// How many attempts of one message are kept, the first ones; a message that is tried for longer keeps its count.
pub const MESSAGE_ATTEMPTS_KEPT_MAX: u32 = 60;

/// Messages.
pub trait Messages {
    /// Leases rows that are due: for each lane as many as it has places, in turns, beginning behind `lease.after`. A
    /// leased row is due again at `lease.until`, unless it is finished before.
    fn lease_messages(&self, lease: MessageLease) -> StoreFuture<'_, MessagesLeased>;

    /// Gives back what `node` leased and has not finished: to be called when it starts, since it may have been killed.
    /// Gives the number of rows.
    fn release_messages(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64>;

    /// Writes what came of a leased message. `Sent` counts whoever reports it; anything else only while the lease is the
    /// row's. What follows from it is written only where the row is.
    fn finish_message(&self, finish: MessageFinish) -> StoreFuture<'_, MessageFinished>;

    /// Makes a message due at once that was given up or dropped, or that waits; its schedule begins anew. `false` where
    /// there is none such, or it is on its way, or was sent.
    fn rouse_message(&self, id: MessageId, now: Timestamp) -> StoreFuture<'_, bool>;

    /// One message.
    fn message(&self, id: MessageId) -> StoreFuture<'_, Option<MessageRow>>;

    /// Messages by a filter, newest first.
    fn messages<'a>(&'a self, filter: &'a MessageFilter) -> StoreFuture<'a, Vec<MessageRow>>;

    /// The attempts of one message that are kept, oldest first.
    fn message_attempts(&self, id: MessageId) -> StoreFuture<'_, Vec<MessageAttempt>>;

    /// When the next row falls due, if one will.
    fn messages_next_due(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// What is not sent yet.
    fn message_backlog(&self) -> StoreFuture<'_, MessageBacklog>;
}

/// What is written beside a thing that people are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagesToo {
    /// The messages. One that was written before is left as it is.
    pub messages: Vec<NewMessage>,
    /// How many may reach customers; `None` is no limit.
    pub limits: Option<MessageLimits>,
}

impl MessagesToo {
    /// Nobody is told.
    #[must_use]
    pub fn none() -> MessagesToo {
        MessagesToo::default()
    }

    /// These, whatever their number.
    #[must_use]
    pub fn unlimited(messages: Vec<NewMessage>) -> MessagesToo {
        MessagesToo { messages, limits: None }
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It goes out when it is due.
    Waiting,
    /// Whoever carries it has taken it.
    Sent,
    /// It was given up; the reason is kept.
    Failed,
    /// It would not be true any more, and was not sent; the reason is kept.
    Dropped,
}

impl MessageState {
    /// All of them.
    pub const ALL: [MessageState; 4] =
        [MessageState::Waiting, MessageState::Sent, MessageState::Failed, MessageState::Dropped];

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            MessageState::Waiting => 0,
            MessageState::Sent => 1,
            MessageState::Failed => 2,
            MessageState::Dropped => 3,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<MessageState> {
        MessageState::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            MessageState::Waiting => "waiting",
            MessageState::Sent => "sent",
            MessageState::Failed => "failed",
            MessageState::Dropped => "dropped",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number.
    pub id: MessageId,
    /// On whose behalf, and by which way.
    pub lane: MessageLane,
    /// What it is about.
    pub about: MessageAbout,
    /// What it says.
    pub kind: MessageKind,
    /// What tells it from others of its kind.
    pub occasion: i64,
    /// Where it stands.
    pub state: MessageState,
    /// Not before; meaningful while it waits.
    pub due_at: Timestamp,
    /// How many attempts there were in all.
    pub attempts: u32,
    /// How many of them failed since [`MessageRow::tried_since`].
    pub tries: u32,
    /// When the schedule began: with the row, or when it was roused.
    pub tried_since: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent, given up or dropped.
    pub settled_at: Option<Timestamp>,
    /// Why it was given up or dropped; harmless text.
    pub reason: Option<String>,
}

/// What a worker wants to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageLease {
    /// The worker's node.
    pub node: u8,
    /// Now.
    pub now: Timestamp,
    /// Until when the rows are nobody else's.
    pub until: Timestamp,
    /// The most rows in all.
    pub rows_max: usize,
    /// The places of a lane that is not in `places`.
    pub lane_rows_max: usize,
    /// Lanes with fewer places left; 0 leaves a lane out.
    pub places: Vec<MessagePlaces>,
    /// The lane behind which the turns begin, so that each has its turn when there are many.
    pub after: Option<MessageLane>,
}

/// How many more rows of a lane may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePlaces {
    /// The lane.
    pub lane: MessageLane,
    /// The rows.
    pub free: usize,
}

/// What was leased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagesLeased {
    /// The rows, with the lease's end as `due_at`.
    pub rows: Vec<MessageRow>,
    /// The lane to go on behind next time.
    pub last: Option<MessageLane>,
}

/// What came of a leased message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFinish {
    /// The message.
    pub id: MessageId,
    /// Who leased it.
    pub node: u8,
    /// The lease's end, by which it is told from a later lease of the same node.
    pub leased_until: Timestamp,
    /// The attempt; `None` when nothing was sent.
    pub attempt: Option<NewMessageAttempt>,
    /// What follows for the row.
    pub then: MessageThen,
    /// What somebody else is told because of it.
    pub next: Option<NewMessage>,
    /// When.
    pub at: Timestamp,
}

/// What follows for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageThen {
    /// It was taken.
    Sent,
    /// It is tried again.
    Retry {
        /// Not before.
        due_at: Timestamp,
    },
    /// It is given up.
    GiveUp {
        /// Why; harmless text.
        reason: String,
    },
    /// It is not true any more.
    Drop {
        /// Why; harmless text.
        reason: String,
    },
}

/// Whether what came of a message was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFinished {
    /// It was.
    Written,
    /// The lease is another's by now, or the row is settled: only the attempt was noted.
    LeaseLost,
}

/// One attempt to send, without its number, which the store gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessageAttempt {
    /// When it began.
    pub at: Timestamp,
    /// Who was to carry it: a scheme, a host and a port, or the sandbox.
    pub target: String,
    /// The status of HTTP or SMTP, if one came.
    pub status: Option<u16>,
    /// Why it failed, when no status tells it; harmless text.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// The first characters of the answer, masked and harmless.
    pub answer: String,
}

/// One attempt to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttempt {
    /// Which: from 1.
    pub number: u32,
    /// What came of it.
    pub attempt: NewMessageAttempt,
}

/// Which messages are wanted. Every part that is given has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of this merchant.
    pub merchant: Option<MerchantId>,
    /// About this.
    pub about: Option<MessageAbout>,
    /// By this way.
    pub channel: Option<MessageChannel>,
    /// In this state.
    pub state: Option<MessageState>,
    /// Numbered lower than this: the next page.
    pub before: Option<MessageId>,
    /// The most rows.
    pub rows_max: usize,
}

/// What is not sent yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageBacklog {
    /// Rows that wait.
    pub waiting: u64,
    /// Rows that were given up.
    pub failed: u64,
    /// Since when the oldest waiting row waits.
    pub oldest: Option<Timestamp>,
}

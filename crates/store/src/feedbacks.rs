//! The port for transaction feedback: an outbox whose rows are written with the outcomes they tell of,
//! leased by workers, and never forgotten. A row holds no body; it is rendered when it is delivered.
//!
//! Rows of one order and one lane go out one after the other: a row behind another one becomes due
//! when that one is delivered. Rows of different orders do not wait for each other.

use crate::{StoreFuture, StoryOutcome};
use tollgate_core::command::SafeParams;
use tollgate_core::feedback::{Channel, FeedbackId, FeedbackKind, FeedbackLane};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::order::{Operation, Order};
use tollgate_core::schedule::ScheduleNews;
use tollgate_core::time::Timestamp;

/// How many first attempts of one feedback are kept.
pub const FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX: u32 = 10;
/// How many last attempts of one feedback are kept.
pub const FEEDBACK_ATTEMPTS_LAST_KEPT_MAX: u32 = 20;
/// How many rows one call makes due at once; more are left to the next call.
pub const FEEDBACK_ROWS_ROUSED_MAX: usize = 1_000;

/// Transaction feedback.
pub trait Feedbacks {
    /// Leases rows that are due: for each lane as many as it has places, in turns, beginning behind
    /// `lease.after`. A leased row is due again at `lease.until`, unless it is finished before.
    fn lease_feedback(&self, lease: FeedbackLease) -> StoreFuture<'_, FeedbackLeased>;

    /// Leases, of each lane whose oldest paused row is paused as exhausted, that row, unless its last lease was to
    /// end after `probe.idle_since`: to find out whether the receiver answers again. The row waits then, with its
    /// schedule as it was.
    fn probe_feedback(&self, probe: FeedbackProbe) -> StoreFuture<'_, Vec<FeedbackRow>>;

    /// Gives back what `node` leased and has not finished: to be called when it starts, since it may
    /// have been killed. Gives the number of rows.
    fn release_feedback(&self, node: u8, now: Timestamp) -> StoreFuture<'_, u64>;

    /// Writes what came of an attempt: the attempt itself, and what follows for the row. `Delivered`
    /// counts whoever reports it; anything else only while the lease is the row's.
    fn finish_feedback(&self, finish: FeedbackFinish) -> StoreFuture<'_, FeedbackFinished>;

    /// Makes rows of a selection due at once, at most [`FEEDBACK_ROWS_ROUSED_MAX`]. Their schedule
    /// begins anew, unless they wait anyway.
    fn rouse_feedback(&self, rouse: FeedbackRouse) -> StoreFuture<'_, u64>;

    /// Everything that the body of a feedback is made of. Of an earlier try the order has the card and the token that it
    /// was made with, not those of the newest.
    fn feedback_content(&self, id: FeedbackId) -> StoreFuture<'_, Option<FeedbackContent>>;

    /// Rows by a filter, newest first.
    fn feedbacks<'a>(&'a self, filter: &'a FeedbackFilter) -> StoreFuture<'a, Vec<FeedbackRow>>;

    /// The attempts of one feedback that are kept, oldest first.
    fn feedback_attempts(&self, id: FeedbackId) -> StoreFuture<'_, Vec<FeedbackAttempt>>;

    /// When the next row falls due, if one will.
    fn feedback_next_due(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// What is not delivered yet.
    fn feedback_backlog(&self) -> StoreFuture<'_, FeedbackBacklog>;
}

/// A feedback to be written with an outcome. It is named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewFeedback {
    /// By which way the payment came.
    pub channel: Channel,
    /// Which feedback.
    pub kind: FeedbackKind,
}

/// Where a feedback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackState {
    /// It goes out when it is due.
    Waiting,
    /// Its receiver has acknowledged it.
    Delivered,
    /// It does not go out until somebody or something rouses it.
    Paused,
    /// It waits for an earlier one of the same order and lane.
    Behind,
}

impl FeedbackState {
    /// All of them.
    pub const ALL: [FeedbackState; 4] =
        [FeedbackState::Waiting, FeedbackState::Delivered, FeedbackState::Paused, FeedbackState::Behind];

    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            FeedbackState::Waiting => 0,
            FeedbackState::Delivered => 1,
            FeedbackState::Paused => 2,
            FeedbackState::Behind => 3,
        }
    }

    /// The state with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<FeedbackState> {
        FeedbackState::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FeedbackState::Waiting => "waiting",
            FeedbackState::Delivered => "delivered",
            FeedbackState::Paused => "paused",
            FeedbackState::Behind => "behind",
        }
    }
}

/// Why a feedback is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// It was tried for as long as the schedule lasts.
    Exhausted,
    /// The merchant has no URL for it.
    NoUrl,
}

impl PauseReason {
    /// The number that stores keep; it never changes its meaning.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            PauseReason::Exhausted => 0,
            PauseReason::NoUrl => 1,
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<PauseReason> {
        [PauseReason::Exhausted, PauseReason::NoUrl].into_iter().find(|reason| reason.number() == number)
    }

    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            PauseReason::Exhausted => "no acknowledgement for as long as it is tried",
            PauseReason::NoUrl => "the merchant has no URL for it",
        }
    }
}

/// One feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackRow {
    /// Its name.
    pub id: FeedbackId,
    /// Its order.
    pub fort_id: FortId,
    /// Where it goes.
    pub lane: FeedbackLane,
    /// The order's version after the outcome: grows with each feedback of the order.
    pub sequence: u32,
    /// Where it stands.
    pub state: FeedbackState,
    /// Not before; meaningful while it waits.
    pub due_at: Timestamp,
    /// How many attempts there were in all.
    pub attempts: u32,
    /// How many of them failed since [`FeedbackRow::tried_since`].
    pub tries: u32,
    /// When the schedule began: with the row, or when it was roused.
    pub tried_since: Timestamp,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was acknowledged last.
    pub delivered_at: Option<Timestamp>,
    /// Why it is paused.
    pub pause_reason: Option<PauseReason>,
}

/// What a worker wants to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackLease {
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
    pub places: Vec<LanePlaces>,
    /// The lane behind which the turns begin, so that each has its turn when there are many.
    pub after: Option<FeedbackLane>,
}

/// What a worker wants to lease of what is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackProbe {
    /// The worker's node.
    pub node: u8,
    /// Until when the rows are nobody else's.
    pub until: Timestamp,
    /// Rows that were leased until later are left alone.
    pub idle_since: Timestamp,
    /// The most rows.
    pub rows_max: usize,
}

/// How many more rows of a lane may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanePlaces {
    /// The lane.
    pub lane: FeedbackLane,
    /// The rows.
    pub free: usize,
}

/// What was leased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackLeased {
    /// The rows, with the lease's end as `due_at`.
    pub rows: Vec<FeedbackRow>,
    /// The lane to go on behind next time.
    pub last: Option<FeedbackLane>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackFinish {
    /// The feedback.
    pub id: FeedbackId,
    /// Who leased it.
    pub node: u8,
    /// The lease's end, by which it is told from a later lease of the same node.
    pub leased_until: Timestamp,
    /// The attempt; `None` when nothing was sent.
    pub attempt: Option<NewFeedbackAttempt>,
    /// What follows for the row.
    pub then: FeedbackThen,
    /// When.
    pub at: Timestamp,
}

/// What follows for a feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackThen {
    /// It is delivered; the next one of the order and lane becomes due.
    Delivered,
    /// It is tried again.
    Retry {
        /// Not before.
        due_at: Timestamp,
    },
    /// It goes out no more until it is roused.
    Pause(PauseReason),
}

/// Whether what came of an attempt was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackFinished {
    /// It was.
    Written,
    /// The lease is another's by now, or the row is settled: only the attempt was noted.
    LeaseLost,
}

/// One attempt to deliver, without its number, which the store gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFeedbackAttempt {
    /// When it began.
    pub at: Timestamp,
    /// Where it went: scheme, host and port, or a listener.
    pub target: String,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// Why it failed, when no status tells it; harmless text.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// The first characters of the answer's body, masked and harmless.
    pub answer: String,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackAttempt {
    /// Which: from 1.
    pub number: u32,
    /// What came of it.
    pub attempt: NewFeedbackAttempt,
}

/// Rows that are to go out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedbackRouse {
    /// These, delivered ones too: they are sent again.
    Replay {
        /// Their names.
        ids: Vec<FeedbackId>,
        /// Now.
        now: Timestamp,
    },
    /// Everything in a lane that waits or is paused: its receiver answers again.
    CaughtUp {
        /// The lane.
        lane: FeedbackLane,
        /// Now.
        now: Timestamp,
    },
    /// Everything of a merchant (`None`: of all) that is paused for this reason.
    Paused {
        /// Whose.
        merchant: Option<MerchantId>,
        /// Why.
        reason: PauseReason,
        /// Now.
        now: Timestamp,
    },
}

/// What the body of a feedback is made of.
#[derive(Clone, Debug)]
pub struct FeedbackContent {
    /// The row.
    pub row: FeedbackRow,
    /// The order as it is now; what feedback shows of it never changes.
    pub order: Order,
    /// The operation.
    pub operation: Operation,
    /// Its request, masked.
    pub request: SafeParams,
    /// The outcome that is told.
    pub outcome: StoryOutcome,
    /// What is told of the schedule of the agreement that the order opened. The outcome is that of the opening then, and is
    /// not told.
    pub news: Option<ScheduleNews>,
}

/// Which rows are wanted. Every part that is given has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedbackFilter {
    /// Of this merchant.
    pub merchant: Option<MerchantId>,
    /// Of the orders with this reference.
    pub merchant_reference: Option<String>,
    /// Of this order.
    pub fort_id: Option<FortId>,
    /// In this state.
    pub state: Option<FeedbackState>,
    /// Written at or after.
    pub since: Option<Timestamp>,
    /// Written before.
    pub until: Option<Timestamp>,
    /// Named lower than this: the next page.
    pub before: Option<FeedbackId>,
    /// The most rows.
    pub rows_max: usize,
}

/// What is not delivered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackBacklog {
    /// Rows that wait, those behind another one included.
    pub waiting: u64,
    /// Rows that are paused.
    pub paused: u64,
    /// Since when the oldest waiting row waits.
    pub oldest: Option<Timestamp>,
}

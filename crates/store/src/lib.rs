//! Persistence ports: one trait per aggregate, and the conformance suite that every store must pass.
//!
//! One call is one durable transaction, named after what happened. A call that returns `Ok` is on
//! the disk. No transaction stays open across a call, so none can stay open across the network.

mod agreements;
mod audits;
mod batches;
mod channels;
mod checkouts;
pub mod conformance;
mod corrections;
mod data_keys;
mod feedbacks;
mod lives;
mod merchants;
mod messages;
mod orders;
mod payment_links;
mod recoveries;
mod refusals;
mod reports;
mod routes;
mod schedules;
mod sealed;
mod tokens;

pub use agreements::{AgreementCharge, AgreementFilter, AgreementIntent, Agreements, ChargeState};
pub use audits::{AUDIT_ENTRIES_PER_CALL_MAX, AuditChain, AuditDesk, AuditHead, AuditMac, AuditRow, Audits};
pub use batches::{
    BATCH_ROWS_PER_CALL_MAX, Batch, BatchBegun, BatchChange, BatchCounts, BatchFilter, BatchResult, BatchRow, Batches,
    BegunRow, EndedRow, EndedRows, JudgedRow, JudgedRows, NewBatch, NewBatchRow, ResultLink, ResultOperation, RowEnd,
    RowRefusal, RowVerdict,
};
pub use channels::{CHANNEL_KEYS_ADDED_MAX, ChannelKeyOccasion, ChannelKeyRecord, Channels, NonceUse};
pub use checkouts::{
    CardKeep, CardKept, CheckoutChange, CheckoutChanged, CheckoutOpened, Checkouts, CloseUnsent, HeldCard, NewCheckout,
    NewTry, TokenNaming, TryClaim,
};
pub use corrections::{Correction, CorrectionRecord, Corrections, Proposal, WaitingCount};
pub use data_keys::{
    DataKeyId, DataKeys, NewDataKey, PortError, PortFuture, RewrappedDataKey, RotationState, SealedCard, WrappedDataKey,
};
pub use feedbacks::{
    FEEDBACK_ATTEMPTS_FIRST_KEPT_MAX, FEEDBACK_ATTEMPTS_LAST_KEPT_MAX, FEEDBACK_ROWS_ROUSED_MAX, FeedbackAttempt,
    FeedbackBacklog, FeedbackContent, FeedbackFilter, FeedbackFinish, FeedbackFinished, FeedbackLease, FeedbackLeased,
    FeedbackProbe, FeedbackRouse, FeedbackRow, FeedbackState, FeedbackThen, Feedbacks, LanePlaces, NewFeedback,
    NewFeedbackAttempt, PauseReason,
};
pub use lives::{CLOCK_SKEW_MS_MAX, LIVES_OVER_KEPT_MAX, LifeBegun, LifeId, LifeRow, Lives, NewLife, Tenancy};
pub use merchants::{MerchantRecord, MerchantSave, Merchants};
pub use messages::{
    MESSAGE_ATTEMPTS_KEPT_MAX, MessageAttempt, MessageBacklog, MessageFilter, MessageFinish, MessageFinished,
    MessageLease, MessagePlaces, MessageRow, MessageState, MessageThen, Messages, MessagesLeased, MessagesToo,
    NewMessageAttempt,
};
pub use orders::{
    CurrencyTotals, NewOperation, NewOrder, OperationClaim, OrderClaim, Orders, OutcomeRecord, Recorded,
    RecoveryChange, StoredOperation, StoredOrder, Story, StoryOperation, StoryOutcome, Unfinished, Whose, held_amount,
};
pub use payment_links::{
    LinkAdded, LinkBegin, LinkBegun, LinkChanged, LinkWatch, NewPaymentLink, PaymentLinkFilter, PaymentLinks,
    StoredPaymentLink, WatchedLink,
};
pub use recoveries::{Attempt, AttemptResult, NewAttempt, Recoveries, RecoveryRow};
pub use refusals::{REFUSALS_KEPT_MAX, RefusalRow, Refusals};
pub use reports::{
    NewReport, REPORT_OPERATIONS_PER_CALL_MAX, Report, ReportBegun, ReportCounted, ReportPage, ReportPlace, ReportScan,
    Reports,
};
pub use routes::{RouteNote, RouteRow};
pub use schedules::{
    DueTake, NextCard, ScheduleAttempt, ScheduleAttemptEnd, ScheduleChange, ScheduleChanged, ScheduleFilter,
    ScheduleIntent, ScheduleStateKind, Schedules,
};
pub use sealed::{ReplacedSealed, SealedColumn, SealedOwner, SealedRow, SealedRows};
pub use tokens::{CardCustomer, StoredToken, TokenFilter, TokenIntent, TokenPlace, TokenPut, TokenSave, Tokens};

use std::future::Future;
use std::pin::Pin;

/// The answer of a store, on its way.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Everything that a gateway keeps.
pub trait Store:
    Orders
    + Lives
    + Recoveries
    + Corrections
    + Feedbacks
    + Merchants
    + Channels
    + Refusals
    + Reports
    + DataKeys
    + SealedRows
    + Tokens
    + Checkouts
    + Agreements
    + Schedules
    + Batches
    + PaymentLinks
    + Messages
    + Audits
    + Send
    + Sync
    + 'static
{
}

impl<T> Store for T where
    T: Orders
        + Lives
        + Recoveries
        + Corrections
        + Feedbacks
        + Merchants
        + Channels
        + Refusals
        + Reports
        + DataKeys
        + SealedRows
        + Tokens
        + Checkouts
        + Agreements
        + Schedules
        + Batches
        + PaymentLinks
        + Messages
        + Audits
        + Send
        + Sync
        + 'static
{
}

/// Why a store could not do it. Nothing was changed, but for [`StoreError::InDoubt`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More calls wait than the store takes: try again later.
    #[error("the store has more work than it can queue")]
    Busy,
    /// The database cannot be used: no space, no permission, locked by somebody, closed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The commit broke off half-way, and nobody can say whether it was written: neither a yes nor a no may be made of it.
    #[error("the commit broke off, and whether it was written is not known: {0}")]
    InDoubt(String),
    /// What is stored cannot be read: damage, or a newer version wrote it.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The call broke a rule that the database keeps: a defect of ours. The text names the rule.
    #[error("the store refused: {0}")]
    Refused(String),
}

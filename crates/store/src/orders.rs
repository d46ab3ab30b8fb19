//! The port for orders, their operations and what became of them.

use crate::{
    AgreementIntent, Correction, LifeId, NewFeedback, RecoveryRow, RefusalRow, RouteRow, ScheduleIntent, StoreFuture,
    TokenIntent,
};
use tollgate_core::advice::RetryAdvice;
use tollgate_core::audit::AuditEntry;
use tollgate_core::batch::BatchRowId;
use tollgate_core::checkout::Checkout;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::{OrderTarget, SafeParams};
use tollgate_core::credential::NetworkTransactionId;
use tollgate_core::ident::{FortId, MerchantId, OperationId};
use tollgate_core::message::NewMessage;
use tollgate_core::money::{Amount, Currency};
use tollgate_core::order::{Operation, OperationEvent, OperationState, Order, Totals, WayOut};
use tollgate_core::scope::Route;
use tollgate_core::three_ds::Authentication;
use tollgate_core::time::Timestamp;
use tollgate_vault::SealedCard;

/// Orders and their operations.
pub trait Orders {
    /// Makes an order and its first operation, if the merchant's reference is free. The intent is
    /// durable before the message may be sent. A verification ([`tollgate_core::order::PayKind::is_verification`])
    /// neither needs a free reference nor uses one up.
    fn claim_order(&self, new: NewOrder) -> StoreFuture<'_, OrderClaim>;

    /// Adds an operation to an order, if the order still has the version that was judged and no
    /// other operation is open.
    fn claim_operation(&self, new: NewOperation) -> StoreFuture<'_, OperationClaim>;

    /// Writes what became of an operation: the order's new state, the outcome, its place in the
    /// recovery queue, the feedback that tells of it, the token that it makes permanent, what it is to its
    /// agreement, the operation that follows from it, the checkout of the customer whose authentication is wanted, all in
    /// one commit.
    fn record_outcome(&self, record: OutcomeRecord) -> StoreFuture<'_, Recorded>;

    /// The order of a merchant that `target` names. When both names are given, the order of the
    /// `fort_id`, whatever its reference. A verification is never found.
    fn order<'a>(&'a self, merchant: MerchantId, target: &'a OrderTarget) -> StoreFuture<'a, Option<StoredOrder>>;

    /// The newest verification that a merchant asked for under this reference.
    fn verification<'a>(&'a self, merchant: MerchantId, merchant_reference: &'a str) -> StoreFuture<'a, Option<Order>>;

    /// One operation with its order.
    fn operation(&self, id: OperationId) -> StoreFuture<'_, Option<StoredOperation>>;

    /// Operations that have no outcome at all, oldest first: `whose` says which of them. Lost ones are in the order of their
    /// numbers, which grow with the time.
    fn unfinished(&self, whose: Whose, limit: usize) -> StoreFuture<'_, Vec<Unfinished>>;

    /// The whole story of one order.
    fn story(&self, fort_id: FortId) -> StoreFuture<'_, Option<Story>>;

    /// Orders with this merchant reference, of any merchant, newest first.
    fn orders_by_reference<'a>(&'a self, merchant_reference: &'a str, limit: usize) -> StoreFuture<'a, Vec<FortId>>;

    /// The routes by which merchants' payments and cards have come, by merchant and route.
    fn route_uses(&self) -> StoreFuture<'_, Vec<RouteRow>>;

    /// The sums of all orders by currency, for comparing with the network's ledger.
    fn totals(&self) -> StoreFuture<'_, Vec<CurrencyTotals>>;
}

/// A new order with its first operation.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// The order: pending, version 1, its first operation open.
    pub order: Order,
    /// The first operation: sent. Its id equals the order's number.
    pub operation: Operation,
    /// The card, sealed.
    pub card: SealedCard,
    /// The request, masked.
    pub request: SafeParams,
    /// The life that sends the operation.
    pub owner: LifeId,
    /// What becomes of a token when the payment succeeds: given if, and only if, the order's token waits for that.
    pub token: Option<TokenIntent>,
    /// The agreement that it opens or charges: given if, and only if, the order's credential names one.
    pub agreement: Option<AgreementIntent>,
    /// The schedule that it opens, or whose due date it charges: given if, and only if, what its credential says of the
    /// agreement tells so.
    pub schedule: Option<ScheduleIntent>,
    /// What the audit log is told, whatever the answer is: the cards that were opened for it.
    pub audit: Vec<AuditEntry>,
    /// The route by which it came, where that is to be noted: once a day is enough.
    pub route: Option<Route>,
    /// What the network is told of an authentication of the customer.
    pub authentication: Option<Authentication>,
    /// The row of a batch that it is made for: begun in the same commit.
    pub batch_row: Option<BatchRowId>,
}

/// Whether an order could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderClaim {
    /// It is made.
    Claimed,
    /// The merchant's reference is used up by this order.
    ReferenceTaken(FortId),
    /// The agreement is another by now than the one that was judged, or its name is taken. A reference that is used up is
    /// told before.
    AgreementChanged,
    /// The number is taken, which happens when a clock went back: try again with a new one.
    NumberTaken,
    /// The row of a batch that it was to be made for is begun already, or is not to be begun.
    RowTaken,
    /// The schedule is another by now than the one that was judged.
    ScheduleChanged,
}

/// A new operation on an order that exists.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// The merchant.
    pub merchant: MerchantId,
    /// The order's version that was judged; it becomes one more.
    pub order_version: u32,
    /// The operation: sent.
    pub operation: Operation,
    /// REFUND: the merchant's own reference, which must be new unless the refund with it came to
    /// nothing.
    pub maintenance_reference: Option<String>,
    /// The request, masked.
    pub request: SafeParams,
    /// The life that sends the operation.
    pub owner: LifeId,
    /// What the audit log is told, whatever the answer is: the cards that were opened for it.
    pub audit: Vec<AuditEntry>,
    /// What the network is told of an authentication of the customer.
    pub authentication: Option<Authentication>,
    /// The row of a batch that it is made for: begun in the same commit.
    pub batch_row: Option<BatchRowId>,
}

/// Whether an operation could be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationClaim {
    /// It is added. The order's `open_operation` names it, its version is one more.
    Claimed,
    /// The order has changed since it was read, or another operation is open.
    OrderChanged,
    /// The maintenance reference is used up by this operation.
    MaintenanceReferenceTaken(OperationId),
    /// The number is taken: try again with a new one.
    NumberTaken,
    /// The row of a batch that it was to be made for is begun already, or is not to be begun.
    RowTaken,
}

/// What became of an operation.
#[derive(Clone, Debug)]
pub struct OutcomeRecord {
    /// The order after it. Its version is one more than the one that must be stored now.
    pub order: Order,
    /// The operation.
    pub operation: OperationId,
    /// Its state before, which must be the stored one.
    pub state_before: OperationState,
    /// Its state now.
    pub state: OperationState,
    /// What happened.
    pub event: OperationEvent,
    /// What the merchant is told.
    pub code: ResponseCode,
    /// ISO 8583:1987 field 39, if an answer came.
    pub network_code: Option<String>,
    /// ISO 8583:1987 field 38, if one came.
    pub authorization_code: Option<String>,
    /// How the network named the payment, if it did.
    pub network_transaction_id: Option<NetworkTransactionId>,
    /// Of a decline: whether it may be tried again.
    pub advice: Option<RetryAdvice>,
    /// The wire messages, masked, in the compact text of `tollgate-acquirer`.
    pub trace: String,
    /// What it does to the recovery queue.
    pub recovery: RecoveryChange,
    /// The feedback that tells of it, if the merchant is told.
    pub feedback: Option<NewFeedback>,
    /// What the merchant's server is told beside it.
    pub message: Option<NewMessage>,
    /// The operation that follows from it at once, on the order as it is after it. When it cannot be added, the outcome
    /// is refused as a whole.
    pub next: Option<Box<NewOperation>>,
    /// The checkout of the customer whose authentication the issuer wants: given if, and only if, that is what happened
    /// ([`OperationEvent::AuthenticationWanted`]). A new one has version 1; one that is there, the version after its own. When it
    /// cannot be written, the outcome is refused as a whole.
    pub checkout: Option<Box<Checkout>>,
    /// When.
    pub at: Timestamp,
}

impl OutcomeRecord {
    /// What belongs into the audit log with the operation that follows.
    #[must_use]
    pub fn audit_of_next(&self) -> &[AuditEntry] {
        self.next.as_ref().map_or(&[], |next| &next.audit)
    }
}

/// What an outcome does to the recovery queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryChange {
    /// Nothing is queued, and nothing will be.
    None,
    /// A row is added.
    Begin {
        /// How it will be settled.
        way_out: WayOut,
        /// Not before.
        due_at: Timestamp,
    },
    /// The row is removed: the operation is settled.
    End,
    /// The row is removed, provided that no recovery message was begun; else nothing at all happens
    /// and the answer is [`Recorded::RecoveryBegun`].
    EndIfUnsent,
}

/// Whether an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is.
    Written,
    /// The order's version or the operation's state is another by now. Nothing was written.
    Changed,
    /// A recovery message is under way, and [`RecoveryChange::EndIfUnsent`] was asked for. Nothing
    /// was written.
    RecoveryBegun,
}

/// An order with its sealed card.
#[derive(Clone, Debug)]
pub struct StoredOrder {
    /// The order.
    pub order: Order,
    /// Its card, as soon as one is known.
    pub card: Option<SealedCard>,
}

/// An operation with its order.
#[derive(Clone, Debug)]
pub struct StoredOperation {
    /// The order.
    pub stored: StoredOrder,
    /// The operation.
    pub operation: Operation,
    /// The life that made its intent.
    pub owner: LifeId,
}

/// Which operations without an outcome are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's whose intent was made before a moment, living or not.
    Everybody {
        /// Made before.
        before: Timestamp,
    },
    /// Those that a life may take for lost: of lives that are over, whatever their age, and its own, when
    /// they are too old to be under way.
    Lost {
        /// The life that asks.
        finder: LifeId,
        /// Its own ones only when they were made before.
        own_before: Timestamp,
    },
}

/// An operation that has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its order.
    pub order: Order,
    /// The operation, in state sent.
    pub operation: Operation,
}

/// The whole story of an order.
#[derive(Clone, Debug)]
pub struct Story {
    /// The order as it is now.
    pub order: Order,
    /// Its operations, oldest first.
    pub operations: Vec<StoryOperation>,
    /// Refused requests that named it, oldest first.
    pub refusals: Vec<RefusalRow>,
}

/// One operation in a story.
#[derive(Clone, Debug)]
pub struct StoryOperation {
    /// The operation.
    pub operation: Operation,
    /// The request, masked.
    pub request: SafeParams,
    /// What the network was told of an authentication of the customer.
    pub authentication: Option<Authentication>,
    /// What became of it, oldest first.
    pub outcomes: Vec<StoryOutcome>,
    /// Its place in the recovery queue, while it has one.
    pub recovery: Option<RecoveryRow>,
    /// Recovery messages, oldest first.
    pub attempts: Vec<crate::Attempt>,
}

/// One outcome in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryOutcome {
    /// What happened.
    pub event: OperationEvent,
    /// The operation's state then.
    pub state: OperationState,
    /// What the merchant was told.
    pub code: ResponseCode,
    /// Field 39.
    pub network_code: Option<String>,
    /// Field 38.
    pub authorization_code: Option<String>,
    /// How the network named the payment.
    pub network_transaction_id: Option<NetworkTransactionId>,
    /// Of a decline: whether it may be tried again.
    pub advice: Option<RetryAdvice>,
    /// The wire messages, masked.
    pub trace: String,
    /// Why and by whom it was forced, if it was.
    pub correction: Option<Correction>,
    /// When.
    pub at: Timestamp,
}

/// The sums of all orders in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyTotals {
    /// The currency.
    pub currency: Currency,
    /// How many orders there are.
    pub orders: u64,
    /// How many of them have an operation that is open or unknown.
    pub unsettled: u64,
    /// Minor units held and not captured, of orders that are authorized or captured in part.
    pub held: u64,
    /// Minor units captured, purchases included.
    pub captured: u64,
    /// Minor units refunded.
    pub refunded: u64,
}

impl CurrencyTotals {
    /// Nothing yet in `currency`.
    #[must_use]
    pub const fn empty(currency: Currency) -> CurrencyTotals {
        CurrencyTotals { currency, orders: 0, unsettled: 0, held: 0, captured: 0, refunded: 0 }
    }
}

/// What an order adds to [`CurrencyTotals::held`]: the open part of a hold that still stands.
#[must_use]
pub fn held_amount(phase: tollgate_core::order::Phase, totals: &Totals) -> Amount {
    use tollgate_core::order::Phase;
    match phase {
        Phase::Authorized | Phase::Captured => totals.open_to_capture(),
        _ => Amount::ZERO,
    }
}

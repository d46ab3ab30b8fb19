//! The port for customers at the gateway's pages, and for the orders that wait for them.

use crate::{NewOrder, OutcomeRecord, RouteNote, StoreFuture, StoredToken};
use tollgate_core::card::CardFacts;
use tollgate_core::checkout::{Checkout, CheckoutId};
use tollgate_core::code::ResponseCode;
use tollgate_core::ident::FortId;
use tollgate_core::order::Order;
use tollgate_core::time::Timestamp;
use tollgate_core::token::Token;
use tollgate_vault::SealedCard;

/// Checkouts, and the tries of payments on them.
pub trait Checkouts {
    /// Keeps a new checkout, with the order that it is for. A merchant's reference is claimed as
    /// [`crate::Orders::claim_order`] claims it. Where an order of this reference came by the same page, asks for the
    /// same and takes another try, its checkout is begun again instead: with the new request, and no try counted.
    fn open_checkout(&self, new: NewCheckout) -> StoreFuture<'_, CheckoutOpened>;

    /// One checkout.
    fn checkout(&self, id: CheckoutId) -> StoreFuture<'_, Option<Checkout>>;

    /// Writes a checkout as it is now, if nobody was faster; with the card that its order is to be paid with, where one
    /// is held for the customer's authentication.
    fn change_checkout(&self, change: CheckoutChange) -> StoreFuture<'_, CheckoutChanged>;

    /// Ends the checkout of a token with the card that its customer has typed: token and end are written both or neither,
    /// so that of two who send the same page at once one keeps a card.
    fn keep_card(&self, keep: CardKeep) -> StoreFuture<'_, CardKept>;

    /// Begins a try of an order that takes one: the intent of its operation is durable before the message may be sent.
    fn claim_try(&self, new: NewTry) -> StoreFuture<'_, TryClaim>;

    /// Closes an order of which nothing was ever sent, and will be: with an operation that has its outcome at once, so
    /// that the merchant is told.
    fn close_unsent(&self, close: CloseUnsent) -> StoreFuture<'_, TryClaim>;

    /// Checkouts that have not ended although their time is over at `now`, the oldest first.
    fn checkouts_due(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Checkout>>;

    /// Forgets checkouts that ended before this moment. Answers how many.
    fn forget_checkouts(&self, ended_before: Timestamp, limit: usize) -> StoreFuture<'_, u64>;
}

/// A new checkout.
#[derive(Clone, Debug)]
pub struct NewCheckout {
    /// The checkout, version 1.
    pub checkout: Checkout,
    /// The order that it is for, if it is for one: open, version 1.
    pub order: Option<Box<Order>>,
    /// Its card, where it is known.
    pub card: Option<SealedCard>,
}

/// Whether a checkout was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutOpened {
    /// It was.
    Opened,
    /// An earlier one for the same order goes on.
    GoesOn(Box<Checkout>),
    /// The merchant's reference is used up by this order.
    ReferenceTaken(FortId),
    /// The number is taken: try again with a new one.
    NumberTaken,
}

/// A checkout as it is now.
#[derive(Clone, Debug)]
pub struct CheckoutChange {
    /// The checkout, one version on.
    pub checkout: Checkout,
    /// The order of it with the card that is held, one version on; the order takes a try before and after.
    pub held: Option<Box<HeldCard>>,
    /// When.
    pub at: Timestamp,
}

/// A card that is held for an order whose customer is being authenticated.
#[derive(Clone, Debug)]
pub struct HeldCard {
    /// The order, one version on, with new names for the wire: what was sent before was sent with another card.
    pub order: Order,
    /// Its card.
    pub facts: CardFacts,
    /// The card number, sealed.
    pub card: SealedCard,
}

/// Whether a checkout was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutChanged {
    /// It was.
    Written,
    /// It, or its order, is another by now. Nothing was written.
    Overtaken,
}

/// A card that was typed at the checkout of a token, and the end of that.
#[derive(Clone, Debug)]
pub struct CardKeep {
    /// The checkout, one version on. Its end is written here: what it tells depends on which token the card has then.
    pub checkout: Checkout,
    /// The token that the card shall have.
    pub token: StoredToken,
    /// What its name may be.
    pub name: TokenNaming,
    /// The route by which it came, where that is to be noted.
    pub came: Option<RouteNote>,
    /// What the merchant is told of a new token, and of one that the card has already.
    pub code: ResponseCode,
    /// When.
    pub at: Timestamp,
}

/// Which name a card may be kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenNaming {
    /// A free one, as [`crate::Tokens::add_token`] wants it.
    Free,
    /// Any one, as [`crate::Tokens::put_token`] takes it.
    Any {
        /// What the merchant is told where the card of a known token was replaced.
        code_replaced: ResponseCode,
    },
}

/// Whether a card was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardKept {
    /// It was, and the checkout has ended: the token that the card has.
    Kept(Box<Token>),
    /// Another token of the merchant has the name. Nothing was written.
    NameTaken,
    /// The token of this name is switched off. Nothing was written.
    Inactive,
    /// The checkout is another by now: it has ended, or was begun again. Nothing was written.
    Overtaken,
}

/// A try of an order.
#[derive(Clone, Debug)]
pub struct NewTry {
    /// The order as it is with the try: pending, one version on, with the card and the token of the try, its new
    /// operation open; and everything that an intent has.
    pub intent: NewOrder,
    /// Its checkout as it is with the try, one version on.
    pub checkout: Checkout,
}

/// The end of an order of which nothing was sent.
#[derive(Clone, Debug)]
pub struct CloseUnsent {
    /// The operation that tells of it, as if it were a try.
    pub attempt: NewTry,
    /// Its outcome.
    pub outcome: OutcomeRecord,
}

/// Whether a try could begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryClaim {
    /// It has.
    Claimed,
    /// The order or the checkout has changed since it was read, or another operation is open. Nothing was written.
    Changed,
    /// The agreement is another by now, or its name is taken. Nothing was written.
    AgreementChanged,
    /// The number is taken: try again with a new one.
    NumberTaken,
}

//! The port for payment links.

use crate::{CheckoutOpened, MessagesToo, NewCheckout, StoreFuture};
use tollgate_core::batch::BatchRowId;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::message::{MessageLimit, NewMessage};
use tollgate_core::payment_link::{LinkTarget, Openings, PaymentLink, PaymentLinkId};
use tollgate_core::time::Timestamp;

/// Payment links, and what their customers begin.
pub trait PaymentLinks {
    /// Keeps a new link, if its id and its reference are free when it was created: the id for the merchant's links for
    /// ever, the reference as [`PaymentLinks::begin_payment_link`] will claim it, and for one open link at a time. What
    /// its customer is told of it is written with it, and the row of a batch that it is made for has its result in the same
    /// commit. It is watched from then on ([`PaymentLinks::watch_payment_link`]).
    fn add_payment_link(&self, new: NewPaymentLink) -> StoreFuture<'_, LinkAdded>;

    /// A merchant's link; of several with one reference the newest.
    fn payment_link<'a>(
        &'a self,
        merchant: MerchantId,
        target: &'a LinkTarget,
    ) -> StoreFuture<'a, Option<StoredPaymentLink>>;

    /// The link with this number.
    fn payment_link_by_id(&self, id: PaymentLinkId) -> StoreFuture<'_, Option<StoredPaymentLink>>;

    /// The link by which an order began; of several the newest.
    fn payment_link_of_order(&self, fort_id: FortId) -> StoreFuture<'_, Option<StoredPaymentLink>>;

    /// Links that fit `filter`, newest first.
    fn payment_links<'a>(&'a self, filter: &'a PaymentLinkFilter) -> StoreFuture<'a, Vec<StoredPaymentLink>>;

    /// Writes a link as it shall be, one version on, if nobody was faster, with what people are told of that. It is
    /// watched anew from `at` on.
    fn change_payment_link(&self, link: PaymentLink, too: MessagesToo, at: Timestamp) -> StoreFuture<'_, LinkChanged>;

    /// Links at which something follows by the time that has come, longest due first, at most `limit`.
    fn payment_links_to_watch(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<WatchedLink>>;

    /// Writes what follows for a link by the time that has come, if it is the one that was judged, and nobody was faster.
    /// The link stays as it is.
    fn watch_payment_link(&self, watch: LinkWatch) -> StoreFuture<'_, LinkChanged>;

    /// Counts an opening; `first` is written with the first one. Nothing happens where there is no such link.
    fn note_link_opened(&self, id: PaymentLinkId, at: Timestamp, first: Option<NewMessage>) -> StoreFuture<'_, ()>;

    /// A customer begins to pay: opens the checkout as [`crate::Checkouts::open_checkout`] does, and writes the link, one
    /// version on, with the order that it has then. Nothing is written where the link is another by now.
    fn begin_payment_link(&self, begin: LinkBegin) -> StoreFuture<'_, LinkBegun>;
}

/// A link to be kept.
#[derive(Clone, Debug)]
pub struct NewPaymentLink {
    /// The link.
    pub link: PaymentLink,
    /// The row of a batch that it is made for.
    pub batch_row: Option<BatchRowId>,
    /// What its customer is told of it.
    pub messages: MessagesToo,
}

/// A link as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPaymentLink {
    /// The link.
    pub link: PaymentLink,
    /// How often it was opened.
    pub openings: Openings,
}

/// Whether a link was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAdded {
    /// It was.
    Added,
    /// Another link of the merchant has its id.
    NameTaken,
    /// The reference is used up by this order.
    ReferenceTaken(FortId),
    /// The link of this id is open for the reference.
    ReferenceOpen(String),
    /// The number is taken: try again with a new one.
    NumberTaken,
    /// So many messages may not be sent.
    TooManyMessages(MessageLimit),
    /// The row of the batch has its result already, or its batch is not processed.
    RowTaken,
}

/// Whether a link was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChanged {
    /// It was.
    Written,
    /// It is another by now. Nothing was written.
    Overtaken,
    /// So many messages may not be sent. Nothing was written.
    TooManyMessages(MessageLimit),
}

/// A link at which something follows by the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedLink {
    /// The link.
    pub stored: StoredPaymentLink,
    /// Since when.
    pub watch_at: Timestamp,
}

/// What follows for a link by the time that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkWatch {
    /// The link,
    pub id: PaymentLinkId,
    /// as it was judged.
    pub version: u32,
    /// Since when something was to follow.
    pub watch_at: Timestamp,
    /// When something follows again; `None` is never.
    pub next: Option<Timestamp>,
    /// What people are told.
    pub too: MessagesToo,
}

/// A customer who begins to pay by a link.
#[derive(Clone, Debug)]
pub struct LinkBegin {
    /// The link, one version on.
    pub link: PaymentLink,
    /// Its checkout and its order.
    pub opened: NewCheckout,
}

/// Whether the customer may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkBegun {
    /// What came of opening the checkout; the link has its order where one is open.
    Checkout(CheckoutOpened),
    /// The link is another by now. Nothing was written.
    Overtaken,
}

/// Which links are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentLinkFilter {
    /// Whose.
    pub merchant: MerchantId,
    /// Only those of this reference.
    pub merchant_reference: Option<String>,
    /// Only those made before this one.
    pub before: Option<PaymentLinkId>,
    /// At most so many.
    pub limit: usize,
}

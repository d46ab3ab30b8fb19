//! Payment links in the store of one life. No plan has any yet, so nothing befalls them.

use super::WorldStore;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::message::NewMessage;
use tollgate_core::payment_link::{LinkTarget, PaymentLink, PaymentLinkId};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    LinkAdded, LinkBegin, LinkBegun, LinkChanged, LinkWatch, MessagesToo, NewPaymentLink, PaymentLinkFilter,
    PaymentLinks, StoreFuture, StoredPaymentLink, WatchedLink,
};

impl PaymentLinks for WorldStore {
    fn add_payment_link(&self, new: NewPaymentLink) -> StoreFuture<'_, LinkAdded> {
        self.inner.add_payment_link(new)
    }

    fn payment_link<'a>(
        &'a self,
        merchant: MerchantId,
        target: &'a LinkTarget,
    ) -> StoreFuture<'a, Option<StoredPaymentLink>> {
        self.inner.payment_link(merchant, target)
    }

    fn payment_link_by_id(&self, id: PaymentLinkId) -> StoreFuture<'_, Option<StoredPaymentLink>> {
        self.inner.payment_link_by_id(id)
    }

    fn payment_link_of_order(&self, fort_id: FortId) -> StoreFuture<'_, Option<StoredPaymentLink>> {
        self.inner.payment_link_of_order(fort_id)
    }

    fn payment_links<'a>(&'a self, filter: &'a PaymentLinkFilter) -> StoreFuture<'a, Vec<StoredPaymentLink>> {
        self.inner.payment_links(filter)
    }

    fn change_payment_link(&self, link: PaymentLink, too: MessagesToo, at: Timestamp) -> StoreFuture<'_, LinkChanged> {
        self.inner.change_payment_link(link, too, at)
    }

    fn payment_links_to_watch(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<WatchedLink>> {
        self.inner.payment_links_to_watch(now, limit)
    }

    fn watch_payment_link(&self, watch: LinkWatch) -> StoreFuture<'_, LinkChanged> {
        self.inner.watch_payment_link(watch)
    }

    fn note_link_opened(&self, id: PaymentLinkId, at: Timestamp, first: Option<NewMessage>) -> StoreFuture<'_, ()> {
        self.inner.note_link_opened(id, at, first)
    }

    fn begin_payment_link(&self, begin: LinkBegin) -> StoreFuture<'_, LinkBegun> {
        self.inner.begin_payment_link(begin)
    }
}

//! Checkouts in the store of one life: the port with its faults. No customer of the simulation comes by the pages yet.

use super::{Access, WorldStore};
use tollgate_core::checkout::{Checkout, CheckoutId};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    CheckoutChange, CheckoutChanged, CheckoutOpened, Checkouts, CloseUnsent, NewCheckout, NewTry, StoreFuture, TryClaim,
};

impl Checkouts for WorldStore {
    fn open_checkout(&self, new: NewCheckout) -> StoreFuture<'_, CheckoutOpened> {
        let work = self.inner.open_checkout(new);
        Box::pin(self.call("open_checkout", None, Access::Writes, work, |_| "opened"))
    }

    fn checkout(&self, id: CheckoutId) -> StoreFuture<'_, Option<Checkout>> {
        self.inner.checkout(id)
    }

    fn change_checkout(&self, change: CheckoutChange) -> StoreFuture<'_, CheckoutChanged> {
        let work = self.inner.change_checkout(change);
        Box::pin(self.call("change_checkout", None, Access::Writes, work, |_| "changed"))
    }

    fn claim_try(&self, new: NewTry) -> StoreFuture<'_, TryClaim> {
        let work = self.inner.claim_try(new);
        Box::pin(self.call("claim_try", None, Access::Writes, work, |_| "claimed"))
    }

    fn close_unsent(&self, close: CloseUnsent) -> StoreFuture<'_, TryClaim> {
        let work = self.inner.close_unsent(close);
        Box::pin(self.call("close_unsent", None, Access::Writes, work, |_| "closed"))
    }

    /// Without faults: it is asked once a second, and there is none.
    fn checkouts_due(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Checkout>> {
        self.inner.checkouts_due(now, limit)
    }

    fn forget_checkouts(&self, ended_before: Timestamp, limit: usize) -> StoreFuture<'_, u64> {
        self.inner.forget_checkouts(ended_before, limit)
    }
}

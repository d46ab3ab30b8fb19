//! Checkouts in the store of one life: the port with its faults, what the auditor hears of it, and the mutants of pages.

use super::{Access, WorldStore, number_of, tokens};
use crate::audit::pages::Written;
use crate::mutants::Mutant;
use crate::record::OrderNumber;
use crate::shop::card_of_mask;
use tollgate_core::checkout::{Checkout, CheckoutId, Purpose};
use tollgate_core::code::message;
use tollgate_core::feedback::Channel;
use tollgate_core::ident::OperationId;
use tollgate_core::order::{LastOperation, Order, Phase};
use tollgate_core::time::Timestamp;
use tollgate_store::{
    CardKeep, CardKept, CheckoutChange, CheckoutChanged, CheckoutOpened, Checkouts, CloseUnsent, CorrectionRecord,
    NewCheckout, NewTry, OutcomeRecord, Recorded, StoreFuture, StoredOrder, TryClaim,
};

impl Checkouts for WorldStore {
    fn open_checkout(&self, new: NewCheckout) -> StoreFuture<'_, CheckoutOpened> {
        Box::pin(async move {
            let order = self.order_of(&new.checkout);
            let id = new.order.as_ref().map(|order| OperationId(order.fort_id.0));
            let work = async {
                let opened = self.inner.open_checkout(new).await?;
                if let (CheckoutOpened::Opened, Some(order), Some(id)) = (&opened, order, id) {
                    self.faults.own(id, Some(order));
                    self.faults.watch.auditor().page_opened(order);
                }
                Ok(opened)
            };
            self.call("open_checkout", order, Access::Writes, work, |opened| match opened {
                CheckoutOpened::Opened => "opened",
                CheckoutOpened::GoesOn(_) => "goes on",
                CheckoutOpened::ReferenceTaken(_) => "reference taken",
                CheckoutOpened::NumberTaken => "number taken",
            })
            .await
        })
    }

    fn checkout(&self, id: CheckoutId) -> StoreFuture<'_, Option<Checkout>> {
        let order = self.faults.owner(OperationId(id.0));
        Box::pin(self.call("checkout", order, Access::Reads, self.inner.checkout(id), |_| "read"))
    }

    fn change_checkout(&self, change: CheckoutChange) -> StoreFuture<'_, CheckoutChanged> {
        let order = self.order_of(&change.checkout);
        let work = self.inner.change_checkout(change);
        Box::pin(self.call("change_checkout", order, Access::Writes, work, |changed| match changed {
            CheckoutChanged::Written => "changed",
            CheckoutChanged::Overtaken => "overtaken",
        }))
    }

    /// The simulated shops keep cards by payments alone.
    fn keep_card(&self, keep: CardKeep) -> StoreFuture<'_, CardKept> {
        self.inner.keep_card(keep)
    }

    fn claim_try(&self, new: NewTry) -> StoreFuture<'_, TryClaim> {
        Box::pin(async move {
            if self.has(Mutant::SkipTryIntent) {
                return Ok(TryClaim::Claimed);
            }
            let intent = &new.intent;
            let (id, life, wire) = (intent.operation.id, intent.owner, intent.operation.wire);
            let order = self.order_number(&intent.order.merchant_reference);
            self.faults.claimed_by(id, life);
            let card = intent.order.card.as_ref().and_then(|card| card_of_mask(&self.faults.cards, &card.mask));
            let work = async {
                let token = tokens::claimed(&new.intent);
                let kept = self.kept_for_mutants(&new.intent);
                let claim = self.inner.claim_try(new).await?;
                if let (TryClaim::Claimed, Some(order)) = (claim, order) {
                    self.faults.own(id, Some(order));
                    self.intended(id, life, wire, Some(order));
                    self.faults.watch.auditor().try_begun(order, number_of(id), card);
                    self.token_claimed(Some(order), token, kept).await?;
                }
                Ok(claim)
            };
            let claimed = self.call("claim_try", order, Access::Writes, work, name_claim).await;
            match claimed {
                Ok(TryClaim::Changed) if self.has(Mutant::TryOvertaken) => Ok(TryClaim::Claimed),
                claimed => claimed,
            }
        })
    }

    fn close_unsent(&self, mut close: CloseUnsent) -> StoreFuture<'_, TryClaim> {
        Box::pin(async move {
            if self.has(Mutant::CloseUnfed) {
                close.outcome.feedback = None;
            }
            let order = self.order_number(&close.outcome.order.merchant_reference);
            let written = written_of(&close.outcome);
            let id = close.outcome.operation;
            let work = async {
                let claim = self.inner.close_unsent(close).await?;
                if let (TryClaim::Claimed, Some(order)) = (claim, order) {
                    self.faults.own(id, Some(order));
                    self.faults.watch.auditor().closed_unsent(order, written);
                }
                Ok(claim)
            };
            self.call("close_unsent", order, Access::Writes, work, name_claim).await
        })
    }

    fn checkouts_due(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<Checkout>> {
        Box::pin(async move {
            if !self.faults.has_pages || self.has(Mutant::ForgetExpiry) {
                return Ok(Vec::new());
            }
            self.call("checkouts_due", None, Access::Reads, self.inner.checkouts_due(now, limit), |_| "read").await
        })
    }

    fn forget_checkouts(&self, ended_before: Timestamp, limit: usize) -> StoreFuture<'_, u64> {
        self.inner.forget_checkouts(ended_before, limit)
    }
}

impl WorldStore {
    /// What became of a payment of the page is durable.
    pub(super) fn page_outcome(&self, order: Option<OrderNumber>, recorded: Recorded, written: Option<Written>) {
        if let (Recorded::Written, Some(order), Some(written)) = (recorded, order, written) {
            self.faults.watch.auditor().try_written(order, written);
        }
    }

    /// An order as it was read, or as a mutant reads it.
    pub(super) fn as_read(&self, read: Option<StoredOrder>) -> Option<StoredOrder> {
        if !self.has(Mutant::UnknownIsNoOnPage) {
            return read;
        }
        read.map(|stored| {
            let order = stored.order;
            if order.phase != Phase::Unknown || order.channel != Channel::Redirection {
                return StoredOrder { order, ..stored };
            }
            let code = order.kind.code(order.kind.operation(), message::DECLINED);
            let last = LastOperation { code, ..order.last };
            StoredOrder { order: Order { phase: Phase::Declined, open_operation: None, last, ..order }, ..stored }
        })
    }
}

/// What an outcome says of a try; `None` when it is that of a later operation.
pub(super) fn try_of(record: &OutcomeRecord) -> Option<Written> {
    tokens::is_of_payment(record).then(|| written_of(record))
}

/// The same of a correction, which may not be true.
pub(super) fn corrected_try_of(record: &CorrectionRecord) -> Option<Written> {
    let is_mistaken = super::mistake_of(record).is_some();
    try_of(&record.outcome).map(|written| Written { is_mistaken, ..written })
}

fn written_of(record: &OutcomeRecord) -> Written {
    Written {
        rrn: number_of(record.operation),
        sequence: record.order.version,
        code: record.code.number(),
        is_mistaken: false,
    }
}

impl WorldStore {
    fn order_of(&self, checkout: &Checkout) -> Option<OrderNumber> {
        match &checkout.purpose {
            Purpose::Pay(pay) => self.order_number(&pay.merchant_reference),
            Purpose::Tokenize(_) => None,
        }
    }
}

fn name_claim(claim: &TryClaim) -> &'static str {
    match claim {
        TryClaim::Claimed => "claimed",
        TryClaim::Changed => "changed",
        TryClaim::AgreementChanged => "agreement changed",
        TryClaim::NumberTaken => "number taken",
    }
}

//! An authorization or a purchase, and what became of its money.
//!
//! Two sums are kept, what stands of its postings and what was refunded; the others follow from them:
//!
//! - posted is what stands, but never less than what was refunded: money that went back must have come;
//! - held is the rest of an open authorization.
//!
//! So the order in which reversals come does not matter.

use crate::entry::Delta;

/// A payment. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    kind: PaymentKind,
    amount: u64,
    standing_postings: u64,
    refunded: u64,
    standing: Standing,
}

/// How a payment began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaymentKind {
    /// With a hold.
    Authorization,
    /// With a posting.
    Purchase,
}

/// Whether a payment may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Open,
    /// It was voided: only what was captured before may be refunded.
    Voided,
    /// It was reversed: it never counted.
    Reversed,
}

/// What happens to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So much of the hold is taken.
    Capture(u64),
    /// So much is given back.
    Refund(u64),
    /// The rest of the hold is given up.
    Void,
    /// The payment itself never counted.
    Undo,
    /// A capture never counted.
    UndoCapture(u64),
    /// A refund never counted.
    UndoRefund(u64),
}

impl Payment {
    /// A payment at its beginning.
    pub(crate) const fn new(kind: PaymentKind, amount: u64) -> Payment {
        let standing_postings = match kind {
            PaymentKind::Authorization => 0,
            PaymentKind::Purchase => amount,
        };
        Payment { kind, amount, standing_postings, refunded: 0, standing: Standing::Open }
    }

    /// How it began.
    pub(crate) const fn kind(&self) -> PaymentKind {
        self.kind
    }

    /// Whether it may still be used.
    pub(crate) const fn standing(&self) -> Standing {
        self.standing
    }

    /// Held and not captured.
    pub(crate) fn held(&self) -> u64 {
        match (self.kind, self.standing) {
            (PaymentKind::Authorization, Standing::Open) => self.amount.saturating_sub(self.posted()),
            _ => 0,
        }
    }

    /// Posted and not reversed.
    pub(crate) fn posted(&self) -> u64 {
        self.standing_postings.max(self.refunded)
    }

    /// What may still be refunded.
    pub(crate) const fn refundable(&self) -> u64 {
        self.standing_postings.saturating_sub(self.refunded)
    }

    /// The payment after a step; `None` when a sum would fall below zero or rise above what there is.
    pub(crate) fn after(mut self, step: Step) -> Option<Payment> {
        match step {
            Step::Capture(amount) => {
                self.held().checked_sub(amount)?;
                self.standing_postings = self.standing_postings.checked_add(amount)?;
            }
            Step::Refund(amount) => {
                self.refundable().checked_sub(amount)?;
                self.refunded = self.refunded.checked_add(amount)?;
            }
            Step::Void => self.standing = Standing::Voided,
            Step::Undo => {
                self.standing = Standing::Reversed;
                // Captures are messages of their own, and stand until they are reversed.
                if self.kind == PaymentKind::Purchase {
                    self.standing_postings = 0;
                }
            }
            Step::UndoCapture(amount) => self.standing_postings = self.standing_postings.checked_sub(amount)?,
            Step::UndoRefund(amount) => self.refunded = self.refunded.checked_sub(amount)?,
        }
        Some(self)
    }

    /// By how much the sums differ from `before`, another state of the same payment.
    pub(crate) fn since(&self, before: &Payment) -> Delta {
        Delta {
            held: difference(self.held(), before.held()),
            posted: difference(self.posted(), before.posted()),
            refunded: difference(self.refunded, before.refunded),
        }
    }

    /// The sums of a payment at its beginning.
    pub(crate) fn as_delta(&self) -> Delta {
        Delta { held: difference(self.held(), 0), posted: difference(self.posted(), 0), refunded: 0 }
    }
}

/// Amounts have at most 12 digits, so they always fit.
fn difference(after: u64, before: u64) -> i64 {
    let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    signed(after) - signed(before)
}

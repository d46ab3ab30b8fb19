//! The port for agreements: what customers agreed to be charged later.

use crate::StoreFuture;
use tollgate_core::agreement::{Agreement, AgreementEnd, AgreementNumber};
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::time::Timestamp;

/// Agreements.
///
/// A payment that opens one carries it in [`crate::NewOrder::agreement`]: its name is taken from then on, it begins in the
/// very commit that writes the payment's success, and it is gone in the commit that says that the payment came to nothing.
///
/// A charge names the version of the agreement by which it was judged: the commit of its intent counts it, provided that
/// the agreement is still that one. What comes to nothing is given back in the commit of its outcome; what nobody knows
/// counts until it is settled.
pub trait Agreements {
    /// The agreement of a merchant with this name, whatever its state.
    fn agreement<'a>(&'a self, merchant: MerchantId, id: &'a str) -> StoreFuture<'a, Option<Agreement>>;

    /// Agreements that fit `filter`, in the order in which they were asked for.
    fn agreements<'a>(&'a self, filter: &'a AgreementFilter) -> StoreFuture<'a, Vec<Agreement>>;

    /// The charges of an agreement that count, newest first, at most `limit`.
    fn agreement_charges(&self, agreement: AgreementNumber, limit: usize) -> StoreFuture<'_, Vec<AgreementCharge>>;

    /// Ends an agreement that is active. Gives it as it is afterwards; one that is in another state is not changed.
    fn end_agreement<'a>(
        &'a self,
        merchant: MerchantId,
        id: &'a str,
        end: AgreementEnd,
    ) -> StoreFuture<'a, Option<Agreement>>;
}

/// What an order does with an agreement, when it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgreementIntent {
    /// It opens this one, which is opening, version 1.
    Open(Box<Agreement>),
    /// It is a charge of an agreement that was judged.
    Charge {
        /// Which.
        number: AgreementNumber,
        /// Its version then.
        version: u32,
    },
}

/// A charge that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreementCharge {
    /// Its order.
    pub fort_id: FortId,
    /// When it was sent.
    pub at: Timestamp,
    /// Whether it has succeeded.
    pub state: ChargeState,
}

/// How a charge that counts stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// It is under way, or nobody knows.
    Open,
    /// It has succeeded.
    Succeeded,
}

/// Which agreements are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementFilter {
    /// Of this merchant.
    pub merchant: MerchantId,
    /// About the token of this name only.
    pub token_name: Option<String>,
    /// After this one, to read on.
    pub after: Option<AgreementNumber>,
    /// At most so many.
    pub limit: usize,
}

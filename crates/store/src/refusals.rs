//! The port for refused requests: a diary for the explainer, not part of any payment's state.

use crate::StoreFuture;
use tollgate_core::code::ResponseCode;
use tollgate_core::command::SafeParams;
use tollgate_core::ident::{FortId, MerchantId};
use tollgate_core::refusal::Guilty;
use tollgate_core::time::Timestamp;

/// How many refused requests are kept; the oldest are forgotten.
pub const REFUSALS_KEPT_MAX: u32 = 10_000;

/// Refused requests of merchants that could be identified.
pub trait Refusals {
    /// Notes a refused request. It is written soon, without the caller waiting for the disk, and may
    /// be left out when the store has too much to do; `false` says that it was left out.
    fn note_refusal(&self, row: RefusalRow) -> bool;

    /// Refused requests with this merchant reference, or for this order, oldest first.
    fn refusals_by_reference<'a>(
        &'a self,
        merchant_reference: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<RefusalRow>>;
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRow {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's reference, if the request had one.
    pub merchant_reference: Option<String>,
    /// The order, if it is known.
    pub fort_id: Option<FortId>,
    /// The command as it was sent.
    pub command: String,
    /// What the merchant was told.
    pub code: ResponseCode,
    /// Who has to act.
    pub guilty: Guilty,
    /// The parameter at fault.
    pub parameter: Option<String>,
    /// What is wrong and what to do.
    pub detail: String,
    /// The request, masked.
    pub request: SafeParams,
}

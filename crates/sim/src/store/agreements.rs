//! Agreements in the store of one life: the port as it is. The world's merchants charge none.

use super::WorldStore;
use tollgate_core::agreement::{Agreement, AgreementEnd, AgreementNumber};
use tollgate_core::ident::MerchantId;
use tollgate_store::{AgreementCharge, AgreementFilter, Agreements, StoreFuture};

impl Agreements for WorldStore {
    fn agreement<'a>(&'a self, merchant: MerchantId, id: &'a str) -> StoreFuture<'a, Option<Agreement>> {
        self.inner.agreement(merchant, id)
    }

    fn agreements<'a>(&'a self, filter: &'a AgreementFilter) -> StoreFuture<'a, Vec<Agreement>> {
        self.inner.agreements(filter)
    }

    fn agreement_charges(&self, number: AgreementNumber, limit: usize) -> StoreFuture<'_, Vec<AgreementCharge>> {
        self.inner.agreement_charges(number, limit)
    }

    fn end_agreement<'a>(
        &'a self,
        merchant: MerchantId,
        id: &'a str,
        end: AgreementEnd,
    ) -> StoreFuture<'a, Option<Agreement>> {
        self.inner.end_agreement(merchant, id, end)
    }
}

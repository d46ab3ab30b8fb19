//! Agreements in the store of one life: the port with its faults, and the mutants of agreements.

use super::{Access, WorldStore};
use crate::audit::agreements::opener_of;
use crate::mutants::Mutant;
use tollgate_core::agreement::{Agreement, AgreementEnd, AgreementNumber};
use tollgate_core::ident::MerchantId;
use tollgate_store::{
    AgreementCharge, AgreementFilter, AgreementIntent, Agreements, NewOrder, StoreError, StoreFuture,
};

impl Agreements for WorldStore {
    fn agreement<'a>(&'a self, merchant: MerchantId, id: &'a str) -> StoreFuture<'a, Option<Agreement>> {
        Box::pin(self.call("agreement", opener_of(id), Access::Reads, self.inner.agreement(merchant, id), |_| "read"))
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

impl WorldStore {
    /// What mutants make of the agreement of a new order.
    pub(super) async fn twist_agreement(&self, new: &mut NewOrder) -> Result<(), StoreError> {
        let credential = new.order.credential.as_ref();
        let charged = credential.and_then(|credential| credential.agreement.as_ref()).map(|charged| charged.id.clone());
        if let (Some(AgreementIntent::Charge { version, .. }), Some(id)) = (&mut new.agreement, charged)
            && self.has(Mutant::UnjudgedCharge)
            && let Some(agreement) = self.inner.agreement(new.order.merchant, &id).await?
        {
            *version = agreement.version;
        }
        Ok(())
    }
}

//! Agreements in an operator's hands: listed, shown and ended.

use std::sync::Arc;
use tollgate_core::agreement::{Agreement, AgreementEnd, AgreementState, EndReason};
use tollgate_core::ident::MerchantId;
use tollgate_core::time::{Clock, Timestamp};
use tollgate_store::{AgreementCharge, AgreementFilter, Store, StoreError};

/// The most charges that are told of one agreement, the newest.
const CHARGES_TOLD_MAX: usize = 100;

/// Agreements of a store, for an operator.
#[derive(Clone)]
pub struct AgreementDesk {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// Some agreements of a merchant, in the order in which they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementPage {
    /// The agreements.
    pub agreements: Vec<Agreement>,
    /// Whether there are more after them.
    pub rest: AgreementRest,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgreementRest {
    /// Nothing.
    None,
    /// At least one more.
    More,
}

/// An agreement with its charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAgreement {
    /// The agreement.
    pub agreement: Agreement,
    /// Its newest charges that count, the newest first.
    pub charges: Vec<AgreementCharge>,
}

/// Why an operator was not served.
#[derive(Debug, thiserror::Error)]
pub enum AgreementDeskError {
    /// No such merchant.
    #[error("there is no merchant {0:?}: `tollgate merchant list` shows all")]
    NoMerchant(String),
    /// No such agreement.
    #[error("merchant {merchant} has no agreement {id:?}: `tollgate agreement list {merchant}` shows all")]
    NoAgreement {
        /// The merchant.
        merchant: String,
        /// The name that was asked for.
        id: String,
    },
    /// It has not begun.
    #[error("agreement {0:?} has not begun: the payment that opens it is under way, or its outcome is not known")]
    Opening(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AgreementDesk {
    /// The agreements of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> AgreementDesk {
        AgreementDesk { store, clock }
    }

    /// Now, by the clock that agreements go by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// At most `limit` agreements of a merchant: those about one token if that is given, after the one named `after` if
    /// that is given.
    ///
    /// # Errors
    /// When there is no such merchant or agreement, or the store cannot be read.
    pub async fn list(
        &self,
        merchant: &str,
        token_name: Option<String>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<AgreementPage, AgreementDeskError> {
        let id = self.merchant(merchant).await?;
        let after = match after {
            None => None,
            Some(name) => Some(self.found(merchant, name).await?.number),
        };
        let filter = AgreementFilter { merchant: id, token_name, after, limit: limit.saturating_add(1) };
        let mut agreements = self.store.agreements(&filter).await?;
        let rest = if agreements.len() > limit { AgreementRest::More } else { AgreementRest::None };
        agreements.truncate(limit);
        Ok(AgreementPage { agreements, rest })
    }

    /// One agreement with its charges.
    ///
    /// # Errors
    /// As [`AgreementDesk::list`].
    pub async fn show(&self, merchant: &str, id: &str) -> Result<ShownAgreement, AgreementDeskError> {
        let agreement = self.found(merchant, id).await?;
        let charges = self.store.agreement_charges(agreement.number, CHARGES_TOLD_MAX).await?;
        Ok(ShownAgreement { agreement, charges })
    }

    /// Ends an agreement: it takes no charge any more. One that has ended before is given as it is.
    ///
    /// # Errors
    /// As [`AgreementDesk::list`], and when it has not begun; then nothing was changed.
    pub async fn end(&self, merchant: &str, id: &str) -> Result<Agreement, AgreementDeskError> {
        let owner = self.merchant(merchant).await?;
        let end = AgreementEnd { why: EndReason::Operator, at: self.clock.now() };
        let ended = self.store.end_agreement(owner, id, end).await?.ok_or_else(|| no_agreement(merchant, id))?;
        if ended.state == AgreementState::Opening {
            return Err(AgreementDeskError::Opening(id.to_owned()));
        }
        tracing::info!(merchant, agreement = %ended.number, "an agreement is ended");
        Ok(ended)
    }

    async fn found(&self, merchant: &str, id: &str) -> Result<Agreement, AgreementDeskError> {
        let owner = self.merchant(merchant).await?;
        self.store.agreement(owner, id).await?.ok_or_else(|| no_agreement(merchant, id))
    }

    async fn merchant(&self, name: &str) -> Result<MerchantId, AgreementDeskError> {
        let records = self.store.merchants().await?;
        let found = records.into_iter().find(|record| record.name == name);
        found.map(|record| record.id).ok_or_else(|| AgreementDeskError::NoMerchant(name.to_owned()))
    }
}

fn no_agreement(merchant: &str, id: &str) -> AgreementDeskError {
    AgreementDeskError::NoAgreement { merchant: merchant.to_owned(), id: id.to_owned() }
}

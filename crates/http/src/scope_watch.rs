//! Merchants that say card data never reaches them, and send it all the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tollgate_app::Account;
use tollgate_core::ident::MerchantId;
use tollgate_core::time::{DAY_US, Timestamp};
use tollgate_fort::command::carries_card_data;
use tollgate_fort::message::Message;

/// Counts such requests, and warns of each merchant once a day. Whether they are carried out is not its business.
#[derive(Default)]
pub(crate) struct ScopeWatch(Mutex<HashMap<MerchantId, i64>>);

impl ScopeWatch {
    /// Looks at a signed request to the payment API.
    pub(crate) fn watch(&self, account: &Account, message: &Message, now: Timestamp) {
        let declared = account.merchant.terms.channel.pci_scope;
        let Some(declared) = declared.filter(|declared| declared.leaves_merchant_out()) else { return };
        if !carries_card_data(message) {
            return;
        }
        let merchant = account.merchant.name.as_str();
        metrics::counter!("tollgate_pci_scope_contradictions_total", "merchant" => merchant.to_owned()).increment(1);
        let today = now.0.div_euclid(DAY_US);
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account.merchant.id, today);
        if before != Some(today) {
            let declared = declared.title();
            tracing::warn!(
                merchant,
                declared,
                "this merchant's server sends card data, which its declared PCI DSS questionnaire rules out: see `tollgate pci scope`"
            );
        }
    }
}

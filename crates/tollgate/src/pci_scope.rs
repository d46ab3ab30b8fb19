//! Merchants' PCI DSS scope, from the routes that their payments have taken.

use serde_json::{Value, json};
use std::sync::Arc;
use tollgate_app::Account;
use tollgate_core::scope::{Questionnaire, Scope, Use, UsedRoute};
use tollgate_store::{Store, StoreError};

/// The scope of one merchant.
pub struct MerchantScope {
    /// Its handle.
    pub merchant: String,
    /// The questionnaire that it says it answers.
    pub declared: Option<Questionnaire>,
    /// The routes that it has used.
    pub routes: Vec<UsedRoute>,
    /// What they point to.
    pub scope: Scope,
}

impl MerchantScope {
    /// What a person should know besides.
    pub fn note(&self) -> Option<&'static str> {
        match (self.scope.questionnaire?, self.declared) {
            (Questionnaire::A, _) if self.routes.iter().all(|used| used.route.name() == "token") => {
                Some("only tokens were used: how their cards came to be kept decides as well")
            }
            (Questionnaire::D, None) => Some(
                "if the cards are those of other merchants' customers it is a service provider, and SAQ D for Service \
                 Providers applies: `tollgate merchant set NAME --pci-scope saq-d-sp` says so",
            ),
            _ => None,
        }
    }
}

/// The scopes of these accounts, in their order.
///
/// # Errors
/// When the store cannot be read.
pub async fn of(store: &dyn Store, accounts: &[Arc<Account>]) -> Result<Vec<MerchantScope>, StoreError> {
    let rows = store.route_uses().await?;
    let of_account = |account: &Arc<Account>| {
        let merchant = &account.merchant;
        let own = rows.iter().filter(|row| row.merchant == merchant.id);
        let routes: Vec<UsedRoute> = own.map(|row| row.used.clone()).collect();
        let declared = merchant.terms.channel.pci_scope;
        MerchantScope { merchant: merchant.name.clone(), declared, scope: Scope::judge(&routes, declared), routes }
    };
    Ok(accounts.iter().map(of_account).collect())
}

/// The same for a machine.
pub fn json(of: &MerchantScope) -> Value {
    json!({
        "merchant": of.merchant,
        "pci_dss": "4.0.1",
        "questionnaire": of.scope.questionnaire.map(Questionnaire::name),
        "title": of.scope.questionnaire.map(Questionnaire::title),
        "since": of.scope.because.as_ref().map(|used| used.first.at.to_string()),
        "because": of.scope.because.as_ref().map(route_json),
        "declared": of.declared.map(Questionnaire::name),
        "contradictions": of.scope.contradictions.iter().map(route_json).collect::<Vec<_>>(),
        "routes": of.routes.iter().map(route_json).collect::<Vec<_>>(),
        "note": of.note(),
    })
}

fn route_json(used: &UsedRoute) -> Value {
    json!({
        "route": used.route.name(),
        "points_to": used.route.questionnaire().name(),
        "first": use_json(&used.first),
        "last": use_json(&used.last),
    })
}

fn use_json(of: &Use) -> Value {
    json!({
        "at": of.at.to_string(),
        "merchant_reference": of.merchant_reference,
        "fort_id": of.fort_id.map(|fort_id| fort_id.to_string()),
    })
}

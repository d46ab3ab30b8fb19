//! What the shop knows as a merchant: its access code and its phrases.

use super::cart::Currencies;
use super::passed::Verdict;
use super::plan::Params;
use crate::demo;
use anyhow::Context;
use std::sync::Arc;
use tollgate_app::{Account, Gateway};
use tollgate_core::ident::MerchantId;
use tollgate_core::merchant::{Credential, ShaType};
use tollgate_fort::client::signed_json;
use tollgate_fort::message::Message;
use tollgate_fort::signature::{self, SIGNATURE};

/// The demo merchant at this moment.
#[derive(Clone)]
pub struct DemoMerchant {
    account: Arc<Account>,
    credential: Credential,
}

/// A request with its signature.
pub struct Signed {
    /// The parameters in their order, without the signature.
    pub params: Params,
    /// Those of them, or of what a browser adds, that are not signed.
    pub unsigned: &'static [&'static str],
    /// In lower-case hex.
    pub signature: String,
    /// The digest.
    pub sha: &'static str,
}

impl DemoMerchant {
    /// Looks it up, so that a phrase that was rotated is the new one.
    ///
    /// # Errors
    /// When the accounts cannot be read, or there is no demo merchant.
    pub async fn of(gateway: &Gateway) -> anyhow::Result<DemoMerchant> {
        let all = gateway.directory().all().await.context("the accounts cannot be read")?;
        let account = all.into_iter().find(|account| account.merchant.name == demo::NAME);
        let account = account.with_context(|| format!("there is no merchant {}", demo::NAME))?;
        let credential = account.merchant.credentials.first().cloned();
        let credential = credential.with_context(|| format!("merchant {} has no access code", demo::NAME))?;
        Ok(DemoMerchant { account, credential })
    }

    /// Which merchant it is.
    pub fn id(&self) -> MerchantId {
        self.account.merchant.id
    }

    /// The currencies it takes and the shop has prices in; `None` when there is none.
    pub fn currencies(&self) -> Option<Currencies> {
        Currencies::priced(self.account.merchant.terms.currencies.iter().map(|terms| terms.currency))
    }

    /// The digest of its signatures.
    pub const fn sha_name(&self) -> &'static str {
        self.sha().name()
    }

    const fn sha(&self) -> ShaType {
        self.credential.sha_type
    }

    /// Adds who asks, and signs all but `unsigned`.
    pub fn signed(&self, mut params: Params, unsigned: &'static [&'static str]) -> Signed {
        params.push(("access_code", self.credential.access_code.clone()));
        params.push(("merchant_identifier", self.account.merchant.merchant_identifier.clone()));
        let signed: Vec<(&str, &str)> = pairs(&params).filter(|(name, _)| !unsigned.contains(name)).collect();
        let signature = match self.credential.request_phrases.first() {
            Some(phrase) => signature::sign(signed, phrase, self.sha()),
            None => String::new(),
        };
        Signed { params, unsigned, signature, sha: self.sha_name() }
    }

    /// The body of a call, signed; it may hold a test card.
    pub fn body(&self, request: &Signed) -> Vec<u8> {
        let params: Vec<(&str, &str)> = pairs(&request.params).collect();
        match self.credential.request_phrases.first() {
            Some(phrase) => signed_json(&params, phrase, self.sha()),
            None => Vec::new(),
        }
    }

    /// Whether the gateway wrote this.
    pub fn verdict_on(&self, message: &Message) -> Verdict {
        if message.text(SIGNATURE).is_none() {
            return Verdict::Unsigned;
        }
        let phrases = std::slice::from_ref(&self.credential.response_phrase);
        match signature::verify(message, &[], phrases, self.sha()).is_match() {
            true => Verdict::Fits,
            false => Verdict::Differs,
        }
    }
}

fn pairs(params: &Params) -> impl Iterator<Item = (&str, &str)> {
    params.iter().map(|(name, value)| (*name, value.as_str()))
}

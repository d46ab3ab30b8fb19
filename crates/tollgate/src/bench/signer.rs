//! Who signs the requests and checks the answers.

use anyhow::Context;
use std::path::Path;
use tollgate_app::Account;
use tollgate_core::merchant::ShaType;
use tollgate_core::secret::Secret;
use tollgate_fort::client::{signed_form, signed_json};
use tollgate_fort::message::Message;
use tollgate_fort::signature;

/// A merchant's side of the wire.
#[derive(Clone, Debug)]
pub struct Signer {
    /// FORT's `access_code`.
    pub access_code: String,
    /// FORT's `merchant_identifier`.
    pub merchant_identifier: String,
    request_phrase: Secret,
    response_phrase: Secret,
    sha: ShaType,
}

/// As `tollgate merchant show NAME --format json` prints it.
#[derive(serde::Deserialize)]
struct Shown {
    access_code: String,
    merchant_identifier: String,
    sha_request_phrase: String,
    sha_response_phrase: String,
    sha_type: String,
}

impl Signer {
    /// The first credential of an account.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(account: &Account) -> anyhow::Result<Signer> {
        let name = &account.merchant.name;
        let credential =
            account.merchant.credentials.first().with_context(|| format!("merchant {name} has no access code"))?;
        Ok(Signer {
            access_code: credential.access_code.clone(),
            merchant_identifier: account.merchant.merchant_identifier.clone(),
            request_phrase: credential.request_phrases.first().context("the merchant has no request phrase")?.clone(),
            response_phrase: credential.response_phrase.clone(),
            sha: credential.sha_type,
        })
    }

    /// The credential in a file that `tollgate merchant show NAME --format json` printed.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else. The text of it is never shown.
    pub fn read(file: &Path) -> anyhow::Result<Signer> {
        let text =
            zeroize::Zeroizing::new(std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?);
        let shown: Option<Shown> = serde_json::from_slice(&text).ok();
        let shown = shown.filter(|shown| ShaType::parse(&shown.sha_type).is_some());
        let shown = shown.with_context(|| {
            format!("{} is not what `tollgate merchant show NAME --format json` prints", file.display())
        })?;
        Ok(Signer {
            sha: ShaType::parse(&shown.sha_type).context("the digest is unknown")?,
            access_code: shown.access_code,
            merchant_identifier: shown.merchant_identifier,
            request_phrase: Secret::new(shown.sha_request_phrase),
            response_phrase: Secret::new(shown.sha_response_phrase),
        })
    }

    /// The signed body of a request.
    pub fn sign_request(&self, params: &[(&str, &str)]) -> Vec<u8> {
        signed_json(params, &self.request_phrase, self.sha)
    }

    /// The signed body of a form that holds card data, which no signature covers.
    pub fn sign_form(&self, params: &[(&str, &str)]) -> Vec<u8> {
        const UNSIGNED: [&str; 3] = ["card_number", "expiry_date", "card_holder_name"];
        signed_form(params, &UNSIGNED, &self.request_phrase, self.sha).into_bytes()
    }

    /// The signed body of an answer, as a gateway makes it.
    pub fn sign_answer(&self, params: &[(&str, &str)]) -> Vec<u8> {
        signed_json(params, &self.response_phrase, self.sha)
    }

    /// Whether a request is signed rightly.
    pub fn request_is_right(&self, request: &Message) -> bool {
        signature::verify(request, &[], std::slice::from_ref(&self.request_phrase), self.sha).is_match()
    }

    /// Whether an answer is signed rightly.
    pub fn answer_is_right(&self, answer: &Message) -> bool {
        signature::verify(answer, &[], std::slice::from_ref(&self.response_phrase), self.sha).is_match()
    }
}

#[cfg(test)]
impl Signer {
    /// A signer with phrases of its own.
    pub fn sample() -> Signer {
        Signer {
            access_code: "access".into(),
            merchant_identifier: "merchant".into(),
            request_phrase: Secret::new("request phrase"),
            response_phrase: Secret::new("response phrase"),
            sha: ShaType::Sha256,
        }
    }
}

//! Why a request was refused, and who is guilty.

use crate::code::ResponseCode;
use std::borrow::Cow;
use std::fmt;

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guilty {
    /// The merchant's request is wrong.
    MerchantRequest,
    /// The merchant's account is not set up for it.
    MerchantConfiguration,
    /// The customer (wrong card data, cancelled, failed authentication).
    Cardholder,
    /// The card's issuer said no.
    Issuer,
    /// The link to the acquirer, or the network behind it.
    AcquirerLink,
    /// Tollgate itself.
    Us,
}

impl Guilty {
    /// The words for a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Guilty::MerchantRequest => "merchant request",
            Guilty::MerchantConfiguration => "merchant configuration",
            Guilty::Cardholder => "cardholder",
            Guilty::Issuer => "issuer",
            Guilty::AcquirerLink => "acquirer link",
            Guilty::Us => "us",
        }
    }
}

impl fmt::Display for Guilty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A request refused before anything was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the merchant is told.
    pub code: ResponseCode,
    /// The parameter that caused it, where there is one. Told to the log and the explainer only.
    pub parameter: Option<Cow<'static, str>>,
    /// Who has to act.
    pub guilty: Guilty,
    /// A sentence for the log and the explainer: what is wrong and what to do. Never holds a value
    /// that could be card data.
    pub detail: Cow<'static, str>,
}

impl Refusal {
    /// The merchant's request is wrong at `parameter`.
    #[must_use]
    pub fn request(
        code: ResponseCode,
        parameter: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Refusal {
        Refusal { code, parameter: Some(parameter.into()), guilty: Guilty::MerchantRequest, detail: detail.into() }
    }

    /// `guilty` has to act; no parameter is to blame.
    #[must_use]
    pub fn of(code: ResponseCode, guilty: Guilty, detail: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, parameter: None, guilty, detail: detail.into() }
    }

    /// The same refusal, blamed on `parameter`.
    #[must_use]
    pub fn at(mut self, parameter: impl Into<Cow<'static, str>>) -> Refusal {
        self.parameter = Some(parameter.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code, self.guilty)?;
        if let Some(parameter) = &self.parameter {
            write!(f, " {parameter}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

//! 3-D Secure as a payment sees it: what an authentication came to, and what it proves to the issuer.
//!
//! The messages and the flow are in `tollgate-threeds`; a merchant with an MPI of its own brings the proof ready-made.
//! When it runs at all [`wanted`] says.

mod mpi;
mod terms;

use std::fmt;

pub use mpi::{Enrolled, MpiResult, ValueKind};
pub use terms::{
    AmountFrom, CardOrigin, ChallengeWish, CountryRule, OwnMpi, PaymentFacts, PaymentTurn, SkipReason,
    SoftDeclineRetry, ThreeDsDecision, ThreeDsPolicy, ThreeDsTerms, UnavailableThreeDs, UrlForAuthorization,
    is_soft_decline, wanted,
};

/// The result of an authentication (EMVCo 3DS 2.2, `transStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum AuthenticationStatus {
    /// `Y`: the customer was authenticated.
    #[serde(rename = "Y")]
    Authenticated,
    /// `A`: it was attempted, and the network vouches for the attempt.
    #[serde(rename = "A")]
    Attempted,
    /// `N`: the customer was not authenticated.
    #[serde(rename = "N")]
    NotAuthenticated,
    /// `U`: it could not be carried out.
    #[serde(rename = "U")]
    Unavailable,
    /// `R`: the issuer refuses the payment.
    #[serde(rename = "R")]
    Rejected,
}

impl AuthenticationStatus {
    /// All of them.
    pub const ALL: [AuthenticationStatus; 5] = [
        AuthenticationStatus::Authenticated,
        AuthenticationStatus::Attempted,
        AuthenticationStatus::NotAuthenticated,
        AuthenticationStatus::Unavailable,
        AuthenticationStatus::Rejected,
    ];

    /// The letter on the wire.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            AuthenticationStatus::Authenticated => "Y",
            AuthenticationStatus::Attempted => "A",
            AuthenticationStatus::NotAuthenticated => "N",
            AuthenticationStatus::Unavailable => "U",
            AuthenticationStatus::Rejected => "R",
        }
    }

    /// Reads a letter.
    #[must_use]
    pub fn parse(letter: &str) -> Option<AuthenticationStatus> {
        AuthenticationStatus::ALL.into_iter().find(|known| known.letter() == letter)
    }

    /// Whether a payment with such a result may go to the issuer as an authenticated one.
    #[must_use]
    pub const fn proves(self) -> bool {
        matches!(self, AuthenticationStatus::Authenticated | AuthenticationStatus::Attempted)
    }
}

/// The cardholder authentication value (CAVV, AAV, AEVV): 20 bytes as 28 characters of base64, the issuer's or the
/// network's cryptogram over one authentication.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuthenticationValue(String);

impl AuthenticationValue {
    /// The characters that one has (EMVCo 3DS 2.2, `authenticationValue`).
    pub const CHARS: usize = 28;

    /// Reads 28 characters of base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<AuthenticationValue> {
        let body = text.strip_suffix('=').unwrap_or(text);
        let fits = text.len() == AuthenticationValue::CHARS
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        fits.then(|| AuthenticationValue(text.to_owned()))
    }

    /// The characters, for the message to the network. They are shown nowhere else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AuthenticationValue {
    type Error = &'static str;

    fn try_from(text: String) -> Result<AuthenticationValue, Self::Error> {
        AuthenticationValue::parse(&text).ok_or("an authentication value is 28 characters of base64")
    }
}

impl From<AuthenticationValue> for String {
    fn from(value: AuthenticationValue) -> String {
        value.0
    }
}

impl fmt::Debug for AuthenticationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticationValue(****)")
    }
}

/// What goes to the network with an authenticated payment, and stays with its operation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Authentication {
    /// What the authentication came to.
    pub status: AuthenticationStatus,
    /// The electronic commerce indicator of the network, two digits: `05` or `02` authenticated, `06` or `01`
    /// attempted, `07` or `00` neither.
    pub eci: Option<String>,
    /// The cryptogram.
    pub value: Option<AuthenticationValue>,
    /// The directory server's number of the transaction (3-D Secure 2): a UUID of 36 characters.
    pub ds_transaction_id: Option<String>,
    /// The number of the transaction in 3-D Secure 1: 28 characters of base64.
    pub xid: Option<String>,
    /// The version of the protocol, for example `2.2.0`.
    pub version: Option<String>,
    /// Who ran it.
    pub by: AuthenticatedBy,
}

impl Authentication {
    /// Whether the issuer, and no longer the merchant, bears the loss of a fraudulent payment.
    #[must_use]
    pub fn shifts_liability(&self) -> bool {
        self.status.proves() && self.value.is_some() && matches!(self.eci.as_deref(), Some("05" | "02" | "06" | "01"))
    }
}

/// Who ran an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticatedBy {
    /// This gateway.
    Gateway,
    /// The merchant, with an MPI or a 3DS Server of its own.
    Merchant,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const VALUE: &str = "AAABBWcSNIdjeUZThmNHAAAAAAA=";

    #[test]
    fn letters_read_back() {
        for status in AuthenticationStatus::ALL {
            assert_eq!(AuthenticationStatus::parse(status.letter()), Some(status));
        }
        assert_eq!(AuthenticationStatus::parse("C"), None, "a challenge is no result");
    }

    #[test]
    fn a_value_is_28_characters_of_base64_and_never_shown() {
        let value = AuthenticationValue::parse(VALUE).unwrap();
        assert_eq!(value.as_str(), VALUE);
        assert!(!format!("{value:?}").contains("AAAB"));
        for wrong in ["", "AAAB", "AAABBWcSNIdjeUZThmNHAAAAAA=", "AAABBWcSNIdjeUZThmNHAAAAAA!="] {
            assert_eq!(AuthenticationValue::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn liability_shifts_with_a_proof_alone() {
        let proof = Authentication {
            status: AuthenticationStatus::Authenticated,
            eci: Some("05".into()),
            value: AuthenticationValue::parse(VALUE),
            ds_transaction_id: None,
            xid: None,
            version: Some("2.2.0".into()),
            by: AuthenticatedBy::Gateway,
        };
        assert!(proof.shifts_liability());
        assert!(
            Authentication { status: AuthenticationStatus::Attempted, eci: Some("01".into()), ..proof.clone() }
                .shifts_liability()
        );
        assert!(!Authentication { status: AuthenticationStatus::Unavailable, ..proof.clone() }.shifts_liability());
        assert!(!Authentication { eci: Some("07".into()), ..proof.clone() }.shifts_liability());
        assert!(!Authentication { value: None, ..proof }.shifts_liability());
    }
}

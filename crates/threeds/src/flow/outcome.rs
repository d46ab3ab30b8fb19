//! What an authentication came to.

use crate::element::{ChallengeCancel, ErrorComponent};
use crate::fault::ErrorCode;
use crate::port::ExchangeFailure;
use serde::{Deserialize, Serialize};
use std::fmt;
use tollgate_core::bin::Brand;
use tollgate_core::three_ds::{Authentication, AuthenticationStatus};

/// The end of an authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The issuer or its network gave a result.
    Judged(Judgement),
    /// No result came.
    Failed(Failure),
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What goes to the network with the payment.
    pub authentication: Authentication,
    /// Whether it is for information only (`transStatus` I): nothing is proved, and none was wanted.
    pub is_informational: bool,
    /// `transStatusReason`, two digits.
    pub reason: Option<String>,
    /// Why a challenge ended without a result.
    pub challenge_cancel: Option<ChallengeCancel>,
    /// What the issuer wants the customer to be told.
    pub cardholder_info: Option<String>,
    /// Whether the customer was challenged.
    pub was_challenged: bool,
}

/// Why no result came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The browser runs no scripts, and the card's range speaks 2.1.0 only.
    BrowserWithoutScript,
    /// Nothing that could be read came from the directory server.
    Exchange(ExchangeFailure),
    /// The gateway stopped after it may have sent the AReq; it is not sent again.
    Interrupted,
    /// The directory server or the ACS sent an Erro.
    Erro {
        /// What kind.
        code: ErrorCode,
        /// Who found it.
        component: ErrorComponent,
        /// The elements, as they were named, without card numbers.
        detail: String,
    },
    /// The ARes does not fit the specification or the AReq.
    AnswerUnfit {
        /// What kind of fault.
        code: ErrorCode,
        /// The elements.
        detail: String,
    },
    /// The issuer wants to authenticate later and elsewhere.
    Decoupled,
    /// The address of the challenge is not encrypted.
    ChallengeNotSecure,
    /// The challenge took too long.
    ChallengeTimedOut,
    /// The customer came back, and the ACS never told the result.
    NoResult,
    /// The customer cancelled at our page.
    Cancelled,
    /// The customer went away.
    Abandoned,
}

impl fmt::Display for Failure {
    /// A sentence for `explain`, without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Failure::BrowserWithoutScript => "the browser runs no scripts, and the card's issuer speaks 2.1.0 only",
            Failure::Exchange(failure) => return failure.fmt(f),
            Failure::Interrupted => "the gateway stopped while the directory server was asked",
            Failure::Erro { code, component, detail } => {
                let by = match component {
                    ErrorComponent::Sdk => "the 3DS SDK",
                    ErrorComponent::Server => "the 3DS Server",
                    ErrorComponent::DirectoryServer => "the directory server",
                    ErrorComponent::Acs => "the ACS",
                };
                return write!(f, "{by} answered with error {code}: {detail}");
            }
            Failure::AnswerUnfit { code, detail } => {
                return write!(f, "the directory server's answer does not fit: {code}: {detail}");
            }
            Failure::Decoupled => "the issuer wants to authenticate later and elsewhere, which is not taken here",
            Failure::ChallengeNotSecure => "the address of the issuer's challenge is not https",
            Failure::ChallengeTimedOut => "the customer did not finish the challenge in time",
            Failure::NoResult => "the customer came back from the challenge, and the issuer never told the result",
            Failure::Cancelled => "the customer cancelled",
            Failure::Abandoned => "the customer went away",
        };
        f.write_str(words)
    }
}

impl Outcome {
    /// The proof, when there is one.
    #[must_use]
    pub fn proof(&self) -> Option<&Authentication> {
        match self {
            Outcome::Judged(judgement) => Some(&judgement.authentication).filter(|found| found.status.proves()),
            Outcome::Failed(_) => None,
        }
    }
}

impl fmt::Display for Outcome {
    /// A sentence for `explain`, without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judgement = match self {
            Outcome::Judged(judgement) => judgement,
            Outcome::Failed(failure) => return failure.fmt(f),
        };
        let status = judgement.authentication.status;
        f.write_str(match status {
            _ if judgement.is_informational => "the issuer took note that no challenge was wanted; nothing is proved",
            AuthenticationStatus::Authenticated if judgement.was_challenged => "the customer passed the challenge",
            AuthenticationStatus::Authenticated => "the issuer knew the customer without a challenge",
            AuthenticationStatus::Attempted => {
                "the issuer does not take part fully; the network vouches for the attempt"
            }
            AuthenticationStatus::NotAuthenticated if judgement.was_challenged => {
                "the customer did not pass the challenge"
            }
            AuthenticationStatus::NotAuthenticated => "the issuer did not authenticate the customer",
            AuthenticationStatus::Unavailable => "the issuer could not authenticate the customer",
            AuthenticationStatus::Rejected => "the issuer refuses the payment",
        })?;
        if let Some(cancel) = judgement.challenge_cancel {
            f.write_str(match cancel {
                ChallengeCancel::ByCustomer => ": the customer cancelled it",
                ChallengeCancel::ByRequestor => ": it was cancelled from our side",
                ChallengeCancel::Abandoned => ": it was abandoned",
                ChallengeCancel::TimedOut => ": the customer took too long",
                ChallengeCancel::NoChallengeRequest => ": the customer never came to the ACS",
                ChallengeCancel::Error => ": an error at the ACS",
                ChallengeCancel::Unknown => ": nobody knows why",
                ChallengeCancel::TimedOutAtSdk => ": the SDK waited too long",
            })?;
        }
        match judgement.reason.as_deref() {
            Some(reason) => write!(f, " (transStatusReason {reason}: {})", reason_words(reason)),
            None => Ok(()),
        }
    }
}

/// What a `transStatusReason` means (EMV 3DS 2.2, table A.1).
#[must_use]
pub fn reason_words(reason: &str) -> &'static str {
    match reason {
        "01" => "card authentication failed",
        "02" => "unknown device",
        "03" => "unsupported device",
        "04" => "exceeds the frequency limit",
        "05" => "expired card",
        "06" => "invalid card number",
        "07" => "invalid transaction",
        "08" => "no card record",
        "09" => "security failure",
        "10" => "stolen card",
        "11" => "suspected fraud",
        "12" => "not permitted to the cardholder",
        "13" => "cardholder not enrolled",
        "14" => "timed out at the ACS",
        "15" => "low confidence",
        "16" => "medium confidence",
        "17" => "high confidence",
        "18" => "very high confidence",
        "19" => "too many challenges",
        "20" => "kind of payment not supported",
        "21" => "kind of 3RI not supported",
        "22" => "technical problem of the ACS",
        "23" => "decoupled authentication needed and not requested",
        "24" => "decoupled authentication took too long",
        "25" => "too little time for decoupled authentication",
        "26" => "authentication attempted and not performed by the cardholder",
        _ if reason >= "80" => "a reason of the payment system's own",
        _ => "a reason that the specification reserves",
    }
}

/// Whether an ECI can stand beside a status, for a card of this brand. None may stand beside each.
///
/// Visa and American Express say 05 (authenticated), 06 (attempted) and 07 (neither), Mastercard 02, 01 and 00. The
/// national schemes ride on either, so that both are taken for them.
#[must_use]
pub fn eci_fits(eci: &str, status: AuthenticationStatus, brand: Brand) -> bool {
    let (five, two) = match status {
        AuthenticationStatus::Authenticated => ("05", "02"),
        AuthenticationStatus::Attempted => ("06", "01"),
        AuthenticationStatus::NotAuthenticated | AuthenticationStatus::Unavailable | AuthenticationStatus::Rejected => {
            ("07", "00")
        }
    };
    match brand {
        Brand::Visa | Brand::Amex => eci == five,
        Brand::Mastercard => eci == two,
        Brand::Mada | Brand::Meeza => eci == five || eci == two,
    }
}

//! What an authentication comes to, by card.

use serde::Deserialize;

/// What the directory server and the ACS do with an authentication of a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreeDsBehaviour {
    /// Authenticated without a question, unless a challenge is mandated.
    #[default]
    FrictionlessY,
    /// Attempted, and vouched for.
    FrictionlessA,
    /// Not authenticated.
    FrictionlessN,
    /// The authentication cannot be carried out.
    FrictionlessU,
    /// The issuer refuses, and wants no authorization to be tried.
    FrictionlessR,
    /// The customer types a code.
    Challenge,
    /// The customer types a code, and whatever it is, he is not authenticated.
    ChallengeFails,
    /// An error message in place of an answer.
    Error,
    /// No answer at all.
    Silent,
    /// The card lies in no range of the directory.
    NotEnrolled,
    /// A challenge whose result never reaches the 3DS Server: the browser brings a CRes, and no RReq comes.
    ChallengeNoResult,
    /// A challenge that fails, while the CRes in the browser says that it did not: only the RReq counts.
    CresLies,
}

impl ThreeDsBehaviour {
    /// All of them.
    pub const ALL: [ThreeDsBehaviour; 12] = [
        ThreeDsBehaviour::FrictionlessY,
        ThreeDsBehaviour::FrictionlessA,
        ThreeDsBehaviour::FrictionlessN,
        ThreeDsBehaviour::FrictionlessU,
        ThreeDsBehaviour::FrictionlessR,
        ThreeDsBehaviour::Challenge,
        ThreeDsBehaviour::ChallengeFails,
        ThreeDsBehaviour::Error,
        ThreeDsBehaviour::Silent,
        ThreeDsBehaviour::NotEnrolled,
        ThreeDsBehaviour::ChallengeNoResult,
        ThreeDsBehaviour::CresLies,
    ];

    /// The same in words, for people who look for a card.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            ThreeDsBehaviour::FrictionlessY => "authenticated without a question (Y)",
            ThreeDsBehaviour::FrictionlessA => "attempted (A)",
            ThreeDsBehaviour::FrictionlessN => "not authenticated (N)",
            ThreeDsBehaviour::FrictionlessU => "cannot be carried out (U)",
            ThreeDsBehaviour::FrictionlessR => "refused by the issuer (R)",
            ThreeDsBehaviour::Challenge => "challenge: type the code that the page shows",
            ThreeDsBehaviour::ChallengeFails => "challenge that fails, whatever is typed (N)",
            ThreeDsBehaviour::Error => "an error message (Erro) in place of an answer",
            ThreeDsBehaviour::Silent => "no answer",
            ThreeDsBehaviour::NotEnrolled => "not enrolled: in no card range of the directory",
            ThreeDsBehaviour::ChallengeNoResult => "challenge whose result (RReq) never comes",
            ThreeDsBehaviour::CresLies => "challenge: the browser says Y, the result says N",
        }
    }
}

//! What goes into the AReq: what the browser is, and what is bought.

use crate::element::{
    AccountNumber, AuthenticationIndicator, ChallengeIndicator, ColorDepth, Digits, ProtocolVersion, Text,
    TimeZoneMinutes, WebUrl,
};
use serde::{Deserialize, Serialize};
use tollgate_core::card::Expiry;
use tollgate_core::money::Money;
use tollgate_core::time::Timestamp;

/// What a browser is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserData {
    /// Its `Accept` header.
    pub accept_header: Text<1, 2048>,
    /// Its `User-Agent` header.
    pub user_agent: Text<1, 2048>,
    /// Its language.
    pub language: Text<1, 8>,
    /// Its address.
    pub ip: Option<Text<3, 45>>,
    /// What only a script can tell; `None` when it runs none.
    pub script: Option<ScriptData>,
}

/// What a script in the browser tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptData {
    /// Whether it runs Java.
    pub runs_java: bool,
    /// How many bits a colour has.
    pub color_depth: ColorDepth,
    /// The height of the screen, in pixels.
    pub screen_height: Digits<1, 6>,
    /// The width of the screen, in pixels.
    pub screen_width: Digits<1, 6>,
    /// Its distance from UTC.
    pub time_zone: TimeZoneMinutes,
}

/// The headers and the address of a browser, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrowserHeaders<'a> {
    /// `Accept`.
    pub accept: &'a str,
    /// `User-Agent`.
    pub user_agent: &'a str,
    /// `navigator.language`, or the first of `Accept-Language`.
    pub language: &'a str,
    /// Its address.
    pub ip: Option<&'a str>,
}

impl BrowserData {
    /// What is known of a browser. What is too long is cut, and what is empty gets the value that says nothing: the
    /// specification wants each of them, and a customer cannot be refused for a header.
    #[must_use]
    pub fn gather(headers: BrowserHeaders<'_>, script: Option<ScriptData>) -> BrowserData {
        let or =
            |text: &'static str| move |given: &str| if given.is_empty() { text.to_owned() } else { given.to_owned() };
        BrowserData {
            accept_header: Text::cut(&or("*/*")(headers.accept)),
            user_agent: Text::cut(&or("unknown")(headers.user_agent)),
            language: Text::cut(&or("en")(&language(headers.language))),
            ip: headers.ip.and_then(Text::parse),
            script,
        }
    }
}

/// As many subtags as fit into 8 characters.
fn language(tag: &str) -> String {
    let mut short = String::new();
    for subtag in tag.split('-') {
        let is_plain = !subtag.is_empty() && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_plain || short.len() + 1 + subtag.len() > 8 + usize::from(short.is_empty()) {
            break;
        }
        if !short.is_empty() {
            short.push('-');
        }
        short.push_str(subtag);
    }
    short
}

impl ColorDepth {
    /// The deepest known depth that is no deeper than `bits`: browsers tell 30, which the specification does not have.
    #[must_use]
    pub fn at_most(bits: u32) -> ColorDepth {
        let known = |depth: &&ColorDepth| depth.code().parse::<u32>().is_ok_and(|known| known <= bits);
        ColorDepth::ALL.iter().rev().find(known).copied().unwrap_or(ColorDepth::Bits1)
    }
}

/// What is bought, by whom, at whose shop: all that the AReq needs and the flow does not keep.
#[derive(Debug)]
pub struct Purchase {
    /// The card.
    pub account: AccountNumber,
    /// Its expiry.
    pub expiry: Option<Expiry>,
    /// The name on it.
    pub holder: Option<Text<2, 45>>,
    /// The customer's address for mails.
    pub email: Option<Text<3, 254>>,
    /// How much.
    pub money: Money,
    /// When.
    pub at: Timestamp,
    /// What the customer is authenticated for.
    pub indicator: AuthenticationIndicator,
    /// The shop.
    pub merchant: MerchantTerms,
    /// This 3DS Server.
    pub server: ServerTerms,
    /// Where the ACS posts the CRes.
    pub notification_url: WebUrl<256>,
}

/// A shop as the directory server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantTerms {
    /// Its number in the payment system's 3-D Secure.
    pub requestor_id: Text<1, 35>,
    /// Its name there.
    pub requestor_name: Text<1, 40>,
    /// Its website.
    pub requestor_url: WebUrl<2048>,
    /// Its number at the acquirer.
    pub acquirer_merchant_id: Text<1, 35>,
    /// Its category.
    pub category: Digits<4, 4>,
    /// Its country's number.
    pub country: Digits<3, 3>,
    /// Its name as the customer knows it.
    pub name: Text<1, 40>,
}

/// This 3DS Server as the directory server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTerms {
    /// The number that EMVCo gave it.
    pub reference: Text<1, 32>,
    /// The number that the payment system gave its operator.
    pub operator: Option<Text<1, 32>>,
    /// The acquirer's identification number.
    pub acquirer_bin: Digits<1, 11>,
    /// Where the directory server posts the RReq.
    pub results_url: WebUrl<2048>,
}

/// What is wished of a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeWish {
    /// Whatever the issuer thinks right.
    #[default]
    NoPreference,
    /// None, if it can be.
    NotWanted,
    /// None: the risk was analysed and is low. In 2.1 as [`ChallengeWish::NotWanted`].
    LowRisk,
    /// One.
    Wanted,
    /// One, since it has to be: the issuer declined softly for want of one.
    Mandated,
}

impl ChallengeWish {
    /// The value of `threeDSRequestorChallengeInd`.
    #[must_use]
    pub const fn indicator(self, version: ProtocolVersion) -> ChallengeIndicator {
        match (self, version) {
            (ChallengeWish::NoPreference, _) => ChallengeIndicator::NoPreference,
            (ChallengeWish::LowRisk, ProtocolVersion::V220) => ChallengeIndicator::LowRisk,
            (ChallengeWish::NotWanted | ChallengeWish::LowRisk, _) => ChallengeIndicator::NotWanted,
            (ChallengeWish::Wanted, _) => ChallengeIndicator::Wanted,
            (ChallengeWish::Mandated, _) => ChallengeIndicator::Mandated,
        }
    }
}

/// YYYYMMDDHHMMSS in UTC.
pub(super) fn purchase_date(at: Timestamp) -> Option<Digits<14, 14>> {
    let t = at.utc();
    Digits::parse(&format!("{:04}{:02}{:02}{:02}{:02}{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second))
}

//! What a merchant asks for, already typed. Made by the FORT wire, carried out by the use cases.

use crate::agreement::{Day, RecurringWish};
use crate::card::SecurityCode;
use crate::ident::FortId;
use crate::money::{Amount, Currency, Money};
use crate::order::PayKind;
use crate::secret::Secret;
use crate::three_ds::MpiResult;
use crate::time::Timestamp;
use crate::token::TokenStatus;
use std::fmt;

/// AUTHORIZATION or PURCHASE; or VERIFY_CARD, as [`PayKind::VerifyAccount`] with a card and no amount.
#[derive(Clone, Debug)]
pub struct PayCommand {
    /// Which of them.
    pub kind: PayKind,
    /// The merchant's order number, up to 40 characters.
    pub merchant_reference: String,
    /// How much.
    pub money: Money,
    /// Who is present, and how the card was given.
    pub eci: Eci,
    /// Card data in clear, as far as it was sent.
    pub card: Option<CardInput>,
    /// Card data as one encrypted text (`encrypted_card_data`), not decrypted yet.
    pub encrypted_card: Option<String>,
    /// A token in place of card data, or a name for a new one.
    pub token_name: Option<String>,
    /// The card's security code beside a token in place of card data.
    pub token_security_code: Option<SecurityCode>,
    /// Whether the card shall be kept for later, if the merchant says so.
    pub remember_me: Option<RememberMe>,
    /// The payment option the merchant preselected.
    pub payment_option: Option<String>,
    /// Whether the merchant asks to leave 3-D Secure out (`check_3ds=NO`).
    pub three_ds: ThreeDsWish,
    /// What the merchant's own MPI found out, not judged yet.
    pub authentication: Option<MpiResult>,
    /// A reference for the acquirer's settlement file, up to 34 characters.
    pub settlement_reference: Option<String>,
    /// The agreement that it opens or charges.
    pub recurring: RecurringWish,
    /// All non-empty parameters, masked: for the answer's echo and for the record.
    pub params: SafeParams,
}

/// Card data as sent: nothing of it has been judged yet.
#[derive(Clone, Debug, Default)]
pub struct CardInput {
    /// `card_number`.
    pub number: Option<Secret>,
    /// `expiry_date`, YYMM.
    pub expiry: Option<String>,
    /// `card_security_code`.
    pub security_code: Option<SecurityCode>,
    /// `card_holder_name`.
    pub holder: Option<String>,
}

/// Whether a card shall be kept for later payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RememberMe {
    /// Yes: under a name of our own, if the merchant sent none.
    Yes,
    /// No, not even under the merchant's own name.
    No,
}

/// Whether 3-D Secure shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreeDsWish {
    /// As the account is set up.
    Default,
    /// Left out for this transaction.
    Off,
}

/// CAPTURE, VOID_AUTHORIZATION or REFUND of an order.
#[derive(Clone, Debug)]
pub struct MaintainCommand {
    /// Which.
    pub kind: MaintainKind,
    /// The order.
    pub target: OrderTarget,
    /// How much; `None` for a void, which ignores an amount.
    pub money: Option<Money>,
    /// REFUND: the merchant's own reference of this refund, new for each.
    pub maintenance_reference: Option<String>,
    /// All non-empty parameters, masked.
    pub params: SafeParams,
}

/// Operations on an order that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintainKind {
    /// Take money that an authorization holds.
    Capture,
    /// Give up an authorization.
    Void,
    /// Give money back.
    Refund,
}

/// CHECK_STATUS.
#[derive(Clone, Debug)]
pub struct StatusCommand {
    /// The order.
    pub target: OrderTarget,
    /// `return_third_party_response_codes=YES`.
    pub third_party_codes: ThirdPartyCodes,
}

/// CHECK_VERIFY_CARD_STATUS.
#[derive(Clone, Debug)]
pub struct VerificationStatusCommand {
    /// The reference of the VERIFY_CARD request.
    pub merchant_reference: String,
}

/// UPDATE_AGREEMENT: what is not given stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateAgreementCommand {
    /// The agreement.
    pub agreement_id: String,
    /// Where its schedule shall stand.
    pub status: Option<ScheduleStatusWish>,
    /// What each charge shall be that has not begun.
    pub amount: Option<Amount>,
    /// The token that shall be charged from now on.
    pub token_name: Option<String>,
    /// The day of the next charge, from which the cycle is counted anew.
    pub next_day: Option<Day>,
}

/// Where a schedule shall stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleStatusWish {
    /// It shall charge; one that does is left as it is.
    Active,
    /// It shall not until it is resumed; one that is paused is left as it is.
    Paused,
    /// It shall never again, and its agreement ends with it.
    Cancelled,
}

impl ScheduleStatusWish {
    /// Reads a value of `agreement_status`.
    #[must_use]
    pub fn parse(name: &str) -> Option<ScheduleStatusWish> {
        match name {
            "ACTIVE" => Some(ScheduleStatusWish::Active),
            "PAUSED" => Some(ScheduleStatusWish::Paused),
            "CANCELLED" => Some(ScheduleStatusWish::Cancelled),
            _ => None,
        }
    }
}

/// CHECK_AGREEMENT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckAgreementCommand {
    /// The agreement.
    pub agreement_id: String,
}

/// UPDATE_TOKEN.
#[derive(Clone, Debug)]
pub struct UpdateTokenCommand {
    /// The token.
    pub token_name: String,
    /// Its next name.
    pub new_token_name: Option<String>,
    /// `expiry_date`, YYMM, not judged yet.
    pub expiry: Option<String>,
    /// `card_holder_name`.
    pub holder: Option<String>,
    /// The currency to note with it.
    pub currency: Option<Currency>,
    /// On or off.
    pub status: Option<TokenStatus>,
}

/// TOKENIZATION or CREATE_TOKEN.
#[derive(Clone, Debug)]
pub struct TokenizeCommand {
    /// Which of the two.
    pub kind: TokenizeKind,
    /// The merchant's reference, which this does not use up.
    pub merchant_reference: String,
    /// Card data in clear, as far as it was sent.
    pub card: Option<CardInput>,
    /// The merchant's own name for the token.
    pub token_name: Option<String>,
    /// The currency to note with it.
    pub currency: Option<Currency>,
    /// Whether the card shall be kept for later, if somebody says so.
    pub remember_me: Option<RememberMe>,
}

/// The ways to make a token without a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizeKind {
    /// For the payment that follows.
    Tokenization,
    /// For later.
    CreateToken,
}

/// GET_TOKENS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTokensCommand {
    /// Only tokens made at this moment or later.
    pub from: Option<Timestamp>,
    /// Only tokens made in this second or earlier.
    pub to: Option<Timestamp>,
    /// Only the token of this name.
    pub token_name: Option<String>,
}

/// Whether the network's own codes are wanted in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThirdPartyCodes {
    /// Yes.
    Wanted,
    /// No.
    Unwanted,
}

/// How an order is named: by the merchant's reference, by our number, or by both, which must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderTarget {
    /// By `merchant_reference`.
    Reference(String),
    /// By `fort_id`.
    FortId(FortId),
    /// By both.
    Both(String, FortId),
}

/// The e-commerce indicator of FORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Eci {
    /// The customer is at a browser.
    Ecommerce,
    /// Mail order or telephone order.
    Moto,
    /// A later payment of an agreement.
    Recurring,
}

impl Eci {
    /// The value of `eci`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Eci::Ecommerce => "ECOMMERCE",
            Eci::Moto => "MOTO",
            Eci::Recurring => "RECURRING",
        }
    }

    /// Reads a value of `eci`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Eci> {
        [Eci::Ecommerce, Eci::Moto, Eci::Recurring].into_iter().find(|eci| eci.name() == name)
    }
}

impl fmt::Display for Eci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Request parameters that may be kept and shown: only non-empty ones, in the order of the message,
/// numbers as text, card numbers masked, security codes and signatures left out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SafeParams {
    /// Names and values, one behind the other: one piece of memory for all of them.
    text: String,
    /// Where each name and each value ends in `text`.
    ends: Vec<usize>,
}

/// One parameter of [`SafeParams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeParam<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value as text, never empty.
    pub value: &'a str,
}

impl SafeParams {
    /// Under this name the customer's address is kept where the gateway saw it itself: on its pages, when the merchant sent
    /// no `customer_ip`. It is told in place of that one, but for refusals, which repeat what was sent.
    pub const CUSTOMER_IP_SEEN: &'static str = "customer_ip_seen";

    /// Under this name the `payment_link_id` is kept with the payment of a payment link, and told under its own name.
    pub const PAYMENT_LINK: &'static str = "paid_payment_link_id";

    /// Under this name the due date is kept that the gateway charges by itself; it is told as `recurring_due_date`.
    pub const DUE_DATE: &'static str = "charged_due_date";

    /// Under this name it is kept which attempt of its due date the charge is; it is told as `recurring_attempt`.
    pub const DUE_ATTEMPT: &'static str = "charged_due_attempt";

    /// None yet, with room for `params` of them that have `bytes` bytes in all.
    #[must_use]
    pub fn with_capacity(params: usize, bytes: usize) -> SafeParams {
        SafeParams { text: String::with_capacity(bytes), ends: Vec::with_capacity(params * 2) }
    }

    /// The value of the parameter `name`, if it was sent non-empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|param| param.name == name).map(|param| param.value)
    }

    /// What names the customer, in lower case: `customer_email`, the only parameter that every payment has about the
    /// one who pays.
    #[must_use]
    pub fn customer(&self) -> Option<String> {
        self.get("customer_email").map(str::to_lowercase)
    }

    /// All of them in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = SafeParam<'_>> {
        let mut start = 0;
        let mut next = move |end: usize| self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
        self.ends.chunks_exact(2).filter_map(move |ends| match *ends {
            [name, value] => Some(SafeParam { name: next(name), value: next(value) }),
            _ => None,
        })
    }

    /// Adds a parameter at the end; an empty value is left out.
    pub fn push(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            for part in [name, value] {
                self.text.push_str(part);
                self.ends.push(self.text.len());
            }
        }
    }
}

impl fmt::Debug for SafeParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|param| (param.name, param.value))).finish()
    }
}

impl serde::Serialize for SafeParams {
    /// A map in message order.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|param| (param.name, param.value)))
    }
}

impl<'de> serde::Deserialize<'de> for SafeParams {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = SafeParams;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<SafeParams, A::Error> {
                let mut params = SafeParams::default();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    params.push(&name, &value);
                }
                Ok(params)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

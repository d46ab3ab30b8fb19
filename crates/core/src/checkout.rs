//! A customer at the gateway's own pages, on behalf of one payment or of one token.
//!
//! A checkout is begun by a form of the merchant's (redirection, standard merchant page) or by a payment that needs 3-D
//! Secure. It has an end by itself, and outlives the gateway's process.

use crate::agreement::RecurringWish;
use crate::answer::TokenFacts;
use crate::card::{CardFacts, Expiry, SecurityCode};
use crate::code::ResponseCode;
use crate::command::{CardInput, Eci, PayCommand, RememberMe, SafeParams, ThreeDsWish, TokenizeCommand, TokenizeKind};
use crate::ident::{FortId, MerchantId};
use crate::money::{Amount, Currency, Money};
use crate::order::PayKind;
use crate::payment_link::PaymentLinkId;
use crate::scope::Route;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::token::Token;

/// How long a customer has, in milliseconds, from the form that began it.
pub const CHECKOUT_MS_MAX: u64 = 15 * 60_000;
/// How long the end of one can be read again after it, in milliseconds: for a page that is loaded anew.
pub const CHECKOUT_KEPT_MS: u64 = 24 * 60 * 60_000;
/// How many cards a customer may try on one page at most; an account may allow fewer ([`crate::page::CardTries`]).
pub const TRIES_MAX: u8 = 9;

/// The number of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CheckoutId(pub i64);

/// A customer at our pages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkout {
    /// Its number.
    pub id: CheckoutId,
    /// Whose customer.
    pub merchant: MerchantId,
    /// The access code of the request that began it: the answer is signed with its phrase.
    pub access_code: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The parameters of the request that began it, masked: for the page, the answer's echo and the record.
    pub params: SafeParams,
    /// When it was begun, or begun again.
    pub opened_at: Timestamp,
    /// When the customer's time is over.
    pub expires_at: Timestamp,
    /// When it has to be looked at next, if nothing happens before: at the latest then.
    pub due_at: Timestamp,
    /// When the authentication that is under way is given up, where that is before the customer's time is over: at a
    /// payment link, which lives longer than anybody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_until: Option<Timestamp>,
    /// The payment link that began it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_link: Option<PaymentLinkId>,
    /// How many cards were tried.
    pub tries: u8,
    /// How many may be tried: as the account said when it was begun.
    #[serde(default = "tries_max")]
    pub tries_max: u8,
    /// Where it stands.
    pub step: Step,
    /// What authentications of the customer came to, a sentence for each, the oldest first.
    #[serde(default)]
    pub told: Vec<String>,
    /// What stays of authentications that are over, as `tollgate-threeds` writes it: how their results are answered.
    #[serde(default)]
    pub past: Vec<String>,
    /// Grows with each change.
    pub version: u32,
}

/// What a checkout may try that was written before accounts had a say.
const fn tries_max() -> u8 {
    TRIES_MAX
}

impl Checkout {
    /// The order that it is for, if it is one.
    #[must_use]
    pub const fn order(&self) -> Option<FortId> {
        match &self.purpose {
            Purpose::Pay(pay) => Some(pay.fort_id),
            Purpose::Tokenize(_) => None,
        }
    }

    /// Whether nothing follows any more.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.step, Step::Ended(_))
    }

    /// Whether the customer's time is over at `now`.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Whether the authentication under way is to be given up at `now`, although the customer's time goes on.
    #[must_use]
    pub fn try_is_late(&self, now: Timestamp) -> bool {
        self.try_until.is_some_and(|until| now >= until)
    }

    /// The same one version on, at another step.
    #[must_use]
    pub fn at(&self, step: Step) -> Checkout {
        let try_until = self.try_until.filter(|_| matches!(step, Step::Authentication(_)));
        let version = self.version.saturating_add(1);
        Checkout { step, due_at: self.expires_at, try_until, version, ..self.clone() }
    }
}

/// What a checkout is for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A payment.
    Pay(Box<PayWish>),
    /// A token.
    Tokenize(Box<TokenWish>),
}

/// Where a checkout stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The customer chooses a card. Of a payment under way or over, the order tells.
    Card,
    /// The customer is authenticated: the state of that, as `tollgate-threeds` writes it.
    Authentication(String),
    /// The customer's browser only has to come by: the card is known, and nobody authenticates.
    PassBy,
    /// It is over.
    Ended(End),
}

/// How a checkout ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A payment was tried, or was given up for want of an authentication or of time: what came of it, its order tells.
    AsOrder,
    /// The customer cancelled.
    Cancelled,
    /// The customer's time was over, and there was no order to tell of it.
    TimedOut,
    /// A card was kept, or not.
    Token(Box<TokenEnd>),
}

/// What came of keeping a card.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenEnd {
    /// What the merchant is told.
    pub code: ResponseCode,
    /// The token's name, if there is one.
    pub token_name: Option<String>,
    /// The card.
    pub card: Option<CardFacts>,
    /// The token.
    pub token: Option<TokenFacts>,
}

impl TokenEnd {
    /// A card is kept under this token, and the merchant is told `code`.
    #[must_use]
    pub fn kept(code: ResponseCode, token: &Token) -> TokenEnd {
        TokenEnd {
            code,
            token_name: Some(token.name.clone()),
            card: Some(token.card.clone()),
            token: Some(TokenFacts::from(token)),
        }
    }

    /// No card is kept, and the merchant is told why.
    #[must_use]
    pub const fn not_kept(code: ResponseCode) -> TokenEnd {
        TokenEnd { code, token_name: None, card: None, token: None }
    }
}

/// A payment that waits for its customer: the merchant's request without what is never kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PayWish {
    /// The order.
    pub fort_id: FortId,
    /// Which of AUTHORIZATION and PURCHASE.
    pub kind: PayKind,
    /// The merchant's order number.
    pub merchant_reference: String,
    /// How much, in minor units,
    pub amount_minor: u64,
    /// of this currency.
    pub currency: Currency,
    /// The e-commerce indicator.
    pub eci: Eci,
    /// A token to pay with, or a name for a new one.
    pub token_name: Option<String>,
    /// Whether the card shall be kept.
    pub remember_me: Option<RememberMe>,
    /// The payment option that the merchant chose.
    pub payment_option: Option<String>,
    /// Whether 3-D Secure shall be left out.
    pub three_ds: ThreeDsWish,
    /// A reference for the acquirer's settlement file.
    pub settlement_reference: Option<String>,
    /// The number of the route by which the card came ([`crate::scope::Route`]).
    pub route: u8,
}

impl PayWish {
    /// What is kept of a command.
    #[must_use]
    pub fn of(fort_id: FortId, command: &PayCommand, route: Route) -> PayWish {
        PayWish {
            fort_id,
            kind: command.kind,
            merchant_reference: command.merchant_reference.clone(),
            amount_minor: command.money.amount.minor(),
            currency: command.money.currency,
            eci: command.eci,
            token_name: command.token_name.clone(),
            remember_me: command.remember_me,
            payment_option: command.payment_option.clone(),
            three_ds: command.three_ds,
            settlement_reference: command.settlement_reference.clone(),
            route: route.number(),
        }
    }

    /// How much.
    #[must_use]
    pub fn money(&self) -> Money {
        // It was an amount when it was kept.
        let amount = Amount::from_minor(self.amount_minor).unwrap_or(Amount::ZERO);
        Money { amount, currency: self.currency }
    }

    /// The command again, with what the customer has typed.
    #[must_use]
    pub fn command(&self, typed: Typed, params: &SafeParams) -> PayCommand {
        let (card, code) = match typed.card {
            TypedCard::New(card) => (Some(card), None),
            TypedCard::CodeOfToken(code) => (None, code),
        };
        PayCommand {
            kind: self.kind,
            merchant_reference: self.merchant_reference.clone(),
            money: self.money(),
            eci: self.eci,
            card,
            encrypted_card: None,
            authentication: None,
            token_name: self.token_name.clone(),
            token_security_code: code,
            remember_me: typed.remember_me.or(self.remember_me),
            payment_option: self.payment_option.clone(),
            three_ds: self.three_ds,
            settlement_reference: self.settlement_reference.clone(),
            recurring: RecurringWish::of_params(params),
            params: params.clone(),
        }
    }
}

/// A card that is to be kept under a token.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenWish {
    /// Which of TOKENIZATION and CREATE_TOKEN.
    pub kind: TokenizeKind,
    /// The merchant's reference, which this does not use up.
    pub merchant_reference: String,
    /// The merchant's own name for the token.
    pub token_name: Option<String>,
    /// The currency to note with it.
    pub currency: Option<Currency>,
    /// Whether the card shall be kept for later.
    pub remember_me: Option<RememberMe>,
}

impl TokenWish {
    /// What is kept of a command.
    #[must_use]
    pub fn of(command: &TokenizeCommand) -> TokenWish {
        TokenWish {
            kind: command.kind,
            merchant_reference: command.merchant_reference.clone(),
            token_name: command.token_name.clone(),
            currency: command.currency,
            remember_me: command.remember_me,
        }
    }

    /// The command again, with the card that the customer has typed.
    #[must_use]
    pub fn command(&self, card: CardInput, remember_me: Option<RememberMe>) -> TokenizeCommand {
        TokenizeCommand {
            kind: self.kind,
            merchant_reference: self.merchant_reference.clone(),
            card: Some(card),
            token_name: self.token_name.clone(),
            currency: self.currency,
            remember_me: remember_me.or(self.remember_me),
        }
    }
}

/// What a customer has typed on the page.
#[derive(Clone, Debug)]
pub struct Typed {
    /// The card.
    pub card: TypedCard,
    /// Whether the customer wants it kept, where the page asks.
    pub remember_me: Option<RememberMe>,
}

impl TypedCard {
    /// A whole card; the code is dropped where it is none.
    #[must_use]
    pub fn whole(number: Secret, expiry: Expiry, code: &Secret, holder: Option<String>) -> TypedCard {
        TypedCard::New(CardInput {
            number: Some(number),
            expiry: Some(expiry.to_string()),
            security_code: SecurityCode::parse(code.reveal()),
            holder,
        })
    }

    /// The code of a card that is kept.
    #[must_use]
    pub fn code(code: &Secret) -> TypedCard {
        TypedCard::CodeOfToken(SecurityCode::parse(code.reveal()))
    }
}

/// The card that a customer has typed.
#[derive(Clone, Debug)]
pub enum TypedCard {
    /// A new one.
    New(CardInput),
    /// The security code of the card that a token has.
    CodeOfToken(Option<SecurityCode>),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn checkout(step: Step) -> Checkout {
        let wish = PayWish {
            fort_id: FortId(7),
            kind: PayKind::Purchase,
            merchant_reference: "R-1".into(),
            amount_minor: 15_000,
            currency: Currency::from_alpha("AED").unwrap(),
            eci: Eci::Ecommerce,
            token_name: None,
            remember_me: Some(RememberMe::Yes),
            payment_option: None,
            three_ds: ThreeDsWish::Default,
            settlement_reference: None,
            route: Route::HostedPage.number(),
        };
        Checkout {
            id: CheckoutId(7),
            merchant: MerchantId(1),
            access_code: "access".into(),
            purpose: Purpose::Pay(Box::new(wish)),
            params: SafeParams::default(),
            opened_at: Timestamp(0),
            expires_at: Timestamp(0).plus_ms(CHECKOUT_MS_MAX),
            due_at: Timestamp(0).plus_ms(CHECKOUT_MS_MAX),
            try_until: None,
            payment_link: None,
            tries: 0,
            tries_max: TRIES_MAX,
            step,
            told: vec!["authenticated".into()],
            past: vec!["{}".into()],
            version: 1,
        }
    }

    #[test]
    fn a_checkout_reads_back_at_every_step() {
        let token = TokenEnd { code: crate::code::TOKENIZED, token_name: Some("t".into()), card: None, token: None };
        let ends = [End::AsOrder, End::Cancelled, End::TimedOut, End::Token(Box::new(token))].map(Step::Ended);
        for step in [Step::Card, Step::Authentication("{}".into())].into_iter().chain(ends) {
            let one = checkout(step);
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<Checkout>(&text).unwrap(), one, "{text}");
        }
    }

    #[test]
    fn its_time_is_over_at_its_last_moment() {
        let one = checkout(Step::Card);
        assert!(!one.is_late(Timestamp(one.expires_at.0 - 1)) && one.is_late(one.expires_at));
        assert!(!one.has_ended() && one.at(Step::Ended(End::Cancelled)).has_ended());
        assert_eq!((one.order(), one.at(Step::Card).version), (Some(FortId(7)), 2));
    }

    #[test]
    fn the_end_of_a_try_is_that_of_its_authentication_alone() {
        let held = Checkout { try_until: Some(Timestamp(5)), ..checkout(Step::Authentication("{}".into())) };
        assert!(!held.try_is_late(Timestamp(4)) && held.try_is_late(Timestamp(5)));
        assert_eq!(held.at(Step::Authentication("{1}".into())).try_until, Some(Timestamp(5)));
        assert_eq!(held.at(Step::Card).try_until, None);
    }
}

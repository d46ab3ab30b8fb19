//! What goes back to the merchant, before it becomes FORT parameters.

use crate::agreement::{Day, RecurringMode};
use crate::batch::BatchId;
use crate::billing::BillingCycle;
use crate::card::CardFacts;
use crate::code::ResponseCode;
use crate::command::Eci;
use crate::ident::FortId;
use crate::money::{Amount, Currency, Money};
use crate::order::Totals;
use crate::payment_link::LinkStatus;
use crate::schedule::LastAttempt;
use crate::time::Timestamp;
use crate::token::{Token, TokenStatus};

/// The facts of an answer. The FORT wire decides which of them a service shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The five-digit code.
    pub code: ResponseCode,
    /// The order, once it exists.
    pub order: Option<OrderFacts>,
    /// The card, once an order was made with it.
    pub card: Option<CardFacts>,
    /// The e-commerce indicator that counted.
    pub eci: Option<Eci>,
    /// On approval.
    pub authorization_code: Option<String>,
    /// The network's response code, where it is told: on a decline, and in direct feedback.
    pub acquirer_code: Option<String>,
    /// Where the customer has to go to be authenticated, with 20064 alone.
    pub three_ds_url: Option<String>,
    /// The token that the payment used, or made by its success.
    pub token_name: Option<String>,
    /// The agreement that the payment charged, or opened by its success.
    pub agreement_id: Option<String>,
    /// What becomes of a `token_name` that the client sent, when the answer has none of its own.
    pub token_echo: TokenEcho,
    /// CHECK_STATUS of an order that was found.
    pub status: Option<StatusFacts>,
    /// UPDATE_TOKEN that was done: the token as it is now.
    pub token: Option<TokenFacts>,
    /// GET_TOKENS that was done: the tokens, oldest first.
    pub tokens: Option<Vec<Token>>,
    /// A batch that is told of.
    pub batch: Option<BatchFacts>,
    /// A payment link that was made, changed or asked for.
    pub link: Option<Box<LinkFacts>>,
    /// An agreement that was changed or asked for.
    pub agreement: Option<Box<AgreementFacts>>,
    /// How many rows a report has that was asked for.
    pub report_rows: Option<u64>,
}

/// What an answer tells of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// Its number.
    pub id: BatchId,
    /// How many rows its file has, once they were judged.
    pub rows: Option<u32>,
    /// When its rows begin, of one that waits for its date.
    pub execute_at: Option<Timestamp>,
}

/// What becomes of a `token_name` that the client sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenEcho {
    /// It comes back.
    #[default]
    Sent,
    /// It is left out: the token was deleted while its payment was under way.
    Withheld,
}

impl Answer {
    /// A bare code.
    #[must_use]
    pub const fn bare(code: ResponseCode) -> Answer {
        Answer {
            code,
            order: None,
            card: None,
            eci: None,
            authorization_code: None,
            acquirer_code: None,
            three_ds_url: None,
            token_name: None,
            agreement_id: None,
            token_echo: TokenEcho::Sent,
            status: None,
            token: None,
            tokens: None,
            batch: None,
            link: None,
            agreement: None,
            report_rows: None,
        }
    }
}

/// What an answer about an agreement tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementFacts {
    /// How it stands: the word of its schedule's state, or of its own where it has none.
    pub status: &'static str,
    /// Why it is paused or has ended, in words.
    pub note: Option<&'static str>,
    /// What kind of agreement it is.
    pub mode: RecurringMode,
    /// What each charge is.
    pub money: Money,
    /// The token that is charged.
    pub token_name: String,
    /// How many charges succeeded, without the payment that opened it.
    pub charges_done: u32,
    /// How many may still begin; `None` is no limit.
    pub charges_left: Option<u32>,
    /// When the gateway charges it by itself; `None` where the merchant does.
    pub schedule: Option<ScheduleFacts>,
}

/// What an answer tells of the charges that the gateway begins by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleFacts {
    /// The billing cycle.
    pub cycle: BillingCycle,
    /// The charge that comes, or is under way; `None` when none comes.
    pub next: Option<NextCharge>,
    /// The newest charge that has an outcome.
    pub last: Option<LastAttempt>,
}

/// A charge that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextCharge {
    /// On which day, in the merchant's time zone.
    pub day: Day,
    /// Which try of its due date it is, from 1.
    pub attempt: u32,
}

/// What an answer about a payment link tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// `payment_link_id`.
    pub name: String,
    /// Its address.
    pub url: String,
    /// What is to be paid.
    pub amount: Amount,
    /// How it stands.
    pub status: LinkStatus,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// How often customers have opened it.
    pub openings: u64,
}

/// How an order is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Our number.
    pub fort_id: FortId,
    /// The merchant's.
    pub merchant_reference: String,
}

/// What CHECK_STATUS tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFacts {
    /// The code of the last operation.
    pub transaction_code: ResponseCode,
    /// The sums.
    pub totals: Totals,
    /// The issuer's authorization code, once approved.
    pub authorization_code: Option<String>,
    /// The network's codes, when they are wanted and known.
    pub network: Option<NetworkFacts>,
}

/// What an answer about a token tells besides its card.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenFacts {
    /// Whether it may be used.
    pub status: TokenStatus,
    /// The leading digits of the card number that name the issuer.
    pub bin: String,
    /// The currency that the merchant notes with it.
    pub currency: Option<Currency>,
    /// When the name came into use.
    pub created_at: Timestamp,
}

impl From<&Token> for TokenFacts {
    fn from(token: &Token) -> TokenFacts {
        TokenFacts {
            status: token.status,
            bin: token.bin.clone(),
            currency: token.currency,
            created_at: token.created_at,
        }
    }
}

/// The network's own codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFacts {
    /// ISO 8583:1987 field 39.
    pub acquirer_code: String,
    /// A word for it: `APPROVED` or `DECLINED`.
    pub processor_code: &'static str,
}

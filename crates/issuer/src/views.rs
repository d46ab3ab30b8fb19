//! What the admin port answers: plain types, for its clients too. Card numbers appear as masks only.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `up`, or `down` when the ledger takes nothing any more.
    pub status: String,
    /// Open connections of acquirers.
    pub connections: u64,
}

/// `GET /clock`, and `POST /clock` with the offset alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockView {
    /// How far the network's clock goes before the one it was started with, in microseconds. It cannot be
    /// made smaller.
    pub offset_us: i64,
    /// What the clock shows, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// `GET /ledger/totals`: the truth that a gateway's own sums can be held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerTotals {
    /// How many entries there are, declines included.
    pub entries: u64,
    /// The sums by currency, in alphabetical order; a currency that was never used is not there.
    pub currencies: Vec<LedgerCurrencyTotals>,
}

/// The sums of all accounts in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerCurrencyTotals {
    /// ISO 4217 alphabetic code.
    pub currency: String,
    /// Held and not captured: a gateway's `held`.
    pub held: u64,
    /// Purchases and captures without those that were reversed: a gateway's `captured`.
    pub posted: u64,
    /// Refunds without those that were reversed: a gateway's `refunded`.
    pub refunded: u64,
    /// How many entries there are, declines included.
    pub entries: u64,
}

/// An entry of `GET /ledger/entries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its number, from 1.
    pub sequence: u64,
    /// When it was decided, RFC 3339.
    pub at: String,
    /// The message type of its first transmission.
    pub message_type: String,
    /// Field 32.
    pub acquirer: u64,
    /// Field 11, six digits.
    pub stan: String,
    /// Field 7, MMDDhhmmss.
    pub transmission_time: String,
    /// Field 37.
    pub rrn: String,
    /// The account's number.
    pub account: u32,
    /// First six and last four digits of the card number.
    pub mask: String,
    /// ISO 4217 alphabetic code.
    pub currency: String,
    /// Field 4, minor units.
    pub amount: u64,
    /// Field 39 of the answer.
    pub response_code: String,
    /// Field 38 of the answer.
    pub authorization_code: Option<String>,
    /// Field 48 subelement 63 of the answer: how the network named a payment that it approved.
    pub network_transaction_id: Option<String>,
    /// Who began a payment with a kept card: `customer` or `merchant`.
    pub initiator: Option<String>,
    /// Field 48 subelement 21: `1` first or `2` later, and `R` recurring, `S` standing order or `U` unscheduled.
    pub credential: Option<String>,
    /// Field 48 subelement 22: the payment of the cardholder's own that it goes back to.
    pub original_transaction_id: Option<String>,
    /// Of one that the merchant began: `linked`, or `unlinked` where it named no payment of the cardholder's own.
    pub link: Option<String>,
    /// `none`, `hold`, `purchase`, `capture`, `refund`, `void`, `reversal` or `tombstone`.
    pub effect: String,
    /// The number of the entry it was done to.
    pub target: Option<u64>,
    /// By how much it moved the money held, minor units.
    pub held_delta: i64,
    /// By how much it moved the money posted, minor units.
    pub posted_delta: i64,
    /// By how much it moved the money refunded, minor units.
    pub refunded_delta: i64,
}

/// An account of `GET /accounts` and `GET /accounts/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its number.
    pub id: u32,
    /// First six and last four digits of the card number.
    pub mask: String,
    /// Its sums, for each currency it was used in.
    pub balances: Vec<AccountBalance>,
}

/// The sums of an account in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBalance {
    /// ISO 4217 alphabetic code.
    pub currency: String,
    /// What may still be spent.
    pub open_to_buy: u64,
    /// Held and not captured.
    pub held: u64,
    /// Purchases and captures without those that were reversed.
    pub posted: u64,
    /// Refunds without those that were reversed.
    pub refunded: u64,
}

/// `GET /messages/stats`: since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStats {
    /// Messages for the ledger, by type of first transmission.
    pub received: BTreeMap<String, u64>,
    /// What they were answered with (field 39), also where the answer was withheld or spoilt on purpose.
    pub answered: BTreeMap<String, u64>,
    /// Messages that were answered as an earlier one of the same name.
    pub repeats: u64,
    /// Messages under the name of another one.
    pub names_taken: u64,
    /// Reversals of messages that had not arrived.
    pub tombstones: u64,
    /// Sign-on, sign-off and echo.
    pub network_management: u64,
    /// Messages that could be read and not done (12, 14, 30, 91).
    pub refused: u64,
    /// Frames that were no message.
    pub unreadable: u64,
    /// Messages that have no answer, such as answers.
    pub unanswerable: u64,
    /// Answers that wait on purpose.
    pub answers_delayed: u64,
    /// Answers that found no connection, or no room in it.
    pub answers_lost: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted.
    pub connections_total: u64,
    /// Connections turned away because there were too many.
    pub connections_refused: u64,
}

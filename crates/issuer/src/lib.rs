//! The sandbox card network: an ISO 8583 host of its own, with accounts and a ledger.
//!
//! It stands at the other end of the wire that `docs/wire.md` describes and knows nothing of the gateway. What it does
//! to which card is in [`Behaviours`] and, for people, in `docs/sandbox.md`.
//!
//! A walk through one message:
//!
//! 1. `host`: a connection's bytes become frames and messages; sign-on and echo are answered at once.
//! 2. `read`: a message becomes what it asks for, or a refusal (30, 14, 12). `wish`: card, expiry and amount may ask
//!    for a misbehaviour.
//! 3. `ledger`: one thread takes whatever waits, lets `decide` judge each against the `book`, writes all new entries
//!    into its file in one commit, and only then hands the answers back.
//! 4. `answer`: rendered, spoilt where a behaviour says so, and written, many to a write.
//!
//! Beside it stand a directory server and an ACS of 3-D Secure 2, which browsers and the gateway reach over HTTP: see
//! `three_ds`.
//!
//! Card numbers live in memory while a message is answered. The file has a keyed hash and a mask of each.

mod account_key;
mod accounts;
mod admin;
mod answer;
mod behaviours;
mod book;
mod credential;
mod decide;
mod echo;
mod entry;
mod faults;
mod host;
mod issuer;
mod ledger;
mod ledger_file;
#[cfg(test)]
mod model;
mod moved_clock;
mod payment;
mod proof;
mod read;
mod request;
mod response_code;
mod settings;
mod stats;
mod text;
mod three_ds;
mod views;
mod web;
mod wish;

pub use account_key::AccountKeyError;
pub use behaviours::{AmountBehaviour, AmountCard, Behaviour, Behaviours, BehavioursError, CardBehaviour, Source};
pub use faults::{FaultOperation, FaultView, FaultWish};
pub use issuer::{Issuer, IssuerError};
pub use ledger_file::LedgerFileError;
pub use response_code::ResponseCode;
pub use settings::{Exposure, IssuerLimits, IssuerSettings};
pub use three_ds::{AuthoritiesError, CardRangesError, ThreeDsBehaviour};
pub use views::{
    AccountBalance, AccountView, ClockView, Health, LedgerCurrencyTotals, LedgerEntry, LedgerTotals, MessageStats,
};

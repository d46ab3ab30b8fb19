//! What the sandbox network does, by card and by amount.
//!
//! `data/behaviours.toml` is the one source: the network follows it, `docs/sandbox.md` shows it, tests walk over it.

use crate::response_code::ResponseCode;
use crate::three_ds::ThreeDsBehaviour;
use serde::Deserialize;
use std::fmt::Write as _;
use thiserror::Error;
use tollgate_core::bin::Brand;
use tollgate_core::card::{Expiry, Pan, RevealPermit};

/// The table compiled into the crate.
const BUILTIN: &str = include_str!("../data/behaviours.toml");
/// One above the highest number that five digits make.
const LAST_DIGITS_END: u32 = 100_000;

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The ledger decides: funds, holds and names.
    Approve,
    /// Declined with this code. By card: authorizations and purchases; by amount: every message that moves it.
    Decline(ResponseCode),
    /// Payments are approved, captures and refunds declined with this code.
    DeclineLater(ResponseCode),
    /// E-commerce payments are declined with `1A` unless they are authenticated or exempt.
    ThreeDSecure,
    /// The answer comes after `slow_ms`.
    Slow,
    /// The answer comes after `late_ms`.
    Late,
    /// Booked, and never answered.
    Silent,
    /// Answered twice.
    Doubled,
    /// Answered with bytes that are no message.
    Garbage,
    /// Answered with a message whose end is missing.
    CutShort,
    /// Answered without field 39.
    NoCode,
    /// Answered with another amount in field 4.
    WrongAmount,
    /// The link drops and nothing is booked.
    DropBefore,
    /// Booked; then the link drops in place of an answer.
    DropAfter,
}

impl Behaviour {
    /// Reads a name as the tables have it, with the code of a decline behind a colon: `late`, `decline:51`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Behaviour, &'static str> {
        let (name, code) = match text.split_once(':') {
            Some((name, code)) => (name, Some(code)),
            None => (text, None),
        };
        read_behaviour(name, code)
    }
}

/// Where a card's behaviour comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A test card of the payment service's public documents.
    Published,
    /// Public test data of a card gateway, not of the payment service.
    ThirdParty,
    /// Made up for this sandbox.
    Tollgate,
}

/// A card and what its messages come to.
#[derive(Clone, Debug)]
pub struct CardBehaviour {
    pan: Pan,
    /// The brand that the number has.
    pub brand: Brand,
    /// The only expiry date for which this counts; `None`: all that no other row names.
    pub expiry: Option<Expiry>,
    /// What happens.
    pub behaviour: Behaviour,
    /// What an authentication comes to; of a row with an expiry date it is that of the row without.
    pub three_ds: ThreeDsBehaviour,
    /// Who says so.
    pub source: Source,
    /// The same in words.
    pub note: String,
}

impl CardBehaviour {
    /// The card number: a test number, shown to those who want to use the sandbox.
    #[must_use]
    pub fn number(&self) -> &str {
        self.pan.reveal(&RevealPermit::granted("to show a published test number"))
    }

    /// The same, as a secret.
    #[must_use]
    pub const fn pan(&self) -> &Pan {
        &self.pan
    }
}

/// A card on which the amount decides.
#[derive(Clone, Debug)]
pub struct AmountCard {
    pan: Pan,
    /// The brand that the number has.
    pub brand: Brand,
}

impl AmountCard {
    /// The card number: a test number, shown to those who want to use the sandbox.
    #[must_use]
    pub fn number(&self) -> &str {
        self.pan.reveal(&RevealPermit::granted("to show a published test number"))
    }

    /// The same, as a secret.
    #[must_use]
    pub const fn pan(&self) -> &Pan {
        &self.pan
    }
}

/// An amount and what follows on an [`AmountCard`].
#[derive(Clone, Debug)]
pub struct AmountBehaviour {
    /// The last five digits of the amount in minor units, 0 to 99,999.
    pub last_digits: u32,
    /// What happens.
    pub behaviour: Behaviour,
    /// The same in words.
    pub note: String,
}

/// The whole table.
#[derive(Clone, Debug)]
pub struct Behaviours {
    cards: Vec<CardBehaviour>,
    amount_cards: Vec<AmountCard>,
    amounts: Vec<AmountBehaviour>,
}

/// What is wrong with a table of behaviours. The guilty one is who wrote it.
#[derive(Debug, Error)]
pub enum BehavioursError {
    /// Not the TOML that is expected.
    #[error("the table of behaviours cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A row that makes no sense. Rows count from 1 within their kind.
    #[error("{kind} row {row}: {problem}")]
    Row {
        /// `card`, `amount_card` or `amount`.
        kind: &'static str,
        /// Which one.
        row: usize,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}

impl Behaviours {
    /// The table of this crate.
    ///
    /// # Errors
    /// None that a released build could have: the tests read the same table.
    pub fn builtin() -> Result<Behaviours, BehavioursError> {
        Behaviours::from_toml(BUILTIN)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// When it is no such TOML, or a row makes no sense or comes twice.
    pub fn from_toml(text: &str) -> Result<Behaviours, BehavioursError> {
        let file: TableFile = toml::from_str(text)?;
        let mut table = Behaviours { cards: Vec::new(), amount_cards: Vec::new(), amounts: Vec::new() };
        for (index, row) in file.card.into_iter().enumerate() {
            let card = row.read().map_err(|problem| BehavioursError::Row { kind: "card", row: index + 1, problem })?;
            if table.cards.iter().any(|other| other.pan == card.pan && other.expiry == card.expiry) {
                return Err(BehavioursError::Row {
                    kind: "card",
                    row: index + 1,
                    problem: "comes twice; take one out",
                });
            }
            table.cards.push(card);
        }
        for (index, row) in file.amount_card.into_iter().enumerate() {
            let problem = |problem| BehavioursError::Row { kind: "amount_card", row: index + 1, problem };
            let pan = read_pan(&row.number, row.brand).map_err(problem)?;
            if table.cards.iter().any(|card| card.pan == pan) {
                return Err(problem("has a row of its own among the cards; take one out"));
            }
            table.amount_cards.push(AmountCard { pan, brand: row.brand });
        }
        for (index, row) in file.amount.into_iter().enumerate() {
            let amount =
                row.read().map_err(|problem| BehavioursError::Row { kind: "amount", row: index + 1, problem })?;
            if table.amounts.iter().any(|other| other.last_digits == amount.last_digits) {
                return Err(BehavioursError::Row {
                    kind: "amount",
                    row: index + 1,
                    problem: "comes twice; take one out",
                });
            }
            table.amounts.push(amount);
        }
        Ok(table)
    }

    /// The cards with a behaviour of their own.
    #[must_use]
    pub fn cards(&self) -> &[CardBehaviour] {
        &self.cards
    }

    /// The cards on which the amount decides.
    #[must_use]
    pub fn amount_cards(&self) -> &[AmountCard] {
        &self.amount_cards
    }

    /// What which amount does.
    #[must_use]
    pub fn amounts(&self) -> &[AmountBehaviour] {
        &self.amounts
    }

    /// What an amount of `amount_minor` does on an [`AmountCard`].
    #[must_use]
    pub fn of_amount(&self, amount_minor: u64) -> Option<Behaviour> {
        let last_digits = amount_minor % u64::from(LAST_DIGITS_END);
        self.amounts.iter().find(|row| u64::from(row.last_digits) == last_digits).map(|row| row.behaviour)
    }

    /// The tables as Markdown, for `docs/sandbox.md`.
    #[must_use]
    pub fn as_markdown(&self) -> String {
        let mut text = String::from(
            "| card | brand | expiry | field 39 | what happens | 3-D Secure | whose |\n|---|---|---|---|---|---|---|\n",
        );
        for card in &self.cards {
            let expiry = card.expiry.map_or_else(|| "any future".to_owned(), month_and_year);
            let source = match card.source {
                Source::Published => "published test card",
                Source::ThirdParty => "third party's test data",
                Source::Tollgate => "ours",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {expiry} | {} | {} | {} | {source} |",
                card.number(),
                card.brand,
                shown_code(card.behaviour),
                card.note,
                card.three_ds.words()
            );
        }
        text.push_str("\n| amount card | brand |\n|---|---|\n");
        for card in &self.amount_cards {
            let _ = writeln!(text, "| `{}` | {} |", card.number(), card.brand);
        }
        text.push_str("\n| last five digits | field 39 | what happens |\n|---|---|---|\n");
        for amount in &self.amounts {
            let _ =
                writeln!(text, "| `{:05}` | {} | {} |", amount.last_digits, shown_code(amount.behaviour), amount.note);
        }
        text
    }
}

/// What field 39 says; a dash when no usable one arrives.
fn shown_code(behaviour: Behaviour) -> String {
    match behaviour {
        Behaviour::Decline(code) => format!("`{code}`"),
        Behaviour::DeclineLater(code) => format!("`00`, later `{code}`"),
        Behaviour::ThreeDSecure => "`1A`, else `00`".to_owned(),
        Behaviour::Silent
        | Behaviour::Garbage
        | Behaviour::NoCode
        | Behaviour::CutShort
        | Behaviour::DropBefore
        | Behaviour::DropAfter => "-".to_owned(),
        Behaviour::Approve | Behaviour::Slow | Behaviour::Late | Behaviour::Doubled | Behaviour::WrongAmount => {
            "`00`".to_owned()
        }
    }
}

fn month_and_year(expiry: Expiry) -> String {
    let yymm = expiry.to_string();
    format!("{}/{}", yymm.get(2..).unwrap_or_default(), yymm.get(..2).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    #[serde(default)]
    card: Vec<CardRow>,
    #[serde(default)]
    amount_card: Vec<AmountCardRow>,
    #[serde(default)]
    amount: Vec<AmountRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardRow {
    number: String,
    brand: Brand,
    expiry: Option<String>,
    behaviour: String,
    code: Option<String>,
    three_ds: Option<ThreeDsBehaviour>,
    source: Source,
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountCardRow {
    number: String,
    brand: Brand,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountRow {
    last_digits: String,
    behaviour: String,
    code: Option<String>,
    note: String,
}

impl CardRow {
    fn read(self) -> Result<CardBehaviour, &'static str> {
        let pan = read_pan(&self.number, self.brand)?;
        let expiry = match self.expiry.as_deref() {
            None => None,
            Some(text) => Some(Expiry::parse(text).ok_or("expiry is YYMM with a month from 01 to 12")?),
        };
        let behaviour = read_behaviour(&self.behaviour, self.code.as_deref())?;
        if expiry.is_some() && self.three_ds.is_some() {
            return Err("three_ds is the card's, whatever its expiry: give it to the row without one");
        }
        let three_ds = self.three_ds.unwrap_or(ThreeDsBehaviour::NotEnrolled);
        Ok(CardBehaviour { pan, brand: self.brand, expiry, behaviour, three_ds, source: self.source, note: self.note })
    }
}

impl AmountRow {
    fn read(self) -> Result<AmountBehaviour, &'static str> {
        let digits = self.last_digits.as_str();
        let last_digits = Some(digits)
            .filter(|text| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .ok_or("last_digits has exactly five digits")?;
        let behaviour = match read_behaviour(&self.behaviour, self.code.as_deref())? {
            Behaviour::ThreeDSecure | Behaviour::DeclineLater(_) | Behaviour::Approve => {
                return Err("an amount cannot have this behaviour; give it to a card");
            }
            behaviour => behaviour,
        };
        Ok(AmountBehaviour { last_digits, behaviour, note: self.note })
    }
}

fn read_pan(number: &str, brand: Brand) -> Result<Pan, &'static str> {
    let pan = Pan::parse(number).map_err(|_| "number is no card number with a right check digit")?;
    if pan.brand() != Some(brand) {
        return Err("number is not of this brand");
    }
    Ok(pan)
}

fn read_behaviour(name: &str, code: Option<&str>) -> Result<Behaviour, &'static str> {
    let given = code.map(|text| ResponseCode::parse(text).ok_or("code has two letters or digits")).transpose()?;
    let behaviour = match (name, given) {
        ("decline", Some(code)) if !code.is_approval() => Behaviour::Decline(code),
        ("decline_later", Some(code)) if !code.is_approval() => Behaviour::DeclineLater(code),
        ("decline" | "decline_later", _) => return Err("this behaviour needs a code other than 00"),
        (_, Some(_)) => return Err("only decline and decline_later have a code"),
        ("approve", None) => Behaviour::Approve,
        ("three_d_secure", None) => Behaviour::ThreeDSecure,
        ("slow", None) => Behaviour::Slow,
        ("late", None) => Behaviour::Late,
        ("silent", None) => Behaviour::Silent,
        ("doubled", None) => Behaviour::Doubled,
        ("garbage", None) => Behaviour::Garbage,
        ("cut_short", None) => Behaviour::CutShort,
        ("no_code", None) => Behaviour::NoCode,
        ("wrong_amount", None) => Behaviour::WrongAmount,
        ("drop_before", None) => Behaviour::DropBefore,
        ("drop_after", None) => Behaviour::DropAfter,
        _ => {
            return Err(
                "there is no such behaviour: approve, decline, decline_later, three_d_secure, slow, late, silent, \
                        doubled, garbage, cut_short, no_code, wrong_amount, drop_before or drop_after",
            );
        }
    };
    Ok(behaviour)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn documents_show_the_table_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document.contains(&Behaviours::builtin().unwrap().as_markdown()),
            "docs/sandbox.md differs from data/behaviours.toml; print the tables with: \
             cargo run -p tollgate-issuer --example sandbox_tables"
        );
    }

    #[test]
    fn ordinary_amounts_do_nothing() {
        let table = Behaviours::builtin().unwrap();
        for amount in [1, 100, 1_000, 10_000, 12_345, 100_000, 99_999, 1_000_000, 90_000] {
            assert_eq!(table.of_amount(amount), None, "{amount}");
        }
        assert_eq!(table.of_amount(1_290_051), ResponseCode::parse("51").map(Behaviour::Decline));
        assert_eq!(table.of_amount(90_102), Some(Behaviour::Silent));
    }

    #[test]
    fn a_decline_by_amount_has_its_code_in_the_last_two_digits() {
        let table = Behaviours::builtin().unwrap();
        for row in table.amounts().iter().filter(|row| (90_000..90_100).contains(&row.last_digits)) {
            let code = format!("{:02}", row.last_digits - 90_000);
            assert_eq!(row.behaviour, Behaviour::Decline(ResponseCode::parse(&code).unwrap()));
        }
    }

    #[test]
    fn every_way_of_an_authentication_has_a_card() {
        let table = Behaviours::builtin().unwrap();
        for behaviour in ThreeDsBehaviour::ALL {
            assert!(table.cards().iter().any(|card| card.three_ds == behaviour), "{behaviour:?}");
        }
    }

    #[test]
    fn every_way_to_misbehave_has_an_amount() {
        let table = Behaviours::builtin().unwrap();
        for behaviour in [
            Behaviour::Slow,
            Behaviour::Late,
            Behaviour::Silent,
            Behaviour::Doubled,
            Behaviour::Garbage,
            Behaviour::CutShort,
            Behaviour::NoCode,
            Behaviour::WrongAmount,
            Behaviour::DropBefore,
            Behaviour::DropAfter,
        ] {
            assert!(table.amounts().iter().any(|row| row.behaviour == behaviour), "{behaviour:?}");
        }
    }

    #[test]
    fn a_wrong_row_is_named_with_what_to_do() {
        let card = "[[card]]\nnumber = \"4005550000000001\"\nbrand = \"VISA\"\nbehaviour = \"approve\"\nsource = \
                    \"tollgate\"\nnote = \"\"\n";
        assert!(Behaviours::from_toml(card).is_ok());
        for (text, expected) in [
            (card.repeat(2), "card row 2: comes twice"),
            (card.replace("0001", "0002"), "card row 1: number is no card number"),
            (card.replace("VISA", "AMEX"), "card row 1: number is not of this brand"),
            (card.replace("approve", "decline"), "card row 1: this behaviour needs a code"),
            (card.replace("approve", "dance"), "card row 1: there is no such behaviour"),
            (card.replace("note", "expiry = \"2613\"\nnote"), "card row 1: expiry is YYMM"),
            (
                card.replace("note", "expiry = \"2612\"\nthree_ds = \"challenge\"\nnote"),
                "card row 1: three_ds is the card's",
            ),
            ("[[amount]]\nlast_digits = \"1\"\nbehaviour = \"slow\"\nnote = \"\"".into(), "amount row 1: last_digits"),
            ("[[amount]]\nlast_digits = \"00001\"\nbehaviour = \"approve\"\nnote = \"\"".into(), "amount row 1: an am"),
            (format!("{card}\n[[amount_card]]\nnumber = \"4005550000000001\"\nbrand = \"VISA\""), "amount_card row 1"),
        ] {
            let error = Behaviours::from_toml(&text).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn debug_shows_masks_only() {
        let shown = format!("{:?}", Behaviours::builtin().unwrap());
        for card in Behaviours::builtin().unwrap().cards() {
            assert!(!shown.contains(card.number()));
        }
    }
}

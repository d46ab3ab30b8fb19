//! A gateway with one merchant, requests of every service that succeed, and the texts of codes.

use super::{Gateway, Merchant, field, payment};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::collections::BTreeSet;

/// The texts of message numbers.
const MESSAGES: &str = include_str!("../../../../fort/data/messages.csv");

/// Cards that are approved.
pub const VISA: &str = "4005550000000001";
/// A card that the sandbox issuer declines.
pub const DECLINED: &str = "4005559000001000";
/// A card whose issuer challenges the customer.
pub const CHALLENGED: &str = "4557012345678902";
pub const MASTERCARD: &str = "5123456789012346";
pub const AMEX: &str = "345678901234564";
pub const MADA: &str = "5297412542005689";
pub const MEEZA_16: &str = "5078036221028566";
pub const MEEZA_19: &str = "9818950527886700002";

/// A gateway and its demo merchant.
pub struct Shop {
    pub gateway: Gateway,
    pub merchant: Merchant,
    references: Cell<u32>,
}

impl Shop {
    /// A fresh gateway.
    pub fn open() -> Shop {
        let gateway = Gateway::start();
        let merchant = gateway.demo();
        Shop { gateway, merchant, references: Cell::new(0) }
    }

    /// A reference that was not used yet.
    pub fn reference(&self) -> String {
        self.references.set(self.references.get() + 1);
        format!("R-{}", self.references.get())
    }

    /// A signed request; the answer's signature is right.
    pub fn call(&self, params: &[(&str, &str)]) -> Map<String, Value> {
        self.gateway.call(&self.merchant, params)
    }

    /// A payment with a card and these parameters besides (a value given here replaces the usual one).
    pub fn pay(&self, command: &str, card: &str, more: &[(&str, &str)]) -> Map<String, Value> {
        self.pay_amount(command, card, "15000", more)
    }

    /// The same of this amount.
    pub fn pay_amount(&self, command: &str, card: &str, amount: &str, more: &[(&str, &str)]) -> Map<String, Value> {
        let reference = self.reference();
        self.call(&with(payment(command, &reference, amount, card), more))
    }

    /// An order that a service of this name can be called on; its reference.
    pub fn order_for(&self, command: &str) -> String {
        let begin = if command == "REFUND" || command == "CHECK_STATUS" { "PURCHASE" } else { "AUTHORIZATION" };
        let answer = self.pay(begin, VISA, &[]);
        assert!(matches!(field(&answer, "status"), "14" | "02"), "{answer:?}");
        field(&answer, "merchant_reference").to_owned()
    }
}

/// The parameters with these in place of their own.
pub fn with<'a>(mut params: Vec<(&'a str, &'a str)>, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    params.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    params.extend_from_slice(more);
    params
}

/// The parameters of CAPTURE, VOID_AUTHORIZATION, REFUND or CHECK_STATUS.
pub fn later<'a>(command: &'a str, reference: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut params = match command {
        "CHECK_STATUS" => vec![("query_command", command)],
        "VOID_AUTHORIZATION" => vec![("command", command)],
        _ => vec![("command", command), ("amount", "1"), ("currency", "AED")],
    };
    params.push(("merchant_reference", reference));
    with(params, more)
}

/// The operations on an order that exists.
pub const LATER: [&str; 4] = ["CAPTURE", "VOID_AUTHORIZATION", "REFUND", "CHECK_STATUS"];

/// The answer has this code, its status and its English text.
pub fn assert_code(answer: &Map<String, Value>, code: &str, what: &str) {
    assert_eq!(field(answer, "response_code"), code, "{what}: {answer:?}");
    assert_eq!(field(answer, "status"), &code[..2], "{what}: {answer:?}");
    assert_eq!(field(answer, "response_message"), message(code, Language::English), "{what}: {answer:?}");
}

/// The names of an answer's fields.
pub fn names(answer: &Map<String, Value>) -> BTreeSet<&str> {
    answer.keys().map(String::as_str).collect()
}

/// The language of a text.
pub enum Language {
    English,
    Arabic,
}

/// The text of a five-digit code, from the table of texts.
pub fn message(code: &str, language: Language) -> String {
    let row = MESSAGES.lines().find(|row| row.starts_with(&format!("{},", &code[2..]))).unwrap();
    // A text with a comma stands in quotes; a comma of the Arabic ones is another character.
    let (english, arabic) = row.split_once(',').and_then(|(_, texts)| texts.rsplit_once(',')).unwrap();
    assert!(english.starts_with('"') || !english.contains(','), "a comma inside a text: {row}");
    let cell = match language {
        Language::English => english,
        Language::Arabic => arabic,
    };
    match cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => cell.to_owned(),
    }
}

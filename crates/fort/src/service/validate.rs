//! The judgement of parameters by a table.

use super::table::{ParameterRule, Presence, Shape, Table};
use crate::message::{Message, Value};
use crate::recut::{Author, recut_name};
use std::borrow::Cow;
use tollgate_core::card::{PAN_DIGITS_MAX, PAN_DIGITS_MIN};
use tollgate_core::code::{ResponseCode, refused};
use tollgate_core::money::{Amount, Currency};
use tollgate_core::page::is_return_url;
use tollgate_core::refusal::Refusal;
use tollgate_core::time::Timestamp;

/// See [`super::validate`].
pub(super) fn validate(table: &'static Table, message: &Message) -> Result<(), Refusal> {
    let sent = table.sent(message);
    let mut first: Option<Found> = None;
    for (rule, value) in table.rules.iter().zip(&sent) {
        let fault = match value {
            Some(value) => fault_of(rule, *value).or_else(|| recut_of(table, rule, *value)),
            None if rule.presence == Presence::Mandatory => Some(Fault::Missing),
            None => None,
        };
        // Table order is kept within one kind, because only an earlier kind replaces what was found.
        if let Some(fault) = fault
            && first.as_ref().is_none_or(|found| fault.rank() < found.fault.rank())
        {
            first = Some(Found { fault, parameter: &rule.name });
        }
    }
    let none_of =
        !table.one_of.is_empty() && table.one_of.iter().all(|place| sent.get(*place).is_none_or(Option::is_none));
    if none_of && first.as_ref().is_none_or(|found| found.fault != Fault::Missing) {
        let names = table.one_of.iter().filter_map(|place| table.rules.get(*place)).map(|rule| &*rule.name);
        let detail = format!("none of {} was sent", names.collect::<Vec<_>>().join(" and "));
        return Err(Refusal::request(refused::MISSING_PARAMETER, "merchant_reference", detail));
    }
    match first {
        None => Ok(()),
        Some(found) => Err(Refusal::request(found.fault.code(), found.parameter, found.fault.detail())),
    }
}

/// See [`super::recut`].
pub(super) fn recut(table: &'static Table, message: &Message) -> Option<Refusal> {
    table.rules.iter().zip(table.sent(message)).find_map(|(rule, value)| {
        let fault = recut_of(table, rule, value?)?;
        Some(Refusal::request(fault.code(), &*rule.name, fault.detail()))
    })
}

struct Found {
    fault: Fault,
    parameter: &'static str,
}

/// What is wrong with one parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    TooLong,
    Format,
    /// With the name of a parameter that the value holds.
    Recut(&'static str),
    Amount,
    Currency,
    CardNumber,
    NotAllowed,
}

impl Fault {
    /// The place of its kind in the order of the kinds.
    const fn rank(self) -> u8 {
        match self {
            Fault::Missing => 0,
            Fault::TooLong => 1,
            Fault::Format | Fault::Recut(_) | Fault::Amount | Fault::Currency | Fault::CardNumber => 2,
            Fault::NotAllowed => 3,
        }
    }

    const fn code(self) -> ResponseCode {
        match self {
            Fault::Missing => refused::MISSING_PARAMETER,
            Fault::TooLong => refused::INVALID_LENGTH,
            Fault::Format | Fault::Recut(_) => refused::INVALID_FORMAT,
            Fault::Amount => refused::INVALID_AMOUNT,
            Fault::Currency => refused::INVALID_CURRENCY,
            Fault::CardNumber => refused::INVALID_CARD_NUMBER,
            Fault::NotAllowed => refused::VALUE_NOT_ALLOWED,
        }
    }

    fn detail(self) -> Cow<'static, str> {
        let detail = match self {
            Fault::Recut(name) => {
                return format!(
                    "the value holds `{name}=`. FORT signs parameters with nothing between them, so that the answer, which \
                     repeats the value, could be passed off as another one with that {name}"
                )
                .into();
            }
            Fault::Missing => "a mandatory parameter was not sent, or sent empty",
            Fault::TooLong => "the value has more characters than FORT allows",
            Fault::Format => "the value has characters or a form that FORT does not allow",
            Fault::Amount => "an amount is 1 to 10 digits, in minor units, and above zero",
            Fault::Currency => "a currency is three capitals of ISO 4217",
            Fault::CardNumber => "a card number is 12 to 19 digits",
            Fault::NotAllowed => "the value is none of those that FORT allows (case counts)",
        };
        detail.into()
    }
}

fn fault_of(rule: &ParameterRule, value: Value<'_>) -> Option<Fault> {
    if matches!(rule.shape, Shape::Ignored) {
        return None;
    }
    if matches!(rule.shape, Shape::List) {
        return (!matches!(value, Value::List(_))).then_some(Fault::Format);
    }
    let Some(text) = value.scalar() else {
        return Some(Fault::Format);
    };
    let text = &*text;
    let own = |sound: bool, fault: Fault| (!sound).then_some(fault);
    match &rule.shape {
        Shape::Ignored | Shape::Expiry | Shape::List => None,
        Shape::OneOf(values) => own(values.iter().any(|allowed| **allowed == *text), Fault::NotAllowed),
        Shape::Amount => own(Amount::parse_positive(text).is_some(), Fault::Amount),
        Shape::Currency => own(Currency::from_alpha(text).is_some(), Fault::Currency),
        Shape::CardNumber => own(is_card_number(text), Fault::CardNumber),
        shape => {
            let characters = if text.is_ascii() { text.len() } else { text.chars().count() };
            if characters > rule.characters_max {
                return Some(Fault::TooLong);
            }
            own(characters >= rule.characters_min && has_form(shape, text), Fault::Format)
        }
    }
}

/// What is wrong with a value that an answer repeats: that the answer could be cut anew there. Only values of a free
/// form can hold a `=`.
fn recut_of(table: &Table, rule: &ParameterRule, value: Value<'_>) -> Option<Fault> {
    if !matches!(rule.shape, Shape::Text | Shape::Email | Shape::Url) {
        return None;
    }
    let found = recut_name(&rule.name, &value.scalar()?, Author::Merchant)?;
    table.answers(&rule.name).then_some(Fault::Recut(found))
}

fn has_form(shape: &Shape, text: &str) -> bool {
    match shape {
        Shape::Characters(set) => set.covers(text),
        Shape::Hex => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        Shape::Email => is_email(text),
        Shape::Url => is_return_url(text),
        Shape::Date => is_date(text),
        Shape::DateTime => Timestamp::parse_with_offset(text).is_some(),
        _ => true,
    }
}

fn is_card_number(text: &str) -> bool {
    (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 1 to 64 characters, `@`, 1 to 189 characters, none of them a blank or a further `@`.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let fits = |part: &str, max: usize| {
        (1..=max).contains(&part.chars().count()) && !part.chars().any(|c| c.is_whitespace() || c == '@')
    };
    fits(local, 64) && fits(domain, 189)
}

/// `YYYY-MM-DD`, the digits not judged further.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

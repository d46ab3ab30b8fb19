//! The texts of response codes, in both languages, and of the network's codes.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use tollgate_core::code::{ResponseCode, message};

/// The language of `response_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// `en`, and whatever is not `ar`.
    #[default]
    English,
    /// `ar`.
    Arabic,
}

impl Language {
    /// The language that the parameter `language` asks for.
    #[must_use]
    pub fn of(language: Option<&str>) -> Language {
        if language == Some("ar") { Language::Arabic } else { Language::English }
    }
}

/// The `response_message` of `code`.
///
/// The table has every message number that `tollgate-core` knows. A number outside it could only be a
/// mistake of ours, and reads as what that is to the client: a technical problem.
#[must_use]
pub fn response_message(code: ResponseCode, language: Language) -> &'static str {
    message_text(code.message(), language)
        .or_else(|| message_text(message::TECHNICAL_PROBLEM, language))
        .unwrap_or("Technical problem")
}

/// The text of a message number, 0 to 999, when FORT has one.
#[must_use]
pub fn message_text(number: u16, language: Language) -> Option<&'static str> {
    let texts = MESSAGES.get(&number)?;
    Some(match language {
        Language::English => &texts.english,
        Language::Arabic => &texts.arabic,
    })
}

/// The meaning of a code of the network (ISO 8583:1987 field 39), in English, when it has one.
#[must_use]
pub fn acquirer_response_message(code: &str) -> Option<&'static str> {
    ACQUIRER.get(code).map(|meaning| &**meaning)
}

struct Texts {
    english: Box<str>,
    arabic: Box<str>,
}

static MESSAGES: LazyLock<BTreeMap<u16, Texts>> = LazyLock::new(|| {
    let row = |row: Vec<String>| {
        let [code, english, arabic] = <[String; 3]>::try_from(row).ok()?;
        Some((code.parse().ok()?, Texts { english: english.into(), arabic: arabic.into() }))
    };
    rows(include_str!("../data/messages.csv")).filter_map(row).collect()
});

static ACQUIRER: LazyLock<BTreeMap<Box<str>, Box<str>>> = LazyLock::new(|| {
    let row = |row: Vec<String>| {
        let [code, meaning] = <[String; 2]>::try_from(row).ok()?;
        Some((code.into(), meaning.into()))
    };
    rows(include_str!("../data/acquirer.csv")).filter_map(row).collect()
});

/// The rows of a CSV file (RFC 4180, no line breaks inside fields) without its head.
fn rows(file: &str) -> impl Iterator<Item = Vec<String>> {
    file.lines().skip(1).map(fields)
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', true) if characters.next_if_eq(&'"').is_some() => push(&mut fields, '"'),
            ('"', _) => quoted = !quoted,
            (',', false) => fields.push(String::new()),
            (other, _) => push(&mut fields, other),
        }
    }
    fields
}

fn push(fields: &mut [String], character: char) {
    if let Some(field) = fields.last_mut() {
        field.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::apply::decline_message;
    use tollgate_core::code::{self, refused};

    #[test]
    fn every_row_of_the_files_is_read() {
        assert_eq!(MESSAGES.len(), 166);
        assert_eq!(ACQUIRER.len(), 41);
        assert!(MESSAGES.values().all(|texts| !texts.english.is_empty() && !texts.arabic.is_empty()));
        let arabic = |text: &str| text.chars().any(|c| ('\u{0600}'..='\u{06ff}').contains(&c));
        assert!(MESSAGES.values().all(|texts| arabic(&texts.arabic) && !arabic(&texts.english)));
    }

    #[test]
    fn wire_texts_have_no_final_dot_but_that_of_072() {
        for (number, texts) in &*MESSAGES {
            assert_eq!(texts.english.ends_with('.'), *number == 72, "{number}");
        }
        assert_eq!(message_text(72, Language::English), Some("Transaction has been cancelled by the Consumer."));
        assert_eq!(
            message_text(45, Language::English),
            Some("Merchant does not have the Token service and yet \"token_name\" was sent")
        );
    }

    #[test]
    fn the_observed_arabic_texts_are_exact() {
        assert_eq!(message_text(0, Language::Arabic), Some("عملية ناجحة"));
        assert_eq!(message_text(16, Language::Arabic), Some("رقم البطاقة غير صحيح"));
    }

    #[test]
    fn every_code_of_the_core_has_a_text_of_its_own() {
        let refusals = [
            refused::MISSING_PARAMETER,
            refused::INVALID_FORMAT,
            refused::OPTION_NOT_AVAILABLE,
            refused::INVALID_COMMAND,
            refused::INVALID_AMOUNT,
            refused::TECHNICAL_PROBLEM,
            refused::SIGNATURE_MISMATCH,
            refused::INVALID_MERCHANT_IDENTIFIER,
            refused::INVALID_ACCESS_CODE,
            refused::CARD_EXPIRED,
            refused::INVALID_CURRENCY,
            refused::INACTIVE_MERCHANT,
            refused::INVALID_CARD_NUMBER,
            refused::CURRENCY_NOT_ACCEPTED,
            refused::INVALID_EXTRA_PARAMETERS,
            refused::INVALID_LENGTH,
            refused::VALUE_NOT_ALLOWED,
            refused::OPERATION_NOT_ALLOWED,
            refused::ORDER_NOT_FOUND,
            refused::NO_ACTIVE_OPTION,
            refused::EXCEEDS_AUTHORIZED,
            refused::TOKEN_NOT_FOUND,
            refused::NO_TOKEN_SERVICE,
            refused::EXCEEDS_CAPTURED,
            refused::NOT_VALID_FOR_OPTION,
            refused::LIMIT_EXCEEDED,
            refused::REFERENCE_EXISTS,
            refused::INVALID_REQUEST_FORMAT,
            refused::INVALID_PAYMENT_OPTION,
            refused::INVALID_EXPIRY,
            refused::NOT_FOR_ECI,
            refused::ORDER_NOT_CONFIRMED,
            refused::TRANSACTION_CLOSED,
            refused::STILL_PROCESSING,
            code::STATUS_FOUND,
            code::STATUS_NOT_FOUND,
            code::STATUS_FAILED,
            code::UNCERTAIN,
        ];
        let declines = ["51", "33", "54", "1A", "65", "34", "59", "96", "05"].map(decline_message);
        for number in refusals.map(ResponseCode::message).into_iter().chain(declines) {
            assert!(message_text(number, Language::English).is_some(), "{number}");
            assert!(message_text(number, Language::Arabic).is_some(), "{number}");
        }
    }

    #[test]
    fn a_number_without_a_text_reads_as_a_technical_problem() {
        assert_eq!(message_text(999, Language::English), None);
        assert_eq!(response_message(ResponseCode::new(0, 999), Language::English), "Technical problem");
    }

    #[test]
    fn the_meanings_of_network_codes_are_those_of_card_acquirers() {
        assert_eq!(acquirer_response_message("51"), Some("Insufficient funds"));
        assert_eq!(acquirer_response_message("43"), Some("Stolen card, pick up"));
        assert_eq!(acquirer_response_message("1A"), None);
    }
}

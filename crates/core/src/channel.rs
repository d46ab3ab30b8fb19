//! How a merchant's requests may come, and what they may not hold; card data that came encrypted.

use crate::card::SecurityCode;
use crate::code::refused;
use crate::command::CardInput;
use crate::page::PageTerms;
use crate::refusal::Refusal;
use crate::scope::Questionnaire;
use crate::secret::Secret;
use crate::source::SourceTerms;
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt;

/// How a merchant's requests may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelTerms {
    /// What becomes of a request with a card number where none belongs.
    pub stray_card_numbers: StrayCardNumbers,
    /// How card data may come over the trusted channel.
    pub card_data: CardDataRule,
    /// How its customers come to the gateway's page and go back.
    pub page: PageTerms,
    /// From where requests may come.
    pub source: SourceTerms,
    /// The PCI DSS questionnaire that the merchant says it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci_scope: Option<Questionnaire>,
}

/// How card data may come over the trusted channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardDataRule {
    /// In clear inside TLS, or encrypted besides.
    #[default]
    Any,
    /// Encrypted only, as `encrypted_card_data`.
    EncryptedOnly,
}

impl CardDataRule {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CardDataRule::Any => "any",
            CardDataRule::EncryptedOnly => "encrypted-only",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<CardDataRule> {
        [CardDataRule::Any, CardDataRule::EncryptedOnly].into_iter().find(|rule| rule.name() == name)
    }
}

/// What becomes of a request with a card number where none belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrayCardNumbers {
    /// It is refused (00033) and counted.
    #[default]
    Refuse,
    /// It is counted and kept masked; in a reference it is refused all the same.
    Count,
}

impl StrayCardNumbers {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            StrayCardNumbers::Refuse => "refuse",
            StrayCardNumbers::Count => "count",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<StrayCardNumbers> {
        [StrayCardNumbers::Refuse, StrayCardNumbers::Count].into_iter().find(|rule| rule.name() == name)
    }
}

/// How long after it was made encrypted card data is taken, in seconds.
pub const ENCRYPTED_AGE_SECONDS_MAX: i64 = 300;
/// How far ahead of ours the clock of the maker may be, in seconds.
pub const ENCRYPTED_AHEAD_SECONDS_MAX: i64 = 60;
/// The fewest characters of a nonce: 96 bits in base64url.
pub const NONCE_CHARS_MIN: usize = 16;
/// The most characters of a nonce.
pub const NONCE_CHARS_MAX: usize = 64;
/// The most characters of a cardholder's name, as in `card_holder_name`.
const HOLDER_CHARS_MAX: usize = 50;
/// The parameter that it comes in.
const PARAMETER: &str = "encrypted_card_data";

/// Card data that came encrypted, decrypted.
pub struct DecryptedCard {
    /// The card.
    pub card: CardInput,
    /// The nonce (`jti`): [`NONCE_CHARS_MIN`] to [`NONCE_CHARS_MAX`] characters, used once.
    pub nonce: String,
    /// When it was made (`iat`).
    pub issued_at: Timestamp,
}

impl DecryptedCard {
    /// Reads the JSON object that was inside.
    ///
    /// # Errors
    /// 00033 when it is no such object, or a member of it does not fit. Nothing of it is repeated.
    pub fn read(plain: &[u8]) -> Result<DecryptedCard, Refusal> {
        let content: Content<'_> = serde_json::from_slice(plain).map_err(|_| {
            refuse(
                "inside it there has to be one JSON object with card_number, expiry_date, jti, iat and, where they are \
                 needed, card_security_code and card_holder_name: texts, iat a whole number of seconds, and nothing else",
            )
        })?;
        let nonce = content.jti.as_ref();
        let is_nonce = (NONCE_CHARS_MIN..=NONCE_CHARS_MAX).contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte));
        if !is_nonce {
            return Err(refuse("its jti has to be 16 to 64 letters, digits and -_.:~ drawn at random"));
        }
        let holder = content.card_holder_name.as_deref();
        if holder.is_some_and(|name| name.chars().count() > HOLDER_CHARS_MAX || name.contains(char::is_control)) {
            return Err(refuse("its card_holder_name has more than 50 characters, or control characters"));
        }
        let security_code = match content.card_security_code.as_deref() {
            None => None,
            Some(digits) => {
                Some(SecurityCode::parse(digits).ok_or_else(|| refuse("its card_security_code is not 3 or 4 digits"))?)
            }
        };
        let issued_at =
            content.iat.checked_mul(1_000_000).map(Timestamp).ok_or_else(|| refuse("its iat is no time"))?;
        let card = CardInput {
            number: Some(Secret::new(content.card_number)),
            expiry: content.expiry_date.map(Cow::into_owned),
            security_code,
            holder: holder.filter(|name| !name.is_empty()).map(str::to_owned),
        };
        Ok(DecryptedCard { card, nonce: content.jti.into_owned(), issued_at })
    }

    /// Judges its age at `now`, and gives the moment after which it is too old whatever happens.
    ///
    /// # Errors
    /// 00033 when it was made more than [`ENCRYPTED_AGE_SECONDS_MAX`] before `now` or more than
    /// [`ENCRYPTED_AHEAD_SECONDS_MAX`] after it.
    pub fn fresh_until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        let end = self.issued_at.0.saturating_add(ENCRYPTED_AGE_SECONDS_MAX * 1_000_000);
        if now.0 > end {
            return Err(refuse("its iat is more than 300 seconds ago: encrypt card data right before it is sent"));
        }
        if self.issued_at.0 > now.0.saturating_add(ENCRYPTED_AHEAD_SECONDS_MAX * 1_000_000) {
            return Err(refuse("its iat is more than 60 seconds ahead: the clock of the sender is wrong"));
        }
        Ok(Timestamp(end))
    }
}

impl fmt::Debug for DecryptedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptedCard")
            .field("card", &self.card)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    #[serde(borrow)]
    card_number: Cow<'a, str>,
    #[serde(borrow, default)]
    expiry_date: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    card_security_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    card_holder_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    iat: i64,
}

fn refuse(detail: &'static str) -> Refusal {
    Refusal::request(refused::VALUE_NOT_ALLOWED, PARAMETER, detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WHOLE: &str = r#"{"card_number":"4005550000000001","expiry_date":"3005","card_security_code":"737",
        "card_holder_name":"Jo Doe","jti":"0123456789abcdef","iat":1795660000}"#;

    #[test]
    fn the_members_are_read_and_nothing_of_the_card_is_shown() {
        let read = DecryptedCard::read(WHOLE.as_bytes()).unwrap();
        assert_eq!(read.card.number.as_ref().unwrap().reveal(), "4005550000000001");
        assert_eq!(read.card.security_code, SecurityCode::parse("737"));
        assert_eq!((read.card.expiry.as_deref(), read.card.holder.as_deref()), (Some("3005"), Some("Jo Doe")));
        assert_eq!((read.nonce.as_str(), read.issued_at), ("0123456789abcdef", Timestamp(1_795_660_000_000_000)));
        let shown = format!("{read:?}");
        assert!(!shown.contains("4005550000000001") && !shown.contains("737"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_it() {
        for (from, to) in [
            ("\"4005550000000001\"", "4005550000000001"),
            ("\"jti\":\"0123456789abcdef\"", "\"jti\":\"0123456789abcde\""),
            ("\"jti\":\"0123456789abcdef\"", "\"jti\":\"0123456789abcde \""),
            ("\"iat\":1795660000", "\"iat\":\"1795660000\""),
            ("\"iat\":1795660000", "\"iat\":9223372036854775807"),
            (",\"iat\":1795660000", ""),
            ("737", "73"),
            ("Jo Doe", "Jo\\nDoe"),
            ("\"expiry_date\"", "\"expiry\""),
            ("\"expiry_date\":\"3005\"", "\"card_number\":\"4005550000000001\""),
            ("{", "[{"),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert_ne!(text, WHOLE);
            let refusal = DecryptedCard::read(text.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, refused::VALUE_NOT_ALLOWED, "{text}");
            assert!(!refusal.to_string().contains("4005"), "{refusal}");
        }
    }

    #[test]
    fn it_is_taken_for_300_seconds_and_60_seconds_ahead() {
        let read = DecryptedCard::read(WHOLE.as_bytes()).unwrap();
        let at = |seconds: i64| read.fresh_until(Timestamp((1_795_660_000 + seconds) * 1_000_000)).is_ok();
        assert_eq!([-61, -60, 0, 300, 301].map(at), [false, true, true, true, false]);
    }
}

//! Card numbers, security codes and expiry dates.
//!
//! [`Pan`] and [`SecurityCode`] print as masks, are compared only here, and are wiped on drop. Only
//! the crates on the card's corridor may name them: the FORT endpoints, the use cases, the vault and
//! the acquirer link; the sandbox issuer stands at the other end of the wire.

use crate::bin::{self, Brand};
use crate::time::Timestamp;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The fewest digits a card number has here.
pub const PAN_DIGITS_MIN: usize = 12;
/// The most digits a card number has (ISO/IEC 7812).
pub const PAN_DIGITS_MAX: usize = 19;

/// A primary account number: 12 to 19 digits with a right check digit.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Pan {
    digits: [u8; PAN_DIGITS_MAX],
    length: u8,
}

/// Leave to see card data in clear.
///
/// Only the vault, the acquirer link and the sandbox issuer may write this name: `xtask tidy` looks.
#[derive(Debug)]
pub struct RevealPermit {
    purpose: &'static str,
}

impl RevealPermit {
    /// Leave for `purpose`, a few words that an auditor understands.
    #[must_use]
    pub const fn granted(purpose: &'static str) -> RevealPermit {
        RevealPermit { purpose }
    }

    /// What it was given for.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        self.purpose
    }
}

/// Why a text is no card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanError {
    /// Not 12 to 19 digits.
    #[error("a card number has 12 to 19 digits and nothing else")]
    NotDigits,
    /// The last digit does not fit (ISO/IEC 7812-1 annex B).
    #[error("the card number's check digit is wrong")]
    CheckDigit,
}

impl Pan {
    /// Reads a card number.
    ///
    /// # Errors
    /// When it is not made of 12 to 19 digits, or its check digit is wrong.
    pub fn parse(text: &str) -> Result<Pan, PanError> {
        let bytes = text.as_bytes();
        if !(PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(PanError::NotDigits);
        }
        if !luhn(text) {
            return Err(PanError::CheckDigit);
        }
        let mut digits = [0; PAN_DIGITS_MAX];
        for (slot, byte) in digits.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        Ok(Pan { digits, length: u8::try_from(bytes.len()).unwrap_or(0) })
    }

    /// The digits in clear, against a permit.
    #[must_use]
    pub fn reveal(&self, _permit: &RevealPermit) -> &str {
        self.digits()
    }

    fn digits(&self) -> &str {
        self.digits
            .get(..usize::from(self.length))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or_default()
    }

    /// First six and last four digits, stars between.
    #[must_use]
    pub fn mask(&self) -> String {
        mask(self.digits())
    }

    /// The leading digits that name the issuer: 6, or 8 for a Meeza card of 19 digits. A mask shows 6 of them.
    #[must_use]
    pub fn bin(&self) -> String {
        let is_long = usize::from(self.length) == PAN_DIGITS_MAX && self.brand() == Some(Brand::Meeza);
        self.digits().chars().take(if is_long { 8 } else { 6 }).collect()
    }

    /// The brand by issuer identification number, if it is one we know and the length fits it.
    #[must_use]
    pub fn brand(&self) -> Option<Brand> {
        bin::brand_of(self.digits())
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mask())
    }
}

/// A card security code (CVV2, CVC2, CID): 3 or 4 digits, held in memory for one authorization.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecurityCode(String);

impl SecurityCode {
    /// Reads 3 or 4 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<SecurityCode> {
        let fits = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| SecurityCode(text.to_owned()))
    }

    /// The digits in clear, against a permit.
    #[must_use]
    pub fn reveal(&self, _permit: &RevealPermit) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecurityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A card's expiry: a month of a year from 2000 to 2099.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    year: u8,
    month: u8,
}

impl Expiry {
    /// Reads YYMM.
    #[must_use]
    pub fn parse(text: &str) -> Option<Expiry> {
        if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let year = text.get(..2)?.parse().ok()?;
        let month = text.get(2..)?.parse().ok().filter(|month| (1..=12).contains(month))?;
        Some(Expiry { year, month })
    }

    /// Whether the card is past its last day at `now`: it is good to the end of its month, given a
    /// day more because the cardholder's clock may be behind UTC.
    #[must_use]
    pub fn is_past(self, now: Timestamp) -> bool {
        let (year, month) =
            if self.month == 12 { (u32::from(self.year) + 1, 1) } else { (u32::from(self.year), self.month + 1) };
        let end = Timestamp::from_date(i32::try_from(2000 + year).unwrap_or(i32::MAX), month, 1);
        end.is_some_and(|end| now.0 >= end.0.saturating_add(crate::time::DAY_US))
    }
}

impl fmt::Display for Expiry {
    /// YYMM.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}", self.year, self.month)
    }
}

/// Card data as a merchant sends it over the trusted channel.
#[derive(Clone, Debug)]
pub struct CardData {
    /// The number.
    pub pan: Pan,
    /// YYMM.
    pub expiry: Expiry,
    /// Mandatory for e-commerce; never stored.
    pub security_code: Option<SecurityCode>,
    /// Up to 50 characters.
    pub holder: Option<String>,
}

/// What may be known of a card by anybody: the mask, never the number.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CardFacts {
    /// First six, stars, last four.
    pub mask: String,
    /// YYMM.
    pub expiry: String,
    /// The name on the card, where it was given.
    pub holder: Option<String>,
    /// The brand.
    pub brand: Brand,
}

impl CardData {
    /// The harmless part of it.
    #[must_use]
    pub fn facts(&self, brand: Brand) -> CardFacts {
        CardFacts { mask: self.pan.mask(), expiry: self.expiry.to_string(), holder: self.holder.clone(), brand }
    }
}

/// Masks a text that is, or tries to be, a card number: first six and last four characters stay when
/// it has at least 12 characters and only digits; else all become stars. The length stays.
#[must_use]
pub fn mask(text: &str) -> String {
    let length = text.chars().count();
    if length < PAN_DIGITS_MIN || !text.bytes().all(|b| b.is_ascii_digit()) {
        return "*".repeat(length);
    }
    let mut masked = String::with_capacity(length);
    masked.push_str(text.get(..6).unwrap_or_default());
    masked.extend(std::iter::repeat_n('*', length - 10));
    masked.push_str(text.get(length - 4..).unwrap_or_default());
    masked
}

/// Whether the check digit is right (ISO/IEC 7812-1 annex B, the "Luhn" formula).
#[must_use]
pub fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match (place % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// [`luhn`] of a number's decimal digits.
pub(crate) fn luhn_of_number(number: u64) -> bool {
    let (mut sum, mut rest, mut is_doubled) = (0, number, false);
    while rest > 0 {
        let digit = rest % 10;
        sum += match (is_doubled, digit) {
            (false, _) => digit,
            (true, 0..=4) => digit * 2,
            (true, _) => digit * 2 - 9,
        };
        is_doubled = !is_doubled;
        rest /= 10;
    }
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn published_test_cards_are_read_and_others_refused() {
        for number in
            ["4005550000000001", "5123456789012346", "345678901234564", "9818950527886700002", "5297412542005689"]
        {
            assert_eq!(Pan::parse(number).unwrap().digits(), number);
        }
        assert_eq!(Pan::parse("4005550000000002"), Err(PanError::CheckDigit));
        for text in ["", "4005", "40055500000000a1", "40055500000000000001", "٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١"] {
            assert_eq!(Pan::parse(text), Err(PanError::NotDigits), "{text}");
        }
    }

    #[test]
    fn mask_keeps_first_six_last_four_and_the_length() {
        assert_eq!(mask("4005550000000001"), "400555******0001");
        assert_eq!(mask("345678901234564"), "345678*****4564");
        assert_eq!(mask("9818950527886700002"), "981895*********0002");
        assert_eq!(mask("4005550"), "*******");
        assert_eq!(mask("4005 5500 0000 0001"), "*******************");
    }

    #[test]
    fn secrets_print_as_masks() {
        let pan = Pan::parse("4005550000000001").unwrap();
        assert_eq!(format!("{pan:?}"), "400555******0001");
        assert_eq!(format!("{:?}", SecurityCode::parse("123").unwrap()), "***");
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month() {
        let expiry = Expiry::parse("2611").unwrap();
        assert!(!expiry.is_past(Timestamp::parse_date("2026-11-30").unwrap()));
        assert!(!expiry.is_past(Timestamp::parse_date("2026-12-01").unwrap()));
        assert!(expiry.is_past(Timestamp::parse_date("2026-12-02").unwrap()));
        assert!(Expiry::parse("2512").unwrap().is_past(Timestamp::parse_date("2026-01-02").unwrap()));
        for text in ["2613", "2600", "261", "26011", "ab12"] {
            assert_eq!(Expiry::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_checked_as_its_digits_are(number in proptest::prelude::any::<u64>()) {
            proptest::prop_assert_eq!(luhn_of_number(number), luhn(&number.to_string()));
        }

        #[test]
        fn one_wrong_digit_is_always_found(number in "[0-9]{11,18}", place in 0usize..11, change in 1u8..10) {
            let check = (0..10).map(|digit| format!("{number}{digit}")).find(|text| luhn(text)).unwrap();
            let mut bytes = check.into_bytes();
            bytes[place] = b'0' + (bytes[place] - b'0' + change) % 10;
            proptest::prop_assert!(!luhn(&String::from_utf8(bytes).unwrap()));
        }
    }
}

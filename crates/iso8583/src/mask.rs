//! Masks: what of a value may be shown.

use crate::spec::Sensitivity;
use std::borrow::Cow;

/// What stands for a value of which nothing may be shown.
pub(crate) const MASK: &str = "***";

/// The shortest and the longest card number (ISO/IEC 7812; 12 digits and fewer are not issued today).
const PAN_DIGITS_MIN: usize = 13;
const PAN_DIGITS_MAX: usize = 19;

impl Sensitivity {
    /// What may be shown of a text. Masking what is already masked changes nothing.
    pub(crate) fn mask(self, text: &str) -> Cow<'_, str> {
        match self {
            Sensitivity::Pan => mask_pan(text),
            Sensitivity::Full => Cow::Borrowed(MASK),
            _ if self.shows_all(text) => Cow::Borrowed(text),
            _ => Cow::Owned(mask_card_numbers(text)),
        }
    }

    /// Whether [`mask`](Sensitivity::mask) would leave `text` as it is.
    pub(crate) fn shows_all(self, text: &str) -> bool {
        match self {
            Sensitivity::None => true,
            Sensitivity::Scan => !text.as_bytes().split(|byte| !byte.is_ascii_digit()).any(holds_card_number),
            Sensitivity::Pan | Sensitivity::Full => false,
        }
    }
}

/// First six and last four characters (PCI DSS 3.4.1 allows no more).
fn mask_pan(text: &str) -> Cow<'static, str> {
    // Padding must not count, or a short number could pass for a long one; nor may other than ASCII split a character.
    let text = text.trim();
    let length = text.len();
    match (text.get(..6), length.checked_sub(4).and_then(|start| text.get(start..))) {
        (Some(first), Some(last)) if length >= PAN_DIGITS_MIN && text.is_ascii() => {
            let mut shown = String::with_capacity(length);
            shown.push_str(first);
            shown.extend(std::iter::repeat_n('*', length - 10));
            shown.push_str(last);
            Cow::Owned(shown)
        }
        _ => Cow::Borrowed(MASK),
    }
}

/// Puts stars over every run of digits that holds a likely card number.
fn mask_card_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let others = rest.bytes().skip(digits).take_while(|byte| !byte.is_ascii_digit()).count();
        // Both cuts are next to an ASCII digit or at the end, hence between characters.
        let (run, after) = rest.split_at(digits);
        let (between, after) = after.split_at(others);
        if holds_card_number(run.as_bytes()) {
            shown.extend(std::iter::repeat_n('*', run.len()));
        } else {
            shown.push_str(run);
        }
        shown.push_str(between);
        rest = after;
    }
    shown
}

fn holds_card_number(run: &[u8]) -> bool {
    (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).any(|length| run.windows(length).any(|digits| digits[0] != b'0' && luhn(digits)))
}

/// The check of ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            match (index % 2, value) {
                (0, _) => value,
                (_, 0..=4) => value * 2,
                _ => value * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_shows_six_and_four_and_a_short_one_nothing() {
        let mask = |text| Sensitivity::Pan.mask(text);
        assert_eq!(mask("4111111111111111"), "411111******1111");
        assert_eq!(mask("6304000000000000000"), "630400*********0000");
        assert_eq!(mask("4222222222222"), "422222***2222");
        assert_eq!(mask("411111111111"), MASK);
        assert_eq!(mask("12345       "), MASK);
        assert_eq!(mask(""), MASK);
        assert_eq!(mask("çççççççççççç1111"), MASK);
    }

    #[test]
    fn a_scan_stars_luhn_valid_runs_only() {
        let mask = |text| Sensitivity::Scan.mask(text);
        assert_eq!(mask("card 4111111111111111, thanks"), "card ****************, thanks");
        assert_eq!(mask("4222222222223"), "4222222222223");
        assert_eq!(mask("0004111111111111111"), "*******************");
        assert_eq!(mask("RRN 123456789012 ok"), "RRN 123456789012 ok");
        assert_eq!(mask("numéro 5555555555554444é"), "numéro ****************é");
    }

    #[test]
    fn masks_change_nothing_that_is_masked() {
        for sensitivity in [Sensitivity::None, Sensitivity::Scan, Sensitivity::Pan, Sensitivity::Full] {
            for text in ["4111111111111111", "short", "x4111111111111111x", ""] {
                let once = sensitivity.mask(text);
                assert_eq!(sensitivity.mask(&once), *once);
            }
        }
    }
}

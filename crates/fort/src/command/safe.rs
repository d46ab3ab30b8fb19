//! Parameters that may be kept and shown: no card number in clear, no security code, wherever in a
//! message they stand.

use crate::message::{Message, Value};
use crate::signature::{Numbers, SIGNATURE, push_value};
use std::borrow::Cow;
use std::ops::Range;
use tollgate_core::bin::may_be_card_number;
use tollgate_core::card::{PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn, mask};
use tollgate_core::card_scan::{self, holds_card_number};
use tollgate_core::command::SafeParams;
use tollgate_core::secret::Wiped;
use zeroize::Zeroizing;

/// Parameters that name the account. They are compared with the account's own before anything is
/// kept, so that they cannot be card data, and feedback has to repeat them exactly.
const IDENTITY: [&str; 2] = ["access_code", "merchant_identifier"];

/// Names that security codes go by, lower case, and the one of the text that holds one encrypted; PCI DSS
/// requirement 3.3 forbids to keep them.
const SECURITY_CODES: [&str; 10] = [
    "card_security_code",
    "payment_security_code",
    "security_code",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "csc",
    "pin",
    "encrypted_card_data",
];

/// Names that the value of an authentication goes by, lower case: whoever reads it could present it as well.
const AUTHENTICATION_VALUES: [&str; 3] = ["ver_token", "cavv", "3ds_cavv"];

/// All non-empty parameters of `message` as text, in message order: `card_number` masked, security
/// codes, values of authentications and `signature` left out, and card numbers that stand in any other place masked too.
#[must_use]
pub fn safe_params(message: &Message) -> SafeParams {
    let mut safe = SafeParams::with_capacity(message.len(), message.text_bytes());
    for (name, value) in message.params() {
        if name == SIGNATURE || is_kept_back(name) || !value.is_sent() {
            continue;
        }
        match value.scalar() {
            Some(text) if name == "card_number" => safe.push(name, &mask(&text)),
            Some(text) if IDENTITY.contains(&name) => safe.push(name, &text),
            Some(text) => safe.push(&mask_card_numbers(name), &mask_card_numbers(&text)),
            None => safe.push(&mask_card_numbers(name), &safe_text(value)),
        }
    }
    safe
}

/// Whether `message` carries card data in any form: a card number, a security code (beside a token too), or both
/// encrypted. An expiry date alone is none.
#[must_use]
pub fn carries_card_data(message: &Message) -> bool {
    message.params().any(|(name, value)| value.is_sent() && (name == "card_number" || is_security_code(name)))
}

/// Parameters that are never judged for stray card numbers: where one belongs, where the account is named,
/// and a digest, whose digits are as they fall.
const NEVER_STRAY: [&str; 4] = ["card_number", "access_code", "merchant_identifier", SIGNATURE];

/// Card numbers where none belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strays {
    /// How many parameters hold one, in their value or in their name.
    pub count: u64,
    /// The first of them, masked where the name itself is a card number.
    pub first: String,
}

/// Parameters besides `card_number` that hold a card number of a known brand, in any spelling
/// ([`tollgate_core::card_scan`]); `None` when there are none.
#[must_use]
pub fn stray_card_numbers(message: &Message) -> Option<Strays> {
    let mut strays: Option<Strays> = None;
    for (name, value) in message.params() {
        if NEVER_STRAY.contains(&name) || !value.is_sent() || !(value_holds_card(value) || holds_card_number(name)) {
            continue;
        }
        let first = || Strays { count: 0, first: mask_card_numbers(name).into_owned() };
        strays.get_or_insert_with(first).count += 1;
    }
    strays
}

fn value_holds_card(value: Value<'_>) -> bool {
    match value {
        Value::Text(text) | Value::Number(text) => holds_card_number(text),
        Value::Null | Value::Bool(_) => false,
        Value::List(_) | Value::Object(_) => {
            let mut text = Wiped::new(String::new());
            push_value(&mut text, value, Numbers::AsWritten);
            holds_card_number(&text)
        }
    }
}

/// `text` with the middle digits of every card number in it starred.
///
/// A card number is 12 to 19 digits with a right check digit (ISO/IEC 7812-1 annex B), written
/// without a break or in groups parted by single blanks or dashes. In a run of more than 19 digits,
/// which is hardly a card number, a stretch counts only when it is of a known brand besides. Numbers of known
/// brands are starred in every other spelling too ([`tollgate_core::card_scan`]).
#[must_use]
pub fn mask_card_numbers(text: &str) -> Cow<'_, str> {
    match mask_plain(text) {
        Cow::Borrowed(text) => card_scan::mask_card_numbers(text),
        Cow::Owned(masked) => match card_scan::mask_card_numbers(&masked) {
            Cow::Borrowed(_) => Cow::Owned(masked),
            Cow::Owned(again) => Cow::Owned(again),
        },
    }
}

fn mask_plain(text: &str) -> Cow<'_, str> {
    // Nearly every text has too few digits that hang together; that is found without an allocation.
    if !has_long_cluster(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut scan = Scan { bytes: text.as_bytes(), hidden: vec![false; text.len()], found: 0 };
    for cluster in clusters(text.as_bytes()) {
        scan.hide_in_cluster(&cluster);
    }
    if scan.found == 0 {
        return Cow::Borrowed(text);
    }
    let starred = text.char_indices().map(|(place, character)| match scan.hidden.get(place) {
        Some(true) => '*',
        _ => character,
    });
    Cow::Owned(starred.collect())
}

/// Whether any cluster (see [`clusters`]) has as many digits as the shortest card number.
fn has_long_cluster(bytes: &[u8]) -> bool {
    let mut digits = 0;
    // What stands right before the next byte: only a single blank or dash after a digit keeps a cluster together.
    let mut joint = false;
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                joint = true;
                if digits >= PAN_DIGITS_MIN {
                    return true;
                }
            }
            b' ' | b'-' if joint => joint = false,
            _ => {
                digits = 0;
                joint = false;
            }
        }
    }
    false
}

/// Whether the values of parameters of this name are neither kept nor shown.
pub(crate) fn is_kept_back(name: &str) -> bool {
    is_security_code(name) || AUTHENTICATION_VALUES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_security_code(name: &str) -> bool {
    SECURITY_CODES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A list or an object as text, security codes and card numbers inside it starred.
pub(crate) fn safe_text(value: Value<'_>) -> String {
    let mut text = Wiped::new(String::new());
    push_nested(&mut text, value);
    mask_card_numbers(&text).into_owned()
}

fn push_nested(out: &mut String, value: Value<'_>) {
    match value {
        Value::List(list) => {
            out.push('[');
            for (place, element) in list.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                push_nested(out, element);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (place, (name, member)) in object.iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                out.push_str(name);
                out.push('=');
                match is_kept_back(name) {
                    true => out.push_str("***"),
                    false => push_nested(out, member),
                }
            }
            out.push('}');
        }
        scalar => push_value(out, scalar, Numbers::Plain),
    }
}

/// Runs of digits that hang together by single blanks or dashes: the places of each run's digits.
fn clusters(bytes: &[u8]) -> Vec<Vec<Range<usize>>> {
    let mut clusters: Vec<Vec<Range<usize>>> = Vec::new();
    let mut place = 0;
    while place < bytes.len() {
        let length = bytes.get(place..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            place += 1;
            continue;
        }
        let run = place..place + length;
        let joined = run.start.checked_sub(1).filter(|before| matches!(bytes.get(*before), Some(b' ' | b'-')));
        match clusters.last_mut() {
            Some(cluster) if joined.is_some() && cluster.last().map(|last| last.end) == joined => cluster.push(run),
            _ => clusters.push(vec![run]),
        }
        place += length;
    }
    clusters
}

/// The search for card numbers in one text.
struct Scan<'a> {
    bytes: &'a [u8],
    /// For each byte, whether it is starred.
    hidden: Vec<bool>,
    found: usize,
}

impl Scan<'_> {
    fn hide_in_cluster(&mut self, runs: &[Range<usize>]) {
        for first in 0..runs.len() {
            let mut places: Vec<usize> = Vec::with_capacity(PAN_DIGITS_MAX);
            for run in runs.get(first..).unwrap_or_default() {
                if places.len() + run.len() > PAN_DIGITS_MAX {
                    break;
                }
                places.extend(run.clone());
                self.hide_if(&places, luhn);
            }
        }
        for run in runs.iter().filter(|run| run.len() > PAN_DIGITS_MAX) {
            let places: Vec<usize> = run.clone().collect();
            for length in PAN_DIGITS_MIN..=PAN_DIGITS_MAX {
                for window in places.windows(length) {
                    self.hide_if(window, |number| luhn(number) && may_be_card_number(number));
                }
            }
        }
    }

    /// Stars the middle of the digits at `places`, when together they are a card number.
    fn hide_if(&mut self, places: &[usize], is_card_number: impl Fn(&str) -> bool) {
        if places.len() < PAN_DIGITS_MIN {
            return;
        }
        let mut digits = Zeroizing::new([0; PAN_DIGITS_MAX]);
        for (digit, place) in digits.iter_mut().zip(places) {
            *digit = self.bytes.get(*place).copied().unwrap_or(b'0');
        }
        let number = digits.get(..places.len()).and_then(|digits| std::str::from_utf8(digits).ok());
        if !number.is_some_and(is_card_number) {
            return;
        }
        self.found += 1;
        // First six and last four digits stay.
        for place in places.get(6..places.len().saturating_sub(4)).unwrap_or_default() {
            if let Some(hidden) = self.hidden.get_mut(*place) {
                *hidden = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn card_numbers_are_starred_wherever_they_stand() {
        for (text, safe) in [
            ("4005550000000001", "400555******0001"),
            ("card 4005550000000001.", "card 400555******0001."),
            ("4005 5500 0000 0001", "4005 55** **** 0001"),
            ("4005-5500-0000-0001", "4005-55**-****-0001"),
            ("12 4005550000000001", "12 400555******0001"),
            ("بطاقة 4005550000000001", "بطاقة 400555******0001"),
            ("99999994005550000000001", "9999999400555******0001"),
            ("4005550000000002", "4005550000000002"),
            ("٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١", "٤٠٠٥٥٥******٠٠٠١"),
            ("40055500000", "40055500000"),
            ("4005  5500  0000  0001", "4005  55**  ****  0001"),
            ("+971 50 123 4567", "+971 50 123 4567"),
        ] {
            assert_eq!(mask_card_numbers(text), safe, "{text}");
        }
    }

    #[test]
    fn the_longest_body_of_digits_is_scanned_in_linear_time() {
        // A scan that grows with the square of the length would be seen to hang here.
        for (text, is_masked) in
            [("4 ".repeat(32_000), true), ("4".repeat(64_000), false), ("4111 1111 1111 1111,".repeat(3_200), true)]
        {
            let safe = mask_card_numbers(&text);
            assert_eq!((safe.len(), safe.contains('*')), (text.len(), is_masked));
        }
    }

    #[test]
    fn nothing_sensitive_is_kept_whatever_it_is_called() {
        let body = br#"{"access_code":"4005550000000001","card_number":4005550000000001,"cvv":"737","CVV2":"737",
            "order_description":"for 4005550000000001","signature":"ab","empty":"","null":null,
            "card":{"number":"4005550000000001","cvc":"737","holder":"Jo"},"list":["4005550000000001"],
            "4005550000000001":"name"}"#;
        let message = Message::from_json(body).unwrap();
        let safe = safe_params(&message);
        let shown: Vec<String> = safe.iter().map(|param| format!("{}={}", param.name, param.value)).collect();
        assert_eq!(
            shown,
            [
                "access_code=4005550000000001",
                "card_number=400555******0001",
                "order_description=for 400555******0001",
                "card={number=400555******0001, cvc=***, holder=Jo}",
                "list=[400555******0001]",
                "400555******0001=name",
            ]
        );
        assert_eq!(stray_card_numbers(&message), Some(Strays { count: 4, first: "order_description".to_owned() }));
    }

    proptest::proptest! {
        #[test]
        fn the_quick_look_agrees_with_the_clusters(text in "[0-9 \\-x]{0,40}") {
            let longest = clusters(text.as_bytes()).iter().map(|runs| runs.iter().map(Range::len).sum::<usize>()).max();
            proptest::prop_assert_eq!(has_long_cluster(text.as_bytes()), longest.unwrap_or(0) >= PAN_DIGITS_MIN);
        }

        #[test]
        fn a_card_number_never_survives(before in "[a-z ]{0,6}", head in "[0-9]{11,18}", after in "[a-z .]{0,6}") {
            let number = (0..10).map(|digit| format!("{head}{digit}")).find(|text| luhn(text)).unwrap();
            let text = format!("{before}x{number}x{after}");
            let safe = mask_card_numbers(&text);
            proptest::prop_assert!(!safe.contains(&number));
            proptest::prop_assert!(safe.contains(&mask(&number)));
            proptest::prop_assert_eq!(safe.chars().count(), text.chars().count());
        }
    }
}

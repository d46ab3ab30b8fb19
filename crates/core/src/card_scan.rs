//! The search for card numbers in texts where none belongs.
//!
//! A card number is found by what makes it one: the leading digits and the length of a known brand, and a
//! right check digit. It is found in every spelling that people and programs give it: in one run, in groups,
//! with invisible characters in between, in the digits of other scripts, percent-encoded in a URL. A run of
//! digits counts as a whole, so that a longer number that happens to contain a card number does not.
//!
//! What looks like one and is none:
//! - a telephone number: `+` and at most 15 digits (ITU-T E.164);
//! - a piece of an identifier in hex: 24 or more hex digits in a row with a letter among them, or a UUID.

use crate::bin::may_be_card_number;
use crate::card::luhn;
use std::borrow::Cow;
use zeroize::{Zeroize, Zeroizing};

/// The fewest digits of a card number of a brand we know.
const DIGITS_MIN: usize = 13;
/// The most digits of a card number (ISO/IEC 7812).
const DIGITS_MAX: usize = 19;
/// The most visible characters between two groups of one number.
const SEPARATORS_MAX: usize = 3;
/// The most invisible characters that are overlooked between two digits.
const INVISIBLES_MAX: usize = 16;
/// The most digits of a telephone number after its `+` (ITU-T E.164).
const TELEPHONE_DIGITS_MAX: usize = 15;
/// From how many hex digits in a row on, with a letter among them, a text is an identifier.
const HEX_IDENTIFIER_MIN: usize = 24;
/// The zeros of other scripts, each followed by its nine other digits: few enough to look through one by one.
const ZEROS: [u32; 14] =
    [0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0E50, 0x17E0, 0xFF10];

/// Whether a card number of a known brand stands in `text`.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    if !may_hold(text) {
        return false;
    }
    find(text, |_| Search::Enough) || in_percent_encoding(text)
}

/// `text` with the middle digits of every card number of a known brand starred: the first six and the last
/// four stay. A number whose digits are percent-encoded is not seen here: [`holds_card_number`] sees it.
#[must_use]
pub fn mask_card_numbers(text: &str) -> Cow<'_, str> {
    if !may_hold(text) {
        return Cow::Borrowed(text);
    }
    let mut hidden: Vec<usize> = Vec::new();
    let found = find(text, |places| {
        hidden.extend(places.get(6..places.len().saturating_sub(4)).unwrap_or_default());
        Search::GoOn
    });
    if !found {
        return Cow::Borrowed(text);
    }
    hidden.sort_unstable();
    let starred = text.char_indices().map(|(place, character)| match hidden.binary_search(&place) {
        Ok(_) => '*',
        Err(_) => character,
    });
    Cow::Owned(starred.collect())
}

/// Whether there are digits enough at all: found without an allocation, a few nanoseconds for a short text.
fn may_hold(text: &str) -> bool {
    if text.len() < DIGITS_MIN {
        return false;
    }
    let (mut digits, mut foreign) = (0_usize, 0_usize);
    for byte in text.bytes() {
        digits += usize::from(byte.is_ascii_digit());
        // Digits of other scripts have two bytes or more, and the first one is 0xC0 or above.
        foreign += usize::from(byte >= 0xC0);
    }
    digits + foreign >= DIGITS_MIN
}

/// A text from a URL or a form may hold the number percent-encoded, its blanks above all.
fn in_percent_encoding(text: &str) -> bool {
    if !text.contains('%') {
        return false;
    }
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    let mut decoded = String::from_utf8_lossy(&decoded).into_owned();
    let found = find(&decoded, |_| Search::Enough);
    decoded.zeroize();
    found
}

/// Whether the search goes on after a number was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    GoOn,
    Enough,
}

/// Calls `found` with the places (in bytes) of the digits of each card number. Gives whether there was any.
/// The time grows with the length of the text and with nothing else; nothing is allocated.
fn find(text: &str, mut found: impl FnMut(&[usize]) -> Search) -> bool {
    let mut window = Window::new(text);
    let mut any = false;
    let mut gap = Gap::new();
    let mut run: Option<usize> = None;
    for (place, character) in text.char_indices() {
        if let Some(digit) = digit_of(character) {
            if run.is_none() {
                window.begin_run(&gap);
                run = Some(place);
            }
            window.push(digit, place);
            gap = Gap::new();
        } else if is_invisible(character) && gap.invisibles < INVISIBLES_MAX {
            // It neither ends a run nor begins a gap.
            gap.invisibles += 1;
        } else {
            if run.take().is_some() && window.end_run(&mut any, &mut found) == Search::Enough {
                return true;
            }
            if !gap.take(character) {
                window.clear();
            }
        }
    }
    if run.is_some() {
        window.end_run(&mut any, &mut found);
    }
    any
}

/// What stands between two runs of digits.
struct Gap {
    characters: [char; SEPARATORS_MAX],
    length: usize,
    invisibles: usize,
}

impl Gap {
    const fn new() -> Gap {
        Gap { characters: ['\0'; SEPARATORS_MAX], length: 0, invisibles: 0 }
    }

    /// Takes one more character; `false` when with it the gap parts two numbers for good.
    fn take(&mut self, character: char) -> bool {
        if !is_separator(character) {
            return false;
        }
        match self.characters.get_mut(self.length) {
            None => false,
            Some(slot) => {
                *slot = character;
                self.length += 1;
                true
            }
        }
    }
}

/// A run of digits in the window.
#[derive(Clone, Copy)]
struct Run {
    digits: usize,
    /// What stands before it.
    gap: [char; SEPARATORS_MAX],
}

/// The last runs of digits that hang together and are, together, no longer than a card number.
struct Window<'a> {
    text: &'a str,
    digits: Zeroizing<[u8; DIGITS_MAX]>,
    places: [usize; DIGITS_MAX],
    /// How many of the digits are in use.
    length: usize,
    runs: [Run; DIGITS_MAX],
    runs_length: usize,
    /// Whether the run that is being read is longer than a card number.
    is_overlong: bool,
}

impl Window<'_> {
    fn new(text: &str) -> Window<'_> {
        let run = Run { digits: 0, gap: ['\0'; SEPARATORS_MAX] };
        Window {
            text,
            digits: Zeroizing::new([0; DIGITS_MAX]),
            places: [0; DIGITS_MAX],
            length: 0,
            runs: [run; DIGITS_MAX],
            runs_length: 0,
            is_overlong: false,
        }
    }

    fn clear(&mut self) {
        (self.length, self.runs_length) = (0, 0);
    }

    fn begin_run(&mut self, gap: &Gap) {
        if self.runs_length == self.runs.len() {
            self.drop_first_run();
        }
        if let Some(slot) = self.runs.get_mut(self.runs_length) {
            *slot = Run { digits: 0, gap: gap.characters };
            self.runs_length += 1;
        }
        self.is_overlong = false;
    }

    fn push(&mut self, digit: u8, place: usize) {
        while self.length == DIGITS_MAX && self.runs_length > 1 {
            self.drop_first_run();
        }
        let last = self.runs_length.checked_sub(1).and_then(|last| self.runs.get_mut(last));
        match (self.digits.get_mut(self.length), self.places.get_mut(self.length), last) {
            (Some(digit_slot), Some(place_slot), Some(run)) => {
                (*digit_slot, *place_slot) = (digit, place);
                run.digits += 1;
                self.length += 1;
            }
            _ => self.is_overlong = true,
        }
    }

    fn drop_first_run(&mut self) {
        let Some(first) = self.runs.first().copied() else { return };
        self.digits.copy_within(first.digits.min(DIGITS_MAX).., 0);
        self.places.copy_within(first.digits.min(DIGITS_MAX).., 0);
        self.runs.copy_within(1.., 0);
        self.length = self.length.saturating_sub(first.digits);
        self.runs_length = self.runs_length.saturating_sub(1);
    }

    /// Judges every number that ends with the run that has just ended.
    fn end_run(&mut self, any: &mut bool, found: &mut impl FnMut(&[usize]) -> Search) -> Search {
        if self.is_overlong {
            self.clear();
            return Search::GoOn;
        }
        let mut begin = 0;
        for first in 0..self.runs_length {
            let runs = self.runs.get(first..self.runs_length).unwrap_or_default();
            let places = self.places.get(begin..self.length).unwrap_or_default();
            let digits = self.digits.get(begin..self.length).unwrap_or_default();
            if digits.len() < DIGITS_MIN {
                break;
            }
            let number = std::str::from_utf8(digits).unwrap_or_default();
            if hang_together(runs) && may_be_card_number(number) && luhn(number) && !self.is_something_else(places) {
                *any = true;
                if found(places) == Search::Enough {
                    return Search::Enough;
                }
            }
            begin += runs.first().map_or(0, |run| run.digits);
        }
        Search::GoOn
    }

    /// Whether the digits at these places belong to a telephone number or to an identifier in hex.
    fn is_something_else(&self, places: &[usize]) -> bool {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return false };
        let (before, after) = (self.text.get(..*first).unwrap_or_default(), self.text.get(*last..).unwrap_or_default());
        if before.ends_with('+') && places.len() <= TELEPHONE_DIGITS_MAX {
            return true;
        }
        let word = |is_part: fn(&u8) -> bool| {
            let head = before.bytes().rev().take(HEX_WORD_BYTES_MAX).take_while(is_part).count();
            let tail = after.bytes().take(HEX_WORD_BYTES_MAX).take_while(is_part).count();
            self.text.get(first.saturating_sub(head)..last.saturating_add(tail)).unwrap_or_default()
        };
        let hex = word(u8::is_ascii_hexdigit);
        let is_identifier = hex.len() >= HEX_IDENTIFIER_MIN && hex.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_identifier || is_uuid(word(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
    }
}

/// How far an identifier in hex is looked at in each direction, in bytes: the longest is a SHA-512.
const HEX_WORD_BYTES_MAX: usize = 128;

/// 8-4-4-4-12 hex digits (RFC 9562) with a letter among them.
fn is_uuid(word: &str) -> bool {
    let mut groups = word.split('-').map(|group| (group.len(), group.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| groups.next() == Some((length, true)));
    fits && groups.next().is_none() && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether runs of digits may be the groups of one number: the same separator between all of them, or groups
/// as they are printed on cards, whatever parts them.
fn hang_together(runs: &[Run]) -> bool {
    let Some((first, later)) = runs.split_first() else { return false };
    let alike = later.windows(2).all(|pair| matches!(pair, [one, other] if one.gap == other.gap));
    if alike {
        return true;
    }
    let in_fours = first.digits == 4 && later.iter().rev().skip(1).all(|run| run.digits == 4);
    let last_fits = later.last().is_some_and(|run| run.digits <= 4);
    let as_amex = matches!((first.digits, later), (4, [middle, last]) if (middle.digits, last.digits) == (6, 5));
    (in_fours && last_fits) || as_amex
}

/// A decimal digit of any script that is likely here, as an ASCII digit.
fn digit_of(character: char) -> Option<u8> {
    if character.is_ascii() {
        return u8::try_from(character).ok().filter(u8::is_ascii_digit);
    }
    let code = u32::from(character);
    let value = match code {
        // Mathematical digits, five alphabets of ten.
        0x1D7CE..=0x1D7FF => Some((code - 0x1D7CE) % 10),
        _ => ZEROS.into_iter().find_map(|zero| code.checked_sub(zero).filter(|value| *value < 10)),
    };
    value.and_then(|value| u8::try_from(value).ok()).map(|value| b'0' + value)
}

/// What people and programs put between the groups of a number.
const fn is_separator(character: char) -> bool {
    matches!(
        character,
        ' ' | '-' | '.' | '_' | '/' | ',' | '+' | '\t' | '\n' | '\r'
            | '\u{a0}' | '\u{b7}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2010}'..='\u{2015}' | '\u{2022}'
            | '\u{2212}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{ff0d}' | '\u{ff0e}' | '\u{640}' | '\u{60c}'
            | '\u{66b}' | '\u{66c}'
    )
}

/// Characters that nobody sees: zero-width ones, marks of direction, the soft hyphen.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_card_number_is_found_in_every_spelling() {
        for text in [
            "4005550000000001",
            "ORDER-4005550000000001",
            "A4005-5500-0000-0001B",
            "4005 5500 0000 0001",
            "4005  5500  0000  0001",
            "4005 - 5500 - 0000 - 0001",
            "4005-5500 0000.0001",
            "4.0.0.5.5.5.0.0.0.0.0.0.0.0.0.1",
            "345678901234564",
            "3456-789012 34564",
            "x_9818950527886700002",
            // As long as a Visa card, with the first digits of a mada card.
            "g4860940000000000006G",
            "2026/4005.5500.0000.0001",
            "12 4005 5500 0000 0001 34",
            "بطاقة ٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١",
            "٤٠٠٥ ٥٥٠٠ ٠٠٠٠ ٠٠٠١",
            "۴۰۰۵۵۵۰۰۰۰۰۰۰۰۰۱",
            "４００５５５００００００００01",
            "４００５－５５００－００００－０００１",
            "4005\u{200b}5500\u{200b}0000\u{200b}0001",
            "\u{202e}4005\u{a0}5500\u{a0}0000\u{a0}0001",
            "https://shop/back?card=4005%205500%200000%200001",
            "%34005550000000001",
            "?card=4005+5500+0000+0001",
            "+4005550000000001",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_card_number_is_let_through() {
        for text in [
            "",
            "ORDER-17",
            "4005550000000002",
            "1700000000000000",
            "14005550000000001",
            "40055500000000011",
            "6011000000000004",
            "4005-55a0-0000-0001",
            "7f40055500000000011f4005a50000000001",
            // A telephone number with a right check digit: a 13-digit Visa but for its plus.
            "+4915112345678",
            "+971 50 123 4567",
            // Identifiers in hex.
            "a4005550000000001c0ffee00",
            "d4005550-0000-4001-8400-555000000000",
            "2026-11-26 04:31:45.123456",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
        assert!(holds_card_number("4915112345678"), "without the plus it is one");
    }

    #[test]
    fn the_middle_is_starred_and_nothing_else() {
        for (text, masked) in [
            ("card 4005550000000001.", "card 400555******0001."),
            ("4005-5500-0000-0001", "4005-55**-****-0001"),
            ("٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١!", "٤٠٠٥٥٥******٠٠٠١!"),
            ("5123456789012346 4005550000000001", "512345******2346 400555******0001"),
            ("nothing here, 179565511258519600", "nothing here, 179565511258519600"),
        ] {
            assert_eq!(mask_card_numbers(text), masked);
        }
    }

    #[test]
    fn a_long_text_is_scanned_in_linear_time() {
        // A scan that grows with the square of the length would be seen to hang here.
        for text in ["4 ".repeat(32_000), "4".repeat(64_000), "4111 1111 1111 1112,".repeat(3_200), "٤".repeat(32_000)]
        {
            let _ = mask_card_numbers(&text);
        }
        assert!(holds_card_number(&"4111 1111 1111 1111,".repeat(3_200)));
    }

    /// A number with a right check digit of a brand's range.
    fn number(head: &str, body: &str, length: usize) -> String {
        let bare: String = head.chars().chain(body.chars()).take(length - 1).collect();
        (0..10).map(|digit| format!("{bare}{digit}")).find(|text| luhn(text)).unwrap()
    }

    /// The number's digits in another script.
    fn in_script(number: &str, zero: u32) -> String {
        number.chars().map(|digit| char::from_u32(zero + digit.to_digit(10).unwrap()).unwrap()).collect()
    }

    /// The number in groups.
    fn grouped(number: &str, sizes: &[usize], separator: &str) -> String {
        let (mut out, mut rest) = (String::new(), number.chars().collect::<Vec<_>>());
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let group: String = rest.drain(..size).collect();
            out.push_str(if out.is_empty() { "" } else { separator });
            out.push_str(&group);
        }
        out
    }

    proptest::proptest! {
        #[test]
        fn a_number_in_random_text_is_always_found_and_masked(
            // Neither hex letters nor a plus: those make something else of the digits beside them.
            before in "[g-zG-Z ,.!؟ا-ي]{0,20}[g-zG-Z!؟ا-ي]", after in "[g-zG-Z!؟ا-ي][g-zG-Z ,.!؟ا-ي]{0,20}",
            brand in proptest::sample::select(vec![("4", 16), ("4", 19), ("51", 16), ("2221", 16), ("37", 15), ("5078", 16)]),
            body in "[0-9]{19}",
            zero in proptest::sample::select(vec![0x30_u32, 0x660, 0x6F0, 0xFF10]),
            separator in proptest::sample::select(vec!["", " ", "-", ".", "  ", " - ", "\u{a0}", "\u{200b}", "_", "–"]),
            sizes in proptest::collection::vec(1_usize..8, 1..4),
        ) {
            let digits = number(brand.0, if brand.0 == "5078" { "0312345678901234567" } else { &body }, brand.1);
            let spelled = grouped(&in_script(&digits, zero), &sizes, separator);
            let text = format!("{before}{spelled}{after}");
            proptest::prop_assert!(holds_card_number(&text), "{}", text);
            let masked = mask_card_numbers(&text);
            proptest::prop_assert!(!masked.contains(&spelled), "{}", masked);
            proptest::prop_assert_eq!(masked.chars().filter(|c| *c == '*').count(), digits.len() - 10);
            proptest::prop_assert_eq!(masked.chars().count(), text.chars().count());
        }

        #[test]
        fn a_text_without_a_right_check_digit_is_let_through(text in "[0-9 .a-z-]{0,60}") {
            // Against a plain and slow search: every stretch of the digits alone.
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
            let any = (DIGITS_MIN..=DIGITS_MAX).any(|length| digits.windows(length).any(|window| {
                let window = std::str::from_utf8(window).unwrap();
                luhn(window) && may_be_card_number(window)
            }));
            proptest::prop_assert!(any || !holds_card_number(&text), "{}", text);
        }

        #[test]
        fn any_text_is_scanned_without_harm(text in "\\PC{0,80}") {
            let masked = mask_card_numbers(&text);
            proptest::prop_assert_eq!(masked.chars().count(), text.chars().count());
        }
    }
}

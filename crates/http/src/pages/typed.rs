//! What customers type: digits of other scripts, blanks, marks that nobody sees. What is read here is clean.

use super::field;
use tollgate_core::bin::Brand;
use tollgate_core::card::{Expiry, PAN_DIGITS_MAX, PAN_DIGITS_MIN, luhn};
use tollgate_core::card_scan::holds_card_number;
use tollgate_core::secret::{Secret, Wiped};

/// The most characters of any of these fields; longer ones are refused unread.
pub const TYPED_CHARS_MAX: usize = 100;
/// The most characters of the name on a card.
pub const HOLDER_CHARS_MAX: usize = 50;

/// What is wrong with a field. The page has a text for each, in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No card number.
    NumberMissing,
    /// Not 12 to 19 digits.
    NumberNotDigits,
    /// A digit is wrong: the check digit does not fit.
    NumberMistyped,
    /// A brand that the merchant does not take, or none that is known.
    BrandNotTaken,
    /// No expiry date.
    ExpiryMissing,
    /// Neither MM/YY nor MM/YYYY.
    ExpiryUnreadable,
    /// Year and month may be the wrong way round: `2712`.
    ExpiryTurned,
    /// The card is past its last day.
    ExpiryPast,
    /// No security code.
    CodeMissing,
    /// Not 3 digits (4 for American Express).
    CodeWrongLength,
    /// A name with characters that no card has, or too long, or with a card number in it.
    HolderUnfit,
}

impl Fault {
    /// The name of the field that it is about.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Fault::NumberMissing | Fault::NumberNotDigits | Fault::NumberMistyped | Fault::BrandNotTaken => {
                field::CARD_NUMBER
            }
            Fault::ExpiryMissing | Fault::ExpiryUnreadable | Fault::ExpiryTurned | Fault::ExpiryPast => {
                field::EXPIRY_DATE
            }
            Fault::CodeMissing | Fault::CodeWrongLength => field::SECURITY_CODE,
            Fault::HolderUnfit => field::HOLDER_NAME,
        }
    }
}

/// A card number as it was typed or pasted: digits with a right check digit, and nothing else. Its brand is for
/// [`tollgate_core::bin::brand_of`] to tell, and whether the merchant takes it for the caller ([`Fault::BrandNotTaken`]).
///
/// # Errors
/// What is wrong.
pub fn typed_card_number(text: &str) -> Result<Secret, Fault> {
    let digits = digits(text, Separators::Between).ok_or(Fault::NumberNotDigits)?;
    if digits.is_empty() {
        return Err(Fault::NumberMissing);
    }
    if !(PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&digits.len()) {
        return Err(Fault::NumberNotDigits);
    }
    if !luhn(&digits) {
        return Err(Fault::NumberMistyped);
    }
    Ok(Secret::new(digits.as_str()))
}

/// A security code as it was typed: 3 digits, 4 for American Express, 3 or 4 where no brand is known.
///
/// # Errors
/// What is wrong.
pub fn typed_code(text: &str, brand: Option<Brand>) -> Result<Secret, Fault> {
    let digits = digits(text, Separators::None).ok_or(Fault::CodeWrongLength)?;
    if digits.is_empty() {
        return Err(Fault::CodeMissing);
    }
    let fits = match brand {
        Some(Brand::Amex) => digits.len() == 4,
        Some(_) => digits.len() == 3,
        None => matches!(digits.len(), 3 | 4),
    };
    if fits { Ok(Secret::new(digits.as_str())) } else { Err(Fault::CodeWrongLength) }
}

/// An expiry date as it was typed: MM/YY, MM/YYYY, MMYY, MMYYYY, also with a blank, a hyphen or a point between, and
/// YYYY-MM, which browsers fill in. Whether it is past is for the caller to say ([`Fault::ExpiryPast`]).
///
/// Four digits could be read both ways: `0912` is September 2012 here and December 2009 on the wire of the API, and
/// `2712` is none here. Where the other reading is possible, the customer is asked.
///
/// # Errors
/// What is wrong.
pub fn typed_expiry(text: &str) -> Result<Expiry, Fault> {
    let text = clean(text).ok_or(Fault::ExpiryUnreadable)?;
    let parts: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let is_clean = text.chars().all(|c| c.is_ascii_digit() || is_date_separator(c));
    if !is_clean {
        return Err(Fault::ExpiryUnreadable);
    }
    match parts.as_slice() {
        [] => Err(Fault::ExpiryMissing),
        [run] if run.len() == 4 => {
            let (first, last) = run.split_at(2);
            if is_month(last) { Err(Fault::ExpiryTurned) } else { expiry(first, last) }
        }
        [run] if run.len() == 6 && run.starts_with("20") && run.get(4..).is_some_and(is_month) => {
            Err(Fault::ExpiryTurned)
        }
        [run] if run.len() == 6 => {
            let (month, year) = run.split_at(2);
            expiry(month, year)
        }
        [year, month] if year.len() == 4 => expiry(month, year),
        [month, year] if month.len() <= 2 && year.len() == 2 && !is_month(month) && is_month(year) => {
            Err(Fault::ExpiryTurned)
        }
        [month, year] => expiry(month, year),
        _ => Err(Fault::ExpiryUnreadable),
    }
}

/// The name on a card as it was typed, without blanks around it; `None` where there is none.
///
/// # Errors
/// [`Fault::HolderUnfit`].
pub fn typed_holder(text: &str) -> Result<Option<String>, Fault> {
    if text.chars().count() > TYPED_CHARS_MAX {
        return Err(Fault::HolderUnfit);
    }
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let name = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Ok(None);
    }
    let fits = name.chars().count() <= HOLDER_CHARS_MAX
        && name.chars().all(|c| c.is_alphanumeric() || is_accent(c) || matches!(c, ' ' | '.' | '\'' | '-'))
        && !resembles_card_number(&name);
    if fits { Ok(Some(name)) } else { Err(Fault::HolderUnfit) }
}

/// Whether a text may be a card number that was typed into the wrong field: of a brand that is known, or mistyped, or of
/// one that is not. Names and dates have fewer digits than any.
pub(super) fn resembles_card_number(text: &str) -> bool {
    text.chars().filter(|character| character.is_numeric()).count() >= PAN_DIGITS_MIN || holds_card_number(text)
}

/// Whether anything may stand between digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separators {
    /// Blanks and hyphens, as people group card numbers.
    Between,
    /// Nothing but blanks around it.
    None,
}

/// The digits of `text` in ASCII; `None` when anything else stands there.
fn digits(text: &str, separators: Separators) -> Option<Wiped<String>> {
    if text.chars().count() > TYPED_CHARS_MAX {
        return None;
    }
    let mut digits: Wiped<String> = Wiped::with_capacity(TYPED_CHARS_MAX);
    for character in text.trim().chars().filter(|c| !is_invisible(*c)) {
        match ascii_digit(character) {
            Some(digit) => digits.push(digit),
            None if separators == Separators::Between && is_number_separator(character) => {}
            None if character.is_whitespace() => {}
            None => return None,
        }
    }
    Some(digits)
}

/// `text` with ASCII digits and without what nobody sees; `None` when it is too long.
fn clean(text: &str) -> Option<String> {
    let visible = text.chars().filter(|c| !is_invisible(*c)).map(|c| ascii_digit(c).unwrap_or(c));
    (text.chars().count() <= TYPED_CHARS_MAX).then(|| visible.collect::<String>().trim().to_owned())
}

/// Digits of ASCII, Arabic-Indic, Persian and Urdu (extended Arabic-Indic), and full width.
fn ascii_digit(character: char) -> Option<char> {
    let code = u32::from(character);
    [0x30, 0x660, 0x6F0, 0xFF10].into_iter().find_map(|zero| {
        let value = code.checked_sub(zero).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    })
}

/// Marks of the reading direction, joiners, and the byte order mark.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Accents and vowel marks that some keyboards type behind the letter.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

fn is_number_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '.' | '·')
}

fn is_date_separator(character: char) -> bool {
    is_number_separator(character) || matches!(character, '/' | '\\' | '\u{2044}' | '\u{2215}' | '٫' | '،')
}

fn is_month(text: &str) -> bool {
    text.len() <= 2 && text.parse::<u8>().is_ok_and(|month| (1..=12).contains(&month))
}

fn expiry(month: &str, year: &str) -> Result<Expiry, Fault> {
    let year = match year.len() {
        2 => Some(year),
        4 => year.strip_prefix("20"),
        _ => None,
    };
    let month = month.parse::<u8>().ok().filter(|_| month.len() <= 2);
    match (month, year) {
        (Some(month), Some(year)) => Expiry::parse(&format!("{year}{month:02}")).ok_or(Fault::ExpiryUnreadable),
        _ => Err(Fault::ExpiryUnreadable),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_card_number_is_read_in_every_spelling() {
        for text in [
            "4005550000000001",
            " 4005 5500 0000 0001 ",
            "4005-5500-0000-0001",
            "4005\u{a0}5500\u{2009}0000\u{202f}0001",
            "\u{200e}4005550000000001\u{200f}",
            "\u{202d}4005 5500 0000 0001\u{202c}",
            "٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١",
            "٤٠٠٥ ٥٥٠٠ ٠٠٠٠ ٠٠٠١",
            "۴۰۰۵ ۵۵۰۰ ۰۰۰۰ ۰۰۰۱",
            "４００５５５０００００００００１",
        ] {
            assert_eq!(typed_card_number(text).unwrap().reveal(), "4005550000000001", "{text}");
        }
        for (text, fault) in [
            ("", Fault::NumberMissing),
            ("  \u{200f}", Fault::NumberMissing),
            ("4005", Fault::NumberNotDigits),
            ("4005 5500 0000 0001x", Fault::NumberNotDigits),
            ("40055500000000010000", Fault::NumberNotDigits),
            ("4005550000000002", Fault::NumberMistyped),
            (&"4".repeat(TYPED_CHARS_MAX + 1), Fault::NumberNotDigits),
        ] {
            assert_eq!(typed_card_number(text).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn an_expiry_is_month_then_year() {
        for text in [
            "11/27",
            "1127",
            "11/2027",
            "112027",
            "11 / 27",
            "11-27",
            "11.27",
            " 11/27 ",
            "١١/٢٧",
            "۱۱/۲۷",
            "2027-11",
            "2027/11",
            "\u{200e}11\u{200f}/27",
            "11 27",
        ] {
            assert_eq!(typed_expiry(text).unwrap().to_string(), "2711", "{text}");
        }
        assert_eq!(typed_expiry("1/28").unwrap().to_string(), "2801");
        for (text, fault) in [
            ("", Fault::ExpiryMissing),
            ("/", Fault::ExpiryMissing),
            ("2711", Fault::ExpiryTurned),
            ("27/11", Fault::ExpiryTurned),
            ("202711", Fault::ExpiryTurned),
            ("0912", Fault::ExpiryTurned),
            ("13/27", Fault::ExpiryUnreadable),
            ("00/27", Fault::ExpiryUnreadable),
            ("11/1927", Fault::ExpiryUnreadable),
            ("11/27/01", Fault::ExpiryUnreadable),
            ("127", Fault::ExpiryUnreadable),
            ("Nov 27", Fault::ExpiryUnreadable),
            ("011/27", Fault::ExpiryUnreadable),
        ] {
            assert_eq!(typed_expiry(text).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn the_length_of_a_code_goes_by_the_brand() {
        for (text, brand, ok) in [
            ("123", Some(Brand::Visa), true),
            ("١٢٣", Some(Brand::Mada), true),
            (" 123\u{200f}", Some(Brand::Visa), true),
            ("1234", Some(Brand::Visa), false),
            ("1234", Some(Brand::Amex), true),
            ("123", Some(Brand::Amex), false),
            ("123", None, true),
            ("1234", None, true),
            ("12", None, false),
            ("12345", None, false),
            ("12a", None, false),
        ] {
            assert_eq!(typed_code(text, brand).is_ok(), ok, "{text} {brand:?}");
        }
        assert_eq!(typed_code(" ", None).unwrap_err(), Fault::CodeMissing);
    }

    #[test]
    fn a_name_holds_no_card_number() {
        assert_eq!(typed_holder("  Jo\u{200f}  Doe ").unwrap().as_deref(), Some("Jo Doe"));
        assert_eq!(typed_holder("محمد بن علي").unwrap().as_deref(), Some("محمد بن علي"));
        assert_eq!(typed_holder("Jean-Luc O'Neil Jr.").unwrap().as_deref(), Some("Jean-Luc O'Neil Jr."));
        assert_eq!(typed_holder(" \u{200e} ").unwrap(), None);
        for text in ["4005 5500 0000 0001", "Jo <b>", "Jo|Doe", &"x".repeat(51), "Jo\u{7}"] {
            assert_eq!(typed_holder(text).unwrap_err(), Fault::HolderUnfit, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_typed_is_read_or_refused(text in "\\PC{0,40}|[0-9٠-٩ /\u{200f}-]{0,30}") {
            let _ = (typed_card_number(&text), typed_expiry(&text), typed_holder(&text));
            if let Ok(code) = typed_code(&text, None) {
                proptest::prop_assert!(code.reveal().bytes().all(|byte| byte.is_ascii_digit()));
            }
        }
    }

    #[test]
    fn what_may_be_a_card_number_is_no_name_and_is_not_repeated() {
        for text in ["4005550000000001", "4005 5500 0000 0002", "8888880000000001", "٨٨٨٨٨٨٠٠٠٠٠٠٠٠٠١"]
        {
            assert!(resembles_card_number(text), "{text}");
            assert_eq!(typed_holder(text), Err(Fault::HolderUnfit), "{text}");
        }
        for text in ["Jo Doe", "Louis XIV", "John Doe 3rd", "05/2030", ""] {
            assert!(!resembles_card_number(text), "{text}");
        }
    }
}

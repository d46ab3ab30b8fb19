//! Sets of characters: a bit for each ASCII character, a flag for the letters of the world.

/// The characters a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charset {
    ascii: u128,
    scripts: Scripts,
}

/// Which characters beyond ASCII are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    /// None.
    AsciiOnly,
    /// Letters, marks and digits of every script; ASCII letters and digits with them.
    All,
}

impl Charset {
    /// Reads a list of ASCII characters, in which `a-z` is a range and a `-` at the end is itself.
    pub(crate) fn parse(list: &str, scripts: Scripts) -> Option<Charset> {
        let mut ascii = match scripts {
            Scripts::AsciiOnly => 0,
            Scripts::All => range(b'a', b'z') | range(b'A', b'Z') | range(b'0', b'9'),
        };
        let mut bytes = list.as_bytes();
        loop {
            bytes = match bytes {
                [] => return Some(Charset { ascii, scripts }),
                [first, b'-', last, rest @ ..] if first <= last && last.is_ascii() => {
                    ascii |= range(*first, *last);
                    rest
                }
                [byte, rest @ ..] if byte.is_ascii() => {
                    ascii |= range(*byte, *byte);
                    rest
                }
                _ => return None,
            };
        }
    }

    /// Whether `text` is made of these characters only.
    pub(crate) fn covers(&self, text: &str) -> bool {
        if text.is_ascii() {
            return text.bytes().all(|byte| self.has_ascii(byte));
        }
        self.scripts == Scripts::All
            && text.chars().all(|character| match u8::try_from(character) {
                Ok(byte) if byte.is_ascii() => self.has_ascii(byte),
                _ => character.is_alphanumeric() || is_mark(character),
            })
    }

    fn has_ascii(&self, byte: u8) -> bool {
        self.ascii >> (byte & 0x7f) & 1 == 1
    }
}

fn range(first: u8, last: u8) -> u128 {
    (first..=last).fold(0, |bits, byte| bits | 1 << (byte & 0x7f))
}

/// Combining marks (Unicode category M) that `char::is_alphanumeric` leaves out, and the joiners that
/// names in Persian and in the scripts of India need.
fn is_mark(character: char) -> bool {
    let code = u32::from(character);
    MARKS
        .binary_search_by(|(first, last)| {
            if *last < code {
                std::cmp::Ordering::Less
            } else if *first > code {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

#[rustfmt::skip]
const MARKS: [(u32, u32); 50] = [
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2),
    (0x05C4, 0x05C5), (0x05C7, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670),
    (0x06D6, 0x06DC), (0x06DF, 0x06E4), (0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x0711, 0x0711),
    (0x0730, 0x074A), (0x07A6, 0x07B0), (0x0898, 0x089F), (0x08CA, 0x08E1), (0x08E3, 0x0903),
    (0x093A, 0x093C), (0x093E, 0x094F), (0x0951, 0x0957), (0x0981, 0x0983), (0x09BC, 0x09BC),
    (0x09CD, 0x09CD), (0x0A3C, 0x0A3C), (0x0A4D, 0x0A4D), (0x0ABC, 0x0ABC), (0x0ACD, 0x0ACD),
    (0x0B3C, 0x0B3C), (0x0B4D, 0x0B4D), (0x0BCD, 0x0BCD), (0x0C4D, 0x0C4D), (0x0CBC, 0x0CBC),
    (0x0CCD, 0x0CCD), (0x0D3B, 0x0D3C), (0x0D4D, 0x0D4D), (0x0DCA, 0x0DCA), (0x0E31, 0x0E3A),
    (0x0E47, 0x0E4E), (0x0EB1, 0x0EBC), (0x0EC8, 0x0ECE), (0x1037, 0x103A), (0x17B4, 0x17D3),
    (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x200C, 0x200D), (0x3099, 0x309A), (0xFE20, 0xFE2F),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_has_ranges_single_characters_and_a_dash_at_its_end() {
        let set = Charset::parse("A-Cx._-", Scripts::AsciiOnly).unwrap();
        assert!(set.covers("ABC.x_-"));
        for text in ["D", "a", "A B", "é", "A/"] {
            assert!(!set.covers(text), "{text}");
        }
        assert_eq!(Charset::parse("é", Scripts::AsciiOnly), None);
    }

    #[test]
    fn names_of_every_script_are_letters_marks_and_digits() {
        let set = Charset::parse(" .'-", Scripts::All).unwrap();
        for name in ["Jo Doe", "O'Brien-Müller Jr.", "أحمد علي", "مُحَمَّد", "e\u{301}", "राम शर्मा", "李四", "۱۲"]
        {
            assert!(set.covers(name), "{name}");
        }
        for name in ["Jo<Doe>", "Jo\u{2013}Doe", "Jo\u{1F600}", "a\u{7f}", "Jo\u{202e}"] {
            assert!(!set.covers(name), "{name}");
        }
        assert!(!Charset::parse("a-z", Scripts::AsciiOnly).unwrap().covers("\u{301}"));
    }

    #[test]
    fn the_ranges_of_marks_are_sorted_and_apart() {
        assert!(MARKS.iter().zip(MARKS.iter().skip(1)).all(|(a, b)| a.0 <= a.1 && a.1 < b.0));
    }
}

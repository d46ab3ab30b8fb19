//! Character classes of ISO 8583 and the byte tables of the codec.

/// A set of permitted characters, as one bit of [`CLASS_BITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// `n`: digits.
    pub(crate) const N: Class = Class(1);
    /// `a`: letters and the space that pads them.
    pub(crate) const A: Class = Class(1 << 1);
    /// `an`: letters, digits, space.
    pub(crate) const AN: Class = Class(1 << 2);
    /// `as`: letters, specials, space.
    pub(crate) const AS: Class = Class(1 << 3);
    /// `ns`: digits, specials, space.
    pub(crate) const NS: Class = Class(1 << 4);
    /// `ans`: every printable character.
    pub(crate) const ANS: Class = Class(1 << 5);
    /// `z`: digits and the separator of track 2 and 3.
    pub(crate) const Z: Class = Class(1 << 6);

    /// Whether all of `bytes` belong to the class.
    #[inline]
    pub(crate) fn admits(self, bytes: &[u8]) -> bool {
        match self {
            // Eight bytes at a time by arithmetic: digits and printable text are nearly everything a message has.
            Class::N => in_words(bytes, digit_strangers),
            Class::ANS => in_words(bytes, printable_strangers),
            Class(bit) => bytes.iter().fold(bit, |all, &byte| all & CLASS_BITS[usize::from(byte)]) != 0,
        }
    }

    /// The index of the first byte that does not belong to the class.
    #[cold]
    pub(crate) fn first_stranger(self, bytes: &[u8]) -> usize {
        bytes.iter().position(|&byte| CLASS_BITS[usize::from(byte)] & self.0 == 0).unwrap_or(0)
    }
}

/// Code page 037 to ASCII; 0, which no class admits, where cp037 has no printable ASCII character.
pub(crate) static ASCII_OF_CP037: [u8; 256] = invert_cp037();

/// ASCII to code page 037; 0 for what is not printable ASCII.
pub(crate) static CP037_OF_ASCII: [u8; 256] = widen_cp037();

/// A byte of two BCD digits to two ASCII digits; a nibble above 9 gives 0, which no class admits.
pub(crate) static DIGITS_OF_BCD: [[u8; 2]; 256] = nibble_pairs(0);

/// The same for track data, whose separator travels as nibble `D`.
pub(crate) static TRACK_OF_BCD: [[u8; 2]; 256] = nibble_pairs(b'=');

/// Upper-case hexadecimal pair of a byte.
pub(crate) static HEX_OF_BYTE: [[u8; 2]; 256] = hex_pairs();

/// The nibble of a hexadecimal digit of either case; 0xF0 for what is none.
pub(crate) static NIBBLE_OF_HEX: [u8; 256] = hex_nibbles();

/// The value of a hexadecimal digit of either case.
#[inline]
pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The nibble of a digit or of a track separator (`=` or `D`).
#[inline]
pub(crate) fn nibble_of(character: u8) -> u8 {
    // '=' is 0x3D, so its low nibble is already the D of the wire.
    if character == b'D' { 0xD } else { character & 0x0F }
}

/// Whether a test finds nothing in `bytes`. The test answers, for eight bytes at once, zero when all are admitted.
#[inline]
fn in_words(bytes: &[u8], strangers: impl Fn(u64) -> u64) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        if bytes.len() <= 16 {
            return strangers(u64::from_ne_bytes(*first)) | strangers(u64::from_ne_bytes(*last)) == 0;
        }
        let (words, _) = bytes.as_chunks::<8>();
        // The last word may overlap the one before: looking twice is cheaper than looking singly.
        return words
            .iter()
            .fold(strangers(u64::from_ne_bytes(*last)), |found, word| found | strangers(u64::from_ne_bytes(*word)))
            == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let both = u64::from(u32::from_ne_bytes(*first)) << 32 | u64::from(u32::from_ne_bytes(*last));
        return strangers(both) == 0;
    }
    bytes.iter().all(|&byte| strangers(u64::from(byte) * EACH) == 0)
}

/// One in each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Zero when all eight bytes are digits: the high nibble is 3, and stays 3 when 6 is added.
#[inline]
fn digit_strangers(word: u64) -> u64 {
    let threes = 0x30 * EACH;
    ((word ^ threes) | (word.wrapping_add(0x06 * EACH) ^ threes)) & (0xF0 * EACH)
}

/// Zero when all eight bytes are 0x20 to 0x7E. A byte above 0x7F may carry into its neighbour, but is itself found.
#[inline]
fn printable_strangers(word: u64) -> u64 {
    let tops = 0x80 * EACH;
    let not_below_space = (word | tops).wrapping_sub(0x20 * EACH);
    (word | word.wrapping_add(EACH) | !not_below_space) & tops
}

static CLASS_BITS: [u8; 256] = class_bits();

/// cp037 of the printable ASCII characters 0x20 to 0x7E, in that order (IBM code page 37).
const CP037_OF_PRINTABLE: [u8; 95] = [
    0x40, 0x5A, 0x7F, 0x7B, 0x5B, 0x6C, 0x50, 0x7D, 0x4D, 0x5D, 0x5C, 0x4E, 0x6B, 0x60, 0x4B, 0x61, 0xF0, 0xF1, 0xF2,
    0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0x7A, 0x5E, 0x4C, 0x7E, 0x6E, 0x6F, 0x7C, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7,
    0xE8, 0xE9, 0xBA, 0xE0, 0xBB, 0xB0, 0x6D, 0x79, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x91, 0x92,
    0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xC0, 0x4F, 0xD0, 0xA1,
];

const fn widen_cp037() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < CP037_OF_PRINTABLE.len() {
        table[0x20 + index] = CP037_OF_PRINTABLE[index];
        index += 1;
    }
    table
}

const fn invert_cp037() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < CP037_OF_PRINTABLE.len() {
        table[CP037_OF_PRINTABLE[index] as usize] = 0x20 + index as u8;
        index += 1;
    }
    table
}

const fn nibble_pairs(separator: u8) -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [nibble_character((byte >> 4) as u8, separator), nibble_character((byte & 15) as u8, separator)];
        byte += 1;
    }
    table
}

const fn nibble_character(nibble: u8, separator: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        0xD => separator,
        _ => 0,
    }
}

const fn hex_pairs() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
}

const fn hex_nibbles() -> [u8; 256] {
    let mut table = [0xF0; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Some(nibble) = hex_value(byte as u8) {
            table[byte] = nibble;
        }
        byte += 1;
    }
    table
}

const fn class_bits() -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0x20;
    while code <= 0x7E {
        let byte = code as u8;
        let digit = byte.is_ascii_digit();
        let letter = byte.is_ascii_alphabetic();
        let space = byte == b' ';
        let special = !digit && !letter && !space;
        let mut bits = Class::ANS.0;
        if digit {
            bits |= Class::N.0 | Class::Z.0;
        }
        if letter || space {
            bits |= Class::A.0;
        }
        if letter || digit || space {
            bits |= Class::AN.0;
        }
        if letter || special || space {
            bits |= Class::AS.0;
        }
        if digit || special || space {
            bits |= Class::NS.0;
        }
        if byte == b'=' || byte == b'D' {
            bits |= Class::Z.0;
        }
        table[code] = bits;
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cp037_round_trips_every_printable_character_and_nothing_else() {
        for byte in 0..=255u8 {
            let ebcdic = CP037_OF_ASCII[usize::from(byte)];
            if matches!(byte, 0x20..=0x7E) {
                assert_eq!(ASCII_OF_CP037[usize::from(ebcdic)], byte);
            } else {
                assert_eq!(ebcdic, 0);
            }
        }
        assert_eq!(ASCII_OF_CP037.iter().filter(|&&byte| byte != 0).count(), 95);
    }

    #[test]
    fn classes_admit_exactly_their_characters() {
        let admitted = |class: Class| (0..=255u8).filter(|&byte| class.admits(&[byte])).count();
        assert_eq!(admitted(Class::N), 10);
        assert_eq!(admitted(Class::A), 53);
        assert_eq!(admitted(Class::AN), 63);
        assert_eq!(admitted(Class::AS), 85);
        assert_eq!(admitted(Class::NS), 43);
        assert_eq!(admitted(Class::ANS), 95);
        assert_eq!(admitted(Class::Z), 12);
        assert!(!Class::N.admits(b"12a4"));
        assert_eq!(Class::N.first_stranger(b"12a4"), 2);
    }

    #[test]
    fn words_find_a_stranger_of_any_value_in_any_place_and_nothing_else() {
        for class in [Class::N, Class::ANS] {
            for length in 0..40 {
                for place in 0..length {
                    for byte in 0..=255u8 {
                        let mut text = vec![b'9'; length];
                        text[place] = byte;
                        assert_eq!(class.admits(&text), class.admits(&[byte]), "{class:?} {length} {place} {byte}");
                        assert_eq!(class.admits(&[byte]), CLASS_BITS[usize::from(byte)] & class.0 != 0);
                    }
                }
            }
        }
    }

    #[test]
    fn nibbles_above_nine_are_no_digits() {
        assert_eq!(DIGITS_OF_BCD[0x94], *b"94");
        assert_eq!(DIGITS_OF_BCD[0xA4], [0, b'4']);
        assert_eq!(TRACK_OF_BCD[0x4D], *b"4=");
        assert_eq!((nibble_of(b'='), nibble_of(b'D'), nibble_of(b'7')), (0xD, 0xD, 7));
    }
}

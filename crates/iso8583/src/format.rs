//! The notation of ISO 8583 for what a field holds: `n 6`, `an ..25`, `ans ...999`, `x+n 8`, `z ..37`, `b 8`.

use std::str::FromStr;

use crate::charset::Class;
use crate::message::FIELD_BYTES_MAX;

/// A parsed format: which characters, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) content: Content,
    pub(crate) extent: Extent,
    /// Characters, digits or, for `b`, bytes. For `x+n` the digits after the sign.
    pub(crate) length: u16,
}

/// What a field is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// `n`
    Digits,
    /// `x+n`: `C` or `D`, then digits.
    SignedDigits,
    /// `z`: track 2 or 3.
    Track,
    /// `a`, `an`, `as`, `ns`, `ans`
    Text(Class),
    /// `b`
    Binary,
}

/// Whether the length is fixed or travels with the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Always `length`.
    Fixed,
    /// `..`: LLVAR, two digits of length.
    Var2,
    /// `...`: LLLVAR, three digits of length.
    Var3,
}

impl FromStr for Format {
    /// What to do about it, for the author of the spec.
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let (content, extent) = text.trim().split_once(' ').ok_or_else(|| {
            format!("format \"{text}\" has no length: write the kind, a space, the length, as in \"n 6\"")
        })?;
        let content = content_of(content)?;
        let extent = extent.trim();
        let (extent, digits, length_max) = match extent.trim_start_matches('.') {
            digits if extent.len() == digits.len() => (Extent::Fixed, digits, FIELD_BYTES_MAX),
            digits if extent.len() == digits.len() + 2 => (Extent::Var2, digits, 99),
            digits if extent.len() == digits.len() + 3 => (Extent::Var3, digits, FIELD_BYTES_MAX),
            _ => return Err(format!("format \"{text}\": write no dots, \"..\" (to 99) or \"...\" (to 999)")),
        };
        let length = digits
            .parse::<u16>()
            .ok()
            .filter(|&length| length >= 1 && usize::from(length) <= length_max)
            .ok_or_else(|| format!("format \"{text}\": the length must be a number from 1 to {length_max}"))?;
        if content == Content::SignedDigits && extent != Extent::Fixed {
            return Err(format!("format \"{text}\": a signed amount has a fixed length, as in \"x+n 8\""));
        }
        if content == Content::SignedDigits && usize::from(length) >= FIELD_BYTES_MAX {
            return Err(format!("format \"{text}\": at most {} digits", FIELD_BYTES_MAX - 1));
        }
        Ok(Format { content, extent, length })
    }
}

fn content_of(kind: &str) -> Result<Content, String> {
    Ok(match kind {
        "n" => Content::Digits,
        "x+n" => Content::SignedDigits,
        "z" => Content::Track,
        "b" => Content::Binary,
        "a" => Content::Text(Class::A),
        "an" => Content::Text(Class::AN),
        "as" => Content::Text(Class::AS),
        "ns" => Content::Text(Class::NS),
        "ans" => Content::Text(Class::ANS),
        other => return Err(format!("kind \"{other}\" is none of n, x+n, a, an, as, ns, ans, z, b")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_kind_and_extent_is_read() {
        let format = |text: &str| text.parse::<Format>().unwrap();
        assert_eq!(format("n 6"), Format { content: Content::Digits, extent: Extent::Fixed, length: 6 });
        assert_eq!(format("z ..37"), Format { content: Content::Track, extent: Extent::Var2, length: 37 });
        assert_eq!(
            format("ans ...999"),
            Format { content: Content::Text(Class::ANS), extent: Extent::Var3, length: 999 }
        );
        assert_eq!(format("x+n 8"), Format { content: Content::SignedDigits, extent: Extent::Fixed, length: 8 });
    }

    #[test]
    fn a_wrong_format_says_what_to_write() {
        for (text, hint) in [
            ("n6", "no length"),
            ("q 6", "none of"),
            ("n .6", "no dots"),
            ("n ....6", "no dots"),
            ("n ..100", "1 to 99"),
            ("n ...1000", "1 to 999"),
            ("n 0", "1 to 999"),
            ("n -1", "1 to 999"),
            ("x+n ..8", "fixed length"),
            ("x+n 999", "998"),
        ] {
            let problem = text.parse::<Format>().unwrap_err();
            assert!(problem.contains(hint), "{text}: {problem}");
        }
    }
}

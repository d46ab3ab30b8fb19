//! How each field travels: what a spec boils down to when it is loaded.

use serde::Deserialize;

use crate::charset::Class;
use crate::format::{Content, Extent, Format};
use crate::message::FIELD_BYTES_MAX;

/// The plan of one field. Small, so that all of them stay in the nearest cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) wire: Wire,
    pub(crate) length: LengthWire,
    /// The sign character that goes before the digits of `x+n`.
    pub(crate) sign: Option<TextWire>,
    pub(crate) odd_pad: OddPad,
    /// Units of the length prefix to one unit of the value: 2 where the prefix counts the hexadecimal characters.
    pub(crate) prefix_scale: u8,
    /// Longest value, or the length of a fixed one: characters, digits or, for binary, bytes; without the sign.
    pub(crate) units_max: u16,
    /// Whether the value travels, sign and all, as the bytes of its canonical form.
    pub(crate) travels_as_it_is: bool,
    /// The digits of the length prefix (0 for a fixed length) of text and prefix in ASCII: nearly all that most messages have.
    pub(crate) plain: Option<u8>,
}

/// How the value itself travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Ascii(Class),
    Ebcdic(Class),
    BcdDigits,
    BcdTrack,
    Raw,
    Hex,
}

/// How the length prefix travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthWire {
    Fixed,
    Ascii2,
    Ascii3,
    Ebcdic2,
    Ebcdic3,
    Bcd1,
    Bcd2,
    Binary1,
    Binary2,
}

/// Encoding of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum TextWire {
    #[serde(rename = "ascii")]
    Ascii,
    #[serde(rename = "ebcdic-037")]
    Ebcdic,
}

/// Encoding of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum NumericWire {
    #[serde(rename = "ascii")]
    Ascii,
    #[serde(rename = "ebcdic-037")]
    Ebcdic,
    #[serde(rename = "bcd")]
    Bcd,
}

/// Encoding of length prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum PrefixWire {
    #[serde(rename = "ascii")]
    Ascii,
    #[serde(rename = "ebcdic-037")]
    Ebcdic,
    #[serde(rename = "bcd")]
    Bcd,
    #[serde(rename = "binary")]
    Binary,
}

/// Encoding of binary fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum BinaryWire {
    #[serde(rename = "raw")]
    Raw,
    #[serde(rename = "hex")]
    Hex,
}

/// Encoding of the two bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum BitmapWire {
    #[serde(rename = "binary")]
    Binary,
    #[serde(rename = "hex")]
    Hex,
}

/// What the length prefix of a hexadecimal field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum HexCount {
    #[serde(rename = "characters")]
    Characters,
    #[serde(rename = "bytes")]
    Bytes,
}

/// Where the spare nibble of an odd count of BCD digits goes, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum OddPad {
    #[serde(rename = "left-zero")]
    LeftZero,
    #[serde(rename = "right-zero")]
    RightZero,
    #[serde(rename = "right-f")]
    RightF,
}

/// The encodings of one field: those of the spec, or the field's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encodings {
    pub(crate) numeric: NumericWire,
    pub(crate) text: TextWire,
    pub(crate) binary: BinaryWire,
    pub(crate) prefix: PrefixWire,
    pub(crate) hex_count: HexCount,
    pub(crate) odd_pad: OddPad,
}

impl Plan {
    /// The plan of a format under the given encodings, or what the author of the spec is to do.
    pub(crate) fn new(format: Format, encodings: Encodings) -> Result<Plan, String> {
        let wire = match format.content {
            Content::Digits | Content::SignedDigits => numeric_wire(encodings.numeric, Class::N, Wire::BcdDigits),
            Content::Track => numeric_wire(encodings.numeric, Class::Z, Wire::BcdTrack),
            Content::Text(class) => match encodings.text {
                TextWire::Ascii => Wire::Ascii(class),
                TextWire::Ebcdic => Wire::Ebcdic(class),
            },
            Content::Binary => match encodings.binary {
                BinaryWire::Raw => Wire::Raw,
                BinaryWire::Hex => Wire::Hex,
            },
        };
        let doubled = wire == Wire::Hex && encodings.hex_count == HexCount::Characters;
        let length = length_wire(format.extent, encodings.prefix);
        let plan = Plan {
            plain: plain(wire, length).filter(|_| !matches!(format.content, Content::Track | Content::SignedDigits)),
            wire,
            length,
            sign: (format.content == Content::SignedDigits).then_some(encodings.text),
            odd_pad: encodings.odd_pad,
            prefix_scale: if doubled { 2 } else { 1 },
            units_max: format.length,
            travels_as_it_is: travels_as_it_is(format.content, wire, encodings.text),
        };
        let prefix_max = usize::from(plan.units_max) * usize::from(plan.prefix_scale);
        if plan.length != LengthWire::Fixed && prefix_max > plan.prefix_limit() {
            return Err(format!(
                "the prefix cannot count {prefix_max} hexadecimal characters: shorten the field, use \"...\", or set \
                 hex_length = \"bytes\""
            ));
        }
        Ok(plan)
    }

    /// The most that the prefix can say.
    fn prefix_limit(&self) -> usize {
        match self.length {
            LengthWire::Fixed => 0,
            LengthWire::Ascii2 | LengthWire::Ebcdic2 | LengthWire::Bcd1 => 99,
            LengthWire::Binary1 => usize::from(u8::MAX),
            LengthWire::Ascii3 | LengthWire::Ebcdic3 | LengthWire::Bcd2 | LengthWire::Binary2 => FIELD_BYTES_MAX,
        }
    }

    /// Bytes on the wire for a value of so many units, without sign and prefix.
    #[inline]
    pub(crate) fn wire_bytes(&self, units: usize) -> usize {
        match self.wire {
            Wire::Ascii(_) | Wire::Ebcdic(_) | Wire::Raw => units,
            Wire::BcdDigits | Wire::BcdTrack => units.div_ceil(2),
            Wire::Hex => units * 2,
        }
    }

    /// The characters of the value; `None` for binary.
    pub(crate) fn class(&self) -> Option<Class> {
        match self.wire {
            Wire::Ascii(class) | Wire::Ebcdic(class) => Some(class),
            Wire::BcdDigits => Some(Class::N),
            Wire::BcdTrack => Some(Class::Z),
            Wire::Raw | Wire::Hex => None,
        }
    }
}

fn plain(wire: Wire, length: LengthWire) -> Option<u8> {
    match (wire, length) {
        (Wire::Ascii(_), LengthWire::Fixed) => Some(0),
        (Wire::Ascii(_), LengthWire::Ascii2) => Some(2),
        (Wire::Ascii(_), LengthWire::Ascii3) => Some(3),
        _ => None,
    }
}

fn travels_as_it_is(content: Content, wire: Wire, text: TextWire) -> bool {
    match (content, wire) {
        // The separator may be one of two characters.
        (Content::Track, _) => false,
        (Content::SignedDigits, Wire::Ascii(_)) => text == TextWire::Ascii,
        (_, wire) => matches!(wire, Wire::Ascii(_) | Wire::Raw),
    }
}

fn numeric_wire(numeric: NumericWire, class: Class, bcd: Wire) -> Wire {
    match numeric {
        NumericWire::Ascii => Wire::Ascii(class),
        NumericWire::Ebcdic => Wire::Ebcdic(class),
        NumericWire::Bcd => bcd,
    }
}

fn length_wire(extent: Extent, prefix: PrefixWire) -> LengthWire {
    match (extent, prefix) {
        (Extent::Fixed, _) => LengthWire::Fixed,
        (Extent::Var2, PrefixWire::Ascii) => LengthWire::Ascii2,
        (Extent::Var3, PrefixWire::Ascii) => LengthWire::Ascii3,
        (Extent::Var2, PrefixWire::Ebcdic) => LengthWire::Ebcdic2,
        (Extent::Var3, PrefixWire::Ebcdic) => LengthWire::Ebcdic3,
        (Extent::Var2, PrefixWire::Bcd) => LengthWire::Bcd1,
        (Extent::Var3, PrefixWire::Bcd) => LengthWire::Bcd2,
        (Extent::Var2, PrefixWire::Binary) => LengthWire::Binary1,
        (Extent::Var3, PrefixWire::Binary) => LengthWire::Binary2,
    }
}

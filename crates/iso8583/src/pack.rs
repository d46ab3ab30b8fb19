//! From a message to its wire form.

use thiserror::Error;

use crate::charset::{CP037_OF_ASCII, Class, HEX_OF_BYTE, nibble_of};
use crate::message::{FIELD_BYTES_MAX, FIRST_BIT, Message};
use crate::mti::Mti;
use crate::plan::{BitmapWire, LengthWire, NumericWire, OddPad, Plan, TextWire, Wire};
use crate::spec::Spec;

/// MTI and two bitmaps at their widest: 4 + 2 * 16 bytes.
const HEADER_BYTES_MAX: usize = 36;
/// Sign and length prefix of one field at their widest.
const FIELD_OVERHEAD_BYTES_MAX: usize = 4;

impl Spec {
    /// Appends the wire form of a message to `out`.
    ///
    /// Room is taken once, before the first byte, so that no copy of card data is left in memory that was outgrown; the
    /// caller owns `out` and wipes it.
    ///
    /// # Errors
    /// [`PackError`] names the field and the reason and holds no value; `out` is then as it was. The guilty one is the
    /// caller, who built the message.
    pub fn pack(&self, message: &Message, out: &mut Vec<u8>) -> Result<(), PackError> {
        let start = out.len();
        let fields = message.field_count() as usize;
        // Hexadecimal doubles a binary field; nothing grows more.
        out.reserve(HEADER_BYTES_MAX + fields * FIELD_OVERHEAD_BYTES_MAX + 2 * message.bytes_len());
        let outcome = self.pack_all(message, out);
        if outcome.is_err() {
            if let Some(written) = out.get_mut(start..) {
                zeroize::Zeroize::zeroize(written);
            }
            out.truncate(start);
        }
        outcome
    }

    fn pack_all(&self, message: &Message, out: &mut Vec<u8>) -> Result<(), PackError> {
        let mti = message.mti().ok_or(PackError::MtiMissing)?;
        pack_mti(self.mti, mti, out);
        let [mut first, second] = message.present();
        if second != 0 {
            first |= FIRST_BIT;
        }
        pack_bitmap(self.bitmap, first, out);
        if second != 0 {
            pack_bitmap(self.bitmap, second, out);
        }
        for field in message.fields() {
            let at = |reason| PackError::Field { field: field.number, reason };
            let plan = self.plan(field.number).ok_or(at(PackReason::NotInSpec))?;
            pack_field(plan, field.value, out).map_err(at)?;
        }
        Ok(())
    }
}

/// Why a message cannot be sent under a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// The message has no type.
    #[error("the message has no message type indicator")]
    MtiMissing,
    /// A field does not suit the spec.
    #[error("field {field}: {reason}")]
    Field {
        /// 2 to 128.
        field: u8,
        /// What does not suit.
        reason: PackReason,
    },
}

/// What does not suit the spec. Counts are in units of the canonical form: characters, digits or, for binary, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PackReason {
    /// The spec has no such field.
    #[error("the spec does not have this field")]
    NotInSpec,
    /// A fixed field has another length.
    #[error("the length is {found}, and must be {expected}")]
    Length {
        /// What the spec says.
        expected: u16,
        /// What the value has.
        found: u16,
    },
    /// A variable field is too long.
    #[error("the length is {found}, and may be at most {max}")]
    TooLong {
        /// What the spec allows.
        max: u16,
        /// What the value has.
        found: u16,
    },
    /// A character that the format does not have.
    #[error("the character at {index} is not permitted by the format")]
    Character {
        /// Counted from 0.
        index: u16,
    },
    /// A signed amount begins with neither `C` nor `D`.
    #[error("a signed amount begins with C or D")]
    Sign,
}

#[inline]
fn pack_field(plan: &Plan, value: &[u8], out: &mut Vec<u8>) -> Result<(), PackReason> {
    let sign_bytes = usize::from(plan.sign.is_some());
    let max = usize::from(plan.units_max) + sign_bytes;
    if plan.length == LengthWire::Fixed {
        if value.len() != max {
            return Err(PackReason::Length { expected: max as u16, found: value.len() as u16 });
        }
    } else {
        if value.len() > max {
            return Err(PackReason::TooLong { max: max as u16, found: value.len() as u16 });
        }
        pack_length(plan.length, value.len() * usize::from(plan.prefix_scale), out);
    }
    let digits = match (plan.sign, value.split_first()) {
        (None, _) => value,
        (Some(text), Some((sign @ (b'C' | b'D'), digits))) => {
            out.push(text_byte(text, *sign));
            digits
        }
        (Some(_), _) => return Err(PackReason::Sign),
    };
    let admit = |class: Class| match class.admits(digits) {
        true => Ok(()),
        false => Err(PackReason::Character { index: (class.first_stranger(digits) + sign_bytes) as u16 }),
    };
    match plan.wire {
        Wire::Ascii(class) => {
            admit(class)?;
            let start = out.len();
            out.extend_from_slice(digits);
            if class == Class::Z {
                level_separators(out.get_mut(start..).unwrap_or_default());
            }
        }
        Wire::Ebcdic(class) => {
            admit(class)?;
            out.extend(digits.iter().map(|&byte| match (class, byte) {
                (Class::Z, b'D') => CP037_OF_ASCII[usize::from(b'=')],
                _ => CP037_OF_ASCII[usize::from(byte)],
            }));
        }
        Wire::BcdDigits => {
            admit(Class::N)?;
            pack_nibbles(digits, plan.odd_pad, out);
        }
        Wire::BcdTrack => {
            admit(Class::Z)?;
            pack_nibbles(digits, plan.odd_pad, out);
        }
        Wire::Raw => out.extend_from_slice(digits),
        Wire::Hex => pack_hex(digits, out),
    }
    Ok(())
}

/// The canonical separator is `=`; a caller may have written `D`.
pub(crate) fn level_separators(track: &mut [u8]) {
    for byte in track.iter_mut().filter(|byte| **byte == b'D') {
        *byte = b'=';
    }
}

fn pack_mti(wire: NumericWire, mti: Mti, out: &mut Vec<u8>) {
    match wire {
        NumericWire::Ascii => out.extend_from_slice(mti.digits()),
        NumericWire::Ebcdic => out.extend(mti.digits().map(|digit| CP037_OF_ASCII[usize::from(digit)])),
        NumericWire::Bcd => pack_nibbles(mti.digits(), OddPad::LeftZero, out),
    }
}

fn pack_bitmap(wire: BitmapWire, word: u64, out: &mut Vec<u8>) {
    match wire {
        BitmapWire::Binary => out.extend_from_slice(&word.to_be_bytes()),
        BitmapWire::Hex => pack_hex(&word.to_be_bytes(), out),
    }
}

#[inline]
fn pack_length(wire: LengthWire, length: usize, out: &mut Vec<u8>) {
    debug_assert!(length <= FIELD_BYTES_MAX);
    let digit = |value: usize| (value % 10) as u8;
    let [hundreds, tens, ones] = [digit(length / 100), digit(length / 10), digit(length)];
    match wire {
        LengthWire::Fixed => {}
        LengthWire::Ascii2 => out.extend_from_slice(&[b'0' + tens, b'0' + ones]),
        LengthWire::Ascii3 => out.extend_from_slice(&[b'0' + hundreds, b'0' + tens, b'0' + ones]),
        LengthWire::Ebcdic2 => out.extend_from_slice(&[0xF0 + tens, 0xF0 + ones]),
        LengthWire::Ebcdic3 => out.extend_from_slice(&[0xF0 + hundreds, 0xF0 + tens, 0xF0 + ones]),
        LengthWire::Bcd1 => out.push(tens << 4 | ones),
        LengthWire::Bcd2 => out.extend_from_slice(&[hundreds, tens << 4 | ones]),
        LengthWire::Binary1 => out.push(length as u8),
        LengthWire::Binary2 => out.extend_from_slice(&(length as u16).to_be_bytes()),
    }
}

fn text_byte(wire: TextWire, byte: u8) -> u8 {
    match wire {
        TextWire::Ascii => byte,
        TextWire::Ebcdic => CP037_OF_ASCII[usize::from(byte)],
    }
}

fn pack_nibbles(mut characters: &[u8], odd_pad: OddPad, out: &mut Vec<u8>) {
    let mut last = None;
    if characters.len() % 2 == 1 {
        match odd_pad {
            OddPad::LeftZero => {
                if let Some((first, rest)) = characters.split_first() {
                    out.push(nibble_of(*first));
                    characters = rest;
                }
            }
            OddPad::RightZero => last = characters.last().map(|&character| nibble_of(character) << 4),
            OddPad::RightF => last = characters.last().map(|&character| nibble_of(character) << 4 | 0x0F),
        }
    }
    let (pairs, _) = characters.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[high, low]| nibble_of(high) << 4 | nibble_of(low)));
    out.extend(last);
}

fn pack_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.extend_from_slice(&HEX_OF_BYTE[usize::from(byte)]);
    }
}

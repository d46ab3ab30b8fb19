//! From the wire to a message.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;

use thiserror::Error;

use crate::charset::{ASCII_OF_CP037, Class, DIGITS_OF_BCD, NIBBLE_OF_HEX, TRACK_OF_BCD, hex_value};
use crate::message::{FIELD_NUMBER_MAX, FIRST_BIT, MESSAGE_BYTES_MAX, Message, Slot};
use crate::mti::Mti;
use crate::pack::level_separators;
use crate::plan::{BitmapWire, LengthWire, NumericWire, OddPad, Plan, TextWire, Wire};
use crate::spec::Spec;

impl Spec {
    /// Reads the wire form of exactly one message. What `message` held before is wiped. A second bitmap that announces no
    /// field is accepted, as some hosts always send two.
    ///
    /// Memory: at most twice the length of `wire`, and no more than a message can hold.
    ///
    /// # Errors
    /// [`UnpackError`] names the place, the offset and the reason and holds no value; the message is then empty. The
    /// guilty one is the peer, or whoever gave it this spec.
    pub fn unpack(&self, wire: &[u8], message: &mut Message) -> Result<(), UnpackError> {
        message.clear();
        let outcome = self.unpack_all(wire, message);
        if outcome.is_err() {
            message.clear();
        }
        outcome
    }

    fn unpack_all(&self, wire: &[u8], message: &mut Message) -> Result<(), UnpackError> {
        let mut cursor = Cursor { wire, offset: 0 };
        let mti = unpack_mti(self.mti, &mut cursor).map_err(|fault| fault.at(Place::Mti))?;
        message.set_mti(mti);
        let first = unpack_bitmap(self.bitmap, &mut cursor).map_err(|fault| fault.at(Place::Bitmap))?;
        let second = match first & FIRST_BIT {
            0 => 0,
            _ => unpack_bitmap(self.bitmap, &mut cursor).map_err(|fault| fault.at(Place::SecondBitmap))?,
        };
        // BCD doubles; nothing grows more. Room is taken for the prefixes too, which come along with what is copied in one piece.
        message.reserve((2 * cursor.rest()).min(BUFFER_BYTES_MAX));
        self.unpack_fields([first & !FIRST_BIT, second], &mut cursor, message)?;
        match cursor.rest() {
            0 => Ok(()),
            bytes => Err(Fault { offset: cursor.offset, reason: UnpackReason::Trailing { bytes } }.at(Place::End)),
        }
    }

    fn unpack_fields(
        &self,
        present: [u64; 2],
        cursor: &mut Cursor<'_>,
        message: &mut Message,
    ) -> Result<(), UnpackError> {
        let wire = cursor.wire;
        let mut run = Run { begin: cursor.offset, place: 0 };
        let mut offset = cursor.offset;
        for (base, word) in [(1, present[0]), (65, present[1])] {
            let mut rest = word;
            while let Some(ahead) = NonZeroU64::new(rest) {
                let index = ahead.leading_zeros();
                rest &= !(FIRST_BIT >> index);
                let field = base + index as u8;
                let slot = match self.plan(field).and_then(|plan| plain_field(plan, wire, offset)) {
                    Some(value) => {
                        offset = value.end;
                        run.slot(&value)
                    }
                    None => {
                        cursor.offset = offset;
                        let slot = self.unpack_other(field, cursor, &mut run, message.bytes_mut())?;
                        offset = cursor.offset;
                        slot
                    }
                };
                message.place(field, slot);
            }
        }
        cursor.offset = offset;
        run.copy(cursor, message.bytes_mut());
        message.announce(present);
        Ok(())
    }

    /// A field that is not plain, or not in order. Apart, so that the loop over plain fields keeps what it needs in registers.
    #[inline(never)]
    fn unpack_other(
        &self,
        field: u8,
        cursor: &mut Cursor<'_>,
        run: &mut Run,
        out: &mut Vec<u8>,
    ) -> Result<Slot, UnpackError> {
        let outcome = match self.plan(field) {
            Some(plan) if plan.travels_as_it_is => check_field(plan, cursor).map(|value| run.slot(&value)),
            Some(plan) => unpack_field(plan, cursor, run, out),
            None => Err(Fault { offset: cursor.offset, reason: UnpackReason::NotInSpec }),
        };
        outcome.map_err(|fault| fault.at(Place::Field(field)))
    }
}

/// The longest buffer of a message that was read: all values at their longest, with the prefix of each.
pub(crate) const BUFFER_BYTES_MAX: usize = MESSAGE_BYTES_MAX + FIELD_NUMBER_MAX as usize * PREFIX_BYTES_MAX;
/// A length prefix at its widest.
const PREFIX_BYTES_MAX: usize = 3;

/// Fields one after the other that travel as they are kept. They are copied together, with their prefixes between them, which is a
/// fifth less work than a copy for each.
struct Run {
    /// Where it begins on the wire.
    begin: usize,
    /// Where it will begin in the message.
    place: usize,
}

impl Run {
    /// Where a value of the run will lie.
    #[inline]
    fn slot(&self, value: &Range<usize>) -> Slot {
        Slot::new(self.place + (value.start - self.begin), value.len())
    }

    /// Appends the run, which ends where the cursor is.
    #[inline]
    fn copy(&self, cursor: &Cursor<'_>, out: &mut Vec<u8>) {
        if self.begin < cursor.offset {
            out.extend_from_slice(cursor.wire.get(self.begin..cursor.offset).unwrap_or_default());
        }
    }
}

/// Why bytes are no message of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{place} at byte {offset}: {reason}")]
pub struct UnpackError {
    /// What was being read.
    pub place: Place,
    /// Where in the message the fault is, in bytes from its first (the MTI).
    pub offset: usize,
    /// What is wrong.
    pub reason: UnpackReason,
}

/// A part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The message type indicator.
    Mti,
    /// The first bitmap.
    Bitmap,
    /// The second bitmap (field 1).
    SecondBitmap,
    /// A field, 2 to 128.
    Field(u8),
    /// What follows the last field.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Mti => f.write_str("message type indicator"),
            Place::Bitmap => f.write_str("bitmap"),
            Place::SecondBitmap => f.write_str("second bitmap"),
            Place::Field(number) => write!(f, "field {number}"),
            Place::End => f.write_str("end of message"),
        }
    }
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnpackReason {
    /// The message ends too early.
    #[error("{needed} bytes are needed and {left} are left")]
    Truncated {
        /// Bytes the part needs.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// The bitmap announces a field that the spec does not have.
    #[error("the spec does not have this field")]
    NotInSpec,
    /// A length prefix is not made of digits.
    #[error("the length is not a number")]
    LengthDigits,
    /// A length prefix says more than the field may have, in units of the prefix.
    #[error("the length is {found}, and may be at most {max}")]
    TooLong {
        /// What the spec allows.
        max: u16,
        /// What the prefix says.
        found: u16,
    },
    /// A length prefix counts half a byte.
    #[error("the length counts half a byte")]
    LengthOdd,
    /// A character that the format does not have, or a nibble that is no digit.
    #[error("the character is not permitted by the format")]
    Character,
    /// The spare nibble of an odd count of digits is not what the spec says.
    #[error("the padding nibble is not the one of the spec")]
    Padding,
    /// A signed amount begins with neither `C` nor `D`.
    #[error("a signed amount begins with C or D")]
    Sign,
    /// Bytes are left after the last field.
    #[error("{bytes} bytes follow the last field")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// A reason and where it is; the caller knows the place.
#[derive(Clone, Copy)]
struct Fault {
    offset: usize,
    reason: UnpackReason,
}

impl Fault {
    #[cold]
    fn at(self, place: Place) -> UnpackError {
        UnpackError { place, offset: self.offset, reason: self.reason }
    }
}

struct Cursor<'a> {
    wire: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn rest(&self) -> usize {
        self.wire.len().saturating_sub(self.offset)
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let end = self.offset.saturating_add(bytes);
        let taken = self.wire.get(self.offset..end).ok_or(Fault {
            offset: self.offset,
            reason: UnpackReason::Truncated { needed: bytes, left: self.rest() },
        })?;
        self.offset = end;
        Ok(taken)
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let rest = self.wire.get(self.offset..).unwrap_or_default();
        let taken = *rest
            .first_chunk::<N>()
            .ok_or(Fault { offset: self.offset, reason: UnpackReason::Truncated { needed: N, left: rest.len() } })?;
        self.offset += N;
        Ok(taken)
    }
}

fn unpack_mti(wire: NumericWire, cursor: &mut Cursor<'_>) -> Result<Mti, Fault> {
    let offset = cursor.offset;
    let digits = match wire {
        NumericWire::Ascii => cursor.take_array::<4>()?,
        NumericWire::Ebcdic => cursor.take_array::<4>()?.map(|byte| ASCII_OF_CP037[usize::from(byte)]),
        NumericWire::Bcd => {
            let [left, right] = cursor.take_array::<2>()?.map(|byte| DIGITS_OF_BCD[usize::from(byte)]);
            [left[0], left[1], right[0], right[1]]
        }
    };
    Mti::from_digits(digits).map_err(|_| {
        let stranger = Class::N.first_stranger(&digits);
        let byte = if wire == NumericWire::Bcd { stranger / 2 } else { stranger };
        Fault { offset: offset + byte, reason: UnpackReason::Character }
    })
}

fn unpack_bitmap(wire: BitmapWire, cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    match wire {
        BitmapWire::Binary => cursor.take_array::<8>().map(u64::from_be_bytes),
        BitmapWire::Hex => {
            let offset = cursor.offset;
            let characters = cursor.take_array::<16>()?;
            let mut word = 0;
            let mut strange = 0;
            for character in characters {
                let nibble = NIBBLE_OF_HEX[usize::from(character)];
                strange |= nibble & 0xF0;
                word = word << 4 | u64::from(nibble);
            }
            if strange != 0 {
                let index = characters.iter().position(|&character| hex_value(character).is_none()).unwrap_or(0);
                return Err(Fault { offset: offset + index, reason: UnpackReason::Character });
            }
            Ok(word)
        }
    }
}

/// The same as [`check_field`] for a [plain](Plan::plain) field. It tells no reasons: `None`, and nothing is read, for what is
/// not of that kind or not in order.
#[inline]
fn plain_field(plan: &Plan, wire: &[u8], offset: usize) -> Option<Range<usize>> {
    let prefix = plan.plain?;
    let Wire::Ascii(class) = plan.wire else { return None };
    let rest = wire.get(offset..)?;
    let (start, units) = match prefix {
        0 => (0, plan.units_max),
        2 => (2, decimal(*rest.first_chunk::<2>()?, b'0')?),
        _ => (3, decimal(*rest.first_chunk::<3>()?, b'0')?),
    };
    let end = start + usize::from(units);
    let data = rest.get(start..end)?;
    if units > plan.units_max || !class.admits(data) {
        return None;
    }
    Some(offset + start..offset + end)
}

/// Reads over a field that travels as it is kept, and answers where its value lies on the wire.
#[inline]
fn check_field(plan: &Plan, cursor: &mut Cursor<'_>) -> Result<Range<usize>, Fault> {
    let units = units_of(plan, cursor)?;
    let start = cursor.offset;
    if plan.sign.is_some() {
        take_sign(TextWire::Ascii, cursor)?;
    }
    let offset = cursor.offset;
    let data = cursor.take(units)?;
    if let Wire::Ascii(class) = plan.wire
        && !class.admits(data)
    {
        return Err(stranger(offset + class.first_stranger(data)));
    }
    Ok(start..cursor.offset)
}

/// Appends the value of a field in canonical form, after the run before it, and begins the next run.
#[inline]
fn unpack_field(plan: &Plan, cursor: &mut Cursor<'_>, run: &mut Run, out: &mut Vec<u8>) -> Result<Slot, Fault> {
    run.copy(cursor, out);
    let start = out.len();
    let units = units_of(plan, cursor)?;
    if let Some(text) = plan.sign {
        out.push(take_sign(text, cursor)?);
    }
    let offset = cursor.offset;
    let data = cursor.take(plan.wire_bytes(units))?;
    let digits = out.len();
    match plan.wire {
        Wire::Ascii(class) => {
            if !class.admits(data) {
                return Err(stranger(offset + class.first_stranger(data)));
            }
            out.extend_from_slice(data);
            if class == Class::Z {
                level_separators(out.get_mut(digits..).unwrap_or_default());
            }
        }
        Wire::Ebcdic(class) => {
            out.extend(data.iter().map(|&byte| ASCII_OF_CP037[usize::from(byte)]));
            let text = out.get_mut(digits..).unwrap_or_default();
            if !class.admits(text) {
                return Err(stranger(offset + class.first_stranger(text)));
            }
            if class == Class::Z {
                level_separators(text);
            }
        }
        Wire::BcdDigits => unpack_nibbles(data, offset, units, plan.odd_pad, &DIGITS_OF_BCD, out)?,
        Wire::BcdTrack => unpack_nibbles(data, offset, units, plan.odd_pad, &TRACK_OF_BCD, out)?,
        Wire::Raw => out.extend_from_slice(data),
        Wire::Hex => unpack_hex(data, offset, out)?,
    }
    *run = Run { begin: cursor.offset, place: out.len() };
    Ok(Slot::new(start, out.len() - start))
}

/// The sign of a signed amount.
fn take_sign(text: TextWire, cursor: &mut Cursor<'_>) -> Result<u8, Fault> {
    let offset = cursor.offset;
    let [byte] = cursor.take_array::<1>()?;
    let sign = match text {
        TextWire::Ascii => byte,
        TextWire::Ebcdic => ASCII_OF_CP037[usize::from(byte)],
    };
    match sign {
        b'C' | b'D' => Ok(sign),
        _ => Err(Fault { offset, reason: UnpackReason::Sign }),
    }
}

#[cold]
fn stranger(offset: usize) -> Fault {
    Fault { offset, reason: UnpackReason::Character }
}

/// The units of the value: those of a fixed field, or what its prefix says.
#[inline]
fn units_of(plan: &Plan, cursor: &mut Cursor<'_>) -> Result<usize, Fault> {
    match plan.length {
        LengthWire::Fixed => Ok(usize::from(plan.units_max)),
        _ => unpack_length(plan, cursor),
    }
}

/// Reads the length prefix and answers the units of the value.
fn unpack_length(plan: &Plan, cursor: &mut Cursor<'_>) -> Result<usize, Fault> {
    let offset = cursor.offset;
    let found = match plan.length {
        LengthWire::Fixed => Some(plan.units_max),
        LengthWire::Ascii2 => decimal(cursor.take_array::<2>()?, b'0'),
        LengthWire::Ascii3 => decimal(cursor.take_array::<3>()?, b'0'),
        LengthWire::Ebcdic2 => decimal(cursor.take_array::<2>()?, 0xF0),
        LengthWire::Ebcdic3 => decimal(cursor.take_array::<3>()?, 0xF0),
        LengthWire::Bcd1 => {
            let [byte] = cursor.take_array::<1>()?;
            decimal([byte >> 4, byte & 15], 0)
        }
        LengthWire::Bcd2 => {
            let [high, low] = cursor.take_array::<2>()?;
            decimal([high >> 4, high & 15, low >> 4, low & 15], 0)
        }
        LengthWire::Binary1 => cursor.take_array::<1>().map(|[byte]| Some(u16::from(byte)))?,
        LengthWire::Binary2 => cursor.take_array::<2>().map(|bytes| Some(u16::from_be_bytes(bytes)))?,
    };
    let found = found.ok_or(Fault { offset, reason: UnpackReason::LengthDigits })?;
    let scale = u16::from(plan.prefix_scale);
    // At most 999 by the check made when the spec was loaded.
    let max = plan.units_max.saturating_mul(scale);
    if found > max {
        return Err(Fault { offset, reason: UnpackReason::TooLong { max, found } });
    }
    if scale == 2 {
        if found % 2 == 1 {
            return Err(Fault { offset, reason: UnpackReason::LengthOdd });
        }
        return Ok(usize::from(found / 2));
    }
    Ok(usize::from(found))
}

#[inline]
fn decimal<const N: usize>(digits: [u8; N], zero: u8) -> Option<u16> {
    let mut value = 0u16;
    for digit in digits {
        let digit = digit.wrapping_sub(zero);
        if digit > 9 {
            return None;
        }
        value = value * 10 + u16::from(digit);
    }
    Some(value)
}

/// The character `0` twice.
const ZEROS: u16 = u16::from_ne_bytes(*b"00");

fn unpack_nibbles(
    data: &[u8],
    offset: usize,
    digits: usize,
    odd_pad: OddPad,
    pairs: &[[u8; 2]; 256],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let start = out.len();
    out.resize(start + 2 * data.len(), 0);
    let text = out.get_mut(start..).unwrap_or_default();
    let mut common = u16::MAX;
    for (pair, &byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(data) {
        *pair = pairs[usize::from(byte)];
        common &= u16::from_ne_bytes(*pair);
    }
    if digits % 2 == 1 {
        let spare = match odd_pad {
            OddPad::LeftZero => data.first().map(|byte| byte >> 4),
            OddPad::RightZero => data.last().map(|byte| byte & 15),
            OddPad::RightF => data.last().map(|byte| byte & 15 ^ 15),
        };
        if spare != Some(0) {
            let byte = if odd_pad == OddPad::LeftZero { 0 } else { data.len().saturating_sub(1) };
            return Err(Fault { offset: offset + byte, reason: UnpackReason::Padding });
        }
        if odd_pad == OddPad::LeftZero {
            text.copy_within(1.., 0);
        }
        // What is cut off must not outlive a wipe of what is left.
        if let Some(cut) = text.last_mut() {
            *cut = 0;
        }
        out.truncate(start + digits);
    }
    // The tables give 0 for a nibble that is no digit (and '=' only for tracks); all others have the bits of '0' in common. What
    // was cut off may have been no digit either.
    if common & ZEROS != ZEROS
        && let Some(index) = out.get(start..).unwrap_or_default().iter().position(|&character| character == 0)
    {
        let skipped = usize::from(digits % 2 == 1 && odd_pad == OddPad::LeftZero);
        return Err(stranger(offset + (index + skipped) / 2));
    }
    Ok(())
}

fn unpack_hex(data: &[u8], offset: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    for (index, &[high, low]) in data.as_chunks::<2>().0.iter().enumerate() {
        let high = hex_value(high).ok_or(stranger(offset + 2 * index))?;
        let low = hex_value(low).ok_or(stranger(offset + 2 * index + 1))?;
        out.push(high << 4 | low);
    }
    Ok(())
}

//! One ISO 8583 message in canonical form: one buffer, and a table of where each field lies in it.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::mti::Mti;

/// The highest field number: two bitmaps of 64.
pub const FIELD_NUMBER_MAX: u8 = 128;
/// The longest value of one field, in bytes of canonical form (three digits of length prefix).
pub const FIELD_BYTES_MAX: usize = 999;
/// The most that one message can hold, in bytes of canonical form: fields 2 to 128, each at its longest.
pub const MESSAGE_BYTES_MAX: usize = (FIELD_NUMBER_MAX as usize - 1) * FIELD_BYTES_MAX;

/// A message: its [`Mti`] and the values of fields 2 to 128 in canonical form.
///
/// Canonical form is the same for every spec: ASCII digits for `n`, ASCII text for `a`, `an`, `ans`, `C` or `D` and
/// digits for `x+n`, digits and `=` for tracks (`z`), raw bytes for `b`. Whether a value suits its field is decided by
/// [`Spec::pack`](crate::Spec::pack), not here.
///
/// A message can be used again after [`clear`](Message::clear). Its memory is wiped when it is cleared, grown,
/// overwritten or dropped. `Debug` shows field numbers and lengths, never a value.
pub struct Message {
    mti: Option<Mti>,
    /// Bit 63 of the first word is field 1, bit 0 is field 64; the second word goes on with 65: the order of the wire.
    present: [u64; 2],
    slots: [Slot; FIELD_NUMBER_MAX as usize],
    /// No byte belongs to two fields. Between values that were read from a wire there may be their length prefixes.
    bytes: Vec<u8>,
}

impl Message {
    /// An empty message.
    pub const fn new() -> Message {
        Message { mti: None, present: [0; 2], slots: [Slot::EMPTY; FIELD_NUMBER_MAX as usize], bytes: Vec::new() }
    }

    /// The message type indicator, when one was set.
    pub const fn mti(&self) -> Option<Mti> {
        self.mti
    }

    /// Sets the message type indicator.
    pub const fn set_mti(&mut self, mti: Mti) {
        self.mti = Some(mti);
    }

    /// Sets a field to a value in canonical form, in place of an earlier value.
    ///
    /// # Errors
    /// [`SetError`] when the field is not 2 to 128 or the value is longer than [`FIELD_BYTES_MAX`].
    pub fn set(&mut self, field: u8, value: impl AsRef<[u8]>) -> Result<(), SetError> {
        let value = value.as_ref();
        if !(2..=FIELD_NUMBER_MAX).contains(&field) {
            return Err(SetError::FieldNumber { field });
        }
        if value.len() > FIELD_BYTES_MAX {
            return Err(SetError::TooLong { field, bytes: value.len() });
        }
        if let Some(old) = self.get_mut(field)
            && old.len() == value.len()
        {
            old.copy_from_slice(value);
            return Ok(());
        }
        self.remove(field);
        self.reserve(value.len());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.commit(field, start);
        Ok(())
    }

    /// Sets a field to a number, with zeros on the left to the given count of digits (1 to 20).
    ///
    /// # Errors
    /// [`SetError`] as for [`set`](Message::set), and when the number has more digits than that.
    pub fn set_number(&mut self, field: u8, number: u64, digits: u8) -> Result<(), SetError> {
        let mut text = [b'0'; 20];
        let mut rest = number;
        for digit in text.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let split = text.len().saturating_sub(usize::from(digits));
        let cut = text.get(..split).unwrap_or_default();
        let kept = text.get(split..).unwrap_or_default();
        let fits = (1..=20).contains(&digits) && cut.iter().all(|&digit| digit == b'0');
        let outcome = if fits { self.set(field, kept) } else { Err(SetError::Number { field, digits }) };
        text.zeroize();
        outcome
    }

    /// The value of a field in canonical form.
    #[inline]
    pub fn get(&self, field: u8) -> Option<&[u8]> {
        self.value_at(self.slot(field)?)
    }

    /// The value of a field as text: `None` when it is absent or not ASCII (a binary field may be either).
    pub fn text(&self, field: u8) -> Option<&str> {
        self.get(field).filter(|value| value.is_ascii()).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether the field has a value.
    pub fn has(&self, field: u8) -> bool {
        self.slot(field).is_some()
    }

    /// Takes a field out. Answers whether there was one.
    pub fn remove(&mut self, field: u8) -> bool {
        let Some(gone) = self.slot(field) else { return false };
        let (start, end) = (gone.start as usize, gone.end());
        let tail = self.bytes.len().saturating_sub(usize::from(gone.len));
        self.bytes.copy_within(end.., start);
        if let Some(vacated) = self.bytes.get_mut(tail..) {
            vacated.zeroize();
        }
        self.bytes.truncate(tail);
        for slot in &mut self.slots {
            // Slots of absent fields may move too: they are written anew before they are read.
            if slot.start >= gone.start.saturating_add(u32::from(gone.len)) {
                slot.start -= u32::from(gone.len);
            }
        }
        if let Some((word, bit)) = place_of(field) {
            self.present[word] &= !bit;
        }
        true
    }

    /// The fields in ascending order.
    pub fn fields(&self) -> Fields<'_> {
        Fields { message: self, rest: self.present }
    }

    /// How many fields have a value.
    pub const fn field_count(&self) -> u32 {
        self.present[0].count_ones() + self.present[1].count_ones()
    }

    /// Empties and wipes the message and keeps its memory for the next use.
    pub fn clear(&mut self) {
        self.mti = None;
        self.present = [0; 2];
        self.bytes.fill(0);
        zeroize::optimization_barrier(self.bytes.as_slice());
        self.bytes.clear();
    }

    /// The bitmap words in the order of the wire, without the bit that announces the second one.
    pub(crate) const fn present(&self) -> [u64; 2] {
        self.present
    }

    pub(crate) const fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room without leaving an unwiped copy behind, as growth of a `Vec` would.
    pub(crate) fn reserve(&mut self, extra: usize) {
        let needed = self.bytes.len() + extra;
        if needed > self.bytes.capacity() {
            let mut grown = Vec::with_capacity(needed.max(self.bytes.capacity() * 2).max(512));
            grown.extend_from_slice(&self.bytes);
            std::mem::swap(&mut self.bytes, &mut grown);
            grown.zeroize();
        }
    }

    /// The buffer, for the decoder to append one field's value to; room must have been [reserved](Message::reserve).
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Declares everything after `start` to be the value of the field.
    fn commit(&mut self, field: u8, start: usize) {
        let len = self.bytes.len().saturating_sub(start);
        if let Some((word, bit)) = place_of(field) {
            self.place(field, Slot::new(start, len));
            self.present[word] |= bit;
        }
    }

    /// Says where the value of a field lies, for the decoder, which [announces](Message::announce) all fields at the end.
    #[inline]
    pub(crate) fn place(&mut self, field: u8, place: Slot) {
        if let Some(slot) = self.slots.get_mut(usize::from(field.wrapping_sub(1))) {
            *slot = place;
        }
    }

    /// Says which fields there are: each has its [place](Message::place).
    pub(crate) const fn announce(&mut self, present: [u64; 2]) {
        self.present = present;
    }

    #[inline]
    fn slot(&self, field: u8) -> Option<Slot> {
        let (word, bit) = place_of(field)?;
        if self.present[word] & bit == 0 {
            return None;
        }
        self.slots.get(usize::from(field - 1)).copied()
    }

    #[inline]
    fn value_at(&self, slot: Slot) -> Option<&[u8]> {
        self.bytes.get(slot.start as usize..slot.end())
    }

    fn get_mut(&mut self, field: u8) -> Option<&mut [u8]> {
        let slot = self.slot(field)?;
        self.bytes.get_mut(slot.start as usize..slot.end())
    }
}

/// A field of a [`Message`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// 2 to 128.
    pub number: u8,
    /// The value in canonical form.
    pub value: &'a [u8],
}

/// The fields of a [`Message`] in ascending order.
pub struct Fields<'a> {
    message: &'a Message,
    rest: [u64; 2],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let word = usize::from(self.rest[0] == 0);
        let index = self.rest[word].leading_zeros();
        if index == 64 {
            return None;
        }
        self.rest[word] &= !(FIRST_BIT >> index);
        let number = (word as u32 * 64 + index + 1) as u8;
        self.message.get(number).map(|value| Field { number, value })
    }
}

/// Why a field could not be set. The guilty one is the caller: a value from outside is to be parsed before it comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SetError {
    /// There is no such field: 1 is the second bitmap, which the codec makes itself.
    #[error("field {field}: only fields 2 to 128 can be set")]
    FieldNumber {
        /// The number asked for.
        field: u8,
    },
    /// The value is longer than any field may be.
    #[error("field {field}: {bytes} bytes are more than the {FIELD_BYTES_MAX} a field can hold")]
    TooLong {
        /// The field.
        field: u8,
        /// The length of the value.
        bytes: usize,
    },
    /// The number has more digits than the field was to have, or the digit count is not 1 to 20.
    #[error("field {field}: the number does not fit {digits} digits")]
    Number {
        /// The field.
        field: u8,
        /// The digits asked for.
        digits: u8,
    },
}

impl Default for Message {
    fn default() -> Message {
        Message::new()
    }
}

impl Clone for Message {
    fn clone(&self) -> Message {
        Message { mti: self.mti, present: self.present, slots: self.slots, bytes: self.bytes.clone() }
    }
}

impl PartialEq for Message {
    /// Same MTI, same fields, same values. Not in constant time.
    fn eq(&self, other: &Message) -> bool {
        self.mti == other.mti && self.present == other.present && self.fields().eq(other.fields())
    }
}

impl Eq for Message {}

impl Drop for Message {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl ZeroizeOnDrop for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("mti", &self.mti);
        shown.field("field_bytes", &FieldLengths(self));
        shown.finish()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("number", &self.number).field("bytes", &self.value.len()).finish()
    }
}

struct FieldLengths<'a>(&'a Message);

impl fmt::Debug for FieldLengths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.fields().map(|field| (field.number, field.value.len()))).finish()
    }
}

/// Where a value lies in the buffer.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    start: u32,
    len: u16,
}

impl Slot {
    const EMPTY: Slot = Slot { start: 0, len: 0 };

    /// Both fit: a buffer has little more than [`MESSAGE_BYTES_MAX`] bytes, a field at most [`FIELD_BYTES_MAX`].
    #[inline]
    pub(crate) const fn new(start: usize, len: usize) -> Slot {
        Slot { start: start as u32, len: len as u16 }
    }

    #[inline]
    const fn end(self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// The bit of field 1 in the first word and of field 65 in the second.
pub(crate) const FIRST_BIT: u64 = 1 << 63;

#[inline]
const fn place_of(field: u8) -> Option<(usize, u64)> {
    if field == 0 || field > FIELD_NUMBER_MAX {
        return None;
    }
    let index = field - 1;
    Some(((index >> 6) as usize, FIRST_BIT >> (index & 63)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_field_is_set_replaced_and_removed_without_touching_its_neighbours() {
        let mut message = Message::new();
        message.set(2, "4111111111111111").unwrap();
        message.set(3, "000000").unwrap();
        message.set(128, [0xFF, 0x00]).unwrap();
        message.set(3, "310000").unwrap();
        message.set(2, "5").unwrap();
        message.set(2, "555555555555").unwrap();
        assert_eq!(message.text(2), Some("555555555555"));
        assert_eq!(message.text(3), Some("310000"));
        assert_eq!(message.get(128), Some(&[0xFF, 0x00][..]));
        assert_eq!(message.text(128), None);
        assert!(message.remove(3) && !message.remove(3));
        let numbers: Vec<u8> = message.fields().map(|field| field.number).collect();
        assert_eq!(numbers, [2, 128]);
        assert_eq!(message.get(128), Some(&[0xFF, 0x00][..]));
        assert_eq!(message.bytes_len(), 14);
        message.clear();
        assert_eq!((message.field_count(), message.mti(), message.get(2)), (0, None, None));
    }

    #[test]
    fn field_numbers_and_lengths_have_limits() {
        let mut message = Message::new();
        for field in [0, 1, 129, 255] {
            assert_eq!(message.set(field, "1"), Err(SetError::FieldNumber { field }));
            assert!(message.get(field).is_none());
        }
        assert_eq!(message.set(48, vec![b'1'; 1000]), Err(SetError::TooLong { field: 48, bytes: 1000 }));
        message.set(48, vec![b'1'; 999]).unwrap();
    }

    #[test]
    fn numbers_are_zero_filled_to_the_field() {
        let mut message = Message::new();
        message.set_number(11, 42, 6).unwrap();
        message.set_number(4, u64::MAX, 20).unwrap();
        assert_eq!(message.text(11), Some("000042"));
        assert_eq!(message.text(4), Some("18446744073709551615"));
        assert_eq!(message.set_number(11, 1_000_000, 6), Err(SetError::Number { field: 11, digits: 6 }));
        assert_eq!(message.set_number(11, 0, 0), Err(SetError::Number { field: 11, digits: 0 }));
        assert_eq!(message.set_number(11, 0, 21), Err(SetError::Number { field: 11, digits: 21 }));
    }

    #[test]
    fn all_fields_fit_at_their_longest() {
        let mut message = Message::new();
        for field in 2..=FIELD_NUMBER_MAX {
            message.set(field, [field; FIELD_BYTES_MAX]).unwrap();
        }
        assert_eq!(message.bytes_len(), MESSAGE_BYTES_MAX);
        assert!(message.fields().all(|field| field.value == [field.number; FIELD_BYTES_MAX]));
    }

    #[test]
    fn debug_shows_lengths_only() {
        let mut message = Message::new();
        message.set_mti(Mti::AUTHORIZATION_REQUEST);
        message.set(2, "4111111111111111").unwrap();
        assert_eq!(format!("{message:?}"), "Message { mti: Some(0100), field_bytes: {2: 16} }");
    }
}

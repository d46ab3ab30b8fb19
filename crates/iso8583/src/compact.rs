//! A description on one line, to be stored and read back: `0100;2=411111******1111;3=000000;48.92=***`.

use std::fmt::Write as _;

use thiserror::Error;

use crate::ber_tlv::{BER_DEPTH_MAX, BerTag};
use crate::describe::{Described, Description, Parts, UNLISTED_FIELD, UNLISTED_PART};
use crate::mask::MASK;
use crate::message::{FIELD_NUMBER_MAX, Field, Message};
use crate::mti::Mti;
use crate::spec::{Layout, Sensitivity, Spec};

/// The longest line that is read back, in bytes: a message that shows all it can hold, with some of it escaped.
pub const COMPACT_BYTES_MAX: usize = 512 * 1024;

/// The room for a line to begin with, in bytes: enough for a payment.
const LINE_BYTES: usize = 320;

/// Stands for the missing MTI.
const NO_MTI: &str = "none";

impl Spec {
    /// The description of `message` on one line: what `describe(message).to_compact()` gives, without making the
    /// description first. It is made for every message of every payment.
    pub fn describe_compact(&self, message: &Message) -> String {
        let mut line = String::with_capacity(LINE_BYTES);
        line.push_str(message.mti().as_ref().map_or(NO_MTI, Mti::as_str));
        for field in message.fields() {
            self.push_field(field, &mut line);
        }
        line
    }

    fn push_field(&self, field: Field<'_>, line: &mut String) {
        let Some(label) = self.label(field.number) else { return push_entry(field.number, None, MASK, line) };
        let before = line.len();
        let read = label.read_parts(field.value, &mut |part, _, value| {
            push_entry(field.number, Some(part), &value, line);
        });
        if read == Parts::None {
            // As in a description: what could not be read is no longer known to be harmless.
            line.truncate(before);
            push_entry(field.number, None, &self.show_whole(label, field), line);
        }
    }
}

impl Description<'_> {
    /// The description on one line of ASCII. `%`, `;`, `=` and what is not printable become `%XX` of their bytes.
    ///
    /// Like the description, it holds masked values only. Read it back with [`Description::from_compact`].
    pub fn to_compact(&self) -> String {
        let mut line = String::with_capacity(LINE_BYTES);
        line.push_str(self.mti.as_ref().map_or(NO_MTI, Mti::as_str));
        for entry in &self.entries {
            push_entry(entry.field, entry.part.as_deref(), &entry.value, &mut line);
        }
        line
    }
}

fn push_entry(field: u8, part: Option<&str>, value: &str, line: &mut String) {
    line.push(';');
    for unit in [100, 10, 1] {
        if field >= unit {
            line.push(char::from(b'0' + field / unit % 10));
        }
    }
    if let Some(part) = part {
        line.push('.');
        line.push_str(part);
    }
    line.push('=');
    escape(value, line);
}

impl<'s> Description<'s> {
    /// Reads a line of [`to_compact`](Description::to_compact) under a spec, which gives the names.
    ///
    /// The masks of the spec are laid over the values once more, so that not even a line from elsewhere, or one that was
    /// written under a laxer spec, can show what this spec hides.
    ///
    /// # Errors
    /// [`CompactError`] when the line is not of that form; it holds no value. The guilty one is whoever stored it.
    pub fn from_compact(spec: &'s Spec, line: &str) -> Result<Description<'s>, CompactError> {
        if line.len() > COMPACT_BYTES_MAX {
            return Err(CompactError::TooLong);
        }
        let mut items = line.split(';');
        let mti = match items.next().unwrap_or_default() {
            NO_MTI => None,
            digits => Some(digits.parse().map_err(|_| CompactError::Mti)?),
        };
        let mut entries = Vec::new();
        for (index, item) in items.enumerate() {
            entries.push(read_entry(spec, item).ok_or(CompactError::Entry { index })?);
        }
        Ok(Description { mti, entries })
    }
}

/// Why a line is no compact description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CompactError {
    /// The line is longer than any description.
    #[error("the line is longer than {COMPACT_BYTES_MAX} bytes")]
    TooLong,
    /// The line does not begin with a message type.
    #[error("the line does not begin with a message type indicator")]
    Mti,
    /// An entry is not a field, an optional part, `=` and an escaped value.
    #[error("entry {index} cannot be read")]
    Entry {
        /// Counted from 0, after the message type.
        index: usize,
    },
}

fn read_entry<'s>(spec: &'s Spec, item: &str) -> Option<Described<'s>> {
    let (key, value) = item.split_once('=')?;
    let value = unescape(value)?;
    let (number, part) = match key.split_once('.') {
        Some((number, part)) => (number, Some(part)),
        None => (key, None),
    };
    let field = number.parse().ok().filter(|field| (2..=FIELD_NUMBER_MAX).contains(field))?;
    let label = spec.label(field);
    let Some(part) = part else {
        let sensitivity = match label {
            Some(label) if label.layout == Layout::Plain => label.sensitivity,
            // Only what could not be taken apart is described as a whole.
            _ => Sensitivity::Full,
        };
        let name = label.map_or(UNLISTED_FIELD, |label| &label.name);
        return Some(Described { field, part: None, name, value: sensitivity.mask(&value).into_owned() });
    };
    let tags = part.split('.');
    if part.len() > BER_DEPTH_MAX * 7 || !tags.clone().all(is_part_key) {
        return None;
    }
    let last = tags.clone().next_back()?;
    let known = label.and_then(|label| label.parts.get(last));
    let hidden = tags.clone().any(|tag| {
        let part = label.and_then(|label| label.parts.get(tag));
        part.is_some_and(|part| matches!(part.sensitivity, Sensitivity::Full | Sensitivity::Pan)) && tag != last
    });
    let sensitivity = if hidden { Sensitivity::Full } else { known.map_or(Sensitivity::Full, |part| part.sensitivity) };
    // A constructed element that stands as one entry was too deep or hidden: it shows nothing.
    let closed = label.is_some_and(|label| label.layout == Layout::BerTlv)
        && last.parse::<BerTag>().is_ok_and(BerTag::is_constructed);
    let value = if closed { MASK.to_owned() } else { sensitivity.mask(&value).into_owned() };
    let name = known.map_or(UNLISTED_PART, |part| &part.name);
    Some(Described { field, part: Some(part.to_owned()), name, value })
}

fn is_part_key(key: &str) -> bool {
    matches!(key.len(), 2 | 4 | 6) && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

fn escape(value: &str, line: &mut String) {
    let is_plain = |byte: u8| !matches!(byte, b'%' | b';' | b'=' | 0..0x20 | 0x7F..);
    if value.bytes().all(is_plain) {
        line.push_str(value);
        return;
    }
    for byte in value.bytes() {
        match byte {
            byte if !is_plain(byte) => {
                let _ = write!(line, "%{byte:02X}");
            }
            _ => line.push(char::from(byte)),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(crate::charset::hex_value);
        bytes.push(high? << 4 | low?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

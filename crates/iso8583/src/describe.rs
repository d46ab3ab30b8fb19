//! What people get to see of a message: every field with its name, and no more of its value than its spec permits.

use std::borrow::Cow;
use std::fmt;

use crate::ber_tlv::{BER_DEPTH_MAX, BerElements, BerError};
use crate::charset::HEX_OF_BYTE;
use crate::mask::MASK;
use crate::message::{Field, Message};
use crate::mti::Mti;
use crate::spec::{Label, Layout, Sensitivity, Spec};
use crate::subelements::{SubelementError, Subelements};

/// What a part is called that the spec does not list.
pub(crate) const UNLISTED_PART: &str = "not in the spec";
/// What a field is called that the spec does not have.
pub(crate) const UNLISTED_FIELD: &str = "not in the spec";

/// The column at which values begin, counted from the name.
const NAME_COLUMNS: usize = 52;

impl Spec {
    /// Describes a message: its fields in ascending order, parts one by one, all masked.
    ///
    /// A field or a part that the spec does not list is masked in full, and so is one whose layout cannot be read.
    pub fn describe(&self, message: &Message) -> Description<'_> {
        let mut entries = Vec::with_capacity(message.field_count() as usize + 8);
        for field in message.fields() {
            self.describe_field(field, &mut entries);
        }
        Description { mti: message.mti(), entries }
    }

    pub(crate) fn describe_field<'s>(&'s self, field: Field<'_>, entries: &mut Vec<Described<'s>>) {
        let Some(label) = self.label(field.number) else {
            entries.push(Described::whole(field.number, UNLISTED_FIELD, MASK.to_owned()));
            return;
        };
        let before = entries.len();
        let read = label.read_parts(field.value, &mut |part, name, value| {
            let (part, value) = (Some(part.to_owned()), value.into_owned());
            entries.push(Described { field: field.number, part, name, value });
        });
        if read == Parts::Shown {
            return;
        }
        // Half a field may be worse than none: what could not be read is no longer known to be harmless.
        entries.truncate(before);
        entries.push(Described::whole(field.number, &label.name, self.show_whole(label, field).into_owned()));
    }

    /// The masked value of a field that has no parts, or whose parts cannot be read.
    pub(crate) fn show_whole<'a>(&self, label: &Label, field: Field<'a>) -> Cow<'a, str> {
        let sensitivity = if label.layout == Layout::Plain { label.sensitivity } else { Sensitivity::Full };
        match self.plan(field.number).is_none_or(|plan| plan.class().is_none()) {
            true => show_bytes(sensitivity, field.value),
            false => show_text(sensitivity, field.value),
        }
    }
}

/// What was found in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Parts, and each of them was shown.
    Shown,
    /// No parts, or some that could not be read; then those before it were shown already.
    None,
}

impl Label {
    /// Shows `show` the parts of a field one by one: the key, the name and the masked value.
    pub(crate) fn read_parts<'s>(&'s self, value: &[u8], show: &mut dyn FnMut(&str, &'s str, Cow<'_, str>)) -> Parts {
        let mut any = false;
        let mut counted = |part: &str, name: &'s str, value: Cow<'_, str>| {
            any = true;
            show(part, name, value);
        };
        let whole = match self.layout {
            Layout::Plain => false,
            Layout::Subelements => read_subelements(self, value, &mut counted).is_ok(),
            Layout::BerTlv => read_ber(self, "", value, &mut counted).is_ok(),
        };
        if whole && any { Parts::Shown } else { Parts::None }
    }
}

/// A named and masked message. It holds nothing that may not be shown, so it can be logged and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description<'s> {
    /// The message type, when the message had one.
    pub mti: Option<Mti>,
    /// Fields and parts in the order of the message.
    pub entries: Vec<Described<'s>>,
}

/// One line of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described<'s> {
    /// 2 to 128.
    pub field: u8,
    /// The part of the field: two digits of a subelement, hexadecimal BER tags with a dot between levels.
    pub part: Option<String>,
    /// What the spec calls it.
    pub name: &'s str,
    /// The masked value; bytes in hexadecimal.
    pub value: String,
}

impl<'s> Described<'s> {
    fn whole(field: u8, name: &'s str, value: String) -> Described<'s> {
        Described { field, part: None, name, value }
    }
}

impl Description<'_> {
    /// The masked value of a whole field.
    pub fn value(&self, field: u8) -> Option<&str> {
        self.entries.iter().find(|entry| entry.field == field && entry.part.is_none()).map(|entry| entry.value.as_str())
    }

    /// The masked value of a part of a field, such as `"92"` or `"71.9F18"`.
    pub fn part_value(&self, field: u8, part: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|entry| entry.field == field && entry.part.as_deref() == Some(part))
            .map(|entry| entry.value.as_str())
    }
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mti {
            Some(mti) => writeln!(f, "MTI  {mti}")?,
            None => writeln!(f, "MTI  none")?,
        }
        for entry in &self.entries {
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F{:03}", self.field)?;
        let mut columns = self.name.chars().count() + 1;
        if let Some(part) = &self.part {
            write!(f, ".{part}")?;
            columns += part.len() + 1;
        }
        let dots = NAME_COLUMNS.saturating_sub(columns).max(3);
        write!(f, " {} {:.<dots$}: {}", self.name, "", self.value)
    }
}

fn read_subelements<'s>(
    label: &'s Label,
    value: &[u8],
    show: &mut dyn FnMut(&str, &'s str, Cow<'_, str>),
) -> Result<(), SubelementError> {
    for subelement in Subelements::new(value) {
        let subelement = subelement?;
        // Two digits, as a subelement's tag has them.
        let digits = [b'0' + subelement.tag / 10 % 10, b'0' + subelement.tag % 10];
        let key = std::str::from_utf8(&digits).unwrap_or_default();
        let known = label.parts.get(key);
        let sensitivity = known.map_or(Sensitivity::Full, |part| part.sensitivity);
        show(key, known.map_or(UNLISTED_PART, |part| &part.name), show_text(sensitivity, subelement.value));
    }
    Ok(())
}

fn read_ber<'s>(
    label: &'s Label,
    above: &str,
    bytes: &[u8],
    show: &mut dyn FnMut(&str, &'s str, Cow<'_, str>),
) -> Result<(), BerError> {
    let depth = 1 + above.matches('.').count();
    for element in BerElements::new(bytes) {
        let element = element?;
        let tag = element.tag.to_string();
        let path = format!("{above}{tag}");
        let known = label.parts.get(&tag);
        let sensitivity = known.map_or(Sensitivity::Full, |part| part.sensitivity);
        // A constructed element that is itself sensitive shows nothing of what is in it.
        let opened = element.tag.is_constructed() && depth < BER_DEPTH_MAX && sensitivity != Sensitivity::Pan;
        if opened && (known.is_none() || sensitivity != Sensitivity::Full) {
            read_ber(label, &format!("{path}."), element.value, show)?;
            continue;
        }
        let value = match element.tag.is_constructed() {
            true => Cow::Borrowed(MASK),
            false => show_bytes(sensitivity, element.value),
        };
        show(&path, known.map_or(UNLISTED_PART, |part| &part.name), value);
    }
    Ok(())
}

fn show_text(sensitivity: Sensitivity, value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => sensitivity.mask(text),
        // Never sent like this: the codec admits ASCII only. Shown for the message that could not be packed.
        Err(_) => Cow::Borrowed(MASK),
    }
}

fn show_bytes(sensitivity: Sensitivity, value: &[u8]) -> Cow<'static, str> {
    if sensitivity == Sensitivity::Full {
        return Cow::Borrowed(MASK);
    }
    let hex: String = value.iter().flat_map(|&byte| HEX_OF_BYTE[usize::from(byte)]).map(char::from).collect();
    Cow::Owned(sensitivity.mask(&hex).into_owned())
}

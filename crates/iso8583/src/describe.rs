//! What people get to see of a message: every field with its name, and no more of its value than its spec permits.

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
        let readable = match label.layout {
            Layout::Plain => false,
            Layout::Subelements => describe_subelements(label, field, entries).is_ok(),
            Layout::BerTlv => describe_ber(label, field.number, "", field.value, entries).is_ok(),
        };
        if readable && entries.len() > before {
            return;
        }
        // Half a field may be worse than none: what could not be read is no longer known to be harmless.
        entries.truncate(before);
        let sensitivity = if label.layout == Layout::Plain { label.sensitivity } else { Sensitivity::Full };
        let binary = self.plan(field.number).is_none_or(|plan| plan.class().is_none());
        let value = if binary { show_bytes(sensitivity, field.value) } else { show_text(sensitivity, field.value) };
        entries.push(Described::whole(field.number, &label.name, value));
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

fn describe_subelements<'s>(
    label: &'s Label,
    field: Field<'_>,
    entries: &mut Vec<Described<'s>>,
) -> Result<(), SubelementError> {
    for subelement in Subelements::new(field.value) {
        let subelement = subelement?;
        let key = format!("{:02}", subelement.tag);
        let known = label.parts.get(&key);
        entries.push(Described {
            field: field.number,
            name: known.map_or(UNLISTED_PART, |part| &part.name),
            value: show_text(known.map_or(Sensitivity::Full, |part| part.sensitivity), subelement.value),
            part: Some(key),
        });
    }
    Ok(())
}

fn describe_ber<'s>(
    label: &'s Label,
    field: u8,
    above: &str,
    bytes: &[u8],
    entries: &mut Vec<Described<'s>>,
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
            describe_ber(label, field, &format!("{path}."), element.value, entries)?;
            continue;
        }
        entries.push(Described {
            field,
            name: known.map_or(UNLISTED_PART, |part| &part.name),
            value: match element.tag.is_constructed() {
                true => MASK.to_owned(),
                false => show_bytes(sensitivity, element.value),
            },
            part: Some(path),
        });
    }
    Ok(())
}

fn show_text(sensitivity: Sensitivity, value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => sensitivity.mask(text),
        // Never sent like this: the codec admits ASCII only. Shown for the message that could not be packed.
        Err(_) => MASK.to_owned(),
    }
}

fn show_bytes(sensitivity: Sensitivity, value: &[u8]) -> String {
    if sensitivity == Sensitivity::Full {
        return MASK.to_owned();
    }
    let hex: String = value.iter().flat_map(|&byte| HEX_OF_BYTE[usize::from(byte)]).map(char::from).collect();
    sensitivity.mask(&hex)
}

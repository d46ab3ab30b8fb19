//! The TOML form of a spec, and its way to a [`Spec`].

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::ber_tlv::BerTag;
use crate::format::{Content, Format};
use crate::message::FIELD_NUMBER_MAX;
use crate::plan::{BinaryWire, BitmapWire, Encodings, HexCount, NumericWire, OddPad, Plan, PrefixWire, TextWire};
use crate::spec::{Label, Layout, PartLabel, Sensitivity, Spec, builtin_text};

/// How many specs may stand on one another's shoulders.
const EXTENDS_DEPTH_MAX: usize = 4;

/// Why a spec could not be loaded. The guilty one is its author.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No such name is compiled in.
    #[error("no spec \"{name}\" is built in")]
    UnknownBuiltin {
        /// The name asked for, or named by `extends`.
        name: String,
    },
    /// The text is not TOML, or has a key or a value that a spec does not have.
    #[error("the spec cannot be read: {problem}")]
    Toml {
        /// Where and what.
        problem: String,
    },
    /// A setting that is needed is neither here nor in the spec that is extended.
    #[error("the spec has no {setting}: write it, or extend a spec that has it")]
    Missing {
        /// The key.
        setting: &'static str,
    },
    /// A field makes no sense.
    #[error("field {field}: {problem}")]
    Field {
        /// The key as written.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Too many specs extend one another.
    #[error("more than {EXTENDS_DEPTH_MAX} specs extend one another: flatten them")]
    ExtendsTooDeep,
}

/// Loads a spec and whatever it extends.
pub(crate) fn load(text: &str) -> Result<Spec, SpecError> {
    let mut merged = parse(text)?;
    let mut depth = 1;
    while let Some(base) = merged.extends.take() {
        if depth == EXTENDS_DEPTH_MAX {
            return Err(SpecError::ExtendsTooDeep);
        }
        depth += 1;
        let base_text = builtin_text(&base).ok_or(SpecError::UnknownBuiltin { name: base })?;
        merged = merged.over(parse(base_text)?);
    }
    compile(merged)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    name: Option<String>,
    extends: Option<String>,
    #[serde(default)]
    encoding: EncodingFile,
    #[serde(default)]
    fields: BTreeMap<String, FieldFile>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodingFile {
    mti: Option<NumericWire>,
    bitmap: Option<BitmapWire>,
    numeric: Option<NumericWire>,
    text: Option<TextWire>,
    binary: Option<BinaryWire>,
    length: Option<PrefixWire>,
    hex_length: Option<HexCount>,
    odd_pad: Option<OddPad>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    name: Option<String>,
    format: Option<String>,
    sensitive: Option<Sensitivity>,
    layout: Option<Layout>,
    /// `false` takes a field of the extended spec away.
    used: Option<bool>,
    #[serde(default)]
    parts: BTreeMap<String, PartFile>,
    numeric: Option<NumericWire>,
    text: Option<TextWire>,
    binary: Option<BinaryWire>,
    length: Option<PrefixWire>,
    hex_length: Option<HexCount>,
    odd_pad: Option<OddPad>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartFile {
    name: String,
    #[serde(default)]
    sensitive: Sensitivity,
}

fn parse(text: &str) -> Result<SpecFile, SpecError> {
    toml::from_str(text).map_err(|error| SpecError::Toml { problem: error.to_string().trim_end().to_owned() })
}

impl SpecFile {
    /// This file's settings, and the base's where this one is silent.
    fn over(self, base: SpecFile) -> SpecFile {
        let mut fields = base.fields;
        for (number, own) in self.fields {
            let below = fields.remove(&number).unwrap_or_default();
            fields.insert(number, own.over(below));
        }
        SpecFile {
            name: self.name.or(base.name),
            extends: base.extends,
            encoding: self.encoding.over(base.encoding),
            fields,
        }
    }
}

impl EncodingFile {
    fn over(self, base: EncodingFile) -> EncodingFile {
        EncodingFile {
            mti: self.mti.or(base.mti),
            bitmap: self.bitmap.or(base.bitmap),
            numeric: self.numeric.or(base.numeric),
            text: self.text.or(base.text),
            binary: self.binary.or(base.binary),
            length: self.length.or(base.length),
            hex_length: self.hex_length.or(base.hex_length),
            odd_pad: self.odd_pad.or(base.odd_pad),
        }
    }
}

impl FieldFile {
    fn over(self, base: FieldFile) -> FieldFile {
        let mut parts = base.parts;
        parts.extend(self.parts);
        FieldFile {
            name: self.name.or(base.name),
            format: self.format.or(base.format),
            sensitive: self.sensitive.or(base.sensitive),
            layout: self.layout.or(base.layout),
            used: self.used.or(base.used),
            parts,
            numeric: self.numeric.or(base.numeric),
            text: self.text.or(base.text),
            binary: self.binary.or(base.binary),
            length: self.length.or(base.length),
            hex_length: self.hex_length.or(base.hex_length),
            odd_pad: self.odd_pad.or(base.odd_pad),
        }
    }

    fn encodings(&self, spec: &Encodings) -> Encodings {
        Encodings {
            numeric: self.numeric.unwrap_or(spec.numeric),
            text: self.text.unwrap_or(spec.text),
            binary: self.binary.unwrap_or(spec.binary),
            prefix: self.length.unwrap_or(spec.prefix),
            hex_count: self.hex_length.unwrap_or(spec.hex_count),
            odd_pad: self.odd_pad.unwrap_or(spec.odd_pad),
        }
    }
}

fn compile(file: SpecFile) -> Result<Spec, SpecError> {
    let missing = |setting| SpecError::Missing { setting };
    let encodings = Encodings {
        numeric: file.encoding.numeric.ok_or(missing("encoding.numeric"))?,
        text: file.encoding.text.ok_or(missing("encoding.text"))?,
        binary: file.encoding.binary.ok_or(missing("encoding.binary"))?,
        prefix: file.encoding.length.ok_or(missing("encoding.length"))?,
        hex_count: file.encoding.hex_length.unwrap_or(HexCount::Characters),
        odd_pad: file.encoding.odd_pad.unwrap_or(OddPad::LeftZero),
    };
    let mut spec = Spec {
        name: file.name.ok_or(missing("name"))?,
        mti: file.encoding.mti.ok_or(missing("encoding.mti"))?,
        bitmap: file.encoding.bitmap.ok_or(missing("encoding.bitmap"))?,
        plans: [None; FIELD_NUMBER_MAX as usize + 1],
        labels: Vec::new(),
    };
    spec.labels.resize_with(spec.plans.len(), || None);
    for (key, field) in file.fields {
        if field.used == Some(false) {
            continue;
        }
        let at_fault = |problem: String| SpecError::Field { field: key.clone(), problem };
        let index = field_index(&key).map_err(at_fault)?;
        let compiled = compile_field(field, &encodings).map_err(at_fault)?;
        if let (Some(plan), Some(label)) = (spec.plans.get_mut(index), spec.labels.get_mut(index)) {
            *plan = Some(compiled.plan);
            *label = Some(compiled.label);
        }
    }
    Ok(spec)
}

struct CompiledField {
    plan: Plan,
    label: Label,
}

fn compile_field(field: FieldFile, encodings: &Encodings) -> Result<CompiledField, String> {
    let encodings = field.encodings(encodings);
    let text = field.format.ok_or("has no format: write one, such as format = \"n 6\"")?;
    let format: Format = text.parse()?;
    let layout = field.layout.unwrap_or_default();
    match (layout, format.content) {
        (Layout::Plain, _) | (Layout::BerTlv, Content::Binary) | (Layout::Subelements, Content::Text(_)) => {}
        (Layout::BerTlv, _) => return Err("layout \"ber-tlv\" needs a binary format, such as \"b ...255\"".to_owned()),
        (Layout::Subelements, _) => {
            return Err("layout \"subelements\" needs a text format, such as \"ans ...999\"".to_owned());
        }
    }
    if layout == Layout::Plain && !field.parts.is_empty() {
        return Err("has parts but no layout: write layout = \"subelements\" or \"ber-tlv\"".to_owned());
    }
    let mut parts = BTreeMap::new();
    for (key, part) in field.parts {
        parts.insert(part_key(layout, &key)?, PartLabel { name: part.name, sensitivity: part.sensitive });
    }
    let label = Label {
        name: field.name.ok_or("has no name: write one, such as name = \"systems trace audit number\"")?,
        // Digits and bytes have a meaning that the spec gives; only free text can hold what nobody foresaw.
        sensitivity: field.sensitive.unwrap_or(match format.content {
            Content::Text(_) => Sensitivity::Scan,
            Content::Digits | Content::SignedDigits | Content::Binary => Sensitivity::None,
            Content::Track => Sensitivity::Full,
        }),
        layout,
        parts,
    };
    Ok(CompiledField { plan: Plan::new(format, encodings)?, label })
}

fn field_index(key: &str) -> Result<usize, String> {
    key.parse::<u8>()
        .ok()
        .filter(|&number| (2..=FIELD_NUMBER_MAX).contains(&number) && key == number.to_string())
        .map(usize::from)
        .ok_or_else(|| "fields are numbered 2 to 128, without leading zeros; the bitmaps are no fields".to_owned())
}

fn part_key(layout: Layout, key: &str) -> Result<String, String> {
    let known = match layout {
        Layout::Plain => false,
        Layout::Subelements => key.len() == 2 && key.bytes().all(|byte| byte.is_ascii_digit()),
        Layout::BerTlv => key.parse::<BerTag>().is_ok_and(|tag| tag.to_string() == key),
    };
    if known {
        return Ok(key.to_owned());
    }
    Err(format!(
        "part \"{key}\": write a subelement as two digits, a BER tag in upper-case hexadecimal, such as \"9F02\""
    ))
}

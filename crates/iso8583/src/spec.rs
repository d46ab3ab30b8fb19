//! A message spec: which fields there are, how each travels, what it is called and how much of it may be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use crate::message::FIELD_NUMBER_MAX;
use crate::plan::{BitmapWire, NumericWire, Plan};
use crate::spec_file::{SpecError, load};

/// A message spec, compiled for packing, unpacking and describing.
///
/// Loading parses TOML and takes about a millisecond: do it once and share it, as [`Spec::builtin`] does.
pub struct Spec {
    pub(crate) name: String,
    pub(crate) mti: NumericWire,
    pub(crate) bitmap: BitmapWire,
    /// By field number; 0 and 1 stay empty.
    pub(crate) plans: [Option<Plan>; FIELD_NUMBER_MAX as usize + 1],
    /// By field number; 0 and 1 stay empty.
    pub(crate) labels: Vec<Option<Label>>,
}

/// How much of a value a description shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// All of it: the spec vouches that no card data can be in it.
    None,
    /// All of it except digit runs that look like a card number (13 digits or more that pass the Luhn check).
    #[default]
    Scan,
    /// The first six and the last four characters; nothing of a value shorter than 13.
    Pan,
    /// Nothing.
    Full,
}

/// What lies inside a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One value.
    #[default]
    Plain,
    /// Subelements of a two-digit tag, a two-digit length and a value: see [`Subelements`](crate::Subelements).
    Subelements,
    /// BER-TLV, as EMV chip data: see [`BerElements`](crate::BerElements).
    BerTlv,
}

impl Spec {
    /// A spec that is compiled in. It is loaded once in a process and shared from then on.
    ///
    /// # Errors
    /// [`SpecError::UnknownBuiltin`] for a name that is not among [`Spec::builtin_names`].
    pub fn builtin(name: &str) -> Result<Arc<Spec>, SpecError> {
        let found = BUILTINS.iter().find(|builtin| builtin.name == name);
        let builtin = found.ok_or_else(|| SpecError::UnknownBuiltin { name: name.to_owned() })?;
        if let Some(loaded) = builtin.loaded.get() {
            return Ok(Arc::clone(loaded));
        }
        // Two that come at once both load it, and the first one's is kept.
        let loaded = Arc::new(Spec::from_toml(builtin.text)?);
        Ok(Arc::clone(builtin.loaded.get_or_init(|| loaded)))
    }

    /// The names of the specs that are compiled in.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTINS.iter().map(|builtin| builtin.name)
    }

    /// A spec from TOML; the form is explained at the head of `specs/iso8583-1987-ascii.toml`.
    ///
    /// # Errors
    /// [`SpecError`] says which field and what to do. The guilty one is the author of the spec.
    pub fn from_toml(text: &str) -> Result<Spec, SpecError> {
        load(text)
    }

    /// The name the spec gives itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the spec knows the field.
    pub fn has_field(&self, field: u8) -> bool {
        self.plan(field).is_some()
    }

    /// What the spec calls the field.
    pub fn field_name(&self, field: u8) -> Option<&str> {
        self.label(field).map(|label| label.name.as_str())
    }

    /// How much of the field a description shows, as long as it has no parts.
    pub fn field_sensitivity(&self, field: u8) -> Option<Sensitivity> {
        self.label(field).map(|label| label.sensitivity)
    }

    /// What lies inside the field.
    pub fn field_layout(&self, field: u8) -> Option<Layout> {
        self.label(field).map(|label| label.layout)
    }

    /// What the spec calls a part of a field: a subelement by its two digits, a BER tag by its upper-case hexadecimal form.
    pub fn part_name(&self, field: u8, part: &str) -> Option<&str> {
        self.label(field).and_then(|label| label.parts.get(part)).map(|label| label.name.as_str())
    }

    #[inline]
    pub(crate) fn plan(&self, field: u8) -> Option<&Plan> {
        self.plans.get(usize::from(field)).and_then(Option::as_ref)
    }

    pub(crate) fn label(&self, field: u8) -> Option<&Label> {
        self.labels.get(usize::from(field)).and_then(Option::as_ref)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.plans.iter().filter(|plan| plan.is_some()).count();
        f.debug_struct("Spec").field("name", &self.name).field("fields", &fields).finish()
    }
}

/// The human side of a field.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) layout: Layout,
    pub(crate) parts: BTreeMap<String, PartLabel>,
}

/// The human side of a subelement or a BER tag.
#[derive(Debug)]
pub(crate) struct PartLabel {
    pub(crate) name: String,
    pub(crate) sensitivity: Sensitivity,
}

struct Builtin {
    name: &'static str,
    text: &'static str,
    loaded: OnceLock<Arc<Spec>>,
}

impl Builtin {
    const fn new(name: &'static str, text: &'static str) -> Builtin {
        Builtin { name, text, loaded: OnceLock::new() }
    }
}

static BUILTINS: [Builtin; 3] = [
    Builtin::new("iso8583-1987-ascii", include_str!("../specs/iso8583-1987-ascii.toml")),
    Builtin::new("iso8583-1987-ascii-binary", include_str!("../specs/iso8583-1987-ascii-binary.toml")),
    Builtin::new("iso8583-1987-bcd", include_str!("../specs/iso8583-1987-bcd.toml")),
];

pub(crate) fn builtin_text(name: &str) -> Option<&'static str> {
    BUILTINS.iter().find(|builtin| builtin.name == name).map(|builtin| builtin.text)
}

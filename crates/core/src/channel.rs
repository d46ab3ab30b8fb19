//! How a merchant's requests may come, and what they may not hold.

/// How a merchant's requests may come.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelTerms {
    /// What becomes of a request with a card number where none belongs.
    pub stray_card_numbers: StrayCardNumbers,
}

/// What becomes of a request with a card number where none belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrayCardNumbers {
    /// It is refused (00033) and counted.
    #[default]
    Refuse,
    /// It is counted and kept masked; in a reference it is refused all the same.
    Count,
}

impl StrayCardNumbers {
    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            StrayCardNumbers::Refuse => "refuse",
            StrayCardNumbers::Count => "count",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<StrayCardNumbers> {
        [StrayCardNumbers::Refuse, StrayCardNumbers::Count].into_iter().find(|rule| rule.name() == name)
    }
}

//! How many tokens one card may have, and for how many customers it may be kept.

/// The most customers that a limit can name.
pub const CARD_CUSTOMERS_MAX: u32 = 1_000;

/// What a merchant wants of the cards that it keeps. The store holds it in the commit that keeps a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CardTerms {
    /// How far one card has one token.
    pub unique: UniqueTokens,
    /// For how many customers one card may be kept, 1 to [`CARD_CUSTOMERS_MAX`]; `None` is no limit.
    pub customers_max: Option<u32>,
}

/// How far one card has one token. Tokens that are switched off do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UniqueTokens {
    /// Not at all: each wish to keep it makes another.
    #[default]
    Off,
    /// One for the whole merchant.
    PerMerchant,
    /// One for each of the merchant's customers.
    PerCustomer,
}

impl CardTerms {
    /// Whether a card may come to be kept under another name than was asked for, or not at all.
    #[must_use]
    pub const fn may_decide(&self) -> bool {
        !matches!(self.unique, UniqueTokens::Off) || self.customers_max.is_some()
    }
}

impl UniqueTokens {
    /// All of them.
    pub const ALL: [UniqueTokens; 3] = [UniqueTokens::Off, UniqueTokens::PerMerchant, UniqueTokens::PerCustomer];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            UniqueTokens::Off => "off",
            UniqueTokens::PerMerchant => "per-merchant",
            UniqueTokens::PerCustomer => "per-customer",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<UniqueTokens> {
        UniqueTokens::ALL.into_iter().find(|unique| unique.name() == name)
    }
}

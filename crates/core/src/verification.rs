//! How a merchant's cards are verified (VERIFY_CARD).

use crate::money::{Amount, Currency, Money};
use crate::order::PayKind;

/// The most major units that a verification may hold.
pub const SMALL_AMOUNT_UNITS_MAX: u8 = 10;

/// How a merchant's cards are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationTerms {
    /// What the issuer is asked.
    pub method: VerificationMethod,
    /// How much a small amount is, in major units of the currency: 1 is 1.00 AED and 1.000 KWD. 1 to
    /// [`SMALL_AMOUNT_UNITS_MAX`].
    pub small_amount_units: u8,
}

/// What the issuer is asked to find out whether a card is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationMethod {
    /// That very question, without money: nothing is ever held. For networks that can be asked so.
    #[default]
    Account,
    /// To hold a small amount, which is given up at once. For all others.
    SmallAmount,
}

impl Default for VerificationTerms {
    fn default() -> VerificationTerms {
        VerificationTerms { method: VerificationMethod::default(), small_amount_units: 1 }
    }
}

impl VerificationTerms {
    /// As what a verification in `currency` is kept.
    #[must_use]
    pub const fn kind(&self) -> PayKind {
        match self.method {
            VerificationMethod::Account => PayKind::VerifyAccount,
            VerificationMethod::SmallAmount => PayKind::VerifyByHold,
        }
    }

    /// How much a verification in `currency` asks for.
    #[must_use]
    pub fn money(&self, currency: Currency) -> Money {
        let units = u64::from(self.small_amount_units.clamp(1, SMALL_AMOUNT_UNITS_MAX));
        let amount = match self.method {
            VerificationMethod::Account => Amount::ZERO,
            // Ten major units fit with every exponent there is.
            VerificationMethod::SmallAmount => {
                Amount::from_minor(units * 10u64.pow(u32::from(currency.exponent()))).unwrap_or(Amount::ZERO)
            }
        };
        Money { amount, currency }
    }
}

impl VerificationMethod {
    /// Both of them.
    pub const ALL: [VerificationMethod; 2] = [VerificationMethod::Account, VerificationMethod::SmallAmount];

    /// The name used in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            VerificationMethod::Account => "account",
            VerificationMethod::SmallAmount => "small-amount",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<VerificationMethod> {
        VerificationMethod::ALL.into_iter().find(|method| method.name() == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_small_amount_is_whole_major_units_of_any_currency_and_an_account_costs_nothing() {
        let small = VerificationTerms { method: VerificationMethod::SmallAmount, small_amount_units: 2 };
        for currency in Currency::all() {
            let expected = 2 * 10u64.pow(u32::from(currency.exponent()));
            assert_eq!(small.money(currency).amount.minor(), expected, "{currency}");
            assert_eq!(VerificationTerms::default().money(currency).amount, Amount::ZERO);
        }
        let kwd = Currency::from_alpha("KWD").unwrap();
        assert_eq!(small.money(kwd).to_string(), "2.000 KWD");
        assert_eq!(VerificationTerms { small_amount_units: 0, ..small }.money(kwd).to_string(), "1.000 KWD");
    }

    #[test]
    fn methods_read_back() {
        for method in VerificationMethod::ALL {
            assert_eq!(VerificationMethod::parse(method.name()), Some(method));
        }
        assert_eq!(VerificationMethod::parse("ACCOUNT"), None);
    }
}

//! The test cards that the shop's server sends: those of the sandbox card network, and nothing that anybody types.

use tollgate_core::bin::Brand;
use tollgate_core::card::mask;
use tollgate_core::time::Timestamp;
use tollgate_issuer::Behaviours;

/// A card of the sandbox, and what it does.
pub struct TestCard {
    /// Its number: a published test number, or one made up for the sandbox.
    pub number: String,
    /// Its brand.
    pub brand: Brand,
    /// YYMM, where only this date does it.
    pub expiry: Option<String>,
    /// What happens, in a few English words.
    pub note: String,
}

impl TestCard {
    /// The number as it is shown beside what was sent.
    pub fn mask(&self) -> String {
        mask(&self.number)
    }

    /// A security code as long as the brand has it.
    pub fn security_code(&self) -> &'static str {
        security_code_of(&self.number)
    }
}

/// A security code for a card with this number or mask. American Express has four digits.
pub fn security_code_of(mask: &str) -> &'static str {
    if mask.starts_with('3') { "1234" } else { "123" }
}

/// All of them, in the order of the sandbox's table.
pub fn all() -> Vec<TestCard> {
    let table = match Behaviours::builtin() {
        Ok(table) => table,
        Err(error) => {
            tracing::error!(%error, "the shop has no test cards");
            return Vec::new();
        }
    };
    let cards = table.cards().iter().map(|card| TestCard {
        number: card.number().to_owned(),
        brand: card.brand,
        expiry: card.expiry.map(|expiry| expiry.to_string()),
        note: card.note.clone(),
    });
    let by_amount = table.amount_cards().iter().map(|card| TestCard {
        number: card.number().to_owned(),
        brand: card.brand,
        expiry: None,
        note: "the last five digits of the amount decide, for example 900.51".to_owned(),
    });
    cards.chain(by_amount).collect()
}

/// YYMM of a card that does what no date is named for: good for years at `now`, and a December, which no row of the
/// table names.
pub fn usual_expiry(now: Timestamp) -> String {
    format!("{:02}12", now.utc().year.saturating_add(3).rem_euclid(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_the_table_names_the_usual_expiry() {
        let cards = all();
        assert!(cards.len() > 20, "the table is there");
        for card in cards {
            assert!(card.expiry.is_none_or(|expiry| !expiry.ends_with("12")), "{}", card.note);
        }
        assert_eq!(usual_expiry(Timestamp::from_date(2026, 11, 26).unwrap_or_default()), "2912");
    }

    #[test]
    fn a_security_code_is_as_long_as_the_brand_has_it() {
        for card in all() {
            assert_eq!(card.security_code(), security_code_of(&card.mask()), "{}", card.mask());
            assert_eq!(card.security_code().len() == 4, card.brand == Brand::Amex);
        }
    }
}

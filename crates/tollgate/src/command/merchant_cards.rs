//! The options of `tollgate merchant set` that say how a merchant's cards are verified and kept.

use anyhow::{Context, bail};
use clap::Args;
use tollgate_core::card_terms::{CARD_CUSTOMERS_MAX, UniqueTokens};
use tollgate_core::merchant::Terms;
use tollgate_core::verification::{SMALL_AMOUNT_UNITS_MAX, VerificationMethod, VerificationTerms};

/// How a merchant's cards are verified and kept.
#[derive(Debug, Args)]
pub struct CardArgs {
    /// How VERIFY_CARD asks about a card: without money (account), or by a small amount that is held and given up at
    /// once (small-amount), for networks that know no other way
    #[arg(long, value_name = "account|small-amount")]
    verify_card: Option<String>,
    /// The small amount in major units of the currency, 1 to 10: 1 is 1.00 AED and 1.000 KWD
    #[arg(long, value_name = "UNITS")]
    verify_card_units: Option<u8>,
    /// Let a card that is kept again have the token that it has: one for the whole merchant, or one for each customer
    /// (by customer_email)
    #[arg(long, value_name = "off|per-merchant|per-customer")]
    unique_tokens: Option<String>,
    /// For how many customers one card may be kept, 1 to 1000; 'none' lifts it
    #[arg(long, value_name = "N")]
    card_customers_max: Option<String>,
}

impl CardArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut Terms) -> anyhow::Result<()> {
        if let Some(name) = &self.verify_card {
            terms.verification.method = VerificationMethod::parse(name)
                .with_context(|| format!("--verify-card is account or small-amount, not {name:?}"))?;
        }
        if let Some(units) = self.verify_card_units {
            if !(1..=SMALL_AMOUNT_UNITS_MAX).contains(&units) {
                bail!("--verify-card-units is 1 to {SMALL_AMOUNT_UNITS_MAX}, not {units}");
            }
            terms.verification.small_amount_units = units;
        }
        if let Some(name) = &self.unique_tokens {
            terms.cards.unique = UniqueTokens::parse(name)
                .with_context(|| format!("--unique-tokens is off, per-merchant or per-customer, not {name:?}"))?;
        }
        match self.card_customers_max.as_deref() {
            None => {}
            Some("none") => terms.cards.customers_max = None,
            Some(text) => {
                let max = text.parse().ok().filter(|max| (1..=CARD_CUSTOMERS_MAX).contains(max));
                terms.cards.customers_max = Some(max.with_context(|| {
                    format!("--card-customers-max is 1 to {CARD_CUSTOMERS_MAX} or none, not {text:?}")
                })?);
            }
        }
        Ok(())
    }

    /// Whether they make cards have one token only.
    #[must_use]
    pub fn begins_uniqueness(&self) -> bool {
        self.unique_tokens.as_deref().is_some_and(|name| name != UniqueTokens::Off.name())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &Terms) {
    let VerificationTerms { method, small_amount_units } = terms.verification;
    let units = match method {
        VerificationMethod::Account => String::new(),
        VerificationMethod::SmallAmount => format!("   (holds {small_amount_units} of the currency, and gives it up)"),
    };
    println!("{:<22}{}{units}", "verify card", method.name());
    println!("{:<22}{}", "unique tokens", terms.cards.unique.name());
    let max = terms.cards.customers_max.map_or_else(|| "no limit".to_owned(), |max| max.to_string());
    println!("{:<22}{max}", "customers per card");
}

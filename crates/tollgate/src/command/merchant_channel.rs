//! The options of `tollgate merchant set` that say how a merchant's requests may come.

use anyhow::Context;
use clap::Args;
use tollgate_core::channel::{CardDataRule, ChannelTerms, StrayCardNumbers};

/// How a merchant's requests may come.
#[derive(Debug, Args)]
pub struct ChannelArgs {
    /// A card number where none belongs: refuse (00033) or count; both count it
    #[arg(long, value_name = "refuse|count")]
    stray_card_numbers: Option<String>,
    /// How card data may come: any, or encrypted-only (as encrypted_card_data)
    #[arg(long, value_name = "any|encrypted-only")]
    card_data: Option<String>,
}

impl ChannelArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut ChannelTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.stray_card_numbers {
            terms.stray_card_numbers = StrayCardNumbers::parse(name)
                .with_context(|| format!("--stray-card-numbers is refuse or count, not {name:?}"))?;
        }
        if let Some(name) = &self.card_data {
            terms.card_data = CardDataRule::parse(name)
                .with_context(|| format!("--card-data is any or encrypted-only, not {name:?}"))?;
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &ChannelTerms) {
    println!("{:<22}{}", "card data", terms.card_data.name());
    println!("{:<22}{}", "stray card numbers", terms.stray_card_numbers.name());
}

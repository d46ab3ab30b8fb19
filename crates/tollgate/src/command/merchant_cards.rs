//! The options of `tollgate merchant set` that say how a merchant's cards are verified.

use anyhow::{Context, bail};
use clap::Args;
use tollgate_core::merchant::Terms;
use tollgate_core::verification::{SMALL_AMOUNT_UNITS_MAX, VerificationMethod, VerificationTerms};

/// How a merchant's cards are verified.
#[derive(Debug, Args)]
pub struct CardArgs {
    /// How VERIFY_CARD asks about a card: without money (account), or by a small amount that is held and given up at
    /// once (small-amount), for networks that know no other way
    #[arg(long, value_name = "account|small-amount")]
    verify_card: Option<String>,
    /// The small amount in major units of the currency, 1 to 10: 1 is 1.00 AED and 1.000 KWD
    #[arg(long, value_name = "UNITS")]
    verify_card_units: Option<u8>,
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
        Ok(())
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
}

//! The options of `tollgate merchant set` that say how a merchant may charge customers who are not present.

use anyhow::Context;
use clap::Args;
use tollgate_core::agreement::AgreementRule;
use tollgate_core::merchant::RecurringTerms;

/// How a merchant may charge customers who are not present.
#[derive(Debug, Args)]
pub struct RecurringArgs {
    /// Whether a RECURRING payment has to name an agreement (agreement_id), or may go by its token alone
    #[arg(long, value_name = "optional|required")]
    agreement: Option<String>,
}

impl RecurringArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut RecurringTerms) -> anyhow::Result<()> {
        if let Some(name) = &self.agreement {
            terms.agreement = AgreementRule::parse(name)
                .with_context(|| format!("--agreement is optional or required, not {name:?}"))?;
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &RecurringTerms) {
    println!("{:<22}{}", "agreement", terms.agreement.name());
}

//! The options of `tollgate merchant set` about batches.

use anyhow::bail;
use clap::Args;
use tollgate_core::batch::{BatchRows, BatchService, BatchTerms};

/// Whether a merchant may upload batches, and of what.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// Let it upload files of payments and operations (on), or refuse them with 00093 (off)
    #[arg(long, value_name = "on|off")]
    batch: Option<String>,
    /// What rows may be: as FORT takes them (fort), or AUTHORIZATION and eci=MOTO with a token besides (wide)
    #[arg(long, value_name = "fort|wide")]
    batch_rows: Option<String>,
}

impl BatchArgs {
    /// Changes `terms` as the options say.
    ///
    /// # Errors
    /// When an option's value is none.
    pub fn change(&self, terms: &mut BatchTerms) -> anyhow::Result<()> {
        match self.batch.as_deref() {
            None => {}
            Some("on") => terms.service = BatchService::On,
            Some("off") => terms.service = BatchService::Off,
            Some(other) => bail!("--batch is on or off, not {other:?}"),
        }
        match self.batch_rows.as_deref() {
            None => {}
            Some("fort") => terms.rows = BatchRows::Fort,
            Some("wide") => terms.rows = BatchRows::Wide,
            Some(other) => bail!("--batch-rows is fort or wide, not {other:?}"),
        }
        Ok(())
    }
}

/// Prints what a person wants to know of `terms`.
pub fn print(terms: &BatchTerms) {
    let words = match (terms.service, terms.rows) {
        (BatchService::Off, _) => "off",
        (BatchService::On, BatchRows::Fort) => "on",
        (BatchService::On, BatchRows::Wide) => "on, with AUTHORIZATION and MOTO rows",
    };
    println!("{:<22}{words}", "batches");
}

//! `tollgate token customers MERCHANT TOKEN_NAME`: whose a card is.

use super::{OperatorArgs, small_runtime};
use crate::data_folder::DataFolder;
use crate::wiring::{self, Keep};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;
use tollgate_app::{Accounts, CardCustomers};
use tollgate_core::card_terms::CARD_CUSTOMERS_MAX;
use tollgate_core::shown::harmless;
use tollgate_fort::command::mask_card_numbers;

/// Which card.
#[derive(Debug, Args)]
pub struct Customers {
    /// The merchant's handle
    merchant: String,
    /// A token of the card
    token_name: String,
}

impl Customers {
    /// Prints them.
    ///
    /// # Errors
    /// When there is no such merchant or token, or the store cannot be read.
    pub fn run(&self, folder: &DataFolder, common: &OperatorArgs) -> anyhow::Result<ExitCode> {
        let found = small_runtime()?.block_on(async {
            let parts = wiring::open_reading(folder, Keep::Existing).await?;
            let accounts = Accounts::new(parts.store.clone(), parts.vault.clone(), parts.clock.clone());
            let found = self.find(&accounts).await;
            drop(accounts);
            wiring::close(parts).await;
            found
        })?;
        common.print(&shown(&found), |_| print(&found))
    }

    async fn find(&self, accounts: &Accounts) -> anyhow::Result<CardCustomers> {
        let limit = usize::try_from(CARD_CUSTOMERS_MAX)?;
        let found = accounts.card_customers(&self.merchant, &self.token_name, limit).await?;
        found.with_context(|| {
            let name = mask_card_numbers(&self.token_name);
            format!("merchant {} has no token {:?}", self.merchant, harmless(&name))
        })
    }
}

fn shown(found: &CardCustomers) -> Value {
    let customers: Vec<Value> = found
        .customers
        .iter()
        .map(|row| json!({ "customer": row.customer, "first_at": row.first_at.to_string() }))
        .collect();
    json!({ "token_name": found.token.name, "card_number": found.token.card.mask, "customers": customers })
}

fn print(found: &CardCustomers) {
    let card = &found.token.card;
    println!("{} {} is kept for {} customers", card.brand, card.mask, found.customers.len());
    for row in &found.customers {
        println!("  {:<40} since {}", harmless(&row.customer), row.first_at);
    }
}

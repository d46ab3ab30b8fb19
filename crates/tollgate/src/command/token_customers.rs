//! `tollgate token customers MERCHANT TOKEN_NAME`: whose a card is.

use super::Format;
use anyhow::Context;
use clap::Args;
use tollgate_app::Accounts;
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
    /// How to print them
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Prints them.
///
/// # Errors
/// When there is no such merchant or token, or the store cannot be read.
pub async fn run(accounts: &Accounts, command: &Customers) -> anyhow::Result<()> {
    let limit = usize::try_from(CARD_CUSTOMERS_MAX)?;
    let found = accounts.card_customers(&command.merchant, &command.token_name, limit).await?;
    let found = found.with_context(|| {
        let name = mask_card_numbers(&command.token_name);
        format!("merchant {} has no token {:?}", command.merchant, harmless(&name))
    })?;
    let token = &found.token;
    match command.format {
        Format::Json => {
            let customers: Vec<_> = found
                .customers
                .iter()
                .map(|row| serde_json::json!({ "customer": row.customer, "first_at": row.first_at.to_string() }))
                .collect();
            let told = serde_json::json!({
                "token_name": token.name,
                "card_number": token.card.mask,
                "customers": customers,
            });
            println!("{}", serde_json::to_string_pretty(&told)?);
        }
        Format::Text => {
            println!("{} {} is kept for {} customers", token.card.brand, token.card.mask, found.customers.len());
            for row in &found.customers {
                println!("  {:<40} since {}", harmless(&row.customer), row.first_at);
            }
        }
    }
    Ok(())
}

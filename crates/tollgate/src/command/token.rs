//! `tollgate token list|show|delete|customers`.

use super::token_customers::Customers;
use super::{OperatorArgs, small_runtime};
use crate::desk;
use crate::token::TokenRequest;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;
use tollgate_core::shown::harmless;

/// List, show and delete tokens.
#[derive(Debug, Args)]
pub struct TokenCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: OperatorArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a merchant's tokens, oldest first
    List {
        /// The merchant's handle
        merchant: String,
        /// Go on after the token of this name
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
        /// At most so many, up to 10000
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one token
    Show {
        /// The merchant's handle
        merchant: String,
        /// The token's name
        name: String,
    },
    /// Delete a token with its card, for good
    Delete {
        /// The merchant's handle
        merchant: String,
        /// The token's name
        name: String,
    },
    /// List the customers that a token's card is kept for, under whichever of its tokens
    Customers(Customers),
}

impl TokenCommand {
    /// Runs it, on the running gateway if there is one, else on the store itself.
    ///
    /// # Errors
    /// Why nothing was done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.common.data.open()?;
        let request = match self.action {
            Action::List { merchant, after, limit } => TokenRequest::List { merchant, after, limit },
            Action::Show { merchant, name } => TokenRequest::Show { merchant, name },
            Action::Delete { merchant, name } => TokenRequest::Delete { merchant, name },
            Action::Customers(customers) => return customers.run(&folder, &self.common),
        };
        let answer = small_runtime()?.block_on(desk::ask(&folder, request))?;
        self.common.print(&answer, print)
    }
}

fn print(answer: &Value) {
    if let Some(tokens) = answer["tokens"].as_array() {
        if tokens.is_empty() {
            println!("no tokens");
        }
        for token in tokens {
            let field = |name: &str| text(token, name);
            println!(
                "{:<32}  {:<8}  {:<19}  {:<10}  {}  {}",
                field("token_name"),
                field("state"),
                field("card_number"),
                field("card_brand"),
                field("expiry_date"),
                field("created_at")
            );
        }
        if answer["more"] == true
            && let Some(last) = tokens.last()
        {
            println!("there are more: go on with --after {}", text(last, "token_name"));
        }
        return;
    }
    let deleted = &answer["deleted"];
    if deleted.is_object() {
        println!("token {} ({}) is deleted", text(deleted, "token_name"), text(deleted, "card_number"));
        match answer["traces"].as_str() {
            Some("gone") => println!("no file of the data folder holds the card that was sealed for it any more"),
            _ => println!("the log of the store holds its sealed card until it is used again: it was busy"),
        }
        println!("orders keep their mask, and the sealed card that their own captures and refunds need");
        return;
    }
    for name in [
        "token_name",
        "state",
        "card_number",
        "card_brand",
        "expiry_date",
        "card_holder_name",
        "currency",
        "created_at",
        "updated_at",
        "lapses_at",
    ] {
        println!("{name:<18}{}", text(answer, name));
    }
}

fn text(value: &Value, name: &str) -> String {
    harmless(value[name].as_str().unwrap_or("-")).into_owned()
}

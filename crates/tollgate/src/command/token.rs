//! `tollgate token customers`.

use super::token_customers::{self, Customers};
use super::{DataArg, small_runtime};
use crate::wiring::{self, Keep};
use clap::{Args, Subcommand};
use std::process::ExitCode;
use tollgate_app::Accounts;

/// Show what is known of tokens.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    data: DataArg,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the customers that a token's card is kept for, under whichever of its tokens
    Customers(Customers),
}

impl Token {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.data.open()?;
        small_runtime()?.block_on(async {
            let parts = wiring::open(&folder, Keep::Existing).await?;
            let accounts = Accounts::new(parts.store.clone(), parts.vault.clone(), parts.clock.clone());
            let done = match self.action {
                Action::Customers(command) => token_customers::run(&accounts, &command).await,
            };
            wiring::close(parts).await;
            done.map(|()| ExitCode::SUCCESS)
        })
    }
}
